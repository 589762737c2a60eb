"""P(alive) of many customers: a bounded number of rows at a time, or all from one table where a model has one."""

from __future__ import annotations

import numpy as np

from crmvalue._core.parts import in_parts
from crmvalue._core.types import Array
from crmvalue.models.model import Parameters, PurchaseModel


def alive_now(model: PurchaseModel, params: Parameters, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability that each customer still is one at T; parameters may differ between customers."""
    differ = [np.ndim(value) > 0 for value in params]
    if model.alive_of_many and not any(differ):
        found = model.alive_of_many(params, frequency, recency, T)
        if found is not None:
            return found

    def of_some(x: Array, t_x: Array, end: Array, *own: Array) -> Array:
        theirs = iter(own)
        given = (next(theirs) if differs else value for value, differs in zip(params, differ, strict=True))
        return model.probability_alive(type(params)(*given), x, t_x, end)  # type: ignore[arg-type]  # a NamedTuple

    columns = [np.broadcast_to(value, T.shape) for value, differs in zip(params, differ, strict=True) if differs]
    return in_parts(of_some, frequency, recency, T, *columns)
