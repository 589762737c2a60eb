"""Contracts: the published example, an oracle that walks day by day, pauses, overlaps, and what is refused."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from crmvalue.errors import InputError
from crmvalue.retention.bridge import revenue_bridge
from crmvalue.retention.contract_bridge import contract_revenue_bridge
from crmvalue.retention.contract_rates import contract_churn_rates
from crmvalue.retention.contracts import contract_lifetimes, prepare_contracts
from crmvalue.retention.rates import churn_rates
from crmvalue.retention.survival import retention_curve
from tests.conftest import to_pandas
from tests.retention.test_bridge import some_contracts

few = settings(deadline=None, max_examples=50)


def contracts_of(*rows, **options):
    return prepare_contracts(pd.DataFrame(rows, columns=["customer_id", "start", "end"]), **options)


def test_of_1000_customers_60_leave_and_of_500_who_join_25_that_is_6_percent_and_not_8_5():
    rows = [(k, "2024-05-01", "2024-06-15" if k < 60 else None) for k in range(1000)]
    rows += [(k, "2024-06-10", "2024-06-20" if k < 1025 else None) for k in range(1000, 1500)]
    june = contract_churn_rates(contracts_of(*rows), observation_end="2024-07-01").frame.iloc[1]
    assert (june["active_at_start"], june["lost"], june["joined"], june["joined_and_lost"]) == (1000, 60, 500, 25)
    assert june["churn_rate"] == 0.06
    exact = binomtest(60, 1000).proportion_ci(0.95, method="exact")
    assert [june["lower"], june["upper"]] == pytest.approx([exact.low, exact.high], abs=1e-9)
    time = (940 * 30 + 60 * 15 + 475 * 21 + 25 * 11) / 30
    assert june["person_time"] == pytest.approx(time)
    assert june["loss_rate"] == pytest.approx(85 / time)


@given(frame=some_contracts, pause=st.sampled_from([0, 1, 20]))
@few
def test_rates_equal_those_of_walking_through_the_calendar(frame, pause):
    contracts = prepare_contracts(frame, longest_pause=pause)
    table = contract_churn_rates(contracts, observation_end="2024-08-31").frame
    days = pd.date_range("2023-12-01", "2024-10-31")
    runs = {
        who: np.array([((rows["start"] <= day) & ~(rows["end"] < day)).any() for day in days])
        for who, rows in frame.groupby("customer_id")
    }
    for who, there in runs.items():  # a gap of at most `pause` days is none
        runs[who] = there.copy()
        on = np.flatnonzero(there)
        for left, right in itertools.pairwise(on):
            if right - left - 1 <= pause:
                runs[who][left:right] = True
    presence = pd.DataFrame(runs, index=days)
    for row in table.itertuples():
        inside = presence.loc[row.period : row.period_end]
        evening = row.period - pd.Timedelta(days=1)
        before = presence.loc[evening] if evening in presence.index else inside.iloc[0] & False
        start = before & inside.iloc[0]
        assert row.active_at_start == start.sum()
        judged = row.period_end + pd.Timedelta(days=1 + pause) <= pd.Timestamp("2024-08-31")
        assert math.isnan(row.lost) != judged
        if judged:
            after = presence.loc[row.period_end + pd.Timedelta(days=1)]
            whole = pd.concat([inside, after.to_frame().T])
            first_stay_ends = (start & ~whole.all()).sum()
            assert row.lost == first_stay_ends
            assert row.person_time == pytest.approx(inside.to_numpy().sum() / len(inside))
            assert row.lost <= row.active_at_start


def test_a_pause_is_no_departure_and_a_longer_one_is():
    rows = [("ann", "2024-01-10", "2024-02-10"), ("ann", "2024-02-25", None)]  # fourteen days without a contract
    paused = contracts_of(*rows, longest_pause=14)
    assert (paused.audit.pauses, paused.audit.returns, len(paused.stays)) == (1, 0, 1)
    gone = contracts_of(*rows, longest_pause=13)
    assert (gone.audit.pauses, gone.audit.returns, len(gone.stays)) == (0, 1, 2)
    rates = contract_churn_rates(gone, observation_end="2024-04-30").frame
    assert rates["lost"].tolist()[:3] == [0, 1, 0]
    assert rates["joined"].tolist()[:3] == [1, 1, 0]


def test_a_departure_that_a_pause_could_still_undo_is_not_judged():
    rows = [("ann", "2024-01-10", "2024-02-20")]
    table = contract_churn_rates(contracts_of(*rows, longest_pause=30), observation_end="2024-03-30").frame
    assert table["lost"].isna().tolist() == [False, True, True]
    table = contract_churn_rates(contracts_of(*rows, longest_pause=30), observation_end="2024-03-31").frame
    assert table["lost"].isna().tolist() == [False, False, True]


def test_overlaps_are_joined_and_counted_or_refused():
    rows = [("ann", "2024-01-01", "2024-06-30"), ("ann", "2024-03-01", "2024-04-30"), ("ann", "2024-07-01", None)]
    contracts = contracts_of(*rows)
    assert len(contracts.stays) == 1
    assert (contracts.audit.overlapping, contracts.audit.renewals, contracts.audit.open_contracts) == (1, 1, 1)
    with pytest.raises(InputError, match='1 of 3 contracts begin while another one.*overlaps="join"'):
        contracts_of(*rows, overlaps="raise")


def test_lifetimes_of_contracts_begun_before_the_data_enter_late():
    contracts = contracts_of(
        ("ann", "2020-01-01", "2024-01-20"), ("bob", "2024-01-05", None), ("cy", "2019-01-01", "2019-02-01")
    )
    lifetimes = contract_lifetimes(contracts, observation_start="2024-01-01", observation_end="2024-01-31")
    assert lifetimes["customer_id"].tolist() == ["ann", "bob"]
    assert lifetimes["duration"].tolist() == [1481, 27]  # 2020-01-01 to 2024-01-20, both days in
    assert lifetimes["entry"].tolist() == [1461, 0]
    assert lifetimes["has_left"].tolist() == [True, False]
    curve = retention_curve(lifetimes, entry="entry")
    assert curve.frame["at_risk"].tolist() == [1]


def test_groups_of_contracts_add_up_to_the_whole():
    rng = np.random.default_rng(4)
    start = np.datetime64("2023-01-05") + rng.integers(0, 300, 200)
    frame = pd.DataFrame({"customer_id": np.arange(200), "start": start, "end": start + rng.integers(5, 200, 200)})
    frame["plan"] = np.where(frame["customer_id"] % 3, "basic", "plus")
    contracts = prepare_contracts(frame, keep=["plan"])
    whole = contract_churn_rates(contracts, observation_end="2023-12-31").frame.set_index("period")
    parts = contract_churn_rates(contracts, by="plan", observation_end="2023-12-31").frame
    columns = ["active_at_start", "lost", "joined", "joined_and_lost", "person_time"]
    added = parts.groupby("period")[columns].sum(min_count=1)
    np.testing.assert_allclose(added, whole[columns], rtol=1e-12)


def test_every_engine_gives_the_same_contracts(as_engine):
    frame = pd.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob", "cy", None],
            "start": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-15", "2024-02-03", "2024-01-01"]),
            "end": pd.to_datetime(["2024-01-31", None, "2024-02-20", "2024-02-10", None]),
            "fee": [5.0, 6.0, 7.0, 8.0, 9.0],
            "plan": ["a", "b", "a", "b", "a"],
        }
    )
    given_frame = as_engine(frame)
    found, wanted = (prepare_contracts(f, amount="fee", keep=["plan"]) for f in (given_frame, frame))
    assert type(found.stays) is type(given_frame)
    assert found.audit.missing_customer == wanted.audit.missing_customer == 1
    assert to_pandas(found.stays)["customer_id"].tolist() == ["ann", "bob", "cy"]
    one, two = (
        to_pandas(contract_churn_rates(c, by="plan", observation_end="2024-03-31").frame) for c in (found, wanted)
    )
    assert one["plan"].tolist() == two["plan"].tolist()
    for column in two.columns.drop(["plan", "period", "period_end"]):
        np.testing.assert_allclose(one[column].astype(float), two[column].astype(float), rtol=1e-12)
    lifetimes = contract_lifetimes(found, observation_end="2024-03-31")
    assert to_pandas(lifetimes)["duration"].tolist() == [91, 37, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": ["2023-12-31", None]}, r"end: before the start in 1 of 2 rows \(customer ann\)"),
        ({"end": ["soon", None]}, "end: not a date in 1 rows"),
        ({"start": [None, None]}, "none of 2 rows has a customer and a first day"),
        ({"fee": [-1.0, 1.0]}, r"fee: missing or negative in 1 of 2 rows \(customer ann\)"),
        ({"fee": [1.0, math.nan]}, r"fee: missing or negative in 1 of 2 rows \(customer bob\)"),
        ({"fee": ["x", "y"]}, "fee: column holds String, not numbers"),
    ],
)
def test_impossible_contracts_are_refused(change, message):
    frame = pd.DataFrame(
        {"customer_id": ["ann", "bob"], "start": ["2024-01-01"] * 2, "end": ["2024-02-01", None], "fee": [1.0, 2.0]}
    )
    with pytest.raises(InputError, match=message):
        prepare_contracts(frame.assign(**change), amount="fee")


def test_options_that_cannot_be_are_refused():
    contracts = contracts_of(("ann", "2024-01-01", None))
    with pytest.raises(InputError, match="longest_pause: got -1"):
        contracts_of(("ann", "2024-01-01", None), longest_pause=-1)
    with pytest.raises(InputError, match="it has no rows"):
        contracts_of()
    with pytest.raises(InputError, match="overlaps: got 'keep'"):
        contracts_of(("ann", "2024-01-01", None), overlaps="keep")
    with pytest.raises(InputError, match="observation_end: 2023-12-01 is before the first contract"):
        contract_churn_rates(contracts, observation_end="2023-12-01")
    with pytest.raises(InputError, match=r"no column 'plan' to group by \(none was kept\). Keep it: prepare_contracts"):
        contract_churn_rates(contracts, by="plan", observation_end="2024-02-01")
    with pytest.raises(InputError, match="no contract runs between them"):
        contract_lifetimes(contracts, observation_end="2023-12-01")
    with pytest.raises(InputError, match="observation_start: 2024-03-01 is after observation_end"):
        contract_lifetimes(contracts, observation_start="2024-03-01", observation_end="2024-02-01")


@pytest.mark.parametrize("pause", [0, 10])
def test_a_period_that_has_ended_but_cannot_be_judged_has_a_note_with_the_day_to_pass(pause):
    rows = [("ann", "2024-01-01", None), ("bob", "2024-01-01", "2024-02-29")]
    frame = pd.DataFrame(rows, columns=["customer_id", "start", "end"]).assign(fee=5.0)
    contracts = prepare_contracts(frame, amount="fee", longest_pause=pause)
    early = contract_churn_rates(contracts, observation_end="2024-02-29")
    assert early.frame["lost"].isna().tolist() == [False, True]
    assert early.notes[0].startswith("From 2024-02-01 on nothing is judged: a contract that ends by 2024-02-29")
    assert contract_revenue_bridge(contracts, observation_end="2024-02-29").notes == early.notes
    named = early.notes[0].split("up to ")[-1].split(",")[0]
    later = contract_churn_rates(contracts, observation_end=named)
    assert later.frame["lost"].iloc[1] == 1
    assert later.notes == ()
    day_before = np.datetime64(named) - 1
    assert contract_churn_rates(contracts, observation_end=day_before).frame["lost"].isna().iloc[1]


def test_the_last_day_of_a_period_parts_a_customer_lost_from_a_contract_that_one_who_stays_gives_up():
    rows = [("ann", "2024-01-01", "2024-01-31", 5.0), ("bob", "2024-01-01", "2024-01-31", 7.0)]
    rows += [("bob", "2024-01-01", None, 3.0)]
    frame = pd.DataFrame(
        [(*row[:1], "2023-12-01", *row[2:]) for row in rows], columns=["customer_id", "start", "end", "fee"]
    )
    contracts = prepare_contracts(frame, amount="fee")
    table = contract_revenue_bridge(contracts, observation_end="2024-03-01").frame.set_index("period")
    assert table.loc["2024-01-01", ["lost", "contracted"]].tolist() == [5.0, 0.0]
    assert table.loc["2024-02-01", ["lost", "contracted"]].tolist() == [0.0, 7.0]


def test_the_audit_of_contracts_is_a_frame_of_its_counts():
    contracts = contracts_of(
        ("ann", "2024-01-01", "2024-01-31"), ("ann", "2024-02-01", None), (None, "2024-01-01", None)
    )
    counts = contracts.audit.to_frame().set_index("rule")["rows"]
    assert counts[["rows_in", "missing_customer", "rows_out", "renewals"]].tolist() == [3, 1, 2, 1]


def test_contracts_passed_as_transactions_are_sent_to_the_function_for_them():
    contracts = contracts_of(("ann", "2024-01-01", None))
    with pytest.raises(InputError, match="got Contracts. For customers with a contract, use contract_churn_rates"):
        churn_rates(contracts)
    with pytest.raises(InputError, match="got Contracts. For customers with a contract, use contract_revenue_bridge"):
        revenue_bridge(contracts)
