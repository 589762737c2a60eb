"""Transactions become counts of purchase days and of cohorts: all that churn and retention need of the rows.

Lazy frames are reduced in their own engine, eager ones through packed integers of customer and day. Days and periods
are integers here: days since 1970-01-01, and periods as in `_core.periods`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_day
from crmvalue._core.frames import (
    AnyFrame,
    customer_codes,
    day_number,
    distinct_rows,
    open_frame,
    series_to_array,
    series_to_days,
    to_arrays,
)
from crmvalue._core.periods import period_number, period_numbers
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, IntArray, Period
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError

NEVER = 2**40  # a day or period that never comes: later than any, and safe to add to


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PurchaseGaps:
    """Each purchase day of a customer with the next one of hers; equal pairs may be counted together."""

    day: IntArray  # day number of a purchase, shape (k,)
    next_day: IntArray  # day number of the customer's next purchase, NEVER after her last, shape (k,)
    is_first: BoolArray  # whether `day` is the customer's first purchase, shape (k,)
    count: IntArray  # times that this pair occurs, shape (k,)

    @property
    def n_customers(self) -> int:
        """Number of customers: each has one last purchase."""
        return int(self.count[self.next_day == NEVER].sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortTotals:
    """What came in each period from those who first bought in another; only cells in which rows lie."""

    cohort: IntArray  # period number of the first purchase, shape (k,)
    period: IntArray  # period number of the purchases, shape (k,)
    customers: IntArray  # customers of the cohort who bought in the period, shape (k,)
    revenue: Array  # amount less refunds, in the currency of the transactions, shape (k,)
    margin: Array  # amount that is kept, NaN if no margin was given, shape (k,)
    orders: IntArray  # purchase days, one a customer and day; 0 unless asked for, shape (k,)
    refund_only_revenue: float  # amount of those who never bought, at most 0
    refund_only_margin: float  # amount that is kept of them, NaN if no margin was given


def last_observed_day(transactions: Transactions, observation_end: Day | None) -> np.datetime64:
    """Return the last day that counts: the one given, or the last in the data."""
    audit = transactions.audit
    end = audit.last_day if observation_end is None else require_day("observation_end", observation_end)
    if not end >= audit.first_day:
        raise InputError(
            f"observation_end: {end} is before the first row ({audit.first_day}). Pass a day on which there already "
            "are customers."
        )
    return end


def purchase_gaps(transactions: Transactions, end: np.datetime64) -> PurchaseGaps:
    """Return the purchase days up to `end`, each with the next one of the same customer.

    Purchases on one day are one; a day with refunds alone is no purchase day.
    """
    rows = open_frame(transactions.frame).select("customer_id", "date", "amount")
    if isinstance(rows, nw.DataFrame):
        code, day, amount = eager_arrays(rows, end)
        gaps = gaps_of_arrays(code[amount >= 0], day[amount >= 0])
    else:
        bought = rows.filter(nw.col("amount") >= 0).select("customer_id", _crm_day=day_number("date"))
        bought = bought.filter(nw.col("_crm_day") <= day_as_number(end)).unique()
        on = nw.col("_crm_day")
        following = on.shift(-1).over("customer_id", order_by="_crm_day")
        pairs = bought.with_columns(_crm_next=following, _crm_first=on.min().over("customer_id"))
        pairs = pairs.with_columns(
            nw.col("_crm_next").fill_null(NEVER), _crm_first=(on == nw.col("_crm_first")).cast(nw.Int64)
        )
        found, counts = distinct_rows(pairs, ["_crm_day", "_crm_next", "_crm_first"])
        gaps = PurchaseGaps(
            day=found["_crm_day"].astype(np.int64),
            next_day=found["_crm_next"].astype(np.int64),
            is_first=found["_crm_first"] == 1,
            count=counts,
        )
    require_purchases(len(gaps.day), end)
    return gaps


def gaps_of_arrays(code: IntArray, day: IntArray) -> PurchaseGaps:
    """Sort one packed integer of customer and day; the next purchase is the next one, unless it is another's."""
    lowest = int(day.min(initial=NEVER))
    bits = int(day.max(initial=lowest) - lowest).bit_length()
    key = distinct(code << bits | day - lowest)
    customer, days = key >> bits, (key & ((1 << bits) - 1)) + lowest
    next_day = np.full(len(days), NEVER)
    same = customer[1:] == customer[:-1]
    next_day[:-1][same] = days[1:][same]
    is_first = np.concatenate([[True], ~same]) if len(days) else same
    return PurchaseGaps(day=days, next_day=next_day, is_first=is_first, count=np.ones(len(days), dtype=np.int64))


