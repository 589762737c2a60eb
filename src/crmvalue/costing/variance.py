"""What was spent against what was planned: by any columns, by price and volume, and which lines to look at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.grouping import group_rows
from crmvalue.costing.ledger import OPTIONS, Ledger, as_ledger
from crmvalue.costing.lines import read_lines, without_blanks
from crmvalue.costing.names import counted, is_blank, plain_name, spelled, spelling_table
from crmvalue.costing.taxonomy import CostTaxonomy
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import require_summable
from crmvalue.finance.exact_sums import exact_sum, exact_sums

MADE = ("actual", "budget", "variance", "variance_rate", "price_part", "volume_part", "status", "rank")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BudgetVariance:
    """Actual cost less budget, group by group; the variances add up to that of the total.

    Columns of `frame`: those of `by`; actual; budget; variance (actual - budget: above 0 is overspent); variance_rate
    (variance / budget; missing where the budget is not above 0); with quantities also price_part and volume_part,
    which add up to the variance (missing where a quantity is 0 or missing on one side); status ("both", "ledger only",
    "budget only"); rank (1 for the line to look at first: the largest variance without its sign).
    """

    frame: Frame  # one row a group, in the order of `rank`, in the engine of the ledger
    by: tuple[str, ...]  # columns that make the groups
    actual: float  # sum of the ledger
    budget: float  # sum of the budget
    variance: float  # actual - budget
    ledger_only: int  # groups that the budget lacks
    budget_only: int  # groups that the ledger lacks
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def budget_variance(
    ledger: Ledger | Frame,
    budget: Frame,
    *,
    by: Sequence[str] = ("category",),
    quantity: str | None = None,
) -> BudgetVariance:
    """Actual cost against budget by any columns, split into price and volume where quantities are given.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs of the period that the budget is for.
    budget : frame of any engine
        Columns `by` and amount, and `quantity`; one or more rows a group. Names of the taxonomy are matched as in a
        ledger.
    by : sequence of str
        Columns of both that make the groups.
    quantity : str, optional
        Column of both with the number of units (hours, tickets, licenses) behind an amount.

    Returns
    -------
    BudgetVariance
        One row a group of either side: a line that the other lacks is there with 0 for it, and counted.

    Raises
    ------
    InputError
        If a column is missing or named twice, or the budget has a missing or infinite amount or an unknown category.

    Notes
    -----
    With quantity q and price p = amount / q: ``volume_part = (q_actual - q_budget) * p_budget`` and ``price_part =
    (p_actual - p_budget) * q_actual``; their sum is the variance.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": "2024-01-31", "category": ["staff", "it"], "hours": [110, 0], "amount": [3300.0, 50.0]
    ... })
    >>> plan = pd.DataFrame({"category": ["Staff"], "hours": [100], "amount": [2500.0]})
    >>> found = budget_variance(lines, plan, quantity="hours")
    >>> found.frame[["category", "actual", "budget", "variance", "price_part", "volume_part", "status"]]
      category  actual  budget  variance  price_part  volume_part       status
    0    staff  3300.0  2500.0     800.0       550.0        250.0         both
    1       it    50.0     0.0      50.0         NaN          NaN  ledger only
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    taken = [name for name in by if name in MADE or name in ("amount", quantity) or by.count(name) > 1]
    if taken or not by:
        raise InputError(f"by: {taken or 'no column'}. Name columns of both once, and none of the result.")
    more = [*by, *([quantity] if quantity else [])]
    checked = as_ledger(ledger, more)
    spent = read_lines(checked, more)
    planned = read_budget(budget, by, quantity, checked.taxonomy, spent)
    table, status = compared(spent, planned, by, quantity)
    gap = table["variance"]
    order = np.argsort(-np.abs(gap), kind="stable")
    table = {name: values[order] for name, values in table.items()} | {"rank": np.arange(1, len(order) + 1)}
    counts = int((status == "ledger only").sum()), int((status == "budget only").sum())
    return BudgetVariance(
        frame=frames.like(table, frames.open_frame(checked.frame)),
        by=by,
        actual=checked.total,
        budget=exact_sum(planned["amount"]),
        variance=exact_sum(np.concatenate([spent["amount"], -planned["amount"]])),
        ledger_only=counts[0],
        budget_only=counts[1],
        assumptions=words(counts, gap[order], quantity),
    )


