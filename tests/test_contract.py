"""Every registered method, task and embedded data set, old or new, through the same checks."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from training import Killed, pretraining

from bench.api import DataSet, Encoder, Place, Unavailable
from bench.artefact import load_module, save_encoder
from bench.config import load_profile
from bench.registry import Registry
from bench.run import Run

REGISTRY = Registry()
SMOKE = load_profile("smoke", (), REGISTRY)
SIZE = SMOKE.image_size
DOMAINS = ("face", "car")


def facts(kind, name):
    return REGISTRY.entry(kind, name).info.facts


def method_of(name):
    return REGISTRY.make("method", name, REGISTRY.spec("method", name, (), SMOKE.methods.get(name, {})).values)


@cache
def data_of(name):
    """A data set at the size of the smoke profile, rendered in memory-mapped form into a temporary cache."""
    import tempfile
    from pathlib import Path

    spec = REGISTRY.spec("dataset", name, (), SMOKE.datasets.get(name, {}))
    return REGISTRY.make("dataset", name, spec.values).load(Place(SIZE, Path(tempfile.mkdtemp()), None))


def unsupervised():
    return [name for name in REGISTRY.names("method") if not facts("method", name).get("supervised")]


def embedded():
    return [name for name in REGISTRY.names("dataset") if facts("dataset", name).get("embedded")]


def tasks_on_embedded_data():
    found = []
    for name in REGISTRY.names("task"):
        entry = REGISTRY.entry("task", name)
        dataset = dict(entry.presets).get("dataset", entry.info.fields["dataset"].default)
        if dataset in embedded():
            found.append(name)
    return found


def train(name, domain, scratch, report=None, checkpoint_every=1e9):
    method = method_of(name)
    torch.manual_seed(3)
    encoder = method.build(SIZE, domain)
    run = Run(seed=3, scratch=scratch, report=report, checkpoint_every=checkpoint_every)
    method.fit(encoder, pretraining(24, SIZE), run)
    return encoder.eval().requires_grad_(False), run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Methods are trained once for all checks; those that lack something are skipped with their reason."""

    @cache
    def of(name, domain):
        try:
            return train(name, domain, tmp_path_factory.mktemp(name))
        except Unavailable as missing:
            return str(missing)

    def get(name, domain):
        result = of(name, domain)
        if isinstance(result, str):
            pytest.skip(result)
        return result

    return get


@pytest.mark.parametrize("name", unsupervised())
@pytest.mark.parametrize("domain", DOMAINS)
def test_features_are_finite_and_do_not_depend_on_the_batch(trained, name, domain):
    encoder, run = trained(name, domain)
    x = pretraining(64, SIZE).val[:]
    blocks = encoder.encode(x)
    assert blocks
    for block in blocks.values():
        assert block.shape[0] == 64 and block.ndim == 2 and block.dtype == torch.float32
        assert torch.isfinite(block).all()
    together = encoder.represent(x)
    one_by_one = torch.cat([encoder.represent(x[i : i + 1]) for i in range(8)])
    atol = 1e-4 * float(together.abs().max())
    assert together.ndim == 2 and torch.allclose(together[:8], one_by_one, rtol=1e-3, atol=atol)
    assert together.std(0).max() > 0, "all images get the same features"
    json.dumps(run.facts, allow_nan=True)


@pytest.mark.parametrize("name", unsupervised())
def test_a_saved_encoder_comes_back_the_same(trained, name, tmp_path):
    encoder, _ = trained(name, "face")
    x = pretraining(24, SIZE).val[:4]
    save_encoder(tmp_path / "key", encoder, {"key": "key", "seconds": 0.0}, {}, x)
    torch.manual_seed(99)  # another start: everything must come from the file
    other = method_of(name).build(SIZE, "face").eval()
    load_module(tmp_path / "key", other)
    assert torch.equal(encoder.represent(x), other.represent(x))


