"""Sections on the forecast: what the customers will bring, and how sure that is."""

from __future__ import annotations

import math

import numpy as np

from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    count_text,
    day_text,
    money_text,
    money_words,
    plural,
    ratio,
    share_text,
)
from crmvalue.reporting.parts import Exhibit, Section, Table
from crmvalue.reporting.results import HoldoutCheck, Missing
from crmvalue.reporting.shown import (
    columns,
    concentration,
    group_names,
)

TENTHS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


def value_section(analysis: Analysis) -> Section:
    """Say what the customers will bring in the next twelve months."""
    key, heading = "value", "What will they bring in the next 12 months?"
    value, by_segment = analysis.value, analysis.value_by_segment
    if isinstance(value, Missing) or isinstance(by_segment, Missing):
        return Section(key=key, heading=heading, missing=no_model(value))
    money, worth = analysis.settings.currency, columns(value.frame, "value")[0]
    customers, reached = concentration(worth)
    share = {best: float(np.interp(best, customers, reached)) for best in TENTHS}
    total = f"{money_words(value.total, money)}{interval_words(analysis)}"
    found = (
        f"Over the 12 months after {day_text(analysis.summary.observation_end)}, the {count_text(value.n)} customers "
        f"known today are expected to bring {total}, that is {money_text(value.total / value.n, money)} each on "
        f"average. The best 10% bring {share_text(share[0.1], 0)} of it, the best 20% {share_text(share[0.2], 0)}."
    )
    curve = Exhibit(
        key="concentration",
        caption=f"The best 20% of the customers bring {share_text(share[0.2], 0)} of the value to come",
        alt=f"Curve: share of value against share of customers. The best 50% bring {share_text(share[0.5], 0)}.",
        table=Table(
            caption="Share of the expected value by share of customers, best first",
            columns=("Best customers", "Customers", "Share of value", "Value"),
            rows=tuple(
                (
                    share_text(best, 0),
                    count_text(round(best * value.n)),
                    share_text(part),
                    money_text(part * value.total, money),
                )
                for best, part in share.items()
            ),
        ),
        source=value,
    )
    there = by_segment.customers > 0
    listed = (by_segment.segment, by_segment.customers, by_segment.value, by_segment.purchases)
    bars = Exhibit(
        key="segment-values",
        caption="Where the value to come lies",
        alt="Bars: expected value of each segment. The numbers are in the table below.",
        table=Table(
            caption="Expected value of each segment over the next 12 months",
            columns=("Segment", "Customers", "Value", "Share of value", "Value per customer", "Purchases expected"),
            rows=tuple(
                (
                    str(n),
                    count_text(k),
                    money_text(v, money),
                    share_text(ratio(v, value.total)),
                    money_text(v / k, money),
                    count_text(x),
                )
                for n, k, v, x in zip(*(column[there] for column in listed), strict=True)
            ),
        ),
        source=by_segment,
    )
    return Section(key=key, heading=heading, findings=(found,), exhibits=(curve, bars), method=value_method(analysis))


def interval_words(analysis: Analysis) -> str:
    """Return the interval of the total value in words; nothing if there is none."""
    if isinstance(analysis.value_interval, Missing):
        return ""
    low, high = analysis.value_interval.low, analysis.value_interval.high
    money = analysis.settings.currency
    return f" (95% interval {money_words(low, money)} to {money_words(high, money)})"


def value_method(analysis: Analysis) -> str:
    """Say what the value is, and what its interval holds."""
    settings, purchases, spend = analysis.settings, analysis.purchases_fit, analysis.spend_fit
    if isinstance(purchases, Missing) or isinstance(spend, Missing):
        return ""
    return (
        f"Value is the expected spend of each customer times a margin of {share_text(settings.margin, 0)}, discounted "
        f"at {share_text(settings.discount_rate, 0)} a year; costs of customer care are not taken off, and customers "
        f"yet to be won are not in it. Purchases: {purchases.model.title}, fitted to "
        f"{count_text(purchases.n_customers)} customers. Spend per purchase: {spend.model.title}, fitted "
        f"to {count_text(spend.n_customers)} customers with a repeat purchase. The interval holds only how uncertain "
        "the fitted parameters are; that the future may differ from the past comes on top, and the test at the end of this page shows how much it did."
    )


