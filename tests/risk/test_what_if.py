"""What if and break-even: hand calculations, laws, and clear refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import net_present_value
from crmvalue.finance.internal_rate import internal_rates_of_return
from crmvalue.risk.break_even import break_even
from crmvalue.risk.what_if import scenario_table, sensitivity, two_way_table

few = settings(deadline=None, max_examples=50)  # a busy machine is no failure


def profit(price, volume, cost):
    """Return the profit of a product."""
    return (price - cost) * volume - 100.0


RANGES = {"price": (9, 10, 12), "volume": (40, 50, 60), "cost": (6, 6, 6)}
BASE = {"price": 10.0, "volume": 50.0, "cost": 6.0}


def test_a_tornado_has_the_outcomes_worked_out_by_hand_the_widest_first():
    found = sensitivity(profit, RANGES)
    assert found.inputs == ("price", "volume", "cost")
    assert found.at_low.tolist() == [50.0, 60.0, 100.0]
    assert found.at_high.tolist() == [200.0, 140.0, 100.0]
    assert found.swing.tolist() == [150.0, 80.0, 0.0]
    assert found.base_outcome == 100.0
    assert found.to_dict()["inputs"][0]["swing"] == 150.0


def test_scenarios_have_the_outcomes_worked_out_by_hand():
    found = scenario_table(
        profit,
        {"war": {"price": 8, "volume": 40}, "boom": {"volume": 80}},
        base=BASE,
        chances={"war": 0.3, "boom": 0.2},
    )
    assert found.scenarios == ("base", "war", "boom")
    assert found.outcome.tolist() == [100.0, -20.0, 220.0]
    assert found.to_frame()["change"].tolist() == [0.0, -120.0, 120.0]
    assert found.expected == pytest.approx(0.5 * 100 - 0.3 * 20 + 0.2 * 220)
    assert math.isnan(scenario_table(profit, {}, base=BASE).expected)


@few
@given(prices=st.lists(st.integers(1, 50), min_size=1, max_size=5), costs=st.lists(st.integers(1, 9), min_size=1))
def test_each_cell_of_a_two_way_table_is_the_outcome_of_its_scenario(prices, costs):
    table = two_way_table(profit, rows=("price", prices), columns=("cost", costs), base={"volume": 7})
    for row, price in enumerate(prices):
        for column, cost in enumerate(costs):
            scenario = scenario_table(profit, {"it": {"price": price, "cost": cost}}, base={**BASE, "volume": 7})
            assert table.outcome[row, column] == scenario.outcome[1]
    assert table.to_frame().to_numpy().tolist() == table.to_dict()["outcome"]


@few
@given(price=st.floats(1, 50), volume=st.floats(1, 500), cost=st.floats(0, 40))
def test_at_the_break_even_value_the_outcome_is_nothing(price, volume, cost):
    base = {"price": price, "volume": volume, "cost": cost}
    found = break_even(profit, "price", low=0, high=200, base=base)
    assert found.value == pytest.approx(cost + 100 / volume, rel=1e-12)
    assert found.notes == ()


def test_the_break_even_discount_rate_is_the_internal_rate_of_return():
    flow = [-1000, 2300, -1320]
    found = break_even(lambda rate: net_present_value(flow, discount_rate=rate), "rate", low=0, high=1, base={})
    assert found.values == pytest.approx(internal_rates_of_return(flow).rates, abs=1e-10)
    assert found.notes == ("The outcome is 0 at 2 values of rate: it pays between some of them only.",)
    assert math.isnan(found.value)


def test_a_range_without_a_break_even_value_says_so():
    found = break_even(profit, "price", low=0, high=7, base=BASE)
    assert found.values.tolist() == []
    assert found.notes == ("The outcome is below 0 from 0 to 7: there is no break-even value of price in this range.",)
    assert (found.at_low, found.at_high) == (-400.0, -50.0)


def test_a_break_even_value_on_a_point_of_the_grid_counts_once():
    found = break_even(lambda x: x - 5.0, "x", low=0, high=10, base={})
    assert found.values.tolist() == [5.0]


def test_an_outcome_that_jumps_over_zero_is_noted():
    found = break_even(lambda x: -1.0 if x < 3.3 else 1.0, "x", low=0, high=10, base={})
    assert found.values == pytest.approx([3.3])
    assert found.notes[0].startswith("The outcome jumps over 0 at x 3.3")


def test_an_outcome_that_is_nothing_all_along_is_noted():
    nothing = break_even(lambda x: 0.0, "x", low=0, high=10, base={})
    assert nothing.values.tolist() == [0.0, 10.0]
    assert nothing.notes == ("The outcome is 0 all along from x 0 to 10.",)
    option = break_even(lambda x: max(0.0, x - 5) * (8 - x), "x", low=0, high=10, base={})
    assert option.values == pytest.approx([0, 5, 8], abs=1e-8)
    assert option.notes[0] == "The outcome is 0 all along from x 0 to 5."
    assert option.notes[1].startswith("The outcome is 0 at 3 values of x")


@pytest.mark.parametrize("given", [(12, 10, 9), (1, 2), "abc", (1, 2, math.nan)])
def test_a_range_that_is_not_low_base_high_is_refused(given):
    with pytest.raises(InputError, match=r"^inputs\['price'\]: got "):
        sensitivity(profit, {**RANGES, "price": given})


def test_scenarios_of_unknown_inputs_and_chances_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"^scenarios\['war'\]: got 'prise'\. Use one of 'price', 'volume', 'cost'\.$"):
        scenario_table(profit, {"war": {"prise": 8}}, base=BASE)
    with pytest.raises(InputError, match=r"^chances: they add up to 1\.2\. Pass chances that add up to 1\.$"):
        scenario_table(profit, {"war": {"price": 8}}, base=BASE, chances={"war": 1.2})
    with pytest.raises(InputError, match=r"^chances: they add up to 0\.9\."):
        scenario_table(profit, {"war": {"price": 8}}, base=BASE, chances={"war": 0.4, "base": 0.5})
    with pytest.raises(InputError, match=r"^scenarios: 'base' is the name of the base\."):
        scenario_table(profit, {"base": {"price": 8}}, base=BASE)


def test_models_that_return_no_number_are_refused():
    with pytest.raises(InputError, match=r"^model: returned nan at x=0\. Return one finite number"):
        break_even(lambda x: 1 / x, "x", low=0, high=1, base={})
    with pytest.raises(InputError, match=r"^model: no number comes out"):
        sensitivity(lambda x: "much", {"x": (1, 2, 3)})
    with pytest.raises(InputError, match=r"^inputs: 'x' do not fit the model"):
        sensitivity(profit, {"x": (1, 2, 3)})


def test_a_two_way_table_of_one_input_and_an_empty_range_are_refused():
    with pytest.raises(InputError, match=r"^columns: got 'price', as for the rows\. Name two inputs\.$"):
        two_way_table(profit, rows=("price", [1]), columns=("price", [2]), base=BASE)
    with pytest.raises(InputError, match=r"^low: got 2, not below high, 2\. Pass a range\.$"):
        break_even(profit, "price", low=2, high=2, base=BASE)


def test_results_show_themselves():
    found = sensitivity(profit, RANGES)
    assert "base_outcome" in repr(found)
    assert "<table>" in found.to_html()
    assert isinstance(two_way_table(profit, rows=("price", [1]), columns=("cost", [2]), base=BASE).outcome, np.ndarray)
