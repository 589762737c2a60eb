"""Customers with contracts: survival, retention and value against the papers, sums by hand, and every engine."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import pytest

from crmvalue.contracts import contract_value, expected_residual_lifetime, retention_rates, survival_curve
from crmvalue.errors import InputError
from crmvalue.models.bdw import BDW
from crmvalue.models.fit_retention import RetentionFit, fit_retention
from crmvalue.models.sbg import SBG
from tests.conftest import to_pandas

# Fader & Hardie (2007), table 1
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]


def fit_of(model, *params, time_unit="year") -> RetentionFit:
    """Return a fit with these parameters."""
    return RetentionFit(
        model=model, params=model.Params(*params), log_covariance=np.eye(len(params)), log_likelihood=-9.0,
        gradient_norm=0.0, n_customers=9, n_churned=4, time_unit=time_unit,
    )  # fmt: skip


def customers(tenure, **more) -> pd.DataFrame:
    """Return a frame of customers who are still there."""
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(tenure))], "tenure": tenure, **more})


def test_survival_follows_the_recursion_of_the_paper():
    fit = fit_of(SBG, 0.668, 3.806)
    leaving, left = 0.668 / 4.474, 1.0  # eq. 7: P(T = t) from P(T = t − 1)
    expected = [1.0]
    for t in range(1, 9):
        leaving *= 1 if t == 1 else (3.806 + t - 2) / (0.668 + 3.806 + t - 1)
        left -= leaving
        expected.append(left)
    assert survival_curve(fit, range(9)) == pytest.approx(expected, rel=1e-12)
    assert retention_rates(fit, range(1, 9)) == pytest.approx(np.divide(expected[1:], expected[:-1]), rel=1e-12)
    assert survival_curve(fit, [[0, 1], [2, 3]]).shape == (2, 2)


def test_the_fitted_curve_stays_close_to_the_cohort():
    fit = fit_retention(pd.DataFrame({"period": range(8), "survivors": HIGH_END}), BDW, time_unit="year")
    assert 1000 * survival_curve(fit, range(8)) == pytest.approx(HIGH_END, abs=10)


def test_the_value_of_a_customer_agrees_with_the_formula_of_the_paper():
    # Fader & Hardie (2010), DERL: just before the n-th renewal, (β+n−1)/(α+β+n−1) 2F1(1, β+n; α+β+n; 1/(1+d))
    alpha, beta, d, renewals = 1.281, 7.790, 0.1, 3
    fit = fit_of(SBG, alpha, beta, time_unit="year")
    stay = (beta + renewals - 1) / (alpha + beta + renewals - 1)
    paper = stay * mpmath.hyp2f1(1, beta + renewals, alpha + beta + renewals, 1 / (1 + d))
    found = contract_value(fit, customers([renewals - 1]), contribution=1.0, discount_rate=d, first_payment=1)
    # the paper discounts to the renewal itself, here one period ahead of the payment that has been made
    assert found.total * (1 + d) == pytest.approx(float(paper), rel=1e-12)
    new = contract_value(fit, customers([0]), contribution=1.0, discount_rate=d)
    assert new.total == pytest.approx(float(mpmath.hyp2f1(1, beta, alpha + beta, 1 / (1 + d))), rel=1e-12)


@pytest.mark.parametrize("params", [(SBG, 0.7, 1.2), (BDW, 0.7, 1.2, 1.4)])
def test_value_is_the_sum_of_the_discounted_payments(params):
    fit = fit_of(*params, time_unit="month")
    monthly = 1.1 ** (1 / 12)
    for first, horizon in [(0, 12), (1, 12), (12, 36), (0, 1)]:
        people = customers([0, 5, 30], margin=[10.0, 20.0, -1.0])
        found = contract_value(
            fit, people, contribution="margin", discount_rate=0.1, first_payment=first, horizon=horizon
        )
        k = np.arange(first, horizon)
        chances = [survival_curve(fit, n + k) / survival_curve(fit, n) for n in people["tenure"]]
        assert found.frame["expected_periods"].to_numpy() == pytest.approx(
            [chance.sum() for chance in chances], rel=1e-11
        )
        sums = np.array([chance @ monthly ** -k.astype(float) for chance in chances]) * people["margin"].to_numpy()
        assert found.frame["value"].to_numpy() == pytest.approx(sums, rel=1e-11)
        assert found.total == pytest.approx(sums.sum(), rel=1e-11)
        assert (found.n, found.first_payment, found.horizon, found.time_unit) == (3, first, horizon, "month")


def test_parts_of_the_horizon_add_up_to_the_whole():
    fit, people = fit_of(BDW, 0.21, 1.43, 1.72), customers([0, 1, 8])
    parts = [(0, 1), (1, 40), (40, 3_000), (3_000, np.inf)]
    values = [
        contract_value(fit, people, contribution=5.0, discount_rate=0.01, first_payment=first, horizon=end).total
        for first, end in parts
    ]
    whole = contract_value(fit, people, contribution=5.0, discount_rate=0.01)
    assert sum(values) == pytest.approx(whole.total, rel=1e-11)


def test_older_customers_are_worth_more_although_nobody_changes():
    found = contract_value(fit_of(SBG, 0.7, 1.2), customers(range(30)), contribution=1.0, discount_rate=0.1)
    assert (np.diff(found.frame["value"]) > 0).all()


def test_the_mean_lifetime_is_infinite_where_the_tail_is_heavy_and_it_is_said():
    heavy = fit_of(SBG, 0.704, 1.182)
    assert np.isinf(expected_residual_lifetime(heavy, [0, 5])).all()
    assert np.isinf(expected_residual_lifetime(fit_of(BDW, 1.5, 2.0, 0.6), 0))
    assert np.isfinite(expected_residual_lifetime(fit_of(BDW, 1.5, 2.0, 0.7), 0))
    with pytest.raises(InputError, match="discount_rate: at 0 the value of these customers is infinite"):
        contract_value(heavy, customers([0]), contribution=1.0, discount_rate=0.0)
    found = contract_value(heavy, customers([0]), contribution=1.0, discount_rate=0.1)
    assert np.isinf(found.frame["expected_periods"][0])
    assert np.isfinite(found.total)
    ends = contract_value(heavy, customers([0]), contribution=1.0, discount_rate=0.0, horizon=10)
    assert ends.total == pytest.approx(survival_curve(heavy, range(10)).sum())


def test_contract_value_stays_in_the_engine(as_engine):
    people = customers([0, 3, 3, 12], margin=[1.5, 2.0, 0.0, 4.0], other=["x", "y", "z", "w"])
    fit = fit_of(BDW, 0.8, 2.0, 1.2, time_unit="month")
    wanted = contract_value(fit, people, contribution="margin", discount_rate=0.2)
    found = contract_value(fit, as_engine(people), contribution="margin", discount_rate=0.2)
    table = to_pandas(found.frame).sort_values("customer_id")
    assert list(table.columns) == ["customer_id", "tenure", "expected_periods", "value"]
    assert table["value"].to_numpy(dtype=float) == pytest.approx(wanted.frame["value"].to_numpy(), rel=1e-12)
    assert found.total == pytest.approx(wanted.total, rel=1e-12)
    same = contract_value(fit, as_engine(people), contribution=2.0, discount_rate=0.2)
    assert same.total == pytest.approx(2 * (wanted.frame["value"] / people["margin"])[[0, 1, 1, 3]].sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        ({"tenure": [1, -1]}, {}, "tenure: negative in 1 of 2 rows \\(customer c1\\). tenure counts"),
        ({"tenure": [1, 0.5]}, {}, "tenure: not a whole number in 1 of 2 rows \\(customer c1\\)"),
        ({"tenure": [1, np.nan]}, {}, "tenure: missing or infinite in 1 of 2 rows \\(customer c1\\)"),
        (
            {"margin": [1, np.nan]},
            {"contribution": "margin"},
            "margin: missing or infinite in 1 of 2 rows \\(customer c1",
        ),
        ({"margin": ["1", "2"]}, {"contribution": "margin"}, "contribution: column holds"),
        ({}, {"contribution": "margin"}, "column 'margin' is missing"),
        ({}, {"contribution": np.nan}, "contribution: got nan"),
        ({}, {"discount_rate": -0.1}, "discount_rate: got -0.1. Pass a finite number, at least 0"),
        ({}, {"first_payment": 0.5}, "first_payment: got 0.5"),
        ({}, {"first_payment": -1}, "first_payment: got -1"),
        ({}, {"horizon": 0}, "horizon: got 0"),
        ({}, {"horizon": 2.5}, "horizon: got 2.5. Pass a whole number of periods above first_payment"),
        ({}, {"horizon": 3, "first_payment": 3}, "horizon: got 3"),
        ({}, {"horizon": np.nan}, "horizon: got nan"),
    ],
)
def test_bad_input_is_refused(columns, arguments, message):
    people = customers([1, 2]).assign(**columns)
    with pytest.raises(InputError, match=message):
        contract_value(fit_of(SBG, 1.0, 2.0), people, **{"contribution": 1.0, "discount_rate": 0.1} | arguments)


def test_bad_periods_are_refused():
    fit = fit_of(SBG, 1.0, 2.0)
    with pytest.raises(InputError, match="t: below 0, not whole, or missing in 2 of 3 rows \\(row 1, 2\\)"):
        survival_curve(fit, [1, -1, np.nan])
    with pytest.raises(InputError, match="t: below 1, not whole, or missing in 1 of 2 rows \\(row 0\\)"):
        retention_rates(fit, [0, 1])
    with pytest.raises(InputError, match="tenure: below 0, not whole, or missing"):
        expected_residual_lifetime(fit, 0.5)
    with pytest.raises(InputError, match="customers: column 'tenure' is missing"):
        contract_value(fit, pd.DataFrame({"x": [1]}), contribution=1.0, discount_rate=0.1)
    with pytest.raises(InputError, match="the frame has no rows"):
        contract_value(fit, customers([]), contribution=1.0, discount_rate=0.1)
