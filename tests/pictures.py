"""Small picture files for tests of data-set layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.api import DataSet, Place


def place(tmp_path: Path, root: Path | None, size: int = 16, progress=None) -> Place:
    """Pictures from `root`, cached beside it."""
    return Place(size, tmp_path / "cache", root, progress)


def picture(path: Path, value: int | tuple[int, int, int] = 100, size: tuple[int, int] = (20, 20)) -> Path:
    """A picture file of one grey or colour, in whatever format its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(value, int) else "RGB", size, value).save(path)
    return path


def text(path: Path, content: str) -> Path:
    """A text file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def sizes(data: DataSet, target: str) -> list[int]:
    """How many rows the parts of a split have, in its order; no method may be fitted on what any split tests."""
    fitted = np.concatenate([data.split("pretrain")[part] for part in ("train", "val")])
    for name, split in data.splits.items():
        tested = [rows for part, rows in split.items() if part not in ("train", "val")]
        assert name == "pretrain" or not np.isin(fitted, np.concatenate(tested)).any(), name
    return [len(rows) for rows in data.split(target).values()]


def values(data: DataSet) -> list[int]:
    """The grey value in the middle of each picture."""
    middle = data.images.shape[1] // 2
    return np.asarray(data.images[:, middle, middle, 0]).tolist()
