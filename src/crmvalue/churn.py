"""Who is leaving: rates, cohorts, curves and bridges, of customers with and without a contract, and early warning.

The machinery is in `crmvalue.retention`, one file a question.
"""

from crmvalue.retention.cohort_table import RetentionTable, retention_table
from crmvalue.retention.rates import ChurnRates, churn_rates
from crmvalue.retention.survival import LogRank, RetentionCurve, retention_curve
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
    "purchase_timing",
    "PurchaseTiming",
]
