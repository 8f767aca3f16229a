"""What the protocols work on: the features and labels of a split's parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.api import BadInput, DataSet, Encoder
from bench.run import Run

MIN_EXAMPLES = 10  # fewer test examples than this say nothing
CHUNK = 64  # examples scaled at a time


@dataclass(frozen=True)
class Examples:
    """One part (train, val, test, ...) of a split.

    `labels` is (n,) int64 class numbers or (n, A) int8 in {0, 1}; -1 = unknown. `groups` numbers the groups of
    dependent examples (all different where examples are independent).
    """

    rows: np.ndarray  # (n,) int64: rows of the data set
    features: np.ndarray  # (n, D) float32
    labels: np.ndarray
    groups: np.ndarray  # (n,) int64

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: np.ndarray) -> Examples:
        """The examples at these positions (or where this mask is true)."""
        return replace(
            self,
            rows=self.rows[chosen],
            features=self.features[chosen],
            labels=self.labels[chosen],
            groups=self.groups[chosen],
        )


def label_of(data: DataSet, target: str) -> np.ndarray:
    """The label array of a target. Raises `BadInput` where the data set has none."""
    if target not in data.labels:
        known = ", ".join(sorted(data.labels)) or "none"
        raise BadInput(
            f"data set {data.name} has no label {target!r} (it has: {known}): choose another task or data set"
        )
    return data.labels[target]


def class_names(data: DataSet, target: str) -> list[str]:
    """The names of a target's classes or attributes, numbered where the data set names none."""
    labels = label_of(data, target)
    count = labels.shape[1] if labels.ndim == 2 else int(labels.max(initial=-1)) + 1
    names = data.classes.get(target) or [str(i) for i in range(count)]
    if len(names) < count:
        raise BadInput(f"data set {data.name}: {count} classes of {target!r} but only {len(names)} names")
    return names


def is_known(labels: np.ndarray) -> np.ndarray:
    """(N,) which rows have a label, or at least one known attribute."""
    return np.asarray((labels.reshape(len(labels), -1) >= 0).any(1))


def part_rows(data: DataSet, split: str, part: str, limit: int, known: np.ndarray) -> np.ndarray:
    """The rows of one part of the split made for `split` that are `known` (N,), at most `limit` of them.

    The same ones for every method and seed. Raises `BadInput` where too few are left.
    """
    parts = data.split(split)
    if part not in parts:
        raise BadInput(f"data set {data.name}: its split for {split!r} has no part {part!r}")
    rows = np.asarray(parts[part], dtype=np.int64)
    rows = rows[known[rows]]
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:limit])
    least = 2 if part in ("train", "val") else MIN_EXAMPLES
    if len(rows) < least:
        raise BadInput(
            f"data set {data.name}: {len(rows)} labelled {part} images for {split!r}, at least {least} are needed"
        )
    return rows


def group_numbers(data: DataSet, rows: np.ndarray) -> np.ndarray:
    """(n,) the group of dependent examples each row belongs to: its own, where the data set knows of no groups."""
    if data.group is None:
        return rows
    groups = data.labels[data.group][rows].astype(np.int64)
    return np.where(groups >= 0, groups, -1 - rows)


def gather(
    encoder: Encoder, data: DataSet, run: Run, target: str, parts: Sequence[str], limit: int, split: str = ""
) -> list[Examples]:
    """Encode the parts of the split for `target` (or of the one named by `split`); at most `limit` examples a part."""
    labels = label_of(data, target)
    gathered = []
    for part in parts:
        rows = part_rows(data, split or target, part, limit, is_known(labels))
        features = run.features(encoder, data.subset(rows))
        examples = Examples(rows, features, labels[rows], group_numbers(data, rows))
        gathered.append(tracks(examples, data.labels["track"][rows]) if "track" in data.labels else examples)
    return gathered


def tracks(frames: Examples, track: np.ndarray) -> Examples:
    """One example a track of video frames, with its frames' mean feature; the first frame stands for it."""
    _, first, member = np.unique(track, return_index=True, return_inverse=True)
    means = np.zeros((len(first), frames.features.shape[1]))
    np.add.at(means, member, frames.features)
    means /= np.bincount(member)[:, None]
    return replace(frames.take(first), features=means.astype(np.float32))


def scaling(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, scale), each (D,) float64: `(features - mean) * scale` has mean 0 and standard deviation 1.

    Dimensions that do not vary get scale 0: they carry nothing, and dividing by rounding errors would blow them up.
    """
    mean = features.mean(0, dtype=np.float64)
    std = features.std(0, dtype=np.float64)
    varies = std > 1e-6 * np.abs(mean)
    return mean, np.divide(1.0, std, out=np.zeros_like(std), where=varies)


def scaled(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """`(features - mean) * scale` in float32; a part at a time, as float64 copies of all would be slow."""
    out = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), CHUNK):
        rows = slice(start, start + CHUNK)
        out[rows] = (features[rows] - mean) * scale
    return out


def standardise(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Features scaled by the training part's mean and standard deviation: train first, then the others. float32."""
    mean, scale = scaling(train)
    return [scaled(x, mean, scale) for x in (train, *others)]
