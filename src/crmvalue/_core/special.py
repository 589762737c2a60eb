"""The one import of scipy.special: Gamma and Beta functions in logs, exact where differences would lose digits.

Counts of purchases are small whole numbers that many customers share. A function of the count is therefore computed
once for each count and looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import betainc, betaln, digamma, exprel, gammaln, hyp2f1, ndtr, ndtri, zeta
from scipy.special import betaincinv as beta_quantile
from scipy.special import gammaincinv as gamma_quantile

from crmvalue._core.rises import STIRLING_FROM, bend_rise, log_far, slope_rise, stirling_rest
from crmvalue._core.types import Array, BoolArray

__all__ = [
    "beta_quantile",
    "gamma_quantile",
    "digamma",
    "digamma_rise",
    "expit",
    "gammaln",
    "log_beta",
    "log_betas",
    "log_rising",
    "log_rising_ratio",
    "ndtr",
    "normal_quantile",
    "of_count",
    "purchases_until_dropout",
    "softplus",
    "trigamma",
    "trigamma_rise",
]

Numbers: TypeAlias = float | Array

MODERATE = 500.0  # up to which a Beta function keeps 12 digits where it comes from log Γ alone
NEGLIGIBLE = 42.0  # exp(-42) = 6e-19: the tails beyond do not reach the last digit of the sum
QUADRATURE_ROWS = 2048  # rows integrated at a time: keeps the nodes in the processor's cache


def normal_quantile(probability: float) -> float:
    """Value that a standard normal variable stays below with this probability."""
    return float(ndtri(probability))


def trigamma(z: Numbers) -> Array:
    """Second derivative of log Γ."""
    return np.asarray(zeta(2.0, z))


def log_rising(z: Numbers, n: Numbers) -> Array:
    """Return log Γ(z + n) / Γ(z) for z > 0, n >= 0, without the difference of two large logarithms."""
    if is_shared(z, n):
        return by_count(lambda counts: log_rising(np.full(counts.shape, z), counts), n)
    start, rise = np.asarray(z, dtype=float), np.asarray(n, dtype=float)
    small, large = np.minimum(start, STIRLING_FROM), np.maximum(start, STIRLING_FROM)
    return np.where(start < STIRLING_FROM, gammaln(small + rise) - gammaln(small), log_far(large, rise))


def log_rising_ratio(z: Numbers, m: Numbers, n: Numbers) -> Array:
    """Return log Γ(z) Γ(z + m + n) / [Γ(z + m) Γ(z + n)] for z > 0; m, n >= 0, whole or not. Never below 0.

    The terms are added in a form without large differences, so that a ratio of Beta functions near 1 keeps its digits:
    B(a, z + n) / B(a, z) is the exponential of minus this value at m = a.
    """
    z, few, many = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (z, np.minimum(m, n), np.maximum(m, n))))
    total = np.zeros(z.shape)
    low = z < STIRLING_FROM
    if low.any():  # Γ(z) = Γ(z + 1) / z, as often as it takes
        place, less, more = z[low], few[low], many[low]
        for step in range(int(STIRLING_FROM)):
            total[low] += np.log1p(more / (place + step + less + more) * (less / (place + step)))
    z = np.where(low, z + STIRLING_FROM, z)
    at_many = np.log1p(few / (z + many))
    both = many / (z + many) * (few / (z + few))
    change = np.where(both > 0.5, at_many - np.log1p(few / z), np.log1p(-np.minimum(both, 0.5)))
    total += many * at_many + few * np.log1p(many / z) + (z + few - 0.5) * change
    total += both * (1 + z / (z + few + many)) / (12 * z)  # the second difference of 1 / (12 z)
    ends = stirling_rest(z) - stirling_rest(z + few) - stirling_rest(z + many) + stirling_rest(z + few + many)
    return np.asarray(total + ends)


def log_beta(a: Numbers, b: Numbers) -> Array:
    """Logarithm of the Beta function; either argument may be very large."""
    few, many = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(gammaln(few) - log_rising(many, few))


def log_betas(a: float, b: Array) -> Array:
    """Logarithms of Beta functions for many `b`, ascending, to 12 digits: enough for the sum of a likelihood."""
    return np.asarray(betaln(a, b)) if a + b[-1] < MODERATE else log_beta(a, b)


def softplus(x: Array) -> tuple[Array, Array]:
    """Return log(1 + exp(x)) and its slope, the logistic of x, from one exponential that never overflows."""
    small = np.exp(-np.abs(x))
    return np.maximum(x, 0.0) + np.log1p(small), logistic(x, small)


def expit(x: Numbers) -> Array:
    """Return the logistic 1 / (1 + exp(−x)); from 40 on it is 1 to the last bit."""
    odds = np.exp(np.minimum(x, 40.0))
    return np.asarray(odds / (1 + odds))


def logistic(x: Array, small: Array) -> Array:
    """Return the same, given exp(−|x|)."""
    return np.asarray(np.where(x > 0, 1.0, small) / (1 + small))


def relative_exp(x: Numbers) -> Array:
    """(exp(x) − 1) / x, and 1 at 0."""
    return np.asarray(exprel(x))


def log_choices(n: Numbers, k: Numbers) -> Array:
    """Return log Γ(n + k) / (Γ(n) k!): the ways in which k purchases come about."""
    least = np.maximum(k, 1)
    small, large = np.minimum(n, least), np.maximum(n, least)
    return np.asarray(np.where(np.asarray(k) > 0, -log_beta(small, large) - np.log(least), 0.0))


def log_negative_binomial(k: Numbers, shape: Numbers, growth: Numbers) -> Array:
    """Log probability of k purchases where their number is Poisson with a mean ~ Gamma(shape) · growth."""
    none = -np.multiply(shape, np.log1p(growth))
    return np.asarray(none + log_choices(shape, k) - np.multiply(k, np.log1p(1 / np.asarray(growth))))


def negative_binomial_tail(k: Numbers, shape: Numbers, growth: Numbers) -> Array:
    """Return the probability of at least k >= 1 such purchases."""
    return np.asarray(betainc(k, shape, 1 / (1 + 1 / np.asarray(growth))))


def digamma_rise(z: Numbers, n: Numbers) -> Array:
    """ψ(z + n) − ψ(z) for whole n: the sum of 1 / (z + j) over j < n."""
    if is_shared(z, n):
        return by_count(lambda counts: sums_before(1 / (np.asarray(z) + counts)), n)
    return slope_rise(z, n)


def trigamma_rise(z: Numbers, n: Numbers) -> Array:
    """ψ'(z + n) − ψ'(z) for whole n: minus the sum of 1 / (z + j)² over j < n."""
    if is_shared(z, n):
        return by_count(lambda counts: -sums_before(1 / (np.asarray(z) + counts) ** 2), n)
    return bend_rise(z, n)


def sums_before(terms: Array) -> Array:
    """Sum of the terms before each place."""
    return np.concatenate([[0.0], np.cumsum(terms[:-1])])


def is_shared(z: Numbers, n: Numbers) -> bool:
    """Whether one parameter meets so many counts that a table of all counts is cheaper."""
    counts = np.asarray(n)
    return np.ndim(z) == 0 and counts.size > 16 and bool(counts.max() < 4 * counts.size + 10_000)


def of_count(function: Callable[..., Array], n: Array, *params: Numbers) -> Array:
    """Values of `function(n, *params)`, computed once for each count if the customers share the parameters."""
    if all(is_shared(param, n) for param in params):
        return by_count(lambda counts: function(np.maximum(counts, min(1.0, n.min())), *params), n)
    return function(n, *params)


def by_count(function: Callable[[Array], Array], n: Numbers) -> Array:
    """Values of a function of a count, computed once for each count up to the largest."""
    counts = np.asarray(n).astype(np.intp)
    return function(np.arange(counts.max() + 1, dtype=float))[counts]


def purchases_until_dropout(shape: Numbers, growth: Numbers, a: Numbers, b: Numbers) -> Array:
    """Return the expected purchases of a customer who leaves with chance p ~ Beta(a, b) after each of them.

    The mean over p of [1 − (1 + p·growth)^−shape] / p. Her purchases while she stays are negative binomial with this
    shape and mean shape·growth. In closed form, with c = a + b − 1 and z = growth / (1 + growth), it is
    c/(a−1) · [1 − (1−z)^(a−1) · 2F1(c − shape, a − 1; c; z)]: good to 1e-12 where its difference keeps its digits and
    its arguments are moderate; elsewhere the mean is integrated.
    """
    given = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (shape, growth, a, b)))
    rows = [value.ravel() for value in given]
    values = np.zeros(rows[0].shape)
    with np.errstate(all="ignore"):  # rows out of the formula's reach are integrated below
        closed, safe = closed_form(*rows)
    values[safe] = closed[safe]
    left = np.flatnonzero(~safe & (rows[1] > 0))
    width = integration_nodes(*(row[left] for row in rows))
    left = left[np.argsort(width, kind="stable")]  # rows that need about as many nodes go together
    for start in range(0, left.size, QUADRATURE_ROWS):
        part = left[start : start + QUADRATURE_ROWS]
        values[part] = integral_over_dropout(*(row[part] for row in rows))
    return values.reshape(given[0].shape)


def closed_form(shape: Array, growth: Array, a: Array, b: Array) -> tuple[Array, BoolArray]:
    """Return the hypergeometric form and where it can be trusted."""
    c = a + b - 1
    z = growth / (1 + growth)
    log_power = (a - 1) * np.log1p(-z)
    # 1 − y·F as (1 − y) − y·(F − 1): less is lost for short horizons
    values = c / (a - 1) * (-np.expm1(log_power) - np.exp(log_power) * (hyp2f1(c - shape, a - 1, c, z) - 1))
    rounding = np.finfo(float).eps * c / np.abs(a - 1)  # of the difference, once it is multiplied by c / (a − 1)
    kept = (values > 0) & (rounding < 1e-13 * values)
    moderate = (z < 0.9) & (a < 10) & (c > 0.05) & (np.abs(c - shape) < 20)
    return values, np.asarray(np.isfinite(values) & kept & moderate)


def integration_window(shape: Array, growth: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Lower and upper end and step for the integral over y = log p/(1−p), from log-concave bounds of its two terms."""
    v = growth * np.maximum(shape, 1)
    linear = b + 1 - a * v
    root = np.sqrt(linear**2 + 4 * v * (b + 2) * (a + 1))
    mode = np.log(np.where(linear > 0, 2 * (a + 1) / (linear + root), (root - linear) / (2 * v * (b + 2))))
    log_v = np.log(v)

    def bounds(y: Array) -> Array:
        both = (a + 1) * y - (a + b + 2) * np.logaddexp(0, y)
        falls = np.log1p(v * expit(y))
        return np.stack([both - falls, both - 2 * falls])

    p, k = expit(mode), expit(mode + log_v)
    curvature = (a + b + 2) * p * (1 - p) + k * (1 - k)
    ends = []
    for side in (-1, 1):
        distance = np.sqrt(2 * NEGLIGIBLE / curvature)
        for _ in range(60):
            near = (bounds(mode) - bounds(mode + side * distance)).min(axis=0) < NEGLIGIBLE
            if not near.any():
                break
            distance = np.where(near, 1.25 * distance, distance)
        ends.append(mode + side * distance)
    return ends[0], ends[1], np.minimum(0.25, 0.5 / np.sqrt(curvature))


