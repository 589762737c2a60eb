"""Internal rates: published numbers, roots known beforehand, second opinions, and laws."""

import math
from fractions import Fraction
from itertools import pairwise, zip_longest

import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.finance.cash_flow import net_present_value
from crmvalue.finance.internal_rate import internal_rates_of_return, modified_rate_of_return

few = settings(deadline=None, max_examples=100)  # a busy machine is no failure


def is_worthless(flow, rate, time=None) -> bool:
    """Whether a flow is worth 0 to 1e-9 of what moves, seen from its start, or from its end if the rate is below 0.

    That is the end at which no payment is worth more than it is: nothing is blown up by a rate near to -100 %.
    """
    time = np.arange(len(flow)) if time is None else np.asarray(time)
    time = (time - time.min() if rate >= 0 else time - time.max()).astype(float)
    return bool(abs(math.fsum(flow * (1 + rate) ** -time)) <= 1e-9 * np.abs(flow).sum())


@pytest.mark.parametrize(
    ("flow", "rates", "digits"),
    [
        ([-100, 39, 59, 55, 20], [0.28095], 5e-6),
        ([-100, 0, 0, 74], [-0.0955], 5e-5),
        ([-100, 100, 0, 7], [0.06206], 5e-6),
        ([-1678.87, 771.96, 1814.05, 3520.30, 3552.95, 3584.99, 4789.91, -1], [-0.9998, 1.00427], 5e-5),
        ([-1000, 2300, -1320], [0.1, 0.2], 1e-12),
    ],
)
def test_internal_rates_are_those_in_the_manual_and_the_tracker_of_numpy_financial(flow, rates, digits):
    found = internal_rates_of_return(flow)
    assert found.rates.tolist() == pytest.approx(rates, abs=digits)
    assert all(is_worthless(np.array(flow), rate) for rate in found.rates)


@pytest.mark.parametrize(("flow", "rate"), [([-100, 100, 0, -7], -0.0833), ([-5, 10.5, 1, -8, 1], 0.0886)])
def test_the_rate_in_the_manual_of_numpy_financial_is_among_those_of_an_unconventional_flow(flow, rate):
    found = internal_rates_of_return(flow)
    assert np.abs(found.rates - rate).min() < 5e-5
    assert not found.is_conventional
    assert len(found.rates) > 1


def test_rate_of_dated_flows_is_the_one_in_the_manual_of_excel():
    # manual of XIRR() of Microsoft Excel: 37.3362535 %, of a year of 365 days
    days = ["2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01"]
    found = internal_rates_of_return([-10_000, 2_750, 4_250, 3_250, 2_750], dates=days)
    assert (1 + found.rate) ** (365 / 365.25) - 1 == pytest.approx(0.373362535, abs=5e-9)


def test_modified_rates_are_those_in_the_manual_of_excel():
    # manual of MIRR() of Microsoft Excel
    flow = [-120_000, 39_000, 30_000, 21_000, 37_000, 46_000]
    assert modified_rate_of_return(flow, finance_rate=0.1, reinvest_rate=0.12) == pytest.approx(0.126094, abs=5e-7)
    assert modified_rate_of_return(flow[:4], finance_rate=0.1, reinvest_rate=0.12) == pytest.approx(-0.048045, abs=5e-7)
    assert modified_rate_of_return(flow, finance_rate=0.1, reinvest_rate=0.14) == pytest.approx(0.134759, abs=5e-7)


# rates far enough apart that the coefficients, rounded to floats, still determine them
known_rates = st.lists(st.integers(-16, 40), min_size=1, max_size=5, unique=True).map(sorted)


def flow_with_rates(percents: list[int], repeat: int = 1) -> list[Fraction]:
    """Return the exact flow that is worth nothing at these rates and at no others above -1."""
    flow = [Fraction(-1000)]
    for percent in percents * repeat:
        grown = [paid * Fraction(100 + percent, 100) for paid in flow]
        # times (1 - (1 + rate) / (1 + r)): the payment, less its grown value a period later
        flow = [a - b for a, b in zip([*flow, Fraction()], [Fraction(), *grown], strict=True)]
    return flow


