"""Customers with the parameters that each has under a fit: where covariates act, they differ."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw

from crmvalue._core.frames import AnyFrame, column_names
from crmvalue._core.types import AnyArray, Frame, IntArray
from crmvalue.models.answers import checked_scores
from crmvalue.models.covariates import params_with, with_scores
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import read_histories
from crmvalue.models.model import Parameters


def read_with_params(
    fit: PurchaseFit, frame: AnyFrame, columns: Sequence[str], covariates: Frame | None
) -> tuple[list[AnyArray], Parameters, IntArray]:
    """Return these columns, the parameters of each row's customers, and how many customers it stands for."""
    rows, (params,), counts = read_with_all_params([fit], frame, columns, covariates)
    return rows, params, counts


def read_with_all_params(
    fits: Sequence[PurchaseFit], frame: AnyFrame, columns: Sequence[str], covariates: Frame | None
) -> tuple[list[AnyArray], list[Parameters], IntArray]:
    """Return the same under several fits: the rows are those of all of them."""
    kept, scored = column_names(frame), []
    for i, fit in enumerate(fits):
        if fit.effects:
            opened, scores = with_scores(frame, fit.effects, covariates)
            own = {f"_crm_{name}_{i}": nw.col(name) for name in scores}
            kept = [*kept, *own]
            frame = opened.with_columns(**own).select(*kept)
            scored.append((fit, opened, list(own)))
        else:
            scored.append((fit, frame, []))
    rows, counts = read_histories(frame, [*columns, *(name for _, _, own in scored for name in own)])
    more = iter(rows[len(columns) :])
    params = [
        params_with(fit.model, fit.params, checked_scores(fit, opened, [next(more) for _ in own]))
        if own
        else fit.params
        for fit, opened, own in scored
    ]
    return rows[: len(columns)], params, counts
