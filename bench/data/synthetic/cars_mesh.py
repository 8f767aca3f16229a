"""Collecting patches into the meshes of a batch of cars: the same faces for all, each its own vertices and colours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

PARTS = (
    "background",
    "body",
    "window",
    "wheel",
    "headlamp",
    "tail lamp",
    "bumper",
    "grille",
    "plate",
    "trim",
    "interior",
)

_BOX_SIDES = (
    (0, 1, 2, 3),
    (4, 5, 6, 7),
    (0, 1, 4, 5),
    (2, 3, 6, 7),
    (0, 2, 4, 6),
    (1, 3, 5, 7),
)  # rows of its 8 corners


Values = np.ndarray | float
"""Of the points of a patch: a number for all of them, or an array that broadcasts to (B, rows, columns)."""


def column(*values: float) -> np.ndarray:
    """(1, n, 1): values down the rows of a patch."""
    return np.array(values, dtype=np.float64).reshape(1, -1, 1)


def row(*values: float) -> np.ndarray:
    """(1, 1, n): values along the columns of a patch."""
    return np.array(values, dtype=np.float64).reshape(1, 1, -1)


def between(start: Values, end: Values, count: int) -> np.ndarray:
    """(B or 1, 1, count): evenly spaced along the columns of a patch."""
    return start + (end - start) * row(*np.linspace(0, 1, count))


@dataclass
class MeshBuilder:
    """Grows patch by patch. Car coordinates in metres: x across, y down from the ground at 0, z from nose to tail.

    A colour is (B, 3) or, if the same for all cars, (3,); a part is one of `PARTS`.
    """

    batch: int
    vertices: list[np.ndarray] = field(default_factory=list)  # (B, n, 3) each
    colours: list[np.ndarray] = field(default_factory=list)  # (B, n, 3) each
    faces: list[np.ndarray] = field(default_factory=list)  # (m, 3) each
    parts: list[np.ndarray] = field(default_factory=list)  # (m,) each
    count: int = 0

    def grid(self, points: np.ndarray, colour: np.ndarray, part: str) -> None:
        """A patch shaded smoothly: `points` (B, rows, columns, 3)."""
        rows, columns = points.shape[1:3]
        index = np.arange(rows * columns).reshape(rows, columns) + self.count
        a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
        faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
        shape = (self.batch, rows * columns, 3)
        self.vertices.append(np.broadcast_to(points, (self.batch, rows, columns, 3)).reshape(shape))
        self.colours.append(np.broadcast_to(np.expand_dims(colour, -2), shape))
        self.faces.append(faces)
        self.parts.append(np.full(len(faces), PARTS.index(part), np.uint8))
        self.count += rows * columns

    def sides(self, points: np.ndarray, colour: np.ndarray, part: str) -> None:
        """A patch and its mirror image on the other side of the car."""
        self.grid(points, colour, part)
        self.grid(points * (-1, 1, 1), colour, part)

    def boxes(self, place: tuple[Values, ...], size: tuple[Values, ...], colour: np.ndarray, part: str) -> None:
        """A sharp-edged box and its mirror image; `place` is across, height, along; metres, (B,) or one number each."""
        x, height, z = place
        centre = np.stack(np.broadcast_arrays(x, -np.asarray(height), z), -1)  # (B, 3)
        signs = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5], indexing="ij")).reshape(3, 8).T
        corners = centre[:, None] + signs * np.stack(np.broadcast_arrays(*size, centre[:, 0])[:3], -1)[:, None]
        for side in _BOX_SIDES:
            self.sides(corners[:, side].reshape(-1, 2, 2, 3), colour, part)

    def all_vertices(self) -> np.ndarray:
        """(B, V, 3)."""
        return np.concatenate(self.vertices, 1)

    def all_colours(self) -> np.ndarray:
        """(B, V, 3)."""
        return np.concatenate(self.colours, 1)
