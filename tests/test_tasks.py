"""Every classification task and protocol: planted labels give 100 %, noise gives chance, bad data one clear line."""

import planted
import pytest

from bench.api import Evaluation, Score
from tasks.car_classification import CarClassification
from tasks.classification import Classification
from tasks.emotion import Emotion
from tasks.face_attributes import FaceAttributes
from tasks.identity import Identity

N = 1200
CASES = [
    *(FaceAttributes(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
    *(Emotion(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
    *(Identity(protocol=p) for p in ("linear", "clustering", "knn", "few_label", "verification")),
    *(CarClassification(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
]


def make_data(task: Classification, n: int = N):
    # the two clusters of a tree can equal one attribute only: clustering gets a single one
    if task.target == "attributes":
        labels, codes = planted.attributes(1 if task.protocol == "clustering" else 3, n)
    else:
        labels, codes = planted.classes(6, n)
    return planted.data_set({task.target: labels}, codes), codes.shape[1]


def main_score(evaluation: Evaluation) -> Score:
    (main,) = [score for score in evaluation.scores if score.main]
    return main


@pytest.mark.parametrize("task", CASES, ids=lambda t: f"{type(t).__name__}-{t.protocol}")
def test_planted_labels_are_found(task, tmp_path):
    data, width = make_data(task)
    evaluation = task.evaluate(planted.Planted(width), data, planted.run(tmp_path))
    values = {score.name: score.value for score in evaluation.scores}
    # 1 % of the labels do not name every class: the end of the curve counts
    found = values["accuracy@100%"] if task.protocol == "few_label" else main_score(evaluation).value
    assert found == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("task", CASES, ids=lambda t: f"{type(t).__name__}-{t.protocol}")
def test_noise_gives_chance(task, tmp_path):
    data, _ = make_data(task)
    main = main_score(task.evaluate(planted.Noise(), data, planted.run(tmp_path)))
    assert main.low <= main.chance <= main.high
    assert main.low < main.high
