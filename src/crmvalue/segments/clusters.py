"""Groups that the data suggest: k-means or a Gaussian mixture, with a stated criterion and a test of stability.

Values are drawn in (signed logarithm) and standardized, so that no measure counts for more than another. Customers are
sorted by their values first, so that neither the order of rows nor the engine moves a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmvalue._core.checks import require_option
from crmvalue._core.frames import compute_columns, distinct_rows, like, to_native
from crmvalue._core.plain import as_dict, as_pandas
from crmvalue._core.show import result_html, result_text
from crmvalue._core.types import AnyArray, Array, Frame, IntArray
from crmvalue.data.summary import CustomerSummary
from crmvalue.errors import InputError
from crmvalue.segments.customers import as_number, check_numbers, open_customers
from crmvalue.segments.partition import (
    ClusterMethod,
    Space,
    best_fit,
    means_of,
    rank_of_clusters,
    require_sklearn,
    space_of,
    stability_of,
)
from crmvalue.segments.thresholds import MEASURES

MOST_FITTED = 20_000  # customers from whom clusters are learnt; all are then assigned
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

    to_frame = as_pandas
    to_dict = as_dict
    __repr__ = result_text
    _repr_html_ = to_html = result_html


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
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer, np.random.Generator)):
        raise InputError(f"rng: got {rng!r}. Pass a whole number, or a generator such as numpy.random.default_rng(1).")
    source = np.random.default_rng(rng)

    frame, values, counts = open_features(customers, names)
    space = space_of(values, counts, names)
    points = np.repeat(space.points(values), counts, axis=0)
    n = len(points)
    if n > MOST_FITTED:
        points = points[np.sort(source.choice(n, MOST_FITTED, replace=False))]
    fit, tried = best_fit(points, numbers, method, int(source.integers(2**31)))
    best = fit.k
    draws = stability_of(fit.model, points, best, method, n_draws, source)
    number = rank_of_clusters(fit.model, points, best)

    def assign(*columns: AnyArray) -> dict[str, AnyArray]:
        """Return the cluster of each row."""
        rows = np.column_stack([np.asarray(column, dtype=float) for column in columns])
        return {"cluster": number[fit.model.predict(space.points(rows))].astype(np.int64)}

    in_cluster = number[fit.model.predict(space.points(values))]
    tables = profile_columns(space, values, counts, in_cluster, best)
    criterion = {"n_clusters": np.array(list(tried)), "criterion": np.array(list(tried.values()))}
    return CustomerClusters(
        frame=to_native(compute_columns(frame, names, assign)),
        table=like(tables, frame),
        criterion_table=like(criterion, frame),
        method=method,
        features=names,
        n_clusters=best,
        criterion="given" if wanted is not None else "silhouette" if method == "k-means" else "BIC",
        stability=float(draws.mean()),
        stability_draws=draws,
        n_customers=n,
        n_fitted=len(points),
    )


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


def profile_columns(space: Space, values: Array, counts: IntArray, in_cluster: IntArray, k: int) -> dict[str, AnyArray]:
    """Columns of what the clusters are, from distinct customers and how many there are of each."""
    members = np.bincount(in_cluster, weights=counts, minlength=k + 1)[1:]
    means = means_of(values, counts, in_cluster, k)
    scaled = means_of(space.points(values), counts, in_cluster, k)
    return {
        "cluster": np.arange(1, k + 1),
        "customers": members.astype(np.int64),
        "customer_share": members / members.sum(),
        **{f"mean_{name}": means[:, column] for column, name in enumerate(space.names)},
        "profile": np.array([in_words(row, space.names) for row in scaled], dtype=object),
    }


def in_words(means: Array, names: Sequence[str]) -> str:
    """Return a cluster in words, from its means in standard deviations."""
    if np.isnan(means).any():
        return "nobody"
    level = [sum(mean < step for step in STEPS) for mean in means]
    words = [PLAIN_WORDS.get(name, WORDS)[at].format(name) for at, name in zip(level, names, strict=True)]
    return ", ".join(words)
