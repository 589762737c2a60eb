"""What customers spent on their repeat purchases, opened and checked."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame
from crmvalue._core.types import Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.covariates import Wanted, open_covariates
from crmvalue.models.design import NOTHING, Design, design_of
from crmvalue.models.histories import (
    SPEND,
    checked_counts,
    frame_of,
    is_missing,
    open_customers,
    read_histories,
    refuse,
    to_numbers,
)


class SpendRows(NamedTuple):
    """Customers with a repeat purchase and a spend above 0, and how many others there are."""

    frequency: Array
    spend: Array
    counts: IntArray  # customers that a row stands for
    design: Design  # their covariates
    n_customers: int  # how many they are
    n_without_repeat: int
    n_not_positive: int


def read_spend(summary: CustomerSummary | Frame, wanted: Wanted | None = None, penalty: float = 0.0) -> SpendRows:
    """Return what customers spent, checked."""
    frame = open_customers(summary, SPEND, argument="summary") if wanted else frame_of(summary)
    covariates = open_covariates(frame, wanted)
    rows, counts = read_histories(covariates.frame, (*SPEND, *covariates.names), argument="summary")
    frequency = checked_counts(covariates.frame, rows[0])
    spend = to_numbers("monetary_value", rows[1])
    buyers = np.flatnonzero(frequency > 0)
    spent = spend[buyers]
    if not np.isfinite(spent).all():
        refuse_missing_spend(covariates.frame)
    used = buyers[spent > 0]
    if not len(used):
        raise InputError(
            "monetary_value: no customer has a repeat purchase and a monetary_value above 0. Pass a longer period, or "
            "more customers."
        )
    known, kept = [column[used] for column in covariates.checked(rows[2:])], counts[used]
    n_repeat, n_used = int(counts[buyers].sum()), int(kept.sum())
    return SpendRows(
        frequency=frequency[used],
        spend=spend[used],
        counts=kept,
        design=design_of(wanted, known, covariates.levels, kept, penalty) if wanted else NOTHING,
        n_customers=n_used,
        n_without_repeat=int(counts.sum()) - n_repeat,
        n_not_positive=n_repeat - n_used,
    )


def missing_spend() -> nw.Expr:
    """Whether a customer has repeat purchases and no monetary_value."""
    spend = nw.col("monetary_value").cast(nw.Float64)
    return (nw.col("frequency") > 0) & (is_missing(spend) | (spend.abs() == np.inf))


def refuse_missing_spend(frame: AnyFrame) -> NoReturn:
    """Raise InputError about customers with repeat purchases and no monetary_value."""
    problem = "missing or infinite where frequency is above 0"
    refuse(frame, "monetary_value", problem, "Fill or drop these customers.", missing_spend())
