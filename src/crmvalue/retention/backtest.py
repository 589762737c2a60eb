"""Would the early warning have warned? Predictions at a day in the past, against what happened after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import distinct_rows, join, like, open_frame
from crmvalue._core.intervals import binomial_interval
from crmvalue._core.plain import as_dict, plain, table_to_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, Frame, IntArray, TimeUnit
from crmvalue.data.cohorts import day_as_number, purchase_gaps
from crmvalue.data.holdout import split_holdout
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import PurchaseFit, fit_purchases
from crmvalue.models.model import PurchaseModel
from crmvalue.retention.rates import checked_silence
from crmvalue.retention.timing import chosen_silence, silence_curve

if TYPE_CHECKING:
    import pandas as pd

DECILES = 10
KEYS = ["frequency", "recency", "T", "days_since_last", "_crm_silent"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskBacktest:
    """How well a model, and two rules of thumb, told who would buy nothing in a holdout period.

    Columns of `scores`, one row a way to predict, in the engine of the transactions: rule (name of the fitted model,
    "silence": gone who has been silent for `inactive_after` days, "one purchase": gone who bought once); predicted
    (mean probability to buy nothing); brier (mean squared error of the probability: lower is better); auc (chance
    that one who bought nothing is ranked above one who bought); lift (share who bought nothing among the riskiest
    tenth, over that among all). The rules say 0 or 1; auc and lift rank by days of silence and by few purchases.
    Columns of `calibration`, one row a tenth of the customers by the model's probability, equal ones together: decile;
    n; predicted; observed (share who bought nothing), lower and upper (exact 95 % interval).
    """

    scores: Frame
    calibration: Frame
    fit: PurchaseFit  # the model as fitted on the calibration period
    n: int  # customers known at `calibration_end`
    observed: float  # share of them who bought nothing in the holdout period
    inactive_after: int  # days of the rule "silence"
    calibration_end: np.datetime64  # last day that the model was fitted on
    observation_end: np.datetime64  # last day of the holdout period

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a way to predict."""
        return table_to_pandas(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values; of the fit its model and parameters."""
        params = self.fit.params._asdict()  # type: ignore[attr-defined]  # a NamedTuple
        return {**as_dict(self), "fit": {"model": self.fit.model.name, "params": plain(params)}}


def risk_backtest(
    transactions: Transactions | Frame,
    *,
    calibration_end: Day,
    observation_end: Day | None = None,
    model: PurchaseModel = BG_NBD,
    inactive_after: int | Literal["auto"] = "auto",
    time_unit: TimeUnit = "week",
) -> RiskBacktest:
    r"""Fit a model up to a day, and judge by the time after it who it took to be leaving.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    calibration_end : day
        Last day that the model is fitted on.
    observation_end : day, optional
        Last day of the holdout period; the last one in the data if not given.
    model : PurchaseModel
        One of `MODELS`.
    inactive_after : int or "auto"
        Days of silence of the rule of thumb; "auto" chooses them as `churn_rates` does, from the calibration period.
    time_unit : {"day", "week", "month", "year"}
        Unit that the model is fitted in.

    Returns
    -------
    RiskBacktest
        Scores of the model and of two rules, and the calibration of the model by tenths.

    Raises
    ------
    InputError
        If the holdout period is empty, nobody has bought before it, or all or none bought in it.
    ConvergenceError
        If the model cannot be fitted to the calibration period.

    Notes
    -----
    The event is to buy nothing in the holdout period of length :math:`h`, which the model gives the probability
    :math:`1 - p\,(1 - P(0))` with :math:`p` to be alive, and :math:`P(0)` of no purchase in :math:`h` if so. That a
    customer is gone is never seen; that she buys nothing is. Only what was known at `calibration_end` is used.

    References
    ----------
    Brier (1950) "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1).

    Wübben & von Wangenheim (2008) "Instant customer base analysis: Managerial heuristics often get it right", Journal
    of Marketing 72(3), https://doi.org/10.1509/JMKG.72.3.082

    Examples
    --------
    >>> from crmvalue.data.samples import load_cdnow
    >>> test = risk_backtest(load_cdnow(), calibration_end="1997-09-30")
    >>> test.scores["rule"].tolist()
    ['BG_NBD', 'silence', 'one purchase']
    >>> test.scores["brier"].round(3).tolist()
    [0.165, 0.287, 0.277]
    """
    if inactive_after != "auto":
        checked_silence(inactive_after, "week")
    checked = as_transactions(transactions)
    split = split_holdout(
        checked, calibration_end=calibration_end, observation_end=observation_end, time_unit=time_unit
    )
    cut = split.calibration.observation_end
    fit = fit_purchases(split.calibration, model)
    holdout = open_frame(split.holdout).select("customer_id", "holdout_purchases")
    known = join(open_frame(split.calibration.frame), holdout, on="customer_id", how="left")
    rows, count = distinct_rows(known.with_columns(_crm_silent=(nw.col("holdout_purchases") == 0).cast(nw.Int64)), KEYS)
    silent = rows["_crm_silent"] == 1
    observed = float(count[silent].sum() / count.sum())
    if observed in (0.0, 1.0):
        who = "all customers" if observed else "none of the customers"
        raise InputError(f"calibration_end: {who} bought nothing in the holdout period, so nothing is told apart.")
    gaps = purchase_gaps(checked, cut)
    days = (
        chosen_silence(silence_curve(gaps, day_as_number(cut)), gaps.n_customers, "week")[0]
        if isinstance(inactive_after, str)
        else int(inactive_after)
    )
    probability = silence_probability(fit, split.duration, *(rows[name].astype(float) for name in KEYS[:3]))
    since, frequency = rows["days_since_last"].astype(float), rows["frequency"].astype(float)
    rules = {
        fit.model.name: (probability, probability),
        "silence": ((since >= days).astype(float), since),
        "one purchase": ((frequency == 0).astype(float), -frequency),
    }
    return RiskBacktest(
        scores=like(score_table(rules, silent, count), open_frame(checked.frame)),
        calibration=like(calibration_table(probability, silent, count), open_frame(checked.frame)),
        fit=fit,
        n=int(count.sum()),
        observed=observed,
        inactive_after=days,
        calibration_end=cut,
        observation_end=split.observation_end,
    )


def silence_probability(fit: PurchaseFit, horizon: float, frequency: Array, recency: Array, T: Array) -> Array:
    """Probability to buy nothing within the horizon."""
    alive = fit.model.probability_alive(fit.params, frequency, recency, T)
    none = fit.model.mass_if_alive(
        fit.params, np.zeros_like(frequency), np.full_like(frequency, horizon), frequency, recency, T
    )
    return np.asarray(1 - alive * (1 - none), dtype=float)


def score_table(rules: dict[str, tuple[Array, Array]], happened: BoolArray, count: IntArray) -> dict[str, AnyArray]:
    """Columns of what each way to predict is worth."""
    return {
        "rule": np.array(list(rules), dtype=object),
        "predicted": np.array([np.average(said, weights=count) for said, _ in rules.values()]),
        "brier": np.array([np.average((said - happened) ** 2, weights=count) for said, _ in rules.values()]),
        "auc": np.array([area_under_curve(rank, happened, count) for _, rank in rules.values()]),
        "lift": np.array([lift(rank, happened, count) for _, rank in rules.values()]),
    }


def area_under_curve(score: Array, happened: BoolArray, count: IntArray) -> float:
    """Chance that one to whom it happened has the higher score than one to whom it did not; ties count half."""
    _, group = np.unique(score, return_inverse=True)
    hits = np.bincount(group, count * happened)
    misses = np.bincount(group, count * ~happened)
    below = np.cumsum(misses) - misses
    return float((hits * (below + misses / 2)).sum() / (hits.sum() * misses.sum()))


def lift(score: Array, happened: BoolArray, count: IntArray, depth: float = 0.1) -> float:
    """Share to whom it happened among those of the highest scores, over that among all; ties are shared out evenly."""
    _, group = np.unique(-score, return_inverse=True)
    hits, n = np.bincount(group, count * happened), np.bincount(group, count)
    taken = np.clip(depth * n.sum() - (np.cumsum(n) - n), 0, n)
    return float((hits * taken / n).sum() / taken.sum() / (hits.sum() / n.sum()))


def calibration_table(probability: Array, happened: BoolArray, count: IntArray) -> dict[str, AnyArray]:
    """Columns of predicted and observed shares by tenths of the customers; equal probabilities stay together."""
    _, group = np.unique(probability, return_inverse=True)
    n = np.bincount(group, count)
    middle = (np.cumsum(n) - n / 2) / n.sum()
    decile = np.minimum((DECILES * middle).astype(np.int64), DECILES - 1)[group]
    there, row = np.unique(decile, return_inverse=True)
    size = np.bincount(row, count).astype(np.int64)
    hits = np.bincount(row, count * happened).astype(np.int64)
    lower, upper = binomial_interval(hits, size)
    return {
        "decile": there + 1,
        "n": size,
        "predicted": np.bincount(row, count * probability) / size,
        "observed": hits / size,
        "lower": lower,
        "upper": upper,
    }
