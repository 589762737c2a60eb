"""The benefits: every line checked, nothing counted twice, and how sure each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_option, require_rows
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.periods import PERIODS
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, Period
from crmvalue.costing.names import is_blank, renamed_column, spelled
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import require_dated_amounts
from crmvalue.finance.exact_sums import exact_sum
from crmvalue.returns.overlap import MECHANISMS, NO_BENEFIT, covered_days, overlapping_lines

KINDS = ("direct", "indirect")
BENEFIT_COLUMNS = ("date", "amount", "kind", "mechanism", "risk_factor", "source", "until")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenefitAudit:
    """What the benefits hold. No line is left out: a line that cannot be used is an error."""

    rows_in: int  # rows of the frame that was passed
    rows_out: int  # rows of `Benefits.frame`; the same
    indirect: int  # lines of kind indirect
    uncertain: int  # lines with a risk factor above 0
    negative_amounts: int  # lines that take off
    zero_amounts: int  # lines with amount 0
    first_day: np.datetime64  # earliest day
    last_day: np.datetime64  # latest day
    time_zone: str | None  # zone whose calendar days count; None when the dates have none

    __repr__ = result_text
    _repr_html_ = to_html = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Benefits:
    """Checked benefit lines, in the engine that they came in."""

    frame: Frame  # date, amount, kind, mechanism, risk_factor, then the columns that were named and the kept ones
    audit: BenefitAudit
    total: float  # sum of all amounts, as they came
    risk_adjusted_total: float  # sum of amount * (1 - risk_factor)
    population: tuple[str, ...]  # columns that say whom a line is about
    overlap_allowed: bool  # whether lines may count the same money twice
    overlaps: tuple[str, ...]  # pairs of lines that do, at most five; always empty unless it is allowed

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the totals rest on, in words."""
        audit = self.audit
        return (
            f"{audit.rows_out:,} lines from {audit.first_day} to {audit.last_day}, all of them counted.",
            f"{audit.indirect:,} are indirect; {audit.uncertain:,} are cut by a risk factor in the adjusted total.",
            "Lines may count the same money twice: that was allowed."
            if self.overlap_allowed
            else "No line contains another about the same people on the same days.",
        )


