"""The whole path on the dirty orders of UCI Online Retail: nothing is lost on the way, and every table adds up."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import crmvalue as crm

MARGIN = 0.30


def require(holds: bool, law: str) -> None:
    """Stop with a message if a law does not hold."""
    if not holds:
        sys.exit(f"Broken on real orders: {law}")


def check(path: Path) -> None:
    """Go from raw rows to money and check what must add up."""
    raw = pd.read_parquet(path, columns=["invoice_no", "quantity", "unit_price", "invoice_date", "customer_id"])
    raw["amount"] = raw["quantity"] * raw["unit_price"]
    orders = crm.prepare_transactions(raw, date="invoice_date", order_id="invoice_no")
    audit = orders.audit
    require(audit.rows_in == len(raw) == audit.rows_out + audit.rows_lost, "rows in = rows out + losses")
    require(audit.missing_customer == int(raw["customer_id"].isna().sum()), "each row without a customer is counted")
    require(len(orders.frame) == audit.rows_out, "rows out are the rows of the frame")

    summary = crm.summarize_customers(orders, time_unit="week")
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
