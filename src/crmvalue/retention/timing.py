"""Times between purchases: when customers come back, and after which silence they hardly ever do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core.frames import like, open_frame
from crmvalue._core.intervals import LEVEL, binomial_interval
from crmvalue._core.periods import LONGEST
from crmvalue._core.plain import as_dict, table_to_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, BoolArray, Day, Frame, Period
from crmvalue.data.cohorts import NEVER, PurchaseGaps, day_as_number, last_observed_day, purchase_gaps
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.groups import all_gaps, gaps_by_group
from crmvalue.retention.product_limit import Lifetimes, Survival, median_life, survival

if TYPE_CHECKING:
    import pandas as pd

RETURNS_COVERED = 0.95  # share of the returns that come within the silence that is chosen

FEWEST_AT_RISK = 30  # with fewer left, one more return would move the end of the curve by percents


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PurchaseTiming:
    """How many customers buy again, and how soon.

    `second` is the curve of the time from the first to the second purchase, `between` of the time from any purchase to
    the next. Columns of both, one row a number of days (and group) after which somebody came back, in the engine of the
    transactions: the group, if there is one; days; at_risk (purchases after which nothing was heard for so long, and
    that were observed for so long); returned (of these, after that many days); share_returned (within that many days,
    by Kaplan-Meier); lower and upper (95 % interval). Columns of `groups`, one row a group: the group; n_customers;
    n_repeat; repeat_rate with repeat_lower and repeat_upper; median_days_to_second; median_days_between; n_intervals;
    mean_interval.
    """

    second: Frame
    between: Frame
    groups: Frame
    by: str | None  # column of the groups; the numbers below are of all customers
    n_customers: int  # customers with a purchase by `observation_end`
    n_repeat: int  # of these, with a second one by then
    repeat_rate: float  # n_repeat / n_customers: those who came late had less time for it; see `second`
    repeat_lower: float  # exact 95 % interval of `repeat_rate`
    repeat_upper: float
    median_days_to_second: float  # by which half have come back, of all; missing if not yet half
    median_days_between: float  # by which half of all purchases were followed by another; missing if not yet half
    n_intervals: int  # times between purchases that were seen to end
    mean_interval: float  # their mean in days: too low, as long ones had less chance to be seen to end
    observation_end: np.datetime64  # last day that counts

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group."""
        return table_to_pandas(self.groups)


