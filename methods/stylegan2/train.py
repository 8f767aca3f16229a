"""Training StyleGAN2: non-saturating losses, lazy R1 and path-length regularisation, style mixing, averaged weights."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import Images, Method
from bench.run import Run
from methods.checkpoints import load_matching, read_checkpoint
from methods.common import channels_last, forward_pass
from methods.stylegan2.augment import AdaptiveAugment
from methods.stylegan2.discriminator import Discriminator
from methods.stylegan2.generator import Generator

R1_EVERY = 16  # steps between R1 penalties, each a step of its own ("lazy regularisation"); likewise path lengths
PATH_EVERY = 4
NOT_LEARNT = ("noises.", ".kernel")  # some published files lack these; any noise and the fixed filter will do


class PathLength(nn.Module):
    """Keeps the length of dg(w)/dw . y near its running mean for random images y (their equation 4)."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images: Tensor, wplus: Tensor) -> Tensor:
        """Images (B, 3, H, W) made from `wplus` (B, latents, D) -> the penalty."""
        noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
        (gradient,) = torch.autograd.grad((images * noise).sum(), wplus, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
        self.mean.lerp_(lengths.detach().mean(), 0.01)
        return (lengths - self.mean).square().mean()


def gradient_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """R1: the mean squared gradient norm of the discriminator at real examples (B, ...)."""
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


def resized(x: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, size, size), antialiased."""
    if x.shape[-1] == size:
        return x
    return F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


def average_into(ema: nn.Module, model: nn.Module, decay: float) -> None:
    """Exponential moving average of the parameters."""
    with torch.no_grad():
        for kept, new in zip(ema.parameters(), model.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)


@dataclass(frozen=True)
class StyleGAN2(Method):
    """The generator's settings and training, shared by the methods that invert it; published values of config f."""

    generator: str | None = None  # a file of weights (rosinality's "g_ema"); None: train one
    size: int | None = None  # of the generated images; None: that of the data
    style_dim: int = 512
    channel_base: int = 32768  # a map of r x r pixels has channel_base / r channels,
    channel_max: int = 512  # at most this many
    mapping_depth: int = 8
    gan_steps: int = 100000
    gan_batch: int = 32
    gan_lr: float = 0.002
    r1: float = 10.0  # weight of the gradient penalty
    path_length: float = 2.0  # weight of the path-length penalty
    mixing: float = 0.9  # share of images made from two latents
    ada_target: float = 0.6  # wanted mean sign of D(real)
    ada_images: int = 500000  # images in which the augmentation can rise from never to always
    precision: Literal["float32", "auto"] = "float32"  # auto: the generator in bfloat16 where hardware has it

    def new_generator(self, image_size: int) -> Generator:
        """An untrained generator with these settings."""
        size = self.size or image_size
        return Generator(size, self.style_dim, self.channel_base, self.channel_max, self.mapping_depth)

    def sample_w(self, generator: Generator, count: int, device: torch.device) -> Tensor:
        """W+ (count, latents, D) of random latents; a share `mixing` of the batches changes latent half-way."""
        w1 = generator.style(torch.randn(count, generator.style_dim, device=device))
        if torch.rand(()) >= self.mixing:
            return w1[:, None].expand(-1, generator.latents, -1)
        w2 = generator.style(torch.randn(count, generator.style_dim, device=device))
        return generator.mix(w1, w2, int(torch.randint(1, generator.latents, ())))

    def obtain_generator(self, ema: Generator, images: Images, run: Run) -> None:
        """Load the given weights into `ema`, or train them on `images`."""
        if self.generator is not None:
            content = read_checkpoint(self.generator)
            load_matching(ema, content.get("g_ema", content), self.generator, NOT_LEARNT)
            run.facts.update(images_seen=0, optimiser_steps=0)
        else:
            settings = {f.name: getattr(self, f.name) for f in fields(StyleGAN2)}
            run.shared("stylegan2", settings, ema, lambda: self.train_generator(ema, images, run))

    def train_generator(self, ema: Generator, images: Images, run: Run) -> None:
        """Adversarial training; `ema` (untrained on entry) ends as the running average of the generator's weights."""
        generator = copy.deepcopy(ema)
        discriminator = Discriminator(generator.size, self.channel_base, self.channel_max).to(run.device)
        augment = AdaptiveAugment(self.ada_target, self.ada_images).to(run.device)
        path = PathLength().to(run.device)
        g_optimiser = self._adam(generator, PATH_EVERY)
        d_optimiser = self._adam(discriminator, R1_EVERY)
        batch = min(self.gan_batch, len(images))

        def paint(wplus: Tensor) -> Tensor:
            with forward_pass(self.precision, run.device):
                return generator(wplus, fresh_noise=True).float()

        with channels_last(discriminator):
            for step in run.steps(
                self.gan_steps,
                "generator",
                **{
                    "generator": generator,
                    "ema": ema,
                    "discriminator": discriminator,
                    "augment": augment,
                    "path": path,
                },
                **{"g_optimiser": g_optimiser, "d_optimiser": d_optimiser},
            ):
                real = resized(run.batch(images, batch, step), generator.size) * 2 - 1

                with torch.no_grad():
                    fake = paint(self.sample_w(generator, batch, run.device))
                real, fake = augment(real), augment(fake)
                real_scores = discriminator(real)
                d_loss = F.softplus(-real_scores).mean() + F.softplus(discriminator(fake)).mean()
                _descend(d_optimiser, d_loss)
                if step % R1_EVERY == 0:
                    _descend(d_optimiser, self.r1 / 2 * R1_EVERY * gradient_penalty(discriminator, real))
                augment.adapt(real_scores)

                discriminator.requires_grad_(False)
                wplus = self.sample_w(generator, batch, run.device)
                g_loss = F.softplus(-discriminator(augment(paint(wplus)))).mean()
                _descend(g_optimiser, g_loss)
                discriminator.requires_grad_(True)
                if self.path_length and step % PATH_EVERY == 0:
                    half = self.sample_w(generator, max(batch // 2, 1), run.device)
                    penalty = path(generator(half, fresh_noise=True), half)
                    _descend(g_optimiser, self.path_length * PATH_EVERY * penalty)

                half_life = min(10000, 0.05 * (step + 1) * batch)  # in images; short at first, as for small runs
                average_into(ema, generator, 0.5 ** (batch / half_life))
                if step % 20 == 0 or step == self.gan_steps - 1:
                    run.log("discriminator_loss", step, d_loss.item())
                    run.log("generator_loss", step, g_loss.item())
        run.facts.update(images_seen=self.gan_steps * batch, optimiser_steps=self.gan_steps)
        run.facts["augmentation_probability"] = round(augment.p.item(), 4)

    def _adam(self, module: nn.Module, every: int) -> torch.optim.Adam:
        """Adam with the rates adjusted for a penalty that comes every so many steps (their appendix B)."""
        share = every / (every + 1)
        return torch.optim.Adam(module.parameters(), lr=self.gan_lr * share, betas=(0.0, 0.99**share))


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def mean_w(generator: Generator, device: torch.device, samples: int = 4096) -> Tensor:
    """(D,): the centre of W, over a fixed set of latents."""
    z = torch.randn(samples, generator.style_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return generator.style(z.to(device)).mean(dim=0)
