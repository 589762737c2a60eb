"""Covariates: what is known of each customer besides her purchases, joined by customer_id and checked.

Numbers act as they are, text by one effect for each level but the most frequent. All of it runs in the engine of the
customers' frame: what reaches Python are numbers, never an id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from crmvalue._core.checks import MOST_LABELS, require_columns, rows_message
from crmvalue._core.frames import AnyFrame, collect, column_names, count_rows, like, open_frame, to_arrays
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.errors import InputError
from crmvalue.models.histories import is_missing, refuse
from crmvalue.models.model import Parameters, PurchaseModel, SpendModel

MOST_LEVELS = 100  # of a column of text: with more, it is hardly a category
FILL = "Fill these values, leave the column out, or drop these customers."
TEXTS = (nw.String, nw.Categorical, nw.Enum, nw.Object)

Levels: TypeAlias = tuple[str, ...] | None
"""Levels of a column of text, the reference first; None for a column of numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covariates:
    """Which covariates act on what, for when not all of them act on everything; see `fit_purchases`."""

    frame: Frame | None = None  # keyed by customer_id; None if the summary's frame has the columns itself
    purchases: Sequence[str] = ()  # columns that act on how often customers buy
    dropout: Sequence[str] = ()  # columns that act on whether they leave
    equal: Sequence[str] = ()  # columns with one effect on both


class Effect(NamedTuple):
    """What a covariate does: exp(coefficient · difference from the reference) multiplies a rate, odds or a mean."""

    processes: tuple[str, ...]  # "purchases", "dropout" or "spend"; two of them share one coefficient
    column: str
    level: str | None  # of a column of text; None for numbers
    reference: str | float  # level or number at which the fit's parameters hold
    coefficient: float  # on the log scale, per unit of the column, or from the reference to the level

    @property
    def name(self) -> str:
        """What acts on what, in a few words."""
        return f"{' = '.join(self.processes)}, {self.covariate}"

    @property
    def covariate(self) -> str:
        """Column and level."""
        return self.column if self.level is None else f"{self.column}: {self.level}"


class Wanted(NamedTuple):
    """Covariates of a fit: where they are, and which acts on what."""

    frame: Frame | None
    acts: tuple[tuple[tuple[str, ...], str], ...]  # processes and column

    @property
    def columns(self) -> list[str]:
        """Return each column once."""
        return list(dict.fromkeys(column for _, column in self.acts))


def wanted_covariates(given: Covariates | Frame | Sequence[str], model: PurchaseModel | SpendModel) -> Wanted:
    """Return which covariates act on what, or raise InputError."""
    known = [process.name for process in model.processes]
    if isinstance(given, Covariates):
        shared = tuple(name for name in ("purchases", "dropout") if name in known)
        lists: list[tuple[tuple[str, ...], Sequence[str]]] = [
            (("purchases",), names_in("purchases", given.purchases)),
            (("dropout",), names_in("dropout", given.dropout)),
            (shared, names_in("equal", given.equal)),
        ]
        frame = given.frame
        for (process, *_), listed in lists[:2]:
            if listed and process not in known:
                raise InputError(f"covariates: {model.title} has no {process} for them to act on. Leave them out.")
        if not any(listed for _, listed in lists):
            raise InputError(
                "covariates: no column is named. Pass Covariates(frame=..., purchases=['channel'], dropout=['channel'])"
                ", or the frame alone to let all of its columns act on everything."
            )
    else:
        frame, columns = (None, names_in("covariates", given)) if is_names(given) else columns_of(given)
        lists = [((name,), columns) for name in known]
    twice = sorted(set(lists[-1][1]) & {name for _, listed in lists[:-1] for name in listed})
    if isinstance(given, Covariates) and twice:
        raise InputError(f"equal: column {twice[0]!r} also acts alone. Name it once.")
    return Wanted(frame, tuple((processes, name) for processes, listed in lists for name in listed))


def is_names(given: object) -> bool:
    """Whether these are names of columns rather than a frame."""
    return isinstance(given, str) or (isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given))


def names_in(argument: str, given: Sequence[str]) -> list[str]:
    """Return names of columns, each once, or raise InputError."""
    names = [given] if isinstance(given, str) else list(given)
    if len(set(names)) < len(names):
        raise InputError(f"{argument}: a column is named twice in {names}. Name each once.")
    return names


