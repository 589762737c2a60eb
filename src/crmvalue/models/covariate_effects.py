"""What covariates change, in purchases and money: a new customer's future, with and without each.

A coefficient is on the log scale of a rate or of odds, which nobody can read. Here each customer is taken twice, as she
is but for one covariate; the two futures are averaged over customers and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.frames import distinct_rows
from crmvalue._core.special import normal_quantile
from crmvalue._core.types import Array, Frame, IntArray, TimeUnit
from crmvalue.errors import InputError
from crmvalue.finance.rates import periodic_rate
from crmvalue.models.covariates import (
    Effect,
    chosen,
    columns_of_effects,
    inside,
    levels_by_column,
    readable,
    refuse_covariates,
    require_kinds,
    with_covariates,
)
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.histories import open_customers
from crmvalue.models.outlook import Outlook, both_outcomes, gradients, spread

if TYPE_CHECKING:
    import pandas as pd

MOST_PATTERNS = 2_000  # of covariates, for the width of an interval; means are over all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CovariateEffects:
    """How a new customer's purchases and value change with each covariate, the others as they are."""

    covariates: tuple[str, ...]  # column, one for each change
    changes: tuple[str, ...]  # what changes, such as "+1" or "web → store"
    purchases: Array  # change in expected repeat purchases over the horizon, lower and upper end, shape (m, 3)
    value: Array  # change in value over the horizon, lower and upper end, shape (m, 3), in currency
    purchases_before: Array  # expected repeat purchases before the change, shape (m,)
    value_before: Array  # value before the change, shape (m,), in currency
    horizon: float  # in time units
    time_unit: TimeUnit
    level: float  # of the intervals, 0 to 1
    n_customers: int  # over whose covariates the changes are averaged

    def to_frame(self) -> pd.DataFrame:
        """One row a change."""
        import pandas as pd

        return pd.DataFrame(
            {
                "covariate": self.covariates,
                "change": self.changes,
                "purchases_before": self.purchases_before,
                "purchases_change": self.purchases[:, 0],
                "purchases_lower": self.purchases[:, 1],
                "purchases_upper": self.purchases[:, 2],
                "value_before": self.value_before,
                "value_change": self.value[:, 0],
                "value_lower": self.value[:, 1],
                "value_upper": self.value[:, 2],
            }
        )

    def __repr__(self) -> str:
        """One line a change."""
        width = max(len(f"{name}: {change}") for name, change in zip(self.covariates, self.changes, strict=True))
        lines = [
            f"  {f'{name}: {change}':<{width}}  purchases {p[0]:+.3g} ({p[1]:+.3g} to {p[2]:+.3g}), "
            f"value {v[0]:+.4g} ({v[1]:+.4g} to {v[2]:+.4g})"
            for name, change, p, v in zip(self.covariates, self.changes, self.purchases, self.value, strict=True)
        ]
        title = f"<CovariateEffects: of a new customer over {self.horizon:g} {self.time_unit}s>"
        return "\n".join([title, *lines])


