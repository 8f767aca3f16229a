"""Picture files of any kind -> square 8-bit RGB arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

Box = Sequence[float]  # left, top, right, bottom in pixels
Progress = Callable[[int, int, str], None]
Result = TypeVar("Result")

CHUNK = 128  # pictures between two reports of progress


def decode(path: Path, size: int, box: Box | None = None, squeeze: bool = False) -> np.ndarray:
    """(size, size, 3) uint8: the smallest square around `box`, else the largest centred square, resized.

    With `squeeze`, the box or the whole picture is resized to a square, whatever its proportions. Grey, palette, CMYK
    and 16-bit pictures become 8-bit RGB, transparency is dropped, EXIF rotation is applied; what the square has beyond
    the picture is black. Raises whatever Pillow raises for a damaged or truncated file.
    """
    with Image.open(path) as stored:
        if box is None:
            stored.draft(None, (2 * size, 2 * size))  # JPEG alone: read at 1/2, 1/4 or 1/8, still twice too large
        picture = ImageOps.exif_transpose(stored)
        return resize(_rgb(picture), size, box, squeeze, Image.Resampling.BILINEAR)


def resize(picture: Image.Image, size: int, box: Box | None, squeeze: bool, resampling: Image.Resampling) -> np.ndarray:
    """(size, size) or (size, size, 3): what `decode` shows of a picture, for the maps that belong to it."""
    left, top, right, bottom = box if box is not None else (0, 0, *picture.size)
    if not squeeze:
        sides = right - left, bottom - top
        side = max(round(max(sides) if box is not None else min(sides)), 1)
        left, top = round((left + right - side) / 2), round((top + bottom - side) / 2)
        right, bottom = left + side, top + side
    return np.asarray(
        picture.crop((round(left), round(top), round(right), round(bottom))).resize((size, size), resampling)
    )


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip at 255
        picture = Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))
    elif picture.mode == "P":  # by way of RGBA, else Pillow warns about palettes with transparency
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


def try_each(
    work: Callable[[int], Result], count: int, progress: Progress | None, what: str
) -> Iterator[Result | Exception]:
    """`work(0)`, `work(1)`, ... in order, on several threads; an exception stands in for the result it prevented."""

    def attempt(index: int) -> Result | Exception:
        try:
            return work(index)
        except Exception as error:  # Pillow's readers raise nearly anything on damaged files
            return error

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, count, CHUNK):
            if progress is not None:
                progress(start, count, what)
            yield from pool.map(attempt, range(start, min(start + CHUNK, count)))
    if progress is not None:
        progress(count, count, what)
