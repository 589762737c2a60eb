"""Fits of contracts: published estimates, another way to the maximum, bad input, and what the result holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import betaln
from scipy.stats import chi2

from crmvalue.errors import InputError
from crmvalue.models.bdw import BDW
from crmvalue.models.discrete_pareto import DISCRETE_PARETO
from crmvalue.models.discrete_weibull import DISCRETE_WEIBULL
from crmvalue.models.fit_retention import RetentionFit, fit_retention
from crmvalue.models.geometric import GEOMETRIC
from crmvalue.models.profile_likelihood import likelihood_intervals
from crmvalue.models.sbg import SBG
from crmvalue.models.storage import fit_from_json, fit_to_json

# Fader & Hardie (2007), table 1: of 1,000 customers each, those still there after 0 to 7 years
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]


def survivors(alive, **more) -> pd.DataFrame:
    """Return a cohort as a table."""
    return pd.DataFrame({"period": range(len(alive)), "survivors": alive, **more})


def tenures(alive) -> pd.DataFrame:
    """Return the same cohort customer by customer."""
    left = -np.diff(alive)
    periods = np.arange(1, len(alive))
    frame = pd.DataFrame({"tenure": np.repeat(periods, left), "churned": True})
    return pd.concat([frame, pd.DataFrame({"tenure": [len(alive) - 1] * alive[-1], "churned": False})])


def textbook_log_likelihood(alive, gamma, delta, c=1.0) -> float:
    """Return Σ n_t log(S(t−1) − S(t)) + n log S(end), as the papers print it."""
    t = np.arange(len(alive))
    survival = np.exp(betaln(gamma, delta + t**c) - betaln(gamma, delta))
    return float(-np.diff(alive) @ np.log(-np.diff(survival)) + alive[-1] * np.log(survival[-1]))


@pytest.mark.parametrize(
    ("alive", "published", "log_likelihood"),
    [(REGULAR, (0.704, 1.182), -1680.27), (HIGH_END, (0.668, 3.806), -1611.16)],
)
def test_sbg_on_all_eight_years_gives_the_published_estimates(alive, published, log_likelihood):
    fit = fit_retention(survivors(alive), SBG, time_unit="year")
    assert fit.params == pytest.approx(published, abs=6e-4)  # three decimals are printed
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=0.006)
    assert fit.log_likelihood == pytest.approx(textbook_log_likelihood(alive, *fit.params), rel=1e-12)
    assert (fit.n_customers, fit.n_churned, fit.time_unit) == (1000, 1000 - alive[-1], "year")
    assert fit.gradient_norm < 1e-9
    assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    assert fit.bic == pytest.approx(2 * np.log(1000) - 2 * fit.log_likelihood)


@pytest.mark.parametrize("alive", [REGULAR, HIGH_END, REGULAR[:5], HIGH_END[:5]])
def test_bdw_finds_the_maximum_that_a_simplex_search_finds(alive):
    fit = fit_retention(survivors(alive), BDW, time_unit="year")
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
    found = minimize(
        lambda point: -textbook_log_likelihood(alive, *np.exp(point)),
        np.zeros(3),
        method="Nelder-Mead",
        options=options,
    )
    assert fit.log_likelihood == pytest.approx(-found.fun, rel=1e-11)
    assert fit.params == pytest.approx(np.exp(found.x), rel=1e-5)  # the top is flat to 1e-6 for a simplex
    step = 1e-3  # standard errors from plain second differences of the textbook formula
    point = np.log(fit.params)
    axes = step * np.eye(3)

    def at(*moves) -> float:
        return textbook_log_likelihood(alive, *np.exp(point + sum(moves)))

    hessian = [[(at(i, j) - at(i, -j) - at(-i, j) + at(-i, -j)) / (4 * step**2) for j in axes] for i in axes]
    assert fit.log_covariance == pytest.approx(-np.linalg.inv(hessian), rel=1e-3)


def test_duration_dependence_shows_in_the_high_end_cohort_and_not_in_the_regular_one():
    chances = []
    for alive in (REGULAR, HIGH_END):
        simple, wide = (fit_retention(survivors(alive), model, time_unit="year") for model in (SBG, BDW))
        assert wide.log_likelihood >= simple.log_likelihood
        chances.append(chi2.sf(2 * (wide.log_likelihood - simple.log_likelihood), 1))
    assert chances[0] > 0.2
    assert chances[1] < 0.001


@pytest.mark.parametrize("model", [SBG, BDW], ids=repr)
def test_survivors_tenures_and_counted_tenures_give_one_fit(model):
    of_survivors = fit_retention(survivors(REGULAR), model, time_unit="year")
    people = tenures(REGULAR)
    counted = people.groupby(["tenure", "churned"], as_index=False).size().rename(columns={"size": "n_customers"})
    for frame in (people, people.sample(frac=1, random_state=1), counted):
        fit = fit_retention(frame, model, time_unit="year")
        assert fit.params == of_survivors.params
        assert fit.log_likelihood == of_survivors.log_likelihood
        assert (fit.n_customers, fit.n_churned) == (1000, 759)


def test_cohorts_of_different_lengths_are_fitted_together():
    first, second = survivors(REGULAR, cohort="2019"), survivors(HIGH_END[:4], cohort="2023")
    both = pd.concat([first, second]).sample(frac=1, random_state=2)
    fit = fit_retention(both, SBG, time_unit="year")
    people = pd.concat([tenures(REGULAR), tenures(HIGH_END[:4])])
    assert fit.params == fit_retention(people, SBG, time_unit="year").params
    assert fit.n_customers == 2000
    alone = [textbook_log_likelihood(alive, *fit.params) for alive in (REGULAR, HIGH_END[:4])]
    assert fit.log_likelihood == pytest.approx(sum(alone), rel=1e-12)


def test_retention_fits_in_every_engine(as_engine):
    numbered = pd.concat([survivors(REGULAR, cohort="a"), survivors(HIGH_END[:4], cohort="b")], ignore_index=True)
    wanted = fit_retention(numbered, SBG, time_unit="year").params
    assert fit_retention(as_engine(numbered), SBG, time_unit="year").params == pytest.approx(wanted, rel=1e-12)
    people = pd.concat([tenures(REGULAR), tenures(HIGH_END[:4])], ignore_index=True)
    assert fit_retention(as_engine(people), SBG, time_unit="year").params == pytest.approx(wanted, rel=1e-12)
    counted = people.groupby(["tenure", "churned"], as_index=False).size().rename(columns={"size": "n_customers"})
    assert fit_retention(as_engine(counted), SBG, time_unit="year").params == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("model", [SBG, BDW], ids=repr)
def test_intervals_cover_the_truth_about_as_often_as_they_say(model):
    truth = model.Params(*(0.8, 2.0, 1.2)[: len(model.Params._fields)])
    rng = np.random.default_rng(4)
    covered = np.zeros(len(truth))
    for _ in range(100):
        made = model.simulate(truth, rng.integers(4, 13, 5000), rng)
        fit = fit_retention(pd.DataFrame({"tenure": made.tenure, "churned": made.churned}), model, time_unit="month")
        lower, upper = fit.confidence_interval().T
        covered += (lower < truth) & (truth < upper)
        assert fit.log_likelihood >= model.log_likelihood(truth, made.tenure, made.churned).sum()
    assert (covered >= 88).all()  # 95 of 100 expected; below 88 has a chance under 1 in 200


@pytest.mark.parametrize("model", [SBG, BDW], ids=repr)
def test_a_saved_fit_reads_back(model):
    fit = fit_retention(survivors(HIGH_END), model, time_unit="year")
    back = fit_from_json(fit_to_json(fit))
    assert fit_to_json(back) == fit_to_json(fit)
    assert (back.params, back.n_churned, back.time_unit) == (fit.params, 509, "year")


def test_a_saved_fit_with_a_parameter_at_its_bound_reads_back():
    covariance = np.array([[0.1, np.nan], [np.nan, np.nan]])
    fit = RetentionFit(
        model=SBG, params=SBG.Params(1.0, 2.0), log_covariance=covariance, log_likelihood=-9.0, gradient_norm=0.0,
        n_customers=9, n_churned=4, time_unit="year", health=("beta ran to its bound",),
    )  # fmt: skip
    assert fit_from_json(fit_to_json(fit)).log_covariance == pytest.approx(covariance, nan_ok=True)


def test_a_fit_shows_itself_in_one_line():
    fit = fit_retention(survivors(REGULAR), SBG, time_unit="year")
    assert repr(fit) == (
        "<sBG: alpha 0.7041 (se 0.066), beta 1.182 (se 0.15); log-likelihood -1680.27, n 1,000, time in years; "
        "1 finding in health>"
    )
    assert fit.to_frame().loc["alpha"].round(3).tolist()[:2] == [0.704, 0.066]


def test_the_interval_of_a_fit_of_contracts_is_near_that_of_the_likelihood():
    fit = fit_retention(survivors(REGULAR), SBG, time_unit="year")
    wanted = likelihood_intervals(fit, survivors(REGULAR))[["lower", "upper"]].to_numpy()
    assert fit.confidence_interval() == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize(
    ("alive", "message"),
    [
        ([100, 60, 70, 50], "survivors: more than in the period before in 1 of 4 rows \\(period 2\\)"),
        ([100, -1, 0, 0], "survivors: negative in 1 of 4 rows \\(period 1\\)"),
        (
            [1.0, 0.6, 0.5],
            "survivors: not a whole number in 2 of 3 rows \\(period 1, 2\\). Pass numbers of customers, not",
        ),
        (
            [100, 60, np.nan],
            "survivors: missing or infinite in 1 of 3 rows \\(period 2\\). Leave out the rows of periods",
        ),
        ([100, 60], "customers were seen over 1 period, and sBG has 2 parameters"),
        ([100, 0, 0, 0], "customers were seen over 1 period"),
        ([100, 100, 100], "nobody leaves in these data"),
        ([0, 0, 0], "there are no customers"),
    ],
)
def test_impossible_survivors_are_refused(alive, message):
    with pytest.raises(InputError, match=message):
        fit_retention(survivors(alive), SBG, time_unit="year")


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (
            [1, 2, 3],
            "period: the first one but not 0 in 1 of 3 rows \\(period 1\\). Number the periods of each cohort from 0",
        ),
        ([0, 1, 1], "period: there twice in 1 of 3 rows \\(period 1\\)"),
        ([0, 1, 3], "period: not preceded by the one before in 1 of 3 rows \\(period 3\\)"),
        ([0, 1, 1.5], "period: negative or not a whole number in 1 of 3 rows \\(row 2\\)"),
        ([0, 1, np.nan], "period: missing or infinite in 1 of 3 rows"),
        (["a", "b", "c"], "period: the column does not hold numbers"),
    ],
)
def test_impossible_periods_are_refused(period, message):
    with pytest.raises(InputError, match=message):
        fit_retention(pd.DataFrame({"period": period, "survivors": [9, 5, 3]}), SBG, time_unit="year")


def test_a_cohort_is_named_in_the_message():
    frame = pd.concat([survivors(REGULAR, cohort="2019"), survivors([10, 5, 6], cohort="2020")])
    with pytest.raises(
        InputError, match="more than in the period before in 1 of 11 rows \\(period 2 of cohort 2020\\)"
    ):
        fit_retention(frame, SBG, time_unit="year")
    frame["cohort"] = frame["cohort"].where(frame["cohort"] != "2020")
    with pytest.raises(InputError, match="cohort: missing in 3 of 11 rows"):
        fit_retention(frame, SBG, time_unit="year")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tenure": [1, -2, 3]}, "tenure: negative in 1 of 3 rows \\(customer b\\)"),
        ({"tenure": [1, 2.5, 3]}, "tenure: not a whole number in 1 of 3 rows \\(customer b\\)"),
        ({"tenure": [0, 2, 3]}, "tenure: 0 where churned in 1 of 3 rows \\(customer a\\)"),
        ({"tenure": [np.nan, 2, 3]}, "tenure: missing or infinite in 1 of 3 rows \\(customer a\\)"),
        ({"churned": [1, 2, 0]}, "churned: neither 0 nor 1 in 1 of 3 rows \\(customer b\\)"),
        ({"churned": ["yes", "no", "no"]}, "churned: the column does not hold numbers"),
        ({"churned": [0, 0, 0]}, "nobody leaves in these data"),
        ({"n_customers": [1, 1, -1]}, "n_customers: negative in 1 of 3 rows \\(customer c\\)"),
        ({"n_customers": [1, 1, 0.5]}, "n_customers: not a whole number in 1 of 3 rows \\(customer c\\)"),
        ({"n_customers": [0, 0, 0]}, "there are no customers"),
    ],
)
def test_impossible_tenures_are_refused(columns, message):
    frame = pd.DataFrame({"customer_id": ["a", "b", "c"], "tenure": [1, 2, 3], "churned": [1, 1, 0], **columns})
    with pytest.raises(InputError, match=message):
        fit_retention(frame, SBG, time_unit="month")


def test_other_input_is_refused():
    with pytest.raises(InputError, match="contracts: the columns are x. Pass period and survivors"):
        fit_retention(pd.DataFrame({"x": [1]}), SBG, time_unit="month")
    with pytest.raises(InputError, match="time_unit: got 'quarter'"):
        fit_retention(survivors(REGULAR), SBG, time_unit="quarter")
    with pytest.raises(InputError, match="contracts: got int"):
        fit_retention(3, SBG, time_unit="month")
    for frame in (survivors([]), pd.DataFrame({"tenure": [], "churned": []})):
        with pytest.raises(InputError, match="the frame has no rows"):
            fit_retention(frame, SBG, time_unit="month")


def test_where_all_leave_with_one_chance_the_fit_is_that_of_the_limit_and_says_so():
    fit = fit_retention(survivors([1024, 512, 256, 128, 64, 32]), SBG, time_unit="month")
    assert fit.model is GEOMETRIC
    assert fit.params == pytest.approx((np.log(2),), rel=1e-9)
    trials = 1024 + 512 + 256 + 128 + 64
    error = np.sqrt(0.5 * 0.5 / trials)  # of a chance of 0.5; that of −log(1 − p) is 1 / (1 − p) times as large
    assert fit.standard_errors == pytest.approx((error / 0.5,), rel=1e-9)
    assert "all customers leave with one chance (0.5 a period)" in fit.health[0]
    assert fit.health[0].endswith("are those of geometric.")
    assert fit_from_json(fit_to_json(fit)).health == fit.health


def test_where_customers_are_alike_bdw_becomes_the_discrete_weibull():
    c, starters = 1.5, 10**6
    alive = np.round(starters * np.exp(-0.1 * np.arange(9) ** c)).astype(int)
    alike = np.append(alive, alive[-1] - 1)  # a tail lighter than any mixture's
    fit = fit_retention(survivors(alike[:9]), DISCRETE_WEIBULL, time_unit="month")
    assert fit.params == pytest.approx((0.1, c), rel=1e-4)  # survivors are rounded
    near = BDW.Params(1e9 * np.expm1(fit.params[0]), 1e9, fit.params[1])
    data = np.arange(1.0, 9), np.ones(8)
    assert BDW.log_likelihood(near, *data) == pytest.approx(fit.model.log_likelihood(fit.params, *data), rel=1e-6)
    falling = [1000, 950, 830, 650, 450, 250, 110, 40]  # sharper than any mixture
    limit = fit_retention(survivors(falling), BDW, time_unit="month")
    assert limit.model is DISCRETE_WEIBULL
    assert limit.health[0].startswith("BdW: the likelihood has no maximum inside. gamma and delta grow together")
    # no BdW comes higher
    for size in (30.0, 300.0, 3e4):
        params = BDW.Params(size * np.expm1(limit.params[0]), size, limit.params[1])
        assert textbook_log_likelihood(falling, *params) < limit.log_likelihood


@pytest.mark.parametrize("model", [SBG, BDW], ids=repr)
def test_every_simulated_cohort_has_a_fit_as_likely_as_the_truth(model):
    rng = np.random.default_rng(6)
    for _ in range(60):
        exponents = rng.uniform([-1, -1, -0.4], [1.2, 1.5, 0.4])
        truth = model.Params(*(10 ** exponents[: len(model.Params._fields)]))
        made = model.simulate(truth, np.full(int(10 ** rng.uniform(1.3, 4)), rng.integers(4, 13)), rng)
        if made.tenure.max() < 3 or not made.churned.any():
            continue
        fit = fit_retention(pd.DataFrame({"tenure": made.tenure, "churned": made.churned}), model, time_unit="month")
        assert fit.log_likelihood >= model.log_likelihood(truth, made.tenure, made.churned).sum() - 1e-3
        assert np.isfinite(fit.standard_errors).all() or any("ran to its bound" in said for said in fit.health)


@pytest.mark.parametrize("alive", [[46, 46, 46, 44, 42, 40, 38], [101, 101, 99, 98, 97, 96], [24, 24, 24, 23, 23, 23]])
def test_where_each_leaves_at_a_time_of_her_own_bdw_becomes_the_discrete_pareto(alive):
    fit = fit_retention(survivors(alive), BDW, time_unit="month")
    assert fit.model is DISCRETE_PARETO
    assert fit.health[0].startswith("BdW: the likelihood has no maximum inside. gamma tends to 0 while c grows")
    begin, power = fit.params
    t = np.arange(len(alive))
    law = np.minimum(1, (begin / np.maximum(t, 1)) ** power)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(np.diff(alive) < 0, -np.diff(alive) * np.log(-np.diff(law)), 0.0)
    assert fit.log_likelihood == pytest.approx(terms.sum() + alive[-1] * np.log(law[-1]), rel=1e-9)
    near = [survival_of_bdw(power / c, begin**c, c, t) for c in (20.0, 40.0, 80.0)]  # ever nearer to the limit
    errors = [np.abs(curve - law).max() for curve in near]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02
    options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 4_000, "maxfev": 4_000}
    for begin_at in ([-3.0, 3.0, 2.0], [-1.0, 1.0, 1.0]):  # no BdW that a simplex search finds is more likely
        found = minimize(
            lambda point: -bounded_log_likelihood(alive, point), begin_at, method="Nelder-Mead", options=options
        )
        assert -found.fun <= fit.log_likelihood + 1e-4


def survival_of_bdw(gamma, delta, c, t):
    """Return the curve as the paper prints it."""
    return np.exp(betaln(gamma, delta + t**c) - betaln(gamma, delta))


def bounded_log_likelihood(alive, point) -> float:
    """Return the log-likelihood of the paper where its arithmetic holds: c up to 20."""
    if np.abs(point).max() > 12 or point[2] > 3:
        return -1e9
    with np.errstate(divide="ignore"):
        t = np.arange(len(alive))
        falls = -np.diff(survival_of_bdw(*np.exp(point), t))
        left = -np.diff(alive)
        return float(
            left[left > 0] @ np.log(np.maximum(falls[left > 0], 1e-300))
            + alive[-1]
            * (betaln(np.exp(point[0]), np.exp(point[1]) + t[-1] ** np.exp(point[2])) - betaln(*np.exp(point[:2])))
        )


def test_health_tells_of_a_heavy_tail_and_of_too_few_periods():
    heavy = fit_retention(survivors(REGULAR), SBG, time_unit="year")
    assert heavy.health == (
        "The tail is so heavy that the mean lifetime is infinite. Use values with a discount rate above 0 or a finite "
        "horizon.",
    )
    few = fit_retention(survivors(REGULAR[:3]), SBG, time_unit="year")
    assert any(finding.startswith("2 periods for 2 parameters") for finding in few.health)


def test_leavers_all_at_one_tenure_leave_for_sure_and_it_is_said():
    fit = fit_retention(survivors([100, 100, 100, 0]), BDW, time_unit="month")
    assert np.exp(fit.model.log_survival(fit.params, np.array([1.0, 2.0, 3.0]))) == pytest.approx([1, 1, 0], abs=0.01)
    assert any("ran to its bound" in said for said in fit.health)


def test_a_customer_who_just_joined_adds_nothing_but_herself():
    fit = fit_retention(tenures(REGULAR), SBG, time_unit="year")
    more = pd.concat([tenures(REGULAR), pd.DataFrame({"tenure": [0], "churned": [False]})])
    again = fit_retention(more, SBG, time_unit="year")
    assert again.params == pytest.approx(fit.params, rel=1e-12)
    assert again.n_customers == 1001
