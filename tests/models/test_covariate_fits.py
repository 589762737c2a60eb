"""Every fit with covariates comes back, and no rival finds a higher likelihood."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from crmvalue.models import MODELS
from crmvalue.models.covariates import params_with
from crmvalue.models.fit import fit_purchases
from crmvalue.models.regularity import with_k

TRUTHS = {
    "NBD": (0.4, 8.0),
    "BG_NBD": (0.6, 6.0, 0.8, 2.4),
    "MBG_NBD": (0.6, 6.0, 0.8, 2.4),
    "PARETO_NBD": (0.6, 8.0, 0.6, 11.0),
    "GGOMPERTZ_NBD": (0.8, 4.0, 0.05, 1.5, 10.0),
    "BG_BB": (1.2, 0.8, 0.7, 2.8),
}


def known_of(n, rng):
    """Covariates as shops have them: years, money, a rare level, and one that almost follows from another."""
    age = np.floor(rng.uniform(18, 80, n))
    return pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "age": age,
            "income": np.round(rng.lognormal(10.5, 0.8, n), -2),
            "kind": np.where(np.arange(n) < 3, "rare", "common"),
            "since": 2000 - age + rng.normal(0, 1.0, n),
        }
    )


def drawn(name, known, values, rng, T):
    """Draw purchases that follow age and income."""
    model = MODELS[name]
    age, income = (known["age"].to_numpy() - 50) / 18, np.log(known["income"].to_numpy()) - 10.5
    scores = {process.name: 0.4 * age - 0.3 * income for process in model.processes}
    made = model.simulate(params_with(model, model.Params(*values), scores), T, rng)
    return pd.DataFrame({name: getattr(made, name) for name in ("frequency", "recency", "T")}).assign(
        customer_id=known["customer_id"]
    )


def columns_of(known, effects):
    """Each effect's column, by the definition in the guide."""
    values = []
    for effect in effects:
        column = known[effect.column].to_numpy()
        values.append(column == effect.level if effect.level else column - effect.reference)
    return np.array(values, dtype=float)


def rival(fit, frame, known, start):
    """Return the highest penalised log-likelihood that L-BFGS finds from a start, row by row and without our slopes."""
    model, data = fit.model, [frame[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    columns = columns_of(known, fit.effects)
    scales = columns.std(axis=1)
    k = len(fit.params)

    def value(point):
        scores = {process.name: np.zeros(len(frame)) for process in model.processes}
        for effect, coefficient, column, scale in zip(fit.effects, point[k:], columns, scales, strict=True):
            for process in effect.processes:
                scores[process] = scores[process] + coefficient / scale * column
        params = params_with(model, model.Params(*np.exp(point[:k])), scores)
        total = float(model.log_likelihood(params, *data).sum()) - 0.5 * fit.penalty * float(point[k:] @ point[k:])
        return -total if np.isfinite(total) else 1e10

    ours = np.append(np.log(fit.params), [effect.coefficient for effect in fit.effects] * scales)
    bounds = [(-14, 14)] * k + [(-8, 8)] * len(scales)
    with np.errstate(all="ignore"):
        found = minimize(value, ours + start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return -found.fun, -value(ours)


@pytest.mark.parametrize("name", list(TRUTHS))
def test_no_rival_finds_a_higher_likelihood(name):
    rng = np.random.default_rng(len(name))
    known = known_of(300, rng)
    T = np.floor(rng.uniform(10, 60, 300)) if name != "BG_BB" else np.full(300, 9.0)
    frame = drawn(name, known, TRUTHS[name], rng, T)
    fit = fit_purchases(frame, MODELS[name], covariates=known, time_unit="week")
    for _ in range(2):
        size = len(fit.params) + len(fit.effects)
        theirs, ours = rival(fit, frame, known, rng.normal(0, 0.3, size))
        assert theirs <= ours + 1e-6


@pytest.mark.parametrize(("name", "n"), [*product(TRUTHS, [40, 200]), ("BG_CNBD_K", 40)])
def test_fits_of_the_few_who_bought_again_come_back(name, n):
    values = TRUTHS.get(name) or (*TRUTHS["BG_NBD"], 2.0)
    model = MODELS[name] if name in TRUTHS else with_k(MODELS[name], 3)  # each k is a long search where so few returned
    for seed in range(2):
        rng = np.random.default_rng(seed)
        known = known_of(n, rng)
        T = rng.integers(1, 70, n) / 7 if name != "BG_BB" else np.floor(rng.uniform(2, 12, n))
        rare = [0.1, 3.0, 3.0, 0.5] if name == "BG_BB" else [values[0] / 2, values[1] * 3, *values[2:]]
        frame = drawn(name, known, rare, rng, T)
        if not frame["frequency"].any():
            frame.loc[0, ["frequency", "recency"]] = 1.0, frame.loc[0, "T"]
        fit = fit_purchases(frame, model, covariates=known, time_unit="week")
        assert np.isfinite(fit.log_likelihood)
        assert all(np.isfinite(effect.coefficient) for effect in fit.effects)
        assert fit.health  # so few cannot say everything
