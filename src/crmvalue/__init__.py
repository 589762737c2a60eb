"""What customers are worth, what caring for them costs, and whether it pays.

Transactions become a summary, a summary becomes a model, a model becomes money.
"""

from crmvalue.churn import ChurnRates, RetentionTable, churn_rates, retention_table
from crmvalue.clv import (
    CustomerValue,
    HistoricalValue,
    conditional_expected_purchases,
    customer_value,
    expected_purchases,
    expected_spend,
    historical_value,
    probability_alive,
    textbook_value,
)
from crmvalue.costs import (
    COST_CATEGORIES,
    COST_STAGES,
    CostBreakdown,
    Ledger,
    LedgerAudit,
    cost_breakdown,
    prepare_ledger,
)
from crmvalue.data.holdout import HoldoutSplit, split_holdout
from crmvalue.data.samples import demo_ledger, load_cdnow
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import TransactionAudit, Transactions, prepare_transactions
from crmvalue.errors import ConvergenceError, CrmValueError, InputError, MissingExtraError
from crmvalue.finance.cash_flow import net_present_value, present_value
from crmvalue.models import MODELS
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.fit import PurchaseFit, SpendFit, fit_purchases, fit_spend
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.storage import fit_from_json, fit_to_json
from crmvalue.roi import ReturnOnInvestment, return_on_investment
from crmvalue.segmentation import (
    SEGMENT_RULES,
    RfmScores,
    RfmThresholds,
    SegmentProfile,
    SegmentRule,
    Segments,
    check_rules,
    rescore_rfm,
    score_rfm,
    segment_customers,
    segment_profile,
)

__version__ = "0.1.0"

__all__ = [
    # transactions and summaries
    "prepare_transactions",
    "Transactions",
    "TransactionAudit",
    "summarize_customers",
    "CustomerSummary",
    "split_holdout",
    "HoldoutSplit",
    "load_cdnow",
    "demo_ledger",
    # segments
    "score_rfm",
    "rescore_rfm",
    "RfmScores",
    "RfmThresholds",
    "segment_customers",
    "segment_profile",
    "check_rules",
    "SEGMENT_RULES",
    "SegmentRule",
    "Segments",
    "SegmentProfile",
    # churn
    "churn_rates",
    "ChurnRates",
    "retention_table",
    "RetentionTable",
    # models
    "MODELS",
    "BG_NBD",
    "GAMMA_GAMMA",
    "fit_purchases",
    "PurchaseFit",
    "fit_spend",
    "SpendFit",
    "fit_to_json",
    "fit_from_json",
    # lifetime value
    "probability_alive",
    "expected_purchases",
    "conditional_expected_purchases",
    "expected_spend",
    "customer_value",
    "CustomerValue",
    "historical_value",
    "HistoricalValue",
    "textbook_value",
    # costs
    "COST_CATEGORIES",
    "COST_STAGES",
    "prepare_ledger",
    "Ledger",
    "LedgerAudit",
    "cost_breakdown",
    "CostBreakdown",
    # return
    "return_on_investment",
    "ReturnOnInvestment",
    "present_value",
    "net_present_value",
    # errors
    "CrmValueError",
    "InputError",
    "ConvergenceError",
    "MissingExtraError",
]
