"""What all sets of real photographs share: find the folder, list its pictures, decode them once, split them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import BadInput, DataSet, Place, Source, Split, Unavailable
from bench.data.cache import cached_folder
from bench.data.decode import PICTURES, decode, try_each


@dataclass
class Listing:
    """The pictures of a data set, found but not yet opened: N rows, in an order that depends on their names alone."""

    root: Path
    files: list[str]  # relative to `root`, with forward slashes
    labels: dict[str, np.ndarray]  # (N, ...) each, as in DataSet
    classes: dict[str, list[str]] = field(default_factory=dict)
    boxes: np.ndarray | None = None  # (N, 4) what to cut out: left, top, right, bottom
    notes: list[str] = field(default_factory=list)  # oddities, one line each
    missing: list[str] = field(
        default_factory=list
    )  # files or folders that the official layout has and this copy lacks

    def rows(self, kept: np.ndarray) -> Listing:
        """The same, with these rows alone."""
        return Listing(
            self.root,
            [self.files[row] for row in kept],
            {name: label[kept] for name, label in self.labels.items()},
            self.classes,
            None if self.boxes is None else self.boxes[kept],
            self.notes,
            self.missing,
        )


@dataclass(frozen=True)
class Photos(Source):
    """A data set of picture files in its official layout. Subclasses say what there is (`scan`) and how it is split."""

    seed: int = 0  # of the splits and of the choice of pictures

    folders: ClassVar[tuple[str, ...]] = ()  # further names that copies of `folder` go by
    marker: ClassVar[str] = ""  # a glob pattern by which the folder is known
    homepage: ClassVar[str] = ""  # where to get it
    group: ClassVar[str | None] = None  # see DataSet.group
    map_types: ClassVar[dict[str, str]] = {}  # per-pixel truth read beside each picture: name -> dtype

    def scan(self, root: Path) -> Listing:
        """List the pictures and read their labels. Opens no picture."""
        raise NotImplementedError

    def splits(self, listing: Listing) -> dict[str, Split]:
        """Splits over the rows of `listing` (see DataSet.splits)."""
        raise NotImplementedError

    def read_maps(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """The per-pixel truth of one picture, (size, size) each: one entry for each of `map_types`."""
        return {}

    @property
    def title(self) -> str:
        """How messages call this data set."""
        return self.folder or type(self).__name__.lower()

    # ------------------------------------------------------------------------------------------- the Source interface

    def fingerprint(self, place: Place) -> str:
        """A hash of names, sizes, labels and settings: reads no picture."""
        return self._fingerprint(self.listing(place), place)

    def load(self, place: Place) -> DataSet:
        """Decode once into the cache, leave out what cannot be read, split what is left."""
        listing = self.listing(place)
        folder = self.prepare(listing, place)
        readable = np.load(folder / "rows.npy")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r")[: len(readable)] for name in self.array_types}
        notes = [*listing.notes, *unreadable_note(json.loads((folder / "unreadable.json").read_text()))]
        kept = listing.rows(readable)
        splits = self.splits(kept) if len(readable) else {}
        self._demand_enough(splits, len(readable), notes)
        return DataSet(
            name=self.title,
            domain=self.domain,
            fingerprint=self._fingerprint(listing, place),
            images=arrays.pop("images"),
            labels=kept.labels,
            splits=splits,
            classes=kept.classes,
            maps=arrays,
            group=self.group,
            notes=notes,
        )

    # ------------------------------------------------------------------------------------------------- how it is done

    @property
    def array_types(self) -> dict[str, str]:
        """The arrays of the cache and their types."""
        return {"images": "uint8", **self.map_types}

    def find_root(self, place: Place) -> Path:
        """The data set's folder: under the data root, or the data root itself."""
        if place.data_root is None:
            raise Unavailable(
                f"{self.title} needs files ({self.homepage}): put them into DIR/{self.folder}, pass --data-root DIR"
            )
        wanted = {_plain(name) for name in (self.folder, *self.folders)}
        beneath = sorted(place.data_root.iterdir()) if place.data_root.is_dir() else []
        for root in [path for path in beneath if path.is_dir() and _plain(path.name) in wanted] + [place.data_root]:
            if next(root.glob(self.marker), None) is not None:
                return root
        raise Unavailable(
            f"{self.title} not found: no {self.marker} in {place.data_root / self.folder} or {place.data_root}; "
            f"get it from {self.homepage} and put it there, or pass --data-root"
        )

    def listing(self, place: Place) -> Listing:
        """What `scan` finds; `BadInput` if that is nothing."""
        root = self.find_root(place)
        listing = self.scan(root)
        if not listing.files:
            raise BadInput(
                f"{self.title}: no usable picture in {root}; {'; '.join(listing.notes) or 'is it the right folder?'}"
            )
        return listing

    def pixel_key(self, listing: Listing, place: Place) -> str:
        """A hash of what the cached arrays depend on: files and their sizes, cut-outs, image size."""
        sizes = (f"{name}:{(listing.root / name).stat().st_size}" for name in listing.files)
        boxes = b"" if listing.boxes is None else listing.boxes.tobytes()
        return _digest(self.title, str(place.image_size), str(sorted(self.array_types)), *sizes, boxes)

    def prepare(self, listing: Listing, place: Place) -> Path:
        """Decode all pictures into the cache unless they are there: `<array>.npy`, `rows.npy` (the rows that could be
        read; the first rows of the arrays are theirs) and `unreadable.json` ([file, reason] each)."""
        folder = place.cache / f"{self.title}-{self.pixel_key(listing, place)}"
        return cached_folder(folder, lambda unfinished: self._decode_into(unfinished, listing, place))

    def read(self, listing: Listing, row: int, size: int) -> dict[str, np.ndarray]:
        """The arrays of one picture."""
        box = None if listing.boxes is None else listing.boxes[row]
        return {"images": decode(listing.root / listing.files[row], size, box), **self.read_maps(listing, row, size)}

    def _fingerprint(self, listing: Listing, place: Place) -> str:
        return _digest(self.pixel_key(listing, place), repr(self), *_label_bytes(listing))

    def _decode_into(self, folder: Path, listing: Listing, place: Place) -> None:
        size, count = place.image_size, len(listing.files)
        arrays = {
            name: np.lib.format.open_memmap(
                folder / f"{name}.npy", "w+", dtype, (count, size, size, *([3] if name == "images" else []))
            )
            for name, dtype in self.array_types.items()
        }
        rows: list[int] = []
        unreadable: list[list[str]] = []
        what = f"decoding {self.title}"
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

    def _demand_enough(self, splits: dict[str, Split], count: int, notes: list[str]) -> None:
        for target, split in {"default": {}, **splits}.items():
            short = [part for part in ("train", "val", "test") if part in split and not len(split[part])]
            if short or not split:
                told = f" ({'; '.join(notes)})" if notes else ""
                left = f"none for {' and '.join(short)} of {target!r}" if short else "nothing to split"
                raise BadInput(f"{self.title}: {count} readable pictures leave {left}{told}")


