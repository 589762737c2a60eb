"""Churn and retention: tables worked out by hand, and an oracle that walks through the calendar day by day."""

import datetime as dt
import itertools
import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.duration.survfunc import SurvfuncRight

from crmvalue.churn import churn_rates, purchase_timing, retention_curve, retention_table, revenue_bridge
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from tests.conftest import to_pandas

PERIODS = ["week", "month", "quarter", "year"]
SHORTEST = {"week": 7, "month": 31, "quarter": 92, "year": 366}
RATE_COLUMNS = ["period", "period_end", "active_at_start", "lost", "churn_rate", "lower", "upper"]
few = settings(deadline=None, max_examples=60)  # each example prepares transactions anew


def rows_of(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def random_rows(seed, n, days=400, first="2023-11-05"):
    rng = np.random.default_rng(seed)
    date = (np.datetime64(first) + rng.integers(0, days, n)).astype("datetime64[s]")
    return pd.DataFrame(
        {"customer_id": [f"c{k}" for k in rng.integers(0, 30, n)], "date": date, "amount": rng.integers(-4, 12, n) / 4}
    )


some_rows = st.tuples(
    st.sampled_from([dt.date(1969, 10, 20), dt.date(2023, 12, 1)]),
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 500), st.sampled_from([-5.0, 0.0, 3.5, 10.0])),
        min_size=1,
        max_size=40,
    ).filter(lambda rows: any(amount >= 0 for _, _, amount in rows)),
).map(lambda made: [(f"c{who}", made[0] + dt.timedelta(after), amount) for who, after, amount in made[1]])


def begins_period(day, period):
    first = {"month": True, "quarter": day.month in (1, 4, 7, 10), "year": day.month == 1}
    return day.weekday() == 0 if period == "week" else day.day == 1 and first[period]


def period_start(day, period):
    while not begins_period(day, period):
        day -= dt.timedelta(1)
    return day


def walk_through_the_calendar(rows, period, silence, end):
    """Walk through every day; each customer is a flag, `active`, and the day of her last purchase."""
    bought = defaultdict(set)
    for who, day, amount in rows:
        if amount >= 0 and day <= end:
            bought[day].add(who)
    day = period_start(min(bought), period)
    last, active, table = {}, set(), []
    while day <= end:
        if begins_period(day, period):
            table.append([day, len(active), 0])
        for who in bought[day]:
            last[who] = day
            active.add(who)
        for who in [who for who in active if (day - last[who]).days == silence]:
            active.remove(who)
            table[-1][2] += 1
        day += dt.timedelta(1)
    judged = begins_period(day, period)  # the last period ended on `end`
    if not judged:
        table[-1][2] = None
    return table


def test_a_small_table_equals_the_one_by_hand():
    rows = rows_of(
        ("ann", "2024-01-10", 1.0),  # buys again after 31 days: never silent for longer than 31
        ("ann", "2024-02-10", 1.0),  # then silent, lost on 12 March (29 days in February)
        ("bob", "2024-01-31", 1.0),  # lost on 2 March, back on 20 March
        ("bob", "2024-03-20", 1.0),
        ("cy", "2024-02-15", -1.0),  # a refund alone is no purchase
    )
    rates = churn_rates(rows, inactive_after=31, observation_end="2024-04-30")
    table = rates.frame
    assert table["period"].dt.strftime("%m-%d").tolist() == ["01-01", "02-01", "03-01", "04-01"]
    assert table["period_end"].dt.strftime("%m-%d").tolist() == ["01-31", "02-29", "03-31", "04-30"]
    assert table["active_at_start"].tolist() == [0, 2, 2, 1]
    assert table["lost"].tolist() == [0.0, 0.0, 2.0, 1.0]  # bob again on 20 April
    assert table["churn_rate"].iloc[1:].tolist() == [0.0, 1.0, 1.0]
    assert math.isnan(table["churn_rate"][0])
    assert (rates.n_customers, rates.inactive_after, rates.period) == (2, 31, "month")
    assert rates.observation_end == np.datetime64("2024-04-30")


