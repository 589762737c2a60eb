"""Pareto/NBD's integral over the moment of leaving, tabulated for all customers of a summary at once.

With n = r + x, a = α + z and b = β + z, every history needs the integral of (α+t)^n (β+t)^s / (a^n b^s) dz/b from her
recency t to T. It is a difference of two values of G(t), the same integral from t to the last T of all, which obeys a
recurrence: G(t) = the integral over the step to the next time + the fall of the integrand over that step · G(next).
Customers share few frequencies and, where times are whole days, few times. G is tabulated over both, with the integrals
of log a, 1/a, log b and 1/b that the slopes need. Second moments are needed only summed over customers, and come from
the recurrence run forwards on their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.parts import in_parts, parts
from crmvalue._core.quadrature import unit_rule
from crmvalue._core.types import Array, IntArray
from crmvalue.models.distinct import codes

CELLS_PER_ROW = 6  # a cell of the table costs about a sixth of an integral for one row
LEAST_CELLS = 2_000
MANY_CELLS = 500_000  # of about 100 bytes each: beyond, a table must not hold more than 50 bytes a row
REACH = {4: (0.14, 0.3), 6: (0.9, 0.7), 8: (2.6, 1.2), 12: (8.0, 2.0), 24: (30.0, 4.0)}
"""Nodes in a step: exact to the last bits where the integrand falls by so many logs over so much log time at most."""
VALUES_AT_ONCE = 49_152  # of the integrand evaluated at a time: stays in the processor's cache
DEEPEST = 500.0  # logarithms that a sum may span before it is scaled anew


class Grid(NamedTuple):
    """The times and frequencies of a summary, and each customer's place among them."""

    times: Array  # every recency and T, ascending, shape (d,)
    counts: Array  # every frequency, shape (k,)
    largest: Array  # the highest frequency among those who bought for the last time up to each time, shape (d,)
    last: IntArray  # place of each recency in `times`, shape (n,)
    end: IntArray  # place of each T
    own: IntArray  # place of each frequency in `counts`


