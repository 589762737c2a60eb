"""Cost by category, stage, channel or any other column, and by period; every table adds up to the ledger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_option
from crmvalue._core.periods import PERIODS, first_days, period_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray, Period
from crmvalue.costing.grouping import group_rows, reading_order, shares_of
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import read_lines, without_blanks
from crmvalue.costing.purchases import customers_won_and_kept
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sum, exact_sums, running_sums

BREAKDOWN_COLUMNS = ("period", "amount", "share", "cumulative_share", "change", "cash", "lines")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostBreakdown:
    """Cost by group, in the engine of the ledger; the amounts add up to `total`.

    Columns of `frame`: those of `by`; period (first day; if asked for); amount; share (0 to 1 of `total`);
    cumulative_share (largest first: of `total`, or of its period); change (amount less that of the same group in the
    calendar period before, if periods are asked for; missing in the first period); cash (amount without time and
    opportunity); lines (cost lines in the group).
    """

    frame: Frame  # one row a group
    total: float  # amount of the whole ledger, in its currency: with time and opportunity, the economic cost
    cash_total: float  # amount of the lines that are cash
    by: tuple[str, ...]  # columns that make the groups
    period: Period | None  # length of a period, if there are periods
    note: str  # why shares are missing; empty when they are not
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageCosts:
    """Cost by stage, and what it costs to win a customer against what it costs to keep one.

    Columns of `frame`: stage (missing for lines that name none), amount, share, cumulative_share, cash, lines.
    """

    frame: Frame  # one row a stage, largest first, in the engine of the ledger
    total: float  # amount of the whole ledger, in its currency
    won: float  # customers whose first purchase lies in the window; NaN without transactions
    kept: float  # customers who bought before, and again in the window; NaN without transactions
    cost_to_win: float  # acquisition cost / won; inf if money was spent and nobody won, NaN if nothing is known
    cost_to_keep: float  # retention cost / kept; inf if money was spent and nobody kept, NaN if nothing is known
    win_to_keep: float  # cost_to_win / cost_to_keep: 5 for the "5 to 1" that managers quote; NaN if it is no number
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def cost_breakdown(
    ledger: Ledger | Frame, *, by: Sequence[str] = ("category",), period: Period | None = None
) -> CostBreakdown:
    """Amount and share of each group of cost lines; the groups add up to the ledger exactly.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs from `prepare_ledger`, or a frame with the columns date, category and amount, which is then checked.
    by : sequence of str
        Columns of the ledger that make the groups, none for the whole. Lines where a column is missing are a group.
    period : {"week", "month", "quarter", "year"}, optional
        Split each group by calendar period; a week begins on Monday.

    Returns
    -------
    CostBreakdown
        `frame` in the engine of the ledger: the columns of `by`; period (its first day); amount; share (of the whole
        ledger, 0 to 1); cumulative_share; change; cash; lines. Largest amount first, within its period.

    Raises
    ------
    InputError
        If a column is missing or named twice, or `period` is unknown.

    See Also
    --------
    prepare_ledger : check a ledger and name its categories in one way.
    stage_costs : the same by stage, with the cost to win and to keep a customer.

    Notes
    -----
    If all amounts are whole cents and add up to less than 2**53 of them, they are added as integers, and the groups
    add up to `total` to the cent. Other amounts are added by `math.fsum`, each sum correctly rounded. If the total is
    0 or negative, a share of it means nothing: shares are missing, and `note` says so. A group that has no line in the
    period after one in which it had some is there with 0, so that the changes of a group add up.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-31", "2024-02-29", "2024-02-29"], "category": ["staff", "it", "staff"],
    ...     "amount": [60.0, 25.0, 15.0]
    ... })
    >>> cost_breakdown(lines).frame
      category  amount  share  cumulative_share  cash  lines
    0    staff    75.0   0.75              0.75  75.0      2
    1       it    25.0   0.25              1.00  25.0      1
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    if period is not None:
        require_option("period", period, PERIODS)
    reserved = sorted({name for name in by if name in BREAKDOWN_COLUMNS or by.count(name) > 1})
    if reserved:
        raise InputError(f"by: {reserved} named twice, or the name of a column of the result. Leave out or rename.")
    checked = as_ledger(ledger, [name for name in by if name != "kind"])
    lines = read_lines(checked, by)
    keys = {name: without_blanks(lines[name]) for name in by}
    if period is not None:
        keys["period"] = first_days(period_numbers(lines["date"], period), period)
    table, total = group_table(keys, lines)
    if period is not None:
        table = with_changes(table, by, period)
    order = reading_order(table.get("period"), table["amount"])
    table["cumulative_share"] = cumulative_shares(table["amount"], table.get("period"), order)
    columns = [*by, *(name for name in BREAKDOWN_COLUMNS if name in table)]
    opened = frames.open_frame(checked.frame)
    return CostBreakdown(
        frame=frames.like({name: table[name][order] for name in columns}, opened),
        total=total,
        cash_total=exact_sum(np.where(lines["kind"] == "cash", lines["amount"], 0.0)),
        by=by,
        period=period,
        note="" if total > 0 else f"The ledger adds up to {total:,.2f}: shares of it are undefined, so missing.",
        assumptions=(
            *checked.assumptions,
            *([f"The first and the last {period} may be covered in part only."] if period else []),
        ),
    )


def group_table(keys: dict[str, AnyArray], lines: dict[str, AnyArray]) -> tuple[dict[str, AnyArray], float]:
    """Return the groups of the lines with their amounts, shares, cash and counts, and the total."""
    groups, group = group_rows(keys, len(lines["amount"]))
    n_groups = int(group.max()) + 1
    amount, total = exact_sums(lines["amount"], group, n_groups), exact_sum(lines["amount"])
    cash = exact_sums(np.where(lines["kind"] == "cash", lines["amount"], 0.0), group, n_groups)
    counts = np.bincount(group, minlength=n_groups)
    return {**groups, "amount": amount, "share": shares_of(amount, total), "cash": cash, "lines": counts}, total


