"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv 2006.06676), for small data sets.

Real and generated images are transformed alike before the discriminator sees them, each transformation with probability
p; p rises while the discriminator is too sure of the real images. Geometry is one affine map sampled bilinearly (the
paper filters with wavelets), colour one affine map of colour space.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ADAPT_EVERY = 4  # steps


def _rotation(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 2, 2)."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)


class AdaptiveAugment(nn.Module):
    """Random transformations of (B, 3, H, W) images in [-1, 1], and the control of their probability."""

    p: Tensor
    sign_sum: Tensor
    steps: Tensor

    def __init__(self, target: float, images: int) -> None:
        """`target`: wanted mean sign of D(real), 0.6 as published; `images`: how many take p from 0 to 1."""
        super().__init__()
        self.target, self.images = target, images
        for name in ("p", "sign_sum", "steps"):
            self.register_buffer(name, torch.zeros(()))

    def adapt(self, real_scores: Tensor) -> None:
        """Move p after a discriminator step with these scores (B,) of real images."""
        self.sign_sum += real_scores.detach().sign().mean()
        self.steps += 1
        if self.steps == ADAPT_EVERY:
            direction = (self.sign_sum / ADAPT_EVERY - self.target).sign()
            self.p.add_(direction * ADAPT_EVERY * len(real_scores) / self.images).clamp_(0, 1)
            self.sign_sum.zero_()
            self.steps.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same, transformed."""
        if self.p == 0:
            return x
        grid = F.affine_grid(self._geometry(x), list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        matrix, offset = self._colour(x)
        return torch.einsum("bij,bjhw->bihw", matrix, x) + offset[:, :, None, None]

    def _where(self, values: Tensor, neutral: float = 0.0) -> Tensor:
        """Each image's value with probability p, else the neutral one."""
        chosen = torch.rand(len(values), device=values.device) < self.p
        return torch.where(chosen.view(-1, *[1] * (values.dim() - 1)), values, torch.full_like(values, neutral))

    def _geometry(self, x: Tensor) -> Tensor:
        """(B, 2, 3): mirror, quarter turns, rotation, scale, stretch, shift."""
        b, device = len(x), x.device
        uniform = torch.rand(b, 3, device=device)
        normal = torch.randn(b, 4, device=device)
        mirror = self._where((uniform[:, 0] < 0.5).float()) * -2 + 1
        quarter = self._where((uniform[:, 1] * 4).floor()) * (math.pi / 2)
        turn = self._where((uniform[:, 2] * 2 - 1) * math.pi)
        scale = self._where((0.2 * math.log(2) * normal[:, 0]).exp(), 1.0)
        stretch = self._where((0.2 * math.log(2) * normal[:, 1]).exp(), 1.0)
        shift = self._where(0.25 * normal[:, 2:])  # a deviation of 1/8 of the side
        linear = _rotation(quarter + turn) * scale.view(-1, 1, 1)
        linear = linear * torch.stack([stretch * mirror, 1 / stretch], 1)[:, None]
        return torch.cat([linear, shift[:, :, None]], dim=2)

    def _colour(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 3) and (B, 3): brightness, contrast, inverted luma, hue, saturation."""
        b, device = len(x), x.device
        normal = torch.randn(b, 3, device=device)
        uniform = torch.rand(b, 2, device=device)
        brightness = self._where(0.2 * normal[:, 0])
        contrast = self._where((0.5 * math.log(2) * normal[:, 1]).exp(), 1.0)
        saturation = self._where((math.log(2) * normal[:, 2]).exp(), 1.0)
        invert = self._where((uniform[:, 0] < 0.5).float())
        hue = self._where((uniform[:, 1] * 2 - 1) * math.pi)
        grey = torch.full((3, 3), 1 / 3, device=device)  # projection onto the axis of greys
        cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / 3**0.5
        chroma = torch.eye(3, device=device) - grey
        cos, sin, sat = (v.view(-1, 1, 1) for v in (hue.cos(), hue.sin(), saturation))
        matrix = grey * (1 - 2 * invert).view(-1, 1, 1) + sat * (cos * chroma + sin * cross)
        return matrix * contrast.view(-1, 1, 1), brightness[:, None].expand(-1, 3)
