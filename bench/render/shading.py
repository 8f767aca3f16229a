"""Surface normals of a depth map, and Lambertian shading (unsup3d, Wu et al. 2020, section 3.1, equation 2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.camera import Camera


def normals(depth: Tensor, camera: Camera) -> Tensor:
    """(B, H, W) depths -> (B, H, W, 3) unit normals; those of the outermost pixels are (0, 0, 1).

    The cross product of central differences of the back-projected grid. A plane that faces the camera has (0, 0, 1):
    normals point away from the camera, and the light direction is the one in which light travels.
    """
    steps = (torch.arange(camera.size, device=depth.device, dtype=depth.dtype) - camera.centre) / camera.focal
    down = steps[:, None]
    left, right = depth[:, 1:-1, :-2], depth[:, 1:-1, 2:]
    above, below = depth[:, :-2, 1:-1], depth[:, 2:, 1:-1]
    # the points are (column step, row step, 1) * depth: their differences along a row and down a column, by coordinate
    across_z, down_z = right - left, below - above
    across_x, down_y = steps[2:] * right - steps[:-2] * left, down[2:] * below - down[:-2] * above
    across_y, down_x = down[1:-1] * across_z, steps[1:-1] * down_z
    x = across_y * down_z - across_z * down_y
    y = across_z * down_x - across_x * down_z
    z = across_x * down_y - across_y * down_x
    scale = 1 / ((x * x + y * y + z * z).clamp(min=1e-24).sqrt() + 1e-7)  # clamped: sqrt has no slope at 0
    rim = (1, 1, 1, 1)
    return torch.stack((F.pad(x * scale, rim), F.pad(y * scale, rim), F.pad(z * scale, rim, value=1.0)), -1)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """(..., 3) x (..., 3) -> (..., 3): `torch.linalg.cross`, which takes several times as long on a CPU."""
    (ax, ay, az), (bx, by, bz) = a.unbind(-1), b.unbind(-1)
    return torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), -1)


def light_direction(slope: Tensor) -> Tensor:
    """(B, 2) slopes dx, dy -> (B, 3) unit directions (dx, dy, 1) / norm."""
    return F.normalize(torch.cat((slope, torch.ones_like(slope[:, :1])), 1), dim=1)


def shade(normal: Tensor, light: Tensor) -> Tensor:
    """Shading ambient + diffuse * max(0, n.l) at every pixel: (B, H, W).

    `normal`: (B, H, W, 3) unit; `light`: (B, 5) ambient, diffuse, unit direction x, y, z.
    """
    ambient, diffuse, direction = light[:, :1, None], light[:, 1:2, None], light[:, 2:]
    return ambient + diffuse * torch.einsum("bhwc,bc->bhw", normal, direction).clamp(min=0)