def test_person_time_counts_the_days_on_which_customers_were_active():
    # ann is active from 20 January to 1 March (41 days, lost on the last), bob from 10 February to 22 March
    rows = rows_of(("ann", "2024-01-20", 1.0), ("bob", "2024-02-10", 1.0))
    table = churn_rates(rows, inactive_after=41, observation_end="2024-03-31").frame
    assert table["person_time"].tolist() == pytest.approx([12 / 31, (29 + 20) / 29, 21 / 31])
    assert table["loss_rate"].tolist()[2] == pytest.approx(2 / (21 / 31))
    # Garwood's interval of 2 events: .2422 and 7.2247 (Garwood 1936, table)
    assert table.loc[2, ["loss_lower", "loss_upper"]].tolist() == pytest.approx(
        [0.2422 * 31 / 21, 7.2247 * 31 / 21], abs=2e-4
    )


def test_the_first_full_period_is_the_first_on_whose_every_day_somebody_can_be_lost():
    rows = rows_of(("ann", "2024-01-10", 1.0))
    month = churn_rates(rows, inactive_after=50, observation_end="2024-06-30").first_full_period
    assert month == np.datetime64("2024-03-01")  # 10 January + 50 days is 29 February
    month = churn_rates(rows, inactive_after=52, observation_end="2024-06-30").first_full_period
    assert month == np.datetime64("2024-04-01")  # 2 March
    none = churn_rates(rows, inactive_after=52, observation_end="2024-04-29").first_full_period
    assert np.isnat(none)


@given(rows=some_rows, period=st.sampled_from(PERIODS))
@few
def test_groups_add_up_to_the_whole(rows, period):
    frame = rows_of(*rows).assign(group=[int(who[1:]) % 3 for who, _, _ in rows])
    end = max(day for _, day, _ in rows)
    options = {"period": period, "inactive_after": SHORTEST[period] + 9, "observation_end": end}
    whole = churn_rates(frame, **options).frame.set_index("period")
    parts = churn_rates(prepare_transactions(frame, keep=["group"]), by="group", **options).frame
    added = parts.groupby("period")[["active_at_start", "lost", "person_time"]].sum(min_count=1)
    for column in added:
        np.testing.assert_allclose(added[column].astype(float), whole[column].astype(float), rtol=1e-12)


def test_a_customer_in_two_groups_or_in_none_is_refused():
    frame = rows_of(("ann", "2024-01-10", 1.0), ("ann", "2024-02-10", 1.0)).assign(region=["north", "south"])
    prepared = prepare_transactions(frame, keep=["region"])
    with pytest.raises(InputError, match=r"by: 1 customers are in several groups of 'region' \(customer ann\)"):
        churn_rates(prepared, inactive_after=31, by="region")
    with pytest.raises(InputError, match="by: column 'area' is missing"):
        churn_rates(prepared, inactive_after=31, by="area")
    unnamed = prepare_transactions(frame.assign(region=["north", None]), keep=["region"])
    with pytest.raises(InputError, match="by: column 'region' is missing in 1 of 2 rows"):
        churn_rates(unnamed, inactive_after=31, by="region")


def test_a_column_of_ids_is_no_column_of_groups():
    frame = pd.DataFrame({"customer_id": range(1200), "date": "2024-01-10", "amount": 1.0, "email": range(1200)})
    prepared = prepare_transactions(frame, keep=["email"])
    for compute in (churn_rates, purchase_timing, revenue_bridge):
        with pytest.raises(
            InputError, match=r"by: column 'email' has 1,200 values. Group by a column with at most 1,000"
        ):
            compute(prepared, by="email")
    lives = pd.DataFrame({"duration": 1.0, "has_left": True, "email": range(1200)})
    with pytest.raises(InputError, match="by: column 'email' has 1,200 values"):
        retention_curve(lives, by="email")


def test_the_silence_is_chosen_from_the_times_between_purchases():
    # 97 customers come back after 40 days, 3 after 100; all are then watched for 300 more days
    rows = [(k, "2024-01-01", 1.0) for k in range(100)]
    rows += [(k, "2024-02-10" if k < 97 else "2024-04-10", 1.0) for k in range(100)]
    rates = churn_rates(rows_of(*rows), observation_end="2025-02-04")
    assert rates.inactive_after == 40
    assert "95% of the returns within 100 days of a purchase come within 40 days (100 returns" in rates.choice
    quarters = churn_rates(rows_of(*rows), period="quarter", observation_end="2025-02-04")
    assert quarters.inactive_after == 92
    assert "raised to 92 days, the longest quarter" in quarters.choice
    assert churn_rates(rows_of(*rows), inactive_after=60).choice == "given"


