"""What it costs that customers leave: what they would have brought, win-back spend, and word of mouth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame
from crmvalue.costing.grouping import match, ranked
from crmvalue.costing.ledger import Ledger, as_ledger
from crmvalue.costing.lines import read_lines
from crmvalue.costing.names import counted
from crmvalue.costing.purchases import to_whole_cents
from crmvalue.costing.worth import worth_of
from crmvalue.data.cohorts import last_observed_day
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.finance.exact_sums import exact_sum, exact_sums

YEAR = 365  # days of the history that stand for a year to come


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChurnCost:
    """Cost of customers who left: contribution lost + win-back spend + word of mouth.

    Columns of `frame`: customer_id, last_purchase, days_since_last, lost (contribution lost with her; missing where
    her value is not known).
    """

    frame: Frame  # one row a customer who left, in the engine of the transactions
    customers: int  # customers there ever were
    left: int  # customers who left
    contribution_lost: float  # sum of `lost`
    unknown: int  # customers who left and whose value is not known: their loss is missing, not 0
    win_back_spend: float  # ledger lines of stage loss; NaN without a ledger
    word_of_mouth_loss: float  # contribution_lost * word_of_mouth: an assumption
    total: float  # of the three; win-back spend counts if there is a ledger
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def churn_cost(
    transactions: Transactions | Frame,
    *,
    inactive_after: int,
    value: Frame | None = None,
    margin: float | None = None,
    years: float = 1.0,
    ledger: Ledger | Frame | None = None,
    word_of_mouth: float = 0.0,
    observation_end: Day | None = None,
) -> ChurnCost:
    """Cost of the customers who left by a day.

    Parameters
    ----------
    transactions : Transactions or frame
        Purchases and refunds.
    inactive_after : int
        Days without a purchase after which a customer counts as one who left; at least 1.
    value : frame, optional
        Columns customer_id and value: what each customer would have brought, such as ``customer_value(...)`` as of a
        day on which she was still there.
    margin : float, optional
        Without `value`: share of revenue kept, 0 to 1. The loss is then what she brought in the 365 days that end with
        her last purchase, times `years`.
    years : float
        With `margin`: years for which she would have stayed, without discounting; above 0.
    ledger : Ledger or frame, optional
        Costs with a column stage: the lines of stage loss are win-back spend.
    word_of_mouth : float
        Further customers lost for each one who left, of the same mean value: an assumption, at least 0.
    observation_end : day, optional
        Day by which customers have left. By default the last day in the transactions.

    Returns
    -------
    ChurnCost
        Who left, and what that cost.

    Raises
    ------
    InputError
        If not just one of `value` and `margin` is passed, or a number lies outside its range.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({
    ...     "customer_id": [1, 1, 2], "date": ["2023-01-05", "2023-03-01", "2024-01-01"], "amount": [30.0, 50.0, 9.0]
    ... })
    >>> result = churn_cost(orders, inactive_after=180, margin=0.5, years=2, word_of_mouth=0.25)
    >>> result.left, result.contribution_lost, result.word_of_mouth_loss, result.total
    (1, 80.0, 20.0, 100.0)
    """
    if (value is None) == (margin is None):
        raise InputError("value, margin: pass just one of them: a value for each customer, or a share of history.")
    require_number("inactive_after", inactive_after, at_least=1)
    require_number("word_of_mouth", word_of_mouth, at_least=0)
    require_number("years", years, above=0)
    if margin is not None:
        require_number("margin", margin, at_least=0, at_most=1)
    known = as_transactions(transactions)
    end = last_observed_day(known, observation_end)
    summary = frames.open_frame(summarize_customers(known, observation_end=end).frame)
    columns = ["customer_id", "last_purchase", "days_since_last"]
    found = frames.to_arrays(summary, columns)
    gone = found["days_since_last"] > inactive_after
    table = {name: values[gone] for name, values in found.items()}
    order = np.argsort(ranked(table["customer_id"])[0])  # a lazy engine gives customers in any order
    table = {name: values[order] for name, values in table.items()}
    if value is not None:
        lost, how = worth_of(value, table["customer_id"]), "what `value` says she would have brought"
    else:
        lost = recent_spend(known, table, end) * float(margin or 0.0) * years
        spent = f"what she spent in the {YEAR} days up to her last purchase"
        how = f"{margin:.1%} of {spent}, times {years:g} (years to come)"
    missing = np.isnan(lost)
    gross = exact_sum(lost[~missing])
    spend = float("nan") if ledger is None else win_back(ledger)
    mouth = gross * word_of_mouth
    left = f"A customer has left if she has not bought for more than {inactive_after} days on {end}."
    return ChurnCost(
        frame=frames.like({**table, "lost": lost}, summary),
        customers=len(gone),
        left=int(gone.sum()),
        contribution_lost=gross,
        unknown=int(missing.sum()),
        win_back_spend=spend,
        word_of_mouth_loss=mouth,
        total=exact_sum(np.array([gross, mouth, 0.0 if ledger is None else spend])),
        assumptions=(left, *words(how, word_of_mouth, spend, int(missing.sum()))),
    )


def words(how: str, word_of_mouth: float, spend: float, unknown: int) -> tuple[str, ...]:
    """Say what the cost of those who left rests on."""
    said = [
        f"Contribution lost is {how}.",
        f"Word of mouth: {word_of_mouth:g} further customers lost for each who left, of the same value: an assumption.",
        "No ledger was passed: win-back spend is unknown and not in the total." if np.isnan(spend) else
        f"Win-back spend is the ledger lines of stage loss: {number_text(spend)}.",
    ]  # fmt: skip
    if unknown:
        said.append(f"Of {counted(unknown, 'customer', 'customers')} who left no value is known: missing, not 0.")
    return tuple(said)


def recent_spend(transactions: Transactions, table: dict[str, AnyArray], end: np.datetime64) -> Array:
    """Spend less refunds of each customer in the year up to her last purchase, refunds after it taken off."""
    final = int(end.astype("datetime64[D]").astype(np.int64))
    last = table["last_purchase"].astype("datetime64[D]").astype(np.int64)
    rows = frames.open_frame(transactions.frame).select("customer_id", "date", "amount")
    if isinstance(rows, nw.DataFrame):
        arrays = frames.to_arrays(rows, ["customer_id", "date", "amount"])
        place, day = match(arrays["customer_id"], table["customer_id"]), arrays["date"].astype(np.int64)
        recent = (place >= 0) & (day <= final)
        recent[recent] = day[recent] > last[place[recent]] - YEAR
        return exact_sums(arrays["amount"][recent], place[recent], len(last))
    heads: Any = nw.from_native(frames.like({"_crm_id": table["customer_id"], "_crm_last": last}, rows))
    rows = rows.with_columns(_crm_day=frames.day_number("date")).filter(nw.col("_crm_day") <= final)
    joined = rows.join(heads, left_on="customer_id", right_on="_crm_id", how="inner")
    recent_rows = joined.filter(nw.col("_crm_day") > nw.col("_crm_last") - YEAR)
    sums = recent_rows.group_by("customer_id").agg(nw.col("amount").sum())
    found = frames.to_arrays(sums, ["customer_id", "amount"])
    spend = np.zeros(len(last))
    spend[match(found["customer_id"], table["customer_id"])] = to_whole_cents(found["amount"].astype(float))
    return spend


def win_back(ledger: Ledger | Frame) -> float:
    """Sum of the ledger lines of stage loss."""
    lines = read_lines(as_ledger(ledger, ["stage"]), ["stage"])
    return float(exact_sums(lines["amount"], (lines["stage"] == "loss").astype(np.int64), 2)[1])
