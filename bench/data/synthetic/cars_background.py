"""What lies around a car: ground in true perspective with the car's soft contact shadow, before a skyline and a sky."""

from __future__ import annotations

import math

import numpy as np
import torch

from bench.data.synthetic.cars_draw import Table, view_of
from bench.data.synthetic.cars_types import SHAPE
from bench.render.camera import Camera, rotation


def draw_background(table: Table, image_size: int, scale: float) -> np.ndarray:
    """(B, H, W, 3) float32 in [0, 1]; `scale`: camera units a metre. The car itself is left out."""
    count, view = len(table["scene"]), view_of(table)
    edge = math.tan(math.radians(Camera.fov) / 2)
    y, x = np.meshgrid(*[np.linspace(-edge, edge, image_size)] * 2, indexing="ij")
    rays = np.stack([x, y, np.ones_like(x)], -1).reshape(1, -1, 3).astype(np.float32)
    table = {name: column.astype(np.float32) for name, column in table.items()}  # half the memory to move
    turn = rotation(torch.from_numpy(view[:, :3])).numpy()  # car -> camera
    height = table["shape"][:, SHAPE.index("height")]

    # In car coordinates, metres: the camera's place, and where each ray meets the ground y = height / 2.
    camera = -(view[:, None, 3:] + np.array([0, 0, 1], np.float32)) @ turn / scale  # (B, 1, 3)
    direction = rays @ turn / scale  # (B, P, 3)
    falling = direction[..., 1]
    reach = (height[:, None] / 2 - camera[..., 1]) / np.where(falling > 1e-6, falling, 1e-6)
    place = (camera + reach[..., None] * direction)[..., [0, 2]]  # (B, P, 2) across and along the car
    beyond = np.where(falling > 1e-6, (reach - 1) / scale, np.inf)  # metres behind the car
    on_ground = 1 - _step(beyond, table["horizon"][:, None], 2.0)

    colour = _sky(table, rays) * (1 - on_ground[..., None]) + _ground(table, place) * on_ground[..., None]
    return colour.clip(0, 1).reshape(count, image_size, image_size, 3).astype(np.float32)


def _ground(table: Table, place: np.ndarray) -> np.ndarray:
    """(B, P, 3) colours of the ground at `place` (B, P, 2) in metres."""
    phase = place @ table["ground_waves"].transpose(0, 2, 1) + table["ground_phases"][:, None]
    texture = 1 + table["ground_contrast"][:, None] * np.sin(phase).sum(-1)
    colour = table["ground"][:, None] * texture[..., None]
    turn = table["marking_turn"][:, None]
    across = place[..., 0] * np.cos(turn) + place[..., 1] * np.sin(turn)
    from_line = (
        np.abs((across / 3.5 + table["marking_place"][:, None]) % 1 - 0.5) * 3.5
    )  # metres to the nearest of the lines
    line = table["marking"][:, None] * (1 - _step(from_line, 0.08, 0.1))
    colour = colour + (0.95 - colour) * line[..., None]
    length, width = (table["shape"][:, SHAPE.index(name), None] for name in ("length", "width"))
    x, z = (place[..., 0] / (0.54 * width)) ** 2, (place[..., 1] / (0.52 * length)) ** 2
    distance = np.sqrt(np.sqrt(x**2 + z**2))  # 1 on the rounded outline of the car
    dark = table["shadow"][:, None] * (1 - _step(distance, 0.85, 0.3))
    return colour * (1 - dark[..., None])


def _sky(table: Table, rays: np.ndarray) -> np.ndarray:
    """(B, P, 3) colours beyond the ground: houses of two heights before a sky that is brighter below."""
    x, y = rays[..., 0], rays[..., 1]
    wave = np.sin(x[..., None] * table["skyline_waves"][:, None] + table["skyline_phases"][:, None]).sum(-1)
    low, high = table["skyline_height"][:, :1], table["skyline_height"].sum(1, keepdims=True)
    house = 1 - _step(-y, low + (high - low) * _step(wave, 0.2, 0.1), 0.003)
    sky = table["sky"][:, None] * (0.9 + 1.5 * y)[..., None]
    tone = 0.9 + 0.1 * np.sign(wave)
    return sky + (table["skyline"][:, None] * tone[..., None] - sky) * house[..., None]


def _step(values: np.ndarray, start: np.ndarray | float, width: float) -> np.ndarray:
    """0 up to `start`, 1 from `start` + `width` on, linear between."""
    return ((values - start) / width).clip(0, 1)
