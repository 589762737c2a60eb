"""The whole customer: worth by hand, sums that must reconcile, referrals that cannot be, and delivered value."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.value import customer_worth, delivered_value
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=50)
OPTIONS = {
    "cost_to_serve": "service",
    "lifetime_value": "value",
    "cross_buying": "cross",
    "learning_value": "ideas",
    "would_have_come": 0.25,
}
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cy", "di"],
        "contribution": [20.0, 60.0, 40.0, 5.0],
        "service": [5.0, 10.0, 0.0, 25.0],
        "value": [30.0, 100.0, 0.0, 10.0],
        "cross": [0.0, 4.0, 0.0, 0.0],
        "ideas": [0.0, 0.0, 7.0, 0.0],
    }
)
REFERRALS = pd.DataFrame(
    {"customer_id": ["ann", "ann", "bob"], "referred_id": ["bob", "cy", "di"], "cost": [5.0, 0.0, 1.0]}
)


def test_worth_is_the_sum_of_its_parts_worked_out_by_hand():
    worth = customer_worth(CUSTOMERS, referrals=REFERRALS, **OPTIONS)
    table = worth.frame.set_index("customer_id")
    assert table["current"].to_dict() == {"ann": 15.0, "bob": 50.0, "cy": 40.0, "di": -20.0}
    assert table["potential"].to_dict() == {"ann": 30.0, "bob": 104.0, "cy": 0.0, "di": 10.0}
    # ann: .75 (50 + 40) - 5; bob: .75 (-20) - 1: who brings in somebody who costs more than she brings loses by it
    assert table["influence"].to_dict() == {"ann": 62.5, "bob": -16.0, "cy": 0.0, "di": 0.0}
    assert table["worth"].to_dict() == {"ann": 107.5, "bob": 138.0, "cy": 47.0, "di": -10.0}
    assert worth.counted_twice == 0.75 * 70
    assert worth.total == 282.5
    # medians: lifetime 42.5 (of 45, 154, 40, -10), influence 0
    assert (worth.lifetime_cut, worth.influence_cut) == (42.5, 0.0)
    assert table["cell"].to_dict() == {"ann": "champion", "bob": "affluent", "cy": "miser", "di": "miser"}
    assert worth.cells["customers"].tolist() == [1, 1, 0, 2]


def test_all_would_have_come_anyway_leaves_the_cost_alone():
    worth = customer_worth(CUSTOMERS, referrals=REFERRALS, would_have_come=1.0)
    assert worth.frame["influence"].tolist() == [-5.0, -1.0, 0.0, 0.0]
    assert worth.counted_twice == 0


@given(
    money=st.lists(st.tuples(*[st.integers(-400, 400).map(lambda k: k / 4)] * 3), min_size=2, max_size=15),
    share=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    seed=st.integers(0, 999),
)
@few
def test_worth_adds_up_and_each_referral_is_credited_once(money, share, seed):
    rng = np.random.default_rng(seed)
    n = len(money)
    customers = pd.DataFrame(money, columns=["contribution", "service", "value"]).assign(customer_id=np.arange(n))
    referred = np.arange(1, n)  # each by somebody before her: no circle
    referrals = pd.DataFrame({"customer_id": [rng.integers(0, k) for k in referred], "referred_id": referred})
    worth = customer_worth(
        customers, cost_to_serve="service", lifetime_value="value", referrals=referrals, would_have_come=share
    )
    table = worth.frame
    assert worth.total == table["worth"].sum() == table[["current", "potential", "influence", "learning"]].sum().sum()
    current = customers["contribution"] - customers["service"]
    assert table["influence"].sum() == worth.counted_twice == (1 - share) * current[1:].sum()
    base = current.sum() + customers["value"].sum()
    assert worth.total - worth.counted_twice == base
    assert worth.cells["worth"].sum() == worth.total
    assert worth.cells["customers"].sum() == n


def test_every_engine_gives_the_same_worth(as_engine):
    given_frame = as_engine(CUSTOMERS)
    found = customer_worth(given_frame, referrals=as_engine(REFERRALS), **OPTIONS)
    wanted = customer_worth(CUSTOMERS, referrals=REFERRALS, **OPTIONS)
    assert type(found.cells) is type(given_frame)
    table = to_pandas(found.frame).sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(table, wanted.frame, check_dtype=False)
    assert (found.total, found.counted_twice) == (wanted.total, wanted.counted_twice)
    assert to_pandas(found.cells)["customers"].tolist() == wanted.cells["customers"].tolist()


@pytest.mark.parametrize(
    ("referrer", "referred", "message"),
    [
        (["ann"], ["ann"], r"referred_id: a referral to oneself in 1 of 1 rows \(customer ann\)"),
        (["ann", "bob"], ["bob", "ann"], r"referred_id: in a circle in 2 of 2 rows \(customer bob, ann\)"),
        (["ann", "bob", "cy"], ["bob", "cy", "ann"], "referred_id: in a circle in 3 of 3 rows"),
        (["ann"], ["eve"], r"referred_id: not among the customers in 1 of 1 rows \(customer eve\)"),
        (["eve"], ["ann"], r"customer_id: not among the customers in 1 of 1 rows \(customer eve\)"),
        (["ann", "cy"], ["bob", "bob"], r"referred_id: credited twice .* in 2 of 2 rows \(customer bob, bob\)"),
        (["ann", None], ["bob", "cy"], "customer_id: missing in 1 of 2 rows"),
    ],
)
def test_referrals_that_cannot_be_are_refused(referrer, referred, message):
    with pytest.raises(InputError, match=message):
        customer_worth(CUSTOMERS, referrals=pd.DataFrame({"customer_id": referrer, "referred_id": referred}))


def test_a_long_chain_of_referrals_is_no_circle():
    n = 3000
    customers = pd.DataFrame({"customer_id": np.arange(n), "contribution": 1.0})
    chain = pd.DataFrame({"customer_id": np.arange(n - 1), "referred_id": np.arange(1, n)})
    assert customer_worth(customers, referrals=chain).frame["influence"].sum() == n - 1


def test_customers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"a customer with several rows in 2 of 4 rows \(customer ann\)"):
        customer_worth(CUSTOMERS.assign(customer_id=["ann", "ann", "cy", "di"]))
    with pytest.raises(InputError, match=r"contribution: missing or infinite in 1 of 4 rows \(customer bob\)"):
        customer_worth(CUSTOMERS.assign(contribution=[1.0, math.nan, 1.0, 1.0]))
    with pytest.raises(InputError, match="would_have_come: got 1.5"):
        customer_worth(CUSTOMERS, would_have_come=1.5)
    with pytest.raises(InputError, match="column 'clv' is missing"):
        customer_worth(CUSTOMERS, lifetime_value="clv")
    with pytest.raises(InputError, match="customer_id: column holds|customer_id' is missing"):
        customer_worth(CUSTOMERS.drop(columns="customer_id"))
    with pytest.raises(InputError, match="cost: missing or negative in 1 of 3 rows"):
        customer_worth(CUSTOMERS, referrals=REFERRALS.assign(cost=[1.0, -1.0, 0.0]))
    with pytest.raises(InputError, match="customers: there are no customers"):
        customer_worth(CUSTOMERS.iloc[:0])
    with pytest.raises(InputError, match="customer_id: missing in 1 of 4 rows"):
        customer_worth(CUSTOMERS.assign(customer_id=["ann", None, "cy", "di"]))
    with pytest.raises(InputError, match="cuts: got nan"):
        customer_worth(CUSTOMERS, cuts=(math.nan, 0.0))
    with pytest.raises(InputError, match=r"cuts: got \(1,\)\. Pass two numbers"):
        customer_worth(CUSTOMERS, cuts=(1,))


ANSWERS = pd.DataFrame(
    {
        "region": ["north", "north", "south", "south"],
        "product": [8.0, 6.0, 9.0, math.nan],
        "service": [6.0, 6.0, 7.0, 5.0],
        "staff": [7.0, 6.0, 8.0, 5.0],
        "image": [7.0, 6.0, 8.0, 5.0],
        "money": [3.0, 6.0, 2.0, 5.0],
        "time": [4.0, 6.0, 2.0, 5.0],
        "effort": [5.0, 6.0, 2.0, 5.0],
    }
)


def test_delivered_value_is_benefit_less_burden_by_group():
    found = delivered_value(ANSWERS, by="region")
    assert found.frame["delivered"].tolist()[:3] == pytest.approx([7.0 - 4.0, 0.0, 8.0 - 2.0])
    assert math.isnan(found.frame["delivered"][3])
    assert (found.n, found.n_incomplete) == (4, 1)
    groups = found.groups.set_index("region")
    assert groups["n"].tolist() == [2, 1]
    assert groups["delivered"].tolist() == pytest.approx([1.5, 6.0])
    assert groups.loc["north", "standard_error"] == pytest.approx(np.std([3.0, 0.0], ddof=1) / math.sqrt(2))
    assert math.isnan(groups.loc["south", "standard_error"])


def test_answers_that_score_everything_alike_deliver_exactly_nothing():
    alike = pd.DataFrame(dict.fromkeys(ANSWERS.columns.drop("region"), range(1, 11)))
    assert delivered_value(alike).frame["delivered"].tolist() == [0.0] * 10


def test_weights_count_by_their_shares():
    one = delivered_value(ANSWERS, benefits={"product": 3, "service": 1}, burdens=["money"])
    assert one.frame["benefit"].tolist()[:3] == pytest.approx([7.5, 6.0, 8.5])
    two = delivered_value(ANSWERS, benefits={"product": 0.75, "service": 0.25}, burdens=["money"])
    np.testing.assert_allclose(one.frame["delivered"], two.frame["delivered"])


def test_every_engine_gives_the_same_delivered_value(as_engine):
    given_frame = as_engine(ANSWERS)
    found, wanted = (delivered_value(f, by="region") for f in (given_frame, ANSWERS))
    assert type(found.groups) is type(given_frame)
    ours = to_pandas(found.groups)
    assert ours["region"].tolist() == ["north", "south"]
    np.testing.assert_allclose(ours["delivered"].astype(float), wanted.groups["delivered"])
    assert found.n_incomplete == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (1, 5)}, "product: outside the scale 1 to 5 in 3 of 4 rows"),
        ({"scale": (5, 1)}, "scale: got"),
        ({"benefits": {"product": -1.0}}, "benefits: weight of product: got -1.0"),
        ({"benefits": {"product": 0.0}}, "benefits: no column has a weight above 0"),
        ({"benefits": ["product", "money"]}, "a column is named twice"),
        ({"benefits": ["price"]}, "column 'price' is missing"),
        ({"by": "country"}, "column 'country' is missing"),
        ({"benefits": ["region"]}, "region: column holds String, not numbers"),
    ],
)
def test_surveys_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        delivered_value(ANSWERS, **options)
