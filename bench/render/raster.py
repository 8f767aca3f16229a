"""Which triangle of a mesh does each pixel see, where on it, and how far away?

Two rasterizers behind one function. `candidates` is plain torch: every face lists the pixel centres near it, row by
row, each pair is tested once, and the nearest face wins a scatter-reduction. `pytorch3d` is that package's rasterizer,
naive on the CPU and written for the GPU. Both give the same coverage, depths and gradients.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.api import BadInput, Unavailable

Rasterizer = Literal["auto", "candidates", "pytorch3d"]

CHUNK = {"cpu": 1 << 16, "cuda": 1 << 23}  # (face, row) pairs at a time: what fits the cache, or the device's memory
SLACK = 1e-3  # pixels by which a row's span is widened before the exact test: far above rounding
SLIVER = 1e-6  # square pixels: thinner faces are not drawn, whose barycentric weights would be rounding errors


@dataclass(frozen=True)
class Fragments:
    """What every pixel sees. Background has face -1, barycentric 0 and infinite depth."""

    face: Tensor  # (B, H, W) int64: row of `faces`
    barycentric: Tensor  # (B, H, W, 3) perspective-correct weights of the face's three corners, differentiable
    depth: Tensor  # (B, H, W) differentiable

    @property
    def covered(self) -> Tensor:
        """(B, H, W) bool: pixels that see the mesh."""
        return self.face >= 0


def rasterize(
    vertices: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    rasterizer: Rasterizer = "auto",
    drawn: Tensor | None = None,
    weights: bool = True,
) -> Fragments:
    """Depth-buffer a batch of meshes that share their faces.

    `vertices`: (B, V, 3) float32 in screen space: x to the right and y down in pixels, pixel centres at the integers;
    z > 0 the depth. `faces`: (F, 3) int64. The nearest face wins, ties go to the lowest face number; faces are
    two-sided; those reaching behind the camera (z <= 0) or with non-finite corners are left out. "auto" takes PyTorch3D
    on a GPU where it is installed, else the candidate list. `drawn`: (B, F) bool, the faces that the caller does not
    know to be hidden; the candidate list skips the others. `weights`: whether the barycentric ones are wanted (the
    candidate list then leaves them 0). Raises `Unavailable` if PyTorch3D is asked for and missing.
    """
    if vertices.dim() != 3 or vertices.shape[-1] != 3 or faces.dim() != 2 or faces.shape[-1] != 3:
        shapes = f"{tuple(vertices.shape)} and {tuple(faces.shape)}"
        raise BadInput(f"rasterize: vertices must be (B, V, 3) and faces (F, 3), got {shapes}")
    if rasterizer == "auto":
        rasterizer = "pytorch3d" if vertices.is_cuda and importlib.util.find_spec("pytorch3d") else "candidates"
    if rasterizer == "pytorch3d":
        return _rasterize_pytorch3d(vertices, faces, height, width)
    face = _nearest_faces(vertices.detach(), faces, height, width, drawn)
    if weights:
        return Fragments(face, *_fragments(vertices, faces, face))
    return Fragments(face, vertices.new_zeros(()).expand(*face.shape, 3), _Depth.apply(vertices, faces, face))


# ------------------------------------------------------------------------------------------------------ candidate list


def _nearest_faces(vertices: Tensor, faces: Tensor, height: int, width: int, drawn: Tensor | None) -> Tensor:
    """(B, H, W) int64: the nearest face at every pixel centre, -1 where there is none."""
    batch, count = vertices.shape[0], faces.shape[0]
    # (9, F*B): the coordinates x0 x1 x2 y0 y1 y2 z0 z1 z2 of every face, of all items one after the other: a vertex's
    # are copied as a block.
    planes = vertices.permute(2, 1, 0).contiguous()
    corners = torch.stack([planes.index_select(1, corner) for corner in faces.T], 1).reshape(9, count * batch)
    first, rows = _pixels_between(corners[3:6].amin(0), corners[3:6].amax(0), height)
    _, columns = _pixels_between(corners[:3].amin(0), corners[:3].amax(0), width)
    usable = (columns > 0) & (corners[6:].amin(0) > 0) & corners.sum(0).isfinite()
    if drawn is not None:
        usable &= drawn.T.flatten()
    listed = (usable & (rows > 0)).nonzero().squeeze(1)

    # The nearest face of a pixel as one integer: depth bits above, face number below. Depths are positive, so their
    # bits order as they do; and a minimum does not depend on the order in which the pairs come.
    number = torch.arange(count, device=vertices.device).repeat_interleave(batch)
    item = (torch.arange(batch, device=vertices.device) * (height * width)).repeat(count)  # its first pixel
    nothing = torch.iinfo(torch.int64).max
    nearest = torch.full((batch * height * width,), nothing, device=vertices.device)
    for part in _chunks(listed, rows.index_select(0, listed), CHUNK.get(vertices.device.type, 1 << 20)):
        triangle = corners.index_select(1, part)
        line, nth = _repeat(rows.index_select(0, part))  # which face of the part, and the how-manieth of its rows
        row = first.index_select(0, part).index_select(0, line) + nth
        left, columns = _pixels_between(*_span(triangle, line, row), width)
        pair, nth = _repeat(columns)
        index, row = line.index_select(0, pair), row.index_select(0, pair)
        column = left.index_select(0, pair) + nth
        inside, depth = _test(triangle.index_select(1, index), column, row)
        hit = inside.nonzero().squeeze(1)
        index, row, column, depth = (values.index_select(0, hit) for values in (index, row, column, depth))
        place = part.index_select(0, index)
        key = (depth.view(torch.int32).long() << 32) | number.index_select(0, place)
        nearest.scatter_reduce_(0, row.mul_(width).add_(column).add_(item.index_select(0, place)), key, "amin")
    face = torch.where(nearest == nothing, -1, nearest & 0xFFFFFFFF)
    return face.reshape(batch, height, width)


def _pixels_between(least: Tensor, most: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first of the pixels 0 .. size-1 in [least, most], and how many they are."""
    first = least.clamp(0, size).ceil().long()
    last = most.clamp(-1, size - 1).floor().long()
    return first, (last - first + 1).clamp(min=0)


