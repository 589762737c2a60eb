"""Cash-flow arithmetic: sums to the cent, calendar periods, rates, and present values."""
