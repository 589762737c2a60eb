"""Sums of whole numbers of steps, row by row, against 50 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue._core.rises import bend_rise, log_rise, slope_rise


def exact(z, n):
    """Return the three sums as differences of Gamma functions."""
    with mpmath.workdps(50):
        z = mpmath.mpf(float(z))
        end = z + int(n)
        differences = (
            mpmath.loggamma(end) - mpmath.loggamma(z),
            mpmath.digamma(end) - mpmath.digamma(z),
            mpmath.zeta(2, end) - mpmath.zeta(2, z),
        )
        return [float(value) for value in differences]


def test_every_row_has_its_own_start_and_number_of_steps():
    rng = np.random.default_rng(1)
    z = 10 ** rng.uniform(-6, 8, 300)
    n = np.floor(10 ** rng.uniform(-1, 4, 300))  # some of 0
    expected = np.array([exact(*row) for row in zip(z, n, strict=True)]).T
    assert log_rise(z, n) == pytest.approx(expected[0], rel=1e-13, abs=1e-14)  # a sum near 0 where factors are near 1
    assert slope_rise(z, n) == pytest.approx(expected[1], rel=1e-13)
    assert bend_rise(z, n) == pytest.approx(expected[2], rel=1e-13)


def test_several_numbers_of_steps_of_one_start_come_from_a_table():
    rng = np.random.default_rng(2)
    z, n = 10 ** rng.uniform(-6, 8, (20, 1)), rng.integers(0, 9, (20, 7)).astype(float)
    expected = np.array([[exact(start, steps) for steps in row] for start, row in zip(z[:, 0], n, strict=True)])
    for rise, wanted in zip((log_rise, slope_rise, bend_rise), expected.transpose(2, 0, 1), strict=True):
        assert rise(z, n) == pytest.approx(wanted, rel=1e-13, abs=1e-14)


def test_no_rows_have_no_sums():
    assert slope_rise(np.zeros(0), np.zeros(0)).shape == (0,)
    assert bend_rise(2.0, 3.0) == pytest.approx(-(1 / 4 + 1 / 9 + 1 / 16), rel=1e-15)
