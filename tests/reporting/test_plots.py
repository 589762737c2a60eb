"""The plots: each draws the numbers of its result on the axes that it was given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crmvalue.reporting import plots
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.html import FIGURES
from crmvalue.reporting.shown import churn_judged, columns


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(8, 4)).add_subplot()


def bars(ax: Axes) -> Iterator[Rectangle]:
    return (patch for container in ax.containers for patch in container)


def test_every_plot_returns_the_axes_that_it_was_given(analysis: Analysis) -> None:
    sources = {
        "segments": analysis.profile,
        "concentration": analysis.value,
        "segment-values": analysis.value_by_segment,
        "churn": analysis.churn,
        "alive": analysis.alive,
        "retention": analysis.retention,
        "costs": analysis.costs,
        "monthly-costs": analysis.monthly_costs,
        "cash-flow": analysis.roi,
        "holdout": analysis.holdout,
    }
    assert sources.keys() == FIGURES.keys()
    for key, source in sources.items():
        for width in (3.0, 9.0):
            ax = Figure(figsize=(width, 4)).add_subplot()
            assert FIGURES[key].plot(source, ax) is ax
            ax.figure.draw_without_rendering()


def test_the_bars_of_segments_add_up_to_all_customers_and_all_revenue(analysis: Analysis, ax: Axes) -> None:
    plots.plot_segments(analysis.profile, ax)
    for container in ax.containers:
        assert sum(bar.get_width() for bar in container) == pytest.approx(1)


def test_the_bars_of_cost_are_the_categories_largest_first(analysis: Analysis, ax: Axes) -> None:
    plots.plot_costs(analysis.costs, ax)
    assert [bar.get_width() for bar in bars(ax)] == [24 * 300.0, 24 * 100.5]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Staff", "IT"]


def test_the_cash_flow_shows_benefit_up_cost_down_and_ends_at_the_net(analysis: Analysis, ax: Axes) -> None:
    plots.plot_cash_flow(analysis.roi, ax)
    up, down = ([bar.get_height() for bar in container] for container in ax.containers)
    assert sum(up) == pytest.approx(analysis.roi.total_benefit)
    assert -sum(down) == pytest.approx(analysis.roi.total_cost)
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(analysis.roi.net_benefit)


def test_the_churn_line_has_a_gap_where_it_cannot_be_judged(analysis: Analysis, ax: Axes) -> None:
    plots.plot_churn(analysis.churn, ax)
    drawn = np.asarray(ax.lines[0].get_ydata(), dtype=float)
    judged = churn_judged(analysis.churn)
    assert (np.isfinite(drawn) == judged).all()
    assert drawn[judged] == pytest.approx(columns(analysis.churn.frame, "churn_rate")[0][judged])


def test_the_histogram_counts_every_customer_who_came_back(analysis: Analysis, ax: Axes) -> None:
    plots.plot_alive(analysis.alive, ax)
    assert sum(bar.get_height() for bar in bars(ax)) == len(analysis.alive.probability)


def test_the_heat_map_is_blank_where_time_has_not_come(analysis: Analysis, ax: Axes) -> None:
    plots.plot_retention(analysis.retention, ax)
    cells = ax.collections[0].get_array()
    known = (~np.ma.getmaskarray(cells)).sum(axis=1)
    assert known.tolist() == list(range(known[0], known[0] - len(known), -1))  # each cohort is a month younger


@pytest.mark.parametrize("top", [0.001, 0.0599, 0.06, 0.27, 1.0])
def test_the_levels_of_a_heat_map_hold_all_shares_and_are_whole_percents(top: float) -> None:
    edges = plots.heat_edges(np.array([[0.0, top, np.nan]]))
    assert edges[0] == 0
    assert edges[-1] >= top
    assert (100 * edges) == pytest.approx(np.round(100 * edges))
