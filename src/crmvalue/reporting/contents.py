"""Everything a report says, as one frozen record: headlines first, then one section a question; no HTML."""

from __future__ import annotations

import math

import numpy as np

from crmvalue._core.types import Array
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.customer_sections import customers_section, leaving_section, retention_section
from crmvalue.reporting.forecast_sections import interval_words, trust_section, value_section
from crmvalue.reporting.formats import (
    MISSING,
    count_text,
    day_text,
    money_short,
    money_text,
    money_words,
    month_words,
    plural,
    share_text,
)
from crmvalue.reporting.money_sections import category_words, costs_section, return_section
from crmvalue.reporting.parts import Headline, ReportContents
from crmvalue.reporting.results import Missing
from crmvalue.reporting.shown import churn_judged, columns, concentration

SECTIONS = (
    customers_section,
    value_section,
    leaving_section,
    retention_section,
    costs_section,
    return_section,
    trust_section,
)


def report_contents(analysis: Analysis) -> ReportContents:
    """Put the results of an analysis into the words of a report.

    Parameters
    ----------
    analysis : Analysis
        From `analyse_customers`.

    Returns
    -------
    ReportContents
        Title, headlines and sections; it names no customer.
    """
    makers = (customers_headline, revenue_headline, active_headline, churn_headline)
    forecasts = (value_headline, cost_headline, return_headline, trust_headline)
    headlines = tuple(make(analysis) for make in (*makers, *forecasts))
    return ReportContents(
        title=analysis.settings.title,
        period=period_words(analysis),
        lead=lead(analysis),
        headlines=headlines,
        sections=tuple(make(analysis) for make in SECTIONS),
        notices=analysis.settings.notices,
        currency=analysis.settings.currency,
    )


def period_words(analysis: Analysis) -> str:
    """Say which time and which rows the numbers come from."""
    audit = analysis.transactions.audit
    lost = f" {plural(audit.rows_lost, 'row')} could not be used; see the end of this page." if audit.rows_lost else ""
    return (
        f"Orders from {day_text(audit.first_day)} to {day_text(audit.last_day)}, {plural(audit.rows_out, 'row')} of "
        f"{plural(analysis.profile.n_customers, 'customer')}.{lost}"
    )


def lead(analysis: Analysis) -> str:
    """Return the answer in a few sentences."""
    return " ".join(text for text in (past_words(analysis), future_words(analysis), return_words(analysis)) if text)


def past_words(analysis: Analysis) -> str:
    """Say what the customers have brought."""
    total = money_words(analysis.profile.total_revenue, analysis.settings.currency)
    best = share_text(best_tenth(columns(analysis.summary.frame, "total_spend")[0]), 0)
    return (
        f"{plural(analysis.profile.n_customers, 'customer')} brought {total} of revenue, and the best 10% of them "
        f"{best} of it."
    )


def future_words(analysis: Analysis) -> str:
    """Say what the customers will bring."""
    if isinstance(analysis.value, Missing):
        return ""
    total = money_words(analysis.value.total, analysis.settings.currency)
    return (
        f"In the next 12 months they are expected to bring {total} after cost of goods, at a margin of "
        f"{share_text(analysis.settings.margin, 0)}."
    )


def return_words(analysis: Analysis) -> str:
    """Say whether customer care paid, and whether it lately did."""
    roi = analysis.roi
    if isinstance(roi, Missing) or not math.isfinite(roi.roi):
        return ""
    paid = "has paid" if roi.roi >= 0 else "has not paid"
    text = f"Customer care {paid} so far, with a return of {share_text(roi.roi, 0)} if every sale is credited to it"
    lately = columns(roi.cash_flow, "net")[0][-12:]
    short = int((lately < 0).sum())
    if roi.roi >= 0 and 2 * short > len(lately):
        return f"{text}; but in {short} of the last {len(lately)} months it cost more than sales left over."
    return f"{text}."


