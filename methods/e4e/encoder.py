"""Encoders from images to W+: the published one on an IR-SE50 backbone, and a small sibling.

Both read a base code w0 and, for every further code, an offset from it; offsets are switched on one after another while
training (`stage`), so that codes stay close to W. Names follow the published checkpoints.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.stylegan2.layers import EqualLinear

UNITS = ((64, 64, 3), (64, 128, 4), (128, 256, 14), (256, 512, 3))  # in, out, blocks; the first of each halves the size
TAPS = (6, 20, 23)  # the blocks whose outputs are read: 1/4, 1/8 and 1/16 of the resolution
MIDDLE, FINE = 3, 7  # the first code that reads the 1/8 map, and the 1/4 map


class SqueezeExcite(nn.Module):
    """Scales channels by what their means say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean(dim=(2, 3), keepdim=True)).relu()).sigmoid()


class ImprovedResidual(nn.Module):
    """Residual block of ArcFace's IR-SE networks."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        if a == b:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(a),
            nn.Conv2d(a, b, 3, 1, 1, bias=False),
            nn.PReLU(b),
            nn.Conv2d(b, b, 3, stride, 1, bias=False),
            nn.BatchNorm2d(b),
            SqueezeExcite(b),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


class MapToStyle(nn.Module):
    """Strided convolutions from a map to one code."""

    def __init__(self, channels: int, halvings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [nn.Conv2d(channels, channels, 3, stride=2, padding=1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class Encoder4Editing(nn.Module):
    """IR-SE50 and a feature pyramid; images (B, 3, 256, 256) in [-1, 1] -> W+ (B, latents, 512), less the mean code."""

    input_size = 256

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = latents
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        blocks: list[nn.Module] = []
        for a, b, count in UNITS:
            blocks += [ImprovedResidual(a, b, 2), *(ImprovedResidual(b, b, 1) for _ in range(count - 1))]
        self.body = nn.Sequential(*blocks)
        self.styles = nn.ModuleList(MapToStyle(512, 4 if i < MIDDLE else 5 if i < FINE else 6) for i in range(latents))
        self.latlayer1 = nn.Conv2d(256, 512, 1)
        self.latlayer2 = nn.Conv2d(128, 512, 1)

    def taps(self, x: Tensor) -> list[Tensor]:
        """The maps at 1/4, 1/8 and 1/16 of the resolution."""
        x = self.input_layer(x)
        maps = []
        for i, block in enumerate(self.body):
            x = block(x)
            if i in TAPS:
                maps.append(x)
        return maps

    def forward(self, x: Tensor, stage: int | None = None) -> Tensor:
        """`stage`: how many offsets are switched on (None: all)."""
        fine, middle, coarse = self.taps(x)
        base = self.styles[0](coarse)
        codes = [base]
        maps = coarse
        for i in range(1, self.latents):
            if i == MIDDLE:
                maps = _upsample_add(maps, self.latlayer1(middle))
            elif i == FINE:
                maps = _upsample_add(maps, self.latlayer2(fine))
            on = stage is None or i <= stage
            codes.append(base + self.styles[i](maps) if on else base)
        return torch.stack(codes, dim=1)


def _upsample_add(x: Tensor, y: Tensor) -> Tensor:
    return F.interpolate(x, size=y.shape[-2:], mode="bilinear", align_corners=True) + y


class SmallEncoder(nn.Module):
    """The small sibling: strided convolutions down to 4 x 4, then linear heads for the base code and the offsets."""

    def __init__(self, input_size: int, latents: int, style_dim: int, width: int) -> None:
        super().__init__()
        self.input_size, self.latents = input_size, latents
        stages = input_size.bit_length() - 3
        widths = [3, *(min(width * 2**i, 8 * width) for i in range(stages))]
        self.body = nn.Sequential(*(self._stage(a, b) for a, b in pairwise(widths)))
        self.hidden = nn.Sequential(nn.Linear(16 * widths[-1], 8 * width), nn.LeakyReLU(0.2))
        self.base = nn.Linear(8 * width, style_dim)
        self.offsets = nn.Linear(8 * width, (latents - 1) * style_dim)

    @staticmethod
    def _stage(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))

    def taps(self, x: Tensor) -> list[Tensor]:
        """The maps after each stage."""
        maps = []
        for stage in self.body:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor, stage: int | None = None) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1] -> W+ (B, latents, D), less the mean code; `stage` as above."""
        h = self.hidden(self.body(x).flatten(1))
        base = self.base(h)[:, None]
        offsets = self.offsets(h).view(len(x), self.latents - 1, -1)
        on = torch.arange(1, self.latents, device=x.device) <= (self.latents if stage is None else stage)
        return torch.cat([base, base + offsets * on.view(1, -1, 1)], dim=1)


def make_encoder(kind: str, image_size: int, latents: int, style_dim: int, width: int) -> Any:
    """ "ir_se50" or "small"."""
    if kind == "ir_se50":
        return Encoder4Editing(latents)
    return SmallEncoder(image_size, latents, style_dim, width)
