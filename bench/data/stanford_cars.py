"""Stanford Cars (Krause et al., 2013): `cars_train/00001.jpg`, `cars_test/`, `devkit/*.mat`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import BadInput, Domain, Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, pictures_in
from bench.data.splits import split_official

# the last words of a model's name -> its body type
BODIES = {
    "sedan": "sedan",
    "suv": "suv",
    "coupe": "coupe",
    "convertible": "convertible",
    "hatchback": "hatchback",
    "wagon": "wagon",
    "van": "van",
    "minivan": "minivan",
    "cab": "pickup",
    "supercab": "pickup",
}
BODY_TYPES = list(dict.fromkeys(BODIES.values()))
BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
ANNOTATIONS = {"cars_train": "cars_train_annos.mat", "cars_test": "cars_test_annos_withlabels.mat"}


def body_type(name: str) -> int:
    """The body type in a model's name, which stands last or last but one before the year; -1 if there is none."""
    for word in reversed(name.lower().split()[-3:-1]):
        if word in BODIES:
            return BODY_TYPES.index(BODIES[word])
    return -1


@dataclass(frozen=True)
class StanfordCars(Photos):
    """Stanford Cars: 16,185 photographs of 196 models, cut out by their boxes; model and body type."""

    domain: ClassVar[Domain] = "car"
    folder: ClassVar[str] = "stanford_cars"
    markers: ClassVar[tuple[str, ...]] = ("cars_train",)
    homepage: ClassVar[str] = "https://ai.stanford.edu/~jkrause/cars/car_dataset.html"

    def scan(self, root: Path) -> Listing:
        """Labels "model" and "body_type" (-1 where the name does not tell), "partition" (0 train, 2 test)."""
        names = [str(name) for name in np.atleast_1d(_read_mat(root / "devkit" / "cars_meta.mat", "class_names"))]
        files, models, boxes, missing = [], [], [], []
        for part, file in ANNOTATIONS.items():
            path = root / "devkit" / file
            path = path if path.is_file() else root / file  # the labelled test list is a download of its own
            if not path.is_file():
                missing.append(file)
                continue
            present = {picture.name for picture in pictures_in(root / part)} if (root / part).is_dir() else set()
            entries = np.atleast_1d(_read_mat(path, "annotations"))
            if not {"fname", "class", *BOX} <= set(entries.dtype.names or ()):
                raise BadInput(f"{path}: the annotations must have the fields fname, class, {', '.join(BOX)}")
            for entry in entries:
                if (name := str(entry["fname"])) in present:
                    files.append(f"{part}/{name}")
                    models.append(int(entry["class"]) - 1)
                    boxes.append([float(entry[side]) for side in BOX])
                else:
                    missing.append(f"{part}/{name}")
        bodies = np.array([body_type(name) for name in names], dtype=np.int64)
        model = np.array(models, dtype=np.int64)
        if len(model) and not 0 <= model.min() <= model.max() < len(names):
            raise BadInput(f"{root / 'devkit'}: the annotations number more models than cars_meta.mat names")
        labels = {
            "model": model,
            "body_type": bodies[model],
            "partition": np.array([2 if file.startswith("cars_test") else 0 for file in files], dtype=np.int64),
        }
        vague = [name for name, body in zip(names, bodies, strict=True) if body < 0]
        return Listing(
            root,
            files,
            labels,
            {"model": names, "body_type": BODY_TYPES},
            boxes=np.array(boxes).reshape(-1, 4),
            notes=counted(vague, "models whose name tells no body type (unknown there)"),
            missing=missing,
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The official parts; a tenth of train is kept for validation, model by model (seeded).

        Where the labelled test list is missing, a fifth of train stands in for the test part.
        """
        split = split_official(listing.labels["partition"], listing.labels["model"], self.seed)
        return {"default": split, "pretrain": split}


def _read_mat(path: Path, name: str) -> np.ndarray:
    """One variable of a MATLAB file."""
    from scipy.io import loadmat

    if not path.is_file():
        raise BadInput(f"{path} is missing: it comes with the data set's devkit")
    try:
        return loadmat(path, squeeze_me=True)[name]
    except Exception as error:  # scipy raises many kinds on damaged files
        raise BadInput(f"{path}: no readable variable {name!r} in it ({error})") from error
