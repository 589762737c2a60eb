"""Distributions: scipy as a second opinion, and the two ways to draw agree."""

import numpy as np
import pytest
from scipy import stats

from crmvalue.errors import InputError
from crmvalue.risk.distributions import beta, empirical, lognormal, normal, pert, triangular, uniform

SEEN = [3.0, 1.0, 2.0, 10.0]
PAIRS = [
    (triangular(2, 3, 7), stats.triang(c=0.2, loc=2, scale=5)),
    (triangular(2, 2, 7), stats.triang(c=0.0, loc=2, scale=5)),
    (pert(2, 3, 7), stats.beta(1 + 4 / 5, 1 + 16 / 5, loc=2, scale=5)),
    (pert(0, 5, 10, weight=2), stats.beta(2, 2, loc=0, scale=10)),
    (normal(5, 2), stats.norm(5, 2)),
    (lognormal(100, 0.5), stats.lognorm(0.5, scale=100)),
    (uniform(-1, 3), stats.uniform(-1, 4)),
    (beta(2, 5, low=10, high=30), stats.beta(2, 5, loc=10, scale=20)),
]
NAMES = [repr(pair[0]) for pair in PAIRS]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=NAMES)
def test_draws_follow_the_distribution_of_scipy(ours, theirs):
    drawn = ours.draw(np.random.default_rng(1), 20_000)
    assert stats.kstest(drawn, theirs.cdf).pvalue > 0.001
    assert ours.mean == pytest.approx(theirs.mean(), rel=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=NAMES)
def test_values_of_normal_scores_are_the_quantiles_of_scipy(ours, theirs):
    scores = np.linspace(-6, 6, 999)
    expected = theirs.ppf(stats.norm.cdf(scores))
    spread = theirs.std()
    # a Beta distribution is read off a table; below a millionth of its spread nothing is seen
    assert ours.from_score(scores) == pytest.approx(expected, rel=1e-9, abs=2e-6 * spread)


def test_observed_values_are_drawn_as_often_as_each_other():
    ours = empirical(SEEN)
    drawn = ours.draw(np.random.default_rng(1), 40_000)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == sorted(SEEN)
    assert stats.chisquare(counts).pvalue > 0.001
    scores = stats.norm.ppf([0.01, 0.24, 0.26, 0.49, 0.51, 0.76, 0.99])
    assert ours.from_score(scores).tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 10.0, 10.0]
    assert ours.mean == 4.0


def test_an_input_without_spread_is_always_the_same():
    for one in (
        triangular(3, 3, 3),
        pert(3, 3, 3),
        uniform(3, 3),
        normal(3, 0),
        lognormal(3, 0),
        beta(2, 3, low=3, high=3),
    ):
        assert one.draw(np.random.default_rng(1), 5) == pytest.approx(np.full(5, 3.0))
        assert one.from_score(np.array([-2.0, 0.0, 2.0])) == pytest.approx(np.full(3, 3.0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: triangular(5, 4, 3), r"^low: got 5, above high, 3\. Swap them\.$"),
        (lambda: triangular(1, 4, 3), r"^mode: got 4, not between low, 1, and high, 3\. Pass the likeliest value\.$"),
        (lambda: pert(5, 4, 3), r"^low: got 5, above high, 3\. Swap them\.$"),
        (lambda: pert(1, 2, 3, weight=0), r"^weight: got 0\. Pass a finite number, above 0\.$"),
        (lambda: uniform(2, 1), r"^low: got 2, above high, 1\. Swap them\.$"),
        (lambda: uniform(0, float("nan")), r"^high: got nan\. Pass a finite number\.$"),
        (lambda: normal(0, -1), r"^sd: got -1\. Pass a finite number, at least 0\.$"),
        (lambda: lognormal(0, 1), r"^median: got 0\. Pass a finite number, above 0\.$"),
        (lambda: beta(0, 1), r"^a: got 0\. Pass a finite number, above 0\.$"),
        (lambda: empirical([]), r"^values: got an array of shape \(0,\)\. Pass at least one observed value\.$"),
        (lambda: empirical([1, float("nan")]), r"^values: missing or infinite in 1 of 2 rows \(row 1\)\. Drop"),
        (lambda: empirical(["a"]), r"^values: got something else than numbers\."),
    ],
)
def test_parameters_that_make_no_distribution_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()
