"""Frames with one row a customer: opened, their ids and numbers checked, wherever they live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import MOST_LABELS, require_rows, rows_message
from crmvalue._core.columns import refuse_mixed_ids
from crmvalue._core.frames import AnyFrame, collect, customer_codes, first_values, join, one_row, open_frame, to_arrays
from crmvalue._core.types import Array, Frame
from crmvalue.errors import InputError

REMEDY_NUMBERS = "Fill or drop these customers."


def as_number(name: str) -> nw.Expr:
    """Column as a float."""
    return nw.col(name).cast(nw.Float64)


def open_customers(frame: Frame, *, argument: str, needs: Sequence[str] = ()) -> AnyFrame:
    """Return a user's frame, in which each customer has one row and an id."""
    opened = open_frame(frame, argument=argument, needs=["customer_id", *needs])
    if isinstance(opened, nw.DataFrame):
        check_ids(opened, argument)
    else:
        check_ids_in_engine(opened, argument)
    return opened


def check_ids(frame: AnyFrame, argument: str) -> None:
    """Raise InputError if a customer of a frame in memory has no id, or more than one row."""
    ids = collect(frame).get_column("customer_id")
    there = ~np.asarray(ids.is_null().to_numpy(), dtype=bool)
    require_rows(there, "customer_id", "missing", "Drop these rows, or give them an id.")
    refuse_mixed_ids(frame, "customer_id", argument="customer_id")
    if not len(ids):
        return
    code, _ = customer_codes(ids)
    again = np.bincount(code) > 1
    if again.any():
        rows = again[code]
        first = np.flatnonzero(rows)[np.unique(code[rows], return_index=True)[1]]
        labels = [ids[int(row)] for row in np.sort(first)[: MOST_LABELS + 1]]
        refuse_repeats(int(rows.sum()), len(ids), labels, argument)


def check_ids_in_engine(frame: AnyFrame, argument: str) -> None:
    """Raise InputError if a customer of a lazy frame has no id, or more than one row."""
    found = one_row(
        frame,
        n=nw.len(),
        missing=nw.col("customer_id").is_null().cast(nw.Int64).sum(),
        distinct=nw.col("customer_id").n_unique(),
    )
    n, missing = int(found["n"]), int(found["missing"] or 0)
    if missing:
        remedy = "Drop these rows, or give them an id."
        raise InputError(rows_message("customer_id", "missing", missing, n, [], remedy))
    if int(found["distinct"]) < n:
        rows = frame.group_by("customer_id").agg(_crm_rows=nw.len().cast(nw.Int64)).filter(nw.col("_crm_rows") > 1)
        k = int(one_row(rows, k=nw.col("_crm_rows").sum())["k"])
        refuse_repeats(k, n, first_values(rows.sort("customer_id"), "customer_id", n=MOST_LABELS + 1), argument)


def refuse_repeats(k: int, n: int, repeated: Sequence[object], argument: str) -> None:
    """Raise InputError about customers with several rows, k rows in all; `repeated` are six of them at most."""
    named = ", ".join(map(str, repeated[:MOST_LABELS])) + (", ..." if len(repeated) > MOST_LABELS else "")
    raise InputError(
        f"customer_id: a customer with several rows in {k:,} of {n:,} rows (customer {named}). Pass one row a customer "
        f"as `{argument}`, such as what summarize_customers returns."
    )


def check_numbers(frame: AnyFrame, columns: Sequence[str], *, argument: str) -> dict[str, Array]:
    """Return columns in memory, after a check that all values are finite; those of a lazy frame are checked there."""
    schema = frame.collect_schema()
    for name in columns:
        if not schema[name].is_numeric():
            raise InputError(f"{name}: column holds {schema[name]}, not numbers. Convert it first.")
    problem = "missing or infinite"
    if isinstance(frame, nw.DataFrame):
        require_customers(len(frame), argument)
        arrays = {name: np.asarray(values, dtype=float) for name, values in to_arrays(frame, columns).items()}
        for name, values in arrays.items():
            finite = np.isfinite(values)
            if not finite.all():
                ids = frame.get_column("customer_id").filter((~finite).tolist()).head(5).to_list()
                k = int((~finite).sum())
                raise InputError(rows_message(name, problem, k, len(values), ids, REMEDY_NUMBERS, label="customer"))
        return arrays
    bad = {name: ~as_number(name).is_finite().fill_null(False) for name in columns}
    counts = count_bad(frame, bad)
    n = counts.pop("_crm_all")
    require_customers(n, argument)
    for name, k in counts.items():
        if k:
            ids = first_values(frame.filter(bad[name]), "customer_id")
            raise InputError(rows_message(name, problem, k, n, ids, REMEDY_NUMBERS, label="customer"))
    return {}


def count_bad(frame: AnyFrame, bad: dict[str, nw.Expr]) -> dict[str, int]:
    """Return the number of rows, and of those that meet each condition, in one pass."""
    sums = {name: rows.cast(nw.Int64).sum() for name, rows in bad.items()}
    return {name: int(k or 0) for name, k in one_row(frame, _crm_all=nw.len(), **sums).items()}


def require_customers(n: int, argument: str) -> None:
    """Raise InputError if there is nobody."""
    if n == 0:
        raise InputError(f"{argument}: there are no customers. Pass at least one row.")


def join_customers(left: AnyFrame, right: AnyFrame, *, how: Literal["left", "anti"], argument: str) -> AnyFrame:
    """Join two frames of one engine by customer; `argument` names the right one."""
    kinds = [frame.collect_schema()["customer_id"] for frame in (left, right)]
    if left.implementation != right.implementation:
        engines = [frame.implementation.name.lower() for frame in (left, right)]
        raise InputError(f"{argument}: is in {engines[1]}, the others in {engines[0]}. Pass frames of one engine.")
    if kinds[0] != kinds[1] and not (kinds[0].is_integer() and kinds[1].is_integer()):
        remedy = "Convert the ids to one type."
        raise InputError(f"customer_id: {kinds[1]} in `{argument}`, but {kinds[0]} in the others. {remedy}")
    if left.implementation.is_pyarrow():  # which joins no text to large text, and no integer to a wider one
        table, wanted = nw.to_native(right), nw.to_native(left).schema.field("customer_id").type
        place = table.schema.get_field_index("customer_id")
        right = nw.from_native(table.set_column(place, "customer_id", table.column(place).cast(wanted)))
    return join(left, right, on="customer_id", how=how)
