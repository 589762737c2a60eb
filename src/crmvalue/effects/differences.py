"""Two groups before and after: how much more one of them changed, with errors that allow for units being themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core.distributions import f_tail
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame
from crmvalue.effects.estimate import Estimate, estimate, missing_estimate, require_confidence
from crmvalue.effects.panel import Absent, Panel, read_panel, require_sides
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FLAT = 1e-24  # variance over squared mean that is rounding, not variation
ROUNDING = 1e-12  # relative error that is rounding, not variation
DRIFT_LEVEL = 0.05  # of either test before the start
FEW_UNITS = 10  # in a group; with fewer, clustered errors are known to be too small
ASSUMPTIONS = (
    "Without the treatment both groups would have changed by the same amount (parallel trends).",
    "Nothing else happened to one group alone from the start on.",
    "The treated did not change before the start because they expected it.",
    "The control group is not touched by the treatment: no sales moved from it.",
    "Units are independent of each other; periods of one unit need not be.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DifferenceInDifferences:
    """The change of the treated group less the change of the control group, and what happened in each period."""

    effect: Estimate  # per treated unit and period from the start on
    relative_effect: float  # effect / what the treated would have had without it; NaN if that is not above 0
    treated_before: float  # mean per unit and period
    treated_after: float
    control_before: float
    control_after: float
    pre_trend_f: float  # F statistic of no difference in the periods before; NaN with one period before
    pre_trend_p: float  # its p value
    pre_slope: Estimate  # by how much the groups drifted apart per period before the start
    periods: AnyArray  # shape (p,)
    before: BoolArray  # whether the period lies before the start, shape (p,)
    treated_mean: Array  # mean per unit, shape (p,)
    control_mean: Array  # shape (p,)
    period_effect: Array  # difference of the groups, less that in the last period before; shape (p,)
    period_lower: Array  # interval of `period_effect`, shape (p,)
    period_upper: Array
    n_treated: int  # units
    n_control: int
    assumptions: tuple[str, ...]  # what must hold for the effect to be caused by the treatment
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a period: means of both groups and the effect with its interval."""
        import pandas as pd

        return pd.DataFrame(
            {
                "period": self.periods.astype("datetime64[s]") if self.periods.dtype.kind == "M" else self.periods,
                "before": self.before,
                "treated_mean": self.treated_mean,
                "control_mean": self.control_mean,
                "effect": self.period_effect,
                "lower": self.period_lower,
                "upper": self.period_upper,
            }
        )


def difference_in_differences(
    frame: Frame,
    *,
    outcome: str,
    treated: str,
    start: Any,
    unit: str = "customer_id",
    time: str = "period",
    absent: Absent = "refuse",
    confidence: float = 0.95,
) -> DifferenceInDifferences:
    """Effect of a treatment that began on one day for one of two groups, by how much more that group changed.

    Parameters
    ----------
    frame : frame of any engine
        Long: one row for each unit and period, or several, which are added up.
    outcome : str
        Column of what is compared, such as revenue; yes and no count as 1 and 0.
    treated : str
        Column that tells the group of the unit: 1 (or true) for treated, 0 for control. It is the same in all periods
        of a unit, also before the start.
    start : period
        First period of the treatment, in the type of the column `time`.
    unit : str
        Column of the unit that was treated as a whole: a customer, or the shop if whole shops were treated.
    time : str
        Column of the period: a date, a number, or text that sorts by time, such as 2024-03.
    absent : {"refuse", "zero"}
        What a unit without a row in a period means: an error, or an outcome of 0. A unit without any row is not there:
        `campaign_panel` makes a panel of receipts with those who bought nothing.
    confidence : float
        Of the intervals, 0.95 for 95 %.

    Returns
    -------
    DifferenceInDifferences
        The effect per treated unit and period, the test of trends before, the means of both groups by period.

    Raises
    ------
    InputError
        If a group has fewer than two units, there is no period before or from the start, a unit is in both groups or
        lacks a period, no unit changed in another way than its group, or a value is missing.

    Notes
    -----
    ``effect = (treated after - treated before) - (control after - control before)``, of means per unit and period: the
    coefficient of treated x after in a regression with fixed effects of periods and of groups or units. Errors are
    clustered by unit [1]_, with the factor ``G / (G - 1) * (N - 1) / (N - K)`` and the t distribution with G - 1
    degrees of freedom, for G units, N cells and K = periods + 2. The effect of a period is the difference of the groups
    less that in the last period before the start; those before the start should be 0, which an F test judges. A test
    that finds nothing is no proof: look at the picture, and at `pre_slope` with its interval.

    References
    ----------
    .. [1] Bertrand, Duflo & Mullainathan (2004) "How much should we trust differences-in-differences estimates?",
       Quarterly Journal of Economics 119(1). https://doi.org/10.1162/003355304772839588

    Examples
    --------
    >>> import pandas as pd
    >>> sales = pd.DataFrame({
    ...     "shop": list("aabbccdd"), "period": [1, 2] * 4, "mailed": [1] * 4 + [0] * 4,
    ...     "sales": [10.0, 19.0, 12.0, 19.0, 8.0, 11.0, 6.0, 11.0]
    ... })
    >>> result = difference_in_differences(sales, outcome="sales", treated="mailed", start=2, unit="shop")
    >>> result.effect.value  # the mailed rose by 8, the others by 4
    4.0
    """
    confidence = require_confidence(confidence)
    panel = read_panel(frame, unit=unit, time=time, outcome=outcome, treated=treated, start=start, absent=absent)
    require_sides(panel, start, treated)
    if np.var(panel.outcome) <= FLAT * float(np.abs(panel.outcome).max()) ** 2:
        raise InputError(f"frame, column {outcome!r}: constant, there is nothing to compare. Check the column.")
    before, treated_mean, control_mean = panel.before, *group_means(panel)
    effect = overall_effect(panel, confidence)
    if effect.std_error <= ROUNDING * float(np.abs(panel.outcome).max()):
        raise InputError(
            f"frame, column {outcome!r}: within each group all units changed alike. Nothing then tells how far off the "
            "effect may be: check the column."
        )
    sides = [means[when].mean() for means in (treated_mean, control_mean) for when in (before, ~before)]
    without = sides[1] - effect.value
    by_period, f_statistic, f_p = period_effects(panel, confidence)
    slope = pre_slope(panel, confidence)
    return DifferenceInDifferences(
        effect=effect,
        relative_effect=effect.value / without if without > 0 else math.nan,
        treated_before=float(sides[0]),
        treated_after=float(sides[1]),
        control_before=float(sides[2]),
        control_after=float(sides[3]),
        pre_trend_f=f_statistic,
        pre_trend_p=f_p,
        pre_slope=slope,
        periods=panel.periods,
        before=before,
        treated_mean=treated_mean,
        control_mean=control_mean,
        period_effect=np.array([each.value for each in by_period]),
        period_lower=np.array([each.lower for each in by_period]),
        period_upper=np.array([each.upper for each in by_period]),
        n_treated=int(panel.treated.sum()),
        n_control=int((~panel.treated).sum()),
        assumptions=ASSUMPTIONS,
        notes=notes_on(panel, f_p, slope),
    )


