"""Fits as JSON text, in a versioned form that reads back to the same numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from crmvalue._core.types import DAYS_PER_UNIT
from crmvalue.errors import InputError
from crmvalue.models import MODELS
from crmvalue.models.covariates import Effect
from crmvalue.models.estimates import names_of
from crmvalue.models.fit import Fit, Model, PurchaseFit, SpendFit
from crmvalue.models.fit_retention import RetentionFit
from crmvalue.models.lopsided import Bend
from crmvalue.models.model import RetentionModel, SpendModel

FORMAT = "crmvalue fit"
VERSION = 2
READABLE = (1, 2)  # version 1 knew no covariates, and no health of spend
COUNTS = ("n_customers",)
RETENTION_COUNTS = ("n_customers", "n_churned")
SPEND_COUNTS = ("n_customers", "n_without_repeat", "n_not_positive")
REMEDY = "Pass the text that fit_to_json made, unchanged."


def fit_to_json(fit: Fit) -> str:
    """Text from which `fit_from_json` makes the same fit.

    Parameters
    ----------
    fit : PurchaseFit, SpendFit or RetentionFit
        What `fit_purchases`, `fit_spend` or `fit_retention` returned.

    Returns
    -------
    str
        JSON with the format's version, the model's name and all numbers, each in digits that read back exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from crmvalue.models.gamma_gamma import GAMMA_GAMMA, Params
    >>> fit = SpendFit(
    ...     model=GAMMA_GAMMA, params=Params(6.25, 3.74, 15.44), log_covariance=np.eye(3), log_likelihood=-4055.9,
    ...     gradient_norm=0.0, n_customers=946, n_without_repeat=1411, n_not_positive=0,
    ... )
    >>> fit_from_json(fit_to_json(fit)).params
    Params(p=6.25, q=3.74, v=15.44)
    """
    counts = counts_of(fit.model)
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "model": fit.model.name,
        "params": dict(zip(names_of(fit), fit.params, strict=True)),
        "log_covariance": [
            [value if np.isfinite(value) else None for value in row] for row in fit.log_covariance.tolist()
        ],
        "bends": fit.bends,
        "log_likelihood": fit.log_likelihood,
        "gradient_norm": fit.gradient_norm,
        **{name: getattr(fit, name) for name in counts},
    }
    if not isinstance(fit, SpendFit):
        content["time_unit"] = fit.time_unit
    content["health"] = fit.health
    if not isinstance(fit, RetentionFit):
        content["penalty"] = fit.penalty
        content["effects"] = [effect._asdict() for effect in fit.effects]
    return json.dumps(content, allow_nan=False, indent=2)


def fit_from_json(text: str) -> Fit:
    """Fit that `fit_to_json` wrote.

    Parameters
    ----------
    text : str
        What `fit_to_json` returned.

    Returns
    -------
    PurchaseFit, SpendFit or RetentionFit
        With the same numbers.

    Raises
    ------
    InputError
        If the text is not such a fit, or its version or model is not known here.

    Examples
    --------
    >>> fit_from_json("{}")
    Traceback (most recent call last):
    crmvalue.errors.InputError: text: not a saved crmvalue fit. Pass the text that fit_to_json made, unchanged.
    """
    try:
        content = json.loads(text, parse_constant=not_a_number)
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"text: not valid JSON. {REMEDY}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"text: not a saved crmvalue fit. {REMEDY}")
    if content.get("version") not in READABLE:
        raise InputError(
            f"version: got {content.get('version')!r}, and this version of crmvalue reads {READABLE[0]} to {VERSION}. "
            "Update crmvalue, or fit again."
        )
    name = content.get("model")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        raise InputError(f"model: got {name!r}. Known here: {', '.join(MODELS)}. Update crmvalue, or fit again.")
    return read_fit(content, model)


def not_a_number(constant: str) -> float:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)


def read_fit(content: dict[str, Any], model: Model) -> Fit:
    """Check each field and build the fit."""
    names = model.Params._fields  # type: ignore[attr-defined]  # a NamedTuple
    effects = read_effects(content, model)
    k = len(names) + len(effects)
    params = field(content, "params", dict)
    if set(params) != set(names):
        raise InputError(
            f"params: got {', '.join(params) or 'none'}, and {model.title} has {', '.join(names)}. {REMEDY}"
        )
    values = [number(params, name) for name in names]
    if min(values) <= 0:
        raise InputError(f"params: not all above 0. {REMEDY}")
    try:
        covariance = np.array(content.get("log_covariance"), dtype=float)
    except (TypeError, ValueError):
        covariance = np.empty(0)
    if covariance.shape != (k, k) or np.isinf(covariance).any():  # NaN: no error is known of one at its bound
        raise InputError(f"log_covariance: not {k} rows of {k} numbers. {REMEDY}")
    covariance.flags.writeable = False
    found: dict[str, Any] = {
        "bends": read_bends(content, len(names)),
        "model": model,
        "params": model.Params(*values),
        "log_covariance": covariance,
        "log_likelihood": number(content, "log_likelihood"),
        "gradient_norm": number(content, "gradient_norm"),
        **{name: count(content, name) for name in counts_of(model)},
    }
    health = field(content, "health", list) if content["version"] > 1 or not isinstance(model, SpendModel) else []
    if not all(isinstance(finding, str) for finding in health):
        raise InputError(f"health: missing or malformed. {REMEDY}")
    found["health"] = tuple(health)
    if not isinstance(model, RetentionModel):
        found["effects"] = effects
        found["penalty"] = number(content, "penalty") if content["version"] > 1 else 0.0
    if isinstance(model, SpendModel):
        return SpendFit(**found)
    unit = field(content, "time_unit", str)
    if unit not in DAYS_PER_UNIT:
        raise InputError(f"time_unit: got {unit!r}. Use one of {', '.join(DAYS_PER_UNIT)}.")
    kind = RetentionFit if isinstance(model, RetentionModel) else PurchaseFit
    return kind(**found, time_unit=unit)


def read_bends(content: dict[str, Any], most: int) -> tuple[Bend, ...]:
    """Check the bends of the likelihood and return them; fits were once taken for even, and had none."""
    given = content.get("bends", [])
    is_list = isinstance(given, list) and len(given) <= most
    if not is_list or not all(
        isinstance(bend, list) and len(bend) == 2 and all(map(is_number, bend)) for bend in given
    ):
        raise InputError(f"bends: missing or malformed. {REMEDY}")
    return tuple(Bend(*map(float, bend)) for bend in given)


def read_effects(content: dict[str, Any], model: Model) -> tuple[Effect, ...]:
    """Check the effects of covariates and return them; version 1 had none."""
    if isinstance(model, RetentionModel) or content["version"] == 1:
        return ()
    known = {process.name for process in model.processes}
    effects = []
    for given in field(content, "effects", list):
        effect = Effect(**given) if isinstance(given, dict) and set(given) == set(Effect._fields) else None
        if effect is None or not is_effect(effect, known):
            raise InputError(f"effects: missing or malformed. {REMEDY}")
        effects.append(effect._replace(processes=tuple(effect.processes), coefficient=float(effect.coefficient)))
    return tuple(effects)


def is_effect(effect: Effect, known: set[str]) -> bool:
    """Whether each field of an effect that was read is what it should be."""
    on_numbers = effect.level is None and is_number(effect.reference)
    on_level = isinstance(effect.level, str) and isinstance(effect.reference, str)
    processes: list[Any] = effect.processes if isinstance(effect.processes, list) else []  # JSON has no tuples
    return (
        bool(processes)
        and all(isinstance(name, str) and name in known for name in processes)
        and isinstance(effect.column, str)
        and (on_numbers or on_level)
        and is_number(effect.coefficient)
    )


def counts_of(model: Model) -> tuple[str, ...]:
    """Names of the counts that a fit of this model holds."""
    if isinstance(model, SpendModel):
        return SPEND_COUNTS
    return RETENTION_COUNTS if isinstance(model, RetentionModel) else COUNTS


def field(content: dict[str, Any], name: str, kind: type) -> Any:
    """Return a field of this type, or say that it is missing."""
    value = content.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{name}: missing or malformed. {REMEDY}")
    return value


def number(content: dict[str, Any], name: str) -> float:
    """Return a finite number."""
    value: Any = content.get(name)
    if not is_number(value):
        raise InputError(f"{name}: missing or malformed. {REMEDY}")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def count(content: dict[str, Any], name: str) -> int:
    """Return a whole number that is not negative."""
    value = field(content, name, int)
    if value < 0:
        raise InputError(f"{name}: missing or malformed. {REMEDY}")
    return int(value)
