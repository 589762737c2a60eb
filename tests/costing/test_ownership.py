"""Total cost of ownership: years by anniversary, and present values by an independent formula."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import ownership_cost
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": ["2024-03-01", "2025-02-28", "2025-03-01", "2027-05-01", "2023-01-01"],
        "category": ["it", "it", "staff", "time", "it"],
        "amount": [1000.0, 100.0, 50.0, 10.0, 1.5],
    }
)


def test_ownership_cost_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_lines = as_engine(LINES)
    found = ownership_cost(given_lines, annual_rate=0.1, start="2024-03-01")
    assert type(found.frame) is type(found.by_year) is type(given_lines)
    table = to_pandas(found.frame)
    rows = table[["category", "year", "amount", "cash"]].to_numpy().tolist()
    assert rows == [["it", 1, 1100.0, 1100.0], ["staff", 2, 50.0, 50.0], ["time", 4, 10.0, 0.0]]
    assert to_pandas(found.by_year)["amount"].tolist() == [1100.0, 50.0, 0.0, 10.0]
    worth = 1000 + 100 / 1.1 ** (364 / 365.25) + 50 / 1.1 ** (365 / 365.25) + 10 / 1.1 ** (1156 / 365.25)
    assert found.present_value == pytest.approx(worth)
    assert (found.total, found.cash_total, found.outside, found.years) == (1160.0, 1150.0, 1.5, 4)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3000), st.integers(-500, 10**6)), min_size=1, max_size=20),
    years=st.integers(1, 10),
)
def test_years_and_what_lies_outside_are_the_ledger_to_the_cent(rows, years):
    days = pd.Timestamp("2020-02-29") + pd.to_timedelta([day for day, _ in rows], unit="D")
    lines = pd.DataFrame({"date": days, "category": "it", "amount": [cents / 100 for _, cents in rows]})
    found = ownership_cost(lines, annual_rate=0.0, years=years)
    cents = sum(round(100 * one) for one in found.by_year["amount"])
    assert cents + round(100 * found.outside) == sum(one for _, one in rows)
    assert found.present_value == pytest.approx(found.total, abs=1e-9)
    assert len(found.by_year) == years


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annual_rate": -1}, r"^annual_rate: got -1"),
        ({"years": 0}, r"^years: got 0"),
        ({"years": 2.5}, r"^years: got 2\.5"),
        ({"start": "2030-01-01"}, r"^start: no line of the ledger lies in the window from 2030-01-01"),
    ],
)
def test_a_window_without_meaning_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        ownership_cost(LINES, **{"annual_rate": 0.1} | options)
