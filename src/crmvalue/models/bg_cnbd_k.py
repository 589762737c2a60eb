"""BG/CNBD-k: regular buyers, who may leave, unseen, after any repeat purchase [1]_, [2]_.

While she is a customer, the times between her purchases are Erlang-k: each purchase is the k-th of the events of a
Poisson process with rate λ ~ Gamma(r, α). After each she leaves with chance p ~ Beta(a, b). k = 1 is BG/NBD; the higher
k, the more regular the purchases, and the more a silence says.

.. [1] Platzer & Reutterer (2016) "Ticking away the moments: timing regularity helps to better predict customer
   activity", Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
.. [2] Reutterer, Platzer & Schröder (2021) "Leveraging purchase regularity for predicting customer behavior the easy
   way", International Journal of Research in Marketing 38(1), 194-215. https://doi.org/10.1016/j.ijresmar.2020.09.002
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.quadrature import NEGLIGIBLE, as_rows, from_zero
from crmvalue._core.special import (
    digamma_rise,
    expit,
    gammaln,
    log_choices,
    log_rising,
    log_rising_ratio,
    of_count,
    trigamma_rise,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models import bg_nbd, phases
from crmvalue.models.bg_nbd import BG_NBD, NOBODY
from crmvalue.models.discounted_phases import discounted_for_ever, discounted_time
from crmvalue.models.model import Histories, PurchaseModel

MOST_REGULAR = 24  # largest k that a fit tries: gaps that vary by a fifth of their mean


class Params(NamedTuple):
    """Parameters, as in the papers."""

    r: float  # shape of the rate of events
    alpha: float  # scale of the rate of events, in time units
    a: float  # dropout: pseudo-count of leaving
    b: float  # dropout: pseudo-count of staying
    k: float  # events a purchase: a whole number


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, the x − 1 purchases before the last one taken as lying at random before it.

    So it compares with that of BG/NBD. What the gaps between purchases say besides is `regularity.log_evenness`.
    """
    return log_likelihood_of_stays(params, frequency, frequency, recency, T)


