"""Incremental profit: hand arithmetic, the interval, and honest words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmvalue.effects.comparison import before_after
from crmvalue.effects.estimate import Estimate, estimate, missing_estimate
from crmvalue.effects.experiment import experiment_effect
from crmvalue.effects.profit import incremental_profit
from crmvalue.errors import InputError


def effect_of_two(error: float = 0.5) -> Estimate:
    return estimate(2.0, error, df=30, confidence=0.95, units=1000, per="customer")


def test_profit_is_revenue_times_margin_less_cost() -> None:
    found = incremental_profit(effect_of_two(), margin=0.3, cost=400)
    assert (found.revenue, found.profit, found.roi) == pytest.approx((2000.0, 200.0, 0.5))
    assert found.break_even_effect == pytest.approx(400 / 300)
    assert found.profit_lower == pytest.approx((2 - stats.t.ppf(0.975, 30) * 0.5) * 300 - 400)
    assert found.roi_upper == pytest.approx(found.profit_upper / 400)
    assert found.chance_it_pays == pytest.approx(stats.t.cdf(200 / 150, 30))
    assert "do not tell" in found.notes[0]


def test_the_interval_of_the_return_covers_the_truth_in_93_to_97_of_100_campaigns() -> None:
    rng = np.random.default_rng(8)
    spend = rng.gamma(1.0, 10.0, (1000, 2, 200)) * [[1.0], [1.3]]  # 3 more than 10, for each of 200 customers
    means, variances = spend.mean(axis=2), spend.var(axis=2, ddof=1) / 200
    covered = 0
    for (control, mailed), error in zip(means, np.sqrt(variances.sum(axis=1)), strict=True):
        effect = estimate(mailed - control, error, df=398, confidence=0.95, units=200, per="customer")
        found = incremental_profit(effect, margin=0.4, cost=150)
        covered += found.roi_lower <= (3.0 * 200 * 0.4 - 150) / 150 <= found.roi_upper
    assert 0.93 <= covered / 1000 <= 0.97


def test_a_change_before_and_after_stays_labelled_not_causal() -> None:
    frame = pd.DataFrame(
        {"customer_id": [1, 2, 1, 2], "date": ["2023-05-05"] * 2 + ["2024-05-05"] * 2, "amount": [1.0, 2, 3, 4]}
    )
    change = before_after(
        frame, outcome="amount", before=("2023-05-01", "2023-05-31"), after=("2024-05-01", "2024-05-31")
    )
    found = incremental_profit(change, margin=1.0, cost=1.0)
    assert found.profit == 3.0
    assert found.assumptions[0].startswith("Not causal")


def test_one_of_several_arms_is_valued_with_its_corrected_interval() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": np.repeat(list("abc"), 50), "y": rng.normal(10, 2, 150)})
    result = experiment_effect(frame, outcome="y", control="a")
    found = incremental_profit(result.arm("b"), margin=0.5, cost=10)
    assert found.profit_upper == pytest.approx(result.arm("b").effect.upper * 50 * 0.5 - 10)
    assert any("several arms" in note for note in found.notes)
    with pytest.raises(InputError, match="arm: there are several"):
        incremental_profit(result, margin=0.5, cost=10)


def test_without_cost_the_return_is_undefined_and_the_result_says_so() -> None:
    found = incremental_profit(effect_of_two(), margin=0.3, cost=0)
    assert np.isnan(found.roi)
    assert found.profit == pytest.approx(600.0)
    assert "undefined" in found.notes[0]


def test_the_result_turns_into_a_frame_and_a_dict() -> None:
    found = incremental_profit(effect_of_two(), margin=0.3, cost=400, units=100)
    frame = found.to_frame().set_index("figure")
    assert frame.loc["revenue", "value"] == 200.0
    assert found.to_dict()["roi"] == frame.loc["roi", "value"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "margin: got 0.0"),
        ({"cost": -1.0}, "cost: got -1.0"),
        ({"units": 0}, "units: got 0"),
        ({"effect": 4.0}, "effect: got float. Pass a result that has an effect, or an Estimate"),
        ({"effect": missing_estimate(confidence=0.95, per="customer")}, "effect: it could not be estimated"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, object], message: str) -> None:
    arguments = {"effect": effect_of_two(), "margin": 0.3, "cost": 400.0, **options}
    with pytest.raises(InputError, match=message):
        incremental_profit(**arguments)
