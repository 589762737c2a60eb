"""Did the money cause it: comparisons, experiments, differences in differences, series, uplift, budgets and levers."""
