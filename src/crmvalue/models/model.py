"""A model is a record of pure functions, and what it simulates.

A new model is one file that defines these functions and one line in the registry. Parameters may be floats or arrays
of one value a customer. Functions take arrays of shape (n,), or shapes that broadcast, and return arrays of that shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from crmvalue._core.optimise import Derivatives
from crmvalue._core.types import Array, BoolArray

Parameters: TypeAlias = tuple[float | Array, ...]
"""A model's NamedTuple of parameters: one value for all customers, or one each, shape (n,)."""


class Process(NamedTuple):
    """What covariates may act on: exp(effect · covariate) multiplies a rate, odds or a mean."""

    name: str  # "purchases", "dropout" or "spend"
    parameter: str  # the one through which it does
    power: int  # to which the factor multiplies the parameter: 1, or -1 for the scale of a rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histories:
    """Simulated customers, and the truth that data never show."""

    frequency: Array  # repeat purchases up to T, shape (n,)
    recency: Array  # first to last purchase, in time units, shape (n,)
    T: Array  # first purchase to the end of observation, in time units, shape (n,)
    alive: BoolArray  # whether she is still a customer at T, shape (n,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PurchaseModel:
    """How often customers buy, and when they leave unseen."""

    name: str  # its key in MODELS
    title: str  # as the papers call it
    Params: Callable[..., tuple[float, ...]]  # NamedTuple of the parameters, named as in the paper
    time_powers: tuple[int, ...]  # of each parameter: 1 if it is a time, -1 if it is a rate, 0 if it has no unit
    processes: tuple[Process, ...] = ()  # what covariates may act on
    is_discrete: bool  # whether times count opportunities, of which a customer takes one at most once
    is_memoryless: bool  # whether what a customer does who is alive at T does not depend on her recency
    k_values: tuple[int, ...] = ()  # whole values of its parameter k that a fit tries in this order; none without a k
    log_likelihood: Callable[..., Array]  # (params, frequency, recency, T) -> of each customer
    derivatives: Callable[..., Derivatives]  # (params, frequency, recency, T) -> log-likelihood by parameters, by row
    summed: Callable[..., Callable[..., Derivatives]] | None = (
        None  # (frequency, recency, T, counts) -> sum at params, if quicker than by rows
    )
    start: Callable[..., tuple[float, ...]]  # (frequency, recency, T, counts) -> Params to begin the search with
    diagnosis: Callable[..., str]  # (params) -> what it means that the search ended there
    limit: Callable[..., PurchaseModel | None]  # (params) -> the simpler model that it tends to there, if there is one
    probability_alive: Callable[..., Array]  # (params, frequency, recency, T)
    aged: Callable[..., Parameters] | None = (
        None  # (params, T) -> with which a new customer is like one alive at T, if that is so; else each is for herself
    )
    alive_of_many: Callable[..., Array | None] | None = None  # the same of all customers, where quicker than by rows
    survival_if_alive: Callable[
        ..., Array
    ]  # (params, horizon, frequency, recency, T) -> still a customer at T + horizon
    lifetime_if_alive: Callable[
        ..., Array
    ]  # (params, frequency, recency, T) -> expected time as a customer from T on; infinite if so
    discounted_lifetime_if_alive: Callable[..., Array] | None = (
        None  # (params, rate, frequency, recency, T) -> the same, discounted, where quicker than by its integral
    )
    expected_purchases: Callable[..., Array]  # (params, t) -> of a new customer up to t after her first purchase
    purchases_if_alive: Callable[
        ..., Array
    ]  # (params, horizon, frequency, recency, T) -> in (T, T + horizon], if alive
    conditional_expected_purchases: Callable[..., Array]  # (params, horizon, frequency, recency, T)
    mass_if_alive: Callable[
        ..., Array
    ]  # (params, count, horizon, frequency, recency, T) -> of `count` in (T, T + horizon]
    purchase_if_alive: Callable[..., Array]  # (params, horizon, frequency, recency, T) -> chance of at least one
    residual_purchases_if_alive: Callable[
        ..., Array
    ]  # (params, rate, start, stop, frequency, recency, T) -> discounted
    simulate: Callable[..., Histories]  # (params, T, rng)

    def __repr__(self) -> str:
        """Name of the record."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpendModel:
    """How much customers spend a purchase."""

    name: str  # its key in MODELS
    title: str  # as the papers call it
    Params: Callable[..., tuple[float, ...]]  # NamedTuple of the parameters, named as in the paper
    processes: tuple[Process, ...] = ()  # what covariates may act on
    log_likelihood: Callable[..., Array]  # (params, frequency, monetary_value) -> of each customer
    derivatives: Callable[..., Derivatives]  # (params, frequency, monetary_value) -> by parameters, by row
    summed: Callable[..., Callable[..., Derivatives]] | None = (
        None  # (frequency, monetary_value, counts) -> sum at params, if quicker than by rows
    )
    start: Callable[..., tuple[float, ...]]  # (frequency, monetary_value, counts) -> Params to begin the search with
    diagnosis: Callable[..., str]  # (params) -> what it means that the search ended there
    mean_exists_above: Callable[..., float]  # (params) -> the frequency above which a customer's mean spend exists
    expected_spend: Callable[..., Array]  # (params, frequency, monetary_value); plain arithmetic, so also on columns
    simulate: Callable[..., Array]  # (params, frequency, rng) -> monetary_value

    def __repr__(self) -> str:
        """Name of the record."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tenures:
    """Simulated contracts."""

    tenure: Array  # period in which she left, or periods that she was seen to stay, shape (n,)
    churned: BoolArray  # whether she left, shape (n,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RetentionModel:
    """In which contract period customers leave, seen when they do not renew."""

    name: str  # its key in MODELS
    title: str  # as the papers call it
    Params: Callable[..., tuple[float, ...]]  # NamedTuple of the parameters, named as in the paper
    log_likelihood: Callable[..., Array]  # (params, tenure, churned) -> of each customer
    derivatives: Callable[..., Derivatives]  # (params, tenure, churned) -> log-likelihood by parameters, by row
    summed: Callable[..., Callable[..., Derivatives]] | None = (
        None  # (tenure, churned, counts) -> sum at params, if quicker than by rows
    )
    start: Callable[..., tuple[float, ...]]  # (tenure, churned, counts) -> Params to begin the search with
    diagnosis: Callable[..., str]  # (params) -> what it means that the search ended there
    limit: Callable[..., RetentionModel | None]  # (params) -> the simpler model that it tends to there, if any
    log_survival: Callable[..., Array]  # (params, t) -> of the chance to stay through t periods
    log_leaving: Callable[..., Array]  # (params, t) -> of the chance to leave in period t = 1, 2, ...
    retention_rate: Callable[..., Array]  # (params, t) -> share of those there after t − 1 who stay through period t
    residual_lifetime: Callable[..., Array]  # (params, tenure, rate, stop) -> discounted periods that remain
    simulate: Callable[..., Tenures]  # (params, T, rng)

    def __repr__(self) -> str:
        """Name of the record."""
        return self.name
