"""beta-VAE: Higgins et al. 2017 (objective H) and Burgess et al. 2018, arXiv 1804.03599 (objective B).

The published network has five stride-2 convolutions, 32-64-128-256-512 channels, from 128 pixels down to 4 x 4. Smaller
images leave out its outermost stages, larger ones add stages, so that the code is always read off a 4 x 4 map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import BadInput, Domain, Encoder, Method, Pretraining
from bench.run import Run
from methods.common import Decay, Precision, channels_last, forward_pass, log_validation, rate_at, report_reconstruction

ACTIVE = 0.01  # a latent is in use if its mean varies more than this over images (Burda et al. 2016)


def stage_widths(image_size: int, width: int) -> list[int]:
    """Channels after each stride-2 stage, from the image down to a 4 x 4 map of `width` channels."""
    stages = image_size.bit_length() - 3
    if image_size != 4 << stages or stages < 1:
        raise BadInput(f"a VAE needs an image size that is a power of two and at least 8, not {image_size}")
    return [max(width >> (stages - 1 - i), 3) for i in range(stages)]


class VAE(nn.Module):
    """The network: images (B, 3, S, S) -> mean and log-variance (B, latent) -> images in [-1, 1] (tanh)."""

    def __init__(self, image_size: int, latent: int, width: int) -> None:
        super().__init__()
        widths = stage_widths(image_size, width)
        up = widths[::-1]
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU())
                for a, b in pairwise([3, *widths])
            )
        )
        self.fc_mu = nn.Linear(width * 16, latent)
        self.fc_var = nn.Linear(width * 16, latent)
        self.decoder_input = nn.Linear(latent, width * 16)
        self.decoder = nn.Sequential(*(self._upward(a, b) for a, b in pairwise(up)))
        self.final_layer = nn.Sequential(
            *self._upward(up[-1], up[-1]), nn.Conv2d(up[-1], 3, kernel_size=3, padding=1), nn.Tanh()
        )

    @staticmethod
    def _upward(a: int, b: int) -> nn.Sequential:
        convolution = nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)
        return nn.Sequential(convolution, nn.BatchNorm2d(b), nn.LeakyReLU())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posterior, each (B, latent)."""
        h = self.encoder(x).flatten(1)
        return self.fc_mu(h), self.fc_var(h)

    def decode(self, z: Tensor) -> Tensor:
        """(B, latent) -> (B, 3, S, S) in [-1, 1]."""
        h = self.decoder_input(z)
        return self.final_layer(self.decoder(h.view(len(z), -1, 4, 4)))


class VAEEncoder(Encoder):
    """A VAE as a representation: the posterior mean. Pixels are scaled to [-1, 1], the range of the decoder's tanh."""

    activity: Tensor

    def __init__(self, image_size: int, latent: int, width: int) -> None:
        super().__init__()
        self.net = VAE(image_size, latent, width)
        self.register_buffer("activity", torch.zeros(latent))  # variance of each posterior mean over images

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "mu" (B, latent)."""
        return {"mu": self.net.encode(x * 2 - 1)[0]}

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The maps after each stage, 1/2 of the resolution down to 4 x 4."""
        maps = []
        x = x * 2 - 1
        for stage in self.net.encoder:
            x = stage(x)
            maps.append(x)
        return maps

    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> what the posterior mean is decoded to, (B, 3, H, W) in [0, 1]."""
        return (self.net.decode(self.encode(x)["mu"]) + 1) / 2

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """The reconstruction, samples of the prior, and the most active latent moved by -2 and 2."""
        mu = self.encode(x)["mu"]
        prior = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0)).to(mu)
        step = torch.zeros_like(mu)
        step[:, self.activity.argmax()] = 2.0
        codes = {"reconstruction": mu, "sample": prior, "latent_minus": mu - step, "latent_plus": mu + step}
        return {name: (self.net.decode(z) + 1) / 2 for name, z in codes.items()}


def kl_divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, 1)) in nats, mean over the batch."""
    return (-0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)).mean()


Penalty = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a VAE is trained."""

    steps: int
    batch: int
    lr: float
    decay: Decay
    precision: Precision


def train_vae(encoder: VAEEncoder, data: Pretraining, run: Run, penalty: Penalty, schedule: Schedule) -> None:
    """Minimise squared error + penalty(mu, log_var, step) with Adam; the record tells how many latents are in use."""
    net, steps, batch = encoder.net, schedule.steps, schedule.batch
    optimiser = torch.optim.Adam(net.parameters(), lr=schedule.lr)
    encoder.train()
    with channels_last(net):
        for step in run.steps(steps, net=net, optimiser=optimiser):
            optimiser.param_groups[0]["lr"] = schedule.lr * rate_at(schedule.decay, step, steps)
            x = run.batch(data.train, batch, step) * 2 - 1
            with forward_pass(schedule.precision, run.device):
                mu, log_var = (statistic.float() for statistic in net.encode(x))
                z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
                decoded = net.decode(z)
            reconstruction = F.mse_loss(decoded.float(), x)
            loss = reconstruction + penalty(mu, log_var, step)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if step % 20 == 0 or step == steps - 1:
                run.log("loss", step, loss.item())
                run.log("reconstruction", step, reconstruction.item())
                run.log("kl_nats", step, kl_divergence(mu, log_var).item())
            log_validation(encoder, data, run, step, steps, encoder.reconstruct)
    encoder.eval()
    mu = torch.from_numpy(run.features(encoder, data.val))
    encoder.activity.copy_(mu.var(dim=0, correction=0))
    run.facts.update(images_seen=steps * min(batch, len(data.train)), optimiser_steps=steps)
    run.facts["latents"] = mu.shape[1]
    run.facts["latents_in_use"] = int((encoder.activity > ACTIVE).sum())  # the others collapsed onto the prior
    run.facts["kl_nats"] = run.curves["kl_nats"][-1][1]
    report_reconstruction(encoder, data, run)


@dataclass(frozen=True)
class BetaVAE(Method):
    """beta-VAE (Higgins 2017, Burgess 2018)."""

    family: ClassVar[str] = "semantic"

    objective: Literal["B", "H"] = "B"  # B: gamma |KL - C|, C rising to `capacity`; H: beta KL
    latent: int = 512
    width: int = 512  # channels at 4 x 4; they halve with every doubling of the resolution
    beta: float = 4.0
    gamma: float = 10.0
    capacity: float = 25.0  # nats
    capacity_steps: int = 10000  # steps in which C rises; never more than `steps`
    kl_weight: float = 0.00025  # of the KL against the mean squared error per pixel
    steps: int = 30000
    batch: int = 64
    lr: float = 0.0002
    decay: Literal["constant", "cosine"] = "constant"
    precision: Literal["float32", "auto"] = "float32"  # auto: bfloat16 where hardware has it; encoding is float32

    def build(self, image_size: int, domain: Domain) -> VAEEncoder:
        """`image_size`: a power of two, at least 8."""
        return VAEEncoder(image_size, self.latent, self.width)

    def penalty(self, mu: Tensor, log_var: Tensor, step: int) -> Tensor:
        """What is added to the mean squared error at this step (0 is the first)."""
        kl = kl_divergence(mu, log_var)
        if self.objective == "H":
            return self.beta * self.kl_weight * kl
        target = self.capacity * min((step + 1) / min(self.capacity_steps, self.steps), 1.0)
        return self.gamma * self.kl_weight * (kl - target).abs()

    def fit(self, encoder: VAEEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Train on squared error and `penalty`."""
        schedule = Schedule(self.steps, self.batch, self.lr, self.decay, self.precision)
        train_vae(encoder, data, run, self.penalty, schedule)
