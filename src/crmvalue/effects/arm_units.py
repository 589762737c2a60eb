"""The units of an experiment, checked: moments of outcome, denominator and covariate within each arm."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import Array, Frame
from crmvalue.effects.arms import pooled
from crmvalue.effects.units import (
    Moments,
    add_up,
    group_moments,
    read_number,
    require_one_group,
    require_present,
    require_rows_there,
)
from crmvalue.errors import InputError

FLAT = 1e-24  # variance over squared mean that is rounding, not variation


def read_moments(
    frame: Frame, outcome: str, arm: str, per: str | None, covariate: str | None, unit: str | None
) -> Moments:
    """Check the frame and return the moments of outcome, denominator and covariate within each arm."""
    if covariate is not None and covariate in (outcome, per):
        raise InputError(f"covariate: {covariate!r} is compared itself. Pass something known before the experiment.")
    numbers = [name for name in (outcome, per, covariate) if name is not None]
    needed = list(dict.fromkeys([arm, *numbers, *([unit] if unit else [])]))
    rows: AnyFrame = frames.open_frame(frame, needs=needed).select(*needed)
    require_rows_there(rows)
    require_present(rows, arm, f"frame, column {arm!r}")
    for name in dict.fromkeys(numbers):
        rows = read_number(rows, name, "frame")
    if unit is not None:
        require_present(rows, unit, f"frame, column {unit!r}")
        summed = [name for name in dict.fromkeys(numbers) if name != covariate]
        rows = add_up(rows, [unit, arm], summed=summed, averaged=[covariate] if covariate else [])
        require_one_group(rows, unit, arm, f"frame, column {unit!r}")
    # three columns always: a missing denominator is 1, a missing covariate 0
    rows = rows.select(
        arm,
        _crm_y=nw.col(outcome),
        _crm_x=nw.col(per) if per else nw.col(outcome) * 0 + 1,
        _crm_c=nw.col(covariate) if covariate else nw.col(outcome) * 0,
    )
    moments = group_moments(rows, arm, ["_crm_y", "_crm_x", "_crm_c"])
    if covariate is not None and not pooled(moments.covariance[:, 2, 2], moments.n) > 0:
        raise InputError(f"frame, column {covariate!r}: does not vary within the arms. Leave the covariate out.")
    return moments


def control_first(moments: Moments, control: Any, arm: str) -> Moments:
    """Return the moments with the control as the first group."""
    labels = moments.group.tolist()
    if control not in labels:
        shown = ", ".join(map(repr, labels[:10]))
        raise InputError(f"control: no row has {control!r} in column {arm!r}. Labels there: {shown}.")
    if len(labels) == 1:
        raise InputError(f"frame, column {arm!r}: every row is in {control!r}. Pass at least one other arm.")
    at = labels.index(control)
    order = np.array([at, *(row for row in range(len(labels)) if row != at)])
    return Moments(
        group=moments.group[order], n=moments.n[order], mean=moments.mean[order], covariance=moments.covariance[order]
    )


def require_units(moments: Moments, arm: str) -> None:
    """Raise InputError unless each arm has two units."""
    remedy = "An interval needs at least 2 units in each arm: drop the arm or collect more."
    problem = "fewer than 2 units"
    require_rows(moments.n >= 2, f"frame, column {arm!r}", problem, remedy, labels=moments.group, label="arm")


def require_variation(values: Array, variances: Array, moments: Moments, outcome: str) -> None:
    """Raise InputError if the outcome is constant within every arm."""
    spread = float((variances * moments.n).max())
    if spread <= FLAT * float(np.abs(values).max()) ** 2:
        raise InputError(
            f"frame, column {outcome!r}: the outcome does not vary within the arms. Nothing then tells how far off a "
            "difference may be: check the column."
        )


def require_rest(variances: Array, raw: Array, covariate: str) -> None:
    """Raise InputError if the covariate leaves nothing of the outcome to chance."""
    if float(variances.max()) <= FLAT * 1e4 * float(raw.max()):
        raise InputError(
            f"covariate: {covariate!r} tells the whole outcome, as only something made from it can. "
            "Pass something known before the experiment."
        )
