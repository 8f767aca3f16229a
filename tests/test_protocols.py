"""The protocols against known answers: scikit-learn, the reference implementation's numbers, and hand-worked cases."""

from dataclasses import replace

import golden
import numpy as np
import planted
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, normalized_mutual_info_score, roc_auc_score

from bench.api import BadInput
from tasks.protocols import accuracy, clustering, few_label, knn, linear, speed, verification
from tasks.protocols.examples import Examples, standardise, tracks

CPU = torch.device("cpu")


def examples(features, labels, groups=None) -> Examples:
    rows = np.arange(len(features))
    return Examples(rows, np.asarray(features, dtype=np.float32), labels, rows if groups is None else groups)


def digits(n_train=900, n_val=300):
    features, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    parts = np.split(order, [n_train, n_train + n_val])
    return [examples(features[rows], labels[rows].astype(np.int64)) for rows in parts]


# ------------------------------------------------------------------------------------------------------------- linear


@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01, 0.001])
def test_classes_are_told_as_well_as_by_scikit_learn(strength):
    train, _, test = digits()
    heads = linear.fit_at(train.features, train.labels, 10, strength, CPU)
    ours = (linear.predict(heads, test.features, False) == test.labels).mean()
    x, x_test = standardise(train.features, test.features)
    theirs = (
        LogisticRegression(C=1 / (strength * len(x)), max_iter=5000).fit(x, train.labels).score(x_test, test.labels)
    )
    assert ours == pytest.approx(theirs, abs=0.005)


@given(st.integers(0, 1000), st.sampled_from([0.3, 0.01]), st.sampled_from([(150, 20), (40, 60)]))
@settings(max_examples=8, deadline=None)
def test_attribute_heads_are_scikit_learns(seed, strength, shape):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float32) * np.exp(rng.normal(size=shape[1])) + 3
    labels = (x @ rng.normal(size=(shape[1], 3)) + rng.normal(size=(shape[0], 3)) > 0).astype(np.int8)
    labels[:2] = [[0], [1]]  # both answers occur
    heads = linear.fit_at(x.astype(np.float32), labels, 3, strength, CPU)
    (scaled,) = standardise(x)
    for a in range(3):
        model = LogisticRegression(C=1 / (strength * len(x)), max_iter=5000, tol=1e-8).fit(scaled, labels[:, a])
        theirs = model.decision_function(scaled)
        assert heads.logits(x.astype(np.float32))[:, a] == pytest.approx(
            theirs, abs=0.02 * float(max(1, np.abs(theirs).max()))
        )


def test_all_heads_at_once_are_each_head_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 30))
    labels = (x @ rng.normal(size=(30, 4)) + rng.normal(size=(300, 4)) > 0).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = -1
    together = linear.fit_at(x.astype(np.float32), labels, 4, 0.01, CPU)
    for a in range(4):
        alone = linear.fit_at(x.astype(np.float32), labels[:, [a]], 1, 0.01, CPU)
        assert together.weight[:, [a]] == pytest.approx(alone.weight, abs=5e-3)


def test_two_classes_are_penalised_as_by_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 30)).astype(np.float32)
    labels = (x @ rng.normal(size=30) + 3 * rng.normal(size=200) > 1).astype(np.int64)
    (scaled,) = standardise(x)
    for strength in (1.0, 0.1, 0.01):
        logits = linear.fit_at(x, labels, 2, strength, CPU).logits(x)
        model = LogisticRegression(C=1 / (strength * len(x)), max_iter=5000, tol=1e-8).fit(scaled, labels)
        assert logits[:, 1] - logits[:, 0] == pytest.approx(model.decision_function(scaled), abs=0.01)


