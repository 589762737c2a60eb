"""What groups of customers, or of sales, bring: counts, revenue and shares that add up to the whole."""

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
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray, Period
from crmvalue.data.transactions import Transactions, prepare_transactions
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, join_customers, open_customers
from crmvalue.segments.rules import Segments
from crmvalue.segments.thresholds import MEASURES

ADDITIVE = ("customers", "customer_share", "orders", "revenue", "revenue_share", "value", "value_share")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentProfile:
    """One row a segment, in the order of the rules and the engine of the customers; empty segments included.

    Columns of `frame`: segment, or the columns of `by`; customers; customer_share (of all customers); revenue (sum of
    total_spend); revenue_share (of all revenue; missing unless that is above 0); mean_purchases; mean_days_since_last
    (both missing when the segment is empty); value and value_share (if a column of value was named); churn_risk (mean,
    if its column was named).
    """

    frame: Frame
    n_customers: int
    total_revenue: float  # in the currency of the transactions
    by: tuple[str, ...]  # columns that make the groups
    levels: tuple[tuple[Any, ...], ...]  # groups of each of these columns, in order; a missing one is last

    __repr__ = result_text
    _repr_html_ = result_html


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

    __repr__ = result_text
    _repr_html_ = result_html


def segment_profile(
    segments: Segments,
    *,
    by: str | Sequence[str] = "segment",
    attributes: Frame | None = None,
    value: str | None = None,
    churn_risk: str | None = None,
) -> SegmentProfile:
    """Count the customers and the revenue of each segment, or of each group that further columns make.

    Parameters
    ----------
    segments : Segments
        From `segment_customers`.
    by : str or sequence of str
        Columns of the segments or of `attributes` that make the groups, such as ["region", "segment"].
    attributes : frame, optional
        One row a customer, in the same engine: customer_id and further columns, such as region or channel. Customers
        without a row have missing attributes, which are a group of their own.
    value : str, optional
        Column of a value to add up, such as the lifetime value; each customer has one.
    churn_risk : str, optional
        Column of a probability to average; each customer has one.

    Returns
    -------
    SegmentProfile
        One row a segment, in the order of the rules, segments without customers with 0; or one row a group that there
        is, sorted by the columns of `by`, segments in the order of the rules.

    Raises
    ------
    InputError
        If `segments` is something else, a column is missing, a customer has two rows of attributes, or the value or
        risk of a customer is missing.

    Notes
    -----
    Customers, revenue and value add up to the whole, and each share is of these totals.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmvalue.segmentation import SegmentRule, score_rfm, segment_customers
    >>> rules = [SegmentRule(segment="Big", r=(1, 2), f=(1, 2), m=(2, 2)),
    ...          SegmentRule(segment="Small", r=(1, 2), f=(1, 2), m=(1, 1))]
    >>> summary = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "days_since_last": [3, 90, 30, 30],
    ...                         "purchases": [9, 1, 1, 1], "total_spend": [400.0, 25.0, 70.0, 5.0]})
    >>> segments = segment_customers(score_rfm(summary, bins=2), rules)
    >>> segment_profile(segments).frame[["segment", "customers", "revenue", "revenue_share", "mean_purchases"]]
      segment  customers  revenue  revenue_share  mean_purchases
    0     Big          2    470.0           0.94             5.0
    1   Small          2     30.0           0.06             1.0
    >>> regions = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "region": ["east", "east", "west", "west"]})
    >>> profile = segment_profile(segments, by=["region", "segment"], attributes=regions)
    >>> profile.frame[["region", "segment", "customers", "revenue"]]
      region segment  customers  revenue
    0   east     Big          1    400.0
    1   east   Small          1     25.0
    2   west     Big          1     70.0
    3   west   Small          1      5.0
    """
    if not isinstance(segments, Segments):
        raise InputError(f"segments: got {type(segments).__name__}. Pass what segment_customers returned.")
    groups = check_groups(by)
    frame = with_attributes(open_frame(segments.frame), attributes)
    extra = [name for name in (value, churn_risk) if name is not None]
    require_columns(column_names(frame), [*groups, *extra], argument="segments and attributes")
    if extra:
        check_numbers(frame, extra, argument="segments")
    measures = dict(zip(MEASURES.values(), MEASURES.values(), strict=True))
    measures |= {"_crm_value": value} if value is not None else {}
    measures |= {"_crm_risk": churn_risk} if churn_risk is not None else {}
    order = list(dict.fromkeys(rule.segment for rule in segments.rules))
    keys, sums, levels = sums_of_groups(frame, groups, measures, order)
    if groups == ("segment",):
        keys, sums = with_empty_segments(keys, sums, order)
        levels = (tuple(order),)
    return SegmentProfile(
        frame=like({**keys, **profile_columns(sums)}, frame),
        n_customers=int(sums["customers"].sum()),
        total_revenue=math.fsum(sums["total_spend"]),
        by=groups,
        levels=levels,
    )


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


