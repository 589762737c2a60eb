"""How long customers stay: Kaplan-Meier curves, also of customers who were there before the data begin [1]_.

.. [1] Kaplan & Meier (1958) "Nonparametric estimation from incomplete observations", JASA 53(282).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.frames import AnyFrame, count_rows, distinct_rows, like, open_frame, to_arrays
from crmvalue._core.intervals import LEVEL
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Frame
from crmvalue.errors import InputError
from crmvalue.retention.groups import codes_of, require_few, require_groups
from crmvalue.retention.product_limit import (
    Lifetimes,
    LogRank,
    Survival,
    emptied_at,
    log_rank,
    median_life,
    risk_sets,
    survival,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetentionCurve:
    """Share of customers who stay beyond each age.

    Columns of `frame`, one row a group and an age at which somebody left, in the engine of the input: the group (if
    there is one); time; at_risk (customers under observation just before); left; retained (share that stays beyond);
    standard_error (Greenwood); lower and upper (interval on the scale log(-log)). A group in which nobody has left
    yet has one row, at the last age that it was followed to, with left 0, retained 1 and no interval. Columns of
    `groups`, one row a group: the group; n; left; median (age by which half have left), median_lower, median_upper:
    missing where the curve does not come down to half; emptied_at: the age at which all under observation had left
    while others came later, missing if that never was; beyond it the curve says nothing (pass `from_age`);
    followed_to: the last age at which anybody was under observation.
    """

    frame: Frame
    groups: Frame
    by: str | None  # column of the groups
    level: float  # of the intervals
    from_age: float  # the curve is of customers who reached this age
    n: int  # customers in the curve
    n_left: int  # of these, seen to leave
    n_never_seen: int  # left out: not under observation at any age after `from_age`
    log_rank: LogRank | None  # test of the groups; None with one group, or when nobody left

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def retained_at(self, ages: ArrayLike) -> Frame:
        """Return the share that stays beyond each age, of each group, with its interval.

        Parameters
        ----------
        ages : array_like
            Ages in the unit of the curve, at least 0.

        Returns
        -------
        frame
            One row a group and an age, in the engine of the curve: the group (if there is one); age; retained; lower;
            upper. Missing beyond the last age that a group was followed to, and beyond `emptied_at`; the interval also
            where nobody has left yet.

        Raises
        ------
        InputError
            If an age is missing or negative.

        Examples
        --------
        >>> import pandas as pd
        >>> lives = pd.DataFrame({"duration": [1.0, 2.0, 3.0, 4.0], "has_left": [True, False, True, False]})
        >>> retention_curve(lives).retained_at([0, 2, 9])[["age", "retained"]]
           age  retained
        0  0.0      1.00
        1  2.0      0.75
        2  9.0       NaN
        """
        wanted = np.atleast_1d(np.asarray(ages, dtype=float))
        require_rows((wanted >= 0).ravel(), "ages", "missing or negative", "Pass ages of 0 or more.")
        keys, shares = [self.by] if self.by else [], ["retained", "lower", "upper"]
        frame = open_frame(self.frame)
        rows = to_arrays(frame, [*keys, "time", *shares])
        groups = to_arrays(open_frame(self.groups), [*keys, "emptied_at", "followed_to"])
        names = groups[keys[0]] if keys else np.array([None], dtype=object)
        ends = np.fmin(groups["emptied_at"], groups["followed_to"]).astype(float)
        parts = []
        for name, end in zip(names, ends, strict=True):
            chosen = rows[keys[0]] == name if keys else np.ones(len(rows["time"]), dtype=bool)
            order = np.argsort(rows["time"][chosen])
            at = np.searchsorted(rows["time"][chosen][order], wanted, side="right")
            before = {"retained": 1.0, "lower": np.nan, "upper": np.nan}  # anybody has left
            found = {share: np.append(before[share], rows[share][chosen][order])[at] for share in shares}
            parts.append({share: np.where(wanted <= end, values, np.nan) for share, values in found.items()})
        table: dict[str, AnyArray] = {self.by: names.repeat(len(wanted))} if self.by else {}
        table["age"] = np.tile(wanted, len(names))
        return like(table | {share: np.concatenate([part[share] for part in parts]) for share in shares}, frame)


def retention_curve(
    lifetimes: Frame,
    *,
    duration: str = "duration",
    has_left: str = "has_left",
    entry: str | None = None,
    by: str | None = None,
    from_age: float = 0.0,
    level: float = LEVEL,
) -> RetentionCurve:
    r"""Share of customers who stay beyond each age, from lifetimes of which many have not ended.

    Parameters
    ----------
    lifetimes : frame of any engine
        One row a customer, for example from `contract_lifetimes`.
    duration : str
        Column of the age, in any unit, at which she left or was last known to be a customer; at least 0.
    has_left : str
        Column of whether she left then (true or 1) or was still there (false or 0).
    entry : str, optional
        Column of the age at which observation of her began; 0 for those observed from their beginning. Needed when
        the data begin later than some customers: those who left before that are not in the data.
    by : str, optional
        Column of groups, each with a curve of its own, and tested against each other.
    from_age : float
        Follow only those who reached this age; ages are still counted from the beginning.
    level : float
        Of the intervals, above 0 and below 1.

    Returns
    -------
    RetentionCurve
        Curve, medians, and the log-rank test if there are groups.

    Raises
    ------
    InputError
        If a value is missing or negative, an entry comes after the exit, or no customer is ever under observation.

    Notes
    -----
    With :math:`n_i` customers under observation just before age :math:`t_i` (entered before, not yet gone) and
    :math:`d_i` who leave,

    .. math::
        \hat S(t) = \prod_{t_i \le t} \Bigl(1 - \frac{d_i}{n_i}\Bigr), \qquad
        \widehat{\mathrm{var}}\,\hat S(t) = \hat S(t)^2 \sum_{t_i \le t} \frac{d_i}{n_i (n_i - d_i)}

    Somebody who enters at an age is under observation after it, as in R's survival and in statsmodels. Without entry
    times, customers who were there when the data begin count as if all their like had been seen: the curve is then
    too high, since those who left early are missing. The median is the first age at which the curve is at most one
    half, its interval the ages at which the band is.

    References
    ----------
    Kaplan & Meier (1958), https://doi.org/10.1080/01621459.1958.10501452

    Greenwood (1926) "The natural duration of cancer", Reports on Public Health and Medical Subjects 33.

    Tsai, Jewell & Wang (1987) "A note on the product-limit estimator under right censoring and left truncation",
    Biometrika 74(4), https://doi.org/10.1093/biomet/74.4.883

    Examples
    --------
    Four customers: one leaves at 1, one at 3, two are still there at 2 and 4. After 1, three of four stay; at 3, one
    of the two still followed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"duration": [1.0, 2.0, 3.0, 4.0], "has_left": [True, False, True, False]})
    >>> curve = retention_curve(frame)
    >>> curve.frame[["time", "at_risk", "left", "retained"]]
       time  at_risk  left  retained
    0   1.0        4     1     0.750
    1   3.0        2     1     0.375
    >>> curve.groups["median"].tolist()
    [3.0]
    """
    require_number("from_age", from_age, at_least=0)
    if not 0 < require_number("level", level) < 1:
        raise InputError(f"level: got {level!r}. Pass a number above 0 and below 1, such as 0.95.")
    frame = open_frame(lifetimes, argument="lifetimes", needs=[duration, has_left, *([entry] if entry else [])])
    rows = read_lifetimes(frame, duration, has_left, entry, by)
    n_all = int(rows.count.sum())
    rows = rows.after(from_age)
    n = int(rows.count.sum())
    if n == 0:
        raise InputError(f"lifetimes: none of {n_all:,} customers is under observation after age {from_age:g}.")
    parts = [rows.of(number) for number in range(len(rows.names))]
    curves = [survival(part) for part in parts]
    tested = log_rank(parts) if len(parts) > 1 and (rows.left & (rows.count > 0)).any() else None
    return RetentionCurve(
        frame=like(
            curve_table([with_last_age(*each) for each in zip(curves, parts, strict=True)], rows.names, by, level),
            frame,
        ),
        groups=like(group_table(curves, parts, by, level), frame),
        by=by,
        level=level,
        from_age=float(from_age),
        n=n,
        n_left=int(rows.count[rows.left].sum()),
        n_never_seen=n_all - n,
        log_rank=tested,
    )


def read_lifetimes(frame: AnyFrame, duration: str, has_left: str, entry: str | None, by: str | None) -> Lifetimes:
    """Return the distinct lifetimes of a frame, counted in its engine, once each is possible."""
    kinds = frame.collect_schema()
    if not (kinds[has_left].is_numeric() or kinds[has_left] == nw.Boolean):
        raise InputError(f"has_left: column {has_left!r} holds {kinds[has_left]}. Make it true or false, or 1 or 0.")
    for name in (duration, *([entry] if entry else [])):
        if not kinds[name].is_numeric():
            raise InputError(f"{name}: the column holds {kinds[name]}, not numbers. Convert it to numbers first.")
    if by is not None:
        require_groups(frame, by)
    begun = nw.col(entry).cast(nw.Float64) if entry else nw.lit(0.0)
    keys = ["_crm_duration", "_crm_left", "_crm_entry", *([by] if by else [])]
    number = {"_crm_duration": nw.col(duration).cast(nw.Float64), "_crm_left": nw.col(has_left).cast(nw.Float64)}
    rows, count = distinct_rows(frame.with_columns(**number, _crm_entry=begun), keys)
    if not len(count):
        raise InputError("lifetimes: the frame has no rows. Pass at least one customer.")
    time, left, start = (np.asarray(rows[name], dtype=float) for name in keys[:3])
    n = count_rows(frame)
    entry = entry or "entry"
    for name, bad, problem, remedy in (
        (duration, ~np.isfinite(time), "missing or infinite", "Fill or drop these customers."),
        (duration, time < 0, "negative", "An age begins at 0."),
        (has_left, ~np.isin(left, (0.0, 1.0)), "neither true nor false", "Make it true or false, or 1 or 0."),
        (entry, ~np.isfinite(start), "missing or infinite", "Write 0 for who was observed from the beginning."),
        (entry, start < 0, "negative", "An age begins at 0."),
        (entry, start > time, f"after the exit ({duration})", "Observation of a customer begins before it ends."),
    ):
        if bad.any():
            raise InputError(f"{name}: {problem} in {int(count[bad].sum()):,} of {n:,} rows. {remedy}")
    names, group = codes_of(rows[by]) if by else (np.array([None], dtype=object), np.zeros(len(count), dtype=np.int64))
    if by is not None:
        require_few(by, len(names))
    # observed from the beginning: at risk also at age 0
    begun_at = np.where(start > 0, start, -np.inf)
    return Lifetimes(names=names, group=group, duration=time, left=left == 1, entry=begun_at, count=count)


def with_last_age(curve: Survival, rows: Lifetimes) -> Survival:
    """Return the curve; of a group in which nobody has left, the row of the last age that it was followed to."""
    if len(curve.time) or not len(rows.duration):
        return curve
    time = rows.duration.max(keepdims=True)
    at_risk, left = risk_sets(rows, time)
    return Survival(time=time, at_risk=at_risk, left=left, retained=np.ones(1), variance=np.zeros(1))


def curve_table(curves: list[Survival], names: AnyArray, by: str | None, level: float) -> dict[str, AnyArray]:
    """Columns of the curves, one group after the other."""
    bands = [curve.interval(level) for curve in curves]
    table: dict[str, AnyArray] = {by: names.repeat([len(curve.time) for curve in curves])} if by else {}
    return table | {
        "time": np.concatenate([curve.time for curve in curves]),
        "at_risk": np.concatenate([curve.at_risk for curve in curves]),
        "left": np.concatenate([curve.left for curve in curves]),
        "retained": np.concatenate([curve.retained for curve in curves]),
        "standard_error": np.concatenate([curve.standard_error for curve in curves]),
        "lower": np.concatenate([lower for lower, _ in bands]),
        "upper": np.concatenate([upper for _, upper in bands]),
    }


def group_table(curves: list[Survival], parts: list[Lifetimes], by: str | None, level: float) -> dict[str, AnyArray]:
    """Columns of what each curve says in one row."""
    medians = np.array([median_life(curve, level) for curve in curves]).T
    table: dict[str, Any] = {by: np.concatenate([part.names for part in parts])} if by else {}
    return table | {
        "n": np.array([part.count.sum() for part in parts], dtype=np.int64),
        "left": np.array([curve.left.sum() for curve in curves], dtype=np.int64),
        "median": medians[0],
        "median_lower": medians[1],
        "median_upper": medians[2],
        "emptied_at": np.array([emptied_at(curve, part) for curve, part in zip(curves, parts, strict=True)]),
        "followed_to": np.array([part.duration.max() if len(part.duration) else np.nan for part in parts], dtype=float),
    }
