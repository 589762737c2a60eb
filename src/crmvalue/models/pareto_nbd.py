"""Pareto/NBD: customers buy at random and may leave, unseen, at any moment [1]_.

While she is a customer, her purchases are Poisson with rate λ ~ Gamma(r, α); she stays for an exponential time with
rate μ ~ Gamma(s, β). The likelihood is kept as one integral over the moment z at which she left [2]_, between her last
purchase and T: nothing cancels, and no case (α = β, s = 1, recency = T) needs a formula of its own.

.. [1] Schmittlein, Morrison & Colombo (1987) "Counting your customers: who are they and what will they do next?",
   Management Science 33(1), 1-24. https://doi.org/10.1287/mnsc.33.1.1
.. [2] Fader & Hardie (2005) "A note on deriving the Pareto/NBD model and related expressions", note 009 at
   brucehardie.com.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.quadrature import NEGLIGIBLE, as_rows, from_zero, log_concave_integral
from crmvalue._core.special import (
    Numbers,
    digamma_rise,
    expit,
    log_choices,
    log_negative_binomial,
    log_rising,
    relative_exp,
    trigamma_rise,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models import departures as departure_table
from crmvalue.models import departures_by_row, nbd
from crmvalue.models.likelihood import row_by_row
from crmvalue.models.model import Histories, Process, PurchaseModel
from crmvalue.models.nbd import NBD

NOBODY = 1e-4  # chance to leave after a purchase below which the likelihood is that of NBD


class Params(NamedTuple):
    """Parameters, as in the paper."""

    r: float  # shape of the purchase rate
    alpha: float  # scale of the purchase rate, in time units
    s: float  # shape of the rate of leaving
    beta: float  # scale of the rate of leaving, in time units


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer: she is alive at T, or she left at some z in (recency, T]; eq. 16 of [2]_."""
    r, alpha, s, beta = params
    bought = log_rising(r, frequency) - r * np.log1p(T / alpha) - frequency * np.log(alpha + T)
    stayed = -s * np.log1p(T / beta)
    return np.asarray(bought + stayed + np.logaddexp(0, log_odds_left(params, frequency, recency, T)))


