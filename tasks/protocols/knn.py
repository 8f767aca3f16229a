"""k nearest neighbours: no training at all, so nothing but the geometry of the features counts."""

from __future__ import annotations

import numpy as np
import torch

from bench.api import Evaluation
from bench.run import Run
from tasks.protocols.accuracy import score_predictions
from tasks.protocols.examples import Examples, standardise

NEIGHBOURS = (1, 5, 10, 20, 50)  # candidates for k
CHUNK = 1024  # queries compared with the training part at a time


def nearest(train: np.ndarray, queries: np.ndarray, k: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Positions in `train` and cosine similarities of each query's k nearest, both (n, k), nearest first."""
    reference = torch.nn.functional.normalize(torch.from_numpy(train).to(device), dim=1)
    found, similar = [], []
    for chunk in torch.from_numpy(queries).to(device).split(CHUNK):
        similarity, position = (torch.nn.functional.normalize(chunk, dim=1) @ reference.T).topk(k, dim=1)
        found.append(position.cpu().numpy())
        similar.append(similarity.cpu().numpy())
    return np.concatenate(found), np.concatenate(similar)


def vote(labels: np.ndarray, similarity: np.ndarray, classes: int) -> np.ndarray:
    """The label most of the neighbours have, each vote weighing 1 + its cosine similarity; unknown labels do not vote.

    `labels`: (n, k) class numbers -> (n,), or (n, k, A) attributes -> (n, A).
    """
    weight = 1 + similarity
    if labels.ndim == 3:
        balance = ((2.0 * labels - 1) * (labels >= 0) * weight[:, :, None]).sum(1)
        return (balance > 0).astype(np.int8)
    votes = np.zeros((len(labels), classes))
    np.add.at(votes, (np.arange(len(labels))[:, None], labels), weight)
    return votes.argmax(1)


def evaluate(train: Examples, val: Examples, test: Examples, names: list[str], run: Run) -> Evaluation:
    """Cosine neighbours of standardised features; k is the one most accurate on validation (the smallest such)."""
    x, x_val, x_test = standardise(train.features, val.features, test.features)
    candidates = [k for k in NEIGHBOURS if k <= len(train)]
    position, similarity = nearest(x, x_val, candidates[-1], run.device)
    accuracies = []
    for k in candidates:
        predicted = vote(train.labels[position[:, :k]], similarity[:, :k], len(names))
        accuracies.append((predicted == val.labels)[val.labels >= 0].mean())
    k = candidates[int(np.argmax(accuracies))]
    run.facts["neighbours"] = k
    position, similarity = nearest(x, x_test, k, run.device)
    return score_predictions(vote(train.labels[position], similarity, len(names)), test, names)
