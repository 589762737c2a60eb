"""Fits that always come back: the maximum inside, or the simpler model that the data push towards, said in words.

A likelihood without a maximum inside rises towards a border: nobody leaves, all customers are alike. There the model
is a simpler one. Where the registry has it, it is fitted in its place; else the parameter that runs away is held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from crmvalue._core.optimise import FLATTEST, Ascent, Derivatives, climb
from crmvalue._core.types import Array, IntArray
from crmvalue.errors import ConvergenceError
from crmvalue.models.covariates import Effect
from crmvalue.models.design import NOTHING, Design, log_likelihood_of
from crmvalue.models.lopsided import VAGUE, Bend, bends_of
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel

Model: TypeAlias = PurchaseModel | RetentionModel | SpendModel
AnyModel = TypeVar("AnyModel", PurchaseModel, RetentionModel, SpendModel)

EPSILON = float(np.finfo(float).eps)  # smallest over largest curvature that an inverse stands
LEAST_PENALTY = 1.0  # where effects have no maximum: those of one standard deviation are then about ±1
LOST = 1e-3  # log-likelihood by which a limit may be below the place where the search for it ended
ELSEWHERE = ((9.0, 9.0, -3.0, -3.0, -3.0), (0.0, 0.0, -3.0, -3.0, -3.0))  # of logs: buyers alike; leavers of two kinds
STRIDE, MOST_STRIDES = 4.0, 6  # of logs, in which a parameter that is held is moved farther out
CLEAR = 2.0  # log-likelihood by which another limit must be above the first, the plainer one: chance gives less
NEAR = 1e-6  # log-likelihood that a step to the maximum would still gain
UNSURE = 0.3  # standard errors of logarithms below which both are known well enough to read each alone
STRONG = 0.97  # correlation of two estimates above which neither is known alone
MANY_ONCE = 0.85  # share of customers with a single purchase that leaves little to learn from
FEW_REPEATS = 50  # customers with a repeat purchase below which estimates are rough


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found(Generic[AnyModel]):
    """Estimates of the model or of its limit."""

    model: AnyModel
    params: tuple[float, ...]
    effects: tuple[Effect, ...]  # of covariates
    log_covariance: Array  # of log parameters and coefficients; NaN for those that were held
    bends: tuple[Bend, ...]  # of log parameters
    log_likelihood: float
    gradient_norm: float  # over the parameters that were not held
    health: tuple[str, ...]
    penalty: float  # on effects: as asked for, or more where they have no maximum without


def best_fit(model: AnyModel, data: Sequence[Array], counts: IntArray, design: Design = NOTHING) -> Found[AnyModel]:
    """Return the maximum-likelihood estimates, or those of the limit that the likelihood rises to.

    Where parameters of purchases had to be held, the search begins anew elsewhere: there may be a maximum, or a limit
    that is clearly better.
    """
    design = design.on(model)
    start = np.log([*model.start(*data, counts), *(1.0 for _ in design.actions)])  # no effects to begin with
    best = fit_from(start, model, data, counts, design)
    if not is_held(best) or best.model is not model or not isinstance(model, PurchaseModel) or design.actions:
        return best
    for shift in ELSEWHERE:
        try:
            found = fit_from(start + np.resize(shift, len(start)), model, data, counts, design)
        except ConvergenceError:
            continue
        if found.log_likelihood > best.log_likelihood + (CLEAR if is_held(found) else NEAR):
            best = found
    return best


def is_held(found: Found[AnyModel]) -> bool:
    """Whether a parameter was held, for the likelihood rises without end along it."""
    return bool(np.isnan(found.log_covariance).any())


def fit_from(start: Array, model: AnyModel, data: Sequence[Array], counts: IntArray, design: Design) -> Found[AnyModel]:
    """Return the estimates to which the likelihood rises from a start, or those of the limit.

    Where effects of covariates have no maximum, as where no customer of some kind ever left, a small penalty makes one.
    """
    point = start
    evaluate = log_likelihood_of(model, data, counts, design)
    is_free = bool(design.actions) and design.penalty < LEAST_PENALTY  # effects may run away
    if is_free:
        evaluate = within(evaluate, design.farthest)
    free: IntArray = np.arange(len(point))
    held: list[str] = []
    params: tuple[float, ...]
    effects: tuple[Effect, ...]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # steps too far are tried and taken back
        while True:
            ended: Ascent = climb_along(evaluate, point, free)
            params, effects = estimates(model, ended.point, design)
            # asked for also where the search ended: far out a likelihood can be so flat that it looks like a maximum
            limit = None if isinstance(model, SpendModel) else model.limit(params)
            if limit is not None:
                simpler = best_fit(limit, data, counts, design)
                if simpler.log_likelihood - drawn(simpler, design) > ended.value - LOST:
                    return with_finding(simpler, tends_to(model, params, limit))
            if ended.converged or (held and is_near(ended.here)):
                if held:
                    ended = farther(evaluate, ended, free, start)
                    params, effects = estimates(model, ended.point, design)
                found = found_at(model, evaluate, ended, free, design, data, counts)
                return with_finding(found, " ".join([*held, *diagnoses(model, params, held)])) if held else found
            farthest = int(free[np.argmax(np.abs(ended.point - point)[free])])
            held.append(runs_away(params, effects, farthest))
            if is_free:
                endless = np.abs(ended.point[len(params) :]) > 0.5 * design.farthest
                if endless.any() or 2 * len(held) > len(params):
                    names = [effect.name for effect, is_endless in zip(effects, endless, strict=True) if is_endless]
                    return drawn_fit(model, data, counts, design, names)
            # where few parameters are left, purchases and effects may be known all the same
            most = len(params) if isinstance(model, PurchaseModel) or design.actions else len(params) // 2 + 1
            if len(held) >= most:
                raise ConvergenceError(no_maximum(model, params, counts))
            free = free[free != farthest]
            point = ended.point


def farther(evaluate: Callable[[Array], Derivatives], ended: Ascent, free: IntArray, start: Array) -> Ascent:
    """Move parameters that are held farther out for as long as the likelihood rises."""
    outwards = np.sign(ended.point - start) * STRIDE
    outwards[free] = 0.0
    for _ in range(MOST_STRIDES):
        there = climb_along(evaluate, ended.point + outwards, free)
        if not (there.converged or is_near(there.here)) or not there.value > ended.value + NEAR / 10:
            break
        ended = there
    return ended


def within(evaluate: Callable[[Array], Derivatives], farthest: Array) -> Callable[[Array], Derivatives]:
    """Return the function without a value where an effect is beyond belief: the search for one without end stops."""

    def bounded(point: Array) -> Derivatives:
        found = evaluate(point)
        is_beyond = (np.abs(point[len(point) - len(farthest) :]) > farthest).any()
        return replace(found, value=np.asarray(np.nan)) if is_beyond else found

    return bounded


def drawn_fit(
    model: AnyModel, data: Sequence[Array], counts: IntArray, design: Design, endless: Sequence[str]
) -> Found[AnyModel]:
    """Return the fit with a small penalty, for effects that have no maximum."""
    named = (
        f"the effects without end are: {'; '.join(endless)}" if endless else "these are too many effects for the data"
    )
    return with_finding(
        best_fit(model, data, counts, replace(design, penalty=LEAST_PENALTY)),
        f"The likelihood has no maximum inside: as far as these data show, {named}. A penalty of {LEAST_PENALTY:g} "
        "keeps all effects finite. Group rare levels, leave columns out, or choose a penalty.",
    )


def climb_along(evaluate: Callable[[Array], Derivatives], point: Array, free: IntArray) -> Ascent:
    """Climb from a point along the free parameters; the result is in all of them."""
    if len(free) == len(point):
        return climb(evaluate, point)

    def whole(part: Array) -> Array:
        values = point.copy()
        values[free] = part
        return values

    def evaluate_part(part: Array) -> Derivatives:
        found = evaluate(whole(part))
        return Derivatives(value=found.value, gradient=found.gradient[free], hessian=found.hessian[np.ix_(free, free)])

    ended = climb(evaluate_part, point[free])
    return Ascent(point=whole(ended.point), here=ended.here, steps=ended.steps, converged=ended.converged)


def is_near(here: Derivatives) -> bool:
    """Whether a maximum is so near that rounding, at a parameter held far out, hides the way to it."""
    curvature, axes = np.linalg.eigh(-here.hessian)
    is_curved = bool(curvature[0] > FLATTEST * curvature[-1])
    return is_curved and 0.5 * float(np.sum((axes.T @ here.gradient) ** 2 / curvature)) < NEAR


def estimates(model: Model, point: Array, design: Design) -> tuple[tuple[float, ...], tuple[Effect, ...]]:
    """Return parameters and effects at a point."""
    k = len(point) - len(design.actions)
    return model.Params(*np.exp(point[:k]).tolist()), design.effects(point[k:])


def found_at(
    model: AnyModel,
    evaluate: Callable[[Array], Derivatives],
    ended: Ascent,
    free: IntArray,
    design: Design,
    data: Sequence[Array],
    counts: IntArray,
) -> Found[AnyModel]:
    """Return the estimates at a maximum."""
    size, k = len(ended.point), len(ended.point) - len(design.actions)
    known = inverse_of(-ended.here.hessian)
    covariance = np.full((size, size), np.nan)
    covariance[free[:, None], free] = known
    bends = bends_of(evaluate, ended, free, covariance, k)
    if design.actions:
        per_unit = np.append(np.ones(k), 1 / design.scales)
        covariance *= np.outer(per_unit, per_unit)
    covariance.flags.writeable = False
    params, effects = estimates(model, ended.point, design)
    said = findings(params, effects, free, known)
    if isinstance(model, PurchaseModel):
        said += findings_in_purchases(data, counts)
    return Found(
        model=model,
        params=params,
        effects=effects,
        log_covariance=covariance,
        bends=bends,
        log_likelihood=ended.value + penalty_at(ended.point[k:], design),
        gradient_norm=float(np.linalg.norm(ended.here.gradient)),
        health=said,
        penalty=design.penalty,
    )


def inverse_of(information: Array) -> Array:
    """Return the covariance that belongs to an information matrix, finite however flat it is."""
    curvature, axes = np.linalg.eigh(information)
    curvature = np.maximum(curvature, EPSILON * curvature[-1])
    return np.asarray((axes / curvature) @ axes.T)


def penalty_at(coefficients: Array, design: Design) -> float:
    """Return what standardised coefficients take off the log-likelihood."""
    return 0.5 * design.penalty * float(coefficients @ coefficients)


def drawn(found: Found[AnyModel], design: Design) -> float:
    """Return what the effects of a fit take off its log-likelihood."""
    scales = design.on(found.model).scales
    return penalty_at(np.array([effect.coefficient for effect in found.effects]) * scales, design)


def with_finding(found: Found[AnyModel], finding: str) -> Found[AnyModel]:
    """Return the same estimates with one more finding before the others."""
    return replace(found, health=(finding, *found.health))


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


def runs_away(params: tuple[float, ...], effects: tuple[Effect, ...], place: int) -> str:
    """Say which parameter or effect the data let grow without end."""
    if place < len(params):
        name = params._fields[place]  # type: ignore[attr-defined]  # a NamedTuple
        return f"{name} ran to its bound and is held at {params[place]:.3g}."
    effect = effects[place - len(params)]
    return (
        f"The effect {effect.name} ran to its bound and is held at {effect.coefficient:.3g}: as far as these data "
        "show, it is without end."
    )


def diagnoses(model: Model, params: tuple[float, ...], held: Sequence[str]) -> list[str]:
    """Say what it means that parameters ran away; effects that did speak for themselves."""
    return [f"{model.diagnosis(params)}."] if any(not said.startswith("The effect") for said in held) else []


def findings(
    params: tuple[float, ...], effects: tuple[Effect, ...], free: IntArray, covariance: Array
) -> tuple[str, ...]:
    """Return what an analyst should know of the estimates before they are used; `covariance` is of the free ones."""
    said = []
    k = len(params)
    names = [*params._fields, *(effect.name for effect in effects)]  # type: ignore[attr-defined]  # a NamedTuple
    spread = np.sqrt(covariance.diagonal())
    correlation = covariance / (spread[:, None] * spread)
    for i, j in zip(*np.nonzero(np.abs(correlation) > STRONG), strict=True):
        one, other = int(free[i]), int(free[j])
        known = one < k and max(spread[i], spread[j]) < UNSURE
        # parameter and effect are tied wherever the reference is rare
        if i < j and (one < k) == (other < k) and not known:
            kind = "logarithms" if one < k else "effects"
            said.append(
                f"{names[one]} and {names[other]} are known only together (correlation of their {kind} "
                f"{correlation[i, j]:.3f}): predictions use both and stand, but do not read one alone."
            )
    for i, error in zip(free.tolist(), spread.tolist(), strict=True):
        if error > VAGUE and i < k:
            said.append(
                f"{names[i]} is hardly known: its standard error is {error:.0f} times the estimate. A model without it "
                "may do as well."
            )
        elif error > VAGUE:
            said.append(f"The effect {names[i]} is hardly known: see its interval. A model without it may do as well.")
    return tuple(said)


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
