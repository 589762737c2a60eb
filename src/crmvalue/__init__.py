"""What customers are worth, what caring for them costs, and whether it pays.

Transactions become a summary, a summary becomes a model, a model becomes money.
"""

from crmvalue.audit import CustomerBaseAudit, customer_base_audit
from crmvalue.churn import (
    ChurnRates,
    ContractAudit,
    ContractChurn,
    Contracts,
    LogRank,
    PurchaseTiming,
    RetentionCurve,
    RetentionTable,
    RevenueBridge,
    SurvivorRates,
    churn_rates,
    contract_churn_rates,
    contract_lifetimes,
    contract_revenue_bridge,
    prepare_contracts,
    purchase_timing,
    retention_curve,
    retention_table,
    revenue_bridge,
    survivor_rates,
)
from crmvalue.clv import (
    CustomerValue,
    HistoricalValue,
    conditional_expected_purchases,
    customer_value,
    discounted_residual_purchases,
    expected_purchases,
    expected_spend,
    historical_value,
    probability_alive,
    purchase_probabilities,
    textbook_value,
    value_by_period,
)
from crmvalue.contracts import (
    ContractValue,
    contract_value,
    expected_residual_lifetime,
    retention_rates,
    survival_curve,
)
from crmvalue.costs import (
    COST_CATEGORIES,
    COST_STAGES,
    COST_TAXONOMY,
    AcquisitionCost,
    AmortizedLedger,
    BudgetVariance,
    ChannelPayback,
    ChurnCost,
    CostAllocation,
    CostBreakdown,
    CostLines,
    CostTaxonomy,
    CustomerProfit,
    Ledger,
    LedgerAudit,
    OwnershipCost,
    StageCosts,
    TimeDrivenCosts,
    WhaleCurve,
    acquisition_cost,
    allocate_costs,
    amortize_ledger,
    budget_variance,
    channel_payback,
    churn_cost,
    cost_breakdown,
    customer_profit,
    opportunity_cost,
    ownership_cost,
    prepare_ledger,
    stage_costs,
    time_cost,
    time_driven_costs,
    waiting_cost,
    whale_curve,
)
from crmvalue.data.holdout import HoldoutSplit, split_holdout
from crmvalue.data.samples import demo_ledger, load_cdnow
from crmvalue.data.summary import CustomerSummary, summarize_customers
from crmvalue.data.transactions import TransactionAudit, Transactions, prepare_transactions
from crmvalue.effects.budget import BudgetPlan, allocate_budget
from crmvalue.effects.campaigns import campaign_panel
from crmvalue.effects.comparison import BeforeAfter, GroupChange, before_after
from crmvalue.effects.curves import ResponseCurve
from crmvalue.effects.customer_base import CustomerBase, measure_base
from crmvalue.effects.differences import DifferenceInDifferences, difference_in_differences
from crmvalue.effects.estimate import Estimate
from crmvalue.effects.experiment import ArmEffect, ExperimentEffect, experiment_effect
from crmvalue.effects.levers import Levers, retention_lever
from crmvalue.effects.planning import ExperimentPlan, detectable_effect, experiment_size
from crmvalue.effects.profit import IncrementalProfit, incremental_profit
from crmvalue.effects.response import ResponseCurves, fit_response_curves
from crmvalue.effects.series import InterruptedSeries, interrupted_series
from crmvalue.effects.several import EffectComparison, compare_effects
from crmvalue.effects.uplift import UpliftDepth, uplift_depth
from crmvalue.errors import ConvergenceError, CrmValueError, InputError, MissingExtraError
from crmvalue.finance.cash_flow import (
    annuity_value,
    net_present_value,
    present_value,
    present_value_of_growing,
    profitability_index,
)
from crmvalue.finance.internal_rate import InternalRates, internal_rates_of_return, modified_rate_of_return
from crmvalue.finance.payback import payback_period
from crmvalue.finance.rates import convert_rate, periodic_rate
from crmvalue.models import MODELS
from crmvalue.models.bdw import BDW
from crmvalue.models.bg_bb import BG_BB
from crmvalue.models.bg_cnbd_k import BG_CNBD_K
from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.comparison import ModelComparison, compare_models
from crmvalue.models.covariate_effects import CovariateEffects, covariate_effects
from crmvalue.models.covariates import Covariates
from crmvalue.models.diagnostics import frequency_fit, history_table, holdout_by_frequency
from crmvalue.models.discrete_pareto import DISCRETE_PARETO
from crmvalue.models.discrete_weibull import DISCRETE_WEIBULL
from crmvalue.models.fit import PurchaseFit, SpendFit, fit_purchases, fit_spend
from crmvalue.models.fit_retention import RetentionFit, fit_retention
from crmvalue.models.gamma_gamma import GAMMA_GAMMA
from crmvalue.models.gamma_gamma_on_frequency import GAMMA_GAMMA_ON_FREQUENCY
from crmvalue.models.geometric import GEOMETRIC
from crmvalue.models.ggompertz_nbd import GGOMPERTZ_NBD
from crmvalue.models.likelihood_ratio import LikelihoodRatioTest, likelihood_ratio_test
from crmvalue.models.mbg_cnbd_k import MBG_CNBD_K
from crmvalue.models.mbg_nbd import MBG_NBD
from crmvalue.models.nbd import NBD
from crmvalue.models.pareto_nbd import PARETO_NBD
from crmvalue.models.profile_likelihood import likelihood_intervals
from crmvalue.models.regularity import draw_log_gaps, with_k
from crmvalue.models.rolling import RollingForecasts, rolling_forecasts
from crmvalue.models.sbg import SBG
from crmvalue.models.spend_dependence import SpendDependence, spend_dependence_test
from crmvalue.models.storage import fit_from_json, fit_to_json
from crmvalue.models.time_alive import remaining_lifetime
from crmvalue.models.tracking_curve import tracking
from crmvalue.models.value_interval import TotalValueInterval, total_value_interval
from crmvalue.retention.backtest import RiskBacktest, risk_backtest
from crmvalue.retention.risk import ChurnRisk, churn_risk
from crmvalue.risk.break_even import BreakEven, break_even
from crmvalue.risk.simulation import SimulatedRoi, simulate_roi
from crmvalue.risk.what_if import ScenarioTable, Sensitivity, TwoWayTable, scenario_table, sensitivity, two_way_table
from crmvalue.roi import MECHANISMS, BenefitAudit, Benefits, ReturnOnInvestment, prepare_benefits, return_on_investment
from crmvalue.segmentation import (
    SEGMENT_RULES,
    STAGES,
    Concentration,
    CustomerClusters,
    LifecycleStages,
    NestedThresholds,
    RfmScores,
    RfmThresholds,
    SalesProfile,
    SegmentMigration,
    SegmentProfile,
    SegmentRule,
    Segments,
    ValueTiers,
    add_trend,
    check_rules,
    cluster_customers,
    concentration,
    cross_table,
    lifecycle_stage,
    rescore_rfm,
    rules_from_table,
    sales_profile,
    score_rfm,
    segment_customers,
    segment_migration,
    segment_profile,
    value_tiers,
)
from crmvalue.value import CustomerWorth, DeliveredValue, customer_worth, delivered_value

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
    "add_trend",
    "score_rfm",
    "rescore_rfm",
    "RfmScores",
    "RfmThresholds",
    "NestedThresholds",
    "segment_customers",
    "segment_profile",
    "sales_profile",
    "SalesProfile",
    "cross_table",
    "check_rules",
    "rules_from_table",
    "SEGMENT_RULES",
    "SegmentRule",
    "Segments",
    "SegmentProfile",
    "value_tiers",
    "ValueTiers",
    "concentration",
    "Concentration",
    "segment_migration",
    "SegmentMigration",
    "lifecycle_stage",
    "STAGES",
    "LifecycleStages",
    "cluster_customers",
    "CustomerClusters",
    # churn
    "churn_rates",
    "ChurnRates",
    "retention_table",
    "RetentionTable",
    "purchase_timing",
    "PurchaseTiming",
    "prepare_contracts",
    "Contracts",
    "ContractAudit",
    "contract_churn_rates",
    "ContractChurn",
    "contract_lifetimes",
    "survivor_rates",
    "SurvivorRates",
    "retention_curve",
    "RetentionCurve",
    "LogRank",
    "revenue_bridge",
    "contract_revenue_bridge",
    "RevenueBridge",
    # models
    "MODELS",
    "NBD",
    "BG_NBD",
    "MBG_NBD",
    "PARETO_NBD",
    "GGOMPERTZ_NBD",
    "BG_CNBD_K",
    "MBG_CNBD_K",
    "BG_BB",
    "GAMMA_GAMMA",
    "GAMMA_GAMMA_ON_FREQUENCY",
    "GEOMETRIC",
    "SBG",
    "DISCRETE_WEIBULL",
    "DISCRETE_PARETO",
    "BDW",
    "fit_purchases",
    "PurchaseFit",
    "fit_spend",
    "SpendFit",
    "fit_retention",
    "RetentionFit",
    "spend_dependence_test",
    "SpendDependence",
    "with_k",
    "draw_log_gaps",
    "Covariates",
    "covariate_effects",
    "CovariateEffects",
    "likelihood_ratio_test",
    "LikelihoodRatioTest",
    "likelihood_intervals",
    "compare_models",
    "ModelComparison",
    "rolling_forecasts",
    "RollingForecasts",
    "holdout_by_frequency",
    "frequency_fit",
    "history_table",
    "tracking",
    "fit_to_json",
    "fit_from_json",
    # lifetime value
    "probability_alive",
    "expected_purchases",
    "conditional_expected_purchases",
    "purchase_probabilities",
    "discounted_residual_purchases",
    "expected_spend",
    "customer_value",
    "CustomerValue",
    "value_by_period",
    "historical_value",
    "HistoricalValue",
    "textbook_value",
    "remaining_lifetime",
    "total_value_interval",
    "TotalValueInterval",
    "survival_curve",
    "retention_rates",
    "expected_residual_lifetime",
    "contract_value",
    "ContractValue",
    "churn_risk",
    "ChurnRisk",
    "risk_backtest",
    "RiskBacktest",
    # costs
    "COST_CATEGORIES",
    "COST_STAGES",
    "COST_TAXONOMY",
    "CostTaxonomy",
    "prepare_ledger",
    "Ledger",
    "LedgerAudit",
    "cost_breakdown",
    "CostBreakdown",
    "stage_costs",
    "StageCosts",
    "amortize_ledger",
    "AmortizedLedger",
    "time_cost",
    "waiting_cost",
    "opportunity_cost",
    "CostLines",
    "allocate_costs",
    "CostAllocation",
    "time_driven_costs",
    "TimeDrivenCosts",
    "customer_profit",
    "CustomerProfit",
    "whale_curve",
    "WhaleCurve",
    "acquisition_cost",
    "AcquisitionCost",
    "channel_payback",
    "ChannelPayback",
    "ownership_cost",
    "OwnershipCost",
    "churn_cost",
    "ChurnCost",
    "budget_variance",
    "BudgetVariance",
    # return
    "MECHANISMS",
    "prepare_benefits",
    "Benefits",
    "BenefitAudit",
    "return_on_investment",
    "ReturnOnInvestment",
    "present_value",
    "net_present_value",
    "profitability_index",
    "annuity_value",
    "present_value_of_growing",
    "internal_rates_of_return",
    "InternalRates",
    "modified_rate_of_return",
    "payback_period",
    "convert_rate",
    "periodic_rate",
    "sensitivity",
    "Sensitivity",
    "scenario_table",
    "ScenarioTable",
    "two_way_table",
    "TwoWayTable",
    "break_even",
    "BreakEven",
    "simulate_roi",
    "SimulatedRoi",
    # cause and levers
    "experiment_effect",
    "ExperimentEffect",
    "ArmEffect",
    "campaign_panel",
    "difference_in_differences",
    "DifferenceInDifferences",
    "before_after",
    "BeforeAfter",
    "GroupChange",
    "experiment_size",
    "detectable_effect",
    "ExperimentPlan",
    "compare_effects",
    "EffectComparison",
    "interrupted_series",
    "InterruptedSeries",
    "uplift_depth",
    "UpliftDepth",
    "Estimate",
    "incremental_profit",
    "IncrementalProfit",
    "fit_response_curves",
    "ResponseCurves",
    "ResponseCurve",
    "allocate_budget",
    "BudgetPlan",
    "measure_base",
    "CustomerBase",
    "retention_lever",
    "Levers",
    # the whole picture
    "customer_base_audit",
    "CustomerBaseAudit",
    "customer_worth",
    "CustomerWorth",
    "delivered_value",
    "DeliveredValue",
    # errors
    "CrmValueError",
    "InputError",
    "ConvergenceError",
    "MissingExtraError",
]
