"""Pictures of segments, one function a figure: each takes a result and an Axes, draws, and returns the Axes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.types import AnyArray, Array
from crmvalue.errors import InputError
from crmvalue.reporting.drawing import HEAT, PALETTE, is_narrow, legend, tidy, write
from crmvalue.reporting.formats import count_text, money_short, number_text, share_text
from crmvalue.reporting.placing import LINE_INCHES, bar_tops, fitting_lines, spread_out, tiles
from crmvalue.reporting.shown import columns
from crmvalue.segments.migration import CAME, GONE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.segmentation import (
        Concentration,
        CustomerClusters,
        LifecycleStages,
        RfmScores,
        SegmentMigration,
        SegmentProfile,
        ValueTiers,
    )

HUMP = 1.005  # share of all value that is written as more than 100 %
MOST_SCORES = 20  # rows and columns of a heat map that can be read


def plot_score_map(scores: RfmScores, ax: Axes) -> Axes:
    """Count of the customers by score of days since the last purchase (columns) and score of purchases (rows).

    Parameters
    ----------
    scores : RfmScores
        From `score_rfm` or `rescore_rfm`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there are more than 20 bins.
    """
    bins = scores.thresholds.bins
    if bins > MOST_SCORES:
        raise InputError(f"scores: {bins} bins cannot be read in a picture. Score with at most {MOST_SCORES}.")
    counts = np.zeros((bins, bins))
    r, f = columns(scores.frame, "r_score", "f_score")
    np.add.at(counts, (f.astype(int) - 1, r.astype(int) - 1), 1)
    texts = [[count_text(n) if n else "" for n in row] for row in counts.tolist()]
    heat(ax, counts / counts.sum(), texts if bins <= 10 else None)
    names = [str(score) for score in range(1, bins + 1)]
    ax.set_xticks(np.arange(bins), names)
    ax.set_yticks(np.arange(bins), names)
    ax.set_xlabel("Score of days since last" if is_narrow(ax) else "Score of days since the last purchase, best right")
    ax.set_ylabel("Score of purchases")
    tidy(ax, values_on=None)
    ax.xaxis.set_visible(True)
    return ax


def plot_segment_map(profile: SegmentProfile, ax: Axes, *, measure: str = "revenue", currency: str = "") -> Axes:
    """Tree map: each group has a tile as large as its share of the measure.

    Parameters
    ----------
    profile : SegmentProfile
        From `segment_profile`, by one column.
    ax : matplotlib.axes.Axes
        Where to draw.
    measure : {"customers", "revenue", "value"}
        What the tiles add up to; groups that bring nothing, or a loss, have no tile.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    require_option("measure", measure, ("customers", "revenue", "value"))
    names, values = columns(profile.frame, profile.by[0], measure)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 0]
    names, values = names[order], values[order].astype(float)
    shares = values / values.sum()
    level = np.clip((shares / max(shares.max(initial=0), 1e-12) * len(HEAT)).astype(int), 0, len(HEAT) - 1)
    inches = (
        np.array(ax.figure.bbox.size) / ax.figure.dpi * ax.get_position().size / (2, 1)
    )  # of a unit of width and height
    for (x, y, width, height), name, value, share, shade in zip(
        tiles(shares, 2.0, 1.0), names, values, shares, level, strict=True
    ):
        white = PALETTE["onheat"]
        ax.bar(x, height, width=width, bottom=y, align="edge", facecolor=HEAT[shade], edgecolor=white, lw=2)
        amount = count_text(value) if measure == "customers" else money_short(value, currency)
        lines, n_names = fitting_lines(str(name), [amount, share_text(share, 0)], width * inches[0], height * inches[1])
        for row, text in enumerate(lines):
            top = y + height - (0.05 + row * LINE_INCHES) / inches[1]
            write(ax, (x, top), text, va="top", bold=row < n_names, color="onheat" if shade >= 4 else "ink", size=10)
    ax.set(xlim=(0, 2), ylim=(0, 1))
    tidy(ax, values_on=None)
    ax.yaxis.set_visible(False)
    return ax


