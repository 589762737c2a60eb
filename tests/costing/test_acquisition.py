"""Acquisition cost: hand-made counts, lead times, and spend that is matched or said to be left out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue import prepare_transactions
from crmvalue.costs import acquisition_cost
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": ["2024-01-10", "2024-01-20", "2024-02-10", "2024-02-11", "2024-01-31", "2024-01-31", "2024-02-28"],
        "category": ["marketing", "marketing", "marketing", "marketing", "staff", "service", "it"],
        "stage": ["acquisition"] * 5 + ["retention", "acquisition"],
        "channel": ["web", "fair", "web", None, None, "web", "web"],
        "amount": [60.0, 40.0, 100.0, 5.0, 50.01, 999.0, 7.0],
    }
)
ORDERS = pd.DataFrame(
    {
        "customer_id": ["old", "old", "ann", "ann", "bob", "cem", "dee", "refund"],
        "date": ["2023-12-01", "2024-01-05", "2024-01-06", "2024-01-06", "2024-02-01", "2024-02-02", "2024-03-01",
                 "2024-01-01"],
        "amount": [1.0, 9.0, 5.0, 8.0, 3.0, 4.0, 0.0, -2.0],
        "channel": ["web", "fair", "fair", "web", "web", None, "web", "fair"],
    }
)  # fmt: skip


def by_name(frame: Any, name: str) -> dict[Any, dict[str, Any]]:
    table = to_pandas(frame)
    return {None if row[name] != row[name] or row[name] is None else row[name]: row
            for row in table.to_dict("records")}  # fmt: skip


@dataclass(frozen=True)
class SimpleResult:
    """What customer_value returns, but for all that is not needed here."""

    frame: pd.DataFrame


def test_cost_by_channel_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_lines = as_engine(LINES)
    transactions = prepare_transactions(as_engine(ORDERS), keep=["channel"])
    found = acquisition_cost(given_lines, transactions)
    assert type(found.frame) is type(given_lines)
    rows = by_name(found.frame, "channel")
    assert set(rows) == {"web", "fair", None}
    web, fair, nobody = rows["web"], rows["fair"], rows[None]
    # ann's larger purchase of her first day says web; old was there before; cem names no channel; dee is too late
    assert (web["new_customers"], fair["new_customers"], nobody["new_customers"]) == (2, 0, 1)
    assert (web["paid_spend"], fair["paid_spend"], nobody["paid_spend"]) == (160.0, 40.0, 5.0)
    # the staff line of 50.01 is shared 160 to 40: 40.008 and 10.002 are rounded to 40.01 and 10.00
    assert (web["loaded_spend"], fair["loaded_spend"], nobody["loaded_spend"]) == (207.01, 50.0, 5.0)
    assert (web["paid_cost"], fair["paid_cost"], nobody["paid_cost"]) == (80.0, math.inf, 5.0)
    assert (found.new_customers, found.paid_spend, found.loaded_spend) == (3, 205.0, 262.01)
    assert found.paid_cost == pytest.approx(205 / 3)
    assert (found.unmatched_spend, found.unmatched_customers) == (0.0, 2)


def test_the_lead_time_shifts_spend_to_the_customers_of_later_months():
    found = acquisition_cost(LINES, ORDERS, by=["month"], lag=1)
    frame = found.frame
    assert [str(month)[:7] for month in frame["month"]] == ["2024-02", "2024-03"]
    assert frame["new_customers"].tolist() == [2, 1]
    assert frame["paid_cost"].tolist() == [50.0, 105.0]
    assert frame["loaded_cost"].tolist() == [75.005, 112.0]
    assert found.unmatched_customers == 2


def test_spend_whose_customers_have_not_come_yet_is_left_out_and_said():
    found = acquisition_cost(LINES, ORDERS, by=[], lag=2)
    assert (found.new_customers, found.loaded_spend, found.unmatched_spend) == (1, 150.01, 112.0)
    assert any("spend of 112.00 and 4 new customers" in text for text in found.assumptions)


def test_blended_cost_is_one_row():
    found = acquisition_cost(LINES, ORDERS, by=[])
    assert found.frame.to_dict("list") == {
        "new_customers": [3],
        "paid_spend": [205.0],
        "loaded_spend": [262.01],
        "paid_cost": [205 / 3],
        "loaded_cost": [262.01 / 3],
    }


def test_value_is_set_against_the_loaded_cost():
    value = pd.DataFrame({"customer_id": ["ann", "bob", "old"], "value": [100.0, 300.0, 5000.0]})
    found = acquisition_cost(LINES, ORDERS_WITH_CHANNEL, value=value)
    rows = by_name(found.frame, "channel")
    assert rows["web"]["value"] == 200.0
    known = len(value[value["customer_id"] != "old"])  # who has bought before is not new
    assert found.assumptions[-1].startswith(f"No value is known of {found.new_customers - known:,} new")
    some = acquisition_cost(LINES, ORDERS_WITH_CHANNEL, value=value.iloc[[0]])
    assert by_name(some.frame, "channel")["web"]["value"] == 100.0
    assert some.assumptions[-1].startswith(f"No value is known of {found.new_customers - 1:,} new")
    assert rows["web"]["value_to_cost"] == pytest.approx(200 / 103.505)
    assert math.isnan(rows["fair"]["value"])
    assert math.isnan(rows["fair"]["value_to_cost"])


ORDERS_WITH_CHANNEL = prepare_transactions(ORDERS, keep=["channel"])


spends = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["marketing", "staff", "it"]),
        st.sampled_from(["web", "fair", None]),
        st.integers(-100, 10**6),
    ),
    min_size=1,
    max_size=20,
)
visits = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 7), st.sampled_from(["web", "fair", "x", None])),
    min_size=1,
    max_size=20,
)


@settings(deadline=None, max_examples=80)
@given(lines=spends, orders=visits, lag=st.integers(0, 2), by=st.sampled_from([[], ["channel"], ["channel", "month"]]))
def test_spend_in_the_table_and_left_out_is_the_ledger_to_the_cent(lines, orders, lag, by):
    ledger = pd.DataFrame(lines, columns=["month", "category", "channel", "cents"])
    ledger["date"] = [f"2024-{month + 1:02d}-15" for month in ledger["month"]]
    ledger = ledger.assign(amount=ledger["cents"] / 100, stage="acquisition")
    bought = pd.DataFrame(orders, columns=["customer_id", "month", "channel"])
    bought["date"] = [f"2024-{month + 1:02d}-02" for month in bought["month"]]
    try:
        found = acquisition_cost(ledger, bought.assign(amount=1.0), by=by, lag=lag)
    except InputError as error:
        if "no month of spend meets" in str(error):
            return
        raise
    in_table = sum(round(100 * amount) for amount in found.frame["loaded_spend"])
    assert in_table + round(100 * found.unmatched_spend) == sum(row[3] for row in lines)
    assert found.new_customers + found.unmatched_customers == bought["customer_id"].nunique()
    assert found.frame["new_customers"].sum() == found.new_customers


def test_values_are_taken_from_a_result_as_from_its_frame():
    value = pd.DataFrame({"customer_id": ["ann", "bob"], "value": [100.0, 300.0]})
    result = SimpleResult(frame=value)
    expected = acquisition_cost(LINES, ORDERS_WITH_CHANNEL, value=value).frame
    assert acquisition_cost(LINES, ORDERS_WITH_CHANNEL, value=result).frame.equals(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["channel", "channel"]}, r"^by: got \['channel', 'channel'\]"),
        ({"by": ["channel", "segment"]}, r"^by: got"),
        ({"by": ["paid_cost"]}, r"^by: got"),
        ({"lag": -1}, r"^lag: got -1"),
        ({"lag": 1.5}, r"^lag: got 1\.5"),
        ({"lag": 40}, r"^lag: no month of spend meets"),
        ({"by": ["region"]}, r"^ledger: column 'region' is missing"),
        ({"value": pd.DataFrame({"customer_id": ["a", "a"], "value": 1.0})}, r"^value, column 'customer_id': customer"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        acquisition_cost(LINES, ORDERS_WITH_CHANNEL, **options)


def test_a_ledger_without_acquisition_is_refused():
    with pytest.raises(InputError, match=r"^ledger: column 'stage' is missing"):
        acquisition_cost(LINES.drop(columns="stage"), ORDERS)
    with pytest.raises(InputError, match=r"^ledger: no line has the stage acquisition"):
        acquisition_cost(LINES.assign(stage="loss"), ORDERS)
    with pytest.raises(InputError, match=r"^frame: column 'channel' is missing"):
        acquisition_cost(LINES, ORDERS.drop(columns="channel"))
    with pytest.raises(InputError, match=r"^transactions: nobody has bought"):
        acquisition_cost(LINES, ORDERS.assign(amount=-1.0), by=[])
