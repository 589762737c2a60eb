"""Movement between segments: every customer in one cell, and every amount where it belongs."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from crmvalue._core.frames import like, open_frame
from crmvalue.errors import InputError
from crmvalue.segmentation import rescore_rfm, score_rfm, segment_customers, segment_migration
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=40)
some_side = st.dictionaries(
    st.integers(0, 15), st.tuples(st.sampled_from("ABC"), st.sampled_from([-7.25, 0.0, 0.1, 19.99, 1e6])), max_size=16
).filter(len)


def side_of(members):
    segment, value = zip(*members.values(), strict=True)
    return pd.DataFrame({"customer_id": list(members), "segment": segment, "total_spend": value})


@given(before=some_side, after=some_side)
@few
def test_rows_columns_and_values_add_up_to_both_dates(before, after):
    first, last = side_of(before), side_of(after)
    moved = segment_migration(first, last)
    frame = moved.frame
    for name, size in first["segment"].value_counts().items():
        assert moved.customers[moved.rows.index(name)].sum() == size
    for name, size in last["segment"].value_counts().items():
        assert moved.customers[:, moved.columns.index(name)].sum() == size
    assert (moved.n_before, moved.n_after) == (len(first), len(last))
    assert math.fsum(frame["value_before"]) == pytest.approx(math.fsum(first["total_spend"]), abs=1e-6)
    assert math.fsum(frame["value_after"]) == pytest.approx(math.fsum(last["total_spend"]), abs=1e-6)
    assert frame["customers"].sum() == len(set(before) | set(after))
    came = frame.loc[frame["before"] == "(new)", "customers"].sum()
    gone = frame.loc[frame["after"] == "(lost)", "customers"].sum()
    assert (came, gone) == (len(set(after) - set(before)), len(set(before) - set(after)))
    shares = np.nansum(moved.shares, axis=1)
    assert shares[moved.customers.sum(axis=1) > 0] == pytest.approx(1.0)


@given(before=some_side, after=some_side)
@few
def test_each_cell_counts_the_customers_who_were_here_and_are_there(before, after):
    moved = segment_migration(side_of(before), side_of(after))
    for row in moved.frame.itertuples():
        members = [
            key
            for key in set(before) | set(after)
            if (before[key][0] if key in before else "(new)") == row.before
            and (after[key][0] if key in after else "(lost)") == row.after
        ]
        assert row.customers == len(members)
        change = sum(after.get(key, ("", 0.0))[1] for key in members)
        change -= sum(before.get(key, ("", 0.0))[1] for key in members)
        assert row.value_change == pytest.approx(change, abs=1e-6)


def test_intervals_are_those_of_clopper_and_pearson():
    before = pd.DataFrame({"customer_id": range(30), "segment": "A", "total_spend": 1.0})
    after = before.assign(segment=["A"] * 21 + ["B"] * 9)
    frame = segment_migration(before, after).frame.set_index(["before", "after"])
    for name, k in (("A", 21), ("B", 9), ("(lost)", 0)):
        exact = binomtest(k, 30).proportion_ci(0.95, method="exact")
        assert frame.loc[("A", name), "lower"] == pytest.approx(exact.low, abs=1e-12)
        assert frame.loc[("A", name), "upper"] == pytest.approx(exact.high, abs=1e-12)
    assert frame.loc["(new)", "share"].isna().all()  # nobody came


def test_limits_that_moved_are_noted_and_frozen_ones_are_not():
    rng = np.random.default_rng(2)
    then = pd.DataFrame({"customer_id": range(50), "days_since_last": rng.integers(0, 90, 50), "purchases": 1})
    then["total_spend"] = rng.gamma(1, 30, 50)
    now = then.assign(days_since_last=then["days_since_last"] + 30)
    scores = score_rfm(then)
    before = segment_customers(scores)
    frozen = segment_migration(before, segment_customers(rescore_rfm(now, scores.thresholds)))
    assert frozen.notes == ()
    anew = segment_migration(before, segment_customers(score_rfm(now)))
    assert "scored by different limits" in anew.notes[0]
    # All are 30 days further from their last purchase: by new ranks nobody moves, by frozen limits many do.
    assert np.trace(anew.customers) == 50
    assert np.trace(frozen.customers) < 50


def test_every_engine_counts_the_same_moves(as_engine):
    rng = np.random.default_rng(9)
    first = pd.DataFrame({"customer_id": [f"c{k}" for k in range(40)], "tier": rng.choice(["A", "B"], 40)})
    first["worth"] = np.round(rng.normal(10, 5, 40), 2)
    last = first.iloc[10:].assign(tier=rng.choice(["B", "C"], 30), worth=np.round(rng.normal(12, 5, 30), 2))
    last = pd.concat([last, pd.DataFrame({"customer_id": ["x", "y"], "tier": ["A", "C"], "worth": [3.5, 4.5]})])
    before = as_engine(first)
    model = open_frame(before)
    both = {name: last[name].to_numpy() for name in last.columns}
    after = like(both, model) if model.implementation.is_duckdb() else as_engine(last.reset_index(drop=True))
    moved = segment_migration(before, after, column="tier", value="worth")
    expected = segment_migration(first, last, column="tier", value="worth")
    assert type(moved.frame) is type(before)
    assert (moved.rows, moved.columns) == (expected.rows, expected.columns)
    assert moved.customers.tolist() == expected.customers.tolist()
    table = to_pandas(moved.frame)
    assert table["before"].tolist() == expected.frame["before"].tolist()
    np.testing.assert_allclose(table.iloc[:, 2:].astype(float), expected.frame.iloc[:, 2:].astype(float), rtol=1e-12)


def test_sides_that_cannot_be_compared_are_refused():
    good = side_of({1: ("A", 1.0), 2: ("B", 2.0)})
    with pytest.raises(InputError, match=r"several rows in 2 of 3 rows \(customer 1\)"):
        segment_migration(good, pd.concat([good, good[:1]]))
    with pytest.raises(InputError, match=r"segment: missing in `after` \(customer 2\)"):
        segment_migration(good, good.assign(segment=["A", None]))
    with pytest.raises(InputError, match=r"total_spend: missing or infinite in 1 of 2 rows"):
        segment_migration(good.assign(total_spend=[1.0, math.inf]), good)
    with pytest.raises(InputError, match=r"'\(lost\)' is the name for those who are not there"):
        segment_migration(good.assign(segment=["A", "(lost)"]), good)
    with pytest.raises(InputError, match="before: column 'tier' is missing"):
        segment_migration(good, good, column="tier")
    with pytest.raises(InputError, match="before: there are no customers"):
        segment_migration(good[:0], good)
    import pyarrow as pa

    with pytest.raises(InputError, match="after: is in pyarrow, the others in pandas"):
        segment_migration(good, pa.Table.from_pandas(good))