def log_likelihood_of_stays(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same for a customer who had so many occasions to leave: her repeat purchases, or one more."""
    r, alpha, a, b, k = params
    x, events = frequency, np.multiply(k, frequency)
    last = np.log(np.maximum(recency, 1e-300) / (alpha + T))  # the k·x-th event was at recency
    bought = of_count(ways_of_events, events, r) + np.where(np.asarray(x) > 0, np.log(k), 0.0) + gammaln(x + 1)
    bought = bought - r * np.log1p(T / alpha) - x * np.log(alpha + T) + (events - x) * last
    stayed = log_rising(b, stays) - log_rising(np.add(a, b), stays)  # B(a, b+x) / B(a, b)
    quiet = np.log(phases.quiet_sum(k, r + events, (T - recency) / (alpha + T)))
    return bought + stayed + quiet + np.logaddexp(0, log_odds_left(params, stays, frequency, recency, T))


def ways_of_events(events: Array, r: float | Array) -> Array:
    """Logarithm of Γ(r + n) / (Γ(r) n!), for n events."""
    return log_choices(r, events)


def log_odds_left(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Log odds that she has left by T; minus infinity for a customer who had no occasion to."""
    r, alpha, a, b, k = params
    n = r + np.multiply(k, frequency)
    silence = np.log1p((T - recency) / (alpha + recency))  # log of (α+T) / (α+t_x)
    quiet = np.log(phases.quiet_sum(k, n, (T - recency) / (alpha + T)))  # fewer than k events, as if alive
    odds = np.log(a) - np.log(b + np.maximum(stays, 1) - 1) + n * silence - quiet
    return np.where(np.asarray(stays) > 0, odds, -np.inf)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, a, b; those in k are set to 0."""
    return derivatives_of_stays(params, frequency, frequency, recency, T)


def derivatives_of_stays(params: Params, stays: Array, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Return the same for a customer who had so many occasions to leave."""
    r, alpha, a, b, k = params
    events = np.multiply(k, frequency)
    n, end, last = r + events, 1 / (alpha + T), 1 / (alpha + recency)
    left = expit(log_odds_left(params, stays, frequency, recency, T))
    past = b + np.maximum(stays, 1) - 1
    mean, bend = quiet_derivatives(k, n, end, T - recency)

    total = digamma_rise(a + b, stays)
    smooth = np.broadcast_arrays(
        digamma_rise(r, events) - np.log1p(T / alpha) + mean[0],
        r / alpha - n * end + mean[1],
        -total,
        digamma_rise(b, stays) - total,
    )
    by_odds = np.stack(  # of the log odds
        np.broadcast_arrays(np.log1p((T - recency) * last) - mean[0], n * (end - last) - mean[1], 1 / a, -1 / past)
    )
    gradient = np.stack(smooth) + left * by_odds

    hessian = left * (1 - left) * by_odds[:, None] * by_odds[None, :]
    hessian[:2, :2] += (1 - left) * bend
    total = trigamma_rise(a + b, stays)
    hessian[0, 0] += trigamma_rise(r, events)
    hessian[0, 1] += 1 / alpha - end + left * (end - last)
    hessian[1, 0] = hessian[0, 1]
    hessian[1, 1] += n * end**2 - r / alpha**2 + left * n * (last**2 - end**2)
    hessian[2, 2] -= total + left / a**2
    hessian[2, 3] -= total
    hessian[3, 2] = hessian[2, 3]
    hessian[3, 3] += trigamma_rise(b, stays) - total + left / past**2
    value = log_likelihood_of_stays(params, stays, frequency, recency, T)
    with_k = np.zeros((5, *gradient.shape[1:])), np.zeros((5, 5, *gradient.shape[1:]))
    with_k[0][:4], with_k[1][:4, :4] = gradient, hessian
    return Derivatives(value=value, gradient=with_k[0], hessian=with_k[1])


def quiet_derivatives(k: float | Array, n: Array, end: Array, silence: Array) -> tuple[Array, Array]:
    """Return slopes (2,) and bends (2, 2) of the log of the sum over j < k, in r and α, for each row.

    Each term's logarithm has slopes 1/n + ... + 1/(n+j−1) in r and −j/(α+T) in α. Means and covariances over the terms
    give those of the sum.
    """
    zero = np.zeros(np.broadcast_shapes(np.shape(k), np.shape(n), np.shape(silence)))
    term, rise, bend_r = zero + 1, zero, zero  # at j = 0
    total, first, second = zero + 1, [zero, zero], [zero, zero, zero]
    share = silence * end
    for j in range(1, phases.most(k)):
        step = n + j - 1
        term = np.where(np.asarray(k) > j, term * (step / j * share), 0.0)
        rise, bend_r = rise + 1 / step, bend_r - 1 / step**2
        total = total + term
        first = [first[0] + term * rise, first[1] + term * j]
        second = [second[0] + term * (rise**2 + bend_r), second[1] + term * rise * j, second[2] + term * j * (j + 1)]
    by_r, by_alpha = first[0] / total, -first[1] / total * end
    bends = second[0] / total, -second[1] / total * end, second[2] / total * end**2
    cross = bends[1] - by_r * by_alpha
    return np.stack([by_r, by_alpha]), np.array([[bends[0] - by_r**2, cross], [cross, bends[2] - by_alpha**2]])


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Return those of BG/NBD, which is where k begins."""
    return Params(*bg_nbd.start(frequency, recency, T, counts), k=1.0)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    if params.a < NOBODY * (params.a + params.b):
        return "The chance to leave tends to 0: nobody leaves in these data"
    return bg_nbd.diagnosis(bg_nbd.Params(*params[:4]))


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one is at these parameters: BG/NBD where k = 1."""
    return BG_NBD if round(params.k) == 1 else None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T, from the odds in the likelihood."""
    return np.asarray(expit(-log_odds_left(params, frequency, frequency, recency, T)))


def ahead(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> phases.Ahead:
    """Return what the future of a customer alive at T depends on: p ~ Beta(a, b + x), and her events since recency."""
    r, alpha, a, b, k = params
    values = k, r + np.multiply(k, frequency), alpha + T, T - recency, a, b + frequency, horizon
    return phases.Ahead(*np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values)))


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon: the mean of (1−p)^N over her N purchases."""
    return phases.expectation(phases.survival, *ahead(params, horizon, frequency, recency, T))


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on: E(1/p) gaps of k events, less those since the last purchase."""
    shape, rows = as_rows(*ahead(params, np.asarray(1.0), frequency, recency, T))
    state = phases.Ahead(*rows)
    gaps = bg_nbd.purchases_for_ever(state.a, state.b)
    share = state.silence / state.scale
    weight, total, whole = np.ones(len(gaps)), np.zeros(len(gaps)), np.zeros(len(gaps))
    for j in range(phases.most(state.k)):
        there = np.where(state.k > j, weight, 0.0)
        time = (state.k * gaps - j) * bg_nbd.mean_gap(state.shape + j, state.scale)
        total += np.where(there > 0, there, 1.0) * np.where(there > 0, time, 0.0)
        whole += there
        weight = weight * (state.shape + j) / (j + 1) * share
    return (total / whole).reshape(shape)


def discounted_lifetime_if_alive(params: Params, rate: float, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same, discounted by exp(-rate · time from T)."""
    shape, rows = as_rows(*ahead(params, np.asarray(1.0), frequency, recency, T))
    return discounted_time(rate, phases.Ahead(*rows)).reshape(shape)


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make."""
    none = np.zeros(np.shape(t))
    return purchases_if_alive(params, t, none, none, none)


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T.

    The mean of [1 − (1−p)^N] / p over the N purchases that her events would bring.
    """
    return phases.expectation(phases.purchases, *ahead(params, horizon, frequency, recency, T))


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T.

    She would buy just so often and stays after each, or she would buy at least so often and leaves after that one.
    """
    state = ahead(params, horizon, frequency, recency, T)
    some = np.maximum(count, 1)
    stays = np.exp(-log_rising_ratio(state.b, state.a, some - 1.0))  # after each purchase but the last
    last = state.a + state.b + some - 1
    exactly = phases.chance_of_count(np.asarray(count), state)
    at_least = phases.chance_of_at_least(some, state)
    bought = stays * ((state.b + some - 1) / last * exactly + state.a / last * at_least)
    return np.asarray(np.where(np.asarray(count) > 0, bought, exactly))


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon]: she does not leave before it."""
    return phases.chance_of_at_least(np.ones(1), ahead(params, horizon, frequency, recency, T))


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T); infinite if so.

    The integral of their rate at T + u, times exp(-rate·u). The rate swings with the gaps between purchases.
    """
    shape, rows = as_rows(*ahead(params, np.asarray(start), frequency, recency, T))
    state = phases.Ahead(*rows)
    if rate == 0 and np.isinf(stop):  # the mean of (1−p)^N/p: 1/p moves the weight of p to Beta(a − 1, b)
        later = np.ones(len(state.k))
        if start > 0:
            one_less = state._replace(a=np.where(state.a > 1, state.a - 1, 1.0))
            later = phases.expectation(phases.survival, *one_less)
        return (bg_nbd.purchases_for_ever(state.a, state.b) * later).reshape(shape)
    if start == 0 and np.isinf(stop):
        return discounted_for_ever(rate, state).reshape(shape)
    total = np.empty(len(state.k))
    length = np.full(len(state.k), min(stop - start, NEGLIGIBLE / rate if rate else np.inf))
    quick = (state.scale + start) / (state.shape + 1)
    swings = 1 + (state.k - 1) / 3  # the rate swings more often before it settles, the more regular she is
    for part, u, weight, width in from_zero(np.minimum(quick, 1 / rate) if rate else quick, length, swings):
        own = phases.Ahead(*(value[part, None] for value in state))._replace(horizon=start + u)
        speed = phases.expectation(phases.purchase_rate, *own)
        total[part] = width * np.einsum("ij,ij->i", weight, speed * np.exp(-rate * (start + u)))
    return total.reshape(shape)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    return simulate_from(params, T, rng, first_occasion=1)


def simulate_from(params: Params, T: Array, rng: np.random.Generator, *, first_occasion: int) -> Histories:
    """Draw customers who may leave from this repeat purchase on; 0 is the first purchase of all."""
    r, alpha, a, b, k = params
    T = np.asarray(T, dtype=float)
    events = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * T)
    would_buy = np.floor(events / k)
    leave = np.clip(rng.beta(a, b, T.shape), 1e-300, 1 - 1e-16)
    leaves_after = first_occasion + np.floor(rng.exponential(size=T.shape) / -np.log1p(-leave))  # geometric
    frequency = np.minimum(would_buy, leaves_after)
    # the k·x-th of so many points that lie at random in (0, T)
    place = rng.beta(np.maximum(k * frequency, 1), events - k * frequency + 1)
    recency = np.where(frequency > 0, T * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=would_buy < leaves_after)


BG_CNBD_K = PurchaseModel(
    name="BG_CNBD_K",
    title="BG/CNBD-k",
    Params=Params,
    time_powers=(0, 1, 0, 0, 0),
    processes=BG_NBD.processes,
    k_values=tuple(range(1, MOST_REGULAR + 1)),
    is_discrete=False,
    is_memoryless=False,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    probability_alive=probability_alive,
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