def test_of_those_counted_as_lost_the_share_who_still_return_is_that_of_the_curve_beyond_the_silence():
    # as above: 103 of the 200 purchases are followed by none within 40 days, and 3 of these by one after 100
    rows = [(k, "2024-01-01", 1.0) for k in range(100)]
    rows += [(k, "2024-02-10" if k < 97 else "2024-04-10", 1.0) for k in range(100)]
    for silence in ("auto", 40, 60):
        rates = churn_rates(rows_of(*rows), inactive_after=silence, observation_end="2025-02-04")
        assert rates.share_still_returning == pytest.approx(3 / 103, rel=1e-12)
    late = churn_rates(rows_of(*rows), inactive_after=200, observation_end="2025-02-04")
    assert np.isnan(late.share_still_returning)  # nobody was seen to return so late


def test_no_silence_can_be_chosen_if_nobody_ever_came_back():
    with pytest.raises(InputError, match="nobody has bought on two days.*Pass a number of days"):
        churn_rates(rows_of(("ann", "2024-01-10", 1.0), ("bob", "2024-02-10", 1.0)))


def test_times_to_the_second_purchase_are_those_of_statsmodels_and_the_repeat_rate_is_exact():
    frame = random_rows(3, 60)
    end = np.datetime64("2024-12-31")
    days = frame[frame["amount"] >= 0].drop_duplicates(["customer_id", "date"]).sort_values("date")
    ranked = days.groupby("customer_id")["date"]
    first, second = ranked.nth(0), ranked.nth(1)
    both = pd.DataFrame({"first": first.set_axis(days.loc[first.index, "customer_id"])}).join(
        second.set_axis(days.loc[second.index, "customer_id"]).rename("second")
    )
    time = (both["second"].fillna(pd.Timestamp(end)) - both["first"]).dt.days
    theirs = SurvfuncRight(time, both["second"].notna())
    timing = purchase_timing(frame, observation_end=end)
    assert timing.second["days"].tolist() == theirs.surv_times.tolist()
    assert timing.second["share_returned"].tolist() == pytest.approx((1 - theirs.surv_prob).tolist())
    n, repeat = len(both), int(both["second"].notna().sum())
    exact = binomtest(repeat, n).proportion_ci(0.95, method="exact")
    assert (timing.n_customers, timing.n_repeat) == (n, repeat)
    assert [timing.repeat_lower, timing.repeat_upper] == pytest.approx([exact.low, exact.high], abs=1e-9)


def test_times_of_a_group_are_those_of_its_customers_alone():
    frame = random_rows(3, 90).assign(region=lambda rows: np.where(rows["customer_id"] < "c2", "north", "south"))
    timing = purchase_timing(prepare_transactions(frame, keep=["region"]), by="region", observation_end="2024-12-31")
    assert timing.groups["region"].tolist() == ["north", "south"]
    for name in ("n_customers", "n_repeat", "n_intervals"):
        assert timing.groups[name].sum() == getattr(timing, name)
    for region, row in timing.groups.set_index("region").iterrows():
        alone = purchase_timing(frame[frame["region"] == region], observation_end="2024-12-31")
        for name in row.index:
            assert getattr(alone, name) == pytest.approx(row[name], nan_ok=True)
        for curve in ("second", "between"):
            ours = getattr(timing, curve).query("region == @region").drop(columns="region").reset_index(drop=True)
            pd.testing.assert_frame_equal(ours, getattr(alone, curve))


def test_a_customer_is_lost_in_the_period_in_which_her_silence_is_full():
    def lost(end, silence):
        return churn_rates(
            rows_of(("ann", "2024-01-20", 1.0)), inactive_after=silence, observation_end=end
        ).frame.set_index("period")

    on_the_first = lost("2024-03-31", 41)  # 20 January + 41 days = 1 March: active at its start, lost on that day
    assert on_the_first.loc["2024-03-01", ["active_at_start", "lost"]].tolist() == [1, 1]
    on_the_last = lost("2024-03-31", 40)
    assert on_the_last.loc["2024-02-01", ["active_at_start", "lost"]].tolist() == [1, 1]
    assert on_the_last.loc["2024-03-01", ["active_at_start", "lost"]].tolist() == [0, 0]


