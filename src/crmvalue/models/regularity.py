"""How regularly customers buy: k is a whole number, so each k is fitted and the likelihoods are compared.

The times between purchases, beyond their number and the last of them, say nothing of the other parameters, but most of
what is to be known of k: given frequency and recency, the shares of the gaps in recency are Dirichlet(k, ..., k).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import AnyFrame, column_names, count_rows, one_row
from crmvalue._core.optimise import Derivatives
from crmvalue._core.special import gammaln
from crmvalue._core.types import Array, IntArray
from crmvalue.errors import ConvergenceError, InputError
from crmvalue.models import bg_nbd
from crmvalue.models.bg_cnbd_k import MOST_REGULAR
from crmvalue.models.design import NOTHING, Design
from crmvalue.models.histories import is_missing, refuse
from crmvalue.models.limits import Found, best_fit, drawn
from crmvalue.models.model import PurchaseModel

AGAINST = 3.0  # log-likelihood by which counts must contradict gaps to be worth a word: odds of 20 to 1
REMEDY = "Make the summary with summarize_customers(..., log_gaps=True), or leave the column out."


class Tried(NamedTuple):
    """A fit with one k."""

    k: int
    found: Found[PurchaseModel]
    evenness: float  # what the gaps add to its log-likelihood
    drawn: float  # what effects of covariates take off it

    @property
    def log_likelihood(self) -> float:
        """With what the gaps say."""
        return self.found.log_likelihood + self.evenness

    @property
    def score(self) -> float:
        """By which it is chosen."""
        return self.log_likelihood - self.drawn


def log_evenness(k: float, frequency: Array, recency: Array, log_gaps: Array) -> Array:
    """Log density of the gaps' shares under Dirichlet(k, ..., k), relative to purchases at random, of each customer."""
    some = np.maximum(frequency, 1)
    shares = log_gaps - frequency * np.log(np.where(frequency > 0, recency, 1.0))
    density = gammaln(k * some) - some * gammaln(k) - gammaln(some) + (k - 1) * shares
    return np.where(frequency > 0, density, 0.0)


def draw_log_gaps(k: float, frequency: Array, recency: Array, rng: np.random.Generator) -> Array:
    """Draw, for simulated customers, the sum of the logarithms of the times between their purchases.

    Parameters
    ----------
    k : float
        Regularity that they were simulated with.
    frequency, recency : ndarray, shape (n,)
        Repeat purchases, and time from the first to the last one, from a record's `simulate`.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    ndarray, shape (n,)
        The column log_gaps, in the time unit of `recency`; 0 for customers without repeat purchases.

    Notes
    -----
    Given frequency and recency, the shares of the gaps in recency are Dirichlet(k, ..., k).

    Examples
    --------
    A customer with one repeat purchase has one gap, her recency:

    >>> draw_log_gaps(2.0, np.array([0.0, 1.0]), np.array([0.0, np.e]), np.random.default_rng(1))
    array([0., 1.])
    """
    customer = np.repeat(np.arange(len(frequency)), frequency.astype(np.intp))
    size = rng.gamma(k, size=len(customer))
    whole, logs = (np.bincount(customer, weights, minlength=len(frequency)) for weights in (size, np.log(size)))
    return logs + frequency * np.log(np.where(frequency > 0, recency / np.maximum(whole, 1e-300), 1.0))


def with_k(model: PurchaseModel, k: int) -> PurchaseModel:
    """Model of regular buyers whose k is given, and not chosen by the fit.

    Parameters
    ----------
    model : PurchaseModel
        `BG_CNBD_K` or `MBG_CNBD_K`.
    k : int
        Regularity, from 1 (purchases at random) to 24.

    Returns
    -------
    PurchaseModel
        The same model, to pass to `fit_purchases`.

    Raises
    ------
    InputError
        If the model has no k, or k is no whole number in its range.

    Examples
    --------
    >>> from crmvalue.models.mbg_cnbd_k import MBG_CNBD_K
    >>> with_k(MBG_CNBD_K, 2).k_values
    (2,)
    """
    if not isinstance(model, PurchaseModel) or not model.k_values:
        raise InputError("model: it has no k. Pass BG_CNBD_K or MBG_CNBD_K.")
    value = require_number("k", k, at_least=1, at_most=MOST_REGULAR)
    if value != round(value):
        raise InputError(f"k: got {k}. Pass a whole number.")
    return replace(model, k_values=(int(value),))


def total_log_gaps(frame: AnyFrame, frequency: Array, recency: Array, counts: IntArray) -> float | None:
    """Return the total of the column log_gaps over customers with a repeat purchase; None if there is no such column.

    The other arguments are the distinct histories in the frame, against which it is checked.
    """
    if "log_gaps" not in column_names(frame):
        return None
    repeats, gaps = nw.col("frequency") > 0, nw.col("log_gaps").cast(nw.Float64)
    bad = repeats & (is_missing(nw.col("log_gaps")) | (gaps.abs() == np.inf))
    if count_rows(frame.filter(bad)):
        refuse(frame, "log_gaps", "missing or infinite where frequency is above 0", REMEDY, bad)
    total = float(one_row(frame.filter(repeats).select(_crm_gaps=gaps), total=nw.col("_crm_gaps").sum())["total"])
    evenly = frequency * np.log(np.maximum(recency, 1e-300) / np.maximum(frequency, 1))
    most = float(counts @ evenly)
    if total > most + 1e-9 * (abs(most) + abs(total)):
        raise InputError(
            f"log_gaps: adds up to {total:,.4g}, and gaps that make up recency to {most:,.4g} at most. It must be in "
            f"the time unit of recency. {REMEDY}"
        )
    return total


