"""How every result of costing turns into a pandas frame, a dict of plain values, and a table in a notebook."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 30  # rows of a table in a notebook


def as_pandas(result: Any) -> pd.DataFrame:
    """Return the table of the result as a pandas frame, whatever engine it is in."""
    return table_to_pandas(result.frame)


def table_to_pandas(frame: Any) -> pd.DataFrame:
    """Return a frame of any engine as pandas."""
    import pandas as pd

    opened = frames.open_frame(frame)
    return pd.DataFrame(frames.to_arrays(opened, frames.column_names(opened)))


def as_dict(result: Any) -> dict[str, Any]:
    """Return all that the result says in plain values that JSON can hold: frames as lists of rows, missing as None."""
    return {field.name: plain(getattr(result, field.name)) for field in dataclasses.fields(result)}


def plain(value: Any) -> Any:
    """Return a value of a result as JSON can hold it: days as ISO text, missing and infinite numbers as None."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.tolist()] if value.dtype.kind != "M" else value.astype(str).tolist()
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[D]"))
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if dataclasses.is_dataclass(value):
        return as_dict(value)
    if isinstance(value, nw.LazyFrame | nw.DataFrame) or hasattr(value, "columns"):
        return records(table_to_pandas(value))
    return str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dict a row, of plain values."""
    columns = [[plain_cell(value) for value in table[name].tolist()] for name in table.columns]
    return [dict(zip(table.columns.tolist(), row, strict=True)) for row in zip(*columns, strict=True)]


def plain_cell(value: Any) -> Any:
    """Return one cell as JSON can hold it."""
    import pandas as pd

    if value is None or value is pd.NaT:
        return None
    return value.date().isoformat() if isinstance(value, pd.Timestamp) else plain(value)


def as_html(result: Any) -> str:
    """Return the table and its assumptions as HTML for a notebook; every text in it is escaped."""
    table = as_pandas(result)
    title = html.escape(type(result).__name__)
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    rows = zip(*([cell_text(value) for value in table[name].tolist()[:MOST_ROWS]] for name in table), strict=True)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows)
    more = f"<p>{len(table) - MOST_ROWS:,} more rows</p>" if len(table) > MOST_ROWS else ""
    said = "".join(f"<li>{html.escape(text)}</li>" for text in result.assumptions)
    return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}" + (
        f"<ul>{said}</ul>" if said else ""
    )


def cell_text(value: Any) -> str:
    """Return one cell for a reader: thousands separated, missing as a dash, infinite as a sign."""
    cell = value if isinstance(value, float) and math.isinf(value) else plain_cell(value)
    if cell is None:
        return "–"
    if isinstance(cell, float):
        if math.isinf(cell):
            return "∞" if cell > 0 else "−∞"
        return f"{cell:,.4g}" if abs(cell) < 1 else f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def number_text(value: float) -> str:
    """Return an amount for a sentence."""
    return f"{value:,.2f}"
