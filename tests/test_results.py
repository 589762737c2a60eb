"""One contract for all results about costs, returns, risk and effects: frame, dict, table, and assumptions in words."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crmvalue
from crmvalue import costs, roi
from crmvalue.effects.customer_base import CustomerBase
from crmvalue.risk.distributions import triangular

MARKUP = "<script>alert(1)</script>"
ORDERS = pd.DataFrame(
    {
        "customer_id": [1, 1, 2, 3, 1],
        "date": ["2024-01-05", "2024-02-01", "2024-01-09", "2024-01-31", "2024-05-01"],
        "amount": [40.0, 60.0, 20.0, -5.0, 30.0],
        "channel": ["web", "web", MARKUP, None, "web"],
    }
)
LINES = pd.DataFrame(
    {
        "date": ["2024-01-01", "2024-01-02", "2024-02-03", "2024-02-04"],
        "category": ["marketing", "marketing", "service", "it"],
        "stage": ["acquisition", "acquisition", "retention", None],
        "channel": ["web", MARKUP, None, "web"],
        "customer_id": [1, 2, 3, 3],
        "amount": [30.0, 5.0, 25.0, -3.0],
        "useful_life": [np.nan, np.nan, 3, np.nan],
    }
)
DRIVERS = pd.DataFrame({"customer_id": [1, 2, 3], "orders": [2.0, 1.0, 0.0]})
BENEFITS = pd.DataFrame(
    {
        "date": ["2024-03-01", "2025-03-01"],
        "amount": [60.0, 70.0],
        "mechanism": ["retention", "risk"],
        "channel": ["web", MARKUP],
    }
)
HOURS = pd.DataFrame({"date": "2024-01-31", "hours": [6.5], "minutes": 3.0, "customers": 10, "tied_up": 100.0})
CAPACITY = pd.DataFrame({"pool": ["desk"], "cost": [100.0], "capacity": [500.0]})
WORK = pd.DataFrame({"pool": "desk", "activity": [MARKUP], "quantity": [3.0], "minutes": [8.0]})
CURVES = [
    crmvalue.ResponseCurve(channel="mail", shape="power", params=(30.0, 0.5)),
    crmvalue.ResponseCurve(channel=MARKUP, shape="exponential", params=(500.0, 80.0)),
]
FIRM = CustomerBase(customers=100, new_customers=20, retention_rate=0.75, purchases=4.0, spend=30.0, time_unit="year")


def profit(price: float, volume: float = 10.0) -> float:
    return (price - 6.0) * volume


def units(n: int = 60) -> pd.DataFrame:
    """Return customers in two arms over four periods, with a score."""
    rng = np.random.default_rng(1)
    unit, period = np.repeat(np.arange(n), 4), np.tile(np.arange(4), n)
    arm = np.where(unit % 2 == 0, "a", MARKUP)
    y = rng.normal(10, 1, 4 * n) + (unit % 2) * (period >= 2)
    dates = np.array(["2023-02-01", "2023-08-01", "2024-02-01", "2024-08-01"], dtype="datetime64[s]")[period]
    score = rng.random(4 * n)
    return pd.DataFrame(
        {"unit": unit, "period": period, "arm": arm, "treated": unit % 2, "y": y, "date": dates, "score": score}
    )


def spending() -> pd.DataFrame:
    spend = np.linspace(5, 200, 12)
    return pd.DataFrame({"channel": MARKUP, "spend": spend, "result": 30 * spend**0.5 + np.cos(np.arange(12))})


MADE: dict[str, Callable[[], Any]] = {
    "Ledger": lambda: costs.prepare_ledger(LINES, stage="stage", channel="channel"),
    "CostBreakdown": lambda: costs.cost_breakdown(LINES, by=["category", "channel"], period="month"),
    "StageCosts": lambda: costs.stage_costs(LINES, ORDERS),
    "AmortizedLedger": lambda: costs.amortize_ledger(LINES),
    "CostLines": lambda: costs.time_cost(HOURS, rate=80.0),
    "CostAllocation": lambda: costs.allocate_costs(LINES, DRIVERS, bases={"service": "orders"}),
    "TimeDrivenCosts": lambda: costs.time_driven_costs(CAPACITY, WORK),
    "CustomerProfit": lambda: costs.customer_profit(ORDERS, LINES, margin=0.5, by="channel"),
    "WhaleCurve": lambda: costs.whale_curve(costs.customer_profit(ORDERS, LINES, margin=0.5)),
    "AcquisitionCost": lambda: costs.acquisition_cost(LINES, ORDERS),
    "ChannelPayback": lambda: costs.channel_payback(ORDERS, LINES, margin=0.5, months=2),
    "ChurnCost": lambda: costs.churn_cost(ORDERS, inactive_after=30, margin=0.5, ledger=LINES),
    "OwnershipCost": lambda: costs.ownership_cost(LINES, annual_rate=0.08),
    "BudgetVariance": lambda: costs.budget_variance(LINES, LINES.assign(amount=10.0), by=["channel"]),
    "Benefits": lambda: roi.prepare_benefits(BENEFITS, kind=None, population="channel"),
    "ReturnOnInvestment": lambda: roi.return_on_investment(BENEFITS, LINES, discount_rate=0.08, by="channel"),
    "Sensitivity": lambda: roi.sensitivity(profit, {"price": (5.0, 8.0, 9.0)}),
    "ScenarioTable": lambda: roi.scenario_table(profit, {MARKUP: {"price": 5.0}}, base={"price": 8.0}),
    "TwoWayTable": lambda: roi.two_way_table(profit, rows=("price", [5.0, 8.0]), columns=("volume", [1.0, 2.0])),
    "BreakEven": lambda: roi.break_even(profit, "price", low=0.0, high=10.0, base={}),
    "SimulatedRoi": lambda: roi.simulate_roi(
        profit, {"price": triangular(5, 8, 9)}, rng=np.random.default_rng(1), n_draws=200
    ),
    "InternalRates": lambda: crmvalue.internal_rates_of_return([-100, 39, 59, 55, 20]),
    "BeforeAfter": lambda: crmvalue.before_after(
        units(), outcome="y", before=("2023-01-01", "2023-12-31"), after=("2024-01-02", "2024-12-31"), unit="unit",
        by="arm",
    ),
    "DifferenceInDifferences": lambda: crmvalue.difference_in_differences(
        units(), outcome="y", treated="treated", start=2, unit="unit"
    ),
    "ExperimentEffect": lambda: crmvalue.experiment_effect(units(), outcome="y", arm="arm", control="a", unit="unit"),
    "ExperimentPlan": lambda: crmvalue.experiment_size(1.0, sd=5.0),
    "EffectComparison": lambda: crmvalue.compare_effects({MARKUP: MADE["ExperimentEffect"]()}),
    "InterruptedSeries": lambda: crmvalue.interrupted_series(
        pd.DataFrame({"period": range(30), "y": np.random.default_rng(2).normal(10, 1, 30)}), outcome="y", start=20
    ),
    "UpliftDepth": lambda: crmvalue.uplift_depth(
        units(), score="score", outcome="y", treated="treated", margin=0.4, contact_cost=0.1
    ),
    "IncrementalProfit": lambda: crmvalue.incremental_profit(MADE["ExperimentEffect"](), margin=0.4, cost=5.0),
    "Levers": lambda: crmvalue.retention_lever(FIRM, margin=0.4, discount_rate=0.1),
    "BudgetPlan": lambda: crmvalue.allocate_budget(
        CURVES, 100.0, current={"mail": 50.0, MARKUP: 50.0}, margin=0.4
    ),
    "ResponseCurves": lambda: crmvalue.fit_response_curves(spending(), spend="spend", result="result"),
}  # fmt: skip
PARTS = {  # of a result, or what goes into one; no result of their own
    "LedgerAudit", "BenefitAudit", "CostTaxonomy", "Distribution", "Estimate", "GroupChange", "ArmEffect",
    "CustomerBase", "ResponseCurve",
}  # fmt: skip
FOLDERS = ("costing", "returns", "risk", "effects", "finance", "roi")


def public_results() -> set[str]:
    """Names of the public records that are defined in these folders."""
    found = (getattr(crmvalue, name) for name in crmvalue.__all__)
    return {
        each.__name__
        for each in found
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__.split(".")[1] in FOLDERS
    }


def test_the_contract_holds_every_public_result():
    assert public_results() - PARTS == set(MADE)


def test_every_record_of_these_folders_is_frozen_and_has_slots():
    for folder in FOLDERS:
        package = importlib.import_module(f"crmvalue.{folder}")
        names = [each.name for each in pkgutil.iter_modules(getattr(package, "__path__", []))]
        for module in [package, *(importlib.import_module(f"crmvalue.{folder}.{name}") for name in names)]:
            for each in vars(module).values():
                if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__:
                    assert each.__dataclass_params__.frozen, each
                    assert "__slots__" in vars(each), each


@pytest.fixture(scope="module", params=sorted(MADE))
def result(request: pytest.FixtureRequest) -> Any:
    return MADE[request.param]()


def test_a_result_is_of_the_class_that_it_stands_for(result, request):
    assert MADE[type(result).__name__]


def test_a_result_turns_into_a_pandas_frame_with_rows(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)


def test_a_result_turns_into_a_dict_that_strict_json_takes(result):
    record = result.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record


def test_a_result_says_its_assumptions_in_words(result):
    said = result.assumptions
    texts = list(said.values()) if isinstance(said, dict) or hasattr(said, "values") else list(said)
    assert texts
    assert all(isinstance(text, str) and text for text in texts)
    if isinstance(said, tuple):
        assert all(text.endswith(".") and " " in text for text in said), said
        assert list(said) == result.to_dict()["assumptions"] or not isinstance(
            result.to_dict().get("assumptions"), list
        )


def test_a_result_shows_a_table_in_a_notebook_that_lets_no_markup_through(result):
    html = result._repr_html_()
    assert html.count("<table>") >= 2  # the fields, and rows
    assert "<script>" not in html
    assert "assumptions" in html
    text = repr(result)
    assert text.startswith(f"<{type(result).__name__}>\n")
    assert max(map(len, text.splitlines())) < 150


@pytest.mark.parametrize("name", ["Ledger", "CostBreakdown", "CustomerProfit", "ReturnOnInvestment", "Benefits"])
def test_looking_at_a_result_of_a_lazy_frame_runs_no_query(name, monkeypatch):
    import polars as pl

    frames = {"ORDERS": ORDERS, "LINES": LINES, "BENEFITS": BENEFITS}
    for key, frame in frames.items():
        monkeypatch.setitem(globals(), key, pl.from_pandas(frame).lazy())
    found = MADE[name]()
    lazy = [field.name for field in dataclasses.fields(found) if isinstance(getattr(found, field.name), pl.LazyFrame)]
    assert lazy
    stopped = {
        field: getattr(found, field).map_batches(lambda frame: pytest.fail("a query ran"), schema=None)
        for field in lazy
    }
    shown = dataclasses.replace(found, **stopped)
    assert "lazy" in shown._repr_html_()
    assert "polars, lazy" in repr(shown)
