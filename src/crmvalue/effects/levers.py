"""Levers: what better retention, more purchases, higher spend or margin, or cheaper acquisition do to the value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number, require_time_unit
from crmvalue._core.intervals import binomial_interval
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame
from crmvalue.data.transactions import Transactions
from crmvalue.effects.customer_base import CustomerBase, measure_base
from crmvalue.effects.estimate import require_confidence
from crmvalue.errors import InputError
from crmvalue.finance.rates import periodic_rate

if TYPE_CHECKING:
    import pandas as pd

QUOTED = (0.25, 0.85)  # Reichheld & Sasser (1990): 5 points less defection, 25 to 85 % more profit
ASSUMPTIONS = (
    "All customers are alike and stay with the same chance for ever; where loyal ones stay longer, value is higher.",
    "A customer counts as kept if she buys at least once in a period; who skips a whole period is lost.",
    "Purchases, spend and margin stay as they were measured; kept customers buy as much as those there are.",
    "One lever moves and the others stay: what moving it costs is not counted. The gain is the most that it may cost.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levers:
    """Value of the customer base, and what each lever does to it. Money in the currency of the input."""

    lever: tuple[str, ...]  # name of each lever
    before: Array  # number that the lever moves, shape (k,)
    after: Array  # the same, moved; shape (k,)
    value: Array  # of the base, with the lever moved; shape (k,)
    gain: Array  # value less the value as it is, shape (k,)
    gain_share: Array  # gain / value as it is, shape (k,); NaN if that is not above 0
    base_value: float  # of customers and of the new customers of one period, as it is
    value_per_customer: float  # of a customer of today, from her next period on
    value_per_new_customer: float  # of a new customer, first purchases included, less the acquisition cost
    contribution: float  # per customer and period, after the cost to serve
    retention_lower: float  # exact interval of the retention rate; NaN if it was given, not measured
    retention_upper: float
    base_value_lower: float  # value at the ends of that interval
    base_value_upper: float
    discount_rate: float  # per year
    base: CustomerBase  # what was measured
    assumptions: tuple[str, ...]  # what must hold
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a lever."""
        import pandas as pd

        return pd.DataFrame({"lever": list(self.lever), **{name: getattr(self, name) for name in COLUMNS}})


COLUMNS = ("before", "after", "value", "gain", "gain_share")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Money:
    """What a customer costs and leaves, beside what was measured of her."""

    margin: float
    cost_to_serve: float
    acquisition_cost: float
    rate: float  # discount rate per period


def retention_lever(
    base: CustomerBase | Transactions | Frame,
    *,
    margin: float,
    discount_rate: float,
    points: float = 0.05,
    change: float = 0.05,
    cost_to_serve: float = 0.0,
    acquisition_cost: float = 0.0,
    confidence: float = 0.95,
) -> Levers:
    """Value of the customer base, and what more retention, purchases, spend or margin would do to it.

    Parameters
    ----------
    base : CustomerBase, Transactions or frame
        From `measure_base`; transactions are measured by it, over years.
    margin : float
        Share of the revenue that is kept after the cost of goods, above 0, at most 1.
    discount_rate : float
        Cost of capital per year, 0.08 for 8 %; at least 0.
    points : float
        By how much the retention rate is raised, 0.05 for 5 points.
    change : float
        By which share each lever is moved, 0.05 for 5 %; the acquisition cost is lowered by it.
    cost_to_serve : float
        Cost of a customer per period beside the goods.
    acquisition_cost : float
        Cost of winning one new customer.
    confidence : float
        Of the interval of a measured retention rate.

    Returns
    -------
    Levers
        Value as it is, and value and gain for each lever.

    Raises
    ------
    InputError
        If a number is out of its range, or the retention rate would not stay below 1.

    Notes
    -----
    With the contribution ``c = margin * purchases * spend - cost_to_serve`` per period, retention r and discount rate d
    per period, a customer of today is worth ``c r / (1 + d - r)`` and a new one ``c (1 + d) / (1 + d - r)`` less her
    acquisition cost [1]_. The value of the base is that of the customers of the last period, and of the new customers
    of one more period. "5 % more retention is 25 to 85 % more profit" [2]_ speaks of 5 points, of other firms, and of
    the value of a customer: here it is computed for these data.

    References
    ----------
    .. [1] Gupta & Lehmann (2003) "Customers as assets", Journal of Interactive Marketing 17(1).
       https://doi.org/10.1002/dir.10045
    .. [2] Reichheld & Sasser (1990) "Zero defections: quality comes to services", Harvard Business Review 68(5).

    Examples
    --------
    >>> base = CustomerBase(
    ...     customers=100, new_customers=0, retention_rate=0.8, purchases=2.0, spend=50.0, time_unit="year"
    ... )
    >>> levers = retention_lever(base, margin=0.5, discount_rate=0.2)
    >>> round(levers.base_value, 6)  # 100 customers times 50 * 0.8 / 0.4
    10000.0
    >>> round(float(levers.gain_share[0]), 6)  # 0.85 / 0.35 against 2
    0.214286
    """
    confidence = require_confidence(confidence)
    if not isinstance(base, CustomerBase):
        base = measure_base(base)
    require_base(base)
    annual = require_number("discount_rate", discount_rate, at_least=0)
    money = Money(
        margin=require_number("margin", margin, above=0, at_most=1),
        cost_to_serve=require_number("cost_to_serve", cost_to_serve, at_least=0),
        acquisition_cost=require_number("acquisition_cost", acquisition_cost, at_least=0),
        rate=periodic_rate(annual, base.time_unit),
    )
    points = require_number("points", points, above=0)
    change = require_number("change", change, above=0, at_most=1)
    moved = levers_of(base, money, points, change)
    highest = max(each.retention_rate for _, _, _, each, _ in moved)
    if highest >= 1:
        raise InputError(
            f"points: a retention rate of {base.retention_rate:.3g} would rise to {highest:.3g}. It must "
            "stay below 1: pass smaller points and change."
        )
    value = value_of(base, money)
    values = np.array([value_of(each, its) for _, _, _, each, its in moved])
    lower, upper = retention_interval(base, confidence)
    ends = [value_of(replace(base, retention_rate=end), money) if end < 1 else math.nan for end in (lower, upper)]
    existing, new = per_customer(base, money)
    share = (values - value) / value if value > 0 else np.full(len(values), math.nan)
    return Levers(
        lever=tuple(name for name, *_ in moved),
        before=np.array([number for _, number, *_ in moved]),
        after=np.array([number for _, _, number, *_ in moved]),
        value=values,
        gain=values - value,
        gain_share=share,
        base_value=value,
        value_per_customer=existing,
        value_per_new_customer=new,
        contribution=contribution_of(base, money),
        retention_lower=lower,
        retention_upper=upper,
        base_value_lower=ends[0],
        base_value_upper=ends[1],
        discount_rate=annual,
        base=base,
        assumptions=ASSUMPTIONS,
        notes=notes_on(base, money, points, annual),
    )


