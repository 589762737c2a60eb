"""Transactions cut at a date: a calibration period to learn from, and a holdout period to be judged by."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import DAYS_PER_UNIT, Day, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HoldoutSplit:
    """Two periods of the same customers."""

    calibration: CustomerSummary  # what was known at its observation_end
    holdout: Frame  # customer_id, holdout_purchases (purchase days), holdout_spend; zeros for those who never returned
    duration: float  # length of the holdout period, in time units of `calibration`
    observation_end: np.datetime64  # last day of the holdout period
    new_customers: int  # customers with a first purchase in the holdout period: in neither frame
    rows_after_end: int  # transactions after `observation_end`: in neither frame

    __repr__ = result_text
    _repr_html_ = result_html


def split_holdout(
    transactions: Transactions | Frame,
    *,
    calibration_end: Day,
    observation_end: Day | None = None,
    time_unit: TimeUnit = "day",
    log_gaps: bool = False,
) -> HoldoutSplit:
    """Summary up to a day, and what the same customers did after it.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with columns customer_id, date and amount.
    calibration_end : day
        Last day of the calibration period; the holdout period begins on the next day.
    observation_end : day, optional
        Last day of the holdout period; by default the last day in the transactions.
    time_unit : {"day", "week", "month", "year"}
        Unit of recency, T and `duration`.
    log_gaps : bool
        Whether the calibration summary gets the column log_gaps, for `BG_CNBD_K` and `MBG_CNBD_K`.

    Returns
    -------
    HoldoutSplit
        The calibration summary, a frame with one row for each of its customers, and what belongs to neither.

    Raises
    ------
    InputError
        If the holdout period is empty or nobody has bought before it.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "customer_id": [1, 2, 1, 3], "date": ["2024-01-01", "2024-01-02", "2024-02-05", "2024-02-06"],
    ...     "amount": [10.0, 20.0, 30.0, 40.0]
    ... })
    >>> split = split_holdout(rows, calibration_end="2024-01-31", observation_end="2024-02-28")
    >>> split.holdout
       customer_id  holdout_purchases  holdout_spend
    0            1                  1           30.0
    1            2                  0            0.0
    >>> split.duration, split.new_customers
    (28.0, 1)
    """
    transactions = as_transactions(transactions)
    cut = require_day("calibration_end", calibration_end)
    end = transactions.audit.last_day if observation_end is None else require_day("observation_end", observation_end)
    if end <= cut:
        raise InputError(
            f"observation_end: {end} leaves no holdout period after calibration_end {cut}. Pass a later day."
        )
    calibration = summarize_customers(transactions, observation_end=cut, time_unit=time_unit, log_gaps=log_gaps)
    rows = frames.open_frame(transactions.frame).select("customer_id", "date", "amount")
    rows = rows.with_columns(_crm_day=frames.day_number("date"))
    day, amount = nw.col("_crm_day"), nw.col("amount")
    later = rows.filter((day > int(cut.astype(np.int64))) & (day <= int(end.astype(np.int64))))

    spend = later.group_by("customer_id").agg(holdout_spend=amount.sum())
    days = later.filter(amount >= 0).select("customer_id", "_crm_day").unique()
    purchases = days.group_by("customer_id").agg(holdout_purchases=nw.len())
    known = frames.open_frame(calibration.frame).select("customer_id")
    holdout = frames.join(known, purchases, on="customer_id", how="left")
    holdout = frames.join(holdout, spend, on="customer_id", how="left").with_columns(
        nw.col("holdout_purchases").fill_null(0).cast(nw.Int64), nw.col("holdout_spend").fill_null(0.0)
    )
    return HoldoutSplit(
        calibration=calibration,
        holdout=frames.to_native(holdout),
        duration=float((end - cut).astype(np.int64)) / DAYS_PER_UNIT[time_unit],
        observation_end=end,
        new_customers=frames.count_rows(frames.join(purchases, known, on="customer_id", how="anti")),
        rows_after_end=frames.count_true(rows, {"after": day > int(end.astype(np.int64))})["after"],
    )
