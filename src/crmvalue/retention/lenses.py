"""What an audit of the customer base looks at: the customers of two periods, and the factors of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import day_number, one_row, open_frame, series_to_array, series_to_days, to_arrays
from crmvalue._core.periods import first_days, period_number, period_numbers
from crmvalue._core.types import AnyArray, Array, BoolArray, IntArray, Period
from crmvalue.data.cohorts import NEVER, day_as_number, eager_arrays
from crmvalue.data.transactions import Transactions
from crmvalue.retention.shares import share_of

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DECILES = 10
MEASURES = ("orders", "revenue", "order_value", "profit")  # of a customer in this period


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoPeriods:
    """Customers with rows in one of two periods; column 0 is the period before, column 1 this one.

    One row a customer, or one row for all customers who did the same in the two periods, added up.
    """

    first: IntArray  # number of the period of the first purchase, NEVER if none, shape (k,)
    count: IntArray  # customers, shape (k,)
    orders: Array  # purchase days, shape (k, 2)
    revenue: Array  # amount less refunds, shape (k, 2)
    profit: Array  # what is kept of it, shape (k, 2)

    @property
    def bought(self) -> BoolArray:
        """Whether they bought in each period, shape (k, 2)."""
        return self.orders > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """Two periods side by side, and the customers of this one."""

    both: TwoPeriods  # all customers of the two periods
    current: dict[str, Array] | nw.LazyFrame[Any]  # orders, revenue, order_value, profit of each customer of this one

    @property
    def n_current(self) -> int:
        """Number of customers of this period."""
        return int(self.both.count[self.both.bought[:, 1]].sum())


def compared_periods(
    transactions: Transactions, end: np.datetime64, period: Period, number: int, margin: float | str
) -> Compared:
    """Return the period with this number and the one before, as known at `end`."""
    column = [margin] if isinstance(margin, str) else []
    rows = open_frame(transactions.frame).select("customer_id", "date", "amount", *column)
    if isinstance(rows, nw.DataFrame):
        both = two_periods_of_rows(rows, end, period, number, margin)
        there = both.bought[:, 1]
        orders, revenue, profit = (values[there, 1] for values in (both.orders, both.revenue, both.profit))
        current = {"orders": orders, "revenue": revenue, "order_value": revenue / orders, "profit": profit}
        return Compared(both=both, current=current)
    customers = two_periods_in_engine(rows, end, period, number, column)
    if not isinstance(margin, str):
        customers = customers.with_columns(nw.col("_crm_kept_0", "_crm_kept_1") * margin)
    orders, revenue = nw.col("_crm_orders_1").cast(nw.Float64), nw.col("_crm_revenue_1")
    return Compared(
        both=added_up(customers, number),
        current=customers.filter(orders > 0).select(
            orders=orders, revenue=revenue, order_value=revenue / orders, profit=nw.col("_crm_kept_1")
        ),
    )


def added_up(customers: nw.LazyFrame[Any], number: int) -> TwoPeriods:
    """Add up the customers of a lazy frame who did the same: bought in each of the two periods or not, new or not."""
    names = [f"_crm_{name}_{place}" for name in ("orders", "revenue", "kept") for place in (0, 1)]
    first = nw.col("_crm_first")
    kinds = customers.with_columns(
        _crm_before=(nw.col("_crm_orders_0") > 0).cast(nw.Int64),
        _crm_now=(nw.col("_crm_orders_1") > 0).cast(nw.Int64),
        _crm_first=nw.when(first < number).then(number - 1).otherwise(first),
    )
    sums = kinds.group_by("_crm_first", "_crm_before", "_crm_now").agg(nw.col(*names).sum(), _crm_n=nw.len())
    found = to_arrays(sums, ["_crm_first", "_crm_n", *names])
    orders, revenue, profit = (
        np.column_stack([found[f"_crm_{name}_{place}"] for place in (0, 1)]).astype(float)
        for name in ("orders", "revenue", "kept")
    )
    count = found["_crm_n"].astype(np.int64)
    return TwoPeriods(
        first=found["_crm_first"].astype(np.int64), count=count, orders=orders, revenue=revenue, profit=profit
    )


def two_periods_in_engine(
    rows: nw.LazyFrame[Any], end: np.datetime64, period: Period, number: int, column: list[str]
) -> nw.LazyFrame[Any]:
    """Describe one row a customer of the two periods to a lazy engine."""
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
    return customers.filter(nw.col("_crm_there") == 1)


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
        count=np.ones(len(there), dtype=np.int64),
        orders=orders.reshape(n, 2)[there].astype(float),
        revenue=np.asarray(np.bincount(cell, amount, minlength=size), dtype=float).reshape(n, 2)[there],
        profit=np.asarray(np.bincount(cell, kept, minlength=size), dtype=float).reshape(n, 2)[there],
    )


def spread_table(compared: Compared) -> dict[str, AnyArray]:
    """Columns of how customers of this period differ: quantiles of orders, revenue, order value and profit."""
    if isinstance(compared.current, nw.LazyFrame):
        mean, quantiles = spread_in_engine(compared.current, compared.n_current)
    else:
        mean = np.array([values.mean() for values in compared.current.values()])
        quantiles = np.array([np.quantile(values, QUANTILES) for values in compared.current.values()])
    return {
        "measure": np.array(MEASURES, dtype=object),
        "mean": mean,
        **{f"p{round(100 * q)}": quantiles[:, place] for place, q in enumerate(QUANTILES)},
    }


def spread_in_engine(current: nw.LazyFrame[Any], n: int) -> tuple[Array, Array]:
    """Means and quantiles of each measure; only the customers between whom a quantile lies reach Python."""
    one = nw.col("_crm_one")
    means = one_row(current, **{name: nw.col(name).mean() for name in MEASURES})
    place = np.array(QUANTILES) * (n - 1)
    below, above = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    ranks = np.unique(np.concatenate([below, above])) + 1
    numbered = current.with_columns(_crm_one=nw.lit(1)).with_columns(
        **{f"_crm_{name}": one.cum_sum().over(order_by=name).cast(nw.Int64) for name in MEASURES}
    )
    asked = nw.lit(False)
    for name in MEASURES:
        asked = asked | nw.col(f"_crm_{name}").is_in(ranks.tolist())
    found = to_arrays(numbered.filter(asked), [*MEASURES, *(f"_crm_{name}" for name in MEASURES)])
    quantiles = []
    for name in MEASURES:
        order = np.argsort(found[f"_crm_{name}"])
        values, at = found[name][order].astype(float), found[f"_crm_{name}"][order]
        low, high = (values[np.searchsorted(at, rank + 1)] for rank in (below, above))
        quantiles.append(low + (high - low) * (place - below))
    return np.array([float(means[name]) for name in MEASURES]), np.array(quantiles)


def decile_table(compared: Compared) -> dict[str, AnyArray]:
    """Columns of the tenths of the customers of this period, those of the highest profit first."""
    names, n = ("orders", "revenue", "profit"), compared.n_current
    if isinstance(compared.current, nw.LazyFrame):
        worse = nw.col("_crm_one").cum_sum().over(order_by=["profit", "revenue", "orders"]).cast(nw.Int64)
        placed = compared.current.with_columns(_crm_one=nw.lit(1)).with_columns(_crm_place=worse)  # n for the best
        placed = placed.with_columns(_crm_tenth=(nw.lit(n) - nw.col("_crm_place")) * DECILES // n)
        sums = placed.group_by("_crm_tenth").agg(nw.col(*names).sum(), _crm_n=nw.len())
        rows = to_arrays(sums, ["_crm_tenth", "_crm_n", *names])
        tenth, count = rows["_crm_tenth"].astype(np.int64), rows["_crm_n"]
    else:
        rows = {name: compared.current[name] for name in names}
        tenth, count = np.empty(n, dtype=np.int64), np.ones(n)
        tenth[np.lexsort([rows[name] for name in names])[::-1]] = np.arange(n) * DECILES // n
    there = np.unique(tenth)
    table: dict[str, AnyArray] = {
        "decile": there + 1,
        "customers": np.bincount(tenth, count)[there].astype(np.int64),
        **{name: np.bincount(tenth, rows[name])[there] for name in names},
    }
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
    table["customers"] = np.array([*(customers.count[rows].sum() for rows in groups.values()), 0], dtype=np.int64)
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
    n = np.where(there, customers.count[:, None], 0).sum(axis=0).astype(float)
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
