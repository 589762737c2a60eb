"""Fits, predictions and lifetime value against the lifetimes library, in one run; prints a Markdown table of ratios.

Run from a checkout with the test group installed: ``python benchmarks/fit.py``; with ``--slow`` also where lifetimes
takes minutes. Our times include the standard errors and the way through the data frame; theirs too, for they compute
both in ``fit``. The two take turns on the same data, and the median of the processor times of each counts: lifetimes
starts its search for Pareto/NBD at random, and takes from half to twice as long.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import argparse
import gc
import time
import tracemalloc
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")  # lifetimes warns about pandas, and overflows on its way

from lifetimes import (  # noqa: E402
    BetaGeoBetaBinomFitter,
    BetaGeoFitter,
    GammaGammaFitter,
    ModifiedBetaGeoFitter,
    ParetoNBDFitter,
)

from crmvalue.clv import conditional_expected_purchases, customer_value, probability_alive  # noqa: E402
from crmvalue.models import BG_BB, BG_NBD, GAMMA_GAMMA, MBG_NBD, PARETO_NBD  # noqa: E402
from crmvalue.models.fit import PurchaseFit, fit_purchases, fit_spend  # noqa: E402

TRUTH = BG_NBD.Params(r=0.243, alpha=30.9, a=0.793, b=2.426)  # CDNOW, in days
SPEND = GAMMA_GAMMA.Params(p=6.25, q=3.74, v=15.44)
HISTORY = ["frequency", "recency", "T"]
DAYS_PER_MONTH = 30.4375
ENOUGH = 3.0  # seconds after which a job is not run again


def race(ours: Callable[[], Any], theirs: Callable[[], Any] | None) -> tuple[float, float, Any, Any]:
    """Return the median processor time of each, which other jobs hardly touch, and what each returned last."""
    results: list[Any] = [None, None]
    times: list[list[float]] = [[], []]
    while sum(map(sum, times)) < ENOUGH:
        for i, work in enumerate((ours, theirs)):
            if work is not None:
                begin = time.process_time()
                results[i] = work()
                times[i].append(time.process_time() - begin)
    return float(np.median(times[0])), float(np.median(times[1] or [np.nan])), *results


def row(job: str, ours: float, theirs: float, asked: str = "", note: str = "") -> None:
    """Print one line of the table; `asked` is the ratio that is wanted."""
    print(f"| {job} | {1e3 * ours:.1f} | {1e3 * theirs:.0f} | {theirs / ours:.0f} | {asked} | {note} |", flush=True)


def datasets(name: str) -> Path:
    """Return the path of one of the files that lifetimes brings along."""
    return Path(str(find_spec("lifetimes").origin)).parent / "datasets" / name  # type: ignore[union-attr]


def cdnow() -> pd.DataFrame:
    """Return the CDNOW sample: 39 weeks, 2,357 customers."""
    frame = pd.read_csv(datasets("cdnow_customers_summary.csv"))
    spend = pd.read_csv(datasets("cdnow_customers_summary_with_transactions.csv"))["zbar"]
    return frame.assign(monetary_value=spend).rename(columns={"ID": "customer_id"})


def simulated(n: int) -> pd.DataFrame:
    """Return n customers with whole-day times over two years."""
    rng = np.random.default_rng(1)
    made = BG_NBD.simulate(TRUTH, rng.integers(30, 731, n).astype(float), rng)
    frame = {
        "customer_id": np.arange(n),
        "frequency": made.frequency,
        "recency": np.ceil(made.recency),
        "T": made.T,
        "monetary_value": np.nan_to_num(GAMMA_GAMMA.simulate(SPEND, made.frequency, rng)),
    }
    return pd.DataFrame(frame)


def compare_fits(
    job: str, frame: pd.DataFrame, unit: Any, model: Any, fitter: Callable[[], Any], asked: str
) -> tuple[PurchaseFit, Any]:
    """Compare the fits of a purchase model, and where both ended."""
    columns = [frame[name] for name in HISTORY]
    ours, theirs, fit, other = race(lambda: fit_purchases(frame, model, time_unit=unit), lambda: fitter().fit(*columns))
    at_theirs = model.Params(*(other.params_[name] for name in model.Params._fields))
    values = model.log_likelihood(at_theirs, *(column.to_numpy(dtype=float) for column in columns))
    row(f"{model.title} fit, {job}", ours, theirs, asked, f"log-likelihood {fit.log_likelihood - values.sum():+.4f}")
    return fit, other


def compare_donations() -> None:
    """Compare the BG/BB fits: one row a donor for us, the 22 distinct histories and their numbers for them."""
    table = pd.read_csv(datasets("donations.csv"))
    donors = table.loc[table.index.repeat(table["weights"])].rename(columns={"periods": "T"})
    columns = [table[name] for name in ("frequency", "recency", "periods", "weights")]
    ours, theirs, _, _ = race(
        lambda: fit_purchases(donors, BG_BB, time_unit="year"), lambda: BetaGeoBetaBinomFitter().fit(*columns)
    )
    row("BG/BB fit, 11,104 donors", ours, theirs, "20")


def compare_spend(job: str, frame: pd.DataFrame) -> tuple[Any, GammaGammaFitter]:
    """Compare the Gamma-Gamma fits."""
    repeat = frame[frame["frequency"] > 0]
    columns = repeat["frequency"], repeat["monetary_value"]
    ours, theirs, fit, other = race(lambda: fit_spend(frame), lambda: GammaGammaFitter().fit(*columns))
    row(f"Gamma-Gamma fit, {job}", ours, theirs, "20")
    return fit, other


def compare_predictions(frame: pd.DataFrame, fit: PurchaseFit, theirs: Any, asked: str) -> None:
    """Compare P(alive) with expected purchases over the next 90 days."""
    columns = [frame[name] for name in HISTORY]
    ours, other, made, wanted = race(
        lambda: conditional_expected_purchases(fit, frame, horizon=90),  # with P(alive) next to them
        lambda: (
            theirs.conditional_probability_alive(*columns),
            theirs.conditional_expected_number_of_purchases_up_to_time(90, *columns),
        ),
    )
    gaps = np.abs(made["expected_purchases"].to_numpy() / np.asarray(wanted[1]) - 1)
    job = f"{fit.model.title} P(alive) and expected purchases, {len(frame):,} customers"
    lost = f", lifetimes has none for {np.isnan(gaps).sum():,}" if np.isnan(gaps).any() else ""
    row(job, ours, other, asked, f"median relative gap {np.nanmedian(gaps):.0e}{lost}")


def compare_value(
    frame: pd.DataFrame, fit: PurchaseFit, spend: Any, theirs: BetaGeoFitter, their_spend: GammaGammaFitter
) -> None:
    """Compare the value over 12 months."""
    columns = [frame[name] for name in (*HISTORY, "monetary_value")]
    ours, other, _, _ = race(
        twelve_months(frame, fit, spend),
        lambda: their_spend.customer_lifetime_value(theirs, *columns, time=12, discount_rate=0.008, freq="D"),
    )
    row(f"value over 12 months, {len(frame):,} customers", ours, other, "100")
    ours = race(lambda: customer_value(frame, fit, spend, horizon=365, discount_rate=0.1), None)[0]
    print(f"| value over 365 days, {len(frame):,} customers | {1e3 * ours:.1f} | - | - | | |", flush=True)


def twelve_months(frame: pd.DataFrame, fit: PurchaseFit, spend: Any) -> Callable[[], Any]:
    """Return the valuation of the same customers by the same fit, in months."""
    months = frame.assign(recency=frame["recency"] / DAYS_PER_MONTH, T=frame["T"] / DAYS_PER_MONTH)
    r, alpha, a, b = fit.params
    monthly = PurchaseFit(
        model=fit.model,
        params=fit.model.Params(r, alpha / DAYS_PER_MONTH, a, b),
        log_covariance=fit.log_covariance,
        log_likelihood=fit.log_likelihood,
        gradient_norm=fit.gradient_norm,
        n_customers=fit.n_customers,
        time_unit="month",
    )
    return lambda: customer_value(months, monthly, spend, horizon=12, discount_rate=0.1)


def memory(job: str, work: Callable[[], Any], customers: int) -> None:
    """Print the highest memory during a job beyond what was there before it and what it returned, by customer."""
    gc.collect()
    tracemalloc.start()
    result = work()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    print(f"| {job} | {(peak - held) / customers:.0f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers to fit and predict for")
    parser.add_argument("--slow", action="store_true", help="also fit Pareto/NBD to 100,000 with lifetimes: minutes")
    arguments = parser.parse_args()
    sample, some, many = cdnow(), simulated(100_000), simulated(arguments.customers)
    all_of_them = f"{len(many):,} customers, days"
    print("| job | crmvalue, ms | lifetimes, ms | times faster | asked | |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    compare_fits("CDNOW sample", sample, "week", BG_NBD, BetaGeoFitter, "25")
    compare_fits("CDNOW sample", sample, "week", MBG_NBD, ModifiedBetaGeoFitter, "20")
    _, their_pareto = compare_fits("CDNOW sample", sample, "week", PARETO_NBD, ParetoNBDFitter, "30")
    compare_spend("CDNOW sample", sample)
    compare_donations()
    compare_fits("100,000 customers, days", some, "day", BG_NBD, BetaGeoFitter, "25")
    compare_fits("100,000 customers, days", some, "day", MBG_NBD, ModifiedBetaGeoFitter, "20")
    compare_spend("100,000 customers", some)
    if arguments.slow:
        compare_fits("100,000 customers, days", some, "day", PARETO_NBD, ParetoNBDFitter, "200")
    fit, theirs = compare_fits(all_of_them, many, "day", BG_NBD, BetaGeoFitter, "40")
    spend, their_spend = compare_spend(f"{len(many):,} customers", many)
    pareto = fit_purchases(many, PARETO_NBD, time_unit="day")
    ours = race(lambda: fit_purchases(many, PARETO_NBD, time_unit="day"), None)[0]
    print(f"| Pareto/NBD fit, {all_of_them} | {1e3 * ours:.1f} | - | - | | |", flush=True)
    compare_predictions(many, fit, theirs, "20")
    their_pareto.params_ = pd.Series(pareto.params._asdict())  # type: ignore[attr-defined]  # a NamedTuple
    compare_predictions(many, pareto, their_pareto, "10")
    compare_value(many, fit, spend, theirs, their_spend)

    print("\n| job | bytes a customer beyond input and output |")
    print("| --- | ---: |")
    n = len(many)
    memory("BG/NBD fit", lambda: fit_purchases(many, time_unit="day"), n)
    memory("MBG/NBD fit", lambda: fit_purchases(many, MBG_NBD, time_unit="day"), n)
    memory("Pareto/NBD fit", lambda: fit_purchases(many, PARETO_NBD, time_unit="day"), n)
    memory("Gamma-Gamma fit", lambda: fit_spend(many), n)
    memory("BG/NBD P(alive)", lambda: probability_alive(fit, many), n)
    memory("BG/NBD expected purchases", lambda: conditional_expected_purchases(fit, many, horizon=90), n)
    memory("Pareto/NBD expected purchases", lambda: conditional_expected_purchases(pareto, many, horizon=90), n)
    memory("value over 12 months", twelve_months(many, fit, spend), n)


if __name__ == "__main__":
    main()
