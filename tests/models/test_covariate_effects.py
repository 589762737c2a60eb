"""Effects in purchases and money: by hand, by plain predictions before and after, and by drawing from the estimates."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crmvalue.errors import InputError
from crmvalue.models import BG_BB, BG_NBD, GAMMA_GAMMA, MBG_NBD, PARETO_NBD
from crmvalue.models import covariate_effects as module
from crmvalue.models.covariate_effects import covariate_effects
from crmvalue.models.covariates import Effect
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.predictions import expected_purchases

EFFECTS = (
    Effect(("purchases",), "channel", "app", "web", -0.4),
    Effect(("purchases",), "channel", "store", "web", 0.5),
    Effect(("purchases", "dropout"), "age", None, 40.0, 0.02),
    Effect(("dropout",), "vip", None, 0.0, -0.5),
)


def fit_of(model=BG_NBD, params=(0.8, 6.0, 0.9, 2.5)):
    """Return a fit with effects whose errors are correlated."""
    k = len(params) + len(EFFECTS)
    root = np.random.default_rng(1).normal(0, 0.03, (k, k)) * np.array([1.0] * (k - 2) + [0.1, 1.0])[:, None]
    return PurchaseFit(
        model=model,
        params=model.Params(*params),
        log_covariance=root @ root.T,
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=9,
        time_unit="week",
        effects=EFFECTS,
    )


SPEND = SpendFit(
    model=GAMMA_GAMMA,
    params=GAMMA_GAMMA.Params(6.0, 4.0, 15.0),
    log_covariance=np.diag([0.01, 0.002, 0.01, 0.0004]),
    log_likelihood=-9.0,
    gradient_norm=0.0,
    n_customers=9,
    n_without_repeat=0,
    n_not_positive=0,
    effects=(Effect(("spend",), "vip", None, 0.0, 0.3),),
)


def known_of(n=300):
    """Draw covariates."""
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {"channel": rng.choice(["web", "app", "store"], n), "age": rng.normal(40, 9, n), "vip": rng.integers(0, 2, n)}
    )


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (BG_NBD, (0.8, 6.0, 0.9, 2.5)),
        (MBG_NBD, (0.8, 6.0, 0.9, 2.5)),
        (PARETO_NBD, (0.8, 6.0, 0.9, 12.0)),
        (BG_BB, (1.2, 0.75, 0.66, 2.8)),
    ],
    ids=["BG/NBD", "MBG/NBD", "Pareto/NBD", "BG/BB"],
)
def test_a_change_is_the_mean_of_two_predictions_for_every_customer(model, params):
    fit, known = fit_of(model, params), known_of(40)
    table = covariate_effects(fit, known, horizon=30).to_frame().set_index(["covariate", "change"])
    before_after = {
        ("channel", "web → app"): (known.assign(channel="web"), known.assign(channel="app")),
        ("channel", "web → store"): (known.assign(channel="web"), known.assign(channel="store")),
        ("age", "+1"): (known, known.assign(age=known["age"] + 1)),
        ("vip", "0 → 1"): (known.assign(vip=0), known.assign(vip=1)),
    }
    assert set(table.index) == set(before_after)
    for change, (before, after) in before_after.items():
        low, high = (expected_purchases(fit, 30, covariates=kinds).mean() for kinds in (before, after))
        assert table.loc[change, "purchases_before"] == pytest.approx(low, rel=1e-10)
        assert table.loc[change, "purchases_change"] == pytest.approx(high - low, rel=1e-8)
        assert table.loc[change, "value_change"] == pytest.approx(high - low, rel=1e-8)  # 1 a purchase, no discount


def test_a_step_of_its_own_raises_a_number_by_that_much():
    fit, known = fit_of(), known_of(40)
    found = covariate_effects(fit, known, horizon=30, steps={"age": -10})
    row = found.changes.index("-10")
    low, high = (
        expected_purchases(fit, 30, covariates=kinds).mean() for kinds in (known, known.assign(age=known["age"] - 10))
    )
    assert found.purchases[row, 0] == pytest.approx(high - low, rel=1e-8)
    with pytest.raises(InputError, match="steps: got 'ages'. Use one of 'channel', 'age', 'vip'"):
        covariate_effects(fit, known, horizon=30, steps={"ages": 2})
    with pytest.raises(InputError, match="steps: got 0 for 'age'"):
        covariate_effects(fit, known, horizon=30, steps={"age": 0})


def test_value_is_discounted_purchases_times_margin_and_mean_spend():
    fit, known = fit_of(), known_of(25)
    found = covariate_effects(fit, known, horizon=52, spend=SPEND, margin=0.4, discount_rate=0.1)
    table = found.to_frame().set_index("change")
    rate = 1.1 ** (7 / 365.25)

    def value(kinds, vip):
        upto = expected_purchases(fit, np.arange(53), covariates=kinds)
        each = (np.diff(upto) * rate ** -np.arange(1.0, 53)).sum(axis=1)
        return float((0.4 * each * 6 * 15 * np.exp(0.3 * vip) / 3).mean())

    low, high = value(known.assign(vip=0), 0.0), value(known.assign(vip=1), 1.0)
    assert table.loc["0 → 1", "value_before"] == pytest.approx(low, rel=1e-7)
    assert table.loc["0 → 1", "value_change"] == pytest.approx(high - low, rel=1e-6)
    app = value(known.assign(channel="app"), known["vip"].to_numpy())
    web = value(known.assign(channel="web"), known["vip"].to_numpy())
    assert table.loc["web → app", "value_change"] == pytest.approx(app - web, rel=1e-6)
    assert covariate_effects(fit, known, horizon=5, spend=20, margin=0.5).value[0, 0] == pytest.approx(
        10 * covariate_effects(fit, known, horizon=5).purchases[0, 0]
    )


def test_intervals_are_those_of_estimates_drawn_from_their_errors():
    fit, known = fit_of(), known_of(60)
    found = covariate_effects(fit, known, horizon=52, spend=SPEND, level=0.95)
    rng, drawn = np.random.default_rng(4), []
    k, root = len(fit.params), np.linalg.cholesky(fit.log_covariance + 1e-14 * np.eye(8))
    for _ in range(600):
        z = root @ rng.normal(size=8)
        w = np.sqrt(np.diag(SPEND.log_covariance)) * rng.normal(size=4)
        other = dataclasses.replace(
            fit,
            params=BG_NBD.Params(*(np.array(fit.params) * np.exp(z[:k])).tolist()),
            effects=tuple(e._replace(coefficient=e.coefficient + d) for e, d in zip(EFFECTS, z[k:], strict=True)),
        )
        p, q, v = np.array(SPEND.params) * np.exp(w[:3])
        means = [p * v * np.exp(vip * (0.3 + w[3])) / (q - 1) for vip in (0, 1)]
        low, high = (expected_purchases(other, 52, covariates=known.assign(vip=vip)).mean() for vip in (0, 1))
        drawn.append((high - low, high * means[1] - low * means[0]))
    spread = 1.96 * np.std(drawn, axis=0)
    row = found.changes.index("0 → 1")
    for interval, half in zip((found.purchases[row], found.value[row]), spread, strict=True):
        assert interval[2] - interval[0] == pytest.approx(half, rel=0.12)  # of 600 draws, and of a line for a curve
        assert interval[0] - interval[1] == pytest.approx(interval[2] - interval[0])


def test_many_customers_give_the_intervals_of_a_few_hundred_of_them(monkeypatch):
    fit, known = fit_of(), known_of(6_000)
    some = covariate_effects(fit, known, horizon=52)
    monkeypatch.setattr(module, "MOST_PATTERNS", 6_000)
    everyone = covariate_effects(fit, known, horizon=52)
    assert some.purchases[:, 0] == pytest.approx(everyone.purchases[:, 0], rel=1e-12)
    width = everyone.purchases[:, 2] - everyone.purchases[:, 1]
    assert some.purchases[:, 2] - some.purchases[:, 1] == pytest.approx(width, rel=0.02)  # 1 in 3 of them


def test_customers_who_share_covariates_count_as_often_as_they_are():
    fit, known = fit_of(), known_of(12)
    twice = pd.concat([known, known.head(4), known.head(4)])
    found = covariate_effects(fit, twice, horizon=20)
    assert found.n_customers == 20
    weights = np.array([3.0] * 4 + [1.0] * 8) / 20
    web = expected_purchases(fit, 20, covariates=known.assign(channel="web"))
    assert found.purchases_before[0] == pytest.approx(float(weights @ web), rel=1e-12)


def test_every_engine_gives_the_same_effects(as_engine):
    fit, known = fit_of(), known_of(30)
    wanted = covariate_effects(fit, known, horizon=20, spend=SPEND)
    found = covariate_effects(fit, as_engine(known), horizon=20, spend=SPEND)
    assert found.value == pytest.approx(wanted.value, rel=1e-9)
    assert found.n_customers == 30


def test_a_result_shows_one_line_a_change():
    found = covariate_effects(fit_of(), known_of(30), horizon=20)
    assert "of a new customer over 20 weeks" in repr(found)
    assert "channel: web → store  purchases +" in repr(found)
    assert (found.covariates[0], found.level) == ("channel", 0.95)


def test_what_has_no_covariates_or_no_mean_is_refused():
    fit, known = fit_of(), known_of(5)
    plain = dataclasses.replace(fit, effects=(), log_covariance=np.eye(4))
    with pytest.raises(InputError, match="fit: has no covariates"):
        covariate_effects(plain, known, horizon=5)
    assert covariate_effects(plain, known, horizon=5, spend=SPEND).covariates == ("vip",)
    heavy = dataclasses.replace(SPEND, params=GAMMA_GAMMA.Params(6.0, 0.9, 15.0))
    with pytest.raises(InputError, match="spend: the fit has too heavy a tail for a population mean"):
        covariate_effects(fit, known, horizon=5, spend=heavy)
    with pytest.raises(InputError, match=r"channel: levels that the fit does not know \('fax'\)"):
        covariate_effects(fit, known.replace({"channel": {"app": "fax", "web": "fax", "store": "fax"}}), horizon=5)
    with pytest.raises(InputError, match="column 'vip' is missing"):
        covariate_effects(fit, known.drop(columns="vip"), horizon=5)
    with pytest.raises(InputError, match="horizon"):
        covariate_effects(fit, known, horizon=0)
