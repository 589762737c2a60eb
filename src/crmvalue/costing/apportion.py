"""Money in whole cents, split so that the parts add up: the method of largest remainders.

References
----------
Balinski & Young (2001) "Fair Representation", 2nd edition, chapter 2 (Hamilton's method). Brookings Institution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmvalue._core.types import Array, BoolArray
from crmvalue.finance.exact_sums import CENTS, TOLERANCE

Bytes: TypeAlias = NDArray[np.uint8]
VALUES = 256  # quantities below this that are whole numbers, such as orders, are split value by value
BLOCK = 32_768  # parts that are worked on at a time, so that they stay in the processor's cache
SAMPLE = 16_384  # remainders from which those of very many parts are guessed
EXACT = 2.0**52  # sums of whole numbers up to about this size are exact in floating point, in whatever order
# Share of the parts on each side of the guess that are compared one by one. The guess errs by sqrt(1 / 12 / SAMPLE) if
# remainders are spread evenly, by sqrt(1 / 4 / SAMPLE) at worst: this is over four, or two and a half, times as much.
SPREAD = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Quantities to split by; if they are small counts such as orders, how many parts there are of each."""

    quantity: Array  # of each part, at least 0
    total: float  # sum of the quantities
    codes: Bytes  # the quantities as small whole numbers; empty if they are none
    counts: Array  # parts of quantity 0, 1, 2 and so on, shape (VALUES,); empty if they are no small whole numbers


def weights_of(quantity: Array, room: Bytes | None = None) -> Weights:
    """Return the weights of quantities of at least 0; `room` is a byte for each, and one more, to be written on."""
    if room is None:
        room = np.empty(len(quantity) + 1, dtype=np.uint8)
    codes = small_counts(quantity, room) if len(quantity) > VALUES else room[:0]
    if not len(codes):
        with np.errstate(over="ignore", invalid="ignore"):  # what has no finite sum is an error later
            total = float(quantity.sum())
        return Weights(quantity=quantity, total=total, codes=codes, counts=np.zeros(0))
    # two codes are read as one number of 16 bits: half as many to count
    pairs = np.bincount(codes.view(np.uint16), minlength=VALUES**2).reshape(VALUES, VALUES)
    counts = (pairs.sum(axis=0) + pairs.sum(axis=1)).astype(float)
    counts[0] -= len(codes) - len(quantity)
    return Weights(quantity=quantity, total=float(counts @ np.arange(VALUES)), codes=codes, counts=counts)


def small_counts(quantity: Array, room: Bytes) -> Bytes:
    """Return the quantities as bytes, with a 0 after them if their number is odd; nothing if one is no small count."""
    codes, values = room[: len(quantity) + len(quantity) % 2], np.empty(BLOCK)
    codes[-1] = 0
    with np.errstate(invalid="ignore"):  # what no byte can hold does not come back as it was
        for block in blocks(0, len(quantity)):
            codes[block] = quantity[block]
            again = values[: block.stop - block.start]
            again[:] = codes[block]
            if not np.array_equal(again, quantity[block]):
                return codes[:0]
    return codes


def blocks(start: int, stop: int) -> Iterator[slice]:
    """Slices that together are the parts from `start` to `stop`."""
    return (slice(place, min(place + BLOCK, stop)) for place in range(start, stop, BLOCK))


def to_cents(amount: Array) -> Array:
    """Return amounts in whole cents; what is no whole cent is cut towards zero."""
    nearest = np.rint(amount * CENTS)
    is_whole = np.abs(amount - nearest / CENTS) <= TOLERANCE
    return np.where(is_whole, nearest, np.trunc(amount * CENTS))


def split(cents: float, weights: Weights, out: Array) -> None:
    """Split whole cents in proportion to quantities that are not all 0, into `out`; the parts are whole and add up.

    Each part is rounded down; the cents that are then missing go, one each, to the parts with the largest remainders,
    and among equal ones to the first. A negative amount is split like its opposite.
    """
    size = abs(cents)
    exact = np.arange(len(weights.counts)) / weights.total * size
    missing = int(size - np.floor(exact) @ weights.counts)
    if len(weights.codes) and size <= EXACT and 0 <= missing < len(out):
        split_values(exact, missing, weights, out)
    else:
        split_parts(size, weights, out, *guess(size, weights))
    if cents < 0:
        np.negative(out, out=out)


