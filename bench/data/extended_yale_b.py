"""Extended Yale B (Georghiades 2001, Lee 2005), cropped: `CroppedYale/yaleB01/yaleB01_P00A+000E+00.pgm`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, folders_in, numbered, pictures_in, relative
from bench.data.splits import split_within

NAME = re.compile(r"yaleB\d+_P\d+A([+-]\d+)E([+-]\d+)\.pgm")
# Degrees between light and camera axis at which subsets 1 to 4 end (published as 12, 25, 50, 77); subset 5 is beyond.
# With 52 for 50, A+-035E+40 (51.1 degrees) fall into subset 3, which gives the published sizes: 7, 12, 12, 14, 19.
SUBSET_ENDS = (12, 25, 52, 77)
PEOPLE = [f"yaleB{number:02d}" for number in range(1, 40) if number != 14]  # there never was a yaleB14


@dataclass(frozen=True)
class ExtendedYaleB(Photos):
    """Extended Yale B, cropped: 38 people under 64 lights each; identity under light unseen in training."""

    folder: ClassVar[str] = "extended_yale_b"
    folders: ClassVar[tuple[str, ...]] = ("CroppedYale", "ExtendedYaleB", "YaleB")
    inner: ClassVar[str] = "CroppedYale"
    markers: ClassVar[tuple[str, ...]] = ("yaleB[0-9]*/*.pgm",)
    homepage: ClassVar[str] = "http://vision.ucsd.edu/~iskwak/ExtYaleDatabase/ExtYaleB.html"
    group: ClassVar[str | None] = "identity"

    def scan(self, root: Path) -> Listing:
        """Labels "identity"; "azimuth" and "elevation" of the light in degrees (positive: from the picture's left, from
        above); "angle", degrees between light and camera axis; "subset", 0 to 4 for the standard subsets 1 to 5.
        """
        folders = [folder for folder in folders_in(root) if folder.name.startswith("yaleB")]
        found = [path for folder in folders for path in pictures_in(folder, (".pgm",))]
        light = {path: match.groups() for path in found if (match := NAME.fullmatch(path.name))}
        pictures = list(light)
        other = [path.name for path in found if path not in light]
        bad = [path.name for folder in folders for path in folder.glob("*.bad")]
        azimuth, elevation = np.array([light[path] for path in pictures], dtype=np.float32).reshape(-1, 2).T
        cosine = np.cos(np.radians(azimuth)) * np.cos(np.radians(elevation))
        angle = np.degrees(np.arccos(cosine.clip(-1, 1)))
        identity, names = numbered(path.parent.name for path in pictures)
        labels = {
            "identity": identity,
            "subset": np.searchsorted(SUBSET_ENDS, np.round(angle, 2)).astype(np.int64),
            "azimuth": azimuth,
            "elevation": elevation,
            "angle": angle.astype(np.float32),
        }
        classes = {"identity": names, "subset": [str(number) for number in range(1, 6)]}
        notes = counted(other, "pictures without a light (ambient alone) left out")
        notes += counted(bad, "pictures that the set's makers marked as bad left out")
        missing = [name for name in PEOPLE if not (root / name).is_dir()]
        return Listing(root, relative(pictures, root), labels, classes, notes=notes, missing=missing)

    def splits(self, listing: Listing) -> dict[str, Split]:
        """Target "ood_lighting": train, val and test in subset 1, as usual, then step_1 to step_4: subsets 2 to 5.

        Target "identity": the same of subset 1, and 50 : 10 : 40 of each person's pictures under the other lights.
        Methods are fitted on train and val of "ood_lighting": they have seen no other light and no test picture either.
        """
        identity, subset = listing.labels["identity"], listing.labels["subset"]
        frontal = np.flatnonzero(subset == 0)
        within = split_within(identity[frontal], self.seed, val=0.15, test=0.3)
        ood = {part: frontal[rows] for part, rows in within.items()}
        steps = {f"step_{number}": np.flatnonzero(subset == number) for number in range(1, 5)}
        others = np.flatnonzero(subset > 0)
        rest = split_within(identity[others], self.seed, val=0.1, test=0.4)
        every_light = {part: np.sort(np.concatenate([ood[part], others[rows]])) for part, rows in rest.items()}
        return {
            "default": every_light,
            "identity": every_light,
            "ood_lighting": {**ood, **{name: rows for name, rows in steps.items() if len(rows)}},
            "pretrain": {"train": ood["train"], "val": ood["val"]},
        }
