"""Scores: nested ranks, ties, fixed limits, weights and further measures, against slow counting and by hand."""

import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.data.summary import summarize_customers
from crmvalue.errors import InputError
from crmvalue.segmentation import (
    SEGMENT_RULES,
    NestedThresholds,
    RfmThresholds,
    check_rules,
    rescore_rfm,
    rules_from_table,
    score_rfm,
    segment_customers,
)
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=30)
some_customers = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 6), min_size=n, max_size=n),
        st.lists(st.integers(1, 4), min_size=n, max_size=n),
        st.lists(st.sampled_from([-3.5, 0.0, 0.1, 9.99, 20.0, 20.01]), min_size=n, max_size=n),
    )
)


def summary_of(days, purchases, spend):
    ids = [f"c{k}" for k in range(len(days))]
    return pd.DataFrame({"customer_id": ids, "days_since_last": days, "purchases": purchases, "total_spend": spend})


def slow_score(value, others, bins, ties):
    """Rank a value among others by counting, in exact fractions."""
    below = sum(other < value for other in others)
    equal = sum(other == value for other in others)
    half = Fraction(1, 2)
    rank = {"mid": below + equal * half, "low": below + half, "high": below + equal - half}[ties]
    return 1 + math.floor(bins * rank / len(others))


@given(customers=some_customers, bins=st.integers(2, 12), ties=st.sampled_from(["mid", "low", "high"]))
@few
def test_scores_equal_those_of_counting_for_each_way_of_ties(customers, bins, ties):
    days, purchases, spend = customers
    frame = score_rfm(summary_of(*customers), bins=bins, ties=ties).frame
    assert frame["r_score"].tolist() == [slow_score(-d, [-o for o in days], bins, ties) for d in days]
    assert frame["f_score"].tolist() == [slow_score(p, purchases, bins, ties) for p in purchases]
    assert frame["m_score"].tolist() == [slow_score(s, spend, bins, ties) for s in spend]


@given(customers=some_customers, bins=st.integers(2, 6), ties=st.sampled_from(["mid", "low", "high"]))
@few
def test_nested_scores_equal_those_of_counting_within_the_scores_before(customers, bins, ties):
    frame = score_rfm(summary_of(*customers), bins=bins, method="nested", ties=ties).frame
    outer = []
    for score, value in (
        ("r_score", -frame["days_since_last"]),
        ("f_score", frame["purchases"]),
        ("m_score", frame["total_spend"]),
    ):
        cell = list(zip(*(frame[name] for name in outer), strict=True)) if outer else [()] * len(frame)
        for row, found in enumerate(frame[score]):
            peers = [value.iloc[k] for k in range(len(frame)) if cell[k] == cell[row]]
            assert found == slow_score(value.iloc[row], peers, bins, ties)
        outer.append(score)


@given(
    customers=some_customers,
    ties=st.sampled_from(["mid", "low", "high"]),
    method=st.sampled_from(["quantile", "nested"]),
)
@few
def test_equal_customers_get_equal_scores(customers, ties, method):
    frame = score_rfm(summary_of(*customers), ties=ties, method=method).frame
    alike = frame.groupby(["days_since_last", "purchases", "total_spend"])["rfm"].nunique()
    assert (alike == 1).all()


@given(customers=some_customers, bins=st.integers(2, 6))
@few
def test_ties_low_never_score_above_mid_and_mid_never_above_high(customers, bins):
    frame = summary_of(*customers)
    low, mid, high = (score_rfm(frame, bins=bins, ties=ties).frame for ties in ("low", "mid", "high"))
    for score in ("r_score", "f_score", "m_score"):
        assert (low[score] <= mid[score]).all()
        assert (mid[score] <= high[score]).all()


@given(customers=some_customers, bins=st.integers(2, 6))
@few
def test_frozen_nested_thresholds_score_their_own_customers_as_before(customers, bins):
    frame = summary_of(*customers)
    scores = score_rfm(frame, bins=bins, method="nested")
    stored = NestedThresholds.from_dict(json.loads(json.dumps(scores.thresholds.to_dict(), allow_nan=False)))
    assert stored == scores.thresholds
    assert rescore_rfm(frame, stored).frame["rfm"].tolist() == scores.frame["rfm"].tolist()


