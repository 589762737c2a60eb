"""Customers with a contract: who left of those present at the start of each period, and with how much revenue."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmvalue._core.checks import require_day, require_option
from crmvalue._core.frames import like, open_frame
from crmvalue._core.intervals import binomial_interval, poisson_interval
from crmvalue._core.periods import PERIODS, first_days, period_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import day_as_number
from crmvalue.errors import InputError
from crmvalue.retention.contracts import Contracts
from crmvalue.retention.groups import codes_of, require_groups, require_kept
from crmvalue.retention.shares import share_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContractChurn:
    """One row a period (and group), in the engine of the contracts.

    Columns of `frame`: the group, if there is one; period (first day); period_end (last day); active_at_start
    (customers); lost (of these, within the period); churn_rate (lost / active_at_start) with lower and upper (exact
    95 % interval); joined (began or came back within the period); joined_and_lost (of these, gone by its end: in no
    churn_rate); person_time (customers, times the part of the period that they were present); loss_rate ((lost +
    joined_and_lost) / person_time) with loss_lower and loss_upper. With amounts also: revenue_at_start (a month);
    gross_revenue_churn (lost and contracted / revenue_at_start) and net_revenue_churn (the same, less expanded). All
    but period and active_at_start are missing for a period that cannot be judged yet.
    """

    frame: Frame
    period: Period
    by: str | None  # column of the groups
    longest_pause: int  # days without a contract that are no departure
    observation_end: np.datetime64  # last day that counts
    n_stays: int  # stays that begin by `observation_end`
    notes: tuple[str, ...] = ()  # why a period whose last day has come is not judged yet

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def contract_churn_rates(
    contracts: Contracts, *, period: Period = "month", by: str | None = None, observation_end: Day
) -> ContractChurn:
    r"""Share of the customers under contract at the start of each period who left within it.

    Parameters
    ----------
    contracts : Contracts
        From `prepare_contracts`.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    by : str, optional
        Column that `prepare_contracts` kept; a stay is in the group of its first contract.
    observation_end : day
        Last day up to which contracts are known. Later days do not count.

    Returns
    -------
    ContractChurn
        One row a period, from that of the first contract to that of `observation_end`, for each group.

    Raises
    ------
    InputError
        If `period` is unknown, a group is missing, or no contract has begun by `observation_end`.

    Notes
    -----
    A customer is present at the start of a period if her stay began before it and lasts on its first day or longer.
    She is lost on the last day of her stay. Who joins and leaves within a period was never at risk at its start: she
    is in `loss_rate`, which divides all departures by the time that customers were present, and not in `churn_rate`.
    A contract that ends on the last day of a period can be renewed on the next one, or after the longest pause: a
    period is judged once that is over: with an `observation_end` on the last day of a period, that period is missing,
    and `notes` says so. Revenue is the sum of the amounts that run on the evening before the period.

    References
    ----------
    Clopper & Pearson (1934), https://doi.org/10.1093/biomet/26.4.404

    Garwood (1936), https://doi.org/10.1093/biomet/28.3-4.437

    Examples
    --------
    Two customers at the start of February; one of them leaves, and so does one who joined in February.

    >>> import pandas as pd
    >>> from crmvalue.retention.contracts import prepare_contracts
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "cy"], "start": ["2024-01-01", "2024-01-15", "2024-02-01"],
    ...                      "end": [None, "2024-02-29", "2024-02-20"]})
    >>> rates = contract_churn_rates(prepare_contracts(rows), observation_end="2024-03-01").frame
    >>> rates[["period", "active_at_start", "lost", "churn_rate", "joined", "joined_and_lost"]]
          period  active_at_start  lost  churn_rate  joined  joined_and_lost
    0 2024-01-01                0   0.0         NaN     2.0              0.0
    1 2024-02-01                2   1.0         0.5     1.0              1.0
    2 2024-03-01                1   NaN         NaN     NaN              NaN
    """
    require_option("period", period, PERIODS)
    end = require_day("observation_end", observation_end)
    starts = period_starts(contracts, end, period)
    chosen = stays_by_group(contracts, by)
    days, has_amounts = starts.astype(np.int64), bool(np.isfinite(contracts.amount).all())
    states = [revenue_at(contracts, int(day)) for day in days] if has_amounts else []
    tables = [churn_table(contracts, rows, days, states, day_as_number(end)) for _, rows in chosen]
    table = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    periods = {
        "period": np.tile(starts[:-1], len(tables)),
        "period_end": np.tile(starts[1:] - 1, len(tables)),
    }
    groups = {by: np.array([name for name, _ in chosen]).repeat(len(starts) - 1)} if by else {}
    return ContractChurn(
        frame=like({**groups, **periods, **table}, open_frame(contracts.stays)),
        period=period,
        by=by,
        longest_pause=contracts.longest_pause,
        observation_end=end,
        n_stays=int((contracts.stay_first <= day_as_number(end)).sum()),
        notes=notes_on_end(contracts, starts, end),
    )


def stays_by_group(contracts: Contracts, by: str | None) -> list[tuple[Any, BoolArray]]:
    """Return each group with whether each stay is in it; one of all stays without a column of groups."""
    if by is None:
        return [(None, np.ones(len(contracts.stay_first), dtype=bool))]
    require_kept(list(contracts.kept), by)
    require_groups(open_frame(contracts.stays), by)
    names, codes = codes_of(contracts.kept[by])
    return [(name, codes == number) for number, name in enumerate(names)]


def period_starts(contracts: Contracts, end: np.datetime64, period: Period) -> AnyArray:
    """First day of each period from that of the first contract to that of `end`, and of the one after."""
    begin = int(contracts.stay_first.min())
    if begin > day_as_number(end):
        raise InputError(f"observation_end: {end} is before the first contract begins. Pass a later day.")
    first, last = period_numbers(np.array([begin, day_as_number(end)]), period)
    return first_days(np.arange(first, last + 2), period)


def is_judged(contracts: Contracts, starts: IntArray, end: int) -> BoolArray:
    """Whether it is known who left in each period: a renewal or the end of a pause after it would have been seen."""
    judged: BoolArray = starts[1:] + contracts.longest_pause <= end
    return judged


def notes_on_end(contracts: Contracts, starts: AnyArray, end: np.datetime64) -> tuple[str, ...]:
    """Say which period has ended but is not judged, and which day to pass for it."""
    over = (starts[1:] <= end + 1) & ~is_judged(contracts, starts.astype(np.int64), day_as_number(end))
    if not over.any():
        return ()
    begun, after = starts[:-1][over][0], starts[1:][over][-1]
    pause = f" or within {contracts.longest_pause} more" if contracts.longest_pause else ""
    return (
        f"From {begun} on nothing is judged: a contract that ends by {after - 1} may be renewed on the next day{pause}"
        f", and days after observation_end ({end}) do not count. If contracts are known up to "
        f"{after + contracts.longest_pause}, pass that day.",
    )


def revenue_at(contracts: Contracts, day: int) -> tuple[BoolArray, Array]:
    """Return who is present at the start of a day, of all stays, and what each pays a month on the evening before."""
    present = (contracts.stay_first < day) & (contracts.stay_last >= day)
    running = (contracts.first_day < day) & (contracts.last_day >= day - 1)
    paid = np.bincount(contracts.stay[running], contracts.amount[running], minlength=len(present))
    return present, np.where(present, paid, 0.0)


def churn_table(
    contracts: Contracts, rows: BoolArray, starts: IntArray, states: list[tuple[BoolArray, Array]], end: int
) -> dict[str, AnyArray]:
    """Columns of the rates of the chosen stays; `starts` ends with the end of the last period.

    `states` are who is present and what each pays at each of the starts; none without amounts.
    """
    first, last = contracts.stay_first[rows], contracts.stay_last[rows]
    at, until = starts[:-1], starts[1:]
    active = before(first, at) - before(last, at)
    # a stay is in a period from its first to its last day; those who left before it began are none of its joiners
    ended, joined = before(last, until) - before(last, at), before(first, until) - before(first, at)
    period_in, period_out = np.searchsorted(starts, first, side="right"), np.searchsorted(starts, last, side="right")
    both = (period_in == period_out) & (last < starts[-1])
    joined_and_lost = np.bincount(period_in[both] - 1, minlength=len(at))[: len(at)]
    lost = ended - joined_and_lost
    days = np.array(
        [
            np.maximum(np.minimum(last + 1, stop) - np.maximum(first, start), 0).sum()
            for start, stop in zip(at, until, strict=True)
        ]
    )
    person_time = days / np.diff(starts)
    lower, upper = binomial_interval(lost, active)
    loss_lower, loss_upper = poisson_interval(ended, person_time)
    table = {
        "lost": lost.astype(float),
        "churn_rate": share_of(lost.astype(float), active.astype(float)),
        "lower": lower,
        "upper": upper,
        "joined": joined.astype(float),
        "joined_and_lost": joined_and_lost.astype(float),
        "person_time": person_time,
        "loss_rate": share_of(ended.astype(float), person_time),
        "loss_lower": loss_lower,
        "loss_upper": loss_upper,
        **(revenue_churn(rows, states) if states else {}),
    }
    judged = is_judged(contracts, starts, end)
    return {
        "active_at_start": active,
        **{name: np.where(judged, values, np.nan) for name, values in table.items()},
    }


def before(days: IntArray, at: IntArray) -> IntArray:
    """Count the days before each of `at`."""
    return np.searchsorted(np.sort(days), at, side="left").astype(np.int64)


def revenue_churn(rows: BoolArray, states: list[tuple[BoolArray, Array]]) -> dict[str, Array]:
    """Gross and net revenue churn of each period, of the chosen stays present at its start."""
    opening, gross, net = np.zeros((3, len(states) - 1))
    for number, ((there, paid), (_, later)) in enumerate(itertools.pairwise(states)):
        had, kept = paid[there & rows], later[there & rows]
        opening[number] = had.sum()
        gross[number] = np.maximum(had - kept, 0).sum()
        net[number] = (had - kept).sum()
    return {
        "revenue_at_start": opening,
        "gross_revenue_churn": share_of(gross, opening),
        "net_revenue_churn": share_of(net, opening),
    }
