"""Plots of a decision: each draws the numbers of its result on the axes that it was given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmvalue.reporting.roi_plots import histogram_edges, plot_simulated_roi, plot_tornado, plot_yearly_cash_flow
from crmvalue.roi import normal, return_on_investment, sensitivity, simulate_roi


@pytest.fixture(params=[3.0, 9.0])
def ax(request: pytest.FixtureRequest) -> Axes:
    return Figure(figsize=(request.param, 4)).add_subplot()


def test_the_cash_flow_by_year_shows_benefit_up_cost_down_and_ends_at_the_net(ax: Axes) -> None:
    benefits = pd.DataFrame({"date": ["2024-06-01", "2025-06-01"], "amount": [60.0, 65.0]})
    roi = return_on_investment(benefits, pd.DataFrame({"date": ["2024-01-01"], "amount": [100.0]}), discount_rate=0.1)
    assert plot_yearly_cash_flow(roi, ax, currency="$") is ax
    ax.figure.draw_without_rendering()
    up, down = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert up == [0.0, 60.0, 65.0]
    assert down == [-100.0, 0.0, 0.0]
    assert ax.lines[0].get_ydata()[-1] == roi.net_benefit
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Start", "Year 1", "Year 2"]


def test_a_tornado_reaches_from_the_outcome_at_the_low_to_that_at_the_high(ax: Axes) -> None:
    ranges = {"price": (8, 10, 12), "cost": (5, 6, 11), "fee": (1, 1, 1)}
    found = sensitivity(lambda price, cost, fee: price - cost - fee, ranges)
    assert plot_tornado(found, ax, unit="$") is ax
    ax.figure.draw_without_rendering()
    low, high = ([bar.get_x() + bar.get_width() for bar in bars] for bars in ax.containers)
    assert low == pytest.approx(found.at_low)
    assert high == pytest.approx(found.at_high)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cost", "price", "fee"]


def test_a_histogram_holds_every_draw_and_colours_the_losses(ax: Axes) -> None:
    found = simulate_roi(lambda x: x, {"x": normal(0.1, 0.2)}, rng=np.random.default_rng(1), n_draws=20_000)
    assert plot_simulated_roi(found, ax, unit="%") is ax
    ax.figure.draw_without_rendering()
    lost, paid = (sum(bar.get_height() for bar in bars) for bars in ax.containers)
    assert lost == pytest.approx((found.outcome < 0).mean())
    assert paid == pytest.approx(found.chance_it_pays)
    assert "Loses" in ax.get_legend().get_texts()[0].get_text()


@pytest.mark.parametrize("outcome", [np.zeros(100), np.full(100, -3.0), np.linspace(-1, 1, 100)])
def test_zero_is_an_edge_of_the_bins_where_it_is_among_them(outcome: np.ndarray) -> None:
    edges = histogram_edges(outcome)
    assert edges[0] <= outcome.min() + 0.01
    assert edges[-1] >= outcome.max() - 0.01
    if edges[0] < 0 < edges[-1]:
        assert np.abs(edges).min() == 0


def test_a_simulation_that_cannot_lose_is_drawn(ax: Axes) -> None:
    found = simulate_roi(lambda x: 5.0, {"x": normal(0, 1)}, rng=np.random.default_rng(1), n_draws=1_000)
    plot_simulated_roi(found, ax, unit="$")
    ax.figure.draw_without_rendering()
