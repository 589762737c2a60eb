"""The cost ledger: every line is kept, every table adds up to it, on every engine."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmvalue.costs import COST_CATEGORIES, COST_STAGES, cost_breakdown, prepare_ledger
from crmvalue.data.samples import demo_ledger
from crmvalue.errors import InputError

LINES = pd.DataFrame(
    {
        "booked": ["2024-01-31", "2024-01-31", "2024/02/29", "2024-02-29", "2024-05-01", "2025-01-01"],
        "what": ["Staff", "I T", "staff", "market-ing", "_SERVICE_", "it"],
        "why": ["Acquisition", None, "retention", "LOSS", " ", "expansion"],
        "detail": ["salaries", "cloud", "training", None, "complaints", "cloud"],
        "cost": [1000.10, 200.20, 300.30, 0.05, 50.0, -20.15],
        "channel": ["web", "web", "shop", "shop", "shop", "web"],
        "head_count": [3, 0, 1, 0, 2, 0],
    }
)
NAMES = {"date": "booked", "category": "what", "amount": "cost", "stage": "why", "subcategory": "detail"}
SMALL = pd.DataFrame({"date": ["2024-01-31", "2024-02-29"], "category": ["staff", "it"], "amount": [60.0, 40.0]})


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame of any engine as Python values: days as text, missing values as None."""
    opened = nw.from_native(frame)
    table = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    return [{name: plain(value) for name, value in row.items()} for row in table.rows(named=True)]


def picked(frame: Any, *columns: str) -> list[dict[str, Any]]:
    """Return these columns of the rows, and all columns that a breakdown has had from its first day on."""
    return [{name: row[name] for name in (*columns, "amount", "share", "lines")} for row in rows_of(frame)]


def plain(value: Any) -> Any:
    """Return one cell as a plain Python value."""
    if value is None or value is pd.NA or value != value:
        return None
    return str(value)[:10] if hasattr(value, "year") else value


def with_cell(column: str, value: Any) -> pd.DataFrame:
    """Return the small ledger with another value in its second row."""
    frame = SMALL.astype({column: object}) if isinstance(value, str) or value is None else SMALL.copy()
    frame.loc[1, column] = value
    return frame


def test_the_ledger_keeps_every_line_in_the_engine_that_it_came_in(as_engine: Callable[[pd.DataFrame], Any]):
    given_frame = as_engine(LINES)
    ledger = prepare_ledger(given_frame, **NAMES, keep=["channel", "head_count"])
    assert type(ledger.frame) is type(given_frame)
    expected = [
        ("2024-01-31", "staff", 1000.10, "acquisition", "salaries", "web", 3),
        ("2024-01-31", "it", 200.20, None, "cloud", "web", 0),
        ("2024-02-29", "staff", 300.30, "retention", "training", "shop", 1),
        ("2024-02-29", "marketing", 0.05, "loss", None, "shop", 0),
        ("2024-05-01", "service", 50.0, None, "complaints", "shop", 2),
        ("2025-01-01", "it", -20.15, "expansion", "cloud", "web", 0),
    ]
    columns = ["date", "category", "amount", "stage", "subcategory", "channel", "head_count"]
    rows = rows_of(ledger.frame)
    assert list(rows[0]) == columns
    assert [tuple(row.values()) for row in sorted(rows, key=lambda row: (row["date"], -row["amount"]))] == expected

    audit = ledger.audit
    assert ledger.total == 1530.50
    assert (audit.rows_in, audit.rows_out, audit.credits, audit.zero_amounts, audit.without_stage) == (6, 6, 1, 0, 2)
    assert audit.credit_total == -20.15
    assert (str(audit.first_day), str(audit.last_day), audit.time_zone) == ("2024-01-31", "2025-01-01", None)


def test_a_breakdown_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    given_frame = as_engine(LINES)
    found = cost_breakdown(prepare_ledger(given_frame, **NAMES, keep=["channel", "head_count"]))
    assert type(found.frame) is type(given_frame)
    assert picked(found.frame, "category") == [
        {"category": "staff", "amount": 1300.40, "share": pytest.approx(1300.40 / 1530.50), "lines": 2},
        {"category": "it", "amount": 180.05, "share": pytest.approx(180.05 / 1530.50), "lines": 2},
        {"category": "service", "amount": 50.0, "share": pytest.approx(50.0 / 1530.50), "lines": 1},
        {"category": "marketing", "amount": 0.05, "share": pytest.approx(0.05 / 1530.50), "lines": 1},
    ]
    assert (found.total, found.by, found.period, found.note) == (1530.50, ("category",), None, "")


