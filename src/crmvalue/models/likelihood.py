"""The likelihood of a whole summary: each distinct history evaluated once, weighted by how many customers share it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel

ROWS_AT_ONCE = 16_384  # distinct rows evaluated at a time: bounds the memory, and stays in the processor's cache


def weighted_sum(
    model: PurchaseModel | SpendModel | RetentionModel, values: Array, data: Sequence[Array], counts: IntArray
) -> Derivatives:
    """Log-likelihood over all customers, and its derivatives by the logarithms of the parameters."""
    params = model.Params(*values.tolist())
    k = len(values)
    total, gradient, hessian = 0.0, np.zeros(k), np.zeros((k, k))
    for begin in range(0, len(counts), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        rows = model.derivatives(params, *(column[part] for column in data))
        weights = counts[part].astype(float)
        total += float(rows.value @ weights)
        gradient += rows.gradient @ weights
        hessian += rows.hessian @ weights
    gradient *= values
    return Derivatives(
        value=np.asarray(total), gradient=gradient, hessian=np.outer(values, values) * hessian + np.diag(gradient)
    )
