"""FER2013 (Goodfellow et al., 2013): `train|test/<emotion>/*.jpg`, or `fer2013.csv` (emotion, pixels, Usage)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.api import BadInput, Split
from bench.data.common import Listing, Photos
from bench.data.decode import resize
from bench.data.emotions import EMOTIONS, emotion_number
from bench.data.image_folder import PART_NAMES
from bench.data.scan import counted, folders_in, pictures_in, relative
from bench.data.splits import split_official

CSV = "fer2013.csv"
NUMBERS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]  # the CSV's labels 0 to 6
USAGE = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}
SIDE = 48  # pixels


@dataclass(frozen=True)
class Fer2013(Photos):
    """FER2013: 35,887 grey 48-pixel faces in 7 emotions; training pictures that are also in test are left out."""

    folder: ClassVar[str] = "fer2013"
    markers: ClassVar[tuple[str, ...]] = ("fer2013.csv", "train/*/*")
    homepage: ClassVar[str] = "https://www.kaggle.com/datasets/msambare/fer2013"
    repeats: ClassVar[bool] = True

    def scan(self, root: Path) -> Listing:
        """From the CSV if it is there, else from the folders. Labels "emotion" and "partition" (as in CelebA)."""
        return _scan_csv(root) if (root / CSV).is_file() else _scan_folders(root)

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The official parts; folders have no validation part, a tenth of train is taken for it (seeded)."""
        split = split_official(listing.labels["partition"], listing.labels["emotion"], self.seed)
        return {"default": split, "emotion": split, "pretrain": split}

    def read(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """One picture, from its file or from its line of the CSV."""
        if listing.stamps is None:
            return super().read(listing, row, size)
        start, length, _ = (int(number) for number in listing.stamps[row].split())
        with (listing.root / CSV).open("rb") as stream:
            stream.seek(start)
            pixels = np.array(stream.read(length).split(), dtype=np.uint8).reshape(SIDE, SIDE)
        picture = Image.fromarray(pixels).convert("RGB")
        return {"images": resize(picture, size, None, self.squeeze, Image.Resampling.BILINEAR)}


def _scan_folders(root: Path) -> Listing:
    classes = [folder for part in folders_in(root) if part.name.lower() in PART_NAMES for folder in folders_in(part)]
    known = [folder for folder in classes if emotion_number(folder.name, EMOTIONS) >= 0]
    others = relative((folder for folder in classes if folder not in known), root)
    pictures = [path for folder in known for path in pictures_in(folder)]
    labels = {
        "emotion": np.array([emotion_number(path.parent.name, EMOTIONS) for path in pictures], dtype=np.int64),
        "partition": np.array([PART_NAMES[path.parent.parent.name.lower()] for path in pictures], dtype=np.int64),
    }
    notes = counted(others, "folders that name no emotion left out")
    return Listing(root, relative(pictures, root), labels, {"emotion": EMOTIONS}, notes=notes)


def _scan_csv(root: Path) -> Listing:
    """Rows are called `fer2013.csv:LINE`; a stamp says where the line's pixels start, their length and checksum."""
    files, stamps, emotion, partition, odd = [], [], [], [], []
    with (root / CSV).open("rb") as stream:
        header = [name.strip().lower() for name in stream.readline().decode(errors="replace").split(",")]
        if set(header) != {"emotion", "pixels", "usage"}:
            raise BadInput(f"{root / CSV}: the first line must be emotion,pixels,Usage")
        start = stream.tell()
        for number, line in enumerate(stream, start=2):
            fields = dict(zip(header, line.split(b","), strict=False))
            label, usage = fields.get("emotion", b"").strip(), fields.get("usage", b"").strip().decode(errors="replace")
            if len(fields) == len(header) and label.isdigit() and int(label) < len(NUMBERS) and usage in USAGE:
                pixels = fields["pixels"]
                files.append(f"{CSV}:{number}")
                stamps.append(f"{start + line.index(pixels)} {len(pixels)} {zlib.crc32(pixels)}")
                emotion.append(emotion_number(NUMBERS[int(label)], EMOTIONS))
                partition.append(USAGE[usage])
            elif line.strip():
                odd.append(f"line {number}")
            start += len(line)
    labels = {"emotion": np.array(emotion, dtype=np.int64), "partition": np.array(partition, dtype=np.int64)}
    return Listing(
        root, files, labels, {"emotion": EMOTIONS}, stamps=stamps, notes=counted(odd, f"lines of {CSV} not understood")
    )
