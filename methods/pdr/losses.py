"""What training minimises: colours within their confidence, image structure, and smooth depth (unsup3d, section
3.2-3.3).

Images are (B, 3, H, W) in [-1, 1], masks (B, 1, H, W) are 1 where a pixel counts, sigmas (B, 1, h, w) > 0.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import BadInput, Unavailable
from methods.checkpoints import load_matching, read_checkpoint

EPS = 1e-7
VGG_PAGE = "https://download.pytorch.org/models/vgg16-397923af.pth"


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values.mean(1, keepdim=True) * mask).sum() / mask.sum().clamp(min=EPS)


def photometric(image: Tensor, target: Tensor, mask: Tensor, sigma: Tensor | None = None) -> Tensor:
    """Mean absolute error, or its negative log-likelihood sqrt(2) |d| / sigma + log sigma under Laplace noise."""
    error = (image - target).abs()
    if sigma is not None:
        error = error * 2**0.5 / (sigma + EPS) + (sigma + EPS).log()
    return _mean(error, mask)


def structure(image: Tensor, target: Tensor, mask: Tensor, scales: int = 3) -> Tensor:
    """Mean absolute error of the image gradients, over octaves: the perceptual loss of those without VGG-16.

    Unlike colours, gradients look the same under a wrong light or a wrong mean colour, and coarse octaves pull from
    afar.
    """
    error, total = (image - target) * mask, image.new_zeros(())
    for octave in range(scales):
        if octave:
            error, mask = F.avg_pool2d(error, 2), (F.avg_pool2d(mask, 2) == 1).to(mask)
        across = _mean((error[..., 1:] - error[..., :-1]).abs(), mask[..., 1:] * mask[..., :-1])
        down = _mean((error[..., 1:, :] - error[..., :-1, :]).abs(), mask[..., 1:, :] * mask[..., :-1, :])
        total = total + across + down
    return total / scales


def variation(albedo: Tensor) -> Tensor:
    """Mean absolute difference of neighbours in (B, 3, H, W) albedo -1 .. 1.

    Surfaces are mostly of few colours, so what changes gradually is shading (Land and McCann 1971): without this, an
    albedo network can paint the shading and leave the shape flat.
    """
    across, down = albedo[..., 1:] - albedo[..., :-1], albedo[..., 1:, :] - albedo[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def smoothness(depth: Tensor, span: float) -> Tensor:
    """Mean absolute difference of neighbours in (B, H, W) depths, as a share of the depth range `span`."""
    across, down = depth[:, :, 1:] - depth[:, :, :-1], depth[:, 1:] - depth[:, :-1]
    return (across.abs().mean() + down.abs().mean()) / span


class Perceptual(nn.Module):
    """Squared error of VGG-16 features (relu3_3): d^2 / (2 sigma^2) + log sigma with a sigma, plain without."""

    mean_rgb: Tensor
    std_rgb: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_rgb", torch.tensor([0.485, 0.456, 0.406]))
        self.register_buffer("std_rgb", torch.tensor([0.229, 0.224, 0.225]))
        first = ((0, 3, 64), (2, 64, 64))
        second = ((5, 64, 128), (7, 128, 128))
        third = ((10, 128, 256), (12, 256, 256), (14, 256, 256))
        for number, stage in enumerate((first, second, third), start=1):
            layers = nn.Sequential()
            if number > 1:
                layers.add_module(str(stage[0][0] - 1), nn.MaxPool2d(2))
            for index, a, b in stage:
                layers.add_module(str(index), nn.Conv2d(a, b, 3, padding=1))
                layers.add_module(str(index + 1), nn.ReLU())
            self.add_module(f"slice{number}", layers)

    @classmethod
    def from_file(cls, path: str | None) -> Perceptual:
        """With torchvision's weights of VGG-16. Raises `Unavailable` where no file is given."""
        if path is None:
            raise Unavailable(f"pdr: perceptual=vgg16 needs weights; get {VGG_PAGE} and set pdr.vgg")
        return cls().load(path)

    def load(self, path: str | Path) -> Perceptual:
        """Take the convolutions up to relu3_3 from torchvision's state dict. Raises `BadInput` for other files."""
        content = read_checkpoint(path)
        state = {name: tensor for name, tensor in self.state_dict().items() if "." not in name}
        for name in self.state_dict():
            _, _, layer = name.partition(".")
            if layer:
                if f"features.{layer}" not in content:
                    raise BadInput(f"{path}: has no tensor 'features.{layer}': not torchvision's VGG-16")
                state[name] = content[f"features.{layer}"]
        load_matching(self, state, path)
        return self.requires_grad_(False)

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 256, H/4, W/4): relu3_3."""
        x = (image / 2 + 0.5 - self.mean_rgb.view(1, 3, 1, 1)) / self.std_rgb.view(1, 3, 1, 1)
        for stage in self.children():
            x = stage(x)
        return x

    def forward(self, image: Tensor, target: Tensor, mask: Tensor, sigma: Tensor | None = None) -> Tensor:
        a, b = self.features(torch.cat((image, target))).chunk(2)
        error = (a - b) ** 2
        if sigma is not None:
            error = error / (2 * sigma**2 + EPS) + (sigma + EPS).log()
        return _mean(error, F.avg_pool2d(mask, image.shape[-1] // a.shape[-1]))
