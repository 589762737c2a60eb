"""Intervals from the likelihood itself: right also where it is no parabola, at the price of a look at the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.contracts_seen import read_contracts
from crmvalue.models.design import NOTHING, log_likelihood_of
from crmvalue.models.distinct import distinct_histories
from crmvalue.models.fit import Fit, SpendFit
from crmvalue.models.fit_retention import RetentionFit
from crmvalue.models.histories import (
    PURCHASES,
    checked_purchases,
    open_customers,
    read_histories,
    require_unit_of_fit,
)
from crmvalue.models.limits import climb_along
from crmvalue.models.spend_rows import read_spend

if TYPE_CHECKING:
    import pandas as pd

FARTHEST = 16.0  # log distance from the estimate at which an end is taken not to exist
BEYOND = FARTHEST + 1  # farthest that is tried
CLOSE = 1e-7  # to the height wanted, in standard deviations
MOST_STEPS = 60
STEEP = 1e-2  # gradient at a maximum of other data: there it is of the order of the root of their number


def likelihood_intervals(fit: Fit, data: CustomerSummary | Frame, *, level: float = 0.95) -> pd.DataFrame:
    """Return an interval for each parameter that holds all values under which the data are likely enough.

    Parameters
    ----------
    fit : PurchaseFit, SpendFit or RetentionFit
        Without covariates.
    data : CustomerSummary or frame
        What the fit was made from.
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    pandas.DataFrame
        Index parameter; estimate, lower, upper. An end is 0 or infinite where even that is likely enough; both are
        missing for a parameter that was held at its bound.

    Raises
    ------
    InputError
        If the fit has covariates, it was made from other data, or `level` is out of range.

    Notes
    -----
    For each value of a parameter the likelihood is maximised over the others; the interval holds the values for which
    twice its logarithm is below the maximum by no more than the quantile of chi-squared with one degree of freedom. The
    intervals of a fit, `confidence_interval`, follow this likelihood to its fourth derivative, and need no data. The
    two agree for many customers. Where they differ, believe these: an end that does not exist is 0 or infinite here.

    References
    ----------
    Venzon & Moolgavkar (1988) "A method for computing profile-likelihood-based confidence intervals", Applied
    Statistics 37(1), 87-94. https://doi.org/10.2307/2347496

    Examples
    --------
    20 of 400 customers leave at the first renewal, 19 of 380 at the second, 5 % each time:

    >>> import pandas as pd
    >>> from crmvalue.models.fit_retention import fit_retention
    >>> from crmvalue.models.geometric import GEOMETRIC
    >>> rows = pd.DataFrame({"period": [0, 1, 2], "survivors": [400, 380, 361]})
    >>> fit = fit_retention(rows, GEOMETRIC, time_unit="year")
    >>> likelihood_intervals(fit, rows).round(4)
               estimate   lower   upper
    parameter
    rate         0.0513  0.0368  0.0691
    """
    import pandas as pd

    level = require_number("level", level, above=0, at_most=1 - 1e-12)
    if not isinstance(fit, RetentionFit) and fit.effects:
        raise InputError("fit: it has covariates. Use fit.confidence_interval(), or pass a fit without them.")
    columns, counts = data_of(fit, data)
    evaluate = log_likelihood_of(fit.model, columns, counts, NOTHING)
    free = np.flatnonzero(np.isfinite(np.diag(fit.log_covariance)))
    point = np.log(fit.params)
    height = normal_quantile(0.5 + 0.5 * level)
    ends = np.full((len(point), 2), np.nan)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # steps too far are tried and taken back
        best = evaluate(point)
        if np.linalg.norm(best.gradient[free]) > STEEP:
            raise InputError("data: the fit is not the best one for these. Pass what it was made from.")
        for j in free:
            for side, sign in enumerate((-1.0, 1.0)):
                found = end_of(evaluate, point, free, int(j), sign, height, fit.log_covariance)
                ends[j, side] = np.exp(found)
    columns_ = {"estimate": fit.params, "lower": ends[:, 0], "upper": ends[:, 1]}
    return pd.DataFrame(columns_, index=pd.Index(fit.param_names, name="parameter"))


def data_of(fit: Fit, data: CustomerSummary | Frame) -> tuple[list[Array], IntArray]:
    """Return the columns that the likelihood takes, and how many customers each row stands for."""
    if isinstance(fit, RetentionFit):
        tenure, churned, counts = read_contracts(data)
        return [tenure, churned], counts
    if isinstance(fit, SpendFit):
        rows = read_spend(data)
        return [rows.frequency, rows.spend], rows.counts
    require_unit_of_fit(data, fit.time_unit)
    frame = open_customers(data, PURCHASES, argument="data")
    found, counts = read_histories(frame, PURCHASES)
    columns: list[Array] = list(checked_purchases(frame, found, is_discrete=fit.model.is_discrete))
    return distinct_histories(columns) if counts.max() == 1 else (columns, counts)


def end_of(
    evaluate: Callable[[Array], Derivatives],
    best: Array,
    free: IntArray,
    j: int,
    sign: float,
    height: float,
    covariance: Array,
) -> float:
    """Return the logarithm of parameter j, to one side, at which the best likelihood has fallen by height²/2.

    Newton steps on the signed root of the fall, which is almost linear; the slope of the best likelihood is its partial
    derivative.
    """
    top, others = float(evaluate(best).value), free[free != j]
    direction = np.where(np.isfinite(covariance[:, j]), covariance[:, j], 0.0) / np.sqrt(covariance[j, j])
    point = best + np.clip(sign * height * direction, -BEYOND, BEYOND)
    low, high = 0.0, np.inf  # log distances that are too near and too far
    for _ in range(MOST_STEPS):
        at = climb_along(evaluate, point, others).point if others.size else point
        found = evaluate(at)
        distance = sign * (at[j] - best[j])
        root = np.sqrt(max(2 * (top - float(found.value)), 0.0))
        if abs(root - height) < CLOSE:
            return float(at[j])
        low, high = (distance, high) if root < height else (low, distance)
        if low > FARTHEST:
            return sign * np.inf
        fall = -sign * float(found.gradient[j])
        step = (height - root) * root / fall if fall > 0 and np.isfinite(root) else np.nan
        wanted = distance + step
        if not low < wanted < high or not np.isfinite(wanted):
            wanted = 0.5 * (low + high) if np.isfinite(high) else 2 * distance
        point = best + np.clip(wanted / distance * (at - best), -BEYOND, BEYOND)
    return float(point[j])
