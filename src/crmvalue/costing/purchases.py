"""What costing needs of the transactions: who bought when for the first time, where, and what came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows, rows_message
from crmvalue._core.columns import read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.periods import period_number
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.costing.grouping import ranked
from crmvalue.costing.lines import without_blanks
from crmvalue.data.transactions import Transactions, as_transactions, prepare_transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import CENTS, exact_sums, whole_cents

FILL = "Fill or drop these rows."


def transactions_with(transactions: Transactions | Frame, columns: Sequence[str]) -> Transactions:
    """Return checked transactions that hold these columns as well."""
    more = [name for name in dict.fromkeys(columns) if name not in ("customer_id", "date", "amount")]
    if not isinstance(transactions, Transactions):
        return prepare_transactions(transactions, keep=more)
    frames.open_frame(transactions.frame, argument="transactions", needs=more)
    return transactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Takings:
    """What came in from each customer, segment or channel."""

    names: AnyArray  # whom from, distinct, shape (n,)
    revenue: Array  # sum of the amounts of at least 0, shape (n,)
    refunds: Array  # sum of the amounts below 0, shape (n,)
    contribution: Array | None  # sum of the column of contributions, if one was named, shape (n,)


def takings(transactions: Transactions, by: str, contribution: str | None) -> Takings:
    """Add up what came in, by one column; a lazy frame is added up in its own engine."""
    wanted = dict.fromkeys([by, "amount", *([] if contribution is None else [contribution])])
    rows = frames.open_frame(transactions.frame).select(*wanted)
    if contribution is not None:
        rows = read_numbers(rows, contribution, argument=contribution)
    has_refunds = transactions.audit.negative_amounts > 0
    if isinstance(rows, nw.DataFrame):
        return eager_takings(rows, by, contribution, has_refunds)
    return lazy_takings(rows, by, contribution)


def eager_takings(rows: nw.DataFrame[Any], by: str, contribution: str | None, has_refunds: bool) -> Takings:
    """Add up a frame in memory through arrays, to the cent."""
    names: AnyArray | None = None
    if by == "customer_id":
        code, decode = frames.customer_codes(rows.get_column(by))
    else:
        code, names = ranked(without_blanks(frames.series_to_array(rows.get_column(by))))
    n = int(code.max()) + 1
    amount = frames.series_to_array(rows.get_column("amount"))
    came, back = both_ways(amount, code, n, has_refunds)
    kept = None
    if contribution is not None:
        require_contributions(rows, contribution)
        kept = exact_sums(frames.series_to_array(rows.get_column(contribution)), code, n)
    there = np.zeros(n, dtype=bool)  # whole-number ids are their own codes: some are nobody's
    there[code] = True
    present = np.flatnonzero(there)
    if names is None:
        names = np.asarray(decode(present))
        names = names.astype(object) if names.dtype.kind == "U" else names
    return Takings(
        names=names,
        revenue=came[present],
        refunds=back[present],
        contribution=None if kept is None else kept[present],
    )


def require_contributions(rows: AnyFrame, column: str) -> None:
    """Raise InputError if a contribution is missing or infinite."""
    problem = "missing or infinite contribution"
    if isinstance(rows, nw.DataFrame):
        require_rows(np.isfinite(frames.series_to_array(rows.get_column(column))), column, problem, FILL)
        return
    value = nw.col(column)
    bad = frames.count_true(rows, {"bad": ~(value.is_finite().fill_null(False) & ~value.is_null())})["bad"]
    if bad:
        raise InputError(rows_message(column, problem, bad, frames.count_rows(rows), [], FILL))


def both_ways(amount: Array, code: IntArray, n: int, has_refunds: bool) -> tuple[Array, Array]:
    """Return the sums of the amounts of at least 0, and of those below 0, to the cent."""
    cents = whole_cents(amount)
    if cents is None:
        back = exact_sums(np.minimum(amount, 0.0), code, n) if has_refunds else np.zeros(n)
        return exact_sums(np.maximum(amount, 0.0), code, n), back
    net = np.asarray(np.bincount(code, weights=cents, minlength=n), dtype=float)
    if not has_refunds:
        return net / CENTS, np.zeros(n)
    returned = np.flatnonzero(cents < 0)
    gone = np.asarray(np.bincount(code[returned], weights=cents[returned], minlength=n), dtype=float)
    return (net - gone) / CENTS, gone / CENTS


def lazy_takings(rows: AnyFrame, by: str, contribution: str | None) -> Takings:
    """Add up a lazy frame in its own engine."""
    amount = nw.col("amount")
    sums = {"_crm_came": nw.when(amount > 0).then(amount).otherwise(0.0)}
    sums["_crm_back"] = nw.when(amount < 0).then(amount).otherwise(0.0)
    if contribution is not None:
        require_contributions(rows, contribution)
        sums["_crm_kept"] = nw.col(contribution)
    made = rows.with_columns(**sums)
    table = frames.to_arrays(made.group_by(by).agg(*(nw.col(name).sum() for name in sums)), [by, *sums])
    rank, names = ranked(without_blanks(table[by]))
    found = {name: exact_sums(to_whole_cents(table[name].astype(float)), rank, len(names)) for name in sums}
    return Takings(
        names=names,
        revenue=found["_crm_came"],
        refunds=found["_crm_back"],
        contribution=found.get("_crm_kept"),
    )


def to_whole_cents(amount: Array) -> Array:
    """Take the dust of floating-point sums off amounts that are whole cents but for it."""
    cents = np.rint(amount * CENTS) / CENTS
    return np.where(np.abs(amount - cents) <= 1e-12 * np.abs(amount) + 1e-7, cents, amount)


def month_of(column: str) -> nw.Expr:
    """Return the number of the month that a date lies in, 0 for January 1970, computed in the engine."""
    return period_number(column, "month")


def customers_won_and_kept(transactions: Transactions | Frame, first: Any, last: Any) -> tuple[float, float]:
    """Count the customers new in the months from `first` to `last`, and those who came back in them."""
    begin, end = (int(np.datetime64(month, "M").astype(np.int64)) for month in (first, last))
    rows = frames.open_frame(as_transactions(transactions).frame).filter(nw.col("amount") >= 0)
    rows = rows.select("customer_id", _crm_day=frames.day_number("date"), _crm_month=month_of("date"))
    rows = rows.with_columns(_crm_first=nw.col("_crm_day").min().over("customer_id"))
    month, late = nw.col("_crm_month"), nw.col("_crm_day") > nw.col("_crm_first")
    inside = (month >= begin) & (month <= end)
    rows = rows.with_columns(
        _crm_won=(inside & ~late).cast(nw.Int64),
        _crm_kept=(inside & late).cast(nw.Int64),
    )
    heads = rows.group_by("customer_id").agg(nw.col("_crm_won", "_crm_kept").max())
    found = frames.one_row(heads, won=nw.col("_crm_won").sum(), kept=nw.col("_crm_kept").sum())
    return float(found["won"] or 0), float(found["kept"] or 0)