@given(customers=some_customers, others=some_customers)
@few
def test_frozen_nested_thresholds_score_a_customer_alike_whoever_else_is_there(customers, others):
    thresholds = score_rfm(summary_of(*customers), method="nested").thresholds
    alone = rescore_rfm(summary_of(*others), thresholds).frame["rfm"].tolist()
    together = [[*mine, *theirs] for mine, theirs in zip(others, customers, strict=True)]
    assert rescore_rfm(summary_of(*together), thresholds).frame["rfm"].tolist()[: len(alone)] == alone


def test_a_nested_cell_without_customers_has_the_limits_of_the_scores_before():
    frame = summary_of([1, 1, 9, 9], [1, 5, 5, 5], [10.0, 20.0, 30.0, 40.0])
    thresholds = score_rfm(frame, bins=2, method="nested").thresholds
    assert thresholds.days_since_last == (1.0,)
    assert thresholds.purchases == ((5.0,), (5.0,))
    # Among r_score 1, all have five purchases, so f_score 1 is empty: it has the limit of spend in r_score 1.
    assert thresholds.total_spend == ((40.0,), (40.0,), (10.0,), (20.0,))
    newcomer = summary_of([9, 9], [1, 1], [39.0, 41.0])
    assert rescore_rfm(newcomer, thresholds).frame["rfm"].tolist() == ["111", "112"]


def test_seven_in_ten_one_time_buyers_leave_scores_empty_and_a_note_says_so():
    frame = summary_of(range(10), [1] * 7 + [2, 3, 4], [10.0 * k for k in range(10)])
    scores = score_rfm(frame)
    assert scores.bin_sizes[1].tolist() == [0, 7, 0, 1, 2]
    assert scores.notes == (
        "f_score: nobody has 1, 3 of 1 to 5. Up to 70.0 % of the customers are equal in purchases, and equals score "
        "alike.",
    )


def test_more_bins_than_distinct_values_leave_scores_empty_with_a_note_and_lose_nobody():
    scores = score_rfm(summary_of([1, 2, 3], [1, 1, 2], [5.0, 6.0, 7.0]), bins=10)
    assert scores.frame[["r_score", "f_score", "m_score"]].to_numpy().tolist() == [[9, 4, 2], [6, 4, 6], [2, 9, 9]]
    assert scores.bin_sizes.sum(axis=1).tolist() == [3, 3, 3]
    assert [note.split(" Up to")[0] for note in scores.notes] == [
        "r_score: nobody has 1, 3, 4, 5, 7, 8, 10 of 1 to 10.",
        "f_score: nobody has 1, 2, 3, 5, 6, 7, 8, 10 of 1 to 10.",
        "m_score: nobody has 1, 3, 4, 5, 7, 8, 10 of 1 to 10.",
    ]


def test_rules_that_overlap_name_a_code_by_the_first_and_are_refused_where_one_is_hidden():
    table = pd.DataFrame({"segment": ["Late", "Rest"], "r": ["1", "1-2"], "f": ["1-2"] * 2, "m": ["1-2"] * 2})
    rules = rules_from_table(table, bins=2)
    named = segment_customers(score_rfm(summary_of([1, 9], [1, 1], [5.0, 5.0]), bins=2), rules).frame
    assert named["segment"].tolist() == ["Rest", "Late"]
    with pytest.raises(
        InputError, match=r"rules: Late \(r=\(1, 1\), .* is never reached, since earlier rules match all"
    ):
        rules_from_table(table.iloc[::-1], bins=2)
    with pytest.raises(InputError, match=r"rules: no segment for 4 of 8 codes \(211, 212, 221, 222\). Add a rule."):
        rules_from_table(table.iloc[:1], bins=2)
    with pytest.raises(InputError, match=r"rule 1 \(Late\) has r=\(6, 6\). Scores go from 1 to 2"):
        rules_from_table(table.assign(r=["6", "1-2"]), bins=2)


