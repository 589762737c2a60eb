"""What it costs to own a system or a programme over its years, and what that is worth today."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day, require_number
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import Day, Frame, IntArray
from crmvalue.costing.grouping import group_rows
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import read_lines
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sum, exact_sums
from crmvalue.finance.rates import discount_factors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnershipCost:
    """Total cost of ownership: every line of the window, by category and year, plain and at present value.

    Columns of `frame`: category, year (1 for the first), amount, present_value (on `start`), cash (amount without time
    and opportunity).
    """

    frame: Frame  # one row a category and year, in that order, in the engine of the ledger
    by_year: Frame  # columns year, amount, present_value, cash; years without a line are there with 0
    total: float  # amount of the window, plain
    cash_total: float  # the same without time and opportunity
    present_value: float  # total at its value on `start`
    outside: float  # amount of the ledger before `start` or after the last year: not in the table
    annual_rate: float  # discount rate per year
    start: np.datetime64  # first day, to which everything is discounted
    years: int  # length of the window
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def ownership_cost(
    ledger: Ledger | Frame, *, annual_rate: float, start: Day | None = None, years: int | None = None
) -> OwnershipCost:
    """Total cost of ownership by category and year, and its present value.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs of what is owned: cash outlays, not amortized ones, as a present value counts money when it is paid.
    annual_rate : float
        Cost of capital per year, 0.08 for 8 %; above -1.
    start : day, optional
        First day of year 1, to which money is discounted. By default the day of the first line.
    years : int, optional
        Years of the window. By default as many as the ledger fills.

    Returns
    -------
    OwnershipCost
        The table, its sums, and what lies outside the window.

    Raises
    ------
    InputError
        If `annual_rate` is -1 or below, `years` is no whole number above 0, or no line lies in the window.

    Notes
    -----
    A year runs from the month and day of `start`. The present value of an amount is ``amount * (1 + annual_rate) **
    (-days / 365.25)``, with the days from `start`.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-01", "2024-12-31", "2025-01-01"], "category": ["it", "it", "staff"],
    ...     "amount": [100.0, 10.0, 20.0]
    ... })
    >>> ownership_cost(lines, annual_rate=0.0).frame[["category", "year", "amount"]]
      category  year  amount
    0       it     1   110.0
    1    staff     2    20.0
    """
    rate = require_number("annual_rate", annual_rate, above=-1)
    if years is not None and (isinstance(years, bool) or not isinstance(years, (int, np.integer)) or years < 1):
        raise InputError(f"years: got {years!r}. Pass a whole number, at least 1.")
    checked = as_ledger(ledger)
    lines = read_lines(checked)
    origin = require_day("start", start) if start is not None else lines["date"].min()
    year = years_since(lines["date"].astype("datetime64[D]"), origin)
    inside = year >= 1 if years is None else (year >= 1) & (year <= years)
    if not inside.any():
        raise InputError(f"start: no line of the ledger lies in the window from {origin}. Pass an earlier day.")
    n_years = int(year[inside].max()) if years is None else int(years)
    amount, at = lines["amount"][inside], year[inside]
    days = (lines["date"][inside].astype("datetime64[D]") - origin).astype(np.int64)
    worth = amount * discount_factors(days, rate)
    cash = np.where(lines["kind"][inside] == "cash", amount, 0.0)
    groups, group = group_rows({"category": lines["category"][inside], "year": at}, len(at))
    money = {"amount": amount, "present_value": worth, "cash": cash}
    n = len(groups["year"])
    table = {**groups, **{name: exact_sums(values, group, n) for name, values in money.items()}}
    yearly = {"year": np.arange(1, n_years + 1)}
    by_year = {**yearly, **{name: exact_sums(values, at - 1, n_years) for name, values in money.items()}}
    opened, outside = frames.open_frame(checked.frame), exact_sum(lines["amount"][~inside])
    return OwnershipCost(
        frame=frames.like(table, opened),
        by_year=frames.like(by_year, opened),
        total=exact_sum(amount),
        cash_total=exact_sum(cash),
        present_value=exact_sum(worth),
        outside=outside,
        annual_rate=rate,
        start=origin,
        years=n_years,
        assumptions=(
            f"Year 1 begins on {origin}; money is discounted to that day at {rate:.2%} a year, by the day.",
            f"Amounts count when they are dated; {number_text(outside)} of the ledger lies outside the window.",
        ),
    )


def years_since(days: np.ndarray[tuple[int], np.dtype[np.datetime64]], origin: np.datetime64) -> IntArray:
    """Year of each day, counted from the anniversaries of `origin`: 1 in the first, 0 and less before it."""
    months = days.astype("datetime64[M]").astype(np.int64) - origin.astype("datetime64[M]").astype(np.int64)
    in_month = (days - days.astype("datetime64[M]")).astype(np.int64)
    first = (origin - origin.astype("datetime64[M]")).astype(np.int64)
    years: IntArray = (months - (in_month < first)) // 12 + 1
    return years
