"""Sections on the customers: who they are, who is leaving, and whether they come back."""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import AnyArray, Array
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    MISSING,
    count_text,
    day_text,
    money_text,
    money_words,
    month_text,
    month_words,
    number_text,
    plural,
    ratio,
    share_text,
)
from crmvalue.reporting.parts import Exhibit, Section, Table
from crmvalue.reporting.results import Missing
from crmvalue.reporting.shown import (
    churn_judged,
    columns,
    retention_shown,
)


def customers_section(analysis: Analysis) -> Section:
    """Who are the customers: named segments, their share of customers and of revenue."""
    table = columns(
        analysis.profile.frame,
        *("segment", "customers", "customer_share", "revenue", "revenue_share", "mean_purchases"),
        "mean_days_since_last",
    )
    names, customers, customer_share, revenue, revenue_share, purchases, _ = table
    meanings = {rule.segment: rule.meaning for rule in reversed(analysis.segments.rules)}
    money = analysis.settings.currency
    rows = tuple(
        (str(name), count_text(n), share_text(a), money_text(r, money), share_text(b), number_text(p, 1), count_text(d))
        for name, n, a, r, b, p, d in zip(*table, strict=True)
        if n > 0
    )
    best = int(np.nanargmax(np.append(revenue_share, -1.0)))
    found = (
        f"Customers fall into {plural(len(rows), 'segment')}, named by how lately, how often and for how much they buy."
    )
    if best < len(names):
        found += (
            f" The segment that brought most is {names[best]}: {share_text(customer_share[best])} of the customers and "
            f"{share_text(revenue_share[best])} of the revenue, with {number_text(purchases[best], 1)} purchases each."
        )
    at_risk = np.isin(names, ("At risk", "Cannot lose them"))
    if customers[at_risk].sum() > 0:
        found += (
            f" {plural(customers[at_risk].sum(), 'customer')} who used to buy often have gone silent; they brought "
            f"{money_words(revenue[at_risk].sum(), money)}, and are the first to write to."
        )
    exhibit = Exhibit(
        key="segments",
        caption="A few segments bring most of the revenue" if top_heavy(customer_share, revenue_share) else "Segments",
        alt="Bars: share of customers and share of revenue of each segment. The numbers are in the table below.",
        table=Table(
            caption="Segments, with what their customers bought so far",
            columns=(
                *("Segment", "Customers", "Share of customers", "Revenue", "Share of revenue"),
                *("Purchase days, mean", "Days since the last, mean"),
            ),
            rows=rows,
        ),
        source=analysis.profile,
    )
    kinds = Exhibit(
        key="segment-meanings",
        caption="What the names mean",
        table=Table(
            caption="The first matching rule names the segment",
            columns=("Segment", "Meaning"),
            rows=tuple((row[0], meanings[row[0]]) for row in rows),
            is_text=True,
        ),
    )
    return Section(
        key="customers",
        heading="Who are the customers?",
        findings=(found,),
        exhibits=(exhibit, kinds),
        method=(
            f"Each of {count_text(analysis.profile.n_customers)} customers is scored from 1 to 5 on days since the "
            "last purchase, number of purchase days, and total spend up to "
            f"{day_text(analysis.summary.observation_end)}; equal customers get equal scores. Revenue is after "
            "refunds. Shares are of all customers and all revenue."
        ),
    )


def top_heavy(customer_share: Array, revenue_share: Array) -> bool:
    """Whether less than a third of the customers, in whole segments, brought more than half of the revenue."""
    order = np.argsort(-np.nan_to_num(revenue_share))
    reached = np.cumsum(np.nan_to_num(revenue_share)[order])
    needed = np.searchsorted(reached, 0.5) + 1
    return bool(customer_share[order][:needed].sum() < 1 / 3)


def leaving_section(analysis: Analysis) -> Section:
    """Who is leaving: churn by month, and the probability to be still a customer."""
    return Section(
        key="leaving",
        heading="Who is leaving?",
        findings=tuple(text for text in (silence_words(analysis), churn_words(analysis)) if text),
        exhibits=(*churn_exhibit(analysis), *alive_exhibit(analysis)),
        missing=analysis.churn.reason if isinstance(analysis.churn, Missing) else "",
        method=churn_method(analysis),
    )


def silence_words(analysis: Analysis) -> str:
    """Say how many customers have been silent for too long."""
    days = analysis.settings.inactive_after
    silent = columns(analysis.summary.frame, "days_since_last")[0] > days
    return (
        f"{plural(silent.sum(), 'customer')} of {count_text(silent.size)} ({share_text(silent.mean())}) had bought "
        f"nothing for more than {days} days on {day_text(analysis.summary.observation_end)}."
    )


def churn_words(analysis: Analysis) -> str:
    """Say the churn rate of the latest month that can be judged, with its interval."""
    if isinstance(analysis.churn, Missing):
        return ""
    judged = np.flatnonzero(churn_judged(analysis.churn))
    if not judged.size:
        return f"No month can be judged yet: the orders do not reach {analysis.settings.inactive_after} days back."
    found = columns(analysis.churn.frame, "period", "active_at_start", "lost", "churn_rate", "lower", "upper")
    month, active, lost, rate, low, high = (values[judged[-1]] for values in found)
    return (
        f"Of the {count_text(active)} customers who counted as active at the start of {month_words(month)}, "
        f"{count_text(lost)} were lost within the month: {share_text(rate)} (95% interval {share_text(low)} to "
        f"{share_text(high)})."
    )


