"""Special functions against 50-digit arithmetic, and at the limits where formulas usually break."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue._core.special import (
    digamma_rise,
    expit,
    log_beta,
    log_betas,
    log_rising,
    log_rising_ratio,
    normal_quantile,
    purchases_until_dropout,
    trigamma_rise,
)

Z = [1e-3, 0.3, 1.0, 7.5, 31.99, 32.0, 450.0, 1e4, 1e8]
N = [0, 1, 2, 17, 900, 5000]


def exact_purchases(shape: float, growth: float, a: float, b: float) -> mpmath.mpf:
    """Eq. 10 of the BG/NBD paper as printed, with 120 digits; a = 1 and c = 0 by a tiny shift."""
    with mpmath.workdps(120):
        shape, growth, a, b = (mpmath.mpf(float(value)) for value in (shape, growth, a, b))
        a += mpmath.mpf(10) ** -30 if a == 1 else 0
        b += mpmath.mpf(10) ** -30 if a + b == 1 else 0
        c, z = a + b - 1, growth / (1 + growth)
        return c / (a - 1) * (1 - (1 - z) ** shape * mpmath.hyp2f1(shape, b, c, z))


@pytest.mark.parametrize("z", Z)
def test_log_rising_keeps_its_digits(z):
    with mpmath.workdps(50):
        exact = [float(mpmath.loggamma(mpmath.mpf(z) + n) - mpmath.loggamma(z)) for n in N]
    # z below 32 goes through two log-gammas of size up to 3e4, so 1e-13 of that is the floor at n = 1 or 2
    assert log_rising(z, np.array(N, dtype=float)) == pytest.approx(exact, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("z", [0.3, 32.5, 1e4])
def test_sums_over_counts_agree_with_polygammas_and_with_their_table(z):
    n = np.array(N * 4, dtype=float)
    with mpmath.workdps(50):
        first = [float(mpmath.digamma(mpmath.mpf(z) + k) - mpmath.digamma(z)) for k in N] * 4
        second = [float(mpmath.polygamma(1, mpmath.mpf(z) + k) - mpmath.polygamma(1, z)) for k in N] * 4
    assert digamma_rise(z, n) == pytest.approx(first, rel=1e-13)  # from a table: z is shared
    assert trigamma_rise(z, n) == pytest.approx(second, rel=1e-13)
    own = np.full(n.shape, z)
    assert digamma_rise(own, n) == pytest.approx(first, rel=1e-13)
    assert trigamma_rise(own, n) == pytest.approx(second, rel=1e-13)
    assert log_rising(z, n) == pytest.approx(log_rising(own, n), rel=1e-14)


def test_log_beta_of_a_large_and_a_small_argument():
    with mpmath.workdps(50):
        exact = [float(mpmath.log(mpmath.beta(a, b))) for a, b in [(0.5, 1e6), (3.74, 6.25 * 5000), (1e-3, 1e-3)]]
    assert log_beta(np.array([0.5, 3.74, 1e-3]), np.array([1e6, 31250.0, 1e-3])) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("q", [1e-3, 3.74, 120.0, 1e4])
def test_beta_functions_for_a_sum_have_12_digits(q):
    p = 6.25 * np.array([1e-3, 1.0, 5.0, 29.0, 60.0])  # the Gamma functions alone, and beyond where they serve
    for few in (p, p[:-1], np.append(p, 1e6)):
        with mpmath.workdps(50):
            exact = [float(mpmath.log(mpmath.beta(q, b))) for b in few]
        assert log_betas(q, few) == pytest.approx(exact, rel=1e-12)


def test_normal_quantile_of_the_95_percent_interval():
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054, rel=1e-14)


def test_purchases_until_dropout_agree_with_50_digits_over_wide_ranges():
    rng = np.random.default_rng(20250101)
    n = 120
    shape = 10 ** rng.uniform(-3, 4, n)
    growth = 10 ** rng.uniform(-5, 3, n)
    a = 10 ** rng.uniform(-3, 3, n)
    b = 10 ** rng.uniform(-3, 4, n)
    a[:20] = 1.0
    a[20:40] = 1 + 10 ** rng.uniform(-9, -1, 20) * rng.choice([-1, 1], 20)
    b[40:50] = 1 - a[40:50] % 1  # c = a + b − 1 near a whole number
    exact = [float(exact_purchases(*row)) for row in zip(shape, growth, a, b, strict=True)]
    assert purchases_until_dropout(shape, growth, a, b) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("shape", "growth", "a", "b"),
    [
        (0.11, 30 / 3.24, 0.31, 0.5),  # c < 0
        (5000.243, 52 / 35.4, 0.793, 5002.426),  # the printed formula overflows
        (0.243, 52 / 4.414, 1.0, 2.426),  # a = 1
        (0.5, 10.0, 0.4, 0.6),  # c = 0
        (2.0, 1e-9, 0.8, 2.4),  # hardly any time
        (2.0, 1e6, 0.8, 2.4),  # hardly any end
    ],
)
def test_purchases_until_dropout_where_formulas_break(shape, growth, a, b):
    assert purchases_until_dropout(shape, growth, a, b) == pytest.approx(
        float(exact_purchases(shape, growth, a, b)), rel=1e-11
    )


def test_purchases_until_dropout_are_zero_without_time_and_keep_their_shape():
    assert purchases_until_dropout(0.5, np.zeros((2, 3)), 0.8, 2.0).tolist() == [[0.0] * 3] * 2


def test_purchases_without_dropout_are_those_of_the_negative_binomial():
    # a customer who leaves with chance 1e-12 buys shape · growth times
    assert purchases_until_dropout(3.0, 4.0, 1e-12, 1.0) == pytest.approx(12.0, rel=1e-10)


def test_the_ratio_of_rising_factorials_agrees_with_60_digits():
    rng = np.random.default_rng(0)
    z, m, n = 10 ** rng.uniform([[-3], [-3], [-6]], [[6], [4], [12]], (3, 300))
    with mpmath.workdps(60):
        for i, (a, b, c) in enumerate(zip(*(map(mpmath.mpf, row) for row in (z, m, n)), strict=True)):
            log_gamma = mpmath.loggamma
            wanted = log_gamma(a) + log_gamma(a + b + c) - log_gamma(a + b) - log_gamma(a + c)
            assert log_rising_ratio(z[i], m[i], n[i]) == pytest.approx(float(wanted), rel=1e-13, abs=0)
    assert log_rising_ratio(z, m, n) == pytest.approx(log_rising_ratio(z, n, m), rel=0, abs=0)
    assert log_rising_ratio(0.5, 3.0, 0.0) == 0


def test_the_logistic_function_keeps_its_digits_at_both_ends():
    x = np.array([-np.inf, -700.0, -37.5, -1e-9, 0.0, 0.3, 36.0, 39.9, 40.1, 800.0, np.inf])
    with mpmath.workdps(50):
        exact = [float(1 / (1 + mpmath.exp(-mpmath.mpf(float(value))))) for value in x]
    assert expit(x) == pytest.approx(exact, rel=4e-16, abs=0)
