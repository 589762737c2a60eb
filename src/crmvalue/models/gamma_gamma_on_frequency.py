"""Gamma-Gamma for spend that depends on how often she buys: its scale is a power of the number of purchases.

As in Gamma-Gamma [1]_ a purchase is Gamma(p, ν) and ν ~ Gamma(q, v) among customers, but v is multiplied by
`per_doubling` for each doubling of the purchases, the first one included: v (1 + x)^η with η = log2(per_doubling). The
mean spend of customers with x repeat purchases, p v (1 + x)^η / (q − 1), then rises or falls as well. At `per_doubling`
1 it is Gamma-Gamma.

.. [1] Fader & Hardie (2013) "The Gamma-Gamma model of monetary value", note 025 at brucehardie.com.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.types import Array, IntArray
from crmvalue.models import gamma_gamma
from crmvalue.models.model import Process, SpendModel


class Params(NamedTuple):
    """Parameters, the first three as in the note (v is its γ)."""

    p: float  # shape of one purchase
    q: float  # shape of the scale among customers
    v: float  # scale of the scale among customers who bought once, in currency
    per_doubling: float  # factor on mean spend for each doubling of the purchases


def with_frequency(params: Params, frequency: Array) -> gamma_gamma.Params:
    """Return the parameters of Gamma-Gamma for customers with so many repeat purchases."""
    p, q, v, per_doubling = params
    return gamma_gamma.Params(p, q, v * (1 + frequency) ** np.log2(per_doubling))


def log_likelihood(params: Params, frequency: Array, monetary_value: Array) -> Array:
    """Log-likelihood of the mean of each customer's repeat purchases."""
    return gamma_gamma.log_likelihood(with_frequency(params, frequency), frequency, monetary_value)


def derivatives(params: Params, frequency: Array, monetary_value: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in p, q, v and per_doubling."""
    _, _, v, factor = params
    inner = gamma_gamma.derivatives(with_frequency(params, frequency), frequency, monetary_value)
    doublings = np.log2(1 + np.asarray(frequency, dtype=float))
    power = factor**doublings
    by_v, by_factor = power, v * power * doublings / factor  # of the scale v·power
    shapes = inner.gradient[:2]
    scale, bend = inner.gradient[2], inner.hessian[2, 2]
    gradient = np.stack([*shapes, scale * by_v, scale * by_factor])
    hessian = np.empty((4, *gradient.shape))
    hessian[:2, :2] = inner.hessian[:2, :2]
    hessian[:2, 2] = hessian[2, :2] = inner.hessian[:2, 2] * by_v
    hessian[:2, 3] = hessian[3, :2] = inner.hessian[:2, 2] * by_factor
    hessian[2, 2] = bend * by_v**2
    hessian[2, 3] = hessian[3, 2] = bend * by_v * by_factor + scale * by_factor / v
    hessian[3, 3] = bend * by_factor**2 + scale * by_factor * (doublings - 1) / factor
    return Derivatives(value=inner.value, gradient=gradient, hessian=hessian)


def start(frequency: Array, monetary_value: Array, counts: IntArray) -> Params:
    """Start from Gamma-Gamma."""
    return Params(*gamma_gamma.start(frequency, monetary_value, counts), per_doubling=1.0)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    p, q, v, per_doubling = params
    if abs(np.log(per_doubling)) > 4:
        return "per_doubling grows or falls without end: too few different frequencies show how spend depends on them"
    return gamma_gamma.diagnosis(gamma_gamma.Params(p, q, v))


def mean_exists_above(params: Params) -> float:
    """Frequency above which a customer's expected spend exists: p·x + q > 1. Below 0 if the population mean exists."""
    p, q, _, _ = params
    return (1 - q) / p


def expected_spend(params: Params, frequency: Array, monetary_value: Array) -> Array:
    """Mean amount of a future purchase given the past ones; at frequency 0 the mean of those who bought once.

    Only arithmetic, so that it also runs on the columns of a lazy frame. With frequency 0, pass any finite
    monetary_value.
    """
    return gamma_gamma.expected_spend(with_frequency(params, frequency), frequency, monetary_value)


def simulate(params: Params, frequency: Array, rng: np.random.Generator) -> Array:
    """Draw the mean amount of `frequency` purchases of each customer; NaN at frequency 0."""
    x = np.asarray(frequency, dtype=float)
    return gamma_gamma.simulate(with_frequency(params, x), x, rng)


GAMMA_GAMMA_ON_FREQUENCY = SpendModel(
    name="GAMMA_GAMMA_ON_FREQUENCY",
    title="Gamma-Gamma on frequency",
    Params=Params,
    processes=(Process("spend", "v", 1),),
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    mean_exists_above=mean_exists_above,
    expected_spend=expected_spend,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_spend`."""
