"""Sizes of experiments: statsmodels and Cohen's table, simulated experiments, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from crmvalue.effects.arms import welch_df
from crmvalue.effects.estimate import estimate
from crmvalue.effects.families import critical_values
from crmvalue.effects.planning import detectable_effect, experiment_size
from crmvalue.effects.profit import incremental_profit
from crmvalue.errors import InputError


@pytest.mark.parametrize(
    ("d", "power", "n"),
    # Cohen (1988), table 2.4.1, two-sided 5 %
    [(0.2, 0.8, 393), (0.5, 0.8, 64), (0.8, 0.8, 26), (0.2, 0.9, 526), (0.5, 0.9, 85), (0.8, 0.9, 34)],
)
def test_sizes_are_those_of_the_table_of_cohen(d: float, power: float, n: int) -> None:
    plan = experiment_size(d, sd=1.0, power=power)
    assert plan.arm_units == plan.control_units == pytest.approx(n, abs=1)  # his table rounds to the nearest
    assert plan.power >= power > experiment_size(d, sd=1.0, power=power - 0.02).power - 0.02


@pytest.mark.parametrize("d", [0.02, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_size_power_and_effect_are_those_of_statsmodels(d: float, confidence: float) -> None:
    theirs = TTestIndPower()
    plan = experiment_size(10 * d, sd=10.0, power=0.85, confidence=confidence)
    known = {"alpha": 1 - confidence, "ratio": 1.0, "alternative": "two-sided"}
    assert plan.arm_units == np.ceil(theirs.solve_power(effect_size=d, power=0.85, **known))
    assert plan.power == pytest.approx(theirs.power(d, plan.arm_units, **known), rel=1e-7)
    seen = detectable_effect(plan.units, sd=10.0, power=0.85, confidence=confidence)
    assert theirs.power(seen.effect / 10, plan.arm_units, **known) == pytest.approx(0.85, rel=1e-8)
    assert seen.arm_units == plan.arm_units


def test_a_share_of_the_control_and_a_covariate_change_the_size_as_their_variance_does() -> None:
    even = experiment_size(1.0, sd=50.0)
    small = experiment_size(1.0, sd=50.0, control_share=0.1)
    # 1 / n_arm + 1 / n_control stays, and n_arm is nine times n_control
    assert small.arm_units == pytest.approx(9 * small.control_units, abs=9)
    assert 1 / small.arm_units + 1 / small.control_units == pytest.approx(2 / even.arm_units, rel=1e-3)
    halved = experiment_size(1.0, sd=50.0, variance_reduction=0.5)
    assert halved.arm_units == pytest.approx(even.arm_units / 2, abs=2)
    assert "takes 50% of the variance" in halved.assumptions[1]


@pytest.mark.parametrize(
    ("arms", "correction", "share"), [(1, "dunnett", None), (3, "dunnett", None), (3, "bonferroni", 0.5)]
)
def test_simulated_experiments_show_the_planned_effect_as_often_as_planned(
    arms: int, correction: Any, share: float | None
) -> None:
    plan = experiment_size(
        0.06, rate=0.2, power=0.8, arms=arms, control_share=share, correction=correction
    )  # 20 % against 26 %
    rng, n = np.random.default_rng(4), 20_000
    sizes = np.array([plan.control_units] + [plan.arm_units] * arms)
    shares = rng.binomial(sizes, [0.2] + [0.26] * arms, (n, arms + 1)) / sizes
    variances = shares * (1 - shares) / (sizes - 1)
    bound = [critical_values(row[1:], row[0], welch_df(row, sizes), 0.95, correction)[0] for row in variances[:200]]
    shown = shares[:, 1] - shares[:, 0] > np.mean(bound) * np.sqrt(variances[:, 0] + variances[:, 1])
    assert shown.mean() == pytest.approx(plan.power, abs=0.015)  # 20,000 draws are within 0.009; shares are no normal
    assert plan.power == pytest.approx(0.8, abs=0.005)
    assert plan.units == sizes.sum()


def test_more_arms_need_more_units_and_the_correction_of_dunnett_fewer_than_that_of_bonferroni() -> None:
    sizes = [
        experiment_size(1.0, sd=5.0, arms=arms, correction=correction).arm_units
        for arms, correction in ((1, "dunnett"), (3, "none"), (3, "dunnett"), (3, "bonferroni"))
    ]
    assert sizes[0] == sizes[1] < sizes[2] < sizes[3]


def test_the_effect_that_breaks_even_leads_to_the_size_that_can_tell() -> None:
    found = estimate(0.5, 1.0, df=np.inf, confidence=0.95, units=1000, per="customer")
    needed = incremental_profit(found, margin=0.3, cost=600.0).break_even_effect
    plan = experiment_size(needed, sd=40.0)
    assert needed == 2.0
    assert plan.interval_reach < needed
    assert plan.to_frame().set_index("figure").loc["units", "value"] == plan.units
    assert plan.to_dict()["power"] == plan.power
    assert "arm_units" in repr(plan)


def test_a_rare_yes_is_told() -> None:
    assert "Only about" in detectable_effect(400, rate=0.01).notes[0]
    assert experiment_size(0.02, rate=0.1).notes == ()


@pytest.mark.parametrize(
    ("effect", "options", "message"),
    [
        (0.0, {"sd": 1.0}, r"effect: got 0\."),
        (np.nan, {"sd": 1.0}, "effect: got nan"),
        (1.0, {}, "sd, rate: pass one of them"),
        (1.0, {"sd": 1.0, "rate": 0.1}, "sd, rate: pass one of them"),
        (1.0, {"sd": 0.0}, "sd: got 0"),
        (1.0, {"rate": 0.1}, r"a rate of 0\.1 would become 1\.1\. Pass points"),
        (0.01, {"rate": 1.0}, r"rate: got 1\.0"),
        (1.0, {"sd": 1.0, "power": 1.0}, r"power: got 1\.0"),
        (1.0, {"sd": 1.0, "power": 0.04}, r"power: got 0\.04"),
        (1.0, {"sd": 1.0, "confidence": 95}, "confidence: got 95"),
        (1.0, {"sd": 1.0, "arms": 0}, "arms: got 0"),
        (1.0, {"sd": 1.0, "control_share": 1.0}, r"control_share: got 1\.0"),
        (1.0, {"sd": 1.0, "variance_reduction": 1.0}, r"variance_reduction: got 1\.0"),
        (1.0, {"sd": 1.0, "correction": "holm"}, "correction: got 'holm'"),
        (1e-12, {"sd": 1.0}, "too small for an experiment of any size"),
    ],
)
def test_what_cannot_be_planned_is_refused(effect: float, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment_size(effect, **options)


@pytest.mark.parametrize(
    ("units", "options", "message"),
    [
        (3, {"sd": 1.0}, "units: 3 leave fewer than 2 in an arm"),
        (2.5, {"sd": 1.0}, r"units: got 2\.5"),
        (6, {"rate": 0.9}, "units: 6 cannot show any effect"),
    ],
)
def test_too_few_units_are_refused(units: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        detectable_effect(units, **options)
