"""Who is leaving: the share of customers lost in each period, and how many of each cohort come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.frames import like, open_frame
from crmvalue._core.periods import LONGEST, PERIODS, first_days, period_numbers
from crmvalue._core.show import result_html, result_text
from crmvalue._core.special import beta_quantile
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import (
    PurchaseGaps,
    cohort_totals,
    day_as_number,
    last_observed_day,
    purchase_gaps,
)
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError

Measure: TypeAlias = Literal["customers", "revenue"]
MEASURES: tuple[Measure, ...] = ("customers", "revenue")
LEVEL = 0.95  # of the interval around a churn rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChurnRates:
    """One row a period, in the engine of the transactions.

    Columns of `frame`: period (first day); period_end (last day); active_at_start (customers); lost (of these,
    within the period); churn_rate (lost / active_at_start); lower and upper (exact 95 % interval of the rate). Lost,
    rate and interval are missing for a period that had not ended by `observation_end`; rate and interval are missing
    when nobody was at risk: active at the start, and long enough after the first purchase in the data to be lost.
    """

    frame: Frame
    period: Period
    inactive_after: int  # days of silence after which a customer is lost
    observation_end: np.datetime64  # last day that counts
    n_customers: int  # customers with a purchase by `observation_end`

    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetentionTable:
    """Customers or revenue of each cohort by its age in periods.

    Columns of `frame`, one row a cohort and age, in the engine of the transactions: cohort (first day of the period of
    first purchase); age (periods since); period (first day); cohort_size; customers or revenue; share (of age 0);
    is_complete. The measure and its share are missing where time has not come yet.
    """

    frame: Frame
    period: Period
    measure: Measure
    observation_end: np.datetime64  # last day that counts
    cohorts: AnyArray  # first day of each cohort's first period, datetime64[D], shape (k,)
    cohort_size: IntArray  # customers of each cohort, shape (k,)
    values: Array  # customers who bought at age 0, 1, ... or revenue; NaN where time has not come, shape (k, n_ages)
    is_complete: BoolArray  # whether the period of the cell had ended by `observation_end`, shape (k, n_ages)
    refund_only_revenue: float  # amount of those who never bought, at most 0; in no cell

    __repr__ = result_text
    _repr_html_ = result_html

    @property
    def shares(self) -> Array:
        """Values as a share of age 0, shape (k, n_ages); missing where age 0 brought no revenue."""
        return shares_of_first(self.values)


def churn_rates(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    inactive_after: int,
    observation_end: Day | None = None,
) -> ChurnRates:
    r"""Share of the customers active at the start of each period who were lost within it.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    inactive_after : int
        Days without a purchase after which a customer is lost; at least the days of the longest period (7, 31, 92 or
        366), as otherwise someone could come and be lost within one period, without being active at its start.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    ChurnRates
        One row a period, from that of the first purchase to that of `observation_end`.

    Raises
    ------
    InputError
        If `period` is unknown, `inactive_after` is not an integer or too short, or nobody has bought by
        `observation_end`.

    Notes
    -----
    A customer is active from a purchase on day :math:`d` until day :math:`d + m` (:math:`m` = `inactive_after`). If
    she has not bought again by then, she is lost on that day, once. A later purchase makes her active again, and she
    can be lost again. For the period that begins on day :math:`s` and ends before day :math:`e`,

    .. math::
        \text{active at start} &= \#\{\text{customers with a purchase on a day } d < s \text{ and } s - d \le m\} \\
        \text{lost} &= \#\{\text{customers with a last purchase } d \text{ before a silence, and } s \le d + m < e\}

    Those lost are among those active at the start, since :math:`m` is at least :math:`e - s`; those who first bought
    within the period are in neither number. So each departure counts in exactly one period. A period is judged when
    all of it was observed. The interval is that of Clopper and Pearson; it takes customers to leave independently.
    Customers who last bought before the data begin are not seen. So nobody can be lost in the first `inactive_after`
    days: a rate of 0 there would say nothing, and is missing. Rates soon after stand on those seen till then.

    References
    ----------
    Clopper, C. J. & Pearson, E. S. (1934) "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26(4), https://doi.org/10.1093/biomet/26.4.404

    Examples
    --------
    Both bought in January; ann comes back in February, bob does not. With 31 days bob, silent since 10 January, is
    lost on 10 February, and ann, silent since 20 February, on 23 March. Nothing is known about all of April.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "ann", "cy"], "amount": [5.0, 5.0, 5.0, 5.0],
    ...                      "date": ["2023-01-25", "2023-01-10", "2023-02-20", "2023-04-01"]})
    >>> churn_rates(rows, inactive_after=31).frame[["period", "active_at_start", "lost", "churn_rate"]]
          period  active_at_start  lost  churn_rate
    0 2023-01-01                0   0.0         NaN
    1 2023-02-01                2   1.0         0.5
    2 2023-03-01                1   1.0         1.0
    3 2023-04-01                0   NaN         NaN
    """
    require_option("period", period, PERIODS)
    silence = checked_silence(inactive_after, period)
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    gaps = purchase_gaps(checked, end)
    first, last = period_numbers(np.array([gaps.day.min(), day_as_number(end)]), period)
    starts = first_days(np.arange(first, last + 2), period)  # one more, for the end of the last period
    days = starts.astype(np.int64)
    active, lost = active_and_lost(gaps, days, silence)
    judged = days[1:] <= day_as_number(end) + 1  # the last day of the period was observed
    possible = days[1:] > gaps.day.min() + silence  # long enough after the data begin for somebody to be lost
    lower, upper = binomial_interval(lost, np.where(possible, active, 0))
    at_risk = np.where(possible & (active > 0), active, np.nan)
    results = {"lost": lost.astype(float), "churn_rate": lost / at_risk, "lower": lower, "upper": upper}
    table = {
        "period": starts[:-1],
        "period_end": starts[1:] - 1,
        "active_at_start": active,
        **{name: np.where(judged, values, np.nan) for name, values in results.items()},
    }
    return ChurnRates(
        frame=like(table, open_frame(checked.frame)),
        period=period,
        inactive_after=silence,
        observation_end=end,
        n_customers=gaps.n_customers,
    )


def retention_table(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    measure: Measure = "customers",
    observation_end: Day | None = None,
) -> RetentionTable:
    """How many of those who first bought in a period, or how much of their money, came in each period since.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    measure : {"customers", "revenue"}
        What is in the cells: customers with a purchase in the period, or amounts less refunds.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    RetentionTable
        One row a cohort, for each period in which somebody first bought; one column an age, from 0.

    Raises
    ------
    InputError
        If `period` or `measure` is unknown, or nobody has bought by `observation_end`.

    Notes
    -----
    A cell is missing if its period begins after `observation_end`, 0 if it has begun and nobody came, and not
    complete if it had not ended by then: compare cohorts in complete cells. A day with refunds alone is no purchase.
    Refunds count in the period in which they were paid, and in the customer's first period if they came before her
    first purchase, so that revenue over all cells and `refund_only_revenue` add up to the sum of the amounts.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "ann", "cy"], "amount": [5.0, 7.0, 4.0, 6.0],
    ...                      "date": ["2023-01-25", "2023-01-10", "2023-03-20", "2023-02-28"]})
    >>> table = retention_table(rows)
    >>> table.cohorts
    array(['2023-01-01', '2023-02-01'], dtype='datetime64[D]')
    >>> table.values
    array([[ 2.,  0.,  1.],
           [ 1.,  0., nan]])
    >>> table.is_complete
    array([[ True,  True, False],
           [ True, False, False]])
    >>> retention_table(rows, measure="revenue").values
    array([[12.,  0.,  4.],
           [ 6.,  0., nan]])
    """
    require_option("period", period, PERIODS)
    require_option("measure", measure, MEASURES)
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    totals = cohort_totals(checked, end, period)
    cohort, row = np.unique(totals.cohort, return_inverse=True)
    last = int(period_numbers(np.array([end]), period)[0])
    age = np.arange(last - cohort[0] + 1)
    at = cohort[:, None] + age
    values = np.where(at <= last, 0.0, np.nan)
    values[row, totals.period - totals.cohort] = getattr(totals, measure)
    newcomers = totals.period == totals.cohort
    size = np.zeros(len(cohort), dtype=np.int64)
    size[row[newcomers]] = totals.customers[newcomers]
    is_complete = np.asarray(first_days(at + 1, period) <= end + 1)
    table = {
        "cohort": first_days(cohort, period).repeat(len(age)),
        "age": np.tile(age, len(cohort)),
        "period": first_days(at.ravel(), period),
        "cohort_size": size.repeat(len(age)),
        measure: values.ravel(),
        "share": shares_of_first(values).ravel(),
        "is_complete": is_complete.ravel(),
    }
    cohorts = first_days(cohort, period)
    for array in (cohorts, size, values, is_complete):
        array.flags.writeable = False
    return RetentionTable(
        frame=like(table, open_frame(checked.frame)),
        period=period,
        measure=measure,
        observation_end=end,
        cohorts=cohorts,
        cohort_size=size,
        values=values,
        is_complete=is_complete,
        refund_only_revenue=totals.refund_only_revenue,
    )


def checked_silence(inactive_after: int, period: Period) -> int:
    """Return the days of silence as an integer that is at least the longest period."""
    whole = isinstance(inactive_after, (int, np.integer)) and not isinstance(inactive_after, bool)
    if not whole or inactive_after < 1:
        raise InputError(f"inactive_after: got {inactive_after!r}. Pass a number of days, an integer above 0.")
    if inactive_after < LONGEST[period]:
        raise InputError(
            f"inactive_after: {inactive_after} days are shorter than a {period} ({LONGEST[period]} days), so customers "
            f"could come and be lost within one. Pass at least {LONGEST[period]}, or a shorter period."
        )
    return int(inactive_after)


def active_and_lost(gaps: PurchaseGaps, starts: IntArray, silence: int) -> tuple[IntArray, IntArray]:
    """Count those active at the start of each period and those lost within it; `starts` ends with the last end."""
    n, last_end, earliest = len(starts) - 1, starts[-1], gaps.day.min()
    begun = np.searchsorted(starts, np.arange(earliest, last_end + 1), side="right")  # periods begun, by day
    lost_on = gaps.day + silence
    # A purchase keeps its customer active at the starts after it, up to her next purchase or the end of her silence.
    until = np.minimum(np.minimum(lost_on, gaps.next_day), last_end)
    enter = np.bincount(begun[gaps.day - earliest], gaps.count, minlength=n + 2)
    leave = np.bincount(begun[until - earliest], gaps.count, minlength=n + 2)
    gone = (gaps.next_day > lost_on) & (lost_on < last_end)
    lost = np.bincount(begun[lost_on[gone] - earliest] - 1, gaps.count[gone], minlength=n)
    active = np.cumsum(enter - leave)[:n]
    return active.astype(np.int64), lost.astype(np.int64)  # bincount adds in floats, exact up to 2 ** 53


def binomial_interval(successes: IntArray, trials: IntArray) -> tuple[Array, Array]:
    """Exact interval of a share by Clopper & Pearson (1934); missing without trials."""
    tail = (1 - LEVEL) / 2
    failures = trials - successes
    lower = np.where(successes > 0, beta_quantile(np.maximum(successes, 1), failures + 1, tail), 0.0)
    upper = np.where(failures > 0, beta_quantile(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
    return np.where(trials > 0, lower, np.nan), np.where(trials > 0, upper, np.nan)


def shares_of_first(values: Array) -> Array:
    """Each row as a share of its first value, missing where that is not above 0."""
    first = values[:, :1]
    return values / np.where(first > 0, first, np.nan)
