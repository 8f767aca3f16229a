"""Texture of a synthetic head: albedo and mask class at any point of its surface, computed rather than stored.

Colours are painted in layers, skin first (`faces_features` has those of the face). Mask classes are
CelebAMask-HQ's; "l_" is the person's own left.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.data.synthetic import faces_features as on_skin
from bench.data.synthetic.faces_features import ID, At, Skin, over, rgb
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
from bench.data.synthetic.faces_shape import Factors, features, step
from bench.data.synthetic.scene import Paint, Surface

BEARD = ("stubble", "moustache", "goatee", "sideburns")


def painter(factors: Factors) -> Paint:
    """The texture of B heads: what `scene.render` asks for the colour and class of each sub-pixel."""
    layers = {HEAD: _head, HAIR: _hair, HAT: _hat, NECK: _neck, CLOTH: _cloth}
    plain = {
        FRAME: ("frame", "eye_g"),
        EARRING: ("metal", "ear_r"),
        LEFT_EAR: ("skin", "l_ear"),
        RIGHT_EAR: ("skin", "r_ear"),
    }
    columns = {name: value.T.contiguous() if value.dim() == 2 else value for name, value in factors.items()}
    columns |= features(factors)  # "mouth_width", say, is now where the mouth ends, no longer a factor in [-1, 1]
    columns["beard"] = torch.stack([columns[name] for name in BEARD]).amax(0)

    def paint(surface: Surface) -> tuple[Tensor, Tensor]:
        albedo = surface.depth.new_zeros(3, len(surface.depth))
        mask = surface.depth.new_zeros(len(surface.depth), dtype=torch.uint8)
        place, kind = surface.interpolate(coordinates().T), face_kinds()[surface.face]
        for number in range(10):
            here = (kind == number).nonzero().squeeze(1)
            if len(here) == 0:
                continue
            f = At(columns, surface.image[here])
            if number in layers:
                albedo[:, here], mask[here] = layers[number](f, *place.index_select(1, here))
            elif number == LENS:
                albedo[:, here], mask[here] = 0.055, ID["eye_g"]
            else:
                name, title = plain[number]
                albedo[:, here], mask[here] = f[name], ID[title]
        return albedo.clamp(0.01, 0.98), mask

    return paint


def _head(f: At, u: Tensor, v: Tensor, facing: Tensor) -> tuple[Tensor, Tensor]:
    """Skin, then everything drawn on it, back to front."""
    blotches = torch.sin(5 * u + f["freckle_phase"]) * torch.sin(6 * v + 2 * f["freckle_phase"])
    colour = f["skin"] * (1 + 0.025 * blotches)
    skin = Skin(f, u, v, facing, colour, torch.full_like(u, ID["skin"], dtype=torch.uint8))
    a, front = u.abs(), skin.front
    eyes, below = v - f["eye_y"], v - f["mouth_y"]
    skin.paint(front & (eyes > -0.1) & (v < 0.85), on_skin.cheeks_and_nose)
    skin.paint(front & (eyes.abs() < 0.35), on_skin.sockets)
    skin.paint(front & (f["freckles"] > 0) & (v > -0.15) & (v < 0.75), on_skin.freckles)
    skin.paint(front & (v < f["brow_y"] + 0.25), on_skin.forehead_lines)
    skin.paint(front & (eyes > -0.15), on_skin.face_lines)
    skin.paint((f["beard"] > 0) & (v > -0.25) & (facing > -0.25), on_skin.beard)
    skin.paint(front & (f["eye_shadow"] > 0) & (v < f["eye_y"] + 0.06) & (v > f["brow_y"]), on_skin.eye_shadow)
    skin.paint(front & (f["blush"] > 0) & ((v - 0.32).abs() < 0.35), on_skin.blush)
    skin.paint(front & (v > -0.6) & (v < 0.12) & (a < 0.65), on_skin.brows)
    skin.paint(front & (eyes.abs() < 0.3) & (a < 0.65), on_skin.eyes)
    skin.paint(front & (a < 1.02 * f["mouth_width"]) & (below > -0.35) & (below < 0.5), on_skin.mouth)
    return skin.colour, skin.mask


# ------------------------------------------------------------------------------------------ hair, hat, neck, clothes


def _hair(f: At, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.atan2(sine, cosine)
    strands = torch.sin(23 * angle + 4 * row + 6 * f["hair_wave"] * torch.sin(9 * row) + f["freckle_phase"])
    fine = torch.sin(57 * angle - 7 * row + 3 * f["freckle_phase"])
    shade = 1 + 0.16 * strands + 0.10 * fine - 0.12 * row
    return f["hair"] * shade, torch.full_like(row, ID["hair"], dtype=torch.uint8)


def _hat(f: At, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    band = (row > 0.56) & (row < 0.72)
    colour = torch.where(band, 0.45 * f["hat_colour"] + 0.05, f["hat_colour"])
    return colour, torch.full_like(row, ID["hat"], dtype=torch.uint8)


def _neck(f: At, height: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    shadow = 1 - step(height, 0.95, 1.15)
    skin = over(f["skin"], f["skin"] * rgb(height, 0.6, 0.55, 0.52), 0.7 * shadow)
    chain = (f["necklace"] > 0.5) & ((height - 1.16 - 0.08 * cosine).abs() < 0.035)
    collar = (f["tie"] > 0.5) & (height > 1.12)  # a tie's knot shows where the chest does not
    knot = collar & (cosine > 0) & (sine.abs() < 0.35)
    skin = torch.where(collar, torch.where(knot, f["tie_colour"], 0.6 * f["cloth"] + 0.3), skin)
    mask = torch.where(chain, ID["neck_l"], torch.where(collar, ID["cloth"], ID["neck"])).to(torch.uint8)
    return torch.where(chain, f["metal"], skin), mask


def _cloth(f: At, row: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    collar = row < 0.12
    colour = torch.where(collar, 0.6 * f["cloth"] + 0.3, f["cloth"])
    tie = (f["tie"] > 0.5) & (cosine > 0) & (sine.abs() < 0.16)
    return torch.where(tie, f["tie_colour"], colour), torch.full_like(row, ID["cloth"], dtype=torch.uint8)