def with_changes(table: dict[str, AnyArray], by: Sequence[str], period: Period) -> dict[str, AnyArray]:
    """Add the change of each group against the calendar period before, and a row of 0 where a group has fallen to it.

    It is missing in the first period of all.
    """
    number = period_numbers(table["period"], period)
    _, group = group_rows({name: table[name] for name in by}, len(number))
    span = int(number.max() - number.min()) + 2
    key = group * span + number - number.min()
    ends = np.flatnonzero(~np.isin(key + 1, key) & (number < number.max()) & (table["amount"] != 0))
    rows = np.concatenate([np.arange(len(key)), ends])
    fallen = np.arange(len(rows)) >= len(key)
    full = {name: values[rows] for name, values in table.items()}
    full |= {name: np.where(fallen, 0, full[name]) for name in ("amount", "cash", "lines")}
    full["share"] = np.where(fallen & ~np.isnan(full["share"]), 0.0, full["share"])
    full["period"] = first_days(number[rows] + fallen, period)
    key = key[rows] + fallen
    order = np.argsort(key)
    before = order[np.minimum(np.searchsorted(key[order], key - 1), len(key) - 1)]
    previous = np.where(key[before] == key - 1, full["amount"][before], 0.0)
    pair = np.tile(np.arange(len(key)), 2)
    change = exact_sums(np.concatenate([full["amount"], -previous]), pair, len(key))
    return full | {"change": np.where(number[rows] + fallen == number.min(), np.nan, change)}


def cumulative_shares(amount: Array, period: AnyArray | None, order: IntArray) -> Array:
    """Share of the sum that each row reaches with those before it in `order`, of its period if there are periods."""
    shares = np.empty(len(amount))
    starts = [0] if period is None else np.unique(period[order], return_index=True)[1].tolist()
    for part in np.split(order, starts[1:]):
        reached = running_sums(amount[part])
        shares[part] = shares_of(reached, float(reached[-1]))
    return shares


def stage_costs(ledger: Ledger | Frame, transactions: Transactions | Frame | None = None) -> StageCosts:
    """Cost by stage of a customer's life, and the firm's own ratio of the cost to win one to the cost to keep one.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs from `prepare_ledger`, or a frame with the columns date, category, amount and stage.
    transactions : Transactions or frame, optional
        Every purchase that there is, before the ledger as well: who is new is seen from them.

    Returns
    -------
    StageCosts
        `frame` in the engine of the ledger, the counts of customers, and the ratio.

    Raises
    ------
    InputError
        If the ledger has no stage column, or the transactions cannot be read.

    Notes
    -----
    The window is the months that the ledger covers. A customer is won if her first purchase ever lies in it, and kept
    if she has bought before one of her purchases in it. A customer may be both. ``win_to_keep = (acquisition cost /
    won) / (retention cost / kept)``.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": "2024-01-31", "category": "staff", "stage": ["acquisition", "retention"], "amount": [100.0, 10.0]
    ... })
    >>> orders = pd.DataFrame({
    ...     "customer_id": [1, 2, 2], "date": ["2024-01-02", "2023-05-01", "2024-01-09"], "amount": 5.0
    ... })
    >>> costs = stage_costs(lines, orders)
    >>> costs.won, costs.kept, costs.cost_to_win, costs.cost_to_keep, costs.win_to_keep
    (1.0, 1.0, 100.0, 10.0, 10.0)
    """
    checked = as_ledger(ledger, ["stage"])
    lines = read_lines(checked, ["stage"])
    table, total = group_table({"stage": lines["stage"]}, lines)
    order = reading_order(None, table["amount"])
    table["cumulative_share"] = cumulative_shares(table["amount"], None, order)
    of_stage = dict(zip(table["stage"].tolist(), table["amount"].tolist(), strict=True))
    won = kept = math.nan
    said = list(checked.assumptions)
    if transactions is None:
        said.append("No transactions were passed: the cost to win and to keep a customer is unknown.")
    else:
        first, last = checked.audit.first_day.astype("datetime64[M]"), checked.audit.last_day.astype("datetime64[M]")
        won, kept = customers_won_and_kept(transactions, first, last)
        said.append(f"Won: {won:,.0f} customers with their first purchase ever from {first} to {last}.")
        said.append(f"Kept: {kept:,.0f} customers who had bought before a purchase of theirs in these months.")
    unstaged = of_stage.get(None, 0.0)
    if unstaged:
        said.append(f"{number_text(unstaged)} names no stage and is in neither cost.")
    to_win, to_keep = per_head(of_stage.get("acquisition", 0.0), won), per_head(of_stage.get("retention", 0.0), kept)
    columns = ["stage", "amount", "share", "cumulative_share", "cash", "lines"]
    return StageCosts(
        frame=frames.like({name: table[name][order] for name in columns}, frames.open_frame(checked.frame)),
        total=total,
        won=won,
        kept=kept,
        cost_to_win=to_win,
        cost_to_keep=to_keep,
        win_to_keep=to_win / to_keep if math.isfinite(to_win) and 0 < to_keep < math.inf else math.nan,
        assumptions=tuple(said),
    )


def per_head(cost: float, heads: float) -> float:
    """Cost of one: inf if there is a cost and nobody, NaN if there is neither or the count is not known."""
    if heads > 0:
        return cost / heads
    return math.inf if heads == 0 and cost > 0 else math.nan