def columns_of(given: Frame) -> tuple[Frame, list[str]]:
    """Return a frame of covariates and all of its columns but customer_id."""
    names = [name for name in column_names(open_frame(given, argument="covariates")) if name != "customer_id"]
    if not names:
        raise InputError("covariates: the frame has no column besides customer_id. Add one, or leave covariates out.")
    return given, names


def with_covariates(customers: AnyFrame, given: Frame | None, columns: Sequence[str]) -> AnyFrame:
    """Return the customers, in their order, with the covariates as columns _crm_z0, _crm_z1, ...

    A customer without a row there has none of them, nor _crm_there, which is 1 for the others.
    """
    named = {inside(i): nw.col(name) for i, name in enumerate(columns)}
    if given is None:
        require_columns(column_names(customers), columns, argument="covariates")
        return customers.with_columns(**named, _crm_there=nw.lit(1))
    if "customer_id" not in column_names(customers):
        raise InputError(
            "customer_id: missing. Covariates are joined to the customers by it: add it to both frames, or put the "
            "covariates into the frame of the customers."
        )
    opened = open_frame(given, argument="covariates", needs=("customer_id", *columns))
    wanted = opened.select("customer_id", **named).filter(~nw.col("customer_id").is_null())
    require_one_row_each(wanted)
    wanted = in_engine_of(customers, wanted)
    mine, theirs = (frame.collect_schema()["customer_id"] for frame in (customers, wanted))
    if mine != theirs or (customers.implementation.is_pyarrow() and is_text(mine)):  # PyArrow has two kinds of text
        kind = (
            nw.Int64() if mine.is_integer() and theirs.is_integer() else nw.String() if is_text(mine, theirs) else None
        )
        if kind is None:
            raise InputError(
                f"covariates: customer_id holds {theirs} and that of the customers {mine}. Convert one of them."
            )
        return joined(
            customers.with_columns(_crm_id=nw.col("customer_id").cast(kind)),
            wanted.with_columns(customer_id=nw.col("customer_id").cast(kind)),
            left_on="_crm_id",
        ).drop("_crm_id")
    return joined(customers, wanted, left_on="customer_id")


def inside(i: int) -> str:
    """Name of the i-th covariate within a query, which no column of the user has."""
    return f"_crm_z{i}"


def is_text(*kinds: nw.dtypes.DType) -> bool:
    """Whether all of these columns hold text."""
    return all(any(kind == text for text in TEXTS) or isinstance(kind, nw.Enum) for kind in kinds)


def require_one_row_each(given: AnyFrame) -> None:
    """Raise InputError if a customer has several rows of covariates."""
    repeated = given.group_by("customer_id").agg(_crm_n=nw.len()).filter(nw.col("_crm_n") > 1)
    found = collect(repeated.sort("customer_id").head(MOST_LABELS + 1))
    if len(found):
        n, total = count_rows(repeated), count_rows(given)
        shown = found.get_column("customer_id").to_list()
        remedy = "Covariates do not change over time: pass one row a customer."
        raise InputError(rows_message("covariates", "more than one row", n, total, shown, remedy, label="customer"))


def in_engine_of(customers: AnyFrame, given: AnyFrame) -> AnyFrame:
    """Return covariates in the engine of the customers; rows that are in memory can go anywhere."""
    if type(customers) is type(given) and customers.implementation is given.implementation:
        return given
    if isinstance(customers, nw.LazyFrame) and isinstance(given, nw.LazyFrame):
        raise InputError(
            f"covariates: a {given.implementation} frame, and the customers are in {customers.implementation}. Load "
            "both in one engine."
        )
    there = open_frame(like(to_arrays(given, column_names(given)), customers))
    return there.lazy() if isinstance(customers, nw.LazyFrame) and isinstance(there, nw.DataFrame) else there


def joined(customers: AnyFrame, wanted: AnyFrame, *, left_on: str) -> AnyFrame:
    """Join covariates to customers, who keep their order where they have one."""
    wanted = wanted.with_columns(_crm_there=nw.lit(1)).rename({"customer_id": "_crm_key"})
    if isinstance(customers, nw.LazyFrame):
        return customers.join(wanted, left_on=left_on, right_on="_crm_key", how="left").drop("_crm_key", strict=False)  # type: ignore[arg-type]
    rows = customers.with_row_index("_crm_row").join(wanted, left_on=left_on, right_on="_crm_key", how="left")  # type: ignore[arg-type]
    rows = rows.sort("_crm_row").drop("_crm_row", "_crm_key", strict=False)
    if not customers.implementation.is_pandas_like():
        return rows
    return open_frame(nw.to_native(rows).set_axis(nw.to_native(customers).index))


