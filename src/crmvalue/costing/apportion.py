"""Money in whole cents, split so that the parts add up: the method of largest remainders.

References
----------
Balinski & Young (2001) "Fair Representation", 2nd edition, chapter 2 (Hamilton's method). Brookings Institution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crmvalue._core.types import Array
from crmvalue.finance.exact_sums import CENTS, TOLERANCE

MOST_VALUES = 50_000  # largest quantity up to which counts such as orders are split value by value


BLOCK = 65_536  # parts that are worked on at a time, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Shares to split by: of each part, or of each value that parts have if these are small counts."""

    share: Array  # of each part, sum 1; or of one part of quantity 0, 1, 2 and so on
    quantity: Array  # of each part
    counts: Array | None  # parts of quantity 0, 1, 2 and so on; None if `share` is of each part


def blocks(n: int) -> Iterator[slice]:
    """Slices that together are the n parts."""
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def weights_of(quantity: Array, total: float) -> Weights:
    """Return the shares of quantities of at least 0, whose sum is `total` and above 0."""
    if len(quantity) > MOST_VALUES and quantity.max() <= MOST_VALUES:
        counts = np.zeros(int(quantity.max()) + 1)
        for block in blocks(len(quantity)):
            code = quantity[block].astype(np.int64)
            if (code != quantity[block]).any():
                break
            counts += np.bincount(code, minlength=len(counts))
        else:
            return Weights(share=np.arange(len(counts)) / total, quantity=quantity, counts=counts)
    return Weights(share=quantity / total, quantity=quantity, counts=None)


def split_by(cents: float, weights: Weights, out: Array) -> None:
    """Write into `out` what `split` would return, faster where many parts have the same few values."""
    if weights.counts is None:
        split(cents, weights.share, out)
        return
    exact, counts = weights.share * abs(cents), weights.counts
    parts = np.floor(exact)
    missing = int(abs(cents) - float(parts @ counts))
    if missing >= len(out):  # rounding in the shares of very large amounts
        split(cents, weights.quantity / weights.quantity.sum(), out)
        return
    remainder = np.where(counts > 0, exact - parts, -1.0)
    equal = np.zeros(len(parts), dtype=bool)
    if missing > 0:
        order = np.argsort(-remainder, kind="stable")
        least = remainder[order[np.searchsorted(np.cumsum(counts[order]), missing)]]
        above = remainder > least
        parts += above
        missing -= int(counts[above].sum())
        equal = remainder == least
    sign = -1.0 if cents < 0 else 1.0
    parts *= sign
    for block in blocks(len(out)):
        code = weights.quantity[block].astype(np.int64)
        np.take(parts, code, out=out[block], mode="clip")
        if missing > 0:
            ties = np.flatnonzero(equal[code])[:missing]
            out[block][ties] += sign
            missing -= len(ties)


def to_cents(amount: Array) -> Array:
    """Return amounts in whole cents; what is no whole cent is cut towards zero."""
    nearest = np.rint(amount * CENTS)
    is_whole = np.abs(amount - nearest / CENTS) <= TOLERANCE
    return np.where(is_whole, nearest, np.trunc(amount * CENTS))


def split(cents: float, share: Array, out: Array | None = None) -> Array:
    """Split whole cents in proportion to `share` (at least 0, sum 1); the parts are whole and add up, shape (n,).

    Each part is rounded down; the cents that are then missing go, one each, to the parts with the largest remainders,
    and among equal ones to the first. A negative amount is split like its opposite.
    """
    remainder = share * abs(cents)
    parts = np.floor(remainder, out=out)
    np.subtract(remainder, parts, out=remainder)
    missing = int(abs(cents) - parts.sum())
    if missing > 0:
        top_up(parts, remainder, missing)
    return np.negative(parts, out=parts) if cents < 0 else parts


def top_up(parts: Array, remainder: Array, missing: int) -> None:
    """Add 1 to the parts with the largest remainders, in place; among equal ones to the first."""
    n = len(parts)
    if missing >= n:  # rounding in the shares of very large amounts
        parts += missing // n
        missing %= n
        if not missing:
            return
    least = np.partition(remainder, n - missing)[n - missing]
    above = remainder > least
    np.add(parts, above, out=parts)
    equal = remainder == least
    last = np.flatnonzero(equal)[missing - 1 - int(np.count_nonzero(above))]
    np.add(parts[: last + 1], equal[: last + 1], out=parts[: last + 1])


def round_to_sum(amounts: Array, total: float) -> Array:
    """Round amounts of either sign to whole numbers that add up to `total`, their sum but for rounding."""
    parts = np.floor(amounts)
    missing = int(total - parts.sum())
    if missing > 0:
        top_up(parts, amounts - parts, missing)
    return parts
