"""The whole path on the dirty orders of UCI Online Retail: nothing is lost on the way, and every table adds up.

What the library counts is counted again from the raw rows with pandas alone, and revenue to the cent with decimals.
Then the same for contracts: tenures of a telephone company, and subscriptions of a software firm.
"""

import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

import crmvalue as crm

MARGIN = 0.30


def require(holds: bool, law: str) -> None:
    """Stop with a message if a law does not hold."""
    if not holds:
        sys.exit(f"Broken on real orders: {law}")


def recount_rows(raw: pd.DataFrame, orders: crm.Transactions) -> None:
    """Count each line of the audit again, compare row by row what comes out, and add up the money exactly."""
    known = raw[raw["customer_id"].notna()]
    audit = orders.audit
    require(audit.rows_in == len(raw) == audit.rows_out + audit.rows_lost, "rows in = rows out + losses")
    spent, refunded = known[known["amount"] >= 0], known[known["amount"] < 0]
    again = {
        "rows_in": len(raw),
        "duplicates_dropped": 0,
        "missing_customer": len(raw) - len(known),
        "missing_date": int(known["invoice_date"].isna().sum()),
        "invalid_amount": int((~np.isfinite(known["amount"])).sum()),
        "before_window": 0,
        "after_window": 0,
        "refunds_dropped": 0,
        "rows_out": len(known),
        "duplicate_rows": int(raw.duplicated().sum()),
        "negative_amounts": len(refunded),
        "zero_amounts": int((known["amount"] == 0).sum()),
        "refund_only_customers": len(set(refunded["customer_id"]) - set(spent["customer_id"])),
    }
    require(audit.to_frame().set_index("rule")["rows"].to_dict() == again, "each line of the audit, counted again")
    cancelled = known["invoice_no"].str.startswith("C")
    require(bool((cancelled == (known["amount"] < 0)).all()), "the negative rows are the cancellations, each of them")

    names = {"invoice_no": "order_id", "invoice_date": "date"}
    expected = known.rename(columns=names)[["customer_id", "date", "amount", "order_id"]]
    given = orders.frame[list(expected.columns)].reset_index(drop=True)
    for name in expected:
        same = given[name].to_numpy() == expected[name].to_numpy()
        require(len(given) == len(expected) and bool(same.all()), f"row by row, {name} is that of the raw row")
    require(is_to_the_cent(orders.frame["amount"].sum(), known), "revenue out is that of the raw rows, to the cent")


def recount_options(raw: pd.DataFrame) -> None:
    """Leave out duplicates, refunds and days outside a window, and count again what is left."""
    names = {"date": "invoice_date", "order_id": "invoice_no"}
    once = raw.drop_duplicates()
    audit = crm.prepare_transactions(raw, **names, duplicates="drop").audit
    left = int(once["customer_id"].notna().sum())
    require((audit.duplicates_dropped, audit.rows_out) == (len(raw) - len(once), left), "duplicates dropped")

    known = raw[raw["customer_id"].notna()]
    is_refund = (known["amount"] < 0) & (known.groupby("invoice_no")["amount"].transform("sum") < 0)
    orders = crm.prepare_transactions(raw, **names, refunds="drop")
    require(orders.audit.refunds_dropped == int(is_refund.sum()), "refunds dropped")
    require(is_to_the_cent(orders.frame["amount"].sum(), known[~is_refund]), "revenue without refunds, to the cent")

    day = known["invoice_date"].dt.normalize()
    audit = crm.prepare_transactions(raw, **names, start="2011-01-01", end="2011-11-30").audit
    outside = int((day < "2011-01-01").sum()), int((day > "2011-11-30").sum())
    require((audit.before_window, audit.after_window) == outside, "days outside the window")


