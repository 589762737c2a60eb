"""Sections on the customers: who they are, who is leaving, and whether they come back."""

from __future__ import annotations

import itertools

import numpy as np

from crmvalue._core.types import AnyArray, Array
from crmvalue.churn import RetentionTable
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    MISSING,
    count_text,
    day_text,
    money_texts,
    money_words,
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
    churn_judged,
    columns,
    retention_shown,
)


def customers_section(analysis: Analysis) -> Section:
    """Say who the customers are: named segments, their share of customers and of revenue."""
    return Section(
        key="customers",
        heading="Who are the customers?",
        findings=(segment_words(analysis),),
        exhibits=(segment_exhibit(analysis), meaning_exhibit(analysis)),
        method=(
            f"Each of {count_text(analysis.profile.n_customers)} customers is scored from 1 to 5 on days since the "
            "last purchase, number of purchase days, and total spend up to "
            f"{day_text(analysis.summary.observation_end)}; equal customers get equal scores. Revenue is after "
            "refunds. Shares are of all customers and all revenue."
        ),
    )


def segment_words(analysis: Analysis) -> str:
    """Say which segment brought most, and how many good customers have gone silent."""
    names, customers, customer_share, revenue, revenue_share, purchases = columns(
        analysis.profile.frame,
        *("segment", "customers", "customer_share", "revenue", "revenue_share", "mean_purchases"),
    )
    n = plural((customers > 0).sum(), "segment")
    text = f"Customers fall into {n}, by how lately, how often and for how much they buy."
    if np.isfinite(revenue_share).any():
        best = int(np.nanargmax(revenue_share))
        text += (
            f" The segment that brought most is {names[best]}: {share_text(customer_share[best])} of the customers and "
            f"{share_text(revenue_share[best])} of the revenue, with {number_text(purchases[best], 1)} purchases each."
        )
    silent = np.isin(names, ("At risk", "Cannot lose them"))
    if customers[silent].sum() > 0:
        text += (
            f" {plural(customers[silent].sum(), 'customer')} who used to buy often have gone silent; they brought "
            f"{money_words(revenue[silent].sum(), analysis.settings.currency)}, and are the first to write to."
        )
    return text


def segment_exhibit(analysis: Analysis) -> Exhibit:
    """Return the segments that have customers, with what these bought."""
    frame = analysis.profile.frame
    there = columns(frame, "customers")[0] > 0
    names, customers, customer_share, revenue, revenue_share, purchases, silent = (
        values[there]
        for values in columns(
            frame,
            *("segment", "customers", "customer_share", "revenue", "revenue_share", "mean_purchases"),
            "mean_days_since_last",
        )
    )
    table = {
        "Segment": map(str, names),
        "Customers": map(count_text, customers),
        "Share of customers": map(share_text, customer_share),
        "Revenue": money_texts(revenue, analysis.settings.currency),
        "Share of revenue": map(share_text, revenue_share),
        "Purchase days, mean": (number_text(value, 1) for value in purchases),
        "Days since the last, mean": map(count_text, silent),
    }
    few = top_heavy(customer_share, revenue_share)
    return Exhibit(
        key="segments",
        caption="A few segments bring most of the revenue" if few else "The segments, and what they bring",
        alt="Bars: share of customers and share of revenue of each segment. The numbers are in the table below.",
        table=table_of("Segments, with what their customers bought so far", table),
        source=analysis.profile,
    )


