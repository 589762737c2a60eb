"""The customer-base audit: five lenses on who the customers are and how the base changes [1]_.

.. [1] Fader, Hardie & Ross (2022) "The Customer-Base Audit", Wharton School Press.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_day, require_option
from crmvalue._core.frames import like, open_frame
from crmvalue._core.periods import PERIODS, first_days, period_numbers
from crmvalue._core.plain import as_dict, table_to_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Day, Frame, Period
from crmvalue.data.cohorts import CohortTotals, cohort_totals, last_observed_day
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.bridge import notes_on_start, require_start
from crmvalue.retention.cohort_table import require_margin
from crmvalue.retention.lenses import change_table, compared_periods, decile_table, driver_table, spread_table
from crmvalue.retention.shares import share_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerBaseAudit:
    """Five lenses on a customer base; every frame is in the engine of the transactions.

    Lens 1, the customers of `current`: `spread` (measure, mean, and the quantiles p0 to p100 of orders, revenue,
    order_value and profit) and `deciles` (tenths of the customers by profit, the best first: customers, orders,
    revenue, profit, revenue_share, profit_share). Lens 2, `previous` and `current` side by side: `change` (group:
    stayed, new, returned, left, refunds alone; customers, revenue_before, revenue_now, revenue_change, and the same of
    profit) and `drivers` (factor, before, now, effect_on_profit: adds up to the change of the profit of the customers
    of the two periods). Lens 3, one cohort over time: `cohort` (age, period, customers, share, orders_per_customer,
    order_value, revenue, profit, revenue_per_member, revenue_per_member_so_far). Lens 4, cohorts at equal age:
    `cohorts`, the same columns of all cohorts. Lens 5, the whole base: `base` (period, customers, revenue, profit,
    revenue_of_new, share_of_new, is_complete). Revenue is amounts less refunds; refunds before a customer's first
    purchase in the data count in the period of that purchase, and those of customers who never bought do not count in
    lenses 3 to 5. Cells of periods that have not ended, or of which the beginning was not observed, are marked by
    is_complete.
    """

    spread: Frame
    deciles: Frame
    change: Frame
    drivers: Frame
    cohort: Frame
    cohorts: Frame
    base: Frame
    sentences: tuple[str, ...]  # one a lens
    kept: str  # what sentences and pictures call the money kept: "revenue" if all of it is, else "profit"
    period: Period
    current: np.datetime64  # first day of the last complete period
    previous: np.datetime64  # first day of the period before it
    followed: np.datetime64  # first day of the cohort of lens 3
    observation_start: np.datetime64  # first day that counts
    observation_end: np.datetime64  # last day that counts
    notes: tuple[str, ...] = ()  # what deserves care: a first period that may not be complete

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a period: the last lens."""
        return table_to_pandas(self.base)