def test_tuning_all_heads_at_once_tunes_each_as_if_alone(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 30))
    noise = np.array([0.1, 1, 10, 100])  # from what takes weak to what takes the strongest regularisation
    labels = (x @ rng.normal(size=(30, 4)) + noise * rng.normal(size=(500, 4)) > 1).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = -1
    train, val = examples(x[:300], labels[:300]), examples(x[300:], labels[300:])
    together, strengths = linear.fit_tuned(train, val, 4, planted.run(tmp_path)), []
    for a in range(4):
        run = planted.run(tmp_path)
        alone = linear.fit_tuned(
            replace(train, labels=labels[:300, [a]]), replace(val, labels=labels[300:, [a]]), 1, run
        )
        assert together.weight[:, [a]] == pytest.approx(alone.weight, abs=1e-4)
        strengths += run.facts["linear"]["strength"]
    assert len(set(strengths)) > 1  # so that one for all would have been another answer


def test_unknown_labels_are_ignored_in_training():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    labels = (x[:, :1] > 0).astype(np.int8)
    wrong = np.concatenate([labels, np.full((200, 1), -1, dtype=np.int8)])
    heads = linear.fit_at(np.concatenate([x, x]), wrong, 1, 0.01, CPU)
    alone = linear.fit_at(x, labels, 1, 0.01, CPU)
    assert heads.logits(x) == pytest.approx(alone.logits(x), abs=0.02)


def test_tuning_looks_at_validation_not_at_test(tmp_path):
    train, val, test = digits(200, 200)
    run = planted.run(tmp_path)
    linear.evaluate(train, val, test, [str(i) for i in range(10)], "tuned", run)
    chosen = run.facts["linear"]["strength"]
    shuffled = Examples(test.rows, test.features[::-1], np.roll(test.labels, 7), test.groups)
    linear.evaluate(train, val, shuffled, [str(i) for i in range(10)], "tuned", run)
    assert run.facts["linear"]["strength"] == chosen
    # labels that features say nothing of are best answered with their frequencies: the strongest regularisation
    noise = Examples(val.rows, val.features, np.random.default_rng(0).permutation(val.labels), val.groups)
    linear.evaluate(train, noise, test, [str(i) for i in range(10)], "tuned", run)
    assert min(run.facts["linear"]["strength"], default=np.inf) > 10 * chosen[0]


@pytest.mark.parametrize("recipe", ["tuned", "paper"])
def test_both_recipes_are_deterministic_and_work(recipe, tmp_path):
    train, val, test = digits()
    heads = [linear.fit(train, val, 10, recipe, planted.run(tmp_path)) for _ in range(2)]
    assert (heads[0].weight == heads[1].weight).all() and (heads[0].bias == heads[1].bias).all()
    # fifty epochs of small steps are not enough for so few examples
    assert (linear.predict(heads[0], test.features, False) == test.labels).mean() > (
        0.93 if recipe == "tuned" else 0.75
    )


def test_dead_and_huge_features_do_no_harm(tmp_path):
    train, val, test = digits()

    def spoilt(part: Examples, dead: float) -> Examples:
        extra = np.column_stack([np.full(len(part), dead), 1e6 * part.features[:, 20], 1e-6 * part.features[:, 30]])
        return examples(np.concatenate([part.features, extra], 1), part.labels)

    heads = linear.fit_tuned(spoilt(train, 0.1), spoilt(val, 0.1), 10, planted.run(tmp_path))
    predicted = linear.predict(heads, spoilt(test, 5.0).features, False)  # what was dead in training moves in the test
    assert (predicted == test.labels).mean() > 0.93


# --------------------------------------------------------------------------------------------------------- clustering


def values(classes, clusters) -> dict[str, float]:
    table = clustering.contingency(np.asarray(classes), np.asarray(clusters))(np.ones((1, len(classes))))
    return dict(zip(clustering.METRICS, clustering.scores(table)[0], strict=True))


GOLDEN_NAMES = {
    "nmi": "NMI",
    "purity": "WCP",
    "precision": "precision_weighted",
    "recall": "recall_weighted",
    "f1": "f1_weighted",
    "accuracy": "hungarian_acc_of_clusters",
}


