"""Likelihood intervals: a root by another method, a search by another optimiser, coverage, and bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

from crmvalue.errors import InputError
from crmvalue.models import BG_NBD, GAMMA_GAMMA, GEOMETRIC, MBG_NBD, NBD, PARETO_NBD, SBG
from crmvalue.models.fit import fit_purchases, fit_spend
from crmvalue.models.fit_retention import fit_retention
from crmvalue.models.lopsided import EVEN, Bend, bend_of
from crmvalue.models.profile_likelihood import likelihood_intervals


@pytest.fixture(scope="module")
def cdnow(cdnow_folder) -> pd.DataFrame:
    """Return the CDNOW sample, 39 weeks."""
    return pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")


def test_the_interval_of_one_parameter_is_where_the_binomial_likelihood_has_fallen():
    rows = pd.DataFrame({"period": [0, 1, 2], "survivors": [30, 27, 25]})
    fit = fit_retention(rows, GEOMETRIC, time_unit="year")
    left, stayed = 5, 27 + 25

    def fall(rate):
        p, best = -np.expm1(-rate), left / (left + stayed)
        lost = left * np.log(best / p) + stayed * np.log((1 - best) / (1 - p))
        return 2 * lost - chi2.ppf(0.9, 1)

    wanted = [brentq(fall, 1e-4, fit.params[0]), brentq(fall, fit.params[0], 1.0)]
    found = likelihood_intervals(fit, rows, level=0.9).loc["rate"]
    assert found.tolist() == pytest.approx([fit.params[0], *wanted], rel=1e-7)


@pytest.mark.parametrize("model", [NBD, BG_NBD, MBG_NBD, PARETO_NBD], ids=repr)
def test_at_each_end_another_optimiser_finds_the_likelihood_fallen_by_as_much(cdnow, model):
    fit = fit_purchases(cdnow, model, time_unit="week")
    table = likelihood_intervals(fit, cdnow)
    columns = [cdnow[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    j = len(fit.params) - 1  # the last parameter is known least
    for end in table.iloc[j][["lower", "upper"]]:

        def lost(others, end=end):
            return -model.log_likelihood(model.Params(*np.exp(others), end), *columns).sum()

        options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4_000, "maxfev": 4_000}
        least = minimize(lost, np.log(fit.params[:j]), method="Nelder-Mead", options=options).fun
        assert 2 * (fit.log_likelihood + least) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)
    close = fit.to_frame()
    assert table["lower"].to_numpy() == pytest.approx(close["lower"].to_numpy(), rel=0.5)
    assert ((table["lower"] < table["estimate"]) & (table["estimate"] < table["upper"])).all()


def test_intervals_of_many_customers_are_those_of_the_fit():
    made = BG_NBD.simulate(BG_NBD.Params(0.6, 5.0, 0.9, 2.5), np.full(200_000, 40.0), np.random.default_rng(3))
    frame = pd.DataFrame({"frequency": made.frequency, "recency": np.round(made.recency), "T": made.T})
    fit = fit_purchases(frame, BG_NBD, time_unit="week")
    table, close = likelihood_intervals(fit, frame), fit.to_frame()
    assert np.log(table["upper"] / close["upper"]).abs().max() < 2e-3
    assert np.log(table["lower"] / close["lower"]).abs().max() < 2e-3


def test_intervals_of_few_customers_cover_the_truth_more_often_than_those_of_a_parabola():
    truth = MBG_NBD.Params(0.525, 6.183, 0.891, 1.614)  # CDNOW
    rng = np.random.default_rng(7)
    covered = np.zeros((3, 4))
    for _ in range(60):
        made = MBG_NBD.simulate(truth, rng.uniform(27, 39, 3_000), rng)
        frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
        fit = fit_purchases(frame, MBG_NBD, time_unit="week")
        even = dataclasses.replace(fit, bends=())
        for row, table in enumerate((even.to_frame(), fit.to_frame(), likelihood_intervals(fit, frame))):
            covered[row] += ((table["lower"] < list(truth)) & (table["upper"] > list(truth))).to_numpy()
    assert (covered[1:].sum(axis=1) >= covered[0].sum()).all()
    assert (covered[1:] >= 51).all()  # 57 of 60 expected; fewer than 51 has a chance below 1 in 100


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("model", [BG_NBD, MBG_NBD, PARETO_NBD], ids=repr)
def test_the_intervals_of_a_fit_are_near_those_of_the_likelihood_where_a_parabola_is_not(cdnow, model, level):
    fit = fit_purchases(cdnow, model, time_unit="week")
    errors = np.sqrt(np.diag(fit.log_covariance))[:, None]
    wanted = np.log(likelihood_intervals(fit, cdnow, level=level)[["lower", "upper"]].to_numpy())
    even = dataclasses.replace(fit, bends=())
    found, parabola = (np.abs(np.log(one.confidence_interval(level)) - wanted) / errors for one in (fit, even))
    assert found.max() < 0.35 * level**2  # standard errors
    assert found.max() < 0.4 * parabola.max() + 1e-3


def test_a_parameter_that_is_known_well_needs_no_bend_for_its_interval(cdnow):
    fit = fit_purchases(cdnow, NBD, time_unit="week")
    errors = np.sqrt(np.diag(fit.log_covariance))
    wanted = np.log(likelihood_intervals(fit, cdnow)[["lower", "upper"]].to_numpy())
    assert fit.bends == (EVEN, EVEN)
    assert (errors < 0.08).all()
    assert (np.abs(np.log(fit.confidence_interval()) - wanted) < 0.1 * errors[:, None]).all()


def test_a_likelihood_that_is_a_parabola_has_no_bend():
    assert bend_of(0.0, 0.0) == EVEN
    assert EVEN.distance(np.array([-2.0, 1.5])).tolist() == [-2.0, 1.5]


@pytest.mark.parametrize("a", [-0.3, -0.1, 0.05, 0.2])
def test_the_bend_of_a_likelihood_of_fourth_degree_is_the_root_of_its_fall_to_the_fourth_power(a):
    c = -(a**2) / 2 - 0.002

    def fall(t):
        return t**2 / 2 - a * t**3 - c * t**4

    bend = bend_of(0.5 - fall(1.0), 1.0 - (1.0 - 3 * a - 4 * c))
    errors = []
    for t in (0.02, 0.04):
        w = np.sqrt(2 * fall(t))
        errors.append(abs(float(bend.distance(np.array(w))) - t))
    assert errors[0] < 20 * 0.02**4
    assert errors[1] == pytest.approx(16 * errors[0], rel=0.35)  # a term in w to the fourth is what is left


@given(height=st.floats(-20, 0.5), slope=st.floats(-50, 1.0), w=st.floats(-7, 7), more=st.floats(1e-3, 3))
def test_a_bent_distance_rises_with_the_root_of_the_fall_whatever_the_likelihood(height, slope, w, more):
    bend = bend_of(height, slope)
    low, high = bend.distance(np.array([w, w + more]))
    assert low < high
    assert bend.distance(np.array(0.0)) == 0


def test_a_likelihood_without_a_number_one_standard_error_away_is_taken_for_even():
    assert bend_of(np.nan, 0.1) == bend_of(0.1, np.inf) == EVEN
    assert Bend(0.1, 0.01).distance(np.array(1.0)) == pytest.approx(1.11)


def test_spend_and_contracts_have_them_too():
    x = np.tile([1.0, 2.0, 5.0], 400)
    spent = GAMMA_GAMMA.simulate(GAMMA_GAMMA.Params(6.0, 4.0, 15.0), x, np.random.default_rng(2))
    frame = pd.DataFrame({"frequency": x, "monetary_value": spent})
    table = likelihood_intervals(fit_spend(frame), frame)
    assert ((table["lower"] < [6.0, 4.0, 15.0]) & (table["upper"] > [6.0, 4.0, 15.0])).all()
    alive = [1000, 869, 743, 653, 593, 551, 517, 491]
    rows = pd.DataFrame({"period": range(8), "survivors": alive})
    table = likelihood_intervals(fit_retention(rows, SBG, time_unit="year"), rows)
    assert table.index.tolist() == ["alpha", "beta"]


def test_a_parameter_at_its_bound_has_no_interval_and_an_end_may_not_exist():
    x = np.tile([4.0, 5.0, 5.0, 6.0], 200)  # less spread than at one common rate
    frame = pd.DataFrame({"frequency": x, "recency": 0.98 * 50, "T": 50.0})
    table = likelihood_intervals(fit_purchases(frame, NBD, time_unit="week"), frame)
    assert np.isnan(table.loc["r", ["lower", "upper"]].to_numpy(dtype=float)).all()
    assert np.isfinite(table.loc["alpha"].to_numpy(dtype=float)).all()
    few = pd.DataFrame({"period": [0, 1, 2, 3], "survivors": [20, 16, 13, 11]})  # hardly any sign that customers differ
    table = likelihood_intervals(fit_retention(few, SBG, time_unit="year"), few)
    assert np.isinf(table["upper"]).all()
    assert (table["lower"] > 0).all()


def test_other_data_and_fits_with_covariates_are_refused(cdnow):
    fit = fit_purchases(cdnow, BG_NBD, time_unit="week")
    with pytest.raises(InputError, match="data: the fit is not the best one for these"):
        likelihood_intervals(fit, cdnow.iloc[:1_000])
    with pytest.raises(InputError, match="level: got 95"):
        likelihood_intervals(fit, cdnow, level=95)
    known = cdnow.rename(columns={"ID": "customer_id"}).assign(early=lambda frame: (frame["T"] > 33).astype(float))
    with pytest.raises(InputError, match="fit: it has covariates"):
        likelihood_intervals(fit_purchases(known, BG_NBD, covariates=["early"], time_unit="week"), known)
