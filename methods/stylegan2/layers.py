"""Building blocks of StyleGAN2: equalised learning rate, FIR resampling, modulated convolution.

Names of parameters and buffers follow the widespread PyTorch port (rosinality/stylegan2-pytorch), so that its
checkpoints load. Weights are drawn from N(0, 1) and scaled at run time by He's constant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fir_kernel(gain: float = 1.0) -> Tensor:
    """The (4, 4) binomial low-pass filter [1, 3, 3, 1] with sum `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = taps.outer(taps)
    return kernel * (gain / kernel.sum())


def fir(x: Tensor, kernel: Tensor, pad: tuple[int, int], down: int = 1) -> Tensor:
    """Pad (B, C, H, W) by `pad` before and after both axes, filter every channel, keep every `down`-th pixel."""
    channels = x.shape[1]
    each = kernel.expand(channels, 1, 4, 4)  # symmetric: no need to flip it
    return F.conv2d(F.pad(x, (*pad, *pad)), each, stride=down, groups=channels)


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W): zeros in between, then the filter (of sum 4)."""
    channels = x.shape[1]
    return F.conv_transpose2d(x, kernel.expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU (0.2) that keeps the variance."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


class PixelNorm(nn.Module):
    """Scale every vector of channels to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Fully connected layer with equalised learning rate; `lr_mul` slows it down; optionally with leaky ReLU."""

    def __init__(self, a: int, b: int, bias: float = 0.0, lr_mul: float = 1.0, activate: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(b, a) / lr_mul)
        self.bias = nn.Parameter(torch.full((b,), bias))
        self.scale, self.lr_mul, self.activate = lr_mul / math.sqrt(a), lr_mul, activate

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return leaky(y) if self.activate else y


class Filter(nn.Module):
    """Holds the FIR kernel under the name that checkpoints give it."""

    kernel: Tensor

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(gain))


class BiasActivation(nn.Module):
    """Bias per channel, then leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky(x + self.bias.view(-1, 1, 1))


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style (their section 2.2), optionally upsampling by two.

    Scaling the activations before and after equals scaling the weights, without one convolution for every image.
    """

    def __init__(
        self, a: int, b: int, kernel_size: int, style_dim: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, b, a, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_dim, a, bias=1.0)
        self.scale = 1 / math.sqrt(a * kernel_size**2)
        self.demodulate, self.up = demodulate, up
        if up:
            self.blur = Filter(gain=4.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (B, a, H, W), style (B, a) as made by `modulation` -> (B, b, H, W), or twice as large."""
        weight = self.weight[0] * self.scale
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = fir(x, self.blur.kernel, (1, 1))
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            power = style.square() @ weight.square().sum(dim=(2, 3)).T  # (B, b)
            x = x * torch.rsqrt(power + 1e-8)[:, :, None, None]
        return x


class Noise(nn.Module):
    """Adds noise (1 or B, 1, H, W), scaled by one learnt number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """With None the noise is fresh."""
        if noise is None:
            noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device)
        return x + self.weight * noise


class EqualConv(nn.Module):
    """Convolution with equalised learning rate and no bias."""

    def __init__(self, a: int, b: int, kernel_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(b, a, kernel_size, kernel_size))
        self.scale = 1 / math.sqrt(a * kernel_size**2)

    def forward(self, x: Tensor, stride: int = 1) -> Tensor:
        """Same size, or without padding at stride 2."""
        padding = self.weight.shape[-1] // 2 if stride == 1 else 0
        return F.conv2d(x, self.weight * self.scale, stride=stride, padding=padding)