@few
@given(fives=known_rates)
def test_no_rate_is_missed_and_none_invented_on_flows_built_from_known_rates(fives):
    percents = [5 * five for five in fives]
    flow = np.array([float(paid) for paid in flow_with_rates(percents)])
    found = internal_rates_of_return(flow)
    assert found.rates.tolist() == pytest.approx([percent / 100 for percent in percents], abs=1e-6)
    assert all(is_worthless(flow, rate) for rate in found.rates)
    assert found.sign_changes == len(percents)


@few
@given(fives=known_rates, years=st.lists(st.integers(1, 900), min_size=5, max_size=5))
def test_no_rate_is_missed_on_dated_flows_built_from_known_rates(fives, years):
    # solve for the payments that make the flow worth nothing at the rates; the first payment is -1000
    assume(len(fives) <= 4)
    days = np.concatenate([[0], np.cumsum(np.array(years[: len(fives)]) + 100)])
    growth = np.log1p(5 * np.array(fives) / 100)
    worth = np.exp(-growth[:, None] * days / 365.25)
    paid = np.linalg.solve(worth[:, 1:], 1000 * worth[:, 0])
    flow = np.concatenate([[-1000.0], paid])
    dates = np.datetime64("2020-01-01") + days
    assume(np.linalg.cond(worth[:, 1:]) < 1e8)
    found = internal_rates_of_return(flow, dates=dates)
    assert np.log1p(found.rates) == pytest.approx(growth, abs=1e-5)
    assert all(is_worthless(flow, rate, days / 365.25) for rate in found.rates)


@pytest.mark.parametrize("repeat", [2, 3, 4])
def test_a_rate_at_which_the_value_only_touches_zero_is_found_once(repeat):
    flow = [float(paid) for paid in flow_with_rates([10], repeat)]
    found = internal_rates_of_return(flow)
    assert found.rates.tolist() == pytest.approx([0.1], abs=1e-3)  # a root of order 4 has a quarter of the digits
    assert is_worthless(np.array(flow), found.rates[0])


def exact_count(flow: list[int]) -> int:
    """Return the number of distinct rates above -1, by Sturm's theorem in exact fractions.

    Growth g is a rate's 1 + r: the flow is a polynomial in g, the oldest payment at the highest power.
    """
    ends = [place for place, paid in enumerate(flow) if paid]
    first = [Fraction(paid) for paid in flow[ends[0] : ends[-1] + 1]]
    degree = len(first) - 1
    chain = [first, [paid * (degree - place) for place, paid in enumerate(first[:-1])]]
    while len(chain[-1]) > 1:
        left, divisor = list(chain[-2]), chain[-1]
        while len(left) >= len(divisor):
            factor = left[0] / divisor[0]
            left = [a - factor * b for a, b in zip_longest(left, divisor, fillvalue=Fraction())][1:]
        while left and left[0] == 0:
            left = left[1:]
        if not left:
            break
        chain.append([-value for value in left])

    def changes(values: list[Fraction]) -> int:
        signs = [value > 0 for value in values if value]
        return sum(a != b for a, b in pairwise(signs))

    return changes([part[-1] for part in chain if part]) - changes([part[0] for part in chain if part])


small = st.lists(st.integers(-5, 5), min_size=2, max_size=10)
repeated = st.sampled_from([[1], [1, -1], [1, -2, 1], [4, -4, 1]])  # rates of 0 once and twice, of -50 % twice


@settings(deadline=None, max_examples=400)  # a busy machine is no failure
@given(flow=small, factor=repeated)
def test_there_are_as_many_rates_as_the_theorem_of_sturm_counts(flow, factor):
    assume(any(flow))
    flow = np.convolve(flow, factor).tolist()
    found = internal_rates_of_return(flow)
    assert len(found.rates) == exact_count(flow)
    assert all(is_worthless(np.array(flow), rate) for rate in found.rates)


