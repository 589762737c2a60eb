"""Pictures of a decision: cash flow by year, what the outcome depends on, and how likely it is to lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.frames import collect, column_names, open_frame
from crmvalue._core.types import Array
from crmvalue.reporting.drawing import PALETTE, is_narrow, legend, money_axis, tidy, write
from crmvalue.reporting.formats import money_tick, share_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.risk.simulation import SimulatedRoi
    from crmvalue.risk.what_if import Sensitivity
    from crmvalue.roi import ReturnOnInvestment

MOST_INPUTS = 12  # bars of a tornado that can be read
MOST_BINS = 60
TAIL = 0.002  # share of the draws at each end that a histogram adds to its last bars
PERCENT = "%"


def plot_yearly_cash_flow(roi: ReturnOnInvestment, ax: Axes, *, currency: str = "") -> Axes:
    """Benefits above the line and costs below, by year from the start, and what is left so far as a line.

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
    names, lines = yearly_lines(roi)
    places = np.arange(len(names))
    ax.bar(places, lines["benefit"], width=0.7, color=PALETTE["green"], label="Benefit")
    ax.bar(places, -lines["cost"], width=0.7, color=PALETTE["orange"], label="Cost")
    ax.plot(places, lines["cumulative"], color=PALETTE["ink"], lw=2, marker="o", ms=5, label="Left so far")
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    every = max(1, int(np.ceil(len(names) / (6 if is_narrow(ax) else 14))))
    ax.set_xticks(places[::every], names[::every])
    ax.set_xlim(-0.6, len(names) - 0.4)
    money_axis(ax.yaxis, currency)
    tidy(ax, values_on="y")
    line, *bars = ax.get_legend_handles_labels()[0]
    legend(ax, handles=[*bars, line], columns=3)
    return ax


def yearly_lines(roi: ReturnOnInvestment) -> tuple[list[str], dict[str, Array]]:
    """Return the names of the years, and benefit, cost and what is left so far in each."""
    opened = open_frame(roi.years)
    years = [name for name in column_names(opened) if name == "initial" or name.startswith("year_")]
    rows = {row["line"]: np.array([row[name] for name in years]) for row in collect(opened).rows(named=True)}
    return [name.replace("year_", "Year ").replace("initial", "Start") for name in years], rows


def plot_tornado(found: Sensitivity, ax: Axes, *, unit: str = "") -> Axes:
    """Outcome between the low and the high of each input, the widest swing on top.

    Parameters
    ----------
    found : Sensitivity
        From `sensitivity`.
    ax : matplotlib.axes.Axes
        Where to draw.
    unit : str
        Sign or code of the currency of the outcome, or "%" if it is a return.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    n = min(len(found.inputs), MOST_INPUTS)
    rows, base = np.arange(n), found.base_outcome
    sides = (
        (found.at_low[:n], found.low[:n], "Input at its low", "stone"),
        (found.at_high[:n], found.high[:n], "Input at its high", "blue"),
    )
    least = min(found.at_low[:n].min(), found.at_high[:n].min(), base)
    most = max(found.at_low[:n].max(), found.at_high[:n].max(), base)
    room = (0.35 if is_narrow(ax) else 0.15) * (most - least) or 1.0
    for (outcome, value, label, colour), other in zip(sides, (found.at_high[:n], found.at_low[:n]), strict=True):
        ax.barh(rows, outcome - base, left=base, height=0.62, color=PALETTE[colour], label=label)
        for row in rows.tolist():
            if found.low[row] == found.high[row]:
                continue
            is_left = outcome[row] < base or (outcome[row] == base and other[row] > base)
            point, gap = (float(outcome[row]), row), -4 if is_left else 4
            note = ax.annotate(input_text(value[row]), point, xytext=(gap, 0), textcoords="offset points", size=11)
            note.set(ha="right" if is_left else "left", va="center", color=PALETTE["ink"], parse_math=False)
    ax.axvline(base, color=PALETTE["ink"], lw=1)
    if least - room < 0 < most + room:
        ax.axvline(0, color=PALETTE["orange"], lw=1.5, ls=(0, (4, 3)), label="Outcome 0")
    ax.set_yticks(rows, list(found.inputs[:n]))
    ax.invert_yaxis()
    ax.set_xlim(least - room, most + room)
    ax.xaxis.set_major_formatter(lambda x, _: outcome_text(x, unit))
    ax.locator_params(axis="x", nbins=4 if is_narrow(ax) else 7)
    tidy(ax, values_on="x")
    handles = ax.get_legend_handles_labels()[0]
    bars = [handle for handle in handles if str(handle.get_label()).startswith("Input")]
    legend(ax, handles=[*bars, *(h for h in handles if h not in bars)], columns=2 if is_narrow(ax) else 3)
    return ax


def plot_simulated_roi(found: SimulatedRoi, ax: Axes, *, unit: str = "") -> Axes:
    """How often each outcome was drawn: those that lose in one colour, those that pay in another.

    Parameters
    ----------
    found : SimulatedRoi
        From `simulate_roi`.
    ax : matplotlib.axes.Axes
        Where to draw.
    unit : str
        Sign or code of the currency of the outcome, or "%" if it is a return.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    edges = histogram_edges(found.outcome)
    counts, _ = np.histogram(np.clip(found.outcome, edges[0], edges[-1]), edges)
    shares, width = counts / found.n_draws, np.diff(edges)
    loses = edges[1:] <= 0
    lost = float((found.outcome < 0).mean())
    names = (f"Loses: {share_text(lost)}", f"Pays: {share_text(found.chance_it_pays)}")
    for these, name, colour in zip((loses, ~loses), names, ("orange", "green"), strict=True):
        ax.bar(edges[:-1][these], shares[these], width=width[these], align="edge", color=PALETTE[colour], label=name)
    top = float(shares.max())
    lower, upper = outcome_text(found.lower, unit), outcome_text(found.upper, unit)
    said = [f"Median {outcome_text(found.median, unit)}", f"{share_text(found.level, 0)} between {lower} and {upper}"]
    ax.vlines(found.median, 0, 1.06 * top, color=PALETTE["ink"], lw=1.5)
    ax.hlines(1.06 * top, found.lower, found.upper, color=PALETTE["ink"], lw=2)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, (1.4 if is_narrow(ax) else 1.22) * top)
    text = ("\n" if is_narrow(ax) else ", ").join(said)
    write(ax, (0.5 * (edges[0] + edges[-1]), 1.09 * top), text, ha="center", va="bottom")
    ax.xaxis.set_major_formatter(lambda x, _: outcome_text(x, unit))
    ax.locator_params(axis="x", nbins=4 if is_narrow(ax) else 8)
    tidy(ax, values_on="x")
    ax.yaxis.set_visible(False)
    legend(ax, columns=2)
    return ax


def histogram_edges(outcome: Array) -> Array:
    """Return evenly spaced edges, one of them 0 if it is within, between the ends less their thin tails."""
    low, high = np.quantile(outcome, [TAIL, 1 - TAIL]).tolist()
    if not low < high:
        reach = abs(low) or 1.0
        low, high = low - reach, high + reach
    width = (high - low) / MOST_BINS
    first, last = np.floor(low / width), np.ceil(high / width)
    return np.asarray(np.arange(first, last + 1) * width)


def input_text(value: float) -> str:
    """Return the value of an input: four digits, or all before the point if there are more."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def outcome_text(value: float, unit: str) -> str:
    """Return an outcome for an axis: as percent if the unit is so, else as money."""
    return share_text(value, 0) if unit == PERCENT else money_tick(value, unit)
