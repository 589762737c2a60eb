"""Random customers over the widest ranges, and every figure of a model for them: for tests, and for the benchmark.

Parameters run from 1e-3 to 1e4, frequency to 5,000 and T to 20 years of days, with the edges among them: a = 1, s = 1,
α = β, nothing observed, a purchase today, no repeat purchase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from crmvalue.models import MODELS
from crmvalue.models.distinct import States
from crmvalue.models.model import PurchaseModel, SpendModel
from crmvalue.models.time_alive import time_if_alive

YEARS = 7305.0  # 20 of them, in days
SMALLEST = 1e-290  # a smaller figure may be 0


class Customer(NamedTuple):
    """A customer of a model of purchases, and what is asked of her."""

    params: tuple[float, ...]
    x: float
    t_x: float
    T: float
    horizon: float
    start: float
    stop: float
    count: int
    slow: float  # rates of interest a time unit
    quick: float


class Contract(NamedTuple):
    """A customer of a model of retention, and what is asked of her."""

    params: tuple[float, ...]
    tenure: float
    rate: float
    stop: float


class Spender(NamedTuple):
    """A customer of a model of spend."""

    params: tuple[float, ...]
    x: float
    spend: float


KINDS = {PurchaseModel: Customer, SpendModel: Spender}


def drawn(name: str, seed: int) -> Any:
    """Draw the customer of this number."""
    model = MODELS[name]
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    fields = model.Params._fields
    values = dict(zip(fields, (10 ** rng.uniform(-3, 4, len(fields))).tolist(), strict=True))
    if isinstance(model, PurchaseModel):
        return drawn_customer(name, seed, values, rng)
    if isinstance(model, SpendModel):
        if "per_doubling" in values:
            values["per_doubling"] = float(10 ** rng.uniform(-2, 2))
        frequency = float(round(10 ** rng.uniform(0, np.log10(5_000))))
        return Spender(tuple(values.values()), frequency, float(10 ** rng.uniform(-3, 5)))
    if seed % 7 == 0:
        values[fields[0]] = 1.0
    if "c" in values and seed % 5 < 2:
        values["c"] = float(10 ** rng.uniform(-1, 1)) if seed % 5 else 1.0
    tenure = float(round(10 ** rng.uniform(0, np.log10(YEARS)))) if seed % 4 else float(seed % 3)
    return Contract(
        tuple(values.values()), tenure, float(10 ** rng.uniform(-5, 0)), float(round(10 ** rng.uniform(0, 4)))
    )


def drawn_customer(name: str, seed: int, values: dict[str, float], rng: np.random.Generator) -> Customer:
    """Draw her history."""
    if "k" in values:
        values["k"] = float(rng.integers(1, 25 if seed % 8 == 0 else 7))
    if seed % 7 == 0:
        values.update({field: 1.0 for field in ("a", "s", "gamma") if field in values})
    if seed % 6 == 1 and name == "PARETO_NBD":
        values["beta"] = values["alpha"]
    if seed % 10 == 3 and name == "GGOMPERTZ_NBD":
        values["beta"] = 1.0
    T = 0.0 if seed % 13 == 4 else float(10 ** rng.uniform(-1, np.log10(YEARS)))
    x = float(round(10 ** rng.uniform(0, np.log10(5_000)))) if seed % 4 and T else 0.0
    t_x = T * (1.0 if seed % 5 == 0 else float(rng.uniform())) if x else 0.0
    horizon, start = float(10 ** rng.uniform(-1, np.log10(YEARS))), float(10 ** rng.uniform(-1, 3.5))
    stop = start + float(10 ** rng.uniform(-1, 3.5))
    if MODELS[name].is_discrete:
        share, T = t_x / T if T else 0.0, float(np.ceil(T))
        x = min(x, T)
        t_x = float(np.ceil(x + share * (T - x))) if x else 0.0
        horizon, start, stop = (float(np.ceil(time)) for time in (horizon, start, stop + 1))
    count = int(10 ** rng.uniform(0, 2)) - 1
    slow, quick = (float(10 ** rng.uniform(*ends)) for ends in ((-5, -3), (-3, -0.5)))
    return Customer(tuple(values.values()), x, t_x, T, horizon, start, stop, count, slow, quick)


def figures_of(name: str) -> dict[str, Callable[[Any], float]]:
    """Return every figure of a model by its name, as a function of a customer."""
    model = MODELS[name]
    if isinstance(model, PurchaseModel):
        return figures_of_purchases(model)

    def one(value: float) -> np.ndarray:
        return np.array([value])

    def params(who: Any) -> tuple[float, ...]:
        return model.Params(*who.params)

    def number(values: Any) -> float:
        return float(np.asarray(values).item())

    if isinstance(model, SpendModel):

        def mean(who: Spender) -> float:
            exists = who.x > model.mean_exists_above(params(who))
            return number(model.expected_spend(params(who), who.x, who.spend)) if exists else np.inf

        return {
            "log-likelihood": lambda who: number(model.log_likelihood(params(who), one(who.x), one(who.spend))),
            "expected spend": mean,
        }

    def lifetime(who: Contract, rate: float, stop: float) -> float:
        return number(model.residual_lifetime(params(who), one(who.tenure), one(rate), one(stop)))

    def period(who: Contract) -> np.ndarray:
        return one(max(who.tenure, 1.0))

    return {
        "log-likelihood, stays": lambda who: number(model.log_likelihood(params(who), one(who.tenure), one(0.0))),
        "log-likelihood, left": lambda who: number(model.log_likelihood(params(who), period(who), one(1.0))),
        "retention rate": lambda who: number(model.retention_rate(params(who), period(who))),
        "lifetime": lambda who: lifetime(who, 0.0, np.inf),
        "lifetime, horizon": lambda who: lifetime(who, 0.0, who.stop),
        "lifetime, discounted": lambda who: lifetime(who, who.rate, np.inf),
        "lifetime, horizon, discounted": lambda who: lifetime(who, who.rate, who.stop),
    }


def figures_of_purchases(model: PurchaseModel) -> dict[str, Callable[[Customer], float]]:
    """Return the figures of a model of purchases; those of the future are of a customer alive at T."""
    none = np.zeros(1)

    def history(who: Customer) -> tuple[np.ndarray, ...]:
        return tuple(np.array([value]) for value in (who.x, who.t_x, who.T))

    def ask(function: Callable[..., Any], *arguments: Any) -> Callable[[Customer], float]:
        def of(who: Customer) -> float:
            asked = (getattr(who, value) if isinstance(value, str) else value for value in arguments)
            return float(np.asarray(function(model.Params(*who.params), *asked, *history(who))).item())

        return of

    def of_new(who: Customer) -> float:
        return float(np.asarray(model.expected_purchases(model.Params(*who.params), np.array([who.horizon]))).item())

    def mass_of_new(who: Customer) -> float:
        params = model.Params(*who.params)
        stays = model.probability_alive(params, none, none, none)
        mass = stays * model.mass_if_alive(params, float(who.count), who.horizon, none, none, none)
        return float((mass + (1 - stays if who.count == 0 else 0.0)).item())

    def lifetime(rate: str | float, stop: str | float) -> Callable[[Customer], float]:
        def of(who: Customer) -> float:
            state = States(model.Params(*who.params), *history(who), np.zeros(1, dtype=np.intp))
            asked = (getattr(who, value) if isinstance(value, str) else value for value in (stop, rate))
            return float(time_if_alive(model, state, *asked).item())

        return of

    discounted = model.residual_purchases_if_alive
    return {
        "log-likelihood": ask(model.log_likelihood),
        "P(alive)": ask(model.probability_alive),
        "P(alive) at T + h": ask(model.survival_if_alive, "horizon"),
        "purchases, new": of_new,
        "purchases": ask(model.purchases_if_alive, "horizon"),
        "mass, new": mass_of_new,
        "mass": ask(lambda params, *of: model.mass_if_alive(params, float(of[0]), *of[1:]), "count", "horizon"),
        "a purchase": ask(model.purchase_if_alive, "horizon"),
        "DERT, slow": ask(discounted, "slow", 0.0, np.inf),
        "DERT, quick": ask(discounted, "quick", 0.0, np.inf),
        "DERT from start": ask(discounted, "slow", "start", np.inf),
        "DERT to stop": ask(discounted, "slow", "start", "stop"),
        "rate 0": ask(discounted, 0.0, 0.0, np.inf),
        "rate 0 from start": ask(discounted, 0.0, "start", np.inf),
        "rate 0 to stop": ask(discounted, 0.0, "start", "stop"),
        "lifetime": lifetime(0.0, np.inf),
        "lifetime, horizon": lifetime(0.0, "horizon"),
        "lifetime, discounted": lifetime("slow", np.inf),
    }


def is_in_range(figure: str, value: float) -> bool:
    """Whether a figure can be this number at all."""
    if figure.startswith("log"):
        return value < np.inf
    is_chance = figure.startswith(("P(alive)", "mass", "a purchase", "retention"))
    return 0 <= value <= (1.0 if is_chance else np.inf)


def error_of(figure: str, value: float, wanted: float) -> float:
    """Return the relative error; of a logarithm between −1 and 1, the error itself, which is relative in the figure.

    A figure too large for a float is infinite, and one below all floats 0.
    """
    if np.isinf(wanted) or np.isinf(value):
        return 0.0 if value == wanted else np.inf
    if figure.startswith("log"):
        return abs(value - wanted) / max(abs(wanted), 1.0)
    if abs(wanted) < SMALLEST:
        return 0.0 if abs(value) < 1e10 * SMALLEST else np.inf
    return abs(value - wanted) / abs(wanted)
