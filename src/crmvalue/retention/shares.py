"""Shares of a whole and of a first value; missing where that is not above 0."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import Array


def shares_of_first(values: Array) -> Array:
    """Each row as a share of its first value, missing where that is not above 0."""
    first = values[:, :1]
    return values / np.where(first > 0, first, np.nan)


def share_of(part: Array, whole: Array) -> Array:
    """Return part / whole, missing where the whole is not above 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=float)
