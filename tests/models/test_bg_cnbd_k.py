"""BG/CNBD-k and MBG/CNBD-k: slow sums with many digits, integrals over λ, simulated events, and BG/NBD at k = 1."""

from __future__ import annotations

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from crmvalue.models import bg_cnbd_k, bg_nbd, mbg_cnbd_k, mbg_nbd, phases
from crmvalue.models.bg_cnbd_k import Params
from crmvalue.models.regularity import log_evenness

MODELS = {"BG": bg_cnbd_k, "MBG": mbg_cnbd_k}
# those of the demonstration of the authors' R package BTYDplus, demo/mbg-cnbd-k.R
REGULAR = Params(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3.0)


def one(*values):
    """Return a history of one customer as arrays."""
    return tuple(np.array([float(value)]) for value in values)


def exact(params, frequency, recency, T, horizon, occasion, most):
    """Log-likelihood, P(alive), purchases and survival if alive, with 60 digits, state by state."""
    with mpmath.workdps(60):
        r, alpha, a, b = (mpmath.mpf(float(v)) for v in params[:4])
        x, k = int(frequency), int(params.k)
        t_x, end, h = (mpmath.mpf(float(v)) for v in (recency, T, horizon))
        n, stays = r + k * x, x + occasion
        start = mpmath.gamma(n) / mpmath.gamma(r) * alpha**r / mpmath.beta(a, b)
        alive = [
            start * mpmath.rf(n, j) / mpmath.factorial(j) * (end - t_x) ** j / (alpha + end) ** (n + j)
            for j in range(k)
        ]
        alive = [chance * mpmath.beta(a, b + stays) for chance in alive]
        left = start / (alpha + t_x) ** n * mpmath.beta(a + 1, b + stays - 1) if stays else mpmath.mpf(0)
        both = sum(alive) + left
        # density of the k·x-th event at t_x; times that of x − 1 points at random before it
        spread = t_x ** ((k - 1) * x) * mpmath.gamma(x) / mpmath.gamma(k * x) if x else mpmath.mpf(1)
        z = h / (alpha + end + h)
        bought, survives, stay, made = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(1), mpmath.mpf(0)
        for m in range(most):  # purchases that her events would bring
            chance = sum(
                alive[j] / sum(alive) * mpmath.rf(n + j, i) / mpmath.factorial(i) * (1 - z) ** (n + j) * z**i
                for j, rest in product(range(k), range(k))
                if (i := m * k + rest - j) >= 0
            )
            bought, survives = bought + chance * made, survives + chance * stay
            made, stay = made + stay, stay * (b + stays + m) / (a + b + stays + m)
        return tuple(float(v) for v in (mpmath.log(both * spread), sum(alive) / both, bought, survives))


CASES = [
    (Params(0.8, 6.0, 0.9, 2.5, 3.0), 0, 0.0, 10.0, 8.0),
    (Params(0.8, 6.0, 0.9, 2.5, 3.0), 4, 9.0, 10.0, 8.0),
    (Params(0.8, 6.0, 0.9, 2.5, 4.0), 4, 4.0, 10.0, 8.0),
    (Params(1.7, 2.0, 1.0, 0.3, 2.0), 10, 10.0, 10.0, 3.0),
    (Params(1.7, 2.0, 1.0, 0.3, 2.0), 3, 1.0, 50.0, 100.0),
    (Params(0.3, 0.5, 3.0, 0.01, 5.0), 2, 6.0, 9.0, 20.0),
    (Params(0.01, 30.0, 0.001, 0.002, 2.0), 1, 6.0, 9.0, 0.01),
    (Params(20.0, 3.0, 12.0, 40.0, 12.0), 6, 9.0, 11.0, 4.0),
]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", CASES)
def test_every_number_agrees_with_60_digits(name, case):
    params, *history, horizon = case
    model, customer = MODELS[name], one(*history)
    logarithm, alive, bought, survives = exact(params, *history, horizon, name == "MBG", int(300 / params.k))
    assert model.log_likelihood(params, *customer) == pytest.approx([logarithm], rel=1e-12, abs=1e-12)
    assert model.probability_alive(params, *customer) == pytest.approx([alive], rel=1e-12)
    assert model.purchases_if_alive(params, horizon, *customer) == pytest.approx([bought], rel=1e-12)
    assert model.survival_if_alive(params, horizon, *customer) == pytest.approx([survives], rel=1e-12)


