"""Sums by a count agree with a dictionary."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from crmvalue.models.sums import sums_by_count


@pytest.mark.parametrize("count", [[3, 1, 3, 1, 7], [2], [10**9, 4, 4, 10**9]], ids=["few", "one", "far"])
def test_sums_by_count_are_those_of_a_dictionary(count):
    values = np.arange(1.0, 1.0 + len(count))
    wanted = defaultdict(float)
    for key, value in zip(count, values.tolist(), strict=True):
        wanted[float(key)] += value
    distinct, (once, twice) = sums_by_count(np.array(count, dtype=float), values, 2 * values)
    assert distinct.tolist() == sorted(wanted)
    assert once.tolist() == [wanted[key] for key in sorted(wanted)]
    assert (twice == 2 * once).all()
