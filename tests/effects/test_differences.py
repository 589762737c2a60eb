"""Differences in differences: statsmodels' regression, coverage, engines, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from crmvalue.effects.differences import clustered, difference_in_differences
from crmvalue.errors import InputError

OPTIONS: dict[str, Any] = {"outcome": "sales", "treated": "mailed", "start": 5, "unit": "shop"}


def shops(n: int = 40, periods: int = 8, seed: int = 1, effect: float = 3.0) -> pd.DataFrame:
    """Return shops of which some are mailed from period 5 on; each has its own level and drifting luck."""
    rng = np.random.default_rng(seed)
    shop, period = np.repeat(np.arange(n), periods), np.tile(np.arange(periods), n)
    mailed = (shop % 3 == 0).astype(int)
    luck = rng.normal(0, 1, (n, periods)).cumsum(axis=1).ravel()
    level = rng.normal(50, 10, n)[shop]
    sales = level + 0.5 * period + luck + effect * mailed * (period >= 5)
    return pd.DataFrame({"shop": shop, "period": period, "mailed": mailed, "sales": sales})


def clustered_fit(formula: str, data: pd.DataFrame) -> Any:
    return smf.ols(formula, data).fit(
        cov_type="cluster", cov_kwds={"groups": data["shop"], "use_correction": True, "df_correction": True}, use_t=True
    )


def test_effect_and_clustered_error_are_those_of_statsmodels() -> None:
    data = shops().assign(after=lambda d: (d.period >= 5).astype(int))
    fit = clustered_fit("sales ~ mailed + C(period) + mailed:after", data)
    found = difference_in_differences(data, **OPTIONS).effect
    assert found.value == pytest.approx(fit.params["mailed:after"], rel=1e-10)
    assert found.std_error == pytest.approx(fit.bse["mailed:after"], rel=1e-10)
    assert (found.lower, found.upper) == pytest.approx(fit.conf_int().loc["mailed:after"], rel=1e-9)
    assert found.p_value == pytest.approx(fit.pvalues["mailed:after"], rel=1e-8)
    assert found.units == 14 * 3


def test_effects_by_period_and_the_test_before_are_those_of_statsmodels() -> None:
    data = shops()
    fit = clustered_fit("sales ~ mailed * C(period, Treatment(4))", data)
    found = difference_in_differences(data, **OPTIONS)
    names = [f"mailed:C(period, Treatment(4))[T.{period}]" for period in (0, 1, 2, 3, 5, 6, 7)]
    others = found.periods != 4
    assert found.period_effect[others] == pytest.approx(fit.params[names], rel=1e-9)
    assert found.period_lower[others] == pytest.approx(fit.conf_int().loc[names, 0], rel=1e-8)
    assert found.period_effect[~others] == [0.0]
    test = fit.f_test(np.eye(len(fit.params))[[list(fit.params.index).index(name) for name in names[:4]]])
    assert found.pre_trend_f == pytest.approx(float(test.fvalue), rel=1e-8)
    assert found.pre_trend_p == pytest.approx(float(test.pvalue), rel=1e-8)


def test_the_slope_before_is_that_of_statsmodels() -> None:
    data = shops()
    history = data[data.period < 5]
    fit = clustered_fit("sales ~ mailed * period", history)
    slope = difference_in_differences(data, **OPTIONS).pre_slope
    assert (slope.value, slope.std_error) == pytest.approx(
        (fit.params["mailed:period"], fit.bse["mailed:period"]), rel=1e-9
    )


def test_the_interval_covers_the_truth_in_93_to_97_of_100_panels() -> None:
    rng = np.random.default_rng(11)
    runs, n, p = 1000, 80, 8
    treated = np.arange(n) < 30
    covered = 0
    for luck in rng.normal(0, 1, (runs, n, p)):
        drift = luck.cumsum(axis=1) + rng.normal(0, 5, (n, 1)) + np.arange(p)
        change = drift[:, 5:].mean(axis=1) - drift[:, :5].mean(axis=1) + 2.0 * treated
        value, covariance = clustered(change[:, None], treated, cells=n * p, parameters=p + 2)
        covered += abs(value[0] - 2.0) <= 1.990 * np.sqrt(covariance[0, 0])  # t of 79 degrees of freedom
    assert 0.93 <= covered / runs <= 0.97


def test_a_drift_before_the_start_is_found_and_told() -> None:
    data = shops().assign(sales=lambda d: d.sales + 2.0 * d.mailed * d.period)
    found = difference_in_differences(data, **OPTIONS)
    assert found.pre_slope.lower < 2.0 < found.pre_slope.upper
    assert found.pre_trend_p < 0.001
    assert any("already moved apart" in note for note in found.notes)


def test_a_slow_drift_is_told_though_no_single_period_shows_it() -> None:
    data = shops(n=60, periods=12, seed=4, effect=0.0).assign(sales=lambda d: d.sales + 0.1 * d.mailed * d.period)
    found = difference_in_differences(data, **{**OPTIONS, "start": 10})
    assert found.pre_slope.p_value < 0.05 < found.pre_trend_p
    assert any("already moved apart" in note for note in found.notes)


def test_adding_a_trend_that_both_groups_share_changes_nothing() -> None:
    data = shops()
    moved = data.assign(sales=data.sales + 7.0 * data.period**2).sample(frac=1, random_state=1)
    one, two = (difference_in_differences(each, **OPTIONS).effect for each in (data, moved))
    assert (two.value, two.std_error) == pytest.approx((one.value, one.std_error), rel=1e-9)


def test_every_engine_gives_the_same_effect(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = shops(12, 4).assign(
        period=lambda d: pd.to_datetime("2024-01-01") + pd.to_timedelta(d.period * 7, unit="D"),
        shop=lambda d: "shop " + d.shop.astype(str),
    )
    twice = pd.concat([data.assign(sales=data.sales / 2)] * 2)
    options = {**OPTIONS, "start": "2024-01-15"}
    expected = difference_in_differences(data, **options)
    found = difference_in_differences(as_engine(twice), **options)
    assert found.effect.value == pytest.approx(expected.effect.value, rel=1e-9)
    assert found.effect.std_error == pytest.approx(expected.effect.std_error, rel=1e-9)
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), rtol=1e-9)


def test_a_missing_row_is_refused_or_counts_as_zero_as_told() -> None:
    data = shops()
    holed = data.drop(index=[3, 20])
    with pytest.raises(InputError, match=r"no row in some period in 2 of 40 rows \(unit 0, 2\)\..*absent='zero'"):
        difference_in_differences(holed, **OPTIONS)
    filled = data.copy()
    filled.loc[[3, 20], "sales"] = 0.0
    expected = difference_in_differences(filled, **OPTIONS).effect
    found = difference_in_differences(holed, **OPTIONS, absent="zero").effect
    assert found.value == pytest.approx(expected.value, rel=1e-12)


def test_two_periods_cannot_tell_of_trends_and_the_result_says_so() -> None:
    data = shops(periods=2)
    found = difference_in_differences(data, **{**OPTIONS, "start": 1})
    assert np.isnan(found.pre_trend_p)
    assert np.isnan(found.pre_slope.value)
    assert any("cannot be tested" in note for note in found.notes)


def test_the_result_turns_into_plain_values() -> None:
    found = difference_in_differences(shops(), **OPTIONS)
    assert found.to_dict()["effect"]["value"] == found.effect.value
    assert found.to_dict()["before"] == [True] * 5 + [False] * 3
    assert found.treated_after - found.effect.value == pytest.approx(
        found.treated_before + found.control_after - found.control_before
    )
    assert "parallel trends" in found.assumptions[0]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"mailed": 1}, {}, "0 units in the control group"),
        ({"mailed": 0}, {}, "0 units in the treated group"),
        ({"mailed": lambda d: (d.shop == 3).astype(int)}, {}, "1 unit in the treated group.*At least 2 are needed"),
        ({"mailed": lambda d: (d.period >= 5).astype(int)}, {}, r"units in more than one group.*\(unit 0, 1, 2, 3, 4"),
        (
            {"mailed": lambda d: 2 * d.mailed},
            {},
            r"column 'mailed': not 0 or 1 in 14 of 40 rows \(unit 0, 3, 6, 9, 12, ",
        ),
        ({"sales": lambda d: d.shop + d.period * d.mailed}, {}, "within each group all units changed alike"),
        ({"sales": 4.0}, {}, "column 'sales': constant"),
        ({"sales": np.nan}, {}, "column 'sales': missing or infinite in 320 of 320 rows"),
        ({}, {"start": 0}, "no period before 0"),
        ({}, {"start": 99}, "no period from 99"),
        ({}, {"start": "2024-01-01"}, r"start: got '2024-01-01', but the periods are such as 0\."),
        (
            {"period": lambda d: pd.PeriodIndex.from_ordinals(d.period, freq="M")},
            {},
            "holds Period, not dates.*to_timesta",
        ),
        ({}, {"absent": "drop"}, "absent: got 'drop'"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        difference_in_differences(shops().assign(**change), **{**OPTIONS, **options})