def test_sums_in_blocks_agree_with_60_digits():
    # 150 purchases in 50 weeks, and 400 weeks ahead: too many events to count them one by one
    params, history, horizon = Params(2.0, 1.0, 0.4, 60.0, 2.0), (150, 49.8, 50.0), 400.0
    assert phases.most_events(302.0, horizon / 51.0) > phases.MOST_STEPS
    _, _, bought, survives = exact(params, *history, horizon, 0, 1_900)
    customer = one(*history)
    assert bg_cnbd_k.purchases_if_alive(params, horizon, *customer) == pytest.approx([bought], rel=1e-11)
    assert bg_cnbd_k.survival_if_alive(params, horizon, *customer) == pytest.approx([survives], rel=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_the_likelihood_is_that_of_erlang_gaps_integrated_over_the_rate(name):
    # of gaps 2, 3 and 4 and a silence of 6 weeks; the times between purchases come back through log_evenness
    gaps, silence, occasion = [2.0, 3.0, 4.0], 6.0, name == "MBG"
    r, alpha, a, b, k = REGULAR
    x, stays = len(gaps), len(gaps) + occasion

    def density(rate):
        prior = mpmath.exp((r - 1) * mpmath.log(rate) - alpha * rate + r * mpmath.log(alpha) - mpmath.loggamma(r))
        erlang = mpmath.fprod(rate**k * gap ** (k - 1) * mpmath.exp(-rate * gap) / mpmath.gamma(k) for gap in gaps)
        quiet = mpmath.gammainc(k, rate * silence, mpmath.inf, regularized=True)  # fewer than k events
        stayed = mpmath.beta(a, b + stays) / mpmath.beta(a, b)
        left = mpmath.beta(a + 1, b + stays - 1) / mpmath.beta(a, b)
        return prior * erlang * (quiet * stayed + left)

    wanted = float(mpmath.log(mpmath.quad(density, [0, 0.1, 0.5, 1, 2, 5, 20])))
    history = one(x, sum(gaps), sum(gaps) + silence)
    found = MODELS[name].log_likelihood(REGULAR, *history)
    found = found + log_evenness(k, *history[:2], np.array([np.log(gaps).sum()]))
    assert found == pytest.approx([wanted], rel=1e-10)


def wide_cases(n=40):
    """Draw parameters from 1e-3 to 1e4, k up to 12 and histories up to 5,000 purchases and 20 years in days."""
    rng = np.random.default_rng(78)
    for i in range(n):
        params = Params(*(10 ** rng.uniform(-3, 4, 4)), k=float(rng.integers(1, 13)))
        T = 10 ** rng.uniform(-1, 3.86)
        frequency = float(round(10 ** rng.uniform(0, 3.7))) if i % 4 else 0.0
        yield params, frequency, T * (1.0 if i % 5 == 0 else rng.uniform()) if frequency else 0.0, T


@pytest.mark.parametrize("case", list(wide_cases()))
def test_likelihood_and_p_alive_agree_with_120_digits_over_wide_ranges(case):
    params, *history = case
    with mpmath.workdps(120):
        r, alpha, a, b, k = (mpmath.mpf(float(v)) for v in params)
        x, t_x, end = (mpmath.mpf(v) for v in history)
        n = r + k * x
        shape = lambda j: mpmath.rf(n, j) / mpmath.factorial(j) * (end - t_x) ** j / (alpha + end) ** (n + j)  # noqa: E731
        alive = mpmath.beta(a, b + x) * sum(shape(j) for j in range(int(k)))
        left = mpmath.beta(a + 1, b + x - 1) / (alpha + t_x) ** n if x else mpmath.mpf(0)
        spread = t_x ** ((k - 1) * x) * mpmath.gamma(x) / mpmath.gamma(k * x) if x else mpmath.mpf(1)
        both = mpmath.gamma(n) / mpmath.gamma(r) * alpha**r / mpmath.beta(a, b) * spread * (alive + left)
        logarithm, share = float(mpmath.log(both)), float(alive / (alive + left))
    # the log-likelihood is a sum of terms up to 1e4 times its own size
    assert bg_cnbd_k.log_likelihood(params, *one(*history)) == pytest.approx([logarithm], rel=1e-10, abs=1e-9)
    assert bg_cnbd_k.probability_alive(params, *one(*history)) == pytest.approx([share], rel=1e-10, abs=1e-300)


@st.composite
def plain_cases(draw):
    """Draw parameters of BG/NBD over wide ranges, and a history."""
    params = [10 ** draw(st.floats(-3, 4)) for _ in range(4)]
    T, frequency = 10 ** draw(st.floats(-2, 3.86)), float(draw(st.integers(0, 5_000)))
    recency = T * draw(st.floats(1e-3, 1)) if frequency else 0.0
    return params, one(frequency, recency, T), 10 ** draw(st.floats(-2, 3.86))


@settings(max_examples=100, deadline=None)
@given(case=plain_cases(), count=st.integers(0, 40).map(float), name=st.sampled_from(list(MODELS)))
def test_with_one_event_a_purchase_it_is_the_model_of_random_purchases(case, count, name):
    values, history, horizon = case
    regular, random = MODELS[name], {"BG": bg_nbd, "MBG": mbg_nbd}[name]
    mine, theirs = Params(*values, k=1.0), bg_nbd.Params(*values)
    for function in ("log_likelihood", "probability_alive"):
        wanted = getattr(random, function)(theirs, *history)
        assert getattr(regular, function)(mine, *history) == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    for function in ("survival_if_alive", "purchases_if_alive"):
        wanted = getattr(random, function)(theirs, horizon, *history)
        assert getattr(regular, function)(mine, horizon, *history) == pytest.approx(wanted, rel=1e-9, abs=1e-290)
    wanted = random.mass_if_alive(theirs, count, horizon, *history)
    assert regular.mass_if_alive(mine, count, horizon, *history) == pytest.approx(wanted, rel=1e-9, abs=1e-290)
    for span in [(0.01, 0.0, np.inf), (0.02, 3.0, 90.0)]:
        wanted = random.residual_purchases_if_alive(theirs, *span, *history)
        found = regular.residual_purchases_if_alive(mine, *span, *history)
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-290)