def recount_customers(raw: pd.DataFrame, orders: crm.Transactions, summary: crm.CustomerSummary) -> None:
    """Count purchase days and add up the money of customers and months again."""
    known = raw[raw["customer_id"].notna()].assign(day=raw["invoice_date"].dt.normalize())
    bought = known.loc[known["amount"] >= 0, ["customer_id", "day"]].drop_duplicates()
    found = summary.frame.sort_values("customer_id", ignore_index=True)
    days = bought.groupby("customer_id")["day"].agg(["size", "min", "max"])
    require(found["customer_id"].tolist() == days.index.tolist(), "customers are those with a row that is no refund")
    require(found["purchases"].tolist() == days["size"].tolist(), "purchases are days with such a row")
    weeks = (days["max"] - days["min"]).dt.days / 7
    require(bool(np.allclose(found["recency"], weeks, rtol=1e-15)), "recency is the weeks between first and last")
    theirs = known[known["customer_id"].isin(days.index)]
    require(is_to_the_cent(found["total_spend"].sum(), theirs), "the customers' money, to the cent")

    base = crm.customer_base_audit(orders, period="month").base.set_index("period")
    since = theirs["customer_id"].map(days["min"])  # a refund of before counts on the day of the first purchase
    month = theirs["day"].where(theirs["day"] > since, since).dt.to_period("M")
    for period, rows in theirs.groupby(month):
        revenue = float(base.loc[period.start_time, "revenue"])
        buyers = bought.loc[bought["day"].dt.to_period("M") == period, "customer_id"].nunique()
        require(int(base.loc[period.start_time, "customers"]) == buyers, f"customers of {period}")
        require(is_to_the_cent(revenue, rows), f"revenue of {period}, to the cent")


def is_to_the_cent(total: float, rows: pd.DataFrame) -> bool:
    """Whether a sum of the library is that of the rows in decimals, to half a cent."""
    pairs = zip(rows["quantity"].tolist(), rows["unit_price"].tolist(), strict=True)
    return abs(Decimal(total) - sum(quantity * Decimal(str(price)) for quantity, price in pairs)) < Decimal("0.005")


def compare_engines(path: Path, orders: crm.Transactions) -> None:
    """Take the same path in other engines."""
    retail = pl.scan_parquet(path).with_columns(amount=pl.col("quantity") * pl.col("unit_price"))
    rows = duckdb.read_parquet(str(path)).select("*, quantity * unit_price AS amount")
    expected = crm.customer_base_audit(orders).sentences
    for name, frame in (("Polars", retail.collect()), ("lazy Polars", retail), ("DuckDB", rows)):
        same = crm.prepare_transactions(frame, date="invoice_date", order_id="invoice_no")
        require(same.audit.to_frame().equals(orders.audit.to_frame()), f"the audit is the same in {name}")
        require(crm.customer_base_audit(same).sentences == expected, f"the five sentences are the same in {name}")


def check_orders(path: Path) -> None:
    """Go from raw rows to money and check what must add up."""
    raw = pd.read_parquet(path)
    raw["amount"] = raw["quantity"] * raw["unit_price"]
    orders = crm.prepare_transactions(raw, date="invoice_date", order_id="invoice_no")
    audit = orders.audit
    recount_rows(raw, orders)
    recount_options(raw)
    compare_engines(path, orders)

    summary = crm.summarize_customers(orders, time_unit="week")
    recount_customers(raw, orders, summary)
    customers = orders.frame["customer_id"].nunique()
    require(len(summary.frame) + audit.refund_only_customers == customers, "each customer is summarised or counted")

    profile = crm.segment_profile(crm.segment_customers(crm.score_rfm(summary)))
    require(int(profile.frame["customers"].sum()) == len(summary.frame), "each customer has one segment")
    spend = float(summary.frame["total_spend"].sum())
    require(bool(np.isclose(profile.frame["revenue"].sum(), spend, rtol=1e-12)), "segments add up to the revenue")

    revenue = crm.retention_table(orders, measure="revenue")
    total = float(np.nansum(revenue.values)) + revenue.refund_only_revenue
    require(bool(np.isclose(total, orders.frame["amount"].sum(), rtol=1e-12)), "cohorts add up to the amounts")
    churn = crm.churn_rates(orders, inactive_after=90).frame
    require(bool((churn["lost"].dropna() <= churn["active_at_start"][churn["lost"].notna()]).all()), "lost were active")

    # BG/NBD has no maximum inside on these data, here and in other libraries: the fit at the limit must be usable.
    fits = crm.fit_purchases(summary), crm.fit_spend(summary)
    value = crm.customer_value(summary, *fits, horizon=52, discount_rate=0.10, margin=MARGIN)
    columns = value.frame[["probability_alive", "expected_purchases", "expected_spend", "value"]].to_numpy(dtype=float)
    require(bool(np.isfinite(columns).all() and (columns >= 0).all()), "values are finite and not negative")
    require(bool((value.frame["probability_alive"] <= 1).all()), "probabilities are at most 1")
    past = crm.historical_value(orders, margin=MARGIN)
    require(bool(np.isclose(past.total, MARGIN * orders.frame["amount"].sum(), rtol=1e-9)), "history adds up")
    print(
        f"{audit.rows_in:,} rows in = {audit.rows_out:,} out + {audit.rows_lost:,} lost; "
        f"{len(summary.frame):,} customers brought {past.total:,.0f}, expected {value.total:,.0f} in 52 weeks"
    )


