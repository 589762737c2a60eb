"""The one place that turns an annual rate into a rate per time unit, and a rate into discount factors."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from crmvalue._core.checks import require_number, require_option, require_time_unit
from crmvalue._core.types import DAYS_PER_UNIT, Array, IntArray, TimeUnit
from crmvalue.errors import InputError

DAYS_PER_YEAR = DAYS_PER_UNIT["year"]  # a Julian year, as everywhere in the library
RateUnit: TypeAlias = Literal["year", "quarter", "month", "week", "day", "continuous"]
PERIODS_PER_YEAR = {"year": 1.0, "quarter": 4.0, "month": 12.0, "week": DAYS_PER_YEAR / 7, "day": DAYS_PER_YEAR}
RATE_UNITS = (*PERIODS_PER_YEAR, "continuous")


def convert_rate(rate: float, *, given: RateUnit, wanted: RateUnit) -> float:
    """Rate in another unit that compounds to the same over a year.

    Parameters
    ----------
    rate : float
        Rate in the unit `given`, 0.01 for 1 %; above -1 unless it is continuous.
    given, wanted : {"year", "quarter", "month", "week", "day", "continuous"}
        A rate per year, quarter, month, week or day is paid at the end of each; a continuous one is per year, paid at
        every moment. A year has 12 months or 365.25 days.

    Returns
    -------
    float
        Rate in the unit `wanted`.

    Raises
    ------
    InputError
        If the rate is -1 or below or not finite, a unit is unknown, or the answer is too large for a number.

    Notes
    -----
    A rate r paid m times a year is continuous ``m * log(1 + r)``; a continuous rate c is ``exp(c / m) - 1``. A nominal
    rate of 12 % a year, compounded monthly, is a rate of 0.01 per month.

    Examples
    --------
    >>> round(convert_rate(0.01, given="month", wanted="year"), 6)
    0.126825
    >>> round(convert_rate(0.10, given="year", wanted="continuous"), 6)
    0.09531
    """
    require_option("given", given, RATE_UNITS)
    require_option("wanted", wanted, RATE_UNITS)
    if given == "continuous":
        continuous = require_number("rate", rate)
    else:
        continuous = PERIODS_PER_YEAR[given] * math.log1p(require_number("rate", rate, above=-1))
    if wanted == "continuous":
        return continuous
    try:
        return math.expm1(continuous / PERIODS_PER_YEAR[wanted])
    except OverflowError:
        raise InputError(
            f"rate: {rate!r} per {given} is too large a number per {wanted}. Pass a smaller one."
        ) from None


def periodic_rate(annual_rate: float, time_unit: TimeUnit) -> float:
    """Rate per time unit that compounds to the annual rate.

    Parameters
    ----------
    annual_rate : float
        Rate per year, 0.1 for 10 %; above -1.
    time_unit : {"day", "week", "month", "year"}
        Unit that the rate is wanted for; a month is a twelfth of a year, a year is 365.25 days.

    Returns
    -------
    float
        Rate per `time_unit`.

    Raises
    ------
    InputError
        If the rate is -1 or below or not finite, or the unit is unknown.

    Notes
    -----
    ``(1 + annual_rate) ** (days / 365.25) - 1``, with the length of the unit in days.

    Examples
    --------
    >>> round(periodic_rate(0.12, "month"), 6)
    0.009489
    """
    require_number("annual_rate", annual_rate, above=-1)
    require_time_unit(time_unit)
    return math.expm1(math.log1p(annual_rate) * DAYS_PER_UNIT[time_unit] / DAYS_PER_YEAR)


def discount_factors(days: IntArray, annual_rate: float) -> Array:
    """Value today of 1 paid `days` from today, shape (n,)."""
    factors: Array = np.exp(-math.log1p(annual_rate) * days / DAYS_PER_YEAR)
    return factors
