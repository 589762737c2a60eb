"""Benefits and costs side by side: by day, by period, and at present value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crmvalue._core.periods import first_days, period_numbers
from crmvalue._core.types import AnyArray, Array, IntArray, Period
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import DatedAmounts
from crmvalue.finance.exact_sums import exact_sums, running_sums
from crmvalue.finance.rates import discount_factors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DailyFlow:
    """Money by day on which there was any, in order of the days."""

    days: IntArray  # day number, 1970-01-01 is 0, shape (n_days,)
    benefit: Array  # shape (n_days,)
    cost: Array  # shape (n_days,)
    net: Array  # benefit less cost, shape (n_days,)


def daily_flow(came: DatedAmounts, went: DatedAmounts) -> DailyFlow:
    """Add both sides up by day."""
    days, place = np.unique(np.concatenate([came.days, went.days]), return_inverse=True)
    n, n_benefits = len(days), len(came.days)
    return DailyFlow(
        days=days,
        benefit=exact_sums(came.amount, place[:n_benefits], n),
        cost=exact_sums(went.amount, place[n_benefits:], n),
        net=exact_sums(np.concatenate([came.amount, -went.amount]), place, n),
    )


def flow_by_period(flow: DailyFlow, rate: float, origin: int, period: Period) -> dict[str, AnyArray]:
    """Columns of the cash-flow table; periods without a line are there with zeros."""
    numbers = period_numbers(flow.days.astype("datetime64[D]"), period)
    place, n = numbers - numbers[0], int(numbers[-1] - numbers[0]) + 1
    net = exact_sums(flow.net, place, n)
    return {
        "period": first_days(numbers[0] + np.arange(n), period),
        "benefit": exact_sums(flow.benefit, place, n),
        "cost": exact_sums(flow.cost, place, n),
        "net": net,
        "cumulative": running_sums(net),
        "discounted": exact_sums(flow.net * discount_factors(flow.days - origin, rate), place, n),
    }


def discounted_sum(money: DatedAmounts, rate: float, origin: int) -> float:
    """Present value of dated amounts on the day number `origin`."""
    with np.errstate(over="ignore", invalid="ignore"):  # checked next
        worth = money.amount * discount_factors(money.days - origin, rate)
        is_finite = np.isfinite(np.abs(worth).sum())
    if not is_finite:
        raise InputError(f"discount_rate: at {rate} present values are too large for a number. Pass one nearer to 0.")
    return math.fsum(worth)
