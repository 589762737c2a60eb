"""From the revenue under contract of one period to that of the next: new, returned, expanded, contracted, lost."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from crmvalue._core.checks import require_day, require_option
from crmvalue._core.frames import like, open_frame
from crmvalue._core.periods import PERIODS
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, Period
from crmvalue.data.cohorts import day_as_number
from crmvalue.errors import InputError
from crmvalue.retention.bridge import RevenueBridge
from crmvalue.retention.contract_rates import is_judged, notes_on_end, period_starts, revenue_at, stays_by_group
from crmvalue.retention.contracts import Contracts
from crmvalue.retention.shares import share_of


def contract_revenue_bridge(
    contracts: Contracts, *, period: Period = "month", by: str | None = None, observation_end: Day
) -> RevenueBridge:
    """Split the change of the monthly revenue under contract over each period by what customers did.

    Parameters
    ----------
    contracts : Contracts
        From `prepare_contracts`, with amounts.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    by : str, optional
        Column that `prepare_contracts` kept; a stay is in the group of its first contract.
    observation_end : day
        Last day up to which contracts are known.

    Returns
    -------
    RevenueBridge
        One row a period, for each group; opening is the monthly revenue at its start, closing at its end. There are no
        refunds.

    Raises
    ------
    InputError
        If `period` is unknown, contracts have no amounts, a group is missing, or no contract has begun by
        `observation_end`.

    Notes
    -----
    The parts are those of `revenue_bridge`, with the amounts a month that run on the evening before the period and on
    its last evening. A customer in a pause pays 0 and is contracted, not lost. Who leaves on the last day of a period
    is lost in it. One contract of a customer who stays that ends on this day still runs on its evening: what she then
    pays less counts in the next period, since a renewal at another price begins on the first day of that. As in
    `contract_churn_rates`, a period is judged once renewals after its last day would have been seen; `notes` says so.

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
    judged, length = is_judged(contracts, days, day_as_number(end)), np.diff(days)
    lengths = {"days": length, "days_before": np.concatenate([length[:1], length[:-1]])}
    chosen = stays_by_group(contracts, by)
    tables = [movement_table(states, first_stay, rows, judged) for _, rows in chosen]
    names = {by: np.array([name for name, _ in chosen]).repeat(len(length))} if by else {}
    periods = {name: np.tile(values, len(tables)) for name, values in {"period": starts[:-1], **lengths}.items()}
    table = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    return RevenueBridge(
        frame=like({**names, **periods, **table}, open_frame(contracts.stays)),
        period=period,
        by=by,
        observation_start=starts[0],
        observation_end=end,
        notes=notes_on_end(contracts, starts, end),
    )


def movement_table(
    states: list[tuple[BoolArray, Array]], first_stay: BoolArray, rows: BoolArray, judged: BoolArray
) -> dict[str, AnyArray]:
    """Columns of the bridge of the chosen stays."""
    each = [
        movements(there & rows, had, stays & rows, has, first_stay)
        for (there, had), (stays, has) in itertools.pairwise(states)
    ]
    found = {name: np.array([row[name] for row in each]) for name in each[0]}
    opening, lost, contracted, expanded = (found[name] for name in ("opening", "lost", "contracted", "expanded"))
    ratios = {
        "net_revenue_retention": share_of(opening + expanded - contracted - lost, opening),
        "gross_revenue_retention": share_of(opening - contracted - lost, opening),
        "quick_ratio": share_of(found["new"] + found["returned"] + expanded, contracted + lost),
        "change": found["closing"] - opening,
    }
    return {name: np.where(judged, values, np.nan) for name, values in (found | ratios).items()}


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
