"""The lines of a ledger as arrays, as every table of costs reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crmvalue._core import frames
from crmvalue._core.types import AnyArray
from crmvalue.costing.ledger import Ledger
from crmvalue.costing.names import is_blank

KIND_OF_CATEGORY = {"time": "time", "opportunity": "opportunity"}  # all others are cash


def ledger_columns(ledger: Ledger) -> list[str]:
    """Names of the columns of the ledger."""
    return frames.column_names(frames.open_frame(ledger.frame))


def read_lines(ledger: Ledger, columns: Sequence[str] = ()) -> dict[str, AnyArray]:
    """Return date, category, amount, kind and these columns of the ledger as arrays, read in one pass.

    The kind is the one that a line names, else that of its category. Two passes over a lazy frame may differ in order.
    """
    opened = frames.open_frame(ledger.frame, argument="ledger", needs=[name for name in columns if name != "kind"])
    there = [name for name in ("kind",) if name in frames.column_names(opened)]
    wanted = dict.fromkeys(["date", "category", "amount", *there, *(name for name in columns if name != "kind")])
    lines = frames.to_arrays(opened, list(wanted))
    kind = np.array([KIND_OF_CATEGORY.get(name, "cash") for name in lines["category"].tolist()], dtype=object)
    lines["kind"] = np.where(is_blank(lines["kind"]), kind, lines["kind"]) if there else kind
    return lines


def without_blanks(values: AnyArray) -> AnyArray:
    """Return names with None for blank ones; other columns as they are."""
    if values.dtype.kind != "O":
        return values
    return np.array([None if blank else value for value, blank in zip(values, is_blank(values), strict=True)], object)
