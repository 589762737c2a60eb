"""Sums over customers with the same number of purchases, a small whole number that many of them share."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import AnyArray, Array


def sums_by_count(count: Array, *values: Array) -> tuple[Array, list[AnyArray]]:
    """Return the distinct whole numbers in `count`, in order, and the sum of each column of values by them."""
    code = count.astype(np.intp)
    if code.max() > 8 * len(code) + 1_000:  # few customers who count very far
        distinct, code = np.unique(count, return_inverse=True)
        return distinct, [np.bincount(code, column) for column in values]
    there = np.flatnonzero(np.bincount(code))
    return there.astype(float), [np.bincount(code, column)[there] for column in values]
