"""Contracts become one presence a customer: renewals are joined, pauses bridged, overlaps counted.

A table of contracts has a row a contract, not a row a purchase: it is small, and is read into memory once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_day, require_option, require_rows
from crmvalue._core.columns import read_dates, read_numbers, refuse_mixed_ids
from crmvalue._core.frames import AnyFrame, collect, customer_codes, like, open_frame, series_to_array, series_to_days
from crmvalue._core.plain import as_dict, table_to_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Day, Frame, IntArray
from crmvalue.data.cohorts import day_as_number
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

OPEN = 2**40  # the last day of a contract that has no end yet
MISSING = np.iinfo(np.int64).min  # the day number of a missing date


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContractAudit:
    """What became of each row: rows_in = rows_out + missing_customer + missing_start."""

    rows_in: int  # rows of the frame that was passed
    missing_customer: int  # left out: no customer
    missing_start: int  # left out: no first day, or one that cannot be read
    rows_out: int  # contracts
    open_contracts: int  # of these, without an end
    overlapping: int  # of these, begin while another contract of the same customer runs; joined
    renewals: int  # of these, begin on the day after another one of the same customer ends
    pauses: int  # gaps between contracts of a customer that are no departure
    returns: int  # gaps that are: she left, and came back

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a count: its name and the number of rows (or gaps) that it concerns."""
        import pandas as pd

        counted = [field.name for field in fields(self)]
        return pd.DataFrame({"rule": counted, "rows": [getattr(self, name) for name in counted]})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contracts:
    """Checked contracts, and the stays that they add up to: from one departure of a customer to her next.

    Columns of `stays`, one row a stay, in the engine of the input: customer_id; first_day; last_day (missing while it
    lasts); contracts (that it is made of); the columns that were kept, as of its first contract.
    """

    stays: Frame
    audit: ContractAudit
    longest_pause: int  # days without a contract that are no departure
    stay: IntArray  # number of the stay of each contract, shape (n,)
    first_day: IntArray  # day number, shape (n,)
    last_day: IntArray  # day number; 2**40 while the contract runs, shape (n,)
    amount: Array  # per month, NaN if not given, shape (n,)
    stay_customer: IntArray  # number of the customer of each stay, shape (k,)
    stay_first: IntArray  # day number, shape (k,)
    stay_last: IntArray  # day number; 2**40 while it lasts, shape (k,)
    kept: dict[str, AnyArray]  # the kept columns, by name, each of shape (k,)

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a stay."""
        return table_to_pandas(self.stays)


def prepare_contracts(
    frame: Frame,
    *,
    customer_id: str = "customer_id",
    start: str = "start",
    end: str = "end",
    amount: str | None = None,
    keep: tuple[str, ...] | list[str] = (),
    longest_pause: int = 0,
    overlaps: Literal["join", "raise"] = "join",
) -> Contracts:
    """Check contracts, and join those of a customer that follow each other into stays.

    Parameters
    ----------
    frame : frame of any engine
        One row a contract, or a term of one, in any order.
    customer_id, start, end : str
        Columns of the customer, and of the first and the last day of the contract; the end is missing while it runs.
    amount : str, optional
        Column of what the customer pays a month, in one currency. Contracts that run at once add up.
    keep : sequence of str
        Further columns, to group by; each stay has those of its first contract.
    longest_pause : int
        Days without a contract after which a customer can come back without having left. 0: a renewal must begin no
        later than the day after the end.
    overlaps : {"join", "raise"}
        What contracts of one customer that overlap do. "join": they are one stay, and are counted (a second product,
        or a renewal signed early). "raise": they are an error.

    Returns
    -------
    Contracts
        Stays, and the audit.

    Raises
    ------
    InputError
        If a column is missing or holds what it should not, a contract ends before it begins, an amount is missing or
        negative, or contracts overlap although they must not.

    Examples
    --------
    ann renews at once; bob pauses for ten days, which is no departure here.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "customer_id": ["ann", "ann", "bob", "bob"],
    ...     "start": ["2024-01-01", "2024-02-01", "2024-01-01", "2024-02-11"],
    ...     "end": ["2024-01-31", "2024-02-29", "2024-01-31", None],
    ... })
    >>> contracts = prepare_contracts(rows, longest_pause=14)
    >>> contracts.stays
      customer_id  first_day   last_day  contracts
    0         ann 2024-01-01 2024-02-29          2
    1         bob 2024-01-01        NaT          2
    >>> contracts.audit.renewals, contracts.audit.pauses
    (1, 1)
    """
    require_option("overlaps", overlaps, ("join", "raise"))
    if isinstance(longest_pause, bool) or not isinstance(longest_pause, (int, np.integer)) or longest_pause < 0:
        raise InputError(f"longest_pause: got {longest_pause!r}. Pass a number of days, 0 or more.")
    kept = [keep] if isinstance(keep, str) else list(keep)
    rows = read_contracts(frame, customer_id, start, end, amount, kept)
    ids, table, counts = usable(rows, amount, kept)
    code, decode = codes_in_order(ids)
    order = np.lexsort([table["last"], table["first"], code])
    code, first, last = code[order], table["first"][order], table["last"][order]
    begins, found = stays_of(code, first, last, int(longest_pause))
    if overlaps == "raise" and found["overlapping"]:
        raise InputError(
            f"start: {found['overlapping']:,} of {len(code):,} contracts begin while another one of the same customer "
            'runs. Mend them, or pass overlaps="join".'
        )
    starts = np.flatnonzero(begins)
    stay_last = np.maximum.reduceat(last, starts)
    kept_values = {name: table[name][order][starts] for name in kept}
    stays = {
        "customer_id": decode(code[starts]),
        "first_day": as_days(first[starts]),
        "last_day": as_days(stay_last),
        "contracts": np.diff(starts, append=len(code)),
        **kept_values,
    }
    audit = ContractAudit(**counts, open_contracts=int((last == OPEN).sum()), **found)
    return Contracts(
        stays=like(stays, rows),
        audit=audit,
        longest_pause=int(longest_pause),
        stay=np.cumsum(begins) - 1,
        first_day=first,
        last_day=last,
        amount=table["amount"][order],
        stay_customer=code[starts],
        stay_first=first[starts],
        stay_last=stay_last,
        kept=kept_values,
    )


def refuse_contracts(given: object, instead: str) -> None:
    """Raise InputError if contracts were passed where transactions are read."""
    if isinstance(given, Contracts):
        raise InputError(f"transactions: got Contracts. For customers with a contract, use {instead}.")


def read_contracts(
    frame: Frame, customer_id: str, start: str, end: str, amount: str | None, keep: list[str]
) -> AnyFrame:
    """Return the columns that are needed under our names, with dates and numbers read."""
    names = {"customer_id": customer_id, "start": start, "end": end} | ({"amount": amount} if amount else {})
    rows = open_frame(frame, needs=[*names.values(), *keep])
    clash = {"customer_id", "first_day", "last_day", "contracts", "start", "end", "amount"} & set(keep)
    if clash:
        raise InputError(f"keep: {sorted(clash)[0]!r} is the name of a column of the result. Rename it first.")
    rows = rows.select(*(nw.col(old).alias(new) for new, old in names.items()), *keep)
    rows, _ = read_dates(rows, "start", argument=start)
    if rows.collect_schema()["end"] == nw.Unknown:  # a column of nothing but missing values
        rows = rows.with_columns(nw.col("end").cast(nw.Date))
    unread = nw.col("end").is_null()
    before = int(collect(rows.select(unread.cast(nw.Int64).sum().alias("n"))).rows()[0][0] or 0)
    rows, _ = read_dates(rows, "end", argument=end)
    after = int(collect(rows.select(unread.cast(nw.Int64).sum().alias("n"))).rows()[0][0] or 0)
    if after > before:
        raise InputError(f"{end}: not a date in {after - before:,} rows. Leave it empty while a contract runs.")
    refuse_mixed_ids(rows, "customer_id", argument=customer_id)
    return read_numbers(rows, "amount", argument=amount) if amount else rows


def usable(rows: AnyFrame, amount: str | None, keep: list[str]) -> tuple[Any, dict[str, AnyArray], dict[str, int]]:
    """Return customers and columns of the rows that have a customer and a start, and the counts of the others."""
    table = collect(rows)
    if not len(table):
        raise InputError("frame: it has no rows. Pass at least one contract.")
    ids = table.get_column("customer_id")
    unknown = ids.is_null() | (ids.is_nan() if ids.dtype.is_float() else ids.is_null())
    if ids.dtype == nw.String:
        unknown = unknown | (ids.fill_null("") == "")
    begun = series_to_days(table.get_column("start")) != MISSING
    known = ~np.asarray(unknown.to_numpy(), dtype=bool)
    use = known & begun
    counts = {
        "rows_in": len(table),
        "missing_customer": int((~known).sum()),
        "missing_start": int((known & ~begun).sum()),
        "rows_out": int(use.sum()),
    }
    if not use.any():
        raise InputError(f"frame: none of {len(table):,} rows has a customer and a first day. Dates must be ISO dates.")
    chosen = table.filter(use.tolist())
    ids = chosen.get_column("customer_id")
    first, last = (series_to_days(chosen.get_column(name)).copy() for name in ("start", "end"))
    last[last == MISSING] = OPEN
    labels = np.array(ids.head(len(ids)).to_list(), dtype=object)
    remedy = "Leave the end empty while a contract runs, or mend the dates."
    require_rows(first <= last, "end", "before the start", remedy, labels=labels, label="customer")
    paid = np.full(len(first), np.nan)
    if amount:
        paid = series_to_array(chosen.get_column("amount")).astype(float)
        fine = np.isfinite(paid) & (paid >= 0)
        require_rows(fine, amount, "missing or negative", "Pass 0 or more a month.", labels=labels, label="customer")
    columns = {name: series_to_array(chosen.get_column(name)) for name in keep}
    return ids, {"first": first, "last": last, "amount": paid, **columns}, counts


def codes_in_order(ids: nw.Series[Any]) -> tuple[IntArray, Callable[[IntArray], Any]]:
    """Code customers by integers in the order of their first rows, which not every engine does by itself."""
    code, decode = customer_codes(ids)
    found, first, row = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[row], lambda codes: decode(found[order][codes])


def stays_of(code: IntArray, first: IntArray, last: IntArray, pause: int) -> tuple[AnyArray, dict[str, int]]:
    """Return whether each contract, sorted by customer and start, begins a stay; and what the gaps are."""
    lowest = int(first.min())
    span = int(max(first.max(), last[last < OPEN].max(initial=lowest))) - lowest + 2
    until = np.minimum(last - lowest, span - 1)  # an open contract lasts beyond all days in the data
    highest = np.maximum.accumulate(code * span + until) - code * span + lowest  # latest end of hers so far
    same = code[1:] == code[:-1]
    gap = first[1:] - highest[:-1] - 1  # days without a contract; below 0 if they overlap
    begins = np.concatenate([[True], ~same | (gap > pause)])
    return begins, {
        "overlapping": int((same & (gap < 0)).sum()),
        "renewals": int((same & (gap == 0)).sum()),
        "pauses": int((same & (gap > 0) & (gap <= pause)).sum()),
        "returns": int((same & (gap > pause)).sum()),
    }


def as_days(numbers: IntArray) -> AnyArray:
    """Return day numbers as days, missing where there is none yet."""
    days = numbers.astype("datetime64[D]")
    days[numbers >= OPEN] = np.datetime64("NaT", "D")
    return days


def contract_lifetimes(contracts: Contracts, *, observation_start: Day | None = None, observation_end: Day) -> Frame:
    """Lifetimes in days from stays, as `retention_curve` takes them.

    Parameters
    ----------
    contracts : Contracts
        From `prepare_contracts`.
    observation_start : day, optional
        First day from which departures are in the data; customers who left before are not. None: all are.
    observation_end : day
        Last day that counts.

    Returns
    -------
    frame
        One row a stay that lasts beyond `observation_start`, in the engine of the contracts: customer_id; duration
        (days from its beginning to its end, or to `observation_end`); has_left; entry (days from its beginning to
        `observation_start`, at least 0); the kept columns.

    Raises
    ------
    InputError
        If the end is before the start, or no stay is under observation.

    Notes
    -----
    A contract of one day lasts one day. A stay whose pause could still end (`longest_pause`) counts as there at its
    last day: whether she left is not known yet.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob"], "start": ["2024-01-01", "2024-01-11"],
    ...                      "end": ["2024-01-20", None]})
    >>> contract_lifetimes(prepare_contracts(rows), observation_start="2024-01-11", observation_end="2024-01-31")
      customer_id  duration  has_left  entry
    0         ann        20      True     10
    1         bob        21     False      0
    """
    end = day_as_number(require_day("observation_end", observation_end))
    begun = None if observation_start is None else day_as_number(require_day("observation_start", observation_start))
    if begun is not None and begun > end:
        raise InputError(f"observation_start: {observation_start} is after observation_end {observation_end}.")
    last = np.minimum(contracts.stay_last, end)
    seen = (contracts.stay_first <= end) & (last >= (contracts.stay_first if begun is None else begun))
    if not seen.any():
        raise InputError("observation_start, observation_end: no contract runs between them. Pass other days.")
    has_left = contracts.stay_last + contracts.longest_pause < end
    entry = np.zeros(len(last), dtype=np.int64) if begun is None else np.maximum(begun - contracts.stay_first, 0)
    stays = open_frame(contracts.stays)
    ids = collect(stays.select("customer_id")).get_column("customer_id")
    code, decode = customer_codes(ids)
    table = {
        "customer_id": decode(code[seen]),
        "duration": (last - contracts.stay_first + 1)[seen],
        "has_left": has_left[seen],
        "entry": entry[seen],
        **{name: values[seen] for name, values in contracts.kept.items()},
    }
    return like(table, stays)
