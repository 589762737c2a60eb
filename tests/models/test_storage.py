"""Saved fits read back to the same numbers, and nothing else reads as a fit."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from crmvalue.errors import InputError
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.covariates import Effect
from crmvalue.models.fit import PurchaseFit, SpendFit
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.lopsided import Bend
from crmvalue.models.storage import fit_from_json, fit_to_json

NUMBERS = {"log_likelihood": -1 / 3, "gradient_norm": 1e-13, "n_customers": 12}
PURCHASES = PurchaseFit(
    model=BG_NBD,
    params=BG_NBD.Params(0.1 + 0.2, 1e-300, 1 / 3, np.pi),
    log_covariance=np.eye(4) / 7,
    bends=(Bend(1 / 3, -1 / 7), Bend(0.0, 0.0), Bend(0.1 + 0.2, 1e-300), Bend(-0.5, 1 / 6)),
    time_unit="week",
    health=("r and alpha are known only together.", "b ran to its bound."),
    **NUMBERS,
)
SPEND = SpendFit(
    model=GAMMA_GAMMA,
    params=GAMMA_GAMMA.Params(1 / 3, 2 / 3, 1e15 / 7),
    log_covariance=np.eye(3) / 7,
    n_without_repeat=3,
    n_not_positive=0,
    **NUMBERS,
)
EFFECTS = (
    Effect(("purchases", "dropout"), "age", None, 1 / 3, -1 / 7),
    Effect(("dropout",), "channel", 'größer "x"', "web", 0.1 + 0.2),
)
WITH_COVARIATES = dataclasses.replace(PURCHASES, log_covariance=np.eye(6) / 7, effects=EFFECTS, penalty=0.3)


@pytest.mark.parametrize("fit", [PURCHASES, SPEND, WITH_COVARIATES], ids=["purchases", "spend", "covariates"])
def test_a_saved_fit_reads_back_bit_for_bit(fit):
    back = fit_from_json(fit_to_json(fit))
    assert type(back) is type(fit)
    for name in type(fit).__slots__:
        if name == "log_covariance":
            assert np.array_equal(back.log_covariance, fit.log_covariance)
            assert not back.log_covariance.flags.writeable
        else:
            assert getattr(back, name) == getattr(fit, name)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "{}", '{"format": "pickle"}', "[" * 100_000, None, 3])
def test_other_text_is_refused(text):
    with pytest.raises(InputError, match="text: not"):
        fit_from_json(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 3, "version: got 3"),
        ("version", None, "version: got None"),
        ("model", "os.system", "model: got 'os.system'. Known here: NBD, BG_NBD"),
        ("model", ["BG_NBD"], "model: got"),
        ("params", {"r": 1.0}, "params: got r, and BG/NBD has r, alpha, a, b"),
        ("params", [1, 2, 3, 4], "params: missing or malformed"),
        ("params", {"r": 1.0, "alpha": "2", "a": 1.0, "b": 1.0}, "alpha: missing or malformed"),
        ("params", {"r": 1.0, "alpha": -2, "a": 1.0, "b": 1.0}, "params: not all above 0"),
        ("params", {"r": True, "alpha": 2.0, "a": 1.0, "b": 1.0}, "r: missing or malformed"),
        ("log_covariance", [[1.0]], "log_covariance: not 4 rows of 4 numbers"),
        ("log_covariance", [[1], [2, 3]], "log_covariance: not 4 rows"),
        ("log_covariance", "x", "log_covariance: not 4 rows"),
        ("time_unit", "fortnight", "time_unit: got 'fortnight'"),
        ("n_customers", -1, "n_customers: missing or malformed"),
        ("n_customers", 1.5, "n_customers: missing or malformed"),
        ("health", "fine", "health: missing or malformed"),
        ("health", ["fine", 3], "health: missing or malformed"),
        ("log_likelihood", None, "log_likelihood: missing or malformed"),
        ("bends", [[0.1, "0.2"]], "bends: missing or malformed"),
        ("bends", [[0.1, 0.2, 0.3]], "bends: missing or malformed"),
        ("bends", [[0.1, 0.2]] * 5, "bends: missing or malformed"),
        ("penalty", None, "penalty: missing or malformed"),
        ("effects", None, "effects: missing or malformed"),
        ("effects", [{"column": "age"}], "effects: missing or malformed"),
        ("effects", [{**EFFECTS[0]._asdict(), "processes": ["spend"]}], "effects: missing or malformed"),
        ("effects", [{**EFFECTS[0]._asdict(), "reference": "web"}], "effects: missing or malformed"),
        ("effects", [{**EFFECTS[1]._asdict(), "coefficient": "1"}], "effects: missing or malformed"),
        ("effects", [EFFECTS[0]._asdict()], "log_covariance: not 5 rows of 5 numbers"),
    ],
)
def test_a_malformed_field_is_named(field, value, message):
    content = json.loads(fit_to_json(PURCHASES))
    with pytest.raises(InputError, match=message):
        fit_from_json(json.dumps({**content, field: value}))


def test_a_parameter_at_its_bound_keeps_its_unknown_error():
    covariance = np.eye(4)
    covariance[1] = covariance[:, 1] = np.nan
    back = fit_from_json(fit_to_json(dataclasses.replace(PURCHASES, log_covariance=covariance)))
    assert np.array_equal(back.log_covariance, covariance, equal_nan=True)


def test_nan_is_refused():
    with pytest.raises(InputError, match="not valid JSON"):
        fit_from_json(fit_to_json(PURCHASES).replace("1e-13", "NaN"))
    with pytest.raises(InputError, match="log_likelihood"):
        fit_from_json(fit_to_json(PURCHASES).replace("-0.3333333333333333", "1e999"))


def test_fits_of_the_first_version_still_read():
    for fit in (PURCHASES, dataclasses.replace(SPEND, health=("Something.",))):
        content = json.loads(fit_to_json(fit))
        kept = [name for name in content if name not in ("effects", "penalty", "bends")]
        if isinstance(fit, SpendFit):
            kept.remove("health")  # which a fit of spend did not have
        old = fit_from_json(json.dumps({**{name: content[name] for name in kept}, "version": 1}))
        assert (old.params, old.effects, old.penalty) == (fit.params, (), 0.0)
        assert old.bends == ()
        assert old.health == (() if isinstance(fit, SpendFit) else fit.health)
