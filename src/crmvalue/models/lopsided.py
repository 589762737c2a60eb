"""How lopsided the likelihood is around the estimates: what intervals need to know besides standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Ascent, Derivatives, is_finite
from crmvalue._core.types import Array, IntArray

EXACT = 0.08  # standard error of a logarithm below which a parabola puts the ends of 95 % right to a tenth of it
VAGUE = 2.0  # standard error of a logarithm above which the data hardly show the parameter: a factor of 50 either way
REACH = 3.0  # standard errors within which a cubic must rise to be believed
MOST = 0.5  # bend above which nothing is believed: the upper end of 95 % is seven times as far as the lower


class Bend(NamedTuple):
    """How a log parameter follows the likelihood: t = w + square · w² + cube · w³; both are 0 for a parabola.

    t is the distance from the estimate in standard errors, and w the signed root of twice the fall of the
    log-likelihood, maximised over all other parameters: w is close to normal on any scale [1]_.

    .. [1] Barndorff-Nielsen & Cox (1994) "Inference and Asymptotics", Chapman & Hall, section 4.2.
    """

    square: float
    cube: float

    def distance(self, w: Array) -> Array:
        """Return t at each w; beyond `REACH` as steep as there."""
        near = np.clip(w, -REACH, REACH)
        steepness = 1 + near * (2 * self.square + 3 * self.cube * near)
        return np.asarray(near * (1 + near * (self.square + self.cube * near)) + (w - near) * steepness)


EVEN = Bend(0.0, 0.0)


def bends_of(
    evaluate: Callable[[Array], Derivatives], ended: Ascent, free: IntArray, covariance: Array, k: int
) -> tuple[Bend, ...]:
    """Return the bend of each of k log parameters, from the likelihood one standard error above its estimate.

    Let the log-likelihood, the others at their best, fall by t²/2 − A t³ − C t⁴. Its height and slope at t = 1 give A
    and C, and the series of w, turned round, has the coefficients A and 5/2 A² + C.
    """
    bends = [EVEN] * k
    for j, error in enumerate(np.sqrt(covariance.diagonal()[:k]).tolist()):
        if EXACT < error < VAGUE:  # nor NaN, of those that were held
            point = ended.point.copy()
            point[free] += covariance[j, free] / error  # along this path the others stay near their best
            there = evaluate(point)
            if is_finite(there):
                height, slope = at_best(there, j, free[free != j])
                bends[j] = bend_of(height - ended.value + 0.5, slope * error + 1.0)
    return tuple(bends)


def at_best(there: Derivatives, j: int, others: IntArray) -> tuple[float, float]:
    """Return height and slope by parameter j, one Newton step of the others farther; NaN if they have no best."""
    pull, cross = there.gradient[others], there.hessian[j, others]
    curvature, axes = np.linalg.eigh(-there.hessian[others[:, None], others])
    if not (curvature > 0).all():
        return np.nan, np.nan
    along = axes.T @ pull
    share = along / curvature
    return float(there.value) + 0.5 * float(along @ share), float(there.gradient[j]) + float(cross @ (axes @ share))


def bend_of(height: float, slope: float) -> Bend:
    """Return the bend, given how much less the likelihood falls up to t = 1, and how much less steeply there."""
    third = 4 * height - slope
    cube = 2.5 * third**2 + slope - 3 * height
    if not math.isfinite(cube):
        return EVEN
    least = 1 - 2 * abs(third) * REACH + 3 * min(cube, 0.0) * REACH**2  # steepness within reach is at least this
    if 3 * cube > third**2 or least > 0:
        return Bend(third, cube)
    third = max(-MOST, min(third, MOST))
    return Bend(third, 2 / 3 * third**2)  # as of t = (exp(2Aw) − 1) / 2A, which rises everywhere
