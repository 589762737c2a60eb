"""How sure is the value of all customers? Its interval, from how surely the estimates are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import one_row
from crmvalue._core.show import result_html, result_text
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.answers import require_horizon
from crmvalue.models.cash_flow import Priced, Terms, priced, value_of_each
from crmvalue.models.fit import PurchaseFit, SpendFit

AnyFit = TypeVar("AnyFit", PurchaseFit, SpendFit)

STEP = 1e-4  # of the central differences, on the log scale: their error is of the order of its square


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TotalValueInterval:
    """Where the expected value of all customers lies, as far as the estimates are known."""

    total: float  # as of `customer_value`, in currency
    standard_error: float  # in currency
    lower: float
    upper: float
    level: float  # chance that such an interval covers the truth

    __repr__ = result_text
    _repr_html_ = result_html


def total_value_interval(
    summary: CustomerSummary | Frame,
    purchases_fit: PurchaseFit,
    spend_fit: SpendFit,
    *,
    horizon: float,
    discount_rate: float | str,
    margin: float | str = 1.0,
    cost_to_serve: float | str = 0.0,
    retention_cost: float | str = 0.0,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
    level: float = 0.95,
) -> TotalValueInterval:
    """Return an interval for the value that all customers together are expected to bring.

    Parameters
    ----------
    summary, purchases_fit, spend_fit, horizon, discount_rate, margin, cost_to_serve, retention_cost, \
    covariates, time_unit
        As for `customer_value`.
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    TotalValueInterval
        The total, its standard error, and the ends.

    Raises
    ------
    InputError
        As for `customer_value`, or if a parameter was held at its bound, so that nobody knows how sure it is.

    Notes
    -----
    By the delta method: the total is taken as linear in the logarithms of the parameters, and the two fits as
    independent. The interval says how sure the expectation is. What customers do will differ from it by chance besides,
    and by all that the models do not know; a holdout shows how much.

    Examples
    --------
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.data.summary import summarize_customers
    >>> from crmvalue.models.fit import fit_purchases, fit_spend
    >>> summary = summarize_customers(load_cdnow(), time_unit="week")
    >>> fits = fit_purchases(summary), fit_spend(summary)
    >>> found = total_value_interval(summary, *fits, horizon=52, discount_rate=0.1, margin=0.3)
    >>> found.lower < found.total < found.upper
    True
    """
    level = require_number("level", level, above=0, at_most=1 - 1e-12)
    horizon = require_horizon(purchases_fit, horizon)
    terms = Terms(margin, cost_to_serve, retention_cost, discount_rate)

    def priced_by(spend: SpendFit) -> Priced:
        return priced(summary, purchases_fit, spend, terms, covariates, time_unit)

    def total(customers: Priced, purchases: PurchaseFit, spend: SpendFit) -> float:
        return float(one_row(value_of_each(customers, purchases, spend, horizon), total=nw.col("value").sum())["total"])

    customers = priced_by(spend_fit)  # once: what customers are checked for does not depend on the purchases
    by_purchases = slopes(purchases_fit, lambda fit: total(customers, fit, spend_fit))
    by_spend = slopes(spend_fit, lambda fit: total(priced_by(fit), purchases_fit, fit))
    variance = (
        by_purchases @ purchases_fit.log_covariance @ by_purchases + by_spend @ spend_fit.log_covariance @ by_spend
    )
    if not np.isfinite(variance):
        raise InputError(
            "purchases_fit: a parameter was held at its bound, so that nobody knows how sure the total is. Fit a model "
            "without it."
        )
    centre, error = total(customers, purchases_fit, spend_fit), float(np.sqrt(variance))
    half_width = normal_quantile(0.5 + 0.5 * level) * error
    if centre > 0:  # on the log scale, as the parameters are: never below 0
        factor = float(np.exp(half_width / centre))
        lower, upper = centre / factor, centre * factor
    else:
        lower, upper = centre - half_width, centre + half_width
    return TotalValueInterval(total=centre, standard_error=error, lower=lower, upper=upper, level=level)


def slopes(fit: AnyFit, measure: Callable[[AnyFit], float]) -> Array:
    """Change of a measure with the logarithm of each parameter, then with each coefficient, by central differences."""
    size = len(fit.params) + len(fit.effects)
    moves = STEP * np.eye(size)
    return np.array([(measure(moved(fit, move)) - measure(moved(fit, -move))) / (2 * STEP) for move in moves])


def moved(fit: AnyFit, move: Array) -> AnyFit:
    """Return the fit with other estimates, `move` away."""
    k = len(fit.params)
    params = fit.model.Params(*(np.array(fit.params) * np.exp(move[:k])).tolist())
    pairs = zip(fit.effects, move[k:].tolist(), strict=True)
    effects = tuple(effect._replace(coefficient=effect.coefficient + step) for effect, step in pairs)
    return replace(fit, params=params, effects=effects)