def covariate_effects(
    fit: PurchaseFit,
    customers: Frame,
    *,
    horizon: float,
    spend: float | SpendFit = 1.0,
    margin: float = 1.0,
    discount_rate: float = 0.0,
    steps: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> CovariateEffects:
    """Return how the purchases and the value expected of a new customer change with each covariate.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases` with covariates.
    customers : frame
        The covariates of the customers to average over, such as the frame that was passed to `fit_purchases`.
    horizon : float
        Time from the first purchase, in time units of the fit, above 0.
    spend : float or SpendFit
        Amount a purchase, or a fit of it, whose covariates then change the value as well. With the default of 1, the
        value counts discounted purchases.
    margin : float
        Share of spend that is kept after the cost of goods, 0 to 1.
    discount_rate : float
        Cost of capital per year, 0.1 for 10 %; above -1.
    steps : mapping, optional
        By how much to raise a column of numbers, such as ``{"age": 10}``; by default by 1.
    level : float
        Chance that such an interval covers the truth, above 0 and below 1.

    Returns
    -------
    CovariateEffects
        One row for each number (raised by its step), each column of 0 and 1 (from 0 to 1) and each level of text (from
        the reference to it).

    Raises
    ------
    InputError
        If no fit has covariates, a covariate is missing or has a new level, an argument is out of its range, or the
        population's mean spend does not exist.

    Notes
    -----
    Repeat purchases only: the first one has happened. A change is the mean over customers of the difference that it
    makes to each, her other covariates as they are. Intervals are from the delta method, with the fits of purchases and
    spend taken as independent and a parameter at its bound as known. They say how well the association is known, not
    that changing the covariate would have this effect.

    Examples
    --------
    Under NBD with a rate of 0.1 a week, a coefficient of log 2 doubles 52 weeks' 5.2 purchases:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.nbd import NBD, Params
    >>> fit = PurchaseFit(
    ...     model=NBD, params=Params(r=1.0, alpha=10.0), log_covariance=np.eye(3) / 100, log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ...     effects=(Effect(("purchases",), "club", None, 0.0, float(np.log(2))),),
    ... )
    >>> covariate_effects(fit, pd.DataFrame({"club": [0, 1]}), horizon=52, spend=10).to_frame().iloc[0, :4]
    covariate           club
    change             0 → 1
    purchases_before     5.2
    purchases_change     5.2
    Name: 0, dtype: object
    """
    horizon = require_number("horizon", horizon, above=0)
    margin = require_number("margin", margin, at_least=0, at_most=1)
    rate = periodic_rate(require_number("discount_rate", discount_rate, above=-1), fit.time_unit)
    level = require_number("level", level, above=0, at_most=1 - 1e-12)
    effects = (*fit.effects, *(spend.effects if isinstance(spend, SpendFit) else ()))
    if not effects:
        raise InputError("fit: has no covariates. Fit with covariates=, or pass a fit of spend that has some.")
    outlook = Outlook(fit, checked_spend(spend), horizon, rate, margin)
    known, counts = read_patterns(customers, effects)
    changes = list(changes_in(effects, known, checked_steps(steps or {}, known)))
    rows = [compared(outlook, change, known, counts, normal_quantile(0.5 + 0.5 * level)) for change in changes]
    purchases, value = np.array(rows).swapaxes(0, 1)
    return CovariateEffects(
        covariates=tuple(change.covariate for change in changes),
        changes=tuple(change.words for change in changes),
        purchases=purchases[:, 1:],
        value=value[:, 1:],
        purchases_before=purchases[:, 0],
        value_before=value[:, 0],
        horizon=horizon,
        time_unit=fit.time_unit,
        level=level,
        n_customers=int(counts.sum()),
    )


def checked_spend(spend: float | SpendFit) -> float | SpendFit:
    """Return an amount, or a fit under which a new customer has a mean spend."""
    if not isinstance(spend, SpendFit):
        return require_number("spend", spend, above=0)
    if spend.model.mean_exists_above(spend.params) >= 0:
        raise InputError("spend: the fit has too heavy a tail for a population mean. Pass an amount instead.")
    return spend


def read_patterns(customers: Frame, effects: Sequence[Effect]) -> tuple[dict[str, Array], IntArray]:
    """Return the distinct covariates of these customers, text as the place of its level, and how often each occurs."""
    columns, levels = columns_of_effects(effects), levels_by_column(effects)
    frame, kinds = readable(with_covariates(open_customers(customers, columns), None, columns), columns)
    require_kinds(columns, kinds, levels)
    numbers = {
        f"_crm_x{i}": chosen(nw.col(inside(i)), levels[name], range(len(levels[name])))
        if name in levels
        else nw.col(inside(i)).cast(nw.Float64)
        for i, name in enumerate(columns)
    }
    rows, counts = distinct_rows(frame.select(**numbers), list(numbers))
    found = dict(zip(columns, (np.asarray(column, dtype=float) for column in rows.values()), strict=True))
    if not counts.sum():
        raise InputError("customers: the frame has no rows. Pass at least one customer.")
    if not all(np.isfinite(column).all() for column in found.values()):
        refuse_covariates(frame, columns, levels)
    return found, counts


def checked_steps(steps: Mapping[str, float], known: Mapping[str, Array]) -> dict[str, float]:
    """Return the steps, or raise InputError about those of no column, or of no length."""
    for name, step in steps.items():
        require_option("steps", name, known)
        if not (np.isfinite(step) and step != 0):
            raise InputError(f"steps: got {step} for {name!r}. Pass a number other than 0.")
    return dict(steps)


class Change(NamedTuple):
    """A covariate before and after a change: to one value for all customers, or by a step for each."""

    covariate: str
    words: str
    before: float
    after: float
    is_step: bool

    def applied(self, known: Mapping[str, Array], *, after: bool) -> dict[str, Array]:
        """Return the covariates of each customer before or after it."""
        value = self.after if after else self.before
        return {**known, self.covariate: known[self.covariate] * self.is_step + value}


def changes_in(effects: Sequence[Effect], known: Mapping[str, Array], steps: Mapping[str, float]) -> Iterator[Change]:
    """Yield the changes whose effects are of interest, each once."""
    levels = levels_by_column(effects)
    for column in columns_of_effects(effects):
        if column in levels:
            reference, *others = levels[column]
            for place, level in enumerate(others, start=1):
                yield Change(column, f"{reference} → {level}", 0.0, float(place), is_step=False)
        elif np.isin(known[column], (0.0, 1.0)).all() and column not in steps:
            yield Change(column, "0 → 1", 0.0, 1.0, is_step=False)
        else:
            step = steps.get(column, 1.0)
            yield Change(column, f"{step:+g}", 0.0, step, is_step=True)


def compared(outlook: Outlook, change: Change, known: Mapping[str, Array], counts: IntArray, width: float) -> Array:
    """Return level before, change, and both ends of its interval: of purchases, and of value, shape (2, 4)."""
    before, after = (
        np.stack([bought[0], outlook.margin * amount[0] * bought[1]]) @ counts / counts.sum()
        for bought, amount in (both_outcomes(outlook, change.applied(known, after=then)) for then in (False, True))
    )
    some, weights = representative(known, counts)
    rough = outlook._replace(is_rough=True)
    one, other = (gradients(rough, change.applied(some, after=then), weights) for then in (False, True))
    fits = [outlook.fit, outlook.spend]
    variance = sum(
        spread(high - low, fit) for low, high, fit in zip(one, other, fits, strict=False) if not isinstance(fit, float)
    )
    half = width * np.sqrt(variance)
    return np.stack([before, after - before, after - before - half, after - before + half], axis=1)


def representative(known: Mapping[str, Array], counts: IntArray) -> tuple[dict[str, Array], Array]:
    """Return covariates of at most so many customers, evenly spaced among all, and their weights."""
    if len(counts) <= MOST_PATTERNS:
        return dict(known), counts / counts.sum()
    wanted = (np.arange(MOST_PATTERNS) + 0.5) / MOST_PATTERNS * counts.sum()
    rows = np.searchsorted(np.cumsum(counts), wanted)
    return {name: values[rows] for name, values in known.items()}, np.full(MOST_PATTERNS, 1 / MOST_PATTERNS)
