"""What will customers bring? Expected purchases, times expected spend, times margin, discounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.frames import count_true, one_row, open_frame, to_native
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.data.transactions import Transactions
from crmvalue.errors import InputError
from crmvalue.models import MODELS
from crmvalue.models.answers import require_horizon
from crmvalue.models.bdw import BDW
from crmvalue.models.bg_bb import BG_BB
from crmvalue.models.bg_cnbd_k import BG_CNBD_K
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.cash_flow import Terms, flows_of_all, priced, value_of_each
from crmvalue.models.comparison import compare_models
from crmvalue.models.fit import PurchaseFit, SpendFit, fit_purchases, fit_spend
from crmvalue.models.fit_retention import fit_retention
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.ggompertz_nbd import GGOMPERTZ_NBD
from crmvalue.models.histories import is_missing, refuse
from crmvalue.models.mbg_cnbd_k import MBG_CNBD_K
from crmvalue.models.mbg_nbd import MBG_NBD
from crmvalue.models.nbd import NBD
from crmvalue.models.pareto_nbd import PARETO_NBD
from crmvalue.models.predictions import (
    conditional_expected_purchases,
    discounted_residual_purchases,
    expected_purchases,
    probability_alive,
    purchase_probabilities,
)
from crmvalue.models.sbg import SBG
from crmvalue.models.spend_predictions import expected_spend

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BDW",
    "BG_BB",
    "BG_CNBD_K",
    "BG_NBD",
    "GAMMA_GAMMA",
    "GGOMPERTZ_NBD",
    "MBG_CNBD_K",
    "MBG_NBD",
    "MODELS",
    "NBD",
    "PARETO_NBD",
    "SBG",
    "CustomerValue",
    "HistoricalValue",
    "compare_models",
    "conditional_expected_purchases",
    "customer_value",
    "discounted_residual_purchases",
    "expected_purchases",
    "expected_spend",
    "fit_purchases",
    "fit_retention",
    "fit_spend",
    "historical_value",
    "probability_alive",
    "purchase_probabilities",
    "textbook_value",
    "value_by_period",
]

FILL = "Fill or drop these rows."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerValue:
    """What each customer is expected to bring over the horizon.

    Columns of `frame`: customer_id (if the input has it); probability_alive; expected_purchases (over the horizon, not
    discounted); expected_spend (per purchase, in currency); value (discounted contribution less costs over the horizon,
    in currency).
    """

    frame: Frame  # one row a customer, in the engine of the input
    total: float  # sum of value, in currency
    n: int  # customers
    n_not_positive: int  # customers with repeat purchases whose monetary_value, below 0 or 0, was taken as 0
    horizon: float  # in time units
    time_unit: TimeUnit
    discount_rate: float | str  # per year, or the column that held it
    margin: float | str  # share of spend that is kept, 0 to 1, or the column that held it
    cost_to_serve: float | str  # in currency a purchase, or the column that held it
    retention_cost: float | str  # in currency a time unit, or the column that held it

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


def customer_value(
    summary: CustomerSummary | Frame,
    purchases_fit: PurchaseFit,
    spend_fit: SpendFit,
    *,
    horizon: float,
    discount_rate: float | str,
    margin: float | str = 1.0,
    cost_to_serve: float | str = 0.0,
    retention_cost: float | str = 0.0,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> CustomerValue:
    """Return the discounted contribution that each customer is expected to bring over the horizon.

    Parameters
    ----------
    summary : CustomerSummary or frame
        Columns frequency, recency, T and monetary_value, in any engine.
    purchases_fit : PurchaseFit
        From `fit_purchases`.
    spend_fit : SpendFit
        From `fit_spend`.
    horizon : float
        Length of the time after T, in time units of the fit, above 0; a fraction makes the last period shorter.
    discount_rate : float or str
        Cost of capital per year, 0.1 for 10 %; above -1. Or the column that holds it, if customers differ in risk.
    margin : float or str
        Share of spend that is kept after the cost of goods, 0 to 1; or the column that holds it.
    cost_to_serve : float or str
        What a purchase costs besides the goods, such as picking, shipping and payment, in currency; or the column that
        holds it.
    retention_cost : float or str
        What a customer costs a time unit whether she buys or not, such as mailings, a loyalty programme or an account
        manager, in currency; or the column that holds it. It is counted for each time unit that she begins as a
        customer.
    covariates : frame, optional
        For fits with covariates: a frame with customer_id and the columns of both fits. Not needed if the summary's
        frame has these columns itself.
    time_unit : {"day", "week", "month", "year"}, optional
        Unit of recency and T in a plain frame, if it is not the fit's: they are converted. The horizon stays in the
        fit's.

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
    value = Σ_k (1 + d)^−t_k · {(margin · expected_spend − cost_to_serve) · [E(t_k) − E(t_k−1)] − retention_cost ·
    (t_k − t_k−1) · P(t_k−1)}, where E(t) is the expected number of purchases up to t, P(t) the chance still to be a
    customer at t, the t_k are 1, 2, ... time units up to the horizon, and d is the rate per time unit that compounds to
    `discount_rate` over 365.25 days. What falls into a time unit is thus paid at its end. A value below 0 is possible:
    that customer costs more than she is expected to bring. A monetary_value of 0 or below is taken as 0, and counted.

    `value_by_period` shows where the total comes from.

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
    horizon = require_horizon(purchases_fit, horizon)
    terms = Terms(margin, cost_to_serve, retention_cost, discount_rate)
    customers = priced(summary, purchases_fit, spend_fit, terms, covariates, time_unit)
    frame = value_of_each(customers, purchases_fit, spend_fit, horizon)
    sums = one_row(frame, total=nw.col("value").sum(), n=nw.len())
    return CustomerValue(
        frame=to_native(frame),
        total=float(sums["total"]),
        n=int(sums["n"]),
        n_not_positive=customers.n_not_positive,
        horizon=horizon,
        time_unit=purchases_fit.time_unit,
        **customers.terms._asdict(),
    )


