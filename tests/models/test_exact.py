"""Every figure of NBD, BG/NBD and MBG/NBD against arithmetic in up to 150 digits, over the widest ranges.

Parameters run from 1e-3 to 1e4, with a = 1 among them; up to 5,000 purchases in up to 20 years of days, with the edges
(nothing observed, a purchase today, no repeat purchase). Pareto/NBD, Gamma-Gompertz/NBD and BG/BB have files of their
own.
"""

from __future__ import annotations

from typing import NamedTuple

import mpmath
import numpy as np
import pytest

from crmvalue.models import BG_BB, BG_NBD, MBG_NBD, NBD

CASES = 40


class Case(NamedTuple):
    """A customer under a model."""

    params: tuple[float, ...]
    x: float
    t_x: float
    T: float
    horizon: float
    count: int
    rate: float


def drawn(model, seed) -> Case:
    """Draw a wide case."""
    rng = np.random.default_rng([seed, len(model.Params._fields)])
    params = model.Params(*(10 ** rng.uniform(-3, 4, len(model.Params._fields))).tolist())
    if seed % 7 == 0 and "a" in params._fields:
        params = params._replace(a=1.0)
    T = 0.0 if seed % 13 == 4 else 10 ** rng.uniform(-1, 3.86)
    x = float(round(10 ** rng.uniform(0, 3.7))) if seed % 4 and T else 0.0
    t_x = T * (1.0 if seed % 5 == 0 else rng.uniform()) if x else 0.0
    return Case(
        params, x, t_x, T, 10 ** rng.uniform(-1, 3.5), int(10 ** rng.uniform(0, 2)) - 1, 10 ** rng.uniform(-4, -1)
    )


def state_of(model, case):
    """Return shape and scale of the rate, and a and b of the chance to leave, of a customer alive at T; exact."""
    r, alpha, *leaving = (mpmath.mpf(value) for value in case.params)
    n, scale = r + case.x, alpha + mpmath.mpf(case.T)
    if model is NBD:
        return n, scale, mpmath.mpf(0), mpmath.mpf(1)
    a, b = leaving
    a += mpmath.mpf(10) ** -40 if a == 1 else 0
    return n, scale, a, b + case.x + (1 if model is MBG_NBD else 0)


def likelihood_and_alive(model, case):
    """Return the log-likelihood and P(alive): the formulas of the papers as they stand."""
    r, alpha, *leaving = (mpmath.mpf(value) for value in case.params)
    x, t_x, T = (mpmath.mpf(value) for value in (case.x, case.t_x, case.T))
    bought = mpmath.loggamma(r + x) - mpmath.loggamma(r) + r * mpmath.log(alpha)
    alive, left = (alpha + T) ** -(r + x), mpmath.mpf(0)
    if leaving:
        a, b = leaving
        stays = x + (1 if model is MBG_NBD else 0)
        alive *= mpmath.beta(a, b + stays) / mpmath.beta(a, b)
        if stays:
            left = mpmath.beta(a + 1, b + stays - 1) / mpmath.beta(a, b) * (alpha + t_x) ** -(r + x)
    return float(bought + mpmath.log(alive + left)), float(alive / (alive + left))


def expected(model, case):
    """Return the purchases of a customer alive at T within the horizon, eq. 10 of Fader, Hardie & Lee (2005)."""
    n, scale, a, b = state_of(model, case)
    t = mpmath.mpf(case.horizon)
    if not a:
        return float(n * t / scale)
    c, z = a + b - 1, t / (scale + t)
    return float(c / (a - 1) * (1 - (1 - z) ** n * mpmath.hyp2f1(n, b, c, z)))


def mass(model, case):
    """Return the probability of `count` purchases: she stays after each, or leaves after the last."""
    n, scale, a, b = state_of(model, case)
    g, k = mpmath.mpf(case.horizon) / scale, case.count

    def chance(j):
        return mpmath.exp(mpmath.loggamma(n + j) - mpmath.loggamma(n) - mpmath.loggamma(j + 1)) * (
            (1 + g) ** -n * (g / (1 + g)) ** j
        )

    if not a or not k:
        return float(chance(k))
    stays, leaves = (mpmath.beta(a + i, b + k - i) / mpmath.beta(a, b) for i in (0, 1))
    ratio, term, at_least = g / (1 + g), chance(k), mpmath.mpf(0)
    j = k
    while term > mpmath.mpf(10) ** -40 * at_least or j < k + 5:  # summed from k on: nothing is subtracted
        at_least += term
        term *= (n + j) / (j + 1) * ratio
        j += 1
        if j > k + 4000:
            at_least = mpmath.betainc(k, n, 0, ratio, regularized=True)
            break
    return float(stays * chance(k) + leaves * at_least)


