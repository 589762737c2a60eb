"""Pictures of costs: tree map, stacked bars, whale curve, payback curves; each takes a result and an Axes."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Literal

import numpy as np

from crmvalue._core.types import AnyArray
from crmvalue.errors import InputError
from crmvalue.reporting.drawing import HEAT, PALETTE, is_narrow, legend, money_axis, tidy, write
from crmvalue.reporting.formats import count_text, money_short, money_tick, share_text
from crmvalue.reporting.shown import category_name, columns
from crmvalue.reporting.tree_map import Box, squarified

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.costs import ChannelPayback, CostBreakdown, WhaleCurve

LINES = ("blue", "orange", "green", "sand", "stone", "ink")
MOST_LINES = len(LINES)
GAP, HAIR = 5.0, 1.5  # points between the blocks of a tree map, and between the parts of a block
LETTER = 0.58  # mean width of a letter, as a share of the height of the font


def plot_whale_curve(curve: WhaleCurve, ax: Axes, *, currency: str = "") -> Axes:
    """Cumulative profit, most profitable customers first: it climbs to the peak, and the tail takes some of it away.

    Parameters
    ----------
    curve : WhaleCurve
        From `whale_curve`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    share, reached = columns(curve.frame, "customer_share", "cumulative_profit")
    share, reached = np.append(0.0, share), np.append(0.0, reached)
    thin = np.unique(np.append(np.linspace(0, len(share) - 1, 301).astype(int), curve.peak_customers))
    ax.fill_between(share[thin], reached[thin], color=PALETTE["heat1"], lw=0)
    tail = thin[thin >= curve.peak_customers]
    ax.fill_between(share[tail], reached[tail], curve.peak, color=PALETTE["orange"], alpha=0.25, lw=0)
    ax.plot(share[thin], reached[thin], color=PALETTE["blue"], lw=2.2)
    ax.plot([curve.peak_share], [curve.peak], "o", color=PALETTE["orange"], ms=6)
    height = max(curve.peak - min(curve.total, 0.0), 1e-9)
    peak = f"best {share_text(curve.peak_share, 0)} of customers: {money_short(curve.peak, currency)}"
    peak = peak if curve.peak_customers else "no customer brings a profit"
    sides: tuple[Literal["left", "center", "right"], ...] = ("left", "center", "right")
    side = sides[int(2.999 * curve.peak_share)]
    write(ax, (curve.peak_share, curve.peak + 0.02 * height), peak, ha=side, va="bottom", bold=True)
    lowest = min(0.0, curve.total)
    if curve.destroyed > 0:  # both texts below the end of the curve, and on one side of the line at 0
        top = 0.0 if 0 <= curve.total < 0.16 * height else curve.total
        lost = f"the others take {money_short(curve.destroyed, currency)} away"
        write(ax, (1.0, top), money_short(curve.total, currency), ha="right", va="top", bold=True)
        write(ax, (1.0, top - 0.07 * height), lost, ha="right", va="top", color="orange")
        lowest = min(0.0, top - 0.16 * height)
    ax.axhline(0, color=PALETTE["muted"], lw=1)
    ax.set(xlim=(0, 1.01), ylim=(lowest, curve.peak + 0.16 * height))
    ax.set(xlabel="Share of customers, most profitable first", ylabel="Profit of so many")
    ax.xaxis.set_major_formatter(lambda x, _: share_text(x, 0))
    money_axis(ax.yaxis, currency)
    tidy(ax, values_on="both")
    return ax


