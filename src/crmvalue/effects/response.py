"""Fit response curves to spend and result by channel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_option, require_rows
from crmvalue._core.frames import AnyFrame
from crmvalue._core.optimise import Derivatives, maximise
from crmvalue._core.plain import as_dict
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array, Frame
from crmvalue.effects.curves import SHAPES, Curve, Params, ResponseCurve, from_free, to_free
from crmvalue.effects.units import read_number, require_present, require_rows_there
from crmvalue.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    import pandas as pd

STARTS: dict[str, tuple[float, ...]] = {
    "b": (0.1, 0.3, 0.5, 0.7, 0.9),
    "k": (0.1, 0.3, 1.0, 3.0, 10.0),  # times the mean spend
    "s": (0.5, 1.0, 2.0, 4.0),
}
NO_CURVE = "channel {!r}: no {}curve fits. The result does not rise with the spend, or shows no sign of rising less."
ASSUMPTIONS = (
    "Spend was not raised where sales would have risen anyway: a curve fitted to history is not an experiment.",
    "The result counted for a channel is brought by that channel, in the same period.",
    "The curve stays the same in time, and does not depend on the other channels.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResponseCurves:
    """One fitted curve a channel."""

    curves: tuple[ResponseCurve, ...]  # by name of the channel
    assumptions: tuple[str, ...]  # what must hold for the curves to tell what spending causes
    notes: tuple[str, ...]  # what a reader must know

    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    def curve(self, channel: str) -> ResponseCurve:
        """Return the curve of one channel."""
        names = [each.channel for each in self.curves]
        require_option("channel", channel, names)
        return self.curves[names.index(channel)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each channel and parameter: value and standard error."""
        import pandas as pd

        return pd.DataFrame([row for each in self.curves for row in parameter_rows(each)])


def fit_response_curves(
    frame: Frame,
    *,
    spend: str = "spend",
    result: str = "result",
    channel: str = "channel",
    shape: Curve | Literal["best"] | Mapping[str, Curve] = "best",
    baseline: bool = True,
) -> ResponseCurves:
    """Response curve of each channel from its spend and its result in past periods.

    Parameters
    ----------
    frame : frame of any engine
        One row for each channel and period.
    spend : str
        Column of the spend, at least 0.
    result : str
        Column of what it brought: revenue, orders, new customers.
    channel : str
        Column of the channel.
    shape : {"power", "hill", "exponential", "logarithmic", "best"} or mapping
        Shape of the curves, or that of each channel by name; "best" takes the one with the lowest corrected Akaike
        criterion among those that can be fitted.
    baseline : bool
        Whether there is a result without any spend, to be fitted too.

    Returns
    -------
    ResponseCurves
        One curve a channel, with the covariance of its parameters.

    Raises
    ------
    InputError
        If a channel has too few periods or too few different spends for its curve, a spend is negative, or a value is
        missing.
    ConvergenceError
        If no curve fits: the result does not rise with the spend, or shows no sign of rising less.

    Notes
    -----
    Least squares on logarithms of the parameters (the logit of the exponent of power). The covariance is
    ``s^2 (J'J)^-1`` at the solution. A curve with p parameters needs p + 2 periods and p + 1 different spends: three
    points lie on many curves.

    References
    ----------
    Jin, Wang, Sun, Chan & Koehler (2017) "Bayesian methods for media mix modeling with carryover and shape effects",
    Google Research (the Hill curve of media).

    Examples
    --------
    >>> import pandas as pd
    >>> past = pd.DataFrame({"channel": ["search"] * 5, "spend": [1.0, 4, 9, 16, 25], "result": [6.0, 12, 18, 24, 30]})
    >>> curve = fit_response_curves(past, shape="power", baseline=False).curve("search")
    >>> [round(value, 6) for value in curve.params]  # 6 times the square root
    [6.0, 0.5]
    """
    if not isinstance(shape, Mapping):
        require_option("shape", shape, [*SHAPES, "best"])
    names, spent, got = read_spend(frame, channel, spend, result)
    channels = sorted(set(names))
    if isinstance(shape, Mapping):
        for name in channels:
            require_option(f"shape of {name!r}", shape.get(name), SHAPES)
    fitted: list[ResponseCurve] = []
    failed: dict[str, list[str]] = {}  # channels by why they have no curve
    for name in channels:
        rows = np.array([each == name for each in names])
        wanted = shape[name] if isinstance(shape, Mapping) else shape
        try:
            fitted.append(fit_channel(name, spent[rows], got[rows], wanted, baseline=baseline))
        except ConvergenceError as error:
            failed.setdefault(str(error).removeprefix(f"channel {name!r}: "), []).append(name)
    if failed:
        remedy = "Pass periods with a wider range of spend, another shape, or leave these channels out."
        raise ConvergenceError(" ".join([*(said_of(names, why) for why, names in failed.items()), remedy]))
    return ResponseCurves(curves=tuple(fitted), assumptions=ASSUMPTIONS, notes=notes_on(fitted))


