"""Response curves: what a channel brings for what is spent on it, with less for each further unit.

A shape is a record of functions. Its parameters are fitted on a scale without bounds: logarithms, or the logit of an
exponent that lies between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.show import result_html, result_text
from crmvalue._core.special import expit
from crmvalue._core.types import Array
from crmvalue.errors import InputError

Curve: TypeAlias = Literal["power", "hill", "exponential", "logarithmic"]
Params: TypeAlias = tuple[float, ...]

NEWTON_STEPS = 60  # quadratic from the first step on; this many only for marginal returns near their peak


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A family of curves: names and links of its parameters, and its functions of them and the spend."""

    names: tuple[str, ...]  # of the parameters; the first one is the scale of the result
    links: tuple[Literal["log", "logit"], ...]  # scale without bounds of each
    response: Callable[[Params, Array], Array]  # result of the spend
    marginal: Callable[[Params, Array], Array]  # result of the next unit spent
    slopes: Callable[[Params, Array], Array]  # of the response by the parameters on their free scale, (p, n)
    spend_at: Callable[[Params, float], float]  # spend in the concave part whose marginal return is the one given


def power_response(params: Params, x: Array) -> Array:
    """Return a x^b."""
    a, b = params
    return np.asarray(a * x**b)


def power_marginal(params: Params, x: Array) -> Array:
    """Return a b x^(b - 1); infinite at 0."""
    a, b = params
    with np.errstate(divide="ignore"):
        return np.asarray(a * b * x ** (b - 1))


def power_slopes(params: Params, x: Array) -> Array:
    """By log a and logit b."""
    f = power_response(params, x)
    return np.stack([f, f * np.log(np.where(x > 0, x, 1.0)) * params[1] * (1 - params[1])])


def power_spend_at(params: Params, marginal: float) -> float:
    """Inverse of the marginal return."""
    a, b = params
    return math.exp(min((math.log(marginal) - math.log(a * b)) / (b - 1), 700.0))


def exponential_response(params: Params, x: Array) -> Array:
    """Return a (1 - exp(-x / k))."""
    a, k = params
    return np.asarray(-a * np.expm1(-x / k))


def exponential_marginal(params: Params, x: Array) -> Array:
    """Return (a / k) exp(-x / k)."""
    a, k = params
    return np.asarray(a / k * np.exp(-x / k))


def exponential_slopes(params: Params, x: Array) -> Array:
    """By log a and log k."""
    return np.stack([exponential_response(params, x), -x * exponential_marginal(params, x)])


def exponential_spend_at(params: Params, marginal: float) -> float:
    """Inverse of the marginal return."""
    a, k = params
    return -k * math.log(marginal * k / a)


def logarithmic_response(params: Params, x: Array) -> Array:
    """Return a log(1 + x / k)."""
    a, k = params
    return np.asarray(a * np.log1p(x / k))


def logarithmic_marginal(params: Params, x: Array) -> Array:
    """Return a / (k + x)."""
    a, k = params
    return np.asarray(a / (k + x))


def logarithmic_slopes(params: Params, x: Array) -> Array:
    """By log a and log k."""
    return np.stack([logarithmic_response(params, x), -x * logarithmic_marginal(params, x)])


def logarithmic_spend_at(params: Params, marginal: float) -> float:
    """Inverse of the marginal return."""
    a, k = params
    return a / marginal - k


def hill_share(params: Params, x: Array) -> Array:
    """x^s / (k^s + x^s)."""
    _, k, s = params
    with np.errstate(divide="ignore"):
        return np.asarray(expit(s * (np.log(x) - math.log(k))))


def hill_response(params: Params, x: Array) -> Array:
    """Return a x^s / (k^s + x^s)."""
    return params[0] * hill_share(params, x)


def hill_marginal(params: Params, x: Array) -> Array:
    """Return a s r (1 - r) / x, with r the share of a that is reached; at 0 its limit."""
    a, k, s = params
    r = hill_share(params, x)
    at_zero = math.inf if s < 1 else a / k if s == 1 else 0.0
    return np.asarray(np.where(x > 0, a * s * r * (1 - r) / np.where(x > 0, x, 1.0), at_zero))


def hill_slopes(params: Params, x: Array) -> Array:
    """By log a, log k and log s."""
    a, k, s = params
    r = hill_share(params, x)
    steep = a * s * r * (1 - r)
    return np.stack([a * r, -steep, steep * (np.log(np.where(x > 0, x, k)) - math.log(k))])


