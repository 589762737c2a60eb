"""BG/BB: customers have whole opportunities to buy, each customer her own number of them, and may leave unseen [1]_.

While she is a customer, she buys at each opportunity with chance p ~ Beta(α, β); before each, she leaves with chance
θ ~ Beta(γ, δ). T counts her opportunities since the first purchase, recency is the one at which she last bought, and
frequency how many she took: frequency <= recency <= T.

.. [1] Fader, Hardie & Shang (2010) "Customer-base analysis in a discrete-time noncontractual setting", Marketing
   Science 29(6), 1086-1108. https://doi.org/10.1287/mksc.1100.0580
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.quadrature import as_rows, unit_rule
from crmvalue._core.rises import log_rise
from crmvalue._core.special import digamma_rise, log_choices, log_rising, log_rising_ratio, mean_power, trigamma_rise
from crmvalue._core.types import Array, IntArray
from crmvalue.models.likelihood import row_by_row
from crmvalue.models.model import Histories, Process, PurchaseModel

Rise = Callable[[Any, Any], Array]
"""log Γ(z + n) / Γ(z), or a derivative of it in z."""

MOST_TERMS = 250_000  # of the sums over last opportunities that are held at once
NEAR_NODES = 12  # exact to the last bit over half a unit whose nearest pole is half a unit away
FEW = 4096  # opportunities up to which a finite stretch is summed one by one


class Params(NamedTuple):
    """Parameters, as in the paper."""

    alpha: float  # chance to buy: pseudo-count of purchases
    beta: float  # chance to buy: pseudo-count of opportunities not taken
    gamma: float  # dropout: pseudo-count of leaving
    delta: float  # dropout: pseudo-count of staying


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, eq. 5: she is alive at T, or she left before a later opportunity."""
    lasts, still = last_opportunities(recency, T)
    terms = log_terms(params, np.asarray(frequency)[..., None], lasts, still)
    peak = terms.max(axis=-1)
    return np.asarray(peak + np.log(np.exp(terms - peak[..., None]).sum(axis=-1)))


def last_opportunities(recency: Array, T: Array) -> tuple[Array, Array]:
    """Return T − i for i = 0, 1, ...: the last opportunity she may have had; NaN before recency. And whether i is 0."""
    recency, T = np.broadcast_arrays(np.asarray(recency, dtype=float), np.asarray(T, dtype=float))
    silence = T - recency
    steps = np.arange(int(silence.max(initial=0)) + 1)
    return np.where(steps <= silence[..., None], T[..., None] - steps, np.nan), steps == 0


def log_terms(params: Params, x: Array, last: Array, still: Array, rise: Rise = log_rising) -> Array:
    """Log probability of her purchases and that `last` was her last opportunity so far (`still`) or for ever."""
    alpha, beta, gamma, delta = per_row(params)
    seen = np.where(np.isnan(last), x, last)
    bought = rise(alpha, x) + rise(beta, seen - x) - rise(alpha + beta, seen)
    stayed = rise(delta, seen) - rise(gamma + delta, seen)
    leaves = np.where(still, 0.0, np.log(gamma) - np.log(gamma + delta + seen))
    return np.asarray(np.where(np.isnan(last), -np.inf, bought + stayed + leaves))


def per_row(params: Params) -> tuple[Array, ...]:
    """Return the parameters, those that differ between customers as columns."""
    return tuple(np.asarray(value)[..., None] if np.ndim(value) else np.asarray(value) for value in params)


