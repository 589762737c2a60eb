"""Every figure of every model in 30 digits and more: slow, plain formulas for `exactness.py`, by mpmath.

Nothing here looks like the library: means over a customer's own chance to leave, p, or over her own rate, λ, are
integrals of closed forms for one customer; regular buyers are summed over the k-th roots of unity. Integrals are cut
at every peak of the integrand, which is found on a grid first, and then halved until the halves agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from mpmath import mp, mpf

Real = mpf
NODES = 16
DEEP = 48  # logarithms below its peak at which an integrand is left out: 1e-21
mp.dps = 30


@lru_cache
def gauss(digits: int) -> tuple[tuple[Real, Real], ...]:
    """Nodes and weights of Gauss and Legendre on [0, 1]."""
    rule = []
    for start in np.polynomial.legendre.leggauss(NODES)[0].tolist():
        x = mpf(start)
        for _ in range(4):
            before, now = mpf(1), x
            for j in range(2, NODES + 1):
                before, now = now, ((2 * j - 1) * x * now - (j - 1) * before) / j
            slope = NODES * (x * now - before) / (x * x - 1)
            x -= now / slope
        rule.append(((x + 1) / 2, 1 / ((1 - x * x) * slope * slope)))
    return tuple(rule)


def exp_of(x: Real) -> Real:
    """Return exp(x), and 0 far below what any number here can be."""
    return mp.exp(x) if x > -10_000_000 else mpf(0)


def peak_between(log_f: Callable[[Real], Real], low: Real, high: Real) -> Real:
    """Return the place of the maximum, by golden section."""
    golden = (mp.sqrt(5) - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = log_f(left), log_f(right)
    for _ in range(25):
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = log_f(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = log_f(right)
    return (low + high) / 2


def integral(log_f: Callable[[Real], Real], grid: Sequence[Real], error: float = 1e-9) -> Real:
    """Integral of exp(log_f) from the first to the last place of the grid, on which every peak must show."""
    grid = sorted(grid)
    values = [log_f(y) for y in grid]
    places = list(zip(grid, values, strict=True))
    for i in range(len(grid)):
        before, after = max(i - 1, 0), min(i + 1, len(grid) - 1)
        if values[i] >= values[before] and values[i] >= values[after] and values[i] > -mp.inf:
            low, high = grid[before], grid[after]
            peak = peak_between(log_f, low, high)
            highest = log_f(peak)
            places.append((peak, highest))
            for step in (low - peak, high - peak):
                for _ in range(60):
                    value = log_f(peak + step)
                    places.append((peak + step, value))
                    if highest - value < 1:
                        break
                    step /= 2
    top = max(value for _, value in places)
    places.sort()
    nodes = gauss(mp.dps)

    def rule(low: Real, high: Real) -> Real:
        return (high - low) * mp.fsum(w * exp_of(log_f(low + (high - low) * x) - top) for x, w in nodes)

    panels = [
        (low[0], high[0], rule(low[0], high[0]))
        for low, high in pairwise(places)
        if max(low[1], high[1]) > top - DEEP and high[0] > low[0]
    ]
    least = error * mp.fsum(value for *_, value in panels)
    total = []
    for _ in range(60):
        left = []
        for low, high, value in panels:
            middle = (low + high) / 2
            halves = (low, middle, rule(low, middle)), (middle, high, rule(middle, high))
            both = halves[0][2] + halves[1][2]
            if abs(both - value) <= least:
                total.append(both)
            else:
                left.extend(halves)
        panels = left
        if not panels:
            return mp.exp(top) * mp.fsum(total)
    raise ArithmeticError("the halves do not agree")


def outward(center: Real, near: Real, far: Real, step: Real) -> list[Real]:
    """Return places every `step` up to `near` on both sides of the center, then ever farther ones up to `far`."""
    found, distance = [center], mpf(0)
    while distance < far:
        distance = distance + step if distance < near else distance * mpf("1.4")
        found += [center - distance, center + distance]
    return found


def over_time(log_f: Callable[[Real], Real], begin: Real, end: Real, error: float = 1e-9) -> Real:
    """Integral of exp(log_f(u)) over times u from begin to end, on a log scale from the begin."""
    if end <= begin:
        return mpf(0)
    length = end - begin
    logs = [mp.log(length) - mpf(j) for j in range(1, 140)]
    late = [mp.log(length * j / 20) for j in range(1, 21)]
    return integral(lambda w: w + log_f(begin + mp.exp(w)), logs + late, error)


def mean_over_beta(f: Callable[[Real, Real], Real], a: Real, b: Real, error: float = 1e-13) -> Real:
    """Mean of a positive f(p, 1 − p) over p ~ Beta(a, b), by an integral over log p/(1−p)."""
    norm = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

    def log_f(y: Real) -> Real:
        less = mp.log1p(mp.exp(-abs(y)))
        log_p, log_q = (-less, -y - less) if y > 0 else (y - less, -less)
        value = f(mp.exp(log_p), mp.exp(log_q))
        return a * log_p + b * log_q - norm + mp.log(value) if value > 0 else -mp.inf

    return integral(log_f, outward(mpf(0), mpf(50), 3 * DEEP / min(a, b, mpf(1)), mpf(1)), error)


def mean_over_gamma(f: Callable[[Real], Real], n: Real, scale: Real, error: float = 1e-9) -> Real:
    """Mean of a positive f(λ) over λ ~ Gamma(n, scale), by an integral over log λ."""

    def log_f(y: Real) -> Real:
        grown = mp.exp(y)
        value = f(grown / scale)
        return n * y - grown - mp.loggamma(n) + mp.log(value) if value > 0 else -mp.inf

    center = mp.log(n)
    spread = 3 * DEEP / min(n, mpf(1))
    top = mp.log(n + 3 * DEEP + 30 * mp.sqrt(n + 1))
    return integral(log_f, [*(y for y in outward(center, mpf(40), spread, mpf(1)) if y < top), top], error)


def scaled_expint(order: Real, z: Real) -> Real:
    """Return e^z E_order(z), the integral of exp(−z·v) (1 + v)^−order over v from 0 to infinity."""
    if z > 2 or (order > 40 and z > mpf("0.05")):  # the continued fraction
        c = z + order
        result = 1 / c
        d = 1 / c
        e = mpf(10) ** 200
        for j in range(1, 100_000):
            number = -j * (order + j - 1)
            c += 2
            d = 1 / (c + number * d)
            e = c + number / e
            change = e * d
            result *= change
            if abs(change - 1) < mpf(10) ** -24:
                return result
        raise ArithmeticError("the fraction does not converge")
    with mp.workdps(mp.dps + 40):
        order = order + mpf(10) ** -34 if abs(order - mp.nint(order)) < mpf(10) ** -34 else order
        total, term, j = mpf(0), mpf(1), 0
        while abs(term) > mpf(10) ** (-mp.dps) or j < 3:
            total += term / (j + 1 - order)
            j += 1
            term *= -z / j
        return mp.exp(z) * (mp.gamma(1 - order) * z ** (order - 1) - total)


def negative_binomial(k: int, n: Real, growth: Real) -> Real:
    """Probability of k events where their number is Poisson with a mean ~ Gamma(n) · growth."""
    return mp.exp(
        mp.loggamma(n + k) - mp.loggamma(n) - mp.loggamma(k + 1) - n * mp.log1p(growth) - k * mp.log1p(1 / growth)
    )


def at_least(k: int, n: Real, growth: Real) -> Real:
    """Probability of at least k such events: term by term, from below or from above."""
    share = growth / (1 + growth)
    if k <= 0:
        return mpf(1)
    if k < n * growth:
        with mp.workdps(mp.dps + 30):
            term = mp.exp(-n * mp.log1p(growth))
            below = term
            for i in range(k - 1):
                term *= (n + i) / (i + 1) * share
                below += term
            if 1 - below > mpf(10) ** -25:
                return 1 - below
    term, total, i = negative_binomial(k, n, growth), mpf(0), k
    while True:
        total += term
        ratio = (n + i) / (i + 1) * share
        term *= ratio
        i += 1
        if ratio < 1 and term / (1 - ratio) < mpf(10) ** -25 * total:
            return total
        if i > k + 2_000_000:
            raise ArithmeticError("too many terms")


class Geometric:
    """A customer alive at T under BG/NBD: λ ~ Gamma(n, A), and she leaves with p ~ Beta(a, b) after each purchase."""

    def __init__(self, n: Real, A: Real, a: Real, b: Real) -> None:
        self.n, self.A, self.a, self.b = n, A, a, b

    def mean(self, f: Callable[[Real, Real], Real]) -> Real:
        """Return the mean of a function of p and 1 − p."""
        return mean_over_beta(f, self.a, self.b)

    def survival(self, h: Real) -> Real:
        """Return the chance to be still a customer after h."""
        return self.mean(lambda p, q: mp.exp(-self.n * mp.log1p(p * h / self.A)))

    def purchases(self, h: Real) -> Real:
        """Return the expected purchases within h."""
        return self.mean(lambda p, q: -mp.expm1(-self.n * mp.log1p(p * h / self.A)) / p)

    def mass(self, k: int, h: Real) -> Real:
        """Return the chance of so many purchases within h."""
        g = h / self.A
        if not k:
            return negative_binomial(0, self.n, g)
        a, b = self.a, self.b
        whole = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
        stays = mp.exp(mp.loggamma(a) + mp.loggamma(b + k) - mp.loggamma(a + b + k) - whole)
        leaves = mp.exp(mp.loggamma(a + 1) + mp.loggamma(b + k - 1) - mp.loggamma(a + b + k) - whole)
        return stays * negative_binomial(k, self.n, g) + leaves * at_least(k, self.n, g)

    def purchase(self, h: Real) -> Real:
        """Return the chance of at least one."""
        return -mp.expm1(-self.n * mp.log1p(h / self.A))

    def discounted(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted purchases from start to stop."""
        n, A = self.n, self.A
        if rate == 0 and stop == mp.inf:
            if self.a <= 1:
                return mp.inf
            return self.mean(lambda p, q: mp.exp(-n * mp.log1p(p * start / A)) / p)
        if rate == 0:
            return self.mean(
                lambda p, q: (
                    -mp.exp(-n * mp.log1p(p * start / A))
                    * mp.expm1(-n * mp.log1p(p * (stop - start) / (A + p * start)))
                    / p
                )
            )

        def later(p: Real, t: Real) -> Real:
            if t == mp.inf:
                return mpf(0)
            factor = mp.exp(-rate * t - n * mp.log1p(p * t / A))
            return n / p * factor * scaled_expint(n + 1, rate * (A + p * t) / p)

        return self.mean(lambda p, q: later(p, start) - later(p, stop))

    def lifetime(self, rate: Real, stop: Real) -> Real:
        """Return discounted time as a customer up to stop."""
        n, A = self.n, self.A
        if rate == 0 and stop == mp.inf:
            there = self.a > 1 and n > 1
            return A / (n - 1) * (self.a + self.b - 1) / (self.a - 1) if there else mp.inf
        if rate == 0:

            def within(p: Real, q: Real) -> Real:
                x = (1 - n) * mp.log1p(p * stop / A)
                return A / p * mp.log1p(p * stop / A) * (mp.expm1(x) / x if x != 0 else 1)

            return self.mean(within)

        def later(p: Real, t: Real) -> Real:
            if t == mp.inf:
                return mpf(0)
            factor = mp.exp(-rate * t + (1 - n) * mp.log1p(p * t / A))
            return A / p * factor * scaled_expint(n, rate * (A + p * t) / p)

        return self.mean(lambda p, q: later(p, mpf(0)) - later(p, stop))


