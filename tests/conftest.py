"""Fixtures that every test file may use: the engines, and the data of the papers."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)  # the same examples in every run
settings.load_profile("fixed")

ENGINES = ["pandas", "pandas-arrow", "polars", "polars-lazy", "pyarrow", "duckdb", "ibis", "pyspark"]


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Return a small local Spark session in UTC."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java, and there is none on this machine")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    quick_start = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # optimising costs more than short tests save
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"--driver-java-options '{quick_start}' pyspark-shell")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark warns that it does not fully know pandas 3
        from pyspark.sql import SparkSession

        settings = {
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "1",
            "spark.default.parallelism": "1",
            "spark.ui.enabled": "false",
            "spark.sql.adaptive.enabled": "false",
            "spark.driver.host": "127.0.0.1",
        }
        builder = SparkSession.builder.master("local[1]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def to_engine(frame: pd.DataFrame, engine: str, request: pytest.FixtureRequest) -> Any:
    """Return the pandas frame in another engine."""
    if engine == "pandas":
        return frame
    if engine == "pandas-arrow":
        return frame.convert_dtypes(dtype_backend="pyarrow")
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    if engine == "pyarrow":
        return table
    if engine.startswith("polars"):
        import polars as pl

        eager = pl.from_arrow(table)
        return eager.lazy() if engine == "polars-lazy" else eager
    if engine == "duckdb":
        import duckdb

        return duckdb.connect().from_arrow(table)
    if engine == "ibis":
        import ibis

        return ibis.memtable(table)
    return request.getfixturevalue("spark").createDataFrame(table)


@pytest.fixture(params=ENGINES)
def as_engine(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame], Any]:
    """Return a function that turns a pandas frame into a frame of each engine in turn."""
    engine = request.param
    if engine == "pyspark":
        request.getfixturevalue("spark")
    return lambda frame: to_engine(frame, engine, request)


def to_pandas(frame: Any) -> pd.DataFrame:
    """Return a frame of any engine as pandas, for comparison."""
    import narwhals.stable.v2 as nw

    opened = nw.from_native(frame)
    table = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    return pd.DataFrame(table.to_dict(as_series=False))


@pytest.fixture(scope="session")
def cdnow_folder() -> Path:
    """Return the folder of the lifetimes package that holds the CDNOW data as plain text."""
    from importlib.util import find_spec

    spec = find_spec("lifetimes")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets"
