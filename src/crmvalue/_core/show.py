"""How results show themselves: in a console line by line, in a notebook a small table and the first rows.

A lazy frame is described by its columns alone; looking at a result never runs a query.
"""

from __future__ import annotations

import datetime as dt
import math
import textwrap
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

ROWS_SHOWN = 10
FEW_NUMBERS = 6  # of an array that is shown in full
WIDEST = 110  # characters of one value in a line
TEXT_WIDTH = 90  # characters after which a sentence goes on in the next line


def result_text(result: Any) -> str:
    """Return name and value of each field, line by line; a frame by its size and columns, sentences in full."""
    shown = shown_fields(result)
    width = max((len(name) for name, _ in shown), default=0)
    parts = [(name, [line for text in texts for line in wrapped(text)]) for name, texts in shown]
    lines = [
        f"  {name if row == 0 else '':<{width}}  {text}" for name, texts in parts for row, text in enumerate(texts)
    ]
    return "\n".join([f"<{type(result).__name__}>", *lines])


def result_html(result: Any) -> str:
    """Return the fields as a small table, then the first rows of what is in memory; everything escaped."""
    cell = "<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>"
    rows = "".join(cell.format(escape(name), "<br>".join(map(escape, texts))) for name, texts in shown_fields(result))
    parts = [f"<p><b>{escape(type(result).__name__)}</b></p><table>{rows}</table>"]
    found = [(field.name, as_frame(getattr(result, field.name))) for field in fields(result)]
    if all(frame is None for _, frame in found) and hasattr(result, "to_frame"):  # made of arrays
        table = result.to_frame()
        found = [("table", as_frame(table if is_numbered(table.index) else table.reset_index()))]
    parts += [
        f"<p>{escape(name)}, first rows</p>{first_rows(frame)}"
        for name, frame in found
        if isinstance(frame, nw.DataFrame)
    ]
    return "".join(parts)


def shown_fields(result: Any) -> list[tuple[str, list[str]]]:
    """Return name and texts of each field, and of the assumptions if these are no field."""
    names = [field.name for field in fields(result)]
    names += ["assumptions"] if hasattr(result, "assumptions") and "assumptions" not in names else []
    return [(name, field_texts(getattr(result, name))) for name in names]


def field_texts(value: Any) -> list[str]:
    """Return the texts of one field: each sentence or part of the result has a line of its own."""
    if isinstance(value, tuple) and value and all(is_sentence(each) for each in value):
        return list(value)
    if isinstance(value, tuple) and value and all(is_dataclass(each) for each in value):
        return [part_text(each) for each in value]
    if isinstance(value, tuple):
        return [", ".join(map(str, value)) or "none"]
    return [value if isinstance(value, str) and is_sentence(value) else value_text(value)]


def is_sentence(value: Any) -> bool:
    """Whether a value is words, not a name."""
    return isinstance(value, str) and " " in value


def wrapped(text: str) -> list[str]:
    """Return a long text in several lines."""
    return [text] if len(text) <= WIDEST else textwrap.wrap(text, TEXT_WIDTH, break_long_words=False) or [text]


def value_text(value: Any) -> str:
    """Return a short text for one value."""
    frame = as_frame(value)
    if frame is not None:
        columns = ", ".join(frame.collect_schema().names())
        size = f"{len(frame):,} rows" if isinstance(frame, nw.DataFrame) else "lazy"
        text = f"{frame.implementation.name.lower()}, {size}: {columns}"
    elif isinstance(value, np.ndarray) and value.ndim == 1 and 0 < len(value) <= FEW_NUMBERS:
        text = ", ".join(map(cell_text, value.tolist()))
    elif isinstance(value, np.ndarray):
        text = f"array of shape {value.shape}"
    elif isinstance(value, bool) or value is None:
        text = str(value)
    elif isinstance(value, (int, np.integer)):
        text = f"{value:,}"
    elif isinstance(value, (float, np.floating)):
        text = f"{value:,.6g}" if abs(float(value)) < 1000 else f"{value:,.2f}"
    elif is_dataclass(value):
        text = part_text(value)
    else:
        text = str(value).splitlines()[0] if str(value) else ""
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def part_text(part: Any) -> str:
    """Return a part of a result: an estimate with its interval, 4 (2.1 to 5.9); others by name, with theirs."""
    if hasattr(part, "std_error"):
        number, lower, upper = (value_text(float(each)) for each in (part.value, part.lower, part.upper))
        return f"{number} ({lower} to {upper}) per {part.per}"
    name, *others = [(field.name, getattr(part, field.name)) for field in fields(part)]
    found = [f"{label} {part_text(value)}" for label, value in others if hasattr(value, "std_error")]
    if found:  # a label of any type
        return f"{name[1]}: {', '.join(found)}"
    return name[1] if isinstance(name[1], str) else str(part).splitlines()[0]


def as_frame(value: Any) -> nw.DataFrame[Any] | nw.LazyFrame[Any] | None:
    """Return a frame of any engine as Narwhals sees it; None for what is no frame."""
    frame = nw.from_native(value, pass_through=True)
    return frame if isinstance(frame, (nw.DataFrame, nw.LazyFrame)) else None


def is_numbered(index: Any) -> bool:
    """Whether the rows of a pandas frame have no names."""
    return type(index).__name__ == "RangeIndex"


def first_rows(frame: nw.DataFrame[Any]) -> str:
    """Return the first rows as an HTML table."""
    head = frame.head(ROWS_SHOWN)
    titles = "".join(f"<th>{escape(str(name))}</th>" for name in head.columns)
    columns = [cell_texts(head.get_column(name)) for name in head.columns]
    cells = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in zip(*columns, strict=True))
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def cell_texts(series: nw.Series[Any]) -> list[str]:
    """Return the cells of a column; what its engine takes for missing may be no value that can be compared."""
    values, is_gone = series.to_list(), series.is_null().to_list()
    return [cell_text(None if gone else value) for value, gone in zip(values, is_gone, strict=True)]


def cell_text(value: Any) -> str:
    """Return one cell for a reader: missing as a dash, infinite as a sign, a day without its midnight."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return value_text(value) if not isinstance(value, dt.date) else str(value).removesuffix(" 00:00:00")


def number_text(value: float) -> str:
    """Return an amount for a sentence."""
    return f"{value:,.2f}"
