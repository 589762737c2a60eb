"""A cash flow as times and amounts, whether it came as one payment a period or with dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_option, require_rows
from crmvalue._core.columns import parse_day
from crmvalue._core.types import AnyArray, Array, Day
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import require_summable
from crmvalue.finance.exact_sums import exact_sums
from crmvalue.finance.rates import DAYS_PER_YEAR

Dates: TypeAlias = Sequence[Day] | AnyArray
FirstAt: TypeAlias = Literal[0, 1]
DATE_REMEDY = "Give each payment a date, or ISO text such as 2011-12-31."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimedFlow:
    """Money in (positive) and out (negative), in order of time."""

    time: Array  # periods from now; years from the first date if the payments have dates, shape (n,)
    amount: Array  # shape (n,)


def read_flow(cash_flow: ArrayLike, dates: Dates | None = None, *, first_at: int = 0) -> TimedFlow:
    """Return a checked cash flow; payments of one day are added up, whatever their order."""
    amount = to_numbers("cash_flow", cash_flow, n_axes=1)
    require_rows(
        np.isfinite(amount), "cash_flow", "missing or infinite", "Fill these payments, with 0 if none was made."
    )
    require_summable(amount, "cash_flow")
    require_option("first_at", first_at, (0, 1))
    if dates is None:
        return TimedFlow(time=np.arange(first_at, first_at + len(amount), dtype=float), amount=amount)
    if first_at:
        raise InputError("first_at: got 1 with dates. Leave it out: the first date is today.")
    days, place = np.unique(read_days(dates, len(amount)), return_inverse=True)
    years = (days - days[0]).astype(np.int64) / DAYS_PER_YEAR
    return TimedFlow(time=years, amount=exact_sums(amount, place, len(days)))


def read_days(dates: Dates, n: int) -> AnyArray:
    """Return the dates of n payments as days."""
    if isinstance(dates, (str, bytes)) or not np.iterable(dates):
        raise InputError(f"dates: got {dates!r}. Pass one date a payment.")
    values = list(dates)
    if len(values) != n:
        raise InputError(f"dates: got {len(values):,} dates for {n:,} payments. Pass one date a payment.")
    days = np.array([parse_day(value) for value in values], dtype="datetime64[D]")
    require_rows(~np.isnat(days), "dates", "missing or unreadable date", DATE_REMEDY)
    return days


def to_numbers(argument: str, values: ArrayLike, *, n_axes: int) -> Array:
    """Return the values as floats with this many axes and at least one entry, or raise InputError."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{argument}: got something else than numbers. Convert it to numbers first.") from None
    if numbers.ndim != n_axes or not numbers.size:
        wanted = "one number a period" if n_axes == 1 else "one row a customer, one column a period"
        raise InputError(f"{argument}: got an array of shape {numbers.shape}. Pass {wanted}.")
    return numbers


def refuse_zeros(flow: TimedFlow) -> None:
    """Raise InputError if no money moves at any time."""
    if not flow.amount.any():
        raise InputError("cash_flow: all payments are 0, or cancel on their day. Pass a flow in which money moves.")
