"""Whether a customer spends more or less than she did: one more column of the summary, to score her by."""

from __future__ import annotations

import dataclasses

import narwhals.stable.v2 as nw

from crmvalue._core.frames import column_names, day_number, open_frame, to_native
from crmvalue._core.types import Frame
from crmvalue.data.cohorts import day_as_number
from crmvalue.data.summary import CustomerSummary
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.segments.customers import join_customers


def add_trend(summary: CustomerSummary, transactions: Transactions | Frame, *, days: int = 90) -> CustomerSummary:
    r"""Return the summary with a column `trend`: spend in the last days against spend in the days before.

    Parameters
    ----------
    summary : CustomerSummary
        From `summarize_customers`; its `observation_end` is the last day that counts.
    transactions : Transactions or frame
        The transactions of which the summary was made.
    days : int
        Length of each of the two stretches of time, at least 1.

    Returns
    -------
    CustomerSummary
        The same customers with one more column: trend, from -1 (spent before, and not since) to 1 (the other way).

    Raises
    ------
    InputError
        If `summary` is no CustomerSummary or has a trend, or `days` is not a whole number of at least 1.

    Notes
    -----
    The trend is :math:`(a - b) / (|a| + |b|)`, a the amount less refunds in the last `days`, b in the `days` before;
    0 if both are 0. Score it with ``score_rfm(summary, also=["trend"])``.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmvalue.data.summary import summarize_customers
    >>> rows = pd.DataFrame({"customer_id": ["a", "a", "b"], "date": ["2024-01-10", "2024-02-20", "2024-01-15"],
    ...                      "amount": [10.0, 30.0, 50.0]})
    >>> summary = summarize_customers(rows, observation_end="2024-03-01")
    >>> add_trend(summary, rows, days=30).frame[["customer_id", "trend"]]
      customer_id  trend
    0           a    0.5
    1           b   -1.0
    """
    if not isinstance(summary, CustomerSummary):
        raise InputError(f"summary: got {type(summary).__name__}. Pass what summarize_customers returned.")
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise InputError(f"days: got {days!r}. Pass a whole number of at least 1.")
    customers = open_frame(summary.frame, argument="summary", needs=["customer_id"])
    there = column_names(customers)
    if "trend" in there:
        raise InputError("summary: it has a column 'trend' already. Pass the summary without it.")
    rows = open_frame(as_transactions(transactions).frame, argument="transactions")
    last, day, amount = day_as_number(summary.observation_end), nw.col("_crm_day"), nw.col("amount")
    dated = rows.select("customer_id", "amount", _crm_day=day_number("date"))
    late = dated.filter((day <= last) & (day > last - 2 * days)).with_columns(
        _crm_now=nw.when(day > last - days).then(amount).otherwise(0.0),
        _crm_then=nw.when(day > last - days).then(0.0).otherwise(amount),
    )
    now, then = nw.col("_crm_now"), nw.col("_crm_then")
    sums = late.group_by("customer_id").agg(now.sum(), then.sum())
    size = now.abs() + then.abs()
    known = join_customers(customers, sums, how="left", argument="transactions").with_columns(
        now.fill_null(0.0), then.fill_null(0.0)
    )
    moved = known.with_columns(_crm_size=size).with_columns(
        trend=nw.when(nw.col("_crm_size") > 0).then((now - then) / nw.col("_crm_size")).otherwise(0.0)
    )
    return dataclasses.replace(summary, frame=to_native(moved.select(*there, "trend")))
