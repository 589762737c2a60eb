"""The likelihood of a whole summary: a sum over customers, each part taken once for all who share what it depends on.

Parts that depend on the frequency alone are summed over a histogram of it, parts that depend on T alone over one of T.
What is left, each distinct history brings once, weighted by how many customers share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from crmvalue._core.optimise import Derivatives
from crmvalue._core.parts import parts
from crmvalue._core.special import Numbers, digamma_rise, log_rising, softplus, trigamma_rise
from crmvalue._core.types import Array, IntArray
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel


def total_of(
    model: PurchaseModel | SpendModel | RetentionModel, data: Sequence[Array], counts: IntArray
) -> Callable[[Array], Derivatives]:
    """Return the log-likelihood over all customers, with its derivatives, as a function of the log parameters."""
    add_up = model.summed(*data, counts) if model.summed else row_by_row(model, data, counts)

    def total(point: Array) -> Derivatives:
        values = np.exp(point)
        found = add_up(model.Params(*values.tolist()))
        gradient = found.gradient * values
        hessian = found.hessian * values * values[:, None]
        hessian.flat[:: len(values) + 1] += gradient
        return Derivatives(value=found.value, gradient=gradient, hessian=hessian)

    return total


def row_by_row(
    model: PurchaseModel | SpendModel | RetentionModel, data: Sequence[Array], counts: IntArray
) -> Callable[[tuple[float, ...]], Derivatives]:
    """Return the sum over customers of what a model says of each row."""

    def summed(params: tuple[float, ...]) -> Derivatives:
        k = len(params)
        value, gradient, hessian = np.zeros(()), np.zeros(k), np.zeros((k, k))
        for part in parts(len(counts)):
            rows = model.derivatives(params, *(column[part] for column in data))
            weights = counts[part].astype(float)
            value = value + rows.value @ weights
            gradient += rows.gradient @ weights
            hessian += rows.hessian @ weights
        return Derivatives(value=value, gradient=gradient, hessian=hessian)

    return summed


class Rise(NamedTuple):
    """Sum over customers of log Γ(z + n) / Γ(z), and its first and second derivative in z."""

    value: float
    slope: float
    bend: float


def rises(n: Array, counts: IntArray) -> Callable[[float], Rise]:
    """Return the sum over customers of log z(z+1)...(z+n−1) as a function of z.

    The factor z + j comes once for every customer who counts beyond j: nothing but logarithms, and no special function.
    """
    most = int(n.max())
    if most > 4 * len(n) + 10_000:  # few customers who count very far
        return lambda z: Rise(*(float(counts @ rise(z, n)) for rise in (log_rising, digamma_rise, trigamma_rise)))
    who = np.bincount(n.astype(np.intp), weights=counts, minlength=most + 1)
    beyond = np.cumsum(who[:0:-1])[::-1]
    steps = np.arange(float(most))

    def rise(z: float) -> Rise:
        factors = z + steps
        inverse = 1 / factors
        share = beyond * inverse
        return Rise(float(beyond @ np.log(factors)), float(share.sum()), -float(share @ inverse))

    return rise


class LogOdds(NamedTuple):
    """Log odds of each row, with their derivatives by the parameters."""

    value: Array
    slopes: Sequence[Numbers]  # by each parameter
    bends: Mapping[tuple[int, int], Numbers]  # second derivatives, those that are not 0


def softplus_sum(odds: LogOdds, weights: Array) -> Derivatives:
    """Weighted sum of log(1 + exp(odds)) over rows, with its derivatives by the parameters."""
    values, share = softplus(odds.value)
    pull = weights * share
    slopes = np.empty((len(odds.slopes), len(values)))
    for row, slope in zip(slopes, odds.slopes, strict=True):
        row[...] = slope
    hessian = (slopes * (pull - pull * share)) @ slopes.T
    for (i, j), bend in odds.bends.items():
        hessian[i, j] += pull @ bend if isinstance(bend, np.ndarray) else pull.sum() * bend
        hessian[j, i] = hessian[i, j]
    return Derivatives(value=values @ weights, gradient=slopes @ pull, hessian=hessian)
