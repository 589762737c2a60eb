"""The trend of spend: by hand, against slow sums, and on every engine."""

import numpy as np
import pandas as pd
import pytest

from crmvalue._core.frames import open_frame
from crmvalue.data.summary import summarize_customers
from crmvalue.errors import InputError
from crmvalue.segmentation import add_trend, score_rfm
from tests.conftest import to_pandas

END = np.datetime64("2024-06-30")
RNG = np.random.default_rng(12)
ROWS = pd.DataFrame(
    {
        "customer_id": [f"c{k}" for k in RNG.integers(0, 25, 150)],
        "date": (END - RNG.integers(-5, 150, 150)).astype("datetime64[s]"),
        "amount": np.round(RNG.normal(30, 25, 150), 2),
    }
)


def slow_trend(customer, days):
    mine = ROWS[ROWS["customer_id"] == customer]
    age = (END - mine["date"].to_numpy().astype("datetime64[D]")).astype(int)
    now = mine["amount"].to_numpy()[(age >= 0) & (age < days)].sum()
    then = mine["amount"].to_numpy()[(age >= days) & (age < 2 * days)].sum()
    return (now - then) / (abs(now) + abs(then)) if now or then else 0.0


def test_every_engine_gives_the_trend_of_slow_sums(as_engine):
    native = as_engine(ROWS)
    summary = summarize_customers(native, observation_end=END)
    found = add_trend(summary, native, days=40)
    assert type(found.frame) is type(summary.frame)
    table = to_pandas(found.frame)
    assert len(table) == len(to_pandas(summary.frame))
    expected = [slow_trend(customer, 40) for customer in table["customer_id"]]
    assert table["trend"].tolist() == pytest.approx(expected, abs=1e-9)
    scores = score_rfm(found, also=["trend", "tenure"])
    assert scores.score_names[-2:] == ("trend_score", "tenure_score")
    assert open_frame(scores.frame).implementation == open_frame(native).implementation


def test_who_stopped_is_at_minus_one_who_began_at_one_and_the_silent_at_zero():
    rows = pd.DataFrame(
        {
            "customer_id": ["stopped", "began", "silent"],
            "date": END - np.array([45, 5, 300]).astype("timedelta64[D]"),
            "amount": 9.0,
        }
    )
    found = add_trend(summarize_customers(rows, observation_end=END), rows, days=30).frame
    assert found.set_index("customer_id")["trend"].to_dict() == {"began": 1.0, "stopped": -1.0, "silent": 0.0}


def test_a_trend_that_cannot_be_is_refused():
    summary = summarize_customers(ROWS)
    with pytest.raises(InputError, match="summary: got DataFrame. Pass what summarize_customers returned"):
        add_trend(summary.frame, ROWS)
    with pytest.raises(InputError, match="days: got 0"):
        add_trend(summary, ROWS, days=0)
    with pytest.raises(InputError, match="it has a column 'trend' already"):
        add_trend(add_trend(summary, ROWS), ROWS)
    with pytest.raises(InputError, match="customer_id: Int64 in `transactions`, but String in the others"):
        add_trend(summary, ROWS.assign(customer_id=range(150)))