def value_by_period(
    summary: CustomerSummary | Frame,
    purchases_fit: PurchaseFit,
    spend_fit: SpendFit,
    *,
    horizon: float,
    discount_rate: float | str,
    margin: float | str = 1.0,
    cost_to_serve: float | str = 0.0,
    retention_cost: float | str = 0.0,
    covariates: Frame | None = None,
    time_unit: TimeUnit | None = None,
) -> pd.DataFrame:
    """Return the expected cash flow of all customers together, period by period: where their value comes from.

    Parameters
    ----------
    summary, purchases_fit, spend_fit, horizon, discount_rate, margin, cost_to_serve, retention_cost
        As for `customer_value`.
    covariates, time_unit
        As for `customer_value`.

    Returns
    -------
    pandas.DataFrame
        Index period (1, 2, ..., each a time unit of the fit; the last may be shorter); end (of the period, in time
        units from now); and expected sums over all customers: customers (who begin the period as customers), purchases,
        revenue, contribution (revenue times margin), cost_to_serve, retention_cost, cash_flow (contribution less both
        costs), discount_factor, present_value (their product), cumulative_value (up to here; the last is the total of
        `customer_value`). Amounts are in currency.

    Raises
    ------
    InputError
        As for `customer_value`.

    Notes
    -----
    Where discount rates differ between customers, discount_factor is the one that the cash flow of the period has as a
    whole. For the table of some customers only, pass a summary of these.

    Examples
    --------
    Two customers of whom one is sure to be one now, one with a chance of 1/3; at 10 % each year is worth 1/1.1 of the
    one before:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="year",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> from crmvalue.models.gamma_gamma import GAMMA_GAMMA, Params
    >>> spend = SpendFit(
    ...     model=GAMMA_GAMMA, params=Params(p=2.0, q=3.0, v=20.0), log_covariance=np.eye(3), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, n_without_repeat=1, n_not_positive=0,
    ... )
    >>> customers["monetary_value"] = [np.nan, 30.0]
    >>> table = value_by_period(customers, fit, spend, horizon=2, discount_rate=0.1, margin=0.5, retention_cost=1)
    >>> table[["customers", "contribution", "cash_flow", "present_value"]].round(3)
            customers  contribution  cash_flow  present_value
    period
    1           1.333         2.955      1.621          1.474
    2           1.169         2.462      1.293          1.069
    """
    import pandas as pd

    horizon = require_horizon(purchases_fit, horizon)
    terms = Terms(margin, cost_to_serve, retention_cost, discount_rate)
    customers = priced(summary, purchases_fit, spend_fit, terms, covariates, time_unit)
    flows = flows_of_all(customers, purchases_fit, spend_fit, horizon)._asdict()
    present = flows.pop("present_value")
    table = pd.DataFrame(flows, index=pd.RangeIndex(1, len(present) + 1, name="period"))
    factor = present / table["cash_flow"].where(table["cash_flow"] != 0)
    return table.assign(discount_factor=factor, present_value=present, cumulative_value=present.cumsum())


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
    seen = count_true(rows, {"no_amount": no_amount, "no_id": no_id, "there": no_id | ~no_id})
    if not seen["there"]:
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
