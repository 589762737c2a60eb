"""Costs that no invoice shows, as lines of a ledger: time spent, customers kept waiting, chances forgone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.columns import read_dates, read_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import number_text, result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.taxonomy import CAPITAL_CHARGE
from crmvalue.errors import InputError
from crmvalue.finance.dated_amounts import DATE_REMEDY
from crmvalue.finance.exact_sums import CENTS, exact_sum

MINUTES_PER_HOUR = 60
MADE = ("date", "category", "subcategory", "kind", "amount")
NEVER_BOTH = (
    "capital, alternatives: got both. The best alternative use of the money contains the return on that capital: both "
    "would count it twice. Pass one of them."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostLines:
    """Lines for a ledger.

    Columns of `frame`: date, category, subcategory (customer waiting, capital charge or forgone project; none for
    hours), kind, amount (whole cents); then the kept columns.
    """

    frame: Frame  # one row a row of the input, in its engine; `prepare_ledger` takes it
    total: float  # sum of the amounts, in the currency of the rates
    assumptions: tuple[str, ...]  # what the figures rest on, in words

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = result_html


def time_cost(
    frame: Frame, *, hours: str = "hours", rate: str | float = "rate", date: str = "date", keep: Sequence[str] = ()
) -> CostLines:
    """Cost of hours spent, such as meetings on a decision or the delay of a project.

    Parameters
    ----------
    frame : frame of any engine
        One row a piece of work.
    hours : str
        Column with hours, of all who took part; at least 0.
    rate : str or float
        Column with the cost of an hour, or one cost of an hour for all; at least 0.
    date : str
        Column with the day.
    keep : sequence of str
        Further columns to carry along, such as a stage, a customer, or the subcategory (decision, project delay).

    Returns
    -------
    CostLines
        Lines of category and kind time: ``hours * rate``, rounded to the cent.

    Raises
    ------
    InputError
        If a column is missing, or holds a missing or negative number or no date.

    Examples
    --------
    >>> import pandas as pd
    >>> meetings = pd.DataFrame({"date": ["2024-01-31"], "hours": [6.5]})
    >>> time_cost(meetings, rate=80).frame
            date category  kind  amount
    0 2024-01-31     time  time   520.0
    """
    numbers = [hours, *([rate] if isinstance(rate, str) else [])]
    lines = read_rows(frame, date, numbers, keep, made=[name for name in MADE if name != "subcategory"])
    per_hour = lines[rate] if isinstance(rate, str) else require_number("rate", rate, at_least=0)
    said = f"column {rate!r}" if isinstance(rate, str) else number_text(float(rate))
    made = f"Hours ({hours!r}) times the cost of an hour ({said}), rounded to the cent. No cash leaves the firm."
    return cost_lines(frame, lines, "time", lines[hours] * per_hour, keep, (made,))


def waiting_cost(
    frame: Frame,
    *,
    value_of_time: float,
    minutes: str = "minutes",
    customers: str = "customers",
    date: str = "date",
    keep: Sequence[str] = (),
) -> CostLines:
    """Cost of the time that customers wait.

    Parameters
    ----------
    frame : frame of any engine
        One row a day, a queue, or whatever was counted.
    value_of_time : float
        What an hour of a customer is worth; an assumption, so it has no default. At least 0.
    minutes, customers : str
        Columns with the mean minutes that a customer waited and the number who did; at least 0.
    date : str
        Column with the day.
    keep : sequence of str
        Further columns to carry along.

    Returns
    -------
    CostLines
        Lines of category and kind time, subcategory customer waiting: ``minutes / 60 * customers * value_of_time``,
        rounded to the cent.

    Raises
    ------
    InputError
        If a column is missing, or holds a missing or negative number or no date.

    Examples
    --------
    >>> import pandas as pd
    >>> queue = pd.DataFrame({"date": ["2024-01-31"], "minutes": [12.0], "customers": [500]})
    >>> waiting_cost(queue, value_of_time=15).total
    1500.0
    """
    require_number("value_of_time", value_of_time, at_least=0)
    lines = read_rows(frame, date, [minutes, customers], keep)
    amount = lines[minutes] * lines[customers] * value_of_time / MINUTES_PER_HOUR
    worth = f"An hour of a customer is taken to be worth {number_text(value_of_time)}: an assumption."
    said = (worth, "Customers bear this cost; no cash leaves the firm.")
    return cost_lines(frame, lines, "time", amount, keep, said, subcategory="customer waiting")


def opportunity_cost(
    frame: Frame,
    *,
    capital: str | None = None,
    years: str | float = 1.0,
    annual_rate: float | None = None,
    alternatives: Sequence[str] = (),
    date: str = "date",
    keep: Sequence[str] = (),
) -> CostLines:
    """Cost of what was not done: the return on the capital that is tied up, or the best alternative forgone.

    Parameters
    ----------
    frame : frame of any engine
        One row a decision.
    capital : str, optional
        Column with the money tied up, at least 0; with `annual_rate` and `years`.
    years : str or float
        Column with the years for which it is tied up, or one number for all; at least 0.
    annual_rate : float, optional
        Return that the money would bring elsewhere, per year; at least 0.
    alternatives : sequence of str
        Columns with what each alternative would have brought. The best one counts, and 0 if all would have lost.
    date : str
        Column with the day.
    keep : sequence of str
        Further columns to carry along.

    Returns
    -------
    CostLines
        Lines of category and kind opportunity, rounded to the cent, and of subcategory capital charge or forgone
        project.

    Raises
    ------
    InputError
        If both a capital charge and alternatives are asked for, or neither; if a column is missing, or holds a missing
        number or no date.

    Notes
    -----
    A capital charge is ``capital * annual_rate * years``, without compounding; a forgone alternative is the largest of
    `alternatives`.

    Examples
    --------
    >>> import pandas as pd
    >>> choice = pd.DataFrame({"date": ["2024-12-31"], "tied_up": [50000.0], "web": [3000.0], "shop": [4200.0]})
    >>> opportunity_cost(choice, capital="tied_up", annual_rate=0.08).total
    4000.0
    >>> opportunity_cost(choice, alternatives=["web", "shop"]).total
    4200.0
    """
    alternatives = [alternatives] if isinstance(alternatives, str) else list(alternatives)
    if capital is not None and alternatives:
        raise InputError(NEVER_BOTH)
    if capital is None and not alternatives:
        raise InputError("capital, alternatives: got neither. Pass the capital tied up, or what was forgone.")
    if capital is None:
        lines = read_rows(frame, date, alternatives, keep, at_least=None)
        best = np.maximum(np.max([lines[name] for name in alternatives], axis=0), 0.0)
        said = f"The best of the alternatives forgone: {', '.join(alternatives)}. No capital is charged as well."
        return cost_lines(frame, lines, "opportunity", best, keep, (said,), subcategory="forgone project")
    rate = require_number("annual_rate", annual_rate, at_least=0)
    lines = read_rows(frame, date, [capital, *([years] if isinstance(years, str) else [])], keep)
    held = lines[years] if isinstance(years, str) else require_number("years", years, at_least=0)
    words = (
        f"A capital charge of {rate:.2%} a year, without compounding. No forgone alternative is counted as well.",
        "A return that discounts money at a rate above 0 refuses this charge: capital would cost twice.",
    )
    amount = lines[capital] * rate * held
    return cost_lines(frame, lines, "opportunity", amount, keep, words, subcategory=CAPITAL_CHARGE)


def read_rows(
    frame: Frame,
    date: str,
    numbers: Sequence[str],
    keep: Sequence[str],
    *,
    at_least: float | None = 0,
    made: Sequence[str] = MADE,
) -> dict[str, AnyArray]:
    """Return the day (as "date"), checked numbers and kept columns of a frame as arrays, read in one pass."""
    kept = [keep] if isinstance(keep, str) else list(keep)
    taken = [name for name in kept if name in made]
    if taken:
        raise InputError(f"keep: {taken[0]!r} is the name of a column of the result. Rename it.")
    opened = frames.open_frame(frame, needs=[date, *numbers, *kept])
    rows, _ = read_dates(opened.select(*dict.fromkeys([date, *numbers, *kept])), date, argument=date)
    for name in numbers:
        rows = read_numbers(rows, name, argument=name)
    lines = frames.to_arrays(rows, frames.column_names(rows))
    if not len(lines[date]):
        raise InputError("frame: it has no rows. Pass at least one.")
    require_rows(~np.isnat(lines[date]), date, "missing or unreadable date", DATE_REMEDY)
    for name in numbers:
        ok = np.isfinite(lines[name]) & (True if at_least is None else lines[name] >= at_least)
        require_rows(ok, name, f"missing{'' if at_least is None else ', negative'} or infinite", "Mend these rows.")
    return lines | {"date": lines[date]}


def cost_lines(
    frame: Frame,
    lines: dict[str, AnyArray],
    name: str,
    amount: Array,
    keep: Sequence[str],
    said: tuple[str, ...],
    *,
    subcategory: str | None = None,
) -> CostLines:
    """Wrap amounts as ledger lines in the engine of the input."""
    kept = [keep] if isinstance(keep, str) else list(keep)
    paid = np.rint(amount * CENTS) / CENTS
    label = np.full(len(paid), name, dtype=object)
    finer = {} if subcategory is None else {"subcategory": np.full(len(paid), subcategory, dtype=object)}
    table = {"date": lines["date"], "category": label, **finer, "kind": label, "amount": paid}
    table |= {column: lines[column] for column in kept}
    return CostLines(frame=frames.like(table, frames.open_frame(frame)), total=exact_sum(paid), assumptions=said)
