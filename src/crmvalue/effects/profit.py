"""From an effect to money: revenue times margin less the cost of the campaign, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmvalue._core.checks import require_number
from crmvalue._core.distributions import t_tail, t_tail_quantile
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue.effects.estimate import Estimate, HasEffect, read_effect

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("revenue", "profit", "roi")
OWN_ASSUMPTIONS = (
    "The margin and the cost are known; only the effect is uncertain.",
    "What was not sold later because it was sold now (pulled forward) lies within the time that was measured.",
)
BARE = ("The estimate passed in is an effect: caused by what was spent.",)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IncrementalProfit:
    """What the spending added, after the cost of goods and of the spending itself. Money in one currency."""

    revenue: float  # effect times units: outcome that would not have come without the spending
    revenue_lower: float
    revenue_upper: float
    cost: float  # of the campaign
    margin: float  # share of revenue that is kept, or money kept per unit of the outcome
    profit: float  # revenue times margin, less cost
    profit_lower: float
    profit_upper: float
    roi: float  # profit / cost; NaN if the cost is 0
    roi_lower: float
    roi_upper: float
    chance_it_pays: float  # that the profit is above 0, as the t distribution around the effect has it
    break_even_effect: float  # effect per unit at which the profit is 0
    effect: Estimate  # from which all this is computed
    units: float  # that the effect was multiplied by
    assumptions: tuple[str, ...]  # what must hold
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure: its name, value and interval."""
        import pandas as pd

        columns = {"figure": list(FIGURES)}
        ends = {end: [getattr(self, f"{name}{end}") for name in FIGURES] for end in ("", "_lower", "_upper")}
        return pd.DataFrame({**columns, "value": ends[""], "lower": ends["_lower"], "upper": ends["_upper"]})


def incremental_profit(
    effect: HasEffect | Estimate, *, margin: float, cost: float, units: float | None = None
) -> IncrementalProfit:
    """Profit and return of what an effect brought: revenue times margin less cost, never revenue alone.

    Parameters
    ----------
    effect : result or Estimate
        From `experiment_effect` (or one of its arms), `difference_in_differences`, `interrupted_series`,
        `before_after` or `uplift_depth`, with an outcome in money per unit; or an Estimate of it.
    margin : float
        Share of the revenue that is kept, 0.3 for 30 %; if the outcome is a count, the money kept for each; 1 if the
        outcome already is a contribution. Above 0.
    cost : float
        All that was spent on the campaign for these units, at least 0.
    units : float, optional
        How many units the effect is multiplied by. By default those that were treated.

    Returns
    -------
    IncrementalProfit
        Revenue, profit and return with their intervals, the chance that it pays, and the effect at which it would break
        even.

    Raises
    ------
    InputError
        If the margin is not above 0, the cost is negative, or the effect could not be estimated.

    Notes
    -----
    ``profit = effect * units * margin - cost`` and ``roi = profit / cost``; the interval of the effect gives
    theirs.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmvalue.effects.experiment import experiment_effect
    >>> spend = pd.DataFrame({"arm": ["mail"] * 2 + ["none"] * 2, "spend": [10.0, 14.0, 7.0, 9.0]})
    >>> result = experiment_effect(spend, outcome="spend", control="none")
    >>> paid = incremental_profit(result, margin=0.5, cost=2.0)
    >>> paid.revenue, paid.profit, paid.roi  # 4 more for each of 2; half of 8 is kept; less 2
    (8.0, 2.0, 1.0)
    """
    margin = require_number("margin", margin, above=0)
    cost = require_number("cost", cost, at_least=0)
    found = read_effect(effect)
    number = require_number("units", found.units if units is None else units, above=0)
    per_unit = margin * number
    reach = (found.lower, found.value, found.upper)
    profits = [per_unit * each - cost for each in reach]
    returns = [profit / cost if cost > 0 else math.nan for profit in profits]
    assumptions = BARE if isinstance(effect, Estimate) else effect.assumptions
    error = found.std_error * per_unit
    pays = 1 - t_tail(profits[1] / error, found.df) if error > 0 else float(profits[1] > 0)
    return IncrementalProfit(
        revenue=reach[1] * number,
        revenue_lower=reach[0] * number,
        revenue_upper=reach[2] * number,
        cost=cost,
        margin=margin,
        profit=profits[1],
        profit_lower=profits[0],
        profit_upper=profits[2],
        roi=returns[1],
        roi_lower=returns[0],
        roi_upper=returns[2],
        chance_it_pays=pays,
        break_even_effect=cost / per_unit,
        effect=found,
        units=number,
        assumptions=(*assumptions, *OWN_ASSUMPTIONS),
        notes=notes_on(profits, cost, corrected=is_corrected(found)),
    )


def is_corrected(found: Estimate) -> bool:
    """Whether the interval is wider than that of one comparison alone."""
    own = t_tail_quantile((1 - found.confidence) / 2, found.df) * found.std_error
    return found.upper - found.value > own * (1 + 1e-9)


def notes_on(profits: list[float], cost: float, *, corrected: bool) -> tuple[str, ...]:
    """Say why the return is missing, and whether the interval holds both a gain and a loss."""
    notes = []
    if not cost > 0:
        notes.append("The cost is 0: the return on it is undefined.")
    if profits[0] < 0 < profits[2]:
        notes.append("The interval of the profit holds both a loss and a gain: the data do not tell which it is.")
    if corrected:
        notes.append("The intervals allow for several arms; the chance that it pays speaks of this arm alone.")
    return tuple(notes)
