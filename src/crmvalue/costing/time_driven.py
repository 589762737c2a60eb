"""Time-driven activity-based costing: what an hour of a department costs, and which activities use it.

References
----------
Kaplan & Anderson (2004) "Time-driven activity-based costing", Harvard Business Review 82(11), 131-138.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.columns import read_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.costing.grouping import match
from crmvalue.costing.names import is_blank, spelled
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import CENTS, exact_sum, exact_sums

UNUSED = "unused capacity"
MADE = ("pool", "activity", "quantity", "minutes", "minutes_used", "cost_each", "cost")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeDrivenCosts:
    """What activities use of each pool, and what is left; the costs add up to the pools, to the cent.

    Columns of `frame`: pool; activity ("unused capacity" on one line a pool); quantity; minutes (of one); minutes_used;
    cost_each; cost; then the kept columns. Columns of `pools`: pool; cost; capacity (minutes); rate (cost of a
    minute); minutes_used; used_cost; unused_minutes and unused_cost (negative where more is used than there is).
    """

    frame: Frame  # one row an activity, and one a pool for what is unused; in the engine of the activities
    pools: Frame  # one row a pool, in the engine of the pools
    total: float  # cost of all pools
    used: float  # cost of the minutes that activities use
    unused: float  # total - used; negative if more is used than there is
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def time_driven_costs(pools: Frame, activities: Frame, *, keep: Sequence[str] = ()) -> TimeDrivenCosts:
    """Cost of activities by the minutes that they take; capacity that nobody uses is charged to nobody.

    Parameters
    ----------
    pools : frame of any engine
        One row a pool of resources: pool, cost, and capacity (practical capacity in minutes, above 0).
    activities : frame of any engine
        One row an activity, or an activity of a customer: pool, activity, quantity (how often), and minutes (that one
        takes); both at least 0.
    keep : sequence of str
        Further columns of `activities` to carry along, such as customer_id or channel.

    Returns
    -------
    TimeDrivenCosts
        Cost of each activity, and an account of each pool.

    Raises
    ------
    InputError
        If a column is missing, a number is missing or negative, a capacity is 0, a pool is there twice, or an activity
        uses a pool that is not there.

    Notes
    -----
    ``rate = cost / capacity``, ``cost_each = rate * minutes``, ``cost = rate * minutes * quantity``, rounded to the
    cent. Unused capacity is the cost of the pool less that. If activities use more than the capacity, it is negative
    and `assumptions` say so: the practical capacity or the minutes are then wrong.

    References
    ----------
    Kaplan & Anderson (2004) "Time-driven activity-based costing", Harvard Business Review 82(11), 131-138.

    Examples
    --------
    >>> import pandas as pd
    >>> pools = pd.DataFrame({"pool": ["service"], "cost": [560000.0], "capacity": [700000]})
    >>> activities = pd.DataFrame({
    ...     "pool": "service", "activity": ["orders", "inquiries"], "quantity": [49000, 1400], "minutes": [8, 44]
    ... })
    >>> time_driven_costs(pools, activities).frame[["activity", "minutes_used", "cost_each", "cost"]]
              activity  minutes_used  cost_each      cost
    0           orders      392000.0        6.4  313600.0
    1        inquiries       61600.0       35.2   49280.0
    2  unused capacity      246400.0        NaN  197120.0
    """
    kept = [keep] if isinstance(keep, str) else list(keep)
    taken = [name for name in kept if name in MADE]
    if taken:
        raise InputError(f"keep: {taken[0]!r} is the name of a column of the result. Rename it.")
    resource = read_columns(pools, "pools", ["pool"], ["cost", "capacity"])
    require_pools(resource)
    lines = read_columns(activities, "activities", ["pool", "activity"], ["quantity", "minutes"], kept)
    place = pool_places(lines["pool"], resource["pool"])
    rate = resource["cost"] / resource["capacity"]
    minutes = lines["quantity"] * lines["minutes"]
    cost = np.rint(rate[place] * minutes * CENTS) / CENTS
    account = accounts(resource, rate, place, minutes, cost)
    opened = frames.open_frame(activities)
    table = activity_table(lines, rate[place], minutes, cost, kept, account)
    return TimeDrivenCosts(
        frame=frames.like(table, opened),
        pools=frames.like(account, frames.open_frame(pools)),
        total=exact_sum(resource["cost"]),
        used=exact_sum(cost),
        unused=exact_sum(np.concatenate([resource["cost"], -cost])),
        assumptions=words(account),
    )


def read_columns(
    frame: Frame, argument: str, names: Sequence[str], numbers: Sequence[str], keep: Sequence[str] = ()
) -> dict[str, AnyArray]:
    """Return checked names and numbers (finite, at least 0) and kept columns of a frame, read in one pass."""
    wanted = list(dict.fromkeys([*names, *numbers, *keep]))
    rows = frames.open_frame(frame, argument=argument, needs=wanted).select(*wanted)
    for name in numbers:
        rows = read_numbers(rows, name, argument=f"{argument}, column {name!r}")
    found = frames.to_arrays(rows, wanted)
    if not len(found[wanted[0]]):
        raise InputError(f"{argument}: the frame has no rows. Pass at least one.")
    for name in names:
        require_rows(~is_blank(found[name]), f"{argument}, column {name!r}", "missing name", "Name one in each row.")
    for name in numbers:
        ok = np.isfinite(found[name]) & (found[name] >= 0)
        require_rows(ok, f"{argument}, column {name!r}", "missing, infinite or negative", "Mend these rows.")
        found[name] = found[name].astype(float)
    return found


def require_pools(resource: dict[str, AnyArray]) -> None:
    """Raise InputError unless each pool is there once and has a capacity."""
    names = resource["pool"]
    once = np.zeros(len(names), dtype=bool)
    once[np.unique(names.astype(str), return_index=True)[1]] = True
    require_rows(once, "pools", "pool named again", "Add its costs and capacities up.", labels=names, label="pool")
    remedy = "Give the minutes that the resources can work in practice, often 80 to 85 % of the theoretical ones."
    require_rows(resource["capacity"] > 0, "pools", "capacity of 0", remedy, labels=names, label="pool")


def pool_places(wanted: AnyArray, present: AnyArray) -> IntArray:
    """Return the place of each activity's pool; an unknown one is an error with the nearest name."""
    names = spelled(wanted, [str(name) for name in present], "activities, column 'pool'")
    return match(np.array([names[name] for name in wanted.tolist()], dtype=object), present.astype(str).astype(object))


