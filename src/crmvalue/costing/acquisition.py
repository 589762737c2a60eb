"""What it costs to win a customer: spend over customers who buy for the first time ever, by channel and month."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.costing.apportion import split, to_cents, weights_of
from crmvalue.costing.grouping import group_rows
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import read_lines, without_blanks
from crmvalue.costing.names import counted
from crmvalue.costing.newcomers import Newcomers, newcomers
from crmvalue.costing.purchases import transactions_with
from crmvalue.costing.worth import worth_of
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import CENTS, exact_sum, exact_sums

MADE = (
    "new_customers",
    "paid_spend",
    "loaded_spend",
    "paid_cost",
    "loaded_cost",
    "value",
    "value_to_cost",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcquisitionCost:
    """Cost to win a customer: paid (marketing alone) and loaded (with shares of staff, IT and the rest).

    Columns of `frame`: those of `by` (month: first day of the month of first purchase); new_customers; paid_spend;
    loaded_spend; paid_cost and loaded_cost (of one; inf for a spend that won nobody, missing for neither); and, with
    values, value (mean of the new customers) and value_to_cost (value / loaded_cost).
    """

    frame: Frame  # one row a group, in the engine of the ledger
    by: tuple[str, ...]  # columns that make the groups
    lag: int  # months from the spend to the first purchase that it is compared with
    new_customers: int  # won in the months that are compared
    paid_spend: float  # in these months, of marketing
    loaded_spend: float  # in these months, of all categories
    paid_cost: float  # paid_spend / new_customers
    loaded_cost: float  # loaded_spend / new_customers
    unmatched_spend: float  # acquisition spend whose month of first purchases lies outside the transactions
    unmatched_customers: int  # new customers whose month of spend lies outside the ledger
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def acquisition_cost(
    ledger: Ledger | Frame,
    transactions: Transactions | Frame,
    *,
    by: Sequence[str] = ("channel",),
    lag: int = 0,
    value: Frame | None = None,
) -> AcquisitionCost:
    """Spend on acquisition over the customers who then bought for the first time ever.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs with a column stage: the lines of stage acquisition are the spend.
    transactions : Transactions or frame
        Every purchase that there is: a customer is new in the month of her first one, and returning ones don't count.
    by : sequence of str
        "month" (of first purchase), a column that ledger and transactions share, such as "channel", both, or neither
        for the blended cost.
    lag : int
        Months from the spend to the first purchase: with 1, the spend of January won the customers of February.
    value : frame, optional
        Columns customer_id and value, such as ``customer_value(...)``.

    Returns
    -------
    AcquisitionCost
        One row a group, the blended cost, and what could not be matched.

    Raises
    ------
    InputError
        If the ledger has no stages or no line of stage acquisition, a column is missing, `by` names two columns other
        than month, `lag` is no whole number of at least 0, or no month of spend meets a month of purchases.

    Notes
    -----
    Paid spend is the category marketing. Loaded spend adds the other categories: their lines that name a channel stay
    with it, and the others are shared among the channels in proportion to the paid spend of the month (of all months,
    without "month" in `by`), to the cent. Marketing that names no channel is on the row without one. Where nothing was
    paid to share by, shared spend is on that row too.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": "2024-01-31", "category": ["marketing", "marketing", "staff"], "stage": "acquisition",
    ...     "channel": ["web", "fair", None], "amount": [60.0, 40.0, 50.0]
    ... })
    >>> orders = pd.DataFrame({
    ...     "customer_id": [1, 2, 2], "date": "2024-01-09", "amount": 10.0, "channel": ["web", "web", "web"]
    ... })
    >>> result = acquisition_cost(lines, orders)
    >>> result.frame[["channel", "new_customers", "paid_cost", "loaded_cost"]]
      channel  new_customers  paid_cost  loaded_cost
    0     web              2       30.0         45.0
    1    fair              0        inf          inf
    >>> result.paid_cost, result.loaded_cost
    (50.0, 75.0)
    """
    by, tag = read_groups(by)
    if isinstance(lag, bool) or not isinstance(lag, (int, np.integer)) or lag < 0:
        raise InputError(f"lag: got {lag!r}. Pass a whole number of months, at least 0.")
    checked = as_ledger(ledger, ["stage", *([tag] if tag else [])])
    lines = read_lines(checked, ["stage", *([tag] if tag else [])])
    spent = lines["stage"] == "acquisition"
    if not spent.any():
        raise InputError("ledger: no line has the stage acquisition. Name the stage of the lines that won customers.")
    known = transactions_with(transactions, [tag] if tag else [])
    found = newcomers(known, tag)
    lines = {name: values[spent] for name, values in lines.items()}
    bought = lines["date"].astype("datetime64[M]").astype(np.int64) + int(lag)
    low, high = window(bought, known)
    matched = (bought >= low) & (bought <= high)
    won = (found.month >= low) & (found.month <= high)
    keys, spend_group, head_group = groups_of(by, tag, lines, bought, found, matched, won)
    heads = np.bincount(head_group, minlength=len(next(iter(keys.values()))) if keys else 1)
    table = spend_table(keys, tag, lines["amount"][matched], lines["category"][matched], spend_group, heads)
    paid, loaded = table["paid_spend"], table["loaded_spend"]
    without_value = 0
    if value is not None:
        worth = worth_of(value, found.names[won])
        without_value = int(np.isnan(worth).sum())
        table |= values_of(worth, head_group, table["loaded_cost"])
    order = np.lexsort((-loaded, keys["month"])) if "month" in keys else np.argsort(-loaded, kind="stable")
    order = order[((heads > 0) | (paid != 0) | (loaded != 0))[order]]  # the row of nobody may have been shared out
    total_paid, total, count = exact_sum(paid), exact_sum(loaded), int(heads.sum())
    left, late = exact_sum(lines["amount"][~matched]), int((~won).sum())
    return AcquisitionCost(
        frame=frames.like({name: values[order] for name, values in table.items()}, frames.open_frame(checked.frame)),
        by=by,
        lag=int(lag),
        new_customers=count,
        paid_spend=total_paid,
        loaded_spend=total,
        paid_cost=float(cost_of_one(np.array([total_paid]), np.array([count]))[0]),
        loaded_cost=float(cost_of_one(np.array([total]), np.array([count]))[0]),
        unmatched_spend=left,
        unmatched_customers=late,
        assumptions=words(tag, int(lag), low, high, left, late, without_value),
    )


def read_groups(by: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the groups, and the one column among them that is not the month."""
    by = (by,) if isinstance(by, str) else tuple(by)
    tags = [name for name in by if name != "month"]
    if len(tags) > 1 or len(set(by)) < len(by) or any(name in MADE for name in tags):
        raise InputError(f'by: got {list(by)}. Name "month", one column such as "channel", both, or neither.')
    return by, tags[0] if tags else None


