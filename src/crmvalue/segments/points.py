"""Scores from limits: one point for each customer, and one more for each limit that she reaches."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import column_names, like
from crmvalue._core.types import Array, IntArray
from crmvalue.segments.customers import as_number
from crmvalue.segments.thresholds import FALLING, MEASURES

SPEND_DECIMALS = 6  # sums of the same amounts in another order differ further behind the point: they score the same
ONE_DIGIT = 9  # up to this score the code is three digits; beyond, the scores are joined by hyphens


def standing(name: str) -> nw.Expr:
    """Measure in the form in which more is better."""
    if name == FALLING:
        return -as_number(name)
    return as_number(name).round(SPEND_DECIMALS) if name == "total_spend" else as_number(name)


def standing_array(name: str, values: Array) -> Array:
    """Measure in the form in which more is better."""
    if name == FALLING:
        return -values
    return np.round(values, SPEND_DECIMALS) if name == "total_spend" else values


def points_of_array(values: Array, table: Array, cell: IntArray) -> IntArray:
    """Score of each value by the limits of its cell: one point, and one more for each limit reached."""
    if len(table) == 1:
        return np.searchsorted(table[0], values, side="right") + 1
    points = np.ones(len(values), dtype=np.int64)
    for limit in table.T:
        points += values >= limit[cell]
    return points


def points_in_engine(frame: nw.LazyFrame[Any], score: str, measure: str, table: Array, bins: int) -> nw.LazyFrame[Any]:
    """Add the score of a measure to a lazy frame that has the scores before it."""
    reachable = np.minimum(table, sys.float_info.max)  # not every engine has a literal for infinity
    if len(table) == 1:
        points = sum_of([(standing(measure) >= limit).cast(nw.Int64) for limit in reachable[0].tolist()])
        return frame.with_columns((points + 1).alias(score))
    cell = nw.col("r_score") - 1 if len(table) == bins else (nw.col("r_score") - 1) * bins + nw.col("f_score") - 1
    names = [f"_crm_limit_{number}" for number in range(table.shape[1])]
    limits = like({"_crm_key": np.arange(len(table)), **dict(zip(names, reachable.T, strict=True))}, frame)
    there = column_names(frame)
    joined = frame.with_columns(_crm_cell=cell.cast(nw.Int64)).join(
        nw.from_native(limits), left_on="_crm_cell", right_on="_crm_key", how="left"
    )
    points = sum_of([(standing(measure) >= nw.col(name)).cast(nw.Int64) for name in names])
    return joined.with_columns((points + 1).alias(score)).select(*there, score)


def sum_of(terms: Sequence[nw.Expr]) -> nw.Expr:
    """Sum of expressions, as a tree that is not deep: engines refuse, or are slow with, a long chain."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return sum_of(terms[:half]) + sum_of(terms[half:])


def cell_of(points: Mapping[str, IntArray], n_cells: int, bins: int) -> IntArray:
    """Return the cell that the scores before make: of none, of days, of days and purchases, or of all three."""
    n_outer = {1: 0, bins: 1, bins**2: 2, bins**3: 3}[n_cells]
    cell = np.zeros(1, dtype=np.int64)
    for score in list(MEASURES)[:n_outer]:
        cell = cell * bins + points[score] - 1
    return cell


def code_in_engine(bins: int) -> nw.Expr:
    """Return the three scores as one text."""
    r, f, m = (nw.col(score) for score in MEASURES)
    if bins <= ONE_DIGIT:
        return (r * 100 + f * 10 + m).cast(nw.String)
    return nw.concat_str([r.cast(nw.String), f.cast(nw.String), m.cast(nw.String)], separator="-")


def all_codes(bins: int) -> list[str]:
    """Return every code as text, from the lowest scores up, the third score running fastest."""
    between = "" if bins <= ONE_DIGIT else "-"
    return [between.join(code) for code in itertools.product(map(str, range(1, bins + 1)), repeat=3)]


def with_texts(frame: nw.DataFrame[Any], name: str, texts: Sequence[str], place: IntArray) -> nw.DataFrame[Any]:
    """Return a frame in memory with one of a few texts in each row; no text is made twice."""
    made = nw.new_series(name, list(texts), backend=frame.__native_namespace__())[place]
    if frame.implementation.is_pandas_like():
        made = nw.from_native(nw.to_native(made).set_axis(nw.to_native(frame).index), series_only=True)
    return frame.with_columns(made)
