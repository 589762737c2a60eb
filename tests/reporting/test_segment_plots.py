"""Pictures of segments: each draws the numbers of its result on the axes that it was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmvalue.errors import InputError
from crmvalue.reporting import segment_plots as plots
from crmvalue.reporting.placing import spread_out, tiles
from crmvalue.segmentation import (
    cluster_customers,
    concentration,
    lifecycle_stage,
    score_rfm,
    segment_customers,
    segment_migration,
    segment_profile,
    value_tiers,
)

RNG = np.random.default_rng(6)
SUMMARY = pd.DataFrame(
    {
        "customer_id": range(200),
        "days_since_last": RNG.integers(0, 400, 200),
        "purchases": RNG.geometric(0.4, 200),
        "total_spend": np.round(RNG.gamma(0.6, 90, 200), 2),
        "profit": np.round(RNG.normal(5, 20, 200), 2),
    }
)
SALES = pd.DataFrame(
    {
        "customer_id": RNG.integers(0, 30, 120),
        "date": np.datetime64("2024-01-01") + RNG.integers(0, 300, 120),
        "amount": 5.0,
    }
)


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(8, 4)).add_subplot()


def test_every_plot_returns_the_axes_that_it_was_given() -> None:
    scores = score_rfm(SUMMARY)
    segments = segment_customers(scores)
    moved = segment_migration(segments, segment_customers(score_rfm(SUMMARY[50:])))
    drawn = [
        (plots.plot_score_map, scores),
        (plots.plot_segment_map, segment_profile(segments)),
        (plots.plot_lorenz, concentration(SUMMARY)),
        (plots.plot_lorenz, concentration(SUMMARY.assign(total_spend=-1.0))),
        (plots.plot_whale, concentration(SUMMARY, column="profit")),
        (plots.plot_whale, concentration(SUMMARY.assign(total_spend=-1.0))),
        (plots.plot_migration, moved),
        (plots.plot_migration_flow, moved),
        (plots.plot_migration_flow, segment_migration(segments, segments)),
        (plots.plot_tiers, value_tiers(SUMMARY)),
        (plots.plot_tiers, value_tiers(SUMMARY.assign(total_spend=-1.0))),
        (plots.plot_stages, lifecycle_stage(SALES)),
        (plots.plot_clusters, cluster_customers(SUMMARY, n_clusters=3, n_bootstrap=1, rng=0)),
    ]
    for plot, source in drawn:
        for width in (3.0, 9.0):
            ax = Figure(figsize=(width, 4)).add_subplot()
            assert plot(source, ax) is ax
            ax.figure.draw_without_rendering()


def test_the_numbers_in_the_score_map_add_up_to_all_customers(ax: Axes) -> None:
    plots.plot_score_map(score_rfm(SUMMARY), ax)
    assert sum(int(text.get_text().replace(",", "")) for text in ax.texts) == 200
    with pytest.raises(InputError, match="30 bins cannot be read"):
        plots.plot_score_map(score_rfm(SUMMARY, bins=30), ax)


def test_the_tiles_of_a_segment_map_are_as_large_as_their_shares(ax: Axes) -> None:
    profile = segment_profile(segment_customers(score_rfm(SUMMARY)))
    plots.plot_segment_map(profile, ax)
    areas = [bar.get_width() * bar.get_height() / 2 for container in ax.containers for bar in container]
    shares = profile.frame["revenue_share"].sort_values(ascending=False)
    assert areas == pytest.approx(shares[shares > 0].tolist())


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
@settings(deadline=None)
def test_tiles_fill_the_picture_and_never_overlap(sizes: list[int]) -> None:
    shares = np.sort(np.array(sizes) / sum(sizes))[::-1]
    placed = np.array(tiles(shares, 2.0, 1.0))
    left, bottom, width, height = placed.T
    assert width * height == pytest.approx(2 * shares)
    assert left.min() >= 0
    assert bottom.min() >= 0
    assert (left + width).max() == pytest.approx(2.0)
    assert (bottom + height).max() == pytest.approx(1.0)
    for first in range(len(placed)):
        for second in range(first):
            aside = min(left[first] + width[first], left[second] + width[second]) - max(left[first], left[second])
            above = min(bottom[first] + height[first], bottom[second] + height[second]) - max(
                bottom[first], bottom[second]
            )
            assert min(aside, above) <= 1e-9


def test_the_whale_ends_at_all_value_and_its_top_is_marked(ax: Axes) -> None:
    result = concentration(SUMMARY, column="profit")
    plots.plot_whale(result, ax)
    curve = ax.lines[1].get_ydata()
    assert curve[-1] == pytest.approx(1)
    assert ax.lines[2].get_ydata()[0] == pytest.approx(max(curve))
    gains = SUMMARY["profit"].clip(lower=0).sum() / SUMMARY["profit"].sum()
    assert max(curve) == pytest.approx(gains)


def test_a_whale_that_hardly_rises_above_all_value_has_no_mark(ax: Axes) -> None:
    nearly = pd.DataFrame({"customer_id": range(400), "total_spend": [50.0] * 399 + [-10.0]})
    plots.plot_whale(concentration(nearly), ax)
    assert len(ax.lines) == 2
    assert not ax.texts


def test_the_map_of_movement_shows_only_segments_with_customers(ax: Axes) -> None:
    segments = segment_customers(score_rfm(SUMMARY))
    moved = segment_migration(segments, segments)
    plots.plot_migration(moved, ax)
    assert "(new)" not in " ".join(label.get_text() for label in ax.get_yticklabels())
    assert {text.get_text() for text in ax.texts} == {"100"}  # nobody moved


def test_each_flow_is_as_wide_as_its_customers_and_fills_the_bars_that_it_joins(ax: Axes) -> None:
    before = pd.DataFrame({"customer_id": range(10), "segment": ["A"] * 6 + ["B"] * 4, "total_spend": 1.0})
    after = before.iloc[2:].assign(segment=["A"] * 2 + ["B"] * 6)
    after = pd.concat([after, pd.DataFrame({"customer_id": [90, 91, 92], "segment": "B", "total_spend": 1.0})])
    plots.plot_migration_flow(segment_migration(before, after), ax)
    spans = []
    for band in ax.collections:
        x, y = band.get_paths()[0].vertices.T
        sides = [y[x == side] for side in (0.0, 1.0)]
        width = [side.max() - side.min() for side in sides]
        assert width[0] == pytest.approx(width[1])
        spans.append((band.get_label(), round(width[0], 6), sides[0].min(), sides[1].min()))
    # A to A, A to B, A gone, B to B, new to B; both who left were in A
    assert [span[:2] for span in spans] == [("Stayed", 2), ("Moved", 2), ("Gone", 2), ("Stayed", 4), ("Came", 3)]
    bars = [(bar.get_y(), bar.get_height()) for container in ax.containers for bar in container]
    assert [height for _, height in bars] == [6, 4, 3, 2, 9, 2]
    assert [span[2] for span in spans[:3]] == pytest.approx([bars[0][0], bars[0][0] + 2, bars[0][0] + 4])
    assert [spans[k][3] for k in (1, 3, 4)] == pytest.approx([bars[4][0], bars[4][0] + 2, bars[4][0] + 6])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=15))
@settings(deadline=None)
def test_labels_keep_their_order_and_distance_and_stay_inside(places: list[float]) -> None:
    gap, most = 6.0, 100.0
    placed = spread_out(np.sort(places), gap, most)
    assert (np.diff(placed) >= gap - 1e-9).all()
    assert placed[-1] <= most - gap / 2 + 1e-9


def test_the_bars_of_stages_add_up_to_all_customers(ax: Axes) -> None:
    stages = lifecycle_stage(SALES)
    plots.plot_stages(stages, ax)
    assert sum(bar.get_width() for container in ax.containers for bar in container) == stages.n_customers
