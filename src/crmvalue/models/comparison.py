"""Which model explains the same customers best? Likelihoods side by side, and one sentence of advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmvalue._core.types import Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.model import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 6.0  # difference in BIC from which one model is clearly the better: odds of 20 to 1


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
    the figures compare; they would not between different time units. `compare_forecasts` puts errors on a holdout and
    naive forecasts into the same table.

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
