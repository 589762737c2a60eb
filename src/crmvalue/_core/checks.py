"""The one place that words errors about rows, columns and options.

Form: ``column or argument: what is wrong in k of n rows (row 3, 17, ...). What to do.`` At most five labels.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from crmvalue._core.types import DAYS_PER_UNIT, AnyArray, BoolArray, Day
from crmvalue.errors import InputError

MOST_LABELS = 5


def require_rows(
    ok: BoolArray,
    column: str,
    problem: str,
    remedy: str,
    *,
    labels: AnyArray | None = None,
    label: str = "row",
) -> None:
    """Raise InputError unless every row is `ok`; name at most five of the others."""
    if ok.all():
        return
    bad = np.flatnonzero(~ok)
    shown = (bad if labels is None else np.asarray(labels)[bad])[:MOST_LABELS].tolist()
    raise InputError(rows_message(column, problem, len(bad), len(ok), shown, remedy, label=label))


def rows_message(
    column: str, problem: str, k: int, n: int, labels: Sequence[Any], remedy: str, *, label: str = "row"
) -> str:
    """Text of an error about k of n rows."""
    names = ", ".join(str(value) for value in labels[:MOST_LABELS])
    named = f" ({label} {names}{', ...' if k > len(labels[:MOST_LABELS]) else ''})" if names else ""
    return f"{column}: {problem} in {k:,} of {n:,} rows{named}. {remedy}"


def require_columns(present: Sequence[str], wanted: Iterable[str], *, argument: str = "") -> None:
    """Raise InputError unless every wanted column is there; list what is there and the nearest name."""
    missing = [name for name in wanted if name not in present]
    if not missing:
        return
    name, present = str(missing[0]), [str(column) for column in present]  # pandas takes numbers for names
    near = difflib.get_close_matches(name.casefold(), [column.casefold() for column in present], n=1, cutoff=0.65)
    guess = next((column for column in present if near and column.casefold() == near[0]), None)
    hint = f" Did you mean {guess!r}?" if guess else ""
    said = f"{argument}: column" if argument else "column"
    listed = ", ".join(repr(column) for column in present) or "none"
    raise InputError(f"{said} {name!r} is missing.{hint} Columns there: {listed}. Rename it or pass its name.")


def require_option(argument: str, value: Any, allowed: Iterable[Any]) -> None:
    """Raise InputError unless `value` is one of the allowed options."""
    options = list(allowed)
    if value not in options:
        raise InputError(f"{argument}: got {value!r}. Use one of {', '.join(map(repr, options))}.")


def require_number(
    argument: str,
    value: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return `value` as a finite float within its bounds, or raise InputError."""
    bounds = [
        f"at least {at_least:g}" if at_least is not None else "",
        f"above {above:g}" if above is not None else "",
    ]
    bounds.append(f"at most {at_most:g}" if at_most is not None else "")
    said = " and ".join(bound for bound in bounds if bound)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    inside = (
        np.isfinite(number)
        and (at_least is None or number >= at_least)
        and (above is None or number > above)
        and (at_most is None or number <= at_most)
    )
    if not inside:
        raise InputError(f"{argument}: got {value!r}. Pass a finite number{', ' + said if said else ''}.")
    return number


def require_time_unit(value: Any) -> None:
    """Raise InputError unless `value` is day, week, month or year."""
    require_option("time_unit", value, DAYS_PER_UNIT)


def require_day(argument: str, value: Day) -> np.datetime64:
    """Return `value` as a calendar day, or raise InputError."""
    if isinstance(value, dt.datetime):
        value = value.date()
    try:
        day = np.datetime64(value, "D") if isinstance(value, str) else np.datetime64(value).astype("datetime64[D]")
    except (TypeError, ValueError):
        day = np.datetime64("NaT", "D")
    if np.isnat(day):
        raise InputError(f"{argument}: got {value!r}. Pass a date such as '1997-09-30' or datetime.date(1997, 9, 30).")
    return day