def split_values(exact: Array, missing: int, weights: Weights, out: Array) -> None:
    """Write the parts of counts from a table of a part for each value: all that differs are cents for equal ones."""
    parts, counts = np.floor(exact), weights.counts
    remainder = np.where(counts > 0, exact - parts, -1.0)
    is_tie, cut = np.zeros(len(parts), dtype=bool), 0
    if missing > 0:
        order = np.argsort(-remainder, kind="stable")
        least = remainder[order[np.searchsorted(np.cumsum(counts[order]), missing)]]
        is_above, is_tie = remainder > least, remainder == least
        parts += is_above
        cut = place_of_tie(weights.codes, is_tie, missing - int(counts[is_above].sum()))
    place = np.empty(BLOCK, dtype=np.intp)
    for table, start, stop in ((parts + is_tie, 0, cut), (parts, cut, len(out))):
        for block in blocks(start, stop):
            code = place[: block.stop - block.start]
            code[:] = weights.codes[block]
            np.take(table, code, out=out[block], mode="clip")


def place_of_tie(codes: Bytes, is_tie: BoolArray, n: int) -> int:
    """Return the place after the first n codes that are ties."""
    for block in blocks(0, len(codes)) if n > 0 else ():
        here = np.zeros(block.stop - block.start, dtype=bool)
        for value in np.flatnonzero(is_tie).tolist():
            here |= codes[block] == value
        found = int(np.count_nonzero(here))
        if found >= n:
            return int(block.start + np.flatnonzero(here)[n - 1] + 1)
        n -= found
    return 0


def guess(size: float, weights: Weights) -> tuple[float, float]:
    """Return bounds of the smallest remainder that is rounded up, from a sample if there are very many parts."""
    n = len(weights.quantity)
    if n < 8 * SAMPLE:
        return -np.inf, np.inf
    exact = weights.quantity[:: n // SAMPLE] / weights.total * size
    remainder = exact - np.floor(exact)
    share = 1 - remainder.mean()  # the remainders add up to the number of parts that are rounded up
    low, high = (int((share + side * SPREAD) * len(remainder)) for side in (-1, 1))
    inside = [place for place in (low, high) if 0 <= place < len(remainder)]
    remainder.partition(inside)
    return remainder[low] if low in inside else -np.inf, remainder[high] if high in inside else np.inf


def split_parts(size: float, weights: Weights, out: Array, low: float, high: float) -> None:
    """Write the parts of any quantities: remainders above `high` are rounded up, those from `low` on are compared."""
    places, reached, room = [], 0, np.empty(min(BLOCK, len(out)))
    above = high if high < 1 else 0.0
    for block in blocks(0, len(out)):
        gap, parts = room[: block.stop - block.start], out[block]
        np.divide(weights.quantity[block], weights.total, out=gap)  # first, as it is the same in any unit
        gap *= size
        if high < 1:
            gap -= above
            np.ceil(gap, out=parts)
        else:
            np.floor(gap, out=parts)
        gap -= parts  # remainder less `above`, and 1 less than that where it was rounded up
        reached += int(parts.sum()) if size <= EXACT else sum(map(int, parts.tolist()))
        near = np.flatnonzero(gap >= max(low, 0.0) - above)
        near += block.start
        places.append(near)
    place, missing = np.concatenate(places), int(size) - reached
    remainder = weights.quantity[place] / weights.total * size
    remainder -= out[place]
    if not 0 <= missing <= len(place) and len(place) < len(out):  # the guess was wrong
        split_parts(size, weights, out, -np.inf, np.inf)
    elif missing:
        more = np.zeros(len(place))
        # too many only where a share of a very large amount was rounded to the whole number above it: remainder 0
        top_up(more, remainder if missing > 0 else np.where(out > 0, -remainder, -np.inf), abs(missing))
        out[place] += np.sign(missing) * more


def top_up(parts: Array, remainder: Array, missing: int) -> None:
    """Add 1 to the parts with the largest remainders, in place; among equal ones to the first."""
    n = len(parts)
    if missing >= n:  # rounding in the shares of very large amounts
        parts += missing // n
        missing %= n
        if not missing:
            return
    least = np.partition(remainder, n - missing)[n - missing]
    is_above = remainder > least
    parts += is_above
    parts[np.flatnonzero(remainder == least)[: missing - int(np.count_nonzero(is_above))]] += 1


def round_to_sum(amounts: Array, total: int) -> Array:
    """Round amounts of either sign to whole numbers that add up to `total`, their sum but for rounding."""
    parts, more = np.floor(amounts), np.zeros(len(amounts))
    missing = total - sum(map(int, parts.tolist()))
    if missing:  # too many only where amounts are so large that floats hold no fractions of them
        top_up(more, np.sign(missing) * (amounts - parts), abs(missing))
        parts += np.sign(missing) * more
    return parts
