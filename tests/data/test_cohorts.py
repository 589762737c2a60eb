"""What churn and retention need of the rows: gaps between purchases, and totals of cohorts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue._core.periods import PERIODS, first_days, period_number, period_numbers
from crmvalue.data.cohorts import NEVER, cohort_totals, last_observed_day, purchase_gaps
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from tests.conftest import to_pandas


def transactions_of(*rows):
    return prepare_transactions(pd.DataFrame(rows, columns=["customer_id", "date", "amount"]))


def day(text):
    return int(np.datetime64(text, "D").astype(np.int64))


END = np.datetime64("2024-12-31")

# bob returns something from before the data begin and then buys; cy only returns.
MIXED = transactions_of(
    ("ann", "2024-01-05", 10.0),
    ("ann", "2024-01-05", 4.0),
    ("ann", "2024-01-20", -3.0),
    ("ann", "2024-03-01", 0.0),
    ("bob", "2024-01-31", -2.0),
    ("bob", "2024-02-10", 8.0),
    ("cy", "2024-02-02", -5.0),
)


def test_gaps_join_the_purchases_of_a_day_and_leave_out_days_of_refunds_alone():
    gaps = purchase_gaps(MIXED, END)
    pairs = sorted(zip(gaps.day.tolist(), gaps.next_day.tolist(), gaps.count.tolist(), strict=True))
    assert pairs == [
        (day("2024-01-05"), day("2024-03-01"), 1),
        (day("2024-02-10"), NEVER, 1),
        (day("2024-03-01"), NEVER, 1),
    ]
    assert gaps.n_customers == 2


def test_purchases_after_the_end_do_not_count():
    gaps = purchase_gaps(MIXED, np.datetime64("2024-02-29"))
    assert sorted(gaps.day.tolist()) == [day("2024-01-05"), day("2024-02-10")]
    assert (gaps.next_day == NEVER).all()


def test_an_early_refund_counts_in_the_first_period_and_one_without_purchase_is_told_apart():
    totals = cohort_totals(MIXED, END, "month")
    months = [str(value)[:7] for value in first_days(totals.period, "month")]
    assert [str(value)[:7] for value in first_days(totals.cohort, "month")] == ["2024-01", "2024-01", "2024-02"]
    assert months == ["2024-01", "2024-03", "2024-02"]
    assert totals.customers.tolist() == [1, 1, 1]
    assert totals.revenue.tolist() == [11.0, 0.0, 6.0]
    assert totals.refund_only_revenue == -5.0


def test_every_engine_gives_the_same_gaps_and_totals(as_engine):
    rng = np.random.default_rng(3)
    n = 200
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in rng.integers(0, 40, n)],
            "date": (np.datetime64("1969-11-01") + rng.integers(0, 150, n)).astype("datetime64[s]"),
            "amount": rng.integers(-4, 12, n) / 4,
        }
    )
    ours, theirs = prepare_transactions(frame), prepare_transactions(as_engine(frame))
    end = np.datetime64("1970-03-15")
    expected, found = purchase_gaps(ours, end), purchase_gaps(theirs, end)
    pairs = [np.repeat(np.stack([gaps.day, gaps.next_day], axis=1), gaps.count, axis=0) for gaps in (expected, found)]
    assert sorted(pairs[0].tolist()) == sorted(pairs[1].tolist())
    for period in ("week", "quarter"):
        expected_totals, totals = cohort_totals(ours, end, period), cohort_totals(theirs, end, period)
        for name in (
            "cohort",
            "period",
            "customers",
            "revenue",
            "refund_only_revenue",
        ):  # quarters of 1: sums are exact
            assert np.array_equal(getattr(totals, name), getattr(expected_totals, name)), (period, name)


@pytest.mark.parametrize("period", PERIODS)
def test_a_frame_numbers_its_dates_as_numpy_does(period):
    import narwhals.stable.v2 as nw

    days = np.arange("1967-12-25", "1973-01-10", dtype="datetime64[D]")
    frame = nw.from_native(pd.DataFrame({"date": days.astype("datetime64[s]")}))
    numbers = to_pandas(frame.select(number=period_number("date", period)).to_native())["number"]
    assert numbers.tolist() == period_numbers(days, period).tolist()


@given(number=st.integers(-500, 500), period=st.sampled_from(PERIODS))
@settings(deadline=None)
def test_a_period_begins_on_its_first_day_and_ends_before_the_next(number, period):
    first, following = first_days(np.array([number, number + 1]), period)
    assert period_numbers(np.array([first - 1, first, following - 1]), period).tolist() == [number - 1, number, number]
    date = first.item()
    starts = {"week": date.weekday() == 0, "month": True, "quarter": date.month % 3 == 1, "year": date.month == 1}
    assert starts[period]
    assert period == "week" or date.day == 1


def test_an_end_before_the_first_row_is_refused():
    with pytest.raises(InputError, match=r"observation_end: 2024-01-04 is before the first row \(2024-01-05\)"):
        last_observed_day(MIXED, "2024-01-04")


def test_refunds_alone_are_refused():
    refunds = transactions_of(("ann", "2024-01-05", -1.0))
    for reduce in (purchase_gaps, lambda rows, end: cohort_totals(rows, end, "month")):
        with pytest.raises(InputError, match="nobody has bought by 2024-12-31; there are refunds alone"):
            reduce(refunds, END)
