"""Laws of segments, churn and the audit that hold for any customers, on every engine.

Each law is checked on customers that Hypothesis makes up; on Spark, which is slow to answer, on one larger table.
"""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crmvalue._core.frames import like, open_frame
from crmvalue.audit import customer_base_audit
from crmvalue.churn import churn_rates, retention_curve, retention_table, revenue_bridge
from crmvalue.data.summary import summarize_customers
from crmvalue.data.transactions import prepare_transactions
from crmvalue.segmentation import (
    SEGMENT_RULES,
    RfmScores,
    concentration,
    lifecycle_stage,
    rescore_rfm,
    score_rfm,
    segment_customers,
    segment_migration,
    segment_profile,
    value_tiers,
)
from tests.conftest import ENGINES, to_engine, to_pandas

EXAMPLES = {"pandas": 25, "pandas-arrow": 8, "polars": 15, "polars-lazy": 10, "pyarrow": 8, "duckdb": 4, "ibis": 2}
MEASURES = ["days_since_last", "purchases", "total_spend"]
END = np.datetime64("2024-07-15")  # not the end of a period
Native = Callable[[pd.DataFrame], Any]

some_customers = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 4), st.sampled_from([-3.5, 0.0, 0.07, 9.99, 20.0, 20.01, 400.0])),
    min_size=1,
    max_size=30,
)
some_scored = st.tuples(st.sampled_from(["quantile", "nested"]), some_customers)
some_sales = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.dates(dt.date(2023, 11, 20), dt.date(2024, 7, 15)),
        st.sampled_from([-5.01, 0.0, 3.5, 10.01, 0.07]),
    ),
    max_size=40,
).map(
    lambda rows: [*rows, (0, dt.date(2023, 12, 31), 1.0), (0, dt.date(2024, 5, 2), 1.0), (1, dt.date(2024, 6, 5), 2.0)]
)


def many_customers() -> list[tuple[int, int, float]]:
    rng = np.random.default_rng(3)
    columns = rng.integers(0, 40, 300), rng.geometric(0.5, 300), rng.integers(-50, 400, 300) / 4
    return list(zip(*(column.tolist() for column in columns), strict=True))


def many_sales() -> list[tuple[int, dt.date, float]]:
    rng = np.random.default_rng(4)
    days = rng.integers(0, 230, 400)
    columns = rng.integers(0, 60, 400).tolist(), days.tolist(), (rng.integers(-100, 900, 400) / 100).tolist()
    return [(who, dt.date(2023, 11, 20) + dt.timedelta(day), paid) for who, day, paid in zip(*columns, strict=True)]


def on_engine(engine: str, request: pytest.FixtureRequest, law: Callable[..., None], made: Any, large: Any) -> None:
    """Check a law on what Hypothesis makes up, or on one large table where the engine is slow."""

    def native(frame: pd.DataFrame) -> Any:
        return to_engine(frame, engine, request)

    if engine == "pyspark":
        law(native, large())
        return

    # elsewhere than in pandas an example takes long: report the first that breaks a law, and look for no smaller one
    phases = [phase for phase in Phase if engine == "pandas" or phase is not Phase.shrink]

    @given(made)
    @settings(max_examples=EXAMPLES[engine], deadline=None, phases=phases, suppress_health_check=list(HealthCheck))
    def holds(example: Any) -> None:
        law(native, example)

    holds()


