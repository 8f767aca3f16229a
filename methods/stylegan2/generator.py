"""The StyleGAN2 generator: latent z -> w by a mapping network -> styles -> image, built up by skip connections."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from methods.stylegan2.layers import BiasActivation, EqualLinear, Filter, ModulatedConv, Noise, PixelNorm, upsample


def channels_at(resolution: int, base: int, most: int) -> int:
    """Channels of the maps at a resolution; published: base 32768, at most 512."""
    return min(base // resolution, most)


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, noise, bias and leaky ReLU."""

    def __init__(self, a: int, b: int, style_dim: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(a, b, 3, style_dim, up=up)
        self.noise = Noise()
        self.activate = BiasActivation(b)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution to colours, added to the upsampled image so far."""

    def __init__(self, a: int, style_dim: int, up: bool = True) -> None:
        super().__init__()
        if up:
            self.upsample = Filter(gain=4.0)
        self.conv = ModulatedConv(a, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))


class ConstantInput(nn.Module):
    """The learnt (1, C, 4, 4) map that every image starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(nn.Module):
    """z or w -> images (B, 3, size, size), about in [-1, 1] but not clipped.

    Layers run in one order everywhere: convolution at 4 x 4, to-RGB, then (up-convolution, convolution, to-RGB) at
    every doubling. `latents` of them take their own w (a to-RGB shares that of the next up-convolution).
    """

    def __init__(self, size: int, style_dim: int = 512, base: int = 32768, most: int = 512, depth: int = 8) -> None:
        super().__init__()
        resolutions = [4 << i for i in range(size.bit_length() - 2)]
        if resolutions[-1] != size or size < 8:
            raise ValueError(f"a generator's size is a power of two from 8 on, not {size}")
        self.size, self.style_dim = size, style_dim
        widths = [channels_at(r, base, most) for r in resolutions]
        mapping = [EqualLinear(style_dim, style_dim, lr_mul=0.01, activate=True) for _ in range(depth)]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = ConstantInput(widths[0])
        self.conv1 = StyledConv(widths[0], widths[0], style_dim)
        self.to_rgb1 = ToRGB(widths[0], style_dim, up=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for a, b in pairwise(widths):
            self.convs += [StyledConv(a, b, style_dim, up=True), StyledConv(b, b, style_dim)]
            self.to_rgbs.append(ToRGB(b, style_dim))
        self.noises = nn.Module()  # fixed noise, for pictures that must not change
        for i in range(2 * len(resolutions) - 1):
            resolution = resolutions[(i + 1) // 2]
            self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, resolution, resolution))
        self.latents = 2 * len(resolutions)

    def layers(self) -> list[Any]:
        """All layers with a style, in the order they run."""
        order: list[Any] = [self.conv1, self.to_rgb1]
        for i, to_rgb in enumerate(self.to_rgbs):
            order += [self.convs[2 * i], self.convs[2 * i + 1], to_rgb]
        return order

    def latent_of_layer(self) -> list[int]:
        """Which of the `latents` codes each of `layers()` reads."""
        order = [0, 1]
        for i in range(1, self.latents - 2, 2):
            order += [i, i + 1, i + 2]
        return order

    def styles(self, w: Tensor) -> list[Tensor]:
        """W (B, D) or W+ (B, latents, D) -> the style of each of `layers()`, (B, channels): style space."""
        codes = w[:, None].expand(-1, self.latents, -1) if w.dim() == 2 else w
        pairs = zip(self.layers(), self.latent_of_layer(), strict=True)
        return [layer.conv.modulation(codes[:, i]) for layer, i in pairs]

    def synthesise(
        self, styles: list[Tensor], fresh_noise: bool = False, taps: list[tuple[Tensor, Tensor]] | None = None
    ) -> Tensor:
        """Style space -> image. `taps`, if given, receives the map each layer reads, before and after activation."""
        x = before = self.input.input.expand(len(styles[0]), -1, -1, -1)
        image = torch.zeros(())
        convolutions = 0
        for layer, style in zip(self.layers(), styles, strict=True):
            if taps is not None:
                taps.append((before, x))
            if isinstance(layer, ToRGB):
                colours = layer.conv(x, style) + layer.bias
                image = colours if layer is self.to_rgb1 else colours + upsample(image, layer.upsample.kernel)
            else:
                noise = None if fresh_noise else getattr(self.noises, f"noise_{convolutions}")
                convolutions += 1
                before = layer.conv(x, style)
                x = layer.activate(layer.noise(before, noise))
        return image

    def forward(self, w: Tensor, fresh_noise: bool = False) -> Tensor:
        """W (B, D) or W+ (B, latents, D) -> images (B, 3, size, size)."""
        return self.synthesise(self.styles(w), fresh_noise)

    def mix(self, w1: Tensor, w2: Tensor, crossover: int) -> Tensor:
        """W+ (B, latents, D): `w1` (B, D) for the first `crossover` codes, `w2` for the rest."""
        late = torch.arange(self.latents, device=w1.device).view(1, -1, 1) >= crossover
        return torch.where(late, w2[:, None], w1[:, None])
