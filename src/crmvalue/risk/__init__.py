"""The machinery of risk: distributions of inputs, simulation, and what-if tables of any model of a decision."""
