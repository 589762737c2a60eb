"""Columns as users have them: dates, numbers and ids, read or refused with a remedy."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_rows, rows_message
from crmvalue._core.frames import AnyFrame, collect, first_values, with_arrays
from crmvalue.errors import InputError

ISO_DATE = r"^\d{4}[-/]\d{2}[-/]\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$"
ISO_DATE_WITH_OFFSET = r"^\d{4}[-/]\d{2}[-/]\d{2}[T ].*(?:Z|[+-]\d{2}:?\d{2})$"
WRITTEN_AMOUNT = r"^\s*-?[^\d.,-]*-?\d{1,3}(?:,\d{3})*(?:\.\d+)?\s*[^\d.,]*$"  # ¥1,234 or 1,234.50 USD, not 1.234,50
STRIPPED = "frame[column].str.replace('[^0-9.-]', '', regex=True).astype(float)"


def read_dates(frame: AnyFrame, column: str, *, argument: str = "date") -> tuple[AnyFrame, str | None]:
    """Return the frame with `column` as dates (missing where unreadable), and its time zone if it has one."""
    kind = frame.collect_schema()[column]
    if isinstance(kind, nw.Date):
        return frame, None
    if isinstance(kind, nw.Datetime):
        return frame, kind.time_zone
    if kind in (nw.String, nw.Categorical, nw.Object) or isinstance(kind, nw.Enum):
        if isinstance(frame, nw.DataFrame):
            return read_date_objects(frame, column, argument), None
        return read_date_text(frame, column, argument), None
    if kind == nw.Unknown and frame.implementation.is_pandas():
        native = nw.to_native(frame)
        zone = getattr(native[column].dtype, "tz", None)
        if zone is not None:  # Narwhals does not know names of zones such as America/New_York
            return nw.from_native(native.assign(**{column: native[column].dt.tz_localize(None)})), str(zone)
    raise InputError(
        f"{argument}: column {column!r} holds {kind}, not dates. Convert it first, for example with "
        "pandas.to_datetime(frame[column], format='%Y%m%d')."
    )


def read_date_objects(frame: nw.DataFrame[Any], column: str, argument: str) -> nw.DataFrame[Any]:
    """Read an eager column of ISO texts, Python dates and times as days; more than one time zone is refused."""
    values = frame.get_column(column).to_list()
    refuse_offsets(
        [value for value in values if isinstance(value, str) and re.match(ISO_DATE_WITH_OFFSET, value)],
        argument,
    )
    times = [(row, value) for row, value in enumerate(values) if isinstance(value, dt.datetime)]
    zones = {str(value.tzinfo) for _, value in times if value == value}
    if len(zones) > 1:
        rows = [row for row, _ in times]
        found = f"mixed time zones ({', '.join(sorted(zones))})"
        raise InputError(
            rows_message(argument, found, len(rows), len(values), rows, "Convert all times to one zone first.")
        )
    days: dict[Any, np.datetime64] = {}
    for value in values:
        if value not in days:
            days[value] = parse_day(value)
    return with_arrays(frame, {column: np.array([days[value] for value in values], dtype="datetime64[D]")})


def parse_day(value: Any) -> np.datetime64:
    """Day of a Python date, time or ISO text; NaT when it is none."""
    if isinstance(value, str):
        value = value.strip()[:10].replace("/", "-") if re.match(ISO_DATE, value.strip()) else "NaT"
    elif isinstance(value, dt.datetime):
        value = value.date()
    elif not isinstance(value, (dt.date, np.datetime64)):
        value = "NaT"
    try:
        return np.datetime64(value, "D")
    except ValueError:
        return np.datetime64("NaT", "D")


def refuse_offsets(examples: Sequence[str], argument: str) -> None:
    """Raise InputError if there are texts with a UTC offset."""
    if examples:
        raise InputError(
            f"{argument}: times with a UTC offset as text ({', '.join(map(repr, examples[:3]))}). The day of purchase "
            "would depend on the zone: convert the column to dates in one time zone first."
        )


def read_date_text(frame: AnyFrame, column: str, argument: str) -> AnyFrame:
    """Read a lazy column of ISO texts (2011-12-31, 2011/12/31, with or without a time) as days; else missing."""
    text = nw.col(column).cast(nw.String).str.strip_chars()
    zoned = frame.filter(text.str.contains(ISO_DATE_WITH_OFFSET)).select(nw.col(column).cast(nw.String)).head(3)
    refuse_offsets(collect(zoned).get_column(column).to_list(), argument)
    iso = text.str.contains(ISO_DATE)
    parts = {"_crm_year": (0, 4), "_crm_month": (5, 2), "_crm_day": (8, 2)}
    frame = frame.with_columns(
        _crm_text=nw.when(iso).then(text.str.slice(0, 10).str.replace_all("/", "-", literal=True))
    ).with_columns(**{name: nw.col("_crm_text").str.slice(*place).cast(nw.Int64) for name, place in parts.items()})
    year, month, day = (nw.col(name) for name in parts)
    leap = ((year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))).cast(nw.Int64)
    february = (month == 2).cast(nw.Int64)
    short = ((month == 4) | (month == 6) | (month == 9) | (month == 11)).cast(nw.Int64)
    real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31 - short - february * (3 - leap)) & (year >= 1)
    parsed = nw.when(real).then(nw.col("_crm_text")).str.to_date(format="%Y-%m-%d").alias(column)
    return frame.with_columns(parsed).drop("_crm_text", *parts)


def read_numbers(frame: AnyFrame, column: str, *, argument: str) -> AnyFrame:
    """Return the frame with `column` as float64; text in it is an error that names the rows."""
    kind = frame.collect_schema()[column]
    if kind == nw.Float64:
        return frame
    if kind.is_numeric():
        return frame.with_columns(nw.col(column).cast(nw.Float64))
    way = "frame[column].astype(float)" if kind == nw.Boolean else "pandas.to_numeric(frame[column])"
    remedy = f"Convert it to numbers first, for example with {way}."
    if kind == nw.Object and isinstance(frame, nw.DataFrame):
        values = frame.get_column(column).to_list()
        missing = np.array([value is None or value != value for value in values])
        numeric = np.array([isinstance(value, (int, float, Decimal, np.number)) for value in values])
        labels = np.array([repr(value) for value in values], dtype=object)
        require_rows(missing | numeric, argument, "text or other things than numbers", remedy, labels=labels)
        numbers = [float(value) if ok else np.nan for value, ok in zip(values, numeric, strict=True)]
        return with_arrays(frame, {column: np.array(numbers)})
    if kind == nw.Unknown and isinstance(frame, nw.DataFrame):  # a column of nothing but missing values
        return frame.with_columns(nw.col(column).cast(nw.Float64))
    values = first_values(frame.filter(~nw.col(column).is_null()), column, n=3)
    if values and all(isinstance(value, str) and re.match(WRITTEN_AMOUNT, value) for value in values):
        remedy = f"Convert it to numbers first, for example with {STRIPPED}."  # pandas.to_numeric cannot read these
    examples = ", ".join(map(repr, values)) or "all missing"
    raise InputError(f"{argument}: column holds {kind}, not numbers ({examples}). {remedy}")


def refuse_mixed_ids(frame: AnyFrame, column: str, *, argument: str) -> None:
    """Raise InputError if an eager column mixes ids of several types, such as 17 and "17"."""
    if not isinstance(frame, nw.DataFrame) or frame.collect_schema()[column] != nw.Object:
        return
    values = frame.get_column(column).to_list()
    kinds = np.array(
        ["" if value is None or value != value else type(value).__name__ for value in values], dtype=object
    )
    names = sorted(set(kinds.tolist()) - {""})
    if len(names) > 1:
        rows = np.flatnonzero((kinds != kinds[kinds != ""][0]) & (kinds != "")).tolist()
        text = f"ids of several types ({', '.join(names)})"
        remedy = "Convert them to one, for example with frame[column].astype(str)."
        raise InputError(rows_message(argument, text, len(rows), len(values), rows, remedy))
