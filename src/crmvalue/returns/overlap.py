"""The guard against counting one benefit twice: which value already contains which, and where two lines meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crmvalue._core.periods import first_days, period_numbers
from crmvalue._core.types import AnyArray, BoolArray, IntArray, Period

MECHANISMS = (
    "retention",
    "acquisition",
    "expansion",
    "price",
    "cost saving",
    "cycle time",
    "productivity",
    "risk",
    "satisfaction",
    "lifetime value",
    "moved sales",
)
CONTAINED = {
    # what people bring in future comes from staying, buying more, paying more, and from having been won
    "lifetime value": ("retention", "acquisition", "expansion", "price", "satisfaction"),
    # content customers pay by staying and by buying more
    "retention": ("satisfaction",),
    "expansion": ("satisfaction",),
    # hours saved are money saved, once
    "cost saving": ("productivity", "cycle time"),
    "productivity": ("cycle time",),
}
NO_BENEFIT = "moved sales"  # sold in one channel instead of another
FOR_EVER = np.iinfo(np.int64).max
MOST_PAIRS = 5
MOST_COMPARED = 4_000_000  # pairs of lines looked at together


def covered_days(days: AnyArray, until: AnyArray, mechanism: AnyArray, period: Period) -> tuple[IntArray, IntArray]:
    """First and last day number that each line covers.

    A line with an end covers its day to that end; others the calendar period of their day, and a lifetime value all
    that follows too.
    """
    number = period_numbers(days, period)
    first, after = (first_days(n, period).astype(np.int64) for n in (number, number + 1))
    ends = np.where(mechanism == "lifetime value", FOR_EVER, after - 1)
    named = ~np.isnat(until)
    return np.where(named, days.astype(np.int64), first), np.where(named, until.astype(np.int64), ends)


def overlapping_lines(
    mechanism: AnyArray, population: Sequence[AnyArray], first: IntArray, last: IntArray
) -> list[tuple[int, int]]:
    """Return at most `MOST_PAIRS` pairs of lines (the one that contains, the one contained).

    Two lines meet if their days do and, in each column of the population, they name the same, or one names none: then
    it is about all.
    """
    kinds, kind = np.unique(mechanism.astype(str), return_inverse=True)
    codes = [as_codes(values) for values in population]
    table = np.column_stack([kind, first, last, *codes])
    rows = np.sort(np.unique(table, axis=0, return_index=True)[1])  # lines that are alike meet the same others
    pairs: list[tuple[int, int]] = []
    for outer, contained in CONTAINED.items():
        if outer not in kinds:
            continue
        holders = rows[mechanism[rows] == outer]
        inner = rows[np.isin(mechanism[rows].astype(str), contained)]
        pairs += meeting_pairs(holders, inner, codes, first, last, MOST_PAIRS - len(pairs))
        if len(pairs) >= MOST_PAIRS:
            break
    return pairs


def as_codes(values: AnyArray) -> IntArray:
    """Code each name by an integer from 0, and a missing one by -1."""
    import pandas as pd

    codes, _ = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64)


def meeting_pairs(
    holders: IntArray, inner: IntArray, codes: Sequence[IntArray], first: IntArray, last: IntArray, most: int
) -> list[tuple[int, int]]:
    """Return the first few pairs of a holder and an inner line that meet, looking at a block of pairs at a time."""
    pairs: list[tuple[int, int]] = []
    block = max(1, MOST_COMPARED // max(1, len(inner)))
    for start in range(0, len(holders), block):
        some = holders[start : start + block, None]
        meet: BoolArray = (first[some] <= last[inner]) & (first[inner] <= last[some])
        for code in codes:
            meet &= (code[some] == code[inner]) | (code[some] < 0) | (code[inner] < 0)
        for row, column in np.argwhere(meet)[: most - len(pairs)].tolist():
            pairs.append((int(some[row, 0]), int(inner[column])))
        if len(pairs) >= most:
            break
    return pairs
