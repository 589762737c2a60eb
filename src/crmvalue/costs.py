"""What do customers cost: a checked ledger of cost lines, and its breakdown by category, stage or period.

Every table adds up to the ledger: amounts are added as whole cents where they are whole cents.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_columns, require_option, require_rows, rows_message
from crmvalue._core.periods import PERIODS, first_days, period_numbers
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame, IntArray, Period
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import require_dated_amounts
from crmvalue.finance.exact_sums import exact_sum, exact_sums

COST_CATEGORIES = ("staff", "it", "marketing", "service", "data", "process", "time", "opportunity")
COST_STAGES = ("acquisition", "retention", "expansion", "loss")
LEDGER_COLUMNS = ("date", "category", "amount", "stage", "subcategory")
BREAKDOWN_COLUMNS = ("period", "amount", "share", "lines")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LedgerAudit:
    """What the ledger holds. No line is left out: a line that cannot be used is an error."""

    rows_in: int  # rows of the frame that was passed
    rows_out: int  # rows of `Ledger.frame`; the same
    credits: int  # lines with an amount below 0: they lower the cost
    credit_total: float  # sum of the credits, at most 0, in the currency of the ledger
    zero_amounts: int  # lines with amount 0
    without_stage: int  # lines that name no stage; all of them if no stage column was passed
    first_day: np.datetime64  # earliest day
    last_day: np.datetime64  # latest day
    time_zone: str | None  # zone whose calendar days count; None when the dates have none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """Checked cost lines, in the engine that they came in."""

    frame: Frame  # date, category, amount (float, currency of the input), then stage, subcategory and kept columns
    audit: LedgerAudit
    total: float  # sum of all amounts, credits taken off; to the cent if the amounts are whole cents


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostBreakdown:
    """Cost by group, in the engine of the ledger; the amounts add up to `total`."""

    frame: Frame  # the columns of `by`, period (first day; if asked for), amount, share (0 to 1 of total), lines
    total: float  # amount of the whole ledger, in its currency
    by: tuple[str, ...]  # columns that make the groups
    period: Period | None  # length of a period, if there are periods
    note: str  # why shares are missing; empty when they are not


def prepare_ledger(
    frame: Frame,
    *,
    date: str = "date",
    category: str = "category",
    amount: str = "amount",
    stage: str | None = None,
    subcategory: str | None = None,
    keep: Sequence[str] = (),
) -> Ledger:
    """Check a ledger of costs, one row a cost line, and name its categories in one way.

    Parameters
    ----------
    frame : frame of any engine
        One row a cost line, in any order.
    date, category, amount : str
        Columns that hold the day of the cost (dates, times, or ISO text such as 2011-12-31), what was paid for (one
        of `COST_CATEGORIES`, without regard to case, spaces, underscores and hyphens), and the cost in one currency.
        A negative amount is a credit: it lowers the cost and is counted.
    stage : str, optional
        Column that holds why it was paid: one of `COST_STAGES`, or nothing.
    subcategory : str, optional
        Column with a finer name, kept as it is.
    keep : sequence of str
        Further columns to carry along, such as a channel or a campaign.

    Returns
    -------
    Ledger
        `frame` in the engine of the input, with all its lines; `audit`; and `total`.

    Raises
    ------
    InputError
        If a column is missing or holds what it should not, a category or stage is unknown, or a date or an amount is
        missing. A cost line is never left out: the ledger has to match the books.

    See Also
    --------
    cost_breakdown : the ledger by category, stage or period.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-31", "2024-02-29"], "category": ["Staff", " I T "], "amount": [1000.10, -0.10]
    ... })
    >>> ledger = prepare_ledger(lines)
    >>> ledger.frame
            date category  amount
    0 2024-01-31    staff  1000.1
    1 2024-02-29       it    -0.1
    >>> ledger.total, ledger.audit.credits
    (1000.0, 1)
    """
    names = {"date": date, "category": category, "amount": amount, "stage": stage, "subcategory": subcategory}
    ours = {new: old for new, old in names.items() if old is not None}
    kept = [keep] if isinstance(keep, str) else list(keep)
    require_distinct_columns(ours, kept)
    raw = frames.open_frame(frame, needs=[*ours.values(), *kept])
    rows, time_zone = frames.read_dates(
        raw.select(*(nw.col(old).alias(new) for new, old in ours.items()), *kept), "date", argument=date
    )
    rows = frames.read_numbers(rows, "amount", argument=amount)
    # A ledger is small: its columns are checked as arrays whatever the engine, and changed by expressions within it.
    lines = frames.to_arrays(rows, [name for name in ("date", "category", "amount", "stage") if name in ours])
    require_dated_amounts(lines["date"], lines["amount"], date=date, amount_name=amount)
    require_rows(~is_blank(lines["category"]), category, "missing category", "Name one for each line.")
    rows = rows.with_columns(canonical_column("category", lines["category"], COST_CATEGORIES, category))
    if stage is not None:
        rows = rows.with_columns(canonical_column("stage", lines["stage"], COST_STAGES, stage))
    audit = audit_lines(lines, time_zone)
    return Ledger(frame=frames.to_native(rows), audit=audit, total=exact_sum(lines["amount"]))


def require_distinct_columns(ours: dict[str, str], kept: Sequence[str]) -> None:
    """Raise InputError if one column is to serve twice, or a kept one has a name of ours."""
    if len(set(ours.values())) < len(ours):
        raise InputError(f"{', '.join(ours)}: {list(ours.values())} names a column twice. Name each once.")
    for name in kept:
        if name in LEDGER_COLUMNS:
            raise InputError(f"keep: {name!r} is the name of a ledger column. Pass {name}={name!r}, or rename it.")
    if len(set(kept)) < len(kept):
        raise InputError("keep: a column is named twice. Name each once.")


def audit_lines(lines: dict[str, AnyArray], time_zone: str | None) -> LedgerAudit:
    """Count what the ledger holds."""
    amount, n = lines["amount"], len(lines["amount"])
    return LedgerAudit(
        rows_in=n,
        rows_out=n,
        credits=int((amount < 0).sum()),
        credit_total=exact_sum(amount[amount < 0]),
        zero_amounts=int((amount == 0).sum()),
        without_stage=int(is_blank(lines["stage"]).sum()) if "stage" in lines else n,
        first_day=lines["date"].min(),
        last_day=lines["date"].max(),
        time_zone=time_zone,
    )


def is_blank(values: AnyArray) -> BoolArray:
    """Whether each value is missing or text without a character."""
    import pandas as pd

    empty: BoolArray = np.array([not str(value).strip() for value in values], dtype=bool)
    return empty | np.asarray(pd.isna(values))


def plain_name(name: object) -> str:
    """Return a name without case, spaces, underscores and hyphens, for comparison."""
    return re.sub(r"[\s_-]+", "", str(name)).casefold()


def canonical_column(column: str, values: AnyArray, allowed: Sequence[str], argument: str) -> nw.Expr:
    """Expression for `column` in the spelling of `allowed`, missing where blank; an unknown name is an error."""
    spelled = {plain_name(name): name for name in allowed}
    blank = is_blank(values)
    found = {name: spelled.get(plain_name(name)) for name in values[~blank].tolist()}
    unknown = [name for name, canonical in found.items() if canonical is None]
    if unknown:
        rows = [row for row, name in enumerate(values.tolist()) if not blank[row] and found[name] is None]
        remedy = f"{nearest_names(unknown, allowed)}Use one of {', '.join(map(repr, allowed))}."
        shown = ", ".join(map(repr, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
        raise InputError(rows_message(argument, f"unknown name {shown}", len(rows), len(values), rows, remedy))
    spellings = {name: [raw for raw, canonical in found.items() if canonical == name] for name in allowed}
    text = nw.col(column).cast(nw.String)
    named: list[nw.Expr] = [nw.when(text.is_in(raw)).then(nw.lit(name)) for name, raw in spellings.items() if raw]
    return nw.coalesce(*(named or [nw.lit(None, dtype=nw.String)])).alias(column)


def nearest_names(unknown: Sequence[object], allowed: Sequence[str]) -> str:
    """Say which allowed names are nearest to the unknown ones, if any are near."""
    plain = {plain_name(name): name for name in allowed}
    near = {name: difflib.get_close_matches(plain_name(name), plain, n=1) for name in unknown[:3]}
    said = ", ".join(f"{plain[found[0]]!r} for {name!r}" for name, found in near.items() if found)
    return f"Did you mean {said}? " if said else ""


def as_ledger(ledger: Ledger | Frame, columns: Sequence[str] = ()) -> Ledger:
    """Return a ledger as it is; check a plain frame that has the standard column names, with these columns."""
    if isinstance(ledger, Ledger):
        return ledger
    there = frames.column_names(frames.open_frame(ledger, argument="ledger"))
    require_columns(there, ["date", "category", "amount", *columns], argument="ledger")
    return prepare_ledger(
        ledger,
        stage="stage" if "stage" in there else None,
        subcategory="subcategory" if "subcategory" in there else None,
        keep=[name for name in columns if name not in LEDGER_COLUMNS],
    )


def cost_breakdown(
    ledger: Ledger | Frame, *, by: Sequence[str] = ("category",), period: Period | None = None
) -> CostBreakdown:
    """Amount and share of each group of cost lines; the groups add up to the ledger exactly.

    Parameters
    ----------
    ledger : Ledger or frame
        Costs from `prepare_ledger`, or a frame with the columns date, category and amount, which is then checked.
    by : sequence of str
        Columns of the ledger that make the groups, none for the whole. Lines where a column is missing are a group.
    period : {"week", "month", "quarter", "year"}, optional
        Split each group by calendar period; a week begins on Monday.

    Returns
    -------
    CostBreakdown
        `frame` in the engine of the ledger: the columns of `by`; period (its first day); amount; share (of the whole
        ledger, 0 to 1); lines (cost lines in the group). Largest amount first, within its period.

    Raises
    ------
    InputError
        If a column is missing or named twice, or `period` is unknown.

    See Also
    --------
    prepare_ledger : check a ledger and name its categories in one way.

    Notes
    -----
    If all amounts are whole cents and add up to less than 2**53 of them, they are added as integers, and the groups
    add up to `total` to the cent. Other amounts are added by `math.fsum`, each sum correctly rounded. If the total is
    0 or negative, a share of it means nothing: shares are missing, and `note` says so.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-31", "2024-02-29", "2024-02-29"], "category": ["staff", "it", "staff"],
    ...     "amount": [60.0, 25.0, 15.0]
    ... })
    >>> cost_breakdown(lines).frame
      category  amount  share  lines
    0    staff    75.0   0.75      2
    1       it    25.0   0.25      1
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    if period is not None:
        require_option("period", period, PERIODS)
    reserved = sorted({name for name in by if name in BREAKDOWN_COLUMNS or by.count(name) > 1})
    if reserved:
        raise InputError(f"by: {reserved} named twice, or the name of a column of the result. Leave out or rename.")
    opened = frames.open_frame(as_ledger(ledger, by).frame, argument="ledger", needs=by)
    lines = frames.to_arrays(opened, list(dict.fromkeys([*by, "date", "amount"])))
    keys = {name: lines[name] for name in by}
    if period is not None:
        keys["period"] = first_days(period_numbers(lines["date"], period), period)
    groups, group = group_rows(keys, len(lines["amount"]))
    n_groups = int(group.max()) + 1
    amount = exact_sums(lines["amount"], group, n_groups)
    total = exact_sum(lines["amount"])
    order = reading_order(groups.get("period"), amount)
    table = {**groups, "amount": amount, "share": shares_of(amount, total), "lines": np.bincount(group)}
    return CostBreakdown(
        frame=frames.like({name: values[order] for name, values in table.items()}, opened),
        total=total,
        by=by,
        period=period,
        note="" if total > 0 else f"The ledger adds up to {total:,.2f}: shares of it are undefined, so missing.",
    )


