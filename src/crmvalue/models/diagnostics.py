"""What a fitted model says of the data as a whole: counts, a holdout, and every history, as tidy frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_number
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.data.holdout import HoldoutSplit
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.models.answers import require_time
from crmvalue.models.covariates import columns_of_effects
from crmvalue.models.distinct import distinct_states
from crmvalue.models.fit import PurchaseFit
from crmvalue.models.forecasts import read_outcomes, require_split
from crmvalue.models.histories import PURCHASES, checked_purchases, open_customers, require_unit_of_fit
from crmvalue.models.model import Parameters, PurchaseModel
from crmvalue.models.own_params import read_with_params

if TYPE_CHECKING:
    import pandas as pd

MOST_FREQUENCY = 1_000  # rows of a table of frequencies
STEPS = 60  # of recency in a table of histories, at most
MOST_KINDS = 100  # of customers who each have a table of histories


def frequency_fit(
    fit: PurchaseFit, summary: CustomerSummary | Frame, *, most: int = 7, covariates: Frame | None = None
) -> pd.DataFrame:
    """Count customers by their repeat purchases, next to how many the model expects.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    summary : CustomerSummary or frame
        The customers, with columns frequency, recency and T, in any engine; a plain frame must be in the time unit of
        the fit.
    most : int
        Last row of the table, which holds this number and all above it; at least 1.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Not needed if the summary's
        frame has these columns itself.

    Returns
    -------
    pandas.DataFrame
        Index frequency (0 to `most`, the last with all above); observed and expected, in customers.

    Raises
    ------
    InputError
        If a history is impossible, `most` is out of range, the summary is in another time unit than the fit, or a
        covariate is missing or has a level that the fit does not know.

    Notes
    -----
    The expected number is Σ P(X(T_i) = x) over the customers, each over her own time; their histories are not used.

    Examples
    --------
    Two customers for whom 0, 1, 2, ... purchases have the chances 1/2, 1/4, 1/8, ...:

    >>> import numpy as np, pandas as pd
    >>> from crmvalue.models.nbd import NBD, Params
    >>> fit = PurchaseFit(
    ...     model=NBD, params=Params(r=1.0, alpha=8.0), log_covariance=np.eye(2), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> customers = pd.DataFrame({"frequency": [0, 1], "recency": [0.0, 8.0], "T": [8.0, 8.0]})
    >>> frequency_fit(fit, customers, most=2).round(6)
               observed  expected
    frequency
    0                 1       1.0
    1                 1       0.5
    2                 0       0.5
    """
    import pandas as pd

    rows_wanted = int(require_number("most", most, at_least=1, at_most=MOST_FREQUENCY))
    require_unit_of_fit(summary, fit.time_unit)
    frame = open_customers(summary, PURCHASES, argument="summary")
    rows, params, counts = read_with_params(fit, frame, PURCHASES, covariates)
    frequency, _, T = checked_purchases(frame, rows, is_discrete=fit.model.is_discrete)
    observed = np.bincount(
        np.minimum(frequency, rows_wanted).astype(np.intp), weights=counts, minlength=rows_wanted + 1
    )
    none = np.zeros(len(T))
    own, _, _, times, place = distinct_states(fit.model, params, none, none, T)  # as new customers
    customers = np.bincount(place, weights=counts)
    expected = np.array(
        [customers @ chance_of_new(fit.model, own, float(x), times) for x in range(rows_wanted)] + [0.0]
    )
    expected[-1] = max(float(counts.sum() - expected.sum()), 0.0)
    index = pd.RangeIndex(rows_wanted + 1, name="frequency")
    return pd.DataFrame({"observed": observed.astype(np.int64), "expected": expected}, index=index)


def chance_of_new(model: PurchaseModel, params: Parameters, count: float, t: Array) -> Array:
    """Probability that a new customer makes this number of repeat purchases up to t."""
    none, some = np.zeros(len(t)), t > 0
    alive = model.probability_alive(params, none, none, none)
    mass = model.mass_if_alive(params, count, np.where(some, t, 1.0), none, none, none)
    return np.where(some, alive * mass + (1 - alive) * (count == 0), count == 0)


def holdout_by_frequency(
    fit: PurchaseFit, split: HoldoutSplit, *, most: int = 7, covariates: Frame | None = None
) -> pd.DataFrame:
    """Return the mean purchases that came in the holdout period, and those expected, by the purchases before it.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases` on the calibration period.
    split : HoldoutSplit
        From `split_holdout`.
    most : int
        Last row of the table, which holds the customers with so many repeat purchases and all above; at least 1.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit.

    Returns
    -------
    pandas.DataFrame
        Index frequency (0 to `most`, repeat purchases in the calibration period); customers (how many), actual and
        expected (mean purchases of a customer in the holdout period; missing where there are no customers).

    Raises
    ------
    InputError
        If `split` is none, `most` is out of range, the fit is in another time unit, or a covariate is missing or has a
        level that the fit does not know.

    Examples
    --------
    >>> from crmvalue.data.holdout import split_holdout
    >>> from crmvalue.data.samples import load_cdnow
    >>> from crmvalue.models.fit import fit_purchases
    >>> split = split_holdout(load_cdnow(), calibration_end="1997-09-30", time_unit="week")
    >>> holdout_by_frequency(fit_purchases(split.calibration), split, most=3).round(2)
               customers  actual  expected
    frequency
    0              14119    0.25      0.23
    1               4442    0.78      0.52
    2               2064    1.40      1.04
    3               2945    3.32      3.11
    """
    import pandas as pd

    groups = int(require_number("most", most, at_least=1, at_most=MOST_FREQUENCY)) + 1
    require_split(split)
    require_unit_of_fit(split.calibration, fit.time_unit)
    rows = read_outcomes([fit], split, covariates)
    histories = rows.frequency, rows.recency, rows.T
    expected = fit.model.conditional_expected_purchases(rows.params[0], split.duration, *histories)
    group = np.minimum(rows.frequency, groups - 1).astype(np.intp)
    customers = np.bincount(group, weights=rows.counts, minlength=groups)
    sums = (np.bincount(group, weights=rows.counts * values, minlength=groups) for values in (rows.came, expected))
    means = [np.where(customers > 0, total / np.maximum(customers, 1), np.nan) for total in sums]
    columns = {"customers": customers.astype(np.int64), "actual": means[0], "expected": means[1]}
    return pd.DataFrame(columns, index=pd.RangeIndex(groups, name="frequency"))


def history_table(
    fit: PurchaseFit, *, T: float, horizon: float, most: int = 20, covariates: Frame | None = None
) -> pd.DataFrame:
    """Return what the model says of every history: the chance to be a customer still, and the purchases to come.

    Parameters
    ----------
    fit : PurchaseFit
        From `fit_purchases`.
    T : float
        Time observed since the first purchase, in time units of the fit, above 0.
    horizon : float
        Time after T in which purchases count, in time units, above 0.
    most : int
        Largest number of repeat purchases; at least 1.
    covariates : frame, optional
        For a fit with covariates: a frame with customer_id and the columns of the fit. Each customer in it, of at most
        100, gets a table of her own; one of each kind of customer says all.

    Returns
    -------
    pandas.DataFrame
        One row for each frequency (0 to `most`) and recency (0 to T, in time units; at most 61 values): frequency,
        recency, probability_alive, expected_purchases. Impossible histories are left out, such as a recency above 0
        without a repeat purchase. For a fit with covariates customer_id comes first.

    Raises
    ------
    InputError
        If a number is out of range, or a covariate is missing or has a level that the fit does not know.

    Examples
    --------
    After 30 weeks, who bought ten times again and last in week 15 is likely gone; who bought once again may be slow:

    >>> import numpy as np
    >>> from crmvalue.models.bg_nbd import BG_NBD, Params
    >>> fit = PurchaseFit(
    ...     model=BG_NBD, params=Params(r=0.5, alpha=5.0, a=1.0, b=3.0), log_covariance=np.eye(4), log_likelihood=-9.0,
    ...     gradient_norm=0.0, n_customers=2, time_unit="week",
    ... )
    >>> table = history_table(fit, T=30, horizon=10, most=10).set_index(["frequency", "recency"])
    >>> table.loc[[(1, 15.0), (10, 15.0)]].round(2)
                       probability_alive  expected_purchases
    frequency recency
    1         15.0                  0.56                0.23
    10        15.0                  0.03                0.09
    """
    import pandas as pd

    end = require_time(fit, "T", require_number("T", T, above=0))
    horizon = require_time(fit, "horizon", require_number("horizon", horizon, above=0))
    highest = int(require_number("most", most, at_least=1, at_most=MOST_FREQUENCY))
    steps = max(k for k in range(1, STEPS + 1) if end % k == 0) if fit.model.is_discrete else STEPS
    grid = np.meshgrid(np.arange(highest + 1.0), np.linspace(0, end, steps + 1), indexing="ij")
    frequency, recency = (values.ravel() for values in grid)
    possible = np.where(frequency > 0, recency > 0, recency == 0)
    possible &= (frequency <= recency) | (not fit.model.is_discrete)
    frequency, recency = frequency[possible], recency[possible]
    kinds, params = kinds_of_customers(fit, covariates)
    each = max(1, len(kinds))
    own = (np.repeat(value, len(recency)) if np.ndim(value) else value for value in params)
    params = type(params)(*own)  # type: ignore[arg-type]  # a NamedTuple
    history = np.tile(frequency, each), np.tile(recency, each), np.full(each * len(recency), end)
    columns = {
        **({"customer_id": np.repeat(kinds, len(recency))} if len(kinds) else {}),
        "frequency": history[0].astype(np.int64),
        "recency": history[1],
        "probability_alive": fit.model.probability_alive(params, *history),
        "expected_purchases": fit.model.conditional_expected_purchases(params, horizon, *history),
    }
    return pd.DataFrame(columns)


def kinds_of_customers(fit: PurchaseFit, covariates: Frame | None) -> tuple[AnyArray, Parameters]:
    """Return the customers who have covariates under this fit, and the parameters of each; none without effects."""
    if not fit.effects:
        return np.zeros(0), fit.params
    if covariates is None:
        raise InputError(
            f"covariates: missing, and the fit has effects of {', '.join(columns_of_effects(fit.effects))}. Pass a "
            "frame with customer_id and these columns: each customer in it gets a table."
        )
    kinds = frames.open_frame(covariates, argument="covariates", needs=["customer_id"]).select("customer_id")
    n = frames.count_rows(kinds)
    if not 0 < n <= MOST_KINDS:
        raise InputError(
            f"covariates: {n:,} customers, and each gets a table. Pass one of each kind, at most {MOST_KINDS} in all."
        )
    (ids,), params, _ = read_with_params(fit, kinds, ["customer_id"], covariates)
    return ids, params
