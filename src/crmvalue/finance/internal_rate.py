"""Rates of return that a cash flow has in itself: every internal rate, and the modified rate that is always one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import discounted_total
from crmvalue.finance.exponential_sums import real_zeros, sign_changes
from crmvalue.finance.timed_flow import Dates, TimedFlow, read_flow, refuse_zeros

if TYPE_CHECKING:
    import pandas as pd

ACCURACY = 1e-9  # share of all money moved that the value at a rate may be off 0
HIGHEST = math.log(np.finfo(float).max)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InternalRates:
    """Every rate at which a cash flow is worth nothing today, and whether there can be more than one."""

    rates: Array  # per period, or per year if the payments have dates; above -1, ascending, shape (n_rates,)
    is_conventional: bool  # whether money first goes out and then comes in, with one change of sign
    sign_changes: int  # of the payments in order of time, zeros left out; there are at most as many rates
    notes: tuple[str, ...]  # what a reader must know: why there is no rate, or what more than one means

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def rate(self) -> float:
        """The internal rate of return if there is exactly one, else NaN."""
        return float(self.rates[0]) if len(self.rates) == 1 else math.nan

    def to_frame(self) -> pd.DataFrame:
        """Return one row a rate."""
        import pandas as pd

        return pd.DataFrame({"rate": self.rates})

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the rates rest on, in words."""
        return ("A rate is per period, or per year of 365.25 days if the payments have dates.",)


def internal_rates_of_return(cash_flow: ArrayLike, *, dates: Dates | None = None) -> InternalRates:
    """Every rate above -100 % at which the net present value is 0.

    Parameters
    ----------
    cash_flow : array_like, shape (n_payments,)
        Money in (positive) or out (negative), one payment a period, or one a date.
    dates : sequence of days, shape (n_payments,), optional
        Day of each payment, in any order, instead of one payment a period. Payments of one day are added up.

    Returns
    -------
    InternalRates
        All rates, ascending, per period or per year of 365.25 days; none if the flow has none, with a note.

    Raises
    ------
    InputError
        If a payment or date is missing, or all payments are 0 or cancel on their day: then any rate would do.

    See Also
    --------
    modified_rate_of_return : one rate for any flow that has money in and money out.

    Notes
    -----
    With ``s = log(1 + rate)`` the net present value is a sum of exponentials in s. It has at most as many zeros as the
    payments have changes of sign, and all are found by that theorem itself: no starting value, no search grid. At each
    rate the value is 0 to a billionth of what the payments, taken without their signs, are worth at that rate. Rates
    closer than about 1e-7 count as one, and a rate is one where the value only touches 0. A flow with one change of
    sign has exactly one rate. With more, no rate alone tells whether the flow pays: use the net present value.

    References
    ----------
    Jameson (2006) "Counting zeros of generalised polynomials: Descartes' rule of signs and Laguerre's extensions",
    The Mathematical Gazette 90(518).

    Examples
    --------
    >>> round(internal_rates_of_return([-100.0, 55.0, 60.5]).rate, 6)
    0.1
    >>> found = internal_rates_of_return([-1000.0, 2300.0, -1320.0])
    >>> found.rates, found.is_conventional
    (array([0.1, 0.2]), False)
    >>> internal_rates_of_return([-100.0, -20.0]).notes
    ('All payments have one sign: there is no internal rate of return.',)
    """
    flow = read_flow(cash_flow, dates)
    refuse_zeros(flow)
    return rates_of_flow(flow)


def rates_of_flow(flow: TimedFlow) -> InternalRates:
    """Return all rates of a flow in which money moves."""
    there = flow.amount != 0
    time, amount = flow.time[there], flow.amount[there]
    changes = len(sign_changes(np.sign(amount)))
    growth = real_zeros(time, amount / np.abs(amount).max()) if changes else np.zeros(0)
    # near -1 a number holds 1 + rate to eps / 4, and the last payment feels that for the whole span
    lowest = math.log(np.finfo(float).eps / 4 * float(time[-1] - time[0]) / ACCURACY) if changes else 0.0
    inside = (growth > lowest) & (growth < HIGHEST)
    rates = np.expm1(growth[inside])
    rates.flags.writeable = False
    return InternalRates(
        rates=rates,
        is_conventional=changes == 1 and bool(amount[0] < 0),
        sign_changes=changes,
        notes=notes_on_rates(len(rates), changes, int((~inside).sum())),
    )


def notes_on_rates(found: int, changes: int, outside: int) -> tuple[str, ...]:
    """Say why there is no rate, or that there are several."""
    notes = []
    if not changes:
        notes.append("All payments have one sign: there is no internal rate of return.")
    elif not found and not outside:
        notes.append("The net present value is 0 at no rate above -100 %: there is no internal rate of return.")
    if found > 1:
        notes.append(f"There are {found} internal rates of return: none of them alone tells whether the flow pays.")
    if outside:
        notes.append(f"{outside} more so near to -100 %, or so large, that a number cannot hold it; left out.")
    return tuple(notes)


def modified_rate_of_return(
    cash_flow: ArrayLike, *, finance_rate: float, reinvest_rate: float, dates: Dates | None = None
) -> float:
    """Rate of return if money out is financed at one rate and money in is put to work at another.

    Parameters
    ----------
    cash_flow : array_like, shape (n_payments,)
        Money in (positive) or out (negative), one payment a period, or one a date.
    finance_rate : float
        What the money out costs, 0.01 for 1 %; above -1. Per period, or per year if there are `dates`.
    reinvest_rate : float
        What the money in earns until the last payment; above -1.
    dates : sequence of days, shape (n_payments,), optional
        Day of each payment, in any order, instead of one payment a period.

    Returns
    -------
    float
        The rate per period, or per year of 365.25 days; -1 if nothing comes in.

    Raises
    ------
    InputError
        If no money goes out, all happens at one time, a rate is -1 or below, or a payment or date is missing.

    Notes
    -----
    ``(FV of money in at reinvest_rate / PV of money out at finance_rate) ** (1 / time to the last payment) - 1``.

    References
    ----------
    Lin (1976) "The modified internal rate of return and investment criterion", The Engineering Economist 21(4).
    https://doi.org/10.1080/00137917608902796

    Examples
    --------
    >>> round(modified_rate_of_return([-100.0, 0.0, 121.0], finance_rate=0.05, reinvest_rate=0.08), 6)
    0.1
    """
    finance = require_number("finance_rate", finance_rate, above=-1)
    reinvest = require_number("reinvest_rate", reinvest_rate, above=-1)
    flow = read_flow(cash_flow, dates)
    refuse_zeros(flow)
    span = float(flow.time[-1] - flow.time[0])
    if not span > 0:
        raise InputError("cash_flow: all payments are due at one time. Pass payments of at least two periods or days.")
    spent = -discounted_total(TimedFlow(time=flow.time, amount=np.minimum(flow.amount, 0)), finance)
    left = TimedFlow(time=flow.time - flow.time[-1], amount=np.maximum(flow.amount, 0))
    if not spent > 0:
        raise InputError(
            "cash_flow: no money goes out, so there is nothing to earn a return on. Pass a flow with some."
        )
    earned = discounted_total(left, reinvest)
    return math.expm1(math.log(earned / spent) / span) if earned > 0 else -1.0