def said_of(names: list[str], why: str) -> str:
    """Return the channels that fail for one reason, and it."""
    listed = ", ".join(map(repr, names))
    return f"{'channel' if len(names) == 1 else 'channels'} {listed}: {why}"


def read_spend(frame: Frame, channel: str, spend: str, result: str) -> tuple[list[str], Array, Array]:
    """Check the frame and return channel, spend and result of each row."""
    rows: AnyFrame = frames.open_frame(frame, needs=[channel, spend, result]).select(channel, spend, result)
    require_rows_there(rows)
    require_present(rows, channel, f"frame, column {channel!r}")
    for column in (spend, result):
        rows = read_number(rows, column, "frame")
    names, spent, got = frames.to_arrays(rows, [channel, spend, result]).values()
    require_rows(spent >= 0, f"frame, column {spend!r}", "negative spend", "Book refunds in the period of their spend.")
    return [str(name) for name in names.tolist()], frames.as_float(spent), frames.as_float(got)


def fit_channel(
    name: str, spent: Array, got: Array, shape: Curve | Literal["best"], *, baseline: bool
) -> ResponseCurve:
    """Fit one channel with the shape wanted, or with the best of all that can be fitted."""
    shapes: list[Curve] = list(SHAPES) if shape == "best" else [shape]
    enough = [each for each in shapes if is_enough(spent, each, baseline=baseline)]
    if not enough:
        p = min(len(SHAPES[each].names) for each in shapes) + baseline
        raise InputError(
            f"channel {name!r}: {len(spent)} periods with {len(np.unique(spent))} different spends. A curve with {p} "
            f"parameters needs at least {p + 2} periods and {p + 1} different spends: pass more periods."
        )
    found = []
    for each in enough:
        try:
            found.append(fit_shape(name, spent, got, each, baseline=baseline))
        except ConvergenceError as error:
            if shape != "best":
                raise
            why = error
    if not found:
        raise ConvergenceError(NO_CURVE.format(name, "")) from why
    return min(found, key=lambda curve: corrected_aic(curve, baseline=baseline))


def is_enough(spent: Array, shape: Curve, *, baseline: bool) -> bool:
    """Whether there are points enough for the parameters of the shape."""
    p = len(SHAPES[shape].names) + baseline
    return len(spent) >= p + 2 and len(np.unique(spent)) >= p + 1


def corrected_aic(curve: ResponseCurve, *, baseline: bool) -> float:
    """Akaike criterion for few observations, from the residuals."""
    p = len(curve.params) + baseline + 1  # and the residual variance
    n = curve.n
    rss = max(curve.residual_sd**2 * (n - p + 1), 1e-300)
    small = 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else math.inf
    return n * math.log(rss / n) + 2 * p + small


