"""Transactions become one row a customer: frequency, recency, T and monetary value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import Frame, TimeUnit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerSummary:
    """One row a customer, in the engine that the transactions came in.

    Columns of `frame`: customer_id; frequency (repeat purchase days); recency (first to last purchase, in time units);
    T (first purchase to observation_end, in time units); monetary_value (mean amount of a repeat day, missing when
    frequency is 0); purchases (purchase days); total_spend; first_purchase; last_purchase; days_since_last (days).
    """

    frame: Frame
    time_unit: TimeUnit  # unit of recency and T
    observation_end: np.datetime64  # last day that counts
