"""Differences of polygamma functions that keep their digits where the functions themselves almost agree."""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

from crmvalue._core.special import Numbers
from crmvalue._core.types import Array

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(12)
NODES, WEIGHTS = 0.5 * (POINTS + 1), 0.5 * WEIGHTS  # on [0, 1]


def polygamma_rise(order: int, z: Numbers, n: Numbers) -> Array:
    """ψ(z + n) − ψ(z) of the polygamma function of this order, for z > 0 and any n >= 0.

    A short step is the integral of the next derivative: its singularity, at 0, is as far away as the step is long.
    """
    z, n = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(n, dtype=float))
    rise = polygamma(order, z + n) - polygamma(order, z)
    short = n < z
    step = n[short]
    rise[short] = step * (polygamma(order + 1, z[short][:, None] + step[:, None] * NODES) @ WEIGHTS)
    return np.asarray(rise)


def polygamma_change(order: int, z: Numbers, m: Numbers, n: Numbers) -> Array:
    """ψ(z) + ψ(z + m + n) − ψ(z + m) − ψ(z + n): the rise over n at z + m less that at z; m and n may be exchanged."""
    z, m, n = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (z, m, n)))
    few, many = np.minimum(m, n), np.maximum(m, n)
    change = polygamma_rise(order, z + many, few) - polygamma_rise(order, z, few)
    short = many < z
    step = few[short][:, None]
    inner = polygamma_rise(order + 1, z[short][:, None] + step * NODES, many[short][:, None])
    change[short] = step[:, 0] * (inner @ WEIGHTS)
    return np.asarray(change)
