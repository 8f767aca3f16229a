"""The pinhole camera and rigid views that the synthetic data and the physical model share.

The camera sits at the origin and looks along +z; x points right and y down, as image columns and rows do. Pixel
centres are the integers, so pixel (row i, column j) at depth z is the point ((j - c) z / f, (i - c) z / f, z). Views
turn objects about the point (0, 0, 1) (unsup3d, Wu et al. 2020, section 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ROTATION_CENTRE = 1.0  # depth of the point that views turn about


@dataclass(frozen=True)
class Camera:
    """Square images of `size` pixels; the outermost pixel centres span the field of view `fov` (degrees)."""

    size: int
    fov: float = 10.0

    @property
    def centre(self) -> float:
        """The principal point, in pixels, of rows and columns alike."""
        return (self.size - 1) / 2

    @property
    def focal(self) -> float:
        """The focal length in pixels."""
        return self.centre / math.tan(math.radians(self.fov) / 2)

    def matrix(self) -> Tensor:
        """(3, 3): the intrinsic matrix K, camera coordinates to homogeneous pixels."""
        f, c = self.focal, self.centre
        return torch.tensor([[f, 0, c], [0, f, c], [0, 0, 1]])

    def back_project(self, depth: Tensor) -> Tensor:
        """(..., H, W) depths at the pixel centres -> (..., H, W, 3) points in camera coordinates."""
        steps = (torch.arange(self.size, device=depth.device, dtype=depth.dtype) - self.centre) / self.focal
        return torch.stack((steps * depth, steps[:, None] * depth, depth), -1)

    def project(self, points: Tensor) -> Tensor:
        """(..., 3) camera coordinates -> (..., 3) screen space: column and row in pixels, and depth unchanged."""
        x, y, z = points.unbind(-1)
        return torch.stack((x / z * self.focal + self.centre, y / z * self.focal + self.centre, z), -1)


def rotation(angles: Tensor) -> Tensor:
    """(B, 3) rotations about x, y and z in radians -> (B, 3, 3) matrices R = Rz Ry Rx, for column vectors."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = (
        (cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz),
        (cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz),
        (-sy, sx * cy, cx * cy),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


def move(points: Tensor, view: Tensor) -> Tensor:
    """Points (B, N, 3) of the canonical frame, seen under `view` (B, 6): rotations in radians, then translations."""
    centre = points.new_tensor([0.0, 0.0, ROTATION_CENTRE])
    return (points - centre) @ rotation(view[:, :3]).transpose(1, 2) + (centre + view[:, None, 3:])
