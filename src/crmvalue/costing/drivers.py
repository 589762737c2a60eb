"""What causes cost: driver quantities of each cost object, and what pools do for one another, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.columns import read_numbers, refuse_mixed_ids
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.apportion import Bytes, Weights, weights_of
from crmvalue.costing.grouping import group_rows, match, ranked
from crmvalue.costing.names import is_blank, spelled
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drivers:
    """Driver quantities of cost objects, in the order of the names of these: no row order can change a result."""

    objects: AnyArray  # names of the cost objects, distinct, shape (n_objects,)
    quantities: dict[str, Array]  # each driver, shape (n_objects,); checked when its weights are taken
    object_id: str  # column that names the cost objects
    without_drivers: int  # cost objects that only the ledger names; their drivers are 0
    model: AnyFrame  # the frame of the drivers, for its engine


def read_drivers(drivers: Frame, object_id: str, columns: Sequence[str | None], named: AnyArray | None) -> Drivers:
    """Return the checked drivers of all cost objects, those that only the ledger names at the end of the order."""
    wanted = list(dict.fromkeys(column for column in columns if column is not None))
    opened = frames.open_frame(drivers, argument="drivers", needs=[object_id, *wanted])
    if object_id in wanted:
        raise InputError(f"bases: {object_id!r} names the cost objects. Name a column with quantities.")
    refuse_mixed_ids(opened, object_id, argument=f"drivers, column {object_id!r}")
    rows = opened.select(object_id, *wanted)
    kinds = rows.collect_schema()
    for column in wanted:
        if kinds[column] != nw.Float64:
            rows = read_numbers(rows, column, argument=f"drivers, column {column!r}")
    arrays = frames.to_arrays(rows, [object_id, *wanted])
    objects = arrays.pop(object_id)
    if not len(objects):
        raise InputError("drivers: the frame has no rows. Pass at least one cost object.")
    require_rows(~is_missing(objects), f"drivers, column {object_id!r}", "missing name", "Drop or name these rows.")
    objects, order = distinct_objects(objects, object_id)
    extra = np.array([], dtype=objects.dtype) if named is None or not len(named) else unknown_objects(named, objects)
    quantities = {}
    for column, values in arrays.items():
        quantity = np.asarray(values, dtype=float)
        quantity = quantity if order is None else quantity[order]
        quantities[column] = np.append(quantity, np.zeros(len(extra))) if len(extra) else quantity
    if len(extra):
        objects = np.concatenate([objects, extra.astype(objects.dtype)])
    return Drivers(
        objects=objects,
        quantities=quantities,
        object_id=object_id,
        without_drivers=len(extra),
        model=opened,
    )


def is_missing(values: AnyArray) -> AnyArray:
    """Whether each name is missing, or text without a character."""
    return is_blank(values) if values.dtype.kind == "O" else np.isnan(values.astype(float))


def distinct_objects(objects: AnyArray, object_id: str) -> tuple[AnyArray, AnyArray | None]:
    """Return the names in order and the places they came from (None if as they are); a name twice is an error."""
    if objects.dtype.kind in "iu" and (np.diff(objects) > 0).all():
        return objects, None
    rank, ordered = ranked(objects)
    if len(ordered) < len(objects):
        first = np.zeros(len(objects), dtype=bool)
        first[np.unique(rank, return_index=True)[1]] = True
        remedy = "Add the rows of each up first."
        require_rows(
            first, f"drivers, column {object_id!r}", "cost object named again", remedy, labels=objects, label="object"
        )
    return ordered, np.argsort(rank)


def driver_weights(found: Drivers, column: str, room: Bytes | None = None) -> Weights:
    """Return the weights of a driver, or raise InputError unless its quantities are numbers of at least 0."""
    weights = weights_of(found.quantities[column], room)
    if not len(weights.codes):  # small counts are numbers of at least 0
        named = len(found.objects) - found.without_drivers
        require_quantities(weights.quantity[:named], weights.total, found.objects[:named], column)
    return weights


def require_quantities(quantity: Array, total: float, objects: AnyArray, column: str) -> None:
    """Raise InputError unless all quantities are numbers of at least 0, as their total then is."""
    if quantity.min() >= 0 and total < np.inf:  # a missing one is neither
        return
    said = f"drivers, column {column!r}"
    remedy = "Fill it; a driver that is known to be nothing is 0."
    require_rows(np.isfinite(quantity), said, "missing or infinite driver", remedy, labels=objects, label="object")
    remedy = "A driver causes cost: net reversals off before, or leave these objects out."
    require_rows(quantity >= 0, said, "negative driver", remedy, labels=objects, label="object")
    raise InputError(f"{said}: the sum is too large for a number. Take a larger unit.")


def unknown_objects(named: AnyArray, objects: AnyArray) -> AnyArray:
    """Return the distinct objects that the ledger names and the drivers lack, in order; other types are an error."""
    is_text = [values.dtype.kind == "O" and isinstance(values[0], str) for values in (named, objects)]
    if is_text[0] != is_text[1]:
        kinds = ["text" if text else "numbers" for text in is_text]
        raise InputError(f"drivers: cost objects are {kinds[1]} there, but {kinds[0]} in the ledger. Convert one.")
    _, distinct = ranked(named)
    missing: AnyArray = distinct[match(distinct, objects) < 0]
    return missing


def read_services(services: Frame, known: Sequence[str], n: int) -> Array:
    """Return what pools (rows) do for pools (columns), shape (n, n), in units of the driver of the row."""
    opened = frames.open_frame(services, argument="services", needs=["pool", "to_pool", "quantity"])
    rows = read_numbers(opened.select("pool", "to_pool", "quantity"), "quantity", argument="services, quantity")
    found = frames.to_arrays(rows, ["pool", "to_pool", "quantity"])
    quantity = np.asarray(found["quantity"], dtype=float)
    ok = np.isfinite(quantity) & (quantity >= 0)
    require_rows(ok, "services, column 'quantity'", "missing or negative", "Give each a quantity, at least 0.")
    places = []
    for column in ("pool", "to_pool"):
        require_rows(~is_blank(found[column]), f"services, column {column!r}", "missing pool", "Name one in each row.")
        names = spelled(found[column], known, f"services, column {column!r}")
        places.append(np.array([known.index(names[name]) for name in found[column].tolist()], dtype=np.int64))
    apart = places[0] != places[1]
    require_rows(apart, "services", "pool that serves itself", "Leave these rows out: it changes no cost.")
    groups, group = group_rows({"a": places[0], "b": places[1]}, len(quantity))
    between = np.zeros((n, n))
    between[groups["a"], groups["b"]] = exact_sums(quantity, group, len(groups["a"]))
    return between
