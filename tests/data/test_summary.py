"""Summaries: published data, an oracle in plain Python, and the same numbers on every engine."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue._core.types import DAYS_PER_UNIT
from crmvalue.data.summary import SUMMARY_COLUMNS, summarize_customers
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError


def random_rows(seed: int, n: int = 300, *, refunds: bool = True) -> pd.DataFrame:
    """Return random purchases, some on the same day, some refunds, one customer with refunds alone."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "customer_id": rng.integers(1, 50, n),
            "date": (np.datetime64("2024-01-01", "h") + rng.integers(0, 24 * 90, n)).astype("datetime64[us]"),
            "amount": np.round(rng.normal(20, 15 if refunds else 2, n), 2),
        }
    )
    alone = pd.DataFrame({"customer_id": [99], "date": [np.datetime64("2024-02-02", "us")], "amount": [-4.0]})
    return pd.concat([rows, alone], ignore_index=True) if refunds else rows


def plain_summary(rows: pd.DataFrame, end: str, unit: str) -> pd.DataFrame:
    """Return the summary by the definitions, one customer at a time."""
    last = pd.Timestamp(end)
    rows = rows.assign(date=pd.to_datetime(rows["date"]).dt.normalize())
    out = []
    for customer, lines in rows[rows["date"] <= last].groupby("customer_id"):
        days = sorted(set(lines.loc[lines["amount"] >= 0, "date"]))
        if not days:
            continue
        repeat = lines.loc[lines["date"] > days[0], "amount"].sum()
        per = DAYS_PER_UNIT[unit]
        out.append(
            {
                "customer_id": customer,
                "frequency": len(days) - 1,
                "recency": (days[-1] - days[0]).days / per,
                "T": (last - days[0]).days / per,
                "monetary_value": repeat / (len(days) - 1) if len(days) > 1 else np.nan,
                "purchases": len(days),
                "total_spend": lines["amount"].sum(),
                "first_purchase": days[0],
                "last_purchase": days[-1],
                "days_since_last": (last - days[-1]).days,
            }
        )
    return pd.DataFrame(out)


def tidy(frame: object) -> pd.DataFrame:
    """Return a summary of any engine sorted, with plain types."""
    table = to_pandas(frame).sort_values("customer_id", ignore_index=True)
    for column in ("first_purchase", "last_purchase"):
        table[column] = pd.to_datetime(table[column]).astype("datetime64[us]")
    return table


@pytest.mark.parametrize("end", ["2024-02-20", "2024-03-30", "2024-06-30"])
@pytest.mark.parametrize("unit", ["day", "month"])
def test_every_engine_gives_the_summary_of_the_definitions(as_engine, end, unit):
    rows = random_rows(3)
    summary = summarize_customers(prepare_transactions(as_engine(rows)), observation_end=end, time_unit=unit)
    assert type(summary.frame) is type(as_engine(rows))
    assert str(summary.observation_end) == end
    table = tidy(summary.frame)
    assert list(table.columns) == list(SUMMARY_COLUMNS)
    expected = tidy(plain_summary(rows, end, unit))
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-12)


@pytest.mark.parametrize("unit", ["day", "month"])
def test_log_gaps_are_the_sums_of_logarithms_of_gaps_on_every_engine(as_engine, unit):
    rows = random_rows(7)
    end = "2024-03-10"
    prepared = prepare_transactions(as_engine(rows))
    summary = summarize_customers(prepared, observation_end=end, time_unit=unit, log_gaps=True)
    table = tidy(summary.frame)
    assert list(table.columns) == [*SUMMARY_COLUMNS, "log_gaps"]
    bought = rows[(rows["amount"] >= 0) & (rows["date"] < "2024-03-11")]
    for customer, sum_of_logs in zip(table["customer_id"], table["log_gaps"], strict=True):
        days = sorted(set(bought.loc[bought["customer_id"] == customer, "date"].dt.normalize()))
        gaps = [(b - a).days / DAYS_PER_UNIT[unit] for a, b in pairwise(days)]
        assert sum_of_logs == pytest.approx(sum(math.log(gap) for gap in gaps), rel=1e-12, abs=1e-12)


def test_text_ids_and_sparse_ids_give_the_same_numbers_on_every_engine(as_engine):
    rows = random_rows(4)
    reference = tidy(summarize_customers(rows).frame).drop(columns="customer_id")
    for ids in (rows["customer_id"].map("c{:02d}".format), rows["customer_id"].astype("int64") * 10**15):
        named = rows.assign(customer_id=ids)
        table = tidy(summarize_customers(prepare_transactions(as_engine(named))).frame)
        pd.testing.assert_frame_equal(table.drop(columns="customer_id"), reference, check_dtype=False, rtol=1e-12)
        assert set(table["customer_id"]) <= set(ids)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_cents_survive_beside_enormous_amounts_on_every_engine(as_engine, n):
    rows = pd.DataFrame(
        {
            "customer_id": ["a"] * 3 * n,
            "date": ["2024-01-01", "2024-01-02", "2024-01-03"] * n,
            "amount": [1e15, 0.01, 0.03] * n,
        }
    )
    table = to_pandas(summarize_customers(prepare_transactions(as_engine(rows))).frame)
    assert table["monetary_value"].tolist() == pytest.approx([0.02 * n], rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), end=st.sampled_from(["2024-01-15", "2024-03-01", "2024-12-31"]))
