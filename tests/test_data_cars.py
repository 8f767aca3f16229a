"""Sets of cars and of rendered pictures with depth, each on a small tree in exactly its official form."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import picture, place, sizes, text, values
from PIL import Image
from scipy.io import savemat

from bench.api import BadInput
from bench.data.compcars import BODY_TYPES, VIEWPOINTS, CompCars
from bench.data.stanford_cars import BODY_TYPES as STANFORD_TYPES
from bench.data.stanford_cars import StanfordCars, body_type
from bench.data.unsup3d import SynCar, SynFace

MODELS = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Jaguar XK XKR 2012", "Ram C/V Cargo Van Minivan 2012"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AM General Hummer SUV 2000", "suv"),
        ("Infiniti G Coupe IPL 2012", "coupe"),
        ("Ford E-Series Wagon Van 2012", "van"),
        ("Ram C/V Cargo Van Minivan 2012", "minivan"),
        ("Ford Ranger SuperCab 2011", "pickup"),
        ("Chevrolet Silverado 1500 Hybrid Crew Cab 2012", "pickup"),
        ("Rolls-Royce Phantom Drophead Coupe Convertible 2012", "convertible"),
        ("Jaguar XK XKR 2012", None),
        ("Acura Integra Type R 2001", None),
    ],
)
def test_body_types_by_the_last_words_of_a_name(name, expected):
    assert body_type(name) == (-1 if expected is None else STANFORD_TYPES.index(expected))


def stanford(root, test_list: bool = True):
    """40 training and 20 test pictures, 40 x 20 black with the car's box in white."""
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    for part, file, count in (
        ("cars_train", "devkit/cars_train_annos.mat", 40),
        ("cars_test", "cars_test_annos_withlabels.mat", 20),
    ):
        entries = np.zeros((1, count), dtype=fields)
        for row in range(count):
            name = f"{row + 1:05d}.jpg"
            image = Image.new("RGB", (60, 40))
            image.paste((255, 255, 255), (20, 10, 40, 30))
            (root / part).mkdir(parents=True, exist_ok=True)
            image.save(root / part / name, quality=95)
            entries[0, row] = (20, 10, 40, 30, row % 4 + 1, name)
        (root / "devkit").mkdir(exist_ok=True)
        if part == "cars_train" or test_list:
            savemat(root / file, {"annotations": entries})
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": np.array([MODELS], dtype=object)})
    return root


def test_stanford_cars(tmp_path):
    root = stanford(tmp_path / "stanford_cars")
    (root / "cars_test" / "00020.jpg").unlink()
    data = StanfordCars().load(place(tmp_path, tmp_path))
    assert data.domain == "car" and sizes(data, "model") == [36, 4, 19]
    assert data.classes["model"] == MODELS
    body = [STANFORD_TYPES[number] if number >= 0 else None for number in data.labels["body_type"][:4]]
    assert body == ["suv", "sedan", None, "minivan"]
    assert data.images.min() > 200  # cut out by its box
    assert data.notes == ["1 models whose name tells no body type (unknown there): Jaguar XK XKR 2012"]
    assert StanfordCars().listing(place(tmp_path, tmp_path)).missing == ["cars_test/00020.jpg"]


def test_stanford_cars_without_test_labels_or_devkit(tmp_path):
    root = stanford(tmp_path / "stanford_cars", test_list=False)
    data = StanfordCars().load(place(tmp_path, tmp_path))
    assert sizes(data, "model") == [28, 4, 8]
    assert StanfordCars().listing(place(tmp_path, tmp_path)).missing == ["cars_test_annos_withlabels.mat"]
    no_class = np.array([[("00001.jpg",)]], dtype=[("fname", object)])
    savemat(root / "devkit" / "cars_test_annos_withlabels.mat", {"annotations": no_class})
    with pytest.raises(BadInput, match="must have the fields fname, class"):
        StanfordCars().load(place(tmp_path, tmp_path))
    text(root / "devkit" / "cars_train_annos.mat", "no matlab file")
    with pytest.raises(BadInput, match="no readable variable 'annotations'"):
        StanfordCars().load(place(tmp_path, tmp_path))
    (root / "devkit" / "cars_meta.mat").unlink()
    with pytest.raises(BadInput, match=r"cars_meta\.mat is missing"):
        StanfordCars().load(place(tmp_path, tmp_path))


