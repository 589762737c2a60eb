"""From the revenue of one period to that of the next: new, returned, expanded, contracted, lost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_day, require_option
from crmvalue._core.frames import AnyFrame, day_number, like, open_frame, to_arrays
from crmvalue._core.periods import PERIODS, first_days, period_number, period_numbers
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import day_as_number, eager_arrays, last_observed_day, require_purchases
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.contract_rates import is_judged, period_starts, revenue_at
from crmvalue.retention.contracts import Contracts
from crmvalue.retention.shares import share_of

COUNTS = ("_crm_n", "_crm_new", "_crm_returned", "_crm_expanded", "_crm_contracted", "_crm_left")
SUMS = ("_crm_in", "_crm_in_new", "_crm_in_returned", "_crm_more", "_crm_less", "_crm_in_left")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RevenueBridge:
    """What changed revenue from each period to the next; the parts add up to the change.

    Columns of `frame`, one row a period after the first, in the engine of the input: period (first day); days (its
    length) and days_before (of the period before: a longer month has more room for revenue); opening (revenue of the
    customers of the period before); new, returned, expanded (at least 0 where no refunds exceed purchases);
    contracted, lost (to be subtracted); refunds (change in refunds to customers without a purchase in the period);
    closing (revenue of the customers of this period); n_opening, n_new, n_returned, n_expanded, n_contracted, n_lost;
    net_revenue_retention ((opening + expanded - contracted - lost) / opening: customers of the start only);
    gross_revenue_retention (the same without expanded: at most 1 for each customer); quick_ratio ((new + returned +
    expanded) / (contracted + lost)); change (closing - opening + refunds). Missing where a period is not complete.
    """

    frame: Frame
    period: Period
    observation_start: np.datetime64  # first day that counts
    observation_end: np.datetime64  # last day that counts

    __repr__ = result_text
    _repr_html_ = result_html


def revenue_bridge(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    observation_start: Day | None = None,
    observation_end: Day | None = None,
) -> RevenueBridge:
    r"""Split the change of revenue from each period to the next by what its customers did.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    observation_start : day, optional
        Day on which the data begin; the first period is complete if it begins then or later. By default the first
        period is taken to be complete.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    RevenueBridge
        One row a period after the first.

    Raises
    ------
    InputError
        If `period` is unknown, `observation_start` is after the first row, nobody has bought by `observation_end`, or
        there is one period only.

    Notes
    -----
    A customer is one of a period if she bought in it. For the amounts :math:`a` before and :math:`b` now, a customer
    of both adds :math:`\max(b - a, 0)` to expanded and :math:`\max(a - b, 0)` to contracted; one of this period alone
    adds :math:`b` to new (her first purchase in the data) or returned; one of the period before alone adds :math:`a`
    to lost. So for every period

    .. math::
        \text{closing} = \text{opening} + \text{new} + \text{returned} + \text{expanded} - \text{contracted} -
        \text{lost}

    and closing with the refunds of those who bought nothing in the period is the sum of the amounts. Customers who
    bought before the data begin look new in the first periods.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "ann", "cy"], "amount": [10.0, 20.0, 15.0, 7.0],
    ...                      "date": ["2024-01-05", "2024-01-09", "2024-02-05", "2024-02-29"]})
    >>> bridge = revenue_bridge(rows).frame
    >>> bridge[["opening", "new", "expanded", "contracted", "lost", "closing"]]
       opening  new  expanded  contracted  lost  closing
    0     30.0  7.0       5.0         0.0  20.0     22.0
    >>> bridge[["net_revenue_retention", "gross_revenue_retention", "quick_ratio"]]
       net_revenue_retention  gross_revenue_retention  quick_ratio
    0                    0.5                 0.333333          0.6
    """
    require_option("period", period, PERIODS)
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    begun = checked.audit.first_day
    if observation_start is not None and (start := require_day("observation_start", observation_start)) > begun:
        raise InputError(f"observation_start: {start} is after the first row ({begun}). Leave out earlier rows first.")
    model = open_frame(checked.frame)
    rows = model.select("customer_id", "date", "amount")
    if isinstance(rows, nw.DataFrame):
        code, day, amount = eager_arrays(rows, end)
        require_purchases(int((amount >= 0).sum()), end)
        sums = sums_of_arrays(code, period_numbers(day, period), amount)
    else:
        sums = sums_in_engine(rows, end, period)
    require_purchases(int(sums["_crm_n"].sum()), end)
    first = int(sums["period"].min())
    last = int(period_numbers(np.array([end]), period)[0])
    number = np.arange(first, last + 1)
    dense = {name: np.zeros(len(number)) for name in (*COUNTS, *SUMS, "_crm_alone")}
    for name, values in dense.items():
        values[sums["period"] - first] = sums[name]
    starts = first_days(np.arange(first, last + 2), period)
    whole = starts[1:] <= end + 1
    whole[0] &= observation_start is None or starts[0] >= np.datetime64(start)
    return RevenueBridge(
        frame=like(bridge_table(dense, starts, whole, period), model),
        period=period,
        observation_start=starts[0] if observation_start is None else start,
        observation_end=end,
    )


def sums_in_engine(rows: AnyFrame, end: np.datetime64, period: Period) -> dict[str, AnyArray]:
    """Count customers of each kind by period, and add their amounts, in a lazy engine."""
    number, amount, bought = nw.col("_crm_period"), nw.col("_crm_amount"), nw.col("_crm_bought")
    cells = rows.filter(day_number("date") <= day_as_number(end)).select(
        "customer_id",
        _crm_period=period_number("date", period),
        _crm_amount=nw.col("amount"),
        _crm_bought=(nw.col("amount") >= 0).cast(nw.Int64),
    )
    cells = cells.group_by("customer_id", "_crm_period").agg(amount.sum(), bought.max())
    alone = cells.filter(bought == 0).group_by("_crm_period").agg(amount.sum())
    found = to_arrays(alone, ["_crm_period", "_crm_amount"])
    visits = cells.filter(bought == 1)
    shifted = {
        "_crm_before": number.shift(1).over("customer_id", order_by="_crm_period"),
        "_crm_had": amount.shift(1).over("customer_id", order_by="_crm_period"),
        "_crm_after": number.shift(-1).over("customer_id", order_by="_crm_period"),
    }
    never = -(2**40)
    visits = visits.with_columns(**shifted).with_columns(
        nw.col("_crm_before").fill_null(never), nw.col("_crm_had").fill_null(0.0), nw.col("_crm_after").fill_null(never)
    )
    before, change = nw.col("_crm_before"), nw.col("_crm_amount") - nw.col("_crm_had")
    stayed = before == number - 1
    kinds = {
        "_crm_n": number == number,
        "_crm_new": before == never,
        "_crm_returned": (before != never) & ~stayed,
        "_crm_expanded": stayed & (change > 0),
        "_crm_contracted": stayed & (change < 0),
        "_crm_left": nw.col("_crm_after") != number + 1,
    }
    visits = visits.with_columns(_crm_change=change, **{name: kind.cast(nw.Int64) for name, kind in kinds.items()})
    value = [amount, amount, amount, nw.col("_crm_change"), -nw.col("_crm_change"), amount]
    visits = visits.with_columns(
        **{name: nw.col(kind) * paid for name, kind, paid in zip(SUMS, COUNTS, value, strict=True)}
    )
    table = visits.group_by("_crm_period").agg(*(nw.col(name).sum() for name in (*COUNTS, *SUMS)))
    sums = to_arrays(table, ["_crm_period", *COUNTS, *SUMS])
    periods = np.unique(np.concatenate([sums["_crm_period"], found["_crm_period"]])).astype(np.int64)
    dense = {name: np.zeros(len(periods)) for name in (*COUNTS, *SUMS, "_crm_alone")}
    for name in (*COUNTS, *SUMS):
        dense[name][np.searchsorted(periods, sums["_crm_period"])] = sums[name]
    dense["_crm_alone"][np.searchsorted(periods, found["_crm_period"])] = found["_crm_amount"]
    return {"period": periods, **dense}


def sums_of_arrays(code: IntArray, period: IntArray, amount: Array) -> dict[str, AnyArray]:
    """Count customers of each kind by period, and add their amounts, from rows in memory."""
    customer, at, paid, bought = customer_periods(code, period, amount)
    periods, row = np.unique(at, return_inverse=True)
    alone = np.bincount(row[~bought], paid[~bought], minlength=len(periods))
    customer, at, paid, row = customer[bought], at[bought], paid[bought], row[bought]
    same = customer[1:] == customer[:-1]
    is_next = same & (at[1:] == at[:-1] + 1)
    stayed, known = np.concatenate([[False], is_next]), np.concatenate([[False], same])
    change = np.diff(paid, prepend=0.0)
    kinds = [
        np.ones(len(at), dtype=bool),
        ~known,
        known & ~stayed,
        stayed & (change > 0),
        stayed & (change < 0),
        np.concatenate([~is_next, [True]]),
    ]
    value = [paid, paid, paid, change, -change, paid]
    sums: dict[str, AnyArray] = {"period": periods, "_crm_alone": alone}
    for count, total, kind, amounts in zip(COUNTS, SUMS, kinds, value, strict=True):
        sums[count] = np.bincount(row[kind], minlength=len(periods)).astype(float)
        sums[total] = np.bincount(row[kind], amounts[kind], minlength=len(periods))
    return sums


def customer_periods(code: IntArray, period: IntArray, amount: Array) -> tuple[IntArray, IntArray, Array, AnyArray]:
    """Return customer, period, amount and whether she bought, of each customer and period with rows, in order."""
    lowest = int(period.min(initial=2**40))
    span = int(period.max(initial=lowest)) - lowest + 1
    key = code * span + (period - lowest)
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1) != 0)
    paid = np.add.reduceat(amount[order], starts) if len(starts) else amount
    bought = np.maximum.reduceat(amount[order] >= 0, starts) if len(starts) else amount >= 0
    return key[starts] // span, key[starts] % span + lowest, paid, bought


def bridge_table(sums: dict[str, Array], starts: AnyArray, whole: AnyArray, period: Period) -> dict[str, AnyArray]:
    """Columns of the bridge, from the second period on."""
    if len(starts) < 3:
        raise InputError(
            f"transactions: all lie in one {period}, so there is no change to split. Pass a shorter period."
        )
    opening, closing = sums["_crm_in"][:-1], sums["_crm_in"][1:]
    new, returned, expanded, contracted = (sums[name][1:] for name in SUMS[1:5])
    lost = sums["_crm_in_left"][:-1]
    days = np.diff(starts).astype(np.int64)
    money = {
        "opening": opening,
        "new": new,
        "returned": returned,
        "expanded": expanded,
        "contracted": contracted,
        "lost": lost,
        "refunds": np.diff(sums["_crm_alone"]),
        "closing": closing,
        "n_opening": sums["_crm_n"][:-1],
        **{f"n{name[4:]}": sums[name][1:] for name in COUNTS[1:5]},
        "n_lost": sums["_crm_left"][:-1],
        "net_revenue_retention": share_of(opening + expanded - contracted - lost, opening),
        "gross_revenue_retention": share_of(opening - contracted - lost, opening),
        "quick_ratio": share_of(new + returned + expanded, contracted + lost),
        "change": closing - opening + np.diff(sums["_crm_alone"]),
    }
    known = whole[1:] & whole[:-1]
    return {
        "period": starts[1:-1],
        "days": days[1:],
        "days_before": days[:-1],
        **{name: np.where(known, values, np.nan) for name, values in money.items()},
    }


def contract_revenue_bridge(contracts: Contracts, *, period: Period = "month", observation_end: Day) -> RevenueBridge:
    """Split the change of the monthly revenue under contract over each period by what customers did.

    Parameters
    ----------
    contracts : Contracts
        From `prepare_contracts`, with amounts.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    observation_end : day
        Last day up to which contracts are known.

    Returns
    -------
    RevenueBridge
        One row a period; opening is the monthly revenue at its start, closing at its end. There are no refunds.

    Raises
    ------
    InputError
        If `period` is unknown, contracts have no amounts, or none has begun by `observation_end`.

    Notes
    -----
    The parts are those of `revenue_bridge`, with the amounts a month that run on the evening before the period and on
    its last evening. A customer in a pause pays 0 and is contracted, not lost.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmvalue.retention.contracts import prepare_contracts
    >>> rows = pd.DataFrame({"customer_id": ["ann", "ann", "bob"], "fee": [10.0, 15.0, 20.0],
    ...     "start": ["2024-01-01", "2024-02-10", "2024-01-05"], "end": ["2024-02-09", None, "2024-02-20"]})
    >>> contracts = prepare_contracts(rows, amount="fee")
    >>> bridge = contract_revenue_bridge(contracts, observation_end="2024-03-01").frame
    >>> bridge.loc[1, ["opening", "new", "expanded", "contracted", "lost", "closing"]].tolist()
    [30.0, 0.0, 5.0, 0.0, 20.0, 15.0]
    """
    require_option("period", period, PERIODS)
    if not np.isfinite(contracts.amount).all():
        raise InputError("contracts: they have no amounts. Name their column: prepare_contracts(..., amount=...).")
    end = require_day("observation_end", observation_end)
    starts = period_starts(contracts, end, period)
    days = starts.astype(np.int64)
    states = [revenue_at(contracts, int(day)) for day in days]
    first_stay = np.concatenate([[True], contracts.stay_customer[1:] != contracts.stay_customer[:-1]])
    rows = [movements(*before, *after, first_stay) for before, after in itertools.pairwise(states)]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    opening, lost, contracted = found["opening"], found["lost"], found["contracted"]
    gained = found["new"] + found["returned"] + found["expanded"]
    ratios = {
        "net_revenue_retention": share_of(opening + found["expanded"] - contracted - lost, opening),
        "gross_revenue_retention": share_of(opening - contracted - lost, opening),
        "quick_ratio": share_of(gained, contracted + lost),
        "change": found["closing"] - opening,
    }
    judged = is_judged(contracts, days, day_as_number(end))
    length = np.diff(days)
    table = {
        "period": starts[:-1],
        "days": length,
        "days_before": np.concatenate([length[:1], length[:-1]]),
        **{name: np.where(judged, values, np.nan) for name, values in (found | ratios).items()},
    }
    return RevenueBridge(
        frame=like(table, open_frame(contracts.stays)),
        period=period,
        observation_start=starts[0],
        observation_end=end,
    )


def movements(there: AnyArray, had: Array, stays: AnyArray, has: Array, first_stay: AnyArray) -> dict[str, float]:
    """Amounts and customers of each movement between two days."""
    change = has - had
    kinds: dict[str, tuple[Any, Array]] = {
        "opening": (there, had),
        "new": (stays & ~there & first_stay, has),
        "returned": (stays & ~there & ~first_stay, has),
        "expanded": (stays & there & (change > 0), change),
        "contracted": (stays & there & (change < 0), -change),
        "lost": (there & ~stays, had),
    }
    counts = {f"n_{name}": float(kind.sum()) for name, (kind, _) in kinds.items()}
    amounts = {name: float(values[kind].sum()) for name, (kind, values) in kinds.items()}
    return amounts | {"refunds": 0.0, "closing": float(has[stays].sum())} | counts