def integration_nodes(shape: Array, growth: Array, a: Array, b: Array) -> Array:
    """Count the steps that each row's integral needs."""
    lower, upper, step = integration_window(shape, growth, a, b)
    return (upper - lower) / step


def integral_over_dropout(shape: Array, growth: Array, a: Array, b: Array) -> Array:
    """Integrate h(p) = [1 − (1 + p·growth)^−shape] / p over Beta(a, b), by the trapezoidal rule in log p/(1−p).

    The rule converges exponentially where both tails vanish. So that they do for any a, b > 0, h(1) is taken out, and
    integration by parts turns the mean of f = h − h(1) under Beta(a, b) into that of f − (1−p) h'/(a+b) under
    Beta(a+1, b). Every term is positive: nothing cancels.
    """
    lower, upper, step = integration_window(shape, growth, a, b)
    if not lower.size:
        return np.zeros(0)
    n = int(np.ceil(np.max((upper - lower) / step)))
    step = (upper - lower) / n
    log_norm = log_beta(a + 1, b)[:, None]
    shape, growth, a, b = (value[:, None] for value in (shape, growth, a, b))
    y = lower[:, None] + step[:, None] * np.arange(n + 1)
    p, q = expit(y), expit(-y)
    log_growth = np.log1p(growth * p)
    bought = -np.expm1(-shape * log_growth)
    at_one = -np.expm1(-shape * np.log1p(growth))
    falling = (bought - shape * growth * p / (1 + growth * p) * np.exp(-shape * log_growth)) / p**2
    density = np.exp((a + 1) * np.log(p) + b * np.log(q) - log_norm)
    inside = bought / p - at_one + q * falling / (a + b)
    return np.asarray(at_one[:, 0] + step * np.einsum("ij,ij->i", density, inside))


