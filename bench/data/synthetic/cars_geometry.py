"""From a car's measures and colours (bench.data.synthetic.cars_types) to its mesh.

The lower body is a box bent into shape: a point on it is named by x (-1 .. 1 across), h (0 sill .. 1 top) and t (0 nose
.. 1 tail), and `Body.point` says where that lies. Bumpers, lamps, grille, plates, wheel arches and door seams are
patches of the same box, raised a little. What stands on it or hangs under it comes from cars_parts. All cars share all
faces: what a body type lacks has size zero.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from bench.data.synthetic.cars_mesh import MeshBuilder, Values, between, column, row
from bench.data.synthetic.cars_types import SHAPE

# Half width by height: sill tucked in, widest at the waist, rounded shoulder.
_PROFILE_H = (0.0, 0.12, 0.35, 0.6, 0.82, 0.93, 1.0)
_PROFILE_X = (0.9, 0.96, 1.0, 0.995, 0.965, 0.93, 0.86)

GLOSS_BLACK, GAP_BLACK = np.array([0.05, 0.05, 0.055]), np.array([0.02, 0.02, 0.02])
LAMP, BULB, TAIL_LAMP = np.array([0.62, 0.66, 0.7]), np.array([0.97, 0.97, 0.92]), np.array([0.62, 0.04, 0.04])


class Body:
    """The lower body's surface. `measures` are (B, 1, 1) each, so that they meet patches (B, rows, columns)."""

    def __init__(self, shape: np.ndarray) -> None:
        """`shape`: (B, len(SHAPE)) as drawn by `draw_shapes`."""
        m = SimpleNamespace(**{name: shape[:, k].reshape(-1, 1, 1) for k, name in enumerate(SHAPE)})
        m.tail_base = np.minimum(m.roof_end + m.tail_run, 0.985)
        m.well_start = m.tail_base + m.well_start
        m.rails, m.spoiler = np.maximum(m.rails, 0), np.maximum(m.spoiler, 0)
        m.front_axle, m.rear_axle = m.front_overhang, m.length - m.rear_overhang
        m.belt_half_width = m.width / 2 * _PROFILE_X[-1]
        self.measures = m

    def top(self, t: Values) -> np.ndarray:
        """Height in metres of the bonnet, the belt line and the boot lid at the shoulders."""
        m = self.measures
        knots = [0.0, 0.012, 0.05, m.screen_base / 2, m.screen_base, m.tail_base, 0.96, 0.988, 1.0]
        bonnet = 0.45 * m.nose + 0.55 * m.cowl + 0.02
        heights = [m.nose - 0.12, m.nose - 0.04, m.nose, bonnet, m.cowl, m.belt, m.deck, m.deck - 0.02, m.deck - 0.08]
        return _piecewise_linear(t, knots, heights)

    def bottom(self, t: Values) -> np.ndarray:
        """Height in metres of the underside: it rises towards both ends."""
        return self.measures.clearance + 0.1 * _rise(0.06 - t, 0.06) ** 2 + 0.12 * _rise(t - 0.93, 0.07) ** 2

    def point(self, x: Values, h: Values, t: Values, out: Values = 0.0, ahead: Values = 0.0) -> np.ndarray:
        """(B, rows, columns, 3): where (x, h, t) lies, moved `out` metres sideways and `ahead` along z."""
        m = self.measures
        half_width = m.width / 2 * (1 - 0.16 * _rise(0.13 - t, 0.13) ** 2.2 - 0.11 * _rise(t - 0.88, 0.12) ** 2.2)
        across = x * (half_width * np.interp(h, _PROFILE_H, _PROFILE_X) + out)
        low = self.bottom(t)
        height = low + h * (self.top(t) - low) + 0.035 * (1 - x**2) * h**4
        bow = m.nose_bow * _rise(0.2 - t, 0.2) ** 2 - m.tail_bow * _rise(t - 0.85, 0.15) ** 2
        lean = 0.07 * _rise(0.06 - t, 0.06) - 0.035 * _rise(t - 0.94, 0.06)
        along = t * m.length + bow * x**2 + lean * h**3 + ahead
        return np.stack(np.broadcast_arrays(across, -height, along), -1)

    def h_of(self, height: Values, t: Values) -> np.ndarray:
        """The h that lies `height` metres above the ground."""
        low = self.bottom(t)
        return (height - low) / (self.top(t) - low)


