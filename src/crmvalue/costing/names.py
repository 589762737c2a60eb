"""Names as people write them: any case, spaces, underscores, hyphens, full-width letters, Chinese in both scripts."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import rows_message
from crmvalue._core.types import AnyArray, BoolArray
from crmvalue.errors import InputError

# The traditional characters that occur in names of costs, and their simplified forms.
SIMPLIFIED = str.maketrans(
    "資訊術營銷務數據優時間機會獲護開發員費軟體硬網絡維級儲雲場調廣動夥關設計訓練協專單詢戶",
    "资讯术营销务数据优时间机会获护开发员费软体硬网络维级储云场调广动伙关设计训练协专单询户",
)


def plain_name(name: object) -> str:
    """Return a name in the one form in which names are compared."""
    text = unicodedata.normalize("NFKC", str(name)).translate(SIMPLIFIED)
    return re.sub(r"[\s_-]+", "", text).casefold()


def counted(n: int, one: str, many: str) -> str:
    """Return a count and what is said of one or of many: 1 line lowers it, 2 lines lower it."""
    return f"{n:,} {one if n == 1 else many}"


def is_blank(values: AnyArray) -> BoolArray:
    """Whether each value is missing or text without a character."""
    import pandas as pd

    empty: BoolArray = np.array([not str(value).strip() for value in values], dtype=bool)
    return empty | np.asarray(pd.isna(values))


def spelling_table(allowed: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Map the plain form of each allowed name and of its aliases to the allowed name."""
    table = {plain_name(name): name for name in allowed}
    return table | {plain_name(alias): name for alias, name in aliases.items() if name in allowed}


def spelled(
    values: AnyArray,
    allowed: Sequence[str],
    argument: str,
    aliases: Mapping[str, str] | None = None,
    *,
    remedy: str = "",
) -> dict[object, str]:
    """Map each value that is not blank to its allowed name; an unknown name is an error that lists the nearest."""
    table = spelling_table(allowed, aliases or {})
    blank = is_blank(values)
    found = {name: table.get(plain_name(name)) for name in values[~blank].tolist()}
    unknown = [name for name, known in found.items() if known is None]
    if unknown:
        rows = [row for row, name in enumerate(values.tolist()) if not blank[row] and found[name] is None]
        problem, way_out = unknown_names(unknown, table, allowed)
        raise InputError(rows_message(argument, problem, len(rows), len(values), rows, way_out + remedy))
    return {name: known for name, known in found.items() if known is not None}


def spelled_options(names: Iterable[str], allowed: Sequence[str], argument: str, *, remedy: str = "") -> dict[str, str]:
    """Map each name that an argument lists to its allowed name; the error has no rows to name."""
    table = spelling_table(allowed, {})
    given = list(names)
    unknown = [name for name in given if plain_name(name) not in table]
    if unknown:
        problem, way_out = unknown_names(unknown, table, allowed)
        raise InputError(f"{argument}: {problem}. {way_out}{remedy}")
    return {name: table[plain_name(name)] for name in given}


def unknown_names(unknown: Sequence[object], table: Mapping[str, str], allowed: Sequence[str]) -> tuple[str, str]:
    """Say which names are unknown, and which of the allowed ones are near them, if any are."""
    shown = ", ".join(map(repr, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
    near = {name: difflib.get_close_matches(plain_name(name), table, n=1) for name in unknown[:3]}
    said = ", ".join(f"{table[found[0]]!r} for {name!r}" for name, found in near.items() if found)
    guess = f"Did you mean {said}? " if said else ""
    return f"unknown name {shown}", f"{guess}Use one of {', '.join(map(repr, allowed))}."


def renamed_column(column: str, names: Mapping[object, str], *, keep_others: bool = False) -> nw.Expr:
    """Expression for `column` with these values renamed; others are missing, or kept as text."""
    text = nw.col(column).cast(nw.String)
    written: dict[str, list[object]] = {}
    for raw, name in names.items():
        written.setdefault(name, []).append(str(raw))
    parts: list[nw.Expr] = [nw.when(text.is_in(raw)).then(nw.lit(name)) for name, raw in written.items()]
    if keep_others:
        parts.append(text)
    return nw.coalesce(*(parts or [nw.lit(None, dtype=nw.String)])).alias(column)
