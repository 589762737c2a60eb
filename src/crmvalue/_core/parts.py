"""Rows a few thousand at a time: temporary arrays stay in the processor's cache, and memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crmvalue._core.types import AnyArray, Array

ROWS_AT_ONCE = 32_768


def parts(n: int) -> list[slice]:
    """Return slices of n rows, so many at once as fit in the processor's cache."""
    return [slice(begin, begin + ROWS_AT_ONCE) for begin in range(0, n, ROWS_AT_ONCE)]


def in_parts(function: Callable[..., Array], *columns: AnyArray) -> Array:
    """Return what a function makes of columns row by row, computed a part at a time."""
    if len(columns[0]) <= ROWS_AT_ONCE:
        return function(*columns)
    made = np.empty(len(columns[0]))
    for part in parts(len(made)):
        made[part] = function(*(column[part] for column in columns))
    return made
