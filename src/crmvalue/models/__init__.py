"""Models of what customers will do: one file a model, one line here to register it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crmvalue.models.bdw import BDW
from crmvalue.models.bg_bb import BG_BB
from crmvalue.models.bg_cnbd_k import BG_CNBD_K
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.discrete_pareto import DISCRETE_PARETO
from crmvalue.models.discrete_weibull import DISCRETE_WEIBULL
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.gamma_gamma_on_frequency import GAMMA_GAMMA_ON_FREQUENCY
from crmvalue.models.geometric import GEOMETRIC
from crmvalue.models.ggompertz_nbd import GGOMPERTZ_NBD
from crmvalue.models.mbg_cnbd_k import MBG_CNBD_K
from crmvalue.models.mbg_nbd import MBG_NBD
from crmvalue.models.model import PurchaseModel, RetentionModel, SpendModel
from crmvalue.models.nbd import NBD
from crmvalue.models.pareto_nbd import PARETO_NBD
from crmvalue.models.sbg import SBG

MODELS: Mapping[str, PurchaseModel | SpendModel | RetentionModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            NBD,
            BG_NBD,
            MBG_NBD,
            PARETO_NBD,
            GGOMPERTZ_NBD,
            BG_CNBD_K,
            MBG_CNBD_K,
            BG_BB,
            GAMMA_GAMMA,
            GAMMA_GAMMA_ON_FREQUENCY,
            GEOMETRIC,
            SBG,
            DISCRETE_WEIBULL,
            DISCRETE_PARETO,
            BDW,
        )
    }
)
"""Every model by its name: the registry that saved fits and the contract test read."""
