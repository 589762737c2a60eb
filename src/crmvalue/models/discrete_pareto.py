"""Discrete Pareto: the chance to stay falls like a power of tenure from some tenure on.

She stays through t periods with chance min(1, (τ/t)^κ). It is the limit of BdW as γ falls to 0 and c grows, with
c·γ = κ: each customer then leaves at a tenure that is fixed for her, and these tenures have a Pareto distribution.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.quadrature import NEGLIGIBLE, as_rows, from_zero
from crmvalue._core.special import relative_exp
from crmvalue._core.types import Array, BoolArray, IntArray
from crmvalue.models.discrete_weibull import left_or_stayed, log_leaving_at
from crmvalue.models.model import RetentionModel, Tenures

FIRST = 64  # periods added one by one, after which the terms are negligible or fall slowly
BERNOULLI = ((1, 1 / 12), (3, -1 / 720), (5, 1 / 30_240), (7, -1 / 1_209_600))  # of Euler and Maclaurin's formula


class Params(NamedTuple):
    """Parameters."""

    begin: float  # τ, the tenure at which the power law begins; below 1, some leave in the first period
    power: float  # κ, of tenure, with which the chance to stay falls


def log_likelihood(params: Params, tenure: Array, churned: Array) -> Array:
    """Log-likelihood of each customer: she left in period `tenure`, or was still there after it."""
    hazard = np.where(np.asarray(churned) > 0, hazard_sum(params, np.maximum(tenure, 1)), np.inf)
    return np.asarray(log_survival(params, np.subtract(tenure, churned)) + log_leaving_at(hazard))


def log_law(params: Params, t: Array) -> Array:
    """Logarithm of (τ/t)^κ, from t = 1 on; above 0 before the power law begins."""
    return np.asarray(params.power * (np.log(params.begin) - np.log(np.maximum(t, 1))))


def log_survival(params: Params, t: Array) -> Array:
    """Logarithm of the chance to stay through t periods."""
    return np.where(np.asarray(t) > 0, np.minimum(log_law(params, t), 0.0), 0.0)


def hazard_sum(params: Params, t: Array) -> Array:
    """Return log S(t − 1) / S(t), from t = 1 on."""
    with np.errstate(divide="ignore"):  # in the first period it counts from 0
        under_the_law = -params.power * np.log1p(-1 / np.asarray(t, dtype=float))
    return np.minimum(under_the_law, np.maximum(-log_law(params, t), 0.0))


def log_leaving(params: Params, t: Array) -> Array:
    """Logarithm of the chance to leave in period t = 1, 2, ..."""
    return log_likelihood(params, t, np.ones_like(t, dtype=float))


def retention_rate(params: Params, t: Array) -> Array:
    """Share of those still there after period t − 1 who stay through period t."""
    return np.asarray(np.exp(-hazard_sum(params, t)))


def residual_lifetime(params: Params, tenure: Array, rate: Array, stop: Array) -> Array:
    """Discounted periods that remain to a customer of this tenure, the present one included.

    Nobody leaves until the power law begins; from there on it is a sum of discounted powers. Without discount and end
    it is infinite for κ at most 1.
    """
    shape, (begin, power, n, interest, end) = as_rows(*params, tenure, np.log1p(rate), stop)
    own = Params(begin, power)  # type: ignore[arg-type]  # one for each row
    all_stay = np.minimum(np.maximum(np.floor(begin) + 1 - n, 0), end)
    with np.errstate(invalid="ignore"):
        sure = np.where(interest > 0, np.expm1(-interest * all_stay) / np.expm1(-interest), all_stay)
    more = end > all_stay
    first, left = np.where(more, n + all_stay, 1.0), np.where(more, end - all_stay, 1.0)
    there = np.exp(log_survival(own, first) - log_survival(own, n) - interest * np.where(more, all_stay, 0.0))
    return np.where(more, sure + there * power_sum(first, power, interest, left), sure).reshape(shape)


def power_sum(m: Array, power: Array, interest: Array, terms: Array) -> Array:
    """Sum of (1 + j/m)^−power exp(−interest·j) over so many j = 0, 1, ...; infinity if it diverges."""
    j = np.arange(FIRST)
    plain = np.exp(-power[:, None] * np.log1p(j / m[:, None]) - interest[:, None] * j)
    total: Array = np.sum(np.where(j < terms[:, None], plain, 0.0), axis=1)
    long = np.flatnonzero(terms > FIRST)
    if long.size:
        m, power, interest, left = m[long], power[long], interest[long], terms[long] - FIRST
        there = np.exp(-power * np.log1p(FIRST / m) - interest * FIRST)
        total[long] += there * smooth_sum(m + FIRST, power, interest, left)
    return total


def smooth_sum(m: Array, power: Array, interest: Array, terms: Array) -> Array:
    """Return the same where the terms fall slowly, by Euler and Maclaurin's formula."""
    total = power_integral(m, power, interest, terms) + end_terms(m, power, interest)
    ends = np.flatnonzero(np.isfinite(terms))
    m, power, interest, terms = m[ends], power[ends], interest[ends], terms[ends]
    last = np.exp(-power * np.log1p(terms / m) - interest * terms)
    total[ends] -= last * end_terms(m + terms, power, interest)
    return total


