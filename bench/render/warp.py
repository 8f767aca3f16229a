"""Seeing a canonical depth map and its image from another view.

Forwards: the depth map becomes a mesh of the pixel grid, is moved, and is depth-buffered into the new view. Backwards:
each pixel of the new view, at its depth, is moved back to find where in the canonical image its colour lies.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.camera import Camera, move, move_back
from bench.render.raster import Rasterizer, rasterize


def grid_faces(size: int, device: torch.device | None = None) -> Tensor:
    """(2 (size-1)^2, 3) int64: two triangles a quad of a size x size grid, vertices numbered row by row."""
    index = torch.arange(size * size, device=device).reshape(size, size)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return torch.stack((torch.stack((a, c, b), -1), torch.stack((b, c, d), -1))).reshape(-1, 3)


def warp_depth(depth: Tensor, view: Tensor, camera: Camera, rasterizer: Rasterizer = "auto", stride: int = 1) -> Tensor:
    """The depth map (B, H, W) as it appears under `view` (B, 6): (B, H, W), infinite where nothing is seen.

    The mesh has a vertex at every `stride`-th pixel and along the far edges: 2 is four times as coarse, and enough for
    depth that is smooth over two pixels.
    """
    kept = torch.arange(camera.size - 1 + stride, device=depth.device)[::stride].clamp(max=camera.size - 1)
    points = camera.back_project(depth).index_select(1, kept).index_select(2, kept)
    moved = camera.project(move(points.flatten(1, 2), view))
    return rasterize(moved, grid_faces(len(kept), depth.device), camera.size, camera.size, rasterizer).depth


def canonical_grid(depth: Tensor, view: Tensor, camera: Camera) -> Tensor:
    """Where the pixels of a view lie in the canonical image: (B, H, W, 2), -1 .. 1 between the outermost pixel centres.

    `depth`: (B, H, W) in the view, finite.
    """
    points = move_back(camera.back_project(depth).flatten(1, 2), view)
    columns_rows = camera.project(points)[..., :2].reshape(*depth.shape, 2)
    return columns_rows / camera.centre - 1


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Read (B, C, H, W) bilinearly at (B, h, w, 2) positions -1 .. 1: (B, C, h, w), zero outside the image."""
    return F.grid_sample(image, grid, mode="bilinear", align_corners=True)
