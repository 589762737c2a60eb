"""BG/NBD: published numbers, 50-digit arithmetic, and laws that hold for any customer."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import pytest

from crmvalue.models.bg_nbd import (
    Params,
    conditional_expected_purchases,
    expected_purchases,
    log_likelihood,
    probability_alive,
    purchases_if_alive,
)

PUBLISHED = Params(r=0.243, alpha=4.414, a=0.793, b=2.426)  # Fader, Hardie & Lee (2005), table 2


def exact(params, frequency, recency, T, horizon):
    """Log-likelihood, P(alive) and conditional expectation as printed (eq. 6 and 10), with 120 digits."""
    with mpmath.workdps(120):
        r, alpha, a, b = (mpmath.mpf(float(v)) for v in params)
        x, t_x, end, t = (mpmath.mpf(float(v)) for v in (frequency, recency, T, horizon))
        a += mpmath.mpf(10) ** -30 if a == 1 else 0
        b += mpmath.mpf(10) ** -30 if a + b + x == 1 else 0
        alive = mpmath.beta(a, b + x) / (alpha + end) ** (r + x)
        left = mpmath.beta(a + 1, b + x - 1) / (alpha + t_x) ** (r + x) if x else mpmath.mpf(0)
        both = mpmath.gamma(r + x) * alpha**r / mpmath.gamma(r) / mpmath.beta(a, b) * (alive + left)
        c, z = a + b + x - 1, t / (alpha + end + t)
        tail = ((alpha + end) / (alpha + end + t)) ** (r + x) * mpmath.hyp2f1(r + x, b + x, c, z)
        share = alive / (alive + left)
        return float(mpmath.log(both)), float(share), float(c / (a - 1) * (1 - tail) * share)


def wide_cases(n=60):
    """Draw parameters from 1e-3 to 1e3 and histories up to 5,000 purchases and 20 years in days."""
    rng = np.random.default_rng(77)
    cases = []
    for i in range(n):
        params = Params(*(10 ** rng.uniform(-3, 3, 4)))
        params = params._replace(a=1.0) if i % 7 == 0 else params
        T = 10 ** rng.uniform(-1, 3.86)
        frequency = float(round(10 ** rng.uniform(0, 3.7))) if i % 4 else 0.0
        recency = T * (1.0 if i % 5 == 0 else rng.uniform()) if frequency else 0.0
        cases.append((params, frequency, recency, T, 10 ** rng.uniform(-1, 3)))
    return cases


@pytest.mark.parametrize("case", wide_cases())
def test_every_number_agrees_with_120_digits(case):
    params, frequency, recency, T, horizon = case
    history = np.array([frequency]), np.array([recency]), np.array([T])
    logarithm, alive, expected = exact(params, frequency, recency, T, horizon)
    # the log-likelihood is a sum of terms up to 1e4 times its own size
    assert log_likelihood(params, *history) == pytest.approx(logarithm, rel=1e-10, abs=1e-10)
    assert probability_alive(params, *history) == pytest.approx(alive, rel=1e-10, abs=1e-300)
    assert conditional_expected_purchases(params, horizon, *history) == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_customer_1516_is_expected_to_buy_as_often_as_published():
    history = np.array([26.0]), np.array([30.857]), np.array([31.0])
    # Fader & Hardie print 25.757 from unrounded estimates; the rounded ones give 25.756
    estimates = Params(r=0.242593, alpha=4.413532, a=0.792886, b=2.425753)
    assert conditional_expected_purchases(estimates, 52.0, *history) == pytest.approx([25.757], abs=1e-3)
    assert conditional_expected_purchases(PUBLISHED, 52.0, *history) == pytest.approx([25.757], abs=2e-3)


def test_a_negative_third_argument_is_no_trouble():
    params = Params(r=0.11, alpha=2.24, a=0.31, b=0.5)
    found = purchases_if_alive(params, 30.0, np.array([0.0]), np.array([0.0]), np.array([1.0]))
    assert found == pytest.approx([0.564588615533], abs=1e-12)


def test_frequency_5000_gives_what_a_formula_with_120_digits_gives():
    case = PUBLISHED, 5000.0, 700.0, 730.0, 365.0
    found = conditional_expected_purchases(PUBLISHED, 365.0, *(np.array([v]) for v in case[1:4]))
    assert found == pytest.approx([exact(*case)[2]], rel=1e-11)


def test_a_customer_without_repeat_purchases_had_no_occasion_to_leave():
    assert probability_alive(PUBLISHED, np.zeros(2), np.zeros(2), np.array([0.0, 5000.0])).tolist() == [1.0, 1.0]


def test_a_new_customer_is_one_with_no_history_and_no_time():
    t = np.array([0.5, 10.0, 300.0])
    fresh = conditional_expected_purchases(PUBLISHED, t, np.zeros(3), np.zeros(3), np.zeros(3))
    assert expected_purchases(PUBLISHED, t) == pytest.approx(fresh, rel=1e-14)


def test_likelihoods_of_all_that_one_may_buy_sum_to_one():
    # P(x repeat purchases in T): the likelihood integrated over when they were, x! orders left out
    params, T = Params(r=1.2, alpha=3.0, a=0.8, b=2.0), 4.0
    total = 0.0
    for x in range(0, 60):
        n = np.full(4000, float(x))
        nodes = (np.arange(4000) + 0.5) / 4000
        times_before = np.zeros(4000) if x == 0 else (x - 1) * np.log(T * nodes) - mpmath_log_factorial(x - 1)
        density = np.exp(log_likelihood(params, n, T * nodes * (x > 0), np.full(4000, T)) + times_before)
        total += density.mean() * (T if x else 1)
    assert total == pytest.approx(1.0, abs=2e-4)  # the tail beyond 59 purchases, and midpoints for the integral


def mpmath_log_factorial(k):
    """Logarithm of k factorial."""
    return float(mpmath.loggamma(k + 1))


def test_predictions_agree_with_lifetimes(cdnow_folder):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter

        summary = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")
        theirs = BetaGeoFitter().fit(summary["frequency"], summary["recency"], summary["T"])
        params = Params(*(theirs.params_[name] for name in Params._fields))
        columns = [summary[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
        wanted = theirs.conditional_expected_number_of_purchases_up_to_time(39, *columns)
        wanted_alive = theirs.conditional_probability_alive(*columns)
    assert conditional_expected_purchases(params, 39.0, *columns) == pytest.approx(np.asarray(wanted), rel=1e-9)
    assert probability_alive(params, *columns) == pytest.approx(np.asarray(wanted_alive), rel=1e-10)
