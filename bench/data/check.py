"""Look a data set over before anything is trained: what is there, what is missing, what cannot be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.api import BadInput, Place, Source, Unavailable
from bench.data.common import Listing, Photos, unreadable_note
from bench.data.decode import try_each
from bench.data.scan import PICTURES, counted, reason
from bench.data.splits import picture_print


@dataclass
class CheckReport:
    """What `check` found. `problem` says why the set cannot be used; empty if it can."""

    name: str
    problem: str = ""
    root: Path | None = None
    pictures: int = 0  # found and wanted
    readable: int = 0
    unreadable: list[list[str]] = field(default_factory=list)  # [file, reason] each
    missing: list[str] = field(default_factory=list)  # what the official layout has and this copy lacks
    notes: list[str] = field(default_factory=list)  # label problems and other oddities
    labels: list[str] = field(default_factory=list)  # one line each: classes and how often
    splits: list[str] = field(default_factory=list)  # one line each: the sizes of the parts
    others: dict[str, int] = field(default_factory=dict)  # other files, by suffix

    def text(self) -> str:
        """The report, one finding a line."""
        lines = [f"{self.name}: {'cannot be used: ' + self.problem if self.problem else 'can be used'}"]
        if self.root is not None:
            lines.append(f"  found    {self.pictures} pictures in {self.root}, {self.readable} readable")
        lines += [f"  missing  {line}" for line in counted(self.missing, "files or folders of the official layout")]
        lines += [f"  note     {line}" for line in unreadable_note(self.unreadable) + self.notes]
        if self.others:
            others = ", ".join(f"{count} {suffix}" for suffix, count in self.others.items())
            lines.append(f"  others   {others}")
        lines += [f"  label    {line}" for line in self.labels]
        lines += [f"  split    {line}" for line in self.splits]
        return "\n".join(lines)


def check(source: Source, place: Place) -> CheckReport:
    """Find, list and open every picture of a data set; nothing is kept. What is wrong is told, not raised."""
    if not isinstance(source, Photos):
        return CheckReport(type(source).__name__, notes=["embedded data, rendered when it is needed: nothing to check"])
    try:
        listing = source.listing(place)
    except (Unavailable, BadInput) as error:
        return CheckReport(source.folder, problem=str(error))
    report = CheckReport(
        source.folder,
        root=listing.root,
        pictures=len(listing.files),
        missing=listing.missing,
        others=_other_files(listing.root),
    )

    def read(row: int) -> bytes:
        return picture_print(source.read(listing, row, place.image_size)["images"])

    results = list(try_each(read, len(listing.files), place.progress, f"opening {source.folder}"))
    errors = [
        (file, result) for file, result in zip(listing.files, results, strict=True) if isinstance(result, Exception)
    ]
    report.unreadable = [[file, reason(error)] for file, error in errors]
    kept = listing.rows(
        np.array([row for row, result in enumerate(results) if isinstance(result, bytes)], dtype=np.int64)
    )
    report.readable = len(kept.files)
    report.labels = [line for name in sorted(kept.classes) if (line := _label_line(kept, name))]
    try:
        splits = source.checked_splits(kept, [result for result in results if isinstance(result, bytes)])
        report.splits = [
            f"{target}: {', '.join(f'{part} {len(rows)}' for part, rows in split.items())}"
            for target, split in splits.items()
        ]
    except BadInput as error:
        report.problem = str(error)
    report.notes = kept.notes
    return report


def prepare(source: Source, place: Place) -> str:
    """Decode (or render) a data set into the cache, and say in a few lines what lies there now."""
    data = source.load(place)
    size = place.image_size
    lines = [f"{data.name}: {len(data.images)} pictures of {size} x {size} pixels lie in {place.cache}"]
    return "\n".join(lines + [f"  note     {note}" for note in data.notes])


def _label_line(listing: Listing, name: str) -> str:
    labels, classes = listing.labels.get(name), listing.classes[name]
    if labels is None:
        return ""
    if labels.ndim == 2:
        return f"{name}: {labels.shape[1]} yes/no labels, {int((labels < 0).any(1).sum())} pictures with unknown ones"
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    unknown = f", {int((labels < 0).sum())} unknown" if (labels < 0).any() else ""
    if len(classes) > 12:
        return f"{name}: {len(classes)} classes of {counts.min()} to {counts.max()} pictures{unknown}"
    return f"{name}: {', '.join(f'{c} {count}' for c, count in zip(classes, counts, strict=True))}{unknown}"


def _other_files(root: Path) -> dict[str, int]:
    suffixes = (path.suffix.lower() or path.name for path in root.rglob("*") if path.is_file())
    return dict(Counter(suffix for suffix in suffixes if suffix not in PICTURES).most_common(6))
