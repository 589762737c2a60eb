"""What is used for years is a cost of those years: straight-line over the useful life, and nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_rows
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray
from crmvalue.costing.apportion import to_cents
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import ledger_columns, read_lines
from crmvalue.costing.names import spelled_options
from crmvalue.costing.taxonomy import CostTaxonomy
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import CENTS, TOLERANCE, exact_sum, exact_sums

REMEDY = "Give its useful life in months, or leave its subcategory out of `capital`."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AmortizedLedger:
    """A ledger in which each line is charged to the months that use it: outlay = before + charged + after.

    Columns of `frame`: those of the ledger, with date the first day of the month that is charged (the day of the line
    if it is spent at once), amount the charge, and line (number of the line in the ledger, from 0, in the order in
    which its engine gave it). Lines of `outside` are the same, in one sum a line and side: part is before or after.
    """

    frame: Frame  # charges in the window, in the engine of the ledger
    outside: Frame  # columns category, line, part, amount: what falls outside the window, in the same engine
    outlay: float  # sum of the ledger
    charged: float  # sum of the charges in the window
    before: float  # sum of what belongs to months before the window
    after: float  # sum of what belongs to months after the window
    first_month: np.datetime64  # first month of the window
    last_month: np.datetime64  # last month of the window
    spread_lines: int  # lines that have a useful life
    taxonomy: CostTaxonomy  # of the ledger
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html

    def to_ledger(self) -> Ledger:
        """Return the charges in the window as a ledger, which every table of costs takes."""
        opened = frames.open_frame(self.frame)
        return as_ledger(self.frame, frames.column_names(opened), taxonomy=self.taxonomy)


def amortize_ledger(
    ledger: Ledger | Frame, *, start: Day | None = None, end: Day | None = None, capital: Sequence[str] = ()
) -> AmortizedLedger:
    """Charge each line with a useful life to the months of that life, in equal parts.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs with a column useful_life: months, missing for what is spent at once.
    start, end : day, optional
        The window, in whole months: by default the months from the first to the last line of the ledger.
    capital : sequence of str
        Subcategories that are bought to be used for years: a line of one without a useful life is an error.

    Returns
    -------
    AmortizedLedger
        The charges in the window, which ``to_ledger()`` turns into a ledger, and what falls outside it.

    Raises
    ------
    InputError
        If the ledger has no useful lives, one is no whole number of months above 0, a capital line has none, `capital`
        names no subcategory, or the window ends before it starts.

    Notes
    -----
    The month of the line is the first month that is charged. The parts are whole cents that differ by one cent at
    most, the larger first. A fraction of a cent is charged to the first month.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-15", "2024-02-15"], "category": ["it", "staff"], "amount": [100.0, 7.0],
    ...     "useful_life": [3, None]
    ... })
    >>> result = amortize_ledger(lines)
    >>> result.frame[["date", "category", "amount"]]
            date category  amount
    0 2024-01-01       it   33.34
    1 2024-02-01       it   33.33
    2 2024-02-15    staff    7.00
    >>> result.outlay, result.charged, result.after
    (107.0, 73.67, 33.33)
    """
    checked = as_ledger(ledger, ["useful_life"])
    names = [name for name in ledger_columns(checked) if name != "kind"]
    lines = read_lines(checked, [*names, "useful_life"])
    require_useful_lives(lines, capital, checked.taxonomy)
    first = require_day("start", start) if start is not None else checked.audit.first_day
    last = require_day("end", end) if end is not None else checked.audit.last_day
    low, high = (int(day.astype("datetime64[M]").astype(np.int64)) for day in (first, last))
    if high < low:
        raise InputError(f"end: {last} is before start, {first}. Pass a later day.")
    line, month, amount = charges(lines)
    inside = (month >= low) & (month <= high)
    spread = ~np.isnan(lines["useful_life"].astype(float))
    table: dict[str, AnyArray] = {name: values[line[inside]] for name, values in lines.items()}
    day = month[inside].astype("datetime64[M]").astype("datetime64[D]")
    table["date"] = np.where(spread[line[inside]], day, table["date"])
    table["amount"] = amount[inside]
    table["line"] = line[inside]
    order = np.lexsort((table["line"], table["date"]))
    side = np.where(month < low, 0, 1)
    opened = frames.open_frame(checked.frame)
    columns = [*ledger_columns(checked), "line"]
    return AmortizedLedger(
        frame=frames.like({name: table[name][order] for name in columns if name in table}, opened),
        outside=frames.like(outside_table(lines["category"], line[~inside], side[~inside], amount[~inside]), opened),
        outlay=checked.total,
        charged=exact_sum(amount[inside]),
        before=exact_sum(amount[month < low]),
        after=exact_sum(amount[month > high]),
        first_month=np.datetime64(low, "M"),
        last_month=np.datetime64(high, "M"),
        spread_lines=int(spread.sum()),
        taxonomy=checked.taxonomy,
        assumptions=words(int(spread.sum()), len(spread), low, high, exact_sum(amount[~inside])),
    )


def require_useful_lives(lines: dict[str, AnyArray], capital: Sequence[str], taxonomy: CostTaxonomy) -> None:
    """Raise InputError if a line of a capital subcategory has no useful life."""
    if not capital:
        return
    if "subcategory" not in lines:
        raise InputError("capital: the ledger has no subcategories. Pass subcategory=... to prepare_ledger.")
    there = [str(name) for name in lines["subcategory"].tolist() if name is not None]
    known = list(dict.fromkeys([*(sub for subs in taxonomy.categories.values() for sub in subs), *there]))
    wanted = spelled_options([capital] if isinstance(capital, str) else capital, known, "capital").values()
    is_capital = np.isin(lines["subcategory"].astype(str), list(wanted))
    has_life = ~np.isnan(lines["useful_life"].astype(float))
    require_rows(has_life | ~is_capital, "useful_life", "missing for a capital line", REMEDY)


def charges(lines: dict[str, AnyArray]) -> tuple[IntArray, IntArray, Array]:
    """Line, month number and amount of every charge; those of a line add up to it."""
    life = lines["useful_life"].astype(float)
    months = np.where(np.isnan(life), 1, life).astype(np.int64)
    line = np.repeat(np.arange(len(months)), months)
    place = np.arange(len(line)) - np.repeat(np.cumsum(months) - months, months)
    cents = to_cents(lines["amount"])
    whole, rest = np.divmod(np.abs(cents), months)
    parts = np.where(cents < 0, -1.0, 1.0)[line] * (whole[line] + (place < rest[line]))
    amount = parts / CENTS
    fraction = lines["amount"] - cents / CENTS
    amount[place == 0] += np.where(np.abs(fraction) > TOLERANCE, fraction, 0.0)
    bought = lines["date"].astype("datetime64[M]").astype(np.int64)
    return line, bought[line] + place, amount


def outside_table(category: AnyArray, line: IntArray, side: IntArray, amount: Array) -> dict[str, Any]:
    """One row a line and side of the window: what is charged to months outside it."""
    key, group = np.unique(2 * line + side, return_inverse=True)
    sums = exact_sums(amount, group, len(key))
    part = np.array(["before", "after"], dtype=object)[key % 2]
    return {"category": category[key // 2], "line": key // 2, "part": part, "amount": sums}


def words(spread: int, n: int, low: int, high: int, outside: float) -> tuple[str, ...]:
    """Say how the lines were spread."""
    first, last = np.datetime64(low, "M"), np.datetime64(high, "M")
    return (
        f"Straight-line over the useful life for {spread:,} of {n:,} lines; the others are spent at once.",
        "The month of the line is the first that is charged.",
        f"The window is {first} to {last}; {number_text(outside)} belongs to months outside it.",
    )
