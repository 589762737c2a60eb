"""A small shop for the tests of the report: 600 customers over two years, drawn with a fixed seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmvalue.reporting.analysis import Analysis, analyse_customers
from crmvalue.reporting.results import ReportSettings


def small_orders(n: int = 600, seed: int = 7) -> pd.DataFrame:
    """Purchases of customers with gamma rates who leave with a beta probability after each purchase."""
    rng = np.random.default_rng(seed)
    rate, leaving = rng.gamma(0.8, 1 / 60, n), rng.beta(1.0, 3.0, n)
    rows = []
    for customer in range(n):
        day = int(rng.integers(0, 300))
        spend = 20 * rng.gamma(4.0, 0.25)
        while day < 730:
            rows.append((f"{customer:05d}", day, round(float(spend * rng.gamma(6.0, 1 / 6)) + 1, 2)))
            if rng.random() < leaving[customer]:
                break
            day += 1 + int(rng.exponential(1 / rate[customer]))
    table = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    table["date"] = np.datetime64("2022-01-01") + table["date"].to_numpy().astype("timedelta64[D]")
    return table


def small_ledger() -> pd.DataFrame:
    """Two cost lines a month."""
    months = pd.date_range("2022-01-31", "2023-12-31", freq="ME").strftime("%Y-%m-%d")
    lines = [(month, name, cost) for month in months for name, cost in (("staff", 300.0), ("it", 100.5))]
    return pd.DataFrame(lines, columns=["date", "category", "amount"])


@pytest.fixture(scope="session")
def orders() -> pd.DataFrame:
    return small_orders()


@pytest.fixture(scope="session")
def ledger() -> pd.DataFrame:
    return small_ledger()


@pytest.fixture(scope="session")
def analysis(orders: pd.DataFrame, ledger: pd.DataFrame) -> Analysis:
    return analyse_customers(orders, ledger, ReportSettings(currency="$", title="A <script>window.__pwned=1</script>"))
