"""Ward clustering of raw features, scored against the labels (Klinghoffer et al. 2022).

The tree does not depend on the labels: one tree serves every attribute of a data set and every number of clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.api import BadInput, Evaluation, Score
from bench.stats import RATE, pseudo_values, statistic_intervals
from tasks.protocols.examples import Examples

METRICS = ("nmi", "purity", "precision", "recall", "f1", "accuracy")
PERMUTATIONS = 20  # of the labels, for the chance level


def ward_tree(features: np.ndarray) -> np.ndarray:
    """(n, D) -> the (n - 1, 4) linkage matrix of Ward's method, as SciPy defines it.

    Distances come from one matrix product in float64, many times faster than pair by pair. Features are first centred
    on their median, which keeps the product exact for whole numbers, so that ties are broken as without it.
    """
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import squareform

    x = features.astype(np.float64)
    x -= np.median(x, axis=0)
    squares = np.einsum("ij,ij->i", x, x)
    distances = x @ x.T
    distances *= -2
    distances += squares
    distances += squares[:, None]
    np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
    return ward(squareform(distances, checks=False))


def cut(tree: np.ndarray, clusters: int) -> np.ndarray:
    """(n,) cluster numbers 0 ... clusters - 1: the tree with its last merges undone."""
    from scipy.cluster.hierarchy import cut_tree

    return cut_tree(tree, n_clusters=clusters)[:, 0]


def contingency(classes: np.ndarray, clusters: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function from example weights (B, n) to tables (B, K, C): the weight of each class in each cluster."""
    _, row = np.unique(classes, return_inverse=True)
    _, column = np.unique(clusters, return_inverse=True)
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    cells, cell = np.unique(row * shape[1] + column, return_inverse=True)
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(len(cells)))

    def tables(weights: np.ndarray) -> np.ndarray:
        table = np.zeros((len(weights), shape[0] * shape[1]))
        table[:, cells] = np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.float64)
        return table.reshape(len(weights), *shape)

    return tables


def scores(tables: np.ndarray) -> np.ndarray:
    """Contingency tables (B, K classes, C clusters) -> (B, 6), the columns named by `METRICS`, each in [0, 1].

    nmi: see there. purity: the share of examples in their cluster's majority class (WCP). precision,
    recall, f1: of each example's class against its cluster's majority class, weighted by class size; ties go to the
    lowest class, a class no cluster stands for has precision 0. accuracy: under the best one-to-one matching of
    clusters to classes (Hungarian).
    """
    total = tables.sum((1, 2))
    by_class, by_cluster = tables.sum(2), tables.sum(1)
    majority = tables.argmax(1)  # (B, C)
    won = tables.max(1)
    hits, claimed = np.zeros_like(by_class), np.zeros_like(by_class)
    replicate = np.arange(len(tables))[:, None]
    np.add.at(hits, (replicate, majority), won)
    np.add.at(claimed, (replicate, majority), by_cluster)
    precision, recall = _ratio(hits, claimed), _ratio(hits, by_class)
    f1 = _ratio(2 * precision * recall, precision + recall)
    share = by_class / total[:, None]
    weighted = [(share * each).sum(1) for each in (precision, recall, f1)]
    return np.stack([nmi(tables)[:, 0], won.sum(1) / total, *weighted, _matched(tables) / total], 1)


def nmi(tables: np.ndarray) -> np.ndarray:
    """Normalised mutual information 2 I(Y;C) / (H(Y) + H(C)) of contingency tables (B, K, C): (B, 1)."""
    joint = tables / tables.sum((1, 2), keepdims=True)
    entropies = _entropy(joint.sum(2)) + _entropy(joint.sum(1))
    information = entropies - _entropy(joint.reshape(len(joint), -1))
    return _ratio(2 * information, entropies)[:, None]


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(-1)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _matched(tables: np.ndarray) -> np.ndarray:
    """The weight on the best one-to-one matching of each table: (B,)."""
    if tables.shape[1:] == (2, 2):
        straight = tables[:, 0, 0] + tables[:, 1, 1]
        return np.maximum(straight, tables.sum((1, 2)) - straight)
    from scipy.optimize import linear_sum_assignment

    return np.array([table[linear_sum_assignment(table, maximize=True)].sum() for table in tables])


def chance(classes: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(6,): the mean of the scores over random permutations of the labels, cluster sizes kept as they are."""
    rng = np.random.default_rng(0)
    ones = np.ones((1, len(classes)), dtype=np.float32)
    permuted = [scores(contingency(rng.permutation(classes), clusters)(ones))[0] for _ in range(PERMUTATIONS)]
    return np.mean(permuted, axis=0)


def evaluate(test: Examples) -> Evaluation:
    """Cluster the test part into as many clusters as there are classes (attributes: two each) and score it.

    Attributes are scored one by one on the same two clusters and averaged; the main score is NMI.
    """
    tree = ward_tree(test.features)
    columns = test.labels.T if test.labels.ndim == 2 else test.labels[None]
    clusters = cut(tree, 2 if test.labels.ndim == 2 else len(np.unique(test.labels)))
    known = [labels >= 0 for labels in columns]
    varied = [i for i, labels in enumerate(columns) if len(np.unique(labels[known[i]])) > 1]
    if not varied:
        raise BadInput("clustering needs test images of two classes at least, these are all of one")
    parts = [(known[i], contingency(columns[i][known[i]], clusters[known[i]])) for i in varied]

    def averaged(metrics: Callable[[np.ndarray], np.ndarray], weights: np.ndarray) -> np.ndarray:
        return np.mean([metrics(tables(weights[:, mask])) for mask, tables in parts], axis=0)

    intervals = statistic_intervals(partial(averaged, scores), test.groups, bounds=RATE)
    by_chance = np.mean([chance(columns[i][known[i]], clusters[known[i]]) for i in varied], axis=0)
    found = [
        Score(name, each.value, len(test), main=name == "nmi", low=each.low, high=each.high, chance=float(by_chance[i]))
        for i, (name, each) in enumerate(zip(METRICS, intervals, strict=True))
    ]
    share = pseudo_values(partial(averaged, nmi), len(test))[:, 0]
    outcomes = {"example": test.rows, "group": test.groups, "main": share, "label": test.labels}
    return Evaluation(found, outcomes | {"cluster": clusters.astype(np.int64)})
