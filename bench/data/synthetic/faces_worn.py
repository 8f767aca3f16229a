"""Geometry of what belongs to a synthetic head besides the face: hair, ears, neck, clothes, hat, earrings, glasses.

Each function shapes one grid of vertices: factors (B, 1) each, and the coordinates (N,) of the vertices along the
grid's rows and columns, give points (B, N, 3) in head units. What is not worn collapses to one point inside the head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.data.synthetic.faces_shape import EYE_X, EYE_Y, FRONT, MIDDLE, WIDTH, Factors, bump, skull, step

HIDDEN = (0.0, 0.0, 0.1)  # inside every head


def hair_end(f: Factors, longitude: Tensor) -> Tensor:
    """Where the hair ends, as a latitude; beyond 0 the hair hangs straight down and it counts height instead."""
    a = longitude.abs()
    fringe = -0.71 - 0.24 * f["hairline"] - 0.10 * f["hairline"] * bump(a, 0.55, 0.2)
    fringe = torch.where(f["bangs"] > 0.5, -0.27 + 0.04 * torch.sin(9 * longitude + 3 * f["parting"]), fringe)
    sides = 0.02 + 0.30 * f["sideburns"] + 1.35 * step(f["hair_length"], 0.25, 0.9)
    nape = 0.50 + 0.9 * step(f["hair_length"], 0.25, 0.9)
    end = fringe + (sides - fringe) * step(a, 0.95, 1.35)
    return end + (nape - sides) * step(a, 1.6, 2.0)


def hair(f: Factors, row: Tensor, longitude: Tensor) -> Tensor:
    """A shell over the skull from crown to `hair_end`; the bald wear none."""
    end = hair_end(f, longitude)
    place = -math.pi / 2 + row * (end + math.pi / 2)
    on_skull, below = place.clamp(max=0.0), place.clamp(min=0)
    point = skull(f, on_skull, longitude)
    thick = 0.07 + 0.05 * f["hair_volume"] + 0.08 * f["hair_wave"] + 0.05 * step(f["hair_length"], 0.2, 0.8)
    top = 1 + 0.8 * (0.5 + 0.5 * f["hair_volume"]) * bump(place, -1.2, 0.6)
    part = 1 - 0.5 * bump(longitude, 0.6 * f["parting"], 0.12) * bump(place, -1.0, 0.35)
    curl = 0.045 * step(f["hair_wave"], 0.3, 0.7) * torch.sin(11 * place + 5 * longitude) * step(place, -1.4, -0.6)
    hanging = step(end, 0.1, 0.5)
    tuck = 1 - (1 - hanging) * step(row, 0.84, 1.0)
    thick = (thick * top * part + curl) * tuck - 0.03 * (1 - tuck)
    thick = torch.where((f["hat"] > 0.5) & (thick > 0.05), 0.05 + (thick - 0.05) * step(place, -0.6, -0.2), thick)
    flat = torch.cos(on_skull)
    direction = torch.stack((flat * torch.sin(longitude), torch.sin(on_skull), -flat * torch.cos(longitude)), -1)
    hair = point + thick[..., None] * direction
    narrow = 1 - 0.12 * step(below, 0.5, 1.3)
    hanging_down = torch.stack((hair[..., 0] * narrow, hair[..., 1] + below, hair[..., 2] + 0.05 * below), -1)
    return _worn(hanging_down, 1 - f["bald"])


def hat(f: Factors, row: Tensor, longitude: Tensor) -> Tensor:
    """A dome over the hair, and from row 0.7 on a brim: none, in front, or all round."""
    rim = -0.50
    dome = -math.pi / 2 + (row / 0.7).clamp(max=1) * (rim + math.pi / 2)
    point = skull(f, dome, longitude)
    thick = 0.11 + 0.02 * f["hair_volume"] + 0.10 * bump(dome, -1.3, 0.5)
    flat = torch.cos(dome)
    direction = torch.stack((flat * torch.sin(longitude), torch.sin(dome), -flat * torch.cos(longitude)), -1)
    hat = point + thick[..., None] * direction
    out = ((row - 0.7) / 0.3).clamp(min=0)
    in_front = step(torch.cos(longitude), 0.2, 0.8)
    reach = 0.38 * torch.where(f["hat_brim"] > 1.5, 0.8, torch.where(f["hat_brim"] > 0.5, in_front, 0.0)) * out
    sideways = torch.stack((torch.sin(longitude), 0.25 + 0 * longitude, -torch.cos(longitude)), -1)
    return _worn(hat + reach[..., None] * sideways, f["hat"])


# ------------------------------------------------------------------------------------------- neck, clothes, trinkets


def _worn(points: Tensor, flag: Tensor) -> Tensor:
    return torch.where(flag[..., None] > 0.5, points, points.new_tensor(HIDDEN))


def neck(f: Factors, y: Tensor, turn: Tensor) -> Tensor:
    """A tube; its rows are heights."""
    radius = (0.40 + 0.06 * f["neck_width"] + 0.05 * f["fat"]) * (1 + 0.25 * step(y, 1.1, 1.6))
    return torch.stack((radius * torch.sin(turn), y.expand_as(radius), 0.12 - 0.95 * radius * torch.cos(turn)), -1)


def cloth(f: Factors, row: Tensor, turn: Tensor) -> Tensor:
    """From the collar over the shoulders to below the picture."""
    collar = 0.44 + 0.06 * f["neck_width"] + 0.05 * f["fat"]
    broad = 1.25 + 0.12 * f["neck_width"]
    across = collar + (broad - collar) * step(row, 0.0, 0.75)
    deep = collar + 0.25 * step(row, 0.0, 0.6)
    y = 1.20 + 0.12 * torch.cos(turn).clamp(min=0) * (1 - row) + 1.1 * row**1.6
    return torch.stack((across * torch.sin(turn), y.expand_as(across), 0.14 - deep * torch.cos(turn)), -1)


def ear(f: Factors, row: Tensor, turn: Tensor, side: int) -> Tensor:
    """A flat ball; `side` 1 is the person's left, on the right of the picture."""
    size = 1 + 0.25 * f["ear_size"]
    x = WIDTH * (1 + 0.09 * f["head_width"]) - 0.01 + 0.075 * size * torch.cos(row) * torch.cos(turn)
    y = 0.14 + 0.21 * size * torch.sin(row)
    z = 0.10 + 0.11 * size * torch.cos(row) * torch.sin(turn) + 0.5 * (x - WIDTH)
    return torch.stack((side * x, y.expand_as(x), z), -1)


