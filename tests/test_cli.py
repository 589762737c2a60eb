"""The command line: files in, files out, and one clean message when something is wrong."""

from __future__ import annotations

import builtins
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmvalue import cli

COLUMNS = ("--customer", "client", "--date", "day", "--amount", "paid")


def orders() -> pd.DataFrame:
    """300 customers whose ids look like numbers with leading zeros."""
    rng = np.random.default_rng(5)
    customers = np.concatenate([np.arange(300), rng.integers(0, 150, 1200)])
    days = np.datetime64("2023-01-01") + np.concatenate([rng.integers(0, 90, 300), rng.integers(90, 600, 1200)])
    table = pd.DataFrame({"client": customers, "day": days, "paid": rng.gamma(5.0, 5.0, len(days)).round(2)})
    table["client"] = table["client"].map("{:06d}".format)
    return table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    table = orders()
    table.to_csv(folder / "orders.csv", index=False, date_format="%Y-%m-%d")
    table.to_parquet(folder / "orders.parquet", index=False)
    months = pd.date_range("2023-01-31", "2024-08-31", freq="ME").strftime("%Y-%m-%d")
    pd.DataFrame({"date": months, "category": "staff", "amount": 400.0}).to_csv(folder / "costs.csv", index=False)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["crmvalue", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    code = stopped.value.code
    return code if isinstance(code, int) else 0


def test_report_writes_one_page_and_the_tables_and_says_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new folder" / "out"
    code = run(
        monkeypatch,
        *(
            "report",
            files / "orders.csv",
            "--costs",
            files / "costs.csv",
            *COLUMNS,
            "--title",
            "<b>Shop</b>",
            "-o",
            out,
        ),
    )
    assert code == 0
    assert f"Report: {out / 'report.html'}" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<title>&lt;b&gt;Shop&lt;/b&gt;</title>" in page
    names = {path.stem for path in (out / "tables").iterdir()}
    assert {"customers", "segments", "churn", "retention", "costs", "cash_flow", "return", "audit"} <= names
    for name in names:
        assert (out / "tables" / f"{name}.csv").exists()
        assert (out / "tables" / f"{name}.parquet").exists()


def test_ids_with_leading_zeros_survive_csv_and_both_formats_give_the_same(
    monkeypatch: pytest.MonkeyPatch, files: Path, tmp_path: Path
) -> None:
    for kind in ("csv", "parquet"):
        assert run(monkeypatch, "report", files / f"orders.{kind}", *COLUMNS, "-o", tmp_path / kind) == 0
    tables = [pd.read_parquet(tmp_path / kind / "tables" / "customers.parquet") for kind in ("csv", "parquet")]
    assert set(tables[0]["customer_id"]) == set(orders()["client"])
    one, other = (table.sort_values("customer_id", ignore_index=True) for table in tables)
    pd.testing.assert_frame_equal(one, other, check_dtype=False)
    assert (tmp_path / "csv" / "report.html").read_bytes() == (tmp_path / "parquet" / "report.html").read_bytes()


def test_customers_named_na_or_like_a_formula_are_customers(
    monkeypatch: pytest.MonkeyPatch, files: Path, tmp_path: Path
) -> None:
    odd = orders()
    odd.loc[odd["client"] == "000001", "client"] = "NA"
    odd.loc[odd["client"] == "000002", "client"] = "=HYPERLINK(1)"
    odd.to_csv(tmp_path / "odd.csv", index=False)
    assert run(monkeypatch, "report", tmp_path / "odd.csv", *COLUMNS, "-o", tmp_path / "out") == 0
    kept = pd.read_parquet(tmp_path / "out" / "tables" / "customers.parquet")
    assert {"NA", "=HYPERLINK(1)"} <= set(kept["customer_id"])
    text = (tmp_path / "out" / "tables" / "customers.csv").read_text(encoding="utf-8-sig")
    assert "\n'=HYPERLINK(1)," in text
    assert "HYPERLINK" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_other_separators_and_date_formats_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    orders().to_csv(tmp_path / "de.csv", index=False, sep=";", date_format="%d.%m.%Y")
    options = ("--separator", ";", "--date-format", "%d.%m.%Y", "-o", tmp_path / "out")
    assert run(monkeypatch, "report", tmp_path / "de.csv", *COLUMNS, *options) == 0
    audit = pd.read_parquet(tmp_path / "out" / "tables" / "audit.parquet").set_index("rule")["rows"]
    assert audit["rows_in"] == audit["rows_out"] == 1500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("orders.csv", "--customer", "clients", "--date", "day", "--amount", "paid"), "Did you mean 'client'?"),
        (("orders.csv", *COLUMNS, "--margin", "2"), "margin: got 2.0"),
        (("orders.csv", *COLUMNS, "--discount-rate=-1"), "discount_rate: got -1.0"),
        (("orders.csv", *COLUMNS, "--observation-end", "1990-01-01"), "none of 1,500 rows"),
        (("orders.csv", *COLUMNS, "--costs", "orders.csv"), "column 'date' is missing"),
        (("broken.parquet", *COLUMNS), "cannot be read"),
        (("empty.csv", *COLUMNS), "cannot be read"),
        (("latin.csv", *COLUMNS), "is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_in_one_message_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    (files / "broken.parquet").write_bytes(b"no parquet")
    (files / "empty.csv").write_text("")
    (files / "latin.csv").write_bytes("client,day,paid\nJosé,2024-01-01,3\n".encode("latin-1"))
    monkeypatch.chdir(files)
    assert run(monkeypatch, "report", *arguments, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith("crmvalue: ")
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(monkeypatch, "report", files / "orders.csv", *COLUMNS, "-o", tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_customers_who_all_bought_once_still_get_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    orders().drop_duplicates("client").to_csv(tmp_path / "once.csv", index=False)
    assert run(monkeypatch, "report", tmp_path / "once.csv", *COLUMNS, "-o", tmp_path / "out") == 0
    assert "no customer bought twice" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == f"crmvalue {version('crmvalue')}"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return real(name, *rest, **named)

    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.import_module", lambda name: without(name))
    assert run(monkeypatch, "demo") == 2
    assert "pip install 'crmvalue[report]'" in capsys.readouterr().err


def test_demo_makes_the_report_of_the_samples_and_says_what_is_made_up(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "from crmvalue.cli import main; main()", "demo", "-o", str(out)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "made up" in done.stdout
    assert done.stdout.rstrip().endswith(f"Report: {out / 'report.html'}")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 1_000_000
    assert "made up" in page
    assert "23,570" in page
    assert "$2.50M" in page
    assert len(pd.read_parquet(out / "tables" / "customers.parquet")) == 23_570
