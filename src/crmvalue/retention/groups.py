"""Groups of rows or customers by a column: checked once, named in every result, and read in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_columns
from crmvalue._core.frames import (
    AnyFrame,
    collect,
    column_names,
    count_rows,
    day_number,
    distinct_rows,
    first_values,
    open_frame,
    series_to_array,
    series_to_days,
)
from crmvalue._core.types import AnyArray, Array, IntArray
from crmvalue.data.cohorts import NEVER, PurchaseGaps, day_as_number, eager_arrays, gaps_of_arrays, require_purchases
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError

MOST_GROUPS = 1_000  # more are ids, not groups


def require_kept(kept: Sequence[str], by: str) -> None:
    """Raise InputError unless the contracts were prepared with the column of the groups."""
    if by not in kept:
        there = f"kept are {', '.join(map(repr, kept))}" if kept else "none was kept"
        raise InputError(
            f"by: the contracts hold no column {by!r} to group by ({there}). Keep it: "
            f"prepare_contracts(..., keep=[{by!r}])."
        )


def require_groups(frame: AnyFrame, by: str) -> None:
    """Raise InputError unless every row names its group."""
    require_columns(column_names(frame), [by], argument="by")
    kind = frame.collect_schema()[by]
    missing = nw.col(by).is_null()
    if kind.is_float():
        missing = missing | nw.col(by).is_nan().fill_null(True)
    unnamed = count_rows(frame.filter(missing))
    if unnamed:
        raise InputError(
            f"by: column {by!r} is missing in {unnamed:,} of {count_rows(frame):,} rows. Name their group, for "
            "example 'unknown'."
        )


def group_values(frame: AnyFrame, by: str) -> list[Any]:
    """Return the distinct values of a column, in order; more than a thousand are refused."""
    require_groups(frame, by)
    distinct = frame.select(by).unique()
    values = collect(distinct.head(MOST_GROUPS + 1)).get_column(by)
    require_few(by, len(values) if len(values) <= MOST_GROUPS else count_rows(distinct))
    return list(np.sort(series_to_array(values)))


def require_few(by: str, n: int) -> None:
    """Raise InputError if a column has too many values to group by."""
    if n > MOST_GROUPS:
        raise InputError(f"by: column {by!r} has {n:,} values. Group by a column with at most {MOST_GROUPS:,}.")


def require_one_group(frame: AnyFrame, by: str) -> None:
    """Raise InputError unless each customer is in one group."""
    pairs = frame.select("customer_id", by).unique()
    several = pairs.group_by("customer_id").agg(_crm_n=nw.len()).filter(nw.col("_crm_n") > 1)
    n = count_rows(several)
    if n:
        named = ", ".join(map(str, first_values(several.sort("customer_id"), "customer_id")))
        more = ", ..." if n > 5 else ""
        raise InputError(
            f"by: {n:,} customers are in several groups of {by!r} (customer {named}{more}). Group by a column that "
            "stays, such as the region of the first purchase."
        )


def codes_of(values: AnyArray) -> tuple[AnyArray, IntArray]:
    """Return the distinct values, in order, and the number of each row's value."""
    distinct, codes = np.unique(values, return_inverse=True)
    return distinct, codes.astype(np.int64)


def gaps_by_group(transactions: Transactions, end: np.datetime64, by: str) -> list[tuple[Any, PurchaseGaps]]:
    """Return the purchase days of each group that has bought by `end`, as `purchase_gaps` does of all customers."""
    frame = open_frame(transactions.frame)
    names = group_values(frame, by)
    require_one_group(frame, by)
    rows = frame.select("customer_id", "date", "amount", by)
    if isinstance(rows, nw.DataFrame):
        code, day, amount, group = grouped_arrays(rows, end, by, names)
        parts = [part[amount[part] >= 0] for part in rows_by_group(group, len(names))]
        found = [gaps_of_arrays(code[part], day[part]) for part in parts]
    else:
        found = gaps_in_engine(rows, end, by, names)
    require_purchases(sum(len(gaps.day) for gaps in found), end)
    return [(name, gaps) for name, gaps in zip(names, found, strict=True) if len(gaps.day)]


def grouped_arrays(
    rows: nw.DataFrame[Any], end: np.datetime64, by: str, names: list[Any]
) -> tuple[IntArray, IntArray, Array, IntArray]:
    """Return customer, day number, amount and number of the group of each row up to `end`."""
    code, day, amount = eager_arrays(rows, end)
    counted = series_to_days(rows.get_column("date")) <= day_as_number(end)
    group = np.searchsorted(np.array(names), series_to_array(rows.get_column(by))[counted])
    return code, day, amount, group.astype(np.int64)


def gaps_in_engine(rows: nw.LazyFrame[Any], end: np.datetime64, by: str, names: list[Any]) -> list[PurchaseGaps]:
    """Return the purchase days of each group of a lazy frame; all groups are counted in one pass."""
    on, keys = nw.col("_crm_day"), ["_crm_day", "_crm_next", "_crm_first"]
    bought = rows.filter(nw.col("amount") >= 0).select("customer_id", by, _crm_day=day_number("date"))
    bought = bought.filter(on <= day_as_number(end)).unique()
    pairs = bought.with_columns(
        _crm_next=on.shift(-1).over("customer_id", order_by="_crm_day"), _crm_first=on.min().over("customer_id")
    ).with_columns(nw.col("_crm_next").fill_null(NEVER), _crm_first=(on == nw.col("_crm_first")).cast(nw.Int64))
    found, counts = distinct_rows(pairs, [by, *keys])
    group = np.searchsorted(np.array(names), found[by])
    day, next_day, first = (found[name].astype(np.int64) for name in keys)
    return [
        PurchaseGaps(day=day[part], next_day=next_day[part], is_first=first[part] == 1, count=counts[part])
        for part in rows_by_group(group, len(names))
    ]


def rows_by_group(group: IntArray, n: int) -> list[IntArray]:
    """Return the rows of each of n groups, in their order."""
    ends = np.cumsum(np.bincount(group, minlength=n))
    return np.split(np.argsort(group, kind="stable"), ends[:-1])


def all_gaps(groups: list[tuple[Any, PurchaseGaps]]) -> PurchaseGaps:
    """Return the purchase days of all groups together."""
    parts = [gaps for _, gaps in groups]
    return PurchaseGaps(
        day=np.concatenate([gaps.day for gaps in parts]),
        next_day=np.concatenate([gaps.next_day for gaps in parts]),
        is_first=np.concatenate([gaps.is_first for gaps in parts]),
        count=np.concatenate([gaps.count for gaps in parts]),
    )
