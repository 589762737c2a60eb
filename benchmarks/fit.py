"""Fits, predictions and lifetime value against the lifetimes library, in one run; prints a Markdown table of ratios.

Run from a checkout with the test group installed: ``python benchmarks/fit.py``. Our times include the standard errors
and the way through the data frame; theirs too, for they compute both in ``fit``.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import argparse
import time
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
from crmvalue.models.fit import fit_purchases, fit_spend  # noqa: E402

TRUTH = BG_NBD.Params(r=0.243, alpha=30.9, a=0.793, b=2.426)  # CDNOW, in days
SPEND = GAMMA_GAMMA.Params(p=6.25, q=3.74, v=15.44)


def seconds(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the best processor time of a few runs, which other jobs hardly touch, and the last result."""
    best = np.inf
    for _ in range(repeats):
        begin = time.process_time()
        result = work()
        best = min(best, time.process_time() - begin)
    return best, result


def row(job: str, ours: tuple[float, Any], theirs: tuple[float, Any], note: str = "") -> None:
    """Print one line of the table."""
    ratio = theirs[0] / ours[0]
    print(f"| {job} | {ours[0]:.4f} | {theirs[0]:.3f} | {ratio:.0f} | {note} |", flush=True)


def cdnow() -> pd.DataFrame:
    """Return the CDNOW sample: 39 weeks, 2,357 customers."""
    spec = find_spec("lifetimes")
    folder = Path(str(spec.origin)).parent / "datasets"
    frame = pd.read_csv(folder / "cdnow_customers_summary.csv")
    spend = pd.read_csv(folder / "cdnow_customers_summary_with_transactions.csv")["zbar"]
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


def compare_fits(job: str, frame: pd.DataFrame, unit: Any, repeats: int) -> tuple[Any, BetaGeoFitter]:
    """Compare the BG/NBD fits."""
    ours = seconds(lambda: fit_purchases(frame, time_unit=unit), max(3, repeats))
    columns = [frame[name] for name in ("frequency", "recency", "T")]
    theirs = seconds(lambda: BetaGeoFitter().fit(*columns), repeats)
    at_theirs = BG_NBD.Params(*(theirs[1].params_[name] for name in BG_NBD.Params._fields))
    values = BG_NBD.log_likelihood(at_theirs, *(column.to_numpy(dtype=float) for column in columns))
    gain = ours[1].log_likelihood - float(values.sum())
    row(job, ours, theirs, f"log-likelihood {gain:+.4f}")
    return ours[1], theirs[1]


def compare_other_fits(
    job: str, frame: pd.DataFrame, unit: Any, model: Any, fitter: Callable[[], Any], repeats: int
) -> tuple[Any, Any]:
    """Compare the fits of another purchase model, and where both ended."""
    ours = seconds(lambda: fit_purchases(frame, model, time_unit=unit), max(3, repeats))
    columns = [frame[name] for name in ("frequency", "recency", "T")]
    theirs = seconds(lambda: fitter().fit(*columns), repeats)
    at_theirs = model.Params(*(theirs[1].params_[name] for name in model.Params._fields))
    values = model.log_likelihood(at_theirs, *(column.to_numpy(dtype=float) for column in columns))
    row(job, ours, theirs, f"log-likelihood {ours[1].log_likelihood - float(values.sum()):+.4f}")
    return ours[1], theirs[1]


def compare_donations() -> None:
    """Compare the BG/BB fits: one row a donor for us, the 22 distinct histories and their numbers for them."""
    spec = find_spec("lifetimes")
    table = pd.read_csv(Path(str(spec.origin)).parent / "datasets" / "donations.csv")
    donors = table.loc[table.index.repeat(table["weights"])].rename(columns={"periods": "T"})
    ours = seconds(lambda: fit_purchases(donors, BG_BB, time_unit="year"), 3)
    columns = [table[name] for name in ("frequency", "recency", "periods", "weights")]
    row("BG/BB fit, 11,104 donors", ours, seconds(lambda: BetaGeoBetaBinomFitter().fit(*columns), 3))