def test_a_purchase_on_the_last_day_of_the_silence_keeps_a_customer():
    def lost(day):
        rows = rows_of(("ann", "2024-01-20", 1.0), ("ann", day, 1.0))
        return churn_rates(rows, inactive_after=40, observation_end="2024-03-31").frame["lost"].sum()

    assert lost("2024-02-29") == 0.0
    assert lost("2024-03-01") == 1.0


def test_churn_divides_by_those_present_at_the_start_not_by_those_who_joined():
    # 1000 customers at the start of June, 500 join, 60 of the old leave in June: 6.0 %. 25 of the new leave in July.
    old = [(k, "2024-05-20", 1.0) for k in range(1000)]
    stay = [(k, day, 1.0) for k in range(60, 1000) for day in ("2024-06-10", "2024-07-05", "2024-07-30")]
    new = [(k, "2024-06-15", 1.0) for k in range(1000, 1500)]
    new_stay = [(k, "2024-07-10", 1.0) for k in range(1025, 1500)]
    table = churn_rates(rows_of(*old, *stay, *new, *new_stay), inactive_after=31, observation_end="2024-07-31").frame
    assert table["active_at_start"].tolist() == [0, 1000, 1440]
    assert table["lost"].tolist() == [0.0, 60.0, 25.0]
    assert table["churn_rate"].tolist()[1:] == [0.06, 25 / 1440]


def test_a_period_in_which_nobody_can_be_lost_yet_has_no_rate():
    rows = rows_of(("ann", "2024-01-10", 1.0), ("bob", "2024-02-20", 1.0))
    table = churn_rates(rows, inactive_after=80, observation_end="2024-04-30").frame  # ann is lost on 30 March
    assert table["active_at_start"].tolist() == [0, 1, 2, 1]
    assert table["lost"].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert table["churn_rate"].isna().tolist() == [True, True, False, False]
    assert table["upper"].isna().tolist() == [True, True, False, False]


def test_a_period_that_has_not_ended_is_missing_and_not_0():
    rows = rows_of(("ann", "2024-01-10", 1.0), ("bob", "2024-03-20", 1.0))
    table = churn_rates(rows, inactive_after=31, observation_end="2024-03-30").frame
    assert table["active_at_start"].tolist() == [0, 1, 0]
    assert table.loc[2, ["lost", "churn_rate", "lower", "upper"]].isna().all()
    assert churn_rates(rows, inactive_after=31, observation_end="2024-03-31").frame["lost"].notna().all()


@given(rows=some_rows, period=st.sampled_from(PERIODS), more=st.integers(0, 60), after=st.integers(-200, 500))
@few
def test_rates_equal_those_of_walking_through_the_calendar(rows, period, more, after):
    silence = SHORTEST[period] + more
    first = min(day for _, day, amount in rows if amount >= 0)
    end = max(first, max(day for _, day, _ in rows) + dt.timedelta(after))
    found = churn_rates(rows_of(*rows), period=period, inactive_after=silence, observation_end=end).frame
    table = walk_through_the_calendar(rows, period, silence, end)
    assert found["period"].dt.date.tolist() == [row[0] for row in table]
    assert found["active_at_start"].tolist() == [row[1] for row in table]
    assert [None if math.isnan(lost) else lost for lost in found["lost"]] == [row[2] for row in table]


@given(rows=some_rows, period=st.sampled_from(PERIODS), more=st.integers(0, 60))
@few
def test_every_departure_is_counted_exactly_once(rows, period, more):
    silence = SHORTEST[period] + more
    end = max(day for _, day, _ in rows)
    table = churn_rates(rows_of(*rows), period=period, inactive_after=silence).frame
    judged = table[table["lost"].notna()]
    until = judged["period_end"].max().date() if len(judged) else dt.date.min
    silences = 0
    for who in {who for who, _, _ in rows}:
        days = sorted({day for name, day, amount in rows if name == who and amount >= 0})
        for day, following in itertools.zip_longest(days, days[1:]):
            full = day + dt.timedelta(silence)
            silences += full <= until and (following is None or following > full)
    assert judged["lost"].sum() == silences
    assert (judged["lost"] <= judged["active_at_start"]).all()
    assert until <= end