def check_groups(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that make the groups, each once."""
    groups = (by,) if isinstance(by, str) else tuple(by)
    if not groups or len(set(groups)) < len(groups):
        raise InputError(f"by: got {by!r}. Name at least one column, and each once.")
    taken = sorted({*ADDITIVE, *MEASURES.values(), "customer_id", "churn_risk"} & set(groups))
    if taken:
        raise InputError(f"by: {taken[0]!r} is a measure of the profile. Rename the column that makes the groups.")
    return groups


def with_attributes(frame: AnyFrame, attributes: Frame | None) -> AnyFrame:
    """Return the segments with the further columns of each customer; those of others are left out."""
    if attributes is None:
        return frame
    further = open_customers(attributes, argument="attributes")
    twice = sorted(set(column_names(further)) & set(column_names(frame)) - {"customer_id"})
    if twice:
        raise InputError(f"attributes: column {twice[0]!r} is also in the segments. Rename or drop it.")
    return join_customers(frame, further, how="left", argument="attributes")


def sums_of_groups(
    frame: AnyFrame, groups: tuple[str, ...], measures: dict[str, str], order: Sequence[str]
) -> tuple[dict[str, AnyArray], dict[str, Array], tuple[tuple[Any, ...], ...]]:
    """Columns of the groups, sorted, the sums of the measures in each, added up in the engine, and the levels."""
    numbers = frame.select(*groups, **{name: as_number(column) for name, column in measures.items()})
    sums = numbers.group_by(*groups).agg(nw.col(*measures).sum(), customers=nw.len())
    found = to_arrays(sums, [*groups, "customers", *measures])
    levels = levels_of(found, groups, order)
    found = sorted_by(found, groups, levels)
    keys = {name: found.pop(name) for name in groups}
    return keys, {name: values.astype(float) for name, values in found.items()}, levels


def levels_of(found: dict[str, AnyArray], groups: Sequence[str], order: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """Return the groups of each column: segments in the order of the rules, others by value, a missing one last."""
    levels = []
    for name in groups:
        values = found[name].tolist()
        known = {value for value in values if not is_missing(value)}
        first = [value for value in order if value in known] if name == "segment" else []
        last = [None] if any(map(is_missing, values)) else []
        levels.append((*first, *sorted(known - set(first)), *last))
    return tuple(levels)


def places_of(values: AnyArray, level: Sequence[Any]) -> IntArray:
    """Place of each value among the groups of its column."""
    at = {value: number for number, value in enumerate(level)}
    return np.array([at[None if is_missing(value) else value] for value in values.tolist()], dtype=np.int64)


def sorted_by(found: dict[str, AnyArray], groups: Sequence[str], levels: Sequence[Any]) -> dict[str, AnyArray]:
    """Sort rows by the groups."""
    places = [places_of(found[name], level) for name, level in zip(groups, levels, strict=True)]
    rows = np.lexsort(places[::-1])
    return {name: values[rows] for name, values in found.items()}


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT, or the NA of pandas, which equals nothing and has no truth."""
    same = value == value
    return value is None or not isinstance(same, (bool, np.bool_)) or not same


def with_empty_segments(
    keys: dict[str, AnyArray], sums: dict[str, Array], order: Sequence[str]
) -> tuple[dict[str, AnyArray], dict[str, Array]]:
    """Return a row for each segment of the rules, with zeros for those without customers."""
    place = [order.index(name) for name in keys["segment"]]
    full = {name: np.zeros(len(order)) for name in sums}
    for name, values in full.items():
        values[place] = sums[name]
    return {"segment": np.array(order, dtype=object)}, full


def profile_columns(sums: dict[str, Array]) -> dict[str, AnyArray]:
    """Columns of a profile: counts, sums, shares and means."""
    customers, revenue = sums["customers"], math.fsum(sums["total_spend"])
    with np.errstate(invalid="ignore"):  # an empty segment has no mean: 0 / 0 is missing
        table: dict[str, AnyArray] = {
            "customers": customers.astype(np.int64),
            "customer_share": customers / customers.sum(),
            "revenue": sums["total_spend"],
            "revenue_share": sums["total_spend"] / (revenue if revenue > 0 else math.nan),
            "mean_purchases": sums["purchases"] / customers,
            "mean_days_since_last": sums["days_since_last"] / customers,
        }
        if "_crm_value" in sums:
            total = math.fsum(sums["_crm_value"])
            table["value"] = sums["_crm_value"]
            table["value_share"] = sums["_crm_value"] / (total if total > 0 else math.nan)
        if "_crm_risk" in sums:
            table["churn_risk"] = sums["_crm_risk"] / customers
    return table


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


def level_names(level: Sequence[Any]) -> list[str]:
    """Return the groups of a column as text."""
    return ["(missing)" if value is None else str(value) for value in level]
