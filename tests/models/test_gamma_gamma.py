"""Gamma-Gamma: 50-digit arithmetic and the limits of its mean."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models.gamma_gamma import Params, expected_spend, log_likelihood, mean_exists_above

CDNOW = Params(p=6.25, q=3.74, v=15.44)  # Fader, Hardie & Lee (2005)


@pytest.mark.parametrize("params", [CDNOW, Params(1e-3, 0.5, 1e-3), Params(900.0, 40.0, 1e6), Params(0.2, 1e3, 5.0)])
@pytest.mark.parametrize("frequency", [1.0, 7.0, 5000.0])
@pytest.mark.parametrize("spend", [1e-6, 35.0, 1e15])
def test_log_likelihood_agrees_with_50_digits(params, frequency, spend):
    with mpmath.workdps(60):
        p, q, v, x, m = (mpmath.mpf(value) for value in (*params, frequency, spend))
        wanted = (
            mpmath.loggamma(p * x + q) - mpmath.loggamma(p * x) - mpmath.loggamma(q) + q * mpmath.log(v)
            + (p * x - 1) * mpmath.log(m) + p * x * mpmath.log(x) - (p * x + q) * mpmath.log(x * m + v)
        )  # fmt: skip
    found = log_likelihood(params, np.array([frequency]), np.array([spend]))
    assert found == pytest.approx([float(wanted)], rel=1e-10)


def test_expected_spend_is_a_weighted_mean_of_own_and_population():
    p, q, v = CDNOW
    population = p * v / (q - 1)
    assert expected_spend(CDNOW, 0.0, 0.0) == pytest.approx(population, rel=1e-14)
    weight = 2 * p / (2 * p + q - 1)  # eq. 5 of the note, the other way to write it
    assert expected_spend(CDNOW, 2.0, 50.0) == pytest.approx(weight * 50 + (1 - weight) * population, rel=1e-14)


def test_a_heavy_tail_has_no_population_mean_but_one_for_those_who_bought():
    heavy = Params(p=2.0, q=0.5, v=10.0)
    assert mean_exists_above(heavy) == 0.25  # so from frequency 1 on
    assert mean_exists_above(CDNOW) < 0
