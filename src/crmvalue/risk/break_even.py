"""Break-even: the value of one input at which a decision neither gains nor loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.risk.simulation import require_arguments
from crmvalue.risk.what_if import Model, outcome_of, said_base
from crmvalue.risk.zeros import CLOSEST, Zeros, zeros_between

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BreakEven:
    """Where the outcome is 0 as one input varies and the others stay."""

    input: str
    values: Array  # every value found in the range, ascending, shape (n,); where it is 0 all along, both ends
    low: float  # the range
    high: float
    at_low: float  # outcome at the ends of the range
    at_high: float
    notes: tuple[str, ...]  # that there is none, or several, that the outcome jumps over 0, or is 0 all along
    assumptions: tuple[str, ...]  # what the values rest on, in words

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def value(self) -> float:
        """The break-even value if there is exactly one, else NaN."""
        return float(self.values[0]) if len(self.values) == 1 else math.nan

    def to_frame(self) -> pd.DataFrame:
        """Return one row a break-even value."""
        import pandas as pd

        return pd.DataFrame({"input": self.input, "value": self.values})


def break_even(model: Model, name: str, *, low: float, high: float, base: Mapping[str, float]) -> BreakEven:
    """Every value of one input at which the outcome is 0.

    Parameters
    ----------
    model : callable
        Takes each input by name, as a number, and returns the outcome: a net present value, or a return.
    name : str
        The input to vary.
    low, high : float
        Range in which to look.
    base : mapping of str to float
        Values of the other inputs of the model.

    Returns
    -------
    BreakEven
        The values, and notes: that there is none in the range, or that the outcome jumps over 0.

    Raises
    ------
    InputError
        If the range is empty, or the model does not take the inputs or returns no number.

    Notes
    -----
    The range is cut into pieces until on each a polynomial of degree 32 agrees with the model to about twelve digits;
    all zeros of the polynomial are then known from its coefficients, also where the outcome only touches 0, and each is
    settled on the model itself. Jumps and kinks end up in pieces of no width. Values closer than a ten-millionth of the
    range count as one. No method that sees the model at points alone can find a rise and fall between two of them:
    these are at most about a hundredth of the range apart. A model that is rough everywhere, such as one that draws at
    random, is searched for changes of sign alone, and a note says so.

    References
    ----------
    Boyd (2002) "Computing zeros on a real interval through Chebyshev expansion and polynomial rootfinding", SIAM
    Journal on Numerical Analysis 40(5), 1666-1682. https://doi.org/10.1137/S0036142901398325

    Examples
    --------
    >>> def profit(price, volume):
    ...     return (price - 6) * volume - 100
    >>> break_even(profit, "price", low=0, high=20, base={"volume": 50}).value
    8.0
    >>> break_even(profit, "price", low=10, high=20, base={"volume": 50}).notes
    ('The outcome is above 0 from 10 to 20: there is no break-even value of price in this range.',)
    """
    first, last = require_number("low", low), require_number("high", high)
    if not first < last:
        raise InputError(f"low: got {first:g}, not below high, {last:g}. Pass a range.")
    start = {key: require_number(f"base[{key!r}]", value) for key, value in base.items() if key != name}
    require_arguments(model, start | {name: first})

    def evaluate(values: Array) -> Array:
        return np.array([outcome_of(model, start | {name: value}) for value in values.tolist()])

    at_low, at_high = evaluate(np.array([first, last])).tolist()
    found = zeros_between(evaluate, first, last)
    return BreakEven(
        input=name,
        values=found.values,
        low=first,
        high=last,
        at_low=at_low,
        at_high=at_high,
        notes=notes_on_break_even(name, found, (first, last), at_low),
        assumptions=(
            said_base(start, "Other inputs stay at the base"),
            f"Values of {name} closer than {CLOSEST * (last - first):.2g} count as one.",
        ),
    )


def notes_on_break_even(name: str, found: Zeros, ends: tuple[float, float], at_low: float) -> tuple[str, ...]:
    """Say that there is no break-even value, that there are several, or that the outcome jumps over 0."""
    notes, n = [], len(found.values)
    if not n:
        side = "above" if at_low > 0 else "below"
        span = f"from {ends[0]:g} to {ends[1]:g}"
        notes.append(f"The outcome is {side} 0 {span}: there is no break-even value of {name} in this range.")
    notes.extend(f"The outcome is 0 all along from {name} {a:g} to {b:g}." for a, b in found.stretches)
    if n > 2 * len(found.stretches) + (not found.stretches):
        notes.append(f"The outcome is 0 at {n} values of {name}: it pays between some of them only.")
    notes.extend(f"The outcome jumps over 0 at {name} {value:g}: it is not 0 there." for value in found.jumps.tolist())
    if found.unsure:
        low, high = found.unsure[0]
        notes.append(
            f"The outcome is too rough to be followed in {len(found.unsure):,} pieces of the range, such as from "
            f"{low:g} to {high:g}: only changes of sign were looked at there, and a value may be missing."
        )
    return tuple(notes)
