"""Discrete Weibull: all customers are alike, and the chance to leave falls or rises with tenure [1]_.

She stays through t periods with chance exp(−λ t^c). It is the limit of BdW when customers do not differ.

.. [1] Nakagawa & Osaki (1975) "The discrete Weibull distribution", IEEE Transactions on Reliability R-24(5), 300-301.
   https://doi.org/10.1109/TR.1975.5214915
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import RetentionModel, Tenures
from crmvalue.models.residual_lifetime import discounted_periods


class Params(NamedTuple):
    """Parameters; the paper writes q for exp(−rate) and β for c."""

    rate: float  # minus the logarithm of the chance to renew for the first time
    c: float  # duration dependence: 1 for none


def log_likelihood(params: Params, tenure: Array, churned: Array) -> Array:
    """Log-likelihood of each customer: she left in period `tenure`, or was still there after it."""
    stayed = np.subtract(tenure, churned)
    hazard = np.where(np.asarray(churned) > 0, hazard_sum(params, np.maximum(tenure, 1)), np.inf)
    return log_survival(params, stayed) + log_leaving_at(hazard)


def log_leaving_at(hazard: Array) -> Array:
    """Logarithm of 1 − exp(−hazard), the chance to leave in a period, also where it is nearly 0 or 1."""
    with np.errstate(divide="ignore"):  # nobody leaves
        return np.where(hazard < 0.5, np.log(-np.expm1(-hazard)), np.log1p(-np.exp(-np.maximum(hazard, 0.5))))


def log_survival(params: Params, t: Array) -> Array:
    """Logarithm of the chance to stay through t periods."""
    rate, c = params
    with np.errstate(over="ignore"):  # nobody stays
        return np.asarray(-rate * np.power(t, c, dtype=float))


def hazard_sum(params: Params, t: Array) -> Array:
    """Return log S(t − 1) / S(t), from t = 1 on."""
    rate, c = params
    return rate * rise_of_power(t, c)


def rise_of_power(t: Array, c: float | Array) -> Array:
    """Return t^c − (t − 1)^c, from t = 1 on, without the difference of two large powers."""
    with np.errstate(over="ignore", divide="ignore"):  # at t = 1 all of t^c is new
        return np.asarray(-np.power(t, c, dtype=float) * np.expm1(c * np.log1p(-1 / np.asarray(t, dtype=float))))


def log_leaving(params: Params, t: Array) -> Array:
    """Logarithm of S(t − 1) − S(t), the chance to leave in period t = 1, 2, ..."""
    return log_likelihood(params, t, np.ones_like(t, dtype=float))


def retention_rate(params: Params, t: Array) -> Array:
    """Share of those still there after period t − 1 who stay through period t."""
    return np.asarray(np.exp(-hazard_sum(params, t)))


def residual_lifetime(params: Params, tenure: Array, rate: Array, stop: Array) -> Array:
    """Discounted periods that remain to a customer of this tenure, the present one included."""
    own, c = params
    return discounted_periods(np.inf, own, c, tenure, rate, stop)


def derivatives(params: Params, tenure: Array, churned: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in rate, c."""
    rate, c = params
    stayed, end = np.subtract(tenure, churned), np.maximum(tenure, 1)
    before = tuple(-rows for rows in of_rate_and_rise(rate, *powers(stayed, c)))
    hazard = of_rate_and_rise(rate, *rises(end, c))
    value = log_likelihood(params, tenure, churned)
    return left_or_stayed(value, before, hazard, hazard_sum(params, end), churned)


def of_rate_and_rise(rate: float | Array, rise: Array, slope: Array, bend: Array) -> tuple[Array, Array]:
    """First and second derivatives of rate · rise in rate, c; slope and bend are those of rise in c."""
    rows = [np.stack([0 * rise, slope]), np.stack([slope, rate * bend])]
    return np.stack([rise, rate * slope]), np.stack(rows)


def powers(t: Array, c: float | Array) -> tuple[Array, Array, Array]:
    """Return t^c with its first and second derivative in c; at t = 0 all are 0."""
    power, log_t = np.power(t, c, dtype=float), np.log(np.maximum(t, 1))
    return power, power * log_t, power * log_t**2


def rises(t: Array, c: float | Array) -> tuple[Array, Array, Array]:
    """Return t^c − (t − 1)^c with its first and second derivative in c: sums of terms of one sign."""
    rise, before = rise_of_power(t, c), np.power(np.subtract(t, 1), c, dtype=float)
    log_t, step = np.log(t), -np.log1p(-1 / np.maximum(t, 2))  # of the logarithm; at t = 1 it meets a power of 0
    late = np.maximum(log_t - step, 0.0)
    return rise, rise * log_t + before * step, rise * log_t**2 + before * step * (log_t + late)


def left_or_stayed(
    value: Array, before: tuple[Array, ...], by_hazard: tuple[Array, ...], hazard: Array, churned: Array
) -> Derivatives:
    """Return the derivatives of f = log S(t) for those who stayed, and of f + log(1 − e^−h) for those who left.

    The hazard h = log S(t) / S(t + 1) comes with derivatives of its own: the difference of two values of f has lost its
    digits where few leave. `before` and `by_hazard` hold first and second derivatives.
    """
    left = np.asarray(churned) > 0
    hazard = np.where(left, hazard, 1.0)
    odds = np.where(left, np.exp(-hazard) / -np.expm1(-hazard), 0.0)  # 1 / (e^h − 1)
    slope, bend = by_hazard
    more = odds * bend - odds * (1 + odds) * slope[:, None] * slope[None, :]
    return Derivatives(value=value, gradient=before[0] + odds * slope, hessian=before[1] + more)


def start(tenure: Array, churned: Array, counts: IntArray) -> Params:
    """Return the chance to leave over all periods, the same in each."""
    return Params(rate=mean_rate(tenure, churned, counts), c=1.0)


def mean_rate(tenure: Array, churned: Array, counts: IntArray) -> float:
    """Return minus the logarithm of the share that renews, over all renewals."""
    left = float(counts @ churned)
    return float(-np.log1p(-left / (float(counts @ tenure) + 0.5)))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    if params.c < 1:
        return "c tends to 0: those who stay at first never leave in these data"
    return "c grows without end: all leave at one tenure in these data"


def limit(params: Params) -> RetentionModel | None:
    """Return no simpler model."""
    return None


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Tenures:
    """Draw customers whose contracts run for T periods; infinite T shows when each leaves."""
    rate, c = params
    T = np.asarray(T, dtype=float)
    leaves_in = 1 + np.floor((rng.exponential(size=T.shape) / rate) ** (1 / np.asarray(c)))
    return Tenures(tenure=np.minimum(leaves_in, T), churned=leaves_in <= T)


DISCRETE_WEIBULL = RetentionModel(
    name="DISCRETE_WEIBULL",
    title="discrete Weibull",
    Params=Params,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    log_survival=log_survival,
    log_leaving=log_leaving,
    retention_rate=retention_rate,
    residual_lifetime=residual_lifetime,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_retention`."""
