"""Sets of face photographs, each on a small tree in exactly its official form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import picture, place, sizes, text, values
from PIL import Image

from bench.api import BadInput
from bench.data.celeba import CelebA, official_part
from bench.data.celebamask_hq import CLASSES, CelebAMaskHQ
from bench.data.check import check
from bench.data.emotions import EMOTIONS, CkPlus, RafDb
from bench.data.extended_yale_b import ExtendedYaleB
from bench.data.fer2013 import Fer2013
from bench.data.tv_tracks import BigBangTracks, BuffyTracks
from bench.data.utkface import UtkFace

SHARED = Path(__file__).parents[2] / "shared" / "data"

# --------------------------------------------------------------------------------------------------- CelebA and its HQ


def celeba(root: Path) -> Path:
    """40 training, 10 validation and 30 test pictures; the test part shows 3 people 10 times each."""
    numbers = [*range(1, 41), *range(162_771, 162_781), *range(182_638, 182_668)]
    names = [f"{number:06d}.jpg" for number in numbers]
    for row, name in enumerate(names):
        picture(root / "img_align_celeba" / name, 2 * row, (178, 218))
    attributes = [f"Attribute_{k}" for k in range(40)]
    rows = [f"{n} " + " ".join(" 1" if (row + k) % 3 == 0 else "-1" for k in range(40)) for row, n in enumerate(names)]
    text(root / "list_attr_celeba.txt", "\n".join(["202599", " ".join(attributes) + " ", *rows]) + "\n")
    people = [2000 + row if row < 50 else 5000 + row % 3 for row in range(80)]
    text(root / "identity_CelebA.txt", "".join(f"{n} {p}\n" for n, p in zip(names, people, strict=True)))
    parts = [0] * 40 + [1] * 10 + [2] * 30
    text(root / "list_eval_partition.txt", "".join(f"{n} {p}\n" for n, p in zip(names, parts, strict=True)))
    text(root / "list_bbox_celeba.txt", "202599\nimage_id x_1 y_1 width height\n")
    return root


def test_celeba(tmp_path):
    celeba(tmp_path / "celeba")
    data = CelebA().load(place(tmp_path, tmp_path))
    assert sizes(data, "attributes") == [40, 10, 30] and sizes(data, "pretrain") == [40, 10, 30]
    assert data.labels["attributes"].shape == (80, 40) and len(data.classes["attributes"]) == 40
    expected = (np.arange(80)[:, None] + np.arange(40)) % 3 == 0
    np.testing.assert_array_equal(data.labels["attributes"], expected)
    assert data.classes["identity"] == ["5000", "5001", "5002"]
    assert sizes(data, "identity") == sizes(data, "verification") == [15, 3, 12]
    assert set(data.labels["identity"][:50]) == {-1} and data.labels[data.group][0] == 2000
    assert abs(np.subtract(values(data), 2 * np.arange(80))).max() <= 1  # labels and pictures belong together
    assert not data.notes


def test_celeba_limits_each_part_to_the_first_pictures(tmp_path):
    celeba(tmp_path / "celeba")
    data = CelebA(limit=5, people=1).load(place(tmp_path, tmp_path))
    assert sizes(data, "attributes") == [5, 5, 5]
    assert sum(sizes(data, "identity")) == 10  # all pictures of the one person, also those beyond the limit
    assert len(data.images) == 5 + 5 + 5 + 8


def test_celeba_without_lists_and_with_broken_rows(tmp_path):
    root = celeba(tmp_path / "celeba")
    (root / "list_eval_partition.txt").unlink()
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()
    lines[2] = "000001.jpg 1 -1"
    del lines[3]
    text(root / "list_attr_celeba.txt", "\n".join(lines))
    text(root / "identity_CelebA.txt", "000001.jpg 7\n000002.jpg\n")
    data = CelebA().load(place(tmp_path, tmp_path))
    assert sizes(data, "attributes") == [40, 10, 30]  # by picture number
    assert (data.labels["attributes"][:2] == -1).all() and (data.labels["attributes"][2:] >= 0).all()
    assert any(note.startswith("2 pictures without a usable row") for note in data.notes)
    assert any(note.startswith("1 lines of identity_CelebA.txt") for note in data.notes)
    assert CelebA().listing(place(tmp_path, tmp_path)).missing == ["list_eval_partition.txt"]
    text(root / "list_attr_celeba.txt", "000001.jpg 1\n000002.jpg 1\n")
    with pytest.raises(BadInput, match="second line must name the attributes"):
        CelebA().load(place(tmp_path, tmp_path))


def test_celeba_official_parts():
    assert [official_part(n) for n in (1, 162_770, 162_771, 182_637, 182_638, 202_599)] == [0, 0, 1, 1, 2, 2]


def celebamask_hq(root: Path) -> Path:
    mapping = ["idx     orig_idx   orig_file"]
    for number in range(30):
        picture(root / "CelebA-HQ-img" / f"{number}.jpg", 8 * number, (64, 64))
        original = (1, 170_000, 190_000)[number % 3] + number
        mapping.append(f"{number}       {original - 1}     {original:06d}.jpg")
        for part, box in (("skin", (0, 0, 64, 64)), ("nose", (0, 0, 32, 32)), ("hair", (0, 0, 64, 16))):
            mask = Image.new("L", (64, 64))
            mask.paste(255, box)
            path = root / "CelebAMask-HQ-mask-anno" / "0" / f"{number:05d}_{part}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            mask.convert("RGB").save(path)
    text(root / "CelebA-HQ-to-CelebA-mapping.txt", "\n".join(mapping))
    return root


def test_celebamask_hq(tmp_path):
    root = celebamask_hq(tmp_path / "CelebAMask-HQ")
    data = CelebAMaskHQ().load(place(tmp_path, tmp_path))
    assert sizes(data, "mask") == [10, 10, 10] and len(data.classes["mask"]) == 19
    mask = data.maps["mask"][7]
    assert mask.shape == (16, 16) and mask.dtype == np.uint8
    assert (mask[:4] == CLASSES.index("hair")).all()  # painted over skin and nose
    assert (mask[4:8, :8] == CLASSES.index("nose")).all() and (mask[8:] == CLASSES.index("skin")).all()
    before = data.fingerprint
    for path in (root / "CelebAMask-HQ-mask-anno").glob("0/00002_*.png"):
        path.unlink()
    (root / "CelebAMask-HQ-mask-anno" / "0" / "00003_nose.png").write_bytes(b"broken")
    data = CelebAMaskHQ().load(place(tmp_path, tmp_path))
    assert len(data.images) == 28 and data.fingerprint != before
    assert [note.split(":")[0] for note in data.notes] == [
        "1 pictures without masks left out",
        "1 unreadable files left out",
    ]
    (root / "CelebA-HQ-to-CelebA-mapping.txt").unlink()
    assert sizes(CelebAMaskHQ().load(place(tmp_path, tmp_path)), "mask") == [22, 3, 3]


# ------------------------------------------------------------------------------------------------------------ emotions


def test_raf_db(tmp_path):
    root = tmp_path / "RAF-DB" / "basic"
    names = [f"train_{n:05d}" for n in range(1, 71)] + [f"test_{n:04d}" for n in range(1, 15)]
    lines = [f"{name}.jpg {row % 7 + 1}" for row, name in enumerate(names)]
    text(root / "EmoLabel" / "list_patition_label.txt", "\n".join([*lines, "train_99999.jpg 3", "train_00001.jpg"]))
    for row, name in enumerate(names):
        picture(root / "Image" / "aligned" / f"{name}_aligned.jpg", row, (100, 100))
    data = RafDb().load(place(tmp_path, tmp_path))
    assert sizes(data, "emotion") == [63, 7, 14]
    assert data.classes["emotion"] == EMOTIONS and EMOTIONS[0] == "surprise" and EMOTIONS[6] == "neutral"
    assert values(data) == [*range(70, 84), *range(70)]  # rows by name: test before train
    np.testing.assert_array_equal(data.labels["emotion"], np.array(values(data)) % 7)
    assert [note.split(":")[0] for note in data.notes] == ["1 lines of list_patition_label.txt not understood"]
    assert RafDb().listing(place(tmp_path, tmp_path)).missing == ["Image/aligned/train_99999_aligned.jpg"]


def test_ck_plus_is_split_by_subject(tmp_path):
    for number in range(1, 31):
        for emotion in ("anger", "contempt", "happy", "surprise"):
            for frame in (9, 10, 11):
                name = f"S{number:03d}_001_{frame:08d}.png"
                picture(tmp_path / "CK+48" / emotion / name, 40, (48, 48))
    picture(tmp_path / "CK+48" / "notes" / "S001_x.png")
    picture(tmp_path / "CK+48" / "anger" / "overview.png")
    data = CkPlus().load(place(tmp_path, tmp_path))
    split = data.split("emotion")
    subjects = [set(data.labels["identity"][split[part]]) for part in ("train", "val", "test")]
    assert [len(part) for part in subjects] == [21, 3, 6]
    assert not (subjects[0] & subjects[1] or subjects[0] & subjects[2] or subjects[1] & subjects[2])
    names = {data.classes["emotion"][number] for number in data.labels["emotion"]}
    assert names == {"anger", "contempt", "happiness", "surprise"}
    assert data.notes == [
        "1 folders that name no emotion left out: notes",
        "1 pictures whose name tells no subject left out: overview.png",
    ]
    assert data.group == "identity"


FER = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def fer_pixels() -> np.ndarray:
    """140 training and 28 test pictures (48 x 48); the first 5 test pictures repeat training pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (168, 48, 48), dtype=np.uint8)
    pixels[140:145] = pixels[:5]
    return pixels


