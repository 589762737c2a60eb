"""What the report says: its words carry the numbers of the results, and no customer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pandas as pd
import pytest

from crmvalue.reporting.analysis import Analysis, analyse_customers
from crmvalue.reporting.contents import report_contents
from crmvalue.reporting.customer_sections import pooled_retention
from crmvalue.reporting.parts import ReportContents, Section
from crmvalue.reporting.results import Missing, ReportSettings
from crmvalue.reporting.shown import churn_judged, columns, concentration, monthly_stack, retention_shown


@pytest.fixture(scope="module")
def contents(analysis: Analysis) -> ReportContents:
    return report_contents(analysis)


def texts_of(part: object) -> Iterator[str]:
    """Every text of a record, but not of the results that its pictures draw."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from texts_of(item)
    elif is_dataclass(part):
        for field in fields(part):
            if field.name != "source":
                yield from texts_of(getattr(part, field.name))


def section(contents: ReportContents, key: str) -> Section:
    return next(part for part in contents.sections if part.key == key)


def headline(contents: ReportContents, label: str) -> str:
    found = next(line for line in contents.headlines if line.label == label)
    return f"{found.value} {found.words}"


def test_every_section_answers_a_question_or_says_why_not(contents: ReportContents) -> None:
    assert [part.key for part in contents.sections] == [
        *("customers", "value", "leaving", "retention", "costs", "return", "trust")
    ]
    for part in contents.sections:
        assert part.heading.endswith("?")
        assert (part.findings and part.method and part.exhibits) or part.missing


def test_each_picture_has_a_table_behind_it_and_its_content_in_words(contents: ReportContents) -> None:
    exhibits = [exhibit for part in contents.sections for exhibit in part.exhibits]
    assert len({exhibit.key for exhibit in exhibits}) == len(exhibits)
    for exhibit in exhibits:
        assert exhibit.table.rows
        assert all(len(row) == len(exhibit.table.columns) for row in exhibit.table.rows)
        assert exhibit.alt or exhibit.source is None


def test_no_customer_is_named_in_the_report(orders: pd.DataFrame) -> None:
    named = orders.assign(customer_id="client-" + orders["customer_id"])
    said = list(texts_of(report_contents(analyse_customers(named))))
    assert not [text for text in said if "client-" in text]


def test_the_numbers_of_the_first_screen_are_those_of_the_data(
    contents: ReportContents, orders: pd.DataFrame, ledger: pd.DataFrame
) -> None:
    days = orders.drop_duplicates(["customer_id", "date"]).groupby("customer_id")["date"].agg(["size", "max"])
    silent = (orders["date"].max() - days["max"]).dt.days > 180
    assert headline(contents, "Customers").startswith(f"600 {100 * (days['size'] > 1).mean():.0f}% of them")
    assert headline(contents, "Active customers").startswith(f"{(~silent).sum():,} {100 * (~silent).mean():.0f}%")
    assert headline(contents, "Revenue so far").startswith(f"${orders['amount'].sum() / 1000:.1f}k")
    assert headline(contents, "Cost of customer care").startswith(f"${ledger['amount'].sum() / 1000:.2f}k")


def test_uncertain_numbers_come_with_their_interval(contents: ReportContents, analysis: Analysis) -> None:
    assert "95% interval" in headline(contents, "Next 12 months")
    assert "95% interval" in headline(contents, "Lost in a month")
    assert "95% interval" in section(contents, "value").findings[0]


def test_the_return_is_said_not_to_be_causal(contents: ReportContents) -> None:
    assert "no proof of cause" in headline(contents, "Return on that cost")
    assert any("credits every sale to customer care" in text for text in section(contents, "return").findings)


def test_orders_and_costs_of_unequal_times_are_pointed_out(orders: pd.DataFrame, ledger: pd.DataFrame) -> None:
    half = analyse_customers(orders, ledger[ledger["date"] < "2023-01-01"])
    assert "unequal times" in section(report_contents(half), "return").method


