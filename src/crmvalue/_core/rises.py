"""log Γ(z + n) − log Γ(z) and its slopes in z for whole n, where each row has a z of its own.

Each step adds the logarithm of a factor z + j, or its slope. Customers mostly count few steps, which are taken one by
one; the others, from where Stirling's series is exact to the last bit, are taken at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crmvalue._core.types import AnyArray, Array

STIRLING_FROM = 32.0  # five terms of Stirling's series are exact to the last bit from here on
SLOPES_FROM = 10.0  # eight terms of those of its slopes
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # numbers 2, 4, ..., 16


def log_rise(z: float | AnyArray, n: float | AnyArray) -> Array:
    """Return the sum of log (z + j) over j < n."""
    if is_table(z, n):
        return from_tables(np.log, z, n)
    product, left, begin, more = by_steps(np.multiply, lambda factor: factor, 1.0, z, n, STIRLING_FROM)
    total = np.log(product)
    total.flat[left] += log_far(begin, more)
    return total


def slope_rise(z: float | AnyArray, n: float | AnyArray) -> Array:
    """Return the sum of 1 / (z + j) over j < n."""
    if is_table(z, n):
        return from_tables(np.reciprocal, z, n)
    total, left, begin, more = by_steps(np.add, np.reciprocal, 0.0, z, n, SLOPES_FROM)
    total.flat[left] += slope_far(begin, more)
    return total


def bend_rise(z: float | AnyArray, n: float | AnyArray) -> Array:
    """Return minus the sum of 1 / (z + j)² over j < n."""
    if is_table(z, n):
        return from_tables(bend_of_log, z, n)
    total, left, begin, more = by_steps(np.add, bend_of_log, 0.0, z, n, SLOPES_FROM)
    total.flat[left] += bend_far(begin, more)
    return total


def bend_of_log(factor: Array) -> Array:
    """Return the second derivative of the logarithm."""
    return -1 / (factor * factor)


def is_table(z: float | AnyArray, n: float | AnyArray) -> bool:
    """Whether each row asks for several small numbers of steps of the same z."""
    shape = np.shape(n)
    return len(shape) == 2 and np.shape(z) == (shape[0], 1) and np.size(n) > 0 and bool(np.max(n) <= 4 * shape[1] + 8)


def from_tables(term: Callable[[Array], Array], z: float | AnyArray, n: float | AnyArray) -> Array:
    """Sum the terms up to the most steps of all, for each row, and look up those that are asked for."""
    wanted = np.asarray(n, dtype=np.intp)
    table = np.zeros((len(wanted), int(wanted.max()) + 1))
    np.cumsum(term(np.asarray(z + np.arange(float(table.shape[1] - 1)))), axis=1, out=table[:, 1:])
    return np.take_along_axis(table, wanted, axis=1)


def by_steps(
    add: np.ufunc,
    term: Callable[[Array], Array],
    none: float,
    z: float | AnyArray,
    n: float | AnyArray,
    large: float,
) -> tuple[Array, AnyArray, Array, Array]:
    """Take the steps below a large z; return their sum, and which rows are to go on from where for how long."""
    given, steps = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(n, dtype=float))
    total = np.full(given.shape, none)
    begin, steps = given.ravel(), steps.ravel()
    near = np.minimum(steps, np.ceil(np.maximum(large - begin, 0.0)))
    rows = np.flatnonzero(near > 0)
    place, last, sums, j = begin[rows], near[rows], np.full(rows.shape, none), 0
    while rows.size:
        sums = add(sums, term(place + j))
        j += 1
        more = last > j
        if not more.all():
            done = ~more
            total.flat[rows[done]] = sums[done]
            rows, place, last, sums = rows[more], place[more], last[more], sums[more]
    left = np.flatnonzero(steps > near)
    return total, left, begin[left] + near[left], steps[left] - near[left]


def log_far(z: Array, n: Array) -> Array:
    """Return log Γ(z + n) / Γ(z) by the series."""
    end = z + n
    total = (z - 0.5) * np.log1p(n / z) + n * (np.log(end) - 1)
    return np.asarray(total + stirling_tail(end) - stirling_tail(z))


def stirling_tail(z: Array) -> Array:
    """Return log Γ(z) less the leading terms of Stirling's series."""
    return 1 / (12 * z) + stirling_rest(z)


def stirling_rest(z: Array) -> Array:
    """Return that tail less its own first term, 1 / (12 z)."""
    w = 1 / (z * z)
    return -w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188))) / z


def slope_far(z: Array, n: Array) -> Array:
    """Return ψ(z + n) − ψ(z) by the series of ψ(z): log z − 1/(2z) − the sum of B(2k) / (2k z^2k)."""

    def tail(z: Array) -> Array:
        w, total = 1 / (z * z), np.zeros_like(z)
        for k in range(len(BERNOULLI), 0, -1):
            total = w * (total + BERNOULLI[k - 1] / (2 * k))
        return total + 0.5 / z

    return np.asarray(np.log1p(n / z) + tail(z) - tail(z + n))


def bend_far(z: Array, n: Array) -> Array:
    """Return ψ'(z + n) − ψ'(z) by the series of ψ'(z): 1/z + 1/(2z²) + the sum of B(2k) / z^(2k+1)."""

    def tail(z: Array) -> Array:
        w, total = 1 / (z * z), np.zeros_like(z)
        for number in reversed(BERNOULLI):
            total = w * (total + number)
        return total / z + 0.5 * w

    return np.asarray(tail(z + n) - tail(z) - n / (z + n) / z)
