"""Rendered faces as a data set: what it promises, the same bytes always, interruptions, fingerprints, sizes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from bench.api import BadInput, Place
from bench.data.synthetic import synfaces
from bench.data.synthetic.store import content_fingerprint
from bench.data.synthetic.synfaces import SynFaces, render_faces

SMALL = SynFaces(people=5, images_per_person=5, ood_per_step=3)
SIZE = 64


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def data(cache):
    return SMALL.load(Place(SIZE, cache, None))


def test_the_data_set_has_what_it_promises(data):
    count = 25 + 2 * 5 + 2 * 5 * 3
    assert data.images.shape == (count, SIZE, SIZE, 3)
    assert isinstance(data.images, np.memmap)
    assert all(len(values) == count for values in [*data.labels.values(), *data.maps.values()])
    assert set(data.maps) == {"mask", "depth", "normals", "albedo", "shading", "foreground"}
    assert data.labels["light"].shape == (count, 5)
    assert np.allclose(np.linalg.norm(data.labels["light"][:, 2:], axis=1), 1, atol=1e-5)
    for name in ("shape", "albedo", "expression", "light", "view"):
        assert len(data.classes[name]) == data.labels[name].shape[1]
    assert len(data.classes["attributes"]) == data.labels["attributes"].shape[1]
    assert data.classes["emotion"] == ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]


def test_rendering_again_gives_the_same_bytes(data, tmp_path):
    steps = []
    again = SMALL.load(Place(SIZE, tmp_path, None, lambda done, total, what: steps.append((done, total))))
    assert np.array_equal(data.images, again.images)
    assert all(np.array_equal(data.maps[name], again.maps[name]) for name in data.maps)
    assert steps[-1] == (len(data.images), len(data.images))
    assert data.fingerprint == again.fingerprint


def test_bytes_do_not_depend_on_torch_threads(data):
    table, _ = SMALL.tables()
    rows = {name: column[:16] for name, column in table.items()}
    with ThreadPoolExecutor(1, initializer=lambda: torch.set_num_threads(1)) as pool:
        alone = pool.submit(render_faces, rows, SIZE, SMALL.seed).result()
    assert np.array_equal(alone["images"], data.images[:16])


def test_processes_share_one_rendering_and_agree_to_the_byte(tmp_path):
    """Two processes at once on one cache render once; this process, on its own cache, gets the same content."""
    script = (
        "import sys, torch; from pathlib import Path; from bench.api import Place;"
        "from bench.data.synthetic import synfaces; torch.set_num_threads(2);"
        "SynFaces = synfaces.SynFaces; original = synfaces.render_faces;"
        "synfaces.render_faces = lambda *a: print('rendered') or original(*a);"
        "SynFaces(people=5, images_per_person=5, further=0, ood_per_step=3).load(Place(32, Path(sys.argv[1]), None))"
    )
    start = [sys.executable, "-c", script, str(tmp_path / "theirs")]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(said) == ["", "rendered\n"]  # 55 pictures of 32 pixels are one chunk
    ours, theirs = Place(32, tmp_path / "ours", None), Place(32, tmp_path / "theirs", None)
    fingerprint = SynFaces(people=5, images_per_person=5, further=0, ood_per_step=3).load(ours).fingerprint
    assert content_fingerprint(ours, "synfaces", fingerprint) == content_fingerprint(theirs, "synfaces", fingerprint)


def test_an_interrupted_rendering_starts_over(tmp_path, monkeypatch):
    original = synfaces.render_faces

    def killed(table, size, seed):
        if table["scene"][0] > 0:
            raise KeyboardInterrupt
        return original(table, size, seed)

    monkeypatch.setattr(synfaces, "render_faces", killed)
    with pytest.raises(KeyboardInterrupt):
        SMALL.load(Place(SIZE, tmp_path, None))
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and not path.name.endswith(".unfinished")]
    monkeypatch.setattr(synfaces, "render_faces", original)
    data = SMALL.load(Place(SIZE, tmp_path, None))
    assert data.images.std(axis=(1, 2, 3)).min() > 0  # no row was left empty
    assert not list(tmp_path.glob("*.unfinished"))


def test_fingerprint_follows_settings_size_and_seed(tmp_path):
    here = Place(64, tmp_path, None)
    others = [SynFaces(seed=1), SynFaces(people=201), SynFaces(further=1), SynFaces(ood_per_step=9)]
    prints = {source.fingerprint(here) for source in (SynFaces(), *others)}
    assert len(prints | {SynFaces().fingerprint(Place(32, tmp_path, None))}) == 6
    assert SynFaces().fingerprint(here) in prints


def test_content_fingerprint_covers_every_file(data, cache):
    manifest = json.loads((cache / f"synfaces-{data.fingerprint}" / "manifest.json").read_text())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in cache.glob("synfaces-*/*.npy")}
    assert manifest["files"] == files
    assert manifest["content"] == content_fingerprint(Place(SIZE, cache, None), "synfaces", data.fingerprint)


def test_another_seed_shows_other_people(data):
    table, _ = SynFaces(people=5, images_per_person=5, ood_per_step=3, seed=1).tables()
    assert not np.isclose(table["head_width"][:25], data.labels["shape"][:25, 0]).any()


@pytest.mark.parametrize("size", [32, 128])
def test_other_sizes_show_the_same_scene(data, size):
    table, _ = SMALL.tables()
    image = render_faces({name: column[:1] for name, column in table.items()}, size, 0)["images"][0].astype(float)
    small = data.images[0].astype(float)
    if size == 128:
        image = image.reshape(64, 2, 64, 2, 3).mean((1, 3))
    else:
        small = small.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(image - small).mean() < 8


def test_too_small_settings_are_refused(tmp_path):
    with pytest.raises(BadInput, match="people"):
        SynFaces(people=2).load(Place(SIZE, tmp_path, None))
