"""The plots of churn and of the audit: each draws the numbers of its result on the axes that it was given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crmvalue.audit import customer_base_audit
from crmvalue.churn import churn_risk, purchase_timing, retention_curve, revenue_bridge, risk_backtest
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import prepare_transactions
from crmvalue.reporting import drawing
from crmvalue.reporting import retention_plots as plots


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(8)
    n, customers = 3000, 500
    rate = rng.gamma(1.0, size=customers)
    who = np.searchsorted(np.cumsum(rate) / rate.sum(), rng.random(n))
    date = (np.datetime64("2023-01-01") + rng.integers(0, 730, n)).astype("datetime64[s]")
    return pd.DataFrame({"customer_id": who, "date": date, "amount": rng.integers(1, 200, n) / 4})


@pytest.fixture(scope="module")
def results(rows):
    test = risk_backtest(rows, calibration_end="2024-06-30")
    summary = summarize_customers(rows, time_unit="week", observation_end="2024-06-30")
    lives = pd.DataFrame({"age": np.arange(1.0, 41), "gone": np.arange(40) % 3 > 0, "plan": ["a", "b"] * 20})
    audit = customer_base_audit(rows)
    return {
        "plot_retention_curve": retention_curve(lives, duration="age", has_left="gone", by="plan"),
        "plot_purchase_timing": purchase_timing(
            prepare_transactions(rows.assign(region=rows["customer_id"] % 3), keep=["region"]), by="region"
        ),
        "plot_revenue_bridge": revenue_bridge(rows, period="quarter"),
        "plot_calibration": test,
        "plot_contact_gain": churn_risk(summary, test.fit, horizon=26, contact_cost=0.5, success=0.1),
        **dict.fromkeys(
            ("plot_cohort_stack", "plot_deciles", "plot_drivers", "plot_cohorts_at_age", "plot_cohort_share"), audit
        ),
    }


def axes(width=8.0):
    return Figure(figsize=(width, 4), layout="constrained").add_subplot()


def test_every_plot_returns_the_axes_that_it_was_given_wide_or_narrow(results):
    for name, result in results.items():
        for width in (3.5, 9.0):
            ax = axes(width)
            assert getattr(plots, name)(result, ax) is ax
            ax.figure.draw_without_rendering()


def test_the_waterfall_goes_from_the_revenue_before_to_the_revenue_after(results):
    ax = plots.plot_revenue_bridge(results["plot_revenue_bridge"], axes())
    bars = [bar for container in ax.containers for bar in container]
    last = results["plot_revenue_bridge"].frame.dropna().iloc[-1]
    assert bars[0].get_height() == last["opening"]
    assert bars[5].get_y() + bars[5].get_height() == pytest.approx(last["closing"])
    assert bars[6].get_height() == last["closing"]


def test_the_stack_of_cohorts_is_as_high_as_the_revenue_of_each_period(results):
    audit = results["plot_cohort_stack"]
    ax = plots.plot_cohort_stack(audit, axes())
    heights = sum(np.array([bar.get_height() for bar in container]) for container in ax.containers)
    wanted = audit.base["revenue"][audit.base["is_complete"]]
    np.testing.assert_allclose(heights, wanted)


def test_the_bars_of_the_tenths_add_up_to_all_profit(results):
    ax = plots.plot_deciles(results["plot_deciles"], axes())
    assert sum(bar.get_height() for container in ax.containers for bar in container) == pytest.approx(1)


def test_the_curve_of_gains_is_highest_where_it_is_marked(results):
    ax = plots.plot_contact_gain(results["plot_contact_gain"], axes())
    line, mark = ax.lines[1], ax.lines[2]
    assert mark.get_ydata()[0] == pytest.approx(max(line.get_ydata()))


def test_retention_curves_begin_at_all_customers_and_never_rise(results):
    ax = plots.plot_retention_curve(results["plot_retention_curve"], axes(), unit="months")
    assert len(ax.lines) == 2
    for line in ax.lines:
        assert line.get_ydata()[0] == 1.0
        assert (np.diff(line.get_ydata()) <= 0).all()


def test_returns_are_drawn_for_all_customers_or_for_each_group(rows, results):
    every = plots.plot_purchase_timing(purchase_timing(rows), axes())
    assert [line.get_label() for line in every.lines] == ["After any purchase", "After the first"]
    grouped = plots.plot_purchase_timing(results["plot_purchase_timing"], axes())
    for line, group in zip(grouped.lines, (0, 1, 2), strict=True):
        second = results["plot_purchase_timing"].second
        wanted = second["share_returned"][second["region"] == group]
        assert line.get_ydata()[1:].tolist() == wanted.tolist()


def test_a_bridge_without_a_complete_period_says_so(rows):
    short = rows[rows["date"] < "2023-02-10"]
    ax = plots.plot_revenue_bridge(revenue_bridge(short), axes())
    assert [text.get_text() for text in ax.texts] == ["No period is complete"]


def test_the_audit_is_one_page_with_its_five_sentences(results):
    audit = results["plot_deciles"]
    figure = plots.plot_audit(audit, Figure(figsize=(12, 14), layout="constrained"))
    figure.draw_without_rendering()
    words = " ".join(text.get_text() for part in figure.subfigs for ax in part.axes for text in ax.texts)
    said = " ".join(words.split())
    assert all(sentence in said for sentence in audit.sentences)


def test_the_audit_speaks_of_revenue_where_all_of_it_is_kept(rows):
    figures = [Figure(figsize=(12, 15)) for _ in range(2)]
    for figure, margin in zip(figures, (1.0, 0.3), strict=True):
        plots.plot_audit(customer_base_audit(rows, period="quarter", margin=margin), figure)
        figure.draw_without_rendering()
    drivers = [[label.get_text() for label in figure.subfigs[1].axes[0].get_yticklabels()] for figure in figures]
    assert [figure.subfigs[0].get_suptitle()[3:] for figure in figures] == [
        "Who brings the revenue",
        "Who brings the profit",
    ]
    assert [figure.subfigs[0].axes[0].get_ylabel() for figure in figures] == ["Share of revenue", "Share of profit"]
    assert drivers[1] == [*drivers[0], "Margin"]


def test_no_key_of_the_audit_lies_over_a_title(rows):
    figure = plots.plot_audit(customer_base_audit(rows, period="month"), Figure(figsize=(12, 15)))
    figure.draw_without_rendering()
    for part in figure.subfigs[3:5]:
        title, key = part._suptitle, part.axes[0].get_legend()
        assert not title.get_window_extent().overlaps(key.get_window_extent())


def test_the_periods_of_the_stack_are_named_as_in_its_key(rows):
    ax = plots.plot_cohort_stack(customer_base_audit(rows, period="quarter"), axes())
    ticks = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert ticks
    assert set(ticks) <= {f"{year} Q{quarter}" for year in (2022, 2023, 2024) for quarter in (1, 2, 3, 4)}


@pytest.mark.parametrize("top", [0.9, 1.3, 2.2, 3.1, 7.0])
def test_amounts_on_an_axis_are_the_numbers_at_their_ticks(top):
    ax = axes()
    ax.bar([0], [top * 1e6])
    drawing.money_axis(ax.yaxis)
    ax.figure.draw_without_rendering()
    said = [float(t.get_text().rstrip("Mk")) * (1e6 if "M" in t.get_text() else 1e3) for t in ax.get_yticklabels()]
    assert said == pytest.approx(ax.get_yticks().tolist())


def test_a_factor_that_stayed_as_it_was_is_drawn_as_nothing(rows):
    audit = customer_base_audit(rows, period="quarter", margin=0.3)  # revenue and profit are rounded apart
    ax = plots.plot_drivers(audit, axes())
    assert ax.texts[3].get_text() == "0"
    assert ax.patches[3].get_width() == 0
