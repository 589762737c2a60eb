"""Predictions: what a fitted model says of customers with these histories, in the engine of their frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.parts import parts
from crmvalue._core.types import AnyArray, Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.alive import alive_now
from crmvalue.models.answers import (
    answer_to,
    params_of_kinds,
    predicted,
    require_counts,
    require_horizon,
    require_time,
)
from crmvalue.models.distinct import distinct_states, look_up
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.model import Parameters
from crmvalue.models.series import of_states


def probability_alive(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    *,
    after: float = 0.0,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> Frame:
    """Return the probability that each customer still is one at the end of her observation, or some time later.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    customers : CustomerSummary, frame or mapping
        Columns frequency, recency and T, in any engine, or numbers or arrays by these names.
    after : float
        Time after T, in time units of the fit, at least 0.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. Horizons stay in the fit's.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there) and probability_alive, in the engine of the input.

    Raises
    ------
    InputError
        If a history is impossible, `after` is negative, or the summary is in another time unit than the fit.

    Notes
    -----
    Under BG/NBD a customer without repeat purchases had no occasion to leave: her probability is 1.

    Examples
    --------
    Somebody who just bought again may have left by that: the odds are a to b + frequency − 1, here 2 to 1.

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> probability_alive(fit, customers).round(3)
       probability_alive
    0              1.000
    1              0.333
    """
    after = require_time(fit, "after", require_number("after", after, at_least=0))

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        alive = alive_now(fit.model, params, frequency, recency, T)
        if after > 0:
            states = distinct_states(fit.model, params, frequency, recency, T)
            stays = of_states(fit.model, lambda own, *rows: fit.model.survival_if_alive(own, after, *rows), states)
            alive = alive * stays[states.place]
        return {"probability_alive": alive}

    return answer_to(customers, predicted(fit, customers, predict, covariates=covariates, time_unit=time_unit))


def conditional_expected_purchases(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    *,
    horizon: float,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> Frame:
    """Return the purchases expected of each customer within the horizon, given her history.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    customers : CustomerSummary, frame or mapping
        Columns frequency, recency and T, in any engine, or numbers or arrays by these names.
    horizon : float
        Length of the time after T, in time units of the fit, above 0.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. Horizons stay in the fit's.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there), probability_alive (at T) and expected_purchases, in the engine of the input.

    Raises
    ------
    InputError
        If a history is impossible, the horizon is not above 0, or the summary is in another time unit than the fit.

    Examples
    --------
    With these parameters a customer who is alive is expected to buy (2 + frequency) · 10 / (2 + 8 + 10) times, and one
    who bought again at the end is alive with chance 1/3:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> conditional_expected_purchases(fit, customers, horizon=10)
       probability_alive  expected_purchases
    0           1.000000                 1.0
    1           0.333333                 0.5
    """
    horizon = require_horizon(fit, horizon)

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        def if_alive(own: Parameters, *state: Array) -> Array:
            return fit.model.purchases_if_alive(own, horizon, *state)

        table, place = look_up(fit.model, if_alive, params, frequency, recency, T)
        alive = alive_now(fit.model, params, frequency, recency, T)
        expected = np.empty(len(alive))
        for part in parts(len(alive)):
            np.multiply(alive[part], table[place[part]], out=expected[part])
        return {"probability_alive": alive, "expected_purchases": expected}

    return answer_to(customers, predicted(fit, customers, predict, covariates=covariates, time_unit=time_unit))


def expected_purchases(fit: PurchaseFit, t: ArrayLike, *, covariates: Frame | None = None) -> Array:
    """Return the repeat purchases that a new customer is expected to make up to time t after her first.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    t : array_like
        Times since the first purchase, in time units of the fit, at least 0.
    covariates : frame or mapping, optional
        For a fit with covariates: its columns, one row for each kind of new customer, or a value or array by each name.

    Returns
    -------
    ndarray
        Expected repeat purchases, of the shape of `t`; after one axis more for the rows of a frame of covariates.

    Raises
    ------
    InputError
        If a time is negative or missing, or a covariate is missing or has a level that the fit does not know.

    Examples
    --------
    With these parameters it is 2t / (2 + t):

    >>> import numpy as np
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> expected_purchases(fit, [0.0, 2.0, 6.0])
    array([0. , 1. , 1.5])
    """
    times = np.asarray(t, dtype=float)
    ok = (times >= 0) & np.isfinite(times)
    require_rows(ok.ravel(), "t", "negative, missing or infinite", "Pass times since the first purchase, 0 or more.")
    return fit.model.expected_purchases(params_of_kinds(fit, covariates, times.ndim), times)


def purchase_probabilities(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    *,
    horizon: float,
    counts: Iterable[int],
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> Frame:
    """Return the probability of each number of purchases within the horizon, given each customer's history.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    customers : CustomerSummary, frame or mapping
        Columns frequency, recency and T, in any engine, or numbers or arrays by these names.
    horizon : float
        Length of the time after T, in time units of the fit, above 0.
    counts : iterable of int
        Numbers of purchases, such as ``range(5)``; at least one, none negative or twice, at most 1,000 of them.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. Horizons stay in the fit's.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there), probability_0, probability_1, ... for each count, and probability_at_least_1, in
        the engine of the input.

    Raises
    ------
    InputError
        If a history is impossible, an argument is out of its range, or the summary is in another time unit than the
        fit.

    Notes
    -----
    Every probability is a sum or an integral of positive terms, so that small ones keep their digits, that of at least
    one purchase too.

    Examples
    --------
    The first customer's rate is λ ~ Gamma(1, 10): in 10 years she buys nothing with chance 10 / (10 + 10). The second's
    is Gamma(2, 10), and her chance the square of that:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.nbd import NBD, Params
    >>> fit = PurchaseFit(
    ...     model=NBD, params=Params(r=1.0, alpha=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="year",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> purchase_probabilities(fit, customers, horizon=10, counts=[0, 1]).round(3)
       probability_0  probability_1  probability_at_least_1
    0           0.50           0.25                    0.50
    1           0.25           0.25                    0.75
    """
    horizon = require_horizon(fit, horizon)
    wanted = require_counts(counts)

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        alive = alive_now(fit.model, params, frequency, recency, T)
        states = distinct_states(fit.model, params, frequency, recency, T)
        chances = {}
        for count in wanted:

            def mass(own: Parameters, *rows: Array, count: float = float(count)) -> Array:
                return fit.model.mass_if_alive(own, count, horizon, *rows)

            if_alive = of_states(fit.model, mass, states)[states.place]
            chances[f"probability_{count}"] = alive * if_alive + (1 - alive if count == 0 else 0.0)

        def any_purchase(own: Parameters, *rows: Array) -> Array:
            return fit.model.purchase_if_alive(own, horizon, *rows)

        chances["probability_at_least_1"] = alive * of_states(fit.model, any_purchase, states)[states.place]
        return chances

    return answer_to(customers, predicted(fit, customers, predict, covariates=covariates, time_unit=time_unit))


def discounted_residual_purchases(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    *,
    discount_rate: float,
    start: float = 0.0,
    stop: float = np.inf,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> Frame:
    """Return the purchases expected of each customer from `start` to `stop` after T, discounted to T.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    customers : CustomerSummary, frame or mapping
        Columns frequency, recency and T, in any engine, or numbers or arrays by these names.
    discount_rate : float
        Cost of capital per year, 0.1 for 10 %; at least 0.
    start, stop : float
        Interval after T, in time units of the fit: 0 <= start < stop. By default all the time to come.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. Horizons stay in the fit's.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there) and discounted_purchases, in the engine of the input.

    Raises
    ------
    InputError
        If a history is impossible, an argument is out of its range, the summary is in another time unit than the fit,
        or the sum is infinite, as it may be for ever without a discount.

    Notes
    -----
    P(alive) · ∫ e(u) exp(−δ u) du from `start` to `stop`, where e(u) is the rate of purchases at T + u expected of a
    customer alive at T, and exp(−δ) over 365.25 days is 1 / (1 + discount_rate). From 0 to infinity this is the DERT of
    the paper; times margin and expected spend it is the residual lifetime value. `customer_value`, which pays purchases
    at the end of the time unit in which they fall, gives a little less.

    References
    ----------
    Fader, Hardie & Lee (2005) "RFM and CLV: using iso-value curves for customer base analysis", Journal of Marketing
    Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415

    Examples
    --------
    Nobody leaves under NBD: a purchase rate of 1 / 10 and 2 / 10 a year for ever, at exp(0.1) − 1 a year, is worth ten
    times the rate:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.nbd import NBD, Params
    >>> fit = PurchaseFit(
    ...     model=NBD, params=Params(r=1.0, alpha=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="year",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> discounted_residual_purchases(fit, customers, discount_rate=np.expm1(0.1)).round(6)
       discounted_purchases
    0                   1.0
    1                   2.0
    """
    discount_rate = require_number("discount_rate", discount_rate, at_least=0)
    start = require_time(fit, "start", require_number("start", start, at_least=0))
    if not stop > start:  # also catches NaN
        raise InputError(f"stop: got {stop}, and start is {start}. Pass a time after start; leave it out for all time.")
    stop = require_time(fit, "stop", float(stop))
    rate = float(np.log1p(periodic_rate(discount_rate, fit.time_unit)))

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        def if_alive(own: Parameters, *rows: Array) -> Array:
            return fit.model.residual_purchases_if_alive(own, rate, start, stop, *rows)

        states = distinct_states(fit.model, params, frequency, recency, T)
        purchases = of_states(fit.model, if_alive, states)
        if not np.isfinite(purchases).all():
            raise InputError(
                f"discount_rate: got 0 and no end: under {fit.model.title} with these estimates customers buy without "
                "limit. Pass a rate above 0, or a stop."
            )
        alive = alive_now(fit.model, params, frequency, recency, T)
        return {"discounted_purchases": alive * purchases[states.place]}

    return answer_to(customers, predicted(fit, customers, predict, covariates=covariates, time_unit=time_unit))
