"""The one door to pandas, Polars, PyArrow, DuckDB, Ibis and PySpark frames.

Frames come in through `open_frame` and leave through `to_native` or `like`: the engine that came in goes out.
Eager frames (pandas, Polars, PyArrow) are turned into arrays once. Lazy ones (Polars lazy, DuckDB, Ibis, PySpark) are
described by Narwhals expressions that run inside the engine; what reaches Python is one row a customer, or less.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import narwhals
import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import keys
from crmvalue._core.checks import MOST_LABELS, require_columns
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

AnyFrame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]

EPOCH = dt.date(1970, 1, 1).toordinal()
NOT_A_FRAME = (
    "Pass a pandas, Polars or PyArrow table, a Polars lazy frame, a DuckDB relation, an Ibis table or a PySpark frame."
)


def open_frame(frame: Frame, *, argument: str = "frame", needs: Iterable[str] = ()) -> AnyFrame:
    """Return the user's frame as Narwhals sees it, after a look at its type and column names."""
    if isinstance(frame, (nw.DataFrame, nw.LazyFrame)):
        opened: AnyFrame = frame
    else:
        try:
            opened = nw.from_native(frame)
            names = list(frame.columns) if is_spark(opened) else column_names(opened)
        except TypeError:
            raise InputError(f"{argument}: got {type(frame).__name__}. {NOT_A_FRAME}") from None
        except nw.exceptions.DuplicateError:
            names = [str(name) for name in getattr(frame, "column_names", frame.columns)]
        twice = ", ".join(repr(name) for name in sorted(set(names), key=str) if names.count(name) > 1)
        if twice:
            raise InputError(f"{argument}: more than one column is named {twice}. Rename all but one.")
    require_columns(column_names(opened), needs, argument=argument)
    return opened


def column_names(frame: AnyFrame) -> list[str]:
    """Names of the columns, in order."""
    return frame.columns if isinstance(frame, nw.DataFrame) else list(frame.collect_schema().names())


def to_native(frame: AnyFrame) -> Frame:
    """Return the frame in the engine that it came in."""
    return nw.to_native(frame)


def is_spark(frame: AnyFrame) -> bool:
    """Whether the frame lives in Spark."""
    return frame.implementation.is_spark_like()


def collect(frame: AnyFrame) -> nw.DataFrame[Any]:
    """Return the rows of a lazy frame; an eager one as it is."""
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def one_row(frame: AnyFrame, **aggregates: nw.Expr) -> dict[str, Any]:
    """Values of a few aggregates over a frame, by name, in one pass of its engine."""
    return collect(frame.select(**aggregates)).rows(named=True)[0]


def count_rows(frame: AnyFrame) -> int:
    """Return the number of rows."""
    return len(frame) if isinstance(frame, nw.DataFrame) else int(one_row(frame, n=nw.len())["n"])


def count_true(frame: AnyFrame, conditions: Mapping[str, nw.Expr]) -> dict[str, int]:
    """Return how many rows meet each condition, in one pass."""
    found = one_row(frame, **{name: condition.cast(nw.Int64).sum() for name, condition in conditions.items()})
    return {name: int(count or 0) for name, count in found.items()}


def count_distinct_rows(frame: AnyFrame) -> int:
    """Return the number of distinct rows; columns of nested values are left aside."""
    nested = (nw.List, nw.Array, nw.Struct, nw.Unknown)
    plain = [name for name, kind in frame.collect_schema().items() if not isinstance(kind, nested)]
    if frame.implementation.is_pandas():
        return keys.count_distinct_rows(nw.to_native(frame)[plain])
    return count_rows(frame.select(*plain).unique())


def first_values(frame: AnyFrame, column: str, *, n: int = MOST_LABELS) -> list[Any]:
    """Return the first few values of a column, to name them in an error."""
    return collect(frame.select(column).head(n)).get_column(column).to_list()


def join(left: AnyFrame, right: AnyFrame, *, on: str | list[str], how: Literal["inner", "left", "anti"]) -> AnyFrame:
    """Join two frames of one engine."""
    return left.join(right, on=on, how=how)  # type: ignore[arg-type]


def to_arrays(frame: AnyFrame, columns: Sequence[str]) -> dict[str, AnyArray]:
    """Return columns as arrays: numbers float64 or int64 (NaN where missing), dates datetime64[D], text objects."""
    table = frame if isinstance(frame, nw.DataFrame) else collect(frame.select(*columns))  # a selection copies
    return {name: series_to_array(table.get_column(name)) for name in columns}


