"""Diagnostics: hand calculations, what simulation shows, what must reconcile, and clear errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.data.holdout import split_holdout
from crmvalue.data.samples import load_cdnow
from crmvalue.data.summary import summarize_customers
from crmvalue.errors import InputError
from crmvalue.models import BG_NBD, MBG_NBD, MODELS, NBD, PARETO_NBD
from crmvalue.models.covariates import Effect
from crmvalue.models.diagnostics import frequency_fit, history_table, holdout_by_frequency
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.model import PurchaseModel
from crmvalue.models.tracking_curve import tracking

PURCHASE_MODELS = [model for model in MODELS.values() if isinstance(model, PurchaseModel)]
ROWS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "a", "a", "c", "b", "a", "c"],
        "date": [
            "2024-01-01",
            "2024-01-03",
            "2024-01-08",
            "2024-01-08",
            "2024-01-10",
            "2024-01-20",
            "2024-01-25",
            "2024-01-31",
        ],
        "amount": [1.0] * 8,
    }
)


def nbd(r=1.0, alpha=4.0, unit="week"):
    """Return an NBD fit with these estimates."""
    return PurchaseFit(
        model=NBD,
        params=NBD.Params(r, alpha),
        log_covariance=np.eye(2),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=3,
        time_unit=unit,
    )


@pytest.fixture(scope="module")
def cdnow():
    """Return the purchases of the CD shop."""
    return load_cdnow()


def test_groups_of_a_holdout_are_those_of_a_direct_calculation():
    rng = np.random.default_rng(1)
    many = rng.geometric(0.2, 400)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 100, many.sum()), unit="D")
    rows = pd.DataFrame({"customer_id": np.repeat(np.arange(400), many), "date": days, "amount": 1.0})
    split = split_holdout(rows, calibration_end="2024-02-29", observation_end="2024-04-09", time_unit="week")
    table = split.calibration.frame.merge(split.holdout, on="customer_id")
    groups = holdout_by_frequency(nbd(1.5, 3.0), split, most=3)
    expected = (1.5 + table["frequency"]) * split.duration / (3.0 + table["T"])
    clipped = table.assign(expected=expected).groupby(table["frequency"].clip(upper=3))
    assert groups["customers"].tolist() == clipped.size().tolist()
    assert groups["actual"].tolist() == pytest.approx(clipped["holdout_purchases"].mean().tolist(), rel=1e-12)
    assert groups["expected"].tolist() == pytest.approx(clipped["expected"].mean().tolist(), rel=1e-12)


def test_groups_without_customers_have_no_mean():
    split = split_holdout(ROWS, calibration_end="2024-01-20", time_unit="week")
    table = holdout_by_frequency(nbd(), split, most=3)
    assert table["customers"].tolist() == [1, 2, 0, 0]
    assert np.isnan(table.loc[3, ["actual", "expected"]].to_numpy(dtype=float)).all()
    assert table.loc[1, "actual"] == 0.5
    with pytest.raises(InputError, match="split: not a HoldoutSplit"):
        holdout_by_frequency(nbd(), ROWS)
    with pytest.raises(InputError, match="the summary is in weeks and the fit in days"):
        holdout_by_frequency(nbd(unit="day"), split)


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_the_table_of_histories_holds_every_possible_one(model):
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
    fit = PurchaseFit(
        model=model, params=params, log_covariance=np.eye(len(params)), log_likelihood=-9.0, gradient_norm=0.0,
        n_customers=9, time_unit="week",
    )  # fmt: skip
    table = history_table(fit, T=12, horizon=4, most=6)
    assert ((table["frequency"] == 0) == (table["recency"] == 0)).all()
    if model.is_discrete:
        assert len(table) == 1 + sum(12 - x + 1 for x in range(1, 7))
    else:
        assert len(table) == 1 + 6 * 60
    history = [table[name].to_numpy(dtype=float) for name in ("frequency", "recency")]
    alive = model.probability_alive(params, *history, np.full(len(table), 12.0))
    assert table["probability_alive"].tolist() == alive.tolist()
    for _, rows in table.groupby("frequency"):  # the more recent the last purchase, the likelier she is still there
        assert (np.diff(rows["probability_alive"]) >= -1e-12).all()


@pytest.mark.parametrize("model", PURCHASE_MODELS, ids=repr)
def test_expected_frequencies_are_those_of_simulated_customers(model):
    params = model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)])
    T = np.repeat([0.0, 7.0, 30.0], [20_000, 90_000, 90_000])
    made = model.simulate(params, T, np.random.default_rng(4))
    frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
    fit = PurchaseFit(
        model=model,
        params=params,
        log_covariance=np.eye(len(params)),
        log_likelihood=0.0,
        gradient_norm=0.0,
        n_customers=len(T),
        time_unit="week",
    )
    table = frequency_fit(fit, frame, most=5)
    assert table["expected"].sum() == pytest.approx(len(T), rel=1e-12)
    assert table["observed"].sum() == len(T)
    assert table["expected"].to_numpy() == pytest.approx(table["observed"].to_numpy(), abs=900)  # 4 sigma of a half


def test_the_tracking_curve_of_three_customers_is_as_by_hand():
    table = tracking(nbd(), ROWS, observation_end="2024-01-31")
    # weeks from January 1: a 8th (once, though twice that day), b 20th, a 25th, c 31st; the fifth lasts two days
    assert table["actual"].tolist() == [1, 0, 1, 1, 1]
    assert table["cumulative_actual"].tolist() == [1, 1, 2, 3, 4]
    starts = np.array([0.0, 2.0, 9.0])
    ends = [7.0, 14.0, 21.0, 28.0, 30.0]
    wanted = [np.maximum(end - starts, 0).sum() / 7 / 4 for end in ends]  # r/α = 1/4 a week
    assert table["cumulative_expected"].tolist() == pytest.approx(wanted)
    assert table["expected"].sum() == pytest.approx(wanted[-1])


def test_tracking_ends_where_the_summary_ends_and_follows_the_fit(cdnow):
    summary = summarize_customers(cdnow, observation_end="1997-09-30", time_unit="week")
    fit = fit_purchases(summary, PARETO_NBD)
    table = tracking(fit, cdnow, observation_end="1997-09-30")
    assert table["cumulative_actual"].iloc[-1] == summary.frame["frequency"].sum()
    expected = fit.model.expected_purchases(fit.params, summary.frame["T"].to_numpy()).sum()
    assert table["cumulative_expected"].iloc[-1] == pytest.approx(expected, rel=1e-10)
    assert table["cumulative_expected"].iloc[-1] == pytest.approx(table["cumulative_actual"].iloc[-1], rel=0.02)


def test_every_engine_gives_the_same_diagnostics(as_engine):
    rows = ROWS.assign(date=pd.to_datetime(ROWS["date"]).astype("datetime64[s]"))
    found = tracking(nbd(), as_engine(rows), observation_end="2024-01-31")
    assert found["cumulative_actual"].tolist() == [1, 1, 2, 3, 4]
    summary = summarize_customers(as_engine(rows), observation_end="2024-01-20", time_unit="week")
    counts = frequency_fit(nbd(), summary, most=2)
    assert counts["observed"].tolist() == [1, 2, 0]


GUESSED = {
    "NBD": NBD.Params(0.8, 6.0),
    "BG_NBD": BG_NBD.Params(0.8, 6.0, 0.9, 2.5),
    "MBG_NBD": MBG_NBD.Params(0.8, 6.0, 0.9, 2.5),
    "PARETO_NBD": PARETO_NBD.Params(0.8, 6.0, 0.9, 12.0),
    "BG_BB": MODELS["BG_BB"].Params(0.8, 2.5, 0.9, 6.0),
}


def fit_with_covariates(name):
    """Return a fit in which customers of the store buy more often and stay longer, and the old buy less."""
    model = MODELS[name]
    on = {
        process.name: [
            Effect((process.name,), "channel", "store", "web", 0.7 if process.name == "purchases" else -0.4),
            Effect((process.name,), "age", None, 40.0, -0.02),
        ]
        for process in model.processes
    }
    return PurchaseFit(
        model=model,
        params=GUESSED[name],
        log_covariance=np.eye(len(GUESSED[name]) + 4),
        log_likelihood=-9.0,
        gradient_norm=0.0,
        n_customers=60,
        time_unit="week",
        effects=tuple(effect for mine in on.values() for effect in mine),
    )


def params_of(fit, channel, age):
    """Return the parameters of one customer, written out."""
    own = fit.params._asdict()
    for process in fit.model.processes:
        store = 0.7 if process.name == "purchases" else -0.4
        score = store * (channel == "store") - 0.02 * (age - 40)
        own[process.parameter] *= np.exp(process.power * score)
    return fit.model.Params(**own)


def customers_with_covariates(whole_weeks):
    """Return orders of 60 customers over half a year, and what is known of each; ages repeat."""
    rng = np.random.default_rng(8)
    many = rng.geometric(0.3, 60)
    days = rng.integers(0, 26, many.sum()) * 7 if whole_weeks else rng.integers(0, 182, many.sum())
    orders = pd.DataFrame({"customer_id": np.repeat(np.arange(60), many), "amount": 1.0})
    orders["date"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")).astype("datetime64[s]")
    known = pd.DataFrame({"customer_id": np.arange(60), "channel": rng.choice(["web", "store"], 60)})
    known["age"] = rng.choice([25.0, 40.0, 63.0], 60)
    return orders, known.sample(frac=1, random_state=1)


@pytest.mark.parametrize("name", GUESSED)
def test_diagnostics_of_a_fit_with_covariates_add_up_customers_one_by_one(name):
    add_up_customers(name, lambda frame: frame)


def test_diagnostics_of_a_fit_with_covariates_are_the_same_in_every_engine(as_engine):
    add_up_customers("MBG_NBD", as_engine)


def add_up_customers(name, as_engine):
    """Compare each table with a loop over customers."""
    fit = fit_with_covariates(name)
    orders, known = customers_with_covariates(fit.model.is_discrete)
    own = {row.customer_id: params_of(fit, row.channel, row.age) for row in known.itertuples()}

    summary = summarize_customers(as_engine(orders), observation_end="2024-06-24", time_unit="week")
    frame = to_pandas(summary.frame)
    table = frequency_fit(fit, summary, most=3, covariates=known)
    wanted = np.zeros(4)
    none = np.zeros(1)
    for row in frame.itertuples():
        params = own[row.customer_id]
        alive = fit.model.probability_alive(params, none, none, none)
        for x in range(3):
            if row.T == 0:
                wanted[x] += x == 0
                continue
            chance = alive * fit.model.mass_if_alive(params, float(x), np.array([row.T]), none, none, none)
            wanted[x] += (chance + (1 - alive) * (x == 0)).item()
    wanted[3] = len(frame) - wanted.sum()
    assert table["expected"].to_numpy() == pytest.approx(wanted, rel=1e-10)
    assert table["observed"].tolist() == np.bincount(frame["frequency"].clip(upper=3), minlength=4).tolist()

    curve = tracking(fit, as_engine(orders), observation_end="2024-06-24", covariates=known)
    ends = [*range(1, len(curve)), frame["T"].max()]  # weeks since the first day
    first = {row.customer_id: frame["T"].max() - row.T for row in frame.itertuples()}
    total = [
        sum(
            fit.model.expected_purchases(own[who], np.array([max(round((end - came) * 7) / 7, 0.0)])).item()
            for who, came in first.items()
        )
        for end in ends
    ]
    assert curve["cumulative_expected"].to_numpy() == pytest.approx(np.array(total), rel=1e-10)
    assert curve["cumulative_actual"].iloc[-1] == frame["frequency"].sum()

    split = split_holdout(
        as_engine(orders), calibration_end="2024-04-01", observation_end="2024-06-24", time_unit="week"
    )
    groups = holdout_by_frequency(fit, split, most=2, covariates=known)
    before = to_pandas(split.calibration.frame)
    expected = [
        fit.model.conditional_expected_purchases(
            own[row.customer_id], split.duration, *(np.array([float(v)]) for v in (row.frequency, row.recency, row.T))
        ).item()
        for row in before.itertuples()
    ]
    means = pd.Series(expected).groupby(before["frequency"].clip(upper=2).to_numpy()).agg(["size", "mean"])
    assert groups["customers"].tolist() == means["size"].tolist()
    assert groups["expected"].to_numpy() == pytest.approx(means["mean"].to_numpy(), rel=1e-10)


@pytest.mark.parametrize("name", GUESSED)
def test_each_kind_of_customer_has_the_table_of_a_fit_with_her_parameters(name):
    fit = fit_with_covariates(name)
    kinds = pd.DataFrame({"customer_id": ["old", "shop"], "age": [70.0, 40.0], "channel": ["web", "store"]})
    table = history_table(fit, T=12, horizon=4, most=3, covariates=kinds)
    assert table.columns.tolist() == ["customer_id", "frequency", "recency", "probability_alive", "expected_purchases"]
    for row in kinds.itertuples():
        hers = dataclasses.replace(fit, params=params_of(fit, row.channel, row.age), effects=())
        mine = table[table["customer_id"] == row.customer_id].drop(columns="customer_id").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, history_table(hers, T=12, horizon=4, most=3), rtol=1e-12)


@pytest.mark.parametrize("name", ["BG_NBD", "MBG_NBD", "PARETO_NBD", "GGOMPERTZ_NBD", "BG_CNBD_K"])
@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_the_curve_of_many_different_customers_is_the_sum_of_theirs(name, unit):
    rng = np.random.default_rng(5)
    model, n = MODELS[name], 1_500
    first = rng.integers(0, 60, n)
    orders = pd.DataFrame({"customer_id": np.tile(np.arange(n), 2), "amount": 1.0})
    orders["date"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.r_[first, rng.integers(60, 275, n)], unit="D")
    known = pd.DataFrame({"customer_id": np.arange(n), "age": rng.normal(40, 10, n), "score": rng.normal(size=n)})
    fit = PurchaseFit(
        model=model, params=model.Params(*(0.8, 6.0, 0.9, 2.5, 2.0)[: len(model.Params._fields)]),
        log_covariance=np.eye(8), log_likelihood=-9.0, gradient_norm=0.0, n_customers=n, time_unit=unit,
        effects=(
            Effect(("purchases",), "age", None, 40.0, 0.03), Effect(("dropout",), "score", None, 0.0, 0.5),
            Effect(("purchases",), "score", None, 0.0, -0.2),
        ),
    )  # fmt: skip
    curve = tracking(fit, orders, covariates=known)
    params = fit.params._asdict()
    factor = {
        "purchases": np.exp(0.03 * (known["age"] - 40) - 0.2 * known["score"]),
        "dropout": np.exp(0.5 * known["score"]),
    }
    for process in model.processes:
        params[process.parameter] = params[process.parameter] * factor[process.name].to_numpy() ** process.power
    days = {"day": 1.0, "week": 7.0, "month": 30.4375}[unit]
    for period in (1, len(curve) // 2, len(curve) - 1):
        since = np.maximum(period * days - (first - first.min()), 0) / days
        total = model.expected_purchases(model.Params(**params), since).sum()
        assert curve.loc[period, "cumulative_expected"] == pytest.approx(total, rel=1e-10)


def test_diagnostics_of_a_fit_with_covariates_say_what_is_missing():
    fit = fit_with_covariates("BG_NBD")
    orders, known = customers_with_covariates(False)
    with pytest.raises(InputError, match="Pass covariates=, a frame with these columns and customer_id"):
        tracking(fit, orders)
    with pytest.raises(InputError, match="covariates: no row for the customer in 57 of 60 rows"):
        tracking(fit, orders, covariates=known.head(3))
    split = split_holdout(orders, calibration_end="2024-04-01", time_unit="week")
    new = known.assign(channel=known["channel"].replace("store", "shop"))
    with pytest.raises(InputError, match=r"channel: levels that the fit does not know \('shop'\)"):
        holdout_by_frequency(fit, split, covariates=new)
    with pytest.raises(InputError, match="age: missing or infinite"):
        frequency_fit(fit, split.calibration, covariates=known.assign(age=np.nan))
    with pytest.raises(InputError, match="covariates: missing, and the fit has effects of channel, age. Pass a frame"):
        history_table(fit, T=30, horizon=10)
    with pytest.raises(InputError, match="covariates: 180 customers, and each gets a table"):
        history_table(fit, T=30, horizon=10, covariates=pd.concat([known] * 3))
    with pytest.raises(InputError, match="column 'age' is missing"):
        history_table(fit, T=30, horizon=10, covariates=known[["customer_id", "channel"]])


def test_wrong_arguments_are_refused_with_the_remedy(cdnow):
    frame = pd.DataFrame({"frequency": [1, 2], "recency": [2.0, 3.0], "T": [9.0, 9.0]})
    with pytest.raises(InputError, match="most: got 0"):
        frequency_fit(nbd(), frame, most=0)
    with pytest.raises(InputError, match="the summary is in days and the fit in weeks"):
        frequency_fit(nbd(), summarize_customers(cdnow))
