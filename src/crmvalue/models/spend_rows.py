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
    n_without_repeat: int
    n_not_positive: int


def read_spend(summary: CustomerSummary | Frame, wanted: Wanted | None = None, penalty: float = 0.0) -> SpendRows:
    """Return what customers spent, checked."""
    frame = open_customers(summary, SPEND, argument="summary")
    covariates = open_covariates(frame, wanted)
    rows, counts = read_histories(covariates.frame, (*SPEND, *covariates.names))
    frequency = checked_counts(covariates.frame, rows[0])
    spend = to_numbers("monetary_value", rows[1])
    repeats = frequency > 0
    if not np.isfinite(spend[repeats]).all():
        refuse_missing_spend(covariates.frame)
    used = repeats & (spend > 0)
    if not used.any():
        raise InputError(
            "monetary_value: no customer has a repeat purchase and a monetary_value above 0. Pass a longer period, or "
            "more customers."
        )
    known = [column[used] for column in covariates.checked(rows[2:])]
    design = design_of(wanted, known, covariates.levels, counts[used], penalty) if wanted else NOTHING
    return SpendRows(
        frequency=frequency[used],
        spend=spend[used],
        counts=counts[used],
        design=design,
        n_without_repeat=int(counts[~repeats].sum()),
        n_not_positive=int(counts[repeats & ~used].sum()),
    )


def missing_spend() -> nw.Expr:
    """Whether a customer has repeat purchases and no monetary_value."""
    spend = nw.col("monetary_value").cast(nw.Float64)
    return (nw.col("frequency") > 0) & (is_missing(spend) | (spend.abs() == np.inf))


def refuse_missing_spend(frame: AnyFrame) -> NoReturn:
    """Raise InputError about customers with repeat purchases and no monetary_value."""
    problem = "missing or infinite where frequency is above 0"
    refuse(frame, "monetary_value", problem, "Fill or drop these customers.", missing_spend())