def shares_of(amount: Array, total: float) -> Array:
    """Share of each amount in the total; missing if the total is not above 0."""
    return amount / total if total > 0 else np.full(len(amount), np.nan)


def reading_order(period: AnyArray | None, amount: Array) -> IntArray:
    """Order of the groups: by period, then the largest first; equal ones stay in the order of their names."""
    return np.lexsort((-amount,) if period is None else (-amount, period))


def group_rows(keys: dict[str, AnyArray], n: int) -> tuple[dict[str, AnyArray], IntArray]:
    """Return the distinct rows of the keys, in the order of their values, and the group that each of n rows is in."""
    import pandas as pd

    group, groups = np.zeros(n, dtype=np.int64), {}
    codes = []
    for name, values in keys.items():
        code, distinct = pd.factorize(values, use_na_sentinel=False)
        # objects may mix types, which have no order of their own: missing ones come last, as with numbers
        names = np.array([str(value) for value in distinct]) if values.dtype.kind == "O" else np.asarray(distinct)
        rank = np.lexsort((names, np.asarray(pd.isna(distinct))))
        place = np.empty(len(rank), dtype=np.int64)
        place[rank] = np.arange(len(rank))
        codes.append(place[code])
        ordered = np.asarray(distinct)[rank]
        if ordered.dtype.kind == "O":
            ordered[np.asarray(pd.isna(ordered))] = None  # pandas made it NaN, which a column of text cannot hold
        groups[name] = ordered
    if not codes:
        return {}, group
    rows, group = np.unique(np.stack(codes), axis=1, return_inverse=True)
    return {name: groups[name][row] for name, row in zip(groups, rows, strict=True)}, group.ravel()