@pytest.mark.parametrize("name", unsupervised())
def test_a_killed_training_ends_like_an_uninterrupted_one(trained, name, tmp_path):
    encoder, run = trained(name, "face")
    if not run.curves:
        pytest.skip("nothing is trained step by step")
    steps_seen = []

    def die(done, total, what):
        steps_seen.append(done)
        if done == 2 and total > 2:
            raise Killed

    with pytest.raises(Killed):
        train(name, "face", tmp_path, report=die, checkpoint_every=0.0)
    again, resumed = train(name, "face", tmp_path)
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert resumed.curves == run.curves
    assert {"images_seen", "optimiser_steps"} <= set(run.facts)


@pytest.mark.parametrize("name", unsupervised())
def test_pictures_and_feature_maps_have_their_form(trained, name):
    encoder, _ = trained(name, "face")
    x = pretraining(24, SIZE).val[:3]
    for key, pictures in encoder.pictures(x).items():
        assert pictures.shape[:2] == (3, 3) and torch.isfinite(pictures).all(), key
    if "pictures" in type(encoder).__dict__:
        assert next(iter(encoder.pictures(x))) == "reconstruction"
    try:
        pyramid = encoder.pyramid(x)
    except Unavailable:
        return
    heights = [level.shape[-1] for level in pyramid]
    assert all(level.shape[0] == 3 and level.ndim == 4 for level in pyramid)
    assert heights == sorted(heights, reverse=True), "feature maps go fine to coarse"


class Pixels8(Encoder):
    """A cheap encoder with feature maps."""

    def encode(self, x):
        return {name: torch.nn.functional.adaptive_avg_pool2d(x, 8).flatten(1) for name in ("depth", "light")}

    def pyramid(self, x):
        return [torch.nn.functional.avg_pool2d(x, k) for k in (1, 2, 4)]


@pytest.mark.parametrize("name", tasks_on_embedded_data())
def test_a_task_gives_one_main_score_and_repeats_itself(name, tmp_path):
    spec = REGISTRY.spec("task", name, (), SMOKE.tasks.get(name, {}))
    task = REGISTRY.make("task", name, spec.values)
    data: DataSet = data_of(spec.values["dataset"])
    results = []
    for attempt in ("first", "second"):
        (tmp_path / attempt).mkdir()
        torch.manual_seed(0)
        results.append(task.evaluate(Pixels8().eval(), data, Run(seed=0, scratch=tmp_path / attempt)))
    scores = results[0].scores
    mains = [score for score in scores if score.main]
    assert len(mains) == 1 and mains[0].chance is not None
    assert len({score.name for score in scores}) == len(scores), "two scores of one name"
    for score in scores:
        assert np.isfinite(score.value) and score.n > 0
        if score.low is not None:
            assert score.low <= score.value + 1e-9 and score.value <= score.high + 1e-9, score
    outcomes = results[0].outcomes
    if "main" in outcomes:
        assert abs(float(np.mean(outcomes["main"])) - mains[0].value) < 1e-6
        assert len(outcomes["example"]) == len(outcomes["main"])
    assert [vars(s) for s in scores] == [vars(s) for s in results[1].scores]


@pytest.mark.parametrize("name", embedded())
def test_an_embedded_data_set_is_what_it_says(name):
    data = data_of(name)
    count = len(data.images)
    assert data.images.shape == (count, SIZE, SIZE, 3) and data.images.dtype == np.uint8
    assert all(len(label) == count for label in data.labels.values())
    assert all(len(values) == count for values in data.maps.values())
    for target, split in data.splits.items():
        rows = np.concatenate([split[part] for part in ("train", "val", "test") if part in split])
        assert len(np.unique(rows)) == len(rows), f"the parts of {target} overlap"
        assert rows.min() >= 0 and rows.max() < count
    groups = data.labels[data.group]
    default = data.split("default")
    people = [set(groups[default[part]].tolist()) for part in ("train", "val", "test")]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    held_out = set(default["test"].tolist())
    assert not held_out & set(data.split("pretrain")["train"].tolist()), "methods are fitted on test images"