def simulated_events(params, n, T, horizon, rng, occasion):
    """Draw gap after gap: frequency and recency at T, and purchases in (T, T + horizon]."""
    r, alpha, a, b, k = params
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    now, active = np.zeros(n), rng.uniform(size=n) >= leave if occasion else np.ones(n, dtype=bool)
    frequency, recency, later = np.zeros(n), np.zeros(n), np.zeros(n)
    while active.any():
        now = now + rng.gamma(k, 1 / rate)
        active &= now <= T + horizon
        before = active & (now <= T)
        frequency += before
        recency = np.where(before, now, recency)
        later += active & (now > T)
        active &= rng.uniform(size=n) >= leave
    return frequency, recency, later


@pytest.mark.parametrize("name", MODELS)
def test_a_regular_buyer_is_expected_back_when_her_time_has_come(name):
    rng = np.random.default_rng(21)
    n, T, horizon = 400_000, 20.0, 3.0
    frequency, recency, later = simulated_events(REGULAR, n, T, horizon, rng, name == "MBG")
    history = frequency, recency, np.full(n, T)
    expected = MODELS[name].conditional_expected_purchases(REGULAR, horizon, *history)
    none = MODELS[name].mass_if_alive(REGULAR, 0.0, horizon, *history)
    alive = MODELS[name].probability_alive(REGULAR, *history)
    buyers = frequency == 5
    silence = T - recency[buyers]
    seen = []
    for low, high in [(0, 0.5), (0.5, 1), (1, 2), (2, 4), (4, 8), (8, 16)]:
        group = np.flatnonzero(buyers)[(silence >= low) & (silence < high)]
        error = 4 * later[group].std() / np.sqrt(len(group))
        assert expected[group].mean() == pytest.approx(later[group].mean(), abs=error)
        back = (alive * (1 - none))[group].mean()
        assert back == pytest.approx((later[group] > 0).mean(), abs=2 / np.sqrt(len(group)))
        seen.append(later[group].mean())
    assert len(set(seen)) == 6
    assert max(seen) != seen[0]  # not when she has just bought, unlike one who buys at random


def test_simulated_histories_are_those_of_gap_after_gap():
    rng = np.random.default_rng(22)
    n, T = 300_000, 20.0
    frequency, recency, _ = simulated_events(REGULAR, n, T, 0.0, rng, occasion=False)
    made = bg_cnbd_k.simulate(REGULAR, np.full(n, T), rng)
    for x in range(6):
        assert (made.frequency == x).mean() == pytest.approx((frequency == x).mean(), abs=0.004)  # 4 sigma
    for x in (1, 3):
        mine, theirs = made.recency[made.frequency == x], recency[frequency == x]
        assert ks_2samp(mine, theirs).pvalue > 1e-3


@pytest.mark.parametrize("k", [1.0, 2.0, 5.0, 12.0, 24.0])
def test_all_purchases_to_come_are_the_integral_of_their_rate(k):
    # two derivations: a double integral over λ and p, and one over time of sums over events
    rng = np.random.default_rng(3)
    params = REGULAR._replace(k=k)
    made = bg_cnbd_k.simulate(params, rng.uniform(1, 60, 40), rng)
    history = made.frequency, made.recency, made.T
    for_ever = bg_cnbd_k.residual_purchases_if_alive(params, 0.05, 0.0, np.inf, *history)
    long = bg_cnbd_k.residual_purchases_if_alive(params, 0.05, 0.0, 840.0, *history)  # exp(-42) is left
    assert for_ever == pytest.approx(long, rel=1e-11)


def test_a_certain_rate_and_certain_loyalty_give_the_erlang_renewal_function():
    # λ = 2, give or take 1 %, and k = 2: m(t) = t − (1 − exp(−4t)) / 4, just after a purchase
    params = Params(r=1e4, alpha=5e3, a=1e-6, b=1e4, k=2.0)
    t = np.array([0.1, 1.0, 3.0])
    assert bg_cnbd_k.expected_purchases(params, t) == pytest.approx(t - (1 - np.exp(-4 * t)) / 4, rel=1e-3)
