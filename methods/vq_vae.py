"""VQ-VAE (van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937): a map of discrete codes.

Two stride-2 convolutions and two residual blocks lead to a quarter of the resolution, where every vector is replaced by
the nearest of K codes. Dead codes are moved onto encoder outputs, without which much of a codebook goes unused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import BadInput, Domain, Encoder, Method, Pretraining
from bench.run import ENCODE_BATCH, Run
from methods.common import channels_last, forward_pass, log_validation, rate_at, report_reconstruction


class Residual(nn.Module):
    """x + (ReLU, 3 x 3, ReLU, 1 x 1), with batch normalisation in between on the encoder's side."""

    def __init__(self, channels: int, normalise: bool) -> None:
        super().__init__()
        norm = [nn.BatchNorm2d(channels)] if normalise else []
        wide, point = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1)
        self.convs = nn.Sequential(nn.ReLU(), wide, *norm, nn.ReLU(), point)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x)


class Codebook(nn.Module):
    """K codes of `channels` numbers, one a column of `weight`."""

    def __init__(self, channels: int, codes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels, codes))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, h, w) -> the nearest codes in its place, and their numbers (B, h, w)."""
        vectors = z.detach().movedim(1, -1)  # (B, h, w, channels)
        distance = self.weight.square().sum(dim=0) - 2 * vectors @ self.weight  # squared, less the constant |z|^2
        numbers = distance.argmin(dim=-1)
        return self.weight.T[numbers].movedim(-1, 1), numbers


class VQNetwork(nn.Module):
    """Images (B, 3, S, S) in [-1, 1] -> code map at S/4 -> images in [-1, 1]."""

    def __init__(self, channels: int, codes: int) -> None:
        super().__init__()
        c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(3, c, 4, stride=2, padding=1),
            nn.BatchNorm2d(c),
            nn.ReLU(),
            nn.Conv2d(c, c, 4, stride=2, padding=1),
            nn.BatchNorm2d(c),
            nn.ReLU(),
            Residual(c, normalise=True),
            nn.BatchNorm2d(c),
            Residual(c, normalise=True),
            nn.BatchNorm2d(c),
        )
        self.decoder = nn.Sequential(
            Residual(c, normalise=False),
            nn.BatchNorm2d(c),
            Residual(c, normalise=False),
            nn.ConvTranspose2d(c, c, 4, stride=2, padding=1),
            nn.BatchNorm2d(c),
            nn.ReLU(),
            nn.ConvTranspose2d(c, 3, 4, stride=2, padding=1),
        )
        self.emb = Codebook(channels, codes)

    def decode(self, z: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 3, 4h, 4w) in [-1, 1]."""
        return torch.tanh(self.decoder(z))


class VQEncoder(Encoder):
    """The quantised map as a representation, flattened, or averaged over a coarser grid first."""

    usage: Tensor

    def __init__(self, channels: int, codes: int, pool: int | None) -> None:
        super().__init__()
        self.net = VQNetwork(channels, codes)
        self.pool = pool
        self.register_buffer("usage", torch.zeros(codes))  # how often each code was chosen since dead codes were moved

    def quantise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [0, 1] -> quantised map (B, channels, H/4, W/4) and its code numbers (B, H/4, W/4)."""
        return self.net.emb(self.net.encoder(x * 2 - 1))

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "quantised" (B, channels * pool * pool), or channels * H/4 * W/4 without pooling."""
        quantised, _ = self.quantise(x)
        if self.pool is not None:
            quantised = F.adaptive_avg_pool2d(quantised, self.pool)
        return {"quantised": quantised.flatten(1)}

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Maps at 1/2 and 1/4 of the resolution."""
        half = self.net.encoder[:3](x * 2 - 1)
        return [half, self.net.encoder[3:](half)]

    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> what the quantised map is decoded to, (B, 3, H, W) in [0, 1]."""
        return (self.net.decode(self.quantise(x)[0]) + 1) / 2

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """The reconstruction, and a walk half-way to the next image of the batch in the space of code maps."""
        quantised, _ = self.quantise(x)
        halfway = (quantised + quantised.roll(-1, dims=0)) / 2
        decoded = {"reconstruction": self.net.decode(quantised), "halfway_to_next": self.net.decode(halfway)}
        return {name: (image + 1) / 2 for name, image in decoded.items()}


