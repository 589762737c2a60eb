"""An interrupted series: one series, one start, and what would have come if its past had simply gone on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.distributions import t_tail_quantile
from crmvalue._core.frames import AnyFrame
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame
from crmvalue.effects.estimate import Estimate, estimate, require_confidence
from crmvalue.effects.panel import comparable_start
from crmvalue.effects.units import add_up, read_number, require_present, require_rows_there, require_times, whole
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FEWEST_EACH_SIDE = 4  # periods: a line has two parameters, and something must be left to judge it by
FLAT = 1e-24  # variance over squared mean that is rounding, not variation
ASSUMPTIONS = (
    "Without the treatment the trend (and season) of the time before would have gone on.",
    "Nothing else changed at the same time; there is no control group that could show it.",
    "The start was not chosen because of an unusual period.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InterruptedSeries:
    """The jump and the change of slope at the start, and the series against what its past foretold."""

    effect: Estimate  # mean difference from what the past foretold, per period from the start on
    jump: Estimate  # change of level in the first period
    slope_change: Estimate  # change of the trend, per period
    periods: AnyArray  # shape (n,)
    before: BoolArray  # whether the period lies before the start, shape (n,)
    outcome: Array  # as counted, shape (n,)
    fitted: Array  # by the regression, shape (n,)
    foretold: Array  # what the trend and season of the time before go on to, shape (n,)
    foretold_lower: Array  # interval of `foretold`, its own uncertainty without the noise of a period; shape (n,)
    foretold_upper: Array
    lags: int  # periods over which errors are taken to be correlated
    autocorrelation: float  # of neighbouring residuals
    assumptions: tuple[str, ...]  # what must hold for the effect to be caused by the treatment
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a period."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in COLUMNS}
        if self.periods.dtype.kind == "M":
            columns["periods"] = self.periods.astype("datetime64[s]")
        return pd.DataFrame(columns).rename(columns={"periods": "period"})


COLUMNS = ("periods", "before", "outcome", "fitted", "foretold", "foretold_lower", "foretold_upper")


def interrupted_series(
    frame: Frame,
    *,
    outcome: str,
    start: Any,
    time: str = "period",
    season: int | None = None,
    lags: int | None = None,
    confidence: float = 0.95,
) -> InterruptedSeries:
    """Effect of something that began at one time, on a series without a control group, against its own past.

    Parameters
    ----------
    frame : frame of any engine
        One row a period, or several, which are added up. Periods follow each other without a gap.
    outcome : str
        Column of the series, such as revenue of the period.
    start : period
        First period of the treatment, in the type of the column `time`.
    time : str
        Column of the period: a date, a number, or text that sorts by time.
    season : int, optional
        Periods after which the season repeats, 12 for months; every place in the season then has its own level. Needs
        two seasons before the start.
    lags : int, optional
        Periods over which errors may be correlated. By default ``floor(4 (n / 100)^(2/9))``, at least 1.
    confidence : float
        Of the intervals.

    Returns
    -------
    InterruptedSeries
        Mean effect per period, jump, change of slope, and the series that its past foretold.

    Raises
    ------
    InputError
        If there are fewer than four periods on a side, a gap in the numbers, a constant series, or a missing value.

    Notes
    -----
    Segmented regression [1]_: ``y = a + b t + jump after + slope_change (t - start) after``, plus levels of the
    season, by least squares. Errors are those of Newey & West [2]_ with Bartlett weights and the factor n / (n - k);
    intervals by the t distribution with n - k degrees of freedom. The mean effect is
    ``jump + slope_change * mean(t - start)`` over the periods from the start on. With short series or strong
    autocorrelation these intervals are too narrow.

    References
    ----------
    .. [1] Bernal, Cummins & Gasparrini (2017) "Interrupted time series regression for the evaluation of public health
       interventions: a tutorial", Int. J. of Epidemiology 46(1). https://doi.org/10.1093/ije/dyw098
    .. [2] Newey & West (1987) "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
       covariance matrix", Econometrica 55(3). https://doi.org/10.2307/1913610

    Examples
    --------
    >>> import pandas as pd
    >>> sales = pd.DataFrame({"period": range(8), "sales": [10.0, 12, 13, 16, 28, 29, 32, 33]})
    >>> result = interrupted_series(sales, outcome="sales", start=4)
    >>> round(result.jump.value, 6), round(result.slope_change.value, 6)  # 27.8 against 17.5; 1.8 against 1.9
    (10.3, -0.1)
    """
    confidence = require_confidence(confidence)
    periods, y = read_series(frame, outcome, time)
    before = np.asarray(periods < comparable_start(start, periods))
    require_periods(before, start, season)
    if np.var(y) <= FLAT * float(np.abs(y).max()) ** 2:
        raise InputError(f"frame, column {outcome!r}: constant, there is nothing to explain. Check the column.")
    n, n_before = len(y), int(before.sum())
    design = segmented_design(n, n_before, season)
    k = design.shape[1]
    if n <= k:
        raise InputError(f"frame: {n} periods for {k} unknowns. Pass a longer series, or leave the season out.")
    used = max(1, math.floor(4 * (n / 100) ** (2 / 9))) if lags is None else whole("lags", lags, at_least=0)
    used = min(used, n - 1)
    coefficients, covariance, residuals = newey_west(design, y, used)
    known: dict[str, Any] = {"df": n - k, "confidence": confidence}

    def combined(weights: Array, units: float, per: str) -> Estimate:
        error = math.sqrt(max(float(weights @ covariance @ weights), 0.0))
        return estimate(float(weights @ coefficients), error, units=units, per=per, **known)

    difference = np.zeros((n, k))  # of the regression from what the past foretold
    difference[:, 2:4] = design[:, 2:4]
    past = design - difference
    foretold = past @ coefficients
    reach = np.sqrt(np.maximum(np.einsum("nk,kl,nl->n", past, covariance, past), 0.0))
    reach *= t_tail_quantile((1 - confidence) / 2, n - k)
    correlation = float(residuals[1:] @ residuals[:-1] / (residuals @ residuals)) if residuals.any() else 0.0
    return InterruptedSeries(
        effect=combined(difference[~before].mean(axis=0), n - n_before, "period from the start on"),
        jump=combined(np.eye(k)[2], 1, "first period"),
        slope_change=combined(np.eye(k)[3], 1, "period"),
        periods=periods,
        before=before,
        outcome=y,
        fitted=design @ coefficients,
        foretold=foretold,
        foretold_lower=foretold - reach,
        foretold_upper=foretold + reach,
        lags=used,
        autocorrelation=correlation,
        assumptions=ASSUMPTIONS,
        notes=notes_on(n, correlation, season),
    )


def read_series(frame: Frame, outcome: str, time: str) -> tuple[AnyArray, Array]:
    """Check the frame and return the periods, ascending, and the sum of the outcome in each."""
    rows: AnyFrame = frames.open_frame(frame, needs=[time, outcome]).select(time, outcome)
    require_rows_there(rows)
    require_present(rows, time, f"frame, column {time!r}")
    rows = add_up(read_number(rows, outcome, "frame"), [time], summed=[outcome])
    when, amount = frames.to_arrays(rows, [time, outcome]).values()
    require_times(when, f"frame, column {time!r}")
    periods, place = np.unique(when, return_inverse=True)
    if periods.dtype.kind in "iufM" and len(periods) > 1:
        steps = np.diff(periods).astype(float)
        even = np.append(True, steps < 1.5 * steps.min())  # months, quarters and years are not quite of equal length
        remedy = "Add a row for each period, with 0 where nothing was sold."
        require_rows(even, f"frame, column {time!r}", "gap before the period", remedy, labels=periods, label="period")
    return periods, np.asarray(np.bincount(place, weights=amount), dtype=float)


def require_periods(before: BoolArray, start: Any, season: int | None) -> None:
    """Raise InputError unless there are enough periods on both sides of the start."""
    n_before, n_after = int(before.sum()), int((~before).sum())
    if min(n_before, n_after) < FEWEST_EACH_SIDE:
        raise InputError(
            f"start: {n_before} periods before {start} and {n_after} from it on. A trend on each side needs at least "
            f"{FEWEST_EACH_SIDE}: pass more periods."
        )
    if season is not None:
        length = whole("season", season, at_least=2)
        if n_before < 2 * length:
            raise InputError(
                f"season: {n_before} periods before the start are less than two seasons of {length}. "
                "Pass a longer past, or leave the season out."
            )


def segmented_design(n: int, n_before: int, season: int | None) -> Array:
    """Columns of the regression: 1, time, after, time after the start; then the places in the season but the first."""
    time = np.arange(n, dtype=float)
    after = (time >= n_before).astype(float)
    columns = [np.ones(n), time, after, after * (time - n_before)]
    if season is not None:
        place = np.arange(n) % season
        columns += [(place == each).astype(float) for each in range(1, season)]
    return np.stack(columns, axis=1)


def newey_west(design: Array, y: Array, lags: int) -> tuple[Array, Array, Array]:
    """Coefficients by least squares, their covariance that allows for correlated errors, and the residuals."""
    n, k = design.shape
    bread = np.linalg.pinv(design.T @ design)
    coefficients: Array = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], dtype=float)
    residuals = y - design @ coefficients
    scores = design * residuals[:, None]
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        shared = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (shared + shared.T)
    return coefficients, bread @ meat @ bread * (n / (n - k)), residuals


def notes_on(n: int, correlation: float, season: int | None) -> tuple[str, ...]:
    """Say what makes the intervals too narrow, and what was left out."""
    notes = []
    if n < 50:
        notes.append(f"The series has {n} periods: with fewer than about 50, intervals are somewhat too narrow.")
    if correlation > 0.4:
        notes.append(f"Neighbouring residuals are correlated ({correlation:.2f}): intervals are too narrow.")
    if season is None:
        notes.append("No season was allowed for: if there is one, part of it may be taken for the effect.")
    return tuple(notes)
