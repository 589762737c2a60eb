"""Benefits: what counts twice is refused by name, and nothing is lost on any engine."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.errors import InputError
from crmvalue.returns.benefits import prepare_benefits
from crmvalue.returns.overlap import CONTAINED, MECHANISMS

LINES = pd.DataFrame(
    {
        "day": ["2024-03-31", "2024-12-31", "2024-12-31"],
        "worth": [100.25, -20.0, 40.0],
        "kind": ["Direct", "indirect", "INDIRECT"],
        "how": ["Retention", "cycle_time", "price"],
        "segment": ["gold", None, "gold"],
        "risk": [None, 0.25, 0.5],
        "who said so": ["books", None, "survey"],
        "note": ["a", "b", "c"],
    }
)
NAMES = {"date": "day", "amount": "worth", "mechanism": "how", "risk_factor": "risk"}


def two_lines(first: str, second: str, **columns: list[Any]) -> pd.DataFrame:
    """Return two lines of these mechanisms."""
    given = {"date": ["2024-01-31", "2024-06-30"], "amount": [900.0, 200.0], "mechanism": [first, second]}
    return pd.DataFrame({**given, **columns})


def test_benefits_are_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    benefits = prepare_benefits(
        as_engine(LINES), **NAMES, source="who said so", population="segment", keep=["note"], allow_overlap=True
    )
    assert type(benefits.frame) is type(as_engine(LINES))
    table = to_pandas(benefits.frame).sort_values("note", ignore_index=True)
    assert table.columns.tolist() == [
        *("date", "amount", "kind", "mechanism", "risk_factor", "segment", "source", "note")
    ]
    assert table["kind"].tolist() == ["direct", "indirect", "indirect"]
    assert table["mechanism"].tolist() == ["retention", "cycle time", "price"]
    assert table["risk_factor"].tolist() == [0.0, 0.25, 0.5]
    assert table["date"].astype(str).tolist() == ["2024-03-31", "2024-12-31", "2024-12-31"]
    assert (benefits.total, benefits.risk_adjusted_total) == (120.25, 105.25)
    audit = benefits.audit
    assert (audit.rows_in, audit.rows_out, audit.indirect, audit.uncertain, audit.negative_amounts) == (3, 3, 2, 2, 1)
    assert benefits.overlaps == ()


def test_lifetime_value_and_retention_of_the_same_people_are_refused_on_every_engine(
    as_engine: Callable[[pd.DataFrame], Any],
):
    lines = as_engine(two_lines("lifetime value", "retention", group=["gold", "gold"]))
    said = (
        r"^mechanism: (row 0|a line) \(lifetime value, 2024-01-31, 900\.00, group 'gold'\) already contains "
        r"(row 1|a line) \(retention, 2024-06-30, 200\.00, group 'gold'\)\. Drop one of them, name different "
        r"populations or ends \(until\), or pass allow_overlap=True\.$"
    )
    with pytest.raises(InputError, match=said):
        prepare_benefits(lines, kind=None, population="group")


@pytest.mark.parametrize(("outer", "inner"), [(outer, one) for outer, inner in CONTAINED.items() for one in inner])
def test_every_value_that_contains_another_is_refused_in_any_order(outer, inner):
    for pair in ((outer, inner), (inner, outer)):
        with pytest.raises(InputError, match=rf"\({outer}, .*\) already contains row . \({inner}, "):
            prepare_benefits(two_lines(*pair), kind=None)


def test_other_people_other_times_and_equal_mechanisms_are_no_overlap():
    pair = ("lifetime value", "retention")
    prepare_benefits(two_lines(*pair, group=["gold", "silver"]), kind=None, population="group")
    prepare_benefits(
        two_lines(*pair, group=["a", "a"], channel=["web", "mail"]), kind=None, population=["group", "channel"]
    )
    until = two_lines(*pair, end=["2024-05-31", "2024-12-31"])
    prepare_benefits(until, kind=None, until="end")
    prepare_benefits(two_lines("retention", "satisfaction", date=["2023-12-31", "2024-01-01"]), kind=None)
    prepare_benefits(two_lines("retention", "satisfaction"), kind=None, period="quarter")
    for name in MECHANISMS[:-1]:
        prepare_benefits(two_lines(name, name), kind=None)


def test_a_lifetime_value_contains_what_comes_years_later_but_not_what_came_before():
    later = two_lines("lifetime value", "retention", date=["2024-01-31", "2029-06-30"])
    with pytest.raises(InputError, match="already contains"):
        prepare_benefits(later, kind=None)
    prepare_benefits(later.assign(date=["2024-01-31", "2023-06-30"]), kind=None)


def test_a_line_about_nobody_in_particular_is_about_all():
    with pytest.raises(InputError, match=r"group 'gold'\) already contains row 1 \(retention, 2024-06-30, 200\.00\)"):
        prepare_benefits(two_lines("lifetime value", "retention", group=["gold", None]), kind=None, population="group")


def test_sales_moved_between_channels_are_no_benefit():
    said = r"^mechanism: row 1 \(moved sales, .*\) is no benefit: sales only moved between channels\. Drop such lines"
    with pytest.raises(InputError, match=said):
        prepare_benefits(two_lines("price", "moved sales"), kind=None)


def test_an_allowed_overlap_is_in_the_result():
    benefits = prepare_benefits(two_lines("lifetime value", "retention"), kind=None, allow_overlap=True)
    assert benefits.overlap_allowed
    assert benefits.overlaps == (
        "row 0 (lifetime value, 2024-01-31, 900.00) already contains row 1 (retention, 2024-06-30, 200.00)",
    )
    assert benefits.total == 1100.0


drawn = st.lists(
    st.tuples(
        st.sampled_from(MECHANISMS[:-1]),
        st.sampled_from(["a", "b", None]),
        st.integers(0, 900),
        st.one_of(st.none(), st.integers(0, 500)),
    ),
    min_size=1,
    max_size=12,
)


def counts_twice(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether one line contains the other, worked out pair by pair with dates."""
    spans = []
    for name, _, day, length in (one, other):
        begin = pd.Timestamp("2023-01-01") + pd.Timedelta(days=day)
        if length is not None:
            spans.append((begin, begin + pd.Timedelta(days=length)))
        else:
            end = pd.Timestamp("2262-01-01") if name == "lifetime value" else pd.Timestamp(begin.year, 12, 31)
            spans.append((pd.Timestamp(begin.year, 1, 1), end))
    same_days = spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1]
    same_people = one[1] is None or other[1] is None or one[1] == other[1]
    return other[0] in CONTAINED.get(one[0], ()) and same_days and same_people