def derivatives_of_terms(
    params: Params, x: Array, last: Array, still: Array, slope: Rise, bend: Rise
) -> tuple[tuple[Array, ...], dict[tuple[int, int], Array]]:
    """Return slopes by α, β, γ, δ and second derivatives, those that are not 0, of the logarithms of the terms.

    `slope` and `bend` are the derivatives of log Γ(z + n) / Γ(z) in z.
    """
    alpha, beta, gamma, delta = per_row(params)
    seen = np.where(np.isnan(last), x, last)
    gone = np.where(still, 0.0, 1.0)
    both, stay = slope(alpha + beta, seen), slope(gamma + delta, seen + gone)
    slopes = (
        slope(alpha, x) - both,
        slope(beta, seen - x) - both,
        gone / gamma - stay,
        slope(delta, seen) - stay,
    )
    both, stay = bend(alpha + beta, seen), bend(gamma + delta, seen + gone)
    bends = {
        (0, 0): bend(alpha, x) - both,
        (0, 1): -both,
        (1, 1): bend(beta, seen - x) - both,
        (2, 2): -gone / gamma**2 - stay,
        (2, 3): -stay,
        (3, 3): bend(delta, seen) - stay,
    }
    return slopes, bends


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in α, β, γ, δ.

    They are means and covariances, over her last opportunity, of the derivatives of the terms of the sum.
    """
    x = np.asarray(frequency, dtype=float)[:, None]
    last, still = last_opportunities(recency, T)
    terms = log_terms(params, x, last, still, log_rise)
    peak = terms.max(axis=1, keepdims=True)
    share = np.exp(terms - peak)
    total = share.sum(axis=1, keepdims=True)
    share = share / total

    slopes, bends = derivatives_of_terms(params, x, last, still, digamma_rise, trigamma_rise)
    gradient = np.stack([np.einsum("ij,ij->i", share, slope) for slope in slopes])
    spread = [slope - mean[:, None] for slope, mean in zip(slopes, gradient, strict=True)]
    hessian = np.empty((4, *gradient.shape))
    for i in range(4):
        weighted = share * spread[i]
        for j in range(i, 4):
            hessian[i, j] = np.einsum("ij,ij->i", weighted, spread[j])
            if (i, j) in bends:
                hessian[i, j] += np.einsum("ij,ij->i", share, np.broadcast_to(bends[i, j], share.shape))
            hessian[j, i] = hessian[i, j]
    return Derivatives(value=(peak + np.log(total))[:, 0], gradient=gradient, hessian=hessian)


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the parameters.

    The terms of all customers stand in one row; Γ functions come from tables of a few whole numbers.
    """
    most = int(T.max()) + 1
    silence = (T - recency).astype(np.intp) + 1  # terms of each customer
    if most > 4 * len(T) + 10_000 or silence.sum() > MOST_TERMS:
        return row_by_row(BG_BB, (frequency, recency, T), counts)
    starts = np.cumsum(silence) - silence
    step = np.arange(silence.sum()) - np.repeat(starts, silence)
    x, last, still = np.repeat(frequency, silence), np.repeat(T, silence) - step, step == 0
    each, weights = np.repeat(np.arange(len(T)), silence), counts.astype(float)

    def total(params: Params) -> Derivatives:
        value, slope, bend = tables_of_rise(params, most)
        terms = log_terms(params, x, last, still, value)
        peak = np.maximum.reduceat(terms, starts)
        chances = np.exp(terms - peak[each])
        sums = np.add.reduceat(chances, starts)
        share = chances * (weights / sums)[each]
        rows, bends = derivatives_of_terms(params, x, last, still, slope, bend)
        slopes = np.stack(rows)
        means = np.add.reduceat(slopes * share, starts, axis=1)  # times the number of customers
        hessian = (slopes * share) @ slopes.T - (means / weights) @ means.T
        for (i, j), term in bends.items():
            hessian[i, j] += share @ term
            hessian[j, i] = hessian[i, j]
        return Derivatives(value=weights @ (peak + np.log(sums)), gradient=means.sum(axis=1), hessian=hessian)

    return total


