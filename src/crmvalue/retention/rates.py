"""Customers without a contract: the share of those active at the start of each period who were lost within it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.frames import like, open_frame
from crmvalue._core.intervals import binomial_interval, poisson_interval
from crmvalue._core.periods import LONGEST, PERIODS, first_days, period_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import PurchaseGaps, day_as_number, last_observed_day, purchase_gaps
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.contracts import refuse_contracts
from crmvalue.retention.groups import all_gaps, gaps_by_group
from crmvalue.retention.shares import share_of
from crmvalue.retention.timing import chosen_silence, share_still_returning, silence_curve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChurnRates:
    """One row a period (and group), in the engine of the transactions.

    Columns of `frame`: the group, if there is one; period (first day); period_end (last day); active_at_start
    (customers); lost (of these, within the period); churn_rate (lost / active_at_start); lower and upper (exact 95 %
    interval of the rate); person_time (customers active, times the part of the period that they were); loss_rate
    (lost / person_time: a customer and period); loss_lower and loss_upper (exact 95 % interval). All but the first
    three are missing for a period that had not ended by `observation_end`; rates and intervals are missing when nobody
    was at risk: active at the start, and long enough after the first purchase in the data to be lost. `lost` is
    a float, since integers cannot be missing in every engine.
    """

    frame: Frame
    period: Period
    by: str | None  # column of the groups
    inactive_after: int  # days of silence after which a customer is lost
    choice: str  # how `inactive_after` was chosen
    share_still_returning: float  # of those silent for `inactive_after` days; within the time observed, see Notes
    observation_end: np.datetime64  # last day that counts
    first_full_period: np.datetime64  # first period on every day of which somebody could be lost; NaT if none yet
    n_customers: int  # customers with a purchase by `observation_end`

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def churn_rates(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    inactive_after: int | Literal["auto"] = "auto",
    by: str | None = None,
    observation_end: Day | None = None,
) -> ChurnRates:
    r"""Share of the customers active at the start of each period who were lost within it.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    inactive_after : int or "auto"
        Days without a purchase after which a customer is lost; at least the days of the longest period (7, 31, 92 or
        366), as otherwise someone could come and be lost within one period, without being active at its start. "auto"
        chooses it from the times between purchases; `choice` of the result says how.
    by : str, optional
        Column of the transactions (kept by `prepare_transactions`) that names one group for each customer.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    ChurnRates
        One row a period, from that of the first purchase to that of `observation_end`, for each group.

    Raises
    ------
    InputError
        If `period` is unknown, `inactive_after` is not an integer or too short, nobody has bought by
        `observation_end`, or a customer is in several groups.

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
    `churn_rate` divides by the customers at the start; `loss_rate` by the time that all, also those who joined or came
    back, were customers: its interval is that of Garwood. "auto" takes the shortest silence within which 95 % of those
    returns come that come within the time observed, by a Kaplan-Meier curve of the times to the next purchase.
    `share_still_returning` is :math:`1 - \hat S(t) / \hat S(m)` on this curve, :math:`t` the last time at which 30
    purchases were still followed: of those counted as lost, the share who buy again by then. It is missing for
    :math:`m` beyond :math:`t`. The longer the data, the higher it is: those who return later are not in it.

    References
    ----------
    Clopper, C. J. & Pearson, E. S. (1934) "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26(4), https://doi.org/10.1093/biomet/26.4.404

    Garwood, F. (1936) "Fiducial limits for the Poisson distribution", Biometrika 28(3/4),
    https://doi.org/10.1093/biomet/28.3-4.437

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
    if inactive_after != "auto":
        checked_silence(inactive_after, period)
    refuse_contracts(transactions, "contract_churn_rates")
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    groups = [(None, purchase_gaps(checked, end))] if by is None else gaps_by_group(checked, end, by)
    gaps = all_gaps(groups)
    curve = silence_curve(gaps, day_as_number(end))
    silence, choice = (
        chosen_silence(curve, gaps.n_customers, period)
        if isinstance(inactive_after, str)
        else (int(inactive_after), "given")
    )
    begin = int(gaps.day.min())
    first, last = period_numbers(np.array([begin, day_as_number(end)]), period)
    starts = first_days(np.arange(first, last + 2), period)  # one more, for the end of the last period
    full = starts[:-1][(starts[:-1].astype(np.int64) >= begin + silence) & (starts[1:] <= end + 1)]
    tables = [rate_table(found, starts, silence, end) for _, found in groups]
    table = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    names = np.array([name for name, _ in groups]).repeat(len(starts) - 1)
    return ChurnRates(
        frame=like({by: names, **table} if by else table, open_frame(checked.frame)),
        period=period,
        by=by,
        inactive_after=silence,
        choice=choice,
        share_still_returning=share_still_returning(curve, silence),
        observation_end=end,
        first_full_period=full[0] if len(full) else np.datetime64("NaT", "D"),
        n_customers=gaps.n_customers,
    )


