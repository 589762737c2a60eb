"""Payback: hand calculations, and laws that hold for any flow."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import net_present_value
from crmvalue.finance.payback import payback_period, payback_years


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


def test_payback_and_discounted_payback_agree_with_a_calculation_by_hand():
    flow = [-1000, 500, 400, 300, 100]
    assert payback_period(flow) == pytest.approx(2 + 100 / 300)
    # at 10 %: 454.55 + 330.58 + 225.39 = 1010.52, so 1000 is reached within the third year
    third = (1000 - 500 / 1.1 - 400 / 1.21) / (300 / 1.331)
    assert payback_period(flow, discount_rate=0.1) == pytest.approx(2 + third)
    assert payback_period(flow, discount_rate=0.1, first_at=1) == pytest.approx(3 + third)
    assert payback_period(flow, discount_rate=0.2) == math.inf


def test_dated_payback_is_in_years_from_the_first_date():
    days = ["2024-01-01", "2026-01-01", "2028-01-01"]  # 731 and 1,461 days later
    assert payback_period([-100, 60, 80], dates=days) == pytest.approx((731 + 730 / 2) / 365.25)
    assert payback_period([-100, 60, 80], dates=days, interpolate=False) == pytest.approx(4.0)
    assert payback_period([80, 60, -100], dates=days[::-1], interpolate=False) == pytest.approx(4.0)


def test_payback_that_does_not_last_is_still_the_first():
    assert payback_period([-10, 20, -100]) == 0.5


inflows = st.lists(st.integers(0, 1000), min_size=1, max_size=15)


@settings(deadline=None)  # a busy machine is no failure
@given(outlay=st.integers(1, 3000), came=inflows, percent=st.integers(0, 80))
def test_an_investment_pays_back_discounted_if_and_only_if_its_net_present_value_is_not_negative(outlay, came, percent):
    flow, rate = [-outlay, *came], percent / 100
    worth = net_present_value(flow, discount_rate=rate)
    if abs(worth) > 1e-9 * outlay:
        assert math.isfinite(payback_period(flow, discount_rate=rate)) == (worth > 0)


@settings(deadline=None)  # a busy machine is no failure
@given(outlay=st.integers(1, 3000), came=inflows, percent=st.integers(1, 80), factor=st.sampled_from([0.01, 7.0, 1e6]))
def test_discounting_delays_payback_and_the_currency_does_not_matter(outlay, came, percent, factor):
    flow = np.array([-outlay, *came], dtype=float)
    plain, later = payback_period(flow), payback_period(flow, discount_rate=percent / 100)
    assert later >= plain - 1e-12
    assert plain <= payback_period(flow, interpolate=False) < plain + 1 or plain == math.inf
    assert payback_period(flow * factor) == pytest.approx(plain, rel=1e-9)


def test_a_rate_of_minus_one_is_refused():
    with pytest.raises(InputError, match=r"^discount_rate: got -1\. Pass a finite number, above -1\.$"):
        payback_period([-1, 2], discount_rate=-1)
