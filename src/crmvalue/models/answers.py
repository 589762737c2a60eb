"""From customers to answers: histories are checked, and what a fit says of each comes back in the engine of the frame.

Horizons and counts, which all predictions take, are checked here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import AnyFrame, column_names, compute_columns, to_arrays, to_native
from crmvalue._core.types import DAYS_PER_UNIT, AnyArray, Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.covariates import (
    columns_of_effects,
    levels_by_column,
    params_with,
    processes_of,
    refuse_covariates,
    with_scores,
)
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.histories import (
    PURCHASES,
    checked_purchases,
    open_customers,
    require_unit_of_fit,
    shape_of,
    unit_to_fit,
)
from crmvalue.models.model import Parameters

MOST_YEARS = 100  # a longer horizon is a mistake in the unit
MOST_COUNTS = 1_000  # columns of a table of chances


def predicted(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    predict: Callable[..., Mapping[str, AnyArray]],
    *,
    keep: Sequence[str] = (),
    inputs: Sequence[str] = (),
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> AnyFrame:
    """Return customer_id (if there), the columns to keep, and what `predict` makes of each checked history.

    It takes parameters, frequency, recency, T and the columns `inputs`, numbers that were checked before.
    """

    def checked_first(*rows: AnyArray) -> Mapping[str, AnyArray]:
        frequency, recency, T = checked_purchases(frame, rows[:3], is_discrete=fit.model.is_discrete)
        more, own = rows[3 : 3 + len(inputs)], rows[3 + len(inputs) :]
        params = params_with(fit.model, fit.params, checked_scores(fit, frame, own)) if scores else fit.params
        if factor != 1:
            recency, T = recency * factor, T * factor
        return predict(params, frequency, recency, T, *more)

    factor = units_of_fit(customers, fit, time_unit)
    frame = open_customers(customers, PURCHASES)
    ids, scores = kept_ids(frame), list[str]()
    if fit.effects:
        frame, scores = with_scores(frame, fit.effects, covariates)
    return compute_columns(frame, (*PURCHASES, *inputs, *scores), checked_first, keep=(*ids, *keep))


def checked_scores(fit: PurchaseFit | SpendFit, frame: AnyFrame, values: Sequence[AnyArray]) -> dict[str, Array]:
    """Return the logarithmic factor of each customer on each process, or raise InputError about those who have none."""
    found = [np.asarray(column, dtype=float) for column in values]
    if not all(np.isfinite(column).all() for column in found):
        refuse_covariates(frame, columns_of_effects(fit.effects), levels_by_column(fit.effects))
    return dict(zip(processes_of(fit.effects), found, strict=True))


def units_of_fit(customers: CustomerSummary | Frame, fit: PurchaseFit, time_unit: TimeUnit | None) -> float:
    """Return how many time units of the fit one of these customers' is, or raise InputError."""
    require_unit_of_fit(customers, fit.time_unit)
    if time_unit is None or unit_to_fit(customers, time_unit) == fit.time_unit:
        return 1.0
    if fit.model.is_discrete:
        raise InputError(f"time_unit: {fit.model.title} counts opportunities, which cannot be converted. Leave it out.")
    return DAYS_PER_UNIT[time_unit] / DAYS_PER_UNIT[fit.time_unit]


def answer_to(customers: CustomerSummary | Frame, frame: AnyFrame) -> Frame:
    """Return a frame in the engine of the customers; for a mapping, a mapping of arrays of its shape."""
    if not isinstance(customers, Mapping):
        return to_native(frame)
    arrays = to_arrays(frame, column_names(frame))
    return {name: values.reshape(shape_of(customers)) for name, values in arrays.items()}


def kept_ids(frame: AnyFrame) -> list[str]:
    """Return the column that names customers, if the frame has it."""
    return [name for name in column_names(frame) if name == "customer_id"]


def params_of_kinds(fit: PurchaseFit, covariates: Frame | None, axes: int) -> Parameters:
    """Return the parameters of each kind of customer, with so many axes of length 1 after the last."""
    if not fit.effects:
        return fit.params
    frame = open_customers({} if covariates is None else covariates, (), argument="covariates")
    frame, names = with_scores(frame, fit.effects, None)
    scores = checked_scores(fit, frame, list(to_arrays(frame, names).values()))
    shape = (*shape_of(covariates), *(1,) * axes) if isinstance(covariates, Mapping) else (-1, *(1,) * axes)
    return params_with(fit.model, fit.params, {name: score.reshape(shape) for name, score in scores.items()})


def require_horizon(fit: PurchaseFit, horizon: float) -> float:
    """Return a length of time after T, or raise InputError; one of more than a lifetime is in another unit."""
    horizon = require_time(fit, "horizon", require_number("horizon", horizon, above=0))
    years = horizon * DAYS_PER_UNIT[fit.time_unit] / DAYS_PER_UNIT["year"]
    if years > MOST_YEARS:
        raise InputError(
            f"horizon: got {horizon:g}, which is {years:,.0f} years, for the fit is in {fit.time_unit}s. Pass it in "
            f"{fit.time_unit}s, at most {MOST_YEARS} years of them."
        )
    return horizon


def require_time(fit: PurchaseFit, argument: str, value: float) -> float:
    """Return a time, or raise InputError if the model counts opportunities and this is no whole number of them."""
    if fit.model.is_discrete and np.isfinite(value) and value != np.floor(value):
        raise InputError(f"{argument}: got {value}. {fit.model.title} counts opportunities: pass a whole number.")
    return value


def require_counts(counts: Iterable[int]) -> list[int]:
    """Return numbers of purchases, or raise InputError."""
    try:
        given = list(counts)
    except TypeError:
        given = []
    whole = all(isinstance(count, (int, np.integer)) and not isinstance(count, bool) and count >= 0 for count in given)
    if not given or not whole or len(set(given)) < len(given) or len(given) > MOST_COUNTS:
        raise InputError(
            f"counts: got {str(counts)[:60]}. Pass whole numbers of purchases, 0 or more, each once and at most "
            f"{MOST_COUNTS:,} of them, such as range(5)."
        )
    return [int(count) for count in given]
