"""Equal rows and equal texts found fast: 64-bit keys first, a comparison in full before anything is believed.

A text is read eight bytes at a time from its Arrow buffer, so that no Python string is made. Keys of equal values are
equal; where different values could share a key, the values themselves decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmvalue._core.types import IntArray

if TYPE_CHECKING:
    import pandas as pd

Words = NDArray[np.uint64]

LONGEST_TEXT = 512  # bytes; longer texts are left to the slower general way
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, and
SPLITMIX = np.uint64(0xBF58476D1CE4E5B9)  # the multiplier of splitmix64: they spread the bits of a word
LOW_BYTES = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)


def mixed_key(words: list[Words]) -> Words:
    """One key a row from the words of that row; equal rows have equal keys."""
    key = words[0] * GOLDEN
    shifted = np.empty_like(key)  # one scratch array: fresh memory costs more than the arithmetic
    for word in words[1:]:
        key ^= np.right_shift(key, np.uint64(32), out=shifted)
        key ^= word
        key *= SPLITMIX
    key ^= np.right_shift(key, np.uint64(29), out=shifted)
    key *= GOLDEN
    key ^= np.right_shift(key, np.uint64(32), out=shifted)
    return key


def text_words(texts: Any) -> list[Words] | None:
    """Return length and bytes, in words of eight, of each text of a PyArrow array; None where it does not pay."""
    import pyarrow as pa

    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)) or not len(array):
        return None
    array = array.fill_null("") if array.null_count else array
    offset_type = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype=offset_type)[array.offset : array.offset + len(array) + 1]
    length = np.diff(ends)
    if int(length.max()) > LONGEST_TEXT:
        return None
    raw = np.frombuffer(data, dtype=np.uint8)[: int(ends[-1])] if data is not None else np.empty(0, dtype=np.uint8)
    padded = np.zeros(len(raw) + 8, dtype=np.uint8)
    padded[: len(raw)] = raw
    at_each_byte = np.lib.stride_tricks.as_strided(padded[:8].view(np.uint64), shape=(len(raw) + 1,), strides=(1,))
    longest = int(length.max())
    if longest and longest == int(length.min()):  # texts of one length stand at equal steps: nothing to look up or mask
        rows = slice(int(ends[0]), None, longest)
        kept = [LOW_BYTES[min(longest - start, 8)] for start in range(0, longest, 8)]
        return [at_each_byte[8 * i :][rows][: len(array)] & bytes_kept for i, bytes_kept in enumerate(kept)]
    words = [length.astype(np.uint64)]
    for start in range(0, longest, 8):
        word = at_each_byte[np.minimum(ends[:-1] + start, len(raw))]
        word &= LOW_BYTES[np.clip(length - start, 0, 8)]
        words.append(word)
    return words


def text_codes(texts: Any) -> tuple[IntArray, IntArray] | None:
    """Code each text by an integer from 0, in order of first appearance, with the row of each first appearance."""
    words = text_words(texts)
    if words is None:
        return None
    key = mixed_key(words)
    order = np.argsort(key)
    starts = np.flatnonzero(np.diff(key[order], prepend=~key[order[:1]]))
    first = np.minimum.reduceat(order, starts)
    appearance = np.argsort(first)
    place = np.empty(len(first), dtype=np.int64)
    place[appearance] = np.arange(len(first))
    codes = np.empty(len(key), dtype=np.int64)
    codes[order] = np.repeat(place, np.diff(starts, append=len(key)))
    first = first[appearance]
    if any((word != word[first][codes]).any() for word in words):
        return None  # two texts share a key: once in millions of tables
    return codes, first


def row_key(table: pd.DataFrame) -> Words:
    """One key for each row of a pandas table; equal rows have equal keys."""
    import pandas as pd

    words: list[Words] = []
    for name in table.columns:
        column = table[name]
        plain = column.to_numpy() if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuM" else None
        if plain is not None and plain.dtype.itemsize == 8:
            words.append(plain.view(np.uint64))
        elif column.dtype == np.float64:
            words.append((column.to_numpy() + 0.0).view(np.uint64))  # -0.0 becomes 0.0
        elif isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow":
            found = text_words(column.array.__arrow_array__())
            words.extend(found or [pd.util.hash_array(column.array, categorize=False)])
            words.append(column.isna().to_numpy().astype(np.uint64))
        else:
            plain_objects = column.astype(str) if column.dtype == object else column  # lists have no hash
            words.append(np.asarray(pd.util.hash_pandas_object(plain_objects, index=False), dtype=np.uint64))
    return mixed_key(words)


def count_distinct_rows(table: pd.DataFrame) -> int:
    """Return the number of distinct rows of a pandas table; only rows with equal keys are compared in full."""
    key = row_key(table)
    ordered = np.sort(key)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return len(table)
    candidates = table[np.isin(key, twice)]
    objects = [name for name in table.columns if table[name].dtype == object]
    return len(table) - int(candidates.astype(dict.fromkeys(objects, str)).duplicated().sum())
