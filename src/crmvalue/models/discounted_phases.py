"""Purchases to come, discounted, of customers who may leave after each. A discount is a clock that may ring first.

With rate λ the next event comes before the clock with chance φ = λ / (λ + δ). Sums over purchases are geometric then,
and what is left are the integrals over λ and over p, both by the trapezoidal rule in their logarithms, which converges
exponentially where the integrand vanishes at both ends.

As in `special.mean_power`, the value f(1) at p = 1 is taken out of the mean over p, and integration by parts turns the
rest into the mean of f − f(1) − (1−p) f'/(a+b) under Beta(a+1, b), in which nothing cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.rises import STIRLING_FROM, stirling_tail
from crmvalue._core.special import expit, gammaln, log_beta, power_window
from crmvalue._core.types import Array, IntArray
from crmvalue.models.phases import Ahead, chosen, most, quiet_sum

NEGLIGIBLE = 42.0  # exp(−42) = 6e-19 does not reach the last digit of a sum
PAIRS_AT_ONCE = 49_152  # of λ and p: stay in the processor's cache


class Grid(NamedTuple):
    """Nodes x = log(λ · scale) and y = log p/(1−p) for each row: both ends, and how many steps."""

    low: Array
    high: Array
    steps: Array
    low_p: Array
    high_p: Array
    steps_p: Array

    def parts(self) -> list[IntArray]:
        """Return rows that need about as many nodes, so many at once as fit in the cache."""
        pairs = (self.steps + 1) * (self.steps_p + 1)
        order = np.argsort(pairs, kind="stable")
        batch = np.cumsum(pairs[order]) // PAIRS_AT_ONCE
        return np.split(order, np.flatnonzero(np.diff(batch)) + 1)

    def nodes(self, rows: IntArray) -> tuple[Array, Array, Array, Array]:
        """Return x and y of these rows, shape (rows, nodes), and their steps, shape (rows, 1)."""
        found: list[Array] = []
        for low, high, steps in (self[:3], self[3:]):
            n = int(steps[rows].max())
            step = ((high[rows] - low[rows]) / n)[:, None]
            found += [low[rows, None] + step * np.arange(n + 1), step]
        x, step, y, step_p = found
        return x, y, step, step_p


def grid_of(rate: float, ahead: Ahead) -> Grid:
    """Return nodes for customers whose rate of events is Gamma(shape, scale), and their p is Beta(a, b)."""
    k, n, scale, _, a, b, _ = ahead
    low = np.log(n + 1) - NEGLIGIBLE / (n + 1) - np.sqrt(2 * NEGLIGIBLE / (n + 1))
    high = np.log(n + 2 * k + np.sqrt(2 * NEGLIGIBLE * (n + 2 * k)) + NEGLIGIBLE)
    least = np.expm1(k * np.log1p(rate * scale / np.exp(high)))  # c where λ is largest
    low_p, _, step_p = power_window(np.full(n.shape, 2.0), 1 / least, a, b)
    high_p = power_window(np.zeros(n.shape), np.ones(n.shape), a, b)[1]
    steps = np.ceil((high - low) / np.minimum(0.25, 0.5 / np.sqrt(n + 2 * k)))
    return Grid(low, high, steps, low_p, high_p, np.ceil((high_p - low_p) / step_p))


def discounted_for_ever(rate: float, ahead: Ahead) -> Array:
    """Purchases expected of customers alive at T, each discounted by exp(-rate · time from T), for all time.

    Given λ and p, and j events since the last purchase, they are φ^(k−j) + (1−p) φ^(2k−j) + ... = φ^−j / (c + p) with
    c = φ^−k − 1.
    """
    grid = grid_of(rate, ahead)
    total = np.empty(ahead.shape.shape)
    for rows in grid.parts():
        k, n, scale, silence, a, b, _ = (value[:, None] for value in chosen(ahead, rows))
        x, y, step, step_p = grid.nodes(rows)
        event = np.exp(x) / scale
        term = np.ones_like(event)
        mix = term.copy()  # over the events j since the last purchase
        for j in range(1, most(k)):
            term = term * (event + rate) * silence / j
            mix += np.where(k > j, term, 0.0)
        weight = step * gamma_density(n, x) * mix / quiet_sum(k, n, silence / scale)
        c = np.expm1(np.minimum(k * np.log1p(rate / event), 600.0))
        p, q = expit(y), expit(-y)
        density = step_p * np.exp((a + 1) * np.log(p) + (b + 1) * np.log(q) - log_beta(a + 1, b))
        inverse = 1 / (c[:, :, None] + p[:, None, :])
        at_one = weight / (1 + c)
        above = at_one * mean_of(inverse, density)
        np.square(inverse, out=inverse)
        falling = weight / (a + b) * mean_of(inverse, density)
        total[rows] = (at_one + above + falling).sum(axis=1)
    return total


def mean_of(values: Array, weights: Array) -> Array:
    """Sum of values (rows, nodes, k) times weights (rows, k) over their last axis."""
    return np.asarray(np.matmul(values, weights[:, :, None])[:, :, 0])


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
