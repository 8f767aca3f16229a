"""The StyleGAN2 discriminator: residual, with the spread of the minibatch as an extra channel."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from methods.stylegan2.generator import channels_at
from methods.stylegan2.layers import BiasActivation, EqualConv, EqualLinear, Filter, fir


class ResidualDown(nn.Module):
    """Two 3 x 3 convolutions and a 1 x 1 shortcut, halving the resolution after low-pass filtering."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.filter = Filter()
        self.conv1, self.activate1 = EqualConv(a, a, 3), BiasActivation(a)
        self.conv2, self.activate2 = EqualConv(a, b, 3), BiasActivation(b)
        self.skip = EqualConv(a, b, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activate1(self.conv1(x))
        y = self.activate2(self.conv2(fir(y, self.filter.kernel, (2, 2)), stride=2))
        shortcut = self.skip(fir(x, self.filter.kernel, (1, 1), down=2))
        return (y + shortcut) / math.sqrt(2)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """(B, C, H, W) -> (B, C + 1, H, W): one more channel, the mean deviation within groups of `group` images.

    A batch that cannot be split into such groups is one group.
    """
    b, _, h, w = x.shape
    group = group if b % group == 0 else b
    y = x.view(group, b // group, *x.shape[1:])
    deviation = (y.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (B / group,)
    return torch.cat([x, deviation.repeat(group).view(b, 1, 1, 1).expand(-1, 1, h, w)], dim=1)


class Discriminator(nn.Module):
    """Images (B, 3, size, size) in [-1, 1] -> realness (B,), unbounded."""

    def __init__(self, size: int, base: int = 32768, most: int = 512) -> None:
        super().__init__()
        resolutions = [size >> i for i in range(size.bit_length() - 2)]  # size ... 4
        widths = [channels_at(r, base, most) for r in resolutions]
        self.colour = nn.Sequential(EqualConv(3, widths[0], 1), BiasActivation(widths[0]))
        self.blocks = nn.Sequential(*(ResidualDown(a, b) for a, b in pairwise(widths)))
        last = widths[-1]
        self.final = nn.Sequential(EqualConv(last + 1, last, 3), BiasActivation(last))
        self.head = nn.Sequential(EqualLinear(last * 16, last, activate=True), EqualLinear(last, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.colour(x))
        x = self.final(minibatch_deviation(x))
        return self.head(x.flatten(1)).squeeze(1)


class LatentDiscriminator(nn.Module):
    """Latents (B, D) -> realness (B,): four layers, as e4e uses to keep codes near those of the mapping network."""

    def __init__(self, style_dim: int = 512, width: int = 512) -> None:
        super().__init__()
        sizes = [style_dim, width, width, width]
        layers = [EqualLinear(a, b, activate=True) for a, b in pairwise(sizes)]
        self.net = nn.Sequential(*layers, EqualLinear(width, 1))

    def forward(self, w: Tensor) -> Tensor:
        return self.net(w).squeeze(1)
