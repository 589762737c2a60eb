"""Figures of churn, retention and the customer base: each takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core.types import AnyArray, Array, BoolArray, Frame
from crmvalue.reporting.drawing import HEAT, PALETTE, STACK, is_narrow, legend, money_axis, tidy, write
from crmvalue.reporting.formats import count_text, money_tick, share_text
from crmvalue.reporting.shown import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crmvalue.audit import CustomerBaseAudit
    from crmvalue.churn import ChurnRisk, PurchaseTiming, RetentionCurve, RevenueBridge, RiskBacktest

GROUPS_SHOWN = len(STACK)  # curves that can be told apart
LAYERS = len(HEAT)  # cohorts of a stack that can be told apart; older ones are one


def plot_retention_curve(curve: RetentionCurve, ax: Axes, *, unit: str = "") -> Axes:
    """Share of customers who stay beyond each age, a line a group, with its interval as a band.

    Parameters
    ----------
    curve : RetentionCurve
        From `retention_curve`; at most five groups are drawn, the largest.
    ax : matplotlib.axes.Axes
        Where to draw.
    unit : str
        Unit of the ages, such as "days".

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    sizes = columns(curve.groups, "n")[0]
    for rows, name, size, colour in largest_groups(curve.frame, curve.groups, curve.by, sizes):
        label = f"{name} ({count_text(size)})" if curve.by else f"{count_text(curve.n)} customers"
        time, *shares = (values[rows] for values in columns(curve.frame, "time", "retained", "lower", "upper"))
        draw_steps(ax, [curve.from_age, *time], [np.append(1.0, values) for values in shares], colour, label)
    ax.set(ylim=(0, 1.03), xlabel=f"Age in {unit}" if unit else "Age", ylabel="Still customers")
    ax.set_xlim(curve.from_age, None)
    ax.yaxis.set_major_formatter(lambda y, _: share_text(y, 0))
    tidy(ax, values_on="y")
    legend(ax, columns=2 if is_narrow(ax) else 3)
    return ax


def largest_groups(
    frame: Frame, groups: Frame, by: str | None, sizes: AnyArray
) -> Iterator[tuple[BoolArray, Any, int, str]]:
    """Rows of each of the largest groups in a frame of curves, with its name, size and colour."""
    kept = sorted(np.argsort(-sizes, kind="stable")[:GROUPS_SHOWN].tolist())
    of_row = columns(frame, by)[0] if by else np.zeros(len(columns(frame, "lower")[0]))
    names = columns(groups, by)[0] if by else np.zeros(1)
    for place, colour in zip(kept, STACK, strict=False):
        yield of_row == names[place], names[place], int(sizes[place]), colour


def draw_steps(ax: Axes, at: Sequence[float], shares: Sequence[Array], colour: str, label: str) -> None:
    """Draw a share that changes in steps, and the band of its interval."""
    share, low, high = shares
    ax.fill_between(at, low, high, step="post", color=colour, alpha=0.16, lw=0)
    ax.step(at, share, where="post", color=colour, lw=2, label=label)


