"""What an experiment with a control group shows: differences, lifts, ratios of sums, and less noise by a covariate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core.checks import require_option, require_rows
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame
from crmvalue.effects.arm_balance import MISMATCH_LEVEL, balance_p, imbalance, sample_ratio
from crmvalue.effects.arm_units import control_first, read_moments, require_rest, require_units, require_variation
from crmvalue.effects.arms import arm_values, relative_lift, welch_df
from crmvalue.effects.estimate import Estimate, estimate, missing_estimate, require_confidence
from crmvalue.effects.families import CORRECTIONS, Correction, corrected_p_values, critical_values
from crmvalue.effects.units import Moments
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("std_error", "lower", "upper", "p_value")  # of an effect, in a table
ASSUMPTIONS = (
    "Chance alone decided which unit is in which arm.",
    "A unit is not touched by the arm of another: no shared budgets, stock, households or word of mouth.",
    "Every unit of each arm is counted, also one that bought nothing (a row with 0).",
    "The end was planned, not chosen when the result looked good.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmEffect:
    """One arm against the control."""

    arm: Any  # label of the arm
    n: int  # units of the arm
    value: float  # outcome per unit, or ratio of sums; adjusted by the covariate if there is one
    control_value: float  # the same of the control
    effect: Estimate  # value less control value, per unit of the arm (of a ratio: per unit of its denominator)
    lift: Estimate  # value / control value - 1; NaN if the control value is not above 0
    assumptions: tuple[str, ...]  # what must hold for the effect to be caused by the arm

    __repr__ = result_text
    _repr_html_ = to_html = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentEffect:
    """Every arm against the control, and whether chance made the arms: by their sizes and by their covariate."""

    metric: str  # what is compared
    control: Any  # label of the control
    control_n: int  # units of the control
    arms: tuple[ArmEffect, ...]  # one an arm that is not the control, by label
    confidence: float  # of the intervals
    correction: Correction  # how intervals and p values allow for several arms
    variance_reduction: float  # share of the variance that the covariate takes away; 0 without one
    sample_ratio_p: float  # chance of sizes at least so far from the plan, were it kept; below 0.001 is an alarm
    covariate_p: float  # chance of arms so different in the covariate; below 0.001 is an alarm, NaN without one
    assumptions: tuple[str, ...]  # what must hold for the differences to be caused by the arms
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def effect(self) -> Estimate:
        """The effect of the only arm."""
        if len(self.arms) > 1:
            labels = ", ".join(repr(each.arm) for each in self.arms)
            raise InputError(f"arm: there are several ({labels}). Choose one with arm(label).")
        return self.arms[0].effect

    def arm(self, label: Any) -> ArmEffect:
        """Return one arm by its label."""
        labels = [each.arm for each in self.arms]
        require_option("arm", label, labels)
        return self.arms[labels.index(label)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row an arm: sizes, values, effect and lift with their intervals."""
        import pandas as pd

        return pd.DataFrame([arm_row(each) for each in self.arms])


