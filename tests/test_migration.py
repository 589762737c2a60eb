"""Coming from lifetimes: each row of the migration table, run in both libraries, and the names that it lists."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crmvalue as crm
from crmvalue.models.diagnostics import history_table

GUIDE = Path(__file__).parent.parent / "docs" / "guide" / "models.md"
END, CUT = "1998-06-30", "1997-09-30"
UNIT = "day"
MODULES = ("clv", "models.diagnostics", "models.tracking_curve", "reporting.model_plots")


@pytest.fixture(scope="module")
def lifetimes() -> Any:
    """Return the other library, which warns about pandas when it is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in ("utils", "plotting", "generate_data"):
            importlib.import_module(f"lifetimes.{part}")
        return importlib.import_module("lifetimes")


@pytest.fixture(scope="module")
def rows(cdnow_folder) -> pd.DataFrame:
    """Return the purchases of the CDNOW sample."""
    names = ["master_id", "customer_id", "date", "cds", "amount"]
    return pd.read_csv(cdnow_folder / "CDNOW_sample.txt", sep=r"\s+", header=None, names=names, parse_dates=["date"])


@pytest.fixture(scope="module")
def summary(rows) -> crm.CustomerSummary:
    """Return our summary of the whole time, in days."""
    return crm.summarize_customers(rows, observation_end=END, time_unit=UNIT)


