"""Texture of a synthetic head: albedo and mask class at any point of its surface, computed rather than stored.

Colours are painted in layers, skin first; `over` lays a colour on with an opacity in [0, 1]. Mask classes are
CelebAMask-HQ's; "l_" is the person's own left.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.data.synthetic.faces_mesh import (
    CLOTH,
    EARRING,
    FRAME,
    HAIR,
    HAT,
    HEAD,
    LEFT_EAR,
    LENS,
    NECK,
    RIGHT_EAR,
    coordinates,
    face_kinds,
)
from bench.data.synthetic.faces_shape import Factors, bump, features, mouth_curves, step
from bench.data.synthetic.scene import Paint, Surface

MASK_CLASSES = ("background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
                "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")  # fmt: skip
ID = {name: number for number, name in enumerate(MASK_CLASSES)}


def painter(factors: Factors) -> Paint:
    """The texture of B heads: what `scene.render` asks for the colour and class of each sub-pixel."""
    layers = {HEAD: _head, HAIR: _hair, HAT: _hat, NECK: _neck, CLOTH: _cloth}
    plain = {
        FRAME: ("frame", "eye_g"),
        EARRING: ("metal", "ear_r"),
        LEFT_EAR: ("skin", "l_ear"),
        RIGHT_EAR: ("skin", "r_ear"),
    }

    def paint(surface: Surface) -> tuple[Tensor, Tensor]:
        albedo = surface.depth.new_zeros(len(surface.depth), 3)
        mask = surface.depth.new_zeros(len(surface.depth), dtype=torch.uint8)
        place, kind = surface.interpolate(coordinates()), face_kinds()[surface.face]
        for number in range(10):
            here = (kind == number).nonzero().squeeze(1)
            if len(here) == 0:
                continue
            image = surface.image[here]
            if number in layers:
                f = _At(factors, image)
                albedo[here], mask[here] = layers[number](f, *place[here].unbind(1))
            elif number == LENS:
                albedo[here], mask[here] = albedo.new_tensor([0.05, 0.05, 0.06]), ID["eye_g"]
            else:
                colour, name = plain[number]
                albedo[here], mask[here] = factors[colour][image], ID[name]
        return albedo.clamp(0.01, 0.98), mask

    return paint


class _At(dict[str, Tensor]):
    """The factors of the image that each sub-pixel belongs to, gathered when first asked for."""

    def __init__(self, factors: Factors, image: Tensor) -> None:
        super().__init__()
        self._factors, self._image = factors, image

    def __missing__(self, name: str) -> Tensor:
        self[name] = self._factors[name][self._image]
        return self[name]


def over(below: Tensor, colour: Tensor, opacity: Tensor) -> Tensor:
    """Paint `colour` over `below`, both (P, 3), with `opacity` (P,)."""
    return below + opacity[:, None] * (colour - below)


# --------------------------------------------------------------------------------------------------------------- face


def _head(f: Factors, u: Tensor, v: Tensor, facing: Tensor) -> tuple[Tensor, Tensor]:
    """Skin, then everything drawn on it, back to front."""
    at = features(f)
    front = facing > 0.02
    mask = torch.where(front & _on_nose(at, u, v), ID["nose"], ID["skin"]).to(torch.uint8)
    skin = _skin(f, at, u, v)
    skin = _lines(f, at, skin, u, v)
    skin = _beard(f, at, skin, u, v, facing)
    skin = _make_up(f, at, skin, u, v)
    for draw in (_brows, _eyes, _mouth):
        skin, mask = draw(f, at, skin, mask, u, v, front)
    return skin, mask


def _on_nose(at: dict[str, Tensor], u: Tensor, v: Tensor) -> Tensor:
    root, base = at["eye_y"] - 0.06, at["nose_y"] + 0.08
    along = ((v - root) / (base - root)).clamp(0, 1)
    half = 0.065 + (at["nose_width"] - 0.045) * step(along, 0.35, 0.9)
    return (v > root) & (v < base) & (u.abs() < half)


def _skin(f: Factors, at: dict[str, Tensor], u: Tensor, v: Tensor) -> Tensor:
    a = u.abs()
    skin = f["skin"]
    blotches = torch.sin(5 * u + f["freckle_phase"]) * torch.sin(6 * v + 2 * f["freckle_phase"])
    skin = skin * (1 + 0.025 * blotches)[:, None]
    red = torch.stack((skin[:, 0], 0.78 * skin[:, 1], 0.76 * skin[:, 2]), -1)
    warm = bump(a, 0.42, 0.2) * bump(v, 0.33, 0.2) + 0.8 * bump(u, 0.0, 0.13) * bump(v, at["nose_y"], 0.12)
    skin = over(skin, red, 0.5 * warm)
    socket = bump(a, at["eye_x"], 0.2) * bump(v, at["eye_y"] - 0.02, 0.1)
    skin = over(skin, 0.72 * red, 0.45 * socket)
    bag = bump(a, at["eye_x"] - 0.02, 0.13) * bump(v, at["eye_y"] + 0.145, 0.04)
    skin = over(
        skin, torch.stack((0.60 * skin[:, 0], 0.52 * skin[:, 1], 0.60 * skin[:, 2]), -1), 0.85 * f["bags"] * bag
    )
    spots = (torch.sin(31 * u + f["freckle_phase"]) * torch.sin(37 * v - 2 * f["freckle_phase"])).clamp(min=0)
    where = bump(a, 0.3, 0.3) * bump(v, 0.28, 0.16)
    return over(skin, 0.55 * red, 0.5 * f["freckles"] * spots * where)


def _lines(f: Factors, at: dict[str, Tensor], skin: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Folds of age and of expression, as darker skin."""
    a = u.abs()
    raised = torch.maximum(f["inner_brow"] * bump(u, 0.0, 0.22), 0.8 * f["outer_brow"] * bump(a, 0.3, 0.25))
    across = (
        bump(v, at["brow_y"] - 0.17, 0.018) + bump(v, at["brow_y"] - 0.26, 0.018) + bump(v, at["brow_y"] - 0.35, 0.018)
    )
    dark = 0.55 * across * torch.maximum(0.7 * f["wrinkles"] * bump(u, 0.0, 0.35), raised)
    furrow = bump(a, 0.06, 0.022) * bump(v, at["brow_y"] + 0.02, 0.085)
    dark = dark + 0.75 * f["brow_lower"] * furrow + 0.25 * f["wrinkles"] * furrow
    wrinkled = bump(v, at["eye_y"] + 0.03, 0.018) + bump(v, at["eye_y"] + 0.09, 0.018)
    dark = dark + 0.7 * f["nose_wrinkle"] * wrinkled * bump(u, 0.0, 0.11)
    slope = at["nose_width"] + 0.04 + (0.24 + 0.10 * f["corner_pull"]) * (v - at["nose_y"])
    fold = bump(a, slope, 0.028) * step(v, at["nose_y"] - 0.04, at["nose_y"] + 0.05) * (1 - step(v, 0.55, 0.72))
    deep = torch.stack((f["corner_pull"], 0.9 * f["lip_raise"], 0.8 * f["nose_wrinkle"], 0.75 * f["wrinkles"])).amax(0)
    dark = dark + 0.6 * fold * deep
    crow = bump(a, at["eye_x"] + at["eye_width"] + 0.05, 0.045) * (0.5 + 0.5 * torch.cos(95 * (v - at["eye_y"])))
    dark = dark + 0.5 * crow * bump(v, at["eye_y"] + 0.02, 0.08) * torch.maximum(f["wrinkles"], 0.8 * f["cheek_raise"])
    droop = bump(a, at["mouth_width"] + 0.06, 0.03) * bump(v, at["mouth_y"] + 0.13, 0.07)
    dark = dark + 0.5 * droop * torch.maximum(f["corner_drop"], 0.6 * f["wrinkles"])
    chin = bump(v, at["mouth_y"] + 0.2 + 0.6 * at["opening"], 0.025) * bump(u, 0.0, 0.16)
    dark = dark + 0.4 * chin * (0.5 + 0.5 * f["chin_raise"])
    nostril = bump(a, 0.5 * at["nose_width"], 0.034) * bump(v, at["nose_y"] + 0.085, 0.026)
    dark = (dark + 0.9 * nostril).clamp(max=0.9)
    return over(skin, skin * skin.new_tensor([0.45, 0.36, 0.34]), dark)


