"""Fits: a model and a summary become estimates, how sure they are, and how well the model explains the data.

Customers with the same history count as one row with a weight, counted in the engine of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import AnyFrame
from crmvalue._core.optimise import Derivatives, Maximum, maximise
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import Array, Frame, IntArray, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.distinct import distinct_histories
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.histories import (
    PURCHASES,
    SPEND,
    checked_counts,
    checked_purchases,
    is_missing,
    open_customers,
    read_histories,
    refuse,
    to_numbers,
    unit_to_fit,
)
from crmvalue.models.likelihood import weighted_sum
from crmvalue.models.limits import best_fit
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel

if TYPE_CHECKING:
    import pandas as pd

    from crmvalue.models.fit_retention import RetentionFit


def names_of(fit: Fit) -> tuple[str, ...]:
    """Names of the parameters, as in the paper."""
    return tuple(fit.params._fields)  # type: ignore[attr-defined]  # a NamedTuple, which `tuple` does not show


def covariance_of(fit: Fit) -> Array:
    """Covariance of the parameters themselves, shape (k, k)."""
    return fit.log_covariance * np.outer(fit.params, fit.params)


def standard_errors_of(fit: Fit) -> tuple[float, ...]:
    """Return the standard error of each parameter, in its own unit."""
    return tuple((np.sqrt(np.diag(fit.log_covariance)) * np.array(fit.params)).tolist())


def akaike_of(fit: Fit) -> float:
    """Akaike information criterion; lower is better."""
    return 2 * len(fit.params) - 2 * fit.log_likelihood


def bayes_of(fit: Fit) -> float:
    """Bayesian information criterion; lower is better."""
    return float(len(fit.params) * np.log(fit.n_customers) - 2 * fit.log_likelihood)


def condition_of(fit: Fit) -> float:
    """Largest over smallest curvature of the log-likelihood by log parameters; beyond 1e6 some are hardly known."""
    known = np.isfinite(np.diag(fit.log_covariance))
    return float(np.linalg.cond(fit.log_covariance[np.ix_(known, known)]))


def interval_of(fit: Fit, level: float = 0.95) -> Array:
    """Lower and upper end for each parameter; symmetric on the log scale, so never below 0.

    Parameters
    ----------
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    ndarray, shape (k, 2)
        In the units of the parameters.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1.
    """
    level = require_number("level", level, above=0, at_most=1 - 1e-12)
    half_width = normal_quantile(0.5 + 0.5 * level) * np.sqrt(np.diag(fit.log_covariance))
    centre = np.log(fit.params)
    return np.exp(np.stack([centre - half_width, centre + half_width], axis=1))


def table_of(fit: Fit, level: float = 0.95) -> pd.DataFrame:
    """One row a parameter: estimate, standard_error, lower, upper (the interval at `level`)."""
    import pandas as pd

    interval = interval_of(fit, level)
    columns = {
        "estimate": fit.params,
        "standard_error": standard_errors_of(fit),
        "lower": interval[:, 0],
        "upper": interval[:, 1],
    }
    return pd.DataFrame(columns, index=pd.Index(names_of(fit), name="parameter"))


def text_of(fit: Fit) -> str:
    """Estimates in one line."""
    pairs = zip(names_of(fit), fit.params, standard_errors_of(fit), strict=True)
    listed = ", ".join(f"{name} {value:.4g} (se {error:.2g})" for name, value, error in pairs)
    unit = f", time in {fit.time_unit}s" if not isinstance(fit, SpendFit) else ""
    findings = 0 if isinstance(fit, SpendFit) else len(fit.health)
    note = f"; {findings} finding{'s' * (findings > 1)} in health" if findings else ""
    fitted_to = f"log-likelihood {fit.log_likelihood:.2f}, n {fit.n_customers:,}{unit}{note}"
    return f"<{fit.model.title}: {listed}; {fitted_to}>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PurchaseFit:
    """How often customers buy and when they leave: what was estimated, how surely, and how well it explains them."""

    model: PurchaseModel  # the one asked for, or the simpler one that it tends to in these data: then `health` says so
    params: tuple[float, ...]  # maximum-likelihood estimates, a NamedTuple named as in the paper; rates per `time_unit`
    log_covariance: Array  # covariance of the logarithms of the parameters, shape (k, k); NaN for one held at its bound
    log_likelihood: float  # sum over customers, at `params`
    gradient_norm: float  # length of its gradient by log parameters; 0 at an exact maximum
    n_customers: int  # customers in the summary; all were used
    time_unit: TimeUnit  # unit of recency, T and horizons
    health: tuple[str, ...] = ()  # what to know before the estimates are used, in plain words; empty if all is well

    param_names = property(names_of)
    covariance = property(covariance_of)
    standard_errors = property(standard_errors_of)
    aic = property(akaike_of)
    bic = property(bayes_of)
    condition = property(condition_of)
    confidence_interval = interval_of
    to_frame = table_of
    __repr__ = text_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpendFit:
    """How much customers spend a purchase: what was estimated, how surely, and how well it explains them."""

    model: SpendModel
    params: tuple[float, ...]  # maximum-likelihood estimates, a NamedTuple named as in the paper
    log_covariance: Array  # covariance of the logarithms of the parameters, shape (k, k), from the exact Hessian
    log_likelihood: float  # sum over the customers used, at `params`
    gradient_norm: float  # length of its gradient by log parameters; 0 at an exact maximum
    n_customers: int  # customers used: a repeat purchase, and a monetary_value above 0
    n_without_repeat: int  # left out: no repeat purchase, so nothing is known of their spend
    n_not_positive: int  # left out: refunds ate up the repeat purchases (monetary_value 0 or below)

    param_names = property(names_of)
    covariance = property(covariance_of)
    standard_errors = property(standard_errors_of)
    aic = property(akaike_of)
    bic = property(bayes_of)
    confidence_interval = interval_of
    to_frame = table_of
    __repr__ = text_of


Fit: TypeAlias = "PurchaseFit | SpendFit | RetentionFit"
Model: TypeAlias = PurchaseModel | SpendModel | RetentionModel


def fit_purchases(
    summary: CustomerSummary | Frame, model: PurchaseModel = BG_NBD, *, time_unit: TimeUnit | None = None
) -> PurchaseFit:
    """Maximum-likelihood estimates of a model of purchases and dropout.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency, recency and T, in any engine.
    model : PurchaseModel
        A record from `MODELS`.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T. Needed for a plain frame; a summary knows its own.

    Returns
    -------
    PurchaseFit
        Estimates, standard errors, log-likelihood, and in `health` what to know before they are used.

    Raises
    ------
    InputError
        If a history is impossible, nobody bought twice, or the time unit is missing or contradicts the summary.
    ConvergenceError
        If the data do not determine even the simpler models that this one tends to, as those of one customer.

    Notes
    -----
    Newton steps with the exact Hessian, on the logarithms of the parameters, over the distinct histories weighted by
    their numbers. Standard errors come from the inverse of the Hessian at the maximum.

    Where the likelihood has no maximum inside, it rises towards a simpler model: towards NBD, for example, where nobody
    leaves. The fit is then that of the simpler model, and `health` says so first. Where the registry has no such model,
    the parameter that runs away is held where the likelihood no longer changes.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> truth = BG_NBD.Params(r=0.5, alpha=5.0, a=1.0, b=3.0)
    >>> made = BG_NBD.simulate(truth, np.full(20_000, 52.0), np.random.default_rng(1))
    >>> frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
    >>> fit = fit_purchases(frame, BG_NBD, time_unit="week")
    >>> round(fit.params.r, 1), round(fit.params.alpha)
    (0.5, 5)
    """
    unit = unit_to_fit(summary, time_unit)
    frame = open_customers(summary, PURCHASES, argument="summary")
    rows, counts = read_histories(frame, PURCHASES)
    frequency, recency, T = checked_purchases(frame, rows, is_discrete=model.is_discrete)
    if not frequency.any():
        raise InputError(
            "frequency: no customer bought twice, so nothing shows how often they buy or whether they leave. Pass a "
            "longer period, or more customers."
        )
    if not (T > 0).any():  # then recency is 0 as well
        raise InputError("T: 0 for every customer: nobody was observed for any time. Pass a later observation_end.")
    histories = [frequency, recency, T]
    if counts.max() == 1:  # an eager frame, whose rows are not counted yet
        histories, counts = distinct_histories(histories)
    found = best_fit(model, histories, counts)
    return PurchaseFit(
        model=found.model,
        params=found.params,
        log_covariance=found.log_covariance,
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        n_customers=int(counts.sum()),
        time_unit=unit,
        health=found.health,
    )


def fit_spend(summary: CustomerSummary | Frame, model: SpendModel = GAMMA_GAMMA) -> SpendFit:
    """Maximum-likelihood estimates of a model of spend per purchase.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency and monetary_value (mean of the repeat purchases), in any engine.
    model : SpendModel
        A record from `MODELS`.

    Returns
    -------
    SpendFit
        Estimates, standard errors, log-likelihood, and how many customers were left out for which reason.

    Raises
    ------
    InputError
        If a frequency is impossible, monetary_value is missing for a customer with repeat purchases, or no customer
        is left.
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
    rows = read_spend(summary)
    found = fitted(model, [rows.frequency, rows.spend], rows.counts)
    return SpendFit(
        model=model,
        params=model.Params(*np.exp(found.point).tolist()),
        log_covariance=log_covariance(found),
        log_likelihood=found.value,
        gradient_norm=float(np.linalg.norm(found.gradient)),
        n_customers=int(rows.counts.sum()),
        n_without_repeat=rows.n_without_repeat,
        n_not_positive=rows.n_not_positive,
    )


