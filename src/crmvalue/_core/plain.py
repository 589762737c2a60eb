"""How results turn into a pandas frame, and into plain values that JSON can hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames

if TYPE_CHECKING:
    import pandas as pd


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
    names = [field.name for field in dataclasses.fields(result)]
    names += ["assumptions"] if hasattr(result, "assumptions") and "assumptions" not in names else []
    return {name: plain(getattr(result, name)) for name in names}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: days as ISO text, missing and infinite numbers as None."""
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return [plain(one) for one in (value.astype("datetime64[D]") if value.dtype.kind == "M" else value).tolist()]
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[D]"))
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, dt.date):
        return None if value != value else value.isoformat()[:10]
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return value.to_dict() if hasattr(value, "to_dict") else as_dict(value)
    if isinstance(nw.from_native(value, pass_through=True), nw.DataFrame | nw.LazyFrame):
        return records(table_to_pandas(value))
    return str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dict a row, of plain values."""
    columns = [
        [
            None if is_gone else plain(value)
            for value, is_gone in zip(values.tolist(), values.isna().tolist(), strict=True)
        ]
        for _, values in table.items()
    ]
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in zip(*columns, strict=True)]
