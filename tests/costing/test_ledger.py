"""The columns that deepen a ledger: currencies, useful lives, kinds, tags."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.costs import cost_breakdown, prepare_ledger
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "date": ["2024-01-31", "2024-02-10", "2024-03-01"],
        "category": ["it", "time", "staff"],
        "amount": [100.0, 200.0, 33.33],
        "currency": ["EUR", "usd ", "EUR"],
        "behavior": ["Fixed", None, "VARIABLE"],
        "recurrence": ["One Off", "recurring", ""],
        "kind": [None, None, "opportunity"],
        "useful_life": [36.0, None, None],
        "customer_id": [None, "c1", "c2"],
    }
)
RATES = pd.DataFrame(
    {"date": ["2024-01-01", "2024-02-10", "2024-02-11"], "currency": ["USD", "USD", "USD"], "rate": [0.5, 0.9333, 2.0]}
)
NAMES = {name: name for name in ("currency", "behavior", "recurrence", "kind", "useful_life", "customer_id")}


def test_lines_in_two_currencies_are_converted_at_the_rate_of_their_day(as_engine: Callable[[pd.DataFrame], Any]):
    given = as_engine(LINES)
    ledger = prepare_ledger(given, **NAMES, rates=as_engine(RATES), to_currency="EUR")
    assert type(ledger.frame) is type(given)
    frame = to_pandas(ledger.frame).sort_values("date")
    assert frame["amount"].tolist() == [100.0, 186.66, 33.33]
    assert frame["currency"].tolist() == ["EUR"] * 3
    assert frame["behavior"].fillna("").tolist() == ["fixed", "", "variable"]
    assert frame["recurrence"].fillna("").tolist() == ["one-off", "recurring", ""]
    assert (ledger.total, ledger.currency, ledger.audit.converted) == (319.99, "EUR", 1)


def test_two_currencies_without_rates_are_refused():
    with pytest.raises(InputError) as error:
        prepare_ledger(LINES, currency="currency")
    assert str(error.value) == (
        "currency: mixed currencies (EUR, USD): not EUR in 1 of 3 rows (row 1). "
        "Pass dated rates: rates=frame, to_currency='EUR'."
    )
    with pytest.raises(InputError, match=r"^currency: mixed currencies"):
        cost_breakdown(LINES)  # a plain frame is checked by its column names
    assert prepare_ledger(LINES.iloc[[0, 2]], currency="currency").currency == "EUR"


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (RATES.iloc[2:], r"^currency: no rate in 1 of 1 rows \(line of USD on 2024-02-10\)\. Add a rate"),
        (RATES.assign(rate=[0.5, 0.0, 1.0]), r"^rates: rate that is missing or not above 0 in 1 of 3 rows"),
        (RATES.assign(date="2024-01-01"), r"^rates: two rates of one currency and day in 1 of 3 rows"),
        (RATES.drop(columns="rate"), r"^rates: column 'rate' is missing"),
        (RATES.assign(date=[None, "2024-01-01", "2024-01-02"]), r"^rates: missing or unreadable date in 1 of 3"),
    ],
)
def test_rates_that_do_not_say_what_a_line_is_worth_are_refused(rates, message):
    with pytest.raises(InputError, match=message):
        prepare_ledger(LINES, currency="currency", rates=rates, to_currency="EUR")


def test_rates_without_a_currency_to_convert_to_are_refused():
    with pytest.raises(InputError, match=r"^rates: currency, rates and to_currency go together"):
        prepare_ledger(LINES, currency="currency", rates=RATES)


def test_a_line_without_a_currency_is_refused():
    with pytest.raises(InputError, match=r"^currency: missing currency in 1 of 3 rows \(row 1\)"):
        prepare_ledger(LINES.assign(currency=["EUR", " ", "EUR"]), currency="currency")


@pytest.mark.parametrize("months", [0, -3, 1.5, float("inf")])
def test_a_useful_life_that_is_no_whole_number_of_months_is_refused(months):
    with pytest.raises(InputError, match=r"^useful_life: useful life that is 0, negative .* in 1 of 3 rows \(row 0\)"):
        prepare_ledger(LINES.assign(useful_life=[months, None, 3]), useful_life="useful_life")


def test_a_useful_life_of_more_than_a_century_is_refused_as_days():
    lines = LINES.assign(useful_life=[1200, 1201, None])
    with pytest.raises(InputError, match=r"more than 1,200 months, a century, in 1 of 3 rows \(row 1\)\. Give months"):
        prepare_ledger(lines, useful_life="useful_life")


def test_unknown_behavior_recurrence_and_kind_are_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"^behavior: unknown name 'fix' .*Did you mean 'fixed'"):
        prepare_ledger(LINES.assign(behavior="fix"), behavior="behavior")
    with pytest.raises(InputError, match=r"^recurrence: unknown name 'once' in 3 of 3 rows"):
        prepare_ledger(LINES.assign(recurrence="once"), recurrence="recurrence")
    with pytest.raises(InputError, match=r"^kind: unknown name 'cahs' .*Did you mean 'cash'"):
        prepare_ledger(LINES.assign(kind="cahs"), kind="kind")


def test_cash_and_economic_totals_stand_side_by_side(as_engine: Callable[[pd.DataFrame], Any]):
    found = cost_breakdown(as_engine(LINES.drop(columns="currency")), by=["category"])
    assert (found.total, found.cash_total) == (333.33, 100.0)  # `time` is time, and the staff line is opportunity
    frame = to_pandas(found.frame)
    assert frame["category"].tolist() == ["time", "it", "staff"]
    assert frame["cash"].tolist() == [0.0, 100.0, 0.0]
    assert frame["cumulative_share"].tolist() == pytest.approx([200 / 333.33, 300 / 333.33, 1])
