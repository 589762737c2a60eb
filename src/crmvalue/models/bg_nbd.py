"""BG/NBD: customers buy at random and may leave, unseen, after any repeat purchase [1]_.

While she is a customer, her purchases are Poisson with rate λ ~ Gamma(r, α); after each she leaves with chance
p ~ Beta(a, b). A customer without repeat purchases had no occasion to leave.

.. [1] Fader, Hardie & Lee (2005) "Counting your customers the easy way: an alternative to the Pareto/NBD model",
   Marketing Science 24(2), 275-284. https://doi.org/10.1287/mksc.1040.0098
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import (
    digamma_rise,
    expit,
    log_rising,
    purchases_until_dropout,
    trigamma_rise,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import Histories, PurchaseModel


class Params(NamedTuple):
    """Parameters, as in the paper."""

    r: float  # shape of the purchase rate
    alpha: float  # scale of the purchase rate, in time units
    a: float  # dropout: pseudo-count of leaving
    b: float  # dropout: pseudo-count of staying


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, eq. 6: she is alive, or she left after her last purchase."""
    r, alpha, a, b = params
    bought = log_rising(r, frequency) - r * np.log1p(T / alpha) - frequency * np.log(alpha + T)
    stayed = log_rising(b, frequency) - log_rising(np.add(a, b), frequency)  # B(a, b+x) / B(a, b)
    return bought + stayed + np.logaddexp(0, log_odds_left(params, frequency, recency, T))


def log_odds_left(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log odds that she has left by T; minus infinity for a customer who had no occasion to."""
    r, alpha, a, b = params
    silence = np.log1p((T - recency) / (alpha + recency))  # log of (α+T) / (α+t_x)
    odds = np.log(a) - np.log(b + np.maximum(frequency, 1) - 1) + (r + frequency) * silence
    return np.where(np.asarray(frequency) > 0, odds, -np.inf)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, a, b."""
    r, alpha, a, b = params
    shape, end, last = r + frequency, 1 / (alpha + T), 1 / (alpha + recency)
    odds = log_odds_left(params, frequency, recency, T)
    left = expit(odds)
    past = b + np.maximum(frequency, 1) - 1

    total = digamma_rise(a + b, frequency)
    smooth = (
        digamma_rise(r, frequency) - np.log1p(T / alpha),
        r / alpha - shape * end,
        -total,
        digamma_rise(b, frequency) - total,
    )
    by_odds = np.stack(  # of the log odds
        np.broadcast_arrays(np.log1p((T - recency) * last), shape * (end - last), 1 / a, -1 / past)
    )
    gradient = np.stack(smooth) + left * by_odds

    hessian = left * (1 - left) * by_odds[:, None] * by_odds[None, :]
    total = trigamma_rise(a + b, frequency)
    hessian[0, 0] += trigamma_rise(r, frequency)
    hessian[0, 1] += 1 / alpha - end + left * (end - last)
    hessian[1, 0] = hessian[0, 1]
    hessian[1, 1] += shape * end**2 - r / alpha**2 + left * shape * (last**2 - end**2)
    hessian[2, 2] -= total + left / a**2
    hessian[2, 3] -= total
    hessian[3, 2] = hessian[2, 3]
    hessian[3, 3] += trigamma_rise(b, frequency) - total + left / past**2
    return Derivatives(value=log_likelihood(params, frequency, recency, T), gradient=gradient, hessian=hessian)


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Moments of the purchases up to the last one, with a dropout that suits most shops."""
    n = counts.sum()
    time = counts @ T / n
    mean = counts @ frequency / n
    variance = counts @ (frequency - mean) ** 2 / n
    r = float(np.clip(mean**2 / np.maximum(variance - mean, 0.01 * mean), 0.1, 10))
    return Params(r=r, alpha=float(0.5 * r * time / mean), a=1.0, b=3.0)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    r, _, a, b = params
    if a < 1e-4 * (a + b):
        return "The chance to leave tends to 0: nobody leaves in these data, and the model tends to NBD"
    if b < 1e-4 * (a + b):
        return "The chance to leave tends to 1: nobody is seen to stay after a first repeat purchase"
    if r > 1e3:
        return "r and alpha grow together without end: all customers buy at one rate, as far as these data show"
    if a + b > 1e3:
        return (
            f"a and b grow together without end: as far as these data show, all customers leave with one chance "
            f"({a / (a + b):.2g} after each purchase)"
        )
    return "The likelihood rises towards the border of the parameters"


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T, from the odds in eq. 6."""
    return np.asarray(expit(-log_odds_left(params, frequency, recency, T)))


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make, eq. 9."""
    r, alpha, a, b = params
    return purchases_until_dropout(r, np.divide(t, alpha), a, b)


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T: the first part of eq. 10.

    Then λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b + x): she is a new customer with these parameters.
    """
    r, alpha, a, b = params
    return purchases_until_dropout(r + frequency, horizon / (alpha + T), a, b + frequency)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history, eq. 10."""
    expected = purchases_if_alive(params, horizon, frequency, T)
    return expected * probability_alive(params, frequency, recency, T)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    r, alpha, a, b = params
    T = np.asarray(T, dtype=float)
    would_buy = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * T).astype(float)
    leave = np.clip(rng.beta(a, b, T.shape), 1e-300, 1 - 1e-16)
    leaves_after = 1 + np.floor(rng.exponential(size=T.shape) / -np.log1p(-leave))  # geometric
    frequency = np.minimum(would_buy, leaves_after)
    # the x-th of N points that lie at random in (0, T)
    place = rng.beta(np.maximum(frequency, 1), would_buy - frequency + 1)
    recency = np.where(frequency > 0, T * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=would_buy < leaves_after)


BG_NBD = PurchaseModel(
    name="BG_NBD",
    title="BG/NBD",
    Params=Params,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    probability_alive=probability_alive,
    expected_purchases=expected_purchases,
    purchases_if_alive=purchases_if_alive,
    conditional_expected_purchases=conditional_expected_purchases,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_purchases`."""
