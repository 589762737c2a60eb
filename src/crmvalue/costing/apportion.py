"""Money in whole cents, split so that the parts add up: the method of largest remainders.

References
----------
Balinski & Young (2001) "Fair Representation", 2nd edition, chapter 2 (Hamilton's method). Brookings Institution.
"""

from __future__ import annotations

import numpy as np

from crmvalue._core.types import Array
from crmvalue.finance.exact_sums import CENTS, TOLERANCE


def to_cents(amount: Array) -> Array:
    """Return amounts in whole cents; what is no whole cent is cut towards zero."""
    nearest = np.rint(amount * CENTS)
    is_whole = np.abs(amount - nearest / CENTS) <= TOLERANCE
    return np.where(is_whole, nearest, np.trunc(amount * CENTS))


def split(cents: float, share: Array) -> Array:
    """Split whole cents in proportion to `share` (at least 0, sum 1); the parts are whole and add up, shape (n,).

    Each part is rounded down; the cents that are then missing go, one each, to the parts with the largest remainders,
    and among equal ones to the first. A negative amount is split like its opposite.
    """
    exact = share * abs(cents)
    parts = np.floor(exact)
    np.subtract(exact, parts, out=exact)
    missing = int(abs(cents) - parts.sum())
    if missing > 0:
        top_up(parts, exact, missing)
    return np.copysign(parts, cents, out=parts) if cents < 0 else parts


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
    parts += above
    ties = np.flatnonzero(remainder == least)[: missing - int(above.sum())]
    parts[ties] += 1


def round_to_sum(amounts: Array, total: float) -> Array:
    """Round amounts of either sign to whole numbers that add up to `total`, their sum but for rounding."""
    parts = np.floor(amounts)
    missing = int(total - parts.sum())
    if missing > 0:
        top_up(parts, amounts - parts, missing)
    return parts


def split_evenly(cents: Array, n: int) -> Array:
    """Split each amount of whole cents into n parts that differ by one cent at most, the larger first, shape (k, n)."""
    whole, rest = np.divmod(np.abs(cents), n)
    parts = whole[:, None] + (np.arange(n) < rest[:, None])
    signed: Array = np.copysign(parts, np.where(cents < 0, -1.0, 1.0)[:, None])
    return signed
