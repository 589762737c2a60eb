"""Rates: compounding a periodic rate over a year gives the annual rate back."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.rates import discount_factors, periodic_rate

PERIODS_IN_A_YEAR = {"day": 365.25, "week": 365.25 / 7, "month": 12, "year": 1}


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
