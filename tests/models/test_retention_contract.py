"""Every model of retention in the registry obeys the same laws; a new one comes under them by its line there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.models import MODELS
from crmvalue.models.bdw import BDW
from crmvalue.models.likelihood import total_of
from crmvalue.models.model import RetentionModel
from crmvalue.models.sbg import SBG

RETENTION_MODELS = [model for model in MODELS.values() if isinstance(model, RetentionModel)]
each_model = pytest.mark.parametrize("model", RETENTION_MODELS, ids=repr)
pseudo_count = st.floats(1e-3, 1e4)
power = st.floats(0.05, 5)


def params_of(model, leave, stay, c):
    """Return parameters of these pseudo-counts, or of the mean rate that they make, with this power of time."""
    rate, begin = np.log1p(leave / stay), 0.84 * stay / leave
    values = {
        "alpha": leave,
        "beta": stay,
        "gamma": leave,
        "delta": stay,
        "c": c,
        "rate": rate,
        "begin": begin,
        "power": leave * c,
    }
    return model.Params(*(values[name] for name in model.Params._fields))


@st.composite
def cases(draw):
    """Draw a model and its parameters."""
    model = draw(st.sampled_from(RETENTION_MODELS))
    return model, params_of(model, draw(pseudo_count), draw(pseudo_count), draw(power))


def data_for(model, n=60):
    """Simulate contracts, and the parameters that they are drawn from."""
    params = params_of(model, 0.8, 2.0, 1.3)
    made = model.simulate(params, np.random.default_rng(7).integers(0, 9, n), np.random.default_rng(8))
    return params, (made.tenure, made.churned.astype(float))


@settings(max_examples=200, deadline=None)
@given(case=cases(), t=st.integers(1, 5_000))
def test_survival_starts_at_one_and_falls_by_those_who_leave(case, t):
    model, params = case
    periods = np.array([0.0, t - 1, t])
    survival = np.exp(model.log_survival(params, periods))
    assert survival[0] == 1
    assert 0 <= survival[2] <= survival[1] <= 1
    leaving = np.exp(model.log_leaving(params, float(t)))
    assert 0 <= leaving <= 1
    assert leaving == pytest.approx(survival[1] - survival[2], rel=1e-7, abs=1e-14)  # the difference loses digits
    rate = model.retention_rate(params, float(t))
    assert 0 <= rate <= 1
    if rate > 0:  # it may be below the smallest number
        change = np.diff(model.log_survival(params, periods[1:]))[0]
        assert np.log(rate) == pytest.approx(change, rel=1e-6, abs=1e-11)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_the_chances_to_leave_and_to_stay_sum_to_one(case):
    model, params = case
    left = np.exp(model.log_leaving(params, np.arange(1.0, 3_001))).sum()
    assert left + np.exp(model.log_survival(params, 3_000.0)) == pytest.approx(1, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(case=cases(), tenure=st.integers(0, 1_000), rate=st.floats(1e-6, 1), stop=st.integers(1, 10**6))
def test_the_lifetime_that_remains_is_finite_and_within_its_bounds(case, tenure, rate, stop):
    model, params = case
    whole = model.residual_lifetime(params, tenure, rate, np.inf)
    part = model.residual_lifetime(params, tenure, rate, stop)
    assert 1 <= part <= whole * (1 + 1e-12)
    assert whole <= (1 + rate) / rate * (1 + 1e-12)  # of one who never leaves
    # the value today is this period's 1 and the discounted value of those who renew
    renew = model.retention_rate(params, tenure + 1.0) / (1 + rate)
    assert whole == pytest.approx(1 + renew * model.residual_lifetime(params, tenure + 1, rate, np.inf), rel=1e-11)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_the_expected_lifetime_is_the_discounted_one_at_a_rate_of_almost_nothing(case):
    model, params = case
    undiscounted = model.residual_lifetime(params, 0, 0.0, np.inf)
    assert undiscounted >= model.residual_lifetime(params, 0, 1e-9, np.inf) * (1 - 1e-12)
    c = getattr(params, "c", 1.0)
    # survival falls like this power of time, or faster
    tail = np.inf if "rate" in params._fields else getattr(params, "power", params[0] * c)
    assert np.isinf(undiscounted) == (tail <= 1) or undiscounted > 1e300
    if tail > 4 and c > 0.5 and undiscounted < 1e3:  # then the discount of late periods does not matter
        assert model.residual_lifetime(params, 0, 1e-12, np.inf) == pytest.approx(undiscounted, rel=1e-6)


@each_model
def test_simulated_customers_stay_as_the_formulas_say(model):
    params = params_of(model, 4.5, 9.0, 1.2)
    rng = np.random.default_rng(9)
    ever = model.simulate(params, np.full(400_000, np.inf), rng).tenure
    for t in (1, 2, 5, 10):
        assert (ever > t).mean() == pytest.approx(float(np.exp(model.log_survival(params, t))), abs=0.003)  # 4 sigma
    assert ever.mean() == pytest.approx(float(model.residual_lifetime(params, 0, 0.0, np.inf)), rel=0.01)
    there = ever[ever > 3]
    assert (there - 3).mean() == pytest.approx(float(model.residual_lifetime(params, 3, 0.0, np.inf)), rel=0.015)
    paid = (1 - 1.1 ** -(there - 3)) / (1 - 1 / 1.1)  # 1 at the start of each period, at 10 %
    assert paid.mean() == pytest.approx(float(model.residual_lifetime(params, 3, 0.1, np.inf)), rel=0.01)
    assert np.minimum(there - 3, 4).mean() == pytest.approx(float(model.residual_lifetime(params, 3, 0.0, 4)), rel=0.01)


@each_model
def test_a_simulation_ends_where_observation_does(model):
    periods = np.array([0, 1, 3, 8] * 500)
    made = model.simulate(params_of(model, 1.0, 2.0, 0.8), periods, np.random.default_rng(10))
    assert (made.tenure <= periods).all()
    assert (made.tenure[~made.churned] == periods[~made.churned]).all()
    assert (made.tenure[made.churned] >= 1).all()


@each_model
def test_derivatives_agree_with_differences_of_the_log_likelihood(model):
    params, data = data_for(model)
    found = model.derivatives(params, *data)
    assert found.value == pytest.approx(model.log_likelihood(params, *data), rel=1e-14)
    for j, value in enumerate(params):
        step = 1e-4 * value
        points = [model.Params(*(v + k * step * (i == j) for i, v in enumerate(params))) for k in (-2, -1, 1, 2)]
        weights = np.array([1, -8, 8, -1]) / (12 * step)  # the five-point rule: its error is of order step⁴
        slope = sum(w * model.log_likelihood(p, *data) for w, p in zip(weights, points, strict=True))
        assert found.gradient[j] == pytest.approx(slope, rel=1e-6, abs=1e-8)
        bend = sum(w * model.derivatives(p, *data).gradient for w, p in zip(weights, points, strict=True))
        assert found.hessian[j] == pytest.approx(bend, rel=1e-6, abs=1e-8)


@each_model
def test_counts_weigh_as_repeated_rows(model):
    params, data = data_for(model)
    counts = np.random.default_rng(3).integers(1, 6, len(data[0]))
    once = total_of(model, data, counts)(np.log(params))
    repeated = tuple(np.repeat(column, counts) for column in data)
    again = total_of(model, repeated, np.ones(counts.sum(), dtype=np.int64))(np.log(params))
    assert once.value == pytest.approx(again.value, rel=1e-13)
    assert once.gradient == pytest.approx(again.gradient, rel=1e-11, abs=1e-9)
    assert once.hessian == pytest.approx(again.hessian, rel=1e-11, abs=1e-9)


@each_model
def test_parameters_may_differ_between_customers(model):
    params, data = data_for(model, n=40)
    other = model.Params(*(1.3 * value for value in params))
    first = np.arange(40) % 2 == 0
    mixed = model.Params(*(np.where(first, x, y) for x, y in zip(params, other, strict=True)))
    wanted = np.where(first, model.log_likelihood(params, *data), model.log_likelihood(other, *data))
    assert model.log_likelihood(mixed, *data) == pytest.approx(wanted, rel=1e-12)
    one, two, both = (model.derivatives(p, *data) for p in (params, other, mixed))
    assert both.gradient == pytest.approx(np.where(first, one.gradient, two.gradient), rel=1e-9, abs=1e-11)
    assert both.hessian == pytest.approx(np.where(first, one.hessian, two.hessian), rel=1e-9, abs=1e-11)
    lifetimes = [model.residual_lifetime(p, data[0], 0.01, np.inf) for p in (params, other, mixed)]
    assert lifetimes[2] == pytest.approx(np.where(first, *lifetimes[:2]), rel=1e-13)


@settings(max_examples=100, deadline=None)
@given(alpha=pseudo_count, beta=pseudo_count, t=st.integers(1, 1_000))
def test_under_sbg_the_retention_rate_rises_with_tenure(alpha, beta, t):
    params = SBG.Params(alpha, beta)
    rates = SBG.retention_rate(params, np.array([t, t + 1.0]))
    assert rates[1] >= rates[0]
    assert rates[0] == pytest.approx((beta + t - 1) / (alpha + beta + t - 1), rel=1e-14)  # eq. 8


@settings(max_examples=100, deadline=None)
@given(alpha=pseudo_count, beta=pseudo_count, tenure=st.integers(0, 500), churned=st.booleans())
def test_bdw_without_duration_dependence_is_sbg(alpha, beta, tenure, churned):
    churned = churned and tenure > 0
    simple, wide = SBG.Params(alpha, beta), BDW.Params(alpha, beta, 1.0)
    row = np.array([float(tenure)]), np.array([float(churned)])
    assert BDW.log_likelihood(wide, *row) == pytest.approx(SBG.log_likelihood(simple, *row), rel=1e-11)
    gradients = [model.derivatives(p, *row).gradient[:2] for model, p in ((SBG, simple), (BDW, wide))]
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-10, abs=1e-300)
    ahead = BDW.residual_lifetime(wide, tenure, 0.05, np.inf)
    assert ahead == pytest.approx(SBG.residual_lifetime(simple, tenure, 0.05, np.inf), rel=1e-12)
