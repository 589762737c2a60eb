"""Fits: published estimates, other libraries, bad input, and what the result holds."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import ConvergenceError, InputError
from crmvalue.models import MBG_NBD, NBD, PARETO_NBD
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import fit_purchases, fit_spend
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.gamma_gamma_on_frequency import GAMMA_GAMMA_ON_FREQUENCY


@pytest.fixture(scope="module")
def cdnow(cdnow_folder) -> pd.DataFrame:
    """Return the CDNOW sample of the papers, 39 weeks, with customer ids and mean spend."""
    spend = pd.read_csv(cdnow_folder / "cdnow_customers_summary_with_transactions.csv")
    history = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")
    history["monetary_value"] = spend["zbar"].to_numpy(dtype=float)
    return history.rename(columns={"ID": "customer_id"})


@pytest.fixture(scope="module")
def summary(cdnow) -> CustomerSummary:
    """Return the same as a summary in weeks."""
    return CustomerSummary(frame=cdnow, time_unit="week", observation_end=np.datetime64("1997-09-30"))


def customers(frequency, recency, T, **more) -> pd.DataFrame:
    """Return a frame of histories."""
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": T, **more})


def test_fit_on_cdnow_gives_the_published_estimates(summary):
    fit = fit_purchases(summary, BG_NBD)
    # Fader, Hardie & Lee (2005), table 2: three decimals
    assert fit.params == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=6e-4)
    assert fit.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    assert (fit.n_customers, fit.time_unit) == (2357, "week")
    assert fit.gradient_norm < 1e-8
    assert fit.aic == pytest.approx(2 * 4 + 2 * 9582.4, abs=0.1)
    assert fit.bic == pytest.approx(4 * np.log(2357) + 2 * 9582.4, abs=0.1)


def test_spend_fit_on_cdnow_gives_the_published_estimates(cdnow_folder):
    names = ["master_id", "customer_id", "date", "cds", "amount"]
    path = cdnow_folder / "CDNOW_sample.txt"
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype={"date": str})
    days = rows[rows["date"] <= "19970930"].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    repeats = days[days.duplicated("customer_id")].groupby("customer_id")["amount"]
    frame = pd.DataFrame({"frequency": repeats.size(), "monetary_value": repeats.mean()})
    fit = fit_spend(frame, GAMMA_GAMMA)
    assert fit.params == pytest.approx((6.25, 3.74, 15.44), abs=5e-3)  # the note prints two decimals
    assert fit.log_likelihood == pytest.approx(-4055.92, abs=0.005)
    assert (fit.n_customers, fit.n_without_repeat, fit.n_not_positive) == (946, 0, 0)
    assert fit.gradient_norm < 1e-8


def test_fits_are_at_least_as_likely_as_those_of_lifetimes(cdnow):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        theirs = BetaGeoFitter().fit(cdnow["frequency"], cdnow["recency"], cdnow["T"])
        repeat = cdnow[cdnow["frequency"] > 0]
        their_spend = GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])
    ours = fit_purchases(cdnow, time_unit="week")
    # their optimiser stops where the mean log-likelihood moves by less than 1e-4, near enough for three digits
    assert ours.params == pytest.approx([theirs.params_[name] for name in ours.param_names], rel=2e-3)
    theirs_at = BG_NBD.Params(*(theirs.params_[name] for name in ours.param_names))
    columns = [cdnow[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    assert ours.log_likelihood >= BG_NBD.log_likelihood(theirs_at, *columns).sum() - 1e-8
    spend = fit_spend(cdnow)
    assert spend.params == pytest.approx([their_spend.params_[name] for name in spend.param_names], rel=5e-3)
    # they report standard errors from a Hessian by differences
    assert spend.standard_errors == pytest.approx(their_spend.standard_errors_.to_numpy(), rel=0.02)
    assert ours.standard_errors == pytest.approx(theirs.standard_errors_.to_numpy(), rel=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    truth = BG_NBD.Params(r=0.6, alpha=5.0, a=0.9, b=2.5)
    covered = np.zeros(4)
    rng = np.random.default_rng(8)
    for _ in range(60):
        made = BG_NBD.simulate(truth, np.full(3000, 50.0), rng)
        lower, upper = (
            fit_purchases(customers(made.frequency, made.recency, made.T), time_unit="week").confidence_interval().T
        )
        covered += (lower < truth) & (truth < upper)
    assert (covered >= 51).all()  # 57 of 60 expected; fewer than 51 has a chance below 1 in 100


def test_a_fit_is_at_least_as_likely_as_the_truth():
    for seed, truth in enumerate(
        [(0.05, 0.5, 2.0, 3.0), (5.0, 1.0, 0.1, 0.1), (0.5, 5.0, 0.05, 0.3), (30.0, 300.0, 1.0, 2.0)]
    ):
        params = BG_NBD.Params(*truth)
        made = BG_NBD.simulate(params, np.full(5000, 60.0), np.random.default_rng(seed))
        fit = fit_purchases(customers(made.frequency, made.recency, made.T), time_unit="day")
        assert fit.log_likelihood >= BG_NBD.log_likelihood(params, made.frequency, made.recency, made.T).sum()
        assert fit.gradient_norm < 1e-7


def test_the_time_unit_of_the_data_scales_alpha_alone(cdnow):
    weeks = fit_purchases(cdnow, time_unit="week")
    days = fit_purchases(cdnow.assign(recency=7 * cdnow["recency"], T=7 * cdnow["T"]), time_unit="day")
    r, alpha, a, b = weeks.params
    assert days.params == pytest.approx((r, 7 * alpha, a, b), rel=1e-8)
    assert days.standard_errors[1] == pytest.approx(7 * weeks.standard_errors[1], rel=1e-7)


def test_the_currency_scales_v_alone(cdnow):
    dollars, cents = fit_spend(cdnow), fit_spend(cdnow.assign(monetary_value=1e15 * cdnow["monetary_value"]))
    p, q, v = dollars.params
    assert cents.params == pytest.approx((p, q, 1e15 * v), rel=1e-8)


def test_every_engine_gives_the_same_fit(cdnow, as_engine):
    frame = as_engine(cdnow)
    assert fit_purchases(frame, time_unit="week").params == pytest.approx(
        fit_purchases(cdnow, time_unit="week").params, rel=1e-9
    )
    assert fit_spend(frame).params == pytest.approx(fit_spend(cdnow).params, rel=1e-9)


def test_the_table_shows_intervals_that_are_never_negative(summary):
    fit = fit_purchases(summary)
    table = fit.to_frame(level=0.9999999)
    assert table.index.tolist() == ["r", "alpha", "a", "b"]
    assert (table["lower"] > 0).all()
    assert table["estimate"].tolist() == list(fit.params)
    inside = (table["lower"] < table["estimate"]) & (table["estimate"] < table["upper"])
    assert inside.all()
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(fit.standard_errors)
    assert "alpha 4.414" in repr(fit)
    assert not fit.log_covariance.flags.writeable
    with pytest.raises(InputError, match="level: got 95"):
        fit.confidence_interval(95)


@pytest.mark.parametrize("model", [BG_NBD, MBG_NBD, PARETO_NBD], ids=repr)
def test_where_nobody_leaves_the_fit_is_that_of_nbd_and_says_so(model):
    rng = np.random.default_rng(4)
    T = np.full(2000, 200.0)
    frequency = rng.poisson(rng.gamma(2.0, 1 / 20, 2000) * T)
    frame = customers(frequency, np.where(frequency > 0, T, 0.0), T)  # everybody just bought
    fit = fit_purchases(frame, model, time_unit="day")
    wanted = fit_purchases(frame, NBD, time_unit="day")
    assert (fit.model, fit.params, fit.log_likelihood) == (NBD, wanted.params, wanted.log_likelihood)
    assert "nobody leaves in these data" in fit.health[0]
    assert "those of NBD" in fit.health[0]
    assert "1 finding in health" in repr(fit)
    # no choice of the richer model is more likely, as far as a search of its own can find
    columns = [frame[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    for leaving in [(0.01, 1.0), (0.1, 10.0), (1.0, 1e5), (1.0, 1e3)]:
        params = model.Params(*wanted.params, *leaving)
        assert model.log_likelihood(params, *columns).sum() <= fit.log_likelihood


def test_customers_who_all_buy_at_one_rate_hold_the_shape_at_its_bound():
    x = np.tile([4.0, 5.0, 5.0, 6.0], 200)  # less spread than at one common rate
    T = np.full(800, 50.0)
    fit = fit_purchases(customers(x, 0.98 * T, T), NBD, time_unit="week")
    assert fit.health[0].startswith("r ran to its bound")
    assert fit.params.r / fit.params.alpha == pytest.approx(0.1, rel=1e-6)  # the common rate: 5 in 50 weeks
    assert np.isnan(fit.standard_errors[0])
    # of a rate from 4,000 purchases
    assert fit.standard_errors[1] / fit.params.alpha == pytest.approx(1 / np.sqrt(4000), rel=1e-3)
    assert fit.condition == pytest.approx(1.0)


def test_health_says_what_makes_estimates_doubtful(cdnow):
    pareto = fit_purchases(cdnow, PARETO_NBD, time_unit="week")
    assert any("s and beta are known only together" in finding for finding in pareto.health)
    assert pareto.condition > 100
    assert fit_purchases(cdnow, BG_NBD, time_unit="week").health == ()
    once = customers([0] * 950 + [1, 2] * 20, [0.0] * 950 + [3.0, 5.0] * 20, [10.0] * 990)
    said = " ".join(fit_purchases(once, NBD, time_unit="week").health)
    assert "Customers who bought again: 40." in said
    assert "96% of the customers bought once" in said
    assert "The period is short: 10 time units at most, against 165 observed for each repeat purchase" in said


def test_customers_who_all_spend_the_same_are_reported_and_not_fitted():
    frame = pd.DataFrame({"frequency": np.arange(1, 50) % 5 + 1, "monetary_value": 20.0})
    with pytest.raises(ConvergenceError, match="Gamma-Gamma: the likelihood has no maximum inside"):
        fit_spend(frame)


def test_one_customer_shows_a_rate_and_no_more():
    fit = fit_purchases(customers([3], [20.0], [30.0]), time_unit="day")
    assert fit.params.r / fit.params.alpha == pytest.approx(0.1)
    assert "Customers who bought again: 1. The estimates are rough." in fit.health
    assert fit.health[1].startswith("r ran to its bound")
    with pytest.raises(ConvergenceError, match="over 1 customers"):
        fit_spend(pd.DataFrame({"frequency": [3], "monetary_value": [20.0]}))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("frequency", [2, -1, 0], r"frequency: negative in 1 of 3 rows \(customer b\)"),
        ("frequency", [2, 1.5, 0], r"frequency: not a whole number in 1 of 3 rows \(customer b\)"),
        ("frequency", [2, np.nan, 0], r"frequency: missing or infinite in 1 of 3 rows \(customer b\)"),
        ("recency", [5.0, 40.0, 0.0], r"recency: above T in 1 of 3 rows \(customer b\)"),
        ("recency", [5.0, -1.0, 0.0], r"recency: negative in 1 of 3 rows \(customer b\)"),
        ("recency", [5.0, 4.0, 3.0], r"recency: above 0 where frequency is 0 in 1 of 3 rows \(customer c\)"),
        ("T", [np.inf, 30.0, 30.0], r"T: missing or infinite in 1 of 3 rows \(customer a\)"),
        ("T", ["long", "longer", "x"], "T: the column does not hold numbers"),
    ],
)
def test_impossible_histories_are_refused_by_name(column, values, message):
    frame = customers([2, 1, 0], [5.0, 4.0, 0.0], [30.0, 30.0, 30.0], customer_id=["a", "b", "c"])
    with pytest.raises(InputError, match=message):
        fit_purchases(frame.assign(**{column: values}), time_unit="day")


def test_every_engine_refuses_an_impossible_history_by_name(as_engine):
    frame = customers([2, 1, 0], [5.0, 40.0, 0.0], [30.0, 30.0, 30.0], customer_id=["a", "b", "c"])
    with pytest.raises(InputError, match=r"recency: above T in 1 of 3 rows \(customer b\)"):
        fit_purchases(as_engine(frame), time_unit="day")
    spend = pd.DataFrame({"frequency": [2, 1, 0], "monetary_value": [5.0, np.nan, np.nan], "customer_id": [7, 8, 9]})
    with pytest.raises(InputError, match=r"monetary_value: missing .* in 1 of 3 rows \(customer 8\)"):
        fit_spend(as_engine(spend))


def test_rows_without_an_id_are_named_by_their_place():
    with pytest.raises(InputError, match=r"recency: above T in 2 of 3 rows \(row 0, 2\)"):
        fit_purchases(customers([1, 1, 1], [9.0, 2.0, 9.0], [3.0, 3.0, 3.0]), time_unit="day")


def test_data_that_say_nothing_are_refused_with_the_reason():
    with pytest.raises(InputError, match="no rows"):
        fit_purchases(customers([], [], []), time_unit="day")
    with pytest.raises(InputError, match="no customer bought twice"):
        fit_purchases(customers([0, 0], [0.0, 0.0], [10.0, 20.0]), time_unit="day")
    with pytest.raises(InputError, match="nobody was observed"):
        fit_purchases(customers([1, 1], [0.0, 0.0], [0.0, 0.0]), time_unit="day")
    with pytest.raises(InputError, match="no customer has a repeat purchase"):
        fit_spend(pd.DataFrame({"frequency": [0, 2], "monetary_value": [np.nan, -3.0]}))
    with pytest.raises(InputError, match="column 'T' is missing"):
        fit_purchases(pd.DataFrame({"frequency": [1], "recency": [1.0]}), time_unit="day")
    with pytest.raises(InputError, match=r"summary: got list\. Pass a pandas"):
        fit_purchases([1, 2], time_unit="day")


def test_the_time_unit_is_asked_for_and_must_not_contradict(cdnow, summary):
    with pytest.raises(InputError, match="time_unit: missing"):
        fit_purchases(cdnow)
    with pytest.raises(InputError, match="time_unit: got 'fortnight'"):
        fit_purchases(cdnow, time_unit="fortnight")
    with pytest.raises(InputError, match="time_unit: got 'day', but the summary is in weeks"):
        fit_purchases(summary, time_unit="day")
    assert fit_purchases(summary, time_unit="week").time_unit == "week"


def test_refunded_customers_are_left_out_of_the_spend_and_counted():
    x = np.tile([1.0, 2.0, 3.0], 300)
    spend = GAMMA_GAMMA.simulate(GAMMA_GAMMA.Params(6.0, 4.0, 15.0), x, np.random.default_rng(2))
    frame = pd.DataFrame({"frequency": [*x, 2, 1, 0], "monetary_value": [*spend, -5.0, 0.0, np.nan]})
    fit = fit_spend(frame)
    assert (fit.n_customers, fit.n_not_positive, fit.n_without_repeat) == (900, 2, 1)
    assert fit.params == fit_spend(frame.iloc[:900]).params


def drawn_spend(n, q=4.0, seed=1):
    """Simulate what customers spend, however often they buy."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 6, n).astype(float)
    params = GAMMA_GAMMA.Params(6.0, q, 15.0)
    return pd.DataFrame({"frequency": x, "monetary_value": GAMMA_GAMMA.simulate(params, x, rng)})


