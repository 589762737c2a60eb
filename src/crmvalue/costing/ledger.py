"""The ledger of costs: every line checked, its names in one spelling, its money in one currency, and nothing lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_columns, require_rows
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.frames import AnyFrame
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Frame
from crmvalue.costing.currency import converted, one_currency
from crmvalue.costing.names import counted, is_blank, renamed_column, spelled
from crmvalue.costing.taxonomy import CAPITAL_CHARGE, COST_TAXONOMY, CostTaxonomy
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import require_dated_amounts
from crmvalue.finance.exact_sums import exact_sum

OPTIONS = {
    "behavior": ("fixed", "variable"),
    "recurrence": ("one-off", "recurring"),
    "kind": ("cash", "time", "opportunity"),
}
TAGS = ("channel", "segment", "customer_id", "campaign")  # whom or what a line was paid for, kept as it is
LEDGER_COLUMNS = (
    "date",
    "category",
    "amount",
    "stage",
    "subcategory",
    *TAGS,
    *OPTIONS,
    "useful_life",
    "currency",
)
LONGEST_LIFE = 1200  # months; what is longer was given in days
ADDED = "taxonomy=COST_TAXONOMY.extended"
ADD_CATEGORY = f" Add yours by {ADDED}(categories={{...}})."
ADD_STAGE = f" Add yours by {ADDED}(stages=[...])."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LedgerAudit:
    """What the ledger holds. No line is left out: a line that cannot be used is an error."""

    rows_in: int  # rows of the frame that was passed
    rows_out: int  # rows of `Ledger.frame`; the same
    credits: int  # lines with an amount below 0: they lower the cost
    credit_total: float  # sum of the credits, at most 0, in the currency of the ledger
    zero_amounts: int  # lines with amount 0
    without_stage: int  # lines that name no stage; all of them if no stage column was passed
    converted: int  # lines that were paid in another currency
    first_day: np.datetime64  # earliest day
    last_day: np.datetime64  # latest day
    time_zone: str | None  # zone whose calendar days count; None when the dates have none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """Checked cost lines, in the engine that they came in."""

    frame: Frame  # date, category, amount (float, one currency), then the columns that were named and the kept ones
    audit: LedgerAudit
    total: float  # sum of all amounts, credits taken off; to the cent if the amounts are whole cents
    currency: str | None = None  # of all amounts; None if the lines do not say
    taxonomy: CostTaxonomy = COST_TAXONOMY  # names of the categories, subcategories and stages

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every table of this ledger rests on, in words."""
        audit = self.audit
        money = f" in {self.currency}" if self.currency else ""
        said = [
            f"{counted(audit.rows_out, 'cost line', 'cost lines')}{money} from {audit.first_day} to {audit.last_day}, "
            "none left out."
        ]
        if audit.credits:
            sums = counted(audit.credits, "credit lowers", "credits lower")
            said.append(f"{sums} the cost: {number_text(audit.credit_total)} in all.")
        if audit.converted:
            lines = counted(audit.converted, "line was", "lines were")
            said.append(f"{lines} converted at dated rates and rounded to the cent.")
        said.append("Cash is what is neither time nor opportunity.")
        return tuple(said)