def cohort_totals(
    transactions: Transactions,
    end: np.datetime64,
    period: Period,
    *,
    margin: float | str | None = None,
    orders: bool = False,
) -> CohortTotals:
    """Return what came up to `end` by period of first purchase and period of purchase.

    `margin` is a share of each amount or a column of what is kept of it; orders are counted if asked for.
    Refunds before a customer's first purchase (of something bought before the data begin) lower the revenue of her
    first period, so that revenue adds up; those of customers who never bought are told apart.
    """
    column = [margin] if isinstance(margin, str) else []
    rows = open_frame(transactions.frame, argument="margin", needs=column)
    rows = rows.select("customer_id", "date", "amount", *column)
    if isinstance(rows, nw.DataFrame):
        cells = cells_of_rows(rows, end, period, column, orders)
    else:
        names = ["_crm_cohort", "_crm_period", "_crm_bought", "_crm_amount", *["_crm_margin"][: len(column)]]
        names += ["_crm_orders"] if orders else []
        found = to_arrays(cells_in_engine(rows, end, period, column, orders), names)
        order = np.lexsort([found["_crm_period"], found["_crm_cohort"]])
        cells = {name: values[order] for name, values in found.items()}
    revenue = cells["_crm_amount"].astype(float)
    kept = cells["_crm_margin"].astype(float) if column else revenue * (np.nan if margin is None else margin)
    known = cells["_crm_cohort"] < NEVER
    require_purchases(int(known.sum()), end)
    return CohortTotals(
        cohort=cells["_crm_cohort"][known].astype(np.int64),
        period=cells["_crm_period"][known].astype(np.int64),
        customers=cells["_crm_bought"][known].astype(np.int64),
        revenue=revenue[known],
        margin=kept[known],
        orders=cells["_crm_orders"][known].astype(np.int64) if orders else np.zeros(int(known.sum()), dtype=np.int64),
        refund_only_revenue=float(revenue[~known].sum()),
        refund_only_margin=float(kept[~known].sum()),
    )


def cells_in_engine(rows: AnyFrame, end: np.datetime64, period: Period, column: list[str], orders: bool) -> AnyFrame:
    """Describe the cohort cells to a lazy engine; the cohort of those who never bought is NEVER."""
    number, cohort, bought = nw.col("_crm_period"), nw.col("_crm_cohort"), nw.col("_crm_bought")
    sums = [nw.col("_crm_amount").sum(), *(nw.col("_crm_margin").sum() for _ in column)]
    rows = rows.filter(day_number("date") <= day_as_number(end)).select(
        "customer_id",
        _crm_period=period_number("date", period),
        _crm_amount=nw.col("amount"),
        _crm_bought=(nw.col("amount") >= 0).cast(nw.Int64),
        **({"_crm_margin": nw.col(column[0])} if column else {}),
        **({"_crm_day": day_number("date")} if orders else {}),
    )
    if orders:  # all purchases of a customer on one day are one order
        rows = rows.group_by("customer_id", "_crm_period", "_crm_day").agg(*sums, bought.max())
    cells = rows.group_by("customer_id", "_crm_period").agg(*sums, bought.max(), _crm_orders=bought.sum())
    cells = cells.with_columns(_crm_first=nw.when(bought == 1).then(number).otherwise(nw.lit(NEVER)))
    cells = cells.with_columns(_crm_cohort=nw.col("_crm_first").min().over("customer_id"))
    cells = cells.with_columns(_crm_period=nw.when(number < cohort).then(cohort).otherwise(number))
    return cells.group_by("_crm_cohort", "_crm_period").agg(*sums, bought.sum(), nw.col("_crm_orders").sum())


