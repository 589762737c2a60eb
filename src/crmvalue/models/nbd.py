"""NBD: customers buy at random, each at her own rate, and nobody leaves [1]_.

Purchases are Poisson with rate λ ~ Gamma(r, α). It is what the models with dropout tend to where nobody leaves.

.. [1] Ehrenberg (1959) "The pattern of consumer purchases", Applied Statistics 8(1), 26-41.
   https://doi.org/10.2307/2985810
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import (
    digamma_rise,
    log_negative_binomial,
    log_rising,
    trigamma_rise,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models.distinct import codes
from crmvalue.models.likelihood import rises
from crmvalue.models.model import Histories, Process, PurchaseModel


class Params(NamedTuple):
    """Parameters, as in the paper (its k is r, its mean r/α a time unit)."""

    r: float  # shape of the purchase rate
    alpha: float  # scale of the purchase rate, in time units


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer's purchase times; recency says nothing where nobody leaves."""
    r, alpha = params
    return np.asarray(log_rising(r, frequency) - r * np.log1p(T / alpha) - frequency * np.log(alpha + T))


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α."""
    r, alpha = params
    shape, end = r + frequency, 1 / (alpha + T)
    gradient = np.stack(np.broadcast_arrays(digamma_rise(r, frequency) - np.log1p(T / alpha), r / alpha - shape * end))
    hessian = np.empty((2, *gradient.shape))
    hessian[0, 0] = trigamma_rise(r, frequency)
    hessian[0, 1] = hessian[1, 0] = 1 / alpha - end
    hessian[1, 1] = shape * end**2 - r / alpha**2
    return Derivatives(value=log_likelihood(params, frequency, recency, T), gradient=gradient, hessian=hessian)


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers with its derivatives: over a histogram of frequency and one of T."""
    rise = rises(frequency, counts)
    place = codes(T)
    customers = np.bincount(place, weights=counts)
    bought = np.bincount(place, weights=counts * frequency)  # by customers of each T
    times = np.empty(len(customers))
    times[place] = T

    def total(params: Params) -> Derivatives:
        r, alpha = params
        end = 1 / (alpha + times)
        passed = times * end / alpha  # 1/α − 1/(α + T)
        growth = np.log1p(times / alpha)
        by_r, shared = rise(r), float(customers @ passed)
        by_alpha = r * shared - float(bought @ end)
        bend = float(bought @ end**2) - r * float(customers @ (passed * (end + 1 / alpha)))
        return Derivatives(
            value=np.asarray(by_r.value - r * (customers @ growth) - bought @ np.log(alpha + times)),
            gradient=np.array([by_r.slope - float(customers @ growth), by_alpha]),
            hessian=np.array([[by_r.bend, shared], [shared, bend]]),
        )

    return total


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Moments of the purchases."""
    n = counts.sum()
    time = counts @ T / n
    mean = counts @ frequency / n
    variance = counts @ (frequency - mean) ** 2 / n
    r = float(np.clip(mean**2 / np.maximum(variance - mean, 0.01 * mean), 0.05, 50))
    return Params(r=r, alpha=float(r * time / mean))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    if params.r > 1e3:
        return "r and alpha grow together without end: all customers buy at one rate, as far as these data show"
    return "The likelihood rises towards the border of the parameters"


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one tends to at these parameters: there is none in the registry."""
    return None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T: 1, for nobody leaves."""
    return np.ones_like(params.r * params.alpha * frequency * recency * T)


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon: 1."""
    return np.ones_like(params.r * params.alpha * frequency * horizon * T)


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on: without end."""
    return np.full_like(params.r * params.alpha * frequency * T, np.inf)


def expected_purchases(params: Params, t: Array) -> Array:
    """Purchases up to t that a new customer is expected to make."""
    return np.asarray(params.r * np.divide(t, params.alpha))


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her: her rate is Gamma(r + x, α + T)."""
    return np.asarray((params.r + frequency) * horizon / (params.alpha + T))


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history."""
    return purchases_if_alive(params, horizon, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon]: negative binomial."""
    r, alpha = params
    return np.exp(log_negative_binomial(count, r + frequency, horizon / (alpha + T)))


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon]: 1 − [(α+T) / (α+T+horizon)]^(r+x)."""
    r, alpha = params
    return -np.expm1(-(r + frequency) * np.log1p(horizon / (alpha + T)))


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T)."""
    if rate == 0:
        return purchases_if_alive(params, np.asarray(stop - start), frequency, recency, T)
    discounted = np.exp(-rate * start) * -np.expm1(-rate * (stop - start)) / rate
    return purchases_if_alive(params, np.asarray(discounted), frequency, recency, T)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    r, alpha = params
    T = np.asarray(T, dtype=float)
    frequency = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * T).astype(float)
    place = rng.beta(np.maximum(frequency, 1), 1.0)  # the last of x points that lie at random in (0, T)
    recency = np.where(frequency > 0, T * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=np.ones(T.shape, dtype=bool))


NBD = PurchaseModel(
    name="NBD",
    title="NBD",
    Params=Params,
    time_powers=(0, 1),
    processes=(Process("purchases", "alpha", -1),),
    is_discrete=False,
    is_memoryless=True,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    summed=summed,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    probability_alive=probability_alive,
    survival_if_alive=survival_if_alive,
    lifetime_if_alive=lifetime_if_alive,
    expected_purchases=expected_purchases,
    purchases_if_alive=purchases_if_alive,
    conditional_expected_purchases=conditional_expected_purchases,
    mass_if_alive=mass_if_alive,
    purchase_if_alive=purchase_if_alive,
    residual_purchases_if_alive=residual_purchases_if_alive,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_purchases`."""
