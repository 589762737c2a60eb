"""Calendar periods, each named by its first day; a week begins on Monday."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import AnyArray, Period

PERIODS: tuple[Period, ...] = ("week", "month", "quarter", "year")
MONTHS = {"month": 1, "quarter": 3, "year": 12}  # months in a period that begins with a month
FIRST_MONDAY = 4  # 1970-01-05 as a day number


def period_numbers(days: AnyArray, period: Period) -> AnyArray:
    """Return the number of the period that each day lies in, counted from the first one in 1970."""
    if period == "week":
        return (days.astype("datetime64[D]").astype(np.int64) - FIRST_MONDAY) // 7
    return days.astype("datetime64[M]").astype(np.int64) // MONTHS[period]


def first_days(numbers: AnyArray, period: Period) -> AnyArray:
    """First day of the periods with these numbers, as datetime64[D]."""
    if period == "week":
        return (numbers * 7 + FIRST_MONDAY).astype("datetime64[D]")
    return (numbers * MONTHS[period]).astype("datetime64[M]").astype("datetime64[D]")