def window(bought: IntArray, transactions: Transactions) -> tuple[int, int]:
    """Return the first and last month of first purchases that spend can be compared with."""
    audit = transactions.audit
    first, last = (int(day.astype("datetime64[M]").astype(np.int64)) for day in (audit.first_day, audit.last_day))
    low, high = max(int(bought.min()), first), min(int(bought.max()), last)
    if low > high:
        raise InputError("lag: no month of spend meets a month of purchases. Check the dates of ledger and orders.")
    return low, high


def groups_of(
    by: Sequence[str],
    tag: str | None,
    lines: dict[str, AnyArray],
    bought: IntArray,
    found: Newcomers,
    matched: AnyArray,
    won: AnyArray,
) -> tuple[dict[str, AnyArray], IntArray, IntArray]:
    """Return the groups of spend and new customers together, and the group of each line and each new customer."""
    n_lines, keys = int(matched.sum()), {}
    for name in by:
        if name == "month":
            months = np.concatenate([bought[matched], found.month[won]])
            keys[name] = months.astype("datetime64[M]").astype("datetime64[D]")
        else:
            tags = without_blanks(lines[name])[matched]
            keys[name] = np.concatenate([tags.astype(object), found.tags[found.tag[won]].astype(object)])
    groups, group = group_rows(keys, n_lines + int(won.sum()))
    return groups, group[:n_lines], group[n_lines:]


