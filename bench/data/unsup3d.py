"""The rendered sets of unsup3d (Wu et al., CVPR 2020): `{train,val,test}/{images,depth}/*.png`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.api import Domain, Split
from bench.data.common import Listing, Photos
from bench.data.decode import resize
from bench.data.scan import counted, pictures_in, relative
from bench.data.splits import PARTS, split_official

NEAR, FAR = 0.9, 1.1  # the depths that white and black stand for


@dataclass(frozen=True)
class SynFace(Photos):
    """unsup3d's synface: rendered faces with true depth (no labels: for pre-training and physical accuracy)."""

    crop: int = 170  # pixels: side of the centred square that is used, as published; 0 = the whole picture

    folder: ClassVar[str] = "synface"
    markers: ClassVar[tuple[str, ...]] = ("train/image*/*",)
    homepage: ClassVar[str] = "https://github.com/elliottwu/unsup3d"

    def scan(self, root: Path) -> Listing:
        """Label "partition". Map "depth" if there are depth pictures: those without one are then left out."""
        folders = {part: _image_folder(root / part) for part in PARTS}
        pictures = {part: pictures_in(folder) if folder else [] for part, folder in folders.items()}
        files = [(path, number) for number, part in enumerate(PARTS) for path in pictures[part]]
        with_depth = [(path, number) for path, number in files if depth_of(path).is_file()]
        without = relative((path for path, _ in files if not depth_of(path).is_file()), root) if with_depth else []
        kept = with_depth or files
        stamps = [" ".join(str(p.stat().st_size) for p in (path, depth_of(path)) if p.is_file()) for path, _ in kept]
        return Listing(
            root,
            relative((path for path, _ in kept), root),
            {"partition": np.array([number for _, number in kept], dtype=np.int64)},
            maps={"depth": "float32"} if with_depth else {},
            stamps=stamps,
            notes=counted(without, "pictures without depth left out"),
            missing=[part for part, folder in folders.items() if folder is None],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """The official parts."""
        partition = listing.labels["partition"]
        split = split_official(partition, np.zeros(len(partition)), self.seed)
        return {"default": split, "pretrain": split}

    def read(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """The picture and its depth map, 0.9 (near, stored white) to 1.1 (far and background, stored black)."""
        path = listing.root / listing.files[row]
        with Image.open(path) as picture:
            arrays = {"images": self._cut(picture.convert("RGB"), size)}
        if listing.maps:
            with Image.open(depth_of(path)) as picture:
                whiteness = self._cut(picture.convert("L").convert("F"), size) / 255
            arrays["depth"] = FAR - (FAR - NEAR) * whiteness
        return arrays

    def _cut(self, picture: Image.Image, size: int) -> np.ndarray:
        return resize(picture, size, self._box(picture), self.squeeze, Image.Resampling.BILINEAR)

    def _box(self, picture: Image.Image) -> tuple[float, ...] | None:
        left, top = (picture.width - self.crop) / 2, (picture.height - self.crop) / 2
        return (left, top, left + self.crop, top + self.crop) if self.crop else None


@dataclass(frozen=True)
class SynCar(SynFace):
    """unsup3d's syncar: rendered ShapeNet cars. The paper's car pre-training data."""

    crop: int = 100  # pixels: side of the square from row 8 and column 14, as published; 0 = the whole picture

    domain: ClassVar[Domain] = "car"
    folder: ClassVar[str] = "syncar"

    def _box(self, picture: Image.Image) -> tuple[float, ...] | None:
        return (14, 8, 14 + self.crop, 8 + self.crop) if self.crop else None


def _image_folder(part: Path) -> Path | None:
    return next((part / name for name in ("images", "image") if (part / name).is_dir()), None)


def depth_of(picture: Path) -> Path:
    """Where the depth of a picture lies: depth/NAME beside images/NAME, "image" in NAME read as "depth"."""
    return picture.parent.with_name("depth") / picture.name.replace("image", "depth")
