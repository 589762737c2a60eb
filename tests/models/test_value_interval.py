"""The interval of the total value: draws from the estimates, how often it covers the truth, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmvalue.clv import customer_value
from crmvalue.errors import InputError
from crmvalue.models import BG_NBD, GAMMA_GAMMA
from crmvalue.models.fit import fit_purchases, fit_spend
from crmvalue.models.value_interval import total_value_interval

TRUTH, SPEND = BG_NBD.Params(0.5, 5.0, 0.9, 2.5), GAMMA_GAMMA.Params(6.0, 4.0, 15.0)
OPTIONS = {"horizon": 6, "discount_rate": 0.1, "margin": 0.3, "cost_to_serve": 1.0}


def population(seed, n=800) -> pd.DataFrame:
    """Draw customers in whole weeks."""
    rng = np.random.default_rng(seed)
    made = BG_NBD.simulate(TRUTH, rng.integers(30, 60, n).astype(float), rng)
    spend = GAMMA_GAMMA.simulate(SPEND, made.frequency, rng)
    return pd.DataFrame(
        {"frequency": made.frequency, "recency": np.round(made.recency), "T": made.T, "monetary_value": spend}
    )


def fits_of(frame):
    """Return the fits of purchases and spend."""
    return fit_purchases(frame, BG_NBD, time_unit="week"), fit_spend(frame)


def test_the_standard_error_is_the_spread_over_estimates_that_could_have_been():
    frame = population(1, 2_000)
    purchases, spend = fits_of(frame)
    found = total_value_interval(frame, purchases, spend, **OPTIONS)
    assert found.total == pytest.approx(customer_value(frame, purchases, spend, **OPTIONS).total, rel=1e-12)
    rng = np.random.default_rng(2)
    totals = []
    for _ in range(150):
        drawn = [
            replace(
                fit,
                params=fit.model.Params(
                    *np.exp(rng.multivariate_normal(np.log(fit.params), fit.log_covariance)).tolist()
                ),
            )
            for fit in (purchases, spend)
        ]
        totals.append(customer_value(frame, *drawn, **OPTIONS).total)
    assert found.standard_error == pytest.approx(np.std(totals), rel=0.2)  # 6 % from 150 draws, and it is not linear
    assert np.log(found.upper / found.total) == pytest.approx(1.959964 * found.standard_error / found.total, rel=1e-5)
    assert found.lower * found.upper == pytest.approx(found.total**2, rel=1e-9)


def test_the_interval_covers_the_expectation_under_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(40):
        frame = population(100 + seed)
        purchases, spend = fits_of(frame)
        found = total_value_interval(frame, purchases, spend, **OPTIONS)
        right = replace(purchases, params=TRUTH), replace(spend, params=SPEND)
        covered += found.lower < customer_value(frame, *right, **OPTIONS).total < found.upper
    assert covered >= 33  # 38 of 40 expected; fewer than 33 has a chance below 1 in 100


def test_a_total_below_0_has_an_interval_around_it():
    frame = population(3)
    found = total_value_interval(frame, *fits_of(frame), **{**OPTIONS, "retention_cost": 10.0}, level=0.9)
    assert found.lower < found.total < found.upper < 0
    assert found.upper - found.total == pytest.approx(1.644854 * found.standard_error, rel=1e-5)


def test_a_parameter_at_its_bound_and_wrong_levels_are_refused():
    frame = population(4)
    purchases, spend = fits_of(frame)
    unknown = replace(purchases, log_covariance=np.full((4, 4), np.nan))
    with pytest.raises(InputError, match="purchases_fit: a parameter was held at its bound"):
        total_value_interval(frame, unknown, spend, **OPTIONS)
    with pytest.raises(InputError, match="level: got 95"):
        total_value_interval(frame, purchases, spend, **OPTIONS, level=95)