def compare_spend(job: str, frame: pd.DataFrame, repeats: int) -> tuple[Any, GammaGammaFitter]:
    """Compare the Gamma-Gamma fits."""
    repeat = frame[frame["frequency"] > 0]
    ours = seconds(lambda: fit_spend(frame), max(3, repeats))
    theirs = seconds(lambda: GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"]), repeats)
    row(job, ours, theirs)
    return ours[1], theirs[1]


def compare_predictions(n: int, fit: Any, spend: Any, theirs: BetaGeoFitter, their_spend: GammaGammaFitter) -> None:
    """Compare P(alive), expected purchases and value over 12 months of n customers."""
    frame = simulated(n)
    columns = [frame[name] for name in ("frequency", "recency", "T")]
    job = f"P(alive) and expected purchases, {n:,} customers"
    ours = seconds(lambda: (probability_alive(fit, frame), conditional_expected_purchases(fit, frame, horizon=90)), 3)
    other = seconds(
        lambda: (
            theirs.conditional_probability_alive(*columns),
            theirs.conditional_expected_number_of_purchases_up_to_time(90, *columns),
        ),
        1,
    )
    gap = np.abs(ours[1][1]["expected_purchases"].to_numpy() / np.asarray(other[1][1]) - 1)
    row(job, ours, other, f"median relative gap {np.median(gap):.0e}: the two fits differ")
    money = frame["monetary_value"]
    months = frame.assign(recency=frame["recency"] / 30.4375, T=frame["T"] / 30.4375)
    r, alpha, a, b = fit.params
    monthly = type(fit)(
        model=fit.model,
        params=fit.model.Params(r, alpha / 30.4375, a, b),
        log_covariance=fit.log_covariance,
        log_likelihood=fit.log_likelihood,
        gradient_norm=fit.gradient_norm,
        n_customers=fit.n_customers,
        time_unit="month",
    )
    ours = seconds(lambda: customer_value(months, monthly, spend, horizon=12, discount_rate=0.1), 3)
    other = seconds(
        lambda: their_spend.customer_lifetime_value(theirs, *columns, money, time=12, discount_rate=0.008, freq="D"), 1
    )
    row(f"value over 12 months, {n:,} customers", ours, other)
    ours = seconds(lambda: customer_value(frame, fit, spend, horizon=365, discount_rate=0.1), 3)
    print(f"| value over 365 days, {n:,} customers | {ours[0]:.4f} | - | - | |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers to predict for")
    parser.add_argument("--pareto", action="store_true", help="also fit Pareto/NBD to 100,000 with lifetimes: minutes")
    arguments = parser.parse_args()
    print("| job | crmvalue, s | lifetimes, s | times faster | |")
    print("| --- | ---: | ---: | ---: | --- |")
    sample, many = cdnow(), simulated(100_000)
    compare_fits("BG/NBD fit, CDNOW sample", sample, "week", 3)
    compare_spend("Gamma-Gamma fit, CDNOW sample", sample, 3)
    compare_other_fits("MBG/NBD fit, CDNOW sample", sample, "week", MBG_NBD, ModifiedBetaGeoFitter, 3)
    compare_other_fits("MBG/NBD fit, 100,000 customers, days", many, "day", MBG_NBD, ModifiedBetaGeoFitter, 1)
    compare_donations()
    compare_other_fits("Pareto/NBD fit, CDNOW sample", sample, "week", PARETO_NBD, ParetoNBDFitter, 3)
    if arguments.pareto:
        compare_other_fits("Pareto/NBD fit, 100,000 customers, days", many, "day", PARETO_NBD, ParetoNBDFitter, 1)
    fit, theirs = compare_fits("BG/NBD fit, 100,000 customers, days", many, "day", 1)
    spend, their_spend = compare_spend("Gamma-Gamma fit, 100,000 customers", many, 1)
    compare_predictions(arguments.customers, fit, spend, theirs, their_spend)


if __name__ == "__main__":
    main()
