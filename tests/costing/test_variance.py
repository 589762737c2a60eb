"""Budget variance: hand-made splits, lines of one side alone, and sums that reconcile."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import COST_TAXONOMY, budget_variance, prepare_ledger
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": "2024-01-31",
        "category": ["staff", "staff", "it", "service"],
        "channel": ["web", "web", "web", None],
        "hours": [60.0, 50.0, 0.0, 5.0],
        "amount": [1800.0, 1500.0, 50.0, 10.0],
    }
)
PLAN = pd.DataFrame(
    {
        "category": ["人力", "IT", "data"],
        "channel": ["web", "web", "web"],
        "hours": [100.0, 2.0, 1.0],
        "amount": [2500.0, 40.0, 500.0],
    }
)


def test_variance_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_lines = as_engine(LINES)
    found = budget_variance(given_lines, as_engine(PLAN), quantity="hours")
    assert type(found.frame) is type(given_lines)
    frame = to_pandas(found.frame)
    assert frame[["category", "actual", "budget", "variance", "status", "rank"]].to_numpy().tolist() == [
        ["staff", 3300.0, 2500.0, 800.0, "both", 1],
        ["data", 0.0, 500.0, -500.0, "budget only", 2],
        ["it", 50.0, 40.0, 10.0, "both", 3],
        ["service", 10.0, 0.0, 10.0, "ledger only", 4],
    ]
    # 10 hours more at 25 each is 250; 110 hours at 5 more each is 550
    assert frame["volume_part"].fillna(-1).tolist() == [250.0, -1, -1, -1]
    assert frame["price_part"].fillna(-1).tolist() == [550.0, -1, -1, -1]
    assert (found.actual, found.budget, found.variance) == (3360.0, 3040.0, 320.0)
    assert (found.ledger_only, found.budget_only) == (1, 1)
    assert "1 group of the budget is not in the ledger, and counted with 0 there." in found.assumptions


def test_groups_may_be_any_columns_and_missing_ones_are_a_group():
    found = budget_variance(LINES, PLAN, by=["channel"])
    rows = found.frame.set_index("channel")["variance"]
    assert rows["web"] == 310.0
    assert found.frame["channel"].isna().sum() == 1


def test_names_of_the_budget_are_matched_as_those_of_its_ledger():
    ours = COST_TAXONOMY.extended(categories={"travel": ["Air Fare"]}, aliases={"差旅": "travel"})
    lines = pd.DataFrame({"date": "2024-01-31", "category": ["travel", "it"], "amount": [90.0, 10.0]})
    lines = lines.assign(subcategory=["air_fare", "Cloud"], behavior=["Variable", None])
    ledger = prepare_ledger(lines, subcategory="subcategory", behavior="behavior", taxonomy=ours)
    plan = pd.DataFrame(
        {"category": ["差旅", "IT", "IT"], "subcategory": ["AIR FARE", "CLOUD", "ship"], "amount": 100.0}
    )
    plan = plan.assign(behavior=["variable", None, None])
    found = budget_variance(ledger, plan, by=["category", "subcategory", "behavior"]).frame
    assert found[["category", "subcategory", "variance", "status"]].to_numpy().tolist() == [
        ["it", "ship", -100.0, "budget only"],
        ["it", "cloud", -90.0, "both"],
        ["travel", "Air Fare", -10.0, "both"],
    ]
    with pytest.raises(InputError, match=r"^budget, column 'behavior': unknown name 'half' in 3 of 3 rows"):
        budget_variance(ledger, plan.assign(behavior="half"), by=["behavior"])


lines = st.lists(
    st.tuples(st.sampled_from(["staff", "it", "data"]), st.integers(-100, 10**6), st.integers(0, 50)),
    min_size=1,
    max_size=20,
)


@settings(deadline=None, max_examples=60)
@given(spent=lines, planned=lines)
def test_variances_and_their_parts_add_up_to_the_cent(spent, planned):
    sides = [
        pd.DataFrame(rows, columns=["category", "cents", "hours"]).assign(
            date="2024-01-01", amount=[cents / 100 for _, cents, _ in rows]
        )
        for rows in (spent, planned)
    ]
    found = budget_variance(*sides, quantity="hours")
    gap = sum(cents for _, cents, _ in spent) - sum(cents for _, cents, _ in planned)
    assert sum(round(100 * one) for one in found.frame["variance"]) == gap
    split = found.frame.dropna(subset=["price_part"])
    assert (split["price_part"] + split["volume_part"]).tolist() == pytest.approx(split["variance"].tolist(), abs=1e-6)
    assert found.frame["variance"].abs().is_monotonic_decreasing


@pytest.mark.parametrize(
    ("plan", "options", "message"),
    [
        (PLAN.assign(category="stuff"), {}, r"^budget, column 'category': unknown name 'stuff' .*'staff' for 'stuff'"),
        (PLAN.assign(amount=[1.0, None, 2.0]), {}, r"^budget, column 'amount': missing or infinite amount in 1 of 3"),
        (PLAN.assign(amount="1,234.50"), {}, r"^budget, column 'amount': .*not numbers"),
        (PLAN.drop(columns="amount"), {}, r"^budget: column 'amount' is missing"),
        (PLAN, {"by": ["region"]}, r"^ledger: column 'region' is missing"),
        (PLAN, {"by": []}, r"^by: no column"),
        (PLAN, {"by": ["category", "category"]}, r"^by: \['category', 'category'\]"),
        (PLAN.iloc[:0], {}, r"^budget: the frame has no rows"),
        (PLAN, {"quantity": "channel"}, r"^budget, column 'channel': .*not numbers"),
    ],
)
def test_budgets_that_cannot_be_compared_are_refused(plan, options, message):
    with pytest.raises(InputError, match=message):
        budget_variance(LINES, plan, **options)


def test_quantities_of_the_ledger_that_are_text_are_refused():
    with pytest.raises(InputError, match=r"^quantity: the column of the ledger holds no numbers"):
        budget_variance(LINES.assign(hours="many"), PLAN, quantity="hours")
