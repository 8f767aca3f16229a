"""What sets one car apart from another: the measures and the paints, drawn body type by body type.

A car is two rows of numbers: `SHAPE` fixes its geometry and `ALBEDO` its colours. bench.data.synthetic.cars_parts makes
the mesh from these alone; the type itself does not enter.
"""

from __future__ import annotations

import colorsys

import numpy as np

# Every measure's range by body type, uniform between the two ends. Metres, but: screen_base, screen_top, roof_end and
# well_end are shares of the length counted from the nose, tail_run one counted from roof_end, well_start one from the
# cabin's end; pillar_b, pillar_c and third_window are shares of the cabin's length; tumblehome is the roof's width by
# the belt's; lamp_width and grille_width are shares of half the width. A van with panelled > 0.5 has no windows behind
# its front doors; a car with roof = 0 is open; rails, spoiler and well (load bed, open cabin) are there if above 0.
_TABLE = """
                 sedan       hatchback   wagon       suv         pickup      van         coupe       convertible
length           4.50..4.90  3.70..4.15  4.55..4.90  4.35..4.85  5.00..5.40  4.70..5.30  4.15..4.60  3.95..4.45
width            1.76..1.88  1.66..1.78  1.76..1.88  1.84..1.98  1.86..2.00  1.88..2.02  1.78..1.90  1.70..1.85
height           1.40..1.50  1.44..1.56  1.44..1.54  1.68..1.86  1.72..1.86  1.98..2.30  1.25..1.35  1.12..1.22
clearance        0.17..0.23  0.17..0.23  0.17..0.23  0.28..0.37  0.33..0.43  0.20..0.27  0.12..0.17  0.14..0.19
wheel_radius     0.31..0.35  0.28..0.33  0.31..0.35  0.36..0.42  0.38..0.43  0.32..0.36  0.32..0.36  0.30..0.34
front_overhang   0.82..0.98  0.68..0.82  0.82..0.98  0.78..0.90  0.85..0.98  0.80..0.95  0.80..0.92  0.72..0.86
rear_overhang    0.95..1.12  0.52..0.68  0.90..1.10  0.80..0.98  1.05..1.25  0.85..1.10  0.75..0.92  0.75..0.95
nose             0.68..0.78  0.68..0.80  0.68..0.78  0.94..1.06  1.00..1.12  0.90..1.02  0.58..0.68  0.60..0.72
cowl             0.92..1.00  0.95..1.03  0.92..1.00  1.12..1.22  1.14..1.23  1.12..1.24  0.84..0.92  0.84..0.92
belt             0.98..1.06  1.00..1.08  0.98..1.06  1.16..1.26  1.16..1.24  1.15..1.25  0.90..0.98  0.86..0.92
deck             0.98..1.06  0.95..1.02  0.92..1.00  1.12..1.20  1.12..1.22  1.12..1.22  0.88..0.96  0.90..0.98
screen_base      0.28..0.33  0.24..0.29  0.28..0.32  0.26..0.31  0.25..0.29  0.10..0.17  0.35..0.40  0.34..0.39
screen_top       0.42..0.46  0.40..0.45  0.42..0.46  0.38..0.42  0.34..0.38  0.25..0.31  0.49..0.54  0.44..0.48
roof_end         0.65..0.71  0.82..0.88  0.91..0.94  0.87..0.92  0.46..0.57  0.95..0.97  0.64..0.70  0.60..0.65
tail_run         0.11..0.17  0.08..0.14  0.035..0.065 0.05..0.09  0.02..0.045 0.01..0.025 0.23..0.29  0.08..0.12
roof_drop        0.02..0.06  0.03..0.09  0.02..0.06  0.01..0.06  0.00..0.03  0.00..0.03  0.03..0.07  0.00..0.02
tumblehome       0.76..0.82  0.76..0.84  0.76..0.82  0.80..0.87  0.80..0.86  0.86..0.93  0.70..0.77  0.78..0.84
nose_bow         0.12..0.22  0.12..0.22  0.12..0.22  0.08..0.16  0.05..0.12  0.10..0.18  0.16..0.28  0.14..0.26
tail_bow         0.08..0.15  0.06..0.14  0.06..0.12  0.05..0.10  0.01..0.04  0.02..0.06  0.10..0.18  0.08..0.18
pillar_b         0.42..0.48  0.46..0.52  0.36..0.40  0.38..0.42  0.50..0.55  0.32..0.36  0.50..0.55  0.50..0.55
pillar_c         0.86..0.90  0.80..0.86  0.64..0.68  0.66..0.70  0.88..0.91  0.62..0.66  0.74..0.84  0.80..0.85
third_window     0           0           0.22..0.27  0.20..0.24  0           0.24..0.29  0           0
well_start       -0.3        -0.3        -0.3        -0.3        0.03..0.05  -0.3        -0.3        -0.32..-0.29
well_end         0.7         0.7         0.7         0.7         0.955..0.97 0.7         0.7         0.72..0.77
well_depth       0           0           0           0           0.40..0.50  0           0           0.30..0.40
rails            0           0           0.045..0.06 -0.06..0.06 0           0           0           0
spoiler          0           0           0           0           0           0           -0.12..0.16 0
panelled         0           0           0           0           0           0.00..1.00  0           0
lamp_height      0.10..0.18  0.10..0.18  0.10..0.18  0.10..0.18  0.10..0.18  0.10..0.18  0.10..0.18  0.10..0.18
lamp_width       0.24..0.40  0.24..0.40  0.24..0.40  0.24..0.40  0.24..0.40  0.24..0.40  0.24..0.40  0.24..0.40
grille_width     0.30..0.52  0.30..0.52  0.30..0.52  0.30..0.52  0.30..0.52  0.30..0.52  0.30..0.52  0.30..0.52
tail_lamp_height 0.12..0.20  0.16..0.30  0.16..0.30  0.18..0.34  0.20..0.32  0.26..0.40  0.09..0.16  0.10..0.17
roof             1           1           1           1           1           1           1           0
"""

