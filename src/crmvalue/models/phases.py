"""Regular buyers: a purchase is every k-th event of a hidden Poisson process; gaps between purchases are Erlang.

A customer alive at T has had fewer than k events since her last purchase. Her events since then, in the silence and in
the time ahead together, are negative binomial, and lie at random in that time. All sums below are of positive terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from crmvalue._core.quadrature import as_rows
from crmvalue._core.special import (
    log_choices,
    log_negative_binomial,
    log_rising_ratio,
    negative_binomial_tail,
    relative_exp,
)
from crmvalue._core.types import Array, IntArray
from crmvalue.models.residual_lifetime import sum_rule

NEGLIGIBLE = 42.0  # exp(-42) = 6e-19 does not reach the last digit of a sum
SMALLEST = 700.0  # exp(-700) is the smallest number that is counted with
MOST_STEPS = 2_048  # events that are counted one by one; beyond, they are summed in blocks
ROWS_AT_ONCE = 2_048  # stay in the processor's cache
BLOCK_ROWS_AT_ONCE = 32  # the same, where each has hundreds of terms
FARTHEST = 1e18  # more purchases than can be expected
LAST_DIGIT = 1e-17
TINY = 1e-300
SUMMED = 24  # terms that a block sums exactly, whatever they are


class Ahead(NamedTuple):
    """Customers alive at T, one row each; her rate of events was λ ~ Gamma(shape, scale − silence) after a purchase."""

    k: Array  # events a purchase
    shape: Array  # r + k·x
    scale: Array  # α + T
    silence: Array  # T − recency
    a: Array  # she leaves after a purchase with chance p ~ Beta(a, b)
    b: Array
    horizon: Array  # time ahead, above 0


class Moment(NamedTuple):
    """Numbers of a sum over events, at so many of them since the last purchase before T."""

    completes: bool  # whether the next event is a purchase
    speed: Array  # rate of the next event
    stays: Array  # chance that she stays after all purchases that these events bring: the mean of (1−p)^m
    bought: Array  # purchases that they bring until she leaves: the mean of [1 − (1−p)^m] / p


Gain: TypeAlias = Callable[[Moment], Array | None]
"""What a number of events is worth; None where it is worth nothing."""


def purchases(at: Moment) -> Array:
    """Return the purchases that she has made."""
    return at.bought


def survival(at: Moment) -> Array:
    """Return the chance that she is still a customer."""
    return at.stays


def purchase_rate(at: Moment) -> Array | None:
    """Return the rate of her purchases."""
    return at.speed * at.stays if at.completes else None


def quiet_sum(k: float | Array, shape: float | Array, share: float | Array) -> Array:
    """Sum over j < k of Γ(shape + j) / (Γ(shape) j!) · share^j: its terms weigh the events since the last purchase.

    With share = silence / (α + T) it is the chance of fewer than k events in the silence, times
    [(α + T) / (α + recency)]^shape.
    """
    term = np.ones(np.broadcast_shapes(np.shape(k), np.shape(shape), np.shape(share)))
    total = term.copy()
    for j in range(1, most(k)):
        term = term * (np.add(shape, j - 1) / j * share)
        total += np.where(np.asarray(k) > j, term, 0.0)
    return total


def most(k: float | Array) -> int:
    """Return the largest k, a whole number."""
    return int(np.rint(np.max(k, initial=1)))


def expectation(gain: Gain, *values: float | Array) -> Array:
    """Mean of a gain over the events to come; `values` are those of `Ahead`, or broadcast to them."""
    shape, rows = as_rows(*values)
    ahead = Ahead(*rows)
    total = np.empty(rows[0].shape)
    growth = ahead.horizon / ahead.scale
    quiet = np.log(quiet_sum(ahead.k, ahead.shape, ahead.silence / ahead.scale))
    steps = most_events(ahead.shape + ahead.k - 1, growth)
    near = (steps < MOST_STEPS) & (ahead.shape * np.log1p(growth) + quiet < SMALLEST - 100)
    for k in np.unique(ahead.k):
        rows_k = np.flatnonzero((ahead.k == k) & near)
        rows_k = rows_k[np.argsort(steps[rows_k], kind="stable")]
        for begin in range(0, len(rows_k), ROWS_AT_ONCE):
            part = rows_k[begin : begin + ROWS_AT_ONCE]
            total[part] = by_steps(gain, round(k), chosen(ahead, part), quiet[part])
        rows_k = np.flatnonzero((ahead.k == k) & ~near)
        for begin in range(0, len(rows_k), BLOCK_ROWS_AT_ONCE):
            part = rows_k[begin : begin + BLOCK_ROWS_AT_ONCE]
            total[part] = by_blocks(gain, round(k), chosen(ahead, part))
    return total.reshape(shape)


def chosen(ahead: Ahead, rows: IntArray) -> Ahead:
    """Return some of the rows."""
    return Ahead(*(value[rows] for value in ahead))


def most_events(shape: Array, growth: Array) -> Array:
    """Return a number that the events exceed with a negligible chance, by bounds for Gamma and Poisson tails."""
    mean = growth * (shape + np.sqrt(2 * NEGLIGIBLE * shape) + NEGLIGIBLE)
    return np.asarray(mean + np.sqrt(2 * NEGLIGIBLE * mean) + NEGLIGIBLE / 3)


def by_steps(gain: Gain, k: int, ahead: Ahead, quiet: Array) -> Array:
    """Count the events y = 0, 1, 2, ... one by one.

    The chance of y events in all, j < k of them in the silence, is (n)_y / (j! (y−j)!) v^j u^(y−j) up to a factor:
    one more event came last, and lies either in the time ahead or in the silence.
    """
    _, n, scale, silence, a, b, horizon = ahead
    end = scale + horizon
    u, v = horizon / end, silence / end
    split = np.zeros((k, len(n)))
    split[0] = np.exp(-n * np.log1p(horizon / scale) - quiet)
    stays, bought, total, before = np.ones_like(n), np.zeros_like(n), np.zeros_like(n), np.ones_like(n)
    mean = (n + k) * horizon / scale
    y, m, going = 0, 0, True
    while going:
        chance = split.sum(axis=0)
        completes = (y + 1) % k == 0
        worth = gain(Moment(completes, (n + y) / end, stays, bought))
        added = np.zeros_like(n) if worth is None else chance * worth
        total += added
        if completes:
            falls = np.maximum(chance / before, u**k)  # and so do later terms, at most by this factor each purchase
            before = np.maximum(chance, TINY)
            going = bool(((y < mean) | (k * added > LAST_DIGIT * (1 - falls) ** 2 * total) | (m == 0)).any())
            bought = bought + stays
            stays = stays * ((b + m) / (a + b + m))
            m += 1
        grown = (n + y) / (y + 1)
        split[1:] = grown * (u * split[1:] + v * split[:-1])
        split[0] *= grown * u
        y += 1
    return total


def by_blocks(gain: Gain, k: int, ahead: Ahead) -> Array:
    """Sum over so many events that they are summed in blocks, by Gauss rules for sums over whole numbers.

    At a fixed rest of y by k, everything is a smooth function of the purchases m that y events bring.
    """
    n, growth = ahead.shape, ahead.horizon / ahead.scale
    least = growth * np.maximum(n - np.sqrt(2 * SMALLEST * n), 0)
    least = np.maximum(least - np.sqrt(2 * SMALLEST * least), 0)
    fine = np.ceil(np.log2(np.maximum(1.0, np.sqrt(n) / 3)))  # blocks of three standard deviations at most
    limits = zip(fine, least / k, most_events(n + k - 1, growth) / k, strict=True)
    edges = [block_ends(int(finest), low, high) for finest, low, high in limits]
    row = np.repeat(np.arange(len(n)), [len(ends) for ends in edges])
    begins = np.concatenate(edges)
    log_terms = log_sums(gain, k, chosen(ahead, row), begins, rests=[k - 1])  # a look at one of k terms is enough
    highest = np.full(len(n), -np.inf)
    np.maximum.at(highest, row, log_terms)
    matters = log_terms > np.maximum(highest - 1.5 * NEGLIGIBLE, -SMALLEST)[row]
    kept = np.flatnonzero((matters[:-1] | matters[1:]) & (row[:-1] == row[1:]))
    if not len(kept):
        return np.zeros(len(n))  # smaller than any number
    rules = [sum_rule_of(int(length)) for length in np.diff(begins)[kept]]
    m = begins[kept, None] + np.stack([nodes for nodes, _ in rules])
    own = np.repeat(row[kept], SUMMED)
    terms = np.exp(log_sums(gain, k, chosen(ahead, own), m.ravel(), rests=range(k)))
    weights = np.concatenate([weight for _, weight in rules])
    return np.bincount(own, weights * terms, minlength=len(n)).astype(float)


def block_ends(fine: int, low: float, high: float) -> Array:
    """Return the ends of the blocks that cover what lies between."""
    edges = block_edges(fine)
    first, last = np.searchsorted(edges, [low, high])
    return edges[max(int(first) - 1, 0) : int(last) + 2]


@lru_cache(maxsize=64)
def block_edges(fine: int) -> Array:
    """Return ends of blocks, each longer than the time before it by at most a factor 1 + 2^-fine."""
    edges = [0.0]
    while edges[-1] < FARTHEST:
        edges.append(edges[-1] + max(float(SUMMED), np.floor(edges[-1] * 2.0**-fine)))
    return np.array(edges)


@lru_cache(maxsize=4_096)
def sum_rule_of(length: int) -> tuple[Array, Array]:
    """Return the rule for a block of this length."""
    return sum_rule(length)


def log_sums(gain: Gain, k: int, ahead: Ahead, m: Array, *, rests: Sequence[int]) -> Array:
    """Logarithm of the terms of y = m·k + rest events together, for each m."""
    _, n, scale, silence, a, b, horizon = ahead
    end, first = scale + horizon, m * k
    stays = np.exp(-log_rising_ratio(b, a, m))
    bought = bought_until(m, a, b) if gain is purchases else stays  # the only one to ask for it
    chance, total = np.ones_like(m), np.zeros_like(m)  # both in units of the chance of the first y
    for rest in range(k):
        y = first + rest
        worth = gain(Moment(rest == k - 1, (n + y) / end, stays, bought)) if rest in rests else None
        if worth is not None:
            total += chance * ways(k, y, silence / horizon) * worth
        chance = chance * (n + y) / (y + 1) * (horizon / end)
    log_first = log_choices(n, first) - n * np.log1p(horizon / scale) - first * np.log1p(scale / horizon)
    with np.errstate(divide="ignore"):  # no purchases yet
        return np.asarray(log_first - np.log(quiet_sum(k, n, silence / scale)) + np.log(total))


def ways(k: float | Array, y: Array, odds: float | Array) -> Array:
    """Sum of C(y, j) odds^j over j < k, for y whole or at least k: fewer than k of the events lie in the silence."""
    total = np.ones(np.broadcast_shapes(np.shape(k), np.shape(y), np.shape(odds)))
    for j in range(most(k) - 1, 0, -1):
        total = np.where(np.asarray(k) > j, 1 + (y - j + 1) / j * odds * total, total)
    return total


def bought_until(m: Array, a: Array, b: Array) -> Array:
    """Mean of [1 − (1−p)^m] / p over p ~ Beta(a, b): of m purchases, those that she makes until she leaves.

    The first, and if she stays those of a customer with b + 1: (a+b)/(a−1) · [1 − (b+1)_(m−1) / (a+b)_(m−1)].
    """
    more = np.maximum(m - 1, 0)
    away = np.maximum(np.abs(a - 1), 1e-12)  # at a = 1 the formula has a limit; so near it, it is the limit
    rise = log_rising_ratio(np.where(a > 1, b + 1, a + b), away, more)
    after = (a + b) * rise / away * relative_exp(np.where(a > 1, -rise, rise))
    return np.asarray(np.where(m > 0, 1 + b / (a + b) * after, 0.0))


def chance_of_count(m: Array, ahead: Ahead) -> Array:
    """Probability that the events ahead would bring m purchases: m·k to m·k + k − 1 events since the last one."""
    k, n, scale, silence, _, _, horizon = ahead
    y, growth = m * k, horizon / scale
    chance = np.exp(
        log_negative_binomial(y, n, growth) - np.log(quiet_sum(k, n, silence / scale)),
    )
    total = chance * ways(k, y, silence / horizon)
    for i in range(1, most(k)):
        chance = chance * (n + y + i - 1) / (y + i) * (horizon / (scale + horizon))
        total = total + np.where(np.asarray(k) > i, chance * ways(k, y + i, silence / horizon), 0.0)
    return np.asarray(total)


def chance_of_at_least(m: Array, ahead: Ahead) -> Array:
    """Probability that they would bring at least m >= 1: so many events ahead, less those since the last purchase."""
    k, n, scale, silence, _, _, horizon = ahead
    share = silence / scale
    weight = 1 / quiet_sum(k, n, share)
    total = weight * negative_binomial_tail(m * k, n, horizon / scale)
    for j in range(1, most(k)):
        weight = weight * (n + j - 1) / j * share
        tail = negative_binomial_tail(np.maximum(m * k - j, 1), n + j, horizon / scale)
        total = total + np.where(np.asarray(k) > j, weight * tail, 0.0)
    return np.minimum(total, 1.0)