def test_clustering_of_digits_is_the_reference_implementations():
    expected = golden.load("pdr_maths")["clustering"]["digits"]
    features, labels = load_digits(return_X_y=True)
    clusters = clustering.cut(clustering.ward_tree(features[:500].astype(np.float32)), 10)
    assert values(clusters, expected["y_pred"])["accuracy"] == 1  # the same partition
    found = values(labels[:500], clusters)
    assert found == pytest.approx(
        {ours: expected["outputs"][theirs] for ours, theirs in GOLDEN_NAMES.items()}, abs=1e-6
    )


def test_clustering_metrics_are_the_reference_implementations():
    expected = golden.load("pdr_maths")["clustering"]
    found = values(expected["synthetic"]["gt"], expected["synthetic"]["y_pred"])
    outputs = expected["synthetic"]["outputs"]
    assert found == pytest.approx({ours: outputs[theirs] for ours, theirs in GOLDEN_NAMES.items()}, abs=1e-6)
    for case in expected["nmi_docstring"]:
        assert values(case["Y"], case["C"])["nmi"] == pytest.approx(case["NMI"], abs=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_ward_tree_is_scikit_learns(seed):
    from sklearn.cluster import AgglomerativeClustering

    x = np.random.default_rng(seed).normal(size=(60, 5)) + 100
    for count in (2, 7):
        theirs = AgglomerativeClustering(count, linkage="ward").fit_predict(x)
        assert values(theirs, clustering.cut(clustering.ward_tree(x), count))["accuracy"] == 1


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_clustering_metrics_hold_their_bounds(seed, k, c):
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, k, 40), rng.integers(0, c, 40)
    found = values(labels, clusters)
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in found.values())
    assert found["nmi"] == pytest.approx(
        normalized_mutual_info_score(labels, clusters) if min(k, c) > 1 else 0, abs=1e-9
    )
    assert found["recall"] == pytest.approx(found["purity"])  # each cluster stands for its majority class
    assert found["accuracy"] <= found["purity"] + 1e-9
    relabelled = rng.permutation(c)[clusters]
    assert values(labels, relabelled)["nmi"] == pytest.approx(found["nmi"])


def test_weights_count_as_copies():
    rng = np.random.default_rng(0)
    labels, clusters, times = rng.integers(0, 3, 30), rng.integers(0, 3, 30), rng.integers(0, 4, 30)
    table = clustering.contingency(labels, clusters)(times[None].astype(np.float32))
    copied = values(np.repeat(labels, times), np.repeat(clusters, times))
    assert clustering.scores(table)[0] == pytest.approx(list(copied.values()))


# -------------------------------------------------------------------------------------------------- the other protocols


def test_neighbours_and_votes_by_hand():
    train = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], dtype=np.float32)
    position, similarity = knn.nearest(train, np.array([[2.0, 0.1]], dtype=np.float32), 3, CPU)
    assert position.tolist() == [[0, 1, 2]] and similarity[0, 0] == pytest.approx(0.99875, abs=1e-4)
    assert knn.vote(np.array([[2, 1, 1]]), np.array([[0.9, 0.2, 0.1]]), 3).tolist() == [1]
    attributes = np.array([[[1, 0], [-1, 1], [0, 1]]])  # an unknown attribute does not vote
    assert knn.vote(attributes, np.array([[0.9, 0.5, 0.1]]), 2).tolist() == [[1, 1]]


def test_verification_rates_are_scikit_learns():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 5).astype(np.int64)
    features = rng.normal(size=(12, 8))[labels] + 1.5 * rng.normal(size=(60, 8))
    part = examples(features, labels)
    evaluation = verification.evaluate(part, part)
    auc = evaluation.scores[0]
    expected = roc_auc_score(evaluation.outcomes["same"], evaluation.outcomes["similarity"])
    assert auc.value == pytest.approx(expected, abs=1e-9) and auc.low < auc.value < auc.high
    assert evaluation.outcomes["main"].mean() == pytest.approx(auc.value)
    assert len(evaluation.outcomes["pair"]) == 60 * 59 // 2