@given(rows=some_rows, seed=st.integers(0, 2**32 - 1))
@few
def test_row_order_and_id_type_do_not_matter(rows, seed):
    frame = rows_of(*rows)
    other = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    other = other.assign(customer_id=other["customer_id"].str[1:].astype(int) * 10**9)
    for compute in (lambda data: churn_rates(data, inactive_after=60), retention_table):
        pd.testing.assert_frame_equal(compute(frame).frame, compute(other).frame)


@pytest.mark.parametrize(("lost", "n"), [(0, 5), (1, 1), (3, 40), (40, 40), (17, 1000)])
def test_the_interval_is_that_of_clopper_and_pearson(lost, n):
    rows = [(k, "2024-01-20", 1.0) for k in range(n)] + [(k, "2024-02-10", 1.0) for k in range(lost, n)]
    table = churn_rates(rows_of(*rows), inactive_after=31, observation_end="2024-02-29").frame
    expected = binomtest(lost, n).proportion_ci(0.95, method="exact")
    assert table.loc[1, "churn_rate"] == lost / n
    assert table.loc[1, ["lower", "upper"]].tolist() == pytest.approx([expected.low, expected.high], abs=1e-9)


def test_survivors_of_a_cohort_give_the_published_shares():
    # Fader & Hardie (2007) "How to project customer retention", J. of Interactive Marketing 21(1), table 1: regular
    survivors = [1000, 631, 468, 382, 326]
    rows = [(k, f"{2000 + age}-06-01", 1.0) for age, n in enumerate(survivors) for k in range(n)]
    table = retention_table(rows_of(*rows), period="year", observation_end="2004-12-31")
    assert table.values.tolist() == [survivors]
    assert table.shares[0].tolist() == [1.0, 0.631, 0.468, 0.382, 0.326]


def walk_through_cohorts(rows, period, end):
    """Sort the rows customer by customer into cells, as one would with pencil and paper."""
    customers, orders, revenue, alone = defaultdict(set), defaultdict(set), defaultdict(list), []
    for who in {who for who, _, _ in rows}:
        mine = [(day, amount) for name, day, amount in rows if name == who and day <= end]
        purchases = [day for day, amount in mine if amount >= 0]
        if not purchases:
            alone += [amount for _, amount in mine]
            continue
        cohort = period_start(min(purchases), period)
        for day, amount in mine:
            at = max(cohort, period_start(day, period))
            revenue[cohort, at].append(amount)
            if amount >= 0:
                customers[cohort, at].add(who)
                orders[cohort, at].add((who, day))
    return customers, orders, revenue, alone


@given(rows=some_rows, period=st.sampled_from(PERIODS), after=st.integers(-200, 100))
@few
def test_cohorts_equal_those_of_pencil_and_paper(rows, period, after):
    first = min(day for _, day, amount in rows if amount >= 0)
    end = max(first, max(day for _, day, _ in rows) + dt.timedelta(after))
    customers, orders, revenue, alone = walk_through_cohorts(rows, period, end)
    margins = {key: [amount / 4 for amount in cell] for key, cell in revenue.items()}
    measures = {"customers": customers, "revenue": revenue, "margin": margins, "orders": orders}
    for measure, cells in measures.items():
        table = retention_table(rows_of(*rows), period=period, measure=measure, margin=0.25, observation_end=end)
        assert table.cohorts.tolist() == sorted({cohort for cohort, _ in customers})
        long = table.frame
        for cohort, at, value, complete in zip(
            long["cohort"].dt.date, long["period"].dt.date, long[measure], long["is_complete"], strict=True
        ):
            assert math.isnan(value) == (at > end)  # missing if and only if it cannot be known
            if at <= end:
                cell = cells.get((cohort, at), [])
                assert value == (len(cell) if measure in ("customers", "orders") else sum(cell))
            following = at + dt.timedelta(1)
            while not begins_period(following, period):
                following += dt.timedelta(1)
            assert complete == (following - dt.timedelta(1) <= end)
        assert table.refund_only_revenue == sum(alone)