class Random:
    """A customer under NBD: she never leaves."""

    def __init__(self, n: Real, A: Real) -> None:
        self.n, self.A = n, A

    def survival(self, h: Real) -> Real:
        """Return the chance to be still a customer after h."""
        return mpf(1)

    def purchases(self, h: Real) -> Real:
        """Return the expected purchases within h."""
        return self.n * h / self.A

    def mass(self, k: int, h: Real) -> Real:
        """Return the chance of so many purchases within h."""
        return negative_binomial(k, self.n, h / self.A)

    def purchase(self, h: Real) -> Real:
        """Return the chance of at least one."""
        return -mp.expm1(-self.n * mp.log1p(h / self.A))

    def discounted(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted purchases from start to stop."""
        return self.n / self.A * discounted_length(rate, start, stop)

    def lifetime(self, rate: Real, stop: Real) -> Real:
        """Return discounted time as a customer up to stop."""
        return discounted_length(rate, mpf(0), stop)


def discounted_length(rate: Real, start: Real, stop: Real) -> Real:
    """Integral of exp(−rate·u)."""
    if rate == 0:
        return stop - start
    return -mp.exp(-rate * start) * mp.expm1(-rate * (stop - start)) / rate


class Regular:
    """A customer alive at T under BG/CNBD-k, with j < k events since her last purchase.

    q^floor(i/k) is a sum over the k-th roots ω of unity of c·(ω q^(1/k))^i: events then have closed forms. The roots
    cancel, so that many digits are carried, and p is not followed below 1e-32.
    """

    def __init__(self, k: int, n: Real, scale: Real, silence: Real, a: Real, b: Real) -> None:
        self.k, self.n, self.scale, self.silence, self.a, self.b = k, n, scale, silence, a, b
        with mp.workdps(100):
            share = silence / scale
            weights = [mpf(1)]
            for j in range(1, k):
                weights.append(weights[-1] * (n + j - 1) / j * share)
            whole = mp.fsum(weights)
            self.weights = [weight / whole for weight in weights]
            self.highest_first = self.weights[::-1]
            self.roots = [mp.expjpi(mpf(2 * m) / k) for m in range(k // 2 + 1)]
        self.times = [1 if 2 * m in (0, k) else 2 for m in range(k // 2 + 1)]  # with its conjugate

    def terms(self, p: Real, q: Real) -> list[tuple[Real, Real]]:
        """Return c and ω q^(1/k) of each root, with weight for its conjugate."""
        near = mp.exp(mp.log(q) / self.k)
        return [
            (t * (1 - 1 / q) / (1 - 1 / (near * root)) / self.k, near * root)
            for root, t in zip(self.roots, self.times, strict=True)
        ]

    def kept(self, p: Real, q: Real) -> tuple[Real, Real]:
        """Return p and 1 − p, not so small that digits are lost."""
        least = mpf(10) ** -32
        return (least, 1 - least) if p < least else (1 - least, least) if q < least else (p, q)

    def stays(self, p: Real, q: Real, h: Real) -> Real:
        """Return the chance to be still a customer after h, given p."""
        total = mpf(0)
        for c, x in self.terms(p, q):
            grown = 1 + h / self.scale * (1 - x)
            total += mp.re(c * mp.exp(-self.n * mp.log(grown)) * mp.polyval(self.highest_first, x / grown))
        return total

    def mean(self, f: Callable[[Real, Real], Real], error: float = 1e-13) -> Real:
        """Return the mean of a function of p and 1 − p."""
        with mp.workdps(100):
            return +mean_over_beta(lambda p, q: f(*self.kept(p, q)), self.a, self.b, error)

    def survival(self, h: Real) -> Real:
        """Return the chance to be still a customer after h."""
        return self.mean(lambda p, q: self.stays(p, q, h))

    def purchases(self, h: Real) -> Real:
        """Return the expected purchases within h."""
        return self.mean(lambda p, q: (1 - self.stays(p, q, h)) / p)

    def mass(self, m: int, h: Real) -> Real:
        """Return the chance of so many purchases within h."""
        a, b, k, g = self.a, self.b, self.k, h / self.scale
        with mp.workdps(80):
            exactly = mp.fsum(
                weight * negative_binomial(i, self.n + j, g)
                for j, weight in enumerate(self.weights)
                for i in range(max(m * k - j, 0), m * k + k - j)
            )
            if not m:
                return +exactly
            tail = mp.fsum(weight * at_least(m * k - j, self.n + j, g) for j, weight in enumerate(self.weights))
            whole = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
            stays = mp.exp(mp.loggamma(a) + mp.loggamma(b + m) - mp.loggamma(a + b + m) - whole)
            leaves = mp.exp(mp.loggamma(a + 1) + mp.loggamma(b + m - 1) - mp.loggamma(a + b + m) - whole)
            return +(stays * exactly + leaves * tail)

    def purchase(self, h: Real) -> Real:
        """Return the chance of at least one."""
        with mp.workdps(80):
            return +mp.fsum(w * at_least(self.k - j, self.n + j, h / self.scale) for j, w in enumerate(self.weights))

    def silent(self, event: Real) -> list[Real]:
        """Return (λ·silence)^j/j! for each j, the highest first."""
        terms = [mpf(1)]
        for j in range(1, self.k):
            terms.append(terms[-1] * event * self.silence / j)
        return terms[::-1]

    def norm(self) -> Real:
        """Return the sum of the weights of the events since the last purchase."""
        share, term, total = self.silence / self.scale, mpf(1), mpf(0)
        for j in range(self.k):
            total += term
            term *= (self.n + j) / (j + 1) * share
        return total

    def discounted(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted purchases from start to stop."""
        if rate == 0:
            if stop == mp.inf:
                if self.a <= 1:
                    return mp.inf
                with mp.workdps(100):
                    return +mean_over_beta(
                        lambda p, q: (self.stays(*self.kept(p, q), start) if p > mpf(10) ** -32 else 1) / p,
                        self.a,
                        self.b,
                    )
            return self.mean(lambda p, q: (self.stays(p, q, start) - self.stays(p, q, stop)) / p)
        if start == 0 and stop == mp.inf:

            def worth(event: Real) -> Real:
                ring = event / (event + rate)
                inner = mp.hyp2f1(1, self.b, self.a + self.b, ring**self.k)  # the mean of 1 / (1 − q φ^k)
                return inner * ring**self.k * mp.polyval(self.silent(event), 1 / ring)

            return mean_over_gamma(worth, self.n, self.scale) / self.norm()

        def worth_between(event: Real) -> Real:
            silent = self.silent(event)

            def own(p: Real, q: Real) -> Real:
                total = mpf(0)
                for c, x in self.terms(p, q):
                    speed = event * (1 - x)
                    pays = speed / (speed + rate) * (mp.exp(-(speed + rate) * start) - mp.exp(-(speed + rate) * stop))
                    total += mp.re(c * pays * mp.polyval(silent, x))
                return total / p

            return mean_over_beta(lambda p, q: own(*self.kept(p, q)), self.a, self.b)

        with mp.workdps(100):
            return +(mean_over_gamma(worth_between, self.n, self.scale) / self.norm())

    def lifetime(self, rate: Real, stop: Real) -> Real:
        """Return discounted time as a customer up to stop."""
        if rate == 0 and stop == mp.inf:
            if not (self.a > 1 and self.n > 1):
                return mp.inf
            each = (self.a + self.b - 1) / (self.a - 1) * self.k
            return mp.fsum(w * (each - j) * self.scale / (self.n + j - 1) for j, w in enumerate(self.weights))

        if stop == mp.inf:  # she leaves at the time τ, and E(exp(−rate·τ)) is a geometric sum again

            def left(event: Real) -> Real:
                ring = event / (event + rate)
                gone = self.a / (self.a + self.b) * mp.hyp2f1(1, self.b, self.a + self.b + 1, ring**self.k)
                weights = self.silent(event)
                return (mp.polyval(weights, mpf(1)) - gone * ring**self.k * mp.polyval(weights, 1 / ring)) / rate

            return mean_over_gamma(left, self.n, self.scale) / self.norm()

        def there(event: Real) -> Real:
            silent = self.silent(event)

            def own(p: Real, q: Real) -> Real:
                total = mpf(0)
                for c, x in self.terms(p, q):
                    leaving = event * (1 - x) + rate
                    ends = 1 - mp.exp(-leaving * stop)
                    total += mp.re(c * ends / leaving * mp.polyval(silent, x))
                return total

            return mean_over_beta(lambda p, q: own(*self.kept(p, q)), self.a, self.b)

        with mp.workdps(100):
            return +(mean_over_gamma(there, self.n, self.scale) / self.norm())


def of_occasions(
    k: int, r: Real, alpha: Real, a: Real, b: Real, x: Real, t_x: Real, T: Real, stays: Real
) -> tuple[Real, Real]:
    """Return the log-likelihood and P(alive) of a customer with so many occasions to leave, the x-th purchase at t_x.

    Her k·x-th event was at t_x; the other purchases are taken as lying at random before.
    """
    n = r + k * x
    bought = log_rise(r, k * x) + r * mp.log(alpha)
    if x > 0:
        bought += ((k - 1) * x * mp.log(t_x) if k > 1 else 0) + mp.loggamma(x) - mp.loggamma(k * x)
    quiet, term = mpf(0), mpf(1)
    for j in range(k):
        quiet += term
        term *= (n + j) / (j + 1) * (T - t_x) / (alpha + T)
    alive = quiet * mp.exp(-n * mp.log(alpha + T) - log_rise(a + b, stays) + log_rise(b, stays))
    left = mpf(0)
    if stays > 0:
        left = a * mp.exp(-n * mp.log(alpha + t_x) + log_rise(b, stays - 1) - log_rise(a + b, stays))
    return bought + mp.log(alive + left), alive / (alive + left)


class Leaving:
    """A customer alive at T who buys at a rate λ ~ Gamma(n, A) and is still there after u with chance exp(−hidden(u)).

    `log_density` is the logarithm of the density of the moment at which she leaves, `end` a time by which she has left
    or, for a power law, infinity; `mean_time` her mean lifetime then.
    """

    def __init__(self, n: Real, A: Real, log_stays: Callable[[Real], Real], log_density: Callable[[Real], Real],
                 end: Real, mean_time: Callable[[Real], Real] | None) -> None:  # fmt: skip
        self.n, self.A, self.log_stays, self.log_density, self.end = n, A, log_stays, log_density, end
        self.mean_time = mean_time

    def survival(self, h: Real) -> Real:
        """Return the chance to be still a customer after h."""
        return mp.exp(self.log_stays(h))

    def purchases(self, h: Real) -> Real:
        """Return the expected purchases within h."""
        return self.n / self.A * self.lifetime(mpf(0), h)

    def bought(self, k: int, u: Real) -> Real:
        """Return the logarithm of the chance of so many purchases before u."""
        n, growth = self.n, u / self.A
        ways = mp.loggamma(n + k) - mp.loggamma(n) - mp.loggamma(k + 1)
        return ways - n * mp.log1p(growth) - (k * mp.log1p(1 / growth) if k else 0)

    def mass(self, k: int, h: Real) -> Real:
        """Return the chance of so many purchases within h."""
        stays = mp.exp(self.bought(k, h) + self.log_stays(h))
        end = min(h, self.end * (1 + mpf(k) / 40)) if self.end < mp.inf else h  # many purchases take long
        return stays + over_time(lambda u: self.bought(k, u) + self.log_density(u), mpf(0), end)

    def purchase(self, h: Real) -> Real:
        """Return the chance of at least one."""
        return over_time(
            lambda u: mp.log(self.n / self.A) - (self.n + 1) * mp.log1p(u / self.A) + self.log_stays(u),
            mpf(0), min(h, self.end),
        )  # fmt: skip

    def discounted(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted purchases from start to stop."""
        return self.n / self.A * self.time(rate, start, stop)

    def lifetime(self, rate: Real, stop: Real) -> Real:
        """Return discounted time as a customer up to stop."""
        return self.time(rate, mpf(0), stop)

    def time(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted time as a customer from start to stop."""
        if rate == 0 and stop == mp.inf and self.mean_time is not None:
            return self.mean_time(start)
        last = min(stop, start + self.end, start + 2 * DEEP / rate if rate > 0 else mp.inf)
        return over_time(lambda u: self.log_stays(u) - rate * u, start, last)


def pareto(n: Real, A: Real, s: Real, B: Real) -> Leaving:
    """Return a customer under Pareto/NBD: her rate of leaving is Gamma(s, B)."""
    return Leaving(
        n, A, lambda u: -s * mp.log1p(u / B), lambda u: mp.log(s / B) - (s + 1) * mp.log1p(u / B), mp.inf,
        lambda u: (B + u) / (s - 1) * mp.exp(-s * mp.log1p(u / B)) if s > 1 else mp.inf,
    )  # fmt: skip


def gompertz(n: Real, A: Real, b: Real, s: Real, B: Real) -> Leaving:
    """Return a customer under Gamma-Gompertz/NBD."""

    def hidden(u: Real) -> Real:
        return mp.log1p(mp.expm1(b * u) / B)

    end = (3 * DEEP / s + abs(mp.log(B)) + 1) / b
    return Leaving(n, A, lambda u: -s * hidden(u), lambda u: mp.log(b * s / B) + b * u - (s + 1) * hidden(u), end, None)


def of_leaving(new: Leaving, r: Real, alpha: Real, x: Real, t_x: Real, T: Real) -> tuple[Real, Real]:
    """Return the log-likelihood and P(alive) of a customer, who left at some z in (t_x, T] or is still there.

    The odds that she left are ∫ density(z) [(α+T)/(α+z)]^(r+x) dz / stays(T).
    """
    stays = new.log_stays(T)
    odds = over_time(lambda z: new.log_density(z) - (r + x) * mp.log((alpha + z) / (alpha + T)) - stays, t_x, T)
    bought = log_rise(r, x) + r * mp.log(alpha) - (r + x) * mp.log(alpha + T)
    return bought + stays + mp.log1p(odds), 1 / (1 + odds)


def log_rise(z: Real, m: Real) -> Real:
    """Return log Γ(z + m) / Γ(z)."""
    if z > mpf(10) ** 60:
        return m * mp.log(z) if m < mpf(10) ** 20 else (z + m) * mp.log(z + m) - z * mp.log(z) - m
    with mp.workdps(mp.dps + 10 + int(float(mp.log10(1 + z + min(m, mpf(10) ** 60))))):
        return mp.loggamma(z + m) - mp.loggamma(z)


class Contract:
    """Leaves at a renewal with chance θ ~ Beta(γ, δ), the same at each: S(t) = B(γ, δ + t) / B(γ, δ)."""

    def __init__(self, gamma: Real, delta: Real) -> None:
        self.gamma, self.delta = gamma, delta

    def periods(self, rate: Real, start: Real, stop: Real) -> Real:
        """Sum of S(k) exp(−rate·k) over k = start, ..., stop − 1."""
        if rate == 0 and stop == mp.inf and start == 0:
            return (self.gamma + self.delta - 1) / (self.gamma - 1) if self.gamma > 1 else mp.inf

        def own(p: Real, q: Real) -> Real:
            log_q = mp.log1p(-p) if p < 0.5 else mp.log(q)
            step = rate - log_q
            ends = mpf(1) if stop == mp.inf else -mp.expm1(-step * (stop - start))
            return mp.exp(-step * start) * ends / -mp.expm1(-step)

        return mean_over_beta(own, self.gamma, self.delta)


class Opportunities:
    """A customer alive at her n-th opportunity under BG/BB."""

    def __init__(self, alpha: Real, beta: Real, gamma: Real, delta: Real) -> None:
        self.alpha, self.beta, self.gamma, self.delta = alpha, beta, gamma, delta
        self.contract = Contract(gamma, delta)
        self.buys = alpha / (alpha + beta)

    def survival(self, h: Real) -> Real:
        """Return the chance to be still a customer after h."""
        return mp.exp(log_rise(self.delta, h) - log_rise(self.gamma + self.delta, h))

    def purchases(self, h: Real) -> Real:
        """Return the expected purchases within h."""
        return self.discounted(mpf(0), mpf(0), h)

    def discounted(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted purchases from start to stop."""
        return self.buys * self.between(rate, start, stop)

    def between(self, rate: Real, start: Real, stop: Real) -> Real:
        """Return discounted opportunities as a customer after start and up to stop."""
        if rate == 0 and stop == mp.inf:
            if self.gamma <= 1:
                return mp.inf
            if start == 0:
                return self.delta / (self.gamma - 1)
        return self.contract.periods(rate, start + 1, stop + 1)

    def lifetime(self, rate: Real, stop: Real) -> Real:
        """Return discounted time as a customer up to stop."""
        return self.between(rate, mpf(0), stop)

    def mass(self, k: int, h: Real) -> Real:
        """Return the chance of so many purchases within h."""
        h = int(float(h))
        if k > h:
            return mpf(0)
        a, b, gamma, delta = self.alpha, self.beta, self.gamma, self.delta
        term = mp.exp(
            log_rise(a, mpf(k)) - log_rise(a + b, mpf(k)) + log_rise(delta, mpf(k)) - log_rise(gamma + delta, mpf(k))
        )  # k purchases at the first k opportunities, and she stays
        total = mpf(0)
        for last in range(k, h):
            total += term * gamma / (gamma + delta + last)
            # one more opportunity, missed; the purchases lie anywhere among them
            term *= mpf(last + 1) / (last + 1 - k) * (b + last - k) / (a + b + last) * (delta + last)
            term /= gamma + delta + last
        return total + term

    def purchase(self, h: Real) -> Real:
        """Return the chance of at least one."""
        a, b, gamma, delta = self.alpha, self.beta, self.gamma, self.delta
        missed, total = mpf(1), mpf(0)
        for i in range(int(float(h))):
            there = missed * (delta + i) / (gamma + delta + i)
            total += there * a / (a + b + i)
            missed = there * (b + i) / (a + b + i)
        return total


def of_opportunities(alpha: Real, beta: Real, gamma: Real, delta: Real, x: Real, t_x: int, T: int) -> tuple[Real, Real]:
    """Return the log-likelihood and P(alive) under BG/BB: the sum over her last opportunity."""
    bought = log_rise(alpha, x) + log_rise(beta, t_x - x) - log_rise(alpha + beta, mpf(t_x))
    term = mp.exp(bought + log_rise(delta, mpf(t_x)) - log_rise(gamma + delta, mpf(t_x)))
    left = mpf(0)
    for n in range(t_x, T):
        left += term * gamma / (gamma + delta + n)
        term *= (beta + n - x) / (alpha + beta + n) * (delta + n) / (gamma + delta + n)
    return mp.log(left + term), term / (left + term)


class Tenured:
    """A contract with any chance to stay, which falls like t^−power in the end if there is one."""

    def __init__(self, log_survival: Callable[[Real], Real], power: Real | None) -> None:
        self.log_survival, self.power = log_survival, power

    def periods(self, tenure: int, rate: Real, stop: Real, first: int = 600) -> Real:
        """Sum of S(n + k)/S(n) (1 + rate)^−k from k = 0: one by one, then Euler and Maclaurin's formula."""
        interest, whole = mp.log1p(rate), self.log_survival(mpf(tenure))

        def log_term(k: Real) -> Real:
            return self.log_survival(tenure + k) - whole - interest * k

        total, k = mpf(0), 0
        while k < min(stop, first):
            term = exp_of(log_term(mpf(k)))
            total += term
            k += 1
            if term < mpf(10) ** -60 * total:
                return total
        if stop <= first:
            return total
        if rate == 0 and stop == mp.inf and self.power is not None and self.power <= 1:
            return mp.inf
        last = stop
        if stop == mp.inf:
            last = mpf(first)
            while log_term(last) + mp.log(last) - mp.log(total) > -DEEP and mp.log(last) < 10**7:
                last = last * last
        grid = [mp.log(mpf(first))]
        step = mpf("0.05")
        while grid[-1] < mp.log(last):
            grid.append(min(grid[-1] + step, mp.log(last)))
            step *= mpf("1.1")
        total += integral(lambda w: w + log_term(mp.exp(w)), grid)
        for place, sign in ((mpf(first), 1), (last, -1)):
            if place == last and stop == mp.inf:
                continue
            slopes = mp.taylor(lambda t: exp_of(log_term(t)), place, 5)
            total += sign * (slopes[0] / 2 - slopes[1] / 12 + 6 * slopes[3] / 720 - 120 * slopes[5] / 30240)
        return total
