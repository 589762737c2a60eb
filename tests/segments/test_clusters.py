"""Clusters: groups that are there are found again, and neither row order, ids nor engine move them."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from crmvalue.errors import InputError, MissingExtraError
from crmvalue.segmentation import cluster_customers
from tests.conftest import to_pandas

FEATURES = ["purchases", "total_spend"]


def three_groups(n=60, seed=0):
    """Customers of three kinds, far apart after the logarithm."""
    rng = np.random.default_rng(seed)
    kind = np.repeat([0, 1, 2], n)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k:03}" for k in range(3 * n)],
            "purchases": np.round(np.exp(rng.normal([1.0, 3.0, 5.0], 0.15, (n, 3)).T.ravel())),
            "total_spend": np.round(np.exp(rng.normal([7.0, 2.0, 4.5], 0.2, (n, 3)).T.ravel()), 2),
        }
    )
    return frame, kind


@pytest.mark.parametrize("method", ["k-means", "gaussian mixture"])
def test_three_groups_that_are_there_are_found_and_are_stable(method):
    frame, kind = three_groups()
    clusters = cluster_customers(frame, features=FEATURES, method=method, max_clusters=5, n_bootstrap=5, rng=1)
    assert clusters.n_clusters == 3
    assert clusters.criterion == {"k-means": "silhouette", "gaussian mixture": "BIC"}[method]
    assert adjusted_rand_score(kind, clusters.frame["cluster"]) > 0.99
    assert clusters.stability > 0.98
    assert clusters.criterion_table["n_clusters"].tolist() == [2, 3, 4, 5]
    best = clusters.criterion_table["criterion"]
    assert (best.idxmax() if method == "k-means" else best.idxmin()) == 1


def test_a_cloud_without_groups_is_less_stable_than_groups_are():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"customer_id": range(300), "purchases": 1.0, "total_spend": 1.0})
    frame[FEATURES] = np.exp(rng.normal(3, 1, (300, 2)))
    clusters = cluster_customers(frame, features=FEATURES, n_clusters=6, n_bootstrap=8, rng=1)
    assert clusters.criterion == "given"
    assert clusters.stability < 0.9
    assert clusters.stability == pytest.approx(clusters.stability_draws.mean())


def test_clusters_are_numbered_by_the_last_feature_and_told_in_words():
    frame, _ = three_groups()
    clusters = cluster_customers(frame, features=FEATURES, n_clusters=3, n_bootstrap=2, rng=1)
    table = clusters.table
    assert table["cluster"].tolist() == [1, 2, 3]
    assert table["mean_total_spend"].is_monotonic_decreasing
    assert table["customers"].tolist() == [60, 60, 60]
    assert table["customers"].sum() == clusters.n_customers
    assert table["profile"].tolist()[0] == "few purchases, high spend"
    means = clusters.frame.groupby("cluster")[FEATURES].mean()
    assert table["mean_purchases"].tolist() == pytest.approx(means["purchases"].tolist())


def test_row_order_and_id_type_do_not_move_a_cluster():
    frame, _ = three_groups()
    before = cluster_customers(frame, features=FEATURES, n_clusters=4, n_bootstrap=2, rng=5)
    order = np.random.default_rng(1).permutation(len(frame))
    shuffled = frame.assign(customer_id=np.arange(len(frame))).iloc[order]
    after = cluster_customers(shuffled, features=FEATURES, n_clusters=4, n_bootstrap=2, rng=5)
    assert after.frame["cluster"].tolist() == before.frame["cluster"].iloc[order].tolist()
    assert after.stability == before.stability


def test_every_engine_gives_the_same_clusters(as_engine):
    frame, _ = three_groups(n=15)
    native = as_engine(frame)
    found, wanted = (
        cluster_customers(source, features=FEATURES, n_clusters=3, n_bootstrap=2, rng=3) for source in (native, frame)
    )
    assert type(found.frame) is type(found.table) is type(found.criterion_table) is type(native)
    rows = to_pandas(found.frame).sort_values("customer_id")
    assert rows["cluster"].tolist() == wanted.frame["cluster"].tolist()
    assert found.stability == wanted.stability
    assert to_pandas(found.table)["profile"].tolist() == wanted.table["profile"].tolist()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "dbscan"}, "method: got 'dbscan'"),
        ({"n_clusters": 1}, "n_clusters: got 1. Pass an integer of at least 2"),
        ({"max_clusters": 2.5}, "max_clusters: got 2.5"),
        ({"n_bootstrap": 0}, "n_bootstrap: got 0"),
        ({"features": []}, "features: got"),
        ({"features": ["customer_id"]}, "features: got"),
        ({"features": ["spend"]}, "column 'spend' is missing"),
        ({"features": ["purchases"]}, "purchases: the same for all customers"),
        ({"features": ["total_spend"], "n_clusters": 4}, "there are 3 different ones, too few for 4 clusters"),
    ],
)
def test_clusters_that_cannot_be_are_refused(options, text):
    frame = pd.DataFrame({"customer_id": range(6), "purchases": 2, "total_spend": [1.0, 1.0, 5.0, 5.0, 9.0, 9.0]})
    with pytest.raises(InputError, match=text):
        cluster_customers(frame, rng=0, **{"features": ["total_spend"], **options})


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'crmvalue\[cluster\]'"):
        cluster_customers(three_groups()[0], rng=0)


@pytest.mark.parametrize("rng", [None, True, 1.5, "one"])
def test_chance_without_a_seed_is_refused(rng):
    with pytest.raises(InputError, match=r"^rng: got .*\. Pass a whole number, or a generator such as"):
        cluster_customers(three_groups()[0], rng=rng)
