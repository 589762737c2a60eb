"""Predictions for frames of customers: the same in every engine, what the formulas say, and clear errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.clv import (
    conditional_expected_purchases,
    discounted_residual_purchases,
    probability_alive,
    purchase_probabilities,
)
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models import BG_NBD, MBG_NBD, MODELS, NBD, PARETO_NBD
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.model import PurchaseModel

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cy", "di", "ed"],
        "frequency": [0, 2, 5, 0, 2],
        "recency": [0.0, 30.0, 20.0, 0.0, 10.0],
        "T": [38.0, 38.0, 30.0, 0.0, 38.0],
    }
)
PURCHASE_MODELS = [model for model in MODELS.values() if isinstance(model, PurchaseModel)]


def fit_of(model=PARETO_NBD, unit="week"):
    """Return a fit with estimates that suit weeks."""
    k = len(model.Params._fields)
    return PurchaseFit(
        model=model,
        params=model.Params(*(0.55, 10.6, 0.61, 1.9, 3.0)[:k]),
        log_covariance=np.eye(k),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=9,
        time_unit=unit,
    )


def by_id(frame):
    """Return a frame of any engine in the order of CUSTOMERS."""
    return to_pandas(frame).set_index("customer_id").loc[CUSTOMERS["customer_id"]]


def test_every_engine_gives_the_same_predictions(as_engine):
    fit, frame = fit_of(), as_engine(CUSTOMERS)
    jobs = [
        lambda f: probability_alive(fit, f, after=26),
        lambda f: conditional_expected_purchases(fit, f, horizon=26),
        lambda f: purchase_probabilities(fit, f, horizon=26, counts=range(3)),
        lambda f: discounted_residual_purchases(fit, f, discount_rate=0.1),
    ]
    for job in jobs:
        found, wanted = job(frame), by_id(job(CUSTOMERS))
        assert type(found).__module__.split(".")[0] == type(frame).__module__.split(".")[0]
        assert by_id(found).to_numpy(dtype=float) == pytest.approx(wanted.to_numpy(), rel=1e-12)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_chances_sum_to_one_with_the_mean_that_is_expected(model):
    fit = fit_of(model)
    chances = purchase_probabilities(fit, CUSTOMERS, horizon=26, counts=range(400)).drop(columns="customer_id")
    some = chances.pop("probability_at_least_1")
    assert some.to_numpy() == pytest.approx(chances.to_numpy()[:, 1:].sum(axis=1), rel=1e-9)
    expected = conditional_expected_purchases(fit, CUSTOMERS, horizon=26)["expected_purchases"]
    assert chances.sum(axis=1).to_numpy() == pytest.approx(np.ones(5), rel=1e-10)
    assert (chances.to_numpy() @ np.arange(400)) == pytest.approx(expected.to_numpy(), rel=1e-9)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_expected_purchases_stand_next_to_the_chance_to_be_alive(model):
    fit = fit_of(model)
    found = conditional_expected_purchases(fit, CUSTOMERS, horizon=26)
    assert list(found) == ["customer_id", "probability_alive", "expected_purchases"]
    assert found["probability_alive"].tolist() == probability_alive(fit, CUSTOMERS)["probability_alive"].tolist()


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_discounted_purchases_of_intervals_add_up_and_fall_with_the_rate(model):
    fit = fit_of(model)

    def worth(**options):
        return discounted_residual_purchases(fit, CUSTOMERS, **options)["discounted_purchases"].to_numpy()

    parts = worth(discount_rate=0.1, stop=52) + worth(discount_rate=0.1, start=52)
    assert parts == pytest.approx(worth(discount_rate=0.1), rel=1e-9)
    plain = conditional_expected_purchases(fit, CUSTOMERS, horizon=52)["expected_purchases"].to_numpy()
    assert worth(discount_rate=0.0, stop=52) == pytest.approx(plain, rel=1e-9)
    assert worth(discount_rate=1e-9, stop=52) == pytest.approx(plain, rel=1e-8)
    assert (worth(discount_rate=0.2, stop=52) < plain).all()


def test_the_chance_to_be_alive_later_is_that_of_an_unseen_silence_for_simulated_customers():
    fit = fit_of(MBG_NBD)
    rng = np.random.default_rng(2)
    made = MBG_NBD.simulate(fit.params, np.full(300_000, 20.0), rng)
    later = MBG_NBD.simulate(fit.params, np.full(300_000, 46.0), rng)
    frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
    said = probability_alive(fit, frame, after=26)["probability_alive"].mean()
    assert said == pytest.approx(later.alive.mean(), abs=0.003)  # 3 sigma
    now = probability_alive(fit, frame)["probability_alive"]
    assert probability_alive(fit, frame, after=0)["probability_alive"].equals(now)


def test_a_year_of_days_discounts_as_a_year_of_weeks():
    weeks = fit_of(NBD)
    r, alpha = weeks.params
    days = PurchaseFit(
        model=NBD,
        params=NBD.Params(r, 7 * alpha),
        log_covariance=np.eye(2),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=9,
        time_unit="day",
    )
    in_days = CUSTOMERS.assign(recency=7 * CUSTOMERS["recency"], T=7 * CUSTOMERS["T"])
    found = discounted_residual_purchases(days, in_days, discount_rate=0.1)["discounted_purchases"]
    wanted = discounted_residual_purchases(weeks, CUSTOMERS, discount_rate=0.1)["discounted_purchases"]
    assert found.to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-12)


def test_arguments_out_of_range_are_refused_with_the_remedy():
    fit = fit_of()
    for counts in ([], [-1], [0.5], [1, 1], 3, range(2_000)):
        with pytest.raises(InputError, match=r"counts: got .*Pass whole numbers of purchases"):
            purchase_probabilities(fit, CUSTOMERS, horizon=4, counts=counts)
    with pytest.raises(InputError, match="horizon"):
        purchase_probabilities(fit, CUSTOMERS, horizon=0, counts=[0])
    with pytest.raises(InputError, match="after: got -1"):
        probability_alive(fit, CUSTOMERS, after=-1)
    with pytest.raises(InputError, match="stop: got 4, and start is 9"):
        discounted_residual_purchases(fit, CUSTOMERS, discount_rate=0.1, start=9, stop=4)
    with pytest.raises(InputError, match="discount_rate: got -0.5"):
        discounted_residual_purchases(fit, CUSTOMERS, discount_rate=-0.5)
    with pytest.raises(InputError, match="under BG/NBD with these estimates customers buy without limit"):
        discounted_residual_purchases(fit_of(BG_NBD), CUSTOMERS, discount_rate=0)
    days = CustomerSummary(frame=CUSTOMERS, time_unit="day", observation_end=np.datetime64("2024-01-01"))
    with pytest.raises(InputError, match="the summary is in days and the fit in weeks"):
        purchase_probabilities(fit, days, horizon=4, counts=[0])


def test_a_horizon_of_more_than_a_century_is_taken_for_one_in_another_unit():
    years = fit_of(BG_NBD, unit="year")
    message = r"horizon: got 365, which is 365 years, for the fit is in years\. Pass it in years, at most 100 years"
    with pytest.raises(InputError, match=message):
        conditional_expected_purchases(years, CUSTOMERS, horizon=365)
    assert len(conditional_expected_purchases(years, CUSTOMERS, horizon=100)) == len(CUSTOMERS)