def mean_power(shape: Numbers, growth: Numbers, a: Numbers, b: Numbers) -> Array:
    """Mean of (1 + p·growth)^−shape over p ~ Beta(a, b): 2F1(shape, a; a + b; −growth), always by an integral.

    As in `integral_over_dropout`, the value f(1) is taken out and integration by parts turns the rest into the mean of
    f − f(1) − (1−p) f'/(a+b) under Beta(a+1, b), in which nothing cancels.
    """
    given = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (shape, growth, a, b)))
    rows = [value.ravel() for value in given]
    values = np.empty(rows[0].shape)
    lower, upper, step = power_window(*rows)
    order = np.argsort((upper - lower) / step, kind="stable")
    for start in range(0, order.size, QUADRATURE_ROWS):
        part = order[start : start + QUADRATURE_ROWS]
        values[part] = integral_of_power(*(row[part] for row in (*rows, lower, upper, step)))
    return values.reshape(given[0].shape)


def log_power_density(y: Array, shape: Array, growth: Array, a: Array, b: Array) -> Array:
    """Logarithm of p^(a+1) (1−p)^(b+1) (1 + p·growth)^−shape at y = log p/(1−p)."""
    return np.asarray((a + 1) * y - (a + b + 2) * np.logaddexp(0, y) - shape * np.log1p(growth * expit(y)))


