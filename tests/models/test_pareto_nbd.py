"""Pareto/NBD: published numbers, 80-digit arithmetic, and another library."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pandas as pd
import pytest

from crmvalue.models.fit import fit_purchases
from crmvalue.models.pareto_nbd import (
    PARETO_NBD,
    Params,
    conditional_expected_purchases,
    expected_purchases,
    log_likelihood,
    mass_if_alive,
    probability_alive,
    residual_purchases_if_alive,
)

PUBLISHED = Params(r=0.553, alpha=10.578, s=0.606, beta=11.669)  # Fader & Hardie, note 009 and the BG/NBD paper


def exact(params, frequency, recency, T, horizon):
    """Log-likelihood, P(alive) and conditional expectation by the hypergeometric forms of note 009, with 80 digits."""
    with mpmath.workdps(80):
        r, alpha, s, beta = (mpmath.mpf(float(v)) for v in params)
        x, t_x, end, t = (mpmath.mpf(float(v)) for v in (frequency, recency, T, horizon))
        s += mpmath.mpf(10) ** -30 if s == 1 else 0
        top, second = (alpha, s + 1) if alpha >= beta else (beta, r + x)
        low = min(alpha, beta)

        def part(when):
            z = (top - low) / (top + when)
            return mpmath.hyp2f1(r + s + x, second, r + s + x + 1, z) / (top + when) ** (r + s + x)

        left = s / (r + s + x) * (part(t_x) - part(end))
        alive = 1 / ((alpha + end) ** (r + x) * (beta + end) ** s)
        both = mpmath.gamma(r + x) / mpmath.gamma(r) * alpha**r * beta**s * (alive + left)
        share = alive / (alive + left)
        future = (r + x) * (beta + end) / ((alpha + end) * (s - 1)) * (1 - ((beta + end) / (beta + end + t)) ** (s - 1))
        return float(mpmath.log(both)), float(share), float(share * future)


def wide_cases(n=80):
    """Draw parameters from 1e-3 to 1e4 and histories up to 5,000 purchases and 20 years in days, with the edges."""
    rng = np.random.default_rng(78)
    cases = []
    for i in range(n):
        params = Params(*(10 ** rng.uniform(-3, 4, 4)))
        params = params._replace(s=1.0) if i % 7 == 0 else params
        params = params._replace(beta=params.alpha) if i % 6 == 0 else params
        T = 0.0 if i % 20 == 4 else 10 ** rng.uniform(-1, 3.86)
        frequency = float(round(10 ** rng.uniform(0, 3.7))) if i % 4 and T else 0.0
        recency = T * (1.0 if i % 5 == 0 else rng.uniform()) if frequency else 0.0
        cases.append((params, frequency, recency, T, 10 ** rng.uniform(-1, 3)))
    return cases


@pytest.mark.parametrize("case", wide_cases())
def test_every_number_agrees_with_80_digits(case):
    params, frequency, recency, T, horizon = case
    history = np.array([frequency]), np.array([recency]), np.array([T])
    logarithm, alive, expected = exact(params, frequency, recency, T, horizon)
    assert log_likelihood(params, *history) == pytest.approx(logarithm, rel=1e-10, abs=1e-10)
    assert probability_alive(params, *history) == pytest.approx(alive, rel=1e-10, abs=1e-300)
    assert conditional_expected_purchases(params, horizon, *history) == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("case", wide_cases()[1:40:3])
def test_chances_and_discounted_purchases_agree_with_integrals_of_30_digits(case):
    params, frequency, _, T, horizon = case
    r, alpha, s, beta = (mpmath.mpf(float(v)) for v in params)
    frequency = min(frequency, 40.0)
    n, A, B, h, rate, k = r + frequency, alpha + T, beta + T, mpmath.mpf(float(horizon)), mpmath.mpf("0.01"), 3
    with mpmath.workdps(30):
        cuts = sorted({mpmath.mpf(0), *(h * mpmath.mpf(10) ** -j for j in range(9))})

        def bought(u):
            ways = mpmath.gamma(n + k) / mpmath.gamma(n) / mpmath.factorial(k)
            return ways * (A / (A + u)) ** n * (u / (A + u)) ** k

        gone = mpmath.quad(lambda u: s * B**s / (B + u) ** (s + 1) * bought(u), cuts)
        chance = bought(h) * (B / (B + h)) ** s + gone
        far = [0, *(mpmath.mpf(10) ** j for j in range(-5, 5))]
        worth = n / A * mpmath.quad(lambda u: (B / (B + u)) ** s * mpmath.exp(-rate * u), far)
    history = np.array([frequency]), np.zeros(1), np.array([T])
    assert mass_if_alive(params, 3.0, horizon, *history) == pytest.approx(float(chance), rel=1e-10, abs=1e-300)
    assert residual_purchases_if_alive(params, 0.01, 0.0, np.inf, *history) == pytest.approx(float(worth), rel=1e-10)


def test_a_long_silence_after_many_purchases_has_the_reference_likelihood():
    found = log_likelihood(Params(0.5143, 0.5, 0.2856, 400.0), np.array([900.0]), np.array([94.7]), np.array([98.0]))
    assert found == pytest.approx([1109.78114551774], abs=1e-10)


def test_customer_1516_is_expected_to_buy_as_often_as_published():
    history = np.array([26.0]), np.array([30.857]), np.array([31.0])
    # the rounded estimates move the last of the printed digits
    assert conditional_expected_purchases(PUBLISHED, 52.0, *history) == pytest.approx([25.456], abs=2e-3)


def test_fit_on_cdnow_gives_the_published_estimates(cdnow_folder):
    fit = fit_purchases(pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv"), PARETO_NBD, time_unit="week")
    assert fit.params[:3] == pytest.approx((0.553, 10.578, 0.606), abs=6e-4)
    assert fit.params.beta == pytest.approx(11.669, rel=0.005)  # the ridge between s and beta is flat
    assert fit.log_likelihood == pytest.approx(-9595.0, abs=0.05)
    assert fit.standard_errors == pytest.approx((0.0476, 0.8427, 0.1873, 6.21), rel=2e-3)
    assert fit.gradient_norm < 1e-8


def test_discounted_purchases_for_ever_are_the_dert_of_the_paper():
    delta = np.log(1.15) / 52.0  # Fader, Hardie & Lee (2005), "RFM and CLV": 15 % a year, in weeks
    history = np.array([7.0]), np.array([35.0]), np.array([77.86])
    worth = residual_purchases_if_alive(PUBLISHED, delta, 0.0, np.inf, *history)
    share = probability_alive(PUBLISHED, *history)
    assert (worth * share)[0] == pytest.approx(dert_by_tricomi(PUBLISHED, delta, *history), rel=1e-10)


def dert_by_tricomi(params, delta, frequency, recency, T):
    """Return the closed form of the paper, in 50 digits."""
    r, alpha, s, beta = params
    with mpmath.workdps(50):
        logarithm, _, _ = exact(params, frequency[0], recency[0], T[0], 1.0)
        x, end = mpmath.mpf(float(frequency[0])), mpmath.mpf(float(T[0]))
        top = mpmath.mpf(alpha) ** r * mpmath.mpf(beta) ** s * mpmath.mpf(delta) ** (s - 1) * mpmath.gamma(r + x + 1)
        tricomi = mpmath.hyperu(s, s, delta * (beta + end))
        return float(top * tricomi / (mpmath.gamma(r) * (alpha + end) ** (r + x + 1)) / mpmath.exp(logarithm))


def test_predictions_and_fit_agree_with_lifetimes(cdnow_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import ParetoNBDFitter

        summary = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")
        theirs = ParetoNBDFitter().fit(summary["frequency"], summary["recency"], summary["T"])
        params = Params(*(theirs.params_[name] for name in Params._fields))
        columns = [summary[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
        wanted = theirs.conditional_expected_number_of_purchases_up_to_time(39, *columns)
        wanted_alive = theirs.conditional_probability_alive(*columns)
        wanted_new = theirs.expected_number_of_purchases_up_to_time(np.array([1.0, 39.0]))
        chance = theirs.conditional_probability_of_n_purchases_up_to_time(2, 30.0, 3.0, 20.0, 38.0)
    assert conditional_expected_purchases(params, 39.0, *columns) == pytest.approx(np.asarray(wanted), rel=1e-8)
    assert probability_alive(params, *columns) == pytest.approx(np.asarray(wanted_alive), rel=1e-8)
    assert expected_purchases(params, np.array([1.0, 39.0])) == pytest.approx(wanted_new, rel=1e-10)
    history = np.array([3.0]), np.array([20.0]), np.array([38.0])
    ours = mass_if_alive(params, 2.0, 30.0, *history) * probability_alive(params, *history)
    assert ours == pytest.approx([chance], rel=1e-8)
    fit = fit_purchases(summary, PARETO_NBD, time_unit="week")
    assert fit.log_likelihood >= log_likelihood(params, *columns).sum() - 1e-8
