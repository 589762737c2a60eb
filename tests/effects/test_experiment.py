"""Experiments: other packages' numbers, published bounds, coverage, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crmvalue.effects.arm_balance import balance_p
from crmvalue.effects.arms import arm_values, relative_lift, welch_df
from crmvalue.effects.experiment import experiment_effect
from crmvalue.effects.families import corrected_p_values, critical_values
from crmvalue.effects.units import Moments
from crmvalue.errors import InputError


def spending(n: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return customers in three arms: spend depends on earlier spend, and on the arm."""
    rng = np.random.default_rng(seed)
    before = rng.gamma(2.0, 20.0, n)
    arm = rng.permutation(np.repeat(["control", "mail", "phone"], [n // 2, n // 4, n - n // 2 - n // 4]))
    effect = pd.Series(arm).map({"control": 0.0, "mail": 5.0, "phone": 9.0}).to_numpy()
    orders = rng.poisson(2.0, n) + 1
    spend = 10 + 0.8 * before + effect + rng.normal(0, 8, n) + 3 * orders
    return pd.DataFrame({"customer": np.arange(n), "arm": arm, "spend": spend, "orders": orders, "before": before})


def two_arms() -> pd.DataFrame:
    frame = spending()
    return frame[frame.arm != "phone"].reset_index(drop=True)


PLAN = {"control": 2 / 3, "mail": 1 / 3}  # sizes of `two_arms`


def test_the_difference_is_that_of_statsmodels_with_unequal_variances() -> None:
    frame = two_arms()
    mail, control = (frame.spend[frame.arm == label] for label in ("mail", "control"))
    peer = sm.stats.CompareMeans(sm.stats.DescrStatsW(mail), sm.stats.DescrStatsW(control))
    found = experiment_effect(frame, outcome="spend", control="control").effect
    assert found.value == pytest.approx(mail.mean() - control.mean(), rel=1e-10)
    assert found.std_error == pytest.approx(peer.std_meandiff_separatevar, rel=1e-10)
    assert (found.lower, found.upper) == pytest.approx(peer.tconfint_diff(usevar="unequal"), rel=1e-10)
    assert found.p_value == pytest.approx(peer.ttest_ind(usevar="unequal")[1], rel=1e-8)


def test_with_a_covariate_the_estimate_is_that_of_the_analysis_of_covariance() -> None:
    frame = spending()
    dummies = pd.get_dummies(frame.arm)[["mail", "phone"]].astype(float)
    fit = sm.OLS(frame.spend, sm.add_constant(dummies.assign(before=frame.before))).fit(cov_type="HC2")
    found = experiment_effect(frame, outcome="spend", control="control", covariate="before")
    for label in ("mail", "phone"):
        effect = found.arm(label).effect
        assert effect.value == pytest.approx(fit.params[label], rel=1e-10)
        assert effect.std_error == pytest.approx(fit.bse[label], rel=0.02)  # theirs allows for the slope's own error
    plain = experiment_effect(frame, outcome="spend", control="control")
    kept = (found.arm("mail").effect.std_error / plain.arm("mail").effect.std_error) ** 2
    assert found.variance_reduction == pytest.approx(1 - kept, abs=0.05)
    assert found.variance_reduction > 0.7  # var(0.8 before) is 512 of about 512 + 64 + 18


def test_a_ratio_of_sums_has_the_error_of_its_regression_with_the_denominator_as_weight() -> None:
    frame = two_arms()
    mail = (frame.arm == "mail").astype(float)
    # revenue / orders on the arm, weighted by orders: its sandwich is that of the delta method, up to n / (n - 1)
    fit = sm.WLS(frame.spend / frame.orders, sm.add_constant(mail), weights=frame.orders).fit(cov_type="HC0")
    found = experiment_effect(frame, outcome="spend", control="control", per="orders")
    assert found.effect.value == pytest.approx(fit.params["arm"], rel=1e-10)
    n = frame.arm.value_counts()
    control = fit.bse["const"] ** 2 * n["control"] / (n["control"] - 1)
    arm = (fit.bse["arm"] ** 2 - fit.bse["const"] ** 2) * n["mail"] / (n["mail"] - 1)
    assert found.effect.std_error == pytest.approx(np.sqrt(control + arm), rel=1e-10)
    assert found.effect.units == frame.orders[frame.arm == "mail"].sum()


def test_the_lift_has_the_spread_of_its_bootstrap() -> None:
    frame = two_arms()
    mail, control = (frame.spend[frame.arm == label].to_numpy() for label in ("mail", "control"))
    rng = np.random.default_rng(5)
    means = [x[rng.integers(0, len(x), (20_000, len(x)))].mean(axis=1) for x in (mail, control)]
    lift = experiment_effect(frame, outcome="spend", control="control").arms[0].lift
    assert lift.value == pytest.approx(mail.mean() / control.mean() - 1, rel=1e-12)
    assert lift.std_error == pytest.approx((means[0] / means[1]).std(), rel=0.03)  # 20,000 draws


@pytest.mark.parametrize(("k", "bound"), [(1, 1.96), (2, 2.21), (3, 2.35), (4, 2.44), (5, 2.51), (6, 2.57), (9, 2.69)])
def test_equal_arms_have_the_published_bounds_of_dunnett(k: int, bound: float) -> None:
    # Dunnett (1964) "New tables for multiple comparisons with a control", Biometrics 20, table II, infinite df, 5 %
    found = critical_values(np.ones(k), 1.0, np.full(k, np.inf), 0.95, "dunnett")
    assert found == pytest.approx(np.full(k, bound), abs=0.006)


def test_several_arms_have_the_p_values_of_scipy() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"arm": np.repeat(list("cde"), 3000), "y": rng.normal(0, 1, 9000)})
    frame.loc[frame.arm == "d", "y"] += 0.05
    c, d, e = (frame.y[frame.arm == label] for label in "cde")
    peer = stats.dunnett(d, e, control=c, rng=np.random.default_rng(0))
    found = experiment_effect(frame, outcome="y", control="c")
    assert [arm.effect.p_value for arm in found.arms] == pytest.approx(peer.pvalue, abs=0.005)  # theirs pools variances
    interval = peer.confidence_interval(0.95)
    assert [arm.effect.lower for arm in found.arms] == pytest.approx(interval.low, abs=0.002)


def test_the_interval_holds_no_effect_where_the_corrected_p_value_is_above_the_level() -> None:
    variances, df = np.array([0.5, 2.0, 1.0]), np.array([20.0, 40.0, np.inf])
    for correction in ("none", "dunnett", "bonferroni"):
        bounds = critical_values(variances, 1.5, df, 0.95, correction)
        assert corrected_p_values(bounds, variances, 1.5, df, correction) == pytest.approx([0.05] * 3, rel=1e-9)


def test_corrected_intervals_are_wider_the_more_careful_the_correction() -> None:
    frame = spending()
    widths = []
    for correction in ("none", "dunnett", "bonferroni"):
        effect = experiment_effect(frame, outcome="spend", control="control", correction=correction).arm("mail").effect
        widths.append(effect.upper - effect.lower)
    assert widths[0] < widths[1] < widths[2]


def simulated_moments(runs: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (spend, orders, earlier spend) in two arms of n customers each, in many experiments."""
    rng = np.random.default_rng(seed)
    before = rng.gamma(1.5, 20.0, (runs, 2, n))
    orders = rng.poisson(1.2, (runs, 2, n)).astype(float)
    amount = rng.lognormal(2.0, 0.8, (runs, 2, n)) + 0.2 * before
    amount[:, 1] *= 1.10  # the arm raises every order by a tenth
    data = np.stack([orders * amount, orders, before])
    mean = data.mean(axis=3)
    centred = data - mean[..., None]
    covariance = np.einsum("iran,jran->raij", centred, centred) / (n - 1)
    return np.moveaxis(mean, 0, 2), covariance


@pytest.mark.parametrize(
    ("ratio", "adjusted"), [(False, False), (False, True), (True, False)], ids=["plain", "covariate", "ratio"]
)
def test_the_interval_covers_the_truth_in_93_to_97_of_100_experiments(ratio: bool, adjusted: bool) -> None:
    runs, n = 1000, 400
    mean, covariance = simulated_moments(runs, n, seed=7)
    per_order = np.exp(2.0 + 0.32) + 0.2 * 30
    true_control = per_order if ratio else 1.2 * per_order
    covered = lifts_covered = 0
    for row in range(runs):
        moments = Moments(group=np.array(["a", "b"]), n=np.array([n, n]), mean=mean[row], covariance=covariance[row])
        values, variances = arm_values(moments, ratio=ratio, adjusted=adjusted)
        critical = stats.t.ppf(0.975, welch_df(variances, moments.n)[0])
        covered += abs(values[1] - values[0] - 0.1 * true_control) <= critical * np.sqrt(variances.sum())
        lift, error = relative_lift(values, variances)
        lifts_covered += abs(lift[0] - 0.1) <= critical * error[0]
    assert 0.93 <= covered / runs <= 0.97
    assert 0.93 <= lifts_covered / runs <= 0.97


def test_without_any_effect_three_arms_alarm_in_one_of_twenty_experiments() -> None:
    rng = np.random.default_rng(3)
    n, runs = 300, 1000
    draws = rng.gamma(1.0, 10.0, (runs, 4, n))
    means, variances = draws.mean(axis=2), draws.var(axis=2, ddof=1) / n
    alarms = 0
    for row in range(runs):
        df = welch_df(variances[row], np.full(4, n))
        t = (means[row, 1:] - means[row, 0]) / np.sqrt(variances[row, 1:] + variances[row, 0])
        alarms += corrected_p_values(t, variances[row, 1:], variances[row, 0], df, "dunnett").min() < 0.05
    assert 0.03 <= alarms / runs <= 0.07


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(1e-3, 1e4), shift=st.floats(-1e4, 1e4), seed=st.integers(0, 99))
def test_currency_and_a_constant_change_the_effect_only_by_their_scale(scale: float, shift: float, seed: int) -> None:
    frame = two_arms()
    moved = frame.assign(spend=frame.spend * scale + shift).sample(frac=1, random_state=seed)
    one = experiment_effect(frame, outcome="spend", control="control", covariate="before").effect
    two = experiment_effect(moved, outcome="spend", control="control", covariate="before").effect
    assert (two.value, two.std_error) == pytest.approx((one.value * scale, one.std_error * scale), rel=1e-6)
    assert two.p_value == pytest.approx(one.p_value, rel=1e-4)


def test_rows_of_a_unit_count_as_one_unit() -> None:
    frame = two_arms()
    halves = pd.concat([frame.assign(spend=frame.spend / 4), frame.assign(spend=frame.spend * 3 / 4)])
    one = experiment_effect(frame, outcome="spend", control="control", covariate="before")
    two = experiment_effect(halves, outcome="spend", control="control", covariate="before", unit="customer")
    assert two.effect.value == pytest.approx(one.effect.value, rel=1e-10)
    assert two.effect.std_error == pytest.approx(one.effect.std_error, rel=1e-10)
    assert two.control_n == one.control_n


def test_every_engine_gives_the_same_effect(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = spending(80)
    options = {"outcome": "spend", "control": "control", "per": "orders", "covariate": "before", "unit": "customer"}
    expected = experiment_effect(frame, **options).to_frame()
    found = experiment_effect(as_engine(frame), **options).to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


def test_yes_and_no_are_compared_as_shares() -> None:
    frame = pd.DataFrame({"arm": ["a"] * 4 + ["b"] * 4, "bought": [True, False, False, False, True, True, True, False]})
    found = experiment_effect(frame, outcome="bought", control="a")
    assert (found.effect.value, found.arms[0].lift.value) == (0.5, 2.0)


def test_sizes_that_do_not_fit_the_plan_are_told() -> None:
    frame = pd.DataFrame({"arm": ["a"] * 600 + ["b"] * 400, "y": np.arange(1000.0)})
    found = experiment_effect(frame, outcome="y", control="a")
    assert found.sample_ratio_p == pytest.approx(stats.chisquare([600, 400]).pvalue, rel=1e-9)
    assert "do not have the planned sizes" in found.notes[0]
    planned = experiment_effect(frame, outcome="y", control="a", planned_shares={"a": 0.6, "b": 0.4})
    assert planned.sample_ratio_p == 1.0
    assert planned.notes == ()


def test_arms_that_differ_in_the_covariate_beyond_chance_are_told() -> None:
    frame = two_arms()
    found = experiment_effect(frame, outcome="spend", control="control", covariate="before", planned_shares=PLAN)
    mail, control = (frame.before[frame.arm == label] for label in ("mail", "control"))
    z = stats.ttest_ind(mail, control, equal_var=False).statistic
    assert found.covariate_p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)
    assert found.notes == ()
    frame["before"] += 20.0 * (frame.arm == "mail")  # the better customers were mailed
    picked = experiment_effect(frame, outcome="spend", control="control", covariate="before", planned_shares=PLAN)
    assert picked.covariate_p < 1e-4
    means = f"'control' {control.mean():.4g}, 'mail' {mail.mean() + 20:.4g}"
    assert f"The arms differ in 'before' by more than chance (means: {means}; p = " in picked.notes[0]
    plain = experiment_effect(frame, outcome="spend", control="control", planned_shares=PLAN)
    assert (np.isnan(plain.covariate_p), plain.notes) == (True, ())


def test_equal_arms_alarm_for_their_covariate_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(5)
    draws = rng.gamma(2.0, 20.0, (2_000, 4, 300))
    found = [
        balance_p(
            Moments(
                group=np.arange(4),
                n=np.full(4, 300),
                mean=np.pad(each.mean(axis=1)[:, None], ((0, 0), (2, 0))),
                covariance=np.pad(each.var(axis=1, ddof=1)[:, None, None], ((0, 0), (2, 0), (2, 0))),
            )
        )
        for each in draws
    ]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.015)  # 3 standard errors of 2,000 draws


def test_a_control_that_brings_nothing_has_no_lift() -> None:
    frame = pd.DataFrame({"arm": ["a"] * 3 + ["b"] * 3, "y": [0.0, 0, 0, 1, 2, 3]})
    found = experiment_effect(frame, outcome="y", control="a")
    assert found.effect.value == 2.0
    assert np.isnan(found.arms[0].lift.value)
    assert "no relative lift" in found.notes[0]


def test_the_result_turns_into_a_frame_and_a_dict_and_shows_itself() -> None:
    found = experiment_effect(spending(), outcome="spend", control="control")
    assert found.to_frame()["arm"].tolist() == ["mail", "phone"]
    assert found.to_dict()["arms"][1]["effect"]["value"] == found.arm("phone").effect.value
    assert "ExperimentEffect" in repr(found)
    assert "mail: effect " in repr(found)
    assert found.assumptions[1] in repr(found)
    assert "<table>" in found._repr_html_()
    assert "<td>phone</td>" in found._repr_html_()
    with pytest.raises(InputError, match=r"arm: there are several \('mail', 'phone'\)"):
        _ = found.effect


BASE = {"arm": ["a", "a", "b", "b"], "y": [1.0, 2.0, 3.0, 5.0], "c": [1.0, 1.0, 1.0, 1.0], "x": [1.0, 1.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"control": "z"}, r"control: no row has 'z' in column 'arm'\. Labels there: 'a', 'b'"),
        ({"arm": ["a"] * 4}, {}, r"every row is in 'a'\. Pass at least one other arm"),
        ({"arm": ["a", "a", "a", "b"]}, {}, r"fewer than 2 units in 1 of 2 rows \(arm b\)"),
        ({"y": [5.0] * 4}, {}, r"column 'y': the outcome does not vary within the arms"),
        ({"y": [0.1 * 3] * 4}, {}, r"column 'y': the outcome does not vary within the arms"),
        ({"y": [1.0, None, 3.0, 5.0]}, {}, r"column 'y': missing or infinite in 1 of 4 rows \(row 1\)\. Fill or drop"),
        ({"arm": ["a", "a", None, "b"]}, {}, r"column 'arm': missing in 1 of 4 rows \(row 2\)"),
        ({"y": ["1", "2", "3", "x"]}, {}, r"column 'y'.*not numbers"),
        ({}, {"covariate": "c"}, r"column 'c': does not vary within the arms\. Leave the covariate out"),
        ({}, {"per": "x"}, r"column 'x': sum not above 0 in 1 of 2 rows \(arm b\)"),
        ({}, {"covariate": "y"}, r"covariate: 'y' is compared itself"),
        ({"c": [0.3, 0.6, 0.9, 1.5]}, {"covariate": "c"}, r"covariate: 'c' tells the whole outcome.*known before"),
        ({"arm": ["a", "a", 1, 1]}, {}, r"column 'arm': ids of several types \(int, str\)"),
        ({}, {"outcome": "why"}, r"column 'why' is missing"),
        ({}, {"confidence": 1.0}, r"confidence: got 1\.0"),
        ({}, {"correction": "tukey"}, r"correction: got 'tukey'\. Use one of 'dunnett'"),
        ({}, {"planned_shares": {"a": 0.5}}, r"planned_shares: 'b' is missing"),
        ({}, {"planned_shares": {"a": 0.5, "b": 0.0}}, r"planned_shares: share not above 0 in 1 of 2 rows \(arm b\)"),
        ({"id": [1, 2, 2, 3]}, {"unit": "id"}, r"units in more than one group of 'arm' in 1 of 3 rows \(unit 2\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({**BASE, **change})
    with pytest.raises(InputError, match=message):
        experiment_effect(frame, **{"outcome": "y", "control": "a", **options})


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(InputError, match="there are no rows"):
        experiment_effect(pd.DataFrame({"arm": [], "y": []}), outcome="y", control="a")


def test_a_lazy_frame_with_missing_values_is_refused_with_their_count() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.LazyFrame({"arm": ["a", "a", "b", None], "y": [1.0, None, 3.0, 4.0]})
    with pytest.raises(InputError, match=r"column 'arm': missing in 1 of 4 rows\."):
        experiment_effect(frame, outcome="y", control="a")
    with pytest.raises(InputError, match=r"column 'y': missing or infinite in 1 of 4 rows\."):
        experiment_effect(
            frame.fill_null(strategy="forward").with_columns(y=pl.Series([1.0, None, 3.0, 4.0])),
            outcome="y",
            control="a",
        )


def test_labels_are_escaped_in_html() -> None:
    frame = pd.DataFrame({"arm": ["<b>"] * 3 + ["a"] * 3, "y": [1.0, 2, 3, 4, 5, 7]})
    html = experiment_effect(frame, outcome="y", control="a")._repr_html_()
    assert "<b>:" not in html
    assert "&lt;b&gt;" in html
