"""Names for codes of scores: rule tables without gaps, of which the first rule that matches names the segment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.frames import AnyFrame, collect, column_names, like, open_frame, to_arrays, to_native
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Frame, IntArray
from crmvalue.errors import InputError
from crmvalue.segments.points import all_codes, cell_of, with_texts
from crmvalue.segments.ranking import Thresholds
from crmvalue.segments.scoring import RfmScores
from crmvalue.segments.thresholds import MEASURES, check_bins


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
    thresholds: Thresholds  # the limits between the scores

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


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
        Number of scores, 2 to 100.

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
    bins = check_bins(bins)
    first_match(checked_rules(rules, bins), bins)


def rules_from_table(table: Frame, *, bins: int = 5) -> tuple[SegmentRule, ...]:
    """Read your own rules from a table, and check them.

    Parameters
    ----------
    table : frame of any engine
        One row a rule, the first that matches first: segment; r, f and m as text such as "4-5" or "3"; and, if it is
        there, meaning.
    bins : int
        Number of scores, 2 to 100.

    Returns
    -------
    tuple of SegmentRule
        The rules, in the order of the rows.

    Raises
    ------
    InputError
        If a range is not one or two whole numbers, or `check_rules` refuses the rules.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"segment": ["Best", "Rest"], "r": ["2", "1-2"], "f": ["2", "1-2"], "m": ["1-2", "1-2"]})
    >>> rules_from_table(table, bins=2)[0]
    SegmentRule(segment='Best', r=(2, 2), f=(2, 2), m=(1, 2), meaning='')
    """
    frame = open_frame(table, argument="table", needs=["segment", "r", "f", "m"])
    columns = ["segment", "r", "f", "m", *(["meaning"] if "meaning" in column_names(frame) else [])]
    rows = collect(frame.select(*columns)).rows(named=True)
    rules = []
    for number, row in enumerate(rows, start=1):
        ranges = {score: read_range(row[score], f"rule {number}, {score}") for score in ("r", "f", "m")}
        meaning = row.get("meaning")
        rules.append(SegmentRule(segment=row["segment"], meaning=meaning if isinstance(meaning, str) else "", **ranges))
    check_rules(rules, bins=bins)
    return tuple(rules)


def read_range(text: object, place: str) -> tuple[int, int]:
    """Return the first and last score that a text such as "4-5" or "3" names."""
    found = re.fullmatch(r"\s*(\d+)(?:\.0)?\s*(?:[-–]\s*(\d+)\s*)?", str(text))
    if found is None:
        raise InputError(f'table: {place} is {text!r}. Write one score, such as "3", or a range, such as "4-5".')
    return int(found[1]), int(found[2] or found[1])


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
    >>> from crmvalue.segmentation import RfmThresholds, rescore_rfm
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
    names = [rule.segment for rule in checked]
    frame = open_frame(scores.frame)
    if isinstance(frame, nw.LazyFrame):  # eager engines need no join, and so keep the order of rows
        by_code = np.array(names, dtype=object)[first]
        codes = np.array(all_codes(bins), dtype=object)
        table = nw.from_native(like({"_crm_rfm": codes, "segment": by_code}, frame))
        named: AnyFrame = frame.join(table, left_on="rfm", right_on="_crm_rfm", how="left").drop(
            "_crm_rfm", strict=False
        )
    else:
        named = with_texts(frame, "segment", names, first[cell_of(to_arrays(frame, list(MEASURES)), bins**3, bins)])
    return Segments(frame=to_native(named), rules=checked, thresholds=scores.thresholds)


def checked_rules(rules: Sequence[SegmentRule], bins: int) -> tuple[SegmentRule, ...]:
    """Return the rules, each of which has a name and three ranges of scores from 1 to `bins`."""
    checked = tuple(rules)
    for number, rule in enumerate(checked, start=1):
        if not isinstance(rule, SegmentRule):
            raise InputError(f"rules: rule {number} is a {type(rule).__name__}. Pass SegmentRule(segment=..., r=...).")
        if not isinstance(rule.segment, str) or not rule.segment.strip():
            raise InputError(f"rules: rule {number} has no name. Give it the name of its segment.")
        for score in ("r", "f", "m"):
            wanted = getattr(rule, score)
            is_pair = isinstance(wanted, (tuple, list)) and len(wanted) == 2
            if not (is_pair and all(end in range(1, bins + 1) for end in wanted) and wanted[0] <= wanted[1]):
                raise InputError(
                    f"rules: rule {number} ({rule.segment}) has {score}={wanted}. Scores go from 1 to {bins}, "
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
    if (first < 0).any():
        gaps = np.array(all_codes(bins))[first < 0]
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
