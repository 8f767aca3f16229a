"""The rough shape of an object that its learned depth starts from and is added to: knowledge put in by hand.

Its numbers were fitted to the depth and normals of validation people and cars (results/reference/lab.md).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import Domain

# A car as seen by a driver ahead of it, from somewhat above: row from the top (-1) to the bottom (1), and depth there,
# -1 .. 1 as a share of the depth range; the rear of the roof, its front, the windscreen's foot, the bonnet's edge, the
# bumper's foot.
CAR_PROFILE = ((-0.60, 0.12), (-0.44, -0.15), (0.06, -0.45), (0.28, -0.71), (0.56, -0.75))
CAR_HALF_WIDTH = ((-0.44, 0.21), (0.06, 0.38))  # by row: of the roof, of the body below the windscreen's foot
CAR_FLANK = 5.0  # depth per half image width: steep, yet a few pixels wide, or the flanks would have no place
GROUND = ((-1.0, 2.70), (1.0, -1.38))  # depth by row: a plane seen from above, cut off at
GROUND_RANGE = 0.9
CAR_SEEN_FROM = 0.4  # radians above the ground


def dome(size: int, domain: Domain) -> Tensor:
    """(H, W): negative towards the camera; 0 is the depth that views turn about."""
    return _car(size) if domain == "car" else _mannequin(size)


def _car(size: int) -> Tensor:
    """Front, bonnet, windscreen and roof, one above the other, and flanks that go back to the ground on both sides."""
    row = np.linspace(-1, 1, size)

    def by_row(curve: tuple[tuple[float, float], ...]) -> Tensor:
        rows, values = np.array(curve).T
        return torch.from_numpy(np.interp(row, rows, values)).float()[:, None]

    x = torch.linspace(-1, 1, size).expand(size, size)
    ground = by_row(GROUND).clamp(-GROUND_RANGE, GROUND_RANGE).expand(size, size)
    body = by_row(CAR_PROFILE) + CAR_FLANK * (x.abs() - by_row(CAR_HALF_WIDTH)).clamp(min=0)
    rows = torch.from_numpy((row > CAR_PROFILE[0][0]) & (row < CAR_PROFILE[-1][0]))[:, None]
    depth = torch.where(rows, torch.minimum(body, ground), ground)
    return torch.atanh(_blurred(depth, size // 64))


def _mannequin(size: int) -> Tensor:
    """An upright egg, the chin its narrow end, before a neck, shoulders, the hair about the skull, and what is seen
    beside the jaw, which lies behind all of them.
    """
    x = torch.linspace(-1, 1, size).expand(size, size)
    y = x.T
    ground, height, middle = torch.full_like(x, -0.23), 0.74, -0.19
    radius = (x / (0.61 * (1 - 0.13 * y))) ** 2 + ((y + 0.12) / 0.98) ** 2
    ground[y < -0.06] = -0.36
    ground[(y > 0.47) & (y < 0.93)] = 0.18
    ground[y >= 0.93] = -0.23
    ground[(y > 0.49) & (x.abs() < 0.29)] = -0.38
    body = middle - height * (1 - radius).clamp(min=0).sqrt()
    return _blurred(torch.where(radius < 1, torch.minimum(body, ground), ground), 3 * size // 64)


def _blurred(shape: Tensor, reach: int) -> Tensor:
    """(H, W) averaged over 2 `reach` + 1 pixels: the normals of rims change over a few pixels."""
    padded = F.pad(shape[None, None], [reach] * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * reach + 1, stride=1)[0, 0]


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
