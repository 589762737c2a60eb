"""From raw rows to one row a customer: checked transactions, summaries, cohorts, holdouts, samples."""