def prepare_ledger(
    frame: Frame,
    *,
    date: str = "date",
    category: str = "category",
    amount: str = "amount",
    stage: str | None = None,
    subcategory: str | None = None,
    channel: str | None = None,
    segment: str | None = None,
    customer_id: str | None = None,
    campaign: str | None = None,
    behavior: str | None = None,
    recurrence: str | None = None,
    kind: str | None = None,
    useful_life: str | None = None,
    currency: str | None = None,
    keep: Sequence[str] = (),
    taxonomy: CostTaxonomy | None = None,
    rates: Frame | None = None,
    to_currency: str | None = None,
) -> Ledger:
    """Check a ledger of costs, one row a cost line, and name its categories in one way.

    Parameters
    ----------
    frame : frame of any engine
        One row a cost line, in any order.
    date, category, amount : str
        Columns that hold the day of the cost (dates, times, or ISO text such as 2011-12-31), what was paid for (one
        of `COST_CATEGORIES`, without regard to case, spaces, underscores and hyphens, or in Chinese), and the cost.
        A negative amount is a credit: it lowers the cost and is counted.
    stage : str, optional
        Column that holds why it was paid: one of `COST_STAGES`, or nothing.
    subcategory : str, optional
        Column with a finer name: one of the subcategories that the taxonomy has in the category of the line, or
        nothing. A category for which it has none takes any.
    channel, segment, customer_id, campaign : str, optional
        Columns that say for whom or what a line was paid, kept as they are; nothing for all together.
    behavior, recurrence, kind : str, optional
        Columns that hold fixed or variable; one-off or recurring; cash, time or opportunity. A line that names no kind
        has the one of its category: time and opportunity for these two, cash for the others.
    useful_life : str, optional
        Column with the whole number of months over which `amortize_ledger` spreads the line; missing if it is spent
        at once.
    currency : str, optional
        Column with the currency of each line. More than one is refused unless `rates` are passed.
    keep : sequence of str
        Further columns to carry along.
    taxonomy : CostTaxonomy, optional
        The categories, subcategories and stages that there are; by default `COST_TAXONOMY`. A firm adds its own names
        by ``COST_TAXONOMY.extended(categories={"it": ["chat bot"]})``.
    rates : frame, optional
        Columns date, currency, rate: units of `to_currency` that one unit of the currency buys from that day on.
    to_currency : str, optional
        Currency to convert all lines to, with `rates`.

    Returns
    -------
    Ledger
        `frame` in the engine of the input, with all its lines; `audit`; `total`; and `currency`.

    Raises
    ------
    InputError
        If a column is missing or holds what it should not, a name is unknown, a date or an amount is missing, a useful
        life is no whole number of months above 0, or there are two currencies without rates. A cost line is never left
        out: the ledger has to match the books.

    See Also
    --------
    cost_breakdown : the ledger by category, stage or period.

    Notes
    -----
    A converted amount is ``amount * rate``, rounded to the cent, at the latest rate on or before the day of the line.

    Examples
    --------
    >>> import pandas as pd
    >>> lines = pd.DataFrame({
    ...     "date": ["2024-01-31", "2024-02-29"], "category": ["Staff", "信息技术"], "amount": [1000.10, -0.10]
    ... })
    >>> ledger = prepare_ledger(lines)
    >>> ledger.frame
            date category  amount
    0 2024-01-31    staff  1000.1
    1 2024-02-29       it    -0.1
    >>> ledger.total, ledger.audit.credits
    (1000.0, 1)
    """
    tags = {"channel": channel, "segment": segment, "customer_id": customer_id, "campaign": campaign}
    options = {"behavior": behavior, "recurrence": recurrence, "kind": kind}
    ours = {"date": date, "category": category, "amount": amount, "stage": stage, "subcategory": subcategory}
    names: dict[str, str | None] = {**ours, **tags, **options, "useful_life": useful_life, "currency": currency}
    used = {new: old for new, old in names.items() if old is not None}
    kept = [keep] if isinstance(keep, str) else list(keep)
    require_distinct_columns(used, kept)
    if (rates is None) != (to_currency is None) or (rates is not None and currency is None):
        raise InputError("rates: currency, rates and to_currency go together. Pass all three, or no rates.")
    raw = frames.open_frame(frame, needs=[*used.values(), *kept])
    rows, time_zone = read_dates(
        raw.select(*(nw.col(old).alias(new) for new, old in used.items()), *kept), "date", argument=date
    )
    rows = read_numbers(rows, "amount", argument=amount)
    # A ledger is small: its columns are checked as arrays whatever the engine, and changed by expressions within it.
    lines = frames.to_arrays(rows, [name for name in used if name not in TAGS and name != "useful_life"])
    require_dated_amounts(lines["date"], lines["amount"], date=date, amount_name=amount)
    known = COST_TAXONOMY if taxonomy is None else taxonomy
    if not isinstance(known, CostTaxonomy):
        raise InputError(f"taxonomy: got {type(known).__name__}. Pass a CostTaxonomy, such as CostTaxonomy(**record).")
    rows = with_names(rows, lines, used, known)
    if useful_life is not None:
        rows = with_useful_life(rows, useful_life)
    changed, said = 0, None
    if rates is not None and to_currency is not None:
        rows, lines, changed = converted(rows, lines, rates, to_currency, argument=used["currency"])
        said = to_currency
    elif currency is not None:
        said = one_currency(lines["currency"], currency)
    audit = audit_lines(lines, time_zone, changed=changed)
    total = exact_sum(lines["amount"])
    return Ledger(frame=frames.to_native(rows), audit=audit, total=total, currency=said, taxonomy=known)


