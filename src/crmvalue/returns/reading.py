"""From the lines of both sides: the day to discount to, and how much a cost may rise."""

from __future__ import annotations

import numpy as np

from crmvalue._core.checks import require_day, require_rows
from crmvalue._core.types import Array, Day
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import DatedAmounts, some_of

MOST_YEARS = 200  # columns of a table that somebody still reads; more is a year mistyped


def without_zeros(came: DatedAmounts, went: DatedAmounts) -> tuple[DatedAmounts, DatedAmounts]:
    """Leave out the entries of 0, which would only move the first and last day; keep them if there are no others."""
    if not (came.amount.any() or went.amount.any()):
        return came, went
    return some_of(came, came.amount != 0), some_of(went, went.amount != 0)


def first_day_number(came: DatedAmounts, went: DatedAmounts, start: Day | None) -> int:
    """Return the day number to discount to: `start`, or the day of the first line."""
    days = np.concatenate([came.days, went.days])
    first, last = days.min(), days.max()
    origin = int(first) if start is None else int(require_day("start", start).astype(np.int64))
    if origin > first:
        raise InputError(f"start: {start} is after the first line ({to_day(first)}). Pass that day or an earlier one.")
    if last - origin > MOST_YEARS * 365.25:
        raise InputError(
            f"date: the lines reach from {to_day(origin)} to {to_day(last)}, more than {MOST_YEARS} years. "
            "Correct the years, or pass a later start."
        )
    return origin


def cost_risk(went: DatedAmounts, column: str | None) -> Array:
    """Return by what share each cost is raised when it is adjusted for risk, after a check."""
    if column is None:
        return np.zeros(len(went.days))
    risk: Array = went.keys[column].astype(float)
    risk = np.where(np.isnan(risk), 0.0, risk)
    remedy = "Pass shares: 0.2 for 20 %."
    require_rows(
        (risk >= 0) & np.isfinite(risk), f"costs, column {column!r}", "risk factor below 0 or infinite", remedy
    )
    return risk


def to_day(number: int) -> np.datetime64:
    """Return a day number as a day."""
    return np.datetime64(int(number), "D")