def churn_exhibit(analysis: Analysis) -> tuple[Exhibit, ...]:
    """Churn rate by month, if any month can be judged."""
    if isinstance(analysis.churn, Missing) or not churn_judged(analysis.churn).any():
        return ()
    table = columns(analysis.churn.frame, "period", "active_at_start", "lost", "churn_rate", "lower", "upper")
    rows = [
        (
            month_text(m),
            count_text(n),
            *(map(count_text, (k,))),
            share_text(r),
            f"{share_text(low)} to {share_text(high)}",
        )
        if known
        else (month_text(m), count_text(n), MISSING, MISSING, MISSING)
        for m, n, k, r, low, high, known in zip(*table, churn_judged(analysis.churn), strict=True)
    ]
    return (
        Exhibit(
            key="churn",
            caption="Customers lost in each month, of those active at its start",
            alt="Line: churn rate by month, with its 95% interval. The numbers are in the table below.",
            table=Table(
                caption="Churn by month",
                columns=("Month", "Active at the start", "Lost", "Churn rate", "95% interval"),
                rows=tuple(rows),
            ),
            source=analysis.churn,
        ),
    )


def alive_exhibit(analysis: Analysis) -> tuple[Exhibit, ...]:
    """Histogram of the probability to be still a customer, of those who bought more than once."""
    if isinstance(analysis.alive, Missing):
        return ()
    counts, edges = np.histogram(analysis.alive.probability, bins=10, range=(0, 1))
    n = len(analysis.alive.probability)
    likely = int((analysis.alive.probability >= 0.5).sum())
    return (
        Exhibit(
            key="alive",
            caption=f"Of {count_text(n)} who came back at least once, {count_text(likely)} probably still buy",
            alt="Bars: number of customers by probability to be still a customer. The numbers are in the table below.",
            table=Table(
                caption="Customers with a repeat purchase, by the probability that they still buy",
                columns=("Probability", "Customers", "Share"),
                rows=tuple(
                    (f"{share_text(low, 0)} to {share_text(high, 0)}", count_text(k), share_text(ratio(k, n)))
                    for low, high, k in zip(edges[:-1], edges[1:], counts, strict=True)
                ),
            ),
            source=analysis.alive,
        ),
    )


def churn_method(analysis: Analysis) -> str:
    """Say what counts as lost, and what the probability leaves out."""
    days = analysis.settings.inactive_after
    text = (
        f"A customer counts as active for {days} days after each purchase, and is lost on the day on which they have "
        "passed without another; a later purchase makes her active again. Rates are of the customers active at the "
        f"start of the month, with the exact interval of a share. The first {days} days and a month that has not ended "
        "cannot be judged. "
    )
    if not isinstance(analysis.alive, Missing):
        text += (
            "The probability comes from the purchase model; one-time buyers are left out of that picture, since this "
            "model cannot tell whether somebody without a second purchase has left."
        )
    return text


def retention_section(analysis: Analysis) -> Section:
    """Do they come back: share of each cohort that bought again, by age."""
    key, heading, table = "retention", "Do they come back?", analysis.retention
    if isinstance(table, Missing):
        return Section(key=key, heading=heading, missing=table.reason)
    summary = columns(analysis.summary.frame, "purchases")[0]
    again = float((summary > 1).mean())
    found = (
        f"{share_text(again)} of the customers bought on a second day; {share_text(1 - again)} have bought only once."
    )
    cohorts, ages, shares = retention_shown(table)
    if not len(ages):
        return Section(
            key=key, heading=heading, findings=(found,), missing="No month after a first purchase has ended."
        )
    pooled = pooled_retention(table.cohort_size[-len(cohorts) :], shares)
    last = len(ages) - 1
    found += f" In the month after the first purchase {share_text(pooled[0])} came back" + (
        f", {ages[last]} months after it {share_text(pooled[last])}." if last else "."
    )
    exhibit = Exhibit(
        key="retention",
        caption="Share of each month's new customers who bought again, in percent",
        alt="Grid: one row a month of first purchase, one column a month since. The numbers are in the table below.",
        table=Table(
            caption="Share of the new customers of each month who bought in later months",
            columns=("First purchase", "Customers", *(f"+{age}" for age in ages)),
            rows=(
                *(
                    (month_text(cohort), count_text(n), *(share_text(share) for share in row))
                    for cohort, n, row in zip(cohorts, table.cohort_size[-len(cohorts) :], shares, strict=True)
                ),
                ("All", count_text(table.cohort_size[-len(cohorts) :].sum()), *map(share_text, pooled)),
            ),
        ),
        source=table,
    )
    return Section(
        key=key,
        heading=heading,
        findings=(found,),
        exhibits=(exhibit,),
        method=(
            f"A cohort is everybody who first bought in that month, {count_text(table.cohort_size.sum())} customers in "
            f"all. A cell is the share of them with a purchase in the calendar month that many months later. Cells of "
            f"months that had not ended on {day_text(table.observation_end)} are empty."
        ),
    )


def pooled_retention(sizes: AnyArray, shares: Array) -> Array:
    """Share of all customers old enough who bought at each age."""
    known = np.isfinite(shares)
    came: Array = (np.nan_to_num(shares) * sizes[:, None]).sum(axis=0)
    old_enough: Array = (known * sizes[:, None]).sum(axis=0)
    return came / old_enough
