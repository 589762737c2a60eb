"""Scores and segments: numbers worked out by hand, a slow oracle, and laws that hold for any customers."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segmentation import (
    SEGMENT_RULES,
    RfmThresholds,
    SegmentRule,
    check_rules,
    rescore_rfm,
    score_rfm,
    segment_customers,
    segment_profile,
)
from tests.conftest import to_pandas

SCORES = ["r_score", "f_score", "m_score"]

# Ten customers, so that each bin of five holds two ranks; purchases are tied on purpose.
TEN = pd.DataFrame(
    {
        "customer_id": list("abcdefghij"),
        "days_since_last": [0, 5, 10, 20, 40, 80, 160, 320, 320, 700],
        "purchases": [9, 1, 7, 1, 1, 3, 1, 1, 6, 1],
        "total_spend": [900.0, 10.5, 700.0, 20.0, 30.0, 33.3, 40.0, 50.0, 600.0, -5.0],
    }
)


def summary_of(days, purchases, spend):
    ids = [f"c{k}" for k in range(len(days))]
    return pd.DataFrame({"customer_id": ids, "days_since_last": days, "purchases": purchases, "total_spend": spend})


some_summary = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 12), min_size=n, max_size=n),
        st.lists(st.integers(1, 5), min_size=n, max_size=n),
        st.lists(st.sampled_from([-3.5, 0.0, 0.1, 9.99, 20.0, 20.01, 1e15]), min_size=n, max_size=n),
    )
)
some_bins = st.integers(2, 9)
few = settings(deadline=None, max_examples=40)  # each example runs several group-bys


def midrank_score(values, bins):
    """Score each value by counting, customer by customer, in exact fractions."""
    scores = []
    for value in values:
        below = sum(other < value for other in values)
        equal = sum(other == value for other in values)
        scores.append(1 + math.floor(bins * (below + Fraction(equal, 2)) / len(values)))
    return scores


def test_ten_customers_get_the_scores_worked_out_by_hand():
    scores = score_rfm(TEN)
    # Ranks of days, fewest first: a is tenth of ten (0.95 * 5), b ninth (0.85 * 5), ..., h and i share 0.2, j has 0.05.
    assert scores.frame["r_score"].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 2, 1]
    # Six customers with one purchase share the midrank 3 of 10: floor(1.5) + 1.
    assert scores.frame["f_score"].tolist() == [5, 2, 5, 2, 2, 4, 2, 2, 4, 2]
    assert scores.frame["m_score"].tolist() == [5, 1, 5, 2, 2, 3, 3, 4, 4, 1]
    assert scores.frame["rfm"].tolist()[:2] == ["555", "521"]


def test_thresholds_are_the_first_value_of_each_score():
    thresholds = score_rfm(TEN).thresholds
    assert thresholds.days_since_last == (320.0, 80.0, 20.0, 5.0)
    assert thresholds.purchases == (1.0, 3.0, 3.0, 7.0)  # nobody scores 3; from 3 purchases on a customer scores 4
    assert thresholds.total_spend == (20.0, 33.3, 50.0, 700.0)


def test_bin_sizes_count_the_customers_of_each_score():
    scores = score_rfm(TEN)
    assert scores.bin_sizes.tolist() == [[1, 3, 2, 2, 2], [0, 6, 0, 2, 2], [2, 2, 2, 2, 2]]
    assert scores.n_customers == 10
    assert not scores.bin_sizes.flags.writeable


def test_a_hundred_identical_customers_all_get_the_middle_score():
    scores = score_rfm(summary_of([7] * 100, [1] * 100, [10.0] * 100))
    assert set(scores.frame["rfm"]) == {"333"}


def test_a_single_customer_is_in_the_middle_of_herself():
    assert score_rfm(summary_of([7], [1], [10.0])).frame["rfm"].tolist() == ["333"]


def test_the_order_of_a_sum_does_not_move_a_score():
    spend = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]
    assert spend[0] != spend[1]
    assert score_rfm(summary_of([1, 1], [3, 3], spend), bins=2).frame["rfm"].nunique() == 1


@given(customers=some_summary, bins=some_bins)
@few
def test_scores_equal_those_of_counting_customer_by_customer(customers, bins):
    frame = score_rfm(summary_of(*customers), bins=bins).frame
    days, purchases, spend = customers
    assert frame["r_score"].tolist() == midrank_score([-d for d in days], bins)
    assert frame["f_score"].tolist() == midrank_score(purchases, bins)
    assert frame["m_score"].tolist() == midrank_score(spend, bins)
    assert frame["rfm"].tolist() == ["".join(map(str, row)) for row in frame[SCORES].to_numpy()]


@given(customers=some_summary, bins=some_bins, seed=st.integers(0, 2**32 - 1))
@few
def test_row_order_and_id_type_do_not_matter(customers, bins, seed):
    frame = summary_of(*customers)
    before = score_rfm(frame, bins=bins).frame
    order = np.random.default_rng(seed).permutation(len(frame))
    after = score_rfm(frame.assign(customer_id=np.arange(len(frame))).iloc[order], bins=bins).frame
    assert after["rfm"].tolist() == before["rfm"].iloc[order].tolist()
    assert after.index.tolist() == frame.index[order].tolist()


@given(customers=some_summary, bins=some_bins)
@few
def test_thresholds_score_their_own_customers_as_before(customers, bins):
    frame = summary_of(*customers)
    scores = score_rfm(frame, bins=bins)
    stored = RfmThresholds.from_dict(json.loads(json.dumps(scores.thresholds.to_dict(), allow_nan=False)))
    assert stored == scores.thresholds
    again = rescore_rfm(frame, stored)
    assert again.frame["rfm"].tolist() == scores.frame["rfm"].tolist()
    assert again.bin_sizes.tolist() == scores.bin_sizes.tolist()


@given(customers=some_summary, others=some_summary)
@few
def test_frozen_thresholds_score_a_customer_alike_whoever_else_is_there(customers, others):
    thresholds = score_rfm(summary_of(*customers)).thresholds
    alone = rescore_rfm(summary_of(*others), thresholds).frame["rfm"].tolist()
    together = [[*mine, *theirs] for mine, theirs in zip(others, customers, strict=True)]
    assert rescore_rfm(summary_of(*together), thresholds).frame["rfm"].tolist()[: len(alone)] == alone


@given(customers=some_summary, bins=some_bins)
@few
def test_a_better_customer_never_scores_less(customers, bins):
    frame = score_rfm(summary_of(*customers), bins=bins).frame
    for score, better in (("r_score", -frame["days_since_last"]), ("m_score", frame["total_spend"])):
        assert (np.diff(frame[score].to_numpy()[np.argsort(better.to_numpy(), kind="stable")]) >= 0).all()


def test_values_beyond_the_old_ones_get_the_first_and_the_last_score():
    thresholds = RfmThresholds(bins=3, days_since_last=(60.0, 10.0), purchases=(2.0, 4.0), total_spend=(50.0, math.inf))
    frame = rescore_rfm(summary_of([0, 61], [99, 0], [1e15, -9.0]), thresholds).frame
    assert frame["rfm"].tolist() == ["332", "111"]  # a score that nobody had is not given


def test_each_of_the_125_codes_has_one_segment_and_each_segment_a_code():
    grid = np.indices((5, 5, 5)).reshape(3, -1) + 1
    limits = (2.0, 3.0, 4.0, 5.0)
    thresholds = RfmThresholds(bins=5, days_since_last=(3.0, 2.0, 1.0, 0.0), purchases=limits, total_spend=limits)
    every = rescore_rfm(summary_of(5 - grid[0], grid[1], grid[2].astype(float)), thresholds)
    segments = segment_customers(every).frame
    assert segments["rfm"].nunique() == 125
    assert segments["segment"].notna().all()
    assert set(segments["segment"]) == {
        *("Champions", "Loyal", "Potential loyalists", "New", "Promising", "Need attention", "About to sleep"),
        *("At risk", "Cannot lose them", "Hibernating", "Lost"),
    }


@pytest.mark.parametrize(
    ("code", "segment"),
    [
        ("555", "Champions"),
        ("444", "Champions"),
        ("551", "Loyal"),
        ("345", "Loyal"),
        ("433", "Potential loyalists"),
        ("525", "New"),  # one big purchase just now does not make a champion
        ("511", "New"),
        ("411", "Promising"),
        ("333", "Need attention"),
        ("311", "About to sleep"),
        ("242", "At risk"),
        ("155", "Cannot lose them"),
        ("211", "Hibernating"),
        ("111", "Lost"),
    ],
)
def test_a_code_has_the_segment_that_a_manager_expects(code, segment):
    limits = (2.0, 3.0, 4.0, 5.0)
    thresholds = RfmThresholds(bins=5, days_since_last=(3.0, 2.0, 1.0, 0.0), purchases=limits, total_spend=limits)
    r, f, m = map(int, code)
    scores = rescore_rfm(summary_of([5 - r], [f], [float(m)]), thresholds)
    assert scores.frame["rfm"].tolist() == [code]
    assert segment_customers(scores).frame["segment"].tolist() == [segment]


@given(customers=some_summary)
@few
def test_nobody_with_the_fewest_purchases_of_all_is_a_champion_or_loyal(customers):
    frame = segment_customers(score_rfm(summary_of(*customers))).frame
    fewest = frame.loc[frame["purchases"] == frame["purchases"].min(), "segment"]
    assert not fewest.isin(["Champions", "Loyal"]).any()


def test_the_first_rule_that_matches_names_the_segment():
    rules = [
        SegmentRule(segment="Best", r=(2, 2), f=(2, 2), m=(2, 2)),
        SegmentRule(segment="Rest", r=(1, 2), f=(1, 2), m=(1, 2)),
    ]
    segments = segment_customers(score_rfm(TEN, bins=2), rules)
    assert segments.frame.set_index("customer_id")["segment"].eq("Best").pipe(lambda s: list(s[s].index)) == ["a", "c"]
    assert segments.rules == tuple(rules)


@given(customers=some_summary)
@few
def test_a_profile_adds_up_to_the_customers_and_their_spend(customers):
    frame = summary_of(*customers)
    profile = segment_profile(segment_customers(score_rfm(frame)))
    table = profile.frame
    assert table["segment"].tolist() == [rule.segment for rule in SEGMENT_RULES]
    assert table["customers"].sum() == profile.n_customers == len(frame)
    assert table["customer_share"].sum() == pytest.approx(1.0, abs=1e-12)
    assert math.fsum(table["revenue"]) == profile.total_revenue
    assert profile.total_revenue == pytest.approx(math.fsum(frame["total_spend"]), rel=1e-12, abs=1e-9)
    if profile.total_revenue > 0:
        assert table["revenue_share"].sum() == pytest.approx(1.0, abs=1e-12)
    else:
        assert table["revenue_share"].isna().all()
    assert (table["customers"].eq(0) == table["mean_purchases"].isna()).all()
    assert (table["customers"] * table["mean_purchases"]).sum() == pytest.approx(frame["purchases"].sum())


def test_a_profile_of_ten_customers_equals_the_one_by_hand():
    table = segment_profile(segment_customers(score_rfm(TEN))).frame.set_index("segment")
    # a 555, c 454: champions; b 521 new; d 422 promising; e 322 about to sleep; f 343 loyal; g 223, h 224 hibernating
    assert table["customers"].to_dict() == {
        **dict.fromkeys((rule.segment for rule in SEGMENT_RULES), 0),
        **{"Champions": 2, "New": 1, "Promising": 1, "About to sleep": 1, "Loyal": 1},
        **{"Hibernating": 2, "Cannot lose them": 1, "Lost": 1},
    }
    assert table.loc["Champions", "revenue"] == 1600.0
    assert table.loc["Champions", "mean_purchases"] == 8.0
    assert table.loc["Hibernating", "mean_days_since_last"] == 240.0
    assert table["revenue_share"]["Champions"] == pytest.approx(1600 / 2378.8)


def test_every_engine_gives_the_same_scores_segments_and_profile(as_engine):
    rng = np.random.default_rng(7)
    n = 100
    frame = summary_of(rng.integers(0, 700, n), rng.geometric(0.5, n), np.round(rng.gamma(0.5, 40, n), 2) * 1.1)
    frame = frame.assign(extra=1.5)
    given_frame = as_engine(frame)
    scores = score_rfm(CustomerSummary(frame=given_frame, time_unit="day", observation_end=np.datetime64("2024-01-31")))
    segments = segment_customers(scores)
    profile = segment_profile(segments)
    assert all(type(result.frame) is type(given_frame) for result in (scores, segments, profile))

    expected = score_rfm(frame)
    assert scores.thresholds == expected.thresholds
    assert scores.bin_sizes.tolist() == expected.bin_sizes.tolist()
    rows = to_pandas(segments.frame).sort_values("customer_id", ignore_index=True)
    wanted = segment_customers(expected).frame.sort_values("customer_id", ignore_index=True)
    assert rows.columns.tolist() == wanted.columns.tolist()
    for column in ("customer_id", *SCORES, "rfm", "segment"):
        assert rows[column].tolist() == wanted[column].tolist()
    table, wanted_table = to_pandas(profile.frame), segment_profile(segment_customers(expected)).frame
    assert table["segment"].tolist() == wanted_table["segment"].tolist()
    numbers = table.columns[1:]
    np.testing.assert_allclose(table[numbers].astype(float), wanted_table[numbers].astype(float), rtol=1e-12)
    again = to_pandas(rescore_rfm(given_frame, scores.thresholds).frame).sort_values("customer_id")
    assert again["rfm"].tolist() == wanted["rfm"].tolist()


def test_the_input_stays_as_it_was():
    before = TEN.copy(deep=True)
    segment_customers(score_rfm(TEN))
    pd.testing.assert_frame_equal(TEN, before)


@pytest.mark.parametrize("bins", [1, 101, 0, -5, 2.5, "5", True, float("nan")])
def test_bins_must_be_an_integer_from_2_to_100(bins):
    with pytest.raises(InputError, match=r"bins: got .* Pass an integer from 2 to 100"):
        score_rfm(TEN, bins=bins)


@pytest.mark.parametrize("column", ["days_since_last", "purchases", "total_spend"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_missing_or_infinite_measure_is_refused_with_the_customer_named(column, value):
    frame = TEN.astype({column: float})
    frame.loc[[1, 4], column] = value
    with pytest.raises(InputError, match=rf"{column}: missing or infinite in 2 of 10 rows \(customer b, e\)"):
        score_rfm(frame)


def test_a_missing_measure_is_refused_in_every_engine(as_engine):
    frame = TEN.assign(total_spend=[None, *TEN["total_spend"][1:]])
    with pytest.raises(InputError, match=r"total_spend: missing or infinite in 1 of 10 rows \(customer a\)"):
        score_rfm(as_engine(frame))


def test_no_customers_text_measures_and_missing_columns_are_refused():
    with pytest.raises(InputError, match="there are no customers"):
        score_rfm(TEN.iloc[:0])
    with pytest.raises(InputError, match="total_spend: column holds String, not numbers"):
        score_rfm(TEN.assign(total_spend="9"))
    with pytest.raises(InputError, match=r"summary: column 'purchases' is missing\. Did you mean 'purchase'"):
        score_rfm(TEN.rename(columns={"purchases": "purchase"}))
    with pytest.raises(InputError, match="summary: got list"):
        score_rfm([1, 2, 3])


def test_rules_with_a_gap_are_refused_with_the_first_five_codes():
    with pytest.raises(InputError, match=r"no segment for 10 of 125 codes \(111, 112, 113, 114, 115, \.\.\.\)"):
        segment_customers(score_rfm(TEN), SEGMENT_RULES[:-1])
    with pytest.raises(InputError, match="no segment for 125 of 125 codes"):
        check_rules([])


def test_a_rule_that_is_never_reached_is_refused():
    everyone = SegmentRule(segment="All", r=(1, 5), f=(1, 5), m=(1, 5))
    with pytest.raises(InputError, match=r"Champions .* is never reached"):
        check_rules([everyone, SEGMENT_RULES[0]])


some_range = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(sorted).map(tuple)


@given(ranges=st.lists(st.tuples(some_range, some_range, some_range), min_size=1, max_size=6), rest=st.booleans())
@few
def test_rules_are_refused_if_a_code_has_none_or_a_rule_no_code_and_else_the_first_names_it(ranges, rest):
    ranges = [*ranges, *([((1, 3), (1, 3), (1, 3))] if rest else [])]
    rules = [SegmentRule(segment=str(k), r=r, f=f, m=m) for k, (r, f, m) in enumerate(ranges)]
    codes = list(itertools.product((1, 2, 3), repeat=3))
    fits = [
        [
            k
            for k, rule in enumerate(ranges)
            if all(low <= at <= high for at, (low, high) in zip(code, rule, strict=True))
        ]
        for code in codes
    ]
    if not all(fits):
        with pytest.raises(InputError, match=rf"no segment for {sum(not fit for fit in fits)} of 27 codes"):
            check_rules(rules, bins=3)
        return
    first = [fit[0] for fit in fits]
    hidden = sorted(set(range(len(rules))) - set(first))
    if hidden:
        with pytest.raises(InputError, match=rf"rules: {hidden[0]} \(.* is never reached"):
            check_rules(rules, bins=3)
        return
    limits = {"days_since_last": [20, 10], "purchases": [2, 3], "total_spend": [10, 20]}
    r, f, m = zip(*codes, strict=True)
    customers = summary_of([{1: 30, 2: 20, 3: 10}[x] for x in r], list(f), [{1: 5.0, 2: 10.0, 3: 20.0}[x] for x in m])
    named = segment_customers(score_rfm(customers, method="fixed", limits=limits), rules).frame
    assert named["segment"].tolist() == [str(k) for k in first]


@pytest.mark.parametrize("scores", [(0, 5), (1, 6), (4, 2), (1.5, 3), ("1", "5")])
def test_a_range_of_unknown_scores_is_refused(scores):
    with pytest.raises(InputError, match=r"rule 1 \(Odd\) has f=.* Scores go from 1 to 5"):
        check_rules([SegmentRule(segment="Odd", r=(1, 5), f=scores, m=(1, 5)), *SEGMENT_RULES])


def test_rules_for_five_bins_do_not_fit_scores_in_three():
    with pytest.raises(InputError, match="Scores go from 1 to 3"):
        segment_customers(score_rfm(TEN, bins=3))


def test_a_rule_needs_a_name_and_to_be_a_rule():
    with pytest.raises(InputError, match="rule 1 has no name"):
        check_rules([SegmentRule(segment=" ", r=(1, 5), f=(1, 5), m=(1, 5))])
    with pytest.raises(InputError, match="rule 1 is a tuple"):
        check_rules([("All", 1, 5)])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bins": 4}, "Pass 3 falling limits"),
        ({"bins": 1}, "thresholds.bins: got 1"),
        ({"total_spend": [1, 2, 3, 2]}, "Pass 4 rising limits"),
        ({"days_since_last": [1, 2, 3, 4]}, "Pass 4 falling limits"),
        ({"purchases": [1, 2, math.nan, 4]}, "thresholds.purchases"),
    ],
)
def test_thresholds_out_of_order_are_refused(change, text):
    record = {**score_rfm(TEN).thresholds.to_dict(), **change}
    with pytest.raises(InputError, match=text):
        RfmThresholds.from_dict(record)


def test_a_stored_record_without_an_entry_is_refused():
    with pytest.raises(InputError, match="'total_spend' missing"):
        RfmThresholds.from_dict({"bins": 2, "days_since_last": [1], "purchases": [1]})


def test_results_of_another_kind_are_refused():
    scores = score_rfm(TEN)
    with pytest.raises(InputError, match="Pass what score_rfm returned"):
        segment_customers(TEN)
    with pytest.raises(InputError, match="Pass what segment_customers returned"):
        segment_profile(scores)
    with pytest.raises(InputError, match="Pass the thresholds of an RfmScores"):
        rescore_rfm(TEN, {"bins": 5})
