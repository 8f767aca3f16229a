"""The rough shape of an object that its learned depth starts from and is added to: knowledge put in by hand.

Its numbers were fitted to the depth and normals of validation people and cars (results/reference/lab.md).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import Domain

# A car as seen by a driver ahead of it, from somewhat above: row from the top (-1) to the bottom (1), and depth there,
# -1 .. 1 as a share of the depth range; the rear of the roof, its front, the windscreen's foot, the bonnet's edge, the
# bumper's foot.
CAR_PROFILE = ((-0.62, 0.42), (-0.24, -0.34), (0.08, -0.48), (0.30, -0.76), (0.85, -0.77))
CAR_HALF_WIDTH = ((-0.24, 0.32), (0.08, 0.41))  # by row: of the roof, of the body below the windscreen's foot
CAR_FLANK = (
    5.0  # depth per half image width: steep, yet a few pixels wide, or the flanks would have no place to be seen
)
CAR_UNDER, CAR_AROUND = -0.2, 0.9  # depth below the bumper, and of all else


def dome(size: int, domain: Domain) -> Tensor:
    """(H, W): negative towards the camera; 0 is the depth that views turn about."""
    return _car(size) if domain == "car" else _mannequin(size)


def _car(size: int) -> Tensor:
    """Front, bonnet, windscreen and roof, one above the other, and flanks that go back on both sides."""
    row = np.linspace(-1, 1, size)

    def by_row(curve: tuple[tuple[float, float], ...]) -> Tensor:
        rows, values = np.array(curve).T
        return torch.from_numpy(np.interp(row, rows, values)).float()[:, None]

    profile, half = by_row(CAR_PROFILE), by_row(CAR_HALF_WIDTH)
    x = torch.linspace(-1, 1, size).expand(size, size)
    depth = (profile + CAR_FLANK * (x.abs() - half).clamp(min=0)).clamp(max=CAR_AROUND)
    depth[row < CAR_PROFILE[0][0]] = CAR_AROUND
    depth[row > CAR_PROFILE[-1][0]] = CAR_UNDER
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