def test_a_breakdown_by_period_and_stage_is_the_same_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    ledger = prepare_ledger(as_engine(LINES), **NAMES, keep=["channel"])
    found = picked(
        cost_breakdown(ledger, by=["stage", "channel"], period="quarter").frame, "stage", "channel", "period"
    )
    assert [tuple(row.values()) for row in found] == [
        ("acquisition", "web", "2024-01-01", 1000.10, pytest.approx(1000.10 / 1530.50), 1),
        ("retention", "shop", "2024-01-01", 300.30, pytest.approx(300.30 / 1530.50), 1),
        (None, "web", "2024-01-01", 200.20, pytest.approx(200.20 / 1530.50), 1),
        ("loss", "shop", "2024-01-01", 0.05, pytest.approx(0.05 / 1530.50), 1),
        (None, "shop", "2024-04-01", 50.0, pytest.approx(50.0 / 1530.50), 1),
        ("acquisition", "web", "2024-04-01", 0.0, 0.0, 0),  # a group that has fallen to nothing
        ("loss", "shop", "2024-04-01", 0.0, 0.0, 0),
        ("retention", "shop", "2024-04-01", 0.0, 0.0, 0),
        (None, "web", "2024-04-01", 0.0, 0.0, 0),
        (None, "shop", "2024-07-01", 0.0, 0.0, 0),
        ("expansion", "web", "2025-01-01", -20.15, pytest.approx(-20.15 / 1530.50), 1),
    ]


def test_a_ledger_where_no_line_has_a_stage_is_one_group_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    lines = SMALL.assign(stage=["", " "])
    assert picked(cost_breakdown(as_engine(lines), by=["stage"]).frame, "stage") == [
        {"stage": None, "amount": 100.0, "share": 1.0, "lines": 2}
    ]


def test_a_plain_frame_is_checked_first():
    lines = SMALL.assign(stage=["RETENTION", "loss"], channel=["web", "shop"], subcategory=["training", "cloud"])
    found = cost_breakdown(lines, by=["stage", "channel", "subcategory"])
    assert picked(found.frame, "stage", "channel", "subcategory") == [
        {"stage": "retention", "channel": "web", "subcategory": "training", "amount": 60.0, "share": 0.6, "lines": 1},
        {"stage": "loss", "channel": "shop", "subcategory": "cloud", "amount": 40.0, "share": 0.4, "lines": 1},
    ]
    with pytest.raises(InputError, match=r"^category: unknown name 'stuff' in 1 of 2 rows"):
        cost_breakdown(with_cell("category", "stuff"))


def test_no_column_at_all_gives_the_whole_ledger():
    assert picked(cost_breakdown(SMALL, by=[]).frame) == [{"amount": 100.0, "share": 1.0, "lines": 2}]


def test_a_single_column_may_be_named_as_text():
    assert cost_breakdown(SMALL, by="category").by == ("category",)


def test_the_demo_ledger_adds_up_to_the_sum_of_its_cents():
    lines = demo_ledger()
    total = sum(round(Fraction(amount) * 100) for amount in lines["amount"].tolist())
    ledger = prepare_ledger(lines, stage="stage", subcategory="subcategory")
    assert ledger.total == total / 100
    by_month = cost_breakdown(ledger, by=["category", "stage", "subcategory"], period="month").frame
    assert sum(round(amount * 100) for amount in by_month["amount"].tolist()) == total


ledgers = st.lists(
    st.tuples(
        st.dates(pd.Timestamp("2020-01-01").date(), pd.Timestamp("2024-12-31").date()),
        st.sampled_from(COST_CATEGORIES),
        st.sampled_from([*COST_STAGES, None]),
        st.integers(-(10**9), 10**10),
    ),
    min_size=1,
    max_size=40,
)
groupings = st.lists(st.sampled_from(["category", "stage", "date"]), unique=True)
few = settings(deadline=None, max_examples=60)  # a busy machine is no failure
periods = st.sampled_from([None, "week", "month", "quarter", "year"])


