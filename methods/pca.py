"""Principal components of the pixels ("eigenfaces", Turk and Pentland 1991): the linear reference point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.api import Domain, Encoder, Method, Pretraining
from bench.run import Run
from methods.common import reconstruction_error


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
        """Randomised singular value decomposition; directions beyond those that the images span stay zero."""
        rows = run.rng("pca").permutation(len(data.train))[: self.sample]
        x = data.train[rows].to(run.device).flatten(1)
        encoder.mean.copy_(x.mean(dim=0))
        rank = min(self.components, len(x) - 1, x.shape[1])  # centred images span one direction less
        torch.manual_seed(run.seed)
        oversampled = min(rank + 10, *x.shape)
        _, singular, directions = torch.svd_lowrank(x - encoder.mean, q=oversampled, niter=4)
        directions = directions[:, :rank].T  # (rank, pixels)
        largest = directions.abs().argmax(dim=1, keepdim=True)
        encoder.components[:rank] = directions * directions.gather(1, largest).sign()  # the sign is a convention
        encoder.scale[:rank] = singular[:rank] / max(len(x) - 1, 1) ** 0.5
        run.facts.update(images_seen=len(x), optimiser_steps=0)
        run.facts["val_mse"] = reconstruction_error(encoder, data.val, run)
        run.facts["val_mse_16_components"] = reconstruction_error(
            encoder, data.val, run, lambda x: encoder.reconstruct(x, 16)
        )
        run.facts["val_mse_mean_image"] = reconstruction_error(
            encoder, data.val, run, lambda x: encoder.reconstruct(x, 0)
        )