def cells_of_rows(
    rows: nw.DataFrame[Any], end: np.datetime64, period: Period, column: list[str], orders: bool
) -> dict[str, AnyArray]:
    """Return the cohort cells of a frame in memory."""
    code, day, amount = eager_arrays(rows, end)
    lowest = int(day.min())
    number = period_numbers(np.arange(lowest, int(day.max()) + 1), period)  # by day, not by row: 5 times faster
    at = number[day - lowest]
    sums = {"_crm_amount": amount}
    for name in column:
        counts = series_to_days(rows.get_column("date")) <= day_as_number(end)
        sums["_crm_margin"] = series_to_array(rows.get_column(name))[counts].astype(float)
    return cells_of_arrays(code, at, amount >= 0, sums, day if orders else None)


def cells_of_arrays(
    code: IntArray, period: IntArray, bought: BoolArray, sums: dict[str, Array], day: IntArray | None
) -> dict[str, AnyArray]:
    """Cohort, period, customers, sums and orders of each cell; the cohort of those who never bought is NEVER."""
    lowest = int(period.min(initial=NEVER))
    span = int(period.max(initial=lowest)) - lowest + 1
    since = period - lowest
    buyer, at = (code, since) if bought.all() else (code[bought], since[bought])
    first = np.full(int(code.max(initial=-1)) + 1, span, dtype=np.int32)  # small, to stay in the cache; span is never
    np.minimum.at(first, buyer, at.astype(np.int32))
    began = first[code].astype(np.int64)
    cell = began * (span + 1) + np.maximum(since, began)
    size = (span + 1) ** 2
    filled = np.bincount(cell, minlength=size) > 0
    visit = distinct(buyer * span + at)
    customers = np.bincount(first[visit // span] * (span + 1) + visit % span, minlength=size)
    cohort, at = np.divmod(np.flatnonzero(filled), span + 1)
    cohort, at = (np.where(number < span, number + lowest, NEVER) for number in (cohort, at))
    found = {"_crm_cohort": cohort, "_crm_period": at, "_crm_bought": customers[filled]}
    found |= {name: np.bincount(cell, weights=values, minlength=size)[filled] for name, values in sums.items()}
    return found if day is None else found | {"_crm_orders": orders_of_cells(code, day, bought, cell, size)[filled]}


def orders_of_cells(code: IntArray, day: IntArray, bought: BoolArray, cell: IntArray, size: int) -> IntArray:
    """Count the purchase days of each cell: a customer's day lies in one cell, so it is packed with it."""
    code, day, cell = code[bought], day[bought] - day.min(), cell[bought]
    days = int(day.max(initial=0)) + 1
    order = np.argsort(code * days + day, kind="stable")
    key = (code * days + day)[order]
    begins = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=begins[1:])
    return np.bincount(cell[order][begins], minlength=size)


def distinct(keys: IntArray) -> IntArray:
    """Sort the keys in place and return each once; several times faster here than np.unique, which hashes."""
    keys.sort()
    once: IntArray = keys[np.diff(keys, prepend=-1) != 0]
    return once


def eager_arrays(rows: nw.DataFrame[Any], end: np.datetime64) -> tuple[IntArray, IntArray, Array]:
    """Return customer codes, day numbers and amounts of the rows up to `end`."""
    code, _ = customer_codes(rows.get_column("customer_id"))
    day = series_to_days(rows.get_column("date"))
    amount = series_to_array(rows.get_column("amount"))
    counts = day <= day_as_number(end)
    return (code, day, amount) if counts.all() else (code[counts], day[counts], amount[counts])


def day_as_number(day: np.datetime64) -> int:
    """Days since 1970-01-01."""
    return int(day.astype("datetime64[D]").astype(np.int64))


def require_purchases(n: int, end: np.datetime64) -> None:
    """Raise InputError if nobody has bought."""
    if n == 0:
        raise InputError(f"observation_end: nobody has bought by {end}; there are refunds alone. Pass a later day.")
