"""Sums over all customers are the sums of what each row says."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models import GAMMA_GAMMA, MODELS
from crmvalue.models.alive import alive_now
from crmvalue.models.likelihood import LogOdds, rises, row_by_row, softplus_sum
from crmvalue.models.model import PurchaseModel

SUMMED = [model for model in MODELS.values() if isinstance(model, PurchaseModel) and model.summed]


def histories(model, params, unit, rng):
    """Return customers with whole days in some unit, or moments; one just joined, and one just bought."""
    made = model.simulate(params, np.floor(rng.uniform(1, 90, 400)), rng)
    recency, T = (np.ceil(made.recency) / unit, made.T / unit) if unit else (made.recency, made.T * 1.01)
    frequency = np.append(made.frequency, [0.0, 3.0])
    return [frequency, np.append(recency, [0.0, T.max()]), np.append(T, [0.0, T.max()])]


@pytest.mark.parametrize(
    ("model", "unit"),
    [(model, unit) for model in SUMMED for unit in (1.0, 7.0, 0.0) if unit == 1 or not model.is_discrete],
)
def test_sums_by_histogram_are_those_of_the_rows(model, unit):
    rng = np.random.default_rng(4)
    ones = model.Params(*np.ones(len(model.Params._fields)))
    truth = ones if model.is_discrete else ones._replace(alpha=8.0)
    data = histories(model, truth, unit, rng)
    counts = rng.integers(1, 5, len(data[0]))
    add_up, plainly = model.summed(*data, counts), row_by_row(model, data, counts)
    for _ in range(4):
        params = model.Params(*(np.array(truth) * rng.uniform(0.2, 5, len(truth))).tolist())
        found, wanted = add_up(params), plainly(params)
        assert found.value == pytest.approx(wanted.value, rel=1e-13)
        assert found.gradient == pytest.approx(wanted.gradient, rel=1e-11, abs=1e-12 * np.abs(wanted.gradient).max())
        assert found.hessian == pytest.approx(wanted.hessian, rel=1e-11, abs=1e-12 * np.abs(wanted.hessian).max())


@pytest.mark.parametrize("model", [model for model in MODELS.values() if isinstance(model, PurchaseModel)], ids=repr)
def test_chances_of_many_customers_are_those_of_each(model):
    rng = np.random.default_rng(9)
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
    history = [np.tile(column, 90) for column in histories(model, params, 1.0, rng)]  # more than one part
    found = alive_now(model, params, *history)
    some = slice(0, 402)
    wanted = model.probability_alive(params, *(column[some] for column in history))
    assert found[some] == pytest.approx(wanted, rel=1e-11)
    assert found == pytest.approx(np.tile(found[some], 90), rel=1e-13)
    own = params._replace(**{model.Params._fields[0]: np.linspace(0.5, 2.0, len(found))})
    theirs = alive_now(model, own, *history)
    last = slice(len(found) - 402, len(found))
    part = own._replace(**{model.Params._fields[0]: own[0][last]})
    wanted = model.probability_alive(part, *(column[last] for column in history))
    assert theirs[last] == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("params", [(6.25, 3.74, 15.44), (1e3, 1e3, 0.1), (3.0, 1e5, 1e6), (1e5, 3.0, 1e-5)])
def test_spend_summed_by_frequency_is_that_of_the_rows(params):
    rng = np.random.default_rng(5)
    frequency = rng.geometric(0.3, 500).astype(float)
    spend = GAMMA_GAMMA.simulate(GAMMA_GAMMA.Params(6.25, 3.74, 15.44), frequency, rng)
    counts = rng.integers(1, 5, 500)
    given = GAMMA_GAMMA.Params(*params)
    found = GAMMA_GAMMA.summed(frequency, spend, counts)(given)
    wanted = row_by_row(GAMMA_GAMMA, (frequency, spend), counts)(given)
    assert found.value == pytest.approx(wanted.value, rel=1e-13)
    assert found.gradient == pytest.approx(wanted.gradient, rel=1e-8)  # the rows lose digits where q and v are large
    assert found.hessian == pytest.approx(wanted.hessian, rel=1e-8)


@pytest.mark.parametrize("n", [[0, 3, 3, 40], [0, 0], [5, 10**9]], ids=["few", "none", "huge"])
@pytest.mark.parametrize("z", [1e-3, 0.7, 2e5])
def test_rises_are_those_of_the_gamma_function(z, n):
    counts = np.arange(1, len(n) + 1)
    found = rises(np.array(n, dtype=float), counts)(z)
    with mpmath.workdps(40):
        wanted = [
            sum(
                int(w) * (mpmath.polygamma(k, mpmath.mpf(z) + m) - mpmath.polygamma(k, z))
                for m, w in zip(n, counts, strict=True)
            )
            for k in (0, 1)
        ]
        value = sum(
            int(w) * (mpmath.loggamma(mpmath.mpf(z) + m) - mpmath.loggamma(z)) for m, w in zip(n, counts, strict=True)
        )
    assert found == pytest.approx([float(value), *map(float, wanted)], rel=1e-12)


def test_a_sum_of_logistic_terms_takes_certain_and_impossible_odds():
    odds = np.array([-np.inf, 0.0, 900.0])
    found = softplus_sum(
        LogOdds(odds, (np.array([1.0, 2.0, 3.0]), 5.0), {(0, 1): np.ones(3)}), np.array([1.0, 2.0, 3.0])
    )
    assert found.value == pytest.approx(2 * np.log(2) + 3 * 900)
    assert found.gradient == pytest.approx([2 * 0.5 * 2 + 3 * 3, 5 * (2 * 0.5 + 3)])
    assert found.hessian == pytest.approx(np.array([[2 * 0.25 * 4, 2 * 0.25 * 10 + 4], [2 * 0.25 * 10 + 4, 12.5]]))
