"""Zeros in a range: those of polynomials with known roots, of touching, kinked, stepped and rough functions."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmvalue.risk.zeros import zeros_between

few = settings(deadline=None, max_examples=60)


def values_of(function, low, high):
    return zeros_between(lambda points: np.array([function(x) for x in points.tolist()]), low, high)


@few
@given(
    places=st.lists(st.integers(0, 200), min_size=1, max_size=7, unique=True),
    low=st.floats(-50, 50),
    width=st.floats(0.1, 1000),
)
def test_every_zero_of_a_polynomial_with_known_zeros_is_found(places, low, width):
    roots = np.sort(low + width * (np.array(places) + 0.3) / 201)
    found = values_of(lambda x: math.prod((x - root) / width for root in roots), low, low + width)
    assert found.values == pytest.approx(roots, abs=1e-6 * width)
    assert len(found.jumps) == len(found.unsure) == 0


@few
@given(place=st.floats(0.02, 0.98), other=st.floats(0.02, 0.98))
def test_a_zero_that_is_only_touched_is_found(place, other):
    assume(abs(place - other) > 0.01)
    found = values_of(lambda x: (x - place) ** 2 * (1 + x), 0.0, 1.0)
    assert found.values == pytest.approx([place], abs=1e-5)
    both = values_of(lambda x: (x - place) ** 2 * (x - other), 0.0, 1.0).values
    assert np.abs(both - other).min() < 1e-6
    assert np.abs(both - place).min() < 1e-4


def test_zeros_between_the_points_of_a_coarse_grid_are_not_missed():
    found = values_of(lambda x: (x - 4.0001) * (x - 4.0002), 0.0, 10.0)
    assert found.values == pytest.approx([4.0001, 4.0002], abs=1e-9)
    waves = values_of(lambda x: math.sin(40 * x), 0.01, 10.0)
    assert waves.values == pytest.approx(np.arange(1, 128) * math.pi / 40, abs=1e-11)


def test_kinks_and_steps_are_followed_to_their_place():
    kink = values_of(lambda x: max(x - 3.3, 0.0) - 2.0 * max(x - 5.0, 0.0) - 1.0, 0.0, 10.0)
    assert kink.values == pytest.approx([4.3, 5.7], abs=1e-9)
    steps = values_of(lambda x: math.floor(x / 3.0) - 1.5, 0.0, 10.0)
    assert steps.values == pytest.approx([6.0], abs=1e-8)
    assert steps.jumps.tolist() == steps.values.tolist()
    cone = values_of(lambda x: abs(x - 7.1), 0.0, 10.0)
    assert cone.values == pytest.approx([7.1], abs=1e-8)
    assert len(cone.jumps) == 0


def test_a_stretch_of_zeros_is_found_with_both_its_ends():
    option = values_of(lambda x: max(0.0, x - 5.3), 0.0, 10.0)
    assert option.values == pytest.approx([0.0, 5.3], abs=1e-8)
    assert len(option.stretches) == 1
    assert len(option.unsure) == 0
    valley = values_of(lambda x: (min(0.0, x - 5.0) + max(0.0, x - 7.0)) * (9.1 - x), 0.0, 10.0)
    assert valley.values == pytest.approx([5.0, 7.0, 9.1], abs=1e-8)
    assert len(valley.unsure) == len(valley.jumps) == 0
    assert values_of(lambda x: 0.0, -1.0, 1.0).stretches == ((-1.0, 1.0),)
    rounded = values_of(lambda x: round(x) - 4.0, 0.0, 10.0)
    assert rounded.values == pytest.approx([3.5, 4.5], abs=1e-8)
    assert len(rounded.jumps) == 0


def test_a_rough_function_is_searched_for_changes_of_sign_and_said_to_be_rough():
    rng = np.random.default_rng(1)
    found = values_of(lambda x: x - 5.0 + 0.01 * rng.normal(), 0.0, 10.0)
    assert np.abs(found.values - 5.0).max() < 0.1
    assert found.unsure


def test_ends_of_the_range_count():
    assert values_of(lambda x: x * (x - 1.0), 0.0, 1.0).values.tolist() == [0.0, 1.0]
    assert values_of(lambda x: x + 1.0, 0.0, 1.0).values.tolist() == []
