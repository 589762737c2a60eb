"""Breakdowns: running shares, changes, stages with counts of customers, and how results are shown."""

import json
import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import cost_breakdown, stage_costs
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": ["2024-01-10", "2024-01-20", "2024-02-10", "2024-04-10", "2024-04-11"],
        "category": ["it", "staff", "it", "it", "staff"],
        "stage": ["acquisition", "retention", "acquisition", None, "retention"],
        "amount": [10.0, 30.0, 25.0, 40.0, 5.0],
    }
)
ORDERS = pd.DataFrame(
    {
        "customer_id": ["old", "old", "new", "new", "new", "late", "refund"],
        "date": ["2023-05-01", "2024-02-01", "2024-01-05", "2024-01-05", "2024-03-01", "2024-05-01", "2024-02-01"],
        "amount": [1.0, 1.0, 2.0, 2.0, 3.0, 4.0, -5.0],
    }
)


def test_changes_are_against_the_calendar_period_before():
    frame = cost_breakdown(LINES, period="month").frame
    found = {(row.category, str(row.period)[:7]): row.change for row in frame.itertuples()}
    assert math.isnan(found["it", "2024-01"])
    assert math.isnan(found["staff", "2024-01"])
    assert found["it", "2024-02"] == 15.0
    assert found["it", "2024-03"] == -25.0  # nothing in March: a row that says so
    assert found["it", "2024-04"] == 40.0
    assert found["staff", "2024-02"] == -30.0
    assert found["staff", "2024-04"] == 5.0
    assert ("staff", "2024-03") not in found  # it had fallen to nothing before
    fallen = frame[(frame["category"] == "it") & (frame["period"] == "2024-03-01")]
    assert fallen[["amount", "share", "cash", "lines"]].to_numpy().tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_blank_names_are_one_group_with_missing_ones():
    lines = LINES.assign(channel=["web", None, "", "  ", "web"])
    frame = cost_breakdown(lines, by=["channel"]).frame
    assert frame["amount"].tolist() == [95.0, 15.0]
    assert frame["channel"].isna().tolist() == [True, False]


def test_running_shares_end_at_one_in_each_period():
    frame = cost_breakdown(LINES, period="month").frame
    assert frame["cumulative_share"].tolist() == pytest.approx(
        [0.75, 1.0, 1.0, 1.0, math.nan, 40 / 45, 1.0], nan_ok=True
    )


cents = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(-500, 9999)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(rows=cents)
def test_changes_of_a_group_add_up_to_its_last_amount_from_its_first_row_on(rows):
    frame = pd.DataFrame(rows, columns=["channel", "month", "cents"])
    dates = [f"2024-{month + 1:02d}-01" for month in frame["month"]]
    lines = frame.assign(date=dates, category="it", amount=frame["cents"] / 100)
    found = cost_breakdown(lines, by=["channel"], period="month")
    assert found.frame["amount"].sum() == pytest.approx(found.total, abs=1e-6)
    assert found.frame["lines"].sum() == len(rows)
    for _, part in found.frame.sort_values("period").groupby("channel"):
        start = part["amount"].iloc[0] if math.isnan(part["change"].iloc[0]) else 0.0
        last = part["amount"].iloc[-1]
        assert start + part["change"].fillna(0.0).sum() == pytest.approx(last, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(rows=cents)
def test_changes_from_month_to_month_add_up_to_the_last_amount_less_the_first(rows):
    every = [(name, month, 0) for name in "abc" for month in range(10)]  # a line of nothing in every month
    frame = pd.DataFrame([*rows, *every], columns=["channel", "month", "cents"])
    dates = [f"2024-{month + 1:02d}-01" for month in frame["month"]]
    lines = frame.assign(date=dates, category="it", amount=frame["cents"] / 100)
    found = cost_breakdown(lines, by=["channel"], period="month").frame.sort_values("period")
    for name, part in found.groupby("channel"):
        first, last = part["amount"].iloc[0], part["amount"].iloc[-1]
        assert part["change"].sum() == pytest.approx(last - first, abs=1e-9), name


def test_the_cost_to_win_and_to_keep_a_customer_is_counted_by_hand(as_engine: Callable[[pd.DataFrame], Any]):
    given_lines = as_engine(LINES)
    costs = stage_costs(given_lines, as_engine(ORDERS))
    assert type(costs.frame) is type(given_lines)
    assert (costs.won, costs.kept) == (1.0, 2.0)  # new; old and new came back; late is after, refund never bought
    assert (costs.cost_to_win, costs.cost_to_keep, costs.win_to_keep) == (35.0, 17.5, 2.0)
    assert to_pandas(costs.frame)["amount"].tolist() == [40.0, 35.0, 35.0]
    assert "40.00 names no stage and is in neither cost." in costs.assumptions


def test_without_transactions_the_ratio_is_missing_and_said_so():
    costs = stage_costs(LINES)
    assert math.isnan(costs.win_to_keep)
    assert math.isnan(costs.won)
    assert any("No transactions were passed" in text for text in costs.assumptions)


def test_money_spent_and_nobody_won_is_an_infinite_cost():
    costs = stage_costs(LINES, ORDERS.iloc[[0, 1]])
    assert costs.cost_to_win == math.inf
    assert math.isnan(costs.win_to_keep)


def test_stages_need_a_stage_column():
    with pytest.raises(InputError, match=r"^ledger: column 'stage' is missing"):
        stage_costs(LINES.drop(columns="stage"), ORDERS)


def test_a_result_turns_into_a_frame_a_dict_of_json_and_escaped_html():
    lines = LINES.assign(channel=["<script>alert(1)</script>", "a", "b", None, "a"])
    found = cost_breakdown(lines, by=["channel"], period="month")
    assert found.to_frame()["amount"].sum() == 110.0
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["total"] == 110.0
    assert record["frame"][0]["period"] == "2024-01-01"
    assert record["frame"][0]["change"] is None
    html = found._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "none left out" in html
