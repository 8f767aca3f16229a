"""The rough shape of an object that its learned depth starts from and is added to: the mean head, or the mean car.

Both are tables of depths that were fitted to the true depth and normals of *training* people and cars
(`results/reference/fit_dome.py`), so they know what the benchmark's average-depth predictor knows, in the canonical
frame, not the image's. They are the same for every image: nothing in them tells one object from another.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import Domain

# Left halves, from the rim of the image to its middle, rows from top to bottom; negative towards the camera.
HEAD = """
-0.34 -0.34 -0.34 -0.35 -0.42 -0.49 -0.57 -0.62 -0.64
-0.34 -0.34 -0.33 -0.37 -0.49 -0.60 -0.68 -0.75 -0.78
-0.34 -0.34 -0.32 -0.44 -0.58 -0.69 -0.78 -0.85 -0.87
-0.34 -0.34 -0.38 -0.53 -0.63 -0.74 -0.86 -0.93 -0.95
-0.33 -0.34 -0.44 -0.57 -0.65 -0.82 -0.94 -1.01 -1.04
-0.31 -0.30 -0.45 -0.55 -0.67 -0.85 -0.98 -1.05 -1.08
-0.28 -0.26 -0.43 -0.52 -0.70 -0.91 -1.05 -1.12 -1.14
-0.27 -0.27 -0.40 -0.49 -0.71 -0.89 -1.02 -1.10 -1.18
-0.26 -0.29 -0.37 -0.45 -0.70 -0.87 -0.97 -1.04 -1.20
-0.23 -0.25 -0.33 -0.39 -0.66 -0.90 -1.01 -1.09 -1.30
-0.21 -0.18 -0.31 -0.25 -0.53 -0.78 -0.94 -1.14 -1.43
-0.22 -0.19 -0.35 -0.13 -0.33 -0.66 -0.84 -1.02 -1.11
-0.24 -0.24 -0.32 -0.14  0.04 -0.46 -0.77 -0.93 -1.00
-0.25 -0.24 -0.30 -0.11  0.11 -0.02 -0.56 -0.75 -0.84
-0.26 -0.25 -0.29 -0.10  0.09  0.06 -0.37 -0.53 -0.60
-0.26 -0.26 -0.26 -0.14  0.09 -0.08 -0.38 -0.48 -0.51
-0.26 -0.25 -0.27 -0.10 -0.19 -0.34 -0.42 -0.50 -0.53
"""
CAR = """
 0.48  0.49  0.50  0.52  0.54  0.57  0.59  0.61  0.62
 0.48  0.48  0.50  0.52  0.54  0.57  0.59  0.61  0.62
 0.46  0.47  0.48  0.50  0.54  0.57  0.60  0.65  0.66
 0.44  0.45  0.46  0.49  0.52  0.59  0.50  0.50  0.50
 0.42  0.41  0.41  0.41  0.44  0.63  0.34  0.28  0.27
 0.39  0.37  0.36  0.46  0.51  0.64  0.16  0.06  0.05
 0.38  0.35  0.44  0.43  0.69  0.41 -0.13 -0.21 -0.22
 0.36  0.34  0.39  0.43  0.86  0.12 -0.26 -0.31 -0.32
 0.28  0.27  0.34  0.41  0.95 -0.13 -0.34 -0.37 -0.38
 0.15  0.14  0.20  0.27  0.64 -0.34 -0.50 -0.52 -0.53
-0.03 -0.05 -0.04  0.00  0.26 -0.57 -0.72 -0.74 -0.75
-0.19 -0.21 -0.25 -0.23 -0.02 -0.67 -0.81 -0.86 -0.88
-0.32 -0.35 -0.42 -0.42 -0.18 -0.67 -0.81 -0.85 -0.86
-0.40 -0.43 -0.48 -0.48 -0.41 -0.62 -0.77 -0.81 -0.83
-0.45 -0.46 -0.49 -0.51 -0.53 -0.59 -0.71 -0.77 -0.80
-0.47 -0.48 -0.50 -0.52 -0.56 -0.63 -0.70 -0.75 -0.77
-0.48 -0.49 -0.50 -0.53 -0.57 -0.62 -0.69 -0.73 -0.75
"""
CAR_SEEN_FROM = 0.4  # radians above the ground
CAR_STANDS = 0.75  # share of the picture above the ground that the mean car stands on
CAR_RISES, CAR_RIM = 0.2, 2 / 64  # above the ground beside it; and share of the picture, for cars larger than the mean


def dome(size: int, domain: Domain) -> Tensor:
    """(H, W) before it is squashed into the depth range: negative towards the camera, 0 where views turn about."""
    return drawn(half(CAR if domain == "car" else HEAD), size)


def car_outline(size: int) -> Tensor:
    """(H, W) bool: where the canonical image shows the car; elsewhere the ground and what stands on it."""
    relief = dome(size, "car")
    car = relief < relief[:, :1] - CAR_RISES
    car[round(CAR_STANDS * size) :] = False
    rim = round(CAR_RIM * size)
    return F.max_pool2d(car[None].float(), 2 * rim + 1, 1, rim)[0] > 0


def half(table: str) -> Tensor:
    """The left half of a dome (rows, columns), from its table."""
    return torch.tensor([[float(number) for number in row.split()] for row in table.strip().splitlines()])


def drawn(left: Tensor, size: int) -> Tensor:
    """(rows, columns) the left half of a symmetric shape, its last column the middle -> (H, W), bicubic."""
    whole = torch.cat((left, left.flip(1)[:, 1:]), 1)[None, None]
    return F.interpolate(whole, (size, size), mode="bicubic", align_corners=True)[0, 0]


def turned_on_the_ground(view: Tensor) -> Tensor:
    """(B, 6) views of a car -> the same views, as `bench.render.camera.rotation` takes them.

    Given are how much further from above than `CAR_SEEN_FROM` the car is seen, its turn about its own upright axis, and
    a roll. Else a turned car, at first a broad spot that is tilted, is taken for one that rolls, and the wrong way.
    """
    above, turn = view[:, 0] + CAR_SEEN_FROM, view[:, 1]
    (sin_a, sin_t), (cos_a, cos_t) = (above.sin(), turn.sin()), (above.cos(), turn.cos())
    c, s = math.cos(CAR_SEEN_FROM), math.sin(CAR_SEEN_FROM)
    # the last row and first column of Rx(above) Ry(turn) Rx(-CAR_SEEN_FROM), whose angles about z, y and x these are
    pitch = torch.atan2(sin_a * c - cos_a * cos_t * s, sin_a * s + cos_a * cos_t * c)
    yaw = torch.asin(cos_a * sin_t)
    roll = torch.atan2(sin_a * sin_t, cos_t)
    return torch.cat((torch.stack((pitch, yaw, roll + view[:, 2]), 1), view[:, 3:]), 1)
