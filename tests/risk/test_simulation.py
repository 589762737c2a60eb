"""Simulation: known answers, correlations that come out as asked, and clear refusals."""

import math

import numpy as np
import pytest
from scipy import stats

from crmvalue.errors import InputError
from crmvalue.risk.distributions import empirical, lognormal, normal, pert, triangular, uniform
from crmvalue.risk.simulation import CHUNK, simulate_roi


def total(**inputs):
    """Return the sum of all inputs."""
    return sum(inputs.values())


def test_a_sum_of_normals_has_its_known_distribution():
    inputs = {"a": normal(1, 3), "b": normal(2, 4), "c": -1.0}
    found = simulate_roi(total, inputs, rng=np.random.default_rng(1), n_draws=200_000, level=0.8)
    exact = stats.norm(2, 5)
    assert found.median == pytest.approx(2, abs=0.05)  # four standard errors
    assert (found.lower, found.upper) == pytest.approx(exact.ppf([0.1, 0.9]), abs=0.08)
    assert found.chance_it_pays == pytest.approx(exact.sf(0), abs=4 * found.chance_error)
    assert found.chance_error == pytest.approx(math.sqrt(exact.sf(0) * exact.cdf(0) / 200_000), rel=0.01)
    # the mean of a normal below 0: -(mean - sd * density / probability)
    assert found.expected_loss == pytest.approx(-(2 - 5 * stats.norm.pdf(-0.4) / exact.cdf(0)), abs=0.06)
    assert found.variance_share == pytest.approx([9 / 25, 16 / 25], abs=0.01)


def test_shares_of_the_variance_are_those_of_the_ishigami_function():
    # Saltelli et al. (2008): with a = 7 and b = 0.1 first-order indices are 0.3139, 0.4424 and 0
    def ishigami(x, y, z):
        return np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)

    angle = uniform(-math.pi, math.pi)
    found = simulate_roi(ishigami, {"x": angle, "y": angle, "z": angle}, rng=np.random.default_rng(1), n_draws=CHUNK)
    assert found.variance_share == pytest.approx([0.3139, 0.4424, 0.0], abs=0.012)
    assert found.to_frame()["input"].tolist() == ["y", "x", "z"]


def test_rank_correlations_come_out_as_asked():
    inputs = {"a": pert(0, 1, 9), "b": lognormal(5, 1), "c": empirical(np.arange(1000.0)), "d": triangular(0, 1, 2)}
    drawn = {}

    def keep(**values):
        for name, part in values.items():
            drawn.setdefault(name, []).append(part)
        return values["a"]

    asked = {("a", "b"): 0.6, ("c", "a"): -0.4}
    simulate_roi(keep, inputs, rng=np.random.default_rng(1), n_draws=100_000, correlation=asked)
    arrays = {name: np.concatenate(parts) for name, parts in drawn.items()}
    expected = {("a", "b"): 0.6, ("a", "c"): -0.4, ("b", "c"): 0.0, ("a", "d"): 0.0, ("b", "d"): 0.0}
    for (one, other), rank in expected.items():
        assert stats.spearmanr(arrays[one], arrays[other]).statistic == pytest.approx(rank, abs=0.015)
    assert stats.kstest(arrays["b"], stats.lognorm(1, scale=5).cdf).pvalue > 0.001


def test_one_seed_gives_one_result_and_the_draws_do_not_depend_on_how_many_follow():
    inputs = {"a": pert(0, 1, 9), "b": normal(0, 1)}
    one, other = (simulate_roi(total, inputs, rng=np.random.default_rng(7), n_draws=CHUNK) for _ in range(2))
    more = simulate_roi(total, inputs, rng=np.random.default_rng(7), n_draws=CHUNK + 500)
    assert one.outcome.tolist() == other.outcome.tolist() == more.outcome[:CHUNK].tolist()
    assert not one.outcome.flags.writeable


def test_another_currency_scales_the_money_and_leaves_the_chances():
    one, other = (
        simulate_roi(lambda a, f=factor: f * a, {"a": normal(1, 2)}, rng=np.random.default_rng(3), n_draws=5_000)
        for factor in (1.0, 100.0)
    )
    assert other.chance_it_pays == one.chance_it_pays
    money = ["median", "lower", "upper", "expected_loss", "mean", "sd"]
    assert [getattr(other, m) for m in money] == pytest.approx([100 * getattr(one, m) for m in money])


def test_a_decision_that_always_pays_has_no_expected_loss():
    found = simulate_roi(total, {"a": uniform(1, 2)}, rng=np.random.default_rng(1), n_draws=1_000)
    assert (found.chance_it_pays, found.expected_loss) == (1.0, 0.0)


