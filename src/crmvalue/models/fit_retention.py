"""Fits of contracts: tenures or survivors become estimates of how customers leave at renewals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.checks import require_time_unit
from crmvalue._core.types import Array, Frame, IntArray, TimeUnit
from crmvalue.errors import InputError
from crmvalue.models.contracts_seen import read_contracts
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
from crmvalue.models.limits import best_fit
from crmvalue.models.lopsided import Bend
from crmvalue.models.model import RetentionModel
from crmvalue.models.sbg import SBG


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RetentionFit:
    """In which contract period customers leave: what was estimated, how surely, and how well it explains them."""

    model: RetentionModel  # the one asked for, or the simpler one that it tends to in these data: then `health` says so
    params: tuple[float, ...]  # maximum-likelihood estimates, a NamedTuple named as in the paper
    log_covariance: Array  # covariance of the logarithms of the parameters, shape (k, k); NaN for one held at its bound
    log_likelihood: float  # sum over customers, at `params`
    gradient_norm: float  # length of its gradient by log parameters; 0 at an exact maximum
    n_customers: int  # customers in the data; all were used
    n_churned: int  # of them seen to leave
    time_unit: TimeUnit  # length of a contract period
    health: tuple[str, ...] = ()  # what to know before the estimates are used, in plain words; empty if all is well
    bends: tuple[Bend, ...] = ()  # of the likelihood by each log parameter, for intervals; empty: taken for even

    param_names = property(names_of)
    covariance = property(covariance_of)
    standard_errors = property(standard_errors_of)
    aic = property(akaike_of)
    bic = property(bayes_of)
    condition = property(condition_of)
    confidence_interval = interval_of
    to_frame = table_of
    __repr__ = text_of


def fit_retention(contracts: Frame, model: RetentionModel = SBG, *, time_unit: TimeUnit) -> RetentionFit:
    """Maximum-likelihood estimates of a model of renewals.

    Parameters
    ----------
    contracts : frame
        In any engine, either survivors of cohorts or tenures of customers. Survivors: columns period (0, 1, 2, ...) and
        survivors (how many of a cohort are still there after that many periods; period 0 holds all who started), and
        cohort if there is more than one; cohorts may be of different lengths. Tenures: columns tenure (of one who left,
        the period in which she did, 1 or more; else the periods that she was seen to stay) and churned (whether she
        left), and n_customers if a row stands for more than one.
    model : RetentionModel
        A record from `MODELS`.
    time_unit : {"day", "week", "month", "year"}
        Length of a contract period.

    Returns
    -------
    RetentionFit
        Estimates, standard errors, log-likelihood, and in `health` what to know before they are used.

    Raises
    ------
    InputError
        If survivors rise or are not whole numbers, a period or a tenure is impossible, nobody leaves, or fewer periods
        were seen than the model has parameters.
    ConvergenceError
        If the likelihood has no maximum inside and there is no simpler model that it tends to; the message says what
        was seen.

    Notes
    -----
    Both forms of the data give the same likelihood: that of one who left in period t is S(t − 1) − S(t), that of one
    still there after t periods is S(t), which is how customers count whose future is not known yet. Where customers do
    not seem to differ, the parameters grow without end: the fit is then that of the limit, `GEOMETRIC` for sBG and
    `DISCRETE_WEIBULL` for BdW, and `health` says so. Where each customer seems to leave at a tenure that is fixed for
    her, the limit of BdW is `DISCRETE_PARETO`.

    References
    ----------
    Fader & Hardie (2007) "How to project customer retention", Journal of Interactive Marketing 21(1), 76-90.
    https://doi.org/10.1002/dir.20074

    Examples
    --------
    The regular customers of the paper, of whom 631 in 1,000 renewed once:

    >>> import pandas as pd
    >>> alive = [1000, 631, 468, 382, 326, 289, 262, 241]
    >>> fit = fit_retention(pd.DataFrame({"period": range(8), "survivors": alive}), SBG, time_unit="year")
    >>> round(fit.params.alpha, 3), round(fit.params.beta, 3)
    (0.704, 1.182)
    """
    require_time_unit(time_unit)
    tenure, churned, counts = read_contracts(contracts)
    require_identified(model, tenure, churned)
    found = best_fit(model, [tenure, churned], counts)
    return RetentionFit(
        model=found.model,
        params=found.params,
        log_covariance=found.log_covariance,
        bends=found.bends,
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        n_customers=int(counts.sum()),
        n_churned=left_of(churned, counts),
        time_unit=time_unit,
        health=(*found.health, *findings(found.model, found.params, int(tenure.max()))),
    )


def findings(model: RetentionModel, params: tuple[float, ...], seen: int) -> tuple[str, ...]:
    """Return what an analyst should know of these data, besides the findings of the fit."""
    said = []
    if seen == len(params):
        said.append(
            f"{seen} periods for {seen} parameters: the curve goes through the data, and nothing shows whether the "
            "model holds."
        )
    if np.isinf(model.residual_lifetime(params, 0.0, 0.0, np.inf)):
        said.append(
            "The tail is so heavy that the mean lifetime is infinite. Use values with a discount rate above 0 or a "
            "finite horizon."
        )
    return tuple(said)


def left_of(churned: Array, counts: IntArray) -> int:
    """Return how many customers were seen to leave."""
    return int(counts[churned > 0].sum())


def require_identified(model: RetentionModel, tenure: Array, churned: Array) -> None:
    """Raise InputError if these data cannot tell the parameters apart."""
    if not len(tenure):
        raise InputError("contracts: there are no customers in these rows. Pass at least one.")
    if not churned.any():
        raise InputError(
            "contracts: nobody leaves in these data, so nothing shows how long customers stay. Pass more periods or "
            "more customers."
        )
    seen, wanted = int(tenure.max()), len(model.Params._fields)  # type: ignore[attr-defined]  # a NamedTuple
    if seen < wanted:
        raise InputError(
            f"contracts: customers were seen over {seen} {'period' if seen == 1 else 'periods'}, and {model.title} has "
            f"{wanted} parameters, which need as many. Pass more periods."
        )
