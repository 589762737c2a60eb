"""Monte Carlo: what a decision brings when its inputs vary, and which input the risk comes from."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmvalue._core.checks import require_number
from crmvalue._core.plain import plain
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import Array
from crmvalue.errors import InputError
from crmvalue.risk.distributions import Distribution

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 65_536  # draws held at a time: the memory does not grow with the number of draws, but for the outcome
MOST_BINS = 32  # of one input, when the variance of the outcome is shared out
SMALLEST_EIGENVALUE = 1e-10  # of a correlation matrix that can still be drawn from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedRoi:
    """What came out of many draws, in the unit of the model's outcome: a return, or money."""

    outcome: Array  # of each draw, read-only, shape (n_draws,)
    n_draws: int
    mean: float
    sd: float  # standard deviation
    median: float
    level: float  # of the interval
    lower: float  # below it lie (1 - level) / 2 of the draws
    upper: float  # above it lie as many
    chance_it_pays: float  # share of draws with an outcome above 0
    expected_loss: float  # mean of -outcome over the draws with an outcome below 0; 0 if there are none
    inputs: tuple[str, ...]  # the uncertain inputs
    variance_share: Array  # share of the variance of the outcome that each of them explains alone, shape (n_inputs,)
    assumptions: Mapping[str, str]  # distribution of each input, or its fixed value; then the correlations

    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def chance_error(self) -> float:
        """Standard error of `chance_it_pays`, from the number of draws alone."""
        return math.sqrt(self.chance_it_pays * (1 - self.chance_it_pays) / self.n_draws)

    def to_frame(self) -> pd.DataFrame:
        """Return one row an uncertain input: its distribution and its share of the variance, largest first."""
        import pandas as pd

        said = [self.assumptions[name] for name in self.inputs]
        table = pd.DataFrame({"input": self.inputs, "distribution": said, "variance_share": self.variance_share})
        return table.sort_values("variance_share", ascending=False, kind="stable", ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, shares and assumptions as plain values, without the draws."""
        names = ("n_draws", "mean", "sd", "median", "level", "lower", "upper", "chance_it_pays", "expected_loss")
        shares = dict(zip(self.inputs, self.variance_share.tolist(), strict=True))
        figures = {name: plain(getattr(self, name)) for name in names}
        return {**figures, "variance_share": shares, "assumptions": dict(self.assumptions)}


def simulate_roi(
    model: Callable[..., ArrayLike],
    inputs: Mapping[str, Distribution | float],
    *,
    rng: np.random.Generator,
    n_draws: int = 100_000,
    correlation: Mapping[tuple[str, str], float] | None = None,
    level: float = 0.9,
) -> SimulatedRoi:
    """Draw the uncertain inputs of a model many times, and say what comes out.

    Parameters
    ----------
    model : callable
        Takes each input by name, as an array of draws or a fixed number, and returns the outcome of each draw: a return
        on investment, or a net present value. Above 0 it pays.
    inputs : mapping of str to Distribution or float
        Each input of the model: `triangular`, `pert`, `normal`, `lognormal`, `uniform`, `beta` or `empirical`, or a
        number that is certain.
    rng : numpy.random.Generator
        Such as ``numpy.random.default_rng(1)``; the same seed gives the same result.
    n_draws : int
        Number of draws, at least 100.
    correlation : mapping of (str, str) to float, optional
        Rank correlation (Spearman) of pairs of uncertain inputs, -1 to 1; other pairs are independent.
    level : float
        Share of the draws within the interval, above 0 and below 1.

    Returns
    -------
    SimulatedRoi
        Outcome of each draw, median and interval, chance that it pays, expected loss if it does not, and the share of
        the variance that each input explains.

    Raises
    ------
    InputError
        If an input is no distribution or number, the model does not take these inputs or returns something missing or
        of another shape, a correlation is out of range, or the correlations contradict each other.

    See Also
    --------
    sensitivity : one input after the other, between its low and high.

    Notes
    -----
    Correlated inputs are drawn through a normal copula: scores with the correlation ``2 * sin(pi * rank_correlation /
    6)``, turned into each input by its quantile function. The share of an input is its first-order index
    ``var(E[outcome | input]) / var(outcome)``, estimated from the first 65,536 draws in up to 32 bins of equal count.
    Shares of independent inputs add up to 1 less what comes from inputs acting together; those of correlated inputs
    overlap.

    References
    ----------
    Saltelli et al. (2008) "Global Sensitivity Analysis: The Primer". Wiley. https://doi.org/10.1002/9780470725184

    Examples
    --------
    >>> import numpy as np
    >>> from crmvalue.risk.distributions import uniform
    >>> def profit(price, cost):
    ...     return price - cost
    >>> found = simulate_roi(profit, {"price": uniform(0, 2), "cost": 1.0}, rng=np.random.default_rng(1))
    >>> round(found.chance_it_pays, 2), round(found.expected_loss, 2), found.variance_share.round(2)
    (0.5, 0.5, array([1.]))
    """
    require_inputs(model, inputs)
    if not isinstance(rng, np.random.Generator):
        raise InputError(f"rng: got {rng!r}. Pass a generator such as numpy.random.default_rng(1).")
    draws = require_number("n_draws", n_draws, at_least=100)
    if draws != int(draws):
        raise InputError(f"n_draws: got {n_draws!r}. Pass a whole number.")
    within = require_number("level", level, above=0)
    if not within < 1:
        raise InputError(f"level: got {level!r}. Pass a share below 1, such as 0.9.")
    uncertain = {name: found for name, found in inputs.items() if isinstance(found, Distribution)}
    fixed = {name: float(found) for name, found in inputs.items() if not isinstance(found, Distribution)}
    linked, factor = score_factor(uncertain, correlation or {})
    outcome = np.empty(int(draws))
    shares = np.zeros(len(uncertain))
    for start in range(0, len(outcome), CHUNK):
        n = min(CHUNK, len(outcome) - start)
        drawn = draw_inputs(uncertain, linked, factor, rng, n)
        outcome[start : start + n] = outcomes(model, {**fixed, **drawn}, n)
        if not start:
            shares = np.array([variance_share(drawn[name], outcome[:n]) for name in uncertain])
    return summarized(outcome, within, tuple(uncertain), shares, said_assumptions(inputs, correlation or {}))


def require_inputs(model: Callable[..., Any], inputs: Mapping[str, object]) -> None:
    """Raise InputError unless each input is a distribution or a number, and the model takes them all."""
    for name, value in inputs.items():
        if not isinstance(value, Distribution):
            require_number(f"inputs[{name!r}]", value)
    require_arguments(model, inputs)


def require_arguments(model: Callable[..., Any], names: Mapping[str, object]) -> None:
    """Raise InputError unless the model can be called with these arguments."""
    if not callable(model):
        raise InputError(f"model: got {model!r}. Pass a function that takes each input by name.")
    try:
        inspect.signature(model).bind(**names)
    except (TypeError, ValueError) as error:
        said = ", ".join(map(repr, names)) or "none"
        raise InputError(f"inputs: {said} do not fit the model ({error}). Name each of its arguments.") from None


def score_factor(
    uncertain: Mapping[str, Distribution], correlation: Mapping[tuple[str, str], float]
) -> tuple[list[str], Array]:
    """Return the correlated inputs, and the lower triangle that turns independent scores into theirs."""
    pairs: dict[frozenset[str], float] = {}
    for pair, value in correlation.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(uncertain) and pair[0] != pair[1]):
            known = ", ".join(map(repr, uncertain)) or "none"
            raise InputError(f"correlation: {pair!r} is no pair of uncertain inputs. Use two of {known}.")
        rank = require_number(f"correlation[{pair!r}]", value, at_least=-1, at_most=1)
        if pairs.setdefault(frozenset(pair), rank) != rank:
            raise InputError(f"correlation: {pair!r} is there twice, with different values. Leave one out.")
    linked = [name for name in uncertain if any(name in pair for pair in pairs)]
    matrix = np.eye(len(linked))
    for (i, one), (j, other) in itertools.combinations(enumerate(linked), 2):
        rank = pairs.get(frozenset((one, other)), 0.0)
        matrix[i, j] = matrix[j, i] = 2 * math.sin(math.pi * rank / 6)
    if linked:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        if smallest < SMALLEST_EIGENVALUE:
            raise InputError(
                f"correlation: the matrix of {', '.join(map(repr, linked))} is not positive definite (smallest "
                f"eigenvalue {smallest:.2g}): the correlations contradict each other. Move them towards 0."
            )
    return linked, np.asarray(np.linalg.cholesky(matrix), dtype=float)


def draw_inputs(
    uncertain: Mapping[str, Distribution], linked: list[str], factor: Array, rng: np.random.Generator, n: int
) -> dict[str, Array]:
    """Return n draws of each uncertain input."""
    scores = factor @ rng.standard_normal((len(linked), n))
    together = dict(zip(linked, scores, strict=True))
    return {
        name: found.from_score(together[name]) if name in together else found.draw(rng, n)
        for name, found in uncertain.items()
    }


def outcomes(model: Callable[..., ArrayLike], values: Mapping[str, Any], n: int) -> Array:
    """Return what the model makes of n draws, after a check."""
    try:
        made = np.asarray(model(**values), dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"model: no numbers come out ({error}). It is called with an array of draws for each input: write it with "
            "array arithmetic, and conditions with numpy.where."
        ) from error
    if made.shape not in ((), (n,)):
        raise InputError(
            f"model: returned an array of shape {made.shape} for {n:,} draws. Return one outcome a draw, shape ({n},)."
        )
    made = np.broadcast_to(made, (n,))
    bad = np.flatnonzero(~np.isfinite(made))
    if bad.size:
        held = ", ".join(f"{name}={np.broadcast_to(value, (n,))[bad[0]]:.4g}" for name, value in values.items())
        raise InputError(
            f"model: the outcome is missing or infinite in {bad.size:,} of {n:,} draws, such as at {held}. "
            "Bound the inputs, for example away from a cost of 0."
        )
    return made


def variance_share(values: Array, outcome: Array) -> float:
    """Share of the variance of the outcome between bins of an input, less what bins of noise would show."""
    n = len(outcome)
    bins = min(MOST_BINS, max(2, n // 32))
    total = float(np.var(outcome)) * n
    if not total > 0 or values.min() == values.max():
        return 0.0
    parts = np.array_split(outcome[np.argsort(values)], bins)
    counts = np.array([len(part) for part in parts])
    between = float(counts @ (np.array([part.mean() for part in parts]) - outcome.mean()) ** 2)
    noise = (total - between) / (n - bins)
    return min(1.0, max(0.0, (between - (bins - 1) * noise) / total))


def summarized(
    outcome: Array, level: float, names: tuple[str, ...], shares: Array, assumptions: Mapping[str, str]
) -> SimulatedRoi:
    """Return the figures of the draws."""
    lower, median, upper = np.quantile(outcome, [(1 - level) / 2, 0.5, (1 + level) / 2]).tolist()
    losses = outcome[outcome < 0]
    for values in (outcome, shares):
        values.flags.writeable = False
    return SimulatedRoi(
        outcome=outcome,
        n_draws=len(outcome),
        mean=float(outcome.mean()),
        sd=float(outcome.std()),
        median=median,
        level=level,
        lower=lower,
        upper=upper,
        chance_it_pays=float((outcome > 0).mean()),
        expected_loss=-float(losses.mean()) if losses.size else 0.0,
        inputs=names,
        variance_share=shares,
        assumptions=assumptions,
    )


def said_assumptions(
    inputs: Mapping[str, Distribution | float], correlation: Mapping[tuple[str, str], float]
) -> dict[str, str]:
    """Return the distributions, fixed values and rank correlations in words."""
    said = {name: repr(found) if isinstance(found, Distribution) else f"{found:g}" for name, found in inputs.items()}
    return said | {f"rank correlation of {one} and {other}": f"{r:g}" for (one, other), r in correlation.items()}