def fit_shape(name: str, spent: Array, got: Array, shape: Curve, *, baseline: bool) -> ResponseCurve:
    """Fit one shape by least squares, in units of the mean spend and of the spread of the result."""
    unit, spread = float(spent.mean()), float(got.std())
    if not spread > 0:
        raise ConvergenceError(f"channel {name!r}: the result is the same in every period.")
    x, y = spent / unit, got / spread
    record = SHAPES[shape]
    p = len(record.names)

    def residual_and_slopes(point: Array) -> tuple[Array, Array]:
        params = from_free(shape, point[:p])
        slopes = record.slopes(params, x)
        away = y - record.response(params, x)
        if baseline:
            return away - point[p], np.vstack([slopes, np.ones_like(x)])
        return away, slopes

    def evaluate(point: Array) -> Derivatives:
        with np.errstate(over="ignore", invalid="ignore"):
            away, slopes = residual_and_slopes(point)
            return Derivatives(value=np.asarray(-0.5 * away @ away), gradient=slopes @ away, hessian=-slopes @ slopes.T)

    def describe(point: Array) -> str:
        return NO_CURVE.format(name, f"{shape} ")

    point = maximise(evaluate, start_of(shape, x, y, baseline=baseline, name=name), describe=describe).point
    away, slopes = residual_and_slopes(point)
    variance = float(away @ away) / (len(x) - len(point))
    covariance: Array = np.asarray(variance * np.linalg.inv(slopes @ slopes.T)[:p, :p], dtype=float)
    scaled = from_free(shape, point[:p])
    # the scale takes the unit of the result, and that of the spend where x stands in a power
    a = scaled[0] * spread * (unit ** -scaled[1] if shape == "power" else 1.0)
    params: Params = (a, *scaled[1:]) if shape == "power" else (a, scaled[1] * unit, *scaled[2:])
    if shape == "power":
        turn = np.array([[1.0, -math.log(unit) * scaled[1] * (1 - scaled[1])], [0.0, 1.0]])
        covariance = turn @ covariance @ turn.T
    return ResponseCurve(
        channel=name,
        shape=shape,
        params=params,
        baseline=float(point[p]) * spread if baseline else 0.0,
        covariance=covariance,
        spend_low=float(spent.min()),
        spend_high=float(spent.max()),
        n=len(x),
        residual_sd=math.sqrt(variance) * spread,
        r_squared=1 - float(away @ away) / float(((y - y.mean()) ** 2).sum()),
    )


def start_of(shape: Curve, x: Array, y: Array, *, baseline: bool, name: str) -> Array:
    """Return the best of a grid of starts, at each of which scale and baseline are fitted exactly."""
    record = SHAPES[shape]
    best, least = None, math.inf
    for rest in itertools.product(*(STARTS[each] for each in record.names[1:])):
        columns = [record.response((1.0, *rest), x)] + ([np.ones_like(x)] if baseline else [])
        design = np.stack(columns, axis=1)
        found = np.linalg.lstsq(design, y, rcond=None)[0]
        rss = float(((y - design @ found) ** 2).sum())
        if found[0] > 0 and rss < least:
            best, least = np.append(to_free(shape, (float(found[0]), *rest)), found[1:]), rss
    if best is None:
        raise ConvergenceError(f"channel {name!r}: the result does not rise with the spend.")
    return best


def parameter_rows(curve: ResponseCurve) -> list[dict[str, Any]]:
    """Return the parameters of a curve as plain values."""
    shape = SHAPES[curve.shape]
    known = {"channel": curve.channel, "shape": curve.shape, "n": curve.n, "r_squared": curve.r_squared}
    errors = np.full(len(curve.params), math.nan)
    if curve.covariance.size:
        steps = [
            value * (1 - value) if link == "logit" else value
            for value, link in zip(curve.params, shape.links, strict=True)
        ]
        errors = np.sqrt(np.diag(curve.covariance)) * np.array(steps)
    rows = [
        {**known, "parameter": name, "value": value, "std_error": error}
        for name, value, error in zip(shape.names, curve.params, errors.tolist(), strict=True)
    ]
    return [*rows, {**known, "parameter": "baseline", "value": curve.baseline, "std_error": math.nan}]


def notes_on(curves: list[ResponseCurve]) -> tuple[str, ...]:
    """Say where a curve tells little."""
    notes = []
    for curve in curves:
        if curve.r_squared < 0.3:
            notes.append(f"{curve.channel}: spend explains {max(curve.r_squared, 0):.0%} of the result's variance.")
        if curve.covariance.size and math.sqrt(float(np.diag(curve.covariance).max())) > 1:
            notes.append(f"{curve.channel}: a parameter is uncertain by more than a factor of e; the curve is a guess.")
    return tuple(notes)
