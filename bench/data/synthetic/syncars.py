"""SynCars: rendered cars of eight body types, with every factor known. The data card is syncars.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from bench.api import BadInput, DataSet, Domain, Place, Source, Split
from bench.data.splits import split_within
from bench.data.synthetic import cars_draw as draw
from bench.data.synthetic.cars_background import draw_background
from bench.data.synthetic.cars_mesh import PARTS
from bench.data.synthetic.cars_parts import build
from bench.data.synthetic.cars_types import ALBEDO, BODY_TYPES, SHAPE
from bench.data.synthetic.scene import place as place_before_camera
from bench.data.synthetic.scene import render
from bench.data.synthetic.shifts import add_shifts
from bench.data.synthetic.store import rendered, source_fingerprint

SCALE = 0.033  # camera units a metre; the picture is 0.175 wide at depth 1
NOISE = 0.012  # standard deviation of the sensor noise
MAPS = ("mask", "depth", "normals", "albedo", "shading", "foreground")


@dataclass(frozen=True)
class SynCars(Source):
    """Rendered cars: 8 body types, instances, parts, and the physical truth behind each picture."""

    domain: ClassVar[Domain] = "car"
    embedded: ClassVar[bool] = True

    cars: int = 1000
    images_per_car: int = 8
    ood_per_step: int = 300  # test pictures rendered again at each of the 2 x 5 out-of-distribution steps
    seed: int = 0

    def fingerprint(self, place: Place) -> str:
        """Changes with the settings, the image size and the generator's source."""
        return source_fingerprint(self, place.image_size)

    def load(self, place: Place) -> DataSet:
        """Render once into the cache (less than a minute at the default size), then map."""
        least = 3 * len(BODY_TYPES)
        if self.cars < least or self.images_per_car < 3 or self.ood_per_step < 1:
            raise BadInput(f"syncars needs at least cars={least}, images_per_car=3 and ood_per_step=1")
        table, splits = self.tables()
        fingerprint = self.fingerprint(place)

        def render_rows(rows: np.ndarray) -> dict[str, np.ndarray]:
            return render_cars({name: column[rows] for name, column in table.items()}, place.image_size, self.seed)

        arrays, labels = rendered(
            place, "syncars", fingerprint, len(table["scene"]), draw.labels_of(table), render_rows
        )
        return DataSet(
            name="syncars",
            domain=self.domain,
            fingerprint=fingerprint,
            images=arrays["images"],
            labels=labels,
            splits=splits,
            classes=CLASSES,
            maps={name: arrays[name] for name in MAPS},
            group="instance",
        )

    def tables(self) -> tuple[draw.Table, dict[str, Split]]:
        """The factors of every picture and the splits: cars x images_per_car pictures, then those of the shifts."""
        table = draw.draw_pictures(self.cars, self.images_per_car, self.seed)
        default = self._between_cars(table)
        shifts = {"ood_lighting": ("light_angle", draw.LIGHT_STEPS), "ood_viewpoint": ("yaw", draw.YAW_STEPS)}
        whole, splits = add_shifts(table, default, self.ood_per_step, shifts, self.seed)
        splits["default"], splits["pretrain"] = default, {part: default[part] for part in ("train", "val")}
        splits["instance"] = self._closed_set(table["instance"], default["test"])
        return whole, splits

    def _between_cars(self, table: draw.Table) -> Split:
        """Whole cars are dealt out, in the same shares of every body type."""
        first = np.arange(self.cars) * self.images_per_car
        dealt = split_within(table["body_type"][first], self.seed, val=0.1, test=0.2)
        return {part: np.flatnonzero(np.isin(table["instance"], cars)) for part, cars in dealt.items()}

    def _closed_set(self, instance: np.ndarray, test: np.ndarray) -> Split:
        """Pictures of the test cars, which no method has seen, dealt into train, val and test car by car."""
        within = split_within(instance[test], self.seed, val=0.15, test=0.35)
        return {part: test[rows] for part, rows in within.items()}


CLASSES = {
    "body_type": list(BODY_TYPES),
    "mask": list(PARTS),
    "shape": list(SHAPE),
    "albedo": list(ALBEDO),
    "light": ["ambient", "diffuse", "x", "y", "z"],
    "view": ["rotation_x", "rotation_y", "rotation_z", "x", "y", "z"],
    "turn": ["yaw", "elevation", "roll"],
}


def render_cars(table: draw.Table, image_size: int, seed: int) -> dict[str, np.ndarray]:
    """Images and maps of the rows of `table`, as `scene.render` returns them."""
    vertices, colours, faces, parts = (torch.from_numpy(array) for array in build(table["shape"], table["albedo"]))
    vertices = place_before_camera(vertices.float() * SCALE, torch.from_numpy(draw.view_of(table)))
    background = torch.from_numpy(draw_background(table, image_size, SCALE))
    light = torch.from_numpy(draw.light_of(table))
    noise = _sensor_noise(table["scene"], image_size, seed)
    return render(vertices, faces, colours.float(), parts, light, background, image_size, noise=noise)


def _sensor_noise(scenes: np.ndarray, size: int, seed: int) -> torch.Tensor:
    """(B, H, W, 3) float32, each scene its own."""
    rngs = (np.random.default_rng([seed, 5, int(scene)]) for scene in scenes)
    return torch.from_numpy(np.stack([rng.normal(0, NOISE, (size, size, 3)).astype(np.float32) for rng in rngs]))
