"""MBG/CNBD-k: as BG/CNBD-k, but a customer may leave right after her first purchase already [1]_, [2]_.

While she is a customer, the times between her purchases are Erlang-k with rate λ ~ Gamma(r, α); after each purchase,
the first of all included, she leaves with chance p ~ Beta(a, b). k = 1 is MBG/NBD.

.. [1] Platzer & Reutterer (2016) "Ticking away the moments: timing regularity helps to better predict customer
   activity", Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
.. [2] Reutterer, Platzer & Schröder (2021) "Leveraging purchase regularity for predicting customer behavior the easy
   way", International Journal of Research in Marketing 38(1), 194-215. https://doi.org/10.1016/j.ijresmar.2020.09.002
"""

from __future__ import annotations

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import expit
from crmvalue._core.types import Array
from crmvalue.models import bg_cnbd_k
from crmvalue.models.bg_cnbd_k import BG_CNBD_K, Params, diagnosis, start
from crmvalue.models.mbg_nbd import MBG_NBD
from crmvalue.models.model import Histories, PurchaseModel


def log_likelihood(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Log-likelihood of each customer: that of BG/CNBD-k with one more occasion to leave."""
    return bg_cnbd_k.log_likelihood_of_stays(params, np.add(frequency, 1), frequency, recency, T)


def derivatives(params: Params, frequency: Array, recency: Array, T: Array) -> Derivatives:
    """Log-likelihood of each customer with its first and second derivatives in r, α, a, b; those in k are set to 0."""
    return bg_cnbd_k.derivatives_of_stays(params, np.add(frequency, 1), frequency, recency, T)


def limit(params: Params) -> PurchaseModel | None:
    """Return the simpler model that this one is at these parameters: MBG/NBD where k = 1."""
    return MBG_NBD if round(params.k) == 1 else None


def probability_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that she is still a customer at T; below 1 also for a customer who never came back."""
    return np.asarray(expit(-bg_cnbd_k.log_odds_left(params, np.add(frequency, 1), frequency, recency, T)))


def one_stay_later(params: Params) -> Params:
    """Return the BG/CNBD-k that a customer follows once she has stayed after her first purchase."""
    return params._replace(b=np.add(params.b, 1))


def survival_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that a customer at T still is one at T + horizon."""
    return bg_cnbd_k.survival_if_alive(one_stay_later(params), horizon, frequency, recency, T)


def lifetime_if_alive(params: Params, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the expected time as a customer from T on."""
    return bg_cnbd_k.lifetime_if_alive(one_stay_later(params), frequency, recency, T)


def discounted_lifetime_if_alive(params: Params, rate: float, frequency: Array, recency: Array, T: Array) -> Array:
    """Return the same, discounted by exp(-rate · time from T)."""
    return bg_cnbd_k.discounted_lifetime_if_alive(one_stay_later(params), rate, frequency, recency, T)


def expected_purchases(params: Params, t: Array) -> Array:
    """Repeat purchases up to t that a new customer is expected to make, if she stays after the first of all."""
    stays = params.b / np.add(params.a, params.b)
    return np.asarray(stays * bg_cnbd_k.expected_purchases(one_stay_later(params), t))


def purchases_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of her if she is a customer at T."""
    return bg_cnbd_k.purchases_if_alive(one_stay_later(params), horizon, frequency, recency, T)


def conditional_expected_purchases(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Purchases in (T, T + horizon] expected of a customer with this history."""
    expected = purchases_if_alive(params, horizon, frequency, recency, T)
    return expected * probability_alive(params, frequency, recency, T)


def mass_if_alive(params: Params, count: Array, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of `count` purchases in (T, T + horizon] if she is a customer at T."""
    return bg_cnbd_k.mass_if_alive(one_stay_later(params), count, horizon, frequency, recency, T)


def purchase_if_alive(params: Params, horizon: Array, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability of at least one purchase in (T, T + horizon] if she is a customer at T."""
    return bg_cnbd_k.purchase_if_alive(params, horizon, frequency, recency, T)


def residual_purchases_if_alive(
    params: Params, rate: float, start: float, stop: float, frequency: Array, recency: Array, T: Array
) -> Array:
    """Purchases in (T + start, T + stop] expected of her, each discounted by exp(-rate · time from T)."""
    return bg_cnbd_k.residual_purchases_if_alive(one_stay_later(params), rate, start, stop, frequency, recency, T)


def simulate(params: Params, T: Array, rng: np.random.Generator) -> Histories:
    """Draw customers observed for times T."""
    return bg_cnbd_k.simulate_from(params, T, rng, first_occasion=0)


MBG_CNBD_K = PurchaseModel(
    name="MBG_CNBD_K",
    title="MBG/CNBD-k",
    Params=Params,
    time_powers=(0, 1, 0, 0, 0),
    processes=BG_CNBD_K.processes,
    k_values=BG_CNBD_K.k_values,
    is_discrete=False,
    is_memoryless=False,
    log_likelihood=log_likelihood,
    derivatives=derivatives,
    start=start,
    diagnosis=diagnosis,
    limit=limit,
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