payments = st.lists(st.integers(-1000, 1000), min_size=2, max_size=30)


@few
@given(flow=payments)
def test_rates_are_those_of_the_eigenvalues_of_the_companion_matrix(flow):
    assume(any(flow))
    found = internal_rates_of_return(flow)
    trimmed = np.trim_zeros(np.array(flow, dtype=float))
    roots = np.roots(trimmed)  # growth per period: the oldest payment grows longest
    real = np.sort(roots[(np.abs(roots.imag) < 1e-9 * np.abs(roots)) & (roots.real > 0)].real)
    touching = np.abs(roots.imag) < 1e-5 * np.abs(roots)
    if len(real) == (touching & (roots.real > 0)).sum() and np.all(np.diff(np.log(real)) > 1e-5):
        assert np.log1p(found.rates) == pytest.approx(np.log(real), abs=1e-7)
    assert all(is_worthless(np.array(flow, dtype=float), rate) for rate in found.rates)
    assert len(found.rates) <= found.sign_changes


@few
@given(outlay=st.integers(1, 5000), came=st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_the_rate_of_a_conventional_flow_agrees_with_pyxirr(outlay, came):
    assume(any(came))
    flow = [-outlay, *came]
    found = internal_rates_of_return(flow)
    assert found.is_conventional
    theirs = pyxirr.irr(flow)
    if theirs is not None and is_worthless(np.array(flow, dtype=float), theirs):  # it sometimes gives up
        assert found.rate == pytest.approx(theirs, rel=1e-6, abs=1e-8)


@few
@given(
    lines=st.lists(st.tuples(st.integers(0, 4000), st.integers(-1000, 1000)), min_size=2, max_size=30),
    percent=st.integers(-50, 200),
)
def test_dated_flows_agree_with_pyxirr_in_any_order(lines, percent):
    days = [(np.datetime64("2015-01-01") + day).item() for day, _ in lines]
    flow = [float(paid) for _, paid in lines]
    theirs = pyxirr.xnpv(percent / 100, days, flow, day_count="act/365.25")
    size = sum(abs(paid) for paid in flow) * max(1, (1 + percent / 100) ** -11)
    assert net_present_value(flow, discount_rate=percent / 100, dates=days) == pytest.approx(theirs, abs=1e-11 * size)
    by_day = {day: sum(p for d, p in zip(days, flow, strict=True) if d == day) for day in days}
    assume(any(by_day.values()))
    found = internal_rates_of_return(flow, dates=days)
    years = np.array([(day - min(days)).days / 365.25 for day in days])
    assert all(is_worthless(np.array(flow), rate, years) for rate in found.rates)
    rate = pyxirr.xirr(days, flow, day_count="act/365.25", silent=True)
    if rate is not None and -0.9 < rate < 10 and is_worthless(np.array(flow), rate, years):
        assert np.abs(found.rates - rate).min() < 1e-4  # where the value is flat, theirs is no nearer


@few
@given(flow=payments, finance=st.integers(0, 30), reinvest=st.integers(0, 30))
def test_modified_rates_agree_with_pyxirr(flow, finance, reinvest):
    assume(min(flow) < 0 < max(flow))
    ours = modified_rate_of_return(flow, finance_rate=finance / 100, reinvest_rate=reinvest / 100)
    assert ours == pytest.approx(pyxirr.mirr(flow, finance / 100, reinvest / 100), rel=1e-9, abs=1e-12)


@few
@given(flow=payments, factor=st.sampled_from([0.01, 3.0, 1e9]), seed=st.integers(0, 99))
def test_currency_a_split_payment_and_the_order_of_dated_payments_change_no_rate(flow, factor, seed):
    assume(any(flow))
    dates = np.datetime64("2020-01-01") + 365 * np.arange(len(flow))
    one = internal_rates_of_return(flow, dates=dates)
    again = np.array([*flow[1:], flow[0] - 7, 7, 0], dtype=float) * factor
    days = np.array([*dates[1:], dates[0], dates[0], dates[-1]])
    mixed = np.random.default_rng(seed).permutation(len(again))
    other = internal_rates_of_return(again[mixed], dates=days[mixed])
    assert np.log1p(other.rates) == pytest.approx(np.log1p(one.rates), abs=1e-5)


def test_a_borrower_has_one_rate_but_no_conventional_flow():
    found = internal_rates_of_return([100, -60, -60])
    assert found.rate == pytest.approx(internal_rates_of_return([-100, 60, 60]).rate)
    assert not found.is_conventional


def test_a_flow_of_one_sign_has_no_rate_and_says_so():
    found = internal_rates_of_return([-100, -20, 0])
    assert found.rates.tolist() == []
    assert math.isnan(found.rate)
    assert found.notes == ("All payments have one sign: there is no internal rate of return.",)


def test_a_flow_that_is_worth_less_than_nothing_at_any_rate_has_no_rate_and_says_so():
    found = internal_rates_of_return([-100, 150, -100])
    assert found.rates.tolist() == []
    assert found.notes == ("The net present value is 0 at no rate above -100 %: there is no internal rate of return.",)


def test_a_rate_that_no_number_holds_is_left_out_and_counted():
    found = internal_rates_of_return([-1.0, 1e-300])
    assert found.rates.tolist() == []
    assert found.notes == ("1 more so near to -100 %, or so large, that a number cannot hold it; left out.",)


def test_several_rates_are_noted_and_none_is_the_rate():
    found = internal_rates_of_return([-1000, 2300, -1320])
    assert math.isnan(found.rate)
    assert found.notes[0].startswith("There are 2 internal rates of return")
    assert found.to_frame()["rate"].tolist() == found.to_dict()["rates"]


@pytest.mark.parametrize("flow", [[0, 0, 0], [0.0]])
def test_a_flow_in_which_no_money_moves_is_refused(flow):
    with pytest.raises(InputError, match=r"^cash_flow: all payments are 0, or cancel on their day\. Pass"):
        internal_rates_of_return(flow)


def test_payments_that_cancel_on_their_day_are_refused():
    with pytest.raises(InputError, match=r"^cash_flow: all payments are 0, or cancel on their day\. Pass"):
        internal_rates_of_return([-5, 5], dates=["2024-01-01", "2024-01-01"])


def test_missing_payments_and_dates_are_refused_with_their_places():
    with pytest.raises(InputError, match=r"^cash_flow: missing or infinite in 1 of 3 rows \(row 1\)\. Fill"):
        internal_rates_of_return([-1, math.nan, 2])
    with pytest.raises(InputError, match=r"^dates: missing or unreadable date in 1 of 2 rows \(row 0\)\. Give"):
        internal_rates_of_return([-1, 2], dates=[None, "2024-01-01"])


def test_a_modified_rate_needs_money_out_and_time():
    with pytest.raises(InputError, match=r"^cash_flow: no money goes out"):
        modified_rate_of_return([1, 2], finance_rate=0.1, reinvest_rate=0.1)
    with pytest.raises(InputError, match=r"^cash_flow: all payments are due at one time"):
        modified_rate_of_return([-1, 2], finance_rate=0.1, reinvest_rate=0.1, dates=["2024-01-01", "2024-01-01"])
    with pytest.raises(InputError, match=r"^reinvest_rate: got -1\. Pass a finite number, above -1\.$"):
        modified_rate_of_return([-1, 2], finance_rate=0.1, reinvest_rate=-1)
    assert modified_rate_of_return([-1, 0], finance_rate=0.1, reinvest_rate=0.1) == -1
