"""Present values and paybacks: published numbers, an oracle in exact arithmetic, and limits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import net_present_value, payback_years, present_value

flows = st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=20)


def test_net_present_value_gives_the_number_in_the_manual_of_numpy_financial():
    flow = [-40_000, 5_000, 8_000, 12_000, 30_000]
    assert net_present_value(flow, discount_rate=0.08) == pytest.approx(3065.22267, abs=5e-6)


def test_net_present_value_from_one_period_on_gives_the_number_in_the_manual_of_excel():
    # the manual of NPV() of Microsoft Excel, example 1: 10 % a year, first payment one year from now
    flow = [-10_000, 3_000, 4_200, 6_800]
    assert net_present_value(flow, discount_rate=0.1, first_at=1) == pytest.approx(1188.44, abs=0.005)


@settings(deadline=None)  # a busy machine is no failure
@given(flow=flows, percent=st.integers(-90, 200))
def test_net_present_value_agrees_with_exact_fractions(flow, percent):
    growth = 1 + Fraction(percent, 100)
    exact = sum(Fraction(paid) / growth**t for t, paid in enumerate(flow))
    size = sum(abs(paid) / growth**t for t, paid in enumerate(flow))
    # powers of floats lose a few of 2**-53 each
    assert net_present_value(flow, discount_rate=percent / 100) == pytest.approx(
        float(exact), rel=0, abs=1e-12 * float(size) + 1e-300
    )


@settings(deadline=None)  # a busy machine is no failure
@given(flow=flows, percent=st.integers(0, 100))
def test_present_value_of_a_customer_is_the_net_present_value_one_period_from_now(flow, percent):
    rate = percent / 100
    one = net_present_value(flow, discount_rate=rate, first_at=1)
    assert present_value([flow], discount_rate=rate) == pytest.approx([one], rel=1e-12, abs=1e-8)


def test_present_value_of_nothing_discounted_is_the_sum():
    assert present_value([[1.0, 2.0, 3.5], [0.0, 0.0, 4.0]], discount_rate=0).tolist() == [6.5, 4.0]


def test_payback_is_the_first_day_on_which_the_running_sum_is_no_longer_negative():
    days = np.array([0, 100, 365, 731])
    assert payback_years(days, np.array([-10.0, 4.0, 6.0, 1.0])) == pytest.approx(365 / 365.25)
    assert payback_years(days, np.array([-10.0, 4.0, 5.9, 1.0])) == pytest.approx(731 / 365.25)


def test_payback_of_money_never_spent_is_at_once_and_of_money_lost_is_never():
    days = np.array([0, 30])
    assert payback_years(days, np.array([5.0, -5.0])) == 0.0
    assert payback_years(days, np.array([-5.0, 4.99])) == float("inf")


def test_payback_does_not_wait_for_rounding_errors():
    # 0.1 + 0.2 - 0.3 is 5.6e-17 in floats; thirds are no whole cents
    assert payback_years(np.array([0, 1, 2]), np.array([-0.3, 0.1, 0.2])) == pytest.approx(2 / 365.25)
    assert payback_years(np.array([0, 1, 2]), np.array([-1.0, 1 / 3, 2 / 3])) == pytest.approx(2 / 365.25)


@pytest.mark.parametrize("rate", [-1, -2.5, float("nan"), float("inf"), "8 %", None])
def test_a_discount_rate_that_means_nothing_is_refused(rate):
    with pytest.raises(InputError, match=r"^discount_rate: got .* Pass a finite number, above -1\.$"):
        net_present_value([1.0], discount_rate=rate)
    with pytest.raises(InputError, match=r"^discount_rate: got .* Pass a finite number, at least 0\.$"):
        present_value([[1.0]], discount_rate=rate)


def test_missing_payments_are_refused_with_their_places():
    with pytest.raises(InputError, match=r"^cash_flow: missing or infinite in 1 of 3 rows \(row 1\)\. Fill"):
        net_present_value([1.0, float("nan"), 2.0], discount_rate=0.1)
    with pytest.raises(InputError, match=r"^contribution: missing or infinite in 1 of 2 rows \(row 1\)\. Fill or drop"):
        present_value([[1.0, 2.0], [1.0, float("inf")]], discount_rate=0.1)


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ([[1.0]], "shape"),
        ([], "shape"),
        (["1,234.50"], "something else than numbers"),
    ],
)
def test_a_cash_flow_that_is_no_series_of_numbers_is_refused(flow, said):
    with pytest.raises(InputError, match=f"^cash_flow: .*{said}"):
        net_present_value(flow, discount_rate=0.1)


def test_contribution_without_a_row_a_customer_is_refused():
    with pytest.raises(InputError, match=r"^contribution: got an array of shape \(2,\)\. Pass one row a customer"):
        present_value([1.0, 2.0], discount_rate=0.1)


def test_the_first_payment_is_due_now_or_in_one_period():
    with pytest.raises(InputError, match=r"^first_at: got 2\. Use one of 0, 1\.$"):
        net_present_value([1.0], discount_rate=0.1, first_at=2)
