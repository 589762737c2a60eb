"""Who brings how much: tiers of value, such as A, B and C. Losses are allowed: profit may be negative.

A frame in memory goes to arrays once; the customers of a lazy one are ranked in its engine.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.frames import AnyFrame, like, to_arrays, to_native
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number
from crmvalue.segments.points import SPEND_DECIMALS, sum_of, with_texts
from crmvalue.segments.values import counted, counted_in_engine, open_values

By: TypeAlias = Literal["share", "rank", "value"]
ROUNDING = 1e-9  # of the whole: sums in another order differ less


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueTiers:
    """Each customer with a tier, and what each tier brings; both in the engine of the customers.

    Columns of `frame`, one row a customer: customer_id; the column of value; tier (text). Columns of `table`, one row a
    tier, best first: tier; customers; customer_share; value (sum); value_share (of all value; missing unless that is
    above 0); lowest and highest value of a customer, mean_value (missing in an empty tier).
    """

    frame: Frame
    table: Frame
    names: tuple[str, ...]  # tiers, best first
    limits: tuple[float, ...]  # least value of each tier but the last; inf where nobody reached it
    column: str  # column of value
    n_customers: int
    total_value: float  # sum over all customers, in their currency

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def value_tiers(
    customers: CustomerSummary | Frame,
    *,
    column: str = "total_spend",
    by: By = "share",
    cuts: Sequence[float] = (0.8, 0.95),
    names: Sequence[str] | None = None,
) -> ValueTiers:
    """Sort customers into tiers of value, such as A, B and C.

    Parameters
    ----------
    customers : CustomerSummary or frame
        One row a customer: customer_id and the column of value.
    column : str
        Column of value: revenue, profit (losses allowed) or expected value.
    by : {"share", "rank", "value"}
        "share": the best customers who bring the first 80 % of the value are A, those who bring the next 15 % are B
        (cuts 0.8 and 0.95). "rank": cuts are shares of the customers, best first. "value": cuts are the least values of
        the tiers, falling, such as the `limits` of earlier tiers: they never move on their own.
    cuts : sequence of float
        Where the tiers but the last end: rising shares within (0, 1), or falling values.
    names : sequence of str, optional
        Names of the tiers, best first, one more than `cuts`; A, B, C, ... if not given.

    Returns
    -------
    ValueTiers
        The tier of each customer, what each tier brings, and the limits between them.

    Raises
    ------
    InputError
        If a customer has two rows or no value, the cuts are out of order, or the names do not fit.

    Notes
    -----
    Equal customers are in the same tier. By "share", a tier goes on while those strictly better bring less than its cut
    of all gains (the sum of the positive values), so the best customer is always in the first; nobody without a gain is
    in any but the last. By "rank", a group of equals stands at its middle. Values are compared to a millionth.

    Examples
    --------
    >>> import pandas as pd
    >>> spend = pd.DataFrame({"customer_id": list("abcde"), "total_spend": [700.0, 150.0, 100.0, 30.0, 20.0]})
    >>> tiers = value_tiers(spend)
    >>> tiers.frame["tier"].tolist()
    ['A', 'A', 'B', 'C', 'C']
    >>> tiers.limits
    (150.0, 100.0)
    >>> tiers.table[["tier", "customers", "value", "value_share"]]
      tier  customers  value  value_share
    0    A          2  850.0         0.85
    1    B          1  100.0         0.10
    2    C          2   50.0         0.05
    """
    require_option("by", by, ("share", "rank", "value"))
    tiers = check_names(names, check_cuts(cuts, by))
    frame, values = open_values(customers, column)
    if isinstance(frame, nw.LazyFrame):
        found = tiers_in_engine(counted_in_engine(frame, column), cuts, by)
    else:
        found = tiers_of(*counted(values), cuts, by)
    least = np.minimum.accumulate(found["lowest"])[:-1]  # of all who reached a tier, also where nobody is in it alone
    limits = tuple(map(float, cuts)) if by == "value" else tuple(least.tolist())
    n_of, sums = found["customers"].astype(np.int64), found["value"]
    total, filled = math.fsum(sums), n_of > 0
    table = {
        "tier": np.array(tiers, dtype=object),
        "customers": n_of,
        "customer_share": n_of / n_of.sum(),
        "value": sums,
        "value_share": sums / (total if total > 0 else math.nan),
        "lowest": np.where(filled, found["lowest"], math.nan),
        "highest": np.where(filled, found["highest"], math.nan),
        "mean_value": sums / np.where(filled, n_of, math.nan),
    }
    return ValueTiers(
        frame=with_tier(frame, column, values, limits, tiers),
        table=like(table, frame),
        names=tiers,
        limits=limits,
        column=column,
        n_customers=int(n_of.sum()),
        total_value=total,
    )


def check_cuts(cuts: Sequence[float], by: By) -> int:
    """Return the number of tiers that cuts make, or raise InputError."""
    if by == "value":  # limits found before may be equal, or infinite where nobody reached a tier
        numbers = [math.inf if cut == math.inf else require_number("cuts", cut) for cut in cuts]
        if not numbers or any(high < low for high, low in itertools.pairwise(numbers)):
            raise InputError(f"cuts: got {tuple(cuts)}. Pass falling values, such as (1000, 100).")
    else:
        numbers = [require_number("cuts", cut) for cut in cuts]
        rising = all(low < high for low, high in itertools.pairwise(numbers))
        if not (numbers and rising and numbers[0] > 0 and numbers[-1] < 1):
            raise InputError(f"cuts: got {tuple(cuts)}. Pass rising shares above 0 and below 1, such as (0.8, 0.95).")
    return len(numbers) + 1


def check_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Return the names of n tiers, best first."""
    letters = [chr(ord("A") + number) if number < 26 else f"tier {number + 1}" for number in range(n)]
    found = tuple(letters if names is None else names)
    if isinstance(names, str) or len(found) != n or len(set(found)) < n or not all(isinstance(t, str) for t in found):
        raise InputError(f"names: got {names!r}. Pass {n} different names, best tier first.")
    return found


