"""Gamma-Gompertz/NBD: customers buy at random, and the longer they stay the likelier they leave [1]_.

While she is a customer, her purchases are Poisson with rate λ ~ Gamma(r, α); she leaves at a moment with hazard
b·η·exp(b·t), η ~ Gamma(s, β). Integrals over that moment are taken in operational time H, the logarithm of
[β + exp(b·t) − 1] / β: in it, staying is exp(−s·H), and nothing overflows. As b falls, with β/b fixed, it tends to
Pareto/NBD.

.. [1] Bemmaor & Glady (2012) "Modeling purchasing behavior with sudden death: a flexible customer lifetime model",
   Management Science 58(5), 1012-1021. https://doi.org/10.1287/mnsc.1110.1461
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.quadrature import NEGLIGIBLE, as_rows, from_zero
from crmvalue._core.special import digamma_rise, expit, log_negative_binomial, log_rising, trigamma_rise
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import Histories, Process, PurchaseModel
from crmvalue.models.pareto_nbd import PARETO_NBD

SLOW = 1e-4  # b against the purchase rate below which the likelihood is that of Pareto/NBD


class Params(NamedTuple):
    """Parameters, as in the paper."""

    r: float  # shape of the purchase rate
    alpha: float  # scale of the purchase rate, in time units
    b: float  # growth of the hazard of leaving, per time unit
    s: float  # shape of that hazard among customers
    beta: float  # scale of that hazard among customers


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, eq. 9: she is alive at T, or she left at some z in (recency, T]."""
    start, log_alive, log_left = since_recency(params, frequency, recency, T)
    return start + np.logaddexp(log_alive, log_left)


def operational(b: float | Array, beta: Array, t: Array) -> Array:
    """H(t), the logarithm of [β + exp(b·t) − 1] / β, for times however long."""
    growth = np.asarray(b * t)
    near = np.log1p(np.expm1(np.minimum(growth, 30.0)) / beta)
    far = growth - np.log(beta) + np.log1p((beta - 1) * np.exp(-np.maximum(growth, 30.0)))
    return np.asarray(np.where(growth < 30.0, near, far))


def calendar(b: Array, beta: Array, H: Array) -> Array:
    """Return the time t at which operational time is H."""
    near = np.log1p(beta * np.expm1(np.minimum(H, 30.0)))
    far = np.log(beta) + H + np.log1p(np.exp(-np.maximum(H, 30.0)) * (1 - beta) / beta)
    return np.asarray(np.where(H < 30.0, near, far) / b)


def older(b: float | Array, beta: float | Array, t: Array) -> Array:
    """Return the β of a customer who has stayed until t: 1 + (β − 1) exp(−b·t)."""
    return np.asarray(beta * np.exp(-b * t) - np.expm1(-b * t))


def stages(scale: Array, bend: Array, end: Array, fine: Array | float = 1.0) -> Iterator[tuple[IntArray, Array, Array]]:
    """Yield rows, operational times H and weights for an integral over [0, end], in three stages.

    On a log scale up to 1; evenly up to `bend`, past which calendar time is linear in H; on a log scale from there.
    """
    first = np.minimum(end, 1.0)
    middle = np.clip(end, 1.0, bend)
    for rows, H, weight, width in from_zero(scale, first, fine):
        yield rows, H, weight * width[:, None]
    some = np.flatnonzero(end > 1.0)
    even = np.full(len(some), 1e9)  # a scale this long makes the panels even in H itself
    finer = 1e9 * np.broadcast_to(fine, end.shape)[some]
    for rows, H, weight, width in from_zero(even, middle[some] - 1.0, finer):
        yield some[rows], 1.0 + H, weight * width[:, None]
    some = np.flatnonzero(end > bend)
    finer = np.broadcast_to(fine, end.shape)[some]
    for rows, H, weight, width in from_zero(np.full(len(some), 10.0), (end - bend)[some], finer):
        yield some[rows], bend[some[rows], None] + H, weight * width[:, None]


def stage_limits(A: Array, b: Array, s: Array, B: Array) -> tuple[Array, Array]:
    """Scale of the first stage, and where calendar time has become linear, for a customer with scales A and B."""
    pole = -np.log1p(np.maximum(np.expm1(-b * A) / B, -0.9))  # the power of the purchases is singular at u = -A
    scale = np.minimum(np.minimum(1.0, 1 / B), np.minimum(pole, 1 / (s + 1)))
    return scale, np.maximum(1.0, -np.log(B)) + 10.0


