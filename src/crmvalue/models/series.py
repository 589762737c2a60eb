"""Many customers with parameters of their own: what is asked of them is a smooth function, read from Chebyshev series.

A customer alive at T is a new one with other parameters. Those with equal purchases then differ in one or two numbers
only, such as the scales of their rates of buying and of leaving. Where thousands share all else, the value is computed
at a few hundred points of these numbers, and read between them from a series for its logarithm. A series must prove
itself on customers at the ends and in between; groups that are small or fail are computed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from crmvalue._core.parts import parts
from crmvalue._core.types import Array, IntArray
from crmvalue.models.distinct import States, row_codes
from crmvalue.models.model import Parameters, PurchaseModel

Value: TypeAlias = Callable[[Parameters, Array, Array, Array], Array]
"""(params, frequency, recency, T) -> one number a row, above 0."""

FEW = 512  # customers in a group, or in all, who are as quickly computed one by one
SHARED = 20  # customers for each value of a parameter from which it counts as one that they share
MOST_SMOOTH = 2  # numbers in which a group may differ
DIGITS = 32.0  # exp(−32) = 1e-14: what the series leaves out
ERROR = 1e-11  # allowed on the rows that check it, relative
CHECKED = 8  # rows


def of_states(model: PurchaseModel, value: Value, states: States) -> Array:
    """Return the value for each state."""
    params, frequency, _, T, _ = states
    found, left = np.empty(len(T)), np.arange(len(T))
    are_new = not T.any()
    if (are_new or model.aged is not None) and len(T) > FEW and any(map(np.ndim, params)):
        aged = params if are_new else model.aged(params, T)  # type: ignore[misc]  # not None
        own = np.stack([np.broadcast_to(column, T.shape) for column in aged])
        left = read_from_series(model, value, own, frequency, found)
    if len(left) == len(T):
        return value(*states[:4])
    if len(left):
        found[left] = value(*rows_of(states, left)[:4])
    return found


def of_ages(model: PurchaseModel, value: Value, states: States, few: int) -> Array:
    """Return the value for each state of customers with the same parameters: at equal purchases they differ in T only.

    For values that take long to compute: groups larger than `few` are read from a series.
    """
    params, frequency, _, T, _ = states
    found, left = np.empty(len(T)), np.arange(len(T))
    if model.aged is not None and len(T) > few:
        own = np.stack([np.broadcast_to(column, T.shape) for column in model.aged(params, T)])
        smooth = [i for i, column in enumerate(own) if column.min() < column.max()]
        left = read_groups(model, value, own, frequency, row_codes([frequency]), smooth, few, found) if smooth else left
    if len(left):
        found[left] = value(*rows_of(states, left)[:4])
    return found


def rows_of(states: States, rows: IntArray) -> States:
    """Return some of the states."""
    params = states.params
    if any(map(np.ndim, params)):  # a NamedTuple, whose type must stay
        params = type(params)(*(each[rows] if np.ndim(each) else each for each in params))  # type: ignore[arg-type, index]
    return States(params, states.frequency[rows], states.recency[rows], states.T[rows], np.arange(len(rows)))


class Series(NamedTuple):
    """A group of customers, and the points at which the value is computed for them."""

    rows: IntArray
    ends: list[tuple[float, float]]  # least and largest logarithm of each smooth number
    sizes: list[int]  # points along each
    points: Array  # parameters, shape (k, points); then those of the rows that check it
    checked: IntArray  # places of these rows among the group's


def read_from_series(model: PurchaseModel, value: Value, own: Array, frequency: Array, found: Array) -> IntArray:
    """Fill in what series can tell, and return the rows that they cannot."""
    every = np.arange(len(frequency))
    is_shared = [len(np.unique(column)) * SHARED <= len(every) for column in own]
    smooth = [i for i, shared in enumerate(is_shared) if not shared]
    if not 0 < len(smooth) <= MOST_SMOOTH:
        return every
    group = row_codes([frequency, *(own[i] for i in np.flatnonzero(is_shared))])
    return read_groups(model, value, own, frequency, group, smooth, FEW, found)


def read_groups(
    model: PurchaseModel,
    value: Value,
    own: Array,
    frequency: Array,
    group: IntArray,
    smooth: Sequence[int],
    few: int,
    found: Array,
) -> IntArray:
    """Fill in what series of groups larger than `few` can tell, and return the rows that they cannot."""
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(group))[:-1])
    planned = [series_of(own, rows, smooth) if len(rows) > few else None for rows in groups]
    series = [each for each in planned if each is not None]
    if not series:
        return order
    points = np.concatenate([each.points for each in series], axis=1)
    lengths = [each.points.shape[1] for each in series]
    x, none = np.repeat([frequency[each.rows[0]] for each in series], lengths), np.zeros(points.shape[1])
    params = model.Params(*points)
    values = np.split(value(params, x, none, none), np.cumsum(lengths)[:-1])
    left = [rows for rows, each in zip(groups, planned, strict=True) if each is None]
    for each, known in zip(series, values, strict=True):
        read = read_series(each, known, np.log(own[smooth][:, each.rows]))
        if read is None:
            left.append(each.rows)
        else:
            found[each.rows] = read
    return np.concatenate(left) if left else order[:0]


def series_of(own: Array, rows: IntArray, smooth: Sequence[int]) -> Series | None:
    """Return the points of a group, or None if they are too many for it."""
    logs = np.log(own[smooth][:, rows])
    ends = [(float(column.min()), float(column.max())) for column in logs]
    sizes = [points_needed(high - low) for low, high in ends]
    if 2 * np.prod(sizes) > len(rows):
        return None
    grid = np.meshgrid(
        *(place_of(chebyshev_points(n), *end) for n, end in zip(sizes, ends, strict=True)), indexing="ij"
    )
    points = np.repeat(own[:, rows[:1]], int(np.prod(sizes)), axis=1)
    for i, column in zip(smooth, grid, strict=True):
        points[i] = np.exp(column.ravel())
    extremes = [place for column in logs for place in (int(column.argmin()), int(column.argmax()))]
    spread = np.linspace(0, len(rows) - 1, CHECKED - len(extremes)).astype(np.intp)
    checked = np.append(extremes, spread)
    return Series(rows, ends, sizes, np.concatenate([points, own[:, rows[checked]]], axis=1), checked)


def points_needed(length: float) -> int:
    """Points for a function of a logarithm over this length that is analytic up to π from the real line."""
    if length == 0:
        return 1
    reach = 2 * np.pi / length
    return 3 + int(np.ceil(DIGITS / np.arcsinh(reach)))


def chebyshev_points(n: int) -> Array:
    """Return the roots of the Chebyshev polynomial of this degree, in [−1, 1]."""
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def place_of(at: Array, low: float, high: float) -> Array:
    """Return the place between both ends of a number in [−1, 1]."""
    return low + 0.5 * (at + 1) * (high - low)


def read_series(series: Series, values: Array, logs: Array) -> Array | None:
    """Return the value of each row of a group, or None if the rows that check it disagree."""
    known = values[len(values) - len(series.checked) :]
    inside = values[: len(values) - len(series.checked)]
    if not (np.isfinite(values).all() and (values > 0).all()):
        return None
    table = np.log(inside).reshape(series.sizes)
    for axis, n in enumerate(series.sizes):  # values at the points become coefficients
        matrix = 2 / n * chebvander(chebyshev_points(n), n - 1).T
        matrix[0] /= 2
        table = np.moveaxis(np.tensordot(matrix, table, axes=(1, axis)), 0, axis)

    def read(rows: IntArray | slice) -> Array:
        bases = [
            chebvander(2 * (column[rows] - low) / max(high - low, 1e-300) - 1, n - 1)
            for column, (low, high), n in zip(logs, series.ends, series.sizes, strict=True)
        ]
        first = bases[0] @ table
        return np.asarray(np.exp(np.einsum("ij,ij->i", first, bases[1]) if len(bases) > 1 else first))

    if (np.abs(read(series.checked) - known) > ERROR * known).any():
        return None
    return np.concatenate([read(part) for part in parts(len(series.rows))])
