"""Distributions of test statistics: the normal, Student's t, F and chi-squared.

They come from scipy.special, and not from scipy.stats, which takes longer to load than the rest of the library.
"""

from __future__ import annotations

import math

from scipy.special import chdtrc, fdtrc, nctdtr, ndtr, ndtri, stdtr, stdtrit

from crmvalue._core.types import Array

LARGE_DF = 1e7  # beyond, noncentral t and normal agree to seven digits


def normal_probability(z: Array) -> Array:
    """Probability that a standard normal variable is at most z."""
    probability: Array = ndtr(z)
    return probability


def normal_tail_quantile(tail: float) -> float:
    """Value that a standard normal variable exceeds with this probability."""
    return -float(ndtri(tail))


def t_tail(t: float, df: float) -> float:
    """Probability that Student's t exceeds `t`; normal if `df` is infinite."""
    return float(stdtr(df, -t)) if math.isfinite(df) else float(ndtr(-t))


def t_tail_quantile(tail: float, df: float) -> float:
    """Value that Student's t exceeds with this probability; normal if `df` is infinite."""
    return -float(stdtrit(df, tail)) if math.isfinite(df) else -float(ndtri(tail))


def chance_beyond(bound: float, df: float, shift: float) -> float:
    """Probability that the noncentral t lies beyond plus or minus the bound; normal with many degrees of freedom."""
    if df > LARGE_DF:
        return float(ndtr(shift - bound) + ndtr(-shift - bound))
    within, below = (float(nctdtr(df, shift, end)) for end in (bound, -bound))
    # far from the shift scipy may give NaN; what is left there is less than 1e-30
    return 1 - (0.0 if math.isnan(within) else within) + (0.0 if math.isnan(below) else below)


def f_tail(statistic: float, df: float, df_residual: float) -> float:
    """Probability that F with `df` and `df_residual` degrees of freedom exceeds the statistic."""
    return float(fdtrc(df, df_residual, statistic))


def chi_squared_tail(statistic: float, df: float) -> float:
    """Probability that chi-squared exceeds the statistic."""
    return float(chdtrc(df, statistic))
