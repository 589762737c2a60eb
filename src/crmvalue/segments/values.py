"""Customers by value: opened and checked, and their distinct values, counted where the customers are."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame, open_frame
from crmvalue._core.types import Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, open_customers
from crmvalue.segments.points import SPEND_DECIMALS


def open_values(customers: CustomerSummary | Frame, column: str) -> tuple[AnyFrame, Array]:
    """Return the frame with id and value, and the values of a frame in memory; those of a lazy one stay there."""
    if isinstance(customers, CustomerSummary):
        frame = open_frame(customers.frame, argument="customers", needs=["customer_id", column])
    else:
        frame = open_customers(customers, argument="customers", needs=[column])
    if column == "customer_id":
        raise InputError("column: 'customer_id' is no value. Name the column of revenue or profit.")
    frame = frame.select("customer_id", column)
    arrays = check_numbers(frame, [column], argument="customers")
    return frame, np.round(arrays.get(column, np.zeros(0)), SPEND_DECIMALS) + 0.0  # no minus zero


def counted(values: Array) -> tuple[Array, IntArray]:
    """Return the distinct values, rising, and how many customers have each."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, counts.astype(np.int64)


def counted_in_engine(frame: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    """Distinct values of a lazy frame, `_crm_value`, and how many customers have each, `_crm_n`."""
    groups = frame.select(_crm_value=as_number(column).round(SPEND_DECIMALS)).group_by("_crm_value")
    return groups.agg(_crm_n=nw.len()).with_columns(nw.col("_crm_n").cast(nw.Int64))
