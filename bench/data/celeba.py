"""CelebA (Liu et al., ICCV 2015): `img_align_celeba/000001.jpg` and the lists beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import BadInput, Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, numbers_of, picture_names
from bench.data.splits import split_official, split_within

ATTRIBUTES, IDENTITY, PARTITION = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"
FIRST_VAL, FIRST_TEST = 162_771, 182_638  # picture numbers at which the official validation and test parts begin


def official_part(number: int) -> int:
    """The official part of CelebA picture `number` (from 1): 0 train, 1 val, 2 test."""
    return int(number >= FIRST_VAL) + int(number >= FIRST_TEST)


@dataclass(frozen=True)
class CelebA(Photos):
    """CelebA: 40 attributes (official split, people disjoint) and identity of 100 people, aligned photographs."""

    limit: int | None = 6000  # pictures of each part, the first by number as in the paper; none = all of them
    people: int = 100  # for identity: those of the official test part with the most pictures

    folder: ClassVar[str] = "celeba"
    markers: ClassVar[tuple[str, ...]] = ("img_align_celeba",)
    homepage: ClassVar[str] = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    group: ClassVar[str | None] = "person"

    def scan(self, root: Path) -> Listing:
        """Only pictures that a split uses are listed.

        Label "person" is everybody's identity (-1 where it is not given), "identity" numbers the chosen people and is
        -1 for all others; "partition" is the official part, -1 for pictures that serve identity alone.
        """
        names = picture_names(root / "img_align_celeba", (".jpg", ".png"))
        stems = [name.partition(".")[0] for name in names]
        parts, part_notes = _parts(root, stems)
        persons, person_notes = _persons(root, stems)
        chosen = self._choose_people(persons, parts)
        taken = np.concatenate([np.flatnonzero(parts == part)[: self.limit] for part in range(3)]).astype(np.int64)
        rows = np.union1d(taken, np.flatnonzero(np.isin(persons, chosen)))
        number_of = {person: number for number, person in enumerate(chosen)}
        labels = {
            "person": persons[rows],
            "identity": np.array([number_of.get(person, -1) for person in persons[rows]], dtype=np.int64),
            "partition": np.where(np.isin(rows, taken), parts[rows], -1),
        }
        classes = {"identity": [str(person) for person in chosen]}
        notes = part_notes + person_notes
        if (root / ATTRIBUTES).is_file():
            labels["attributes"], classes["attributes"], odd = _attributes(
                root / ATTRIBUTES, [stems[row] for row in rows]
            )
            notes += odd
        return Listing(
            root,
            [f"img_align_celeba/{names[row]}" for row in rows],
            labels,
            classes,
            notes=notes,
            missing=[name for name in (ATTRIBUTES, IDENTITY, PARTITION) if not (root / name).is_file()],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """Attributes: the official parts. Identity: the chosen people's pictures, 50 : 10 : 40 within each (seeded).

        The chosen people are of the official test part, so that no method has been fitted on them.
        """
        partition, identity = listing.labels["partition"], listing.labels["identity"]
        official = split_official(partition, np.zeros(len(partition)), self.seed)
        splits: dict[str, Split] = {"default": official, "attributes": official, "pretrain": official}
        known = np.flatnonzero(identity >= 0)
        if len(known):
            within = split_within(identity[known], self.seed, val=0.1, test=0.4)
            splits["identity"] = {part: known[rows] for part, rows in within.items()}
            splits["verification"] = splits["identity"]
        return splits

    def _choose_people(self, persons: np.ndarray, parts: np.ndarray) -> np.ndarray:
        ids, counts = np.unique(persons[(parts == 2) & (persons >= 0)], return_counts=True)
        return np.sort(ids[np.lexsort((ids, -counts))][: self.people])


def _parts(root: Path, stems: list[str]) -> tuple[np.ndarray, list[str]]:
    """Each picture's official part, by its number where the list is missing or silent; -1 where that is no number."""
    listed, notes = numbers_of(root / PARTITION)
    by_number = [official_part(int(stem)) if stem.isdecimal() else -1 for stem in stems]
    return np.array([listed.get(f"{stem}.jpg", part) for stem, part in zip(stems, by_number, strict=True)]), notes


def _persons(root: Path, stems: list[str]) -> tuple[np.ndarray, list[str]]:
    """(N,) int64 identity numbers, -1 where none is given."""
    listed, notes = numbers_of(root / IDENTITY)
    return np.array([listed.get(f"{stem}.jpg", -1) for stem in stems], dtype=np.int64), notes


def _attributes(path: Path, stems: list[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """(N, 40) int8 in {0, 1, -1 = unknown}, the 40 names, and notes on pictures without a usable row."""
    lines = path.read_text(errors="replace").splitlines()
    names = lines[1].split() if len(lines) > 1 else []
    if not names or names[0].endswith(".jpg"):
        raise BadInput(f"{path}: the second line must name the attributes; is it the official file?")
    text = dict(line.split(maxsplit=1) for line in lines[2:] if " " in line.strip())
    values = np.full((len(stems), len(names)), -1, dtype=np.int8)
    without = []
    for row, stem in enumerate(stems):
        words = text.get(f"{stem}.jpg", "").split()
        if len(words) == len(names) and set(words) <= {"1", "-1"}:
            values[row] = [word == "1" for word in words]
        else:
            without.append(f"{stem}.jpg")
    return values, names, counted(without, f"pictures without a usable row in {path.name}")
