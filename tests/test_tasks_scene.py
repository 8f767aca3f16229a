"""Scene parameters and robustness: planted factors and steps are found, noise is not; DCI and MIG by hand."""

import numpy as np
import planted
import pytest

from bench.api import BadInput
from bench.registry import Registry
from tasks.ood_lighting import CarOodLighting, OodLighting
from tasks.ood_viewpoint import CarOodViewpoint, OodViewpoint
from tasks.protocols import disentanglement, regression
from tasks.robustness import Robustness
from tasks.scene_parameters import CarSceneParameters, SceneParameters

N = 900
SCENES = [SceneParameters(), CarSceneParameters()]
ROBUSTNESS = [OodLighting(label="emotion"), OodViewpoint(label="emotion"), CarOodLighting(), CarOodViewpoint()]


def test_every_registered_task_of_these_kinds_is_among_the_cases():
    registry = Registry()
    tasks = [registry.make("task", name, registry.parse("task", name, {}).values) for name in registry.names("task")]
    kinds = {type(task) for task in tasks if isinstance(task, (SceneParameters, Robustness))}
    assert kinds == {type(task) for task in SCENES + ROBUSTNESS}


def scene():
    """Two-dimensional shape and three-dimensional light, written into five pixels; one light column never varies."""
    codes = np.random.default_rng(0).random((N, 5))
    light = np.column_stack([codes[:, 2:], np.ones(N)])
    return planted.data_set({"shape": codes[:, :2].astype(np.float32), "light": light.astype(np.float32)}, codes)


@pytest.mark.parametrize("task", SCENES)
def test_planted_factors_are_read_and_found_disentangled(task, tmp_path):
    scores = {s.name: s for s in task.evaluate(planted.Planted(5), scene(), planted.run(tmp_path)).scores}
    for name in ("r2", "r2:shape", "r2:light"):
        assert scores[name].value == pytest.approx(1, abs=1e-3)
    assert scores["r2"].main
    assert scores["dci_disentanglement"].value > 0.95 and scores["dci_completeness"].value > 0.95
    assert scores["dci_informativeness"].value > 0.99
    assert scores["mig"].value > 0.75  # chance agreement of 20 bins keeps it below 1 for so few examples


@pytest.mark.parametrize("task", SCENES)
def test_noise_tells_nothing_of_the_scene(task, tmp_path):
    evaluation = task.evaluate(planted.Noise(), scene(), planted.run(tmp_path))
    main = evaluation.scores[0]
    assert main.low <= main.chance <= main.high
    assert main.value == pytest.approx(evaluation.outcomes["main"].mean())
    scores = {s.name: s.value for s in evaluation.scores}
    assert scores["mig"] < 0.05 and scores["dci_informativeness"] < 0.05


def test_what_only_test_scenes_show_is_of_no_use(tmp_path):
    """Were the test part used to fit anything, a feature that shows the factors there alone would be believed."""
    data = scene()
    hidden = np.concatenate([data.split("scene_parameters")[part] for part in ("train", "val")])
    data.images[hidden] = planted.painted(np.empty((N, 0)), seed=5)[hidden]
    scores = {s.name: s for s in SceneParameters().evaluate(planted.Planted(5), data, planted.run(tmp_path)).scores}
    assert scores["r2"].value < 0.1 and scores["dci_informativeness"].value < 0.1


def test_informativeness_by_hand():
    x = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    y = np.hstack([3 * x, -x])
    weights = np.array([[1.0, 0.0]])  # the first factor is the feature, the second is not read at all
    assert disentanglement.informativeness(weights, x, y, x[:2], y[:2]) == pytest.approx((1 + 0) / 2)
    half = np.array([[0.5, -1.0]])  # predicts half of the first factor: a quarter of its variance is left
    assert disentanglement.informativeness(half, x, y, x[:2], y[:2]) == pytest.approx((0.75 + 1) / 2)


def test_ridge_equals_scikit_learn(tmp_path):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 20)).astype(np.float32)
    y = x @ rng.normal(size=(20, 3)) + rng.normal(size=(400, 3)) * [0.1, 3, 10]
    parts = x[:200], y[:200], x[200:300], y[200:300], x[300:]
    predicted = regression.fit_predict(*parts, planted.run(tmp_path))
    held_out = x[200:].clip(x[:200].min(0), x[:200].max(0))  # beyond the training range nothing is extrapolated
    scaled, val, test = regression.standardise(x[:200], held_out[:100], held_out[100:])
    for f in range(3):
        models = [Ridge(alpha=200 * s).fit(scaled, y[:200, f]) for s in regression.STRENGTHS]
        best = min(models, key=lambda model: ((model.predict(val) - y[200:300, f]) ** 2).mean())
        assert predicted[:, f] == pytest.approx(best.predict(test), abs=1e-3 * y[:, f].std())


