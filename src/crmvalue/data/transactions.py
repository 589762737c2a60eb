"""Raw rows become checked transactions, and every row that is left out is counted.

A row is a purchase, a line of one, or (with a negative amount) a refund. Nothing is lost silently:
rows in = rows out + the losses that the audit names.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_option, rows_message
from crmvalue._core.columns import read_dates, read_numbers, refuse_mixed_ids
from crmvalue._core.frames import AnyFrame
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Day, Frame
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LOSSES = (
    "duplicates_dropped",
    "missing_customer",
    "missing_date",
    "invalid_amount",
    "before_window",
    "after_window",
    "refunds_dropped",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransactionAudit:
    """What became of each row: rows_in = rows_out + the losses, each counted once, by the first rule it breaks."""

    rows_in: int  # rows of the frame that was passed
    duplicates_dropped: int  # left out on request: equal in every column to an earlier row
    missing_customer: int  # left out: no customer id (null, NaN or empty text)
    missing_date: int  # left out: no date, or one that cannot be read
    invalid_amount: int  # left out: amount missing or infinite
    before_window: int  # left out: earlier than `start`
    after_window: int  # left out: later than `end`
    refunds_dropped: int  # left out on request: refunds
    rows_out: int  # rows of `Transactions.frame`
    duplicate_rows: int  # kept unless asked: rows of the input equal in every column to another one before them
    negative_amounts: int  # rows out with an amount below 0
    zero_amounts: int  # rows out with amount 0; they count as purchases
    refund_only_customers: int  # customers with refunds alone: they are no customers in a summary
    largest_amount: float  # largest amount among the rows out, without its sign
    first_day: np.datetime64  # earliest day among the rows out
    last_day: np.datetime64  # latest day among the rows out
    time_zone: str | None  # zone whose calendar days count; None when the dates have none

    __repr__ = result_text
    _repr_html_ = result_html

    @property
    def rows_lost(self) -> int:
        """Rows that were left out, for any reason."""
        return sum(getattr(self, name) for name in LOSSES)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a rule: its name and the number of rows (or customers) that it concerns."""
        import pandas as pd

        counted = [field.name for field in fields(self) if field.type == "int"]
        return pd.DataFrame({"rule": counted, "rows": [getattr(self, name) for name in counted]})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transactions:
    """Checked transactions, in the engine that they came in.

    Dates keep the time of day, if the input has it: ``date <= "2011-06-09"`` leaves that day out but for its midnight.
    """

    frame: Frame  # customer_id, date, amount (float, currency of the input), then order_id and the kept columns
    audit: TransactionAudit

    __repr__ = result_text
    _repr_html_ = result_html


