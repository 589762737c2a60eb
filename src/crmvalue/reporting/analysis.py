"""Everything a report is made of: the steps from orders and a ledger to results, each with what it found.

A step that cannot be done on these data leaves a `Missing` with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.types import Frame
from crmvalue.churn import ChurnRates, RetentionTable, churn_rates, retention_table
from crmvalue.clv import CustomerValue
from crmvalue.costs import CostBreakdown, Ledger, cost_breakdown, prepare_ledger
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import Transactions, prepare_transactions
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import PurchaseFit, SpendFit, fit_purchases, fit_spend
from crmvalue.reporting.results import (
    HoldoutCheck,
    Interval,
    Missing,
    RepeatersAlive,
    ReportSettings,
    ValueBySegment,
)
from crmvalue.reporting.steps import (
    TIME_UNIT,
    alive_repeaters,
    attempt,
    check_holdout,
    interval_of_value,
    return_on_costs,
    sum_by_segment,
    value_of,
)
from crmvalue.roi import ReturnOnInvestment
from crmvalue.segmentation import SegmentProfile, Segments, score_rfm, segment_customers, segment_profile

if TYPE_CHECKING:
    import pandas as pd

STEPS = (
    "Check the orders",
    "Summarise the customers",
    "Name the segments",
    "Measure churn and retention",
    "Fit the models",
    "Value the customers",
    "Test the model on held-back months",
    "Read the costs",
    "Compute the return",
)
NO_LEDGER = (
    "No costs were passed. Add a table with one row a cost line and the columns date, category (staff, it, marketing, "
    "service, data, process, time or opportunity) and amount: crmvalue report ORDERS --costs COSTS ..."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """All results that a report speaks of."""

    settings: ReportSettings
    transactions: Transactions
    summary: CustomerSummary
    segments: Segments
    profile: SegmentProfile
    churn: ChurnRates | Missing
    retention: RetentionTable | Missing
    purchases_fit: PurchaseFit | Missing
    spend_fit: SpendFit | Missing
    value: CustomerValue | Missing
    value_interval: Interval | Missing  # of the total value, for uncertain parameters only
    value_by_segment: ValueBySegment | Missing
    alive: RepeatersAlive | Missing
    holdout: HoldoutCheck | Missing
    ledger: Ledger | Missing
    costs: CostBreakdown | Missing  # by category
    monthly_costs: CostBreakdown | Missing  # by category and month
    roi: ReturnOnInvestment | Missing

    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the result tables by name, as pandas frames; the one of customers holds their ids."""
        fits = {"purchase_model": self.purchases_fit, "spend_model": self.spend_fit}
        results = {
            "segments": self.profile,
            "churn": self.churn,
            "retention": self.retention,
            "costs": self.costs,
            "monthly_costs": self.monthly_costs,
        }
        found = {
            "audit": self.transactions.audit.to_frame(),
            "customers": customer_table(self),
            **{name: as_pandas(result.frame) for name, result in results.items() if not isinstance(result, Missing)},
            **{name: fit.to_frame().reset_index() for name, fit in fits.items() if not isinstance(fit, Missing)},
        }
        if not isinstance(self.roi, Missing):
            found |= {"return": self.roi.to_frame(), "cash_flow": as_pandas(self.roi.cash_flow)}
        return found


