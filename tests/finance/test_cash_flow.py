"""Present values: published numbers, an oracle in exact arithmetic, and limits."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import (
    annuity_value,
    net_present_value,
    present_value,
    present_value_of_growing,
    profitability_index,
)

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


def test_npv_of_dated_flows_gives_the_number_in_the_manual_of_excel_in_any_order_and_form():
    # manual of XNPV() of Microsoft Excel: 9 % a year of 365 days, hence the rate for a year of 365.25 days
    flow = [2_750.0, -10_000.0, 4_250.0, 3_250.0, 2_750.0]
    days = ["2008-03-01", "2008-01-01", "2008-10-30", "2009-02-15", "2009-04-01"]
    rate = 1.09 ** (365.25 / 365) - 1
    forms = [days, pd.to_datetime(pd.Series(days)), np.array(days, dtype="datetime64[D]"), pd.Series(days)]
    for dates in forms:
        assert net_present_value(flow, discount_rate=rate, dates=dates) == pytest.approx(2086.6476020, abs=5e-7)


def test_payments_of_one_day_are_one_payment():
    dates = ["2024-01-01", "2024-01-01", "2025-01-01"]
    one = net_present_value([-60.0, -40.0, 121.0], discount_rate=0.1, dates=dates)
    assert one == net_present_value([-100.0, 121.0], discount_rate=0.1, dates=dates[1:])


def test_profitability_index_gives_the_textbook_number():
    # Brealey, Myers & Allen, chapter 5: -10, 30, 5 at 10 % has NPV 21 (rounded), per unit of outlay 2.1
    assert profitability_index([-10, 30, 5], discount_rate=0.1) - 1 == pytest.approx(2.14, abs=0.005)


def test_annuities_give_the_numbers_in_the_manuals_of_spreadsheets():
    # manual of PV() of Microsoft Excel: 500 a month for 20 years at 8 % / 12 a month is worth 59,777.15
    assert annuity_value(500, discount_rate=0.08 / 12, n_periods=240) == pytest.approx(59_777.15, abs=0.005)
    # manual of pv() of numpy-financial: 100.00067131625819 now and 100 a month grow to 15692.93
    later = 15_692.93 * (1 + 0.05 / 12) ** -120
    assert annuity_value(100, discount_rate=0.05 / 12, n_periods=120) == pytest.approx(later - 100.00067131625819)


terms = st.integers(0, 60)
percents = st.integers(-50, 100)


@settings(deadline=None)  # a busy machine is no failure
@given(n=terms, growth=percents, rate=percents, first_at=st.sampled_from([0, 1]))
def test_growing_payments_are_worth_what_each_of_them_is_worth(n, growth, rate, first_at):
    up, down = 1 + Fraction(growth, 100), 1 + Fraction(rate, 100)
    exact = sum(7 * up**t / down ** (t + first_at) for t in range(n))
    found = present_value_of_growing(7, growth=growth / 100, discount_rate=rate / 100, n_periods=n, first_at=first_at)
    assert found == pytest.approx(float(exact), rel=1e-11, abs=0)
    if not growth:
        assert annuity_value(7, discount_rate=rate / 100, n_periods=n, first_at=first_at) == found


def test_growth_next_to_the_rate_keeps_its_digits():
    with mpmath.workdps(50):
        growth, rate = mpmath.mpf(0.1), mpmath.mpf(0.1 + 1e-12)
        exact = float(sum((1 + growth) ** t / (1 + rate) ** (t + 1) for t in range(100)))
    found = present_value_of_growing(1.0, growth=0.1, discount_rate=0.1 + 1e-12, n_periods=100)
    assert found == pytest.approx(exact, rel=1e-12)


@settings(deadline=None)  # a busy machine is no failure
@given(growth=st.floats(-0.5, 0.3), more=st.floats(0.001, 0.5), first_at=st.sampled_from([0, 1]))
def test_payments_without_end_are_worth_the_next_one_over_the_gap_of_the_rates(growth, more, first_at):
    rate = growth + more
    worth = present_value_of_growing(3.0, growth=growth, discount_rate=rate, first_at=first_at)
    assert worth == pytest.approx(3.0 / (rate - growth) * (1 + rate) ** (1 - first_at), rel=1e-9)


def test_payments_that_grow_for_ever_as_fast_as_they_are_discounted_are_refused():
    with pytest.raises(InputError, match=r"^discount_rate: got 0\.05, not above the growth of 0\.05, for payments"):
        present_value_of_growing(1.0, growth=0.05, discount_rate=0.05)
    with pytest.raises(InputError, match=r"^discount_rate: got 0, not above the growth of 0, for payments that never"):
        annuity_value(1.0, discount_rate=0.0, n_periods=math.inf)


@pytest.mark.parametrize("n", [-1, 2.5, float("nan"), "ten"])
def test_a_number_of_periods_that_is_no_count_is_refused(n):
    with pytest.raises(InputError, match=r"^n_periods: got "):
        annuity_value(1.0, discount_rate=0.1, n_periods=n)


def test_values_too_large_for_a_number_are_refused():
    with pytest.raises(InputError, match=r"^discount_rate: at 0\.1 the value is too large"):
        present_value_of_growing(1.0, growth=2.0, discount_rate=0.1, n_periods=10_000)
    with pytest.raises(InputError, match=r"^discount_rate: at -0\.999 present values are too large"):
        net_present_value(np.ones(200), discount_rate=-0.999)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["2024-01-01"], r"^dates: got 1 dates for 2 payments\."),
        (["2024-01-01", None], r"^dates: missing or unreadable date in 1 of 2 rows \(row 1\)\. Give"),
        (["2024-01-01", "2024-02-30"], r"^dates: missing or unreadable date in 1 of 2 rows \(row 1\)\. Give"),
        ("2024-01-01", r"^dates: got '2024-01-01'\. Pass one date a payment\."),
    ],
)
def test_dates_that_do_not_fit_the_payments_are_refused(dates, said):
    with pytest.raises(InputError, match=said):
        net_present_value([-1.0, 2.0], discount_rate=0.1, dates=dates)


def test_dates_leave_no_choice_of_the_first_day():
    with pytest.raises(InputError, match=r"^first_at: got 1 with dates\. Leave it out"):
        net_present_value([-1.0, 2.0], discount_rate=0.1, first_at=1, dates=["2024-01-01", "2025-01-01"])


@pytest.mark.parametrize("flow", [[0.0, 5.0], [5.0, -1.0]])
def test_an_index_without_an_outlay_is_refused(flow):
    with pytest.raises(InputError, match=r"^cash_flow: the first payment is .*, no outlay\. Start with money out"):
        profitability_index(flow, discount_rate=0.1)
