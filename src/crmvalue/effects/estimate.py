"""An estimate: a number, how far off it may be, and of how many units it speaks.

Every method of this folder ends in one, and `incremental_profit` starts from one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from crmvalue._core.checks import require_number
from crmvalue._core.distributions import t_tail, t_tail_quantile
from crmvalue._core.plain import as_dict, plain
from crmvalue._core.show import result_html, result_text
from crmvalue.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """A number with its interval; a total is the number times `units`."""

    value: float  # in the unit of the outcome; a relative one as a share, 0.05 for 5 %
    std_error: float  # of `value`
    lower: float  # lower end of the interval
    upper: float  # upper end of the interval
    p_value: float  # two-sided, of no effect; of a family of comparisons corrected for their number
    df: float  # degrees of freedom of the t distribution behind the interval; inf is the normal
    confidence: float  # of the interval, 0.95 for 95 %
    units: float  # how many units the value holds for
    per: str  # what one unit is, such as "treated customer"

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def total(self) -> float:
        """Value times units."""
        return self.value * self.units

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, and the total."""
        return {**as_dict(self), "total": plain(self.total)}


class HasEffect(Protocol):
    """What `incremental_profit` takes: a result with one effect, and what must hold for it to be true."""

    @property
    def effect(self) -> Estimate:
        """The effect."""
        ...

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What must hold."""
        ...


def estimate(
    value: float,
    std_error: float,
    *,
    df: float,
    confidence: float,
    units: float,
    per: str,
    critical: float | None = None,
    p_value: float | None = None,
) -> Estimate:
    """Return an estimate with its t interval; of a family of comparisons with the critical value and p value given."""
    if critical is None:
        critical = t_tail_quantile((1 - confidence) / 2, df)
    if p_value is None:
        p_value = 2 * t_tail(abs(value) / std_error, df) if std_error > 0 else math.nan
    reach = critical * std_error
    return Estimate(
        value=float(value),
        std_error=float(std_error),
        lower=float(value - reach),
        upper=float(value + reach),
        p_value=float(min(p_value, 1.0)),
        df=float(df),
        confidence=confidence,
        units=float(units),
        per=per,
    )


def missing_estimate(*, confidence: float, per: str) -> Estimate:
    """Return an estimate that could not be made: every number of it is NaN."""
    nan = math.nan
    return Estimate(
        value=nan, std_error=nan, lower=nan, upper=nan, p_value=nan, df=nan, confidence=confidence, units=0.0, per=per
    )


def read_effect(effect: HasEffect | Estimate, argument: str = "effect") -> Estimate:
    """Return the estimate of a result, or raise InputError if there is none or it could not be made."""
    found = effect if isinstance(effect, Estimate) else getattr(effect, "effect", None)
    if not isinstance(found, Estimate):
        raise InputError(f"{argument}: got {type(effect).__name__}. Pass a result that has an effect, or an Estimate.")
    if not math.isfinite(found.value) or not math.isfinite(found.std_error):
        raise InputError(f"{argument}: it could not be estimated (it is NaN). See the notes of its result.")
    return found


def require_confidence(value: float) -> float:
    """Return the confidence as a share above 0 and below 1, or raise InputError."""
    confidence = require_number("confidence", value, above=0)
    if confidence >= 1:
        raise InputError(f"confidence: got {value!r}. Pass a share below 1, 0.95 for 95 %.")
    return confidence
