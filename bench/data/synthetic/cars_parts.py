"""A whole car: the lower body with cabin, wheels, mirrors, roof rails, spoiler and seats."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from bench.data.synthetic.cars_geometry import Body, add_ends, add_flanks, add_shell
from bench.data.synthetic.cars_mesh import MeshBuilder, Values, between, column, row
from bench.data.synthetic.cars_types import ALBEDO

TYRE = np.array([0.055, 0.055, 0.06])
_SILL, _LINTEL = 0.07, 0.86  # lower and upper edge of the side windows, as shares of the cabin's height
_PANE, _SCREEN_SILL, _SCREEN_LINTEL = 0.88, 0.06, 0.92  # the same for windscreen and rear window; half its width


def build(shape: np.ndarray, albedo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Meshes of B cars: vertices (B, V, 3), colours (B, V, 3) in [0, 1], faces (F, 3) int64, faces' parts (F,) uint8.

    `shape`: (B, len(SHAPE)), `albedo`: (B, len(ALBEDO)). Metres; x across, y down, z from nose to tail; the origin lies
    half way between the bumpers and half way up, so that the wheels stand on y = height / 2.
    """
    body, mesh = Body(shape), MeshBuilder(len(shape))
    colours = albedo.reshape(len(albedo), -1, 3)
    paint = {name.removesuffix("_r"): colours[:, k] for k, name in enumerate(ALBEDO[::3])}
    for add in (add_shell, add_ends, add_flanks, _add_cabin, _add_wheels, _add_boxes):
        add(mesh, body, paint)
    m = body.measures
    origin = np.concatenate([0 * m.length, -m.height / 2, m.length / 2], 2)
    return mesh.all_vertices() - origin, mesh.all_colours(), np.concatenate(mesh.faces), np.concatenate(mesh.parts)


class _Cabin:
    """The glass house's left wall: s runs 0 .. 1 from windscreen to tail, v from the belt line to the roof."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def wall(self, s: Values, v: Values) -> np.ndarray:
        """(B, rows, columns, 3) points; arguments broadcast."""
        m = self.body.measures
        front = m.screen_base + (m.screen_top - m.screen_base) * v
        rear = m.tail_base + (m.roof_end - m.tail_base) * v
        base = self.body.top(m.screen_base + (m.tail_base - m.screen_base) * s) - 0.02
        roof = m.height - m.roof_drop * s**2
        taper = 1 - 0.05 * s**3 - 0.02 * (1 - s) ** 3
        across = m.belt_half_width * (1 + (m.tumblehome - 1) * v) * taper - 0.05 * np.clip((v - 0.88) / 0.12, 0, 1) ** 2
        along = (front + (rear - front) * s) * m.length
        return np.stack(np.broadcast_arrays(across, -(base + (roof - base) * v), along), -1)

    def across(self, s: Values, v: Values, x: Values) -> np.ndarray:
        """Points between the two walls (x = -1 .. 1): bowed outwards at both ends and arched at the roof."""
        edge = self.wall(s, v)
        inside = 1 - x**2
        arch = 0.045 * np.clip(v - 0.9, 0, 0.1) * 10 * (1 - (2 * s - 1) ** 6)
        bow = 0.05 * s**8 - 0.1 * (1 - s) ** 8
        moved = np.stack(np.broadcast_arrays(0.0, -arch * inside, bow * inside), -1)
        return edge * np.stack(np.broadcast_arrays(x, 1.0, 1.0), -1) + moved


def _add_cabin(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Walls with side windows, windscreen, rear window, roof. An open car keeps its windscreen alone."""
    m, cabin = body.measures, _Cabin(body)
    inside = np.concatenate([0 * m.length, -m.clearance - 0.1, m.length / 2], 2)[:, None]  # where the rest is hidden

    def closed(points: np.ndarray) -> np.ndarray:
        return np.where(m.roof[..., None] > 0.5, points, inside)

    whole = between(0.0, 1.0, 9)
    mesh.sides(closed(cabin.wall(whole, column(0, _SILL))), paint["paint"], "body")
    mesh.sides(closed(cabin.wall(whole, column(_LINTEL, 0.92, 0.97, 1))), paint["roof"], "body")
    edges = _window_edges(m)
    for k, (start, end) in enumerate(pairwise(edges)):
        points = closed(cabin.wall(between(start, end, 4), column(_SILL, 0.35, 0.6, _LINTEL)))
        colour, part = (paint["glass"], "window") if k % 2 else (paint["roof"], "body")
        mesh.sides(points, colour, part)

    rows = column(0, _SCREEN_SILL, 0.35, 0.65, _SCREEN_LINTEL, 1)
    columns = row(-_PANE, -0.45, 0, 0.45, _PANE)
    for s, keep in ((0.0, np.asarray), (1.0, closed)):
        mesh.grid(keep(cabin.across(s, rows[:, 1:-1], columns)), paint["glass"], "window")
        mesh.sides(keep(cabin.across(s, rows, row(_PANE, 1))), paint["roof"], "body")
        for edge in (rows[:, :2], rows[:, -2:]):
            mesh.grid(keep(cabin.across(s, edge, columns)), paint["roof"], "body")
    roof = cabin.across(between(0.0, 1.0, 7), 1.0, column(-1, -0.8, -0.4, 0, 0.4, 0.8, 1))
    mesh.grid(closed(roof), paint["roof"], "body")


