"""A convolutional network that is never trained: how far the architecture alone gets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.api import Domain, Encoder, Method


class RandomConvNet(Encoder):
    """Four strided convolutions with He initialisation; mean and spread of the last maps are the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.ModuleList(self._stage(a, b) for a, b in pairwise(widths))

    @staticmethod
    def _stage(a: int, b: int) -> nn.Conv2d:
        convolution = nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        return convolution

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Maps at 1/2, 1/4, 1/8 and 1/16 of the resolution."""
        maps = []
        x = x * 2 - 1
        for stage in self.stages:
            x = stage(x).relu()
            maps.append(x)
        return maps

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "random" (B, 16 * width)."""
        last = self.pyramid(x)[-1].flatten(2)
        return {"random": torch.cat([last.mean(2), last.std(2, correction=0)], dim=1)}


@dataclass(frozen=True)
class RandomFeatures(Method):
    """A random convolutional network, never trained."""

    width: int = 32  # channels of the first layer

    def build(self, image_size: int, domain: Domain) -> RandomConvNet:
        """The weights come from torch's generator, which the harness seeds."""
        return RandomConvNet(self.width)
