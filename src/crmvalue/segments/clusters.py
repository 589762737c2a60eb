"""Groups that the data suggest: k-means or a Gaussian mixture, with a stated criterion and a test of stability.

Values are drawn in (signed logarithm) and standardized, so that no measure counts for more than another. Customers are
sorted by their values first, so that neither the order of rows nor the engine moves a cluster.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.frames import compute_columns, distinct_rows, like, to_native
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError, MissingExtraError
from crmvalue.segments.customers import as_number, check_numbers, open_customers
from crmvalue.segments.thresholds import MEASURES

ClusterMethod: TypeAlias = Literal["k-means", "gaussian mixture"]

MOST_FITTED = 20_000  # customers from whom clusters are learnt; all are then assigned
MOST_COMPARED = 3_000  # customers for the silhouette, which compares all pairs
NARROWEST = 0.1  # standard deviations of a mixture's groups: else each count, such as one purchase, is a group
STARTS = 5  # of each fit; the best counts
STEPS = (1.25, 0.5, -0.5, -1.25)  # standard deviations from the mean of all customers at which the words change
WORDS = ("very high {}", "high {}", "average {}", "low {}", "very low {}")
PLAIN_WORDS = {
    "days_since_last": (
        "bought very long ago",
        "bought long ago",
        "bought some time ago",
        "bought lately",
        "bought very lately",
    ),
    "purchases": ("very many purchases", "many purchases", "average purchases", "few purchases", "very few purchases"),
    "total_spend": ("very high spend", "high spend", "average spend", "low spend", "very low spend"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerClusters:
    """Each customer with a cluster, and what the clusters are; frames in the engine of the customers.

    Columns of `frame`, one row a customer: customer_id; the features; cluster (1, 2, ..., in falling order of the mean
    of the last feature). Columns of `table`, one row a cluster: cluster; customers; customer_share; the mean of each
    feature; profile (in words). Columns of `criterion_table`, one row a number of clusters tried: n_clusters and
    criterion.
    """

    frame: Frame
    table: Frame
    criterion_table: Frame
    method: ClusterMethod
    features: tuple[str, ...]
    n_clusters: int
    criterion: str  # what chose the number: "silhouette" (highest), "BIC" (lowest), or "given"
    stability: float  # mean adjusted Rand index over `stability_draws`: 1 is the same clusters each time, 0 is chance
    stability_draws: Array  # index of the clusters of each bootstrap sample against those here, shape (n_bootstrap,)
    n_customers: int
    n_fitted: int  # customers from whom the clusters were learnt

    __repr__ = result_text
    _repr_html_ = result_html


def cluster_customers(
    customers: CustomerSummary | Frame,
    *,
    rng: np.random.Generator | int,
    features: Sequence[str] = tuple(MEASURES.values()),
    method: ClusterMethod = "k-means",
    n_clusters: int | None = None,
    max_clusters: int = 8,
    n_bootstrap: int = 20,
) -> CustomerClusters:
    r"""Find groups of customers who are alike in several features, and say how far they can be trusted.

    Parameters
    ----------
    customers : CustomerSummary or frame
        One row a customer: customer_id and the features.
    rng : Generator or int
        Source of randomness, or its seed: the same seed gives the same clusters.
    features : sequence of str
        Numeric columns in which customers are compared; name the one that matters most last.
    method : {"k-means", "gaussian mixture"}
        Round groups of similar width, or groups that may be long, slanted and of different width.
    n_clusters : int, optional
        Number of clusters. If not given: of 2 to `max_clusters`, the one with the highest mean silhouette (k-means) or
        the lowest BIC (mixture).
    max_clusters : int
        Most clusters to try.
    n_bootstrap : int
        Samples, drawn with replacement, on which the clusters are found anew to see whether they come back.

    Returns
    -------
    CustomerClusters
        The cluster of each customer, a profile in words, the criterion of each number tried, and the stability.

    Raises
    ------
    InputError
        If a feature is missing, not finite or the same for all, there are fewer distinct customers than clusters, or
        an option is out of range.
    MissingExtraError
        If scikit-learn is not installed.

    Notes
    -----
    A feature x becomes :math:`\mathrm{sign}(x) \log(1 + |x|)`, less its mean, over its standard deviation. Learnt from
    at most 20,000 customers drawn at random; all are assigned. scikit-learn works in memory: of a lazy frame, each
    distinct row of the features is read into Python, once; the ids stay where they are. A mixture's groups are at least
    a tenth of a standard deviation wide. The adjusted Rand index is 1 if two clusterings agree on every pair of
    customers, and 0 on average if they agree by chance alone. A low one says that the clusters would be others with
    other customers of the same kind; a high one alone does not prove that there are groups, since a cloud can be cut
    the same way twice. In words, a feature is high from half a standard deviation above the mean of all customers, very
    high from one and a quarter.

    References
    ----------
    Hubert & Arabie (1985) "Comparing partitions", Journal of Classification 2, https://doi.org/10.1007/BF01908075

    Rousseeuw (1987) "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", Journal of
    Computational and Applied Mathematics 20, https://doi.org/10.1016/0377-0427(87)90125-7

    Examples
    --------
    >>> import pandas as pd
    >>> summary = pd.DataFrame({"customer_id": list("abcdef"), "purchases": [1, 1, 2, 40, 45, 50],
    ...                         "total_spend": [9.0, 10.0, 20.0, 900.0, 950.0, 990.0]})
    >>> clusters = cluster_customers(summary, features=["purchases", "total_spend"], n_clusters=2, rng=1)
    >>> clusters.frame["cluster"].tolist()
    [2, 2, 2, 1, 1, 1]
    >>> clusters.table["profile"].tolist()
    ['many purchases, high spend', 'few purchases, low spend']
    """
    require_sklearn()
    names = check_features(features)
    require_option("method", method, ("k-means", "gaussian mixture"))
    wanted = None if n_clusters is None else check_count("n_clusters", n_clusters, least=2)
    numbers = range(2, check_count("max_clusters", max_clusters, least=2) + 1) if wanted is None else [wanted]
    n_draws = check_count("n_bootstrap", n_bootstrap, least=1)
    source = np.random.default_rng(rng)

    frame, values, counts = open_features(customers, names)
    centre, scale = centre_and_scale(drawn_in(values), counts, names)
    points = np.repeat((drawn_in(values) - centre) / scale, counts, axis=0)
    n = len(points)
    if n > MOST_FITTED:
        points = points[np.sort(source.choice(n, MOST_FITTED, replace=False))]
    n_distinct = len(np.unique(points, axis=0))
    if n_distinct < numbers[0]:
        raise InputError(
            f"customers: there are {n_distinct} different ones, too few for {numbers[0]} clusters. Pass fewer clusters."
        )
    seed = int(source.integers(2**31))
    fits = {k: fitted(points, k, method, seed) for k in numbers if k <= n_distinct}
    tried = {k: criterion_of(fit, points, method, seed) for k, fit in fits.items()}
    best = min(tried, key=lambda k: (tried[k] if method == "gaussian mixture" else -tried[k], k))
    draws = stability_of(fits[best], points, best, method, n_draws, source)

    number = rank_of_clusters(fits[best], points, best)
    in_cluster = number[fits[best].predict((drawn_in(values) - centre) / scale)]
    members = np.bincount(in_cluster, weights=counts, minlength=best + 1)[1:]
    scaled = means_of((drawn_in(values) - centre) / scale, counts, in_cluster, best)
    means = means_of(values, counts, in_cluster, best)

    def assign(*columns: AnyArray) -> dict[str, AnyArray]:
        """Return the cluster of each row."""
        rows = np.column_stack([np.asarray(column, dtype=float) for column in columns])
        return {"cluster": number[fits[best].predict((drawn_in(rows) - centre) / scale)].astype(np.int64)}

    table = {
        "cluster": np.arange(1, best + 1),
        "customers": members.astype(np.int64),
        "customer_share": members / n,
        **{f"mean_{name}": means[:, column] for column, name in enumerate(names)},
        "profile": np.array([in_words(row, names) for row in scaled], dtype=object),
    }
    return CustomerClusters(
        frame=to_native(compute_columns(frame, names, assign)),
        table=like(table, frame),
        criterion_table=like({"n_clusters": np.array(list(tried)), "criterion": np.array(list(tried.values()))}, frame),
        method=method,
        features=names,
        n_clusters=best,
        criterion="given" if wanted is not None else "silhouette" if method == "k-means" else "BIC",
        stability=float(draws.mean()),
        stability_draws=draws,
        n_customers=n,
        n_fitted=len(points),
    )


def require_sklearn() -> None:
    """Raise MissingExtraError unless scikit-learn can be imported."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "scikit-learn: is not installed, and clusters need it. Run: pip install 'crmvalue[cluster]'"
        ) from error


