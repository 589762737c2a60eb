"""Numbers of the arms of an experiment, from the moments of their units: values, variances and lifts."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import Array, IntArray
from crmvalue.effects.units import Moments


def pooled(variances: Array, n: IntArray) -> float:
    """Variance within groups, over all of them."""
    return float((n - 1) @ variances) / max(float((n - 1).sum()), 1.0)


def arm_values(moments: Moments, *, ratio: bool, adjusted: bool) -> tuple[Array, Array]:
    """Value of each arm and the variance of that value, shape (k,) each."""
    y, x, c = moments.mean.T
    value = y / x if ratio else y
    gradient = np.zeros_like(moments.mean)  # of the value, by the means of outcome, denominator and covariate
    gradient[:, 0] = 1 / x if ratio else 1.0
    gradient[:, 1] = -value / x if ratio else 0.0
    if adjusted:
        with_covariate = np.einsum("kd,kd->k", gradient, moments.covariance[:, :, 2])
        theta = pooled(with_covariate, moments.n) / pooled(moments.covariance[:, 2, 2], moments.n)
        value = value - theta * (c - (moments.n @ c) / moments.n.sum())
        gradient[:, 2] = -theta
    variance = np.einsum("ki,kij,kj->k", gradient, moments.covariance, gradient) / moments.n
    return value, np.maximum(variance, 0.0)


def welch_df(variances: Array, n: IntArray) -> Array:
    """Degrees of freedom of each arm's difference from the first, by Welch and Satterthwaite."""
    parts = variances**2 / (n - 1)
    below = parts[1:] + parts[0]
    df: Array = np.full(len(below), np.inf)
    np.divide((variances[1:] + variances[0]) ** 2, below, out=df, where=below > 0)
    return df


def relative_lift(values: Array, variances: Array) -> tuple[Array, Array]:
    """Lift of each arm over the first and its standard error by the delta method."""
    ratio = values[1:] / values[0]
    return ratio - 1, np.sqrt(variances[1:] + ratio**2 * variances[0]) / values[0]
