"""Looking through folders of pictures, and words for what was found there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

DIGITS = re.compile(r"([0-9]+)")


def picture_names(folder: Path, suffixes: tuple[str, ...] = PICTURES) -> list[str]:
    """The names of the picture files right in `folder`, s2 before s10. Hidden files and other files are left out."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.lower().endswith(suffixes) and entry.is_file()]
    return sorted((name for name in names if name[0] != "."), key=natural)


def pictures_in(folder: Path, suffixes: tuple[str, ...] = PICTURES) -> list[Path]:
    """The picture files right in `folder`, in the order of `picture_names`."""
    return [folder / name for name in picture_names(folder, suffixes)]


def folders_in(folder: Path) -> list[Path]:
    """The folders right in `folder`, s2 before s10. Hidden ones are left out."""
    found = (path for path in folder.iterdir() if path.name[0] != "." and path.is_dir())
    return sorted(found, key=lambda path: natural(path.name))


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts s2 before s10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(name)]


def relative(paths: Iterable[Path], root: Path) -> list[str]:
    """Paths as names relative to `root`, with forward slashes."""
    start = len(root.as_posix().rstrip("/")) + 1
    return [path.as_posix()[start:] for path in paths]


def numbered(names: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Class names -> (N,) int64 class numbers and the list of classes in natural order."""
    listed = list(names)
    classes = sorted(set(listed), key=natural)
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number[name] for name in listed], dtype=np.int64), classes


def words_of(path: Path) -> list[list[str]]:
    """The words of every line that has any; none where there is no such file. Bytes that are no UTF-8 are replaced."""
    if not path.is_file():
        return []
    return [words for line in path.read_text(errors="replace").splitlines() if (words := line.split())]


def numbers_of(path: Path) -> tuple[dict[str, int], list[str]]:
    """A list of lines "name number" as name -> number, and notes on lines that are not of this form."""
    rows = words_of(path)
    good = [words for words in rows if len(words) == 2 and words[1].isdecimal()]
    odd = [" ".join(words)[:40] for words in rows if len(words) != 2 or not words[1].isdecimal()]
    return {name: int(number) for name, number in good}, counted(odd, f"lines of {path.name} not understood")


def counted(names: list[str], what: str) -> list[str]:
    """A note such as "3 pictures without a label: a, b, c", or none where there is nothing to say."""
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return [f"{len(names)} {what}: {shown}"] if names else []


def reason(error: Exception) -> str:
    """An exception in a few words, without the path it may name."""
    text = str(error).partition("\n")[0] or type(error).__name__
    return re.sub(r"'?/\S+/([^/'\s]+)'?", r"\1", text)[:80]
