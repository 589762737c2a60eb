"""What each cohort of customers brought at each age: customers, revenue, margin or orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number, require_option
from crmvalue._core.frames import AnyFrame, count_true, like, open_frame
from crmvalue._core.periods import PERIODS, first_days, period_numbers
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, BoolArray, Day, Frame, IntArray, Period
from crmvalue.data.cohorts import cohort_totals, last_observed_day
from crmvalue.data.transactions import Transactions, as_transactions
from crmvalue.errors import InputError
from crmvalue.retention.shares import share_of, shares_of_first

Measure: TypeAlias = Literal["customers", "revenue", "margin", "orders"]
MEASURES: tuple[Measure, ...] = ("customers", "revenue", "margin", "orders")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetentionTable:
    """Customers, revenue, margin or orders of each cohort by its age in periods.

    Columns of `frame`, one row a cohort and age, in the engine of the transactions: cohort (first day of the period of
    first purchase); age (periods since); period (first day); cohort_size; the measure under its name; share (of age
    0); is_complete. The measure and its share are missing where time has not come yet; counts are floats, since
    integers cannot be missing in every engine.
    """

    frame: Frame
    period: Period
    measure: Measure
    observation_end: np.datetime64  # last day that counts
    cohorts: AnyArray  # first day of each cohort's first period, datetime64[D], shape (k,)
    cohort_size: IntArray  # customers of each cohort, shape (k,)
    values: Array  # the measure at age 0, 1, ...; NaN where time has not come, shape (k, n_ages)
    is_complete: BoolArray  # whether the period of the cell had ended by `observation_end`, shape (k, n_ages)
    refund_only_revenue: float  # amount of those who never bought, at most 0; in no cell
    refund_only_margin: float  # margin on it; NaN unless the measure is margin

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html

    @property
    def shares(self) -> Array:
        """Values as a share of age 0, shape (k, n_ages); missing where age 0 brought no revenue."""
        return shares_of_first(self.values)

    @property
    def calendar(self) -> AnyArray:
        """First day of each period from the first cohort on, datetime64[D], shape (n_ages,)."""
        first = period_numbers(self.cohorts[:1], self.period)[0]
        return first_days(first + np.arange(self.values.shape[1]), self.period)

    @property
    def by_calendar(self) -> Array:
        """Values by period instead of age, columns as in `calendar`; NaN before a cohort begins, shape (k, n_ages)."""
        number = period_numbers(self.cohorts, self.period)
        age = np.arange(self.values.shape[1]) - (number - number[0])[:, None]
        return np.where(age >= 0, np.take_along_axis(self.values, np.maximum(age, 0), axis=1), np.nan)

    @property
    def pooled_shares(self) -> Array:
        """Share of age 0 at each age, of all cohorts that have completed it, together, shape (n_ages,)."""
        known = self.is_complete & self.is_complete[:, :1]
        first = np.where(known, self.values[:, :1], 0.0).sum(axis=0)
        return share_of(np.where(known, self.values, 0.0).sum(axis=0), first)


def retention_table(
    transactions: Transactions | Frame,
    *,
    period: Period = "month",
    measure: Measure = "customers",
    margin: float | str | None = None,
    observation_end: Day | None = None,
) -> RetentionTable:
    """How many of those who first bought in a period, or how much of their money, came in each period since.

    Parameters
    ----------
    transactions : Transactions or frame
        What `prepare_transactions` returned, or a frame with the columns customer_id, date and amount.
    period : {"week", "month", "quarter", "year"}
        Length of a period. Weeks begin on Monday.
    measure : {"customers", "revenue", "margin", "orders"}
        What is in the cells: customers with a purchase in the period; amounts less refunds; what is kept of them; or
        purchase days (as everywhere, all purchases of a customer on one day are one).
    margin : float or str, optional
        For measure "margin": the share of every amount that is kept, 0 to 1, or the column (kept by
        `prepare_transactions`) of what is kept of each, in currency.
    observation_end : day, optional
        Last day that counts; the last one in the data if not given.

    Returns
    -------
    RetentionTable
        One row a cohort, for each period in which somebody first bought; one column an age, from 0.

    Raises
    ------
    InputError
        If `period` or `measure` is unknown, the margin is missing, or nobody has bought by `observation_end`.

    Notes
    -----
    A cell is missing if its period begins after `observation_end`, 0 if it has begun and nobody came, and not
    complete if it had not ended by then: compare cohorts in complete cells. A day with refunds alone is no purchase.
    Refunds count in the period in which they were paid, and in the customer's first period if they came before her
    first purchase, so that revenue over all cells and `refund_only_revenue` add up to the sum of the amounts. Cohorts
    compare at equal age, in a column of `values`; `by_calendar` turns the table so that a column is a period.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"customer_id": ["ann", "bob", "ann", "cy"], "amount": [5.0, 7.0, 4.0, 6.0],
    ...                      "date": ["2023-01-25", "2023-01-10", "2023-03-20", "2023-02-28"]})
    >>> table = retention_table(rows)
    >>> table.cohorts
    array(['2023-01-01', '2023-02-01'], dtype='datetime64[D]')
    >>> table.values
    array([[ 2.,  0.,  1.],
           [ 1.,  0., nan]])
    >>> table.is_complete
    array([[ True,  True, False],
           [ True, False, False]])
    >>> retention_table(rows, measure="revenue").values
    array([[12.,  0.,  4.],
           [ 6.,  0., nan]])
    """
    require_option("period", period, PERIODS)
    require_option("measure", measure, MEASURES)
    checked = as_transactions(transactions)
    if measure == "margin":
        require_margin(margin, open_frame(checked.frame))
    end = last_observed_day(checked, observation_end)
    totals = cohort_totals(
        checked, end, period, margin=margin if measure == "margin" else None, orders=measure == "orders"
    )
    cohort, row = np.unique(totals.cohort, return_inverse=True)
    last = int(period_numbers(np.array([end]), period)[0])
    age = np.arange(last - cohort[0] + 1)
    at = cohort[:, None] + age
    values = np.where(at <= last, 0.0, np.nan)
    values[row, totals.period - totals.cohort] = getattr(totals, measure)
    newcomers = totals.period == totals.cohort
    size = np.zeros(len(cohort), dtype=np.int64)
    size[row[newcomers]] = totals.customers[newcomers]
    is_complete = np.asarray(first_days(at + 1, period) <= end + 1)
    table = {
        "cohort": first_days(cohort, period).repeat(len(age)),
        "age": np.tile(age, len(cohort)),
        "period": first_days(at.ravel(), period),
        "cohort_size": size.repeat(len(age)),
        measure: values.ravel(),
        "share": shares_of_first(values).ravel(),
        "is_complete": is_complete.ravel(),
    }
    cohorts = first_days(cohort, period)
    for array in (cohorts, size, values, is_complete):
        array.flags.writeable = False
    return RetentionTable(
        frame=like(table, open_frame(checked.frame)),
        period=period,
        measure=measure,
        observation_end=end,
        cohorts=cohorts,
        cohort_size=size,
        values=values,
        is_complete=is_complete,
        refund_only_revenue=totals.refund_only_revenue,
        refund_only_margin=totals.refund_only_margin,
    )


def require_margin(margin: float | str | None, frame: AnyFrame) -> None:
    """Raise InputError unless the margin is a share, or a column of finite numbers."""
    if not isinstance(margin, str):
        if margin is None or isinstance(margin, bool):
            raise InputError(
                f"margin: got {margin!r}. Pass the share of every amount that is kept, 0 to 1, or the column of it."
            )
        require_number("margin", margin, at_least=0, at_most=1)
        return
    frame = open_frame(frame, argument="margin", needs=[margin])
    if not frame.collect_schema()[margin].is_numeric():
        raise InputError(f"margin: column {margin!r} holds no numbers. Convert it to numbers first.")
    column = nw.col(margin).cast(nw.Float64)
    known = (~column.is_null()) & column.is_finite().fill_null(False)
    counted = count_true(frame, {"missing": ~known, "all": nw.lit(True) | known})
    if counted["missing"]:
        raise InputError(
            f"margin: column {margin!r} is missing or infinite in {counted['missing']:,} of {counted['all']:,} rows. "
            "Fill or drop these rows."
        )
