"""Cost pools are allocated to the customers, segments, channels or products that cause them, to the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_option
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.apportion import round_to_sum, split, to_cents
from crmvalue.costing.drivers import Drivers, driver_weights, read_drivers, read_services
from crmvalue.costing.grouping import group_rows, match
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import ledger_columns, read_lines, without_blanks
from crmvalue.costing.names import counted, is_blank, spelled_options
from crmvalue.costing.services import reciprocal, step_down, usual_order
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import CENTS, exact_sum, exact_sums, whole_cents

Method = Literal["direct", "step_down", "reciprocal"]
METHODS: tuple[Method, ...] = ("direct", "step_down", "reciprocal")
SAID = {
    "direct": "Direct method: pools are charged to cost objects at once; services between pools are left aside.",
    "step_down": "Step-down method: pools are closed one by one, in the order {order}, and take no services then.",
    "reciprocal": "Reciprocal method: all services between pools are charged at once, by linear equations.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostAllocation:
    """What each cost object costs; direct + allocated + unallocated = the ledger, to the cent.

    Columns of `frame`: the cost object; direct (lines of the ledger that name it); allocated (its parts of the pools);
    cost (both). Columns of `pools`: pool; driver (column, missing if none); amount (lines that name no object);
    services (received from other pools less given to them); allocated; unallocated (amount + services - allocated);
    driver_total (of all objects); rate (allocated for one unit of the driver); reason (why something stays).
    """

    frame: Frame  # one row a cost object, in the order of their names, in the engine of the drivers
    pools: Frame  # one row a pool, in the same engine
    parts: Array  # whole cents of each pool (row) for each object (column), shape (n_pools, n_objects), read-only
    pool_names: tuple[str, ...]  # of the rows of `parts`
    object_id: str  # column that names the cost objects
    total: float  # sum of the ledger
    direct: float  # sum of the lines that name an object
    allocated: float  # sum of the parts
    unallocated: float  # sum of what stays with the pools
    method: Method  # how services between pools were charged
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    __repr__ = result_text
    _repr_html_ = result_html

    def to_dict(self) -> dict[str, object]:
        """Return all but `parts` in plain values that JSON can hold."""
        return {name: value for name, value in as_dict(self).items() if name != "parts"}

    def by_pool(self) -> Frame:
        """Return one row a cost object and one column a pool, in currency, in the engine of the drivers."""
        opened = frames.open_frame(self.frame)
        objects = frames.to_arrays(opened, [self.object_id])
        named = {name: part / CENTS for name, part in zip(self.pool_names, self.parts, strict=True)}
        return frames.like(objects | named, opened)


def allocate_costs(
    ledger: Ledger | Frame,
    drivers: Frame,
    *,
    bases: Mapping[str, str] | None = None,
    object_id: str = "customer_id",
    pool: str = "category",
    method: Method = "direct",
    services: Frame | None = None,
    order: Sequence[str] = (),
) -> CostAllocation:
    """Split the cost of each pool over cost objects, in proportion to the driver that causes it.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs. Lines that name a cost object in the column `object_id`, if there is one, are charged to it directly.
    drivers : frame of any engine
        One row a cost object: its name in `object_id`, and a column for each driver, such as orders, tickets or
        minutes; at least 0.
    bases : mapping of str to str, optional
        The driver column of each pool. A pool that is not in it stays unallocated. By default each column of `drivers`
        is the driver of the pool of its name.
    object_id : str
        Column of `drivers` that names the cost objects: customers, segments, channels or products.
    pool : str
        Column of the ledger that makes the pools.
    method : {"direct", "step_down", "reciprocal"}
        How services between pools are charged.
    services : frame, optional
        What pools do for one another: columns pool, to_pool and quantity, in the unit of the driver of `pool`.
    order : sequence of str
        For "step_down": pools in the order in which they are closed, those not named after them. By default the pool
        that gives the largest share of its output to other pools comes first.

    Returns
    -------
    CostAllocation
        Cost of each object and account of each pool.

    Raises
    ------
    InputError
        If a column is missing, a driver is negative or missing, a cost object is there twice, `bases` (or, without
        them, a column of `drivers`), `services` or `order` name a pool that the ledger lacks, or the equations of the
        reciprocal method are singular.

    Notes
    -----
    A part is ``pool * driver / sum of the driver``, rounded by the method of largest remainders: equal remainders are
    rounded up in the order of the names. A pool whose driver is 0 for all objects stays unallocated, and so does a
    fraction of a cent. Reciprocal: the full cost of the pools solves ``x = own + S' x``, with ``S[i, j]`` the share
    of the output of pool i that pool j uses.

    References
    ----------
    Horngren, Datar & Rajan (2015) "Cost Accounting: A Managerial Emphasis", 15th edition, chapter 15. Pearson.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({"date": "2024-01-31", "category": ["service", "it"], "amount": [100.0, 10.0]})
    >>> drivers = pd.DataFrame({"customer_id": ["ann", "bob", "cem"], "tickets": [1, 1, 1], "orders": [0, 3, 1]})
    >>> result = allocate_costs(lines, drivers, bases={"service": "tickets", "it": "orders"})
    >>> result.frame
      customer_id  direct  allocated   cost
    0         ann     0.0      33.34  33.34
    1         bob     0.0      40.83  40.83
    2         cem     0.0      35.83  35.83
    >>> result.allocated, result.unallocated
    (110.0, 0.0)
    """
    require_option("method", method, METHODS)
    if (services is None) == (method != "direct"):
        wanted = "Pass services" if services is None else 'Pass method="step_down" or method="reciprocal"'
        raise InputError(f"services: they go with step_down and reciprocal, and method is {method!r}. {wanted}.")
    checked = as_ledger(ledger, [pool])
    has_objects = object_id in ledger_columns(checked)
    lines = read_lines(checked, [pool, *([object_id] if has_objects else [])])
    named = ~is_blank(lines[object_id]) if has_objects else np.zeros(len(lines["amount"]), dtype=bool)
    names, amounts = pool_amounts(without_blanks(lines[pool]), lines["amount"], ~named)
    columns = base_columns(own_drivers(drivers, object_id, names) if bases is None else bases, names)
    found = read_drivers(drivers, object_id, columns, lines[object_id][named] if has_objects else None)
    own = to_cents(amounts)
    handed, closing = hand_on(own, found, columns, names, method, services, order)
    parts, allocated, totals = split_pools(handed, found, columns)
    of_object = (
        exact_sums(lines["amount"][named], match(lines[object_id][named], found.objects), len(found.objects))
        if named.any()
        else np.zeros(len(found.objects))
    )
    pools = pool_table(names, columns, amounts, own, handed, allocated, totals)
    return wrap(checked, found, names, parts, of_object, pools, method, closing)


def pool_amounts(labels: AnyArray, amount: Array, shared: AnyArray) -> tuple[list[object], Array]:
    """Return the pools and what their lines that name no object cost."""
    groups, group = group_rows({"pool": labels}, len(labels))
    sums = exact_sums(np.where(shared, amount, 0.0), group, len(groups["pool"]))
    return groups["pool"].tolist(), sums


def own_drivers(drivers: Frame, object_id: str, names: Sequence[object]) -> dict[str, str]:
    """Return each column of the drivers as that of the pool of its name; a column that names none is an error."""
    columns = frames.column_names(frames.open_frame(drivers, argument="drivers", needs=[object_id]))
    wanted = [name for name in columns if name != object_id]
    spelled_options(wanted, known_pools(names), "drivers, columns", remedy=" Or pass bases={pool: column, ...}.")
    return dict(zip(wanted, wanted, strict=True))


def known_pools(names: Sequence[object]) -> list[str]:
    """Names of the pools, without the one of lines that name none."""
    return [str(name) for name in names if name is not None]


def base_columns(bases: Mapping[str, str], names: Sequence[object]) -> list[str | None]:
    """Return the driver column of each pool, None for one that has none; a pool that is not there is an error."""
    if not isinstance(bases, Mapping):
        raise InputError(f"bases: got {type(bases).__name__}. Pass a dict such as {{'service': 'tickets'}}.")
    strange = [column for column in bases.values() if not isinstance(column, str)]
    if strange:
        raise InputError(f"bases: got {strange[0]!r}. Name a column of the drivers for each pool.")
    said = spelled_options(bases, known_pools(names), "bases")
    of_pool = {said[key]: column for key, column in bases.items()}
    if len(of_pool) < len(bases):
        raise InputError(f"bases: {list(bases)} names a pool twice. Name each once.")
    return [of_pool.get(str(name)) if name is not None else None for name in names]


def hand_on(
    own: Array,
    found: Drivers,
    columns: Sequence[str | None],
    names: Sequence[object],
    method: Method,
    services: Frame | None,
    order: Sequence[str],
) -> tuple[Array, str]:
    """Return the whole cents that each pool has to hand on to objects, with the same sum, and the order of closing."""
    if services is None:
        return own, ""
    objects = np.array([0.0 if column is None else driver_weights(found, column).total for column in columns])
    between = read_services(services, known_pools(names), len(names))
    total = sum(map(int, own.tolist()))
    if method == "reciprocal":
        return round_to_sum(reciprocal(own, objects, between, names), total), ""
    usual = usual_order(own, objects, between)
    known = [str(name) for name in names]
    given = [order] if isinstance(order, str) else order
    first = [known.index(name) for name in spelled_options(given, known, "order").values()]
    closing = np.array([*first, *(place for place in usual.tolist() if place not in first)], dtype=np.int64)
    said = ", ".join(str(names[place]) for place in closing.tolist())
    return round_to_sum(step_down(own, objects, between, closing), total), said


def split_pools(handed: Array, found: Drivers, columns: Sequence[str | None]) -> tuple[Array, Array, Array]:
    """Return the parts of each pool (read-only), what of it was allocated, and the total of its driver, NaN if none."""
    n = len(found.objects)
    parts, allocated, totals = np.empty((len(columns), n)), np.zeros(len(columns)), np.full(len(columns), np.nan)
    room = np.empty(n + 1, dtype=np.uint8)
    for column in dict.fromkeys(columns):
        weights = None if column is None else driver_weights(found, column, room)
        for row in (row for row, other in enumerate(columns) if other == column):
            totals[row] = np.nan if weights is None else weights.total
            if weights is None or not weights.total > 0:
                parts[row] = 0.0
            else:
                split(handed[row], weights, parts[row])
                allocated[row] = handed[row]  # what `split` keeps
    parts.flags.writeable = False
    return parts, allocated, totals


def pool_table(
    names: Sequence[object],
    columns: Sequence[str | None],
    amounts: Array,
    own: Array,
    handed: Array,
    allocated: Array,
    totals: Array,
) -> dict[str, AnyArray]:
    """Account of each pool: what it cost, what services moved, what went to objects and what stays, and why."""
    left = handed - allocated
    fraction = np.where(np.abs(amounts - own / CENTS) > 1e-8, amounts - own / CENTS, 0.0)
    rate = np.divide(allocated / CENTS, totals, out=np.full(len(names), np.nan), where=totals > 0)
    reasons = [
        "" if not (cents or part)
        else "fraction of a cent" if not cents
        else "no driver" if column is None
        else "the driver is 0 for all"
        for cents, part, column in zip(left.tolist(), fraction.tolist(), columns, strict=True)
    ]  # fmt: skip
    return {
        "pool": np.array([*names, None], dtype=object)[:-1],
        "driver": np.array([*columns, None], dtype=object)[:-1],
        "amount": amounts,
        "services": (handed - own) / CENTS,
        "allocated": allocated / CENTS,
        "unallocated": left / CENTS + fraction,
        "driver_total": totals,
        "rate": rate,
        "reason": np.array([*reasons, None], dtype=object)[:-1],
    }


def wrap(
    ledger: Ledger,
    found: Drivers,
    names: Sequence[object],
    parts: Array,
    direct: Array,
    pools: dict[str, AnyArray],
    method: Method,
    closing: str,
) -> CostAllocation:
    """Wrap the numbers as a result."""
    cents, whole = parts.sum(axis=0), whole_cents(direct) if direct.any() else direct
    allocated = cents / CENTS
    cost = (allocated if whole is direct else (whole + cents) / CENTS) if whole is not None else direct + allocated
    table = {found.object_id: found.objects, "direct": direct, "allocated": allocated, "cost": cost}
    unallocated = exact_sum(pools["unallocated"])
    said = [SAID[method].format(order=closing)]
    said += [
        f"{pool}: {number_text(amount)} by {driver!r}, {rate:,.6g} a unit."
        for pool, driver, amount, rate in zip(
            pools["pool"], pools["driver"], pools["allocated"], pools["rate"], strict=True
        )
        if np.isfinite(rate)
    ]
    said += [
        f"{pool}: {number_text(amount)} stays unallocated ({reason})."
        for pool, amount, reason in zip(pools["pool"], pools["unallocated"], pools["reason"], strict=True)
        if reason
    ]
    if found.without_drivers:
        alone = counted(found.without_drivers, "cost object is", "cost objects are")
        said.append(f"{alone} named in the ledger alone: no drivers.")
    return CostAllocation(
        frame=frames.like(table, found.model),
        pools=frames.like(pools, found.model),
        parts=parts,
        pool_names=tuple(str(name) for name in names),
        object_id=found.object_id,
        total=ledger.total,
        direct=0.0 if whole is direct else exact_sum(direct),
        allocated=exact_sum(pools["allocated"]),
        unallocated=unallocated,
        method=method,
        assumptions=tuple(said),
    )
