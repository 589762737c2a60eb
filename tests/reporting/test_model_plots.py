"""Plots of what a model says: each draws the numbers of its table on the axes that it was given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmvalue.data.holdout import split_holdout
from crmvalue.data.samples import load_cdnow
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.diagnostics import frequency_fit, history_table, holdout_by_frequency
from crmvalue.models.fit import fit_purchases
from crmvalue.models.tracking_curve import tracking
from crmvalue.reporting.drawing import HEAT
from crmvalue.reporting.model_plots import (
    plot_frequency_fit,
    plot_history_table,
    plot_holdout_by_frequency,
    plot_tracking,
    round_edges,
)


@pytest.fixture(scope="module")
def tables() -> dict:
    """Return the tables of a fit to nine months of the CD shop."""
    orders = prepare_transactions(load_cdnow())
    split = split_holdout(orders, calibration_end="1997-09-30", time_unit="week")
    fit = fit_purchases(split.calibration, BG_NBD)
    return {
        "tracking": tracking(fit, orders),
        "frequency": frequency_fit(fit, split.calibration),
        "holdout": holdout_by_frequency(fit, split),
        "history": history_table(fit, T=39, horizon=52, most=30),
    }


def new_axes(width: float = 8.0) -> Axes:
    return Figure(figsize=(width, 4)).add_subplot()


def heights(ax: Axes) -> list[list[float]]:
    """Return the heights of the bars of each colour."""
    return [[bar.get_height() for bar in container] for container in ax.containers]


@pytest.mark.parametrize("width", [3.5, 9.0])
def test_every_plot_draws_at_any_width_and_returns_its_axes(tables, width):
    for plot, name in [
        (plot_tracking, "tracking"),
        (plot_frequency_fit, "frequency"),
        (plot_holdout_by_frequency, "holdout"),
        (plot_history_table, "history"),
    ]:
        ax = new_axes(width)
        assert plot(tables[name], ax) is ax
        ax.figure.draw_without_rendering()


def test_pictures_side_by_side_keep_their_keys_apart(tables):
    figure = Figure(figsize=(16, 5))
    axes = figure.subplots(1, 2)
    for ax in axes:
        plot_history_table(tables["history"], ax)
    figure.draw_without_rendering()
    left, right = (ax.get_legend().get_window_extent() for ax in axes)
    assert left.x1 < right.x0
    assert right.x0 >= axes[1].get_window_extent().x0


def test_curves_are_those_of_the_table(tables):
    table = tables["tracking"]
    for cumulative, names in [
        (True, ("cumulative_actual", "cumulative_expected")),
        (False, ("actual", "expected")),
    ]:
        ax = plot_tracking(table, new_axes(), cumulative=cumulative, time_unit="week", fitted_until=39)
        for line, name in zip(ax.get_lines()[:2], names, strict=True):
            assert line.get_ydata() == pytest.approx(table[name].to_numpy())
        assert ax.get_lines()[2].get_xdata()[0] == 39


def test_bars_are_those_of_the_table(tables):
    ax = plot_frequency_fit(tables["frequency"], new_axes())
    assert heights(ax)[0] == pytest.approx(tables["frequency"]["observed"].tolist())
    assert heights(ax)[1] == pytest.approx(tables["frequency"]["expected"].tolist())
    assert [label.get_text() for label in ax.get_xticklabels()][-1] == "7+"
    ax = plot_holdout_by_frequency(tables["holdout"], new_axes())
    assert heights(ax)[1] == pytest.approx(tables["holdout"]["expected"].tolist())
    assert [label.get_text() for label in ax.get_xticklabels()][-1] == "7+\n636"


def test_the_heat_map_has_the_colour_of_each_history(tables):
    table = tables["history"]
    for value, top in [("probability_alive", 1.0), ("expected_purchases", float(table["expected_purchases"].max()))]:
        ax = plot_history_table(table, new_axes(), value=value, time_unit="week")
        mesh = ax.collections[0]
        shown = mesh.get_array()
        assert shown.shape == (61, 31)
        assert shown.count() == len(table)
        assert mesh.norm.boundaries[0] == 0
        assert mesh.norm.boundaries[-1] >= top
        cell = table[(table["frequency"] == 10) & np.isclose(table["recency"], 39)][value].item()
        assert shown[60, 10] == pytest.approx(cell)
    with pytest.raises(InputError, match="value: got 'value'"):
        plot_history_table(table, new_axes(), value="value")
    with pytest.raises(InputError, match="column 'observed' is missing"):
        plot_frequency_fit(tables["holdout"], new_axes())
    several = tables["history"].assign(customer_id=tables["history"].index % 2)
    with pytest.raises(InputError, match="table: the histories of several customers. Pass those of one"):
        plot_history_table(several, new_axes())


@pytest.mark.parametrize("top", [1e-7, 0.3, 1.0, 7.3, 29.0, 1234.0])
def test_steps_of_colour_reach_the_top_and_are_not_twice_as_long(top):
    edges = round_edges(top)
    assert len(edges) == len(HEAT) + 1
    assert top <= edges[-1] * (1 + 1e-9) <= 2.5 * top
