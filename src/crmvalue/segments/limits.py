"""Where scores begin: quantiles of rank in which equal values are equal, over all customers or within cells.

Frames in memory are ranked as arrays. Lazy ones are ranked in their engine; what reaches Python are the limits.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import to_arrays
from crmvalue._core.types import Array, IntArray

Ties: TypeAlias = Literal["mid", "low", "high"]
TIES: tuple[Ties, ...] = ("mid", "low", "high")


def limits_of_array(values: Array, bins: int, ties: Ties) -> tuple[Array, int]:
    """Least value of score 2, ..., bins (inf where there is none), and the size of the largest group of equals."""
    n = len(values)
    ordered = np.sort(values)
    below = np.flatnonzero(np.concatenate([np.ones(min(n, 1), dtype=bool), ordered[1:] != ordered[:-1]]))
    up_to = np.append(below[1:], n)
    # A customer alone at rank k of n stands at the fraction (2k - 1) / 2n, whichever way ties are counted.
    twice = {"mid": below + up_to, "low": 2 * below + 1, "high": 2 * up_to - 1}[ties]
    score = twice * bins // (2 * n) + 1
    first = np.searchsorted(score, np.arange(2, bins + 1))
    return np.append(ordered[below], math.inf)[first], int((up_to - below).max(initial=0))


def limits_of_cells(values: Array, cell: IntArray, bins: int, ties: Ties, *, fallback: Array) -> tuple[Array, int]:
    """Limits within each cell, shape (cells, bins - 1); a cell without customers has those of its `fallback` row."""
    limits, largest = fallback.copy(), 0
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=len(fallback)))
    for number, members in enumerate(np.split(order, ends[:-1])):
        if len(members):
            limits[number], equal = limits_of_array(values[members], bins, ties)
            largest = max(largest, equal)
    return limits, largest


def limits_in_engine(
    frame: nw.LazyFrame[Any], value: nw.Expr, bins: int, ties: Ties, *, cell: nw.Expr, fallback: Array
) -> tuple[Array, int]:
    """Limits within each cell, shape (cells, bins - 1), found where the customers are."""
    equals = frame.select(_crm_cell=cell, _crm_value=value).group_by("_crm_cell", "_crm_value").agg(_crm_equal=nw.len())
    equals = equals.with_columns(nw.col("_crm_equal").cast(nw.Int64))
    equal, up_to, n = nw.col("_crm_equal"), nw.col("_crm_up_to"), nw.col("_crm_n")
    ranked = equals.with_columns(
        _crm_up_to=equal.cum_sum().over("_crm_cell", order_by="_crm_value").cast(nw.Int64),
        _crm_n=equal.sum().over("_crm_cell").cast(nw.Int64),
    )
    twice = {"mid": up_to * 2 - equal, "low": (up_to - equal) * 2 + 1, "high": up_to * 2 - 1}[ties]
    scored = ranked.with_columns(_crm_score=twice * bins // (n * 2) + 1)
    starts = scored.group_by("_crm_cell", "_crm_score").agg(
        _crm_start=nw.col("_crm_value").min(), _crm_most=equal.max()
    )
    found = to_arrays(starts, ["_crm_cell", "_crm_score", "_crm_start", "_crm_most"])
    limits = fallback.copy()
    for number in np.unique(found["_crm_cell"].astype(np.int64)):
        here = found["_crm_cell"] == number
        score, start = found["_crm_score"][here], found["_crm_start"][here]
        limits[number] = [start[score >= wanted].min(initial=math.inf) for wanted in range(2, bins + 1)]
    return limits, int(found["_crm_most"].max(initial=0))