@dataclass(frozen=True)
class VQVAE(Method):
    """VQ-VAE (van den Oord 2017)."""

    family: ClassVar[str] = "semantic"

    channels: int = 416
    codes: int = 512
    pool: int | None = None  # features averaged over a pool x pool grid; None: the whole map, flattened
    commitment: float = 0.5
    revive_every: int = 100  # steps between moves of unused codes onto encoder outputs; 0: never
    steps: int = 30000
    batch: int = 64
    lr: float = 0.0002
    halve_every: int = 10  # epochs between halvings of the learning rate, where `decay` is "steps"
    decay: Literal["steps", "cosine"] = "steps"
    precision: Literal["float32", "auto"] = "float32"  # auto: bfloat16 where hardware has it; encoding is float32

    def build(self, image_size: int, domain: Domain) -> VQEncoder:
        """`image_size` must be a multiple of 4."""
        if image_size % 4:
            raise BadInput(f"vq_vae needs an image size that is a multiple of 4, not {image_size}")
        return VQEncoder(self.channels, self.codes, self.pool)

    def fit(self, encoder: VQEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Squared error + codebook + commitment * commitment loss (their equation 3), all as means."""
        net = encoder.net
        optimiser = torch.optim.Adam(net.parameters(), lr=self.lr)
        encoder.train()
        with channels_last(net):
            for step in run.steps(self.steps, encoder=encoder, optimiser=optimiser):
                optimiser.param_groups[0]["lr"] = self.lr * self.rate(step, len(data.train))
                x = run.batch(data.train, self.batch, step) * 2 - 1
                with forward_pass(self.precision, run.device):
                    z = net.encoder(x).float()
                if step == 0 or (self.revive_every and step % self.revive_every == 0):
                    self._revive(encoder, z.detach())
                quantised, numbers = net.emb(z)
                encoder.usage += torch.bincount(numbers.flatten(), minlength=self.codes)
                through = z + (quantised - z).detach()  # the gradient passes straight through to the encoder
                with forward_pass(self.precision, run.device):
                    decoded = net.decode(through)
                reconstruction = F.mse_loss(decoded.float(), x)
                codebook = F.mse_loss(quantised, z.detach())
                committed = F.mse_loss(z, quantised.detach())
                loss = reconstruction + codebook + self.commitment * committed
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                if step % 20 == 0 or step == self.steps - 1:
                    run.log("loss", step, loss.item())
                    run.log("reconstruction", step, reconstruction.item())
                log_validation(encoder, data, run, step, self.steps, encoder.reconstruct)
        encoder.eval()
        run.facts.update(images_seen=self.steps * min(self.batch, len(data.train)), optimiser_steps=self.steps)
        run.facts.update(codebook_use(encoder, data, run))
        report_reconstruction(encoder, data, run)

    def rate(self, step: int, images: int) -> float:
        """Factor of the learning rate at this step of a training on so many images."""
        if self.decay == "cosine":
            return rate_at("cosine", step, self.steps)
        return 0.5 ** (step // (self.halve_every * max(images // self.batch, 1)))

    @staticmethod
    def _revive(encoder: VQEncoder, z: Tensor) -> None:
        """Put codes that nothing chose since the last time onto random vectors of `z` (B, channels, h, w)."""
        vectors = z.movedim(1, -1).flatten(0, -2)
        dead = (encoder.usage == 0).nonzero().flatten()
        chosen = torch.randint(len(vectors), (len(dead),), device=z.device)
        encoder.net.emb.weight.data[:, dead] = vectors[chosen].T
        encoder.usage.zero_()


def codebook_use(encoder: VQEncoder, data: Pretraining, run: Run) -> dict[str, float]:
    """How many codes the validation images use, and the perplexity (the exponential of the entropy) of that use."""
    codes = len(encoder.usage)
    counts = torch.zeros(codes)
    with torch.no_grad():
        for x in data.val.batches(ENCODE_BATCH):
            _, numbers = encoder.quantise(x.to(run.device))
            counts += torch.bincount(numbers.flatten().cpu(), minlength=codes)
    share = counts / counts.sum()
    perplexity = torch.exp(torch.special.entr(share).sum())
    return {"codes": codes, "codes_in_use": int((counts > 0).sum()), "codebook_perplexity": float(perplexity)}
