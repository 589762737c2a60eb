"""Calendar periods, numbered from the first one in 1970; a week begins on Monday."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import day_number
from crmvalue._core.types import AnyArray, IntArray, Period

PERIODS: tuple[Period, ...] = ("week", "month", "quarter", "year")
LONGEST: dict[str, int] = {"week": 7, "month": 31, "quarter": 92, "year": 366}  # days in the longest period
MONTHS = {"month": 1, "quarter": 3, "year": 12}  # months in a period that begins with a month
FIRST_MONDAY = 4  # 1970-01-05 as a day number
WEEKS_BACK = 200_000  # keeps week numbers positive in engines whose integer division rounds towards zero


def period_numbers(days: AnyArray, period: Period) -> IntArray:
    """Return the number of the period that each day, or day number, lies in."""
    days = days.astype("datetime64[D]")
    if period == "week":
        return (days.astype(np.int64) - FIRST_MONDAY) // 7
    return days.astype("datetime64[M]").astype(np.int64) // MONTHS[period]


def period_number(column: str, period: Period) -> nw.Expr:
    """Return the number of the period that each date of a column lies in, computed in the engine."""
    if period == "week":
        return (day_number(column) - FIRST_MONDAY + 7 * WEEKS_BACK) // 7 - WEEKS_BACK
    year, month = (getattr(nw.col(column).dt, part)().cast(nw.Int64) for part in ("year", "month"))
    number: nw.Expr = (year * 12 + month - 1) // MONTHS[period] - 1970 * 12 // MONTHS[period]
    return number


def first_days(numbers: IntArray, period: Period) -> AnyArray:
    """First day of the periods with these numbers, as datetime64[D]."""
    if period == "week":
        return (numbers * 7 + FIRST_MONDAY).astype("datetime64[D]")
    return (numbers * MONTHS[period]).astype("datetime64[M]").astype("datetime64[D]")
