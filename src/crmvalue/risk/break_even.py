"""Break-even: the value of one input at which a decision neither gains nor loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.finance.bracketing import bracketed_roots
from crmvalue.risk.simulation import require_arguments
from crmvalue.risk.what_if import Model, outcome_of

if TYPE_CHECKING:
    import pandas as pd

JUMP = 1e-6  # share of the rise over a bracket that a smooth function does not leave at its zero


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BreakEven:
    """Where the outcome is 0 as one input varies and the others stay."""

    input: str
    values: Array  # every value found in the range, ascending, shape (n,)
    low: float  # the range
    high: float
    at_low: float  # outcome at the ends of the range
    at_high: float
    notes: tuple[str, ...]  # that there is none, or that the outcome jumps over 0

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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and lists."""
        names = ("input", "low", "high", "at_low", "at_high")
        known = {name: getattr(self, name) for name in names}
        return {**known, "values": self.values.tolist(), "notes": list(self.notes)}


def break_even(
    model: Model, name: str, *, low: float, high: float, base: Mapping[str, float], n_points: int = 201
) -> BreakEven:
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
    n_points : int
        Evenly spaced values at which the model is looked at first, at least 2.

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
    Between two points with outcomes of opposite signs the value is found to the last digits. Two values closer
    together than the points can be missed: raise `n_points` if the outcome goes up and down.

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
    n = require_number("n_points", n_points, at_least=2)
    if not first < last:
        raise InputError(f"low: got {first:g}, not below high, {last:g}. Pass a range.")
    start = {key: require_number(f"base[{key!r}]", value) for key, value in base.items() if key != name}
    require_arguments(model, start | {name: first})

    def evaluate(values: Array) -> Array:
        return np.array([outcome_of(model, start | {name: value}) for value in values.tolist()])

    points = np.linspace(first, last, int(n))
    outcome = evaluate(points)
    left = np.flatnonzero(outcome[:-1] * outcome[1:] < 0)
    crossed = bracketed_roots(evaluate, points[left], points[left + 1]) if left.size else np.zeros(0)
    jumps = np.abs(evaluate(crossed)) > JUMP * np.abs(outcome[left + 1] - outcome[left])
    values = np.sort(np.concatenate([crossed, points[outcome == 0]]))
    return BreakEven(
        input=name,
        values=values,
        low=first,
        high=last,
        at_low=float(outcome[0]),
        at_high=float(outcome[-1]),
        notes=notes_on_break_even(name, points, outcome, len(values), crossed[jumps]),
    )


def notes_on_break_even(name: str, points: Array, outcome: Array, found: int, jumps: Array) -> tuple[str, ...]:
    """Say that there is no break-even value, that there are several, or that the outcome jumps over 0."""
    notes = []
    if not found:
        side = "above" if outcome[0] > 0 else "below"
        span = f"from {points[0]:g} to {points[-1]:g}"
        notes.append(f"The outcome is {side} 0 {span}: there is no break-even value of {name} in this range.")
    if found > 1:
        notes.append(f"The outcome is 0 at {found} values of {name}: it pays between some of them only.")
    notes.extend(f"The outcome jumps over 0 at {name} {value:g}: it is not 0 there." for value in jumps.tolist())
    return tuple(notes)
