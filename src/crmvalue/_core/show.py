"""How results show themselves: in a console one line a field, in a notebook a small table and the first rows.

A lazy frame is described by its columns alone; looking at a result never runs a query.
"""

from __future__ import annotations

from dataclasses import fields
from html import escape
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

ROWS_SHOWN = 5
WIDEST = 110  # characters of one value in a line


def result_text(result: Any) -> str:
    """Return one line a field: its name and its value, a frame by its size and columns."""
    shown = shown_fields(result)
    width = max((len(name) for name, _ in shown), default=0)
    lines = [f"  {name:<{width}}  {value}" for name, value in shown]
    return "\n".join([f"<{type(result).__name__}>", *lines])


def result_html(result: Any) -> str:
    """Return the fields as a small table, then the first rows of each frame that is in memory; everything escaped."""
    cell = "<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>"
    rows = "".join(cell.format(escape(name), escape(value)) for name, value in shown_fields(result))
    parts = [f"<p><b>{escape(type(result).__name__)}</b></p><table>{rows}</table>"]
    for field in fields(result):
        frame = as_frame(getattr(result, field.name))
        if isinstance(frame, nw.DataFrame):
            parts.append(f"<p>{escape(field.name)}, first rows</p>{first_rows(frame)}")
    return "".join(parts)


def shown_fields(result: Any) -> list[tuple[str, str]]:
    """Return name and value of each field, as short text."""
    return [(field.name, value_text(getattr(result, field.name))) for field in fields(result)]


def value_text(value: Any) -> str:
    """Return a short text for one value."""
    frame = as_frame(value)
    if frame is not None:
        columns = ", ".join(frame.collect_schema().names())
        size = f"{len(frame):,} rows" if isinstance(frame, nw.DataFrame) else "lazy"
        text = f"{frame.implementation.name.lower()}, {size}: {columns}"
    elif isinstance(value, np.ndarray):
        text = f"array of shape {value.shape}"
    elif isinstance(value, bool) or value is None:
        text = str(value)
    elif isinstance(value, (int, np.integer)):
        text = f"{value:,}"
    elif isinstance(value, (float, np.floating)):
        text = f"{value:,.6g}" if abs(float(value)) < 1000 else f"{value:,.2f}"
    else:
        text = str(value).splitlines()[0] if str(value) else ""
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def as_frame(value: Any) -> nw.DataFrame[Any] | nw.LazyFrame[Any] | None:
    """Return a frame of any engine as Narwhals sees it; None for what is no frame."""
    frame = nw.from_native(value, pass_through=True)
    return frame if isinstance(frame, (nw.DataFrame, nw.LazyFrame)) else None


def first_rows(frame: nw.DataFrame[Any]) -> str:
    """Return the first rows as an HTML table."""
    head = frame.head(ROWS_SHOWN)
    titles = "".join(f"<th>{escape(name)}</th>" for name in head.columns)
    cells = ("".join(f"<td>{escape(value_text(value))}</td>" for value in row) for row in head.iter_rows())
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
