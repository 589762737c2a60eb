"""One contract for all results about customers: frame, dict, and a table that lets no markup through."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crmvalue as crm

MARKUP = "<script>alert(1)</script>"
FOLDERS = ("segments", "retention", "value", "audit")
RANDOM = np.random.default_rng(7)
DAYS = pd.Timestamp("2023-01-01") + pd.to_timedelta(RANDOM.integers(0, 700, 600), unit="D")
ORDERS = pd.DataFrame({"customer_id": RANDOM.integers(0, 90, 600), "date": DAYS, "amount": RANDOM.gamma(2, 20, 600)})
ORDERS["region"] = np.where(ORDERS["customer_id"] % 2, MARKUP, "south")
CHECKED = crm.prepare_transactions(ORDERS, keep=["region"])
SUMMARY = crm.summarize_customers(CHECKED, time_unit="week")
PLANS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", MARKUP, "dan"],
        "start": ["2023-01-01", "2023-02-01", "2023-03-01", "2023-03-15"],
        "end": ["2023-05-31", None, "2023-04-30", "2024-01-31"],
        "amount": [10.0, 20.0, 5.0, 8.0],
        "plan": ["x", "x", "y", MARKUP],
    }
)
SEGMENTS = crm.segment_customers(crm.score_rfm(SUMMARY))
CONTRACTS = crm.prepare_contracts(PLANS, amount="amount", keep=["plan"])
LIFETIMES = crm.contract_lifetimes(CONTRACTS, observation_end="2023-12-31")
WORTH = pd.DataFrame({"customer_id": ["ann", MARKUP], "contribution": [50.0, -5.0]})
ANSWERS = pd.DataFrame(
    {name: [7.0, 8.0] for name in ("product", "service", "staff", "image", "money", "time", "effort")}
)

MADE: dict[str, Callable[[], Any]] = {
    "RfmScores": lambda: crm.score_rfm(SUMMARY),
    "Segments": lambda: SEGMENTS,
    "SegmentProfile": lambda: crm.segment_profile(SEGMENTS),
    "SalesProfile": lambda: crm.sales_profile(CHECKED, by="region"),
    "ValueTiers": lambda: crm.value_tiers(SUMMARY),
    "Concentration": lambda: crm.concentration(SUMMARY),
    "SegmentMigration": lambda: crm.segment_migration(SEGMENTS, SEGMENTS),
    "LifecycleStages": lambda: crm.lifecycle_stage(CHECKED),
    "CustomerClusters": lambda: crm.cluster_customers(SUMMARY, rng=1, n_clusters=2, n_bootstrap=2),
    "ChurnRates": lambda: crm.churn_rates(CHECKED, by="region"),
    "RetentionTable": lambda: crm.retention_table(CHECKED, period="quarter"),
    "PurchaseTiming": lambda: crm.purchase_timing(CHECKED),
    "Contracts": lambda: CONTRACTS,
    "ContractAudit": lambda: CONTRACTS.audit,
    "ContractChurn": lambda: crm.contract_churn_rates(CONTRACTS, by="plan", observation_end="2023-12-31"),
    "SurvivorRates": lambda: crm.survivor_rates([1000, 631, 468, 382, 326]),
    "RetentionCurve": lambda: crm.retention_curve(LIFETIMES, by="plan"),
    "RevenueBridge": lambda: crm.revenue_bridge(CHECKED, by="region"),
    "ChurnRisk": lambda: crm.churn_risk(SUMMARY, crm.fit_purchases(SUMMARY, crm.BG_NBD), horizon=52),
    "RiskBacktest": lambda: crm.risk_backtest(CHECKED, calibration_end="2024-03-31"),
    "CustomerBaseAudit": lambda: crm.customer_base_audit(CHECKED),
    "CustomerWorth": lambda: crm.customer_worth(WORTH),
    "DeliveredValue": lambda: crm.delivered_value(ANSWERS),
}
PARTS = {"SegmentRule", "RfmThresholds", "NestedThresholds", "LogRank"}  # of a result, or what goes into one


def test_the_contract_holds_every_public_result_about_customers():
    found = (getattr(crm, name) for name in crm.__all__)
    public = {
        each.__name__
        for each in found
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__.split(".")[1] in FOLDERS
    }
    assert public - PARTS == set(MADE)


@pytest.fixture(scope="module", params=sorted(MADE))
def result(request: pytest.FixtureRequest) -> Any:
    found = MADE[request.param]()
    assert type(found).__name__ == request.param
    return found


def test_a_result_turns_into_a_pandas_frame_with_rows(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)


def test_a_result_turns_into_a_dict_that_strict_json_takes(result):
    record = result.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert set(record) >= {field.name for field in dataclasses.fields(result)}


def test_a_backtest_names_its_model_and_parameters():
    test = MADE["RiskBacktest"]()
    found = test.to_dict()["fit"]
    assert found == {"model": test.fit.model.name, "params": test.fit.params._asdict()}


def test_a_result_shows_a_table_that_lets_no_markup_through(result):
    assert "<table>" in result.to_html() == result._repr_html_()
    assert "<script>" not in result.to_html()
    assert repr(result).startswith(f"<{type(result).__name__}>\n")
