"""Uplift: whom to contact, best first, and down to which customer it pays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.frames import AnyFrame
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, BoolArray, Frame, IntArray
from crmvalue.effects.estimate import Estimate, estimate, missing_estimate, require_confidence
from crmvalue.effects.units import read_number, require_rows_there
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ASSUMPTIONS = (
    "Chance alone decided who was contacted in the data, at every level of the score.",
    "The score was made without the outcomes of these customers.",
    "The customers to come are like these, and react like these.",
    "The contact costs the same for each customer, and the margin is the same on all they buy.",
)
CONTACTED = "customer contacted"
OPTIMISM = (
    "The best depth was looked for in the same data that value it: its profit is somewhat too high. "
    "Check it on customers who had no part in the choice."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpliftDepth:
    """What contacting the best part of the customers brings, for each size of that part."""

    depth: Array  # share of the customers contacted, best score first, ascending to 1; shape (k,)
    customers: IntArray  # the same as customers of the population, shape (k,)
    uplift: Array  # outcome per customer contacted less that of those left alone, down to the depth; shape (k,)
    incremental: Array  # uplift times customers contacted (the Qini curve), shape (k,)
    profit: Array  # incremental times margin, less the cost of the contacts; shape (k,)
    best_depth: float  # depth of the highest profit; 0 if contacting nobody is best
    best_customers: int  # customers to contact
    effect: Estimate  # uplift per customer down to that depth; NaN if nobody is contacted
    best_profit: Estimate  # profit at that depth; 0 without an interval if nobody is contacted
    profit_of_all: float  # profit if everybody is contacted
    qini: float  # area between the curve and the straight line, per customer; 0 for a score that knows nothing
    break_even_uplift: float  # uplift per contact that pays for it: contact cost / margin
    n_treated: int  # customers contacted in the data
    n_control: int
    assumptions: tuple[str, ...]  # what must hold
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a depth."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})


COLUMNS = ("depth", "customers", "uplift", "incremental", "profit")


def uplift_depth(
    frame: Frame,
    *,
    score: str,
    outcome: str,
    treated: str,
    margin: float,
    contact_cost: float,
    population: int | None = None,
    points: int = 100,
    confidence: float = 0.95,
) -> UpliftDepth:
    """Qini curve of a score, and the number of customers that it pays to contact.

    Parameters
    ----------
    frame : frame of any engine
        One row a customer of an experiment in which chance decided who was contacted.
    score : str
        Column of the score by which customers would be chosen, highest first: predicted uplift, or any rule.
    outcome : str
        Column of what the contact should raise, such as revenue or bought yes or no.
    treated : str
        Column that is 1 (or true) for customers who were contacted, and 0 for the others.
    margin : float
        Share of the revenue that is kept; if the outcome is a count, the money kept for each. Above 0.
    contact_cost : float
        Cost of one contact, at least 0.
    population : int, optional
        Customers who could be contacted. By default those in the frame.
    points : int
        Most depths to report; customers of equal score are contacted together or not at all.
    confidence : float
        Of the interval of the best profit.

    Returns
    -------
    UpliftDepth
        The curve, the best depth and its profit, the Qini coefficient, assumptions and notes.

    Raises
    ------
    InputError
        If fewer than two customers were contacted or left alone, the score is constant, or a value is missing.

    Notes
    -----
    Of the best share f of N customers, the uplift is the mean outcome of the contacted less that of the others;
    ``incremental = uplift * f * N`` and ``profit = margin * incremental - contact_cost * f * N``. The Qini coefficient
    is the area between incremental per customer and the straight line to its end [1]_. The interval of the best profit
    is Welch's at that depth.

    References
    ----------
    .. [1] Radcliffe (2007) "Using control groups to target on predicted lift", Direct Marketing Analytics Journal,
       14-21.

    Examples
    --------
    >>> import pandas as pd
    >>> mailed = pd.DataFrame({
    ...     "score": [2, 2, 2, 2, 1, 1, 1, 1], "mailed": [1, 1, 0, 0] * 2, "spend": [9.0, 7, 1, 3, 2, 4, 3, 3]
    ... })
    >>> found = uplift_depth(mailed, score="score", outcome="spend", treated="mailed", margin=0.5, contact_cost=1.0)
    >>> found.uplift  # 8 - 2 for the better half; 5.5 - 2.5 for all
    array([6., 3.])
    >>> found.best_customers, found.best_profit.value  # 4 customers times (0.5 * 6 - 1)
    (4, 8.0)
    """
    confidence = require_confidence(confidence)
    margin = require_number("margin", margin, above=0)
    contact_cost = require_number("contact_cost", contact_cost, at_least=0)
    points = int(require_number("points", points, at_least=2))
    scores, paid, is_treated = read_customers(frame, score, outcome, treated)
    n = len(paid) if population is None else int(require_number("population", population, at_least=1))
    ends, sums = cumulative(scores, paid, is_treated, points)
    n_t, n_c, y_t, y_c, yy_t, yy_c = sums
    known = (n_t >= 2) & (n_c >= 2)  # shallower, there is nobody to compare with
    known[-1] = True
    ends, (n_t, n_c, y_t, y_c, yy_t, yy_c) = ends[known], (each[known] for each in sums)
    depth, uplift = ends / len(paid), y_t / n_t - y_c / n_c
    incremental = uplift * depth * n
    profit = margin * incremental - contact_cost * depth * n
    variance = sample_variance(n_t, y_t, yy_t) / n_t + sample_variance(n_c, y_c, yy_c) / n_c
    at = int(np.argmax(profit))
    pays = profit[at] > 0
    reach, error = depth[at] * n if pays else 0.0, math.sqrt(variance[at])
    normal: dict[str, float] = {"df": math.inf, "confidence": confidence}
    per_customer = np.append(0.0, uplift * depth)
    area = 0.5 * np.diff(depth, prepend=0.0) @ (per_customer[1:] + per_customer[:-1])
    return UpliftDepth(
        depth=depth,
        customers=np.rint(depth * n).astype(np.int64),
        uplift=uplift,
        incremental=incremental,
        profit=profit,
        best_depth=float(depth[at]) if pays else 0.0,
        best_customers=round(reach),
        effect=estimate(uplift[at], error, units=reach, per=CONTACTED, **normal)
        if pays
        else missing_estimate(confidence=confidence, per=CONTACTED),
        best_profit=estimate(profit[at] if pays else 0.0, margin * reach * error, units=1, per="campaign", **normal),
        profit_of_all=float(profit[-1]),
        qini=float(area - 0.5 * uplift[-1]),
        break_even_uplift=contact_cost / margin,
        n_treated=int(is_treated.sum()),
        n_control=int((~is_treated).sum()),
        assumptions=ASSUMPTIONS,
        notes=(OPTIMISM,) if pays else ("At no depth does the contact pay for itself: contact nobody.",),
    )


def read_customers(frame: Frame, score: str, outcome: str, treated: str) -> tuple[Array, Array, BoolArray]:
    """Check the customers and return score, outcome and whether each was contacted."""
    needed = [score, outcome, treated]
    rows: AnyFrame = frames.open_frame(frame, needs=needed).select(*dict.fromkeys(needed))
    require_rows_there(rows)
    for column in dict.fromkeys(needed):
        rows = read_number(rows, column, "frame")
    scores, paid, contacted = (frames.as_float(each) for each in frames.to_arrays(rows, needed).values())
    binary = np.isin(contacted, (0.0, 1.0))
    require_rows(binary, f"frame, column {treated!r}", "not 0 or 1", "Pass 1 for contacted customers, else 0.")
    for value, group in ((1.0, "contacted"), (0.0, "left alone")):
        k = int((contacted == value).sum())
        if k < 2:
            raise InputError(
                f"frame, column {treated!r}: {k} customers were {group}. Keep a control: at least 2 of both."
            )
    if scores.min() == scores.max():
        raise InputError(
            f"frame, column {score!r}: every customer has the score {scores[0]:g}. Pass a score that ranks."
        )
    return scores, paid, contacted == 1.0


def cumulative(
    scores: Array, paid: Array, treated: BoolArray, points: int
) -> tuple[IntArray, tuple[Array, Array, Array, Array, Array, Array]]:
    """Count customers down to each depth; counts, sums and squared sums of the contacted and of the others there."""
    order = np.argsort(-scores, kind="stable")
    ranked, paid, treated = scores[order], paid[order], treated[order]
    last_of_score = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    wanted = np.ceil(np.arange(1, points + 1) * len(ranked) / points).astype(np.int64) - 1
    ends = np.unique(last_of_score[np.searchsorted(last_of_score, wanted)])
    centred = paid - paid.mean()  # differences of means and variances do not change by it
    parts = [group * power for power in (np.ones(len(paid)), centred, centred**2) for group in (treated, ~treated)]
    n_t, n_c, y_t, y_c, yy_t, yy_c = (np.cumsum(part)[ends] for part in parts)
    return ends + 1, (n_t, n_c, y_t, y_c, yy_t, yy_c)


def sample_variance(n: Array, total: Array, squares: Array) -> Array:
    """Variance with n - 1 below the line, from sums."""
    found: Array = np.maximum(squares - total**2 / n, 0.0) / np.maximum(n - 1, 1)
    return found
