"""Expected time as a customer: closed forms, integrals in 25 digits, other functions of a model, all engines."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.errors import InputError
from crmvalue.models import (
    BG_BB,
    BG_CNBD_K,
    BG_NBD,
    GGOMPERTZ_NBD,
    MBG_CNBD_K,
    MBG_NBD,
    MODELS,
    NBD,
    PARETO_NBD,
)
from crmvalue.models.distinct import States
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.model import PurchaseModel
from crmvalue.models.time_alive import integral, remaining_lifetime, time_if_alive, times_if_alive

PURCHASE_MODELS = [model for model in MODELS.values() if isinstance(model, PurchaseModel)]
CUSTOMERS = pd.DataFrame(
    {"customer_id": ["a", "b", "c"], "frequency": [0, 3, 26], "recency": [0.0, 9.0, 30.0], "T": [30.0, 40.0, 31.0]}
)


def fit_of(model, *params) -> PurchaseFit:
    """Return a fit with these estimates."""
    return PurchaseFit(
        model=model, params=model.Params(*params), log_covariance=np.eye(len(params)), log_likelihood=-9.0,
        gradient_norm=0.0, n_customers=9, time_unit="week",
    )  # fmt: skip


def one(params, x, t_x, T) -> States:
    """Return the state of one customer."""
    return States(params, *(np.array([float(value)]) for value in (x, t_x, T)), np.zeros(1, dtype=np.intp))


@pytest.mark.parametrize("model", [PARETO_NBD, GGOMPERTZ_NBD, NBD, BG_BB], ids=repr)
def test_time_is_purchases_over_the_rate_of_a_customer_whose_rate_says_nothing_of_leaving(model):
    rng = np.random.default_rng(5)
    for _ in range(30):
        params = model.Params(*(10 ** rng.uniform(-2, 3, len(model.Params._fields))).tolist())
        T = float(np.ceil(10 ** rng.uniform(-1, 2.5)))
        t_x = float(np.ceil(T * rng.uniform()))
        x = float(rng.integers(1, t_x + 1))
        horizon, rate = float(np.ceil(10 ** rng.uniform(0, 4))), 10 ** rng.uniform(-5, -0.5)
        state = one(params, x, t_x, T)
        first, second = params[:2]
        per_time = (first + x) / (first + second + T) if model is BG_BB else (first + x) / (second + T)
        for rate_, stop in [(0.0, horizon), (rate, horizon), (rate, np.inf), (0.0, np.inf)]:
            purchases = model.residual_purchases_if_alive(params, rate_, 0.0, stop, *state[1:4])[0]
            assert time_if_alive(model, state, stop, rate_)[0] == pytest.approx(purchases / per_time, rel=1e-10)


@pytest.mark.parametrize("model", [BG_NBD, MBG_NBD], ids=repr)
@pytest.mark.parametrize("seed", range(4))
def test_time_under_bg_nbd_agrees_with_an_integral_of_25_digits(model, seed):
    rng = np.random.default_rng(seed)
    r, alpha, a, b = 10 ** rng.uniform([-2, -1, -1, -1], [1, 2, 1, 1])
    x, T, horizon, rate = float(rng.integers(0, 30)), 10 ** rng.uniform(0, 2), 10 ** rng.uniform(0, 3), 0.003
    stays = b + x + (model is MBG_NBD)
    with mpmath.workdps(25):

        def chance(u):
            return mpmath.hyp2f1(r + x, a, a + stays, -u / (alpha + T))

        def discounted(w):
            u = mpmath.e**w
            return u * chance(u) * mpmath.e ** (-mpmath.mpf(rate) * u)

        start = mpmath.mpf(-30)
        within = mpmath.e**start + mpmath.quad(
            lambda w: mpmath.e**w * chance(mpmath.e**w), mpmath.linspace(start, mpmath.log(horizon), 30)
        )
        for_ever = mpmath.e**start + mpmath.quad(discounted, mpmath.linspace(start, mpmath.log(60 / rate), 40))
    state = one(model.Params(r, alpha, a, b), x, 0.0, T)
    assert time_if_alive(model, state, horizon, 0.0) == pytest.approx(float(within), rel=1e-10)
    assert time_if_alive(model, state, np.inf, rate) == pytest.approx(float(for_ever), rel=1e-10)


@pytest.mark.parametrize(
    ("a", "r", "x"), [(1.4, 0.5, 3), (3.0, 0.2, 2), (12.0, 2.0, 40), (2.5, 2.6, 0), (1.05, 4.0, 9)]
)
def test_time_for_ever_under_bg_nbd_is_the_mean_gap_times_the_mean_number_of_gaps(a, r, x):
    alpha, b, T = 7.0, 2.0, 30.0
    wanted = (alpha + T) / (r + x - 1) * (a + b + x - 1) / (a - 1)  # E(1 / λ) E(1 / p)
    found = time_if_alive(BG_NBD, one(BG_NBD.Params(r, alpha, a, b), x, 0.0, T), np.inf, 0.0)
    assert found == pytest.approx(wanted, rel=1e-9)  # the tail is closed by its power law


REGULAR = [BG_NBD, MBG_NBD, BG_CNBD_K, MBG_CNBD_K]


@pytest.mark.parametrize("model", REGULAR, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_discounted_time_of_regular_buyers_is_the_integral_of_their_chance_to_stay(model, seed):
    rng = np.random.default_rng(seed)
    n, n_params = 6, len(model.Params._fields)
    params = model.Params(*(10 ** rng.uniform(-1, 1, 4)), *[2.0 + seed][: n_params - 4])
    x, T = np.floor(10 ** rng.uniform(0, 2, n)) - 1, 10 ** rng.uniform(0, 2.5, n)
    states = States(params, x, np.where(x > 0, T * rng.uniform(size=n), 0.0), T, np.arange(n))
    for rate in (1e-4, 3e-3, 0.2):
        found = time_if_alive(model, states, np.inf, rate)
        assert found == pytest.approx(integral(model, states, 0.0, np.inf, rate), rel=1e-10)


@pytest.mark.parametrize("model", REGULAR, ids=repr)
def test_discounted_time_tends_to_the_time_for_ever_and_to_the_time_of_the_discount(model):
    params = model.Params(*(2.5, 7.0, 3.0, 2.0, 3.0)[: len(model.Params._fields)])
    state = one(params, 4, 21.0, 30.0)
    for_ever = time_if_alive(model, state, np.inf, 0.0)
    assert time_if_alive(model, state, np.inf, 1e-11) == pytest.approx(for_ever, rel=1e-7)
    assert time_if_alive(model, state, np.inf, 1e7) == pytest.approx(1e-7, rel=1e-5)  # nobody leaves so soon
    for a, r in [(1e-3, 0.01), (1e3, 0.01), (1e-3, 50.0)]:
        extreme = one(params._replace(a=a, r=r), 0, 0.0, 30.0)
        assert time_if_alive(model, extreme, np.inf, 0.002) == pytest.approx(
            integral(model, extreme, 0.0, np.inf, 0.002), rel=1e-10
        )


def many(rng, of_their_own):
    """Return states of customers under BG/NBD who seldom bought, with shared parameters or their own."""
    x = np.repeat([0.0, 3.0], 700) if of_their_own else np.repeat(np.arange(6.0), 60)
    alpha, a = 4.4, 1.6
    if of_their_own:
        alpha, a = (value * np.exp(0.3 * rng.normal(size=len(x))) for value in (alpha, a))
    return States(BG_NBD.Params(1.7, alpha, a, 2.4), x, np.zeros(len(x)), rng.uniform(2, 90, len(x)), np.arange(len(x)))


@pytest.mark.parametrize("model", [BG_NBD, MBG_NBD], ids=repr)
@pytest.mark.parametrize("of_their_own", [False, True])
def test_time_of_many_is_that_in_which_slower_customers_buy(model, of_their_own):
    """A rate with a shape less by 1 has the density of the chance to stay, but for (α + T) / (r + x − 1)."""
    states = many(np.random.default_rng(7), of_their_own)
    params, x, t_x, T, _ = states
    slower, gap = params._replace(r=params.r - 1), (params.alpha + T) / (params.r - 1 + x)
    rows = np.arange(0, len(T), 7)
    for horizon, rate in [(520.0, 0.0), (52.0, 0.002), (np.inf, 0.002)]:
        found = times_if_alive(model, states, horizon, rate)
        own = model.Params(*(np.broadcast_to(value, T.shape)[rows] for value in slower))
        purchases = model.residual_purchases_if_alive(own, rate, 0.0, horizon, x[rows], t_x[rows], T[rows])
        assert found[rows] == pytest.approx(gap[rows] * purchases, rel=1e-10)


def test_time_for_ever_of_many_is_the_mean_gap_times_the_mean_number_of_gaps():
    states = many(np.random.default_rng(8), False)
    (r, alpha, a, b), x, _, T, _ = states
    wanted = (alpha + T) / (r + x - 1) * (a + b + x - 1) / (a - 1)
    assert times_if_alive(BG_NBD, states, np.inf, 0.0) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("model", [BG_NBD, PARETO_NBD, GGOMPERTZ_NBD, BG_BB], ids=repr)
def test_many_customers_stay_as_long_as_each_alone(model):
    rng = np.random.default_rng(9)
    x = np.repeat(np.arange(4.0), 40)
    T = np.tile(np.arange(5.0, 45.0), 4)
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
    states = States(params, x, np.zeros(len(x)), T, np.arange(len(x)))
    for horizon, rate in [(104.0, 0.0), (np.inf, 0.01)]:
        found = times_if_alive(model, states, horizon, rate)
        for i in rng.choice(len(x), 5, replace=False):
            alone = time_if_alive(model, one(params, x[i], 0.0, T[i]), horizon, rate)
            assert found[i] == pytest.approx(alone.item(), rel=1e-10)


def test_a_mean_that_does_not_exist_is_infinite():
    for fit in (
        fit_of(NBD, 0.4, 12.0),
        fit_of(PARETO_NBD, 0.5, 10.0, 1.0, 11.0),
        fit_of(BG_NBD, 0.24, 4.4, 0.8, 2.4),
        fit_of(BG_BB, 1.2, 0.75, 0.66, 2.8),
    ):
        frame = CUSTOMERS.assign(frequency=[0, 3, 26])
        assert np.isinf(remaining_lifetime(fit, frame)["remaining_lifetime"]).all()
        some = remaining_lifetime(fit, frame, discount_rate=0.1)["remaining_lifetime"]
        assert ((some > 0) & (some < (1 + 1e-9) / (np.log(1.1) * 7 / 365.25))).all()
        assert (remaining_lifetime(fit, frame, horizon=52)["remaining_lifetime"] <= 52).all()


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_simulated_customers_stay_as_long_as_expected(model):
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
    nodes, weights = np.polynomial.legendre.leggauss(30)  # on log time
    horizons = np.expm1(0.5 * np.log(41) * (nodes + 1))
    weights = 0.5 * np.log(41) * weights * (1 + horizons)
    if model.is_discrete:
        horizons, weights = np.arange(1.0, 41), np.ones(40)
    rng = np.random.default_rng(6)
    shares = [model.simulate(params, np.full(40_000, h), rng).alive.mean() for h in horizons]
    state = one(params, 0.0, 0.0, 0.0)
    alive = model.probability_alive(params, *state[1:4])[0]
    assert alive * time_if_alive(model, state, 40.0, 0.0)[0] == pytest.approx(weights @ shares, rel=0.02)


def test_every_engine_gives_the_same_lifetimes(as_engine):
    fit = fit_of(PARETO_NBD, 0.553, 10.578, 0.606, 11.669)
    found = to_pandas(remaining_lifetime(fit, as_engine(CUSTOMERS), horizon=104)).sort_values("customer_id")
    s, beta = 0.606, 11.669
    T = CUSTOMERS["T"].to_numpy()
    if_alive = (beta + T) / (s - 1) * (1 - ((beta + T) / (beta + T + 104)) ** (s - 1))
    history = [CUSTOMERS[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    wanted = PARETO_NBD.probability_alive(fit.params, *history) * if_alive
    assert found["remaining_lifetime"].tolist() == pytest.approx(wanted.tolist(), rel=1e-10)


def test_wrong_arguments_are_refused():
    fit = fit_of(BG_BB, 1.2, 0.75, 0.66, 2.8)
    with pytest.raises(InputError, match="horizon: got 0"):
        remaining_lifetime(fit, CUSTOMERS, horizon=0)
    with pytest.raises(InputError, match=r"horizon: got 2.5. BG/BB counts opportunities"):
        remaining_lifetime(fit, CUSTOMERS, horizon=2.5)
    with pytest.raises(InputError, match="discount_rate: got -0.1"):
        remaining_lifetime(fit, CUSTOMERS, discount_rate=-0.1)
