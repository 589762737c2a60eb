"""Sections on money spent: what customer care cost, and whether it paid."""

from __future__ import annotations

import math

import numpy as np

from crmvalue._core.types import Array
from crmvalue.costs import CostBreakdown
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    count_text,
    day_text,
    money_text,
    money_texts,
    month_text,
    month_words,
    number_text,
    plural,
    ratio,
    share_text,
)
from crmvalue.reporting.parts import Exhibit, Section, table_of
from crmvalue.reporting.results import Missing
from crmvalue.reporting.shown import (
    category_name,
    columns,
    monthly_stack,
)
from crmvalue.roi import ReturnOnInvestment

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
    money, audit = analysis.settings.currency, ledger.audit
    categories, shares = columns(costs.frame, "category", "share")
    found = (
        f"Customer care cost {money_text(costs.total, money)} from {month_words(audit.first_day)} to "
        f"{month_words(audit.last_day)}: {money_text(costs.total / analysis.profile.n_customers, money)} a customer, "
        f"{share_text(ratio(costs.total, analysis.profile.total_revenue))} of the revenue. The largest part is "
        f"{category_words(categories[0])} ({share_text(shares[0], 0)})"
    )
    found += f", then {category_words(categories[1])} ({share_text(shares[1], 0)})." if len(categories) > 1 else "."
    credited = f" {plural(audit.credits, 'credit')} lower the cost." if audit.credits else ""
    return Section(
        key=key,
        heading=heading,
        findings=(found, *([costs.note] if costs.note else [])),
        exhibits=(category_exhibit(costs, money), monthly_exhibit(monthly, money)),
        method=(
            f"The ledger has {plural(audit.rows_out, 'line')} from {day_text(audit.first_day)} to "
            f"{day_text(audit.last_day)}; none was left out, and the categories add up to it exactly.{credited} "
            "Time and opportunity costs, if the ledger holds them, are in it though nobody was paid."
        ),
    )


def category_exhibit(costs: CostBreakdown, money: str) -> Exhibit:
    """Return the cost of each category, and of all."""
    categories, amounts, shares, lines = columns(costs.frame, "category", "amount", "share", "lines")
    table = {
        "Category": [*map(category_name, categories), "All"],
        "Amount": money_texts(np.append(amounts, costs.total), money),
        "Share": map(share_text, [*shares, shares.sum()]),
        "Lines": map(count_text, [*lines, lines.sum()]),
    }
    return Exhibit(
        key="costs",
        caption="Cost by category",
        alt="Bars: amount and share of each category of cost. The numbers are in the table below.",
        table=table_of("Cost by category; the parts add up to the ledger", table),
        source=costs,
    )


def monthly_exhibit(costs: CostBreakdown, money: str) -> Exhibit:
    """Return the cost of each month by category."""
    months, names, stack = monthly_stack(costs)
    table = {
        "Month": map(month_text, months),
        **{name: money_texts(amounts, money) for name, amounts in zip(names, stack, strict=True)},
        "All": money_texts(stack.sum(axis=0), money),
    }
    return Exhibit(
        key="monthly-costs",
        caption="Cost by month",
        alt="Stacked bars: cost of each month by category. The numbers are in the table below.",
        table=table_of("Cost by month and category", table),
        source=costs,
    )


def category_words(category: object) -> str:
    """Return a category of cost as it is written within a sentence."""
    return "IT" if category == "it" else str(category)


def return_section(analysis: Analysis) -> Section:
    """Say whether it paid: contribution against cost."""
    key, heading, roi = "return", "Did it pay?", analysis.roi
    if isinstance(roi, Missing):
        return Section(key=key, heading=heading, missing=roi.reason)
    money = analysis.settings.currency
    left = f"{money_text(abs(roi.net_benefit), money)} {'more' if roi.net_benefit >= 0 else 'less'}"
    found = (
        f"Sales left a contribution of {money_text(roi.total_benefit, money)} after cost of goods, against "
        f"{money_text(roi.total_cost, money)} for customer care: {left}, a return of {share_text(roi.roi)}. At present "
        f"value, discounted at {share_text(roi.discount_rate, 0)} a year, the return is {share_text(roi.pv_roi)}."
    )
    return Section(
        key=key,
        heading=heading,
        findings=(found, months_words(columns(roi.cash_flow, "net")[0]), CREDIT_TO_CARE, *roi.notes),
        exhibits=(cash_flow_exhibit(roi, money), figures_exhibit(roi, money)),
        method=(
            f"Contribution is the amount of all orders times a margin of {share_text(analysis.settings.margin, 0)}, by "
            "day of purchase; cost is every line of the ledger, by its date. Return = (contribution − cost) / cost. "
            f"Money is discounted to {day_text(roi.start)}. {window_words(analysis)}"
        ),
    )


def months_words(net: Array) -> str:
    """Say in how many months, and in how many of the last twelve, care cost more than sales left over."""
    below, last = net < 0, min(12, len(net))
    if not below.any():
        return "In no month care cost more than sales left over."
    text = f"In {count_text(below.sum())} of {plural(len(net), 'month')} care cost more than sales left over"
    return f"{text}, among them {count_text(below[-last:].sum())} of the last {last}."


def cash_flow_exhibit(roi: ReturnOnInvestment, money: str) -> Exhibit:
    """Return contribution and cost by month."""
    months, *amounts = columns(roi.cash_flow, "period", "benefit", "cost", "net", "cumulative")
    names = ("Contribution", "Cost", "Left", "Left so far")
    table = {
        "Month": map(month_text, months),
        **{name: money_texts(values, money) for name, values in zip(names, amounts, strict=True)},
    }
    return Exhibit(
        key="cash-flow",
        caption="Contribution, cost, and what is left so far",
        alt="Bars: contribution above and cost below the line, by month; a line for what is left so far.",
        table=table_of("Cash flow by month", table),
        source=roi,
    )


def figures_exhibit(roi: ReturnOnInvestment, money: str) -> Exhibit:
    """Return the figures of the return, as they were and at present value."""
    plain = np.array([roi.total_benefit, roi.total_cost, roi.net_benefit])
    present = np.array([roi.pv_benefit, roi.pv_cost, roi.npv])
    per_unit = ratio(roi.total_benefit, roi.total_cost)
    table = {
        "Figure": ["Contribution", "Cost", "Left over", "Return on investment", "Contribution per unit of cost"],
        "As it was": [*money_texts(plain, money), share_text(roi.roi), number_text(per_unit)],
        "At present value": [*money_texts(present, money), share_text(roi.pv_roi), number_text(roi.benefit_cost_ratio)],
    }
    return Exhibit(
        key="return-figures",
        caption=f"The return in figures; payback: {payback_words(roi.payback)}",
        table=table_of("Contribution and cost, as they were and at present value", table),
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
    return f"after {number_text(12 * years, 1)} months"
