"""Revenue bridges: each part by hand, an oracle with pencil and paper, and sums that must reconcile."""

import datetime as dt
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.churn import contract_churn_rates, contract_revenue_bridge, prepare_contracts, revenue_bridge
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError

few = settings(deadline=None, max_examples=60)
PARTS = ["new", "returned", "expanded", "contracted", "lost"]


def rows_of(rows):
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


some_rows = st.lists(
    st.tuples(
        st.integers(0, 5).map("c{}".format),
        st.dates(dt.date(2023, 11, 3), dt.date(2024, 6, 20)),
        st.sampled_from([-5.0, 0.0, 3.5, 10.0]),
    ),
    min_size=1,
    max_size=50,
).filter(
    lambda rows: any(amount >= 0 for *_, amount in rows) and len({(day.year, day.month) for _, day, _ in rows}) > 1
)


def by_pencil_and_paper(rows):
    """Compare each customer's months one by one."""
    months = [(day.year, day.month) for _, day, _ in rows]
    first, last = min(months), max(months)
    at = [(y, m) for y in range(2023, 2025) for m in range(1, 13) if first <= (y, m) <= last]
    paid, bought = defaultdict(float), set()
    for (who, _, amount), month in zip(rows, months, strict=True):
        paid[who, month] += amount
        if amount >= 0:
            bought.add((who, month))
    table = []
    for number in range(1, len(at)):
        before, now = at[number - 1], at[number]
        row = dict.fromkeys(["opening", "closing", *PARTS], 0.0)
        for who in {who for who, _, _ in rows}:
            was, has = (who, before) in bought, (who, now) in bought
            a, b = paid[who, before], paid[who, now]
            row["opening"] += a if was else 0
            row["closing"] += b if has else 0
            if was and has:
                row["expanded"] += max(b - a, 0)
                row["contracted"] += max(a - b, 0)
            elif has:
                row["returned" if any((who, month) in bought for month in at[:number]) else "new"] += b
            elif was:
                row["lost"] += a
        table.append(row)
    return pd.DataFrame(table)


@given(rows=some_rows)
@few
def test_every_part_equals_the_one_by_pencil_and_paper(rows):
    found = revenue_bridge(rows_of(rows), observation_end="2024-06-30").frame
    wanted = by_pencil_and_paper(rows)
    found = found.iloc[: len(wanted)]  # months after the last row say that all were lost
    pd.testing.assert_frame_equal(found[wanted.columns.tolist()], wanted)


@given(rows=some_rows, period=st.sampled_from(["week", "month"]))
@few
def test_the_parts_add_up_to_the_change_of_all_amounts(rows, period):
    table = revenue_bridge(rows_of(rows), period=period, observation_end="2024-06-30").frame
    sums = table["opening"] + table["new"] + table["returned"] + table["expanded"] - table["contracted"] - table["lost"]
    known = table["closing"].notna()
    assert sums[known].tolist() == table["closing"][known].tolist()  # amounts are halves: sums are exact
    frame = rows_of(rows)
    unit = "W-SUN" if period == "week" else "M"
    totals = frame.groupby(pd.to_datetime(frame["date"]).dt.to_period(unit))["amount"].sum()
    totals = totals.reindex(pd.period_range(totals.index.min(), pd.Period("2024-06-30", unit)), fill_value=0.0)
    assert table["change"][known].tolist() == totals.diff().iloc[1:][known.to_numpy()].tolist()
    assert (table["gross_revenue_retention"] <= table["net_revenue_retention"] + 1e-12)[
        known & (table["opening"] > 0)
    ].all()
    assert (table["gross_revenue_retention"].dropna() <= 1).all()


