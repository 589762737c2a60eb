"""How unevenly value is spread over customers. Losses are allowed: profit may be negative.

A frame in memory goes to arrays once. A lazy one is ranked in its engine: at most about a thousand of its values, on
which the curve and the tenths stand, reach Python.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import like, one_row, to_arrays
from crmvalue._core.plain import as_dict, table_to_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.segments.values import counted, counted_in_engine, open_values

if TYPE_CHECKING:
    import pandas as pd

TOP_THOUSANDTHS = (10, 50, 100, 200)  # of the customers, best first
MOST_STEPS = 1000  # of a Lorenz curve; each top share is a whole number of them


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

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a tenth of the customers, the best first."""
        return table_to_pandas(self.deciles)


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
    frame, values = open_values(customers, column)
    if isinstance(frame, nw.LazyFrame):
        sums, ranked = ranked_in_engine(counted_in_engine(frame, column))
    else:
        sums, ranked = ranked_of(*counted(values))
    n, known = sums.n, sums.total if sums.total > 0 else math.nan
    steps = min(n, MOST_STEPS)
    rank = np.arange(steps + 1) * n / steps
    best = np.array(TOP_THOUSANDTHS)
    of_best = sums.total - ranked.brought(n * (1000 - best) / 1000)
    return Concentration(
        top=like({"customer_share": best / 1000, "value": of_best, "value_share": of_best / known}, frame),
        deciles=like(decile_table(ranked, n, known), frame),
        gini=sums.spread / (n * known),
        gini_bounded=sums.spread / (n * sums.absolute) if sums.absolute > 0 else 0.0,
        customers=read_only(rank / n),
        lorenz=read_only(ranked.brought(rank) / known),
        n_customers=n,
        total_value=sums.total,
        n_losses=sums.n_losses,
        total_losses=sums.losses,
        column=column,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over all customers."""

    n: int  # customers
    total: float  # of value
    absolute: float  # of value without its sign
    spread: float  # of (2i - n - 1) x, values x in rising order i = 1, ..., n
    n_losses: int  # customers of negative value
    losses: float  # their value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """Distinct values, rising: all of them, or those of the customers whose ranks are asked for."""

    value: Array  # shape (k,)
    up_to: IntArray  # customers of this value or a lower one, shape (k,)
    reached: Array  # what they bring together, shape (k,)

    def at(self, rank: AnyArray) -> IntArray:
        """Place of the value of the customer of each rank; the lowest one has rank 1."""
        return np.searchsorted(self.up_to, np.maximum(rank, 1), side="left")

    def brought(self, rank: AnyArray) -> Array:
        """Return what so many customers of the lowest values bring."""
        at = self.at(rank)
        brought: Array = self.reached[at] - self.value[at] * (self.up_to[at] - rank)
        return np.where(rank > 0, brought, 0.0)


def ranked_of(values: Array, counts: IntArray) -> tuple[Sums, Ranked]:
    """Return sums and ranks of distinct values, rising, and their counts."""
    up_to, brought, losses = np.cumsum(counts), values * counts, values < 0
    n = int(up_to[-1])
    sums = Sums(
        n=n,
        total=math.fsum(brought),
        absolute=math.fsum(np.abs(brought)),
        spread=math.fsum(brought * (2 * up_to - counts - n)),
        n_losses=int(counts[losses].sum()),
        losses=math.fsum(brought[losses]),
    )
    return sums, Ranked(value=values, up_to=up_to, reached=np.cumsum(brought))


def ranked_in_engine(groups: nw.LazyFrame[Any]) -> tuple[Sums, Ranked]:
    """Return sums and ranks of values counted in an engine; only those on which a result stands reach Python."""
    value, n, up_to, brought = (nw.col(f"_crm_{name}") for name in ("value", "n", "up_to", "brought"))
    ranked = groups.with_columns(_crm_brought=value * n).with_columns(
        _crm_up_to=n.cum_sum().over(order_by="_crm_value").cast(nw.Int64),
        _crm_reached=brought.cum_sum().over(order_by="_crm_value"),
        _crm_loss=nw.when(value < 0).then(n).otherwise(0),
        _crm_lost=nw.when(value < 0).then(brought).otherwise(0.0),
    )
    found = one_row(
        ranked.with_columns(_crm_absolute=brought.abs(), _crm_middle=brought * (up_to * 2 - n)),
        n=n.sum(),
        total=brought.sum(),
        absolute=nw.col("_crm_absolute").sum(),
        middle=nw.col("_crm_middle").sum(),
        n_losses=nw.col("_crm_loss").sum(),
        losses=nw.col("_crm_lost").sum(),
    )
    total, number = float(found["total"]), int(found["n"])
    sums = Sums(
        n=number,
        total=total,
        absolute=float(found["absolute"]),
        spread=float(found["middle"]) - number * total,
        n_losses=int(found["n_losses"]),
        losses=float(found["losses"]),
    )
    steps, below = min(number, MOST_STEPS), up_to - n
    asked = up_to * steps // number > below * steps // number  # a step of the curve lies within this value
    edges = decile_ends(number)
    for rank in np.unique(np.concatenate([edges, edges + 1])).tolist():
        asked = asked | ((below < rank) & (up_to >= rank))
    names = ["_crm_value", "_crm_up_to", "_crm_reached"]
    kept = to_arrays(ranked.filter(asked), names)
    order = np.argsort(kept["_crm_value"])
    values, customers, reached = (kept[name][order] for name in names)
    return sums, Ranked(value=values + 0.0, up_to=customers.astype(np.int64), reached=reached)


def decile_ends(n: int) -> IntArray:
    """Count the customers below the top of each tenth, best tenth first, and 0 in the end."""
    return n - np.round(n * np.arange(11) / 10).astype(np.int64)


def decile_table(ranked: Ranked, n: int, known: float) -> dict[str, AnyArray]:
    """Ten groups of customers, best first."""
    ends = decile_ends(n)
    at = ranked.brought(ends)
    sums, sizes = at[:-1] - at[1:], ends[:-1] - ends[1:]
    filled = sizes > 0
    lowest, highest = np.full(10, math.nan), np.full(10, math.nan)
    lowest[filled] = ranked.value[ranked.at(ends[1:][filled] + 1)]
    highest[filled] = ranked.value[ranked.at(ends[:-1][filled])]
    return {
        "decile": np.arange(1, 11),
        "customers": sizes,
        "value": sums,
        "value_share": sums / known,
        "cumulative_share": (at[0] - at[1:]) / known,
        "lowest": lowest,
        "highest": highest,
        "mean_value": sums / np.where(filled, sizes, math.nan),
    }


def read_only(values: Array) -> Array:
    """Return the array, locked."""
    values.flags.writeable = False
    return values