@settings(deadline=None)  # a busy machine is no failure
@given(lines=drawn)
def test_the_guard_finds_an_overlap_if_and_only_if_some_pair_of_lines_is_one(lines):
    begin = [pd.Timestamp("2023-01-01") + pd.Timedelta(days=day) for _, _, day, _ in lines]
    ends = [None if n is None else one + pd.Timedelta(days=n) for one, (*_, n) in zip(begin, lines, strict=True)]
    frame = pd.DataFrame(
        {
            "date": begin,
            "until": pd.to_datetime(pd.Series(ends, dtype=object)),
            "amount": np.arange(len(lines)) + 1.0,
            "mechanism": [name for name, *_ in lines],
            "group": pd.Series([group for _, group, *_ in lines], dtype=object),
        }
    )
    found = prepare_benefits(frame, kind=None, population="group", until="until", allow_overlap=True).overlaps
    pairs = sum(counts_twice(one, other) for one in lines for other in lines)
    assert bool(found) == bool(pairs)
    assert len(found) <= min(5, pairs)


def test_many_lines_are_compared_in_blocks():
    n = 3_000
    lines = pd.DataFrame(
        {
            "date": "2024-01-01",
            "amount": 1.0,
            "mechanism": ["retention"] * n + ["satisfaction"] * n,
            "customer": [f"a{i}" for i in range(n)] + [f"b{i}" for i in range(n - 1)] + [f"a{n - 1}"],
        }
    )
    found = prepare_benefits(lines, kind=None, population="customer", allow_overlap=True).overlaps
    assert len(found) == 1
    assert "customer 'a2999'" in found[0]


@pytest.mark.parametrize("risk", [-0.01, 1.01, float("inf")])
def test_a_risk_factor_that_is_no_share_is_refused(risk):
    with pytest.raises(InputError, match=r"^risk: risk factor below 0 or above 1 in 1 of 3 rows \(row 2\)\. Pass"):
        prepare_benefits(LINES.assign(risk=[0.0, 1.0, risk]), **NAMES)


def test_unknown_and_missing_names_are_refused_with_the_nearest():
    with pytest.raises(
        InputError, match=r"^how: unknown name 'retentoin' in 1 of 3 rows \(row 0\)\. Did you mean 'ret"
    ):
        prepare_benefits(LINES.assign(how=["retentoin", "price", "price"]), **NAMES)
    with pytest.raises(InputError, match=r"^kind: missing kind in 1 of 3 rows \(row 1\)\. Name one for each line\."):
        prepare_benefits(LINES.assign(kind=["direct", None, "direct"]), **NAMES)
    with pytest.raises(InputError, match=r"^frame: column 'kind' is missing\."):
        prepare_benefits(LINES.drop(columns="kind"), **NAMES)


def test_a_benefit_without_a_date_or_an_amount_is_refused():
    with pytest.raises(InputError, match=r"^day: missing or unreadable date in 1 of 3 rows \(row 1\)\. Give"):
        prepare_benefits(LINES.assign(day=["2024-01-01", None, "2024-01-01"]), **NAMES)
    with pytest.raises(InputError, match=r"^worth: missing or infinite amount in 1 of 3 rows \(row 0\)\. Fill"):
        prepare_benefits(LINES.assign(worth=[np.nan, 1, 2]), **NAMES)
    with pytest.raises(InputError, match=r"^day: the frame has no rows"):
        prepare_benefits(LINES.iloc[:0].assign(risk=0.0), **NAMES)


def test_an_end_before_the_date_is_refused():
    with pytest.raises(InputError, match=r"^end: end before the date of the line in 1 of 2 rows \(row 1\)\. Give"):
        prepare_benefits(two_lines("price", "price", end=[None, "2024-06-29"]), kind=None, until="end")


def test_columns_named_twice_or_like_ours_are_refused():
    with pytest.raises(InputError, match=r"names a column twice\. Name each once\.$"):
        prepare_benefits(LINES, **{**NAMES, "mechanism": "kind"})
    with pytest.raises(InputError, match=r"^keep: 'source' is the name of a benefit column\. Rename it\.$"):
        prepare_benefits(LINES, **NAMES, keep=["source"])
    with pytest.raises(InputError, match=r"^keep: column 'segment' is named twice\. Name it once\.$"):
        prepare_benefits(LINES, **NAMES, population="segment", keep=["segment"])