def grid_of(frequency: Array, recency: Array, T: Array) -> Grid | None:
    """Return the grid, or None where it has so many cells that each row is better integrated for itself."""
    place = codes(np.concatenate([recency, T]))
    last, end = place[: len(T)], place[len(T) :]
    own = codes(frequency)
    times, counts = np.empty(int(place.max()) + 1), np.empty(int(own.max()) + 1)
    most = min(CELLS_PER_ROW * len(T) + LEAST_CELLS, len(T) // 2 + MANY_CELLS)
    if times.size < 2 or times.size * counts.size > most:
        return None
    times[last], times[end], counts[own] = recency, T, frequency
    bought = np.zeros((times.size, counts.size), dtype=bool)
    bought[last, own] = True
    largest = np.where(bought, counts, 0.0).max(axis=1)
    return Grid(times, counts, np.maximum.accumulate(largest), last, end, own)


class Block(NamedTuple):
    """Some steps of the grid, with their nodes."""

    steps: IntArray
    fall: Array  # of the integrand from the start of the step, shape (steps, k, nodes)
    weight: Array  # of dz/b, shape (steps, nodes)
    terms: Array  # log a, 1/a, log b, 1/b at the nodes, shape (4, steps, nodes); logs from the last time of all


def blocks(grid: Grid, r: float, alpha: float, s: float, beta: float) -> list[Block] | None:
    """Return all steps, each with as many nodes as it needs; None if some need more than there are."""
    A, B, length = alpha + grid.times[:-1], beta + grid.times[:-1], np.diff(grid.times)
    scale = np.minimum(A, B)
    width = np.log1p(length / scale)
    falls = (r + grid.largest[:-1]) * np.log1p(length / A) + (s + 1) * np.log1p(length / B)
    needed = np.full(len(width), 0)
    for nodes, (deep, wide) in sorted(REACH.items(), reverse=True):
        needed[(falls <= deep) & (width <= wide)] = nodes
    if not needed.all():
        return None
    last = grid.times[-1]
    found = []
    for nodes in np.unique(needed).tolist():
        at, rule = unit_rule(1, nodes)
        steps = np.flatnonzero(needed == nodes)
        at_once = max(1, VALUES_AT_ONCE // (nodes * len(grid.counts)))
        for begin in range(0, len(steps), at_once):
            rows = steps[begin : begin + at_once]
            w, own = width[rows, None] * at, scale[rows, None]
            u = own * np.expm1(w)
            a, b = A[rows, None] + u, B[rows, None] + u
            by_a, by_b = np.log1p(u / A[rows, None]), s * np.log1p(u / B[rows, None])
            fall = np.exp(-((r + grid.counts)[:, None] * by_a[:, None, :] + by_b[:, None, :]))
            terms = np.stack([np.log(a / (alpha + last)), 1 / a, np.log(b / (beta + last)), 1 / b])
            found.append(Block(rows, fall, rule * width[rows, None] * own * np.exp(w) / b, terms))
    return found


def stretches(depth: Array) -> list[slice]:
    """Return slices of the steps over each of which the integrand falls by a number of logs that a float holds."""
    cuts = np.searchsorted(depth, np.arange(depth[0], depth[-1], DEEPEST)[1:]).tolist()
    ends = sorted({0, *cuts, len(depth) - 1})
    return [slice(begin, end) for begin, end in pairwise(ends)]


def tabulate(grid: Grid, found: list[Block], depth: Array, where: list[slice], terms: int = 4) -> Array:
    """Return G and the integrals with log a, 1/a, log b, 1/b for each time and frequency, shape (d, k, 1 + terms)."""
    d, k = len(grid.times), len(grid.counts)
    steps, table = np.empty((d - 1, k, 1 + terms)), np.zeros((d, k, 1 + terms))
    for block in found:
        each = block.weight * np.concatenate([np.ones((1, *block.weight.shape)), block.terms[:terms]])
        steps[block.steps] = block.fall @ each.transpose(1, 2, 0)
    for part in reversed(where):
        there = np.exp(depth[part.start] - depth[part.start : part.stop + 1])[..., None]  # of the integrand, relative
        inside = np.cumsum((steps[part] * there[:-1])[::-1], axis=0)[::-1]
        table[part] = (inside + there[-1] * table[part.stop]) / there[:-1]
    return table


def spread_forward(weights: Array, depth: Array, where: list[slice]) -> Array:
    """Return the weight of each step that follows from weights of G at the times: the recurrence run forwards."""
    found, carried = np.empty((len(depth) - 1, depth.shape[1])), np.zeros(depth.shape[1])
    for part in where:
        there = np.exp(depth[part.start] - depth[part.start : part.stop + 1])
        total = np.cumsum(weights[part] / there[:-1], axis=0) + carried
        found[part] = total * there[:-1]
        carried = total[-1] * there[-1]
    return found


class Table(NamedTuple):
    """G and its companions at some parameters, and what the slopes at T are made of."""

    params: tuple[float, ...]
    integrals: Array  # shape (d · k, 5)
    depth: Array  # n log a + s log b, shape (d · k,)
    ends: Array  # log a, 1/a, log b, 1/b at each time, shape (4, d); logs from the last time of all


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[..., Derivatives | None] | None:
    """Return the sum over customers of log(1 + odds that she has left), with derivatives, as a function of r, α, s, β.

    None where a table is no gain; and the function returns None where the table would be too coarse.
    """
    grid = grid_of(frequency, recency, T)
    if grid is None:
        return None
    k = len(grid.counts)
    rows = Rows(frequency, counts.astype(float), grid.last * k + grid.own, grid.end * k + grid.own, grid.end)

    def total(r: float, alpha: float, s: float, beta: float) -> Derivatives | None:
        found = blocks(grid, r, alpha, s, beta)
        if found is None:
            return None
        inverse_a, inverse_b = 1 / (alpha + grid.times), 1 / (beta + grid.times)
        log_a, log_b = -np.log(inverse_a / inverse_a[-1]), -np.log(inverse_b / inverse_b[-1])
        n = r + grid.counts
        depth = np.outer(log_a, n) + s * log_b[:, None]
        where = stretches(depth[:, -1])
        integrals = tabulate(grid, found, depth, where).reshape(-1, 5)
        table = Table((r, alpha, s, beta), integrals, depth.ravel(), np.stack([log_a, inverse_a, log_b, inverse_b]))
        value, gradient, hessian = np.zeros(()), np.zeros(4), np.zeros((4, 4))
        from_last, from_final = np.empty(len(T)), np.empty(len(T))
        for part in parts(len(T)):
            some = over_rows(table, rows.part(part))
            value, gradient, hessian = value + some.value, gradient + some.gradient, hessian + some.hessian
            from_last[part], from_final[part] = some.from_last, some.from_final
        pull = np.bincount(rows.last, from_last, depth.size) - np.bincount(rows.final, from_final, depth.size)
        hessian += second_moments(found, n, s, spread_forward(pull.reshape(depth.shape), depth, where))
        lower = np.tril_indices(4, -1)
        hessian[lower] = hessian.T[lower]
        return Derivatives(value=value, gradient=gradient, hessian=hessian)

    return total


class Rows(NamedTuple):
    """Customers and their places in the table."""

    frequency: Array
    weight: Array
    last: IntArray  # cell of frequency and recency
    final: IntArray  # cell of frequency and T
    end: IntArray  # place of T among the times

    def part(self, some: slice) -> Rows:
        """Return some of the rows."""
        return Rows(self.frequency[some], self.weight[some], self.last[some], self.final[some], self.end[some])


class Part(NamedTuple):
    """What some customers add to the sum."""

    value: Array
    gradient: Array
    hessian: Array  # less the second moments; upper triangle
    from_last: Array  # weight of each row's second moments from its recency on
    from_final: Array  # and what it takes off from its T on


def over_rows(table: Table, rows: Rows) -> Part:
    """Sum over customers, with odds = s · (integral from recency to T) / (fall of the integrand from recency to T).

    The slopes of the log odds by r, α, s, β are the means of f(T) − f(z) for f = log a, n/a, log b and (s+1)/b, with
    1/s more for s and 1/b less at T for β.
    """
    r, _, s, _ = table.params
    w, n = rows.weight, r + rows.frequency
    rise = table.depth[rows.final] - table.depth[rows.last]
    there = np.exp(-rise)
    integrals = table.integrals[rows.last].T - there * table.integrals[rows.final].T
    both = there + s * integrals[0]  # that she is still there, or left
    share = s / both
    left, log_a, in_a, log_b, in_b = share * integrals
    end_log_a, end_a, end_log_b, end_b = table.ends[:, rows.end]
    ends = np.stack([end_log_a, n * end_a, end_log_b + 1 / s, s * end_b])
    slopes = ends * left - np.stack([log_a, n * in_a, log_b, (s + 1) * in_b])
    # the sum of means of f fᵀ − left² · slopes slopesᵀ, in which the means of products of f(z) come later
    hessian = (ends * (w * (1 - left))) @ ends.T - ((slopes - ends) * w) @ (slopes - ends).T
    gone = w * left
    hessian[0, 1] += gone @ end_a - w @ in_a
    hessian[1, 1] -= gone @ (n * end_a**2)
    hessian[2, 2] -= gone.sum() / s**2
    hessian[2, 3] += gone @ end_b - w @ in_b
    hessian[3, 3] -= s * (gone @ end_b**2)
    return Part(w @ (rise + np.log(both)), slopes @ w, hessian, w * share, w * share * there)


def probability_alive(params: tuple[float, ...], frequency: Array, recency: Array, T: Array) -> Array | None:
    """Return the probability that each customer still is one at T, from the table; None where there is none."""
    grid = grid_of(frequency, recency, T)
    found = grid and blocks(grid, *params)
    if not grid or not found:
        return None
    r, alpha, s, beta = params
    n, k = r + grid.counts, len(grid.counts)
    depth = np.outer(np.log(alpha + grid.times), n) + s * np.log(beta + grid.times)[:, None]
    table, depth = tabulate(grid, found, depth, stretches(depth[:, -1]), terms=0).ravel(), depth.ravel()

    def alive(last: IntArray, end: IntArray, own: IntArray) -> Array:
        first, final = last * k + own, end * k + own
        there = np.exp(depth[first] - depth[final])
        return np.asarray(there / (there + s * np.maximum(table[first] - there * table[final], 0)))

    return in_parts(alive, grid.last, grid.end, grid.own)


def second_moments(found: list[Block], n: Array, s: float, pull: Array) -> Array:
    """Sum over customers of the means of f fᵀ for f = log a, n/a, log b, (s+1)/b, and of n/a² and (s+1)/b²."""
    powers = np.stack([np.ones_like(n), n, n**2])
    total = np.zeros((4, 4))
    for block in found:
        weight = (powers * pull[block.steps, None, :]) @ block.fall * block.weight[:, None, :]
        one, by_n, by_square = weight.transpose(1, 0, 2).reshape(3, -1)
        log_a, in_a, log_b, in_b = block.terms.reshape(4, -1)
        later = (s + 1) * in_b
        total[0] += [one @ log_a**2, by_n @ (log_a * in_a), one @ (log_a * log_b), one @ (log_a * later)]
        total[1, 1] += by_square @ in_a**2 + by_n @ in_a**2
        total[1, 2:] += [by_n @ (in_a * log_b), by_n @ (in_a * later)]
        total[2, 2:] += [one @ log_b**2, one @ (log_b * later)]
        total[3, 3] += one @ later**2 + one @ (later * in_b)
    return total
