"""Forecasts of a holdout period, judged customer by customer by what came, next to naive ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crmvalue._core import frames
from crmvalue._core.types import Array, Frame
from crmvalue.data.holdout import HoldoutSplit
from crmvalue.errors import InputError
from crmvalue.models.covariates import columns_of_effects
from crmvalue.models.distinct import distinct_histories
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import PURCHASES, checked_purchases, to_numbers
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.own_params import read_with_all_params

LEAST_CHANCE = 1e-300  # the score of an outcome that a model held for impossible stays finite
NAIVE = ("same_rate", "mean_rate")  # everyone goes on at her own rate so far; everyone buys at the common rate
CAME = "holdout_purchases"


class Forecast(NamedTuple):
    """How far a forecast was from what came."""

    mae: float  # mean absolute error, purchases a customer
    rmse: float  # root mean square error, purchases a customer
    bias: float  # forecast total over actual total, less 1
    log_score: float  # mean log probability of what came; NaN for naive forecasts, which give none
    log_score_error: float  # standard error of what it is below the highest log score; NaN for these too
    calibration: float  # slope of what came on what was forecast; 1 is right
    active: float  # share of customers who were expected to buy; NaN for naive forecasts
    actual_active: float  # share who did


class Outcomes(NamedTuple):
    """Customers of the calibration period; each row stands for some who are alike."""

    frequency: Array
    recency: Array
    T: Array
    came: Array  # purchases in the holdout period
    counts: Array  # customers
    params: list[Parameters]  # of each fit


def judged_forecasts(
    fits: Sequence[PurchaseFit], split: HoldoutSplit, covariates: Frame | None
) -> tuple[Forecast, ...]:
    """Return a forecast for each fit, then the naive ones."""
    rows = read_outcomes(fits, split, covariates)
    n = float(rows.counts.sum())
    share = rows.counts / n
    histories = rows.frequency, rows.recency, rows.T
    chances = [log_chances(fit.model, own, split.duration, rows) for fit, own in zip(fits, rows.params, strict=True)]
    scores = [float(share @ chance) for chance in chances]
    highest = int(np.argmax(scores))
    found = []
    for fit, own, chance, score in zip(fits, rows.params, chances, scores, strict=True):
        expected = fit.model.conditional_expected_purchases(own, split.duration, *histories)
        behind = chances[highest] - chance
        error = float(np.sqrt(share @ (behind - share @ behind) ** 2 / n))
        active = float(share @ chance_of_some(fit.model, own, split.duration, histories))
        found.append(judged(expected, rows.came, share, score, error, active))
    same = split.duration * rows.frequency / np.maximum(rows.T, 1e-300) * (rows.T > 0)
    common = split.duration * float(share @ rows.frequency) / max(float(share @ rows.T), 1e-300)
    naive = (judged(forecast, rows.came, share) for forecast in (same, np.full(len(share), common)))
    return (*found, *naive)


def log_chances(model: PurchaseModel, params: Parameters, duration: float, rows: Outcomes) -> Array:
    """Return the logarithm of the chance of what came: she is alive and buys so often, or has left and buys nothing."""
    histories = rows.frequency, rows.recency, rows.T
    alive = model.probability_alive(params, *histories)
    chance = alive * model.mass_if_alive(params, rows.came, duration, *histories)
    return np.asarray(np.log(np.maximum(chance + (1 - alive) * (rows.came == 0), LEAST_CHANCE)))


def chance_of_some(
    model: PurchaseModel, params: Parameters, duration: float, histories: tuple[Array, Array, Array]
) -> Array:
    """Return the chance of at least one purchase."""
    none = model.mass_if_alive(params, np.zeros(len(histories[0])), duration, *histories)
    return np.asarray(model.probability_alive(params, *histories) * (1 - none))


def judged(
    forecast: Array,
    came: Array,
    share: Array,
    log_score: float = np.nan,
    log_score_error: float = np.nan,
    active: float = np.nan,
) -> Forecast:
    """Return how far the expected purchases were from those that came; `share` are the weights of the rows."""
    total, spread = float(share @ came), forecast - share @ forecast
    size = float(share @ spread**2)
    return Forecast(
        mae=float(share @ np.abs(forecast - came)),
        rmse=float(np.sqrt(share @ (forecast - came) ** 2)),
        bias=float(share @ forecast) / total - 1 if total else np.nan,
        log_score=log_score,
        log_score_error=log_score_error,
        calibration=float(share @ (spread * came)) / size if size > 1e-24 else np.nan,
        active=active,
        actual_active=float(share @ (came > 0)),
    )


def read_outcomes(fits: Sequence[PurchaseFit], split: HoldoutSplit, covariates: Frame | None) -> Outcomes:
    """Return the customers of the calibration period, those who are alike together."""
    acting = dict.fromkeys(column for fit in fits for column in columns_of_effects(fit.effects))
    frame = customers_and_outcomes(split, [] if covariates is not None else list(acting))
    found, params, counts = read_with_all_params(fits, frame, (*PURCHASES, CAME), covariates)
    histories = checked_purchases(frame, found[:3], is_discrete=fits[0].model.is_discrete)
    columns = [*histories, to_numbers(CAME, found[3])]
    differ = [np.asarray(value) for own in params for value in own if np.ndim(value)]
    if counts.max() == 1:
        rows, counts = distinct_histories([*columns, *differ])
        columns, theirs = rows[:4], iter(rows[4:])
        params = [type(own)(*(next(theirs) if np.ndim(value) else value for value in own)) for own in params]  # type: ignore[arg-type]  # a NamedTuple
    return Outcomes(columns[0], columns[1], columns[2], columns[3], counts.astype(float), params)


def customers_and_outcomes(split: HoldoutSplit, columns: Sequence[str] = ()) -> frames.AnyFrame:
    """Return customer_id, frequency, recency, T and more columns of the calibration period, and holdout_purchases."""
    known = frames.open_frame(split.calibration.frame).select(*dict.fromkeys(["customer_id", *PURCHASES, *columns]))
    came = frames.open_frame(split.holdout).select("customer_id", CAME)
    return frames.join(known, came, on="customer_id", how="inner")


def require_split(split: HoldoutSplit) -> None:
    """Raise InputError unless it is a calibration period with a holdout period."""
    if not isinstance(split, HoldoutSplit):
        raise InputError("split: not a HoldoutSplit. Pass what split_holdout returned.")
