"""What groups of sales bring, by columns of the transactions; and profiles as cross-tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_columns, require_option
from crmvalue._core.frames import AnyFrame, column_names, day_number, like, open_frame, to_arrays
from crmvalue._core.periods import PERIODS, first_days, period_number
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Frame, Period
from crmvalue.data.transactions import Transactions, prepare_transactions
from crmvalue.errors import InputError
from crmvalue.segments.customers import join_customers
from crmvalue.segments.groups import ADDITIVE, check_groups, level_names, levels_of, places_of, sorted_by
from crmvalue.segments.profiles import SegmentProfile
from crmvalue.segments.rules import Segments


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SalesProfile:
    """One row a group of sales, in the engine of the transactions.

    Columns of `frame`: the columns of `by`; customers (with a purchase in the group); customer_share (of all customers;
    a customer may be in several groups, so these need not add up to 1); orders (purchase days of a customer in the
    group); revenue (amounts less refunds); revenue_share (of all revenue; missing unless that is above 0).
    """

    frame: Frame
    n_customers: int  # customers with a purchase in any group
    total_revenue: float  # in the currency of the transactions
    by: tuple[str, ...]  # columns that make the groups
    levels: tuple[tuple[Any, ...], ...]  # groups of each of these columns, in order; a missing one is last

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def sales_profile(
    transactions: Transactions | Frame,
    *,
    by: str | Sequence[str],
    segments: Segments | None = None,
    period: Period | None = None,
) -> SalesProfile:
    """Count customers, orders and revenue by columns of the transactions, by period, and by segment of the customer.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned (with `keep=` for further columns), or a frame with the columns
        customer_id, date and amount.
    by : str or sequence of str
        Columns that make the groups, such as "category"; "segment" needs `segments`, "period" needs `period`.
    segments : Segments, optional
        From `segment_customers`, in the same engine; customers whom they do not hold have a missing segment.
    period : {"week", "month", "quarter", "year"}, optional
        Length of the periods by which the column "period" (first day) groups the dates.

    Returns
    -------
    SalesProfile
        One row a group that there is, sorted.

    Raises
    ------
    InputError
        If a column is missing, or an option is unknown.

    Notes
    -----
    Revenue adds up to all amounts. A customer who bought in several groups is counted in each of them, and once in
    `n_customers`.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": [1, 1, 2], "date": ["2024-01-05", "2024-02-01", "2024-02-07"],
    ...                      "amount": [10.0, 30.0, 60.0], "category": ["tea", "pots", "tea"]})
    >>> profile = sales_profile(rows, by="category")
    >>> profile.frame
      category  customers  customer_share  orders  revenue  revenue_share
    0     pots          1             0.5       1     30.0            0.3
    1      tea          2             1.0       2     70.0            0.7
    >>> profile.n_customers
    2
    """
    groups = check_groups(by)
    if period is not None:
        require_option("period", period, PERIODS)
    elif "period" in groups:
        raise InputError("by: 'period' needs its length. Pass period='month', or another.")
    frame = open_sales(transactions, groups, segments, period)
    amount = nw.col("amount")
    kept = frame.with_columns(_crm_bought=(amount >= 0).cast(nw.Int64), _crm_day=day_number("date"))
    days = kept.group_by(*groups, "customer_id", "_crm_day").agg(amount.sum(), nw.col("_crm_bought").max())
    people = days.group_by(*groups, "customer_id").agg(amount.sum(), nw.col("_crm_bought").sum())
    people = people.with_columns(_crm_came=(nw.col("_crm_bought") > 0).cast(nw.Int64))
    cells = people.group_by(*groups).agg(amount.sum(), nw.col("_crm_bought").sum(), nw.col("_crm_came").sum())
    buyers = people.filter(nw.col("_crm_came") == 1).select("customer_id").unique()
    n = int(to_arrays(buyers.select(n=nw.len()), ["n"])["n"][0])
    order = list(dict.fromkeys(rule.segment for rule in segments.rules)) if segments is not None else []
    found = to_arrays(cells, [*groups, "_crm_came", "_crm_bought", "amount"])
    if "period" in groups and period is not None:
        found["period"] = first_days(found["period"].astype(np.int64), period)
    levels = levels_of(found, groups, order)
    found = sorted_by(found, groups, levels)
    revenue = math.fsum(found["amount"])
    customers = found["_crm_came"].astype(np.int64)
    table = {
        **{name: found[name] for name in groups},
        "customers": customers,
        "customer_share": customers / n if n else np.full(len(customers), math.nan),
        "orders": found["_crm_bought"].astype(np.int64),
        "revenue": found["amount"].astype(float),
        "revenue_share": found["amount"].astype(float) / (revenue if revenue > 0 else math.nan),
    }
    return SalesProfile(frame=like(table, frame), n_customers=n, total_revenue=revenue, by=groups, levels=levels)


def cross_table(profile: SegmentProfile | SalesProfile, *, measure: str = "customers") -> Frame:
    """One measure of a profile by two columns: rows are groups of the first, columns of the second, with totals.

    Parameters
    ----------
    profile : SegmentProfile or SalesProfile
        Made by two columns.
    measure : str
        A column of the profile that can be added up: customers, revenue, value, orders or their shares.

    Returns
    -------
    frame
        In the engine of the profile: the first column of `by` as text, one column a group of the second, total; the
        last row is the total. A missing group is called "(missing)"; a pair without customers has 0.

    Raises
    ------
    InputError
        If the profile was not made by two columns, or the measure cannot be added up.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": [1, 1, 2], "date": ["2024-01-05", "2024-02-01", "2024-02-07"],
    ...                      "amount": [10.0, 30.0, 60.0], "category": ["tea", "pots", "tea"]})
    >>> cross_table(sales_profile(rows, by=["category", "period"], period="month"), measure="revenue")
      category  2024-01-01  2024-02-01  total
    0     pots         0.0        30.0   30.0
    1      tea        10.0        60.0   70.0
    2    total        10.0        90.0  100.0
    """
    if not isinstance(profile, (SegmentProfile, SalesProfile)):
        raise InputError(f"profile: got {type(profile).__name__}. Pass what segment_profile or sales_profile returned.")
    if len(profile.by) != 2:
        raise InputError(f"profile: made by {', '.join(profile.by)}. Pass one made by two columns.")
    frame = open_frame(profile.frame)
    allowed = [name for name in ADDITIVE if name in column_names(frame)]
    if isinstance(profile, SalesProfile):  # a customer may be in several groups: totals would count her twice
        allowed = [name for name in allowed if not name.startswith("customer")]
    require_option("measure", measure, allowed)
    first, second = profile.by
    found = to_arrays(frame, [first, second, measure])
    row, place = (places_of(found[name], level) for name, level in zip(profile.by, profile.levels, strict=True))
    rows, columns = (level_names(level) for level in profile.levels)
    cells = np.zeros((len(rows), len(columns)), dtype=found[measure].dtype)
    np.add.at(cells, (row, place), found[measure])
    full = np.vstack([np.column_stack([cells, cells.sum(axis=1)]), np.append(cells.sum(axis=0), cells.sum())])
    names = [first, *columns, "total"]
    if len(set(names)) < len(names):
        raise InputError(f"profile: a group of {second} is called {first!r} or 'total'. Rename that group first.")
    table = {first: np.array([*rows, "total"], dtype=object), **dict(zip(names[1:], full.T.copy(), strict=True))}
    return like(table, frame)


def open_sales(
    transactions: Transactions | Frame, groups: Sequence[str], segments: Segments | None, period: Period | None
) -> AnyFrame:
    """Return rows of sales with the columns that make the groups."""
    if not isinstance(transactions, Transactions):
        further = [name for name in groups if name not in ("segment" if segments is not None else "", "period")]
        transactions = prepare_transactions(transactions, keep=further)
    frame = open_frame(transactions.frame, argument="transactions")
    if period is not None and "period" in groups:
        frame = frame.with_columns(period=period_number("date", period))
    if segments is not None and "segment" in groups:
        if not isinstance(segments, Segments):
            raise InputError(f"segments: got {type(segments).__name__}. Pass what segment_customers returned.")
        names = open_frame(segments.frame).select("customer_id", "segment")
        frame = join_customers(frame.drop("segment", strict=False), names, how="left", argument="segments")
    require_columns(column_names(frame), groups, argument="transactions")
    return frame.select("customer_id", "date", "amount", *groups)