def to_lines(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return drawn lines as a frame, their cents as amounts."""
    frame = pd.DataFrame(rows, columns=["date", "category", "stage", "cents"])
    return frame.assign(date=pd.to_datetime(frame["date"]), amount=frame["cents"] / 100).drop(columns="cents")


def told(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return rows for comparison, whatever their order."""
    return sorted((tuple(row.values()) for row in rows_of(frame)), key=str)


@few
@given(rows=ledgers, by=groupings, period=periods)
def test_groups_add_up_to_the_ledger_to_the_cent_whatever_the_grouping(rows, by, period):
    found = cost_breakdown(to_lines(rows), by=by, period=period)
    cents = sum(row[3] for row in rows)
    assert sum(round(amount * 100) for amount in found.frame["amount"].tolist()) == cents
    assert found.total == float(Fraction(cents, 100))
    assert found.frame["lines"].sum() == len(rows)
    if cents > 0:
        assert found.frame["share"].sum() == pytest.approx(1, abs=1e-9 * max(1, max(abs(r[3]) for r in rows) / cents))
    else:
        assert found.frame["share"].isna().all()


@few
@given(rows=ledgers, by=groupings, period=periods, seed=st.integers(0, 99))
def test_the_order_of_the_lines_does_not_change_a_breakdown(rows, by, period, seed):
    lines = to_lines(rows)
    mixed = lines.iloc[np.random.default_rng(seed).permutation(len(lines))]
    pd.testing.assert_frame_equal(
        cost_breakdown(mixed, by=by, period=period).frame, cost_breakdown(lines, by=by, period=period).frame
    )


@few
@given(rows=ledgers, by=groupings, period=periods, part=st.integers(-(10**6), 10**6))
def test_a_line_split_in_two_and_a_line_of_nothing_change_only_the_count_of_lines(rows, by, period, part):
    day, category, stage, cents = rows[0]
    split = [(day, category, stage, cents - part), (day, category, stage, part), (day, category, stage, 0), *rows[1:]]
    one = cost_breakdown(to_lines(rows), by=by, period=period).frame
    other = cost_breakdown(to_lines(split), by=by, period=period).frame
    assert told(other.drop(columns="lines")) == told(one.drop(columns="lines"))
    assert other["lines"].sum() == one["lines"].sum() + 2


@few
@given(rows=ledgers, by=groupings, factor=st.floats(0.01, 1000))
def test_another_currency_changes_the_amounts_and_no_share(rows, by, factor):
    lines = to_lines(rows)
    one = cost_breakdown(lines, by=by)
    other = cost_breakdown(lines.assign(amount=lines["amount"] * factor), by=by)
    size = float(lines["amount"].abs().sum())
    assert other.total == pytest.approx(one.total * factor, abs=1e-14 * size * factor + 1e-8 * len(rows))
    assert other.frame["lines"].sum() == one.frame["lines"].sum()
    if one.total > 1e-3 * size + 1:  # a share of almost nothing is a ratio of rounding errors
        assert sorted(other.frame["share"]) == pytest.approx(sorted(one.frame["share"]), rel=1e-6, abs=1e-6)


@few
@given(name=st.sampled_from(COST_CATEGORIES), noise=st.lists(st.sampled_from([" ", "_", "-", "\t"]), max_size=4))
def test_case_spaces_underscores_and_hyphens_do_not_matter_in_a_name(name, noise):
    written = "".join(noise) + name.title() + "".join(reversed(noise))
    ledger = prepare_ledger(SMALL.assign(category=["staff", name[0] + "".join(noise) + name[1:].upper()]))
    assert ledger.frame["category"].tolist() == ["staff", name]
    assert prepare_ledger(SMALL.assign(category=written)).frame["category"].unique().tolist() == [name]


def test_categorical_names_and_dates_with_a_time_zone_are_read():
    lines = SMALL.assign(
        category=pd.Categorical(["IT", "Staff"]),
        date=pd.to_datetime(["2024-01-01 00:30", "2024-06-30 23:30"]).tz_localize("Europe/Berlin"),
    )
    ledger = prepare_ledger(lines)
    assert ledger.frame["category"].tolist() == ["it", "staff"]
    assert ledger.audit.time_zone == "Europe/Berlin"
    assert str(ledger.audit.first_day) == "2024-01-01"  # in Berlin; in London it is still 2023
    years = rows_of(cost_breakdown(ledger, by=[], period="year").frame)
    assert [(row["period"], row["lines"]) for row in years] == [("2024-01-01", 2)]


def test_the_input_is_left_as_it_was():
    before = LINES.copy(deep=True)
    prepare_ledger(LINES, **NAMES)
    pd.testing.assert_frame_equal(LINES, before)


def test_amounts_of_ten_to_the_fifteen_are_added_without_loss():
    lines = pd.DataFrame({"date": "2024-01-31", "category": "staff", "amount": [1e15, 0.25, 1e15]})
    assert prepare_ledger(lines).total == 2e15 + 0.25


@pytest.mark.parametrize("amounts", [[5.0, -5.0], [5.0, -8.0], [0.0, 0.0]])
def test_shares_of_a_total_that_is_not_above_zero_are_missing_and_the_note_says_so(amounts):
    found = cost_breakdown(SMALL.assign(amount=amounts))
    assert found.frame["share"].isna().all()
    assert found.note == f"The ledger adds up to {sum(amounts):,.2f}: shares of it are undefined, so missing."
    assert found.frame["amount"].sum() == found.total == sum(amounts)


def test_an_unknown_category_is_named_with_its_rows_and_the_nearest_name():
    lines = pd.DataFrame(
        {"date": "2024-01-31", "category": ["stafff", "it", "Marketting", "stafff", "q"], "amount": 1.0}
    )
    with pytest.raises(InputError) as error:
        prepare_ledger(lines)
    assert str(error.value) == (
        "category: unknown name 'stafff', 'Marketting', 'q' in 4 of 5 rows (row 0, 2, 3, 4). "
        "Did you mean 'staff' for 'stafff', 'marketing' for 'Marketting'? Use one of 'staff', 'it', 'marketing', "
        "'service', 'data', 'process', 'time', 'opportunity'. "
        "Add yours by taxonomy=COST_TAXONOMY.extended(categories={...})."
    )


def test_an_unknown_category_is_an_error_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    with pytest.raises(
        InputError, match=r"^what: unknown name 'stuff' in 1 of 6 rows \(row 2\)\. Did you mean 'staff'"
    ):
        prepare_ledger(as_engine(LINES.assign(what=["it", "it", "stuff", "it", "it", "it"])), **NAMES)


def test_an_unknown_stage_is_named_with_its_rows():
    lines = SMALL.assign(why=["acquisition", "aquisition"])
    with pytest.raises(InputError, match=r"^why: unknown name 'aquisition' in 1 of 2 rows \(row 1\)\. Did you mean"):
        prepare_ledger(lines, stage="why")


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_line_without_a_category_is_an_error(blank):
    with pytest.raises(InputError, match=r"^category: missing category in 1 of 2 rows \(row 1\)\. Name one"):
        prepare_ledger(with_cell("category", blank))


def test_categories_that_are_numbers_are_unknown():
    with pytest.raises(InputError, match=r"^category: unknown name 4, 5 in 2 of 2 rows \(row 0, 1\)\. Use one of"):
        prepare_ledger(SMALL.assign(category=[4, 5]))


@pytest.mark.parametrize("unreadable", [None, "", "31.01.2024", "2024-02-30", "soon"])
def test_a_line_without_a_readable_date_is_an_error(unreadable):
    with pytest.raises(InputError, match=r"^date: missing or unreadable date in 1 of 2 rows \(row 1\)\. Give each"):
        prepare_ledger(with_cell("date", unreadable))


def test_a_line_without_a_date_is_an_error_on_every_engine(as_engine: Callable[[pd.DataFrame], Any]):
    lines = LINES.assign(booked=[*LINES["booked"][:4], None, "2024-13-01"])
    with pytest.raises(InputError, match=r"^booked: missing or unreadable date in 2 of 6 rows \(row 4, 5\)\."):
        prepare_ledger(as_engine(lines), **NAMES)


def test_dates_that_are_numbers_are_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"^date: column 'date' holds .*, not dates\. Convert it first"):
        prepare_ledger(SMALL.assign(date=[20240131, 20240229]))


