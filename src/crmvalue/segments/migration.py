"""Who moved: the segments of the same customers at two dates, with those who came and those who are gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame, collect, like, to_arrays
from crmvalue._core.intervals import binomial_interval
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, join_customers, open_customers
from crmvalue.segments.groups import is_missing
from crmvalue.segments.rules import Segments

CAME, GONE = "(new)", "(lost)"  # row of those who are only in `after`, column of those who are only in `before`
OTHER_LIMITS = (
    "before and after were scored by different limits: some customers moved because the limits did. Score the later "
    "customers with rescore_rfm and the thresholds of the earlier ones."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentMigration:
    """One row a pair of segments, before and after, in the engine of the customers.

    Columns of `frame`: before and after (segments; "(new)" before for those who came, "(lost)" after for those who are
    gone); customers; share (of the customers with that segment before; missing if there are none); lower and upper
    (exact 95 % interval of the share); value_before, value_after (their value at the two dates, 0 for those who were
    not there) and value_change. There is a row for each pair, also without customers, but none for "(new)", "(lost)".
    """

    frame: Frame
    rows: tuple[str, ...]  # segments before, then "(new)"
    columns: tuple[str, ...]  # segments after, then "(lost)"
    customers: IntArray  # from each segment (row) to each (column), shape (rows, columns)
    n_before: int  # customers before
    n_after: int  # customers after
    value_before: float  # of all customers before, in their currency
    value_after: float  # of all customers after
    notes: tuple[str, ...]  # what deserves care

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def shares(self) -> Array:
        """Share of each row's customers by column, shape (rows, columns); missing in a row without customers."""
        totals = self.customers.sum(axis=1, keepdims=True)
        return self.customers / np.where(totals > 0, totals, math.nan)


def segment_migration(
    before: Segments | Frame, after: Segments | Frame, *, column: str = "segment", value: str = "total_spend"
) -> SegmentMigration:
    """Count who moved from which segment to which, who came and who is gone, and the value that moved with them.

    Parameters
    ----------
    before, after : Segments or frame
        The customers at two dates, in one engine: customer_id, their segment and their value, one row a customer.
    column : str
        Column of the segment; any column of text or numbers, such as "tier" or "stage".
    value : str
        Column of value; revenue to date, or profit, or expected value.

    Returns
    -------
    SegmentMigration
        Customers, their share of the row, and their value before and after, for each pair of segments.

    Raises
    ------
    InputError
        If a column or a segment is missing, a customer has two rows, or a value is missing or infinite.

    Notes
    -----
    Rows add up to the customers before, columns to those after, and values to the values of both, to the cent.
    Intervals are those of Clopper and Pearson: they treat the customers of a row as a sample. If the two dates
    were scored by different limits a note says so, since then customers move without doing anything.

    References
    ----------
    Clopper & Pearson (1934) "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26(4), https://doi.org/10.1093/biomet/26.4.404

    Examples
    --------
    >>> import pandas as pd
    >>> may = pd.DataFrame({"customer_id": [1, 2, 3], "segment": ["A", "A", "B"], "total_spend": [90.0, 70.0, 5.0]})
    >>> june = pd.DataFrame({"customer_id": [1, 2, 4], "segment": ["A", "B", "B"], "total_spend": [95.0, 70.0, 8.0]})
    >>> moved = segment_migration(may, june)
    >>> moved.frame.query("customers > 0")[["before", "after", "customers", "share", "value_change"]]
      before   after  customers  share  value_change
    0      A       A          1    0.5           5.0
    1      A       B          1    0.5           0.0
    5      B  (lost)          1    1.0          -5.0
    7  (new)       B          1    1.0           8.0
    """
    first = open_side(before, "before", column, value)
    last = open_side(after, "after", column, value)
    cells = moved_cells(first, last)
    rows = [*names_of(cells["before"], before), CAME]
    columns = [*names_of(cells["after"], after), GONE]
    place = [
        np.array([rows.index(CAME if is_missing(name) else name) for name in cells["before"]], dtype=np.int64),
        np.array([columns.index(GONE if is_missing(name) else name) for name in cells["after"]], dtype=np.int64),
    ]
    table = {
        name: np.zeros((len(rows), len(columns)), dtype=float) for name in ("customers", "value_before", "value_after")
    }
    for name, values in table.items():
        values[place[0], place[1]] = cells[name]
    customers = table["customers"].astype(np.int64)
    customers.flags.writeable = False
    return SegmentMigration(
        frame=like(migration_columns(rows, columns, table), first),
        rows=tuple(map(str, rows)),
        columns=tuple(map(str, columns)),
        customers=customers,
        n_before=int(customers[:-1].sum()),
        n_after=int(customers[:, :-1].sum()),
        value_before=math.fsum(cells["value_before"]),
        value_after=math.fsum(cells["value_after"]),
        notes=notes_on_limits(before, after),
    )


