"""`show`: what a trained method sees of a few test images, as one picture: a row an image, a column a kind."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from bench.api import Encoder, Place, Unavailable
from bench.artefact import load_module
from bench.plan import Cell, Settings
from bench.store import Store

SCALE = 2  # 64-pixel images are small on today's screens


def show_method(settings: Settings, cell: Cell, count: int, path: Path) -> Path:
    """Write pictures of `count` test images as the cell's trained method sees them. Raises `Unavailable`."""
    folder = Store(settings.out, settings.layers).find_artefact(cell.artefact)
    if folder is None:
        raise Unavailable(f"{cell.method.label} is not trained in {settings.out}: `run` it there first")
    registry = settings.registry
    place = Place(settings.profile.image_size, settings.cache, settings.data_root)
    data = registry.make("dataset", cell.dataset.name, cell.dataset.values).load(place)
    encoder: Encoder = registry.make("method", cell.method.name, cell.method.values).build(
        settings.profile.image_size, data.domain
    )
    load_module(folder, encoder)
    test = data.split("default")["test"]
    chosen = test[torch.linspace(0, len(test) - 1, min(count, len(test))).long().numpy()]
    images = data.subset(chosen)[:]
    with torch.no_grad():
        columns = {"input": images, **encoder.eval().pictures(images)}
    if len(columns) == 1:
        raise Unavailable(f"{cell.method.label} makes no pictures")
    path.parent.mkdir(parents=True, exist_ok=True)
    grid(columns).save(path)
    return path


def grid(columns: dict[str, Tensor]) -> Image.Image:
    """Pictures (B, 3, h, w) in [0, 1] by name -> one image with the names above the columns."""
    rows, size = len(next(iter(columns.values()))), next(iter(columns.values())).shape[-1] * SCALE
    font = ImageFont.load_default(12)
    header = 18
    sheet = Image.new("RGB", (len(columns) * (size + 2), header + rows * (size + 2)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (name, batch) in enumerate(columns.items()):
        draw.text((column * (size + 2) + 2, 2), name, "black", font)
        large = F.interpolate(batch.clamp(0, 1), size=(size, size), mode="nearest")
        for row, picture in enumerate(large):
            pixels = (picture.permute(1, 2, 0) * 255).round().byte().cpu().numpy()
            sheet.paste(Image.fromarray(pixels), (column * (size + 2), header + row * (size + 2)))
    return sheet
