"""The whole path on the dirty orders of UCI Online Retail: nothing is lost on the way, and every table adds up.

What the library counts is counted again from the raw rows with pandas alone, and revenue to the cent with decimals.
"""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

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


def check(path: Path) -> None:
    """Go from raw rows to money and check what must add up."""
    raw = pd.read_parquet(path)
    raw["amount"] = raw["quantity"] * raw["unit_price"]
    orders = crm.prepare_transactions(raw, date="invoice_date", order_id="invoice_no")
    audit = orders.audit
    recount_rows(raw, orders)
    recount_options(raw)

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


if __name__ == "__main__":
    check(Path(sys.argv[1]))