def best_regular_fit(
    model: PurchaseModel,
    data: Sequence[Array],
    counts: IntArray,
    log_gaps: float | None,
    design: Design = NOTHING,
) -> Found[PurchaseModel]:
    """Return the maximum-likelihood estimates over all k; `log_gaps` is the total of that column, if there is one.

    k rises until the likelihood has fallen twice. Standard errors take k as known.
    """
    frequency, recency, _ = data
    start, asked = model.start(*data, counts), design
    tried: list[Tried] = []

    def fitted(k: int, design: Design) -> Tried:
        random = model.limit(start._replace(k=k))  # type: ignore[attr-defined]  # a NamedTuple
        found = best_fit(random or given(model, k), data, counts, design)
        even = 0.0 if log_gaps is None else evenness(k, frequency, recency, counts, log_gaps)
        return Tried(k, found, even, drawn(found, asked))

    for k in model.k_values:
        try:
            tried.append(fitted(k, design))
        except ConvergenceError:
            if not tried:
                raise
            break  # more regular than these data can show
        # effects without end at one k have none at the next either: the long search for one is spared
        design = replace(design, penalty=max(design.penalty, tried[-1].found.penalty))
        if len(tried) > 2 and tried[-1].score < tried[-2].score < tried[-3].score:
            break
    best = max(tried, key=lambda one: one.score)
    if design.penalty > asked.penalty:
        best = fitted(best.k, asked)  # as was asked for, and to say which effects those are
    k, found = best.k, best.found
    said = said_of_k(model, tried, best, is_rough=log_gaps is None)
    if k == 1:
        return replace(found, health=(said, *found.health))
    size = len(found.log_covariance) + 1
    rows = np.delete(np.arange(size), 4)
    covariance = np.full((size, size), np.nan)  # of the other parameters once k is known
    covariance[np.ix_(rows, rows)] = found.log_covariance
    covariance.flags.writeable = False
    return replace(
        found,
        model=model,
        params=model.Params(*found.params, float(k)),
        log_covariance=covariance,
        log_likelihood=best.log_likelihood,
        health=(*found.health, said),
    )


def evenness(k: int, frequency: Array, recency: Array, counts: IntArray, log_gaps: float) -> float:
    """Return the sum of `log_evenness` over all customers, of whose gaps only the total is known."""
    none = log_evenness(k, frequency, recency, np.zeros(len(frequency)))
    return float(counts @ none) + (k - 1) * log_gaps


def given(model: PurchaseModel, k: int) -> PurchaseModel:
    """Return the model of r, α, a, b that is left once k is known."""

    def params_of(params: Sequence[float]) -> tuple[float, ...]:
        return model.Params(*params, float(k))

    def start(*data: Array) -> tuple[float, ...]:
        r, alpha, a, b, _ = model.start(*data)
        return bg_nbd.Params(r, alpha / k, a, b)  # k times as many events as purchases

    def derivatives(params: Sequence[float], *data: Array) -> Derivatives:
        found = model.derivatives(params_of(params), *data)
        return Derivatives(value=found.value, gradient=found.gradient[:4], hessian=found.hessian[:4, :4])

    return replace(
        model,
        Params=bg_nbd.Params,
        derivatives=derivatives,
        start=start,
        diagnosis=lambda params: model.diagnosis(params_of(params)),
        limit=lambda _: None,
    )


def said_of_k(model: PurchaseModel, tried: Sequence[Tried], best: Tried, *, is_rough: bool) -> str:
    """Say which k was chosen, and how much better it is than its neighbours."""
    near = [f"{one.log_likelihood:,.1f} at k = {one.k}" for one in tried if abs(one.k - best.k) == 1]
    against = f", against {' and '.join(near)}" if near else ", as given"
    said = f"k = {best.k}: log-likelihood {best.log_likelihood:,.1f}{against}"
    if best.k == 1:
        said += f"; purchases come at random, and {model.title} is {best.found.model.title}"
    elif near and best.k == model.k_values[-1]:
        said += "; they are as regular as can be tried"
    calm = max(tried, key=lambda one: one.found.log_likelihood)
    if calm.k < best.k and calm.found.log_likelihood > best.found.log_likelihood + AGAINST:
        said += (
            f". But how often they bought and when last speaks for k = {calm.k} "
            f"({calm.found.log_likelihood:,.1f} against {best.found.log_likelihood:,.1f}): they are regular in the "
            "short run only, as purchases of one day that count as one make them; let a holdout decide"
        )
    if near and is_rough:
        said += (
            ". This is from frequency and recency alone: the times between purchases would tell more. Make the summary "
            "with summarize_customers(..., log_gaps=True)"
        )
    return f"{said}."
