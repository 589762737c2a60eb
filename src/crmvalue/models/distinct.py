"""Customers with equal histories are computed once: distinct rows of arrays, by whole-number codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Sized
from typing import NamedTuple

import numpy as np

from crmvalue._core.parts import parts
from crmvalue._core.types import AnyArray, Array, IntArray
from crmvalue.models.model import Parameters, PurchaseModel

DAYS_PER_UNIT = (1.0, 7.0, 30.4375, 365.25)  # summaries hold whole days in one of these
MOST_PACKED = 2**62  # so many different rows have an integer each
FEW = 512  # rows at which most columns that will not do show it


def distinct_histories(columns: Sequence[Array]) -> tuple[list[Array], IntArray]:
    """Return the distinct rows of these columns, in order, and how often each occurs: one packed integer is sorted."""
    coded = [code_of(column) for column in columns]
    sizes = [len(values) for _, values in coded]
    if math.prod(sizes) >= MOST_PACKED:
        place = row_codes(columns)
        first = first_of(place)
        return [column[first] for column in columns], np.bincount(place)
    packed = np.sort(pack(coded))
    starts = np.flatnonzero(np.append(True, packed[1:] != packed[:-1]))
    left, rows = packed[starts], []
    for _, values in reversed(coded):
        left, code = np.divmod(left, len(values))
        rows.append(values[code])
    return rows[::-1], np.diff(np.append(starts, len(packed)))


class States(NamedTuple):
    """What the future of a customer alive at T depends on: one row for all whose future is the same."""

    params: Parameters
    frequency: Array
    recency: Array
    T: Array
    place: IntArray  # the row of each customer


def distinct_states(
    model: PurchaseModel, params: Parameters, frequency: Array, recency: Array, T: Array, *apart: Array
) -> States:
    """Return the distinct states of these customers, each with parameters of its own where these differ.

    Customers who differ in a column of `apart` have states of their own, too.
    """
    own = [np.broadcast_to(value, T.shape) for value in params if np.ndim(value)]
    history = (T, frequency) if model.is_memoryless else (T, frequency, recency)
    place = row_codes((*history, *apart, *own))
    first = first_of(place)
    if own:  # parameters that all share stay single numbers
        theirs = iter(own)
        params = type(params)(*(next(theirs)[first] if np.ndim(value) else value for value in params))  # type: ignore[arg-type]  # a NamedTuple
    return States(params, frequency[first], recency[first], T[first], place)


class Lookup(NamedTuple):
    """Values that customers share."""

    table: Array
    place: IntArray  # in the table, of each customer


def look_up(
    model: PurchaseModel,
    value: Callable[..., Array],
    params: Parameters,
    frequency: Array,
    recency: Array,
    T: Array,
) -> Lookup:
    """Return value(params, frequency, recency, T) of each customer, computed once for all of one state."""
    shared = model.is_memoryless and not any(np.ndim(own) for own in params)
    cells = cells_of(frequency, T) if shared else None
    if cells is None:
        own, *state, place = distinct_states(model, params, frequency, recency, T)
        return Lookup(value(own, *state), place)
    x, end = np.divmod(cells.occur, cells.width)
    table = np.zeros(cells.size)
    table[cells.occur] = value(params, x, np.zeros(len(x)), end)
    return Lookup(table, cells.place)


class Cells(NamedTuple):
    """A table with one cell for each frequency and whole number of time units that may occur."""

    width: float  # times that each frequency has
    size: int
    occur: IntArray  # the cells in which somebody is, ascending
    place: IntArray  # the cell of each customer


def cells_of(frequency: Array, T: Array) -> Cells | None:
    """Return the cell of each customer; None if times are not whole numbers, or cells are far more than customers."""
    n, width = len(T), float(np.floor(T.max())) + 1
    size = (float(frequency.max()) + 1) * width
    if size > 8 * n + 10_000:
        return None
    place, there = np.empty(n, dtype=np.int64), np.zeros(int(size), dtype=bool)
    for part in looks(n):
        cell = frequency[part] * width + T[part]
        place[part] = cell
        if not (place[part] == cell).all():  # frequency is whole, so T is not
            return None
        there[place[part]] = True
    return Cells(width, int(size), np.flatnonzero(there), place)


def row_codes(columns: Sequence[AnyArray]) -> IntArray:
    """Return for each row the place of its values among the distinct rows, in order."""
    (place, values), *others = (code_of(column) for column in columns)
    size = len(values)
    if not others:
        return ranks(place, size)
    for code, values in others:
        place = ranks(pack([(place, ()), (code, values)]), size * len(values))
        size = int(place.max()) + 1
    return place


def codes(values: AnyArray) -> IntArray:
    """Place of each value among the distinct ones, in order."""
    return row_codes([values])


def code_of(values: AnyArray) -> tuple[IntArray, AnyArray]:
    """Return a whole-number code for each value, in order, and the value of each code; some codes may have none.

    Whole numbers, and whole days in any time unit, are found by their number of days, without a sort. The code is
    exact: two values that differ in the last digit, as those of a user's own arithmetic may, do not share one.
    """
    least, most = float(values.min()), float(values.max())
    for days in DAYS_PER_UNIT:
        if least >= 0 and most * days <= 8 * len(values) + 1_000:
            table = np.full(int(np.rint(most * days)) + 1, np.nan)
            code = whole_numbers(values, table) if days == 1 else rounded(values, days, table)
            if code is not None:
                return code, table
    distinct, place = np.unique(values, return_inverse=True)
    return place, distinct


def whole_numbers(values: AnyArray, table: Array) -> IntArray | None:
    """Return the values as integers and fill in the table of them; None if they are not whole."""
    code = np.empty(len(values), dtype=np.int64)
    for part in looks(len(values)):
        code[part] = values[part]
        if not (code[part] == values[part]).all():
            return None
    table[...] = np.arange(len(table))
    return code


def rounded(values: AnyArray, days: float, table: Array) -> IntArray | None:
    """Return the nearest number of days of each value and fill in the table; None if two values share a number."""
    code = np.empty(len(values), dtype=np.int64)
    pieces = looks(len(values))
    for part in pieces:
        code[part] = np.rint(values[part] * days)
        table[code[part]] = values[part]
        if not (table[code[part]] == values[part]).all():
            return None
    # a value of one piece may have taken the place of another's
    return code if len(pieces) == 1 or all((table[code[part]] == values[part]).all() for part in pieces) else None


def looks(n: int) -> list[slice]:
    """Return parts of n rows to look at in turn; a few rows before very many."""
    pieces = parts(n)
    return pieces if len(pieces) == 1 else [slice(0, FEW), *pieces]


def pack(coded: Sequence[tuple[IntArray, Sized]]) -> IntArray:
    """Return one integer for each row, in order of its codes; written over the first of them."""
    packed = coded[0][0]
    for code, values in coded[1:]:
        packed *= len(values)
        packed += code
    return packed


def ranks(code: IntArray, size: int) -> IntArray:
    """Return the place of each code among those that occur, in order; written over the codes."""
    if size > 8 * len(code) + 10_000:
        return np.unique(code, return_inverse=True)[1]
    there = np.zeros(size, dtype=bool)
    there[code] = True
    if there.all():
        return code
    return np.take(np.cumsum(there) - 1, code, out=code, mode="clip")  # of the modes, the one without a copy


def first_of(place: IntArray) -> IntArray:
    """Return one row of each place."""
    first = np.empty(int(place.max()) + 1, dtype=np.int64)
    for part in parts(len(place)):
        first[place[part]] = np.arange(part.start, min(part.stop, len(place)))
    return first
