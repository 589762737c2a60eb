"""Payback by channel: hand-made curves, months that have not come, and sums that agree with the orders."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue import prepare_transactions
from crmvalue.costs import channel_payback
from crmvalue.errors import InputError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "c", "c", "d", "r"],
        "date": ["2024-01-05", "2024-02-10", "2024-01-20", "2024-02-02", "2024-03-31", "2024-01-09", "2024-01-01"],
        "amount": [40.0, 60.0, 20.0, 10.0, 30.0, 8.0, -5.0],
        "channel": ["web", "fair", "web", "web", "web", "fair", "web"],
    }
)
LINES = pd.DataFrame(
    {
        "date": ["2024-01-01", "2024-02-01", "2024-01-01", "2024-01-15", "2024-01-01"],
        "category": "marketing",
        "stage": ["acquisition", "acquisition", "acquisition", "acquisition", "retention"],
        "channel": ["web", "web", "fair", "tv", "web"],
        "amount": [50.0, 5.0, 100.0, 70.0, 1000.0],
    }
)


def test_payback_by_channel_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_orders = as_engine(ORDERS)
    found = channel_payback(
        prepare_transactions(given_orders, keep=["channel"]), as_engine(LINES), margin=0.5, months=3
    )
    assert type(found.frame) is type(found.cells) is type(given_orders)
    frame = to_pandas(found.frame).set_index("channel")
    assert frame["customers"].to_dict() == {"fair": 1, "tv": 0, "web": 3}
    assert frame["cost"].to_dict() == {"fair": 100.0, "tv": math.inf, "web": pytest.approx(55 / 3)}
    # web: age 0 is (40 + 20 + 10) / 3 customers, age 1 is (60 + 30) / 3, age 2 is nothing of two customers
    curve = to_pandas(found.curves).query("channel == 'web'").sort_values("age")
    assert curve["contribution"].tolist()[:3] == pytest.approx([70 / 6, 15.0, 0.0])
    assert curve["cumulative"].tolist()[:3] == pytest.approx([70 / 6, 70 / 6 + 15, 70 / 6 + 15])
    assert curve["contribution"].isna().tolist() == [False, False, False, True]
    assert curve["customers"].tolist() == [3, 3, 2, 0]
    months = frame["payback_month"]
    assert (months["web"], months.isna()["fair"], months.isna()["tv"]) == (1.0, True, True)
    cohorts = to_pandas(found.cohorts)
    cohorts["cohort"] = cohorts["cohort"].astype(str).str[:7]
    assert cohorts.set_index(["channel", "cohort"])["payback_month"].fillna(-1).to_dict() == {
        ("fair", "2024-01"): -1,
        ("tv", "2024-01"): -1,
        ("web", "2024-01"): 1,
        ("web", "2024-02"): 0,
    }


def test_a_month_that_has_not_ended_is_missing_and_one_without_sales_is_zero():
    found = channel_payback(ORDERS_KEPT, LINES, margin=1, months=2, observation_end="2024-03-30")
    cells = found.cells.query("channel == 'web'").sort_values(["cohort", "age"])["contribution"].tolist()
    assert cells == pytest.approx([30.0, 30.0, math.nan, 10.0, math.nan, math.nan], nan_ok=True)
    ended = channel_payback(ORDERS_KEPT, LINES, margin=1, months=2, observation_end="2024-03-31")
    cells = ended.cells.query("channel == 'web'").sort_values(["cohort", "age"])["contribution"].tolist()
    assert cells == pytest.approx([30.0, 30.0, 0.0, 10.0, 30.0, math.nan], nan_ok=True)


ORDERS_KEPT = prepare_transactions(ORDERS, keep=["channel"])


def test_discounting_takes_a_twelfth_of_the_year_a_month():
    plain = channel_payback(ORDERS_KEPT, LINES, margin=1, months=1).curves.query("channel == 'web'")
    worth = channel_payback(ORDERS_KEPT, LINES, margin=1, months=1, annual_rate=0.21).curves.query("channel == 'web'")
    ratio = (worth["contribution"] / plain["contribution"]).tolist()
    assert ratio == pytest.approx([1, 1.21 ** (-1 / 12)])


visits = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 11), st.sampled_from(["web", "fair", None]), st.integers(-500, 9999)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(rows=visits)
def test_contribution_of_all_cells_is_the_net_revenue_of_all_who_ever_bought(rows):
    orders = pd.DataFrame(rows, columns=["customer_id", "month", "channel", "cents"])
    orders["date"] = [f"2024-{month + 1:02d}-02" for month in orders["month"]]
    orders["amount"] = orders["cents"] / 100
    buyers = orders[orders["cents"] >= 0]["customer_id"].unique()
    if not len(buyers):
        return
    lines = LINES.assign(date="2024-01-01")
    known = prepare_transactions(orders.drop(columns="cents"), keep=["channel"])
    found = channel_payback(known, lines, margin=1.0, months=12, observation_end="2024-12-31")
    cells = found.cells.merge(found.cohorts[["channel", "cohort", "customers"]], on=["channel", "cohort"])
    brought = (cells["contribution"] * cells["customers"]).sum()
    assert brought == pytest.approx(orders[orders["customer_id"].isin(buyers)]["cents"].sum() / 100, abs=1e-6)
    assert found.frame["customers"].sum() == len(buyers)
    assert round(100 * found.frame["spend"].sum()) == 22_500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 1.5}, r"^margin: got 1\.5"),
        ({"months": -1}, r"^months: got -1"),
        ({"months": 10**9}, r"^months: got 1000000000\. .* at most 1,200"),
        ({"annual_rate": -1}, r"^annual_rate: got -1"),
        ({"by": "age"}, r"^by: 'age' is the name of a column of the result"),
        ({"by": "region"}, r"^transactions: column 'region' is missing"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        channel_payback(ORDERS_KEPT, LINES, **{"margin": 0.5} | options)


def test_all_lines_count_when_no_stage_is_named():
    found = channel_payback(ORDERS_KEPT, LINES.drop(columns="stage"), margin=0.5)
    assert found.frame.set_index("channel")["spend"]["web"] == 1055.0
    assert np.isnan(found.frame.set_index("channel")["payback_month"]["web"])


def test_contributions_of_each_row_are_those_of_a_margin_where_they_are_that_share(
    as_engine: Callable[[pd.DataFrame], Any],
):
    rows = prepare_transactions(as_engine(ORDERS.assign(kept=0.5 * ORDERS["amount"])), keep=["channel", "kept"])
    found = channel_payback(rows, as_engine(LINES), contribution="kept", months=3)
    share = channel_payback(rows, as_engine(LINES), margin=0.5, months=3)
    for name in ("frame", "curves", "cohorts", "cells"):
        ours, theirs = (to_pandas(getattr(each, name)) for each in (found, share))
        keys = [key for key in ("channel", "cohort", "age") if key in ours]
        ours, theirs = (each.sort_values(keys).reset_index(drop=True) for each in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs)
    assert math.isnan(found.margin)
    assert found.assumptions[0] == "Contribution is the column 'kept', not discounted."


def test_a_sale_with_a_loss_is_a_purchase_still():
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a"], "date": ["2024-01-05", "2024-02-10"], "amount": [40.0, 60.0],
            "kept": [-10.0, 25.0], "channel": "web",
        }
    )  # fmt: skip
    found = channel_payback(
        prepare_transactions(orders, keep=["channel", "kept"]), LINES, contribution="kept", months=1,
        observation_end="2024-03-31",
    )  # fmt: skip
    web = found.curves.query("channel == 'web'")
    assert web["cumulative"].tolist() == [-10.0, 15.0]  # the first purchase lies in January, at a loss


def test_a_missing_contribution_is_refused(as_engine: Callable[[pd.DataFrame], Any]):
    rows = prepare_transactions(as_engine(ORDERS.assign(kept=[1.0, None, 1, 1, 1, 1, 1])), keep=["channel", "kept"])
    with pytest.raises(InputError, match=r"kept: missing or infinite contribution in 1 of 7 rows"):
        channel_payback(rows, as_engine(LINES), contribution="kept")
    with pytest.raises(InputError, match="pass just one of them"):
        channel_payback(rows, as_engine(LINES))
