"""Effects against statsmodels, and a budget against scipy's optimiser, in one run; prints a Markdown table.

Run from a checkout with the test group installed: ``python benchmarks/effects.py``. Our times include the way from the
data frame, and the checks on it; theirs begin with the arrays.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import minimize

from crmvalue.effects.budget import allocate_budget
from crmvalue.effects.curves import ResponseCurve
from crmvalue.effects.differences import difference_in_differences
from crmvalue.effects.experiment import experiment_effect


def seconds(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the best time of a few runs, and the last result."""
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - begin)
    return best, result


def row(job: str, ours: float, theirs: float, apart: float) -> None:
    """Print one line of the table."""
    print(f"| {job} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f} | {apart:.0e} |", flush=True)


def experiment(n: int) -> None:
    """Two arms with a covariate, against least squares with robust errors."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": rng.integers(0, 2, n), "before": rng.gamma(2, 20, n)})
    frame["spend"] = 0.8 * frame.before + frame.arm + rng.normal(0, 8, n)
    ours, found = seconds(lambda: experiment_effect(frame, outcome="spend", control=0, covariate="before"))
    design = np.column_stack([np.ones(n), frame.arm, frame.before])
    model = sm.OLS(frame.spend.to_numpy(), design)
    theirs, _ = seconds(lambda: model.fit(cov_type="HC2").bse, 1)
    fit = model.fit()
    row(f"experiment, {n:,} customers, covariate", ours, theirs, abs(found.effect.value / fit.params[1] - 1))


def differences(n: int, periods: int) -> None:
    """Two groups over time, against least squares with errors clustered by unit."""
    rng = np.random.default_rng(2)
    unit, period = np.repeat(np.arange(n), periods), np.tile(np.arange(periods), n)
    frame = pd.DataFrame({"unit": unit, "period": period, "treated": unit % 2})
    frame["after"] = (period >= periods // 2).astype(float)
    frame["y"] = rng.normal(0, 1, n)[unit] + rng.normal(0, 1, n * periods) + 0.3 * frame.treated * frame.after
    options: dict[str, Any] = {"treated": "treated", "start": periods // 2, "unit": "unit"}
    ours, found = seconds(lambda: difference_in_differences(frame, outcome="y", **options))
    dummies = (period[:, None] == np.arange(1, periods)).astype(float)
    design = np.column_stack([np.ones(n * periods), frame.treated, dummies, frame.treated * frame.after])
    model = sm.OLS(frame.y.to_numpy(), design)
    theirs, error = seconds(lambda: model.fit(cov_type="cluster", cov_kwds={"groups": unit}).bse[-1], 1)
    row(f"differences, {n:,} units, {periods} periods", ours, theirs, abs(found.effect.std_error / error - 1))


def budget(channels: int) -> None:
    """Concave channels, against sequential quadratic programming; apart is the profit that is left."""
    rng = np.random.default_rng(3)
    curves = [
        ResponseCurve(channel=str(row), shape="exponential", params=(rng.uniform(200, 900), rng.uniform(50, 200)))
        for row in range(channels)
    ]
    total = 70.0 * channels
    today = {str(row): 70.0 for row in range(channels)}
    ours, plan = seconds(lambda: allocate_budget(curves, total, current=today, margin=1.0))

    def loss(spend: np.ndarray) -> float:
        return -sum(float(curve.response(x)) for curve, x in zip(curves, spend, strict=True))

    constraint = {"type": "eq", "fun": lambda spend: spend.sum() - total}
    bounds = [(0, total)] * channels
    start = np.full(channels, 70.0)
    theirs, peer = seconds(
        lambda: minimize(loss, start, method="SLSQP", bounds=bounds, constraints=constraint, options={"ftol": 1e-12}), 1
    )
    row(f"budget, {channels} channels", ours, theirs, abs(1 + peer.fun / plan.best_result.sum()))


if __name__ == "__main__":
    print("| job | crmvalue s | other s | times | apart |")
    print("|---|---|---|---|---|")
    experiment(1_000_000)
    differences(100_000, 12)
    budget(10)
