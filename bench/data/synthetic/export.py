"""Write a data set as plain files, so that other people's code can train on it.

Layouts: `plain` (PNGs, maps, and a CSV of all labels and factors), `celeba` (pictures and lists named as CelebA's) and
`synface` (image and depth pictures as unsup3d reads them).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from bench.api import BadInput, DataSet

Layout = Literal["plain", "celeba", "synface"]
PARTS = ("train", "val", "test")
NEAR, FAR = 0.9, 1.1  # depths stored as white and as black


def export(
    data: DataSet, folder: Path, layout: Layout = "plain", progress: Callable[[int, int, str], None] | None = None
) -> int:
    """Write `data` into `folder` (new or empty) and return the number of pictures. Raises `BadInput`.

    `plain`: every picture, those of the out-of-distribution steps too: images/, mask/ (class numbers), depth/ (16
    bits), normals/, albedo/, shading/ as PNG, named by row; labels.csv; classes.csv. `celeba` and `synface`: the
    default split alone.
    """
    if layout not in get_args(Layout):
        raise BadInput(f"layout {layout!r}: choose from {', '.join(get_args(Layout))}")
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty: choose a new folder")
    missing = {"celeba": {"attributes"} - set(data.labels), "synface": {"depth"} - set(data.maps)}.get(layout, set())
    if missing:
        raise BadInput(f"{data.name} has no {', '.join(missing)}, which the {layout} layout needs")
    folder.mkdir(parents=True, exist_ok=True)
    writer: Callable[[DataSet, Path], Iterator[int]] = {"plain": _plain, "celeba": _celeba, "synface": _synface}[layout]
    total = len(data.images) if layout == "plain" else sum(map(len, data.split("default").values()))
    done = 0
    for done in writer(data, folder):
        if progress is not None:
            progress(done, total, f"writing {data.name}")
    return done


def columns(data: DataSet) -> dict[str, np.ndarray]:
    """All labels as flat columns, (N,) each: class labels also by name, factors as `light_x`, splits as words."""
    out: dict[str, np.ndarray] = {}
    for target, split in data.splits.items():
        word = np.full(len(data.images), "", dtype=object)
        for part, rows in split.items():
            word[rows] = part
        out[f"split_{target}"] = word
    for name, values in data.labels.items():
        names = data.classes.get(name)
        if values.ndim == 1:
            out[name] = values
            if names is not None:
                out[f"{name}_name"] = np.array([*names, ""], dtype=object)[values]
            continue
        width = values.shape[1]
        titles = names if names is not None and len(names) == width else [str(k) for k in range(width)]
        for title, column in zip(titles, values.T, strict=True):
            out[title if name == "attributes" else f"{name}_{title}"] = column
    return out


def encode_depth(depth: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Depth 0.9 (255) to 1.1 (0) as uint8, background 0: what unsup3d's synface stores."""
    gray = (FAR - depth) / (FAR - NEAR) * 255
    return np.where(foreground, gray.clip(1, 255), 0).round().astype(np.uint8)


def _plain(data: DataSet, folder: Path) -> Iterator[int]:
    with (folder / "classes.csv").open("w", newline="") as file:
        rows = [(label, number, name) for label, names in data.classes.items() for number, name in enumerate(names)]
        csv.writer(file).writerows([("label", "number", "name"), *rows])
    table = columns(data)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *table])
        for row in range(len(data.images)):
            writer.writerow([f"{row:06d}.png", *(_cell(column[row]) for column in table.values())])
    for row in range(len(data.images)):
        pictures = {"images": data.images[row], **{name: _picture(data, name, row) for name in data.maps}}
        for name, picture in pictures.items():
            _save(picture, folder / name / f"{row:06d}.png")
        yield row + 1


def _picture(data: DataSet, name: str, row: int) -> np.ndarray:
    values = data.maps[name][row]
    if name == "depth":
        # 16 bits: 65535 at depth 0.9 down to 1 at 1.1, 0 where there is nothing.
        steps = ((FAR - values) / (FAR - NEAR) * 65535).clip(1, 65535).round()
        return np.where(data.maps["foreground"][row], steps, 0).astype(np.uint16)
    if name == "mask":
        return values
    values = values.astype(np.float32)
    values = (values + 1) / 2 if name == "normals" else values
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def _celeba(data: DataSet, folder: Path) -> Iterator[int]:
    """img_align_celeba/000001.jpg ..., numbered train, val, test as CelebA is, and its lists."""
    split = data.split("default")
    rows = np.concatenate([split[part] for part in PARTS])
    names = [f"{number:06d}.jpg" for number in range(1, len(rows) + 1)]
    part = np.repeat(np.arange(3), [len(split[part]) for part in PARTS])
    signs = 2 * (data.labels["attributes"][rows] > 0).astype(int) - 1
    body = [f"{name} {' '.join(f'{sign:2d}' for sign in line)}\n" for name, line in zip(names, signs, strict=True)]
    header = f"{len(rows)}\n{' '.join(data.classes['attributes'])}\n"
    (folder / "list_attr_celeba.txt").write_text(header + "".join(body))
    lists = {"list_eval_partition.txt": part}
    if data.group is not None:
        lists["identity_CelebA.txt"] = data.labels[data.group][rows] + 1
    for file, values in lists.items():
        (folder / file).write_text("".join(f"{name} {value}\n" for name, value in zip(names, values, strict=True)))
    for done, (row, name) in enumerate(zip(rows, names, strict=True), 1):
        _save(data.images[row], folder / "img_align_celeba" / name, quality=97, subsampling=0)
        yield done


def _synface(data: DataSet, folder: Path) -> Iterator[int]:
    """{train,val,test}/image/image_000000.png and depth/depth_000000.png, whole pictures: drop unsup3d's `crop`."""
    done = 0
    for part in PARTS:
        for row in data.split("default")[part]:
            depth = encode_depth(data.maps["depth"][row], data.maps["foreground"][row])
            _save(data.images[row], folder / part / "image" / f"image_{row:06d}.png")
            _save(depth, folder / part / "depth" / f"depth_{row:06d}.png")
            done += 1
            yield done


def _save(pixels: np.ndarray, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)