def test_a_small_bridge_equals_the_one_by_hand():
    rows = [("ann", "2024-01-05", 10.0), ("bob", "2024-01-09", 20.0), ("ann", "2024-02-05", 15.0)]
    rows += [("cy", "2024-02-29", 7.0), ("bob", "2024-03-10", 8.0), ("ann", "2024-03-11", 12.0)]
    table = revenue_bridge(rows_of(rows), observation_end="2024-03-31").frame
    assert table[["opening", *PARTS, "closing"]].to_numpy().tolist() == [
        [30.0, 7.0, 0.0, 5.0, 0.0, 20.0, 22.0],
        [22.0, 0.0, 8.0, 0.0, 3.0, 7.0, 20.0],
    ]
    assert table["n_lost"].tolist() == [1, 1]
    assert table["net_revenue_retention"].tolist() == [15 / 30, 12 / 22]
    assert table["gross_revenue_retention"].tolist() == [10 / 30, 12 / 22]
    assert table["quick_ratio"].tolist() == [12 / 20, 8 / 10]
    assert table["days"].tolist() == [29, 31]  # months differ in length, and the table says so
    assert table["days_before"].tolist() == [31, 29]


def test_data_that_begin_within_a_period_are_noted_unless_their_first_day_is_given():
    rows = rows_of([("ann", "2024-01-05", 10.0), ("ann", "2024-02-05", 15.0), ("ann", "2024-03-05", 15.0)])
    assert revenue_bridge(rows, period="quarter", observation_end="2024-06-30").notes == ()
    noted = revenue_bridge(rows, observation_end="2024-03-31")
    assert noted.notes[0].startswith("The first row is of 2024-01-05, 4 days after the first period began.")
    assert revenue_bridge(rows, observation_start="2024-01-01", observation_end="2024-03-31").notes == ()


def test_a_period_without_customers_is_a_row_of_zeros_without_ratios():
    rows = rows_of([("ann", "2024-01-05", 10.0), ("ann", "2024-04-05", 15.0)])
    table = revenue_bridge(rows, observation_end="2024-04-30").frame
    assert table["opening"].tolist() == [10.0, 0.0, 0.0]
    assert table["lost"].tolist() == [10.0, 0.0, 0.0]
    assert table["returned"].tolist() == [0.0, 0.0, 15.0]
    assert table["net_revenue_retention"].isna().tolist() == [False, True, True]
    assert table["quick_ratio"].isna().tolist() == [False, True, True]


def test_gross_retention_stays_at_most_1_when_a_customer_leaves_who_was_paid_more_than_she_paid():
    rows = [("ann", "2024-01-05", 10.0), ("bob", "2024-01-09", 1.0), ("bob", "2024-01-10", -6.0)]
    table = revenue_bridge(rows_of([*rows, ("ann", "2024-02-05", 8.0)]), observation_end="2024-02-29").frame
    assert table[["opening", "lost", "contracted", "closing"]].to_numpy().tolist() == [[5.0, -5.0, 2.0, 8.0]]
    assert table["net_revenue_retention"].tolist() == [8 / 5]  # the loss with bob is gone
    assert table["gross_revenue_retention"].tolist() == [3 / 5]  # ann brings 2 less; a loss that ends is no gain


@given(rows=some_rows)
@few
def test_groups_add_up_to_the_whole(rows):
    frame = rows_of(rows).assign(group=[int(who[1:]) % 2 for who, *_ in rows])
    whole = revenue_bridge(frame, observation_end="2024-06-30").frame.set_index("period")
    prepared = prepare_transactions(frame, keep=["group"])
    parts = revenue_bridge(prepared, by="group", observation_end="2024-06-30").frame
    sums = ["opening", *PARTS, "refunds", "closing", "change", "n_opening", *(f"n_{name}" for name in PARTS)]
    added = parts.groupby("period")[sums].sum(min_count=1)
    pd.testing.assert_frame_equal(added, whole[sums], check_freq=False)  # amounts are halves: sums are exact


def test_a_period_that_is_not_complete_is_missing_at_both_ends():
    rows = rows_of([("ann", "2024-01-05", 10.0), ("ann", "2024-02-05", 15.0), ("ann", "2024-03-05", 15.0)])
    table = revenue_bridge(rows, observation_end="2024-03-30").frame
    assert table["closing"].isna().tolist() == [False, True]
    table = revenue_bridge(rows, observation_start="2024-01-03", observation_end="2024-03-31").frame
    assert table["closing"].isna().tolist() == [True, False]