def tiers_of(values: Array, counts: IntArray, cuts: Sequence[float], by: By) -> dict[str, Array]:
    """Count and add up the customers of each tier, from distinct values, rising, and how many customers have each."""
    if by == "value":
        missed = tiers_missed(values, tuple(cuts))
    else:
        weights = np.maximum(values, 0.0) * counts if by == "share" else counts.astype(float)
        up_to = np.cumsum(weights[::-1])[::-1]
        stands = up_to - weights if by == "share" else up_to - weights / 2
        missed = np.zeros(len(values), dtype=np.int64)
        for cut in cuts:
            inside = stands < (cut - ROUNDING) * weights.sum()
            missed += ~(inside & (values > 0) if by == "share" else inside)
    return tier_sums(missed, counts, values * counts, values, values, len(cuts) + 1)


def tiers_in_engine(groups: nw.LazyFrame[Any], cuts: Sequence[float], by: By) -> dict[str, Array]:
    """Do the same where the customers are."""
    value, n, weight, up_to = (nw.col(f"_crm_{name}") for name in ("value", "n", "weight", "up_to"))
    if by == "value":
        placed = groups.with_columns(_crm_place=limits_missed(value, tuple(cuts)))
    else:
        gain = nw.when(value > 0).then(value * n).otherwise(0.0)
        weighted = groups.with_columns(_crm_weight=gain if by == "share" else n.cast(nw.Float64), _crm_falling=-value)
        ranked = weighted.with_columns(
            _crm_up_to=weight.cum_sum().over(order_by="_crm_falling"), _crm_whole=weight.sum()
        )
        stands = up_to - weight if by == "share" else up_to - weight / 2
        inside = [stands < nw.col("_crm_whole") * (cut - ROUNDING) for cut in cuts]
        inside = [within & (value > 0) for within in inside] if by == "share" else inside
        placed = ranked.with_columns(_crm_place=sum_of([(~within).cast(nw.Int64) for within in inside]))
    sums = placed.with_columns(_crm_sum=value * n).group_by("_crm_place")
    names = ["_crm_place", "_crm_n", "_crm_sum", "_crm_lowest", "_crm_highest"]
    found = to_arrays(
        sums.agg(nw.col("_crm_sum").sum(), n.sum(), _crm_lowest=value.min(), _crm_highest=value.max()), names
    )
    place, counts, brought, lowest, highest = (found[name] for name in names)
    return tier_sums(place.astype(np.int64), counts, brought, lowest, highest, len(cuts) + 1)


def tier_sums(
    place: IntArray, counts: AnyArray, brought: Array, lowest: Array, highest: Array, n: int
) -> dict[str, Array]:
    """Put together what is in each of n tiers; lowest and highest value are infinite where nobody is."""
    low, high = np.full(n, math.inf), np.full(n, -math.inf)
    np.minimum.at(low, place, lowest)
    np.maximum.at(high, place, highest)
    customers, value = (np.bincount(place, weights=weights, minlength=n) for weights in (counts, brought))
    return {"customers": customers, "value": value, "lowest": low, "highest": high}


def tiers_missed(values: Array, limits: tuple[float, ...]) -> IntArray:
    """Tiers that are better than that of each value."""
    return np.searchsorted(-np.array(limits), -values, side="left").astype(np.int64)


def limits_missed(value: nw.Expr, limits: tuple[float, ...]) -> nw.Expr:
    """Tiers that are better than that of a value in an engine."""
    reachable = [min(limit, sys.float_info.max) for limit in limits]  # not every engine has a literal for infinity
    return sum_of([(value < limit).cast(nw.Int64) for limit in reachable])


def with_tier(frame: AnyFrame, column: str, values: Array, limits: tuple[float, ...], tiers: tuple[str, ...]) -> Frame:
    """Return id, value and tier of each customer, named where the customers are."""
    if isinstance(frame, nw.DataFrame):
        return to_native(with_texts(frame, "tier", tiers, tiers_missed(values, limits)))
    table = like({"_crm_place": np.arange(len(tiers)), "tier": np.array(tiers, dtype=object)}, frame)
    placed = frame.with_columns(_crm_missed=limits_missed(as_number(column).round(SPEND_DECIMALS), limits))
    named = placed.join(nw.from_native(table), left_on="_crm_missed", right_on="_crm_place", how="left")
    return to_native(named.select("customer_id", column, "tier"))
