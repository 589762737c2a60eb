"""Result tables as files: CSV for spreadsheets, in which no cell can turn into a formula, and Parquet as it is."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from crmvalue.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"^[\s\0]*[=+\-−@＝＋－＠]|^[\t\r\n]")  # what spreadsheets may read as a formula
BYTE_ORDER_MARK = "\ufeff"  # tells spreadsheets that the text is UTF-8
LINE_END = "\r\n"  # as RFC 4180 has it; a cell that holds either character is then put in quotes


def spreadsheet_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV that is safe to open in a spreadsheet.

    Parameters
    ----------
    frame : pandas.DataFrame
        Any table; its index is left out.

    Returns
    -------
    str
        CSV with a byte order mark. Text cells and column names that a spreadsheet may read as a formula (they begin
        with = + - @, a tab or a line break) begin with an apostrophe. Numbers stay numbers, negative ones too.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"name": ["=1+1", "Ann"], "change": [-2.5, 1.0]})
    >>> spreadsheet_csv(table).removeprefix(BYTE_ORDER_MARK).splitlines()
    ['name,change', "'=1+1,-2.5", 'Ann,1.0']
    """
    import pandas as pd

    columns = [harmless(values) if holds_text(values) else values for _, values in frame.items()]
    safe = pd.concat(columns, axis=1) if columns else frame
    names = [harmless_cell(str(name)) for name in frame.columns]
    return BYTE_ORDER_MARK + safe.to_csv(index=False, header=names, lineterminator=LINE_END)


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as a Parquet file, its cells as they are.

    Parameters
    ----------
    frame : pandas.DataFrame
        Any table; its index is left out.

    Returns
    -------
    bytes
        What a `.parquet` file holds.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "pyarrow: is not installed, and Parquet files need it. Run: pip install 'crmvalue[report]'"
        ) from error
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def holds_text(values: pd.Series[Any]) -> bool:
    """Whether a column may hold text: it is neither of numbers, nor of booleans, nor of dates."""
    from pandas.api import types

    return not (
        types.is_numeric_dtype(values.dtype)
        or types.is_bool_dtype(values.dtype)
        or types.is_datetime64_any_dtype(values.dtype)
    )


def harmless(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column whose text cells are harmless; cells of another kind stay."""
    return values.astype(object).map(harmless_cell)


def harmless_cell(value: Any) -> Any:
    """Return a text with an apostrophe before what may be a formula; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
