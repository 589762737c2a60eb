"""Sums of survival over all coming periods, however heavy the tail: exact rules for sums, then an integral.

The chance to stay falls like a power of time. A sum that is cut at 100 periods can miss most of the value, and some
sums are infinite. Here the first terms are added one by one; then blocks of growing length by Gauss rules for sums over
whole numbers; then an integral over log time until what is left is negligible or follows its power law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.special import log_rising_ratio
from crmvalue._core.types import Array, BoolArray, IntArray

FIRST = 64  # periods added one by one; a block after them is at most as long as the time before it
SUMMED = 65_536  # periods after which the sum and the integral differ by less than the last digit
NODES = 24  # of each Gauss rule
NEGLIGIBLE = 1e-17  # of the total
NEGLIGIBLE_LOG = 40.0  # by so much may one power outweigh another that does not matter any more
LARGEST = 300.0  # logarithm of the largest power of time that is counted with: its square is a number, too


class Rows(NamedTuple):
    """One row a sum: S(t) = B(γ, δ + t^c) / B(γ, δ), a customer of this tenure, interest a period, and the end.

    With γ infinite all customers are alike: S(t) = exp(−δ t^c).
    """

    gamma: Array
    delta: Array
    c: Array
    tenure: Array
    interest: Array  # log(1 + rate) a period
    stop: Array  # periods that count; may be infinite


def discounted_periods(
    gamma: float | Array,
    delta: float | Array,
    c: float | Array,
    tenure: float | Array,
    rate: float | Array = 0.0,
    stop: float | Array = np.inf,
) -> Array:
    """Sum of (1 + rate)^−k S(tenure + k) / S(tenure) over the whole k from 0 to below `stop`; infinity if it diverges.

    A rate of at least 0. At rate 0 this is the expected number of periods that remain, the current one included.
    """
    given = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (gamma, delta, c, tenure, np.log1p(rate), stop))
    )
    rows = Rows(*(value.ravel() for value in given))
    with np.errstate(over="ignore"):  # a sum beyond the largest number is infinite as well
        first = np.arange(min(FIRST, int(np.max(np.minimum(rows.stop, FIRST), initial=0))), dtype=float)
        terms = np.exp(log_term(rows, first))
        total = np.sum(np.where(first < rows.stop[:, None], terms, 0.0), axis=1)
        diverges = (rows.interest == 0) & (rows.gamma * rows.c <= 1) & np.isinf(rows.stop)
        total[diverges] = np.inf
        place = np.flatnonzero((rows.stop > FIRST) & ~diverges)
        total[place] += later_periods(Rows(*(value[place] for value in rows)), total[place])
    return np.asarray(total.reshape(given[0].shape))


def later_periods(rows: Rows, total: Array) -> Array:
    """Sum from the period FIRST on; `total` is the sum before, to tell what is negligible."""
    more, begin = np.zeros(total.shape), float(FIRST)
    going = np.flatnonzero(~is_negligible(rows, begin, total))
    while going.size and begin < SUMMED:
        part = Rows(*(value[going] for value in rows))
        smooth = 2 * (part.tenure + begin) / bend_of(part, np.log(part.tenure + begin))
        length = float(np.floor(min(begin, smooth.min()))) or 1.0
        last = part.stop < begin + length
        for stop in np.unique(np.where(last, part.stop, begin + length)):
            ends = np.flatnonzero(np.where(last, part.stop, begin + length) == stop)
            nodes, weights = sum_rule(int(np.ceil(stop - begin)))
            more[going[ends]] += np.exp(log_term(Rows(*(value[ends] for value in part)), begin + nodes)) @ weights
        begin += length
        done = last | is_negligible(part, begin, (total + more)[going])
        going = going[~done]
    part = Rows(*(value[going] for value in rows))
    more[going] += tail(part, begin, (total + more)[going])
    return more


def log_term(rows: Rows, k: Array) -> Array:
    """Logarithm of the discounted chance to be there k periods on, for each row and each k."""
    gamma, delta, c, tenure, interest = (value[:, None] for value in rows[:5])
    with np.errstate(divide="ignore"):
        times = c * np.log(tenure), c * np.log(tenure + k)
    step = np.where(tenure > 0, c * np.log1p(k / np.maximum(tenure, 1)), np.inf)
    return -hazard_between(gamma, delta, *times, step) - interest * k


def hazard_between(gamma: float | Array, delta: float | Array, start: Array, stop: Array, step: Array) -> Array:
    """Return log S(t) / S(u), given the logarithms of t^c and of u^c > t^c, and the step between these.

    Powers of time beyond the largest number are held there: S follows its power law by then.
    """
    alike = np.isinf(gamma)
    past, end = np.exp(np.minimum(start, LARGEST)), np.exp(np.minimum(stop, LARGEST))
    # u^c − t^c without a difference of large powers
    rise = np.where((stop < LARGEST) & (step < 1), past * np.expm1(np.minimum(step, 1.0)), end - past)
    beyond = np.where(start < LARGEST, np.maximum(stop - LARGEST, 0.0), step)
    own, theirs = np.where(alike, 1.0, gamma), np.where(alike, 1.0, delta + past)
    differ = log_rising_ratio(theirs, own, rise) + own * beyond
    return np.where(alike, delta * np.where(beyond > 0, np.inf, rise), differ)


def bend_of(rows: Rows, log_time: Array) -> Array:
    """Return how quickly the terms bend with log time: the power c, until they follow their own power law, c·γ."""
    gamma = np.where(np.isinf(rows.gamma), 0.0, rows.gamma)
    settled = (rows.c * log_time > np.log(rows.delta + gamma) + NEGLIGIBLE_LOG) & (gamma > 0)
    return np.maximum(np.where(settled, rows.c * gamma, rows.c), 2.0)


def least_decay(rows: Rows, log_time: Array) -> Array:
    """Lower bound of the rate at which a term falls with log time; it rises with time.

    ψ(z + γ) − ψ(z) > log(1 + γ/z), for ψ'(z) > 1/z.
    """
    passed = np.exp(np.minimum(rows.c * log_time, LARGEST))
    with np.errstate(divide="ignore"):
        owed = np.exp(log_time + np.log(rows.interest))
    alike = np.isinf(rows.gamma)
    small = np.where(alike, 1.0, rows.gamma) / np.where(alike, 1.0, rows.delta + passed)
    hazard = np.where(alike, rows.delta, np.log1p(small))
    return np.asarray(rows.c * passed * hazard + owed)


def is_negligible(rows: Rows, begin: float, total: Array) -> BoolArray:
    """Whether the terms from `begin` on do not reach the last digit of the total: they fall faster than a power."""
    log_time = np.log(rows.tenure + begin)
    excess = least_decay(rows, log_time) - 1
    term = np.exp(log_term(rows, np.array([begin]))[:, 0])
    bound = term * (1 + np.exp(log_time) / np.maximum(excess, 1e-300))
    return np.asarray(((excess > 0) & (bound < NEGLIGIBLE * total)) | (term == 0))


def sum_rule(length: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule for sums over 0, 1, ..., length − 1: exact for polynomials up to 2·NODES − 1.

    From the recurrence of the discrete Chebyshev polynomials; with as many nodes as terms it is the sum itself.
    """
    if length <= NODES:
        return np.arange(length, dtype=float), np.ones(length)
    n = np.arange(1, NODES)
    beside = 0.5 * n * np.sqrt((float(length) ** 2 - n**2) / (4 * n**2 - 1))
    nodes, vectors = np.linalg.eigh(np.diag(beside, 1) + np.diag(beside, -1))
    return nodes + 0.5 * (length - 1), length * vectors[0] ** 2


