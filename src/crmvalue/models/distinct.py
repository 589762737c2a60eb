"""Customers with equal histories are computed once: distinct rows of arrays, by whole-number codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crmvalue._core.types import AnyArray, Array, IntArray
from crmvalue.models.model import Parameters, PurchaseModel


def distinct_histories(columns: Sequence[Array]) -> tuple[list[Array], IntArray]:
    """Return the distinct rows of these columns, in order, and how often each occurs."""
    place = row_codes(columns)
    counts = np.bincount(place)
    first = np.empty(len(counts), dtype=np.int64)
    first[place] = np.arange(len(place))  # any row of each kind
    return [column[first] for column in columns], counts


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
    """Return the distinct states of these customers; each has her own where parameters differ between them.

    Customers who differ in a column of `apart` have states of their own, too.
    """
    if any(np.ndim(value) for value in params):
        return States(params, frequency, recency, T, np.arange(len(T)))
    place = row_codes((T, frequency, *apart) if model.is_memoryless else (T, frequency, recency, *apart))
    first = np.empty(int(place.max()) + 1, dtype=np.int64)
    first[place] = np.arange(len(place))
    return States(params, frequency[first], recency[first], T[first], place)


def row_codes(columns: Sequence[Array]) -> IntArray:
    """Return for each row the place of its values among the distinct rows."""
    place = codes(columns[0])
    for column in columns[1:]:
        more = codes(column)
        place = codes(place * (more.max() + 1) + more)  # at most the square of the number of rows: no overflow
    return place


def codes(values: AnyArray) -> IntArray:
    """Place of each value among the distinct ones; without a sort where they are small whole numbers."""
    most = values.max()
    if most <= 8 * len(values) + 1_000:
        whole = values.astype(np.int64)
        if values.min() >= 0 and (whole == values).all():
            there = np.zeros(int(most) + 1, dtype=bool)
            there[whole] = True
            return np.asarray((np.cumsum(there) - 1)[whole])
    return np.unique(values, return_inverse=True)[1]
