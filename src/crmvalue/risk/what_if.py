"""What if: a model of a decision at other values of its inputs, one at a time, two at a time, or all in a scenario."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.plain import as_dict, plain
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.finance.timed_flow import to_numbers
from crmvalue.risk.simulation import require_arguments

if TYPE_CHECKING:
    import pandas as pd

Model: TypeAlias = Callable[..., ArrayLike]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensitivity:
    """The outcome with each input at its low and at its high, the others at their base; the widest swing first."""

    inputs: tuple[str, ...]
    low: Array  # of each input, shape (n_inputs,)
    base: Array  # shape (n_inputs,)
    high: Array  # shape (n_inputs,)
    at_low: Array  # outcome with this input at its low, shape (n_inputs,)
    at_high: Array  # outcome with this input at its high, shape (n_inputs,)
    base_outcome: float  # outcome with all inputs at their base
    assumptions: tuple[str, ...]  # what the outcomes rest on, in words

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def swing(self) -> Array:
        """Distance between the two outcomes of each input, shape (n_inputs,)."""
        return np.abs(self.at_high - self.at_low)

    def to_frame(self) -> pd.DataFrame:
        """Return one row an input, the widest swing first."""
        import pandas as pd

        names = ("low", "base", "high", "at_low", "at_high", "swing")
        return pd.DataFrame({"input": self.inputs, **{name: getattr(self, name) for name in names}})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: the base outcome, and one record an input."""
        said = {"base_outcome": self.base_outcome, "inputs": self.to_frame(), "assumptions": self.assumptions}
        return {name: plain(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScenarioTable:
    """The outcome of each scenario, beside that of the base."""

    scenarios: tuple[str, ...]  # "base" first
    inputs: Mapping[str, Array]  # values of each input, shape (n_scenarios,)
    outcome: Array  # shape (n_scenarios,)
    expected: float  # mean outcome by the chances of the scenarios; NaN if none were passed
    assumptions: tuple[str, ...]  # what the outcomes rest on, in words

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return one row a scenario: its inputs, its outcome, and the difference to the base."""
        import pandas as pd

        change = self.outcome - self.outcome[0]
        return pd.DataFrame({"scenario": self.scenarios, **self.inputs, "outcome": self.outcome, "change": change})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: one record a scenario, and the expected outcome."""
        said = {"scenarios": self.to_frame(), "expected": self.expected, "assumptions": self.assumptions}
        return {name: plain(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoWayTable:
    """The outcome at each pair of values of two inputs, the others at their base."""

    rows: str  # input whose values are the rows
    row_values: Array  # shape (n_rows,)
    columns: str  # input whose values are the columns
    column_values: Array  # shape (n_columns,)
    outcome: Array  # shape (n_rows, n_columns)
    assumptions: tuple[str, ...]  # what the outcomes rest on, in words

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def to_frame(self) -> pd.DataFrame:
        """Return the table, with the values of both inputs as labels."""
        import pandas as pd

        index, columns = pd.Index(self.row_values, name=self.rows), pd.Index(self.column_values, name=self.columns)
        return pd.DataFrame(self.outcome, index=index, columns=columns)


def sensitivity(model: Model, inputs: Mapping[str, tuple[float, float, float]]) -> Sensitivity:
    """Outcome with each input in turn at its low and its high: the numbers of a tornado chart.

    Parameters
    ----------
    model : callable
        Takes each input by name, as a number, and returns the outcome: a return, or a net present value.
    inputs : mapping of str to (low, base, high)
        Range of each input of the model; equal numbers for one that is certain.

    Returns
    -------
    Sensitivity
        Both outcomes of each input, the widest swing first.

    Raises
    ------
    InputError
        If a range is not three numbers in order, or the model does not take the inputs or returns no number.

    See Also
    --------
    simulate_roi : all inputs vary together.

    Notes
    -----
    One input at a time shows neither inputs that act together nor how likely their ends are.

    Examples
    --------
    >>> found = sensitivity(lambda price, cost: price - cost, {"price": (9, 10, 11), "cost": (2, 4, 8)})
    >>> found.to_frame()[["input", "at_low", "at_high", "swing"]]
       input  at_low  at_high  swing
    0   cost     8.0      2.0    6.0
    1  price     5.0      7.0    2.0
    """
    ranges = {name: require_range(name, given) for name, given in inputs.items()}
    require_arguments(model, ranges)
    if not ranges:
        raise InputError("inputs: there is none. Pass the range of at least one input.")
    base = {name: middle for name, (_, middle, _) in ranges.items()}
    ends = np.array(
        [[outcome_of(model, {**base, name: end}) for end in (low, high)] for name, (low, _, high) in ranges.items()]
    )
    order = np.argsort(-np.abs(ends[:, 1] - ends[:, 0]), kind="stable")
    names, table = list(ranges), np.array(list(ranges.values()))[order]
    return Sensitivity(
        inputs=tuple(names[place] for place in order.tolist()),
        low=table[:, 0],
        base=table[:, 1],
        high=table[:, 2],
        at_low=ends[order, 0],
        at_high=ends[order, 1],
        base_outcome=outcome_of(model, base),
        assumptions=(
            "One input at a time between its low and high, the others at their base: neither inputs that act together "
            "nor how likely the ends are can be seen.",
        ),
    )


def scenario_table(
    model: Model,
    scenarios: Mapping[str, Mapping[str, float]],
    *,
    base: Mapping[str, float],
    chances: Mapping[str, float] | None = None,
) -> ScenarioTable:
    """Outcome of named scenarios, each of which changes some inputs of the base.

    Parameters
    ----------
    model : callable
        Takes each input by name, as a number, and returns the outcome: a return, or a net present value.
    scenarios : mapping of str to mapping of str to float
        The inputs that each scenario changes, by name.
    base : mapping of str to float
        Value of every input of the model in the base.
    chances : mapping of str to float, optional
        Chance of each scenario; the base, "base", has what is left to 1.

    Returns
    -------
    ScenarioTable
        The base and each scenario, with inputs and outcome, and the expected outcome if there are chances.

    Raises
    ------
    InputError
        If a scenario names an input that the base does not, the chances are no chances, or the model does not take the
        inputs or returns no number.

    Examples
    --------
    >>> found = scenario_table(
    ...     lambda price, cost: price - cost, {"good": {"price": 12}, "bad": {"price": 8, "cost": 9}},
    ...     base={"price": 10, "cost": 6}, chances={"good": 0.25, "bad": 0.25},
    ... )
    >>> found.to_frame()
      scenario  price  cost  outcome  change
    0     base   10.0   6.0      4.0     0.0
    1     good   12.0   6.0      6.0     2.0
    2      bad    8.0   9.0     -1.0    -5.0
    >>> found.expected
    3.25
    """
    start = {name: require_number(f"base[{name!r}]", value) for name, value in base.items()}
    require_arguments(model, start)
    if "base" in scenarios:
        raise InputError("scenarios: 'base' is the name of the base. Rename this scenario.")
    rows = [start]
    for scenario, changes in scenarios.items():
        for name, value in changes.items():
            require_option(f"scenarios[{scenario!r}]", name, start)
            require_number(f"scenarios[{scenario!r}][{name!r}]", value)
        rows.append(start | {name: float(value) for name, value in changes.items()})
    outcome = np.array([outcome_of(model, row) for row in rows])
    return ScenarioTable(
        scenarios=("base", *scenarios),
        inputs={name: np.array([row[name] for row in rows]) for name in start},
        outcome=outcome,
        expected=math.nan if chances is None else float(read_chances(chances, tuple(scenarios)) @ outcome),
        assumptions=(
            said_base(start, "What a scenario does not name stays at the base"),
            "No chances were passed, so there is no expected outcome."
            if chances is None
            else "The expected outcome weighs each scenario by the chance that was passed.",
        ),
    )


def two_way_table(
    model: Model,
    *,
    rows: tuple[str, Sequence[float]],
    columns: tuple[str, Sequence[float]],
    base: Mapping[str, float] | None = None,
) -> TwoWayTable:
    """Outcome at each pair of values of two inputs.

    Parameters
    ----------
    model : callable
        Takes each input by name, as a number, and returns the outcome: a return, or a net present value.
    rows, columns : (str, sequence of float)
        Name of an input, and its values.
    base : mapping of str to float, optional
        Values of the other inputs of the model.

    Returns
    -------
    TwoWayTable
        The outcomes, one row a value of the first input, one column a value of the second.

    Raises
    ------
    InputError
        If both inputs are one, a value is missing, or the model does not take the inputs or returns no number.

    Examples
    --------
    >>> two_way_table(lambda price, cost: price - cost, rows=("price", [8, 10]), columns=("cost", [4, 5])).outcome
    array([[4., 3.],
           [6., 5.]])
    """
    start = {name: require_number(f"base[{name!r}]", value) for name, value in (base or {}).items()}
    first, second = rows[0], columns[0]
    if first == second:
        raise InputError(f"columns: got {second!r}, as for the rows. Name two inputs.")
    values = [to_numbers(f"values of {name!r}", given, n_axes=1) for name, given in (rows, columns)]
    require_arguments(model, start | {first: 0.0, second: 0.0})
    table = [[outcome_of(model, start | {first: x, second: y}) for y in values[1].tolist()] for x in values[0].tolist()]
    return TwoWayTable(
        rows=first,
        row_values=values[0],
        columns=second,
        column_values=values[1],
        outcome=np.array(table),
        assumptions=(said_base(start, "Other inputs stay at the base"),),
    )


def outcome_of(model: Model, values: Mapping[str, float]) -> float:
    """Return the outcome of the model at these values, after a check."""
    try:
        made = np.asarray(model(**values), dtype=float)
    except ZeroDivisionError:
        made = np.array(math.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"model: no number comes out ({error}). Return the outcome as one number.") from error
    if made.size != 1 or not np.isfinite(made).all():
        held = ", ".join(f"{name}={value:g}" for name, value in values.items())
        raise InputError(f"model: returned {made} at {held}. Return one finite number, or pass other values.")
    return float(made.reshape(()))


def said_base(base: Mapping[str, float], words: str) -> str:
    """Say what the other inputs are."""
    return f"{words}: {', '.join(f'{name} = {value:g}' for name, value in base.items()) or 'there are none'}."


def require_range(name: str, given: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return low, base and high of an input, or raise InputError."""
    try:
        low, base, high = given
    except (TypeError, ValueError):
        raise InputError(f"inputs[{name!r}]: got {given!r}. Pass (low, base, high).") from None
    numbers = [require_number(f"inputs[{name!r}]", value) for value in (low, base, high)]
    if not numbers[0] <= numbers[1] <= numbers[2]:
        raise InputError(f"inputs[{name!r}]: got {given!r}, not in order. Pass (low, base, high).")
    return numbers[0], numbers[1], numbers[2]


def read_chances(chances: Mapping[str, float], scenarios: tuple[str, ...]) -> Array:
    """Return the chance of the base and of each scenario, or raise InputError."""
    for name in chances:
        require_option("chances", name, ("base", *scenarios))
    known = [require_number(f"chances[{name!r}]", chances.get(name, 0.0), at_least=0) for name in scenarios]
    left = 1 - math.fsum(known)
    said = require_number("chances['base']", chances.get("base", max(left, 0.0)), at_least=0)
    if abs(left - said) > 1e-9:
        raise InputError(f"chances: they add up to {math.fsum([said, *known]):g}. Pass chances that add up to 1.")
    return np.array([said, *known])
