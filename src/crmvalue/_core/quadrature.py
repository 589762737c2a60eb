"""Integrals over time, many rows at once: Gauss-Legendre on a log scale, so that short and long times are both seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from crmvalue._core.types import Array, IntArray

NODES = 24  # a panel; exact to the last bits for integrands whose logarithm bends at the scale of a panel
PANEL = 4.0  # longest panel, in units of log time: singularities lie π away from the real line
VALUES_AT_ONCE = 16_384  # bounds the memory, and stays in the processor's cache
NEGLIGIBLE = 42.0  # exp(-42) = 6e-19 does not reach the last digit of a sum


@lru_cache(maxsize=32)
def unit_rule(panels: int, nodes: int = NODES) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1], cut into equal panels of so many nodes."""
    x, weights = np.polynomial.legendre.leggauss(nodes)
    starts = np.arange(panels)[:, None]
    places = ((starts + 0.5 * (x + 1)) / panels).ravel()
    return places, np.tile(0.5 * weights / panels, panels)


def as_rows(*values: float | Array) -> tuple[tuple[int, ...], list[Array]]:
    """Return the common shape of numbers and arrays, and each of them as a flat array of it."""
    given = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values))
    return given[0].shape, [value.ravel() for value in given]


def from_zero(scale: Array, length: Array, fine: Array | float = 1.0) -> Iterator[tuple[IntArray, Array, Array, Array]]:
    """Yield rows, times u and weights (each rows by nodes), width: ∫ f(u) du over [0, length] is width · Σ weight · f.

    The times are equally dense in log(1 + u/scale). A width of 0 leaves the sum itself finite. Panels are shorter by
    the factor `fine`.
    """
    width = np.log1p(length / scale)
    for rows, panels in in_panels(width * fine, PANEL):
        nodes, weights = unit_rule(panels)
        w = width[rows, None] * nodes
        own = scale[rows, None]
        yield rows, own * np.expm1(w), own * np.exp(w) * weights, width[rows]


def in_panels(width: Array, panel: float, least: int = 1) -> Iterator[tuple[IntArray, int]]:
    """Yield groups of rows that need as many panels, a bounded number of values at once."""
    needed = np.maximum(least, np.ceil(width / panel)).astype(np.intp)
    needed = np.where(needed > 8, 4 * ((needed + 3) // 4), needed)  # fewer, larger groups
    for panels in np.unique(needed).tolist():
        rows = np.flatnonzero(needed == panels)
        at_once = max(1, VALUES_AT_ONCE // (NODES * panels))
        for begin in range(0, len(rows), at_once):
            yield rows[begin : begin + at_once], panels


def log_concave_integral(log_f: Callable[[Array, IntArray], Array], guess: Array, top: Array) -> Array:
    """Logarithm of ∫ exp(log_f(y)) dy over y up to `top`, for each row; log_f is concave in y and falls to both sides.

    `log_f(y, rows)` takes points (rows, nodes). The window around the maximum is found by bisection of the slope.
    """
    every = np.arange(len(guess))

    def at(y: Array) -> Array:
        return log_f(y[:, None], every)[:, 0]

    low, high = window(at, np.minimum(guess, top), top)
    total = np.empty(len(guess))
    for rows, panels in in_panels(high - low, PANEL, least=4):
        nodes, weights = unit_rule(panels)
        width = (high - low)[rows, None]
        values = log_f(low[rows, None] + width * nodes, rows)
        peak = values.max(axis=1)
        total[rows] = peak + np.log(width[:, 0] * (np.exp(values - peak[:, None]) @ weights))
    return total


def window(at: Callable[[Array], Array], guess: Array, top: Array) -> tuple[Array, Array]:
    """Return where a concave function is not negligible against its maximum, up to `top`."""
    reach = np.full(guess.shape, 1.0)
    low, high = guess - reach, np.minimum(guess + reach, top)
    for _ in range(60):  # widen until the maximum is inside
        rises_left = at(low) > at(np.minimum(low + 1e-3 * reach, top))
        rises_right = (at(high) > at(high - 1e-3 * reach)) & (high < top)
        if not (rises_left | rises_right).any():
            break
        reach = np.where(rises_left | rises_right, 2 * reach, reach)
        low, high = (
            np.where(rises_left, guess - reach, low),
            np.where(rises_right, np.minimum(guess + reach, top), high),
        )
    for _ in range(70):  # golden section for the maximum
        left, right = low + 0.381966 * (high - low), low + 0.618034 * (high - low)
        better = at(left) > at(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    mode = 0.5 * (low + high)
    floor = at(mode) - NEGLIGIBLE
    return edge(at, mode, floor, -1.0, mode - np.inf), edge(at, mode, floor, 1.0, top)


def edge(at: Callable[[Array], Array], mode: Array, floor: Array, side: float, limit: Array) -> Array:
    """Return the point on this side of the mode at which the function falls to the floor, or the limit."""

    def point(distance: Array) -> Array:
        return np.minimum(mode + side * distance, limit) if side > 0 else mode - distance

    near, far = np.zeros(mode.shape), np.full(mode.shape, 1e-6)
    for _ in range(60):
        short = (at(point(far)) > floor) & ((side < 0) | (point(far) < limit))
        if not short.any():
            break
        near, far = np.where(short, far, near), np.where(short, 4 * far, far)
    for _ in range(6):  # a window a few percent too wide is good enough
        middle = 0.5 * (near + far)
        short = at(point(middle)) > floor
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return point(far)
