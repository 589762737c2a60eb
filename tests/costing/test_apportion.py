"""Splitting whole cents: the parts add up, lie within a cent of their share, and both ways of splitting agree."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costing import apportion
from crmvalue.costing.apportion import Weights, round_to_sum, split, split_by, to_cents

few = settings(deadline=None, max_examples=150)
quantities = st.lists(st.integers(0, 12), min_size=1, max_size=40).filter(any)


@few
@given(cents=st.integers(-(10**12), 10**12), quantity=quantities)
def test_splitting_value_by_value_gives_what_splitting_part_by_part_gives(cents, quantity):
    amounts = np.array(quantity, dtype=float)
    counts = np.bincount(amounts.astype(np.int64)).astype(float)
    weights = Weights(share=np.arange(len(counts)) / amounts.sum(), quantity=amounts, counts=counts)
    found = np.empty(len(amounts))
    split_by(float(cents), weights, found)
    expected = split(float(cents), amounts / amounts.sum())
    np.testing.assert_array_equal(found, expected)
    assert found.sum() == cents
    assert (np.abs(found - cents * amounts / amounts.sum()) < 1 + 1e-9 * abs(cents)).all()


def test_many_small_counts_are_split_value_by_value():
    quantity = np.tile([0.0, 1.0, 2.0, 5.0], 20_000)
    assert apportion.weights_of(quantity, quantity.sum()).counts is not None
    assert apportion.weights_of(quantity + 0.5, quantity.sum() + 40_000).counts is None


def test_equal_remainders_are_rounded_up_from_the_first():
    assert split(100.0, np.full(3, 1 / 3)).tolist() == [34, 33, 33]
    assert split(-200.0, np.full(3, 1 / 3)).tolist() == [-67, -67, -66]
    assert split(0.0, np.full(3, 1 / 3)).tolist() == [0, 0, 0]


@few
@given(amounts=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_rounding_to_a_sum_keeps_each_amount_within_one(amounts):
    exact = np.array(amounts)
    total = np.floor(exact).sum() + round(float((exact - np.floor(exact)).sum()))
    found = round_to_sum(exact, total)
    assert found.sum() == total
    assert (np.abs(found - exact) <= 1).all()


def test_amounts_that_are_no_whole_cents_are_cut_towards_zero():
    assert to_cents(np.array([0.1 + 0.2, 1.999, -1.999, 0.005])).tolist() == [30, 199, -199, 0]
