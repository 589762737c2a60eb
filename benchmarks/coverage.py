"""How often intervals cover the truth: simulate, fit, count; prints a Markdown table.

Run from a checkout: ``python benchmarks/coverage.py``. Each population has 5,000 customers by default. A fit that
came back as that of a simpler model has no interval for the parameters in question and counts as not covering.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is imported

import argparse
import time

import numpy as np
import pandas as pd

from crmvalue.models import MODELS
from crmvalue.models.fit import fit_purchases

TRUTHS = {
    "NBD": (0.6, 8.0),
    "BG_NBD": (0.6, 5.0, 0.9, 2.5),
    "MBG_NBD": (0.6, 5.0, 0.9, 2.5),
    "PARETO_NBD": (0.9, 8.0, 0.8, 12.0),
    "GGOMPERTZ_NBD": (0.8, 2.0, 0.08, 1.5, 20.0),
    "BG_BB": (1.2, 0.8, 0.7, 2.8),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--populations", type=int, default=500)
    parser.add_argument("--customers", type=int, default=5_000)
    arguments = parser.parse_args()
    print("| model | parameter | covered by 95 % intervals | seconds a fit |")
    print("| --- | --- | ---: | ---: |")
    for name, truth in TRUTHS.items():
        model = MODELS[name]
        params = model.Params(*truth)
        rng = np.random.default_rng(20)
        T = (
            rng.integers(26, 79, arguments.customers).astype(float)
            if name != "BG_BB"
            else np.full(arguments.customers, 12.0)
        )
        covered, begin = np.zeros(len(truth)), time.perf_counter()
        for _ in range(arguments.populations):
            made = model.simulate(params, T, rng)
            frame = pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T})
            fit = fit_purchases(frame, model, time_unit="week")
            if fit.model is model:
                lower, upper = fit.confidence_interval().T
                covered += (lower < truth) & (truth < upper)
        spent = (time.perf_counter() - begin) / arguments.populations
        for parameter, share in zip(model.Params._fields, covered / arguments.populations, strict=True):
            print(f"| {model.title} | {parameter} | {share:.1%} | {spent:.3f} |", flush=True)


if __name__ == "__main__":
    main()
