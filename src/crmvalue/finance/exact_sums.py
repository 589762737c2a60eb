"""Sums of money that add up: to the cent where all amounts are whole cents, correctly rounded elsewhere."""

from __future__ import annotations

import math

import numpy as np

from crmvalue._core.types import Array, IntArray

CENTS = 100.0  # smallest units in one of the currency
MOST_CENTS = 2.0**53  # up to here floats hold every integer
TOLERANCE = 1e-8  # a millionth of a cent: the dust of earlier arithmetic such as 0.1 + 0.2
ROUNDING = 16 * np.finfo(float).eps  # share of the money moved below which a running sum is rounding error


def whole_cents(amount: Array) -> Array | None:
    """Return the amounts as integer cents, or None unless all are whole cents that add up to less than 2**53.

    An amount is whole cents if it is the float nearest to them, or within a millionth of a cent.
    """
    if not np.abs(amount).sum() < MOST_CENTS / CENTS:
        return None
    cents = np.rint(amount * CENTS)
    return cents if (np.abs(amount - cents / CENTS) <= TOLERANCE).all() else None


def exact_sums(amount: Array, group: IntArray, n_groups: int) -> Array:
    """Sum of the amounts of each group 0 .. n_groups - 1, whatever the order of the lines, shape (n_groups,).

    Whole cents are added as integers, so that the groups add up to the total to the cent. Other amounts are added by
    `math.fsum`: each sum is the float nearest to the true one.
    """
    cents = whole_cents(amount)
    if cents is not None:
        return np.bincount(group, weights=cents, minlength=n_groups) / CENTS
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=n_groups))
    return np.array([math.fsum(part) for part in np.split(amount[order], ends[:-1])])


def exact_sum(amount: Array) -> float:
    """Sum of all amounts, to the cent where they are whole cents."""
    cents = whole_cents(amount)
    return float(cents.sum()) / CENTS if cents is not None else math.fsum(amount)


def running_sums(amount: Array) -> Array:
    """Sum of the amounts so far, exactly 0 where they cancel, shape (n,)."""
    cents = whole_cents(amount)
    if cents is not None:
        return np.cumsum(cents) / CENTS
    sums = np.cumsum(amount)
    return np.where(np.abs(sums) <= ROUNDING * np.cumsum(np.abs(amount)), 0.0, sums)
