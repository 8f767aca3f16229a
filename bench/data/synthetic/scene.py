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

from bench.render.camera import ROTATION_CENTRE, Camera, rotation
from bench.render.raster import Fragments, rasterize


@dataclass(frozen=True)
class Surface:
    """The P sub-pixels of a batch that see the mesh: where on it they look."""

    image: Tensor  # (P,) int64: item of the batch
    face: Tensor  # (P,) int64: row of `faces`
    corners: Tensor  # (3, P) int64: rows of the vertices
    barycentric: Tensor  # (3, P) perspective-correct weights of the corners
    depth: Tensor  # (P,)

    def interpolate(self, values: Tensor) -> Tensor:
        """Vertex values (C, V), shared by the batch, or (C, B, V), seen at the sub-pixels: (C, P)."""
        rows = self.corners + self.image * values.shape[2] if values.dim() == 3 else self.corners
        flat = values.reshape(len(values), -1)
        a, b, c = (flat.index_select(1, row) * weight for row, weight in zip(rows, self.barycentric, strict=True))
        return a + b + c


Paint = Callable[[Surface], tuple[Tensor, Tensor]]
"""Procedural texture: sub-pixels -> albedo (3, P) in [0, 1] and mask class (P,) uint8 > 0."""


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
    closed: Tensor | None = None,
) -> dict[str, np.ndarray]:
    """Draw a batch of B meshes with the same faces.

    `vertices`: (B, V, 3) float32 in camera space; smooth shading where faces share vertices. `faces`: (F, 3) int64,
    seen from both sides. `colours`: albedo per vertex, (B, V, 3) in [0, 1], with `parts` (F,) uint8 the mask class > 0
    of each face; or a `Paint`, which decides both (`parts` is then not used). `light`: (B, 5) ambient, diffuse, unit
    direction x, y, z. `background`: (B, H, W, 3) in [0, 1]. `noise`: (B, H, W, 3) is added at last, or None. `closed`:
    (F,) bool, the faces of closed bodies, wound so that their normals point outwards: those turned away are
    hidden by the others, and are left out to save time.

    Returns arrays by name: "images" (B, H, W, 3) uint8; "foreground" (B, H, W) bool: at least half the sub-pixels see
    the mesh. Where it is true: "mask" uint8, the class most sub-pixels see; "depth" float32; "normals" (B, H, W, 3),
    "albedo" (B, H, W, 3) and "shading" float16; all 0 elsewhere. Anti-aliasing takes the mean of supersample^2
    sub-pixels: shading is their mean, albedo the mean that albedo * shading needs to equal the colour; depth and
    normals leave out those of surfaces further behind.
    """
    screen = project(vertices, image_size, supersample)
    normals, turned = mesh_normals(vertices, faces)
    drawn = None if closed is None else ~closed | (turned < 0)
    fragments = rasterize(screen, faces, image_size * supersample, image_size * supersample, drawn=drawn)
    surface = visible_surface(fragments, faces)
    if isinstance(colours, Tensor):
        albedo, part = surface.interpolate(colours.permute(2, 0, 1)), parts[surface.face]
    else:
        albedo, part = colours(surface)
    normals = surface_normals(normals, turned, surface)
    towards = light.T[2:].index_select(1, surface.image)
    falling = (normals * towards).sum(0).clamp(min=0)
    ambient, diffuse = light.T[:2].index_select(1, surface.image)
    shading = (ambient + diffuse * falling)[None]
    seen = torch.cat((albedo * shading, albedo, shading, normals, part[None], surface.depth[None]))
    maps = _resolve(*_sub_pixels(seen, fragments.covered, supersample), image_size)

    coverage = maps.pop("coverage")
    image = coverage * (maps["albedo"] * maps["shading"]).clamp(0, 1) + (1 - coverage) * background.permute(3, 0, 1, 2)
    foreground = coverage >= 0.5
    maps = {name: torch.where(foreground, value, 0) for name, value in maps.items()}
    image = image.permute(1, 2, 3, 0) if noise is None else image.permute(1, 2, 3, 0) + noise
    kept = {
        "images": (image.clamp(0, 1) * 255).round().to(torch.uint8),
        "foreground": foreground,
        "mask": maps["mask"][0].to(torch.uint8),
        "depth": maps["depth"][0],
        "normals": maps["normals"].permute(1, 2, 3, 0).half(),
        "albedo": maps["albedo"].permute(1, 2, 3, 0).half(),
        "shading": maps["shading"][0].half(),
    }
    return {name: value.cpu().numpy() for name, value in kept.items()}


