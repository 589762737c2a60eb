"""One function a figure: each takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.types import Array
from crmvalue.reporting.drawing import HEAT, PALETTE, STACK, is_narrow, legend, money_axis, period_ticks, tidy, write
from crmvalue.reporting.formats import count_text, money_tick, month_text, share_text
from crmvalue.reporting.shown import (
    category_name,
    churn_judged,
    columns,
    concentration,
    group_names,
    monthly_stack,
    retention_shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.churn import ChurnRates, RetentionTable
    from crmvalue.clv import CustomerValue
    from crmvalue.costs import CostBreakdown
    from crmvalue.reporting.results import HoldoutCheck, RepeatersAlive, ValueBySegment
    from crmvalue.roi import ReturnOnInvestment
    from crmvalue.segmentation import SegmentProfile


def plot_segments(profile: SegmentProfile, ax: Axes) -> Axes:
    """Share of the customers and share of the revenue of each segment that has customers.

    Parameters
    ----------
    profile : SegmentProfile
        From `segment_profile`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names, customers, revenue = columns(profile.frame, "segment", "customer_share", "revenue_share")
    there = customers > 0
    rows = np.arange(int(there.sum()))
    pairs = ((-0.2, customers, "Share of customers", "stone"), (0.2, revenue, "Share of revenue", "blue"))
    for offset, shares, label, colour in pairs:
        shown = np.nan_to_num(shares[there])
        ax.barh(rows + offset, shown, height=0.34, color=PALETTE[colour], label=label)
        for row, share in zip(rows, shown, strict=True):
            write(ax, (max(share, 0), row + offset), share_text(share))
    ax.set_yticks(rows, names[there].tolist())
    ax.invert_yaxis()
    ax.set_xlim(0, 1.16 * max(customers.max(), np.nanmax(np.append(revenue, 0))))
    tidy(ax, values_on=None)
    legend(ax)
    return ax


def plot_concentration(value: CustomerValue, ax: Axes) -> Axes:
    """Which share of the customers, best first, brings which share of the value expected of all.

    Parameters
    ----------
    value : CustomerValue
        From `customer_value`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    customers, reached = concentration(columns(value.frame, "value")[0])
    thin = np.unique(np.linspace(0, len(customers) - 1, 201).astype(int))
    ax.fill_between(customers[thin], reached[thin], color=PALETTE["heat1"], lw=0)
    ax.plot([0, 1], [0, 1], color=PALETTE["stone"], lw=1, ls=(0, (4, 3)))
    ax.plot(customers[thin], reached[thin], color=PALETTE["blue"], lw=2.2)
    write(ax, (0.60, 0.55), "if all were alike", color="muted", va="top")
    for best in (0.1, 0.2, 0.5):
        share = float(np.interp(best, customers, reached))
        ax.plot([best], [share], "o", color=PALETTE["orange"], ms=6)
        text = f"best {share_text(best, 0)}: {share_text(share, 0)}"
        write(ax, (best + 0.02, share - 0.015), text, va="top", size=11, bold=True)
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="Share of customers, best first", ylabel="Share of expected value")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
        axis.set_major_formatter(lambda x, _: share_text(x, 0))
    tidy(ax, values_on="both")
    return ax


def plot_alive(alive: RepeatersAlive, ax: Axes) -> Axes:
    """How many customers lie in each tenth of the probability to be still a customer.

    Parameters
    ----------
    alive : RepeatersAlive
        From an analysis: the customers with a repeat purchase.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    counts, edges = np.histogram(alive.probability, bins=10, range=(0, 1))
    ax.bar(edges[:-1] + 0.05, counts, width=0.092, color=[PALETTE["orange"]] * 5 + [PALETTE["blue"]] * 5)
    for left, n in zip(edges[:-1], counts, strict=True):
        if n and not is_narrow(ax):
            write(ax, (left + 0.05, n), count_text(n), ha="center", va="bottom")
    ax.set(xlim=(0, 1), xlabel="Probability of still being a customer", ylabel="Customers")
    ax.set_xticks(np.linspace(0, 1, 6 if is_narrow(ax) else 11))
    ax.xaxis.set_major_formatter(lambda x, _: share_text(x, 0))
    ax.yaxis.set_major_formatter(lambda y, _: count_text(y))
    ax.margins(y=0.12)
    tidy(ax, values_on="y")
    return ax