def power_window(shape: Array, growth: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Lower and upper end and step for the integral over y; its integrand has one mode, the root of a quadratic.

    The second of its two terms is bounded by the first at a shape higher by 1.
    """
    square, linear, constant = growth * (shape - a - b - 2), (a + 1) * growth - (a + b + 2) - shape * growth, a + 1
    root = np.sqrt(np.maximum(linear**2 - 4 * square * constant, 0))
    with np.errstate(divide="ignore", invalid="ignore"):  # of two ways to write the root, the one without a difference
        mode_p = np.where(linear > 0, (linear + root) / (-2 * square), 2 * constant / (root - linear))  # in (0, 1)
    mode_q = np.maximum(1 - mode_p, 1e-17)
    mode = np.log(mode_p / mode_q)
    inner = growth * mode_p / (1 + growth * mode_p)
    curvature = (a + b + 2) * mode_p * mode_q + shape * inner * mode_q

    def bounds(y: Array) -> Array:
        first = log_power_density(y, shape, growth, a, b)
        return np.stack([first, first - np.log1p(growth * expit(y))])

    highest = bounds(mode)
    ends = []
    for side in (-1, 1):
        distance = np.sqrt(2 * NEGLIGIBLE / np.maximum(curvature, 0.1))
        for _ in range(80):
            near = (highest - bounds(mode + side * distance)).min(axis=0) < NEGLIGIBLE
            if not near.any():
                break
            distance = np.where(near, 1.25 * distance, distance)
        ends.append(mode + side * distance)
    return ends[0], ends[1], np.minimum(0.25, 0.5 / np.sqrt(curvature))


def integral_of_power(
    shape: Array, growth: Array, a: Array, b: Array, lower: Array, upper: Array, step: Array
) -> Array:
    """Trapezoidal rule for `mean_power`, as many nodes for each row as the neediest wants."""
    n = int(np.ceil(np.max((upper - lower) / step)))
    step = (upper - lower) / n
    log_norm = log_beta(a + 1, b)[:, None]
    at_one = np.exp(-shape * np.log1p(growth))
    shape, growth, a, b = (value[:, None] for value in (shape, growth, a, b))
    y = lower[:, None] + step[:, None] * np.arange(n + 1)
    p, q = expit(y), expit(-y)
    above = -np.expm1(-shape * np.log1p(q * growth / (1 + growth * p)))  # 1 − f(1) / f(p)
    falling = shape * growth * q / (1 + growth * p) / (a + b)
    log_density = (a + 1) * np.log(p) + b * np.log(q) - log_norm - shape * np.log1p(growth * p)
    return np.asarray(at_one + step * np.einsum("ij,ij->i", np.exp(log_density), above + falling))