def _beard(f: Factors, at: dict[str, Tensor], skin: Tensor, u: Tensor, v: Tensor, facing: Tensor) -> Tensor:
    a = u.abs()
    top, _, _, bottom, _ = mouth_curves(f, at, u.clamp(-0.2, 0.2))
    line = 0.44 + 0.25 * bump(u, 0.0, 0.25) - 0.10 * step(a, 0.35, 0.6)
    jaw = step(v, line, line + 0.12) * step(facing, -0.2, 0.1)
    lip = step(v, at["nose_y"] + 0.10, at["nose_y"] + 0.13) * (1 - step(v, top + 0.01, top + 0.03))
    moustache = lip * (1 - step(a, at["mouth_width"] * 0.95, at["mouth_width"] * 1.2))
    goatee = step(v, bottom - 0.01, bottom + 0.03) * (1 - step(a, 0.2, 0.28))
    burns = step(a, 0.56, 0.6) * step(v, -0.2, -0.1) * (1 - step(v, 0.55, 0.75)) * step(facing, 0.0, 0.1)
    shade = 0.55 * f["hair"] + 0.45 * f["hair"].new_tensor([0.12, 0.09, 0.08])
    skin = over(skin, 0.55 * shade + 0.3 * skin, 0.62 * f["stubble"] * torch.maximum(jaw, moustache))
    hairs = torch.stack((f["moustache"] * moustache, f["goatee"] * goatee, f["sideburns"] * burns)).amax(0)
    return over(skin, shade, (1.4 * hairs).clamp(max=0.95))


