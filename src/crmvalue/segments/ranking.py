"""Thresholds from the customers themselves: quantiles of rank among all, or within the scores before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import Array
from crmvalue.segments.limits import Ties, limits_in_engine, limits_of_array, limits_of_cells
from crmvalue.segments.points import points_in_engine, points_of_array, standing
from crmvalue.segments.thresholds import FALLING, MEASURES, NestedThresholds, RfmThresholds, rising

Tables: TypeAlias = dict[str, tuple[str, Array]]  # by score: its measure, and its limits by cell
Thresholds: TypeAlias = RfmThresholds | NestedThresholds


def find_thresholds(
    frame: AnyFrame, values: dict[str, Array], bins: int, ties: Ties, also: Sequence[str], *, nested: bool
) -> tuple[Thresholds, dict[str, int]]:
    """Limits of rank, and the largest group of equals in each measure; `values` are those of a frame in memory."""
    find = Finder(frame=frame, values=values, bins=bins, ties=ties)
    tables, largest = {}, {}
    for name in (*MEASURES.values(), *also):
        tables[name], largest[name] = find.within({}, name, np.full((1, bins - 1), math.inf))
    further = tuple((name, as_limits(name, tables.pop(name)[0])) for name in also)
    if not nested:
        limits = {name: as_limits(name, table[0]) for name, table in tables.items()}
        return RfmThresholds(bins=bins, further=further, **limits), largest
    days = {"r_score": (FALLING, tables[FALLING])}
    purchases, largest["purchases"] = find.within(days, "purchases", np.repeat(tables["purchases"], bins, axis=0))
    spend, _ = find.within(days, "total_spend", np.repeat(tables["total_spend"], bins, axis=0))
    pairs = days | {"f_score": ("purchases", purchases)}
    spend, largest["total_spend"] = find.within(pairs, "total_spend", np.repeat(spend, bins, axis=0))
    return NestedThresholds(
        bins=bins,
        days_since_last=as_limits(FALLING, tables[FALLING][0]),
        purchases=tuple(as_limits("purchases", row) for row in purchases),
        total_spend=tuple(as_limits("total_spend", row) for row in spend),
        further=further,
    ), largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """Finds limits among customers, in memory or in their engine."""

    frame: AnyFrame
    values: dict[str, Array]  # measures, more being better; empty for a lazy frame
    bins: int
    ties: Ties

    def within(self, outer: Tables, name: str, fallback: Array) -> tuple[Array, int]:
        """Limits of a measure within each cell of the scores in `outer`, and the largest group of equals."""
        if isinstance(self.frame, nw.LazyFrame):
            scored, cell = self.frame, nw.lit(0)
            for score, (measure, table) in outer.items():
                scored = points_in_engine(scored, score, measure, table, self.bins)
                cell = cell * self.bins + nw.col(score) - 1
            return limits_in_engine(scored, standing(name), self.bins, self.ties, cell=cell, fallback=fallback)
        if not outer:
            limits, largest = limits_of_array(self.values[name], self.bins, self.ties)
            return limits[None, :], largest
        cells = np.zeros(len(self.values[name]), dtype=np.int64)
        for measure, table in outer.values():
            cells = cells * self.bins + points_of_array(self.values[measure], table, cells) - 1
        return limits_of_cells(self.values[name], cells, self.bins, self.ties, fallback=fallback)


def as_limits(name: str, values: Array) -> tuple[float, ...]:
    """Return limits, more being better, as thresholds hold them."""
    return tuple(value + 0.0 for value in rising(name, tuple(map(float, values))))  # no minus zero
