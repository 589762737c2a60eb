"""Covariates: other software, plain loops, limits where models agree, known truth, every engine, and bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import to_pandas
from scipy.optimize import minimize

from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models import BG_CNBD_K, MBG_CNBD_K, MODELS, design
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.covariates import Covariates
from crmvalue.models.fit import fit_purchases, fit_spend
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.model import PurchaseModel
from crmvalue.models.nbd import NBD
from crmvalue.models.pareto_nbd import PARETO_NBD
from crmvalue.models.predictions import conditional_expected_purchases, expected_purchases, probability_alive

PURCHASE_MODELS = [model for model in MODELS.values() if isinstance(model, PurchaseModel) and not model.k_values]
TRUTH = BG_NBD.Params(r=0.8, alpha=6.0, a=0.9, b=2.5)
EFFECTS = {"purchases": {"store": 0.5, "app": -0.4, "age": 0.02}, "dropout": {"store": -0.6, "app": 0.0, "age": 0.03}}


def truth_for(model):
    """Return parameters, but for a k, under which customers both stay and leave within a year of weeks."""
    if model.k_values:
        return 0.8, 3.0, 0.9, 2.5
    if model.name == "GGOMPERTZ_NBD":
        return model.Params(r=0.8, alpha=2.0, b=0.08, s=1.5, beta=20.0)
    return model.Params(*(0.8, 6.0, 0.9, 2.5)[: len(model.Params._fields)])


def known_of(n, seed=3):
    """Draw what is known of n customers: their channel and age."""
    rng = np.random.default_rng(seed)
    channel = rng.choice(["web", "store", "app"], n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame({"customer_id": np.arange(n), "channel": channel, "age": rng.normal(40, 10, n)})


def scores_of(known, process):
    """Return the true logarithmic factor of each customer, at the age of 40 and the web none."""
    effects = EFFECTS[process]
    levels = known["channel"].map({"web": 0.0, **{name: effects[name] for name in ("store", "app")}})
    return (levels + effects["age"] * (known["age"] - 40)).to_numpy()


def customers_of(known, model=BG_NBD, truth=TRUTH, seed=4):
    """Simulate customers whose processes follow what is known of them."""
    params = truth._asdict()
    for process in model.processes:
        params[process.parameter] = params[process.parameter] * np.exp(process.power * scores_of(known, process.name))
    rng = np.random.default_rng(seed)
    made = model.simulate(model.Params(**params), np.full(len(known), 52.0), rng)
    return pd.DataFrame(
        {"customer_id": known["customer_id"], "frequency": made.frequency, "recency": made.recency, "T": made.T}
    )


@pytest.fixture(scope="module")
def known():
    """Return what is known of 2,000 customers."""
    return known_of(2_000)


@pytest.fixture(scope="module")
def customers(known):
    """Return their histories."""
    return customers_of(known)


@pytest.fixture(scope="module")
def fit(customers, known):
    """Return the fit of BG/NBD with both covariates on both processes."""
    return fit_purchases(customers, BG_NBD, covariates=known.sample(frac=1, random_state=1), time_unit="week")


def test_nbd_with_covariates_is_the_negative_binomial_regression_of_statsmodels(known):
    customers = customers_of(known, NBD, NBD.Params(r=0.8, alpha=6.0))
    ours = fit_purchases(customers, NBD, covariates=known, time_unit="week")
    dummies = {name: (known["channel"] == name).astype(float) for name in ("store", "app")}
    design = sm.add_constant(pd.DataFrame({**dummies, "age": known["age"] - known["age"].mean()}))
    theirs = sm.NegativeBinomial(customers["frequency"], design).fit(disp=False, method="newton", tol=1e-12)
    slopes = [effect.coefficient for effect in ours.effects]
    assert slopes == pytest.approx(theirs.params[["store", "app", "age"]].to_numpy(), rel=1e-6)
    # they estimate log mean and 1/r
    assert ours.params.r == pytest.approx(1 / theirs.params["alpha"], rel=1e-6)
    assert np.log(52 * ours.params.r / ours.params.alpha) == pytest.approx(theirs.params["const"], rel=1e-6)
    assert ours.standard_errors[2:] == pytest.approx(theirs.bse[["store", "app", "age"]].to_numpy(), rel=1e-5)
    # their likelihood is that of the counts, ours of the purchase times
    x = customers["frequency"].to_numpy()
    times = sum(float(mpmath.log(mpmath.factorial(int(count)))) for count in x)
    assert ours.log_likelihood == pytest.approx(theirs.llf + times - x.sum() * np.log(52), rel=1e-10)


def test_the_likelihood_and_its_maximum_are_those_of_a_plain_loop(customers, known):
    some = customers.head(150)
    mine = known.head(150)
    fit = fit_purchases(some, BG_NBD, covariates=mine, penalty=3.0, time_unit="week")
    age = mine["age"].to_numpy() - mine["age"].mean()
    store, app = ((mine["channel"] == name).to_numpy(dtype=float) for name in ("store", "app"))
    terms = np.array([store, app, age]).T
    sizes = terms.std(axis=0)

    def loss(point):
        r, alpha, a, b = np.exp(point[:4])
        total = 0.0
        for (x, t_x, T), z in zip(some[["frequency", "recency", "T"]].to_numpy(), terms, strict=True):
            own = (r, alpha * np.exp(-z @ point[4:7]), a * np.exp(z @ point[7:10]), b)
            beta = mpmath.beta
            alive = beta(own[2], own[3] + x) / beta(own[2], own[3]) / (own[1] + T) ** (r + x)
            left = beta(own[2] + 1, own[3] + x - 1) / beta(own[2], own[3]) / (own[1] + t_x) ** (r + x) if x else 0
            bought = mpmath.rf(r, x) * own[1] ** r
            total += float(mpmath.log(bought * (alive + left)))
        return -total + 1.5 * float(np.sum((point[4:] * np.tile(sizes, 2)) ** 2))

    found = np.array([*np.log(fit.params), *(effect.coefficient for effect in fit.effects)])
    penalty = 1.5 * float(np.sum((found[4:] * np.tile(sizes, 2)) ** 2))
    assert loss(found) == pytest.approx(penalty - fit.log_likelihood, rel=1e-10)
    better = minimize(loss, found + 0.01, method="L-BFGS-B", options={"maxiter": 12})
    assert better.fun >= loss(found) - 1e-7


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_derivatives_by_coefficients_agree_with_differences(model):
    from crmvalue.models.design import Action, Design, Term, log_likelihood_of

    rng = np.random.default_rng(8)
    k, processes = len(model.Params._fields), tuple(process.name for process in model.processes)
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[:k])
    made = model.simulate(params, rng.uniform(1, 40, 60), rng)
    actions = [Action((name,), term) for name in processes for term in (0, 1)]
    design = Design(
        terms=tuple(Term(name, None, 0.0, 1.0) for name in "abc"),
        values=rng.normal(0, 0.5, (3, 60)),
        actions=(*actions, Action(processes, 2)),  # the last acts on both alike
        penalty=2.0,
    )
    evaluate = log_likelihood_of(model, [made.frequency, made.recency, made.T], rng.integers(1, 4, 60), design)
    point = np.append(np.log(params), rng.normal(0, 0.3, len(design.actions)))
    here = evaluate(point)
    for j in range(len(point)):
        ends = [evaluate(point + step * np.eye(len(point))[j]) for step in (-2e-4, -1e-4, 1e-4, 2e-4)]
        weights = np.array([1, -8, 8, -1]) / 12e-4
        slope = sum(w * float(end.value) for w, end in zip(weights, ends, strict=True))
        bend = sum(w * end.gradient for w, end in zip(weights, ends, strict=True))
        assert here.gradient[j] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        assert here.hessian[j] == pytest.approx(bend, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("model", [*PURCHASE_MODELS, BG_CNBD_K], ids=repr)
def test_groups_of_customers_add_up_to_the_sum_over_rows(model, known, monkeypatch):
    truth = model.Params(*truth_for(model), 2) if model.k_values else truth_for(model)
    customers = customers_of(known, model, truth).merge(known[["customer_id", "channel"]])
    customers["old"] = known["age"] > 40
    found = []
    for few in (1, 10**9):  # rows for each pattern from which groups are summed: always, never
        monkeypatch.setattr(design, "FEW_PATTERNS", few)
        found.append(fit_purchases(customers, model, covariates=["channel", "old"], penalty=2, time_unit="week"))
    groups, rows = ([*fit.params, *(effect.coefficient for effect in fit.effects)] for fit in found)
    assert groups == pytest.approx(rows, rel=1e-5)
    assert found[0].log_likelihood == pytest.approx(found[1].log_likelihood, rel=1e-11)
    assert found[0].standard_errors == pytest.approx(found[1].standard_errors, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_a_covariate_without_effect_is_found_to_have_none(model):
    rng = np.random.default_rng(5)
    made = model.simulate(truth_for(model), np.full(3_000, 40.0), rng)
    frame = pd.DataFrame(
        {"frequency": made.frequency, "recency": made.recency, "T": made.T, "coin": rng.integers(0, 2, 3_000)}
    )
    fit = fit_purchases(frame, model, covariates=["coin"], time_unit="week")
    plain = fit_purchases(frame, model, time_unit="week")
    assert len(fit.effects) == len(fit.model.processes)
    z = [effect.coefficient for effect in fit.effects] / np.array(fit.standard_errors[len(fit.params) :])
    assert (np.abs(z) < 4).all()
    assert 0 <= fit.log_likelihood - plain.log_likelihood < 10  # half of a chi-square with 1 or 2 degrees of freedom
    assert fit.gradient_norm < 1e-6


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_effects_do_not_depend_on_the_time_unit_nor_on_the_unit_of_the_covariate(model, known):
    if model.is_discrete:
        pytest.skip("opportunities have no unit")
    customers = customers_of(known, model, truth_for(model))
    weeks = fit_purchases(customers, model, covariates=known, penalty=20, time_unit="week")
    in_days = customers.assign(recency=7 * customers["recency"], T=7 * customers["T"])
    in_months = known.assign(age=12 * known["age"] + 3)
    days = fit_purchases(in_days, model, covariates=in_months, penalty=20, time_unit="day")
    factors = [12.0 if effect.column == "age" else 1.0 for effect in weeks.effects]
    found = [factor * effect.coefficient for factor, effect in zip(factors, days.effects, strict=True)]
    assert found == pytest.approx([effect.coefficient for effect in weeks.effects], rel=1e-5, abs=1e-7)
    scaled = [value * 7**power for value, power in zip(weeks.params, weeks.model.time_powers, strict=True)]
    assert days.params == pytest.approx(scaled, rel=1e-4)  # s and beta of Pareto/NBD are hardly known alone


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_a_strong_penalty_leaves_the_fit_without_covariates_and_a_weak_one_that_with(model, known):
    customers = customers_of(known, model, truth_for(model))
    plain = fit_purchases(customers, model, time_unit="week")
    free = fit_purchases(customers, model, covariates=known, time_unit="week")
    drawn, hardly = (
        fit_purchases(customers, model, covariates=known, penalty=penalty, time_unit="week") for penalty in (1e9, 1e-6)
    )
    assert drawn.log_likelihood == pytest.approx(plain.log_likelihood, abs=0.01)
    assert max(abs(effect.coefficient) for effect in drawn.effects) < 1e-4
    assert hardly.log_likelihood == pytest.approx(free.log_likelihood, abs=1e-5)
    between = fit_purchases(customers, model, covariates=known, penalty=100, time_unit="week")
    assert plain.log_likelihood < between.log_likelihood < free.log_likelihood
    assert (drawn.penalty, free.penalty) == (1e9, 0)


@pytest.mark.parametrize("model", [BG_CNBD_K, MBG_CNBD_K], ids=repr)
def test_regular_buyers_follow_covariates_too(model, known):
    truth = model.Params(*truth_for(model), k=2)
    customers = customers_of(known, model, truth)
    fit = fit_purchases(customers, model, covariates=known, time_unit="week")
    assert fit.params.k == 2
    table = fit.to_frame()
    for process, effects in EFFECTS.items():
        for name, value in effects.items():
            row = table.loc[f"{process}, {name if name == 'age' else f'channel: {name}'}"]
            assert abs(row["estimate"] - value) < 4 * row["standard_error"]
    near = {"channel": "web", "age": 40.0}
    assert expected_purchases(fit, 52, covariates=near) == pytest.approx(model.expected_purchases(truth, 52), rel=0.15)


def test_a_group_of_its_own_in_all_parameters_is_a_fit_of_that_group():
    # NBD has one process; with its covariate and the shape r known to differ, the fits of two groups are the check
    one = customers_of(known_of(900, 1), NBD, NBD.Params(0.8, 6.0), 1).assign(group="a")
    same = one.assign(group="b", T=2 * one["T"], recency=2 * one["recency"])  # as if time ran twice as fast
    fit = fit_purchases(pd.concat([one, same]), NBD, covariates=["group"], time_unit="week")
    alone = fit_purchases(one, NBD, time_unit="week")
    (effect,) = fit.effects
    assert (effect.reference, effect.level) == ("a", "b")
    assert effect.coefficient == pytest.approx(-np.log(2), rel=1e-9)  # half the rate
    assert fit.params == pytest.approx(alone.params, rel=1e-8)


def test_intervals_cover_the_true_effects_about_as_often_as_they_say():
    names = [(process, name) for process in ("purchases", "dropout") for name in ("store", "app", "age")]
    covered = np.zeros(len(names))
    for seed in range(40):
        known = known_of(1_500, seed)
        table = fit_purchases(customers_of(known, seed=seed + 100), covariates=known, time_unit="week").to_frame()
        for i, (process, name) in enumerate(names):
            row = table.loc[f"{process}, {name if name == 'age' else f'channel: {name}'}"]
            covered[i] += row["lower"] < EFFECTS[process][name] < row["upper"]
    assert covered.sum() >= 218  # of 240; 228 expected, and fewer than 218 has a chance of 1 in 100
    assert (covered >= 33).all()


def test_an_equal_effect_is_one_coefficient_between_the_two_free_ones(customers, known, fit):
    equal = Covariates(frame=known, purchases=["age"], dropout=["age"], equal=["channel"])
    tied = fit_purchases(customers, covariates=equal, time_unit="week")
    free = {(effect.processes, effect.covariate): effect.coefficient for effect in fit.effects}
    names = [effect.name for effect in tied.effects]
    assert names[2:] == ["purchases = dropout, channel: store", "purchases = dropout, channel: app"]
    for effect in tied.effects[2:]:
        ends = sorted(free[(process,), effect.covariate] for process in ("purchases", "dropout"))
        assert ends[0] < effect.coefficient < ends[1]
    assert tied.log_likelihood < fit.log_likelihood
    assert tied.aic == pytest.approx(2 * 8 - 2 * tied.log_likelihood)
    one = fit_purchases(customers, covariates=Covariates(frame=known, dropout=["age"]), time_unit="week")
    assert [effect.name for effect in one.effects] == ["dropout, age"]


def test_where_nobody_leaves_the_effects_on_purchases_stay(known):
    customers = customers_of(known, NBD, NBD.Params(r=2.0, alpha=20.0))
    loyal = customers.assign(recency=np.where(customers["frequency"] > 0, customers["T"], 0.0))  # they just bought
    fit = fit_purchases(loyal, PARETO_NBD, covariates=known, time_unit="week")
    wanted = fit_purchases(loyal, NBD, covariates=known, time_unit="week")
    assert (fit.model, fit.params, fit.effects) == (NBD, wanted.params, wanted.effects)
    assert "nobody leaves in these data" in fit.health[0]
    alive = probability_alive(fit, loyal, covariates=known)["probability_alive"]
    assert (alive == 1).all()


def test_an_effect_without_end_is_kept_finite_and_named():
    # nobody of the club leaves: the odds of leaving fall to 0 for them, however large the effect
    rng = np.random.default_rng(2)
    T = np.full(3_000, 52.0)
    loyal = NBD.simulate(NBD.Params(1.5, 10.0), T, rng)
    others = BG_NBD.simulate(BG_NBD.Params(1.5, 10.0, 1.0, 2.0), T, rng)
    columns = {name: np.append(getattr(loyal, name), getattr(others, name)) for name in ("frequency", "recency", "T")}
    frame = pd.DataFrame({**columns, "club": np.repeat([1, 0], 3_000)})
    fit = fit_purchases(frame, covariates=["club"], time_unit="week")
    assert fit.penalty == 1
    assert "the effects without end are: dropout, club. A penalty of 1 keeps all effects finite" in fit.health[0]
    bought, left = fit.effects
    assert abs(bought.coefficient) < 0.2
    assert left.coefficient < -4
    assert np.isfinite(fit.standard_errors).all()
    alive = probability_alive(fit, frame)["probability_alive"]
    assert alive[:3_000].mean() > 0.99
    again = fit_purchases(frame, covariates=["club"], penalty=1, time_unit="week")
    assert again.params == pytest.approx(fit.params)
    assert again.health == fit.health[1:]


def test_the_parameters_are_those_of_a_customer_at_the_references(fit, known):
    age = float(known["age"].mean())
    base = expected_purchases(fit, [10.0, 52.0], covariates={"channel": "web", "age": age})
    assert base == pytest.approx(BG_NBD.expected_purchases(fit.params, np.array([10.0, 52.0])), rel=1e-12)
    assert [effect.reference for effect in fit.effects[:2]] == ["web", "web"]
    assert fit.effects[2].reference == pytest.approx(age)


def test_predictions_are_those_of_the_model_with_each_customers_parameters(fit, customers, known):
    some, mine = customers.head(40), known.head(40)
    found = conditional_expected_purchases(fit, some, horizon=26, covariates=known)["expected_purchases"]
    effects = {effect.name: effect.coefficient for effect in fit.effects}
    for i in range(40):
        channel, age = mine.loc[i, "channel"], mine.loc[i, "age"] - fit.effects[2].reference
        bought, left = (
            effects.get(f"{process}, channel: {channel}", 0.0) + effects[f"{process}, age"] * age
            for process in ("purchases", "dropout")
        )
        r, alpha, a, b = fit.params
        own = BG_NBD.Params(r, alpha * np.exp(-bought), a * np.exp(left), b)
        history = [np.array([some.loc[i, name]]) for name in ("frequency", "recency", "T")]
        wanted = BG_NBD.conditional_expected_purchases(own, 26.0, *history)[0]
        assert found[i] == pytest.approx(wanted, rel=1e-12)


def test_new_customers_are_told_apart_by_their_covariates(fit):
    kinds = pd.DataFrame({"channel": ["web", "store"], "age": [30.0, 50.0]})
    table = expected_purchases(fit, [10.0, 20.0, 52.0], covariates=kinds)
    assert table.shape == (2, 3)
    for i, kind in enumerate(kinds.to_dict("records")):
        assert expected_purchases(fit, [10.0, 20.0, 52.0], covariates=kind) == pytest.approx(table[i])
    assert expected_purchases(fit, 52, covariates=kinds) == pytest.approx(table[:, 2])
    with pytest.raises(InputError, match=r"covariates: missing, and the fit has effects of channel, age"):
        expected_purchases(fit, 52)


def test_every_engine_fits_and_predicts_the_same(customers, known, fit, as_engine):
    given = pd.merge(customers, known.assign(vip=known["age"] > 45)).head(400)
    wanted = fit_purchases(given, covariates=["channel", "age", "vip"], time_unit="week")
    frame = as_engine(given)
    found = fit_purchases(frame, covariates=["channel", "age", "vip"], time_unit="week")
    assert [effect.name for effect in found.effects] == [effect.name for effect in wanted.effects]
    assert [*found.params, *(effect.coefficient for effect in found.effects)] == pytest.approx(
        [*wanted.params, *(effect.coefficient for effect in wanted.effects)], rel=1e-6
    )
    ours = conditional_expected_purchases(wanted, frame, horizon=9)
    assert type(ours).__module__.split(".")[0] == type(frame).__module__.split(".")[0]
    table = to_pandas(ours).sort_values("customer_id")
    theirs = conditional_expected_purchases(wanted, given, horizon=9)["expected_purchases"]
    assert table["expected_purchases"].to_numpy(dtype=float) == pytest.approx(theirs.to_numpy(), rel=1e-12)


def test_every_engine_joins_covariates_by_customer_from_memory(customers, known, fit, as_engine):
    some = customers.head(50)
    shuffled = known.sample(frac=1, random_state=7)
    wanted = probability_alive(fit, some, covariates=shuffled)["probability_alive"]
    found = to_pandas(probability_alive(fit, as_engine(some), covariates=shuffled)).sort_values("customer_id")
    assert found["probability_alive"].to_numpy(dtype=float) == pytest.approx(wanted.to_numpy(), rel=1e-12)
    # and from the same engine, where that is one place
    if type(as_engine(some)).__module__.split(".")[0] not in ("duckdb", "_duckdb"):  # each frame a database of its own
        again = to_pandas(probability_alive(fit, as_engine(some), covariates=as_engine(shuffled)))
        assert len(again) == 50


def test_a_pandas_frame_keeps_its_order_and_index(customers, known, fit):
    some = customers.sample(30, random_state=2).set_index(pd.Index([f"row {i}" for i in range(30)]))
    found = probability_alive(fit, some, covariates=known.sample(frac=1, random_state=3))
    assert found.index.tolist() == some.index.tolist()
    assert found["customer_id"].tolist() == some["customer_id"].tolist()


def test_numbers_of_0_and_1_and_truth_values_are_told_from_0(customers, known):
    old = (known["age"] > 40).astype(int)
    found = []
    for values in (old, old.astype(bool), old.astype(float)):
        fit = fit_purchases(customers, covariates=known[["customer_id"]].assign(old=values), time_unit="week")
        assert fit.effects[0].reference == 0.0
        found.append(fit.params)
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])
    as_text = known[["customer_id"]].assign(old=np.where(old == 1, "yes", "no"))
    text = fit_purchases(customers, covariates=as_text, time_unit="week")
    sign = 1 if text.effects[0].level == "yes" else -1
    numbers = fit_purchases(customers, covariates=known[["customer_id"]].assign(old=old), time_unit="week")
    assert sign * text.effects[0].coefficient == pytest.approx(numbers.effects[0].coefficient, rel=1e-8)


def test_the_table_tests_effects_and_no_parameter(fit):
    table = fit.to_frame()
    assert table["z"].isna().tolist() == [True] * 4 + [False] * 6
    age = table.loc["purchases, age"]
    assert age["z"] == pytest.approx(age["estimate"] / age["standard_error"])
    assert age["p_value"] < 1e-6
    assert fit.bic == pytest.approx(10 * np.log(2000) - 2 * fit.log_likelihood)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(fit.standard_errors)
    assert "dropout, channel: store -0.5" in repr(fit)


def bad(known, **columns):
    """Return covariates with these columns changed."""
    return known.assign(**columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[c["customer_id"] != 7], r"covariates: no row for the customer in 1 of 2,000 rows \(customer 7\)"),
        (lambda c: pd.concat([c, c.head(2)]), r"covariates: more than one row in 2 of 2,002 rows \(customer 0, 1\)"),
        (
            lambda c: bad(c, age=c["age"].where(c["customer_id"] != 9)),
            r"age: missing or infinite in 1 of 2,000 rows \(cu",
        ),
        (
            lambda c: bad(c, age=c["age"].where(c["customer_id"] != 9, np.inf)),
            r"age: missing or infinite in 1 of 2,000",
        ),
        (lambda c: bad(c, channel=c["channel"].where(c["customer_id"] != 9)), r"channel: missing or infinite in 1 of"),
        (lambda c: bad(c, one=1.0), r"one: constant \(1\) over all customers, so nothing shows its effect"),
        (lambda c: bad(c, one="x"), r"one: constant \('x'\) over all customers"),
        (lambda c: bad(c, months=12 * c["age"] + 1), "months: collinear, for it follows exactly from age. Leave one"),
        (lambda c: bad(c, shop=c["channel"] == "store"), "shop: collinear, for it follows exactly from channel"),
        (lambda c: bad(c, name=c["customer_id"].astype(str)), "name: more than 100 levels. Group the rare ones"),
        (
            lambda c: bad(c, since=pd.Timestamp("2020-01-01")),
            r"since: the covariate holds Date.*Convert it to a number",
        ),
        (lambda c: bad(c, customer_id=c["customer_id"].astype(str)), "customer_id holds String and that of .* Int64"),
        (lambda c: c[["customer_id"]], "covariates: the frame has no column besides customer_id"),
        (lambda c: c.drop(columns="customer_id"), "column 'customer_id' is missing"),
        (lambda c: ["age"], "covariates: column 'age' is missing. Columns there: 'customer_id', 'frequency'"),
        (lambda c: ["age", "age"], "covariates: a column is named twice"),
        (lambda c: Covariates(frame=c), "covariates: no column is named"),
        (lambda c: Covariates(frame=c, equal=["age"], dropout=["age"]), "equal: column 'age' also acts alone"),
    ],
)
def test_covariates_that_do_not_serve_are_refused_by_name(customers, known, change, message):
    with pytest.raises(InputError, match=message):
        fit_purchases(customers, covariates=change(known), time_unit="week")


def test_every_engine_names_the_customers_without_a_covariate(customers, known, as_engine):
    gap = known.head(40).assign(age=known["age"].where(known["customer_id"] != 9))
    with pytest.raises(InputError, match=r"age: missing or infinite in 1 of 40 rows \(customer 9\)"):
        fit_purchases(as_engine(customers.head(40)), covariates=gap, time_unit="week")


def test_arguments_that_contradict_are_refused(customers, known):
    with pytest.raises(InputError, match="penalty: given without covariates"):
        fit_purchases(customers, penalty=1.0, time_unit="week")
    with pytest.raises(InputError, match="penalty: got -1"):
        fit_purchases(customers, covariates=known, penalty=-1, time_unit="week")
    with pytest.raises(InputError, match="covariates: NBD has no dropout for them to act on"):
        fit_purchases(customers, NBD, covariates=Covariates(frame=known, dropout=["age"]), time_unit="week")
    with pytest.raises(InputError, match="customer_id: missing. Covariates are joined to the customers by it"):
        fit_purchases(customers.drop(columns="customer_id"), covariates=known, time_unit="week")


def test_new_levels_and_missing_customers_are_named_at_prediction(fit, customers, known):
    with pytest.raises(
        InputError, match=r"channel: levels that the fit does not know \('fax'\) in .*customer .*map them"
    ):
        probability_alive(fit, customers, covariates=known.replace({"channel": {"app": "fax"}}))
    with pytest.raises(
        InputError, match=r"covariates: no row for the customer in 4 of 2,000 rows \(customer 1996, 1997"
    ):
        probability_alive(fit, customers, covariates=known.head(1_996))
    with pytest.raises(InputError, match=r"age: missing or infinite in 1 of 2,000 rows \(customer 3\)"):
        probability_alive(fit, customers, covariates=known.assign(age=known["age"].where(known["customer_id"] != 3)))
    with pytest.raises(InputError, match="channel: the covariate holds numbers, and text in the fit"):
        probability_alive(fit, customers, covariates=known.assign(channel=1))
    with pytest.raises(InputError, match="covariates: missing, and the fit has effects of channel, age"):
        probability_alive(fit, customers)
    summary = CustomerSummary(frame=customers, time_unit="week", observation_end=np.datetime64("2024-01-01"))
    assert len(probability_alive(fit, summary, covariates=known)) == 2_000


def test_spend_follows_covariates_as_a_regression_of_mean_spend_says():
    rng = np.random.default_rng(6)
    known = known_of(4_000, 9)
    score = 0.3 * (known["channel"] == "store") - 0.01 * (known["age"] - 40)
    x = rng.integers(0, 6, 4_000).astype(float)
    spend = GAMMA_GAMMA.simulate(GAMMA_GAMMA.Params(6.0, 4.0, 15.0 * np.exp(score.to_numpy())), x, rng)
    customers = pd.DataFrame({"customer_id": known["customer_id"], "frequency": x, "monetary_value": spend})
    fit = fit_spend(customers, covariates=known)
    table = fit.to_frame()
    for name, truth in {"spend, channel: store": 0.3, "spend, channel: app": 0.0, "spend, age": -0.01}.items():
        assert abs(table.loc[name, "estimate"] - truth) < 4 * table.loc[name, "standard_error"]
    repeats = x > 0
    dummies = {name: (known["channel"] == name).astype(float) for name in ("store", "app")}
    design = sm.add_constant(pd.DataFrame({**dummies, "age": known["age"]}))[repeats]
    theirs = sm.GLM(spend[repeats], design, family=sm.families.Gamma(sm.families.links.Log())).fit()
    # another estimator of the same means: it agrees within its own error
    gap = [effect.coefficient for effect in fit.effects] - theirs.params[["store", "app", "age"]]
    assert (np.abs(gap) < 2 * theirs.bse[["store", "app", "age"]]).all()
    plain = fit_spend(customers)
    assert fit.log_likelihood > plain.log_likelihood + 20
    assert (fit.n_customers, fit.n_without_repeat) == (plain.n_customers, plain.n_without_repeat)
