"""Results show what they hold, run no query for it, and let no markup through."""

from __future__ import annotations

import pandas as pd
import pytest

import crmvalue

ROWS = pd.DataFrame(
    {"customer_id": ["<script>alert(1)</script>", "b"], "date": ["2024-01-01", "2024-01-09"], "amount": [1234.5, 20.0]}
)


def test_a_result_names_each_of_its_fields_in_a_line():
    text = repr(crmvalue.summarize_customers(ROWS, time_unit="week"))
    assert text.startswith("<CustomerSummary>\n")
    assert "pandas, 2 rows: customer_id, frequency" in text
    assert "time_unit        week" in text
    assert "observation_end  2024-01-09" in text


def test_markup_in_a_customer_id_comes_out_harmless():
    html = crmvalue.summarize_customers(ROWS)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "1,234.50" in html


def test_looking_at_a_lazy_result_runs_no_query():
    import polars as pl

    def refuse(_: object) -> None:
        pytest.fail("a query ran")

    summary = crmvalue.summarize_customers(pl.from_pandas(ROWS).lazy())
    lazy = summary.frame.with_columns(pl.col("purchases").map_batches(refuse, return_dtype=pl.Int64))
    shown = crmvalue.CustomerSummary(frame=lazy, time_unit="day", observation_end=summary.observation_end)
    assert "polars, lazy: customer_id" in repr(shown)
    assert "first rows" not in shown._repr_html_()


def test_every_public_result_shows_itself_briefly():
    orders = crmvalue.load_cdnow().head(3_000)
    summary = crmvalue.summarize_customers(orders)
    scores = crmvalue.score_rfm(summary)
    for result in (
        crmvalue.prepare_transactions(orders),
        summary,
        scores,
        crmvalue.segment_customers(scores),
        crmvalue.churn_rates(orders, inactive_after=90),
        crmvalue.retention_table(orders),
        crmvalue.return_on_investment(orders, crmvalue.demo_ledger(), discount_rate=0.1, start="1997-01-01"),
    ):
        assert max(len(line) for line in repr(result).splitlines()) < 140


def test_missing_values_of_a_nullable_column_show_as_a_dash():
    lines = pd.DataFrame({"date": "2024-01-31", "category": "it", "amount": [1.0, 2.0]})
    lines["customer_id"] = pd.array([7, None], dtype="Int64")
    html = crmvalue.prepare_ledger(lines, customer_id="customer_id")._repr_html_()
    assert "<td>7</td>" in html
    assert "<td>–</td>" in html


def test_a_few_numbers_are_shown_and_many_counted():
    assert "rates            0.1, 0.2" in repr(crmvalue.internal_rates_of_return([-1000, 2300, -1320]))
    assert "retention  0.631, 0.74168, 0.816239, 0.853403" in repr(crmvalue.survivor_rates([1000, 631, 468, 382, 326]))
    assert "survivors  array of shape (8,)" in repr(crmvalue.survivor_rates(range(8, 0, -1)))


def test_parts_are_named_by_labels_of_any_type():
    arms = pd.DataFrame({"arm": [0, 0, 1, 1], "spend": [7.0, 9.0, 10.0, 14.0]})
    found = crmvalue.experiment_effect(arms, outcome="spend", control=0)
    assert "1: effect 4 (" in repr(found)
    assert "audit                <BenefitAudit>" in repr(
        crmvalue.prepare_benefits(
            pd.DataFrame({"date": ["2024-01-31"], "amount": 1.0, "mechanism": "price"}), kind=None
        )
    )
