"""Which model explains the same customers best, and which forecasts them? One table, and one sentence of advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.show import first_rows
from crmvalue._core.types import Frame, TimeUnit
from crmvalue.data.holdout import HoldoutSplit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.covariates import Covariates, is_names
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.forecasts import NAIVE, Forecast, judged_forecasts
from crmvalue.models.model import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 6.0  # difference in BIC from which one model is clearly the better: odds of 20 to 1
CLEAR_ERRORS = 2.0  # standard errors from which a difference in log score is clear


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ModelComparison:
    """Models fitted to the same customers and, where a holdout came after, their forecasts next to naive ones."""

    models: tuple[PurchaseModel, ...]  # those asked for
    fits: tuple[PurchaseFit, ...]  # one each; of the limit where a model has no maximum inside
    forecasts: tuple[Forecast, ...] = ()  # one each, then of "same_rate" and "mean_rate"; none without a holdout

    def to_frame(self) -> pd.DataFrame:
        """One row a model, lowest BIC first, then the naive forecasts if there is a holdout.

        Columns: fitted_as, parameters, log_likelihood, aic, bic, findings (in health). With a holdout also mae and rmse
        (purchases a customer), bias (of the total), log_score, log_score_error, calibration, active, actual_active.
        """
        import pandas as pd

        columns = {
            "fitted_as": [fit.model.name for fit in self.fits],
            "parameters": [len(fit.params) + len(fit.effects) for fit in self.fits],
            "log_likelihood": [fit.log_likelihood for fit in self.fits],
            "aic": [fit.aic for fit in self.fits],
            "bic": [fit.bic for fit in self.fits],
            "findings": [len(fit.health) for fit in self.fits],
        }
        names = [model.name for model in self.models]
        table = pd.DataFrame(columns, index=pd.Index(names, name="model"))
        if self.forecasts:
            index = pd.Index([*names, *NAIVE], name="model")
            counts = {"parameters": "Int64", "findings": "Int64"}  # whole numbers, and none for the naive forecasts
            judged = pd.DataFrame([forecast._asdict() for forecast in self.forecasts], index=index)
            table = table.astype(counts).reindex(index).join(judged)
        return table.sort_values("bic", kind="stable")

    @property
    def best(self) -> PurchaseFit:
        """The fit with the lowest BIC, unless another gives what came in the holdout a clearly higher chance."""
        lowest, highest, is_clear = leaders(self.fits, self.forecasts)
        return self.fits[highest if is_clear else lowest]

    @property
    def advice(self) -> str:
        """Which model to use and why, in one sentence."""
        return advice_on_holdout(self.fits, self.forecasts) if self.forecasts else advice_on_fits(self.fits)

    def __repr__(self) -> str:
        """Models and advice."""
        return f"<ModelComparison of {', '.join(model.title for model in self.models)}: {self.advice}>"

    def _repr_html_(self) -> str:
        """Advice and table."""
        return table_html(self.advice, self.to_frame())


def table_html(advice: str, table: pd.DataFrame) -> str:
    """Return a sentence and a table as HTML, for a notebook."""
    return f"<p>{escape(advice)}</p>{first_rows(nw.from_native(table.reset_index(), eager_only=True))}"


def leaders(fits: Sequence[PurchaseFit], forecasts: Sequence[Forecast]) -> tuple[int, int, bool]:
    """Return the places of the lowest BIC and of the highest log score, and whether it is clearly above the other's."""
    lowest = min(range(len(fits)), key=lambda place: fits[place].bic)
    if not forecasts:
        return lowest, lowest, False
    highest = max(range(len(fits)), key=lambda place: forecasts[place].log_score)
    behind = forecasts[highest].log_score - forecasts[lowest].log_score
    return lowest, highest, behind > CLEAR_ERRORS * forecasts[lowest].log_score_error


def advice_on_fits(fits: Sequence[PurchaseFit]) -> str:
    """Return which model to use by BIC alone."""
    best = min(fits, key=lambda fit: fit.bic)
    others = [fit for fit in fits if fit.model is not best.model]
    if not others:
        return f"Use {best.model.title}: all models asked for are this one in these data."
    second = min(others, key=lambda fit: fit.bic)
    gap = second.bic - best.bic
    if gap < CLEAR:
        return (
            f"Use {best.model.title} or {second.model.title}: their BIC differs by {gap:.1f}, too little to tell them "
            "apart; let a holdout decide."
        )
    return f"Use {best.model.title}: its BIC is {gap:.1f} below that of {second.model.title}, the next."


