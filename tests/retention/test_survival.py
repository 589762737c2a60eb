"""Retention curves: published numbers, statsmodels, laws, and simulations in which the naive curve is wrong."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from crmvalue.errors import InputError
from crmvalue.retention.survival import retention_curve
from crmvalue.retention.survivors import survivor_rates
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=60)

# Freireich et al. (1963), the remission times of every textbook: weeks, and whether the remission ended
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
TREATED_LEFT = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def remissions():
    return pd.DataFrame(
        {
            "duration": [*map(float, TREATED), *map(float, PLACEBO)],
            "has_left": [*map(bool, TREATED_LEFT), *[True] * 21],
            "group": ["treated"] * 21 + ["placebo"] * 21,
        }
    )


some_lifetimes = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 6), st.sampled_from("abc")), min_size=2, max_size=60
).map(
    lambda rows: pd.DataFrame(
        {
            "duration": [float(entry + time) for time, _, entry, _ in rows],
            "has_left": [left for _, left, _, _ in rows],
            "entry": [float(entry) for _, _, entry, _ in rows],
            "group": [group for *_, group in rows],
        }
    )
)


def test_the_remissions_of_freireich_give_the_published_curve_median_and_test():
    curve = retention_curve(remissions(), by="group")
    treated = curve.frame[curve.frame["group"] == "treated"]
    assert treated["time"].tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert treated["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
    # Kalbfleisch & Prentice (2002), table 1.1 and section 1.4
    assert treated["retained"].round(3).tolist() == [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert treated["standard_error"].round(3).tolist() == [0.076, 0.087, 0.096, 0.107, 0.114, 0.128, 0.135]
    assert curve.groups.set_index("group")["median"].to_dict() == {"placebo": 8.0, "treated": 23.0}
    assert curve.log_rank.statistic == pytest.approx(16.79, abs=0.005)
    assert curve.log_rank.degrees_of_freedom == 1
    assert (curve.n, curve.n_left, curve.n_never_seen) == (42, 30, 0)


@given(frame=some_lifetimes, late=st.booleans())
@few
def test_curve_and_standard_error_equal_those_of_statsmodels(frame, late):
    if not frame["has_left"].any():
        return
    frame["entry"] = frame["entry"] if late else 0.0
    ours = retention_curve(frame, entry="entry").frame
    theirs = SurvfuncRight(frame["duration"], frame["has_left"], entry=frame["entry"] if late else None)
    assert ours["time"].tolist() == theirs.surv_times.tolist()
    assert ours["at_risk"].tolist() == theirs.n_risk.tolist()
    np.testing.assert_allclose(ours["retained"], theirs.surv_prob, atol=1e-12)
    alive = (ours["retained"] > 0).to_numpy()
    np.testing.assert_allclose(ours["standard_error"][alive], theirs.surv_prob_se[alive], atol=1e-12)


@given(frame=some_lifetimes, late=st.booleans())
@few
def test_the_log_rank_test_equals_that_of_statsmodels(frame, late):
    frame["entry"] = frame["entry"] if late else 0.0
    found = retention_curve(frame, entry="entry", by="group").log_rank
    if found is None:
        return
    codes = frame["group"].factorize(sort=True)[0]
    try:
        expected, p = survdiff(frame["duration"], frame["has_left"].astype(int), codes, entry=frame["entry"])
    except np.linalg.LinAlgError:  # a group never at risk when somebody left: statsmodels cannot test it
        return
    if math.isfinite(p) and 0 <= expected < 1e6:
        assert found.statistic == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert found.p_value == pytest.approx(p, rel=1e-6)


@given(frame=some_lifetimes)
@few
def test_retention_never_rises_and_its_band_holds_it(frame):
    table = retention_curve(frame, entry="entry", by="group").frame
    for _, part in table.groupby("group"):
        assert (part["retained"].diff().dropna() <= 0).all()
        assert part["retained"].between(0, 1).all()
        known = part["lower"].notna()
        assert (part["lower"] <= part["retained"] + 1e-12)[known].all()
        assert (part["upper"] >= part["retained"] - 1e-12)[known].all()
        assert (part["left"] <= part["at_risk"]).all()


@given(frame=some_lifetimes, seed=st.integers(0, 99), factor=st.sampled_from([0.25, 2.0, 7.0]))
@few
def test_row_order_and_time_unit_do_not_matter(frame, seed, factor):
    other = frame.sample(frac=1, random_state=seed)
    other = other.assign(duration=other["duration"] * factor, entry=other["entry"] * factor)
    one, two = (retention_curve(f, entry="entry", by="group") for f in (frame, other))
    pd.testing.assert_frame_equal(one.frame.drop(columns="time"), two.frame.drop(columns="time"))
    assert (one.frame["time"] * factor).tolist() == two.frame["time"].tolist()


def test_the_interval_is_the_one_on_the_log_log_scale_worked_out_by_hand():
    first = retention_curve(remissions(), by="group").frame.query("group == 'treated'").iloc[0]
    error = math.sqrt(3 / (21 * 18)) / -math.log(18 / 21)
    expected = [(18 / 21) ** math.exp(sign * 1.959963985 * error) for sign in (1, -1)]
    assert [first["lower"], first["upper"]] == pytest.approx(expected, rel=1e-9)


def late_entries(seed=3, n=40_000):
    """Simulate customers of short and long lives over ten years, of whom data show the last year alone."""
    rng = np.random.default_rng(seed)
    began, life = rng.uniform(-10, 0, n), rng.exponential(rng.choice([0.25, 4.0], n))
    seen = began + life > -1
    began, life = began[seen], life[seen]
    end = np.minimum(began + life, 0)
    return pd.DataFrame({"duration": end - began, "has_left": began + life <= 0, "entry": np.maximum(-1 - began, 0.0)})


def test_late_entry_mends_a_curve_that_is_off_by_a_factor_of_two():
    frame = late_entries()
    truth = 0.5 * math.exp(-1 / 0.25) + 0.5 * math.exp(-1 / 4)  # of those who began, stay beyond age 1
    naive, ours = (
        retention_curve(frame, entry=entry).frame.query("time <= 1")["retained"].iloc[-1] for entry in (None, "entry")
    )
    assert 1 - truth > 2 * (1 - naive)  # less than half of the departures before age 1 are seen
    assert ours == pytest.approx(truth, abs=0.02)


def test_a_curve_from_an_age_follows_those_who_reached_it():
    frame = pd.DataFrame({"duration": [1.0, 2.0, 3.0, 4.0], "has_left": True})
    curve = retention_curve(frame, from_age=2.0)
    assert curve.frame["time"].tolist() == [3.0, 4.0]
    assert curve.frame["retained"].tolist() == [0.5, 0.0]
    assert (curve.n, curve.n_never_seen) == (2, 2)


def test_a_curve_that_empties_before_others_enter_says_where():
    frame = pd.DataFrame({"duration": [1.0, 9.0, 9.0], "has_left": [1, 1, 0], "entry": [0.0, 5.0, 5.0]})
    curve = retention_curve(frame, entry="entry")
    assert curve.groups["emptied_at"].tolist() == [1.0]
    again = retention_curve(frame, entry="entry", from_age=5.0)
    assert again.groups["emptied_at"].isna().all()
    assert again.frame["retained"].tolist() == [0.5]


def test_a_group_in_which_nobody_left_has_one_row_at_its_last_age_and_no_median():
    curve = retention_curve(pd.DataFrame({"duration": [3.0, 4.0], "has_left": False, "group": ["a", "b"]}), by="group")
    assert curve.frame[["group", "time", "at_risk", "left", "retained"]].to_numpy().tolist() == [
        ["a", 3.0, 1, 0, 1.0],
        ["b", 4.0, 1, 0, 1.0],
    ]
    assert curve.frame[["lower", "upper"]].isna().all(axis=None)
    assert curve.groups["median"].isna().all()
    assert curve.log_rank is None


def test_every_engine_gives_the_same_curve(as_engine):
    frame = late_entries(n=400).round(1)
    frame["group"] = np.where(np.arange(len(frame)) % 3, "one", "other")
    given_frame = as_engine(frame)
    found = retention_curve(given_frame, entry="entry", by="group")
    wanted = retention_curve(frame, entry="entry", by="group")
    assert type(found.frame) is type(given_frame)
    for ours, theirs in ((found.frame, wanted.frame), (found.groups, wanted.groups)):
        ours = to_pandas(ours)
        assert ours["group"].tolist() == theirs["group"].tolist()
        for column in theirs.columns.drop("group"):
            np.testing.assert_allclose(ours[column].astype(float), theirs[column].astype(float), rtol=1e-12)
    assert found.log_rank.statistic == pytest.approx(wanted.log_rank.statistic)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entry": [0.0, 5.0]}, r"entry: after the exit \(duration\) in 1 of 2 rows"),
        ({"entry": [0.0, math.nan]}, "entry: missing or infinite in 1 of 2 rows"),
        ({"entry": [-1.0, 0.0]}, "entry: negative in 1 of 2 rows"),
        ({"duration": [-1.0, 2.0]}, "duration: negative in 1 of 2 rows"),
        ({"duration": [math.nan, 2.0]}, "duration: missing or infinite in 1 of 2 rows"),
        ({"duration": ["1", "2"]}, "duration: the column holds String, not numbers"),
        ({"has_left": ["Yes", "No"]}, "has_left: column 'has_left' holds String. Make it true or false"),
        ({"has_left": [2, 0]}, "has_left: neither true nor false in 1 of 2 rows"),
        ({"group": ["a", None]}, "by: column 'group' is missing in 1 of 2 rows"),
        ({"entry": [1.0, 2.0]}, "lifetimes: none of 2 customers is under observation"),
    ],
)
def test_impossible_lifetimes_are_refused(change, message):
    frame = pd.DataFrame({"duration": [1.0, 2.0], "has_left": [1, 0], "entry": [0.0, 1.0], "group": ["a", "b"]})
    with pytest.raises(InputError, match=message):
        retention_curve(frame.assign(**change), entry="entry", by="group")


def test_missing_columns_empty_frames_and_odd_options_are_refused():
    frame = pd.DataFrame({"duration": [1.0], "has_left": [1]})
    with pytest.raises(InputError, match="column 'tenure' is missing"):
        retention_curve(frame, duration="tenure")
    with pytest.raises(InputError, match="column 'plan' is missing"):
        retention_curve(frame, by="plan")
    with pytest.raises(InputError, match="the frame has no rows"):
        retention_curve(frame.iloc[:0])
    with pytest.raises(InputError, match="level: got 1.0"):
        retention_curve(frame, level=1.0)
    with pytest.raises(InputError, match="from_age: got -1"):
        retention_curve(frame, from_age=-1)
    with pytest.raises(InputError, match="none of 1 customers is under observation after age 5"):
        retention_curve(frame, from_age=5)


def test_survivors_give_the_published_rates_and_the_pooled_one():
    # Fader & Hardie (2007), table 1, regular customers: the mean of the rates, .7606, is the retention of nobody
    rates = survivor_rates([1000, 631, 468, 382, 326])
    assert rates.survival.tolist() == [1.0, 0.631, 0.468, 0.382, 0.326]
    assert rates.retention == pytest.approx([0.631, 0.742, 0.816, 0.853], abs=5e-4)
    assert rates.pooled == pytest.approx(0.7283, abs=5e-5)
    assert rates.retention.mean() == pytest.approx(0.7606, abs=5e-5)
    assert rates.churn == pytest.approx(1 - rates.retention)


@given(losses=st.lists(st.integers(0, 50), min_size=1, max_size=10))
@few
def test_the_pooled_rate_lies_between_the_least_and_the_greatest_rate(losses):
    survivors = 1 + sum(losses) - np.concatenate([[0], np.cumsum(losses)])
    rates = survivor_rates(survivors)
    assert np.nanmin(rates.retention) - 1e-12 <= rates.pooled <= np.nanmax(rates.retention) + 1e-12


@pytest.mark.parametrize(
    ("survivors", "message"),
    [
        ([100], "at least two numbers"),
        ([0, 0], "the first above 0"),
        ([100, math.nan], "none missing"),
        ([100, -1], "none missing or negative"),
        ([100, 60, 61], r"more at age 2 \(61\) than at age 1 \(60\)"),
        (["many", "few"], "not numbers"),
    ],
)
def test_survivors_that_cannot_be_are_refused(survivors, message):
    with pytest.raises(InputError, match=message):
        survivor_rates(survivors)


def test_retained_at_reads_the_step_curve_of_each_group_and_stops_where_nobody_was_followed(as_engine):
    frame = pd.DataFrame(
        {
            "duration": [1.0, 2.0, 3.0, 4.0, 6.0, 7.0],
            "has_left": [1, 0, 1, 0, 0, 0],
            "group": ["old", "old", "old", "old", "young", "young"],
        }
    )
    curve = retention_curve(as_engine(frame), by="group")
    found = to_pandas(curve.retained_at([0.5, 3.0, 4.0, 5.0, 7.5])).sort_values(["group", "age"])
    assert type(curve.retained_at([1])) is type(curve.frame)
    nan = np.nan
    np.testing.assert_allclose(
        found["retained"].astype(float), [1, 3 / 8, 3 / 8, nan, nan, 1, 1, 1, 1, nan], rtol=1e-12
    )
    at_three = to_pandas(curve.frame).query("group == 'old' and time == 3")
    np.testing.assert_allclose(float(found["lower"].iloc[1]), float(at_three["lower"].iloc[0]), rtol=1e-12)
    with pytest.raises(InputError, match="ages: missing or negative"):
        curve.retained_at([-1])
