"""Rates: compounding a periodic rate over a year gives the annual rate back."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.rates import convert_rate, discount_factors, periodic_rate

PERIODS_IN_A_YEAR = {"day": 365.25, "week": 365.25 / 7, "month": 12, "year": 1}
PERIODS = {**PERIODS_IN_A_YEAR, "quarter": 4}


@pytest.mark.parametrize("unit", PERIODS_IN_A_YEAR)
@settings(deadline=None)  # a busy machine is no failure
@given(annual=st.floats(-0.99, 10))
def test_a_periodic_rate_compounds_to_the_annual_rate(unit, annual):
    with mpmath.workdps(40):
        compounded = (1 + mpmath.mpf(periodic_rate(annual, unit))) ** mpmath.mpf(PERIODS_IN_A_YEAR[unit]) - 1
    assert float(compounded) == pytest.approx(annual, rel=1e-11, abs=1e-13)  # 365 roundings at most


def test_a_small_rate_keeps_its_digits():
    assert periodic_rate(1e-12, "day") == pytest.approx(1e-12 / 365.25, rel=1e-11)


def test_a_year_from_now_is_discounted_by_the_annual_rate():
    years = np.array([0, 1461, 2922])  # days: 0, 4 and 8 Julian years
    assert discount_factors(years, 0.1) == pytest.approx([1, 1.1**-4, 1.1**-8], rel=1e-14)


@pytest.mark.parametrize("rate", [-1, float("nan"), "ten"])
def test_an_annual_rate_of_minus_one_or_less_is_refused(rate):
    with pytest.raises(InputError, match=r"^annual_rate: got .* above -1"):
        periodic_rate(rate, "month")


def test_an_unknown_time_unit_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"^time_unit: got 'quarter'\. Use one of 'day', 'week', 'month', 'year'\.$"):
        periodic_rate(0.1, "quarter")


UNITS = ["year", "quarter", "month", "week", "day", "continuous"]


@settings(deadline=None)  # a busy machine is no failure
@given(rate=st.floats(-0.5, 0.5), given_unit=st.sampled_from(UNITS), wanted=st.sampled_from(UNITS))
def test_a_converted_rate_grows_money_by_the_same_over_a_year(rate, given_unit, wanted):
    def growth(value: float, unit: str) -> mpmath.mpf:
        exact = mpmath.mpf(value)
        return mpmath.exp(exact) if unit == "continuous" else (1 + exact) ** mpmath.mpf(PERIODS[unit])

    try:
        other = convert_rate(rate, given=given_unit, wanted=wanted)
    except InputError:  # half a day's money more each day
        assert growth(rate, given_unit) > 1e6
        return
    with mpmath.workdps(60):
        if other > -0.999999:  # nearer to -1, 1 + rate has too few digits
            ratio = growth(other, wanted) / growth(rate, given_unit)
            assert float(ratio) == pytest.approx(1, rel=1e-9)


def test_one_percent_a_month_is_the_textbook_effective_rate():
    # Brealey, Myers & Allen, chapter 2: 1 % a month is 12.68 % a year
    assert convert_rate(0.01, given="month", wanted="year") == pytest.approx(0.1268, abs=5e-5)
    # the same: 10 % continuously compounded is 10.517 % a year
    assert convert_rate(0.10, given="continuous", wanted="year") == pytest.approx(0.10517, abs=5e-6)


def test_rates_that_mean_nothing_are_refused():
    with pytest.raises(InputError, match=r"^rate: got -1\. Pass a finite number, above -1\.$"):
        convert_rate(-1, given="month", wanted="year")
    with pytest.raises(InputError, match=r"^wanted: got 'decade'\. Use one of 'year', 'quarter', 'month', 'week', "):
        convert_rate(0.1, given="year", wanted="decade")
    with pytest.raises(InputError, match=r"^rate: 10 per day is too large a number per year\."):
        convert_rate(10, given="day", wanted="year")
