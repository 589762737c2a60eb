"""Who bought for the first time ever, when, and through which channel; and what came in by cohort and month since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, IntArray
from crmvalue.costing.grouping import ranked
from crmvalue.costing.lines import without_blanks
from crmvalue.costing.purchases import month_of, require_contributions, to_whole_cents
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sums

NEVER = 2**40  # a day that never comes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Newcomers:
    """First purchase of each customer; who has refunds alone is none."""

    names: AnyArray  # customers, distinct, shape (n,)
    month: IntArray  # month number of the first purchase, shape (n,)
    tag: IntArray  # place in `tags` of the channel of the first purchase, shape (n,)
    tags: AnyArray  # channels, in order, None last; one None if no channel was asked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortCells:
    """What came in, less refunds, by channel and month of first purchase and months since; cells with rows alone."""

    newcomers: Newcomers
    tag: IntArray  # place in `newcomers.tags`, shape (k,)
    cohort: IntArray  # month number of the first purchase, shape (k,)
    age: IntArray  # months since, 0 in the month of the first purchase, shape (k,)
    brought: Array  # amounts less refunds, or the column that was asked for, shape (k,)


def newcomers(transactions: Transactions, tag: str | None) -> Newcomers:
    """Return the first purchase of each customer; of several on that day the largest says the channel."""
    rows = selected(transactions, tag)
    return eager_newcomers(rows, tag)[0] if isinstance(rows, nw.DataFrame) else lazy_newcomers(rows, tag)


def eager_newcomers(rows: nw.DataFrame[Any], tag: str | None) -> tuple[Newcomers, IntArray]:
    """Return the newcomers of a frame in memory, and the place of each row's customer among them, -1 if none."""
    code, decode = frames.customer_codes(rows.get_column("customer_id"))
    day = frames.series_to_days(rows.get_column("date"))
    amount = frames.series_to_array(rows.get_column("amount"))
    place, tags = tag_places(frames.series_to_array(rows.get_column(tag)) if tag else None, len(day))
    bought = np.flatnonzero(amount >= 0)
    present, at = first_rows(code[bought], day[bought], amount[bought], place[bought])
    names = np.asarray(decode(present))
    names = names.astype(object) if names.dtype.kind == "U" else names
    place_of = np.full(int(code.max()) + 1, -1)
    place_of[present] = np.arange(len(present))
    return wrapped(names, day[bought[at]], place[bought[at]], tags), place_of[code]


def lazy_newcomers(rows: AnyFrame, tag: str | None) -> Newcomers:
    """Return the newcomers of a lazy frame; its engine finds the rows of first days."""
    rows = rows.filter(nw.col("amount") >= 0).with_columns(_crm_day=frames.day_number("date"))
    rows = rows.with_columns(_crm_first=nw.col("_crm_day").min().over("customer_id"))
    rows = rows.filter(nw.col("_crm_day") == nw.col("_crm_first"))
    table = frames.to_arrays(rows, ["customer_id", "_crm_day", "amount", *([tag] if tag else [])])
    code, names = ranked(table["customer_id"])
    day, amount = table["_crm_day"].astype(np.int64), table["amount"].astype(float)
    place, tags = tag_places(table[tag] if tag else None, len(day))
    _, at = first_rows(code, day, amount, place)
    return wrapped(names, day[at], place[at], tags)


def wrapped(names: AnyArray, day: IntArray, tag: IntArray, tags: AnyArray) -> Newcomers:
    """Wrap newcomers; nobody is an error."""
    if not len(names):
        raise InputError("transactions: nobody has bought; there are refunds alone. Pass purchases.")
    return Newcomers(names=names, month=month_number(day), tag=tag, tags=tags)


def selected(transactions: Transactions, tag: str | None, brought: str = "amount") -> AnyFrame:
    """Return the columns that cohorts need."""
    needed = dict.fromkeys(["customer_id", "date", "amount", *([tag] if tag else []), brought])
    return frames.open_frame(transactions.frame).select(*needed)


def tag_places(values: AnyArray | None, n: int) -> tuple[IntArray, AnyArray]:
    """Return the place of each value among the channels, and these."""
    if values is None:
        return np.zeros(n, dtype=np.int64), np.array([None], dtype=object)
    return ranked(without_blanks(values))


def first_rows(code: IntArray, day: IntArray, amount: Array, place: IntArray) -> tuple[IntArray, IntArray]:
    """Return the customers who bought, ascending, and the row of each one's first and then largest purchase."""
    if not len(code):
        return code, code
    first = np.full(int(code.max()) + 1, NEVER)
    np.minimum.at(first, code, day)
    there = np.flatnonzero(day == first[code])
    order = there[np.lexsort((place[there], -amount[there], code[there]))]
    present, at = np.unique(code[order], return_index=True)
    return present, order[at]


def month_number(day: IntArray) -> IntArray:
    """Return the number of the month of each day number."""
    months: IntArray = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def cohort_cells(transactions: Transactions, tag: str | None, brought: str = "amount") -> CohortCells:
    """Add up what came in by cohort and age; a refund before the first purchase counts in its month."""
    rows = selected(transactions, tag, brought)
    if brought != "amount":
        require_contributions(rows, brought)
    if isinstance(rows, nw.DataFrame):
        found, who = eager_newcomers(rows, tag)
        there = who >= 0
        who = who[there]
        month = month_number(frames.series_to_days(rows.get_column("date")))[there]
        return add_cells(found, found.tag[who], found.month[who], month, to_floats(rows, brought)[there])
    found = lazy_newcomers(rows, tag)
    table = {"_crm_id": found.names, "_crm_tag": found.tag, "_crm_cohort": found.month}
    made = rows.select("customer_id", brought, _crm_month=month_of("date"))
    heads: Any = nw.from_native(frames.like(table, rows))
    made = made.join(heads, left_on="customer_id", right_on="_crm_id", how="inner")
    keys = ["_crm_tag", "_crm_cohort", "_crm_month"]
    arrays = frames.to_arrays(made.group_by(*keys).agg(nw.col(brought).sum()), [*keys, brought])
    place, cohort, month = (arrays[name].astype(np.int64) for name in keys)
    return add_cells(found, place, cohort, month, to_whole_cents(arrays[brought].astype(float)))


def to_floats(rows: nw.DataFrame[Any], column: str) -> Array:
    """Return a column of numbers."""
    return frames.as_float(frames.series_to_array(rows.get_column(column)))


def add_cells(found: Newcomers, tag: IntArray, cohort: IntArray, month: IntArray, amount: Array) -> CohortCells:
    """Add amounts up by channel, cohort and months since."""
    age = np.maximum(month - cohort, 0)
    low, span = int(found.month.min()), int(found.month.max() - found.month.min()) + 1
    ages = int(age.max()) + 1
    cell, group = np.unique((tag * span + cohort - low) * ages + age, return_inverse=True)
    at, aged = np.divmod(cell, ages)
    place, since = np.divmod(at, span)
    brought = exact_sums(amount, group, len(cell))
    return CohortCells(newcomers=found, tag=place, cohort=since + low, age=aged, brought=brought)
