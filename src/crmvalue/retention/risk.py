"""Early warning: who is about to be lost, what that would cost, and down to whom a contact pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_columns, require_number
from crmvalue._core.frames import column_names, one_row, to_native
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, TimeUnit
from crmvalue.data.summary import CustomerSummary
from crmvalue.models.answers import predicted
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.histories import (
    PURCHASES,
    is_missing,
    open_customers,
    refuse,
    require_unit_of_fit,
)
from crmvalue.models.model import Parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChurnRisk:
    """Customers, the most worth a contact first.

    Columns of `frame`: customer_id; probability_alive; overdue (time since the last purchase in units of her own mean
    time between purchases; missing without a repeat purchase); value_if_alive (contribution expected over the horizon
    if she still is a customer, in currency); value_at_risk (of this, times the probability that she is gone);
    expected_gain (of a contact, in currency).
    """

    frame: Frame  # one row a customer, by expected_gain, highest first, in the engine of the input
    n: int  # customers
    depth: int  # customers whose contact pays: those at the top with an expected gain above 0
    gain: float  # sum of their expected gains, in currency
    value_at_risk: float  # sum over all customers, in currency
    contact_cost: float  # of one contact, in currency
    success: float  # share of those gone whom a contact brings back
    horizon: float  # in time units
    time_unit: TimeUnit
    notes: tuple[str, ...] = ()  # the `health` of the fit, and whether it tells anybody apart

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def churn_risk(
    summary: CustomerSummary | Frame,
    fit: PurchaseFit,
    *,
    horizon: float,
    contact_cost: float = 0.0,
    success: float = 1.0,
    margin: float = 1.0,
    spend: str | None = None,
    covariates: Frame | None = None,
) -> ChurnRisk:
    r"""List customers by what a contact is expected to gain, and say down to whom it pays.

    Parameters
    ----------
    summary : CustomerSummary or frame
        From `summarize_customers`; a plain frame needs customer_id, frequency, recency, T, in the unit of the fit, and
        total_spend and purchases or the column `spend`.
    fit : PurchaseFit
        From `fit_purchases`.
    horizon : float
        Length of the time ahead in which a customer who is won back buys, in time units of the fit, above 0.
    contact_cost : float
        Cost of one contact, in currency, at least 0.
    success : float
        Share of those gone whom a contact brings back, 0 to 1; best taken from an experiment.
    margin : float
        Share of spend that is kept, 0 to 1.
    spend : str, optional
        Column of the spend expected a purchase, such as expected_spend; by default her mean so far, at least 0.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit, unless the summary's frame has
        them itself.

    Returns
    -------
    ChurnRisk
        The list, and the depth at which it stops paying.

    Raises
    ------
    InputError
        If a history is impossible, a column is missing, or an argument is out of its range.

    Notes
    -----
    With the probability to be alive :math:`p`, purchases :math:`E` expected over the horizon of one who is alive, and
    spend :math:`m` a purchase,

    .. math::
        \text{value at risk} = (1 - p)\, E\, m \cdot \text{margin}, \qquad
        \text{expected gain} = \text{success} \cdot \text{value at risk} - \text{cost of the contact}

    So the list is led neither by those surely gone with little value nor by the best who surely are there. A contact
    is taken to change nothing for those who are alive. Nothing is discounted: keep the horizon short. Models work in
    memory: of a lazy frame, each distinct history is read into Python, once; the ids stay where they are.
    A model in which nobody leaves puts nothing at risk; `notes` says so.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987) "Counting your customers", Management Science 33(1),
    https://doi.org/10.1287/mnsc.33.1.1

    Neslin, Gupta, Kamakura, Lu & Mason (2006) "Defection detection", Journal of Marketing Research 43(2),
    https://doi.org/10.1509/jmkr.43.2.204

    Examples
    --------
    bob bought twice, four weeks apart, and has been silent for four more: once his own time, so he is overdue by 1.

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=2.0, alpha=2.0, a=2.0, b=1.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"customer_id": ["ann", "bob"], "frequency": [0, 1], "recency": [0.0, 4.0],
    ...                           "T": [8.0, 8.0], "purchases": [1, 2], "total_spend": [20.0, 40.0]})
    >>> risk = churn_risk(customers, fit, horizon=10.0, contact_cost=1.0)
    >>> risk.frame[["customer_id", "probability_alive", "overdue"]].round(3)
      customer_id  probability_alive  overdue
    0         bob              0.097      1.0
    1         ann              1.000      NaN
    >>> risk.depth
    1
    """
    require_number("horizon", horizon, above=0)
    require_number("contact_cost", contact_cost, at_least=0)
    require_number("success", success, at_least=0, at_most=1)
    require_number("margin", margin, at_least=0, at_most=1)
    require_unit_of_fit(summary, fit.time_unit)
    frame = open_customers(summary, ["customer_id", *PURCHASES], argument="summary")
    needed = [spend] if spend else ["total_spend", "purchases"]
    require_columns(column_names(frame), needed, argument="summary")
    for name in needed:
        unknown = is_missing(nw.col(name))
        if one_row(frame, n=unknown.cast(nw.Int64).sum())["n"]:
            refuse(frame, name, "missing", "Fill or drop these customers.", unknown)
    mean = nw.col(spend) if spend else nw.col("total_spend") / nw.col("purchases")
    frame = frame.with_columns(_crm_spend=mean.cast(nw.Float64))

    def predict(params: Parameters, frequency: Array, recency: Array, T: Array) -> Mapping[str, AnyArray]:
        return {
            "probability_alive": fit.model.probability_alive(params, frequency, recency, T),
            "_crm_ahead": fit.model.purchases_if_alive(params, np.asarray(float(horizon)), frequency, recency, T),
            "overdue": overdue(frequency, recency, T),
        }

    listed = predicted(fit, frame, predict, keep=("_crm_spend",), covariates=covariates)
    paid = nw.when(nw.col("_crm_spend") > 0).then(nw.col("_crm_spend")).otherwise(0.0)
    listed = listed.with_columns(value_if_alive=nw.col("_crm_ahead") * paid * margin)
    listed = listed.with_columns(value_at_risk=(1 - nw.col("probability_alive")) * nw.col("value_if_alive"))
    listed = listed.with_columns(expected_gain=nw.col("value_at_risk") * success - contact_cost)
    gain, pays = nw.col("expected_gain"), (nw.col("expected_gain") > 0).cast(nw.Int64)
    found = one_row(
        listed.with_columns(_crm_pays=pays, _crm_gain=gain * pays),
        n=nw.len(),
        depth=nw.col("_crm_pays").sum(),
        gain=nw.col("_crm_gain").sum(),
        risk=nw.col("value_at_risk").sum(),
        least=nw.col("probability_alive").min(),
    )
    names = ["customer_id", "probability_alive", "overdue", "value_if_alive", "value_at_risk", "expected_gain"]
    ranked = listed.select(*names).sort("expected_gain", "customer_id", descending=[True, False])
    ranked = nw.maybe_reset_index(ranked) if isinstance(ranked, nw.DataFrame) else ranked
    return ChurnRisk(
        frame=to_native(ranked),
        n=int(found["n"]),
        depth=int(found["depth"]),
        gain=float(found["gain"]),
        value_at_risk=float(found["risk"]),
        contact_cost=float(contact_cost),
        success=float(success),
        horizon=float(horizon),
        time_unit=fit.time_unit,
        notes=(*fit.health, *notes_on_certainty(fit, found["least"])),
    )


def notes_on_certainty(fit: PurchaseFit, least: float) -> tuple[str, ...]:
    """Say if no customer can be gone, so that the list is in the order of the ids alone."""
    if least < 1:
        return ()
    return (
        f"By {fit.model.name} every customer is still there (probability_alive is 1 for all), so no value is at risk, "
        "and the order of the list says nothing. To find who is late by her own rhythm, use lifecycle_stage.",
    )


def overdue(frequency: Array, recency: Array, T: Array) -> Array:
    """Time since the last purchase in units of the own mean time between purchases; missing without a repeat."""
    own = recency / np.maximum(frequency, 1)
    return np.where((frequency > 0) & (own > 0), (T - recency) / np.where(own > 0, own, 1.0), np.nan)