def accounts(
    resource: dict[str, AnyArray], rate: Array, place: IntArray, minutes: Array, cost: Array
) -> dict[str, AnyArray]:
    """Account of each pool."""
    n = len(rate)
    used = np.bincount(place, weights=minutes, minlength=n)
    pair = np.concatenate([np.arange(n), place])
    return {
        "pool": resource["pool"],
        "cost": resource["cost"],
        "capacity": resource["capacity"],
        "rate": rate,
        "minutes_used": used,
        "used_cost": exact_sums(cost, place, n),
        "unused_minutes": resource["capacity"] - used,
        "unused_cost": exact_sums(np.concatenate([resource["cost"], -cost]), pair, n),
    }


def activity_table(
    lines: dict[str, AnyArray],
    rate: Array,
    minutes: Array,
    cost: Array,
    keep: Sequence[str],
    account: dict[str, AnyArray],
) -> dict[str, AnyArray]:
    """Rows of the activities as they came, then one row a pool with what is unused."""
    n = len(account["pool"])
    nothing = np.full(n, np.nan)
    table = {
        "pool": np.concatenate([lines["pool"], account["pool"]]),
        "activity": np.concatenate([lines["activity"], np.full(n, UNUSED, dtype=object)]),
        "quantity": np.append(lines["quantity"], nothing),
        "minutes": np.append(lines["minutes"], nothing),
        "minutes_used": np.append(minutes, account["unused_minutes"]),
        "cost_each": np.append(rate * lines["minutes"], nothing),
        "cost": np.append(cost, account["unused_cost"]),
    }
    for name in keep:
        blank = np.full(n, np.datetime64("NaT", "D")) if lines[name].dtype.kind == "M" else np.full(n, np.nan)
        none = np.full(n, None, dtype=object) if lines[name].dtype.kind == "O" else blank
        table[name] = np.concatenate([lines[name], none])
    return table


def words(account: dict[str, AnyArray]) -> tuple[str, ...]:
    """Say what each pool's minute costs, and whether more is used than there is."""
    said = []
    for pool, rate, capacity, unused, left in zip(
        *(account[name].tolist() for name in ("pool", "rate", "capacity", "unused_cost", "unused_minutes")),
        strict=True,
    ):
        said.append(f"{pool}: {rate:,.6g} a minute at a practical capacity of {capacity:,.0f} minutes.")
        if left < 0:
            said.append(
                f"{pool}: the activities use {-left:,.0f} minutes more than there are ({number_text(-unused)}). "
                "Check the capacity and the minutes of an activity."
            )
    said.append("Unused capacity is a line of its own and charged to nobody.")
    return tuple(said)
