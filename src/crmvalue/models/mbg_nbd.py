"""MBG/NBD: as BG/NBD, but a customer may leave right after her first purchase already [1]_, [2]_.

While she is a customer, her purchases are Poisson with rate λ ~ Gamma(r, α); after each, the first of all included,
she leaves with chance p ~ Beta(a, b). A customer who never came back may thus be gone.

.. [1] Batislam, Denizel & Filiztekin (2007) "Empirical validation and comparison of models for customer base analysis",
   International Journal of Research in Marketing 24(3), 201-209. https://doi.org/10.1016/j.ijresmar.2006.12.005
.. [2] Hoppe & Wagner (2007) "Customer base analysis: the case for a central variant of the Betageometric/NBD model",
   Marketing - Journal of Research and Management 3(2), 75-90. https://doi.org/10.15358/0344-1369-2007-JRM-2-75
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import expit, purchases_until_dropout
from crmvalue._core.types import Array, IntArray
from crmvalue.models import bg_nbd
from crmvalue.models.bg_nbd import Params, aged, diagnosis, limit
from crmvalue.models.model import Histories, Process, PurchaseModel


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer, eq. 4 of [1]_: that of BG/NBD with one more occasion to leave."""
    return bg_nbd.log_likelihood_of_stays(params, np.add(frequency, 1), frequency, recency, T)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, a, b."""
    return bg_nbd.derivatives_of_stays(params, np.add(frequency, 1), frequency, recency, T)


def summed(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Callable[[Params], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the parameters."""
    return bg_nbd.summed_of_stays(frequency + 1, frequency, recency, T, counts)


def start(frequency: Array, recency: Array, T: Array, counts: IntArray) -> Params:
    """Begin as BG/NBD does, with more purchases from fewer customers, as some leave after the first."""
    r, alpha, _, _ = bg_nbd.start(frequency, recency, T, counts)
    return Params(r=1.8 * r, alpha=1.6 * alpha, a=0.8, b=1.6)


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T; below 1 also for a customer who never came back."""
    return np.asarray(expit(-bg_nbd.log_odds_left(params, np.add(frequency, 1), frequency, recency, T)))


def one_stay_later(params: Params) -> bg_nbd.Params:
    """Return the BG/NBD that a customer follows once she has stayed after her first purchase."""
    r, alpha, a, b = params
    return Params(r, alpha, a, np.add(b, 1))


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon."""
    return bg_nbd.survival_if_alive(one_stay_later(params), horizon, frequency, recency, T)


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on."""
    return bg_nbd.lifetime_if_alive(one_stay_later(params), frequency, recency, T)


def discounted_lifetime_if_alive(params: Params, rate: float, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same, discounted by exp(-rate · time from T)."""
    return bg_nbd.discounted_lifetime_if_alive(one_stay_later(params), rate, frequency, recency, T)


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make, if she stays after the first of all."""
    r, alpha, a, b = params
    return np.asarray(b / np.add(a, b) * purchases_until_dropout(r, np.divide(t, alpha), a, np.add(b, 1)))


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T.

    Then λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b + x + 1): she has stayed after x + 1 purchases.
    """
    return bg_nbd.purchases_if_alive(one_stay_later(params), horizon, frequency, recency, T)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T."""
    return bg_nbd.mass_if_alive(one_stay_later(params), count, horizon, frequency, recency, T)


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon] if she is a customer at T."""
    return bg_nbd.purchase_if_alive(params, horizon, frequency, recency, T)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T)."""
    return bg_nbd.residual_purchases_if_alive(one_stay_later(params), rate, start, stop, frequency, recency, T)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    return bg_nbd.simulate_from(params, T, rng, first_occasion=0)


MBG_NBD = PurchaseModel(
    name="MBG_NBD",
    title="MBG/NBD",
    Params=Params,
    time_powers=(0, 1, 0, 0),
    processes=(Process("purchases", "alpha", -1), Process("dropout", "a", 1)),
    is_discrete=False,
    is_memoryless=True,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    summed=summed,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
    aged=aged,
    probability_alive=probability_alive,
    survival_if_alive=survival_if_alive,
    lifetime_if_alive=lifetime_if_alive,
    discounted_lifetime_if_alive=discounted_lifetime_if_alive,
    expected_purchases=expected_purchases,
    purchases_if_alive=purchases_if_alive,
    conditional_expected_purchases=conditional_expected_purchases,
    mass_if_alive=mass_if_alive,
    purchase_if_alive=purchase_if_alive,
    residual_purchases_if_alive=residual_purchases_if_alive,
    simulate=simulate,
)
"""The model as a record, to pass to `fit_purchases`."""
