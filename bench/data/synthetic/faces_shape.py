"""Geometry of a synthetic face: the skull, what stands out of it, and where the features lie, from named factors.

Head units: the skull is about 2 high (crown y = -1, chin y = +1), x to the right, y down, z away from the camera, so
the face looks along -z. Template coordinates u, v name a place on the face whatever its shape: they are x, y on the
average skull. Geometry and texture share `features` and `mouth_curves`, so that both put a mouth in the same place.
"""

from __future__ import annotations

import torch
from torch import Tensor

Factors = dict[str, Tensor]
"""Factors of B scenes by name, each (B,), or (B, 3) for colours. `faces_draw` says what there is and its ranges."""

WIDTH, FRONT, BACK, MIDDLE = 0.74, 0.82, 0.86, 0.08  # half-axes of the skull; z of the plane through the ears
EYE_X, EYE_Y, MOUTH_Y, NOSE_Y, BROW_Y = 0.31, 0.02, 0.60, 0.36, -0.17  # where the average face has them


def bump(x: Tensor, centre: Tensor | float, width: Tensor | float) -> Tensor:
    """A smooth hump of height 1."""
    return torch.exp(-(((x - centre) / width) ** 2))


def step(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def skull(f: Factors, latitude: Tensor, longitude: Tensor) -> Tensor:
    """(B, N, 3): the head without its face. Latitude -pi/2 at the crown, pi/2 under the chin; longitude 0 in front."""
    s, c = torch.sin(latitude), torch.cos(latitude).clamp(min=0)
    width = WIDTH * c * (1 + 0.09 * f["head_width"] + (0.16 * f["jaw_width"] + 0.17 * f["fat"]) * bump(s, 0.68, 0.3))
    width = width * (1 + 0.05 * f["cheekbones"] * bump(s, 0.18, 0.2) + 0.04 * bump(s, -0.5, 0.3))
    y = s * (1 + 0.05 * f["head_length"]) + 0.10 * f["chin_length"] * step(s, 0.45, 1)
    y = y + 0.08 * f["forehead"] * s.clamp(max=0)
    front = FRONT * torch.where(s > 0, c**0.38, c**0.8) * torch.cos(longitude).clamp(min=0) ** 0.85
    back = BACK * c**0.7 * (1 - 0.8 * step(s, 0.1, 0.75)) * (-torch.cos(longitude)).clamp(min=0)
    return torch.stack((width * torch.sin(longitude), y, (MIDDLE - front + back).expand_as(y)), -1)


def features(f: Factors) -> dict[str, Tensor]:
    """Where the features of a face lie in template coordinates, each like the factors' shape."""
    return {
        "eye_x": EYE_X + 0.035 * f["eye_distance"],
        "eye_y": EYE_Y + 0 * f["eye_distance"],
        "eye_width": 0.19 + 0.02 * f["eye_size"],
        "brow_y": BROW_Y - 0.035 * f["brow_height"],
        "nose_y": NOSE_Y + 0.05 * f["nose_length"],
        "nose_width": 0.165 + 0.08 * f["nose_width"],
        "mouth_y": MOUTH_Y + 0.025 * f["mouth_height"] + 0.02 * f["nose_length"] - 0.03 * f["lip_raise"],
        "mouth_width": (0.305 + 0.04 * f["mouth_width"])
        * (1 + 0.22 * f["corner_pull"] + 0.25 * f["lip_stretch"] - 0.15 * f["jaw_drop"] - 0.06 * f["lip_press"]),
        "opening": 0.07 * f["lips_part"] + 0.23 * f["jaw_drop"] + 0.02 * f["lip_raise"],
    }


def mouth_curves(f: Factors, at: dict[str, Tensor], u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Template heights of the upper lip's top, the opening's top and bottom, the lower lip's bottom; 1 - t^2 inside."""
    t = u / at["mouth_width"]
    inside = (1 - t * t).clamp(min=0)
    corners = 0.17 * (f["corner_pull"] - 0.85 * f["corner_drop"] - 0.25 * f["lip_stretch"])
    middle = at["mouth_y"] - corners * (t * t - 0.35) - 0.03 * f["chin_raise"] * inside
    lip = (0.08 + 0.055 * f["lip_thickness"]) * (1 - 0.55 * f["lip_press"]) * (1 - 0.15 * f["corner_pull"])
    square = inside ** (0.5 + 0.4 * f["jaw_drop"])
    bow = 1 - 0.22 * bump(t, 0.0, 0.16)
    top_edge = middle - at["opening"] * 0.3 * square - 0.04 * f["lip_raise"] * bump(t, 0.0, 0.6)
    bottom_edge = middle + at["opening"] * 0.7 * square
    return (
        top_edge - 0.85 * lip * bow * inside**0.8,
        top_edge,
        bottom_edge,
        bottom_edge + 1.1 * lip * inside**0.6,
        inside,
    )


def head(f: Factors, latitude: Tensor, longitude: Tensor) -> Tensor:
    """(B, N, 3): the skull with its face, expression included."""
    c, s = torch.cos(latitude), torch.sin(latitude)
    u, v = WIDTH * c * torch.sin(longitude), s
    front = torch.cos(longitude).clamp(min=0) ** 0.5
    point = skull(f, latitude, longitude)
    x, y, z = point.unbind(-1)
    y = y + 0.17 * f["jaw_drop"] * step(v, 0.6, 0.95)
    cheek = f["cheek_raise"] + 0.6 * f["corner_pull"]
    side = torch.where(u < 0, -1.0, 1.0)
    x = x + side * front * (0.10 * f["fat"] + 0.024 * f["corner_pull"]) * bump(u.abs(), 0.5, 0.2) * bump(v, 0.45, 0.25)
    z = z - front * (_relief(f, u, v) + 0.045 * cheek * bump(u.abs(), 0.38, 0.14) * bump(v, 0.28, 0.13))
    return torch.stack((x, y, z), -1)


def _relief(f: Factors, u: Tensor, v: Tensor) -> Tensor:
    """How far the face stands out in front of the skull, at template coordinates."""
    at = features(f)
    a = u.abs()
    brow = 0.035 + 0.02 * f["male"] + 0.015 * f["brow_lower"]
    out = brow * bump(v, at["brow_y"] + 0.03, 0.09) * bump(a, 0.26, 0.26)
    socket = bump(a, at["eye_x"], 0.19) * bump(v, at["eye_y"] + 0.01, 0.12)
    ball = bump(a, at["eye_x"], 0.10) * bump(v, at["eye_y"], 0.085)
    out = out - 0.085 * socket + 0.06 * ball
    out = out - 0.02 * f["wrinkles"] * bump(a, at["eye_x"], 0.14) * bump(v, at["eye_y"] + 0.16, 0.05)
    out = out + (0.05 + 0.03 * f["cheekbones"]) * bump(a, 0.42, 0.16) * bump(v, 0.2, 0.14)
    out = out + 0.08 * f["fat"] * bump(a, 0.4, 0.2) * bump(v, 0.52, 0.2)
    out = out + _nose(f, at, u, v)
    out = out + 0.06 * bump(u, 0.0, 0.3) * bump(v, at["mouth_y"] + 0.02, 0.2)
    top, top_edge, bottom_edge, bottom, inside = mouth_curves(f, at, u)
    lips = step(v, top - 0.03, (top + top_edge) / 2) - step(v, (bottom_edge + bottom) / 2, bottom + 0.03)
    out = out + (0.04 + 0.02 * f["lip_thickness"]) * lips * inside.sqrt()
    gap = step(v, top_edge - 0.02, top_edge + 0.03) - step(v, bottom_edge - 0.03, bottom_edge + 0.02)
    out = out - 0.3 * at["opening"] * gap.clamp(min=0) * inside.sqrt()
    out = out - 0.035 * bump(u, 0.0, 0.2) * bump(v, at["mouth_y"] + 0.19 + 0.5 * at["opening"], 0.05)
    return out + (0.07 + 0.03 * f["chin_length"] + 0.02 * f["chin_raise"]) * bump(u, 0.0, 0.2) * bump(v, 0.93, 0.12)


def _nose(f: Factors, at: dict[str, Tensor], u: Tensor, v: Tensor) -> Tensor:
    root, base = at["eye_y"] - 0.05, at["nose_y"] + 0.06
    along = ((v - root) / (base - root)).clamp(0, 1)  # 0 between the eyes, 1 at the tip
    height = 0.05 + 0.02 * f["nose_bridge"] + (0.20 + 0.05 * f["nose_tip"] + 0.03 * f["nose_length"]) * along**1.3
    height = height * step(v, root - 0.16, root + 0.06) * (1 - step(v, base - 0.05, base + 0.07))
    half = 0.075 + (at["nose_width"] - 0.085) * step(along, 0.45, 0.95)
    wing = bump(u.abs(), at["nose_width"] * 0.72, 0.05) * bump(v, at["nose_y"] + 0.02, 0.06)
    return height * torch.exp(-((u.abs() / half) ** 2.2)) + 0.06 * wing
