"""Every figure of every model, for customers over the widest ranges, against many digits.

The numbers in exact_figures.json come from `python benchmarks/exactness.py --write`, by formulas of their own.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from exact_figures import KINDS, Contract, error_of, figures_of, is_in_range

from crmvalue.models import MODELS

KNOWN = json.loads((Path(__file__).parent / "exact_figures.json").read_text(encoding="utf-8"))


def test_every_model_has_exact_figures():
    assert set(KNOWN) == set(MODELS)


@pytest.mark.parametrize("name", KNOWN)
def test_every_figure_is_finite_in_its_range_and_right_to_ten_digits(name):
    figures, kind, wrong = figures_of(name), KINDS.get(type(MODELS[name]), Contract), []
    for row in KNOWN[name]:
        who = kind(tuple(row["params"]), *row["asked"])
        for figure, wanted in row["figures"].items():
            value = figures[figure](who)
            if np.isnan(value) or not is_in_range(figure, value) or error_of(figure, value, float(wanted)) > 1e-10:
                wrong.append((figure, value, wanted, who))
    assert not wrong
