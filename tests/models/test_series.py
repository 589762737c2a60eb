"""Values read from series for customers with parameters of their own, against the values themselves."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from crmvalue.models.bg_bb import BG_BB
from crmvalue.models.bg_cnbd_k import BG_CNBD_K
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.covariates import params_with
from crmvalue.models.distinct import States
from crmvalue.models.ggompertz_nbd import GGOMPERTZ_NBD
from crmvalue.models.mbg_nbd import MBG_NBD
from crmvalue.models.pareto_nbd import PARETO_NBD
from crmvalue.models.series import of_states

N = 12_000


def customers(rng, spread=0.2):
    """Return states of customers, each with scales of her own; most bought seldom."""
    alpha, a = 4.4 * np.exp(spread * rng.normal(size=N)), 0.8 * np.exp(spread * rng.normal(size=N))
    x = np.minimum(np.floor(rng.exponential(1.0, N)), 5.0)
    params = BG_NBD.Params(r=0.243, alpha=alpha, a=a, b=2.426)
    return States(params, x, np.zeros(N), rng.uniform(27, 39, N), np.arange(N))


def counting(value, rows):
    """Return the value and note how many rows it is asked for."""

    def counted(*state):
        rows.append(len(state[-1]))
        return value(*state)

    return counted


def exact_for_ever(rate, r, alpha, a, b):
    """Discounted purchases of a new customer of BG/NBD, by quadrature in 25 digits."""
    with mpmath.workdps(25):

        def paid(t):
            return mpmath.exp(-rate * t) * r / alpha * mpmath.hyp2f1(r + 1, a, a + b, -t / alpha)

        ends = [0, *(alpha * 4.0**j for j in range(-2, 8)), 80 / rate]
        return float(mpmath.quad(paid, sorted(end for end in ends if end <= 80 / rate)))


def test_discounted_purchases_from_a_series_keep_ten_digits():
    states, rows = customers(np.random.default_rng(1)), []
    value = counting(lambda own, *state: BG_NBD.residual_purchases_if_alive(own, 0.002, 0.0, np.inf, *state), rows)
    found = of_states(BG_NBD, value, states)
    assert sum(rows) < N / 2
    for i in (*np.argsort(states.params.alpha)[[0, -1]], *np.argsort(states.params.a)[[0, -1]], 17, 170, 1700):
        x, alpha, a = states.frequency[i], states.params.alpha[i] + states.T[i], states.params.a[i]
        wanted = exact_for_ever(0.002, 0.243 + x, alpha, a, 2.426 + x)
        assert found[i] == pytest.approx(wanted, rel=1e-10)


PARAMS = {
    BG_NBD: BG_NBD.Params(0.243, 4.4, 0.8, 2.4),
    MBG_NBD: MBG_NBD.Params(0.525, 6.2, 0.9, 1.6),
    PARETO_NBD: PARETO_NBD.Params(0.55, 10.6, 0.6, 11.7),
    GGOMPERTZ_NBD: GGOMPERTZ_NBD.Params(0.8, 2.0, 0.08, 1.5, 20.0),
    BG_BB: BG_BB.Params(1.2, 0.75, 0.66, 2.8),
}


@pytest.mark.parametrize("model", list(PARAMS), ids=repr)
def test_a_customer_who_is_still_one_is_like_a_new_one_with_other_parameters(model):
    rng = np.random.default_rng(6)
    T = np.floor(rng.uniform(10, 40, 50))
    x, none = np.floor(rng.uniform(0, 10, 50)), np.zeros(50)
    params = params_with(model, PARAMS[model], {each.name: rng.normal(0, 0.5, 50) for each in model.processes})
    own = model.aged(params, T)
    for value in (model.purchases_if_alive, model.survival_if_alive):
        assert value(own, 8.0, x, none, none) == pytest.approx(value(params, 8.0, x, none, T), rel=1e-12)
    wanted = model.residual_purchases_if_alive(params, 0.01, 2.0, 50.0, x, none, T)
    assert model.residual_purchases_if_alive(own, 0.01, 2.0, 50.0, x, none, none) == pytest.approx(wanted, rel=1e-12)
    assert model.mass_if_alive(own, 2.0, 8.0, x, none, none) == pytest.approx(
        model.mass_if_alive(params, 2.0, 8.0, x, none, T), rel=1e-10
    )


@pytest.mark.parametrize("model", [BG_NBD, MBG_NBD])
@pytest.mark.parametrize("spread", [0.0, 0.1, 1.5])  # alike, near each other, and by factors of thousands
def test_series_agree_with_the_value_of_each_customer(model, spread):
    states = customers(np.random.default_rng(2), spread)
    for value in (
        lambda own, *state: model.survival_if_alive(own, 26.0, *state),
        lambda own, *state: model.purchases_if_alive(own, 52.0, *state),
    ):
        assert of_states(model, value, states) == pytest.approx(value(*states[:4]), rel=1e-10)


def test_a_function_that_is_not_smooth_is_computed_for_each_customer():
    states, rows = customers(np.random.default_rng(3)), []

    def value(own, frequency, recency, T):
        return 1 + np.abs(np.log((own.alpha + T) / 40))

    assert of_states(BG_NBD, counting(value, rows), states) == pytest.approx(value(*states[:4]), rel=1e-15)
    assert sum(rows) > N


def test_values_of_0_or_without_end_are_computed_for_each_customer():
    states = customers(np.random.default_rng(4))
    for constant in (0.0, np.inf):
        found = of_states(BG_NBD, lambda own, *state, constant=constant: np.full(len(state[-1]), constant), states)
        assert (found == constant).all()


def test_customers_with_shared_parameters_or_other_models_are_computed_as_they_are():
    rng = np.random.default_rng(5)
    states = customers(rng)
    shared = states._replace(params=BG_NBD.Params(0.243, 4.414, 0.793, 2.426))
    regular = states._replace(params=BG_CNBD_K.Params(*states.params, k=1.0))  # what they do depends on recency, too
    for model, state in ((BG_NBD, shared), (BG_CNBD_K, regular)):
        rows = []

        def value(own, *state, model=model):
            return model.purchases_if_alive(own, 10.0, *state)

        assert (of_states(model, counting(value, rows), state) == value(*state[:4])).all()
        assert rows == [N]
