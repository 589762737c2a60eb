"""Purchases and time to come, discounted, of customers who may leave after each. A discount is a clock that rings once.

With rate λ the next event comes before the clock with chance φ = λ / (λ + δ). Sums over purchases are geometric then,
and what is left are the integrals over λ and over p, both by the trapezoidal rule in their logarithms, which converges
exponentially where the integrand vanishes at both ends. A sinh makes steps longer in the tails.

As in `special.mean_power`, the value f(1) at p = 1 is taken out of the mean over p, and integration by parts turns the
rest into the mean of f − f(1) − (1−p) f'/(a+b) under Beta(a+1, b), in which nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from crmvalue._core.rises import STIRLING_FROM, stirling_tail
from crmvalue._core.special import expit, gammaln, log_beta, power_window
from crmvalue._core.types import Array, IntArray
from crmvalue.models.phases import Ahead, chosen, most, quiet_sum

Three: TypeAlias = tuple[Array, Array, Array]
NEGLIGIBLE = 35.0  # exp(−35) = 6e-16
SMALLEST = -600.0  # logarithm of a rate of events that is as good as none
PAIRS_AT_ONCE = 49_152  # of λ and p: stay in the processor's cache


class Axis(NamedTuple):
    """Even steps in v, where x = middle + stretch · sinh(v): nodes are dense in the middle and rare in both tails."""

    middle: Array
    stretch: Array
    begin: Array  # v at both ends
    end: Array
    steps: Array

    def nodes(self, rows: IntArray) -> tuple[Array, Array]:
        """Return x and its weights for these rows, as many nodes for each as the neediest wants."""
        n = int(self.steps[rows].max())
        step = ((self.end[rows] - self.begin[rows]) / n)[:, None]
        v = self.begin[rows, None] + step * np.arange(n + 1)
        middle, stretch = self.middle[rows, None], self.stretch[rows, None]
        return middle + stretch * np.sinh(v), step * stretch * np.cosh(v)


def axis_of(low: Array, middle: Array, high: Array, step: Array, stretch: Array) -> Axis:
    """Return nodes from low to high that are a step apart in the middle."""
    begin, end = np.arcsinh((low - middle) / stretch), np.arcsinh((high - middle) / stretch)
    return Axis(middle, stretch, begin, end, np.ceil((end - begin) / (step / stretch)))


def axes_of(rate: float, ahead: Ahead, power: int) -> tuple[Axis, Axis]:
    """Return nodes for log(λ · scale) and for log p/(1−p), for what falls like this power of λ where λ is small."""
    k, n, scale, _, a, b, _ = ahead
    fall = n + power
    low = np.log(fall) - NEGLIGIBLE / fall - np.sqrt(2 * NEGLIGIBLE / fall)
    high = np.log(n + 2 * k + np.sqrt(2 * NEGLIGIBLE * (n + 2 * k)) + NEGLIGIBLE)
    by_rate = axis_of(low, np.log(n + 1), high, 0.6 / np.sqrt(n + 2 * k + 8), np.full(n.shape, 3.0))
    least, usual = (np.expm1(k * np.log1p(rate * scale / rates)) for rates in (np.exp(high), n + 1))  # c where λ is so
    low, _, step = power_window(np.full(n.shape, 2.0), 1 / least, a, b)
    high = power_window(np.zeros(n.shape), np.ones(n.shape), a, b)[1]
    mode = np.clip(np.log((a + 1) / (b + 1)), low, high)
    bend = np.clip(np.log(usual), low, mode)  # of 1 / (c + p)
    return by_rate, axis_of(low, 0.5 * (bend + mode), high, 0.9 * step, np.maximum(4.0, mode - bend))


def batches(pairs: Array) -> list[IntArray]:
    """Return rows that need about as many pairs of nodes, so many at once as fit in the cache."""
    order = np.argsort(pairs, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(np.cumsum(pairs[order]) // PAIRS_AT_ONCE)) + 1)


def over_rates(rate: float, ahead: Ahead, power: int) -> Iterator[tuple[IntArray, Array, Three, Three]]:
    """Yield rows, so many at once as fit in the cache: weights of their rates, what is `mixed`, and means over p."""
    by_rate, by_chance = axes_of(rate, ahead, power)
    for rows in batches(by_rate.steps * by_chance.steps):
        own = chosen(ahead, rows)
        weight, event = rates_of(own, *by_rate.nodes(rows))
        yield rows, weight, mixed(rate, own, event), mean_over_chances(rate, own, event, *by_chance.nodes(rows))


def discounted_for_ever(rate: float, ahead: Ahead) -> Array:
    """Purchases expected of customers alive at T, each discounted by exp(-rate · time from T), for all time.

    Given λ and p, and j events since the last purchase, they are φ^(k−j) + (1−p) φ^(2k−j) + ... = φ^−j / (c + p) with
    c = φ^−k − 1.
    """
    total = np.empty(ahead.shape.shape)
    for rows, weight, (_, mix, _), (_, mean, _) in over_rates(rate, ahead, 1):
        total[rows] = np.einsum("ij,ij,ij->i", weight, mix, mean)
    return total


def discounted_time(rate: float, ahead: Ahead) -> Array:
    """Time for which customers alive at T are expected to stay, discounted by exp(-rate · time from T), for all time.

    It is 1 / rate times the chance that the clock rings before she leaves: 1 − φ^−j · p / (c + p). Where φ is near 1,
    that is better written as φ^−j · c / (c + p) − (φ^−j − 1).
    """
    total = np.empty(ahead.shape.shape)
    for rows, weight, (plain, mix, more), (c, mean, leaving) in over_rates(rate, ahead, 0):
        total[rows] = (
            np.einsum("ij,ij->i", weight, np.where(c < 1, mix * c * mean - more, plain - mix * leaving)) / rate
        )
    return total


def rates_of(ahead: Ahead, x: Array, step: Array) -> tuple[Array, Array]:
    """Return weights and values of λ, given x = log(λ · scale) and the weights of its nodes."""
    k, n, scale, silence, _, _, _ = (value[:, None] for value in ahead)
    return step * gamma_density(n, x) / quiet_sum(k, n, silence / scale), np.exp(np.maximum(x, SMALLEST)) / scale


def mixed(rate: float, ahead: Ahead, event: Array) -> tuple[Array, Array, Array]:
    """Sum over the events j since the last purchase of their weights; of these times φ^−j; and times φ^−j − 1."""
    k, _, _, silence, _, _, _ = (value[:, None] for value in ahead)
    term = np.stack([np.ones_like(event), np.ones_like(event), np.zeros_like(event)])
    total = term.copy()
    for j in range(1, most(k)):
        plain, rung, more = term
        term = np.stack([event * plain, (event + rate) * rung, event * more + rate * rung]) * (silence / j)
        total += np.where(k > j, term, 0.0)
    return total[0], total[1], total[2]


def mean_over_chances(rate: float, ahead: Ahead, event: Array, y: Array, step: Array) -> tuple[Array, Array, Array]:
    """Return c, and the means of 1 / (c + p) and p / (c + p), for each rate of events; y are nodes of log p/(1−p)."""
    k, _, _, _, a, b, _ = (value[:, None] for value in ahead)
    c = np.expm1(np.minimum(k * np.log1p(rate / event), 600.0))
    p, q = expit(y), expit(-y)
    density = step * np.exp((a + 1) * np.log(p) + (b + 1) * np.log(q) - log_beta(a + 1, b))
    inverse = 1 / (c[:, :, None] + p[:, None, :])
    above = mean_of(inverse, density) / (1 + c)
    np.square(inverse, out=inverse)
    above += mean_of(inverse, density) / (a + b)
    return c, 1 / (1 + c) + above, 1 / (1 + c) - c * above


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