def compcars(root):
    """Two models of two types from all five viewpoints, 10 training and 5 test pictures each."""
    rows = ["model_id maximum_speed displacement door_number seat_number type", "12 235 1.8 5 5 4", "7 200 2.0 4 5 3"]
    text(root / "misc" / "attributes.txt", "\n".join([*rows, "9 0 0.0 0 0 0"]))
    for part, count in (("train", 10), ("test", 5)):
        listed = []
        for make, model in (("1", "12"), ("1", "7"), ("2", "9")):
            for view in range(1, 6):
                for number in range(count):
                    name = f"{make}/{model}/2014/{part}{view}{number}"
                    picture(root / "image" / f"{name}.jpg", 40 * view, (40, 30))
                    text(root / "label" / f"{name}.txt", f"{view}\n1\n5 5 25 20\n")
                    listed.append(f"{name}.jpg")
        listed.append("../../outside.jpg")
        text(root / "train_test_split" / "classification" / f"{part}.txt", "\n".join(listed) + "\n")
    return root


def test_compcars(tmp_path):
    root = compcars(tmp_path / "CompCars" / "data")
    text(root / "label" / "1" / "12" / "2014" / "train10.txt", "-1\n1\n5 5 25 20\n")
    (root / "label" / "1" / "12" / "2014" / "train11.txt").unlink()
    (root / "image" / "1" / "12" / "2014" / "train12.jpg").unlink()
    data = CompCars().load(place(tmp_path, tmp_path))
    assert sizes(data, "body_type") == [134, 15, 75]
    view = data.labels["viewpoint"]
    assert abs(np.subtract(values(data), 40 * (view + 1)))[view >= 0].max() <= 1 and (view < 0).sum() == 2
    body = {data.classes["model"][m]: b for m, b in zip(data.labels["model"], data.labels["body_type"], strict=True)}
    assert body == {"12": BODY_TYPES.index("hatchback"), "7": BODY_TYPES.index("sedan"), "9": -1}
    split = data.split("ood_viewpoint")
    names = [{VIEWPOINTS[number] for number in view[rows]} for rows in split.values()]
    assert names == [*[{"front-side"}] * 3, {"side"}, {"front"}, {"rear-side"}, {"rear"}]
    partition = data.labels["partition"]
    assert all(set(partition[rows]) == {0 if part in ("train", "val") else 2} for part, rows in split.items())
    assert data.notes[0].startswith("2 listed names that are no make/model/year/name.jpg left out: ../../outside.jpg")
    assert [note.split(" (")[0] for note in data.notes[1:]] == [
        "1 pictures without a usable label file",
        "75 pictures of models without a body type",
    ]
    assert CompCars().listing(place(tmp_path, tmp_path)).missing == ["image/1/12/2014/train12.jpg"]


@pytest.mark.parametrize("names", [("images", ""), ("image", "image")])
def test_synface_depth(tmp_path, names):
    folder, word = names
    for part, count in (("train", 6), ("val", 2), ("test", 3)):
        for number in range(count):
            picture(tmp_path / "synface" / part / folder / f"{number}_{word}.png", 50, (256, 256))
            depth = np.zeros((256, 256), np.uint8)
            depth[43:213, 43:128] = 255  # the left half of the square that is used
            path = tmp_path / "synface" / part / "depth" / f"{number}_{word.replace('image', 'depth')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(depth).save(path)
    (tmp_path / "synface" / "train" / "depth" / f"5_{word.replace('image', 'depth')}.png").unlink()
    data = SynFace().load(place(tmp_path, tmp_path))
    assert sizes(data, "default") == [5, 2, 3] and data.domain == "face"
    depth = data.maps["depth"]
    assert depth.dtype == np.float32 and depth.shape == (10, 16, 16)
    np.testing.assert_allclose(depth[:, :, :7], 0.9, rtol=1e-6)
    np.testing.assert_allclose(depth[:, :, 9:], 1.1, rtol=1e-6)
    assert data.notes[0].startswith("1 pictures without depth left out")


def test_syncar_is_cropped_as_published(tmp_path):
    pixels = np.zeros((128, 128), np.uint8)
    pixels[8:108, 14:114] = 90
    for part in ("train", "val", "test"):
        for number in range(3):
            path = tmp_path / "syncar" / part / "images" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    data = SynCar().load(place(tmp_path, tmp_path))
    assert data.domain == "car" and not data.maps and sizes(data, "pretrain") == [3, 3, 3]
    assert (data.images == 90).all()
    assert SynCar(crop=0).load(place(tmp_path, tmp_path)).images[0, 0, 0, 0] == 0
