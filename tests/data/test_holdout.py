"""Holdout: both periods hold the same customers, and nothing is lost between them."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from conftest import to_pandas

from crmvalue.data.holdout import split_holdout
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError

ROWS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "a", "a", "b", "c", "a"],
        "date": [f"2024-{day}" for day in ("01-01", "01-20", "01-31", "02-01", "02-01", "02-10", "02-11", "04-01")],
        "amount": [1.0, 2.0, 4.0, 8.0, 16.0, -32.0, 64.0, 128.0],
    }
)  # fmt: skip


def test_both_periods_are_right_on_every_engine(as_engine):
    prepared = prepare_transactions(as_engine(ROWS))
    split = split_holdout(prepared, calibration_end="2024-01-31", observation_end="2024-03-02", time_unit="week")
    held = to_pandas(split.holdout).sort_values("customer_id")
    assert type(split.holdout) is type(prepared.frame)
    assert held.values.tolist() == [["a", 1, 24.0], ["b", 0, -32.0]]
    known = to_pandas(split.calibration.frame).sort_values("customer_id")
    assert known["frequency"].tolist() == [1, 0]
    assert (split.new_customers, split.rows_after_end) == (1, 1)
    assert split.duration == pytest.approx(31 / 7)


def test_the_calibration_summary_gets_log_gaps_if_asked():
    split = split_holdout(ROWS, calibration_end="2024-01-31", observation_end="2024-03-02", log_gaps=True)
    assert split.calibration.frame["log_gaps"].tolist() == pytest.approx([math.log(19), 0.0])  # from day 1 to day 20


def test_spend_of_both_periods_adds_up_to_all_rows_of_the_customers():
    split = split_holdout(ROWS, calibration_end="2024-01-31")
    known, held = split.calibration.frame["total_spend"].sum(), split.holdout["holdout_spend"].sum()
    new = 64.0
    assert known + held + new == ROWS["amount"].sum()


@pytest.mark.parametrize("end", ["2024-01-31", "2023-12-31"])
def test_a_holdout_period_without_days_is_refused(end):
    with pytest.raises(InputError, match="observation_end: .* leaves no holdout period"):
        split_holdout(ROWS, calibration_end="2024-01-31", observation_end=end)


def test_a_calibration_period_before_the_first_purchase_is_refused():
    with pytest.raises(InputError, match="before the first purchase"):
        split_holdout(ROWS, calibration_end="2023-01-31")
