"""Does each feature block know its own scene parameter alone? The leakage matrix.

A held-out linear regressor predicts every group of true factors from every block by itself. In a disentangled
representation the depth block predicts shape and nothing else, the albedo block albedo, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.api import DataSet, Encoder, Score
from bench.run import Run
from bench.stats import statistic_intervals
from tasks.protocols import regression

OWN = {"depth": "shape", "albedo": "albedo", "light": "light", "view": "view"}  # block -> its factor group


@dataclass(frozen=True)
class Leakage:
    """`matrix[i, j]`: R^2 in [0, 1] of predicting group `factors[j]` from `blocks[i]` on the test rows."""

    blocks: tuple[str, ...]
    factors: tuple[str, ...]
    matrix: np.ndarray
    scores: list[Score]  # "disentanglement", and one "leakage:block>factor" for each entry

    @property
    def disentanglement(self) -> float:
        """Own-factor score minus the mean score on the other factors, mean over blocks."""
        return float(_contrast(self.matrix))


def has_blocks(encoder: Encoder, data: DataSet, run: Run) -> bool:
    """Whether the encoder gives the four blocks, and the data set knows what they should hold."""
    if any(factor not in data.labels for factor in OWN.values()):
        return False
    return set(OWN) <= set(run.blocks(encoder, data.subset(np.arange(1))))


def evaluate(
    encoder: Encoder, data: DataSet, train: np.ndarray, val: np.ndarray, test: np.ndarray, groups: np.ndarray, run: Run
) -> Leakage:
    """The matrix of blocks against factor groups, with intervals; `groups` (n,) numbers the dependent test examples.

    Regressors are fitted on the train rows, their strength is chosen on the val rows. A factor that is predicted worse
    than by its mean counts as 0.
    """
    blocks = [run.blocks(encoder, data.subset(rows)) for rows in (train, val, test)]
    columns = {name: data.labels[name].astype(np.float64) for name in OWN.values()}
    columns = {name: column[:, column[train].std(0) > 1e-6] for name, column in columns.items()}
    member = np.repeat(np.arange(len(columns)), [column.shape[1] for column in columns.values()])
    factors = np.concatenate(list(columns.values()), axis=1)
    y, y_val, truth = (factors[rows] for rows in (train, val, test))
    squares = np.stack(
        [
            (regression.fit_predict(blocks[0][name], y, blocks[1][name], y_val, blocks[2][name], run) - truth) ** 2
            for name in OWN
        ]
    )  # (blocks, n, F)
    mixing = np.eye(len(columns))[member] / np.bincount(member)[member, None]  # (F, groups): means within groups

    def matrices(weights: np.ndarray) -> np.ndarray:
        """(R, n) example weights -> (R, 1 + 16): disentanglement, then the matrix row by row."""
        w = weights.astype(np.float64) / weights.sum(1, keepdims=True)
        variance = np.maximum(w @ truth**2 - (w @ truth) ** 2, 1e-12)
        share = np.maximum(1 - np.einsum("rn,bnf->brf", w, squares) / variance, 0) @ mixing
        table = share.transpose(1, 0, 2)
        return np.column_stack([_contrast(table), table.reshape(len(w), -1)])

    names = ["disentanglement", *(f"leakage:{block}>{factor}" for block in OWN for factor in columns)]
    intervals = statistic_intervals(matrices, groups)
    scores = [Score(n, i.value, len(test), low=i.low, high=i.high) for n, i in zip(names, intervals, strict=True)]
    matrix = np.array([i.value for i in intervals[1:]]).reshape(len(OWN), len(columns))
    return Leakage(tuple(OWN), tuple(columns), matrix, scores)


def _contrast(matrix: np.ndarray) -> np.ndarray:
    """(..., k, k) -> (...): mean of the diagonal minus mean of the rest."""
    k = matrix.shape[-1]
    own = np.trace(matrix, axis1=-2, axis2=-1)
    return own / k - (matrix.sum((-2, -1)) - own) / (k * (k - 1))
