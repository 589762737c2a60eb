"""Profiles by any columns: parts add up to the whole on every engine, and cross-tables to the parts."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue._core.frames import like, open_frame
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from crmvalue.segmentation import (
    SEGMENT_RULES,
    cross_table,
    sales_profile,
    score_rfm,
    segment_customers,
    segment_profile,
)
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=25)
RNG = np.random.default_rng(3)
N = 80
SUMMARY = pd.DataFrame(
    {
        "customer_id": [f"c{k:02}" for k in range(N)],
        "days_since_last": RNG.integers(0, 300, N),
        "purchases": RNG.geometric(0.4, N),
        "total_spend": np.round(RNG.gamma(0.7, 90, N), 2),
    }
)
ATTRIBUTES = pd.DataFrame(
    {
        "customer_id": SUMMARY["customer_id"].iloc[:-5],  # five customers without attributes
        "region": RNG.choice(["north", "south"], N - 5),
        "worth": RNG.gamma(1.0, 50, N - 5),
    }
)
SALES = pd.DataFrame(
    {
        "customer_id": RNG.choice(["c01", "c02", "c03", "c99"], 120),
        "date": np.datetime64("2024-01-01") + RNG.integers(0, 90, 120),
        "amount": np.round(RNG.normal(30, 25, 120), 2),  # some are refunds
        "category": RNG.choice(["tea", "pots"], 120),
    }
)


def beside(frame, other, as_engine):
    """Return a pandas frame in the engine of another frame; in DuckDB, also on its connection."""
    model = open_frame(other)
    if model.implementation.is_duckdb():
        return like({name: frame[name].to_numpy() for name in frame.columns}, model)
    return as_engine(frame)


def as_text(values):
    return ["None" if value is None or value != value else str(value)[:10] for value in values]


def test_a_profile_by_region_and_segment_adds_up_on_every_engine(as_engine):
    segments = segment_customers(score_rfm(as_engine(SUMMARY)))
    profile = segment_profile(
        segments, by=["region", "segment"], attributes=beside(ATTRIBUTES, segments.frame, as_engine)
    )
    table = to_pandas(profile.frame)
    assert table["customers"].sum() == profile.n_customers == N
    assert math.fsum(table["revenue"]) == pytest.approx(math.fsum(SUMMARY["total_spend"]), abs=1e-6)
    assert table["customer_share"].sum() == pytest.approx(1, abs=1e-12)
    assert table["revenue_share"].sum() == pytest.approx(1, abs=1e-12)

    joined = segment_customers(score_rfm(SUMMARY)).frame.merge(ATTRIBUTES, on="customer_id", how="left")
    groups = joined.assign(region=as_text(joined["region"])).groupby(["region", "segment"])
    wanted = groups.agg(customers=("customer_id", "size"), revenue=("total_spend", "sum"))
    got = table.assign(region=as_text(table["region"])).set_index(["region", "segment"])
    assert got["customers"].to_dict() == wanted["customers"].to_dict()
    assert got["revenue"].to_dict() == pytest.approx(wanted["revenue"].to_dict(), abs=1e-9)
    assert as_text(table["region"]) == sorted(as_text(table["region"]), key=["north", "south", "None"].index)
    order = [rule.segment for rule in SEGMENT_RULES]
    north = table.loc[table["region"] == "north", "segment"].tolist()
    assert north == sorted(north, key=order.index)


def test_value_adds_up_and_risk_is_a_mean():
    segments = segment_customers(score_rfm(SUMMARY))
    worth = pd.DataFrame({"customer_id": SUMMARY["customer_id"], "worth": 2.0, "risk": np.linspace(0, 1, N)})
    profile = segment_profile(segments, attributes=worth, value="worth", churn_risk="risk").frame
    assert profile["value"].tolist() == (2.0 * profile["customers"]).tolist()
    assert profile["value_share"].sum() == pytest.approx(1)
    assert (profile["customers"] * profile["churn_risk"].fillna(0)).sum() == pytest.approx(N / 2)
    assert profile["churn_risk"].isna().tolist() == profile["customers"].eq(0).tolist()


def test_the_cells_of_a_cross_table_are_the_rows_of_the_profile_on_every_engine(as_engine):
    segments = segment_customers(score_rfm(as_engine(SUMMARY)))
    profile = segment_profile(
        segments, by=["segment", "region"], attributes=beside(ATTRIBUTES, segments.frame, as_engine)
    )
    for measure in ("customers", "revenue"):
        table = to_pandas(cross_table(profile, measure=measure)).set_index("segment")
        assert table.columns.tolist() == ["north", "south", "(missing)", "total"]
        assert table.index[-1] == "total"
        long = to_pandas(profile.frame)
        for segment, region, value in zip(long["segment"], as_text(long["region"]), long[measure], strict=True):
            assert table.loc[segment, "(missing)" if region == "None" else region] == value
        inner = table.drop(columns="total").drop(index="total")
        assert inner.to_numpy().sum() == pytest.approx(long[measure].sum())
        assert table["total"].tolist()[:-1] == pytest.approx(inner.sum(axis=1).tolist())
        assert table.loc["total"].tolist()[:-1] == pytest.approx(inner.sum(axis=0).tolist())


def test_sales_by_category_month_and_segment_add_up_on_every_engine(as_engine):
    transactions = prepare_transactions(as_engine(SALES), keep=["category"])
    segments = segment_customers(score_rfm(beside(SUMMARY, transactions.frame, as_engine)))
    profile = sales_profile(transactions, by=["category", "period", "segment"], segments=segments, period="month")
    table = to_pandas(profile.frame)
    assert profile.total_revenue == pytest.approx(SALES["amount"].sum())
    assert table["revenue"].sum() == pytest.approx(SALES["amount"].sum())
    assert profile.n_customers == SALES.loc[SALES["amount"] >= 0, "customer_id"].nunique() == 4
    assert "None" in as_text(table["segment"])  # c99 was never scored

    names = segment_customers(score_rfm(SUMMARY)).frame[["customer_id", "segment"]]
    rows = SALES.merge(names, on="customer_id", how="left")
    rows = rows.assign(segment=as_text(rows["segment"]), period=rows["date"].dt.strftime("%Y-%m-01"))
    bought = rows[rows["amount"] >= 0].groupby(["category", "period", "segment"])
    got = table.assign(segment=as_text(table["segment"]), period=as_text(table["period"]))
    got = got.set_index(["category", "period", "segment"])
    people = bought["customer_id"].nunique().to_dict()
    days = bought.apply(lambda group: len(group[["customer_id", "date"]].drop_duplicates())).to_dict()
    assert got["customers"].to_dict() == {key: people.get(key, 0) for key in got.index}
    assert got["orders"].to_dict() == {key: days.get(key, 0) for key in got.index}


def test_ids_of_two_widths_of_arrow_text_are_the_same_customers():
    import pyarrow as pa

    segments = segment_customers(score_rfm(pa.Table.from_pandas(SUMMARY)))
    wide = pa.Table.from_pandas(ATTRIBUTES)
    for kind in (pa.string(), pa.large_string()):
        narrow = wide.set_column(0, "customer_id", wide.column("customer_id").cast(kind))
        assert segment_profile(segments, by="region", attributes=narrow).n_customers == N


def test_ids_of_another_type_are_refused():
    segments = segment_customers(score_rfm(SUMMARY))
    numbered = pd.DataFrame({"customer_id": range(N), "region": "north"})
    with pytest.raises(InputError, match="customer_id: Int64 in `attributes`, but String in the others"):
        segment_profile(segments, by="region", attributes=numbered)


@given(seed=st.integers(0, 2**32 - 1))
@few
def test_row_order_does_not_matter_to_a_profile(seed):
    order = np.random.default_rng(seed).permutation(N)
    segments = segment_customers(score_rfm(SUMMARY.iloc[order]))
    shuffled = segment_profile(segments, by=["region", "segment"], attributes=ATTRIBUTES).frame
    straight = segment_profile(
        segment_customers(score_rfm(SUMMARY)), by=["region", "segment"], attributes=ATTRIBUTES
    ).frame
    pd.testing.assert_frame_equal(shuffled, straight, check_exact=False, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"by": "region"}, "column 'region' is missing"),
        ({"by": []}, "by: got"),
        ({"by": ["segment", "segment"]}, "by: got"),
        ({"by": "revenue"}, "by: 'revenue' is a measure"),
        ({"value": "worth", "attributes": ATTRIBUTES}, "worth: missing or infinite in 5 of 80 rows"),
        ({"attributes": pd.concat([ATTRIBUTES, ATTRIBUTES[:1]])}, "a customer with several rows in 2 of 76"),
        ({"attributes": ATTRIBUTES.assign(purchases=1)}, "attributes: column 'purchases' is also in the segments"),
    ],
)
def test_a_profile_that_cannot_be_made_is_refused(options, text):
    with pytest.raises(InputError, match=text):
        segment_profile(segment_customers(score_rfm(SUMMARY)), **options)


def test_customers_of_sales_have_no_cross_table_since_they_may_be_in_several_groups():
    profile = sales_profile(SALES, by=["category", "period"], period="month")
    with pytest.raises(InputError, match="measure: got 'customers'. Use one of 'orders', 'revenue', 'revenue_share'"):
        cross_table(profile, measure="customers")
    with pytest.raises(InputError, match="made by category. Pass one made by two"):
        cross_table(sales_profile(SALES, by="category"))
    with pytest.raises(InputError, match="by: 'period' needs its length"):
        sales_profile(SALES, by="period")
    with pytest.raises(InputError, match="period: got 'day'"):
        sales_profile(SALES, by="period", period="day")
