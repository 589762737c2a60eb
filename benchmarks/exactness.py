"""Every figure of every model against many digits, for random customers over the widest ranges; a Markdown table.

Run from a checkout with the test group installed: ``python benchmarks/exactness.py``, with names of models to look at
some only, ``--cases`` for how many customers of each, ``--first`` for other ones, ``--figures`` for figures that begin
with these words. Each figure is computed by formulas of its own in `oracles.py`, with mpmath. The error is relative; of
a log-likelihood between −1 and 1 it is that of the likelihood. A case is named by its number, which draws it again.
``--write`` writes the numbers for tests/models/test_exact_figures.py instead; it has 12 cases a model, and 6 of
regular buyers.

Most figures take a fraction of a second a case, discounted purchases and lifetimes of regular buyers minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import oracles as exact  # noqa: E402
from exact_figures import Contract, Customer, Spender, drawn, error_of, figures_of, is_in_range  # noqa: E402
from oracles import mp, mpf  # noqa: E402

from crmvalue.models import MODELS  # noqa: E402
from crmvalue.models.model import PurchaseModel, SpendModel  # noqa: E402

SLOW = ("DERT from start", "DERT to stop", "lifetime, horizon")  # of regular buyers: double integrals of k terms


def wanted_of(name: str) -> dict[str, Callable[[Any], Any]]:
    """Return each figure of a model, as a function of a customer."""
    if isinstance(MODELS[name], SpendModel):
        return {"log-likelihood": spend_likelihood, "expected spend": mean_spend}
    if not isinstance(MODELS[name], PurchaseModel):
        return {
            "log-likelihood, stays": lambda who: survival(name, who)(mpf(who.tenure)),
            "log-likelihood, left": partial(leaving, name),
            "retention rate": partial(retention, name),
            "lifetime": lambda who: periods(name, who, 0.0, np.inf),
            "lifetime, horizon": lambda who: periods(name, who, 0.0, who.stop),
            "lifetime, discounted": lambda who: periods(name, who, who.rate, np.inf),
            "lifetime, horizon, discounted": lambda who: periods(name, who, who.rate, who.stop),
        }

    def ask(function: str, *asked: str | float) -> Callable[[Customer], Any]:
        def of(who: Customer) -> Any:
            given = [getattr(who, value) if isinstance(value, str) else value for value in asked]
            return getattr(ahead(name, who), function)(*(v if isinstance(v, int) else number(v) for v in given))

        return of

    return {
        "log-likelihood": lambda who: likelihood_and_alive(name, who)[0],
        "P(alive)": lambda who: likelihood_and_alive(name, who)[1],
        "P(alive) at T + h": ask("survival", "horizon"),
        "purchases, new": lambda who: joins(name, who) * ahead(name, newcomer(who)).purchases(mpf(who.horizon)),
        "purchases": ask("purchases", "horizon"),
        "mass, new": partial(mass_of_new, name),
        "mass": ask("mass", "count", "horizon"),
        "a purchase": ask("purchase", "horizon"),
        "DERT, slow": ask("discounted", "slow", 0.0, np.inf),
        "DERT, quick": ask("discounted", "quick", 0.0, np.inf),
        "DERT from start": ask("discounted", "slow", "start", np.inf),
        "DERT to stop": ask("discounted", "slow", "start", "stop"),
        "rate 0": ask("discounted", 0.0, 0.0, np.inf),
        "rate 0 from start": ask("discounted", 0.0, "start", np.inf),
        "rate 0 to stop": ask("discounted", 0.0, "start", "stop"),
        "lifetime": ask("lifetime", 0.0, np.inf),
        "lifetime, horizon": ask("lifetime", 0.0, "horizon"),
        "lifetime, discounted": ask("lifetime", "slow", np.inf),
    }


def number(value: float) -> Any:
    """Return it with many digits."""
    return mp.inf if value == np.inf else mpf(value)


def newcomer(who: Customer) -> Customer:
    """Return her before her first purchase said anything."""
    return who._replace(x=0.0, t_x=0.0, T=0.0)


def joins(name: str, who: Customer) -> Any:
    """Return the chance to stay after the first purchase."""
    a, b = (mpf(value) for value in who.params[2:4]) if name.startswith("M") else (mpf(0), mpf(1))
    return b / (a + b)


def mass_of_new(name: str, who: Customer) -> Any:
    """Return the chance of so many purchases of a new customer."""
    stays = joins(name, who)
    return stays * ahead(name, newcomer(who)).mass(who.count, mpf(who.horizon)) + (1 - stays if not who.count else 0)


def ahead(name: str, who: Customer) -> Any:
    """Return the customer alive at T."""
    x, t_x, T = (mpf(value) for value in (who.x, who.t_x, who.T))
    first, second, *others = (mpf(value) for value in who.params)
    if name == "NBD":
        return exact.Random(first + x, second + T)
    if name == "PARETO_NBD":
        return exact.pareto(first + x, second + T, others[0], others[1] + T)
    if name == "GGOMPERTZ_NBD":
        b, s, beta = others
        return exact.gompertz(first + x, second + T, b, s, 1 + (beta - 1) * mp.exp(-b * T))
    if name == "BG_BB":
        return exact.Opportunities(first + x, second + T - x, others[0], others[1] + T)
    a, b = others[0], others[1] + x + name.startswith("M")
    if name in ("BG_NBD", "MBG_NBD"):
        return exact.Geometric(first + x, second + T, a, b)
    k = int(who.params[4])
    return exact.Regular(k, first + k * x, second + T, T - t_x, a, b)


def likelihood_and_alive(name: str, who: Customer) -> tuple[Any, Any]:
    """Return her log-likelihood and P(alive)."""
    x, t_x, T = (mpf(value) for value in (who.x, who.t_x, who.T))
    if name == "BG_BB":
        return exact.of_opportunities(*(mpf(value) for value in who.params), x, int(who.t_x), int(who.T))
    r, alpha, *others = (mpf(value) for value in who.params)
    if name == "NBD":
        return exact.log_rise(r, x) + r * mp.log(alpha) - (r + x) * mp.log(alpha + T), mpf(1)
    if name in ("PARETO_NBD", "GGOMPERTZ_NBD"):
        whole = exact.pareto if name == "PARETO_NBD" else exact.gompertz
        return exact.of_leaving(whole(r, alpha, *others), r, alpha, x, t_x, T)
    a, b, k = others[0], others[1], int(who.params[4]) if len(who.params) > 4 else 1
    return exact.of_occasions(k, r, alpha, a, b, x, t_x, T, x + name.startswith("M"))


def spend_params(who: Spender) -> list[Any]:
    """Return p, q, v for her frequency."""
    p, q, v, *more = (mpf(value) for value in who.params)
    return [p, q, v * (mp.exp(mp.log(1 + mpf(who.x)) * mp.log(more[0]) / mp.log(2)) if more else 1)]


def spend_likelihood(who: Spender) -> Any:
    """Return the log-likelihood of her mean spend."""
    (p, q, v), x, z = spend_params(who), mpf(who.x), mpf(who.spend)
    shape = p * x
    gammas = mp.loggamma(shape + q) - mp.loggamma(shape) - mp.loggamma(q)
    return gammas + q * mp.log(v) + (shape - 1) * mp.log(z) + shape * mp.log(x) - (shape + q) * mp.log(v + x * z)


def mean_spend(who: Spender) -> Any:
    """Return the mean of her next purchase."""
    (p, q, v), x, z = spend_params(who), mpf(who.x), mpf(who.spend)
    return p * (v + x * z) / (p * x + q - 1) if p * x + q > 1 else mp.inf


def survival(name: str, who: Contract) -> Callable[[Any], Any]:
    """Return the logarithm of the chance to stay, as a function of time."""
    params = [mpf(value) for value in who.params]
    if name == "DISCRETE_PARETO":
        return lambda t: min(mpf(0), params[1] * (mp.log(params[0]) - mp.log(t))) if t else mpf(0)
    if name in ("GEOMETRIC", "DISCRETE_WEIBULL"):
        power = params[1] if name == "DISCRETE_WEIBULL" else mpf(1)
        return lambda t: -params[0] * t**power if t else mpf(0)
    gamma, delta, power = params if name == "BDW" else (*params, mpf(1))
    return lambda t: exact.log_rise(delta, gamma) - exact.log_rise(delta + t**power, gamma) if t else mpf(0)


def leaving(name: str, who: Contract) -> Any:
    """Return the logarithm of the chance to leave in her period."""
    stays, t = survival(name, who), mpf(max(who.tenure, 1))
    before, after = stays(t - 1), stays(t)
    return before + mp.log(-mp.expm1(max(after - before, mpf(-1_000_000)))) if after < before else -mp.inf


def retention(name: str, who: Contract) -> Any:
    """Return the chance to stay in her period."""
    stays, t = survival(name, who), mpf(max(who.tenure, 1))
    return exact.exp_of(stays(t) - stays(t - 1))


def periods(name: str, who: Contract, rate: float, stop: float) -> Any:
    """Return the discounted periods that remain."""
    params = [mpf(value) for value in who.params]
    power = params[1] if name == "DISCRETE_PARETO" else params[0] * params[2] if name == "BDW" else None
    if name == "GEOMETRIC":
        step = params[0] + mp.log1p(mpf(rate))
        return (1 - exact.exp_of(-step * number(stop))) / -mp.expm1(-step)
    if name == "SBG":
        contract = exact.Contract(params[0], params[1] + mpf(who.tenure))
        return contract.periods(mp.log1p(mpf(rate)), mpf(0), number(stop))
    begun = int(max(600, who.params[0] - who.tenure + 600)) if name == "DISCRETE_PARETO" else 600
    return exact.Tenured(survival(name, who), power).periods(int(who.tenure), mpf(rate), number(stop), begun)


def as_float(value: Any) -> float:
    """Return it as the nearest float; infinite if it is too large for one."""
    return float(value) if value < mpf("1.79e308") else np.inf


def compared(name: str, seeds: range, begin: str) -> Iterator[str]:
    """Yield a line of the table for each figure of a model."""
    figures, wanted = figures_of(name), wanted_of(name)
    for figure in wanted:
        if not figure.startswith(begin) or (name.endswith("_K") and figure in SLOW and not begin):
            continue
        not_finite = out_of_range = 0
        worst, case = 0.0, seeds[0]
        for seed in seeds:
            who = drawn(name, seed)
            value, exactly = figures[figure](who), as_float(wanted[figure](who))
            not_finite += int(not np.isfinite(value) and np.isfinite(exactly))
            out_of_range += int(not np.isnan(value) and not is_in_range(figure, value))
            error = error_of(figure, value, exactly)
            if not error <= worst:
                worst, case = error, seed
        title = MODELS[name].title
        yield f"| {title} | {figure} | {len(seeds)} | {not_finite} | {out_of_range} | {worst:.0e} | {case} |"


def write(name: str, seeds: range) -> None:
    """Write the numbers of a model that the test knows; those of other models stay."""
    wanted, rows = wanted_of(name), []
    for seed in seeds:
        who, found = drawn(name, seed), {}
        for figure, function in wanted.items():
            if not (name.endswith("_K") and figure in SLOW):
                found[figure] = as_float(function(who))
        rows.append({"params": who.params, "asked": who[1:], "figures": found})
    path = ROOT / "tests" / "models" / "exact_figures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[name] = rows
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in known[name]) + "\n]"
        for name in MODELS
        if name in known
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Print the table, or write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--figures", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.cases)
    if arguments.write:
        for name in arguments.models:
            write(name, seeds)
        return
    print("| model | figure | cases | not finite | out of range | largest relative error | in case |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in arguments.models:
        for line in compared(name, seeds, arguments.figures):
            print(line, flush=True)


if __name__ == "__main__":
    main()