def summary_of(customers: list[tuple[int, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(customers, columns=MEASURES).astype({"total_spend": float})
    return frame.assign(customer_id=[f"c{number:03}" for number in range(len(frame))])


def same_cents(found: Any, wanted: Any) -> bool:
    return math.isclose(math.fsum(found), math.fsum(wanted), rel_tol=1e-12, abs_tol=1e-6)


def laws_of_scores(native: Native, example: tuple[str, list[tuple[int, int, float]]]) -> None:
    method, customers = example
    frame = summary_of(customers)
    given_frame = native(frame)
    shuffled = frame.sample(frac=1, random_state=1).assign(customer_id=lambda f: f["customer_id"].str[1:].astype(int))
    scores, elsewhere = (score_rfm(source, method=method) for source in (given_frame, shuffled))
    rows = to_pandas(scores.frame).sort_values("customer_id", ignore_index=True)
    # equal customers are equal, wherever they stand and whatever they are called
    assert (rows.groupby(MEASURES)["rfm"].nunique() == 1).all()
    assert scores.thresholds == elsewhere.thresholds
    assert scores.bin_sizes.tolist() == elsewhere.bin_sizes.tolist()
    assert rows["rfm"].tolist() == elsewhere.frame.sort_values("customer_id")["rfm"].tolist()
    # next month, the same thresholds give the same customer the same score, whoever else is there
    later = pd.concat([frame.iloc[::2], frame.iloc[:1].assign(customer_id="new", total_spend=1e6)])
    month = like({name: later[name].to_numpy() for name in later}, open_frame(given_frame))
    rescored = rescore_rfm(month, scores.thresholds)
    again = to_pandas(rescored.frame).set_index("customer_id")["rfm"].drop("new")
    assert again.to_dict() == rows.iloc[::2].set_index("customer_id")["rfm"].to_dict()
    laws_of_segments(scores, rescored, customers)
    laws_of_tiers(given_frame, customers)


def laws_of_segments(scores: RfmScores, rescored: RfmScores, customers: list[tuple[int, int, float]]) -> None:
    n, spend = len(customers), [paid for *_, paid in customers]
    segments = segment_customers(scores)
    named = to_pandas(segments.frame)
    assert len(named) == n
    assert (named.groupby("rfm")["segment"].nunique(dropna=False) == 1).all()
    for code, segment in dict(zip(named["rfm"], named["segment"], strict=True)).items():
        r, f, m = map(int, code)
        fits = [x.segment for x in SEGMENT_RULES if r in range(x.r[0], x.r[1] + 1) and f in range(x.f[0], x.f[1] + 1)
                and m in range(x.m[0], x.m[1] + 1)]  # fmt: skip
        assert segment == fits[0]
    profile = to_pandas(segment_profile(segments).frame)
    assert profile["customers"].sum() == n
    assert same_cents(profile["revenue"], spend)
    moved = segment_migration(segments, segment_customers(rescored))
    assert moved.n_before == n
    assert moved.customers[:-1].sum() == n
    assert moved.customers[:-1, -1].sum() == n - len(spend[::2])
    assert moved.customers[-1].sum() == 1
    table = to_pandas(moved.frame)
    assert same_cents(table["value_before"], spend)
    assert same_cents(table["value_after"], [*spend[::2], 1e6])


def laws_of_tiers(given_frame: Any, customers: list[tuple[int, int, float]]) -> None:
    n, spend = len(customers), [paid for *_, paid in customers]
    tiers = value_tiers(given_frame)
    people = to_pandas(tiers.frame)
    assert (people.groupby("total_spend")["tier"].nunique() == 1).all()
    assert to_pandas(tiers.table)["customers"].sum() == len(people) == n
    assert same_cents(to_pandas(tiers.table)["value"], spend)
    in_memory = value_tiers(summary_of(customers))
    assert tiers.limits == in_memory.limits
    spread, wanted = concentration(given_frame), concentration(summary_of(customers))
    assert spread.gini == pytest.approx(wanted.gini, abs=1e-9, nan_ok=True)
    np.testing.assert_allclose(spread.lorenz, wanted.lorenz, atol=1e-9)
    deciles = to_pandas(spread.deciles)
    assert deciles["customers"].sum() == n
    assert same_cents(deciles["value"], spend)
    for name in ("lowest", "highest"):
        np.testing.assert_array_equal(deciles[name].astype(float), wanted.deciles[name])


def laws_of_churn(native: Native, sales: list[tuple[int, dt.date, float]]) -> None:
    frame = pd.DataFrame(sales, columns=["customer_id", "date", "amount"])
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[s]")
    frame["half"] = np.where(frame["customer_id"] % 2, "odd", "even")
    other = frame.sample(frac=1, random_state=1).assign(customer_id=lambda f: "c" + f["customer_id"].astype(str))
    here, there = (prepare_transactions(source, keep=["half"]) for source in (native(frame), other))
    laws_of_cohorts(here, there, frame)
    options = {"inactive_after": 45, "observation_end": END}
    rates, wanted = (churn_rates(source, **options).frame for source in (here, there))
    rates = to_pandas(rates)
    for column in wanted.columns.drop(["period", "period_end"]):
        np.testing.assert_array_equal(rates[column].astype(float), wanted[column].astype(float))
    judged = rates["lost"].notna()
    assert (rates["lost"] <= rates["active_at_start"])[judged].all()
    assert (judged == (pd.to_datetime(rates["period_end"]) <= pd.Timestamp(END))).all()
    parts = to_pandas(churn_rates(here, by="half", **options).frame).groupby("period")
    assert parts["active_at_start"].sum().tolist() == rates["active_at_start"].tolist()
    stages, in_memory = (lifecycle_stage(source, typical_gap=30, observation_end=END) for source in (here, there))
    found = to_pandas(stages.frame).sort_values("customer_id")
    renamed = in_memory.frame.assign(customer_id=in_memory.frame["customer_id"].str[1:].astype(int))
    assert found["stage"].tolist() == renamed.sort_values("customer_id")["stage"].tolist()
    assert to_pandas(stages.table)["customers"].sum() == len(found) == stages.n_customers


def laws_of_cohorts(here: Any, there: Any, frame: pd.DataFrame) -> None:
    table, wanted = (retention_table(source, observation_end=END) for source in (here, there))
    np.testing.assert_array_equal(table.values, wanted.values)
    begins = table.cohorts.astype("datetime64[M]")[:, None] + np.arange(table.values.shape[1])
    assert (np.isnan(table.values) == (begins > END.astype("datetime64[M]"))).all()
    assert (table.is_complete == (begins < END.astype("datetime64[M]"))).all()
    assert (table.shares[~np.isnan(table.shares)] <= 1).all()
    assert (table.values[:, 0] == table.cohort_size).all()
    revenue = retention_table(here, measure="revenue", observation_end=END)
    assert same_cents([*revenue.values[~np.isnan(revenue.values)], revenue.refund_only_revenue], frame["amount"])
    native = {by: revenue_bridge(here, by=by, observation_end=END).frame for by in (None, "half")}
    assert type(native[None]) is type(native["half"]) is type(here.frame)
    bridges = {by: to_pandas(frame) for by, frame in native.items()}
    elsewhere = revenue_bridge(there, observation_end=END).frame
    bridge = bridges[None]
    known = bridge["closing"].notna()
    adds = bridge["opening"] + bridge["new"] + bridge["returned"] + bridge["expanded"] - bridge["contracted"]
    np.testing.assert_allclose((adds - bridge["lost"])[known], bridge["closing"][known], atol=1e-9)
    assert (bridge["gross_revenue_retention"].dropna() <= 1 + 1e-12).all()
    for column in bridge.columns.drop(["period", "days", "days_before"]):
        np.testing.assert_allclose(bridge[column].astype(float), elsewhere[column].astype(float), atol=1e-9)
        if "retention" not in column and column != "quick_ratio":
            parts = bridges["half"].groupby("period")[column].sum(min_count=1)
            np.testing.assert_allclose(parts.astype(float), bridge[column].astype(float), atol=1e-9)
    audit, in_memory = (customer_base_audit(source, period="month", observation_end=END) for source in (here, there))
    june = frame["amount"][frame["date"].dt.strftime("%Y-%m") == "2024-06"]
    assert same_cents(to_pandas(audit.change)["revenue_now"], june)
    for name in ("spread", "deciles", "change"):
        found, wanted = to_pandas(getattr(audit, name)), getattr(in_memory, name)
        numbers = wanted.select_dtypes("number").columns
        np.testing.assert_allclose(found[numbers].astype(float), wanted[numbers].astype(float), atol=1e-9)


def laws_of_survival(native: Native, lives: list[tuple[int, bool, int]]) -> None:
    frame = pd.DataFrame(lives, columns=["duration", "has_left", "entry"])
    frame["entry"] = frame[["entry", "duration"]].min(axis=1)
    frame.loc[len(frame)] = [9, True, 0]
    curve = to_pandas(retention_curve(native(frame.astype({"has_left": bool})), entry="entry").frame)
    assert (np.diff(np.append(1.0, curve["retained"])) <= 0).all()
    assert curve["retained"].between(0, 1).all()
    band = curve.dropna(subset=["lower"])
    assert ((band["lower"] <= band["retained"]) & (band["retained"] <= band["upper"])).all()
    assert (curve["left"] <= curve["at_risk"]).all()
    # the share that stays is worked out anew, customer by customer
    for row in curve.itertuples():
        inside = frame[((frame["entry"] < row.time) | (frame["entry"] == 0)) & (frame["duration"] >= row.time)]
        assert row.at_risk == len(inside)
        assert row.left == (inside["has_left"].astype(bool) & (inside["duration"] == row.time)).sum()


some_lives = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 6)), min_size=1, max_size=30)


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_segments_tiers_and_moves_obey_their_laws_on_every_engine(engine, request):
    on_engine(engine, request, laws_of_scores, some_scored, lambda: ("quantile", many_customers()))