def prepare_transactions(
    frame: Frame,
    *,
    customer_id: str = "customer_id",
    date: str = "date",
    amount: str = "amount",
    order_id: str | None = None,
    keep: Sequence[str] = (),
    refunds: Literal["net", "drop", "raise"] = "net",
    duplicates: Literal["keep", "drop"] = "keep",
    start: Day | None = None,
    end: Day | None = None,
) -> Transactions:
    """Check raw rows, leave out those that cannot be used, and count each of them.

    Parameters
    ----------
    frame : frame of any engine
        One row a purchase or an order line, in any order.
    customer_id, date, amount : str
        Columns that hold the customer, the day of purchase (dates, times, or ISO text such as 2011-12-31) and the
        amount in one currency. Times with a time zone count by the calendar of that zone.
    order_id : str, optional
        Column that names the order; a negative line of an order with a positive total is a discount, not a refund.
    keep : sequence of str
        Further columns to carry along.
    refunds : {"net", "drop", "raise"}
        What negative amounts do. "net": they lower the customer's spend, and a day with refunds alone is no purchase.
        "drop": they are left out and counted. "raise": they are an error.
    duplicates : {"keep", "drop"}
        Whether rows that equal an earlier row in every column of the input stay. They are counted either way.
    start, end : day, optional
        First and last day that count.

    Returns
    -------
    Transactions
        `frame` in the engine of the input, and `audit`.

    Raises
    ------
    InputError
        If a column is missing or holds what it should not, an option is unknown, or no row is left.

    Notes
    -----
    An amount of 0 is a purchase, as in the published data on which lifetime models are tested. A lazy frame is counted
    in its own engine, in about five passes: cache a Spark frame that is costly to compute first.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "client": ["ann", "ann", None], "day": ["2024-01-05", "2024-02-30", "2024-02-01"], "paid": [10.0, 5.0, 7.0]
    ... })
    >>> prepared = prepare_transactions(rows, customer_id="client", date="day", amount="paid")
    >>> prepared.frame
      customer_id       date  amount
    0         ann 2024-01-05    10.0
    >>> audit = prepared.audit
    >>> audit.rows_in, audit.missing_customer, audit.missing_date, audit.rows_out
    (3, 1, 1, 1)
    """
    require_option("refunds", refunds, ("net", "drop", "raise"))
    require_option("duplicates", duplicates, ("keep", "drop"))
    window = (None if start is None else require_day("start", start), None if end is None else require_day("end", end))
    names = {customer_id: "customer_id", date: "date", amount: "amount"} | ({order_id: "order_id"} if order_id else {})
    keep = [keep] if isinstance(keep, str) else list(keep)
    require_distinct_columns((customer_id, date, amount, *([order_id] if order_id else [])), keep)

    raw = frames.open_frame(frame, needs=[*names, *keep])
    rows_in = frames.count_rows(raw)
    if rows_in == 0:
        raise InputError("frame: it has no rows. Pass at least one transaction.")
    duplicate_rows = rows_in - frames.count_distinct_rows(raw)
    if duplicates == "drop" and duplicate_rows:
        raw = raw.unique(keep="first", maintain_order=True) if isinstance(raw, nw.DataFrame) else raw.unique()
    rows = raw.select(*(nw.col(old).alias(new) for old, new in names.items()), *keep)
    rows, time_zone = read_dates(rows, "date", argument=date)
    rows = read_numbers(rows, "amount", argument=amount)
    refuse_mixed_ids(rows, "customer_id", argument=customer_id)

    rows, lost = drop_unusable(rows)
    rows, outside = drop_outside(rows, *window)
    rows, refunds_dropped = treat_refunds(rows, refunds, amount)
    dropped = duplicate_rows if duplicates == "drop" else 0
    losses = {**lost, **outside, "refunds_dropped": refunds_dropped, "duplicates_dropped": dropped}
    rows_out = rows_in - sum(losses.values())
    if rows_out == 0:
        said = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in losses.items() if count)
        raise InputError(f"frame: none of {rows_in:,} rows can be used ({said}). Dates must be dates or ISO text.")
    counts = {**losses, "rows_in": rows_in, "rows_out": rows_out, "duplicate_rows": duplicate_rows}
    audit = TransactionAudit(time_zone=time_zone, **counts, **describe(rows))  # type: ignore[arg-type]
    return Transactions(frame=frames.to_native(rows), audit=audit)


def as_transactions(transactions: Transactions | Frame) -> Transactions:
    """Return transactions as they are; check a plain frame that has the standard column names."""
    return transactions if isinstance(transactions, Transactions) else prepare_transactions(transactions)


def require_distinct_columns(ours: Sequence[str], keep: Sequence[str]) -> None:
    """Raise InputError if one column is to serve twice, or a kept one has a name of ours."""
    if len(set(ours)) < len(ours):
        raise InputError(f"customer_id, date, amount, order_id: {list(ours)} names a column twice. Name each once.")
    for name in keep:
        if name in ("customer_id", "date", "amount", "order_id"):
            raise InputError(f"keep: {name!r} is the name of a column of the result. Rename it first.")
    if len(set(keep)) < len(keep):
        raise InputError("keep: a column is named twice. Name each once.")


