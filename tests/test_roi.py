"""Return on investment: published numbers, an exact oracle, laws, and the same on every engine."""

from collections.abc import Callable
from typing import Any

import mpmath
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import opportunity_cost, prepare_ledger
from crmvalue.data.samples import demo_ledger
from crmvalue.errors import InputError
from crmvalue.roi import FIGURES, ReturnOnInvestment, prepare_benefits, return_on_investment

BENEFITS = pd.DataFrame({"when": ["2024-03-01", "2024-10-30", "2026-02-15"], "worth": [27.50, 42.50, 65.00]})
COSTS = pd.DataFrame({"date": ["2024-01-01", "2024-03-01"], "category": ["it", "staff"], "amount": [80.0, 20.0]})
NAMES = {"benefit_date": "when", "benefit_amount": "worth"}
SAME_DAY = pd.DataFrame({"date": ["2024-01-01"], "amount": [10.0]})


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame of any engine as Python values, days as text."""
    opened = nw.from_native(frame)
    table = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    return [
        {name: str(value)[:10] if hasattr(value, "year") else value for name, value in row.items()}
        for row in table.rows(named=True)
    ]


def figures(result: ReturnOnInvestment) -> list[float]:
    """Return all figures of a result, in order."""
    return [getattr(result, name) for name in FIGURES]


def test_npv_of_dated_flows_gives_the_number_in_the_manual_of_excel():
    # manual of XNPV() of Microsoft Excel: 9 % a year of 365 days, hence the rate for a year of 365.25 days
    costs = pd.DataFrame({"date": ["2008-01-01"], "amount": [10_000.0]})
    days = ["2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01"]
    benefits = pd.DataFrame({"date": days, "amount": [2_750.0, 4_250.0, 3_250.0, 2_750.0]})
    result = return_on_investment(benefits, costs, discount_rate=1.09 ** (365.25 / 365) - 1)
    assert result.npv == pytest.approx(2086.6476020, abs=5e-7)
    assert result.roi == 0.3  # (13,000 - 10,000) / 10,000


def test_npv_of_yearly_flows_gives_the_number_in_the_manual_of_numpy_financial():
    # first of January four years apart are whole Julian years apart: growth over four of them is 8 % once
    days = np.array([0, 1461, 2922, 4383, 5844]).astype("datetime64[D]")
    benefits = pd.DataFrame({"date": days[1:], "amount": [5_000.0, 8_000.0, 12_000.0, 30_000.0]})
    costs = pd.DataFrame({"date": days[:1], "amount": [40_000.0]})
    result = return_on_investment(benefits, costs, discount_rate=1.08 ** (1 / 4) - 1)
    assert result.npv == pytest.approx(3065.22267, abs=5e-6)
    assert result.payback == 16.0  # 25,000 after 12 years, 55,000 after 16


def test_figures_and_cash_flow_are_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    benefits = as_engine(BENEFITS)
    result = return_on_investment(benefits, as_engine(COSTS), discount_rate=0.1, **NAMES)
    day = dict(zip(["2024-03-01", "2024-10-30", "2026-02-15"], (60, 303, 776), strict=True))  # days from 2024-01-01
    factor = {name: mpmath.mpf("1.1") ** (-mpmath.mpf(days) / mpmath.mpf("365.25")) for name, days in day.items()}
    worth = [27.5 * factor["2024-03-01"], 42.5 * factor["2024-10-30"], 65 * factor["2026-02-15"]]
    spent = 80 + 20 * factor["2024-03-01"]
    gained = sum(worth)
    flow = {0: -80.0, 60: 7.5, 303: 42.5, 776: 65.0}
    irr = mpmath.findroot(lambda r: sum(paid * (1 + r) ** (-days / 365.25) for days, paid in flow.items()), 0.3)
    assert figures(result) == pytest.approx(
        [135.0, 100.0, 35.0, 0.35, 1.35 ** (365.25 / 776) - 1]
        + [float(x) for x in (gained, spent, gained - spent, gained / spent - 1, gained / spent, irr)]
        + [776 / 365.25, 776 / 365.25],
        rel=1e-12,
    )
    assert result.internal_rates.sign_changes == 1
    assert type(result.cash_flow) is type(benefits)
    first = float(worth[0] + worth[1] - spent)
    assert rows_of(result.cash_flow) == [
        dict(zip(("period", "benefit", "cost", "net", "cumulative", "discounted"), row, strict=True))
        for row in [
            ("2024-01-01", 70.0, 100.0, -30.0, -30.0, pytest.approx(first, rel=1e-13)),
            ("2025-01-01", 0.0, 0.0, 0.0, -30.0, 0.0),
            ("2026-01-01", 65.0, 0.0, 65.0, 35.0, pytest.approx(float(worth[2]), rel=1e-13)),
        ]
    ]
    assert (result.benefit_lines, result.cost_lines, result.notes) == (3, 2, ())
    assert [str(day) for day in (result.start, result.first_day, result.last_day)] == [
        "2024-01-01",
        "2024-01-01",
        "2026-02-15",
    ]


def test_times_and_dates_without_text_are_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    hours = pd.to_datetime(["2024-06-30 23:59", "2024-07-01 00:01", "2024-07-01 12:00"]).astype("datetime64[us]")
    benefits = as_engine(pd.DataFrame({"date": hours, "amount": [1, 2, 3]}))
    result = return_on_investment(benefits, as_engine(SAME_DAY), discount_rate=0.0, period="quarter")
    assert [(row["period"], row["benefit"]) for row in rows_of(result.cash_flow)] == [
        ("2024-01-01", 0.0),
        ("2024-04-01", 1.0),
        ("2024-07-01", 5.0),
    ]
    assert result.benefit_lines == 3


def test_a_checked_ledger_gives_the_same_as_its_lines():
    ledger = prepare_ledger(COSTS.rename(columns={"amount": "paid", "date": "day"}), date="day", amount="paid")
    one = return_on_investment(BENEFITS, ledger, discount_rate=0.1, **NAMES)
    other = return_on_investment(BENEFITS, COSTS, discount_rate=0.1, **NAMES)
    assert figures(one) == figures(other)


def test_engines_may_be_mixed():
    import polars as pl

    result = return_on_investment(pl.from_pandas(BENEFITS), COSTS, discount_rate=0.1, **NAMES)
    assert isinstance(result.cash_flow, pl.DataFrame)
    assert result.roi == 0.35


def test_the_figures_turn_into_a_frame():
    table = return_on_investment(BENEFITS, COSTS, discount_rate=0.1, **NAMES).to_frame()
    assert table.loc[table["figure"] == "roi", "value"].tolist() == [0.35]
    assert table["figure"].tolist() == list(FIGURES)


flows = st.lists(st.tuples(st.integers(0, 4000), st.integers(-(10**7), 10**8)), min_size=1, max_size=25)
costs = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 10**8)), min_size=1, max_size=25)
rates = st.floats(-0.5, 2)
few = settings(deadline=None, max_examples=60)  # a busy machine is no failure


def to_lines(drawn: list[tuple[int, int]]) -> pd.DataFrame:
    """Return drawn days and cents as a frame."""
    days = (np.array([day for day, _ in drawn]) + 18_000).astype("datetime64[D]")
    return pd.DataFrame({"date": days, "amount": np.array([cents for _, cents in drawn]) / 100})


@few
@given(came=flows, went=costs, rate=rates)
def test_present_values_agree_with_forty_digits(came, went, rate):
    result = return_on_investment(to_lines(came), to_lines(went), discount_rate=rate)
    start = min(day for day, _ in [*came, *went])
    with mpmath.workdps(40):
        growth = 1 + mpmath.mpf(rate)
        worth = [
            [cents / 100 * growth ** (mpmath.mpf(start - d) / 365.25) for d, cents in side] for side in (came, went)
        ]
        size = float(sum(abs(value) for side in worth for value in side))
        gained, spent = (float(sum(side)) for side in worth)
    assert (result.pv_benefit, result.pv_cost) == pytest.approx((gained, spent), rel=0, abs=1e-13 * size)


@few
@given(came=flows, went=costs, rate=rates, period=st.sampled_from(["week", "month", "quarter", "year"]))
def test_the_cash_flow_adds_up_to_the_figures(came, went, rate, period):
    result = return_on_investment(to_lines(came), to_lines(went), discount_rate=rate, period=period)
    flow = result.cash_flow
    in_cents = {name: sum(round(value * 100) for value in flow[name].tolist()) for name in ("benefit", "cost", "net")}
    gained, spent = (sum(cents for _, cents in side) for side in (came, went))
    assert in_cents == {"benefit": gained, "cost": spent, "net": gained - spent}
    assert (result.total_benefit, result.total_cost) == (gained / 100, spent / 100)
    assert flow["cumulative"].iloc[-1] == result.net_benefit == (gained - spent) / 100
    size = result.pv_cost + float(np.abs(to_lines(came)["amount"]).sum()) * max(1, (1 + rate) ** -11)
    assert flow["discounted"].sum() == pytest.approx(result.npv, rel=0, abs=1e-12 * size)


@few
@given(came=flows, went=costs, rate=rates, seed=st.integers(0, 99), part=st.integers(-(10**5), 10**5))
def test_order_of_lines_a_line_split_in_two_and_a_line_of_nothing_change_no_figure(came, went, rate, seed, part):
    rng = np.random.default_rng(seed)
    (day, cents), (paid_day, paid) = came[0], went[0]
    came_again = [(day, cents - part), (day, part), *came[1:], (day, 0)]
    went_again = [(paid_day, paid - part), (paid_day, 0), *went[1:], (paid_day, part)]
    one = return_on_investment(to_lines(came), to_lines(went), discount_rate=rate)
    other = return_on_investment(
        to_lines(came_again).iloc[rng.permutation(len(came_again))],
        to_lines(went_again).iloc[rng.permutation(len(went_again))],
        discount_rate=rate,
    )
    exact = ["total_benefit", "total_cost", "net_benefit", "roi", "payback"]
    assert [getattr(other, name) for name in exact] == [getattr(one, name) for name in exact]
    size = sum(abs(cents) for _, cents in [*came, *went, (0, part)]) / 100 * max(1, (1 + rate) ** -11)
    assert (other.pv_benefit, other.pv_cost) == pytest.approx((one.pv_benefit, one.pv_cost), rel=0, abs=1e-13 * size)
    assert other.benefit_lines == one.benefit_lines + 2


@few
@given(came=flows, went=costs, rate=rates, factor=st.sampled_from([0.01, 0.37, 7.1, 1000.0]))
def test_another_currency_scales_the_money_and_leaves_the_ratios(came, went, rate, factor):
    benefits, paid = to_lines(came), to_lines(went)
    one = return_on_investment(benefits, paid, discount_rate=rate)
    other = return_on_investment(
        benefits.assign(amount=benefits["amount"] * factor),
        paid.assign(amount=paid["amount"] * factor),
        discount_rate=rate,
    )
    money = ["total_benefit", "total_cost", "net_benefit", "pv_benefit", "pv_cost", "npv"]
    size = sum(abs(cents) for _, cents in [*came, *went]) / 100 * max(1, (1 + rate) ** -11) * factor
    # amounts within a millionth of a cent of whole cents are taken for them
    assert [getattr(other, name) for name in money] == pytest.approx(
        [getattr(one, name) * factor for name in money], rel=0, abs=1e-12 * size + 1e-8 * (len(came) + len(went))
    )
    ratios = ["roi", "pv_roi", "benefit_cost_ratio"]
    assert [getattr(other, name) for name in ratios] == pytest.approx(
        [getattr(one, name) for name in ratios], rel=1e-9, abs=1e-9 * size / factor / min(one.total_cost, one.pv_cost)
    )
    assert other.payback == one.payback


@few
@given(came=costs, went=costs, low=rates, more=st.floats(0.01, 1))
def test_money_is_worth_less_at_a_higher_rate_and_the_same_at_none(came, went, low, more):
    cheap, dear = (return_on_investment(to_lines(came), to_lines(went), discount_rate=r) for r in (low, low + more))
    assert dear.pv_benefit <= cheap.pv_benefit * (1 + 1e-12)
    free = return_on_investment(to_lines(came), to_lines(went), discount_rate=0)
    assert (free.pv_benefit, free.pv_cost) == pytest.approx((free.total_benefit, free.total_cost), rel=1e-15)
    assert free.benefit_cost_ratio == pytest.approx(free.roi + 1, rel=1e-12)


@few
@given(went=costs, early=st.integers(0, 3000))
def test_an_earlier_start_lowers_money_by_the_years_between(went, early):
    day = np.datetime64(min(d for d, _ in went) + 18_000, "D")
    one, other = (
        return_on_investment(to_lines(went), to_lines(went), discount_rate=0.1, start=s) for s in (day, day - early)
    )
    assert other.pv_cost == pytest.approx(one.pv_cost * 1.1 ** (-early / 365.25), rel=1e-12)
    assert other.benefit_cost_ratio == pytest.approx(1.0, rel=1e-12)


def test_payback_counts_from_the_start_to_the_day_on_which_the_costs_are_covered():
    benefits = pd.DataFrame({"date": ["2024-01-31", "2024-03-01"], "amount": [4.0, 6.0]})
    assert return_on_investment(benefits, SAME_DAY, discount_rate=0.5).payback == pytest.approx(60 / 365.25)
    early = return_on_investment(benefits, SAME_DAY, discount_rate=0.5, start="2023-12-31")
    assert early.payback == pytest.approx(61 / 365.25)


def test_benefits_that_never_cover_the_costs_never_pay_back():
    result = return_on_investment(SAME_DAY.assign(amount=9.99), SAME_DAY, discount_rate=0.0)
    assert result.payback == float("inf")
    assert result.notes == ()


def test_costs_that_benefits_lead_are_paid_back_at_once():
    late = pd.DataFrame({"date": ["2024-02-01"], "amount": [10.0]})
    assert return_on_investment(SAME_DAY, late, discount_rate=0.0).payback == 0.0


def test_a_payback_that_does_not_last_is_noted():
    benefits = pd.DataFrame({"date": ["2024-02-01"], "amount": [15.0]})
    spent = pd.DataFrame({"date": ["2024-01-01", "2024-06-01"], "amount": [10.0, 10.0]})
    result = return_on_investment(benefits, spent, discount_rate=0.0)
    assert result.payback == pytest.approx(31 / 365.25)
    assert result.notes == ("The costs were covered for a time, but not at the end: the payback does not last.",)


@pytest.mark.parametrize(("amounts", "said"), [([0.0, 0.0], "0.00"), ([5.0, -5.0], "0.00"), ([5.0, -8.0], "-3.00")])
def test_return_on_costs_that_are_not_above_zero_is_missing_and_the_notes_say_why(amounts, said):
    spent = pd.DataFrame({"date": ["2024-01-01", "2024-01-01"], "amount": amounts})
    result = return_on_investment(SAME_DAY, spent, discount_rate=0.1)
    assert np.isnan([result.roi, result.pv_roi, result.benefit_cost_ratio]).all()
    assert result.net_benefit == 10.0 - sum(amounts)
    assert result.notes == (
        f"The costs add up to {said}, not above 0: return on investment is undefined.",
        f"The present value of the costs is {said}, not above 0: the ratios to it are undefined.",
    )


def test_the_demo_ledger_as_cost_has_the_total_of_its_cents():
    lines = demo_ledger()
    result = return_on_investment(SAME_DAY.assign(date="1997-06-30"), lines, discount_rate=0.1, period="month")
    assert result.total_cost == sum(round(amount * 100) for amount in lines["amount"].tolist()) / 100
    assert result.cost_lines == len(lines)


@pytest.mark.parametrize("rate", [-1, -1.5, float("nan"), "8 %"])
def test_a_discount_rate_of_minus_one_or_less_is_refused(rate):
    with pytest.raises(InputError, match=r"^discount_rate: got .*\. Pass a finite number, above -1\.$"):
        return_on_investment(SAME_DAY, SAME_DAY, discount_rate=rate)


def test_a_discount_rate_that_makes_money_endless_is_refused():
    later = pd.DataFrame({"date": ["2124-01-01"], "amount": [1.0]})
    with pytest.raises(InputError, match=r"^discount_rate: at -0\.99999 present values are too large"):
        return_on_investment(later, SAME_DAY, discount_rate=-0.99999)


def test_an_empty_frame_is_refused_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    lines = pd.DataFrame({"date": pd.to_datetime(["2024-01-01"]).astype("datetime64[us]"), "amount": [10.0]})
    with pytest.raises(InputError, match=r"^benefits, column 'date': the frame has no rows\. Pass at least one line\."):
        return_on_investment(as_engine(lines.iloc[:0]), as_engine(lines), discount_rate=0.1)
    with pytest.raises(InputError, match=r"^costs, column 'date': the frame has no rows\. Pass at least one line\."):
        return_on_investment(as_engine(lines), as_engine(lines.iloc[:0]), discount_rate=0.1)


def test_missing_dates_are_refused_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    lines = as_engine(BENEFITS.assign(when=["2024-03-01", "2024-02-30", None]))
    with pytest.raises(
        InputError, match=r"^benefits, column 'when': missing or unreadable date in 2 of 3 rows( \(row 1, 2\))?\. Give"
    ):
        return_on_investment(lines, COSTS, discount_rate=0.1, **NAMES)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf")])
def test_missing_and_infinite_amounts_are_refused_on_every_engine(as_engine: Callable[[pd.DataFrame], Any], amount):
    lines = as_engine(COSTS.assign(amount=[80.0, amount]))
    with pytest.raises(
        InputError, match=r"^costs, column 'amount': missing or infinite amount in 1 of 2 rows( \(row 1\))?\. Fill"
    ):
        return_on_investment(BENEFITS, lines, discount_rate=0.1, **NAMES)


def test_amounts_as_text_are_refused_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    lines = as_engine(COSTS.assign(amount=["1,234.50", "¥20"]))
    with pytest.raises(InputError, match=r"^costs, column 'amount': .*not numbers.* Convert it to numbers first"):
        return_on_investment(BENEFITS, lines, discount_rate=0.1, **NAMES)


def test_dates_of_mixed_time_zones_are_refused():
    zoned = [pd.Timestamp("2024-01-31", tz="UTC"), pd.Timestamp("2024-02-29", tz="Asia/Tokyo")]
    with pytest.raises(InputError, match=r"^costs, column 'date': mixed time zones \(Asia/Tokyo, UTC\) in 2 of 2 rows"):
        return_on_investment(BENEFITS, COSTS.assign(date=pd.Series(zoned, dtype=object)), discount_rate=0.1, **NAMES)


def test_a_missing_column_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"^benefits: column 'wort' is missing\. Did you mean 'worth'\?"):
        return_on_investment(BENEFITS, COSTS, discount_rate=0.1, benefit_date="when", benefit_amount="wort")
    with pytest.raises(InputError, match=r"^costs: column 'amounts' is missing\. Did you mean 'amount'\?"):
        return_on_investment(BENEFITS, COSTS, discount_rate=0.1, cost_amount="amounts", **NAMES)


def test_two_columns_of_one_name_are_refused():
    twice = pd.concat([SAME_DAY, SAME_DAY[["date"]]], axis=1)
    with pytest.raises(InputError, match=r"^benefits: more than one column is named 'date'\."):
        return_on_investment(twice, SAME_DAY, discount_rate=0.1)


def test_a_start_after_the_first_line_is_refused():
    with pytest.raises(InputError, match=r"^start: 2024-01-02 is after the first line \(2024-01-01\)\. Pass that day"):
        return_on_investment(SAME_DAY, SAME_DAY, discount_rate=0.1, start="2024-01-02")
    with pytest.raises(InputError, match=r"^start: got 'soon'\. Pass a date"):
        return_on_investment(SAME_DAY, SAME_DAY, discount_rate=0.1, start="soon")


def test_an_unknown_period_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"^period: got 'day'\. Use one of 'week', 'month', 'quarter', 'year'\.$"):
        return_on_investment(SAME_DAY, SAME_DAY, discount_rate=0.1, period="day")


GROUPED = pd.DataFrame(
    {
        "date": ["2024-02-01", "2025-02-01", "2024-05-01", "2026-01-01", "2024-07-01"],
        "amount": [30.25, 50.0, 10.10, 5.05, 4.0],
        "channel": ["mail", "mail", "web", "web", "shop"],
    }
)
SPENT = pd.DataFrame(
    {
        "date": ["2024-01-01", "2024-01-01", "2024-06-01"],
        "amount": [40.0, 20.0, 10.0],
        "channel": ["mail", "web", None],
    }
)


def test_groups_are_the_same_on_every_engine_and_costs_without_one_are_a_group(
    as_engine: Callable[[pd.DataFrame], Any],
):
    result = return_on_investment(as_engine(GROUPED), as_engine(SPENT), discount_rate=0.1, by="channel")
    rows = rows_of(result.groups)
    assert [row["channel"] for row in rows][:3] == ["mail", "shop", "web"]
    assert rows[3]["channel"] in (None, "nan") or rows[3]["channel"] != rows[3]["channel"]
    assert [row["total_benefit"] for row in rows] == [80.25, 4.0, 15.15, 0.0]
    assert [row["total_cost"] for row in rows] == [40.0, 0.0, 20.0, 10.0]
    assert [row["cost_share"] for row in rows] == pytest.approx([40 / 70, 0, 20 / 70, 10 / 70])
    assert rows[0]["roi"] == pytest.approx(1.00625)
    assert rows[0]["payback"] == pytest.approx(397 / 365.25)
    assert rows[2]["payback"] == float("inf")


def test_years_are_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    result = return_on_investment(as_engine(GROUPED), as_engine(SPENT), discount_rate=0.1)
    rows = {row["line"]: row for row in rows_of(result.years)}
    assert list(rows["net"]) == ["line", "initial", "year_1", "year_2", "total", "present_value"]
    # year 1 ends with the first of January 2025, year 2 with that of 2026
    assert [rows["benefit"][name] for name in ("initial", "year_1", "year_2", "total")] == [0.0, 44.35, 55.05, 99.40]
    assert [rows["cost"][name] for name in ("initial", "year_1", "year_2", "total")] == [60.0, 10.0, 0.0, 70.0]
    assert [rows["cumulative"][name] for name in ("initial", "year_1", "year_2")] == [-60.0, -25.65, 29.40]


@pytest.mark.parametrize(
    ("start", "day", "year"),
    [
        ("2024-01-01", "2024-01-01", "initial"),
        ("2024-01-01", "2024-01-02", "year_1"),
        ("2024-01-01", "2025-01-01", "year_1"),
        ("2024-01-01", "2025-01-02", "year_2"),
        ("2024-02-29", "2025-02-28", "year_1"),
        ("2024-02-29", "2025-03-01", "year_2"),
        ("2023-12-31", "2024-12-31", "year_1"),
    ],
)
def test_a_year_ends_with_the_anniversary_of_the_start(start, day, year):
    spent = pd.DataFrame({"date": [start], "amount": [10.0]})
    years = return_on_investment(spent.assign(date=day, amount=7.0), spent, discount_rate=0.1).years
    assert years.set_index("line").loc["benefit", year] == 7.0


@few
@given(came=flows, went=costs, rate=rates, seed=st.integers(0, 99))
def test_returns_of_groups_weighted_by_their_share_of_the_cost_are_the_return_of_the_whole(came, went, rate, seed):
    rng = np.random.default_rng(seed)
    benefits, spent = to_lines(came), to_lines(went)
    benefits["group"], spent["group"] = rng.integers(0, 3, len(came)), rng.integers(0, 2, len(went))
    result = return_on_investment(benefits, spent, discount_rate=rate, by=["group"])
    groups = result.groups
    in_cents = (groups[["total_benefit", "total_cost", "net_benefit"]] * 100).round().sum()
    assert in_cents.tolist() == [round(100 * x) for x in (result.total_benefit, result.total_cost, result.net_benefit)]
    size = sum(abs(cents) for _, cents in [*came, *went]) / 100 * max(1, (1 + rate) ** -11)
    assert groups["npv"].sum() == pytest.approx(result.npv, rel=0, abs=1e-12 * size)
    paid = groups[groups["total_cost"] > 0]
    unpaid = groups.loc[groups["total_cost"] == 0, "net_benefit"].sum() / result.total_cost
    assert (paid["roi"] * paid["cost_share"]).sum() + unpaid == pytest.approx(result.roi, rel=1e-9, abs=1e-9)


@few
@given(came=flows, went=costs, rate=rates)
def test_the_table_by_year_adds_up_to_the_figures(came, went, rate):
    result = return_on_investment(to_lines(came), to_lines(went), discount_rate=rate)
    table = result.years.set_index("line")
    years = table.drop(columns=["total", "present_value"])
    size = sum(abs(cents) for _, cents in [*came, *went]) / 100 * max(1, (1 + rate) ** -11)
    assert table["total"].tolist()[:3] == [result.total_benefit, result.total_cost, result.net_benefit]
    assert years.sum(axis=1)[:3].tolist() == pytest.approx(table["total"].tolist()[:3], abs=1e-12 * size)
    assert years.loc["cumulative"].iloc[-1] == result.net_benefit
    assert table["present_value"].tolist()[:3] == pytest.approx(
        [result.pv_benefit, result.pv_cost, result.npv], rel=0, abs=1e-12 * size
    )
    assert years.loc["discounted"].sum() == pytest.approx(result.npv, rel=0, abs=1e-12 * size)


@few
@given(came=flows, went=costs, rate=st.floats(-0.3, 2))
def test_at_the_internal_rate_the_net_present_value_is_nothing(came, went, rate):
    result = return_on_investment(to_lines(came), to_lines(went), discount_rate=rate)
    for irr in result.internal_rates.rates[(result.internal_rates.rates > -0.3)]:
        again = return_on_investment(to_lines(came), to_lines(went), discount_rate=irr)
        size = sum(abs(cents) for _, cents in [*came, *went]) / 100 * max(1, (1 + irr) ** -11)
        assert again.npv == pytest.approx(0, abs=1e-9 * size)
    if result.internal_rates.is_conventional:
        assert (result.npv > 0) == (rate < result.irr) or abs(result.npv) < 1e-9 * size_of(came, went)


def size_of(came, went) -> float:
    """Return the sum of all money in a drawn flow."""
    return sum(abs(cents) for _, cents in [*came, *went])


def test_a_return_over_two_years_is_annualized_to_the_one_that_compounds_to_it():
    benefits = pd.DataFrame({"date": ["2028-01-01"], "amount": [146.41]})  # four years of 365.25 days
    spent = pd.DataFrame({"date": ["2024-01-01"], "amount": [100.0]})
    result = return_on_investment(benefits, spent, discount_rate=0.1)
    assert result.annualized_roi == pytest.approx(0.1, rel=1e-12)
    assert result.irr == pytest.approx(0.1, rel=1e-12)
    assert result.npv == pytest.approx(0.0, abs=1e-12)


def test_lines_of_nothing_before_and_after_all_others_change_no_figure():
    nothing = pd.DataFrame({"when": ["2020-01-01", "2030-01-01"], "worth": [0.0, 0.0]})
    one = return_on_investment(BENEFITS, COSTS, discount_rate=0.1, **NAMES)
    other = return_on_investment(pd.concat([nothing, BENEFITS]), COSTS, discount_rate=0.1, **NAMES)
    assert figures(other) == figures(one)
    pd.testing.assert_frame_equal(other.years, one.years)
    pd.testing.assert_frame_equal(other.cash_flow, one.cash_flow)


def test_lines_of_nothing_alone_bring_nothing():
    result = return_on_investment(SAME_DAY.assign(amount=0.0), SAME_DAY.assign(amount=0.0), discount_rate=0.1)
    assert (result.net_benefit, result.npv, result.payback) == (0.0, 0.0, 0.0)
    assert np.isnan([result.roi, result.irr, result.annualized_roi]).all()


def test_a_return_on_one_day_cannot_be_annualized():
    assert np.isnan(return_on_investment(SAME_DAY, SAME_DAY, discount_rate=0.1).annualized_roi)


def test_discounted_payback_comes_later_or_never():
    benefits = pd.DataFrame({"date": ["2025-01-01", "2026-01-01", "2027-01-01"], "amount": [60.0, 42.0, 30.0]})
    spent = pd.DataFrame({"date": ["2024-01-01"], "amount": [100.0]})
    result = return_on_investment(benefits, spent, discount_rate=0.1)
    # 60 / 1.1 + 42 / 1.21 = 89.3 after two years, and 30 / 1.331 = 22.5 more after three
    assert (result.payback, result.discounted_payback) == pytest.approx((731 / 365.25, 1096 / 365.25))
    assert return_on_investment(benefits, spent, discount_rate=0.4).discounted_payback == float("inf")


def test_several_internal_rates_are_noted_and_none_is_the_figure():
    benefits = pd.DataFrame({"date": ["2028-01-01"], "amount": [2300.0]})
    spent = pd.DataFrame({"date": ["2024-01-01", "2032-01-01"], "amount": [1000.0, 1320.0]})
    result = return_on_investment(benefits, spent, discount_rate=0.03)
    assert (1 + result.internal_rates.rates) ** 4 - 1 == pytest.approx([0.1, 0.2], rel=1e-9)
    assert np.isnan(result.irr)
    assert "There are 2 internal rates of return: none of them alone tells whether the flow pays." in result.notes


VIEWED = pd.DataFrame(
    {
        "date": ["2025-01-01", "2025-01-01", "2025-01-01"],
        "amount": [100.0, 40.0, 10.0],
        "kind": ["direct", "indirect", "direct"],
        "mechanism": ["retention", "productivity", "price"],
        "risk": [0.1, 0.5, None],
    }
)
RAISED = pd.DataFrame({"date": ["2025-01-01", "2025-01-01"], "amount": [60.0, 40.0], "risk": [0.25, None]})


def test_direct_indirect_and_risk_adjusted_returns_are_the_same_on_every_engine(
    as_engine: Callable[[pd.DataFrame], Any],
):
    benefits = prepare_benefits(as_engine(VIEWED), risk_factor="risk")
    result = return_on_investment(benefits, as_engine(RAISED), discount_rate=0.1, cost_risk_factor="risk")
    rows = rows_of(result.views)
    assert [row["view"] for row in rows] == ["direct", "with indirect", "risk-adjusted"]
    assert [row["total_benefit"] for row in rows] == [110.0, 150.0, 120.0]
    assert [row["total_cost"] for row in rows] == [100.0, 100.0, 115.0]
    assert [row["roi"] for row in rows] == pytest.approx([0.1, 0.5, 5 / 115])
    assert result.roi == 0.5


def test_a_discount_rate_and_a_capital_charge_together_are_refused():
    lines = pd.DataFrame(
        {
            "date": ["2024-01-01"] * 2,
            "category": ["it", "opportunity"],
            "subcategory": ["hardware", "Capital charge"],
            "amount": [80.0, 8.0],
        }
    )
    ledger = prepare_ledger(lines, subcategory="subcategory")
    said = r"^costs, column 'subcategory': there are lines of '[Cc]apital charge', and money is discounted at 0\.1: cap"
    for spent in (ledger, lines):
        with pytest.raises(InputError, match=said):
            return_on_investment(SAME_DAY, spent, discount_rate=0.1)
        assert return_on_investment(SAME_DAY, spent, discount_rate=0).total_cost == 88.0


def test_the_capital_charge_that_the_library_makes_is_refused_beside_a_discount_rate(
    as_engine: Callable[[pd.DataFrame], Any],
):
    held = pd.DataFrame({"date": ["2024-01-01"], "tied_up": [100.0]})
    charge = opportunity_cost(as_engine(held), capital="tied_up", annual_rate=0.08).frame
    with pytest.raises(InputError, match=r"^costs, column 'subcategory': there are lines of 'capital charge'"):
        return_on_investment(SAME_DAY, prepare_ledger(charge, subcategory="subcategory"), discount_rate=0.1)
    assert return_on_investment(SAME_DAY, charge, discount_rate=0).total_cost == 8.0
    forgone = opportunity_cost(held.assign(web=4.0), alternatives=["web"]).frame
    assert forgone["subcategory"].tolist() == ["forgone project"]
    assert return_on_investment(SAME_DAY, forgone, discount_rate=0.1).total_cost == 4.0


def test_a_saved_cost_that_is_also_a_credit_in_the_costs_is_refused():
    saved = pd.DataFrame({"date": ["2024-12-31"], "amount": [30.0], "mechanism": ["cost saving"]})
    spent = pd.DataFrame({"date": ["2024-01-01", "2024-06-30"], "amount": [100.0, -30.0]})
    with pytest.raises(InputError, match=r"^benefits: a cost saving is also a credit .* \(30\.00 in 2024\), and would"):
        return_on_investment(prepare_benefits(saved, kind=None), spent, discount_rate=0.1)
    allowed = prepare_benefits(saved, kind=None, allow_overlap=True)
    notes = return_on_investment(allowed, spent, discount_rate=0.1).notes
    assert notes[-1] == "Cost savings that are also credits in the costs count twice: 30.00 in 2024."
    other = prepare_benefits(saved.assign(amount=31.0), kind=None)
    assert return_on_investment(other, spent, discount_rate=0.1).total_benefit == 31.0


def test_an_allowed_overlap_is_said_in_the_notes():
    lines = pd.DataFrame(
        {"date": ["2024-01-01"] * 2, "amount": [9.0, 1.0], "mechanism": ["lifetime value", "retention"]}
    )
    benefits = prepare_benefits(lines, kind=None, allow_overlap=True)
    result = return_on_investment(benefits, SAME_DAY, discount_rate=0.1)
    assert result.notes[-1].startswith("Counted although it may be no further benefit: row 0 (lifetime value")


@pytest.mark.parametrize("risk", [-0.1, float("inf")])
def test_a_cost_risk_below_zero_or_infinite_is_refused(risk):
    with pytest.raises(InputError, match=r"^costs, column 'risk': risk factor below 0 or infinite in 1 of 2 rows"):
        return_on_investment(SAME_DAY, RAISED.assign(risk=[0.1, risk]), discount_rate=0.1, cost_risk_factor="risk")


def test_a_group_that_the_costs_do_not_name_is_refused():
    with pytest.raises(InputError, match=r"^costs: column 'channel' is missing\."):
        return_on_investment(GROUPED, SAME_DAY, discount_rate=0.1, by="channel")


def test_a_year_mistyped_is_refused():
    with pytest.raises(
        InputError, match=r"^date: the lines reach from 0024-01-01 to 2024-01-01, more than 200 years\."
    ):
        return_on_investment(SAME_DAY.assign(date="0024-01-01"), SAME_DAY, discount_rate=0.1)


def test_a_result_turns_into_plain_values_and_a_table():
    result = return_on_investment(BENEFITS, COSTS, discount_rate=0.1, **NAMES)
    record = result.to_dict()
    assert record["figures"]["roi"] == 0.35
    assert record["assumptions"][0].startswith("Money is discounted at 10.00% a year to")
    assert len(record["years"]) == 5
    assert len(return_on_investment(BENEFITS, COSTS, discount_rate=0.1, by=None, **NAMES).groups) == 1
    assert "<table>" in result.to_html()
