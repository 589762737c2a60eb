"""Roots of a function between points at which it has opposite signs, all brackets at once.

References
----------
Chandrupatla (1997) "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function without
using derivatives", Advances in Engineering Software 28(3). https://doi.org/10.1016/S0965-9978(96)00051-8
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crmvalue._core.types import Array

MOST_STEPS = 200  # bisection alone needs about 60; the last steps only move within rounding
SMALLEST = 1e-300  # brackets around 0 end here


def bracketed_roots(evaluate: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return a root in each bracket, to the last digits, shape (n,).

    `evaluate` takes and returns shape (n,); entry i is always evaluated within bracket i, at whose ends it has opposite
    signs. Each step fits a parabola through three points, or halves the bracket where that cannot be trusted.
    """
    a, b = np.array(high, dtype=float), np.array(low, dtype=float)
    at_a, at_b = evaluate(a), evaluate(b)
    step = np.full(a.shape, 0.5)
    for _ in range(MOST_STEPS):
        x = a + step * (b - a)
        at_x = evaluate(x)
        same = np.sign(at_x) == np.sign(at_a)
        c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
        b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
        a, at_a = x, at_x
        best = np.where(np.abs(at_a) < np.abs(at_b), a, b)
        width = np.abs(b - a)
        limit = (2 * np.finfo(float).eps * np.abs(best) + SMALLEST) / np.where(width > 0, width, SMALLEST)
        done = (limit > 0.5) | (at_a == 0) | (at_b == 0)
        if done.all():
            break
        step = np.where(done, 0.0, np.clip(next_step(a, b, c, at_a, at_b, at_c), limit, 1 - limit))
    return best


def next_step(a: Array, b: Array, c: Array, at_a: Array, at_b: Array, at_c: Array) -> Array:
    """Share of the way from a to b that inverse quadratic interpolation goes; a half where it is not monotone."""
    with np.errstate(all="ignore"):  # where points coincide the half is taken
        place, rise = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
        fitted = at_a / (at_b - at_a) * at_c / (at_b - at_c) + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (
            at_c - at_b
        )
        trusted = (rise**2 < place) & ((1 - rise) ** 2 < 1 - place) & np.isfinite(fitted)
    return np.where(trusted, fitted, 0.5)
