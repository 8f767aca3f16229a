"""What all sets of real photographs share: find the folder, list its pictures, decode them once, split them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import BadInput, DataSet, Place, Source, Split, Unavailable
from bench.data.cache import cached_folder
from bench.data.decode import decode, try_each
from bench.data.scan import counted, reason
from bench.data.splits import picture_print, without_repeats
from bench.store import digest


@dataclass
class Listing:
    """The pictures of a data set, found but not yet opened: N rows, in an order that depends on their names alone."""

    root: Path
    files: list[str]  # relative to `root`, with forward slashes
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # N rows each, as in DataSet
    classes: dict[str, list[str]] = field(default_factory=dict)
    boxes: np.ndarray | None = None  # (N, 4) what to cut out: left, top, right, bottom; NaN for no box
    maps: dict[str, str] = field(default_factory=dict)  # per-pixel truth read beside each picture: name -> dtype
    stamps: list[str] | None = None  # what changes when a row's files do; None: the size of its picture file
    notes: list[str] = field(default_factory=list)  # oddities, one line each
    missing: list[str] = field(default_factory=list)  # what the official layout has and this copy lacks

    def rows(self, kept: np.ndarray) -> Listing:
        """The same, with these rows alone."""
        return dataclasses.replace(
            self,
            files=[self.files[row] for row in kept],
            labels={name: label[kept] for name, label in self.labels.items()},
            boxes=None if self.boxes is None else self.boxes[kept],
            stamps=None if self.stamps is None else [self.stamps[row] for row in kept],
        )

    @property
    def arrays(self) -> dict[str, str]:
        """The arrays of the cache and their types."""
        return {"images": "uint8", **self.maps}


@dataclass(frozen=True)
class Photos(Source):
    """A data set of picture files in its official layout. Subclasses say what there is (`scan`) and how it is split."""

    seed: int = 0  # of splits that are not official
    squeeze: bool = False  # squeeze whole pictures into the square (as the paper's authors do); off: cut out a square

    folders: ClassVar[tuple[str, ...]] = ()  # further names that copies of `folder` go by
    inner: ClassVar[str] = ""  # the folder inside, which the official archive unpacks to
    markers: ClassVar[tuple[str, ...]] = ()  # glob patterns, by one of which the folder is known
    homepage: ClassVar[str] = ""  # where to get it
    group: ClassVar[str | None] = None  # see DataSet.group; nothing where there is no such label
    repeats: ClassVar[bool] = False  # the set is known to show test pictures in training

    def scan(self, root: Path) -> Listing:
        """List the pictures and read their labels. Opens no picture."""
        raise NotImplementedError

    def splits(self, listing: Listing) -> dict[str, Split]:
        """Splits over the rows of `listing` (see DataSet.splits)."""
        raise NotImplementedError

    def read(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """One picture, "images" (size, size, 3) uint8, and its maps (size, size). Raises anything if it is damaged."""
        box = None if listing.boxes is None or np.isnan(listing.boxes[row]).any() else listing.boxes[row]
        return {"images": decode(listing.root / listing.files[row], size, box, self.squeeze)}

    # ------------------------------------------------------------------------------------------- the Source interface

    def fingerprint(self, place: Place) -> str:
        """A hash of names, sizes, labels and settings: reads no picture."""
        return self._fingerprint(self.listing(place), place)

    def load(self, place: Place) -> DataSet:
        """Decode once into the cache, leave out what cannot be read, split what is left."""
        listing = self.listing(place)
        folder = self.prepare(listing, place)
        readable = np.load(folder / "rows.npy")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r")[: len(readable)] for name in listing.arrays}
        kept = listing.rows(readable)
        kept.notes = listing.notes + unreadable_note(json.loads((folder / "unreadable.json").read_text()))
        splits = self.checked_splits(kept, [picture_print(image) for image in arrays["images"]] if self.repeats else [])
        return DataSet(
            name=self.folder,
            domain=self.domain,
            fingerprint=self._fingerprint(listing, place),
            images=arrays.pop("images"),
            labels=kept.labels,
            splits=splits,
            classes=kept.classes,
            maps=arrays,
            group=self.group if self.group in kept.labels else None,
            notes=kept.notes,
        )

    # ------------------------------------------------------------------------------------------------- how it is done

    def find_root(self, place: Place) -> Path:
        """The data set's folder: under the data root (by any of its names), or the data root itself."""
        if place.data_root is None:
            raise Unavailable(
                f"{self.folder} needs files ({self.homepage}): put them into DIR/{self.folder}, pass --data-root DIR"
            )
        if not place.data_root.is_dir():
            raise Unavailable(f"{self.folder} not found: there is no folder {place.data_root} (--data-root)")
        wanted = {_plain(name) for name in (self.folder, *self.folders)}
        beneath = sorted(place.data_root.iterdir())
        for outer in [*(path for path in beneath if path.is_dir() and _plain(path.name) in wanted), place.data_root]:
            for root in (outer / self.inner, outer) if self.inner else (outer,):
                if any(next(root.glob(marker), None) is not None for marker in self.markers):
                    return root
        raise Unavailable(
            f"{self.folder} not found: no {' or '.join(self.markers)} in {place.data_root / self.folder} nor in "
            f"{place.data_root}; get it ({self.homepage}) and put it there, or pass --data-root"
        )

    def listing(self, place: Place) -> Listing:
        """What `scan` finds; `BadInput` if that is nothing."""
        root = self.find_root(place)
        listing = self.scan(root)
        if not listing.files:
            told = "; ".join(listing.notes) or "is it the right folder?"
            raise BadInput(f"{self.folder}: no usable picture in {root}: {told}")
        return listing

    def prepare(self, listing: Listing, place: Place) -> Path:
        """Decode all pictures into the cache unless they are there: the folder's name says all they depend on.

        It holds `<array>.npy`, `rows.npy` (the rows of the listing that could be read, to which the first rows
        of the arrays belong) and `unreadable.json` ([file, reason] each).
        """
        folder = place.cache / f"{self.folder}-{self._pixel_key(listing, place)}"
        return cached_folder(folder, lambda unfinished: self._decode_into(unfinished, listing, place))

    def checked_splits(self, listing: Listing, prints: list[bytes]) -> dict[str, Split]:
        """The splits of what could be read; `BadInput` where a part of one is empty.

        Where the set `repeats` test pictures in training, these are found by their `prints` (one a row), left out of
        train and val, and noted in the listing.
        """
        splits = self.splits(listing) if listing.files else {}
        if self.repeats and splits:
            splits, repeated = without_repeats(prints, splits)
            names = [listing.files[row] for row in repeated]
            listing.notes = listing.notes + counted(names, "training pictures also in the test part, left out")
        told = f" ({'; '.join(listing.notes)})" if listing.notes else ""
        if not splits:
            raise BadInput(f"{self.folder}: no readable picture{told}")
        for target, split in splits.items():
            if empty := [part for part in ("train", "val", "test") if part in split and not len(split[part])]:
                raise BadInput(
                    f"{self.folder}: {len(listing.files)} readable pictures leave none for {' and '.join(empty)} of "
                    f"{target!r}{told}"
                )
        return splits

    def _pixel_key(self, listing: Listing, place: Place) -> str:
        stamps = listing.stamps or [str((listing.root / name).stat().st_size) for name in listing.files]
        boxes = None if listing.boxes is None else listing.boxes.tolist()
        settings = dataclasses.asdict(self) | {"seed": None}  # other splits show the same pictures
        return digest([self.folder, settings, place.image_size, listing.arrays, listing.files, stamps, boxes])

    def _fingerprint(self, listing: Listing, place: Place) -> str:
        labels = {name: hashlib.sha256(label.tobytes()).hexdigest() for name, label in listing.labels.items()}
        return digest([self._pixel_key(listing, place), repr(self), labels, listing.classes])

    def _decode_into(self, folder: Path, listing: Listing, place: Place) -> None:
        size, count = place.image_size, len(listing.files)
        shapes = {name: (count, size, size, 3) if name == "images" else (count, size, size) for name in listing.arrays}
        arrays = {
            name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shapes[name])
            for name, dtype in listing.arrays.items()
        }
        rows: list[int] = []
        unreadable: list[list[str]] = []
        what = f"decoding {self.folder}"
        for row, result in enumerate(try_each(lambda row: self.read(listing, row, size), count, place.progress, what)):
            if isinstance(result, Exception):
                unreadable.append([listing.files[row], reason(result)])
                continue
            for name, value in result.items():
                arrays[name][len(rows)] = value
            rows.append(row)
        for array in arrays.values():
            array.flush()
        np.save(folder / "rows.npy", np.array(rows, dtype=np.int64))
        (folder / "unreadable.json").write_text(json.dumps(unreadable))


def unreadable_note(unreadable: list[list[str]]) -> list[str]:
    """The note on files that could not be decoded, [file, reason] each."""
    return counted([f"{name} ({why})" for name, why in unreadable], "unreadable files left out")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
