"""Groups that columns make: checked, in order, with a missing one last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crmvalue._core.types import AnyArray, IntArray
from crmvalue.errors import InputError
from crmvalue.segments.thresholds import MEASURES

ADDITIVE = ("customers", "customer_share", "orders", "revenue", "revenue_share", "value", "value_share")


def check_groups(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that make the groups, each once."""
    groups = (by,) if isinstance(by, str) else tuple(by)
    if not groups or len(set(groups)) < len(groups):
        raise InputError(f"by: got {by!r}. Name at least one column, and each once.")
    taken = sorted({*ADDITIVE, *MEASURES.values(), "customer_id", "churn_risk"} & set(groups))
    if taken:
        raise InputError(f"by: {taken[0]!r} is a measure of the profile. Rename the column that makes the groups.")
    return groups


def levels_of(found: dict[str, AnyArray], groups: Sequence[str], order: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """Return the groups of each column: segments in the order of the rules, others by value, a missing one last."""
    levels = []
    for name in groups:
        values = found[name].tolist()
        known = {value for value in values if not is_missing(value)}
        first = [value for value in order if value in known] if name == "segment" else []
        last = [None] if any(map(is_missing, values)) else []
        levels.append((*first, *sorted(known - set(first)), *last))
    return tuple(levels)


def places_of(values: AnyArray, level: Sequence[Any]) -> IntArray:
    """Place of each value among the groups of its column."""
    at = {value: number for number, value in enumerate(level)}
    return np.array([at[None if is_missing(value) else value] for value in values.tolist()], dtype=np.int64)


def sorted_by(found: dict[str, AnyArray], groups: Sequence[str], levels: Sequence[Any]) -> dict[str, AnyArray]:
    """Sort rows by the groups."""
    places = [places_of(found[name], level) for name, level in zip(groups, levels, strict=True)]
    rows = np.lexsort(places[::-1])
    return {name: values[rows] for name, values in found.items()}


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT, or the NA of pandas, which equals nothing and has no truth."""
    same = value == value
    return value is None or not isinstance(same, (bool, np.bool_)) or not same


def level_names(level: Sequence[Any]) -> list[str]:
    """Return the groups of a column as text."""
    return ["(missing)" if value is None else str(value) for value in level]
