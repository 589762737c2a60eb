"""Budgets: a brute-force grid, the first-order condition, S curves, regret, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.effects.allocation import best_split, worth
from crmvalue.effects.budget import allocate_budget
from crmvalue.effects.curves import ResponseCurve
from crmvalue.effects.response import fit_response_curves
from crmvalue.errors import InputError

CONCAVE = [
    ResponseCurve(channel="mail", shape="power", params=(30.0, 0.5)),
    ResponseCurve(channel="search", shape="exponential", params=(500.0, 80.0)),
    ResponseCurve(channel="radio", shape="logarithmic", params=(120.0, 30.0)),
    ResponseCurve(channel="fairs", shape="hill", params=(600.0, 90.0, 0.9)),
]
S_CURVES = [
    ResponseCurve(channel="tv", shape="hill", params=(900.0, 120.0, 3.0)),
    ResponseCurve(channel="web", shape="hill", params=(500.0, 50.0, 2.0)),
    ResponseCurve(channel="mail", shape="power", params=(18.0, 0.6)),
]
TODAY = {"mail": 100.0, "search": 100.0, "radio": 100.0, "fairs": 100.0, "tv": 100.0, "web": 100.0}


def brute_force(curves: list[ResponseCurve], total: float, steps: int) -> float:
    """Highest result on a grid of all splits."""
    grid = np.linspace(0, total, steps + 1)
    tables = [curve.response(grid) for curve in curves]
    best = -np.inf
    for first in itertools.product(range(steps + 1), repeat=len(curves) - 2):
        left = steps - sum(first)
        if left >= 0:
            fixed = sum(table[k] for table, k in zip(tables, first, strict=False))
            pair = tables[-2][: left + 1] + tables[-1][: left + 1][::-1]
            best = max(best, fixed + pair.max())
    return float(best)


@pytest.mark.parametrize("total", [5.0, 60.0, 400.0, 3000.0])
def test_concave_curves_reach_the_best_of_a_grid_and_a_little_more(total: float) -> None:
    plan = allocate_budget(CONCAVE, total, current=TODAY, margin=1.0)
    grid = brute_force(CONCAVE, total, 60)
    assert plan.best.sum() == pytest.approx(total, rel=1e-12)
    assert grid <= plan.best_result.sum() <= 1.01 * grid


@pytest.mark.parametrize("total", [20.0, 45.0, 70.0, 100.0, 150.0, 200.0, 260.0, 500.0])
def test_s_curves_reach_the_best_of_a_grid_and_a_little_more(total: float) -> None:
    plan = allocate_budget(S_CURVES, total, current=TODAY, margin=1.0)
    grid = brute_force(S_CURVES, total, 400)
    assert plan.best.sum() == pytest.approx(total, rel=1e-9)
    assert grid * (1 - 1e-12) <= plan.best_result.sum() <= 1.001 * grid


def test_an_s_curve_alone_may_stay_within_its_s_part() -> None:
    plan = allocate_budget(S_CURVES[:1], 10.0, current=TODAY, margin=1.0)
    assert plan.best.tolist() == [10.0]


@settings(deadline=None, max_examples=60)
@given(
    total=st.floats(1.0, 5000.0),
    scales=st.lists(st.floats(0.1, 10.0), min_size=4, max_size=4),
    caps=st.lists(st.floats(0.3, 1.0), min_size=4, max_size=4),
)
def test_marginal_returns_are_equal_between_the_bounds_and_in_order_at_them(
    total: float, scales: list[float], caps: list[float]
) -> None:
    weights, low = np.array(scales), np.full(4, 0.02 * total)
    high = np.maximum(np.array(caps), 0.25) * total
    spend = best_split(CONCAVE, weights, total, low, high)
    assert spend.sum() == pytest.approx(total, rel=1e-10)
    returns = weights * np.array([float(curve.marginal(x)) for curve, x in zip(CONCAVE, spend, strict=True)])
    margin = 1e-9 * total
    inside = (spend > low + margin) & (spend < high - margin)
    if inside.any():
        level = returns[inside].mean()
        assert returns[inside] == pytest.approx(level, rel=1e-6)
        assert (returns[spend <= low + margin] <= level * (1 + 1e-6)).all()
        assert (returns[spend >= high - margin] >= level * (1 - 1e-6)).all()


@settings(deadline=None, max_examples=25)
@given(total=st.floats(5.0, 600.0), a=st.floats(0.2, 5.0), s=st.floats(1.2, 6.0), k=st.floats(10.0, 300.0))
def test_no_move_between_two_channels_betters_the_plan(total: float, a: float, s: float, k: float) -> None:
    curves = [*S_CURVES, ResponseCurve(channel="x", shape="hill", params=(a * 300, k, s))]
    weights, low, high = np.ones(4), np.zeros(4), np.full(4, total)
    spend = best_split(curves, weights, total, low, high)
    best = worth(curves, weights, spend)
    for give, take in itertools.permutations(range(4), 2):
        for share in (0.001, 0.1, 0.5, 1.0):
            moved = spend.copy()
            moved[give] -= share * spend[give]
            moved[take] += share * spend[give]
            assert worth(curves, weights, moved) <= best * (1 + 1e-7)


def test_todays_plan_stands_beside_the_best_one() -> None:
    plan = allocate_budget(CONCAVE, 400.0, current=TODAY, margin={"mail": 0.5, "search": 1, "radio": 2, "fairs": 1})
    today = [0.5 * 30 * 10, 500 * (1 - np.exp(-1.25)), 2 * 120 * np.log1p(100 / 30), 600 / (1 + 0.9**0.9)]
    assert plan.current_profit == pytest.approx(sum(today) - 400)
    assert plan.gain == pytest.approx(plan.best_profit - plan.current_profit)
    assert plan.gain > 0
    assert plan.best_marginal_roi == pytest.approx(plan.best_return - 1)
    assert plan.to_frame()["channel"].tolist() == ["mail", "search", "radio", "fairs"]
    assert plan.to_dict()["best"] == plan.best.tolist()


def test_a_plan_at_its_best_gains_nothing() -> None:
    one = allocate_budget(CONCAVE, 400.0, current=TODAY, margin=1.0)
    two = allocate_budget(CONCAVE, 400.0, current=dict(zip(one.channels, one.best, strict=True)), margin=1.0)
    assert two.gain == pytest.approx(0.0, abs=1e-9)


def test_bounds_hold_and_are_named() -> None:
    bounds = {"mail": (0.0, 10.0), "radio": (200.0, 300.0)}
    plan = allocate_budget(CONCAVE, 400.0, current=TODAY, margin=1.0, bounds=bounds)
    assert plan.best[[0, 2]] == pytest.approx([10.0, 200.0])
    assert plan.bound.tolist() == ["high", "", "low", ""]


def test_the_regret_is_the_loss_on_the_moved_curve() -> None:
    covariance = np.diag([0.04, 0.0])
    unsure = ResponseCurve(channel="a", shape="power", params=(10.0, 0.5), covariance=covariance)
    sure = ResponseCurve(channel="b", shape="power", params=(10.0, 0.5))
    plan = allocate_budget([unsure, sure], 200.0, current={"a": 100, "b": 100}, margin=1.0)
    losses = []
    for a in (10 * np.exp(0.2), 10 * np.exp(-0.2)):
        # the best on square roots is sqrt((a^2 + b^2) total), that of the even split (a + b) sqrt(total / 2)
        losses.append(np.sqrt((a**2 + 100) * 200) - (a + 10) * 10)
    assert plan.regret == pytest.approx([max(losses), 0.0], rel=1e-6)


def test_a_budget_beyond_what_pays_and_what_was_seen_is_told() -> None:
    rng = np.random.default_rng(1)
    frames = []
    for curve in CONCAVE[:2]:
        spend = rng.uniform(1, 100, 30)
        result = curve.response(spend) + rng.normal(0, 5, 30)
        frames.append(pd.DataFrame({"channel": curve.channel, "spend": spend, "result": result}))
    curves = fit_response_curves(pd.concat(frames), shape={"mail": "power", "search": "exponential"}, baseline=False)
    plan = allocate_budget(curves, 3000.0, current={"mail": 50, "search": 50}, margin=0.3)
    assert any("beyond the highest spend seen" in note for note in plan.notes)
    assert any("a smaller budget would leave a higher profit" in note for note in plan.notes)
    assert any("part of the gain is the budget's" in note for note in plan.notes)
    assert (plan.regret > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": {"mail": (300, 400), "radio": (200, 400)}}, "total: 400 is below 500, the sum of the lower bounds"),
        ({"bounds": dict.fromkeys(("mail", "search", "radio", "fairs"), (0, 50))}, "total: 400 is above 200"),
        ({"bounds": {"mail": (30, 20)}}, "bounds: of 'mail', 30 is above 20"),
        ({"bounds": {"mail": 30}}, "bounds: of 'mail', got 30. Pass the lowest and the highest spend"),
        ({"curves": {"mail": CONCAVE[0]}}, "curves: got str. Pass the result of fit_response_curves"),
        ({"bounds": {"tv": (0, 20)}}, "bounds: got 'tv'"),
        ({"bounds": {"mail": (-1, 20)}}, "lower bound of 'mail': got -1"),
        ({"total": 0}, "total: got 0"),
        ({"current": {"mail": 1}}, "current: channel 'search' is missing"),
        ({"margin": 0}, "margin: got 0"),
        ({"margin": {"mail": 1}}, "margin: channel 'search' is missing"),
        ({"curves": []}, "curves: there is none"),
        ({"curves": [CONCAVE[0], CONCAVE[0]]}, "curves: more than one for 'mail'"),
    ],
)
def test_budgets_that_cannot_be_planned_are_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"curves": CONCAVE, "total": 400.0, "current": TODAY, "margin": 1.0, **options}
    curves, total = arguments.pop("curves"), arguments.pop("total")
    with pytest.raises(InputError, match=message):
        allocate_budget(curves, total, **arguments)
