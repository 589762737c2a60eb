"""Differences of polygamma functions against 60 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue._core.polygammas import polygamma_change, polygamma_rise


@pytest.mark.parametrize("order", [0, 1])
def test_differences_keep_their_digits_however_small(order):
    rng = np.random.default_rng(order)
    z = 10 ** rng.uniform(-3, 6, 200)
    m, n = 10 ** rng.uniform(-8, 6, (2, 200))
    rise, change = polygamma_rise(order, z, n), polygamma_change(order, z, m, n)
    with mpmath.workdps(60):

        def exact(value):
            return mpmath.digamma(value) if order == 0 else mpmath.zeta(2, value)

        for i, (a, b, c) in enumerate(zip(*(map(mpmath.mpf, values) for values in (z, m, n)), strict=True)):
            assert rise[i] == pytest.approx(float(exact(a + c) - exact(a)), rel=1e-13)
            both = exact(a) + exact(a + b + c) - exact(a + b) - exact(a + c)
            assert change[i] == pytest.approx(float(both), rel=1e-13)
