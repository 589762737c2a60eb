"""The analysis behind a report: it agrees with the library, and says why a part is missing."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmvalue.clv import customer_value
from crmvalue.errors import InputError
from crmvalue.reporting.analysis import STEPS, Analysis, analyse_customers
from crmvalue.reporting.contents import report_contents
from crmvalue.reporting.results import Missing, ReportSettings
from crmvalue.reporting.steps import sum_by_segment


def test_each_step_is_named_once_in_order(orders: pd.DataFrame) -> None:
    said: list[str] = []
    analyse_customers(orders, next_step=said.append)
    assert said == list(STEPS)


def test_the_segments_add_up_to_the_customers_and_to_the_value(analysis: Analysis) -> None:
    assert not isinstance(analysis.value, Missing)
    parts = sum_by_segment(analysis.segments, analysis.value)
    assert parts.customers.sum() == analysis.profile.n_customers == analysis.value.n
    assert parts.value.sum() == pytest.approx(analysis.value.total, rel=1e-12)


def test_the_return_is_margin_times_revenue_against_the_ledger(
    analysis: Analysis, orders: pd.DataFrame, ledger: pd.DataFrame
) -> None:
    assert not isinstance(analysis.roi, Missing)
    contribution, cost = 0.3 * orders["amount"].sum(), ledger["amount"].sum()
    assert analysis.roi.total_benefit == pytest.approx(contribution, rel=1e-12)
    assert analysis.roi.roi == pytest.approx((contribution - cost) / cost, rel=1e-12)


def test_the_interval_of_the_value_agrees_with_draws_of_the_parameters(analysis: Analysis) -> None:
    fits = (analysis.purchases_fit, analysis.spend_fit)
    assert not any(isinstance(fit, Missing) for fit in fits)
    rng = np.random.default_rng(1)
    totals = []
    draws = [rng.multivariate_normal(np.log(fit.params), fit.log_covariance, 150) for fit in fits]
    for rows in zip(*draws, strict=True):
        moved = [replace(fit, params=fit.model.Params(*np.exp(row))) for fit, row in zip(fits, rows, strict=True)]
        value = analysis.value
        kept = {"horizon": value.horizon, "discount_rate": value.discount_rate, "margin": value.margin}
        totals.append(customer_value(analysis.summary, *moved, **kept).total)
    spread = np.std(np.log(totals))  # of 150 draws: its own error is 1 / sqrt(300), 6 %
    interval = analysis.value_interval
    assert np.log(interval.high / interval.low) == pytest.approx(2 * 1.96 * spread, rel=0.2)
    assert interval.low < analysis.value.total < interval.high


def test_the_holdout_check_counts_the_purchase_days_of_the_last_third(analysis: Analysis, orders: pd.DataFrame) -> None:
    check = analysis.holdout
    assert not isinstance(check, Missing)
    cut = pd.Timestamp(check.calibration_end)
    known = orders.loc[orders["date"] <= cut, "customer_id"].unique()
    later = orders[(orders["date"] > cut) & orders["customer_id"].isin(known)]
    assert check.actual.sum() == len(later.drop_duplicates(["customer_id", "date"]))
    assert check.customers.sum() == len(known)
    assert check.error == pytest.approx(0, abs=0.25)  # the data come from the model: a third of 600 customers


def test_probabilities_are_those_of_the_customers_who_came_back(analysis: Analysis, orders: pd.DataFrame) -> None:
    days = orders.drop_duplicates(["customer_id", "date"]).groupby("customer_id").size()
    assert len(analysis.alive.probability) == (days > 1).sum()
    assert analysis.alive.n_without_repeat == (days == 1).sum()


def test_without_a_ledger_the_costs_say_how_to_add_one(orders: pd.DataFrame) -> None:
    result = analyse_customers(orders)
    for part in (result.costs, result.monthly_costs, result.ledger, result.roi):
        assert isinstance(part, Missing)
        assert "--costs" in part.reason


def test_customers_who_all_bought_once_leave_the_forecast_out_and_say_why() -> None:
    once = pd.DataFrame({"customer_id": range(200), "date": pd.date_range("2023-01-01", periods=200), "amount": 10.0})
    result = analyse_customers(once)
    for part in (
        result.purchases_fit,
        result.spend_fit,
        result.value,
        result.value_interval,
        result.alive,
        result.holdout,
    ):
        assert isinstance(part, Missing)
    assert "bought twice" in result.purchases_fit.reason
    assert result.profile.n_customers == 200


def test_a_table_of_customers_has_one_row_each_with_segment_and_value(analysis: Analysis) -> None:
    tables = analysis.tables()
    customers = tables["customers"]
    assert customers["customer_id"].is_unique
    assert customers["value"].sum() == pytest.approx(analysis.value.total, rel=1e-12)
    assert {"segment", "rfm", "T", "probability_alive"} <= set(customers.columns)
    assert {"audit", "segments", "churn", "retention", "costs", "cash_flow", "return"} <= set(tables)


@pytest.mark.parametrize(
    ("choice", "argument"),
    [({"margin": 2.0}, "margin"), ({"margin": 0.0}, "margin"), ({"discount_rate": -1.0}, "discount_rate")],
)
def test_a_setting_out_of_its_range_is_refused_before_any_work(choice: dict[str, float], argument: str) -> None:
    with pytest.raises(InputError, match=f"^{argument}: got"):
        analyse_customers(None, settings=ReportSettings(**choice))


def test_a_bad_ledger_is_an_error_not_a_missing_section(orders: pd.DataFrame, ledger: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="unknown name 'staf'"):
        analyse_customers(orders, ledger.assign(category="staf"))


@pytest.mark.parametrize("engine", ["polars", "pyarrow", "duckdb"])
def test_another_engine_gives_the_same_report(
    engine: str, orders: pd.DataFrame, ledger: pd.DataFrame, analysis: Analysis
) -> None:
    import pyarrow as pa

    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in (orders, ledger)]
    if engine == "polars":
        tables = [pl.from_arrow(table) for table in tables]
    if engine == "duckdb":
        tables = [duckdb.connect().from_arrow(table) for table in tables]
    other = analyse_customers(*tables, analysis.settings)
    assert other.value.total == pytest.approx(analysis.value.total, rel=1e-9)
    assert other.holdout.actual.tolist() == analysis.holdout.actual.tolist()
    assert other.roi.roi == pytest.approx(analysis.roi.roi, rel=1e-12)
    assert report_contents(other).lead == report_contents(analysis).lead
    assert set(other.tables()) == set(analysis.tables())
