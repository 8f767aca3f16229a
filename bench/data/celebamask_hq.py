"""CelebAMask-HQ (Lee et al., CVPR 2020): `CelebA-HQ-img/0.jpg`, `CelebAMask-HQ-mask-anno/0/00000_skin.png`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.api import Split
from bench.data.celeba import official_part
from bench.data.common import Listing, Photos
from bench.data.decode import resize
from bench.data.scan import counted, pictures_in, words_of
from bench.data.splits import split_official

# The 19 classes by number; parts are painted over each other in this order, as the set's makers do.
CLASSES = ["background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth"]
CLASSES += ["u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"]
IMAGES, MASKS, MAPPING = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", "CelebA-HQ-to-CelebA-mapping.txt"
PER_FOLDER = 2000  # pictures whose masks share a folder


@dataclass(frozen=True)
class CelebAMaskHQ(Photos):
    """CelebAMask-HQ: 30,000 portraits with the parts of the face outlined in 19 classes."""

    folder: ClassVar[str] = "CelebAMask-HQ"
    markers: ClassVar[tuple[str, ...]] = ("CelebA-HQ-img",)
    homepage: ClassVar[str] = "https://github.com/switchablenorms/CelebAMask-HQ"

    def scan(self, root: Path) -> Listing:
        """Pictures without any mask are left out. Label "partition" is CelebA's official part of the original."""
        parts = _masks_per_picture(root / MASKS)
        pictures = [path for path in pictures_in(root / IMAGES, (".jpg", ".png")) if path.stem.isdecimal()]
        without = [path.name for path in pictures if not parts[int(path.stem)]]
        numbers = [int(path.stem) for path in pictures if parts[int(path.stem)]]
        originals = _originals(root / MAPPING)
        unmapped = [f"{number}.jpg" for number in numbers if number not in originals]
        partition = [official_part(originals[number]) if number in originals else -1 for number in numbers]
        files = [f"{IMAGES}/{path.name}" for path in pictures if parts[int(path.stem)]]
        return Listing(
            root,
            files,
            {"partition": np.array(partition, dtype=np.int64)},
            {"mask": CLASSES},
            maps={"mask": "uint8"},
            stamps=[f"{(root / f).stat().st_size}:{parts[n]}" for f, n in zip(files, numbers, strict=True)],
            notes=[
                *counted(without, "pictures without masks left out"),
                *(counted(unmapped, f"pictures not in {MAPPING} left out of the split") if originals else []),
            ],
            missing=[name for name in (MASKS, MAPPING) if not (root / name).exists()],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """CelebA's official parts; a seeded 80 : 10 : 10 split where the mapping is missing."""
        partition = listing.labels["partition"]
        if MAPPING in listing.missing:
            partition = np.zeros_like(partition)
        split = split_official(partition, np.zeros(len(partition)), self.seed, val=0.1, test=0.1)
        return {"default": split, "mask": split, "pretrain": split}

    def read(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """The portrait and its mask, (size, size) uint8 class numbers."""
        number = int(Path(listing.files[row]).stem)
        folder = listing.root / MASKS / str(number // PER_FOLDER)
        mask = np.zeros((size, size), dtype=np.uint8)
        for value, part in enumerate(CLASSES[1:], start=1):
            path = folder / f"{number:05d}_{part}.png"
            if path.is_file():
                with Image.open(path) as outline:
                    mask[resize(outline.convert("L"), size, None, self.squeeze, Image.Resampling.NEAREST) > 0] = value
        return {**super().read(listing, row, size), "mask": mask}


def _masks_per_picture(root: Path) -> Counter[int]:
    """How many parts of each picture (by number) are outlined."""
    names = (path.name for folder in root.glob("[0-9]*") if folder.is_dir() for path in folder.iterdir())
    return Counter(int(name[:5]) for name in names if name[:5].isdecimal() and name.endswith(".png"))


def _originals(path: Path) -> dict[int, int]:
    """Picture number -> the number of the CelebA picture it was made from ("idx orig_idx orig_file" rows)."""
    rows = (row for row in words_of(path) if len(row) == 3 and row[0].isdecimal() and row[2][:6].isdecimal())
    return {int(index): int(file[:6]) for index, _, file in rows}
