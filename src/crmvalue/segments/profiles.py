"""What groups of customers bring: counts, revenue, value and shares that add up to the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_columns
from crmvalue._core.frames import AnyFrame, column_names, like, open_frame, to_arrays
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, join_customers, open_customers
from crmvalue.segments.groups import check_groups, levels_of, sorted_by
from crmvalue.segments.rules import Segments
from crmvalue.segments.thresholds import MEASURES


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

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


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
