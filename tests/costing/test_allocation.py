"""Allocation: textbook numbers, largest remainders by exact fractions, and nothing lost, on any engine."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import allocate_costs
from crmvalue.errors import InputError

# A firm like the one in the textbook of Horngren, Datar & Rajan; the numbers were not looked up there. What each method
# must give is worked out by hand below, in fractions.
ROBINSON = pd.DataFrame(
    {
        "date": "2024-12-31",
        "category": "staff",
        "department": ["maintenance", "systems"],
        "amount": [6_300_000.0, 1_452_150.0],
    }
)
HOURS = pd.DataFrame({"department": ["Machining", "Assembly"], "labour": [2_400, 4_000], "computer": [1_600, 200]})
SUPPORT = pd.DataFrame({"pool": ["maintenance", "systems"], "to_pool": ["systems", "maintenance"],
                        "quantity": [1_600, 200]})  # fmt: skip


def robinson(method, **options):
    lines = ROBINSON.rename(columns={"department": "pool"})
    services = None if method == "direct" else SUPPORT
    return allocate_costs(
        lines,
        HOURS,
        bases={"maintenance": "labour", "systems": "computer"},
        object_id="department",
        pool="pool",
        method=method,
        services=services,
        **options,
    )


def by_hand(method):
    """Cost of maintenance and of systems for machining and assembly."""
    maintenance, systems = Fraction(6_300_000), Fraction(1_452_150)
    to_systems, to_maintenance = Fraction(1_600, 8_000), Fraction(200, 2_000)
    if method == "step_down":  # maintenance gives the larger share to the other, and is closed first
        systems += to_systems * maintenance
    if method == "reciprocal":  # two equations: x = own + share of y, y = own + share of x
        both = 1 - to_systems * to_maintenance
        maintenance, systems = (
            (maintenance + to_maintenance * systems) / both,
            (systems + to_systems * maintenance) / both,
        )
    kept = {"direct": (1 - to_systems, 1 - to_maintenance), "step_down": (1, 1 - to_maintenance), "reciprocal": (1, 1)}
    first, second = maintenance / kept[method][0], systems / kept[method][1]
    shares = (Fraction(2_400, 8_000), Fraction(4_000, 8_000)), (Fraction(1_600, 2_000), Fraction(200, 2_000))
    return tuple(first * share for share in shares[0]), tuple(second * share for share in shares[1])


@pytest.mark.parametrize(
    ("method", "maintenance", "systems"),
    [
        ("direct", (2_362_500, 3_937_500), (1_290_800, 161_350)),
        ("step_down", (1_890_000, 3_150_000), (2_410_800, 301_350)),
        ("reciprocal", (1_973_025, 3_288_375), (2_214_000, 276_750)),
    ],
)
def test_the_three_methods_give_what_is_worked_out_by_hand(method, maintenance, systems):
    assert by_hand(method) == (maintenance, systems)
    found = robinson(method)
    by_pool = found.by_pool().set_index("department").loc[["Machining", "Assembly"]]
    assert tuple(by_pool["maintenance"]) == maintenance
    assert tuple(by_pool["systems"]) == systems
    assert (found.total, found.allocated, found.unallocated) == (7_752_150.0, 7_752_150.0, 0.0)


def test_the_order_of_closing_may_be_given():
    found = robinson("step_down", order="Systems")
    by_pool = found.by_pool().set_index("department").loc[["Machining", "Assembly"]]
    assert by_pool["systems"].sum() == 1_452_150 - 145_215  # a tenth goes to maintenance first
    assert any("in the order systems, maintenance" in text for text in found.assumptions)


money = st.integers(-(10**8), 10**10)
quantities = st.integers(0, 10**6)


@st.composite
def cases(draw):
    n_pools, n_objects = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    cents = draw(st.lists(money, min_size=n_pools, max_size=n_pools))
    table = draw(st.lists(st.lists(quantities, min_size=n_objects, max_size=n_objects),
                          min_size=n_pools, max_size=n_pools))  # fmt: skip
    services = draw(st.lists(st.lists(st.integers(0, 50), min_size=n_pools, max_size=n_pools),
                             min_size=n_pools, max_size=n_pools))  # fmt: skip
    return cents, table, services


def frames_of(case, scale=1, order=None):
    cents, table, services = case
    pools = [f"p{place}" for place in range(len(cents))]
    lines = pd.DataFrame(
        {"date": "2024-01-31", "category": "it", "pool": pools, "amount": [one / 100 for one in cents]}
    )
    drivers = pd.DataFrame({f"d{place}": np.array(values) * scale for place, values in enumerate(table)})
    drivers.insert(0, "object", [f"o{place}" for place in range(len(drivers))])
    if order is not None:
        drivers = drivers.iloc[np.random.default_rng(order).permutation(len(drivers))]
        lines = lines.iloc[np.random.default_rng(order).permutation(len(lines))]
    rows = [
        (pools[giver], pools[taker], used * scale)
        for giver, row in enumerate(services)
        for taker, used in enumerate(row)
        if giver != taker
    ]
    between = pd.DataFrame(rows, columns=["pool", "to_pool", "quantity"]).astype({"quantity": float})
    bases = {pool: f"d{place}" for place, pool in enumerate(pools)}
    return lines, drivers, between, bases


def allocate(case, method, **options):
    lines, drivers, between, bases = frames_of(case, **options)
    services = None if method == "direct" else between
    return allocate_costs(
        lines, drivers, bases=bases, object_id="object", pool="pool", method=method, services=services
    )


def allocate_unless_singular(case, method):
    """Return the allocation, or None if the pools of a reciprocal one serve only each other."""
    try:
        return allocate(case, method)
    except InputError as error:
        if method == "reciprocal" and "singular" in str(error):
            return None
        raise


few = settings(deadline=None, max_examples=60)
methods = st.sampled_from(["direct", "step_down", "reciprocal"])


@few
@given(case=cases(), method=methods)
def test_parts_and_what_stays_are_the_ledger_to_the_cent_by_every_method(case, method):
    found = allocate_unless_singular(case, method)
    if found is None:
        return
    total = sum(case[0])
    pools = found.pools
    assert round(found.allocated * 100) + round(found.unallocated * 100) == total
    assert sum(round(value * 100) for value in found.frame["cost"]) == round(found.allocated * 100)
    for pool, part in zip(pools.itertuples(), found.parts, strict=True):
        assert part.sum() == round(pool.allocated * 100)
        moved = round(pool.amount * 100) + round(pool.services * 100)
        assert moved == round(pool.allocated * 100) + round(pool.unallocated * 100)


def fraction_parts(cents, quantity):
    """Largest remainders in exact arithmetic; equal ones in the order of the names."""
    total = sum(quantity)
    if total == 0:
        return [0] * len(quantity)
    exact = [Fraction(abs(cents) * one, total) for one in quantity]
    parts = [math.floor(one) for one in exact]
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: abs(cents) - sum(parts)]:
        parts[place] += 1
    return [part if cents >= 0 else -part for part in parts]


@few
@given(cents=st.integers(-(10**6), 10**7), quantity=st.lists(st.integers(0, 2000), min_size=1, max_size=9))
def test_parts_are_those_of_exact_fractions_but_for_ties_that_floats_cannot_see(cents, quantity):
    found = allocate(([cents], [quantity], [[0]]), "direct").parts[0]
    exact = fraction_parts(cents, quantity)
    assert found.sum() == sum(exact)
    ideal = [cents * one / sum(quantity) if sum(quantity) else 0 for one in quantity]
    assert np.abs(found - ideal).max() < 1
    assert sum(abs(found - exact)) in (0, 2, 4)  # a tie of unequal quantities may go to the other one


@few
@given(case=cases(), method=methods, scale=st.integers(2, 1000), order=st.integers(0, 99))
def test_neither_the_unit_of_the_drivers_nor_the_order_of_rows_matters(case, method, scale, order):
    one = allocate_unless_singular(case, method)
    if one is None:
        return
    other = allocate(case, method, scale=scale, order=order)
    if method == "direct":
        pd.testing.assert_frame_equal(other.frame, one.frame)
        np.testing.assert_array_equal(other.parts, one.parts)
    else:  # equations are solved in floats: a cent may move between pools
        assert np.abs(other.parts - one.parts).max() <= 2
        assert other.allocated == pytest.approx(one.allocated, abs=0.02 * len(case[0]))


@few
@given(case=cases())
def test_without_services_between_pools_all_methods_agree(case):
    nothing = (case[0], case[1], [[0] * len(case[0])] * len(case[0]))
    direct = allocate(nothing, "direct")
    for method in ("step_down", "reciprocal"):
        np.testing.assert_array_equal(allocate(nothing, method).parts, direct.parts)


LINES = pd.DataFrame(
    {
        "date": "2024-01-31",
        "category": ["service", "it", "it", "staff", "marketing"],
        "customer_id": [None, None, "b", None, None],
        "amount": [100.0, 10.01, 5.0, 20.0, 0.055],
    }
)
DRIVERS = pd.DataFrame({"customer_id": ["c", "a"], "tickets": [2, 1], "orders": [1.5, 1.5], "hours": [0, 0]})
BASES = {"Service": "tickets", "it": "orders", "staff": "hours", "marketing": "orders"}


def test_an_allocation_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_drivers = as_engine(DRIVERS)
    found = allocate_costs(as_engine(LINES), given_drivers, bases=BASES)
    assert type(found.frame) is type(found.pools) is type(given_drivers)
    assert to_pandas(found.frame).to_numpy().tolist() == [
        ["a", 0.0, 38.37, 38.37],  # 33.33 + 5.01 + 0.03: of equal remainders the first name gets the cent
        ["c", 0.0, 71.69, 71.69],
        ["b", 5.0, 0.0, 5.0],
    ]
    pools = to_pandas(found.pools).set_index("pool")
    assert pools["amount"].to_dict() == {"it": 10.01, "marketing": 0.055, "service": 100.0, "staff": 20.0}
    assert pools["reason"].to_dict() == {
        "it": "",
        "marketing": "fraction of a cent",
        "service": "",
        "staff": "the driver is 0 for all",
    }
    assert pools.loc["service", "rate"] == pytest.approx(100 / 3)
    assert found.direct == 5.0
    assert found.direct + found.allocated + found.unallocated == pytest.approx(found.total, abs=1e-12)
    assert found.unallocated == pytest.approx(20.005)


def test_a_pool_without_a_driver_stays_on_a_line_of_its_own():
    found = allocate_costs(LINES, DRIVERS, bases={"service": "tickets"})
    assert found.unallocated == pytest.approx(30.065)
    assert "it: 10.01 stays unallocated (no driver)." in found.assumptions
    assert "1 cost object is named in the ledger alone: no drivers." in found.assumptions


@pytest.mark.parametrize(
    ("drivers", "bases", "message"),
    [
        (DRIVERS, {"servicee": "tickets"}, r"^bases: unknown name 'servicee'. Did you mean 'service'"),
        (DRIVERS, {"service": "calls"}, r"^drivers: column 'calls' is missing"),
        (DRIVERS, {"service": "customer_id"}, r"^bases: 'customer_id' names the cost objects"),
        (DRIVERS, ["service"], r"^bases: got list\. Pass a dict"),
        (DRIVERS, {"service": 3}, r"^bases: got 3\. Name a column of the drivers for each pool"),
        (DRIVERS, {"service": "tickets", "SERVICE": "orders"}, r"^bases: .* names a pool twice"),
        (DRIVERS.assign(tickets=[-1, 2]), BASES, r"column 'tickets': negative driver in 1 of 2 rows \(object c\)"),
        (
            DRIVERS.assign(tickets=[None, 2]),
            BASES,
            r"'tickets': missing or infinite driver in 1 of 2 rows \(object c\)",
        ),
        (DRIVERS.assign(tickets="1,000"), BASES, r"column 'tickets': .*not numbers"),
        (DRIVERS.assign(customer_id="a"), BASES, r"cost object named again in 1 of 2 rows \(object a\)"),
        (DRIVERS.assign(customer_id=[None, "a"]), BASES, r"missing name in 1 of 2 rows \(row 0\)"),
        (DRIVERS.assign(customer_id=[1, 2]), BASES, r"cost objects are numbers there, but text in the ledger"),
        (DRIVERS.iloc[:0], BASES, r"^drivers: the frame has no rows"),
    ],
)
def test_drivers_that_cannot_carry_a_cost_are_refused(drivers, bases, message):
    with pytest.raises(InputError, match=message):
        allocate_costs(LINES, drivers, bases=bases)


def test_without_bases_each_column_drives_the_pool_of_its_name():
    drivers = DRIVERS.rename(columns={"tickets": "Service", "orders": "IT"})[["customer_id", "Service", "IT"]]
    found = allocate_costs(LINES, drivers)
    named = allocate_costs(LINES, DRIVERS, bases={"service": "tickets", "it": "orders"})
    assert found.frame.equals(named.frame)
    assert found.pools.drop(columns="driver").equals(named.pools.drop(columns="driver"))
    with pytest.raises(InputError) as error:
        allocate_costs(LINES, drivers.rename(columns={"Service": "servise"}))
    assert str(error.value) == (
        "drivers, columns: unknown name 'servise'. Did you mean 'service' for 'servise'? Use one of 'it', 'marketing', "
        "'service', 'staff'. Or pass bases={pool: column, ...}."
    )
    with pytest.raises(InputError, match=r"^bases: \['IT', 'it'\] names a pool twice"):
        allocate_costs(LINES, drivers[["customer_id", "IT"]].assign(it=1))


def services(*rows):
    return pd.DataFrame(rows, columns=["pool", "to_pool", "quantity"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("it", "it", 1.0)], r"^services: pool that serves itself in 1 of 1 rows"),
        ([("it", "IT team", 1.0)], r"^services, column 'to_pool': unknown name 'IT team'"),
        ([("it", "staff", -1.0)], r"^services, column 'quantity': missing or negative in 1 of 1 rows"),
        ([("it", None, 1.0)], r"^services, column 'to_pool': missing pool"),
        (
            [("staff", "marketing", 5.0), ("marketing", "staff", 1.0)],
            r"'marketing', 'staff' serve only one another, .* the equations are singular",
        ),
    ],
)
def test_services_that_cannot_be_charged_are_refused(rows, message):
    bases = {"service": "tickets", "it": "orders"}
    with pytest.raises(InputError, match=message):
        allocate_costs(LINES, DRIVERS, bases=bases, method="reciprocal", services=services(*rows))


def test_services_and_method_must_agree():
    with pytest.raises(InputError, match=r"^services: .* method is 'step_down'\. Pass services"):
        allocate_costs(LINES, DRIVERS, bases=BASES, method="step_down")
    with pytest.raises(InputError, match=r"^services: .* method is 'direct'"):
        allocate_costs(LINES, DRIVERS, bases=BASES, services=services(("it", "staff", 1.0)))
    with pytest.raises(InputError, match=r"^method: got 'abc'"):
        allocate_costs(LINES, DRIVERS, bases=BASES, method="abc")