@given(rows=some_rows, period=st.sampled_from(PERIODS))
@few
def test_shares_never_exceed_1_and_revenue_adds_up(rows, period):
    counts = retention_table(rows_of(*rows), period=period)
    assert (counts.values[:, 0] == counts.cohort_size).all()
    assert counts.cohort_size.sum() == len({who for who, _, amount in rows if amount >= 0})
    assert np.nanmax(counts.shares) == 1.0
    money = retention_table(rows_of(*rows), period=period, measure="revenue")
    assert np.nansum(money.values) + money.refund_only_revenue == sum(amount for _, _, amount in rows)


def test_a_table_by_calendar_holds_the_same_cells_and_pooled_shares_leave_out_open_ones():
    rows = [(k, "2024-01-10", 1.0) for k in range(4)] + [(0, "2024-02-10", 1.0), (1, "2024-03-10", 1.0)]
    rows += [(k, "2024-02-20", 1.0) for k in range(4, 6)] + [(4, "2024-03-20", 1.0)]
    table = retention_table(rows_of(*rows), observation_end="2024-03-31")
    assert table.by_calendar.tolist()[0] == [4.0, 1.0, 1.0]
    assert table.by_calendar.tolist()[1][1:] == [2.0, 1.0]
    assert math.isnan(table.by_calendar[1, 0])
    assert table.calendar.astype(str).tolist() == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert table.pooled_shares.tolist() == [1.0, (1 + 1) / (4 + 2), 1 / 4]
    open_end = retention_table(rows_of(*rows), observation_end="2024-03-30")
    assert open_end.pooled_shares.tolist()[:2] == [1.0, 1 / 4]
    assert math.isnan(open_end.pooled_shares[2])


@pytest.mark.parametrize(
    ("margin", "message"),
    [
        (None, "margin: got None. Pass the share of every amount that is kept"),
        (1.5, "margin: got 1.5"),
        ("profit", "column 'profit' is missing"),
        ("word", "margin: column 'word' holds no numbers"),
        ("holes", "margin: column 'holes' is missing or infinite in 1 of 2 rows"),
    ],
)
def test_a_margin_that_is_none_is_refused(margin, message):
    frame = rows_of(("ann", "2024-01-10", 1.0), ("bob", "2024-02-10", 1.0))
    frame = frame.assign(word=["a", "b"], holes=[1.0, math.nan])
    prepared = prepare_transactions(frame, keep=["word", "holes"])
    with pytest.raises(InputError, match=message):
        retention_table(prepared, measure="margin", margin=margin)


def test_a_revenue_share_is_missing_where_the_first_period_brought_nothing():
    rows = rows_of(("ann", "2024-01-10", 0.0), ("ann", "2024-02-10", 5.0))
    table = retention_table(rows, measure="revenue")
    assert table.values.tolist() == [[0.0, 5.0]]
    assert np.isnan(table.shares).all()


def test_arrays_of_a_result_are_read_only():
    table = retention_table(random_rows(1, 50))
    for array in (table.cohorts, table.cohort_size, table.values, table.is_complete):
        assert not array.flags.writeable


def test_every_engine_gives_the_same_rates_and_cohorts(as_engine):
    frame = random_rows(5, 250)
    frame = frame.assign(kept=frame["amount"] / 2, region=np.where(frame["customer_id"] < "c2", "north", "south"))
    given_frame = as_engine(frame)
    prepared = prepare_transactions(given_frame, keep=["kept", "region"])
    prepared_in_pandas = prepare_transactions(frame, keep=["kept", "region"])
    end = "2024-11-15"
    rates = churn_rates(prepared, inactive_after=45, by="region", observation_end=end)
    expected = churn_rates(prepared_in_pandas, inactive_after=45, by="region", observation_end=end)
    assert type(rates.frame) is type(given_frame)
    assert rates.n_customers == expected.n_customers
    pairs = [(rates.frame, expected.frame)]
    for measure in ("customers", "revenue", "orders", "margin"):
        table = retention_table(prepared, measure=measure, margin="kept", observation_end=end)
        wanted = retention_table(prepared_in_pandas, measure=measure, margin="kept", observation_end=end)
        assert type(table.frame) is type(given_frame)
        np.testing.assert_array_equal(table.values, wanted.values)  # amounts are quarters: sums are exact
        assert table.refund_only_revenue == wanted.refund_only_revenue
        pairs.append((table.frame, wanted.frame))
    timing, timing_expected = (purchase_timing(source, by="region") for source in (prepared, prepared_in_pandas))
    assert (timing.n_repeat, timing.mean_interval) == (timing_expected.n_repeat, timing_expected.mean_interval)
    pairs += [(timing.second, timing_expected.second), (timing.between, timing_expected.between)]
    pairs += [(timing.groups, timing_expected.groups)]
    for found, wanted in pairs:
        found = to_pandas(found)
        assert found.columns.tolist() == wanted.columns.tolist()
        for column in wanted:
            if column == "region":
                assert found[column].tolist() == wanted[column].tolist()
            elif wanted[column].dtype.kind == "M":
                assert pd.to_datetime(found[column]).tolist() == wanted[column].tolist()
            else:
                np.testing.assert_array_equal(found[column].astype(float), wanted[column].astype(float))