def plain_columns(frame: Frame, columns: Sequence[str]) -> list[AnyArray] | None:
    """Return columns of a pandas frame that hold NumPy's numbers; None for all else, which is to be opened first.

    To open a frame of a few thousand rows takes as long as to fit a model to it.
    """
    pandas = sys.modules.get("pandas")  # whoever passes a frame of it has loaded it
    if pandas is None or not isinstance(frame, pandas.DataFrame) or not frame.columns.is_unique:
        return None
    there = [frame[name] for name in columns if name in frame.columns]
    is_plain = all(isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf" for column in there)
    return [column.to_numpy() for column in there] if is_plain and len(there) == len(columns) else None


def series_to_array(series: nw.Series[Any]) -> AnyArray:
    """Return one eager column as an array; a time is cut to its day in the column's own time zone."""
    kind = series.dtype
    if kind == nw.Float64:
        return np.asarray(series.to_numpy(), dtype=float)
    if isinstance(kind, (nw.Date, nw.Datetime)):
        return series_to_days(series).astype("datetime64[D]")
    if kind.is_integer():
        values = series.to_numpy()
        return values if values.dtype.kind in "iu" else np.asarray(series.cast(nw.Float64).to_numpy(), dtype=float)
    if kind.is_numeric():
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=float)
    if kind == nw.Boolean and not series.null_count():
        return np.asarray(series.to_numpy(), dtype=bool)
    return np.array(series.to_list(), dtype=object)


def series_to_days(series: nw.Series[Any]) -> IntArray:
    """Day number (1970-01-01 is 0) of each date; a missing date is the smallest int64, as NumPy's NaT."""
    kind = series.dtype
    if isinstance(kind, nw.Datetime) and kind.time_zone is not None:
        series = series.dt.replace_time_zone(None)
    values = series.to_numpy()
    if values.dtype.kind != "M":
        values = np.array(series.to_list(), dtype="datetime64[D]")
    return values.astype("datetime64[D]", copy=False).view(np.int64)


def day_number(column: str) -> nw.Expr:
    """Day number (1970-01-01 is 0) of a date column, by arithmetic that every engine has."""
    past = nw.col(column).dt.year().cast(nw.Int64) - 1
    leap_days = (past / 4).floor() - (past / 100).floor() + (past / 400).floor()
    in_year = nw.col(column).dt.ordinal_day().cast(nw.Int64)
    return past * 365 + leap_days.cast(nw.Int64) + in_year - EPOCH


def date_number(frame: AnyFrame, column: str) -> nw.Expr:
    """Day number of a column of whole dates; Polars stores just that."""
    if frame.implementation.is_polars():
        return nw.col(column).cast(nw.Int32).cast(nw.Int64)
    return day_number(column)


def value_at_first(column: str, order_by: str) -> nw.Expr:
    """Aggregate: the value of `column` where `order_by` is lowest. Not on Spark."""
    return narwhals.col(column).first(order_by=order_by)  # type: ignore[return-value]  # not yet in the stable API


def distinct_rows(frame: AnyFrame, columns: Sequence[str]) -> tuple[dict[str, AnyArray], IntArray]:
    """Return the distinct rows of these columns, as arrays, and how often each occurs; counted in the engine."""
    counted = frame.group_by(*columns).agg(_crm_n=nw.len())
    arrays = to_arrays(counted, [*columns, "_crm_n"])
    counts = arrays.pop("_crm_n").astype(np.int64)
    order = np.lexsort([arrays[name] for name in reversed(columns)])
    return {name: values[order] for name, values in arrays.items()}, counts[order]


def compute_columns(
    frame: AnyFrame,
    inputs: Sequence[str],
    compute: Callable[..., Mapping[str, AnyArray]],
    *,
    keep: Sequence[str] | None = None,
) -> AnyFrame:
    """Return the frame with the columns that `compute` makes of the arrays of its input columns, row by row.

    Of its own columns only those to keep stay; by default all. In a lazy engine `compute` sees each distinct row of the
    inputs once, and its answers are joined on there. The inputs must have no missing value.
    """
    kept = column_names(frame) if keep is None else list(keep)
    if isinstance(frame, nw.DataFrame):
        return some_with_arrays(frame, kept, compute(*to_arrays(frame, inputs).values()))
    rows, _ = distinct_rows(frame, inputs)
    answers = compute(*rows.values())
    keys = {f"_crm_{name}": values for name, values in rows.items()}
    table = nw.from_native(like({**keys, **answers}, frame))
    some = frame.select(*kept, *(name for name in inputs if name not in kept))
    return some.join(table, left_on=list(inputs), right_on=list(keys), how="left").select(*kept, *answers)


