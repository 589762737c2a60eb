"""Groups of points: the space in which customers are compared, fits of scikit-learn, criteria and stability."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from crmvalue._core.types import Array, IntArray
from crmvalue.errors import InputError, MissingExtraError

ClusterMethod: TypeAlias = Literal["k-means", "gaussian mixture"]

MOST_COMPARED = 3_000  # customers for the silhouette, which compares all pairs
NARROWEST = 0.1  # standard deviations of a mixture's groups: else each count, such as one purchase, is a group
STARTS = 5  # of each fit; the best counts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """Features drawn in, less their mean, over their standard deviation."""

    names: tuple[str, ...]
    centre: Array  # shape (features,)
    scale: Array  # shape (features,)

    def points(self, values: Array) -> Array:
        """Return customers as points of the space, shape (n, features)."""
        scaled: Array = (drawn_in(values) - self.centre) / self.scale
        return scaled


def space_of(values: Array, counts: IntArray, names: tuple[str, ...]) -> Space:
    """Return the space in which all customers have mean 0 and standard deviation 1 in each feature."""
    near = drawn_in(values)
    centre = np.average(near, axis=0, weights=counts)
    scale = np.sqrt(np.average((near - centre) ** 2, axis=0, weights=counts))
    for name, spread in zip(names, scale, strict=True):
        if not spread > 1e-12:
            raise InputError(f"{name}: the same for all customers. Leave it out of `features`.")
    return Space(names=names, centre=centre, scale=scale)


def drawn_in(values: Array) -> Array:
    """Signed logarithm: the few very large values do not decide alone."""
    near: Array = np.sign(values) * np.log1p(np.abs(values))
    return near


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Clusters found."""

    model: Any  # of scikit-learn
    k: int  # number of clusters


def best_fit(points: Array, numbers: Sequence[int], method: ClusterMethod, seed: int) -> tuple[Fit, dict[int, float]]:
    """Return the clusters of the best number, and the criterion of each number tried."""
    n_distinct = len(np.unique(points, axis=0))
    if n_distinct < numbers[0]:
        raise InputError(
            f"customers: there are {n_distinct} different ones, too few for {numbers[0]} clusters. Pass fewer clusters."
        )
    fits = {k: fitted(points, k, method, seed) for k in numbers if k <= n_distinct}
    tried = {k: criterion_of(fit, points, method, seed) for k, fit in fits.items()}
    best = min(tried, key=lambda k: (tried[k] if method == "gaussian mixture" else -tried[k], k))
    return Fit(model=fits[best], k=best), tried


def fitted(points: Array, k: int, method: ClusterMethod, seed: int) -> Any:
    """Return a fit of scikit-learn."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    model = (
        KMeans(n_clusters=k, n_init=STARTS, random_state=seed)
        if method == "k-means"
        else GaussianMixture(n_components=k, n_init=STARTS, random_state=seed, reg_covar=NARROWEST**2, max_iter=300)
    )
    with warnings.catch_warnings():  # a sample may hold fewer distinct customers than clusters: the index then is low
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(points)


def criterion_of(fit: Any, points: Array, method: ClusterMethod, seed: int) -> float:
    """Mean silhouette of k-means, BIC of a mixture."""
    if method == "gaussian mixture":
        return float(fit.bic(points))
    from sklearn.metrics import silhouette_score

    labels = fit.predict(points)
    step = max(1, math.ceil(len(points) / MOST_COMPARED))
    at = np.random.default_rng(seed).permutation(len(points))[::step]
    if not 2 <= len(np.unique(labels[at])) < len(at):
        return -1.0  # a cluster for each customer says nothing
    return float(silhouette_score(points[at], labels[at]))


def stability_of(
    fit: Any, points: Array, k: int, method: ClusterMethod, n_draws: int, source: np.random.Generator
) -> Array:
    """Return the adjusted Rand index of the clusters found on each bootstrap sample, with those found on all."""
    from sklearn.metrics import adjusted_rand_score

    labels, draws = fit.predict(points), np.empty(n_draws)
    for draw in range(n_draws):
        sample = points[source.integers(len(points), size=len(points))]
        again = fitted(sample, k, method, int(source.integers(2**31)))
        draws[draw] = adjusted_rand_score(labels, again.predict(points))
    draws.flags.writeable = False
    return draws


def rank_of_clusters(fit: Any, points: Array, k: int) -> IntArray:
    """Return the number, from 1, of each label: highest mean of the last feature first, an empty one last."""
    labels = fit.predict(points)
    means = means_of(points, np.ones(len(points), dtype=np.int64), labels + 1, k)[:, -1]
    order = np.argsort(np.where(np.isnan(means), math.inf, -means), kind="stable")
    number = np.empty(k, dtype=np.int64)
    number[order] = np.arange(1, k + 1)
    return number


def means_of(values: Array, counts: IntArray, cluster: IntArray, k: int) -> Array:
    """Mean of each column in clusters 1 to k, shape (k, columns); missing in an empty one."""
    members = np.bincount(cluster, weights=counts, minlength=k + 1)[1:]
    sums = [np.bincount(cluster, weights=column * counts, minlength=k + 1)[1:] for column in values.T]
    return np.column_stack(sums) / np.where(members > 0, members, math.nan)[:, None]


def require_sklearn() -> None:
    """Raise MissingExtraError unless scikit-learn can be imported."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "scikit-learn: is not installed, and clusters need it. Run: pip install 'crmvalue[cluster]'"
        ) from error
