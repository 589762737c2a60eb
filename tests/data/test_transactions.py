"""Transactions: every row is used or counted, and bad input is named."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.data.transactions import LOSSES, prepare_transactions
from crmvalue.errors import InputError

ROWS = pd.DataFrame(
    {
        "customer_id": [1.0, 1.0, None, 2.0, 2.0, 3.0, 1.0, 4.0],
        "date": pd.to_datetime(
            ["2024-01-01", "2024-01-09", "2024-01-02", None, "2024-02-02", "2024-02-03", "2024-01-01", "2024-03-01"]
        ).astype("datetime64[us]"),
        "amount": [10.0, 0.0, 5.0, 6.0, np.inf, 7.0, 10.0, -8.0],
    }
)


def frame(**columns: object) -> pd.DataFrame:
    """Return two good rows with some columns replaced."""
    return pd.DataFrame({"customer_id": [1, 2], "date": ["2024-01-01", "2024-01-02"], "amount": [1.0, 2.0]} | columns)


def test_each_row_is_used_or_counted_once_on_every_engine(as_engine):
    prepared = prepare_transactions(as_engine(ROWS))
    audit = prepared.audit
    assert (audit.rows_in, audit.missing_customer, audit.missing_date, audit.invalid_amount) == (8, 1, 1, 1)
    assert (audit.duplicate_rows, audit.zero_amounts, audit.negative_amounts, audit.rows_out) == (1, 1, 1, 5)
    assert (audit.refund_only_customers, audit.largest_amount) == (1, 10.0)
    assert (str(audit.first_day), str(audit.last_day)) == ("2024-01-01", "2024-03-01")
    out = to_pandas(prepared.frame)
    assert list(out.columns) == ["customer_id", "date", "amount"]
    assert sorted(out["amount"]) == [-8.0, 0.0, 7.0, 10.0, 10.0]
    assert type(prepared.frame) is type(as_engine(ROWS))


def test_iso_texts_are_read_alike_on_every_engine(as_engine):
    texts = ["2024-02-29", "2023-02-29", "2024/03/01", "2024-04-31", "2024-12-31T23:59", "31/12/2024", "", "1900-02-29"]
    raw = pd.DataFrame({"customer_id": range(8), "date": texts, "amount": [float(i) for i in range(8)]})
    prepared = prepare_transactions(as_engine(raw))
    assert prepared.audit.missing_date == 5
    days = to_pandas(prepared.frame).set_index("amount")["date"].map(lambda day: str(pd.Timestamp(day).date()))
    assert days.to_dict() == {0.0: "2024-02-29", 2.0: "2024-03-01", 4.0: "2024-12-31"}


def test_the_window_is_counted_on_every_engine(as_engine):
    raw = pd.DataFrame(
        {"customer_id": ["a"] * 4, "date": [f"2024-01-0{d}" for d in (1, 2, 3, 4)], "amount": [1.0, 2.0, 3.0, 4.0]}
    )
    prepared = prepare_transactions(as_engine(raw), start="2024-01-02", end=dt.date(2024, 1, 3))
    assert (prepared.audit.before_window, prepared.audit.after_window, prepared.audit.rows_out) == (1, 1, 2)
    assert sorted(to_pandas(prepared.frame)["amount"]) == [2.0, 3.0]


def test_discounts_within_an_order_are_no_refunds_on_any_engine(as_engine):
    raw = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b"],
            "date": ["2024-01-01"] * 4,
            "amount": [10.0, -3.0, -7.0, -2.0],
            "order_id": ["o1", "o1", "o2", None],
        }
    )
    prepared = prepare_transactions(as_engine(raw), order_id="order_id", refunds="drop")
    assert prepared.audit.refunds_dropped == 2
    assert sorted(to_pandas(prepared.frame)["amount"]) == [-3.0, 10.0]


def test_duplicates_are_dropped_on_request_on_every_engine(as_engine):
    prepared = prepare_transactions(as_engine(ROWS), duplicates="drop")
    assert (prepared.audit.duplicates_dropped, prepared.audit.rows_out) == (1, 4)


def test_rows_that_differ_in_a_column_that_is_not_ours_are_no_duplicates():
    assert (
        prepare_transactions(
            frame(customer_id=[1, 1], date=["2024-01-01"] * 2, amount=[1.0, 1.0], item=[1, 2])
        ).audit.duplicate_rows
        == 0
    )


def test_kept_columns_and_the_order_come_out_in_their_order(as_engine):
    raw = frame(region=["north", "south"], invoice=["x", "y"])
    prepared = prepare_transactions(as_engine(raw), order_id="invoice", keep=["region"])
    assert list(to_pandas(prepared.frame).columns) == ["customer_id", "date", "amount", "order_id", "region"]


def test_the_input_is_never_changed():
    raw = ROWS.copy()
    prepare_transactions(raw, duplicates="drop", refunds="drop")
    pd.testing.assert_frame_equal(raw, ROWS)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "", None]),
            st.sampled_from(["2024-01-01", "2024-01-05", "not a day", None]),
            st.sampled_from([1.0, 0.0, -2.0, np.nan, np.inf]),
        ),
        min_size=1,
        max_size=30,
    ),
    refunds=st.sampled_from(["net", "drop"]),
    duplicates=st.sampled_from(["keep", "drop"]),
)
def test_rows_in_are_rows_out_plus_the_losses(rows, refunds, duplicates):
    raw = pd.DataFrame(rows, columns=["customer_id", "date", "amount"]).astype({"amount": float})
    try:
        prepared = prepare_transactions(raw, refunds=refunds, duplicates=duplicates, end="2024-01-03")
    except InputError as error:
        assert "none of" in str(error) or "not dates" in str(error)  # noqa: PT017 both outcomes are lawful
        return
    audit = prepared.audit
    assert audit.rows_in == len(raw) == audit.rows_out + sum(getattr(audit, name) for name in LOSSES)
    assert len(prepared.frame) == audit.rows_out


def test_the_audit_prints_as_a_table():
    table = prepare_transactions(ROWS).audit.to_frame().set_index("rule")["rows"]
    assert table["rows_in"] == 8
    assert table["missing_customer"] == 1


def test_times_with_a_zone_count_by_the_calendar_of_that_zone():
    times = pd.to_datetime(["2024-01-01 23:30", "2024-01-02 00:30"]).tz_localize("Europe/Berlin")
    audit = prepare_transactions(frame(date=times)).audit
    assert audit.time_zone == "Europe/Berlin"
    assert (str(audit.first_day), str(audit.last_day)) == ("2024-01-01", "2024-01-02")


@pytest.mark.parametrize("zone", ["America/New_York", "America/Port-au-Prince", "Etc/GMT+5", "UTC"])
def test_days_of_every_time_zone_are_those_of_its_calendar(zone):
    times = pd.Series(pd.to_datetime(["2024-01-01 23:30", "2024-07-02 00:30"]).tz_localize(zone))
    found = prepare_transactions(pd.DataFrame({"customer_id": [1, 2], "date": times, "amount": [1.0, 2.0]}))
    assert found.audit.time_zone == zone
    assert [str(day)[:10] for day in found.frame["date"]] == ["2024-01-01", "2024-07-02"]


def test_python_dates_and_decimal_amounts_are_read():
    from decimal import Decimal

    raw = frame(date=[dt.date(2024, 1, 1), dt.datetime(2024, 1, 2, 5)], amount=[Decimal("1.25"), Decimal("2")])
    prepared = prepare_transactions(raw.astype({"date": object, "amount": object}))
    assert prepared.frame["amount"].tolist() == [1.25, 2.0]
    assert str(prepared.audit.last_day) == "2024-01-02"


BAD = {
    "an empty frame": (frame().iloc[:0], {}, "frame: it has no rows"),
    "a list": ([1, 2], {}, "frame: got list"),
    "a missing column": (frame().rename(columns={"amount": "Amuont"}), {}, "'amount' is missing. Did you mean 'Amu"),
    "text amounts": (frame(amount=["12,50", "n/a"]), {}, r"amount: .*'12,50'"),
    "mixed amounts": (frame(amount=pd.Series([1.0, "x"], dtype=object)), {}, "amount: text .* in 1 of 2 rows"),
    "integer dates": (frame(date=[20240101, 20240102]), {}, "date: column 'date' holds Int64, not dates"),
    "unreadable dates": (frame(date=["1.2.2024", "soon"]), {}, "none of 2 rows .*missing date 2"),
    "mixed zones": (
        frame(date=pd.Series([pd.Timestamp("2024-01-01", tz=zone) for zone in ("UTC", "Asia/Tokyo")], dtype=object)),
        {},
        "date: mixed time zones .* in 2 of 2 rows",
    ),
    "offsets as text": (frame(date=["2024-01-01T00:00:00+01:00", "2024-01-02"]), {}, "date: times with a UTC offset"),
    "mixed ids": (frame(customer_id=pd.Series([1, "1"], dtype=object)), {}, "customer_id: ids of several types"),
    "no ids": (frame(customer_id=[None, None]), {}, "none of 2 rows .*missing customer 2"),
    "refunds refused": (frame(amount=[1, -2]), {"refunds": "raise"}, r"amount: refunds in 1 of 2 rows \(customer 2\)"),
    "an unknown option": (frame(), {"refunds": "ignore"}, "refunds: got 'ignore'. Use one of"),
    "a bad window": (frame(), {"start": "someday"}, "start: got 'someday'"),
    "a column twice": (frame(), {"date": "amount"}, "names a column twice"),
    "a kept column of our name": (frame(), {"keep": ["amount"]}, "keep: 'amount' is the name of a column"),
    "equal names": (frame().set_axis(["customer_id", "date", "date"], axis=1), {}, "more than one column .* 'date'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_its_remedy(case):
    raw, options, message = BAD[case]
    with pytest.raises(InputError, match=message):
        prepare_transactions(raw, **options)


@pytest.mark.parametrize("column", ["customer_id", "date", "amount"])
def test_a_missing_column_is_named_on_every_engine(as_engine, column):
    with pytest.raises(InputError, match=f"column {column!r} is missing"):
        prepare_transactions(as_engine(frame().drop(columns=column)))


def test_text_amounts_are_an_error_on_every_engine(as_engine):
    with pytest.raises(InputError, match="amount: column holds String, not numbers"):
        prepare_transactions(as_engine(frame(amount=["1", "2"])))


def test_a_foreign_column_named_like_one_of_ours_stays_aside():
    raw = frame().assign(client=["x", "y"])
    assert prepare_transactions(raw, customer_id="client").frame["customer_id"].tolist() == ["x", "y"]


@pytest.mark.parametrize("engine", ["pyarrow", "pyspark"])
def test_equal_column_names_are_refused_where_the_engine_allows_them(engine, request):
    import pyarrow as pa

    table = pa.table([["a"], ["2024-01-01"], ["2024-01-02"]], names=["customer_id", "date", "date"])
    if engine == "pyspark":
        spark = request.getfixturevalue("spark")
        table = spark.createDataFrame([("a", "2024-01-01", "2024-01-02")], ["customer_id", "date", "day"])
        table = table.withColumnRenamed("day", "date")
    with pytest.raises(InputError, match="more than one column is named 'date'"):
        prepare_transactions(table)
