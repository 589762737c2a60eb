"""The audit: lenses worked out by hand and with pandas, and sums that must reconcile between lenses."""

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.audit import customer_base_audit
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=40)
FRAMES = ("spread", "deciles", "change", "drivers", "cohort", "cohorts", "base")


def rows_of(rows):
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def random_rows(seed, n=400, customers=60):
    rng = np.random.default_rng(seed)
    date = (np.datetime64("2023-01-01") + rng.integers(0, 500, n)).astype("datetime64[s]")
    frame = pd.DataFrame({"customer_id": rng.integers(0, customers, n), "date": date})
    return frame.assign(amount=rng.integers(-4, 40, n) / 4, kept=rng.integers(-2, 10, n) / 4)


some_rows = st.lists(
    st.tuples(
        st.integers(0, 5).map("c{}".format),
        st.dates(dt.date(2024, 1, 1), dt.date(2024, 6, 30)),
        st.sampled_from([-5.0, 0.0, 3.5, 10.0]),
    ),
    min_size=1,
    max_size=40,
).map(
    lambda rows: [
        *rows,
        ("c0", dt.date(2024, 1, 1), 1.0),
        ("c0", dt.date(2024, 5, 1), 2.0),
        ("c1", dt.date(2024, 6, 1), 2.0),
    ]
)


@given(rows=some_rows)
@few
def test_the_lenses_add_up_to_each_other(rows):
    frame = rows_of(rows)
    audit = customer_base_audit(frame, period="month", margin=0.5, observation_end="2024-06-30")
    june, may = (frame["amount"][[day.month == month for day in frame["date"]]].sum() for month in (6, 5))
    change, base = audit.change, audit.base.set_index("period")
    assert change["revenue_now"].sum() == june
    assert change["revenue_before"].sum() == may
    assert change["revenue_change"].sum() == june - may
    assert change["profit_now"].sum() == june / 2
    stayed, new, returned, left, _ = change["customers"]
    assert base["customers"].iloc[-1] == stayed + new + returned == audit.deciles["customers"].sum()
    assert base["customers"].iloc[-2] == stayed + left
    by_period = audit.cohorts.groupby("period")[["customers", "revenue", "profit"]].sum()
    pd.testing.assert_frame_equal(by_period.astype(float), base[by_period.columns].astype(float), check_freq=False)
    people = {who for who, _, _ in rows if any(w == who and a >= 0 for w, _, a in rows)}
    assert audit.cohorts.query("age == 0")["customers"].sum() == len(people)
    assert base["revenue"].sum() == frame["amount"][frame["customer_id"].isin(people)].sum()
    assert (audit.cohorts["share"] <= 1).all()
    drivers = audit.drivers
    if drivers["effect_on_profit"].notna().all():
        buyers = change["profit_change"][:4].sum()
        assert drivers["effect_on_profit"].sum() == pytest.approx(buyers, abs=1e-9)


def test_two_periods_by_hand():
    rows = [("ann", "2024-01-05", 10.0), ("ann", "2024-01-06", 6.0), ("bob", "2024-01-09", 20.0)]
    rows += [
        ("cy", "2023-12-09", 2.0),
        ("cy", "2024-02-10", 8.0),
        ("ann", "2024-02-11", 12.0),
        ("di", "2024-02-12", 4.0),
    ]
    audit = customer_base_audit(rows_of(rows), period="month", observation_end="2024-02-29")
    assert audit.change["customers"].tolist() == [1, 1, 1, 1, 0]  # ann; di; cy; bob
    assert audit.change["revenue_change"].tolist() == [-4.0, 4.0, 8.0, -20.0, 0.0]
    assert audit.drivers["before"].tolist() == [2.0, 1.5, 12.0, 1.0]
    assert audit.drivers["now"].tolist() == [3.0, 1.0, 8.0, 1.0]
    mean = (24 - 36) / np.log(24 / 36)
    expected = [mean * np.log(3 / 2), mean * np.log(1 / 1.5), mean * np.log(8 / 12), 0.0]
    assert audit.drivers["effect_on_profit"].tolist() == pytest.approx(expected)
    assert audit.current == np.datetime64("2024-02-01")
    assert audit.previous == np.datetime64("2024-01-01")
    assert audit.followed == np.datetime64("2024-01-01")
    assert audit.cohort["customers"].tolist() == [2, 1]
    assert audit.cohort["revenue_per_member_so_far"].tolist() == [18.0, 24.0]
    assert audit.spread.set_index("measure").loc["revenue", ["mean", "p0", "p50", "p100"]].tolist() == [8, 4, 8, 12]
    assert audit.sentences[1].startswith(
        "From January 2024 to February 2024, 1 customers stayed, 1 were new, 1 came back and 1 did not buy, and "
        "revenue changed by -12"
    )


