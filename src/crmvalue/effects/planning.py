"""How large an experiment must be to see what matters, and what an experiment of a given size can see.

References
----------
Cohen (1988) "Statistical power analysis for the behavioral sciences", 2nd edition. Routledge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.distributions import chance_beyond
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue.effects.arms import welch_df
from crmvalue.effects.estimate import require_confidence
from crmvalue.effects.families import CORRECTIONS, Correction, critical_values
from crmvalue.effects.units import whole
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 2  # units in an arm: a variance needs two
MOST = 2.0**50  # units; more is an effect of nothing
FEW_CASES = 10  # of yes or of no in an arm; with fewer the normal approximation of a share is rough
CLOSE = 1e-10  # share of a number that was searched for
HALVINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentPlan:
    """An experiment before it begins: how many units, and what they can show."""

    units: int  # in all
    arm_units: int  # in each arm
    control_units: int  # in the control
    arms: int  # beside the control
    effect: float  # difference of an arm from the control that the plan can see, in the unit of the outcome
    power: float  # chance that the interval of an arm leaves out 0, if its effect is that large
    interval_reach: float  # how far the interval will reach to either side, about
    confidence: float  # of the intervals
    correction: Correction  # how intervals allow for several arms
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure."""
        import pandas as pd

        return pd.DataFrame({"figure": FIGURES, "value": [getattr(self, name) for name in FIGURES]})


