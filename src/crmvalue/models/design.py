"""Parameters that follow covariates: their logarithms are linear in them, as in [1]_.

A process of a model is multiplied by exp(γ'z), through one of its parameters. Search and penalty use covariates divided
by their standard deviation; estimates are given per unit.

.. [1] Fader & Hardie (2007) "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models", note 019
   at brucehardie.com.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.optimise import Derivatives
from crmvalue._core.parts import parts
from crmvalue._core.types import Array, IntArray
from crmvalue.errors import InputError
from crmvalue.models.covariates import Effect, Levels, Wanted
from crmvalue.models.distinct import row_codes
from crmvalue.models.likelihood import total_of
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel

SAME = 1e-9  # share of a covariate's variance that the others must leave open
BEYOND_LEVEL = 12.0  # effect of a level, a factor of 160,000, beyond which it is taken to have no end
BEYOND_NUMBER = 6.0  # the same of one standard deviation of a number: a factor of 400
FEW_PATTERNS = 64  # rows for each pattern of covariates from which it pays to sum pattern by pattern


class Term(NamedTuple):
    """A column of the design: a number, or whether text is this level."""

    column: str
    level: str | None
    reference: str | float  # level or number at which it is 0
    scale: float  # standard deviation among the customers
    is_dummy: bool = False  # whether it is 0 or 1: a level of text, or a column of these numbers


class Action(NamedTuple):
    """A coefficient: on which processes a term acts."""

    processes: tuple[str, ...]
    term: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """Covariates of each row, what they act on, and how strongly their effects are drawn to 0."""

    terms: tuple[Term, ...] = ()
    values: Array  # standardised, shape (terms, n)
    actions: tuple[Action, ...] = ()  # one a coefficient
    penalty: float = 0.0  # λ in λ/2 · Σ (coefficient · standard deviation)²

    def on(self, model: PurchaseModel | SpendModel | RetentionModel) -> Design:
        """Return what is left of it for a model with fewer processes."""
        if not self.actions or isinstance(model, RetentionModel):
            return self
        known = {process.name for process in model.processes}
        kept = [Action(tuple(name for name in a.processes if name in known), a.term) for a in self.actions]
        return Design(
            terms=self.terms,
            values=self.values,
            actions=tuple(action for action in kept if action.processes),
            penalty=self.penalty,
        )

    @property
    def scales(self) -> Array:
        """Standard deviation that belongs to each coefficient."""
        return np.array([self.terms[action.term].scale for action in self.actions])

    @property
    def farthest(self) -> Array:
        """How far each standardised coefficient may go before it is taken to have no end."""
        terms = [self.terms[action.term] for action in self.actions]
        return np.array([BEYOND_LEVEL * term.scale if term.is_dummy else BEYOND_NUMBER for term in terms])

    def effects(self, coefficients: Array) -> tuple[Effect, ...]:
        """Return the effects per unit, from standardised coefficients."""
        found = []
        for action, value in zip(self.actions, (coefficients / self.scales).tolist(), strict=True):
            column, level, reference, *_ = self.terms[action.term]
            found.append(Effect(action.processes, column, level, reference, value))
        return tuple(found)


NOTHING = Design(values=np.empty((0, 0)))
"""No covariates."""


def checked_penalty(penalty: float | None, covariates: object) -> float:
    """Return the penalty as a number, or raise InputError."""
    if penalty is None:
        return 0.0
    if covariates is None:
        raise InputError(
            "penalty: given without covariates. It draws their effects to 0, and a fit without them needs none: "
            "leave it out."
        )
    return require_number("penalty", penalty, at_least=0)


def design_of(
    wanted: Wanted, columns: Sequence[Array], levels: Sequence[Levels], counts: IntArray, penalty: float
) -> Design:
    """Return the design of these covariates, one number or code a row, or raise InputError if they say nothing."""
    places: dict[str, list[int]] = {}
    terms: list[Term] = []
    values: list[Array] = []
    for name, column, known in zip(wanted.columns, columns, levels, strict=True):
        made = terms_of(name, column, known, counts)
        places[name] = list(range(len(terms), len(terms) + len(made)))
        for term, value in made:
            terms.append(term)
            values.append(value)
    actions = [Action(processes, term) for processes, name in wanted.acts for term in places[name]]
    stacked = np.stack(values)
    for process in {name for action in actions for name in action.processes}:
        mine = sorted({action.term for action in actions if process in action.processes})
        require_independent([terms[term] for term in mine], stacked[mine], counts)
    return Design(terms=tuple(terms), values=stacked, actions=tuple(actions), penalty=penalty)


def terms_of(name: str, column: Array, levels: Levels, counts: IntArray) -> list[tuple[Term, Array]]:
    """Return the terms of a covariate with their standardised values."""
    if column.min() == column.max():
        said = repr(levels[int(column[0])]) if levels else f"{column[0]:g}"
        raise InputError(
            f"{name}: constant ({said}) over all customers, so nothing shows its effect. Leave the column out."
        )
    if levels is not None:
        there = np.bincount(column.astype(np.int64), weights=counts, minlength=len(levels))
        most = int(there.argmax())  # among the customers of this fit
        others = [place for place in np.flatnonzero(there).tolist() if place != most]
        made = [(Term(name, levels[place], levels[most], 0.0, is_dummy=True), column == place) for place in others]
    else:
        is_yes_or_no = bool(np.isin(column, (0.0, 1.0)).all())
        centre = 0.0 if is_yes_or_no else float(counts @ column / counts.sum())
        made = [(Term(name, None, centre, 0.0, is_yes_or_no), column - centre)]
    found = []
    for term, value in made:
        mean = counts @ value / counts.sum()
        scale = float(np.sqrt(counts @ (value - mean) ** 2 / counts.sum()))
        found.append((term._replace(scale=scale), value / scale))
    return found


def require_independent(terms: Sequence[Term], values: Array, counts: IntArray) -> None:
    """Raise InputError if a term is a linear combination of those before it."""
    centred = values - (values @ counts / counts.sum())[:, None]
    products = (centred * counts) @ centred.T / counts.sum()
    for j in range(1, len(terms)):
        before = products[:j, :j]
        weights = np.linalg.solve(before, products[:j, j])
        if products[j, j] - products[:j, j] @ weights < SAME:
            names = dict.fromkeys(terms[i].column for i in range(j) if abs(weights[i]) > 1e-6)
            raise InputError(
                f"{terms[j].column}: collinear, for it follows exactly from {', '.join(names)}. Leave one of them out."
            )


def log_likelihood_of(
    model: PurchaseModel | SpendModel | RetentionModel, data: Sequence[Array], counts: IntArray, design: Design
) -> Callable[[Array], Derivatives]:
    """Return the log-likelihood less the penalty as a function of log parameters and coefficients."""
    if not design.actions or isinstance(model, RetentionModel):
        return total_of(model, data, counts)
    k = len(model.Params._fields)  # type: ignore[attr-defined]  # a NamedTuple
    following = slopes(model, design)
    patterns = row_codes(list(design.values))
    if (int(patterns.max()) + 1) * FEW_PATTERNS <= len(counts):
        add_up = sum_by_patterns(model, data, counts, following, design.values, patterns)
    else:
        add_up = sum_by_rows(model, data, counts, following, design.values)

    def evaluate(point: Array) -> Derivatives:
        found = add_up(point)
        drawn = np.zeros(len(point))
        drawn[k:] = design.penalty
        return Derivatives(
            value=found.value - 0.5 * float(drawn @ point**2),
            gradient=found.gradient - drawn * point,
            hessian=found.hessian - np.diag(drawn),
        )

    return evaluate


class Slopes(NamedTuple):
    """How the logarithm of one parameter follows the covariates."""

    power: int  # 1 or −1
    terms: list[int]  # rows of the design's values
    place: list[int]  # of their coefficients in the point


def slopes(model: PurchaseModel | SpendModel, design: Design) -> list[Slopes]:
    """Return them for each parameter in order; those that follow no covariate have no terms."""
    names = model.Params._fields  # type: ignore[attr-defined]  # a NamedTuple
    found = [Slopes(1, [], []) for _ in names]
    for process in model.processes:
        mine = [(i, action.term) for i, action in enumerate(design.actions) if process.name in action.processes]
        found[names.index(process.parameter)] = Slopes(
            process.power, [term for _, term in mine], [len(names) + i for i, _ in mine]
        )
    return found


def sum_by_patterns(
    model: PurchaseModel | SpendModel,
    data: Sequence[Array],
    counts: IntArray,
    following: Sequence[Slopes],
    values: Array,
    patterns: IntArray,
) -> Callable[[Array], Derivatives]:
    """Sum over groups of customers with the same covariates, who share parameters as in a fit without any."""
    order = np.argsort(patterns, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(patterns))[:-1])
    totals = [total_of(model, [column[rows] for column in data], counts[rows]) for rows in groups]
    k = len(following)
    size = k + len({place for each in following for place in each.place})
    maps = np.zeros((len(groups), k, size))  # from the point to each group's log parameters
    for j, each in enumerate(following):
        maps[:, j, j] = 1.0
        for term, place in zip(each.terms, each.place, strict=True):
            maps[:, j, place] = each.power * values[term, [rows[0] for rows in groups]]

    def add_up(point: Array) -> Derivatives:
        total, gradient, hessian = 0.0, np.zeros(size), np.zeros((size, size))
        for total_in, change in zip(totals, maps, strict=True):
            found = total_in(change @ point)
            total += float(found.value)
            gradient += found.gradient @ change
            hessian += change.T @ found.hessian @ change
        return Derivatives(value=np.asarray(total), gradient=gradient, hessian=hessian)

    return add_up


def sum_by_rows(
    model: PurchaseModel | SpendModel,
    data: Sequence[Array],
    counts: IntArray,
    following: Sequence[Slopes],
    values: Array,
) -> Callable[[Array], Derivatives]:
    """Sum over rows, each with parameters of its own; derivatives by the chain rule."""
    places = [[j, *each.place] for j, each in enumerate(following)]

    def add_up(point: Array) -> Derivatives:
        total, gradient, hessian = 0.0, np.zeros(len(point)), np.zeros((len(point), len(point)))
        for part in parts(len(counts)):
            weights = counts[part].astype(float)
            given, pulls = zip(
                *(own_values(point, j, each, values[:, part]) for j, each in enumerate(following)), strict=True
            )
            rows = model.derivatives(model.Params(*given), *(column[part] for column in data))
            total += float(rows.value @ weights)
            for j, (pull, place) in enumerate(zip(pulls, places, strict=True)):
                slope = rows.gradient[j] * weights
                gradient[place] += added(pull, slope)
                hessian[np.ix_(place, place)] += paired(pull, slope / given[j], pull)
                for i in range(j + 1):
                    bend = paired(pull, rows.hessian[j, i] * weights, pulls[i])
                    hessian[np.ix_(place, places[i])] += bend
                    if i < j:
                        hessian[np.ix_(places[i], place)] += bend.T
        return Derivatives(value=np.asarray(total), gradient=gradient, hessian=hessian)

    return add_up


def own_values(point: Array, j: int, following: Slopes, values: Array) -> tuple[float | Array, Array]:
    """Return a parameter of these rows and its slopes by all that it follows; one number where all rows share it."""
    if not following.terms:
        shared = float(np.exp(point[j]))
        return shared, np.array([[shared]])
    columns = np.concatenate([np.ones((1, values.shape[1])), following.power * values[following.terms]])
    own = np.exp(point[[j, *following.place]] @ columns)
    return own, columns * own


def added(pull: Array, weights: Array) -> Array:
    """Sum of the slopes times weights over rows; a slope that all rows share is one number."""
    return pull @ weights if pull.shape[1] > 1 else pull[:, 0] * weights.sum()


def paired(left: Array, weights: Array, right: Array) -> Array:
    """Sum of products of two parameters' slopes times weights over rows."""
    if left.shape[1] == 1:
        return left * added(right, weights)
    if right.shape[1] == 1:
        return added(left, weights)[:, None] * right
    return (left * weights) @ right.T
