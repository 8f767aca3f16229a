"""A contact sheet: what a data set looks like, by each of its labels, and the truth behind its pictures, on one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.api import DataSet

COLUMNS = 12  # pictures a row
GAP, TITLE, LABEL = 2, 26, 150  # pixels between pictures, above a panel, left of a row
Rows = list[tuple[str, np.ndarray]]
"""Row titles, each with its pictures (n, H, W, 3) uint8."""


def show(data: DataSet, path: Path, seed: int = 0) -> Path:
    """Write the contact sheet of `data` to `path` (.png) and return it.

    Panels: the same person or car each row; one row per emotion or body type; with and without each attribute; the same
    scenes as light or view moves away from the training range; images with their per-pixel truth.
    """
    rng = np.random.default_rng(seed)
    panels: list[tuple[str, Rows]] = []
    for name, classes in data.classes.items():
        if name in data.labels and data.labels[name].ndim == 1:
            panels.append((f"by {name.replace('_', ' ')}", _by_class(data, name, classes, rng)))
    if data.group is not None:
        panels.insert(0, (f"by {data.group}", _by_group(data, data.group, rng)))
    if "attributes" in data.labels:
        panels.append(("by attribute: with it on the left, without on the right", _by_attribute(data, rng)))
    for target in ("ood_lighting", "ood_viewpoint"):
        if target in data.splits:
            panels.append((f"{target}: the same scenes in range and at step 1, 2, ...", _by_step(data, target)))
    if data.maps:
        panels.append(("truth", _truth(data, rng)))
    path.parent.mkdir(parents=True, exist_ok=True)
    _stack([_panel(title, rows) for title, rows in panels]).save(path)
    return path


def _ordinary(data: DataSet) -> np.ndarray:
    """Rows within the training ranges."""
    split = data.split("default")
    return np.sort(np.concatenate(list(split.values())))


def _pick(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[:count])


def _by_group(data: DataSet, group: str, rng: np.random.Generator) -> Rows:
    label = data.labels[group]
    rows = _ordinary(data)
    numbers, pictures = np.unique(label[rows], return_counts=True)  # some people have a few pictures only
    chosen = _pick(numbers[pictures > pictures.max() / 2], COLUMNS, rng)
    return [(f"{group} {number}", data.images[rows[label[rows] == number][:COLUMNS]]) for number in chosen]


def _by_class(data: DataSet, name: str, classes: list[str], rng: np.random.Generator) -> Rows:
    rows = _ordinary(data)
    found = [rows[data.labels[name][rows] == number] for number in range(len(classes))]
    return [(title, data.images[_pick(own, COLUMNS, rng)]) for title, own in zip(classes, found, strict=True)]


def _by_attribute(data: DataSet, rng: np.random.Generator) -> Rows:
    rows, out = _ordinary(data), []
    for column, title in enumerate(data.classes["attributes"]):
        value = data.labels["attributes"][rows, column]
        halves = [_pick(rows[value == wanted], COLUMNS // 2, rng) for wanted in (1, 0)]
        out.append((title, data.images[np.concatenate(halves)]))
    return out


def _by_step(data: DataSet, target: str) -> Rows:
    parts = {part: rows for part, rows in data.split(target).items() if part not in ("train", "val")}
    scenes = np.linspace(0, min(map(len, parts.values())) - 1, 5).astype(int)
    out = []
    for scene in scenes:
        out.append((f"scene {scene}", np.stack([data.images[rows[scene]] for rows in parts.values()])))
    return out


def _truth(data: DataSet, rng: np.random.Generator) -> Rows:
    chosen = _pick(_ordinary(data), COLUMNS, rng)
    foreground = data.maps["foreground"][chosen] if "foreground" in data.maps else None
    rows: Rows = [("image", data.images[chosen])]
    return rows + [(name, picture_of(name, values[chosen], foreground)) for name, values in data.maps.items()]


def picture_of(name: str, values: np.ndarray, foreground: np.ndarray | None) -> np.ndarray:
    """(n, H, W[, 3]) of one map -> (n, H, W, 3) uint8: classes get colours, normals are halved, near is bright."""
    if name == "mask":
        return palette()[values]
    values = values.astype(np.float32)
    if name == "normals":
        values = (values + 1) / 2
    if name == "depth" and foreground is not None:
        inside = values[foreground]
        low, high = (inside.min(), inside.max()) if inside.size else (0.0, 1.0)
        values = np.where(foreground, 1 - 0.85 * (values - low) / max(high - low, 1e-6), 0)
    if values.ndim == 3:
        values = np.repeat(values[..., None], 3, -1)
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def palette() -> np.ndarray:
    """(256, 3) uint8: 0 black, 255 (ignore) white, between them twenty colours in turn."""
    from matplotlib import colormaps

    colours = (255 * colormaps["tab20"](np.arange(255, -1, -1) % 20)[:, :3]).astype(np.uint8)
    colours[0], colours[255] = 0, 255
    return colours


def _panel(title: str, rows: Rows) -> Image.Image:
    size = rows[0][1].shape[1] + GAP
    most = max(len(pictures) for _, pictures in rows)
    sheet = Image.new("RGB", (LABEL + most * size, TITLE + len(rows) * size), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((4, 4), title, "black", ImageFont.load_default(16))
    for i, (label, pictures) in enumerate(rows):
        pen.text((4, TITLE + i * size + size // 2 - 6), label, "black", ImageFont.load_default(12))
        for j, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (LABEL + j * size, TITLE + i * size))
    return sheet


def _stack(panels: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(p.width for p in panels), sum(p.height for p in panels)), "white")
    top = 0
    for panel in panels:
        sheet.paste(panel, (0, top))
        top += panel.height
    return sheet
