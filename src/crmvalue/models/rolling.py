"""Does a model forecast well, or was it lucky once? Forecasts from several days, each judged by the time after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_day, require_number, require_time_unit
from crmvalue._core.types import DAYS_PER_UNIT, Day, Frame, TimeUnit
from crmvalue.data.holdout import split_holdout
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.models.comparison import ModelComparison, compare_models, require_models, table_html
from crmvalue.models.covariates import Covariates
from crmvalue.models.forecasts import NAIVE
from crmvalue.models.model import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RollingForecasts:
    """Forecasts from several days, each judged by the time after it."""

    origins: tuple[np.datetime64, ...]  # last days of the calibration periods
    comparisons: tuple[ModelComparison, ...]  # one each, of the same models

    def to_frame(self) -> pd.DataFrame:
        """One row an origin and a forecast, with the columns of `ModelComparison.to_frame`."""
        import pandas as pd

        tables = {str(day): found.to_frame() for day, found in zip(self.origins, self.comparisons, strict=True)}
        return pd.concat(tables, names=["origin", "model"])

    def means(self) -> pd.DataFrame:
        """One row a forecast: mae, rmse, bias, log_score, calibration, each the mean over the origins."""
        columns = ["mae", "rmse", "bias", "log_score", "calibration"]
        return self.to_frame().groupby(level="model", sort=False)[columns].mean()

    @property
    def advice(self) -> str:
        """Which model to use and why, in one sentence."""
        models = self.comparisons[0].models
        scores = np.array([[f.log_score for f in found.forecasts[: len(models)]] for found in self.comparisons])
        errors = np.array([[f.mae for f in found.forecasts] for found in self.comparisons]).mean(axis=0)
        best = int(np.argmax(scores.mean(axis=0)))
        first = int((np.argmax(scores, axis=1) == best).sum())
        biases = [found.forecasts[best].bias for found in self.comparisons]
        worst = max((bias for bias in biases if np.isfinite(bias)), key=abs, default=0.0)
        name, naive = models[best].title, errors[-len(NAIVE) :].min()
        against = f"a mean absolute error of {errors[best]:.3g} against {naive:.3g} of the better naive forecast"
        if errors[best] > naive:
            return f"Doubt all, {name} too: it gives what came the highest chance, yet with {against}."
        return (
            f"Use {name}: over the {len(self.origins)} days together it gives what came the highest chance, and on "
            f"{first} of them alone, with {against}; its total was off by {worst:+.0%} at worst."
        )

    def __repr__(self) -> str:
        """Days, models and advice."""
        models = ", ".join(model.title for model in self.comparisons[0].models)
        return f"<RollingForecasts of {models} on {', '.join(map(str, self.origins))}: {self.advice}>"

    def _repr_html_(self) -> str:
        """Advice and means."""
        return table_html(self.advice, self.means())


def rolling_forecasts(
    transactions: Transactions | Frame,
    models: Sequence[PurchaseModel],
    *,
    origins: Sequence[Day],
    duration: float,
    time_unit: TimeUnit = "week",
    covariates: Covariates | Frame | None = None,
    penalty: float | None = None,
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
    covariates : frame or Covariates, optional
        What else is known of each customer, as in `fit_purchases`. It must have been known at each origin.
    penalty : float, optional
        On the effects of covariates, as in `fit_purchases`.

    Returns
    -------
    RollingForecasts
        A table for each origin, their means, and one sentence of advice.

    Raises
    ------
    InputError
        If there are no models or origins, an origin is there twice, a holdout period is not over when the transactions
        end, or the data or covariates are refused by `split_holdout` or `fit_purchases`.
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
    model       BG_NBD  same_rate  mean_rate
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
        found.append(compare_models(split, chosen, covariates=covariates, penalty=penalty))
    return RollingForecasts(origins=tuple(cuts), comparisons=tuple(found))
