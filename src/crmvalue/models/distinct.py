"""Customers with equal histories are computed once: distinct rows of arrays, by whole-number codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crmvalue._core.types import AnyArray, Array, IntArray


def distinct_histories(columns: Sequence[Array]) -> tuple[list[Array], IntArray]:
    """Return the distinct rows of these columns, in order, and how often each occurs."""
    place = row_codes(columns)
    counts = np.bincount(place)
    first = np.empty(len(counts), dtype=np.int64)
    first[place] = np.arange(len(place))  # any row of each kind
    return [column[first] for column in columns], counts


def distinct_pairs(frequency: Array, T: Array) -> tuple[Array, Array, IntArray]:
    """Return the distinct pairs of frequency and T, and for each row the place of its pair."""
    place = row_codes((T, frequency))
    first = np.empty(int(place.max()) + 1, dtype=np.int64)
    first[place] = np.arange(len(place))
    return frequency[first], T[first], place


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
