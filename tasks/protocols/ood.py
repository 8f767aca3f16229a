"""Robustness curves: heads fitted inside a range of light or view, tested at steps further and further outside it."""

from __future__ import annotations

import numpy as np

from bench.api import Evaluation, Score
from bench.run import Run
from bench.stats import statistic_intervals
from tasks.protocols import linear
from tasks.protocols.accuracy import score_predictions
from tasks.protocols.examples import Examples


def evaluate(
    train: Examples, val: Examples, test: Examples, steps: list[Examples], names: list[str], run: Run
) -> Evaluation:
    """Accuracy in range and at every step out of it; the main score is the mean accuracy over the steps.

    "accuracy@0" (in range), "accuracy@1", ... are the curve, "drop@k" is the accuracy in range minus that at step k,
    and "area" the area under the whole curve (trapezoids, divided by its width). An image's outcome is its correctness
    (for attributes, its share of their mean accuracy).
    """
    heads = linear.fit(train, val, len(names), "tuned", run)
    parts = [test, *steps]
    at = [score_predictions(linear.predict(heads, p.features, p.labels.ndim == 2), p, names) for p in parts]
    chances = np.array([evaluation.scores[0].chance for evaluation in at])
    step = np.concatenate([np.full(len(part), number) for number, part in enumerate(parts)])
    correct = np.concatenate([evaluation.outcomes["main"] for evaluation in at])
    groups = np.concatenate([part.groups for part in parts])
    summaries = _summaries(len(steps))
    mixing = np.array(list(summaries.values())).T  # (1 + steps, scores)
    member = step[:, None] == np.arange(len(parts))

    def rates(weights: np.ndarray) -> np.ndarray:
        w = weights.astype(np.float64)
        curve = (w @ (member * correct[:, None])) / np.maximum(w @ member, 1e-9)
        return curve @ mixing

    found = []
    bounds = (mixing.clip(max=0).sum(0), mixing.clip(min=0).sum(0))  # of accuracies 0 to 1, some subtracted
    for i, (name, each) in enumerate(zip(summaries, statistic_intervals(rates, groups, bounds=bounds), strict=True)):
        n = int(member[:, mixing[:, i] != 0].sum())
        better, main, chance = not name.startswith("drop"), name == "accuracy_ood", float(chances @ mixing[:, i])
        found.append(Score(name, each.value, n, better, main, each.low, each.high, chance))
    outside = step > 0
    share = correct * outside.sum() / (len(steps) * member.sum(0)[step])  # so that every step counts the same
    outcomes = {"example": np.concatenate([part.rows for part in parts])[outside], "group": groups[outside]}
    return Evaluation(found, outcomes | {"main": share[outside], "step": step[outside]})


def _summaries(steps: int) -> dict[str, np.ndarray]:
    """Each score as weights (1 + steps,) on the accuracies of the curve."""
    unit = np.eye(1 + steps)
    area = np.full(1 + steps, 1 / steps)
    area[[0, -1]] /= 2
    curve = {f"accuracy@{k}": unit[k] for k in range(1 + steps)}
    drops = {f"drop@{k}": unit[0] - unit[k] for k in range(1, 1 + steps)}
    return {"accuracy_ood": unit[1:].mean(0), **curve, **drops, "area": area}
