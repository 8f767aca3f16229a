"""What is drawn on the skin of a synthetic head, layer by layer: colours of its features and their mask classes.

`over` lays a colour on with an opacity in [0, 1]; mask classes are CelebAMask-HQ's, "l_" being the person's own left.
Each layer takes a `Skin`, points of the head with what has been painted on them so far, and paints on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.data.synthetic.faces_shape import Factors, bump, mouth_curves, step

MASK_CLASSES = ("background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
                "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")  # fmt: skip
ID = {name: number for number, name in enumerate(MASK_CLASSES)}
RED = (1.0, 0.78, 0.76)  # of skin where blood shines through


class At(dict[str, Tensor]):
    """The factors of the image that each of P points belongs to, (P,) or (3, P), gathered when first asked for."""

    def __init__(self, columns: Factors, image: Tensor) -> None:
        super().__init__()
        self._columns, self._image = columns, image

    def __missing__(self, name: str) -> Tensor:
        self[name] = self._columns[name].index_select(-1, self._image)
        return self[name]

    def only(self, rows: Tensor) -> At:
        """Those of some of the points."""
        return At(self._columns, self._image.index_select(0, rows))


def over(below: Tensor, colour: Tensor, opacity: Tensor) -> Tensor:
    """Paint `colour` over `below`, both (3, P), with `opacity` (P,)."""
    return below + opacity * (colour - below)


def rgb(like: Tensor, *channels: float) -> Tensor:
    """(3, 1): one colour for all points."""
    return like.new_tensor(channels)[:, None]


@dataclass
class Skin:
    """P points of a head: where they lie, and what has been painted on them so far."""

    f: At
    u: Tensor  # (P,) template coordinates
    v: Tensor
    facing: Tensor  # (P,) > 0 on the front half
    colour: Tensor  # (3, P)
    mask: Tensor  # (P,) uint8

    @property
    def front(self) -> Tensor:
        return self.facing > 0.02

    def mark(self, where: Tensor, part: Tensor | int) -> None:
        """Gives these points a mask class."""
        self.mask = torch.where(where, part, self.mask).to(torch.uint8)

    def paint(self, where: Tensor, layer: Callable[[Skin], None]) -> None:
        """Draw `layer` on the points that it can reach at all: a layer costs what it covers."""
        rows = where.nonzero().squeeze(1)
        if len(rows) == 0:
            return
        u, v, facing, mask = (x.index_select(0, rows) for x in (self.u, self.v, self.facing, self.mask))
        part = Skin(self.f.only(rows), u, v, facing, self.colour.index_select(1, rows), mask)
        layer(part)
        self.colour.index_copy_(1, rows, part.colour)
        self.mask.index_copy_(0, rows, part.mask)


def cheeks_and_nose(s: Skin) -> None:
    """The blood under cheeks and the nose, whose mask class it gives."""
    f, u, v = s.f, s.u, s.v
    warm = bump(u.abs(), 0.42, 0.2) * bump(v, 0.33, 0.2) + 0.8 * bump(u, 0.0, 0.13) * bump(v, f["nose_y"], 0.12)
    s.colour = over(s.colour, s.colour * rgb(u, *RED), 0.5 * warm)
    root, base = f["eye_y"] - 0.06, f["nose_y"] + 0.08
    along = ((v - root) / (base - root)).clamp(0, 1)
    half = 0.065 + (f["nose_width"] - 0.045) * step(along, 0.35, 0.9)
    s.mark((v > root) & (v < base) & (u.abs() < half), ID["nose"])


def sockets(s: Skin) -> None:
    """The shade of the eye sockets, and bags under the eyes."""
    f, a, v = s.f, s.u.abs(), s.v
    socket = bump(a, f["eye_x"], 0.2) * bump(v, f["eye_y"] - 0.02, 0.1)
    s.colour = over(s.colour, 0.72 * s.colour * rgb(a, *RED), 0.45 * socket)
    bag = bump(a, f["eye_x"] - 0.02, 0.14) * bump(v, f["eye_y"] + 0.15, 0.05)
    s.colour = over(s.colour, s.colour * rgb(a, 0.45, 0.38, 0.48), f["bags"] * bag)


def freckles(s: Skin) -> None:
    """Freckles about nose and cheeks."""
    f, u, v = s.f, s.u, s.v
    spots = (torch.sin(31 * u + f["freckle_phase"]) * torch.sin(37 * v - 2 * f["freckle_phase"])).clamp(min=0)
    where = bump(u.abs(), 0.3, 0.3) * bump(v, 0.28, 0.16)
    s.colour = over(s.colour, 0.55 * f["skin"] * rgb(u, *RED), 0.5 * f["freckles"] * spots * where)


def darken(s: Skin, dark: Tensor) -> None:
    """Lay shadow of an opacity `dark` (P,) on the points."""
    s.colour = over(s.colour, s.colour * rgb(dark, 0.45, 0.36, 0.34), dark.clamp(max=0.9))


def forehead_lines(s: Skin) -> None:
    """Folds of age and of raised or lowered brows, as darker skin."""
    f, u, v = s.f, s.u, s.v
    a, up = u.abs(), f["brow_y"] - v
    raised = torch.maximum(f["inner_brow"] * bump(u, 0.0, 0.22), 0.8 * f["outer_brow"] * bump(a, 0.3, 0.25))
    across = bump(up, 0.17, 0.018) + bump(up, 0.26, 0.018) + bump(up, 0.35, 0.018)
    dark = 0.55 * across * torch.maximum(0.7 * f["wrinkles"] * bump(u, 0.0, 0.35), raised)
    furrow = bump(a, 0.06, 0.022) * bump(up, -0.02, 0.085)
    darken(s, dark + (0.75 * f["brow_lower"] + 0.25 * f["wrinkles"]) * furrow)


def face_lines(s: Skin) -> None:
    """Folds of age and of expression about eyes, nose and mouth, as darker skin."""
    f, u, v = s.f, s.u, s.v
    a, nose = u.abs(), s.v - f["nose_y"]
    wrinkled = bump(v, f["eye_y"] + 0.03, 0.018) + bump(v, f["eye_y"] + 0.09, 0.018)
    dark = 0.7 * f["nose_wrinkle"] * wrinkled * bump(u, 0.0, 0.11)
    slope = f["nose_width"] + 0.04 + (0.24 + 0.10 * f["corner_pull"]) * nose
    fold = bump(a, slope, 0.028) * step(nose, -0.04, 0.05) * (1 - step(v, 0.55, 0.72))
    deep = torch.maximum(f["corner_pull"], 0.9 * f["lip_raise"])
    deep = torch.maximum(deep, torch.maximum(0.8 * f["nose_wrinkle"], 0.75 * f["wrinkles"]))
    dark = dark + 0.6 * fold * deep
    crow = bump(a, f["eye_x"] + f["eye_width"] + 0.05, 0.045) * (0.5 + 0.5 * torch.cos(95 * (v - f["eye_y"])))
    dark = dark + 0.5 * crow * bump(v, f["eye_y"] + 0.02, 0.08) * torch.maximum(f["wrinkles"], 0.8 * f["cheek_raise"])
    droop = bump(a, f["mouth_width"] + 0.06, 0.03) * bump(v, f["mouth_y"] + 0.13, 0.07)
    dark = dark + 0.5 * droop * torch.maximum(f["corner_drop"], 0.6 * f["wrinkles"])
    chin = bump(v, f["mouth_y"] + 0.2 + 0.6 * f["opening"], 0.025) * bump(u, 0.0, 0.16)
    dark = dark + 0.4 * chin * (0.5 + 0.5 * f["chin_raise"])
    nostril = bump(a, 0.5 * f["nose_width"], 0.034) * bump(nose, 0.085, 0.026)
    wing = bump(a, f["nose_width"] + 0.005, 0.022) * bump(nose, 0.035, 0.06)
    darken(s, dark + 0.9 * nostril + 0.4 * wing)


def beard(s: Skin) -> None:
    """Stubble, moustache, goatee and sideburns."""
    f, u, v = s.f, s.u, s.v
    a = u.abs()
    top, _, _, bottom, _ = mouth_curves(f, f, u.clamp(-0.2, 0.2))
    line = 0.44 + 0.25 * bump(u, 0.0, 0.25) - 0.10 * step(a, 0.35, 0.6)
    jaw = step(v, line, line + 0.12) * step(s.facing, -0.2, 0.1)
    lip = step(v - f["nose_y"], 0.10, 0.13) * (1 - step(v, top + 0.01, top + 0.03))
    moustache = lip * (1 - step(a, f["mouth_width"] * 0.95, f["mouth_width"] * 1.2))
    goatee = step(v, bottom - 0.01, bottom + 0.03) * (1 - step(a, 0.2, 0.28))
    burns = step(a, 0.56, 0.6) * step(v, -0.2, -0.1) * (1 - step(v, 0.55, 0.75)) * step(s.facing, 0.0, 0.1)
    shade = 0.55 * f["hair"] + 0.45 * rgb(u, 0.12, 0.09, 0.08)
    skin = over(s.colour, 0.55 * shade + 0.3 * s.colour, 0.75 * f["stubble"] * torch.maximum(jaw, moustache))
    hairs = torch.maximum(torch.maximum(f["moustache"] * moustache, f["goatee"] * goatee), f["sideburns"] * burns)
    s.colour = over(skin, shade, (1.4 * hairs).clamp(max=0.95))


def eye_shadow(s: Skin) -> None:
    """Paint on the upper lids."""
    f, v = s.f, s.v
    lid = step(v, f["brow_y"] + 0.02, f["eye_y"] - 0.07) * (1 - step(v, f["eye_y"], f["eye_y"] + 0.05))
    lid = lid * bump(s.u.abs(), f["eye_x"] + 0.02, 0.17)
    s.colour = over(s.colour, f["eye_shadow_colour"], 0.8 * f["eye_shadow"] * lid)


def blush(s: Skin) -> None:
    """Rouge on the cheeks."""
    cheek = bump(s.u.abs(), 0.43, 0.15) * bump(s.v, 0.32, 0.13)
    s.colour = over(s.colour, s.colour * rgb(s.u, 1.08, 0.55, 0.58), 0.9 * s.f["blush"] * cheek)


def brows(s: Skin) -> None:
    """Eyebrows, moved by expression."""
    f, u, v = s.f, s.u, s.v
    t = (u.abs() - f["eye_x"] - 0.01 + 0.05 * f["brow_lower"]) / 0.205  # -1 at the inner end, 1 at the outer
    outer = (1 + t.clamp(-1, 1)) / 2
    inner = 1 - outer
    middle = f["brow_y"] - (0.03 + 0.075 * f["brow_arch"]) * (1 - (t - 0.25) ** 2)
    middle = middle - 0.17 * f["inner_brow"] * inner - 0.17 * f["outer_brow"] * outer
    middle = middle + f["brow_lower"] * (0.17 * inner + 0.06 * outer)
    half = (0.038 + 0.024 * f["brow_thickness"]) * (1.1 - 0.5 * outer) * (1 - step(t.abs(), 0.85, 1.05))
    strength = (1 - step((v - middle).abs(), 0.6 * half, half + 0.012)) * (half > 0.003)
    colour = 0.6 * f["hair"] + 0.4 * rgb(u, 0.14, 0.10, 0.08)
    s.colour = over(s.colour, colour, f["brow_density"] * strength)
    s.mark(strength > 0.4, torch.where(u > 0, ID["l_brow"], ID["r_brow"]))


def eyes(s: Skin) -> None:
    """Eyeballs with iris and pupil, and the lids around them."""
    f, u, v = s.f, s.u, s.v
    side = torch.where(u < 0, -1.0, 1.0)
    t = (u.abs() - f["eye_x"]) / f["eye_width"]
    b = v - f["eye_y"] + 0.022 * f["eye_slant"] * t + 0.01 * t
    round_ = (1 - t * t).clamp(min=0)
    up = 0.088 + 0.034 * f["eye_opening"] + 0.008 * f["eye_size"] + 0.055 * f["lid_raise"]
    up = up * (1 - 0.35 * f["lid_tight"] - 0.15 * f["brow_lower"]) - 0.01 * f["corner_drop"] * t
    low = 0.062 + 0.02 * f["eye_opening"] + 0.012 * f["lid_raise"]
    low = low * (1 - 0.5 * f["lid_tight"] - 0.45 * f["cheek_raise"])
    top, bottom = -up * round_**0.65, low * round_**0.85
    is_open = (t.abs() < 1) & (b > top) & (b < bottom)
    iris_u, iris_v = u.abs() - f["eye_x"] - 0.03 * side * f["gaze_x"], b + 0.012 - 0.015 * f["gaze_y"]
    distance = (iris_u**2 + iris_v**2).sqrt()
    ball = rgb(u, 0.92, 0.90, 0.88) * (0.75 + 0.25 * round_)
    ball = over(ball, f["iris"], 1 - step(distance, 0.058, 0.070))
    ball = over(ball, rgb(u, 0.02, 0.02, 0.02), 1 - step(distance, 0.022, 0.034))
    dark = rgb(u, 0.10, 0.07, 0.06)
    lash = bump(b, top, 0.016 + 0.012 * f["eye_shadow"]) * (0.75 + 0.25 * f["eye_shadow"])
    crease = 0.4 * bump(b, top - 0.045, 0.014)
    lids = ((lash + 0.35 * bump(b, bottom, 0.012) + crease) * (t.abs() < 1.05)).clamp(max=0.95)
    shut = over(s.colour, dark, lids)
    s.colour = torch.where(is_open, over(ball, dark, (0.8 * bump(b, top, 0.016)).clamp(max=0.9)), shut)
    s.mark(is_open, torch.where(u > 0, ID["l_eye"], ID["r_eye"]))


def mouth(s: Skin) -> None:
    """Lips, and where they part teeth and tongue."""
    f, u, v = s.f, s.u, s.v
    top, top_edge, bottom_edge, bottom, inside = mouth_curves(f, f, u)
    within = (inside > 0) & (v > top) & (v < bottom)
    lips = over(f["lips"], f["lipstick_colour"], 0.9 * f["lipstick"])
    upper, lower = within & (v < top_edge), within & (v > bottom_edge)
    hole = within & ~upper & ~lower
    skin = torch.where(upper, 0.86 * lips, torch.where(lower, lips, s.colour))
    gap = bottom_edge - top_edge
    teeth = 1 - step(v - top_edge, 0.045, 0.06)
    tongue = step(v, bottom_edge - 0.35 * gap, bottom_edge - 0.1 * gap) * step(gap, 0.08, 0.15)
    cave = over(rgb(u, 0.16, 0.03, 0.03), rgb(u, 0.60, 0.22, 0.22), 0.7 * tongue)
    cave = over(cave, rgb(u, 0.93, 0.90, 0.84), teeth * step(gap, 0.015, 0.04))
    skin = torch.where(hole, cave, skin)
    line = bump(v, (top_edge + bottom_edge) / 2, 0.014) * (1 - step(gap, 0.015, 0.04)) * (inside > 0)
    s.colour = over(skin, 0.35 * lips, 0.85 * line)
    for where, name in ((upper, "u_lip"), (lower, "l_lip"), (hole, "mouth")):
        s.mark(where, ID[name])