@pytest.fixture(scope="module")
def fits(lifetimes, summary) -> dict[str, tuple[Any, crm.PurchaseFit]]:
    """Return their fitters with our estimates, for their searches stop early, and our fits."""
    frame, found = summary.frame, {}
    for name, model in [
        ("BetaGeoFitter", crm.BG_NBD),
        ("ModifiedBetaGeoFitter", crm.MBG_NBD),
        ("ParetoNBDFitter", crm.PARETO_NBD),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(lifetimes, name)()
            if name != "ParetoNBDFitter":  # half a minute
                theirs.fit(frame["frequency"], frame["recency"], frame["T"])
        ours = crm.fit_purchases(summary, model)
        if name != "ParetoNBDFitter":
            assert list(ours.params) == pytest.approx([theirs.params_[key] for key in ours.param_names], rel=0.02)
        theirs.params_ = pd.Series(dict(zip(ours.param_names, ours.params, strict=True)))
        theirs.predict = theirs.conditional_expected_number_of_purchases_up_to_time
        found[name] = theirs, ours
    return found


def quiet(work, *arguments, **options) -> np.ndarray:
    """Return what the other library says, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(work(*arguments, **options), dtype=float)


def test_every_function_of_the_other_library_is_in_the_table_and_every_name_of_ours_exists(lifetimes):
    table = GUIDE.read_text(encoding="utf-8").split("## Coming from lifetimes")[1].split("What differs")[0]
    places = [crm, *(importlib.import_module(f"crmvalue.{name}") for name in MODULES)]
    for path in re.findall(r"`~crmvalue\.([\w.]+)`", table):
        assert any(hasattr(place, path.split(".")[-1]) for place in places), path
    theirs = {
        name
        for part in (lifetimes.utils, lifetimes.plotting, lifetimes.generate_data)
        for name, value in vars(part).items()
        if callable(value) and getattr(value, "__module__", "") == part.__name__ and not name.startswith("_")
    }
    fitters = ("BetaGeo", "ModifiedBetaGeo", "ParetoNBD", "BetaGeoBetaBinom", "GammaGamma")
    for fitter in (f"{name}Fitter" for name in fitters):
        assert fitter in table
        theirs |= {name for name, value in vars(getattr(lifetimes, fitter)).items() if not name.startswith("_")}
    inner = {"ConvergenceError", "coalesce", "forceAspect"}  # nothing that an analyst calls
    assert sorted(name for name in theirs - inner if f"`{name}`" not in table) == []


def test_summaries_agree(lifetimes, rows, summary):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lifetimes.utils.summary_data_from_transaction_data(
            rows, "customer_id", "date", "amount", observation_period_end=END, freq="D"
        )
    ours = summary.frame.set_index("customer_id").loc[theirs.index]
    for name in ("frequency", "recency", "T"):
        assert ours[name].to_numpy(dtype=float) == pytest.approx(theirs[name].to_numpy(dtype=float))
    spend = ours["monetary_value"].fillna(0.0).to_numpy(dtype=float)  # missing, not 0, without a repeat purchase
    assert spend == pytest.approx(theirs["monetary_value"].to_numpy(dtype=float))


@pytest.mark.parametrize("name", ["BetaGeoFitter", "ModifiedBetaGeoFitter", "ParetoNBDFitter"])
def test_predictions_agree(fits, summary, name):
    theirs, ours = fits[name]
    columns = [summary.frame[key].to_numpy(dtype=float) for key in ("frequency", "recency", "T")]
    expected = crm.conditional_expected_purchases(ours, summary, horizon=180)["expected_purchases"].to_numpy()
    # their hypergeometric series loses digits
    wanted = quiet(theirs.conditional_expected_number_of_purchases_up_to_time, 180, *columns)
    assert expected == pytest.approx(wanted, rel=1e-5)
    alive = crm.probability_alive(ours, summary)["probability_alive"].to_numpy()
    assert alive == pytest.approx(quiet(theirs.conditional_probability_alive, *columns), rel=1e-6)
    t = np.array([7.0, 90.0, 400.0])
    assert crm.expected_purchases(ours, t) == pytest.approx(
        quiet(theirs.expected_number_of_purchases_up_to_time, t), rel=1e-6
    )


@pytest.mark.parametrize("name", ["BetaGeoFitter", "ModifiedBetaGeoFitter"])
def test_chances_of_counts_of_a_new_customer_agree(fits, name):
    theirs, ours = fits[name]
    new = {"frequency": 0, "recency": 0.0, "T": 0.0}
    found = crm.purchase_probabilities(ours, new, horizon=90, counts=range(4))
    wanted = [float(quiet(theirs.probability_of_n_purchases_up_to_time, 90, n)) for n in range(4)]
    assert [float(found[f"probability_{n}"]) for n in range(4)] == pytest.approx(wanted, rel=1e-6)


def test_chances_of_counts_given_a_history_agree(fits):
    theirs, ours = fits["ParetoNBDFitter"]
    history = {"frequency": 3, "recency": 200.0, "T": 300.0}
    found = crm.purchase_probabilities(ours, history, horizon=90, counts=[0, 2])
    for n in (0, 2):
        wanted = quiet(theirs.conditional_probability_of_n_purchases_up_to_time, n, 90, 3, 200.0, 300.0)
        assert float(found[f"probability_{n}"]) == pytest.approx(float(wanted), rel=1e-6)


def test_matrices_of_histories_agree(lifetimes, fits):
    theirs, ours = fits["BetaGeoFitter"]
    table = history_table(ours, T=60, horizon=30, most=4)
    wanted = quiet(theirs.conditional_probability_alive_matrix, max_frequency=4, max_recency=60)
    some = table[table["recency"] % 1 == 0]
    found = wanted[some["recency"].astype(int), some["frequency"]]
    assert some["probability_alive"].to_numpy() == pytest.approx(found, rel=1e-6)


def test_the_path_of_a_customer_is_her_chance_on_each_day(fits):
    theirs, ours = fits["BetaGeoFitter"]  # their own function for it does not run on this pandas
    days = np.array([0, 20, 21, 90])  # of her purchases
    T = np.arange(200)
    before = np.searchsorted(days, T, side="right") - 1
    path = crm.probability_alive(ours, {"frequency": before, "recency": days[before], "T": T})["probability_alive"]
    wanted = quiet(theirs.conditional_probability_alive, before, days[before], T)
    assert np.asarray(path) == pytest.approx(wanted, rel=1e-6)


def test_spend_and_value_agree(lifetimes, fits, summary):
    buyers = summary.frame[(summary.frame["frequency"] > 0) & (summary.frame["monetary_value"] > 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lifetimes.GammaGammaFitter().fit(buyers["frequency"], buyers["monetary_value"])
    ours = crm.fit_spend(summary)
    assert list(ours.params) == pytest.approx([theirs.params_[key] for key in ours.param_names], rel=0.02)
    theirs.params_ = pd.Series(dict(zip(ours.param_names, ours.params, strict=True)))
    columns = [buyers[key] for key in ("frequency", "recency", "T", "monetary_value")]
    wanted = quiet(theirs.conditional_expected_average_profit, columns[0], columns[3])
    assert crm.expected_spend(ours, buyers)["expected_spend"].to_numpy() == pytest.approx(wanted, rel=1e-9)
    # their month is 30 days, discounted at a rate a month; here it is a summary in units of 30 days
    model, fit = fits["BetaGeoFitter"]
    value = quiet(theirs.customer_lifetime_value, model, *columns, time=6, discount_rate=0.01, freq="D")
    thirty = buyers.assign(recency=buyers["recency"] / 30, T=buyers["T"] / 30)
    r, alpha, a, b = fit.params
    monthly = crm.fit_purchases(thirty, crm.NBD, time_unit="month")
    monthly = crm.PurchaseFit(
        model=crm.BG_NBD, params=crm.BG_NBD.Params(r, alpha / 30, a, b), log_covariance=fit.log_covariance,
        log_likelihood=0.0, gradient_norm=0.0, n_customers=monthly.n_customers, time_unit="month",
    )  # fmt: skip
    found = crm.customer_value(thirty, monthly, ours, horizon=6, discount_rate=1.01**12 - 1).frame
    assert found["value"].to_numpy() == pytest.approx(value, rel=1e-5)


def test_tracking_agrees(lifetimes, rows):
    summary = crm.summarize_customers(rows, observation_end=CUT, time_unit=UNIT)
    ours = crm.fit_purchases(summary)
    theirs = lifetimes.BetaGeoFitter()
    theirs.params_ = pd.Series(dict(zip(ours.param_names, ours.params, strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = lifetimes.utils.expected_cumulative_transactions(
            theirs, rows, "date", "customer_id", 500, freq="D", set_index_date=False
        )
    found = crm.tracking(ours, rows)
    for day in (100, 273, 480):
        assert found.loc[day, "cumulative_actual"] == wanted["actual"].iloc[day]  # theirs up to the day before
        assert found.loc[day, "cumulative_expected"] == pytest.approx(wanted["predicted"].iloc[day - 1], rel=1e-6)
