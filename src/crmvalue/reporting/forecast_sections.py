"""Sections on the forecast: what the customers will bring, and how sure that is."""

from __future__ import annotations

import math

import numpy as np

from crmvalue.clv import CustomerValue
from crmvalue.models.fit import PurchaseFit
from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.formats import (
    count_text,
    day_text,
    money_text,
    money_texts,
    money_words,
    plural,
    ratio,
    share_text,
)
from crmvalue.reporting.parts import Exhibit, Section, table_of
from crmvalue.reporting.results import HoldoutCheck, Missing, ValueBySegment
from crmvalue.reporting.shown import (
    columns,
    concentration,
    group_names,
)

BEST = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


def value_section(analysis: Analysis) -> Section:
    """Say what the customers will bring in the next twelve months."""
    key, heading = "value", "What will they bring in the next 12 months?"
    value, by_segment = analysis.value, analysis.value_by_segment
    if isinstance(value, Missing) or isinstance(by_segment, Missing):
        return Section(key=key, heading=heading, missing=no_model(value))
    money = analysis.settings.currency
    found = (
        f"Over the 12 months after {day_text(analysis.summary.observation_end)}, the {count_text(value.n)} customers "
        f"known today are expected to bring {money_words(value.total, money)}{interval_words(analysis)}, that is "
        f"{money_text(value.total / value.n, money)} each on average. The best 10% bring "
        f"{share_text(share_of_best(value, 0.1), 0)} of it, the best 20% {share_text(share_of_best(value, 0.2), 0)}."
    )
    exhibits = (concentration_exhibit(value, money), segment_value_exhibit(by_segment, value.total, money))
    findings = (found, *model_words(analysis.purchases_fit))
    return Section(key=key, heading=heading, findings=findings, exhibits=exhibits, method=value_method(analysis))


def model_words(fit: PurchaseFit | Missing) -> tuple[str, ...]:
    """Say what the purchase model found wrong with itself; nothing if all is well."""
    if isinstance(fit, Missing) or not fit.health:
        return ()
    return (f"Take the forecast with care. {' '.join(fit.health)}",)


def share_of_best(value: CustomerValue, best: float) -> float:
    """Share of the expected value that a share of the customers brings, best first."""
    return float(np.interp(best, *concentration(columns(value.frame, "value")[0])))


def concentration_exhibit(value: CustomerValue, money: str) -> Exhibit:
    """Return which share of the customers brings which share of the value."""
    shares = np.array([share_of_best(value, best) for best in BEST])
    table = {
        "Best customers": (share_text(best, 0) for best in BEST),
        "Customers": (count_text(round(best * value.n)) for best in BEST),
        "Share of value": map(share_text, shares),
        "Value": money_texts(shares * value.total, money),
    }
    return Exhibit(
        key="concentration",
        caption=f"The best 20% of the customers bring {share_text(share_of_best(value, 0.2), 0)} of the value to come",
        alt="Curve: share of value against share of customers, best first. The numbers are in the table below.",
        table=table_of("Share of the expected value by share of customers, best first", table),
        source=value,
    )


def segment_value_exhibit(segments: ValueBySegment, total: float, money: str) -> Exhibit:
    """Return the value to come of each segment that has customers."""
    there = segments.customers > 0
    customers, value = segments.customers[there], segments.value[there]
    table = {
        "Segment": map(str, segments.segment[there]),
        "Customers": map(count_text, customers),
        "Value": money_texts(value, money),
        "Share of value": (share_text(ratio(part, total)) for part in value),
        "Value per customer": money_texts(value / customers, money),
        "Purchases expected": map(count_text, segments.purchases[there]),
    }
    return Exhibit(
        key="segment-values",
        caption="Where the value to come lies",
        alt="Bars: expected value of each segment. The numbers are in the table below.",
        table=table_of("Expected value of each segment over the next 12 months", table),
        source=segments,
    )


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
        f"to {count_text(spend.n_customers)} customers with a repeat purchase. {uncertainty_words(analysis)}"
    )


def uncertainty_words(analysis: Analysis) -> str:
    """Say what the interval of the value holds, or why there is none."""
    interval = analysis.value_interval
    if isinstance(interval, Missing):
        return f"There is no interval: {interval.reason}."
    return (
        "The interval holds only how uncertain the fitted parameters are; that the future may differ from the past "
        "comes on top, and the test at the end of this page shows how much it did."
    )


def no_model(result: object) -> str:
    """Say why there is no forecast."""
    reason = result.reason if isinstance(result, Missing) else "one of its steps failed"
    return f"There is no forecast, since no model could be fitted to these orders: {reason}"


def trust_section(analysis: Analysis) -> Section:
    """Say how sure this is: the forecast tested on months held back, the rows audited."""
    method = (
        "The test fits the purchase model to the first two thirds of the time alone, and compares what it expects of "
        "these customers in the last third with what they did. It tests the number of purchases, not the spend."
    )
    return Section(
        key="trust",
        heading="How sure are we?",
        findings=tuple(text for text in (holdout_words(analysis.holdout), audit_words(analysis)) if text),
        exhibits=(*holdout_exhibit(analysis.holdout), audit_exhibit(analysis)),
        missing=no_test(analysis),
        method="" if isinstance(analysis.holdout, Missing) else method,
    )


def no_test(analysis: Analysis) -> str:
    """Say why the forecast was not tested; nothing if it was."""
    if not isinstance(analysis.holdout, Missing):
        return ""
    if isinstance(analysis.purchases_fit, Missing):
        return "There is no forecast that could be tested; the reason stands above."
    return f"The forecast was not tested: {analysis.holdout.reason}"


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
    numbers = {
        "Customers": check.customers,
        "Purchases counted": check.actual,
        "Purchases expected": check.expected,
    }
    table = {
        "Repeat purchases before": [*group_names(check), "All"],
        **{name: map(count_text, [*values, values.sum()]) for name, values in numbers.items()},
    }
    return (
        Exhibit(
            key="holdout",
            caption="Purchases in the months held back: counted, and expected by the model",
            alt="Bars: counted and expected purchases by number of repeat purchases before. See the table below.",
            table=table_of("By the number of repeat purchases before the months held back", table),
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
        ("Rows equal to an earlier one (kept)", audit.duplicate_rows - audit.duplicates_dropped),
        ("Among them with a negative amount (refunds)", audit.negative_amounts),
        ("Among them with amount 0 (they count as purchases)", audit.zero_amounts),
        ("Customers with refunds alone (no customers here)", audit.refund_only_customers),
    )
    used = ("Rows that were used", audit.rows_out)
    rows = (*always, *(row for row in if_any if row[1]), used, *(row for row in noted if row[1]))
    table = {"What": [name for name, _ in rows], "Number": [count_text(n) for _, n in rows]}
    return Exhibit(key="audit", caption="What became of the rows", table=table_of("Rows of the orders", table))
