"""BG/NBD: customers buy at random and may leave, unseen, after any repeat purchase [1]_.

While she is a customer, her purchases are Poisson with rate λ ~ Gamma(r, α); after each she leaves with chance
p ~ Beta(a, b). A customer without repeat purchases had no occasion to leave.

.. [1] Fader, Hardie & Lee (2005) "Counting your customers the easy way: an alternative to the Pareto/NBD model",
   Marketing Science 24(2), 275-284. https://doi.org/10.1287/mksc.1040.0098
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.parts import parts
from crmvalue._core.quadrature import NEGLIGIBLE, from_zero
from crmvalue._core.special import (
    digamma_rise,
    expit,
    log_negative_binomial,
    log_rising,
    mean_power,
    negative_binomial_tail,
    purchases_until_dropout,
    softplus,
    trigamma_rise,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models import nbd
from crmvalue.models.discounted_phases import discounted_for_ever, discounted_time
from crmvalue.models.likelihood import LogOdds, rises, softplus_sum
from crmvalue.models.model import Histories, Process, PurchaseModel
from crmvalue.models.nbd import NBD
from crmvalue.models.phases import Ahead

NOBODY = 1e-4  # chance to leave after a purchase below which the likelihood is that of NBD


class Params(NamedTuple):
    """Parameters, as in the paper."""

    r: float  # shape of the purchase rate
    alpha: float  # scale of the purchase rate, in time units
    a: float  # dropout: pseudo-count of leaving
    b: float  # dropout: pseudo-count of staying


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, eq. 6: she is alive, or she left after her last purchase."""
    return log_likelihood_of_stays(params, frequency, frequency, recency, T)


