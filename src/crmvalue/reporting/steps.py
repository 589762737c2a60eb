"""The steps of an analysis that combine results of several files; a step that cannot be done says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core import frames
from crmvalue._core.types import DAYS_PER_UNIT, Array, IntArray, TimeUnit
from crmvalue.clv import CustomerValue, customer_value
from crmvalue.costs import Ledger
from crmvalue.data.holdout import split_holdout
from crmvalue.data.summary import CustomerSummary
from crmvalue.data.transactions import Transactions
from crmvalue.errors import ConvergenceError, InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import PurchaseFit, SpendFit, fit_purchases
from crmvalue.models.value_interval import total_value_interval
from crmvalue.reporting.results import HoldoutCheck, Interval, Missing, RepeatersAlive, ReportSettings, ValueBySegment
from crmvalue.roi import ReturnOnInvestment, return_on_investment
from crmvalue.segmentation import Segments

T = TypeVar("T")

TIME_UNIT: TimeUnit = "week"
YEAR = DAYS_PER_UNIT["year"] / DAYS_PER_UNIT[TIME_UNIT]  # the horizon of the report, in time units
SHORTEST_WINDOW = 90  # days; in less there is nothing to hold back
FREQUENCY_GROUPS = 8  # 0, 1, ..., 6, 7 and more earlier repeat purchases


def attempt(step: Callable[[], T]) -> T | Missing:
    """Take a step; where these data do not allow it, say why."""
    try:
        return step()
    except (ConvergenceError, InputError) as error:
        return Missing(reason=str(error))


def value_of(
    summary: CustomerSummary, purchases: PurchaseFit | Missing, spend: SpendFit | Missing, settings: ReportSettings
) -> CustomerValue | Missing:
    """Value the customers over the next twelve months, if both models could be fitted."""
    if isinstance(purchases, Missing):
        return purchases
    if isinstance(spend, Missing):
        return spend
    return attempt(
        lambda: customer_value(
            summary, purchases, spend, horizon=YEAR, discount_rate=settings.discount_rate, margin=settings.margin
        )
    )


def interval_of_value(
    summary: CustomerSummary,
    value: CustomerValue | Missing,
    purchases: PurchaseFit | Missing,
    spend: SpendFit | Missing,
) -> Interval | Missing:
    """Interval of the total value, for parameters as uncertain as their fits say."""
    if isinstance(value, Missing) or isinstance(purchases, Missing) or isinstance(spend, Missing):
        return Missing(reason="no value")
    if not value.total > 0:
        return Missing(reason="nothing is expected")
    if not all(np.isfinite(fit.log_covariance).all() for fit in (purchases, spend)):
        return Missing(reason="a parameter of the model ran to its bound, so its uncertainty is not known")
    found = attempt(
        lambda: total_value_interval(
            summary, purchases, spend, horizon=value.horizon, discount_rate=value.discount_rate, margin=value.margin
        )
    )
    return found if isinstance(found, Missing) else Interval(low=found.lower, high=found.upper)


def sum_by_segment(segments: Segments, value: CustomerValue) -> ValueBySegment:
    """Add up the value of the customers of each segment."""
    worth = frames.open_frame(value.frame).select("customer_id", "value", "expected_purchases")
    named = frames.join(
        frames.open_frame(segments.frame).select("customer_id", "segment"), worth, on="customer_id", how="left"
    )
    segment, money, purchases = frames.to_arrays(named, ["segment", "value", "expected_purchases"]).values()
    order = list(dict.fromkeys(rule.segment for rule in segments.rules))
    names, code = np.unique(segment.astype(str), return_inverse=True)
    place = np.array([order.index(name) for name in names])[code]
    n = len(order)
    return ValueBySegment(
        segment=np.array(order, dtype=object),
        customers=np.bincount(place, minlength=n),
        value=add_up(place, money, n),
        purchases=add_up(place, purchases, n),
    )


def add_up(place: IntArray, values: Array, n: int) -> Array:
    """Sum of the values in each of n places, shape (n,)."""
    return np.bincount(place, values, minlength=n).astype(np.float64)


def alive_repeaters(summary: CustomerSummary, value: CustomerValue) -> RepeatersAlive:
    """Keep the probabilities of the customers who came back at least once."""
    known = frames.join(
        frames.open_frame(summary.frame).select("customer_id", "frequency"),
        frames.open_frame(value.frame).select("customer_id", "probability_alive"),
        on="customer_id",
        how="left",
    )
    frequency, probability = frames.to_arrays(known, ["frequency", "probability_alive"]).values()
    repeats = frequency > 0
    return RepeatersAlive(probability=probability[repeats], n_without_repeat=int((~repeats).sum()))


def check_holdout(transactions: Transactions) -> HoldoutCheck:
    """Fit the purchase model to the first two thirds of the time, and compare its forecast with the last third."""
    first, last = transactions.audit.first_day, transactions.audit.last_day
    days = int((last - first).astype(np.int64))
    if days < SHORTEST_WINDOW:
        raise InputError(
            f"orders: they span {days} days, too few to hold some back. Pass at least {SHORTEST_WINDOW} days."
        )
    cut = first + np.timedelta64(2 * days // 3, "D")
    split = split_holdout(transactions, calibration_end=cut, observation_end=last, time_unit=TIME_UNIT)
    fit = fit_purchases(split.calibration, BG_NBD)
    known = frames.join(
        frames.open_frame(split.calibration.frame), frames.open_frame(split.holdout), on="customer_id", how="left"
    )
    columns = ("frequency", "recency", "T", "holdout_purchases")
    frequency, recency, T, came = (values.astype(float) for values in frames.to_arrays(known, columns).values())
    expected = fit.model.conditional_expected_purchases(fit.params, split.duration, frequency, recency, T)
    group = np.minimum(frequency.astype(np.int64), FREQUENCY_GROUPS - 1)
    n_groups = int(group.max()) + 1
    return HoldoutCheck(
        calibration_end=cut,
        observation_end=last,
        n_customers=len(frequency),
        frequency=np.arange(n_groups),
        customers=np.bincount(group, minlength=n_groups),
        actual=add_up(group, came, n_groups),
        expected=add_up(group, expected, n_groups),
    )


def return_on_costs(transactions: Transactions, ledger: Ledger, settings: ReportSettings) -> ReturnOnInvestment:
    """Contribution of all sales against all costs, month by month."""
    sales = frames.open_frame(transactions.frame).select("date", amount=nw.col("amount") * settings.margin)
    return return_on_investment(frames.to_native(sales), ledger, discount_rate=settings.discount_rate, period="month")
