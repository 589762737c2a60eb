"""Spend and value with covariates, in every engine; plain arrays and other time units at every prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.clv import (
    conditional_expected_purchases,
    customer_value,
    discounted_residual_purchases,
    expected_spend,
    probability_alive,
    purchase_probabilities,
    value_by_period,
)
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.bg_bb import BG_BB
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.covariates import Effect
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.gamma_gamma_on_frequency import GAMMA_GAMMA_ON_FREQUENCY
from crmvalue.retention.risk import churn_risk

FIT = PurchaseFit(
    model=BG_NBD,
    params=BG_NBD.Params(r=0.24, alpha=4.4, a=0.8, b=2.4),
    log_covariance=np.eye(6) / 50,
    log_likelihood=-9.0,
    gradient_norm=0.0,
    n_customers=9,
    time_unit="week",
    effects=(
        Effect(("purchases",), "channel", "store", "web", 0.7),
        Effect(("purchases", "dropout"), "age", None, 40.0, -0.01),
    ),
)
PLAIN = PurchaseFit(
    model=BG_NBD,
    params=FIT.params,
    log_covariance=np.eye(4) / 50,
    log_likelihood=-9.0,
    gradient_norm=0.0,
    n_customers=9,
    time_unit="week",
)
SPEND = SpendFit(
    model=GAMMA_GAMMA,
    params=GAMMA_GAMMA.Params(6.0, 4.0, 15.0),
    log_covariance=np.eye(4) / 50,
    log_likelihood=-9.0,
    gradient_norm=0.0,
    n_customers=9,
    n_without_repeat=0,
    n_not_positive=0,
    effects=(Effect(("spend",), "vip", None, 0.0, 0.3),),
)
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cy", "di", "ed"],
        "frequency": [0, 2, 5, 0, 2],
        "recency": [0.0, 30.0, 20.0, 0.0, 10.0],
        "T": [38.0, 38.0, 30.0, 0.0, 38.0],
        "monetary_value": [np.nan, 20.0, 35.0, np.nan, 8.0],
    }
)
KNOWN = pd.DataFrame(
    {
        "customer_id": ["ed", "di", "cy", "bob", "ann", "nobody"],
        "channel": ["web", "store", "web", "store", "web", "store"],
        "age": [20.0, 30.0, 40.0, 50.0, 60.0, 70.0],
        "vip": [0, 1, 1, 0, 1, 1],
    }
)
PREDICTIONS = [
    lambda customers, **more: probability_alive(FIT, customers, after=5, **more),
    lambda customers, **more: conditional_expected_purchases(FIT, customers, horizon=10, **more),
    lambda customers, **more: purchase_probabilities(FIT, customers, horizon=10, counts=[0, 2], **more),
    lambda customers, **more: discounted_residual_purchases(FIT, customers, discount_rate=0.1, **more),
]


def by_id(frame):
    """Return a frame of any engine in the order of CUSTOMERS."""
    return to_pandas(frame).set_index("customer_id").loc[CUSTOMERS["customer_id"]].astype(float)


def test_expected_spend_multiplies_the_scale_of_those_with_the_covariate():
    found = expected_spend(SPEND, CUSTOMERS, covariates=KNOWN)["expected_spend"].to_numpy()
    v = 15 * np.exp(0.3 * np.array([1, 0, 1, 1, 0]))
    x, m = CUSTOMERS["frequency"].to_numpy(), CUSTOMERS["monetary_value"].fillna(0).to_numpy()
    assert found == pytest.approx(6 * (v + x * m) / (6 * x + 3), rel=1e-14)  # eq. 5 of Fader & Hardie (2013)


def test_spend_that_depends_on_frequency_takes_covariates_as_well():
    fit = SpendFit(
        model=GAMMA_GAMMA_ON_FREQUENCY,
        params=GAMMA_GAMMA_ON_FREQUENCY.Params(6.0, 4.0, 15.0, 1.2),
        log_covariance=np.eye(5),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=9,
        n_without_repeat=0,
        n_not_positive=0,
        effects=SPEND.effects,
    )
    found = expected_spend(fit, CUSTOMERS, covariates=KNOWN)["expected_spend"].to_numpy()
    v = 15 * np.exp(0.3 * np.array([1, 0, 1, 1, 0]))
    x, m = CUSTOMERS["frequency"].to_numpy(dtype=float), CUSTOMERS["monetary_value"].fillna(0).to_numpy()
    assert found == pytest.approx(6 * (v * (1 + x) ** np.log2(1.2) + x * m) / (6 * x + 3), rel=1e-14)


def test_the_value_is_that_of_each_customers_own_parameters_and_spend():
    given = {"horizon": 26, "discount_rate": 0.1, "margin": 0.4, "cost_to_serve": 1.0, "retention_cost": 0.02}
    found = customer_value(CUSTOMERS, FIT, SPEND, covariates=KNOWN, **given)
    total = 0.0
    for i, name in enumerate(CUSTOMERS["customer_id"]):
        known = KNOWN.set_index("customer_id").loc[name]
        age = -0.01 * (known["age"] - 40)
        bought = age + (0.7 if known["channel"] == "store" else 0.0)
        r, alpha, a, b = FIT.params
        alone = PurchaseFit(
            model=BG_NBD,
            params=BG_NBD.Params(r, alpha * np.exp(-bought), a * np.exp(age), b),
            log_covariance=np.eye(4),
            log_likelihood=-9.0,
            gradient_norm=0.0,
            n_customers=9,
            time_unit="week",
        )
        spend = SpendFit(
            model=GAMMA_GAMMA,
            params=GAMMA_GAMMA.Params(6.0, 4.0, 15.0 * np.exp(0.3 * known["vip"])),
            log_covariance=np.eye(3),
            log_likelihood=-9.0,
            gradient_norm=0.0,
            n_customers=9,
            n_without_repeat=0,
            n_not_positive=0,
        )
        wanted = customer_value(CUSTOMERS.iloc[[i]], alone, spend, **given)
        assert found.frame["value"][i] == pytest.approx(wanted.total, rel=1e-12)
        total += wanted.total
    assert found.total == pytest.approx(total, rel=1e-12)
    flows = value_by_period(CUSTOMERS, FIT, SPEND, covariates=KNOWN, **given)
    assert flows["cumulative_value"].iloc[-1] == pytest.approx(total, rel=1e-9)


def test_every_engine_gives_the_same_spend_and_value(as_engine):
    given = {"horizon": 26, "discount_rate": 0.1, "margin": 0.4}
    merged = CUSTOMERS.assign(monetary_value=CUSTOMERS["monetary_value"].fillna(0.0)).merge(KNOWN)
    frame = as_engine(merged)
    spend = by_id(expected_spend(SPEND, frame))
    assert spend["expected_spend"].to_numpy() == pytest.approx(
        by_id(expected_spend(SPEND, CUSTOMERS, covariates=KNOWN))["expected_spend"].to_numpy(), rel=1e-13
    )
    wanted = by_id(customer_value(CUSTOMERS, FIT, SPEND, covariates=KNOWN, **given).frame)
    for found in (
        customer_value(frame, FIT, SPEND, **given),
        customer_value(frame, FIT, SPEND, covariates=KNOWN, **given),
    ):
        assert by_id(found.frame)["value"].to_numpy() == pytest.approx(wanted["value"].to_numpy(), rel=1e-12)
    flows = value_by_period(frame, FIT, SPEND, **given)
    assert flows["present_value"].sum() == pytest.approx(wanted["value"].sum(), rel=1e-9)


def test_a_fit_without_covariates_does_not_mind_them():
    given = {"horizon": 26, "discount_rate": 0.1}
    plain = customer_value(CUSTOMERS, PLAIN, SPEND, covariates=KNOWN, **given)
    assert plain.frame["expected_purchases"].to_numpy() == pytest.approx(
        conditional_expected_purchases(PLAIN, CUSTOMERS, horizon=26)["expected_purchases"].to_numpy()
    )


def test_customers_without_covariates_are_named_before_they_are_valued():
    given = {"horizon": 26, "discount_rate": 0.1}
    with pytest.raises(InputError, match=r"covariates: no row for the customer in 1 of 5 rows \(customer bob\)"):
        customer_value(CUSTOMERS, FIT, SPEND, covariates=KNOWN[KNOWN["customer_id"] != "bob"], **given)
    with pytest.raises(InputError, match="covariates: missing, and the fit has effects of vip"):
        expected_spend(SPEND, CUSTOMERS)
    with pytest.raises(InputError, match=r"vip: missing or infinite in 1 of 5 rows \(customer cy\)"):
        expected_spend(SPEND, CUSTOMERS, covariates=KNOWN.assign(vip=[0, 1, None, 0, 1, 1]))
    with pytest.raises(InputError, match=r"channel: levels that the fit does not know \('fax'\)"):
        value_by_period(CUSTOMERS, FIT, SPEND, covariates=KNOWN.replace({"channel": {"web": "fax"}}), **given)


@pytest.mark.parametrize("predict", PREDICTIONS, ids=["alive", "expected", "chances", "residual"])
def test_numbers_and_arrays_by_name_are_answered_in_kind(predict):
    merged = CUSTOMERS.merge(KNOWN)
    wanted = predict(merged)
    arrays = {name: merged[name].to_numpy() for name in ("frequency", "recency", "T", "channel", "age")}
    found = predict(arrays)
    assert isinstance(found, dict)
    assert list(found) == list(wanted.columns[1:])
    for name, values in found.items():
        assert values == pytest.approx(wanted[name].to_numpy(), rel=1e-13)
    one = predict({"frequency": 2, "recency": 30.0, "T": 38, "channel": "store", "age": 50})
    for name, value in one.items():
        assert value.shape == ()
        assert float(value) == pytest.approx(wanted[name][1], rel=1e-13)
    with_id = predict({**arrays, "customer_id": merged["customer_id"].to_numpy()})
    assert with_id["customer_id"].tolist() == merged["customer_id"].tolist()


def test_the_customer_of_the_paper_is_answered_as_numbers():
    fit = PurchaseFit(
        model=BG_NBD,
        params=BG_NBD.Params(r=0.243, alpha=4.414, a=0.793, b=2.426),  # Fader, Hardie & Lee (2005)
        log_covariance=np.eye(4),
        log_likelihood=-9582.4,
        gradient_norm=0.0,
        n_customers=2357,
        time_unit="week",
    )
    customer = {"frequency": 26, "recency": 30.857, "T": 31}
    found = conditional_expected_purchases(fit, customer, horizon=52)
    assert float(found["expected_purchases"]) == pytest.approx(25.757, abs=0.01)  # from estimates of four digits
    grid = conditional_expected_purchases(fit, {**customer, "T": np.array([[31.0, 40.0], [50.0, 60.0]])}, horizon=52)
    assert grid["expected_purchases"].shape == (2, 2)
    assert grid["expected_purchases"][0, 0] == float(found["expected_purchases"])


def test_spend_of_numbers_by_name():
    found = expected_spend(SPEND, {"frequency": [0, 3], "monetary_value": [0.0, 20.0], "vip": 1})
    v = 15 * np.exp(0.3)
    assert found["expected_spend"] == pytest.approx([6 * v / 3, 6 * (v + 60) / 21])


def test_arrays_of_different_shapes_are_refused():
    with pytest.raises(InputError, match=r"customers: arrays of different shapes \(frequency \(2,\), recency \(3,\)"):
        probability_alive(PLAIN, {"frequency": [1, 2], "recency": [1.0, 2.0, 3.0], "T": 5.0})
    with pytest.raises(InputError, match="column 'T' is missing"):
        probability_alive(PLAIN, {"frequency": [1, 2], "recency": [1.0, 2.0]})
    with pytest.raises(InputError, match="recency: above T in 1 of 2 rows"):
        probability_alive(PLAIN, {"frequency": [1, 2], "recency": [1.0, 9.0], "T": 5.0})


@pytest.mark.parametrize("predict", PREDICTIONS, ids=["alive", "expected", "chances", "residual"])
def test_histories_in_another_time_unit_are_converted(predict):
    wanted = predict(CUSTOMERS, covariates=KNOWN)
    for unit, days in {"day": 1, "month": 365.25 / 12, "year": 365.25}.items():
        factor = 7 / days
        other = CUSTOMERS.assign(recency=factor * CUSTOMERS["recency"], T=factor * CUSTOMERS["T"])
        found = predict(other, covariates=KNOWN, time_unit=unit)
        assert found.iloc[:, 1:].to_numpy() == pytest.approx(wanted.iloc[:, 1:].to_numpy(), rel=1e-12)
    again = predict(CUSTOMERS, covariates=KNOWN, time_unit="week")
    assert again.equals(wanted)


def test_values_of_histories_in_another_time_unit_are_converted():
    given = {"horizon": 26, "discount_rate": 0.1}
    days = CUSTOMERS.assign(recency=7 * CUSTOMERS["recency"], T=7 * CUSTOMERS["T"])
    wanted = customer_value(CUSTOMERS, FIT, SPEND, covariates=KNOWN, **given).total
    found = customer_value(days, FIT, SPEND, covariates=KNOWN, time_unit="day", **given)
    assert (found.total, found.time_unit) == (pytest.approx(wanted, rel=1e-12), "week")


def test_a_summary_in_another_unit_and_opportunities_are_not_converted():
    days = CustomerSummary(frame=CUSTOMERS, time_unit="day", observation_end=np.datetime64("2024-01-01"))
    with pytest.raises(InputError, match="the summary is in days and the fit in weeks"):
        probability_alive(PLAIN, days, time_unit="day")
    with pytest.raises(InputError, match="time_unit: got 'fortnight'"):
        probability_alive(PLAIN, CUSTOMERS, time_unit="fortnight")
    donors = PurchaseFit(
        model=BG_BB,
        params=BG_BB.Params(1.2, 0.75, 0.66, 2.8),
        log_covariance=np.eye(4),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=9,
        time_unit="year",
    )
    with pytest.raises(InputError, match="BG/BB counts opportunities, which cannot be converted"):
        probability_alive(donors, {"frequency": 1, "recency": 2, "T": 6}, time_unit="month")


def test_customers_at_risk_have_the_chance_of_their_own_parameters():
    summary = CUSTOMERS.assign(purchases=CUSTOMERS["frequency"] + 1, total_spend=50.0)
    found = churn_risk(summary, FIT, horizon=10, covariates=KNOWN).frame.set_index("customer_id")
    wanted = probability_alive(FIT, CUSTOMERS, covariates=KNOWN).set_index("customer_id")
    assert found["probability_alive"].loc[wanted.index].to_numpy() == pytest.approx(wanted["probability_alive"])
    with pytest.raises(InputError, match="covariates: missing, and the fit has effects of channel, age"):
        churn_risk(summary, FIT, horizon=10)