def customer_base_audit(
    transactions: Transactions | Frame,
    *,
    period: Period = "quarter",
    margin: float | str = 1.0,
    cohort: Day | None = None,
    observation_start: Day | None = None,
    observation_end: Day | None = None,
) -> CustomerBaseAudit:
    r"""Look at a customer base through five lenses, and say in a sentence what each shows.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period.
    margin : float or str
        Share of every amount that is kept, 0 to 1, or the column (kept by `prepare_transactions`) of what is kept.
    cohort : day, optional
        A day in the period of the cohort to follow. By default the second one: the first holds, besides new
        customers, all old ones who were there when the data began.
    observation_start : day, optional
        Day on which the data begin; a period that began before it is not complete. By default the first period is
        taken to be complete, with a note if more than a tenth of it lies before the first row.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    CustomerBaseAudit
        The five lenses, and five sentences.

    Raises
    ------
    InputError
        If there are fewer than two complete periods with purchases, the margin is missing, `observation_start` is
        after the first row, or nobody first bought in the period of `cohort`.

    Notes
    -----
    Orders are purchase days. The two periods of lens 2 are the last complete one and the one before. Profit of a period
    is customers × orders per customer × revenue per order × margin; the effect of factor :math:`x` on its change is
    :math:`L \ln (x_1 / x_0)` with :math:`L = (\pi_1 - \pi_0) / \ln (\pi_1 / \pi_0)`, so that the four effects add up
    without a rest. An audit looks at one base: for groups, such as regions, audit the transactions of each with the
    same `observation_end`; sums add up to the whole where each customer is in one group. The cohort of the first period
    is left out where cohorts are compared, as it holds customers of earlier times, unless there is no other. The
    sentences speak of revenue where `margin` is 1, and of profit otherwise.

    References
    ----------
    Fader, Hardie & Ross (2022) "The Customer-Base Audit: The First Step on the Journey to Customer Centricity".

    Ang (2005) "The LMDI approach to decomposition analysis", Energy Policy 33(7),
    https://doi.org/10.1016/j.enpol.2003.10.010

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "ann", "cy", "cy"], "amount": [10.0, 20.0, 15.0, 7.0, 8.0],
    ...                      "date": ["2024-01-05", "2024-02-09", "2024-04-05", "2024-05-02", "2024-06-30"]})
    >>> audit = customer_base_audit(rows)
    >>> audit.change[["group", "customers", "revenue_before", "revenue_now", "revenue_change"]]
               group  customers  revenue_before  revenue_now  revenue_change
    0         stayed          1            10.0         15.0             5.0
    1            new          1             0.0         15.0            15.0
    2       returned          0             0.0          0.0             0.0
    3           left          1            20.0          0.0           -20.0
    4  refunds alone          0             0.0          0.0             0.0
    >>> audit.sentences[4]
    'Customers who first bought in 2024 Q2 brought 50.0% of its revenue; in 2024 Q1 it was 100.0%.'
    """
    require_option("period", period, PERIODS)
    checked = as_transactions(transactions)
    model = open_frame(checked.frame)
    require_margin(margin, model)
    end = last_observed_day(checked, observation_end)
    totals = cohort_totals(checked, end, period, margin=margin, orders=True)
    start, notes = first_observed_day(checked, observation_start, period)
    earliest = int(period_numbers(np.array([start - 1]), period)[0]) + 1  # the first period that begins by then
    current = last_complete(totals, earliest, end, period)
    table = cohort_columns(totals, earliest, end, period)
    chosen = cohort_to_follow(totals, cohort, period)
    compared = compared_periods(checked, end, period, current, margin)
    if not compared.both.bought.any(axis=0).all():
        raise InputError(
            f"transactions: nobody bought in {said(current, period)} or in the {period} before. Pass a longer period."
        )
    lenses = {
        "spread": spread_table(compared),
        "deciles": decile_table(compared),
        "change": change_table(compared.both, current),
        "drivers": driver_table(compared.both),
        "cohort": {
            name: values[(table["cohort"] == first_days(np.array([chosen]), period)[0]) & table["is_complete"]]
            for name, values in table.items()
            if name not in ("cohort", "cohort_size", "is_complete")
        },
        "cohorts": table,
        "base": base_columns(totals, earliest, end, period),
    }
    days = first_days(np.array([current, current - 1, chosen]), period)
    kept = "revenue" if margin == 1 else "profit"
    return CustomerBaseAudit(
        **{name: like(columns, model) for name, columns in lenses.items()},
        sentences=sentences(lenses, current, chosen, period, kept),
        kept=kept,
        period=period,
        current=days[0],
        previous=days[1],
        followed=days[2],
        observation_start=start,
        observation_end=end,
        notes=notes,
    )


def first_observed_day(
    transactions: Transactions, given: Day | None, period: Period
) -> tuple[np.datetime64, tuple[str, ...]]:
    """Return the first day that counts, and a note if that is taken to be long before the first row."""
    begun = transactions.audit.first_day
    if given is not None:
        return require_start(given, begun), ()
    first = int(period_numbers(np.array([begun]), period)[0])
    starts = first_days(np.array([first, first + 1]), period)
    return starts[0], notes_on_start(begun, starts, f"the first {period} is then not complete, and compared with none")


def last_complete(totals: CohortTotals, earliest: int, end: np.datetime64, period: Period) -> int:
    """Return the number of the last period that has ended; at least one is needed before it."""
    last = int(period_numbers(np.array([end + 1]), period)[0]) - 1
    if last - max(earliest, int(totals.period.min())) < 1:
        raise InputError(
            f"period: the data hold fewer than two complete {period}s. Pass a shorter period than {period!r}."
        )
    return last


def cohort_to_follow(totals: CohortTotals, cohort: Day | None, period: Period) -> int:
    """Return the number of the cohort of lens 3."""
    there = np.unique(totals.cohort)
    if cohort is None:
        return int(there[min(1, len(there) - 1)])
    number = int(period_numbers(np.array([require_day("cohort", cohort)]), period)[0])
    if number not in there:
        raise InputError(f"cohort: nobody first bought in {said(number, period)}. Pass a day of another {period}.")
    return number


def cohort_columns(totals: CohortTotals, earliest: int, end: np.datetime64, period: Period) -> dict[str, AnyArray]:
    """Columns of all cohorts by age, up to the period of `end`; 0 where nobody came."""
    last = int(period_numbers(np.array([end]), period)[0])
    cohorts = np.unique(totals.cohort)
    length = last - cohorts + 1
    start = np.cumsum(length) - length  # row of age 0 of each cohort
    cohort = cohorts.repeat(length)
    age = np.arange(len(cohort)) - start.repeat(length)
    row = start[np.searchsorted(cohorts, totals.cohort)] + totals.period - totals.cohort
    found = {}
    for name in ("customers", "orders", "revenue", "margin"):
        found[name] = np.zeros(len(cohort))
        found[name][row] = getattr(totals, name)
    size = found["customers"][start].repeat(length)
    sums = np.cumsum(found["revenue"])
    so_far = sums - (sums[start] - found["revenue"][start]).repeat(length)
    return {
        "cohort": first_days(cohort, period),
        "cohort_size": size.astype(np.int64),
        "age": age,
        "period": first_days(cohort + age, period),
        "customers": found["customers"].astype(np.int64),
        "share": found["customers"] / size,
        "orders_per_customer": share_of(found["orders"], found["customers"]),
        "order_value": share_of(found["revenue"], found["orders"]),
        "revenue": found["revenue"],
        "profit": found["margin"],
        "revenue_per_member": found["revenue"] / size,
        "revenue_per_member_so_far": so_far / size,
        "is_complete": (first_days(cohort + age + 1, period) <= end + 1) & (cohort + age >= earliest),
    }


