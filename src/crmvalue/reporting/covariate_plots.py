"""Picture of what covariates change: one row a change, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue.reporting.drawing import PALETTE, tidy, write
from crmvalue.reporting.formats import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmvalue.models.covariate_effects import CovariateEffects


def plot_covariate_effects(
    result: CovariateEffects, ax: Axes, *, of: Literal["purchases", "value"] = "purchases"
) -> Axes:
    """Change in a new customer's purchases or value with each covariate, with its interval.

    Parameters
    ----------
    result : CovariateEffects
        From `covariate_effects`.
    ax : matplotlib.axes.Axes
        Where to draw.
    of : {"purchases", "value"}
        What is drawn.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If `of` is neither.
    """
    require_option("of", of, ("purchases", "value"))
    found = result.purchases if of == "purchases" else result.value
    rows = np.arange(len(found))
    for row, (change, lower, upper) in zip(rows, found, strict=True):
        colour = PALETTE["stone" if lower <= 0 <= upper else "blue"]
        ax.plot([lower, upper], [row, row], color=colour, lw=3, solid_capstyle="butt")
        ax.plot([change], [row], "o", color=colour, ms=8)
        write(ax, (change, row - 0.14), signed(f"{change:+,.3g}"), ha="center", va="bottom", bold=True)
    ax.axvline(0, color=PALETTE["muted"], lw=1)
    names = [f"{name}\n{change}" for name, change in zip(result.covariates, result.changes, strict=True)]
    ax.set_yticks(rows, names)
    ax.set_ylim(len(found) - 0.5, -0.6)
    ax.xaxis.set_major_formatter(lambda x, _: signed(f"{x:,g}"))
    what = "repeat purchases" if of == "purchases" else "value"
    ax.set_xlabel(f"Change in {what} over {result.horizon:g} {result.time_unit}s")
    tidy(ax, values_on="x")
    return ax
