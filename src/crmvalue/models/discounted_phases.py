"""Regular buyers: all purchases to come, discounted. A discount is a clock that may ring before each event.

With rate λ the next event comes before the clock with chance φ = λ / (λ + δ). Sums over purchases are geometric then,
and what is left are the integrals over λ and over p, both by the trapezoidal rule in their logarithms, which converges
exponentially where the integrand vanishes at both ends.
"""

from __future__ import annotations

import numpy as np

from crmvalue._core.rises import STIRLING_FROM, stirling_tail
from crmvalue._core.special import expit, gammaln, log_beta, power_window
from crmvalue._core.types import Array
from crmvalue.models.phases import Ahead, chosen, most, quiet_sum

NEGLIGIBLE = 60.0  # exp(-60) is so for powers of λ near those that set the window
ROWS_AT_ONCE = 8  # each with some hundred nodes for λ times as many for p


def discounted_for_ever(rate: float, ahead: Ahead) -> Array:
    """Purchases expected of customers alive at T, each discounted by exp(-rate · time from T), for all time.

    Given λ and p, and j events since the last purchase, they are φ^(k−j) + (1−p) φ^(2k−j) + ... = φ^−j / (c + p) with
    c = φ^−k − 1.
    """
    k, n, scale = ahead.k, ahead.shape, ahead.scale
    low = np.log(n + 1) - NEGLIGIBLE / (n + 1) - np.sqrt(2 * NEGLIGIBLE / (n + 1))  # of log λ · scale
    high = np.log(n + 2 * k + np.sqrt(2 * NEGLIGIBLE * (n + 2 * k)) + NEGLIGIBLE)
    least = np.expm1(k * np.log1p(rate * scale / np.exp(high)))  # c where λ is largest
    low_p, _, step_p = power_window(np.full(n.shape, 2.0), 1 / least, ahead.a, ahead.b)
    high_p = power_window(np.zeros(n.shape), np.ones(n.shape), ahead.a, ahead.b)[1]
    nodes = np.ceil((high - low) / np.minimum(0.25, 0.5 / np.sqrt(n + 2 * k)))
    nodes_p = np.ceil((high_p - low_p) / step_p)
    total = np.empty(n.shape)
    order = np.argsort(nodes * nodes_p, kind="stable")
    for begin in range(0, len(n), ROWS_AT_ONCE):
        rows = order[begin : begin + ROWS_AT_ONCE]
        own = Ahead(*(value[:, None] for value in chosen(ahead, rows)))
        x = even_nodes(low[rows], high[rows], int(nodes[rows].max()))
        y = even_nodes(low_p[rows], high_p[rows], int(nodes_p[rows].max()))
        total[rows] = double_sum(rate, own, x, y)
    return total


def even_nodes(low: Array, high: Array, n: int) -> Array:
    """Return n steps from low to high, rows by nodes."""
    return low[:, None] + (high - low)[:, None] / n * np.arange(n + 1)


def double_sum(rate: float, ahead: Ahead, x: Array, y: Array) -> Array:
    """Sum over nodes x = log(λ · scale) and y = log p/(1−p).

    As in `special.mean_power`, the value of 1/(c+p) at p = 1 is taken out of the mean over p, and integration by parts
    turns the rest into a mean under Beta(a+1, b), in which nothing cancels.
    """
    k, n, scale, silence, a, b, _ = ahead
    event = np.exp(x) / scale
    term = np.ones_like(event)
    mix = term.copy()  # over the events j since the last purchase
    for j in range(1, most(k)):
        term = term * (event + rate) * silence / j
        mix += np.where(k > j, term, 0.0)
    step = x[:, 1] - x[:, 0]
    weight = step[:, None] * gamma_density(n, x) * mix / quiet_sum(k, n, silence / scale)
    c = np.expm1(np.minimum(k * np.log1p(rate / event), 600.0))

    p, q = expit(y), expit(-y)
    step_p = y[:, 1] - y[:, 0]
    density = step_p[:, None] * np.exp((a + 1) * np.log(p) + b * np.log(q) - log_beta(a + 1, b))
    inverse = 1 / (c[:, :, None] + p[:, None, :])
    above = np.einsum("ij,ijk->ik", weight / (1 + c), inverse)
    inverse *= inverse
    falling = np.einsum("ij,ijk->ik", weight, inverse) / (a + b)
    at_one = (weight / (1 + c)).sum(axis=1)
    return np.asarray(at_one + np.einsum("ij,ij->i", density * q, above + falling))


def gamma_density(n: Array, x: Array) -> Array:
    """Density of the logarithm of a Gamma(n) variable, without differences of large numbers."""
    away = x - np.log(n)
    few, many = np.minimum(n, STIRLING_FROM), np.maximum(n, STIRLING_FROM)
    peak = np.where(
        n < STIRLING_FROM,
        few * np.log(few) - few - gammaln(few),
        0.5 * np.log(many / (2 * np.pi)) - stirling_tail(many),
    )
    return np.asarray(np.exp(peak + n * (away - np.expm1(away))))
