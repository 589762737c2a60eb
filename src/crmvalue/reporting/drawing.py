"""The pen of the plots: one small palette that colour-blind readers can tell apart, texts, ticks and keys.

Every colour drawn comes from the palette, so that a page can replace each by its own, for example in dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmvalue._core.types import AnyArray
from crmvalue.reporting.formats import money_tick, month_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

PALETTE = {
    "ink": "#1b2027",
    "muted": "#56606d",
    "line": "#dfe3e8",
    "blue": "#0067a6",
    "stone": "#84909d",
    "orange": "#c25400",
    "green": "#00805c",
    "sand": "#a67f0e",
    "heat1": "#e3eef7",
    "heat2": "#bcd9ee",
    "heat3": "#8bbde0",
    "heat4": "#559ccb",
    "heat5": "#2477ad",
    "heat6": "#0b4f80",
    "onheat": "#fefefe",
}
HEAT = [PALETTE[f"heat{level}"] for level in range(1, 7)]
STACK = [PALETTE[name] for name in ("blue", "orange", "green", "sand", "stone")]
MOST_COHORTS = 24  # rows and columns of a heat map that can be read
NARROW_INCHES = 6.0  # below this width a figure is for a phone: fewer ticks, no numbers in cells


def is_narrow(ax: Axes) -> bool:
    """Whether the figure is drawn for a phone, or as narrow beside others."""
    return inches_of(ax) < NARROW_INCHES


def inches_of(ax: Axes) -> float:
    """Return the width of the figure, or of the share of this picture where several stand side by side."""
    place = ax.get_subplotspec()
    beside = place.get_gridspec().ncols / len(place.colspan) if place else 1
    return float(ax.figure.bbox.width) / ax.figure.dpi / beside


def write(
    ax: Axes,
    point: tuple[Any, Any],
    text: str,
    *,
    ha: Literal["left", "center", "right"] = "left",
    va: Literal["top", "center", "bottom"] = "center",
    size: float = 11,
    color: str = "ink",
    bold: bool = False,
) -> None:
    """Write a text near a point of the data, in a colour of the palette; a dollar sign is a dollar sign."""
    gap = (4 if ha == "left" else 0, 2 if va == "bottom" else 0)
    note = ax.annotate(text, point, xytext=gap, textcoords="offset points", ha=ha, va=va, size=size)
    note.set(color=PALETTE[color], weight="bold" if bold else "normal", parse_math=False)


def period_ticks(ax: Axes, periods: AnyArray) -> None:
    """Label as many months as there is room for, the last one among them."""
    room = 5 if is_narrow(ax) else 10
    every = max(1, int(np.ceil(len(periods) / room)))
    shown = np.arange(len(periods))[::-1][::every][::-1]
    ax.set_xticks(shown, [month_text(periods[row]).replace(" ", "\n") for row in shown])


def money_axis(axis: Axis, currency: str = "") -> None:
    """Label an axis with amounts, at steps that two digits can tell: 1.2M and 1.4M, not 1.25M."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda amount, _: money_tick(amount, currency))


def tidy(ax: Axes, *, values_on: Literal["x", "y", "both"] | None) -> None:
    """Take away frames and tick marks; draw the grid of the axis of values, or hide the x axis if none is drawn."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=5, labelcolor=PALETTE["muted"], labelsize=11 if is_narrow(ax) else 12)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(color=PALETTE["muted"], size=11 if is_narrow(ax) else 12)
    ax.set_axisbelow(True)
    if values_on is None:
        ax.xaxis.set_visible(False)
        ax.tick_params(axis="y", labelcolor=PALETTE["ink"])
    else:
        ax.grid(axis=values_on, color=PALETTE["line"], lw=1)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)


def legend(ax: Axes, *, handles: Sequence[Any] | None = None, columns: int = 2) -> None:
    """Put the key above the picture, without a frame: from the left of the figure, or of this picture of several."""
    from matplotlib.transforms import blended_transform_factory

    left = ax.figure.transSubfigure if len(ax.figure.axes) == 1 else ax.transAxes
    shown = handles if handles is not None else ax.get_legend_handles_labels()[0]
    box = ax.legend(
        handles=shown,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        bbox_transform=blended_transform_factory(left, ax.transAxes),
        ncols=columns,
        frameon=False,
        fontsize=11 if is_narrow(ax) else 12,
        labelcolor=PALETTE["ink"],
        handlelength=1.1,
        handleheight=0.9,
        columnspacing=1.3,
        borderaxespad=0.3,
    )
    for text in box.get_texts():
        text.set_parse_math(False)
