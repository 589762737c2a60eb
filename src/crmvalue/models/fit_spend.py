"""Fits of spend: what customers spent on their repeat purchases becomes estimates of how much a purchase brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crmvalue._core.types import Array, Frame
from crmvalue.data.summary import CustomerSummary
from crmvalue.models.covariates import Effect, wanted_covariates
from crmvalue.models.design import checked_penalty
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
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.limits import best_fit
from crmvalue.models.lopsided import Bend
from crmvalue.models.model import SpendModel
from crmvalue.models.spend_dependence import spend_findings
from crmvalue.models.spend_rows import read_spend


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpendFit:
    """How much customers spend a purchase: what was estimated, how surely, and how well it explains them."""

    model: SpendModel
    params: tuple[float, ...]  # maximum-likelihood estimates, a NamedTuple named as in the paper
    log_covariance: Array  # of the logarithms of the parameters, then of coefficients; NaN for one held at its bound
    log_likelihood: float  # sum over the customers used, at `params`
    gradient_norm: float  # length of its gradient by log parameters; 0 at an exact maximum
    n_customers: int  # customers used: a repeat purchase, and a monetary_value above 0
    n_without_repeat: int  # left out: no repeat purchase, so nothing is known of their spend
    n_not_positive: int  # left out: refunds ate up the repeat purchases (monetary_value 0 or below)
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


def fit_spend(
    summary: CustomerSummary | Frame,
    model: SpendModel = GAMMA_GAMMA,
    *,
    covariates: Frame | Sequence[str] | None = None,
    penalty: float | None = None,
) -> SpendFit:
    """Maximum-likelihood estimates of a model of spend per purchase.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency and monetary_value (mean of the repeat purchases), in any engine.
    model : SpendModel
        A record from `MODELS`.
    covariates : frame, list of str or Covariates, optional
        What else is known of each customer: a frame with customer_id, whose other columns all act on her mean spend; or
        names of columns that the summary's frame has itself. Numbers act as they are, text and categories by one effect
        for each level but the most frequent.
    penalty : float, optional
        Draws the effects of covariates towards 0: λ/2 · Σ (coefficient · standard deviation of its column)² is taken
        off the log-likelihood. It does not depend on any unit. By default 0.

    Returns
    -------
    SpendFit
        Estimates, standard errors, log-likelihood, and how many customers were left out for which reason.

    Raises
    ------
    InputError
        If a frequency is impossible, monetary_value is missing for a customer with repeat purchases, no customer is
        left, or covariates are missing for some customers, constant or collinear.
    ConvergenceError
        If the likelihood has no maximum inside, as when all customers spend the same; the message says what was seen.

    Notes
    -----
    The likelihood is that of the customers with a repeat purchase and a monetary_value above 0; the others say nothing
    that the model could use, and are counted in the result.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> truth, x = GAMMA_GAMMA.Params(p=6.0, q=4.0, v=15.0), np.full(20_000, 3.0)
    >>> spent = GAMMA_GAMMA.simulate(truth, x, np.random.default_rng(1))
    >>> fit = fit_spend(pd.DataFrame({"frequency": x, "monetary_value": spent}))
    >>> round(float(fit.model.expected_spend(fit.params, 0, 0)))  # 6 × 15 / (4 − 1)
    30
    """
    wanted = None if covariates is None else wanted_covariates(covariates, model)
    strength = checked_penalty(penalty, covariates)
    rows = read_spend(summary, wanted, strength)
    found = best_fit(model, [rows.frequency, rows.spend], rows.counts, rows.design)
    return SpendFit(
        model=model,
        params=found.params,
        log_covariance=found.log_covariance,
        bends=found.bends,
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        n_customers=rows.n_customers,
        n_without_repeat=rows.n_without_repeat,
        n_not_positive=rows.n_not_positive,
        health=(*found.health, *spend_findings(model, found.params, rows)),
        effects=found.effects,
        penalty=found.penalty,
    )