def plot_lorenz(result: Concentration, ax: Axes) -> Axes:
    """Lorenz curve: share of all value that the customers of lowest value bring.

    Parameters
    ----------
    result : Concentration
        From `concentration`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    ax.fill_between(result.customers, result.lorenz, result.customers, color=PALETTE["heat1"], lw=0)
    ax.plot([0, 1], [0, 1], color=PALETTE["stone"], lw=1, ls=(0, (4, 3)), label="All alike")
    ax.plot(result.customers, result.lorenz, color=PALETTE["blue"], lw=2.2, label="Customers")
    write(ax, (0.04, 0.93), f"Gini {number_text(result.gini)}", bold=True, size=12)
    ax.set(xlim=(0, 1), ylim=(min(0.0, float(np.nanmin(np.append(result.lorenz, 0)))) * 1.08, 1.02))
    ax.set(xlabel="Share of customers, lowest value first", ylabel="Share of value")
    share_axes(ax)
    tidy(ax, values_on="both")
    legend(ax)
    return ax


def plot_whale(result: Concentration, ax: Axes) -> Axes:
    """Whale curve: share of all value that the best customers bring; above 100 % it is what the others lose again.

    Parameters
    ----------
    result : Concentration
        From `concentration`, for example of profit.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    best, reached = 1 - result.customers[::-1], 1 - result.lorenz[::-1]
    top = float(np.nanmax(np.append(reached, 1.0)))
    ax.fill_between(best, reached, color=PALETTE["heat1"], lw=0)
    ax.axhline(1, color=PALETTE["stone"], lw=1, ls=(0, (4, 3)))
    ax.plot(best, reached, color=PALETTE["blue"], lw=2.2)
    at = int(np.nanargmax(reached)) if np.isfinite(reached).any() else 0
    if reached[at] >= HUMP:
        ax.plot([best[at]], [reached[at]], "o", color=PALETTE["orange"], ms=6)
        side: Literal["left", "center", "right"] = "left" if best[at] < 0.3 else "center" if best[at] < 0.7 else "right"
        text = f"best {share_text(best[at], 0)}: {share_text(reached[at], 0)}"
        write(ax, (best[at], reached[at] + 0.03 * top), text, ha=side, va="bottom", bold=True)
    ax.set(xlim=(0, 1), ylim=(0, 1.14 * top), xlabel="Share of customers, best first", ylabel="Share of value")
    share_axes(ax)
    tidy(ax, values_on="both")
    return ax


def plot_migration(migration: SegmentMigration, ax: Axes) -> Axes:
    """Share of the customers of each segment (row) who are in which segment later (column).

    Parameters
    ----------
    migration : SegmentMigration
        From `segment_migration`; rows and columns without customers are left out.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    shares = migration.shares
    rows = np.flatnonzero(migration.customers.sum(axis=1) > 0)
    there = np.flatnonzero(migration.customers.sum(axis=0) > 0)
    shown = shares[np.ix_(rows, there)]
    texts = [[f"{100 * share:.0f}" if share >= 0.005 else "" for share in row] for row in shown.tolist()]
    heat(ax, shown, None if is_narrow(ax) else texts)
    narrow = is_narrow(ax)
    ax.set_xticks(np.arange(len(there)), [migration.columns[k] for k in there])
    for label in ax.get_xticklabels():
        label.set(rotation=90 if narrow else 35, ha="right", va="center" if narrow else "top", rotation_mode="anchor")
    sizes = migration.customers.sum(axis=1)
    ax.set_yticks(
        np.arange(len(rows)),
        [migration.rows[k] if narrow else f"{migration.rows[k]} · {count_text(sizes[k])}" for k in rows],
    )
    ax.invert_yaxis()
    tidy(ax, values_on=None)
    ax.xaxis.set_visible(True)
    return ax


def plot_migration_flow(migration: SegmentMigration, ax: Axes) -> Axes:
    """Flow of the customers from their segments before (left) to those after (right); new and lost have their own.

    Parameters
    ----------
    migration : SegmentMigration
        From `segment_migration`; segments without customers are left out.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    rows, there = (np.flatnonzero(migration.customers.sum(axis=axis)) for axis in (1, 0))
    before, after = [migration.rows[k] for k in rows], [migration.columns[k] for k in there]
    flows = migration.customers[np.ix_(rows, there)]
    left, right = (bar_tops(flows.sum(axis=axis)) for axis in (1, 0))
    leave = left[:, None] + np.cumsum(flows, axis=1) - flows  # top of each flow in the bar that it leaves
    arrive = right[None, :] + np.cumsum(flows, axis=0) - flows
    colours = {"Stayed": "heat2", "Moved": "heat4", "Came": "green", "Gone": "orange"}
    way = np.linspace(0, 1, 40)
    bend = way * way * (3 - 2 * way)
    drawn: dict[str, Any] = {}
    for i, j in np.argwhere(flows > 0):
        kind = "Stayed" if before[i] == after[j] else "Moved"
        kind = "Came" if before[i] == CAME else "Gone" if after[j] == GONE else kind
        top = leave[i, j] + (arrive[i, j] - leave[i, j]) * bend
        drawn[kind] = ax.fill_between(
            way, top, top + flows[i, j], color=PALETTE[colours[kind]], alpha=0.75, lw=0.3, label=kind
        )
    height = 1.15 * flows.sum()
    for side, tops, names in ((0.0, left, before), (1.0, right, after)):
        sizes = flows.sum(axis=1 if side == 0 else 0)
        ax.bar([side] * len(tops), sizes, bottom=tops, width=0.016, color=PALETTE["ink"])
        line = LINE_INCHES * height / (ax.figure.bbox.height / ax.figure.dpi * ax.get_position().height)
        for name, size, middle in zip(names, sizes, spread_out(tops + sizes / 2, line, height), strict=True):
            text = name if is_narrow(ax) else f"{name} · {count_text(size)}"
            write(ax, (side + (0.02 if side else -0.02), middle), text, ha="left" if side else "right", size=10)
    room = 0.75 if is_narrow(ax) else 0.42
    ax.set(xlim=(-room, 1 + room), ylim=(height, 0))
    tidy(ax, values_on=None)
    ax.yaxis.set_visible(False)
    legend(ax, handles=[drawn[kind] for kind in colours if kind in drawn], columns=2 if is_narrow(ax) else 4)
    return ax


