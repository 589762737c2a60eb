"""Every model in the registry obeys the same laws; a new one comes under them by its line in the registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmvalue.models import MODELS
from crmvalue.models.likelihood import total_of
from crmvalue.models.model import PurchaseModel, SpendModel

PURCHASE_MODELS = [model for model in MODELS.values() if isinstance(model, PurchaseModel)]
SPEND_MODELS = [model for model in MODELS.values() if isinstance(model, SpendModel)]
ALL_MODELS = [*PURCHASE_MODELS, *SPEND_MODELS]

positive = st.floats(0.05, 50)
events = st.integers(1, 6).map(float)  # k of regular buyers, the one parameter that is a whole number


def data_for(model, n=400, seed=11):
    """Simulate data for the log-likelihood, and the parameters that they are drawn from."""
    rng = np.random.default_rng(seed)
    if isinstance(model, PurchaseModel):
        params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
        made = model.simulate(params, rng.uniform(1, 60, n), rng)  # opportunities are rounded down
        return params, (made.frequency, made.recency, made.T)
    params = model.Params(*(6.0, 4.0, 15.0, 1.2)[: len(model.Params._fields)])
    frequency = rng.integers(1, 9, n).astype(float)
    return params, (frequency, model.simulate(params, frequency, rng))


@st.composite
def histories(draw):
    """Draw a customer history that is possible."""
    T = draw(st.floats(0.01, 5_000))
    frequency = draw(st.integers(0, 5_000))
    recency = T * draw(st.floats(1e-6, 1)) if frequency else 0.0  # a repeat purchase takes time
    return np.array([float(frequency)]), np.array([recency]), np.array([T])


@st.composite
def purchase_cases(draw):
    """Draw a model, parameters and a history."""
    model = draw(st.sampled_from(PURCHASE_MODELS))
    params = model.Params(*(draw(events if name == "k" else positive) for name in model.Params._fields))
    frequency, recency, T = draw(histories())
    if model.is_discrete:  # at most one purchase at each opportunity
        T = np.ceil(np.minimum(T, 500))
        recency = np.ceil(np.minimum(recency, T))
        frequency = np.minimum(frequency, recency)
        recency = np.where(frequency > 0, recency, 0.0)
    return model, params, (frequency, recency, T)


def time_for(model, time):
    """Return a time that the model knows: whole opportunities, if it counts them."""
    return np.ceil(time) if model.is_discrete else time


def test_the_registry_names_models_by_their_own_names():
    assert all(model.name == name and repr(model) == name for name, model in MODELS.items())


@settings(max_examples=150, deadline=None)
@given(case=purchase_cases(), horizon=st.floats(0.01, 5_000))
def test_predictions_are_finite_and_in_their_ranges(case, horizon):
    model, params, (frequency, recency, T) = case
    horizon = time_for(model, horizon)
    alive = model.probability_alive(params, frequency, recency, T)
    expected = model.conditional_expected_purchases(params, horizon, frequency, recency, T)
    assert np.isfinite(model.log_likelihood(params, frequency, recency, T)).all()
    assert 0 <= alive[0] <= 1
    assert np.isfinite(expected).all()
    assert expected[0] >= 0
    # nobody buys more than a customer who never leaves
    scale = sum(params[:2]) if model.is_discrete else params[1]
    k = getattr(params, "k", 1.0)  # and she may have had k − 1 of the k events of the next purchase
    had = k - 1
    most = ((params[0] + k * frequency[0] + had) * horizon / (scale + T[0]) + had) / k
    assert expected[0] <= most * (1 + 1e-9)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_nothing_fails_over_the_widest_ranges(model):
    rng = np.random.default_rng(12)
    for i in range(60):
        values = 10 ** rng.uniform(-3, 4, len(model.Params._fields))
        values[-2 if i % 5 == 0 else 0] = 1.0 if i % 3 == 0 else values[-1]  # a = 1, s = 1, equal parameters
        if "k" in model.Params._fields:
            values[-1] = 1.0 + i % 12
        params = model.Params(*values.tolist())
        T = np.array([0.0, 10 ** rng.uniform(-2, 3.86), 7_305.0, 365.0])
        frequency = np.array([0.0, np.floor(10 ** rng.uniform(0, 3.7)), 5_000.0, 0.0])
        recency = np.array([0.0, T[1] * rng.choice([1.0, rng.uniform()]), 7_305 * rng.uniform(), 0.0])
        if model.is_discrete:
            T = np.ceil(np.minimum(T, 400))
            recency = np.minimum(np.ceil(recency), T)
            frequency = np.minimum(frequency, recency)
        horizon, rate = time_for(model, 10 ** rng.uniform(-2, 3.86)), 10 ** rng.uniform(-5, 0)
        ahead = frequency, recency, T
        assert np.isfinite(model.log_likelihood(params, frequency, recency, T)).all()
        for chance in [
            model.probability_alive(params, frequency, recency, T),
            model.survival_if_alive(params, horizon, *ahead),
            model.mass_if_alive(params, float(rng.integers(0, 30)), horizon, *ahead),
        ]:
            assert ((chance >= 0) & (chance <= 1 + 1e-12)).all()
        for number in [
            model.purchases_if_alive(params, horizon, *ahead),
            model.expected_purchases(params, np.array([0.0, horizon])),
            model.residual_purchases_if_alive(params, rate, 0.0, np.inf, *ahead),
            model.residual_purchases_if_alive(params, rate, 5.0, 9.0, *ahead),
        ]:
            assert ((number >= 0) & np.isfinite(number)).all()


@settings(max_examples=100, deadline=None)
@given(case=purchase_cases(), silence=st.floats(0, 1_000))
def test_the_chance_to_be_alive_falls_with_silence(case, silence):
    model, params, (frequency, recency, T) = case
    later = model.probability_alive(params, frequency, recency, T + time_for(model, silence))
    assert later[0] <= model.probability_alive(params, frequency, recency, T)[0] + 1e-12


@settings(max_examples=100, deadline=None)
@given(case=purchase_cases(), horizon=st.floats(0.01, 1_000), more=st.floats(1, 5))
def test_expected_purchases_rise_with_the_horizon(case, horizon, more):
    model, params, history = case
    less = model.conditional_expected_purchases(params, horizon, *history)
    assert model.conditional_expected_purchases(params, horizon * more, *history)[0] >= less[0] * (1 - 1e-10)
    assert model.expected_purchases(params, horizon * more) >= model.expected_purchases(params, horizon) * (1 - 1e-10)


@settings(max_examples=60, deadline=None)
@given(case=purchase_cases(), unit=st.floats(0.05, 30), horizon=st.floats(0.1, 300))
def test_the_time_unit_does_not_change_predictions(case, unit, horizon):
    model, params, (frequency, recency, T) = case
    assume(not model.is_discrete)  # opportunities have no unit
    scaled = model.Params(*(value * unit**power for value, power in zip(params, model.time_powers, strict=True)))
    history, in_unit = (frequency, recency, T), (frequency, unit * recency, unit * T)
    expected = model.conditional_expected_purchases(params, horizon, *history)
    assert model.conditional_expected_purchases(scaled, unit * horizon, *in_unit) == pytest.approx(expected, rel=1e-9)
    shift = model.log_likelihood(params, *history) - frequency * np.log(unit)  # a density of `frequency` times
    assert model.log_likelihood(scaled, *in_unit) == pytest.approx(shift, rel=1e-10, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(case=purchase_cases(), horizon=st.floats(0.01, 1_000), rate=st.floats(1e-4, 1), start=st.floats(0, 500))
def test_discounted_purchases_are_those_expected_less_the_discount(case, horizon, rate, start):
    model, params, (frequency, recency, T) = case
    horizon, start = time_for(model, horizon), time_for(model, start)
    expected = model.purchases_if_alive(params, horizon, frequency, recency, T)
    residual = model.residual_purchases_if_alive
    assert residual(params, 0.0, 0.0, horizon, frequency, recency, T) == pytest.approx(expected, rel=1e-9)
    later = residual(params, rate, start, start + horizon, frequency, recency, T)
    plain = residual(params, 0.0, start, start + horizon, frequency, recency, T)
    assert later[0] <= plain[0] * np.exp(-rate * start) * (1 + 1e-9)
    assert later[0] >= plain[0] * np.exp(-rate * (start + horizon)) * (1 - 1e-9)
    for_ever, first = (
        residual(params, rate, 0.0, np.inf, frequency, recency, T),
        residual(params, rate, 0.0, start, frequency, recency, T),
    )
    rest = residual(params, rate, start, np.inf, frequency, recency, T)
    assert first + rest == pytest.approx(for_ever, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(case=purchase_cases(), horizon=st.floats(0.01, 1_000), more=st.floats(1, 5))
def test_the_chance_to_stay_falls_with_the_horizon(case, horizon, more):
    model, params, (frequency, recency, T) = case
    near = model.survival_if_alive(params, horizon, frequency, recency, T)
    far = model.survival_if_alive(params, horizon * more, frequency, recency, T)
    assert 0 <= far[0] <= near[0] * (1 + 1e-12) <= 1 + 1e-12


@settings(max_examples=40, deadline=None)
@given(case=purchase_cases(), share=st.floats(0.01, 3))
def test_chances_of_all_counts_sum_to_one_and_have_the_expected_mean(case, share):
    model, params, (frequency, recency, T) = case
    frequency = np.minimum(frequency, 60)
    horizon = time_for(
        model, share * (params.alpha + T)
    )  # then the longest tail is geometric with ratio share / (1 + share)
    count = np.arange(2_500.0)
    chances = model.mass_if_alive(params, count, horizon, frequency, recency, T)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert chances.sum() == pytest.approx(1, rel=1e-10)
    assert chances @ count == pytest.approx(
        model.purchases_if_alive(params, horizon, frequency, recency, T)[0], rel=1e-9
    )


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_chances_of_counts_and_of_staying_are_those_of_simulated_customers(model):
    params, _ = data_for(model)
    made = model.simulate(params, np.full(400_000, 12.0), np.random.default_rng(9))
    # a new customer at the end of no observation; under some models she may leave right after the first purchase
    new = np.zeros(1), np.zeros(1), np.zeros(1)
    alive = model.probability_alive(params, *new)
    count = np.arange(8.0)
    said = alive * model.mass_if_alive(params, count, 12.0, *new) + (1 - alive) * (count == 0)
    assert said == pytest.approx([(made.frequency == k).mean() for k in count], abs=0.003)  # 4 sigma
    stays = alive * model.survival_if_alive(params, 12.0, *new)
    assert stays == pytest.approx(made.alive.mean(), abs=0.003)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_simulated_customers_buy_as_the_formulas_say(model):
    params, _ = data_for(model)
    rng = np.random.default_rng(5)
    n, T, horizon = 400_000, 20.0, 15.0
    long = model.simulate(params, np.full(n, T), rng)
    assert long.frequency.mean() == pytest.approx(float(model.expected_purchases(params, T)), rel=0.01)  # 4 sigma
    assert ((long.recency > 0) == (long.frequency > 0)).all()
    assert (long.recency <= T).all()
    said = model.probability_alive(params, long.frequency, long.recency, long.T)
    assert said.mean() == pytest.approx(long.alive.mean(), abs=0.004)
    for low, high in [(0.0, 0.3), (0.3, 0.6), (0.6, 0.9)]:  # calibrated for each group, not only on average
        group = (said >= low) & (said < high)
        assert said[group].sum() == pytest.approx(long.alive[group].sum(), abs=0.01 * group.sum())
    expected = model.conditional_expected_purchases(params, horizon, long.frequency, long.recency, long.T).mean()
    growth = model.expected_purchases(params, T + horizon) - model.expected_purchases(params, T)
    assert expected == pytest.approx(float(growth), rel=0.01)  # law of total expectation


@pytest.mark.parametrize("model", SPEND_MODELS, ids=repr)
def test_simulated_spend_has_the_mean_of_the_formula(model):
    params, _ = data_for(model)
    rng = np.random.default_rng(6)
    frequency = rng.integers(1, 5, 400_000).astype(float)
    spend = model.simulate(params, frequency, rng)
    for x in (1.0, 4.0):  # who spent the mean of those like her is expected to spend it again
        mean = spend[frequency == x].mean()
        assert model.expected_spend(params, x, mean) == pytest.approx(mean, rel=0.01)
    # what is expected of the future has the same mean as the past
    assert model.expected_spend(params, frequency, spend).mean() == pytest.approx(spend.mean(), rel=0.01)
    assert np.isnan(model.simulate(params, np.zeros(2), rng)).all()


@pytest.mark.parametrize("model", ALL_MODELS, ids=repr)
def test_derivatives_agree_with_differences_of_the_log_likelihood(model):
    params, data = data_for(model, n=60)
    found = model.derivatives(params, *data)
    assert found.value == pytest.approx(model.log_likelihood(params, *data), rel=1e-14)
    for j, (name, value) in enumerate(zip(params._fields, params, strict=True)):
        if name == "k":
            continue  # a whole number has no derivatives
        step = 1e-4 * value
        points = [model.Params(*(v + k * step * (i == j) for i, v in enumerate(params))) for k in (-2, -1, 1, 2)]
        weights = np.array([1, -8, 8, -1]) / (12 * step)  # the five-point rule: its error is of order step⁴
        slope = sum(w * model.log_likelihood(p, *data) for w, p in zip(weights, points, strict=True))
        assert found.gradient[j] == pytest.approx(slope, rel=1e-6, abs=1e-8)
        bend = sum(w * model.derivatives(p, *data).gradient for w, p in zip(weights, points, strict=True))
        assert found.hessian[j] == pytest.approx(bend, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("model", ALL_MODELS, ids=repr)
def test_counts_weigh_as_repeated_rows(model):
    params, data = data_for(model, n=50)
    counts = np.random.default_rng(3).integers(1, 6, 50)
    once = total_of(model, data, counts)(np.log(params))
    repeated = tuple(np.repeat(column, counts) for column in data)
    again = total_of(model, repeated, np.ones(counts.sum(), dtype=np.int64))(np.log(params))
    assert once.value == pytest.approx(again.value, rel=1e-13)
    assert once.gradient == pytest.approx(again.gradient, rel=1e-11, abs=1e-9)
    assert once.hessian == pytest.approx(again.hessian, rel=1e-11, abs=1e-9)


@pytest.mark.parametrize("model", ALL_MODELS, ids=repr)
def test_parameters_may_differ_between_customers(model):
    params, data = data_for(model, n=40)
    other = model.Params(*(value + 1 if name == "k" else 1.3 * value for name, value in params._asdict().items()))
    first = np.arange(40) % 2 == 0
    mixed = model.Params(*(np.where(first, x, y) for x, y in zip(params, other, strict=True)))
    wanted = np.where(first, model.log_likelihood(params, *data), model.log_likelihood(other, *data))
    assert model.log_likelihood(mixed, *data) == pytest.approx(wanted, rel=1e-12)
    one, two, both = (model.derivatives(p, *data) for p in (params, other, mixed))
    assert both.gradient == pytest.approx(np.where(first, one.gradient, two.gradient), rel=1e-9, abs=1e-11)
    assert both.hessian == pytest.approx(np.where(first, one.hessian, two.hessian), rel=1e-9, abs=1e-11)
