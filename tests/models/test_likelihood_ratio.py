"""Likelihood-ratio tests: known distributions, what is nested in what, and clear refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest

from crmvalue.errors import InputError
from crmvalue.models import BDW, BG_NBD, GAMMA_GAMMA_ON_FREQUENCY, GGOMPERTZ_NBD, MODELS, NBD, PARETO_NBD, SBG
from crmvalue.models.covariates import Covariates
from crmvalue.models.fit import fit_purchases, fit_spend
from crmvalue.models.fit_retention import fit_retention
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.likelihood_ratio import NESTED, likelihood_ratio_test


def customers(seed=1, n=800, effect=0.0):
    """Simulate customers with a coin and a die that may act on their purchases."""
    rng = np.random.default_rng(seed)
    known = pd.DataFrame({"coin": rng.integers(0, 2, n), "die": rng.integers(1, 7, n).astype(float)})
    alpha = 6.0 * np.exp(-effect * known["coin"].to_numpy())
    made = BG_NBD.simulate(BG_NBD.Params(0.8, alpha, 0.9, 2.5), np.full(n, 52.0), rng)
    return known.assign(frequency=made.frequency, recency=made.recency, T=made.T)


def fitted(frame, *columns, model=BG_NBD):
    """Fit with these columns as covariates."""
    return fit_purchases(frame, model, covariates=list(columns) or None, time_unit="week")


def test_without_an_effect_the_p_value_is_uniform():
    found = []
    for seed in range(60):
        frame = customers(seed)
        test = likelihood_ratio_test(fitted(frame, "die"), fitted(frame, "die", "coin"))
        assert (test.degrees_of_freedom, test.is_on_border) == (2, False)
        assert test.p_value == pytest.approx(chi2.sf(test.statistic, 2), rel=1e-12)
        found.append(test.p_value)
    assert kstest(found, "uniform").pvalue > 0.01


def test_an_effect_is_found_and_the_statistic_is_near_the_square_of_z():
    frame = customers(effect=0.4, n=3_000)
    simple, full = fitted(frame), fitted(frame, "coin")
    only = fit_purchases(frame, covariates=Covariates(purchases=["coin"]), time_unit="week")
    test = likelihood_ratio_test(simple, full)
    assert test.p_value < 1e-6
    assert (test.simple, test.full) == ("BG/NBD", "BG/NBD with 2 effects of covariates")
    one = likelihood_ratio_test(simple, only)
    assert one.degrees_of_freedom == 1
    assert one.statistic == pytest.approx(only.to_frame().loc["purchases, coin", "z"] ** 2, rel=0.1)
    rest = likelihood_ratio_test(only, full)
    assert one.statistic + rest.statistic == pytest.approx(test.statistic, rel=1e-9)


def test_equal_effects_are_nested_in_free_ones():
    frame = customers(effect=0.4)
    tied = fit_purchases(frame, covariates=Covariates(equal=["coin"]), time_unit="week")
    free = fitted(frame, "coin")
    test = likelihood_ratio_test(tied, free)
    assert (test.degrees_of_freedom, test.statistic) == (
        1,
        pytest.approx(2 * (free.log_likelihood - tied.log_likelihood)),
    )
    with pytest.raises(InputError, match="full has one effect 'purchases = dropout, coin' where simple has two or one"):
        likelihood_ratio_test(fit_purchases(frame, covariates=Covariates(purchases=["coin"]), time_unit="week"), tied)


def test_on_the_border_half_of_the_chance_is_that_of_one_degree_less():
    frame = customers()
    test = likelihood_ratio_test(fitted(frame, "coin", model=NBD), fitted(frame, "coin"))
    assert test.is_on_border
    assert test.degrees_of_freedom == 3  # a, b, and the effect on dropout
    assert test.p_value == pytest.approx(0.5 * (chi2.sf(test.statistic, 3) + chi2.sf(test.statistic, 2)), rel=1e-12)


def test_nested_models_of_spend_and_contracts_are_tested():
    rng = np.random.default_rng(3)
    x = 1.0 + rng.negative_binomial(0.5, 0.15, 2_000)
    spend = GAMMA_GAMMA.simulate(GAMMA_GAMMA.Params(6.0, 4.0, 15.0), x, rng)
    frame = pd.DataFrame({"frequency": x, "monetary_value": spend})
    test = likelihood_ratio_test(fit_spend(frame), fit_spend(frame, GAMMA_GAMMA_ON_FREQUENCY))
    assert (test.degrees_of_freedom, test.is_on_border) == (1, False)
    assert test.p_value > 0.01
    contracts = pd.DataFrame({"period": range(8), "survivors": [1000, 869, 743, 653, 593, 551, 517, 491]})
    sbg, bdw = (fit_retention(contracts, model, time_unit="year") for model in (SBG, BDW))
    assert likelihood_ratio_test(sbg, bdw).statistic == pytest.approx(2 * (bdw.log_likelihood - sbg.log_likelihood))


def test_the_nested_pairs_are_models_of_one_kind():
    for simple, full in NESTED:
        assert type(MODELS[simple]) is type(MODELS[full])
        assert len(MODELS[simple].Params._fields) < len(MODELS[full].Params._fields)


def test_fits_that_do_not_nest_are_refused_with_the_reason():
    frame = customers()
    coin, die, plain = fitted(frame, "coin"), fitted(frame, "die"), fitted(frame)
    with pytest.raises(InputError, match="has the effect 'dropout, coin', which full has not"):
        likelihood_ratio_test(coin, fitted(frame, "die", "coin", model=BG_NBD) and die)
    with pytest.raises(InputError, match="BG/NBD is no special case of Pareto/NBD. Nested are NBD in BG_NBD"):
        likelihood_ratio_test(plain, fitted(frame, model=PARETO_NBD))
    with pytest.raises(InputError, match="estimates no more than simple"):
        likelihood_ratio_test(plain, plain)
    with pytest.raises(InputError, match=r"not fitted to the same customers: 799 in simple, 800 in full"):
        likelihood_ratio_test(fitted(frame.head(799)), coin)
    drawn = fit_purchases(frame, covariates=["coin"], penalty=1, time_unit="week")
    with pytest.raises(InputError, match="penalty: a fit with a penalty is not one of maximum likelihood"):
        likelihood_ratio_test(plain, drawn)
    with pytest.raises(InputError, match="less likely than simple, so it was fitted to other data"):
        likelihood_ratio_test(dataclasses.replace(plain, log_likelihood=-1.0), coin)
    limit = fitted(customers(n=300), model=GGOMPERTZ_NBD)
    if limit.model is PARETO_NBD:  # then there is nothing to test
        with pytest.raises(InputError, match="estimates no more than simple"):
            likelihood_ratio_test(fitted(customers(n=300), model=PARETO_NBD), limit)
