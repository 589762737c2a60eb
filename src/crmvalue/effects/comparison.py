"""Before against after: the comparison that everyone asks for, and what else could explain it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_option
from crmvalue._core.columns import read_dates
from crmvalue._core.frames import AnyFrame
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Day, Frame
from crmvalue.effects.estimate import Estimate, estimate, missing_estimate, require_confidence
from crmvalue.effects.units import Moments, add_up, group_moments, read_number, require_present
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Measure: TypeAlias = Literal["total", "daily", "mean"]
MEASURES: tuple[Measure, ...] = ("total", "daily", "mean")
COUNTED: dict[Measure, str] = {"total": "window after", "daily": "day after", "mean": "row after"}
EVERYONE = "all"  # label of the row over all groups
ROUNDING = 1e-12  # relative error that is rounding, not variation
SAME_SEASON = 15  # days around a whole number of years that count as the same season
CAUTION = (
    "Not causal: this compares two times, not the same time with and without the spending. Season, a trend that was "
    "there before, prices, competitors, other campaigns, new customers, or a bad spell that would have ended anyway "
    "could explain the change just as well."
)
ASSUMPTIONS = (
    CAUTION,
    "Read as an effect it would need that nothing but the spending differed between the two windows.",
    "The interval allows for chance among customers only, not for any of these other reasons.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupChange:
    """What changed in one group."""

    group: Any  # label; "all" is everyone
    n: int  # units (customers, or rows without a unit) seen in either window
    before: float  # total, total per day, or mean per row
    after: float
    change: Estimate  # after less before
    growth: Estimate  # after / before - 1; NaN if before is not above 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeforeAfter:
    """A measure in two windows of time, by group. Not causal."""

    outcome: str  # what was measured
    measure: Measure  # how
    groups: tuple[GroupChange, ...]  # everyone first, then each group
    before_window: tuple[np.datetime64, np.datetime64]  # first and last day
    after_window: tuple[np.datetime64, np.datetime64]
    is_causal: bool  # always False
    assumptions: tuple[str, ...]  # what else could explain the change, and what would have to hold
    notes: tuple[str, ...]  # what a reader must know of these windows

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def effect(self) -> Estimate:
        """The change of everyone. Not causal."""
        return self.groups[0].change

    @property
    def caution(self) -> str:
        """What else could explain the change: the first of the assumptions."""
        return self.assumptions[0]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group: before, after, change and growth with their intervals."""
        import pandas as pd

        return pd.DataFrame([change_row(each) for each in self.groups])


