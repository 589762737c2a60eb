"""Fits as JSON text, in a versioned form that reads back to the same numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from crmvalue._core.types import DAYS_PER_UNIT
from crmvalue.errors import InputError
from crmvalue.models import MODELS
from crmvalue.models.estimates import names_of
from crmvalue.models.fit import Fit, Model, PurchaseFit, SpendFit
from crmvalue.models.fit_retention import RetentionFit
from crmvalue.models.model import RetentionModel, SpendModel

FORMAT = "crmvalue fit"
VERSION = 1
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
        "log_likelihood": fit.log_likelihood,
        "gradient_norm": fit.gradient_norm,
        **{name: getattr(fit, name) for name in counts},
    }
    if not isinstance(fit, SpendFit):
        content["time_unit"] = fit.time_unit
        content["health"] = fit.health
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
    if content.get("version") != VERSION:
        raise InputError(
            f"version: got {content.get('version')!r}, and this version of crmvalue reads {VERSION}. Update crmvalue, "
            "or fit again."
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
    k = len(names)
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
    held = (not isinstance(model, SpendModel)) & np.isnan(covariance)  # no error is known of a parameter at its bound
    if covariance.shape != (k, k) or not (np.isfinite(covariance) | held).all():
        raise InputError(f"log_covariance: not {k} rows of {k} numbers. {REMEDY}")
    covariance.flags.writeable = False
    found: dict[str, Any] = {
        "model": model,
        "params": model.Params(*values),
        "log_covariance": covariance,
        "log_likelihood": number(content, "log_likelihood"),
        "gradient_norm": number(content, "gradient_norm"),
        **{name: count(content, name) for name in counts_of(model)},
    }
    if isinstance(model, SpendModel):
        return SpendFit(**found)
    unit = field(content, "time_unit", str)
    if unit not in DAYS_PER_UNIT:
        raise InputError(f"time_unit: got {unit!r}. Use one of {', '.join(DAYS_PER_UNIT)}.")
    health = field(content, "health", list)
    if not all(isinstance(finding, str) for finding in health):
        raise InputError(f"health: missing or malformed. {REMEDY}")
    kind = RetentionFit if isinstance(model, RetentionModel) else PurchaseFit
    return kind(**found, time_unit=unit, health=tuple(health))


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
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise InputError(f"{name}: missing or malformed. {REMEDY}")
    return float(value)


def count(content: dict[str, Any], name: str) -> int:
    """Return a whole number that is not negative."""
    value = field(content, name, int)
    if value < 0:
        raise InputError(f"{name}: missing or malformed. {REMEDY}")
    return int(value)
