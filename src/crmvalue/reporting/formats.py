"""How the report writes numbers: the same count, share, amount and date look the same everywhere."""

from __future__ import annotations

import math

import numpy as np

from crmvalue._core.types import Array

MINUS = "−"
MISSING = "–"
STEPS = ((1e9, "bn", "billion"), (1e6, "M", "million"), (1e3, "k", ""))


def count_text(value: float) -> str:
    """Return a whole number with thousands separators: 23,570."""
    return MISSING if not math.isfinite(value) else signed(f"{value:,.0f}")


def share_text(value: float, digits: int = 1) -> str:
    """Return a share of one as percent: 0.1234 is 12.3%; a share too small to be seen so is <0.1%."""
    least = 0.01 / 10**digits
    if 0 < value < least / 2:
        return f"<{share_text(least, digits)}"
    return MISSING if not math.isfinite(value) else signed(f"{100 * value:,.{digits}f}%")


def number_text(value: float, digits: int = 2) -> str:
    """Return a number with a fixed number of decimals."""
    return MISSING if not math.isfinite(value) else signed(f"{value:,.{digits}f}")


def money_text(value: float, currency: str = "") -> str:
    """Return an amount in full: $2,500,316; below 1,000 with cents: $35.89."""
    if not math.isfinite(value):
        return MISSING
    digits = f"{abs(value):,.2f}" if abs(value) < 1000 else f"{abs(value):,.0f}"
    return (MINUS if value < 0 and digits.strip("0.,") else "") + with_currency(digits, currency)


def money_texts(values: Array, currency: str = "") -> list[str]:
    """Return the amounts of a column, all with cents if each is below 1,000, and none otherwise."""
    known = np.abs(values[np.isfinite(values)])
    digits = 2 if known.max(initial=0.0) < 1000 else 0
    signs = [MINUS if round(value, digits) < 0 else "" for value in values.tolist()]
    return [
        sign + with_currency(f"{abs(value):,.{digits}f}", currency) if math.isfinite(value) else MISSING
        for sign, value in zip(signs, values.tolist(), strict=True)
    ]


def money_words(value: float, currency: str = "") -> str:
    """Return an amount for running text, to three digits: $2.50 million, $238,000, $35.89."""
    if not math.isfinite(value):
        return MISSING
    size, _, word = step(value)
    if not word:
        return money_text(float(f"{value:.3g}") if abs(value) >= 1000 else value, currency)
    return (MINUS if value < 0 else "") + with_currency(f"{three_digits(abs(value) / size)} {word}", currency)


def money_short(value: float, currency: str = "") -> str:
    """Return an amount for a headline, three digits: $2.50M, $238k, $35.89."""
    if not math.isfinite(value):
        return MISSING
    size, letter, _ = step(value)
    if not letter:
        return money_text(value, currency)
    return (MINUS if value < 0 else "") + with_currency(three_digits(abs(value) / size) + letter, currency)


def money_tick(value: float, currency: str = "") -> str:
    """Return an amount for an axis: $2.5M."""
    if value == 0:
        return "0"
    size, letter, _ = step(value)
    return (MINUS if value < 0 else "") + with_currency(short_digits(abs(value) / size) + letter, currency)


def day_text(day: np.datetime64) -> str:
    """Return a day as 30 June 1998."""
    date = day.astype("datetime64[D]").item()
    return MISSING if date is None else f"{date.day} {date:%B} {date.year}"


def month_text(day: np.datetime64) -> str:
    """Return the month of a day as Jun 1998."""
    date = day.astype("datetime64[D]").item()
    return MISSING if date is None else f"{date:%b} {date.year}"


def month_words(day: np.datetime64) -> str:
    """Return the month of a day as June 1998."""
    date = day.astype("datetime64[D]").item()
    return MISSING if date is None else f"{date:%B} {date.year}"


def plural(n: float, one: str, many: str = "") -> str:
    """Return a count with its noun: 1 customer, 2 customers."""
    return f"{count_text(n)} {one if n == 1 else many or one + 's'}"


def signed(text: str) -> str:
    """Return the number with a real minus sign, and none before a zero."""
    if text.startswith("-"):
        return MINUS + text[1:] if text.strip("-0.,%") else text[1:]
    return text


def with_currency(digits: str, currency: str) -> str:
    """Return digits with the currency: a sign before them, a code or word after them."""
    if not currency:
        return digits
    return f"{digits} {currency}" if currency.isalpha() and len(currency) > 1 else f"{currency}{digits}"


def step(value: float) -> tuple[float, str, str]:
    """Return the power of a thousand to write a value in."""
    return next((found for found in STEPS if abs(value) >= 0.9995 * found[0]), (1.0, "", ""))


def short_digits(value: float) -> str:
    """Return a number below 1,000 with at most one decimal: 4.1, 12, 181."""
    return f"{value:.{1 if value < 99.95 else 0}f}".removesuffix(".0")


def three_digits(value: float) -> str:
    """Return a number below 1,000 with three digits."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def ratio(part: float, whole: float) -> float:
    """Return part / whole; NaN if the whole is 0."""
    return part / whole if whole else math.nan