def earring(f: Factors, row: Tensor, turn: Tensor, side: int) -> Tensor:
    """A ball under the ear."""
    x = WIDTH * (1 + 0.09 * f["head_width"]) + 0.05 + 0.07 * torch.cos(row) * torch.cos(turn)
    y = 0.14 + 0.21 * (1 + 0.25 * f["ear_size"]) + 0.07 + 0.085 * torch.sin(row)
    z = 0.08 + 0.07 * torch.cos(row) * torch.sin(turn)
    return _worn(torch.stack((side * x, y.expand_as(x), z.expand_as(x)), -1), f["earrings"])


def _rim(f: Factors, angle: Tensor, side: int) -> Tensor:
    """(B, N, 3): the middle line of a glass's rim, a superellipse bent round the face."""
    power = 2 / f["glasses_shape"]
    c, s = torch.cos(angle), torch.sin(angle)
    x = EYE_X + 0.035 * f["eye_distance"] + 0.02 + 0.225 * c.sign() * c.abs() ** power
    y = EYE_Y + 0.045 + 0.165 * s.sign() * s.abs() ** power
    return torch.stack((side * x, y, _glasses_depth(f, x)), -1)


def _glasses_depth(f: Factors, x: Tensor) -> Tensor:
    return MIDDLE - FRONT - 0.09 - 0.02 * f["nose_bridge"] + 0.35 * x**2


def rim(f: Factors, angle: Tensor, corner: Tensor, side: int) -> Tensor:
    """The tube around one glass."""
    outward = torch.stack((side * torch.cos(angle), torch.sin(angle), 0 * angle), -1)
    across = outward.new_tensor([0.0, 0.0, 1.0]).expand_as(outward)
    return _tube(f, _rim(f, angle, side), outward, across, corner)


def bridge(f: Factors, row: Tensor, corner: Tensor) -> Tensor:
    """The tube between the glasses, over the nose."""
    x = (EYE_X + 0.035 * f["eye_distance"] - 0.205) * (2 * row - 1)
    middle = torch.stack((x, EYE_Y + 0 * x, _glasses_depth(f, x)), -1)
    return _tube(f, middle, middle.new_tensor([0.0, 1.0, 0.0]), middle.new_tensor([-0.7, 0.0, 0.7]), corner)


def temple(f: Factors, row: Tensor, corner: Tensor, side: int) -> Tensor:
    """The tube from a glass back to the ear."""
    hinge = EYE_X + 0.035 * f["eye_distance"] + 0.245
    x = hinge + (WIDTH * (1 + 0.09 * f["head_width"]) + 0.02 - hinge) * row
    start = _glasses_depth(f, hinge)
    middle = torch.stack((side * x, EYE_Y + 0 * x, start + (0.1 - start) * row), -1)
    return _tube(f, middle, middle.new_tensor([0.0, 1.0, 0.0]), middle.new_tensor([0.7 * side, 0.0, 0.7]), corner)


def _tube(f: Factors, middle: Tensor, outward: Tensor, across: Tensor, corner: Tensor) -> Tensor:
    """(B, N, 3) points at angle `corner` (N,) around the tube's middle line; collapsed where no glasses are worn."""
    around = torch.cos(corner)[:, None] * outward + torch.sin(corner)[:, None] * across
    return _worn(middle + 0.026 * around, f["glasses"])


def lens(f: Factors, row: Tensor, angle: Tensor, side: int) -> Tensor:
    """Dark glass: a disc within the rim."""
    rim, centre = _rim(f, angle, side), _rim(f, angle, side).mean(1, keepdim=True)
    return _worn(centre + row[:, None] * (rim - centre), f["sunglasses"])
