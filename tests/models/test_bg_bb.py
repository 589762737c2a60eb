"""BG/BB: published numbers, the sums of the paper with 50 digits, another library, and bad input."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import betaln

from crmvalue.clv import conditional_expected_purchases, discounted_residual_purchases, probability_alive
from crmvalue.errors import InputError
from crmvalue.models import BG_BB, NBD
from crmvalue.models.bg_bb import Params
from crmvalue.models.comparison import compare_models
from crmvalue.models.fit import fit_purchases

PUBLISHED = Params(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)  # Fader, Hardie & Shang (2010), donations


@pytest.fixture(scope="module")
def donations(cdnow_folder) -> pd.DataFrame:
    """Return 11,104 donors, one row each."""
    table = pd.read_csv(cdnow_folder / "donations.csv")
    rows = table.loc[table.index.repeat(table["weights"])].reset_index(drop=True)
    return rows.rename(columns={"periods": "T"})[["frequency", "recency", "T"]]


def exact(params, x, t_x, n, h, k):
    """Log-likelihood, P(alive), expectation, chance of k: the sums of the paper (eq. 5, 7, 12, 13), with 50 digits."""
    with mpmath.workdps(50):
        alpha, beta, gamma, delta = (mpmath.mpf(float(v)) for v in params)

        def both(e, left):
            bought = mpmath.beta(alpha + x, beta + e - x) / mpmath.beta(alpha, beta)
            return bought * mpmath.beta(gamma + left, delta + e) / mpmath.beta(gamma, delta)

        alive = both(n, 0)
        total = alive + sum(both(e, 1) for e in range(t_x, n))
        a, b, d = alpha + x, beta + n - x, delta + n

        def chance(e, left):
            orders = mpmath.binomial(e, k) * mpmath.beta(a + k, b + e - k) / mpmath.beta(a, b)
            return orders * mpmath.beta(gamma + left, d + e) / mpmath.beta(gamma, d)

        mean = a / (a + b) * sum(mpmath.beta(gamma, d + j) / mpmath.beta(gamma, d) for j in range(1, h + 1))
        mass = (chance(h, 0) if k <= h else 0) + sum(chance(e, 1) for e in range(k, h))
        return tuple(map(float, (mpmath.log(total), alive / total, alive / total * mean, mass)))


@pytest.mark.parametrize("seed", range(40))
def test_every_number_agrees_with_the_sums_of_the_paper(seed):
    rng = np.random.default_rng(seed)
    params = Params(*(10 ** rng.uniform(-3, 3, 4)))
    params = params._replace(gamma=[params.gamma, 1.0, 1 + 1e-6, 0.97][seed % 4])
    n = int(rng.integers(0, 80))
    t_x = int(rng.integers(0, n + 1))
    x = int(rng.integers(1, t_x + 1)) if t_x else 0
    h, k = int(rng.integers(1, 60)), int(rng.integers(0, 9))
    history = np.array([float(x)]), np.array([float(t_x)]), np.array([float(n)])
    logarithm, alive, expected, mass = exact(params, x, t_x, n, h, k)
    assert BG_BB.log_likelihood(params, *history) == pytest.approx(logarithm, rel=1e-10, abs=1e-11)
    assert BG_BB.probability_alive(params, *history) == pytest.approx(alive, rel=1e-10)
    assert BG_BB.conditional_expected_purchases(params, float(h), *history) == pytest.approx(expected, rel=1e-10)
    assert BG_BB.mass_if_alive(params, float(k), float(h), *history) == pytest.approx(mass, rel=1e-10)


def test_fit_on_donations_gives_the_published_estimates(donations):
    fit = fit_purchases(donations, BG_BB, time_unit="year")
    assert fit.params == pytest.approx(PUBLISHED, abs=6e-4)
    assert fit.log_likelihood == pytest.approx(-33225.6, abs=0.05)
    assert fit.gradient_norm < 1e-7
    assert fit.n_customers == 11_104


def test_predictions_and_fit_agree_with_lifetimes(donations, cdnow_folder):
    table = pd.read_csv(cdnow_folder / "donations.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoBetaBinomFitter

        theirs = BetaGeoBetaBinomFitter().fit(table["frequency"], table["recency"], table["periods"], table["weights"])
        params = Params(*(theirs.params_[name] for name in Params._fields))
        columns = [table[name].to_numpy(dtype=float) for name in ("frequency", "recency", "periods")]
        wanted = theirs.conditional_expected_number_of_purchases_up_to_time(5, *columns)
        wanted_alive = theirs.conditional_probability_alive(0, *columns)
    assert BG_BB.conditional_expected_purchases(params, 5.0, *columns) == pytest.approx(np.asarray(wanted), rel=1e-9)
    assert BG_BB.probability_alive(params, *columns) == pytest.approx(np.asarray(wanted_alive), rel=1e-9)
    ours = fit_purchases(donations, BG_BB, time_unit="year")
    theirs_at = BG_BB.log_likelihood(params, *columns) @ table["weights"].to_numpy(dtype=float)
    assert ours.log_likelihood >= theirs_at - 1e-8


def test_discounted_purchases_for_ever_are_the_sum_of_the_paper():
    rate, history = np.log(1.1), (np.array([3.0]), np.array([5.0]), np.array([6.0]))
    k = np.arange(1, 2000.0)
    one_by_one = [BG_BB.survival_if_alive(PUBLISHED, j, *history)[0] * 1.1**-j for j in k]
    buys = (PUBLISHED.alpha + 3) / (PUBLISHED.alpha + PUBLISHED.beta + 6)
    found = BG_BB.residual_purchases_if_alive(PUBLISHED, rate, 0.0, np.inf, *history)
    assert found == pytest.approx(buys * sum(one_by_one), rel=1e-12)
    long = BG_BB.residual_purchases_if_alive(PUBLISHED, 1e-3, 3.0, 9_000.0, *history)
    parts = [
        BG_BB.residual_purchases_if_alive(PUBLISHED, 1e-3, a, b, *history)[0]
        for a, b in [(3, 3000), (3000, 6000), (6000, 9000)]
    ]
    assert long == pytest.approx(sum(parts), rel=1e-11)


def test_histories_that_no_donor_can_have_are_refused_by_name(donations):
    frame = pd.DataFrame({"customer_id": ["a", "b"], "frequency": [1, 2], "recency": [3.0, 4.0], "T": [6.0, 6.0]})
    for column, values, message in [
        ("recency", [3.0, 3.5], r"recency: not a whole number in 1 of 2 rows \(customer b\)"),
        ("T", [6.0, 6.5], r"T: not a whole number in 1 of 2 rows \(customer b\)"),
        ("frequency", [1, 5], r"frequency: above recency in 1 of 2 rows \(customer b\)"),
    ]:
        with pytest.raises(InputError, match=message):
            fit_purchases(frame.assign(**{column: values}), BG_BB, time_unit="year")
    fit = fit_purchases(donations, BG_BB, time_unit="year")
    with pytest.raises(InputError, match=r"horizon: got 2.5. BG/BB counts opportunities"):
        conditional_expected_purchases(fit, frame, horizon=2.5)
    with pytest.raises(InputError, match=r"stop: got 2.5. BG/BB counts opportunities"):
        discounted_residual_purchases(fit, frame, discount_rate=0.1, stop=2.5)
    with pytest.raises(InputError, match="Compare models of one kind"):
        compare_models(donations, [NBD, BG_BB], time_unit="year")


@pytest.mark.parametrize("seed", [1, 2, 8])  # in which the last purchases come late by chance
def test_where_nobody_leaves_the_fit_says_so_and_its_predictions_are_beta_binomial(seed):
    rng = np.random.default_rng(seed)
    n = 8
    bought = rng.random((1_500, n)) < rng.beta(1.2, 0.8, 1_500)[:, None]
    x = bought.sum(axis=1).astype(float)
    last = np.where(x > 0, n - np.argmax(bought[:, ::-1], axis=1), 0).astype(float)
    frame = pd.DataFrame({"frequency": x, "recency": last, "T": float(n)})
    fit = fit_purchases(frame, BG_BB, time_unit="year")
    assert "nobody leaves in these data" in fit.health[0]

    def lost(point):
        alpha, beta = np.exp(point)
        return -(betaln(alpha + x, beta + n - x) - betaln(alpha, beta)).sum()

    best = minimize(lost, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10})
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-3)
    alpha, beta = fit.params[:2]
    assert (alpha, beta) == pytest.approx(tuple(np.exp(best.x)), rel=1e-5)
    expected = conditional_expected_purchases(fit, frame, horizon=5)["expected_purchases"]
    assert expected.to_numpy() == pytest.approx(5 * (alpha + x) / (alpha + beta + n), rel=1e-6)
    assert (probability_alive(fit, frame)["probability_alive"] > 1 - 1e-6).all()
