"""A customer base in numbers: how many there are, how many stay, and what they buy in a period."""

from __future__ import annotations

import math
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_time_unit
from crmvalue._core.frames import AnyFrame
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import DAYS_PER_UNIT, Day, Frame, TimeUnit
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerBase:
    """A customer base in numbers of one period: measured by `measure_base`, or given."""

    customers: float  # customers who bought in the period
    new_customers: float  # of them those who bought for the first time
    retention_rate: float  # share of the customers of the period before who bought again, 0 to below 1
    purchases: float  # purchases per customer and period
    spend: float  # revenue per purchase
    time_unit: TimeUnit  # length of the period
    customers_before: float = math.nan  # customers of the period before, on whom the retention rate rests
    observation_end: np.datetime64 | None = None  # last day of the period; None if not measured

    __repr__ = result_text
    _repr_html_ = to_html = result_html


def measure_base(
    transactions: Transactions | Frame, *, time_unit: TimeUnit = "year", observation_end: Day | None = None
) -> CustomerBase:
    """Measure customers, retention, purchases and spend of the last period from transactions.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with columns customer_id, date and amount.
    time_unit : {"week", "month", "year"}
        Length of the period: 7, 30 or 365 days up to `observation_end`. Choose one in which a customer should buy.
    observation_end : day, optional
        Last day of the period. By default the last day in the transactions.

    Returns
    -------
    CustomerBase
        The numbers of the period.

    Raises
    ------
    InputError
        If the transactions do not cover two periods, or nobody bought in one of them.

    Notes
    -----
    The retention rate is the share of those who bought in the period before that bought again in this one. Purchases on
    the same day are one. Refunds lower the spend; a day with refunds alone is no purchase.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "customer_id": [1, 2, 1, 1, 3], "amount": [5.0, 5.0, 20.0, 30.0, 10.0],
    ...     "date": ["2022-01-01", "2022-12-01", "2023-03-01", "2023-06-01", "2023-12-31"]
    ... })
    >>> base = measure_base(rows)  # of customers 1 and 2 in 2022, 1 stayed in 2023; 3 is new
    >>> base.customers, base.new_customers, base.retention_rate, base.purchases, base.spend
    (2.0, 1.0, 0.5, 1.5, 20.0)
    """
    require_time_unit(time_unit)
    checked = as_transactions(transactions)
    end = checked.audit.last_day if observation_end is None else require_day("observation_end", observation_end)
    length, last = int(DAYS_PER_UNIT[time_unit]), int(end.astype(np.int64))
    if int(checked.audit.first_day.astype(np.int64)) > last - 2 * length + 1:
        raise InputError(
            f"observation_end: the transactions begin on {checked.audit.first_day}; two periods of {length} days up to "
            f"{end} are not covered. Pass a shorter time_unit or more history."
        )
    found = counts_of(frames.open_frame(checked.frame), last, length)
    for name, what in (("before", "the period before the last"), ("now", "the last period")):
        if not found[name]:
            raise InputError(f"transactions: nobody bought in {what} up to {end}. Pass another observation_end.")
    return CustomerBase(
        customers=found["now"],
        new_customers=found["new"],
        retention_rate=found["kept"] / found["before"],
        purchases=found["purchases"] / found["now"],
        spend=found["revenue"] / found["purchases"],
        time_unit=time_unit,
        customers_before=found["before"],
        observation_end=end,
    )


def counts_of(rows: AnyFrame, last: int, length: int) -> dict[str, float]:
    """Count customers, purchases and revenue in the last period and the one before, in the engine."""
    rows = rows.select("customer_id", "amount", _crm_day=frames.day_number("date"))
    day, amount = nw.col("_crm_day"), nw.col("amount")
    rows = rows.filter(day <= last).with_columns(
        _crm_bought=(amount >= 0).cast(nw.Int64), _crm_in=((day > last - length).cast(nw.Float64) * amount)
    )
    days = rows.group_by("customer_id", "_crm_day").agg(nw.col("_crm_bought").max(), nw.col("_crm_in").sum())
    bought, in_last = nw.col("_crm_bought"), (day > last - length).cast(nw.Int64)
    in_before = (day <= last - length).cast(nw.Int64) * (day > last - 2 * length).cast(nw.Int64)
    days = days.with_columns(
        _crm_now=bought * in_last, _crm_before=bought * in_before, _crm_past=bought * (1 - in_last)
    )
    sums = ("_crm_now", "_crm_before", "_crm_past", "_crm_in")
    each = days.group_by("customer_id").agg(*(nw.col(name).sum() for name in sums))
    each = each.with_columns(**{name: (nw.col(name) > 0).cast(nw.Int64) for name in sums[1:3]}).with_columns(
        _crm_is=(nw.col("_crm_now") > 0).cast(nw.Int64)
    )
    now = nw.col("_crm_is")
    found = frames.one_row(
        each,
        now=now.sum(),
        before=nw.col("_crm_before").sum(),
        kept=(now * nw.col("_crm_before")).sum(),
        new=(now * (1 - nw.col("_crm_past"))).sum(),
        purchases=nw.col("_crm_now").sum(),
        revenue=nw.col("_crm_in").sum(),
    )
    return {name: float(value or 0) for name, value in found.items()}
