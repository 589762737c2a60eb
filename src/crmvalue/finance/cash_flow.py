"""What a series of payments is worth today, in one sum or for each unit of money laid out.

References
----------
Brealey, Myers & Allen (2020) "Principles of Corporate Finance", 13th edition, chapters 2 and 5. McGraw-Hill.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_option, require_rows
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.finance.timed_flow import Dates, FirstAt, TimedFlow, read_flow, to_numbers


def present_value(contribution: ArrayLike, *, discount_rate: float) -> Array:
    """Value today of the contribution expected in each coming period.

    Parameters
    ----------
    contribution : array_like, shape (n_customers, n_periods)
        Money kept after cost of goods; column 0 is paid one period from now.
    discount_rate : float
        Cost of capital per period, 0.01 for 1 %; at least 0.

    Returns
    -------
    ndarray, shape (n_customers,)
        Present value, in the currency of `contribution`.

    Raises
    ------
    InputError
        If `discount_rate` is negative, a contribution is missing or infinite, or there is no row a customer.

    See Also
    --------
    net_present_value : one series of payments, the first of which may be due today.

    Notes
    -----
    Column t, counted from 0, is divided by ``(1 + discount_rate) ** (t + 1)``.

    Examples
    --------
    >>> present_value([[110.0, 121.0]], discount_rate=0.10)
    array([200.])
    """
    require_number("discount_rate", discount_rate, at_least=0)
    paid = to_numbers("contribution", contribution, n_axes=2)
    remedy = "Fill or drop these customers."
    require_rows(np.asarray(np.isfinite(paid).all(axis=1)), "contribution", "missing or infinite", remedy)
    worth: Array = paid @ (1.0 + discount_rate) ** -np.arange(1.0, paid.shape[1] + 1)
    return worth


def net_present_value(
    cash_flow: ArrayLike, *, discount_rate: float, first_at: FirstAt = 0, dates: Dates | None = None
) -> float:
    """Value today of one series of payments in and out.

    Parameters
    ----------
    cash_flow : array_like, shape (n_payments,)
        Money in (positive) or out (negative), one payment a period, or one a date.
    discount_rate : float
        Cost of capital, 0.01 for 1 %; above -1. Per period, or per year if there are `dates`.
    first_at : {0, 1}
        When the first payment is due: 0 is today, as in textbooks; 1 is one period from now, as in spreadsheets.
    dates : sequence of days, shape (n_payments,), optional
        Day of each payment, in any order, instead of one payment a period. The first of them is today.

    Returns
    -------
    float
        Net present value, in the currency of `cash_flow`.

    Raises
    ------
    InputError
        If `discount_rate` is -1 or below, a payment or date is missing, or present values are too large for a number.

    See Also
    --------
    present_value : one row a customer, the first payment one period from now.
    return_on_investment : dated benefits and costs from frames.

    Notes
    -----
    A payment due at time t is divided by ``(1 + discount_rate) ** t``. The payment in place i, counted from 0, is due
    at ``t = i + first_at``; a dated one at ``t = days / 365.25``, with the days from the first date. Spreadsheets take
    years of 365 days: their rate is ``(1 + discount_rate) ** (365 / 365.25) - 1``.

    Examples
    --------
    >>> round(net_present_value([-100.0, 115.5], discount_rate=0.10), 6)
    5.0
    >>> round(net_present_value([-40000, 5000, 8000, 12000, 30000], discount_rate=0.08), 5)
    3065.22267
    >>> days = ["2024-01-01", "2028-01-01"]  # four years of 365.25 days
    >>> round(net_present_value([-95.0, 146.41], discount_rate=0.10, dates=days), 6)
    5.0
    """
    rate = require_number("discount_rate", discount_rate, above=-1)
    return discounted_total(read_flow(cash_flow, dates, first_at=first_at), rate)


def discounted_total(flow: TimedFlow, rate: float) -> float:
    """Sum of the amounts, each at its value at time 0; added with one rounding."""
    with np.errstate(over="ignore", invalid="ignore"):  # checked next
        worth = flow.amount * np.exp(-math.log1p(rate) * flow.time)
        is_finite = np.isfinite(np.abs(worth).sum())
    if not is_finite:
        raise InputError(f"discount_rate: at {rate} present values are too large for a number. Pass one nearer to 0.")
    return math.fsum(worth)


def profitability_index(cash_flow: ArrayLike, *, discount_rate: float, dates: Dates | None = None) -> float:
    """Present value of all that follows, for each unit of money laid out first.

    Parameters
    ----------
    cash_flow : array_like, shape (n_payments,)
        Money in (positive) or out (negative), one payment a period, or one a date. The first is the outlay, due today.
    discount_rate : float
        Cost of capital, 0.01 for 1 %; above -1. Per period, or per year if there are `dates`.
    dates : sequence of days, shape (n_payments,), optional
        Day of each payment, in any order; the outlay is what was paid on the first of them.

    Returns
    -------
    float
        The index; above 1 the net present value is positive.

    Raises
    ------
    InputError
        If the first payment is no outlay, or as for `net_present_value`.

    Notes
    -----
    ``1 + NPV / outlay``. Some textbooks call ``NPV / outlay`` the profitability index: one less than this one.

    Examples
    --------
    >>> round(profitability_index([-100.0, 55.0, 121.0], discount_rate=0.10), 6)
    1.5
    """
    rate = require_number("discount_rate", discount_rate, above=-1)
    flow = read_flow(cash_flow, dates)
    outlay = -float(flow.amount[0])
    if not outlay > 0:
        raise InputError(f"cash_flow: the first payment is {-outlay:g}, no outlay. Start with money out, below 0.")
    return 1 + discounted_total(flow, rate) / outlay


def annuity_value(payment: float, *, discount_rate: float, n_periods: float, first_at: FirstAt = 1) -> float:
    """Value today of the same payment in each of a number of periods, or for ever.

    Parameters
    ----------
    payment : float
        Money paid each period.
    discount_rate : float
        Cost of capital per period, 0.01 for 1 %; above -1, and above 0 if the payments never end.
    n_periods : float
        Number of payments, a whole number, at least 0; `math.inf` for a perpetuity.
    first_at : {0, 1}
        When the first payment is due: 1 is one period from now (an ordinary annuity), 0 is today (an annuity due).

    Returns
    -------
    float
        Present value, in the currency of `payment`.

    Raises
    ------
    InputError
        If an argument is out of its range.

    See Also
    --------
    present_value_of_growing : payments that grow.

    Notes
    -----
    ``payment * (1 - (1 + discount_rate) ** -n_periods) / discount_rate``, once more times ``1 + discount_rate`` if the
    first payment is due today; ``payment * n_periods`` at a rate of 0.

    Examples
    --------
    >>> round(annuity_value(121.0, discount_rate=0.10, n_periods=2), 6)  # 110 + 100
    210.0
    >>> annuity_value(5.0, discount_rate=0.25, n_periods=float("inf"))
    20.0
    """
    return present_value_of_growing(
        payment, growth=0.0, discount_rate=discount_rate, n_periods=n_periods, first_at=first_at
    )


def present_value_of_growing(
    payment: float, *, growth: float, discount_rate: float, n_periods: float = math.inf, first_at: FirstAt = 1
) -> float:
    """Value today of payments that grow at a steady rate, for a number of periods or for ever.

    Parameters
    ----------
    payment : float
        The first payment.
    growth : float
        Growth of the payment per period, 0.02 for 2 %; above -1.
    discount_rate : float
        Cost of capital per period, 0.01 for 1 %; above -1, and above `growth` if the payments never end.
    n_periods : float
        Number of payments, a whole number, at least 0; `math.inf` for ever.
    first_at : {0, 1}
        When the first payment is due: 1 is one period from now, 0 is today.

    Returns
    -------
    float
        Present value, in the currency of `payment`.

    Raises
    ------
    InputError
        If an argument is out of its range, or the payments grow for ever as fast as they are discounted.

    Notes
    -----
    ``payment * (1 - ((1 + growth) / (1 + discount_rate)) ** n_periods) / (discount_rate - growth)``, once more times
    ``1 + discount_rate`` if the first payment is due today; ``payment * n_periods / (1 + discount_rate)`` where the
    two rates are equal.

    References
    ----------
    Gordon & Shapiro (1956) "Capital equipment analysis: the required rate of profit", Management Science 3(1).
    https://doi.org/10.1287/mnsc.3.1.102

    Examples
    --------
    >>> round(present_value_of_growing(10.0, growth=0.05, discount_rate=0.10), 6)
    200.0
    """
    paid = require_number("payment", payment)
    rate = require_number("discount_rate", discount_rate, above=-1)
    grown = require_number("growth", growth, above=-1)
    require_option("first_at", first_at, (0, 1))
    n = require_count(n_periods)
    if n == math.inf and not rate > grown:
        raise InputError(
            f"discount_rate: got {rate:g}, not above the growth of {grown:g}, for payments that never end. "
            "Pass a higher rate, or n_periods."
        )
    shrink = math.log1p(grown) - math.log1p(rate)  # log of the ratio of one payment's worth to that of the one before
    if n == 0 or shrink == 0:
        terms = n
    elif n * shrink > math.log(np.finfo(float).max):
        raise InputError(f"discount_rate: at {rate:g} the value is too large for a number. Pass one nearer to growth.")
    else:
        terms = math.expm1(n * shrink) / math.expm1(shrink)
    worth = paid * terms
    return worth if first_at == 0 else worth / (1 + rate)


def require_count(n_periods: float) -> float:
    """Return the number of periods as a float, or raise InputError unless it is whole or infinite, and at least 0."""
    if n_periods == math.inf:
        return math.inf
    n = require_number("n_periods", n_periods, at_least=0)
    if n != math.floor(n):
        raise InputError(f"n_periods: got {n_periods!r}. Pass a whole number, or math.inf for payments without end.")
    return n