def plot_retention(table: RetentionTable, ax: Axes) -> Axes:
    """Share of each cohort (row) that came at each age (column); blank where a period has not ended yet.

    Parameters
    ----------
    table : RetentionTable
        From `retention_table`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    cohorts, ages, shares = retention_shown(table)
    edges = heat_edges(shares)
    level = np.clip(np.searchsorted(edges, shares, side="right") - 1, 0, len(HEAT) - 1)
    grid = [np.arange(n + 1) - 0.5 for n in shares.shape]
    steps = BoundaryNorm((np.arange(len(HEAT) + 1) - 0.5).tolist(), len(HEAT))
    seen = np.ma.masked_where(np.isnan(shares), level)
    ax.pcolormesh(grid[1], grid[0], seen, cmap=ListedColormap(HEAT), norm=steps, antialiased=False)
    if not is_narrow(ax) and shares.shape[1] <= 20:
        for (row, column), share in np.ndenumerate(shares):
            if np.isfinite(share):
                colour = "onheat" if level[row, column] >= 4 else "ink"
                write(ax, (column, row), f"{100 * share:.0f}", ha="center", color=colour)
    every = max(1, int(np.ceil(len(ages) / (9 if is_narrow(ax) else 20))))
    ax.set_xticks(np.arange(len(ages))[::every], [str(age) for age in ages[::every]])
    ax.set_yticks(np.arange(len(cohorts)), [month_text(cohort) for cohort in cohorts])
    ax.invert_yaxis()
    ax.set_xlabel(f"{table.period.capitalize()}s since the first purchase")
    tidy(ax, values_on=None)
    ax.xaxis.set_visible(True)
    names = [f"{share_text(low, 0)}–{share_text(high, 0)}" for low, high in itertools.pairwise(edges)]
    handles = [Patch(color=colour, label=name) for colour, name in zip(HEAT, names, strict=True)]
    legend(ax, handles=handles, columns=3 if is_narrow(ax) else 6)
    return ax


def heat_edges(shares: Array) -> Array:
    """Seven edges of whole percents that hold all shares, from 0."""
    top = float(np.nanmax(shares)) if np.isfinite(shares).any() else 1.0
    width = max(0.01, np.ceil(100 * top / len(HEAT) + 1e-9) / 100)
    edges: Array = np.arange(len(HEAT) + 1) * width
    return edges


def plot_churn(churn: ChurnRates, ax: Axes) -> Axes:
    """Churn rate of each period with its interval as a band; nothing where it cannot be judged.

    Parameters
    ----------
    churn : ChurnRates
        From `churn_rates`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    periods, rates, low, high = columns(churn.frame, "period", "churn_rate", "lower", "upper")
    rows = np.arange(len(periods))
    known = churn_judged(churn)
    rates, low, high = (np.where(known, values, np.nan) for values in (rates, low, high))
    ax.fill_between(rows, low, high, where=known.tolist(), color=PALETTE["heat2"], lw=0, label="95% interval")
    ax.plot(rows, rates, color=PALETTE["blue"], lw=2, marker="o", ms=4.5, label="Lost in the month")
    ax.set_xlim(-0.5, len(rows) - 0.5)
    ax.set_ylim(0, 1.1 * float(np.nanmax(high)) if known.any() else 1)
    judged = np.flatnonzero(known)
    spans = [(-0.5, judged[0] - 0.5), (judged[-1] + 0.5, len(rows) - 0.5)] if judged.size else []
    for name, (left, right) in zip(("Cannot be judged yet", "_"), (s for s in spans if s[1] > s[0]), strict=False):
        ax.axvspan(left, right, color=PALETTE["line"], alpha=0.5, lw=0, label=name)
    ax.yaxis.set_major_formatter(lambda y, _: share_text(y, 0 if ax.get_ylim()[1] > 0.08 else 1))
    period_ticks(ax, periods)
    tidy(ax, values_on="y")
    legend(ax, columns=2 if is_narrow(ax) else 3)
    return ax


