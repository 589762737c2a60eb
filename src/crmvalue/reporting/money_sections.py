"""Sections on money spent: what customer care cost, and whether it paid."""

from __future__ import annotations

import math

from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    MISSING,
    count_text,
    day_text,
    money_text,
    month_text,
    number_text,
    plural,
    ratio,
    share_text,
)
from crmvalue.reporting.parts import Exhibit, Section, Table
from crmvalue.reporting.results import Missing
from crmvalue.reporting.shown import (
    category_name,
    columns,
    monthly_stack,
)

CREDIT_TO_CARE = (
    "This credits every sale to customer care, also those that would have been made without it. It is no proof of "
    "cause and effect: only a comparison with customers who were not cared for could give that."
)


def costs_section(analysis: Analysis) -> Section:
    """Say what customer care costs, by category and month."""
    key, heading = "costs", "What does customer care cost?"
    costs, monthly, ledger = analysis.costs, analysis.monthly_costs, analysis.ledger
    if isinstance(costs, Missing) or isinstance(monthly, Missing) or isinstance(ledger, Missing):
        return Section(key=key, heading=heading, missing=costs.reason if isinstance(costs, Missing) else "")
    money = analysis.settings.currency
    categories, amounts, shares, lines = columns(costs.frame, "category", "amount", "share", "lines")
    revenue = analysis.profile.total_revenue
    found = (
        f"Customer care cost {money_text(costs.total, money)} from {month_text(ledger.audit.first_day)} to "
        f"{month_text(ledger.audit.last_day)}: {money_text(costs.total / analysis.profile.n_customers, money)} a "
        f"customer, {share_text(ratio(costs.total, revenue))} of the revenue. The largest part is "
        f"{category_words(categories[0])} ({share_text(shares[0], 0)})"
        + (f", then {category_words(categories[1])} ({share_text(shares[1], 0)})." if len(categories) > 1 else ".")
    )
    by_category = Exhibit(
        key="costs",
        caption="Cost by category",
        alt="Bars: amount and share of each category of cost. The numbers are in the table below.",
        table=Table(
            caption="Cost by category; the parts add up to the ledger",
            columns=("Category", "Amount", "Share", "Lines"),
            rows=(
                *(
                    (category_name(name), money_text(amount, money), share_text(share), count_text(n))
                    for name, amount, share, n in zip(categories, amounts, shares, lines, strict=True)
                ),
                ("All", money_text(costs.total, money), share_text(shares.sum()), count_text(lines.sum())),
            ),
        ),
        source=costs,
    )
    months, names, stack = monthly_stack(monthly)
    by_month = Exhibit(
        key="monthly-costs",
        caption="Cost by month",
        alt="Stacked bars: cost of each month by category. The numbers are in the table below.",
        table=Table(
            caption="Cost by month and category",
            columns=("Month", *names, "All"),
            rows=tuple(
                (month_text(month), *(money_text(amount, money) for amount in column), money_text(column.sum(), money))
                for month, column in zip(months, stack.T, strict=True)
            ),
        ),
        source=monthly,
    )
    credited = f" {plural(ledger.audit.credits, 'credit')} lower the cost." if ledger.audit.credits else ""
    return Section(
        key=key,
        heading=heading,
        findings=(found,),
        exhibits=(by_category, by_month),
        method=(
            f"The ledger has {plural(ledger.audit.rows_out, 'line')} from {day_text(ledger.audit.first_day)} to "
            f"{day_text(ledger.audit.last_day)}; none was left out, and the categories add up to it exactly.{credited} "
            "Time and opportunity costs, if the ledger holds them, are in it though nobody was paid."
        ),
    )


def category_words(category: object) -> str:
    """Return a category of cost as it is written within a sentence."""
    return "IT" if category == "it" else str(category)


def return_section(analysis: Analysis) -> Section:
    """Did it pay: contribution against cost."""
    key, heading, roi = "return", "Did it pay?", analysis.roi
    if isinstance(roi, Missing):
        return Section(key=key, heading=heading, missing=roi.reason)
    money = analysis.settings.currency
    periods, benefit, cost, net, running = columns(roi.cash_flow, "period", "benefit", "cost", "net", "cumulative")
    below = net < 0
    left = f"{money_text(abs(roi.net_benefit), money)} {'more' if roi.net_benefit >= 0 else 'less'}"
    found = (
        f"Sales left a contribution of {money_text(roi.total_benefit, money)} after cost of goods, against "
        f"{money_text(roi.total_cost, money)} for customer care: {left}, a return of {share_text(roi.roi)}. At present "
        f"value, discounted at {share_text(roi.discount_rate, 0)} a year, the return is {share_text(roi.pv_roi)}."
    )
    months = f"In {count_text(below.sum())} of {plural(len(net), 'month')} care cost more than sales left over" + (
        f", among them {count_text(below[-12:].sum())} of the last {min(12, len(net))}." if below.any() else "."
    )
    figures = Exhibit(
        key="return-figures",
        caption="The return in figures",
        table=Table(
            caption="Contribution and cost, as they were and at present value",
            columns=("Figure", "As it was", "At present value"),
            rows=(
                ("Contribution", money_text(roi.total_benefit, money), money_text(roi.pv_benefit, money)),
                ("Cost", money_text(roi.total_cost, money), money_text(roi.pv_cost, money)),
                ("Left over", money_text(roi.net_benefit, money), money_text(roi.npv, money)),
                ("Return on investment", share_text(roi.roi), share_text(roi.pv_roi)),
                (
                    "Contribution per unit of cost",
                    number_text(ratio(roi.total_benefit, roi.total_cost)),
                    number_text(roi.benefit_cost_ratio),
                ),
                ("Payback", payback_words(roi.payback), MISSING),
            ),
        ),
    )
    flow = Exhibit(
        key="cash-flow",
        caption="Contribution, cost, and what is left so far",
        alt="Bars: contribution above and cost below the line, by month; a line for what is left so far.",
        table=Table(
            caption="Cash flow by month",
            columns=("Month", "Contribution", "Cost", "Left", "Left so far"),
            rows=tuple(
                (month_text(row[0]), *(money_text(amount, money) for amount in row[1:]))
                for row in zip(periods, benefit, cost, net, running, strict=True)
            ),
        ),
        source=roi,
    )
    return Section(
        key=key,
        heading=heading,
        findings=(found, months, CREDIT_TO_CARE, *roi.notes),
        exhibits=(flow, figures),
        method=(
            f"Contribution is the amount of all orders times a margin of {share_text(analysis.settings.margin, 0)}, by "
            f"day of purchase; cost is every line of the ledger, by its date. Return = (contribution − cost) / cost. "
            f"Money is discounted to {day_text(roi.start)}. {window_words(analysis)}"
        ),
    )


def window_words(analysis: Analysis) -> str:
    """Say whether orders and costs cover the same time."""
    if isinstance(analysis.ledger, Missing):
        return ""
    orders, costs = analysis.transactions.audit, analysis.ledger.audit
    same = {(a.first_day.astype("datetime64[M]"), a.last_day.astype("datetime64[M]")) for a in (orders, costs)}
    if len(same) == 1:
        return "Orders and costs cover the same months."
    return (
        f"Beware: orders run from {day_text(orders.first_day)} to {day_text(orders.last_day)}, costs from "
        f"{day_text(costs.first_day)} to {day_text(costs.last_day)}. The return compares unequal times."
    )


def payback_words(years: float) -> str:
    """Return the time to payback in words."""
    if years == 0:
        return "at once"
    if not math.isfinite(years):
        return "not yet"
    return f"{number_text(12 * years, 1)} months"
