"""Gamma-Gamma: each customer spends about her own mean, and the means differ between customers [1]_, [2]_.

A purchase is Gamma(p, ν), the mean of x of them Gamma(p·x, ν·x), and ν ~ Gamma(q, v) among customers. What she spends
does not depend on how often she buys.

.. [1] Fader, Hardie & Lee (2005) "RFM and CLV: using iso-value curves for customer base analysis", Journal of
   Marketing Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415
.. [2] Fader & Hardie (2013) "The Gamma-Gamma model of monetary value", note 025 at brucehardie.com.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.parts import parts
from crmvalue._core.special import digamma, log_beta, log_betas, of_count, trigamma
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import Process, SpendModel
from crmvalue.models.sums import sums_by_count


class Params(NamedTuple):
    """Parameters, as in the note (v is its γ)."""

    p: float  # shape of one purchase
    q: float  # shape of the scale among customers
    v: float  # scale of the scale among customers, in currency


def log_likelihood(params: Params, frequency: Array, monetary_value: Array) -> Array:
    """Log-likelihood of the mean of each customer's repeat purchases, eq. 1a of the note."""
    p, q, v = params
    shape, spent = p * frequency, frequency * monetary_value
    mixed = q * np.log1p(spent / v) + shape * np.log1p(v / spent)
    return -np.log(monetary_value) - of_count(log_beta_of_count, frequency, p, q) - mixed


def log_beta_of_count(frequency: Array, p: float, q: float) -> Array:
    """Logarithm of B(q, p·x)."""
    return log_beta(q, p * frequency)


def derivatives(params: Params, frequency: Array, monetary_value: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in p, q, v."""
    p, q, v = params
    shape, spent = p * frequency, frequency * monetary_value
    whole = v + spent
    both = of_count(lambda x, p, q: digamma(p * x + q), frequency, p, q)
    own = of_count(lambda x, p: digamma(p * x), frequency, p)
    gradient = np.stack(
        [
            frequency * (both - own - np.log1p(v / spent)),
            both - digamma(q) - np.log1p(spent / v),
            q / v - (shape + q) / whole,
        ]
    )
    both = of_count(lambda x, p, q: trigamma(p * x + q), frequency, p, q)
    own = of_count(lambda x, p: trigamma(p * x), frequency, p)
    hessian = np.empty((3, *gradient.shape))
    hessian[0, 0] = frequency**2 * (both - own)
    hessian[0, 1] = hessian[1, 0] = frequency * both
    hessian[0, 2] = hessian[2, 0] = -frequency / whole
    hessian[1, 1] = both - trigamma(q)
    hessian[1, 2] = hessian[2, 1] = spent / (v * whole)
    hessian[2, 2] = (shape + q) / whole**2 - q / v**2
    return Derivatives(value=log_likelihood(params, frequency, monetary_value), gradient=gradient, hessian=hessian)


def summed(frequency: Array, monetary_value: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the parameters.

    Gamma functions are of the frequency alone and come from a histogram of it.
    """
    once = counts.astype(float)
    x, (customers,) = sums_by_count(frequency, once)
    purchases, squares = x * customers, x * x * customers
    n = float(customers.sum())
    bought, spent = once * frequency, frequency * monetary_value
    scale = float(once @ np.log(monetary_value))

    def total(params: Params) -> Derivatives:
        p, q, v = params
        sums = np.zeros(6)
        for part in parts(len(spent)):
            sums += spend_sums(v, spent[part], once[part], bought[part])
        known, rest, kept, pull, kept_bend, pull_bend = sums.tolist()
        shape = p * x
        value = -scale - q * known - p * rest - customers.dot(log_betas(q, shape))
        whole, own = digamma(shape + q), digamma(shape)
        by_p, by_q = purchases.dot(whole - own) - rest, customers.dot(whole) - n * digamma(q) - known
        whole, own = trigamma(shape + q), trigamma(shape)
        pp, pq, qq = squares.dot(whole - own), purchases.dot(whole), customers.dot(whole) - n * trigamma(q)
        qv, vv = kept / v, p * pull_bend - q / v * (kept_bend + kept / v)
        return Derivatives(
            value=value,
            gradient=np.array([by_p, by_q, q * qv - p * pull]),
            hessian=np.array([[pp, pq, -pull], [pq, qq, qv], [-pull, qv, vv]]),
        )

    return total


def spend_sums(v: float, spent: Array, once: Array, bought: Array) -> tuple[float, ...]:
    """Return the sums over customers of all that depends on what they spent; `bought` is how often they did."""
    inverse = 1 / (v + spent)
    share = spent * inverse
    return (  # for short arrays dot takes half the time of @
        once.dot(np.log1p(spent / v)),
        bought.dot(np.log1p(v / spent)),
        once.dot(share),
        bought.dot(inverse),
        once.dot(share * inverse),
        bought.dot(inverse * inverse),
    )


def start(frequency: Array, monetary_value: Array, counts: IntArray) -> Params:
    """Moments of log spend: its variance among customers is about 1/(q − ½) + 1/(p − ½)x, with x purchases each."""
    weights = counts / counts.sum()
    spend, few = np.log(monetary_value), 1 / frequency
    level, fewness = float(weights.dot(spend)), float(weights.dot(few))
    squares, fewer = (spend - level) ** 2, weights * (few - fewness)
    slope = float(fewer.dot(squares)) / max(float(fewer.dot(few)), 1e-9)
    p = 0.5 + 1 / min(max(slope, 0.02), 2.0)
    q = 0.5 + 1 / min(max(float(weights.dot(squares)) - fewness / (p - 0.5), 0.05), 0.6)
    return Params(p=p, q=q, v=math.exp(level) * (q - 0.5) / (p - 0.5 * fewness))


def diagnosis(params: Params) -> str:
    """Say what it means that the search for a maximum ended at these parameters."""
    p, q, _ = params
    if q > 1e3:
        return "q and v grow together without end: all customers have one mean spend, as far as these data show"
    if p > 1e3:
        return "p grows without end: each customer's purchases are all of one amount, as far as these data show"
    return "The likelihood rises towards the border of the parameters"


def mean_exists_above(params: Params) -> float:
    """Frequency above which a customer's expected spend exists: p·x + q > 1. Below 0 if the population mean exists."""
    p, q, _ = params
    return (1 - q) / p


def expected_spend(params: Params, frequency: Array, monetary_value: Array) -> Array:
    """Mean amount of a future purchase given the past ones, eq. 5 of the note; at frequency 0 the population mean.

    Only arithmetic, so that it also runs on the columns of a lazy frame. With frequency 0, pass any finite
    monetary_value.
    """
    p, q, v = params
    return p * (v + frequency * monetary_value) / (p * frequency + q - 1)


def simulate(params: Params, frequency: Array, rng: np.random.Generator) -> Array:
    """Draw the mean amount of `frequency` purchases of each customer; NaN at frequency 0."""
    p, q, v = params
    x = np.asarray(frequency, dtype=float)
    scale = rng.gamma(q, 1 / v, x.shape)
    bought = np.maximum(x, 1)
    return np.where(x > 0, rng.gamma(p * bought) / (scale * bought), np.nan)


GAMMA_GAMMA = SpendModel(
    name="GAMMA_GAMMA",
    title="Gamma-Gamma",
    Params=Params,
    processes=(Process("spend", "v", 1),),
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    summed=summed,
    start=start,
    diagnosis=diagnosis,
    mean_exists_above=mean_exists_above,
    expected_spend=expected_spend,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_spend`."""
