"""The machinery below `crmvalue.costs`: taxonomy, ledger, allocation, and what customers and channels cost."""
