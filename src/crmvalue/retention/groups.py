"""Groups of rows or customers by a column: checked once, and named in every result."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_columns
from crmvalue._core.frames import AnyFrame, column_names, count_rows, first_values, series_to_array
from crmvalue._core.frames import collect as collected
from crmvalue._core.types import AnyArray, IntArray
from crmvalue.errors import InputError

MOST_GROUPS = 1_000  # more are ids, not groups


def require_groups(frame: AnyFrame, by: str) -> None:
    """Raise InputError unless every row names its group."""
    require_columns(column_names(frame), [by], argument="by")
    kind = frame.collect_schema()[by]
    missing = nw.col(by).is_null()
    if kind.is_float():
        missing = missing | nw.col(by).is_nan().fill_null(True)
    unnamed = count_rows(frame.filter(missing))
    if unnamed:
        raise InputError(
            f"by: column {by!r} is missing in {unnamed:,} of {count_rows(frame):,} rows. Name their group, for "
            "example 'unknown'."
        )


def group_values(frame: AnyFrame, by: str) -> list[Any]:
    """Return the distinct values of a column, in order; more than a thousand are refused."""
    require_groups(frame, by)
    values = series_to_array(collected(frame.select(by).unique()).get_column(by))
    require_few(by, len(values))
    return list(np.sort(values))


def require_few(by: str, n: int) -> None:
    """Raise InputError if a column has too many values to group by."""
    if n > MOST_GROUPS:
        raise InputError(f"by: column {by!r} has {n:,} values. Group by a column with at most {MOST_GROUPS:,}.")


def require_one_group(frame: AnyFrame, by: str) -> None:
    """Raise InputError unless each customer is in one group."""
    pairs = frame.select("customer_id", by).unique()
    several = pairs.group_by("customer_id").agg(_crm_n=nw.len()).filter(nw.col("_crm_n") > 1)
    n = count_rows(several)
    if n:
        named = ", ".join(map(str, first_values(several.sort("customer_id"), "customer_id")))
        more = ", ..." if n > 5 else ""
        raise InputError(
            f"by: {n:,} customers are in several groups of {by!r} (customer {named}{more}). Group by a column that "
            "stays, such as the region of the first purchase."
        )


def codes_of(values: AnyArray) -> tuple[AnyArray, IntArray]:
    """Return the distinct values, in order, and the number of each row's value."""
    distinct, codes = np.unique(values, return_inverse=True)
    return distinct, codes.astype(np.int64)


def in_group(by: str, value: Any) -> nw.Expr:
    """Whether a row is in the group; a NumPy value becomes one that every engine compares."""
    same: nw.Expr = nw.col(by) == (value.item() if isinstance(value, np.generic) else value)
    return same