def plot_purchase_timing(timing: PurchaseTiming, ax: Axes) -> Axes:
    """Share of customers who have bought again, by the days since the first purchase and since any.

    Parameters
    ----------
    timing : PurchaseTiming
        From `purchase_timing`. With groups, their second purchases are drawn: at most five groups, the largest.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names = ("days", "share_returned", "lower", "upper")
    if timing.by is None:
        pairs = ((timing.between, "blue", "After any purchase"), (timing.second, "orange", "After the first"))
        curves = [(columns(frame, *names), PALETTE[colour], label) for frame, colour, label in pairs]
    else:
        sizes, found = columns(timing.groups, "n_customers")[0], columns(timing.second, *names)
        curves = [
            ([values[rows] for values in found], colour, f"{name} ({count_text(size)})")
            for rows, name, size, colour in largest_groups(timing.second, timing.groups, timing.by, sizes)
        ]
    for (days, *shares), colour, label in curves:
        draw_steps(ax, [0.0, *days], [np.append(0.0, values) for values in shares], colour, label)
    since = "Days since the purchase" if timing.by is None else "Days since the first purchase"
    ax.set(ylim=(0, 1.03), xlabel=since, ylabel="Have bought again")
    ax.set_xlim(0, None)
    ax.yaxis.set_major_formatter(lambda y, _: share_text(y, 0))
    tidy(ax, values_on="y")
    legend(ax)
    return ax


def plot_revenue_bridge(bridge: RevenueBridge, ax: Axes, *, row: int = -1, currency: str = "") -> Axes:
    """Revenue of one period, what came and went, and revenue of the next, as a waterfall.

    Parameters
    ----------
    bridge : RevenueBridge
        From `revenue_bridge` or `contract_revenue_bridge`.
    ax : matplotlib.axes.Axes
        Where to draw.
    row : int
        Which of the complete periods; the last by default.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names = ("opening", "new", "returned", "expanded", "contracted", "lost", "closing")
    found = np.array(columns(bridge.frame, *names), dtype=float)
    known = np.flatnonzero(np.isfinite(found).all(axis=0))
    if not known.size:
        write(ax, (0.5, 0.5), "No period is complete", ha="center", color="muted")
        tidy(ax, values_on=None)
        return ax
    amount = found[:, known[row]] * np.array([1, 1, 1, 1, -1, -1, 1])
    end = np.cumsum(amount[:-1])
    start = np.append(np.concatenate([[0.0], end[:-1]]), 0.0)
    heights = amount.copy()
    colours = ["stone", "green", "green", "green", "orange", "orange", "blue"]
    places = np.arange(len(names))
    ax.bar(places, heights, bottom=start, width=0.68, color=[PALETTE[name] for name in colours])
    for place, value, low in zip(places, heights, start, strict=True):
        if not is_narrow(ax):
            top = max(low, low + value)
            write(ax, (place, top), money_tick(float(value), currency), ha="center", va="bottom")
    ax.set_xticks(places, ["Before", "New", "Back", "More", "Less", "Lost", "After"])
    money_axis(ax.yaxis, currency)
    ax.margins(y=0.12)
    tidy(ax, values_on="y")
    return ax


def plot_cohort_stack(audit: CustomerBaseAudit, ax: Axes, *, currency: str = "") -> Axes:
    """Revenue of each complete period, stacked by the period in which its customers first bought, the last darkest.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    cohort, period, revenue, complete = columns(audit.cohorts, "cohort", "period", "revenue", "is_complete")
    complete = complete.astype(bool)
    periods = np.unique(period[complete])
    cohorts = np.unique(cohort[complete])
    layer = np.clip(np.searchsorted(cohorts, cohort) - (len(cohorts) - LAYERS), 0, None)
    table = np.zeros((LAYERS, len(periods)))
    at = np.searchsorted(periods, period[complete])
    np.add.at(table, (layer[complete], at), revenue[complete])
    above = np.zeros(len(periods))
    for number, (values, colour) in enumerate(zip(table, HEAT, strict=True)):
        if not values.any():
            continue
        first = cohorts[max(len(cohorts) - LAYERS + number, 0)]
        oldest = number == 0 and len(cohorts) > LAYERS
        label = f"until {period_name(first, audit.period)}" if oldest else period_name(first, audit.period)
        ax.bar(np.arange(len(periods)), values, bottom=above, width=0.8, color=colour, label=label)
        above = above + values
    ax.set_xlim(-0.6, len(periods) - 0.4)
    money_axis(ax.yaxis, currency)
    every = -(-len(periods) // (5 if is_narrow(ax) else 10))
    shown = np.arange(len(periods))[::-1][::every][::-1]  # the last one among them
    ax.set_xticks(shown, [period_name(periods[row], audit.period).replace(" ", "\n") for row in shown])
    tidy(ax, values_on="y")
    legend(ax, columns=3)
    return ax


def plot_deciles(audit: CustomerBaseAudit, ax: Axes) -> Axes:
    """Share of the profit (of the revenue, if all of it is kept) that each tenth of the customers brings, best first.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    decile, share = columns(audit.deciles, "decile", "profit_share")
    shown = np.nan_to_num(share.astype(float))
    ax.bar(decile, shown, width=0.8, color=[PALETTE["blue" if value >= 0 else "orange"] for value in shown])
    for place, value in zip(decile, shown, strict=True):
        write(ax, (place, max(value, 0)), share_text(value, 0), ha="center", va="bottom", size=10)
    ax.set_xticks(decile)
    ax.set(xlabel="Tenth of the customers, best first", ylabel=f"Share of {audit.kept}")
    ax.yaxis.set_major_formatter(lambda y, _: share_text(y, 0))
    ax.margins(y=0.12)
    tidy(ax, values_on="y")
    return ax


