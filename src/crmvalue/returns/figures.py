"""The figures of a return: of all lines, of some of them, and of each group; and the table year by year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crmvalue._core.types import AnyArray, IntArray
from crmvalue.finance.daily_flow import DailyFlow, daily_flow, discounted_sum
from crmvalue.finance.dated_amounts import DatedAmounts, some_of
from crmvalue.finance.exact_sums import exact_sum, exact_sums, running_sums
from crmvalue.finance.internal_rate import InternalRates, rates_of_flow
from crmvalue.finance.payback import payback_years
from crmvalue.finance.rates import DAYS_PER_YEAR, discount_factors
from crmvalue.finance.timed_flow import TimedFlow
from crmvalue.returns.reading import Sides

FIGURES = (
    "total_benefit",
    "total_cost",
    "net_benefit",
    "roi",
    "annualized_roi",
    "pv_benefit",
    "pv_cost",
    "npv",
    "pv_roi",
    "benefit_cost_ratio",
    "irr",
    "payback",
    "discounted_payback",
)
VIEWS = ("direct", "with indirect", "risk-adjusted")


def return_figures(
    came: DatedAmounts, went: DatedAmounts, rate: float, origin: int, rates: InternalRates | None = None
) -> dict[str, float]:
    """Every figure of `FIGURES`, by name; NaN where it means nothing. One side may have no lines, not both.

    The internal rates are found here unless they are known.
    """
    flow = daily_flow(came, went)
    benefit, cost, net = exact_sum(came.amount), exact_sum(went.amount), exact_sum(flow.net)
    pv_benefit, pv_cost = discounted_sum(came, rate, origin), discounted_sum(went, rate, origin)
    days = flow.days - origin
    roi = ratio(net, cost)
    return {
        "total_benefit": benefit,
        "total_cost": cost,
        "net_benefit": net,
        "roi": roi,
        "annualized_roi": annualized(roi, float(days[-1]) / DAYS_PER_YEAR),
        "pv_benefit": pv_benefit,
        "pv_cost": pv_cost,
        "npv": pv_benefit - pv_cost,
        "pv_roi": ratio(pv_benefit - pv_cost, pv_cost),
        "benefit_cost_ratio": ratio(pv_benefit, pv_cost),
        "irr": (rates or internal_rates(flow)).rate,
        "payback": payback_years(days, flow.net),
        "discounted_payback": payback_years(days, flow.net * discount_factors(days, rate) if rate else flow.net),
    }


def ratio(part: float, whole: float) -> float:
    """Return part / whole; NaN if the whole is not above 0, where the ratio means nothing."""
    return part / whole if whole > 0 else math.nan


def annualized(roi: float, years: float) -> float:
    """Return per year that compounds to `roi` over the years; NaN over no time, or if more than all is lost."""
    if not (years > 0 and roi >= -1):
        return math.nan
    with np.errstate(over="ignore"):  # a large return in a few days is endless in a year
        return float(np.expm1(np.log1p(roi) / years)) if roi > -1 else -1.0


def internal_rates(flow: DailyFlow) -> InternalRates:
    """Every internal rate of return of dated benefits and costs, per year."""
    years = (flow.days - flow.days[0]) / DAYS_PER_YEAR
    return rates_of_flow(TimedFlow(time=years, amount=flow.net))


def view_figures(sides: Sides, rate: float, origin: int, rates: InternalRates) -> list[dict[str, float]]:
    """Return the figures of the direct benefits, of all, and of all with benefits cut and costs raised by their risk.

    Views that hold the same lines are computed once.
    """
    came, went = sides.came, sides.went
    everything = return_figures(came, went, rate, origin, rates)
    direct = adjusted = everything
    if sides.indirect.any():
        direct = return_figures(some_of(came, ~sides.indirect), went, rate, origin)
    if sides.cut.any() or sides.raised.any():
        cut = replace(came, amount=came.amount * (1 - sides.cut))
        adjusted = return_figures(cut, replace(went, amount=went.amount * (1 + sides.raised)), rate, origin)
    return [direct, everything, adjusted]


def group_figures(
    came: DatedAmounts, went: DatedAmounts, by: Sequence[str], rate: float, origin: int
) -> tuple[dict[str, AnyArray], list[dict[str, float]]]:
    """Return the names of each group that has benefits or costs, in order, and its figures."""
    n = len(came.days)
    columns = [joined(came.keys[name], went.keys[name]) for name in by]
    names, group = grouped(columns)
    sides = (parts_of(came, group[:n], len(names)), parts_of(went, group[n:], len(names)))
    found = [return_figures(*pair, rate, origin) for pair in zip(*sides, strict=True)]
    return {name: as_column([row[place] for row in names]) for place, name in enumerate(by)}, found


def joined(one: AnyArray, other: AnyArray) -> AnyArray:
    """Return the names of both sides after each other, in a type that holds both as they are."""
    alike = one.dtype == other.dtype
    return np.concatenate([one, other] if alike else [one.astype(object), other.astype(object)])


def parts_of(money: DatedAmounts, group: IntArray, n_groups: int) -> list[DatedAmounts]:
    """Return the entries of each group."""
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=n_groups))[:-1]
    return [some_of(money, part) for part in np.split(order, ends)]


def grouped(columns: Sequence[AnyArray]) -> tuple[list[tuple[object, ...]], IntArray]:
    """Return the distinct rows of some columns, in order and missing names last, and the place of each row in them."""
    import pandas as pd

    found = [pd.factorize(values) for values in columns]  # -1 where missing
    coded = [(codes, known.tolist()) for codes, known in found]
    group = np.zeros(len(columns[0]), dtype=np.int64)
    for codes, known in coded:
        group, _ = pd.factorize(group * (len(known) + 1) + codes + 1)
    first = np.empty(int(group.max()) + 1, dtype=np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    names = [tuple(None if codes[row] < 0 else known[codes[row]] for codes, known in coded) for row in first.tolist()]
    order = sorted(range(len(names)), key=lambda place: [(value is None, str(value)) for value in names[place]])
    place_of = np.empty(len(names), dtype=np.int64)
    place_of[order] = np.arange(len(names))
    return [names[place] for place in order], place_of[group]


def as_column(values: Sequence[object]) -> AnyArray:
    """Return names as an array that every engine can store: numbers as numbers, others as objects."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def flow_by_year(flow: DailyFlow, rate: float, origin: int) -> dict[str, AnyArray]:
    """Columns of the table year by year, as finance departments print it.

    "initial" is the first day; "year_1" all after it up to the same day of the next year, and so on. The rows are
    benefit, cost, net, their running sum, and the present value of net; of the running sum there is no total.
    """
    years = anniversaries(flow.days, origin)
    n = int(years[-1]) + 1
    factors = discount_factors(flow.days - origin, rate)
    sides = (flow.benefit, flow.cost, flow.net)
    rows = [exact_sums(side, years, n) for side in sides]
    worth = [exact_sums(side * factors, years, n) for side in sides]
    table = np.array([*rows, running_sums(rows[2]), worth[2]])
    totals = [exact_sum(side) for side in sides]
    present = [exact_sum(side) for side in worth]
    names = ["initial", *(f"year_{year}" for year in range(1, n))]
    return {
        "line": np.array(["benefit", "cost", "net", "cumulative", "discounted"], dtype=object),
        **dict(zip(names, table.T, strict=True)),
        "total": np.array([*totals, math.nan, present[2]]),
        "present_value": np.array([*present, math.nan, present[2]]),
    }


def anniversaries(days: IntArray, origin: int) -> IntArray:
    """Return the number of the year after `origin` that each day lies in; its anniversary is the last day of a year."""
    dates, first = days.astype("datetime64[D]"), np.array([origin]).astype("datetime64[D]")
    year, month = (dates.astype(f"datetime64[{unit}]") for unit in "YM")
    first_year, first_month = (first.astype(f"datetime64[{unit}]") for unit in "YM")
    in_year = (month - year.astype("datetime64[M]")).astype(np.int64) * 32 + (dates - month).astype(np.int64)
    first_in_year = (first_month - first_year.astype("datetime64[M]")).astype(np.int64) * 32
    first_in_year = first_in_year + (first - first_month).astype(np.int64)
    return np.asarray((year - first_year).astype(np.int64) + (in_year > first_in_year))
