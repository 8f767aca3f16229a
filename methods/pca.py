"""Principal components of the pixels ("eigenfaces", Turk and Pentland 1991): the linear reference point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.api import Domain, Encoder, Method, Pretraining
from bench.run import Run
from methods.common import principal_axes, report_reconstruction


class PCAEncoder(Encoder):
    """Coordinates of an image along the leading principal components of the training images."""

    mean: Tensor
    components: Tensor
    scale: Tensor

    def __init__(self, components: int, image_size: int) -> None:
        super().__init__()
        pixels = 3 * image_size * image_size
        self.image_size = image_size
        self.register_buffer("mean", torch.full((pixels,), 0.5))
        self.register_buffer("components", torch.zeros(components, pixels))  # unit rows, by falling variance
        self.register_buffer("scale", torch.zeros(components))  # standard deviation along each

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "pca" (B, components), in units of pixel values."""
        return {"pca": (x.flatten(1) - self.mean) @ self.components.T}

    def reconstruct(self, x: Tensor, components: int | None = None) -> Tensor:
        """(B, 3, H, W) -> the nearest images (B, 3, H, W) within the first `components` directions (default: all)."""
        coordinates = self.encode(x)["pca"][:, :components]
        return (self.mean + coordinates @ self.components[:components]).view_as(x)

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """The reconstruction, and images drawn from the Gaussian that the components describe."""
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(len(x), len(self.scale), generator=generator).to(x.device) * self.scale
        sample = (self.mean + z @ self.components).view_as(x)
        return {"reconstruction": self.reconstruct(x).clamp(0, 1), "sample": sample.clamp(0, 1)}


@dataclass(frozen=True)
class PCA(Method):
    """Principal component analysis of raw pixels."""

    components: int = 64
    sample: int = 4000  # images used at most: 12,288 numbers each at 64 pixels

    def build(self, image_size: int, domain: Domain) -> PCAEncoder:
        """Without fitting, all components are zero."""
        return PCAEncoder(self.components, image_size)

    def fit(self, encoder: PCAEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Directions beyond those that the images span stay zero."""
        mean, axes, deviations = principal_axes(data.train, self.components, run, self.sample)
        encoder.mean.copy_(mean)
        encoder.components[: len(axes)] = axes
        encoder.scale[: len(axes)] = deviations
        run.facts.update(images_seen=min(self.sample, len(data.train)), optimiser_steps=0)
        report_reconstruction(encoder, data, run)
