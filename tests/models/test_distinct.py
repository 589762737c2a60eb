"""Distinct rows give each row back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from crmvalue.models.bg_nbd import BG_NBD
from crmvalue.models.distinct import distinct_histories, distinct_states, look_up

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


@pytest.mark.parametrize("model", [FORGETFUL, REMEMBERING], ids=["without", "with"])
def test_customers_whose_parameters_differ_share_a_state_where_those_agree(model):
    rng = np.random.default_rng(5)
    n = 400
    frequency, T = rng.integers(0, 3, n).astype(float), rng.integers(5, 9, n) / 7
    recency = rng.integers(0, 3, n) / 7
    alpha, a = rng.choice([3.1, 4.7, 8.2], n), rng.choice([0.5, 0.9], n)
    own, counts, last, times, place = distinct_states(model, PARAMS._replace(alpha=alpha, a=a), frequency, recency, T)
    columns = (frequency, T, alpha, a) if model.is_memoryless else (frequency, recency, T, alpha, a)
    assert len(counts) == len({*zip(*columns, strict=True)})
    assert (own.r, own.b) == (PARAMS.r, PARAMS.b)
    for found, given in ((own.alpha, alpha), (own.a, a), (counts, frequency), (times, T)):
        assert found[place].tolist() == given.tolist()
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


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(lambda days, rng: days, id="days"),
        pytest.param(lambda days, rng: days / 7, id="weeks"),
        pytest.param(lambda days, rng: days / 30.4375, id="months"),
        pytest.param(lambda days, rng: days / 365.25, id="years"),
        pytest.param(lambda days, rng: days / 3.7, id="odd unit"),
        pytest.param(lambda days, rng: np.round(days / 7, 2), id="weeks to two decimals"),
        pytest.param(lambda days, rng: days / 7 * (1 + 2e-16 * rng.integers(0, 2, len(days))), id="last digits differ"),
        pytest.param(lambda days, rng: days + rng.integers(0, 2, len(days)) / 24, id="hours"),
        pytest.param(lambda days, rng: days * 1e13, id="huge"),
        pytest.param(lambda days, rng: days * 1e-13, id="tiny"),
    ],
)
@pytest.mark.parametrize("n", [3, 40_000])
def test_codes_tell_apart_what_a_dictionary_tells_apart(times, n):
    rng = np.random.default_rng(3)
    T = times(rng.integers(0, 60, n).astype(float), rng)
    recency = times(rng.integers(0, 9, n).astype(float), rng)
    frequency = rng.integers(0, 4, n).astype(float)
    rows, counts = distinct_histories([frequency, recency, T])
    listed = list(zip(*rows, strict=True))
    assert listed == sorted(listed)
    assert dict(zip(listed, counts.tolist(), strict=True)) == Counter(zip(frequency, recency, T, strict=True))
    _, same, _, ends, place = distinct_states(BG_NBD, PARAMS, frequency, recency, T)
    assert len(ends) == len({*zip(frequency, T, strict=True)})
    assert ends[place].tolist() == T.tolist()
    assert same[place].tolist() == frequency.tolist()
    seen: list[int] = []

    def both(_, x, __, end):
        seen.append(len(x))
        return 1e3 * x + end

    found = look_up(BG_NBD, both, PARAMS, frequency, recency, T)
    assert found.table[found.place].tolist() == (1e3 * frequency + T).tolist()
    assert seen == [len(ends)]  # once for each state


def test_histories_too_many_for_one_integer_are_counted_too():
    rng = np.random.default_rng(4)
    columns = [rng.normal(size=50)[rng.integers(0, 50, 300)] for _ in range(12)]
    rows, counts = distinct_histories(columns)
    assert dict(zip(zip(*rows, strict=True), counts.tolist(), strict=True)) == Counter(zip(*columns, strict=True))


def test_what_depends_on_recency_or_on_parameters_of_ones_own_is_looked_up_by_them():
    rng = np.random.default_rng(6)
    frequency, T = rng.integers(0, 3, 200).astype(float), rng.integers(5, 9, 200).astype(float)
    recency, alpha = rng.integers(0, 5, 200).astype(float), rng.choice([3.1, 4.7], 200)
    found = look_up(REMEMBERING, lambda _, x, t_x, end: x + 10 * t_x + 100 * end, PARAMS, frequency, recency, T)
    assert found.table[found.place].tolist() == (frequency + 10 * recency + 100 * T).tolist()
    found = look_up(
        FORGETFUL, lambda own, x, _, end: own.alpha * x, PARAMS._replace(alpha=alpha), frequency, recency, T
    )
    assert found.table[found.place].tolist() == (alpha * frequency).tolist()
