"""The limits between scores: plain numbers that can be kept as JSON and never move on their own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from crmvalue._core.types import Array
from crmvalue.errors import InputError

MEASURES = {"r_score": "days_since_last", "f_score": "purchases", "m_score": "total_spend"}
MOST_BINS = 100  # percentiles
FALLING = "days_since_last"  # the one measure of which less is better

Limits: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmThresholds:
    """The limits between the scores: plain numbers, which score other customers, or the same ones next month."""

    bins: int  # number of scores
    days_since_last: Limits  # most days that reach score 2, ..., bins; -inf where nobody reached it
    purchases: Limits  # fewest purchases that reach score 2, ..., bins; inf where nobody reached it
    total_spend: Limits  # least spend that reaches score 2, ..., bins; inf where nobody reached it
    further: tuple[tuple[str, Limits], ...] = ()  # further measures: name, and least value that reaches each score

    def to_dict(self) -> dict[str, Any]:
        """Return the limits in a form that JSON can hold: None for a score that nobody reached."""
        record = {"bins": self.bins, **{name: storable(getattr(self, name)) for name in MEASURES.values()}}
        return record | ({"further": {name: storable(limits) for name, limits in self.further}} if self.further else {})

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> RfmThresholds:
        """Return the limits that `to_dict` wrote.

        Raises
        ------
        InputError
            If an entry is missing, or the limits are not in order.
        """
        require_entries(record)
        limits = {name: restored(name, record[name]) for name in MEASURES.values()}
        further = tuple((name, restored(name, kept)) for name, kept in record.get("further", {}).items())
        thresholds = cls(bins=record["bins"], further=further, **limits)
        check_thresholds(thresholds)
        return thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedThresholds:
    """The limits of nested scores: purchases within each score of days, spend within each pair of scores."""

    bins: int  # number of scores
    days_since_last: Limits  # as in RfmThresholds
    purchases: tuple[Limits, ...]  # limits within r_score 1, ..., bins
    total_spend: tuple[Limits, ...]  # limits within the pairs (1, 1), (1, 2), ..., (bins, bins) of r_score and f_score
    further: tuple[tuple[str, Limits], ...] = ()  # further measures, not nested: name and limits

    def to_dict(self) -> dict[str, Any]:
        """Return the limits in a form that JSON can hold: None for a score that nobody reached."""
        record: dict[str, Any] = {"bins": self.bins, "days_since_last": storable(self.days_since_last)}
        for name in ("purchases", "total_spend"):
            record[name] = [storable(limits) for limits in getattr(self, name)]
        return record | ({"further": {name: storable(limits) for name, limits in self.further}} if self.further else {})

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> NestedThresholds:
        """Return the limits that `to_dict` wrote.

        Raises
        ------
        InputError
            If an entry is missing, or the limits are not in order.
        """
        require_entries(record)
        thresholds = cls(
            bins=record["bins"],
            days_since_last=restored(FALLING, record[FALLING]),
            purchases=tuple(restored("purchases", kept) for kept in record["purchases"]),
            total_spend=tuple(restored("total_spend", kept) for kept in record["total_spend"]),
            further=tuple((name, restored(name, kept)) for name, kept in record.get("further", {}).items()),
        )
        check_thresholds(thresholds)
        return thresholds


def require_entries(record: Mapping[str, Any]) -> None:
    """Raise InputError unless a stored record has all that thresholds need."""
    if not isinstance(record, Mapping):
        raise InputError(f"record: got {type(record).__name__}. Pass what to_dict returned.")
    missing = [name for name in ("bins", *MEASURES.values()) if name not in record]
    if missing:
        raise InputError(f"record: {', '.join(map(repr, missing))} missing. Pass what to_dict returned.")


def storable(limits: Limits) -> list[float | None]:
    """Return limits without infinities, which JSON does not know."""
    return [limit if math.isfinite(limit) else None for limit in limits]


def restored(name: str, limits: Sequence[Any]) -> Limits:
    """Return limits as they were before they were stored."""
    try:
        return tuple(unreached(name) if limit is None else float(limit) for limit in limits)
    except (TypeError, ValueError):
        raise InputError(f"thresholds.{name}: got {limits!r}. Pass a list of numbers.") from None


def unreached(name: str) -> float:
    """Limit of a score that nobody reached."""
    return -math.inf if name == FALLING else math.inf


def rising(name: str, limits: Limits) -> Limits:
    """Return limits in the form in which more is better."""
    return tuple(-limit for limit in limits) if name == FALLING else tuple(limits)


def limits_by_cell(thresholds: RfmThresholds | NestedThresholds, name: str) -> Array:
    """Limits of one measure, more being better, a row for each cell in which it is scored, shape (cells, bins - 1)."""
    further = dict(thresholds.further)
    if name in further:
        rows: tuple[Limits, ...] = (further[name],)
    elif isinstance(thresholds, NestedThresholds) and name != FALLING:
        rows = thresholds.purchases if name == "purchases" else thresholds.total_spend
    else:
        rows = (getattr(thresholds, name),)
    return np.array([rising(name, row) for row in rows], dtype=np.float64)


def check_bins(bins: Any) -> int:
    """Return the number of scores, or raise InputError."""
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or not 2 <= bins <= MOST_BINS:
        raise InputError(f"bins: got {bins!r}. Pass an integer from 2 to {MOST_BINS}.")
    return int(bins)


def check_thresholds(thresholds: RfmThresholds | NestedThresholds) -> None:
    """Raise InputError unless there is a limit for each score, in order, in each cell."""
    try:
        bins = check_bins(thresholds.bins)
    except InputError as error:
        raise InputError(f"thresholds.{error}") from None
    if isinstance(thresholds, NestedThresholds):
        cells = {FALLING: (thresholds.days_since_last,)} | {
            name: getattr(thresholds, name) for name in ("purchases", "total_spend")
        }
        wanted = {FALLING: 1, "purchases": bins, "total_spend": bins**2}
    else:
        cells = {name: (getattr(thresholds, name),) for name in MEASURES.values()}
        wanted = dict.fromkeys(cells, 1)
    for name, rows in cells.items():
        if len(rows) != wanted[name]:
            raise InputError(f"thresholds.{name}: got {len(rows)} rows of limits. Pass {wanted[name]}, one a cell.")
        for limits in rows:
            check_limits(name, limits, bins)
    for name, limits in thresholds.further:
        check_limits(name, limits, bins)


def check_limits(name: str, limits: Limits, bins: int) -> None:
    """Raise InputError unless there is one limit for each score from 2 on, in order."""
    values = rising(name, limits)
    in_order = all(low <= high for low, high in itertools.pairwise(values)) and not any(map(math.isnan, values))
    if len(values) != bins - 1 or not in_order or -math.inf in values:
        order = "falling" if name == FALLING else "rising"
        raise InputError(f"thresholds.{name}: got {limits}. Pass {bins - 1} {order} limits, one a score from 2 on.")


def fixed_thresholds(limits: Mapping[str, Sequence[float]], bins: int | None, also: Sequence[str]) -> RfmThresholds:
    """Return a user's own limits as thresholds; those of days may rise or fall, since fewer days are always better."""
    names = (*MEASURES.values(), *also)
    if not isinstance(limits, Mapping) or set(limits) != set(names):
        got = ", ".join(map(repr, limits)) if isinstance(limits, Mapping) else type(limits).__name__
        raise InputError(f"limits: got {got}. Pass a list of limits for each of {', '.join(map(repr, names))}.")
    given = {name: restored(name, limits[name]) for name in names}
    given[FALLING] = tuple(sorted(given[FALLING], reverse=True)) if is_ordered(given[FALLING]) else given[FALLING]
    number = len(given[FALLING]) + 1 if bins is None else check_bins(bins)
    thresholds = RfmThresholds(
        bins=number,
        days_since_last=given[FALLING],
        purchases=given["purchases"],
        total_spend=given["total_spend"],
        further=tuple((name, given[name]) for name in also),
    )
    check_thresholds(thresholds)
    return thresholds


def is_ordered(values: Limits) -> bool:
    """Whether numbers rise or fall throughout."""
    return list(values) in (sorted(values), sorted(values, reverse=True))