def test_random_histories_agree_with_the_definitions(seed, end):
    rows = random_rows(seed, n=120)
    summary = summarize_customers(rows, observation_end=end, time_unit="week")
    pd.testing.assert_frame_equal(tidy(summary.frame), tidy(plain_summary(rows, end, "week")), check_dtype=False)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_neither_row_order_nor_split_lines_nor_the_hour_matter(seed):
    rows = random_rows(seed, n=60, refunds=False)
    halves = pd.concat([rows.assign(amount=rows["amount"] / 2)] * 2).sample(frac=1, random_state=seed)
    halves["date"] = halves["date"].dt.normalize()
    end = "2024-04-30"
    left, right = (tidy(summarize_customers(x, observation_end=end).frame) for x in (rows, halves))
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_total_spend_adds_up_to_all_amounts_of_customers():
    rows = random_rows(8)
    kept = rows[rows.groupby("customer_id")["amount"].transform("max") >= 0]  # the others have refunds alone
    assert summarize_customers(rows).frame["total_spend"].sum() == pytest.approx(kept["amount"].sum(), abs=1e-9)


def test_summary_of_cdnow_equals_the_published_one(cdnow_folder):
    raw = pd.read_csv(
        cdnow_folder / "CDNOW_sample.txt", sep=r"\s+", header=None, names=["_", "id", "day", "cds", "paid"]
    )
    raw["day"] = pd.to_datetime(raw["day"].astype(str), format="%Y%m%d")
    prepared = prepare_transactions(raw, customer_id="id", date="day", amount="paid")
    ours = summarize_customers(prepared, observation_end="1997-09-30", time_unit="week").frame.sort_values(
        "customer_id"
    )
    published = pd.read_csv(cdnow_folder / "cdnow_customers_summary.csv", index_col=0)
    assert len(ours) == len(published) == 2357
    assert ours["frequency"].tolist() == published["frequency"].tolist()
    assert ours["recency"].to_numpy() == pytest.approx(
        published["recency"].to_numpy(), abs=0.006
    )  # printed to 2 digits
    assert ours["T"].to_numpy() == pytest.approx(published["T"].to_numpy(), abs=0.006)


def test_summary_agrees_with_lifetimes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.utils import summary_data_from_transaction_data

        rows = random_rows(5, refunds=False)
        theirs = summary_data_from_transaction_data(
            rows, "customer_id", "date", "amount", observation_period_end="2024-04-30", freq="D"
        )
    ours = summarize_customers(rows, observation_end="2024-04-30").frame.set_index("customer_id")
    for column in ("frequency", "recency", "T"):
        assert ours[column].to_numpy() == pytest.approx(theirs[column].to_numpy())
    repeat = ours["frequency"] > 0  # lifetimes says 0 where nothing is known
    assert ours.loc[repeat, "monetary_value"].to_numpy() == pytest.approx(
        theirs.loc[repeat, "monetary_value"].to_numpy()
    )


def test_all_customers_with_one_purchase_have_no_monetary_value():
    rows = pd.DataFrame({"customer_id": [1, 2], "date": ["2024-01-01", "2024-01-02"], "amount": [5.0, 6.0]})
    frame = summarize_customers(rows).frame
    assert frame["frequency"].tolist() == [0, 0]
    assert frame["monetary_value"].isna().all()


def test_one_customer_with_one_purchase_is_summarised():
    rows = pd.DataFrame({"customer_id": ["only"], "date": ["2024-01-01"], "amount": [5.0]})
    frame = summarize_customers(rows).frame
    assert frame[["customer_id", "frequency", "T"]].values.tolist() == [["only", 0, 0.0]]


def test_observation_end_before_the_first_purchase_is_refused(as_engine):
    rows = as_engine(random_rows(1))
    with pytest.raises(InputError, match=r"observation_end: 2023-12-31 is before the first purchase \(2024-01-0\d\)"):
        summarize_customers(prepare_transactions(rows), observation_end="2023-12-31")


@pytest.mark.parametrize("unit", ["days", "quarter", None])
def test_an_unknown_time_unit_is_refused(unit):
    with pytest.raises(InputError, match="time_unit: got .* Use one of 'day', 'week', 'month', 'year'"):
        summarize_customers(random_rows(1), time_unit=unit)
