"""What a fitted model says of the data as a whole: counts, curves over time, and every history, as tidy frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.types import DAYS_PER_UNIT, AnyArray, Array, Day, Frame, IntArray
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.models.covariates import params_with, with_scores
from crmvalue.models.distinct import distinct_states
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import (
    PURCHASES,
    checked_purchases,
    open_customers,
    read_histories,
    require_unit_of_fit,
    to_numbers,
)
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.predictions import checked_scores, require_time

if TYPE_CHECKING:
    import pandas as pd

MOST_FREQUENCY = 1_000  # rows of a table of frequencies
PAIRS_AT_ONCE = 1_000_000  # of a customer and the end of a period
STEPS = 60  # of recency in a table of histories, at most


def frequency_fit(
    fit: PurchaseFit, summary: CustomerSummary | Frame, *, most: int = 7, covariates: Frame | None = None
) -> pd.DataFrame:
    """Count customers by their repeat purchases, next to how many the model expects.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    summary : CustomerSummary or frame
        The customers, with columns frequency, recency and T, in any engine; a plain frame must be in the time unit of
        the fit.
    most : int
        Last row of the table, which holds this number and all above it; at least 1.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the summary's
        frame has these columns itself.

    Returns
    -------
    pandas.DataFrame
        Index frequency (0 to `most`, the last with all above); observed and expected, in customers.

    Raises
    ------
    InputError
        If a history is impossible, `most` is out of range, the summary is in another time unit than the fit, or a
        covariate is missing or has a level that the fit does not know.

    Notes
    -----
    The expected number is Σ P(X(T_i) = x) over the customers, each over her own time; their histories are not used.

    Examples
    --------
    Two customers for whom 0, 1, 2, ... purchases have the chances 1/2, 1/4, 1/8, ...:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.nbd import NBD, Params
    >>> fit = PurchaseFit(
    ...     model=NBD, params=Params(r=1.0, alpha=8.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> frequency_fit(fit, customers, most=2).round(6)
               observed  expected
    frequency
    0                 1       1.0
    1                 1       0.5
    2                 0       0.5
    """
    import pandas as pd

    rows_wanted = int(require_number("most", most, at_least=1, at_most=MOST_FREQUENCY))
    require_unit_of_fit(summary, fit.time_unit)
    frame = open_customers(summary, PURCHASES, argument="summary")
    rows, params, counts = read_with_params(fit, frame, PURCHASES, covariates)
    frequency, _, T = checked_purchases(frame, rows, is_discrete=fit.model.is_discrete)
    observed = np.bincount(
        np.minimum(frequency, rows_wanted).astype(np.intp), weights=counts, minlength=rows_wanted + 1
    )
    none = np.zeros(len(T))
    own, _, _, times, place = distinct_states(fit.model, params, none, none, T)  # as new customers
    customers = np.bincount(place, weights=counts)
    expected = np.array(
        [customers @ chance_of_new(fit.model, own, float(x), times) for x in range(rows_wanted)] + [0.0]
    )
    expected[-1] = max(float(counts.sum() - expected.sum()), 0.0)
    index = pd.RangeIndex(rows_wanted + 1, name="frequency")
    return pd.DataFrame({"observed": observed.astype(np.int64), "expected": expected}, index=index)


def require_plain(fit: PurchaseFit) -> None:
    """Raise InputError if what a fit says depends on covariates, which a table without customers does not know."""
    if fit.effects:
        raise InputError(
            "fit: it has covariates, and this table knows none. Pass a fit without them; predictions for each customer "
            "take both."
        )


def read_with_params(
    fit: PurchaseFit, frame: frames.AnyFrame, columns: Sequence[str], covariates: Frame | None
) -> tuple[list[AnyArray], Parameters, IntArray]:
    """Return these columns, the parameters of each row's customers, and how many customers it stands for."""
    if not fit.effects:
        rows, counts = read_histories(frame, columns)
        return rows, fit.params, counts
    frame, scores = with_scores(frame, fit.effects, covariates)
    rows, counts = read_histories(frame, (*columns, *scores))
    factors = checked_scores(fit, frame, rows[len(columns) :])
    return rows[: len(columns)], params_with(fit.model, fit.params, factors), counts


def chance_of_new(model: PurchaseModel, params: Parameters, count: float, t: Array) -> Array:
    """Probability that a new customer makes this number of repeat purchases up to t."""
    none, some = np.zeros(len(t)), t > 0
    alive = model.probability_alive(params, none, none, none)
    mass = model.mass_if_alive(params, count, np.where(some, t, 1.0), none, none, none)
    return np.where(some, alive * mass + (1 - alive) * (count == 0), count == 0)


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


def history_table(fit: PurchaseFit, *, T: float, horizon: float, most: int = 20) -> pd.DataFrame:
    """Return what the model says of every history: the chance to be a customer still, and the purchases to come.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    T : float
        Time observed since the first purchase, in time units of the fit, above 0.
    horizon : float
        Time after T in which purchases count, in time units, above 0.
    most : int
        Largest number of repeat purchases; at least 1.

    Returns
    -------
    pandas.DataFrame
        One row for each frequency (0 to `most`) and recency (0 to T, in time units; at most 61 values): frequency,
        recency, probability_alive, expected_purchases. Impossible histories are left out, such as a recency above 0
        without a repeat purchase.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    After 30 weeks, who bought ten times again and last in week 15 is likely gone; who bought once again may be slow:

    >>> import numpy as np
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=0.5, alpha=5.0, a=1.0, b=3.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> table = history_table(fit, T=30, horizon=10, most=10).set_index(["frequency", "recency"])
    >>> table.loc[[(1, 15.0), (10, 15.0)]].round(2)
                       probability_alive  expected_purchases
    frequency recency
    1         15.0                  0.56                0.23
    10        15.0                  0.03                0.09
    """
    import pandas as pd

    require_plain(fit)
    end = require_time(fit, "T", require_number("T", T, above=0))
    horizon = require_time(fit, "horizon", require_number("horizon", horizon, above=0))
    highest = int(require_number("most", most, at_least=1, at_most=MOST_FREQUENCY))
    steps = max(k for k in range(1, STEPS + 1) if end % k == 0) if fit.model.is_discrete else STEPS
    grid = np.meshgrid(np.arange(highest + 1.0), np.linspace(0, end, steps + 1), indexing="ij")
    frequency, recency = (values.ravel() for values in grid)
    possible = np.where(frequency > 0, recency > 0, recency == 0)
    possible &= (frequency <= recency) | (not fit.model.is_discrete)
    frequency, recency = frequency[possible], recency[possible]
    history = frequency, recency, np.full(len(recency), end)
    columns = {
        "frequency": frequency.astype(np.int64),
        "recency": recency,
        "probability_alive": fit.model.probability_alive(fit.params, *history),
        "expected_purchases": fit.model.conditional_expected_purchases(fit.params, horizon, *history),
    }
    return pd.DataFrame(columns)