def test_cohort_cells_equal_those_of_pandas():
    frame = random_rows(2)
    audit = customer_base_audit(prepare_transactions(frame, keep=["kept"]), period="month", margin="kept")
    bought = frame[frame["amount"] >= 0]
    first = bought.groupby("customer_id")["date"].min().dt.to_period("M")
    month = bought["date"].dt.to_period("M")
    cells = bought.assign(cohort=bought["customer_id"].map(first), month=month)
    wanted = cells.groupby(["cohort", "month"]).agg(customers=("customer_id", "nunique"))
    days = cells.drop_duplicates(["customer_id", "date"]).groupby(["cohort", "month"]).size()
    found = audit.cohorts[audit.cohorts["customers"] > 0]
    key = pd.MultiIndex.from_arrays([found["cohort"].dt.to_period("M"), found["period"].dt.to_period("M")])
    assert len(found) == len(wanted)
    assert found["customers"].tolist() == wanted.loc[key, "customers"].tolist()
    orders = found["orders_per_customer"] * found["customers"]
    np.testing.assert_allclose(orders, days.loc[key], rtol=1e-12)


def test_deciles_hold_a_tenth_each_the_best_first():
    rows = [(k, "2024-01-10", 1.0) for k in range(25)] + [(k, "2024-02-10", float(k)) for k in range(25)]
    deciles = customer_base_audit(rows_of(rows), period="month", observation_end="2024-02-29").deciles
    assert sorted(set(deciles["customers"])) == [2, 3]
    assert deciles["customers"].sum() == 25
    assert deciles["profit"][0] == 24 + 23 + 22
    assert deciles["profit_share"].sum() == pytest.approx(1)
    assert deciles["profit"].div(deciles["customers"]).is_monotonic_decreasing


def test_a_last_period_that_has_not_ended_is_left_out_of_the_comparison_and_marked():
    rows = rows_of([("ann", "2024-01-05", 1.0), ("ann", "2024-02-05", 1.0), ("bob", "2024-03-05", 1.0)])
    audit = customer_base_audit(rows, period="month", observation_end="2024-03-30")
    assert audit.current == np.datetime64("2024-02-01")
    assert audit.base["is_complete"].tolist() == [True, True, False]


def test_there_are_five_sentences_with_numbers():
    audit = customer_base_audit(random_rows(3))
    assert len(audit.sentences) == 5
    assert all(re.search(r"\d", sentence) and sentence.endswith(".") for sentence in audit.sentences)


@pytest.mark.parametrize("period", ["week", "month", "quarter"])
def test_row_order_and_ids_do_not_matter(period):
    frame = random_rows(4)
    other = frame.sample(frac=1, random_state=1).assign(customer_id=lambda f: "id" + f["customer_id"].astype(str))
    one, two = (customer_base_audit(f, period=period) for f in (frame, other))
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert one.sentences == two.sentences


def test_audits_of_groups_add_up_to_the_audit_of_all():
    frame = random_rows(6)
    end = frame["date"].max()
    parts = [customer_base_audit(rows, observation_end=end) for _, rows in frame.groupby(frame["customer_id"] % 3)]
    whole = customer_base_audit(frame, observation_end=end)
    for name, key in (("change", "group"), ("base", "period"), ("cohorts", ["cohort", "age"])):
        added = pd.concat(getattr(part, name) for part in parts).groupby(key, sort=False)
        for column in ("customers", "revenue", "revenue_now", "profit_before"):
            if column in getattr(whole, name):
                wanted = getattr(whole, name).set_index(key)[column]
                np.testing.assert_allclose(added[column].sum().reindex(wanted.index), wanted, atol=1e-9)