def test_bridges_that_cannot_be_are_refused():
    rows = rows_of([("ann", "2024-01-05", 10.0), ("bob", "2024-01-09", 20.0)])
    with pytest.raises(InputError, match="all lie in one month, so there is no change to split"):
        revenue_bridge(rows)
    with pytest.raises(InputError, match="period: got 'decade'"):
        revenue_bridge(rows, period="decade")
    with pytest.raises(InputError, match="observation_start: 2024-01-06 is after the first row"):
        revenue_bridge(rows, observation_start="2024-01-06")
    with pytest.raises(InputError, match="there are refunds alone"):
        revenue_bridge(rows_of([("ann", "2024-01-05", -1.0)]), observation_end="2024-03-01")
    moved = rows_of([("ann", "2024-01-05", 10.0), ("ann", "2024-02-09", 20.0)]).assign(region=["north", "south"])
    with pytest.raises(InputError, match=r"by: 1 customers are in several groups of 'region' \(customer ann\)"):
        revenue_bridge(prepare_transactions(moved, keep=["region"]), by="region")
    with pytest.raises(InputError, match="by: column 'plan' is missing"):
        revenue_bridge(prepare_transactions(moved, keep=["region"]), by="plan")
    contracts = pd.DataFrame({"customer_id": ["ann"], "start": ["2024-01-05"], "end": [None]})
    with pytest.raises(InputError, match=r"contracts: they have no amounts. Name their column"):
        contract_revenue_bridge(prepare_contracts(contracts), observation_end="2024-03-01")


some_contracts = st.lists(
    st.tuples(
        st.integers(0, 4).map("c{}".format),
        st.integers(0, 200),
        st.one_of(st.none(), st.integers(0, 90)),
        st.sampled_from([0.0, 5.0, 12.5]),
    ),
    min_size=1,
    max_size=25,
).map(
    lambda rows: pd.DataFrame(
        {
            "customer_id": [who for who, *_ in rows],
            "start": [np.datetime64("2023-12-10") + start for _, start, *_ in rows],
            "end": np.array(
                [
                    np.datetime64("2023-12-10") + start + long if long is not None else np.datetime64("NaT")
                    for _, start, long, _ in rows
                ],
                dtype="datetime64[s]",
            ),
            "fee": [fee for *_, fee in rows],
        }
    )
)


@given(frame=some_contracts, pause=st.sampled_from([0, 10]))
@few
def test_the_bridge_of_contracts_adds_up_and_chains(frame, pause):
    contracts = prepare_contracts(frame, amount="fee", longest_pause=pause)
    table = contract_revenue_bridge(contracts, observation_end="2024-09-30").frame
    sums = table["opening"] + table["new"] + table["returned"] + table["expanded"] - table["contracted"] - table["lost"]
    known = table["closing"].notna()
    assert sums[known].tolist() == table["closing"][known].tolist()
    assert table["closing"][known].iloc[:-1].tolist() == table["opening"][known].iloc[1:].tolist()
    # the oracle: what runs on the evening before each month, straight from the rows
    for period, opening in zip(table["period"][known], table["opening"][known], strict=True):
        evening = period - pd.Timedelta(days=1)
        runs = (frame["start"] <= evening) & ~(frame["end"] < evening)
        stays = contracts.stays[(contracts.stays["first_day"] < period) & ~(contracts.stays["last_day"] < period)]
        assert opening == frame["fee"][runs & frame["customer_id"].isin(stays["customer_id"])].sum()
    plans = prepare_contracts(frame.assign(plan=frame["customer_id"]), amount="fee", longest_pause=pause, keep=["plan"])
    parts = contract_revenue_bridge(plans, by="plan", observation_end="2024-09-30").frame
    sums = ["opening", *PARTS, "closing", "n_opening", "n_lost"]
    added = parts.groupby("period")[sums].sum(min_count=1)
    pd.testing.assert_frame_equal(added, table.set_index("period")[sums], check_freq=False)
    rates = contract_churn_rates(contracts, observation_end="2024-09-30").frame
    gross = (table["contracted"] + table["lost"]) / table["opening"].where(table["opening"] > 0)
    np.testing.assert_allclose(rates["gross_revenue_churn"], gross, rtol=1e-12)
    np.testing.assert_allclose(rates["net_revenue_churn"], 1 - table["net_revenue_retention"], rtol=1e-9, atol=1e-12)