def pictures_in(folder: Path, suffixes: Iterable[str] = PICTURES) -> list[Path]:
    """The picture files right in `folder`, by name; numbers in names sort as numbers. Hidden files are left out."""
    wanted = set(suffixes)
    found = [p for p in folder.iterdir() if p.suffix.lower() in wanted and not p.name.startswith(".") and p.is_file()]
    return sorted(found, key=lambda path: natural(path.name))


def folders_in(folder: Path) -> list[Path]:
    """The folders right in `folder`, by name; numbers in names sort as numbers. Hidden ones are left out."""
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: natural(path.name))


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts s2 before s10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def numbered(names: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Class names -> (N,) int64 class numbers and the list of classes in natural order."""
    listed = list(names)
    classes = sorted(set(listed), key=natural)
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number[name] for name in listed], dtype=np.int64), classes


def some(names: list[str], shown: int = 3) -> str:
    """The first few names, and that there are more."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def counted(names: list[str], what: str) -> list[str]:
    """A note such as "3 files without a label left out: a, b, c", or no note if there is nothing to say."""
    return [f"{len(names)} {what}: {some(names)}"] if names else []


def unreadable_note(unreadable: list[list[str]]) -> list[str]:
    """The note on files that could not be decoded."""
    return counted([f"{name} ({why})" for name, why in unreadable], "unreadable files left out")


def reason(error: Exception) -> str:
    """An exception as a few words."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.sub(r"'?/\S+/", "", text)[:80]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _label_bytes(listing: Listing) -> list[str | bytes]:
    return [part for name in sorted(listing.labels) for part in (name, listing.labels[name].tobytes())]


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:16]
