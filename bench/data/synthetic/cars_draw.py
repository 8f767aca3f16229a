"""What is drawn for pictures of synthetic cars, from what distribution, and which labels follow.

Everything is a table of named columns, one row per picture. Angles are in degrees. Yaw 0 shows a car from the front;
the camera looks down on it by the elevation.
"""

from __future__ import annotations

import numpy as np

from bench.data.synthetic.cars_types import BODY_TYPES, draw_albedos, draw_shapes
from bench.data.synthetic.shifts import Table

# Training ranges, and the steps beyond them.
LIGHT_ANGLE = 35.0  # between the light and the camera's axis: uniform up to this
LIGHT_STEPS = ((35.0, 45.0), (45.0, 55.0), (55.0, 65.0), (65.0, 75.0), (75.0, 85.0))
YAW, ROLL = 60.0, 3.0  # uniform within +- these
YAW_STEPS = ((60.0, 72.0), (72.0, 84.0), (84.0, 96.0), (96.0, 108.0), (108.0, 120.0))
ELEVATION = (8.0, 30.0)
AMBIENT, DIFFUSE = (0.1, 0.25), (0.6, 0.75)  # uniform; their sum stays <= 1, so no pixel is clipped
SHIFT = (0.005, 0.005, 0.012)  # translations, uniform within +- these; the picture is 0.175 wide at depth 1

# Ground colours: asphalt, concrete, sand, grass, earth, snow.
_GROUND = np.array([[0.3, 0.3, 0.31], [0.58, 0.57, 0.54], [0.72, 0.62, 0.45], [0.3, 0.42, 0.2], [0.42, 0.32, 0.24],
                    [0.85, 0.87, 0.9]])  # fmt: skip
_WAVES = 4  # of the ground's texture


def draw_pictures(cars: int, images_per_car: int, seed: int) -> Table:
    """`images_per_car` pictures of each car, car after car; body types are dealt out evenly."""
    rng = np.random.default_rng([seed, 1])
    types = rng.permutation(np.arange(cars) % len(BODY_TYPES))
    each = {"body_type": types, "shape": draw_shapes(rng, types), "albedo": draw_albedos(rng, cars)}
    instance = np.repeat(np.arange(cars), images_per_car)
    table = {name: column[instance] for name, column in each.items()}
    table |= {"instance": instance, "scene": np.arange(len(instance))}
    rng = np.random.default_rng([seed, 2])
    _draw_camera_and_light(table, rng)
    _draw_surroundings(table, rng)
    return table


def _draw_camera_and_light(table: Table, rng: np.random.Generator) -> None:
    count = len(table["scene"])
    table["ambient"], table["diffuse"] = rng.uniform(*AMBIENT, count), rng.uniform(*DIFFUSE, count)
    table["light_angle"] = rng.uniform(0, LIGHT_ANGLE, count)
    table["light_turn"] = rng.uniform(-30, 210, count)  # about the camera's axis; 90: from straight above
    table["yaw"], table["roll"] = rng.uniform(-YAW, YAW, count), rng.uniform(-ROLL, ROLL, count)
    table["elevation"] = rng.uniform(*ELEVATION, count)
    table["shift"] = rng.uniform(-1, 1, (count, 3)) * SHIFT


def _draw_surroundings(table: Table, rng: np.random.Generator) -> None:
    """Ground with texture, road markings and the car's shadow, before a skyline and a sky."""
    count = len(table["scene"])
    ground = _GROUND[rng.integers(0, len(_GROUND), count)]
    table["ground"] = (ground * rng.uniform(0.7, 1.2, (count, 1)) + rng.uniform(-0.05, 0.05, (count, 3))).clip(0, 1)
    table["ground_waves"] = rng.normal(0, 1.2, (count, _WAVES, 2))  # radians a metre
    table["ground_phases"] = rng.uniform(0, 2 * np.pi, (count, _WAVES))
    table["ground_contrast"] = rng.uniform(0, 0.05, count)
    table["marking"] = (rng.random(count) < 0.25) * rng.uniform(0.3, 0.8, count)  # 0: none, 1: pure white
    table["marking_turn"] = rng.uniform(0, np.pi, count)
    table["marking_place"] = rng.uniform(0, 1, count)
    table["shadow"] = rng.uniform(0.3, 0.7, count)  # 0: none, 1: black
    table["horizon"] = rng.uniform(7, 16, count)  # metres behind the car at which the ground ends
    grey, tint = rng.uniform(0.4, 0.9, (count, 1)), rng.uniform(-0.12, 0.12, (count, 3))
    table["sky"] = (grey + tint * [1, 0.4, 1]).clip(0, 1)
    grey, tint = rng.uniform(0.15, 0.7, (count, 1)), rng.uniform(-0.12, 0.12, (count, 3))
    table["skyline"] = (grey + tint).clip(0, 1)
    table["skyline_height"] = rng.uniform(0, 0.06, (count, 2))  # lower houses, and how much higher others; camera units
    table["skyline_waves"] = rng.uniform(40, 160, (count, 2))
    table["skyline_phases"] = rng.uniform(0, 2 * np.pi, (count, 2))


def light_of(table: Table) -> np.ndarray:
    """(N, 5) float32: ambient, diffuse, unit direction in which the light travels."""
    angle, turn = np.radians(table["light_angle"]), np.radians(table["light_turn"])
    direction = (np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle))
    return np.stack([table["ambient"], table["diffuse"], *direction], -1).astype(np.float32)


def view_of(table: Table) -> np.ndarray:
    """(N, 6) float32: rotations about x, y, z in radians, translations.

    A turntable turns by the yaw, then the camera looks down by the elevation and rolls: Rz(roll) Rx(elevation) Ry(yaw).
    The view's angles are those of the same rotation written as Rz Ry Rx; in training all lie within +-60 degrees.
    """
    yaw, elevation, roll = (np.radians(table[name]) for name in ("yaw", "elevation", "roll"))
    y = np.arcsin(np.cos(elevation) * np.sin(yaw))
    x = np.arctan2(np.sin(elevation), np.cos(elevation) * np.cos(yaw))
    z = roll + np.arctan2(np.sin(elevation) * np.sin(yaw), np.cos(yaw))
    return np.concatenate([np.stack([x, y, z], -1), table["shift"]], 1).astype(np.float32)


def labels_of(table: Table) -> Table:
    """All labels of the pictures, as `bench.api.DataSet` names them; "turn" is yaw, elevation and roll in degrees."""
    return {
        "body_type": table["body_type"].astype(np.int64),
        "instance": table["instance"].astype(np.int64),
        "shape": table["shape"].astype(np.float32),
        "albedo": table["albedo"].astype(np.float32),
        "light": light_of(table),
        "view": view_of(table),
        "turn": np.stack([table["yaw"], table["elevation"], table["roll"]], -1).astype(np.float32),
    }