def prepare_benefits(
    frame: Frame,
    *,
    date: str = "date",
    amount: str = "amount",
    kind: str | None = "kind",
    mechanism: str = "mechanism",
    population: str | Sequence[str] = (),
    risk_factor: str | None = None,
    source: str | None = None,
    until: str | None = None,
    keep: Sequence[str] = (),
    period: Period = "year",
    allow_overlap: bool = False,
) -> Benefits:
    """Check benefit lines, and refuse to count one benefit twice.

    Parameters
    ----------
    frame : frame of any engine
        One row a benefit, in any order.
    date, amount : str
        Columns that hold the day (dates, times, or ISO text such as 2011-12-31) and the money kept, not the revenue. A
        negative amount takes off.
    kind : str, optional
        Column that holds direct (money that shows in the books) or indirect. With None all lines are direct.
    mechanism : str
        Column that says how the benefit comes about: one of `MECHANISMS`, without regard to case, spaces, underscores
        and hyphens.
    population : str or sequence of str
        Columns that say whom a line is about, such as a segment and a channel, kept under their names. Nothing in such
        a column means all.
    risk_factor : str, optional
        Column with the share, 0 to 1, by which an uncertain benefit is cut in the risk-adjusted view; nothing is 0.
    source : str, optional
        Column that says where the number comes from, kept as it is.
    until : str, optional
        Column with the last day that a line covers. A line without one covers the calendar period of its day, and a
        lifetime value all days after that too.
    keep : sequence of str
        Further columns to carry along.
    period : {"year", "quarter", "month", "week"}
        Calendar period that a line without an end covers.
    allow_overlap : bool
        Whether to accept lines that count the same money twice, and say so in the result.

    Returns
    -------
    Benefits
        `frame` in the engine of the input, with all its lines; `audit`; the totals; and the overlaps if allowed.

    Raises
    ------
    InputError
        If a column is missing or holds what it should not, a name is unknown, a date, amount, kind or mechanism is
        missing, a risk factor is not between 0 and 1, a line ends before it begins, or a benefit would count twice.

    See Also
    --------
    return_on_investment : benefits against costs.

    Notes
    -----
    A benefit counts twice if one line already contains another about the same people on the same days: a lifetime
    value contains retention, acquisition, expansion, price and satisfaction; retention and expansion contain
    satisfaction; a cost saving contains productivity and cycle time, and productivity contains cycle time. Sales moved
    from one channel to another are no benefit at all.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-12-31", "2024-12-31"], "amount": [900.0, 200.0], "kind": ["direct", "Indirect"],
    ...     "mechanism": ["retention", "cycle_time"], "risk": [0.0, 0.25],
    ... })
    >>> benefits = prepare_benefits(lines, risk_factor="risk")
    >>> benefits.total, benefits.risk_adjusted_total
    (1100.0, 1050.0)
    >>> prepare_benefits(lines.assign(mechanism=["lifetime value", "retention"]))
    Traceback (most recent call last):
        ...
    crmvalue.errors.InputError: mechanism: row 0 (lifetime value, 2024-12-31, 900.00) already contains row 1 (retention,
    2024-12-31, 200.00). Drop one of them, name different populations or ends (until), or pass allow_overlap=True.
    """
    require_option("period", period, PERIODS)
    people = (population,) if isinstance(population, str) else tuple(population)
    kept = (keep,) if isinstance(keep, str) else tuple(keep)
    names = {"date": date, "amount": amount, "kind": kind, "mechanism": mechanism, "risk_factor": risk_factor}
    used = {new: old for new, old in {**names, "source": source, "until": until}.items() if old is not None}
    require_free_names(used, {"population": people, "keep": kept})
    raw = frames.open_frame(frame, needs=[*used.values(), *people, *kept])
    columns = [nw.col(old).alias(new) for new, old in used.items()]
    rows, time_zone = read_dates(raw.select(*columns, *people, *kept), "date", argument=date)
    rows = read_numbers(rows, "amount", argument=amount)
    if until is not None:
        rows, _ = read_dates(rows, "until", argument=until)
    if risk_factor is not None:
        rows = read_numbers(rows, "risk_factor", argument=risk_factor)
    # Benefits are few: their columns are checked as arrays whatever the engine, and changed by expressions within it.
    lines = frames.to_arrays(rows, [*(name for name in used if name != "source"), *people])
    require_dated_amounts(lines["date"], lines["amount"], date=date, amount_name=amount)
    rows = with_one_spelling(rows, lines, used)
    risk = read_risk_factors(lines, risk_factor)
    rows = rows.with_columns(risk_column(risk_factor is not None), *([] if kind else [nw.lit(KINDS[0]).alias("kind")]))
    overlaps = find_overlaps(lines, used, people, period, is_eager=isinstance(rows, nw.DataFrame))
    if overlaps and not allow_overlap:
        raise InputError(overlap_message(overlaps, mechanism))
    first = ["date", "amount", "kind", "mechanism", "risk_factor"]
    rest = [name for name in ("source", "until") if name in used]
    return Benefits(
        frame=frames.to_native(rows.select(*first, *people, *rest, *kept)),
        audit=audit_benefits(lines, risk, time_zone),
        total=exact_sum(lines["amount"]),
        risk_adjusted_total=exact_sum(lines["amount"] * (1 - risk)),
        population=people,
        overlap_allowed=allow_overlap,
        overlaps=tuple(overlaps),
    )


