"""Sums over all coming periods against mpmath, closed forms, and plain sums."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models.bdw import BDW
from crmvalue.models.discrete_pareto import DISCRETE_PARETO
from crmvalue.models.residual_lifetime import discounted_periods, sum_rule
from crmvalue.models.sbg import SBG


def test_sbg_agrees_with_the_hypergeometric_form():
    rng = np.random.default_rng(1)
    alpha, beta, rate = 10 ** rng.uniform([[-3], [-3], [-8]], [[2], [4], [0.5]], (3, 150))
    tenure = rng.choice([0, 1, 5, 100, 5000], 150).astype(float)
    found = SBG.residual_lifetime(SBG.Params(alpha, beta), tenure, rate, np.inf)
    with mpmath.workdps(30):
        for i in range(150):
            a, b, d = mpmath.mpf(alpha[i]), mpmath.mpf(beta[i]) + tenure[i], mpmath.mpf(rate[i])
            assert found[i] == pytest.approx(float(mpmath.hyp2f1(1, b, a + b, 1 / (1 + d))), rel=1e-12)


def test_sbg_without_a_discount_agrees_with_the_closed_form():
    rng = np.random.default_rng(2)
    alpha, beta = 10 ** rng.uniform([[0.005], [-3]], [[4], [4]], (2, 300))
    tenure = rng.choice([0, 1, 5, 100, 5000], 300).astype(float)
    found = SBG.residual_lifetime(SBG.Params(alpha, beta), tenure, 0.0, np.inf)
    assert found == pytest.approx((alpha + beta + tenure - 1) / (alpha - 1), rel=1e-11)


def exact_sum(gamma, delta, c, tenure, rate):
    """Sum 400 terms one by one, then Euler and Maclaurin's formula with an integral over log time."""
    gamma, delta, c, tenure, rate = map(mpmath.mpf, (gamma, delta, c, tenure, rate))

    def survival(t):
        passed = t**c if t else mpmath.mpf(0)
        gain = mpmath.loggamma(delta + passed) - mpmath.loggamma(gamma + delta + passed)
        return mpmath.exp(gain)

    def term(k):
        return survival(tenure + k) / survival(tenure) * (1 + rate) ** (-k)

    def density(u):
        return term(first * mpmath.e**u) * first * mpmath.e**u

    first = mpmath.mpf(400)
    total = mpmath.fsum(term(mpmath.mpf(k)) for k in range(400)) + term(first) / 2
    for order, number in ((1, mpmath.mpf(1) / 12), (3, -mpmath.mpf(1) / 720), (5, mpmath.mpf(1) / 30240)):
        total -= number * mpmath.diff(term, first, order)
    u = mpmath.mpf(0)
    while density(u) > mpmath.mpf(10) ** -16 * total:
        if not rate and u * c > 45:  # the power law
            return total + density(u) / (c * gamma - 1)
        total += mpmath.quad(density, [u, u + 2])
        u += 2
    return total


@pytest.mark.parametrize(
    ("params", "tenure", "rate"),
    [
        ((0.2143, 1.427, 1.724), 0, 0.0001),
        ((0.2143, 1.427, 1.724), 7, 0.1),
        ((30.0, 5.0, 0.1), 3, 0.001),
        ((4.0, 5.0, 0.8), 10, 0.0),
        ((1.6, 0.3, 0.7), 2, 0.0),
        ((0.5, 100.0, 4.7), 1, 0.0),
        ((9.0, 700.0, 0.3), 0, 0.0),
        ((1000.0, 0.01, 0.2), 300, 0.0),
        ((0.003, 80.0, 0.5), 5, 0.003),
    ],
)
def test_bdw_agrees_with_40_digits(params, tenure, rate):
    with mpmath.workdps(80 if params[2] > 2 else 40):  # log-gammas of 1e36 cancel
        wanted = float(exact_sum(*params, tenure, rate))
    assert BDW.residual_lifetime(BDW.Params(*params), tenure, rate, np.inf) == pytest.approx(wanted, rel=1e-11)


def test_a_cut_at_100_periods_would_miss_most_of_a_heavy_tail():
    regular = SBG.Params(0.704, 1.182)  # alpha below 1: the mean lifetime does not exist
    assert SBG.residual_lifetime(regular, 0, 0.0, np.inf) == np.inf
    at_one_in_a_thousand = SBG.residual_lifetime(regular, 0, 0.001, np.inf)
    assert SBG.residual_lifetime(regular, 0, 0.001, 100) < 0.5 * at_one_in_a_thousand


