"""How numbers are written."""

from __future__ import annotations

import numpy as np
import pytest

from crmvalue.reporting import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2_500_315.63, "$2,500,316"),
        (35.894, "$35.89"),
        (-1200.0, "−$1,200"),
        (0.0, "$0.00"),
        (float("nan"), "–"),
        (-0.001, "$0.00"),
    ],
)
def test_amounts_in_full_have_cents_only_below_a_thousand(value: float, text: str) -> None:
    assert formats.money_text(value, "$") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2_500_315.63, "$2.50 million"),
        (999_600.0, "$1.00 million"),
        (237_705.0, "$238,000"),
        (12.5, "$12.50"),
        (-3.4e9, "−$3.40 billion"),
    ],
)
def test_amounts_in_words_have_three_digits(value: float, text: str) -> None:
    assert formats.money_words(value, "$") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (4140.0, "$4.1k"), (200_000.0, "$200k"), (2.5e6, "$2.5M"), (-50_000.0, "−$50k")]
)
def test_amounts_on_an_axis_are_short(value: float, text: str) -> None:
    assert formats.money_tick(value, "$") == text


@pytest.mark.parametrize(("value", "text"), [(2_500_315.63, "$2.50M"), (237_705.0, "$238k"), (-12.0, "−$12.00")])
def test_amounts_in_a_headline_have_three_digits_and_a_letter(value: float, text: str) -> None:
    assert formats.money_short(value, "$") == text


def test_a_column_of_amounts_has_cents_in_all_its_cells_or_in_none() -> None:
    assert formats.money_texts(np.array([424.45, 7409.0, -0.2, np.nan])) == ["424", "7,409", "0", "–"]
    assert formats.money_texts(np.array([424.45, 7.0]), "€") == ["€424.45", "€7.00"]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.1234, 1, "12.3%"),
        (-0.05, 0, "−5%"),
        (0.0, 0, "0%"),
        (0.001, 0, "<1%"),
        (0.0001, 1, "<0.1%"),
        (float("nan"), 1, "–"),
        (-0.0001, 1, "0.0%"),
    ],
)
def test_shares_are_percents_and_small_ones_are_not_nothing(value: float, digits: int, text: str) -> None:
    assert formats.share_text(value, digits) == text


def test_a_currency_code_stands_after_the_amount() -> None:
    assert formats.money_text(1234.0, "CHF") == "1,234 CHF"
    assert formats.money_words(8_310_000.0, "GBP") == "8.31 million GBP"
    assert formats.money_tick(8_310_000.0, "GBP") == "8.3M GBP"


def test_days_and_months_are_written_out() -> None:
    day = np.datetime64("1998-06-30")
    assert formats.day_text(day) == "30 June 1998"
    assert formats.month_text(day) == "Jun 1998"
    assert formats.month_words(day) == "June 1998"
    assert formats.day_text(np.datetime64("NaT", "D")) == "–"


def test_one_is_singular() -> None:
    assert formats.plural(1, "customer") == "1 customer"
    assert formats.plural(1200, "customer") == "1,200 customers"