def rate_table(gaps: PurchaseGaps, starts: AnyArray, silence: int, end: np.datetime64) -> dict[str, AnyArray]:
    """Columns of the rates of one group; `starts` ends with the end of the last period."""
    days = starts.astype(np.int64)
    active, lost, person_days = active_and_lost(gaps, days, silence)
    judged = days[1:] <= day_as_number(end) + 1  # the last day of the period was observed
    possible = days[1:] > gaps.day.min() + silence  # long enough after the data begin for somebody to be lost
    lower, upper = binomial_interval(lost, np.where(possible, active, 0))
    person_time = person_days / np.diff(days)
    exposed = np.where(possible, person_time, 0.0)
    loss_lower, loss_upper = poisson_interval(lost, exposed)
    results = {
        "lost": lost.astype(float),
        "churn_rate": share_of(lost.astype(float), np.where(possible, active, 0)),
        "lower": lower,
        "upper": upper,
        "person_time": person_time,
        "loss_rate": share_of(lost.astype(float), exposed),
        "loss_lower": loss_lower,
        "loss_upper": loss_upper,
    }
    return {
        "period": starts[:-1],
        "period_end": starts[1:] - 1,
        "active_at_start": active,
        **{name: np.where(judged, values, np.nan) for name, values in results.items()},
    }


def checked_silence(inactive_after: int, period: Period) -> int:
    """Return the days of silence as an integer that is at least the longest period."""
    whole = isinstance(inactive_after, (int, np.integer)) and not isinstance(inactive_after, bool)
    if not whole or inactive_after < 1:
        raise InputError(
            f"inactive_after: got {inactive_after!r}. Pass a number of days, an integer above 0, or 'auto'."
        )
    if inactive_after < LONGEST[period]:
        raise InputError(
            f"inactive_after: {inactive_after} days are shorter than a {period} ({LONGEST[period]} days), so customers "
            f"could come and be lost within one. Pass at least {LONGEST[period]}, or a shorter period."
        )
    return int(inactive_after)


def active_and_lost(gaps: PurchaseGaps, starts: IntArray, silence: int) -> tuple[IntArray, IntArray, Array]:
    """Count those active at the start of each period, those lost within it, and the days that customers were active.

    `starts` ends with the last end.
    """
    n, last_end, earliest = len(starts) - 1, starts[-1], min(int(gaps.day.min()), int(starts[0]))
    begun = np.searchsorted(starts, np.arange(earliest, last_end + 1), side="right")  # periods begun, by day
    lost_on = gaps.day + silence
    # A purchase keeps its customer active at the starts after it, up to her next purchase or the end of her silence.
    until = np.minimum(np.minimum(lost_on, gaps.next_day), last_end)
    enter = np.bincount(begun[gaps.day - earliest], gaps.count, minlength=n + 2)
    leave = np.bincount(begun[until - earliest], gaps.count, minlength=n + 2)
    gone = (gaps.next_day > lost_on) & (lost_on < last_end)
    lost = np.bincount(begun[lost_on[gone] - earliest] - 1, gaps.count[gone], minlength=n)
    active = np.cumsum(enter - leave)[:n]
    daily = np.cumsum(
        np.bincount(gaps.day - earliest, gaps.count, minlength=len(begun))
        - np.bincount(until - earliest, gaps.count, minlength=len(begun))
    )
    before = np.concatenate([[0.0], np.cumsum(daily)])[starts - earliest]
    # bincount adds in floats, exact up to 2 ** 53
    return active.astype(np.int64), lost.astype(np.int64), np.diff(before)
