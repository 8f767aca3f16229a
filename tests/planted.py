"""Small labelled data sets whose labels are painted into the pixels, and encoders that read them or read nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.api import DataSet, Encoder
from bench.run import Run

SIZE = 16


def painted(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, 16, 16, 3) uint8 images: noise, with `codes` (N, K) in [0, 1] in the first K red pixels."""
    images = np.random.default_rng(seed).integers(0, 256, (len(codes), SIZE, SIZE, 3), dtype=np.uint8)
    images.reshape(len(codes), -1, 3)[:, : codes.shape[1], 0] = np.round(codes * 255)
    return images


class Planted(Encoder):
    """Reads the first `width` red pixels: exactly what `painted` wrote there."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        return {"planted": x[:, 0].flatten(1)[:, : self.width]}


class Noise(Encoder):
    """Features that differ from image to image but know nothing of the label: a hash of unlabelled pixels."""

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        pixels = x[:, 1].flatten(1)
        return {"noise": torch.sin(1e4 * pixels[:, :32])}


def run(folder: Path, seed: int = 0) -> Run:
    return Run(seed=seed, scratch=folder)


def split(n: int) -> dict[str, np.ndarray]:
    """A seeded split of n rows: half train, a fifth val, the rest test."""
    order = np.random.default_rng(7).permutation(n)
    return dict(zip(("train", "val", "test"), map(np.sort, np.split(order, (n // 2, n * 7 // 10))), strict=True))


def balanced(count: int, n: int, seed: int = 1) -> np.ndarray:
    """(n,) random class numbers, equally frequent in every part of `split(n)`: knowing nothing gives 1 / count."""
    rng = np.random.default_rng(seed)
    labels = np.empty(n, dtype=np.int64)
    for rows in split(n).values():
        labels[rows] = rng.permutation(np.arange(len(rows)) % count)
    return labels


def classes(count: int, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Balanced random class numbers (n,) and their codes (n, count)."""
    labels = balanced(count, n, seed)
    return labels, np.eye(count)[labels]


def attributes(count: int, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Balanced random attributes (n, count) int8, and their codes."""
    chosen = np.stack([balanced(2, n, seed + a) for a in range(count)], axis=1)
    return chosen.astype(np.int8), chosen.astype(np.float64)


def data_set(labels: dict[str, np.ndarray], codes: np.ndarray, **more: object) -> DataSet:
    """A face data set of painted images with the split of `split`."""
    settings = {
        "name": "painted",
        "domain": "face",
        "fingerprint": "0",
        "splits": {"default": split(len(codes))},
    } | more
    return DataSet(images=painted(codes), labels=labels, **settings)
