"""Distributions of test statistics against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crmvalue._core import distributions as ours


@pytest.mark.parametrize("df", [1.0, 7.5, 400.0])
def test_tails_and_quantiles_of_t_are_those_of_scipy(df: float) -> None:
    for t in (-2.0, 0.0, 1.3, 9.0):
        assert ours.t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-12)
    assert ours.t_tail_quantile(0.025, df) == pytest.approx(stats.t.isf(0.025, df), rel=1e-12)


def test_with_infinite_degrees_of_freedom_t_is_the_normal() -> None:
    assert ours.t_tail(1.96, np.inf) == pytest.approx(stats.norm.sf(1.96), rel=1e-12)
    assert ours.t_tail_quantile(0.025, np.inf) == pytest.approx(stats.norm.isf(0.025), rel=1e-12)
    assert ours.normal_tail_quantile(1e-12) == pytest.approx(stats.norm.isf(1e-12), rel=1e-12)


def test_tails_of_f_and_chi_squared_are_those_of_scipy() -> None:
    assert ours.f_tail(3.1, 4, 22) == pytest.approx(stats.f.sf(3.1, 4, 22), rel=1e-12)
    assert ours.chi_squared_tail(9.2, 3) == pytest.approx(stats.chi2.sf(9.2, 3), rel=1e-12)
