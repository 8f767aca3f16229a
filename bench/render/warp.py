"""Seeing a canonical depth map and its image from another view.

Forwards: the depth map becomes a mesh of the pixel grid, is moved, and is depth-buffered into the new view. Backwards:
each pixel of the new view, at its depth, is moved back to find where in the canonical image its colour lies.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.camera import ROTATION_CENTRE, Camera, move, rotation
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
    faces = grid_faces(len(kept), depth.device)
    return rasterize(moved, faces, camera.size, camera.size, rasterizer, weights=False).depth


def canonical_grid(depth: Tensor, view: Tensor, camera: Camera) -> Tensor:
    """Where the pixels of a view lie in the canonical image: (B, H, W, 2), -1 .. 1 between the outermost pixel centres.

    `depth`: (B, H, W) in the view, finite.
    """
    x, y, z = moved_back(depth, view, camera)
    return _on_screen(x, y, z, camera)


def view_grid(depth: Tensor, view: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Where the view shows the pixels of the canonical `depth` (B, H, W): as `canonical_grid`, and depths (B, H, W)."""
    turn, centre = rotation(view[:, :3]), view.new_tensor([0.0, 0.0, ROTATION_CENTRE])
    x, y, z = _turned(depth, turn, centre + view[:, 3:] - turn @ centre, camera)
    return _on_screen(x, y, z, camera), z


def moved_back(depth: Tensor, view: Tensor, camera: Camera) -> Iterator[Tensor]:
    """x, y and z, each (B, H, W), in the canonical frame of the pixels of `depth` (B, H, W), seen under `view` (B, 6).

    The inverse of `bench.render.camera.move`.
    """
    turn, centre = rotation(view[:, :3]).transpose(1, 2), view.new_tensor([0.0, 0.0, ROTATION_CENTRE])
    shift = centre - (turn @ (centre + view[:, 3:])[..., None])[..., 0]
    return _turned(depth, turn, shift, camera)


def _turned(depth: Tensor, turn: Tensor, shift: Tensor, camera: Camera) -> Iterator[Tensor]:
    """x, y and z, each (B, H, W), of the pixels of depth maps (B, H, W) times `turn` (B, 3, 3) plus `shift` (B, 3).

    A plane for each coordinate and the rays turned before they are as long as the depth: on a CPU a third of the time
    of points (B, H W, 3) times matrices.
    """
    steps = (torch.arange(camera.size, device=depth.device, dtype=depth.dtype) - camera.centre) / camera.focal
    for row, offset in zip(turn.unbind(1), shift.unbind(1), strict=True):
        a, b, c = row[:, :, None, None].unbind(1)
        yield torch.addcmul(offset[:, None, None], depth, a * steps + (b * steps[:, None] + c))


def _on_screen(x: Tensor, y: Tensor, z: Tensor, camera: Camera) -> Tensor:
    """Camera coordinates, each (B, H, W) -> (B, H, W, 2), -1 .. 1 between the outermost pixel centres."""
    scale = camera.focal / camera.centre / z
    return torch.stack((x * scale, y * scale), -1)


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Read (B, C, H, W) bilinearly at (B, h, w, 2) positions -1 .. 1: (B, C, h, w), zero outside the image."""
    return F.grid_sample(image, grid, mode="bilinear", align_corners=True)
