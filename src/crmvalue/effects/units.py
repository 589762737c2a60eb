"""Outcomes of units: read, checked, and added up in the engine before anything is collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows, rows_message
from crmvalue._core.columns import read_numbers, refuse_mixed_ids
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, IntArray
from crmvalue.errors import InputError

FILL = "Fill or drop these rows."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Count, mean and covariance of d columns within each of k groups."""

    group: AnyArray  # labels, ascending, shape (k,)
    n: IntArray  # units, shape (k,)
    mean: Array  # shape (k, d)
    covariance: Array  # with n - 1 below the line, shape (k, d, d)


def read_number(frame: AnyFrame, column: str, argument: str) -> AnyFrame:
    """Return the frame with `column` as float64, yes and no as 1 and 0; a missing or infinite one is refused."""
    said = f"{argument}, column {column!r}"
    if frame.collect_schema()[column] == nw.Boolean:
        frame = frame.with_columns(nw.col(column).cast(nw.Int64))
    frame = read_numbers(frame, column, argument=said)
    require_finite(frame, column, said)
    return frame


def require_finite(frame: AnyFrame, column: str, said: str) -> None:
    """Raise InputError if a number is missing or infinite; in a lazy frame they are counted in the engine."""
    problem = "missing or infinite"
    if isinstance(frame, nw.DataFrame):
        values = frames.series_to_array(frame.get_column(column))
        require_rows(np.isfinite(values), said, problem, FILL)
        return
    number = nw.col(column)
    bad = ~(number.is_finite().fill_null(False) & ~number.is_null())
    refuse_counted(frame, bad, said, problem)


def require_present(frame: AnyFrame, column: str, said: str, problem: str = "missing") -> None:
    """Raise InputError if a label is missing, or labels of several types are mixed."""
    refuse_mixed_ids(frame, column, argument=said)
    missing = nw.col(column).is_null()
    if frame.collect_schema()[column].is_float():
        missing = missing | nw.col(column).is_nan()
    if isinstance(frame, nw.DataFrame):
        bad = np.asarray(frame.select(bad=missing.fill_null(True)).get_column("bad").to_list(), dtype=bool)
        require_rows(~bad, said, problem, FILL)
        return
    refuse_counted(frame, missing, said, problem)


def refuse_counted(frame: AnyFrame, bad: nw.Expr, said: str, problem: str) -> None:
    """Raise InputError if there are bad rows; an engine without row numbers gives their count."""
    found = frames.one_row(frame, bad=bad.cast(nw.Int64).sum(), n=nw.len())
    if int(found["bad"] or 0):
        raise InputError(rows_message(said, problem, int(found["bad"]), int(found["n"]), [], FILL))


def require_times(values: AnyArray, said: str) -> None:
    """Raise InputError if periods are neither dates nor numbers nor text."""
    if values.dtype.kind == "O" and not all(isinstance(value, str) for value in values):
        kind = type(next(value for value in values if not isinstance(value, str))).__name__
        raise InputError(
            f"{said}: holds {kind}, not dates, numbers or text. Convert it, for example with "
            "frame[column].dt.to_timestamp() or frame[column].astype(str)."
        )


def whole(argument: str, value: Any, *, at_least: int = 1) -> int:
    """Return a whole number, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise InputError(f"{argument}: got {value!r}. Pass a whole number, at least {at_least}.")
    return int(value)


def require_rows_there(frame: AnyFrame, argument: str = "frame") -> None:
    """Raise InputError if the frame is empty."""
    if not frames.count_rows(frame.head(1)):
        raise InputError(f"{argument}: there are no rows. Pass at least one row a unit.")


def add_up(frame: AnyFrame, keys: Sequence[str], *, summed: Sequence[str], averaged: Sequence[str] = ()) -> AnyFrame:
    """Return one row for each combination of the keys: sums of some columns and means of others."""
    return frame.group_by(*keys).agg(
        *(nw.col(name).sum() for name in summed), *(nw.col(name).mean() for name in averaged)
    )


def require_one_group(rows: AnyFrame, unit: str, group: str, argument: str) -> None:
    """Raise InputError if a unit is in more than one group; `rows` has one row for each unit and group."""
    counted = rows.group_by(unit).agg(_crm_n=nw.len())
    twice = counted.filter(nw.col("_crm_n") > 1)
    k = frames.count_rows(twice)
    if k:
        labels = frames.first_values(twice.sort(unit), unit)
        problem = f"units in more than one group of {group!r}"
        n = frames.count_rows(counted)
        remedy = "Drop them, or give each the group that it was first in."
        raise InputError(rows_message(argument, problem, k, n, labels, remedy, label="unit"))


def group_moments(frame: AnyFrame, group: str, columns: Sequence[str]) -> Moments:
    """Return the moments of columns within each group; the sums are taken in the engine, about the overall means."""
    centre = frames.one_row(frame, **{f"_crm_{i}": nw.col(name).mean() for i, name in enumerate(columns)})
    middle = np.array([float(value) for value in centre.values()])
    d = len(columns)
    frame = frame.select(group, **{f"_crm_{i}": nw.col(name) - middle[i] for i, name in enumerate(columns)})
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    frame = frame.with_columns(**{f"_crm_{i}_{j}": nw.col(f"_crm_{i}") * nw.col(f"_crm_{j}") for i, j in pairs})
    names = [f"_crm_{i}" for i in range(d)] + [f"_crm_{i}_{j}" for i, j in pairs]
    table = frame.group_by(group).agg(*(nw.col(name).sum() for name in names), _crm_n=nw.len())
    found = frames.to_arrays(table, [group, *names, "_crm_n"])
    order = np.argsort(found[group])
    n = found["_crm_n"][order].astype(np.int64)
    first = np.stack([found[f"_crm_{i}"][order] for i in range(d)], axis=1) / n[:, None]
    second = np.empty((len(n), d, d))
    for i, j in pairs:
        second[:, i, j] = second[:, j, i] = found[f"_crm_{i}_{j}"][order]
    spread = second - n[:, None, None] * first[:, :, None] * first[:, None, :]
    covariance = spread / np.maximum(n - 1, 1)[:, None, None]
    return Moments(group=found[group][order], n=n, mean=middle + first, covariance=covariance)