def end_terms(m: Array, power: Array, interest: Array) -> Array:
    """Return what a sum from j = 0 on has more than the integral, as a multiple of its first term."""
    total = np.full(m.shape, 0.5)
    for order, weight in BERNOULLI:
        slope, rising = np.zeros(m.shape), np.ones(m.shape)  # minus the derivative of this order
        for i in range(order + 1):
            slope += comb(order, i) * interest ** (order - i) * rising
            rising = rising * (power + i) / m
        total += weight * slope
    return total


def power_integral(m: Array, power: Array, interest: Array, length: Array) -> Array:
    """Integral of (1 + u/m)^−power exp(−interest·u) over u up to `length`."""
    total = np.empty(m.shape)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        span = np.log1p(length / m)
        closed = m * np.where(
            np.isinf(span), np.inf, span * relative_exp((1 - power) * np.where(np.isinf(span), 0, span))
        )
        total = np.where(np.isinf(span), np.where(power > 1, m / (power - 1), np.inf), closed)
        by_power = m * np.expm1(NEGLIGIBLE / np.maximum(power - 1, 1e-3))
        length = np.minimum(np.minimum(length, by_power), NEGLIGIBLE / interest)
    paid = np.flatnonzero(interest > 0)
    for part, u, weight, width in from_zero(np.minimum(m[paid], 1 / interest[paid]), length[paid]):
        rows = paid[part]
        value = np.exp(-power[rows, None] * np.log1p(u / m[rows, None]) - interest[rows, None] * u)
        total[rows] = width * np.einsum("ij,ij->i", weight, value)
    return total


def derivatives(params: Params, tenure: Array, churned: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in begin, power."""
    stayed, end = np.subtract(tenure, churned), np.maximum(tenure, 1)
    before = law_derivatives(params, stayed, (stayed > 0) & (log_law(params, stayed) < 0))
    at_start, at_end = (end > 1) & (log_law(params, end - 1) < 0), log_law(params, end) < 0
    minus_after = tuple(-rows for rows in law_derivatives(params, end, at_end & ~at_start))
    under_the_law = np.zeros((2, np.size(tenure)))
    under_the_law[1] = np.where(at_start, -np.log1p(-1 / np.maximum(end, 2)), 0.0)
    by_hazard = (minus_after[0] + under_the_law, minus_after[1])
    value = log_likelihood(params, tenure, churned)
    return left_or_stayed(value, before, by_hazard, hazard_sum(params, end), churned)


def law_derivatives(params: Params, t: Array, holds: BoolArray) -> tuple[Array, Array]:
    """First and second derivatives of κ log(τ/t) in begin, power, where the law holds; else 0."""
    begin, power = params
    rows = [
        [power / begin, np.log(begin) - np.log(np.maximum(t, 1))],
        [-power / np.square(begin), 1 / np.asarray(begin)],
        [1 / np.asarray(begin), np.zeros(1)],
    ]
    gradient, *hessian = (np.stack([np.where(holds, value, 0.0) for value in row]) for row in rows)
    return gradient, np.stack(hessian)


def start(tenure: Array, churned: Array, counts: IntArray) -> Params:
    """Begin the law in the first period in which anybody leaves, with the best power for a law from its start on.

    The likelihood has an edge there. Where it is highest on the edge, the power is then right, and only the beginning
    moves.
    """
    first = float(tenure[churned > 0].min())
    edge = max(first - 1.0, 0.5)
    power = float(counts @ churned) / float(counts @ np.log(np.maximum(tenure / edge, 1.0)))
    for _ in range(20):  # Newton steps: the likelihood is concave in the power
        here = derivatives(Params(edge, power), tenure, churned)
        step = float(here.gradient[1] @ counts) / -float(here.hessian[1, 1] @ counts)
        power = max(power + step, 0.2 * power)
    return Params(begin=first - 0.5, power=power)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    if params.power < 1e-3:
        return "The power tends to 0: those who stay at first never leave in these data"
    return "The power law begins at the end of a period, before which nobody leaves in these data"


def limit(params: Params) -> RetentionModel | None:
    """Return no simpler model."""
    return None


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Tenures:
    """Draw customers whose contracts run for T periods; infinite T shows when each leaves."""
    begin, power = params
    T = np.asarray(T, dtype=float)
    with np.errstate(over="ignore"):  # she never leaves
        leaves_in = 1 + np.floor(begin * np.exp(rng.exponential(size=T.shape) / power))
    return Tenures(tenure=np.minimum(leaves_in, T), churned=leaves_in <= T)


DISCRETE_PARETO = RetentionModel(
    name="DISCRETE_PARETO",
    title="discrete Pareto",
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