@pytest.mark.parametrize("engine", ENGINES)
def test_churn_cohorts_bridges_stages_and_the_audit_obey_their_laws_on_every_engine(engine, request):
    on_engine(engine, request, laws_of_churn, some_sales, many_sales)


@pytest.mark.parametrize("engine", ENGINES)
def test_survival_never_rises_on_any_engine(engine, request):
    on_engine(engine, request, laws_of_survival, some_lives, lambda: [(k % 13, k % 3 > 0, k % 5) for k in range(400)])


def test_no_list_of_customers_leaves_a_lazy_engine(monkeypatch):
    import polars as pl

    rng = np.random.default_rng(5)
    n = 5000
    frame = pl.DataFrame(
        {
            "customer_id": np.concatenate([np.arange(n), rng.integers(0, n, 2 * n)]),
            "date": np.datetime64("2024-01-01") + rng.integers(0, 45, 3 * n),
            "amount": np.round(rng.lognormal(3, 1, 3 * n), 2),
            "region": "north",
        }
    ).lazy()
    taken = []
    collect = nw.LazyFrame.collect

    def counted(self, *arguments, **options):
        table = collect(self, *arguments, **options)
        taken.append(len(table))
        return table

    monkeypatch.setattr(nw.LazyFrame, "collect", counted)
    orders = prepare_transactions(frame, keep=["region"])
    summary = summarize_customers(orders)
    for method in ("quantile", "nested"):
        scores = score_rfm(summary, method=method)
    segments = segment_customers(scores)
    segment_profile(segments, by=["segment", "rfm"])
    segment_migration(segments, segments)
    for by in ("share", "rank"):
        value_tiers(summary, by=by)
    concentration(summary)
    lifecycle_stage(orders)
    churn_rates(orders, period="week", by="region")
    retention_table(orders, period="week", measure="orders")
    revenue_bridge(orders, period="week", by="region")
    customer_base_audit(orders, period="week")
    # the most are the steps of the curve of concentration, and pairs of days on which customers bought and came again
    assert max(taken) < 2100