def spend_table(
    keys: dict[str, AnyArray], tag: str | None, amount: Array, category: AnyArray, group: IntArray, heads: IntArray
) -> dict[str, AnyArray]:
    """Return the groups with their new customers, their paid and loaded spend, and what one customer cost."""
    n = len(heads)
    paid = exact_sums(np.where(category == "marketing", amount, 0.0), group, n)
    loaded = exact_sums(amount, group, n)
    if tag is not None:
        loaded = shared_out(loaded, paid, keys, tag, "month" in keys)
    costs = {"paid_cost": cost_of_one(paid, heads), "loaded_cost": cost_of_one(loaded, heads)}
    return {**keys, "new_customers": heads, "paid_spend": paid, "loaded_spend": loaded, **costs}


def shared_out(loaded: Array, paid: Array, keys: dict[str, AnyArray], tag: str, monthly: bool) -> Array:
    """Share what is neither marketing nor named a channel among those that were paid, to the cent, month by month."""
    nobody = np.array([value is None for value in keys[tag].tolist()])
    month = keys["month"].astype(np.int64) if monthly else np.zeros(len(loaded), dtype=np.int64)
    result = loaded.copy()
    for place in np.flatnonzero(nobody).tolist():
        weight = np.where((month == month[place]) & ~nobody, np.maximum(paid, 0.0), 0.0)
        cents = float(to_cents(np.array([loaded[place] - paid[place]]))[0])
        if cents and weight.sum() > 0:
            parts = np.empty(len(weight))
            split(cents, weights_of(weight), parts)
            result += parts / CENTS
            result[place] -= cents / CENTS
    return (
        np.rint(result * CENTS) / CENTS if (np.abs(loaded - np.rint(loaded * CENTS) / CENTS) < 1e-8).all() else result
    )


def cost_of_one(spend: Array, heads: IntArray) -> Array:
    """Spend for each new customer: inf for a spend that won nobody, NaN for neither."""
    nobody = np.where(spend > 0, math.inf, math.nan)
    return np.divide(spend, heads, out=nobody, where=heads > 0)


def values_of(worth: Array, group: IntArray, cost: Array) -> dict[str, AnyArray]:
    """Mean value of the new customers of each group, and its ratio to their cost."""
    ok = np.isfinite(worth)
    sums = np.bincount(group[ok], weights=worth[ok], minlength=len(cost))
    counts = np.bincount(group[ok], minlength=len(cost))
    mean = np.divide(sums, counts, out=np.full(len(cost), np.nan), where=counts > 0)
    ratio = np.divide(mean, cost, out=np.full(len(cost), np.nan), where=np.isfinite(cost) & (cost > 0))
    return {"value": mean, "value_to_cost": ratio}


def words(
    tag: str | None, lag: int, low: int, high: int, left: float, late: int, without_value: int
) -> tuple[str, ...]:
    """Say what the cost rests on."""
    first, last = np.datetime64(low, "M"), np.datetime64(high, "M")
    spent = f"{counted(lag, 'month', 'months')} before" if lag else "the same months"
    said = [
        "A customer is new in the month of her first purchase in the transactions; returning ones don't count.",
        f"First purchases from {first} to {last}, against the spend of {spent}.",
        "Paid is the category marketing; loaded adds all other lines of stage acquisition.",
    ]
    if tag is not None:
        said.append(f"Loaded lines that name no {tag} are shared in proportion to paid spend.")
    if left or late:
        said.append(
            f"Left out: spend of {number_text(left)} and {counted(late, 'new customer', 'new customers')} "
            "of months without the other."
        )
    if without_value:
        said.append(f"No value is known of {counted(without_value, 'new customer', 'new customers')}: in no mean.")
    return tuple(said)