def plot_tiers(tiers: ValueTiers, ax: Axes) -> Axes:
    """Share of the customers and share of the value of each tier.

    Parameters
    ----------
    tiers : ValueTiers
        From `value_tiers`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names, customers, value = columns(tiers.table, "tier", "customer_share", "value_share")
    pairs = ((customers, "Share of customers", "stone"), (value, "Share of value", "blue"))
    return paired_bars(names, pairs, ax)


def plot_stages(stages: LifecycleStages, ax: Axes) -> Axes:
    """Count of the customers in each stage, and their share.

    Parameters
    ----------
    stages : LifecycleStages
        From `lifecycle_stage`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names, customers, shares = columns(stages.table, "stage", "customers", "customer_share")
    colours = {"at risk": "orange", "lapsed": "stone", "reactivated": "green"}
    rows = np.arange(len(names))
    ax.barh(rows, customers, height=0.62, color=[PALETTE[colours.get(str(name), "blue")] for name in names])
    for row, (count, share) in enumerate(zip(customers, shares, strict=True)):
        write(ax, (count, row), f"{count_text(count)} · {share_text(share, 0)}")
    ax.set_yticks(rows, [str(name).capitalize() for name in names])
    ax.invert_yaxis()
    ax.set_xlim(0, (1.9 if is_narrow(ax) else 1.2) * max(customers.max(), 1))
    tidy(ax, values_on=None)
    return ax


def plot_clusters(clusters: CustomerClusters, ax: Axes) -> Axes:
    """Count of the customers in each cluster, and the cluster in words.

    Parameters
    ----------
    clusters : CustomerClusters
        From `cluster_customers`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    numbers, customers, shares, words = columns(clusters.table, "cluster", "customers", "customer_share", "profile")
    rows = np.arange(len(numbers))
    ax.barh(rows, customers, height=0.36, color=PALETTE["blue"])
    for row, (count, share, text) in enumerate(zip(customers, shares, words, strict=True)):
        write(ax, (count, row), f"{count_text(count)} · {share_text(share, 0)}")
        short = textwrap.shorten(str(text).replace("_", " "), 44 if is_narrow(ax) else 110, placeholder=" …")
        write(ax, (0, row - 0.36), short, color="muted", size=9 if is_narrow(ax) else 11)
    ax.set_yticks(rows, [str(number) for number in numbers])
    ax.set_ylim(len(rows) - 0.5, -0.65)
    ax.set_xlim(0, (1.9 if is_narrow(ax) else 1.2) * max(customers.max(), 1))
    ax.set_ylabel("Cluster")
    tidy(ax, values_on=None)
    return ax


def paired_bars(names: AnyArray, pairs: tuple[tuple[Array, str, str], ...], ax: Axes) -> Axes:
    """Two horizontal bars a name: one share above the other."""
    rows = np.arange(len(names))
    for offset, (shares, label, colour) in zip((-0.2, 0.2), pairs, strict=True):
        shown = np.nan_to_num(shares)
        ax.barh(rows + offset, shown, height=0.34, color=PALETTE[colour], label=label)
        for row, share in zip(rows, shown, strict=True):
            write(ax, (max(share, 0), row + offset), share_text(share))
    ax.set_yticks(rows, [str(name) for name in names])
    ax.invert_yaxis()
    values = np.nan_to_num(np.concatenate([shares for shares, _, _ in pairs]))
    ax.set_xlim(min(0.0, values.min()), (1.35 if is_narrow(ax) else 1.16) * max(values.max(), 1e-9))
    tidy(ax, values_on=None)
    legend(ax, columns=1 if is_narrow(ax) else 2)
    return ax


def heat(ax: Axes, shares: Array, texts: list[list[str]] | None) -> None:
    """Draw cells, darker for a larger share; a missing one is blank, and texts stand in their cells."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    top = float(np.nanmax(shares)) if np.isfinite(shares).any() else 1.0
    level = np.clip(np.nan_to_num(shares) / (top or 1.0) * len(HEAT), 0, len(HEAT) - 1).astype(int)
    steps = BoundaryNorm((np.arange(len(HEAT) + 1) - 0.5).tolist(), len(HEAT))
    grid = [np.arange(n + 1) - 0.5 for n in shares.shape]
    cells = np.ma.masked_where(np.isnan(shares) | (shares == 0), level)
    ax.pcolormesh(grid[1], grid[0], cells, cmap=ListedColormap(HEAT), norm=steps, antialiased=False)
    for (row, column), shade in np.ndenumerate(level):
        if texts is not None and texts[row][column]:
            colour = "onheat" if shade >= 4 else "ink"
            write(ax, (column, row), texts[row][column], ha="center", color=colour, size=10)


def share_axes(ax: Axes) -> None:
    """Write both axes in percent."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda x, _: share_text(x, 0))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