def log_likelihood_of_stays(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same for a customer who had so many occasions to leave: her repeat purchases, or one more."""
    r, alpha, a, b = params
    bought = log_rising(r, frequency) - r * np.log1p(T / alpha) - frequency * np.log(alpha + T)
    stayed = log_rising(b, stays) - log_rising(np.add(a, b), stays)  # B(a, b+x) / B(a, b)
    return bought + stayed + np.logaddexp(0, log_odds_left(params, stays, frequency, recency, T))


def log_odds_left(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Log odds that she has left by T; minus infinity for a customer who had no occasion to."""
    r, alpha, a, b = params
    silence = np.log1p((T - recency) / (alpha + recency))  # log of (α+T) / (α+t_x)
    odds = np.log(a / (b + (np.maximum(stays, 1) - 1))) + (r + frequency) * silence
    return np.where(np.asarray(stays) > 0, odds, -np.inf)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, a, b."""
    return derivatives_of_stays(params, frequency, frequency, recency, T)


def derivatives_of_stays(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Return the same for a customer who had so many occasions to leave."""
    r, alpha, a, b = params
    odds = derivatives_of_odds(params, stays, frequency, recency, T)
    more, left = softplus(np.where(stays > 0, odds.value, -np.inf))
    shape, end = r + frequency, 1 / (alpha + T)
    total = digamma_rise(a + b, stays)
    smooth = (
        digamma_rise(r, frequency) - np.log1p(T / alpha),
        r / alpha - shape * end,
        -total,
        digamma_rise(b, stays) - total,
    )
    by_odds = np.stack(np.broadcast_arrays(*odds.slopes))
    gradient = np.stack(smooth) + left * by_odds

    hessian = left * (1 - left) * by_odds[:, None] * by_odds[None, :]
    total = trigamma_rise(a + b, stays)
    hessian[0, 0] += trigamma_rise(r, frequency)
    hessian[0, 1] += 1 / alpha - end
    hessian[1, 1] += shape * end**2 - r / alpha**2
    hessian[2, 2] -= total
    hessian[2, 3] -= total
    hessian[3, 3] += trigamma_rise(b, stays) - total
    for (i, j), bend in odds.bends.items():
        hessian[i, j] += left * bend
    hessian[1, 0], hessian[3, 2] = hessian[0, 1], hessian[2, 3]
    bought = log_rising(r, frequency) - r * np.log1p(T / alpha) - frequency * np.log(alpha + T)
    value = bought + log_rising(b, stays) - log_rising(a + b, stays) + more
    return Derivatives(value=value, gradient=gradient, hessian=hessian)


def derivatives_of_odds(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> LogOdds:
    """Return the log odds that she has left by T, if she had an occasion to, with their derivatives by r, α, a, b."""
    r, alpha, a, b = params
    shape, end, last = r + frequency, 1 / (alpha + T), 1 / (alpha + recency)
    silence, closer = np.log1p((T - recency) * last), end - last
    by_alpha, by_b = shape * closer, -1 / (b + (np.maximum(stays, 1) - 1))
    return LogOdds(
        value=np.log(-a * by_b) + shape * silence,
        slopes=(silence, by_alpha, 1 / a, by_b),
        bends={(0, 1): closer, (1, 1): -by_alpha * (end + last), (2, 2): -1 / a**2, (3, 3): by_b**2},
    )


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the parameters."""
    return summed_of_stays(frequency, frequency, recency, T, counts)


def summed_of_stays(
    stays: Array, frequency: Array, recency: Array, T: Array, counts: IntArray
) -> Callable[[Params], Derivatives]:
    """Return the same for customers who had so many occasions to leave; only the odds need a look at each history."""
    bought, rise = nbd.summed(frequency, recency, T, counts), rises(stays, counts)
    at_risk = stays > 0
    rows = [column[at_risk] for column in (stays, frequency, recency, T, counts.astype(float))]

    def total(params: Params) -> Derivatives:
        r, alpha, a, b = params
        smooth, stayed, every = bought(nbd.Params(r, alpha)), rise(b), rise(a + b)
        value = smooth.value + stayed.value - every.value
        gradient = np.array([*smooth.gradient, -every.slope, stayed.slope - every.slope])
        hessian = np.zeros((4, 4))
        hessian[:2, :2] = smooth.hessian
        hessian[2:, 2:] = -every.bend
        hessian[3, 3] += stayed.bend
        for part in parts(len(rows[0])):
            *own, weights = (column[part] for column in rows)
            left = softplus_sum(derivatives_of_odds(params, *own), weights)
            value, gradient, hessian = value + left.value, gradient + left.gradient, hessian + left.hessian
        return Derivatives(value=value, gradient=gradient, hessian=hessian)

    return total


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
    if a < NOBODY * (a + b):
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


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one tends to at these parameters: NBD where nobody leaves."""
    return NBD if params.a < NOBODY * (params.a + params.b) else None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T, from the odds in eq. 6."""
    return np.asarray(expit(-log_odds_left(params, frequency, frequency, recency, T)))


def alive_of_many(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same of many customers: 1 for those who had no occasion to leave."""
    r, alpha, a, b = params
    alive = np.ones(len(T))
    for part in parts(len(T)):
        rows = np.flatnonzero(frequency[part] > 0)
        x, t_x, end = (column[part].take(rows) for column in (frequency, recency, T))
        silent = np.exp((-r - x) * np.log1p((end - t_x) / (alpha + t_x)))
        alive[part][rows] = silent / (silent + a / (b + (x - 1)))
    return alive


def aged(params: Params, T: Array) -> Params:
    """Return the parameters with which a new customer is like one alive at T, but for what her purchases say."""
    r, alpha, a, b = params
    return Params(r, np.add(alpha, T), a, b)  # type: ignore[arg-type]  # one for each customer


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon: the mean of (1−p)^N over her N purchases."""
    r, alpha, a, b = params
    return mean_power(r + frequency, horizon / (alpha + T), a, b + frequency)


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on: a mean gap E(1/λ) for each of E(1/p) purchases to come."""
    r, alpha, a, b = params
    return mean_gap(r + frequency, alpha + T) * purchases_for_ever(a, b + frequency)


def discounted_lifetime_if_alive(params: Params, rate: float, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same, discounted by exp(-rate · time from T)."""
    r, alpha, a, b = params
    given = np.broadcast_arrays(r + frequency, alpha + T, a, b + frequency)
    shape, scale, first, past = (np.asarray(value, dtype=float).ravel() for value in given)
    return discounted_time(rate, at_random(shape, scale, first, past)).reshape(given[0].shape)


def at_random(shape: Array, scale: Array, a: Array, b: Array) -> Ahead:
    """Return what the future of customers depends on if every event is a purchase."""
    none = np.zeros(len(shape))
    return Ahead(none + 1, shape, scale, none, a, b, none)


def mean_gap(shape: Array, scale: Array) -> Array:
    """Return the mean of 1/λ over λ ~ Gamma(shape, scale); infinite for a shape of at most 1."""
    with np.errstate(divide="ignore"):
        return np.where(shape > 1, scale / np.maximum(shape - 1, 0), np.inf)


def purchases_for_ever(a: float | Array, b: Array) -> Array:
    """Return the mean of 1/p over p ~ Beta(a, b); infinite for a of at most 1."""
    with np.errstate(divide="ignore"):
        return np.where(np.asarray(a) > 1, (a + b - 1) / np.maximum(np.subtract(a, 1), 0), np.inf)


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make, eq. 9."""
    r, alpha, a, b = params
    return purchases_until_dropout(r, np.divide(t, alpha), a, b)


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T: the first part of eq. 10.

    Then λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b + x): she is a new customer with these parameters.
    """
    r, alpha, a, b = params
    return purchases_until_dropout(r + frequency, horizon / (alpha + T), a, b + frequency)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history, eq. 10."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T, as in eq. 8.

    She would buy just so often and stays after each, or she would buy at least so often and leaves after that one.
    """
    r, alpha, a, b = params
    shape, growth, past = r + frequency, horizon / (alpha + T), b + frequency
    some = np.maximum(count, 1)
    stays = np.exp(log_rising(past, some - 1) - log_rising(a + past, some - 1))  # after each purchase but the last
    last = a + past + some - 1
    exactly = np.exp(log_negative_binomial(count, shape, growth))
    at_least = negative_binomial_tail(some, shape, growth)
    bought = stays * ((past + some - 1) / last * exactly + a / last * at_least)
    return np.asarray(np.where(np.asarray(count) > 0, bought, exactly))


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon]: she does not leave before it."""
    return nbd.purchase_if_alive(nbd.Params(params.r, params.alpha), horizon, frequency, recency, T)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T); infinite if so.

    The integral of their rate at T + u, (r+x)/(α+T) · mean of [1 + p·u/(α+T)]^−(r+x+1), times exp(-rate·u).
    """
    given = np.broadcast_arrays(params.r + frequency, params.alpha + T, params.a, params.b + frequency)
    shape, scale, a, b = (np.asarray(value, dtype=float).ravel() for value in given)
    if rate == 0 and np.isinf(stop):  # the mean of (1−p)^N/p: 1/p moves the weight of p to Beta(a − 1, b)
        later = mean_power(shape, start / scale, np.where(a > 1, a - 1, 1.0), b)
        return (purchases_for_ever(a, b) * later).reshape(given[0].shape)
    if start == 0 and np.isinf(stop):
        return discounted_for_ever(rate, at_random(shape, scale, a, b)).reshape(given[0].shape)
    total = np.empty(len(shape))
    length = np.full(len(shape), min(stop - start, NEGLIGIBLE / rate if rate else np.inf))
    quick = (scale + start) / (shape + 1)
    for rows, u, weight, width in from_zero(np.minimum(quick, 1 / rate) if rate else quick, length):
        own = shape[rows, None], scale[rows, None], a[rows, None], b[rows, None]
        speed = own[0] / own[1] * mean_power(own[0] + 1, (start + u) / own[1], *own[2:])
        total[rows] = width * np.einsum("ij,ij->i", weight, speed * np.exp(-rate * (start + u)))
    return total.reshape(given[0].shape)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    return simulate_from(params, T, rng, first_occasion=1)


def simulate_from(params: Params, T: Array, rng: np.random.Generator, *, first_occasion: int) -> Histories:
    """Draw customers who may leave from this repeat purchase on; 0 is the first purchase of all."""
    r, alpha, a, b = params
    T = np.asarray(T, dtype=float)
    would_buy = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * T).astype(float)
    leave = np.clip(rng.beta(a, b, T.shape), 1e-300, 1 - 1e-16)
    leaves_after = first_occasion + np.floor(rng.exponential(size=T.shape) / -np.log1p(-leave))  # geometric
    frequency = np.minimum(would_buy, leaves_after)
    # the x-th of N points that lie at random in (0, T)
    place = rng.beta(np.maximum(frequency, 1), would_buy - frequency + 1)
    recency = np.where(frequency > 0, T * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=would_buy < leaves_after)


BG_NBD = PurchaseModel(
    name="BG_NBD",
    title="BG/NBD",
    Params=Params,
    time_powers=(0, 1, 0, 0),
    processes=(Process("purchases", "alpha", -1), Process("dropout", "a", 1)),
    is_discrete=False,
    is_memoryless=True,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    summed=summed,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    aged=aged,
    probability_alive=probability_alive,
    alive_of_many=alive_of_many,
    survival_if_alive=survival_if_alive,
    lifetime_if_alive=lifetime_if_alive,
    discounted_lifetime_if_alive=discounted_lifetime_if_alive,
    expected_purchases=expected_purchases,
    purchases_if_alive=purchases_if_alive,
    conditional_expected_purchases=conditional_expected_purchases,
    mass_if_alive=mass_if_alive,
    purchase_if_alive=purchase_if_alive,
    residual_purchases_if_alive=residual_purchases_if_alive,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_purchases`."""