def require_distinct_columns(ours: Mapping[str, str], kept: Sequence[str]) -> None:
    """Raise InputError if one column is to serve twice, or a kept one has a name of ours."""
    if len(set(ours.values())) < len(ours):
        raise InputError(f"{', '.join(ours)}: {list(ours.values())} names a column twice. Name each once.")
    for name in kept:
        if name in ours or (name in LEDGER_COLUMNS and name not in TAGS):
            raise InputError(f"keep: {name!r} is the name of a ledger column. Pass {name}={name!r}, or rename it.")
    if len(set(kept)) < len(kept):
        raise InputError("keep: a column is named twice. Name each once.")


def with_names(rows: AnyFrame, lines: dict[str, AnyArray], used: Mapping[str, str], taxonomy: CostTaxonomy) -> AnyFrame:
    """Return the rows with all names in one spelling."""
    require_rows(~is_blank(lines["category"]), used["category"], "missing category", "Name one for each line.")
    aliases = taxonomy.aliases
    categories = spelled(lines["category"], tuple(taxonomy.categories), used["category"], aliases, remedy=ADD_CATEGORY)
    columns = [renamed_column("category", categories)]
    if "stage" in used:
        stages = spelled(lines["stage"], taxonomy.stages, used["stage"], aliases, remedy=ADD_STAGE)
        columns.append(renamed_column("stage", stages))
    for name, allowed in OPTIONS.items():
        if name in used:
            columns.append(renamed_column(name, spelled(lines[name], allowed, used[name])))
    if "subcategory" in used:
        of_category = np.array([categories[name] for name in lines["category"].tolist()], dtype=object)
        names = read_subcategories(lines["subcategory"], of_category, taxonomy, used["subcategory"])
        if names:
            columns.append(renamed_column("subcategory", names, keep_others=True))
    return rows.with_columns(*columns)


def read_subcategories(
    values: AnyArray, category: AnyArray, taxonomy: CostTaxonomy, argument: str
) -> dict[object, str]:
    """Return the spelling of each name; one that the category of its line does not have is an error."""
    names: dict[object, str] = {}
    for name in dict.fromkeys(category.tolist()):
        if not taxonomy.categories[name]:
            continue
        mine = values.copy()
        mine[category != name] = None
        known = [CAPITAL_CHARGE] if name == "opportunity" else []
        remedy = f" These are the subcategories of {name!r}; add yours by {ADDED}(categories={{{name!r}: [...]}})."
        names |= spelled(mine, (*taxonomy.categories[name], *known), argument, remedy=remedy)
    return {value: name for value, name in names.items() if value != name}


def with_useful_life(rows: AnyFrame, argument: str) -> AnyFrame:
    """Return the rows with useful lives as numbers, after a check that they are whole months above 0."""
    rows = read_numbers(rows, "useful_life", argument=argument)
    months = frames.to_arrays(rows, ["useful_life"])["useful_life"].astype(float)
    ok = np.isnan(months) | ((months >= 1) & (months == np.floor(months)) & np.isfinite(months))
    remedy = "Give whole months, at least 1; leave it missing for what is spent at once."
    require_rows(ok, argument, "useful life that is 0, negative or no whole number of months", remedy)
    problem = f"useful life of more than {LONGEST_LIFE:,} months, a century,"
    require_rows(~(months > LONGEST_LIFE), argument, problem, "Give months, not days.")
    return rows


def audit_lines(lines: Mapping[str, AnyArray], time_zone: str | None, *, changed: int) -> LedgerAudit:
    """Count what the ledger holds."""
    amount, n = lines["amount"], len(lines["amount"])
    return LedgerAudit(
        rows_in=n,
        rows_out=n,
        credits=int((amount < 0).sum()),
        credit_total=exact_sum(amount[amount < 0]),
        zero_amounts=int((amount == 0).sum()),
        without_stage=int(is_blank(lines["stage"]).sum()) if "stage" in lines else n,
        converted=changed,
        first_day=lines["date"].min(),
        last_day=lines["date"].max(),
        time_zone=time_zone,
    )


def as_ledger(ledger: Ledger | Frame, columns: Sequence[str] = (), *, taxonomy: CostTaxonomy | None = None) -> Ledger:
    """Return a ledger as it is; check a plain frame that has the standard column names, with these columns."""
    if isinstance(ledger, Ledger):
        return ledger
    there = frames.column_names(frames.open_frame(ledger, argument="ledger"))
    require_columns(there, ["date", "category", "amount", *columns], argument="ledger")
    # keywords one by one, since a wrong one must be an error: the columns of ours that are there
    found: dict[str, Any] = {name: name for name in LEDGER_COLUMNS[3:] if name in there}
    kept = [name for name in dict.fromkeys(columns) if name not in LEDGER_COLUMNS]
    return prepare_ledger(ledger, **found, keep=kept, taxonomy=taxonomy)
