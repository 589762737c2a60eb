"""Scores, segments, tiers and stages of millions of customers, each timed against the customer summary.

Prints one JSON line an engine: seconds of the summary, and of each step as a multiple of it (best of the runs).

    python benchmarks/segments.py                        10 million transactions of about 4 million customers
    python benchmarks/segments.py --rows 1_000_000 --engines polars --runs 1
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import crmvalue as crm
from crmvalue.segmentation import concentration, lifecycle_stage, segment_migration, value_tiers


def simulate(rows: int) -> pd.DataFrame:
    """Random transactions over two years: gamma-distributed rates, 42 customers for 100 rows."""
    rng = np.random.default_rng(20241231)
    rates = np.cumsum(rng.gamma(3.0, size=int(rows * 0.55)))
    return pd.DataFrame(
        {
            "customer_id": np.searchsorted(rates / rates[-1], rng.random(rows)),
            "date": (np.datetime64("2023-01-01", "D") + rng.integers(0, 731, rows)).astype("datetime64[us]"),
            "amount": np.round(rng.lognormal(3, 1, rows), 2),
        }
    )


def in_engine(frame: pd.DataFrame, engine: str) -> Any:
    if engine == "pandas":
        return frame
    if engine == "polars":
        import polars as pl

        return pl.from_pandas(frame)
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def best_of(runs: int, step: Callable[[], Any]) -> tuple[float, Any]:
    """Fewest seconds of a few runs, and what the last one returned."""
    seconds, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = step()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def measure(frame: pd.DataFrame, engine: str, runs: int) -> dict[str, Any]:
    transactions = crm.prepare_transactions(in_engine(frame, engine))
    base, summary = best_of(runs, lambda: crm.summarize_customers(transactions))
    first, scores = best_of(runs, lambda: crm.score_rfm(summary))
    second, segments = best_of(runs, lambda: crm.segment_customers(scores))
    steps: dict[str, Callable[[], Any]] = {
        "nested scores": lambda: crm.score_rfm(summary, method="nested"),
        "profile": lambda: crm.segment_profile(segments),
        "tiers": lambda: value_tiers(summary),
        "concentration": lambda: concentration(summary),
        "migration": lambda: segment_migration(segments, segments),
        "stages": lambda: lifecycle_stage(transactions),
    }
    times = {"score and segment": first + second} | {name: best_of(runs, step)[0] for name, step in steps.items()}
    return {
        "engine": engine,
        "customers": scores.n_customers,
        "summary_seconds": round(base, 2),
        **{name: f"{seconds:.2f} s = {seconds / base:.2f} x" for name, seconds in times.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--engines", nargs="+", default=["pandas", "polars", "pyarrow"])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    frame = simulate(options.rows)
    for engine in options.engines:
        print(json.dumps(measure(frame, engine, options.runs)), flush=True)


if __name__ == "__main__":
    main()
