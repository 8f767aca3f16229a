"""From predictions to scores: accuracy and its companions, with intervals and chance level."""

from __future__ import annotations

import numpy as np

from bench.api import Evaluation, Score
from bench.stats import RATE, Interval, mean_interval, mean_intervals, statistic_intervals
from tasks.protocols.examples import Examples

MOST_CLASSES = 40  # of more classes than this no score each is kept


def score_predictions(predicted: np.ndarray, test: Examples, names: list[str]) -> Evaluation:
    """Accuracy (main), balanced accuracy, and accuracy per attribute or class ("accuracy:Smiling", "recall:anger").

    `predicted`: class numbers (n,), or attributes (n, A) in {0, 1}. With attributes, accuracy is the mean over
    attributes of each one's accuracy. Chance is the no-information rate: the best accuracy that one and the same answer
    to every test example can have.
    """
    if test.labels.ndim == 1:
        return _multi_class(predicted, test, names)
    return _multi_label(predicted, test, names)


def example_share(correct: np.ndarray) -> np.ndarray:
    """(n, A) correctness, NaN where unknown -> (n,) each example's share of the attributes' mean accuracy."""
    known = np.isfinite(correct)
    counted = known.any(0)
    share = np.nan_to_num(correct[:, counted]) / known[:, counted].mean(0)
    return share.mean(1)


def _multi_label(predicted: np.ndarray, test: Examples, names: list[str]) -> Evaluation:
    truth, known = test.labels > 0, test.labels >= 0
    correct = np.where(known, predicted == test.labels, np.nan)
    frequency = (known & truth).sum(0) / np.maximum(known.sum(0), 1)
    chances = np.maximum(frequency, 1 - frequency)
    main = mean_interval(share := example_share(correct), test.groups)
    right, positive, negative = (correct == 1), known & truth, known & ~truth
    both = positive.any(0) & negative.any(0)

    def balanced(weights: np.ndarray) -> np.ndarray:
        sides = [
            (weights @ (right & side)[:, both]) / np.maximum(weights @ side[:, both], 1e-9)
            for side in (positive, negative)
        ]
        return ((sides[0] + sides[1]) / 2).mean(1, keepdims=True)

    found = [_score("accuracy", main, len(test), float(chances[known.any(0)].mean()), main=True)]
    if both.any():
        found.append(
            _score("balanced_accuracy", statistic_intervals(balanced, test.groups, bounds=RATE)[0], len(test), 0.5)
        )
    for a, interval in enumerate(mean_intervals(correct, test.groups)):
        if known[:, a].any():
            found.append(_score(f"accuracy:{names[a]}", interval, int(known[:, a].sum()), float(chances[a])))
    return Evaluation(found, _outcomes(test, share, predicted))


def _multi_class(predicted: np.ndarray, test: Examples, names: list[str]) -> Evaluation:
    correct = (predicted == test.labels).astype(np.float64)
    present = np.unique(test.labels)
    member = test.labels[:, None] == present  # (n, present classes)
    usual = int(member.sum(0).argmax())

    def balanced(weights: np.ndarray) -> np.ndarray:
        total = weights @ member
        recalls = np.divide(
            weights @ (member & (correct == 1)[:, None]), total, where=total > 0, out=np.full_like(total, np.nan)
        )
        return np.nanmean(recalls, axis=1, keepdims=True)

    found = [
        _score("accuracy", mean_interval(correct, test.groups), len(test), float(member[:, usual].mean()), main=True),
        _score(
            "balanced_accuracy", statistic_intervals(balanced, test.groups, bounds=RATE)[0], len(test), 1 / len(present)
        ),
    ]
    if len(names) <= MOST_CLASSES:
        recalls = mean_intervals(np.where(member, correct[:, None], np.nan), test.groups)
        found += [
            _score(f"recall:{names[c]}", interval, int(member[:, i].sum()), float(i == usual))
            for i, (c, interval) in enumerate(zip(present, recalls, strict=True))
        ]
    return Evaluation(found, _outcomes(test, correct, predicted))


def _score(name: str, interval: Interval, n: int, chance: float, main: bool = False) -> Score:
    return Score(name, interval.value, n, main=main, low=interval.low, high=interval.high, chance=chance)


def _outcomes(test: Examples, share: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "example": test.rows,
        "group": test.groups,
        "main": share,
        "predicted": predicted.astype(np.int64 if predicted.ndim == 1 else np.int8),
        "label": test.labels,
    }
