"""Every classification task and protocol: planted labels give 100 %, noise gives chance, bad data one clear line."""

import numpy as np
import planted
import pytest

from bench.api import BadInput, Evaluation, Score
from bench.registry import Registry
from tasks.car_classification import CarClassification
from tasks.classification import Classification
from tasks.emotion import Emotion
from tasks.face_attributes import FaceAttributes
from tasks.identity import Identity
from tasks.label import CarLabel, Label

N = 1200
CASES = [
    *(FaceAttributes(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
    *(Emotion(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
    *(Identity(protocol=p) for p in ("linear", "clustering", "knn", "few_label", "verification")),
    *(CarClassification(protocol=p) for p in ("linear", "clustering", "knn", "few_label")),
    *(Label(protocol=p) for p in ("linear", "verification")),
    *(CarLabel(protocol=p) for p in ("linear", "clustering")),
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


NAMES = [f"{type(task).__name__}-{task.protocol}" for task in CASES]
LEARNT = [task for task in CASES if task.protocol in ("linear", "knn", "few_label")]


def test_every_registered_classification_is_among_the_cases():
    registry = Registry()
    tasks = [registry.make("task", name, registry.parse("task", name, {}).values) for name in registry.names("task")]
    registered = {(type(task), task.protocol) for task in tasks if isinstance(task, Classification)}
    assert registered <= {(type(task), task.protocol) for task in CASES}


@pytest.mark.parametrize("task", CASES, ids=NAMES)
def test_planted_labels_are_found(task, tmp_path):
    data, width = make_data(task)
    evaluation = task.evaluate(planted.Planted(width), data, planted.run(tmp_path))
    values = {score.name: score.value for score in evaluation.scores}
    # 1 % of the labels do not name every class: the end of the curve counts
    found = values["accuracy@100%"] if task.protocol == "few_label" else main_score(evaluation).value
    assert found == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("task", CASES, ids=NAMES)
def test_noise_gives_chance(task, tmp_path):
    data, _ = make_data(task)
    main = main_score(task.evaluate(planted.Noise(), data, planted.run(tmp_path)))
    assert main.low <= main.chance <= main.high
    assert main.low < main.high


@pytest.mark.parametrize("task", CASES, ids=NAMES)
def test_outcomes_carry_the_main_score_and_known_examples(task, tmp_path):
    data, width = make_data(task)
    evaluation = task.evaluate(planted.Planted(width), data, planted.run(tmp_path))
    outcomes = evaluation.outcomes
    assert outcomes["main"].mean() == pytest.approx(main_score(evaluation).value)
    assert len(outcomes["example"]) == len(outcomes["main"]) == len(outcomes["group"])
    assert np.isin(outcomes["example"], data.split(task.target)["test"]).all()


@pytest.mark.parametrize("task", LEARNT, ids=lambda t: f"{type(t).__name__}-{t.protocol}")
def test_labels_that_only_test_images_show_are_of_no_use(task, tmp_path):
    """Were the test part used to fit anything, all would be found; heads fitted on noise can hit some by luck."""
    data, width = make_data(task)
    clean = planted.painted(np.empty((N, 0)), seed=5)
    for part in ("train", "val"):
        rows = data.split(task.target)[part]
        data.images[rows] = clean[rows]
    main = main_score(task.evaluate(planted.Planted(width), data, planted.run(tmp_path)))
    assert main.value < 0.9


@pytest.mark.parametrize("task", LEARNT, ids=lambda t: f"{type(t).__name__}-{t.protocol}")
def test_predictions_do_not_depend_on_the_test_labels(task, tmp_path):
    predictions = []
    for shift in (0, 1):
        data, width = make_data(task)
        rows = data.split(task.target)["test"]
        data.labels[task.target][rows] = np.roll(data.labels[task.target][rows], shift, axis=0)
        noisy = planted.Planted(width + 40)
        outcomes = task.evaluate(noisy, data, planted.run(tmp_path)).outcomes
        curve = outcomes.get("curve")
        predictions.append(outcomes["predicted"] if curve is None else curve)
    if task.protocol == "few_label":  # keeps correctness, not predictions: it follows the labels
        assert (predictions[0] != predictions[1]).any()
    else:
        assert (predictions[0] == predictions[1]).all()


@pytest.mark.parametrize("task", CASES[:1] + CASES[4:5] + CASES[8:9], ids=lambda t: type(t).__name__)
def test_training_target_holds_train_and_val_alone(task):
    data, _ = make_data(task)
    target = task.training_target(data)
    split = data.split(task.target)
    assert (target.images.train.rows == split["train"]).all() and (target.images.val.rows == split["val"]).all()
    assert (target.train == data.labels[task.target][split["train"]]).all()
    assert target.kind == ("multi-label" if task.target == "attributes" else "multi-class")


def test_the_same_seed_gives_the_same_numbers(tmp_path):
    for task in (FaceAttributes(), Emotion(protocol="few_label"), Identity(protocol="clustering")):
        data, _ = make_data(task)
        noise = planted.Planted(40)
        first, second = (task.evaluate(noise, data, planted.run(tmp_path)) for _ in range(2))
        assert first.scores == second.scores


def test_unknown_labels_are_left_out(tmp_path):
    data, width = make_data(Emotion())
    data.labels["emotion"][::3] = -1
    evaluation = Emotion().evaluate(planted.Planted(width), data, planted.run(tmp_path))
    known = data.labels["emotion"][data.split("emotion")["test"]] >= 0
    assert main_score(evaluation).value == 1 and main_score(evaluation).n == known.sum()


def test_people_are_resampled_as_a_whole(tmp_path):
    """Ten images a person, all with the person's emotion and features: the interval must know it has few people."""
    people = np.repeat(np.arange(120), 10)
    labels = np.random.default_rng(0).integers(0, 3, 120)[people]
    codes = np.clip(np.eye(3)[labels] + np.random.default_rng(1).normal(0, 0.8, (120, 3))[people], -2, 3) / 5 + 0.4
    part = {"train": people < 60, "val": (people >= 60) & (people < 80), "test": people >= 80}
    splits = {"default": {name: np.flatnonzero(rows) for name, rows in part.items()}}
    widths = []
    for group in (None, "identity"):
        data = planted.data_set({"emotion": labels, "identity": people}, codes, splits=splits, group=group)
        main = main_score(Emotion().evaluate(planted.Planted(3), data, planted.run(tmp_path)))
        widths.append(main.high - main.low)
    assert widths[1] > 2 * widths[0]


def test_what_cannot_be_evaluated_is_one_clear_line(tmp_path):
    data, width = make_data(Emotion())
    encoder, run = planted.Planted(width), planted.run(tmp_path)
    with pytest.raises(BadInput, match=r"has no label 'identity' .*emotion"):
        Identity().evaluate(encoder, data, run)
    data.labels["emotion"][data.split("emotion")["test"][5:]] = -1
    with pytest.raises(BadInput, match="5 labelled test images for 'emotion', at least 10 are needed"):
        Emotion().evaluate(encoder, data, run)
    data.labels["emotion"][:] = 3
    with pytest.raises(BadInput, match="two classes at least"):
        Emotion(protocol="clustering").evaluate(encoder, data, run)
    del data.splits["default"]["val"]
    with pytest.raises(BadInput, match="no part 'val'"):
        Emotion().evaluate(encoder, data, run)


def test_frames_of_a_track_are_averaged(tmp_path):
    people, codes = planted.classes(4, N)
    track = people * 100 + np.arange(N) % 60 // 4  # fifteen tracks a person
    blurred = 0.5 * codes + 0.5 * np.random.default_rng(0).random(codes.shape)
    data = planted.data_set({"identity": people, "track": track}, blurred)
    evaluation = Identity(protocol="clustering").evaluate(planted.Planted(4), data, planted.run(tmp_path))
    tracks = np.unique(track[data.split("identity")["test"]])
    assert len(evaluation.outcomes["example"]) == len(tracks)
    assert main_score(evaluation).value == pytest.approx(1)


def test_at_most_so_many_examples_the_same_for_every_seed(tmp_path):
    data, width = make_data(Emotion())
    task = Emotion(max_examples=100)
    seen = [task.evaluate(planted.Planted(width), data, planted.run(tmp_path, seed)).outcomes for seed in (0, 1)]
    assert len(seen[0]["example"]) == 100 and (seen[0]["example"] == seen[1]["example"]).all()
