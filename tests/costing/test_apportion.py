"""Splitting whole cents: the parts add up, lie within a cent of their share, and both ways of splitting agree."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costing import apportion
from crmvalue.costing.apportion import round_to_sum, split, split_parts, to_cents, weights_of

few = settings(deadline=None, max_examples=150)
quantities = st.lists(st.integers(0, 12), min_size=1, max_size=40).filter(any)


def parts_of(cents, quantity):
    out = np.empty(len(quantity))
    split(float(cents), weights_of(np.array(quantity, dtype=float)), out)
    return out


def plain_parts(cents, quantity):
    """Largest remainders the slow way: sort all of them."""
    exact = quantity / quantity.sum() * abs(cents)
    parts = np.floor(exact)
    order = np.argsort(parts - exact, kind="stable")
    parts[order[: int(abs(cents) - parts.sum())]] += 1
    return parts if cents >= 0 else -parts


@few
@given(cents=st.integers(-(10**9), 10**9), quantity=quantities, copies=st.integers(22, 60))
def test_splitting_value_by_value_gives_what_sorting_all_remainders_gives(cents, quantity, copies):
    amounts = np.tile(np.array(quantity, dtype=float), 1 + 256 // len(quantity) + copies)
    assert len(weights_of(amounts).codes) in (len(amounts), len(amounts) + 1)
    np.testing.assert_array_equal(parts_of(cents, amounts), plain_parts(cents, amounts))


@few
@given(cents=st.integers(-(10**9), 10**9), quantity=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60))
def test_splitting_part_by_part_gives_what_sorting_all_remainders_gives(cents, quantity):
    amounts = np.array(quantity) + 0.5
    found = parts_of(cents, amounts)
    np.testing.assert_array_equal(found, plain_parts(cents, amounts))
    assert found.sum() == cents
    assert (np.abs(found - cents * amounts / amounts.sum()) < 1 + 1e-9 * abs(cents)).all()


@pytest.mark.parametrize("cents", [1.0, 99_999.0, 12_345_678.0, -7_777_777.0])
@pytest.mark.parametrize("kind", ["minutes", "orders", "waves"])
def test_very_many_parts_are_split_the_same_although_a_sample_guesses_the_rounding(cents, kind):
    n = 150_001
    minutes = np.random.default_rng(3).gamma(2.0, 7.0, n)
    waves = 1.5 + np.sin(np.arange(n) * 2 * np.pi * apportion.SAMPLE / n)  # a sample of every so many misleads
    orders = np.random.default_rng(4).poisson(3.0, n).astype(float)
    quantity = {"minutes": minutes, "orders": orders, "waves": waves}[kind]
    np.testing.assert_array_equal(parts_of(cents, quantity), plain_parts(cents, quantity))


def test_a_wrong_guess_of_the_rounding_is_made_good():
    quantity = np.random.default_rng(5).gamma(2.0, 7.0, 1000)
    expected = plain_parts(123_456.0, quantity)
    for low, high in ((0.98, 0.99), (0.01, 0.02), (0.98, np.inf), (-np.inf, 0.02)):
        out = np.empty(1000)
        split_parts(123_456.0, weights_of(quantity), out, low, high)
        np.testing.assert_array_equal(out, expected)


@few
@given(cents=st.integers(-(2**53), 2**53), quantity=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=9).filter(any))
def test_the_parts_of_very_large_amounts_add_up_too(cents, quantity):
    found = parts_of(cents, quantity)
    assert sum(int(part) for part in found) == cents
    exact = [Fraction(one) * abs(cents) / sum(map(Fraction, quantity)) for one in quantity]
    gaps = [abs(Fraction(abs(part)) - one) for part, one in zip(found, exact, strict=True)]
    assert max(gaps) <= 2 + abs(cents) * 2.0**-51


@pytest.mark.parametrize("cents", [2**53, 2**53 - 1])
@pytest.mark.parametrize("times", [1, 100])
def test_a_sum_of_parts_that_no_float_can_hold_is_still_counted_to_the_cent(cents, times):
    for quantity in ([314136.0, 13237.193479168329, 184379.25, 628282.8515625], [3.0, 1.0, 7.0, 200.0]):
        found = parts_of(cents, quantity * times)  # a hundred times four small counts would be split value by value
        assert sum(int(part) for part in found) == cents


def test_only_whole_numbers_below_256_are_split_value_by_value():
    quantity = np.tile([0.0, 1.0, 2.0, 255.0], 100)
    assert weights_of(quantity).counts[[0, 1, 2, 255]].tolist() == [100, 100, 100, 100]
    assert weights_of(np.append(quantity, 1.0)).counts[:2].tolist() == [100, 101]
    assert weights_of(quantity).total == quantity.sum()
    for other in (256.0, 0.5, -1.0, np.nan, np.inf):
        assert not len(weights_of(np.append(quantity, other)).codes)


def test_equal_remainders_are_rounded_up_from_the_first():
    assert parts_of(100, [1, 1, 1]).tolist() == [34, 33, 33]
    assert parts_of(-200, [1, 1, 1]).tolist() == [-67, -67, -66]
    assert parts_of(0, [1, 1, 1]).tolist() == [0, 0, 0]
    assert parts_of(1500, np.ones(1000)).tolist() == [2] * 500 + [1] * 500


def test_rounding_to_a_sum_takes_cents_away_as_well():
    assert round_to_sum(np.array([6.845e15, 1.655e15 + 1]), 8_500_000_000_000_000).tolist() == [
        6.845e15 - 1,
        1.655e15 + 1,
    ]


@few
@given(amounts=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_rounding_to_a_sum_keeps_each_amount_within_one(amounts):
    exact = np.array(amounts)
    total = np.floor(exact).sum() + round(float((exact - np.floor(exact)).sum()))
    found = round_to_sum(exact, int(total))
    assert found.sum() == total
    assert (np.abs(found - exact) <= 1).all()


def test_amounts_that_are_no_whole_cents_are_cut_towards_zero():
    assert to_cents(np.array([0.1 + 0.2, 1.999, -1.999, 0.005])).tolist() == [30, 199, -199, 0]
