"""The pictures of effects: each draws the numbers of its result on the axes that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmvalue.effects.budget import allocate_budget
from crmvalue.effects.comparison import before_after
from crmvalue.effects.customer_base import CustomerBase
from crmvalue.effects.differences import difference_in_differences
from crmvalue.effects.estimate import estimate
from crmvalue.effects.experiment import experiment_effect
from crmvalue.effects.levers import retention_lever
from crmvalue.effects.response import fit_response_curves
from crmvalue.effects.series import interrupted_series
from crmvalue.effects.several import compare_effects
from crmvalue.effects.uplift import uplift_depth
from crmvalue.reporting import drawing
from crmvalue.reporting import effect_plots as plots


def customers() -> pd.DataFrame:
    """Return customers in three arms, with spend in four months."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"customer_id": np.repeat(np.arange(90), 4), "month": np.tile(np.arange(4), 90)})
    frame["arm"] = np.array(["none", "mail", "phone"])[frame.customer_id % 3]
    frame["mailed"] = (frame.arm == "mail").astype(int)
    frame["score"] = frame.customer_id % 10
    frame["spend"] = 10 + 2 * frame.mailed * (frame.month >= 2) + rng.normal(0, 1, len(frame))
    frame["date"] = np.array(["2023-01-05", "2023-02-05", "2024-01-05", "2024-02-05"])[frame.month]
    return frame


def experiment() -> Any:
    return experiment_effect(customers(), outcome="spend", control="none", unit="customer_id")


def comparison() -> Any:
    windows: dict[str, Any] = {"before": ("2023-01-01", "2023-02-28"), "after": ("2024-01-01", "2024-02-28")}
    return before_after(customers(), outcome="spend", by="arm", **windows)


def several() -> Any:
    values = {"spring": 0.4, "summer": 4.0, "autumn": 2.2}  # the last one would stand alone
    known: dict[str, Any] = {"df": np.inf, "confidence": 0.95, "units": 1, "per": "customer"}
    return compare_effects({name: estimate(value, 1.0, **known) for name, value in values.items()})


def panel() -> Any:
    return difference_in_differences(customers(), outcome="spend", treated="mailed", start=2, time="month")


def series() -> Any:
    rng = np.random.default_rng(2)
    months = pd.date_range("2022-01-01", periods=24, freq="MS")
    return interrupted_series(
        pd.DataFrame({"period": months, "sales": rng.normal(50, 2, 24)}), outcome="sales", start="2023-06-01"
    )


def uplift() -> Any:
    columns = {"score": "score", "outcome": "spend", "treated": "mailed"}
    return uplift_depth(customers(), **columns, margin=0.5, contact_cost=0.1)


def curves() -> Any:
    spend = np.tile(np.arange(1.0, 21.0), 2)
    channel = np.repeat(["web", "tv"], 20)
    return fit_response_curves(
        pd.DataFrame({"channel": channel, "spend": spend, "result": 9 * spend ** np.where(channel == "web", 0.5, 0.7)}),
        shape="power",
        baseline=False,
    )


def plan() -> Any:
    return allocate_budget(curves(), 30.0, current={"web": 20.0, "tv": 10.0}, margin=1.0)


def levers() -> Any:
    base = CustomerBase(
        customers=100, new_customers=20, retention_rate=0.8, purchases=2.0, spend=50.0, time_unit="year"
    )
    return retention_lever(base, margin=0.5, discount_rate=0.1, acquisition_cost=30)


PICTURES: list[tuple[Callable[..., Axes], Callable[[], Any]]] = [
    (plots.plot_arms, experiment),
    (plots.plot_before_after, comparison),
    (plots.plot_effect_comparison, several),
    (plots.plot_difference_in_differences, panel),
    (plots.plot_period_effects, panel),
    (plots.plot_interrupted_series, series),
    (plots.plot_uplift, uplift),
    (plots.plot_response_curves, curves),
    (plots.plot_budget, plan),
    (plots.plot_levers, levers),
]


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(8, 4)).add_subplot()


@pytest.mark.parametrize(("plot", "make"), PICTURES, ids=[plot.__name__ for plot, _ in PICTURES])
def test_every_plot_returns_the_axes_that_it_was_given(plot: Callable[..., Axes], make: Callable[[], Any]) -> None:
    result = make()
    for width in (3.0, 9.0):
        ax = Figure(figsize=(width, 4)).add_subplot()
        assert plot(result, ax) is ax
        ax.figure.draw_without_rendering()


def test_the_arms_are_drawn_at_their_lifts_with_their_intervals(ax: Axes) -> None:
    result = experiment()
    plots.plot_arms(result, ax)
    for row, arm in enumerate(result.arms):
        interval, point = ax.lines[2 * row : 2 * row + 2]
        assert interval.get_xdata() == pytest.approx([arm.lift.lower, arm.lift.upper])
        assert point.get_xdata() == pytest.approx([arm.lift.value])


def test_of_several_effects_those_that_stand_are_in_colour(ax: Axes) -> None:
    result = several()
    plots.plot_effect_comparison(result, ax)
    points = ax.lines[1:6:2]
    assert [point.get_xdata()[0] for point in points] == result.effect.tolist()
    assert [point.get_color() == drawing.PALETTE["blue"] for point in points] == [False, True, False]
    assert ax.lines[4].get_xdata() == pytest.approx([result.lower[2], result.upper[2]])


def test_the_gap_between_the_treated_and_what_they_would_have_had_is_the_effect(ax: Axes) -> None:
    result = panel()
    plots.plot_difference_in_differences(result, ax)
    treated, without = ax.lines[1].get_ydata(), ax.lines[2].get_ydata()
    assert np.mean(np.asarray(treated)[2:] - np.asarray(without)[1:]) == pytest.approx(result.effect.value)


def test_a_comparison_in_time_is_marked_as_not_causal(ax: Axes) -> None:
    plots.plot_before_after(comparison(), ax)
    assert "Not causal" in ax.get_xlabel()


def test_the_best_depth_is_marked_on_the_curve(ax: Axes) -> None:
    result = uplift()
    plots.plot_uplift(result, ax, currency="$")
    assert any(f"{result.best_customers} customers: $" in text.get_text() for text in ax.texts)
    assert ax.lines[3].get_ydata() == pytest.approx([result.best_profit.value])


def test_the_bars_of_a_plan_are_its_spends(ax: Axes) -> None:
    result = plan()
    plots.plot_budget(result, ax)
    assert [bar.get_width() for bar in ax.containers[0]] == [10.0, 20.0]  # tv, web
    assert [bar.get_width() for bar in ax.containers[1]] == pytest.approx(result.best)


@pytest.mark.parametrize(
    ("value", "label"),
    [(35_395.2, "+35.4k"), (-4.226, "−4.23"), (0.6389, "+0.64"), (-0.01234, "−0.0123"), (0.0, "0"), (250.0, "+250.00")],
)
def test_an_effect_is_written_with_its_sign_and_no_exponent(value: float, label: str) -> None:
    assert plots.effect_label(value) == label