def test_a_sound_fit_of_spend_has_no_findings(cdnow):
    assert fit_spend(drawn_spend(2_000)).health == ()


def test_health_of_spend_says_what_makes_it_doubtful(cdnow):
    heavy = " ".join(fit_spend(drawn_spend(2_000, q=0.8)).health)
    assert "customers with at most 0 repeat purchases have no expected spend" in heavy
    few = " ".join(fit_spend(drawn_spend(30)).health)
    assert "Customers with a repeat purchase and a monetary_value: 30. The estimates are rough." in few
    (dependent,) = fit_spend(cdnow).health
    assert dependent.endswith("spend depends on frequency. Take GAMMA_GAMMA_ON_FREQUENCY.")
    assert "depends on frequency" not in " ".join(fit_spend(cdnow, GAMMA_GAMMA_ON_FREQUENCY).health)
    assert "1 finding in health" in repr(fit_spend(cdnow))


def test_customers_who_all_spend_about_the_same_hold_the_shape_at_its_bound():
    rng = np.random.default_rng(4)
    x = rng.integers(1, 6, 800).astype(float)
    alike = rng.gamma(3 * x) / (3 * x) * 20  # purchases differ, the customers' means do not
    fit = fit_spend(pd.DataFrame({"frequency": x, "monetary_value": alike}))
    p, q, v = fit.params
    assert p * v / (q - 1) == pytest.approx(20, rel=0.05)
    if q > 1e3:
        assert "all customers have one mean spend" in " ".join(fit.health)
