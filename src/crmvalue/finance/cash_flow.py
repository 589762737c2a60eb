"""What a series of payments is worth today, and when it has paid back.

References
----------
Brealey, Myers & Allen (2020) "Principles of Corporate Finance", 13th edition, chapters 2 and 5. McGraw-Hill.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_option, require_rows
from crmvalue._core.types import Array, IntArray
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import running_sums
from crmvalue.finance.rates import DAYS_PER_YEAR


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


def net_present_value(cash_flow: ArrayLike, *, discount_rate: float, first_at: int = 0) -> float:
    """Value today of one series of payments in and out, one a period.

    Parameters
    ----------
    cash_flow : array_like, shape (n_periods,)
        Money in (positive) or out (negative) in each period.
    discount_rate : float
        Cost of capital per period, 0.01 for 1 %; above -1.
    first_at : {0, 1}
        When the first payment is due: 0 is today, as in textbooks; 1 is one period from now, as in spreadsheets.

    Returns
    -------
    float
        Net present value, in the currency of `cash_flow`.

    Raises
    ------
    InputError
        If `discount_rate` is -1 or below, or a payment is missing or infinite.

    See Also
    --------
    present_value : one row a customer, the first payment one period from now.

    Notes
    -----
    The payment in place t, counted from 0, is divided by ``(1 + discount_rate) ** (t + first_at)``.

    Examples
    --------
    >>> round(net_present_value([-100.0, 115.5], discount_rate=0.10), 6)
    5.0
    >>> round(net_present_value([-40000, 5000, 8000, 12000, 30000], discount_rate=0.08), 5)
    3065.22267
    """
    require_number("discount_rate", discount_rate, above=-1)
    require_option("first_at", first_at, (0, 1))
    flow = to_numbers("cash_flow", cash_flow, n_axes=1)
    require_rows(np.isfinite(flow), "cash_flow", "missing or infinite", "Fill these periods, with 0 if none was paid.")
    return float(flow @ (1.0 + discount_rate) ** -np.arange(first_at, first_at + len(flow), dtype=float))


def to_numbers(argument: str, values: ArrayLike, *, n_axes: int) -> Array:
    """Return the values as floats with this many axes and at least one entry, or raise InputError."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{argument}: got something else than numbers. Convert it to numbers first.") from None
    if numbers.ndim != n_axes or not numbers.size:
        wanted = "one number a period" if n_axes == 1 else "one row a customer, one column a period"
        raise InputError(f"{argument}: got an array of shape {numbers.shape}. Pass {wanted}.")
    return numbers


def payback_years(days: IntArray, net: Array) -> float:
    """Years from day 0 to the first day on which the running sum is no longer negative after it has been.

    `days` ascend. The answer is 0 if the running sum is never negative, and inf if it never recovers.
    """
    owed = running_sums(net) < 0
    if not owed.any():
        return 0.0
    first_owed = int(owed.argmax())
    recovered = ~owed[first_owed:]
    if not recovered.any():
        return float("inf")
    return float(days[first_owed + int(recovered.argmax())]) / DAYS_PER_YEAR