def analyse_customers(
    orders: Frame,
    ledger: Frame | None = None,
    settings: ReportSettings | None = None,
    *,
    next_step: Callable[[str], object] | None = None,
) -> Analysis:
    """Take every step from orders and costs to the results of a report.

    Parameters
    ----------
    orders : frame of any engine
        One row a purchase or order line, with the columns that `settings` names.
    ledger : frame of any engine, optional
        One row a cost line: date, category, amount; stage and subcategory if they are there.
    settings : ReportSettings, optional
        Columns, margin, discount rate and the other choices.
    next_step : callable, optional
        Is called with the name of each step, one of `STEPS`, before it begins: for a progress bar.

    Returns
    -------
    Analysis
        All results; a `Missing` with the reason for each that these data do not allow.

    Raises
    ------
    InputError
        If the orders, the ledger or a setting cannot be used.
    """
    chosen = settings if settings is not None else ReportSettings()
    say = next_step if next_step is not None else lambda _: None
    require_settings(chosen)

    say(STEPS[0])
    transactions = read_orders(orders, chosen)
    say(STEPS[1])
    summary = summarize_customers(transactions, observation_end=chosen.observation_end, time_unit=TIME_UNIT)
    say(STEPS[2])
    segments = segment_customers(score_rfm(summary))
    say(STEPS[3])
    churn = attempt(lambda: churn_rates(transactions, period="month", inactive_after=chosen.inactive_after))
    retention = attempt(lambda: retention_table(transactions, period="month"))
    say(STEPS[4])
    purchases_fit = attempt(lambda: fit_purchases(summary, BG_NBD))
    spend_fit = attempt(lambda: fit_spend(summary))
    say(STEPS[5])
    value = value_of(summary, purchases_fit, spend_fit, chosen)
    say(STEPS[6])
    holdout = purchases_fit if isinstance(purchases_fit, Missing) else attempt(lambda: check_holdout(transactions))
    say(STEPS[7])
    costs = read_ledger(ledger)
    say(STEPS[8])
    return Analysis(
        settings=chosen,
        transactions=transactions,
        summary=summary,
        segments=segments,
        profile=segment_profile(segments),
        churn=churn,
        retention=retention,
        purchases_fit=purchases_fit,
        spend_fit=spend_fit,
        value=value,
        value_interval=interval_of_value(summary, value, purchases_fit, spend_fit),
        value_by_segment=value if isinstance(value, Missing) else sum_by_segment(segments, value),
        alive=value if isinstance(value, Missing) else alive_repeaters(summary, value),
        holdout=holdout,
        ledger=costs,
        costs=costs if isinstance(costs, Missing) else cost_breakdown(costs),
        monthly_costs=costs if isinstance(costs, Missing) else cost_breakdown(costs, period="month"),
        roi=costs if isinstance(costs, Missing) else return_on_costs(transactions, costs, chosen),
    )


def require_settings(settings: ReportSettings) -> None:
    """Raise InputError if a number among the settings cannot be used: before any work is done."""
    require_number("margin", settings.margin, above=0, at_most=1)
    require_number("discount_rate", settings.discount_rate, above=-1)
    require_number("inactive_after", settings.inactive_after, at_least=1)


def read_orders(orders: Frame, settings: ReportSettings) -> Transactions:
    """Check the orders up to the last day that counts."""
    return prepare_transactions(
        orders,
        customer_id=settings.customer_id,
        date=settings.date,
        amount=settings.amount,
        order_id=settings.order_id,
        end=settings.observation_end,
    )


def read_ledger(ledger: Frame | None) -> Ledger | Missing:
    """Check the ledger, if there is one, with its stages and subcategories, if they are there."""
    if ledger is None:
        return Missing(reason=NO_LEDGER)
    there = frames.column_names(frames.open_frame(ledger, argument="costs"))
    stage, subcategory = (name if name in there else None for name in ("stage", "subcategory"))
    return prepare_ledger(ledger, stage=stage, subcategory=subcategory)


def customer_table(analysis: Analysis) -> pd.DataFrame:
    """Return one row a customer: summary, scores, segment, and expected value if there is one."""
    import pandas as pd

    parts = [as_pandas(analysis.summary.frame)]
    scores = as_pandas(analysis.segments.frame)
    parts.append(scores[["customer_id", "r_score", "f_score", "m_score", "rfm", "segment"]])
    if not isinstance(analysis.value, Missing):
        parts.append(as_pandas(analysis.value.frame))
    table, *others = parts
    for other in others:
        table = pd.merge(table, other, on="customer_id", how="left", validate="one_to_one")
    return table


def as_pandas(frame: Frame) -> pd.DataFrame:
    """Return a small frame, or one of customers, as pandas."""
    return frames.collect(frames.open_frame(frame)).to_pandas().reset_index(drop=True)