def log_odds_left(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log odds that she has left by T: s ∫ [(α+T)/(α+z)]^(r+x) [(β+T)/(β+z)]^s dz/(β+z) over (recency, T)."""
    shape, rows = as_rows(*params, frequency, recency, T)
    return departures_by_row.log_odds_left(*rows).reshape(shape)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, s, β."""
    _, rows = as_rows(*params, frequency, recency, T)
    r, alpha, s, beta, x, _, end = rows
    log_odds, mean, bend = departures_by_row.derivatives_of_odds(*rows)
    left = expit(log_odds)
    shape, bought, stayed = r + x, 1 / (alpha + end), 1 / (beta + end)
    gradient = left * mean
    gradient[0] += digamma_rise(params[0], frequency) - np.log1p(end / alpha)
    gradient[1] += r / alpha - shape * bought
    gradient[2] -= np.log1p(end / beta)
    gradient[3] += s / beta - s * stayed
    hessian = left * bend + left * (1 - left) * mean[:, None] * mean[None, :]
    hessian[0, 0] += trigamma_rise(params[0], frequency)
    hessian[0, 1] += 1 / alpha - bought
    hessian[1, 0] = hessian[0, 1]
    hessian[1, 1] += shape * bought**2 - r / alpha**2
    hessian[2, 3] += 1 / beta - stayed
    hessian[3, 2] = hessian[2, 3]
    hessian[3, 3] += s * stayed**2 - s / beta**2
    smooth = log_rising(params[0], frequency) - r * np.log1p(end / alpha) - x * np.log(alpha + end)
    value = smooth - s * np.log1p(end / beta) + np.logaddexp(0, log_odds)
    return Derivatives(value=value, gradient=gradient, hessian=hessian)


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the parameters.

    Purchases come from a histogram of frequency and one of T, and the odds from a table of the integral where customers
    share frequencies and times; else each row is integrated for itself.
    """
    each = row_by_row(PARETO_NBD, (frequency, recency, T), counts)
    left = departure_table.summed(frequency, recency, T, counts)
    if left is None:
        return each
    bought = nbd.summed(frequency, recency, T, counts)

    def total(params: Params) -> Derivatives:
        gone = left(*params)
        if gone is None:
            return each(params)
        r, alpha, s, beta = params
        smooth = bought(nbd.Params(r, alpha))
        end = 1 / (beta + T)
        passed, grown = counts @ (T * end) / beta, counts @ np.log1p(T / beta)  # sums of 1/β − 1/(β+T) and log (β+T)/β
        gradient = gone.gradient + np.array([*smooth.gradient, -grown, s * passed])
        hessian = gone.hessian.copy()
        hessian[:2, :2] += smooth.hessian
        hessian[2:, 2:] += np.array([[0.0, passed], [passed, -s * (counts @ (T * end * (1 / beta + end))) / beta]])
        return Derivatives(value=gone.value + smooth.value - s * grown, gradient=gradient, hessian=hessian)

    return total


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Moments of the purchases, with a lifetime that suits most shops."""
    n = counts.sum()
    time = counts @ T / n
    mean = counts @ frequency / n
    variance = counts @ (frequency - mean) ** 2 / n
    r = float(np.clip(mean**2 / np.maximum(variance - mean, 0.01 * mean), 0.1, 10))
    return Params(r=2 * r, alpha=float(1.1 * r * time / mean), s=0.5, beta=float(0.25 * time))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    r, alpha, s, beta = params
    if s / beta < NOBODY * r / alpha:
        return "The rate of leaving tends to 0: nobody leaves in these data, and the model tends to NBD"
    if r > 1e3:
        return "r and alpha grow together without end: all customers buy at one rate, as far as these data show"
    if s > 1e3:
        return (
            "s and beta grow together without end: all customers leave at one rate "
            f"({s / beta:.2g} a time unit), as far as these data show"
        )
    return "The likelihood rises towards the border of the parameters"


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one tends to at these parameters: NBD where nobody leaves."""
    return NBD if params.s / params.beta < NOBODY * params.r / params.alpha else None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T, from the odds in the likelihood."""
    return np.asarray(expit(-log_odds_left(params, frequency, recency, T)))


def aged(params: Params, T: Array) -> Params:
    """Return the parameters with which a new customer is like one alive at T, but for what her purchases say."""
    r, alpha, s, beta = params
    return Params(r, np.add(alpha, T), s, np.add(beta, T))  # type: ignore[arg-type]  # one for each customer


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon: her rate of leaving is Gamma(s, β + T)."""
    s, beta = params.s, params.beta
    lived = np.exp(-s * np.log1p(horizon / (beta + T)))
    return np.broadcast_to(lived, np.broadcast_shapes(np.shape(lived), np.shape(frequency)))


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on: (β+T)/(s−1), infinite for s of at most 1."""
    s, beta = params.s, params.beta
    with np.errstate(divide="ignore"):
        mean = np.where(np.asarray(s) > 1, np.add(beta, T) / np.maximum(np.subtract(s, 1), 0), np.inf)
    return np.broadcast_to(mean, np.broadcast_shapes(mean.shape, np.shape(frequency)))


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make, eq. 17 of [2]_."""
    r, alpha, s, beta = params
    return np.asarray(r / alpha * time_as_customer(s, beta, t))


def time_as_customer(s: Numbers, beta: Numbers, t: Numbers) -> Array:
    """Return the expected time until she leaves or t, the first: β/(s−1) · [1 − (β/(β+t))^(s−1)], also at s = 1."""
    log_growth = np.log1p(np.divide(t, beta))
    return np.asarray(beta * log_growth * relative_exp((1 - np.asarray(s)) * log_growth))


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T.

    Then λ ~ Gamma(r + x, α + T) and μ ~ Gamma(s, β + T): she is a new customer with these parameters.
    """
    r, alpha, s, beta = params
    return np.asarray((r + frequency) / (alpha + T) * time_as_customer(s, beta + T, horizon))


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history, eq. 21 of [2]_."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T.

    She stays until the end, or leaves at a time u before which she bought so often: an integral over log u, whose
    integrand is log-concave.
    """
    r, alpha, s, beta = params
    shape, (k, h, n, A, s_, B) = as_rows(count, horizon, r + frequency, alpha + T, s, beta + T)
    stays = np.exp(log_negative_binomial(k, n, h / A) - s_ * np.log1p(h / B))

    def log_density(y: Array, rows: IntArray) -> Array:
        rows_k, rows_n, rows_A, rows_s, rows_B = (value[rows, None] for value in (k, n, A, s_, B))
        bought = rows_k * (y - np.log(rows_A)) - (rows_n + rows_k) * np.log1p(np.exp(y) / rows_A)
        return np.asarray(bought + y - np.log(rows_B) - (rows_s + 1) * np.log1p(np.exp(y) / rows_B))

    factor = log_choices(n, k) + np.log(s_)
    leaves = np.exp(factor + log_concave_integral(log_density, np.log(np.minimum(A, B)), np.log(h)))
    return np.asarray(stays + leaves).reshape(shape)


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon] if she is a customer at T.

    The integral over the moment u of the first: (r+x)/(α+T) [(α+T)/(α+T+u)]^(r+x+1) [(β+T)/(β+T+u)]^s.
    """
    r, alpha, s, beta = params
    shape, (h, n, A, s_, B) = as_rows(horizon, r + frequency, alpha + T, s, beta + T)
    by_rate, by_leaving = (
        scale * np.expm1(np.minimum(NEGLIGIBLE / power, 600.0)) for scale, power in ((A, n), (B, s_))
    )
    length = np.minimum(h, np.minimum(by_rate, by_leaving))
    chance = np.empty(len(h))
    for rows, u, weight, width in from_zero(np.minimum(A, B), length):
        own = (rows, None)
        quiet = (n[own] + 1) * np.log1p(u / A[own]) + s_[own] * np.log1p(u / B[own])
        chance[rows] = width * (n / A)[rows] * np.einsum("ij,ij->i", weight, np.exp(-quiet))
    return chance.reshape(shape)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T); infinite if so.

    (r+x)/(α+T) ∫ [(β+T)/(β+T+u)]^s exp(-rate·u) du: over all time, the DERT of Fader, Hardie & Lee (2005).
    """
    r, alpha, s, beta = params
    shape, (n, A, s_, B) = as_rows(r + frequency, alpha + T, s, beta + T)
    there = n / A * np.exp(-s_ * np.log1p(start / B) - rate * start)  # purchases a unit of time, at the start
    B = B + start
    if rate == 0:
        with np.errstate(divide="ignore"):
            for_ever = np.where(s_ > 1, B / np.maximum(s_ - 1, 0), np.inf)
        return (there * (for_ever if np.isinf(stop) else time_as_customer(s_, B, stop - start))).reshape(shape)
    total = np.empty(len(n))
    with np.errstate(over="ignore"):
        by_leaving = B * np.expm1(NEGLIGIBLE / np.maximum(s_ - 1, 1e-3))
    length = np.minimum(by_leaving, min(stop - start, NEGLIGIBLE / rate))
    for rows, u, weight, width in from_zero(np.minimum(B, 1 / rate), length):
        stays = np.exp(-s_[rows, None] * np.log1p(u / B[rows, None]) - rate * u)
        total[rows] = width * np.einsum("ij,ij->i", weight, stays)
    return (there * total).reshape(shape)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    r, alpha, s, beta = params
    T = np.asarray(T, dtype=float)
    leave = np.maximum(rng.gamma(s, 1 / beta, T.shape), 1e-300)
    lifetime = rng.exponential(size=T.shape) / leave
    seen = np.minimum(lifetime, T)
    frequency = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * seen).astype(float)
    place = rng.beta(np.maximum(frequency, 1), 1.0)  # the last of x points that lie at random in (0, seen)
    recency = np.where(frequency > 0, seen * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=lifetime > T)


PARETO_NBD = PurchaseModel(
    name="PARETO_NBD",
    title="Pareto/NBD",
    Params=Params,
    time_powers=(0, 1, 0, 1),
    processes=(Process("purchases", "alpha", -1), Process("dropout", "beta", -1)),
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
    alive_of_many=departure_table.probability_alive,
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
