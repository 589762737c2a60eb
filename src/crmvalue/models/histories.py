"""The door to the models: customer histories are opened, and those that no customer can have are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import MOST_LABELS, require_time_unit, rows_message
from crmvalue._core.frames import (
    AnyFrame,
    column_names,
    count_rows,
    distinct_rows,
    open_frame,
    plain_columns,
    to_arrays,
)
from crmvalue._core.parts import parts
from crmvalue._core.types import AnyArray, Array, Frame, IntArray, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError

PURCHASES = ("frequency", "recency", "T")
SPEND = ("frequency", "monetary_value")

Rule = tuple[str, str, str, Callable[..., Any]]
"""Column, what is wrong, remedy, and whether a row breaks the rule: written so that arrays and columns both fit."""


def is_fractional(values: Any) -> Any:
    """Whether numbers, in an array or a column, are not whole."""
    return (np.floor(values) if isinstance(values, np.ndarray) else values.floor()) != values


REPEAT = "frequency counts the repeat purchases: purchase days less the first"
COUNT_RULES: tuple[Rule, ...] = (
    ("frequency", "negative", f"{REPEAT}, 0 or more.", lambda frequency, *_: frequency < 0),
    ("frequency", "not a whole number", f"{REPEAT}.", lambda frequency, *_: is_fractional(frequency)),
)
PURCHASE_RULES: tuple[Rule, ...] = (
    *COUNT_RULES,
    ("recency", "negative", "recency runs from the first to the last purchase.", lambda _, recency, T: recency < 0),
    (
        "recency",
        "above T",
        "recency (first to last purchase) and T (first purchase to the end of observation) must be in one time "
        "unit, with no purchase after the end.",
        lambda _, recency, T: recency > T,
    ),
    (
        "recency",
        "above 0 where frequency is 0",
        "Without a repeat purchase the last purchase is the first: set recency to 0, or count the repeat purchases.",
        lambda frequency, recency, _: (frequency == 0) & (recency > 0),
    ),
)

WHOLE = "The model counts opportunities: pass whole numbers of them, or take a model with continuous time."
OPPORTUNITY_RULES: tuple[Rule, ...] = (
    ("recency", "not a whole number", WHOLE, lambda _, recency, T: is_fractional(recency)),
    ("T", "not a whole number", WHOLE, lambda _, recency, T: is_fractional(T)),
    (
        "frequency",
        "above recency",
        "At one opportunity a customer buys at most once: recency is the opportunity that she took last.",
        lambda frequency, recency, _: frequency > recency,
    ),
)


def open_customers(
    customers: CustomerSummary | Frame, columns: Sequence[str], *, argument: str = "customers"
) -> AnyFrame:
    """Return the frame of a summary, or the frame itself, or that of a mapping, with the columns that are needed."""
    return open_frame(frame_of(customers), argument=argument, needs=columns)


def frame_of(customers: CustomerSummary | Frame) -> Frame:
    """Return the frame of a summary, or the frame itself, or that of a mapping."""
    frame = customers.frame if isinstance(customers, CustomerSummary) else customers
    return as_table(frame) if isinstance(frame, Mapping) else frame


def as_table(columns: Mapping[str, Any]) -> Frame:
    """Return a frame of numbers or arrays by name."""
    import pandas as pd

    shape = shape_of(columns)
    return pd.DataFrame({name: np.broadcast_to(values, shape).ravel() for name, values in columns.items()})


def shape_of(columns: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape to which these numbers and arrays broadcast."""
    try:
        return np.broadcast_shapes(*(np.shape(values) for values in columns.values()))
    except ValueError:
        said = ", ".join(f"{name} {np.shape(values)}" for name, values in columns.items())
        raise InputError(
            f"customers: arrays of different shapes ({said}). Pass one value a customer in each."
        ) from None


def unit_to_fit(summary: CustomerSummary | Frame, time_unit: TimeUnit | None) -> TimeUnit:
    """Return the time unit of recency and T, from the summary or, for a plain frame, from the argument."""
    if time_unit is not None:
        require_time_unit(time_unit)
    if not isinstance(summary, CustomerSummary):
        if time_unit is None:
            raise InputError(
                "time_unit: missing. A plain frame does not say in what unit recency and T are: pass time_unit='day', "
                "'week', 'month' or 'year'."
            )
        return time_unit
    if time_unit not in (None, summary.time_unit):
        raise InputError(
            f"time_unit: got {time_unit!r}, but the summary is in {summary.time_unit}s. Leave time_unit out, or make "
            f"the summary with time_unit={time_unit!r}."
        )
    return summary.time_unit


def require_unit_of_fit(customers: CustomerSummary | Frame, time_unit: TimeUnit) -> None:
    """Raise InputError if a summary is in another unit than the fit; a plain frame is taken to be in the fit's."""
    if isinstance(customers, CustomerSummary) and customers.time_unit != time_unit:
        raise InputError(
            f"customers: the summary is in {customers.time_unit}s and the fit in {time_unit}s. Make the summary with "
            f"time_unit={time_unit!r}, or fit the model to this one."
        )


