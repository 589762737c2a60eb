"""What of a result a report shows, for its picture and its table alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.frames import open_frame, to_arrays
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame, IntArray

if TYPE_CHECKING:
    from crmvalue.churn import ChurnRates, RetentionTable
    from crmvalue.costs import CostBreakdown
    from crmvalue.reporting.results import HoldoutCheck

MOST_COHORTS = 24  # rows and columns of a heat map that can be read
MOST_NAMES = 5  # colours of a stack that can be told apart


def columns(frame: Frame, *names: str) -> list[AnyArray]:
    """Columns of the frame of a result, as arrays."""
    return list(to_arrays(open_frame(frame), names).values())


def concentration(values: Array) -> tuple[Array, Array]:
    """Cumulative shares of customers and of value, best first, from (0, 0) to (1, 1); zeros if all is worth nothing."""
    reached = np.concatenate([[0.0], np.cumsum(np.sort(values)[::-1])])
    return np.linspace(0, 1, len(reached)), reached / reached[-1] if reached[-1] > 0 else np.zeros(len(reached))


def retention_shown(table: RetentionTable) -> tuple[AnyArray, IntArray, Array]:
    """Cohorts, ages and shares of a retention table as a report shows them.

    Age 0 is always 1 and left out, as are ages that no cohort has completed, and all but the latest `MOST_COHORTS`.
    """
    shares = np.where(table.is_complete, table.shares, np.nan)[-MOST_COHORTS:, 1:]
    known = np.isfinite(shares)
    n_ages = int(np.flatnonzero(known.any(axis=0))[-1]) + 1 if known.any() else 0
    n_ages = min(n_ages, MOST_COHORTS)
    return table.cohorts[-MOST_COHORTS:], np.arange(1, n_ages + 1), shares[:, :n_ages]


def churn_judged(churn: ChurnRates) -> BoolArray:
    """Whether each period can be judged: it has ended, and on each of its days somebody could have been lost.

    Customers of earlier times are not in the data, so no loss can be seen in the first `inactive_after` days.
    """
    periods, rates = columns(churn.frame, "period", "churn_rate")
    judged: BoolArray = np.isfinite(rates) & (periods >= churn.first_full_period)
    return judged


def monthly_stack(costs: CostBreakdown) -> tuple[AnyArray, list[str], Array]:
    """Months, names and amounts, shape (names, months), of the largest categories and of all others together."""
    categories, periods, amounts = columns(costs.frame, "category", "period", "amount")
    first = periods.min().astype("datetime64[M]")
    month = (periods.astype("datetime64[M]") - first).astype(np.int64)
    names, row = np.unique(categories.astype(str), return_inverse=True)
    table = np.zeros((len(names), int(month.max()) + 1))
    np.add.at(table, (row, month), amounts)
    order = np.argsort(-table.sum(axis=1), kind="stable")
    kept = MOST_NAMES if len(names) <= MOST_NAMES else MOST_NAMES - 1
    said = [category_name(name) for name in names[order[:kept]]]
    stacked = table[order[:kept]]
    if len(names) > kept:
        said, stacked = [*said, "Others"], np.vstack([stacked, table[order[kept:]].sum(axis=0)])
    return (first + np.arange(table.shape[1])).astype("datetime64[D]"), said, stacked


def group_names(check: HoldoutCheck) -> list[str]:
    """Return the number of repeat purchases of each group; the last one holds all from there on."""
    return [*map(str, check.frequency[:-1]), f"{check.frequency[-1]}+"]


def category_name(category: object) -> str:
    """Return a category of cost as a reader writes it."""
    return "IT" if category == "it" else str(category).capitalize()
