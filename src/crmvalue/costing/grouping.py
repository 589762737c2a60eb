"""Groups of rows by one or more columns, and the order and shares in which they are shown."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import AnyArray, Array, IntArray

DENSE = 8  # numbers that a table may have for each id that is there


def group_rows(keys: dict[str, AnyArray], n: int) -> tuple[dict[str, AnyArray], IntArray]:
    """Return the distinct rows of the keys, in the order of their values, and the group that each of n rows is in."""
    group, groups, codes = np.zeros(n, dtype=np.int64), {}, []
    for name, values in keys.items():
        code, groups[name] = ranked(values)
        codes.append(code)
    if not codes:
        return {}, group
    rows, group = np.unique(np.stack(codes), axis=1, return_inverse=True)
    return {name: groups[name][row] for name, row in zip(groups, rows, strict=True)}, group.ravel()


def ranked(values: AnyArray) -> tuple[IntArray, AnyArray]:
    """Return the rank of each value among the distinct ones, and these in order; missing ones come last, as None."""
    import pandas as pd

    code, distinct = pd.factorize(values, use_na_sentinel=False)
    distinct = np.asarray(distinct)
    # objects may mix types, which have no order of their own
    names = np.array([str(value) for value in distinct]) if values.dtype.kind == "O" else distinct
    rank = np.lexsort((names, np.asarray(pd.isna(distinct))))
    place = np.empty(len(rank), dtype=np.int64)
    place[rank] = np.arange(len(rank))
    ordered = distinct[rank]
    if ordered.dtype.kind == "O":
        ordered[np.asarray(pd.isna(ordered))] = None  # pandas made it NaN, which a column of text cannot hold
    return place[code], ordered


def match(wanted: AnyArray, present: AnyArray) -> IntArray:
    """Place of each wanted label among the present ones, which are distinct; -1 where it is not there."""
    import pandas as pd

    if wanted.dtype.kind in "iu" and present.dtype.kind in "iu" and len(present) and (np.diff(present) > 0).all():
        wanted, present = wanted.astype(np.int64, copy=False), present.astype(np.int64, copy=False)
        low, span = int(present[0]), int(present[-1]) - int(present[0]) + 1
        if span <= DENSE * len(present):
            table = np.full(span, -1)
            table[present - low] = np.arange(len(present))
            inside = (wanted >= low) & (wanted < low + span)
            return np.where(inside, table[np.where(inside, wanted - low, 0)], -1)
        place = np.minimum(np.searchsorted(present, wanted), len(present) - 1)  # no hash table of millions to build
        return np.where(present[place] == wanted, place, -1)
    found: IntArray = np.asarray(pd.Index(present).get_indexer(pd.Index(wanted)), dtype=np.int64)
    return found


def shares_of(amount: Array, total: float) -> Array:
    """Share of each amount in the total; missing if the total is not above 0."""
    return amount / total if total > 0 else np.full(len(amount), np.nan)


def reading_order(period: AnyArray | None, amount: Array) -> IntArray:
    """Order of the groups: by period, then the largest first; equal ones stay in the order of their names."""
    return np.lexsort((-amount,) if period is None else (-amount, period))


def as_kind_of(names: AnyArray, others: AnyArray) -> AnyArray:
    """Return text of whole numbers as numbers, or numbers as text, if the others are so; else names as they are."""
    if not (len(names) and len(others)) or holds_text(names) == holds_text(others):
        return names
    if holds_text(names):
        is_number = all(len(name) <= 18 and name.isdecimal() and str(int(name)) == name for name in names.tolist())
        return np.array([int(name) for name in names.tolist()]) if is_number else names
    is_whole = names.dtype.kind in "iuf" and bool((names == np.rint(names)).all())
    return np.array([f"{name:.0f}" for name in names.tolist()], dtype=object) if is_whole else names


def holds_text(names: AnyArray) -> bool:
    """Whether the first name that is there is text."""
    return names.dtype.kind == "O" and isinstance(next((name for name in names if name is not None), 0), str)
