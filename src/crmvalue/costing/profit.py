"""What is left of a customer's, segment's or channel's revenue when it has paid for its goods and its care."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.allocation import CostAllocation
from crmvalue.costing.grouping import as_kind_of, holds_text, match, ranked
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import ledger_columns, read_lines
from crmvalue.costing.names import counted, is_blank
from crmvalue.costing.purchases import Takings, takings, transactions_with
from crmvalue.costing.time_driven import TimeDrivenCosts
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sum, exact_sums, running_sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerProfit:
    """Profit by customer, segment or channel, and what no row carries: profit - unassigned is the firm's.

    Columns of `frame`: `by`; revenue; refunds (at most 0); contribution (kept of both after cost of goods);
    direct_cost (lines that name the row); contribution_after_direct; allocated_cost; profit.
    """

    frame: Frame  # one row a customer, segment or channel, in the engine of the transactions
    by: str  # column that makes the rows
    revenue: float  # sum over the rows, as all that follow
    refunds: float  # at most 0
    contribution: float
    direct_cost: float
    allocated_cost: float
    profit: float
    unassigned: float  # cost of the ledger that no row carries: lines that name none, pools not allocated
    without_purchases: int  # rows that have a cost or a driver, but that no transaction knows
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WhaleCurve:
    """Cumulative profit, most profitable first: it climbs to a peak, and falls as customers destroy profit.

    Columns of `frame`: customers (so many of the best, from 1), customer_share (0 to 1), profit (of the last of them),
    cumulative_profit.
    """

    frame: Frame  # one row a customer, in the engine of the profit
    total: float  # profit of all
    peak: float  # largest cumulative profit
    peak_customers: int  # customers at the peak: all who bring a profit
    peak_share: float  # the same as a share of all, 0 to 1
    destroyed: float  # peak - total: what customers after the peak lose
    peak_to_total: float  # peak / total, 1.8 for a peak of 180 %; NaN if the total is not above 0
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def customer_profit(
    transactions: Transactions | Frame,
    costs: Ledger | CostAllocation | TimeDrivenCosts | Frame,
    *,
    margin: float | None = None,
    contribution: str | None = None,
    by: str = "customer_id",
) -> CustomerProfit:
    """Revenue, contribution, cost and profit of each customer, segment or channel.

    Parameters
    ----------
    transactions : Transactions or frame
        Purchases and refunds, with the columns `by` and `contribution` among the kept ones.
    costs : Ledger, CostAllocation, TimeDrivenCosts or frame
        An allocation carries direct and allocated cost. Time-driven costs are allocated cost, if the column `by` was
        kept; unused capacity stays unassigned. Of a ledger, the lines that name a row in the column `by` are direct
        cost; the others stay unassigned: they are not spread.
    margin : float, optional
        Share of revenue less refunds that is kept after cost of goods, 0 to 1.
    contribution : str, optional
        Column of the transactions with the contribution of each row, instead of `margin`.
    by : str
        Column that makes the rows: of the transactions, and of the ledger or the cost objects of the allocation.

    Returns
    -------
    CustomerProfit
        One row a customer, segment or channel; those that have a cost but no purchase are among them, and counted.

    Raises
    ------
    InputError
        If a column is missing, not just one of `margin` and `contribution` is passed, `margin` lies outside 0 to 1, a
        contribution is missing, or the allocation is to something else than `by`.

    See Also
    --------
    whale_curve : cumulative profit, most profitable first.

    Notes
    -----
    ``contribution = margin * (revenue + refunds)``; ``contribution_after_direct = contribution - direct_cost``, which
    comes before anything that was allocated; ``profit = contribution_after_direct - allocated_cost``.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({
    ...     "customer_id": ["ann", "ann", "bob"], "date": "2024-01-05", "amount": [100.0, -20.0, 50.0]
    ... })
    >>> lines = pd.DataFrame({
    ...     "date": "2024-01-31", "category": ["service", "it"], "customer_id": ["bob", None], "amount": [30.0, 8.0]
    ... })
    >>> result = customer_profit(orders, lines, margin=0.5)
    >>> result.frame[["customer_id", "revenue", "refunds", "contribution", "direct_cost", "profit"]]
      customer_id  revenue  refunds  contribution  direct_cost  profit
    0         ann    100.0    -20.0          40.0          0.0    40.0
    1         bob     50.0      0.0          25.0         30.0    -5.0
    >>> result.profit, result.unassigned
    (35.0, 8.0)
    """
    if (margin is None) == (contribution is None):
        raise InputError("margin, contribution: pass just one of them, a share of revenue or a column.")
    if margin is not None:
        require_number("margin", margin, at_least=0, at_most=1)
    checked = transactions_with(transactions, [by, *([contribution] if contribution else [])])
    came = takings(checked, by, contribution)
    objects, direct, allocated, unassigned, said = cost_of_objects(costs, by)
    names, place, fresh = joined(came.names, objects)
    table = profit_table(came, margin, (direct, allocated), place, len(names))
    how = (
        f"Contribution is {margin:.1%} of revenue less refunds."
        if margin is not None
        else (f"Contribution is the column {contribution!r} of the transactions.")
    )
    said = (how, *said, f"{number_text(unassigned)} of the ledger is on no row and not spread.")
    if fresh:
        said += (f"{counted(fresh, 'row has', 'rows have')} a cost or a driver, but no purchase.",)
    totals = {name: exact_sum(table[name]) for name in ("revenue", "refunds", "direct_cost", "allocated_cost")}
    net_total = exact_sum(np.array([totals["revenue"], totals["refunds"]]))
    totals["contribution"] = exact_sum(table["contribution"]) if margin is None else margin * net_total
    totals["profit"] = totals["contribution"] - totals["direct_cost"] - totals["allocated_cost"]
    return CustomerProfit(
        frame=frames.like({by: names, **table}, frames.open_frame(checked.frame)),
        by=by,
        unassigned=unassigned,
        without_purchases=fresh,
        assumptions=said,
        **totals,
    )


def profit_table(
    came: Takings, margin: float | None, costs: tuple[Array, Array], place: AnyArray, n: int
) -> dict[str, Array]:
    """Return what came in, direct and allocated cost at their places, and what is left, for each of n rows."""
    fresh = np.zeros(n - len(came.names))
    revenue, refunds = np.append(came.revenue, fresh), np.append(came.refunds, fresh)
    kept = (revenue + refunds) * (margin or 0.0) if came.contribution is None else np.append(came.contribution, fresh)
    direct, allocated = (spread_on(cost, place, n) for cost in costs)
    return {
        "revenue": revenue,
        "refunds": refunds,
        "contribution": kept,
        "direct_cost": direct,
        "contribution_after_direct": kept - direct,
        "allocated_cost": allocated,
        "profit": kept - direct - allocated,
    }


def cost_of_objects(
    costs: Ledger | CostAllocation | TimeDrivenCosts | Frame, by: str
) -> tuple[AnyArray, Array, Array, float, tuple[str, ...]]:
    """Return whom costs name, their direct and allocated cost, the cost of nobody, and what that rests on."""
    if isinstance(costs, CostAllocation):
        if costs.object_id != by:
            raise InputError(
                f"by: got {by!r}, but the allocation is to {costs.object_id!r}. Pass that, or allocate anew."
            )
        found = frames.to_arrays(frames.open_frame(costs.frame), [by, "direct", "allocated"])
        return found[by], found["direct"], found["allocated"], costs.unallocated, costs.assumptions
    if isinstance(costs, TimeDrivenCosts):
        return cost_of_time(costs, by)
    ledger = as_ledger(costs, [by])
    if by not in ledger_columns(ledger):
        raise InputError(
            f"ledger: column {by!r} is missing: no line names whom it was paid for. Pass {by}=... to prepare_ledger, "
            "or pass what allocate_costs returned."
        )
    lines = read_lines(ledger, [by])
    named = ~is_blank(lines[by])
    rank, objects = ranked(lines[by][named])
    direct = exact_sums(lines["amount"][named], rank, len(objects))
    said = (f"Direct cost: {counted(int(named.sum()), 'ledger line names', 'ledger lines name')} a row in {by!r}.",)
    return objects, direct, np.zeros(len(objects)), exact_sum(lines["amount"][~named]), said


def cost_of_time(costs: TimeDrivenCosts, by: str) -> tuple[AnyArray, Array, Array, float, tuple[str, ...]]:
    """Return whom activities were for, their cost as allocated, and that of nobody, unused capacity among it."""
    opened = frames.open_frame(costs.frame)
    if by not in frames.column_names(opened):
        raise InputError(
            f"costs: column {by!r} is missing: no activity says whom it was for. Pass keep=[{by!r}] to "
            "time_driven_costs."
        )
    lines = frames.to_arrays(opened, [by, "cost"])
    named = ~is_blank(lines[by])
    rank, objects = ranked(lines[by][named])
    allocated = exact_sums(lines["cost"][named], rank, len(objects))
    return objects, np.zeros(len(objects)), allocated, exact_sum(lines["cost"][~named]), costs.assumptions


def joined(names: AnyArray, objects: AnyArray) -> tuple[AnyArray, AnyArray, int]:
    """Return all names, the place of each object among them, and how many objects were not there before."""
    alike = as_kind_of(objects, names)
    if len(objects) and len(names) and holds_text(objects) != holds_text(names) and not np.isin(alike, names).any():
        here, there = ("text" if holds_text(values) else "numbers" for values in (names, objects))
        example = repr(objects.tolist()[0])
        raise InputError(
            f"costs: names such as {example} are {there} there, but {here} in the transactions. Convert one."
        )
    objects = alike
    place = match(objects, names) if len(objects) else np.array([], dtype=np.int64)
    fresh = place < 0
    if fresh.any():
        place = place.copy()
        place[fresh] = len(names) + np.arange(int(fresh.sum()))
        names = np.concatenate([names, objects[fresh].astype(names.dtype)])
    return names, place, int(fresh.sum())


def spread_on(amounts: Array, place: AnyArray, n: int) -> Array:
    """Put the amounts at their places among n rows, 0 elsewhere."""
    column = np.zeros(n)
    column[place] = amounts
    return column


def whale_curve(profit: CustomerProfit) -> WhaleCurve:
    """Cumulative profit by customer, most profitable first: its peak, and how much the tail destroys.

    Parameters
    ----------
    profit : CustomerProfit
        What `customer_profit` returned.

    Returns
    -------
    WhaleCurve
        The curve, one row a customer, and its peak.

    Raises
    ------
    InputError
        If `profit` is something else.

    References
    ----------
    Kaplan & Narayanan (2001) "Measuring and managing customer profitability", Journal of Cost Management 15(5), 5-15.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 2, 3], "date": "2024-01-05", "amount": [100.0, 40.0, 20.0]})
    >>> lines = pd.DataFrame({
    ...     "date": "2024-01-31", "category": "service", "customer_id": [3, 2], "amount": [50.0, 1.0]
    ... })
    >>> curve = whale_curve(customer_profit(orders, lines, margin=0.5))
    >>> curve.frame["cumulative_profit"].tolist()
    [50.0, 69.0, 29.0]
    >>> curve.peak, curve.peak_customers, curve.destroyed
    (69.0, 2, 40.0)
    """
    if not isinstance(profit, CustomerProfit):
        raise InputError(f"profit: got {type(profit).__name__}. Pass what customer_profit returned.")
    opened = frames.open_frame(profit.frame)
    amounts = np.sort(frames.to_arrays(opened, ["profit"])["profit"])[::-1]
    reached = running_sums(amounts)
    n, best = len(amounts), int((amounts > 0).sum())
    peak = float(reached[best - 1]) if best else 0.0
    total = float(reached[-1])
    table = {
        "customers": np.arange(1, n + 1),
        "customer_share": np.arange(1, n + 1) / n,
        "profit": amounts,
        "cumulative_profit": reached,
    }
    lost = f"{n - best:,} of {n:,} bring no profit; together they lower it by {number_text(peak - total)}."
    return WhaleCurve(
        frame=frames.like(table, opened),
        total=total,
        peak=peak,
        peak_customers=best,
        peak_share=best / n,
        destroyed=peak - total,
        peak_to_total=peak / total if total > 0 else float("nan"),
        assumptions=(*profit.assumptions, lost),
    )
