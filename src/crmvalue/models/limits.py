"""Fits that always come back: the maximum inside, or the simpler model that the data push towards, said in words.

A likelihood without a maximum inside rises towards a border: nobody leaves, all customers are alike. There the model
is a simpler one. Where the registry has it, it is fitted in its place; else the parameter that runs away is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from crmvalue._core.optimise import Ascent, Derivatives, climb
from crmvalue._core.types import Array, IntArray
from crmvalue.errors import ConvergenceError
from crmvalue.models.likelihood import weighted_sum
from crmvalue.models.model import PurchaseModel, RetentionModel

Model: TypeAlias = PurchaseModel | RetentionModel
AnyModel = TypeVar("AnyModel", PurchaseModel, RetentionModel)

LOST = 1e-3  # log-likelihood by which a limit may be below the place where the search for it ended
VAGUE = 2.0  # standard error of a logarithm above which the data hardly show the parameter: a factor of 50 either way
STRONG = 0.97  # correlation of two estimates above which neither is known alone
MANY_ONCE = 0.85  # share of customers with a single purchase that leaves little to learn from
FEW_REPEATS = 50  # customers with a repeat purchase below which estimates are rough


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found(Generic[AnyModel]):
    """Estimates of the model or of its limit."""

    model: AnyModel
    params: tuple[float, ...]
    log_covariance: Array  # NaN for parameters that were held
    log_likelihood: float
    gradient_norm: float  # over the parameters that were not held
    health: tuple[str, ...]


def best_fit(model: AnyModel, data: Sequence[Array], counts: IntArray) -> Found[AnyModel]:
    """Return the maximum-likelihood estimates, or those of the limit that the likelihood rises to."""
    point = np.log(model.start(*data, counts))
    free: IntArray = np.arange(len(point))
    held: list[str] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # steps too far are tried and taken back
        while True:
            ended: Ascent = climb_along(model, point, free, data, counts)
            if ended.converged and not held:
                return found_at(model, ended.point, free, ended, findings(model, ended, free, data, counts))
            params = model.Params(*np.exp(ended.point).tolist())
            limit = model.limit(params)
            if limit is not None:
                simpler = best_fit(limit, data, counts)
                if simpler.log_likelihood > ended.value - LOST:
                    return with_finding(simpler, tends_to(model, params, limit))
            if ended.converged:
                said = (f"{' '.join(held)} {model.diagnosis(params)}.", *findings(model, ended, free, data, counts))
                return found_at(model, ended.point, free, ended, said)
            farthest = free[np.argmax(np.abs(ended.point - point)[free])]
            name = model.Params._fields[farthest]  # type: ignore[attr-defined]  # a NamedTuple
            held.append(f"{name} ran to its bound and is held at {params[farthest]:.3g}.")
            if 2 * len(held) > len(point):
                raise ConvergenceError(no_maximum(model, params, counts))
            free = free[free != farthest]
            point = ended.point


def climb_along(model: Model, point: Array, free: IntArray, data: Sequence[Array], counts: IntArray) -> Ascent:
    """Climb from a point along the free parameters; the result is in all of them."""

    def whole(part: Array) -> Array:
        values = point.copy()
        values[free] = part
        return values

    def evaluate(part: Array) -> Derivatives:
        found = weighted_sum(model, np.exp(whole(part)), data, counts)
        return Derivatives(value=found.value, gradient=found.gradient[free], hessian=found.hessian[np.ix_(free, free)])

    ended = climb(evaluate, point[free])
    return Ascent(point=whole(ended.point), here=ended.here, steps=ended.steps, converged=ended.converged)


def found_at(model: AnyModel, point: Array, free: IntArray, ended: Ascent, health: tuple[str, ...]) -> Found[AnyModel]:
    """Return the estimates at a maximum."""
    covariance = np.full((len(point), len(point)), np.nan)
    inverse = np.linalg.inv(-ended.here.hessian)
    covariance[np.ix_(free, free)] = 0.5 * (inverse + inverse.T)
    covariance.flags.writeable = False
    return Found(
        model=model,
        params=model.Params(*np.exp(point).tolist()),
        log_covariance=covariance,
        log_likelihood=ended.value,
        gradient_norm=float(np.linalg.norm(ended.here.gradient)),
        health=health,
    )


def with_finding(found: Found[AnyModel], finding: str) -> Found[AnyModel]:
    """Return the same estimates with one more finding before the others."""
    return Found(
        model=found.model,
        params=found.params,
        log_covariance=found.log_covariance,
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        health=(finding, *found.health),
    )


def tends_to(model: Model, params: tuple[float, ...], limit: Model) -> str:
    """Say that the simpler model stands in for the one that was asked for."""
    return (
        f"{model.title}: the likelihood has no maximum inside. {model.diagnosis(params)}. The estimates, their errors "
        f"and all predictions are those of {limit.title}."
    )


def no_maximum(model: Model, params: tuple[float, ...], counts: IntArray) -> str:
    """Say that these data do not determine the model."""
    listed = ", ".join(f"{name} {value:.3g}" for name, value in params._asdict().items())  # type: ignore[attr-defined]
    return (
        f"{model.title}: the likelihood has no maximum inside. {model.diagnosis(params)}. The search stopped at "
        f"{listed}, over {int(counts.sum()):,} customers. Use more customers, a longer period or a simpler model."
    )


def findings(model: Model, ended: Ascent, free: IntArray, data: Sequence[Array], counts: IntArray) -> tuple[str, ...]:
    """Return what an analyst should know before the estimates are used."""
    said = []
    names = [model.Params._fields[i] for i in free]  # type: ignore[attr-defined]  # a NamedTuple
    inverse = np.linalg.inv(-ended.here.hessian)
    spread = np.sqrt(np.diag(inverse))
    correlation = np.triu(inverse / np.outer(spread, spread), k=1)
    for i, j in np.argwhere(np.abs(correlation) > STRONG):
        said.append(
            f"{names[i]} and {names[j]} are known only together (correlation of their logarithms "
            f"{correlation[i, j]:.3f}): predictions use both and stand, but do not read one alone."
        )
    for name, error in zip(names, spread, strict=True):
        if error > VAGUE:
            said.append(
                f"{name} is hardly known: its standard error is {error:.0f} times the estimate. A model without it may "
                "do as well."
            )
    return (*said, *(findings_in_purchases(data, counts) if isinstance(model, PurchaseModel) else ()))


def findings_in_purchases(data: Sequence[Array], counts: IntArray) -> tuple[str, ...]:
    """Return what an analyst should know of the data themselves."""
    said = []
    frequency, _, T = data
    total = int(counts.sum())
    repeat = int(counts[frequency > 0].sum())
    if repeat < FEW_REPEATS:
        said.append(f"Customers who bought again: {repeat:,}. The estimates are rough.")
    if total - repeat > MANY_ONCE * total:
        said.append(
            f"{1 - repeat / total:.0%} of the customers bought once: what is said of all rests on the few who returned."
        )
    between = float(counts @ T) / max(float(counts @ frequency), 1.0)
    if between > float(T.max()):
        said.append(
            f"The period is short: {float(T.max()):.3g} time units at most, against {between:.3g} observed for each "
            "repeat purchase."
        )
    return tuple(said)
