"""Scene parameters: the physics behind the picture, read from frozen features, and how well they are kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.api import BadInput, DataSet, Domain, Encoder, Evaluation, Score, Task
from bench.run import Run
from bench.stats import mean_intervals
from tasks.protocols import disentanglement, leakage, physical, regression
from tasks.protocols.examples import group_numbers, part_rows

MOST_FEATURES = 2048  # of more, DCI and MIG are not asked: pixels and the like, slow and no candidates for factors
FACTORS = ("shape", "albedo", "expression", "light", "view")


@dataclass(frozen=True)
class SceneParameters(Task):
    """Shape, albedo, expression, light and view regressed from the features; disentanglement (DCI, MIG)."""

    dataset: str = "synfaces"
    max_examples: int = 6000

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        """R^2 on held-out scenes of a linear regressor, mean over the factor groups (main) and of each; DCI and MIG.

        For encoders with depth, albedo, light and view blocks also the leakage matrix; for those that state depth,
        light and view in numbers (`physical`), how right they are.
        """
        groups = {name: data.labels[name] for name in FACTORS if name in data.labels}
        if not groups:
            raise BadInput(f"data set {data.name} does not know its scenes' {', '.join(FACTORS)}: use a rendered one")
        train, val, test = (self._rows(data, part) for part in ("train", "val", "test"))
        varied = {name: factor[:, np.ptp(factor[train], axis=0) > 0] for name, factor in groups.items()}
        varied = {name: factor for name, factor in varied.items() if factor.shape[1]}
        factors = np.concatenate(list(varied.values()), axis=1).astype(np.float64)
        member = np.repeat(np.arange(len(varied)), [factor.shape[1] for factor in varied.values()])
        x, x_val, x_test = (run.features(encoder, data.subset(rows)) for rows in (train, val, test))
        y, y_val, y_test = (factors[rows] for rows in (train, val, test))
        dependent = group_numbers(data, test)
        predicted = regression.fit_predict(x, y, x_val, y_val, x_test, run)
        evaluation = explained(predicted, y_test, y.mean(0), member, list(varied), dependent)
        evaluation.outcomes["example"] = test
        if x.shape[1] <= MOST_FEATURES:
            weights = disentanglement.lasso_weights(x, y, x_val, y_val)
            told = disentanglement.informativeness(weights, x, y, x_test, y_test)
            evaluation.scores += self._disentanglement(np.abs(weights), member, disentanglement.mig(x, y), len(y))
            evaluation.scores.append(Score("dci_informativeness", told, len(test)))
        # what only models with named blocks and stated physics can be asked
        if leakage.has_blocks(encoder, data, run):
            evaluation.scores += leakage.evaluate(encoder, data, train, val, test, dependent, run).scores
        if physical.states_physics(encoder, data):
            evaluation.scores += physical.evaluate(encoder, data, train, val, test, dependent, run)
        return evaluation

    def _rows(self, data: DataSet, part: str) -> np.ndarray:
        return part_rows(data, "scene_parameters", part, self.max_examples, np.ones(len(data.images), dtype=bool))

    @staticmethod
    def _disentanglement(weights: np.ndarray, member: np.ndarray, gap: float, n: int) -> list[Score]:
        """DCI of the single factors and, as "group_...", of whole groups (light, view, ...), and MIG."""
        by_group = weights @ np.eye(member.max() + 1)[member]
        values = dict(zip(("dci_disentanglement", "dci_completeness"), disentanglement.dci(weights), strict=True))
        values |= dict(zip(("group_disentanglement", "group_completeness"), disentanglement.dci(by_group), strict=True))
        return [Score(name, value, n) for name, value in (values | {"mig": gap}).items()]


@dataclass(frozen=True)
class CarSceneParameters(SceneParameters):
    """Shape, albedo, light and view of a car regressed from the features; disentanglement (DCI, MIG)."""

    domain: ClassVar[Domain] = "car"

    dataset: str = "syncars"


def explained(
    predicted: np.ndarray,
    truth: np.ndarray,
    usual: np.ndarray,
    member: np.ndarray,
    names: list[str],
    groups: np.ndarray,
) -> Evaluation:
    """R^2 of predictions (n, F): mean over each group's factors ("r2:light"), and the mean over groups ("r2", main).

    `member` (F,) says which of the groups `names` a factor belongs to. R^2 is out of sample: 1 - squared error / that
    of always predicting `usual` (F,), the training part's mean, which is taken as given; so chance is 0.
    """
    mixing = np.eye(len(names))[member] / np.bincount(member)[member, None]  # (F, groups): means within groups
    mixing = np.column_stack([mixing.mean(1), mixing])
    share = (1 - (predicted - truth) ** 2 / ((usual - truth) ** 2).mean(0)) @ mixing  # (n, 1 + groups)
    labels = ["r2", *(f"r2:{name}" for name in names)]
    found = [
        Score(name, each.value, len(truth), main=name == "r2", low=each.low, high=each.high, chance=0.0)
        for name, each in zip(labels, mean_intervals(share, groups), strict=True)
    ]
    return Evaluation(found, {"group": groups, "main": share[:, 0]})