def read_histories(
    frame: AnyFrame | Frame, columns: Sequence[str], *, argument: str = "customers"
) -> tuple[list[AnyArray], IntArray]:
    """Return these columns and how many customers each row stands for; a lazy engine counts equal ones."""
    arrays = plain_columns(frame, columns)
    if arrays is None:
        opened = open_frame(frame, argument=argument, needs=columns)
        if isinstance(opened, nw.LazyFrame):
            rows, counts = distinct_rows(opened, columns)
            return list(rows.values()), counts
        arrays = list(to_arrays(opened, columns).values())
    return arrays, np.ones(len(arrays[0]), dtype=np.int64)


def checked_purchases(
    frame: AnyFrame, rows: Sequence[AnyArray], *, is_discrete: bool = False
) -> tuple[Array, Array, Array]:
    """Return frequency, recency, T as floats once no row breaks a rule; `rows` are all or the distinct ones."""
    if is_discrete:
        frequency, recency, T = checked(frame, PURCHASES, (*PURCHASE_RULES, *OPPORTUNITY_RULES), rows)
    else:
        frequency, recency, T = checked(frame, PURCHASES, PURCHASE_RULES, rows, at_a_glance=are_histories)
    return frequency, recency, T


def are_histories(frequency: Array, recency: Array, T: Array) -> bool:
    """Whether all rows are finite and keep the rules of purchases, in few looks: NaN passes no comparison."""
    return bool(
        frequency.min() >= 0
        and recency.min() >= 0
        and frequency.max() < np.inf
        and T.max() < np.inf
        and (recency <= T).all()
        and not is_fractional(frequency).any()
        and not ((recency > 0) & (frequency == 0)).any()
    )


def checked_counts(frame: AnyFrame, frequency: AnyArray) -> Array:
    """Return frequency as floats once no row breaks a rule."""
    return checked(frame, SPEND[:1], COUNT_RULES, [frequency], at_a_glance=are_counts)[0]


def are_counts(frequency: Array) -> bool:
    """Whether all rows are whole numbers from 0 on: NaN passes no comparison."""
    return bool(frequency.min() >= 0 and frequency.max() < np.inf and not is_fractional(frequency).any())


def checked(
    frame: AnyFrame,
    columns: Sequence[str],
    rules: Sequence[Rule],
    rows: Sequence[AnyArray],
    *,
    at_a_glance: Callable[..., bool] | None = None,
) -> list[Array]:
    """Return the rows as floats, or name the customers of `frame` that break the first broken rule.

    Rows that keep all rules as `at_a_glance` sees it, a few thousand at a time, are not looked at again.
    """
    if not len(rows[0]):
        raise InputError("customers: the frame has no rows. Pass at least one customer.")
    arrays = [to_numbers(name, values) for name, values in zip(columns, rows, strict=True)]
    if at_a_glance and all(at_a_glance(*(values[part] for values in arrays)) for part in parts(len(arrays[0]))):
        return arrays
    for name, values in zip(columns, arrays, strict=True):
        if not np.isfinite(values).all():
            bad = is_missing(nw.col(name)) | (nw.col(name).cast(nw.Float64).abs() == np.inf)
            refuse(frame, name, "missing or infinite", "Fill or drop these customers.", bad)
    for column, problem, remedy, breaks in rules:
        if breaks(*arrays).any():
            refuse(frame, column, problem, remedy, breaks(*(nw.col(name).cast(nw.Float64) for name in columns)))
    return arrays


def to_numbers(column: str, values: AnyArray) -> Array:
    """Return a column as floats, or say that it holds none."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{column}: the column does not hold numbers. Convert it to numbers first.") from None


def is_missing(column: nw.Expr) -> nw.Expr:
    """Whether a number is null or NaN, in any engine."""
    number = column.cast(nw.Float64)
    return number.is_null() | number.is_nan()


def refuse(frame: AnyFrame | Frame, column: str, problem: str, remedy: str, bad: nw.Expr) -> NoReturn:
    """Raise InputError about the rows where `bad`, with the names of at most five of their customers."""
    frame = open_frame(frame)
    n = count_rows(frame)
    if "customer_id" in column_names(frame):
        broken = frame.filter(bad)
        k = count_rows(broken)
        shown = to_arrays(broken.select("customer_id").head(MOST_LABELS), ["customer_id"])["customer_id"].tolist()
        raise InputError(rows_message(column, problem, k, n, shown, remedy, label="customer"))
    if isinstance(frame, nw.DataFrame):
        flags = to_arrays(frame.select(_crm_bad=bad), ["_crm_bad"])["_crm_bad"].astype(bool)
        rows = np.flatnonzero(flags)
        raise InputError(rows_message(column, problem, len(rows), n, rows[:MOST_LABELS].tolist(), remedy))
    raise InputError(rows_message(column, problem, count_rows(frame.filter(bad)), n, [], remedy))
