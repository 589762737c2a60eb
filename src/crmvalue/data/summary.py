"""Transactions become one row a customer: frequency, recency, T and monetary value.

Purchases on the same calendar day are one. Eager frames are summarised by sorting one packed integer of customer and
day, never the rows; lazy frames by two aggregations in their own engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_time_unit
from crmvalue._core.frames import AnyFrame
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import DAYS_PER_UNIT, AnyArray, Array, BoolArray, Day, Frame, IntArray, TimeUnit
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError

SUMMARY_COLUMNS = (
    "customer_id",
    "frequency",
    "recency",
    "T",
    "monetary_value",
    "purchases",
    "total_spend",
    "first_purchase",
    "last_purchase",
    "days_since_last",
)
EXACT_DIFFERENCE = 1e9  # below this amount, a sum less one of its parts keeps all cents in a float64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerSummary:
    """One row a customer, in the engine that the transactions came in.

    Columns of `frame`: customer_id; frequency (repeat purchase days); recency (first to last purchase, in time units);
    T (first purchase to observation_end, in time units); monetary_value (mean amount of a repeat day, missing when
    frequency is 0); purchases (purchase days); total_spend; first_purchase; last_purchase; days_since_last (days); and
    if it was asked for, log_gaps (sum over the repeat days of the logarithm of the time since the purchase day before).
    """

    frame: Frame
    time_unit: TimeUnit  # unit of recency and T
    observation_end: np.datetime64  # last day that counts

    __repr__ = result_text
    _repr_html_ = result_html


def summarize_customers(
    transactions: Transactions | Frame,
    *,
    observation_end: Day | None = None,
    time_unit: TimeUnit = "day",
    log_gaps: bool = False,
) -> CustomerSummary:
    """One row a customer: how often, how recently, how long and how much she has bought.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with columns customer_id, date and amount.
    observation_end : day, optional
        Last day that counts; a purchase after it does not. By default the last day in the transactions.
    time_unit : {"day", "week", "month", "year"}
        Unit of recency and T; a month is 30.4375 days and a year 365.25 days.
    log_gaps : bool
        Whether to add the column log_gaps, which tells `BG_CNBD_K` and `MBG_CNBD_K` how regularly customers buy: the
        sum of the logarithms of the times between purchases, in `time_unit`; 0 for a customer with one purchase.

    Returns
    -------
    CustomerSummary
        A frame with one row a customer, in the engine of the input (in no promised order), the time unit and
        observation_end.

    Raises
    ------
    InputError
        If no customer has bought by `observation_end`, or the time unit is unknown.

    Notes
    -----
    Purchases on the same calendar day count as one. frequency is the number of distinct purchase days less one;
    monetary_value is the mean daily amount over the repeat days. A refund (a negative amount) lowers total_spend, and
    monetary_value when it falls after the first purchase day; a day with refunds alone is no purchase day, and a
    customer with refunds alone is no customer.

    References
    ----------
    Fader, Hardie & Lee (2005) "RFM and CLV: Using iso-value curves for customer base analysis",
    Journal of Marketing Research 42(4), https://doi.org/10.1509/jmkr.2005.42.4.415

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "customer_id": [7, 7, 7, 8], "date": ["2024-01-01", "2024-01-08", "2024-01-08", "2024-01-15"],
    ...     "amount": [10.0, 5.0, 15.0, 30.0]
    ... })
    >>> summary = summarize_customers(rows, observation_end="2024-01-29", time_unit="week")
    >>> summary.frame[["customer_id", "frequency", "recency", "T", "monetary_value", "total_spend"]]
       customer_id  frequency  recency    T  monetary_value  total_spend
    0            7          1      1.0  4.0            20.0         30.0
    1            8          0      0.0  2.0             NaN         30.0
    """
    require_time_unit(time_unit)
    transactions = as_transactions(transactions)
    end = transactions.audit.last_day if observation_end is None else require_day("observation_end", observation_end)
    audit = transactions.audit
    if end < audit.first_day:
        remedy = "Pass a day on which there already are customers."
        raise InputError(f"observation_end: {end} is before the first purchase ({audit.first_day}). {remedy}")
    if audit.negative_amounts == audit.rows_out:
        raise InputError(f"transactions: all {audit.rows_out:,} rows are refunds. Pass purchases too.")
    rows = frames.open_frame(transactions.frame).select("customer_id", "date", "amount")
    if isinstance(rows, nw.DataFrame):
        frame = summarize_eager(rows, end, time_unit, log_gaps=log_gaps)
    else:
        frame = summarize_lazy(rows, transactions, end, time_unit, log_gaps=log_gaps)
    return CustomerSummary(frame=frame, time_unit=time_unit, observation_end=end)


def summarize_eager(rows: nw.DataFrame[Any], end: np.datetime64, time_unit: TimeUnit, *, log_gaps: bool) -> Frame:
    """Summarise a frame in memory through arrays."""
    code, decode = frames.customer_codes(rows.get_column("customer_id"))
    day = frames.series_to_days(rows.get_column("date"))
    amount = frames.series_to_array(rows.get_column("amount"))
    last_day = int(end.astype(np.int64))
    if len(day) and int(day.max()) > last_day:
        counts = day <= last_day
        code, day, amount = code[counts], day[counts], amount[counts]
    present, numbers = summarize_arrays(code, day, amount, last_day, DAYS_PER_UNIT[time_unit], log_gaps=log_gaps)
    if not len(present):
        raise InputError(f"observation_end: nobody has bought by {end}; there are refunds alone. Pass a later day.")
    return frames.like({"customer_id": decode(present), **numbers}, rows)


def summarize_arrays(
    code: IntArray, day: IntArray, amount: Array, last_day: int, days_per_unit: float, *, log_gaps: bool = False
) -> tuple[IntArray, dict[str, AnyArray]]:
    """Codes of the customers who have bought, ascending, and their columns; customers are coded from 0."""
    first_day = int(day.min()) if len(day) else 0
    bits = max(int(last_day - first_day).bit_length(), 1)
    key = code << bits
    key += day
    key -= first_day
    if len(amount) and amount.min() < 0:
        key = key[amount >= 0]
    key.sort()
    key = key[begins_run(key)]  # one for each purchase day of a customer
    customer = key >> bits
    starts = np.flatnonzero(begins_run(customer))
    purchases = np.diff(starts, append=len(key))
    present = customer[starts]
    del customer
    mask = (1 << bits) - 1
    first = (key[starts] & mask) + first_day
    last = (key[starts + purchases - 1] & mask) + first_day
    gaps = {"log_gaps": log_gaps_of(key, starts, days_per_unit)} if log_gaps else {}
    del key, starts

    n_codes = int(code.max()) + 1 if len(code) else 0
    total_spend = np.bincount(code, weights=amount, minlength=n_codes)[present]
    first_of_code = np.full(n_codes, last_day, dtype=np.int32)
    first_of_code[present] = first
    repeat_amount = amount * (day > first_of_code[code])
    repeat_spend = np.bincount(code, weights=repeat_amount, minlength=n_codes)[present]
    del repeat_amount, first_of_code
    frequency = purchases - 1
    monetary_value = np.full(len(present), np.nan)
    np.divide(repeat_spend, frequency, out=monetary_value, where=frequency > 0)
    return present, {
        "frequency": frequency,
        "recency": (last - first) / days_per_unit,
        "T": (last_day - first) / days_per_unit,
        "monetary_value": monetary_value,
        "purchases": purchases,
        "total_spend": total_spend,
        "first_purchase": first.view("datetime64[D]"),
        "last_purchase": last.view("datetime64[D]"),
        "days_since_last": last_day - last,
        **gaps,
    }


def log_gaps_of(key: IntArray, starts: IntArray, days_per_unit: float) -> Array:
    """Sum of the logarithms of the times between the days of each customer; the keys of one begin at each start."""
    logs = np.log(np.diff(key, prepend=key[:1] - 1) / days_per_unit)
    logs[starts] = 0.0
    return np.asarray(np.add.reduceat(logs, starts)) if len(starts) else np.empty(0)


def begins_run(values: IntArray) -> BoolArray:
    """Whether each of the sorted values differs from the one before it."""
    begins = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    return begins


def summarize_lazy(
    rows: nw.LazyFrame[Any], transactions: Transactions, end: np.datetime64, time_unit: TimeUnit, *, log_gaps: bool
) -> Frame:
    """Describe the summary to a lazy engine: days of a customer first, then customers."""
    audit = transactions.audit
    days, day, amount = in_days(rows, audit.last_day, end), nw.col("_crm_day"), nw.col("amount")
    bought = days.filter(amount >= 0) if audit.negative_amounts else days
    bought = bought.group_by("customer_id", "_crm_day").agg(amount.sum())
    aggregates = {
        "purchases": nw.len().cast(nw.Int64),
        "first_purchase": day.min(),
        "last_purchase": day.max(),
        "total_spend": amount.sum(),
    }
    if log_gaps:
        bought = with_log_gap(bought, DAYS_PER_UNIT[time_unit])
        aggregates["log_gaps"] = nw.col("_crm_gap").sum()
    if frames.is_spark(rows) or audit.largest_amount > EXACT_DIFFERENCE:
        first = day.min().over("customer_id")
        bought = bought.with_columns(_crm_first=first).with_columns(
            _crm_repeat=nw.when(day > nw.col("_crm_first")).then(amount).otherwise(0.0)
        )
        customers = bought.group_by("customer_id").agg(**aggregates, _crm_repeat=nw.col("_crm_repeat").sum())
    else:
        customers = bought.group_by("customer_id").agg(
            **aggregates, _crm_first=frames.value_at_first("amount", "_crm_day")
        )
        customers = customers.with_columns(_crm_repeat=nw.col("total_spend") - nw.col("_crm_first"))
    if audit.negative_amounts:
        customers = net_refunds(customers, days.filter(amount < 0))

    first, last = (frames.date_number(customers, name) for name in ("first_purchase", "last_purchase"))
    last_day, per_unit, frequency = int(end.astype(np.int64)), DAYS_PER_UNIT[time_unit], nw.col("purchases") - 1
    customers = customers.with_columns(
        frequency=frequency,
        recency=(last - first).cast(nw.Float64) / per_unit,
        T=(last_day - first).cast(nw.Float64) / per_unit,
        monetary_value=nw.when(frequency > 0).then(nw.col("_crm_repeat") / frequency),
        days_since_last=last_day - last,
    )
    return frames.to_native(customers.select(*SUMMARY_COLUMNS, *(["log_gaps"] if log_gaps else [])))


def with_log_gap(days: AnyFrame, per_unit: float) -> AnyFrame:
    """Return the days of customers with the logarithm of the time since the day before, 0 for the first."""
    days = days.with_columns(_crm_number=frames.date_number(days, "_crm_day"))
    before = nw.col("_crm_number").shift(1).over("customer_id", order_by="_crm_day")
    gap = (nw.col("_crm_number") - nw.col("_crm_before")).cast(nw.Float64) / per_unit
    days = days.with_columns(_crm_before=before).with_columns(_crm_gap=gap.log())
    return days.with_columns(_crm_gap=nw.col("_crm_gap").fill_null(0.0))


def in_days(rows: AnyFrame, last_day: np.datetime64, end: np.datetime64) -> AnyFrame:
    """Return the rows up to `end`, with their calendar day as a date in `_crm_day`."""
    dated = isinstance(rows.collect_schema()["date"], nw.Date)
    rows = rows.with_columns(_crm_day=nw.col("date") if dated else nw.col("date").dt.date())
    return rows.filter(nw.col("_crm_day") <= nw.lit(end.item())) if end < last_day else rows


def net_refunds(customers: AnyFrame, refunds: AnyFrame) -> AnyFrame:
    """Lower spend by the refunds of each customer; repeat spend by those after her first purchase day."""
    first = customers.select("customer_id", "first_purchase")
    refunds = frames.join(refunds, first, on="customer_id", how="inner").with_columns(
        _crm_late=nw.when(nw.col("_crm_day") > nw.col("first_purchase")).then(nw.col("amount")).otherwise(0.0)
    )
    refunds = refunds.group_by("customer_id").agg(_crm_all=nw.col("amount").sum(), _crm_late=nw.col("_crm_late").sum())
    netted = frames.join(customers, refunds, on="customer_id", how="left")
    return netted.with_columns(
        total_spend=nw.col("total_spend") + nw.col("_crm_all").fill_null(0.0),
        _crm_repeat=nw.col("_crm_repeat") + nw.col("_crm_late").fill_null(0.0),
    )