def _window_edges(m: SimpleNamespace) -> tuple[Values, ...]:
    """s of pillar and window edges in turn: A pillar, first window, B pillar, second, C pillar, third, D pillar."""
    panelled, third = m.panelled > 0.5, (m.third_window > 0) & (m.panelled <= 0.5)
    b, c = m.pillar_b, np.where(panelled, m.pillar_b + 0.02, m.pillar_c)
    return 0.0, 0.05, b - 0.02, b + 0.02, c, np.where(third, c + 0.035, 1), np.where(third, 0.94, 1), 1.0


def _add_wheels(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Four wheels: tyre, and a rim of ten sectors, every second one a gap between spokes."""
    m, sectors = body.measures, 10

    def ring(axle: np.ndarray, radii: np.ndarray, depths: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Points (B, rings, angles, 3): radii in wheel radii, depths in metres inwards from the tyre's outer face."""
        radius = m.wheel_radius * radii
        across = m.width / 2 + 0.025 - depths
        down, along = -m.wheel_radius - radius * np.sin(angles), axle + radius * np.cos(angles)
        return np.stack(np.broadcast_arrays(across, down, along), -1)

    around = row(*np.linspace(0, 2 * np.pi, 2 * sectors + 1))
    radii, depths = column(0.64, 0.72, 0.93, 1, 1, 0.9, 0), column(0.02, 0, 0, 0.03, 0.2, 0.22, 0.22)
    for axle in (m.front_axle, m.rear_axle):
        mesh.sides(ring(axle, radii, depths, around), TYRE, "wheel")
        mesh.sides(ring(axle, column(0, 0.2), column(0.02, 0.02), around), paint["rim"], "wheel")
        for k in range(sectors):
            angles = (k + row(-0.5, 0, 0.5)) * 2 * np.pi / sectors
            colour = paint["spoke_gap"] if k % 2 else paint["rim"]
            mesh.sides(ring(axle, column(0.2, 0.64), column(0.03, 0.015), angles), colour, "wheel")


def _add_boxes(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Mirrors, roof rails, spoiler and seats; a box that this car lacks has size zero."""
    m = SimpleNamespace(**{name: value.ravel() for name, value in vars(body.measures).items()})
    mirror = m.screen_base + 0.035
    mesh.boxes((m.belt_half_width + 0.1, m.cowl + 0.09, mirror * m.length), (0.2, 0.13, 0.09), paint["paint"], "body")

    has = np.sign(m.rails)
    middle, span = (m.screen_top + m.roof_end) / 2 * m.length, 0.85 * (m.roof_end - m.screen_top) * m.length
    place = (0.9 * m.belt_half_width * m.tumblehome, m.height - m.roof_drop / 3 + m.rails / 2, middle)
    mesh.boxes(place, (0.04 * has, m.rails + 0.02 * has, span * has), paint["trim"], "trim")

    has, tail = np.sign(m.spoiler), 0.965 * m.length
    wing, strut = (0.42 * m.width * has, 0.035 * has, 0.22 * has), (0.05 * has, m.spoiler, 0.1 * has)
    mesh.boxes((0.21 * m.width, m.deck + m.spoiler, tail), wing, paint["paint"], "body")
    mesh.boxes((0.28 * m.width, m.deck + m.spoiler / 2, tail), strut, paint["trim"], "trim")

    has = 1 - m.roof
    for s, height in ((0.56, 0.14), (0.7, 0.06)):
        along = (m.screen_base + (m.tail_base - m.screen_base) * s) * m.length
        back, head = (0.46 * has, 0.5 * has, 0.12 * has), (0.24 * has, 0.16 * has, 0.1 * has)
        mesh.boxes((0.2 * m.width, m.belt + height - 0.25, along), back, paint["interior"], "interior")
        mesh.boxes((0.2 * m.width, m.belt + height + 0.06, along), head, paint["interior"], "interior")
