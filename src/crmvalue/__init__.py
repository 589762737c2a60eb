"""What customers are worth, what caring for them costs, and whether it pays."""
