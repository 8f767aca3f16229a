"""SynFaces: rendered faces of people who do not exist, with every factor known. The data card is synfaces.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import BadInput, DataSet, Domain, Place, Source, Split
from bench.data.splits import split_between, split_within
from bench.data.synthetic import faces_draw as draw
from bench.data.synthetic.faces_features import MASK_CLASSES
from bench.data.synthetic.faces_mesh import closed, faces, head_vertices
from bench.data.synthetic.faces_paint import painter
from bench.data.synthetic.scene import place as place_before_camera
from bench.data.synthetic.scene import render
from bench.data.synthetic.shifts import add_shifts
from bench.data.synthetic.store import rendered, source_fingerprint

SCALE = 0.072  # size of one head unit; the picture is 0.175 wide at depth 1
LIFT = -0.1  # moves the head up, in head units
NOISE = 0.012  # standard deviation of the sensor noise
FEWER = 5  # times less pictures of those who are in training alone
MAPS = ("mask", "depth", "normals", "albedo", "shading", "foreground")


@dataclass(frozen=True)
class SynFaces(Source):
    """Rendered faces: 32 attributes, 7 emotions, people, parts, and the physical truth behind each picture."""

    domain: ClassVar[Domain] = "face"
    embedded: ClassVar[bool] = True
    version: ClassVar[int] = 2

    people: int = 400
    images_per_person: int = 20
    further: int = 2  # times as many people again, in training alone: traits are learned from people, not pictures
    ood_per_step: int = 200  # test pictures rendered again at each of the 2 x 5 out-of-distribution steps
    seed: int = 0

    def fingerprint(self, place: Place) -> str:
        """Changes with the settings, the image size and the generator's source."""
        return source_fingerprint(self, place.image_size)

    def load(self, place: Place) -> DataSet:
        """Render once into the cache (some 70 seconds at the default size), then map."""
        if self.people < 5 or self.images_per_person < 5 or self.ood_per_step < 1 or self.further < 0:
            raise BadInput("synfaces needs at least people=5, images_per_person=5, ood_per_step=1 and further=0")
        table, splits = self.tables()
        labels = draw.labels_of(table)
        fingerprint = self.fingerprint(place)

        def render_rows(rows: np.ndarray) -> dict[str, np.ndarray]:
            return render_faces({name: column[rows] for name, column in table.items()}, place.image_size, self.seed)

        arrays, labels = rendered(place, "synfaces", fingerprint, len(table["scene"]), labels, render_rows)
        return DataSet(
            name="synfaces",
            domain=self.domain,
            fingerprint=fingerprint,
            images=arrays["images"],
            labels=labels,
            splits=splits,
            classes=CLASSES,
            maps={name: arrays[name] for name in MAPS},
            group="identity",
        )

    def tables(self) -> tuple[draw.Table, dict[str, Split]]:
        """The factors of every picture and the splits: people x images_per_person pictures, those of further people, of
        whom there are `FEWER` times less each, then the shifts'.
        """
        more = self.further * self.people
        people = draw.draw_people(self.people + more, self.seed)
        pictures = np.repeat([self.images_per_person, self.images_per_person // FEWER], [self.people, more])
        table = draw.draw_pictures(people, pictures, self.seed)
        table["scene"] = np.arange(len(table["identity"]))
        dealt = self.people * self.images_per_person
        default = dict(split_between(table["identity"][:dealt], self.seed))
        default["train"] = np.concatenate([default["train"], table["scene"][dealt:]])
        shifts = {"ood_lighting": ("light_angle", draw.LIGHT_STEPS), "ood_viewpoint": ("yaw", draw.YAW_STEPS)}
        whole, splits = add_shifts(table, default, self.ood_per_step, shifts, self.seed)
        pretrain = {part: default[part] for part in ("train", "val")}
        identity = self._closed_set(table["identity"], default["test"])
        return whole, {"default": default, "identity": identity, "pretrain": pretrain, **splits}

    def _closed_set(self, identity: np.ndarray, test: np.ndarray) -> Split:
        """Pictures of the test people, whom no method has seen, dealt into train, val and test person by person."""
        within = split_within(identity[test], self.seed, val=0.15, test=0.35)
        return {part: test[rows] for part, rows in within.items()}


CLASSES = {
    "attributes": list(draw.ATTRIBUTES),
    "emotion": list(draw.EMOTIONS),
    "mask": list(MASK_CLASSES),
    "shape": list(draw.SHAPE),
    "expression": list(draw.UNITS),
    "albedo": list(draw.ALBEDO_COLUMNS),
    "light": ["ambient", "diffuse", "x", "y", "z"],
    "view": ["rotation_x", "rotation_y", "rotation_z", "x", "y", "z"],
}


def render_faces(table: draw.Table, image_size: int, seed: int) -> dict[str, np.ndarray]:
    """Images and maps of the rows of `table`, as `scene.render` returns them."""
    factors = {name: torch.as_tensor(column, dtype=torch.float32) for name, column in table.items()}
    heads = (head_vertices(factors) + torch.tensor([0.0, LIFT, 0.0])) * SCALE
    vertices = place_before_camera(heads, torch.as_tensor(draw.view_of(table)))
    background, noise = _surroundings(table["scene"], image_size, seed)
    light = torch.as_tensor(draw.light_of(table))
    no_parts = torch.zeros(0, dtype=torch.uint8)  # the painter decides
    paint = painter(factors)
    return render(vertices, faces(), paint, no_parts, light, background, image_size, noise=noise, closed=closed())


def _surroundings(scenes: np.ndarray, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """(B, H, W, 3) each: a smooth random background with a few straight edges, and sensor noise."""
    coarse, edges, noise = [], [], []
    for scene in scenes:
        rng = np.random.default_rng([seed, 5, int(scene)])
        mean = rng.uniform(0.1, 0.85) + rng.normal(0, 0.08, 3)
        coarse.append(mean + rng.normal(0, 0.12, (4, 4, 1)) + rng.normal(0, 0.04, (4, 4, 3)))
        step = rng.normal(0, 0.15, (2, 1)) + rng.normal(0, 0.05, (2, 3))
        edges.append(np.concatenate([rng.uniform(-1, 1, (2, 3)), step], 1))
        noise.append(rng.normal(0, NOISE, (size, size, 3)))
    smooth = F.interpolate(
        torch.as_tensor(np.stack(coarse), dtype=torch.float32).permute(0, 3, 1, 2),
        (size, size),
        mode="bicubic",
        align_corners=True,
    ).permute(0, 2, 3, 1)
    line = torch.linspace(-1, 1, size)
    planes = torch.as_tensor(np.stack(edges), dtype=torch.float32)[:, :, None, None]  # (B, 2, 1, 1, 6)
    beyond = planes[..., 0] * line + planes[..., 1] * line[:, None] + 0.5 * planes[..., 2] > 0
    background = smooth + (beyond[..., None] * planes[..., 3:]).sum(1)
    return background.clamp(0, 1), torch.as_tensor(np.stack(noise), dtype=torch.float32)
