"""Was it worth it: what came back of the money spent on customers, with and without the price of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_number, require_option
from crmvalue._core.periods import PERIODS
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Day, Frame, Period
from crmvalue.costs import Ledger
from crmvalue.errors import InputError
from crmvalue.finance.daily_flow import daily_flow, discounted_sum, flow_by_period
from crmvalue.finance.dated_amounts import read_dated_amounts
from crmvalue.finance.exact_sums import exact_sum
from crmvalue.finance.payback import payback_years

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "total_benefit",
    "total_cost",
    "net_benefit",
    "roi",
    "pv_benefit",
    "pv_cost",
    "npv",
    "pv_roi",
    "benefit_cost_ratio",
    "payback",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReturnOnInvestment:
    """Benefits against costs: the plain figures, the same at present value, and the cash flow behind them.

    Money is in the currency of the input. Columns of `cash_flow`: period (first day), benefit, cost, net (benefit less
    cost), cumulative (net so far), discounted (present value of net). It is in the engine of the benefits.
    """

    total_benefit: float  # sum of the benefits
    total_cost: float  # sum of the costs, credits taken off
    net_benefit: float  # benefit less cost
    roi: float  # net benefit / cost, 0.25 for 25 %; NaN if the cost is not above 0
    pv_benefit: float  # benefits at their value on `start`
    pv_cost: float  # costs at their value on `start`
    npv: float  # net present value: pv_benefit less pv_cost
    pv_roi: float  # npv / pv_cost; NaN if pv_cost is not above 0
    benefit_cost_ratio: float  # pv_benefit / pv_cost; NaN if pv_cost is not above 0
    payback: float  # years from `start` until what came in first covers what went out; 0 if at once, inf if never
    cash_flow: Frame  # one row a period, in order, none left out
    period: Period  # length of a period of `cash_flow`
    discount_rate: float  # per year
    start: np.datetime64  # day to which everything is discounted
    first_day: np.datetime64  # day of the earliest line
    last_day: np.datetime64  # day of the latest line
    benefit_lines: int  # lines of the benefits
    cost_lines: int  # lines of the costs
    notes: tuple[str, ...]  # what a reader must know: why a figure is missing, or payback does not last

    __repr__ = result_text
    _repr_html_ = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure: its name and its value."""
        import pandas as pd

        return pd.DataFrame({"figure": FIGURES, "value": [getattr(self, name) for name in FIGURES]})


def return_on_investment(
    benefits: Frame,
    costs: Ledger | Frame,
    *,
    discount_rate: float,
    start: Day | None = None,
    period: Period = "year",
    benefit_date: str = "date",
    benefit_amount: str = "amount",
    cost_date: str = "date",
    cost_amount: str = "amount",
) -> ReturnOnInvestment:
    """Return on the money spent: simple and at present value side by side.

    Parameters
    ----------
    benefits : frame of any engine
        One row a benefit: its day and its amount, such as the contribution of orders. A negative amount takes off.
    costs : Ledger or frame
        Costs from `prepare_ledger`, or a frame with one row a cost. A negative amount is a credit.
    discount_rate : float
        Cost of capital per year, 0.08 for 8 %; above -1.
    start : day, optional
        Day to which money is discounted and from which payback counts, not after the first line. By default the day
        of the first line.
    period : {"year", "quarter", "month", "week"}
        Calendar periods of the cash-flow table; a week begins on Monday.
    benefit_date, benefit_amount : str
        Columns of `benefits`: dates, times or ISO text, and money in one currency.
    cost_date, cost_amount : str
        Columns of `costs`, if it is a frame; in the same currency.

    Returns
    -------
    ReturnOnInvestment
        Figures, the cash flow by period in the engine of `benefits`, and notes on what a reader must know.

    Raises
    ------
    InputError
        If a frame is empty, a column is missing or holds what it should not, a date or amount is missing,
        `discount_rate` is -1 or below, or `start` is after the first line.

    Notes
    -----
    ``roi = (benefit - cost) / cost``. The present value of an amount is ``amount * (1 + discount_rate) ** (-days /
    365.25)``, with the days from `start`; ``npv = pv_benefit - pv_cost``, ``pv_roi = npv / pv_cost`` and
    ``benefit_cost_ratio = pv_benefit / pv_cost``. Payback is the first day on which the benefits so far, not
    discounted, cover the costs so far after they have not.

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
    """
    rate = require_number("discount_rate", discount_rate, above=-1)
    require_option("period", period, PERIODS)
    opened = frames.open_frame(benefits, argument="benefits", needs=[benefit_date, benefit_amount])
    came = read_dated_amounts(opened, date=benefit_date, amount=benefit_amount, argument="benefits")
    if isinstance(costs, Ledger):
        costs, cost_date, cost_amount = costs.frame, "date", "amount"
    ledger = frames.open_frame(costs, argument="costs", needs=[cost_date, cost_amount])
    went = read_dated_amounts(ledger, date=cost_date, amount=cost_amount, argument="costs")

    first, last = min(came.days.min(), went.days.min()), max(came.days.max(), went.days.max())
    origin = first if start is None else int(require_day("start", start).astype(np.int64))
    if origin > first:
        raise InputError(f"start: {start} is after the first line ({to_day(first)}). Pass that day or an earlier one.")
    pv_benefit, pv_cost = discounted_sum(came, rate, origin), discounted_sum(went, rate, origin)
    flow = daily_flow(came, went)
    payback = payback_years(flow.days - origin, flow.net)
    benefit, cost, net = exact_sum(came.amount), exact_sum(went.amount), exact_sum(flow.net)
    return ReturnOnInvestment(
        total_benefit=benefit,
        total_cost=cost,
        net_benefit=net,
        roi=ratio(net, cost),
        pv_benefit=pv_benefit,
        pv_cost=pv_cost,
        npv=pv_benefit - pv_cost,
        pv_roi=ratio(pv_benefit - pv_cost, pv_cost),
        benefit_cost_ratio=ratio(pv_benefit, pv_cost),
        payback=payback,
        cash_flow=frames.like(flow_by_period(flow, rate, origin, period), opened),
        period=period,
        discount_rate=rate,
        start=to_day(origin),
        first_day=to_day(first),
        last_day=to_day(last),
        benefit_lines=came.lines,
        cost_lines=went.lines,
        notes=notes_on(cost, pv_cost, net, payback),
    )


def ratio(part: float, whole: float) -> float:
    """Return part / whole; NaN if the whole is not above 0, where the ratio means nothing."""
    return part / whole if whole > 0 else math.nan


def notes_on(cost: float, pv_cost: float, net: float, payback: float) -> tuple[str, ...]:
    """Say why figures are missing, and whether a payback did not last."""
    notes = []
    if not cost > 0:
        notes.append(f"The costs add up to {cost:,.2f}, not above 0: return on investment is undefined.")
    if not pv_cost > 0:
        notes.append(f"The present value of the costs is {pv_cost:,.2f}, not above 0: the ratios to it are undefined.")
    if net < 0 and math.isfinite(payback):
        notes.append("The costs were covered for a time, but not at the end: the payback does not last.")
    return tuple(notes)


def to_day(number: int) -> np.datetime64:
    """Return a day number as a day."""
    return np.datetime64(int(number), "D")
