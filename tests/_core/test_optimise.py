"""The optimiser finds maxima, and says so where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from crmvalue._core.optimise import Derivatives, maximise
from crmvalue.errors import ConvergenceError


def describe(point):
    return f"stopped at {point.round(1).tolist()}"


def test_a_quadratic_takes_one_step_and_a_polish():
    matrix, top = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -0.5])

    def evaluate(point):
        away = point - top
        return Derivatives(value=-0.5 * away @ matrix @ away, gradient=-matrix @ away, hessian=-matrix)

    found = maximise(evaluate, np.zeros(2), describe=describe)
    assert found.point == pytest.approx(top, abs=1e-14)
    assert found.steps <= 2
    assert found.hessian == pytest.approx(-matrix)


def test_a_start_where_the_function_is_convex_still_ends_at_the_maximum():
    def evaluate(point):  # log-density of a Cauchy: convex beyond 1
        (x,) = point
        return Derivatives(
            value=-np.log1p(x**2),
            gradient=np.array([-2 * x / (1 + x**2)]),
            hessian=np.array([[(2 * x**2 - 2) / (1 + x**2) ** 2]]),
        )

    assert maximise(evaluate, np.array([9.0]), describe=describe).point == pytest.approx([0.0], abs=1e-9)


def test_a_limit_that_no_point_reaches_is_no_maximum():
    def evaluate(point):  # rises to 0 as x falls; its gradient vanishes there
        slope = -np.exp(point)
        return Derivatives(value=float(slope.sum()), gradient=slope, hessian=np.diag(slope))

    with pytest.raises(ConvergenceError, match="stopped at"):
        maximise(evaluate, np.array([0.0]), describe=describe)


def test_a_flat_ridge_is_no_maximum():
    def evaluate(point):  # depends on the sum of the coordinates alone
        away = point.sum() - 1
        return Derivatives(value=-(away**2), gradient=np.full(2, -2 * away), hessian=np.full((2, 2), -2.0))

    with pytest.raises(ConvergenceError):
        maximise(evaluate, np.array([3.0, 4.0]), describe=describe)