def discounted(model, case):
    """Return the discounted purchases of a customer alive at T for ever, by quadrature over log time."""
    n, scale, a, b = state_of(model, case)
    rate = mpmath.mpf(case.rate)

    def density(w):
        u = mpmath.e**w
        stays = mpmath.hyp2f1(n + 1, a, a + b, -u / scale) if a else mpmath.mpf(1)
        return n / scale * stays * mpmath.e ** (w - rate * u)

    low, high = mpmath.log(scale / (n + 1)) - 40, mpmath.log(90 / rate)
    cuts = [low + (high - low) * j / 60 for j in range(61)]
    return float(mpmath.quad(density, cuts, method="gauss-legendre", maxdegree=3))


@pytest.mark.parametrize("seed", range(CASES))
@pytest.mark.parametrize("model", [NBD, BG_NBD, MBG_NBD], ids=repr)
def test_likelihood_expectation_and_mass_agree_with_150_digits(model, seed):
    case = drawn(model, seed)
    history = np.array([case.x]), np.array([case.t_x]), np.array([case.T])
    with mpmath.workdps(150):
        logarithm, alive = likelihood_and_alive(model, case)
        purchases, chance = expected(model, case), mass(model, case)
    # a log-likelihood near 0 is the difference of terms of its own
    assert model.log_likelihood(case.params, *history) == pytest.approx(logarithm, rel=1e-10, abs=1e-10)
    assert model.probability_alive(case.params, *history) == pytest.approx(alive, rel=1e-10, abs=1e-300)
    assert model.purchases_if_alive(case.params, case.horizon, *history) == pytest.approx(purchases, rel=1e-10)
    found = model.mass_if_alive(case.params, float(case.count), case.horizon, *history)
    assert found == pytest.approx(chance, rel=1e-10, abs=1e-290)


@pytest.mark.parametrize("seed", range(0, CASES, 5))
@pytest.mark.parametrize("model", [NBD, BG_NBD, MBG_NBD], ids=repr)
def test_discounted_purchases_for_ever_agree_with_quadrature_in_30_digits(model, seed):
    case = drawn(model, seed)
    history = np.array([case.x]), np.array([case.t_x]), np.array([case.T])
    with mpmath.workdps(30):
        wanted = discounted(model, case)
    found = model.residual_purchases_if_alive(case.params, case.rate, 0.0, np.inf, *history)
    assert found == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("seed", range(CASES))
def test_discounted_purchases_of_bg_bb_agree_with_the_hypergeometric_form(seed):
    rng = np.random.default_rng(seed)
    params = BG_BB.Params(*(10 ** rng.uniform(-3, 4, 4)).tolist())
    params = params._replace(gamma=1.0) if seed % 7 == 0 else params
    n = int(rng.integers(0, 200))
    t_x = int(rng.integers(0, n + 1))
    x = int(rng.integers(1, t_x + 1)) if t_x else 0
    rate = 10 ** rng.uniform(-4, 0)
    with mpmath.workdps(40):
        alpha, beta, gamma, delta = (mpmath.mpf(value) for value in params)
        v, d = mpmath.exp(-mpmath.mpf(rate)), delta + n
        # Σ v^k B(γ, d + k) / B(γ, d) from k = 1 on, eq. 14 of Fader, Hardie & Shang (2010)
        sums = v * d / (gamma + d) * mpmath.hyp2f1(1, d + 1, gamma + d + 1, v)
        wanted = float((alpha + x) / (alpha + beta + n) * sums)
    history = np.array([float(x)]), np.array([float(t_x)]), np.array([float(n)])
    assert BG_BB.residual_purchases_if_alive(params, rate, 0.0, np.inf, *history) == pytest.approx(wanted, rel=1e-10)