FIGURES = ("units", "arm_units", "control_units", "arms", "effect", "power", "interval_reach", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """All of an experiment but its size and its effect."""

    sd: float | None  # of the outcome within an arm
    rate: float | None  # share of yes in the control, if the outcome is yes or no
    left: float  # share of the variance that a covariate leaves
    arms: int
    control_ratio: float  # units of the control for each unit of an arm
    confidence: float
    correction: Correction


def experiment_size(
    effect: float,
    *,
    sd: float | None = None,
    rate: float | None = None,
    power: float = 0.8,
    arms: int = 1,
    control_share: float | None = None,
    variance_reduction: float = 0.0,
    confidence: float = 0.95,
    correction: Correction = "dunnett",
) -> ExperimentPlan:
    """Size of an experiment that shows an effect with a given chance.

    Parameters
    ----------
    effect : float
        Smallest effect that matters, in the unit of the outcome: such as the `break_even_effect` of
        `incremental_profit`, or 0.01 for one point of a share. Not 0.
    sd : float, optional
        Standard deviation of the outcome among units, from the past; above 0.
    rate : float, optional
        Instead, if the outcome is yes or no: the share of yes without treatment, between 0 and 1.
    power : float
        Chance to show the effect if it is there; above 1 - confidence, below 1.
    arms : int
        Arms beside the control.
    control_share : float, optional
        Share of all units in the control; the arms share the rest evenly. By default as many as in an arm.
    variance_reduction : float
        Share of the variance that a covariate takes away, as `ExperimentEffect.variance_reduction` of an earlier one.
    confidence : float
        Of the intervals.
    correction : {"dunnett", "bonferroni", "none"}
        How intervals allow for several arms.

    Returns
    -------
    ExperimentPlan
        Units in all, in each arm and in the control, and the power they have.

    Raises
    ------
    InputError
        If a number is out of its range, not one of `sd` and `rate` is passed, or the effect is too small for any size.

    See Also
    --------
    detectable_effect : the other way round.
    experiment_effect : what the experiment showed.

    Notes
    -----
    The test is that of `experiment_effect`: the difference over ``sqrt(var_arm / n_arm + var_control / n_control)``
    follows a noncentral t distribution with Welch's degrees of freedom, and the power is its chance beyond the critical
    value on either side. A share p has the variance ``p (1 - p)``. Of several arms, the power is that of one.

    Examples
    --------
    >>> plan = experiment_size(5.0, sd=10.0)  # half a standard deviation: 64 in each, as in Cohen (1988), table 2.4.1
    >>> plan.arm_units, plan.control_units, round(plan.power, 3)
    (64, 64, 0.801)
    """
    design = read_design(sd, rate, arms, control_share, variance_reduction, confidence, correction)
    change = read_effect_size(effect, design)
    wanted = require_number("power", power, above=1 - design.confidence)
    if not wanted < 1:
        raise InputError(f"power: got {power!r}. Pass a chance below 1, 0.8 for 80 %.")
    if power_of(design, change, MOST) < wanted:
        raise InputError(f"effect: {change:g} is too small for an experiment of any size. Pass a larger one.")
    fewest = max(FEWEST, FEWEST / design.control_ratio)
    return plan_of(design, change, math.ceil(smallest(lambda n: power_of(design, change, n) >= wanted, fewest, MOST)))


def detectable_effect(
    units: int,
    *,
    sd: float | None = None,
    rate: float | None = None,
    power: float = 0.8,
    arms: int = 1,
    control_share: float | None = None,
    variance_reduction: float = 0.0,
    confidence: float = 0.95,
    correction: Correction = "dunnett",
) -> ExperimentPlan:
    """Smallest effect that an experiment with so many units shows with a given chance.

    Parameters
    ----------
    units : int
        Units in all, arms and control together.
    sd : float, optional
        Standard deviation of the outcome among units, from the past; above 0.
    rate : float, optional
        Instead, if the outcome is yes or no: the share of yes without treatment, between 0 and 1.
    power : float
        Chance to show the effect if it is there; above 1 - confidence, below 1.
    arms : int
        Arms beside the control.
    control_share : float, optional
        Share of all units in the control; the arms share the rest evenly. By default as many as in an arm.
    variance_reduction : float
        Share of the variance that a covariate takes away.
    confidence : float
        Of the intervals.
    correction : {"dunnett", "bonferroni", "none"}
        How intervals allow for several arms.

    Returns
    -------
    ExperimentPlan
        The effect, and the units it was computed with; a few that do not divide evenly are left out.

    Raises
    ------
    InputError
        If a number is out of its range, not one of `sd` and `rate` is passed, an arm would have fewer than two units,
        or a share could not rise that much.

    See Also
    --------
    experiment_size : the other way round.

    Examples
    --------
    >>> round(detectable_effect(128, sd=10.0).effect, 2)  # 64 in each arm see half a standard deviation
    4.99
    """
    design = read_design(sd, rate, arms, control_share, variance_reduction, confidence, correction)
    wanted = require_number("power", power, above=1 - design.confidence)
    if not wanted < 1:
        raise InputError(f"power: got {power!r}. Pass a chance below 1, 0.8 for 80 %.")
    n = math.floor(whole("units", units) / (design.arms + design.control_ratio) + 1e-9)
    if n < FEWEST or design.control_ratio * n < FEWEST:
        raise InputError(f"units: {units:,} leave fewer than {FEWEST} in an arm. Pass more units, or fewer arms.")
    most = 1 - design.rate if design.rate is not None else float(design.sd or 0.0) * MOST
    if power_of(design, most * (1 - 1e-9), n) < wanted:
        raise InputError(f"units: {units:,} cannot show any effect with a chance of {wanted:g}. Pass more units.")
    change = smallest(lambda size: power_of(design, size, n) >= wanted, 0.0, most * (1 - 1e-9))
    return plan_of(design, change, n)


def read_design(
    sd: float | None,
    rate: float | None,
    arms: int,
    control_share: float | None,
    variance_reduction: float,
    confidence: float,
    correction: Correction,
) -> Design:
    """Check what is known of the experiment but its size and effect."""
    if (sd is None) == (rate is None):
        raise InputError("sd, rate: pass one of them: sd of an amount, rate of a yes or no.")
    if rate is not None and not 0 < require_number("rate", rate, above=0) < 1:
        raise InputError(f"rate: got {rate!r}. Pass a share below 1, 0.05 for 5 %.")
    taken = require_number("variance_reduction", variance_reduction, at_least=0)
    if not taken < 1:
        raise InputError(f"variance_reduction: got {variance_reduction!r}. Pass a share below 1.")
    number = whole("arms", arms)
    share = 1 / (number + 1) if control_share is None else require_number("control_share", control_share, above=0)
    if not share < 1:
        raise InputError(f"control_share: got {control_share!r}. Pass a share below 1, 0.5 for one half.")
    require_option("correction", correction, CORRECTIONS)
    return Design(
        sd=None if sd is None else require_number("sd", sd, above=0),
        rate=rate,
        left=1 - taken,
        arms=number,
        control_ratio=1.0 if control_share is None else share * number / (1 - share),
        confidence=require_confidence(confidence),
        correction=correction,
    )


def read_effect_size(effect: float, design: Design) -> float:
    """Return the effect, or raise InputError if it is 0 or leads to no share."""
    change = require_number("effect", effect)
    if change == 0:
        raise InputError("effect: got 0. No experiment shows that; pass the smallest effect that matters.")
    if design.rate is not None and not 0 < design.rate + change < 1:
        raise InputError(
            f"effect: a rate of {design.rate:g} would become {design.rate + change:g}. Pass points: 0.01 for one."
        )
    return change


def power_of(design: Design, effect: float, n: float) -> float:
    """Return the chance to show the effect with n units in each arm."""
    error, df, critical = error_of(design, effect, n)
    return chance_beyond(critical, df, abs(effect) / error)


def error_of(design: Design, effect: float, n: float) -> tuple[float, float, float]:
    """Return standard error, degrees of freedom and critical t of an arm's difference from the control."""
    shares = [] if design.rate is None else [design.rate, design.rate + effect]
    spreads = [share * (1 - share) for share in shares] or [float(design.sd or 0.0) ** 2] * 2
    sizes = np.array([design.control_ratio * n] + [n] * design.arms)
    variances = design.left * np.array([spreads[0]] + [spreads[1]] * design.arms) / sizes
    df = welch_df(variances, sizes)
    critical = critical_values(variances[1:], float(variances[0]), df, design.confidence, design.correction)
    return math.sqrt(variances[0] + variances[1]), float(df[0]), float(critical[0])


def smallest(is_enough: Callable[[float], bool], low: float, high: float) -> float:
    """Return the smallest number that is enough, where all larger ones are; `high` is."""
    if is_enough(low):
        return low
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high) if low > 0 and high > 4 * low else 0.5 * (low + high)
        if high - low <= CLOSE * high:
            break
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def plan_of(design: Design, effect: float, n: int) -> ExperimentPlan:
    """Return the plan of an effect with n units in each arm."""
    control = math.ceil(design.control_ratio * n - 1e-9)
    error, _, critical = error_of(design, effect, n)
    known = f"a standard deviation of {design.sd:g}" if design.rate is None else f"a share of {design.rate:.3%}"
    notes = []
    if design.rate is not None:
        cases = min(n, control) * min(p for q in (design.rate, design.rate + effect) for p in (q, 1 - q))
        if cases < FEW_CASES:
            notes.append(f"Only about {cases:.1f} cases are expected in the smallest group: the power is rough.")
    if design.arms > 1:
        notes.append("The power is that of one arm: that all of several effects are shown is less likely.")
    return ExperimentPlan(
        units=design.arms * n + control,
        arm_units=n,
        control_units=control,
        arms=design.arms,
        effect=effect,
        power=power_of(design, effect, n),
        interval_reach=critical * error,
        confidence=design.confidence,
        correction=design.correction,
        assumptions=(
            f"The outcome has {known} without treatment, as in the past it was taken from.",
            f"A covariate takes {1 - design.left:.0%} of the variance away." if design.left < 1 else "No covariate.",
            "Chance alone decides which unit is in which arm, and the end is planned: looking at the result again and "
            "again, until it pleases, finds effects that are none.",
        ),
        notes=tuple(notes),
    )
