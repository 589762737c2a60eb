"""When do customers of a channel have brought back what they cost: cumulative contribution by months since."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_number
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray
from crmvalue.costing.grouping import group_rows, ranked
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import ledger_columns, read_lines, without_blanks
from crmvalue.costing.newcomers import CohortCells, cohort_cells
from crmvalue.costing.purchases import transactions_with
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sums

MADE = ("cohort", "age", "customers", "spend", "cost", "contribution", "cumulative", "payback_month", "months_seen")
CENTURY = 1200  # months


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelPayback:
    """Contribution per customer won, month by month since the first purchase, against what she cost.

    Ages are months: 0 is the month of the first purchase. Months that have not ended yet are missing.

    Columns of `frame`: the channel; customers; spend; cost (of one; inf if nobody was won); months_seen (ages that the
    oldest cohort has seen); cumulative (contribution per customer so far); payback_month (first age at which cumulative
    covers cost; missing if it has not yet). Columns of `curves`: the channel, age, customers (of cohorts that have seen
    this age), contribution (per customer, in this month), cumulative, cost. Columns of `cohorts`: the channel, cohort
    (first day), customers, spend, cost, payback_month. Columns of `cells`: the channel, cohort, age, contribution,
    cumulative.
    """

    frame: Frame  # one row a channel, in the engine of the transactions, as are the others
    curves: Frame  # one row a channel and age
    cohorts: Frame  # one row a channel and month of first purchase
    cells: Frame  # one row a channel, month of first purchase and age
    by: str  # column that holds the channel
    months: int  # last age
    margin: float  # share of revenue that is kept; NaN if a column of contributions was named
    annual_rate: float  # discount rate per year
    observation_end: np.datetime64  # last day that counts
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def channel_payback(
    transactions: Transactions | Frame,
    spend: Ledger | Frame,
    *,
    margin: float | None = None,
    contribution: str | None = None,
    by: str = "channel",
    months: int = 12,
    annual_rate: float = 0.0,
    observation_end: Day | None = None,
) -> ChannelPayback:
    """Cumulative contribution per customer won, by channel and cohort, against what the customer cost.

    Parameters
    ----------
    transactions : Transactions or frame
        Every purchase that there is, with the columns `by` and `contribution` among the kept ones; a customer belongs
        to the channel of her first purchase.
    spend : Ledger or frame
        Costs with the column `by`: the lines of stage acquisition, or all if there is no column stage. Spend of a month
        belongs to the customers whose first purchase lies in it.
    margin : float, optional
        Share of revenue less refunds that is kept after cost of goods, 0 to 1.
    contribution : str, optional
        Column of the transactions with the contribution of each row, instead of `margin`.
    by : str
        Column of both that holds the channel.
    months : int
        Last month after the first purchase that is shown, at least 0.
    annual_rate : float
        Rate per year to discount contribution to the month of the first purchase; 0 for none.
    observation_end : day, optional
        Last day that counts. By default the last day in the transactions.

    Returns
    -------
    ChannelPayback
        The payback month of each channel and cohort, and the curves.

    Raises
    ------
    InputError
        If a column is missing, not just one of `margin` and `contribution` is passed, a contribution is missing, or
        `margin`, `months` or `annual_rate` lies outside its range.

    Notes
    -----
    ``contribution = margin * (revenue + refunds) / customers`` of the cohort in that month, or the sum of the column
    over customers, times ``(1 + annual_rate) ** (-age / 12)``. A month counts if it has ended on `observation_end`. The
    curve of a channel takes, at each age, the mean over the customers of the cohorts that have seen it, and adds these
    means up.
    Spend that names no channel is on a row without one: it is not spread.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({
    ...     "customer_id": [1, 2, 1], "date": ["2024-01-05", "2024-01-09", "2024-02-01"], "amount": [40.0, 20.0, 60.0],
    ...     "channel": "web"
    ... })
    >>> lines = pd.DataFrame({"date": ["2024-01-01"], "category": "marketing", "channel": "web", "amount": [50.0]})
    >>> result = channel_payback(orders, lines, margin=0.5, months=2, observation_end="2024-02-29")
    >>> result.curves[["channel", "age", "contribution", "cumulative", "cost"]]
      channel  age  contribution  cumulative  cost
    0     web    0          15.0        15.0  25.0
    1     web    1          15.0        30.0  25.0
    2     web    2           NaN         NaN  25.0
    >>> result.frame["payback_month"].tolist()
    [1.0]
    """
    require_options(margin, contribution, annual_rate, months, by)
    known = transactions_with(transactions, [by, *([contribution] if contribution else [])])
    end = known.audit.last_day if observation_end is None else require_day("observation_end", observation_end)
    ledger = as_ledger(spend, [by])
    cells = cohort_cells(known, by, contribution or "amount")
    last = int((end + 1).astype("datetime64[M]").astype(np.int64)) - 1  # last month that has ended
    keys, paid, heads, brought = cohort_grid(ledger, cells, by, int(months))
    month = keys["cohort"].astype("datetime64[M]").astype(np.int64)
    ages = np.arange(int(months) + 1)
    seen = (month[:, None] + ages <= last) & (heads > 0)[:, None]
    factors = (1.0 + annual_rate) ** (-ages / 12.0)
    kept = 1.0 if margin is None else margin
    said = f"{margin:.1%} of revenue less refunds" if contribution is None else f"the column {contribution!r}"
    earned = np.where(seen, kept * brought * factors, np.nan)
    opened = frames.open_frame(known.frame)
    cohorts, cells_table = cohort_tables(keys, paid, heads, earned)
    tag, labels = ranked(keys[by])
    pooled, per_age, channel = pool(tag, len(labels), earned, heads, seen, paid)
    curves = {by: np.repeat(labels, len(ages)), "age": np.tile(ages, len(labels)), "customers": per_age.ravel()}
    curves |= {"contribution": pooled.ravel(), "cumulative": np.cumsum(pooled, axis=1).ravel()}
    curves |= {"cost": np.repeat(channel["cost"], len(ages))}
    return ChannelPayback(
        frame=frames.like({by: labels, **channel}, opened),
        curves=frames.like(curves, opened),
        cohorts=frames.like(cohorts, opened),
        cells=frames.like(cells_table, opened),
        by=by,
        months=int(months),
        margin=math.nan if margin is None else margin,
        annual_rate=annual_rate,
        observation_end=end,
        assumptions=words(ledger, by, said, annual_rate, last),
    )


def require_options(margin: float | None, contribution: str | None, annual_rate: float, months: int, by: str) -> None:
    """Raise InputError unless the options are in their ranges."""
    if (margin is None) == (contribution is None):
        raise InputError("margin, contribution: pass just one of them, a share of revenue or a column.")
    if margin is not None:
        require_number("margin", margin, at_least=0, at_most=1)
    require_number("annual_rate", annual_rate, above=-1)
    if isinstance(months, bool) or not isinstance(months, (int, np.integer)) or not 0 <= months <= CENTURY:
        raise InputError(f"months: got {months!r}. Pass a whole number, at least 0 and at most {CENTURY:,}.")
    if by in MADE:
        raise InputError(f"by: {by!r} is the name of a column of the result. Rename it.")


def cohort_tables(
    keys: dict[str, AnyArray], paid: Array, heads: IntArray, earned: Array
) -> tuple[dict[str, AnyArray], dict[str, AnyArray]]:
    """Return one row a channel and cohort, and one row a channel, cohort and age."""
    per_head = np.divide(earned, heads[:, None], out=np.full(earned.shape, np.nan), where=heads[:, None] > 0)
    running, cost = np.cumsum(per_head, axis=1), costs_of(paid, heads)
    cohorts = {**keys, "customers": heads, "spend": paid, "cost": cost, "payback_month": first_paid(running, cost)}
    n_rows, n_ages = earned.shape
    cells = {name: np.repeat(values, n_ages) for name, values in keys.items()}
    cells |= {"age": np.tile(np.arange(n_ages), n_rows)}
    return cohorts, cells | {"contribution": per_head.ravel(), "cumulative": running.ravel()}


def cohort_grid(
    ledger: Ledger, cells: CohortCells, by: str, months: int
) -> tuple[dict[str, AnyArray], Array, IntArray, Array]:
    """Return channels and cohorts with their spend, customers, and what came in by age, shape (n, months + 1)."""
    staged = "stage" in ledger_columns(ledger)
    lines = read_lines(ledger, [by, *(["stage"] if staged else [])])
    spent = lines["stage"] == "acquisition" if staged else np.ones(len(lines["amount"]), dtype=bool)
    found = cells.newcomers
    tags = [without_blanks(lines[by])[spent], found.tags[found.tag], found.tags[cells.tag]]
    cohorts = [lines["date"][spent].astype("datetime64[M]").astype(np.int64), found.month, cells.cohort]
    keys = {by: np.concatenate([values.astype(object) for values in tags]), "cohort": np.concatenate(cohorts)}
    groups, group = group_rows(keys, len(keys["cohort"]))
    n, n_spent, n_heads = len(groups["cohort"]), int(spent.sum()), len(found.month)
    paid = exact_sums(lines["amount"][spent], group[:n_spent], n)
    heads = np.bincount(group[n_spent : n_spent + n_heads], minlength=n)
    brought = np.zeros((n, months + 1))
    shown = cells.age <= months
    brought[group[n_spent + n_heads :][shown], cells.age[shown]] = cells.brought[shown]
    groups["cohort"] = groups["cohort"].astype("datetime64[M]").astype("datetime64[D]")
    return groups, paid, heads, brought


def pool(
    tag: IntArray, n: int, earned: Array, heads: IntArray, seen: AnyArray, paid: Array
) -> tuple[Array, IntArray, dict[str, AnyArray]]:
    """Return the mean contribution by channel and age, the customers behind each, and the account of each channel."""
    sums, counts = np.zeros((n, earned.shape[1])), np.zeros((n, earned.shape[1]), dtype=np.int64)
    np.add.at(sums, tag, np.where(seen, earned, 0.0))
    np.add.at(counts, tag, np.where(seen, heads[:, None], 0))
    mean = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    running = np.cumsum(mean, axis=1)
    won = np.bincount(tag, weights=heads, minlength=n).astype(np.int64)
    spent = exact_sums(paid, tag, n)
    cost, months_seen = costs_of(spent, won), (counts > 0).sum(axis=1)
    so_far = np.full(n, np.nan)
    there = months_seen > 0
    so_far[there] = running[there, months_seen[there] - 1]
    account: dict[str, AnyArray] = {"customers": won, "spend": spent, "cost": cost, "months_seen": months_seen}
    account |= {"cumulative": so_far, "payback_month": first_paid(running, cost)}
    return mean, counts, account


def costs_of(spend: Array, heads: IntArray) -> Array:
    """Cost of one customer: inf for a spend that won nobody, NaN for neither."""
    return np.divide(spend, heads, out=np.where(spend > 0, math.inf, math.nan), where=heads > 0)


def first_paid(running: Array, cost: Array) -> Array:
    """Return the first age at which the running sum covers the cost; missing if it has not yet."""
    slack = np.where(np.isfinite(cost), 1e-9 * np.maximum(1.0, np.abs(cost)), 0.0)  # dust of floating-point sums
    covers = running >= (cost - slack)[:, None]
    return np.where(covers.any(axis=1), covers.argmax(axis=1), np.nan)


def words(ledger: Ledger, by: str, contribution: str, rate: float, last: int) -> tuple[str, ...]:
    """Say what the curves rest on."""
    staged = "stage" in ledger_columns(ledger)
    lines = "the ledger lines of stage acquisition" if staged else "all lines of the ledger"
    return (
        f"Contribution is {contribution}"
        + (f", discounted at {rate:.2%} a year to the month of the first purchase." if rate else ", not discounted."),
        f"A customer belongs to the {by} of her first purchase; her cost is {lines} of that {by} and month.",
        f"Months after {np.datetime64(last, 'M')} have not ended yet: they are missing.",
    )
