"""Response curves: derivatives by differences, scipy's fit as oracle, coverage of parameters, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from crmvalue.effects.curves import SHAPES, Curve, ResponseCurve, from_free, to_free
from crmvalue.effects.response import fit_response_curves
from crmvalue.errors import ConvergenceError, InputError

EXAMPLES: dict[Curve, tuple[float, ...]] = {
    "power": (40.0, 0.6),
    "hill": (900.0, 60.0, 1.8),
    "exponential": (800.0, 70.0),
    "logarithmic": (200.0, 20.0),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_derivatives_of_a_curve_are_those_by_differences(shape: Curve) -> None:
    record, params, x = SHAPES[shape], EXAMPLES[shape], np.array([0.5, 10.0, 60.0, 300.0])
    step = 1e-6 * x
    slope = (record.response(params, x + step) - record.response(params, x - step)) / (2 * step)
    assert record.marginal(params, x) == pytest.approx(slope, rel=1e-7)
    free = to_free(shape, params)
    for k, found in enumerate(record.slopes(params, x)):
        move = np.eye(len(free))[k] * 1e-6
        ends = [record.response(from_free(shape, free + sign * move), x) for sign in (1, -1)]
        assert found == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


@settings(deadline=None)
@given(
    shape=st.sampled_from(list(SHAPES)), spend=st.floats(1e-3, 1e4), s=st.floats(0.3, 6.0), scale=st.floats(0.1, 1e4)
)
def test_spend_at_is_the_inverse_of_the_marginal_return(shape: Curve, spend: float, s: float, scale: float) -> None:
    rest = EXAMPLES[shape][1:] if shape != "hill" else (60.0, s)
    curve = ResponseCurve(channel="x", shape=shape, params=(scale, *rest))
    spend = max(spend, 1.001 * curve.inflection)
    marginal = float(curve.marginal(spend))
    if marginal > 1e-200:
        # near the inflection the marginal return is flat, so that the spend is known to fewer digits
        back = SHAPES[shape].spend_at(curve.params, marginal)
        assert float(curve.marginal(back)) == pytest.approx(marginal, rel=1e-9)
        assert back == pytest.approx(spend, rel=1e-3)


def test_no_spend_has_a_return_above_the_peak_of_an_s_curve() -> None:
    curve = ResponseCurve(channel="x", shape="hill", params=(100.0, 10.0, 3.0))
    peak = float(curve.marginal(curve.inflection))
    assert SHAPES["hill"].spend_at(curve.params, 1.01 * peak) == 0.0
    assert float(curve.marginal(curve.inflection * 1.01)) < peak
    assert float(curve.marginal(curve.inflection * 0.99)) < peak


def past(shape: Curve, n: int = 60, noise: float = 20.0, seed: int = 1) -> pd.DataFrame:
    """Return spends and results of a channel with a known curve and a baseline of 100."""
    rng = np.random.default_rng(seed)
    spend = rng.uniform(2, 250, n)
    result = 100 + SHAPES[shape].response(EXAMPLES[shape], spend) + rng.normal(0, noise, n)
    return pd.DataFrame({"channel": shape, "spend": spend, "result": result})


@pytest.mark.parametrize("shape", list(SHAPES))
def test_fit_and_errors_are_those_of_scipy(shape: Curve) -> None:
    data, record = past(shape), SHAPES[shape]
    p = len(record.names)
    found = fit_response_curves(data, shape=shape).curve(shape)

    def model(x: np.ndarray, *free: float) -> np.ndarray:
        return record.response(from_free(shape, np.array(free[:p])), x) + free[p]

    start = [*to_free(shape, EXAMPLES[shape]), 100.0]
    best, covariance = curve_fit(model, data.spend.to_numpy(), data.result.to_numpy(), p0=start, xtol=1e-14, ftol=1e-14)
    assert to_free(shape, found.params) == pytest.approx(best[:p], rel=1e-4, abs=1e-4)
    assert found.baseline == pytest.approx(best[p], rel=1e-3)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(np.sqrt(np.diag(covariance))[:p], rel=1e-3)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_points_on_a_curve_give_the_curve_back(shape: Curve) -> None:
    found = fit_response_curves(past(shape, n=12, noise=0.0), shape=shape).curve(shape)
    assert found.params == pytest.approx(EXAMPLES[shape], rel=1e-5)
    assert found.baseline == pytest.approx(100.0, rel=1e-5)
    assert found.r_squared == pytest.approx(1.0)


def test_intervals_of_parameters_cover_the_truth() -> None:
    covered = []
    for seed in range(200):
        curve = fit_response_curves(past("logarithmic", n=40, seed=seed), shape="logarithmic").curves[0]
        away = to_free("logarithmic", curve.params) - to_free("logarithmic", EXAMPLES["logarithmic"])
        covered.append(np.abs(away) <= 2.03 * np.sqrt(np.diag(curve.covariance)))
    assert np.mean(covered, axis=0) == pytest.approx(0.95, abs=0.045)  # three standard errors of 200 runs


def test_the_best_shape_is_an_s_where_there_is_one() -> None:
    rng = np.random.default_rng(3)
    spend = rng.uniform(1, 250, 80)
    result = SHAPES["hill"].response((900.0, 100.0, 4.0), spend) + rng.normal(0, 15, 80)
    curve = fit_response_curves(pd.DataFrame({"channel": "tv", "spend": spend, "result": result})).curve("tv")
    assert curve.shape == "hill"
    assert curve.params[2] == pytest.approx(4.0, rel=0.15)


def test_units_of_money_do_not_change_the_curve() -> None:
    data = past("power")
    one = fit_response_curves(data, shape="power").curves[0]
    cents = fit_response_curves(data.assign(spend=data.spend * 100, result=data.result * 7), shape="power").curves[0]
    assert cents.response(5000.0) == pytest.approx(7 * one.response(50.0), rel=1e-6)
    errors = [to_errors(each) for each in (one, cents)]
    assert errors[1] == pytest.approx(errors[0], rel=1e-4)


def to_errors(curve: ResponseCurve) -> float:
    """Relative standard error of the response at the middle of the spends, which no unit changes."""
    x = np.array([0.5 * (curve.spend_low + curve.spend_high)])
    slope = SHAPES[curve.shape].slopes(curve.params, x)[:, 0]
    return float(np.sqrt(slope @ curve.covariance @ slope) / curve.response(x)[0])


def test_every_engine_gives_the_same_curves(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = pd.concat([past("power", 20), past("exponential", 20)])
    shapes: dict[str, Curve] = {"power": "power", "exponential": "exponential"}
    expected = fit_response_curves(data, shape=shapes).to_frame()
    found = fit_response_curves(as_engine(data), shape=shapes).to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        ({"spend": [1.0, 2, 3], "result": [1.0, 3, 4]}, {}, "3 periods with 3 different spends.*pass more periods"),
        ({"spend": [1.0] * 9, "result": range(9)}, {}, "9 periods with 1 different spends"),
        ({"spend": [-1.0, *range(8)], "result": range(9)}, {}, r"negative spend in 1 of 9 rows \(row 0\)"),
        ({"spend": [np.nan, *range(8)], "result": range(9)}, {}, "column 'spend': missing or infinite"),
        ({"spend": range(9), "result": range(9)}, {"shape": "cubic"}, "shape: got 'cubic'"),
        ({"spend": range(9), "result": range(9)}, {"shape": {"mail": "hill"}}, "shape of 'web': got None"),
    ],
)
def test_bad_data_are_refused(frame: dict[str, Any], options: dict[str, Any], message: str) -> None:
    data = pd.DataFrame(frame).assign(channel="web")
    with pytest.raises(InputError, match=message):
        fit_response_curves(data, **options)


@pytest.mark.parametrize("result", [[9.0, 8, 7, 6, 5, 4, 3, 2], [5.0] * 8, [float(x**3) for x in range(1, 9)]])
def test_what_is_no_curve_of_falling_returns_does_not_converge(result: list[float]) -> None:
    data = pd.DataFrame({"channel": "web", "spend": np.arange(1.0, 9.0), "result": result})
    with pytest.raises(ConvergenceError, match="channel 'web'"):
        fit_response_curves(data, shape="power")


@pytest.mark.parametrize(
    ("shape", "params"), [("power", (1.0, 1.0)), ("hill", (1.0, 2.0)), ("exponential", (-1.0, 2.0)), ("spline", (1.0,))]
)
def test_parameters_that_make_no_curve_are_refused(shape: Any, params: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="params: got|shape: got"):
        ResponseCurve(channel="x", shape=shape, params=params)


def test_every_channel_that_cannot_be_fitted_is_named() -> None:
    falling = pd.DataFrame({"spend": np.arange(1.0, 9.0), "result": np.arange(8.0, 0.0, -1.0)})
    data = pd.concat([past("power", 20), falling.assign(channel="tv"), falling.assign(channel="web")])
    with pytest.raises(ConvergenceError, match="channels 'tv', 'web': no curve fits.*leave these channels out"):
        fit_response_curves(data)
    with pytest.raises(ConvergenceError, match="^channel 'tv': no curve fits"):
        fit_response_curves(data[data["channel"] != "web"])
