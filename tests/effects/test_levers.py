"""Levers: sums of the stream of payments as oracle, pandas as second opinion, engines, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from crmvalue.effects.customer_base import CustomerBase, measure_base
from crmvalue.effects.levers import retention_lever
from crmvalue.errors import InputError

FIRM = CustomerBase(customers=1000, new_customers=200, retention_rate=0.75, purchases=4.0, spend=30.0, time_unit="year")


def stream(base: CustomerBase, *, margin: float, rate: float, serve: float, acquisition: float) -> float:
    """Value of the base as a long sum of the payments expected in each period."""
    c = margin * base.purchases * base.spend - serve
    t = np.arange(1, 3000)
    kept = c * (base.retention_rate / (1 + rate)) ** t
    return float(base.customers * kept.sum() + base.new_customers * (c + kept.sum() - acquisition))


@settings(deadline=None)
@given(
    r=st.floats(0.05, 0.85),
    margin=st.floats(0.1, 0.9),
    rate=st.floats(0.0, 0.5),
    serve=st.floats(0.0, 5.0),
    change=st.floats(0.01, 0.1),
)
def test_every_lever_is_the_difference_of_two_streams(
    r: float, margin: float, rate: float, serve: float, change: float
) -> None:
    base = replace(FIRM, retention_rate=r)
    options = {"margin": margin, "rate": rate, "serve": serve, "acquisition": 40.0}
    levers = retention_lever(
        base, margin=margin, discount_rate=rate, points=0.05, change=change, cost_to_serve=serve, acquisition_cost=40.0
    )
    up = 1 + change
    expected = [
        stream(replace(base, retention_rate=r + 0.05), **options),
        stream(replace(base, retention_rate=r * up), **options),
        stream(replace(base, purchases=4.0 * up), **options),
        stream(replace(base, spend=30.0 * up), **options),
        stream(base, **{**options, "margin": margin * up}),
        stream(base, **{**options, "acquisition": 40.0 * (1 - change)}),
    ]
    now = stream(base, **options)
    assert levers.base_value == pytest.approx(now, rel=1e-9)
    assert levers.value == pytest.approx(expected, rel=1e-9)
    assert levers.gain == pytest.approx(np.array(expected) - now, rel=1e-6, abs=1e-6 * abs(now))


def test_five_points_are_25_to_85_per_cent_only_where_retention_is_high() -> None:
    # value is in proportion to r / (1 + d - r), d = 0.1: 0.95 / 0.15 against 0.9 / 0.2, 0.55 / 0.55 against 0.5 / 0.6
    high = retention_lever(replace(FIRM, retention_rate=0.9, new_customers=0), margin=0.5, discount_rate=0.1)
    low = retention_lever(replace(FIRM, retention_rate=0.5, new_customers=0), margin=0.5, discount_rate=0.1)
    assert high.gain_share[0] == pytest.approx((0.95 / 0.15) / (0.9 / 0.2) - 1)
    assert low.gain_share[0] == pytest.approx(1 / (0.5 / 0.6) - 1)
    assert "within the 25% to 85%" in high.notes[0]
    assert "below the 25% to 85%" in low.notes[0]


def purchases(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.datetime64("2021-06-01") + rng.integers(0, 1200, 4000)
    amount = rng.gamma(2, 20, 4000).round(2) * np.where(rng.random(4000) < 0.05, -1, 1)
    return pd.DataFrame(
        {"customer_id": rng.integers(0, 900, 4000), "date": day.astype("datetime64[s]"), "amount": amount}
    )


def test_the_base_is_that_of_plain_pandas() -> None:
    rows = purchases()
    end = pd.Timestamp("2024-08-31")
    found = measure_base(rows, observation_end="2024-08-31")
    bought = rows[(rows.amount >= 0) & (rows.date <= end)]
    year = pd.Timedelta(365, unit="D")
    last = bought[bought.date > end - year]
    before = bought[(bought.date <= end - year) & (bought.date > end - 2 * year)]
    kept = set(last.customer_id) & set(before.customer_id)
    net = rows[(rows.date <= end) & (rows.date > end - year)].amount.sum()
    days = len(last.drop_duplicates(["customer_id", "date"]))
    assert found.customers == last.customer_id.nunique()
    assert found.new_customers == len(set(last.customer_id) - set(bought[bought.date <= end - year].customer_id))
    assert found.retention_rate == pytest.approx(len(kept) / before.customer_id.nunique())
    assert found.purchases == pytest.approx(days / found.customers)
    assert found.spend == pytest.approx(net / days)


def test_a_measured_retention_rate_has_its_exact_interval() -> None:
    base = measure_base(purchases())
    levers = retention_lever(base, margin=0.4, discount_rate=0.1)
    kept, n = round(base.retention_rate * base.customers_before), int(base.customers_before)
    interval = binomtest(kept, n).proportion_ci(0.95, method="exact")
    assert (levers.retention_lower, levers.retention_upper) == pytest.approx((interval.low, interval.high))
    assert levers.base_value_lower < levers.base_value < levers.base_value_upper


def test_every_engine_gives_the_same_base(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    rows = purchases()
    expected, found = measure_base(rows), measure_base(as_engine(rows))
    names = ("customers", "new_customers", "retention_rate", "purchases", "spend", "customers_before")
    assert [getattr(found, name) for name in names] == pytest.approx([getattr(expected, name) for name in names])
    assert found.observation_end == expected.observation_end


def test_transactions_are_measured_and_the_result_turns_into_plain_values() -> None:
    levers = retention_lever(purchases(), margin=0.4, discount_rate=0.1)
    assert levers.to_frame()["lever"].tolist()[:2] == ["retention +5 points", "retention +5 %"]
    assert levers.to_dict()["base"]["retention_rate"] == levers.base.retention_rate
    assert len(levers.lever) == 5  # no acquisition cost, no such lever


def test_cheaper_acquisition_is_a_lever_also_where_nobody_new_came() -> None:
    levers = retention_lever(replace(FIRM, new_customers=0), margin=0.4, discount_rate=0.1, acquisition_cost=20.0)
    table = levers.to_frame().set_index("lever").loc["acquisition cost −5 %"]
    assert (table["before"], table["after"], table["gain"]) == (20.0, 19.0, 0.0)


def test_keeping_customers_who_cost_more_than_they_bring_loses_money() -> None:
    levers = retention_lever(FIRM, margin=0.1, discount_rate=0.1, cost_to_serve=20.0)
    assert levers.contribution == pytest.approx(-8.0)
    assert levers.gain[0] < 0
    assert "loses more money" in levers.notes[0]


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        (replace(FIRM, retention_rate=0.97), {}, "points: a retention rate of 0.97 would rise to 1.02"),
        (replace(FIRM, retention_rate=1.0), {}, "retention_rate: got 1.0"),
        (replace(FIRM, purchases=0.0), {}, "purchases: got 0.0"),
        (FIRM, {"margin": 1.5}, "margin: got 1.5"),
        (FIRM, {"discount_rate": -0.1}, "discount_rate: got -0.1"),
        (FIRM, {"points": 0}, "points: got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(base: CustomerBase, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        retention_lever(base, **{"margin": 0.5, "discount_rate": 0.1, **options})


def test_too_short_a_history_is_refused() -> None:
    rows = purchases()
    with pytest.raises(InputError, match="two periods of 365 days up to 2022-06-01 are not covered"):
        measure_base(rows, observation_end="2022-06-01")
    with pytest.raises(InputError, match="nobody bought in the last period"):
        measure_base(rows, observation_end="2026-06-01")
