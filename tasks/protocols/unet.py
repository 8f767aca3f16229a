"""The paper's segmentation U-Net, and its decoder on top of any encoder's feature maps.

Names and shapes of the state dict are the published ones (filters 16-32-64-128-256, batch norm, transposed
convolutions on the way up), so that the authors' weights load and the golden numbers apply.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Encoder

WIDTHS = (16, 32, 64, 128, 256)  # at 1, 1/2, 1/4, 1/8 and 1/16 of the resolution


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by batch norm and ReLU."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv1 = self._layer(cin, cout)
        self.conv2 = self._layer(cout, cout)

    @staticmethod
    def _layer(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class Up(nn.Module):
    """Doubles the resolution of the coarse map and merges it with the finer one from the way down."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.conv = DoubleConv(2 * fine, fine)
        self.up = nn.ConvTranspose2d(coarse, fine, 2, stride=2)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        return self.conv(torch.cat([fine, self.up(coarse)], 1))


class Decoder(nn.Module):
    """The way up: five maps of `WIDTHS` channels, fine to coarse -> class logits (B, K, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.up_concat4 = Up(WIDTHS[4], WIDTHS[3])
        self.up_concat3 = Up(WIDTHS[3], WIDTHS[2])
        self.up_concat2 = Up(WIDTHS[2], WIDTHS[1])
        self.up_concat1 = Up(WIDTHS[1], WIDTHS[0])
        self.final = nn.Conv2d(WIDTHS[0], classes, 1)

    def decode(self, maps: list[Tensor]) -> Tensor:
        x = self.up_concat4(maps[3], maps[4])
        x = self.up_concat3(maps[2], x)
        x = self.up_concat2(maps[1], x)
        return self.final(self.up_concat1(maps[0], x))


class UNet(Decoder):
    """The whole network as published: (B, 3, H, W) in [-1, 1], H and W multiples of 16 -> logits (B, K, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.conv1 = DoubleConv(3, WIDTHS[0])
        self.conv2 = DoubleConv(WIDTHS[0], WIDTHS[1])
        self.conv3 = DoubleConv(WIDTHS[1], WIDTHS[2])
        self.conv4 = DoubleConv(WIDTHS[2], WIDTHS[3])
        self.center = DoubleConv(WIDTHS[3], WIDTHS[4])

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.conv1(x)]
        for stage in (self.conv2, self.conv3, self.conv4, self.center):
            maps.append(stage(F.max_pool2d(maps[-1], 2)))
        return self.decode(maps)


class PyramidUNet(Decoder):
    """The published decoder on an encoder's `pyramid`: images (B, 3, H, W) in [0, 1] -> logits (B, K, H, W).

    Each of the five resolutions takes the encoder's map nearest to it, through a 1x1 convolution to the published width
    and bilinear resizing; a map that has that width and size already is used as it is.
    """

    def __init__(self, encoder: Encoder, example: Tensor, classes: int, frozen: bool) -> None:
        """`example`: (B, 3, H, W), to learn the shapes of the encoder's maps from."""
        super().__init__(classes)
        self.encoder, self.frozen = encoder.requires_grad_(not frozen), frozen
        with torch.no_grad():
            shapes = [(m.shape[1], m.shape[-1]) for m in encoder.pyramid(example)]
        self.sizes = [example.shape[-1] // 2**i for i in range(len(WIDTHS))]
        self.sources = [min(range(len(shapes)), key=lambda i: abs(shapes[i][1] / size - 1)) for size in self.sizes]
        self.adapt = nn.ModuleList()
        for width, size, source in zip(WIDTHS, self.sizes, self.sources, strict=True):
            fits = shapes[source] == (width, size)
            self.adapt.append(nn.Identity() if fits else nn.Conv2d(shapes[source][0], width, 1))

    def train(self, mode: bool = True) -> PyramidUNet:
        """A frozen encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.train(mode and not self.frozen)
        return self

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pyramid = self.encoder.pyramid(x)
        maps = [adapt(pyramid[source]) for adapt, source in zip(self.adapt, self.sources, strict=True)]
        return self.decode([resized(m, size) for m, size in zip(maps, self.sizes, strict=True)])


class PixelHead(nn.Module):
    """A linear classifier of every pixel on a frozen encoder's maps: images (B, 3, H, W) in [0, 1] -> (B, K, H, W).

    Linear in all maps, standardised and resized to the image, side by side; since resizing is linear too, each map is
    classified at its own resolution and the logits are resized and added up.
    """

    def __init__(self, encoder: Encoder, example: Tensor, classes: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        with torch.no_grad():
            widths = [m.shape[1] for m in encoder.pyramid(example)]
        self.scale = nn.ModuleList(nn.BatchNorm2d(width, affine=False, momentum=None) for width in widths)
        self.heads = nn.ModuleList(nn.Conv2d(width, classes, 1, bias=i == 0) for i, width in enumerate(widths))
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)

    def train(self, mode: bool = True) -> PixelHead:
        """The encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            pyramid = self.encoder.pyramid(x)
        logits = [head(scale(m)) for head, scale, m in zip(self.heads, self.scale, pyramid, strict=True)]
        whole = resized(logits[0], x.shape[-1])
        for each in logits[1:]:
            whole = whole + resized(each, x.shape[-1])
        return whole


def resized(x: Tensor, size: int) -> Tensor:
    """(B, C, h, w) -> (B, C, size, size), bilinearly; unchanged where it has that size.

    As products with the matrices of both axes: the same numbers as `F.interpolate`, whose backward pass takes four
    times as long on a CPU.
    """
    if x.shape[-1] == size:
        return x
    down, across = (_interpolation(length, size).to(x) for length in x.shape[-2:])
    return down @ (x @ across.T)


@functools.cache
def _interpolation(length: int, size: int) -> Tensor:
    """(size, length): what each of `size` pixels takes of `length`."""
    return F.interpolate(torch.eye(length)[None], size, mode="linear", align_corners=False)[0].T.contiguous()