class Opened(NamedTuple):
    """Customers with their covariates as numbers: the columns `names` of a frame."""

    frame: AnyFrame
    names: list[str]
    columns: list[str]  # as the user calls them
    levels: list[Levels]
    given: AnyFrame  # the same customers with the covariates as the user gave them

    def checked(self, values: Sequence[AnyArray]) -> list[Array]:
        """Return the covariates as floats, or raise InputError about customers who lack some."""
        found = [np.asarray(column, dtype=float) for column in values]
        if not all(np.isfinite(column).all() for column in found):
            known = {column: levels for column, levels in zip(self.columns, self.levels, strict=True) if levels}
            refuse_covariates(self.given, self.columns, known)
        return found


def open_covariates(frame: AnyFrame, wanted: Wanted | None) -> Opened:
    """Return the customers of a fit with their covariates as numbers."""
    if wanted is None:
        return Opened(frame, [], [], [], frame)
    columns = wanted.columns
    given, kinds = readable(with_covariates(frame, wanted.frame, columns), columns)
    coded_frame, levels = coded(given, columns, kinds)
    return Opened(coded_frame, [inside(i) for i in range(len(columns))], columns, levels, given)


def coded(frame: AnyFrame, columns: Sequence[str], kinds: Sequence[str]) -> tuple[AnyFrame, list[Levels]]:
    """Return the frame with each covariate as a number, text as the place of its level; and the levels."""
    levels: list[Levels] = []
    numbers = {}
    for i, (column, kind) in enumerate(zip(columns, kinds, strict=True)):
        value = nw.col(inside(i))
        found = levels_of(frame, i, column) if kind == "text" else None
        levels.append(found)
        numbers[inside(i)] = value.cast(nw.Float64) if found is None else chosen(value, found, range(len(found)))
    return frame.with_columns(**numbers), levels


def readable(frame: AnyFrame, columns: Sequence[str]) -> tuple[AnyFrame, list[str]]:
    """Return the frame with text as text, and for each covariate whether it holds "text" or "numbers"."""
    schema, kinds, texts = frame.collect_schema(), [], {}
    for i, column in enumerate(columns):
        kind = schema[inside(i)]
        if is_text(kind):
            texts[inside(i)] = nw.col(inside(i)).cast(nw.String)
        elif not (kind.is_numeric() or kind == nw.Boolean):
            raise InputError(
                f"{column}: the covariate holds {kind}. Convert it to a number, such as days since a date, or to text."
            )
        kinds.append("text" if inside(i) in texts else "numbers")
    return (frame.with_columns(**texts) if texts else frame), kinds


def levels_of(frame: AnyFrame, i: int, column: str) -> tuple[str, ...]:
    """Return the levels of a covariate, the most frequent first."""
    there = frame.filter(~nw.col(inside(i)).is_null())
    counted = collect(there.group_by(inside(i)).agg(_crm_n=nw.len()).head(MOST_LEVELS + 1))
    if len(counted) > MOST_LEVELS:
        raise InputError(
            f"{column}: more than {MOST_LEVELS} levels. Group the rare ones, or convert the column to numbers."
        )
    numbers = dict(zip(counted.get_column(inside(i)).to_list(), counted.get_column("_crm_n").to_list(), strict=True))
    return tuple(sorted(numbers, key=lambda level: (-numbers[level], level)))


def chosen(value: nw.Expr, levels: Sequence[str], numbers: Iterable[float]) -> nw.Expr:
    """Return the number of each level; missing where the value is none of them."""
    total = nw.lit(0.0)
    for level, number in zip(levels, numbers, strict=True):
        if number:
            total = total + (value == level).cast(nw.Float64) * float(number)
    return nw.when(value.is_in(list(levels))).then(total)


def with_own_covariates(frame: AnyFrame, effects: Sequence[Effect], given: Frame | None) -> AnyFrame:
    """Return the customers with the covariates of these effects as columns of their own."""
    columns = columns_of_effects(effects)
    if given is None or not columns:
        return frame
    names = column_names(frame)
    joined_frame = with_covariates(frame, given, columns)
    absent = nw.col("_crm_there").is_null()
    if count_rows(joined_frame.filter(absent)):
        refuse_covariates(joined_frame, [], {})
    own = {name: nw.col(inside(i)) for i, name in enumerate(columns)}
    return joined_frame.with_columns(**own).select(*dict.fromkeys([*names, *columns]))