def purchase_timing(
    transactions: Transactions | Frame, *, by: str | None = None, observation_end: Day | None = None
) -> PurchaseTiming:
    """Share of customers who buy again, and the times to the second and to the next purchase.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    by : str, optional
        Column of the transactions (kept by `prepare_transactions`) that names one group for each customer.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    PurchaseTiming
        The repeat rate, and two curves, for each group.

    Raises
    ------
    InputError
        If nobody has bought by `observation_end`, or a customer is in several groups.

    Notes
    -----
    A customer who has not come back yet may still do so: her time is censored at `observation_end`, and the curves
    (Kaplan-Meier) take that into account. Purchases of a customer on one day are one. The interval of `between` takes
    the times of one customer to be independent.

    References
    ----------
    Kaplan & Meier (1958), https://doi.org/10.1080/01621459.1958.10501452

    Examples
    --------
    Of three customers, one comes back after 10 days; one was silent for 30 days, one was seen for 5 days alone. The
    one seen for 5 days says nothing about day 10: one of two came back by then.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": [1, 1, 2, 3], "amount": [1.0, 1.0, 1.0, 1.0],
    ...                      "date": ["2024-01-01", "2024-01-11", "2024-01-01", "2024-01-26"]})
    >>> timing = purchase_timing(rows, observation_end="2024-01-31")
    >>> timing.second[["days", "at_risk", "returned", "share_returned"]]
       days  at_risk  returned  share_returned
    0    10        2         1             0.5
    >>> round(timing.repeat_rate, 3)
    0.333
    """
    checked = as_transactions(transactions)
    end = last_observed_day(checked, observation_end)
    chosen = [(None, purchase_gaps(checked, end))] if by is None else gaps_by_group(checked, end, by)
    names = [name for name, _ in chosen]
    rows = [timing_of(gaps, day_as_number(end)) for _, gaps in chosen]
    whole = rows[0] if by is None else timing_of(all_gaps(chosen), day_as_number(end))
    groups = {name: np.array([found[name] for found in (row.facts for row in rows)]) for name in whole.facts}
    model = open_frame(checked.frame)
    return PurchaseTiming(
        second=like(return_table([row.second for row in rows], names, by), model),
        between=like(return_table([row.between for row in rows], names, by), model),
        groups=like(({by: np.array(names)} if by else {}) | groups, model),
        by=by,
        observation_end=end,
        **whole.facts,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimingOfGroup:
    """Curves and numbers of one group."""

    second: Survival
    between: Survival
    facts: dict[str, Any]


def timing_of(gaps: PurchaseGaps, end: int) -> TimingOfGroup:
    """Return the curves of a group, and the numbers that sum it up."""
    everything = np.ones(len(gaps.day), dtype=bool)
    second, between = (survival(waits(gaps, end, rows)) for rows in (gaps.is_first, everything))
    ended = gaps.next_day < NEVER
    n_intervals = int(gaps.count[ended].sum())
    total = float(((gaps.next_day - gaps.day) * gaps.count)[ended].sum())
    n, repeat = gaps.n_customers, int(gaps.count[gaps.is_first & ended].sum())
    lower, upper = binomial_interval(np.array([repeat]), np.array([n]))
    facts = {
        "n_customers": n,
        "n_repeat": repeat,
        "repeat_rate": repeat / n,
        "repeat_lower": float(lower[0]),
        "repeat_upper": float(upper[0]),
        "median_days_to_second": median_life(second, LEVEL)[0],
        "median_days_between": median_life(between, LEVEL)[0],
        "n_intervals": n_intervals,
        "mean_interval": total / n_intervals if n_intervals else float("nan"),
    }
    return TimingOfGroup(second=second, between=between, facts=facts)


def waits(gaps: PurchaseGaps, end: int, rows: BoolArray) -> Lifetimes:
    """Return the times from these purchases to the next, censored at the end; equal ones are counted together."""
    came = gaps.next_day[rows] < NEVER
    days = np.where(came, gaps.next_day[rows], end) - gaps.day[rows]
    count = np.bincount(2 * days + came, gaps.count[rows])
    used = np.flatnonzero(count)
    return Lifetimes(
        names=np.array([None], dtype=object),
        group=np.zeros(len(used), dtype=np.int64),
        duration=(used // 2).astype(float),
        left=used % 2 == 1,
        entry=np.full(len(used), -np.inf),
        count=count[used].astype(np.int64),
    )


def return_table(curves: list[Survival], names: list[Any], by: str | None) -> dict[str, AnyArray]:
    """Columns of curves of returns, one group after the other: one less the share that is still silent."""
    intervals = [curve.interval(LEVEL) for curve in curves]
    table = {by: np.array(names).repeat([len(curve.time) for curve in curves])} if by else {}
    return table | {
        "days": np.concatenate([curve.time for curve in curves]).astype(np.int64),
        "at_risk": np.concatenate([curve.at_risk for curve in curves]),
        "returned": np.concatenate([curve.left for curve in curves]),
        "share_returned": 1 - np.concatenate([curve.retained for curve in curves]),
        "lower": 1 - np.concatenate([upper for _, upper in intervals]),
        "upper": 1 - np.concatenate([lower for lower, _ in intervals]),
    }


def silence_curve(gaps: PurchaseGaps, end: int) -> Survival:
    """Return the share of purchases that no other has followed yet, by the days since; up to where many are seen."""
    curve = survival(waits(gaps, end, np.ones(len(gaps.day), dtype=bool)))
    enough = np.flatnonzero(curve.at_risk >= FEWEST_AT_RISK)
    n = int(enough[-1]) + 1 if len(enough) else len(curve.time)
    return Survival(
        time=curve.time[:n],
        at_risk=curve.at_risk[:n],
        left=curve.left[:n],
        retained=curve.retained[:n],
        variance=curve.variance[:n],
    )


def share_still_returning(curve: Survival, days: int) -> float:
    """Return the share of those silent for so long who come back by the end of the curve; NaN beyond it."""
    if not len(curve.time) or days > curve.time[-1]:
        return float("nan")
    still = np.append(1.0, curve.retained)[np.searchsorted(curve.time, days, side="right")]
    return float(1 - curve.retained[-1] / still) if still > 0 else float("nan")


def chosen_silence(curve: Survival, n_customers: int, period: Period) -> tuple[int, str]:
    """Return the silence within which nearly all returns come, in days, and the words that explain it."""
    if not len(curve.time):
        raise InputError(
            "inactive_after: nobody has bought on two days, so the data do not say which silence is long. Pass a "
            "number of days."
        )
    returned = 1 - curve.retained
    at = int(np.searchsorted(returned, RETURNS_COVERED * returned[-1] - 1e-12))
    days = int(curve.time[at])
    later = np.nan_to_num(share_still_returning(curve, days))
    text = (
        f"{RETURNS_COVERED:.0%} of the returns within {curve.time[-1]:.0f} days of a purchase come within {days} "
        f"days ({int(curve.left.sum()):,} returns of {n_customers:,} customers, Kaplan-Meier); of those "
        f"silent for {days} days, {later:.1%} still come back by then"
    )
    if days < LONGEST[period]:
        return LONGEST[period], f"{text}; raised to {LONGEST[period]} days, the longest {period}"
    return days, text