def test_fixed_limits_score_by_the_numbers_of_the_user():
    limits = {"days_since_last": [30, 90], "purchases": [2, 5], "total_spend": [100, 1000]}  # days may rise or fall
    frame = summary_of([30, 31, 90, 91], [1, 2, 5, 9], [99.99, 100.0, 999.0, 1000.0])
    scores = score_rfm(frame, method="fixed", limits=limits)
    assert scores.frame["rfm"].tolist() == ["311", "222", "232", "133"]
    assert scores.thresholds == RfmThresholds(
        bins=3, days_since_last=(90.0, 30.0), purchases=(2.0, 5.0), total_spend=(100.0, 1000.0)
    )


def test_twelve_bins_write_the_code_with_hyphens_and_can_be_named():
    frame = summary_of(range(12), range(1, 13), [float(k) for k in range(12)])
    scores = score_rfm(frame, bins=12)
    assert scores.frame["rfm"].tolist()[:2] == ["12-1-1", "11-2-2"]
    rules = rules_from_table(
        pd.DataFrame({"segment": ["Good", "Rest"], "r": ["7-12", "1-12"], "f": ["1 - 12"] * 2, "m": ["1–12"] * 2}),
        bins=12,
    )
    assert segment_customers(scores, rules).frame["segment"].tolist() == ["Good"] * 6 + ["Rest"] * 6


def test_the_weighted_score_is_the_weighted_mean_of_the_scores():
    frame = summary_of([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1.0, 2.0, 3.0, 4.0, 5.0])
    scored = score_rfm(frame, weights={"r": 2, "m": 1}).frame
    expected = (2 * scored["r_score"] + scored["m_score"]) / 3
    assert scored["weighted_score"].tolist() == pytest.approx(expected.tolist(), rel=1e-15)
    assert score_rfm(frame, weights={"f": 0.1}).frame["weighted_score"].tolist() == [5, 4, 3, 2, 1]


def test_tenure_is_the_time_since_the_first_purchase_and_scores_as_a_further_measure():
    rows = pd.DataFrame(
        {"customer_id": [1, 2, 3, 3], "date": ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "amount": 5.0}
    )
    scores = score_rfm(summarize_customers(rows), bins=3, also=["tenure"])
    assert scores.score_names == ("r_score", "f_score", "m_score", "tenure_score")
    assert scores.frame.set_index("customer_id")["tenure_score"].to_dict() == {1: 3, 2: 2, 3: 1}
    assert scores.frame["tenure"].tolist() == [91.0, 60.0, 31.0]  # days to 1 April 2024, a leap year
    stored = RfmThresholds.from_dict(json.loads(json.dumps(scores.thresholds.to_dict())))
    again = rescore_rfm(summarize_customers(rows), stored)
    assert again.frame["tenure_score"].tolist() == scores.frame["tenure_score"].tolist()


def test_every_engine_gives_the_same_scores_by_each_method(as_engine):
    rng = np.random.default_rng(11)
    n = 90
    frame = summary_of(rng.integers(0, 60, n), rng.geometric(0.5, n), np.round(rng.gamma(0.5, 40, n), 2))
    frame["tenure"] = rng.integers(0, 400, n).astype(float)
    limits = {"days_since_last": [5, 30], "purchases": [2, 3], "total_spend": [5, 50], "tenure": [90, 180]}
    weights = {"r": 1, "f": 2, "tenure": 1}
    given_frame = as_engine(frame)
    options = (
        {"method": "nested", "bins": 3},
        {"ties": "high", "bins": 30, "weights": weights, "also": ["tenure"]},
        {"method": "fixed", "limits": limits, "also": ["tenure"]},
    )
    for chosen in options:
        expected = score_rfm(frame, **chosen)
        scores = score_rfm(given_frame, **chosen)
        assert type(scores.frame) is type(given_frame)
        assert scores.thresholds == expected.thresholds
        assert scores.bin_sizes.tolist() == expected.bin_sizes.tolist()
        assert scores.notes == expected.notes
        rows = to_pandas(scores.frame).sort_values("customer_id", ignore_index=True)
        wanted = expected.frame.sort_values("customer_id", ignore_index=True)
        assert rows.columns.tolist() == wanted.columns.tolist()
        for column in ("customer_id", "rfm", *scores.score_names):
            assert rows[column].tolist() == wanted[column].tolist()
        if "weights" in chosen:
            assert rows["weighted_score"].tolist() == pytest.approx(wanted["weighted_score"].tolist(), rel=1e-14)


