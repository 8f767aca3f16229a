"""StyleGAN2 inversion: images as the W+ codes (or styles) that make a generator paint them again.

A generator is trained on the images (or loaded), then an encoder into its W+ space as in e4e (Tov et al. 2021,
arXiv 2102.02766): squared error of the picture, small offsets from the base code, and a discriminator that keeps codes
like those of the mapping network. Without outside weights there is no LPIPS and no identity loss, which e4e adds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import BadInput, Domain, Encoder, Pretraining
from bench.run import Run
from bench.store import file_hash
from methods.checkpoints import load_matching, part, read_checkpoint
from methods.common import channels_last, forward_pass, log_validation, rate_at, report_reconstruction
from methods.e4e.encoder import make_encoder
from methods.stylegan2.discriminator import LatentDiscriminator
from methods.stylegan2.generator import Generator
from methods.stylegan2.train import NOT_LEARNT, R1_EVERY, StyleGAN2, gradient_penalty, mean_w, resized

REFINEMENT_RATE = 0.01  # of Adam on the codes
FIRST_OFFSET, NEXT_OFFSET = 0.1, 0.01  # shares of the training after which offsets are switched on, one by one


class InversionEncoder(Encoder):
    """A generator and the encoder into its W+ space."""

    encoder: Any  # either of the two: both tell their `input_size` and give `taps`
    latent_avg: Tensor

    def __init__(self, generator: Generator, encoder: Any, features: str, steps: int) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder
        self.features, self.steps = features, steps
        self.register_buffer("latent_avg", torch.zeros(generator.latents, generator.style_dim))

    def codes(self, x: Tensor, stage: int | None = None) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] -> W+ (B, latents, D) by the encoder alone."""
        return self.latent_avg + self.encoder(resized(x, self.encoder.input_size) * 2 - 1, stage)

    def wplus(self, x: Tensor) -> Tensor:
        """Images -> W+, refined by optimisation where asked for."""
        codes = self.codes(x)
        return self.refine(codes, x) if self.steps else codes

    def refine(self, codes: Tensor, x: Tensor) -> Tensor:
        """`steps` steps of Adam on the squared error, every image on its own."""
        target = resized(x, self.generator.size) * 2 - 1
        with torch.enable_grad():
            codes = codes.detach().clone().requires_grad_()
            optimiser = torch.optim.Adam([codes], lr=REFINEMENT_RATE)
            for _ in range(self.steps):
                loss = (self.generator(codes) - target).square().mean(dim=(1, 2, 3)).sum()
                (codes.grad,) = torch.autograd.grad(loss, codes)
                optimiser.step()
        return codes.detach()

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> "w" (B, D), the mean code; "w_plus" (B, latents * D); or "style" (B, all channels)."""
        codes = self.wplus(x)
        if self.features == "W":
            return {"w": codes.mean(dim=1)}
        if self.features == "W+":
            return {"w_plus": codes.flatten(1)}
        return {"style": torch.cat(self.generator.styles(codes), dim=1)}

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The encoder's maps."""
        return self.encoder.taps(resized(x, self.encoder.input_size) * 2 - 1)

    def paint(self, codes: Tensor, size: int) -> Tensor:
        """W or W+ -> images (B, 3, size, size) in [0, 1]."""
        return resized((self.generator(codes) + 1) / 2, size).clamp(0, 1)

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """The reconstruction, random samples, and the coarse half of the codes taken from the next image."""
        codes = self.wplus(x)
        z = torch.randn(len(x), self.generator.style_dim, generator=torch.Generator().manual_seed(0))
        mixed = codes.clone()
        mixed[:, : codes.shape[1] // 2] = codes.roll(-1, dims=0)[:, : codes.shape[1] // 2]
        sources = {
            "reconstruction": codes,
            "sample": self.generator.style(z.to(x.device)),
            "coarse_half_of_next": mixed,
        }
        return {name: self.paint(source, x.shape[-1]) for name, source in sources.items()}


@dataclass(frozen=True)
class StyleGANInversion(StyleGAN2):
    """StyleGAN2 and an e4e encoder into its latent space."""

    family: ClassVar[str] = "semantic"

    encoder: str | None = None  # a file of weights as e4e publishes them; None: train one
    backbone: Literal["ir_se50", "small"] = "ir_se50"
    encoder_width: int = 32  # of the small backbone's first layer
    features: Literal["W", "W+", "style"] = "W+"
    steps: int = 0  # of optimisation of each image's codes, from the encoder's on
    encoder_steps: int = 200000
    encoder_batch: int = 8
    encoder_lr: float = 0.0001
    offset_weight: float = 0.0002  # penalty on the length of the offsets
    encoder_decay: Literal["constant", "cosine"] = "constant"  # of the encoder's learning rate
    latent_weight: float = 0.1  # of the latent discriminator's verdict

    def build(self, image_size: int, domain: Domain) -> InversionEncoder:
        """Untrained generator and encoder."""
        if self.backbone == "ir_se50" and self.style_dim != 512:
            raise BadInput("backbone=ir_se50 makes codes of 512 numbers: set style_dim=512, or backbone=small")
        generator = self.new_generator(image_size)
        encoder = make_encoder(self.backbone, image_size, generator.latents, self.style_dim, self.encoder_width)
        return InversionEncoder(generator, encoder, self.features, self.steps)

    def fit(self, encoder: InversionEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """The generator first, then the encoder; either may come from a file."""
        published = read_checkpoint(self.encoder) if self.encoder is not None else None
        if published is not None and self.generator is None:
            self._load(encoder.generator, published, "decoder.")
            run.facts.update(images_seen=0, optimiser_steps=0)
        else:
            self.obtain_generator(encoder.generator, data.train, run)
        if published is None:
            encoder.latent_avg.copy_(mean_w(encoder.generator, run.device).expand_as(encoder.latent_avg))
            settings = {f.name: getattr(self, f.name) for f in fields(StyleGANInversion)}
            settings = {name: value for name, value in settings.items() if name not in ("features", "steps")}
            if self.generator is not None:
                settings["generator"] = file_hash(Path(self.generator))  # the name says nothing of the content
            run.shared("e4e", settings, encoder.encoder, lambda: self.train_encoder(encoder, data, run))
        else:
            self._load(encoder.encoder, published, "encoder.")
            average = published.get("latent_avg")
            if not isinstance(average, Tensor) or average.shape[-1] != self.style_dim:
                raise BadInput(f"{self.encoder}: has no tensor 'latent_avg' of {self.style_dim} numbers a code")
            encoder.latent_avg.copy_(average.expand_as(encoder.latent_avg))
        encoder.eval()
        report_reconstruction(encoder, data, run)

    def _load(self, module: torch.nn.Module, content: dict[str, object], prefix: str) -> None:
        state = content.get("state_dict")
        if not isinstance(state, dict):
            raise BadInput(f"{self.encoder}: has no 'state_dict', so it is no e4e checkpoint")
        load_matching(module, part(state, prefix), f"{self.encoder} ({prefix}*)", NOT_LEARNT)

    def train_encoder(self, model: InversionEncoder, data: Pretraining, run: Run) -> None:
        """Adam on the squared error of the repainted image; the generator stays as it is."""
        model.generator.requires_grad_(False)
        net = model.encoder
        judge = LatentDiscriminator(self.style_dim, self.style_dim).to(run.device)
        optimiser = torch.optim.Adam(net.parameters(), lr=self.encoder_lr)
        judge_optimiser = torch.optim.Adam(judge.parameters(), lr=self.encoder_lr)
        batch = min(self.encoder_batch, len(data.train))
        net.train()
        with channels_last(net):
            for step in run.steps(
                self.encoder_steps,
                "encoder",
                **{"net": net, "judge": judge, "optimiser": optimiser, "judge_optimiser": judge_optimiser},
            ):
                optimiser.param_groups[0]["lr"] = self.encoder_lr * rate_at(
                    self.encoder_decay, step, self.encoder_steps
                )
                x = run.batch(data.train, batch, step)
                with forward_pass(self.precision, run.device):
                    codes = model.codes(x, self.stage(step)).float()

                judge.requires_grad_(True)
                self._train_judge(judge, judge_optimiser, model.generator, codes.detach(), step)

                judge.requires_grad_(False)
                target = resized(x, model.generator.size) * 2 - 1
                with forward_pass(self.precision, run.device):
                    painted = model.generator(codes).float()
                reconstruction = F.mse_loss(painted, target)
                offsets = (codes - codes[:, :1]).norm(dim=2).sum(dim=1).mean()
                natural = F.softplus(-judge(codes.flatten(0, 1))).mean()
                loss = reconstruction + self.offset_weight * offsets + self.latent_weight * natural
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                if step % 20 == 0 or step == self.encoder_steps - 1:
                    run.log("reconstruction", step, reconstruction.item())
                    run.log("code_naturalness_loss", step, natural.item())
                log_validation(
                    model, data, run, step, self.encoder_steps, lambda x: model.paint(model.codes(x), x.shape[-1])
                )
        model.generator.requires_grad_(True)
        run.facts["images_seen"] += self.encoder_steps * batch
        run.facts["optimiser_steps"] += self.encoder_steps

    def stage(self, step: int) -> int:
        """How many offsets are on at this step: none at first, then one more every hundredth of the training."""
        done = step / self.encoder_steps
        return 0 if done < FIRST_OFFSET else 1 + int((done - FIRST_OFFSET) / NEXT_OFFSET)

    @staticmethod
    def _train_judge(
        judge: LatentDiscriminator, optimiser: torch.optim.Optimizer, generator: Generator, codes: Tensor, step: int
    ) -> None:
        """One step of the latent discriminator: codes of the mapping network against `codes` (B, latents, D)."""
        z = torch.randn(codes.shape[0] * codes.shape[1], generator.style_dim, device=codes.device)
        real = generator.style(z).detach()
        loss = F.softplus(-judge(real)).mean() + F.softplus(judge(codes.flatten(0, 1))).mean()
        if step % R1_EVERY == 0:
            loss = loss + 10 / 2 * R1_EVERY * gradient_penalty(judge, real)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
