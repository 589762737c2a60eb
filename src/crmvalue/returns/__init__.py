"""The machinery of the return: benefits checked against double counting, and figures by view, group and year."""
