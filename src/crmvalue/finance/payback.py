"""When the money that came in has covered what went out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number
from crmvalue._core.types import Array, IntArray
from crmvalue.finance.exact_sums import running_sums
from crmvalue.finance.rates import DAYS_PER_YEAR
from crmvalue.finance.timed_flow import Dates, FirstAt, read_flow


def payback_period(
    cash_flow: ArrayLike,
    *,
    discount_rate: float = 0.0,
    first_at: FirstAt = 0,
    dates: Dates | None = None,
    interpolate: bool = True,
) -> float:
    """Time until what came in covers what went out.

    Parameters
    ----------
    cash_flow : array_like, shape (n_payments,)
        Money in (positive) or out (negative), one payment a period, or one a date.
    discount_rate : float
        Cost of capital, 0.01 for 1 %; above -1. Per period, or per year if there are `dates`. 0 gives the plain payback
        period, another rate the discounted one.
    first_at : {0, 1}
        When the first payment is due: 0 is today, 1 is one period from now.
    dates : sequence of days, shape (n_payments,), optional
        Day of each payment, in any order, instead of one payment a period. The first of them is today.
    interpolate : bool
        Whether the payment that covers the rest is taken as spread evenly over the time since the one before. Without,
        the answer is the time of that payment.

    Returns
    -------
    float
        Periods, or years if there are `dates`; 0 if nothing was ever owed, `inf` if it is never covered.

    Raises
    ------
    InputError
        If `discount_rate` is -1 or below, or a payment or date is missing.

    Notes
    -----
    The first time is given at which the running sum is no longer negative after it has been. Later costs may turn the
    sum negative again, and payments after that time do not count: prefer net present value for a decision.

    Examples
    --------
    >>> payback_period([-100.0, 60.0, 80.0])
    1.5
    >>> payback_period([-100.0, 60.0, 80.0], interpolate=False)
    2.0
    >>> round(payback_period([-100.0, 55.0, 121.0], discount_rate=0.10), 6)
    1.5
    >>> payback_period([-100.0, 60.0])
    inf
    """
    rate = require_number("discount_rate", discount_rate, above=-1)
    flow = read_flow(cash_flow, dates, first_at=first_at)
    with np.errstate(over="ignore"):  # endless worth pays back as well
        worth = flow.amount * np.exp(-math.log1p(rate) * flow.time) if rate else flow.amount
    place, so_far = recovery(worth)
    if place is None:
        return so_far
    before, there = flow.time[place - 1], flow.time[place]
    return float(before - so_far / worth[place] * (there - before)) if interpolate else float(there)


def recovery(amount: Array) -> tuple[int | None, float]:
    """Place of the payment that first covers what is owed, and the running sum before it.

    Without one, None and the answer: 0 if nothing is ever owed, inf if it is never covered.
    """
    so_far = running_sums(amount)
    owed = so_far < 0
    if not owed.any():
        return None, 0.0
    first = int(owed.argmax())
    recovered = ~owed[first:]
    if not recovered.any():
        return None, math.inf
    place = first + int(recovered.argmax())
    return place, float(so_far[place - 1])


def payback_years(days: IntArray, amount: Array) -> float:
    """Years from day 0 to the day of the payment that covers what is owed; 0 if nothing is, inf if none does.

    `days` ascend.
    """
    place, answer = recovery(amount)
    return answer if place is None else float(days[place]) / DAYS_PER_YEAR
