"""Leave-one-out, cycle contrastive learning (paper, section 3.2): change one scene parameter, and only its features
may move.

The image is re-rendered with its light or its view changed and encoded again; the features of the three other
parameters are pulled together, against those of the other images of the batch. Where this departs from the authors'
code:

* changed ambient and diffuse stay in the model's range and the changed direction keeps unit length: a light that the
  model could not have predicted teaches nothing about light;
* each block of features is scaled to unit length (`normalise`), as the contrastive loss supposes: unscaled, the loss
  is made small by shrinking or blowing up features, and the block with the largest numbers decides alone;
* the temperature is the whole scale of the loss: the factor 0.5 / 0.07 left over from a base temperature is not
  applied;
* pixels that the re-rendering does not reach are filled from the input image instead of with grey, which would give
  away the change by its outline;
* it counts as far as the learned depth does (`hold`, `blend`): re-renderings of a mere dome taught the depth network
  to give the same features for all images;
* the re-rendered image is data: no gradient flows back into the rendering, which could otherwise satisfy the loss by
  rendering images that are easy to match.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.pdr.factors import Factors, Rendering
from methods.pdr.model import BLOCKS, Model
from methods.simclr import colour_jitter, crop_and_flip

Loocc = Literal["off", "light", "view", "both", "simclr"]


def draw_change(loocc: Loocc) -> str:
    """The parameter that this step changes."""
    if loocc == "both":
        return "light" if torch.rand(()) < 0.5 else "view"
    return loocc


@torch.no_grad()
def changed_image(
    model: Model, x: Tensor, factors: Factors, rendering: Rendering, change: str, strength: float
) -> Tensor:
    """The images (B, 3, H, W) in [0, 1] with "light" or "view" changed at random, or with "simclr" augmentations.

    `rendering`: of `factors`, whose shape stays.
    """
    if change == "simclr":
        return colour_jitter(crop_and_flip(x, 0.2), 0.5)
    if change == "light":
        changed = model.relight(rendering, replace(factors, light=changed_light(factors.light, strength)))
    else:
        changed = model.render(replace(factors, view=changed_view(factors.view, strength)), rendering)
    return torch.where(changed.valid[:, None], changed.image / 2 + 0.5, x).clamp(0, 1)


def changed_light(light: Tensor, strength: float) -> Tensor:
    """(B, 5): ambient and diffuse each + U(-0.5, 0.5), every component of the direction + U(-pi/8, pi/8)."""
    reach = light.new_tensor([0.5, 0.5, *[math.pi / 8] * 3]) * strength
    moved = light + (torch.rand_like(light) * 2 - 1) * reach
    return torch.cat((moved[:, :2].clamp(0, 1), F.normalize(moved[:, 2:], dim=1)), 1)


def changed_view(view: Tensor, strength: float) -> Tensor:
    """(B, 6): pitch + U(-pi/16, pi/16), yaw + U(-pi/8, pi/8)."""
    reach = view.new_tensor([math.pi / 16, math.pi / 8, 0, 0, 0, 0]) * strength
    return view + (torch.rand_like(view) * 2 - 1) * reach


def loocc_loss(before: dict[str, Tensor], after: dict[str, Tensor], temperature: float, normalise: bool) -> Tensor:
    """The contrastive loss of the blocks that both hold, concatenated."""

    def joined(blocks: dict[str, Tensor]) -> Tensor:
        kept = [blocks[name] for name in BLOCKS if name in before and name in after]
        return torch.cat([F.normalize(block, dim=1) for block in kept] if normalise else kept, 1)

    return contrastive(joined(before), joined(after), temperature, normalise)


def contrastive(a: Tensor, b: Tensor, temperature: float, normalise: bool) -> Tensor:
    """SimCLR's loss, which is SupCon's without labels: `a[i]` and `b[i]` (B, D) belong together, all others apart."""
    z = torch.cat((a, b))
    z = F.normalize(z, dim=1) if normalise else z
    similarity = z @ z.T / temperature
    similarity = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(similarity, partner)
