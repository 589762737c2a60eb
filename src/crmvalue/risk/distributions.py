"""Distributions of uncertain inputs: each is a record of how to draw from it and of its quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.special import beta_quantile, ndtr
from crmvalue._core.types import Array
from crmvalue.errors import InputError

TABLE_STEPS = 512  # entries of a quantile table per standard deviation of the normal score
TABLE_END = 8.5  # normal scores beyond which a double holds no probability


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distribution:
    """How an uncertain input varies."""

    name: str  # of the family
    parameters: Mapping[str, float]  # by name, as they were passed; read-only
    mean: float  # in the unit of the input
    draw: Callable[[np.random.Generator, int], Array]  # a number of independent draws, shape (n,)
    from_score: Callable[[Array], Array]  # draws from standard normal scores, in the same order, shape (n,)

    def __repr__(self) -> str:
        """Return the call that makes this distribution."""
        return f"{self.name}({', '.join(f'{name}={value:g}' for name, value in self.parameters.items())})"


def triangular(low: float, mode: float, high: float) -> Distribution:
    """Distribution whose density rises straight from the lowest to the likeliest value and falls to the highest.

    Parameters
    ----------
    low, mode, high : float
        Lowest, likeliest and highest value; ``low <= mode <= high``.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If the three are not finite and in order.

    Examples
    --------
    >>> triangular(0, 3, 6).mean
    3.0
    """
    a, c, b = require_order(low, mode, high)
    width = b - a
    turn = (c - a) / width if width else 0.0  # probability below the mode

    def from_score(score: Array) -> Array:
        share = ndtr(score)
        rising = a + np.sqrt(share * width * (c - a))
        return np.where(share < turn, rising, b - np.sqrt((1 - share) * width * (b - c)))

    def draw(rng: np.random.Generator, n: int) -> Array:
        return rng.triangular(a, c, b, n) if width else np.full(n, a)

    given = {"low": a, "mode": c, "high": b}
    return record("triangular", given, (a + b + c) / 3, draw, from_score)


def pert(low: float, mode: float, high: float, *, weight: float = 4.0) -> Distribution:
    """Smooth distribution between a lowest and a highest value, as in project planning.

    Parameters
    ----------
    low, mode, high : float
        Lowest, likeliest and highest value; ``low <= mode <= high``.
    weight : float
        How much the likeliest value weighs in the mean, above 0; 4 is the classic choice.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If the three are not finite and in order, or `weight` is not above 0.

    Notes
    -----
    A Beta distribution on (low, high) with ``a = 1 + weight * (mode - low) / (high - low)`` and ``b = 2 + weight - a``;
    its mean is ``(low + weight * mode + high) / (weight + 2)``.

    References
    ----------
    Malcolm, Roseboom, Clark & Fazar (1959) "Application of a technique for research and development program
    evaluation", Operations Research 7(5). https://doi.org/10.1287/opre.7.5.646

    Examples
    --------
    >>> pert(1, 2, 9).mean
    3.0
    """
    first, likeliest, last = require_order(low, mode, high)
    heavy = require_number("weight", weight, above=0)
    width = last - first
    a = 1 + heavy * ((likeliest - first) / width if width else 0.5)
    given = {"low": first, "mode": likeliest, "high": last, "weight": heavy}
    return scaled_beta("pert", given, (a, 2 + heavy - a), (first, width))


def beta(a: float, b: float, *, low: float = 0.0, high: float = 1.0) -> Distribution:
    """Beta distribution, such as of a share, between a lowest and a highest value.

    Parameters
    ----------
    a, b : float
        Shapes, above 0; after s successes in n trials, for example, ``a = 1 + s`` and ``b = 1 + n - s``.
    low, high : float
        Lowest and highest value.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If a shape is not above 0, or `high` is below `low`.

    Examples
    --------
    >>> beta(3, 1).mean
    0.75
    """
    shapes = (require_number("a", a, above=0), require_number("b", b, above=0))
    first, _, last = require_order(low, low, high)
    given = {"a": shapes[0], "b": shapes[1], "low": first, "high": last}
    return scaled_beta("beta", given, shapes, (first, last - first))


def normal(mean: float, sd: float) -> Distribution:
    """Return the normal distribution.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation, at least 0.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If a parameter is not finite or `sd` is negative.

    Examples
    --------
    >>> normal(10, 2)
    normal(mean=10, sd=2)
    """
    centre, spread = require_number("mean", mean), require_number("sd", sd, at_least=0)
    return record(
        "normal",
        {"mean": centre, "sd": spread},
        centre,
        lambda rng, n: rng.normal(centre, spread, n),
        lambda score: centre + spread * score,
    )


def lognormal(median: float, spread: float) -> Distribution:
    """Distribution of a positive value that varies by a factor rather than by an amount.

    Parameters
    ----------
    median : float
        Value that half of the draws exceed, above 0.
    spread : float
        Standard deviation of the logarithm, at least 0; two thirds of the draws are within a factor ``exp(spread)``.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If `median` is not above 0 or `spread` is negative.

    Examples
    --------
    >>> lognormal(100, 0).mean
    100.0
    """
    middle, sigma = require_number("median", median, above=0), require_number("spread", spread, at_least=0)
    log_middle = math.log(middle)
    return record(
        "lognormal",
        {"median": middle, "spread": sigma},
        middle * math.exp(0.5 * sigma**2),
        lambda rng, n: rng.lognormal(log_middle, sigma, n),
        lambda score: np.exp(log_middle + sigma * score),
    )


def uniform(low: float, high: float) -> Distribution:
    """Distribution in which every value between two bounds is as likely.

    Parameters
    ----------
    low, high : float
        Lowest and highest value.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If a bound is not finite or `high` is below `low`.

    Examples
    --------
    >>> uniform(2, 4).mean
    3.0
    """
    first, _, last = require_order(low, low, high)
    return record(
        "uniform",
        {"low": first, "high": last},
        (first + last) / 2,
        lambda rng, n: rng.uniform(first, last, n),
        lambda score: first + (last - first) * ndtr(score),
    )


def empirical(values: ArrayLike) -> Distribution:
    """Distribution of values that were observed: each is drawn as often as the others.

    Parameters
    ----------
    values : array_like, shape (n,)
        Observed values, at least one.

    Returns
    -------
    Distribution
        For `simulate_roi`.

    Raises
    ------
    InputError
        If there is no value, or one is missing or infinite.

    Examples
    --------
    >>> empirical([1.0, 2.0, 6.0]).mean
    3.0
    """
    try:
        seen = np.sort(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise InputError("values: got something else than numbers. Convert them to numbers first.") from None
    if seen.ndim != 1 or not seen.size:
        raise InputError(f"values: got an array of shape {seen.shape}. Pass at least one observed value.")
    require_rows(np.isfinite(np.asarray(values, dtype=float)), "values", "missing or infinite", "Drop these values.")
    n_seen = len(seen)
    return record(
        "empirical",
        {"n": float(n_seen)},
        float(seen.mean()),
        lambda rng, n: seen[rng.integers(0, n_seen, n)],
        lambda score: seen[np.minimum((ndtr(score) * n_seen).astype(np.int64), n_seen - 1)],
    )


def scaled_beta(
    name: str, given: dict[str, float], shapes: tuple[float, float], place: tuple[float, float]
) -> Distribution:
    """Beta distribution with these shapes, from place[0] on over a width of place[1]."""
    (a, b), (low, width) = shapes, place

    def from_score(score: Array) -> Array:
        table = beta_table(a, b)
        place = np.clip((score + TABLE_END) * TABLE_STEPS, 0, len(table) - 1.000001)
        cell = place.astype(np.int64)
        below = table[cell]
        return np.asarray(low + width * (below + (place - cell) * (table[cell + 1] - below)))

    mean = low + width * a / (a + b)
    return record(name, given, mean, lambda rng, n: low + width * rng.beta(a, b, n), from_score)


@lru_cache(maxsize=64)
def beta_table(a: float, b: float) -> Array:
    """Quantiles of a Beta distribution over evenly spaced normal scores; read-only.

    The quantile function is slow: reading between the lines of this table is exact to about 1e-6 of the width.
    """
    scores = np.linspace(-TABLE_END, TABLE_END, round(2 * TABLE_END * TABLE_STEPS) + 1)
    table: Array = beta_quantile(a, b, ndtr(scores))
    table.flags.writeable = False
    return table


def record(
    name: str,
    parameters: dict[str, float],
    mean: float,
    draw: Callable[[np.random.Generator, int], Array],
    from_score: Callable[[Array], Array],
) -> Distribution:
    """Return the record of a distribution."""
    return Distribution(name=name, parameters=MappingProxyType(parameters), mean=mean, draw=draw, from_score=from_score)


def require_order(low: float, mode: float, high: float) -> tuple[float, float, float]:
    """Return the three numbers, or raise InputError unless they are finite and in order."""
    a, c, b = require_number("low", low), require_number("mode", mode), require_number("high", high)
    if a > b:
        raise InputError(f"low: got {a:g}, above high, {b:g}. Swap them.")
    if not a <= c <= b:
        raise InputError(f"mode: got {c:g}, not between low, {a:g}, and high, {b:g}. Pass the likeliest value.")
    return a, c, b
