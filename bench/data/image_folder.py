"""Any labelled pictures: `<class>/*.jpg`, or `train|val|test/<class>/*.jpg`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from bench.api import Place, Split, Unavailable
from bench.data.common import Listing, Photos
from bench.data.scan import counted, folders_in, numbered, pictures_in, relative
from bench.data.splits import split_official, split_within

PART_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}


@dataclass(frozen=True)
class ImageFolder(Photos):
    """Your own pictures: one folder per class, or train, val and test folders with one folder per class in each."""

    path: str = "image_folder"  # where they are, seen from the data root
    target: str = "label"  # what the classes are: identity, emotion, gender, body_type, ...
    domain: Literal["face", "car"] = "face"  # type: ignore[misc]  # a setting here, a fact of the class elsewhere

    folder: ClassVar[str] = "image_folder"
    homepage: ClassVar[str] = "your own pictures"
    group: ClassVar[str | None] = "identity"  # where that is the target; of other classes we cannot know

    def find_root(self, place: Place) -> Path:
        """`path`, seen from the data root if there is one."""
        root = (place.data_root or Path()) / self.path
        if not root.is_dir():
            raise Unavailable(f"image_folder: no folder {root}: set image_folder[path=...], or pass --data-root")
        return root

    def scan(self, root: Path) -> Listing:
        """Part folders are known by their names; the part is kept as the label "partition"."""
        tops = folders_in(root)
        parted = bool(tops) and all(top.name.lower() in PART_NAMES for top in tops)
        class_folders = [folder for top in tops for folder in folders_in(top)] if parted else tops
        pictures = [picture for folder in class_folders for picture in pictures_in(folder)]
        number, names = numbered(picture.parent.name for picture in pictures)
        labels = {self.target: number}
        if parted:
            labels["partition"] = np.array([PART_NAMES[p.parent.parent.name.lower()] for p in pictures], dtype=np.int64)
        empty = relative((folder for folder in class_folders if not pictures_in(folder)), root)
        notes = counted(empty, "class folders without pictures")
        return Listing(root, relative(pictures, root), labels, {self.target: names}, notes=notes)

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The folders' own split; what it lacks (val, test) is taken from train, class by class (seeded)."""
        labels = listing.labels[self.target]
        if "partition" not in listing.labels:
            split = split_within(labels, self.seed)
        else:
            split = split_official(listing.labels["partition"], labels, self.seed)
        return {"default": split, self.target: split, "pretrain": split}
