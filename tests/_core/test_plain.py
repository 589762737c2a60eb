"""Plain values: what JSON can hold, whatever kind of missing a frame has."""

import datetime as dt
import json

import numpy as np
import pandas as pd

from crmvalue._core.plain import plain


def test_values_of_every_kind_become_what_strict_json_takes():
    days = np.array(["2024-01-01", "NaT"], dtype="datetime64[s]")
    given = [
        pd.NaT,
        pd.Timestamp("2024-01-02 10:00"),
        dt.date(2024, 1, 3),
        np.nan,
        np.inf,
        np.int64(3),
        days,
        {1: (2.5,)},
    ]
    found = plain(given)
    assert found == [None, "2024-01-02", "2024-01-03", None, None, 3, ["2024-01-01", None], {"1": [2.5]}]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_frames_become_rows_with_none_for_each_kind_of_missing():
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "day": pd.to_datetime(["2024-01-01", None]),
            "name": ["a", None],
            "x": [0.5, np.nan],
        }
    )
    assert plain(frame) == [
        {"n": 1, "day": "2024-01-01", "name": "a", "x": 0.5},
        {"n": None, "day": None, "name": None, "x": None},
    ]