def _make_up(f: Factors, at: dict[str, Tensor], skin: Tensor, u: Tensor, v: Tensor) -> Tensor:
    a = u.abs()
    lid = (
        bump(a, at["eye_x"] + 0.02, 0.17)
        * step(v, at["brow_y"] + 0.02, at["eye_y"] - 0.07)
        * (1 - step(v, at["eye_y"], at["eye_y"] + 0.05))
    )
    skin = over(skin, f["eye_shadow_colour"], 0.8 * f["eye_shadow"] * lid)
    cheek = bump(a, 0.43, 0.15) * bump(v, 0.32, 0.13)
    rose = skin * skin.new_tensor([1.08, 0.55, 0.58])
    return over(skin, rose, 0.9 * f["blush"] * cheek)


def _brows(
    f: Factors, at: dict[str, Tensor], skin: Tensor, mask: Tensor, u: Tensor, v: Tensor, front: Tensor
) -> tuple[Tensor, Tensor]:
    t = (u.abs() - at["eye_x"] - 0.01 + 0.05 * f["brow_lower"]) / 0.205  # -1 at the inner end, 1 at the outer
    inner, outer = (1 - t.clamp(-1, 1)) / 2, (1 + t.clamp(-1, 1)) / 2
    middle = at["brow_y"] - (0.03 + 0.04 * f["brow_arch"]) * (1 - (t - 0.25) ** 2)
    middle = middle - 0.17 * f["inner_brow"] * inner - 0.17 * f["outer_brow"] * outer
    middle = middle + 0.17 * f["brow_lower"] * inner + 0.06 * f["brow_lower"] * outer
    half = (0.038 + 0.015 * f["brow_thickness"]) * (1.1 - 0.5 * outer) * (1 - step(t.abs(), 0.85, 1.05))
    off = (v - middle).abs()
    colour = 0.6 * f["hair"] + 0.4 * f["hair"].new_tensor([0.14, 0.10, 0.08])
    strength = (1 - step(off, 0.6 * half, half + 0.012)) * (half > 0.003) * front
    mask = torch.where(strength > 0.4, torch.where(u > 0, ID["l_brow"], ID["r_brow"]), mask.long()).to(torch.uint8)
    return over(skin, colour, f["brow_density"] * strength), mask


def _eyes(
    f: Factors, at: dict[str, Tensor], skin: Tensor, mask: Tensor, u: Tensor, v: Tensor, front: Tensor
) -> tuple[Tensor, Tensor]:
    side = torch.where(u < 0, -1.0, 1.0)
    t = (u.abs() - at["eye_x"]) / at["eye_width"]
    b = v - at["eye_y"] + 0.022 * f["eye_slant"] * t + 0.01 * t
    round_ = (1 - t * t).clamp(min=0)
    up = 0.088 + 0.022 * f["eye_opening"] + 0.008 * f["eye_size"] + 0.055 * f["lid_raise"]
    up = up * (1 - 0.35 * f["lid_tight"] - 0.15 * f["brow_lower"]) - 0.01 * f["corner_drop"] * t
    low = 0.062 + 0.012 * f["eye_opening"] + 0.012 * f["lid_raise"]
    low = low * (1 - 0.5 * f["lid_tight"] - 0.45 * f["cheek_raise"])
    top, bottom = -up * round_**0.65, low * round_**0.85
    is_open = front & (t.abs() < 1) & (b > top) & (b < bottom)
    iris_u, iris_v = side * (u - side * at["eye_x"] - 0.03 * f["gaze_x"]), b + 0.012 - 0.015 * f["gaze_y"]
    distance = (iris_u**2 + iris_v**2).sqrt()
    ball = skin.new_tensor([0.92, 0.90, 0.88]).expand_as(skin) * (0.75 + 0.25 * round_)[:, None]
    ball = over(ball, f["iris"], 1 - step(distance, 0.058, 0.070))
    ball = over(ball, skin.new_tensor([0.02, 0.02, 0.02]).expand_as(skin), 1 - step(distance, 0.022, 0.034))
    dark = skin.new_tensor([0.10, 0.07, 0.06]).expand_as(skin)
    lash = bump(b, top, 0.016 + 0.012 * f["eye_shadow"]) * (0.75 + 0.25 * f["eye_shadow"]) + 0.35 * bump(
        b, bottom, 0.012
    )
    crease = 0.4 * bump(b, top - 0.045, 0.014)
    lids = ((lash + crease) * (t.abs() < 1.05) * front).clamp(max=0.95)
    skin = over(skin, dark, lids)
    skin = torch.where(is_open[:, None], over(ball, dark, (0.8 * bump(b, top, 0.016)).clamp(max=0.9)), skin)
    mask = torch.where(is_open, torch.where(u > 0, ID["l_eye"], ID["r_eye"]), mask.long()).to(torch.uint8)
    return skin, mask