def plot_segment_values(segments: ValueBySegment, ax: Axes, *, currency: str = "") -> Axes:
    """Value expected of each segment that has customers.

    Parameters
    ----------
    segments : ValueBySegment
        From an analysis.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    there = segments.customers > 0
    return plot_bars([str(name) for name in segments.segment[there]], segments.value[there], ax, currency=currency)


def plot_costs(costs: CostBreakdown, ax: Axes, *, currency: str = "") -> Axes:
    """Amount and share of each category of cost.

    Parameters
    ----------
    costs : CostBreakdown
        From `cost_breakdown`, by category.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    categories, amounts = columns(costs.frame, "category", "amount")
    return plot_bars([category_name(name) for name in categories], amounts, ax, currency=currency)


def plot_bars(names: Sequence[str], amounts: Array, ax: Axes, *, currency: str = "") -> Axes:
    """One horizontal bar a name, with its amount and its share of the sum."""
    rows, total = np.arange(len(names)), amounts.sum()
    ax.barh(rows, amounts, height=0.62, color=PALETTE["blue"])
    for row, amount in zip(rows, amounts, strict=True):
        share = f" · {share_text(amount / total, 0)}" if total > 0 else ""
        write(ax, (max(amount, 0), row), money_tick(amount, currency) + share, size=11)
    ax.set_yticks(rows, list(names))
    ax.invert_yaxis()
    room = 1.5 if is_narrow(ax) else 1.2
    ax.set_xlim(min(0.0, amounts.min()), room * max(amounts.max(), 0.0) or 1.0)
    tidy(ax, values_on=None)
    return ax


def plot_monthly_costs(costs: CostBreakdown, ax: Axes, *, currency: str = "") -> Axes:
    """One bar a month, the largest categories stacked and the others together.

    Parameters
    ----------
    costs : CostBreakdown
        From `cost_breakdown`, by category and month.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    months, names, amounts = monthly_stack(costs)
    rows, above, below = np.arange(len(months)), np.zeros(len(months)), np.zeros(len(months))
    for name, colour, values in zip(names, STACK, amounts, strict=False):
        ax.bar(rows, values, bottom=np.where(values >= 0, above, below), width=0.78, color=colour, label=name)
        above, below = above + np.maximum(values, 0), below + np.minimum(values, 0)
    ax.set_xlim(-0.6, len(months) - 0.4)
    money_axis(ax.yaxis, currency)
    period_ticks(ax, months)
    tidy(ax, values_on="y")
    legend(ax, columns=3 if is_narrow(ax) else 5)
    return ax


def plot_cash_flow(roi: ReturnOnInvestment, ax: Axes, *, currency: str = "") -> Axes:
    """Benefits above the line, costs below, and what is left so far as a line.

    Parameters
    ----------
    roi : ReturnOnInvestment
        From `return_on_investment`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    periods, benefit, cost, running = columns(roi.cash_flow, "period", "benefit", "cost", "cumulative")
    rows = np.arange(len(periods))
    ax.bar(rows, benefit, width=0.78, color=PALETTE["green"], label="Contribution")
    ax.bar(rows, -cost, width=0.78, color=PALETTE["orange"], label="Cost")
    ax.plot(rows, running, color=PALETTE["ink"], lw=2, marker="o", ms=3.5, label="Left so far")
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    money_axis(ax.yaxis, currency)
    period_ticks(ax, periods)
    tidy(ax, values_on="y")
    line, *bars = ax.get_legend_handles_labels()[0]
    legend(ax, handles=[*bars, line], columns=3)
    return ax


def plot_holdout(check: HoldoutCheck, ax: Axes) -> Axes:
    """Purchases held back, as counted and as the model expected them, by the number of repeat purchases before.

    Parameters
    ----------
    check : HoldoutCheck
        From an analysis.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows = np.arange(len(check.frequency))
    ax.bar(rows - 0.2, check.actual, width=0.36, color=PALETTE["stone"], label="Counted")
    ax.bar(rows + 0.2, check.expected, width=0.36, color=PALETTE["blue"], label="Expected by the model")
    ax.set_xticks(rows, group_names(check))
    ax.set_xlabel("Repeat purchases before")
    ax.yaxis.set_major_formatter(lambda y, _: count_text(y))
    tidy(ax, values_on="y")
    legend(ax)
    return ax