class SpendRows(NamedTuple):
    """Customers with a repeat purchase and a spend above 0, and how many others there are."""

    frequency: Array
    spend: Array
    counts: IntArray  # customers that a row stands for
    n_without_repeat: int
    n_not_positive: int


def read_spend(summary: CustomerSummary | Frame) -> SpendRows:
    """Return what customers spent, checked."""
    frame = open_customers(summary, SPEND, argument="summary")
    rows, counts = read_histories(frame, SPEND)
    frequency = checked_counts(frame, rows[0])
    spend = to_numbers("monetary_value", rows[1])
    repeats = frequency > 0
    if not np.isfinite(spend[repeats]).all():
        refuse_missing_spend(frame)
    used = repeats & (spend > 0)
    if not used.any():
        raise InputError(
            "monetary_value: no customer has a repeat purchase and a monetary_value above 0. Pass a longer period, or "
            "more customers."
        )
    return SpendRows(
        frequency=frequency[used],
        spend=spend[used],
        counts=counts[used],
        n_without_repeat=int(counts[~repeats].sum()),
        n_not_positive=int(counts[repeats & ~used].sum()),
    )


def fitted(model: Model, data: Sequence[Array], counts: IntArray) -> Maximum:
    """Return the maximum of the weighted log-likelihood over log parameters."""

    def evaluate(point: Array) -> Derivatives:
        return weighted_sum(model, np.exp(point), data, counts)

    def describe(point: Array) -> str:
        params = model.Params(*np.exp(point).tolist())
        listed = ", ".join(f"{name} {value:.3g}" for name, value in params._asdict().items())  # type: ignore[attr-defined]
        return (
            f"{model.title}: the likelihood has no maximum inside. {model.diagnosis(params)}. The search stopped at "
            f"{listed}, over {int(counts.sum()):,} customers. Use more customers, a longer period or a simpler model."
        )

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # steps too far are tried and taken back
        return maximise(evaluate, np.log(model.start(*data, counts)), describe=describe)


def log_covariance(found: Maximum) -> Array:
    """Return the inverse of the information at the maximum, read-only."""
    inverse = np.linalg.inv(-found.hessian)
    covariance = 0.5 * (inverse + inverse.T)
    covariance.flags.writeable = False
    return covariance


def missing_spend() -> nw.Expr:
    """Whether a customer has repeat purchases and no monetary_value."""
    spend = nw.col("monetary_value").cast(nw.Float64)
    return (nw.col("frequency") > 0) & (is_missing(spend) | (spend.abs() == np.inf))


def refuse_missing_spend(frame: AnyFrame) -> NoReturn:
    """Raise InputError about customers with repeat purchases and no monetary_value."""
    problem = "missing or infinite where frequency is above 0"
    refuse(frame, "monetary_value", problem, "Fill or drop these customers.", missing_spend())