def hill_spend_at(params: Params, marginal: float) -> float:
    """Inverse of the marginal return beyond the inflection; 0 if no spend has so high a return.

    With u = s log(x / k) the log of the marginal is concave in u, and Newton's steps come down to the root from the
    right.
    """
    a, k, s = params
    target = math.log(marginal) - math.log(a * s / k)
    u = -target / (1 + 1 / s)
    for _ in range(NEWTON_STEPS):
        r = 1 / (1 + math.exp(-u)) if u > -700 else 0.0
        slope = 1 - 2 * r - 1 / s
        if slope >= 0:
            return 0.0
        log_r = -math.log1p(math.exp(-u)) if u > -30 else u
        step = (2 * log_r - u - u / s - target) / slope  # log (1 - r) is log r - u
        u -= step
        if abs(step) < 1e-13 * max(1.0, abs(u)):
            break
    return k * math.exp(min(u / s, 700.0))


SHAPES: dict[Curve, Shape] = {
    "power": Shape(
        names=("a", "b"),
        links=("log", "logit"),
        response=power_response,
        marginal=power_marginal,
        slopes=power_slopes,
        spend_at=power_spend_at,
    ),
    "hill": Shape(
        names=("a", "k", "s"),
        links=("log", "log", "log"),
        response=hill_response,
        marginal=hill_marginal,
        slopes=hill_slopes,
        spend_at=hill_spend_at,
    ),
    "exponential": Shape(
        names=("a", "k"),
        links=("log", "log"),
        response=exponential_response,
        marginal=exponential_marginal,
        slopes=exponential_slopes,
        spend_at=exponential_spend_at,
    ),
    "logarithmic": Shape(
        names=("a", "k"),
        links=("log", "log"),
        response=logarithmic_response,
        marginal=logarithmic_marginal,
        slopes=logarithmic_slopes,
        spend_at=logarithmic_spend_at,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResponseCurve:
    """What one channel brings for what is spent on it in a period: fitted, or given by its shape and parameters.

    power: a x^b; hill: a x^s / (k^s + x^s); exponential: a (1 - exp(-x / k)); logarithmic: a log(1 + x / k).
    """

    channel: str
    shape: Curve
    params: Params  # in the order of the formula above; all above 0, and b below 1
    baseline: float = 0.0  # result without any spend
    covariance: Array = field(default_factory=lambda: np.zeros((0, 0)))  # of log params (of b: logit); empty if given
    spend_low: float = math.nan  # least spend that was seen
    spend_high: float = math.nan  # highest spend that was seen
    n: int = 0  # periods seen
    residual_sd: float = math.nan  # of the result around the curve
    r_squared: float = math.nan  # share of the variance of the result that the curve explains

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def __post_init__(self) -> None:
        """Refuse parameters that make no such curve."""
        require_option("shape", self.shape, SHAPES)
        names = SHAPES[self.shape].names
        params = tuple(float(value) for value in self.params)
        good = len(params) == len(names) and all(math.isfinite(value) and value > 0 for value in params)
        if not good or (self.shape == "power" and params[1] >= 1):
            below = ", b below 1" if self.shape == "power" else ""
            raise InputError(
                f"params: got {self.params} for {self.shape!r}. Pass {', '.join(names)}, each above 0{below}."
            )

    def response(self, spend: Array | float) -> Array:
        """Return what the spend brings, above the baseline."""
        return SHAPES[self.shape].response(self.params, np.asarray(spend, dtype=float))

    def marginal(self, spend: Array | float) -> Array:
        """Return what the next unit spent brings."""
        return SHAPES[self.shape].marginal(self.params, np.asarray(spend, dtype=float))

    @property
    def inflection(self) -> float:
        """Spend from which on each further unit brings less; 0 if it does from the start."""
        if self.shape != "hill" or self.params[2] <= 1:
            return 0.0
        _, k, s = self.params
        return float(k * ((s - 1) / (s + 1)) ** (1 / s))


def to_free(shape: Curve, params: Params) -> Array:
    """Return the parameters on their scale without bounds."""
    links = SHAPES[shape].links
    return np.array(
        [
            math.log(value / (1 - value)) if link == "logit" else math.log(value)
            for value, link in zip(params, links, strict=True)
        ]
    )


def from_free(shape: Curve, free: Array) -> Params:
    """Return the parameters from their scale without bounds."""
    links = SHAPES[shape].links
    return tuple(
        1 / (1 + math.exp(-value)) if link == "logit" else math.exp(value)
        for value, link in zip(free.tolist(), links, strict=True)
    )