def group_means(panel: Panel) -> tuple[Array, Array]:
    """Mean of the treated and of the control in each period, shape (p,) each."""
    return panel.outcome[panel.treated].mean(axis=0), panel.outcome[~panel.treated].mean(axis=0)


def clustered(contrasts: Array, treated: BoolArray, *, cells: int, parameters: int) -> tuple[Array, Array]:
    """Difference of the groups in k contrasts of each unit, (n, k), and its covariance clustered by unit, (k, k).

    In a balanced panel with two groups the sandwich of the regression is the sum over units of squared deviations from
    the mean of their group, over the squared number of units of that group.
    """
    difference = contrasts[treated].mean(axis=0) - contrasts[~treated].mean(axis=0)
    covariance = np.zeros((contrasts.shape[1],) * 2)
    for group in (treated, ~treated):
        away = contrasts[group] - contrasts[group].mean(axis=0)
        covariance += away.T @ away / int(group.sum()) ** 2
    n = len(treated)
    return difference, covariance * (n / (n - 1) * (cells - 1) / (cells - parameters))


def overall_effect(panel: Panel, confidence: float) -> Estimate:
    """Effect over all periods from the start on."""
    n, p = panel.outcome.shape
    change = panel.outcome[:, ~panel.before].mean(axis=1) - panel.outcome[:, panel.before].mean(axis=1)
    value, covariance = clustered(change[:, None], panel.treated, cells=n * p, parameters=p + 2)
    return estimate(
        value[0],
        math.sqrt(covariance[0, 0]),
        df=n - 1,
        confidence=confidence,
        units=int(panel.treated.sum()) * int((~panel.before).sum()),
        per="treated unit and period",
    )


def period_effects(panel: Panel, confidence: float) -> tuple[list[Estimate], float, float]:
    """Effect of each period against the last one before the start, and the F test of those before it."""
    n, p = panel.outcome.shape
    last = int(panel.before.sum()) - 1
    contrasts = panel.outcome - panel.outcome[:, [last]]
    value, covariance = clustered(contrasts, panel.treated, cells=n * p, parameters=2 * p)
    errors = np.sqrt(np.diag(covariance))
    known = {"df": n - 1, "confidence": confidence, "units": int(panel.treated.sum()), "per": "treated unit"}
    found = [estimate(v, e, **known) for v, e in zip(value, errors, strict=True)]
    first = value[:last]
    spread = covariance[:last, :last]
    if not 0 < last <= n - 2 or np.linalg.matrix_rank(spread) < last:
        return found, math.nan, math.nan
    f_statistic = float(first @ np.linalg.solve(spread, first)) / last
    return found, f_statistic, f_tail(f_statistic, last, n - 1)


def pre_slope(panel: Panel, confidence: float) -> Estimate:
    """By how much more per period the treated rose before the start."""
    history = panel.outcome[:, panel.before]
    n, p = history.shape
    if p < 2:
        return missing_estimate(confidence=confidence, per="treated unit and period")
    time = np.arange(p) - (p - 1) / 2
    slopes = history @ time / (time @ time)
    value, covariance = clustered(slopes[:, None], panel.treated, cells=n * p, parameters=4)
    return estimate(
        value[0],
        math.sqrt(covariance[0, 0]),
        df=n - 1,
        confidence=confidence,
        units=int(panel.treated.sum()),
        per="treated unit and period",
    )


def notes_on(panel: Panel, pre_trend_p: float, slope: Estimate) -> tuple[str, ...]:
    """Say what the test before the start found, and whether there are few units."""
    notes = []
    if panel.before.sum() < 2:
        notes.append("There is one period before the start: whether trends were parallel cannot be tested.")
    elif math.isnan(pre_trend_p):
        notes.append("There are too few units for a joint test of the periods before; look at pre_slope.")
    lowest = min([p for p in (pre_trend_p, slope.p_value) if math.isfinite(p)], default=math.nan)
    if lowest < DRIFT_LEVEL:
        notes.append(
            f"The groups already moved apart before the start (p = {lowest:.2g}): the effect may be that trend."
        )
    fewest = min(int(panel.treated.sum()), int((~panel.treated).sum()))
    if fewest < FEW_UNITS:
        notes.append(f"A group has {fewest} units only: clustered errors are too small then, and intervals too narrow.")
    return tuple(notes)
