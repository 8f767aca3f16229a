"""Photographs of emotions, RAF-DB and CK+48, with RAF-DB's class names and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, folders_in, numbered, numbers_of, pictures_in, relative
from bench.data.splits import split_between, split_official

EMOTIONS = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]  # RAF-DB's labels 1 to 7
FRAME = re.compile(r"(S\d+)_\d+_\d+")  # subject, sequence and frame of a CK+ picture
SPELLINGS = {"surprised": "surprise", "fearful": "fear", "disgusted": "disgust", "angry": "anger", "happy": "happiness"}
SPELLINGS |= {"sad": "sadness", "calm": "neutral"}


def emotion_number(name: str, classes: list[str]) -> int:
    """The class number of an emotion in any data set's spelling; -1 if it is none of the classes."""
    plain = name.strip().lower()
    plain = SPELLINGS.get(plain, plain)
    return classes.index(plain) if plain in classes else -1


@dataclass(frozen=True)
class RafDb(Photos):
    """RAF-DB: 15,339 faces from the web in 7 basic emotions, official train and test parts."""

    folder: ClassVar[str] = "RAF-DB"
    inner: ClassVar[str] = "basic"
    markers: ClassVar[tuple[str, ...]] = ("EmoLabel/list_patition_label.txt",)
    homepage: ClassVar[str] = "http://www.whdeld.cn/raf/model1.html"

    def scan(self, root: Path) -> Listing:
        """The aligned pictures that the list names. Labels "emotion" and "partition" (0 train, 2 test)."""
        listed, notes = numbers_of(root / "EmoLabel/list_patition_label.txt")
        aligned = root / "Image" / "aligned"
        present = {path.name for path in pictures_in(aligned)} if aligned.is_dir() else set()
        wanted = {name: f"{Path(name).stem}_aligned{Path(name).suffix}" for name in listed}
        kept = [name for name in sorted(listed) if wanted[name] in present]
        odd = [name for name in kept if not 1 <= listed[name] <= len(EMOTIONS)]
        emotion = [listed[name] - 1 if name not in odd else -1 for name in kept]
        labels = {
            "emotion": np.array(emotion, dtype=np.int64),
            "partition": np.array([0 if name.startswith("train") else 2 for name in kept], dtype=np.int64),
        }
        return Listing(
            root,
            [f"Image/aligned/{wanted[name]}" for name in kept],
            labels,
            {"emotion": EMOTIONS},
            notes=[*notes, *counted(odd, "pictures with a label outside 1 to 7")],
            missing=[f"Image/aligned/{file}" for file in wanted.values() if file not in present],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The official parts; a tenth of train, class by class, is kept for validation (seeded)."""
        split = split_official(listing.labels["partition"], listing.labels["emotion"], self.seed)
        return {"default": split, "emotion": split, "pretrain": split}


@dataclass(frozen=True)
class CkPlus(Photos):
    """CK+48: posed expressions, 3 near-duplicate frames a sequence; train and test are different people."""

    folder: ClassVar[str] = "CK+48"
    folders: ClassVar[tuple[str, ...]] = ("CKPlus", "CK+")
    inner: ClassVar[str] = "CK+48"
    markers: ClassVar[tuple[str, ...]] = ("*/S[0-9]*_*.png",)
    homepage: ClassVar[str] = "https://www.kaggle.com/datasets/shawon10/ckplus"
    group: ClassVar[str | None] = "identity"

    def scan(self, root: Path) -> Listing:
        """Label "emotion" has contempt as an eighth class; "identity" is the subject, S005 of S005_001_00000009."""
        classes = [*EMOTIONS, "contempt"]
        known = [folder for folder in folders_in(root) if emotion_number(folder.name, classes) >= 0]
        found = [path for folder in known for path in pictures_in(folder)]
        pictures = [path for path in found if FRAME.fullmatch(path.stem)]
        subjects, names = numbered(path.name.partition("_")[0] for path in pictures)
        emotion = [emotion_number(path.parent.name, classes) for path in pictures]
        labels = {"emotion": np.array(emotion, dtype=np.int64), "identity": subjects}
        others = [folder.name for folder in folders_in(root) if folder not in known]
        strays = [path.name for path in found if not FRAME.fullmatch(path.stem)]
        notes = counted(others, "folders that name no emotion left out")
        notes += counted(strays, "pictures whose name tells no subject left out")
        return Listing(root, relative(pictures, root), labels, {"emotion": classes, "identity": names}, notes=notes)

    def splits(self, listing: Listing) -> dict[str, Split]:
        """70 : 10 : 20 by subject (seeded): frames of one sequence, and one person's sequences, never part ways."""
        split = split_between(listing.labels["identity"], self.seed)
        return {"default": split, "emotion": split, "pretrain": split}
