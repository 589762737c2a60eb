"""Calendar periods agree with Python's own calendar."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue._core.periods import first_days, period_numbers


def first_day(day: dt.date, period: str) -> dt.date:
    if period == "week":
        return day - dt.timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[period]
    return day.replace(month=month, day=1)


@pytest.mark.parametrize("period", ["week", "month", "quarter", "year"])
@settings(deadline=None)  # a busy machine is no failure
@given(day=st.dates(dt.date(1800, 1, 10), dt.date(2200, 12, 31)))
def test_a_period_begins_on_the_day_that_the_calendar_says(period, day):
    days = np.array([day], dtype="datetime64[D]")
    assert first_days(period_numbers(days, period), period)[0].item() == first_day(day, period)


@pytest.mark.parametrize(("period", "length"), [("week", 7), ("month", 31), ("quarter", 91), ("year", 366)])
def test_the_next_period_has_the_next_number(period, length):
    days = np.array(["2024-01-01"], dtype="datetime64[D]")
    assert period_numbers(days + length, period) == period_numbers(days, period) + 1
    assert period_numbers(days + length - 1, period) == period_numbers(days, period)
