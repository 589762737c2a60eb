"""Stages of life: by hand, by a slow count customer by customer, and the same on every engine."""

import itertools
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.segmentation import STAGES, lifecycle_stage
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=40)
START = np.datetime64("2024-01-01")
some_histories = st.lists(st.sets(st.integers(0, 200), min_size=1, max_size=6), min_size=1, max_size=12).filter(
    lambda histories: any(len(history) > 1 for history in histories)
)


def rows_of(histories, refund_days=()):
    rows = [(f"c{k:02}", START + day, 5.0) for k, history in enumerate(histories) for day in sorted(history)]
    rows += [("c00", START + day, -1.0) for day in refund_days]
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def slow_stage(history, end, typical, at_risk, lapsed):
    days = sorted(history)
    gaps = [b - a for a, b in itertools.pairwise(days)]
    silence = (end - days[-1]) / statistics.fmean([*gaps, typical])
    if silence > lapsed:
        return "lapsed"
    if silence > at_risk:
        return "at risk"
    if not gaps:
        return "new"
    return "reactivated" if gaps[-1] > lapsed * statistics.fmean([*gaps[:-1], typical]) else "active"


@given(histories=some_histories, more=st.integers(0, 90), at_risk=st.sampled_from([1.5, 2.3]))
@few
def test_stages_equal_those_of_looking_at_each_customer(histories, more, at_risk):
    end = max(map(max, histories)) + more
    stages = lifecycle_stage(rows_of(histories), at_risk_after=at_risk, observation_end=START + end)
    means = [(max(h) - min(h)) / (len(h) - 1) for h in histories if len(h) > 1]
    assert stages.typical_gap == pytest.approx(statistics.median(means))
    expected = [slow_stage(history, end, stages.typical_gap, at_risk, 4.6) for history in histories]
    assert stages.frame.sort_values("customer_id")["stage"].tolist() == expected
    assert stages.table["customers"].tolist() == [expected.count(stage) for stage in STAGES]
    assert stages.n_customers == len(histories)
    assert stages.table["customer_share"].sum() == pytest.approx(1)


def test_the_same_silence_is_late_for_one_and_early_for_another():
    weekly, yearly = range(0, 701, 7), (0, 350, 700)
    stages = lifecycle_stage(rows_of([weekly, yearly]), observation_end=START + 730).frame
    assert stages["stage"].tolist() == ["at risk", "active"]  # 30 days of silence for both
    assert stages["days_since_last"].tolist() == [30, 30]


def test_who_comes_back_after_a_long_silence_is_reactivated():
    histories = [(0, 10, 20, 30, 130), (0, 10, 20, 30, 40), (135,)]
    stages = lifecycle_stage(rows_of(histories), typical_gap=10, observation_end=START + 140)
    assert stages.frame["stage"].tolist() == ["reactivated", "lapsed", "new"]
    assert stages.frame["usual_gap"].tolist() == [(130 + 10) / 5, 10.0, 10.0]


def test_a_refund_is_no_purchase_and_later_days_do_not_count():
    rows = rows_of([(0, 10, 20), (0, 10, 90)], refund_days=[28])
    stages = lifecycle_stage(rows, observation_end=START + 30).frame
    assert stages["purchases"].tolist() == [3, 2]
    assert stages["days_since_last"].tolist() == [10, 20]


def test_every_engine_gives_the_same_stages(as_engine):
    rng = np.random.default_rng(4)
    histories = [set(rng.integers(0, 300, rng.integers(1, 9)).tolist()) for _ in range(60)]
    rows = rows_of(histories, refund_days=[3])
    native = as_engine(rows)
    stages, expected = (lifecycle_stage(source, observation_end=START + 310) for source in (native, rows))
    assert type(stages.frame) is type(stages.table) is type(native)
    assert stages.typical_gap == expected.typical_gap
    found = to_pandas(stages.frame).sort_values("customer_id", ignore_index=True)
    wanted = expected.frame.sort_values("customer_id", ignore_index=True)
    assert found.columns.tolist() == wanted.columns.tolist()
    for column in found.columns:
        assert found[column].tolist() == wanted[column].tolist()
    assert to_pandas(stages.table)["customers"].tolist() == expected.table["customers"].tolist()


@pytest.mark.parametrize("is_lazy", [False, True])
def test_customers_without_a_rhythm_or_without_a_purchase_are_refused_in_memory_and_lazily(is_lazy):
    import polars as pl

    def stages(rows, **options):
        frame = pl.from_pandas(rows)
        return lifecycle_stage(frame.lazy() if is_lazy else frame, **options)

    with pytest.raises(InputError, match="typical_gap: nobody has bought twice"):
        stages(rows_of([(0,), (5,)]))
    alone = rows_of([(), ()], refund_days=[3])
    for options in ({}, {"typical_gap": 30}):
        with pytest.raises(InputError, match="nobody has bought by 2024-01-04; there are refunds alone"):
            stages(alone, **options)
    assert stages(rows_of([(0, 4), (0, 10), (1,)])).typical_gap == 7.0  # between the two in the middle


def test_stages_that_cannot_be_told_are_refused():
    rows = rows_of([(0, 10), (5,)])
    with pytest.raises(InputError, match=r"lapsed_after: got 2. Pass a finite number, above 2.3"):
        lifecycle_stage(rows, lapsed_after=2)
    with pytest.raises(InputError, match="typical_gap: nobody has bought twice"):
        lifecycle_stage(rows_of([(0,), (5,)]))
    with pytest.raises(InputError, match="typical_gap: got 0"):
        lifecycle_stage(rows, typical_gap=0)
    with pytest.raises(InputError, match="observation_end: 2023-12-31 is before the first row"):
        lifecycle_stage(rows, observation_end="2023-12-31")
    assert lifecycle_stage(rows_of([(0,), (5,)]), typical_gap=30).frame["stage"].tolist() == ["new", "new"]
