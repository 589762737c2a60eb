"""Dated amounts: the lines of a ledger or of a benefit plan, checked and read into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows, rows_message
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, BoolArray, IntArray
from crmvalue.errors import InputError

DATE_REMEDY = "Give each line a date, or ISO text such as 2011-12-31."
AMOUNT_REMEDY = "Fill or drop these lines."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatedAmounts:
    """Money by day: one entry a line; if the frame was lazy, one for each day and each combination of the keys."""

    days: IntArray  # day number of each entry, 1970-01-01 is 0, shape (n,)
    amount: Array  # in the currency of the input, shape (n,)
    lines: int  # lines that were read
    keys: dict[str, AnyArray] = field(default_factory=dict)  # other columns that were asked for, each of shape (n,)


def some_of(money: DatedAmounts, which: BoolArray | IntArray) -> DatedAmounts:
    """Return some of the entries, by mask or place; `lines` stays."""
    keys = {name: values[which] for name, values in money.keys.items()}
    return replace(money, days=money.days[which], amount=money.amount[which], keys=keys)


def require_dated_amounts(days: AnyArray, amount: Array, *, date: str, amount_name: str) -> None:
    """Raise InputError unless there is a line, and each has a day and a finite amount."""
    if not len(days):
        raise InputError(f"{date}: the frame has no rows. Pass at least one line.")
    require_rows(~np.isnat(days), date, "missing or unreadable date", DATE_REMEDY)
    require_rows(np.isfinite(amount), amount_name, "missing or infinite amount", AMOUNT_REMEDY)
    require_summable(amount, amount_name)


def require_summable(amount: Array, argument: str) -> None:
    """Raise InputError if the amounts are so large that their sum is infinite."""
    with np.errstate(over="ignore"):
        total = np.abs(amount).sum()
    if not np.isfinite(total):
        raise InputError(f"{argument}: the amounts add up to more than a number can hold. Pass a larger unit of money.")


def read_dated_amounts(
    frame: AnyFrame, *, date: str, amount: str, argument: str, keys: Sequence[str] = ()
) -> DatedAmounts:
    """Return the dated amounts of a frame; a lazy one is first added up by day and keys in its own engine."""
    said_date, said_amount = f"{argument}, column {date!r}", f"{argument}, column {amount!r}"
    # The frame may use one column for several things, so each gets a name of its own.
    own = {f"_crm_key{place}": key for place, key in enumerate(keys)}
    columns = [nw.col(date), nw.col(amount), *(nw.col(key).alias(name) for name, key in own.items())]
    rows, _ = read_dates(frame.select(*columns), date, argument=said_date)
    rows = read_numbers(rows, amount, argument=said_amount)
    if isinstance(rows, nw.LazyFrame):
        return read_lazy_amounts(rows, date, amount, said_date, said_amount, own)
    days, paid, *found = frames.to_arrays(rows, [date, amount, *own]).values()
    require_dated_amounts(days, paid, date=said_date, amount_name=said_amount)
    named = dict(zip(own.values(), found, strict=True))
    return DatedAmounts(days=days.astype(np.int64), amount=paid, lines=len(days), keys=named)


def read_lazy_amounts(
    rows: nw.LazyFrame[Any], date: str, amount: str, said_date: str, said_amount: str, own: dict[str, str]
) -> DatedAmounts:
    """Return the amounts of a lazy frame by day and keys; it has no row numbers, so errors give counts."""
    money = nw.col(amount)
    valued = money.is_finite().fill_null(False) & ~money.is_null()
    rows = rows.select(*own, _crm_day=frames.day_number(date), _crm_paid=money, _crm_bad=(~valued).cast(nw.Int64))
    by_day = rows.group_by("_crm_day", *own).agg(nw.col("_crm_paid", "_crm_bad").sum(), _crm_n=nw.len())
    names = ["_crm_day", "_crm_paid", "_crm_bad", "_crm_n", *own]
    days, paid, bad, counts, *found = frames.to_arrays(by_day, names).values()
    lines = int(counts.sum())
    if not lines:
        raise InputError(f"{said_date}: the frame has no rows. Pass at least one line.")
    undated = int(counts[np.isnan(days)].sum()) if days.dtype.kind == "f" else 0
    if undated:
        raise InputError(rows_message(said_date, "missing or unreadable date", undated, lines, [], DATE_REMEDY))
    if bad.any():
        k = int(bad.sum())
        raise InputError(rows_message(said_amount, "missing or infinite amount", k, lines, [], AMOUNT_REMEDY))
    order = np.argsort(days, kind="stable")
    paid = np.asarray(paid[order], dtype=float)
    require_summable(paid, said_amount)
    keys = {key: values[order] for key, values in zip(own.values(), found, strict=True)}
    return DatedAmounts(days=days[order].astype(np.int64), amount=paid, lines=lines, keys=keys)