def require_free_names(used: Mapping[str, str], others: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError if a column is to serve twice, or one that is kept has a name of ours."""
    if len(set(used.values())) < len(used):
        raise InputError(f"{', '.join(used)}: {list(used.values())} names a column twice. Name each once.")
    seen: set[str] = set()
    for argument, names in others.items():
        for name in names:
            if name in BENEFIT_COLUMNS:
                raise InputError(f"{argument}: {name!r} is the name of a benefit column. Rename it.")
            if name in seen:
                raise InputError(f"{argument}: column {name!r} is named twice. Name it once.")
            seen.add(name)


def with_one_spelling(rows: AnyFrame, lines: dict[str, AnyArray], used: Mapping[str, str]) -> AnyFrame:
    """Return the rows with kinds and mechanisms in one spelling, and put it into the arrays too."""
    changed = []
    for name, allowed in (("kind", KINDS), ("mechanism", MECHANISMS)):
        if name not in used:
            lines[name] = np.full(len(lines["date"]), KINDS[0], dtype=object)
            continue
        require_rows(~is_blank(lines[name]), used[name], f"missing {name}", "Name one for each line.")
        spelling = spelled(lines[name], allowed, used[name])
        lines[name] = np.array([spelling[value] for value in lines[name].tolist()], dtype=object)
        changed.append(renamed_column(name, spelling))
    return rows.with_columns(*changed)


def read_risk_factors(lines: Mapping[str, AnyArray], argument: str | None) -> Array:
    """Return the checked risk factors, 0 where there is none."""
    if argument is None:
        return np.zeros(len(lines["date"]))
    risk: Array = np.nan_to_num(lines["risk_factor"].astype(float), nan=0.0, posinf=np.inf, neginf=-np.inf)
    require_rows((risk >= 0) & (risk <= 1), argument, "risk factor below 0 or above 1", "Pass shares: 0.2 for 20 %.")
    return risk


def risk_column(is_there: bool) -> nw.Expr:
    """Return the column of risk factors, 0 where there is none."""
    if not is_there:
        return nw.lit(0.0).alias("risk_factor")
    risk = nw.col("risk_factor")
    return nw.when(~risk.is_null() & ~risk.is_nan()).then(risk).otherwise(nw.lit(0.0)).alias("risk_factor")


def find_overlaps(
    lines: Mapping[str, AnyArray], used: Mapping[str, str], people: Sequence[str], period: Period, *, is_eager: bool
) -> list[str]:
    """Say which lines are no benefit, and which pairs count the same money twice; at most five of each."""
    days, mechanism = lines["date"], lines["mechanism"]
    until = lines.get("until", np.full(len(days), "NaT", dtype="datetime64[D]")).astype("datetime64[D]")
    remedy = "Give the last day that the line covers, or leave it missing."
    if "until" in used:
        require_rows(~(until < days), used["until"], "end before the date of the line", remedy)
    said = [
        f"{line_name(row, lines, people, is_eager)} is no benefit: sales only moved between channels"
        for row in np.flatnonzero(mechanism == NO_BENEFIT)[:5].tolist()
    ]
    first, last = covered_days(days, until, mechanism, period)
    for outer, inner in overlapping_lines(mechanism, [lines[name] for name in people], first, last):
        names = (line_name(row, lines, people, is_eager) for row in (outer, inner))
        said.append(" already contains ".join(names))
    return said


def line_name(row: int, lines: Mapping[str, AnyArray], people: Sequence[str], is_eager: bool) -> str:
    """Name a line by its row, if the engine has an order, and by what it holds."""
    held = [str(lines["mechanism"][row]), str(lines["date"][row]), f"{lines['amount'][row]:,.2f}"]
    held += [f"{name} {lines[name][row]!r}" for name in people if not is_blank(lines[name][row : row + 1])[0]]
    return f"{f'row {row}' if is_eager else 'a line'} ({', '.join(held)})"


def overlap_message(overlaps: Sequence[str], argument: str) -> str:
    """Word the refusal."""
    remedies = {
        "is no benefit": "Drop such lines, or pass as a cost saving what the sale now costs less",
        "already contains": "Drop one of them, name different populations or ends (until)",
    }
    needed = [remedy for sign, remedy in remedies.items() if any(sign in overlap for overlap in overlaps)]
    return f"{argument}: {'; '.join(overlaps)}. {'. '.join(needed)}, or pass allow_overlap=True."


def audit_benefits(lines: Mapping[str, AnyArray], risk: Array, time_zone: str | None) -> BenefitAudit:
    """Count what the benefits hold."""
    amount, n = lines["amount"], len(lines["amount"])
    return BenefitAudit(
        rows_in=n,
        rows_out=n,
        indirect=int((lines["kind"] == "indirect").sum()),
        uncertain=int((risk > 0).sum()),
        negative_amounts=int((amount < 0).sum()),
        zero_amounts=int((amount == 0).sum()),
        first_day=lines["date"].min(),
        last_day=lines["date"].max(),
        time_zone=time_zone,
    )
