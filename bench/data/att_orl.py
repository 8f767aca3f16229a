"""AT&T / ORL faces: `s1..s40/1..10.pgm`, 92 x 112 grey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.api import Split
from bench.data.common import Listing, Photos
from bench.data.scan import folders_in, numbered, pictures_in, relative
from bench.data.splits import split_within


@dataclass(frozen=True)
class AttOrl(Photos):
    """AT&T/ORL: 40 people, 10 grey photographs each; identity by the same people in other photographs."""

    folder: ClassVar[str] = "att_orl"
    folders: ClassVar[tuple[str, ...]] = ("orl", "orl_faces", "att_faces")
    markers: ClassVar[tuple[str, ...]] = ("s[0-9]*/*.pgm",)
    homepage: ClassVar[str] = "https://cam-orl.co.uk/facedatabase.html"
    group: ClassVar[str | None] = "identity"

    def scan(self, root: Path) -> Listing:
        """Copies may lack people or photographs: those are told, not required."""
        people = [path for path in folders_in(root) if path.name[0] == "s" and path.name[1:].isdigit()]
        pictures = [picture for person in people for picture in pictures_in(person, (".pgm",))]
        files = relative(pictures, root)
        identity, names = numbered(picture.parent.name for picture in pictures)
        official = [f"s{person}/{number}.pgm" for person in range(1, 41) for number in range(1, 11)]
        present = set(files)
        missing = [name for name in official if name not in present]
        return Listing(root, files, {"identity": identity}, {"identity": names}, missing=missing)

    def splits(self, listing: Listing) -> dict[str, Split]:
        """Of each person's ten photographs five to train on, one for validation, four to test (seeded)."""
        split = split_within(listing.labels["identity"], self.seed, val=0.1, test=0.4)
        return {"default": split, "identity": split, "pretrain": split}