def plot_payback(payback: ChannelPayback, ax: Axes, *, currency: str = "") -> Axes:
    """Cumulative contribution per customer won less her cost, by months since; a channel has paid back above the line.

    The channels with most customers are shown; one that won nobody has no curve.

    Parameters
    ----------
    payback : ChannelPayback
        From `channel_payback`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names, heads, costs = columns(payback.frame, payback.by, "customers", "cost")
    name, age, cumulative = columns(payback.curves, payback.by, "age", "cumulative")
    labels = readable(names, payback.by)
    shown = [place for place in np.argsort(-heads, kind="stable").tolist() if heads[place] > 0][:MOST_LINES]
    for colour, place in zip(LINES, shown, strict=False):
        mine = np.array([other == names[place] or (other is names[place]) for other in name.tolist()])
        x, y = age[mine], cumulative[mine] - costs[place]
        known = np.isfinite(y)
        if not known.any():
            continue
        ax.plot(x[known], y[known], color=PALETTE[colour], lw=2, label=labels[place])
        paid = np.flatnonzero(y >= -1e-9)
        if len(paid):
            ax.plot(x[paid[0]], y[paid[0]], "o", color=PALETTE[colour], ms=7)
    ax.axhline(0, color=PALETTE["ink"], lw=1)
    ax.set_xlim(0, max(1, payback.months))
    ax.set_xlabel("Months since the first purchase")
    ax.set_ylabel("Contribution less cost, per customer")
    ax.xaxis.set_major_formatter(lambda x, _: count_text(x) if float(x).is_integer() else "")
    money_axis(ax.yaxis, currency)
    tidy(ax, values_on="both")
    legend(ax, columns=3 if is_narrow(ax) else 6)
    return ax


def plot_cost_stack(costs: CostBreakdown, ax: Axes, *, currency: str = "") -> Axes:
    """One bar for each value of the first column of the breakdown, stacked by the second, largest first.

    Parameters
    ----------
    costs : CostBreakdown
        From `cost_breakdown`, by two columns or more.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the breakdown is by fewer than two columns.
    """
    if len(costs.by) < 2:
        raise InputError(f"costs: the breakdown is by {list(costs.by)}. Break it down by two columns.")
    bars, parts, amounts = columns(costs.frame, costs.by[0], costs.by[1], "amount")
    bar_names, part_names = (readable(values, column) for values, column in zip((bars, parts), costs.by, strict=False))
    rows, names = ordered_by_sum(bar_names, amounts), ordered_by_sum(part_names, amounts)
    kept = names if len(names) <= MOST_LINES else [*names[: MOST_LINES - 1], "Others"]
    place = {row: index for index, row in enumerate(rows)}
    above, below = np.zeros(len(rows)), np.zeros(len(rows))
    for colour, name in zip(LINES, kept, strict=False):
        values = np.zeros(len(rows))
        for bar, part, amount in zip(bar_names, part_names, amounts.tolist(), strict=True):
            if part == name or (name == "Others" and part not in kept):
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


def plot_cost_tree(costs: CostBreakdown, ax: Axes, *, currency: str = "") -> Axes:
    """Tree map: one block for each value of the first column of the breakdown, with those of the second inside.

    Areas are amounts, and darker is dearer. A credit has no area: it is not drawn, and the line below the map says so.

    Parameters
    ----------
    costs : CostBreakdown
        From `cost_breakdown`, by one column or two, such as category and subcategory; periods are added up.
    ax : matplotlib.axes.Axes
        Where to draw; its shape is that of the map.
    currency : str
        Sign or code of the currency.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the breakdown is by no column, or no amount is above 0.

    References
    ----------
    Bruls, Huizing & van Wijk (2000) "Squarified treemaps", Data Visualization 2000, 33-42.
    """
    blocks = tree_of(costs)
    drawn = {name: [(part, amount) for part, amount in parts.items() if amount > 0] for name, parts in blocks.items()}
    sums = {name: sum(amount for _, amount in parts) for name, parts in drawn.items() if parts}
    if not sums:
        raise InputError("costs: no amount is above 0, so there is no area to draw. Pass a breakdown with costs.")
    names, whole = sorted(sums, key=lambda name: -sums[name]), sum(sums.values())
    is_nested, scale = len(costs.by) > 1, 72.0 / ax.figure.dpi
    map_box = Box(0.0, 0.0, max(ax.bbox.width * scale, 1.0), max(ax.bbox.height * scale, 1.0))
    largest = max(amount for parts in drawn.values() for _, amount in parts)
    without_label = []
    for name, box in zip(names, squarified([sums[name] for name in names], map_box), strict=True):
        said = f"{name} {money_short(sums[name], currency)}"
        block = box.inside(right=GAP, bottom=GAP)
        inner = head_of(ax, block, name, f"{said} · {share_text(sums[name] / whole, 0)}") if is_nested else block
        parts = sorted(drawn[name], key=lambda part: -part[1])
        for (part, amount), cell in zip(parts, squarified([amount for _, amount in parts], inner), strict=True):
            label = (money_short(amount, currency), share_text(amount / whole, 0))
            is_labelled = draw_cell(ax, cell, part, label, amount / largest)
        if inner == block and (is_nested or not is_labelled):
            without_label.append(said)
    ax.set(xlim=(0, map_box.width), ylim=(map_box.height, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    note = textwrap.fill(tree_note(blocks, whole, without_label, currency), int(map_box.width / (LETTER * 11)))
    ax.set_xlabel(note, color=PALETTE["muted"], size=11, loc="left", parse_math=False)
    return ax


def tree_of(costs: CostBreakdown) -> dict[str, dict[str, float]]:
    """Return the amount of each part of each block, periods added up; with one column a block is its own part."""
    if not costs.by:
        raise InputError("costs: the breakdown is by no column. Break it down by one or two.")
    read = columns(costs.frame, *costs.by[:2], "amount")
    names = [readable(values, column) for values, column in zip(read[:-1], costs.by, strict=False)]
    tree: dict[str, dict[str, float]] = {}
    for name, part, amount in zip(names[0], names[-1], read[-1].tolist(), strict=True):
        parts = tree.setdefault(name, {})
        parts[part] = parts.get(part, 0.0) + amount
    return tree


def readable(names: AnyArray, column: str) -> list[str]:
    """Return the values of a column as a reader writes them: categories with a capital, others as they are."""
    own = column in ("category", "subcategory", "stage")
    return [
        f"no {column}" if is_no_name(name) else category_name(name) if own else str(name) for name in names.tolist()
    ]


def head_of(ax: Axes, block: Box, name: str, full: str) -> Box:
    """Write the name, with amount and share if there is room, above a block; return what is left for its parts."""
    size = 11.0 if is_narrow(ax) else 12.0
    head = 1.7 * size
    choices = [(full, size), (name, size), (name, 0.8 * size)]
    text, size = next((one for one in choices if 1.1 * text_width(*one) <= block.width), ("", size))
    if not text or block.height < 2 * head:
        return block
    place = (block.x, block.y + 0.5 * head)
    note = ax.annotate(text, place, ha="left", va="center", size=size, weight="bold", color=PALETTE["ink"])
    note.set_parse_math(False)
    return block.inside(top=head)


def draw_cell(ax: Axes, cell: Box, name: str, label: tuple[str, str], level: float) -> bool:
    """Draw one part, the dearer the darker; whether there was room to write what it is."""
    from matplotlib.patches import Rectangle

    step = min(int(level**0.5 * len(HEAT)), len(HEAT) - 1)
    seen = cell.inside(right=min(HAIR, cell.width / 2), bottom=min(HAIR, cell.height / 2))
    ax.add_patch(Rectangle((seen.x, seen.y), seen.width, seen.height, facecolor=HEAT[step], linewidth=0))
    text, size = label_of(cell, name, label)
    if not text:
        return False
    place = (cell.x + cell.width / 2, cell.y + cell.height / 2)
    colour = PALETTE["onheat" if step >= 3 else "ink"]
    note = ax.annotate(text, place, ha="center", va="center", size=size, color=colour)
    note.set_parse_math(False)
    return True


def label_of(cell: Box, name: str, label: tuple[str, str]) -> tuple[str, float]:
    """Return as much text as there is room for in a part, and its size."""
    amount, share = label
    words = name.split(" ")
    for lines in ([name, f"{amount} · {share}"], [name, amount, share], [*words, amount], [name], words):
        for size in (11.0, 9.0):
            if (
                max(text_width(line, size) for line in lines) <= cell.width - 6
                and 1.3 * size * len(lines) <= cell.height - 4
            ):
                return "\n".join(lines), size
    return "", 9.0


def text_width(text: str, size: float) -> float:
    """Width of a text in points, near enough to know whether it fits; a Chinese character is as wide as high."""
    return sum(size if unicodedata.east_asian_width(letter) in "WF" else LETTER * size for letter in text)


def tree_note(blocks: dict[str, dict[str, float]], whole: float, without_label: list[str], currency: str) -> str:
    """Say what all areas add up to, which credits are not among them, and which blocks are too small for a name."""
    credits_of = {name: sum(amount for amount in parts.values() if amount < 0) for name, parts in blocks.items()}
    credited = [name for name, amount in credits_of.items() if amount < 0]
    note = f"Areas: costs of {money_short(whole, currency)}."
    if without_label:
        note += f" Too small for a name: {', '.join(without_label)}."
    if credited:
        less = sum(credits_of.values())
        named = ", ".join(credited[:3]) + (", …" if len(credited) > 3 else "")
        taken, left = money_short(less, currency), money_short(whole + less, currency)
        note += f" Not drawn: credits of {taken} ({named}); with them {left}."
    return note


def ordered_by_sum(names: list[str], amounts: AnyArray) -> list[str]:
    """Return the distinct names, the largest sum first."""
    sums: dict[str, float] = {}
    for name, amount in zip(names, amounts.tolist(), strict=True):
        sums[name] = sums.get(name, 0.0) + amount
    return sorted(sums, key=lambda name: -sums[name])


def is_no_name(name: object) -> bool:
    """Whether a name is missing."""
    return name is None or (isinstance(name, float) and math.isnan(name))
