"""Geometry of a synthetic head: skull, face, hair, ears, neck, clothes, hat, glasses and earrings, from named factors.

Head units: the skull is about 2 high (crown y = -1, chin y = +1), x to the right, y down, z away from the camera, so
the face looks along -z. Every part is a grid of vertices with fixed faces; what is not worn collapses to a point inside
the head. `coordinates` gives each vertex the fixed place (two numbers) at which the texture is looked up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

Factors = dict[str, Tensor]
"""Factors of B scenes by name, each (B,), or (B, 3) for colours. `faces_draw` says what there is and its ranges."""

HEAD, HAIR, HAT, FRAME, LENS, LEFT_EAR, RIGHT_EAR, EARRING, NECK, CLOTH = range(10)

WIDTH, FRONT, BACK, MIDDLE = 0.74, 0.82, 0.86, 0.08  # half-axes of the skull; z of the plane through the ears
EYE_X, EYE_Y, MOUTH_Y, NOSE_Y, BROW_Y = 0.31, 0.02, 0.60, 0.36, -0.17  # where the average face has them
HIDDEN = (0.0, 0.0, 0.1)  # inside every head


@dataclass(frozen=True)
class Grid:
    """The fixed half of one part: a rows x columns grid of vertices."""

    part: int
    row: Tensor  # (V,) coordinate along the rows
    column: Tensor  # (V,) coordinate along the columns
    faces: Tensor  # (F, 3)


def grid(part: int, rows: Tensor, columns: Tensor, closed: bool) -> Grid:
    """Two triangles per cell; `closed` joins the last column to the first."""
    n, m = len(rows), len(columns)
    i, j = torch.meshgrid(torch.arange(n - 1), torch.arange(m if closed else m - 1), indexing="ij")
    k = (j + 1) % m
    a, b, c, d = i * m + j, i * m + k, (i + 1) * m + j, (i + 1) * m + k
    faces = torch.cat((torch.stack((a, c, b), -1).reshape(-1, 3), torch.stack((b, c, d), -1).reshape(-1, 3)))
    return Grid(part, rows.repeat_interleave(m), columns.repeat(n), faces)


@cache
def parts() -> list[Grid]:
    """All parts in drawing order. Head: latitude x longitude (0 in front); others: see what shapes them."""
    front = torch.linspace(-math.pi / 2, math.pi / 2, 41)
    back = torch.linspace(math.pi / 2, 3 * math.pi / 2, 15)[1:-1]
    around = torch.cat((front, back))
    spread = torch.linspace(-1, 1, 57)
    latitude = math.pi / 2 * (spread - 0.18 * torch.sin(math.pi * spread) * (1 - spread) / 2 * -1)
    turn = torch.linspace(-math.pi, math.pi, 49)[:-1]
    ring, square = torch.linspace(0, 2 * math.pi, 25)[:-1], torch.linspace(0, 2 * math.pi, 5)[:-1]
    ball = torch.linspace(-math.pi / 2, math.pi / 2, 8)
    circle = torch.linspace(0, 2 * math.pi, 11)[:-1]
    line = torch.linspace(0, 1, 6)
    out = [
        grid(HEAD, latitude, around, closed=True),
        grid(HAIR, torch.linspace(0, 1, 26), turn, closed=True),
        grid(HAT, torch.linspace(0, 1, 14), turn[::2], closed=True),
        grid(NECK, torch.linspace(0.4, 1.9, 10), turn[::2], closed=True),
        grid(CLOTH, torch.linspace(0, 1, 10), turn[::2], closed=True),
    ]
    out += [grid(part, ball, circle, closed=True) for part in (LEFT_EAR, RIGHT_EAR)]
    out += [grid(EARRING, ball[::2], circle[::2], closed=True) for _ in range(2)]
    out += [grid(FRAME, ring, square, closed=True) for _ in range(2)]  # rings: closed both ways, see faces()
    out += [grid(FRAME, line, square, closed=True) for _ in range(3)]  # bridge, temples
    out += [grid(LENS, torch.linspace(0, 1, 2), ring, closed=True) for _ in range(2)]
    return out


@cache
def faces() -> Tensor:
    """(F, 3) int64: the triangles of all parts."""
    out, start = [], 0
    for part in parts():
        out.append(part.faces + start)
        if part.part == FRAME and part.row[-1] > 1:  # a ring: join the last cross-section to the first
            last, first = torch.arange(4) + len(part.row) - 4, torch.arange(4)
            turned = (first + 1) % 4
            out.append(torch.stack((last, first, last[turned]), -1) + start)
            out.append(torch.stack((last[turned], first, first[turned]), -1) + start)
        start += len(part.row)
    return torch.cat(out)


@cache
def coordinates() -> tuple[Tensor, Tensor]:
    """Where the texture is looked up: (V, 3) per vertex, and the part of each face (F,).

    Head: template x, y (as on the average face) and the cosine of the longitude, > 0 on the front half. Hair: longitude
    as cosine and sine, and the row. All others: row, and cosine and sine of the column.
    """
    places, owner, start = [], [], 0
    for part in parts():
        turned = (torch.cos(part.column), torch.sin(part.column))
        if part.part == HEAD:
            c = torch.cos(part.row)
            place = (WIDTH * c * turned[1], torch.sin(part.row), turned[0])
        else:
            place = (part.row, *turned)
        places.append(torch.stack(place, -1))
        owner.append(torch.full((len(part.row),), part.part))
        start += len(part.row)
    return torch.cat(places), torch.cat(owner)[faces()[:, 0]]


def head_vertices(f: Factors) -> Tensor:
    """(B, V, 3): all parts in head units."""
    f = {name: value[:, None] for name, value in f.items() if value.dim() == 1}
    shapers = {HEAD: _head, HAIR: _hair, HAT: _hat, NECK: _neck, CLOTH: _cloth}
    sides = {LEFT_EAR: 1, RIGHT_EAR: -1}  # the person's left is on the right of the picture
    out, earring, frame, lens = [], 1, 0, 1
    for part in parts():
        if part.part in shapers:
            out.append(shapers[part.part](f, part.row, part.column))
        elif part.part in sides:
            out.append(_ear(f, part.row, part.column, sides[part.part]))
        elif part.part == EARRING:
            out.append(_earring(f, part.row, part.column, earring))
            earring = -1
        elif part.part == FRAME:
            out.append(_frame(f, part.row, part.column, frame))
            frame += 1
        else:
            out.append(_lens(f, part.row, part.column, lens))
            lens = -1
    return torch.cat(out, 1)


# --------------------------------------------------------------------------------------------------------------- head


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
    width = WIDTH * c * (1 + 0.09 * f["head_width"] + (0.16 * f["jaw_width"] + 0.10 * f["fat"]) * bump(s, 0.68, 0.3))
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
        "nose_width": 0.155 + 0.045 * f["nose_width"],
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
    lip = (0.074 + 0.03 * f["lip_thickness"]) * (1 - 0.55 * f["lip_press"]) * (1 - 0.15 * f["corner_pull"])
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


def _head(f: Factors, latitude: Tensor, longitude: Tensor) -> Tensor:
    c, s = torch.cos(latitude), torch.sin(latitude)
    u, v = WIDTH * c * torch.sin(longitude), s
    front = torch.cos(longitude).clamp(min=0) ** 0.5
    point = skull(f, latitude, longitude)
    x, y, z = point.unbind(-1)
    y = y + 0.17 * f["jaw_drop"] * step(v, 0.6, 0.95)
    cheek = f["cheek_raise"] + 0.6 * f["corner_pull"]
    side = torch.where(u < 0, -1.0, 1.0)
    x = x + side * front * 0.06 * (f["fat"] + 0.4 * f["corner_pull"]) * bump(u.abs(), 0.5, 0.2) * bump(v, 0.45, 0.25)
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
    out = out + 0.05 * f["fat"] * bump(a, 0.4, 0.2) * bump(v, 0.52, 0.2)
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


# --------------------------------------------------------------------------------------------------------- hair and hat


def hair_end(f: Factors, longitude: Tensor) -> Tensor:
    """Where the hair ends, as a latitude; beyond 0 the hair hangs straight down and it counts height instead."""
    a = longitude.abs()
    fringe = -0.74 - 0.16 * f["hairline"] - 0.10 * f["hairline"] * bump(a, 0.55, 0.2)
    fringe = torch.where(f["bangs"] > 0.5, -0.27 + 0.04 * torch.sin(9 * longitude + 3 * f["parting"]), fringe)
    sides = 0.02 + 0.30 * f["sideburns"] + 1.35 * step(f["hair_length"], 0.25, 0.9)
    nape = 0.50 + 0.9 * step(f["hair_length"], 0.25, 0.9)
    end = fringe + (sides - fringe) * step(a, 0.95, 1.35)
    return end + (nape - sides) * step(a, 1.6, 2.0)


def _hair(f: Factors, row: Tensor, longitude: Tensor) -> Tensor:
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
    thick = torch.where((f["bald"] > 0.5), -0.08, thick)
    thick = torch.where((f["hat"] > 0.5) & (thick > 0.05), 0.05 + (thick - 0.05) * step(place, -0.6, -0.2), thick)
    flat = torch.cos(on_skull)
    direction = torch.stack((flat * torch.sin(longitude), torch.sin(on_skull), -flat * torch.cos(longitude)), -1)
    hair = point + thick[..., None] * direction
    drop = torch.where(f["bald"] > 0.5, 0.0, below)
    narrow = 1 - 0.12 * step(drop, 0.5, 1.3)
    return torch.stack((hair[..., 0] * narrow, hair[..., 1] + drop, hair[..., 2] + 0.05 * drop), -1)


def _hat(f: Factors, row: Tensor, longitude: Tensor) -> Tensor:
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


def _neck(f: Factors, y: Tensor, turn: Tensor) -> Tensor:
    radius = (0.40 + 0.06 * f["neck_width"] + 0.05 * f["fat"]) * (1 + 0.25 * step(y, 1.1, 1.6))
    return torch.stack((radius * torch.sin(turn), y.expand_as(radius), 0.12 - 0.95 * radius * torch.cos(turn)), -1)


def _cloth(f: Factors, row: Tensor, turn: Tensor) -> Tensor:
    collar = 0.44 + 0.06 * f["neck_width"] + 0.05 * f["fat"]
    broad = 1.25 + 0.12 * f["neck_width"]
    across = collar + (broad - collar) * step(row, 0.0, 0.75)
    deep = collar + 0.25 * step(row, 0.0, 0.6)
    y = 1.20 + 0.12 * torch.cos(turn).clamp(min=0) * (1 - row) + 1.1 * row**1.6
    return torch.stack((across * torch.sin(turn), y.expand_as(across), 0.14 - deep * torch.cos(turn)), -1)


def _ear(f: Factors, row: Tensor, turn: Tensor, side: int) -> Tensor:
    size = 1 + 0.25 * f["ear_size"]
    x = WIDTH * (1 + 0.09 * f["head_width"]) - 0.01 + 0.075 * size * torch.cos(row) * torch.cos(turn)
    y = 0.14 + 0.21 * size * torch.sin(row)
    z = 0.10 + 0.11 * size * torch.cos(row) * torch.sin(turn) + 0.5 * (x - WIDTH)
    return torch.stack((side * x, y.expand_as(x), z), -1)


def _earring(f: Factors, row: Tensor, turn: Tensor, side: int) -> Tensor:
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


def _frame(f: Factors, row: Tensor, corner: Tensor, which: int) -> Tensor:
    """Tubes of square cross-section: two rims, the bridge, two temples."""
    side = 1 if which in (0, 3) else -1
    if which < 2:
        middle = _rim(f, row, side)
        outward = torch.stack((side * torch.cos(row), torch.sin(row), 0 * row), -1)
        across = outward.new_tensor([0.0, 0.0, 1.0]).expand_as(outward)
    else:
        inner, outer = EYE_X + 0.035 * f["eye_distance"] - 0.205, EYE_X + 0.035 * f["eye_distance"] + 0.245
        if which == 2:
            x = inner * (2 * row - 1)
            middle = torch.stack((x, (EYE_Y + 0 * x), _glasses_depth(f, x)), -1)
        else:
            ear = WIDTH * (1 + 0.09 * f["head_width"]) + 0.02
            x = outer + (ear - outer) * row
            start = _glasses_depth(f, outer)
            middle = torch.stack((side * x, EYE_Y + 0 * x, start + (0.1 - start) * row), -1)
        outward = middle.new_tensor([0.0, 1.0, 0.0]).expand(len(row), 3)
        across = middle.new_tensor([0.7, 0.0, 0.7]).expand(len(row), 3) * middle.new_tensor([side, 1, 1])
    radius = 0.026
    tube = middle + radius * (torch.cos(corner)[:, None] * outward + torch.sin(corner)[:, None] * across)
    return _worn(tube, f["glasses"])


def _lens(f: Factors, row: Tensor, angle: Tensor, side: int) -> Tensor:
    rim, centre = _rim(f, angle, side), _rim(f, angle, side).mean(1, keepdim=True)
    return _worn(centre + row[:, None] * (rim - centre), f["sunglasses"])
