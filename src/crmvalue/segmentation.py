"""Who are the customers: scores for days since the last purchase, purchases and spend, and the segments they make.

Scores are quantiles of rank in which equal customers are always equal. What reaches Python are the limits between the
scores, a few numbers; the customers are scored, and their segments named, in the engine that they are in.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_option, rows_message
from crmvalue._core.frames import (
    AnyFrame,
    collect,
    distinct_rows,
    like,
    open_frame,
    to_arrays,
    to_native,
    with_arrays,
)
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError

MEASURES = {"r_score": "days_since_last", "f_score": "purchases", "m_score": "total_spend"}
MOST_BINS = 9  # each score is one digit of the code
SPEND_DECIMALS = 6  # sums of the same amounts in another order differ further behind the point: they score the same


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmThresholds:
    """The limits between the scores: plain numbers, which score other customers, or the same ones next month."""

    bins: int  # number of scores
    days_since_last: tuple[float, ...]  # most days that reach score 2, ..., bins; -inf where nobody reached it
    purchases: tuple[float, ...]  # fewest purchases that reach score 2, ..., bins; inf where nobody reached it
    total_spend: tuple[float, ...]  # least spend that reaches score 2, ..., bins; inf where nobody reached it

    def to_dict(self) -> dict[str, Any]:
        """Return the limits in a form that JSON can hold: None for a score that nobody reached."""
        finite = {
            name: [limit if math.isfinite(limit) else None for limit in getattr(self, name)]
            for name in MEASURES.values()
        }
        return {"bins": self.bins, **finite}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> RfmThresholds:
        """Return the limits that `to_dict` wrote.

        Raises
        ------
        InputError
            If an entry is missing, or the limits are not in order.
        """
        missing = [name for name in ("bins", *MEASURES.values()) if name not in record]
        if missing:
            raise InputError(f"record: {', '.join(map(repr, missing))} missing. Pass what to_dict returned.")
        limits = {
            name: tuple(unreached(name) if limit is None else float(limit) for limit in record[name])
            for name in MEASURES.values()
        }
        thresholds = cls(bins=record["bins"], **limits)
        check_thresholds(thresholds)
        return thresholds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RfmScores:
    """One row a customer, in the engine of the summary.

    Columns of `frame`: customer_id; days_since_last (days); purchases; total_spend; r_score, f_score and m_score
    (1 to bins, bins is best); rfm (the three scores as text, such as "543").
    """

    frame: Frame
    thresholds: RfmThresholds
    bin_sizes: IntArray  # customers with score 1, ..., bins (columns) in r, f and m (rows), shape (3, bins)

    __repr__ = result_text
    _repr_html_ = result_html

    @property
    def n_customers(self) -> int:
        """Number of customers scored."""
        return int(self.bin_sizes[0].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRule:
    """The scores that make a segment: each from the first to the second number, both included."""

    segment: str  # name; several rules may share one
    r: tuple[int, int]  # score of days since the last purchase
    f: tuple[int, int]  # score of purchases
    m: tuple[int, int]  # score of total spend
    meaning: str = ""  # in words, for a report


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segments:
    """The scored customers with one more column, segment (text), in the same engine."""

    frame: Frame
    rules: tuple[SegmentRule, ...]  # the rules that named them

    __repr__ = result_text
    _repr_html_ = result_html


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentProfile:
    """One row a segment, in the order of the rules and the engine of the customers; empty segments included.

    Columns of `frame`: segment; customers; customer_share (of all customers); revenue (sum of total_spend);
    revenue_share (of all revenue; missing unless that is above 0); mean_purchases; mean_days_since_last (both missing
    when the segment is empty).
    """

    frame: Frame
    n_customers: int
    total_revenue: float  # in the currency of the transactions

    __repr__ = result_text
    _repr_html_ = result_html


def score_rfm(summary: CustomerSummary | Frame, *, bins: int = 5) -> RfmScores:
    r"""Score each customer from 1 to `bins` on days since the last purchase, on purchases and on total spend.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with the columns customer_id, days_since_last, purchases and total_spend.
    bins : int
        Number of scores, 2 to 9; the highest is best. More bins than customers or distinct values are allowed.

    Returns
    -------
    RfmScores
        The scores of each customer, in the engine of `summary`; the thresholds between them, with which `rescore_rfm`
        scores other customers; and how many customers each score has.

    Raises
    ------
    InputError
        If there is no customer, a measure is missing or infinite, or `bins` is not an integer from 2 to 9.

    Notes
    -----
    The score of a value :math:`x` is :math:`\lfloor b F(x) \rfloor + 1` with
    :math:`F(x) = (\#\{x_i < x\} + \frac{1}{2} \#\{x_i = x\}) / n`, the fraction of its midrank. Few days since the
    last purchase rank high. Equal customers get equal scores whatever the order of rows, and a group of equal customers
    gets the score of its middle: 100 identical customers all score 3 of 5. So ties can leave scores empty, which
    `bin_sizes` shows. Spend is compared to a millionth of the currency.

    References
    ----------
    Hughes, A. M. (1994) "Strategic Database Marketing", Probus.

    Examples
    --------
    >>> import pandas as pd
    >>> summary = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "days_since_last": [3, 90, 30, 30],
    ...                         "purchases": [9, 1, 1, 1], "total_spend": [400.0, 25.0, 70.0, 60.0]})
    >>> scores = score_rfm(summary, bins=2)
    >>> scores.frame[["customer_id", "rfm"]]
      customer_id  rfm
    0           a  222
    1           b  111
    2           c  212
    3           d  211
    >>> scores.thresholds.days_since_last, scores.thresholds.total_spend
    ((30.0,), (70.0,))
    """
    frame = open_measures(summary)
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or not 2 <= bins <= MOST_BINS:
        raise InputError(f"bins: got {bins!r}. Pass an integer from 2 to {MOST_BINS}.")
    n = check_measures(frame)
    limits = {name: find_limits(frame, name, int(bins), n) for name in MEASURES.values()}
    return score_by_limits(frame, RfmThresholds(bins=int(bins), **limits))


def rescore_rfm(summary: CustomerSummary | Frame, thresholds: RfmThresholds) -> RfmScores:
    """Score customers by thresholds found before: the same customer gets the same score, whoever else is there.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with the columns customer_id, days_since_last, purchases and total_spend.
    thresholds : RfmThresholds
        From the `RfmScores` of other customers, or of the same ones at an earlier date.

    Returns
    -------
    RfmScores
        The scores of each customer, with `thresholds` as they were.

    Raises
    ------
    InputError
        If there is no customer, a measure is missing or infinite, or the thresholds are not in order.

    Examples
    --------
    >>> import pandas as pd
    >>> thresholds = RfmThresholds(bins=2, days_since_last=(30.0,), purchases=(2.0,), total_spend=(70.0,))
    >>> april = pd.DataFrame({"customer_id": ["e"], "days_since_last": [31], "purchases": [2], "total_spend": [70.0]})
    >>> rescore_rfm(april, thresholds).frame["rfm"].tolist()
    ['122']
    """
    frame = open_measures(summary)
    if not isinstance(thresholds, RfmThresholds):
        raise InputError(f"thresholds: got {type(thresholds).__name__}. Pass the thresholds of an RfmScores.")
    check_thresholds(thresholds)
    check_measures(frame)
    return score_by_limits(frame, thresholds)


SEGMENT_RULES: tuple[SegmentRule, ...] = (
    SegmentRule(segment="Champions", r=(4, 5), f=(4, 5), m=(4, 5), meaning="Bought lately, often and for much."),
    SegmentRule(segment="Loyal", r=(3, 5), f=(4, 5), m=(1, 5), meaning="Buy often and are still here."),
    SegmentRule(segment="Potential loyalists", r=(4, 5), f=(3, 3), m=(1, 5), meaning="Bought lately; habit forming."),
    SegmentRule(segment="New", r=(5, 5), f=(1, 2), m=(1, 5), meaning="Few purchases, the last just now."),
    SegmentRule(segment="Promising", r=(4, 4), f=(1, 2), m=(1, 5), meaning="Few purchases, the last not long ago."),
    SegmentRule(segment="Need attention", r=(3, 3), f=(1, 3), m=(3, 5), meaning="Fair spend, going quiet."),
    SegmentRule(segment="About to sleep", r=(3, 3), f=(1, 3), m=(1, 2), meaning="Small spend, going quiet."),
    SegmentRule(segment="At risk", r=(1, 2), f=(3, 5), m=(1, 3), meaning="Used to buy often, long silent."),
    SegmentRule(
        segment="Cannot lose them", r=(1, 2), f=(3, 5), m=(4, 5), meaning="Big and frequent once, long silent."
    ),
    SegmentRule(segment="Hibernating", r=(2, 2), f=(1, 2), m=(1, 5), meaning="Few purchases, long ago."),
    SegmentRule(segment="Lost", r=(1, 1), f=(1, 2), m=(1, 5), meaning="Few purchases, longest ago."),
)
"""Eleven segments for scores from 1 to 5; each of the 125 codes belongs to one.

