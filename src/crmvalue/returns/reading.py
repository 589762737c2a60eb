"""The lines of both sides, checked and in arrays: what came in and went out, how sure it is, and from which day on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_rows
from crmvalue._core.columns import read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import Array, BoolArray, Day, Frame
from crmvalue.costing.ledger import Ledger
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import DatedAmounts, read_dated_amounts, some_of
from crmvalue.returns.benefits import Benefits
from crmvalue.returns.guards import refuse_capital_charge
from crmvalue.returns.notes import notes_on_overlap

MOST_YEARS = 200  # columns of a table that somebody still reads; more is a year mistyped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides:
    """Benefits and costs without lines of 0, and what is known of each line."""

    came: DatedAmounts  # benefits, n of them
    went: DatedAmounts  # costs, m of them
    indirect: BoolArray  # whether a benefit is indirect, shape (n,)
    cut: Array  # share by which a benefit is cut for risk, shape (n,)
    raised: Array  # share by which a cost is raised for risk, shape (m,)
    notes: tuple[str, ...]  # what counts twice, if that was allowed
    model: AnyFrame  # the frame of the benefits, for its engine


def read_sides(
    benefits: Benefits | Frame,
    costs: Ledger | Frame,
    *,
    by: Sequence[str],
    columns: tuple[str, str, str, str],
    cost_risk_factor: str | None,
    rate: float,
) -> Sides:
    """Return both sides, checked; `columns` are date and amount of benefits, then of costs, where these are frames."""
    date, amount, cost_date, cost_amount = columns
    checked = benefits if isinstance(benefits, Benefits) else None
    if checked is not None:
        benefits, date, amount = checked.frame, "date", "amount"
    if isinstance(costs, Ledger):
        costs, cost_date, cost_amount = costs.frame, "date", "amount"
    opened = frames.open_frame(benefits, argument="benefits", needs=[date, amount, *by])
    more = [] if cost_risk_factor is None else [cost_risk_factor]
    ledger = frames.open_frame(costs, argument="costs", needs=[cost_date, cost_amount, *by, *more])
    for name in more:
        ledger = read_numbers(ledger, name, argument=f"costs, column {name!r}")
    refuse_capital_charge(ledger, rate)
    known = [*by, *(["kind", "risk_factor"] if checked is not None else [])]
    came = read_dated_amounts(opened, date=date, amount=amount, argument="benefits", keys=known)
    went = read_dated_amounts(ledger, date=cost_date, amount=cost_amount, argument="costs", keys=[*by, *more])
    notes = () if checked is None else notes_on_overlap(checked, opened, ledger, cost_date, cost_amount)
    came, went = without_zeros(came, went)
    n = len(came.days)
    return Sides(
        came=came,
        went=went,
        indirect=np.zeros(n, dtype=bool) if checked is None else came.keys["kind"] == "indirect",
        cut=np.zeros(n) if checked is None else came.keys["risk_factor"],
        raised=cost_risk(went, cost_risk_factor),
        notes=notes,
        model=opened,
    )


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
