"""Uplift: brute force over depths, a known truth, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmvalue.effects.profit import incremental_profit
from crmvalue.effects.uplift import uplift_depth
from crmvalue.errors import InputError

OPTIONS: dict[str, Any] = {
    "score": "score",
    "outcome": "spend",
    "treated": "mailed",
    "margin": 0.4,
    "contact_cost": 1.0,
}


def mailing(n: int = 2000, seed: int = 1) -> pd.DataFrame:
    """Return customers whose spend rises by their score when mailed: it pays above a score of 2.5."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 5, n).round(2)
    mailed = rng.permutation(np.arange(n) % 2)
    return pd.DataFrame({"score": score, "mailed": mailed, "spend": 10 + mailed * score + rng.normal(0, 0.5, n)})


def test_every_depth_is_that_of_brute_force() -> None:
    frame = mailing(300)
    found = uplift_depth(frame, **OPTIONS, points=1000).to_frame()
    for row in found.itertuples():
        limit = frame.score.sort_values(ascending=False).iloc[round(row.depth * 300) - 1]
        best = frame[frame.score >= limit]
        means = best.groupby("mailed").spend.mean()
        assert len(best) == row.customers
        assert row.uplift == pytest.approx(means[1] - means[0], rel=1e-9)
        assert row.profit == pytest.approx(len(best) * (0.4 * (means[1] - means[0]) - 1.0), rel=1e-9)


def test_the_best_depth_is_where_margin_times_uplift_falls_to_the_cost() -> None:
    found = uplift_depth(mailing(20_000), **OPTIONS)
    assert found.break_even_uplift == 2.5
    assert found.best_depth == pytest.approx(0.5, abs=0.03)  # scores above 2.5 are half of all
    # per customer: integral of 0.4 s - 1 over s from 2.5 to 5, over 5
    assert found.best_profit.value / 20_000 == pytest.approx((0.2 * (25 - 6.25) - 2.5) / 5, rel=0.03)
    assert found.best_profit.value > found.profit_of_all
    assert found.qini == pytest.approx(5 / 12, rel=0.05)  # integral of f (5 - 2.5 f) - 2.5 f over f from 0 to 1


def test_the_interval_at_the_best_depth_is_that_of_two_samples() -> None:
    frame = mailing()
    found = uplift_depth(frame, **OPTIONS)
    best = frame.sort_values("score", ascending=False).head(found.best_customers)
    mailed, alone = (best.spend[best.mailed == group] for group in (1, 0))
    error = stats.ttest_ind(mailed, alone, equal_var=False)._standard_error
    assert found.best_profit.std_error == pytest.approx(0.4 * found.best_customers * error, rel=1e-9)


def test_a_score_that_knows_nothing_has_a_qini_around_zero() -> None:
    frame = mailing(20_000)
    frame["score"] = np.random.default_rng(2).uniform(size=len(frame))
    assert uplift_depth(frame, **OPTIONS).qini == pytest.approx(0.0, abs=0.02)


def test_where_no_depth_pays_nobody_is_contacted() -> None:
    found = uplift_depth(mailing(), **{**OPTIONS, "contact_cost": 5.0})
    assert (found.best_depth, found.best_customers, found.best_profit.value) == (0.0, 0, 0.0)
    assert "contact nobody" in found.notes[0]


def test_the_uplift_at_the_best_depth_becomes_profit_and_return() -> None:
    found = uplift_depth(mailing(), **OPTIONS)
    cost = OPTIONS["contact_cost"] * found.best_customers
    paid = incremental_profit(found, margin=OPTIONS["margin"], cost=cost)
    assert paid.profit == pytest.approx(found.best_profit.value)
    assert (paid.profit_lower, paid.profit_upper) == pytest.approx((found.best_profit.lower, found.best_profit.upper))
    assert paid.roi == pytest.approx(found.best_profit.value / cost)
    nobody = uplift_depth(mailing(), **{**OPTIONS, "contact_cost": 5.0})
    with pytest.raises(InputError, match="effect: it could not be estimated"):
        incremental_profit(nobody, margin=0.4, cost=1.0)


def test_a_larger_population_scales_customers_and_profit() -> None:
    one, ten = uplift_depth(mailing(), **OPTIONS), uplift_depth(mailing(), **OPTIONS, population=20_000)
    assert ten.best_customers == 10 * one.best_customers
    assert ten.profit == pytest.approx(10 * one.profit)
    assert ten.best_profit.upper == pytest.approx(10 * one.best_profit.upper)
    assert ten.to_dict()["depth"] == one.to_dict()["depth"]


def test_every_engine_gives_the_same_curve(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = mailing(200)
    expected = uplift_depth(frame, **OPTIONS).to_frame()
    pd.testing.assert_frame_equal(uplift_depth(as_engine(frame), **OPTIONS).to_frame(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"mailed": 1}, {}, "0 customers were left alone"),
        ({"mailed": 0}, {}, "0 customers were contacted"),
        ({"mailed": 3}, {}, r"column 'mailed': not 0 or 1 in 50 of 50 rows \(row 0, 1, 2, 3, 4, ...\)"),
        ({"score": 1.0}, {}, "every customer has the score 1"),
        ({"score": np.nan}, {}, "column 'score': missing or infinite"),
        ({}, {"margin": 0}, "margin: got 0"),
        ({}, {"contact_cost": -1}, "contact_cost: got -1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        uplift_depth(mailing(50).assign(**change), **{**OPTIONS, **options})
