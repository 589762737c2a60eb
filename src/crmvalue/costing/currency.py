"""One currency a ledger: others are converted at dated rates, or refused."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.names import is_blank, plain_name
from crmvalue.finance.exact_sums import CENTS


def currency_names(values: AnyArray, argument: str) -> AnyArray:
    """Return the currencies in capitals without spaces; a line without one is an error."""
    require_rows(~is_blank(values), argument, "missing currency", "Name one for each line.")
    names: AnyArray = np.array([plain_name(value).upper() for value in values.tolist()], dtype=object)
    return names


def one_currency(values: AnyArray, argument: str) -> str:
    """Return the currency of all lines, or raise InputError if there are several."""
    names = currency_names(values, argument)
    found, counts = np.unique(names.astype(str), return_counts=True)
    usual = str(found[counts.argmax()])
    problem = f"mixed currencies ({', '.join(found.tolist())}): not {usual}"
    require_rows(names == usual, argument, problem, f"Pass dated rates: rates=frame, to_currency={usual!r}.")
    return usual


def converted(
    rows: AnyFrame, lines: Mapping[str, AnyArray], rates: Frame, to_currency: str, *, argument: str
) -> tuple[AnyFrame, dict[str, AnyArray], int]:
    """Return the rows and their arrays in one currency, and how many lines were in another."""
    # the lines of a lazy frame have no order that two passes share: it is rebuilt from one pass
    lazy = isinstance(rows, nw.LazyFrame)
    table = frames.to_arrays(rows, frames.column_names(rows)) if lazy else dict(lines)
    target = plain_name(to_currency).upper()
    names = currency_names(table["currency"], argument)
    foreign = names != target
    factor = np.ones(len(names))
    factor[foreign] = rates_on(table["date"][foreign], names[foreign], read_rates(rates), argument)
    changed = np.rint(table["amount"] * factor * CENTS) / CENTS
    made = {"amount": np.where(foreign, changed, table["amount"]), "currency": np.full(len(names), target, object)}
    table |= made
    if isinstance(rows, nw.DataFrame):
        return frames.with_arrays(rows, made), table, int(foreign.sum())
    return nw.from_native(frames.like(table, rows)), table, int(foreign.sum())


def read_rates(rates: Frame) -> dict[str, AnyArray]:
    """Return checked rates as arrays, in order of their days."""
    opened = frames.open_frame(rates, argument="rates", needs=["date", "currency", "rate"])
    rows, _ = read_dates(opened.select("date", "currency", "rate"), "date", argument="rates, column 'date'")
    rows = read_numbers(rows, "rate", argument="rates, column 'rate'")
    found = frames.to_arrays(rows, ["date", "currency", "rate"])
    require_rows(~np.isnat(found["date"]), "rates", "missing or unreadable date", "Give each rate a date.")
    rate = found["rate"]
    require_rows(np.isfinite(rate) & (rate > 0), "rates", "rate that is missing or not above 0", "Give a rate above 0.")
    found["currency"] = currency_names(found["currency"], "rates, column 'currency'")
    key = np.array([f"{day} {name}" for day, name in zip(found["date"], found["currency"], strict=True)])
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    once = np.ones(len(key), dtype=bool)
    once[first[count > 1]] = False
    require_rows(once, "rates", "two rates of one currency and day", "Leave one of them out.")
    order = np.argsort(found["date"], kind="stable")
    return {name: values[order] for name, values in found.items()}


def rates_on(days: AnyArray, currency: AnyArray, rates: Mapping[str, AnyArray], argument: str) -> Array:
    """Return the latest rate of each line's currency on or before its day; none is an error."""
    rate = np.full(len(days), np.nan)
    for name in dict.fromkeys(currency.tolist()):
        mine, there = currency == name, rates["currency"] == name
        if there.any():
            place = np.searchsorted(rates["date"][there], days[mine], side="right") - 1
            rate[mine] = np.where(place >= 0, rates["rate"][there][np.maximum(place, 0)], np.nan)
    labels = np.array([f"{name} on {day}" for name, day in zip(currency, days, strict=True)], dtype=object)
    remedy = "Add a rate of that day or an earlier one."
    require_rows(np.isfinite(rate), argument, "no rate", remedy, labels=labels, label="line of")
    return rate