def before_after(
    frame: Frame,
    *,
    outcome: str,
    before: tuple[Day, Day],
    after: tuple[Day, Day],
    measure: Measure = "total",
    date: str = "date",
    unit: str | None = "customer_id",
    by: str | None = None,
    confidence: float = 0.95,
) -> BeforeAfter:
    """Growth of sales, or change of a mean such as sales cycle or retention, between two windows. Not causal.

    Parameters
    ----------
    frame : frame of any engine
        Dated rows: purchases, closed deals, renewals due.
    outcome : str
        Column of the measure: amount, days of the cycle, or renewed yes or no (its mean is the retention rate).
    before, after : pair of days
        First and last day of each window, both included. They must not overlap.
    measure : {"total", "daily", "mean"}
        The sum of the outcome in windows of equal length, the sum per day in windows of any length, or the mean per
        row.
    date : str
        Column of the day.
    unit : str or None
        Column of the customer; chance is judged among them. None if every row stands for itself.
    by : str, optional
        Column of groups to compare one by one.
    confidence : float
        Of the intervals, 0.95 for 95 %.

    Returns
    -------
    BeforeAfter
        Change and growth of everyone and of each group, with intervals, and the words that say what they are not.

    Raises
    ------
    InputError
        If the windows overlap, are in the wrong order or (for totals) of unequal length, a window has no rows, there
        are fewer than two units, or a value is missing.

    Notes
    -----
    With a and b the sums of a customer in the two windows, the change ``sum(a - b)`` of a total has the variance
    ``sum((a - b)^2)``: customers come at random, and each counts with both her windows. Growth ``A / B - 1`` has
    ``sum((a - (A / B) b)^2) / B^2``; means per row are ratios of sums and treated likewise (delta method). All are
    multiplied by n / (n - 1), for n customers.

    Examples
    --------
    >>> import pandas as pd
    >>> sales = pd.DataFrame({
    ...     "customer_id": [1, 2, 1, 2], "date": ["2024-01-10", "2024-01-20", "2025-01-10", "2025-01-20"],
    ...     "amount": [40.0, 60.0, 70.0, 80.0]
    ... })
    >>> january = ("2024-01-01", "2024-01-31"), ("2025-01-01", "2025-01-31")
    >>> result = before_after(sales, outcome="amount", before=january[0], after=january[1])
    >>> result.effect.value, result.groups[0].growth.value, result.is_causal
    (50.0, 0.5, False)
    """
    confidence = require_confidence(confidence)
    require_option("measure", measure, MEASURES)
    windows = read_windows(before, after, measure)
    needed = list(dict.fromkeys(name for name in (outcome, date, unit, by) if name is not None))
    rows: AnyFrame = frames.open_frame(frame, needs=needed).select(*needed)
    rows, earliest = read_rows(rows, outcome, date, [name for name in (unit, by) if name], windows)
    days = [float((last - first).astype(int) + 1) for first, last in windows]
    found = [change_of(moments_of(rows, unit, None), 0, EVERYONE, measure, days, confidence)]
    if by is not None:
        moments = moments_of(rows, unit, by)
        labels = moments.group.tolist()
        found += [change_of(moments, row, label, measure, days, confidence) for row, label in enumerate(labels)]
    if found[0].n < 2:
        raise InputError(f"frame: {found[0].n} unit in the two windows. At least 2 are needed for an interval.")
    if found[0].change.std_error <= ROUNDING * max(abs(found[0].before), abs(found[0].after)):
        raise InputError(
            f"frame, column {outcome!r}: no unit differs from another in how it changed. Nothing then tells how far "
            "off the change may be: check the column."
        )
    return BeforeAfter(
        outcome=outcome,
        measure=measure,
        groups=tuple(found),
        before_window=windows[0],
        after_window=windows[1],
        is_causal=False,
        assumptions=ASSUMPTIONS,
        notes=notes_on(windows, earliest, found),
    )


Window: TypeAlias = tuple[np.datetime64, np.datetime64]


def read_windows(before: tuple[Day, Day], after: tuple[Day, Day], measure: Measure) -> tuple[Window, Window]:
    """Return both windows as days, or raise InputError if they cannot be compared."""
    windows: list[Window] = []
    for argument, pair in (("before", before), ("after", after)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"{argument}: got {pair!r}. Pass the first and the last day.")
        first, last = (require_day(argument, day) for day in pair)
        if last < first:
            raise InputError(f"{argument}: {last} is before {first}. Pass the first day first.")
        windows.append((first, last))
    begins, ended = windows[1][0], windows[0][1]
    if begins <= ended:
        raise InputError(f"after: begins on {begins}, but before ends on {ended}. Pass windows that do not overlap.")
    lengths = [int((last - first).astype(int)) + 1 for first, last in windows]
    if measure == "total" and lengths[0] != lengths[1]:
        raise InputError(
            f"after: {lengths[1]} days against {lengths[0]} before, so that totals differ by length alone. "
            "Pass windows of equal length, or measure='daily'."
        )
    return windows[0], windows[1]


def read_rows(
    rows: AnyFrame, outcome: str, date: str, labels: list[str], windows: tuple[Window, Window]
) -> tuple[AnyFrame, np.datetime64 | None]:
    """Return the rows in either window with one column for each window's outcome and count, and the earliest day."""
    rows, _ = read_dates(rows, date, argument=f"frame, column {date!r}")
    require_present(rows, date, f"frame, column {date!r}", "missing or unreadable date")
    for column in labels:
        require_present(rows, column, f"frame, column {column!r}")
    rows = read_number(rows, outcome, "frame")
    day = nw.col("_crm_day")
    rows = rows.with_columns(_crm_day=frames.day_number(date))
    earliest = frames.one_row(rows, day=day.min())["day"]
    is_before, is_after = (
        (day >= int(first.astype(np.int64))) & (day <= int(last.astype(np.int64))) for first, last in windows
    )
    rows = rows.with_columns(_crm_nb=is_before.cast(nw.Float64), _crm_na=is_after.cast(nw.Float64))
    rows = rows.filter(nw.col("_crm_nb") + nw.col("_crm_na") > 0).with_columns(
        _crm_b=nw.col("_crm_nb") * nw.col(outcome), _crm_a=nw.col("_crm_na") * nw.col(outcome)
    )
    counts = frames.one_row(rows, before=nw.col("_crm_nb").sum(), after=nw.col("_crm_na").sum())
    for name, (first, last) in zip(("before", "after"), windows, strict=True):
        if not (counts[name] or 0) > 0:
            raise InputError(f"{name}: no row lies in {first} to {last}. Pass a window that the data cover.")
    return rows, None if earliest is None else np.datetime64(int(earliest), "D")


