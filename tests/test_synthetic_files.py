"""What is written from an embedded data set: contact sheet, exports, data cards; and how hard it is."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import sweep
from PIL import Image

from bench.api import BadInput, DataSet, Place
from bench.data.celeba import CelebA
from bench.data.synthetic import faces_draw as draw
from bench.data.synthetic import synfaces
from bench.data.synthetic.contact_sheet import palette, picture_of, show
from bench.data.synthetic.difficulty import Problem, measure, problems
from bench.data.synthetic.export import export
from bench.data.synthetic.store import generator_files
from bench.data.synthetic.syncars import SynCars
from bench.data.synthetic.synfaces import SynFaces
from bench.data.unsup3d import SynFace

SOURCE = SynFaces(people=5, images_per_person=7, ood_per_step=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return SOURCE.load(Place(32, tmp_path_factory.mktemp("cache"), None))


def test_contact_sheet_has_all_panels(data, tmp_path):
    path = show(data, tmp_path / "new" / "sheet.png")
    sheet = np.asarray(Image.open(path))
    rows = (
        5 + 7 + len(data.classes["attributes"]) + 5 + 5 + 7
    )  # people, emotions, attributes, scenes x 2, image and maps
    assert abs(sheet.shape[0] - rows * 34) < 200
    first = sheet[26 : 26 + 32, 150 : 150 + 32]
    assert (first == data.images).all((1, 2, 3)).any()


def test_pictures_of_maps():
    depth = np.array([[[1.0, 0.9], [0.0, 1.1]]], dtype=np.float32)
    shown = picture_of("depth", depth, depth > 0)[0, ..., 0]
    assert shown[0, 1] > shown[0, 0] > shown[1, 1] > shown[1, 0] == 0  # near is bright, background black
    assert len(np.unique(palette()[:19], axis=0)) == 19


def test_plain_export_can_be_read_back(data, tmp_path):
    seen = []
    count = export(data, tmp_path / "out", progress=lambda done, total, what: seen.append((done, total)))
    assert count == len(data.images)
    assert seen[-1] == (count, count)
    rows = list(csv.DictReader((tmp_path / "out" / "labels.csv").open()))
    assert [row["file"] for row in rows] == [f"{k:06d}.png" for k in range(count)]
    for k in (0, count - 1):
        row, name = rows[k], f"{k:06d}.png"
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "images" / name)), data.images[k])
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "mask" / name)), data.maps["mask"][k])
        gray = np.asarray(Image.open(tmp_path / "out" / "depth" / name)).astype(float)
        depth = 1.1 - gray / 65535 * 0.2
        inside = data.maps["foreground"][k]
        assert (gray > 0).tolist() == inside.tolist()
        assert np.abs(depth - data.maps["depth"][k])[inside].max() < 1e-5
        assert int(row["emotion"]) == data.labels["emotion"][k]
        assert row["emotion_name"] == data.classes["emotion"][data.labels["emotion"][k]]
        assert int(row["Smiling"]) == data.labels["attributes"][k, data.classes["attributes"].index("Smiling")]
        assert float(row["light_x"]) == pytest.approx(data.labels["light"][k, 2], abs=1e-5)
        assert row["split_default"] in {"train", "val", "test", ""}
    assert rows[-1]["split_ood_viewpoint"] == "step_5"


def test_celeba_export_is_read_as_celeba(data, tmp_path):
    export(data, tmp_path / "celeba", "celeba")
    read = CelebA().load(Place(32, tmp_path / "cache", tmp_path))
    split = data.split("default")
    order = np.concatenate([split[part] for part in ("train", "val", "test")])
    assert read.classes["attributes"] == data.classes["attributes"]
    assert np.array_equal(read.labels["attributes"], data.labels["attributes"][order])
    assert [len(read.split("default")[part]) for part in ("train", "val", "test")] == [len(split[p]) for p in split]
    assert np.abs(read.images.astype(int) - data.images[order]).mean() < 8  # JPEG


def test_synface_export_is_read_as_unsup3d_reads_it(data, tmp_path):
    export(data, tmp_path / "synface", "synface")
    read = SynFace(crop=0).load(Place(32, tmp_path / "cache", tmp_path))
    split = data.split("default")
    order = np.concatenate([split[part] for part in ("train", "val", "test")])
    assert np.array_equal(read.images, data.images[order])
    inside = data.maps["foreground"][order]
    assert np.abs(read.maps["depth"] - data.maps["depth"][order])[inside].max() < 0.2 / 255
    assert (read.maps["depth"][~inside] == np.float32(1.1)).all()


def test_export_refuses_what_it_cannot_do(data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(BadInput, match="not empty"):
        export(data, tmp_path / "full")
    with pytest.raises(BadInput, match="choose from plain"):
        export(data, tmp_path / "new", "coco")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("source", [SynFaces(), SynCars()])
def test_fingerprints_cover_every_module_that_decides_a_pixel(source):
    """What the generator imports of this project, directly or not, but the interfaces, cache and memory, is hashed."""
    root, found = Path(synfaces.__file__).parents[3], {Path(generator_files(source)[0])}
    while True:
        names = {name for path in found for name in re.findall(r"from (bench[\w.]*) import (.+)", path.read_text())}
        modules = {f"{package}.{name}" for package, names in names for name in re.findall(r"\w+", names)}
        modules |= {package for package, _ in names}
        files = {root / (module.replace(".", "/") + ".py") for module in modules}
        more = {path for path in files if path.exists()} - found
        more -= {root / "bench" / name for name in ("api.py", "data/cache.py", "memory.py")}
        if not more:
            break
        found |= more
    assert found == set(generator_files(source))
    assert len(found) > 10


def test_card_tells_the_true_ranges():
    text = Path(synfaces.__file__).with_suffix(".md").read_text()
    for low, high in (*draw.LIGHT_STEPS, *draw.YAW_STEPS):
        assert f"{low:g}-{high:g}" in text
    table, splits = SynFaces().tables()
    assert f"{len(table['scene']):,} pictures" in text
    assert f"`attributes` | {len(draw.ATTRIBUTES)} of" in text
    counts = " : ".join(str(len(np.unique(table["identity"][splits["default"][p]]))) for p in ("train", "val", "test"))
    assert counts in text


@pytest.fixture(scope="module")
def planted():
    """Class numbers are plain brightness, "Known" is one colour channel, "Random" is nothing at all."""
    rng = np.random.default_rng(0)
    level = rng.integers(0, 3, 360)
    attributes = rng.integers(0, 2, (360, 2)).astype(np.int8)
    images = np.empty((360, 16, 16, 3), np.uint8)
    images[..., :2] = 60 * level[:, None, None, None] + rng.integers(0, 30, (360, 16, 16, 2))
    images[..., 2] = 90 * attributes[:, :1, None] + rng.integers(0, 90, (360, 16, 16))
    parts = dict(zip(("train", "val", "test", "step_1"), np.split(np.arange(360), (192, 240, 300)), strict=True))
    return DataSet(
        name="planted",
        domain="face",
        fingerprint="",
        images=images,
        labels={"emotion": level, "attributes": attributes},
        splits={"default": parts, "ood_lighting": parts},
        classes={"emotion": list("abc"), "attributes": ["Known", "Random"]},
    )


def test_difficulty_tells_what_pixels_show_from_what_they_do_not(planted):
    found = {(d.target, d.model, d.part): d for d in measure(planted, epochs=0)}
    assert {model for _, model, _ in found} == {"pixels", "components"}
    for model in ("pixels", "components"):
        assert found["emotion", model, "test"].accuracy > 0.95
        assert found["emotion", model, "ood_lighting step_1"].accuracy > 0.95
        assert found["Known", model, "test"].accuracy > 0.9
        assert abs(found["Random", model, "test"].accuracy - 0.5) < 0.25
    assert found["emotion", "pixels", "test"].chance < 0.5
    assert found["emotion", "pixels", "test"].n == 60
    assert str(found["emotion", "pixels", "test"]).split()[:4] == ["emotion", "pixels", "test", "100.0%"]


def test_difficulty_trains_a_network(planted):
    labels = {"emotion": planted.labels["emotion"]}
    only_emotion = dataclasses.replace(planted, labels=labels, splits={"default": planted.splits["default"]})
    network = next(d for d in measure(only_emotion, epochs=4) if d.model == "resnet18")
    assert network.accuracy > network.chance + 0.2


def test_difficulty_problem_counts_right_answers(data):
    emotion = next(problem for problem in problems(data) if problem.name == "emotion")
    assert isinstance(emotion, Problem)
    rows = np.arange(6)
    perfect = 10.0 * (emotion.answers[rows][:, None] == np.arange(emotion.heads)).float()
    assert emotion.correct(perfect, rows).all()
    assert emotion.loss(perfect, rows) < 0.01
    assert not emotion.correct(-perfect, rows).any()


@pytest.mark.parametrize("command", [["data", "show", "synfaces", "--out"], ["show", "pdr", "--to"]])
def test_a_picture_needs_a_pictures_name(command, tmp_path):
    said = sweep.bench(tmp_path, *command, tmp_path / "sheet", check=2)
    assert "a picture's name ends in .png or .jpg" in said
