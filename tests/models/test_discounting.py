"""Discounted purchases against the plain sum, and the time that they count in."""

from __future__ import annotations

import numpy as np
import pytest

from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.discounting import discounted_periods_begun, discounted_purchases, period_ends
from crmvalue.models.distinct import States
from crmvalue.models.ggompertz_nbd import GGOMPERTZ_NBD
from crmvalue.models.pareto_nbd import PARETO_NBD

PARAMS = BG_NBD.Params(r=0.243, alpha=30.9, a=0.793, b=2.426)  # CDNOW, in days


def alive_with(params, frequency, T):
    """Return the states of customers alive at T; under BG/NBD their recency does not matter."""
    return States(params, frequency, np.zeros(len(T)), T, np.arange(len(T)))


def plain_sum(params, horizon, rate, frequency, T):
    """Sum period by period, as the definition says."""
    total, before, start = np.zeros(len(T)), np.zeros(len(T)), 0.0
    while start < horizon:
        end = min(start + 1, horizon)
        upto = BG_NBD.purchases_if_alive(params, end, frequency, np.zeros(len(T)), T)
        total += (upto - before) / (1 + rate) ** end
        before, start = upto, end
    return total


@pytest.mark.parametrize("horizon", [0.4, 1.0, 12.0, 12.5, 24.0, 52.0, 365.0, 1000.3])
@pytest.mark.parametrize("params", [PARAMS, BG_NBD.Params(0.01, 0.02, 1.0, 0.05), BG_NBD.Params(5.0, 900.0, 30.0, 1.0)])
def test_discounted_purchases_are_the_plain_sum(horizon, params):
    frequency = np.array([0.0, 0.0, 1.0, 3.0, 40.0, 900.0, 5000.0])
    T = np.array([0.0, 700.0, 2.0, 300.0, 200.0, 1000.0, 7300.0])
    found = discounted_purchases(BG_NBD, alive_with(params, frequency, T), horizon, 0.0004)
    assert found == pytest.approx(plain_sum(params, horizon, 0.0004, frequency, T), rel=1e-9)


def test_the_last_period_may_be_shorter():
    assert period_ends(0.5).tolist() == [0.5]
    assert period_ends(2.0).tolist() == [1.0, 2.0]
    assert period_ends(2.25).tolist() == [1.0, 2.0, 2.25]


def test_customers_with_parameters_of_their_own_get_the_sums_of_their_own():
    frequency, T = np.array([0.0, 3.0, 40.0]), np.array([700.0, 300.0, 200.0])
    alphas = np.array([30.9, 60.0, 5.0])
    together = discounted_purchases(BG_NBD, alive_with(PARAMS._replace(alpha=alphas), frequency, T), 365.0, 0.0004)
    for i, alpha in enumerate(alphas.tolist()):
        alone = alive_with(PARAMS._replace(alpha=alpha), frequency[i : i + 1], T[i : i + 1])
        assert together[i] == pytest.approx(discounted_purchases(BG_NBD, alone, 365.0, 0.0004)[0], rel=1e-10)


def test_customers_with_rates_of_their_own_get_the_sums_of_their_own():
    frequency, T, rates = np.array([0.0, 3.0, 40.0]), np.array([700.0, 300.0, 200.0]), np.array([0.0, 0.0004, 0.002])
    states = alive_with(PARAMS, frequency, T)
    for discounted in (discounted_purchases, discounted_periods_begun):
        for horizon in (12.5, 365.0):
            together = discounted(BG_NBD, states, horizon, rates)
            alone = [discounted(BG_NBD, states, horizon, rate)[i] for i, rate in enumerate(rates.tolist())]
            assert together == pytest.approx(alone, rel=1e-10)


@pytest.mark.parametrize("horizon", [0.4, 1.0, 12.5, 365.0])
@pytest.mark.parametrize(
    ("model", "params"),
    [
        (BG_NBD, PARAMS),
        (PARETO_NBD, PARETO_NBD.Params(0.5, 70.0, 0.6, 80.0)),
        (GGOMPERTZ_NBD, GGOMPERTZ_NBD.Params(0.8, 9.0, 0.5, 1.5, 2.0)),
    ],
    ids=repr,
)
def test_discounted_periods_begun_are_the_plain_sum(model, params, horizon):
    frequency, T, rate = np.array([0.0, 3.0, 40.0]), np.array([0.0, 300.0, 200.0]), 0.0004
    states = alive_with(params, frequency, T)
    total, start = np.zeros(3), 0.0
    while start < horizon:
        end = min(start + 1, horizon)
        there = model.survival_if_alive(params, start, frequency, 0 * T, T) if start else 1.0
        total, start = total + there * (end - start) / (1 + rate) ** end, end
    assert discounted_periods_begun(model, states, horizon, rate) == pytest.approx(total, rel=1e-10)