SUMS = ("_crm_b", "_crm_a", "_crm_nb", "_crm_na")


def moments_of(rows: AnyFrame, unit: str | None, by: str | None) -> Moments:
    """Moments over units of their sums and counts in both windows, for each group."""
    keys = [name for name in (unit, by) if name is not None]
    if unit is not None:
        rows = add_up(rows, keys, summed=SUMS)
    if by is None:
        rows, by = rows.with_columns(_crm_all=nw.col("_crm_b") * 0), "_crm_all"
    return group_moments(rows, by, SUMS)


def change_of(
    moments: Moments, row: int, label: Any, measure: Measure, days: list[float], confidence: float
) -> GroupChange:
    """Return the change of one group by the delta method."""
    n, mean = int(moments.n[row]), moments.mean[row]
    sums = n * mean
    squares = (n - 1) * moments.covariance[row] + n * np.outer(mean, mean)  # sums over units of products
    below = sums[2:] if measure == "mean" else np.array(days) if measure == "daily" else np.ones(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = sums[:2] / below
        slopes = np.zeros((2, 4))  # of the value before and after, by the four sums
        slopes[0, 0], slopes[1, 1] = 1 / below
        if measure == "mean":
            slopes[0, 2], slopes[1, 3] = -before / below[0], -after / below[1]
        ratio = after / before
        known: dict[str, Any] = {"df": n - 1, "confidence": confidence, "units": 1.0}
        growth = with_error(ratio - 1, (slopes[1] - ratio * slopes[0]) / before, squares, n, "value before", known)
        known["units"] = below[1]
        change = with_error(after - before, slopes[1] - slopes[0], squares, n, COUNTED[measure], known)
    if not before > 0:
        growth = missing_estimate(confidence=confidence, per="value before")
    return GroupChange(group=label, n=n, before=float(before), after=float(after), change=change, growth=growth)


def with_error(value: float, slope: Array, squares: Array, n: int, per: str, known: dict[str, Any]) -> Estimate:
    """Return the estimate whose error is that of a sum over units."""
    variance = float(slope @ squares @ slope)
    if n < 2 or not math.isfinite(variance):
        return missing_estimate(confidence=known["confidence"], per=per)
    return estimate(value, math.sqrt(max(variance, 0.0) * n / (n - 1)), per=per, **known)


def notes_on(
    windows: tuple[Window, Window], earliest: np.datetime64 | None, found: list[GroupChange]
) -> tuple[str, ...]:
    """Say what makes these windows hard to compare."""
    notes = []
    apart = float((windows[1][0] - windows[0][0]).astype(int))
    if abs(apart - 365.25 * max(1, round(apart / 365.25))) > SAME_SEASON:
        notes.append("The windows do not lie in the same season of the year: part of the change may be season.")
    if earliest is not None and earliest > windows[0][0]:
        notes.append(f"The data begin on {earliest}, after the window before begins: it may lack rows.")
    small = [repr(each.group) for each in found if not math.isfinite(each.growth.value)]
    if small:
        notes.append(f"No growth can be given for {', '.join(small[:5])}: too few units, or nothing above 0 before.")
    return tuple(notes)


def change_row(each: GroupChange) -> dict[str, Any]:
    """Return a group as plain values."""
    row: dict[str, Any] = {"group": each.group, "n": each.n, "before": each.before, "after": each.after}
    for name in ("change", "growth"):
        found: Estimate = getattr(each, name)
        row |= {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}
    return row