def require_base(base: CustomerBase) -> None:
    """Raise InputError unless the numbers of the base are in their ranges."""
    require_time_unit(base.time_unit)
    require_number("customers", base.customers, above=0)
    require_number("new_customers", base.new_customers, at_least=0)
    require_number("purchases", base.purchases, above=0)
    require_number("spend", base.spend, above=0)
    if not 0 <= base.retention_rate < 1:
        raise InputError(f"retention_rate: got {base.retention_rate}. Pass a share at least 0 and below 1 per period.")


def contribution_of(base: CustomerBase, money: Money) -> float:
    """Money kept per customer and period."""
    return money.margin * base.purchases * base.spend - money.cost_to_serve


def per_customer(base: CustomerBase, money: Money) -> tuple[float, float]:
    """Value of a customer of today and of a new one."""
    each = contribution_of(base, money) / (1 + money.rate - base.retention_rate)
    return each * base.retention_rate, each * (1 + money.rate) - money.acquisition_cost


def value_of(base: CustomerBase, money: Money) -> float:
    """Value of the customers of today and of the new ones of one period."""
    existing, new = per_customer(base, money)
    return base.customers * existing + base.new_customers * new


def levers_of(
    base: CustomerBase, money: Money, points: float, change: float
) -> list[tuple[str, float, float, CustomerBase, Money]]:
    """Return each lever: its name, its number before and after, and the base and the money when it is moved."""
    up, r, cost = 1 + change, base.retention_rate, money.acquisition_cost
    more = f"+{100 * change:g} %"
    levers = [
        (f"retention +{100 * points:g} points", r, r + points, replace(base, retention_rate=r + points), money),
        (f"retention {more}", r, r * up, replace(base, retention_rate=r * up), money),
        (f"purchases {more}", base.purchases, base.purchases * up, replace(base, purchases=base.purchases * up), money),
        (f"spend {more}", base.spend, base.spend * up, replace(base, spend=base.spend * up), money),
        (f"margin {more}", money.margin, money.margin * up, base, replace(money, margin=money.margin * up)),
    ]
    if cost > 0:
        lower = cost * (1 - change)
        name = f"acquisition cost −{100 * change:g} %"
        levers.append((name, cost, lower, base, replace(money, acquisition_cost=lower)))
    return levers


def retention_interval(base: CustomerBase, confidence: float) -> tuple[float, float]:
    """Exact interval of a measured retention rate by Clopper and Pearson; NaN if it was given."""
    n = base.customers_before
    if not math.isfinite(n):
        return math.nan, math.nan
    kept = round(base.retention_rate * n)
    lower, upper = binomial_interval(np.asarray(kept), np.asarray(n), confidence)
    return float(lower), float(upper)


def notes_on(base: CustomerBase, money: Money, points: float, annual: float) -> tuple[str, ...]:
    """Say how the value of a customer moves beside what is often quoted, and what the contribution hides."""
    notes = []
    if contribution_of(base, money) <= 0:
        notes.append("A customer brings less than she costs to serve: more retention loses more money.")
        return tuple(notes)
    if base.retention_rate > 0:
        now = per_customer(base, money)[0]
        moved = per_customer(replace(base, retention_rate=base.retention_rate + points), money)[0]
        gain = moved / now - 1
        low, high = QUOTED
        fits = "within" if low <= gain <= high else "below" if gain < low else "above"
        notes.append(
            f"{100 * points:g} points more retention raise the value of a customer by {gain:.1%}, at {annual:.1%} a "
            f"year: {fits} the {low:.0%} to {high:.0%} that are often quoted."
        )
    if base.retention_rate < 0.2:
        notes.append("Few customers buy again within a period: a longer time_unit may fit the business better.")
    return tuple(notes)
