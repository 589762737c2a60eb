"""Fits: a model and a summary become estimates, how sure they are, and how well the model explains the data.

Customers with the same history and covariates count as one row with a weight, counted in the engine of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from crmvalue._core.types import Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.covariates import Covariates, Effect, open_covariates, wanted_covariates
from crmvalue.models.design import NOTHING, checked_penalty, design_of
from crmvalue.models.distinct import distinct_histories
from crmvalue.models.estimates import (
    akaike_of,
    bayes_of,
    condition_of,
    covariance_of,
    interval_of,
    names_of,
    standard_errors_of,
    table_of,
    text_of,
)
from crmvalue.models.fit_spend import SpendFit, fit_spend
from crmvalue.models.histories import (
    PURCHASES,
    checked_purchases,
    frame_of,
    open_customers,
    read_histories,
    unit_to_fit,
)
from crmvalue.models.limits import best_fit
from crmvalue.models.lopsided import Bend
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel
from crmvalue.models.regularity import best_regular_fit, total_log_gaps

if TYPE_CHECKING:
    from crmvalue.models.fit_retention import RetentionFit

__all__ = ["Fit", "Model", "PurchaseFit", "SpendFit", "fit_purchases", "fit_spend"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PurchaseFit:
    """How often customers buy and when they leave: what was estimated, how surely, and how well it explains them."""

    model: PurchaseModel  # the one asked for, or the simpler one that it tends to in these data: then `health` says so
    params: tuple[float, ...]  # maximum-likelihood estimates, a NamedTuple named as in the paper; rates per `time_unit`
    log_covariance: Array  # of log parameters, then of coefficients; NaN for one held at its bound, and for whole k
    log_likelihood: float  # sum over customers, at `params`
    gradient_norm: float  # length of its gradient by log parameters; 0 at an exact maximum
    n_customers: int  # customers in the summary; all were used
    time_unit: TimeUnit  # unit of recency, T and horizons
    health: tuple[str, ...] = ()  # what to know before the estimates are used, in plain words; empty if all is well
    bends: tuple[Bend, ...] = ()  # of the likelihood by each log parameter, for intervals; empty: taken for even
    effects: tuple[Effect, ...] = ()  # of covariates; `params` are those of a customer at their references
    penalty: float = 0.0  # on effects, as asked for or as `health` says; 0: maximum likelihood

    param_names = property(names_of)
    covariance = property(covariance_of)
    standard_errors = property(standard_errors_of)
    aic = property(akaike_of)
    bic = property(bayes_of)
    condition = property(condition_of)
    confidence_interval = interval_of
    to_frame = table_of
    __repr__ = text_of


Fit: TypeAlias = "PurchaseFit | SpendFit | RetentionFit"
Model: TypeAlias = PurchaseModel | SpendModel | RetentionModel


def fit_purchases(
    summary: CustomerSummary | Frame,
    model: PurchaseModel = BG_NBD,
    *,
    covariates: Covariates | Frame | Sequence[str] | None = None,
    penalty: float | None = None,
    time_unit: TimeUnit | None = None,
) -> PurchaseFit:
    """Maximum-likelihood estimates of a model of purchases and dropout.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency, recency and T, in any engine; for models of regular buyers also
        log_gaps, which `summarize_customers` adds if asked.
    model : PurchaseModel
        A record from `MODELS`.
    covariates : frame, list of str or Covariates, optional
        What else is known of each customer: a frame with customer_id, whose other columns all act on purchases and on
        dropout; or names of columns that the summary's frame has itself; or `Covariates`, which says what acts on what.
        Numbers act as they are, text and categories by one effect for each level but the most frequent.
    penalty : float, optional
        Draws the effects of covariates towards 0: λ/2 · Σ (coefficient · standard deviation of its column)² is taken
        off the log-likelihood. It does not depend on any unit. By default 0.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T. Needed for a plain frame; a summary knows its own.

    Returns
    -------
    PurchaseFit
        Estimates, standard errors, log-likelihood, and in `health` what to know before they are used.

    Raises
    ------
    InputError
        If a history is impossible, nobody bought twice, the time unit is missing or contradicts the summary, or
        covariates are missing for some customers, constant or collinear.
    ConvergenceError
        If the data do not determine even the simpler models that this one tends to, as those of one customer.

    Notes
    -----
    Newton steps with the exact Hessian, on the logarithms of the parameters, over the distinct histories weighted by
    their numbers. Standard errors come from the inverse of the Hessian at the maximum.

    Where the likelihood has no maximum inside, it rises towards a simpler model: towards NBD, for example, where nobody
    leaves. The fit is then that of the simpler model, and `health` says so first. Where the registry has no such model,
    the parameter that runs away is held where the likelihood no longer changes. Where effects of covariates run away,
    as where no customer of some kind ever left, a penalty of 1 keeps them finite, and `health` names them.

    Covariates z multiply a customer's purchase rate and her risk of leaving (in BG/NBD, MBG/NBD and BG/BB the odds of
    it) by exp(γ'z), as in the note of Fader & Hardie: through α and β, or a. The parameters of the fit are those of a
    customer at the references: the mean of a column of numbers, 0 where it holds only 0 and 1, the most frequent level
    of text. A penalty λ says that effects of one standard deviation are about ± 1 / √λ on the log scale. There is none
    on the parameters themselves: it would depend on the time unit, and no fit needs one to end.

    `BG_CNBD_K` and `MBG_CNBD_K` are fitted for k = 1, 2, ... until the likelihood has fallen twice; the last line of
    `health` names the likelihoods beside the best one. k is best seen from the column log_gaps of the summary, and less
    surely from frequency and recency alone. Where k = 1 the fit is that of BG/NBD or MBG/NBD.

    References
    ----------
    Fader & Hardie (2007) "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models", note 019 at
    brucehardie.com.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> truth = BG_NBD.Params(r=0.5, alpha=5.0, a=1.0, b=3.0)
    >>> made = BG_NBD.simulate(truth, np.full(20_000, 52.0), np.random.default_rng(1))
    >>> frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
    >>> fit = fit_purchases(frame, BG_NBD, time_unit="week")
    >>> round(fit.params.r, 1), round(fit.params.alpha)
    (0.5, 5)

    Customers who came with the app and who did not may differ in how often they buy, or, by one effect, in both:

    >>> came = np.random.default_rng(2).random(20_000) < 0.3
    >>> known = pd.DataFrame({"customer_id": range(20_000), "app": came})
    >>> customers = frame.assign(customer_id=range(20_000))
    >>> for acting in (Covariates(frame=known, purchases=["app"]), Covariates(frame=known, equal=["app"])):
    ...     fit = fit_purchases(customers, BG_NBD, covariates=acting, time_unit="week")
    ...     print([(effect.name, abs(round(effect.coefficient, 1))) for effect in fit.effects])
    [('purchases, app', 0.0)]
    [('purchases = dropout, app', 0.0)]
    """
    unit = unit_to_fit(summary, time_unit)
    wanted = None if covariates is None else wanted_covariates(covariates, model)
    strength = checked_penalty(penalty, covariates)
    needs_frame = wanted or model.k_values  # more than the three columns
    frame = open_customers(summary, PURCHASES, argument="summary") if needs_frame else frame_of(summary)
    opened = open_covariates(frame, wanted)
    rows, counts = read_histories(opened.frame, (*PURCHASES, *opened.names), argument="summary")
    frequency, recency, T = checked_purchases(opened.frame, rows[:3], is_discrete=model.is_discrete)
    if not frequency.any():
        raise InputError(
            "frequency: no customer bought twice, so nothing shows how often they buy or whether they leave. Pass a "
            "longer period, or more customers."
        )
    if not (T > 0).any():  # then recency is 0 as well
        raise InputError("T: 0 for every customer: nobody was observed for any time. Pass a later observation_end.")
    columns = [frequency, recency, T, *opened.checked(rows[3:])]
    if counts.max() == 1:  # an eager frame, whose rows are not counted yet
        columns, counts = distinct_histories(columns)
    design = design_of(wanted, columns[3:], opened.levels, counts, strength) if wanted else NOTHING
    if model.k_values:
        log_gaps = total_log_gaps(frame, columns[0], columns[1], counts)
        found = best_regular_fit(model, columns[:3], counts, log_gaps, design)
    else:
        found = best_fit(model, columns[:3], counts, design)
    return PurchaseFit(
        model=found.model,
        params=found.params,
        log_covariance=found.log_covariance,
        bends=found.bends,
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        n_customers=int(counts.sum()),
        time_unit=unit,
        health=found.health,
        effects=found.effects,
        penalty=found.penalty,
    )
