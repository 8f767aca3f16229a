"""Symmetry read off the images themselves: an object's two halves, taken back to the canonical frame, look alike.

The mirrored explanation (unsup3d, section 3.1) says so too, but through the albedo network, which is blurred for
thousands of steps and so tells little about where things are. Here every canonical pixel takes its colour from where
the view shows it, less its shading, and the result is held against its own mirror image. That needs no albedo: eyes,
mouth and outline of a turned head fall on each other only under the right turn and the right depth, and two cheeks
under light from the side have one colour only under the right light.
"""

from __future__ import annotations

from torch import Tensor

from bench.render.shading import shade
from bench.render.warp import sample, view_grid
from methods.pdr.factors import Factors, Rendering
from methods.pdr.model import Model

LEAST_SHADING = 0.1  # darker pixels do not tell their albedo
RIM = 0.03  # what the dome does not raise by this much above its corner is taken for background: not symmetric
HIDDEN = 0.02  # what lies this much deeper than what the view shows is hidden by it


def shown_by_view(model: Model, factors: Factors, rendering: Rendering) -> tuple[Tensor, Tensor]:
    """Where the view shows the canonical pixels: (B, H, W, 2) in -1 .. 1 within the image, and which it does show:
    (B, H, W) bool, those that lie in the image and are not hidden by others."""
    places, depth = view_grid(rendering.depth, factors.view, model.camera)
    shown = sample(rendering.view_depth[:, None], places.detach())[:, 0]
    return places, (places.detach().abs() < 1).all(-1) & (depth.detach() < shown + HIDDEN)


def symmetry_loss(model: Model, x: Tensor, factors: Factors, rendering: Rendering) -> Tensor:
    """Mean absolute difference of images x (B, 3, H, W) in [0, 1], taken back to the canonical frame and freed of
    shading, to their mirror images; over pixels of the dome that are seen on both sides.

    `rendering`: of `factors`. Shading counts relative to its mean, so that brighter light makes nothing more alike.
    Only view and light learn from it: depth, which it could also improve, got rougher (results/reference/lab.md).
    """
    rendering = rendering.detach()
    places, seen = shown_by_view(model, factors, rendering)
    shading = shade(rendering.normals, model.light_on_object(factors))[:, None].clamp(min=LEAST_SHADING)
    colour = sample(x, places) * (shading.mean((2, 3), keepdim=True) / shading)
    mask = (seen & seen.flip(2) & (model.relief < model.relief[0, 0] - RIM))[:, None].to(x)
    return ((colour - colour.flip(3)).abs().mean(1, keepdim=True) * mask).sum() / mask.sum().clamp(min=1)
