"""Does the model hold? Models side by side, forecasts against what came, counts and curves against observed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.types import DAYS_PER_UNIT, Array, Day, Frame, IntArray, TimeUnit
from crmvalue.data.holdout import HoldoutSplit
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.histories import (
    PURCHASES,
    checked_purchases,
    open_customers,
    read_histories,
    require_unit_of_fit,
    to_numbers,
)
from crmvalue.models.model import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 6.0  # difference in BIC from which one model is clearly the better: odds of 20 to 1
MOST_FREQUENCY = 1_000  # rows of a table of frequencies
LEAST_CHANCE = 1e-300  # the score of an outcome that a model held for impossible stays finite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelComparison:
    """Models fitted to the same customers."""

    models: tuple[PurchaseModel, ...]  # those asked for
    fits: tuple[PurchaseFit, ...]  # one each; of the limit where a model has no maximum inside

    def to_frame(self) -> pd.DataFrame:
        """One row a model, lowest BIC first: fitted_as, parameters, log_likelihood, aic, bic, findings (in health)."""
        import pandas as pd

        columns = {
            "fitted_as": [fit.model.name for fit in self.fits],
            "parameters": [len(fit.params) for fit in self.fits],
            "log_likelihood": [fit.log_likelihood for fit in self.fits],
            "aic": [fit.aic for fit in self.fits],
            "bic": [fit.bic for fit in self.fits],
            "findings": [len(fit.health) for fit in self.fits],
        }
        index = pd.Index([model.name for model in self.models], name="model")
        return pd.DataFrame(columns, index=index).sort_values("bic", kind="stable")

    @property
    def best(self) -> PurchaseFit:
        """The fit with the lowest BIC."""
        return min(self.fits, key=lambda fit: fit.bic)

    @property
    def advice(self) -> str:
        """Which model to use and why, in one sentence."""
        best = self.best
        others = [fit for fit in self.fits if fit.model is not best.model]
        if not others:
            return f"Use {best.model.title}: all models asked for are this one in these data."
        second = min(others, key=lambda fit: fit.bic)
        gap = second.bic - best.bic
        if gap < CLEAR:
            return (
                f"Use {best.model.title} or {second.model.title}: their BIC differs by {gap:.1f}, too little to tell "
                "them apart; let a holdout decide."
            )
        return f"Use {best.model.title}: its BIC is {gap:.1f} below that of {second.model.title}, the next."


def compare_models(
    summary: CustomerSummary | Frame, models: Sequence[PurchaseModel], *, time_unit: TimeUnit | None = None
) -> ModelComparison:
    """Fit several purchase models to the same customers, and say which explains them best.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency, recency and T, in any engine.
    models : sequence of PurchaseModel
        Records from `MODELS`; at least one.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T. Needed for a plain frame; a summary knows its own.

    Returns
    -------
    ModelComparison
        The fits, a table of log-likelihood, AIC and BIC, and one sentence of advice.

    Raises
    ------
    InputError
        If there are no models, one is no purchase model, or the data are refused by `fit_purchases`.
    ConvergenceError
        If the data do not determine a model or its limits.

    Notes
    -----
    BIC = k log n − 2 log L, AIC = 2 k − 2 log L. All models here give the density of the same purchase times, so that
    the figures compare; they would not between different time units.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models import MODELS
    >>> model = MODELS["BG_NBD"]
    >>> made = model.simulate(model.Params(0.5, 5.0, 1.0, 3.0), np.full(5_000, 52.0), np.random.default_rng(1))
    >>> frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
    >>> compared = compare_models(frame, [MODELS["NBD"], model], time_unit="week")
    >>> compared.to_frame()["parameters"]
    model
    BG_NBD    4
    NBD       2
    Name: parameters, dtype: int64
    """
    chosen = require_models(models)
    fits = tuple(fit_purchases(summary, model, time_unit=time_unit) for model in chosen)
    return ModelComparison(models=chosen, fits=fits)


def require_models(models: Sequence[PurchaseModel]) -> tuple[PurchaseModel, ...]:
    """Return the models, or raise InputError."""
    chosen = tuple(models) if isinstance(models, (list, tuple)) else ()
    if not chosen or not all(isinstance(model, PurchaseModel) for model in chosen):
        raise InputError("models: not a list of purchase models. Pass records such as [BG_NBD, PARETO_NBD].")
    if len({model.is_discrete for model in chosen}) > 1:
        counting = next(model for model in chosen if model.is_discrete)
        raise InputError(
            f"models: {counting.title} counts opportunities and others take time as continuous: their likelihoods "
            "do not compare. Compare models of one kind."
        )
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForecastComparison:
    """Forecasts made from a calibration period, judged by the holdout period after it."""

    names: tuple[str, ...]  # models by name, then the baselines "same_rate" and "mean_rate"
    fits: tuple[PurchaseFit, ...]  # one for each model, none for the baselines
    mean_absolute_error: Array  # purchases per customer, shape (n_names,)
    root_mean_square_error: Array  # purchases per customer, shape (n_names,)
    bias: Array  # forecast total over actual total, less 1, shape (n_names,)
    log_score: Array  # mean log probability of what came, shape (n_names,); NaN for the baselines
    active: Array  # expected share of customers with a purchase, shape (n_names,); NaN for the baselines
    actual_active: float  # their actual share
    actual_total: float  # purchases in the holdout period
    n_customers: int
    duration: float  # of the holdout period, in time units
    time_unit: TimeUnit

    def to_frame(self) -> pd.DataFrame:
        """One row a forecast: mae, rmse, bias, log_score, active, actual_active."""
        import pandas as pd

        columns = {
            "mae": self.mean_absolute_error,
            "rmse": self.root_mean_square_error,
            "bias": self.bias,
            "log_score": self.log_score,
            "active": self.active,
            "actual_active": np.full(len(self.names), self.actual_active),
        }
        return pd.DataFrame(columns, index=pd.Index(self.names, name="forecast"))

    @property
    def advice(self) -> str:
        """Which forecast to use and why, in one sentence."""
        best = int(np.nanargmax(self.log_score))
        error, naive = self.mean_absolute_error[best], float(self.mean_absolute_error[-2:].min())
        name = self.fits[best].model.title
        against = f"mean absolute error {error:.3g} against {naive:.3g} of the better naive one"
        if error > naive:
            return f"Doubt all: {name} gives what came the highest chance, yet with a {against}."
        total = f"a total off by {self.bias[best]:+.0%}"
        return f"Use {name}: it gives what came the highest chance, with a {against} and {total}."


def compare_forecasts(split: HoldoutSplit, models: Sequence[PurchaseModel]) -> ForecastComparison:
    """Fit models to the calibration period and judge their forecasts by what came after, next to naive ones.

    Parameters
    ----------
    split : HoldoutSplit
        From `split_holdout`.
    models : sequence of PurchaseModel
        Records from `MODELS`; at least one.

    Returns
    -------
    ForecastComparison
        Errors of each model and of two baselines: everyone goes on at her own rate so far (same_rate), and everyone
        buys at the common rate (mean_rate). With one sentence of advice.

    Raises
    ------
    InputError
        If there are no models, one is no purchase model, or the data are refused by `fit_purchases`.
    ConvergenceError
        If the data do not determine a model or its limits.

    Notes
    -----
    The log score is the mean over customers of log P(number of purchases that came | history). It is the judge among
    models, for it sees the whole distribution; the errors see only its mean. Purchases on one day are one.

    Examples
    --------
    >>> from crmvalue.data.holdout import split_holdout
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.models import MODELS
    >>> split = split_holdout(load_cdnow(), calibration_end="1997-09-30", time_unit="week")
    >>> compare_forecasts(split, [MODELS["BG_NBD"]]).to_frame()[["mae", "bias"]].round(2)
                mae  bias
    forecast
    BG_NBD     0.82 -0.14
    same_rate  1.04  0.47
    mean_rate  1.39  0.47
    """
    chosen = require_models(models)
    if not isinstance(split, HoldoutSplit):
        raise InputError("split: not a HoldoutSplit. Pass what split_holdout returned.")
    fits = tuple(fit_purchases(split.calibration, model) for model in chosen)
    known = frames.open_frame(split.calibration.frame).select("customer_id", *PURCHASES)
    came = frames.open_frame(split.holdout).select("customer_id", "holdout_purchases")
    frame = frames.join(known, came, on="customer_id", how="inner").drop("customer_id")
    rows, counts = read_histories(frame, (*PURCHASES, "holdout_purchases"))
    frequency, recency, T = checked_purchases(frame, rows[:3], is_discrete=chosen[0].is_discrete)
    actual = to_numbers("holdout_purchases", rows[3])
    share = counts / counts.sum()

    naive = split.duration * frequency / np.maximum(T, 1e-300) * (T > 0)
    common = np.full(len(T), split.duration * float(counts @ frequency) / max(float(counts @ T), 1e-300))
    expected, scores, active = [], [], []
    for fit in fits:
        alive = fit.model.probability_alive(fit.params, frequency, recency, T)
        expected.append(alive * fit.model.purchases_if_alive(fit.params, split.duration, frequency, recency, T))
        chance = alive * fit.model.mass_if_alive(fit.params, actual, split.duration, frequency, recency, T)
        chance = chance + (1 - alive) * (actual == 0)
        scores.append(share @ np.log(np.maximum(chance, LEAST_CHANCE)))
        none = fit.model.mass_if_alive(fit.params, np.zeros(len(T)), split.duration, frequency, recency, T)
        active.append(share @ (alive * (1 - none)))
    forecasts = np.stack([*expected, naive, common])
    total = float(counts @ actual)
    unknown = [np.nan, np.nan]
    return ForecastComparison(
        names=(*(model.name for model in chosen), "same_rate", "mean_rate"),
        fits=fits,
        mean_absolute_error=np.abs(forecasts - actual) @ share,
        root_mean_square_error=np.sqrt((forecasts - actual) ** 2 @ share),
        bias=forecasts @ counts / total - 1 if total else np.full(len(forecasts), np.nan),
        log_score=np.array([*scores, *unknown]),
        active=np.array([*active, *unknown]),
        actual_active=float(share @ (actual > 0)),
        actual_total=total,
        n_customers=int(counts.sum()),
        duration=split.duration,
        time_unit=split.calibration.time_unit,
    )


def frequency_fit(fit: PurchaseFit, summary: CustomerSummary | Frame, *, most: int = 7) -> pd.DataFrame:
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

    Returns
    -------
    pandas.DataFrame
        Index frequency (0 to `most`, the last with all above); observed and expected, in customers.

    Raises
    ------
    InputError
        If a history is impossible, `most` is out of range, or the summary is in another time unit than the fit.

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
    rows, counts = read_histories(frame, PURCHASES)
    frequency, _, T = checked_purchases(frame, rows, is_discrete=fit.model.is_discrete)
    observed = np.bincount(
        np.minimum(frequency, rows_wanted).astype(np.intp), weights=counts, minlength=rows_wanted + 1
    )
    times, place = np.unique(T, return_inverse=True)
    customers = np.bincount(place, weights=counts)
    expected = np.zeros(rows_wanted + 1)
    some = times > 0
    expected[0] = customers[~some].sum()
    for x in range(rows_wanted):
        expected[x] += customers[some] @ chance_of_new(fit, float(x), times[some])
    expected[-1] = max(float(counts.sum() - expected.sum()), 0.0)
    index = pd.RangeIndex(rows_wanted + 1, name="frequency")
    return pd.DataFrame({"observed": observed.astype(np.int64), "expected": expected}, index=index)


def chance_of_new(fit: PurchaseFit, count: float, t: Array) -> Array:
    """Probability that a new customer makes this number of repeat purchases up to t."""
    none = np.zeros(1)
    alive = fit.model.probability_alive(fit.params, none, none, none)
    return np.asarray(
        alive * fit.model.mass_if_alive(fit.params, count, t, none, none, none) + (1 - alive) * (count == 0)
    )


def tracking(
    fit: PurchaseFit, transactions: Transactions | Frame, *, observation_end: Day | None = None
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

    Returns
    -------
    pandas.DataFrame
        Index period (1, 2, ... time units of the fit since the first day; the last may be cut short); actual and
        expected repeat purchases in the period, cumulative_actual and cumulative_expected since the beginning.

    Raises
    ------
    InputError
        If the transactions are refused, or nobody has bought by `observation_end`.

    Notes
    -----
    Expected are Σ E(t − t_i) over the customers who made their first purchase at t_i before t. Of the data it knows
    only when each customer came; customers who first came after the fit are forecast like those before.

    Examples
    --------
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.data.summary import summarize_customers
    >>> rows = load_cdnow()
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
    age, newcomers = distinct_counts(frames.open_frame(summary.frame), "T")
    came = end - np.rint(age).astype(np.int64)  # day of the first purchase
    day, purchases = days_of_purchases(rows, end)
    begin, unit = int(came.min()), DAYS_PER_UNIT[fit.time_unit]
    ends = np.append(np.arange(1, np.ceil((end - begin) / unit)), (end - begin) / unit) * unit + begin

    actual = running(day, purchases, ends) - running(came, newcomers, ends)
    times = np.maximum(ends[:, None] - came, 0) / unit
    times = np.floor(times) if fit.model.is_discrete else times
    distinct, place = np.unique(times, return_inverse=True)
    expected = fit.model.expected_purchases(fit.params, distinct)[place].reshape(times.shape) @ newcomers
    columns = {
        "actual": np.diff(actual, prepend=0.0),
        "expected": np.diff(expected, prepend=0.0),
        "cumulative_actual": actual,
        "cumulative_expected": expected,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(ends) + 1, name="period"))


def distinct_counts(frame: frames.AnyFrame, column: str) -> tuple[Array, IntArray]:
    """Return the distinct values of a column, and how often each occurs."""
    rows, counts = frames.distinct_rows(frame.select(column), [column])
    return to_numbers(column, rows[column]), counts


def days_of_purchases(transactions: Transactions, end: int) -> tuple[Array, IntArray]:
    """Return the days up to `end` as numbers, and on how many customers' purchase days each of them is one."""
    rows = frames.open_frame(transactions.frame).select("customer_id", "amount", _crm_day=frames.day_number("date"))
    kept = rows.filter((nw.col("amount") >= 0) & (nw.col("_crm_day") <= end))
    return distinct_counts(kept.select("customer_id", "_crm_day").unique(), "_crm_day")


def running(day: Array | IntArray, counts: IntArray, ends: Array) -> Array:
    """Sum of the counts up to each end."""
    order = np.argsort(day, kind="stable")
    total = np.append(0.0, np.cumsum(counts[order]))
    return np.asarray(total[np.searchsorted(day[order], ends + 1e-9, side="right")])
