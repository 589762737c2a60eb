"""Geometric: all customers are alike, and each leaves at a renewal with the same chance at any tenure.

She stays through t periods with chance exp(−λ t). It is the limit of sBG when customers do not differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.types import Array, IntArray
from crmvalue.models import discrete_weibull
from crmvalue.models.model import RetentionModel, Tenures


class Params(NamedTuple):
    """The parameter."""

    rate: float  # minus the logarithm of the chance to renew


def log_likelihood(params: Params, tenure: Array, churned: Array) -> Array:
    """Log-likelihood of each customer: she left in period `tenure`, or was still there after it."""
    (rate,) = params
    return np.asarray(
        -rate * np.subtract(tenure, churned) + churned * discrete_weibull.log_leaving_at(np.asarray(rate))
    )


def log_survival(params: Params, t: Array) -> Array:
    """Logarithm of the chance to stay through t periods."""
    (rate,) = params
    return np.asarray(-rate * np.asarray(t, dtype=float))


def log_leaving(params: Params, t: Array) -> Array:
    """Logarithm of the chance to leave in period t = 1, 2, ..."""
    return log_likelihood(params, t, np.ones_like(t, dtype=float))


def retention_rate(params: Params, t: Array) -> Array:
    """Share of those still there after period t − 1 who stay through period t: the same for every t."""
    (rate,) = params
    return np.asarray(np.exp(-rate) + 0.0 * np.asarray(t))


def residual_lifetime(params: Params, tenure: Array, rate: Array, stop: Array) -> Array:
    """Discounted periods that remain at any tenure, the present one included: a geometric sum."""
    (own,) = params
    step = own + np.log1p(rate)
    return np.asarray(np.expm1(-step * stop) / np.expm1(-step) + 0.0 * np.asarray(tenure))


def derivatives(params: Params, tenure: Array, churned: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivative in rate."""
    (rate,) = params
    odds = churned / np.expm1(rate)
    gradient = np.stack([odds - np.subtract(tenure, churned)])
    hessian = np.stack([np.stack([-odds / -np.expm1(-np.asarray(rate))])])
    return Derivatives(value=log_likelihood(params, tenure, churned), gradient=gradient, hessian=hessian)


def start(tenure: Array, churned: Array, counts: IntArray) -> Params:
    """Return the estimate itself: the share of all renewals that were made."""
    return Params(rate=discrete_weibull.mean_rate(tenure, churned, counts))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    return "The rate runs to its bound: all leave at the first renewal, or nobody does"


def limit(params: Params) -> RetentionModel | None:
    """Return no simpler model."""
    return None


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Tenures:
    """Draw customers whose contracts run for T periods; infinite T shows when each leaves."""
    (rate,) = params
    return discrete_weibull.simulate(discrete_weibull.Params(rate, 1.0), T, rng)


GEOMETRIC = RetentionModel(
    name="GEOMETRIC",
    title="geometric",
    Params=Params,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    log_survival=log_survival,
    log_leaving=log_leaving,
    retention_rate=retention_rate,
    residual_lifetime=residual_lifetime,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_retention`."""
