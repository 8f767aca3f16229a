"""DIP-VAE-II (Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848): a VAE with a decorrelated aggregate posterior.

The stronger sibling of beta-VAE: it asks the latents to be uncorrelated over images instead of squeezing each image's
information, so that it disentangles without giving up the reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bench.api import Domain, Method, Pretraining
from bench.run import Run
from methods.beta_vae import Schedule, VAEEncoder, kl_divergence, train_vae


def decorrelation(mu: Tensor, log_var: Tensor, off_diagonal: float, diagonal: float) -> Tensor:
    """Distance of the aggregate posterior's covariance from the identity (their equations 6 and 7, variant II).

    `mu`, `log_var` (B, latent): the covariance of q(z) is that of the means plus the mean of the variances.
    """
    centred = mu - mu.mean(dim=0)
    covariance = centred.T @ centred / len(mu) + log_var.exp().mean(dim=0).diag()
    variances = covariance.diagonal()
    off = covariance.square().sum() - variances.square().sum()
    return off_diagonal * off + diagonal * (variances - 1).square().sum()


@dataclass(frozen=True)
class DIPVAE(Method):
    """DIP-VAE-II: a VAE with decorrelated latents (Kumar 2018)."""

    family: ClassVar[str] = "semantic"

    latent: int = 32
    width: int = 512  # channels at 4 x 4; they halve with every doubling of the resolution
    off_diagonal: float = 10.0
    diagonal: float = 10.0
    noise: float = 0.1  # standard deviation of a pixel given its latents, pixels in [-1, 1]
    steps: int = 30000
    batch: int = 64
    lr: float = 0.0002
    decay: Literal["constant", "cosine"] = "constant"
    precision: Literal["float32", "auto"] = "float32"  # auto: bfloat16 where hardware has it; encoding is float32

    def build(self, image_size: int, domain: Domain) -> VAEEncoder:
        """`image_size`: a power of two, at least 8."""
        return VAEEncoder(image_size, self.latent, self.width)

    def fit(self, encoder: VAEEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Minimise -log p(x|z) + KL + decorrelation, scaled so that the first term is the mean squared error."""
        weight = 2 * self.noise**2 / (3 * data.train.size**2)

        def penalty(mu: Tensor, log_var: Tensor, step: int) -> Tensor:
            extra = decorrelation(mu, log_var, self.off_diagonal, self.diagonal)
            return weight * (kl_divergence(mu, log_var) + extra)

        schedule = Schedule(self.steps, self.batch, self.lr, self.decay, self.precision)
        train_vae(encoder, data, run, penalty, schedule)
        mu = torch.from_numpy(run.features(encoder, data.val))
        in_use = mu[:, mu.var(dim=0) > 0.01]
        if in_use.shape[1] > 1:
            correlation = torch.corrcoef(in_use.T) - torch.eye(in_use.shape[1])
            run.facts["latent_correlation"] = float(correlation.abs().mean())
