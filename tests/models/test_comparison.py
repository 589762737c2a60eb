"""Models side by side: published numbers, direct calculations, what every engine gives, and the sentence of advice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom

from crmvalue.data.holdout import split_holdout
from crmvalue.data.samples import load_cdnow
from crmvalue.errors import InputError
from crmvalue.models import BG_BB, BG_NBD, GAMMA_GAMMA, MBG_NBD, NBD, PARETO_NBD
from crmvalue.models.comparison import ModelComparison, compare_models
from crmvalue.models.covariates import Covariates
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.forecasts import Forecast
from crmvalue.models.rolling import rolling_forecasts

ERRORS = ["mae", "rmse", "bias", "calibration", "log_score", "log_score_error", "active"]

AGAINST = "with a mean absolute error of {} against 1.2 of the better naive forecast"


@pytest.fixture(scope="module")
def cdnow():
    """Return the purchases of the CD shop."""
    return load_cdnow()


def test_the_comparison_ranks_by_bic_and_says_why(cdnow_folder):
    frame = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv")
    compared = compare_models(frame, [NBD, PARETO_NBD, BG_NBD, MBG_NBD], time_unit="week")
    table = compared.to_frame()
    assert table.index.tolist() == ["MBG_NBD", "BG_NBD", "PARETO_NBD", "NBD"]
    assert table.loc["BG_NBD", "log_likelihood"] == pytest.approx(-9582.4, abs=0.05)  # Fader, Hardie & Lee (2005)
    assert table.loc["PARETO_NBD", "aic"] == pytest.approx(2 * 4 + 2 * 9595.0, abs=0.1)
    assert compared.best.model is MBG_NBD
    assert compared.advice.startswith("Use MBG/NBD or BG/NBD: their BIC differs by 0.6, too little to tell them apart")
    clear = compare_models(frame, [NBD, BG_NBD], time_unit="week").advice
    assert clear == "Use BG/NBD: its BIC is 346.9 below that of NBD, the next."
    assert "all models asked for are this one" in compare_models(frame, [NBD], time_unit="week").advice


def some_orders(n=400, days=100):
    """Return orders of so many customers in the first days of a year, several on some of them."""
    rng = np.random.default_rng(1)
    many = rng.geometric(0.2, n)
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, days, many.sum()), unit="D")
    return pd.DataFrame({"customer_id": np.repeat(np.arange(n), many), "date": dates, "amount": 1.0})


def split_of(orders):
    """Return two months to learn from, and forty days after them."""
    return split_holdout(orders, calibration_end="2024-02-29", observation_end="2024-04-09", time_unit="week")


def test_forecasts_are_judged_as_a_direct_calculation_does():
    split = split_of(some_orders())
    found = compare_models(split, [NBD])
    table = split.calibration.frame.merge(split.holdout, on="customer_id")
    actual = table["holdout_purchases"].to_numpy(dtype=float)
    x, T = table["frequency"].to_numpy(dtype=float), table["T"].to_numpy(dtype=float)
    r, alpha = found.fits[0].params
    forecasts = [
        (r + x) * split.duration / (alpha + T),
        np.where(T > 0, x / np.maximum(T, 1e-9), 0) * split.duration,
        np.full(len(x), x.sum() / T.sum() * split.duration),
    ]
    frame = found.to_frame()
    assert frame.index.tolist() == ["NBD", "same_rate", "mean_rate"]
    assert frame["mae"].tolist() == pytest.approx([np.abs(f - actual).mean() for f in forecasts], rel=1e-12)
    assert frame["rmse"].tolist() == pytest.approx([np.sqrt(((f - actual) ** 2).mean()) for f in forecasts], rel=1e-12)
    assert frame["bias"].tolist() == pytest.approx([f.sum() / actual.sum() - 1 for f in forecasts], rel=1e-9)
    scores = nbinom.logpmf(actual, r + x, (alpha + T) / (alpha + T + split.duration))
    assert frame.loc["NBD", "log_score"] == pytest.approx(scores.mean(), rel=1e-10)
    some = 1 - nbinom.pmf(0, r + x, (alpha + T) / (alpha + T + split.duration))
    assert frame.loc["NBD", "active"] == pytest.approx(some.mean(), rel=1e-10)
    assert frame["actual_active"].tolist() == pytest.approx(3 * [(actual > 0).mean()])
    assert np.isnan(frame.loc["mean_rate", "log_score"])
    lines = [np.polyfit(forecast, actual, 1)[0] for forecast in forecasts[:2]]
    assert frame["calibration"].tolist() == pytest.approx([*lines, np.nan], rel=1e-9, nan_ok=True)
    fit = found.fits[0]
    assert frame.loc["NBD", ["log_likelihood", "aic", "bic"]].tolist() == [fit.log_likelihood, fit.aic, fit.bic]
    assert frame["parameters"].isna().tolist() == [False, True, True]


def test_with_a_holdout_the_table_says_of_the_fits_what_it_says_without(cdnow):
    split = split_holdout(cdnow, calibration_end="1997-09-30", time_unit="week")
    models = [NBD, PARETO_NBD, BG_NBD]
    alone, judged = (compare_models(data, models).to_frame() for data in (split.calibration, split))
    assert judged.index.tolist() == [*alone.index, "same_rate", "mean_rate"]
    pd.testing.assert_frame_equal(judged[alone.columns].head(3), alone, check_dtype=False)
    assert set(judged.columns) - set(alone.columns) == {*ERRORS, "actual_active"}


def chances_by_hand(fit, params, row, duration):
    """Return expected purchases, the chance of those that came, and the chance of any, of one customer."""
    history = [np.array([float(row[name])]) for name in ("frequency", "recency", "T")]
    alive = fit.model.probability_alive(params, *history).item()
    came, none = (
        fit.model.mass_if_alive(params, np.array([count]), duration, *history).item()
        for count in (float(row["holdout_purchases"]), 0.0)
    )
    chance = alive * came + (1 - alive) * (row["holdout_purchases"] == 0)
    return alive * fit.model.purchases_if_alive(params, duration, *history).item(), chance, alive * (1 - none)


def compare_with_covariates(as_engine):
    """Compare the table with a loop over customers."""
    orders = some_orders(60).assign(date=lambda rows: rows["date"].astype("datetime64[s]"))
    rng = np.random.default_rng(2)
    known = pd.DataFrame({"customer_id": np.arange(60), "channel": rng.choice(["web", "store"], 60)})
    known["age"] = rng.choice([25.0, 40.0, 63.0], 60)
    known = known.sample(frac=1, random_state=1)
    given = Covariates(frame=known, purchases=["channel", "age"])
    compared = compare_models(split_of(as_engine(orders)), [NBD, MBG_NBD], covariates=given, penalty=1.0)
    split = split_of(orders)
    table = split.calibration.frame.merge(split.holdout, on="customer_id").merge(known, on="customer_id")
    found, scores = compared.to_frame(), {}
    for model, fit in zip(compared.models, compared.fits, strict=True):
        expected, chance, active = [], [], []
        for _, row in table.iterrows():
            score = 0.0
            for effect in fit.effects:
                if effect.level is None:
                    score += effect.coefficient * (row[effect.column] - effect.reference)
                else:
                    score += effect.coefficient * (row[effect.column] == effect.level)
            hers = fit.params._replace(alpha=fit.params.alpha * np.exp(-score))
            for values, value in zip(
                (expected, chance, active), chances_by_hand(fit, hers, row, split.duration), strict=True
            ):
                values.append(value)
        scores[model.name] = np.log(chance)
        errors = np.array(expected) - table["holdout_purchases"].to_numpy()
        row = found.loc[model.name]
        assert row["parameters"] == len(fit.params) + 2
        assert row["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-9)
        assert row["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-9)
        assert row["log_score"] == pytest.approx(scores[model.name].mean(), rel=1e-9)
        assert row["active"] == pytest.approx(np.mean(active), rel=1e-9)
    behind = scores["NBD"] - scores["MBG_NBD"]
    worse = "NBD" if behind.mean() < 0 else "MBG_NBD"
    error = behind.std() / np.sqrt(60)
    assert found.loc[worse, "log_score_error"] == pytest.approx(error, rel=1e-6, abs=1e-12)
    assert sorted(found["log_score_error"].dropna())[0] == 0


def test_forecasts_with_covariates_are_those_of_a_loop_over_customers_in_every_engine(as_engine):
    compare_with_covariates(as_engine)


def test_covariates_may_act_on_different_things_and_are_refused_as_in_a_fit():
    orders = some_orders(200)
    rng = np.random.default_rng(3)
    known = pd.DataFrame({"customer_id": np.arange(200), "app": rng.random(200) < 0.4, "age": rng.normal(40, 9, 200)})
    split = split_of(orders)
    compared = compare_models(split, [BG_NBD], covariates=Covariates(frame=known, purchases=["app"], dropout=["age"]))
    fit = fit_purchases(
        split.calibration, BG_NBD, covariates=Covariates(frame=known, purchases=["app"], dropout=["age"])
    )
    assert compared.fits[0].log_likelihood == fit.log_likelihood
    plain = split.calibration.frame.merge(known, on="customer_id")
    by_name = compare_models(plain, [BG_NBD, NBD], covariates=["app", "age"], time_unit="week").to_frame()
    by_frame = compare_models(split.calibration, [BG_NBD, NBD], covariates=known).to_frame()
    pd.testing.assert_frame_equal(by_name, by_frame)
    with pytest.raises(InputError, match="covariates: no row for the customer in 175 of 177"):
        compare_models(split, [BG_NBD], covariates=known.head(3))
    with pytest.raises(InputError, match="age: missing or infinite in 1 of 177"):
        compare_models(split, [BG_NBD], covariates=known.assign(age=np.r_[np.nan, known["age"][1:]]))
    with pytest.raises(InputError, match="penalty: given without covariates"):
        compare_models(split, [BG_NBD], penalty=1.0)
    rolling = {"origins": ["2024-02-09", "2024-02-29"], "duration": 5}
    found = rolling_forecasts(orders, [NBD], covariates=known, **rolling)
    days = split_holdout(orders, calibration_end="2024-02-09", observation_end="2024-03-15", time_unit="week")
    pd.testing.assert_frame_equal(
        found.to_frame().loc["2024-02-09"], compare_models(days, [NBD], covariates=known).to_frame()
    )
    with pytest.raises(InputError, match="covariates: no row for the customer"):
        rolling_forecasts(orders, [NBD], covariates=known.tail(3), **rolling)


def test_customers_who_are_alike_are_judged_together_in_a_lazy_engine_and_alone_in_others():
    import polars as pl

    orders = some_orders().assign(date=lambda rows: rows["date"].astype("datetime64[ms]"))
    eager, lazy = (
        compare_models(split_of(rows), [NBD, BG_NBD]).to_frame() for rows in (orders, pl.from_pandas(orders).lazy())
    )
    pd.testing.assert_frame_equal(eager, lazy, rtol=1e-7)


def made_up(*of_models):
    """Return a comparison with these figures: BIC, log score, its error and mean absolute error of each model."""
    fits, forecasts = [], []
    for model, (bic, score, error, mae) in zip((BG_NBD, PARETO_NBD), of_models, strict=True):
        fits.append(
            PurchaseFit(
                model=model, params=model.Params(1.0, 1.0, 1.0, 1.0), log_covariance=np.eye(4),
                log_likelihood=(4 * np.log(100) - bic) / 2, gradient_norm=0.0, n_customers=100, time_unit="week",
            )
        )  # fmt: skip
        forecasts.append(Forecast(mae, mae, -0.1, score, error, 1.0, 0.5, 0.5))
    naive = (Forecast(mae, 1.0, 0.3, np.nan, np.nan, 1.0, np.nan, 0.5) for mae in (1.2, 1.5))
    return ModelComparison(models=(BG_NBD, PARETO_NBD), fits=tuple(fits), forecasts=(*forecasts, *naive))


@pytest.mark.parametrize(
    ("figures", "best", "why", "mae"),
    [
        (
            [(100, -1.0, 0.0, 0.8), (110, -1.1, 0.2, 0.9)],
            BG_NBD,
            "Use BG/NBD: it has the lowest BIC, and gives what came the highest chance",
            0.8,
        ),
        (
            [(100, -1.1, 0.04, 0.8), (110, -1.0, 0.0, 0.9)],
            PARETO_NBD,
            "Use Pareto/NBD: it gives what came a clearly higher chance than BG/NBD, whose BIC is 10.0 lower",
            0.9,
        ),
        (
            [(100, -1.1, 0.06, 0.8), (110, -1.0, 0.0, 0.9)],
            BG_NBD,
            "Use BG/NBD: its BIC is 10.0 below that of Pareto/NBD, which gives what came a higher chance, "
            "but not clearly",
            0.8,
        ),
        (
            [(100, -1.1, 0.06, 0.8), (105, -1.0, 0.0, 0.9)],
            BG_NBD,
            "Use BG/NBD or Pareto/NBD: neither their BIC, 5.0 apart, nor what came tells them apart",
            0.8,
        ),
    ],
)
def test_the_advice_follows_bic_unless_the_holdout_clearly_contradicts(figures, best, why, mae):
    compared = made_up(*figures)
    assert compared.best.model is best
    assert compared.advice == f"{why}, {AGAINST.format(mae)} and a total off by -10%."


def test_a_comparison_shows_its_advice_and_its_table():
    compared = made_up((100, -1.0, 0.0, 0.8), (110, -1.1, 0.2, 0.9))
    assert repr(compared) == f"<ModelComparison of BG/NBD, Pareto/NBD: {compared.advice}>"
    shown = compared._repr_html_()
    assert shown.startswith(f"<p>{compared.advice}</p><table>")
    for text in ("<td>PARETO_NBD</td>", "<td>mean_rate</td>", "<td>110</td>", "<th>log_score</th>"):
        assert text in shown


def test_models_that_err_more_than_a_naive_forecast_are_doubted():
    advice = made_up((100, -1.0, 0.0, 1.3), (110, -1.1, 0.2, 0.9)).advice
    why = "it has the lowest BIC, and gives what came the highest chance"
    assert advice == f"Doubt all, BG/NBD too: {why}, yet {AGAINST.format(1.3)}."


def test_models_forecast_cdnow_better_than_naive_rules(cdnow):
    split = split_holdout(cdnow, calibration_end="1997-09-30", time_unit="week")
    found = compare_models(split, [NBD, BG_NBD, PARETO_NBD])
    table = found.to_frame()
    assert (table.loc[["BG_NBD", "PARETO_NBD"], "mae"] < table.loc["same_rate", "mae"]).all()
    assert table["log_score"].idxmin() == "NBD"  # it does not know that customers leave
    assert found.advice.startswith(
        "Use BG/NBD: it has the lowest BIC, and gives what came the highest chance, with a me"
    )


def test_rolling_forecasts_are_single_ones_from_several_days(cdnow):
    days = ["1997-06-30", "1997-12-31"]
    found = rolling_forecasts(cdnow, [BG_NBD, NBD], origins=days, duration=13)
    table = found.to_frame()
    for day, end in zip(days, ["1997-09-29", "1998-04-01"], strict=True):  # 91 days later
        split = split_holdout(cdnow, calibration_end=day, observation_end=end, time_unit="week")
        pd.testing.assert_frame_equal(table.loc[day], compare_models(split, [BG_NBD, NBD]).to_frame())
    means = found.means()
    assert means.loc["BG_NBD", "mae"] == pytest.approx(table.xs("BG_NBD", level="model")["mae"].mean())
    assert found.advice.startswith(
        "Use BG/NBD: over the 2 days together it gives what came the highest chance, and on 2 of them alone, with a "
        "mean"
    )
    with pytest.raises(InputError, match="origins: not a list of different days"):
        rolling_forecasts(cdnow, [NBD], origins=["1997-06-30", "1997-06-30"], duration=13)
    with pytest.raises(InputError, match="origins: not a list of different days"):
        rolling_forecasts(cdnow, [NBD], origins="1997-06-30", duration=13)
    with pytest.raises(InputError, match="duration: the period after 1998-06-01 ends on 1998-08-31, and the transacti"):
        rolling_forecasts(cdnow, [NBD], origins=["1998-06-01"], duration=13)


def test_wrong_arguments_are_refused_with_the_remedy():
    frame = pd.DataFrame({"frequency": [1, 2], "recency": [2.0, 3.0], "T": [9.0, 9.0]})
    for models in ([], BG_NBD, [GAMMA_GAMMA], ["BG_NBD"]):
        with pytest.raises(InputError, match="models: not a list of purchase models"):
            compare_models(frame, models, time_unit="week")
    with pytest.raises(InputError, match="models: BG/BB counts opportunities and others take time as continuous"):
        compare_models(frame, [BG_BB, BG_NBD], time_unit="week")
    with pytest.raises(InputError, match="time_unit: got 'day', but the summary is in weeks"):
        compare_models(split_of(some_orders()), [NBD], time_unit="day")
