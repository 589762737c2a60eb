"""Intervals around shares, and shares of a first value."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from crmvalue._core.special import beta_quantile
from crmvalue._core.types import Array, IntArray

LEVEL = 0.95  # of the interval around a rate


def binomial_interval(successes: IntArray, trials: IntArray, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of a share by Clopper & Pearson (1934); missing without trials."""
    tail = (1 - level) / 2
    failures = trials - successes
    lower = np.where(successes > 0, beta_quantile(np.maximum(successes, 1), failures + 1, tail), 0.0)
    upper = np.where(failures > 0, beta_quantile(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
    return np.where(trials > 0, lower, np.nan), np.where(trials > 0, upper, np.nan)


def poisson_interval(events: IntArray, exposure: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of a rate per unit of exposure by Garwood (1936); missing without exposure."""
    tail = (1 - level) / 2
    time = np.where(exposure > 0, exposure, np.nan)
    lower = np.where(events > 0, gammaincinv(np.maximum(events, 1), tail), 0.0)
    upper: Array = gammaincinv(events + 1.0, 1 - tail) / time
    return lower / time, upper


def shares_of_first(values: Array) -> Array:
    """Each row as a share of its first value, missing where that is not above 0."""
    first = values[:, :1]
    return values / np.where(first > 0, first, np.nan)


def share_of(part: Array, whole: Array) -> Array:
    """Return part / whole, missing where the whole is not above 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=float)
