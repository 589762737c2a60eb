"""Distinct rows give each row back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.distinct import distinct_histories, distinct_states

FORGETFUL, REMEMBERING = BG_NBD, replace(BG_NBD, is_memoryless=False)
PARAMS = BG_NBD.Params(0.243, 4.414, 0.793, 2.426)


@pytest.mark.parametrize("unit", [1.0, 7.0, 30.4375])
@pytest.mark.parametrize("model", [FORGETFUL, REMEMBERING], ids=["without", "with"])
def test_states_give_each_customer_her_own_values_back(unit, model):
    rng = np.random.default_rng(1)
    frequency, T = rng.integers(0, 9, 500).astype(float), rng.integers(0, 90, 500) / unit
    recency = np.floor(T * unit * rng.uniform(size=500)) / unit
    own, counts, last, times, place = distinct_states(model, PARAMS, frequency, recency, T)
    assert own is PARAMS
    assert counts[place].tolist() == frequency.tolist()
    assert times[place].tolist() == T.tolist()
    wanted = {*zip(frequency, T, strict=True)} if model.is_memoryless else {*zip(frequency, recency, T, strict=True)}
    assert len(counts) == len(wanted)
    if not model.is_memoryless:
        assert last[place].tolist() == recency.tolist()


def test_states_of_huge_counts_need_no_huge_table():
    history = np.array([1e12, 0.0]), np.array([1.0, 0.0]), np.array([3.0, 1e15])
    _, counts, _, times, place = distinct_states(BG_NBD, PARAMS, *history)
    assert counts[place].tolist() == [1e12, 0.0]
    assert times[place].tolist() == [3.0, 1e15]


@pytest.mark.parametrize("unit", [1.0, 7.0])
def test_histories_are_counted_as_a_dictionary_counts_them(unit):
    rng = np.random.default_rng(2)
    columns = [rng.integers(0, 4, 300) / unit for _ in range(3)]
    rows, counts = distinct_histories(columns)
    assert dict(zip(zip(*rows, strict=True), counts.tolist(), strict=True)) == Counter(zip(*columns, strict=True))