def tables_of_rise(params: Params, most: int) -> tuple[Rise, Rise, Rise]:
    """Return log Γ(z + n) / Γ(z) and its first and second derivative, for the z of the terms and n up to `most`."""
    alpha, beta, gamma, delta = params
    z = [alpha, beta, alpha + beta, delta, gamma + delta]
    factors = np.array(z)[:, None] + np.arange(most)
    inverse = 1 / factors
    powers = np.zeros((3, len(z), most + 1))
    np.cumsum([np.log(factors), inverse, -(inverse**2)], axis=2, out=powers[:, :, 1:])
    rows = dict(zip(z, powers.transpose(1, 0, 2), strict=True))
    value, slope, bend = (lambda z, n, k=k: rows[float(z)][k][n.astype(np.intp)] for k in range(3))
    return value, slope, bend


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Return the share of opportunities taken up to the last purchase, with a dropout that suits most."""
    taken = float(counts @ frequency) / max(float(counts @ np.maximum(recency, 1)), 1.0)
    taken = float(np.clip(taken, 0.02, 0.98))
    return Params(alpha=2 * taken, beta=2 * (1 - taken), gamma=0.5, delta=2.0)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    alpha, beta, gamma, delta = params
    if gamma < 1e-4 * (gamma + delta):
        return "The chance to leave tends to 0: nobody leaves in these data"
    if alpha + beta > 1e3:
        return "alpha and beta grow together without end: all customers buy with one chance, as far as these data show"
    if gamma + delta > 1e3:
        return (
            "gamma and delta grow together without end: all customers leave with one chance, as far as these data show"
        )
    return "The likelihood rises towards the border of the parameters"


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one tends to at these parameters: there is none in the registry."""
    return None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at opportunity T, eq. 12: the share of the first term."""
    lasts, still = last_opportunities(recency, T)
    terms = log_terms(params, np.asarray(frequency)[..., None], lasts, still)
    share = np.exp(terms - terms.max(axis=-1, keepdims=True))
    return np.asarray(share[..., 0] / share.sum(axis=-1))


def aged(params: Params, T: Array) -> Params:
    """Return the parameters with which a new customer is like one alive at T, but for what her purchases say."""
    alpha, beta, gamma, delta = params
    return Params(alpha, np.add(beta, T), gamma, np.add(delta, T))  # type: ignore[arg-type]  # one for each customer


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one `horizon` opportunities later."""
    lived = np.exp(-log_rising_ratio(np.add(params.delta, T), params.gamma, horizon))
    return np.broadcast_to(lived, np.broadcast_shapes(np.shape(lived), np.shape(frequency)))


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected opportunities as a customer from T on: (δ+T)/(γ−1), infinite for γ of at most 1."""
    gamma, delta = params.gamma, params.delta
    with np.errstate(divide="ignore"):
        mean = np.where(np.asarray(gamma) > 1, np.add(delta, T) / np.maximum(np.subtract(gamma, 1), 0), np.inf)
    return np.broadcast_to(mean, np.broadcast_shapes(mean.shape, np.shape(frequency)))


def opportunities_alive(gamma: Array, delta: Array, t: Array) -> Array:
    """Return the expected opportunities, of the next t, at which a customer still is one.

    δ/(γ−1) · [1 − Γ(γ+δ) Γ(1+δ+t) / (Γ(γ+δ+t) Γ(1+δ))]; near γ = 1 the logarithm of the ratio is an integral.
    """
    more = gamma - 1
    near = np.abs(more) <= 0.5
    ratio = np.empty(len(more))  # of the logarithm to γ − 1
    nodes, weights = unit_rule(1, NEAR_NODES)
    places = 1 + delta[near, None] + more[near, None] * nodes
    ratio[near] = -(digamma_rise(places, t[near, None]) @ weights)
    far = ~near
    ratio[far] = (log_rising(1 + delta[far], t[far]) - log_rising(gamma[far] + delta[far], t[far])) / more[far]
    change = more * ratio
    return np.asarray(
        -delta * ratio * np.where(change == 0, 1.0, np.expm1(change) / np.where(change == 0, 1.0, change))
    )


def expected_purchases(params: Params, t: Array) -> Array:
    """Purchases at the next t opportunities that a new customer is expected to make, eq. 8."""
    shape, (alpha, beta, gamma, delta, t_) = as_rows(*params, t)
    return (alpha / (alpha + beta) * opportunities_alive(gamma, delta, t_)).reshape(shape)


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases at the next `horizon` opportunities expected of her if she is a customer at T, part of eq. 13.

    Then p ~ Beta(α + x, β + T − x) and θ ~ Beta(γ, δ + T): she is a new customer with these parameters.
    """
    shape, (alpha, beta, gamma, delta, h, x, n) = as_rows(*params, horizon, frequency, T)
    return ((alpha + x) / (alpha + beta + n) * opportunities_alive(gamma, delta + n, h)).reshape(shape)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases at the next `horizon` opportunities expected of a customer with this history, eq. 13."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases at the next `horizon` opportunities if she is a customer at T, as in eq. 7."""
    shape, (alpha, beta, gamma, delta, k, h, x, n) = as_rows(*params, count, horizon, frequency, T)
    last, still = last_opportunities(np.minimum(k, h), h)
    later = Params(alpha + x, beta + n - x, gamma, delta + n)  # type: ignore[arg-type]  # one for each row
    missed = np.where(np.isnan(last), 0.0, last - k[:, None])
    ways = log_choices(k[:, None] + 1, np.maximum(missed, 0))  # orders of k purchases and so many missed opportunities
    terms = log_terms(later, np.minimum(k, h)[:, None], last, still)
    chance = np.exp(np.where(np.isnan(last), -np.inf, terms + ways)).sum(axis=1)
    return np.asarray(np.where(k > h, 0.0, chance)).reshape(shape)


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase at the next `horizon` opportunities: the sum over the first one taken."""
    shape, (alpha, beta, gamma, delta, h, x, n) = as_rows(*params, horizon, frequency, T)
    buys, misses, stay = (value[:, None] for value in (alpha + x, beta + n - x, delta + n))
    before = np.arange(h.max(initial=0))  # opportunities missed before
    missed = log_rising(misses, before) - log_rising(buys + misses, before)
    there = -log_rising_ratio(stay, gamma[:, None], before + 1)
    first = np.exp(missed + there) * buys / (buys + misses + before)
    return np.asarray(np.where(before < h[:, None], first, 0.0).sum(axis=1)).reshape(shape)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases at the opportunities after `start` and up to `stop`, each discounted by exp(-rate · opportunities).

    For ever it is eq. 14: (α+x)/(α+β+n) · E[(1−θ)v / (1 − (1−θ)v)] with v = exp(-rate).
    """
    shape, (alpha, beta, gamma, delta, x, n) = as_rows(*params, frequency, T)
    first, final = np.floor(start), np.floor(stop)
    buys, delta = (alpha + x) / (alpha + beta + n), delta + n
    if final - first <= FEW:
        total = np.zeros(len(n))
        for k in np.arange(first + 1, final + 1):
            total += np.exp(log_rising(delta, k) - log_rising(gamma + delta, k) - rate * k)
        return (buys * total).reshape(shape)
    total = discounted_for_ever(gamma, delta, first, rate)
    if np.isfinite(final):
        total = (
            total - discounted_for_ever(gamma, delta, final, rate)
            if rate
            else opportunities_alive(gamma, delta, np.full(len(n), final))
            - opportunities_alive(gamma, delta, np.full(len(n), first))
        )
    return (buys * total).reshape(shape)