def test_mixed_time_zones_are_refused():
    times = [pd.Timestamp("2024-01-31", tz="UTC"), pd.Timestamp("2024-02-29", tz="Asia/Tokyo")]
    with pytest.raises(InputError, match=r"^date: mixed time zones \(Asia/Tokyo, UTC\) in 2 of 2 rows"):
        prepare_ledger(SMALL.assign(date=pd.Series(times, dtype=object)))
    with pytest.raises(InputError, match=r"^date: times with a UTC offset as text"):
        prepare_ledger(SMALL.assign(date=["2024-01-31T10:00:00+02:00", "2024-02-29T10:00:00Z"]))


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf")])
def test_a_missing_or_infinite_amount_is_an_error(amount):
    with pytest.raises(InputError, match=r"^amount: missing or infinite amount in 1 of 2 rows \(row 1\)\. Fill"):
        prepare_ledger(with_cell("amount", amount))


def test_amounts_whose_sum_no_number_can_hold_are_refused():
    with pytest.raises(InputError, match=r"^amount: the amounts add up to more than a number can hold\."):
        prepare_ledger(SMALL.assign(amount=[1.7e308, 1.7e308]))


@pytest.mark.parametrize("texts", [["1,234.50", "2"], ["¥1,234", "60.0"]])
def test_amounts_as_text_are_refused_with_the_remedy(texts):
    with pytest.raises(InputError, match=r"^amount: .*not numbers.* Convert it to numbers first"):
        prepare_ledger(SMALL.assign(amount=texts))


