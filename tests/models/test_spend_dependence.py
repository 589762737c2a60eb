"""Spend that depends on frequency: the test for it, and the model that allows for it."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from crmvalue.clv import expected_spend
from crmvalue.errors import InputError
from crmvalue.models import gamma_gamma
from crmvalue.models.fit import fit_spend
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.gamma_gamma_on_frequency import GAMMA_GAMMA_ON_FREQUENCY
from crmvalue.models.spend_dependence import balanced, spend_dependence_test
from crmvalue.models.storage import fit_from_json, fit_to_json
from tests.conftest import to_pandas

TRUTH = GAMMA_GAMMA_ON_FREQUENCY.Params(p=6.0, q=4.0, v=15.0, per_doubling=1.25)


@pytest.fixture(scope="module")
def cdnow(cdnow_folder) -> pd.DataFrame:
    """Return the repeat buyers of the CDNOW sample, 39 weeks."""
    names = ["master_id", "customer_id", "date", "cds", "amount"]
    path = cdnow_folder / "CDNOW_sample.txt"
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype={"date": str})
    days = rows[rows["date"] <= "19970930"].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    repeats = days[days.duplicated("customer_id")].groupby("customer_id")["amount"]
    return pd.DataFrame({"frequency": repeats.size(), "monetary_value": repeats.mean()})


def drawn(params, n, seed, model=GAMMA_GAMMA_ON_FREQUENCY) -> pd.DataFrame:
    """Simulate customers who bought often or seldom."""
    rng = np.random.default_rng(seed)
    frequency = 1.0 + rng.negative_binomial(0.5, 0.15, n)
    return pd.DataFrame({"frequency": frequency, "monetary_value": model.simulate(params, frequency, rng)})


def test_cdnow_has_the_published_correlation(cdnow):
    found = spend_dependence_test(cdnow)
    # Fader, Hardie & Lee (2005): 0.11 between average transaction value and number of transactions
    assert found.correlation == pytest.approx(0.11, abs=0.005)
    assert found.correlation == pytest.approx(pearsonr(cdnow["frequency"], cdnow["monetary_value"])[0], rel=1e-12)
    assert found.n_customers == 946
    assert found.is_dependent
    assert found.p_value == pytest.approx(0.0063, abs=0.0005)
    assert found.advice == (
        "Mean spend changes by +12.4 % with each doubling of the purchases (95 %: +3.3 to +22.2 %): spend depends on "
        "frequency. Take GAMMA_GAMMA_ON_FREQUENCY."
    )


def test_the_effect_agrees_with_a_weighted_regression_by_hand(cdnow):
    # iteratively reweighted least squares, and HC3 from its hat matrix
    x, y = np.log2(1 + cdnow["frequency"].to_numpy()), cdnow["monetary_value"].to_numpy()
    design = np.column_stack([np.ones_like(x), x])
    point = np.array([np.log(y.mean()), 0.0])
    for _ in range(200):
        fitted = np.exp(design @ point)
        point = np.linalg.lstsq(design, design @ point + (y - fitted) / fitted, rcond=None)[0]
    hat = design @ np.linalg.pinv(design)
    residual = (y / np.exp(design @ point) - 1) / (1 - np.diag(hat))
    covariance = np.linalg.pinv(design) @ np.diag(residual**2) @ np.linalg.pinv(design).T
    found = spend_dependence_test(cdnow)
    assert np.log(found.per_doubling) == pytest.approx(point[1], rel=1e-9)
    width = np.log(found.upper / found.lower) / (2 * 1.959963984540054)
    assert width == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-9)


@pytest.mark.parametrize("wild", [0.1, 3.0, 30.0])  # how far the logarithms of mean spend lie from any line
def test_the_slope_balances_spend_by_frequency_however_far_it_is_from_a_line(wild):
    rng = np.random.default_rng(3)
    for n in (2, 3, 40):
        x = np.sort(rng.choice(5_000, n, replace=False)) + 1.0
        z = np.log2(1 + x) - np.log2(1 + x).mean()
        totals = np.exp(wild * rng.normal(size=n))
        slope, _ = balanced(z, totals, 0.0)
        with mpmath.workdps(50):
            pull = [y * mpmath.exp(-mpmath.mpf(slope) * b) for y, b in zip(totals, map(mpmath.mpf, z), strict=True)]
            missing = mpmath.fdot(pull, z.tolist()) / mpmath.fdot(pull, (z**2).tolist())  # a Newton step from there
        assert abs(float(missing)) < 1e-13 * max(1.0, abs(slope))


def test_independent_spend_is_rejected_as_often_as_the_level_says():
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(300):  # amounts that are not gamma, in customers who are not either
        frequency = 1 + rng.negative_binomial(0.5, 0.15, 400)
        own = rng.normal(3.0, 0.7, 400)
        amounts = np.exp(np.repeat(own, frequency) + rng.normal(0.0, 0.8, frequency.sum()))
        mean = np.add.reduceat(amounts, np.cumsum(frequency) - frequency) / frequency
        found = spend_dependence_test(pd.DataFrame({"frequency": frequency, "monetary_value": mean}))
        rejected += found.p_value < 0.05
        assert found.is_dependent == (found.p_value < 0.05)
    assert 4 <= rejected <= 27  # 15 expected; outside has a chance of 1 in 500


def test_counts_units_and_customers_without_repeats_do_not_matter(cdnow):
    found = spend_dependence_test(cdnow)
    more = pd.concat([cdnow, pd.DataFrame({"frequency": [0, 3], "monetary_value": [np.nan, -1.0]})])
    for frame in (more, cdnow.assign(monetary_value=1e12 * cdnow["monetary_value"])):
        again = spend_dependence_test(frame)
        assert again.per_doubling == pytest.approx(found.per_doubling, rel=1e-9)
        assert again.p_value == pytest.approx(found.p_value, rel=1e-6)
    wide = spend_dependence_test(cdnow, level=0.999)
    assert wide.lower < 1 < wide.upper
    assert wide.advice.endswith("no sign that spend depends on frequency. Take GAMMA_GAMMA.")


def test_a_small_effect_is_said_to_be_small():
    found = spend_dependence_test(drawn(TRUTH._replace(per_doubling=1.02), 200_000, 1))
    assert found.is_dependent
    assert found.advice.endswith("too little to matter. GAMMA_GAMMA will do.")


def test_the_test_runs_in_every_engine(as_engine, cdnow):
    some = cdnow.head(60).astype({"frequency": float})
    wanted = spend_dependence_test(some)
    found = spend_dependence_test(as_engine(pd.concat([some, some], ignore_index=True)))
    assert found.per_doubling == pytest.approx(wanted.per_doubling, rel=1e-9)
    assert found.n_customers == 2 * wanted.n_customers
    assert found.correlation == pytest.approx(wanted.correlation, rel=1e-9)


@pytest.mark.parametrize(
    ("frequency", "spend", "message"),
    [
        ([2, 2, 2], [1.0, 2.0, 3.0], "frequency: the 3 customers with repeat purchases are too few or all have one"),
        ([1, 2], [1.0, 2.0], "frequency: the 2 customers"),
        ([1, 2, 3], [1.0, np.nan, 3.0], "monetary_value: missing or infinite where frequency is above 0 in 1 of 3"),
        ([1, -2, 3], [1.0, 2.0, 3.0], "frequency: negative"),
        ([0, 0, 0], [0.0, 0.0, 0.0], "no customer has a repeat purchase"),
    ],
)
def test_bad_input_is_refused(frequency, spend, message):
    with pytest.raises(InputError, match=message):
        spend_dependence_test(pd.DataFrame({"frequency": frequency, "monetary_value": spend}))


def test_at_a_factor_of_one_the_model_is_gamma_gamma():
    p, q, v = (6.25, 3.74, 15.44)
    x, spend = np.array([1.0, 5.0, 300.0]), np.array([3.0, 40.0, 31.0])
    wide = GAMMA_GAMMA_ON_FREQUENCY.Params(p, q, v, 1.0)
    simple = gamma_gamma.Params(p, q, v)
    found = GAMMA_GAMMA_ON_FREQUENCY.log_likelihood(wide, x, spend)
    assert found == pytest.approx(gamma_gamma.log_likelihood(simple, x, spend), rel=1e-14)
    found = GAMMA_GAMMA_ON_FREQUENCY.expected_spend(wide, x, spend)
    assert found == pytest.approx(gamma_gamma.expected_spend(simple, x, spend), rel=1e-14)


def test_on_cdnow_the_wider_model_explains_the_spend_better(cdnow):
    simple, wide = fit_spend(cdnow, GAMMA_GAMMA), fit_spend(cdnow, GAMMA_GAMMA_ON_FREQUENCY)
    assert simple.log_likelihood == pytest.approx(-4055.92, abs=0.005)  # the note
    assert wide.log_likelihood > simple.log_likelihood + 10
    assert wide.bic < simple.bic
    assert wide.confidence_interval()[3, 0] > 1
    assert wide.gradient_norm < 1e-8
    best = gamma_gamma.Params(*wide.params[:3])
    doublings = np.log2(1 + cdnow["frequency"].to_numpy(dtype=float))
    scaled = best._replace(v=best.v * wide.params[3] ** doublings)
    columns = [cdnow[name].to_numpy(dtype=float) for name in ("frequency", "monetary_value")]
    assert gamma_gamma.log_likelihood(scaled, *columns).sum() == pytest.approx(wide.log_likelihood, rel=1e-12)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    covered = np.zeros(4)
    for seed in range(100):
        lower, upper = fit_spend(drawn(TRUTH, 2_000, seed), GAMMA_GAMMA_ON_FREQUENCY).confidence_interval().T
        covered += (lower < TRUTH) & (upper > TRUTH)
    assert (covered >= 88).all()  # 95 of 100 expected; below 88 has a chance under 1 in 200


def test_expected_spend_of_the_wider_model_runs_in_every_engine(as_engine):
    frame = pd.DataFrame({"customer_id": ["a", "b"], "frequency": [0, 3], "monetary_value": [0.0, 30.0]})
    fit = fit_from_json(fit_to_json(fit_spend(drawn(TRUTH, 2_000, 3), GAMMA_GAMMA_ON_FREQUENCY)))
    p, q, v, factor = fit.params
    table = to_pandas(expected_spend(fit, as_engine(frame))).sort_values("customer_id")
    wanted = [p * v / (q - 1), p * (v * factor**2 + 3 * 30) / (3 * p + q - 1)]  # 4 purchases are two doublings
    assert table["expected_spend"].to_numpy(dtype=float) == pytest.approx(wanted, rel=1e-12)