def discounted_for_ever(gamma: Array, delta: Array, first: float, rate: float) -> Array:
    """Return the discounted opportunities after `first` at which a customer still is one."""
    there = np.exp(log_rising(delta, first) - log_rising(gamma + delta, first) - rate * first)
    later = delta + first
    if rate == 0:
        with np.errstate(divide="ignore"):
            return np.asarray(there * np.where(gamma > 1, later / np.maximum(gamma - 1, 0), np.inf))
    growth = 1 / np.expm1(rate)
    return np.asarray(there * growth * later / (gamma + later) * mean_power(1.0, growth, gamma, later + 1))


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers with so many opportunities; a fraction of one is none."""
    alpha, beta, gamma, delta = params
    T = np.floor(np.asarray(T, dtype=float))
    leave = np.clip(rng.beta(gamma, delta, T.shape), 1e-300, 1 - 1e-16)
    lifetime = np.floor(rng.exponential(size=T.shape) / -np.log1p(-leave))
    buy = rng.beta(alpha, beta, T.shape)
    frequency, recency = np.zeros(T.shape), np.zeros(T.shape)
    for k in range(1, int(T.max(initial=0)) + 1):
        bought = (rng.random(T.shape) < buy) & (k <= lifetime) & (k <= T)
        frequency += bought
        recency = np.where(bought, float(k), recency)
    return Histories(frequency=frequency, recency=recency, T=T, alive=lifetime >= T)


BG_BB = PurchaseModel(
    name="BG_BB",
    title="BG/BB",
    Params=Params,
    time_powers=(0, 0, 0, 0),
    processes=(Process("purchases", "alpha", 1), Process("dropout", "gamma", 1)),
    is_discrete=True,
    is_memoryless=True,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    summed=summed,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    aged=aged,
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