def test_verification_of_ties_and_of_nobody():
    same = np.array([True, False, True, False])
    equal = np.zeros(4)
    assert verification._rates(np.ones((1, 4)), same, equal)[0] == pytest.approx([0.5])
    with pytest.raises(BadInput, match="same and of different people"):
        verification.draw_pairs(np.zeros(10, dtype=np.int64))


def test_accuracy_scores_by_hand():
    part = examples(np.zeros((6, 1)), np.array([0, 0, 0, 1, 1, 2]))
    predicted = np.array([0, 0, 1, 1, 0, 2])
    scores = {s.name: s for s in accuracy.score_predictions(predicted, part, ["a", "b", "c"]).scores}
    assert scores["accuracy"].value == pytest.approx(4 / 6) and scores["accuracy"].main
    assert scores["accuracy"].chance == pytest.approx(3 / 6)
    assert scores["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(part.labels, predicted))
    assert scores["balanced_accuracy"].chance == pytest.approx(1 / 3)
    assert [scores[f"recall:{c}"].value for c in "abc"] == pytest.approx([2 / 3, 1 / 2, 1])


def test_attribute_scores_with_unknown_labels_by_hand():
    labels = np.array([[1, 0], [1, -1], [0, -1], [1, 1]], dtype=np.int8)
    predicted = np.array([[1, 1], [1, 1], [1, 0], [0, 1]], dtype=np.int8)
    evaluation = accuracy.score_predictions(predicted, examples(np.zeros((4, 1)), labels), ["Smiling", "Young"])
    scores = {s.name: s for s in evaluation.scores}
    assert scores["accuracy:Smiling"].value == 0.5 and scores["accuracy:Young"].value == 0.5
    assert scores["accuracy:Young"].n == 2
    assert scores["accuracy"].value == pytest.approx(0.5) == evaluation.outcomes["main"].mean()
    assert scores["accuracy"].chance == pytest.approx((0.75 + 0.5) / 2)
    # sensitivity 2/3 and specificity 0 for Smiling, 1 and 0 for Young
    assert scores["balanced_accuracy"].value == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_few_labels_use_that_fraction_of_train_and_val(tmp_path, monkeypatch):
    sizes = []
    fit = linear.fit
    monkeypatch.setattr(linear, "fit", lambda t, v, *rest: sizes.append((len(t), len(v))) or fit(t, v, *rest))
    train, val, test = digits(900, 300)
    evaluation = few_label.evaluate(train, val, test, [str(i) for i in range(10)], "tuned", planted.run(tmp_path))
    assert sizes == [(9, 3), (45, 15), (90, 30), (900, 300)]
    curve = [s.value for s in evaluation.scores if s.name.startswith("accuracy@")]
    assert curve == sorted(curve) and curve[-1] > 0.94
    assert evaluation.scores[0].value == pytest.approx(np.mean(curve))


def test_a_track_is_one_example_with_its_mean_feature():
    part = examples([[0.0], [2.0], [5.0], [7.0]], np.array([4, 4, 1, 1]))
    pooled = tracks(part, np.array([9, 9, 3, 3]))
    assert pooled.features[:, 0].tolist() == [6.0, 1.0]
    assert pooled.labels.tolist() == [1, 4] and pooled.rows.tolist() == [2, 0]


def test_speed_comparison_times_the_same_work(tmp_path):
    timings = speed.measure(planted.run(tmp_path), examples=200, dims=20, attributes=6, timed=1)
    assert [t.timed for t in timings] == [1, 1, 1]
    assert all(t.ratio == t.one_by_one / t.together > 0 for t in timings)
