"""Time-driven costing: the published example, and pools that add up."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import allocate_costs, time_driven_costs
from crmvalue.errors import InputError

# Kaplan & Anderson (2004), Harvard Business Review: a customer service department, one quarter
POOLS = pd.DataFrame({"pool": ["service"], "cost": [560_000.0], "capacity": [700_000]})
ACTIVITIES = pd.DataFrame(
    {
        "pool": "service",
        "activity": ["orders", "inquiries", "credit checks"],
        "quantity": [49_000, 1_400, 2_500],
        "minutes": [8, 44, 50],
    }
)


def test_the_numbers_of_kaplan_and_anderson_are_reproduced(as_engine: Callable[[pd.DataFrame], Any]):
    given_activities = as_engine(ACTIVITIES)
    found = time_driven_costs(as_engine(POOLS), given_activities)
    assert type(found.frame) is type(given_activities)
    frame, pools = to_pandas(found.frame), to_pandas(found.pools)
    frame = frame.set_index("activity")
    assert pools["rate"].tolist() == [0.80]
    assert frame["cost_each"].round(10).to_dict() == pytest.approx(
        {"orders": 6.40, "inquiries": 35.20, "credit checks": 40.00, "unused capacity": float("nan")}, nan_ok=True
    )
    assert (pools["minutes_used"][0], found.used, found.unused) == (578_600, 462_880.0, 97_120.0)
    assert frame.loc["unused capacity", "cost"] == 97_120.0
    assert found.total == 560_000.0


def test_the_traditional_rates_from_a_survey_are_reproduced():
    lines = pd.DataFrame({"date": ["2004-03-31"], "category": ["service"], "amount": [560_000.0]})
    survey = ACTIVITIES.assign(share=[70, 10, 20])
    found = allocate_costs(lines, survey, bases={"service": "share"}, object_id="activity")
    cost = found.frame.set_index("activity")["cost"]
    rates = cost / survey.set_index("activity")["quantity"]
    assert rates.to_dict() == pytest.approx({"orders": 8.00, "inquiries": 40.00, "credit checks": 44.80})


def test_negative_unused_capacity_is_shown_and_said():
    found = time_driven_costs(POOLS.assign(capacity=500_000), ACTIVITIES)
    assert found.pools["unused_minutes"].tolist() == [-78_600]
    assert found.unused == pytest.approx(560_000 * (1 - 578_600 / 500_000))
    assert any("use 78,600 minutes more than there are" in text for text in found.assumptions)


pool_rows = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**6)), min_size=1, max_size=4)
uses = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 500), st.integers(0, 600)), min_size=1, max_size=20)


@settings(deadline=None, max_examples=80)
@given(resources=pool_rows, rows=uses)
def test_used_and_unused_are_the_pools_to_the_cent(resources, rows):
    pools = pd.DataFrame(
        {
            "pool": [f"p{place}" for place in range(len(resources))],
            "cost": [cents / 100 for cents, _ in resources],
            "capacity": [capacity for _, capacity in resources],
        }
    )
    activities = pd.DataFrame(rows, columns=["place", "quantity", "minutes"])
    activities["pool"] = [f"p{place % len(resources)}" for place in activities["place"]]
    found = time_driven_costs(pools, activities.assign(activity="a"))
    by_pool = found.frame.groupby("pool")["cost"].agg(lambda part: sum(round(100 * one) for one in part))
    assert by_pool.to_dict() == {f"p{place}": cents for place, (cents, _) in enumerate(resources)}
    assert round(100 * found.used) + round(100 * found.unused) == sum(cents for cents, _ in resources)


def test_kept_columns_are_missing_on_the_line_of_unused_capacity():
    named = ACTIVITIES.assign(customer_id=[1, 2, 3], channel=["web", "web", "shop"])
    frame = time_driven_costs(POOLS, named, keep=["customer_id", "channel"]).frame
    assert frame["customer_id"].tolist()[:3] == [1, 2, 3]
    assert frame[["customer_id", "channel"]].iloc[3].isna().all()


@pytest.mark.parametrize(
    ("pools", "activities", "message"),
    [
        (POOLS.assign(capacity=0), ACTIVITIES, r"^pools: capacity of 0 in 1 of 1 rows \(pool service\)"),
        (POOLS.assign(cost=-1.0), ACTIVITIES, r"^pools, column 'cost': missing, infinite or negative"),
        (pd.concat([POOLS, POOLS]), ACTIVITIES, r"^pools: pool named again in 1 of 2 rows"),
        (POOLS, ACTIVITIES.assign(pool="servicee"), r"unknown name 'servicee' in 3 of 3 rows .*Did you mean 'service'"),
        (POOLS, ACTIVITIES.assign(minutes=[1, -1, 1]), r"^activities, column 'minutes': .* \(row 1\)"),
        (POOLS, ACTIVITIES.assign(activity=["a", None, "c"]), r"column 'activity': missing name in 1 of 3 rows"),
        (POOLS.iloc[:0], ACTIVITIES, r"^pools: the frame has no rows"),
        (POOLS.drop(columns="capacity"), ACTIVITIES, r"^pools: column 'capacity' is missing"),
    ],
)
def test_pools_and_activities_that_cannot_be_costed_are_refused(pools, activities, message):
    with pytest.raises(InputError, match=message):
        time_driven_costs(pools, activities)


def test_a_kept_column_with_a_name_of_the_result_is_refused():
    with pytest.raises(InputError, match=r"^keep: 'cost' is the name of a column of the result"):
        time_driven_costs(POOLS, ACTIVITIES.assign(cost=1), keep="cost")
