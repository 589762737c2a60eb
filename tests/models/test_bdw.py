"""sBG and BdW over wide ranges of their parameters, against 60-digit arithmetic."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models.bdw import BDW
from crmvalue.models.discrete_weibull import DISCRETE_WEIBULL
from crmvalue.models.sbg import SBG


def exact_survival(gamma, delta, c, t) -> mpmath.mpf:
    """B(γ, δ + t^c) / B(γ, δ), from log-gammas."""
    gamma, delta = mpmath.mpf(gamma), mpmath.mpf(delta)
    passed = mpmath.mpf(t) ** mpmath.mpf(c) if t else mpmath.mpf(0)
    log_gamma = mpmath.loggamma
    return mpmath.exp(
        log_gamma(delta + passed) - log_gamma(gamma + delta + passed) + log_gamma(gamma + delta) - log_gamma(delta)
    )


def cases(n, seed):
    """Draw pseudo-counts from 1e-3 to 1e4, powers from 0.05 to 3 and tenures up to 5,000."""
    rng = np.random.default_rng(seed)
    gamma, delta, c, tenure = 10 ** rng.uniform([[-3], [-3], [-1.3], [0]], [[4], [4], [0.48], [3.7]], (4, n))
    return gamma, delta, c, np.floor(tenure)


@pytest.mark.parametrize("churned", [0.0, 1.0])
def test_bdw_log_likelihood_agrees_with_60_digits(churned):
    gamma, delta, c, tenure = cases(300, 1)
    found = BDW.log_likelihood(BDW.Params(gamma, delta, c), tenure, np.full(300, churned))
    with mpmath.workdps(60):
        for i, row in enumerate(zip(gamma, delta, c, tenure, strict=True)):
            stays = exact_survival(*row)
            wanted = mpmath.log(exact_survival(*row[:3], row[3] - 1) - stays if churned else stays)
            assert found[i] == pytest.approx(float(wanted), rel=1e-11)


@pytest.mark.parametrize("churned", [0.0, 1.0])
def test_sbg_log_likelihood_agrees_with_60_digits(churned):
    alpha, beta, _, tenure = cases(300, 2)
    found = SBG.log_likelihood(SBG.Params(alpha, beta), tenure, np.full(300, churned))
    with mpmath.workdps(60):
        for i, (a, b, t) in enumerate(zip(alpha, beta, tenure, strict=True)):
            stays = exact_survival(a, b, 1, t)
            wanted = mpmath.log(exact_survival(a, b, 1, t - 1) - stays if churned else stays)
            assert found[i] == pytest.approx(float(wanted), rel=1e-12)


def test_the_retention_rate_of_bdw_falls_with_tenure_where_c_is_large():
    assert (np.diff(BDW.retention_rate(BDW.Params(50.0, 500.0, 2.0), np.arange(1.0, 9))) < 0).all()
    assert (np.diff(BDW.retention_rate(BDW.Params(50.0, 500.0, 0.5), np.arange(1.0, 9))) > 0).all()


@pytest.mark.parametrize("params", [(0.05, 0.5), (0.3, 1.0), (0.01, 1.8)])
@pytest.mark.parametrize("tenure", [0, 12])
def test_the_remaining_lifetime_of_the_discrete_weibull_is_the_plain_sum(params, tenure):
    params = DISCRETE_WEIBULL.Params(*params)
    k = np.arange(1_000_000, dtype=float)
    survival = DISCRETE_WEIBULL.log_survival(params, tenure + k) - DISCRETE_WEIBULL.log_survival(params, tenure)
    for rate in (0.0, 0.01):
        plain = np.exp(survival - k * np.log1p(rate)).sum()
        assert DISCRETE_WEIBULL.residual_lifetime(params, tenure, rate, np.inf) == pytest.approx(plain, rel=1e-11)