def check_tenures(path: Path) -> None:
    """Multiply the survival curve of each contract up by hand, and add up the payments of a model one by one."""
    people = pd.read_csv(path)
    people["churned"] = people["churn"] == "Yes"
    curve = crm.retention_curve(people, duration="tenure", has_left="churned", by="contract").frame
    for contract, rows in people.groupby("contract"):
        left = rows[rows["churned"]].groupby("tenure").size()
        at_risk = np.array([(rows["tenure"] >= age).sum() for age in left.index])
        found = curve[curve["contract"] == contract]
        require(found["time"].tolist() == left.index.tolist(), f"ages at which customers left, {contract}")
        stayed = np.cumprod(1 - left.to_numpy() / at_risk)
        require(bool(np.allclose(found["retained"], stayed, rtol=1e-12)), f"survival, {contract}")

    monthly = people[people["contract"] == "Month-to-month"]
    fit = crm.fit_retention(monthly[["tenure", "churned"]], crm.GEOMETRIC, time_unit="month")
    churn = monthly["churned"].sum() / monthly["tenure"].sum()  # what maximum likelihood comes to by hand
    here = monthly[~monthly["churned"]]
    money = {"contribution": "monthly_charges", "discount_rate": 0.10}
    value = crm.contract_value(fit, here, **money, first_payment=1, horizon=36).total
    months = np.arange(1, 36)
    a_month = 1.10 ** (-(365.25 / 12) / 365.25)
    paid = float(here["monthly_charges"].sum() * (((1 - churn) * a_month) ** months).sum())
    require(bool(np.isclose(value, paid, rtol=1e-6)), "value is the sum of payments")


def check_subscriptions(path: Path) -> None:
    """Add up what runs on the evening before and at the end of each quarter, account by account."""
    terms = pd.read_parquet(path)
    columns = {"customer_id": "account_id", "start": "start_date", "end": "end_date", "amount": "mrr_amount"}
    contracts = crm.prepare_contracts(terms, **columns)
    bridge = crm.contract_revenue_bridge(contracts, period="quarter", observation_end="2025-01-01").frame
    begin, end = (
        pd.to_datetime(terms["start_date"]),
        pd.to_datetime(terms["end_date"]).fillna(pd.Timestamp("2100-01-01")),
    )
    accounts = sorted(terms["account_id"].unique())
    for row in bridge[bridge["closing"].notna()].itertuples():
        first = row.period
        evenings = first - pd.Timedelta(days=1), first + pd.offsets.QuarterEnd()
        running = [terms[(begin <= day) & (end >= day)] for day in evenings]
        before, after = (rows.groupby("account_id")["mrr_amount"].sum().reindex(accounts).fillna(0) for rows in running)
        change = (after - before).sum()
        require((row.opening, row.closing - row.opening) == (before.sum(), change), f"bridge, {first:%Y-%m-%d}")
        there = before > 0
        kept = np.minimum(before, after)[there].sum() / before.sum() if there.any() else np.nan
        require(bool(np.isclose(row.gross_revenue_retention, kept, equal_nan=True)), f"gross retention, {first}")
    print(f"{len(terms):,} subscriptions: {bridge['closing'].dropna().iloc[-1]:,.0f} a month on the last evening")


if __name__ == "__main__":
    data = Path(sys.argv[1])
    check_orders(data / "online_retail.parquet")
    check_tenures(data / "telco_churn.csv")
    check_subscriptions(data / "saas_subscriptions.parquet")
