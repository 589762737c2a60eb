"""Customer summary: crmvalue against lifetimes and against hand-written queries, on the same simulated transactions.

Each case runs in a process of its own (so that peak memory is its own), warms up once on a thousand rows and prints the
best of its runs. Peak memory is what the process grew by, above the loaded input.

    python benchmarks/summary.py                     10 million transactions
    python benchmarks/summary.py --rows 100_000_000 --cases crmvalue-pandas --runs 1
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

END = "2024-12-31"
DUCKDB_QUERY = """
    WITH days AS (SELECT customer_id, date::DATE AS day, sum(amount) AS amount FROM {source} GROUP BY ALL)
    SELECT customer_id, count(*) - 1 AS frequency, (max(day) - min(day))::DOUBLE AS recency,
           (DATE '2024-12-31' - min(day))::DOUBLE AS T,
           (sum(amount) - arg_min(amount, day)) / nullif(count(*) - 1, 0) AS monetary_value, count(*) AS purchases,
           sum(amount) AS total_spend, min(day) AS first_purchase, max(day) AS last_purchase,
           DATE '2024-12-31' - max(day) AS days_since_last
    FROM days GROUP BY customer_id
"""


def simulate(rows: int, folder: Path) -> Path:
    """Write random transactions over two years: gamma-distributed rates, 42 customers for 100 rows."""
    path = folder / f"transactions-{rows}.parquet"
    rng = np.random.default_rng(20241231)
    n_customers = int(rows * 0.55)
    rates = np.cumsum(rng.gamma(3.0, size=n_customers))
    customer = np.searchsorted(rates / rates[-1], rng.random(rows))
    days = np.datetime64("2023-01-01", "D") + rng.integers(0, 731, rows)
    amount = np.round(rng.lognormal(3, 1, rows), 2)
    frame = pd.DataFrame({"customer_id": customer, "date": days.astype("datetime64[us]"), "amount": amount})
    frame.to_parquet(path)
    return path


def load_pandas(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def load_text_ids(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame.assign(customer_id="C" + frame["customer_id"].astype(str).str.zfill(9))


def load_polars(path: Path) -> Any:
    import polars as pl

    return pl.read_parquet(path)


def load_duckdb(path: Path) -> Any:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE transactions AS SELECT * FROM '{path}'")
    return connection.table("transactions")


def crmvalue_all(frame: Any) -> Any:
    import crmvalue

    return crmvalue.summarize_customers(crmvalue.prepare_transactions(frame), observation_end=END).frame


def prepared(load: Callable[[Path], Any], **options: Any) -> Callable[[Path], Any]:
    """Return a loader that also prepares, so that only the summary is timed."""

    def loaded(path: Path) -> Any:
        import crmvalue

        return crmvalue.prepare_transactions(load(path), **options)

    return loaded


def crmvalue_summary(transactions: Any) -> Any:
    import crmvalue

    return crmvalue.summarize_customers(transactions, observation_end=END).frame


def crmvalue_duckdb(transactions: Any) -> Any:
    return crmvalue_summary(transactions).to_arrow_table()


def crmvalue_polars_lazy(transactions: Any) -> Any:
    return crmvalue_summary(transactions).collect(engine="streaming")


def load_polars_lazy(path: Path) -> Any:
    return load_polars(path).lazy()


def lifetimes_pandas(frame: pd.DataFrame) -> Any:
    warnings.simplefilter("ignore")
    from lifetimes.utils import summary_data_from_transaction_data

    return summary_data_from_transaction_data(frame, "customer_id", "date", "amount", observation_period_end=END)


def duckdb_parquet(path: Path) -> Any:
    import duckdb

    return duckdb.sql(DUCKDB_QUERY.format(source=f"'{path}'")).to_arrow_table()


def duckdb_by_hand(table: Any) -> Any:
    return table.query("transactions", DUCKDB_QUERY.format(source="transactions")).to_arrow_table()


def polars_by_hand(frame: Any) -> Any:
    import polars as pl

    day, amount, end = pl.col("day"), pl.col("amount"), pl.lit(END).str.to_date()
    days = frame.lazy().group_by("customer_id", day=pl.col("date").dt.date()).agg(amount.sum())
    customers = days.group_by("customer_id").agg(
        purchases=pl.len(), first_purchase=day.min(), last_purchase=day.max(), total_spend=amount.sum(),
        first_spend=amount.sort_by("day").first(),
    )  # fmt: skip
    frequency = pl.col("purchases") - 1
    return customers.with_columns(
        frequency=frequency,
        recency=(pl.col("last_purchase") - pl.col("first_purchase")).dt.total_days().cast(float),
        T=(end - pl.col("first_purchase")).dt.total_days().cast(float),
        monetary_value=pl.when(frequency > 0).then((pl.col("total_spend") - pl.col("first_spend")) / frequency),
        days_since_last=(end - pl.col("last_purchase")).dt.total_days(),
    ).collect(engine="streaming")


CASES: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Any], str]] = {
    "crmvalue-pandas": (load_pandas, crmvalue_all, "crmvalue, pandas: audit and summary"),
    "crmvalue-pandas-summary": (prepared(load_pandas), crmvalue_summary, "crmvalue, pandas: summary alone"),
    "lifetimes-pandas": (load_pandas, lifetimes_pandas, "lifetimes, pandas"),
    "duckdb-parquet": (lambda path: path, duckdb_parquet, "DuckDB query over the Parquet file"),
    "crmvalue-text": (load_text_ids, crmvalue_all, "crmvalue, pandas, text ids: audit and summary"),
    "crmvalue-text-summary": (prepared(load_text_ids), crmvalue_summary, "crmvalue, pandas, text ids: summary alone"),
    "lifetimes-text": (load_text_ids, lifetimes_pandas, "lifetimes, pandas, text ids"),
    "crmvalue-polars": (prepared(load_polars), crmvalue_summary, "crmvalue, Polars: summary"),
    "crmvalue-polars-lazy": (prepared(load_polars_lazy), crmvalue_polars_lazy, "crmvalue, Polars lazy: summary"),
    "polars-by-hand": (load_polars, polars_by_hand, "Polars query by hand (streaming)"),
    "crmvalue-duckdb": (prepared(load_duckdb), crmvalue_duckdb, "crmvalue, DuckDB table: summary"),
    "duckdb-by-hand": (load_duckdb, duckdb_by_hand, "DuckDB table, query by hand"),
}
RATIOS = [
    ("lifetimes-pandas", "crmvalue-pandas"),
    ("lifetimes-pandas", "crmvalue-pandas-summary"),
    ("duckdb-parquet", "crmvalue-pandas"),
    ("duckdb-parquet", "crmvalue-pandas-summary"),
    ("lifetimes-text", "crmvalue-text"),
    ("lifetimes-text", "crmvalue-text-summary"),
    ("polars-by-hand", "crmvalue-polars"),
    ("polars-by-hand", "crmvalue-polars-lazy"),
    ("duckdb-by-hand", "crmvalue-duckdb"),
]


def resident() -> int:
    """Return the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(case: str, path: Path, runs: int) -> dict[str, float]:
    """Time one case in this process and watch its memory."""
    load, run, _ = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        run(load(simulate(1_000, Path(folder))))
    data = load(path)
    input_bytes = 24 * pd.io.parquet.read_parquet(path, columns=["amount"]).shape[0]
    before, peak, done = resident(), [resident()], threading.Event()

    def watch() -> None:
        while not done.wait(0.004):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, rows = [], 0
    for _ in range(runs):
        started = time.perf_counter()
        result = run(data)
        seconds.append(time.perf_counter() - started)
        rows = len(result)
        del result
    done.set()
    watcher.join()
    return {"seconds": min(seconds), "rows": rows, "peak": (peak[0] - before) / input_bytes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]), options.runs)))
        return
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = simulate(options.rows, Path(folder))
        print(f"{options.rows:,} transactions; best of {options.runs} runs\n")
        print("| case | seconds | customers | peak memory above the input, in inputs of 24 bytes a row |")
        print("|---|---:|---:|---:|")
        for case in options.cases:
            command = [sys.executable, __file__, "--runs", str(options.runs), "--measure", case, str(path)]
            finished = subprocess.run(command, capture_output=True, text=True, check=False)
            if finished.returncode:
                print(f"| {CASES[case][2]} | failed: exit code {finished.returncode} | | |")
                continue
            found[case] = json.loads(finished.stdout.splitlines()[-1])
            seconds, rows, peak = (found[case][key] for key in ("seconds", "rows", "peak"))
            print(f"| {CASES[case][2]} | {seconds:.2f} | {rows:,.0f} | {peak:.1f} |", flush=True)
    print("\n| ratio | times faster |\n|---|---:|")
    for slow, fast in RATIOS:
        if slow in found and fast in found:
            print(
                f"| {CASES[fast][2]} against {CASES[slow][2]} | {found[slow]['seconds'] / found[fast]['seconds']:.2f} |"
            )


if __name__ == "__main__":
    main()
