"""Picture files of every kind, the cache of decoded pictures, splits, and the two simplest layouts."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import picture, place
from PIL import Image

from bench.api import BadInput, Unavailable
from bench.data.att_orl import AttOrl
from bench.data.cache import cached_folder
from bench.data.decode import decode
from bench.data.image_folder import ImageFolder
from bench.data.splits import split_between, split_official, split_within

SHARED = Path(__file__).parents[2] / "shared" / "data"


# -------------------------------------------------------------------------------------------------------- one picture


@pytest.mark.parametrize(
    ("mode", "suffix", "colour", "expected"),
    [
        ("L", "pgm", 100, (100, 100, 100)),
        ("1", "png", 1, (255, 255, 255)),
        ("LA", "png", (70, 10), (70, 70, 70)),
        ("RGB", "png", (10, 20, 30), (10, 20, 30)),
        ("RGBA", "png", (10, 20, 30, 40), (10, 20, 30)),
        ("CMYK", "jpg", (255, 0, 0, 0), (0, 255, 255)),
        ("CMYK", "tif", (0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_every_colour_mode_becomes_rgb(tmp_path, mode, suffix, colour, expected):
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (30, 20), colour).save(path)
    pixels = decode(path, 8)
    assert pixels.shape == (8, 8, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_palette_with_transparency_gives_the_palette_colour_without_a_warning(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(tmp_path / "a.png", transparency=bytes([255, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (decode(tmp_path / "a.png", 4) == (200, 100, 50)).all()


def test_16_bit_grey_keeps_its_range(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 16).astype(np.uint16), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    (tmp_path / "a.pgm").write_bytes(b"P5 16 16 65535\n" + ramp.astype(">u2").tobytes())
    for name in ("a.png", "a.pgm"):
        np.testing.assert_array_equal(decode(tmp_path / name, 16)[..., 0], np.round(ramp / 257).astype(np.uint8))


def test_exif_rotation_is_applied(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255  # white on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise: white goes to the right
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    shown = decode(tmp_path / "a.png", 16)
    assert shown[:, 8:].min() == 255 and shown[:, :8].max() == 0


def test_the_square_is_centred_or_around_the_box(tmp_path):
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    pixels[:, 20:] = 100
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png", 10) == 200).all()
    around = decode(tmp_path / "a.png", 10, box=(20, 2, 30, 8))
    assert (around == 100).all()
    beyond = decode(tmp_path / "a.png", 10, box=(10, 4, 30, 6))[:, :, 0]  # 20 x 20 of which 5 rows above are black
    assert (beyond[0] == 0).all() and (beyond[5, 1:4] == 200).all() and (beyond[5, 6:9] == 100).all()


def test_large_jpegs_look_the_same_as_read_in_full(tmp_path):
    y, x = np.mgrid[:512, :512] / 512
    smooth = np.stack([x, y, (x + y) / 2], -1)
    Image.fromarray((smooth * 255).astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray((smooth * 255).astype(np.uint8)).save(tmp_path / "a.png")
    difference = decode(tmp_path / "a.jpg", 16).astype(int) - decode(tmp_path / "a.png", 16)
    assert np.abs(difference).max() <= 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(1, 24),
    box=st.none() | st.tuples(*[st.floats(-10, 50)] * 4),
    squeeze=st.booleans(),
)
def test_whatever_comes_out_is_square_rgb(tmp_path, mode, shape, size, box, squeeze):
    suffix = "tif" if mode in ("CMYK", "YCbCr") else "png"
    Image.new(mode, shape, 1).save(tmp_path / f"a.{suffix}")
    corners = None if box is None else (*np.minimum(box[:2], box[2:]), *(np.maximum(box[:2], box[2:]) + 1))
    pixels = decode(tmp_path / f"a.{suffix}", size, corners, squeeze)
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8


# ---------------------------------------------------------------------------------------------------------- the cache


def test_a_killed_build_leaves_nothing_that_is_believed(tmp_path):
    def fails(folder):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path / "a", fails)
    assert not (tmp_path / "a").exists()
    built = cached_folder(tmp_path / "a", lambda folder: (folder / "whole").write_text("whole"))
    assert [path.name for path in built.iterdir()] == ["whole"]
    cached_folder(tmp_path / "a", fails)  # there already: not built again


def test_who_comes_second_waits_for_the_first(tmp_path):
    built = []

    def build(folder):
        time.sleep(0.05)
        built.append(folder)
        (folder / "whole").write_text("whole")

    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: cached_folder(tmp_path / "a", build), range(4)))
    assert len(built) == 1 and all((folder / "whole").read_text() == "whole" for folder in folders)


def folder_of_faces(root: Path) -> Path:
    for person in "abc":
        for number in range(6):
            picture(root / "image_folder" / person / f"{number}.png", 40 * number)
    return root


def test_pictures_are_decoded_once_and_the_broken_ones_are_counted(tmp_path):
    root = folder_of_faces(tmp_path / "data")
    folder = root / "image_folder"
    whole = (folder / "a" / "0.png").read_bytes()
    (folder / "a" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "a" / "1.png").write_bytes(b"")
    (folder / "b" / "Thumbs.db").write_bytes(b"x")
    (folder / "b" / "._0.png").write_bytes(b"x")
    calls = []
    data = ImageFolder().load(place(tmp_path, root, progress=lambda *call: calls.append(call)))
    assert len(data.images) == len(data.labels["label"]) == 16
    assert calls[-1] == (18, 18, "decoding image_folder")
    [note] = data.notes
    assert note.startswith("2 unreadable files left out: a/0.png (")
    assert [int(value) for value in data.images[:4, 0, 0, 0]] == [80, 120, 160, 200]  # labels and pictures still fit
    assert list(data.labels["label"][:5]) == [0, 0, 0, 0, 1]
    calls.clear()
    again = ImageFolder().load(place(tmp_path, root, progress=lambda *call: calls.append(call)))
    assert not calls and again.notes == data.notes and again.fingerprint == data.fingerprint
    ImageFolder(seed=1).load(place(tmp_path, root, progress=lambda *call: calls.append(call)))
    assert not calls  # another split of the same pictures
    ImageFolder(squeeze=True).load(place(tmp_path, root, progress=lambda *call: calls.append(call)))
    assert calls  # other pixels


def test_the_fingerprint_tells_settings_names_and_sizes_apart(tmp_path):
    root = folder_of_faces(tmp_path / "data")
    prints = [ImageFolder().fingerprint(place(tmp_path, root))]
    prints.append(ImageFolder().fingerprint(place(tmp_path, root, size=32)))
    prints.append(ImageFolder(seed=1).fingerprint(place(tmp_path, root)))
    (root / "image_folder" / "a" / "5.png").rename(root / "image_folder" / "b" / "6.png")
    prints.append(ImageFolder().fingerprint(place(tmp_path, root)))
    picture(root / "image_folder" / "b" / "6.png", size=(200, 300))
    prints.append(ImageFolder().fingerprint(place(tmp_path, root)))
    assert len(set(prints)) == 5
    assert not (tmp_path / "cache").exists()  # nothing was decoded
    assert prints[-1] == ImageFolder().load(place(tmp_path, root)).fingerprint


def test_too_little_left_is_one_clear_line(tmp_path):
    root = tmp_path / "data"
    picture(root / "image_folder" / "a" / "0.png")
    (root / "image_folder" / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"1 readable pictures leave none for val and test .*1 unreadable"):
        ImageFolder().load(place(tmp_path, root))
    (root / "image_folder" / "a" / "0.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"no readable picture \(2 unreadable"):
        ImageFolder().load(place(tmp_path, root))
    (root / "empty" / "a").mkdir(parents=True)
    with pytest.raises(BadInput, match="no usable picture"):
        ImageFolder(path="empty").load(place(tmp_path, root))


@pytest.mark.parametrize("source", [AttOrl(), ImageFolder()])
def test_missing_data_says_where_it_was_looked_for(tmp_path, source):
    with pytest.raises(Unavailable, match="--data-root"):
        source.load(place(tmp_path, tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match="--data-root"):
        source.fingerprint(place(tmp_path, None))


# ------------------------------------------------------------------------------------------------------------- splits


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 10))
def test_splits_part_the_rows(labels, seed):
    labels = np.array(labels)
    for split in (split_within(labels, seed), split_between(labels, seed)):
        together = np.concatenate([split[part] for part in ("train", "val", "test")])
        assert sorted(together) == list(range(len(labels)))
    within = split_within(labels, seed)
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        has = [int((labels[within[part]] == label).sum()) for part in ("train", "val", "test")]
        assert has[0] >= 1 and (count < 2 or has[2] >= 1) and (count < 3 or has[1] >= 1)
    between = split_between(labels, seed)
    sets = [set(labels[between[part]]) for part in ("train", "val", "test")]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_official_splits_are_completed_but_not_changed():
    partition = np.array([0] * 20 + [2] * 5 + [-1])
    split = split_official(partition, np.zeros(26), seed=0)
    assert list(split["test"]) == [20, 21, 22, 23, 24]
    assert len(split["val"]) == 2 and len(split["train"]) == 18
    assert set(split["train"]) | set(split["val"]) == set(range(20))


# ------------------------------------------------------------------------------------------------------ folder layouts


def test_image_folder_with_part_folders(tmp_path):
    for part, count in (("train", 10), ("test", 3)):
        for name in ("x", "y"):
            for number in range(count):
                picture(tmp_path / "mine" / part / name / f"{number}.png")
    data = ImageFolder(path="mine", target="body_type", domain="car").load(place(tmp_path, tmp_path))
    split = data.split("body_type")
    assert (len(split["train"]), len(split["val"]), len(split["test"])) == (18, 2, 6)
    assert data.domain == "car" and data.group is None and data.classes == {"body_type": ["x", "y"]}
    assert set(data.labels["partition"][split["test"]]) == {2}


def att_orl(root: Path, people: int = 4) -> Path:
    for person in range(1, people + 1):
        for number in range(1, 11):
            picture(root / f"s{person}" / f"{number}.pgm", 20 * number, (92, 112))
    (root / "README").write_text("x")
    return root


@pytest.mark.parametrize("folder", ["att_orl", "ORL-Faces", "."])
def test_att_orl(tmp_path, folder):
    root = att_orl(tmp_path / "data" / folder)
    (root / "s3" / "10.pgm").unlink()
    data = AttOrl().load(place(tmp_path, tmp_path / "data"))
    split = data.split("identity")
    assert len(data.images) == 39 and data.group == "identity"
    assert [len(split[part]) for part in ("train", "val", "test")] == [19, 4, 16]
    assert data.classes["identity"] == ["s1", "s2", "s3", "s4"]
    missing = AttOrl().listing(place(tmp_path, tmp_path / "data")).missing
    assert missing[0] == "s3/10.pgm" and len(missing) == 361


@pytest.mark.skipif(not (SHARED / "att_orl").is_dir(), reason="no shared/data/att_orl beside the project")
def test_att_orl_photographs(tmp_path):
    data = AttOrl().load(place(tmp_path, SHARED))
    assert len(data.images) == 390 and len(data.classes["identity"]) == 39
    train = data.pretraining().train
    assert len(train) == 195 and 0.2 < float(train[:].mean()) < 0.7
    test = data.split("identity")["test"]
    flat = data.images.reshape(390, -1).astype(float)
    known = data.split("identity")["train"]
    nearest = known[[np.abs(flat[known] - flat[row]).sum(1).argmin() for row in test]]
    accuracy = (data.labels["identity"][nearest] == data.labels["identity"][test]).mean()
    assert accuracy > 0.8  # raw pixels do well on these photographs: pictures and labels belong together
