"""Who are the customers: scores, named segments and what each brings, tiers, movement, stages and clusters.

Equal customers are always equal, limits never move on their own, and every table adds up to the whole. The machinery is
in `crmvalue.segments`, one file a question.
"""

from crmvalue.segments.clusters import CustomerClusters, cluster_customers
from crmvalue.segments.inequality import Concentration, concentration
from crmvalue.segments.migration import SegmentMigration, segment_migration
from crmvalue.segments.profiles import SegmentProfile, segment_profile
from crmvalue.segments.rules import (
    SEGMENT_RULES,
    SegmentRule,
    Segments,
    check_rules,
    rules_from_table,
    segment_customers,
)
from crmvalue.segments.sales import SalesProfile, cross_table, sales_profile
from crmvalue.segments.scoring import RfmScores, rescore_rfm, score_rfm
from crmvalue.segments.stages import STAGES, LifecycleStages, lifecycle_stage
from crmvalue.segments.thresholds import NestedThresholds, RfmThresholds
from crmvalue.segments.tiers import ValueTiers, value_tiers
from crmvalue.segments.trend import add_trend

__all__ = [
    "score_rfm",
    "rescore_rfm",
    "RfmScores",
    "RfmThresholds",
    "NestedThresholds",
    "add_trend",
    "segment_customers",
    "check_rules",
    "rules_from_table",
    "SEGMENT_RULES",
    "SegmentRule",
    "Segments",
    "segment_profile",
    "SegmentProfile",
    "sales_profile",
    "SalesProfile",
    "cross_table",
    "value_tiers",
    "ValueTiers",
    "concentration",
    "Concentration",
    "segment_migration",
    "SegmentMigration",
    "lifecycle_stage",
    "LifecycleStages",
    "STAGES",
    "cluster_customers",
    "CustomerClusters",
]