def best_tenth(values: Array) -> float:
    """Share of the total that the best tenth of the customers brought."""
    customers, reached = concentration(values)
    return float(np.interp(0.1, customers, reached))


def customers_headline(analysis: Analysis) -> Headline:
    """How many customers there are."""
    purchases = columns(analysis.summary.frame, "purchases")[0]
    return Headline(
        label="Customers",
        value=count_text(analysis.profile.n_customers),
        words=f"{share_text((purchases > 1).mean(), 0)} of them bought on more than one day.",
    )


def revenue_headline(analysis: Analysis) -> Headline:
    """Say what they brought so far."""
    money, n = analysis.settings.currency, analysis.profile.n_customers
    total = analysis.profile.total_revenue
    return Headline(
        label="Revenue so far",
        value=money_short(total, money),
        words=f"{money_text(total / n, money)} a customer, after refunds.",
    )


def active_headline(analysis: Analysis) -> Headline:
    """How many bought lately."""
    days = analysis.settings.inactive_after
    active = columns(analysis.summary.frame, "days_since_last")[0] <= days
    return Headline(
        label="Active customers",
        value=count_text(active.sum()),
        words=f"{share_text(active.mean(), 0)} of all; they bought in the last {days} days.",
    )


def churn_headline(analysis: Analysis) -> Headline:
    """Say what share was lost in the latest month that can be judged."""
    label = "Lost in a month"
    judged = np.array([]) if isinstance(analysis.churn, Missing) else np.flatnonzero(churn_judged(analysis.churn))
    if isinstance(analysis.churn, Missing) or not judged.size:
        return Headline(label=label, value=MISSING, words="No month can be judged yet.")
    found = columns(analysis.churn.frame, "period", "churn_rate", "lower", "upper")
    month, rate, low, high = (values[judged[-1]] for values in found)
    return Headline(
        label=label,
        value=share_text(rate),
        words=f"of those active, in {month_words(month)} (95% interval {share_text(low)} to {share_text(high)}).",
    )


def value_headline(analysis: Analysis) -> Headline:
    """Say what they will bring."""
    label = "Next 12 months"
    if isinstance(analysis.value, Missing):
        return Headline(label=label, value=MISSING, words="No model could be fitted to these orders.")
    return Headline(
        label=label,
        value=money_short(analysis.value.total, analysis.settings.currency),
        words=f"expected after cost of goods, discounted{interval_words(analysis)}.",
    )


def cost_headline(analysis: Analysis) -> Headline:
    """Say what customer care cost."""
    label = "Cost of customer care"
    if isinstance(analysis.costs, Missing):
        return Headline(label=label, value=MISSING, words="No costs were passed; see below how to add them.")
    categories, shares = columns(analysis.costs.frame, "category", "share")
    return Headline(
        label=label,
        value=money_short(analysis.costs.total, analysis.settings.currency),
        words=f"so far; the largest part is {category_words(categories[0])}, {share_text(shares[0], 0)}.",
    )


def return_headline(analysis: Analysis) -> Headline:
    """Whether it paid."""
    label = "Return on that cost"
    if isinstance(analysis.roi, Missing):
        return Headline(label=label, value=MISSING, words="Needs the costs of customer care.")
    left = money_words(analysis.roi.net_benefit, analysis.settings.currency)
    return Headline(
        label=label,
        value=share_text(analysis.roi.roi, 0),
        words=f"{left} left so far, with every sale credited to care: no proof of cause.",
    )


def trust_headline(analysis: Analysis) -> Headline:
    """How far a forecast was off that could be checked."""
    label = "Forecast tested"
    if isinstance(analysis.holdout, Missing) or not math.isfinite(analysis.holdout.error):
        return Headline(label=label, value=MISSING, words="The forecast could not be tested on these orders.")
    error = analysis.holdout.error
    direction = "high" if error > 0 else "low"
    return Headline(
        label=label,
        value=f"{share_text(abs(error), 0)} off",
        words=f"Expected purchases in months held back from the model were {share_text(abs(error))} too {direction}.",
    )
