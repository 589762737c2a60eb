"""Churn and retention: crmvalue against plain pandas, on the simulated transactions of benchmarks/summary.py.

Each case runs in a process of its own, on 10 million transactions by default, and prints its seconds (best of the
runs, after a warm-up on a part) and the peak of its memory, transactions included.

    python benchmarks/churn.py
    python benchmarks/churn.py --rows 1_000_000 --cases audit bridge
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from summary import simulate


def retention_crmvalue(transactions: Any) -> Any:
    from crmvalue.churn import retention_table

    return retention_table(transactions)


def retention_pandas(transactions: Any) -> Any:
    frame = transactions.frame
    month = frame["date"].dt.to_period("M")
    cohort = month.groupby(frame["customer_id"]).transform("min")
    return frame.assign(month=month, cohort=cohort).pivot_table(
        index="cohort", columns="month", values="customer_id", aggfunc="nunique", observed=True
    )


def audit(transactions: Any) -> Any:
    from crmvalue.audit import customer_base_audit

    return customer_base_audit(transactions)


def bridge(transactions: Any) -> Any:
    from crmvalue.churn import revenue_bridge

    return revenue_bridge(transactions)


def rates(transactions: Any) -> Any:
    from crmvalue.churn import churn_rates

    return churn_rates(transactions)


CASES: dict[str, Callable[[Any], Any]] = {
    "retention-crmvalue": retention_crmvalue,
    "retention-pandas": retention_pandas,
    "audit": audit,
    "bridge": bridge,
    "rates": rates,
}


def run(case: str, path: Path, runs: int) -> None:
    from crmvalue.data.transactions import Transactions, prepare_transactions

    prepared = prepare_transactions(pd.read_parquet(path))
    CASES[case](Transactions(frame=prepared.frame.iloc[: len(prepared.frame) // 100], audit=prepared.audit))
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        CASES[case](prepared)
        best = min(best, time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{case:<20} {best:8.2f} s {peak:8.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--path", type=Path)
    chosen = parser.parse_args()
    if chosen.path:
        run(chosen.cases[0], chosen.path, chosen.runs)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = simulate(chosen.rows, Path(folder))
        for case in chosen.cases:
            command = [sys.executable, __file__, "--path", str(path), "--cases", case, "--runs", str(chosen.runs)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
