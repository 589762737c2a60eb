"""New customers with these covariates: what they are expected to bring, and how surely that is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from crmvalue._core.types import Array
from crmvalue.models.covariates import Effect, levels_by_column, params_with, processes_of
from crmvalue.models.discounting import (
    chebyshev_rule,
    discounted_purchases,
    period_ends,
    states_of,
    weighted_totals,
    weights_of_totals,
)
from crmvalue.models.distinct import States
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.series import of_states

FEW_TIMES = 6  # at which purchases are evaluated instead of more period ends
STEP = 1e-4  # of a logarithm, for differences on both sides: their error is of the order of its square


class Outlook(NamedTuple):
    """What is asked of a new customer's future."""

    fit: PurchaseFit
    spend: float | SpendFit
    horizon: float
    rate: float  # a time unit
    margin: float
    is_rough: bool = False  # for the width of an interval

    def purchases(self, params: Parameters, n: int) -> Array:
        """Return the repeat purchases expected over the horizon, and the same discounted; shape (2, n)."""
        model, none = self.fit.model, np.zeros(n)
        states = States(params, none, none, none, np.arange(n))
        alive = model.probability_alive(params, none, none, none)
        plain = of_states(model, lambda own, *rows: model.purchases_if_alive(own, self.horizon, *rows), states)
        if self.rate == 0:
            return np.stack([alive * plain, alive * plain])
        discounted = roughly_discounted if self.is_rough else discounted_purchases
        return np.stack([alive * plain, alive * discounted(model, states, self.horizon, self.rate)])

    def amount(self, params: Parameters, n: int) -> Array:
        """Return the mean spend a purchase, shape (1, n)."""
        if not isinstance(self.spend, SpendFit):
            return np.full((1, n), self.spend)
        return np.broadcast_to(self.spend.model.expected_spend(params, np.zeros(n), np.zeros(n)), (1, n))


def roughly_discounted(model: PurchaseModel, states: States, horizon: float, rate: float) -> Array:
    """Return discounted purchases to three digits, from few times."""
    ends = period_ends(horizon)
    weights = weights_of_totals(ends, rate)
    if len(ends) > FEW_TIMES:
        ends, weights = chebyshev_rule(ends, weights, FEW_TIMES)
    return of_states(
        model,
        lambda *own: weighted_totals(model.purchases_if_alive, states_of(*own), ends, weights),
        states,
    )


def both_outcomes(outlook: Outlook, pattern: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return purchases, plain and discounted, and the amount of each, of customers with these covariates."""
    n = rows_in(pattern)
    bought = outlook.purchases(params_for(outlook.fit, pattern), n)
    own = params_for(outlook.spend, pattern) if isinstance(outlook.spend, SpendFit) else ()
    return bought, outlook.amount(own, n)


def gradients(outlook: Outlook, pattern: Mapping[str, Array], weights: Array) -> list[Array]:
    """Return derivatives of mean purchases and mean value by the estimates of each fit, shape (2, k)."""
    bought, amount = both_outcomes(outlook, pattern)
    worth = np.stack([weights, weights * outlook.margin * amount[0]])
    found = [np.einsum("qn,qnk->qk", worth, slopes_of(outlook.fit, pattern, outlook.purchases))]
    if isinstance(outlook.spend, SpendFit):
        worth = np.stack([0 * weights, weights * outlook.margin * bought[1]])
        found.append(worth @ slopes_of(outlook.spend, pattern, outlook.amount)[0])
    return found


def spread(gradient: Array, fit: PurchaseFit | SpendFit) -> Array:
    """Variance of quantities with this gradient by the estimates, shape (q, k); one at its bound counts as known."""
    return np.asarray(np.einsum("qk,kl,ql->q", gradient, np.nan_to_num(fit.log_covariance), gradient))


def slopes_of(
    fit: PurchaseFit | SpendFit, pattern: Mapping[str, Array], outcome: Callable[[Parameters, int], Array]
) -> Array:
    """Return derivatives of the outcomes of each row by log parameters and coefficients, shape (q, n, k)."""
    params, n, names = params_for(fit, pattern), rows_in(pattern), fit.param_names
    slopes = []
    for name in names:
        up, down = (
            outcome(params._replace(**{name: getattr(params, name) * np.exp(step)}), n)  # type: ignore[attr-defined]
            for step in (STEP, -STEP)
        )
        slopes.append((up - down) / (2 * STEP))
    powers = {process.name: (names.index(process.parameter), process.power) for process in fit.model.processes}
    levels = levels_by_column(fit.effects)
    for effect in fit.effects:
        apart = difference(effect, pattern, levels)
        acting = [powers[process] for process in effect.processes]
        slopes.append(np.sum([power * slopes[place] * apart for place, power in acting], axis=0))
    return np.stack(slopes, axis=2)


def params_for(fit: PurchaseFit | SpendFit, pattern: Mapping[str, Array]) -> Parameters:
    """Return the parameters of customers with these covariates."""
    levels = levels_by_column(fit.effects)
    scores = {process: np.zeros(rows_in(pattern)) for process in processes_of(fit.effects)}
    for effect in fit.effects:
        for process in effect.processes:
            scores[process] += effect.coefficient * difference(effect, pattern, levels)
    return params_with(fit.model, fit.params, scores)


def rows_in(pattern: Mapping[str, Array]) -> int:
    """Return how many rows there are."""
    return len(next(iter(pattern.values())))


def difference(effect: Effect, pattern: Mapping[str, Array], levels: Mapping[str, Sequence[str]]) -> Array:
    """Return how far the covariate of an effect is from its reference, in each row."""
    values = pattern[effect.column]
    if effect.level is None:
        return values - float(effect.reference)
    return np.asarray(values == list(levels[effect.column]).index(effect.level), dtype=float)
