"""Pictures of effects, budgets and levers: each takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.types import AnyArray, Array, BoolArray
from crmvalue.reporting.drawing import PALETTE, STACK, is_narrow, legend, money_axis, tidy, write
from crmvalue.reporting.formats import count_text, money_short, money_tick, month_text, share_text, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.effects.budget import BudgetPlan
    from crmvalue.effects.comparison import BeforeAfter
    from crmvalue.effects.differences import DifferenceInDifferences
    from crmvalue.effects.estimate import Estimate
    from crmvalue.effects.experiment import ExperimentEffect
    from crmvalue.effects.levers import Levers
    from crmvalue.effects.response import ResponseCurves
    from crmvalue.effects.series import InterruptedSeries
    from crmvalue.effects.several import EffectComparison
    from crmvalue.effects.uplift import UpliftDepth

DASHES = (0, (4, 3))
CURVE_POINTS = 200
MOST_CURVES = len(STACK)  # lines that can be told apart


def plot_arms(result: ExperimentEffect, ax: Axes) -> Axes:
    """Lift of each arm over the control with its interval; without a lift, the effect per unit.

    Parameters
    ----------
    result : ExperimentEffect
        From `experiment_effect`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    relative = all(np.isfinite(each.lift.value) for each in result.arms)
    found = [each.lift if relative else each.effect for each in result.arms]
    return plot_estimates([str(each.arm) for each in result.arms], found, ax, as_share=relative)


def plot_before_after(result: BeforeAfter, ax: Axes) -> Axes:
    """Growth of everyone and of each group with its interval, marked as not causal.

    Parameters
    ----------
    result : BeforeAfter
        From `before_after`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    shown = [each for each in result.groups if np.isfinite(each.growth.value)]
    plot_estimates([str(each.group) for each in shown], [each.growth for each in shown], ax, as_share=True)
    wide = "Growth from before to after. Not causal: other reasons may lie behind it"
    ax.set_xlabel("Growth (not causal)" if is_narrow(ax) else wide)
    return ax


def plot_effect_comparison(result: EffectComparison, ax: Axes) -> Axes:
    """Each of several effects with its corrected interval; those that stand in colour.

    Parameters
    ----------
    result : EffectComparison
        From `compare_effects`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    ends = np.column_stack([result.effect, result.lower, result.upper])
    draw_intervals([str(name) for name in result.names], ends, result.stands, ax, as_share=False)
    ax.set_xlabel(f"Effect, {result.confidence:.0%} intervals of all together")
    return ax


def plot_estimates(names: Sequence[str], found: Sequence[Estimate], ax: Axes, *, as_share: bool) -> Axes:
    """Draw one row an estimate: a point, its interval, and the line of no effect."""
    ends = np.array([[each.value, each.lower, each.upper] for each in found])
    return draw_intervals(names, ends, (ends[:, 1] > 0) | (ends[:, 2] < 0), ax, as_share=as_share)


def draw_intervals(names: Sequence[str], ends: Array, is_sure: BoolArray, ax: Axes, *, as_share: bool) -> Axes:
    """Draw value, lower and upper end of each row, shape (n, 3); rows that are not sure in grey."""
    rows = np.arange(len(ends))
    for row, (value, lower, upper), sure in zip(rows, ends.tolist(), is_sure, strict=True):
        colour = PALETTE["blue" if sure else "stone"]
        ax.plot([lower, upper], [row, row], color=colour, lw=3, solid_capstyle="butt")
        ax.plot([value], [row], "o", color=colour, ms=8)
        text = signed(f"{100 * value:+.1f}%") if as_share else effect_label(value)
        write(ax, (value, row - 0.14), text, ha="center", va="bottom", bold=True)
    ax.axvline(0, color=PALETTE["muted"], lw=1)
    ax.set_yticks(rows, list(names))
    ax.set_ylim(len(ends) - 0.5, -0.6)
    if as_share:
        ax.xaxis.set_major_formatter(lambda x, _: share_text(x, 0))
    elif max(map(abs, ax.get_xlim())) >= 1:  # below, money has too few decimals
        money_axis(ax.xaxis)
    tidy(ax, values_on="x")
    return ax


def effect_label(value: float) -> str:
    """Return an effect with its sign and three digits: +35.4k, −4.23, +0.0123."""
    sign = "+" if value > 0 else ""
    return sign + (money_short(value) if abs(value) >= 0.1 else signed(f"{value:.3g}"))


