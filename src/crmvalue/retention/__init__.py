"""The machinery below `crmvalue.churn`: rates, cohorts, retention curves, contracts, bridges and early warning."""
