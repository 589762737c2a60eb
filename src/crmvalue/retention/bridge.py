"""From the revenue of one period to that of the next: new, returned, expanded, contracted, lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_day, require_option
from crmvalue._core.frames import day_number, like, open_frame, to_arrays
from crmvalue._core.periods import PERIODS, first_days, period_number, period_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import NEVER, day_as_number, eager_arrays, last_observed_day, require_purchases
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.contracts import refuse_contracts
from crmvalue.retention.groups import group_values, grouped_arrays, require_one_group, rows_by_group
from crmvalue.retention.shares import share_of

COUNTS = ("_crm_n", "_crm_new", "_crm_returned", "_crm_expanded", "_crm_contracted", "_crm_left")
SUMS = ("_crm_in", "_crm_in_new", "_crm_in_returned", "_crm_more", "_crm_less", "_crm_in_left")
# refunds of those who bought nothing; revenue of those who left, without customers from whom refunds exceeded it
FURTHER = ("_crm_alone", "_crm_gone")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RevenueBridge:
    """What changed revenue from each period to the next; the parts add up to the change.

    Columns of `frame`, one row a period after the first (and group), in the engine of the input: the group, if there
    is one; period (first day); days (its length) and days_before (of the period before: a longer month has more room
    for revenue); opening (revenue of the customers of the period before); new, returned, expanded (at least 0 where no
    refunds exceed purchases); contracted, lost (to be subtracted); refunds (change in refunds to customers without a
    purchase in the period); closing (revenue of the customers of this period); n_opening, n_new, n_returned,
    n_expanded, n_contracted, n_lost (floats, since integers cannot be missing in every engine);
    net_revenue_retention ((opening + expanded - contracted - lost) / opening: customers of the start only);
    gross_revenue_retention (the same without what any customer brings more than before: at most 1 for each);
    quick_ratio ((new + returned + expanded) / (contracted + lost)); change (closing - opening + refunds). Missing where
    a period is not complete.
    """

    frame: Frame
    period: Period
    by: str | None  # column of the groups
    observation_start: np.datetime64  # first day that counts
    observation_end: np.datetime64  # last day that counts
    notes: tuple[str, ...]  # what deserves care: a first period that may not be complete

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def revenue_bridge(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    by: str | None = None,
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
    by : str, optional
        Column of the transactions (kept by `prepare_transactions`) that names one group for each customer.
    observation_start : day, optional
        Day on which the data begin; the first period is complete if it begins then or later. By default the first
        period is taken to be complete, with a note if more than a tenth of it lies before the first row.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    RevenueBridge
        One row a period after the first, for each group; amounts and customers of the groups add up to those of all.

    Raises
    ------
    InputError
        If `period` is unknown, `observation_start` is after the first row, nobody has bought by `observation_end`,
        there is one period only, or a customer is in several groups.

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
    refuse_contracts(transactions, "contract_revenue_bridge")
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    begun = checked.audit.first_day
    start = begun if observation_start is None else require_start(observation_start, begun)
    groups = sums_by_group(checked, end, period, by)
    require_purchases(int(sum(sums["_crm_n"].sum() for _, sums in groups)), end)
    first = int(min(sums["period"].min(initial=NEVER) for _, sums in groups))
    last = int(period_numbers(np.array([end]), period)[0])
    starts = first_days(np.arange(first, last + 2), period)
    whole = starts[1:] <= end + 1
    whole[0] &= observation_start is None or starts[0] >= start
    tables = [bridge_table(dense_sums(sums, first, last), starts, whole, period) for _, sums in groups]
    table = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    names = {by: np.array([name for name, _ in groups]).repeat(len(starts) - 2)} if by else {}
    return RevenueBridge(
        frame=like({**names, **table}, open_frame(checked.frame)),
        period=period,
        by=by,
        observation_start=starts[0] if observation_start is None else start,
        observation_end=end,
        notes=()
        if observation_start is not None
        else notes_on_start(begun, starts, "the first change is then missing, and not too large"),
    )


def require_start(observation_start: Day, begun: np.datetime64) -> np.datetime64:
    """Return the day on which the data begin, which no row may precede."""
    start = require_day("observation_start", observation_start)
    if start > begun:
        raise InputError(f"observation_start: {start} is after the first row ({begun}). Leave out earlier rows first.")
    return start


def notes_on_start(begun: np.datetime64, starts: AnyArray, then: str) -> tuple[str, ...]:
    """Say if a good part of the first period, which is taken to be complete, lies before the first row."""
    silent, length = (int((day - starts[0]).astype(np.int64)) for day in (begun, starts[1]))
    if silent * 10 <= length:
        return ()
    return (
        f"The first row is of {begun}, {silent} days after the first period began. If the data begin there, pass it as "
        f"observation_start: {then}.",
    )


def sums_by_group(
    transactions: Transactions, end: np.datetime64, period: Period, by: str | None
) -> list[tuple[Any, dict[str, AnyArray]]]:
    """Count customers of each kind by period, and add their amounts, in each group or in all."""
    frame, columns = open_frame(transactions.frame), ["customer_id", "date", "amount"]
    if by is None:
        rows = frame.select(*columns)
        if isinstance(rows, nw.LazyFrame):
            return [(None, sums_in_engine(rows, end, period, None))]
        code, day, amount = eager_arrays(rows, end)
        return [(None, sums_of_arrays(code, period_numbers(day, period), amount))]
    names = group_values(frame, by)
    require_one_group(frame, by)
    rows = frame.select(*columns, by)
    if isinstance(rows, nw.LazyFrame):
        sums = sums_in_engine(rows, end, period, by)
        parts = rows_by_group(np.searchsorted(np.array(names), sums.pop(by)), len(names))
        found = [{name: values[part] for name, values in sums.items()} for part in parts]
    else:
        code, day, amount, group = grouped_arrays(rows, end, by, names)
        at = period_numbers(day, period)
        parts = rows_by_group(group, len(names))
        found = [sums_of_arrays(code[part], at[part], amount[part]) for part in parts]
    return list(zip(names, found, strict=True))


def dense_sums(sums: dict[str, AnyArray], first: int, last: int) -> dict[str, Array]:
    """Return the sums of each period from the first to the last, 0 where nothing happened."""
    dense = {name: np.zeros(last - first + 1) for name in (*COUNTS, *SUMS, *FURTHER)}
    for name, values in dense.items():
        values[sums["period"] - first] = sums[name]
    return dense


def sums_in_engine(rows: nw.LazyFrame[Any], end: np.datetime64, period: Period, by: str | None) -> dict[str, AnyArray]:
    """Count customers of each kind by period (and group), and add their amounts, in a lazy engine."""
    number, amount, bought = nw.col("_crm_period"), nw.col("_crm_amount"), nw.col("_crm_bought")
    keys = [by] if by else []
    cells = rows.filter(day_number("date") <= day_as_number(end)).select(
        "customer_id",
        *keys,
        _crm_period=period_number("date", period),
        _crm_amount=nw.col("amount"),
        _crm_bought=(nw.col("amount") >= 0).cast(nw.Int64),
    )
    cells = cells.group_by("customer_id", *keys, "_crm_period").agg(amount.sum(), bought.max())
    hers, never = ["customer_id", "_crm_bought"], -NEVER  # periods with refunds alone are not among her visits
    cells = cells.with_columns(
        _crm_before=number.shift(1).over(*hers, order_by="_crm_period"),
        _crm_had=amount.shift(1).over(*hers, order_by="_crm_period"),
        _crm_after=number.shift(-1).over(*hers, order_by="_crm_period"),
    ).with_columns(
        nw.col("_crm_before").fill_null(never), nw.col("_crm_had").fill_null(0.0), nw.col("_crm_after").fill_null(never)
    )
    came, before, change = bought == 1, nw.col("_crm_before"), amount - nw.col("_crm_had")
    stayed = came & (before == number - 1)
    kinds = {
        "_crm_n": came,
        "_crm_new": came & (before == never),
        "_crm_returned": came & (before != never) & ~stayed,
        "_crm_expanded": stayed & (change > 0),
        "_crm_contracted": stayed & (change < 0),
        "_crm_left": came & (nw.col("_crm_after") != number + 1),
    }
    cells = cells.with_columns(_crm_change=change, **{name: kind.cast(nw.Int64) for name, kind in kinds.items()})
    value = [amount, amount, amount, nw.col("_crm_change"), -nw.col("_crm_change"), amount]
    sums = {name: nw.col(kind) * paid for name, kind, paid in zip(SUMS, COUNTS, value, strict=True)}
    cells = cells.with_columns(**sums, _crm_alone=amount * (1 - bought))
    left = nw.col("_crm_in_left")
    cells = cells.with_columns(_crm_gone=nw.when(left > 0).then(left).otherwise(0.0))
    names = (*COUNTS, *SUMS, *FURTHER)
    table = cells.group_by(*keys, "_crm_period").agg(*(nw.col(name).sum() for name in names))
    found = to_arrays(table, [*keys, "_crm_period", *names])
    return {"period": found.pop("_crm_period").astype(np.int64), **found}


def sums_of_arrays(code: IntArray, period: IntArray, amount: Array) -> dict[str, AnyArray]:
    """Count customers of each kind by period, and add their amounts, from rows in memory."""
    customer, at, paid, bought = customer_periods(code, period, amount)
    periods, row = np.unique(at, return_inverse=True)
    alone = np.bincount(row[~bought], paid[~bought], minlength=len(periods))
    customer, at, paid, row = customer[bought], at[bought], paid[bought], row[bought]
    known = np.diff(customer, prepend=-1) == 0
    stayed = known & (np.diff(at, prepend=0) == 1)
    change = np.diff(paid, prepend=0.0)
    kinds = [
        np.ones(len(at), dtype=bool),
        ~known,
        known & ~stayed,
        stayed & (change > 0),
        stayed & (change < 0),
        ~np.append(stayed, False)[1:],
    ]
    value = [paid, paid, paid, change, -change, paid]
    sums: dict[str, AnyArray] = {"period": periods, "_crm_alone": alone}
    for count, total, kind, amounts in zip(COUNTS, SUMS, kinds, value, strict=True):
        sums[count] = np.bincount(row[kind], minlength=len(periods)).astype(float)
        sums[total] = np.bincount(row[kind], amounts[kind], minlength=len(periods))
    sums["_crm_gone"] = np.bincount(row, np.where(kinds[-1], np.maximum(paid, 0.0), 0.0), minlength=len(periods))
    return sums


def customer_periods(code: IntArray, period: IntArray, amount: Array) -> tuple[IntArray, IntArray, Array, AnyArray]:
    """Return customer, period, amount and whether she bought, of each customer and period with rows, in order."""
    lowest = int(period.min(initial=NEVER))
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
        "gross_revenue_retention": share_of(opening - contracted - sums["_crm_gone"][:-1], opening),
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
