"""Simulation, internal rates and returns in one run; prints a Markdown table of seconds.

Run from a checkout with the test group installed: ``python benchmarks/roi.py``. Everything runs on one core.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyxirr

from crmvalue.finance.internal_rate import internal_rates_of_return
from crmvalue.roi import (
    beta,
    empirical,
    lognormal,
    normal,
    pert,
    return_on_investment,
    simulate_roi,
    triangular,
    uniform,
)

KINDS = (
    lambda: triangular(1, 2, 6),
    lambda: pert(1, 2, 6),
    lambda: normal(2, 1),
    lambda: lognormal(2, 0.3),
    lambda: uniform(1, 3),
    lambda: beta(2, 3),
    lambda: empirical(np.arange(100.0) / 25),
)
N_INPUTS = 20


def seconds(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the best time of a few runs, and the last result."""
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - begin)
    return best, result


def row(job: str, ours: float, note: str = "") -> None:
    """Print one line of the table."""
    print(f"| {job} | {ours:.4f} | {note} |", flush=True)


def peak() -> float:
    """Return the most memory that the process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulations(n_draws: int) -> None:
    """Measure simulations of a model with 20 inputs of seven families."""
    inputs = {f"x{place}": KINDS[place % len(KINDS)]() for place in range(N_INPUTS)}

    def model(**values: Any) -> Any:
        return sum(values.values()) - 45.0

    chain = {(f"x{place}", f"x{place + 1}"): 0.3 for place in range(N_INPUTS - 1)}
    before = peak()
    for said, correlation in (("independent", None), ("all correlated", chain)):

        def draw(correlation: Any = correlation) -> Any:
            return simulate_roi(model, inputs, rng=np.random.default_rng(1), n_draws=n_draws, correlation=correlation)

        taken, found = seconds(draw)
        memory = f"{peak() - before:.0f} MB more, {found.outcome.nbytes / 2**20:.0f} of them the outcome"
        note = f"it pays in {found.chance_it_pays:.1%}; {memory}"
        row(f"{n_draws:,} draws of {N_INPUTS} inputs, {said}", taken, note)


def rates() -> None:
    """Measure internal rates of return of long flows, beside pyxirr, which looks for one of them."""
    rng = np.random.default_rng(1)
    for n in (12, 120, 1200):
        flow = np.concatenate([[-50.0 * n], rng.uniform(0, 150, n)])
        ours, found = seconds(lambda flow=flow: internal_rates_of_return(flow))
        theirs, one = seconds(lambda flow=flow: pyxirr.irr(flow))
        gap = abs(found.rate - one) if one is not None else np.nan
        row(f"internal rate, conventional, {n} periods", ours, f"pyxirr {theirs:.5f} s, gap {gap:.0e}")
        mixed = rng.normal(size=n)
        ours, found = seconds(lambda flow=mixed: internal_rates_of_return(flow), 1)
        row(f"all internal rates, {found.sign_changes} changes of sign", ours, f"{len(found.rates)} found")


def returns(n_lines: int) -> None:
    """Measure the return on many lines, in all and by group."""
    rng = np.random.default_rng(1)

    def lines(n: int, scale: float) -> pd.DataFrame:
        days = np.datetime64("2022-01-01") + rng.integers(0, 1000, n)
        amount = np.round(rng.gamma(2, scale, n), 2)
        return pd.DataFrame({"date": days, "amount": amount, "channel": rng.integers(0, 5, n)})

    benefits, costs = lines(n_lines, 20), lines(n_lines // 100, 1500)
    for said, by in (("in all", ()), ("by 5 channels", "channel")):
        taken, found = seconds(lambda by=by: return_on_investment(benefits, costs, discount_rate=0.1, by=by), 1)
        row(f"return on {n_lines:,} lines over 1,000 days, {said}", taken, f"{found.roi:.1%}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print("| job | seconds | |")
    print("| --- | ---: | --- |")
    simulations(arguments.draws)
    rates()
    returns(arguments.lines)


if __name__ == "__main__":
    main()