def departures(*rows: Array) -> Iterator[tuple[IntArray, Array, Array]]:
    """Yield rows, times u = z − recency, and weights (rows by nodes) that sum to the chance that she left by T quietly.

    Both are as of her recency, when she was a customer.
    """
    r, alpha, b, s, beta, x, t_x, T = rows
    n, A, B, silence = r + x, alpha + t_x, older(b, beta, t_x), T - t_x
    with np.errstate(over="ignore", divide="ignore"):
        by_rate = A * np.expm1((NEGLIGIBLE + np.log(np.maximum(B, 1))) / np.maximum(n - 1, 1e-3))
        at_end = operational(b, B, np.minimum(silence, by_rate))
    end = np.minimum(at_end, NEGLIGIBLE / s)
    for part, H, weight in stages(*stage_limits(A, b, s, B), end):
        own_b, own_B, own_A, own_n, own_s = (value[part, None] for value in (b, B, A, n, s))
        u = calendar(own_b, own_B, H)
        yield part, u, weight * own_s * np.exp(-own_s * H - own_n * np.log1p(u / own_A))


def since_recency(params: Params, frequency: Array, recency: Array, T: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood of her purchases up to the last one, and of what came then: silence as a customer, or she left."""
    shape, rows = as_rows(*params, frequency, recency, T)
    total = np.zeros(rows[0].shape)
    for part, _, weight in departures(*rows):
        total[part] += weight.sum(axis=1)
    start, log_alive = until_and_after(*rows)
    with np.errstate(divide="ignore"):  # nobody left within no time
        return start.reshape(shape), log_alive.reshape(shape), np.log(total).reshape(shape)


def until_and_after(*rows: Array) -> tuple[Array, Array]:
    """Return the first two of these, which need no integral."""
    r, alpha, b, s, beta, x, t_x, T = rows
    silence = T - t_x
    start = log_rising(r, x) - r * np.log1p(t_x / alpha) - x * np.log(alpha + t_x) - s * operational(b, beta, t_x)
    later = (r + x) * np.log1p(silence / (alpha + t_x)) + s * operational(b, older(b, beta, t_x), silence)
    return start, -later


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, b, s, β.

    Those of the log odds are means and covariances, over the moment of leaving, of the derivatives of the integrand.
    """
    _, rows = as_rows(*params, frequency, recency, T)
    r, alpha, b, s, beta, x, _, end = rows
    size = len(x)
    total, first, second = np.zeros(size), np.zeros((5, size)), np.zeros((5, 5, size))
    for part, u, weight in departures(*rows):
        total[part] += weight.sum(axis=1)
        one, two = moments(weight, u, *(value[part][:, None] for value in rows))
        first[:, part] += one
        second[:, :, part] += two
    seen = np.where(total > 0, total, 1.0)
    start, log_alive = until_and_after(*rows)
    with np.errstate(divide="ignore"):
        log_left = np.log(total)
    left = expit(log_left - log_alive)
    mean = first / seen
    hessian = left * second / seen - left**2 * mean[:, None] * mean[None, :]
    gradient = left * mean

    shape, bought = r + x, 1 / (alpha + end)
    q, k = ages(b, beta, end)
    grown = operational(b, beta, end)
    gradient[0] += digamma_rise(params.r, frequency) - np.log1p(end / alpha)
    gradient[1] += r / alpha - shape * bought
    gradient[2] -= s * end * q
    gradient[3] -= grown
    gradient[4] -= s * (k - 1 / beta)
    add = {
        (0, 0): trigamma_rise(params.r, frequency),
        (0, 1): 1 / alpha - bought,
        (1, 1): shape * bought**2 - r / alpha**2,
        (2, 2): -s * end**2 * q * (1 - q),
        (2, 3): -end * q,
        (2, 4): s * end * q * k,
        (3, 4): 1 / beta - k,
        (4, 4): s * (k**2 - 1 / beta**2),
    }
    for (i, j), term in add.items():
        hessian[i, j] += term
        hessian[j, i] = hessian[i, j]
    return Derivatives(value=start + np.logaddexp(log_alive, log_left), gradient=gradient, hessian=hessian)


def ages(b: Array, beta: Array, t: Array) -> tuple[Array, Array]:
    """Return exp(b·t) / (β + exp(b·t) − 1), and 1 over that denominator."""
    fading = np.exp(-b * t)
    share = 1 / (beta * fading - np.expm1(-b * t))
    return share, share * fading


def moments(weight: Array, u: Array, *rows: Array) -> tuple[Array, Array]:
    """Return the sums of the slopes of the log integrand by the parameters, and of bends and products of slopes."""
    r, alpha, b, s, beta, x, t_x, T = rows
    z, n = t_x + u, r + x
    to_alpha, end_alpha = 1 / (alpha + z), 1 / (alpha + T)
    (q, k), (end_q, end_k) = ages(b, beta, z), ages(b, beta, T)
    slopes = (
        np.log1p((T - z) * to_alpha),
        n * (end_alpha - to_alpha),
        1 / b + z - (s + 1) * z * q + s * T * end_q,
        1 / s + operational(b, beta, T) - operational(b, beta, z),
        s * end_k - (s + 1) * k,
    )
    bends = {
        (0, 1): end_alpha - to_alpha,
        (1, 1): n * (to_alpha**2 - end_alpha**2),
        (2, 2): s * T**2 * end_q * (1 - end_q) - (s + 1) * z**2 * q * (1 - q) - 1 / b**2,
        (2, 3): T * end_q - z * q,
        (2, 4): (s + 1) * z * q * k - s * T * end_q * end_k,
        (3, 3): -1 / s**2,
        (3, 4): end_k - k,
        (4, 4): (s + 1) * k**2 - s * end_k**2,
    }
    first = np.stack([np.einsum("ij,ij->i", weight, slope) for slope in slopes])
    second = np.empty((5, *first.shape))
    for i in range(5):
        weighted = weight * slopes[i]
        for j in range(i, 5):
            second[i, j] = np.einsum("ij,ij->i", weighted, slopes[j])
            if (i, j) in bends:
                second[i, j] += np.einsum("ij,ij->i", weight, np.broadcast_to(bends[i, j], weight.shape))
            second[j, i] = second[i, j]
    return first, second


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Those of Pareto/NBD, with a hazard that grows over the period."""
    r, alpha, s, _ = PARETO_NBD.start(frequency, recency, T, counts)
    time = float(counts @ T / counts.sum())
    return Params(r=r, alpha=alpha, b=1 / time, s=s, beta=0.5)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    if limit(params) is not None:
        return "The hazard of leaving does not grow with time in these data, and the model tends to Pareto/NBD"
    if params.r > 1e3:
        return "r and alpha grow together without end: all customers buy at one rate, as far as these data show"
    if params.s > 1e3:
        return "s and beta grow together without end: all customers leave at one hazard, as far as these data show"
    return "The likelihood rises towards the border of the parameters"


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one tends to at these parameters: Pareto/NBD where the hazard stays."""
    return PARETO_NBD if params.b < SLOW * params.r / params.alpha else None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T, from the odds in the likelihood."""
    _, log_alive, log_left = since_recency(params, frequency, recency, T)
    return np.asarray(expit(log_alive - log_left))


def aged(params: Params, T: Array) -> Params:
    """Return the parameters with which a new customer is like one alive at T, but for what her purchases say."""
    r, alpha, b, s, beta = params
    return Params(r, np.add(alpha, T), b, s, older(b, beta, T))  # type: ignore[arg-type]  # one for each customer


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon."""
    lived = np.exp(-params.s * operational(params.b, older(params.b, params.beta, T), horizon))
    return np.broadcast_to(lived, np.broadcast_shapes(np.shape(lived), np.shape(frequency)))


def discounted_time(b: Array, s: Array, B: Array, length: Array, rate: float) -> Array:
    """Return the expected time as a customer over [0, length], discounted by exp(-rate · time); also for ever."""
    with np.errstate(over="ignore", invalid="ignore"):
        end = np.where(np.isinf(length), np.inf, operational(b, B, np.minimum(length, 1e300)))
    end = np.minimum(end, np.maximum(-np.log(B), 0) + NEGLIGIBLE / s)
    if rate > 0:
        end = np.minimum(end, operational(b, B, np.asarray(NEGLIGIBLE / rate)))
    total = np.zeros(len(B))
    slow = 1 / rate if rate > 0 else np.inf
    for part, H, weight in stages(*stage_limits(np.full(len(B), slow), b, s, B), end):
        own_b, own_B = b[part, None], B[part, None]
        u = calendar(own_b, own_B, H)
        pace = 1 / (own_b * (1 + np.exp(-H) * (1 - own_B) / own_B))  # calendar time for operational time
        total[part] += np.einsum("ij,ij->i", weight, pace * np.exp(-s[part, None] * H - rate * u))
    return total


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on, which is always finite."""
    shape, (b, s, B, _) = as_rows(params.b, params.s, older(params.b, params.beta, T), frequency)
    return discounted_time(b, s, B, np.full(len(b), np.inf), 0.0).reshape(shape)


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make."""
    return purchases_if_alive(params, t, np.zeros(1), np.zeros(1), np.zeros(1)).reshape(
        np.broadcast_shapes(np.shape(t), np.shape(params.r))
    )


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T.

    Then λ ~ Gamma(r + x, α + T), and her η is Gamma(s, 1 + (β−1) exp(−b·T)): she is a new customer with these.
    """
    r, alpha, b, s, beta = params
    shape, (h, n, A, b_, s_, B) = as_rows(horizon, r + frequency, alpha + T, b, s, older(b, beta, T))
    return (n / A * discounted_time(b_, s_, B, h, 0.0)).reshape(shape)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T: she stays, or leaves before."""
    r, alpha, b, s, beta = params
    given = as_rows(count, horizon, r + frequency, alpha + T, b, s, older(b, beta, T))
    shape, (k, h, n, A, b_, s_, B) = given
    end = operational(b_, B, h)
    chance = np.exp(log_negative_binomial(k, n, h / A) - s_ * end)
    scale, bend = stage_limits(A / (n + 1), b_, s_, B)
    # in the end, time and its k-th power grow like H, against exp(−s·H)
    last = np.maximum(-np.log(B), 0) + (k + np.sqrt(4 * NEGLIGIBLE * k) + 2 * NEGLIGIBLE) / s_
    for part, H, weight in stages(scale, bend, np.minimum(end, last), 1 + np.sqrt(k)):
        own_k, own_n, own_A, own_s = (value[part, None] for value in (k, n, A, s_))
        growth = calendar(b_[part, None], B[part, None], H) / own_A
        leaves = own_s * np.exp(log_negative_binomial(own_k, own_n, growth) - own_s * H)
        chance[part] += np.einsum("ij,ij->i", weight, leaves)
    return chance.reshape(shape)


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon]: the integral over the moment of the first."""
    r, alpha, b, s, beta = params
    shape, (h, n, A, b_, s_, B) = as_rows(horizon, r + frequency, alpha + T, b, s, older(b, beta, T))
    end = np.minimum(operational(b_, B, h), np.maximum(-np.log(B), 0) + NEGLIGIBLE / s_)
    chance = np.zeros(len(h))
    for part, H, weight in stages(*stage_limits(A / (n + 1), b_, s_, B), end):
        own_b, own_B, own_n, own_A = (value[part, None] for value in (b_, B, n, A))
        u = calendar(own_b, own_B, H)
        pace = 1 / (own_b * (1 + np.exp(-H) * (1 - own_B) / own_B))
        density = own_n / own_A * np.exp(-(own_n + 1) * np.log1p(u / own_A) - s_[part, None] * H)
        chance[part] += np.einsum("ij,ij->i", weight, pace * density)
    return chance.reshape(shape)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T)."""
    r, alpha, b, s, beta = params
    shape, (n, A, b_, s_, B) = as_rows(r + frequency, alpha + T, b, s, older(b, beta, T))
    stays = np.exp(-s_ * operational(b_, B, np.asarray(start)) - rate * start)
    later = discounted_time(b_, s_, older(b_, B, np.asarray(start)), np.full(len(n), stop - start), rate)
    return (n / A * stays * later).reshape(shape)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    r, alpha, b, s, beta = params
    T = np.asarray(T, dtype=float)
    eta = np.maximum(rng.gamma(s, 1 / beta, T.shape), 1e-300)
    lifetime = np.log1p(rng.exponential(size=T.shape) / eta) / b
    seen = np.minimum(lifetime, T)
    frequency = rng.poisson(rng.gamma(r, 1 / alpha, T.shape) * seen).astype(float)
    place = rng.beta(np.maximum(frequency, 1), 1.0)  # the last of x points that lie at random in (0, seen)
    recency = np.where(frequency > 0, seen * place, 0.0)
    return Histories(frequency=frequency, recency=recency, T=T, alive=lifetime > T)


GGOMPERTZ_NBD = PurchaseModel(
    name="GGOMPERTZ_NBD",
    title="Gamma-Gompertz/NBD",
    Params=Params,
    time_powers=(0, 1, -1, 0, 0),
    processes=(Process("purchases", "alpha", -1), Process("dropout", "beta", -1)),
    is_discrete=False,
    is_memoryless=True,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
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
