"""Who brings how much: tiers of value, and how concentrated value is. Losses are allowed: profit may be negative.

A frame in memory goes to arrays once; a lazy one is reduced to its distinct values and how often each occurs.
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
from crmvalue._core.frames import AnyFrame, distinct_rows, like, open_frame, to_native
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, open_customers
from crmvalue.segments.points import SPEND_DECIMALS, sum_of, with_texts

By: TypeAlias = Literal["share", "rank", "value"]
TOP_SHARES = (0.01, 0.05, 0.10, 0.20)  # of the customers, best first
MOST_POINTS = 1001  # of a Lorenz curve that is kept
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

    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concentration:
    """How unevenly value is spread over customers; frames in the engine of the customers.

    Columns of `top`, a row for the best 1, 5, 10 and 20 %: customer_share; value (theirs); value_share (of all value).
    Columns of `deciles`, best tenth first: decile (1 to 10); customers; value; value_share; cumulative_share; lowest,
    highest and mean_value (missing in an empty decile). Shares are missing unless all value is above 0.
    """

    top: Frame
    deciles: Frame
    gini: float  # 0 if all are equal; above 1 is possible when there are losses; missing unless all value is above 0
    gini_bounded: float  # the same over the sum of absolute values: at most 1, and equal to `gini` without losses
    customers: Array  # Lorenz curve: shares of the customers, lowest value first, from 0 to 1, shape (k,)
    lorenz: Array  # share of all value that they bring; missing unless all value is above 0, shape (k,)
    n_customers: int
    total_value: float  # sum over all customers, in their currency
    n_losses: int  # customers of negative value
    total_losses: float  # their value, at most 0
    column: str  # column of value

    __repr__ = result_text
    _repr_html_ = result_html


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
    frame, values, counts = open_values(customers, column)
    limits = tuple(map(float, cuts)) if by == "value" else limits_of_tiers(values, counts, cuts, by)
    place = np.searchsorted(-np.array(limits), -values, side="left")  # tiers better than this one
    n_of = np.bincount(place, weights=counts, minlength=len(tiers)).astype(np.int64)
    sums = np.bincount(place, weights=values * counts, minlength=len(tiers))
    total = math.fsum(values * counts)
    lowest, highest = ranges_of(place, values, len(tiers))
    table = {
        "tier": np.array(tiers, dtype=object),
        "customers": n_of,
        "customer_share": n_of / n_of.sum(),
        "value": sums,
        "value_share": sums / (total if total > 0 else math.nan),
        "lowest": lowest,
        "highest": highest,
        "mean_value": sums / np.where(n_of > 0, n_of, math.nan),
    }
    return ValueTiers(
        frame=with_tier(frame, column, limits, tiers),
        table=like(table, frame),
        names=tiers,
        limits=limits,
        column=column,
        n_customers=int(n_of.sum()),
        total_value=total,
    )


def concentration(customers: CustomerSummary | Frame, *, column: str = "total_spend") -> Concentration:
    r"""Measure how unevenly value is spread: Lorenz curve, Gini coefficient, share of the best, deciles.

    Parameters
    ----------
    customers : CustomerSummary or frame
        One row a customer: customer_id and the column of value.
    column : str
        Column of value: revenue, profit (losses allowed) or expected value.

    Returns
    -------
    Concentration
        The curve, the coefficient, the best 1, 5, 10 and 20 %, and ten groups of customers.

    Raises
    ------
    InputError
        If a customer has two rows or no value.

    Notes
    -----
    The Gini coefficient is :math:`\sum_i (2i - n - 1) x_{(i)} / (n \sum_i x_i)`, values in rising order. With losses it
    can exceed 1; :math:`n \sum_i |x_i|` in the denominator keeps it at most 1. The share of the best 1 % is read from
    the curve, between two customers on the straight line that joins them. Deciles hold whole customers, so their sizes
    differ by one at most; customers of equal value may be in two of them, and the sums are the same whoever it is.

    References
    ----------
    Raffinetti, Siletti & Vernizzi (2015) "On the Gini coefficient normalization when attributes with negative values
    are considered", Statistical Methods & Applications 24, https://doi.org/10.1007/s10260-014-0293-4

    Examples
    --------
    >>> import pandas as pd
    >>> spend = pd.DataFrame({"customer_id": list("abcd"), "total_spend": [10.0, 20.0, 30.0, 40.0]})
    >>> result = concentration(spend)
    >>> result.gini  # (-3 * 10 - 1 * 20 + 1 * 30 + 3 * 40) / (4 * 100)
    0.25
    >>> result.lorenz
    array([0. , 0.1, 0.3, 0.6, 1. ])
    """
    frame, values, counts = open_values(customers, column)
    n, total = int(counts.sum()), math.fsum(values * counts)
    known = total if total > 0 else math.nan
    below = np.concatenate([[0], np.cumsum(counts)])  # customers of lower value
    reached = np.concatenate([[0.0], np.cumsum(values * counts)])
    spread = math.fsum(counts * values * (below[:-1] + below[1:] - n))  # sum of (2i - n - 1) x over each group
    losses = values < 0
    rank = np.unique(np.round(np.linspace(0, n, min(n + 1, MOST_POINTS))))
    best = np.array(TOP_SHARES)
    of_best = reached[-1] - np.interp(n * (1 - best), below, reached)
    gains_and_losses = math.fsum(np.abs(values) * counts)
    return Concentration(
        top=like({"customer_share": best, "value": of_best, "value_share": of_best / known}, frame),
        deciles=like(decile_table(values, below, reached, known), frame),
        gini=spread / (n * known),
        gini_bounded=spread / (n * gains_and_losses) if gains_and_losses > 0 else 0.0,
        customers=read_only(rank / n),
        lorenz=read_only(np.interp(rank, below, reached) / known),
        n_customers=n,
        total_value=total,
        n_losses=int(counts[losses].sum()),
        total_losses=math.fsum(values[losses] * counts[losses]),
        column=column,
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


def open_values(customers: CustomerSummary | Frame, column: str) -> tuple[AnyFrame, Array, IntArray]:
    """Return the frame with id and value, the distinct values, rising, and how many customers have each."""
    if isinstance(customers, CustomerSummary):
        frame = open_frame(customers.frame, argument="customers", needs=["customer_id", column])
    else:
        frame = open_customers(customers, argument="customers", needs=[column])
    if column == "customer_id":
        raise InputError("column: 'customer_id' is no value. Name the column of revenue or profit.")
    frame = frame.select("customer_id", column)
    arrays = check_numbers(frame, [column], argument="customers")
    if isinstance(frame, nw.DataFrame):
        values, counts = np.unique(np.round(arrays[column], SPEND_DECIMALS) + 0.0, return_counts=True)
        return frame, values, counts
    found, counts = distinct_rows(frame.select(_crm_value=as_number(column).round(SPEND_DECIMALS)), ["_crm_value"])
    return frame, np.asarray(found["_crm_value"], dtype=float) + 0.0, counts


def limits_of_tiers(values: Array, counts: IntArray, cuts: Sequence[float], by: By) -> tuple[float, ...]:
    """Least value of each tier but the last, from distinct values, rising, and their counts."""
    falling, n_of = values[::-1], counts[::-1]
    weights = np.maximum(falling, 0.0) * n_of if by == "share" else n_of.astype(float)
    better = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    stands = better if by == "share" else better + n_of / 2
    whole = float(weights.sum())
    limits = []
    for cut in cuts:
        inside = stands < (cut - ROUNDING) * whole
        if by == "share":
            inside &= falling > 0
        limits.append(float(falling[inside].min(initial=math.inf)))
    return tuple(limits)


def ranges_of(place: IntArray, values: Array, n: int) -> tuple[Array, Array]:
    """Lowest and highest value in each of n groups; missing where nobody is."""
    lowest, highest = np.full(n, math.inf), np.full(n, -math.inf)
    np.minimum.at(lowest, place, values)
    np.maximum.at(highest, place, values)
    empty = ~np.isfinite(lowest)
    lowest[empty], highest[empty] = math.nan, math.nan
    return lowest, highest


def with_tier(frame: AnyFrame, column: str, limits: tuple[float, ...], tiers: tuple[str, ...]) -> Frame:
    """Return id, value and tier of each customer, named where the customers are."""
    if isinstance(frame, nw.DataFrame):
        values = np.round(frame.get_column(column).cast(nw.Float64).to_numpy(), SPEND_DECIMALS)
        return to_native(with_texts(frame, "tier", tiers, np.searchsorted(-np.array(limits), -values, side="left")))
    reachable = [min(limit, sys.float_info.max) for limit in limits]  # not every engine has a literal for infinity
    missed = [(as_number(column).round(SPEND_DECIMALS) < limit).cast(nw.Int64) for limit in reachable]
    table = like({"_crm_place": np.arange(len(tiers)), "tier": np.array(tiers, dtype=object)}, frame)
    placed = frame.with_columns(_crm_missed=sum_of(missed))
    named = placed.join(nw.from_native(table), left_on="_crm_missed", right_on="_crm_place", how="left")
    return to_native(named.select("customer_id", column, "tier"))


def decile_table(values: Array, below: IntArray, reached: Array, known: float) -> dict[str, Any]:
    """Ten groups of customers, best first, from distinct values and the customers and sums up to each."""
    n = int(below[-1])
    ends = np.round(n * np.arange(11) / 10).astype(np.int64)  # customers better than the group, counted from the best
    from_below = n - ends
    at = np.interp(from_below, below, reached)
    sums, sizes = at[:-1] - at[1:], np.diff(ends)
    filled = sizes > 0
    lowest, highest = np.full(10, math.nan), np.full(10, math.nan)
    lowest[filled] = values[np.searchsorted(below, from_below[1:][filled], side="right") - 1]
    highest[filled] = values[np.searchsorted(below, from_below[:-1][filled], side="left") - 1]
    return {
        "decile": np.arange(1, 11),
        "customers": sizes,
        "value": sums,
        "value_share": sums / known,
        "cumulative_share": (reached[-1] - at[1:]) / known,
        "lowest": lowest,
        "highest": highest,
        "mean_value": sums / np.where(filled, sizes, math.nan),
    }


def read_only(values: Array) -> Array:
    """Return the array, locked."""
    values.flags.writeable = False
    return values
