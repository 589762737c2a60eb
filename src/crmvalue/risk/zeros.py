"""Every zero of a function in a range: it is cut into pieces on each of which a polynomial is the function.

References
----------
Boyd (2002) "Computing zeros on a real interval through Chebyshev expansion and polynomial rootfinding", SIAM Journal on
Numerical Analysis 40(5), 1666-1682. DOI 10.1137/S0036142901398325.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.polynomial import chebyshev

from crmvalue._core.types import Array, BoolArray
from crmvalue.finance.bracketing import bracketed_roots

DEGREE = 32
NODES = np.sin(np.pi * np.arange(-DEGREE, DEGREE + 1, 2) / (2 * DEGREE))  # from -1 to 1, denser at the ends
TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(NODES, DEGREE))
FIRST_PIECES = 4
MOST_PIECES = 2000
NARROWEST = 1e-10  # share of the range; a jump or a kink lies in a piece that is not cut further
KINK = 10 * NARROWEST  # share of the largest outcome that a kink at 0 leaves in such a piece
ROUNDING = 1e-12  # share of the outcome that its own rounding may reach
DIGITS = 4 * np.finfo(float).eps  # share of the largest outcome that rounding may leave where the outcome is tiny
CLOSEST = 1e-7  # share of the range: zeros that are nearer to each other count as one
JUMP = 1e-6  # share of the rise over a bracket that a smooth function does not leave at its zero

Piece: TypeAlias = tuple[float, float]  # both ends


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Zeros:
    """Where a function is 0 in a range, and where that is not sure."""

    values: Array  # ascending, shape (n,); of a stretch both ends
    jumps: Array  # those of them at which the function jumps over 0
    stretches: tuple[Piece, ...]  # where it is 0 all along
    unsure: tuple[Piece, ...]  # pieces too rough for a polynomial: only changes of sign were looked at


def zeros_between(evaluate: Callable[[Array], Array], low: float, high: float) -> Zeros:
    """Return every zero of a function that is smooth by pieces; one that only touches 0 is found too."""
    ends = np.linspace(low, high, FIRST_PIECES + 1)
    pieces = deque(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    found, flat, unsure, size, n = list[float](), list[Piece](), list[Piece](), 0.0, 0
    while pieces:
        left, right = pieces.popleft()
        points = np.clip(left + (right - left) * (NODES + 1) / 2, left, right)
        outcome = evaluate(points)
        size, n = max(size, float(np.abs(outcome).max())), n + 1
        coefficients = TO_COEFFICIENTS @ outcome
        rest, noise = float(np.abs(coefficients[-4:]).max()), ROUNDING * float(np.abs(outcome).max())
        if not outcome.any():
            flat.append((left, right))
        elif rest <= max(noise, DIGITS * size):
            near = roots_of(coefficients, noise)
            found += settled(evaluate, left + (right - left) * (near + 1) / 2, (low, high), noise)
        elif right - left <= NARROWEST * (high - low) or n > MOST_PIECES:
            found += crossings(evaluate, points, outcome)
            found += [float(points[np.abs(outcome).argmin()])] if np.abs(outcome).min() <= KINK * size else []
            unsure += [(left, right)] if n > MOST_PIECES else []
        else:
            middle = left + (right - left) / 2
            pieces += [(left, middle), (middle, right)]
    stretches = joined(flat, NARROWEST * (high - low))
    close = CLOSEST * (high - low)
    alone = [value for value in sorted(found) if not any(a - close <= value <= b + close for a, b in stretches)]
    values = distinct(evaluate, np.array(alone), close)
    return Zeros(
        values=np.sort(np.concatenate([values, np.ravel(stretches)])),
        jumps=values[is_jump(evaluate, values, low, high, size)],
        stretches=tuple(stretches),
        unsure=tuple(unsure),
    )


def joined(pieces: list[Piece], gap: float) -> list[Piece]:
    """Return the pieces in order, those that follow one another at no more than the gap as one."""
    whole: list[Piece] = []
    for left, right in sorted(pieces):
        if whole and left - whole[-1][1] <= gap:
            whole[-1] = (whole[-1][0], right)
        else:
            whole.append((left, right))
    return whole


def roots_of(coefficients: Array, noise: float) -> Array:
    """Return the real roots from -1 to 1 of a Chebyshev series, and real parts of those that rounding made complex."""
    series = chebyshev.chebtrim(coefficients, noise / 100)
    roots = np.asarray(chebyshev.chebroots(series), dtype=complex)
    near = roots[(np.abs(roots.imag) <= 1e-5) & (np.abs(roots.real) <= 1 + 1e-8)]
    return np.asarray(np.clip(near.real, -1.0, 1.0))


def settled(evaluate: Callable[[Array], Array], near: Array, ends: tuple[float, float], noise: float) -> list[float]:
    """Return the zeros near to these points, to the last digits: where the sign changes, or 0 is touched."""
    reach = 0.5 * CLOSEST * (ends[1] - ends[0])
    found = []
    for point in near.tolist():
        around = np.clip([point - reach, point, point + reach], *ends)
        outcome = evaluate(around)
        crossed = crossings(evaluate, around, outcome)
        touched = np.abs(outcome).min() <= 100 * noise
        found += crossed or ([float(around[np.abs(outcome).argmin()])] if touched else [])
    return found


def crossings(evaluate: Callable[[Array], Array], points: Array, outcome: Array) -> list[float]:
    """Return the points at which the outcome is 0, and one zero between each two of opposite signs."""
    left = np.flatnonzero(np.sign(outcome[:-1]) * np.sign(outcome[1:]) < 0)
    between = bracketed_roots(evaluate, points[left], points[left + 1]).tolist() if left.size else []
    return [*between, *points[outcome == 0].tolist()]


def distinct(evaluate: Callable[[Array], Array], values: Array, gap: float) -> Array:
    """Return, of ascending values that follow one another at less than the gap, the one nearest to 0."""
    groups = np.split(values, np.flatnonzero(np.diff(values) > gap) + 1) if len(values) else []
    return np.array([group[np.abs(evaluate(group)).argmin()] for group in groups])


def is_jump(evaluate: Callable[[Array], Array], values: Array, low: float, high: float, size: float) -> BoolArray:
    """Whether the function jumps over 0 at each value: it is far from 0 as near to it as numbers go."""
    if not len(values):
        return np.zeros(0, dtype=bool)
    reach = 4 * np.finfo(float).eps * np.maximum(np.abs(values), high - low)
    sides = np.abs([evaluate(np.clip(values + side * reach, low, high)) for side in (-1.0, 0.0, 1.0)])
    return np.asarray(sides.max(axis=0) > JUMP * size)
