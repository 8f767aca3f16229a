"""Verification: are these two images of the same person? Decided by the distance of their features alone."""

from __future__ import annotations

import numpy as np

from bench.api import BadInput, Evaluation, Score
from bench.stats import RATE, pseudo_values, statistic_intervals
from tasks.protocols.examples import Examples, standardise

PAIRS = 20_000  # of the same and of different people, at most, each
FALSE_ACCEPTS = 0.01
SAMPLES = 300  # bootstrap replicates: each goes through all pairs


def evaluate(train: Examples, test: Examples) -> Evaluation:
    """ROC-AUC (main) and the true accept rate at 1 % false accepts, over pairs of test images.

    Similarity is the cosine of features standardised by the training part (whose labels are not used).
    """
    x = standardise(train.features, test.features)[1]
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    first, second = draw_pairs(test.labels)
    similarity = np.einsum("ij,ij->i", x[first], x[second])
    order = np.argsort(similarity, kind="stable")[::-1]
    first, second, similarity = first[order], second[order], similarity[order]
    same = test.labels[first] == test.labels[second]
    people, person = np.unique(test.labels, return_inverse=True)

    def rates(weights: np.ndarray) -> np.ndarray:
        """`weights` (B, people): one person's pair counts once a copy, two people's pair once a pair of copies."""
        pair = weights[:, person[first]] * np.where(same, 1, weights[:, person[second]])
        return np.stack(_rates(pair, same, similarity), axis=1)

    auc, accepted = statistic_intervals(rates, np.arange(len(people)), samples=SAMPLES, bounds=RATE)
    n = len(similarity)
    found = [
        Score("roc_auc", auc.value, n, main=True, low=auc.low, high=auc.high, chance=0.5),
        Score("tar@far=1%", accepted.value, n, low=accepted.low, high=accepted.high, chance=FALSE_ACCEPTS),
    ]
    outcomes = {
        "example": test.rows[np.unique(person, return_index=True)[1]],  # a person's first image stands for the person
        "group": people,
        "main": pseudo_values(rates, len(people))[:, 0],
    }
    return Evaluation(
        found,
        outcomes | {"pair": np.stack([test.rows[first], test.rows[second]], 1), "same": same, "similarity": similarity},
    )


def draw_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all pairs, or of `PAIRS` of each kind where there are more: the same for every method and seed."""
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(len(labels), 1)
    same = labels[first] == labels[second]
    if same.all() or not same.any():
        raise BadInput("verification needs pairs of the same and of different people in the test part")
    kept = [np.flatnonzero(same == kind) for kind in (True, False)]
    kept = [rng.permutation(pairs)[:PAIRS] for pairs in kept]
    chosen = np.sort(np.concatenate(kept))
    return first[chosen], second[chosen]


def _rates(weights: np.ndarray, same: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ROC-AUC, true accept rate at 1 % false accepts), each (B,), of pairs (B, n) sorted from most to least similar.

    Pairs of equal similarity are accepted together: the curve runs straight through them.
    """
    accepts, false = np.cumsum(weights * same, axis=1), np.cumsum(weights * ~same, axis=1)
    last = np.append(similarity[1:] != similarity[:-1], True)
    start = np.zeros((len(weights), 1))
    accepts, false = np.hstack([start, accepts[:, last]]), np.hstack([start, false[:, last]])
    accepts, false = accepts / np.maximum(accepts[:, -1:], 1e-12), false / np.maximum(false[:, -1:], 1e-12)
    auc = np.trapezoid(accepts, false, axis=1)
    at = [np.interp(FALSE_ACCEPTS, f, t) for f, t in zip(false, accepts, strict=True)]
    return auc, np.array(at)
