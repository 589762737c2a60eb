"""The parts of a report: headline, table, exhibit and section, as frozen records of finished words; no HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Headline:
    """One number of the first screen."""

    label: str  # what is counted
    value: str  # the number, formatted
    words: str  # the same in a plain sentence, with its window and how sure it is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A small table of finished texts."""

    caption: str
    columns: tuple[str, ...]  # the first column names the rows
    rows: tuple[tuple[str, ...], ...]
    is_text: bool = False  # the columns after the first hold words, not numbers


def table_of(caption: str, columns: Mapping[str, Iterable[str]], *, is_text: bool = False) -> Table:
    """Return a table of columns of finished texts; the first one names the rows."""
    return Table(
        caption=caption, columns=tuple(columns), rows=tuple(zip(*columns.values(), strict=True)), is_text=is_text
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exhibit:
    """A picture and the table behind it; a table alone if there is nothing to draw."""

    key: str  # unique in the report; names the picture
    caption: str  # what the picture shows, in one line
    table: Table
    alt: str = ""  # the picture in words, for those who cannot see it
    source: Any = None  # the result that the picture of this key draws; None for a table alone


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """One question of a manager and its answer."""

    key: str  # unique in the report
    heading: str
    findings: tuple[str, ...] = ()  # paragraphs with the numbers in words
    exhibits: tuple[Exhibit, ...] = ()
    method: str = ""  # denominator, window, n, and what the numbers assume
    missing: str = ""  # why there is no answer, and what to do


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportContents:
    """Everything that a report says."""

    title: str
    period: str  # the time and the rows that the numbers come from
    lead: str  # the answer in two or three sentences
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    notices: tuple[str, ...] = ()  # what must be known before anything else, such as made-up data
    currency: str = ""  # sign or code of the amounts