def check_features(features: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the features, each once."""
    names = (features,) if isinstance(features, str) else tuple(features)
    if not names or len(set(names)) < len(names) or {"customer_id", "cluster"} & set(names):
        raise InputError(f"features: got {features!r}. Name at least one numeric column, each once, and not the id.")
    return names


def check_count(argument: str, value: Any, *, least: int) -> int:
    """Return a whole number that is not too small, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{argument}: got {value!r}. Pass an integer of at least {least}.")
    return int(value)


def open_features(customers: CustomerSummary | Frame, names: tuple[str, ...]) -> tuple[Any, Array, IntArray]:
    """Return id and features, the distinct rows of the features, sorted, and how many customers have each."""
    native = customers.frame if isinstance(customers, CustomerSummary) else customers
    frame = open_customers(native, argument="customers", needs=names)
    check_numbers(frame, names, argument="customers")
    frame = frame.select("customer_id", *(as_number(name) for name in names))
    rows, counts = distinct_rows(frame, names)
    return frame, np.column_stack([rows[name] for name in names]).astype(float), counts


def drawn_in(values: Array) -> Array:
    """Signed logarithm: the few very large values do not decide alone."""
    near: Array = np.sign(values) * np.log1p(np.abs(values))
    return near


def centre_and_scale(points: Array, counts: IntArray, names: Sequence[str]) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature over all customers."""
    centre = np.average(points, axis=0, weights=counts)
    scale = np.sqrt(np.average((points - centre) ** 2, axis=0, weights=counts))
    for name, spread in zip(names, scale, strict=True):
        if not spread > 1e-12:
            raise InputError(f"{name}: the same for all customers. Leave it out of `features`.")
    return centre, scale


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


def in_words(means: Array, names: Sequence[str]) -> str:
    """Return a cluster in words, from its means in standard deviations."""
    if np.isnan(means).any():
        return "nobody"
    level = [sum(mean < step for step in STEPS) for mean in means]
    words = [PLAIN_WORDS.get(name, WORDS)[at].format(name) for at, name in zip(level, names, strict=True)]
    return ", ".join(words)
