"""What will customers bring? Expected purchases, times expected spend, times margin, discounted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.frames import AnyFrame, one_row, open_frame, to_native
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.discounting import discounted_purchases
from crmvalue.models.distinct import distinct_states
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.histories import (
    COUNT_RULES,
    PURCHASES,
    SPEND,
    is_missing,
    open_customers,
    refuse,
)
from crmvalue.models.model import Parameters
from crmvalue.models.predictions import (
    conditional_expected_purchases,
    discounted_residual_purchases,
    expected_purchases,
    kept_ids,
    predicted,
    probability_alive,
    purchase_probabilities,
)
from crmvalue.models.spend_rows import missing_spend, refuse_missing_spend

__all__ = [
    "CustomerValue",
    "HistoricalValue",
    "conditional_expected_purchases",
    "customer_value",
    "discounted_residual_purchases",
    "expected_purchases",
    "expected_spend",
    "historical_value",
    "probability_alive",
    "purchase_probabilities",
    "textbook_value",
]

MOST_PERIODS = 100_000  # three centuries of days: a longer horizon is a mistake in the unit
FILL = "Fill or drop these rows."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerValue:
    """What each customer is expected to bring over the horizon.

    Columns of `frame`: customer_id (if the input has it); probability_alive; expected_purchases (over the horizon, not
    discounted); expected_spend (per purchase, in currency); value (discounted contribution over the horizon, in
    currency).
    """

    frame: Frame  # one row a customer, in the engine of the input
    total: float  # sum of value, in currency
    n: int  # customers
    n_not_positive: int  # customers with repeat purchases whose monetary_value, below 0 or 0, was taken as 0
    horizon: float  # in time units
    time_unit: TimeUnit
    discount_rate: float  # per year
    margin: float  # share of spend that is kept, 0 to 1

    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HistoricalValue:
    """What each customer has brought so far. Columns of `frame`: customer_id, contribution (in currency)."""

    frame: Frame  # one row a customer, in the engine of the input
    total: float  # sum of contribution, in currency
    n: int  # customers
    margin: float  # share of the amounts that is kept, 0 to 1

    __repr__ = result_text
    _repr_html_ = result_html


def expected_spend(fit: SpendFit, customers: CustomerSummary | Frame) -> Frame:
    """Return the mean amount that each customer is expected to spend a purchase, from now on.

    Parameters
    ----------
    fit : SpendFit
        From `fit_spend`.
    customers : CustomerSummary or frame
        Columns frequency and monetary_value (mean of the repeat purchases; not used where frequency is 0), in any
        engine.

    Returns
    -------
    frame
        Columns customer_id (if there) and expected_spend (in currency), in the engine of the input.

    Raises
    ------
    InputError
        If a frequency is impossible, monetary_value is missing for a customer with repeat purchases, or the mean does
        not exist: under Gamma-Gamma with q at most 1 there is no population mean, and none for customers with
        p · frequency + q at most 1.

    Notes
    -----
    A customer without repeat purchases gets the mean of the population. The model knows no spend of 0 or below: a
    customer whose refunds ate up her repeat purchases gets what it expects of one who spent nothing on them, the least
    that it can expect.

    Examples
    --------
    The population's mean is p · v / (q − 1) = 20; a first repeat purchase of 30 raises it to 2 · (20 + 30) / (2 + 2):

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.gamma_gamma import GAMMA_GAMMA, Params
    >>> spend = SpendFit(
    ...     model=GAMMA_GAMMA, params=Params(p=2.0, q=3.0, v=20.0), log_covariance=np.eye(3), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, n_without_repeat=1, n_not_positive=0,
    ... )
    >>> expected_spend(spend, pd.DataFrame({"frequency": [0, 1], "monetary_value": [np.nan, 30.0]}))
       expected_spend
    0            20.0
    1            25.0
    """
    frame = open_customers(customers, SPEND)
    require_spend(fit, frame)
    return to_native(with_spend(fit, frame).select(*kept_ids(frame), "expected_spend"))


def customer_value(
    summary: CustomerSummary | Frame,
    purchases_fit: PurchaseFit,
    spend_fit: SpendFit,
    *,
    horizon: float,
    discount_rate: float,
    margin: float = 1.0,
) -> CustomerValue:
    """Return the discounted contribution that each customer is expected to bring over the horizon.

    Parameters
    ----------
    summary : CustomerSummary or frame
        Columns frequency, recency, T and monetary_value, in any engine; a plain frame must be in the time unit of the
        fit.
    purchases_fit : PurchaseFit
        From `fit_purchases`.
    spend_fit : SpendFit
        From `fit_spend`.
    horizon : float
        Length of the time after T, in time units of the fit, above 0; a fraction makes the last period shorter.
    discount_rate : float
        Cost of capital per year, 0.1 for 10 %; above -1.
    margin : float
        Share of spend that is kept after the cost of goods, 0 to 1.

    Returns
    -------
    CustomerValue
        One row a customer, and the total.

    Raises
    ------
    InputError
        If a history or a monetary_value is impossible, an argument is out of its range, the summary is in another time
        unit than the fit, or the mean spend does not exist (see `expected_spend`).

    Notes
    -----
    value = margin · expected_spend · Σ_k (1 + d)^−t_k · [E(t_k) − E(t_k−1)], where E(t) is the expected number of
    purchases up to t, the t_k are 1, 2, ... time units up to the horizon, and d is the rate per time unit that
    compounds to `discount_rate` over 365.25 days. Purchases are thus paid at the end of the unit in which they fall.
    The model takes spend not to depend on how often a customer buys. A monetary_value of 0 or below is taken as 0, and
    counted.

    References
    ----------
    Fader, Hardie & Lee (2005) "RFM and CLV: using iso-value curves for customer base analysis", Journal of Marketing
    Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415

    Examples
    --------
    Without a discount it is purchases times spend times margin: 1 · 20 · 0.5 and 0.5 · 25 · 0.5.

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> from crmvalue.models.gamma_gamma import GAMMA_GAMMA, Params
    >>> spend = SpendFit(
    ...     model=GAMMA_GAMMA, params=Params(p=2.0, q=3.0, v=20.0), log_covariance=np.eye(3), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, n_without_repeat=1, n_not_positive=0,
    ... )
    >>> customers["monetary_value"] = [np.nan, 30.0]
    >>> result = customer_value(customers, fit, spend, horizon=10, discount_rate=0.0, margin=0.5)
    >>> result.frame[["expected_purchases", "expected_spend", "value"]]
       expected_purchases  expected_spend  value
    0                 1.0            20.0  10.00
    1                 0.5            25.0   6.25
    >>> result.total
    16.25
    """
    horizon = require_number("horizon", horizon, above=0, at_most=MOST_PERIODS)
    discount_rate = require_number("discount_rate", discount_rate, above=-1)
    margin = require_number("margin", margin, at_least=0, at_most=1)
    model = purchases_fit.model
    rate = periodic_rate(discount_rate, purchases_fit.time_unit)

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        states = distinct_states(model, params, frequency, recency, T)
        *state, place = states
        alive = model.probability_alive(params, frequency, recency, T)
        undiscounted = model.purchases_if_alive(state[0], horizon, *state[1:])
        discounted = discounted_purchases(model, states, horizon, rate)
        return {
            "probability_alive": alive,
            "expected_purchases": alive * undiscounted[place],
            "value": alive * discounted[place] * margin,
        }

    summary_frame = open_customers(summary, (*PURCHASES, "monetary_value"), argument="summary")
    n_not_positive = require_spend(spend_fit, summary_frame)
    answers = predicted(purchases_fit, summary, predict, keep=("frequency", "monetary_value"))
    frame = with_spend(spend_fit, answers).with_columns(value=nw.col("value") * nw.col("expected_spend"))
    frame = frame.select(*kept_ids(frame), "probability_alive", "expected_purchases", "expected_spend", "value")
    sums = one_row(frame, total=nw.col("value").sum(), n=nw.len())
    return CustomerValue(
        frame=to_native(frame),
        total=float(sums["total"]),
        n=int(sums["n"]),
        n_not_positive=n_not_positive,
        horizon=horizon,
        time_unit=purchases_fit.time_unit,
        discount_rate=discount_rate,
        margin=margin,
    )


def historical_value(transactions: Transactions | Frame, *, margin: float = 1.0) -> HistoricalValue:
    """Return the contribution that each customer has brought so far.

    Parameters
    ----------
    transactions : Transactions or frame
        Columns customer_id and amount, in any engine; refunds are negative amounts.
    margin : float
        Share of the amounts that is kept after the cost of goods, 0 to 1.

    Returns
    -------
    HistoricalValue
        One row a customer, in no promised order, and the total; not discounted.

    Raises
    ------
    InputError
        If an id or amount is missing, there are no rows, or the margin is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["a", "b", "a"], "amount": [10.0, 4.0, 20.0]})
    >>> historical_value(rows, margin=0.5).total
    17.0
    """
    margin = require_number("margin", margin, at_least=0, at_most=1)
    native = transactions.frame if isinstance(transactions, Transactions) else transactions
    rows = open_frame(native, argument="transactions", needs=("customer_id", "amount"))
    amount = nw.col("amount").cast(nw.Float64)
    no_amount, no_id = is_missing(amount) | (amount.abs() == np.inf), nw.col("customer_id").is_null()
    seen = one_row(rows, n=nw.len(), no_amount=count_of(no_amount), no_id=count_of(no_id))
    if not seen["n"]:
        raise InputError("transactions: the frame has no rows. Pass at least one transaction.")
    if seen["no_id"]:
        refuse(rows, "customer_id", "missing", FILL, no_id)
    if seen["no_amount"]:
        refuse(rows, "amount", "missing or infinite", FILL, no_amount)
    kept = rows.select("customer_id", contribution=amount * margin)
    frame = kept.group_by("customer_id").agg(nw.col("contribution").sum())
    sums = one_row(frame, total=nw.col("contribution").sum(), n=nw.len())
    return HistoricalValue(frame=to_native(frame), total=float(sums["total"]), n=int(sums["n"]), margin=margin)


def textbook_value(contribution_per_period: ArrayLike, retention_rate: ArrayLike, discount_rate: ArrayLike) -> Array:
    """Return the value of customers who bring the same every period until they leave, by the formula managers know.

    Parameters
    ----------
    contribution_per_period : array_like
        Money kept from a customer in each period in which she is one.
    retention_rate : array_like
        Chance that a customer of one period still is one in the next, at least 0 and below 1.
    discount_rate : array_like
        Cost of capital per period, above -1 and above retention_rate − 1.

    Returns
    -------
    ndarray
        Present value, in the currency of the contribution; of the shape to which the arguments broadcast.

    Raises
    ------
    InputError
        If a rate is out of its range, or a number is missing.

    Notes
    -----
    m · r / (1 + d − r), the sum of m · (r / (1 + d))^k over k = 1, 2, ...: the first payment comes one period from now,
    and only if she stays until then. Where she pays at the start of each period, now included, add m. The formula takes
    all customers to be alike and to stay with the same chance for ever; `customer_value` does not.

    References
    ----------
    Gupta & Lehmann (2003) "Customers as assets", Journal of Interactive Marketing 17(1), 9-24.
    https://doi.org/10.1002/dir.10045

    Examples
    --------
    >>> textbook_value([100.0, 100.0], [0.8, 0.5], 0.2)  # 100 · 0.8 / 0.4 and 100 · 0.5 / 0.7
    array([200.        ,  71.42857143])
    """
    given = [np.asarray(value, dtype=float) for value in (contribution_per_period, retention_rate, discount_rate)]
    amount, retention, rate = np.broadcast_arrays(*given)
    require_rows(np.isfinite(amount).ravel(), "contribution_per_period", "missing or infinite", FILL)
    stays = (retention >= 0) & (retention < 1)
    require_rows(stays.ravel(), "retention_rate", "not at least 0 and below 1", "Pass 0.8 for 80 % a period.")
    converges = np.isfinite(rate) & (rate > -1) & (1 + rate > retention)
    require_rows(converges.ravel(), "discount_rate", "too low for a finite value", "Pass 0.1 for 10 % a period.")
    return np.asarray(amount * retention / (1 + rate - retention))


def count_of(condition: nw.Expr) -> nw.Expr:
    """Count of rows; as integers, for Spark and DuckDB have no sum of booleans."""
    return condition.cast(nw.Int64).sum()


def require_spend(fit: SpendFit, frame: AnyFrame) -> int:
    """Raise InputError where no spend can be expected; return how many customers are taken to have spent nothing."""
    frequency, spend = nw.col("frequency").cast(nw.Float64), nw.col("monetary_value").cast(nw.Float64)
    no_mean = frequency <= fit.model.mean_exists_above(fit.params)
    not_positive = (frequency > 0) & (spend <= 0)
    seen = one_row(
        frame,
        n=nw.len(),
        no_frequency=count_of(is_missing(frequency) | (frequency.abs() == np.inf)),
        **{f"broken_{i}": count_of(rule[3](frequency)) for i, rule in enumerate(COUNT_RULES)},
        no_spend=count_of(missing_spend()),
        no_mean=count_of(no_mean),
        not_positive=count_of(not_positive),
    )
    if not seen["n"]:
        raise InputError("customers: the frame has no rows. Pass at least one customer.")
    if seen["no_frequency"]:
        refuse(frame, "frequency", "missing or infinite", FILL, is_missing(frequency) | (frequency.abs() == np.inf))
    for i, (column, problem, remedy, breaks) in enumerate(COUNT_RULES):
        if seen[f"broken_{i}"]:
            refuse(frame, column, problem, remedy, breaks(frequency))
    if seen["no_spend"]:
        refuse_missing_spend(frame)
    if seen["no_mean"]:
        remedy = "The fit has too heavy a tail for a mean there: leave these customers out, or fit on more customers."
        refuse(frame, "expected_spend", "no finite mean", remedy, no_mean)
    return int(seen["not_positive"] or 0)


def with_spend(fit: SpendFit, frame: AnyFrame) -> AnyFrame:
    """Return the frame with expected_spend, computed in its engine."""
    frequency, spend = nw.col("frequency").cast(nw.Float64), nw.col("monetary_value").cast(nw.Float64)
    known = nw.when((frequency > 0) & (spend > 0)).then(spend).otherwise(nw.lit(0.0))
    with_known = frame.with_columns(_crm_spend=known)
    expected = fit.model.expected_spend(fit.params, frequency, nw.col("_crm_spend"))
    return with_known.with_columns(expected_spend=expected).drop("_crm_spend")
