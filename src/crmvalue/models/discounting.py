"""Purchases over a horizon, and periods begun as a customer, discounted period by period."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from crmvalue._core.types import Array, IntArray
from crmvalue.models.distinct import States
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.series import of_states, rows_of

FEW_PERIODS = 24  # up to here, every period is evaluated
NODES = (24, 40, 64)  # evaluations over the horizon that are tried instead
FEW_ROWS = 4  # at each end of what sets histories apart, on which a number of nodes must prove itself
VALUES_AT_ONCE = 32_768  # bounds the memory
INTERPOLATION_ERROR = 1e-11  # allowed there, relative
WEIGHTS_AT_ONCE = 1_000_000  # where each customer has a rate of her own; bounds the memory


def period_ends(horizon: float) -> Array:
    """Return the ends of the periods, one time unit each; the last may be shorter and ends at the horizon."""
    ends = np.arange(1, np.ceil(horizon) + 1)
    ends[-1] = horizon
    return ends


def factors_at(ends: Array, rate: float | Array) -> Array:
    """Value today of 1 paid at each end, shape (k,); for rates of n customers, shape (n, k)."""
    return np.asarray((1 + np.asarray(rate)[..., None]) ** -ends)


def weights_of_totals(ends: Array, rate: float | Array) -> Array:
    """Weights that make Σ w_k E(t_k) of the discounted sum Σ (1+rate)^−t_k [E(t_k) − E(t_k−1)]."""
    factors = factors_at(ends, rate)
    later = np.zeros_like(factors)
    later[..., :-1] = factors[..., 1:]
    return factors - later


def discounted_purchases(model: PurchaseModel, states: States, horizon: float, rate: float | Array) -> Array:
    """Discounted purchases in (T, T + horizon] of customers alive at T, one a state, counted at each period's end."""
    ends = period_ends(horizon)
    return summed(model, model.purchases_if_alive, states, ends, rate, weights_of_totals)


def discounted_periods_begun(model: PurchaseModel, states: States, horizon: float, rate: float | Array) -> Array:
    """Discounted periods in (T, T + horizon] that a customer alive at T begins as one, counted at each period's end."""
    ends = period_ends(horizon)
    lengths = np.diff(ends, prepend=0.0)

    def weights(starts: Array, rate: float | Array) -> Array:
        return factors_at(ends[1:], rate) * lengths[1:]

    total = np.broadcast_to(factors_at(ends[:1], rate)[..., 0] * lengths[0], states.T.shape)
    return total + summed(model, model.survival_if_alive, states, ends[:-1], rate, weights) if len(ends) > 1 else total


def summed(
    model: PurchaseModel,
    value: Callable[..., Array],
    states: States,
    times: Array,
    rate: float | Array,
    weights_of: Callable[[Array, float | Array], Array],
) -> Array:
    """Weighted sum of a value at these times, for each state; `rate` is one for all or one each.

    The value is a smooth function of time. Many times are therefore read from a Chebyshev series in log time, once it
    agrees with the plain sum on the rows that stress it most.
    """
    if not np.ndim(rate):
        weights = weights_of(times, rate)
        return of_states(model, lambda *own: summed_at(value, states_of(*own), times, weights), states)
    total, at_once = np.empty(len(states.T)), max(1, WEIGHTS_AT_ONCE // len(times))
    for begin in range(0, len(total), at_once):
        rows = np.arange(begin, min(begin + at_once, len(total)))
        total[rows] = summed_at(value, rows_of(states, rows), times, weights_of(times, np.asarray(rate)[rows]))
    return total


def states_of(params: Parameters, frequency: Array, recency: Array, T: Array) -> States:
    """Return histories as states, each its own."""
    return States(params, frequency, recency, T, np.arange(len(T)))


def summed_at(value: Callable[..., Array], states: States, times: Array, weights: Array) -> Array:
    """Weighted sum at these times, or at fewer that serve as well; weights of shape (k,) or (n, k)."""
    if len(times) <= FEW_PERIODS:
        return weighted_totals(value, states, times, weights)
    rows = extreme_rows(states)
    some = rows_of(states, rows)
    known = weighted_totals(value, some, times, weights[rows] if weights.ndim > 1 else weights)
    for n in NODES:
        if n >= len(times):
            break
        nodes, series = chebyshev_rule(times, weights, n)
        found = weighted_totals(value, some, nodes, series[rows] if weights.ndim > 1 else series)
        if (np.abs(found - known) <= INTERPOLATION_ERROR * known).all():
            return weighted_totals(value, states, nodes, series)
    return weighted_totals(value, states, times, weights)


def weighted_totals(value: Callable[..., Array], states: States, times: Array, weights: Array) -> Array:
    """Weighted sum of the value at each time, a bounded number of values at once."""
    params, frequency, recency, T, _ = states
    total = np.zeros(len(T))
    at_once = max(1, VALUES_AT_ONCE // len(T))
    for begin in range(0, len(times), at_once):
        part = slice(begin, begin + at_once)
        values = value(params, times[part, None], frequency, recency, T)
        total += weights[part] @ values if weights.ndim == 1 else np.einsum("nk,kn->n", weights[:, part], values)
    return total


def chebyshev_rule(ends: Array, weights: Array, n: int) -> tuple[Array, Array]:
    """Return times and weights of n Chebyshev points in log(t + horizon/50) for the sum over `ends`."""
    times, matrix = chebyshev_matrix(ends, n)
    return times, weights @ matrix


def chebyshev_matrix(ends: Array, n: int) -> tuple[Array, Array]:
    """Return times and the matrix, shape (k, n), that turns values at these times into values at the ends."""
    horizon = float(ends[-1])
    shift = horizon / 50
    low, high = np.log(shift), np.log(horizon + shift)
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    times = np.exp(low + (x + 1) / 2 * (high - low)) - shift
    place = 2 * (np.log(ends + shift) - low) / (high - low) - 1
    to_coefficients = 2 / n * chebvander(x, n - 1)
    to_coefficients[:, 0] /= 2
    return times, chebvander(place, n - 1) @ to_coefficients.T


def values_at(value: Callable[..., Array], states: States, times: Array) -> Array:
    """Return the value at each time, shape (k, n): many are read from a series, once it agrees with plain values."""
    if len(times) > FEW_PERIODS:
        some = rows_of(states, extreme_rows(states))
        known = value(some.params, times[:, None], some.frequency, some.recency, some.T)
        for n in NODES:
            if n >= len(times):
                break
            nodes, matrix = chebyshev_matrix(times, n)
            found = matrix @ value(some.params, nodes[:, None], some.frequency, some.recency, some.T)
            if (np.abs(found - known) <= INTERPOLATION_ERROR * known.max(axis=0)).all():
                return np.asarray(
                    matrix @ value(states.params, nodes[:, None], states.frequency, states.recency, states.T)
                )
    return value(states.params, times[:, None], states.frequency, states.recency, states.T)


def extreme_rows(states: States) -> IntArray:
    """Rows with the smallest and largest T, frequency, purchases a time and parameters, and some between."""
    params, frequency, _, T, _ = states
    keys = [T, frequency, frequency / (T + 1e-9 * T.max() + 1e-300), *(own for own in params if np.ndim(own))]
    orders = [np.argsort(key, kind="stable") for key in keys]
    spread = np.linspace(0, len(T) - 1, FEW_ROWS).astype(np.intp)
    ends = [end for order in orders for end in (order[:FEW_ROWS], order[-FEW_ROWS:])]
    return np.unique(np.concatenate([spread, *ends]))
