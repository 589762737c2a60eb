"""The door to the models: the quick look at many histories sees all that the rules refuse."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crmvalue.models.histories import PURCHASE_RULES, are_histories

numbers = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 7.0, 1e300, np.inf, -np.inf, np.nan])
rows = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=3)


@given(rows=rows)
def test_histories_pass_the_quick_look_just_if_they_are_finite_and_break_no_rule(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    finite = all(np.isfinite(column).all() for column in columns)
    broken = finite and any(breaks(*columns).any() for *_, breaks in PURCHASE_RULES)
    assert are_histories(*columns) == (finite and not broken)