def _mouth(
    f: Factors, at: dict[str, Tensor], skin: Tensor, mask: Tensor, u: Tensor, v: Tensor, front: Tensor
) -> tuple[Tensor, Tensor]:
    top, top_edge, bottom_edge, bottom, inside = mouth_curves(f, at, u)
    within = front & (inside > 0) & (v > top) & (v < bottom)
    lips = over(f["lips"], f["lipstick_colour"], 0.9 * f["lipstick"])
    upper, lower = within & (v < top_edge), within & (v > bottom_edge)
    hole = within & ~upper & ~lower
    skin = torch.where(upper[:, None], 0.86 * lips, torch.where(lower[:, None], lips, skin))
    gap = bottom_edge - top_edge
    teeth = 1 - step(v - top_edge, 0.045, 0.06)
    tongue = step(v, bottom_edge - 0.35 * gap, bottom_edge - 0.1 * gap) * step(gap, 0.08, 0.15)
    cave = skin.new_tensor([0.16, 0.03, 0.03]).expand_as(skin)
    cave = over(cave, skin.new_tensor([0.60, 0.22, 0.22]).expand_as(skin), 0.7 * tongue)
    cave = over(cave, skin.new_tensor([0.93, 0.90, 0.84]).expand_as(skin), teeth * step(gap, 0.015, 0.04))
    skin = torch.where(hole[:, None], cave, skin)
    line = bump(v, (top_edge + bottom_edge) / 2, 0.014) * (1 - step(gap, 0.015, 0.04)) * (inside > 0) * front
    skin = over(skin, 0.35 * lips, 0.85 * line)
    mask = torch.where(upper, ID["u_lip"], torch.where(lower, ID["l_lip"], torch.where(hole, ID["mouth"], mask.long())))
    return skin, mask.to(torch.uint8)


# ------------------------------------------------------------------------------------------ hair, hat, neck, clothes


def _hair(f: Factors, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.atan2(sine, cosine)
    strands = torch.sin(23 * angle + 4 * row + 6 * f["hair_wave"] * torch.sin(9 * row) + f["freckle_phase"])
    fine = torch.sin(57 * angle - 7 * row + 3 * f["freckle_phase"])
    shade = 1 + 0.16 * strands + 0.10 * fine - 0.12 * row
    return f["hair"] * shade[:, None], torch.full_like(row, ID["hair"], dtype=torch.uint8)


def _hat(f: Factors, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    band = (row > 0.56) & (row < 0.72)
    colour = torch.where(band[:, None], 0.45 * f["hat_colour"] + 0.05, f["hat_colour"])
    return colour, torch.full_like(row, ID["hat"], dtype=torch.uint8)


def _neck(f: Factors, height: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    shadow = 1 - step(height, 0.95, 1.15)
    skin = over(f["skin"], f["skin"] * f["skin"].new_tensor([0.6, 0.55, 0.52]), 0.7 * shadow)
    chain = (f["necklace"] > 0.5) & ((height - 1.16 - 0.08 * cosine).abs() < 0.035)
    mask = torch.where(chain, ID["neck_l"], ID["neck"]).to(torch.uint8)
    return torch.where(chain[:, None], f["metal"], skin), mask


def _cloth(f: Factors, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    collar = row < 0.12
    colour = torch.where(collar[:, None], 0.6 * f["cloth"] + 0.3, f["cloth"])
    tie = (f["tie"] > 0.5) & (cosine > 0) & (sine.abs() < 0.16)
    return torch.where(tie[:, None], f["tie_colour"], colour), torch.full_like(row, ID["cloth"], dtype=torch.uint8)
