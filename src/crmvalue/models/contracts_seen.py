"""The door to the models of retention: survivors of cohorts, or tenures of customers, become tenures with counts."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_rows
from crmvalue._core.frames import AnyFrame, collect, column_names, customer_codes, open_frame, to_arrays
from crmvalue._core.types import AnyArray, Array, BoolArray, Frame, IntArray
from crmvalue.errors import InputError
from crmvalue.models.distinct import row_codes
from crmvalue.models.histories import Rule, checked, is_fractional, read_histories, to_numbers

TENURES = ("tenure", "churned")
SURVIVORS = ("period", "survivors")
COHORT, COUNT = "cohort", "n_customers"

TENURE = (
    "tenure is the contract period in which a customer left, 1 or more, or the number of periods that she was seen to "
    "stay"
)
NUMBERED = "Number the periods of each cohort from 0"
TENURE_RULES: tuple[Rule, ...] = (
    ("tenure", "negative", f"{TENURE}.", lambda tenure, *_: tenure < 0),
    ("tenure", "not a whole number", f"{TENURE}.", lambda tenure, *_: is_fractional(tenure)),
    (
        "churned",
        "neither 0 nor 1",
        "Pass True or 1 for a customer who left, False or 0 for one who was still there.",
        lambda _, churned, *__: (churned != 0) & (churned != 1),
    ),
    (
        "tenure",
        "0 where churned",
        f"{TENURE}. Add 1 to the tenure of those who left if it counts the periods before.",
        lambda tenure, churned, *_: (tenure == 0) & (churned == 1),
    ),
    (COUNT, "negative", "Pass how many customers each row stands for.", lambda *row: row[-1] < 0),
    (COUNT, "not a whole number", "Pass how many customers each row stands for.", lambda *row: is_fractional(row[-1])),
)


def read_contracts(contracts: Frame) -> tuple[Array, Array, IntArray]:
    """Return distinct pairs of tenure and churned, in order, and how many customers each stands for."""
    frame = open_frame(contracts, argument="contracts")
    there = column_names(frame)
    if set(TENURES) <= set(there):
        tenure, churned, counts = read_tenures(frame)
    elif set(SURVIVORS) <= set(there):
        tenure, churned, counts = read_survivors(collect(frame))
    else:
        raise InputError(
            f"contracts: the columns are {', '.join(there) or 'none'}. Pass period and survivors (and cohort), or "
            f"tenure and churned (and {COUNT})."
        )
    place = row_codes((churned, tenure))
    summed = np.bincount(place, weights=counts).astype(np.int64)
    first = np.empty(len(summed), dtype=np.int64)
    first[place] = np.arange(len(place))
    used = summed > 0
    return tenure[first][used], churned[first][used], summed[used]


def read_tenures(frame: AnyFrame) -> tuple[Array, Array, IntArray]:
    """Return the tenures of customers, checked; a lazy engine counts equal ones."""
    weighted = COUNT in column_names(frame)
    columns = (*TENURES, COUNT) if weighted else TENURES
    rows, counts = read_histories(frame, columns)
    try:
        to_numbers("churned", rows[1])
    except InputError:
        kind = frame.collect_schema()["churned"]
        raise InputError(
            f"churned: the column does not hold numbers but {kind}. Make it true or false, or 1 or 0."
        ) from None
    rules = TENURE_RULES if weighted else TENURE_RULES[:-2]
    tenure, churned, *weights = checked(frame, columns, rules, rows)
    return tenure, churned, counts * weights[0].astype(np.int64) if weighted else counts


def read_survivors(frame: nw.DataFrame[Any]) -> tuple[Array, Array, IntArray]:
    """Return the tenures of those who left in each period, and of those still there at the end of their cohort."""
    arrays = to_arrays(frame, SURVIVORS)
    period, survivors = (to_numbers(name, arrays[name]) for name in SURVIVORS)
    if not len(period):
        raise InputError("contracts: the frame has no rows. Pass one row a period, from period 0 on.")
    require_rows(np.isfinite(period), "period", "missing or infinite", f"{NUMBERED}.")
    require_rows((period >= 0) & ~is_fractional(period), "period", "negative or not a whole number", f"{NUMBERED}.")
    cohort, labels = cohorts_of(frame, period)
    require_survivors(survivors, labels)
    order = np.lexsort((period, cohort))
    period, survivors, cohort = period[order], survivors[order], cohort[order]
    first = np.append(True, cohort[1:] != cohort[:-1])
    left = np.where(first, 0.0, np.append(0.0, survivors[:-1]) - survivors)
    require_sequence(period, left, first, labels[order])
    last = np.append(first[1:], True)
    tenure = np.concatenate([period[~first], period[last]])
    churned = np.repeat([1.0, 0.0], [np.count_nonzero(~first), np.count_nonzero(last)])
    return tenure, churned, np.concatenate([left[~first], survivors[last]]).astype(np.int64)


def cohorts_of(frame: nw.DataFrame[Any], period: Array) -> tuple[IntArray, AnyArray]:
    """Return the number of each row's cohort, and a label for messages."""
    if COHORT not in column_names(frame):
        return np.zeros(len(period), dtype=np.int64), np.array([f"{number:g}" for number in period], dtype=object)
    missing = np.asarray(frame[COHORT].is_null().to_numpy(), dtype=bool)
    require_rows(~missing, COHORT, "missing", "Name the cohort of each row.")
    codes, _ = customer_codes(frame[COHORT])
    pairs = zip(frame[COHORT].to_list(), period, strict=True)
    return codes, np.array([f"{number:g} of cohort {name}" for name, number in pairs], dtype=object)


def require_survivors(survivors: Array, labels: AnyArray) -> None:
    """Raise InputError unless survivors are numbers of customers."""
    for ok, problem, remedy in (
        (np.isfinite(survivors), "missing or infinite", "Leave out the rows of periods that are not over yet."),
        (survivors >= 0, "negative", "Pass numbers of customers."),
        (survivors == np.floor(survivors), "not a whole number", "Pass numbers of customers, not shares."),
    ):
        require_rows(ok, "survivors", problem, remedy, labels=labels, label="period")


def require_sequence(period: Array, left: Array, first: BoolArray, labels: AnyArray) -> None:
    """Raise InputError unless each cohort has every period from 0 on, once, and nobody comes back."""
    step = np.diff(period, prepend=-1.0)
    for ok, column, problem, remedy in (
        (first | (step != 0), "period", "there twice", "Sum the rows, or name the cohorts in a column cohort."),
        (~first | (period == 0), "period", "the first one but not 0", f"{NUMBERED}: it holds all who started."),
        (first | (step == 1), "period", "not preceded by the one before", "Pass every period from 0 on."),
        (left >= 0, "survivors", "more than in the period before", "Count the starters who are still there."),
    ):
        require_rows(ok, column, problem, remedy, labels=labels, label="period")
