"""Measure allocation against bare NumPy, and customer profit against the customer summary, in one run."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from crmvalue import prepare_transactions, summarize_customers
from crmvalue.costs import allocate_costs, customer_profit, prepare_ledger


def seconds(ours: Callable[[], Any], other: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return the least processor time of two jobs in one thread, run in turn, so that a busy machine slows both."""
    times: list[list[float]] = [[], []]
    for _ in range(repeats):
        for job, found in zip((ours, other), times, strict=True):
            gc.collect()
            start = time.process_time()
            job()
            found.append(time.process_time() - start)
    return min(times[0]), min(times[1])


def compare_allocation(n_pools: int, n_customers: int, n_drivers: int, unit: str, repeats: int) -> None:
    """Print the time of an allocation and of the same products and sums in NumPy alone.

    The bare evaluation starts from float arrays in order. It takes the sum of each driver, the product of each pool
    and driver, the sum of each customer and of each pool: in floats, without a check, and not rounded to cents.
    """
    rng = np.random.default_rng(1)
    quantity = {
        f"driver_{place}": rng.poisson(3.0, n_customers).astype(float)
        if unit == "orders"
        else rng.gamma(2.0, 7.0, n_customers)
        for place in range(n_drivers)
    }
    drivers = pd.DataFrame({"customer_id": np.arange(n_customers), **quantity}, copy=False)
    names = [f"pool_{place}" for place in range(n_pools)]
    amounts = np.round(rng.uniform(1e3, 1e6, n_pools), 2)
    lines = pd.DataFrame({"date": "2024-01-31", "category": "it", "pool": names, "amount": amounts})
    ledger = prepare_ledger(lines, keep=["pool"])
    bases = {name: f"driver_{place % n_drivers}" for place, name in enumerate(names)}
    columns = [drivers[bases[name]].to_numpy() for name in names]

    def bare() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts = np.empty((n_pools, n_customers))
        for row, (column, amount) in enumerate(zip(columns, amounts, strict=True)):
            parts[row] = column * (amount / column.sum())
        return parts, parts.sum(axis=0), parts.sum(axis=1)

    ours, other = seconds(lambda: allocate_costs(ledger, drivers, bases=bases, pool="pool"), bare, repeats)
    job = f"{n_pools} pools, {n_drivers} drivers ({unit}), {n_customers:,} customers"
    print(f"| allocation to the cent: {job} | {ours:.2f} | {other:.2f} | {ours / other:.2f} |")


def compare_profit(n: int, repeats: int) -> None:
    """Print the time of customer_profit and of summarize_customers on the same transactions."""
    rng = np.random.default_rng(2)
    n_customers = n * 42 // 100
    rows = pd.DataFrame(
        {
            "customer_id": rng.integers(0, n_customers, n),
            "date": np.datetime64("2022-01-01", "s") + rng.integers(0, 1000, n) * np.timedelta64(86_400, "s"),
            "amount": np.round(rng.gamma(2.0, 20.0, n), 2) * np.where(rng.random(n) < 0.02, -1, 1),
        }
    )
    transactions = prepare_transactions(rows)
    drivers = pd.DataFrame({"customer_id": np.arange(n_customers), "orders": rng.poisson(2.0, n_customers)})
    lines = pd.DataFrame({"date": "2024-01-31", "category": ["service", "it"], "amount": [2e6, 1e6]})
    allocation = allocate_costs(lines, drivers, bases={"service": "orders", "it": "orders"})
    ours, other = seconds(
        lambda: customer_profit(transactions, allocation, margin=0.4),
        lambda: summarize_customers(transactions),
        repeats,
    )
    print(
        f"| customer_profit: {n:,} transactions, against the summary | {ours:.2f} | {other:.2f} | {ours / other:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=int, default=200, help="cost pools")
    parser.add_argument("--customers", type=int, default=1_000_000, help="cost objects")
    parser.add_argument("--transactions", type=int, default=10_000_000, help="rows")
    parser.add_argument("--repeats", type=int, default=9, help="runs, of which the fastest counts")
    given = parser.parse_args()
    print("| job | crmvalue, s | bare, s | times as long |")
    print("| --- | ---: | ---: | ---: |")
    for n_drivers, unit in ((10, "orders"), (given.pools, "orders"), (given.pools, "minutes")):
        compare_allocation(given.pools, given.customers, n_drivers, unit, given.repeats)
    compare_profit(given.transactions, given.repeats)


if __name__ == "__main__":
    main()