def test_sums_that_end_agree_with_the_plain_sum():
    rng = np.random.default_rng(3)
    for _ in range(100):
        gamma, delta, c = 10 ** rng.uniform([-3, -2, -1], [2, 3, 0.7])
        tenure, rate = rng.choice([0, 1, 10, 300]), rng.choice([0, 10 ** rng.uniform(-4, -1)])
        stop = int(10 ** rng.uniform(0, 5.5))
        params = BDW.Params(gamma, delta, c)
        k = np.arange(stop, dtype=float)
        terms = BDW.log_survival(params, tenure + k) - BDW.log_survival(params, tenure) - k * np.log1p(rate)
        plain = np.exp(terms).sum()
        assert discounted_periods(*params, tenure, rate, stop) == pytest.approx(plain, rel=1e-10)


def test_no_period_is_worth_nothing_and_one_period_is_worth_one():
    assert discounted_periods(1.0, 2.0, 1.0, 3.0, 0.1, [0, 1]).tolist() == [0, 1]
    assert discounted_periods(np.empty(0), 2.0, 1.0, 3.0, 0.1).shape == (0,)


@pytest.mark.parametrize("length", [1, 7, 24, 25, 64, 32_768])
def test_the_rule_for_sums_is_exact_for_powers(length):
    nodes, weights = sum_rule(length)
    for power in (0, 1, 2, 9, 20):
        wanted = sum(mpmath.mpf(k) ** power for k in range(length))
        assert weights @ nodes**power == pytest.approx(float(wanted), rel=1e-11)


@pytest.mark.parametrize("seed", range(30))
def test_the_discrete_pareto_agrees_with_its_sum_in_30_digits(seed):
    rng = np.random.default_rng(seed)
    begin, power = 10 ** rng.uniform([-3, -2], [2.5, 1.5])
    tenure, rate, stop = rng.choice([0, 1, 10, 200]), rng.choice([1e-6, 1e-3, 0.5]), rng.choice([1, 70, 1_000, np.inf])
    found = DISCRETE_PARETO.residual_lifetime(DISCRETE_PARETO.Params(begin, power), tenure, rate, stop)
    with mpmath.workdps(30):
        own, fall, discount, past = mpmath.mpf(begin), mpmath.mpf(power), 1 / (1 + mpmath.mpf(rate)), int(tenure)

        def survival(t):
            return min(mpmath.mpf(1), (own / t) ** fall) if t else mpmath.mpf(1)

        def term(k):
            return discount**k * survival(past + k) / survival(past)

        first = int(min(stop, 800))
        wanted = mpmath.fsum(term(k) for k in range(first))
        if stop > first:  # Euler and Maclaurin's formula for the rest, up to where it is negligible
            last = int(stop) if np.isfinite(stop) else 10**8
            cuts = [mpmath.mpf(first) * mpmath.mpf(last / first) ** (mpmath.mpf(j) / 40) for j in range(41)]
            wanted += mpmath.quad(term, cuts)
            for order, number in ((0, mpmath.mpf(1) / 2), (1, -mpmath.mpf(1) / 12), (3, mpmath.mpf(1) / 720)):
                wanted += number * (mpmath.diff(term, first, order) - mpmath.diff(term, last, order))
    assert found == pytest.approx(float(wanted), rel=1e-12)


def test_the_discrete_pareto_without_a_discount_agrees_with_the_zeta_function():
    params = DISCRETE_PARETO.Params(2.5, 1.7)
    found = DISCRETE_PARETO.residual_lifetime(params, np.array([0.0, 2.0, 7.0]), 0.0, np.inf)
    law = mpmath.mpf("2.5") ** mpmath.mpf("1.7")
    wanted = [
        3 + law * mpmath.zeta(1.7, 3),
        1 + law * mpmath.zeta(1.7, 3),
        7 ** mpmath.mpf("1.7") * mpmath.zeta(1.7, 7),
    ]
    assert found == pytest.approx([float(value) for value in wanted], rel=1e-12)
    assert DISCRETE_PARETO.residual_lifetime(params._replace(power=1.0), 3.0, 0.0, np.inf) == np.inf
