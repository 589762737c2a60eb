"""How results of this folder show themselves: an estimate with its interval, assumptions and notes in full words."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

from crmvalue._core.show import value_text

ROWS_SHOWN = 20


def effect_text(result: Any) -> str:
    """Return the fields of a result, one line each; texts and parts of it below each other."""
    shown = shown_fields(result)
    width = max((len(name) for name, _ in shown), default=0)
    lines = [
        f"  {name if row == 0 else '':<{width}}  {text}" for name, texts in shown for row, text in enumerate(texts)
    ]
    return "\n".join([f"<{type(result).__name__}>", *lines])


def effect_html(result: Any) -> str:
    """Return the fields of a result as a small table, then its frame; everything escaped."""
    cell = "<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>"
    rows = "".join(
        cell.format(escape(name), "<br>".join(escape(text) for text in texts)) for name, texts in shown_fields(result)
    )
    table = f"<p><b>{escape(type(result).__name__)}</b></p><table>{rows}</table>"
    if not hasattr(result, "to_frame"):
        return table
    frame: str = result.to_frame().head(ROWS_SHOWN).to_html(index=False, float_format=lambda value: f"{value:,.6g}")
    return table + frame


def shown_fields(result: Any) -> list[tuple[str, list[str]]]:
    """Return name and lines of each field that has something to say."""
    named = [(field.name, field_lines(getattr(result, field.name))) for field in fields(result)]
    return [(name, lines) for name, lines in named if lines]


def field_lines(value: Any) -> list[str]:
    """Return the lines of one field: a text or a part of the result has a line of its own."""
    if isinstance(value, tuple) and value and all(isinstance(each, str) for each in value):
        return list(value)
    if isinstance(value, tuple) and value and all(is_dataclass(each) for each in value):
        return [part_text(each) for each in value]
    if isinstance(value, tuple):
        return [", ".join(str(each) for each in value)] if value else []
    if is_estimate(value):
        return [estimate_text(value)]
    if isinstance(value, str):
        return [value] if value else []
    return [value_text(value)]


def is_estimate(value: Any) -> bool:
    """Whether the value is a number with an interval."""
    return is_dataclass(value) and hasattr(value, "std_error")


def estimate_text(value: Any) -> str:
    """Return an estimate with its interval: 4 (2.1 to 5.9)."""
    number, lower, upper = (value_text(float(each)) for each in (value.value, value.lower, value.upper))
    return f"{number} ({lower} to {upper}) per {value.per}"


def part_text(part: Any) -> str:
    """Return the label of a part of a result and its estimates."""
    first, *others = fields(part)
    found = [
        f"{each.name} {estimate_text(getattr(part, each.name))}"
        for each in others
        if is_estimate(getattr(part, each.name))
    ]
    return f"{getattr(part, first.name)}: {', '.join(found)}" if found else str(getattr(part, first.name))
