"""The door to the engines: days, computed columns and new frames are the same on all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue._core import frames
from crmvalue.errors import InputError


def test_day_numbers_are_those_of_numpy_on_every_engine(as_engine):
    days = np.array(["1600-03-01", "1899-12-31", "1970-01-01", "1972-02-29", "2000-02-29", "2000-12-31", "2100-03-01"])
    raw = pd.DataFrame({"date": days.astype("datetime64[us]") + np.timedelta64(13, "h")})
    opened = frames.open_frame(as_engine(raw))
    found = frames.to_arrays(opened.with_columns(n=frames.day_number("date")), ["n"])["n"]
    assert sorted(found) == sorted(days.astype("datetime64[D]").astype(np.int64))


def test_computed_columns_join_the_right_rows_on_every_engine(as_engine):
    raw = pd.DataFrame({"x": [3.0, 1.0, 3.0, 2.5], "y": [1, 2, 1, 4], "name": ["a", "b", "c", "d"]})
    opened = frames.compute_columns(
        frames.open_frame(as_engine(raw)), ["x", "y"], lambda x, y: {"product": x * y, "sum": x + y}
    )
    table = to_pandas(frames.to_native(opened)).sort_values("name", ignore_index=True)
    assert list(table.columns) == ["x", "y", "name", "product", "sum"]
    assert table["product"].tolist() == [3.0, 2.0, 3.0, 10.0]
    assert table["sum"].tolist() == [4.0, 3.0, 4.0, 6.5]


@pytest.mark.parametrize("keep", [["name"], ["x", "name"], []])
def test_only_the_columns_to_keep_stay_beside_the_computed_ones_on_every_engine(as_engine, keep):
    raw = pd.DataFrame({"x": [3.0, 1.0, 3.0], "y": [1, 2, 4], "name": ["a", "b", "c"]})
    opened = frames.compute_columns(
        frames.open_frame(as_engine(raw)), ["x", "y"], lambda x, y: {"product": x * y}, keep=keep
    )
    table = to_pandas(frames.to_native(opened))
    assert list(table.columns) == [*keep, "product"]
    assert sorted(table["product"]) == [2.0, 3.0, 12.0]
    if "name" in keep:
        assert table.sort_values("name")["product"].tolist() == [3.0, 2.0, 12.0]


def test_computed_columns_in_pandas_keep_the_index_and_share_memory_until_one_is_changed():
    raw = pd.DataFrame({"x": [3.0, 1.0, 3.0], "name": [7, 8, 9]}, index=["u", "v", "v"])
    made = frames.compute_columns(frames.open_frame(raw), ["x"], lambda x: {"double": 2 * x}, keep=["name"])
    table = frames.to_native(made)
    assert table.index.tolist() == ["u", "v", "v"]
    assert table["double"].tolist() == [6.0, 2.0, 6.0]
    assert np.shares_memory(table["name"].to_numpy(), raw["name"].to_numpy())
    table.iloc[0, 0] = 99
    raw.iloc[1, 1] = 77
    assert raw["name"].tolist() == [7, 77, 9]
    assert table["name"].tolist() == [99, 8, 9]


def test_new_frames_have_the_engine_of_their_model(as_engine):
    model = as_engine(pd.DataFrame({"a": [1]}))
    columns = {
        "number": np.array([1.5, np.nan]),
        "count": np.array([1, 2]),
        "day": np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
        "name": np.array(["x", "y"], dtype=object),
    }
    made = frames.like(columns, frames.open_frame(model))
    assert type(made) is type(model)
    back = frames.to_arrays(frames.open_frame(made), list(columns))
    np.testing.assert_array_equal(back["number"], columns["number"])
    np.testing.assert_array_equal(back["day"], columns["day"])
    assert back["name"].tolist() == ["x", "y"]


def test_distinct_rows_come_with_their_counts_on_every_engine(as_engine):
    raw = pd.DataFrame({"a": [1, 2, 1, 1], "b": [0.5, 0.5, 0.5, 1.0]})
    rows, counts = frames.distinct_rows(frames.open_frame(as_engine(raw)), ["a", "b"])
    assert np.column_stack([rows["a"], rows["b"], counts]).tolist() == [[1, 0.5, 2], [1, 1.0, 1], [2, 0.5, 1]]


@pytest.mark.parametrize("thing", [None, 3, "text", {"a": [1]}, np.zeros((2, 2))])
def test_what_is_no_frame_is_refused(thing):
    with pytest.raises(InputError, match="Pass a pandas, Polars or PyArrow table"):
        frames.open_frame(thing)
