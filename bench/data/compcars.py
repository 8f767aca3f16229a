"""CompCars (Yang et al., CVPR 2015): `data/image/<make>/<model>/<year>/*.jpg` and `data/label/...txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import Domain, Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, numbered, words_of
from bench.data.splits import split_official

# types 1 to 12 of misc/attributes.txt, by misc/car_type.mat
BODY_TYPES = ["MPV", "SUV", "sedan", "hatchback", "minibus", "fastback", "estate", "pickup", "hardtop convertible"]
BODY_TYPES += ["sports", "crossover", "convertible"]
VIEWPOINTS = ["front", "rear", "side", "front-side", "rear-side"]  # 1 to 5 of the label files
SEEN = "front-side"  # the view that OOD training sees: the most frequent one
STEPS = ("side", "front", "rear-side", "rear")  # the others, from the smallest turn away from it to the largest
LISTS = {"train_test_split/classification/train.txt": 0, "train_test_split/classification/test.txt": 2}
PICTURE = re.compile(r"\w+/\w+/\w+/[\w-]+\.jpg")  # make/model/year/name
NO_BOX = (np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class CompCars(Photos):
    """CompCars: 30,955 web photographs of 431 models, cut out by their boxes; body type, and viewpoint as OOD."""

    domain: ClassVar[Domain] = "car"
    folder: ClassVar[str] = "compcars"
    inner: ClassVar[str] = "data"
    markers: ClassVar[tuple[str, ...]] = ("train_test_split/classification/*.txt",)
    homepage: ClassVar[str] = "http://mmlab.ie.cuhk.edu.hk/datasets/comp_cars/"

    def scan(self, root: Path) -> Listing:
        """The pictures of the official classification lists. Labels "body_type", "viewpoint", "model", "partition"."""
        lists = [(words[0], part) for path, part in LISTS.items() for words in words_of(root / path)]
        listed = [(name, part) for name, part in lists if PICTURE.fullmatch(name)]
        kept = [(name, part) for name, part in listed if (root / "image" / name).is_file()]
        type_of = {words[0]: words[-1] for words in words_of(root / "misc" / "attributes.txt")[1:]}
        types = [type_of.get(name.split("/")[1], "") for name, _ in kept]
        bodies = [int(word) - 1 if word.isdecimal() and int(word) <= len(BODY_TYPES) else -1 for word in types]
        annotations = [_annotation(root / "label" / Path(name).with_suffix(".txt")) for name, _ in kept]
        model, models = numbered(name.split("/")[1] for name, _ in kept)
        labels = {
            "body_type": np.array(bodies, dtype=np.int64),  # type 0 stands for unknown
            "viewpoint": np.array([view for view, _ in annotations], dtype=np.int64),
            "model": model,
            "partition": np.array([part for _, part in kept], dtype=np.int64),
        }
        files = [f"image/{name}" for name, _ in kept]
        odd = [file for file, (_, box) in zip(files, annotations, strict=True) if box is NO_BOX]
        vague = [file for file, body in zip(files, bodies, strict=True) if body < 0]
        strange = [name for name, _ in lists if not PICTURE.fullmatch(name)]
        missing = [name for name in (*LISTS, "misc/attributes.txt", "label") if not (root / name).exists()]
        present = set(files)
        missing += [f"image/{name}" for name, _ in listed if f"image/{name}" not in present]
        return Listing(
            root,
            files,
            labels,
            {"body_type": BODY_TYPES, "viewpoint": VIEWPOINTS, "model": models},
            boxes=np.array([box for _, box in annotations]).reshape(-1, 4),
            notes=[
                *counted(strange, "listed names that are no make/model/year/name.jpg left out"),
                *counted(odd, "pictures without a usable label file (whole picture, viewpoint unknown)"),
                *counted(vague, "pictures of models without a body type (unknown there)"),
            ],
            missing=missing,
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The official parts, a tenth of train kept for validation (seeded). "ood_viewpoint": train, val and test from
        front-side views alone, then step_1 to step_4: the test part's views from the side, front, rear-side and rear.
        Methods are fitted on the front-side views too, so that no other view has been seen.
        """
        view = listing.labels["viewpoint"]
        official = split_official(listing.labels["partition"], listing.labels["model"], self.seed)
        seen = {part: rows[view[rows] == VIEWPOINTS.index(SEEN)] for part, rows in official.items()}
        turned = [official["test"][view[official["test"]] == VIEWPOINTS.index(name)] for name in STEPS]
        steps = {f"step_{number}": rows for number, rows in enumerate(turned, start=1) if len(rows)}
        return {
            "default": official,
            "ood_viewpoint": {**seen, **steps},
            "pretrain": {"train": seen["train"], "val": seen["val"]},
        }


def _annotation(path: Path) -> tuple[int, tuple[float, ...]]:
    """Viewpoint (-1 = uncertain) and box of a label file: lines viewpoint, number of boxes, x1 y1 x2 y2 (from 1)."""
    try:
        view, _, *box = (float(word) for line in words_of(path) for word in line)
    except ValueError:
        return -1, NO_BOX
    if len(box) != 4:
        return -1, NO_BOX
    return (int(view) - 1 if 1 <= view <= len(VIEWPOINTS) else -1), tuple(box)
