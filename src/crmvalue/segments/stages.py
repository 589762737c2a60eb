"""Where in her life is a customer: new, active, at risk, lapsed or reactivated, by her own rhythm.

A customer who buys every week is late after three; one who buys every year is not. So silence is measured in her usual
gaps between purchases, and not in days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import (
    AnyFrame,
    count_rows,
    customer_codes,
    day_number,
    like,
    one_row,
    open_frame,
    series_to_array,
    series_to_days,
    to_arrays,
    to_native,
)
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Day, Frame
from crmvalue.data.cohorts import day_as_number, distinct, last_observed_day, require_purchases
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.segments.points import with_texts

STAGES = ("new", "active", "reactivated", "at risk", "lapsed")
NEW, ACTIVE, REACTIVATED, AT_RISK, LAPSED = range(len(STAGES))
FACTS = ("purchases", "span", "last_gap", "days_since_last")  # of each customer, whole numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LifecycleStages:
    """Each customer with her stage, and how many are in each; both in the engine of the transactions.

    Columns of `frame`, one row a customer: customer_id; purchases (purchase days); days_since_last (days); usual_gap
    (days between her purchases, drawn to the typical gap the fewer she has made); overdue (days_since_last as a
    multiple of usual_gap); stage (text). Columns of `table`, one row a stage: stage; customers; customer_share.
    """

    frame: Frame
    table: Frame
    typical_gap: float  # median over repeat customers of their mean days between purchases
    at_risk_after: float  # usual gaps of silence after which a customer is at risk
    lapsed_after: float  # usual gaps of silence after which she has lapsed
    observation_end: np.datetime64  # last day that counts
    n_customers: int

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def lifecycle_stage(
    transactions: Transactions | Frame,
    *,
    at_risk_after: float = 2.3,
    lapsed_after: float = 4.6,
    typical_gap: float | None = None,
    observation_end: Day | None = None,
) -> LifecycleStages:
    r"""Name the stage of each customer: new, active, reactivated, at risk or lapsed, from her own rhythm.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    at_risk_after, lapsed_after : float
        Silence, as a multiple of the customer's usual gap, after which she is at risk, and after which she has lapsed.
    typical_gap : float, optional
        Days between purchases of a customer of whom nothing is known yet. If not given, the median over the customers
        with repeat purchases of their mean gap. Keep the number to compare months: it then never moves on its own.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    LifecycleStages
        The stage of each customer, and the number of customers in each stage.

    Raises
    ------
    InputError
        If `lapsed_after` is not above `at_risk_after`, nobody has bought by `observation_end`, or nobody has bought
        twice and no `typical_gap` is given.

    Notes
    -----
    With k gaps that add up to S days, the usual gap is :math:`(S + g) / (k + 1)`, g the typical gap: her own mean gap,
    with one typical gap put to it. A customer who is silent for longer than `lapsed_after` usual gaps has lapsed; for
    longer than `at_risk_after`, she is at risk. Of the others, those with one purchase day are new; those whose last
    gap would have made them lapsed, by their gaps before it, are reactivated; the rest is active. If gaps are
    exponential, a customer who still buys is silent for more than 2.3 mean gaps one time in 10, and for more than 4.6
    one time in 100.

    A stage says how unusual the silence is for a customer with this rhythm, not how likely she is to come back. Real
    gaps vary more than exponential ones, so far more than 1 in 10 of those at risk still buy, and lapsed need not be
    much worse than at risk: in the transactions of a British online shop, 46 % of those at risk and 49 % of those
    lapsed bought nothing in the half year ahead. For a probability of a purchase, use a fit and `churn_risk`, and
    `risk_backtest` to see what it is worth.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["a", "a", "a", "b", "b", "c"], "amount": 9.0,
    ...                      "date": ["2024-01-01", "2024-01-11", "2024-01-21", "2024-01-01", "2024-01-11",
    ...                               "2024-02-28"]})
    >>> stages = lifecycle_stage(rows, observation_end="2024-03-01")
    >>> stages.frame
      customer_id  purchases  days_since_last  usual_gap  overdue   stage
    0           a          3               40       10.0      4.0  at risk
    1           b          2               50       10.0      5.0   lapsed
    2           c          1                2       10.0      0.2      new
    """
    at_risk = require_number("at_risk_after", at_risk_after, above=0)
    lapsed = require_number("lapsed_after", lapsed_after, above=at_risk)
    gap = None if typical_gap is None else require_number("typical_gap", typical_gap, above=0)
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    rows = open_frame(checked.frame).select("customer_id", "date", "amount")
    facts = facts_of_frame(rows, end) if isinstance(rows, nw.DataFrame) else facts_in_engine(rows, end)
    gap = median_gap(facts, end) if gap is None else gap
    staged = with_stage(facts, gap, at_risk, lapsed)
    found = to_arrays(staged.group_by("stage").agg(n=nw.len()), ["stage", "n"])
    counts = np.zeros(len(STAGES), dtype=np.int64)
    counts[[STAGES.index(name) for name in found["stage"]]] = found["n"]
    require_purchases(int(counts.sum()), end)
    table = {
        "stage": np.array(STAGES, dtype=object),
        "customers": counts,
        "customer_share": counts / counts.sum(),
    }
    return LifecycleStages(
        frame=to_native(staged),
        table=like(table, rows),
        typical_gap=gap,
        at_risk_after=at_risk,
        lapsed_after=lapsed,
        observation_end=end,
        n_customers=int(counts.sum()),
    )


def with_stage(facts: AnyFrame, gap: float, at_risk: float, lapsed: float) -> AnyFrame:
    """Usual gap, overdue and stage of each customer, worked out where the customers are."""
    span, silent, last = (nw.col(name).cast(nw.Float64) for name in ("span", "days_since_last", "last_gap"))
    n_gaps = nw.col("purchases").cast(nw.Float64) - 1
    n_before = nw.when(n_gaps > 0).then(n_gaps - 1).otherwise(0.0)
    timed = facts.with_columns(usual_gap=(span + gap) / (n_gaps + 1), _crm_before=(span - last + gap) / (n_before + 1))
    timed = timed.with_columns(overdue=silent / nw.col("usual_gap"))
    came_back = (n_gaps > 0) & (last > nw.col("_crm_before") * lapsed)
    there = nw.when(came_back).then(REACTIVATED).otherwise(nw.when(n_gaps > 0).then(ACTIVE).otherwise(NEW))
    late = nw.when(nw.col("overdue") > lapsed).then(LAPSED).otherwise(AT_RISK)
    placed = timed.with_columns(_crm_stage=nw.when(nw.col("overdue") > at_risk).then(late).otherwise(there))
    if isinstance(placed, nw.DataFrame):
        named: AnyFrame = with_texts(placed, "stage", STAGES, to_arrays(placed, ["_crm_stage"])["_crm_stage"])
    else:
        table = like({"_crm_place": np.arange(len(STAGES)), "stage": np.array(STAGES, dtype=object)}, facts)
        placed = placed.with_columns(nw.col("_crm_stage").cast(nw.Int64))
        named = placed.join(nw.from_native(table), left_on="_crm_stage", right_on="_crm_place", how="left")
    return named.select("customer_id", "purchases", "days_since_last", "usual_gap", "overdue", "stage")


def median_gap(facts: AnyFrame, end: np.datetime64) -> float:
    """Median, over the customers with repeat purchases, of their mean gap."""
    mean = nw.col("span").cast(nw.Float64) / (nw.col("purchases") - 1).cast(nw.Float64)
    gaps = facts.filter(nw.col("purchases") > 1).select(_crm_gap=mean)
    middle: list[Any] = []
    if isinstance(gaps, nw.LazyFrame):
        gap, count, up_to, n = (nw.col(f"_crm_{name}") for name in ("gap", "n", "up_to", "all"))
        equal = gaps.group_by("_crm_gap").agg(_crm_n=nw.len()).with_columns(count.cast(nw.Int64))
        ranked = equal.with_columns(_crm_up_to=count.cum_sum().over(order_by="_crm_gap"), _crm_all=count.sum())
        beyond = {"low": up_to * 2 > n - 1, "high": up_to * 2 > n}  # of 2k or 2k + 1 customers, those in the middle
        reached = ranked.with_columns(**{name: nw.when(there).then(gap) for name, there in beyond.items()})
        found = one_row(reached, low=nw.col("low").min(), high=nw.col("high").min())
        middle = [value for value in found.values() if value is not None]
    elif len(gaps):
        ranks = [(len(gaps) - 1) // 2, len(gaps) // 2]
        middle = np.partition(gaps.get_column("_crm_gap").to_numpy(), ranks)[ranks].tolist()
    if not middle:
        require_purchases(count_rows(facts), end)
        raise InputError("typical_gap: nobody has bought twice, so there is no rhythm to learn. Pass a number of days.")
    return math.fsum(middle) / 2


def facts_of_frame(rows: nw.DataFrame[Any], end: np.datetime64) -> nw.DataFrame[Any]:
    """Facts of the customers who have bought by `end`, from a frame in memory."""
    code, decode = customer_codes(rows.get_column("customer_id"))
    day, last_day = series_to_days(rows.get_column("date")), day_as_number(end)
    counts = (day <= last_day) & (series_to_array(rows.get_column("amount")) >= 0)
    code, day = code[counts], day[counts]
    lowest = int(day.min(initial=last_day))
    bits = int(last_day - lowest).bit_length()
    key = distinct(code.astype(np.int64) << bits | day - lowest)
    customer, days = key >> bits, key & ((1 << bits) - 1)
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    purchases = np.diff(first, append=len(key))
    last = first + purchases - 1
    facts = {
        "customer_id": decode(customer[first]),
        "purchases": purchases,
        "span": days[last] - days[first],
        "last_gap": days[last] - days[np.maximum(last - 1, first)],
        "days_since_last": last_day - lowest - days[last],
    }
    return nw.from_native(like(facts, rows), eager_only=True)


def facts_in_engine(rows: nw.LazyFrame[Any], end: np.datetime64) -> nw.LazyFrame[Any]:
    """Describe the facts of the customers to a lazy engine."""
    day, last = nw.col("_crm_day"), nw.col("_crm_last")
    days = rows.filter(nw.col("amount") >= 0).select("customer_id", _crm_day=day_number("date"))
    days = days.filter(day <= day_as_number(end)).unique()
    days = days.with_columns(_crm_last=day.max().over("customer_id"))
    earlier = nw.when(day < last).then(day)  # its maximum is the day before the last one, missing after one purchase
    people = (
        days.with_columns(_crm_earlier=earlier)
        .group_by("customer_id")
        .agg(purchases=nw.len().cast(nw.Int64), first=day.min(), last=day.max(), earlier=nw.col("_crm_earlier").max())
    )
    gap = (nw.col("last") - nw.col("earlier")).fill_null(0)
    facts = people.with_columns(
        span=(nw.col("last") - nw.col("first")).cast(nw.Int64),
        last_gap=gap.cast(nw.Int64),
        days_since_last=(day_as_number(end) - nw.col("last")).cast(nw.Int64),
    )
    return facts.select("customer_id", *FACTS)
