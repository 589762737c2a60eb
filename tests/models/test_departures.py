"""The table of Pareto/NBD's integral agrees with mpmath cell by cell, and with the sum of integrals by row."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models import PARETO_NBD, departures
from crmvalue.models.likelihood import row_by_row
from crmvalue.models.pareto_nbd import Params


def buyers(n, most, days, step, unit, rng):
    """Return customers who bought at most once a day, seen every few days; one just joined, and one just bought."""
    T = rng.integers(1, days, n).astype(float)
    frequency = np.minimum(np.floor(rng.gamma(0.3, most / 3, n)), np.minimum(T, most))
    recency = np.where(frequency > 0, np.floor(frequency + (T - frequency) * rng.uniform(size=n)), 0.0)
    history = np.array([[0.0, 0.0, 0.0], [2.0, days, days]]).T
    frequency, recency, T = np.concatenate([[frequency, recency, T], history], axis=1)
    T = np.ceil(T / step) * step
    return frequency, np.floor(recency / step) * step / unit, T / unit


@pytest.mark.parametrize(
    "params",
    [
        Params(0.553, 10.578, 0.606, 11.669),
        Params(0.5, 60.0, 1.0, 60.0),  # α = β, s = 1
        Params(0.01, 0.3, 0.02, 0.5),  # scales far below a day
        Params(3.0, 2e4, 5.0, 5e5),  # and far above the whole time
        Params(2.0, 100.0, 40.0, 900.0),
    ],
)
@pytest.mark.parametrize(("most", "days", "step", "unit"), [(30, 270, 1, 7.0), (300, 3_000, 10, 1.0)])
def test_sums_from_the_table_are_those_of_the_rows(params, most, days, step, unit):
    rng = np.random.default_rng(6)
    history = buyers(20_000, most, days, step, unit, rng)
    counts = rng.integers(1, 4, len(history[0]))
    assert departures.grid_of(*history) is not None
    found, wanted = (
        add_up(params) for add_up in (PARETO_NBD.summed(*history, counts), row_by_row(PARETO_NBD, history, counts))
    )
    assert found.value == pytest.approx(wanted.value, rel=1e-13)
    assert found.gradient == pytest.approx(wanted.gradient, rel=1e-10, abs=1e-12 * np.abs(wanted.gradient).max())
    assert found.hessian == pytest.approx(wanted.hessian, rel=1e-9, abs=1e-12 * np.abs(wanted.hessian).max())


@pytest.mark.parametrize("params", [(0.55, 10.5, 0.6, 11.7), (0.2, 700.0, 1.0, 5.0), (4.0, 3.0, 30.0, 90.0)])
def test_the_table_holds_the_integral_to_the_last_time(params):
    r, alpha, s, beta = params
    frequency, recency = np.array([0.0, 3.0, 40.0] + [0.0] * 40), np.array([0.0, 9.0, 60.0] + [0.0] * 40)
    T = np.array([21.0, 40.0, 400.0, *np.arange(10.0, 401.0, 10.0)])
    grid = departures.grid_of(frequency, recency, T)
    found = departures.blocks(grid, *params)
    depth = np.outer(np.log(alpha + grid.times), r + grid.counts) + s * np.log(beta + grid.times)[:, None]
    table = departures.tabulate(grid, found, depth, departures.stretches(depth[:, -1]))
    for i, t in list(enumerate(grid.times[:-1].tolist()))[::8]:
        for k, x in enumerate(grid.counts.tolist()):
            if x > grid.largest[i]:
                continue  # nobody who bought so often is silent at that time

            def integrand(z, n=r + x, t=t):
                return ((alpha + t) / (alpha + z)) ** n * ((beta + t) / (beta + z)) ** s / (beta + z)

            with mpmath.workdps(20):
                panels = [t, *(np.geomspace(t + 1, 401.0, 9)[1:-1] - 1).tolist(), 400.0]
                wanted = float(mpmath.quad(integrand, panels))
                by_a = float(mpmath.quad(lambda z: integrand(z) / (alpha + z), panels))
            assert table[i, k, 0] == pytest.approx(wanted, rel=1e-13)
            assert table[i, k, 2] == pytest.approx(by_a, rel=1e-13)


def test_moments_of_purchase_need_no_table():
    rng = np.random.default_rng(7)
    history = rng.integers(0, 90, 500).astype(float), rng.uniform(0, 50, 500), rng.uniform(50, 90, 500)
    assert departures.grid_of(*history) is None


def test_steps_too_wide_for_the_nodes_are_left_to_the_rows():
    rng = np.random.default_rng(8)
    history = [np.tile(column, 2_000) for column in ([0.0, 2.0, 500.0], [0.0, 1.0, 2.0], [50.0, 90.0, 90.0])]
    counts = rng.integers(1, 4, 6_000)
    params = Params(0.5, 1e-3, 0.6, 2e-3)
    grid = departures.grid_of(*history)
    assert departures.blocks(grid, *params) is None
    found, wanted = PARETO_NBD.summed(*history, counts)(params), row_by_row(PARETO_NBD, history, counts)(params)
    assert found.value == pytest.approx(wanted.value, rel=1e-14)
