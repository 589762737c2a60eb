"""What costing needs of the transactions: who bought when for the first time, where, and what came in."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.periods import period_number
from crmvalue._core.types import Frame
from crmvalue.data.transactions import Transactions, as_transactions


def month_of(column: str) -> nw.Expr:
    """Return the number of the month that a date lies in, 0 for January 1970, computed in the engine."""
    return period_number(column, "month")


def customers_won_and_kept(transactions: Transactions | Frame, first: Any, last: Any) -> tuple[float, float]:
    """Count the customers new in the months from `first` to `last`, and those who came back in them."""
    begin, end = (int(np.datetime64(month, "M").astype(np.int64)) for month in (first, last))
    rows = frames.open_frame(as_transactions(transactions).frame).filter(nw.col("amount") >= 0)
    rows = rows.select("customer_id", _crm_day=frames.day_number("date"), _crm_month=month_of("date"))
    rows = rows.with_columns(_crm_first=nw.col("_crm_day").min().over("customer_id"))
    month, late = nw.col("_crm_month"), nw.col("_crm_day") > nw.col("_crm_first")
    inside = (month >= begin) & (month <= end)
    rows = rows.with_columns(
        _crm_won=(inside & ~late).cast(nw.Int64),
        _crm_kept=(inside & late).cast(nw.Int64),
    )
    heads = rows.group_by("customer_id").agg(nw.col("_crm_won", "_crm_kept").max())
    found = frames.one_row(heads, won=nw.col("_crm_won").sum(), kept=nw.col("_crm_kept").sum())
    return float(found["won"] or 0), float(found["kept"] or 0)