def _sub_pixels(seen: Tensor, covered: Tensor, supersample: int) -> tuple[Tensor, Tensor]:
    """What the P covered sub-pixels see, (C, P) -> (C, S^2, B, H, W), 0 where they see nothing; (S^2, B, H, W) bool."""
    batch, height, width = covered.shape
    s = supersample
    numbers = torch.arange(covered.numel(), device=covered.device).reshape(s, s, batch, height // s, width // s)
    numbers = numbers.permute(2, 3, 0, 4, 1).reshape(batch, height, width)[covered]  # where each sub-pixel goes
    out = seen.new_zeros(len(seen), covered.numel()).index_copy_(1, numbers, seen)
    found = torch.zeros(covered.numel(), dtype=torch.bool, device=covered.device).index_fill_(0, numbers, True)
    shape = (s * s, batch, height // s, width // s)
    return out.reshape(-1, *shape), found.reshape(shape)


def _resolve(seen: Tensor, covered: Tensor, image_size: int) -> dict[str, Tensor]:
    """Sub-pixels as `_sub_pixels` returns them -> maps (1 or 3, B, H, W) and "coverage" (B, H, W)."""
    count = covered.sum(0).clamp(min=1)
    means = seen[:7].sum(1) / count
    colour, plain, shading = means.split((3, 3, 1))
    part, depth = seen[10], torch.where(covered, seen[11], torch.inf)
    sub_pixel = 1 / (Camera(image_size).focal * len(covered) ** 0.5)  # its width at depth 1
    front = covered & (depth < depth.amin(0) + 3 * sub_pixel)
    in_front = (seen[7:] * front).sum(1) / front.sum(0).clamp(min=1)
    votes = torch.stack([(part == other).sum(0) for other in part])
    best, winner = torch.full_like(depth[0], -torch.inf), torch.zeros_like(part[0])
    for number, score in zip(part, torch.where(covered, votes - 0.1 * depth, -torch.inf), strict=True):
        better = score > best  # of equals, the nearest
        best, winner = torch.where(better, score, best), torch.where(better, number, winner)
    return {
        "coverage": covered.float().mean(0),
        "albedo": torch.where(shading > 1e-3, colour / shading.clamp(min=1e-3), plain),
        "shading": shading,
        "normals": _unit(in_front[:3]),
        "depth": in_front[4:],
        "mask": winner[None],
    }


def visible_surface(fragments: Fragments, faces: Tensor) -> Surface:
    """The covered (sub-)pixels of all images, image by image and row by row."""
    covered = fragments.covered.flatten().nonzero().squeeze(1)
    face = fragments.face.flatten().index_select(0, covered)
    image = covered // fragments.face[0].numel()
    weights = fragments.barycentric.reshape(-1, 3).index_select(0, covered).T.contiguous()
    depth = fragments.depth.flatten().index_select(0, covered)
    return Surface(image, face, faces.T.index_select(1, face), weights, depth)


def mesh_normals(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals of the vertices (3, B, V), smooth where faces share them, on the side the winding says; and of each
    face (B, F), 1 if that side turns away from the camera, -1 if it faces it."""
    points = vertices.permute(2, 0, 1).contiguous()  # (3, B, V)
    a, b, c = (points.index_select(2, corner) for corner in faces.T)
    along, across = b - a, c - a
    face_normals = torch.linalg.cross(along, across, dim=0)
    turned = (face_normals * a).sum(0).sign()
    smooth = torch.zeros_like(points)
    for corner in faces.T:
        smooth.index_add_(2, corner, face_normals)
    return _unit(smooth), turned


def surface_normals(normals: Tensor, turned: Tensor, surface: Surface) -> Tensor:
    """(3, P) unit normals, on the side of each face that turns away from the camera. Arguments: `mesh_normals`'."""
    side = turned.flatten().index_select(0, surface.image * turned.shape[1] + surface.face)
    return _unit(surface.interpolate(normals)) * side


def _unit(vectors: Tensor) -> Tensor:
    """(3, ...) at length 1, or 0 where they have none."""
    x, y, z = vectors
    return vectors / (x * x + y * y + z * z).sqrt().clamp(min=1e-12)