def drop_unusable(rows: AnyFrame) -> tuple[AnyFrame, dict[str, int]]:
    """Leave out rows without customer, date or amount; count each by the first that is missing."""
    kind = rows.collect_schema()["customer_id"]
    customer = nw.col("customer_id")
    known = ~customer.is_null()
    if kind.is_float():
        known = known & ~customer.is_nan().fill_null(True)
    elif kind == nw.String:
        known = known & (customer != "").fill_null(False)
    dated = ~nw.col("date").is_null()
    valued = nw.col("amount").is_finite().fill_null(False) & ~nw.col("amount").is_null()
    count = {"missing_customer": ~known, "missing_date": known & ~dated, "invalid_amount": known & dated & ~valued}
    lost = frames.count_true(rows, count)
    if any(lost.values()):
        rows = rows.filter(known & dated & valued)
    return rows, lost


def drop_outside(
    rows: AnyFrame, start: np.datetime64 | None, end: np.datetime64 | None
) -> tuple[AnyFrame, dict[str, int]]:
    """Leave out and count the rows before the first and after the last day that count."""
    lost = {"before_window": 0, "after_window": 0}
    if start is None and end is None:
        return rows, lost
    day = frames.day_number("date")
    early = nw.lit(False) if start is None else day < int(start.astype(np.int64))
    late = nw.lit(False) if end is None else day > int(end.astype(np.int64))
    rows = rows.with_columns(_crm_early=early, _crm_late=late)
    lost = frames.count_true(rows, {"before_window": nw.col("_crm_early"), "after_window": nw.col("_crm_late")})
    return rows.filter(~nw.col("_crm_early") & ~nw.col("_crm_late")).drop("_crm_early", "_crm_late"), lost


def treat_refunds(rows: AnyFrame, refunds: str, argument: str) -> tuple[AnyFrame, int]:
    """Leave out and count refunds, or refuse them; "net" leaves the rows as they are."""
    if refunds == "net":
        return rows, 0
    is_refund = nw.col("amount") < 0
    if "order_id" in frames.column_names(rows):
        order = nw.when(~nw.col("order_id").is_null()).then(nw.col("amount").sum().over("order_id"))
        rows = rows.with_columns(_crm_order=order).with_columns(nw.col("_crm_order").fill_null(-1.0))
        is_refund = is_refund & (nw.col("_crm_order") < 0)
    rows = rows.with_columns(_crm_refund=is_refund)
    refund = nw.col("_crm_refund")
    found = frames.count_true(rows, {"refunds": refund})["refunds"]
    if found and refunds == "raise":
        labels = frames.first_values(rows.filter(refund), "customer_id")
        remedy = 'Pass refunds="net" or refunds="drop", or mend these rows.'
        total = frames.count_rows(rows)
        raise InputError(rows_message(argument, "refunds", found, total, labels, remedy, label="customer"))
    rows = rows.filter(~refund) if found else rows
    return rows.drop(*(name for name in frames.column_names(rows) if name.startswith("_crm_"))), found


def describe(rows: AnyFrame) -> dict[str, Any]:
    """Count and measure what the audit says of the rows that stay."""
    amount = nw.col("amount")
    seen = frames.one_row(
        rows,
        negative_amounts=(amount < 0).cast(nw.Int64).sum(),
        zero_amounts=(amount == 0).cast(nw.Int64).sum(),
        largest_amount=amount.abs().max(),
        first_day=nw.col("date").min(),
        last_day=nw.col("date").max(),
    )
    alone = 0
    if seen["negative_amounts"]:
        refunded = rows.filter(amount < 0).select("customer_id").unique()
        buyers = rows.filter(amount >= 0).select("customer_id").unique()
        alone = frames.count_rows(frames.join(refunded, buyers, on="customer_id", how="anti"))
    return {
        "negative_amounts": int(seen["negative_amounts"]),
        "zero_amounts": int(seen["zero_amounts"]),
        "largest_amount": float(seen["largest_amount"] or 0.0),
        "refund_only_customers": alone,
        "first_day": to_day(seen["first_day"]),
        "last_day": to_day(seen["last_day"]),
    }


def to_day(value: dt.date | None) -> np.datetime64:
    """Return a Python date or time as a day."""
    if value is None:
        return np.datetime64("NaT", "D")
    return np.datetime64(value.date() if isinstance(value, dt.datetime) else value, "D")
