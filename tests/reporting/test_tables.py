"""Tables for spreadsheets: no cell turns into a formula, and no number is changed."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmvalue.reporting.tables import parquet_bytes, spreadsheet_csv


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text.removeprefix("\ufeff")), dtype="str", keep_default_na=False)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "−1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '=HYPERLINK("http://x")', "＝1"]
)
def test_a_text_that_may_be_a_formula_begins_with_an_apostrophe(cell: str) -> None:
    text = spreadsheet_csv(pd.DataFrame({"name": [cell]}))
    assert text.removeprefix("\ufeff").splitlines()[1].lstrip('"').startswith("'")


def test_column_names_cannot_be_formulas_either() -> None:
    assert read(spreadsheet_csv(pd.DataFrame({"=cmd": [1]}))).columns.tolist() == ["'=cmd"]


def test_negative_numbers_stay_numbers() -> None:
    frame = pd.DataFrame({"change": [-1.5, 2.0], "n": [-1, 2], "nullable": pd.array([-3, None], dtype="Int64")})
    assert read(spreadsheet_csv(frame)).to_numpy().tolist() == [["-1.5", "-1", "-3"], ["2.0", "2", ""]]


def test_a_carriage_return_within_a_cell_starts_no_new_row() -> None:
    text = spreadsheet_csv(pd.DataFrame({"name": ["x\r=1+1"]})).removeprefix("\ufeff")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name"], ["x\r=1+1"]]


def test_numbers_in_a_column_of_mixed_kinds_stay_numbers() -> None:
    frame = pd.DataFrame({"id": pd.Series([-5, "-5", None], dtype=object)})
    assert read(spreadsheet_csv(frame))["id"].tolist() == ["-5", "'-5", ""]


def test_categories_and_arrow_text_are_made_harmless_too() -> None:
    names = ["=a", "b"]
    frame = pd.DataFrame({"category": pd.Categorical(names), "arrow": pd.array(names, dtype="string[pyarrow]")})
    assert read(spreadsheet_csv(frame)).to_numpy().tolist() == [["'=a", "'=a"], ["b", "b"]]


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_no_text_at_all_comes_out_as_a_formula_and_none_is_lost(names: list[str]) -> None:
    frame = pd.DataFrame({"name": pd.Series(names, dtype=object)})
    text = spreadsheet_csv(frame).removeprefix("\ufeff")
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)
    assert [cell.removeprefix("'") for cell in cells] == [name.removeprefix("'") for name in names]


def test_parquet_holds_the_cells_as_they_are() -> None:
    frame = pd.DataFrame({"name": ["=1+1", "Ann"], "x": [np.nan, -1.0]})
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet_bytes(frame))), frame)
