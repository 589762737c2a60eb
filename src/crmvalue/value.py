"""The whole customer: what she brought, may bring, brings through others, and teaches; and what she gets for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import require_number
from crmvalue._core.frames import AnyFrame, count_rows, like, one_row, open_frame, to_arrays, to_native
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Frame
from crmvalue.errors import InputError
from crmvalue.retention.groups import require_groups
from crmvalue.retention.referrals import with_influence
from crmvalue.segments.customers import as_number, check_numbers, open_customers
from crmvalue.segments.points import sum_of
from crmvalue.segments.surveys import group_means, is_known, require_scores, shares_of_weight, weighted

PARTS = ("current", "potential", "influence", "learning")
CELLS = ("champion", "affluent", "advocate", "miser")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerWorth:
    """What each customer is worth in all.

    Columns of `frame`, one row a customer, in the engine of the input: customer_id; current (contribution so far less
    cost to serve), potential (lifetime value and cross-buying), influence (through referrals), learning; worth (their
    sum); cell (champion: lifetime and referral value high; affluent: lifetime value alone; advocate: referral value
    alone; miser: neither). Columns of `cells`: cell, customers, current, potential, influence, learning, worth.
    """

    frame: Frame
    cells: Frame
    n: int  # customers
    total: float  # sum of worth, in currency
    counted_twice: float  # part of `total` that is the current value of referred customers, credited to both
    lifetime_cut: float  # a lifetime value (current and potential) above it is high
    influence_cut: float  # an influence above it is high
    n_referrals: int  # referrals credited
    would_have_come: float  # share of the referred who would have come anyway

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def customer_worth(
    customers: Frame,
    *,
    contribution: str = "contribution",
    cost_to_serve: str | None = None,
    lifetime_value: str | None = None,
    cross_buying: str | None = None,
    learning_value: str | None = None,
    referrals: Frame | None = None,
    would_have_come: float = 0.0,
    cuts: tuple[float, float] | None = None,
) -> CustomerWorth:
    r"""Add up what each customer brought, may bring, brings through others, and teaches.

    Parameters
    ----------
    customers : frame of any engine
        One row a customer, with customer_id and the columns named below, in one currency.
    contribution : str
        Column of what she has brought so far, after cost of goods.
    cost_to_serve : str, optional
        Column of what serving her has cost so far.
    lifetime_value : str, optional
        Column of what she is expected to bring, such as value of `customer_value`.
    cross_buying : str, optional
        Column of what she is expected to bring beyond that by buying other products.
    learning_value : str, optional
        Column of what her knowledge is worth (tests, ideas, reviews): an entry that must be argued for, not computed.
    referrals : frame, optional
        One row a referral: customer_id (who referred), referred_id (whom), and, if there, cost (what prompted it).
    would_have_come : float
        Share of the referred who would have come anyway, 0 to 1.
    cuts : (float, float), optional
        Lifetime and referral value above which a customer is high; the medians of all customers if not given.

    Returns
    -------
    CustomerWorth
        Worth and its parts, and the four cells.

    Raises
    ------
    InputError
        If a value is missing, a customer is listed twice, or a referral is to oneself, in a circle, to an unknown
        customer, or credited twice.

    Notes
    -----
    With the current value :math:`c_j` (contribution less cost to serve) of the customers :math:`R_i` whom customer
    :math:`i` referred, the cost :math:`k_j` of each referral and the share :math:`w` who would have come anyway,

    .. math:: \text{influence}_i = \sum_{j \in R_i} \bigl((1 - w)\, c_j - k_j\bigr)

    Each referral is credited to one customer and goes no further up the chain. The current value of a referred
    customer is hers too: it is right for each customer alone, but the sum over all holds it twice. `counted_twice`
    says how much; subtract it for the worth of the whole base.

    References
    ----------
    Kumar, Petersen & Leone (2007) "How valuable is word of mouth?", Harvard Business Review 85(10).

    Kumar, Aksoy, Donkers, Venkatesan, Wiesel & Tillmanns (2010) "Undervalued or overvalued customers: Capturing total
    customer engagement value", Journal of Service Research 13(3), https://doi.org/10.1177/1094670510375602

    Examples
    --------
    ann brought bob for a present of 5; one in five would have come anyway: 0.8 · 50 − 5 = 35.

    >>> import pandas as pd
    >>> customers = pd.DataFrame({"customer_id": ["ann", "bob"], "contribution": [20.0, 60.0], "service": [5.0, 10.0],
    ...                           "value": [30.0, 100.0]})
    >>> referrals = pd.DataFrame({"customer_id": ["ann"], "referred_id": ["bob"], "cost": [5.0]})
    >>> worth = customer_worth(customers, cost_to_serve="service", lifetime_value="value", referrals=referrals,
    ...                        would_have_come=0.2)
    >>> worth.frame[["customer_id", "current", "potential", "influence", "worth", "cell"]]
      customer_id  current  potential  influence  worth      cell
    0         ann     15.0       30.0       35.0   80.0  advocate
    1         bob     50.0      100.0        0.0  150.0  affluent
    >>> worth.counted_twice
    40.0
    """
    require_number("would_have_come", would_have_come, at_least=0, at_most=1)
    columns = [name for name in (contribution, cost_to_serve, lifetime_value, cross_buying, learning_value) if name]
    frame = open_customers(customers, argument="customers", needs=columns)
    check_numbers(frame, columns, argument="customers")
    zero = nw.lit(0.0)
    cost, ahead, further, taught = (
        as_number(name) if name else zero for name in (cost_to_serve, lifetime_value, cross_buying, learning_value)
    )
    table = frame.select(
        "customer_id", current=as_number(contribution) - cost, potential=ahead + further, learning=taught
    )
    table, twice, n_referrals = with_influence(table, referrals, would_have_come)
    parts = {name: nw.col(name) for name in PARTS}
    table = table.with_columns(_crm_lifetime=parts["current"] + parts["potential"], worth=sum_of(list(parts.values())))
    if cuts is None:
        middle = one_row(table, lifetime=nw.col("_crm_lifetime").median(), influence=nw.col("influence").median())
        cuts = (middle["lifetime"], middle["influence"])
    if not isinstance(cuts, (tuple, list)) or len(cuts) != 2:
        raise InputError(f"cuts: got {cuts!r}. Pass two numbers, of lifetime and of influence value.")
    lifetime_cut, influence_cut = (require_number("cuts", cut) for cut in cuts)
    table = with_cell(table, lifetime_cut, influence_cut)
    cells = cell_table(table)
    return CustomerWorth(
        frame=to_native(table),
        cells=like(cells, frame),
        n=int(cells["customers"].sum()),
        total=float(cells["worth"].sum()),
        counted_twice=twice,
        lifetime_cut=lifetime_cut,
        influence_cut=influence_cut,
        n_referrals=n_referrals,
        would_have_come=float(would_have_come),
    )


def with_cell(table: AnyFrame, lifetime_cut: float, influence_cut: float) -> AnyFrame:
    """Name the cell of each customer, by her lifetime value and what she brings through others."""
    champion, affluent, advocate, miser = (nw.lit(cell) for cell in CELLS)
    rich, loud = nw.col("_crm_lifetime") > lifetime_cut, nw.col("influence") > influence_cut
    quiet = nw.when(rich).then(affluent).otherwise(miser)
    both = nw.when(rich).then(champion).otherwise(advocate)
    return table.with_columns(cell=nw.when(loud).then(both).otherwise(quiet)).select(
        "customer_id", *PARTS, "worth", "cell"
    )


def cell_table(table: AnyFrame) -> dict[str, AnyArray]:
    """Columns of the sums of the four cells, in their order; zeros for a cell without customers."""
    names = ("customers", *PARTS, "worth")
    sums = table.group_by("cell").agg(nw.col(*PARTS, "worth").sum(), customers=nw.len())
    found = to_arrays(sums, ["cell", *names])
    at = [CELLS.index(cell) for cell in found["cell"].astype(str)]
    cells: dict[str, AnyArray] = {"cell": np.array(CELLS, dtype=object)}
    for name in names:
        cells[name] = np.zeros(len(CELLS), dtype=np.int64 if name == "customers" else float)
        cells[name][at] = found[name]
    return cells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeliveredValue:
    """What customers say they get, less what it costs them.

    Columns of `frame`, one row an answer, in the engine of the input: the columns of the input; benefit and burden
    (weighted means of the scores, on their scale); delivered (benefit less burden). They are missing where a score is.
    Columns of `groups`, one row a group: the group; n (complete answers); benefit, burden, delivered (means);
    standard_error, lower, upper (95 % interval of the mean of delivered).
    """

    frame: Frame
    groups: Frame
    n: int  # answers
    n_incomplete: int  # of these, without one of the scores: not in any mean
    benefits: tuple[tuple[str, float], ...]  # columns and their shares of the weight
    burdens: tuple[tuple[str, float], ...]

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


def delivered_value(
    answers: Frame,
    *,
    benefits: Mapping[str, float] | Sequence[str] = ("product", "service", "staff", "image"),
    burdens: Mapping[str, float] | Sequence[str] = ("money", "time", "effort"),
    scale: tuple[float, float] = (1.0, 10.0),
    by: str | None = None,
) -> DeliveredValue:
    r"""Value delivered to customers, from survey scores: benefits less burdens.

    Parameters
    ----------
    answers : frame of any engine
        One row an answer, with a column for each score.
    benefits, burdens : mapping or sequence of str
        Columns of the scores, with their weights; without weights all count alike. A high score of a burden means that
        it costs the customer much.
    scale : (float, float)
        Lowest and highest score.
    by : str, optional
        Column of groups to compare.

    Returns
    -------
    DeliveredValue
        One row an answer, and means by group.

    Raises
    ------
    InputError
        If a column is missing, a score is outside the scale, a weight is negative, or all are 0.

    Notes
    -----
    Delivered value is the weighted mean of the benefits less that of the burdens: from −(high − low) to high − low.
    Answers without one of the scores are counted, and in no mean: filling them in would say what nobody said.

    References
    ----------
    Kotler & Keller (2016) "Marketing Management", 15th edition, chapter 5: customer perceived value.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"product": [8.0, 6.0], "service": [6.0, 6.0], "money": [3.0, 6.0], "time": [5.0, None]})
    >>> found = delivered_value(answers, benefits=["product", "service"], burdens={"money": 3, "time": 1})
    >>> found.frame[["benefit", "burden", "delivered"]]
       benefit  burden  delivered
    0      7.0     3.5        3.5
    1      NaN     NaN        NaN
    >>> found.n_incomplete
    1
    """
    gets, gives = shares_of_weight(benefits, "benefits"), shares_of_weight(burdens, "burdens")
    names = [name for name, _ in (*gets, *gives)]
    if len(set(names)) < len(names):
        raise InputError("benefits, burdens: a column is named twice. Name each once.")
    frame = open_frame(answers, argument="answers", needs=[*names, *([by] if by else [])])
    if by is not None:
        require_groups(frame, by)
    n = require_scores(frame, names, scale)
    complete = nw.lit(True)
    for name in names:
        complete = complete & is_known(name)
    scored = frame.with_columns(_crm_complete=complete)
    whole = nw.col("_crm_complete")
    scored = scored.with_columns(
        benefit=nw.when(whole).then(weighted(gets)), burden=nw.when(whole).then(weighted(gives))
    ).with_columns(delivered=nw.col("benefit") - nw.col("burden"))
    known = scored.filter(whole)
    n_known = count_rows(known)
    if n_known == 0:
        raise InputError(f"answers: none of {n:,} answers has all scores. Pass fewer columns.")
    return DeliveredValue(
        frame=to_native(scored.drop("_crm_complete")),
        groups=like(group_means(known, by), frame),
        n=n,
        n_incomplete=n - n_known,
        benefits=gets,
        burdens=gives,
    )


__all__ = ["CustomerWorth", "DeliveredValue", "customer_worth", "delivered_value"]
