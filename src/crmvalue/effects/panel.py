"""A panel: what each unit brought in each period, as a matrix, and which units were treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_option, require_rows
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame
from crmvalue.effects.units import (
    add_up,
    read_number,
    require_one_group,
    require_present,
    require_rows_there,
    require_times,
)
from crmvalue.errors import InputError

Absent: TypeAlias = Literal["refuse", "zero"]
ABSENT: tuple[Absent, ...] = ("refuse", "zero")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Outcomes of n units in p periods."""

    outcome: Array  # shape (n, p)
    treated: BoolArray  # shape (n,)
    periods: AnyArray  # ascending, shape (p,)
    before: BoolArray  # whether the period lies before the start, shape (p,)


def read_panel(frame: Frame, *, unit: str, time: str, outcome: str, treated: str, start: Any, absent: Absent) -> Panel:
    """Check a long frame and return its panel; rows of the same unit and period are added up in the engine."""
    require_option("absent", absent, ABSENT)
    needed = [unit, time, outcome, treated]
    rows: AnyFrame = frames.open_frame(frame, needs=needed).select(*needed)
    require_rows_there(rows)
    for column in (unit, time):
        require_present(rows, column, f"frame, column {column!r}")
    for column in (outcome, treated):
        rows = read_number(rows, column, "frame")
    sums = add_up(rows, [unit, treated, time], summed=[outcome])
    require_one_group(sums.select(unit, treated).unique(), unit, treated, f"frame, column {treated!r}")
    table = frames.collect(sums)
    in_period, groups, amount = frames.to_arrays(table, [time, treated, outcome]).values()
    require_times(in_period, f"frame, column {time!r}")
    code, _ = frames.customer_codes(table.get_column(unit))
    _, code = np.unique(code, return_inverse=True)
    periods, column_of = np.unique(in_period, return_inverse=True)
    n, p = int(code.max()) + 1, len(periods)
    cell = code * p + column_of
    there = np.bincount(cell, minlength=n * p).reshape(n, p) > 0
    if absent == "refuse" and not there.all():
        refuse_holes(there, labels_of(table, unit), unit)
    is_treated = np.zeros(n)
    is_treated[code] = groups
    binary = np.isin(is_treated, (0.0, 1.0))
    remedy = "Pass 1 for units of the treated group, else 0."
    require_rows(
        binary, f"frame, column {treated!r}", "not 0 or 1", remedy, labels=labels_of(table, unit), label="unit"
    )
    return Panel(
        outcome=np.asarray(np.bincount(cell, weights=amount, minlength=n * p), dtype=float).reshape(n, p),
        treated=is_treated == 1.0,
        periods=periods,
        before=periods < comparable_start(start, periods),
    )


def labels_of(table: nw.DataFrame[Any], unit: str) -> AnyArray:
    """Return the name of each unit, in the order of the panel."""
    codes, decode = frames.customer_codes(table.get_column(unit))
    return np.array([str(each) for each in decode(np.unique(codes))], dtype=object)


def refuse_holes(there: BoolArray, units: AnyArray, unit: str) -> None:
    """Raise InputError for units without a row in some period."""
    require_rows(
        np.asarray(there.all(axis=1)),
        f"frame, column {unit!r}",
        "no row in some period",
        "Add the rows, or pass absent='zero' if a missing row means that nothing was bought.",
        labels=units,
        label="unit",
    )


def comparable_start(start: Any, periods: AnyArray) -> Any:
    """Return the start in the type of the periods, or raise InputError."""
    if periods.dtype.kind == "M":
        return require_day("start", start)
    number_expected = periods.dtype.kind in "iuf"
    if isinstance(start, bool) or number_expected != isinstance(start, (int, float, np.number)):
        raise InputError(
            f"start: got {start!r}, but the periods are such as {periods[:1].tolist()[0]!r}. Pass one of them."
        )
    return start


def require_sides(panel: Panel, start: Any, treated: str) -> None:
    """Raise InputError unless there are periods on both sides of the start, and two units in both groups."""
    if panel.before.all() or not panel.before.any():
        side = "from" if panel.before.all() else "before"
        raise InputError(f"start: there is no period {side} {start}. Pass the first period of the treatment.")
    for group, name in ((panel.treated, "treated group"), (~panel.treated, "control group")):
        n = int(group.sum())
        if n < 2:
            raise InputError(
                f"frame, column {treated!r}: {n} {'unit' if n == 1 else 'units'} in the {name}. "
                "At least 2 are needed on each side: chance cannot be told from effect with fewer."
            )
