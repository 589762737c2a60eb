"""BdW, beta-discrete-Weibull: as sBG, and a customer's own chance to leave may fall or rise with her tenure [1]_.

She stays through t periods with chance (1 − θ)^(t^c), and θ ~ Beta(γ, δ) among customers. With c = 1 it is sBG; with c
above 1 each customer is ever more likely to leave, with c below 1 ever less.

.. [1] Fader, Hardie, Liu, Davin & Steenburgh (2018) "'How to project customer retention' revisited: the role of
   duration dependence", Journal of Interactive Marketing 43, 1-16. https://doi.org/10.1016/j.intmar.2018.01.002
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.polygammas import polygamma_change, polygamma_rise
from crmvalue._core.special import log_rising_ratio, trigamma
from crmvalue._core.types import Array, IntArray
from crmvalue.models import sbg
from crmvalue.models.discrete_pareto import DISCRETE_PARETO
from crmvalue.models.discrete_weibull import DISCRETE_WEIBULL, left_or_stayed, log_leaving_at, powers, rises
from crmvalue.models.model import RetentionModel, Tenures
from crmvalue.models.residual_lifetime import LARGEST, discounted_periods, hazard_between

FEW, STEEP, FLAT = 0.1, 5.0, 1e-3  # γ below the first, and c above the second or below the third: the limit is Pareto


class Params(NamedTuple):
    """Parameters, as in the paper."""

    gamma: float  # pseudo-count of leaving at the first renewal
    delta: float  # pseudo-count of staying
    c: float  # duration dependence: 1 for none


def log_likelihood(params: Params, tenure: Array, churned: Array) -> Array:
    """Log-likelihood of each customer: she left in period `tenure`, or was still there after it."""
    stayed = np.subtract(tenure, churned)
    hazard = np.where(np.asarray(churned) > 0, hazard_sum(params, np.maximum(tenure, 1)), np.inf)
    return log_survival(params, stayed) + log_leaving_at(hazard)


def log_survival(params: Params, t: Array) -> Array:
    """Logarithm of S(t) = B(γ, δ + t^c) / B(γ, δ), the chance to stay through t periods."""
    gamma, delta, c = params
    with np.errstate(over="ignore", divide="ignore"):
        passed, beyond = np.power(t, c, dtype=float), np.maximum(c * np.log(t) - LARGEST, 0.0)
    return -log_rising_ratio(delta, gamma, np.minimum(passed, np.exp(LARGEST))) - gamma * beyond


def hazard_sum(params: Params, t: Array) -> Array:
    """Return log S(t − 1) / S(t), from t = 1 on."""
    gamma, delta, c = params
    with np.errstate(divide="ignore"):  # in the first period it counts from 0
        step = -c * np.log1p(-1 / np.asarray(t, dtype=float))
        return hazard_between(gamma, delta, c * np.log(np.subtract(t, 1)), c * np.log(t), step)


def log_leaving(params: Params, t: Array) -> Array:
    """Logarithm of S(t − 1) − S(t), the chance to leave in period t = 1, 2, ..."""
    return log_likelihood(params, t, np.ones_like(t, dtype=float))


def retention_rate(params: Params, t: Array) -> Array:
    """Share of those still there after period t − 1 who stay through period t."""
    return np.asarray(np.exp(-hazard_sum(params, t)))


def residual_lifetime(params: Params, tenure: Array, rate: Array, stop: Array) -> Array:
    """Discounted periods that remain to a customer of this tenure: Σ (1 + rate)^−k S(n + k) / S(n) from k = 0.

    The present period counts and is not discounted; `stop` periods in all. Without discount and end it is infinite for
    c·γ at most 1.
    """
    gamma, delta, c = params
    return discounted_periods(gamma, delta, c, tenure, rate, stop)


def derivatives(params: Params, tenure: Array, churned: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in γ, δ, c."""
    gamma, delta, c = params
    stayed, end = np.subtract(tenure, churned), np.maximum(tenure, 1)
    nothing = np.zeros((3, np.size(tenure)))
    before = tuple(-rows for rows in ratio_derivatives(gamma, delta, nothing, np.stack(powers(stayed, c))))
    passed = np.stack(powers(end - 1, c))
    hazard = ratio_derivatives(gamma, delta, passed, np.stack(rises(end, c)))
    value = log_likelihood(params, tenure, churned)
    return left_or_stayed(value, before, hazard, hazard_sum(params, end), churned)


def ratio_derivatives(gamma: float | Array, delta: float | Array, passed: Array, rise: Array) -> tuple[Array, Array]:
    """First and second derivatives in γ, δ, c of log Γ(z) Γ(z + γ + n) / [Γ(z + γ) Γ(z + n)], z = δ + passed, n = rise.

    `passed` and `rise` come with their first and second derivatives in c, shape (3, n).
    """
    (past, past_slope, past_bend), (n, slope, bend) = passed, rise
    z = delta + past
    by_gamma, by_z, by_n = (
        polygamma_rise(0, z + gamma, n),
        polygamma_change(0, z, gamma, n),
        polygamma_rise(0, z + n, gamma),
    )
    gamma_z, z_z, z_n = (
        polygamma_rise(1, z + gamma, n),
        polygamma_change(1, z, gamma, n),
        polygamma_rise(1, z + n, gamma),
    )
    gamma_n = trigamma(z + gamma + n)
    gamma_c, z_c, n_c = (
        across[0] * past_slope + across[1] * slope for across in ((gamma_z, gamma_n), (z_z, z_n), (z_n, z_n))
    )
    c_c = z_c * past_slope + by_z * past_bend + n_c * slope + by_n * bend
    rows = [[gamma_z, gamma_z, gamma_c], [gamma_z, z_z, z_c], [gamma_c, z_c, c_c]]
    gradient = np.stack([by_gamma, by_z, by_z * past_slope + by_n * slope])
    return gradient, np.stack([np.stack(row) for row in rows])


def start(tenure: Array, churned: Array, counts: IntArray) -> Params:
    """Start from sBG: no duration dependence."""
    alpha, beta = sbg.start(tenure, churned, counts)
    return Params(gamma=alpha, delta=beta, c=1.0)


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    gamma, delta, c = params
    if limit(params) is DISCRETE_PARETO:
        return (
            "gamma tends to 0 while c grows: as far as these data show, the chance to stay falls like a power of "
            "tenure, from some tenure on"
        )
    if gamma + delta > 1e3:
        return (
            f"gamma and delta grow together without end: as far as these data show, all customers are alike, with "
            f"c {c:.2g}"
        )
    return "The likelihood rises towards the border of the parameters; sBG has one parameter less"


def limit(params: Params) -> RetentionModel | None:
    """Return the simpler model that this one tends to at these parameters."""
    gamma, delta, c = params
    if gamma < FEW and (c > STEEP or c < FLAT or gamma + delta < FLAT):
        return DISCRETE_PARETO
    return DISCRETE_WEIBULL if gamma + delta > 1e3 else None


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Tenures:
    """Draw customers whose contracts run for T periods; infinite T shows when each leaves."""
    gamma, delta, c = params
    T = np.asarray(T, dtype=float)
    leave = np.clip(rng.beta(gamma, delta, T.shape), 1e-300, 1 - 1e-16)
    with np.errstate(over="ignore"):  # she never leaves
        passed = (rng.exponential(size=T.shape) / -np.log1p(-leave)) ** (1 / np.asarray(c))
    leaves_in = 1 + np.floor(passed)
    return Tenures(tenure=np.minimum(leaves_in, T), churned=leaves_in <= T)


BDW = RetentionModel(
    name="BDW",
    title="BdW",
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
