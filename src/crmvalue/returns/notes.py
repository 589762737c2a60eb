"""What a reader of a return must know."""

from __future__ import annotations

import math

from crmvalue._core.frames import AnyFrame
from crmvalue.errors import InputError
from crmvalue.finance.internal_rate import InternalRates
from crmvalue.returns.benefits import Benefits
from crmvalue.returns.guards import savings_on_both_sides


def notes_on_figures(figures: dict[str, float], rates: InternalRates) -> tuple[str, ...]:
    """Say why figures are missing, and whether a payback did not last."""
    notes = []
    cost, pv_cost = figures["total_cost"], figures["pv_cost"]
    if not cost > 0:
        notes.append(f"The costs add up to {cost:,.2f}, not above 0: return on investment is undefined.")
    if not pv_cost > 0:
        notes.append(f"The present value of the costs is {pv_cost:,.2f}, not above 0: the ratios to it are undefined.")
    if figures["net_benefit"] < 0 and math.isfinite(figures["payback"]):
        notes.append("The costs were covered for a time, but not at the end: the payback does not last.")
    if len(rates.rates) > 1:
        notes.extend(rates.notes)
    return tuple(notes)


def notes_on_overlap(benefits: Benefits, opened: AnyFrame, costs: AnyFrame, date: str, amount: str) -> tuple[str, ...]:
    """Say what counts twice; a saving that is also a credit in the costs is refused unless that is allowed."""
    notes = [f"Counted although it may be no further benefit: {overlap}." for overlap in benefits.overlaps]
    both = savings_on_both_sides(opened, costs, date, amount)
    if both and not benefits.overlap_allowed:
        raise InputError(
            f"benefits: a cost saving is also a credit of the same amount in the costs ({'; '.join(both)}), and would "
            "count twice. Drop one of the two, or prepare the benefits with allow_overlap=True."
        )
    if both:
        notes.append(f"Cost savings that are also credits in the costs count twice: {'; '.join(both)}.")
    return tuple(notes)
