"""Early warning: arithmetic by hand, oracles for the scores, and a backtest on published data."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from crmvalue.data.samples import load_cdnow
from crmvalue.data.summary import summarize_customers
from crmvalue.errors import InputError
from crmvalue.models import nbd
from crmvalue.models.bg_nbd import BG_NBD, Params
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.nbd import NBD
from crmvalue.retention.backtest import area_under_curve, calibration_table, lift, risk_backtest
from crmvalue.retention.risk import churn_risk
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=60)
FIT = PurchaseFit(
    model=BG_NBD,
    params=Params(r=0.243, alpha=4.414, a=0.793, b=2.426),
    log_covariance=np.eye(4),
    log_likelihood=-9582.4,
    gradient_norm=0.0,
    n_customers=2357,
    time_unit="week",
)
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cy", "di"],
        "frequency": [0, 2, 7, 2],
        "recency": [0.0, 30.43, 33.0, 35.0],
        "T": [38.86, 38.86, 38.86, 36.0],
        "purchases": [1, 3, 8, 3],
        "total_spend": [20.0, 90.0, 400.0, -6.0],
    }
)


def test_the_gain_of_a_contact_is_success_times_value_at_risk_less_its_cost():
    risk = churn_risk(CUSTOMERS, FIT, horizon=39, contact_cost=0.5, success=0.25, margin=0.4)
    table = risk.frame.set_index("customer_id")
    # Fader, Hardie & Lee (2005), section 5: a customer with x = 2, t_x = 30.43, T = 38.86 is expected to buy 1.226
    # times in the next 39 weeks, which is the probability to be alive times the purchases of one who is
    alive = table.loc["bob", "probability_alive"]
    assert alive * table.loc["bob", "value_if_alive"] == pytest.approx(1.226 * 30.0 * 0.4, abs=5e-4 * 12)
    assert table.loc["bob", "value_at_risk"] == pytest.approx((1 - alive) * table.loc["bob", "value_if_alive"])
    assert table["expected_gain"].tolist() == pytest.approx((0.25 * table["value_at_risk"] - 0.5).tolist())
    assert table.loc["bob", "overdue"] == pytest.approx((38.86 - 30.43) / (30.43 / 2))
    assert math.isnan(table.loc["ann", "overdue"])
    assert table.loc["di", "value_if_alive"] == 0  # refunds above purchases promise nothing
    assert risk.frame["expected_gain"].is_monotonic_decreasing
    assert risk.depth == (table["expected_gain"] > 0).sum()
    assert risk.gain == pytest.approx(table["expected_gain"].clip(lower=0).sum())
    assert risk.value_at_risk == pytest.approx(table["value_at_risk"].sum())


@given(cost=st.floats(0, 100), success=st.floats(0, 1))
@few
def test_the_depth_is_where_the_sum_of_gains_is_highest(cost, success):
    risk = churn_risk(CUSTOMERS, FIT, horizon=39, contact_cost=cost, success=success)
    sums = np.concatenate([[0.0], risk.frame["expected_gain"].cumsum()])
    assert sums[risk.depth] == pytest.approx(sums.max(), abs=1e-9)
    assert risk.gain == pytest.approx(sums.max(), abs=1e-9)


def test_every_engine_gives_the_same_list(as_engine):
    given_frame = as_engine(CUSTOMERS)
    found = churn_risk(given_frame, FIT, horizon=39, contact_cost=0.5, success=0.25)
    wanted = churn_risk(CUSTOMERS, FIT, horizon=39, contact_cost=0.5, success=0.25)
    assert type(found.frame) is type(given_frame)
    table = to_pandas(found.frame)
    assert table["customer_id"].tolist() == wanted.frame["customer_id"].tolist()
    for column in wanted.frame.columns[1:]:
        np.testing.assert_allclose(table[column].astype(float), wanted.frame[column].astype(float), rtol=1e-9)
    assert (found.depth, found.n) == (wanted.depth, wanted.n)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon: got 0"),
        ({"horizon": 39, "contact_cost": -1}, "contact_cost: got -1"),
        ({"horizon": 39, "success": 1.2}, "success: got 1.2"),
        ({"horizon": 39, "margin": math.nan}, "margin: got nan"),
        ({"horizon": 39, "spend": "expected_spend"}, "column 'expected_spend' is missing"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        churn_risk(CUSTOMERS, FIT, **options)


def test_customers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"recency: above T in 1 of 4 rows \(customer bob\)"):
        churn_risk(CUSTOMERS.assign(recency=[0.0, 99.0, 33.0, 35.0]), FIT, horizon=39)
    with pytest.raises(InputError, match=r"total_spend: missing in 1 of 4 rows \(customer cy\)"):
        churn_risk(CUSTOMERS.assign(total_spend=[1.0, 1.0, math.nan, 1.0]), FIT, horizon=39)
    with pytest.raises(InputError, match="the summary is in days and the fit in weeks"):
        churn_risk(summarize_customers(load_cdnow()), FIT, horizon=39)


some_scores = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 4)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(hit for _, hit, _ in rows) < len(rows)
)


@given(rows=some_scores)
@few
def test_the_area_under_the_curve_is_that_of_mann_and_whitney(rows):
    score, happened, count = (np.array(values) for values in zip(*rows, strict=True))
    one = np.repeat(score[happened], count[happened])
    other = np.repeat(score[~happened], count[~happened])
    expected = mannwhitneyu(one, other).statistic / (len(one) * len(other))
    assert area_under_curve(score.astype(float), happened, count) == pytest.approx(expected)


@given(rows=some_scores)
@few
def test_calibration_adds_up_to_all_customers_and_orders_the_tenths(rows):
    score, happened, count = (np.array(values) for values in zip(*rows, strict=True))
    table = pd.DataFrame(calibration_table(score / 5, happened, count))
    assert table["n"].sum() == count.sum()
    assert (table["n"] * table["observed"]).sum() == pytest.approx(count[happened].sum())
    assert (table["n"] * table["predicted"]).sum() == pytest.approx((count * score / 5).sum())
    assert table["predicted"].is_monotonic_increasing


def test_the_lift_of_a_perfect_score_and_of_one_that_says_nothing():
    happened = np.arange(100) < 20
    one = np.ones(100, dtype=int)
    assert lift(happened.astype(float), happened, one) == 5.0  # all of the top tenth, of 20 % overall
    assert lift(np.zeros(100), happened, one) == pytest.approx(1.0)


def test_on_cdnow_the_model_gives_far_better_probabilities_than_rules_of_thumb_and_ranks_as_well():
    test = risk_backtest(load_cdnow(), calibration_end="1997-09-30", observation_end="1998-06-30")
    scores = test.scores.set_index("rule")
    model, others = scores.loc["BG_NBD"], scores.drop("BG_NBD")
    assert test.n == test.calibration["n"].sum() == 23570
    assert model["brier"] < 0.65 * others["brier"].min()
    # days of silence alone rank a little better here, as Wübben & von Wangenheim (2008) found: BG/NBD takes every
    # customer with one purchase to be alive
    assert model["auc"] == pytest.approx(others["auc"].max(), abs=0.02)
    assert model["predicted"] == pytest.approx(test.observed, abs=0.04)
    assert (test.calibration["observed"] - test.calibration["predicted"]).abs().max() < 0.15


def test_the_probability_of_silence_is_that_of_simulated_customers():
    rng = np.random.default_rng(11)
    params, n = Params(r=1.0, alpha=6.0, a=0.8, b=2.5), 4000
    rate, leave = rng.gamma(params.r, 1 / params.alpha, n), rng.beta(params.a, params.b, n)
    times = np.cumsum(rng.exponential(1 / rate[:, None], (n, 80)), axis=1)
    stays = np.cumprod(rng.random((n, 80)) > leave[:, None], axis=1)
    alive = np.column_stack([np.ones(n), stays[:, :-1]]) > 0  # a purchase is made if she stayed after the one before
    days = np.where(alive, np.floor(times * 7), np.inf)
    start = np.datetime64("2022-01-01")
    who, _ = np.nonzero(days < 730)
    rows = pd.DataFrame({"customer_id": np.concatenate([np.arange(n), who]), "amount": 1.0})
    rows["date"] = start + np.concatenate([np.zeros(n), days[days < 730]]).astype(int)
    test = risk_backtest(rows, calibration_end="2022-12-31", observation_end="2023-12-30")
    table = test.calibration
    assert (table["predicted"] - table["observed"]).abs().max() < 0.06  # 400 customers a tenth: error up to .025
    assert test.scores["predicted"][0] == pytest.approx(test.observed, abs=0.015)


def test_a_backtest_without_a_holdout_or_without_a_difference_is_refused():
    rows = pd.DataFrame({"customer_id": [1, 1, 2, 2], "date": ["2024-01-01", "2024-02-01"] * 2, "amount": 1.0})
    with pytest.raises(InputError, match="leaves no holdout period"):
        risk_backtest(rows, calibration_end="2024-02-01")
    with pytest.raises(
        InputError, match="observation_end: 2024-01-10 leaves no holdout period after calibration_end 2024-01-20"
    ):
        risk_backtest(rows, calibration_end="2024-01-20", observation_end="2024-01-10")
    with pytest.raises(InputError, match="inactive_after: got 0"):
        risk_backtest(rows, calibration_end="2024-01-15", inactive_after=0)
    cdnow = load_cdnow()
    quiet = cdnow[pd.to_datetime(cdnow["date"]) <= "1997-09-30"]
    with pytest.raises(InputError, match="all customers bought nothing in the holdout period"):
        risk_backtest(quiet, calibration_end="1997-09-30", observation_end="1997-12-31")


def test_results_of_a_backtest_do_not_depend_on_the_time_unit():
    week, day = (risk_backtest(load_cdnow(), calibration_end="1997-09-30", time_unit=unit) for unit in ("week", "day"))
    np.testing.assert_allclose(week.scores["auc"], day.scores["auc"], atol=1e-4)


def test_a_fit_in_which_nobody_leaves_says_that_its_list_has_no_order():
    params = nbd.Params(r=0.5, alpha=5.0)
    fit = replace(FIT, model=NBD, params=params, log_covariance=np.eye(2), health=("The simpler model.",))
    risk = churn_risk(CUSTOMERS, fit, horizon=39)
    assert risk.value_at_risk == 0
    assert risk.notes[0] == "The simpler model."
    assert "By NBD every customer is still there" in risk.notes[1]
    assert "lifecycle_stage" in risk.notes[1]
    assert churn_risk(CUSTOMERS, FIT, horizon=39).notes == ()


def test_a_backtest_names_the_model_that_was_fitted_and_not_the_one_asked_for():
    rng = np.random.default_rng(5)
    rows = [
        (who, np.datetime64("2023-01-01") + int(day))
        for who, rate in enumerate(rng.gamma(1.0, 1 / 40, 400))
        for day in np.cumsum(np.append(rng.integers(0, 60), rng.exponential(1 / rate, 60)))
        if day < 500
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=1.0)
    frame["date"] = frame["date"].astype("datetime64[s]")
    test = risk_backtest(frame, calibration_end="2024-01-31")
    assert test.fit.model is NBD  # nobody ever left
    assert test.scores["rule"].tolist() == ["NBD", "silence", "one purchase"]
