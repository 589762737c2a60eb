"""Who is leaving: rates, cohorts, curves and bridges, of customers with and without a contract, and early warning.

The machinery is in `crmvalue.retention`, one file a question.
"""

from crmvalue.retention.backtest import RiskBacktest, risk_backtest
from crmvalue.retention.bridge import RevenueBridge, revenue_bridge
from crmvalue.retention.cohort_table import RetentionTable, retention_table
from crmvalue.retention.contract_bridge import contract_revenue_bridge
from crmvalue.retention.contract_rates import ContractChurn, contract_churn_rates
from crmvalue.retention.contracts import ContractAudit, Contracts, contract_lifetimes, prepare_contracts
from crmvalue.retention.product_limit import LogRank
from crmvalue.retention.rates import ChurnRates, churn_rates
from crmvalue.retention.risk import ChurnRisk, churn_risk
from crmvalue.retention.survival import RetentionCurve, retention_curve
from crmvalue.retention.survivors import SurvivorRates, survivor_rates
from crmvalue.retention.timing import PurchaseTiming, purchase_timing

__all__ = [
    "churn_rates",
    "ChurnRates",
    "retention_table",
    "RetentionTable",
    "retention_curve",
    "RetentionCurve",
    "LogRank",
    "survivor_rates",
    "SurvivorRates",
    "prepare_contracts",
    "Contracts",
    "ContractAudit",
    "contract_lifetimes",
    "contract_churn_rates",
    "ContractChurn",
    "revenue_bridge",
    "contract_revenue_bridge",
    "RevenueBridge",
    "purchase_timing",
    "PurchaseTiming",
    "churn_risk",
    "ChurnRisk",
    "risk_backtest",
    "RiskBacktest",
]
