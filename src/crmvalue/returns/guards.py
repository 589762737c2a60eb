"""Two mistakes between benefits and costs: capital that costs twice, and a saving that counts on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.periods import period_numbers
from crmvalue.costing.names import plain_name
from crmvalue.errors import InputError

CAPITAL_CHARGES = tuple(
    plain_name(name)
    for name in ("capital charge", "cost of capital", "opportunity cost of capital", "imputed interest", "资本成本")
)
NAMED_BY = ("category", "subcategory", "kind")  # columns of a ledger that may say what a line is


def refuse_capital_charge(costs: AnyFrame, rate: float) -> None:
    """Raise InputError if money is discounted and the costs hold a charge for capital too."""
    if rate == 0:
        return
    kinds = costs.collect_schema()
    for column in (name for name in NAMED_BY if name in kinds and not kinds[name].is_numeric()):
        names = frames.collect(costs.select(nw.col(column).cast(nw.String)).unique()).get_column(column).to_list()
        charges = sorted(str(name) for name in names if plain_name(name) in CAPITAL_CHARGES)
        if charges:
            raise InputError(
                f"costs, column {column!r}: there are lines of {', '.join(map(repr, charges))}, and money is "
                f"discounted at {rate:g}: capital would cost twice. Drop these lines, or pass discount_rate=0."
            )


def savings_on_both_sides(benefits: AnyFrame, costs: AnyFrame, date: str, amount: str) -> Sequence[str]:
    """Say which cost savings among the benefits are also credits of the same amount in the costs of that year."""
    saved = benefits.filter((nw.col("mechanism") == "cost saving") & (nw.col("amount") > 0))
    dated, _ = read_dates(costs.select(date, amount), date)
    credit = read_numbers(dated, amount, argument=amount).filter(nw.col(amount) < 0)
    left, right = frames.to_arrays(saved, ["date", "amount"]), frames.to_arrays(credit, [date, amount])
    if not len(left["date"]) or not len(right[date]):
        return ()
    years = (period_numbers(days, "year") for days in (left["date"], right[date]))
    cents = (np.rint(np.abs(paid) * 100) for paid in (left["amount"], right[amount]))
    benefit, cost = (list(zip(*pair, strict=True)) for pair in zip(years, cents, strict=True))
    both = sorted(set(benefit) & set(cost))
    return [f"{hundredths / 100:,.2f} in {1970 + year}" for year, hundredths in both[:5]]