def customer_codes(ids: nw.Series[Any]) -> tuple[IntArray, Callable[[IntArray], Any]]:
    """Code each customer of an eager column by an integer from 0, and return what turns codes back into ids.

    Whole-number ids that lie close together are their own codes, less the lowest: nothing is looked up.
    """
    if ids.dtype.is_integer():
        values = ids.to_numpy()
        lowest, highest = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        if highest - lowest < 4 * len(values) + 1_000_000:
            return (values - np.asarray(lowest, values.dtype)).astype(np.int64, copy=False), lambda code: code + lowest
    native, kind = nw.to_native(ids), ids.implementation
    if kind.is_pandas_like():
        return pandas_codes(native)
    if kind.is_pyarrow():
        found = keys.text_codes(native)
        if found:
            return found[0], lambda code: native.take(found[1][code])
        encoded = native.combine_chunks().dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.take
    uniques = native.unique()
    return native.replace_strict(uniques, np.arange(len(uniques))).to_numpy(), uniques.gather


def pandas_codes(ids: pd.Series) -> tuple[IntArray, Callable[[IntArray], Any]]:
    """Code the ids of a pandas column; texts held by Arrow are read from their buffer."""
    import pandas as pd

    texts = (
        getattr(ids.array, "__arrow_array__", None) if isinstance(ids.dtype, (pd.StringDtype, pd.ArrowDtype)) else None
    )
    found = keys.text_codes(texts()) if texts else None
    if found:
        return found[0], lambda code: ids.array.take(found[1][code])
    codes, uniques = pd.factorize(ids)
    return np.asarray(codes, dtype=np.int64), uniques.take


def with_arrays(frame: nw.DataFrame[Any], columns: Mapping[str, AnyArray]) -> nw.DataFrame[Any]:
    """Return an eager frame with these arrays as further columns."""
    namespace = frame.__native_namespace__()
    made = [nw.new_series(name, to_storable(values), backend=namespace) for name, values in columns.items()]
    if frame.implementation.is_pandas_like():
        native = nw.to_native(frame)
        made = [nw.from_native(nw.to_native(s).set_axis(native.index), series_only=True) for s in made]
    return frame.with_columns(*made)


def some_with_arrays(
    frame: nw.DataFrame[Any], kept: Sequence[str], columns: Mapping[str, AnyArray]
) -> nw.DataFrame[Any]:
    """Return some columns of an eager frame with these arrays as further ones; in pandas none is copied."""
    if frame.implementation.is_pandas():
        import pandas as pd

        native = nw.to_native(frame)
        shared = {name: native[name] for name in kept}
        made = {name: to_storable(values) for name, values in columns.items()}
        return nw.from_native(pd.DataFrame({**shared, **made}, index=native.index, copy=False))
    index = kept or frame.columns[:1]  # a selection of no column has no rows
    return with_arrays(frame.select(*index), columns).select(*kept, *columns)


def to_storable(values: AnyArray) -> Any:
    """Return an array in a form that every eager engine stores: whole days as they are, objects as lists."""
    values = np.asarray(values)
    return values.tolist() if values.dtype.kind == "O" else values


def like(columns: Mapping[str, Any], model: AnyFrame) -> Frame:
    """Return a native frame of these arrays in the engine of `model`; NaN in a float array is a missing value."""
    kind = model.implementation
    if kind.is_pandas():
        import pandas as pd

        return pd.DataFrame({name: pandas_storable(values) for name, values in columns.items()}, copy=False)
    if kind.is_polars():
        import polars as pl

        table = pl.DataFrame({name: polars_storable(values) for name, values in columns.items()}, nan_to_null=True)
        return table.lazy() if isinstance(model, nw.LazyFrame) else table
    arrays = arrow_table(columns)
    if kind.is_pyarrow():
        return arrays
    if kind.is_duckdb():
        return nw.to_native(model).query("_crm_model", "SELECT * FROM arrays")  # on the connection of `model`
    if kind.is_ibis():
        import ibis

        return ibis.memtable(arrays)
    if kind.is_spark_like():
        return nw.to_native(model).sparkSession.createDataFrame(arrays)
    raise InputError(f"frame: engine {kind} is not supported. {NOT_A_FRAME}")


def pandas_storable(values: Any) -> Any:
    """Days become the seconds that pandas stores."""
    is_day = isinstance(values, np.ndarray) and values.dtype.kind == "M"
    return values.astype("datetime64[s]") if is_day else values


def polars_storable(values: Any) -> Any:
    """Objects become lists, from which Polars infers a type."""
    is_object = isinstance(values, np.ndarray) and values.dtype.kind == "O"
    return values.tolist() if is_object else values


def arrow_table(columns: Mapping[str, Any]) -> Any:
    """Return a PyArrow table of these arrays; NaN in a float array is a missing value."""
    import pyarrow as pa

    return pa.table(
        {
            name: pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values
            for name, values in columns.items()
        }
    )


def as_float(values: Any) -> Array:
    """Return array-likes and frame columns as float64."""
    return np.asarray(values, dtype=np.float64)