def experiment_effect(
    frame: Frame,
    *,
    outcome: str,
    control: Any,
    arm: str = "arm",
    per: str | None = None,
    covariate: str | None = None,
    unit: str | None = None,
    planned_shares: Mapping[Any, float] | None = None,
    correction: Correction = "dunnett",
    confidence: float = 0.95,
) -> ExperimentEffect:
    """Effect of each arm of an experiment against its control group, with intervals.

    Parameters
    ----------
    frame : frame of any engine
        One row for each unit that chance put in an arm, such as a customer; with `unit`, any number of rows a unit. A
        unit that did nothing needs a row with 0, or it is lost.
    outcome : str
        Column of what is compared: revenue, orders, or yes and no.
    control : label
        Label of the control group in the column `arm`.
    arm : str
        Column of the label of the arm.
    per : str, optional
        Column of the denominator of a ratio of sums: orders, for revenue per order. Then the ratio is compared.
    covariate : str, optional
        Column of something known of each unit before the experiment, such as its earlier spend. It takes noise away,
        and no bias comes in if chance made the arms. If the arms differ in it by more than chance, a note says so.
    unit : str, optional
        Column of the unit that was put in an arm. Outcomes of its rows are added up; its covariate is averaged.
    planned_shares : mapping, optional
        Share of the units that each arm was to get, by label: {"control": 0.1, "mail": 0.9}. By default equal shares.
    correction : {"dunnett", "bonferroni", "none"}
        How intervals and p values allow for several arms.
    confidence : float
        Of the intervals, 0.95 for 95 %.

    Returns
    -------
    ExperimentEffect
        The effect and the lift of each arm, the check of sample ratios, assumptions and notes.

    Raises
    ------
    InputError
        If an arm has fewer than two units, there is no control, the outcome does not vary, a unit is in two arms, or a
        value is missing.

    Notes
    -----
    The difference is that of the means, with the standard error ``sqrt(var_arm / n_arm + var_control / n_control)`` and
    Welch's degrees of freedom. A ratio of sums ``R = sum(y) / sum(x)`` has by the delta method the variance of
    ``(y - R x) / mean(x)``. A covariate c is taken off as ``theta (c - mean(c))``, with theta the slope of the outcome
    on c within arms [1]_: the estimate is that of an analysis of covariance. The lift ``value / control - 1`` has an
    interval by the delta method. Several arms share the control: their intervals hold all at once, by Dunnett's
    integral. Sample ratios are tested by chi-squared [2]_, and equal means of the covariate by Wald's chi-squared.

    References
    ----------
    .. [1] Deng, Xu, Kohavi & Walker (2013) "Improving the sensitivity of online controlled experiments by utilizing
       pre-experiment data", WSDM '13. https://doi.org/10.1145/2433396.2433413
    .. [2] Fabijan et al. (2019) "Diagnosing sample ratio mismatch in online controlled experiments", KDD '19.
       https://doi.org/10.1145/3292500.3330722

    Examples
    --------
    >>> import pandas as pd
    >>> spend = pd.DataFrame({"arm": ["mail", "mail", "none", "none"], "spend": [10.0, 14.0, 7.0, 9.0]})
    >>> result = experiment_effect(spend, outcome="spend", control="none")
    >>> result.effect.value, result.arms[0].lift.value  # 12 against 8
    (4.0, 0.5)
    >>> round(result.effect.std_error, 4)  # sqrt(8 / 2 + 2 / 2)
    2.2361
    """
    confidence = require_confidence(confidence)
    require_option("correction", correction, CORRECTIONS)
    moments = read_moments(frame, outcome, arm, per, covariate, unit)
    moments = control_first(moments, control, arm)
    require_units(moments, arm)
    ratio = per is not None
    if ratio:
        positive = moments.mean[:, 1] > 0
        remedy = "Pass a column of counts or amounts, not negative, such as orders."
        require_rows(positive, f"frame, column {per!r}", "sum not above 0", remedy, labels=moments.group, label="arm")
    values, variances = arm_values(moments, ratio=ratio, adjusted=covariate is not None)
    raw = arm_values(moments, ratio=ratio, adjusted=False)[1]
    require_variation(values, raw, moments, outcome)
    if covariate is not None:
        require_rest(variances, raw, covariate)
    noise_left = float(variances.sum() / raw.sum())
    metric = outcome if per is None else f"{outcome} / {per}"
    units = np.asarray(moments.n[1:] * moments.mean[1:, 1], dtype=float)  # the mean denominator is 1 without `per`
    counted = f"{per} of the arm" if per is not None else "unit of the arm"
    arms = compared(moments, values, variances, units, counted, correction, confidence)
    ratio_p, notes = sample_ratio(moments, planned_shares)
    covariate_p = math.nan if covariate is None else balance_p(moments)
    if covariate_p < MISMATCH_LEVEL:
        notes = (*notes, imbalance(moments, str(covariate), covariate_p))
    if not values[0] > 0:
        notes = (*notes, f"The control value is {values[0]:,.6g}, not above 0: there is no relative lift.")
    return ExperimentEffect(
        metric=metric,
        control=control,
        control_n=int(moments.n[0]),
        arms=arms,
        confidence=confidence,
        correction=correction,
        variance_reduction=max(0.0, 1 - noise_left),
        sample_ratio_p=ratio_p,
        covariate_p=covariate_p,
        assumptions=ASSUMPTIONS,
        notes=notes,
    )


def compared(
    moments: Moments,
    values: Array,
    variances: Array,
    units: Array,
    counted: str,
    correction: Correction,
    confidence: float,
) -> tuple[ArmEffect, ...]:
    """Compare every arm with the first."""
    control, own = float(values[0]), variances[1:]
    df = welch_df(variances, moments.n)
    critical = critical_values(own, variances[0], df, confidence, correction)
    difference = values[1:] - control
    error = np.sqrt(own + variances[0])
    t = np.divide(difference, error, out=np.zeros_like(error), where=error > 0)
    p_values = corrected_p_values(t, own, variances[0], df, correction)
    lifts = relative_lift(values, variances) if control > 0 else None
    arms = []
    for row, label in enumerate(moments.group[1:].tolist()):
        known = {"df": df[row], "confidence": confidence, "critical": critical[row]}
        lift = missing_estimate(confidence=confidence, per="control value")
        if lifts is not None:
            lift = estimate(lifts[0][row], lifts[1][row], units=1, per="control value", p_value=p_values[row], **known)
        arms.append(
            ArmEffect(
                arm=label,
                n=int(moments.n[row + 1]),
                value=float(values[row + 1]),
                control_value=control,
                effect=estimate(
                    difference[row], error[row], units=units[row], per=counted, p_value=p_values[row], **known
                ),
                lift=lift,
                assumptions=ASSUMPTIONS,
            )
        )
    return tuple(arms)


def arm_row(each: ArmEffect) -> dict[str, Any]:
    """Return an arm as plain values."""
    row: dict[str, Any] = {"arm": each.arm, "n": each.n, "value": each.value, "control_value": each.control_value}
    row |= {"effect": each.effect.value, **{f"effect_{name}": getattr(each.effect, name) for name in SHOWN}}
    return row | {"lift": each.lift.value, "lift_lower": each.lift.lower, "lift_upper": each.lift.upper}
