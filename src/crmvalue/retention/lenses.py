"""What an audit of the customer base looks at: the customers of two periods, and the factors of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame, day_number, open_frame, series_to_array, series_to_days, to_arrays
from crmvalue._core.periods import first_days, period_number, period_numbers
from crmvalue._core.types import AnyArray, Array, BoolArray, IntArray, Period
from crmvalue.data.cohorts import NEVER, day_as_number, eager_arrays
from crmvalue.data.transactions import Transactions
from crmvalue.retention.shares import share_of

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DECILES = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoPeriods:
    """One row a customer with rows in one of two periods; column 0 is the period before, column 1 this one."""

    first: IntArray  # number of the period of her first purchase, NEVER if none, shape (n,)
    orders: Array  # purchase days, shape (n, 2)
    revenue: Array  # amount less refunds, shape (n, 2)
    profit: Array  # what is kept of it, shape (n, 2)

    @property
    def bought(self) -> BoolArray:
        """Whether she bought in each period, shape (n, 2)."""
        return self.orders > 0


def two_periods(
    transactions: Transactions, end: np.datetime64, period: Period, number: int, margin: float | str
) -> TwoPeriods:
    """Return the customers of the period with this number and of the one before, as known at `end`."""
    column = [margin] if isinstance(margin, str) else []
    rows = open_frame(transactions.frame).select("customer_id", "date", "amount", *column)
    if isinstance(rows, nw.DataFrame):
        return two_periods_of_rows(rows, end, period, number, margin)
    found = two_periods_in_engine(rows, end, period, number, column)
    revenue = np.column_stack([found["_crm_revenue_0"], found["_crm_revenue_1"]]).astype(float)
    kept = np.column_stack([found["_crm_kept_0"], found["_crm_kept_1"]]).astype(float)
    return TwoPeriods(
        first=found["_crm_first"].astype(np.int64),
        orders=np.column_stack([found["_crm_orders_0"], found["_crm_orders_1"]]).astype(float),
        revenue=revenue,
        profit=revenue * margin if not isinstance(margin, str) else kept,
    )


def two_periods_in_engine(
    rows: AnyFrame, end: np.datetime64, period: Period, number: int, column: list[str]
) -> dict[str, AnyArray]:
    """Reduce a lazy frame to one row a customer of the two periods."""
    at, bought = nw.col("_crm_period"), nw.col("_crm_bought")
    rows = rows.filter(day_number("date") <= day_as_number(end)).select(
        "customer_id",
        _crm_period=period_number("date", period),
        _crm_day=day_number("date"),
        _crm_amount=nw.col("amount"),
        _crm_kept=nw.col(column[0]) if column else nw.col("amount"),
        _crm_bought=(nw.col("amount") >= 0).cast(nw.Int64),
    )
    days = rows.group_by("customer_id", "_crm_period", "_crm_day").agg(
        nw.col("_crm_amount").sum(), nw.col("_crm_kept").sum(), bought.max()
    )
    split: dict[str, nw.Expr] = {"_crm_first": nw.when(bought == 1).then(at).otherwise(nw.lit(NEVER))}
    for name, source in (("orders", "_crm_bought"), ("revenue", "_crm_amount"), ("kept", "_crm_kept")):
        for place, wanted in enumerate((number - 1, number)):
            inside = nw.when(at == wanted).then(nw.col(source).cast(nw.Float64)).otherwise(nw.lit(0.0))
            split[f"_crm_{name}_{place}"] = inside
    split["_crm_there"] = nw.when((at == number) | (at == number - 1)).then(nw.lit(1)).otherwise(nw.lit(0))
    days = days.with_columns(**split)
    sums = [nw.col(name).sum() for name in split if name not in ("_crm_first", "_crm_there")]
    customers = days.group_by("customer_id").agg(nw.col("_crm_first").min(), nw.col("_crm_there").max(), *sums)
    return to_arrays(customers.filter(nw.col("_crm_there") == 1), [name for name in split if name != "_crm_there"])


def two_periods_of_rows(
    rows: nw.DataFrame[Any], end: np.datetime64, period: Period, number: int, margin: float | str
) -> TwoPeriods:
    """Reduce a frame in memory to one row a customer of the two periods."""
    code, day, amount = eager_arrays(rows, end)
    n = int(code.max(initial=-1)) + 1
    bought = amount >= 0
    first_day = np.full(n, NEVER)
    np.minimum.at(first_day, code[bought], day[bought])
    known = first_day < NEVER
    first = np.full(n, NEVER)
    first[known] = period_numbers(first_day[known], period)
    begin = first_days(np.array([number - 1, number, number + 1]), period).astype(np.int64)
    inside = (day >= begin[0]) & (day < begin[2])
    if isinstance(margin, str):
        counted = series_to_days(rows.get_column("date")) <= day_as_number(end)
        kept = series_to_array(rows.get_column(margin))[counted].astype(float)[inside]
    else:
        kept = amount[inside] * margin
    code, day, amount = code[inside], day[inside], amount[inside]
    place = (day >= begin[1]).astype(np.int64)
    cell, size = code * 2 + place, 2 * n
    span = int(begin[2] - begin[0])
    visits = np.unique((code * span + day - begin[0])[amount >= 0])
    late = (visits % span >= begin[1] - begin[0]).astype(np.int64)
    there = np.flatnonzero(np.bincount(code, minlength=n))
    orders = np.bincount(visits // span * 2 + late, minlength=size)
    return TwoPeriods(
        first=first[there],
        orders=orders.reshape(n, 2)[there].astype(float),
        revenue=np.asarray(np.bincount(cell, amount, minlength=size), dtype=float).reshape(n, 2)[there],
        profit=np.asarray(np.bincount(cell, kept, minlength=size), dtype=float).reshape(n, 2)[there],
    )


def spread_table(customers: TwoPeriods) -> dict[str, AnyArray]:
    """Columns of how customers of this period differ: quantiles of orders, revenue, order value and profit."""
    there = customers.bought[:, 1]
    orders, revenue, profit = (values[there, 1] for values in (customers.orders, customers.revenue, customers.profit))
    measures = {"orders": orders, "revenue": revenue, "order_value": revenue / orders, "profit": profit}
    quantiles = np.array([np.quantile(values, QUANTILES) for values in measures.values()])
    return {
        "measure": np.array(list(measures), dtype=object),
        "mean": np.array([values.mean() for values in measures.values()]),
        **{f"p{round(100 * q)}": quantiles[:, place] for place, q in enumerate(QUANTILES)},
    }


def decile_table(customers: TwoPeriods) -> dict[str, AnyArray]:
    """Columns of the tenths of the customers of this period, those of the highest profit first."""
    there = customers.bought[:, 1]
    order = np.lexsort([values[there, 1] for values in (customers.orders, customers.revenue, customers.profit)])[::-1]
    n = len(order)
    tenth = np.minimum(np.arange(n) * DECILES // n, DECILES - 1)
    table: dict[str, AnyArray] = {
        "decile": np.unique(tenth) + 1,
        "customers": np.bincount(tenth)[np.unique(tenth)],
    }
    for name, values in (("orders", customers.orders), ("revenue", customers.revenue), ("profit", customers.profit)):
        table[name] = np.bincount(tenth, values[there, 1][order])[np.unique(tenth)]
    for name in ("revenue", "profit"):
        table[f"{name}_share"] = share_of(table[name], np.full(len(table[name]), table[name].sum()))
    return table


def change_table(customers: TwoPeriods, number: int) -> dict[str, AnyArray]:
    """Columns of who stayed, came, came back and left, and what that did to revenue and profit."""
    before, now = customers.bought.T
    groups = {
        "stayed": before & now,
        "new": now & ~before & (customers.first == number),
        "returned": now & ~before & (customers.first < number),
        "left": before & ~now,
    }
    # refunds of a period without a purchase change revenue too: those of customers who left, and of all others
    alone = {"refunds alone": np.ones(len(before), dtype=bool)}
    table: dict[str, AnyArray] = {"group": np.array([*groups, *alone], dtype=object)}
    table["customers"] = np.array([*(rows.sum() for rows in groups.values()), 0], dtype=np.int64)
    for name, values in (("revenue", customers.revenue), ("profit", customers.profit)):
        bought = np.where(customers.bought, values, 0.0)
        other = np.where(customers.bought, 0.0, values)
        for place, label in enumerate(("before", "now")):
            sums = [bought[rows, place].sum() for rows in groups.values()]
            table[f"{name}_{label}"] = np.array([*sums, other[:, place].sum()])
        table[f"{name}_change"] = table[f"{name}_now"] - table[f"{name}_before"]
    return table


def driver_table(customers: TwoPeriods) -> dict[str, AnyArray]:
    """Columns of the four factors of profit, and what the change of each did to it (logarithmic mean Divisia index).

    Missing where revenue or profit of one of the periods is not above 0: then no factor can be told.
    """
    there = customers.bought
    n = there.sum(axis=0).astype(float)
    orders = customers.orders.sum(axis=0)
    revenue = np.where(there, customers.revenue, 0.0).sum(axis=0)
    profit = np.where(there, customers.profit, 0.0).sum(axis=0)
    factors = np.array(
        [n, share_of(orders, n), share_of(revenue, orders), share_of(profit, np.where(revenue > 0, revenue, 0.0))]
    )
    effect = np.full(4, np.nan)
    if (factors > 0).all():
        logs = np.diff(np.log(factors), axis=1)[:, 0]
        growth = np.diff(np.log(profit))[0]
        mean = profit[0] if abs(growth) < 1e-12 else (profit[1] - profit[0]) / growth
        effect = mean * logs
    return {
        "factor": np.array(["customers", "orders per customer", "revenue per order", "margin"], dtype=object),
        "before": factors[:, 0],
        "now": factors[:, 1],
        "effect_on_profit": effect,
    }
