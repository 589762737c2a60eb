"""How long customers who leave unseen will stay: the integral of their chance to be still there, for any model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.quadrature import NEGLIGIBLE, PANEL, from_zero, unit_rule
from crmvalue._core.types import AnyArray, Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.answers import answer_to, predicted, require_horizon
from crmvalue.models.discounting import extreme_rows, states_of
from crmvalue.models.distinct import States, distinct_states
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.series import of_ages, of_states, rows_of

LOG_SCALES = (-30.0, 30.0)  # of the time within which few leave, in time units
FEW = 1e-2  # who leave within the scale; singularities of the chance to stay are farther away
FINEST = 256  # as many more panels; a hazard that grows late needs many
ERROR = 1e-11  # between two grids, relative
FEW_STATES = 24  # that are as quickly integrated one by one
RULES = (16, 24, 32, 40, 52, 64, 96, 128)  # nodes that are tried for more
STATES_AT_ONCE = 16_384  # times nodes; bounds the memory
FIRST = 512  # opportunities added one by one, after which sum and integral agree


def remaining_lifetime(
    fit: PurchaseFit,
    customers: CustomerSummary | Frame,
    *,
    horizon: float = np.inf,
    discount_rate: float = 0.0,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> Frame:
    """Return the time from T on for which each customer is expected to stay, given her history.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    customers : CustomerSummary, frame or mapping
        Columns frequency, recency and T, in any engine, or numbers or arrays by these names.
    horizon : float
        Time after T that counts, in time units of the fit, above 0; by default all there will ever be.
    discount_rate : float
        Cost of capital per year, 0.1 for 10 %; at least 0. A later year then counts for less.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the customers'
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. The horizon stays in the
        fit's.

    Returns
    -------
    frame or mapping
        Columns customer_id (if there) and remaining_lifetime, in time units of the fit, in the engine of the input. She
        may have left already, which counts as 0: divide by `probability_alive` for a customer who is still there.
        Infinite where the mean does not exist.

    Raises
    ------
    InputError
        If a history is impossible, an argument is out of its range, or the summary is in another time unit than the
        fit.

    Notes
    -----
    P(alive) · ∫ S(u) exp(−δ u) du from 0 to the horizon, where S(u) is the chance of a customer at T to be still one at
    T + u, and exp(−δ) over 365.25 days is 1 / (1 + discount_rate). Under BG/BB it is the number of opportunities.

    The mean is infinite under NBD, where nobody leaves, under Pareto/NBD with s at most 1, under BG/NBD and MBG/NBD
    with a at most 1 or r + frequency at most 1, and under BG/BB with γ at most 1: a few customers hardly ever leave.
    Such estimates are usual, so a horizon or a discount_rate is a good idea.

    Customers with contracts: `expected_residual_lifetime`.

    Examples
    --------
    Under these estimates a customer alive at T leaves at the rate μ ~ Gamma(3, 10), and is expected to stay for
    10 / (3 − 1) years. Within ten years it is 5 · (1 − (10 / 20)²):

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.pareto_nbd import PARETO_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=PARETO_NBD, params=Params(r=1.0, alpha=2.0, s=3.0, beta=2.0), log_covariance=np.eye(4),
    ...     log_likelihood=-9.0, gradient_norm=0.0, n_customers=2, time_unit="year",
    ... )
    >>> customers = pd.DataFrame({"frequency": [5], "recency": [8.0], "T": [8.0]})  # she has just bought
    >>> remaining_lifetime(fit, customers).round(6)
       remaining_lifetime
    0                 5.0
    >>> remaining_lifetime(fit, customers, horizon=10).round(6)
       remaining_lifetime
    0                3.75
    """
    if horizon != np.inf:
        horizon = require_horizon(fit, horizon)
    discount_rate = require_number("discount_rate", discount_rate, at_least=0)
    rate = float(np.log1p(periodic_rate(discount_rate, fit.time_unit)))

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        states = distinct_states(fit.model, params, frequency, recency, T)
        time = times_if_alive(fit.model, states, float(horizon), rate)
        return {"remaining_lifetime": fit.model.probability_alive(params, frequency, recency, T) * time[states.place]}

    return answer_to(customers, predicted(fit, customers, predict, covariates=covariates, time_unit=time_unit))


def times_if_alive(model: PurchaseModel, states: States, horizon: float, rate: float) -> Array:
    """Return the same as `time_if_alive`, for many states from series in the numbers in which they differ."""

    def value(params: Parameters, frequency: Array, recency: Array, T: Array) -> Array:
        return time_if_alive(model, states_of(params, frequency, recency, T), horizon, rate)

    if any(map(np.ndim, states.params)):
        return of_states(model, value, states)
    return of_ages(model, value, states, FEW_STATES)


def time_if_alive(model: PurchaseModel, states: States, horizon: float, rate: float) -> Array:
    """Return the expected time as a customer in (T, T + horizon], discounted by exp(−rate · time), if alive at T."""
    if rate == 0 and np.isinf(horizon):
        return np.asarray(model.lifetime_if_alive(states.params, *states[1:4]))
    if np.isinf(horizon) and model.discounted_lifetime_if_alive is not None:
        return model.discounted_lifetime_if_alive(states.params, rate, *states[1:4])
    if not model.is_discrete:
        return integral(model, states, 0.0, horizon, rate)
    few = np.arange(1.0, min(FIRST, horizon) + 1)
    total: Array = np.exp(-rate * few) @ chances(
        model, states, np.broadcast_to(few[:, None], (len(few), len(states.T)))
    )
    if horizon > FIRST:  # the midpoint rule, turned round
        total += integral(model, states, FIRST + 0.5, horizon + 0.5, rate)
        total += bend(model, states, FIRST + 0.5, rate)
        total -= bend(model, states, horizon + 0.5, rate) if np.isfinite(horizon) else 0.0
    return total


def bend(model: PurchaseModel, states: States, time: float, rate: float) -> Array:
    """Return a 24th of the slope there, by which a sum and the integral between its terms differ."""
    after, before = (
        np.exp(-rate * at) * chances(model, states, np.full((1, len(states.T)), at))[0]
        for at in (time + 0.5, time - 0.5)
    )
    return np.asarray((after - before) / 24)


def chances(model: PurchaseModel, states: States, times: Array) -> Array:
    """Return the chance to be still a customer at these times after T, shape (k, n)."""
    params, frequency, recency, T, _ = states
    return np.asarray(model.survival_if_alive(params, times, frequency, recency, T))


def integral(model: PurchaseModel, states: States, start: float, stop: float, rate: float) -> Array:
    """Integral of the discounted chance to stay from `start` to `stop`, which is finite unless there is a rate.

    Many states are integrated by one rule in log time, once it agrees with a finer one on those that stress it most;
    few, and those where none does, each on finer and finer panels until two agree.
    """
    scale = np.minimum(scale_of(model, states), min(stop, 1 / rate if rate else np.inf))
    length = np.full(len(states.T), min(stop, NEGLIGIBLE / rate if rate else np.inf))
    length = np.maximum(length - start, 0.0)
    within = by_rule(model, states, start, scale, length, rate)
    return by_panels(model, states, start, scale, length, rate) if within is None else within


def by_rule(
    model: PurchaseModel, states: States, start: float, scale: Array, length: Array, rate: float
) -> Array | None:
    """Integral of the discounted chance to stay over [start, start + length] from as few times as will do, or None."""
    if len(scale) <= FEW_STATES:
        return None
    width = np.log1p(length / scale)
    some = np.union1d(extreme_rows(states), [width.argmin(), width.argmax(), scale.argmin(), scale.argmax()])
    few = over_nodes(model, rows_of(states, some), start, scale[some], width[some], rate, RULES[0])
    for nodes in RULES[1:]:
        many = over_nodes(model, rows_of(states, some), start, scale[some], width[some], rate, nodes)
        if (np.abs(many - few) <= ERROR * many).all():
            return over_nodes(model, states, start, scale, width, rate, nodes)
        few = many
    return None


def over_nodes(
    model: PurchaseModel, states: States, start: float, scale: Array, width: Array, rate: float, nodes: int
) -> Array:
    """Return that integral from so many Gauss-Legendre nodes in log(1 + time / scale), up to `width`."""
    place, weights = unit_rule(1, nodes)
    total, at_once = np.empty(len(scale)), max(1, STATES_AT_ONCE // nodes)
    for begin in range(0, len(scale), at_once):
        rows = np.arange(begin, min(begin + at_once, len(scale)))
        w, own = width[rows] * place[:, None], scale[rows]
        u = start + own * np.expm1(w)
        there = chances(model, rows_of(states, rows), u) * np.exp(w - rate * u)
        total[rows] = width[rows] * own * (weights @ there)
    return total


def by_panels(model: PurchaseModel, states: States, start: float, scale: Array, length: Array, rate: float) -> Array:
    """Return that integral on finer and finer panels of log time."""
    least = np.maximum(1.0, PANEL / np.log1p(length / scale))  # so that a finer grid has more panels from the start
    total = over_panels(model, states, start, scale, length, rate, least)
    going, fine = np.arange(len(scale)), 2.0
    while going.size and fine <= FINEST:
        part = rows_of(states, going)
        better = over_panels(model, part, start, scale[going], length[going], rate, fine * least[going])
        settled = np.abs(better - total[going]) <= ERROR * better
        total[going] = better
        going, fine = going[~settled], 2 * fine
    return total


def scale_of(model: PurchaseModel, states: States) -> Array:
    """Return a time within which few leave, for each state, by bisection of its logarithm."""
    low, high = (np.full(len(states.T), end) for end in LOG_SCALES)
    for _ in range(8):
        middle = 0.5 * (low + high)
        many = chances(model, states, np.exp(middle)[None])[0] < 1 - FEW
        low, high = np.where(many, low, middle), np.where(many, middle, high)
    return np.asarray(np.exp(low))


def over_panels(
    model: PurchaseModel, states: States, start: float, scale: Array, length: Array, rate: float, fine: Array
) -> Array:
    """Integral of the discounted chance to stay over [start, start + length], on panels shorter by a factor."""
    total = np.zeros(len(scale))
    for rows, u, weight, width in from_zero(scale, length, fine):
        there = chances(model, rows_of(states, rows), (start + u).T)
        total[rows] = width * np.einsum("ij,ji->i", weight * np.exp(-rate * (start + u)), there)
    return total
