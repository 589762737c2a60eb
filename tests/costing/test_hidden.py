"""Costs that no invoice shows: hand-made numbers, and never the same money twice."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.costs import cost_breakdown, opportunity_cost, time_cost, waiting_cost
from crmvalue.errors import InputError

ROWS = pd.DataFrame(
    {
        "date": ["2024-01-31", "2024-02-29"],
        "hours": [1.5, 2.0],
        "rate": [33.33, 50.0],
        "minutes": [10.0, 0.5],
        "customers": [6, 100],
        "capital": [1000.0, 2000.0],
        "years": [0.5, 2.0],
        "web": [10.0, -5.0],
        "shop": [7.0, -1.0],
        "stage": ["loss", "retention"],
    }
)


def test_hours_times_rate_is_a_line_of_time_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_rows = as_engine(ROWS)
    found = time_cost(given_rows, keep=["stage"])
    assert type(found.frame) is type(given_rows)
    frame = to_pandas(found.frame).sort_values("date")
    assert frame["amount"].tolist() == [50.0, 100.0]  # 49.995 rounds to the even cent
    assert frame["category"].tolist() == frame["kind"].tolist() == ["time", "time"]
    assert frame["stage"].tolist() == ["loss", "retention"]
    breakdown = cost_breakdown(found.frame)
    assert (breakdown.total, breakdown.cash_total) == (150.0, 0.0)


def test_waiting_is_minutes_times_customers_times_the_value_of_an_hour():
    found = waiting_cost(ROWS, value_of_time=12)
    assert found.frame["amount"].tolist() == [12.0, 10.0]
    assert found.frame["subcategory"].tolist() == ["customer waiting"] * 2
    assert "An hour of a customer is taken to be worth 12.00: an assumption." in found.assumptions


def test_a_capital_charge_is_capital_times_rate_times_years():
    assert opportunity_cost(ROWS, capital="capital", annual_rate=0.1, years="years").frame["amount"].tolist() == [
        50.0,
        400.0,
    ]


def test_the_best_alternative_counts_and_a_loss_forgone_costs_nothing():
    assert opportunity_cost(ROWS, alternatives=["web", "shop"]).frame["amount"].tolist() == [10.0, 0.0]


def test_a_capital_charge_and_an_alternative_at_once_are_refused_with_the_reason():
    with pytest.raises(InputError, match=r"got both\. The best alternative .* both would count it twice\."):
        opportunity_cost(ROWS, capital="capital", annual_rate=0.1, alternatives=["web"])
    with pytest.raises(InputError, match=r"got neither"):
        opportunity_cost(ROWS)
    with pytest.raises(InputError, match=r"^annual_rate: got None"):
        opportunity_cost(ROWS, capital="capital")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.assign(hours=[1.0, -1.0]), r"^hours: missing, negative or infinite in 1 of 2 rows \(row 1\)"),
        (ROWS.assign(rate=[None, 1.0]), r"^rate: missing, negative or infinite in 1 of 2 rows \(row 0\)"),
        (ROWS.assign(date=["soon", "2024-01-01"]), r"^date: missing or unreadable date in 1 of 2 rows"),
        (ROWS.iloc[:0], r"^(frame|date): .*"),
        (ROWS.drop(columns="hours"), r"^frame: column 'hours' is missing"),
        (ROWS.assign(hours="1,5"), r"^hours: .*not numbers"),
    ],
)
def test_rows_that_have_no_cost_are_refused(rows, message):
    with pytest.raises(InputError, match=message):
        time_cost(rows)


def test_lines_of_all_three_are_one_ledger_whose_subcategories_the_taxonomy_knows():
    parts = [
        time_cost(ROWS.assign(subcategory=["Decision", "project_delay"]), keep="subcategory"),
        waiting_cost(ROWS, value_of_time=12),
        opportunity_cost(ROWS, alternatives=["web", "shop"]),
    ]
    found = cost_breakdown(pd.concat([part.frame for part in parts]), by=["category", "subcategory"])
    assert found.frame.set_index("subcategory")["amount"].to_dict() == {
        "project delay": 100.0,
        "decision": 50.0,
        "customer waiting": 22.0,
        "forgone project": 10.0,
    }
    assert found.total == sum(part.total for part in parts)


def test_a_kept_column_with_a_name_of_the_result_is_refused():
    with pytest.raises(InputError, match=r"^keep: 'amount' is the name of a column of the result"):
        time_cost(ROWS.assign(amount=1.0), keep="amount")
    with pytest.raises(InputError, match=r"^keep: 'subcategory' is the name of a column of the result"):
        opportunity_cost(ROWS.assign(subcategory="x"), alternatives=["web"], keep="subcategory")
