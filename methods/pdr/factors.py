"""What an image is made of, what putting it together again shows, and how that is weighed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Factors:
    """What an image is made of."""

    depth: Tensor  # (B, H, W) canonical, MIN_DEPTH .. MAX_DEPTH
    albedo: Tensor  # (B, 3, H, W) canonical, -1 .. 1
    light: Tensor  # (B, 5) ambient, diffuse, unit direction in the canonical frame (cars: the camera's)
    view: Tensor  # (B, 6) rotations about x, y, z in radians, translations

    def tensors(self) -> list[Tensor]:
        """The four, in order."""
        return [getattr(self, field.name) for field in fields(self)]

    def detach(self) -> Factors:
        """The same numbers, cut off the networks' graph."""
        return Factors(*(tensor.detach() for tensor in self.tensors()))

    def with_mirrored(self) -> Factors:
        """2B items: these, and then these with depth and albedo flipped left-right."""
        depth, albedo = torch.cat((self.depth, self.depth.flip(2))), torch.cat((self.albedo, self.albedo.flip(3)))
        return Factors(depth, albedo, self.light.repeat(2, 1), self.view.repeat(2, 1))


@dataclass(frozen=True)
class Rendering:
    """An image put together from its factors, and what came on the way."""

    depth: Tensor  # (B, H, W) canonical, with its border
    normals: Tensor  # (B, H, W, 3) canonical
    shading: Tensor  # (B, H, W) canonical
    canonical: Tensor  # (B, 3, H, W) -1 .. 1: the canonical image
    view_depth: Tensor  # (B, H, W) in the view, clamped to MARGIN beyond the canonical range
    grid: Tensor  # (B, H, W, 2) where the view's pixels lie in the canonical image
    valid: Tensor  # (B, H, W) bool: pixels that see the object
    image: Tensor  # (B, 3, H, W) -1 .. 1 in the view, 0 where not valid

    def detach(self) -> Rendering:
        """The same, cut off the graph."""
        return Rendering(*(getattr(self, field.name).detach() for field in fields(self)))

    def first(self, count: int) -> Rendering:
        """The first `count` items: of `Model.render_both`, the images without their mirrored explanations."""
        return Rendering(*(getattr(self, field.name)[:count] for field in fields(self)))


@dataclass(frozen=True)
class LossWeights:
    """How the terms of the loss are weighed. `structure` is that of the perceptual loss or of what stands in for it."""

    structure: float = 1.0
    flip: float = 0.5
    smoothness: float = 0.0
    flat_albedo: float = 0.0
    symmetry: float = 0.0
    near_dome: float = 0.0
    near_dome_mean: float = 0.0
