"""Raw rows become checked transactions, and every row that is left out is counted.

A row is a purchase, a line of one, or (with a negative amount) a refund. Nothing is lost silently:
rows in = rows out + the losses that the audit names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import Frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransactionAudit:
    """What became of each row; every loss is counted once, by the first rule that it breaks."""

    rows_in: int  # rows of the frame that was passed
    missing_customer: int  # left out: no customer id (null, NaN or empty text)
    missing_date: int  # left out: no date, or one that cannot be read
    invalid_amount: int  # left out: amount missing or infinite
    before_window: int  # left out: earlier than `start`
    after_window: int  # left out: later than `end`
    duplicates_dropped: int  # left out on request: equal in every column to an earlier row
    refunds_dropped: int  # left out on request: negative amounts
    rows_out: int  # rows of `Transactions.frame`
    duplicate_rows: int  # kept unless asked: rows of the input equal in every column to an earlier one
    negative_amounts: int  # rows out with an amount below 0
    zero_amounts: int  # rows out with amount 0; they count as purchases
    refund_only_customers: int  # customers with refunds alone: they are no customers in a summary
    first_day: np.datetime64  # earliest day among the rows out; NaT when there is none
    last_day: np.datetime64  # latest day among the rows out; NaT when there is none
    time_zone: str | None  # zone whose calendar days count; None when the dates have none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transactions:
    """Checked transactions in the engine that they came in."""

    frame: Frame  # customer_id, date, amount (float, in the currency of the input), then order_id and the kept columns
    audit: TransactionAudit
