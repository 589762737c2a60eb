"""Retention rates of one cohort whose survivors were counted, and the rate of all ages pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.retention.shares import share_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurvivorRates:
    """What the survivors of a cohort say about retention."""

    survivors: Array  # customers at age 0, 1, ..., shape (k,)
    survival: Array  # share of age 0, shape (k,)
    retention: Array  # share of those of the age before who stayed, shape (k - 1,); missing after the last has left
    pooled: float  # stayed / could have stayed, over all ages

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row an age; retention is of those of the age before, and missing at age 0."""
        import pandas as pd

        return pd.DataFrame(
            {
                "age": np.arange(len(self.survivors)),
                "survivors": self.survivors,
                "survival": self.survival,
                "retention": np.append(np.nan, self.retention),
            }
        )

    @property
    def churn(self) -> Array:
        """Share of those of the age before who left, shape (k - 1,)."""
        return 1 - self.retention


def survivor_rates(survivors: ArrayLike) -> SurvivorRates:
    """Retention rates of a cohort from the number still there at each age.

    Parameters
    ----------
    survivors : array_like, shape (n_ages,)
        Customers of the cohort still there at age 0, 1, ...; never rising, the first above 0.

    Returns
    -------
    SurvivorRates
        Survival, retention of each age, and the pooled retention rate.

    Raises
    ------
    InputError
        If there are fewer than two ages, a number is missing or negative, or survivors rise.

    Notes
    -----
    The pooled rate weights each age by those who could leave. The plain mean of the rates gives the few who are left
    at a high age the weight of the many at the start, and is the churn of nobody.

    References
    ----------
    Fader & Hardie (2007) "How to project customer retention", Journal of Interactive Marketing 21(1),
    https://doi.org/10.1002/dir.20074

    Examples
    --------
    >>> rates = survivor_rates([1000, 631, 468, 382, 326])
    >>> rates.retention.round(3)
    array([0.631, 0.742, 0.816, 0.853])
    >>> round(rates.pooled, 4)
    0.7283
    """
    try:
        counts = np.asarray(survivors, dtype=float)
    except (TypeError, ValueError):
        raise InputError("survivors: not numbers. Pass the customers still there at age 0, 1, and so on.") from None
    if counts.ndim != 1 or len(counts) < 2 or not np.isfinite(counts).all() or not counts.min() >= 0 or counts[0] <= 0:
        raise InputError("survivors: pass at least two numbers, none missing or negative, the first above 0.")
    rises = np.flatnonzero(np.diff(counts) > 0)
    if len(rises):
        raise InputError(
            f"survivors: more at age {rises[0] + 1} ({counts[rises[0] + 1]:g}) than at age {rises[0]} "
            f"({counts[rises[0]]:g}). Survivors never rise: pass one cohort, and count who comes back apart."
        )
    survival, retention = counts / counts[0], share_of(counts[1:], counts[:-1])
    for array in (counts, survival, retention):
        array.flags.writeable = False
    return SurvivorRates(
        survivors=counts,
        survival=survival,
        retention=retention,
        pooled=float(counts[1:].sum() / counts[:-1].sum()),
    )