def _repeat(times: Tensor) -> tuple[Tensor, Tensor]:
    """For times (2, 0, 3): the index repeated, (0, 0, 2, 2, 2), and the count within each, (0, 1, 0, 1, 2)."""
    index = torch.repeat_interleave(times)
    before = times.cumsum(0) - times
    return index, torch.arange(len(index), device=index.device) - before.index_select(0, index)


def _chunks(listed: Tensor, rows: Tensor, limit: int) -> list[Tensor]:
    """Split `listed` faces into runs with about `limit` rows together."""
    if len(listed) == 0:
        return []
    before = (rows.cumsum(0) - rows) // limit
    return list(listed.split(torch.unique_consecutive(before, return_counts=True)[1].tolist()))


def _span(triangle: Tensor, line: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Where a pixel row enters and leaves a triangle, a little generously. `triangle`: (9, N), rows of it in `line`."""
    a, b, c = triangle[0:4:3], triangle[1:5:3], triangle[2:6:3]  # x and y of the corners, sorted from the top down
    a, b = _upper_first(a, b)
    b, c = _upper_first(b, c)
    a, b = _upper_first(a, b)
    run, rise = torch.stack((c - a, b - a, c - b), 1)
    slope = torch.where(rise > 0, run / rise, 0)
    table = torch.stack((a[0], b[0], a[1], b[1], *slope)).index_select(1, line)
    x_top, x_middle, y_top, y_middle, long, upper, lower = table
    below, past = row - y_top, row - y_middle
    one = x_top + below * long
    other = torch.where(past < 0, x_top + below * upper, x_middle + past * lower)
    return torch.minimum(one, other) - SLACK, torch.maximum(one, other) + SLACK


def _upper_first(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Points (2, N) x, y: of each pair the one with the smaller y first."""
    swap = a[1] > b[1]
    return torch.where(swap, b, a), torch.where(swap, a, b)


def _test(corners: Tensor, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Is the pixel in the triangle (edges included), and at what depth? `corners`: (9, N); column, row: (N,) int64."""
    x, y = corners[:3] - column, corners[3:6] - row
    # Twice the signed areas opposite each corner. Swapping an edge's ends flips the sign exactly: no gaps.
    a = x[1] * y[2] - x[2] * y[1]
    b = x[2] * y[0] - x[0] * y[2]
    c = x[0] * y[1] - x[1] * y[0]
    area = a + b + c
    least, most = torch.minimum(torch.minimum(a, b), c), torch.maximum(torch.maximum(a, b), c)
    inside = ((least >= 0) | (most <= 0)) & (area.abs() > 2 * SLIVER)
    depth = area / (a / corners[6] + b / corners[7] + c / corners[8])
    return inside, depth


class _Depth(torch.autograd.Function):
    """The depth of `_fragments` alone, a quarter faster where nearly all pixels are covered.

    Inverse depth is linear across a face on the screen: its slope there gives all nine derivatives at once.
    """

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Tensor, face: Tensor) -> Tensor:
        corner, x, y, z = _corners(vertices, faces, face)
        inverse, _ = _inverse_depth(x, y, z)
        depth = 1 / inverse.sum(0)
        ctx.save_for_backward(face, corner, x, y, z, depth)
        ctx.vertices = vertices.shape
        return torch.where(face >= 0, depth, torch.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        face, corner, x, y, z, depth = ctx.saved_tensors
        inverse, area = _inverse_depth(x, y, z)
        # A corner that moves takes the plane of inverse depth along, as far as the pixel is its own.
        nearness = 1 / z
        across = nearness[0] * (y[1] - y[2]) + nearness[1] * (y[2] - y[0]) + nearness[2] * (y[0] - y[1])
        down = nearness[0] * (x[2] - x[1]) + nearness[1] * (x[0] - x[2]) + nearness[2] * (x[1] - x[0])
        pull = inverse.mul_(gradient * depth * depth)  # (3, B, H, W)
        moved = pull.new_empty(3, *pull.shape)
        torch.mul(pull, nearness, out=moved[2])
        pull.mul_(z).div_(area)
        torch.mul(pull, across, out=moved[0])
        torch.mul(pull, down, out=moved[1])
        moved.masked_fill_(face < 0, 0)
        batch, count, _ = ctx.vertices
        total = moved.new_zeros(3, batch * count).scatter_add_(1, corner.reshape(1, -1).expand(3, -1), moved.flatten(1))
        return total.reshape(3, batch, count).permute(1, 2, 0), None, None


def _fragments(vertices: Tensor, faces: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct barycentric weights (B, H, W, 3) and depth (B, H, W) of the faces found, by autograd."""
    batch, height, width = face.shape
    covered = (face.flatten() >= 0).nonzero().squeeze(1)
    item, pixel = covered // (height * width), covered % (height * width)
    column, row = (pixel % width).to(vertices), (pixel // width).to(vertices)
    corner = faces[face.flatten()[covered]].T + item * vertices.shape[1]  # (3, P) rows of the flattened vertices
    # One gather per coordinate: its backward adds up in a fixed order, whatever the number of threads.
    flat = vertices.reshape(-1, 3).T.contiguous()
    x, y, z = flat.gather(1, corner.reshape(1, -1).expand(3, -1)).reshape(3, 3, -1)
    inverse, _ = _inverse_depth(x - column, y - row, z)
    depth = 1 / inverse.sum(0)
    everywhere = vertices.new_zeros(batch * height * width, 3).index_copy(0, covered, (inverse * depth).T)
    depths = vertices.new_full((batch * height * width,), torch.inf).index_copy(0, covered, depth)
    return everywhere.reshape(batch, height, width, 3), depths.reshape(batch, height, width)


def _corners(vertices: Tensor, faces: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the three corners of the face of every pixel, (3, B, H, W) each: their rows among B V vertices, x and y from
    the pixel on, and z. Those of face -1 are another's.
    """
    batch, height, width = face.shape
    found, first = face.clamp(min=0).flatten(), torch.arange(batch, device=face.device) * vertices.shape[1]
    corner = torch.stack([numbers.index_select(0, found).view_as(face) for numbers in faces.T.contiguous()])
    corner += first[:, None, None]
    # One gather per coordinate: its backward adds up in a fixed order, whatever the number of threads.
    planes = vertices.reshape(-1, 3).T.contiguous()
    x, y, z = (plane.gather(0, corner.flatten()).view_as(corner) for plane in planes)
    column, row = (torch.arange(size, device=face.device).to(vertices) for size in (width, height))
    return corner, x - column, y - row[:, None], z


def _inverse_depth(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Each corner's share of the inverse depth (3, ...) at the point (0, 0), and twice the signed area of the face."""
    areas = torch.stack((x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]))
    area = areas.sum(0)
    return areas / area / z, area


# ----------------------------------------------------------------------------------------------------------- PyTorch3D


def _rasterize_pytorch3d(vertices: Tensor, faces: Tensor, height: int, width: int) -> Fragments:
    """The same through PyTorch3D, whose normalised coordinates point left and up and span the shorter side by 2."""
    try:
        from pytorch3d.renderer.mesh import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise Unavailable(f"PyTorch3D cannot be imported ({error}): pip install 'pdr-bench[pytorch3d]'") from error
    batch, short = vertices.shape[0], min(height, width)
    x, y, z = vertices.unbind(-1)
    scaled = torch.stack(((width - 1 - 2 * x) / short, (height - 1 - 2 * y) / short, z), -1)
    found, depth, weights, _ = rasterize_meshes(
        Meshes(scaled, faces.expand(batch, *faces.shape)),
        image_size=(height, width),
        bin_size=0 if not vertices.is_cuda else None,
        perspective_correct=True,
    )
    found, depth, weights = found[..., 0], depth[..., 0], weights[..., 0, :]
    covered = found >= 0
    item = torch.arange(batch, device=faces.device).reshape(-1, 1, 1)
    face = torch.where(covered, found - item * len(faces), -1)
    return Fragments(face, weights.where(covered[..., None], 0), depth.where(covered, torch.inf))