def test_a_customer_with_two_rows_is_refused_on_every_engine(as_engine):
    frame = summary_of([1, 2, 3, 4], [1, 1, 1, 1], [1.0, 2.0, 3.0, 4.0]).assign(customer_id=["a", "b", "b", "c"])
    with pytest.raises(InputError, match=r"customer_id: a customer with several rows in 2 of 4 rows \(customer b"):
        score_rfm(as_engine(frame))


def test_a_customer_without_id_is_refused_on_every_engine(as_engine):
    frame = summary_of([1, 2], [1, 1], [1.0, 2.0]).assign(customer_id=["a", None])
    with pytest.raises(InputError, match="customer_id: missing in 1 of 2 rows"):
        score_rfm(as_engine(frame))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "ntile"}, "method: got 'ntile'. Use one of 'quantile', 'fixed', 'nested'"),
        ({"ties": "first"}, "ties: got 'first'"),
        ({"method": "fixed"}, "limits: belong to method='fixed'"),
        ({"limits": {}}, "limits: belong to method='fixed'"),
        ({"method": "fixed", "limits": {"purchases": [2]}}, "limits: got 'purchases'. Pass a list"),
        (
            {"method": "fixed", "limits": {"days_since_last": [1, 9, 3], "purchases": [1] * 3, "total_spend": [1] * 3}},
            "thresholds.days_since_last: got",
        ),
        ({"weights": {"x": 1}}, "weights: got"),
        ({"weights": {"r": 0}}, "Pass at least one weight above 0"),
        ({"weights": {"r": -1}}, r"weights\['r'\]: got -1"),
        ({"also": ["trend"]}, r"column 'trend' is missing\. Make it with add_trend"),
        ({"also": ["purchases"]}, "also: got"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, text):
    with pytest.raises(InputError, match=text):
        score_rfm(summary_of([1, 2], [1, 1], [1.0, 2.0]), **options)


def test_nested_thresholds_of_the_wrong_shape_are_refused():
    record = score_rfm(summary_of([1, 2], [1, 1], [1.0, 2.0]), bins=2, method="nested").thresholds.to_dict()
    with pytest.raises(InputError, match=r"thresholds.purchases: got 1 rows of limits. Pass 2"):
        NestedThresholds.from_dict({**record, "purchases": [[1.0]]})


def test_the_rules_of_the_library_come_back_from_a_table(as_engine):
    table = pd.DataFrame(
        [
            (r.segment, f"{r.r[0]}-{r.r[1]}", f"{r.f[0]}-{r.f[1]}", f"{r.m[0]}-{r.m[1]}", r.meaning)
            for r in SEGMENT_RULES
        ],
        columns=["segment", "r", "f", "m", "meaning"],
    )
    assert rules_from_table(as_engine(table)) == SEGMENT_RULES


@pytest.mark.parametrize("cell", ["five", "1-2-3", "-1", "", None, "4.5"])
def test_a_table_of_rules_with_an_unreadable_range_is_refused(cell):
    table = pd.DataFrame({"segment": ["All"], "r": ["1-5"], "f": [cell], "m": ["1-5"]})
    with pytest.raises(InputError, match="table: rule 1, f is"):
        rules_from_table(table)


def test_a_rule_whose_range_is_one_number_is_refused():
    with pytest.raises(InputError, match=r"rule 1 \(Best\) has r=5"):
        check_rules([SEGMENT_RULES[0].__class__(segment="Best", r=5, f=(1, 5), m=(1, 5))])
