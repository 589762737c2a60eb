"""Keys: equal rows and texts are found exactly as a plain loop finds them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue._core.keys import count_distinct_rows, text_codes

TEXTS = st.lists(
    st.text(max_size=20) | st.sampled_from(["", "a", "a\0", "a\0\0", "é", "eight by", "eight byt"]), min_size=1
)


@settings(deadline=None)
@given(texts=TEXTS, large=st.booleans(), skip=st.integers(0, 3))
def test_codes_number_texts_by_their_first_appearance(texts, large, skip):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    array = pa.array(["before"] * skip + texts, type=pa.large_string() if large else pa.string())[skip:]
    codes, first = text_codes(array)
    seen: dict[str, int] = {}
    assert codes.tolist() == [seen.setdefault(text, len(seen)) for text in texts]
    assert first.tolist() == [texts.index(text) for text in seen]


@settings(deadline=None)
@given(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=40), width=st.integers(2, 20), skip=st.integers(0, 3))
def test_texts_of_one_length_are_coded_alike(numbers, width, skip):
    texts = [f"{number:0{width}d}" for number in numbers]
    codes, first = text_codes(pa.array(["x" * width] * skip + texts)[skip:])
    seen: dict[str, int] = {}
    assert codes.tolist() == [seen.setdefault(text, len(seen)) for text in texts]
    assert first.tolist() == [texts.index(text) for text in seen]


def test_very_long_texts_are_left_to_the_general_way():
    assert text_codes(pa.array(["x" * 600, "y"])) is None


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([1, 2, -1]),
            st.sampled_from([0.0, -0.0, 1.5, np.nan]),
            st.sampled_from(["a", "", None, "b" * 9]),
            st.sampled_from([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 1), None]),
        ),
        max_size=30,
    )
)
@pytest.mark.parametrize("text", ["str", "object", "category", "string[python]"])
def test_distinct_rows_are_those_that_pandas_finds(rows, text):
    table = pd.DataFrame(rows, columns=["i", "f", "s", "d"]).astype({"i": "int64", "f": "float64", "s": text})
    table["d"] = pd.to_datetime(table["d"])
    table["small"] = table["i"].astype("int8")
    assert count_distinct_rows(table) == len(table) - int(table.duplicated().sum())


def test_rows_that_hold_lists_are_compared_by_what_they_show():
    assert count_distinct_rows(pd.DataFrame({"x": [[1], [1], [2]]})) == 2
