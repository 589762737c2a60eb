"""Does spend depend on how often customers buy? Gamma-Gamma takes it that it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.distributions import normal_probability, normal_tail_quantile
from crmvalue._core.types import Array, Frame
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import ConvergenceError, InputError
from crmvalue.models.model import SpendModel
from crmvalue.models.spend_rows import SpendRows, read_spend
from crmvalue.models.sums import sums_by_count

FEW = 50  # customers below which estimates are rough
MOST_STEPS = 1_000
SMALL_STEP = 1e-7  # over the range of frequencies
SMALL = 0.05  # a change of mean spend a doubling below which Gamma-Gamma serves as well, whatever the p-value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpendDependence:
    """How mean spend a purchase changes with the number of purchases."""

    per_doubling: float  # factor on mean spend for each doubling of the purchases; 1 if it does not depend on them
    lower: float  # ends of the interval for it
    upper: float
    level: float  # of the interval, 0 to 1
    p_value: float  # chance of so large an effect, up or down, if spend does not depend on frequency
    correlation: float  # of frequency and monetary_value, -1 to 1
    n_customers: int  # used: a repeat purchase, and a monetary_value above 0

    @property
    def is_dependent(self) -> bool:
        """Whether the interval leaves out 1: independence does not explain these data."""
        return not self.lower <= 1 <= self.upper

    @property
    def advice(self) -> str:
        """What was found and which model to take, in words."""
        change = f"{100 * (self.per_doubling - 1):+.1f} %"
        ends = f"{100 * (self.lower - 1):+.1f} to {100 * (self.upper - 1):+.1f} %"
        found = f"Mean spend changes by {change} with each doubling of the purchases ({100 * self.level:g} %: {ends})"
        if not self.is_dependent:
            return f"{found}: no sign that spend depends on frequency. Take GAMMA_GAMMA."
        if abs(self.per_doubling - 1) < SMALL:
            return f"{found}: spend depends on frequency, but too little to matter. GAMMA_GAMMA will do."
        return f"{found}: spend depends on frequency. Take GAMMA_GAMMA_ON_FREQUENCY."


def spend_dependence_test(summary: CustomerSummary | Frame, *, level: float = 0.95) -> SpendDependence:
    """Test whether customers who buy more often spend more, or less, a purchase.

    Parameters
    ----------
    summary : CustomerSummary or frame
        One row a customer with columns frequency and monetary_value (mean of the repeat purchases), in any engine.
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    SpendDependence
        The effect on mean spend of twice as many purchases, its interval, the p-value, and the correlation.

    Raises
    ------
    InputError
        If a frequency is impossible, monetary_value is missing for a customer with repeat purchases, fewer than three
        customers are left, or all have one frequency.

    Notes
    -----
    Mean spend of customers with x repeat purchases is taken as exp(a) (1 + x)^η, fitted by the gamma quasi-likelihood;
    the effect is 2^η. No distribution of the amounts is assumed: standard errors are of the sandwich form, with
    residuals divided by one less their leverage (HC3), since the few customers who buy very often weigh most. Only
    customers with a repeat purchase and a monetary_value above 0 are used.

    References
    ----------
    Fader, Hardie & Lee (2005) "RFM and CLV: using iso-value curves for customer base analysis", Journal of Marketing
    Research 42(4), 415-430. https://doi.org/10.1509/jmkr.2005.42.4.415

    MacKinnon & White (1985) "Some heteroskedasticity-consistent covariance matrix estimators with improved finite
    sample properties", Journal of Econometrics 29(3), 305-325. https://doi.org/10.1016/0304-4076(85)90158-7

    Examples
    --------
    Customers with two purchases spend 9 to 11 a purchase, those with four 19 to 21, twice as much:

    >>> import pandas as pd
    >>> customers = pd.DataFrame({"frequency": [1, 1, 1, 3, 3, 3], "monetary_value": [9.0, 10, 11, 19, 20, 21]})
    >>> found = spend_dependence_test(customers)
    >>> round(found.per_doubling, 9), found.is_dependent
    (2.0, True)
    """
    return dependence_in(read_spend(summary), require_number("level", level, above=0, at_most=1 - 1e-12))


def dependence_in(rows: SpendRows, level: float) -> SpendDependence:
    """Return the dependence of spend on frequency in these rows."""
    customers, n = rows.counts.astype(float), float(rows.n_customers)
    ratio = rows.spend / (customers @ rows.spend / n)
    shared = customers * ratio
    frequency, (counts, totals, squares) = sums_by_count(rows.frequency, customers, shared, shared * ratio)
    if n < 3 or len(frequency) == 1:
        raise InputError(
            f"frequency: the {rows.n_customers:,} customers with repeat purchases are too few or all have one "
            "frequency, so nothing shows whether spend depends on it. Pass more customers, or a longer period."
        )
    slope, error = log_linear(np.log2(1.0 + frequency), counts, totals, squares)
    half_width = normal_tail_quantile(0.5 - 0.5 * level) * error
    beyond = -abs(slope) / error if error > 0 else (-np.inf if slope else 0.0)
    apart = frequency - counts @ frequency / n
    size = math.sqrt((counts @ apart**2) * (customers @ (ratio - 1) ** 2))
    return SpendDependence(
        per_doubling=math.exp(slope),
        lower=math.exp(slope - half_width),
        upper=math.exp(slope + half_width),
        level=level,
        p_value=2 * float(normal_probability(np.asarray(beyond))),
        correlation=float(apart @ totals) / size if size > 0 else 0.0,
        n_customers=rows.n_customers,
    )


def log_linear(z: Array, counts: Array, totals: Array, squares: Array) -> tuple[float, float]:
    """Slope of log mean y by z, and its standard error (HC3), from the sums of 1, y and y² at each z."""
    n = counts.sum()
    z = z - counts @ z / n
    moved = counts * z
    information = float(moved @ z)
    near = float(moved @ np.log(totals / counts)) / information  # of the line through the logarithms of the means
    slope, shape = balanced(z, totals, near)
    scale = shape * (n / (totals @ shape))  # 1 / mean
    residuals = np.maximum((squares * scale - 2 * totals) * scale + counts, 0)  # sums of (y / mean − 1)²
    leverage = 1 / n + z * z / information
    return slope, math.sqrt(residuals @ (z / np.maximum(1 - leverage, 1e-6)) ** 2) / information


def balanced(z: Array, totals: Array, near: float) -> tuple[float, Array]:
    """Return the slope η at which Σ y z exp(−η z) is 0, and exp(−η z): there the quasi-likelihood is highest.

    Newton steps, none so long that it could overshoot by its own length: the variance of z, weighted by y exp(−η z), is
    the slope of its mean, and changes by less than a factor e where η moves by 1 over the range of z.
    """
    slope, farthest = near, 1 / float(z[-1] - z[0])
    for _ in range(MOST_STEPS):
        shape = np.exp(-slope * z)
        pull = totals * shape
        total = pull.sum()
        centre = float(pull @ z / total)
        step = centre / float(pull @ (z - centre) ** 2 / total)
        if abs(step) < SMALL_STEP * farthest:  # the error left is the square of it
            return slope + step, np.exp(-(slope + step) * z)
        slope += max(-farthest, min(step, farthest))
    raise ConvergenceError("frequency: spend by frequency has no finite trend.")


def spend_findings(model: SpendModel, params: tuple[float, ...], rows: SpendRows) -> tuple[str, ...]:
    """Return what an analyst should know of a fit of spend, besides the findings of the search."""
    said = []
    n, above = rows.n_customers, model.mean_exists_above(params)
    if above >= 0:
        said.append(
            "The amounts have so heavy a tail that the population has no mean spend: customers with at most "
            f"{np.floor(above):.0f} repeat purchases have no expected spend. Look for amounts that are errors, or use "
            "what they spent."
        )
    if n < FEW:
        said.append(f"Customers with a repeat purchase and a monetary_value: {n:,}. The estimates are rough.")
    if model.name == "GAMMA_GAMMA" and n >= FEW and rows.frequency.min() < rows.frequency.max():
        found = dependence_in(rows, 0.95)
        if found.is_dependent and abs(found.per_doubling - 1) >= SMALL:
            said.append(found.advice)
    return tuple(said)
