"""From receipts to a panel: what each customer bought in each period before and during a campaign."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_day
from crmvalue._core.types import AnyArray, Day, Frame
from crmvalue.costing.grouping import ranked
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.effects.units import require_present, require_rows_there, whole
from crmvalue.errors import InputError


def campaign_panel(
    transactions: Transactions | Frame,
    addressed: Frame,
    *,
    start: Day,
    end: Day,
    before: int = 8,
    days: int = 7,
) -> Frame:
    """One row for each customer and period around a campaign, also for those who bought nothing in it.

    Parameters
    ----------
    transactions : Transactions or frame
        Purchases and refunds of all customers who could have been addressed. Each of them is a unit of the panel.
    addressed : frame of any engine
        Column customer_id: whom the campaign addressed, once or several times.
    start, end : day
        First and last day of the campaign. Days after its last whole period are left out.
    before : int
        Periods before the start, at least 1.
    days : int
        Length of a period, 7 for a week.

    Returns
    -------
    frame
        In the engine of the transactions: customer_id, period (0 is the first of the campaign, those before are
        negative), addressed (1 or 0) and amount (0 if nothing was bought). `difference_in_differences` takes it with
        ``outcome="amount", treated="addressed", start=0``.

    Raises
    ------
    InputError
        If the campaign is shorter than a period, the transactions do not cover all periods, nobody was addressed, or
        names of customers are text in one frame and numbers in the other.

    Notes
    -----
    Who bought nothing has no receipt. Left out, the mean would be one of buyers alone, and an effect on whether people
    buy at all would not be seen. Customers who were addressed and never bought are units, too.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({
    ...     "customer_id": ["ann", "ann", "bob"], "date": ["2024-01-02", "2024-01-14", "2024-01-01"],
    ...     "amount": [5.0, 9.0, 4.0]
    ... })
    >>> campaign_panel(orders, pd.DataFrame({"customer_id": ["ann"]}), start="2024-01-08", end="2024-01-14", before=1)
      customer_id  period  addressed  amount
    0         ann      -1          1     5.0
    1         ann       0          1     9.0
    2         bob      -1          0     4.0
    3         bob       0          0     0.0
    """
    before, days = whole("before", before), whole("days", days)
    known = as_transactions(transactions)
    first, periods = window(known, start, end, before, days)
    opened = frames.open_frame(known.frame)
    rows = opened.select("customer_id", "amount", _crm_day=frames.day_number("date"))
    day = nw.col("_crm_day")
    near = rows.filter((day >= first) & (day < first + periods * days))
    sums = near.group_by("customer_id", "_crm_day").agg(nw.col("amount").sum())
    sold = frames.to_arrays(sums, ["customer_id", "_crm_day", "amount"])
    everyone = frames.to_arrays(rows.select("customer_id").unique(), ["customer_id"])["customer_id"]
    chosen = read_addressed(addressed)
    require_same_kind(everyone, chosen)
    code, names = ranked(np.concatenate([sold["customer_id"], everyone, chosen]))
    n, k = len(names), len(sold["customer_id"])
    cell = code[:k] * periods + (sold["_crm_day"].astype(np.int64) - first) // days
    is_addressed = np.zeros(n, dtype=np.int64)
    is_addressed[code[k + len(everyone) :]] = 1
    table = {
        "customer_id": np.repeat(names, periods),
        "period": np.tile(np.arange(periods) - before, n),
        "addressed": np.repeat(is_addressed, periods),
        "amount": np.bincount(cell, weights=sold["amount"].astype(float), minlength=n * periods),
    }
    return frames.like(table, opened)


def window(known: Transactions, start: Day, end: Day, before: int, days: int) -> tuple[int, int]:
    """Return the first day of the panel, as a number, and how many periods it has; all must lie in the data."""
    begin, last = require_day("start", start), require_day("end", end)
    during = (int((last - begin).astype(int)) + 1) // days
    if during < 1:
        raise InputError(f"end: from {begin} to {last} there is no whole period of {days} days. Pass fewer days.")
    first, final = begin - before * days, begin + during * days - 1
    audit = known.audit
    if first < audit.first_day:
        possible = int((begin - audit.first_day).astype(int)) // days
        raise InputError(
            f"before: {before} periods reach back to {first}, and the transactions begin on {audit.first_day}. "
            f"What is missing would count as 0: pass at most {max(possible, 0)}."
        )
    if final > audit.last_day:
        raise InputError(
            f"end: the periods last until {final}, and the transactions end on {audit.last_day}. What is missing would "
            "count as 0: pass an earlier end."
        )
    return int(first.astype(np.int64)), before + during


def read_addressed(addressed: Frame) -> AnyArray:
    """Return the customers who were addressed; nobody is an error."""
    rows = frames.open_frame(addressed, argument="addressed", needs=["customer_id"]).select("customer_id")
    require_rows_there(rows, "addressed")
    require_present(rows, "customer_id", "addressed, column 'customer_id'")
    return frames.to_arrays(rows.unique(), ["customer_id"])["customer_id"]


def require_same_kind(everyone: AnyArray, chosen: AnyArray) -> None:
    """Raise InputError if customers are named by text on one side and by numbers on the other."""
    kinds = ["text" if isinstance(names[0], str) else "numbers" for names in (everyone, chosen)]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"addressed, column 'customer_id': {kinds[1]}, but {kinds[0]} in the transactions. Convert one of them."
        )
