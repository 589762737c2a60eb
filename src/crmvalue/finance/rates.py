"""The one place that turns an annual rate into a rate per time unit, and a rate into discount factors."""

from __future__ import annotations

import math

import numpy as np

from crmvalue._core.checks import require_number, require_time_unit
from crmvalue._core.types import DAYS_PER_UNIT, Array, IntArray, TimeUnit

DAYS_PER_YEAR = DAYS_PER_UNIT["year"]  # a Julian year, as everywhere in the library


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
