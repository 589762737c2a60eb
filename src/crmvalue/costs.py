"""What do customers cost: a ledger of cost lines, broken down, and allocated to the customers who cause them.

Every table adds up to the ledger: amounts are added as whole cents where they are whole cents. The machinery is in
`crmvalue.costing`, one file a question.
"""

from crmvalue.costing.acquisition import AcquisitionCost, acquisition_cost
from crmvalue.costing.allocation import CostAllocation, allocate_costs
from crmvalue.costing.amortization import AmortizedLedger, amortize_ledger
from crmvalue.costing.breakdown import CostBreakdown, StageCosts, cost_breakdown, stage_costs
from crmvalue.costing.hidden import CostLines, opportunity_cost, time_cost, waiting_cost
from crmvalue.costing.ledger import Ledger, LedgerAudit, prepare_ledger
from crmvalue.costing.losses import ChurnCost, churn_cost
from crmvalue.costing.ownership import OwnershipCost, ownership_cost
from crmvalue.costing.payback import ChannelPayback, channel_payback
from crmvalue.costing.profit import CustomerProfit, WhaleCurve, customer_profit, whale_curve
from crmvalue.costing.taxonomy import COST_CATEGORIES, COST_STAGES, COST_TAXONOMY, CostTaxonomy
from crmvalue.costing.time_driven import TimeDrivenCosts, time_driven_costs
from crmvalue.costing.variance import BudgetVariance, budget_variance

__all__ = [
    "COST_TAXONOMY",
    "COST_CATEGORIES",
    "COST_STAGES",
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
    "churn_cost",
    "ChurnCost",
    "ownership_cost",
    "OwnershipCost",
    "budget_variance",
    "BudgetVariance",
]
