"""Distinct rows give each row back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from crmvalue.models.distinct import distinct_histories, distinct_pairs


@pytest.mark.parametrize("unit", [1.0, 7.0, 30.4375])
def test_pairs_give_each_row_its_own_values_back(unit):
    rng = np.random.default_rng(1)
    frequency, T = rng.integers(0, 9, 500).astype(float), rng.integers(0, 90, 500) / unit
    counts, times, place = distinct_pairs(frequency, T)
    assert counts[place].tolist() == frequency.tolist()
    assert times[place].tolist() == T.tolist()
    assert len(counts) == len(set(zip(frequency, T, strict=True)))


def test_pairs_of_huge_counts_need_no_huge_table():
    counts, times, place = distinct_pairs(np.array([1e12, 0.0]), np.array([3.0, 1e15]))
    assert counts[place].tolist() == [1e12, 0.0]
    assert times[place].tolist() == [3.0, 1e15]


@pytest.mark.parametrize("unit", [1.0, 7.0])
def test_histories_are_counted_as_a_dictionary_counts_them(unit):
    rng = np.random.default_rng(2)
    columns = [rng.integers(0, 4, 300) / unit for _ in range(3)]
    rows, counts = distinct_histories(columns)
    assert dict(zip(zip(*rows, strict=True), counts.tolist(), strict=True)) == Counter(zip(*columns, strict=True))
