"""How regularly customers buy: k found with known truth, what the gaps say, and fits of regular buyers in all uses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from scipy.special import digamma
from scipy.stats import dirichlet

import crmvalue as crm
from crmvalue.data.samples import load_cdnow
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from crmvalue.models import BG_CNBD_K, BG_NBD, MBG_CNBD_K, MBG_NBD, NBD
from crmvalue.models.fit import fit_purchases
from crmvalue.models.regularity import draw_log_gaps, log_evenness, with_k
from crmvalue.models.storage import fit_from_json, fit_to_json

# those of the demonstration of the authors' R package BTYDplus, demo/mbg-cnbd-k.R
TRUTH = MBG_CNBD_K.Params(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3.0)


def simulated(model, params, n=4_000, seed=1, T=None):
    """Return simulated customers with their log_gaps."""
    rng = np.random.default_rng(seed)
    made = model.simulate(params, rng.uniform(24, 52, n) if T is None else T, rng)
    gaps = draw_log_gaps(params.k, made.frequency, made.recency, rng)
    columns = {"frequency": made.frequency, "recency": made.recency, "T": made.T, "log_gaps": gaps}
    return pd.DataFrame({"customer_id": np.arange(len(gaps)), **columns})


def within(fit, truth, errors=4.0):
    """Whether r, α, a, b are within so many standard errors of the truth, on the log scale."""
    spread = np.sqrt(np.diag(fit.log_covariance))[:4]
    return (np.abs(np.log(np.array(fit.params[:4]) / truth[:4])) < errors * spread).all()


@pytest.mark.parametrize("model", [BG_CNBD_K, MBG_CNBD_K], ids=repr)
@pytest.mark.parametrize("k", [2, 3, 6])
def test_k_and_the_parameters_are_found_with_known_truth(model, k):
    truth = TRUTH._replace(k=float(k))
    fit = fit_purchases(simulated(model, truth), model, time_unit="week")
    assert fit.model is model
    assert fit.params.k == k
    assert within(fit, truth)
    assert np.isnan(fit.log_covariance[4]).all()  # errors take k as known
    assert np.isfinite(fit.log_covariance[:4, :4]).all()
    assert fit.health[-1].startswith(f"k = {k}: log-likelihood ")
    assert f" at k = {k - 1} and " in fit.health[-1]


def test_frequency_and_recency_alone_tell_k_less_surely_and_the_fit_says_so():
    customers = simulated(MBG_CNBD_K, TRUTH)
    fit = fit_purchases(customers.drop(columns="log_gaps"), MBG_CNBD_K, time_unit="week")
    assert fit.params.k == 3
    assert "summarize_customers(..., log_gaps=True)" in fit.health[-1]
    surely = fit_purchases(customers, MBG_CNBD_K, time_unit="week")
    assert surely.params[:4] == pytest.approx(fit.params[:4], rel=1e-6)  # gaps speak of k alone


def test_intervals_cover_the_truth_as_often_as_they_say():
    # 95 % intervals of 40 populations, given k: 152 of 160 expected, with a standard deviation below 6
    covered = 0
    for seed in range(40):
        customers = simulated(BG_CNBD_K, TRUTH, n=1_500, seed=seed)
        fit = fit_purchases(customers, BG_CNBD_K, time_unit="week")
        assert fit.params.k == 3
        lower, upper = fit.confidence_interval()[:4].T
        covered += ((lower < TRUTH[:4]) & (TRUTH[:4] < upper)).sum()
    assert covered > 138


def test_cdnow_has_no_regularity():
    # as the demonstration of BTYDplus finds, demo/cdnow.R
    summary = summarize_customers(load_cdnow(), observation_end="1997-09-30", time_unit="week", log_gaps=True)
    fit, plain = fit_purchases(summary, MBG_CNBD_K), fit_purchases(summary, MBG_NBD)
    assert fit.model is MBG_NBD
    assert fit.params == plain.params
    assert fit.log_likelihood == plain.log_likelihood
    assert fit.health[0].startswith("k = 1: ")
    assert "purchases come at random, and MBG/CNBD-k is MBG/NBD" in fit.health[0]


def test_evenness_is_the_density_of_the_shares_of_gaps_relative_to_random_ones():
    gaps = np.array([1.0, 4.0, 2.5, 0.5])
    shares = gaps / gaps.sum()
    history = np.array([4.0]), np.array([gaps.sum()]), np.array([np.log(gaps).sum()])
    for k in (1.0, 2.0, 7.0):
        wanted = dirichlet.logpdf(shares, np.full(4, k)) - dirichlet.logpdf(shares, np.ones(4))
        assert log_evenness(k, *history) == pytest.approx([wanted], abs=1e-12)
    assert log_evenness(3.0, np.zeros(1), np.zeros(1), np.zeros(1)).tolist() == [0.0]


def test_drawn_gaps_make_up_recency_and_are_as_even_as_k_says():
    x, n = 5, 200_000
    drawn = draw_log_gaps(3.0, np.full(n, float(x)), np.full(n, 10.0), np.random.default_rng(4))
    wanted = x * (np.log(10) + digamma(3) - digamma(3 * x))  # of the logarithm of a Dirichlet share
    assert drawn.mean() == pytest.approx(wanted, abs=4 * drawn.std() / np.sqrt(n))
    assert (drawn <= x * np.log(10 / x)).all()  # even gaps are the largest sum
    assert draw_log_gaps(3.0, np.zeros(2), np.zeros(2), np.random.default_rng(4)).tolist() == [0.0, 0.0]


def test_gaps_that_contradict_the_counts_are_reported():
    # purchases at random, but never soon after each other: gaps are even, and counts vary as much as ever
    random = simulated(MBG_CNBD_K, TRUTH._replace(k=1.0))
    history = random["frequency"].to_numpy(), random["recency"].to_numpy()
    contradicting = random.assign(log_gaps=draw_log_gaps(3.0, *history, np.random.default_rng(2)))
    fit = fit_purchases(contradicting, MBG_CNBD_K, time_unit="week")
    assert fit.params.k > 1
    assert "how often they bought and when last speaks for k = 1" in fit.health[-1]
    assert "let a holdout decide" in fit.health[-1]
    assert "speaks for" not in fit_purchases(simulated(MBG_CNBD_K, TRUTH), MBG_CNBD_K, time_unit="week").health[-1]


def test_the_time_unit_changes_neither_k_nor_what_is_compared():
    weeks = simulated(BG_CNBD_K, TRUTH, n=1_000)
    days = weeks.assign(
        recency=7 * weeks["recency"], T=7 * weeks["T"], log_gaps=weeks["log_gaps"] + weeks["frequency"] * np.log(7)
    )
    mine, theirs = (fit_purchases(f, BG_CNBD_K, time_unit=u) for f, u in ((weeks, "week"), (days, "day")))
    scale = np.array([1, 7, 1, 1, 1])
    assert np.array(theirs.params) == pytest.approx(np.array(mine.params) * scale, rel=1e-6)
    shift = weeks["frequency"].sum() * np.log(7)  # a density of so many times
    assert theirs.log_likelihood == pytest.approx(mine.log_likelihood - shift, rel=1e-10)
    plain = [fit_purchases(f, BG_NBD, time_unit=u).log_likelihood for f, u in ((weeks, "week"), (days, "day"))]
    assert mine.log_likelihood - plain[0] == pytest.approx(theirs.log_likelihood - plain[1], abs=1e-5)


def test_regular_buyers_are_told_from_random_ones_by_a_comparison():
    customers = simulated(MBG_CNBD_K, TRUTH, n=1_000)
    compared = crm.compare_models(customers, [BG_NBD, MBG_NBD, MBG_CNBD_K], time_unit="week")
    assert compared.best.model is MBG_CNBD_K
    random = simulated(MBG_CNBD_K, TRUTH._replace(k=1.0), n=1_000)
    compared = crm.compare_models(random, [MBG_NBD, MBG_CNBD_K], time_unit="week")
    assert "all models asked for are this one" in compared.advice


def test_k_may_be_given():
    customers = simulated(MBG_CNBD_K, TRUTH, n=1_000)
    free = fit_purchases(customers, MBG_CNBD_K, time_unit="week")
    given = fit_purchases(customers, with_k(MBG_CNBD_K, 3), time_unit="week")
    assert given.params == free.params
    assert given.log_likelihood == free.log_likelihood
    other = fit_purchases(customers, with_k(MBG_CNBD_K, 5), time_unit="week")
    assert other.params.k == 5
    assert other.log_likelihood < free.log_likelihood
    assert fit_purchases(customers, with_k(MBG_CNBD_K, 1), time_unit="week").model is MBG_NBD


def test_clockwork_is_as_regular_as_can_be_tried():
    customers = simulated(BG_CNBD_K, TRUTH._replace(k=80.0, alpha=0.05), n=300)
    fit = fit_purchases(customers, BG_CNBD_K, time_unit="week")
    assert fit.params.k == max(BG_CNBD_K.k_values)
    assert "as regular as can be tried" in fit.health[-1]


@pytest.mark.parametrize("model", [BG_CNBD_K, MBG_CNBD_K], ids=repr)
def test_where_nobody_leaves_the_fit_comes_back_and_says_so(model):
    loyal = model.Params(r=1.0, alpha=2.0, a=1e-6, b=5.0, k=3.0)
    customers = simulated(model, loyal, n=1_000)
    fit = fit_purchases(customers, model, time_unit="week")
    assert fit.params.k == 3
    assert "nobody leaves in these data" in fit.health[0]
    assert fit.params.r == pytest.approx(1.0, rel=0.2)
    expected = crm.conditional_expected_purchases(fit, customers, horizon=30)["expected_purchases"]
    events = (fit.params.r + 3 * customers["frequency"]) / (fit.params.alpha + customers["T"]) * 30
    assert (np.abs(expected - events / 3) <= 1).all()  # but for the phase, a third of the events
    random = simulated(BG_CNBD_K, loyal._replace(k=1.0), n=1_000)
    assert fit_purchases(random, BG_CNBD_K, time_unit="week").model is NBD


def test_a_fit_of_regular_buyers_serves_every_prediction_on_every_engine(as_engine):
    customers = simulated(MBG_CNBD_K, TRUTH, n=60)
    fit = fit_purchases(customers, with_k(MBG_CNBD_K, 3), time_unit="week")
    frame = as_engine(customers)
    again = fit_purchases(frame, with_k(MBG_CNBD_K, 3), time_unit="week")
    assert again.params == pytest.approx(fit.params, rel=1e-6)
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)
    history = [customers[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    found = to_pandas(crm.conditional_expected_purchases(fit, frame, horizon=8)).sort_values("customer_id")
    wanted = MBG_CNBD_K.conditional_expected_purchases(fit.params, 8.0, *history)
    assert found["expected_purchases"].to_numpy() == pytest.approx(wanted, rel=1e-12)
    alive = to_pandas(crm.probability_alive(fit, frame)).sort_values("customer_id")["probability_alive"]
    assert alive.to_numpy() == pytest.approx(MBG_CNBD_K.probability_alive(fit.params, *history), rel=1e-12)


def test_value_tracking_and_counts_come_from_a_fit_of_regular_buyers():
    rows = prepare_transactions(load_cdnow())
    summary = summarize_customers(rows, observation_end="1997-09-30", time_unit="week")
    fit = fit_purchases(summary, with_k(BG_CNBD_K, 2))
    value = crm.customer_value(summary, fit, crm.fit_spend(summary), horizon=26, discount_rate=0.1)
    assert np.isfinite(value.frame["value"]).all()
    counts = crm.frequency_fit(fit, summary)
    assert counts["expected"].sum() == pytest.approx(23_570, rel=1e-12)
    curve = crm.tracking(fit, rows, observation_end="1997-09-30")
    assert curve["cumulative_expected"].iloc[-1] == pytest.approx(curve["cumulative_actual"].iloc[-1], rel=0.1)
    assert (np.diff(curve["cumulative_expected"]) >= 0).all()


def test_a_saved_fit_of_regular_buyers_reads_back():
    fit = fit_purchases(simulated(BG_CNBD_K, TRUTH, n=500), BG_CNBD_K, time_unit="week")
    back = fit_from_json(fit_to_json(fit))
    assert back.model is BG_CNBD_K
    assert back.params == fit.params
    assert np.array_equal(back.log_covariance, fit.log_covariance, equal_nan=True)


def test_covariates_act_on_regular_buyers():
    rng = np.random.default_rng(8)
    n = 3_000
    web = rng.integers(0, 2, n)
    own = TRUTH._replace(alpha=TRUTH.alpha / np.exp(0.5 * web))  # web customers buy 65 % faster
    customers = simulated(BG_CNBD_K, own, T=np.full(n, 40.0)).assign(web=web)
    fit = fit_purchases(customers, BG_CNBD_K, time_unit="week", covariates=["web"])
    assert fit.params.k == 3
    assert within(fit, TRUTH)
    effect = fit.effects[0]
    error = np.sqrt(fit.log_covariance[5, 5])
    assert effect.name == "purchases, web"
    assert effect.coefficient == pytest.approx(0.5, abs=4 * error)
    assert error < 0.1


def test_gaps_in_another_unit_than_recency_are_refused():
    customers = simulated(BG_CNBD_K, TRUTH, n=50)
    customers["log_gaps"] += customers["frequency"] * np.log(7)
    with pytest.raises(InputError, match="log_gaps: adds up to .* in the time unit of recency"):
        fit_purchases(customers, BG_CNBD_K, time_unit="week")


def test_missing_gaps_are_refused_by_name():
    customers = simulated(BG_CNBD_K, TRUTH, n=50)
    customers.loc[customers["frequency"].idxmax(), "log_gaps"] = np.nan
    who = customers["frequency"].idxmax()
    with pytest.raises(InputError, match=rf"log_gaps: missing or infinite .* 1 of 50 rows \(customer {who}\)"):
        fit_purchases(customers, BG_CNBD_K, time_unit="week")
    customers["log_gaps"] = np.where(customers["frequency"] > 0, 0.0, np.nan)  # nothing is asked of one-time buyers
    customers["recency"] = np.where(customers["frequency"] > 0, customers["frequency"], 0.0)
    customers["T"] = 60.0
    assert np.isfinite(fit_purchases(customers, with_k(BG_CNBD_K, 2), time_unit="week").log_likelihood)


@pytest.mark.parametrize("k", [0, -1, 1.5, 25, np.nan, None])
def test_a_k_that_is_no_whole_number_is_refused(k):
    with pytest.raises(InputError, match="k: got"):
        with_k(BG_CNBD_K, k)


def test_a_model_without_k_is_refused():
    with pytest.raises(InputError, match="model: it has no k"):
        with_k(BG_NBD, 2)


def test_the_k_of_few_customers_with_rare_levels_is_that_of_fits_with_each_k():
    rng = np.random.default_rng(1007)
    n = 60
    known = pd.DataFrame({"customer_id": range(n), "kind": np.repeat(["web", "store", "fair", "post"], [50, 5, 3, 2])})
    made = BG_CNBD_K.simulate(BG_CNBD_K.Params(0.8, 3.0, 0.9, 2.5, 2.0), rng.integers(6, 40, n).astype(float), rng)
    frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T}).assign(
        customer_id=range(n)
    )
    found = fit_purchases(frame, BG_CNBD_K, covariates=known, time_unit="week")
    assert found.penalty == 1  # some effects have no end
    assert any("effects without end are" in said for said in found.health)
    each = [
        fit_purchases(frame, with_k(BG_CNBD_K, k), covariates=known, time_unit="week")
        for k in range(1, int(found.params[-1]) + 3)
    ]
    best = max(each, key=lambda fit: fit.log_likelihood)
    assert found.params == pytest.approx(best.params, rel=1e-6)
    assert found.log_likelihood == pytest.approx(best.log_likelihood, abs=1e-8)