Customers with a single purchase share one score: 2 when they are 40 to 80 % of all, 3 when they are more. It never
reaches 4, so nobody becomes a champion, or loyal, by one purchase.
"""


def check_rules(rules: Sequence[SegmentRule], *, bins: int = 5) -> None:
    """Raise InputError unless the rules give each code a segment, and each rule is the first match of some code.

    Parameters
    ----------
    rules : sequence of SegmentRule
        The first rule that matches a code names its segment.
    bins : int
        Number of scores, 2 to 9.

    Raises
    ------
    InputError
        If a range lies outside 1 to `bins` or is upside down, a code has no rule, or a rule can never be reached.

    Examples
    --------
    >>> check_rules(SEGMENT_RULES)
    >>> check_rules(SEGMENT_RULES[:-1])
    Traceback (most recent call last):
    crmvalue.errors.InputError: rules: no segment for 10 of 125 codes (111, 112, 113, 114, 115, ...). Add a rule.
    """
    first_match(checked_rules(rules, bins), bins)


def segment_customers(scores: RfmScores, rules: Sequence[SegmentRule] = SEGMENT_RULES) -> Segments:
    """Give each scored customer the segment of the first rule that matches.

    Parameters
    ----------
    scores : RfmScores
        From `score_rfm` or `rescore_rfm`.
    rules : sequence of SegmentRule
        Checked by `check_rules` for as many bins as the scores have. `SEGMENT_RULES` are for five.

    Returns
    -------
    Segments
        The frame of the scores with a column `segment`.

    Raises
    ------
    InputError
        If the rules leave a code without a segment, or one of them can never be reached.

    Examples
    --------
    >>> import pandas as pd
    >>> thresholds = RfmThresholds(bins=5, days_since_last=(90, 60, 30, 7), purchases=(2, 3, 5, 8),
    ...                            total_spend=(20, 50, 100, 300))
    >>> summary = pd.DataFrame({"customer_id": ["a", "b", "c"], "days_since_last": [1, 1, 200],
    ...                         "purchases": [9, 1, 9], "total_spend": [500.0, 500.0, 500.0]})
    >>> segment_customers(rescore_rfm(summary, thresholds)).frame[["customer_id", "rfm", "segment"]]
      customer_id  rfm           segment
    0           a  555         Champions
    1           b  515               New
    2           c  155  Cannot lose them
    """
    if not isinstance(scores, RfmScores):
        raise InputError(f"scores: got {type(scores).__name__}. Pass what score_rfm returned.")
    bins = scores.thresholds.bins
    checked = checked_rules(rules, bins)
    first = first_match(checked, bins)
    names = np.array([rule.segment for rule in checked], dtype=object)[first]
    frame = open_frame(scores.frame)
    if isinstance(frame, nw.LazyFrame):  # eager engines need no join, and so keep the order of rows
        table = nw.from_native(like({"_crm_rfm": all_codes(bins), "segment": names}, frame))
        named: AnyFrame = frame.join(table, left_on="rfm", right_on="_crm_rfm", how="left").drop(
            "_crm_rfm", strict=False
        )
    else:
        r, f, m = to_arrays(frame, list(MEASURES)).values()
        named = with_arrays(frame, {"segment": names[((r - 1) * bins + f - 1) * bins + m - 1]})
    return Segments(frame=to_native(named), rules=checked)


def segment_profile(segments: Segments) -> SegmentProfile:
    """Count the customers and the revenue of each segment.

    Parameters
    ----------
    segments : Segments
        From `segment_customers`.

    Returns
    -------
    SegmentProfile
        One row a segment, in the order of the rules; segments without customers have 0 customers.

    Raises
    ------
    InputError
        If `segments` is something else.

    Notes
    -----
    Customers and revenue add up to `n_customers` and `total_revenue`; each share is of these totals.

    Examples
    --------
    >>> import pandas as pd
    >>> rules = [SegmentRule(segment="Big", r=(1, 2), f=(1, 2), m=(2, 2)),
    ...          SegmentRule(segment="Small", r=(1, 2), f=(1, 2), m=(1, 1))]
    >>> summary = pd.DataFrame({"customer_id": ["a", "b", "c", "d"], "days_since_last": [3, 90, 30, 30],
    ...                         "purchases": [9, 1, 1, 1], "total_spend": [400.0, 25.0, 70.0, 5.0]})
    >>> profile = segment_profile(segment_customers(score_rfm(summary, bins=2), rules))
    >>> profile.frame[["segment", "customers", "revenue", "revenue_share", "mean_purchases"]]
      segment  customers  revenue  revenue_share  mean_purchases
    0     Big          2    470.0           0.94             5.0
    1   Small          2     30.0           0.06             1.0
    """
    if not isinstance(segments, Segments):
        raise InputError(f"segments: got {type(segments).__name__}. Pass what segment_customers returned.")
    frame = open_frame(segments.frame)
    numbers = frame.select("segment", *(as_number(name) for name in MEASURES.values()))
    sums = numbers.group_by("segment").agg(nw.col(*MEASURES.values()).sum(), customers=nw.len())
    found = to_arrays(sums, ["segment", "customers", *MEASURES.values()])
    order = list(dict.fromkeys(rule.segment for rule in segments.rules))
    place = np.array([order.index(name) for name in found["segment"]], dtype=np.int64)
    full = {name: np.zeros(len(order)) for name in ("customers", *MEASURES.values())}
    for name, values in full.items():
        values[place] = found[name]
    n = int(full["customers"].sum())
    revenue = math.fsum(full["total_spend"])
    with np.errstate(invalid="ignore"):  # an empty segment has no mean: 0 / 0 is missing
        table = {
            "segment": np.array(order, dtype=object),
            "customers": full["customers"].astype(np.int64),
            "customer_share": full["customers"] / n,
            "revenue": full["total_spend"],
            "revenue_share": full["total_spend"] / (revenue if revenue > 0 else math.nan),
            "mean_purchases": full["purchases"] / full["customers"],
            "mean_days_since_last": full["days_since_last"] / full["customers"],
        }
    return SegmentProfile(frame=like(table, frame), n_customers=n, total_revenue=revenue)


def open_measures(summary: CustomerSummary | Frame) -> AnyFrame:
    """Return the four columns that scores are made of."""
    native = summary.frame if isinstance(summary, CustomerSummary) else summary
    columns = ["customer_id", *MEASURES.values()]
    return open_frame(native, argument="summary", needs=columns).select(*columns)


def check_measures(frame: AnyFrame) -> int:
    """Return the number of customers, all of whose measures are finite."""
    schema = frame.collect_schema()
    for name in MEASURES.values():
        if not schema[name].is_numeric():
            raise InputError(f"{name}: column holds {schema[name]}, not numbers. Convert it first.")
    bad = {name: ~as_number(name).is_finite().fill_null(False) for name in MEASURES.values()}
    counts = collect(frame.select(n=nw.len(), **{name: rows.cast(nw.Int64).sum() for name, rows in bad.items()})).rows(
        named=True
    )[0]
    n = int(counts.pop("n"))
    if n == 0:
        raise InputError("summary: there are no customers. Pass at least one row.")
    for name, k in counts.items():
        if k:
            labels = collect(frame.filter(bad[name]).select("customer_id").head(5)).get_column("customer_id").to_list()
            remedy = "Fill or drop these customers."
            raise InputError(rows_message(name, "missing or infinite", int(k), n, labels, remedy, label="customer"))
    return n


def as_number(name: str) -> nw.Expr:
    """Measure as a float."""
    return nw.col(name).cast(nw.Float64)


def standing(name: str) -> nw.Expr:
    """Measure in the form in which more is better."""
    if name == "days_since_last":
        return -as_number(name)
    return as_number(name).round(SPEND_DECIMALS) if name == "total_spend" else as_number(name)


def find_limits(frame: AnyFrame, name: str, bins: int, n: int) -> tuple[float, ...]:
    """Values at which scores 2, ..., bins begin; computed in the engine."""
    values = frame.select(_crm_value=standing(name)).group_by("_crm_value").agg(_crm_equal=nw.len())
    up_to = nw.col("_crm_equal").cast(nw.Int64).cum_sum().over(order_by="_crm_value").cast(nw.Int64)
    scored = values.with_columns(_crm_up_to=up_to).with_columns(
        _crm_score=(nw.col("_crm_up_to") * 2 - nw.col("_crm_equal").cast(nw.Int64)) * bins // (2 * n) + 1
    )
    starts = to_arrays(
        scored.group_by("_crm_score").agg(_crm_start=nw.col("_crm_value").min()), ["_crm_score", "_crm_start"]
    )
    score, start = starts["_crm_score"], starts["_crm_start"]
    limits = [float(start[score >= wanted].min(initial=math.inf)) for wanted in range(2, bins + 1)]
    return tuple(-limit + 0.0 for limit in limits) if name == "days_since_last" else tuple(limits)


def unreached(name: str) -> float:
    """Limit of a score that nobody reached."""
    return -math.inf if name == "days_since_last" else math.inf


def check_thresholds(thresholds: RfmThresholds) -> None:
    """Raise InputError unless there is a limit for each score, in order."""
    require_option("thresholds.bins", thresholds.bins, range(2, MOST_BINS + 1))
    for name in MEASURES.values():
        limits = getattr(thresholds, name)
        falling = name == "days_since_last"
        rising = [-limit for limit in limits] if falling else list(limits)
        in_order = all(low <= high for low, high in itertools.pairwise(rising)) and not any(map(math.isnan, rising))
        if len(limits) != thresholds.bins - 1 or not in_order or -math.inf in rising:
            order = "falling" if falling else "rising"
            raise InputError(
                f"thresholds.{name}: got {limits}. Pass {thresholds.bins - 1} {order} limits, one a score from 2 on."
            )


def score_by_limits(frame: AnyFrame, thresholds: RfmThresholds) -> RfmScores:
    """Give each customer one point, and one more for each limit that she reaches."""
    bins = thresholds.bins
    scores = {}
    for score, name in MEASURES.items():
        sign = -1.0 if name == "days_since_last" else 1.0
        points = nw.lit(1)
        for limit in getattr(thresholds, name):
            reachable = min(sign * limit, sys.float_info.max)  # not every engine has a literal for infinity
            points = (standing(name) >= reachable).cast(nw.Int64) + points
        scores[score] = points
    r, f, m = (nw.col(score) for score in scores)
    scored = frame.with_columns(**scores).with_columns(rfm=(r * 100 + f * 10 + m).cast(nw.String))
    rows, counts = distinct_rows(scored, list(scores))
    sizes = np.zeros((len(scores), bins), dtype=np.int64)
    for k, score in enumerate(scores):
        np.add.at(sizes[k], rows[score].astype(np.int64) - 1, counts)
    sizes.flags.writeable = False
    return RfmScores(frame=to_native(scored), thresholds=thresholds, bin_sizes=sizes)


def all_codes(bins: int) -> AnyArray:
    """Return every code as text, from 111 up, shape (bins ** 3,)."""
    return np.array(["".join(code) for code in itertools.product("123456789"[:bins], repeat=3)], dtype=object)


def checked_rules(rules: Sequence[SegmentRule], bins: int) -> tuple[SegmentRule, ...]:
    """Return the rules, each of which has a name and three ranges of scores from 1 to `bins`."""
    checked = tuple(rules)
    for number, rule in enumerate(checked, start=1):
        if not isinstance(rule, SegmentRule):
            raise InputError(f"rules: rule {number} is a {type(rule).__name__}. Pass SegmentRule(segment=..., r=...).")
        if not isinstance(rule.segment, str) or not rule.segment.strip():
            raise InputError(f"rules: rule {number} has no name. Give it the name of its segment.")
        for score in ("r", "f", "m"):
            low, high = getattr(rule, score)
            if not (low in range(1, bins + 1) and high in range(1, bins + 1) and low <= high):
                raise InputError(
                    f"rules: rule {number} ({rule.segment}) has {score}=({low}, {high}). Scores go from 1 to {bins}, "
                    "the lower one first; pass rules for this number of bins."
                )
    return checked


def first_match(rules: tuple[SegmentRule, ...], bins: int) -> IntArray:
    """Index of the first rule that matches each code, shape (bins ** 3,); raise if a code or a rule has no match."""
    r, f, m = np.indices((bins, bins, bins)).reshape(3, -1) + 1
    first = np.full(bins**3, -1)
    for number, rule in reversed(list(enumerate(rules))):  # backwards, so that the first match stays
        inside = (r >= rule.r[0]) & (r <= rule.r[1]) & (f >= rule.f[0]) & (f <= rule.f[1])
        first[inside & (m >= rule.m[0]) & (m <= rule.m[1])] = number
    gaps = all_codes(bins)[first < 0]
    if gaps.size:
        named = ", ".join(gaps[:5]) + (", ..." if gaps.size > 5 else "")
        raise InputError(f"rules: no segment for {gaps.size} of {bins**3} codes ({named}). Add a rule.")
    hidden = [rule for number, rule in enumerate(rules) if number not in first]
    if hidden:
        raise InputError(
            f"rules: {hidden[0].segment} (r={hidden[0].r}, f={hidden[0].f}, m={hidden[0].m}) is never reached, since "
            "earlier rules match all its codes. Move it up, or leave it out."
        )
    return first


check_rules(SEGMENT_RULES)
