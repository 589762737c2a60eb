"""Several comparisons with one control: intervals that all hold at once [1]_.

The differences are correlated because they share the control. As corr(i, j) = b_i b_j, the probability that none of
them exceeds a bound is an integral over one variable.

.. [1] Dunnett (1955) "A multiple comparison procedure for comparing several treatments with a control", JASA 50(272).
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from crmvalue._core.distributions import normal_probability, normal_tail_quantile, t_tail, t_tail_quantile
from crmvalue._core.types import Array

Correction: TypeAlias = Literal["dunnett", "bonferroni", "none"]
CORRECTIONS: tuple[Correction, ...] = ("dunnett", "bonferroni", "none")

NODES = np.linspace(-9.0, 9.0, 601)  # the normal density beyond is below 1e-18
DENSITY = np.exp(-0.5 * NODES**2) / math.sqrt(2 * math.pi) * (NODES[1] - NODES[0])
BISECTIONS = 48  # halve an interval of length 10 to 4e-14


def critical_values(variances: Array, control_variance: float, df: Array, confidence: float, how: Correction) -> Array:
    """Critical t of each difference from the control, shape (k,); variances are those of the arms' values."""
    tail = (1 - confidence) / 2
    if how == "bonferroni":
        tail /= len(variances)
    elif how == "dunnett" and len(variances) > 1:
        # exact for many units; for few, the same tail of each arm's own t distribution
        tail = float(normal_probability(np.asarray(-dunnett_bound(variances, control_variance, confidence))))
    return np.array([t_tail_quantile(tail, each) for each in df])


def corrected_p_values(t: Array, variances: Array, control_variance: float, df: Array, how: Correction) -> Array:
    """Two-sided p value of each difference, shape (k,), corrected for the number of comparisons."""
    tails = np.array([t_tail(abs(each), freedom) for each, freedom in zip(t, df, strict=True)])
    if how == "bonferroni":
        return np.asarray(np.minimum(1.0, 2 * len(t) * tails))
    if how == "none" or len(t) == 1:
        return np.asarray(2 * tails)
    z = [normal_tail_quantile(max(tail, 1e-300)) for tail in tails]
    return np.array([1 - chance_all_below(each, variances, control_variance) for each in z])


def dunnett_bound(variances: Array, control_variance: float, confidence: float) -> float:
    """Bound that no standardised difference exceeds with the chance given, found by bisection."""
    low, high = 0.0, 10.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if chance_all_below(middle, variances, control_variance) < confidence:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def chance_all_below(bound: float, variances: Array, control_variance: float) -> float:
    """Chance that all standardised differences lie within plus and minus the bound, if nothing has an effect."""
    own = np.sqrt(np.maximum(variances / (variances + control_variance), 1e-12))[:, None]
    shared = np.sqrt(1 - own**2) * NODES
    inside = normal_probability((bound - shared) / own) - normal_probability((-bound - shared) / own)
    return float(min(1.0, DENSITY @ inside.prod(axis=0)))
