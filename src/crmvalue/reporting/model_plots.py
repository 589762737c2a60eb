"""Plots of what a purchase model says, next to what was counted: curves, counts, a holdout, and every history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmvalue._core.checks import require_columns, require_option
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.reporting.drawing import HEAT, PALETTE, inches_of, is_narrow, legend, tidy
from crmvalue.reporting.formats import count_text, share_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KEY_INCHES = 8.5  # width that a key of six steps takes in one row
SHOWN = ("probability_alive", "expected_purchases")


def plot_tracking(
    table: pd.DataFrame,
    ax: Axes,
    *,
    cumulative: bool = True,
    time_unit: str = "period",
    fitted_until: int | None = None,
) -> Axes:
    """Repeat purchases of all customers over time, as counted and as expected.

    Parameters
    ----------
    table : pandas.DataFrame
        From `tracking`.
    ax : matplotlib.axes.Axes
        Where to draw.
    cumulative : bool
        Whether to add up from the beginning, or to show each period on its own.
    time_unit : str
        What a period is, for the label of the axis.
    fitted_until : int, optional
        Last period that the fit has seen; a line marks where its forecast begins.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    names = ("cumulative_actual", "cumulative_expected") if cumulative else ("actual", "expected")
    require_columns(list(table.columns), names, argument="table")
    period = table.index.to_numpy()
    actual, expected = (table[name].to_numpy(dtype=float) for name in names)
    ax.plot(period, actual, color=PALETTE["stone"], lw=2.4, label="Counted")
    ax.plot(period, expected, color=PALETTE["blue"], lw=2.2, ls=(0, (5, 2)), label="Expected by the model")
    if fitted_until is not None:
        ax.axvline(fitted_until, color=PALETTE["orange"], lw=1.4, label="Forecast from here")
    ax.set(xlim=(period[0], period[-1]), xlabel=f"{time_unit.capitalize()} since the first customer")
    ax.set_ylim(0, 1.06 * float(max(actual.max(), expected.max())))
    ax.set_ylabel("Repeat purchases so far" if cumulative else f"Repeat purchases a {time_unit}")
    ax.yaxis.set_major_formatter(lambda y, _: count_text(y))
    tidy(ax, values_on="y")
    legend(ax, columns=1 if is_narrow(ax) else 3)
    return ax


def plot_frequency_fit(table: pd.DataFrame, ax: Axes) -> Axes:
    """How many customers made 0, 1, 2, ... repeat purchases, as counted and as expected.

    Parameters
    ----------
    table : pandas.DataFrame
        From `frequency_fit`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    require_columns(list(table.columns), ("observed", "expected"), argument="table")
    pair_bars(ax, table["observed"].to_numpy(dtype=float), table["expected"].to_numpy(dtype=float))
    label_groups(ax, table, "Repeat purchases")
    ax.set_ylabel("Customers")
    ax.yaxis.set_major_formatter(lambda y, _: count_text(y))
    return ax


def plot_holdout_by_frequency(table: pd.DataFrame, ax: Axes) -> Axes:
    """Mean purchases in the holdout period, as counted and as expected, by the repeat purchases before it.

    Parameters
    ----------
    table : pandas.DataFrame
        From `holdout_by_frequency`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    require_columns(list(table.columns), ("customers", "actual", "expected"), argument="table")
    pair_bars(ax, table["actual"].to_numpy(dtype=float), table["expected"].to_numpy(dtype=float))
    names = label_groups(ax, table, "Repeat purchases before, and how many customers made them")
    if not is_narrow(ax):
        counted = [count_text(n) for n in table["customers"]]
        ax.set_xticks(np.arange(len(table)), [f"{name}\n{n}" for name, n in zip(names, counted, strict=True)])
        tidy(ax, values_on="y")
    else:
        ax.set_xlabel("Repeat purchases before")
    ax.set_ylabel("Purchases a customer")
    return ax


