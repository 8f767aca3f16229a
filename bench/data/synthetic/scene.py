"""One picture of a coloured mesh with every per-pixel truth, in the image model the physical methods assume.

Camera at the origin, x to the right, y down, z away (`bench.render.camera`); objects about (0, 0, 1). A pixel is
albedo * (ambient + diffuse * max(0, n.l)), without gamma: n is the unit surface normal that points AWAY from the
camera, (-dz/dx, -dz/dy, 1) for a depth map z, and l the unit direction in which the light TRAVELS; both signs together
give the usual product (unsup3d, Wu et al. 2020, section 3.1). No cast shadows, no highlights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.camera import ROTATION_CENTRE, Camera, rotation
from bench.render.raster import Fragments, rasterize


@dataclass(frozen=True)
class Surface:
    """The P sub-pixels of a batch that see the mesh: where on it they look."""

    image: Tensor  # (P,) int64: item of the batch
    face: Tensor  # (P,) int64: row of `faces`
    corners: Tensor  # (P, 3) int64: rows of the vertices
    barycentric: Tensor  # (P, 3) perspective-correct weights of the corners
    depth: Tensor  # (P,)

    def interpolate(self, values: Tensor) -> Tensor:
        """Vertex values (V, C), shared by the batch, or (B, V, C), seen at the sub-pixels: (P, C)."""
        flat = values.reshape(-1, values.shape[-1])
        start = self.image * values.shape[1] if values.dim() == 3 else torch.zeros_like(self.image)
        a, b, c = (flat[start + self.corners[:, k]] * self.barycentric[:, k, None] for k in range(3))
        return a + b + c


Paint = Callable[[Surface], tuple[Tensor, Tensor]]
"""Procedural texture: sub-pixels -> albedo (P, 3) in [0, 1] and mask class (P,) uint8 > 0."""


def place(vertices: Tensor, view: Tensor) -> Tensor:
    """Object coordinates (B, V, 3) about the origin -> camera space, by `view` (B, 6): rotations, then translations."""
    centre = view.new_tensor([0.0, 0.0, ROTATION_CENTRE])
    return vertices @ rotation(view[:, :3]).transpose(1, 2) + (view[:, 3:] + centre)[:, None]


def project(vertices: Tensor, size: int, supersample: int = 1) -> Tensor:
    """Camera space (B, V, 3) -> screen space: x, y in (sub-)pixels, centres at the integers; depth kept."""
    screen = Camera(size).project(vertices)
    return torch.cat(((screen[..., :2] + 0.5) * supersample - 0.5, screen[..., 2:]), -1)


def render(
    vertices: Tensor,
    faces: Tensor,
    colours: Tensor | Paint,
    parts: Tensor,
    light: Tensor,
    background: Tensor,
    image_size: int,
    supersample: int = 2,
    noise: Tensor | None = None,
) -> dict[str, np.ndarray]:
    """Draw a batch of B meshes with the same faces.

    `vertices`: (B, V, 3) float32 in camera space; smooth shading where faces share vertices. `faces`: (F, 3) int64,
    seen from both sides. `colours`: albedo per vertex, (B, V, 3) in [0, 1], with `parts` (F,) uint8 the mask class > 0
    of each face; or a `Paint`, which decides both (`parts` is then not used). `light`: (B, 5) ambient, diffuse, unit
    direction x, y, z. `background`: (B, H, W, 3) in [0, 1]. `noise`: (B, H, W, 3) is added at last, or None.

    Returns arrays by name: "images" (B, H, W, 3) uint8; "foreground" (B, H, W) bool: at least half the sub-pixels see
    the mesh. Where it is true: "mask" uint8, the class most sub-pixels see; "depth" float32; "normals" (B, H, W, 3),
    "albedo" (B, H, W, 3) and "shading" float16; all 0 elsewhere. Anti-aliasing takes the mean of supersample^2
    sub-pixels: shading is their mean, albedo the mean that albedo * shading needs to equal the colour; depth and
    normals leave out those of surfaces further behind.
    """
    screen = project(vertices, image_size, supersample)
    fragments = rasterize(screen, faces, image_size * supersample, image_size * supersample)
    surface = visible_surface(fragments, faces)
    if isinstance(colours, Tensor):
        albedo, part = surface.interpolate(colours), parts[surface.face]
    else:
        albedo, part = colours(surface)
    normals = surface_normals(vertices, faces, surface)
    falling = (normals * light[surface.image, 2:]).sum(1).clamp(min=0)
    shading = (light[surface.image, 0] + light[surface.image, 1] * falling)[:, None]
    seen = torch.cat((albedo * shading, albedo, shading, normals, part[:, None], surface.depth[:, None]), 1)
    maps = _resolve(_sub_pixels(seen, fragments.covered, supersample), image_size)

    coverage = maps.pop("coverage")[..., None]
    image = coverage * (maps["albedo"] * maps["shading"]).clamp(0, 1) + (1 - coverage) * background
    image = image if noise is None else image + noise
    foreground = coverage >= 0.5
    maps = {name: torch.where(foreground, value, 0) for name, value in maps.items()}
    kept = {
        "images": (image.clamp(0, 1) * 255).round().to(torch.uint8),
        "foreground": foreground[..., 0],
        "mask": maps["mask"][..., 0].to(torch.uint8),
        "depth": maps["depth"][..., 0],
        "normals": maps["normals"].half(),
        "albedo": maps["albedo"].half(),
        "shading": maps["shading"][..., 0].half(),
    }
    return {name: value.cpu().numpy() for name, value in kept.items()}


def _sub_pixels(seen: Tensor, covered: Tensor, supersample: int) -> Tensor:
    """What the P covered sub-pixels see, (P, C) -> (S^2, B, H, W, C), infinite where a sub-pixel sees nothing."""
    batch, height, width = covered.shape
    s = supersample
    numbers = torch.arange(covered.numel(), device=covered.device).reshape(s, s, batch, height // s, width // s)
    numbers = numbers.permute(2, 3, 0, 4, 1).reshape(batch, height, width)  # where each sub-pixel goes
    out = seen.new_full((covered.numel(), seen.shape[1]), torch.inf)
    out[numbers[covered]] = seen
    return out.reshape(s * s, batch, height // s, width // s, -1)


def _resolve(seen: Tensor, image_size: int) -> dict[str, Tensor]:
    """Sub-pixels (S^2, B, H, W, C) -> maps (B, H, W, 1 or 3) and "coverage" (B, H, W)."""
    covered = seen[..., -1:].isfinite()
    count = covered.sum(0).clamp(min=1)
    means = torch.where(covered, seen[..., :7], 0).sum(0) / count
    colour, plain, shading = means.split((3, 3, 1), -1)
    depth = seen[..., -1:]
    sub_pixel = 1 / (Camera(image_size).focal * len(seen) ** 0.5)  # its width at depth 1
    front = covered & (depth < depth.amin(0) + 3 * sub_pixel)
    in_front = torch.where(front, seen[..., 7:], 0).sum(0) / front.sum(0).clamp(min=1)
    part = seen[..., 10:11]
    votes = sum((part == other).float() for other in part)
    best = torch.where(covered, votes - 0.1 * depth, -torch.inf).argmax(0, keepdim=True)  # of equals, the nearest
    return {
        "coverage": covered.float().mean(0)[..., 0],
        "albedo": torch.where(shading > 1e-3, colour / shading.clamp(min=1e-3), plain),
        "shading": shading,
        "normals": F.normalize(in_front[..., :3], dim=-1),
        "depth": in_front[..., 4:],
        "mask": part.gather(0, best)[0],
    }


def visible_surface(fragments: Fragments, faces: Tensor) -> Surface:
    """The covered (sub-)pixels of all images, image by image and row by row."""
    covered = fragments.covered.flatten().nonzero().squeeze(1)
    face = fragments.face.flatten()[covered]
    image = covered // fragments.face[0].numel()
    weights = fragments.barycentric.reshape(-1, 3)[covered]
    return Surface(image, face, faces[face], weights, fragments.depth.flatten()[covered])


def surface_normals(vertices: Tensor, faces: Tensor, surface: Surface) -> Tensor:
    """(P, 3) unit normals, smooth over shared vertices, on the side of each face that turns away from the camera."""
    corner = vertices[:, faces]  # (B, F, 3, 3)
    face_normals = torch.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0], dim=-1)
    turned = (face_normals * corner[:, :, 0]).sum(-1).sign()  # +1: already points away from the camera
    smooth = torch.zeros_like(vertices)
    for k in range(3):
        smooth.index_add_(1, faces[:, k], face_normals)
    normals = F.normalize(surface.interpolate(F.normalize(smooth, dim=-1)), dim=-1)
    return normals * turned[surface.image, surface.face][:, None]
