"""Was it worth it: what came back of the money spent on customers, with and without the price of time.

The machinery is in `crmvalue.returns` (benefits, views, groups, years), `crmvalue.finance` (cash-flow arithmetic) and
`crmvalue.risk` (what if, break-even, simulation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number, require_option
from crmvalue._core.periods import PERIODS
from crmvalue._core.plain import plain
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Day, Frame, Period
from crmvalue.costs import Ledger
from crmvalue.finance.daily_flow import daily_flow, flow_by_period
from crmvalue.finance.internal_rate import InternalRates
from crmvalue.returns.benefits import BenefitAudit, Benefits, prepare_benefits
from crmvalue.returns.figures import (
    FIGURES,
    VIEWS,
    flow_by_year,
    group_figures,
    internal_rates,
    view_figures,
)
from crmvalue.returns.notes import notes_on_figures
from crmvalue.returns.overlap import MECHANISMS
from crmvalue.returns.reading import first_day_number, read_sides, to_day
from crmvalue.risk.break_even import BreakEven, break_even
from crmvalue.risk.distributions import Distribution, beta, empirical, lognormal, normal, pert, triangular, uniform
from crmvalue.risk.simulation import SimulatedRoi, simulate_roi
from crmvalue.risk.what_if import ScenarioTable, Sensitivity, TwoWayTable, scenario_table, sensitivity, two_way_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MECHANISMS",
    "prepare_benefits",
    "Benefits",
    "BenefitAudit",
    "return_on_investment",
    "ReturnOnInvestment",
    "sensitivity",
    "Sensitivity",
    "scenario_table",
    "ScenarioTable",
    "two_way_table",
    "TwoWayTable",
    "break_even",
    "BreakEven",
    "simulate_roi",
    "SimulatedRoi",
    "Distribution",
    "triangular",
    "pert",
    "normal",
    "lognormal",
    "uniform",
    "beta",
    "empirical",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReturnOnInvestment:
    """Benefits against costs: the plain figures, the same at present value, and the cash flow behind them.

    Money is in the currency of the input, and the figures are of all benefits, direct and indirect, as they came.
    Columns of `cash_flow`: period (first day), benefit, cost, net (benefit less cost), cumulative (net so far),
    discounted (present value of net). All tables are in the engine of the benefits.
    """

    total_benefit: float  # sum of the benefits
    total_cost: float  # sum of the costs, credits taken off
    net_benefit: float  # benefit less cost
    roi: float  # net benefit / cost, 0.25 for 25 %; NaN if the cost is not above 0
    annualized_roi: float  # per year, compounding to `roi` from `start` to the last line; NaN over no time
    pv_benefit: float  # benefits at their value on `start`
    pv_cost: float  # costs at their value on `start`
    npv: float  # net present value: pv_benefit less pv_cost
    pv_roi: float  # npv / pv_cost; NaN if pv_cost is not above 0
    benefit_cost_ratio: float  # pv_benefit / pv_cost; NaN if pv_cost is not above 0
    irr: float  # internal rate of return per year; NaN unless there is exactly one, see `internal_rates`
    payback: float  # years from `start` until what came in first covers what went out; 0 if at once, inf if never
    discounted_payback: float  # the same at present value
    internal_rates: InternalRates  # every internal rate of return, and whether the cash flow is conventional
    cash_flow: Frame  # one row a period, in order, none left out
    years: Frame  # benefit, cost, net, cumulative and discounted by row: initial, year_1, ..., total, present_value
    views: Frame  # one row a view (direct, with indirect, risk-adjusted), one column a figure
    groups: Frame  # one row a group: its names, its figures, and its share of the cost; one row if there are none
    period: Period  # length of a period of `cash_flow`
    discount_rate: float  # per year
    start: np.datetime64  # day to which everything is discounted
    first_day: np.datetime64  # day of the earliest line that is not 0
    last_day: np.datetime64  # day of the latest line that is not 0
    benefit_lines: int  # lines of the benefits
    cost_lines: int  # lines of the costs
    notes: tuple[str, ...]  # what a reader must know: why a figure is missing, or payback does not last

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the figures rest on, in words."""
        return (
            f"Money is discounted at {self.discount_rate:.2%} a year to {self.start}, each amount from its own day; a "
            "year has 365.25 days.",
            f"{self.benefit_lines:,} lines of benefits and {self.cost_lines:,} of costs, from {self.first_day} to "
            f"{self.last_day}; benefits are all lines, direct and indirect, before any cut for risk.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, the tables, the assumptions and the notes as plain values."""
        tables = ("internal_rates", "cash_flow", "years", "views", "groups", "assumptions", "notes")
        figures = {name: plain(getattr(self, name)) for name in FIGURES}
        return {"figures": figures, **{name: plain(getattr(self, name)) for name in tables}}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure: its name and its value."""
        import pandas as pd

        return pd.DataFrame({"figure": FIGURES, "value": [getattr(self, name) for name in FIGURES]})


def return_on_investment(
    benefits: Benefits | Frame,
    costs: Ledger | Frame,
    *,
    discount_rate: float,
    start: Day | None = None,
    period: Period = "year",
    by: str | Sequence[str] | None = None,
    benefit_date: str = "date",
    benefit_amount: str = "amount",
    cost_date: str = "date",
    cost_amount: str = "amount",
    cost_risk_factor: str | None = None,
) -> ReturnOnInvestment:
    """Return on the money spent: simple and at present value side by side.

    Parameters
    ----------
    benefits : Benefits or frame of any engine
        Benefits from `prepare_benefits`, or a frame with one row a benefit, such as the contribution of orders. A
        negative amount takes off. The lines of a frame count as direct and sure.
    costs : Ledger or frame
        Costs from `prepare_ledger`, or a frame with one row a cost. A negative amount is a credit.
    discount_rate : float
        Cost of capital per year, 0.08 for 8 %; above -1.
    start : day, optional
        Day to which money is discounted and from which payback counts, not after the first line. By default the day
        of the first line that is not 0.
    period : {"year", "quarter", "month", "week"}
        Calendar periods of the cash-flow table; a week begins on Monday.
    by : str or sequence of str, optional
        Columns that benefits and costs both have, such as customer group, channel, product or campaign: the figures of
        each group are added. Costs that name no group are a group of their own.
    benefit_date, benefit_amount : str
        Columns of `benefits`, if it is a frame: dates, times or ISO text, and money in one currency.
    cost_date, cost_amount : str
        Columns of `costs`, if it is a frame; in the same currency.
    cost_risk_factor : str, optional
        Column of `costs` with the share by which a cost is raised in the risk-adjusted view, at least 0.

    Returns
    -------
    ReturnOnInvestment
        Figures, cash flow by period and by year, views and groups in the engine of `benefits`, and notes on what a
        reader must know.

    Raises
    ------
    InputError
        If a frame is empty, a column is missing or holds what it should not, a date or amount is missing,
        `discount_rate` is -1 or below, `start` is after the first line, the costs hold a charge for capital although
        money is discounted, or a cost saving is also a credit in the costs.

    Notes
    -----
    ``roi = (benefit - cost) / cost``, and ``(1 + roi) ** (1 / years) - 1`` per year, with the years from `start` to the
    last line. The present value of an amount is ``amount * (1 + discount_rate) ** (-days / 365.25)``, with the days
    from `start`; ``npv = pv_benefit - pv_cost``, ``pv_roi = npv / pv_cost`` and ``benefit_cost_ratio = pv_benefit /
    pv_cost``. Payback is the first day on which the benefits so far cover the costs so far after they have not. In the
    risk-adjusted view a benefit is ``amount * (1 - risk_factor)``, a cost ``amount * (1 + risk_factor)``. The return of
    groups, weighted by their shares of the cost, is the return of the whole.

    References
    ----------
    Brealey, Myers & Allen (2020) "Principles of Corporate Finance", 13th edition, chapters 2 and 5. McGraw-Hill.

    Examples
    --------
    >>> import pandas as pd
    >>> benefits = pd.DataFrame({"date": ["2024-06-01", "2025-06-01"], "amount": [60.0, 65.0]})
    >>> costs = pd.DataFrame({"date": ["2024-01-01"], "amount": [100.0]})
    >>> result = return_on_investment(benefits, costs, discount_rate=0.0)
    >>> result.roi, result.net_benefit
    (0.25, 25.0)
    >>> result.cash_flow[["period", "benefit", "cost", "cumulative"]]
          period  benefit   cost  cumulative
    0 2024-01-01     60.0  100.0       -40.0
    1 2025-01-01     65.0    0.0        25.0
    >>> result.years
             line  initial  year_1  year_2  total  present_value
    0     benefit      0.0    60.0    65.0  125.0          125.0
    1        cost    100.0     0.0     0.0  100.0          100.0
    2         net   -100.0    60.0    65.0   25.0           25.0
    3  cumulative   -100.0   -40.0    25.0    NaN            NaN
    4  discounted   -100.0    60.0    65.0   25.0           25.0
    """
    rate = require_number("discount_rate", discount_rate, above=-1)
    require_option("period", period, PERIODS)
    groups = (by,) if isinstance(by, str) else tuple(by or ())
    columns = (benefit_date, benefit_amount, cost_date, cost_amount)
    sides = read_sides(benefits, costs, by=groups, columns=columns, cost_risk_factor=cost_risk_factor, rate=rate)
    came, went = sides.came, sides.went
    origin, flow = first_day_number(came, went, start), daily_flow(came, went)
    rates = internal_rates(flow)
    views = view_figures(sides, rate, origin, rates)
    figures = views[1]
    names, by_group = group_figures(came, went, groups, rate, origin) if groups else ({}, [figures])
    shares = np.array([part["total_cost"] for part in by_group]) / (figures["total_cost"] or math.nan)
    return ReturnOnInvestment(
        **figures,
        internal_rates=rates,
        cash_flow=frames.like(flow_by_period(flow, rate, origin, period), sides.model),
        years=frames.like(flow_by_year(flow, rate, origin), sides.model),
        views=frames.like({"view": np.array(VIEWS, dtype=object), **table_of(views)}, sides.model),
        groups=frames.like({**names, **table_of(by_group), "cost_share": shares}, sides.model),
        period=period,
        discount_rate=rate,
        start=to_day(origin),
        first_day=to_day(flow.days[0]),
        last_day=to_day(flow.days[-1]),
        benefit_lines=came.lines,
        cost_lines=went.lines,
        notes=(*notes_on_figures(figures, rates), *sides.notes),
    )


def table_of(rows: Sequence[dict[str, float]]) -> dict[str, Array]:
    """Return one column a figure."""
    return {name: np.array([row[name] for row in rows]) for name in FIGURES}