ALBEDO_PARTS = ("paint", "roof", "bumper", "sill", "trim", "glass", "rim", "spoke_gap", "interior", "plate")
ALBEDO = tuple(f"{part}_{channel}" for part in ALBEDO_PARTS for channel in "rgb")

# Hue in [0, 1), saturation and value ranges of the paints, and how often each is drawn.
_PAINTS = (
    (0.20, (0.0, 1.0), (0.0, 0.06), (0.72, 0.95)),  # white and light silver
    (0.14, (0.5, 0.7), (0.0, 0.12), (0.4, 0.65)),  # silver and grey
    (0.14, (0.5, 0.7), (0.0, 0.25), (0.12, 0.25)),  # black
    (0.15, (0.97, 1.02), (0.65, 0.9), (0.45, 0.8)),  # red
    (0.15, (0.55, 0.66), (0.4, 0.9), (0.3, 0.75)),  # blue
    (0.09, (0.25, 0.47), (0.3, 0.7), (0.25, 0.6)),  # green
    (0.08, (0.09, 0.15), (0.65, 0.9), (0.65, 0.9)),  # yellow and orange
    (0.05, (0.05, 0.1), (0.3, 0.6), (0.3, 0.6)),  # brown and beige
)


def _read_table() -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The body types, and each measure's (types, 2) lowest and highest values."""
    header, *rows = (line.split() for line in _TABLE.strip().splitlines())
    ranges = {
        name: np.array([[float(end) for end in (cell.split("..") * 2)[:2]] for cell in cells]) for name, *cells in rows
    }
    return tuple(header), ranges


BODY_TYPES, _RANGES = _read_table()
SHAPE = tuple(_RANGES)


def draw_shapes(rng: np.random.Generator, types: np.ndarray) -> np.ndarray:
    """(N, len(SHAPE)) float64: the measures of cars of these types, (N,) places in `BODY_TYPES`."""
    low, high = np.moveaxis(np.stack(list(_RANGES.values()))[:, types], -1, 0)  # (measures, N) each
    return low.T + (high - low).T * rng.random(low.T.shape)


def draw_albedos(rng: np.random.Generator, count: int) -> np.ndarray:
    """(N, len(ALBEDO)) float64 colours in [0, 1]: drawn alike for all types, so that paint says nothing of the type."""
    return np.stack([_draw_albedo(rng) for _ in range(count)]).reshape(count, len(ALBEDO))


def _draw_albedo(rng: np.random.Generator) -> np.ndarray:
    """(10, 3): one car's colours, part by part in the order of `ALBEDO`."""
    paint = _draw_paint(rng)
    dark = np.full(3, rng.uniform(0.06, 0.16))
    metal = np.full(3, rng.uniform(0.5, 0.85))
    glass = rng.uniform(0.12, 0.3) * np.array([0.85, 1.0, rng.uniform(1.05, 1.3)])
    interior = np.array(colorsys.hsv_to_rgb(rng.uniform(0.0, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.55, 0.85)))
    plate = np.array([0.9, 0.88, 0.82]) if rng.random() < 0.7 else np.array([0.9, 0.75, 0.25])
    roof = _draw_paint(rng) if rng.random() < 0.12 else paint
    bumper = dark * 2 if rng.random() < 0.25 else paint * 0.95
    sill = dark * 2 if rng.random() < 0.3 else paint
    trim = metal if rng.random() < 0.3 else dark
    rim = dark * 2.5 if rng.random() < 0.25 else metal
    spoke_gap = rim * rng.uniform(0.25, 0.8)
    return np.stack([paint, roof, bumper, sill, trim, glass, rim, spoke_gap, interior, plate]).clip(0, 1)


def _draw_paint(rng: np.random.Generator) -> np.ndarray:
    shares = np.array([paint[0] for paint in _PAINTS])
    _, hue, saturation, value = _PAINTS[rng.choice(len(_PAINTS), p=shares / shares.sum())]
    return np.array(colorsys.hsv_to_rgb(rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value)))