def test_a_cost_section_without_a_ledger_says_how_to_add_one(orders: pd.DataFrame) -> None:
    contents = report_contents(analyse_customers(orders))
    assert "--costs" in section(contents, "costs").missing
    assert "--costs" in section(contents, "return").missing


def test_customers_who_all_bought_once_get_a_report_that_says_why_there_is_no_forecast() -> None:
    once = pd.DataFrame({"customer_id": range(200), "date": pd.date_range("2023-01-01", periods=200), "amount": 10.0})
    contents = report_contents(analyse_customers(once))
    assert "bought twice" in section(contents, "value").missing
    assert "no forecast" in section(contents, "trust").missing
    assert section(contents, "customers").findings


def test_a_loss_is_said_as_a_loss(orders: pd.DataFrame, ledger: pd.DataFrame) -> None:
    dear = analyse_customers(orders, ledger.assign(amount=ledger["amount"] * 1000))
    contents = report_contents(dear)
    assert "has not paid" in contents.lead
    assert " less, a return of −" in section(contents, "return").findings[0]


def test_the_first_days_of_silence_cannot_be_judged(analysis: Analysis) -> None:
    judged = churn_judged(analysis.churn)
    periods = columns(analysis.churn.frame, "period")[0]
    assert not judged[periods < periods[0] + np.timedelta64(180, "D")].any()
    assert judged.any()


def test_concentration_of_equal_values_is_the_diagonal_and_of_nothing_is_zero() -> None:
    customers, reached = concentration(np.full(4, 3.0))
    assert reached.tolist() == customers.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert concentration(np.zeros(3))[1].tolist() == [0.0] * 4


def test_pooled_retention_weighs_cohorts_by_size_and_leaves_out_the_young_ones() -> None:
    shares = np.array([[0.5, 0.2], [0.1, np.nan]])
    assert pooled_retention(np.array([100, 300]), shares) == pytest.approx([(50 + 30) / 400, 0.2])


def test_a_retention_table_shows_complete_months_after_the_first(analysis: Analysis) -> None:
    cohorts, ages, shares = retention_shown(analysis.retention)
    assert ages[0] == 1
    assert shares.shape == (len(cohorts), len(ages))
    assert np.isfinite(shares[0, :5]).all()


def test_the_stack_of_months_adds_up_to_the_ledger(analysis: Analysis, ledger: pd.DataFrame) -> None:
    months, names, stack = monthly_stack(analysis.monthly_costs)
    assert stack.sum() == pytest.approx(ledger["amount"].sum())
    assert len(months) == 24
    assert names == ["Staff", "IT"]


def test_notices_and_title_are_those_of_the_settings(analysis: Analysis) -> None:
    chosen = ReportSettings(title="T", notices=("This ledger is made up.",))
    contents = report_contents(replace(analysis, settings=chosen))
    assert (contents.title, contents.notices) == ("T", ("This ledger is made up.",))


def test_without_an_interval_the_report_says_why(analysis):
    text = " ".join(texts_of(report_contents(replace(analysis, value_interval=Missing(reason="it is not known")))))
    assert "There is no interval: it is not known." in text
    assert "(95% interval –" not in text


def test_a_model_at_its_limit_says_so():
    rng = np.random.default_rng(3)
    customer, taste = rng.integers(0, 150, 1500), rng.lognormal(3, 1, 150)
    days = np.datetime64("2024-01-01") + rng.integers(0, 360, 1500)  # all buy alike, and nobody leaves
    spent = np.round(taste[customer] * rng.gamma(5, 0.2, 1500) + 0.01, 2)
    analysis = analyse_customers(pd.DataFrame({"customer_id": customer, "date": days, "amount": spent}))
    assert not isinstance(analysis.value, Missing)
    assert analysis.purchases_fit.health
    text = " ".join(texts_of(report_contents(analysis)))
    assert "Take the forecast with care. " in text
    assert "nan" not in text