def no_model(result: object) -> str:
    """Say why there is no forecast."""
    reason = result.reason if isinstance(result, Missing) else "one of its steps failed"
    return f"There is no forecast, since no model could be fitted to these orders: {reason}"


def trust_section(analysis: Analysis) -> Section:
    """How sure are we: the forecast tested on months held back, the data audited."""
    return Section(
        key="trust",
        heading="How sure are we?",
        findings=tuple(text for text in (holdout_words(analysis.holdout), audit_words(analysis)) if text),
        exhibits=(*holdout_exhibit(analysis.holdout), audit_exhibit(analysis)),
        missing=""
        if not isinstance(analysis.holdout, Missing)
        else f"The forecast was not tested: {analysis.holdout.reason}",
        method=(
            "The test fits the purchase model to the first two thirds of the time alone, and compares what it expects "
            "of these customers in the last third with what they did. It tests the number of purchases, not the spend."
            if not isinstance(analysis.holdout, Missing)
            else ""
        ),
    )


def holdout_words(check: HoldoutCheck | Missing) -> str:
    """Say how far the forecast was off."""
    if isinstance(check, Missing):
        return ""
    direction = "high" if check.error > 0 else "low"
    off = f": the forecast was {share_text(abs(check.error))} too {direction}" if math.isfinite(check.error) else ""
    return (
        f"The forecast was tested. From orders up to {day_text(check.calibration_end)} alone, the model expected "
        f"{count_text(check.expected.sum())} repeat purchases of {count_text(check.n_customers)} customers up to "
        f"{day_text(check.observation_end)}; there were {count_text(check.actual.sum())}{off}."
    )


def audit_words(analysis: Analysis) -> str:
    """Say what was done with the rows."""
    audit = analysis.transactions.audit
    lost = f"{plural(audit.rows_lost, 'row')} could not be used and are counted below"
    return f"The orders came in {plural(audit.rows_in, 'row')}; {lost if audit.rows_lost else 'all could be used'}."


def holdout_exhibit(check: HoldoutCheck | Missing) -> tuple[Exhibit, ...]:
    """Return counted and expected purchases by history."""
    if isinstance(check, Missing):
        return ()
    table = (group_names(check), check.customers, check.actual, check.expected)
    rows = [(n, count_text(k), count_text(a), count_text(e)) for n, k, a, e in zip(*table, strict=True)]
    totals = (count_text(column.sum()) for column in (check.customers, check.actual, check.expected))
    return (
        Exhibit(
            key="holdout",
            caption="Purchases in the months held back: counted, and expected by the model",
            alt="Bars: counted and expected purchases by number of repeat purchases before. See the table below.",
            table=Table(
                caption="By the number of repeat purchases before the months held back",
                columns=("Repeat purchases before", "Customers", "Purchases counted", "Purchases expected"),
                rows=(*rows, ("All", *totals)),
            ),
            source=check,
        ),
    )


def audit_exhibit(analysis: Analysis) -> Exhibit:
    """Return what became of each row of the orders."""
    audit = analysis.transactions.audit
    always = (("Rows that came in", audit.rows_in),)
    if_any = (
        ("Left out: no customer", audit.missing_customer),
        ("Left out: no date, or unreadable", audit.missing_date),
        ("Left out: amount missing or infinite", audit.invalid_amount),
        ("Left out: before the first day that counts", audit.before_window),
        ("Left out: after the last day that counts", audit.after_window),
        ("Left out: equal to an earlier row", audit.duplicates_dropped),
        ("Left out: refunds", audit.refunds_dropped),
    )
    noted = (
        ("Among them equal to an earlier row (kept)", audit.duplicate_rows - audit.duplicates_dropped),
        ("Among them with a negative amount (refunds)", audit.negative_amounts),
        ("Among them with amount 0 (they count as purchases)", audit.zero_amounts),
        ("Customers with refunds alone (no customers here)", audit.refund_only_customers),
    )
    used = ("Rows that were used", audit.rows_out)
    rows = (*always, *(row for row in if_any if row[1]), used, *(row for row in noted if row[1]))
    return Exhibit(
        key="audit",
        caption="What became of the rows",
        table=Table(
            caption="Rows of the orders",
            columns=("What", "Number"),
            rows=tuple((name, count_text(n)) for name, n in rows),
        ),
    )
