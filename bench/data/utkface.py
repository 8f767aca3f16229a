"""UTKFace (Zhang et al., CVPR 2017): `[age]_[gender]_[race]_[time].jpg`, with or without `.chip.jpg`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, folders_in, pictures_in, relative
from bench.data.splits import split_within

GENDERS = ["male", "female"]
RACES = ["White", "Black", "Asian", "Indian", "Others"]
AGE_GROUPS = {"0-12": 12, "13-19": 19, "20-39": 39, "40-59": 59, "60+": 116}  # name -> oldest of the group


@dataclass(frozen=True)
class UtkFace(Photos):
    """UTKFace: 23,708 aligned faces of all ages; gender, race and age group. The paper's face pre-training data."""

    folder: ClassVar[str] = "utkface"
    folders: ClassVar[tuple[str, ...]] = ("UTKFace", "crop_part1", "utkface_aligned_cropped")
    markers: ClassVar[tuple[str, ...]] = ("[0-9]*_*_*.jpg", "*/[0-9]*_*_*.jpg")
    homepage: ClassVar[str] = "https://susanqq.github.io/UTKFace/"

    def scan(self, root: Path) -> Listing:
        """Labels "gender", "race", "age_group" (-1 where the name does not say) and "age" in years.

        A picture that lies there several times (copies hold overlapping folders) is taken once, the aligned one first.
        """
        found = [path for folder in (root, *folders_in(root)) for path in pictures_in(folder)]
        named = [path for path in found if _starts_with_age(path)]
        strange = [path.name for path in found if not _starts_with_age(path)]
        chips_first = sorted(named, key=lambda path: ".chip." not in path.name)
        once = {path.name.partition(".")[0]: path for path in reversed(chips_first)}
        pictures = [once[stem] for stem in sorted(once)]
        said = np.array([_fields(stem) for stem in sorted(once)], dtype=np.int64).reshape(-1, 3)
        age, gender, race = said.T
        oldest = list(AGE_GROUPS.values())
        group = np.where((age >= 0) & (age <= oldest[-1]), np.searchsorted(oldest, age), -1)
        incomplete = [path.name for path, row in zip(pictures, said, strict=True) if (row < 0).any()]
        copies = [path.name for path in named if once[path.name.partition(".")[0]] != path]
        return Listing(
            root,
            relative(pictures, root),
            {"gender": gender, "race": race, "age": age, "age_group": group},
            {"gender": GENDERS, "race": RACES, "age_group": list(AGE_GROUPS)},
            notes=[
                *counted(incomplete, "names without a valid age, gender or race (what is missing counts as unknown)"),
                *counted(copies, "further copies of a picture left out"),
                *counted(strange, "pictures whose name does not start with an age left out"),
            ],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """70 : 10 : 20 at random (seeded); there is no official split, and the people are not told."""
        split = split_within(np.zeros(len(listing.files)), self.seed)
        return {"default": split, "pretrain": split}


def _starts_with_age(path: Path) -> bool:
    return path.name.partition("_")[0].isdecimal()


def _fields(stem: str) -> tuple[int, int, int]:
    """Age, gender and race of a name like 25_0_2_20170116174525125; -1 for what is missing or out of range.

    With one field too few nobody can tell gender from race: both are unknown.
    """
    words = stem.split("_")
    age = int(words[0])
    gender, race = words[1:3] if len(words) == 4 else ("", "")
    return (
        age if age <= max(AGE_GROUPS.values()) else -1,
        int(gender) if gender.isdecimal() and int(gender) < len(GENDERS) else -1,
        int(race) if race.isdecimal() and int(race) < len(RACES) else -1,
    )
