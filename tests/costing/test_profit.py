"""Customer profit: hand-made numbers, sums that reconcile, and the whale curve."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue import prepare_transactions
from crmvalue.costs import allocate_costs, customer_profit, prepare_ledger, time_driven_costs, whale_curve
from crmvalue.errors import InputError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "c", "c"],
        "date": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"],
        "amount": [100.10, -20.05, 50.0, 10.0, 0.0],
        "earned": [40.0, -20.0, 10.0, 1.0, 0.5],
        "channel": ["web", "web", "shop", None, "shop"],
    }
)
LINES = pd.DataFrame(
    {
        "date": "2024-01-31",
        "category": ["service", "service", "it", "marketing"],
        "customer_id": ["b", "ghost", None, None],
        "channel": [None, None, None, "web"],
        "amount": [30.0, 4.0, 9.0, 7.0],
    }
)
DRIVERS = pd.DataFrame({"customer_id": ["a", "b", "phantom"], "tickets": [1, 1, 1]})


def test_profit_by_customer_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_orders = as_engine(ORDERS)
    allocation = allocate_costs(as_engine(LINES), as_engine(DRIVERS), bases={"it": "tickets"})
    found = customer_profit(given_orders, allocation, margin=0.5)
    assert type(found.frame) is type(given_orders)
    frame = to_pandas(found.frame).set_index("customer_id").sort_index()
    assert frame["revenue"].to_dict() == {"a": 100.10, "b": 50.0, "c": 10.0, "ghost": 0.0, "phantom": 0.0}
    assert frame["refunds"].to_dict() == {"a": -20.05, "b": 0.0, "c": 0.0, "ghost": 0.0, "phantom": 0.0}
    assert frame["direct_cost"].to_dict() == {"a": 0.0, "b": 30.0, "c": 0.0, "ghost": 4.0, "phantom": 0.0}
    assert frame["allocated_cost"].to_dict() == {"a": 3.0, "b": 3.0, "c": 0.0, "ghost": 0.0, "phantom": 3.0}
    assert frame["profit"].to_dict() == pytest.approx(
        {"a": 37.025, "b": -8.0, "c": 5.0, "ghost": -4.0, "phantom": -3.0}
    )
    assert found.unassigned == 7.0  # marketing has no driver
    assert found.without_purchases == 2
    assert found.direct_cost + found.allocated_cost + found.unassigned == 50.0
    order = list(to_pandas(found.frame).columns)
    assert order.index("contribution_after_direct") < order.index("allocated_cost")


def test_profit_by_channel_takes_direct_lines_and_spreads_nothing(as_engine: Callable[[pd.DataFrame], Any]):
    transactions = prepare_transactions(as_engine(ORDERS), keep=["channel", "earned"])
    found = customer_profit(transactions, as_engine(LINES), contribution="earned", by="channel")
    frame = to_pandas(found.frame)
    rows = {None if name != name or name is None else name: value for name, value in
            zip(frame["channel"], frame["profit"], strict=True)}  # fmt: skip
    assert rows == {"web": 13.0, "shop": 10.5, None: 1.0}
    assert (found.direct_cost, found.unassigned, found.revenue) == (7.0, 43.0, 160.10)


def test_numeric_ids_match_a_ledger_in_which_some_are_missing():
    orders = ORDERS.assign(customer_id=[11, 11, 12, 13, 13])
    lines = LINES.assign(customer_id=[12.0, 99.0, None, None])
    found = customer_profit(orders, lines, margin=1.0)
    assert dict(zip(found.frame["customer_id"], found.frame["direct_cost"], strict=True)) == {
        11: 0.0,
        12: 30.0,
        13: 0.0,
        99: 4.0,
    }


def test_numbers_written_as_text_name_the_same_customers():
    orders = ORDERS.assign(customer_id=[11, 11, 12, 13, 13])
    lines = LINES.assign(customer_id=["12", "99", None, " "])
    numbers = dict.fromkeys([11, 13], 0.0) | {12: 30.0, 99: 4.0}
    found = customer_profit(orders, lines, margin=1.0).frame
    assert dict(zip(found["customer_id"], found["direct_cost"], strict=True)) == numbers
    as_text = customer_profit(
        orders.astype({"customer_id": "str"}), LINES.assign(customer_id=[12, 99, None, None]), margin=1
    )
    assert as_text.frame["customer_id"].tolist() == ["11", "12", "13", "99"]
    with pytest.raises(
        InputError, match=r"^costs: names such as '012' are text there, but numbers in the transactions"
    ):
        customer_profit(orders, lines.assign(customer_id=["012", "012", None, None]), margin=1.0)


def test_time_driven_costs_are_allocated_cost_and_unused_capacity_is_nobodys():
    pools = pd.DataFrame({"pool": ["desk"], "cost": [100.0], "capacity": [500.0]})
    work = pd.DataFrame(
        {"pool": "desk", "activity": "call", "customer_id": ["a", "b", "a", None], "quantity": [2, 1, 1, 1],
         "minutes": [30.0, 50.0, 15.0, 5.0]}
    )  # fmt: skip
    found = customer_profit(ORDERS, time_driven_costs(pools, work, keep="customer_id"), margin=1.0)
    frame = found.frame.set_index("customer_id")
    assert frame["allocated_cost"].to_dict() == {"a": 15.0, "b": 10.0, "c": 0.0}
    assert (frame["direct_cost"] == 0).all()
    assert (found.allocated_cost, found.unassigned) == (25.0, 75.0)  # 1.00 for nobody, 74.00 unused
    with pytest.raises(InputError, match=r"^costs: column 'customer_id' is missing: .* Pass keep=\['customer_id'\]"):
        customer_profit(ORDERS, time_driven_costs(pools, work), margin=1.0)


few = settings(deadline=None, max_examples=60)
rows = st.lists(st.tuples(st.integers(0, 6), st.integers(-5000, 10**6)), min_size=1, max_size=30)
bills = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.integers(-100, 10**6)), min_size=1, max_size=20)


@few
@given(orders=rows, lines=bills)
def test_rows_and_what_nobody_carries_are_the_books_to_the_cent(orders, lines):
    bought = pd.DataFrame(orders, columns=["customer_id", "cents"]).assign(date="2024-01-01")
    bought["amount"] = bought["cents"] / 100
    ledger = pd.DataFrame(lines, columns=["customer_id", "cents"]).assign(date="2024-01-01", category="it")
    ledger["customer_id"] = ledger["customer_id"].astype("float64")
    ledger["amount"] = ledger["cents"] / 100
    found = customer_profit(bought, ledger, margin=1.0)
    spent, came = sum(cents for _, cents in lines), sum(cents for _, cents in orders)
    assert round(100 * found.direct_cost) + round(100 * found.unassigned) == spent
    assert round(100 * (found.revenue + found.refunds)) == came
    assert found.profit - found.unassigned == pytest.approx((came - spent) / 100, abs=1e-6)
    curve = whale_curve(found)
    steps = curve.frame["cumulative_profit"].to_numpy()
    assert curve.peak == pytest.approx(max(0.0, steps.max()), abs=1e-6)
    assert curve.total == pytest.approx(found.profit, abs=1e-6)
    assert curve.destroyed >= -1e-6
    assert (np.diff(np.diff(np.append(0, steps))) <= 1e-6).all()  # most profitable first: the curve is concave


def test_just_one_of_margin_and_contribution_is_wanted():
    for arguments in ({}, {"margin": 0.5, "contribution": "earned"}):
        with pytest.raises(InputError, match=r"^margin, contribution: pass just one of them"):
            customer_profit(ORDERS, LINES, **arguments)
    with pytest.raises(InputError, match=r"^margin: got 2\. .* at most 1"):
        customer_profit(ORDERS, LINES, margin=2)


def test_what_does_not_fit_together_is_refused():
    allocation = allocate_costs(LINES, DRIVERS, bases={"it": "tickets"})
    with pytest.raises(InputError, match=r"^by: got 'channel', but the allocation is to 'customer_id'"):
        customer_profit(ORDERS, allocation, margin=1, by="channel")
    with pytest.raises(InputError, match=r"^ledger: column 'customer_id' is missing"):
        customer_profit(ORDERS, LINES.drop(columns="customer_id"), margin=1)
    with pytest.raises(InputError, match=r"^ledger: column 'customer_id' is missing: no line names whom"):
        customer_profit(ORDERS, prepare_ledger(LINES), margin=1)
    with pytest.raises(InputError, match=r"^costs: names such as 1 are numbers there, but text in the tran"):
        customer_profit(ORDERS, LINES.assign(customer_id=[1, 2, 3, 4]), margin=1)
    with pytest.raises(InputError, match=r"^frame: column 'region' is missing"):
        customer_profit(ORDERS, LINES, margin=1, by="region")
    with pytest.raises(InputError, match=r"^profit: got DataFrame\. Pass what customer_profit returned"):
        whale_curve(ORDERS)


def test_a_missing_contribution_is_refused_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    orders = as_engine(ORDERS.assign(earned=[1.0, None, 2.0, 3.0, 4.0]))
    with pytest.raises(InputError, match=r"^earned: missing or infinite contribution in 1 of 5 rows"):
        customer_profit(orders, LINES, contribution="earned")


def test_a_firm_whose_customers_all_lose_money_has_its_peak_at_nobody():
    lines = pd.DataFrame({"date": "2024-01-01", "category": "it", "customer_id": ["a", "b", "c"], "amount": 1000.0})
    curve = whale_curve(customer_profit(ORDERS, lines, margin=0.1))
    assert (curve.peak, curve.peak_customers) == (0.0, 0)
    assert np.isnan(curve.peak_to_total)
