"""The pixels themselves, shrunk: what a representation has to beat to be worth learning."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from bench.api import Domain, Encoder, Method


class PixelEncoder(Encoder):
    """Shrinks images to `size` x `size` by area averaging."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "pixels" (B, 3 * size * size) in [0, 1]."""
        return {"pixels": F.adaptive_avg_pool2d(x, self.size).flatten(1)}

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The image at full, half and quarter resolution."""
        return [x, F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]


@dataclass(frozen=True)
class Pixels(Method):
    """Raw pixels, shrunk to size x size: no learning at all."""

    size: int = 32

    def build(self, image_size: int, domain: Domain) -> PixelEncoder:
        """`size` never exceeds the images'."""
        return PixelEncoder(min(self.size, image_size))
