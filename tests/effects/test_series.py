"""Interrupted series: statsmodels' regression with its robust errors, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmvalue.effects.profit import incremental_profit
from crmvalue.effects.series import interrupted_series, newey_west, segmented_design
from crmvalue.errors import InputError


def months(n: int = 60, seed: int = 1) -> pd.DataFrame:
    """Return a series with trend and season, a jump of 12 and one more per month from month 36 on."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    sales = 100 + 0.5 * t + 6 * np.sin(t * np.pi / 6) + rng.normal(0, 2, n) + (t >= 36) * (12 + (t - 36))
    return pd.DataFrame({"period": t, "sales": sales})


def test_coefficients_and_errors_are_those_of_statsmodels() -> None:
    data = months()
    t = data.period.to_numpy()
    after = (t >= 36).astype(float)
    dummies = [(t % 12 == place).astype(float) for place in range(1, 12)]
    design = np.column_stack([np.ones(60), t, after, after * (t - 36), *dummies])
    kwds = {"maxlags": 3, "use_correction": True}
    fit = sm.OLS(data.sales.to_numpy(), design).fit(cov_type="HAC", cov_kwds=kwds, use_t=True)
    found = interrupted_series(data, outcome="sales", start=36, season=12)
    assert found.lags == 3
    for estimate, k in ((found.jump, 2), (found.slope_change, 3)):
        assert estimate.value == pytest.approx(fit.params[k], rel=1e-10)
        assert estimate.std_error == pytest.approx(fit.bse[k], rel=1e-9)
        assert (estimate.lower, estimate.upper) == pytest.approx(fit.conf_int()[k], rel=1e-9)
    mean = fit.t_test(np.eye(15)[2] + np.eye(15)[3] * 11.5)
    assert found.effect.value == pytest.approx(float(mean.effect[0]), rel=1e-10)
    assert found.effect.std_error == pytest.approx(float(mean.sd[0, 0]), rel=1e-9)
    assert found.fitted == pytest.approx(fit.fittedvalues, rel=1e-10)


def test_fitted_less_foretold_adds_up_to_the_effect() -> None:
    found = interrupted_series(months(), outcome="sales", start=36, season=12)
    assert (found.fitted - found.foretold)[~found.before].mean() == pytest.approx(found.effect.value)
    assert found.fitted[found.before] == pytest.approx(found.foretold[found.before])
    assert found.effect.total == pytest.approx(found.effect.value * 24)
    assert incremental_profit(found, margin=0.5, cost=10).revenue == pytest.approx(found.effect.total)


def test_the_interval_covers_the_truth_in_93_to_97_of_100_long_series() -> None:
    rng = np.random.default_rng(6)
    n, start, covered = 200, 100, 0
    design = segmented_design(n, start, None)
    weights = np.array([0.0, 0.0, 1.0, 49.5])
    for noise in rng.normal(0, 1, (1000, n)):
        coefficients, covariance, _ = newey_west(design, noise + 5 * design[:, 2], 1)
        covered += abs(weights @ coefficients - 5.0) <= 1.972 * np.sqrt(weights @ covariance @ weights)
    assert 0.93 <= covered / 1000 <= 0.97


def test_every_engine_gives_the_same_series(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = months(20).assign(period=lambda d: pd.date_range("2023-01-01", periods=len(d), freq="MS"))
    twice = pd.concat([data.assign(sales=data.sales / 4), data.assign(sales=data.sales * 3 / 4)])
    expected = interrupted_series(data, outcome="sales", start="2024-01-01").to_frame()
    found = interrupted_series(as_engine(twice), outcome="sales", start="2024-01-01").to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


def test_short_and_seasonless_series_are_told() -> None:
    found = interrupted_series(months(20), outcome="sales", start=10)
    assert "fewer than about 50" in found.notes[0]
    assert "No season" in found.notes[-1]
    assert found.to_dict()["jump"]["value"] == found.jump.value


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"start": 2}, "2 periods before 2 and 58 from it on"),
        ({}, {"start": 59}, "59 periods before 59 and 1 from it on"),
        ({}, {"season": 24}, "36 periods before the start are less than two seasons of 24"),
        ({}, {"season": 2.5}, "season: got 2.5. Pass a whole number, at least 2"),
        ({}, {"lags": 1.5}, "lags: got 1.5. Pass a whole number, at least 0"),
        ({"sales": 3.0}, {}, "column 'sales': constant"),
        (
            {"period": lambda d: d.period + 3 * (d.period > 9)},
            {},
            r"gap before the period in 1 of 60 rows \(period 13\)",
        ),
        ({"sales": np.inf}, {}, "column 'sales': missing or infinite in 60 of 60"),
    ],
)
def test_what_has_no_trend_is_refused(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        interrupted_series(months().assign(**change), **{"outcome": "sales", "start": 36, **options})