def pair_bars(ax: Axes, actual: Array, expected: Array) -> None:
    """Two bars a group: what was counted, and what the model expected."""
    rows = np.arange(len(actual))
    ax.bar(rows - 0.2, np.nan_to_num(actual), width=0.36, color=PALETTE["stone"], label="Counted")
    ax.bar(rows + 0.2, np.nan_to_num(expected), width=0.36, color=PALETTE["blue"], label="Expected by the model")


def label_groups(ax: Axes, table: pd.DataFrame, label: str) -> list[str]:
    """Name the groups of a table by frequency, whose last one holds all above, and return the names."""
    names = [*map(str, table.index[:-1]), f"{table.index[-1]}+"]
    ax.set_xticks(np.arange(len(names)), names)
    ax.set_xlabel(label)
    tidy(ax, values_on="y")
    legend(ax)
    return names


def plot_history_table(
    table: pd.DataFrame,
    ax: Axes,
    *,
    value: Literal["probability_alive", "expected_purchases"] = "probability_alive",
    time_unit: str = "time unit",
) -> Axes:
    """Heat map of what the model says of every history: frequency across, recency upwards.

    Parameters
    ----------
    table : pandas.DataFrame
        From `history_table`, for one customer.
    ax : matplotlib.axes.Axes
        Where to draw.
    value : {"probability_alive", "expected_purchases"}
        What the colour shows.
    time_unit : str
        Unit of recency, for the label of the axis.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If a column is missing, or the table holds the histories of several customers.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    require_option("value", value, SHOWN)
    require_columns(list(table.columns), ("frequency", "recency", value), argument="table")
    if "customer_id" in table.columns and table["customer_id"].nunique() > 1:
        raise InputError(
            "table: the histories of several customers. Pass those of one, table[table['customer_id'] == ...]."
        )
    grid = table.pivot(index="recency", columns="frequency", values=value)
    shown = grid.to_numpy(dtype=float)
    edges = np.linspace(0, 1, len(HEAT) + 1) if value == "probability_alive" else round_edges(float(np.nanmax(shown)))
    recency, frequency = grid.index.to_numpy(dtype=float), grid.columns.to_numpy(dtype=float)
    half = 0.5 * float(np.diff(recency).min()) if len(recency) > 1 else 0.5
    sides = np.append(frequency - 0.5, frequency[-1] + 0.5), np.append(recency - half, recency[-1] + half)
    colours, steps = ListedColormap(HEAT), BoundaryNorm(edges.tolist(), len(HEAT))
    ax.pcolormesh(*sides, np.ma.masked_invalid(shown), cmap=colours, norm=steps, antialiased=False)
    ax.set_xlabel("Repeat purchases")
    ax.set_ylabel("Recency" if is_narrow(ax) else f"{time_unit.capitalize()}s from first to last purchase")
    every = max(1, int(np.ceil(len(frequency) / (8 if is_narrow(ax) else 24))))
    ax.set_xticks(frequency[::every], [f"{x:.0f}" for x in frequency[::every]])
    tidy(ax, values_on="both")
    ax.grid(visible=False)
    handles: list[Any] = [
        Patch(color=colour, label=edge_text(low, high, value))
        for colour, low, high in zip(HEAT, edges, edges[1:], strict=False)
    ]
    legend(ax, handles=handles, columns=6 if inches_of(ax) > KEY_INCHES else 3)
    return ax


def round_edges(top: float) -> Array:
    """Edges of as many steps as there are colours, from 0 to at least the top, a round number apart."""
    width = max(top, 1e-9) / len(HEAT)
    size = 10.0 ** np.floor(np.log10(width))
    nice = size * min((step for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * size >= width * (1 - 1e-9)), default=10.0)
    edges: Array = np.arange(len(HEAT) + 1) * nice
    return edges


def edge_text(low: float, high: float, value: str) -> str:
    """Return what one colour stands for."""
    if value == "probability_alive":
        return f"{share_text(low, 0)}–{share_text(high, 0)}"
    return f"{low:.3g}–{high:.3g}"