def with_scores(frame: AnyFrame, effects: Sequence[Effect], given: Frame | None) -> tuple[AnyFrame, list[str]]:
    """Return the frame with a column for each process of these effects: its logarithmic factor; and their names."""
    columns = columns_of_effects(effects)
    if given is None and any(name not in column_names(frame) for name in columns):
        raise InputError(
            f"covariates: missing, and the fit has effects of {', '.join(columns)}. Pass covariates=, a frame with "
            "these columns and customer_id, or put them into the frame of the customers."
        )
    frame, kinds = readable(with_covariates(frame, given, columns), columns)
    require_kinds(columns, kinds, levels_by_column(effects))
    scores = {f"_crm_score_{process}": score(process, effects, columns) for process in processes_of(effects)}
    return frame.with_columns(**scores), list(scores)


def require_kinds(columns: Sequence[str], kinds: Sequence[str], levels: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError if a covariate holds text where the fit had numbers, or the other way round."""
    for column, kind in zip(columns, kinds, strict=True):
        wanted = "text" if column in levels else "numbers"
        if kind != wanted:
            raise InputError(f"{column}: the covariate holds {kind}, and {wanted} in the fit. Convert it.")


def processes_of(effects: Sequence[Effect]) -> list[str]:
    """Return the processes that these effects act on."""
    return list(dict.fromkeys(name for effect in effects for name in effect.processes))


def columns_of_effects(effects: Sequence[Effect]) -> list[str]:
    """Return the columns that have these effects."""
    return list(dict.fromkeys(effect.column for effect in effects))


def score(process: str, effects: Sequence[Effect], columns: Sequence[str]) -> nw.Expr:
    """Return the logarithm of the factor on a process; missing where a covariate is missing or has a new level."""
    total = nw.lit(0.0)
    for i, column in enumerate(columns):
        mine = [effect for effect in effects if effect.column == column and process in effect.processes]
        value = nw.col(inside(i))
        if not mine:
            continue
        if mine[0].level is None:
            total = total + (value.cast(nw.Float64) - float(mine[0].reference)) * mine[0].coefficient
        else:
            levels = [str(mine[0].reference), *(str(effect.level) for effect in mine)]
            total = total + chosen(value, levels, [0.0, *(effect.coefficient for effect in mine)])
    return total


def refuse_covariates(frame: AnyFrame, columns: Sequence[str], levels: Mapping[str, Sequence[str]]) -> NoReturn:
    """Raise InputError about the customers of `with_covariates` who have no row, no value or a level that is new."""
    absent = nw.col("_crm_there").is_null()
    if count_rows(frame.filter(absent)):
        remedy = "Add a row for each of these customers, or leave them out."
        refuse(frame, "covariates", "no row for the customer", remedy, absent)
    for i, column in enumerate(columns):
        value = nw.col(inside(i))
        empty = value.is_null() if column in levels else is_missing(value) | (value.cast(nw.Float64).abs() == np.inf)
        if count_rows(frame.filter(empty)):
            refuse(frame, column, "missing or infinite", FILL, empty)
        if column not in levels:
            continue
        new = ~value.is_in(list(levels[column]))
        if count_rows(frame.filter(new)):
            seen = collect(frame.filter(new).select(inside(i)).unique().sort(inside(i)).head(MOST_LABELS))
            said = ", ".join(map(repr, seen.get_column(inside(i)).to_list()))
            remedy = f"The fit knows {', '.join(map(repr, sorted(levels[column])))}: map them to these, or fit again."
            refuse(frame, column, f"levels that the fit does not know ({said})", remedy, new)
    raise InputError("covariates: too large for a finite effect. Rescale the column, or look for a typing error.")


def levels_by_column(effects: Sequence[Effect]) -> dict[str, list[str]]:
    """Return the levels of each column of text, the reference first."""
    levels: dict[str, list[str]] = {}
    for effect in effects:
        if effect.level is not None:
            known = levels.setdefault(effect.column, [str(effect.reference)])
            known.extend([effect.level] if effect.level not in known else [])
    return levels


def params_with(
    model: PurchaseModel | SpendModel, params: Parameters, scores: Mapping[str, Array | AnyArray]
) -> Parameters:
    """Return the parameters of customers with these logarithmic factors on each process."""
    values = dict(zip(model.Params._fields, params, strict=True))  # type: ignore[attr-defined]  # a NamedTuple
    for process in model.processes:
        if process.name in scores:
            values[process.parameter] = values[process.parameter] * np.exp(process.power * scores[process.name])
    return model.Params(**values)