def open_side(side: Segments | Frame, argument: str, column: str, value: str) -> AnyFrame:
    """Return id, segment and value of the customers at one date."""
    native = side.frame if isinstance(side, Segments) else side
    frame = open_customers(native, argument=argument, needs=[column, value])
    check_numbers(frame, [value], argument=argument)
    picked = frame.select("customer_id", _crm_segment=nw.col(column), _crm_value=as_number(value))
    missing = collect(picked.filter(nw.col("_crm_segment").is_null()).select("customer_id").head(5))
    if len(missing):
        shown = ", ".join(map(str, missing.get_column("customer_id").to_list()))
        raise InputError(f"{column}: missing in `{argument}` (customer {shown}). Name their segment or drop them.")
    return picked


def moved_cells(first: AnyFrame, last: AnyFrame) -> dict[str, AnyArray]:
    """Count customers and value of each pair of segments that there is; None stands for those who are not there."""
    then = first.rename({"_crm_segment": "before", "_crm_value": "value_before"})
    now = last.rename({"_crm_segment": "after", "_crm_value": "value_after"})
    stayed = join_customers(then, now, how="left", argument="after").with_columns(nw.col("value_after").fill_null(0.0))
    pairs = added_up(stayed, ["before", "after"], ["value_before", "value_after"])
    came = added_up(join_customers(now, then, how="anti", argument="before"), ["after"], ["value_after"])
    n = len(came["after"])
    came |= {"before": np.full(n, None, dtype=object), "value_before": np.zeros(n)}
    return {name: np.concatenate([np.asarray(pairs[name]), np.asarray(came[name])]) for name in pairs}


def added_up(frame: AnyFrame, groups: Sequence[str], values: Sequence[str]) -> dict[str, AnyArray]:
    """Add up the customers and values of each group."""
    sums = frame.group_by(*groups).agg(nw.col(*values).sum(), customers=nw.len())
    found: dict[str, AnyArray] = to_arrays(sums, [*groups, "customers", *values])
    return {name: column.astype(object) if name in groups else column for name, column in found.items()}


def names_of(found: AnyArray, side: Segments | Frame) -> list[Any]:
    """Segments of one date, in the order of the rules or sorted."""
    known = {name for name in found.tolist() if not is_missing(name)}
    ruled = list(dict.fromkeys(rule.segment for rule in side.rules)) if isinstance(side, Segments) else []
    names = [*ruled, *sorted(known - set(ruled))]
    reserved = [name for name in (CAME, GONE) if name in names]
    if reserved:
        raise InputError(f"segment: {reserved[0]!r} is the name for those who are not there. Rename that segment.")
    return names


def migration_columns(rows: Sequence[Any], columns: Sequence[Any], table: dict[str, Array]) -> dict[str, AnyArray]:
    """Columns of the long frame, without the pair of those who were never there."""
    customers = table["customers"]
    totals = np.broadcast_to(customers.sum(axis=1, keepdims=True), customers.shape)
    known = np.where(totals > 0, totals, math.nan)
    lower, upper = binomial_interval(customers, totals)
    tall = {
        "before": np.repeat(np.array([str(name) for name in rows], dtype=object), len(columns)),
        "after": np.tile(np.array([str(name) for name in columns], dtype=object), len(rows)),
        "customers": customers.astype(np.int64).ravel(),
        "share": (customers / known).ravel(),
        "lower": lower.ravel(),
        "upper": upper.ravel(),
        "value_before": table["value_before"].ravel(),
        "value_after": table["value_after"].ravel(),
        "value_change": (table["value_after"] - table["value_before"]).ravel(),
    }
    return {name: values[:-1] for name, values in tall.items()}


def notes_on_limits(before: Segments | Frame, after: Segments | Frame) -> tuple[str, ...]:
    """Say whether limits moved between two scored dates."""
    if isinstance(before, Segments) and isinstance(after, Segments) and before.thresholds != after.thresholds:
        return (OTHER_LIMITS,)
    return ()