def test_fer2013_folders(tmp_path):
    pixels = fer_pixels()
    for row, image in enumerate(pixels):
        path = tmp_path / "fer2013" / ("train" if row < 140 else "test") / FER[row % 7] / f"im{row:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    data = Fer2013().load(place(tmp_path, tmp_path, size=48))
    assert sum(sizes(data, "emotion")[:2]) == 135 and sizes(data, "emotion")[2] == 28
    assert data.notes[0].startswith("5 training pictures also in the test part, left out: train/")
    assert check(Fer2013(), place(tmp_path, tmp_path, size=48)).notes == data.notes
    shown = {image.tobytes() for image in data.images[data.split("emotion")["test"]]}
    assert not any(
        image.tobytes() in shown for image in data.pretraining().train._pixels[data.split("emotion")["train"]]
    )


def test_fer2013_csv(tmp_path):
    pixels = fer_pixels()
    usage = ["Training"] * 120 + ["PublicTest"] * 20 + ["PrivateTest"] * 28
    rows = [f"{row % 7},{' '.join(map(str, image.ravel()))},{usage[row]}" for row, image in enumerate(pixels)]
    rows[7] = "9,1 2 3,Training"  # no such emotion
    rows[8] = "1,1 2 3,Training"  # too few pixels
    text(tmp_path / "fer2013" / "fer2013.csv", "\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    data = Fer2013().load(place(tmp_path, tmp_path, size=48))
    assert len(data.images) == 166 and sizes(data, "emotion") == [113, 20, 28]
    np.testing.assert_array_equal(data.images[:7, :, :, 0], pixels[:7])
    np.testing.assert_array_equal(data.images[7:, :, :, 2], pixels[9:])
    assert [data.classes["emotion"][number] for number in data.labels["emotion"][:3]] == ["anger", "disgust", "fear"]
    assert [note.split(":")[0] for note in data.notes] == [
        "1 lines of fer2013.csv not understood",
        "1 unreadable files left out",
        "5 training pictures also in the test part, left out",
    ]
    text(tmp_path / "fer2013" / "fer2013.csv", "a,b\n")
    with pytest.raises(BadInput, match="first line must be emotion,pixels,Usage"):
        Fer2013().load(place(tmp_path, tmp_path))


# ------------------------------------------------------------------------------------- UTKFace, Extended Yale B, tracks


def test_utkface(tmp_path):
    root = tmp_path / "UTKFace"
    for number in range(40):
        picture(root / "part1" / f"{number}_{number % 2}_{number % 5}_2017010917{number:04d}.jpg", number, (30, 40))
    picture(root / "part1" / "61_1_20170109150557335.jpg.chip.jpg")  # names like these are in the official release
    picture(root / "part1" / "53__0_20170116184028385.jpg")
    picture(root / "part1" / "5_0_3_20170109171234.jpg.chip.jpg")
    picture(root / "part2" / "5_0_3_20170109171234.jpg")
    text(root / "part1" / "Thumbs.db", "x")
    data = UtkFace().load(place(tmp_path, tmp_path))
    assert len(data.images) == 43 and sum(sizes(data, "gender")) == 43
    by_age = {int(age): row for row, age in enumerate(data.labels["age"])}
    row = by_age[37]
    assert [int(data.labels[name][row]) for name in ("gender", "race", "age_group")] == [1, 2, 2]
    assert values(data)[row] == 37
    assert [int(data.labels[name][by_age[61]]) for name in ("gender", "race", "age_group")] == [-1, -1, 4]
    assert [int(data.labels[name][by_age[53]]) for name in ("gender", "race", "age_group")] == [-1, 0, 3]
    assert [note.split(" ")[0] for note in data.notes] == ["2", "1"]
    assert "further copies" in data.notes[1]


@pytest.mark.skipif(not (SHARED / "utkface").is_dir(), reason="no shared/data/utkface beside the project")
def test_utkface_photographs(tmp_path):
    data = UtkFace().load(place(tmp_path, SHARED, size=32))
    assert data.images.shape == (900, 32, 32, 3) and sizes(data, "gender") == [630, 90, 180]
    assert np.bincount(data.labels["gender"]).tolist() == [412, 488]


def yale(root: Path, lights: dict[str, int], people: int = 3) -> Path:
    for person in range(1, people + 1):
        folder = root / f"yaleB{person:02d}"
        for light, value in lights.items():
            picture(folder / f"yaleB{person:02d}_P00{light}.pgm", value, (168, 192))
        picture(folder / f"yaleB{person:02d}_P00_Ambient.pgm", 5, (640, 480))
        text(folder / f"yaleB{person:02d}_P00.info", "list")
        text(folder / "WS_FTP.LOG", "log")
    text(root / "yaleB01" / "yaleB01_P00A+050E-40.pgm.bad", "bad")
    return root


def test_extended_yale_b(tmp_path):
    frontal = ["A+000E+00", "A-005E+10", "A+005E-10", "A-010E+00", "A+010E+00", "A+005E+10", "A-005E-10"]
    lights = dict.fromkeys(frontal, 200) | {"A+020E+10": 1, "A+035E+40": 2, "A-060E+20": 3, "A+110E-20": 4}
    yale(tmp_path / "extended_yale_b" / "CroppedYale", lights)
    data = ExtendedYaleB().load(place(tmp_path, tmp_path))
    assert len(data.images) == 33
    np.testing.assert_array_equal(data.labels["subset"], [v % 200 for v in values(data)])
    assert {name: len(rows) for name, rows in data.split("ood_lighting").items()} == {
        **{"train": 12, "val": 3, "test": 6},
        **{f"step_{number}": 3 for number in range(1, 5)},
    }
    pretrain = np.concatenate(list(data.split("pretrain").values()))
    assert set(data.labels["subset"][pretrain]) == {0} and sizes(data, "identity") == [15, 6, 12]
    row = values(data).index(4)
    assert (data.labels["azimuth"][row], data.labels["elevation"][row]) == (110, -20)
    assert [note.split(" left out")[0] for note in data.notes] == [
        "3 pictures without a light (ambient alone)",
        "1 pictures that the set's makers marked as bad",
    ]
    assert len(ExtendedYaleB().listing(place(tmp_path, tmp_path)).missing) == 35


@pytest.mark.skipif(not (SHARED / "extended_yale_b").is_dir(), reason="no shared/data/extended_yale_b")
def test_extended_yale_b_photographs(tmp_path):
    data = ExtendedYaleB().load(place(tmp_path, SHARED))
    first = data.labels["subset"][data.labels["identity"] == 0]
    assert np.bincount(first).tolist() == [7, 12, 12, 14, 19]  # the published sizes of the subsets
    left, right = np.asarray(data.images[:, :, :8]).mean((1, 2, 3)), np.asarray(data.images[:, :, 8:]).mean((1, 2, 3))
    lit = np.abs(data.labels["azimuth"]) > 45
    assert (((left > right) == (data.labels["azimuth"] > 0))[lit]).mean() > 0.95  # the light is where its label says


@pytest.mark.parametrize("source", [BigBangTracks(), BuffyTracks()])
def test_tv_tracks(tmp_path, source):
    root = tmp_path / "tv_tracks"
    rows = ["track name"]
    for track in range(1, 31):
        name = source.cast[track % len(source.cast)] if track < 29 else "stranger"
        rows += [f"{track} {name}"] if track < 30 else []
        for frame in range(4):
            picture(root / source.tracks / f"track_{track}" / f"{frame:05d}.jpg", track)
    text(root / source.episode, "\n".join(rows))
    data = source.load(place(tmp_path, tmp_path))
    assert len(data.images) == 28 * 4 and data.group == "track"
    track = np.array([int(data.classes["track"][number].removeprefix("track_")) for number in data.labels["track"]])
    np.testing.assert_array_equal(track, values(data))
    np.testing.assert_array_equal(data.labels["identity"], track % len(source.cast))
    parts = [set(track[rows]) for rows in data.split("identity").values()]
    assert sum(map(len, parts)) == 28 and len(set.union(*parts)) == 28
    assert [note.split(" left out")[0] for note in data.notes] == [
        f"1 tracks without a name in {source.episode}",
        "1 tracks of other people",
    ]