def compared(
    spent: dict[str, AnyArray], planned: dict[str, AnyArray], by: Sequence[str], quantity: str | None
) -> tuple[dict[str, AnyArray], AnyArray]:
    """Return the groups of both sides with their sums, variances and parts, and which side has each group."""
    keys = {
        name: np.concatenate([without_blanks(spent[name]).astype(planned[name].dtype), planned[name]])
        if planned[name].dtype.kind == "M"
        else np.concatenate([without_blanks(side[name]).astype(object) for side in (spent, planned)])
        for name in by
    }
    n_spent = len(spent["amount"])
    groups, group = group_rows(keys, n_spent + len(planned["amount"]))
    n, ours, theirs = int(group.max()) + 1, group[:n_spent], group[n_spent:]
    actual, plan = exact_sums(spent["amount"], ours, n), exact_sums(planned["amount"], theirs, n)
    gap = exact_sums(np.concatenate([spent["amount"], -planned["amount"]]), group, n)
    rate = np.divide(gap, plan, out=np.full(n, np.nan), where=plan > 0)
    table: dict[str, AnyArray] = {**groups, "actual": actual, "budget": plan, "variance": gap, "variance_rate": rate}
    if quantity is not None:
        used = [sums_or_missing(side[quantity], place, n) for side, place in ((spent, ours), (planned, theirs))]
        table |= parts_of(actual, plan, gap, *used)
    has = [np.bincount(side, minlength=n) > 0 for side in (ours, theirs)]
    status = np.where(has[0] & has[1], "both", np.where(has[0], "ledger only", "budget only")).astype(object)
    return table | {"status": status}, status


def read_budget(
    budget: Frame, by: Sequence[str], quantity: str | None, taxonomy: CostTaxonomy, spent: dict[str, AnyArray]
) -> dict[str, AnyArray]:
    """Return the checked columns of the budget as arrays, its names in the spelling of the ledger."""
    wanted = list(dict.fromkeys([*by, "amount", *([quantity] if quantity else [])]))
    rows = frames.open_frame(budget, argument="budget", needs=wanted).select(*wanted)
    for name in wanted[len(by) :]:
        rows = read_numbers(rows, name, argument=f"budget, column {name!r}")
    if "date" in by:
        rows, _ = read_dates(rows, "date", argument="budget, column 'date'")
    found = frames.to_arrays(rows, wanted)
    if not len(found["amount"]):
        raise InputError("budget: the frame has no rows. Pass at least one line.")
    finite = np.isfinite(found["amount"])
    require_rows(finite, "budget, column 'amount'", "missing or infinite amount", "Fill or drop these lines.")
    require_summable(found["amount"], "budget, column 'amount'")
    for name, allowed in ({"category": tuple(taxonomy.categories), "stage": taxonomy.stages} | OPTIONS).items():
        if name in by:
            found[name] = renamed(
                found[name], spelled(found[name], allowed, f"budget, column {name!r}", taxonomy.aliases)
            )
    if "subcategory" in by:  # a category may take any: what is only in the budget is a line of its own
        known = [sub for subs in taxonomy.categories.values() for sub in subs]
        there = [str(name) for name in spent["subcategory"].tolist() if name is not None]
        table = spelling_table([*known, *there], {})
        raw = found["subcategory"].tolist()
        found["subcategory"] = renamed(found["subcategory"], {name: table.get(plain_name(name), name) for name in raw})
    return {name: without_blanks(values) for name, values in found.items()}


def renamed(values: AnyArray, names: Mapping[object, object]) -> AnyArray:
    """Return the values by their new names, None for blank ones."""
    blank = is_blank(values).tolist()
    return np.array([*(None if no else names[raw] for raw, no in zip(values.tolist(), blank, strict=True)), None])[:-1]


def sums_or_missing(values: AnyArray, group: AnyArray, n: int) -> Array:
    """Sum of each group, missing if one of its values is."""
    if values.dtype.kind not in "iuf":
        raise InputError("quantity: the column of the ledger holds no numbers. Convert it to numbers first.")
    numbers = values.astype(float)
    unknown = np.bincount(group, weights=~np.isfinite(numbers), minlength=n) > 0
    sums = np.bincount(group, weights=np.where(np.isfinite(numbers), numbers, 0.0), minlength=n)
    return np.where(unknown, np.nan, sums)


def parts_of(actual: Array, plan: Array, gap: Array, used: Array, meant: Array) -> dict[str, Array]:
    """Price and volume parts of each variance, missing where a quantity is 0 or missing on one side."""
    known = (used > 0) & (meant > 0)
    price = np.divide(plan, meant, out=np.full(len(plan), np.nan), where=known)
    volume = np.where(known, (used - meant) * price, np.nan)
    return {"price_part": gap - volume, "volume_part": volume}


def words(counts: tuple[int, int], gap: Array, quantity: str | None) -> tuple[str, ...]:
    """Say what the table rests on, and how few lines make most of the variance."""
    said = ["Variance is actual less budget: above 0 is overspent."]
    if quantity:
        said.append(f"Volume: difference in {quantity} at the budget's price; price: the rest of the variance.")
    for count, where, lacks in ((counts[0], "ledger", "budget"), (counts[1], "budget", "ledger")):
        if count:
            groups = counted(count, f"group of the {where} is", f"groups of the {where} are")
            said.append(f"{groups} not in the {lacks}, and counted with 0 there.")
    size = np.abs(gap)
    if size.sum() > 0:
        most = int((np.cumsum(size) < 0.8 * size.sum()).sum()) + 1
        said.append(f"The first {most:,} of {len(gap):,} lines make 80 % of all variances ({number_text(size.sum())}).")
    return tuple(said)
