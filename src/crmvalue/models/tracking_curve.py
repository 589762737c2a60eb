"""Repeat purchases of all customers over time, as counted and as a fitted model expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from numpy.polynomial.chebyshev import chebvander

from crmvalue._core import frames
from crmvalue._core.types import DAYS_PER_UNIT, Array, Day, Frame, IntArray
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.models.distinct import States, distinct_states
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import to_numbers
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.own_params import read_with_params
from crmvalue.models.series import chebyshev_points, of_states, place_of, rows_of

if TYPE_CHECKING:
    import pandas as pd

PAIRS_AT_ONCE = 1_000_000  # of a customer and the end of a period
FEW_PAIRS = 10_000  # that are as quickly computed one by one
POINTS = (24, 40, 64)  # in time that are tried
NEAR = 0.02  # of the whole time: before it, points are equally dense
TRIED = np.array([0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 1.0])  # parts of the whole time at which they must hold
ERROR = 1e-11  # allowed on the customers that check a series, relative


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
    came = end - np.rint(age).astype(np.int64)  # day of the first purchase
    newcomers = Newcomers(fit.model, own, came, np.bincount(place, weights=counts).astype(float))
    day, purchases = days_of_purchases(rows, end)
    begin, unit = int(came.min()), DAYS_PER_UNIT[fit.time_unit]
    ends = np.append(np.arange(1, np.ceil((end - begin) / unit)), (end - begin) / unit) * unit + begin

    actual = running(day, purchases, ends) - running(came, newcomers.counts, ends)
    expected = expected_from_series(newcomers, ends, unit)
    if expected is None:
        expected = expected_one_by_one(newcomers, ends, unit)
    columns = {
        "actual": np.diff(actual, prepend=0.0),
        "expected": np.diff(expected, prepend=0.0),
        "cumulative_actual": actual,
        "cumulative_expected": expected,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(ends) + 1, name="period"))


class Newcomers(NamedTuple):
    """Customers by the day of their first purchase and their parameters."""

    model: PurchaseModel
    params: Parameters
    came: IntArray  # day of the first purchase
    counts: Array  # customers


def expected_one_by_one(newcomers: Newcomers, ends: Array, unit: float) -> Array:
    """Return the repeat purchases expected up to each end, customer by customer, a bounded number at a time."""
    model, params, came, counts = newcomers
    total, at_once = np.zeros(len(ends)), max(1, PAIRS_AT_ONCE // len(ends))
    for begin in range(0, len(came), at_once):
        some = slice(begin, begin + at_once)
        since = np.maximum(ends[:, None] - came[some], 0) / unit
        since = np.floor(since) if model.is_discrete else since
        own = [np.tile(value[some], len(ends)) if np.ndim(value) else value for value in params]  # type: ignore[index]
        none = np.zeros(since.size)
        theirs, _, _, times, place = distinct_states(model, type(params)(*own), none, none, since.ravel())  # type: ignore[arg-type]
        total += model.expected_purchases(theirs, times)[place].reshape(since.shape) @ counts[some]
    return total


def expected_from_series(newcomers: Newcomers, ends: Array, unit: float) -> Array | None:
    """Return the same from Chebyshev series in log time, whose coefficients add up; None if they will not do.

    Customers who differ in their parameters are worth it, once a number of points in time has proved itself on some.
    """
    model, params, came, counts = newcomers
    if model.is_discrete or not any(map(np.ndim, params)) or len(came) * len(ends) < FEW_PAIRS:
        return None
    none = np.zeros(len(came))
    kinds = distinct_states(model, params, none, none, none)
    some, horizon = rows_of(kinds, some_rows(kinds.params)), float(ends[-1] - came.min()) / unit
    tried = horizon * TRIED
    known = expected_at(model, some, tried)
    for n in POINTS:
        times, to_coefficients = series_in_time(horizon, n)
        found = basis(tried, horizon, n) @ to_coefficients @ expected_at(model, some, times)
        if (np.abs(found - known) <= ERROR * known).all():
            day, place = np.unique(came, return_inverse=True)
            values = expected_at(model, kinds, times)[:, kinds.place] * counts
            sums = np.stack([np.bincount(place, weights=value) for value in values])
            series = (to_coefficients @ sums).T  # one a day of first purchases
            return np.array([np.sum(basis(np.maximum(end - day, 0) / unit, horizon, n) * series) for end in ends])
    return None


def expected_at(model: PurchaseModel, kinds: States, times: Array) -> Array:
    """Return the purchases of new customers up to each time, shape (k, n)."""

    def up_to(time: float) -> Array:
        return of_states(model, lambda params, x, *_: model.expected_purchases(params, np.full(len(x), time)), kinds)

    return np.stack([up_to(time) for time in times.tolist()])


def series_in_time(horizon: float, n: int) -> tuple[Array, Array]:
    """Return n times up to the horizon, and the matrix that makes coefficients of the values there."""
    points = chebyshev_points(n)
    to_coefficients = np.asarray(chebvander(points, n - 1).T * (2 / n), dtype=float)
    to_coefficients[0] /= 2
    low, high = np.log(horizon * NEAR), np.log(horizon * (1 + NEAR))
    return np.exp(place_of(points, low, high)) - horizon * NEAR, to_coefficients


def basis(times: Array, horizon: float, n: int) -> Array:
    """Return the Chebyshev polynomials at these times, shape (k, n)."""
    place = np.log1p(times / (horizon * NEAR)) / np.log1p(1 / NEAR)
    return np.asarray(chebvander(2 * place - 1, n - 1))


def some_rows(params: Parameters) -> IntArray:
    """Return the rows in which a parameter is least or largest, and some between."""
    columns = [value for value in params if isinstance(value, np.ndarray)]
    ends = [place for column in columns for place in (int(column.argmin()), int(column.argmax()))]
    return np.append(np.linspace(0, len(columns[0]) - 1, 8).astype(np.intp), ends)


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
