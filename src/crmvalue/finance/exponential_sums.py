"""All real zeros of a sum of exponentials, the present value of a cash flow as a function of the log of growth.

``f(s) = sum(amount * exp(-s * time))`` has at most as many real zeros as its amounts have changes of sign (Descartes;
Laguerre for real exponents). The proof is also the method. Let theta lie between two times where the sign changes:
``exp(s * theta) * f(s)`` has the zeros of f, and its derivative is a sum of exponentials with one change less. Between
two zeros of the derivative there is at most one zero of f, and the signs there tell whether there is one. So the zeros
are found from the sum with one change of sign upwards, and none can be missed but for rounding: two zeros closer than
about 1e-7 count as one.

References
----------
Jameson (2006) "Counting zeros of generalised polynomials: Descartes' rule of signs and Laguerre's extensions",
The Mathematical Gazette 90(518).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import Array, BoolArray, IntArray
from crmvalue.finance.bracketing import bracketed_roots

ROUNDING = 4 * np.finfo(float).eps  # of one term, for each unit of its logarithm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExponentialSum:
    """The terms ``sign * exp(log_size - s * time)``, in order of time."""

    time: Array  # ascending, shape (n,)
    sign: Array  # -1 or 1, shape (n,)
    log_size: Array  # shape (n,)


def real_zeros(time: Array, amount: Array) -> Array:
    """Every real s at which ``sum(amount * exp(-s * time))`` is 0, ascending.

    The times ascend without equals, and no amount is 0. A zero at which the sum only touches 0 counts once.
    """
    sums = [ExponentialSum(time=time, sign=np.sign(amount), log_size=np.log(np.abs(amount)))]
    while len(sign_changes(sums[-1].sign)) > 1:
        sums.append(derived(sums[-1]))
    if not len(sign_changes(sums[0].sign)):
        return np.zeros(0)
    low, high = zero_bounds(sums[0])
    zeros = np.zeros(0)
    for one in reversed(sums):
        zeros = zeros_between(one, zeros, low, high)
    return zeros


def sign_changes(sign: Array) -> IntArray:
    """Places i at which the sign differs from that at i + 1."""
    return np.flatnonzero(sign[1:] != sign[:-1])


def derived(one: ExponentialSum) -> ExponentialSum:
    """Return the derivative of ``exp(s * theta) * f(s)``, with theta in the middle of the middle change of sign."""
    changes = sign_changes(one.sign)
    place = changes[len(changes) // 2]
    until = 0.5 * (one.time[place] + one.time[place + 1]) - one.time
    log_size = one.log_size + np.log(np.abs(until))
    return ExponentialSum(time=one.time, sign=one.sign * np.sign(until), log_size=log_size - log_size.max())


def zero_bounds(one: ExponentialSum) -> tuple[float, float]:
    """Bounds outside which the last or the first term outweighs all others together."""
    room = np.log(2.0 * len(one.time))
    first = (one.log_size[1:] - one.log_size[0] + room) / (one.time[1:] - one.time[0])
    last = (one.log_size[:-1] - one.log_size[-1] + room) / (one.time[:-1] - one.time[-1])
    return float(last.min()), float(first.max())


def values_at(one: ExponentialSum, s: Array) -> tuple[Array, Array]:
    """Return the sum at each s, as a share of the sum of its absolute terms, and what of it may be rounding."""
    logs = one.log_size - s[:, None] * one.time
    terms = np.exp(logs - logs.max(axis=1, keepdims=True))
    value = (terms @ one.sign) / terms.sum(axis=1)
    return value, ROUNDING * (8 + np.abs(logs).max(axis=1))


def zeros_between(one: ExponentialSum, turns: Array, low: float, high: float) -> Array:
    """Return the zeros in [low, high], given all the places between at which the derived sum is 0."""
    points = np.concatenate([[low], turns[(turns > low) & (turns < high)], [high]])
    value, rounding = values_at(one, points)
    is_zero = np.abs(value) <= rounding
    sides = np.where(is_zero, 0, np.sign(value))
    left = np.flatnonzero(sides[:-1] * sides[1:] < 0)
    crossed = np.zeros(0)
    if left.size:
        crossed = bracketed_roots(lambda s: values_at(one, s)[0], points[left], points[left + 1])
    return np.sort(np.concatenate([crossed, merged(one, points, is_zero)]))


def merged(one: ExponentialSum, points: Array, is_zero: BoolArray) -> Array:
    """Return the points at which the sum is 0, neighbours once if it is also 0 half-way between them."""
    zeros = points[is_zero]
    if len(zeros) < 2:
        return zeros
    value, rounding = values_at(one, 0.5 * (zeros[1:] + zeros[:-1]))
    group = np.concatenate([[0], np.cumsum(np.abs(value) > rounding)])
    middles: Array = np.bincount(group, weights=zeros) / np.bincount(group)
    return middles
