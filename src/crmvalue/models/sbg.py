"""sBG, shifted-beta-geometric: at the end of each contract period a customer leaves with her own chance [1]_, [2]_.

The chance θ to leave at a renewal is the same at each, and θ ~ Beta(α, β) among customers. Those likely to leave go
first, so the retention rate of a cohort rises although no customer changes.

.. [1] Fader & Hardie (2007) "How to project customer retention", Journal of Interactive Marketing 21(1), 76-90.
   https://doi.org/10.1002/dir.20074
.. [2] Fader & Hardie (2010) "Customer-base valuation in a contractual setting: the perils of ignoring heterogeneity",
   Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.polygammas import polygamma_change, polygamma_rise
from crmvalue._core.special import log_rising_ratio
from crmvalue._core.types import Array, IntArray
from crmvalue.models.geometric import GEOMETRIC
from crmvalue.models.model import RetentionModel, Tenures
from crmvalue.models.residual_lifetime import discounted_periods


class Params(NamedTuple):
    """Parameters, as in the paper."""

    alpha: float  # pseudo-count of leaving at a renewal
    beta: float  # pseudo-count of staying


def log_likelihood(params: Params, tenure: Array, churned: Array) -> Array:
    """Log-likelihood of each customer: she left in period `tenure`, eq. 5, or was still there after it, eq. 6."""
    alpha, beta = params
    stayed = np.subtract(tenure, churned)
    return log_survival(params, stayed) - churned * np.log1p((beta + stayed) / alpha)


def log_survival(params: Params, t: Array) -> Array:
    """Logarithm of S(t) = B(α, β + t) / B(α, β), the chance to stay through t periods, eq. 6."""
    alpha, beta = params
    return -log_rising_ratio(beta, alpha, t)


def log_leaving(params: Params, t: Array) -> Array:
    """Logarithm of P(T = t) = B(α + 1, β + t − 1) / B(α, β), the chance to leave in period t = 1, 2, ..., eq. 5."""
    return log_likelihood(params, t, np.ones_like(t, dtype=float))


def retention_rate(params: Params, t: Array) -> Array:
    """Share of those still there after period t − 1 who stay through period t, eq. 8."""
    alpha, beta = params
    stay = np.add(beta, t) - 1
    return np.asarray(stay / (alpha + stay))


def residual_lifetime(params: Params, tenure: Array, rate: Array, stop: Array) -> Array:
    """Discounted periods that remain to a customer of this tenure: 2F1(1, β + n; α + β + n; 1 / (1 + rate)).

    The present period counts and is not discounted; `stop` periods in all. Without discount and end it is
    (α + β + n − 1) / (α − 1), or infinite for α at most 1.
    """
    alpha, beta = params
    return discounted_periods(alpha, beta, 1.0, tenure, rate, stop)


def derivatives(params: Params, tenure: Array, churned: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in α, β."""
    alpha, beta = params
    stayed = np.subtract(tenure, churned)
    last = churned / (alpha + beta + stayed)
    gradient = np.stack(
        [
            churned / alpha - polygamma_rise(0, alpha + beta, stayed) - last,
            -polygamma_change(0, beta, alpha, stayed) - last,
        ]
    )
    last = last / (alpha + beta + stayed)
    both = last - polygamma_rise(1, alpha + beta, stayed)
    hessian = np.empty((2, *gradient.shape))
    hessian[0, 0] = both - churned / np.square(alpha)
    hessian[0, 1] = hessian[1, 0] = both
    hessian[1, 1] = last - polygamma_change(1, beta, alpha, stayed)
    return Derivatives(value=log_likelihood(params, tenure, churned), gradient=gradient, hessian=hessian)


def start(tenure: Array, churned: Array, counts: IntArray) -> Params:
    """Uniform but for its mean: the share that left in the first period."""
    left = counts @ (churned * (tenure == 1)) + 0.5
    share = left / (counts @ (tenure >= 1) + 1.0)
    return Params(alpha=1.0, beta=float((1 - share) / share))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    alpha, beta = params
    if alpha + beta > 1e3:
        return (
            f"alpha and beta grow together without end: as far as these data show, all customers leave with one chance "
            f"({alpha / (alpha + beta):.2g} a period), and the retention rate does not rise with tenure"
        )
    if alpha + beta < 1e-3:
        return "alpha and beta tend to 0: those who do not leave at the first renewal never leave in these data"
    return "The likelihood rises towards the border of the parameters"


def limit(params: Params) -> RetentionModel | None:
    """Return the simpler model that this one tends to at these parameters."""
    return GEOMETRIC if sum(params) > 1e3 else None


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Tenures:
    """Draw customers whose contracts run for T periods; infinite T shows when each leaves."""
    alpha, beta = params
    T = np.asarray(T, dtype=float)
    leave = np.clip(rng.beta(alpha, beta, T.shape), 1e-300, 1 - 1e-16)
    leaves_in = 1 + np.floor(rng.exponential(size=T.shape) / -np.log1p(-leave))  # geometric
    return Tenures(tenure=np.minimum(leaves_in, T), churned=leaves_in <= T)


SBG = RetentionModel(
    name="SBG",
    title="sBG",
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
