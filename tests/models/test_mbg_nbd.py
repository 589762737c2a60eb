"""MBG/NBD and NBD: published numbers, another library, and what ties them to BG/NBD."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

from crmvalue.models import BG_NBD, MBG_NBD, NBD
from crmvalue.models.fit import fit_purchases


@pytest.fixture(scope="module")
def cdnow(cdnow_folder) -> pd.DataFrame:
    """Return the CDNOW sample, 39 weeks."""
    return pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")


def columns_of(frame):
    """Return frequency, recency and T."""
    return [frame[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]


def test_fit_on_cdnow_gives_the_published_estimates(cdnow):
    fit = fit_purchases(cdnow, MBG_NBD, time_unit="week")
    assert fit.params == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=6e-4)
    assert fit.gradient_norm < 1e-8


def test_predictions_and_fit_agree_with_lifetimes(cdnow):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import ModifiedBetaGeoFitter

        theirs = ModifiedBetaGeoFitter().fit(cdnow["frequency"], cdnow["recency"], cdnow["T"])
        params = MBG_NBD.Params(*(theirs.params_[name] for name in MBG_NBD.Params._fields))
        columns = columns_of(cdnow)
        wanted = theirs.conditional_expected_number_of_purchases_up_to_time(39, *columns)
        wanted_alive = theirs.conditional_probability_alive(*columns)
        wanted_new = theirs.expected_number_of_purchases_up_to_time(np.array([1.0, 39.0]))
    assert MBG_NBD.conditional_expected_purchases(params, 39.0, *columns) == pytest.approx(np.asarray(wanted), rel=1e-9)
    assert MBG_NBD.probability_alive(params, *columns) == pytest.approx(np.asarray(wanted_alive), rel=1e-10)
    assert MBG_NBD.expected_purchases(params, np.array([1.0, 39.0])) == pytest.approx(wanted_new, rel=1e-10)
    fit = fit_purchases(cdnow, MBG_NBD, time_unit="week")
    assert fit.log_likelihood >= MBG_NBD.log_likelihood(params, *columns).sum() - 1e-8


def test_a_customer_who_never_came_back_may_have_left_at_once():
    params = MBG_NBD.Params(r=0.5, alpha=6.0, a=1.0, b=3.0)
    history = np.zeros(2), np.zeros(2), np.array([0.0, 6.0])
    # odds a to b right after the first purchase; after a silence of alpha they are 2^r times as large
    assert MBG_NBD.probability_alive(params, *history) == pytest.approx([3 / 4, 3 / (3 + np.sqrt(2))], rel=1e-14)


def test_bg_and_mbg_tend_to_nbd_where_nobody_leaves():
    history = np.array([0.0, 3.0, 800.0]), np.array([0.0, 9.0, 400.0]), np.array([10.0, 40.0, 400.0])
    plain = NBD.Params(r=0.7, alpha=5.0)
    for model in (BG_NBD, MBG_NBD):
        limit = model.Params(0.7, 5.0, 1e-13, 2.0)
        assert model.log_likelihood(limit, *history) == pytest.approx(NBD.log_likelihood(plain, *history), rel=1e-9)
        for_both = [m.purchases_if_alive(p, 30.0, *history) for m, p in [(model, limit), (NBD, plain)]]
        assert for_both[0] == pytest.approx(for_both[1], rel=1e-9)


def test_nbd_counts_are_negative_binomial():
    params = NBD.Params(r=0.7, alpha=5.0)
    count = np.array([0.0, 1.0, 7.0, 300.0])
    wanted = nbinom.pmf(count, 0.7 + 3, (5 + 20) / (5 + 20 + 30))
    assert NBD.mass_if_alive(params, count, 30.0, 3.0, 9.0, 20.0) == pytest.approx(wanted, rel=1e-11)


def test_nbd_fit_is_that_of_the_counts(cdnow):
    fit = fit_purchases(cdnow, NBD, time_unit="week")
    x, _, T = columns_of(cdnow)

    def of_counts(r, alpha):
        return nbinom.logpmf(x, r, alpha / (alpha + T)).sum()  # by another library; differs by a constant

    best = of_counts(*fit.params)
    for factors in [(1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99), (1.01, 1.01), (0.99, 0.99)]:
        assert of_counts(fit.params.r * factors[0], fit.params.alpha * factors[1]) < best


@pytest.mark.parametrize("seed", range(25))
def test_chances_of_bg_nbd_agree_with_integrals_of_30_digits(seed):
    rng = np.random.default_rng(seed)
    r, alpha, a, b = 10 ** rng.uniform(-2, 2, 4)
    x, T, h, k = float(rng.integers(0, 30)), 10 ** rng.uniform(0, 3), 10 ** rng.uniform(0, 3), float(rng.integers(1, 9))
    with mpmath.workdps(30):
        n, g = mpmath.mpf(r) + x, mpmath.mpf(h) / (mpmath.mpf(alpha) + T)
        A, B = mpmath.mpf(a), mpmath.mpf(b) + x
        chance = [mpmath.rf(n, j) / mpmath.factorial(j) * (1 + g) ** -n * (g / (1 + g)) ** j for j in range(int(k) + 1)]
        at_least = mpmath.betainc(k, n, 0, g / (1 + g), regularized=True)
        stays = mpmath.beta(A, B + k) / mpmath.beta(A, B)
        leaves = mpmath.beta(A + 1, B + k - 1) / mpmath.beta(A, B)
        wanted = float(stays * chance[-1] + leaves * at_least)
        still = float(mpmath.hyp2f1(n, A, A + B, -g))
    params, history = BG_NBD.Params(r, alpha, a, b), (np.array([x]), np.zeros(1), np.array([T]))
    assert BG_NBD.mass_if_alive(params, k, h, *history) == pytest.approx(wanted, rel=1e-10)
    assert BG_NBD.survival_if_alive(params, h, *history) == pytest.approx(still, rel=1e-10)


@pytest.mark.parametrize(
    "case", [(0.24, 4.4, 0.79, 2.4, 2.0, 38.0), (0.1, 900.0, 0.05, 40.0, 0.0, 5.0), (30, 2, 9, 1, 50, 90)]
)
def test_discounted_purchases_of_bg_nbd_agree_with_an_integral_of_30_digits(case):
    r, alpha, a, b, x, T = (mpmath.mpf(float(v)) for v in case)
    rate = mpmath.mpf("0.002")
    with mpmath.workdps(30):

        def speed(u):
            return (
                (r + x) / (alpha + T) * mpmath.hyp2f1(r + x + 1, a, a + b + x, -u / (alpha + T)) * mpmath.exp(-rate * u)
            )

        wanted = float(mpmath.quad(speed, [0, *(mpmath.mpf(10) ** j for j in range(-4, 6))]))
        wanted_later = float(mpmath.quad(speed, [52, 80, 104]))
    params = BG_NBD.Params(*map(float, case[:4]))
    history = np.array([float(x)]), np.zeros(1), np.array([float(T)])
    assert BG_NBD.residual_purchases_if_alive(params, 0.002, 0.0, np.inf, *history) == pytest.approx(wanted, rel=1e-10)
    later = BG_NBD.residual_purchases_if_alive(params, 0.002, 52.0, 104.0, *history)
    assert later == pytest.approx(wanted_later, rel=1e-10)
