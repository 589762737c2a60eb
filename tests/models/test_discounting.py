"""Discounted purchases against the plain sum, and the time that they count in."""

from __future__ import annotations

import numpy as np
import pytest

from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.discounting import discounted_purchases, period_ends

PARAMS = BG_NBD.Params(r=0.243, alpha=30.9, a=0.793, b=2.426)  # CDNOW, in days


def plain_sum(params, horizon, rate, frequency, T):
    """Sum period by period, as the definition says."""
    total, before, start = np.zeros(len(T)), np.zeros(len(T)), 0.0
    while start < horizon:
        end = min(start + 1, horizon)
        upto = BG_NBD.purchases_if_alive(params, end, frequency, T)
        total += (upto - before) / (1 + rate) ** end
        before, start = upto, end
    return total


@pytest.mark.parametrize("horizon", [0.4, 1.0, 12.0, 12.5, 24.0, 52.0, 365.0, 1000.3])
@pytest.mark.parametrize("params", [PARAMS, BG_NBD.Params(0.01, 0.02, 1.0, 0.05), BG_NBD.Params(5.0, 900.0, 30.0, 1.0)])
def test_discounted_purchases_are_the_plain_sum(horizon, params):
    frequency = np.array([0.0, 0.0, 1.0, 3.0, 40.0, 900.0, 5000.0])
    T = np.array([0.0, 700.0, 2.0, 300.0, 200.0, 1000.0, 7300.0])
    found = discounted_purchases(BG_NBD, params, horizon, 0.0004, frequency, T)
    assert found == pytest.approx(plain_sum(params, horizon, 0.0004, frequency, T), rel=1e-9)


def test_the_last_period_may_be_shorter():
    assert period_ends(0.5).tolist() == [0.5]
    assert period_ends(2.0).tolist() == [1.0, 2.0]
    assert period_ends(2.25).tolist() == [1.0, 2.0, 2.25]
