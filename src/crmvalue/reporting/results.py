"""What the reader of a report may choose, and results that only a report needs; `Missing` is one that there is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import AnyArray, Array, Day, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What the reader of a report may choose."""

    customer_id: str = "customer_id"  # column of the orders
    date: str = "date"  # column of the orders
    amount: str = "amount"  # column of the orders
    order_id: str | None = None  # column of the orders
    margin: float = 0.3  # share of the revenue kept after cost of goods, 0 to 1
    discount_rate: float = 0.1  # cost of capital a year
    inactive_after: int = 180  # days of silence after which a customer counts as gone
    observation_end: Day | None = None  # last day that counts; by default the last day of the orders
    currency: str = ""  # sign or code
    title: str = "What our customers are worth"
    notices: tuple[str, ...] = ()  # what must be known before anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A result that there is not, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interval:
    """Where a number lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HoldoutCheck:
    """What the model, fitted to the first two thirds of the time, expected of the last third, and what came."""

    calibration_end: np.datetime64  # last day that the model saw
    observation_end: np.datetime64  # last day of the months held back
    n_customers: int  # customers of the calibration period
    frequency: IntArray  # repeat purchases before: 0, 1, ...; the last group holds all from there on
    customers: IntArray  # customers in each group
    actual: Array  # repeat purchase days held back, in each group
    expected: Array  # the same, expected by the model

    @property
    def error(self) -> float:
        """Expected less actual purchases, as a share of the actual ones; NaN if there were none."""
        counted = float(self.actual.sum())
        return float(self.expected.sum()) / counted - 1 if counted > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueBySegment:
    """What the customers of each segment are expected to bring; arrays of shape (n_segments,)."""

    segment: AnyArray  # names, in the order of the rules
    customers: IntArray
    value: Array  # sum of the expected value, in currency
    purchases: Array  # sum of the expected purchases


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepeatersAlive:
    """Probability to be still a customer, of each customer with a repeat purchase."""

    probability: Array  # shape (n,)
    n_without_repeat: int  # customers left out: BG/NBD has them alive for sure, which says nothing
