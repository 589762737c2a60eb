"""Scores for days since the last purchase, purchases and spend: quantiles of rank, fixed limits, or nested ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.frames import AnyFrame, column_names, count_true, open_frame, to_native, with_arrays
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segments.customers import check_numbers, open_customers
from crmvalue.segments.limits import TIES, Ties
from crmvalue.segments.points import (
    all_codes,
    cell_of,
    code_in_engine,
    points_in_engine,
    points_of_array,
    standing_array,
    sum_of,
    with_texts,
)
from crmvalue.segments.ranking import Thresholds, find_thresholds
from crmvalue.segments.thresholds import (
    MEASURES,
    NestedThresholds,
    RfmThresholds,
    check_bins,
    check_thresholds,
    fixed_thresholds,
    limits_by_cell,
)

Method: TypeAlias = Literal["quantile", "fixed", "nested"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RfmScores:
    """One row a customer, in the engine of the summary.

    Columns of `frame`: customer_id; days_since_last (days); purchases; total_spend; further measures; r_score, f_score,
    m_score (1 to bins, bins is best) and the scores of further measures; rfm (the three scores as text, such as "543",
    or "10-4-3" with more than nine bins); weighted_score (weighted mean of the scores) if weights were given.
    """

    frame: Frame
    thresholds: Thresholds
    bin_sizes: IntArray  # customers with score 1, ..., bins (columns) in r, f, m and further scores (rows)
    score_names: tuple[str, ...]  # columns of the scores: the rows of `bin_sizes`
    notes: tuple[str, ...]  # what deserves care: scores that nobody has, and why

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def n_customers(self) -> int:
        """Number of customers scored."""
        return int(self.bin_sizes[0].sum())


def score_rfm(
    summary: CustomerSummary | Frame,
    *,
    bins: int | None = None,
    method: Method = "quantile",
    ties: Ties = "mid",
    limits: Mapping[str, Sequence[float]] | None = None,
    weights: Mapping[str, float] | None = None,
    also: Sequence[str] = (),
) -> RfmScores:
    r"""Score each customer from 1 to `bins` on days since the last purchase, on purchases and on total spend.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with the columns customer_id, days_since_last, purchases and total_spend.
    bins : int, optional
        Number of scores, 2 to 100; the highest is best. 5, or what `limits` make, if not given. More bins than
        customers or distinct values are allowed.
    method : {"quantile", "fixed", "nested"}
        "quantile": by rank among all customers. "fixed": by your own `limits`. "nested": days by rank among all,
        purchases by rank among those with the same score of days, spend by rank among those with the same two scores.
    ties : {"mid", "low", "high"}
        Which rank a group of equal customers has: that of its middle, of its lowest or of its highest member.
    limits : mapping of str to sequence of float, optional
        For "fixed", by measure: most days, fewest purchases, least spend that reach score 2, 3, ...
    weights : mapping of str to float, optional
        Weight, at least 0, of "r", "f", "m" and of each further measure in the weighted score; 0 if not named.
    also : sequence of str
        Further columns to score, more being better, such as "trend" from `add_trend`. "tenure" is the time since the
        first purchase, the column T of the summary.

    Returns
    -------
    RfmScores
        The scores of each customer, in the engine of `summary`; the thresholds between them, with which `rescore_rfm`
        scores other customers; how many customers each score has, and a note on each score that nobody has.

    Raises
    ------
    InputError
        If there is no customer, a customer has two rows, a measure is missing or infinite, or an option is unknown.

    Notes
    -----
    The score of a value :math:`x` is :math:`\lfloor b F(x) \rfloor + 1` with
    :math:`F(x) = (\#\{x_i < x\} + \frac{1}{2} \#\{x_i = x\}) / n`, the fraction of its midrank. Few days since the
    last purchase rank high. Equal customers get equal scores whatever the order of rows, and a group of equal customers
    gets the score of its middle: 100 identical customers all score 3 of 5. With `ties` "low" or "high", F counts half a
    customer beyond those below, or half a customer less than those below or equal. So ties can leave scores empty,
    which `bin_sizes` and `notes` show. Spend is compared to a millionth of the currency. A nested cell without
    customers has the limits of the scores before, for those who come into it later.

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
    >>> for note in scores.notes + score_rfm(summary, bins=3).notes:
    ...     print(note)
    f_score: nobody has 1 of 1 to 3. Up to 75.0 % of the customers are equal in purchases, and equals score alike.
    """
    require_option("method", method, ("quantile", "fixed", "nested"))
    require_option("ties", ties, TIES)
    also = check_further(also)
    if (limits is not None) != (method == "fixed"):
        raise InputError("limits: belong to method='fixed', which needs them. Pass both, or neither.")
    number = 5 if bins is None else check_bins(bins)
    frame = open_measures(summary, also)
    if limits is not None:
        return score_by_limits(frame, measured(frame, also), fixed_thresholds(limits, bins, also), weights)
    values = measured(frame, also)
    thresholds, largest = find_thresholds(frame, values, number, ties, also, nested=method == "nested")
    return score_by_limits(frame, values, thresholds, weights, largest=largest)


def rescore_rfm(
    summary: CustomerSummary | Frame, thresholds: Thresholds, *, weights: Mapping[str, float] | None = None
) -> RfmScores:
    """Score customers by thresholds found before: the same customer gets the same score, whoever else is there.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with the columns customer_id, days_since_last, purchases and total_spend.
    thresholds : RfmThresholds or NestedThresholds
        From the `RfmScores` of other customers, or of the same ones at an earlier date.
    weights : mapping of str to float, optional
        As in `score_rfm`.

    Returns
    -------
    RfmScores
        The scores of each customer, with `thresholds` as they were.

    Raises
    ------
    InputError
        If there is no customer, a customer has two rows, a measure is missing or infinite, or the thresholds are not
        in order.

    Examples
    --------
    >>> import pandas as pd
    >>> thresholds = RfmThresholds(bins=2, days_since_last=(30.0,), purchases=(2.0,), total_spend=(70.0,))
    >>> april = pd.DataFrame({"customer_id": ["e"], "days_since_last": [31], "purchases": [2], "total_spend": [70.0]})
    >>> rescore_rfm(april, thresholds).frame["rfm"].tolist()
    ['122']
    """
    if not isinstance(thresholds, (RfmThresholds, NestedThresholds)):
        raise InputError(f"thresholds: got {type(thresholds).__name__}. Pass the thresholds of an RfmScores.")
    check_thresholds(thresholds)
    also = tuple(name for name, _ in thresholds.further)
    frame = open_measures(summary, also)
    return score_by_limits(frame, measured(frame, also), thresholds, weights)


def check_further(also: Sequence[str]) -> tuple[str, ...]:
    """Return the names of further measures, each once and none of the usual three."""
    names = (also,) if isinstance(also, str) else tuple(also)
    taken = {"customer_id", *MEASURES, *MEASURES.values(), "rfm", "weighted", "r", "f", "m"}
    if len(set(names)) < len(names) or taken & set(names):
        raise InputError(f"also: got {names}. Name each further column once, and none of {sorted(taken)}.")
    return names


def open_measures(summary: CustomerSummary | Frame, also: Sequence[str]) -> AnyFrame:
    """Return the id and the measures of each customer; a summary made here has each customer once."""
    columns = ["customer_id", *MEASURES.values(), *also]
    if isinstance(summary, CustomerSummary):
        opened = open_frame(summary.frame, argument="summary")
        there = column_names(opened)
    else:
        there = column_names(open_frame(summary, argument="summary"))
    if "trend" in also and "trend" not in there:
        raise InputError("summary: column 'trend' is missing. Make it with add_trend(summary, transactions).")
    if "tenure" in also and "tenure" not in there and "T" in there:
        columns[columns.index("tenure")] = "T"
    frame = (
        open_frame(summary.frame, argument="summary", needs=columns)
        if isinstance(summary, CustomerSummary)
        else open_customers(summary, argument="summary", needs=columns)
    )
    picked = frame.select(*columns)
    return picked if "tenure" in columns or "tenure" not in also else picked.rename({"T": "tenure"})


def measured(frame: AnyFrame, also: Sequence[str]) -> dict[str, Array]:
    """Return the measures, more being better, of a frame in memory; check those of a lazy one in its engine."""
    checked = check_numbers(frame, [*MEASURES.values(), *also], argument="summary")
    return {name: standing_array(name, values) for name, values in checked.items()}


def score_by_limits(
    frame: AnyFrame,
    values: dict[str, Array],
    thresholds: Thresholds,
    weights: Mapping[str, float] | None,
    *,
    largest: Mapping[str, int] | None = None,
) -> RfmScores:
    """Score the customers, in memory or in their engine."""
    measures = MEASURES | {f"{name}_score": name for name, _ in thresholds.further}
    shares = check_weights(weights, measures)
    if isinstance(frame, nw.LazyFrame):
        scored, sizes = score_lazy(frame, thresholds, measures, shares)
    else:
        scored, sizes = score_eager(frame, values, thresholds, measures, shares)
    sizes.flags.writeable = False
    return RfmScores(
        frame=scored,
        thresholds=thresholds,
        bin_sizes=sizes,
        score_names=tuple(measures),
        notes=notes_on_gaps(measures, sizes, largest or {}),
    )


def score_lazy(
    frame: nw.LazyFrame[Any], thresholds: Thresholds, measures: Mapping[str, str], shares: Mapping[str, float]
) -> tuple[Frame, IntArray]:
    """Score customers in their engine; count how many have each score."""
    bins = thresholds.bins
    for score, name in measures.items():
        frame = points_in_engine(frame, score, name, limits_by_cell(thresholds, name), bins)
    scored_so = {f"{score}_{point}": nw.col(score) == point for score in measures for point in range(1, bins + 1)}
    sizes = np.array(list(count_true(frame, scored_so).values()), dtype=np.int64).reshape(len(measures), bins)
    scored = frame.with_columns(rfm=code_in_engine(bins))
    if shares:
        scored = scored.with_columns(weighted_score=sum_of([nw.col(score) * share for score, share in shares.items()]))
    return to_native(scored), sizes


def score_eager(
    frame: nw.DataFrame[Any],
    values: Mapping[str, Array],
    thresholds: Thresholds,
    measures: Mapping[str, str],
    shares: Mapping[str, float],
) -> tuple[Frame, IntArray]:
    """Score customers in memory; count how many have each score."""
    bins, points = thresholds.bins, dict[str, IntArray]()
    for score, name in measures.items():
        table = limits_by_cell(thresholds, name)
        points[score] = points_of_array(values[name], table, cell_of(points, len(table), bins))
    scored = with_texts(with_arrays(frame, points), "rfm", all_codes(bins), cell_of(points, bins**3, bins))
    if shares:
        weighted = sum((points[score] * share for score, share in shares.items()), np.zeros(len(scored)))
        scored = with_arrays(scored, {"weighted_score": weighted})
    return to_native(scored), np.array([np.bincount(found - 1, minlength=bins) for found in points.values()])


def check_weights(weights: Mapping[str, float] | None, measures: Mapping[str, str]) -> dict[str, float]:
    """Return the share of each score in the weighted one, by the score's column; empty without weights."""
    if weights is None:
        return {}
    known = {score[0] if score in MEASURES else name: score for score, name in measures.items()}
    if not isinstance(weights, Mapping) or set(weights) - set(known):
        raise InputError(f"weights: got {weights!r}. Pass a weight for some of {', '.join(map(repr, known))}.")
    given = {known[name]: require_number(f"weights[{name!r}]", w, at_least=0) for name, w in weights.items()}
    total = math.fsum(given.values())
    if not total > 0:
        raise InputError(f"weights: got {dict(weights)}. Pass at least one weight above 0.")
    return {score: weight / total for score, weight in given.items() if weight > 0}


def notes_on_gaps(measures: Mapping[str, str], sizes: IntArray, largest: Mapping[str, int]) -> tuple[str, ...]:
    """Say which scores nobody has, and how many customers are equal."""
    notes = []
    for (score, name), counts in zip(measures.items(), sizes, strict=True):
        empty = np.flatnonzero(counts == 0) + 1
        if empty.size:
            bins, n = len(counts), int(counts.sum())
            shown = ", ".join(map(str, empty[:10])) + (", ..." if empty.size > 10 else "")
            note = f"{score}: nobody has {shown} of 1 to {bins}."
            if name in largest:
                share = f"{100 * largest[name] / n:.1f} %"
                note += f" Up to {share} of the customers are equal in {name}, and equals score alike."
            notes.append(note)
    return tuple(notes)
