"""Seeded train/val/test splits of a data set's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from bench.api import Split

PARTS = ("train", "val", "test")


def split_within(labels: np.ndarray, seed: int, val: float = 0.1, test: float = 0.2) -> Split:
    """Every class's rows are dealt out by these shares, so that train, val and test know the same classes.

    A class of at least three rows has one or more in each part; of two, one goes to train and one to test.
    """
    rng = np.random.default_rng(seed)
    rest, tested = _hold_out(np.arange(len(labels)), labels, test, rng)
    train, validation = _hold_out(rest, labels, val / (1 - test), rng)
    return {"train": train, "val": validation, "test": tested}


def split_between(groups: np.ndarray, seed: int, val: float = 0.1, test: float = 0.2) -> Split:
    """Whole groups are dealt out by these shares (of the groups), so that no group is in two parts."""
    names = np.unique(groups)
    dealt = split_within(np.zeros(len(names)), seed, val, test)
    return {part: np.flatnonzero(np.isin(groups, names[chosen])) for part, chosen in dealt.items()}


def split_official(partition: np.ndarray, labels: np.ndarray, seed: int, val: float = 0.1, test: float = 0.2) -> Split:
    """The official split from each row's part: 0 train, 1 val, 2 test (as CelebA numbers them), -1 left out.

    Official splits often lack a validation part; whatever this one lacks is taken from train, class by class, by these
    shares of the official train part.
    """
    rng = np.random.default_rng(seed)
    train, validation, tested = (np.flatnonzero(partition == number) for number in range(len(PARTS)))
    if not len(tested):
        train, tested = _hold_out(train, labels, test, rng)
        val = val / (1 - test)
    if not len(validation):
        train, validation = _hold_out(train, labels, val, rng)
    return {"train": train, "val": validation, "test": tested}


def picture_print(image: np.ndarray) -> bytes:
    """The same for two pictures if and only if all their pixels are."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def without_repeats(prints: list[bytes], splits: Mapping[str, Split]) -> tuple[dict[str, Split], list[int]]:
    """The splits without those train and val rows whose picture is also in the default test part; and these rows.

    `prints` holds the `picture_print` of every row. The test part stays as it is.
    """
    tested = {prints[row] for row in splits["default"]["test"]}
    repeated = np.array([found in tested for found in prints])
    in_training = np.concatenate([splits["default"]["train"], splits["default"]["val"]])
    cleaned: dict[str, Split] = {
        target: {part: rows if part not in ("train", "val") else rows[~repeated[rows]] for part, rows in split.items()}
        for target, split in splits.items()
    }
    return cleaned, sorted(in_training[repeated[in_training]].tolist())


def _hold_out(
    rows: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Part `rows` in two, (kept, held out), both ascending: this share of every class, at least one row of two."""
    held = [np.empty(0, dtype=np.int64)]
    for label in np.unique(labels[rows]):
        of_class = rng.permutation(rows[labels[rows] == label])
        held.append(of_class[: min(max(round(share * len(of_class)), 1), len(of_class) - 1)])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(rows, held_out), held_out
