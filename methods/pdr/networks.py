"""The published networks: names, shapes and arithmetic of their layers (paper, section 3; unsup3d, supplement, tables
5-7).

At 64 pixels with the published widths the state dicts are those of the authors' release. Larger images add stride-2
stages of 8*nf channels, smaller ones leave stages out, so that every encoder ends on a 4 x 4 map. Images are in [-1,
1].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import BadInput

UNET_WIDTHS = (16, 32, 64, 128, 256)


def stage_widths(size: int, nf: int) -> list[int]:
    """Channels after each stride-2 stage from a size x size image down to 4 x 4; at 64: nf, 2 nf, 4 nf, 8 nf."""
    stages = size.bit_length() - 3
    if size != 4 << stages or stages < 2:
        raise BadInput(f"the physical model needs an image size that is a power of two and at least 16, not {size}")
    return [nf << min(i, 3) for i in range(stages)]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(channels // 4, 1), channels)  # 16 groups of the published 64 channels


def _down(cin: int, widths: list[int], zdim: int) -> nn.Sequential:
    """Image -> (B, zdim, 1, 1) bottleneck."""
    layers: list[nn.Module] = []
    for a, b in pairwise([cin, *widths[:-1]]):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), _norm(b), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(widths[-2], widths[-1], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(widths[-1], zdim, 4, bias=False), nn.ReLU()]
    return nn.Sequential(*layers)


def _up(a: int, b: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), _norm(b), nn.ReLU()]


def _refine(width: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False), _norm(width), nn.ReLU()]


def _feature_maps(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The activations after each stride-2 stage, fine to coarse; the last is 4 x 4."""
    maps = []
    for layer, following in pairwise([*network, nn.Identity()]):
        x = layer(x)
        if isinstance(layer, nn.ReLU | nn.LeakyReLU) and isinstance(following, nn.Conv2d):
            maps.append(x)
    return maps


class Encoder(nn.Module):
    """Light and view: image (B, 3, S, S) -> numbers (B, cout) and bottleneck features (B, 8 nf).

    `bounded`: tanh on the numbers, as in unsup3d and as the ranges they are scaled to suppose. Otherwise as in the
    authors' release: tanh on the features, none on the numbers, which are then not bounded.
    """

    def __init__(self, size: int, cout: int, nf: int, bounded: bool = True) -> None:
        super().__init__()
        widths = stage_widths(size, nf)
        layers: list[nn.Module] = []
        for a, b in pairwise([3, *widths]):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Conv2d(widths[-1], 8 * nf, 4, bias=False), nn.ReLU())
        self.conv = nn.Conv2d(8 * nf, cout, 1, bias=False)
        self.bounded = bounded

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        numbers = self.conv(features[:, :, None, None]).flatten(1)
        return numbers.tanh() if self.bounded else numbers, features

    def features(self, x: Tensor) -> Tensor:
        """The bottleneck alone: (B, 8 nf)."""
        features = self.network(x).flatten(1)
        return features if self.bounded else features.tanh()