def advice_on_holdout(fits: Sequence[PurchaseFit], forecasts: Sequence[Forecast]) -> str:
    """Return which model to use by BIC and by what came."""
    lowest, highest, is_clear = leaders(fits, forecasts)
    name, other = fits[lowest].model.title, fits[highest].model.title
    gap, place = fits[highest].bic - fits[lowest].bic, lowest
    if name == other:
        why = "it has the lowest BIC, and gives what came the highest chance"
    elif is_clear:
        why = f"it gives what came a clearly higher chance than {name}, whose BIC is {gap:.1f} lower"
        name, place = other, highest
    elif gap >= CLEAR:
        why = f"its BIC is {gap:.1f} below that of {other}, which gives what came a higher chance, but not clearly"
    else:
        why = f"neither their BIC, {gap:.1f} apart, nor what came tells them apart"
        name = f"{name} or {other}"
    return advice_with_errors(name, why, forecasts[place], forecasts[-len(NAIVE) :])


def advice_with_errors(name: str, why: str, found: Forecast, naive: Sequence[Forecast]) -> str:
    """Return the advice to use a model, or to doubt it where a naive forecast has the smaller errors."""
    least = min(forecast.mae for forecast in naive)
    errors = f"a mean absolute error of {found.mae:.3g} against {least:.3g} of the better naive forecast"
    if found.mae > least:
        return f"Doubt all, {name} too: {why}, yet with {errors}."
    total = f" and a total off by {found.bias:+.0%}" if np.isfinite(found.bias) else ""
    return f"Use {name}: {why}, with {errors}{total}."


def compare_models(
    summary: CustomerSummary | HoldoutSplit | Frame,
    models: Sequence[PurchaseModel],
    *,
    covariates: Covariates | Frame | Sequence[str] | None = None,
    penalty: float | None = None,
    time_unit: TimeUnit | None = None,
) -> ModelComparison:
    """Fit several purchase models to the same customers, and say which to use and why.

    Parameters
    ----------
    summary : CustomerSummary, HoldoutSplit or frame
        One row a customer with columns frequency, recency and T, in any engine. With a split, from `split_holdout`, the
        models are fitted to its calibration period, and their forecasts judged by its holdout period.
    models : sequence of PurchaseModel
        Records from `MODELS`; at least one.
    covariates : frame, list of str or Covariates, optional
        What else is known of each customer, as in `fit_purchases`; the same for all models.
    penalty : float, optional
        On the effects of covariates, as in `fit_purchases`.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T. Needed for a plain frame; a summary and a split know their own.

    Returns
    -------
    ModelComparison
        The fits, a table of log-likelihood, AIC and BIC, and one sentence of advice. With a split, the table also has
        the errors of the forecasts, and two rows more: everyone goes on at her own rate so far (same_rate), and
        everyone buys at the common rate (mean_rate).

    Raises
    ------
    InputError
        If there are no models, one is no purchase model, or the data or covariates are refused by `fit_purchases`.
    ConvergenceError
        If the data do not determine a model or its limits.

    Notes
    -----
    BIC = k log n − 2 log L, AIC = 2 k − 2 log L. All models here give the density of the same purchase times, so that
    the figures compare; they would not between different time units.

    The log score is the mean over customers of log P(number of purchases that came | history). It is the judge among
    forecasts, for it sees the whole distribution; the other errors see only its mean. log_score_error is the standard
    error of what a model is below the highest score, from the differences customer by customer. Calibration is the
    slope of the regression of the purchases that came on those expected: below 1, customers differ less than the
    forecast said. active is the share of customers expected to buy at all. Purchases on one day are one.

    The advice follows BIC, unless another model's log score is higher by more than two standard errors. One cut is one
    sample of the seasons: `rolling_forecasts` takes several.

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

    With a holdout, forecasts are judged too:

    >>> from crmvalue.data.holdout import split_holdout
    >>> from crmvalue.data.samples import load_cdnow
    >>> split = split_holdout(load_cdnow(), calibration_end="1997-09-30", time_unit="week")
    >>> compare_models(split, [model]).to_frame()[["mae", "bias"]].round(2)
                mae  bias
    model
    BG_NBD     0.82 -0.14
    same_rate  1.04  0.47
    mean_rate  1.39  0.47
    """
    chosen = require_models(models)
    split = summary if isinstance(summary, HoldoutSplit) else None
    customers = summary if split is None else split.calibration
    fits = tuple(
        fit_purchases(customers, model, covariates=covariates, penalty=penalty, time_unit=time_unit) for model in chosen
    )
    forecasts = () if split is None else judged_forecasts(fits, split, frame_of(covariates))
    return ModelComparison(models=chosen, fits=fits, forecasts=forecasts)


def frame_of(covariates: Covariates | Frame | Sequence[str] | None) -> Frame | None:
    """Return the frame of covariates; None where there are none, or the customers' own frame has them."""
    if isinstance(covariates, Covariates):
        return covariates.frame
    return None if is_names(covariates) else covariates


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
