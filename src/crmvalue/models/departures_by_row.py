"""Pareto/NBD's integral over the moment of leaving, for each customer by herself: where each has her own parameters.

With n = r + x, A = α + recency, B = β + recency, the integrand at a time u later is (A/(A+u))^n (B/(B+u))^(s+1). Nodes
stand in columns, one a customer, as many as her integral needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from crmvalue._core.quadrature import NEGLIGIBLE, NODES, PANEL, unit_rule
from crmvalue._core.types import Array, IntArray
from crmvalue.models.departures import REACH

VALUES_AT_ONCE = 8_192  # of each function at the nodes: all of them stay in the processor's cache


class Nodes(NamedTuple):
    """Some customers, and where their integrand is evaluated: arrays of shape (nodes, customers)."""

    rows: IntArray
    weight: Array  # with the integrand
    peak: Array  # logarithm that the weights leave out, shape (customers,)
    u: Array
    fall_a: Array  # log (A+u)/A
    fall_b: Array  # log (B+u)/B


def departures(r: Array, alpha: Array, s: Array, beta: Array, x: Array, t_x: Array, T: Array) -> Iterator[Nodes]:
    """Yield the nodes of all customers.

    The integrand falls in u. The integral ends at T, or where one of its two powers has made the rest negligible.
    """
    n, A, B = r + x, alpha + t_x, beta + t_x
    silence = T - t_x
    with np.errstate(over="ignore", divide="ignore"):
        by_rate = A * np.expm1(NEGLIGIBLE / np.maximum(n - 1, 1e-3))
        by_leaving = B * np.expm1(NEGLIGIBLE / np.maximum(s, 1e-3))
        length = np.minimum(silence, np.minimum(by_rate, by_leaving))
    with np.errstate(divide="ignore"):  # nobody left within no time: the logarithm of 0
        peak = np.log(s / B) + n * np.log1p(silence / A) + s * np.log1p(silence / B)
        scale = np.minimum(A, B)
        width = np.log1p(length / scale)
        peak += np.log(width)
    falls = n * np.log1p(length / A) + (s + 1) * np.log1p(length / B)
    for rows, at, rule in batches(falls, width):
        own_A, own_B, own_scale = A[rows], B[rows], scale[rows]
        w = at * width[rows]
        u = own_scale * np.expm1(w)
        fall_a, fall_b = np.log1p(u / own_A), np.log1p(u / own_B)
        weight = rule * (own_scale + u) * np.exp(-n[rows] * fall_a - (s[rows] + 1) * fall_b)
        yield Nodes(rows, weight, peak[rows], u, fall_a, fall_b)


def batches(falls: Array, width: Array) -> Iterator[tuple[IntArray, Array, Array]]:
    """Yield customers who need as many nodes, with the nodes on [0, 1] and their weights, as columns."""
    panels = np.maximum(1, np.ceil(width / PANEL)).astype(np.intp)
    panels = np.where(panels > 8, 4 * ((panels + 3) // 4), panels)  # fewer, larger groups
    needed = np.full(len(width), NODES)
    for nodes, (deep, wide) in sorted(REACH.items(), reverse=True):
        needed[(falls <= deep) & (width <= wide)] = nodes
    kinds = panels * 100 + needed
    for kind in np.unique(kinds).tolist():
        at, rule = unit_rule(*divmod(kind, 100))
        rows, at_once = np.flatnonzero(kinds == kind), max(1, VALUES_AT_ONCE // len(at))
        for begin in range(0, len(rows), at_once):
            yield rows[begin : begin + at_once], at[:, None], rule[:, None]


def log_odds_left(*columns: Array) -> Array:
    """Log odds that she has left by T, for each row of r, α, s, β, frequency, recency and T."""
    found = np.empty(len(columns[0]))
    for part in departures(*columns):
        found[part.rows] = part.peak + np.log(part.weight.sum(axis=0))
    return found


def derivatives_of_odds(*columns: Array) -> tuple[Array, Array, Array]:
    """Return the same with their first and second derivatives by r, α, s, β, shape (4, n) and (4, 4, n).

    They are means and covariances, over the moment of leaving, of the derivatives of the integrand's logarithm: linear
    in log (A+u), 1/(A+u), log (B+u) and 1/(B+u).
    """
    size = len(columns[0])
    log_odds, mean, bend = np.empty(size), np.empty((4, size)), np.empty((4, 4, size))
    for part in departures(*columns):
        r, alpha, s, beta, x, t_x, T = (column[part.rows] for column in columns)
        n, end_a, end_b = r + x, 1 / (alpha + T), 1 / (beta + T)
        total = part.weight.sum(axis=0)
        share = part.weight / total
        terms = [part.fall_a, 1 / (alpha + t_x + part.u), part.fall_b, 1 / (beta + t_x + part.u)]
        means = [(share * term).sum(axis=0) for term in terms]
        fall_a, to_a, fall_b, to_b = means
        spread = [term - middle for term, middle in zip(terms, means, strict=True)]
        once = np.ones(len(n))
        pull = [-once, -n, -once, -(s + 1)]  # slope by each parameter for a change of its term
        own = np.empty((4, 4, len(r)))
        for i in range(4):
            weighted = share * spread[i]
            for j in range(i, 4):
                own[i, j] = own[j, i] = (weighted * spread[j]).sum(axis=0)
        square_a, square_b = own[1, 1] + to_a**2, own[3, 3] + to_b**2
        for i in range(4):
            for j in range(4):
                own[i, j] *= pull[i] * pull[j]
        own[0, 1] += end_a - to_a
        own[1, 0] = own[0, 1]
        own[1, 1] += n * (square_a - end_a**2)
        own[2, 2] -= 1 / s**2
        own[2, 3] += end_b - to_b
        own[3, 2] = own[2, 3]
        own[3, 3] += s * (square_b - end_b**2) + square_b
        rows = part.rows
        log_odds[rows] = part.peak + np.log(total)
        mean[0, rows] = np.log1p((T - t_x) / (alpha + t_x)) - fall_a
        mean[1, rows] = n * (end_a - to_a)
        mean[2, rows] = 1 / s + np.log1p((T - t_x) / (beta + t_x)) - fall_b
        mean[3, rows] = s * (end_b - to_b) - to_b
        bend[:, :, rows] = own
    return log_odds, mean, bend
