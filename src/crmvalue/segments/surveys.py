"""Scores of a survey: checked against their scale, weighted, and their means by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import AnyFrame, collect, count_rows, count_true, series_to_array
from crmvalue._core.intervals import LEVEL
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import AnyArray, IntArray
from crmvalue.errors import InputError


def shares_of_weight(columns: Mapping[str, float] | Sequence[str], argument: str) -> tuple[tuple[str, float], ...]:
    """Return the columns with their shares of the weight."""
    given = {columns: 1.0} if isinstance(columns, str) else columns
    weights = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
    for name, weight in weights.items():
        require_number(f"{argument}: weight of {name}", weight, at_least=0)
    total = sum(weights.values())
    if not total > 0:
        raise InputError(f"{argument}: no column has a weight above 0. Name at least one.")
    return tuple((name, weight / total) for name, weight in weights.items())


def is_known(name: str) -> nw.Expr:
    """Whether a score is there."""
    number = nw.col(name).cast(nw.Float64)
    return ~number.is_null() & ~number.is_nan().fill_null(True)


def weighted(columns: tuple[tuple[str, float], ...]) -> nw.Expr:
    """Weighted mean of the columns; exactly their score where all score alike and weigh alike."""
    largest = max(share for _, share in columns)
    weights = {name: share / largest for name, share in columns}
    total: nw.Expr = nw.lit(0.0)
    for name, weight in weights.items():
        total = total + nw.col(name).cast(nw.Float64) * weight
    return total / sum(weights.values())


def require_scores(frame: AnyFrame, names: Sequence[str], scale: tuple[float, float]) -> int:
    """Raise InputError unless all scores are numbers within the scale; return the number of answers."""
    low, high = (require_number("scale", end) for end in scale)
    if not low < high:
        raise InputError(f"scale: got {scale}. Pass the lowest and the highest score.")
    kinds = frame.collect_schema()
    n = count_rows(frame)
    if n == 0:
        raise InputError("answers: the frame has no rows. Pass at least one answer.")
    for name in names:
        if not kinds[name].is_numeric():
            raise InputError(f"{name}: column holds {kinds[name]}, not numbers. Convert it to numbers first.")
    scores = {name: nw.col(name).cast(nw.Float64) for name in names}
    outside = {name: is_known(name) & ((score < low) | (score > high)) for name, score in scores.items()}
    for name, k in count_true(frame, outside).items():
        if k:
            raise InputError(
                f"{name}: outside the scale {low:g} to {high:g} in {k:,} of {n:,} rows. Mend them, or pass scale=."
            )
    return n


def group_means(known: AnyFrame, by: str | None) -> dict[str, AnyArray]:
    """Columns of the means of each group, with an interval."""
    key = by or "_crm_all"
    rows = known if by else known.with_columns(_crm_all=nw.lit(1))
    value = nw.col("delivered")
    center = rows.with_columns(_crm_mean=value.mean().over(key)).with_columns(
        _crm_square=(value - nw.col("_crm_mean")) * (value - nw.col("_crm_mean"))
    )
    means = [nw.col(name).mean() for name in ("benefit", "burden", "delivered")]
    found = collect(center.group_by(key).agg(*means, nw.col("_crm_square").sum(), _crm_n=nw.len()).sort(key))
    n: IntArray = series_to_array(found.get_column("_crm_n")).astype(np.int64)
    mean = series_to_array(found.get_column("delivered")).astype(float)
    square = series_to_array(found.get_column("_crm_square")).astype(float)
    error = np.where(n > 1, np.sqrt(square / np.maximum(n - 1, 1) / n), np.nan)
    z = normal_quantile(0.5 + LEVEL / 2)
    return {
        **({by: series_to_array(found.get_column(by))} if by else {}),
        "n": n,
        "benefit": series_to_array(found.get_column("benefit")).astype(float),
        "burden": series_to_array(found.get_column("burden")).astype(float),
        "delivered": mean,
        "standard_error": error,
        "lower": mean - z * error,
        "upper": mean + z * error,
    }
