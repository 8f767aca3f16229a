"""Face tracks of television series: `<tv>_tracks/track_<id>/*.jpg` and `<episode>.ids` with rows "track name"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.api import Split
from bench.data.common import Listing, Photos
from bench.data.scan import counted, folders_in, numbered, pictures_in, relative, words_of
from bench.data.splits import split_within


@dataclass(frozen=True)
class TvTracks(Photos):
    """Faces followed through an episode; features are averaged over a track, then clustered by person."""

    folder: ClassVar[str] = "tv_tracks"
    folders: ClassVar[tuple[str, ...]] = ("multimedia",)
    homepage: ClassVar[str] = "KIT's television person identification data, CVPR 2013, faces cut out"
    group: ClassVar[str | None] = "track"
    tracks: ClassVar[str] = ""  # the folder of tracks
    episode: ClassVar[str] = ""  # the list of names
    cast: ClassVar[tuple[str, ...]] = ()  # the people to tell apart, as in the paper

    def scan(self, root: Path) -> Listing:
        """Every frame of every track of the cast. Labels "identity" and "track" (mean features are taken over it)."""
        name_of = {words[0]: words[1].lower() for words in words_of(root / self.episode)[1:] if len(words) >= 2}
        tracks = [folder for folder in folders_in(root / self.tracks) if folder.name.startswith("track_")]
        names = {folder: name_of.get(folder.name.removeprefix("track_"), "") for folder in tracks}
        pictures = [path for folder in tracks if names[folder] in self.cast for path in pictures_in(folder)]
        track, track_names = numbered(path.parent.name for path in pictures)
        identity = np.array([self.cast.index(names[path.parent]) for path in pictures], dtype=np.int64)
        unnamed = [folder.name for folder in tracks if not names[folder]]
        others = [folder.name for folder in tracks if names[folder] and names[folder] not in self.cast]
        return Listing(
            root,
            relative(pictures, root),
            {"identity": identity, "track": track},
            {"identity": list(self.cast), "track": track_names},
            notes=[
                *counted(unnamed, f"tracks without a name in {self.episode} left out"),
                *counted(others, "tracks of other people left out"),
            ],
            missing=[] if (root / self.episode).is_file() else [self.episode],
        )

    def splits(self, listing: Listing) -> dict[str, Split]:
        """30 : 10 : 60 of each person's tracks (seeded): no track is in two parts. Clustering uses the test part."""
        track, identity = listing.labels["track"], listing.labels["identity"]
        tracks, first = np.unique(track, return_index=True)
        of_tracks = split_within(identity[first], self.seed, val=0.1, test=0.6)
        split = {part: np.flatnonzero(np.isin(track, tracks[rows])) for part, rows in of_tracks.items()}
        return {"default": split, "identity": split, "pretrain": split}


@dataclass(frozen=True)
class BigBangTracks(TvTracks):
    """The Big Bang Theory s01e01: face tracks of 5 people."""

    markers: ClassVar[tuple[str, ...]] = ("bbt_tracks/track_*",)
    tracks: ClassVar[str] = "bbt_tracks"
    episode: ClassVar[str] = "bbt_s01e01.ids"
    cast: ClassVar[tuple[str, ...]] = ("howard", "leonard", "penny", "raj", "sheldon")


@dataclass(frozen=True)
class BuffyTracks(TvTracks):
    """Buffy the Vampire Slayer s05e02: face tracks of 6 people."""

    markers: ClassVar[tuple[str, ...]] = ("buffy_tracks/track_*",)
    tracks: ClassVar[str] = "buffy_tracks"
    episode: ClassVar[str] = "buffy_s05e02.ids"
    cast: ClassVar[tuple[str, ...]] = ("xander", "buffy", "dawn", "anya", "willow", "giles")
