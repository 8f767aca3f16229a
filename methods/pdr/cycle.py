"""Reading back what was re-rendered: the cycle closed for the scene parameters that were changed.

LOOCC (see `methods.pdr.loocc`) holds the parameters that were *not* changed. Nothing there, and nothing in the
reconstruction loss until the albedo is sharp, tells the view network what a turned object looks like: shifting the
image explains almost as much. So the images of a batch are also seen from drawn views under drawn light, with their own
pixels as texture, and the view and light networks must read off what was drawn.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.render.shading import light_direction
from bench.render.warp import sample
from methods.pdr.dome import turned_on_the_ground
from methods.pdr.factors import Factors, Rendering
from methods.pdr.model import ROTATION, SHIFT, Model
from methods.pdr.symmetry import LEAST_SHADING, shown_by_view

VIEW_SPREAD = (0.08, 0.2, 0.07, 0.003, 0.003, 0.0)  # standard deviations: rotations in radians, translations
CAR_TURN_REACH, CAR_ABOVE_SPREAD = 1.0, 0.1  # radians: uniform within +- this; standard deviation
ENDS = 1 / 16  # share of a row, at either end, of which the ground's colour is taken
SLOPE_SPREAD, STRENGTH_SPREAD = 0.35, 0.15  # uniform within +- these: the light's slopes; ambient and diffuse


def textured(model: Model, x: Tensor, factors: Factors, rendering: Rendering) -> Factors:
    """`factors` with the albedo that makes the rendering of unchanged factors show the images x themselves.

    The colour of each canonical pixel is looked up where the view shows it and divided by its shading, so a
    re-rendering is as sharp as the image, however blurred the albedo network still is. `x`: (B, 3, H, W) in [0, 1];
    `rendering`: of `factors`. What the view hides takes the colour of what hides it; of cars, which are turned so far
    that a whole side is hidden, that of the other side, where that is seen.
    """
    seen_at, seen = shown_by_view(model, factors, rendering)
    colour = sample(x, seen_at.clamp(-1, 1)) / rendering.shading[:, None].clamp(min=LEAST_SHADING)
    if model.upright:
        mirrored = (seen.flip(2) & ~seen)[:, None]
        colour = torch.where(mirrored, colour.flip(3), colour)
    return replace(factors, albedo=2 * colour - 1)


def drawn_view(model: Model, view: Tensor) -> Tensor:
    """(B, 6): the view of another image of the batch, moved a little; of cars, one from all sides.

    Cars are turned so far that a wrong view leaves little of them to see. Were their views drawn about those found,
    these would teach themselves: they all ended at the bounds.
    """
    if model.upright:
        rolled = model.known_of_views()[2] * torch.randn_like(view[:, 2]) * VIEW_SPREAD[2]
        above = torch.randn_like(rolled) * CAR_ABOVE_SPREAD
        turn = (torch.rand_like(rolled) * 2 - 1) * CAR_TURN_REACH
        return turned_on_the_ground(F.pad(torch.stack((above, turn, rolled), 1), (0, 3)))
    spread = view.new_tensor(VIEW_SPREAD) * model.known_of_views()
    return view[torch.randperm(len(view))] + torch.randn_like(view) * spread


def drawn_light(light: Tensor) -> Tensor:
    """(B, 5): the light of another image of the batch, moved a little."""
    light = light[torch.randperm(len(light))]
    slopes = _slopes(light) + (torch.rand_like(light[:, 2:4]) * 2 - 1) * SLOPE_SPREAD
    strengths = light[:, :2] + (torch.rand_like(light[:, :2]) * 2 - 1) * STRENGTH_SPREAD
    return torch.cat((strengths.clamp(0, 1), light_direction(slopes)), 1)


@torch.no_grad()
def changed_images(model: Model, x: Tensor, factors: Factors, rendering: Rendering) -> tuple[Tensor, Tensor, Tensor]:
    """The images (B, 3, H, W) in [0, 1] under a drawn view and light, and these: (B, 6) and (B, 5).

    `x`: (B, 3, H, W) in [0, 1]; `factors`, `rendering`: what the model makes of them. All of it is data: no gradient
    flows into the rendering. Not to be called under autocast, whose products round coordinates to several pixels.
    """
    view, light = drawn_view(model, factors.view), drawn_light(factors.light)
    changed = model.render(replace(textured(model, x, factors, rendering), view=view, light=light), rendering)
    image, seen = changed.image / 2 + 0.5, changed.valid[:, None]
    if model.upright:
        return torch.where(seen & model.on_object(changed.grid)[:, None], image, emptied(x)).clamp(0, 1), view, light
    return torch.where(seen, image, x).clamp(0, 1), view, light


def emptied(x: Tensor) -> Tensor:
    """The ground and sky of pictures of cars (B, 3, H, W): each row from its left end's colour to its right end's.

    Cars turn on ground that does not; were it turned with them, slanting ground would be read for turned cars.
    """
    end = round(ENDS * x.shape[3])
    left, right = x[..., :end].mean(3, keepdim=True), x[..., -end:].mean(3, keepdim=True)
    return torch.lerp(left, right, torch.linspace(0, 1, x.shape[3], device=x.device))


def cycle_loss(model: Model, image: Tensor, view: Tensor, light: Tensor) -> Tensor:
    """Mean absolute error of view and light directions read off `changed_images`, as shares of their reach.

    Errors count about their mean over the batch: a constant offset is a convention that reconstruction settles, and
    would drift if it were learned from the model's own statements.
    """
    read_view = model.scaled_view(model.netV(image * 2 - 1)[0].float())
    read_light = model.canonical_light(model.netL(image * 2 - 1)[0].float())
    off = _about_mean(read_view - view)
    turned, shifted = off[:, :3].abs().mean() / ROTATION, off[:, 3:5].abs().mean() / SHIFT
    return 2 * turned + shifted + 0.5 * _about_mean(_slopes(read_light) - _slopes(light)).abs().mean()


def _slopes(light: Tensor) -> Tensor:
    """(B, 5) light -> (B, 2): x and y of its direction where z is 1."""
    return light[:, 2:4] / light[:, 4:].clamp(min=0.1)


def _about_mean(values: Tensor) -> Tensor:
    return values - values.mean(0)
