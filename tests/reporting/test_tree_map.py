"""Tree map: areas are amounts, rectangles fill the box without overlap, and the paper's example comes out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmvalue.reporting.tree_map import Box, squarified


def test_the_example_of_the_paper_comes_out():
    # Bruls, Huizing & van Wijk (2000), figure 5: areas 6, 6, 4, 3, 2, 2, 1 in a box of 6 by 4
    found = squarified([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 6, 4))
    expected = [
        (0, 0, 3, 2),  # the two largest fill the left half, one over the other
        (0, 2, 3, 2),
        (3, 0, 12 / 7, 7 / 3),  # 4 and 3 lie side by side over the right half
        (3 + 12 / 7, 0, 9 / 7, 7 / 3),
        (3, 7 / 3, 1.2, 5 / 3),  # then 2 alone, the other 2 beside it, and 1
        (4.2, 7 / 3, 1.2, 5 / 3),
        (5.4, 7 / 3, 0.6, 5 / 3),
    ]
    assert [tuple(box) for box in found] == [pytest.approx(box) for box in expected]


sizes = st.floats(1.0, 2000.0)
amounts_of = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=30).map(lambda values: sorted(values, reverse=True))


@given(amounts=amounts_of, width=sizes, height=sizes)
def test_areas_are_in_proportion_and_fill_the_box_without_overlap(amounts, width, height):
    found = squarified(amounts, Box(10.0, 20.0, width, height))
    scale = width * height / sum(amounts)
    slack = 1e-6 * max(width, height)
    for amount, box in zip(amounts, found, strict=True):
        assert box.width * box.height == pytest.approx(amount * scale, rel=1e-5, abs=1e-7 * width * height)
        assert box.x >= 10 - slack
        assert box.y >= 20 - slack
        assert box.x + box.width <= 10 + width + slack
        assert box.y + box.height <= 20 + height + slack
    for one, other in itertools.combinations(found, 2):
        across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
        down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
        assert min(across, down) <= slack


@given(n=st.integers(1, 12))
def test_equal_squares_stay_squares(n):
    found = squarified([1.0] * (n * n), Box(0, 0, 100, 100))
    assert max(max(box.width / box.height, box.height / box.width) for box in found) <= 2.0
