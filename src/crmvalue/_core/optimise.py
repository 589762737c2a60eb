"""The one optimiser: Newton steps within a trust region, on the logarithms of the parameters.

Converged means that the next Newton step is negligible where the curvature is that of a maximum; a small gradient
alone is not enough, for it also vanishes where the likelihood rises to a limit that no parameters reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import Array
from crmvalue.errors import ConvergenceError

MOST_STEPS = 200
SMALL_STEP = 1e-6  # on the log scale; the step is still taken, and its error is the square of it
NO_STEP = 1e-10  # on the log scale; not taken, for the estimates have ten digits
TINY = float(np.finfo(float).tiny)  # above 0: keeps a ratio of two zeros a number
FARTHEST = 16.0  # log distance from the start (a factor of 9 million) at which the maximum is no longer inside
FLATTEST = 1e-13  # smallest over largest curvature that double precision can tell from flat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Derivatives:
    """A function's value, gradient (k,) and Hessian (k, k) at a point; with one more last axis, for each of n rows."""

    value: Array
    gradient: Array
    hessian: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maximum:
    """Where a function is largest."""

    point: Array  # (k,)
    value: float
    gradient: Array  # (k,), at `point`
    hessian: Array  # (k, k), at `point`; negative definite
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ascent:
    """Where a search ended."""

    point: Array  # (k,)
    here: Derivatives  # at `point`
    steps: int
    converged: bool  # whether it is a maximum

    @property
    def value(self) -> float:
        """Value at the point."""
        return float(self.here.value)


def maximise(evaluate: Callable[[Array], Derivatives], start: Array, *, describe: Callable[[Array], str]) -> Maximum:
    """Return the maximum that is reached from `start`; `describe` says where an unsuccessful search ended."""
    ended = climb(evaluate, start)
    if not ended.converged:
        raise ConvergenceError(describe(ended.point))
    here = ended.here
    return Maximum(
        point=ended.point, value=ended.value, gradient=here.gradient, hessian=here.hessian, steps=ended.steps
    )


def climb(evaluate: Callable[[Array], Derivatives], start: Array) -> Ascent:
    """Climb from `start` to a maximum, or to where it shows that there is none inside."""
    point, here, radius = start, evaluate(start), 2.0
    if not is_finite(here):  # there is no way up from here
        return Ascent(point=point, here=here, steps=0, converged=False)
    for steps in range(MOST_STEPS):
        curvature, axes = np.linalg.eigh(-here.hessian)
        slope = here.gradient @ axes
        if curvature[0] > FLATTEST * curvature[-1]:
            newton = axes @ (slope / curvature)
            if np.abs(newton).max() < SMALL_STEP:
                point, here = polished(evaluate, point, here, newton)
                return Ascent(point=point, here=here, steps=steps, converged=True)
        along = restricted_step(curvature, slope, radius)
        move, gain = axes @ along, float(along @ (slope - 0.5 * curvature * along))
        there = evaluate(point + move)
        rounding = 1e-13 * abs(float(here.value)) + TINY
        ratio = (float(there.value - here.value) + rounding) / (gain + rounding)
        if is_finite(there) and ratio > 1e-4:
            point, here = point + move, there
            radius = min(4.0, 2 * radius) if ratio > 0.75 else radius
        if not ratio > 0.25:  # also catches NaN
            radius = 0.25 * float(np.linalg.norm(move))
        if np.abs(point - start).max() > FARTHEST or radius < 1e-12:
            break
    return Ascent(point=point, here=here, steps=steps, converged=False)


def polished(
    evaluate: Callable[[Array], Derivatives], point: Array, here: Derivatives, step: Array
) -> tuple[Array, Derivatives]:
    """Take the last, negligible step, if there is one."""
    if np.abs(step).max() < NO_STEP:
        return point, here
    there = evaluate(point + step)
    better = is_finite(there) and np.abs(there.gradient).max() <= np.abs(here.gradient).max()
    return (point + step, there) if better else (point, here)


def is_finite(values: Derivatives) -> bool:
    """Whether every number is finite."""
    return math.isfinite(float(values.value + values.gradient.sum() + values.hessian.sum()))


def restricted_step(curvature: Array, slope: Array, radius: float) -> Array:
    """Newton step along the axes of the Hessian, shifted where needed to go uphill and no farther than `radius`."""
    if curvature[0] > 0:
        step = slope / curvature
        if step @ step <= radius * radius:
            return step
    low = max(0.0, -float(curvature[0]))
    size = float(np.linalg.norm(slope)) + TINY
    high = low + size / radius + 1e-12 * float(np.abs(curvature).max())
    for _ in range(60):  # bisection: the step's length falls as the shift rises
        middle = 0.5 * (low + high)
        shifted = curvature + middle
        too_long = shifted[0] <= 0 or np.linalg.norm(slope / shifted) > radius
        low, high = (middle, high) if too_long else (low, middle)
    return np.asarray(slope / (curvature + high))
