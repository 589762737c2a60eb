"""How long will subscribers stay, and what will they bring? Survival, retention and value of customers with contracts.

Where a customer who leaves is seen to leave, her tenure says all: these functions take a fit of `fit_retention`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_rows
from crmvalue._core.columns import read_numbers
from crmvalue._core.frames import AnyFrame, column_names, compute_columns, count_true, one_row, open_frame, to_native
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, TimeUnit
from crmvalue.errors import InputError
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.fit_retention import RetentionFit
from crmvalue.models.histories import Rule, checked, is_fractional, is_missing, refuse

TENURE = "tenure counts the contract periods that she has stayed, 0 or more."
RULES: tuple[Rule, ...] = (
    ("tenure", "negative", TENURE, lambda tenure, *_: tenure < 0),
    ("tenure", "not a whole number", TENURE, lambda tenure, *_: is_fractional(tenure)),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContractValue:
    """What each customer with a contract is expected to bring.

    Columns of `frame`: customer_id (if the input has it); tenure; expected_periods (that she still pays for, not
    discounted; infinite where the tail of the model is too heavy for a mean); value (discounted contribution, in
    currency).
    """

    frame: Frame  # one row a customer, in the engine of the input
    total: float  # sum of value, in currency
    n: int  # customers
    first_payment: int  # periods from now until the first payment that counts
    horizon: float  # periods from now within which payments count; may be infinite
    time_unit: TimeUnit  # length of a contract period
    discount_rate: float  # per year

    __repr__ = result_text
    _repr_html_ = result_html


def survival_curve(fit: RetentionFit, t: ArrayLike) -> Array:
    """Return the share of new customers who are expected to stay through t contract periods.

    Parameters
    ----------
    fit : RetentionFit
        From `fit_retention`.
    t : array_like
        Numbers of periods, 0 or more.

    Returns
    -------
    ndarray
        Between 0 and 1, of the shape of `t`.

    Raises
    ------
    InputError
        If a number is negative, not whole or missing.

    References
    ----------
    Fader & Hardie (2007) "How to project customer retention", Journal of Interactive Marketing 21(1), 76-90.
    https://doi.org/10.1002/dir.20074

    Examples
    --------
    Leaving and staying have pseudo-counts of 1 and 2, so 2/3 stay at first, then 3/4 of these, then 4/5:

    >>> import numpy as np
    >>> from crmvalue.models.sbg import SBG, Params
    >>> fit = RetentionFit(
    ...     model=SBG, params=Params(alpha=1.0, beta=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=9, n_churned=4, time_unit="year",
    ... )
    >>> survival_curve(fit, [0, 1, 2, 3]).round(3)
    array([1.   , 0.667, 0.5  , 0.4  ])
    """
    return np.exp(fit.model.log_survival(fit.params, whole_periods(t, "t", least=0)))


def retention_rates(fit: RetentionFit, t: ArrayLike) -> Array:
    """Return the share of the customers there at the start of period t who are expected to stay through it.

    Parameters
    ----------
    fit : RetentionFit
        From `fit_retention`.
    t : array_like
        Contract periods, 1 or more; 1 ends with the first renewal.

    Returns
    -------
    ndarray
        Between 0 and 1, of the shape of `t`; under sBG it rises with t, for those likely to leave go first.

    Raises
    ------
    InputError
        If a period is below 1, not whole or missing.

    Examples
    --------
    >>> import numpy as np
    >>> from crmvalue.models.sbg import SBG, Params
    >>> fit = RetentionFit(
    ...     model=SBG, params=Params(alpha=1.0, beta=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=9, n_churned=4, time_unit="year",
    ... )
    >>> retention_rates(fit, [1, 2, 3]).round(3)
    array([0.667, 0.75 , 0.8  ])
    """
    return fit.model.retention_rate(fit.params, whole_periods(t, "t", least=1))


def expected_residual_lifetime(fit: RetentionFit, tenure: ArrayLike) -> Array:
    """Return the contract periods that are expected to remain to customers who have stayed for `tenure` periods.

    Parameters
    ----------
    fit : RetentionFit
        From `fit_retention`.
    tenure : array_like
        Periods behind them, 0 or more; 0 for a new customer.

    Returns
    -------
    ndarray
        Periods, the one that now begins included, so at least 1; of the shape of `tenure`. Infinite where the mean does
        not exist: under sBG for alpha at most 1, under BdW for gamma · c at most 1. Then use `contract_value`, which
        is finite at any discount above 0.

    Raises
    ------
    InputError
        If a tenure is negative, not whole or missing.

    Notes
    -----
    Σ S(n + k) / S(n) over k = 0, 1, ..., to infinity: nothing is cut off. Under sBG it is (α + β + n − 1) / (α − 1).

    References
    ----------
    Fader & Hardie (2010) "Customer-base valuation in a contractual setting: the perils of ignoring heterogeneity",
    Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482

    Examples
    --------
    >>> import numpy as np
    >>> from crmvalue.models.sbg import SBG, Params
    >>> fit = RetentionFit(
    ...     model=SBG, params=Params(alpha=3.0, beta=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=9, n_churned=4, time_unit="year",
    ... )
    >>> expected_residual_lifetime(fit, [0, 2])  # (3 + 2 − 1) / 2, and 2 more above
    array([2., 3.])
    """
    periods = whole_periods(tenure, "tenure", least=0)
    return by_tenure(fit, periods, 0.0, 0, np.inf)


def contract_value(
    fit: RetentionFit,
    customers: Frame,
    *,
    contribution: float | str,
    discount_rate: float,
    first_payment: int = 0,
    horizon: float = np.inf,
) -> ContractValue:
    """Return the discounted contribution that each customer with a contract is expected to bring from now on.

    Parameters
    ----------
    fit : RetentionFit
        From `fit_retention`.
    customers : frame
        One row for each customer still there, with a column tenure (contract periods that she has stayed, in the unit
        of the fit), in any engine.
    contribution : float or str
        Money kept from a customer in each period that she pays for; or the column that holds it.
    discount_rate : float
        Cost of capital per year, 0.1 for 10 %; at least 0.
    first_payment : int
        Periods from now until the first payment that counts: 0 if the period that now begins is still to be paid, 1 if
        it has been paid and the next payment depends on a renewal.
    horizon : float
        Payments within so many periods from now count; infinity, the default, for all there will ever be.

    Returns
    -------
    ContractValue
        One row a customer, and the total.

    Raises
    ------
    InputError
        If a tenure or contribution is impossible, an argument is out of its range, or the value is infinite, as it is
        at a rate of 0 where the mean lifetime does not exist.

    Notes
    -----
    value = contribution · Σ (1 + d)^−k S(n + k) / S(n) over k from `first_payment` to below `horizon`, where n is the
    tenure and d the rate per period that compounds to `discount_rate` over 365.25 days. A customer pays at the start
    of each period. With `first_payment=0` and no horizon it is the discounted expected lifetime at tenure n.

    References
    ----------
    Fader & Hardie (2010) "Customer-base valuation in a contractual setting: the perils of ignoring heterogeneity",
    Marketing Science 29(1), 85-93. https://doi.org/10.1287/mksc.1080.0482

    Examples
    --------
    Two years at 100 each; 2/3 of the new customers renew, and 4/5 of those who have stayed for two years:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.sbg import SBG, Params
    >>> fit = RetentionFit(
    ...     model=SBG, params=Params(alpha=1.0, beta=2.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=9, n_churned=4, time_unit="year",
    ... )
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "tenure": [0, 2]})
    >>> contract_value(fit, people, contribution=100.0, discount_rate=0.0, horizon=2).frame.round(2)
      customer_id  tenure  expected_periods   value
    0           a       0              1.67  166.67
    1           b       2              1.80  180.00
    """
    rate = periodic_rate(require_number("discount_rate", discount_rate, at_least=0), fit.time_unit)
    start, stop = checked_window(first_payment, horizon)
    frame, paid = with_contribution(customers, contribution)

    def predict(*rows: AnyArray) -> Mapping[str, AnyArray]:
        (tenure,) = checked(frame, ["tenure"], RULES, rows)
        discounted = by_tenure(fit, tenure, rate, start, stop)
        if np.isinf(discounted).any():
            raise InputError(
                "discount_rate: at 0 the value of these customers is infinite, for the mean lifetime does not exist. "
                "Pass a discount_rate above 0, or a finite horizon."
            )
        return {"expected_periods": by_tenure(fit, tenure, 0.0, start, stop), "_crm_discounted": discounted}

    answers = compute_columns(frame, ["tenure"], predict).with_columns(value=paid * nw.col("_crm_discounted"))
    ids = [name for name in column_names(frame) if name == "customer_id"]
    answers = answers.select(*ids, "tenure", "expected_periods", "value")
    sums = one_row(answers, total=nw.col("value").sum(), n=nw.len())
    return ContractValue(
        frame=to_native(answers),
        total=float(sums["total"]),
        n=int(sums["n"]),
        first_payment=start,
        horizon=stop,
        time_unit=fit.time_unit,
        discount_rate=float(discount_rate),
    )


def with_contribution(customers: Frame, contribution: float | str) -> tuple[AnyFrame, nw.Expr]:
    """Return customer_id (if there), tenure and what else is needed of the frame, and the contribution a period."""
    named = isinstance(contribution, str)
    needs = ["tenure", str(contribution)] if named else ["tenure"]
    frame = open_frame(customers, argument="customers", needs=needs)
    kept = [name for name in column_names(frame) if name in ("customer_id", "tenure")]
    if not named:
        return frame.select(*kept), nw.lit(require_number("contribution", contribution))
    column = nw.col(str(contribution))
    frame = read_numbers(frame.select(*kept, _crm_contribution=column), "_crm_contribution", argument="contribution")
    column = nw.col("_crm_contribution")
    bad = is_missing(column) | (column.abs() == np.inf)
    if count_true(frame, {"bad": bad})["bad"]:
        refuse(frame, str(contribution), "missing or infinite", "Fill or drop these customers.", bad)
    return frame, column


def by_tenure(fit: RetentionFit, tenure: Array, rate: float, start: int, stop: float) -> Array:
    """Discounted periods from `start` to below `stop` of customers of these tenures, computed once for each tenure."""
    kinds, place = np.unique(tenure, return_inverse=True)
    log_survival = fit.model.log_survival
    later = fit.model.residual_lifetime(fit.params, kinds + start, rate, stop - start)
    there = np.exp(log_survival(fit.params, kinds + start) - log_survival(fit.params, kinds))
    with np.errstate(invalid="ignore"):  # a chance of 0 of infinitely many periods
        value = there * (1 + rate) ** -float(start) * later
    return np.asarray(np.nan_to_num(value, nan=0.0, posinf=np.inf)[place].reshape(tenure.shape))


def whole_periods(values: ArrayLike, argument: str, *, least: int) -> Array:
    """Return numbers of periods as floats, or raise InputError."""
    periods = np.asarray(values, dtype=float)
    ok = (periods >= least) & np.isfinite(periods) & (periods == np.floor(periods))
    remedy = f"Pass whole numbers of contract periods, {least} or more."
    require_rows(ok.ravel(), argument, f"below {least}, not whole, or missing", remedy)
    return periods


def checked_window(first_payment: int, horizon: float) -> tuple[int, float]:
    """Return the first period that counts and the one at which it ends, or raise InputError."""
    first = require_number("first_payment", first_payment, at_least=0)
    if first != np.floor(first):
        raise InputError(f"first_payment: got {first_payment!r}. Pass a whole number of periods, 0 or more.")
    if horizon != np.inf:
        horizon = require_number("horizon", horizon, at_least=1)
    if not horizon > first or (np.isfinite(horizon) and horizon != np.floor(horizon)):
        raise InputError(f"horizon: got {horizon!r}. Pass a whole number of periods above first_payment, or infinity.")
    return int(first), float(horizon)