def base_columns(totals: CohortTotals, earliest: int, end: np.datetime64, period: Period) -> dict[str, AnyArray]:
    """Columns of all customers by period."""
    first, last = int(totals.period.min()), int(period_numbers(np.array([end]), period)[0])
    number, at = np.arange(first, last + 1), totals.period - first
    new = totals.period == totals.cohort
    sums = {
        name: np.asarray(np.bincount(at, getattr(totals, source), minlength=len(number)), dtype=float)
        for name, source in (("customers", "customers"), ("revenue", "revenue"), ("profit", "margin"))
    }
    of_new = np.asarray(np.bincount(at[new], totals.revenue[new], minlength=len(number)), dtype=float)
    return {
        "period": first_days(number, period),
        "customers": sums["customers"].astype(np.int64),
        "revenue": sums["revenue"],
        "profit": sums["profit"],
        "revenue_of_new": of_new,
        "share_of_new": share_of(of_new, sums["revenue"]),
        "is_complete": (first_days(number + 1, period) <= end + 1) & (number >= earliest),
    }


def sentences(
    lenses: dict[str, dict[str, AnyArray]], current: int, chosen: int, period: Period, kept: str
) -> tuple[str, ...]:
    """Say in a sentence what each lens shows."""
    now, then = said(current, period), said(current - 1, period)
    deciles, spread, change, drivers = (lenses[name] for name in ("deciles", "spread", "change", "drivers"))
    first = (
        f"In {now}, {deciles['customers'].sum():,} customers bought {spread['mean'][0]:.2f} times on average and half "
        f"of them spent at most {spread['p50'][1]:,.2f}; the best tenth brought {share(deciles['profit_share'][0])} of "
        f"the {kept}."
    )
    stayed, new, returned, left = (int(n) for n in change["customers"][:4])
    effect = drivers["effect_on_profit"]
    strongest = (
        f"; most of the change in {kept} is due to {drivers['factor'][np.argmax(np.abs(effect))]} "
        f"({effect[np.argmax(np.abs(effect))]:+,.0f})"
        if np.isfinite(effect).all()
        else ""
    )
    second = (
        f"From {then} to {now}, {stayed:,} customers stayed, {new:,} were new, {returned:,} came back and {left:,} "
        f"did not buy, and revenue changed by {change['revenue_change'].sum():+,.0f}{strongest}."
    )
    return (first, second, *cohort_sentences(lenses, chosen, period), base_sentence(lenses["base"], now, then))


def cohort_sentences(lenses: dict[str, dict[str, AnyArray]], chosen: int, period: Period) -> tuple[str, str]:
    """Say how one cohort went on, and how the youngest compares with those before it at the same age."""
    followed = lenses["cohort"]
    third = f"The cohort of {said(chosen, period)} has not completed its first {period} yet."
    if len(followed["age"]):
        age = followed["age"][-1]
        third = (
            f"Of the customers who first came in {said(chosen, period)}, {share(followed['share'][-1])} bought "
            f"{age} {period}{'s' if age != 1 else ''} later; each has brought "
            f"{followed['revenue_per_member_so_far'][-1]:,.2f} so far."
        )
    table = lenses["cohorts"]
    rows = np.flatnonzero((table["age"] == 1) & table["is_complete"])
    if len(rows) < 2:
        return third, f"Fewer than two cohorts have completed the {period} after their first."
    older = rows[1:-1] if len(rows) > 2 else rows[:-1]
    pooled = table["customers"][older].sum() / table["cohort_size"][older].sum()
    before = f"the {len(older)} cohorts before" if len(older) > 1 else "the one cohort before"
    youngest = said(int(period_numbers(table["cohort"][rows[-1:]], period)[0]), period)
    return third, (
        f"In the {period} after their first, {share(table['share'][rows[-1]])} of the customers of {youngest} bought "
        f"again; of {before}{' (without the first)' if len(rows) > 2 else ''}, {share(pooled)}."
    )


def base_sentence(base: dict[str, AnyArray], now: str, then: str) -> str:
    """Say how much of the revenue is brought by new customers."""
    of_new = base["share_of_new"][base["is_complete"]]
    return (
        f"Customers who first bought in {now} brought {share(of_new[-1])} of its revenue; in {then} it was "
        f"{share(of_new[-2])}."
    )


def share(value: float) -> str:
    """Return a share as percent."""
    return f"{value:.1%}" if np.isfinite(value) else "an unknown share"


def said(number: int, period: Period) -> str:
    """Return the name of a period as a reader writes it."""
    day = first_days(np.array([number]), period)[0].item()
    names = {
        "year": f"{day.year}",
        "quarter": f"{day.year} Q{(day.month + 2) // 3}",
        "month": f"{day:%B} {day.year}",
        "week": f"the week of {day}",
    }
    return names[period]
