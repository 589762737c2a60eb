"""Referrals: each credited to one customer once, and none that cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_rows
from crmvalue._core.frames import AnyFrame, collect, column_names, join, like, open_frame, series_to_array
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame
from crmvalue.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Referrals:
    """Checked referrals."""

    referrer: AnyArray  # customer who referred, shape (n,)
    value: Array  # current value of the customer referred, in currency, shape (n,)
    cost: Array  # what prompted the referral, in currency, shape (n,)


def with_influence(table: AnyFrame, referrals: Frame | None, would_have_come: float) -> tuple[AnyFrame, float, int]:
    """Return the customers with their influence, the sum that is counted twice, and the number of referrals."""
    if referrals is None:
        return table.with_columns(influence=nw.lit(0.0)), 0.0, 0
    made = open_frame(referrals, argument="referrals", needs=["customer_id", "referred_id"])
    credited = credited_referrals(made, table)
    value = credited.value * (1 - would_have_come)
    gains = nw.from_native(like({"customer_id": credited.referrer, "influence": value - credited.cost}, table))
    gains = with_key(gains).group_by("_crm_key").agg(nw.col("influence").sum())
    table = join(with_key(table), gains, on="_crm_key", how="left").with_columns(nw.col("influence").fill_null(0.0))
    table = table.drop("_crm_key")
    return table, float(value.sum()), len(value)


def credited_referrals(referrals: AnyFrame, customers: AnyFrame) -> Referrals:
    """Return the referrals with the current value of the referred, once each is possible; a small table."""
    made = collect(referrals)
    referrer = ids_of(made, "customer_id")
    referred = ids_of(made, "referred_id")
    cost = np.zeros(len(referrer))
    if "cost" in column_names(made):
        cost = series_to_array(made.get_column("cost")).astype(float)
    remedy = "Mend or drop these referrals."
    require_rows(np.isfinite(cost) & (cost >= 0), "cost", "missing or negative", "Write 0 where there was none.")
    named: dict[str, Any] = {"labels": referred, "label": "customer"}
    require_rows(referrer != referred, "referred_id", "a referral to oneself", remedy, **named)
    names, count = np.unique(referred, return_counts=True)
    several = np.isin(referred, names[count > 1])
    problem = "credited twice (the same customer was referred before)"
    require_rows(~several, "referred_id", problem, "Keep the one that led to her.", **named)
    value = values_of(referred, customers, "referred_id")
    values_of(referrer, customers, "customer_id")
    require_rows(~in_circle(referrer, referred), "referred_id", "in a circle", remedy, **named)
    return Referrals(referrer=referrer, value=value, cost=cost)


def ids_of(made: nw.DataFrame[Any], column: str) -> AnyArray:
    """Return the ids of a column, none missing."""
    ids = made.get_column(column)
    require_rows(~np.asarray(ids.is_null().to_numpy(), dtype=bool), column, "missing", "Name both customers.")
    return series_to_array(ids)


def values_of(ids: AnyArray, customers: AnyFrame, column: str) -> Array:
    """Return the current value of these customers; one who is not in the table is refused."""
    if not len(ids):
        return np.zeros(0)
    distinct, at = np.unique(ids, return_inverse=True)
    wanted = nw.from_native(like({"customer_id": distinct}, customers))
    try:
        values = with_key(customers.select("customer_id", "current"))
        known = collect(join(with_key(wanted).select("_crm_key"), values, on="_crm_key", how="inner"))
    except (TypeError, ValueError, nw.exceptions.NarwhalsError) as error:
        raise InputError(
            f"referrals: {column} is of another type than customer_id of customers. Convert it."
        ) from error
    found = series_to_array(known.get_column("customer_id"))
    order = np.argsort(found)
    place = np.searchsorted(found[order], distinct) if len(found) else np.zeros(len(distinct), dtype=np.int64)
    there = np.zeros(len(distinct), dtype=bool)
    if len(found):
        there = found[order][np.minimum(place, len(found) - 1)] == distinct
    require_rows(
        there[at], column, "not among the customers", "Add them, or drop these referrals.", labels=ids, label="customer"
    )
    current: Array = series_to_array(known.get_column("current")).astype(float)[order][place]
    return current[at]


def with_key(frame: AnyFrame) -> AnyFrame:
    """Return the frame with a key to join on: texts of one kind, as PyArrow joins no long texts to short ones."""
    key = nw.col("customer_id")
    is_text = frame.collect_schema()["customer_id"] == nw.String
    return frame.with_columns(_crm_key=key.cast(nw.String) if is_text else key)


def in_circle(referrer: AnyArray, referred: AnyArray) -> BoolArray:
    """Whether each referral lies on a circle: following referrers back long enough never ends.

    Each customer was referred once at most, so there is one way back; its length doubles in each step.
    """
    names, codes = np.unique(np.concatenate([referrer, referred]), return_inverse=True)
    by, whom = codes[: len(referrer)], codes[len(referrer) :]
    root = len(names)
    before = np.full(root + 1, root)
    before[whom] = by
    for _ in range(max(int(root).bit_length(), 1)):
        before = before[before]
    # whoever still has somebody before her after more steps than there are customers is on a circle, or below one
    endless = before[:root] != root
    circle: BoolArray = endless[by] & endless[whom]
    return circle