def test_a_constant_outcome_has_no_variance_to_share():
    found = simulate_roi(lambda a: 5.0, {"a": uniform(1, 2)}, rng=np.random.default_rng(1), n_draws=1_000)
    assert found.variance_share.tolist() == [0.0]
    assert found.sd == 0.0


def test_assumptions_and_figures_turn_into_plain_values():
    inputs = {"a": triangular(0, 1, 2), "b": normal(0, 1), "c": 3}
    found = simulate_roi(total, inputs, rng=np.random.default_rng(1), n_draws=1_000, correlation={("a", "b"): 0.5})
    record = found.to_dict()
    assert record["assumptions"] == {
        "a": "triangular(low=0, mode=1, high=2)",
        "b": "normal(mean=0, sd=1)",
        "c": "3",
        "rank correlation of a and b": "0.5",
    }
    assert record["median"] == found.median
    assert "outcome" not in record


DRAW = {"rng": np.random.default_rng(1), "n_draws": 1_000}
THREE = {"a": normal(0, 1), "b": normal(0, 1), "c": normal(0, 1)}


def test_correlations_that_contradict_each_other_are_refused():
    said = (
        r"^correlation: the matrix of 'a', 'b', 'c' is not positive definite \(smallest eigenvalue -0\.\d+\): the corr"
    )
    with pytest.raises(InputError, match=said):
        simulate_roi(total, THREE, **DRAW, correlation={("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9})


@pytest.mark.parametrize(
    ("correlation", "said"),
    [
        ({("a", "x"): 0.5}, r"^correlation: \('a', 'x'\) is no pair of uncertain inputs\. Use two of 'a', 'b', 'c'\.$"),
        ({("a", "a"): 0.5}, r"^correlation: \('a', 'a'\) is no pair"),
        (
            {("a", "b"): 1.5},
            r"^correlation\[\('a', 'b'\)\]: got 1\.5\. Pass a finite number, at least -1 and at most 1\.$",
        ),
        ({("a", "b"): 0.5, ("b", "a"): 0.4}, r"^correlation: \('b', 'a'\) is there twice, with different values\."),
        ({("a", "b"): 1.0}, r"not positive definite"),
    ],
)
def test_correlations_that_cannot_be_are_refused(correlation, said):
    with pytest.raises(InputError, match=said):
        simulate_roi(total, THREE, **DRAW, correlation=correlation)


def test_a_model_that_does_not_take_the_inputs_is_refused():
    with pytest.raises(InputError, match=r"^inputs: 'a', 'b', 'c' do not fit the model \(missing a required argument"):
        simulate_roi(lambda a, b, c, d: a, THREE, **DRAW)
    with pytest.raises(InputError, match=r"^inputs: 'a', 'b', 'c' do not fit the model \(got an unexpected keyword"):
        simulate_roi(lambda a, b: a, THREE, **DRAW)
    with pytest.raises(InputError, match=r"^model: got 5\. Pass a function"):
        simulate_roi(5, THREE, **DRAW)


def test_a_model_with_missing_or_misshapen_outcomes_is_refused():
    with pytest.raises(
        InputError, match=r"^model: the outcome is missing or infinite in 1,000 of 1,000 draws, such as"
    ):
        simulate_roi(lambda a: a * math.nan, {"a": normal(0, 1)}, **DRAW)
    with pytest.raises(InputError, match=r"^model: returned an array of shape \(2,\) for 1,000 draws\."):
        simulate_roi(lambda a: a[:2], {"a": normal(0, 1)}, **DRAW)
    with pytest.raises(InputError, match=r"^model: no numbers come out .* conditions with numpy\.where\.$"):
        simulate_roi(lambda a: 1.0 if a > 0 else 0.0, {"a": normal(0, 1)}, **DRAW)


def test_inputs_and_options_that_mean_nothing_are_refused():
    with pytest.raises(InputError, match=r"^inputs\['a'\]: got 'often'\. Pass a finite number\.$"):
        simulate_roi(total, {"a": "often"}, **DRAW)
    with pytest.raises(InputError, match=r"^rng: got 1\. Pass a generator"):
        simulate_roi(total, THREE, rng=1)
    with pytest.raises(InputError, match=r"^n_draws: got 10\. Pass a finite number, at least 100\.$"):
        simulate_roi(total, THREE, rng=np.random.default_rng(1), n_draws=10)
    with pytest.raises(InputError, match=r"^level: got 1\. Pass a share below 1"):
        simulate_roi(total, THREE, **DRAW, level=1)
