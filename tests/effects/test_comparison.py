"""Before and after: hand sums, the bootstrap as oracle, engines, and words that deny cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmvalue.effects.comparison import before_after
from crmvalue.errors import InputError

YEARS: dict[str, Any] = {"before": ("2023-01-01", "2023-12-31"), "after": ("2024-01-02", "2024-12-31")}


def sales(n: int = 300, seed: int = 1) -> pd.DataFrame:
    """Return purchases of customers over two years; the second brings a fifth more."""
    rng = np.random.default_rng(seed)
    size = rng.gamma(2.0, 20.0, n)
    rows = []
    for year, factor in ((2023, 1.0), (2024, 1.2)):
        customer = rng.integers(0, n, 4 * n)
        day = np.datetime64(f"{year}-01-02") + rng.integers(0, 363, 4 * n)
        amount = size[customer] * factor * rng.lognormal(0, 0.3, 4 * n)
        rows.append(pd.DataFrame({"customer_id": customer, "date": day.astype("datetime64[s]"), "amount": amount}))
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(region=np.where(frame.customer_id % 2 == 0, "north", "south"))


def test_totals_and_growth_are_plain_sums_by_group() -> None:
    frame = sales()
    found = before_after(frame, outcome="amount", by="region", **YEARS).to_frame().set_index("group")
    sums = frame.groupby(["region", frame.date.dt.year])["amount"].sum().unstack()
    for group in ("north", "south"):
        assert found.loc[group, "before"] == pytest.approx(sums.loc[group, 2023], rel=1e-10)
        assert found.loc[group, "growth"] == pytest.approx(sums.loc[group, 2024] / sums.loc[group, 2023] - 1, rel=1e-9)
    assert found.loc["all", "change"] == pytest.approx(sums[2024].sum() - sums[2023].sum(), rel=1e-9)
    assert found["n"].tolist() == [found.loc["north", "n"] + found.loc["south", "n"], *found["n"].tolist()[1:]]


@pytest.mark.parametrize("measure", ["total", "mean"])
def test_the_interval_of_growth_has_the_spread_of_a_bootstrap_of_customers(measure: Any) -> None:
    frame = sales()
    year = frame.date.dt.year
    table = frame.groupby(["customer_id", year])["amount"].agg(["sum", "count"]).unstack(fill_value=0).to_numpy(float)
    b, a, nb, na = table.T
    rng = np.random.default_rng(3)
    weights = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), 20_000)
    drawn = (
        (weights @ a) / (weights @ b)
        if measure == "total"
        else (weights @ a / (weights @ na)) / (weights @ b / (weights @ nb))
    )
    growth = before_after(frame, outcome="amount", measure=measure, **YEARS).groups[0].growth
    assert growth.std_error == pytest.approx(drawn.std(), rel=0.03)


def test_the_interval_of_a_total_covers_the_expected_change_in_93_to_97_of_100_samples() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(1000):
        n = int(rng.poisson(200))
        size = rng.gamma(2.0, 1.0, n)
        b, a = size * rng.poisson(2.0, n), size * rng.poisson(2.4, n)
        error = np.sqrt(((a - b) ** 2).sum() * n / (n - 1))
        covered += abs((a - b).sum() - 200 * 2.0 * 0.4) <= 1.972 * error  # the error of `before_after`, see below
    assert 0.93 <= covered / 1000 <= 0.97
    frame = pd.DataFrame(
        {"customer_id": np.tile(np.arange(n), 2), "date": ["2023-05-05"] * n + ["2024-05-05"] * n, "amount": [*b, *a]}
    )
    assert before_after(frame, outcome="amount", **YEARS).effect.std_error == pytest.approx(error, rel=1e-9)


def test_a_mean_of_rows_without_customers_has_the_error_of_two_samples() -> None:
    frame = sales()
    found = before_after(frame, outcome="amount", measure="mean", unit=None, **YEARS)
    b, a = (frame.amount[frame.date.dt.year == year] for year in (2023, 2024))
    assert found.effect.value == pytest.approx(a.mean() - b.mean(), rel=1e-9)
    assert found.effect.std_error == pytest.approx(np.sqrt(a.var() / len(a) + b.var() / len(b)), rel=1e-3)
    assert found.effect.units == len(a)


def test_retention_is_the_mean_of_yes_and_no() -> None:
    due = ["2023-03-01"] * 4 + ["2024-03-01"] * 4
    frame = pd.DataFrame({"date": due, "renewed": [True, True, False, False, True, True, True, False]})
    found = before_after(frame, outcome="renewed", measure="mean", unit=None, **YEARS)
    assert (found.groups[0].before, found.groups[0].after, found.effect.value) == (0.5, 0.75, 0.25)


def test_a_day_of_each_window_counts_in_full_when_lengths_differ() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": [1, 2, 1, 2],
            "date": ["2024-01-01", "2024-01-10", "2024-02-01", "2024-02-20"],
            "amount": [30.0, 70.0, 20.0, 20.0],
        }
    )
    windows: dict[str, Any] = {"before": ("2024-01-01", "2024-01-10"), "after": ("2024-02-01", "2024-02-20")}
    found = before_after(frame, outcome="amount", measure="daily", **windows)
    assert (found.groups[0].before, found.groups[0].after) == (10.0, 2.0)
    with pytest.raises(InputError, match=r"after: 20 days against 10 before.*measure='daily'"):
        before_after(frame, outcome="amount", **windows)


def test_the_result_says_that_it_is_not_causal_and_what_else_could_explain_it() -> None:
    found = before_after(sales(), outcome="amount", **YEARS)
    assert not found.is_causal
    assert found.caution.startswith("Not causal")
    assert "Season" in found.caution
    assert found.assumptions[0] == found.caution
    assert repr(found).count("Not causal") == found._repr_html_().count("Not causal") == 1
    assert found.to_dict()["is_causal"] is False


def test_another_season_and_a_window_before_the_data_are_told() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "date": ["2024-01-20", "2024-02-20"], "amount": [1.0, 2.0]})
    found = before_after(
        frame, outcome="amount", before=("2024-01-01", "2024-01-31"), after=("2024-02-01", "2024-03-02")
    )
    assert "same season" in found.notes[0]
    assert "The data begin on 2024-01-20" in found.notes[1]


def test_every_engine_gives_the_same_change(as_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = sales(40)
    expected = before_after(frame, outcome="amount", by="region", **YEARS).to_frame()
    found = before_after(as_engine(frame), outcome="amount", by="region", **YEARS).to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"after": ("2023-06-01", "2024-05-30")},
            "begins on 2023-06-01, but before ends on 2023-12-31.*do not overlap",
        ),
        ({"before": ("2024-12-31", "2024-01-01")}, "before: 2024-01-01 is before 2024-12-31"),
        ({"before": "2023"}, "before: got '2023'. Pass the first and the last day"),
        ({"before": ("2021-01-01", "2021-12-31")}, "before: no row lies in 2021-01-01 to 2021-12-31"),
        ({"measure": "median"}, "measure: got 'median'"),
        ({"outcome": "region"}, "column 'region'.*not numbers"),
        ({"date": "region"}, "column 'region': missing or unreadable date in"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        before_after(sales(40), **{"outcome": "amount", **YEARS, **options})


def test_one_customer_is_refused() -> None:
    frame = pd.DataFrame({"customer_id": [1, 1], "date": ["2023-05-05", "2024-05-05"], "amount": [1.0, 2.0]})
    with pytest.raises(InputError, match="1 unit in the two windows"):
        before_after(frame, outcome="amount", **YEARS)


def test_a_constant_outcome_is_refused() -> None:
    frame = pd.DataFrame(
        {"customer_id": [1, 2, 1, 2], "date": ["2023-05-05"] * 2 + ["2024-05-05"] * 2, "days": 0.1 * 3}
    )
    with pytest.raises(InputError, match="column 'days': no unit differs from another"):
        before_after(frame, outcome="days", measure="mean", **YEARS)
