"""Lifetime value: hand calculations, another library, quadrature, all engines, and bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.clv import (
    conditional_expected_purchases,
    customer_value,
    expected_purchases,
    expected_spend,
    historical_value,
    probability_alive,
    textbook_value,
    value_by_period,
)
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models import MODELS
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from tests.conftest import to_pandas

NUMBERS = {"log_likelihood": -9.0, "gradient_norm": 0.0, "n_customers": 9}
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cy", "di", "ed"],
        "frequency": [0, 2, 5, 0, 1],
        "recency": [0.0, 30.43, 20.0, 0.0, 10.0],
        "T": [38.86, 38.86, 30.0, 12.0, 11.0],
        "monetary_value": [np.nan, 22.35, 100.0, np.nan, -4.0],
    }
)


def purchases(unit="week", r=0.243, alpha=4.414, a=0.793, b=2.426) -> PurchaseFit:
    """Return a fit with these estimates."""
    params = BG_NBD.Params(r, alpha, a, b)
    return PurchaseFit(model=BG_NBD, params=params, log_covariance=np.eye(4), time_unit=unit, **NUMBERS)


def spend(p=6.25, q=3.74, v=15.44) -> SpendFit:
    """Return a fit with these estimates."""
    params = GAMMA_GAMMA.Params(p, q, v)
    return SpendFit(
        model=GAMMA_GAMMA, params=params, log_covariance=np.eye(3), n_without_repeat=0, n_not_positive=0, **NUMBERS
    )


def value(customers=CUSTOMERS, **options):
    """Value over a year at 10 %, unless told otherwise."""
    return customer_value(customers, purchases(), spend(), **{"horizon": 52, "discount_rate": 0.1, **options})


def by_id(frame) -> pd.DataFrame:
    """Return a frame of any engine as pandas, in order of the ids."""
    return to_pandas(frame).sort_values("customer_id", ignore_index=True)


def test_every_engine_gives_the_same_values(as_engine):
    found, wanted = value(as_engine(CUSTOMERS)), value()
    table = by_id(found.frame)
    assert table.columns.tolist() == wanted.frame.columns.tolist()
    assert table["customer_id"].tolist() == wanted.frame["customer_id"].tolist()
    numbers = table.columns[1:]
    assert table[numbers].to_numpy(dtype=float) == pytest.approx(wanted.frame[numbers].to_numpy(), rel=1e-11)
    assert found.total == pytest.approx(wanted.total, rel=1e-12)
    assert (found.n, found.n_not_positive) == (5, 1)
    assert type(found.frame).__module__.split(".")[0] == type(as_engine(CUSTOMERS)).__module__.split(".")[0]


def test_every_engine_gives_the_same_predictions(as_engine):
    frame = as_engine(CUSTOMERS)
    history = [CUSTOMERS[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    fit = purchases()
    found = by_id(probability_alive(fit, frame))
    assert found["probability_alive"].tolist() == pytest.approx(BG_NBD.probability_alive(fit.params, *history))
    found = by_id(conditional_expected_purchases(fit, frame, horizon=39))
    wanted = BG_NBD.conditional_expected_purchases(fit.params, 39.0, *history)
    assert found["expected_purchases"].tolist() == pytest.approx(wanted)
    found = by_id(expected_spend(spend(), frame))
    p, q, v = spend().params
    population = p * v / (q - 1)
    wanted = [population, p * (v + 2 * 22.35) / (2 * p + q - 1), p * (v + 500) / (5 * p + q - 1), population,
              p * v / (p + q - 1)]  # fmt: skip
    assert found["expected_spend"].tolist() == pytest.approx(wanted, rel=1e-13)


def test_every_engine_gives_the_same_history(as_engine):
    rows = pd.DataFrame({"customer_id": [2, 1, 2, 3], "date": "2024-01-01", "amount": [10.0, 5.5, -2.0, 0.0]})
    found = historical_value(as_engine(rows), margin=0.5)
    table = by_id(found.frame)
    assert table["customer_id"].tolist() == [1, 2, 3]
    assert table["contribution"].tolist() == [2.75, 4.0, 0.0]
    assert (found.total, found.n, found.margin) == (6.75, 3, 0.5)


def test_value_is_purchases_times_spend_times_margin_without_a_discount():
    result = value(discount_rate=0.0, margin=0.3)
    table = result.frame
    product = table["expected_purchases"] * table["expected_spend"] * 0.3
    assert table["value"].tolist() == pytest.approx(product.tolist(), rel=1e-12)
    assert result.total == pytest.approx(product.sum(), rel=1e-12)
    assert (result.horizon, result.time_unit, result.discount_rate, result.margin) == (52.0, "week", 0.0, 0.3)


def test_a_period_is_paid_at_its_end():
    # one year in one period: everything is worth 1 / 1.1
    yearly = CUSTOMERS.assign(recency=CUSTOMERS["recency"] / 52, T=CUSTOMERS["T"] / 52)
    fit = purchases("year", alpha=4.414 / 52)
    paid = customer_value(yearly, fit, spend(), horizon=1, discount_rate=0.1)
    free = customer_value(yearly, fit, spend(), horizon=1, discount_rate=0.0)
    assert paid.total == pytest.approx(free.total / 1.1, rel=1e-12)


def test_daily_periods_tend_to_payment_at_the_moment_of_purchase():
    # ∫ e^(−δt) dE(t) = e^(−δH) E(H) + δ ∫ e^(−δt) E(t) dt, by Gauss-Legendre
    days = CUSTOMERS.assign(recency=7 * CUSTOMERS["recency"], T=7 * CUSTOMERS["T"])
    fit, horizon = purchases("day", alpha=7 * 4.414), 365.25
    found = customer_value(days, fit, spend(), horizon=horizon, discount_rate=0.2).frame
    delta = np.log(1.2) / 365.25
    nodes, weights = np.polynomial.legendre.leggauss(60)
    times = (nodes + 1) * horizon / 2
    history = [days[name].to_numpy(dtype=float)[:, None] for name in ("frequency", "recency", "T")]
    upto = BG_NBD.conditional_expected_purchases(fit.params, times, *history)
    end = BG_NBD.conditional_expected_purchases(fit.params, horizon, *history)[:, 0]
    moment = np.exp(-delta * horizon) * end + delta * (upto * np.exp(-delta * times)) @ weights * horizon / 2
    # paid half a day later on average
    later = moment * np.exp(-delta / 2) * found["expected_spend"].to_numpy()
    assert found["value"].to_numpy() == pytest.approx(later, rel=2e-6)


TERMS = {"margin": "kept", "cost_to_serve": "shipping", "retention_cost": "club", "discount_rate": "capital"}
PRICED = CUSTOMERS.assign(
    kept=[0.3, 0.2, 0.5, 0.0, 1.0], shipping=[4.0, 0.0, 3.5, 2.0, 1.0], club=[0.1, 0.0, 0.3, 0.2, 0.05],
    capital=[0.1, 0.25, 0.1, 0.0, -0.02],
)  # fmt: skip


@pytest.mark.parametrize("horizon", [0.5, 12.0, 52.5])
@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("BG_NBD", (0.243, 4.414, 0.793, 2.426)),
        ("MBG_NBD", (0.525, 6.183, 0.891, 1.614)),
        ("PARETO_NBD", (0.553, 10.578, 0.606, 11.669)),
        ("GGOMPERTZ_NBD", (0.8, 9.0, 0.05, 1.5, 2.0)),
        ("NBD", (0.385, 12.07)),
    ],
)
def test_value_is_the_sum_of_its_definition_under_every_model(model, params, horizon):
    model = MODELS[model]
    fit = PurchaseFit(
        model=model, params=model.Params(*params), log_covariance=np.eye(len(params)), time_unit="week", **NUMBERS
    )
    found = customer_value(PRICED, fit, spend(), horizon=horizon, **TERMS)
    ends = np.append(np.arange(1.0, np.ceil(horizon)), horizon)
    spent = expected_spend(spend(), PRICED)["expected_spend"]
    for i, row in PRICED.iterrows():
        history = [np.array([float(row[name])]) for name in ("frequency", "recency", "T")]
        total, before, begin = 0.0, 0.0, 0.0
        for end in ends:
            factor = (1 + row["capital"]) ** (-end * 7 / 365.25)
            upto = model.conditional_expected_purchases(fit.params, end, *history)[0]
            there = model.probability_alive(fit.params, *history)[0]
            there *= model.survival_if_alive(fit.params, begin, *history)[0] if begin else 1.0
            brought = (upto - before) * (spent[i] * row["kept"] - row["shipping"])
            total += factor * (brought - row["club"] * (end - begin) * there)
            before, begin = upto, end
        assert found.frame["value"][i] == pytest.approx(total, rel=1e-9, abs=1e-11)
    assert (found.margin, found.discount_rate, found.retention_cost) == ("kept", "capital", "club")


@pytest.mark.parametrize("horizon", [0.5, 12.0, 104.0])
def test_the_cash_flows_of_all_periods_add_up_to_the_value(horizon):
    for terms in (TERMS, {"margin": 0.3, "discount_rate": 0.1, "cost_to_serve": 2.0, "retention_cost": 0.05}):
        whole = customer_value(PRICED, purchases(), spend(), horizon=horizon, **terms)
        table = value_by_period(PRICED, purchases(), spend(), horizon=horizon, **terms)
        assert table["present_value"].sum() == pytest.approx(whole.total, rel=1e-9)
        assert table["cumulative_value"].iloc[-1] == pytest.approx(whole.total, rel=1e-9)
        assert table["purchases"].sum() == pytest.approx(whole.frame["expected_purchases"].sum(), rel=1e-9)
        assert table["end"].iloc[-1] == horizon
        cash = table["contribution"] - table["cost_to_serve"] - table["retention_cost"]
        assert table["cash_flow"].tolist() == pytest.approx(cash.tolist(), rel=1e-12)
        product = table["cash_flow"] * table["discount_factor"]
        assert table["present_value"].tolist() == pytest.approx(product.tolist(), rel=1e-12)
    factor = 1.1 ** (-table["end"] * 7 / 365.25)
    assert table["discount_factor"].tolist() == pytest.approx(factor.tolist(), rel=1e-12)
    assert table["contribution"].tolist() == pytest.approx((0.3 * table["revenue"]).tolist(), rel=1e-12)
    assert table["customers"].is_monotonic_decreasing


def test_the_cash_flow_of_impossible_customers_is_refused():
    with pytest.raises(InputError, match=r"recency: above T in 3 of 5 rows \(customer bob, cy, ed\)"):
        value_by_period(PRICED.assign(recency=[0, 90, 90, 0, 90]), purchases(), spend(), horizon=5, **TERMS)


def test_every_engine_takes_terms_from_columns(as_engine):
    frame = as_engine(PRICED)
    found = by_id(customer_value(frame, purchases(), spend(), horizon=30, **TERMS).frame)
    wanted = by_id(customer_value(PRICED, purchases(), spend(), horizon=30, **TERMS).frame)
    assert found["value"].tolist() == pytest.approx(wanted["value"].tolist(), rel=1e-11)
    table = value_by_period(frame, purchases(), spend(), horizon=30, **TERMS)
    again = value_by_period(PRICED, purchases(), spend(), horizon=30, **TERMS)
    assert table.to_numpy() == pytest.approx(again.to_numpy(), rel=1e-10)


def test_a_customer_may_cost_more_than_she_brings():
    frame = value(retention_cost=1e4).frame
    assert (frame["value"] < 0).all()
    dear = value(cost_to_serve=50.0).frame
    difference = value(discount_rate=0.0).frame["value"] - value(discount_rate=0.0, cost_to_serve=50.0).frame["value"]
    assert difference.tolist() == pytest.approx((50 * dear["expected_purchases"]).tolist(), rel=1e-11)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "kept",
            [0.3, 0.2, 1.5, 0, 1],
            r"kept: out of range as margin in 1 of 5 rows \(customer cy\). Pass numbers at",
        ),
        ("shipping", [1, 1, 1, -2.0, 1], r"shipping: out of range as cost_to_serve in 1 of 5 rows \(customer di\)"),
        ("club", [1, np.nan, 1, 1, 1], r"club: missing or infinite in 1 of 5 rows \(customer bob\)"),
        ("capital", [0.1, 0.1, 0.1, 0.1, -1], r"capital: out of range as discount_rate in 1 of 5 rows \(customer ed\)"),
        ("capital", ["a"] * 5, "capital: column holds"),
    ],
)
def test_impossible_terms_are_refused_by_name(column, values, message):
    with pytest.raises(InputError, match=message):
        customer_value(PRICED.assign(**{column: values}), purchases(), spend(), horizon=5, **TERMS)
    with pytest.raises(InputError, match="column 'gone' is missing"):
        value(margin="gone")
    with pytest.raises(InputError, match="retention_cost: got -1"):
        value(retention_cost=-1)


def test_values_agree_with_lifetimes_where_a_month_is_30_days(cdnow_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        history = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")
        money = pd.read_csv(cdnow_folder / "cdnow_customers_summary_with_transactions.csv")["zbar"]
        theirs, their_spend = BetaGeoFitter(), GammaGammaFitter()
        theirs.params_ = pd.Series({"r": 0.243, "alpha": 30.9, "a": 0.793, "b": 2.426})
        theirs.predict = theirs.conditional_expected_number_of_purchases_up_to_time
        their_spend.params_ = pd.Series({"p": 6.25, "q": 3.74, "v": 15.44})
        days = history.assign(recency=7 * history["recency"], T=7 * history["T"], monetary_value=money)
        columns = [days[name] for name in ("frequency", "recency", "T", "monetary_value")]
        wanted = their_spend.customer_lifetime_value(theirs, *columns, time=6, discount_rate=0.01, freq="D")
    # six periods of 30 days, each at 1 % per period
    fit = purchases("month", alpha=30.9 / 30)
    months = days.assign(recency=days["recency"] / 30, T=days["T"] / 30)
    found = customer_value(months, fit, spend(), horizon=6, discount_rate=1.01**12 - 1).frame
    assert found["value"].to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(horizon=st.floats(0.1, 200), rate=st.floats(0, 3), more=st.floats(1.01, 2))
def test_value_rises_with_the_horizon_and_falls_with_the_rate(horizon, rate, more):
    here = value(horizon=horizon, discount_rate=rate).frame["value"]
    dearer = value(horizon=horizon, discount_rate=rate * more + 0.01).frame["value"]
    assert (dearer <= here).all()
    # a longer horizon by whole periods: a cut last period is paid earlier than a whole one
    assert (value(horizon=np.ceil(horizon) + 1, discount_rate=rate).frame["value"] >= 0).all()
    whole = np.ceil(horizon)
    longer = value(horizon=whole + 3, discount_rate=rate).frame["value"]
    assert (longer >= value(horizon=whole, discount_rate=rate).frame["value"] * (1 - 1e-10)).all()


def test_the_input_is_left_as_it_was_and_its_columns_do_not_get_in_the_way():
    crowded = CUSTOMERS.assign(value=1, expected_spend="x", probability_alive=0).set_index([[9, 9, 8, 7, 6]])
    before = crowded.copy(deep=True)
    result = value(crowded)
    pd.testing.assert_frame_equal(crowded, before)
    assert result.frame["value"].to_numpy() == pytest.approx(value().frame["value"].to_numpy())


def test_order_of_rows_is_kept_in_memory():
    turned = value(CUSTOMERS.iloc[::-1]).frame
    assert turned["customer_id"].tolist() == ["ed", "di", "cy", "bob", "ann"]


def test_a_frame_without_ids_gives_values_without_ids():
    result = value(CUSTOMERS.drop(columns="customer_id"))
    assert list(result.frame.columns) == ["probability_alive", "expected_purchases", "expected_spend", "value"]


def test_a_summary_in_another_unit_is_refused_with_the_remedy():
    summary = CustomerSummary(frame=CUSTOMERS, time_unit="week", observation_end=np.datetime64("1997-09-30"))
    message = r"the summary is in weeks and the fit in days\. Make the summary with time_unit='day', or fit the model"
    with pytest.raises(InputError, match=message):
        customer_value(summary, purchases("day"), spend(), horizon=365, discount_rate=0.1)
    with pytest.raises(InputError, match=message):
        probability_alive(purchases("day"), summary)
    assert value(summary).total == value().total


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon: got 0. Pass a finite number, above 0"),
        ({"horizon": -3}, "horizon: got -3"),
        ({"horizon": np.nan}, "horizon: got nan"),
        ({"horizon": 1e9}, r"horizon: got 1e\+09, which is .* years, for the fit is in .*s\. Pass it in"),
        ({"horizon": "year"}, "horizon: got 'year'"),
        ({"discount_rate": -1}, "discount_rate: got -1. Pass a finite number, above -1"),
        ({"discount_rate": np.inf}, "discount_rate: got inf"),
        ({"margin": 2}, "margin: got 2. Pass a finite number, at least 0 and at most 1"),
        ({"margin": -0.1}, "margin: got -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        value(**options)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("frequency", [0, 2, 5, 0, 1.5], r"frequency: not a whole number in 1 of 5 rows \(customer ed\)"),
        ("frequency", [0, 2, -5, 0, 1], r"frequency: negative in 1 of 5 rows \(customer cy\)"),
        ("frequency", [0, 2, 5, np.nan, 1], r"frequency: missing or infinite in 1 of 5 rows \(customer di\)"),
        ("recency", [0, 90, 90, 0, 90], r"recency: above T in 3 of 5 rows \(customer bob, cy, ed\)"),
        ("T", [38, 38, np.nan, 12, 11], r"T: missing or infinite in 1 of 5 rows \(customer cy\)"),
        ("monetary_value", [np.nan] * 5, r"monetary_value: missing .* in 3 of 5 rows \(customer bob, cy, ed\)"),
        ("monetary_value", [1, np.inf, 1, 1, 1], r"monetary_value: missing or infinite .* in 1 of 5 rows"),
    ],
)
def test_impossible_customers_are_refused_by_name(column, values, message):
    with pytest.raises(InputError, match=message):
        value(CUSTOMERS.assign(**{column: values}))


def test_an_empty_frame_is_refused():
    with pytest.raises(InputError, match="no rows"):
        value(CUSTOMERS.iloc[:0])
    with pytest.raises(InputError, match="no rows"):
        probability_alive(purchases(), CUSTOMERS.iloc[:0])
    with pytest.raises(InputError, match="no rows"):
        historical_value(pd.DataFrame({"customer_id": [1], "amount": [1.0]}).iloc[:0])


def test_a_tail_too_heavy_for_a_mean_is_refused_where_it_matters():
    with pytest.raises(InputError, match=r"expected_spend: no finite mean in 2 of 5 rows \(customer ann, di\)"):
        expected_spend(spend(q=0.9), CUSTOMERS)
    repeat = CUSTOMERS[CUSTOMERS["frequency"] > 0]
    assert (expected_spend(spend(q=0.9), repeat)["expected_spend"] > 0).all()


def test_a_customer_refunded_to_nothing_is_expected_to_spend_least_but_not_less_than_nothing():
    frame = pd.DataFrame({"frequency": [1, 1, 1], "monetary_value": [-1e6, 0.0, 1.0]})
    found = expected_spend(spend(), frame)["expected_spend"].tolist()
    assert 0 < found[0] == found[1] < found[2]


def test_new_customers_are_expected_to_buy_as_the_paper_says():
    # eq. 9 with 2F1 by its series, in mpmath
    import mpmath

    r, alpha, a, b = purchases().params
    t = np.array([[1.0, 39.0], [78.0, 0.0]])
    with mpmath.workdps(30):
        wanted = [
            float(
                (a + b - 1)
                / (a - 1)
                * (1 - (alpha / (alpha + s)) ** r * mpmath.hyp2f1(r, b, a + b - 1, s / (alpha + s)))
            )
            for s in t.ravel()
        ]
    found = expected_purchases(purchases(), t)
    assert found.shape == (2, 2)
    assert found.ravel() == pytest.approx(wanted, rel=1e-11)
    with pytest.raises(InputError, match=r"t: negative, missing or infinite in 1 of 2 rows \(row 1\)"):
        expected_purchases(purchases(), [3.0, -1.0])


def test_missing_amounts_and_ids_are_refused_by_name():
    rows = pd.DataFrame({"customer_id": ["a", "b", None], "amount": [1.0, np.nan, 3.0]})
    with pytest.raises(InputError, match="customer_id: missing in 1 of 3 rows"):
        historical_value(rows)
    with pytest.raises(InputError, match=r"amount: missing or infinite in 1 of 2 rows \(customer b\)"):
        historical_value(rows.iloc[:2])
    with pytest.raises(InputError, match="margin: got 2"):
        historical_value(rows.iloc[:1], margin=2)


def test_the_textbook_value_is_the_sum_of_the_series():
    k = np.arange(1, 2000)
    wanted = [100 * ((r / (1 + d)) ** k).sum() for r, d in [(0.8, 0.1), (0.95, 0.02), (0.0, 0.1)]]
    assert textbook_value(100.0, [0.8, 0.95, 0.0], [0.1, 0.02, 0.1]) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((100.0, 1.0, 0.1), "retention_rate: not at least 0 and below 1"),
        ((100.0, [0.5, -0.1], 0.1), r"retention_rate: .* in 1 of 2 rows \(row 1\)"),
        ((100.0, 0.8, -1.0), "discount_rate: too low"),
        ((100.0, 0.8, -0.3), "discount_rate: too low"),
        ((np.nan, 0.8, 0.1), "contribution_per_period: missing"),
    ],
)
def test_textbook_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        textbook_value(*arguments)
