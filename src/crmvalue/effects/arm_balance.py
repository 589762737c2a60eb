"""Whether chance made the arms of an experiment: their sizes against the plan, and a covariate that should be alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crmvalue._core.checks import require_rows
from crmvalue._core.distributions import chi_squared_tail
from crmvalue._core.types import AnyArray
from crmvalue.effects.units import Moments
from crmvalue.errors import InputError

MISMATCH_LEVEL = 0.001  # sizes and covariate are checked at every look: a stricter level than that of effects


def sample_ratio(moments: Moments, planned: Mapping[Any, float] | None) -> tuple[float, tuple[str, ...]]:
    """Test the sizes of the arms against the plan by chi-squared; say so if they do not fit."""
    labels: AnyArray = moments.group
    shares = np.full(len(labels), 1.0)
    if planned is not None:
        missing = [label for label in labels.tolist() if label not in planned]
        unknown = [label for label in planned if label not in labels.tolist()]
        if missing or unknown:
            odd = ", ".join(map(repr, missing or unknown))
            raise InputError(
                f"planned_shares: {odd} {'is missing' if missing else 'is no arm'}. Pass one share an arm."
            )
        shares = np.array([float(planned[label]) for label in labels.tolist()])
        require_rows(
            np.isfinite(shares) & (shares > 0),
            "planned_shares",
            "share not above 0",
            "Pass 0.5 for one half.",
            labels=labels,
            label="arm",
        )
    expected = moments.n.sum() * shares / shares.sum()
    p_value = chi_squared_tail(float(((moments.n - expected) ** 2 / expected).sum()), len(labels) - 1)
    if p_value >= MISMATCH_LEVEL:
        return p_value, ()
    sizes = ", ".join(
        f"{label!r} {n:,} of {e:,.0f} planned"
        for label, n, e in zip(labels.tolist(), moments.n.tolist(), expected.tolist(), strict=True)
    )
    note = f"The arms do not have the planned sizes ({sizes}; p = {p_value:.1g}). "
    return p_value, (note + "Units may be lost in one arm more than in another: find out before using the effect.",)


def imbalance(moments: Moments, covariate: str, p_value: float) -> str:
    """Say how far the arms are apart in what chance should have made alike."""
    means = zip(moments.group.tolist(), moments.mean[:, 2].tolist(), strict=True)
    shown = ", ".join(f"{label!r} {mean:,.4g}" for label, mean in list(means)[:5])
    return (
        f"The arms differ in {covariate!r} by more than chance (means: {shown}; p = {p_value:.1g}). Chance did not "
        "make them: the effect may be that difference, and the covariate need not take all of it away."
    )


def balance_p(moments: Moments) -> float:
    """Chance of arms at least so different in the covariate, had chance made them: Wald's test of equal means."""
    variances = moments.covariance[:, 2, 2] / moments.n
    away = moments.mean[:, 2] - moments.mean[0, 2]
    if not variances.all():  # an arm in which the covariate does not vary has no error
        return float("nan")
    weight = 1 / variances
    middle = weight @ away / weight.sum()
    return chi_squared_tail(float(weight @ (away - middle) ** 2), len(away) - 1)
