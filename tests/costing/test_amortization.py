"""Amortization: outlay = before + charged + after, line by line."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import COST_TAXONOMY, amortize_ledger, cost_breakdown, prepare_ledger
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": ["2023-11-15", "2024-01-15", "2024-02-15"],
        "category": ["it", "it", "staff"],
        "amount": [100.0, -50.0, 7.5],
        "useful_life": [4.0, 3.0, None],
    }
)


def test_charges_before_in_and_after_the_window_are_told_apart(as_engine: Callable[[pd.DataFrame], Any]):
    given_lines = as_engine(LINES)
    found = amortize_ledger(given_lines, start="2024-01-01", end="2024-02-29")
    assert type(found.frame) is type(given_lines)
    frame = to_pandas(found.frame)
    frame["date"] = frame["date"].astype(str).str[:10]
    assert sorted(frame[["date", "amount"]].itertuples(index=False, name=None)) == [
        ("2024-01-01", -16.67),
        ("2024-01-01", 25.0),
        ("2024-02-01", -16.67),
        ("2024-02-01", 25.0),
        ("2024-02-15", 7.5),
    ]
    outside = to_pandas(found.outside).sort_values("amount")
    assert outside[["category", "part", "amount"]].to_numpy().tolist() == [
        ["it", "after", -16.66],
        ["it", "before", 50.0],
    ]
    assert (found.outlay, found.before, found.charged, found.after) == (57.5, 50.0, 24.16, -16.66)
    assert cost_breakdown(found.frame, period="month").total == 24.16  # it is a ledger again
    assert cost_breakdown(found.to_ledger(), by=["line"]).total == 24.16


some_lines = st.lists(
    st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(1, 60)), st.integers(-(10**9), 10**11)),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=80)
@given(rows=some_lines, window=st.tuples(st.integers(-5, 40), st.integers(0, 30)))
def test_periods_and_remainders_are_the_outlay_to_the_cent(rows, window):
    months = pd.Timestamp("2022-01-01") + pd.Series([pd.DateOffset(months=row[0]) for row in rows])
    lines = pd.DataFrame({"date": months, "category": "it", "amount": [row[2] / 100 for row in rows]})
    lines["useful_life"] = pd.Series([row[1] for row in rows], dtype="float64")
    start = pd.Timestamp("2022-01-01") + pd.DateOffset(months=window[0])
    found = amortize_ledger(lines, start=start, end=start + pd.DateOffset(months=window[1]))
    outlay = sum(row[2] for row in rows)
    cents = [round(value * 100) for value in (found.before, found.charged, found.after)]
    assert sum(cents) == outlay == round(found.outlay * 100)
    both = pd.concat([found.frame[["line", "amount"]], found.outside[["line", "amount"]]])
    by_line = both.groupby("line")["amount"].sum()
    assert [round(100 * by_line.get(place, 0)) for place in range(len(rows))] == [row[2] for row in rows]


def test_parts_of_a_line_differ_by_a_cent_at_most():
    lines = pd.DataFrame({"date": ["2024-01-01"], "category": "it", "amount": [100.0], "useful_life": [7]})
    parts = amortize_ledger(lines, end="2024-12-31").frame["amount"].tolist()
    assert parts == [14.29] * 4 + [14.28] * 3  # 4 * 14.29 + 3 * 14.28 = 100


def test_a_fraction_of_a_cent_is_charged_to_the_first_month():
    lines = pd.DataFrame({"date": ["2024-01-01"], "category": "it", "amount": [0.055], "useful_life": [2]})
    found = amortize_ledger(lines, end="2024-02-29")
    assert found.frame["amount"].tolist() == pytest.approx([0.035, 0.02], abs=1e-12)
    assert found.charged == pytest.approx(0.055, abs=1e-15)


def test_a_capital_line_without_a_useful_life_is_refused():
    lines = LINES.assign(subcategory=["hardware", "hardware", "Hard Ware"], category="it")
    with pytest.raises(InputError, match=r"^useful_life: missing for a capital line in 1 of 3 rows \(row 2\)"):
        amortize_ledger(lines, capital=["hardware"])
    with pytest.raises(InputError, match=r"^capital: the ledger has no subcategories"):
        amortize_ledger(LINES, capital=["hardware"])
    with pytest.raises(InputError, match=r"^capital: unknown name 'hardwear'\. Did you mean 'hardware' for 'hardwear'"):
        amortize_ledger(lines, capital=["hardwear"])


def test_charges_are_a_ledger_of_the_taxonomy_that_they_came_from():
    ours = COST_TAXONOMY.extended(categories={"travel": ["cars"]}, stages=["revival"], aliases={"差旅": "travel"})
    lines = LINES.assign(category="差旅", subcategory="Cars", stage="revival", team="a", useful_life=[4, 3, 1])
    names = {name: name for name in ("subcategory", "stage", "useful_life")}
    found = amortize_ledger(prepare_ledger(lines, **names, keep=["team"], taxonomy=ours), capital=["cars"])
    charged = found.to_ledger()
    assert charged.total == found.charged
    assert charged.taxonomy is ours
    rows = cost_breakdown(charged, by=["category", "stage", "team"]).frame
    assert rows[["category", "stage", "team", "amount"]].to_numpy().tolist() == [
        ["travel", "revival", "a", found.charged]
    ]


def test_a_ledger_without_useful_lives_is_refused():
    with pytest.raises(InputError, match=r"^ledger: column 'useful_life' is missing"):
        amortize_ledger(LINES.drop(columns="useful_life"))
    with pytest.raises(InputError, match=r"^ledger: column 'useful_life' is missing"):
        amortize_ledger(prepare_ledger(LINES))
    with pytest.raises(InputError, match=r"^useful_life: useful life that is 0"):
        amortize_ledger(LINES.assign(useful_life=0))


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(InputError, match=r"^end: 2023-01-01 is before start, 2024-01-01"):
        amortize_ledger(LINES, start="2024-01-01", end="2023-01-01")