def plot_difference_in_differences(result: DifferenceInDifferences, ax: Axes) -> Axes:
    """Means of both groups, and what the treated would have had if they had changed as the others did.

    Parameters
    ----------
    result : DifferenceInDifferences
        From `difference_in_differences`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows, start = np.arange(len(result.periods)), int(result.before.sum())
    level = result.treated_before - result.control_before
    ax.plot(rows, result.control_mean, color=PALETTE["stone"], lw=2, marker="o", ms=4, label="Control")
    ax.plot(rows, result.treated_mean, color=PALETTE["blue"], lw=2.2, marker="o", ms=4, label="Treated")
    without = result.control_mean[start - 1 :] + level
    ax.plot(
        rows[start - 1 :], without, color=PALETTE["blue"], lw=1.6, ls=DASHES, label="Treated, if they had changed alike"
    )
    ax.axvline(start - 0.5, color=PALETTE["orange"], lw=1.2)
    place_periods(ax, result.periods)
    tidy(ax, values_on="y")
    legend(ax, columns=1 if is_narrow(ax) else 3)
    return ax


def plot_period_effects(result: DifferenceInDifferences, ax: Axes) -> Axes:
    """Effect of each period with its interval; those before the start should lie around 0.

    Parameters
    ----------
    result : DifferenceInDifferences
        From `difference_in_differences`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows, start = np.arange(len(result.periods)), int(result.before.sum())
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    ax.axvline(start - 0.5, color=PALETTE["orange"], lw=1.2)
    for part, colour, label in (
        (result.before, "stone", "Before the start"),
        (~result.before, "blue", "From the start on"),
    ):
        ax.vlines(rows[part], result.period_lower[part], result.period_upper[part], color=PALETTE[colour], lw=3)
        ax.plot(rows[part], result.period_effect[part], "o", color=PALETTE[colour], ms=7, label=label)
    place_periods(ax, result.periods)
    tidy(ax, values_on="y")
    legend(ax)
    return ax


def plot_interrupted_series(result: InterruptedSeries, ax: Axes) -> Axes:
    """Draw the series, the regression, and what the past foretold with its interval.

    Parameters
    ----------
    result : InterruptedSeries
        From `interrupted_series`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows, start = np.arange(len(result.periods)), int(result.before.sum())
    after = rows[start:]
    ax.fill_between(after, result.foretold_lower[start:], result.foretold_upper[start:], color=PALETTE["heat1"], lw=0)
    ax.plot(rows, result.outcome, "o", color=PALETTE["stone"], ms=4.5, label="Counted")
    ax.plot(rows[:start], result.fitted[:start], color=PALETTE["blue"], lw=2.2)
    ax.plot(after, result.fitted[start:], color=PALETTE["blue"], lw=2.2, label="Regression")
    ax.plot(after, result.foretold[start:], color=PALETTE["blue"], lw=1.6, ls=DASHES, label="If the past had gone on")
    ax.axvline(start - 0.5, color=PALETTE["orange"], lw=1.2)
    place_periods(ax, result.periods)
    tidy(ax, values_on="y")
    legend(ax, columns=1 if is_narrow(ax) else 3)
    return ax


def plot_uplift(result: UpliftDepth, ax: Axes, *, currency: str = "") -> Axes:
    """Profit of contacting the best part of the customers, and the depth at which it is highest.

    Parameters
    ----------
    result : UpliftDepth
        From `uplift_depth`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    depth, profit = np.append(0.0, result.depth), np.append(0.0, result.profit)
    ax.plot([0, 1], [0, profit[-1]], color=PALETTE["stone"], lw=1, ls=DASHES, label="Chosen by chance")
    ax.plot(depth, profit, color=PALETTE["blue"], lw=2.2, label="Best score first")
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    best = (result.best_depth, result.best_profit.value)
    ax.plot(*best, "o", color=PALETTE["orange"], ms=8)
    text = f"{count_text(result.best_customers)} customers: {money_tick(best[1], currency)}"
    write(ax, best, text, ha="center", va="bottom", bold=True)
    ax.margins(y=0.16)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Share of customers contacted")
    ax.xaxis.set_major_formatter(lambda x, _: share_text(x, 0))
    money_axis(ax.yaxis, currency)
    tidy(ax, values_on="y")
    legend(ax)
    return ax