def test_every_engine_gives_the_same_audit(as_engine):
    frame = random_rows(5)
    given_frame = as_engine(frame)
    found, wanted = (
        customer_base_audit(prepare_transactions(f, keep=["kept"]), margin="kept") for f in (given_frame, frame)
    )
    assert found.sentences == wanted.sentences
    for name in FRAMES:
        assert type(getattr(found, name)) is type(given_frame)
        ours, theirs = to_pandas(getattr(found, name)), getattr(wanted, name)
        for column in theirs:
            if theirs[column].dtype.kind in "fiub":
                np.testing.assert_allclose(ours[column].astype(float), theirs[column].astype(float), rtol=1e-12)
            elif theirs[column].dtype.kind != "M":
                assert ours[column].tolist() == theirs[column].tolist()


def test_audits_that_cannot_be_are_refused():
    rows = rows_of([("ann", "2024-01-05", 1.0), ("ann", "2024-02-05", 1.0)])
    with pytest.raises(InputError, match="fewer than two complete years. Pass a shorter period than 'year'"):
        customer_base_audit(rows, period="year")
    with pytest.raises(InputError, match="period: got 'day'"):
        customer_base_audit(rows, period="day")
    with pytest.raises(InputError, match="margin: got 2"):
        customer_base_audit(rows, period="month", margin=2, observation_end="2024-02-29")
    with pytest.raises(InputError, match="column 'kept' is missing"):
        customer_base_audit(rows, period="month", margin="kept", observation_end="2024-02-29")
    with pytest.raises(InputError, match="cohort: nobody first bought in February 2024"):
        customer_base_audit(rows, period="month", cohort="2024-02-01", observation_end="2024-02-29")
    with pytest.raises(InputError, match="nobody bought in April 2024 or in the month before"):
        customer_base_audit(rows, period="month", observation_end="2024-04-30")
    with pytest.raises(InputError, match=r"observation_start: 2024-01-06 is after the first row \(2024-01-05\)"):
        customer_base_audit(rows, period="month", observation_start="2024-01-06", observation_end="2024-02-29")
    with pytest.raises(InputError, match="fewer than two complete months"):
        customer_base_audit(rows, period="month", observation_start="2024-01-05", observation_end="2024-02-29")


def test_a_first_period_that_was_not_observed_from_its_beginning_is_marked_and_never_compared():
    rows = rows_of([("ann", "2024-01-20", 1.0), ("ann", "2024-02-05", 1.0), ("bob", "2024-03-05", 1.0)])
    audit = customer_base_audit(rows, period="month", observation_start="2024-01-20", observation_end="2024-03-31")
    assert audit.base["is_complete"].tolist() == [False, True, True]
    cells = audit.cohorts.set_index(["cohort", "age"])["is_complete"]
    assert not cells.loc[pd.Timestamp("2024-01-01"), 0]
    assert cells.drop((pd.Timestamp("2024-01-01"), 0)).all()
    assert audit.notes == ()
    first = customer_base_audit(
        rows, period="month", cohort="2024-01-20", observation_start="2024-01-20", observation_end="2024-03-31"
    )
    assert first.sentences[2].startswith("Of the customers who first came in January 2024, 0.0% bought 2 months later")
    silent = customer_base_audit(rows, period="month", observation_end="2024-03-31")
    assert "The first row is of 2024-01-20, 19 days after the first period began" in silent.notes[0]
    assert silent.base["is_complete"].all()
    whole = customer_base_audit(rows, period="month", observation_start="2024-01-01", observation_end="2024-03-31")
    assert whole.base["is_complete"].all()
    assert whole.notes == ()


def test_sentences_call_it_profit_only_where_a_margin_was_named():
    rows = random_rows(3)
    assert not any("profit" in text for text in customer_base_audit(rows).sentences)
    assert "of the profit." in customer_base_audit(rows, margin=0.5).sentences[0]
    kept = prepare_transactions(rows, keep=["kept"])
    assert "of the profit." in customer_base_audit(kept, margin="kept").sentences[0]


def test_the_sentence_on_cohorts_says_how_many_it_compares_with():
    days = ["2024-01-05", "2024-02-05", "2024-03-05", "2024-04-05"]
    rows = [(f"new {number}", day, 1.0) for number, day in enumerate(days)]
    one = customer_base_audit(rows_of(rows), period="month", observation_end="2024-04-30")
    assert one.sentences[3].endswith("of the one cohort before (without the first), 0.0%.")
    two = customer_base_audit(
        rows_of([*rows, ("new 4", "2024-05-05", 1.0)]), period="month", observation_end="2024-05-31"
    )
    assert two.sentences[3].endswith("of the 2 cohorts before (without the first), 0.0%.")
