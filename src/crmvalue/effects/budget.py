"""A budget over channels: today's plan beside the best one, and what it costs if the curves are off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray
from crmvalue.effects.allocation import best_split, marginals, worth
from crmvalue.effects.curves import ResponseCurve, from_free, to_free
from crmvalue.effects.response import ResponseCurves
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

BEYOND = 1.0 + 1e-9  # times the highest spend seen
MOST_LOG_STEP = 5.0  # a parameter uncertain by more than a factor of 150 is not moved further
GIVEN = (
    "The curves tell what spending causes, also beyond the spends that were seen.",
    "The channels do not depend on each other, and what is spent works in the period in which it is spent.",
    "Every unit of the result is worth the same margin, in every channel if one margin is given.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BudgetPlan:
    """Spend and result of each channel today and at best, in the order of the curves; money in one currency."""

    channels: tuple[str, ...]
    current: Array  # spend today, shape (n,)
    best: Array  # best spend, shape (n,); sums to `total`
    low: Array  # bounds of the spend, shape (n,)
    high: Array
    current_result: Array  # result above the baseline of the spend today, shape (n,)
    best_result: Array  # and of the best spend, shape (n,)
    current_return: Array  # money kept from the next unit of money today, shape (n,); 1.2 is a marginal ROI of 20 %
    best_return: Array  # and at the best plan, shape (n,): equal in all channels between their bounds
    bound: AnyArray  # "low", "high" or "" where the best spend is between its bounds, shape (n,)
    regret: Array  # profit lost by this plan if the curve of the channel is off by its standard errors, shape (n,)
    total: float  # budget
    current_profit: float  # margin on the results, less the spend today
    best_profit: float  # margin on the results, less the budget
    gain: float  # best profit less current profit
    assumptions: tuple[str, ...]  # what must hold
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def best_marginal_roi(self) -> Array:
        """Profit of the next unit of money in each channel at the best plan, shape (n,)."""
        return self.best_return - 1

    def to_frame(self) -> pd.DataFrame:
        """Return one row a channel."""
        import pandas as pd

        return pd.DataFrame({"channel": list(self.channels), **{name: getattr(self, name) for name in COLUMNS}})


COLUMNS = (
    "current",
    "best",
    "low",
    "high",
    "current_result",
    "best_result",
    "current_return",
    "best_return",
    "bound",
    "regret",
)


def allocate_budget(
    curves: ResponseCurves | Sequence[ResponseCurve],
    total: float,
    *,
    current: Mapping[str, float],
    margin: float | Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> BudgetPlan:
    """Best split of a budget over channels, beside the split of today.

    Parameters
    ----------
    curves : ResponseCurves or sequence of ResponseCurve
        From `fit_response_curves`, or given by shape and parameters.
    total : float
        Budget of a period, above 0; all of it is spent.
    current : mapping
        Spend of today by channel; it need not add up to `total`.
    margin : float or mapping
        Money kept from one unit of the result: the share of revenue that is kept, or the contribution of an order or
        of a new customer. One number, or one for each channel.
    bounds : mapping, optional
        Least and highest spend by channel; a channel that is not named may get anything from 0 to `total`.

    Returns
    -------
    BudgetPlan
        Both plans, marginal returns, the gain, and the regret.

    Raises
    ------
    InputError
        If the budget is below the sum of the lower bounds or above that of the upper ones, a bound is wrong, or a
        channel is missing.

    Notes
    -----
    The plan makes ``sum(margin * response(spend))`` the highest with ``sum(spend) = total``: marginal returns are equal
    in all channels between their bounds. A Hill curve with s above 1 is S-shaped: its channel gets nothing (or its
    lower bound), or enough to leave the S part; at most one may stay within it, if the budget ends there. The regret of
    a channel moves its curve by one standard error along each axis of its covariance, plans anew, and takes the highest
    profit that the new plan has over this one on the moved curve.

    References
    ----------
    Koopman (1953) "The optimum distribution of effort", Journal of the Operations Research Society of America 1(2).
    https://doi.org/10.1287/opre.1.2.52

    Examples
    --------
    >>> curves = [ResponseCurve(channel=name, shape="power", params=(a, 0.5)) for name, a in [("tv", 2), ("web", 4)]]
    >>> plan = allocate_budget(curves, 500, current={"tv": 250, "web": 250}, margin=10)
    >>> plan.best.round(6)  # marginal 10 a / (2 sqrt(x)) is equal where spend goes with a squared, 1 : 4
    array([100., 400.])
    """
    listed = list(curves.curves if isinstance(curves, ResponseCurves) else curves)
    names = require_channels(listed)
    budget = require_number("total", total, above=0)
    low, high = read_bounds(names, budget, bounds)
    today = np.array([read_for("current", current, name, at_least=0.0) for name in names])
    weights = read_margins(names, margin)
    best = best_split(listed, weights, budget, low, high)
    tolerance = 1e-9 * budget
    at_low, at_high = best <= low + tolerance, best >= high - tolerance
    profits = [worth(listed, weights, plan) - float(plan.sum()) for plan in (today, best)]
    returns = marginals(listed, weights, best)
    results = [
        np.array([float(curve.response(x)) for curve, x in zip(listed, plan, strict=True)]) for plan in (today, best)
    ]
    regret = [regret_of(row, listed, weights, budget, low, high, best) for row in range(len(listed))]
    return BudgetPlan(
        channels=tuple(names),
        current=today,
        best=best,
        low=low,
        high=high,
        current_result=results[0],
        best_result=results[1],
        current_return=marginals(listed, weights, today),
        best_return=returns,
        bound=np.where(at_low, "low", np.where(at_high, "high", "")),
        regret=np.array(regret),
        total=budget,
        current_profit=profits[0],
        best_profit=profits[1],
        gain=profits[1] - profits[0],
        assumptions=GIVEN,
        notes=notes_on(listed, today, best, returns, np.asarray(at_low | at_high), budget),
    )


def require_channels(curves: list[ResponseCurve]) -> list[str]:
    """Return the names of the channels, or raise InputError unless there are curves, one a channel."""
    if not curves:
        raise InputError("curves: there is none. Pass at least one curve.")
    if not all(isinstance(curve, ResponseCurve) for curve in curves):
        raise InputError(f"curves: got {type(curves[0]).__name__}. Pass the result of fit_response_curves, or curves.")
    names = [curve.channel for curve in curves]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"curves: more than one for {', '.join(map(repr, twice))}. Pass one a channel.")
    return names


def read_for(
    argument: str, values: Mapping[str, float], name: str, *, at_least: float | None = None, above: float | None = None
) -> float:
    """Return the number of a channel, or raise InputError."""
    if name not in values:
        raise InputError(f"{argument}: channel {name!r} is missing. Pass a number for each channel.")
    return require_number(f"{argument} of {name!r}", values[name], at_least=at_least, above=above)


def read_margins(names: list[str], margin: float | Mapping[str, float]) -> Array:
    """Return the margin of each channel."""
    if isinstance(margin, Mapping):
        return np.array([read_for("margin", margin, name, above=0.0) for name in names])
    return np.full(len(names), require_number("margin", margin, above=0))


def read_bounds(
    names: list[str], budget: float, bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[Array, Array]:
    """Return the lower and upper bounds of the spends, or raise InputError if the budget does not fit them."""
    given = bounds or {}
    for name in given:
        require_option("bounds", name, names)
    low, high = np.zeros(len(names)), np.full(len(names), budget)
    for row, name in enumerate(names):
        if name not in given:
            continue
        pair = given[name]
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"bounds: of {name!r}, got {pair!r}. Pass the lowest and the highest spend.")
        least, most = pair
        low[row] = require_number(f"lower bound of {name!r}", least, at_least=0)
        high[row] = require_number(f"upper bound of {name!r}", most, at_least=0)
        if high[row] < low[row]:
            raise InputError(f"bounds: of {name!r}, {least:g} is above {most:g}. Pass the lower bound first.")
    if budget < low.sum():
        raise InputError(
            f"total: {budget:g} is below {low.sum():g}, the sum of the lower bounds. Raise the budget or lower them."
        )
    if budget > high.sum():
        raise InputError(
            f"total: {budget:g} is above {high.sum():g}, the sum of the upper bounds. Lower the budget or raise them."
        )
    return low, high


def regret_of(
    row: int, curves: list[ResponseCurve], weights: Array, budget: float, low: Array, high: Array, plan: Array
) -> float:
    """Return the highest profit lost by the plan if one curve is off by a standard error along an axis."""
    curve = curves[row]
    if not curve.covariance.size:
        return 0.0
    variances, axes = np.linalg.eigh(curve.covariance)
    free, lost = to_free(curve.shape, curve.params), 0.0
    for variance, axis in zip(variances, axes.T, strict=True):
        for sign in (-1.0, 1.0):
            move = sign * math.sqrt(max(variance, 0.0)) * axis
            moved = replace(curve, params=from_free(curve.shape, free + np.clip(move, -MOST_LOG_STEP, MOST_LOG_STEP)))
            other = [*curves[:row], moved, *curves[row + 1 :]]
            better = best_split(other, weights, budget, low, high)
            lost = max(lost, worth(other, weights, better) - worth(other, weights, plan))
    return lost


def notes_on(
    curves: list[ResponseCurve], today: Array, best: Array, returns: Array, bounded: BoolArray, budget: float
) -> tuple[str, ...]:
    """Say where the plan leaves what was seen, and whether the whole budget pays."""
    notes = []
    if abs(today.sum() - budget) > 1e-6 * budget:
        notes.append(
            f"Today's plan spends {today.sum():,.2f} and the best one {budget:,.2f}: part of the gain is the budget's."
        )
    for curve, spend in zip(curves, best, strict=True):
        if spend > curve.spend_high * BEYOND:
            notes.append(
                f"{curve.channel}: {spend:,.2f} is beyond the highest spend seen ({curve.spend_high:,.2f}): "
                "go there in steps, and measure."
            )
    free = returns[~bounded]
    if len(free) and free.min() < 1:
        notes.append(
            f"The last unit of money brings back {free.min():.2f}: a smaller budget would leave a higher profit."
        )
    return tuple(notes)