def test_a_unit_that_is_silent_in_training_spoils_no_prediction(tmp_path):
    """One wakes on a single training picture, by a hair, and on one test picture in full."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype(np.float32)
    y = x[:, :1].astype(np.float64) + 0.1 * rng.normal(size=(300, 1))
    x[:, 4] = 0
    x[0, 4], x[299, 4] = 1e-3, 10
    predicted = regression.fit_predict(x[:100], y[:100], x[100:200], y[100:200], x[200:], planted.run(tmp_path))
    assert np.abs(predicted - y[200:]).max() < 1


def test_more_dimensions_than_examples(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 300)).astype(np.float32)
    y = x[:, :1].astype(np.float64)
    predicted = regression.fit_predict(x[:30], y[:30], x[30:60], y[30:60], x[:30], planted.run(tmp_path))
    assert np.corrcoef(predicted[:, 0], y[:30, 0])[0, 1] > 0.9


def test_dci_by_hand():
    assert disentanglement.dci(np.eye(3)) == pytest.approx((1, 1))
    assert disentanglement.dci(np.ones((3, 3))) == pytest.approx((0, 0))
    # features 1 and 2 each know factor 1, feature 3 knows both factors equally; log base 2 and 3
    importance = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    second = 1 - 0.0  # factor 2 is in one feature: complete
    first = 1 - np.log(3) / np.log(3)  # factor 1 is in all three alike
    expected = (1 * 1 + 1 * 1 + 0 * 2) / 4, (first * 3 + second * 1) / 4
    assert disentanglement.dci(importance) == pytest.approx(expected)
    assert disentanglement.dci(np.zeros((3, 2))) == (0, 0)


def test_mig_by_hand():
    # a fair coin as the factor; a feature that equals it, one that tells half of it, one that tells nothing
    factor = np.repeat([0.0, 1.0], 8)[:, None]
    half = np.array([0] * 6 + [1] * 2 + [0] * 2 + [1] * 6)
    nothing = np.tile([0, 1], 8)
    told = 2 * (6 / 16 * np.log(6 / 16 / 0.25) + 2 / 16 * np.log(2 / 16 / 0.25))
    features = np.column_stack([factor[:, 0], half, nothing])
    assert disentanglement.mig(features, factor) == pytest.approx(1 - told / np.log(2))
    assert disentanglement.mig(np.column_stack([factor, factor]), factor) == pytest.approx(0)
    assert disentanglement.mig(np.column_stack([half, nothing]), factor) == pytest.approx(told / np.log(2))


def stepped(target: str, label: str, domain: str = "face"):
    """Three classes in pixels 0-2, ever fewer of them right out of range: at step k, k in 5 are painted as class 0."""
    labels, codes = planted.classes(3, N)
    split = planted.split(N)
    steps = dict(zip(("test", "step_1", "step_2"), np.array_split(split["test"], 3), strict=True))
    rng = np.random.default_rng(3)
    for number in (1, 2):
        rows = steps[f"step_{number}"]
        hidden = rng.permutation(rows)[: len(rows) * number // 5]
        codes[hidden] = [1, 0, 0]
    splits = {"default": split, target: {"train": split["train"], "val": split["val"], **steps}}
    return planted.data_set({label: labels}, codes, splits=splits, domain=domain), labels, codes, steps


@pytest.mark.parametrize("task", ROBUSTNESS)
def test_robustness_curve_is_the_accuracy_at_each_step(task, tmp_path):
    data, labels, codes, steps = stepped(task.target, task.label)
    evaluation = task.evaluate(planted.Planted(3), data, planted.run(tmp_path))
    values = {s.name: s.value for s in evaluation.scores}
    right = [(codes[rows].argmax(1) == labels[rows]).mean() for rows in steps.values()]
    assert right[0] == 1 and right[1] > right[2]
    assert [values[f"accuracy@{k}"] for k in range(3)] == pytest.approx(right)
    assert values["accuracy_ood"] == pytest.approx(np.mean(right[1:]))
    assert values["drop@2"] == pytest.approx(1 - right[2])
    assert values["area"] == pytest.approx((right[0] / 2 + right[1] + right[2] / 2) / 2)
    assert evaluation.outcomes["main"].mean() == pytest.approx(values["accuracy_ood"])
    directions = {s.name: s.higher_is_better for s in evaluation.scores}
    assert not directions["drop@1"] and directions["area"]


@pytest.mark.parametrize("task", ROBUSTNESS)
def test_noise_is_at_chance_in_and_out_of_range(task, tmp_path):
    data, *_ = stepped(task.target, task.label)
    for score in task.evaluate(planted.Noise(), data, planted.run(tmp_path)).scores:
        assert score.low <= score.chance <= score.high


def test_data_without_scenes_or_steps_says_so(tmp_path):
    labels, codes = planted.classes(3, N)
    data = planted.data_set({"emotion": labels}, codes)
    with pytest.raises(BadInput, match="no steps out of range for ood_lighting"):
        OodLighting(label="emotion").evaluate(planted.Planted(3), data, planted.run(tmp_path))
    with pytest.raises(BadInput, match="does not know its scenes'"):
        SceneParameters().evaluate(planted.Planted(3), data, planted.run(tmp_path))
