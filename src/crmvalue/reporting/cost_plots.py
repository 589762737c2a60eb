"""Pictures of costs: whale curve, payback curves, stacked bars; each takes a result and an Axes, as in `plots`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.types import AnyArray
from crmvalue.errors import InputError
from crmvalue.reporting.drawing import PALETTE, is_narrow, legend, tidy, write
from crmvalue.reporting.formats import count_text, money_short, money_tick, share_text
from crmvalue.reporting.shown import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.costs import ChannelPayback, CostBreakdown, WhaleCurve

LINES = ("blue", "orange", "green", "purple", "sand", "stone")
MOST_LINES = len(LINES)


def plot_whale_curve(curve: WhaleCurve, ax: Axes, *, currency: str = "") -> Axes:
    """Cumulative profit, most profitable customers first: it climbs to the peak, and the tail takes some of it away."""
    share, reached = columns(curve.frame, "customer_share", "cumulative_profit")
    share, reached = np.append(0.0, share), np.append(0.0, reached)
    thin = np.unique(np.append(np.linspace(0, len(share) - 1, 301).astype(int), curve.peak_customers))
    ax.fill_between(share[thin], reached[thin], color=PALETTE["heat1"], lw=0)
    tail = thin[thin >= curve.peak_customers]
    ax.fill_between(share[tail], reached[tail], curve.peak, color=PALETTE["orange"], alpha=0.25, lw=0)
    ax.plot(share[thin], reached[thin], color=PALETTE["blue"], lw=2.2)
    ax.plot([curve.peak_share], [curve.peak], "o", color=PALETTE["orange"], ms=6)
    peak = f"best {share_text(curve.peak_share, 0)} of customers: {money_short(curve.peak, currency)}"
    write(ax, (curve.peak_share, 1.02 * curve.peak), peak, ha="right", va="bottom", bold=True)
    write(ax, (1.0, reached[-1]), money_short(curve.total, currency), ha="right", va="top", bold=True)
    if curve.destroyed > 0:
        lost = f"the others take {money_short(curve.destroyed, currency)} away"
        write(ax, (1.0, 0.90 * curve.total - 0.06 * curve.peak), lost, ha="right", va="top", color="orange")
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    ax.set(xlim=(0, 1.01), ylim=(min(0.0, 1.15 * float(reached.min())), 1.16 * max(curve.peak, 1e-9)))
    ax.set(xlabel="Share of customers, most profitable first", ylabel="Profit of so many")
    ax.xaxis.set_major_formatter(lambda x, _: share_text(x, 0))
    ax.yaxis.set_major_formatter(lambda y, _: money_tick(y, currency))
    tidy(ax, values_on="both")
    return ax


def plot_payback(payback: ChannelPayback, ax: Axes, *, currency: str = "") -> Axes:
    """Cumulative contribution per customer won less her cost, by months since; a channel has paid back above the line.

    The channels with most customers are shown; one that won nobody has no curve.
    """
    names, heads, costs = columns(payback.frame, payback.by, "customers", "cost")
    name, age, cumulative = columns(payback.curves, payback.by, "age", "cumulative")
    shown = [place for place in np.argsort(-heads, kind="stable").tolist() if heads[place] > 0][:MOST_LINES]
    for colour, place in zip(LINES, shown, strict=False):
        mine = np.array([other == names[place] or (other is names[place]) for other in name.tolist()])
        x, y = age[mine], cumulative[mine] - costs[place]
        known = np.isfinite(y)
        if not known.any():
            continue
        label = "no channel" if is_no_name(names[place]) else str(names[place])
        ax.plot(x[known], y[known], color=PALETTE[colour], lw=2, label=label)
        paid = np.flatnonzero(y >= -1e-9)
        if len(paid):
            ax.plot(x[paid[0]], y[paid[0]], "o", color=PALETTE[colour], ms=7)
    ax.axhline(0, color=PALETTE["ink"], lw=1)
    ax.set_xlim(0, max(1, payback.months))
    ax.set_xlabel("Months since the first purchase")
    ax.set_ylabel("Contribution less cost, per customer")
    ax.xaxis.set_major_formatter(lambda x, _: count_text(x) if float(x).is_integer() else "")
    ax.yaxis.set_major_formatter(lambda y, _: money_tick(y, currency))
    tidy(ax, values_on="both")
    legend(ax, columns=3 if is_narrow(ax) else 6)
    return ax


def plot_cost_stack(costs: CostBreakdown, ax: Axes, *, currency: str = "") -> Axes:
    """One bar for each value of the first column of the breakdown, stacked by the second, largest first."""
    if len(costs.by) < 2:
        raise InputError(f"costs: the breakdown is by {list(costs.by)}. Break it down by two columns.")
    bars, parts, amounts = columns(costs.frame, costs.by[0], costs.by[1], "amount")
    rows, names = ordered_by_sum(bars, amounts), ordered_by_sum(parts, amounts)
    kept = names if len(names) <= MOST_LINES else [*names[: MOST_LINES - 1], "others"]
    place = {row: index for index, row in enumerate(rows)}
    above, below = np.zeros(len(rows)), np.zeros(len(rows))
    for colour, name in zip(LINES, kept, strict=False):
        values = np.zeros(len(rows))
        for bar, part, amount in zip(texts(bars), texts(parts), amounts.tolist(), strict=True):
            if part == name or (name == "others" and part not in kept):
                values[place[bar]] += amount
        left = np.where(values >= 0, above, below)
        ax.barh(np.arange(len(rows)), values, left=left, height=0.62, color=PALETTE[colour], label=name)
        above, below = above + np.maximum(values, 0), below + np.minimum(values, 0)
    for row, (total, end) in enumerate(zip((above + below).tolist(), above.tolist(), strict=True)):
        write(ax, (end, row), money_tick(total, currency))
    ax.set_yticks(np.arange(len(rows)), rows)
    ax.invert_yaxis()
    ax.set_xlim(min(0.0, float(below.min())), 1.15 * max(float(above.max()), 1e-9))
    tidy(ax, values_on=None)
    legend(ax, columns=3 if is_narrow(ax) else 6)
    return ax


def ordered_by_sum(names: AnyArray, amounts: AnyArray) -> list[str]:
    """Return the distinct names, the largest sum first."""
    sums: dict[str, float] = {}
    for name, amount in zip(texts(names), amounts.tolist(), strict=True):
        sums[name] = sums.get(name, 0.0) + amount
    return sorted(sums, key=lambda name: -sums[name])


def texts(names: AnyArray) -> list[str]:
    """Return names as a reader sees them; a missing one is a dash."""
    return ["–" if is_no_name(name) else str(name) for name in names.tolist()]


def is_no_name(name: object) -> bool:
    """Whether a name is missing."""
    return name is None or (isinstance(name, float) and math.isnan(name))
