"""How long customers stay, from arrays: product-limit estimate with late entry, Greenwood variance, log-rank test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core.distributions import chi_squared_tail
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import AnyArray, Array, BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lifetimes:
    """Equal lifetimes counted together."""

    names: AnyArray  # names of the groups, shape (g,); one without a name if there are none
    group: IntArray  # number of the group, shape (k,)
    duration: Array  # age at the end of observation, shape (k,)
    left: BoolArray  # whether that is when she left, shape (k,)
    entry: Array  # age at which observation began; minus infinity for the beginning, shape (k,)
    count: IntArray  # customers, shape (k,)

    def where(self, chosen: BoolArray, names: AnyArray | None = None) -> Lifetimes:
        """Return the chosen rows."""
        return Lifetimes(
            names=self.names if names is None else names,
            group=self.group[chosen],
            duration=self.duration[chosen],
            left=self.left[chosen],
            entry=self.entry[chosen],
            count=self.count[chosen],
        )

    def after(self, age: float) -> Lifetimes:
        """Return those under observation after an age; who is there at it is there from the beginning."""
        seen = (self.duration > self.entry) & ((self.duration > age) | (age == 0))
        kept = self.where(seen)
        begun = np.where(kept.entry <= age, -np.inf, kept.entry)
        return Lifetimes(
            names=kept.names, group=kept.group, duration=kept.duration, left=kept.left, entry=begun, count=kept.count
        )

    def of(self, number: int) -> Lifetimes:
        """Return the rows of one group."""
        return self.where(self.group == number, self.names[number : number + 1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survival:
    """A survival function: what happened at each time at which somebody left."""

    time: Array  # times at which somebody left, ascending, shape (k,)
    at_risk: IntArray  # customers under observation just before, shape (k,)
    left: IntArray  # of these, left at that time, shape (k,)
    retained: Array  # share that stays beyond, shape (k,)
    variance: Array  # Greenwood's sum of left / (at_risk (at_risk - left)), shape (k,)

    @property
    def standard_error(self) -> Array:
        """Greenwood's standard error of `retained`; missing once nobody is left."""
        known = self.retained > 0
        return np.where(known, self.retained * np.sqrt(np.where(known, self.variance, 0.0)), np.nan)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Interval of `retained` on the scale log(-log), which stays within 0 and 1; missing at 0 and at 1."""
        z = normal_quantile(0.5 + level / 2)
        known = (self.retained > 0) & (self.retained < 1)
        log = np.log(np.where(known, self.retained, 0.5))
        width = z * np.sqrt(np.where(known, self.variance, 0.0)) / -log
        lower, upper = np.exp(log * np.exp(width)), np.exp(log * np.exp(-width))
        return np.where(known, lower, np.nan), np.where(known, upper, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogRank:
    """Test that all groups leave alike."""

    statistic: float  # chi-squared
    degrees_of_freedom: int  # groups less one
    p_value: float  # chance of a statistic at least as large if all groups leave alike

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def survival(rows: Lifetimes) -> Survival:
    """Kaplan-Meier estimate with late entry."""
    time = np.unique(rows.duration[rows.left])
    at_risk, left = risk_sets(rows, time)
    stay = at_risk - left
    retained = np.asarray(np.cumprod(stay / at_risk), dtype=float)
    added = np.where(stay > 0, left / (at_risk * np.maximum(stay, 1.0)), np.inf)
    return Survival(time=time, at_risk=at_risk, left=left, retained=retained, variance=np.cumsum(added))


def risk_sets(rows: Lifetimes, time: Array) -> tuple[IntArray, IntArray]:
    """Count the customers under observation just before each time, and those who leave at it."""

    def before(values: Array) -> IntArray:
        order = np.argsort(values)
        total = np.concatenate([[0], np.cumsum(rows.count[order])])
        found: IntArray = total[np.searchsorted(values[order], time, side="left")]
        return found

    at = np.searchsorted(time, rows.duration[rows.left])
    inside = at < len(time)
    left = np.bincount(at[inside], rows.count[rows.left][inside], minlength=len(time)).astype(np.int64)
    return before(rows.entry) - before(rows.duration), left


def log_rank(groups: list[Lifetimes]) -> LogRank | None:
    """Compare the departures of each group with those expected if all left alike (Mantel 1966; any entry times)."""
    time = np.unique(np.concatenate([rows.duration[rows.left] for rows in groups]))
    sets = [risk_sets(rows, time) for rows in groups]
    at_risk = np.array([found for found, _ in sets], dtype=float)
    left = np.array([found for _, found in sets], dtype=float)
    n, d = at_risk.sum(axis=0), left.sum(axis=0)
    share = at_risk / n
    excess = (left - share * d).sum(axis=1)[:-1]
    weight = d * (n - d) / np.maximum(n - 1, 1)
    covariance = (np.diag((weight * share).sum(axis=1)) - (weight * share) @ share.T)[:-1, :-1]
    if not np.any(covariance):
        return None
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    freedom = len(groups) - 1
    return LogRank(statistic=statistic, degrees_of_freedom=freedom, p_value=chi_squared_tail(statistic, freedom))


def median_life(curve: Survival, level: float) -> tuple[float, float, float]:
    """Age by which half have left, and its interval (Brookmeyer & Crowley 1982); missing where it is not reached."""
    lower, upper = curve.interval(level)
    return first_half(curve.time, curve.retained), first_half(curve.time, lower), first_half(curve.time, upper)


def first_half(time: Array, share: Array) -> float:
    """Return the first time at which a share is at most one half."""
    below = np.flatnonzero(
        share <= 0.5 + 1e-12
    )  # a product of shares such as 3/4 · 2/3 may miss one half by a rounding
    return float(time[below[0]]) if len(below) else float("nan")


def emptied_at(curve: Survival, rows: Lifetimes) -> float:
    """Age at which all under observation had left while others came later; NaN if that never was."""
    gone = np.flatnonzero(curve.retained == 0)
    if not len(gone):
        return float("nan")
    age = float(curve.time[gone[0]])
    return age if (rows.duration > age).any() else float("nan")