@pytest.mark.parametrize("value", [0, -1, float("nan"), 30.5, 45.0, "45", True, None])
def test_inactive_after_must_be_a_number_of_days(value):
    with pytest.raises(InputError, match=r"inactive_after: got .* Pass a number of days, an integer above 0"):
        churn_rates(random_rows(1, 20), inactive_after=value)


@pytest.mark.parametrize("period", PERIODS)
def test_a_silence_shorter_than_the_longest_period_is_refused(period):
    shortest = SHORTEST[period]
    churn_rates(random_rows(1, 20), period=period, inactive_after=shortest)
    with pytest.raises(InputError, match=rf"shorter than a {period} \({shortest} days\).*Pass at least {shortest}"):
        churn_rates(random_rows(1, 20), period=period, inactive_after=shortest - 1)


def test_unknown_options_are_refused_with_the_allowed_ones():
    with pytest.raises(InputError, match=r"period: got 'day'\. Use one of 'week', 'month', 'quarter', 'year'"):
        churn_rates(random_rows(1, 20), period="day", inactive_after=60)
    with pytest.raises(InputError, match="period: got 'fortnight'"):
        retention_table(random_rows(1, 20), period="fortnight")
    with pytest.raises(
        InputError, match=r"measure: got 'profit'\. Use one of 'customers', 'revenue', 'margin', 'orders'"
    ):
        retention_table(random_rows(1, 20), measure="profit")


@pytest.mark.parametrize("compute", [lambda rows, **end: churn_rates(rows, inactive_after=60, **end), retention_table])
def test_data_without_a_purchase_are_refused(compute):
    with pytest.raises(InputError, match="it has no rows"):
        compute(random_rows(1, 20).iloc[:0])
    with pytest.raises(InputError, match="nobody has bought by 2024-01-05; there are refunds alone"):
        compute(rows_of(("ann", "2024-01-05", -1.0)))
    with pytest.raises(InputError, match="observation_end: 2024-01-04 is before the first row"):
        compute(rows_of(("ann", "2024-01-05", 1.0)), observation_end="2024-01-04")
    with pytest.raises(InputError, match="observation_end: got 'soon'"):
        compute(rows_of(("ann", "2024-01-05", 1.0)), observation_end="soon")


def test_a_period_without_customers_has_zeros_in_counts_and_no_rate():
    rows = rows_of(("ann", "2024-01-05", 1.0), ("ann", "2024-05-05", 1.0))
    rates = churn_rates(rows, inactive_after=31, observation_end="2024-05-31").frame
    assert rates["active_at_start"].tolist() == [0, 1, 0, 0, 0]
    assert rates["lost"].tolist() == [0, 1, 0, 0, 0]
    assert rates["churn_rate"].isna().tolist() == [True, False, True, True, True]
    table = retention_table(rows, observation_end="2024-05-31")
    assert table.values.tolist() == [[1.0, 0.0, 0.0, 0.0, 1.0]]  # nobody came: known, and 0


def test_one_customer_with_one_purchase_is_enough():
    rows = rows_of(("ann", "2024-01-05", 1.0))
    assert churn_rates(rows, inactive_after=31).frame[RATE_COLUMNS[2:]].isna().sum().tolist() == [0, 1, 1, 1, 1]
    assert retention_table(rows).values.tolist() == [[1.0]]