def test_an_empty_ledger_is_refused():
    with pytest.raises(InputError, match=r"^date: the frame has no rows\. Pass at least one line\."):
        prepare_ledger(SMALL.astype({"date": "datetime64[s]"}).iloc[:0])


def test_a_missing_column_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"^frame: column 'category' is missing\. Did you mean 'categry'\?"):
        prepare_ledger(SMALL.rename(columns={"category": "categry"}))
    with pytest.raises(InputError, match=r"^ledger: column 'stag' is missing\. Did you mean 'stage'\?"):
        cost_breakdown(SMALL.assign(stage="loss"), by=["stag"])
    with pytest.raises(InputError, match=r"^ledger: column 'channel' is missing"):
        cost_breakdown(prepare_ledger(SMALL), by=["channel"])


def test_two_columns_of_one_name_are_refused():
    lines = pd.concat([SMALL, SMALL[["amount"]]], axis=1)
    with pytest.raises(InputError, match=r"^frame: more than one column is named 'amount'\."):
        prepare_ledger(lines)


def test_something_else_than_a_frame_is_refused():
    with pytest.raises(InputError, match=r"^frame: got list\. Pass a pandas"):
        prepare_ledger([1, 2])
    with pytest.raises(InputError, match=r"^ledger: got dict\. Pass a pandas"):
        cost_breakdown({})


def test_a_column_that_serves_twice_or_takes_a_name_of_ours_is_refused():
    with pytest.raises(InputError, match=r"names a column twice"):
        prepare_ledger(SMALL, date="amount")
    with pytest.raises(InputError, match=r"^keep: 'stage' is the name of a ledger column\. Pass stage='stage'"):
        prepare_ledger(SMALL.assign(stage="loss"), keep=["stage"])
    with pytest.raises(InputError, match=r"^keep: a column is named twice"):
        prepare_ledger(SMALL.assign(x=1), keep=["x", "x"])


@pytest.mark.parametrize("by", [["amount"], ["category", "category"], ["lines"]])
def test_a_grouping_that_would_make_two_columns_of_one_name_is_refused(by):
    with pytest.raises(InputError, match=rf"^by: \['{by[0]}'\] named twice, or the name of a column of the result"):
        cost_breakdown(SMALL, by=by)


def test_an_unknown_period_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"^period: got 'day'\. Use one of 'week', 'month', 'quarter', 'year'\.$"):
        cost_breakdown(SMALL, period="day")
