"""Exact intervals around a share and around a rate per unit of exposure."""

from __future__ import annotations

import numpy as np

from crmvalue._core.special import beta_quantile, gamma_quantile
from crmvalue._core.types import AnyArray, Array

LEVEL = 0.95  # of an interval, unless another is asked for


def binomial_interval(successes: AnyArray, trials: AnyArray, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of a share by Clopper & Pearson (1934); missing without trials."""
    tail = (1 - level) / 2
    failures = trials - successes
    lower = np.where(successes > 0, beta_quantile(np.maximum(successes, 1), failures + 1, tail), 0.0)
    upper = np.where(failures > 0, beta_quantile(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
    return np.where(trials > 0, lower, np.nan), np.where(trials > 0, upper, np.nan)


def poisson_interval(events: AnyArray, exposure: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of a rate per unit of exposure by Garwood (1936); missing without exposure."""
    tail = (1 - level) / 2
    time = np.where(exposure > 0, exposure, np.nan)
    lower = np.where(events > 0, gamma_quantile(np.maximum(events, 1), tail), 0.0)
    upper: Array = gamma_quantile(events + 1.0, 1 - tail) / time
    return lower / time, upper