def _rise(distance: Values, span: float) -> np.ndarray:
    """0 until distance = 0, then linearly to 1 at distance = span."""
    return np.clip(distance / span, 0, 1)


def _piecewise_linear(t: Values, knots: list[Values], values: list[Values]) -> np.ndarray:
    """The line through (knots[k], values[k]), every car its own; constant outside."""
    result = np.asarray(values[0])
    for start, end, low, high in zip(knots, knots[1:], values, values[1:], strict=False):
        result = result + (high - low) * np.clip((t - start) / np.maximum(end - start, 1e-6), 0, 1)
    return result


def add_shell(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Flanks, underside, bonnet and boot lid; the well of a load bed or an open cabin, flush where there is none."""
    m = body.measures
    nose, tail = row(0, 0.005, 0.015, 0.03, 0.05, 0.08, 0.13), row(0.85, 0.88, 0.92, 0.95, 0.97, 0.985, 0.994, 1)
    tail = m.well_end + (1 - m.well_end) * np.maximum((tail - 0.85) / 0.15, 0.02)
    before, well = between(0.13, m.well_start, 5)[..., 1:], between(m.well_start, m.well_end, 7)
    t = np.concatenate([np.broadcast_to(nose, (len(well), 1, 7)), before, well[..., 1:], tail], 2)
    mesh.sides(body.point(1.0, column(*_PROFILE_H[:2]), t), paint["sill"], "trim")
    mesh.sides(body.point(1.0, column(*_PROFILE_H[1:]), t), paint["paint"], "body")
    mesh.grid(body.point(column(-1, 0, 1), 0.0, t), paint["trim"], "trim")

    edge = 0.9  # where the well's walls stand, as a share of the shoulder
    crown = column(-1, -0.97, -edge, -0.6, -0.3, 0, 0.3, 0.6, edge, 0.97, 1)
    start = nose.shape[2] + before.shape[2] - 1
    end = start + well.shape[2] - 1
    mesh.grid(body.point(crown, 1.0, t[..., : start + 1]), paint["paint"], "body")
    mesh.grid(body.point(crown, 1.0, t[..., end:]), paint["paint"], "body")
    mesh.sides(body.point(column(edge, 0.97, 1), 1.0, well), paint["paint"], "body")
    rim = body.point(crown[:, 2:-2], 1.0, well)
    floor = rim + np.stack([0 * m.well_depth, m.well_depth, 0 * m.well_depth], -1)
    mesh.grid(floor, paint["interior"], "interior")
    for axis, place in ((1, 0), (1, -1), (2, 0), (2, -1)):
        wall = np.stack([rim.take(place, axis), floor.take(place, axis)], 1)
        mesh.grid(wall, paint["interior"], "interior")


class _End:
    """The front or the rear face: patches on it, `lift` metres in front of it."""

    def __init__(self, body: Body, t: float) -> None:
        self.body, self.t, self.outward = body, t, 2 * t - 1

    def patch(self, left: Values, right: Values, low: Values, high: Values, lift: float) -> np.ndarray:
        """From x = left to right and h = low to high."""
        x, h = between(left, right, 5), low + (high - low) * column(0, 0.5, 1)
        return self.body.point(x, h, self.t, ahead=self.outward * lift)

    def corner(self, inner: np.ndarray, reach: float, h: Values, lift: Values) -> np.ndarray:
        """From x = inner outwards and round the corner, `reach` of the car's length along the flank."""
        x = np.concatenate([between(inner, 1.0, 5), np.ones_like(inner) * row(1, 1, 1)], 2)
        t = self.t - self.outward * reach * row(0, 0, 0, 0, 0, 0.3, 0.65, 1)
        return self.body.point(x, h, t, out=lift, ahead=self.outward * lift)


def add_ends(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Front and rear faces with bumpers, lamps, grille and number plates."""
    m = body.measures
    front, rear = _End(body, 0.0), _End(body, 1.0)
    across = row(-1, -0.85, -0.7, -0.45, -0.2, 0.2, 0.45, 0.7, 0.85, 1)
    bulge = column(-0.005, 0.05, 0.05, -0.005) * row(1, 1, 1, 1, 1, 0.8, 0.5, 0)
    for end, plate_height in ((front, 0.3 + 0.6 * m.clearance), (rear, 0.5 + 0.5 * m.clearance)):
        mesh.grid(body.point(across, column(*_PROFILE_H), end.t), paint["paint"], "body")
        bumper = end.corner(0 * m.length, 0.09, column(0.02, 0.1, 0.34, 0.42), bulge)
        mesh.sides(bumper, paint["bumper"], "bumper")
        h = body.h_of(plate_height, end.t)
        mesh.grid(end.patch(-0.32, 0.32, h - 0.08, h + 0.08, 0.075), paint["plate"], "plate")

    low = 0.84 - m.lamp_height / (m.nose - m.clearance)
    inner = 1 - m.lamp_width
    mesh.grid(front.patch(-m.grille_width, m.grille_width, 0.5, 0.84, 0.015), GLOSS_BLACK, "grille")
    mesh.grid(front.patch(-0.55, 0.55, 0.08, 0.22, 0.062), GLOSS_BLACK, "grille")
    mesh.sides(front.corner(inner, 0.035, low + (0.84 - low) * column(0, 0.25, 0.75, 1), 0.018), LAMP, "headlamp")
    bulb = front.patch(inner + 0.28 * m.lamp_width, 0.93, 0.8 * low + 0.17, 0.25 * low + 0.63, 0.024)
    mesh.sides(bulb, BULB, "headlamp")
    low = 0.86 - m.tail_lamp_height / (m.deck - m.clearance)
    tail_lamp = rear.corner(1 - 0.8 * m.lamp_width, 0.022, low + (0.86 - low) * column(0, 0.25, 0.75, 1), 0.018)
    mesh.sides(tail_lamp, TAIL_LAMP, "tail lamp")


def add_flanks(mesh: MeshBuilder, body: Body, paint: dict[str, np.ndarray]) -> None:
    """Wheel arches, door seams and door handles, just off the flank."""
    m = body.measures
    arch = 1.17 * m.wheel_radius
    angle = row(*np.linspace(0, np.pi, 15))
    for axle in (m.front_axle, m.rear_axle):
        radius = arch * column(0, 0.5, 1)
        t = (axle + radius * np.cos(angle)) / m.length
        upper = body.point(1.0, body.h_of(m.wheel_radius + radius * np.sin(angle), t).clip(0, 0.9), t, out=0.012)
        t = (axle + arch * row(-1, -0.5, 0, 0.5, 1)) / m.length
        lower = body.point(1.0, body.h_of(m.wheel_radius, t).clip(0, 0.9) * column(0, 1), t, out=0.012)
        mesh.sides(upper, GAP_BLACK, "trim")
        mesh.sides(lower, GAP_BLACK, "trim")

    cabin = m.tail_base - m.screen_base
    pillar = m.screen_base + cabin * m.pillar_b
    last = np.minimum(m.screen_base + cabin * m.pillar_c, m.rear_axle / m.length - 0.02)
    last = np.maximum(last, pillar)
    for t in (m.screen_base + 0.02, pillar, last):
        seam = t + 0.011 / m.length * row(-1, 1)
        mesh.sides(body.point(1.0, column(0.14, 0.35, 0.6, 0.82, 0.97), seam, out=0.008), 0.3 * paint["paint"], "body")
    for t in (pillar - 0.025, last - 0.025):
        mesh.sides(body.point(1.0, column(0.78, 0.82), t + row(-0.011, 0.011), out=0.02), paint["trim"], "trim")