def plot_drivers(audit: CustomerBaseAudit, ax: Axes, *, currency: str = "") -> Axes:
    """Show what the change of each factor did to profit, or revenue if all is kept, from the period before to this one.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    factor, effect = columns(audit.drivers, "factor", "effect_on_profit")
    shown = np.nan_to_num(effect.astype(float))
    shown[np.abs(shown) < 1e-9 * np.abs(shown).sum()] = 0.0  # a factor that stayed as it was, but for rounding
    if audit.kept == "revenue":  # the margin is 1, before and now
        factor, shown = factor[:-1], shown[:-1]
    rows = np.arange(len(factor))
    ax.barh(rows, shown, height=0.62, color=[PALETTE["green" if value >= 0 else "orange"] for value in shown])
    for row, value in zip(rows, shown, strict=True):
        write(ax, (max(value, 0), row), money_tick(float(value), currency))
    ax.set_yticks(rows, [str(name).capitalize() for name in factor])
    ax.invert_yaxis()
    ax.axvline(0, color=PALETTE["muted"], lw=1)
    ax.margins(x=0.25)
    tidy(ax, values_on=None)
    return ax


def plot_cohorts_at_age(audit: CustomerBaseAudit, ax: Axes, *, currency: str = "") -> Axes:
    """Revenue that a member of each cohort has brought by each age; a line a cohort, the youngest darkest.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names = ("cohort", "age", "revenue_per_member_so_far", "is_complete")
    cohort, age, so_far, complete = columns(audit.cohorts, *names)
    complete = complete.astype(bool)
    there = np.unique(cohort[complete])[-LAYERS:]
    for name, colour in zip(there, HEAT[-len(there) :], strict=True):
        rows = (cohort == name) & complete
        label = period_name(name, audit.period)
        ax.plot(age[rows], so_far[rows], color=colour, lw=2, marker="o", ms=4, label=label)
    ax.set(xlabel=f"{audit.period.capitalize()}s since the first purchase", ylabel="Revenue a member so far")
    ax.locator_params(axis="x", integer=True)
    money_axis(ax.yaxis, currency)
    ax.set_ylim(0, None)
    tidy(ax, values_on="y")
    legend(ax, columns=3)
    return ax