def plot_response_curves(result: ResponseCurves, ax: Axes, *, currency: str = "") -> Axes:
    """Curve of each channel: drawn full where spend was seen, dashed beyond.

    Parameters
    ----------
    result : ResponseCurves
        From `fit_response_curves`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    most = 1.25 * max(curve.spend_high for curve in result.curves)
    spend = np.linspace(0, most, CURVE_POINTS)
    for curve, colour in zip(result.curves[:MOST_CURVES], STACK, strict=False):
        response = curve.response(spend)
        seen = (spend >= curve.spend_low) & (spend <= curve.spend_high)
        ax.plot(spend, response, color=colour, lw=1.3, ls=DASHES)
        ax.plot(spend[seen], response[seen], color=colour, lw=2.4, label=f"{curve.channel} ({curve.shape})")
    ax.set_xlim(0, most)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Spend in a period (dashed: not seen)")
    if not is_narrow(ax):
        ax.set_ylabel("Result above the baseline")
    money_axis(ax.xaxis, currency)
    money_axis(ax.yaxis)
    tidy(ax, values_on="both")
    legend(ax, columns=1 if is_narrow(ax) else 3)
    return ax


def plot_budget(plan: BudgetPlan, ax: Axes, *, currency: str = "") -> Axes:
    """Spend of each channel today and in the best plan.

    Parameters
    ----------
    plan : BudgetPlan
        From `allocate_budget`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows = np.arange(len(plan.channels))
    pairs = ((-0.2, plan.current, "Today", "stone"), (0.2, plan.best, "Best plan", "blue"))
    for offset, spends, label, colour in pairs:
        ax.barh(rows + offset, spends, height=0.34, color=PALETTE[colour], label=label)
        for row, spend in zip(rows, spends, strict=True):
            write(ax, (spend, row + offset), money_tick(spend, currency), size=11)
    ax.set_yticks(rows, list(plan.channels))
    ax.invert_yaxis()
    ax.set_xlim(0, 1.16 * max(plan.current.max(), plan.best.max()))
    tidy(ax, values_on=None)
    legend(ax)
    return ax


def plot_levers(levers: Levers, ax: Axes, *, currency: str = "") -> Axes:
    """Gain in value of the customer base from each lever, the largest first.

    Parameters
    ----------
    levers : Levers
        From `retention_lever`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    order = np.argsort(-levers.gain)
    gain, share = levers.gain[order], levers.gain_share[order]
    rows = np.arange(len(order))
    ax.barh(rows, gain, height=0.62, color=[PALETTE["green" if each >= 0 else "orange"] for each in gain])
    for row, each, part in zip(rows, gain, share, strict=True):
        texts = [money_tick(each, currency)] + ([signed(f"{100 * part:+.1f}%")] if np.isfinite(part) else [])
        write(ax, (max(each, 0), row), texts[-1] if is_narrow(ax) else " · ".join(texts), size=11)
    ax.axvline(0, color=PALETTE["muted"], lw=1)
    ax.set_yticks(rows, [levers.lever[each] for each in order])
    ax.invert_yaxis()
    room = 1.8 if is_narrow(ax) else 1.3
    ax.set_xlim(min(0.0, 1.1 * gain.min()), room * max(gain.max(), 0.0) or 1.0)
    tidy(ax, values_on=None)
    return ax


def place_periods(ax: Axes, periods: AnyArray) -> None:
    """Label as many periods as there is room for, the first one among them."""
    every = max(1, int(np.ceil(len(periods) / (5 if is_narrow(ax) else 10))))
    shown: Array = np.arange(len(periods))[::every].astype(float)
    ax.set_xticks(shown, period_names(periods[::every]))
    ax.set_xlim(-0.5, len(periods) - 0.5)


def period_names(periods: AnyArray) -> list[str]:
    """Return periods as short text: months by name, other days by month and day."""
    if periods.dtype.kind != "M":
        return [str(each) for each in periods.tolist()]
    days = periods.astype("datetime64[D]")
    if (days == days.astype("datetime64[M]").astype("datetime64[D]")).all():
        return [month_text(day).replace(" ", "\n") for day in days]
    return [f"{day.item():%b} {day.item().day}" for day in days]
