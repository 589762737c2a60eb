"""What every fit can say of its estimates: their errors, intervals, a table, and a line of text.

Estimates are the model's parameters, then the effects of covariates. Parameters are known on the log scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.distributions import normal_probability
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import Array
from crmvalue.models.covariates import Effect
from crmvalue.models.lopsided import EVEN

if TYPE_CHECKING:
    import pandas as pd

    from crmvalue.models.fit import Fit

MOST_EFFECTS = 6  # listed in a line of text


def names_of(fit: Fit) -> tuple[str, ...]:
    """Names of the parameters, as in the paper."""
    return tuple(fit.params._fields)  # type: ignore[attr-defined]  # a NamedTuple, which `tuple` does not show


def effects_of(fit: Fit) -> tuple[Effect, ...]:
    """Effects of covariates; a fit of contracts has none."""
    return getattr(fit, "effects", ())


def values_of(fit: Fit) -> Array:
    """Parameters, then the coefficients of covariates."""
    return np.array([*fit.params, *(effect.coefficient for effect in effects_of(fit))])


def slopes_of(fit: Fit) -> Array:
    """How fast each estimate changes with what its error is known for: its logarithm, or a coefficient itself."""
    return np.array([*fit.params, *(1.0 for _ in effects_of(fit))])


def covariance_of(fit: Fit) -> Array:
    """Covariance of the parameters themselves, and of the coefficients of covariates after them."""
    return fit.log_covariance * np.outer(slopes_of(fit), slopes_of(fit))


def standard_errors_of(fit: Fit) -> tuple[float, ...]:
    """Return the standard error of each parameter, in its own unit, then of each coefficient of a covariate."""
    return tuple((np.sqrt(np.diag(fit.log_covariance)) * slopes_of(fit)).tolist())


def akaike_of(fit: Fit) -> float:
    """Akaike information criterion; lower is better."""
    return 2 * len(values_of(fit)) - 2 * fit.log_likelihood


def bayes_of(fit: Fit) -> float:
    """Bayesian information criterion; lower is better."""
    return float(len(values_of(fit)) * np.log(fit.n_customers) - 2 * fit.log_likelihood)


def condition_of(fit: Fit) -> float:
    """Largest over smallest curvature of the log-likelihood by log parameters; beyond 1e6 some are hardly known."""
    known = np.isfinite(np.diag(fit.log_covariance))
    return float(np.linalg.cond(fit.log_covariance[np.ix_(known, known)]))


def interval_of(fit: Fit, level: float = 0.95) -> Array:
    """Lower and upper end for each parameter, never below 0; then for each coefficient.

    Parameters
    ----------
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    ndarray, shape (k, 2)
        In the units of the parameters; coefficients of covariates are on the log scale and may be negative.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1.

    Notes
    -----
    With estimate θ, standard error s of its logarithm and normal quantile z, the ends are θ · exp(s · t(±z)), where
    t(z) = z + b z² + c z³. The bends b and c are those of the likelihood: it is seldom a parabola, and the signed root
    of its fall is closer to normal than the parameter or its logarithm. They are 0, and the interval is symmetric on
    the log scale, if s is below 0.08, where a parabola does as well, or above 2. Intervals of coefficients are
    symmetric. `likelihood_intervals` takes the likelihood as it is, at the price of a look at the data.

    References
    ----------
    Barndorff-Nielsen & Cox (1994) "Inference and Asymptotics", Chapman & Hall, section 4.2.
    """
    level = require_number("level", level, above=0, at_most=1 - 1e-12)
    z = normal_quantile(0.5 + 0.5 * level) * np.array([-1.0, 1.0])
    k, centre = len(fit.params), values_of(fit)
    centre[:k] = np.log(centre[:k])
    bends = [*fit.bends, *[EVEN] * (len(centre) - len(fit.bends))]
    reach = np.array([bend.distance(z) for bend in bends])
    ends = centre[:, None] + np.sqrt(np.diag(fit.log_covariance))[:, None] * reach
    ends[:k] = np.exp(ends[:k])
    return np.asarray(ends)


def table_of(fit: Fit, level: float = 0.95) -> pd.DataFrame:
    """One row an estimate: estimate, standard_error, lower, upper (the interval at `level`).

    With covariates also z and p_value: the coefficient over its error, and the chance of one so far from 0 if there is
    no effect; missing for the parameters, which are never 0.
    """
    import pandas as pd

    interval, effects = interval_of(fit, level), effects_of(fit)
    columns = {
        "estimate": values_of(fit),
        "standard_error": standard_errors_of(fit),
        "lower": interval[:, 0],
        "upper": interval[:, 1],
    }
    if effects:
        z = values_of(fit) / np.array(standard_errors_of(fit))
        z[: len(fit.params)] = np.nan
        columns["z"] = z
        columns["p_value"] = 2 * normal_probability(-np.abs(z))
    names = [*names_of(fit), *(effect.name for effect in effects)]
    return pd.DataFrame(columns, index=pd.Index(names, name="parameter"))


def text_of(fit: Fit) -> str:
    """Estimates in one line."""
    effects = effects_of(fit)
    names = [*names_of(fit), *(effect.name for effect in effects)]
    pairs = list(zip(names, values_of(fit), standard_errors_of(fit), strict=True))
    shown = pairs[: len(fit.params) + MOST_EFFECTS]
    # no error is known of a parameter that was held at its bound, nor of one that is a whole number
    errors = ["" if np.isnan(error) else f" (se {error:.2g})" for _, _, error in shown]
    texts = [f"{name} {value:.4g}{error}" for (name, value, _), error in zip(shown, errors, strict=True)]
    parameters, listed = ", ".join(texts[: len(fit.params)]), "; ".join(texts[len(fit.params) :])
    more = f"; {len(pairs) - len(shown)} more effects" if len(pairs) > len(shown) else ""
    unit = f", time in {fit.time_unit}s" if hasattr(fit, "time_unit") else ""
    findings = len(fit.health)
    note = f"; {findings} finding{'s' * (findings > 1)} in health" if findings else ""
    fitted_to = f"log-likelihood {fit.log_likelihood:.2f}, n {fit.n_customers:,}{unit}{note}"
    said = f"{parameters}; {listed}{more}" if effects else parameters
    return f"<{fit.model.title}: {said}; {fitted_to}>"
