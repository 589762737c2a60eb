"""What purchases bring and customers cost: discounted for each customer, or period by period for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.columns import read_numbers
from crmvalue._core.frames import AnyFrame, column_names, count_true, to_arrays
from crmvalue._core.types import AnyArray, Array, Frame, IntArray, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.alive import alive_now
from crmvalue.models.answers import checked_scores, kept_ids, predicted, units_of_fit
from crmvalue.models.covariates import columns_of_effects, params_with, with_own_covariates, with_scores
from crmvalue.models.discounting import (
    discounted_periods_begun,
    discounted_purchases,
    factors_at,
    period_ends,
    values_at,
)
from crmvalue.models.distinct import States, distinct_states
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.histories import PURCHASES, checked_purchases, is_missing, open_customers, refuse
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.series import rows_of
from crmvalue.models.spend_predictions import require_spend, with_spend

VALUES_AT_ONCE = 262_144  # bounds the memory
BOUNDS = {
    "margin": (0.0, None, 1.0),  # at least, above, at most
    "cost_to_serve": (0.0, None, None),
    "retention_cost": (0.0, None, None),
    "discount_rate": (None, -1.0, None),
}


class Terms(NamedTuple):
    """What a purchase brings and a customer costs: each a number, or the name of a column of numbers."""

    margin: float | str  # share of spend that is kept
    cost_to_serve: float | str  # of a purchase
    retention_cost: float | str  # of a time unit that she begins as a customer
    discount_rate: float | str  # per year


class Priced(NamedTuple):
    """Customers with the terms that hold for each of them."""

    frame: AnyFrame  # frequency, recency, T, monetary_value, and the terms that have a column as columns _crm_...
    terms: Terms  # numbers as floats
    n_not_positive: int  # customers whose spend, below 0 or 0, is taken as 0


def priced(
    summary: CustomerSummary | Frame,
    purchases_fit: PurchaseFit,
    spend_fit: SpendFit,
    terms: Terms,
    covariates: Frame | None,
    time_unit: TimeUnit | None,
) -> Priced:
    """Return customers and terms, checked, in the time unit of the fit."""
    factor = units_of_fit(summary, purchases_fit, time_unit)
    numbers = {name: require_term(name, value) for name, value in terms._asdict().items() if not isinstance(value, str)}
    named = {name: value for name, value in terms._asdict().items() if isinstance(value, str)}
    frame = open_customers(summary, (*PURCHASES, "monetary_value", *named.values()), argument="summary")
    if factor != 1:
        frame = frame.with_columns(nw.col("recency").cast(nw.Float64) * factor, nw.col("T").cast(nw.Float64) * factor)
    frame = with_own_covariates(frame, (*purchases_fit.effects, *spend_fit.effects), covariates)
    n_not_positive = require_spend(spend_fit, frame)
    if named:
        frame = frame.with_columns(**{f"_crm_{name}": nw.col(column) for name, column in named.items()})
    for name, column in named.items():
        frame = read_numbers(frame, f"_crm_{name}", argument=column)
        require_column(frame, name, column)
    return Priced(frame, terms._replace(**numbers), n_not_positive)


def term(terms: Terms, name: str) -> nw.Expr:
    """Return a term as an expression."""
    value = getattr(terms, name)
    return nw.col(f"_crm_{name}") if isinstance(value, str) else nw.lit(value)


def require_term(name: str, value: float) -> float:
    """Return a number within the bounds of this term, or raise InputError."""
    at_least, above, at_most = BOUNDS[name]
    return require_number(name, value, at_least=at_least, above=above, at_most=at_most)


def require_column(frame: AnyFrame, name: str, column: str) -> None:
    """Raise InputError if a customer has no number there, or one out of bounds."""
    at_least, above, at_most = BOUNDS[name]
    value = nw.col(f"_crm_{name}")
    missing = is_missing(value) | (value.abs() == np.inf)
    outside = value < at_least if at_least is not None else value <= above
    if at_most is not None:
        outside = outside | (value > at_most)
    found = count_true(frame, {"missing": missing, "outside": outside})
    if found["missing"]:
        refuse(frame, column, "missing or infinite", "Fill or drop these customers.", missing)
    if found["outside"]:
        bounds = f"at least {at_least:g}" if at_least is not None else f"above {above:g}"
        bounds += f" and at most {at_most:g}" if at_most is not None else ""
        refuse(frame, column, f"out of range as {name}", f"Pass numbers {bounds}.", outside)


def period_rates(fit: PurchaseFit, annual: float | Array) -> float | Array:
    """Rates per time unit of the fit that compound to annual ones."""
    if not isinstance(annual, np.ndarray):
        return periodic_rate(annual, fit.time_unit)
    kinds, place = np.unique(annual, return_inverse=True)
    return np.array([periodic_rate(float(rate), fit.time_unit) for rate in kinds])[place]


def value_of_each(customers: Priced, purchases_fit: PurchaseFit, spend_fit: SpendFit, horizon: float) -> AnyFrame:
    """Return customer_id (if there), probability_alive, expected_purchases, expected_spend and value of each."""
    model, terms = purchases_fit.model, customers.terms
    costs_time = terms.retention_cost != 0
    rate_column = ["_crm_discount_rate"] if isinstance(terms.discount_rate, str) else []

    def predict(
        params: Parameters, frequency: Array, recency: Array, T: Array, *annual: Array
    ) -> Mapping[str, AnyArray]:
        states = distinct_states(model, params, frequency, recency, T, *annual)
        own, *state, place = states
        rate = period_rates(purchases_fit, by_state(annual[0], place) if annual else terms.discount_rate)  # type: ignore[arg-type]
        alive = alive_now(model, params, frequency, recency, T)
        found = {
            "probability_alive": alive,
            "expected_purchases": alive * model.purchases_if_alive(own, horizon, *state)[place],
            "value": alive * discounted_purchases(model, states, horizon, rate)[place],
        }
        if costs_time:
            found["_crm_periods"] = alive * discounted_periods_begun(model, states, horizon, rate)[place]
        return found

    own_terms = [f"_crm_{name}" for name in Terms._fields[:3] if isinstance(getattr(terms, name), str)]
    keep = ("frequency", "monetary_value", *own_terms, *columns_of_effects(spend_fit.effects))
    answers = predicted(purchases_fit, customers.frame, predict, keep=keep, inputs=rate_column)
    frame = with_spend(spend_fit, answers)
    value = nw.col("value") * (nw.col("expected_spend") * term(terms, "margin") - term(terms, "cost_to_serve"))
    if costs_time:
        value = value - nw.col("_crm_periods") * term(terms, "retention_cost")
    frame = frame.with_columns(value=value)
    return frame.select(*kept_ids(frame), "probability_alive", "expected_purchases", "expected_spend", "value")


def by_state(values: Array, place: IntArray) -> Array:
    """Return the value of each state, which all its customers share."""
    found = np.empty(int(place.max()) + 1)
    found[place] = values
    return found


class Flows(NamedTuple):
    """Sums over all customers, by period, shape (k,)."""

    end: Array  # of the period, in time units from now
    customers: Array  # expected to begin it as customers
    purchases: Array
    revenue: Array
    contribution: Array  # revenue times margin
    cost_to_serve: Array
    retention_cost: Array
    cash_flow: Array  # contribution less both costs
    present_value: Array


def flows_of_all(customers: Priced, purchases_fit: PurchaseFit, spend_fit: SpendFit, horizon: float) -> Flows:
    """Add up what customers bring and cost in each period; equal histories are added up in the engine first."""
    frame, terms = with_spend(spend_fit, customers.frame), customers.terms
    rate_column = ["_crm_discount_rate"] if isinstance(terms.discount_rate, str) else []
    scores: list[str] = []
    if purchases_fit.effects:
        frame, scores = with_scores(frame, purchases_fit.effects, None)
    keys = [*PURCHASES, *rate_column, *scores]
    frame = frame.with_columns(
        _crm_kept=nw.col("expected_spend") * term(terms, "margin"),
        _crm_cost_to_serve=term(terms, "cost_to_serve"),
        _crm_retention_cost=term(terms, "retention_cost"),
    )
    sums = ("expected_spend", "_crm_kept", "_crm_cost_to_serve", "_crm_retention_cost")
    grouped = frame.group_by(*keys).agg(*(nw.col(name).sum() for name in sums), _crm_n=nw.len())
    rows = {name: np.asarray(values, dtype=float) for name, values in to_arrays(grouped, column_names(grouped)).items()}
    annual = rows["_crm_discount_rate"] if rate_column else terms.discount_rate
    rates = np.broadcast_to(period_rates(purchases_fit, annual), rows["T"].shape)  # type: ignore[arg-type]
    weights = np.stack([rows["_crm_n"], *(rows[name] for name in sums)])
    discrete = purchases_fit.model.is_discrete
    history = checked_purchases(frame, [rows[name] for name in PURCHASES], is_discrete=discrete)
    factors = checked_scores(purchases_fit, frame, [rows[name] for name in scores]) if scores else {}
    model, params = purchases_fit.model, params_with(purchases_fit.model, purchases_fit.params, factors)
    states = distinct_states(model, params, *history, rates)
    alive = model.probability_alive(params, *history)
    sums_alive = np.array([np.bincount(states.place, alive * column, len(states.T)) for column in weights], dtype=float)
    ends, rates = period_ends(horizon), by_state(rates, states.place)
    total = np.zeros((8, len(ends)))
    at_once = max(1, VALUES_AT_ONCE // len(ends))
    for begin in range(0, len(rates), at_once):
        part = np.arange(begin, min(begin + at_once, len(rates)))
        total += flows_of_some(model, rows_of(states, part), ends, rates[part], sums_alive[:, part])
    return Flows(ends, *total)


def flows_of_some(model: PurchaseModel, states: States, ends: Array, rates: Array, weights: Array) -> Array:
    """Return the same for some states, as rows of one array; `weights` are sums over customers alive."""
    n, spend, kept, serve, retain = weights
    bought = np.diff(values_at(model.purchases_if_alive, states, ends), axis=0, prepend=0.0)
    there = np.ones(bought.shape)
    if len(ends) > 1:
        there[1:] = values_at(model.survival_if_alive, states, ends[:-1])
    paid = np.diff(ends, prepend=0.0)[:, None] * there
    cash = bought * (kept - serve) - paid * retain
    discounted = cash * factors_at(ends, rates).T
    flows = (there @ n, bought @ n, bought @ spend, bought @ kept, bought @ serve, paid @ retain)
    return np.stack([*flows, cash.sum(axis=1), discounted.sum(axis=1)])
