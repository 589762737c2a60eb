"""Purchases over a horizon, discounted period by period."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from crmvalue._core.types import Array, IntArray
from crmvalue.models.distinct import States
from crmvalue.models.model import PurchaseModel

FEW_PERIODS = 24  # up to here, every period is evaluated
NODES = (24, 40, 64)  # evaluations over the horizon that are tried instead
CHECKED_ROWS = 32  # histories on which a number of nodes must prove itself
VALUES_AT_ONCE = 32_768  # bounds the memory
INTERPOLATION_ERROR = 1e-11  # allowed there, relative


def period_ends(horizon: float) -> Array:
    """Return the ends of the periods, one time unit each; the last may be shorter and ends at the horizon."""
    ends = np.arange(1, np.ceil(horizon) + 1)
    ends[-1] = horizon
    return ends


def weights_of_totals(ends: Array, rate: float) -> Array:
    """Weights that make Σ w_k E(t_k) of the discounted sum Σ (1+rate)^−t_k [E(t_k) − E(t_k−1)]."""
    factors = (1 + rate) ** -ends
    return np.asarray(factors - np.append(factors[1:], 0.0))


def discounted_purchases(model: PurchaseModel, states: States, horizon: float, rate: float) -> Array:
    """Discounted purchases in (T, T + horizon] of customers alive at T, one a state, counted at each period's end.

    Expected purchases are a smooth function of the horizon. Many periods are therefore read from a Chebyshev series
    in log time, once it agrees with the plain sum on the rows that stress it most.
    """
    ends = period_ends(horizon)
    weights = weights_of_totals(ends, rate)
    if len(ends) <= FEW_PERIODS:
        return weighted_totals(model, states, ends, weights)
    some = rows_of(states, extreme_rows(states.frequency, states.T))
    known = weighted_totals(model, some, ends, weights)
    for n in NODES:
        if n >= len(ends):
            break
        series = chebyshev_rule(horizon, ends, weights, n)
        error = np.abs(weighted_totals(model, some, *series) / known - 1).max()
        if error < INTERPOLATION_ERROR:
            return weighted_totals(model, states, *series)
    return weighted_totals(model, states, ends, weights)


def weighted_totals(model: PurchaseModel, states: States, times: Array, weights: Array) -> Array:
    """Weighted sum of the purchases expected up to each time, a bounded number of values at once."""
    params, frequency, recency, T, _ = states
    total = np.zeros(len(T))
    at_once = max(1, VALUES_AT_ONCE // len(T))
    for begin in range(0, len(times), at_once):
        part = slice(begin, begin + at_once)
        total += weights[part] @ model.purchases_if_alive(params, times[part, None], frequency, recency, T)
    return total


def rows_of(states: States, rows: IntArray) -> States:
    """Return some of the states."""
    params = states.params
    if any(np.ndim(value) for value in params):  # a NamedTuple, whose type must stay
        params = type(params)(*(np.broadcast_to(value, states.T.shape)[rows] for value in params))
    return States(params, states.frequency[rows], states.recency[rows], states.T[rows], np.arange(len(rows)))


def chebyshev_rule(horizon: float, ends: Array, weights: Array, n: int) -> tuple[Array, Array]:
    """Return times and weights of n Chebyshev points in log(t + horizon/50) for the sum over `ends`."""
    shift = horizon / 50
    low, high = np.log(shift), np.log(horizon + shift)
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    times = np.exp(low + (x + 1) / 2 * (high - low)) - shift
    place = 2 * (np.log(ends + shift) - low) / (high - low) - 1
    to_coefficients = 2 / n * chebvander(x, n - 1)
    to_coefficients[:, 0] /= 2
    return times, to_coefficients @ (weights @ chebvander(place, n - 1))


def extreme_rows(frequency: Array, T: Array) -> IntArray:
    """Rows with the smallest and largest T, frequency, and purchases a time, and some between."""
    few = CHECKED_ROWS // 8
    orders = [np.argsort(key, kind="stable") for key in (T, frequency, frequency / (T + 1e-9 * T.max() + 1e-300))]
    spread = np.linspace(0, len(T) - 1, few).astype(np.intp)
    return np.unique(np.concatenate([spread, *(order[:few] for order in orders), *(order[-few:] for order in orders)]))