def meaning_exhibit(analysis: Analysis) -> Exhibit:
    """Return what the names of the segments mean."""
    names, customers = columns(analysis.profile.frame, "segment", "customers")
    meanings = {rule.segment: rule.meaning for rule in reversed(analysis.segments.rules)}
    shown = [str(name) for name in names[customers > 0]]
    table = {"Segment": shown, "Meaning": [meanings[name] for name in shown]}
    return Exhibit(
        key="segment-meanings",
        caption="What the names mean",
        table=table_of("The first rule that matches names the segment", table, is_text=True),
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
    judged = churn_judged(analysis.churn)
    months, active = columns(analysis.churn.frame, "period", "active_at_start")
    lost, rate, low, high = (
        np.where(judged, values, np.nan)
        for values in columns(analysis.churn.frame, "lost", "churn_rate", "lower", "upper")
    )
    table = {
        "Month": map(month_text, months),
        "Active at the start": map(count_text, active),
        "Lost": map(count_text, lost),
        "Churn rate": map(share_text, rate),
        "95% interval": [
            f"{share_text(begin)} to {share_text(end)}" if known else MISSING
            for begin, end, known in zip(low, high, judged, strict=True)
        ],
    }
    return (
        Exhibit(
            key="churn",
            caption="Customers lost in each month, of those active at its start",
            alt="Line: churn rate by month, with its 95% interval. The numbers are in the table below.",
            table=table_of("Churn by month", table),
            source=analysis.churn,
        ),
    )


def alive_exhibit(analysis: Analysis) -> tuple[Exhibit, ...]:
    """Histogram of the probability to be still a customer, of those who bought more than once."""
    if isinstance(analysis.alive, Missing):
        return ()
    counts, edges = np.histogram(analysis.alive.probability, bins=10, range=(0, 1))
    n = len(analysis.alive.probability)
    likely = count_text((analysis.alive.probability >= 0.5).sum())
    table = {
        "Probability": [f"{share_text(a, 0)} to {share_text(b, 0)}" for a, b in itertools.pairwise(edges)],
        "Customers": map(count_text, counts),
        "Share": (share_text(ratio(k, n)) for k in counts),
    }
    return (
        Exhibit(
            key="alive",
            caption=f"Of {count_text(n)} customers who came back at least once, {likely} probably still buy",
            alt="Bars: number of customers by probability to be still a customer. The numbers are in the table below.",
            table=table_of("Customers with a repeat purchase, by the probability that they still buy", table),
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
    """Say whether they come back: the share of each cohort that bought again, by age."""
    key, heading, table = "retention", "Do they come back?", analysis.retention
    if isinstance(table, Missing):
        return Section(key=key, heading=heading, missing=table.reason)
    again = float((columns(analysis.summary.frame, "purchases")[0] > 1).mean())
    found = f"{share_text(again)} of the customers bought on a second day; {share_text(1 - again)} bought only once."
    cohorts, ages, shares = retention_shown(table)
    if not len(ages):
        reason = "No month after a first purchase has ended."
        return Section(key=key, heading=heading, findings=(found,), missing=reason)
    pooled = pooled_retention(table.cohort_size[-len(cohorts) :], shares)
    found += f" In the month after the first purchase {share_text(pooled[0])} came back"
    found += f", {ages[-1]} months after it {share_text(pooled[-1])}." if len(ages) > 1 else "."
    return Section(
        key=key,
        heading=heading,
        findings=(found,),
        exhibits=(retention_exhibit(table),),
        method=(
            f"A cohort is everybody who first bought in that month, {count_text(table.cohort_size.sum())} customers in "
            "all. A cell is the share of them with a purchase in the calendar month that many months later. Cells of "
            f"months that had not ended on {day_text(table.observation_end)} are empty; numbers over all cohorts are "
            f"of those old enough.{shown_words(table)}"
        ),
    )


def shown_words(table: RetentionTable) -> str:
    """Say what of a long table is left out; nothing if all is shown."""
    cohorts, ages, _ = retention_shown(table)
    if len(cohorts) == len(table.cohorts) and table.values.shape[1] - len(ages) <= 2:  # age 0, and the last month
        return ""
    return (
        f" Shown are the latest {plural(len(cohorts), 'cohort')} and the first {plural(len(ages), 'month')}; the table "
        "in the folder of the report has all."
    )


def retention_exhibit(table: RetentionTable) -> Exhibit:
    """Return the share of each cohort that bought at each age, and of all cohorts that are old enough."""
    cohorts, ages, shares = retention_shown(table)
    sizes = table.cohort_size[-len(cohorts) :]
    grid = np.vstack([shares, pooled_retention(sizes, shares)])
    columns = {
        "First purchase": [*map(month_text, cohorts), "All"],
        "Customers": map(count_text, [*sizes, sizes.sum()]),
        **{f"+{age}": map(share_text, column) for age, column in zip(ages, grid.T, strict=True)},
    }
    return Exhibit(
        key="retention",
        caption="Share of each month's new customers who bought again, in percent",
        alt="Grid: one row a month of first purchase, one column a month since. The numbers are in the table below.",
        table=table_of("Share of the new customers of each month who bought in later months", columns),
        source=table,
    )


def pooled_retention(sizes: AnyArray, shares: Array) -> Array:
    """Share of all customers old enough who bought at each age."""
    known = np.isfinite(shares)
    came: Array = (np.nan_to_num(shares) * sizes[:, None]).sum(axis=0)
    old_enough: Array = (known * sizes[:, None]).sum(axis=0)
    return came / old_enough