class EDDeconv(nn.Module):
    """Depth and albedo: image (B, 3, S, S) -> map (B, cout, S, S) and bottleneck features (B, zdim).

    `activation` is applied to the map. `detail` < S stops the decoder at that resolution and enlarges its map
    bicubically.
    """

    def __init__(
        self,
        size: int,
        cout: int,
        nf: int,
        zdim: int = 256,
        activation: nn.Module | None = None,
        detail: int | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.network_down: nn.Module = self._encoder(size, nf, zdim)
        self.network_up = self._decoder(size, cout, nf, zdim, detail or size)
        self.activation = activation or nn.Identity()

    @staticmethod
    def _encoder(size: int, nf: int, zdim: int) -> nn.Module:
        return _down(3, stage_widths(size, nf), zdim)

    @staticmethod
    def _decoder(size: int, cout: int, nf: int, zdim: int, detail: int) -> nn.Sequential:
        widths = stage_widths(size, nf)[::-1]
        if detail not in (8 << i for i in range(len(widths))) or detail > size:
            raise BadInput(f"the depth map's resolution must be a power of two from 8 to {size}, not {detail}")
        layers = [nn.ConvTranspose2d(zdim, widths[0], 4, bias=False), nn.ReLU()]
        layers += [nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False), nn.ReLU()]
        resolution, width = 4, widths[0]
        for a, b in pairwise(widths):
            if resolution < detail:
                layers += [*_up(a, b), *_refine(b, 3)]
                resolution, width = 2 * resolution, b
        if resolution < detail:
            layers += [nn.Upsample(scale_factor=2), *_refine(width, 3), *_refine(width, 5)]
        return nn.Sequential(*layers, nn.Conv2d(width, cout, 5, padding=2, bias=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.code(x)
        out = self.network_up(code)
        if out.shape[-1] < self.size:
            out = F.interpolate(out, (self.size, self.size), mode="bicubic", align_corners=True)
        return self.activation(out), self.unrolled(code)

    def code(self, x: Tensor) -> Tensor:
        """What the decoder gets: (B, zdim, 1, 1)."""
        return self.network_down(x)

    def features(self, x: Tensor) -> Tensor:
        """The bottleneck alone: (B, zdim)."""
        return self.unrolled(self.code(x))

    def unrolled(self, code: Tensor) -> Tensor:
        """The bottleneck features (B, zdim) of a code."""
        return code.flatten(1)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """The encoder's activations, S/2 down to 4 pixels wide."""
        return _feature_maps(self.network_down, x)  # type: ignore[arg-type]


class ConfNet(nn.Module):
    """Confidence: image (B, 3, S, S) -> deviations sigma > 0 at full and at quarter resolution, plain and flipped.

    The first (B, 2, S, S) weighs colours, the second (B, 2, S/4, S/4) perceptual features.
    """

    def __init__(self, size: int, nf: int, zdim: int = 128) -> None:
        super().__init__()
        widths = stage_widths(size, nf)
        upwards = widths[::-1]
        layers = [*_down(3, widths, zdim), nn.ConvTranspose2d(zdim, upwards[0], 4, bias=False), nn.ReLU()]
        for a, b in pairwise(upwards[:-1]):
            layers += _up(a, b)
        self.network = nn.Sequential(*layers)
        head = nn.Conv2d(nf, 2, 5, padding=2, bias=False)
        self.out_net1 = nn.Sequential(*_up(upwards[-2], nf), *_up(nf, nf), head, nn.Softplus())
        self.out_net2 = nn.Sequential(nn.Conv2d(upwards[-2], 2, 3, padding=1, bias=False), nn.Softplus())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.network(x)
        return self.out_net1(trunk), self.out_net2(trunk)


class _UNetBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv2d(cout, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class _UNetDown(nn.Module):
    """The encoder half of the segmentation U-Net: max pooling between blocks, no skips."""

    def __init__(self) -> None:
        super().__init__()
        names = ("conv1", "conv2", "conv3", "conv4", "center")
        for name, (a, b) in zip(names, pairwise((3, *UNET_WIDTHS)), strict=True):
            self.add_module(name, _UNetBlock(a, b))

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """The activations of every block, S down to S/16 pixels wide."""
        maps: list[Tensor] = []
        for block in self.children():
            maps.append(block(F.max_pool2d(maps[-1], 2) if maps else x))
        return maps


class UNetEDDeconv(EDDeconv):
    """`EDDeconv` with the segmentation U-Net's encoder; its bottleneck features have unit length. 64 pixels only."""

    network_down: _UNetDown

    def __init__(self, size: int, cout: int, nf: int, zdim: int = 256, **options: nn.Module | int | None) -> None:
        if size != 64:
            raise BadInput(f"the U-Net encoder takes images of 64 pixels, not {size}")
        super().__init__(size, cout, nf, zdim, **options)  # type: ignore[arg-type]
        self.conv = nn.Conv2d(UNET_WIDTHS[-1], zdim, 4, bias=False)

    @staticmethod
    def _encoder(size: int, nf: int, zdim: int) -> nn.Module:
        return _UNetDown()

    def code(self, x: Tensor) -> Tensor:
        return self.conv(self.network_down.feature_maps(x)[-1])

    def unrolled(self, code: Tensor) -> Tensor:
        return F.normalize(code, dim=1).flatten(1)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        return self.network_down.feature_maps(x)


@torch.no_grad()
def initialise_he(network: EDDeconv) -> None:
    """Weights of deviation sqrt(2 / fan-in) (He et al. 2015, section 2.2), a smaller last layer.

    With PyTorch's default, as published, the albedo network alone took twice as many steps to the same error
    (results/reference/lab.md).
    """
    for layer in network.modules():
        if isinstance(layer, nn.ConvTranspose2d):  # each output sees one tap in stride^2 of every input channel
            overlap = layer.weight[0, 0].numel() / layer.stride[0] ** 2 if layer.stride[0] > 1 else 1.0
            nn.init.normal_(layer.weight, 0, (2 / (layer.in_channels * overlap)) ** 0.5)
        elif isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0, (2 / layer.weight[0].numel()) ** 0.5)
    network.network_up[-1].get_parameter("weight").mul_(0.3)


def authors_names(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A state dict for `network` in either published layout, in the names used here, which are the authors'.

    unsup3d keeps encoder and decoder in one sequence, `network`, and so it does with the last convolution of light and
    view.
    """
    if isinstance(network, Encoder):
        last = f"network.{len(network.network)}."
        return {name.replace(last, "conv."): tensor for name, tensor in state.items()}
    if not isinstance(network, EDDeconv) or not isinstance(network.network_down, nn.Sequential):
        return state
    decoder = len(network.network_down)
    renamed = {}
    for name, tensor in state.items():
        part, number, rest = (*name.split(".", 2), "", "")[:3]
        if part == "network" and number.isdecimal():
            place = int(number)
            half = f"network_down.{place}" if place < decoder else f"network_up.{place - decoder}"
            name = f"{half}.{rest}"
        renamed[name] = tensor
    return renamed
