"""Does the model forecast? Calibration periods fitted, judged by what came after them, next to naive forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_number, require_time_unit
from crmvalue._core.types import DAYS_PER_UNIT, Array, Day, Frame, IntArray, TimeUnit
from crmvalue.data.holdout import HoldoutSplit, split_holdout
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.models.comparison import require_models
from crmvalue.models.diagnostics import read_with_params
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.histories import PURCHASES, checked_purchases, read_histories, require_unit_of_fit, to_numbers
from crmvalue.models.model import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd

LEAST_CHANCE = 1e-300  # the score of an outcome that a model held for impossible stays finite
MOST_GROUPS = 1_000  # rows of a table by frequency


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForecastComparison:
    """Forecasts made from a calibration period, judged by the holdout period after it."""

    names: tuple[str, ...]  # models by name, then the baselines "same_rate" and "mean_rate"
    fits: tuple[PurchaseFit, ...]  # one for each model, none for the baselines
    mean_absolute_error: Array  # purchases per customer, shape (n_names,)
    root_mean_square_error: Array  # purchases per customer, shape (n_names,)
    bias: Array  # forecast total over actual total, less 1, shape (n_names,)
    log_score: Array  # mean log probability of what came, shape (n_names,); NaN for the baselines
    calibration: Array  # slope of what came on what was forecast, shape (n_names,); 1 is right
    active: Array  # expected share of customers with a purchase, shape (n_names,); NaN for the baselines
    actual_active: float  # their actual share
    actual_total: float  # purchases in the holdout period
    n_customers: int
    duration: float  # of the holdout period, in time units
    time_unit: TimeUnit

    def to_frame(self) -> pd.DataFrame:
        """One row a forecast: what the fit and the holdout say of it; missing for the baselines where they have none.

        Columns: parameters, log_likelihood, aic, bic, mae, rmse, bias, log_score, calibration, active, actual_active.
        """
        import pandas as pd

        known: dict[str, list[float]] = {
            "parameters": [len(fit.params) for fit in self.fits],
            "log_likelihood": [fit.log_likelihood for fit in self.fits],
            "aic": [fit.aic for fit in self.fits],
            "bic": [fit.bic for fit in self.fits],
        }
        columns = {
            **{name: [*values, *[np.nan] * (len(self.names) - len(values))] for name, values in known.items()},
            "mae": self.mean_absolute_error,
            "rmse": self.root_mean_square_error,
            "bias": self.bias,
            "log_score": self.log_score,
            "calibration": self.calibration,
            "active": self.active,
            "actual_active": np.full(len(self.names), self.actual_active),
        }
        return pd.DataFrame(columns, index=pd.Index(self.names, name="forecast"), dtype=float)

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
    models, for it sees the whole distribution; the errors see only its mean. Calibration is the slope of the regression
    of the purchases that came on those expected: below 1, customers differ less than the forecast said. Purchases on
    one day are one. One cut is one sample of the seasons: `rolling_forecasts` takes several.

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
    require_split(split)
    fits = tuple(fit_purchases(split.calibration, model) for model in chosen)
    histories, actual, counts = histories_and_outcomes(split, is_discrete=chosen[0].is_discrete)
    frequency, recency, T = histories
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
        calibration=np.array([slope(forecast, actual, share) for forecast in forecasts]),
        active=np.array([*active, *unknown]),
        actual_active=float(share @ (actual > 0)),
        actual_total=total,
        n_customers=int(counts.sum()),
        duration=split.duration,
        time_unit=split.calibration.time_unit,
    )


def require_split(split: HoldoutSplit) -> None:
    """Raise InputError unless it is a calibration period with a holdout period."""
    if not isinstance(split, HoldoutSplit):
        raise InputError("split: not a HoldoutSplit. Pass what split_holdout returned.")


def histories_and_outcomes(
    split: HoldoutSplit, *, is_discrete: bool
) -> tuple[tuple[Array, Array, Array], Array, IntArray]:
    """Return frequency, recency, T of the calibration period, purchases after it, and customers a row stands for."""
    frame = customers_and_outcomes(split)
    rows, counts = read_histories(frame, (*PURCHASES, "holdout_purchases"))
    histories = checked_purchases(frame, rows[:3], is_discrete=is_discrete)
    return histories, to_numbers("holdout_purchases", rows[3]), counts


def customers_and_outcomes(split: HoldoutSplit) -> frames.AnyFrame:
    """Return customer_id, frequency, recency and T of the calibration period, and holdout_purchases."""
    known = frames.open_frame(split.calibration.frame).select("customer_id", *PURCHASES)
    came = frames.open_frame(split.holdout).select("customer_id", "holdout_purchases")
    return frames.join(known, came, on="customer_id", how="inner")


def slope(forecast: Array, actual: Array, share: Array) -> float:
    """Slope of the regression of what came on what was forecast; NaN where all have one forecast."""
    spread = forecast - share @ forecast
    size = float(share @ spread**2)
    return float(share @ (spread * actual)) / size if size > 1e-24 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RollingForecasts:
    """Forecasts from several days, each judged by the time after it."""

    origins: tuple[np.datetime64, ...]  # last days of the calibration periods
    comparisons: tuple[ForecastComparison, ...]  # one each

    def to_frame(self) -> pd.DataFrame:
        """One row an origin and a forecast, with the columns of `ForecastComparison.to_frame`."""
        import pandas as pd

        tables = {str(day): found.to_frame() for day, found in zip(self.origins, self.comparisons, strict=True)}
        return pd.concat(tables, names=["origin", "forecast"])

    def means(self) -> pd.DataFrame:
        """One row a forecast: mae, rmse, bias, log_score, calibration, each the mean over the origins."""
        columns = ["mae", "rmse", "bias", "log_score", "calibration"]
        return self.to_frame().groupby(level="forecast", sort=False)[columns].mean()

    @property
    def advice(self) -> str:
        """Which forecast to use and why, in one sentence."""
        scores = np.stack([found.log_score[: len(found.fits)] for found in self.comparisons])
        best = int(np.argmax(scores.mean(axis=0)))
        first = int((np.argmax(scores, axis=1) == best).sum())
        errors = np.stack([found.mean_absolute_error for found in self.comparisons]).mean(axis=0)
        against = f"mean absolute error {errors[best]:.3g} against {errors[-2:].min():.3g} of the better naive one"
        worst = max((found.bias[best] for found in self.comparisons), key=abs)
        name = self.comparisons[-1].fits[best].model.title
        if errors[best] > errors[-2:].min():
            return f"Doubt all: {name} gives what came the highest chance, yet with a {against}."
        return (
            f"Use {name}: over the {len(self.origins)} days together it gives what came the highest chance ({first} of "
            f"them alone), with a {against}; its total was off by {worst:+.0%} at worst."
        )


def rolling_forecasts(
    transactions: Transactions | Frame,
    models: Sequence[PurchaseModel],
    *,
    origins: Sequence[Day],
    duration: float,
    time_unit: TimeUnit = "week",
) -> RollingForecasts:
    """Fit models up to each of several days, and judge their forecasts by the time after it.

    Parameters
    ----------
    transactions : Transactions or frame
        Columns customer_id, date and amount, in any engine.
    models : sequence of PurchaseModel
        Records from `MODELS`; at least one.
    origins : sequence of day
        Last days of the calibration periods; at least one, none twice.
    duration : float
        Length of each holdout period, in time units, above 0. It must end before the transactions do.
    time_unit : {"day", "week", "month", "year"}
        Unit of the fits and of `duration`.

    Returns
    -------
    RollingForecasts
        A table for each origin, their means, and one sentence of advice.

    Raises
    ------
    InputError
        If there are no models or origins, an origin is there twice, a holdout period is not over when the transactions
        end, or the data are refused by `split_holdout` or `fit_purchases`.
    ConvergenceError
        If the data do not determine a model or its limits.

    Notes
    -----
    A model sees at each origin only what was known then, and forecasts the customers who were known then. Seasons and
    campaigns move a single holdout period; several show whether a model is better or was lucky.

    Examples
    --------
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.models import MODELS
    >>> days = ["1997-06-30", "1997-09-30", "1997-12-31"]
    >>> found = rolling_forecasts(load_cdnow(), [MODELS["BG_NBD"]], origins=days, duration=13)
    >>> found.to_frame()["bias"].unstack().round(2)
    forecast    BG_NBD  same_rate  mean_rate
    origin
    1997-06-30    0.04       0.57       0.57
    1997-09-30   -0.14       0.31       0.31
    1997-12-31   -0.06       0.35       0.35
    """
    chosen = require_models(models)
    require_time_unit(time_unit)
    duration = require_number("duration", duration, above=0)
    rows = as_transactions(transactions)
    cuts = [require_day("origins", day) for day in origins] if isinstance(origins, (list, tuple)) else []
    if not cuts or len(set(cuts)) < len(cuts):
        raise InputError("origins: not a list of different days. Pass dates such as ['1997-06-30', '1997-09-30'].")
    length = np.timedelta64(max(1, round(duration * DAYS_PER_UNIT[time_unit])), "D")
    if max(cuts) + length > rows.audit.last_day:
        raise InputError(
            f"duration: the period after {max(cuts)} ends on {max(cuts) + length}, and the transactions on "
            f"{rows.audit.last_day}. Pass an earlier origin or a shorter duration."
        )
    found, regular = [], any(model.k_values for model in chosen)
    for day in cuts:
        end = day + length
        split = split_holdout(rows, calibration_end=day, observation_end=end, time_unit=time_unit, log_gaps=regular)
        found.append(compare_forecasts(split, chosen))
    return RollingForecasts(origins=tuple(cuts), comparisons=tuple(found))


def holdout_by_frequency(
    fit: PurchaseFit, split: HoldoutSplit, *, most: int = 7, covariates: Frame | None = None
) -> pd.DataFrame:
    """Return the mean purchases that came in the holdout period, and those expected, by the purchases before it.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases` on the calibration period.
    split : HoldoutSplit
        From `split_holdout`.
    most : int
        Last row of the table, which holds the customers with so many repeat purchases and all above; at least 1.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit.

    Returns
    -------
    pandas.DataFrame
        Index frequency (0 to `most`, repeat purchases in the calibration period); customers (how many), actual and
        expected (mean purchases of a customer in the holdout period; missing where there are no customers).

    Raises
    ------
    InputError
        If `split` is none, `most` is out of range, the fit is in another time unit, or a covariate is missing or has a
        level that the fit does not know.

    Examples
    --------
    >>> from crmvalue.data.holdout import split_holdout
    >>> from crmvalue.data.samples import load_cdnow
    >>> split = split_holdout(load_cdnow(), calibration_end="1997-09-30", time_unit="week")
    >>> holdout_by_frequency(fit_purchases(split.calibration), split, most=3).round(2)
               customers  actual  expected
    frequency
    0              14119    0.25      0.23
    1               4442    0.78      0.52
    2               2064    1.40      1.04
    3               2945    3.32      3.11
    """
    import pandas as pd

    groups = int(require_number("most", most, at_least=1, at_most=MOST_GROUPS)) + 1
    require_split(split)
    require_unit_of_fit(split.calibration, fit.time_unit)
    frame = customers_and_outcomes(split)
    rows, params, counts = read_with_params(fit, frame, (*PURCHASES, "holdout_purchases"), covariates)
    histories = checked_purchases(frame, rows[:3], is_discrete=fit.model.is_discrete)
    actual = to_numbers("holdout_purchases", rows[3])
    expected = fit.model.conditional_expected_purchases(params, split.duration, *histories)
    group = np.minimum(histories[0], groups - 1).astype(np.intp)
    customers = np.bincount(group, weights=counts, minlength=groups)
    sums = (np.bincount(group, weights=counts * values, minlength=groups) for values in (actual, expected))
    means = [np.where(customers > 0, total / np.maximum(customers, 1), np.nan) for total in sums]
    columns = {"customers": customers.astype(np.int64), "actual": means[0], "expected": means[1]}
    return pd.DataFrame(columns, index=pd.RangeIndex(groups, name="frequency"))
