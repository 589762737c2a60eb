"""Sums of money: they equal those of exact fractions, and do not know the order of the lines."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.finance.exact_sums import exact_sum, exact_sums, running_sums, whole_cents

cents = st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=60)
amounts = st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=60)


@settings(deadline=None)  # a busy machine is no failure
@given(lines=cents, data=st.data())
def test_groups_of_whole_cents_are_the_floats_nearest_to_their_exact_sums(lines, data):
    group = data.draw(st.lists(st.integers(0, 4), min_size=len(lines), max_size=len(lines)))
    sums = exact_sums(np.array(lines) / 100, np.array(group), 5)
    exact = [sum(line for line, g in zip(lines, group, strict=True) if g == k) for k in range(5)]
    assert sums.tolist() == [float(Fraction(total, 100)) for total in exact]
    assert sum(round(value * 100) for value in sums.tolist()) == round(exact_sum(np.array(lines) / 100) * 100)


@settings(deadline=None)  # a busy machine is no failure
@given(lines=amounts, data=st.data())
def test_groups_of_other_amounts_are_the_floats_nearest_to_their_exact_sums(lines, data):
    group = data.draw(st.lists(st.integers(0, 2), min_size=len(lines), max_size=len(lines)))
    amount, group = [*lines, 1 / 3], [*group, 0]
    sums = exact_sums(np.array(amount), np.array(group), 4)
    exact = [Fraction()] * 4
    for paid, k in zip(amount, group, strict=True):
        exact[k] += Fraction(paid)
    assert sums.tolist() == [float(total) for total in exact]


@settings(deadline=None)  # a busy machine is no failure
@given(lines=st.one_of(cents.map(lambda c: [x / 100 for x in c]), amounts), seed=st.integers(0, 9))
def test_the_order_of_the_lines_does_not_change_a_sum(lines, seed):
    amount = np.array(lines)
    assert exact_sum(np.random.default_rng(seed).permutation(amount)) == exact_sum(amount)


def test_a_million_tenths_are_a_hundred_thousand():
    assert exact_sum(np.full(1_000_000, 0.1)) == 100_000.0


def test_dust_of_earlier_arithmetic_is_still_whole_cents():
    assert whole_cents(np.array([0.1 + 0.2, 1e9 + 0.01])).tolist() == [30, 100_000_000_001]


def test_tenths_of_a_cent_and_sums_beyond_two_to_the_53_cents_are_not_taken_for_cents():
    assert whole_cents(np.array([0.001])) is None
    assert whole_cents(np.array([1e15])) is None
    assert exact_sum(np.array([1e15, 0.25, -1e15])) == 0.25


def test_running_sums_come_back_to_zero_where_the_amounts_cancel():
    assert running_sums(np.array([0.1, 0.2, -0.3])).tolist() == [0.1, 0.3, 0.0]
    assert running_sums(np.array([1 / 3, 2 / 3, -1.0]))[-1] == 0.0
    assert running_sums(np.array([1e-3, -9e-4])) == pytest.approx([1e-3, 1e-4])
