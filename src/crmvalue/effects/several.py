"""Several effects looked at together: the more one looks at, the more look large by chance alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.distributions import t_tail, t_tail_quantile
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, BoolArray
from crmvalue.effects.estimate import Estimate, HasEffect, read_effect, require_confidence
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Looks: TypeAlias = Literal["holm", "bonferroni", "false discovery"]
LOOKS: tuple[Looks, ...] = ("holm", "bonferroni", "false discovery")
MEANING = {
    "holm": "The chance that one or more of effects that are none stands is at most {level:.3g}, however they depend "
    "on each other.",
    "bonferroni": "The chance that one or more of effects that are none stands is at most {level:.3g}, however they "
    "depend on each other.",
    "false discovery": "Of the effects that stand, a share of at most {level:.3g} is none, on average, if the effects "
    "are independent of each other or move together.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffectComparison:
    """Each of several effects, corrected for how many there are."""

    names: tuple[Any, ...]  # k of them, in the order that they came
    effect: Array  # shape (k,)
    lower: Array  # corrected interval, shape (k,)
    upper: Array
    p_value: Array  # of each alone, two-sided, shape (k,)
    corrected_p: Array  # shape (k,)
    stands: BoolArray  # whether the corrected p value is at most 1 - confidence, shape (k,)
    confidence: float  # of all intervals together
    correction: Looks
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]  # how many stand, of how many

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row an effect."""
        import pandas as pd

        columns = ("effect", "lower", "upper", "p_value", "corrected_p", "stands")
        return pd.DataFrame({"name": self.names, **{name: getattr(self, name) for name in columns}})


def compare_effects(
    effects: Mapping[Any, HasEffect | Estimate], *, correction: Looks = "holm", confidence: float = 0.95
) -> EffectComparison:
    """Which of several effects stand, when one allows for having looked at all of them.

    Parameters
    ----------
    effects : mapping of name to result or Estimate
        Such as the difference in differences of each campaign: every effect that was looked at, also those that showed
        nothing.
    correction : {"holm", "bonferroni", "false discovery"}
        What is kept small: the chance of any false alarm (Holm, which is never weaker than Bonferroni), or the share
        of false alarms among the effects that stand (Benjamini & Hochberg), for a first look at many.
    confidence : float
        Of all intervals together; an effect stands if its corrected p value is at most 1 - confidence.

    Returns
    -------
    EffectComparison
        Effects with corrected intervals and p values, and which of them stand.

    Raises
    ------
    InputError
        If there is no effect, one is no effect or could not be estimated, or an option is wrong.

    See Also
    --------
    experiment_effect : arms of one experiment, which share a control.

    Notes
    -----
    With the k p values in ascending order, Holm [1]_ multiplies the i-th by ``k - i + 1``, Bonferroni each by k, and
    Benjamini & Hochberg [2]_ the i-th by ``k / i``; each is then at least (at most) those before (after) it. Intervals
    have the confidence ``1 - (1 - confidence) / k`` each, so that all hold at once; of the false discovery rate
    ``1 - (1 - confidence) R / k`` with R effects that stand [3]_. A Holm p value may stand where its interval, which is
    Bonferroni's, just holds 0.

    References
    ----------
    .. [1] Holm (1979) "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
       6(2).
    .. [2] Benjamini & Hochberg (1995) "Controlling the false discovery rate", Journal of the Royal Statistical Society
       B 57(1). https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    .. [3] Benjamini & Yekutieli (2005) "False discovery rate-adjusted multiple confidence intervals for selected
       parameters", JASA 100(469). https://doi.org/10.1198/016214504000001907

    Examples
    --------
    >>> from crmvalue.effects.estimate import estimate
    >>> def found(value):
    ...     return estimate(value, 1.0, df=float("inf"), confidence=0.95, units=1, per="customer")
    >>> table = compare_effects({"spring": found(2.2), "summer": found(3.1), "autumn": found(0.4)}).to_frame()
    >>> table[["name", "p_value", "corrected_p", "stands"]].round(4)  # 0.0019 times 3, 0.0278 times 2, 0.6892
         name  p_value  corrected_p  stands
    0  spring   0.0278       0.0556   False
    1  summer   0.0019       0.0058    True
    2  autumn   0.6892       0.6892   False
    """
    confidence = require_confidence(confidence)
    require_option("correction", correction, LOOKS)
    if not isinstance(effects, Mapping) or not effects:
        raise InputError("effects: got none. Pass a mapping of names to results or estimates.")
    found = [read_effect(each, f"effects[{name!r}]") for name, each in effects.items()]
    value, error = (np.array([getattr(each, name) for each in found]) for name in ("value", "std_error"))
    p_value = np.array([own_p_value(each) for each in found])
    corrected, level = corrected_p_values(p_value, correction), 1 - confidence
    stands = corrected <= level
    share = max(1, int(stands.sum())) if correction == "false discovery" else 1
    tail = level * share / len(found) / 2
    reach = error * np.array([t_tail_quantile(tail, each.df) for each in found])
    return EffectComparison(
        names=tuple(effects),
        effect=value,
        lower=value - reach,
        upper=value + reach,
        p_value=p_value,
        corrected_p=corrected,
        stands=stands,
        confidence=confidence,
        correction=correction,
        assumptions=(
            "All effects that were looked at are here, not the best of them alone.",
            MEANING[correction].format(level=level),
            "Each effect has its own assumptions; a correction for their number repairs none of them.",
        ),
        notes=(said(p_value, stands, level),),
    )


def own_p_value(found: Estimate) -> float:
    """Two-sided p value of an estimate alone; 0 or 1 if nothing is left to chance."""
    if not found.std_error > 0:
        return float(found.value == 0)
    return 2 * t_tail(abs(found.value) / found.std_error, found.df)


def corrected_p_values(p_value: Array, correction: Looks) -> Array:
    """Return the p values, each corrected for their number."""
    k, order = len(p_value), np.argsort(p_value, kind="stable")
    ascending, place = p_value[order], np.arange(1, len(p_value) + 1)
    if correction == "holm":
        raised = np.maximum.accumulate(ascending * (k - place + 1))
    elif correction == "bonferroni":
        raised = ascending * k
    else:
        raised = np.minimum.accumulate((ascending * k / place)[::-1])[::-1]
    found = np.empty(k)
    found[order] = np.minimum(raised, 1.0)
    return found


def said(p_value: Array, stands: BoolArray, level: float) -> str:
    """Say how many effects stand."""
    alone = int((p_value <= level).sum())
    return (
        f"{int(stands.sum())} of {len(p_value)} effects {'stands' if stands.sum() == 1 else 'stand'}. Alone, {alone} "
        f"would; without any effect at all, about {level * len(p_value):.1f} would by chance."
    )
