"""The best split of a sum over response curves.

Where every curve rises less and less, the marginal returns of all channels between their bounds are equal: one number
is searched by bisection. A Hill curve with an S part is first placed by a search over a grid (below, within or beyond
its S part), and the rest is solved exactly. At most one channel can end within its S part: of two, one would give to
the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from crmvalue._core.types import Array
from crmvalue.effects.curves import SHAPES, ResponseCurve

BISECTIONS = 200  # of the logarithm of the marginal return
GRID_STEPS = 1000  # of the sum to be split, where curves have an S part
GOLDEN = (math.sqrt(5) - 1) / 2
GOLDEN_STEPS = 60


def best_split(curves: Sequence[ResponseCurve], weights: Array, total: float, low: Array, high: Array) -> Array:
    """Spend of each channel, shape (n,), that makes the weighted sum of results the highest; it sums to `total`."""
    bends = np.array([curve.inflection for curve in curves])
    has_s = bends > low
    if not has_s.any():
        return concave_split(curves, weights, total, low, high)
    rough, step = grid_split(curves, weights, total, low, high)
    floor, ceiling = low.copy(), high.copy()
    within = -1
    for row in np.flatnonzero(has_s):
        if rough[row] <= low[row] + step / 2:
            ceiling[row] = low[row]
        elif rough[row] >= bends[row] - step:
            floor[row] = min(bends[row], high[row])
        else:
            within = int(row)
    if not floor.sum() - (floor[within] if within >= 0 else 0.0) <= total <= high.sum():
        return rough

    def solved(spend: float) -> Array:
        fixed_floor, fixed_ceiling = floor.copy(), ceiling.copy()
        fixed_floor[within] = fixed_ceiling[within] = spend
        return concave_split(curves, weights, total, fixed_floor, fixed_ceiling)

    if within < 0:
        found = (
            concave_split(curves, weights, total, floor, ceiling) if ceiling.sum() >= total >= floor.sum() else rough
        )
    else:
        others = ceiling.sum() - ceiling[within], floor.sum() - floor[within]
        from_ = max(low[within], rough[within] - 2 * step, total - others[0])
        to = min(high[within], rough[within] + 2 * step, total - others[1])
        if from_ > to:
            return rough
        found = solved(highest(lambda spend: worth(curves, weights, solved(spend)), from_, to))
    return found if worth(curves, weights, found) >= worth(curves, weights, rough) else rough


def worth(curves: Sequence[ResponseCurve], weights: Array, spend: Array) -> float:
    """Weighted sum of the results of a split."""
    return math.fsum(w * float(curve.response(x)) for curve, w, x in zip(curves, weights, spend, strict=True))


def concave_split(curves: Sequence[ResponseCurve], weights: Array, total: float, low: Array, high: Array) -> Array:
    """Return the split at which marginal returns are equal, where every curve is concave between its bounds."""
    slack = total - low.sum()
    if slack <= 0 or not (high > low).any():
        return low.copy()
    if total >= high.sum():
        return high.copy()
    at_most = low + slack / (2 * len(low))  # at the marginal return here, no channel takes more than this
    open_ = high > low
    top = max(marginals(curves, weights, np.where(open_, at_most, low))[open_])
    bottom = min(marginals(curves, weights, high)[open_])
    above, below = math.log(max(top, 1e-300)), math.log(max(bottom, 1e-300))
    for _ in range(BISECTIONS):
        middle = 0.5 * (above + below)
        if middle in (above, below):
            break
        if spend_at(curves, weights, math.exp(middle), low, high).sum() > total:
            below = middle
        else:
            above = middle
    spend = spend_at(curves, weights, math.exp(above), low, high)
    # what bisection leaves over is below the last digits; it goes where there is room
    rest = total - spend.sum()
    room = np.where((spend < high) & (spend > low), 1.0, 0.0)
    if not room.any():
        room = (high - spend > 0).astype(float)
    return np.asarray(np.clip(spend + rest * room / max(room.sum(), 1.0), low, high))


def marginals(curves: Sequence[ResponseCurve], weights: Array, spend: Array) -> Array:
    """Worth of the next unit spent in each channel, shape (n,)."""
    each = [float(curve.marginal(x)) for curve, x in zip(curves, spend, strict=True)]
    return np.asarray(weights * np.array(each))


def spend_at(curves: Sequence[ResponseCurve], weights: Array, marginal: float, low: Array, high: Array) -> Array:
    """Spend of each channel at which its next unit is worth `marginal`, within its bounds."""
    wanted = [
        SHAPES[curve.shape].spend_at(curve.params, marginal / weight)
        for curve, weight in zip(curves, weights, strict=True)
    ]
    return np.asarray(np.clip(np.array(wanted), low, high))


def grid_split(
    curves: Sequence[ResponseCurve], weights: Array, total: float, low: Array, high: Array
) -> tuple[Array, float]:
    """Return the best split on a grid of spends, for curves of any form, and the step of the grid.

    The best worth of the first channels for each sum is built up channel by channel (dynamic programming).
    """
    step = (total - float(low.sum())) / GRID_STEPS
    grid = np.arange(GRID_STEPS + 1)
    best = np.zeros(GRID_STEPS + 1)
    choices = []
    for curve, weight, lowest, highest_ in zip(curves, weights, low, high, strict=True):
        own = weight * curve.response(lowest + step * grid)
        own[step * grid > highest_ - lowest + 1e-9 * step] = -np.inf
        padded = np.concatenate([np.full(GRID_STEPS, -np.inf), best])
        windows = np.lib.stride_tricks.sliding_window_view(padded, GRID_STEPS + 1)[:, ::-1]
        sums = windows + own  # row: sum spent so far; column: steps spent on this channel
        choice = np.argmax(sums, axis=1)
        best = sums[grid, choice]
        choices.append(choice)
    spend, left = low.copy(), int(np.argmax(best))
    for row in range(len(low) - 1, -1, -1):
        steps = int(choices[row][left])
        spend[row] += step * steps
        left -= steps
    spend = np.clip(spend, low, high)  # sums of steps are off by their last digits
    rest = max(total - float(spend.sum()), 0.0)  # less than a step, where an upper bound lies between grid points
    for row in range(len(low)):
        added = min(rest, high[row] - spend[row])
        spend[row] += added
        rest -= added
    return spend, step


def highest(function: Callable[[float], float], from_: float, to: float) -> float:
    """Return where a function of one number is highest in an interval in which it has one peak (golden section)."""
    left, right = to - GOLDEN * (to - from_), from_ + GOLDEN * (to - from_)
    at_left, at_right = function(left), function(right)
    for _ in range(GOLDEN_STEPS):
        if at_left >= at_right:
            to, right, at_right = right, left, at_left
            left = to - GOLDEN * (to - from_)
            at_left = function(left)
        else:
            from_, left, at_left = left, right, at_right
            right = from_ + GOLDEN * (to - from_)
            at_right = function(right)
    return 0.5 * (from_ + to)
