"""Repeat purchases of all customers over time, as counted and as a fitted model expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.types import DAYS_PER_UNIT, Array, Day, Frame, IntArray
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.models.distinct import distinct_states
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import to_numbers
from crmvalue.models.model import Parameters
from crmvalue.models.own_params import read_with_params

if TYPE_CHECKING:
    import pandas as pd

PAIRS_AT_ONCE = 1_000_000  # of a customer and the end of a period


def tracking(
    fit: PurchaseFit,
    transactions: Transactions | Frame,
    *,
    observation_end: Day | None = None,
    covariates: Frame | None = None,
) -> pd.DataFrame:
    """Return the repeat purchases in each time unit, and how many the model expects.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`, usually on an earlier part of these transactions.
    transactions : Transactions or frame
        Columns customer_id, date and amount, in any engine.
    observation_end : day, optional
        Last day that counts; by default the last day in the transactions.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit.

    Returns
    -------
    pandas.DataFrame
        Index period (1, 2, ... time units of the fit since the first day; the last may be cut short); actual and
        expected repeat purchases in the period, cumulative_actual and cumulative_expected since the beginning.

    Raises
    ------
    InputError
        If the transactions are refused, nobody has bought by `observation_end`, or a covariate is missing or has a
        level that the fit does not know.

    Notes
    -----
    Expected are Σ E(t − t_i) over the customers who made their first purchase at t_i before t. Of the data it knows
    only when each customer came; customers who first came after the fit are forecast like those before.

    Examples
    --------
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.data.summary import summarize_customers
    >>> rows = load_cdnow()
    >>> from crmvalue.models.fit import fit_purchases
    >>> fit = fit_purchases(summarize_customers(rows, observation_end="1997-09-30", time_unit="month"))
    >>> tracking(fit, rows).loc[[3, 9, 18], ["cumulative_actual", "cumulative_expected"]].round(-2)
            cumulative_actual  cumulative_expected
    period
    3                  7800.0               7000.0
    9                 24400.0              24600.0
    18                44000.0              41300.0
    """
    import pandas as pd

    rows = as_transactions(transactions)
    summary = summarize_customers(rows, observation_end=observation_end, time_unit="day")
    end = int(summary.observation_end.astype(np.int64))
    (days,), params, counts = read_with_params(fit, frames.open_frame(summary.frame), ["T"], covariates)
    age = to_numbers("T", days)
    none = np.zeros(len(age))
    own, _, _, age, place = distinct_states(fit.model, params, none, none, age)
    newcomers = np.bincount(place, weights=counts)
    came = end - np.rint(age).astype(np.int64)  # day of the first purchase
    day, purchases = days_of_purchases(rows, end)
    begin, unit = int(came.min()), DAYS_PER_UNIT[fit.time_unit]
    ends = np.append(np.arange(1, np.ceil((end - begin) / unit)), (end - begin) / unit) * unit + begin

    actual = running(day, purchases, ends) - running(came, newcomers, ends)
    expected = np.zeros(len(ends))
    at_once = max(1, PAIRS_AT_ONCE // len(ends))
    for begin in range(0, len(came), at_once):
        some = slice(begin, begin + at_once)
        since = np.maximum(ends[:, None] - came[some], 0)
        expected += expected_since(fit, rows_of_params(own, some), since / unit) @ newcomers[some]
    columns = {
        "actual": np.diff(actual, prepend=0.0),
        "expected": np.diff(expected, prepend=0.0),
        "cumulative_actual": actual,
        "cumulative_expected": expected,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(ends) + 1, name="period"))


def expected_since(fit: PurchaseFit, params: Parameters, times: Array) -> Array:
    """Repeat purchases expected of new customers, a column each, at times since their first; equal ones once."""
    times = np.floor(times) if fit.model.is_discrete else times
    given = (np.tile(value, len(times)) if isinstance(value, np.ndarray) else value for value in params)
    every = type(params)(*given)  # type: ignore[arg-type]  # a NamedTuple
    none = np.zeros(times.size)
    own, _, _, distinct, place = distinct_states(fit.model, every, none, none, times.ravel())
    return np.asarray(fit.model.expected_purchases(own, distinct)[place].reshape(times.shape))


def rows_of_params(params: Parameters, rows: slice) -> Parameters:
    """Return the parameters of these rows; those that all share stay single numbers."""
    picked = (value[rows] if isinstance(value, np.ndarray) else value for value in params)
    return type(params)(*picked)  # type: ignore[arg-type]  # a NamedTuple


def distinct_counts(frame: frames.AnyFrame, column: str) -> tuple[Array, IntArray]:
    """Return the distinct values of a column, and how often each occurs."""
    rows, counts = frames.distinct_rows(frame.select(column), [column])
    return to_numbers(column, rows[column]), counts


def days_of_purchases(transactions: Transactions, end: int) -> tuple[Array, IntArray]:
    """Return the days up to `end` as numbers, and on how many customers' purchase days each of them is one."""
    rows = frames.open_frame(transactions.frame).select("customer_id", "amount", _crm_day=frames.day_number("date"))
    kept = rows.filter((nw.col("amount") >= 0) & (nw.col("_crm_day") <= end))
    return distinct_counts(kept.select("customer_id", "_crm_day").unique(), "_crm_day")


def running(day: Array | IntArray, counts: Array | IntArray, ends: Array) -> Array:
    """Sum of the counts up to each end."""
    order = np.argsort(day, kind="stable")
    total = np.append(0.0, np.cumsum(counts[order]))
    return np.asarray(total[np.searchsorted(day[order], ends + 1e-9, side="right")])
