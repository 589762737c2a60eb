"""Several effects at once: statsmodels' corrections, false alarms by simulation, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from crmvalue.effects.estimate import Estimate, estimate, missing_estimate
from crmvalue.effects.experiment import experiment_effect
from crmvalue.effects.several import compare_effects
from crmvalue.errors import InputError

THEIRS = {"holm": "holm", "bonferroni": "bonferroni", "false discovery": "fdr_bh"}


def of(value: float, std_error: float = 1.0, df: float = np.inf) -> Estimate:
    return estimate(value, std_error, df=df, confidence=0.95, units=10, per="customer")


@settings(deadline=None, max_examples=30)
@given(
    values=st.lists(st.floats(-6, 6), min_size=1, max_size=30),
    correction=st.sampled_from(["holm", "bonferroni", "false discovery"]),
)
def test_corrected_p_values_are_those_of_statsmodels(values: list[float], correction: Any) -> None:
    found = compare_effects({row: of(value) for row, value in enumerate(values)}, correction=correction)
    stands, expected, _, _ = multipletests([of(value).p_value for value in values], method=THEIRS[correction])
    assert found.corrected_p == pytest.approx(expected, rel=1e-9)
    assert found.stands.tolist() == stands.tolist()
    assert (found.corrected_p >= found.p_value).all()


def test_intervals_of_bonferroni_leave_out_nothing_if_and_only_if_the_p_value_stands() -> None:
    values = np.linspace(-5, 5, 41)
    found = compare_effects({row: of(value, df=12) for row, value in enumerate(values)}, correction="bonferroni")
    assert ((found.lower > 0) | (found.upper < 0)).tolist() == found.stands.tolist()


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "false discovery"])
def test_without_any_effect_one_of_eighteen_stands_in_at_most_one_of_twenty_families(correction: Any) -> None:
    rng = np.random.default_rng(1)
    alarms = [
        compare_effects({row: of(value) for row, value in enumerate(rng.normal(size=18))}, correction=correction)
        for _ in range(1000)
    ]
    assert np.mean([found.stands.any() for found in alarms]) == pytest.approx(0.05, abs=0.02)
    together = [((found.lower <= 0) & (found.upper >= 0)).all() for found in alarms]
    assert np.mean(together) == pytest.approx(0.95, abs=0.02)


def test_one_effect_alone_stays_as_it_is() -> None:
    alone = of(2.5, df=7)
    found = compare_effects({"only": alone})
    assert (found.lower[0], found.upper[0]) == pytest.approx((alone.lower, alone.upper))
    assert found.corrected_p[0] == pytest.approx(alone.p_value)


def test_results_of_any_kind_are_compared_and_the_comparison_turns_into_a_frame() -> None:
    frame = pd.DataFrame({"arm": ["a"] * 4 + ["b"] * 4, "y": [1.0, 2, 3, 4, 5, 6, 7, 9]})
    result = experiment_effect(frame, outcome="y", control="a")
    found = compare_effects({"spring": result, ("summer", 2): result.effect})
    table = found.to_frame()
    assert table["name"].tolist() == ["spring", ("summer", 2)]
    assert table["corrected_p"].tolist() == pytest.approx([2 * result.effect.p_value] * 2)
    assert found.to_dict()["stands"] == [True, True]
    assert found.notes[0].startswith("2 of 2 effects stand. Alone, 2 would; without any effect at all, about 0.1")
    assert found.notes[0] in repr(found)


def test_an_effect_without_any_error_is_sure() -> None:
    assert compare_effects({"a": of(1.0, 0.0), "b": of(0.0, 0.0)}).corrected_p.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("effects", "options", "message"),
    [
        ({}, {}, "effects: got none"),
        ([of(1.0)], {}, "effects: got none"),
        ({"a": 3.0}, {}, r"effects\['a'\]: got float\. Pass a result"),
        ({"a": missing_estimate(confidence=0.95, per="x")}, {}, r"effects\['a'\]: it could not be estimated"),
        ({"a": of(1.0)}, {"correction": "tukey"}, "correction: got 'tukey'"),
        ({"a": of(1.0)}, {"confidence": 1}, "confidence: got 1"),
    ],
)
def test_what_is_no_effect_is_refused(effects: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_effects(effects, **options)
