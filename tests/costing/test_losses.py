"""The cost of churn: hand-made losses, and unknown values that stay unknown."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.costs import churn_cost
from crmvalue.errors import InputError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "a", "b", "b", "c", "d"],
        "date": ["2022-01-01", "2023-01-01", "2023-01-10", "2023-02-01", "2023-02-02", "2023-12-01", "2023-01-31"],
        "amount": [500.0, 60.0, 40.0, 30.0, -10.0, 99.0, 0.0],
    }
)
LINES = pd.DataFrame(
    {"date": "2023-12-01", "category": "service", "stage": ["loss", "retention", "loss"], "amount": [7.0, 100.0, 5.5]}
)


def test_churn_cost_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_orders = as_engine(ORDERS)
    found = churn_cost(
        given_orders, inactive_after=100, margin=0.5, years=2, ledger=as_engine(LINES), word_of_mouth=0.5
    )
    assert type(found.frame) is type(given_orders)
    frame = to_pandas(found.frame)
    # a: 2022-01-01 lies more than 365 days before her last purchase; b: the refund came after it
    assert list(zip(frame["customer_id"], frame["lost"], strict=True)) == [("a", 100.0), ("b", 20.0), ("d", 0.0)]
    assert (found.customers, found.left, found.contribution_lost) == (4, 3, 120.0)
    assert (found.win_back_spend, found.word_of_mouth_loss, found.total) == (12.5, 60.0, 192.5)


def test_values_of_customers_who_left_are_lost_and_unknown_ones_stay_missing():
    value = pd.DataFrame({"customer_id": ["a", "c", "b"], "value": [70.0, 1000.0, 30.5]})
    assert churn_cost(ORDERS, inactive_after=100, value=value.iloc[:0]).unknown == 3
    found = churn_cost(ORDERS, inactive_after=100, value=value)
    assert (found.contribution_lost, found.unknown, found.total) == (100.5, 1, 100.5)
    assert found.frame["lost"].isna().sum() == 1
    assert math.isnan(found.win_back_spend)
    assert any("Of 1 customer who left no value is known" in text for text in found.assumptions)
    assert any("win-back spend is unknown" in text for text in found.assumptions)


def test_nobody_who_left_costs_nothing():
    found = churn_cost(ORDERS, inactive_after=10_000, margin=0.5)
    assert (found.left, found.total, len(found.frame)) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^value, margin: pass just one"),
        ({"margin": 2}, r"^margin: got 2"),
        ({"margin": 0.5, "years": 0}, r"^years: got 0"),
        ({"margin": 0.5, "word_of_mouth": -1}, r"^word_of_mouth: got -1"),
        ({"margin": 0.5, "inactive_after": 0}, r"^inactive_after: got 0"),
        ({"margin": 0.5, "ledger": LINES.drop(columns="stage")}, r"^ledger: column 'stage' is missing"),
        (
            {"value": pd.DataFrame({"customer_id": ["a", "a"], "value": 1.0})},
            r"^value, column 'customer_id': customer there again in 1 of 2 rows \(customer a\)",
        ),
        ({"margin": 0.5, "observation_end": "2000-01-01"}, r"^observation_end: 2000-01-01 is before"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        churn_cost(ORDERS, **{"inactive_after": 100} | options)
