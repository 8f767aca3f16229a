"""The mesh of a synthetic head: which grids of vertices it is made of, how they are joined, where texture is looked up.

All heads share the faces; what a person does not wear is there too, collapsed to a point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from bench.data.synthetic import faces_worn as worn
from bench.data.synthetic.faces_shape import WIDTH, Factors, head

HEAD, HAIR, HAT, FRAME, LENS, LEFT_EAR, RIGHT_EAR, EARRING, NECK, CLOTH = range(10)


@dataclass(frozen=True)
class Part:
    """One grid of vertices: its kind, its coordinates (V,) along rows and columns, its faces, and what shapes it."""

    kind: int
    row: Tensor
    column: Tensor
    faces: Tensor  # (F, 3)
    shape: Callable[[Factors, Tensor, Tensor], Tensor]


@cache
def parts() -> list[Part]:
    """All parts. Head and hair: rows are latitudes or run from crown to tips, columns are longitudes, 0 in front."""
    front, back = torch.linspace(-math.pi / 2, math.pi / 2, 41), torch.linspace(math.pi / 2, 3 * math.pi / 2, 15)
    spread = torch.linspace(-1, 1, 57)
    latitude = math.pi / 2 * (spread + 0.09 * torch.sin(math.pi * spread) * (1 - spread))  # dense around the mouth
    turn = torch.linspace(-math.pi, math.pi, 49)[:-1]
    ring, square, circle = (torch.linspace(0, 2 * math.pi, n + 1)[:-1] for n in (24, 4, 10))
    ball, line = torch.linspace(-math.pi / 2, math.pi / 2, 8), torch.linspace(0, 1, 6)
    return [
        _part(HEAD, latitude, torch.cat((front, back[1:-1])), head),
        _part(HAIR, torch.linspace(0, 1, 26), turn, worn.hair),
        _part(HAT, torch.linspace(0, 1, 14), turn[::2], worn.hat),
        _part(NECK, torch.linspace(0.4, 1.9, 10), turn[::2], worn.neck),
        _part(CLOTH, torch.linspace(0, 1, 10), turn[::2], worn.cloth),
        _part(LEFT_EAR, ball, circle, partial(worn.ear, side=1)),
        _part(RIGHT_EAR, ball, circle, partial(worn.ear, side=-1)),
        *(_part(EARRING, ball[::2], circle[::2], partial(worn.earring, side=side)) for side in (1, -1)),
        *(_part(FRAME, ring, square, partial(worn.rim, side=side), loop=True) for side in (1, -1)),
        _part(FRAME, line, square, worn.bridge),
        *(_part(FRAME, line, square, partial(worn.temple, side=side)) for side in (1, -1)),
        *(_part(LENS, torch.linspace(0, 1, 2), ring, partial(worn.lens, side=side)) for side in (1, -1)),
    ]


def _part(
    kind: int, rows: Tensor, columns: Tensor, shape: Callable[[Factors, Tensor, Tensor], Tensor], loop: bool = False
) -> Part:
    """Two triangles per cell; the last column is joined to the first, and if `loop` the last row to the first too."""
    n, m = len(rows), len(columns)
    i, j = torch.meshgrid(torch.arange(n if loop else n - 1), torch.arange(m), indexing="ij")
    below, beside = (i + 1) % n, (j + 1) % m
    a, b, c, d = i * m + j, i * m + beside, below * m + j, below * m + beside
    faces = torch.cat((torch.stack((a, c, b), -1).reshape(-1, 3), torch.stack((b, c, d), -1).reshape(-1, 3)))
    return Part(kind, rows.repeat_interleave(m), columns.repeat(n), faces, shape)


@cache
def faces() -> Tensor:
    """(F, 3) int64: the triangles of all parts."""
    sizes = torch.tensor([0, *(len(part.row) for part in parts())]).cumsum(0)
    return torch.cat([part.faces + start for part, start in zip(parts(), sizes, strict=False)])


@cache
def face_kinds() -> Tensor:
    """(F,) int64: the kind of part each triangle belongs to."""
    return torch.cat([torch.full((len(part.faces),), part.kind) for part in parts()])


@cache
def coordinates() -> Tensor:
    """(V, 3): where the texture of each vertex is looked up.

    Head: template u, v and the cosine of the longitude, > 0 on the front half. All others: row, and cosine and sine of
    the column.
    """
    places = []
    for part in parts():
        cosine, sine = torch.cos(part.column), torch.sin(part.column)
        if part.kind == HEAD:
            place = (WIDTH * torch.cos(part.row) * sine, torch.sin(part.row), cosine)
        else:
            place = (part.row, cosine, sine)
        places.append(torch.stack(place, -1))
    return torch.cat(places)


@cache
def closed() -> Tensor:
    """(F,) bool: triangles of the head, a closed body wound with its normals outwards: its inside is never seen."""
    return face_kinds() == HEAD


def head_vertices(factors: Factors) -> Tensor:
    """(B, V, 3): all parts in head units."""
    f = {name: value[:, None] for name, value in factors.items() if value.dim() == 1}
    return torch.cat([part.shape(f, part.row, part.column) for part in parts()], 1)
