"""Matching of names: the place of each wanted one, however the ids lie, and numbers written as text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costing.grouping import as_kind_of, match

ids = st.lists(st.integers(-50, 50), min_size=1, max_size=30)


@settings(deadline=None)
@given(present=ids, wanted=ids, step=st.sampled_from([1, 7, 10**9]), kind=st.sampled_from(["int64", "int32", "object"]))
def test_each_wanted_name_has_the_place_that_a_search_finds(present, wanted, step, kind):
    there = sorted({one * (step if kind != "int32" else 1) for one in present})
    asked = [one * (step if kind != "int32" else 1) for one in wanted]
    found = match(np.array(asked, dtype=kind), np.array(there, dtype=kind))
    assert found.tolist() == [there.index(one) if one in there else -1 for one in asked]


def test_names_that_are_not_in_order_are_found_too():
    assert match(np.array([5, 3, 9]), np.array([9, 3, 4])).tolist() == [-1, 1, 0]
    assert match(np.array([2], dtype="uint8"), np.array([1, 2, 250], dtype="uint8")).tolist() == [1]


@pytest.mark.parametrize(
    ("names", "others", "expected"),
    [
        (["12", "0"], [1, 2], [12, 0]),
        (["012"], [1], ["012"]),  # not how the number is written
        (["1.0"], [1], ["1.0"]),
        (["9" * 19], [1], ["9" * 19]),
        ([12.0, 3.0], ["a"], ["12", "3"]),
        ([1.5], ["a"], [1.5]),
        (["a"], ["b"], ["a"]),
    ],
)
def test_whole_numbers_as_text_are_taken_for_the_numbers_that_they_write(names, others, expected):
    arrays = [np.array(one, dtype=object if isinstance(one[0], str) else None) for one in (names, others)]
    assert as_kind_of(*arrays).tolist() == expected