def tail(rows: Rows, begin: float, total: Array) -> Array:
    """Sum from the period `begin` on as an integral over log time, corrected at its ends."""
    log_time = np.log(rows.tenure + begin)
    log_end = np.log(rows.tenure + rows.stop)
    more = half_term(rows, log_time)
    points, weights = np.polynomial.legendre.leggauss(NODES)
    going = np.arange(len(total))
    while going.size:
        part = Rows(*(value[going] for value in rows))
        now = log_time[going]
        decay = least_decay(part, now)
        width = np.minimum.reduce([2 / bend_of(part, now), 2 / (1 + decay), log_end[going] - now])
        at = now[:, None] + 0.5 * width[:, None] * (points + 1)
        more[going] += 0.5 * width * (np.exp(log_density(part, at)) @ weights)
        now = now + width
        log_time[going] = now
        going = going[~is_finished(part, now, log_end[going], going, total, more)]
    return more


def is_finished(rows: Rows, log_time: Array, log_end: Array, place: IntArray, total: Array, more: Array) -> BoolArray:
    """Whether nothing is left; what follows its power law is added to `more` in closed form."""
    density = np.exp(log_density(rows, log_time[:, None])[:, 0])
    decay = least_decay(rows, log_time)
    power = rows.c * rows.gamma
    ended = log_time >= log_end
    small = (decay > 1) & (density < NEGLIGIBLE * (total + more)[place] * (decay - 1))
    by_power = ~ended & ~small & (rows.interest == 0) & np.isinf(log_end) & (decay > power * (1 - 1e-14))
    more[place[by_power]] += density[by_power] / (power[by_power] - 1)
    if ended.any():
        more[place[ended]] -= half_term(Rows(*(value[ended] for value in rows)), log_time[ended])
    return np.asarray(ended | small | by_power | ~np.isfinite(more[place]))


def half_term(rows: Rows, log_time: Array) -> Array:
    """Return what a sum from this time on has more than the integral: g/2 − g'/12 of Euler and Maclaurin."""
    term = np.exp(log_density(rows, log_time[:, None])[:, 0] - log_time)
    return np.asarray(term * (0.5 + least_decay(rows, log_time) / (12 * np.exp(log_time))))


def log_density(rows: Rows, log_time: Array) -> Array:
    """Logarithm of a term times the time: what is integrated over log time."""
    gamma, delta, c, tenure, interest = (value[:, None] for value in rows[:5])
    with np.errstate(divide="ignore"):
        owed = np.exp(log_time + np.log(interest)) - interest * tenure
        start = np.log(tenure)
    return log_time - hazard_between(gamma, delta, c * start, c * log_time, c * (log_time - start)) - owed