def plot_calibration(test: RiskBacktest, ax: Axes) -> Axes:
    """Share who bought nothing against the probability that the model gave it, by tenths of the customers.

    Parameters
    ----------
    test : RiskBacktest
        From `risk_backtest`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names = ("predicted", "observed", "lower", "upper")
    predicted, observed, lower, upper = (values.astype(float) for values in columns(test.calibration, *names))
    ax.plot([0, 1], [0, 1], color=PALETTE["stone"], lw=1, ls=(0, (4, 3)), label="As predicted")
    ax.vlines(predicted, lower, upper, color=PALETTE["heat3"], lw=3, label="95% interval")
    ax.plot(predicted, observed, "o", color=PALETTE["blue"], ms=7, label="A tenth of the customers")
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="Predicted to buy nothing", ylabel="Bought nothing")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
        axis.set_major_formatter(lambda x, _: share_text(x, 0))
    tidy(ax, values_on="both")
    legend(ax, columns=2 if is_narrow(ax) else 3)
    return ax


def plot_contact_gain(risk: ChurnRisk, ax: Axes, *, currency: str = "") -> Axes:
    """Draw the gain of contacting so many customers, the most worth it first, and the number at which it is highest.

    Parameters
    ----------
    risk : ChurnRisk
        From `churn_risk`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    gain: Array = np.sort(columns(risk.frame, "expected_gain")[0].astype(float))[::-1]
    total = np.concatenate([[0.0], np.cumsum(gain)])
    thin = np.unique(np.append(np.linspace(0, risk.n, 401).astype(int), risk.depth))
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    ax.plot(thin, total[thin], color=PALETTE["blue"], lw=2.2)
    ax.plot([risk.depth], [total[risk.depth]], "o", color=PALETTE["orange"], ms=7)
    text = f"{count_text(risk.depth)} contacts: {money_tick(float(total[risk.depth]), currency)}"
    right = risk.depth > 0.55 * risk.n
    write(ax, (risk.depth, total[risk.depth]), text, ha="right" if right else "left", va="bottom", bold=True)
    ax.set(xlim=(0, max(risk.n, 1)), xlabel="Customers contacted, best first", ylabel="Expected gain so far")
    ax.xaxis.set_major_formatter(lambda x, _: count_text(x))
    money_axis(ax.yaxis, currency)
    ax.margins(y=0.14)
    tidy(ax, values_on="y")
    return ax


def plot_audit(audit: CustomerBaseAudit, figure: Figure, *, currency: str = "") -> Figure:
    """One page of the audit: a picture and a sentence a lens.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    figure : matplotlib.figure.Figure
        Where to draw; about 12 by 15 inches.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.figure.Figure
        The same `figure`.
    """
    import textwrap

    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # or keys and names would run into their neighbours
    # a subfigure each: legends begin at the left edge of theirs
    parts = np.asarray(figure.subfigures(3, 2), dtype=object).ravel()
    titles = (
        f"1  Who brings the {audit.kept}",
        "2  What changed it",
        "3  One cohort",
        "4  Cohorts",
        "5  The whole base",
        "",
    )
    for part, title in zip(parts, titles, strict=True):
        part.suptitle(title, x=0.01, ha="left", size=13, weight="bold", color=PALETTE["ink"])
    first, second, third, fourth, fifth, words = (part.add_subplot() for part in parts)
    plot_deciles(audit, first)
    plot_drivers(audit, second, currency=currency)
    plot_cohort_share(audit, third)
    plot_cohorts_at_age(audit, fourth, currency=currency)
    plot_cohort_stack(audit, fifth, currency=currency)
    words.axis("off")
    said = "\n\n".join(textwrap.fill(f"{number}. {text}", 62) for number, text in enumerate(audit.sentences, start=1))
    note = words.text(0, 1, said, va="top", size=11, color=PALETTE["ink"], transform=words.transAxes)
    note.set_parse_math(False)
    return figure


def plot_cohort_share(audit: CustomerBaseAudit, ax: Axes) -> Axes:
    """Share of one cohort that bought in each period since its first.

    Parameters
    ----------
    audit : CustomerBaseAudit
        From `customer_base_audit`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    age, share = columns(audit.cohort, "age", "share")
    ax.bar(age, share, width=0.8, color=PALETTE["blue"])
    for place, value in zip(age, share, strict=True):
        if len(age) <= 12 and not is_narrow(ax):
            write(ax, (place, value), share_text(value, 0), ha="center", va="bottom", size=10)
    name = period_name(audit.followed, audit.period)
    ax.set(xlabel=f"{audit.period.capitalize()}s since {name}", ylabel="Share of the cohort that bought", ylim=(0, 1.1))
    ax.locator_params(axis="x", integer=True)
    ax.yaxis.set_major_formatter(lambda y, _: share_text(y, 0))
    tidy(ax, values_on="y")
    return ax


def period_name(day: np.datetime64, period: str) -> str:
    """Return a short name of the period that begins on a day."""
    date = day.astype("datetime64[D]").item()
    names = {
        "year": f"{date.year}",
        "quarter": f"{date.year} Q{(date.month + 2) // 3}",
        "month": f"{date:%b %Y}",
        "week": f"{date}",
    }
    return names[period]
