"""Tiers and concentration: against numbers by hand, slow sums, and laws, with losses and without."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.segmentation import concentration, value_tiers
from tests.conftest import to_pandas

few = settings(deadline=None, max_examples=60)
some_values = st.lists(st.sampled_from([-40.0, -0.5, 0.0, 0.01, 3.0, 3.0, 12.5, 700.0, 1e6]), min_size=1, max_size=40)


def customers_of(values):
    return pd.DataFrame({"customer_id": np.arange(len(values)), "profit": np.asarray(values, dtype=float)})


def test_abc_tiers_of_ten_customers_equal_those_by_hand():
    # 1,000 in all; 500 and 300 reach 800, so 80 % ends with the second; 950 is passed by 90, 60.
    tiers = value_tiers(customers_of([500, 300, 90, 60, 20, 10, 10, 5, 4, 1]), column="profit")
    assert tiers.frame["tier"].tolist() == list("AABB") + ["C"] * 6
    assert tiers.limits == (300.0, 60.0)
    assert tiers.table["value"].tolist() == [800.0, 150.0, 50.0]


def test_the_best_customer_is_in_the_first_tier_even_if_she_brings_nearly_all():
    assert value_tiers(customers_of([990, 5, 5]), column="profit").frame["tier"].tolist() == ["A", "C", "C"]


def test_losses_are_never_in_any_but_the_last_tier():
    tiers = value_tiers(customers_of([100, 50, 0, -20, -300]), column="profit")
    assert tiers.frame["tier"].tolist() == ["A", "A", "C", "C", "C"]
    assert tiers.total_value == -170.0
    assert tiers.table["value_share"].isna().all()
    assert set(value_tiers(customers_of([-1, -2]), column="profit").frame["tier"]) == {"C"}


def test_ranks_put_the_best_fifth_first_and_equals_together():
    tiers = value_tiers(
        customers_of(range(10)), column="profit", by="rank", cuts=(0.2, 0.5), names=["top", "mid", "low"]
    )
    assert tiers.frame["tier"].tolist() == ["low"] * 5 + ["mid"] * 3 + ["top"] * 2
    same = value_tiers(customers_of([7] * 10), column="profit", by="rank", cuts=(0.2, 0.6))
    assert set(same.frame["tier"]) == {"B"}  # all stand at one half


@given(values=some_values, by=st.sampled_from(["share", "rank"]))
@few
def test_tiers_hold_everybody_once_equals_together_better_never_below_and_limits_stay(values, by):
    frame = customers_of(values)
    tiers = value_tiers(frame, column="profit", by=by, cuts=(0.3, 0.8))
    assert tiers.table["customers"].sum() == tiers.n_customers == len(values)
    assert math.fsum(tiers.table["value"]) == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-6)
    ordered = tiers.frame.sort_values("profit", ascending=False)["tier"].tolist()
    assert ordered == sorted(ordered)
    assert (tiers.frame.groupby("profit")["tier"].nunique() == 1).all()
    again = value_tiers(frame, column="profit", by="value", cuts=tiers.limits)
    assert again.frame["tier"].tolist() == tiers.frame["tier"].tolist()


def slow_gini(values):
    """Half the mean absolute difference of all pairs, over the mean."""
    x = np.asarray(values)
    return np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) ** 2) / x.mean()


@given(values=some_values.filter(lambda v: sum(v) > 0))
@few
def test_gini_equals_the_mean_difference_of_all_pairs(values):
    result = concentration(customers_of(values), column="profit")
    assert result.gini == pytest.approx(slow_gini(values), rel=1e-9, abs=1e-12)
    assert 0 <= result.gini_bounded <= 1
    if min(values) >= 0:
        assert result.gini_bounded == pytest.approx(result.gini, rel=1e-12, abs=1e-15)
        assert result.gini <= 1 - 1 / len(values) + 1e-12


@given(values=some_values, scale=st.floats(0.01, 100))
@few
def test_shares_do_not_depend_on_currency_or_order(values, scale):
    before = concentration(customers_of(values), column="profit")
    after = concentration(customers_of(np.asarray(values[::-1]) * scale), column="profit")
    assert after.gini == pytest.approx(before.gini, rel=1e-3, abs=1e-3, nan_ok=True)  # values keep six decimals
    assert after.lorenz == pytest.approx(before.lorenz, rel=1e-3, abs=1e-3, nan_ok=True)


@given(values=some_values)
@few
def test_deciles_add_up_and_the_lorenz_curve_bends_one_way(values):
    result = concentration(customers_of(values), column="profit")
    deciles = result.deciles
    assert deciles["customers"].sum() == len(values)
    assert deciles["customers"].max() - deciles["customers"].min() <= 1
    assert math.fsum(deciles["value"]) == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-6)
    ordered = np.sort(values)[::-1]
    for (first, last), row in zip(
        np.lib.stride_tricks.sliding_window_view(np.append(0, deciles["customers"].cumsum()), 2),
        deciles.itertuples(),
        strict=True,
    ):
        members = ordered[first:last]
        assert row.value == pytest.approx(members.sum(), rel=1e-9, abs=1e-6)
        if len(members):
            assert (row.lowest, row.highest) == (members.min(), members.max())
        else:
            assert math.isnan(row.lowest)
    if sum(values) > 0:
        assert result.lorenz[0] == 0
        assert result.lorenz[-1] == pytest.approx(1)
        assert (np.diff(result.lorenz, 2) >= -1e-9).all()
        assert (result.lorenz <= result.customers + 1e-9).all()
    else:
        assert np.isnan(result.lorenz).all()
        assert math.isnan(result.gini)
    assert not result.lorenz.flags.writeable


def test_top_shares_of_a_hundred_customers_are_sums_of_the_best():
    values = np.arange(1, 101, dtype=float) ** 2
    top = concentration(customers_of(values), column="profit").top
    assert top["customer_share"].tolist() == [0.01, 0.05, 0.1, 0.2]
    expected = [values[-k:].sum() for k in (1, 5, 10, 20)]
    assert top["value"].tolist() == pytest.approx(expected, rel=1e-12)
    assert top["value_share"].tolist() == pytest.approx([total / values.sum() for total in expected], rel=1e-12)


def test_a_pareto_distribution_has_its_known_gini_and_share_of_the_best_fifth():
    # Lorenz curve of a Pareto distribution: 1 - (1 - p) ** (1 - 1 / a); Gini 1 / (2 a - 1). a = 1.16 is the 80/20 rule.
    a, n = 1.5, 400_000
    values = (1 - (np.arange(n) + 0.5) / n) ** (-1 / a)
    result = concentration(customers_of(values), column="profit")
    assert result.gini == pytest.approx(1 / (2 * a - 1), abs=0.01)  # the tail beyond the last of n points is missing
    assert result.top["value_share"].iloc[-1] == pytest.approx(0.2 ** (1 - 1 / a), abs=0.01)
    assert len(result.lorenz) == 1001


def test_one_equal_and_lossmaking_customers_are_measured():
    one = concentration(customers_of([5.0]), column="profit")
    assert (one.gini, one.n_customers, one.deciles["customers"].sum()) == (0.0, 1, 1)
    assert concentration(customers_of([5.0] * 7), column="profit").gini == 0.0
    mixed = concentration(customers_of([30.0, 10.0, -20.0]), column="profit")
    assert (mixed.n_losses, mixed.total_losses, mixed.total_value) == (1, -20.0, 20.0)
    assert mixed.gini == pytest.approx(100 / 60)  # (2 * 30 - 2 * -20) / (3 * 20)
    assert mixed.gini_bounded == pytest.approx(100 / 180)


def test_every_engine_gives_the_same_tiers_and_concentration(as_engine):
    rng = np.random.default_rng(5)
    # more customers than the curve has steps, many of them equal
    frame = customers_of(np.round(rng.normal(20, 40, 1503), 1)).assign(customer_id=[f"c{k:04}" for k in range(1503)])
    native = as_engine(frame)
    for by in ("share", "rank"):
        tiers, expected = (value_tiers(source, column="profit", by=by) for source in (native, frame))
        assert type(tiers.frame) is type(tiers.table) is type(native)
        assert tiers.limits == expected.limits
        rows = to_pandas(tiers.frame).sort_values("customer_id")
        assert rows["tier"].tolist() == expected.frame["tier"].tolist()
        np.testing.assert_allclose(
            to_pandas(tiers.table).iloc[:, 1:].astype(float), expected.table.iloc[:, 1:].astype(float), rtol=1e-12
        )
    result, wanted = concentration(native, column="profit"), concentration(frame, column="profit")
    assert (result.gini, result.gini_bounded) == pytest.approx((wanted.gini, wanted.gini_bounded), rel=1e-12)
    assert result.customers.tolist() == wanted.customers.tolist()
    np.testing.assert_allclose(result.lorenz, wanted.lorenz, rtol=1e-9, atol=1e-12)  # sums in another order
    for name in ("top", "deciles"):
        assert type(getattr(result, name)) is type(native)
        np.testing.assert_allclose(to_pandas(getattr(result, name)).astype(float), getattr(wanted, name), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"by": "abc"}, "by: got 'abc'"),
        ({"cuts": (0.95, 0.8)}, "Pass rising shares above 0 and below 1"),
        ({"cuts": (0.8, 1.0)}, "Pass rising shares"),
        ({"cuts": ()}, "Pass rising shares"),
        ({"by": "value", "cuts": (100, 1000)}, "Pass falling values"),
        ({"cuts": (math.nan, 0.5)}, "cuts: got nan"),
        ({"names": ["A", "B"]}, "names: got .* Pass 3 different names"),
        ({"names": ["A", "B", "B"]}, "Pass 3 different names"),
        ({"names": "ABC"}, "Pass 3 different names"),
        ({"column": "customer_id"}, "'customer_id' is no value"),
        ({"column": "spend"}, "column 'spend' is missing"),
    ],
)
def test_tiers_that_cannot_be_are_refused(options, text):
    with pytest.raises(InputError, match=text):
        value_tiers(customers_of([1, 2]), **{"column": "profit", **options})


def test_missing_values_repeated_customers_and_nobody_are_refused():
    frame = customers_of([1, 2, 3])
    with pytest.raises(InputError, match=r"profit: missing or infinite in 1 of 3 rows \(customer 1\)"):
        concentration(frame.assign(profit=[1.0, math.nan, 2.0]), column="profit")
    with pytest.raises(InputError, match=r"several rows in 2 of 3 rows \(customer 1\)"):
        value_tiers(frame.assign(customer_id=[0, 1, 1]), column="profit")
    with pytest.raises(InputError, match="there are no customers"):
        concentration(frame[:0], column="profit")
