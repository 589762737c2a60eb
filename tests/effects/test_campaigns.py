"""Panels around a campaign: a hand-made one on every engine, sums that agree with the receipts, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue import prepare_transactions
from crmvalue.effects.campaigns import campaign_panel
from crmvalue.effects.differences import difference_in_differences
from crmvalue.errors import InputError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["ann", "ann", "ann", "bob", "cem", "cem", "bob"],
        "date": [
            "2023-12-25",
            "2024-01-07",
            "2024-01-08",
            "2024-01-21",
            "2023-12-01",
            "2024-03-01",
            "2024-01-22",
        ],
        "amount": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
    }
)
CAMPAIGN: dict[str, Any] = {"start": "2024-01-08", "end": "2024-01-23", "before": 2}
CHOSEN = pd.DataFrame({"customer_id": ["ann", "dee", "ann"]})


def test_a_campaign_of_two_weeks_and_two_days_has_two_periods_on_every_engine(
    as_engine: Callable[[pd.DataFrame], Any],
) -> None:
    given_orders = as_engine(ORDERS)
    found = campaign_panel(given_orders, as_engine(CHOSEN), **CAMPAIGN)
    assert type(found) is type(given_orders)
    panel = to_pandas(found).sort_values(["customer_id", "period"])
    assert panel["period"].tolist() == [-2, -1, 0, 1] * 4
    amounts = panel["amount"].to_numpy().reshape(4, 4).tolist()
    # ann bought on the first day before, the last day before and the first day; bob on the last day of period 1
    assert amounts == [[1.0, 2.0, 4.0, 0.0], [0.0, 0.0, 0.0, 8.0], [0.0] * 4, [0.0] * 4]
    assert panel.groupby("customer_id")["addressed"].max().to_dict() == {"ann": 1, "bob": 0, "cem": 0, "dee": 1}


def test_customers_named_by_numbers_stay_numbers() -> None:
    orders = ORDERS.assign(customer_id=[10, 10, 10, 3, 7, 7, 3])
    panel = campaign_panel(orders, pd.DataFrame({"customer_id": [10]}), **CAMPAIGN)
    assert panel["customer_id"].drop_duplicates().tolist() == [3, 7, 10]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99), st.integers(-500, 5_000)), min_size=1),
    length=st.integers(1, 10),
    before=st.integers(1, 4),
)
def test_the_panel_holds_every_cent_of_its_days(rows: list[tuple[int, int, int]], length: int, before: int) -> None:
    orders = pd.DataFrame([*rows, (7, 0, 100), (7, 99, 100)], columns=["customer_id", "day", "cents"])
    orders["date"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(orders["day"], unit="D")
    orders["amount"] = orders["cents"] / 100
    start = 40
    panel = campaign_panel(
        prepare_transactions(orders),
        pd.DataFrame({"customer_id": [1, 99]}),
        start=pd.Timestamp("2024-01-01") + pd.Timedelta(days=start),
        end=pd.Timestamp("2024-01-01") + pd.Timedelta(days=start + 24),
        before=before,
        days=length,
    )
    inside = orders["day"].between(start - before * length, start + (25 // length) * length - 1)
    assert panel["amount"].sum() == pytest.approx(orders["amount"][inside].sum(), abs=1e-9)
    assert len(panel) == panel["customer_id"].nunique() * (before + 25 // length)
    assert panel["customer_id"].nunique() == len({*orders["customer_id"], 1, 99})


def test_the_difference_in_differences_of_a_panel_is_that_of_sums_by_hand() -> None:
    rng = np.random.default_rng(3)
    orders = pd.DataFrame({"customer_id": rng.integers(0, 60, 900), "day": rng.integers(0, 84, 900)})
    orders["date"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(orders["day"], unit="D")
    orders["amount"] = rng.gamma(2.0, 10.0, 900).round(2)
    orders.loc[0, "day"], orders.loc[0, "date"] = 0, pd.Timestamp("2024-01-01")
    orders.loc[1, "day"], orders.loc[1, "date"] = 83, pd.Timestamp("2024-03-24")
    chosen = pd.DataFrame({"customer_id": np.arange(20)})
    panel = campaign_panel(orders, chosen, start="2024-02-26", end="2024-03-24", before=8)
    found = difference_in_differences(panel, outcome="amount", treated="addressed", start=0)
    late = orders["day"] >= 56
    change = {}
    for group, size in ((True, 20), (False, 40)):
        mine = (orders["customer_id"] < 20) == group
        change[group] = orders["amount"][mine & late].sum() / size / 4 - orders["amount"][mine & ~late].sum() / size / 8
    assert found.effect.value == pytest.approx(change[True] - change[False], rel=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"before": 7}, r"before: 7 periods reach back to 2023-11-20.*begin on 2023-12-01.*pass at most 5"),
        ({"end": "2024-03-03"}, r"end: the periods last until 2024-03-03, and the transactions end on 2024-03-01"),
        ({"end": "2024-01-10"}, r"end: from 2024-01-08 to 2024-01-10 there is no whole period of 7 days"),
        ({"before": 0}, r"before: got 0\. Pass a whole number, at least 1"),
        ({"days": 1.5}, r"days: got 1\.5\. Pass a whole number"),
        ({"start": "soon"}, r"start: got 'soon'"),
    ],
)
def test_a_window_that_the_data_do_not_cover_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        campaign_panel(ORDERS, CHOSEN, **(CAMPAIGN | options))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (pd.DataFrame({"household": ["ann"]}), r"addressed: column 'customer_id' is missing"),
        (CHOSEN.head(0), r"addressed: there are no rows"),
        (pd.DataFrame({"customer_id": ["ann", None]}), r"addressed, column 'customer_id': missing in 1 of 2 rows"),
        (pd.DataFrame({"customer_id": [1]}), r"customer_id': numbers, but text in the transactions\. Convert"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(chosen: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        campaign_panel(ORDERS, chosen, **CAMPAIGN)
