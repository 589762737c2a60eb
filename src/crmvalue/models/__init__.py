"""Models of what customers will do: one file a model, one line here to register it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.model import PurchaseModel, SpendModel

MODELS: Mapping[str, PurchaseModel | SpendModel] = MappingProxyType(
    {model.name: model for model in (BG_NBD, GAMMA_GAMMA)}
)
"""Every model by its name: the registry that saved fits and the contract test read."""
