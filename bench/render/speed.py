"""Our rasterizer beside PyTorch3D's: the same meshes, the same process, forward and backward.

The meshes are those of the physical model: pixel grids of random canonical depth, smooth or rough, under random views.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.camera import Camera, move
from bench.render.raster import Fragments, Rasterizer, rasterize
from bench.render.warp import grid_faces

RELIEF = {
    "smooth": 6,
    "rough": 64,
}  # control points along each side of the random depth: 64 is white noise at 64 pixels
DEPTH_TOLERANCE = 1e-5


def random_meshes(batch: int, size: int, relief: int, seed: int = 0, degrees: float = 60) -> tuple[Tensor, Tensor]:
    """Screen-space vertices (B, size^2, 3) and faces of depth maps in [0.9, 1.1] under views to +-`degrees`."""
    generator = torch.Generator().manual_seed(seed)
    knots = torch.randn(batch, 1, min(relief, size), min(relief, size), generator=generator)
    depth = 1 + 0.1 * F.interpolate(knots, (size, size), mode="bicubic", align_corners=True)[:, 0].tanh()
    angles = (torch.rand(batch, 3, generator=generator) * 2 - 1) * math.radians(degrees)
    shifts = (torch.rand(batch, 3, generator=generator) * 2 - 1) * torch.tensor([0.02, 0.02, 0.0])
    camera = Camera(size)
    points = move(camera.back_project(depth).flatten(1, 2), torch.cat((angles, shifts), 1))
    return camera.project(points), grid_faces(size)


def compare(batch: int = 32, size: int = 64, repeats: int = 5, device: str = "cpu") -> dict[str, dict[str, float]]:
    """Run both on smooth and on rough meshes. Raises `Unavailable` without PyTorch3D.

    For each kind: "candidates_seconds" and "pytorch3d_seconds" (forward plus backward; ours the median of `repeats`),
    "speedup"; "covered" pixels, "coverage_differs" pixels; "depth_agrees", the share of covered pixels within 1e-5; and
    "gradient_error", the largest difference of vertex gradients over the largest gradient.
    """
    results = {}
    for kind, relief in RELIEF.items():
        screen, faces = random_meshes(batch, size, relief)
        screen, faces = screen.to(device).requires_grad_(), faces.to(device)
        weight = torch.randn(batch, size, size, generator=torch.Generator().manual_seed(1)).to(device)
        _run(screen[:1], faces, weight[:1], "candidates")
        _run(screen[:1], faces, weight[:1], "pytorch3d")
        ours = sorted((_run(screen, faces, weight, "candidates") for _ in range(repeats)), key=lambda run: run[2])
        own, own_gradient, seconds = ours[repeats // 2]
        theirs, gradient, their_seconds = _run(screen, faces, weight, "pytorch3d")
        both = own.covered & theirs.covered
        close = (own.depth[both] - theirs.depth[both]).abs() <= DEPTH_TOLERANCE
        results[kind] = {
            "candidates_seconds": seconds,
            "pytorch3d_seconds": their_seconds,
            "speedup": their_seconds / seconds,
            "covered": int(theirs.covered.sum()),
            "coverage_differs": int((own.covered != theirs.covered).sum()),
            "depth_agrees": close.float().mean().item(),
            "gradient_error": ((own_gradient - gradient).abs().max() / gradient.abs().max()).item(),
        }
    return results


def _run(screen: Tensor, faces: Tensor, weight: Tensor, rasterizer: Rasterizer) -> tuple[Fragments, Tensor, float]:
    """Fragments, gradient of a random weighing of the depths by the vertices, and the seconds both took."""
    size, synchronise = weight.shape[-1], torch.cuda.synchronize if screen.is_cuda else (lambda: None)
    synchronise()
    start = time.perf_counter()
    fragments = rasterize(screen, faces, size, size, rasterizer)
    seen = fragments.covered
    (gradient,) = torch.autograd.grad((fragments.depth[seen] * weight[seen]).sum(), screen)
    synchronise()
    return fragments, gradient, time.perf_counter() - start


def report(batch: int = 32, size: int = 64, device: str = "cpu") -> Iterator[str]:
    """The comparison, line by line."""
    threads = torch.get_num_threads()
    yield f"{batch} meshes of {2 * (size - 1) ** 2} triangles at {size} x {size}, {device}, {threads} threads"
    yield "forward + backward      ours   PyTorch3D   speed-up   coverage differs   depth within 1e-5   gradient error"
    for kind, r in compare(batch, size, device=device).items():
        yield (
            f"{kind:<18}{r['candidates_seconds']:>8.3f} s{r['pytorch3d_seconds']:>10.2f} s{r['speedup']:>9.0f} x"
            f"{r['coverage_differs']:>13} px{r['depth_agrees']:>19.4%}{r['gradient_error']:>17.1e}"
        )
