"""What customers are expected to spend a purchase, in the engine of their frame."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame, column_names, one_row, to_arrays, with_arrays
from crmvalue._core.parts import in_parts
from crmvalue._core.types import Array, Frame
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.answers import answer_to, kept_ids
from crmvalue.models.covariates import (
    columns_of_effects,
    levels_by_column,
    refuse_covariates,
    with_own_covariates,
    with_scores,
)
from crmvalue.models.fit import SpendFit
from crmvalue.models.histories import COUNT_RULES, SPEND, is_fractional, is_missing, open_customers, refuse
from crmvalue.models.spend_rows import missing_spend, refuse_missing_spend

SCORE = "_crm_score_spend"


def expected_spend(fit: SpendFit, customers: CustomerSummary | Frame, *, covariates: Frame | None = None) -> Frame:
    """Return the mean amount that each customer is expected to spend a purchase, from now on.

    Parameters
    ----------
    fit : SpendFit
        From `fit_spend`.
    customers : CustomerSummary, frame or mapping
        Columns frequency and monetary_value (mean of the repeat purchases; not used where frequency is 0), in any
        engine, or numbers or arrays by these names.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there) and expected_spend (in currency), in the engine of the input.

    Raises
    ------
    InputError
        If a frequency is impossible, monetary_value is missing for a customer with repeat purchases, a covariate is
        missing or has a level that the fit does not know, or the mean does not exist: under Gamma-Gamma with q at most
        1 there is no population mean, and none for customers with p · frequency + q at most 1.

    Notes
    -----
    A customer without repeat purchases gets the mean of the population. The model knows no spend of 0 or below: a
    customer whose refunds ate up her repeat purchases gets what it expects of one who spent nothing on them, the least
    that it can expect.

    Examples
    --------
    The population's mean is p · v / (q − 1) = 20; a first repeat purchase of 30 raises it to 2 · (20 + 30) / (2 + 2):

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.gamma_gamma import GAMMA_GAMMA, Params
    >>> spend = SpendFit(
    ...     model=GAMMA_GAMMA, params=Params(p=2.0, q=3.0, v=20.0), log_covariance=np.eye(3), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, n_without_repeat=1, n_not_positive=0,
    ... )
    >>> expected_spend(spend, pd.DataFrame({"frequency": [0, 1], "monetary_value": [np.nan, 30.0]}))
       expected_spend
    0            20.0
    1            25.0
    """
    frame = with_own_covariates(open_customers(customers, SPEND), fit.effects, covariates)
    require_spend(fit, frame)
    return answer_to(customers, with_spend(fit, frame).select(*kept_ids(frame), "expected_spend"))


def count_of(condition: nw.Expr) -> nw.Expr:
    """Count of rows; as integers, for Spark and DuckDB have no sum of booleans."""
    return condition.cast(nw.Int64).sum()


def require_spend(fit: SpendFit, frame: AnyFrame) -> int:
    """Raise InputError where no spend can be expected; return how many customers are taken to have spent nothing."""
    if isinstance(frame, nw.DataFrame) and not fit.effects:
        found = spent_nothing(frame, fit.model.mean_exists_above(fit.params))
        if found is not None:
            return found
    frequency, spend = nw.col("frequency").cast(nw.Float64), nw.col("monetary_value").cast(nw.Float64)
    no_mean = frequency <= fit.model.mean_exists_above(fit.params)
    not_positive = (frequency > 0) & (spend <= 0)
    frame = with_spend_score(fit, frame)
    seen = one_row(
        frame,
        n=nw.len(),
        no_frequency=count_of(is_missing(frequency) | (frequency.abs() == np.inf)),
        **{f"broken_{i}": count_of(rule[3](frequency)) for i, rule in enumerate(COUNT_RULES)},
        no_spend=count_of(missing_spend()),
        no_mean=count_of(no_mean),
        not_positive=count_of(not_positive),
        no_score=count_of(is_missing(nw.col(SCORE)) | (nw.col(SCORE).abs() == np.inf)),
    )
    if not seen["n"]:
        raise InputError("customers: the frame has no rows. Pass at least one customer.")
    if seen["no_frequency"]:
        refuse(
            frame,
            "frequency",
            "missing or infinite",
            "Fill or drop these rows.",
            is_missing(frequency) | (frequency.abs() == np.inf),
        )
    for i, (column, problem, remedy, breaks) in enumerate(COUNT_RULES):
        if seen[f"broken_{i}"]:
            refuse(frame, column, problem, remedy, breaks(frequency))
    if seen["no_spend"]:
        refuse_missing_spend(frame)
    if seen["no_score"]:
        refuse_covariates(frame, columns_of_effects(fit.effects), levels_by_column(fit.effects))
    if seen["no_mean"]:
        remedy = "The fit has too heavy a tail for a mean there: leave these customers out, or fit on more customers."
        refuse(frame, "expected_spend", "no finite mean", remedy, no_mean)
    return int(seen["not_positive"] or 0)


def spent_nothing(frame: nw.DataFrame[Any], no_mean_to: float) -> int | None:
    """Return how many customers have repeat purchases and no spend; None unless spend can be expected of all.

    A quick look at the arrays of an eager frame: what is wrong, if it is not, expressions find out.
    """
    frequency, spend = to_arrays(frame, SPEND).values()
    if not len(frequency) or {frequency.dtype.kind, spend.dtype.kind} - {"f", "i", "u"}:
        return None
    repeat = frequency > 0
    sound = np.isfinite(frequency).all() and (np.isfinite(spend) | ~repeat).all()
    if not sound or frequency.min() < 0 or frequency.min() <= no_mean_to or is_fractional(frequency).any():
        return None
    return int(np.count_nonzero(repeat & (spend <= 0)))


def with_spend_score(fit: SpendFit, frame: AnyFrame) -> AnyFrame:
    """Return the frame with the logarithm of the factor on each customer's mean spend: 0 without covariates."""
    return with_scores(frame, fit.effects, None)[0] if fit.effects else frame.with_columns(nw.lit(0.0).alias(SCORE))


def with_spend(fit: SpendFit, frame: AnyFrame) -> AnyFrame:
    """Return the frame with expected_spend, computed in its engine."""

    def expected(x: Array, mean: Array) -> Array:
        return fit.model.expected_spend(fit.params, x, np.where((x > 0) & (mean > 0), mean, 0.0))

    if isinstance(frame, nw.DataFrame) and not fit.effects:  # arrays are quicker than columns
        return with_arrays(frame, {"expected_spend": in_parts(expected, *to_arrays(frame, SPEND).values())})
    frequency, spend = nw.col("frequency").cast(nw.Float64), nw.col("monetary_value").cast(nw.Float64)
    known = nw.when((frequency > 0) & (spend > 0)).then(spend).otherwise(nw.lit(0.0))
    ready, params = frame.with_columns(_crm_spend=known), fit.params
    if fit.effects:
        (process,) = fit.model.processes
        ready = with_spend_score(fit, ready)
        follows = getattr(params, process.parameter) * (process.power * nw.col(SCORE)).exp()
        params = params._replace(**{process.parameter: follows})  # type: ignore[attr-defined]  # a NamedTuple
    spend_to_come = fit.model.expected_spend(params, frequency, nw.col("_crm_spend"))
    return ready.with_columns(expected_spend=spend_to_come).select(*column_names(frame), "expected_spend")
