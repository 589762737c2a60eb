"""The types that signatures use."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
AnyArray: TypeAlias = NDArray[Any]

Frame: TypeAlias = Any
"""A pandas, Polars (eager or lazy), PyArrow, DuckDB, Ibis or PySpark frame, as the user holds it."""

Day: TypeAlias = str | dt.date | dt.datetime | np.datetime64
"""A calendar day: an ISO text such as ``"1997-09-30"``, a date, or a time whose day is taken."""

TimeUnit: TypeAlias = Literal["day", "week", "month", "year"]
Period: TypeAlias = Literal["week", "month", "quarter", "year"]

DAYS_PER_UNIT: dict[str, float] = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
"""Length of each time unit in days; a month is a twelfth of a Julian year."""
