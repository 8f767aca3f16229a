"""A network trained on the task's own labels: the ceiling that unsupervised representations are held against."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import BadInput, Domain, Images, Method, Pretraining, Target
from bench.run import ENCODE_BATCH, Run
from methods.common import channels_last, forward_pass, rate_at
from methods.timm import TimmEncoder


class Head(nn.Module):
    """A linear layer on the features, or for dense targets on the whole pyramid, brought to the images' resolution."""

    def __init__(self, encoder: TimmEncoder, target: Target, example: Tensor) -> None:
        super().__init__()
        self.dense = target.kind == "dense"
        encoder.eval()  # batch norm cannot be trained on one example
        with torch.no_grad():
            maps = encoder.pyramid(example) if self.dense else [encoder.represent(example)]
        self.linear = nn.Linear(sum(m.shape[1] for m in maps), len(target.classes))

    def forward(self, encoder: TimmEncoder, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes), or (B, classes, H, W) for dense targets."""
        if not self.dense:
            return self.linear(encoder.represent(x))
        maps = encoder.pyramid(x)
        finest = maps[0].shape[-2:]
        stack = torch.cat([F.interpolate(m, finest, mode="bilinear") for m in maps], dim=1)
        scores = self.linear(stack.movedim(1, -1)).movedim(-1, 1)
        return F.interpolate(scores, x.shape[-2:], mode="bilinear")


def label_loss(scores: Tensor, labels: Tensor, kind: str) -> Tensor:
    """Cross-entropy (binary for attributes), over the labels that are known."""
    if kind == "multi-label":
        known = (labels >= 0).float()
        each = F.binary_cross_entropy_with_logits(scores, labels.clamp(min=0).float(), reduction="none")
        return (each * known).sum() / known.sum().clamp(min=1)
    unknown = 255 if kind == "dense" else -1
    each = F.cross_entropy(scores, labels.long(), ignore_index=unknown, reduction="sum")
    return each / (labels != unknown).sum().clamp(min=1)


def shifted(x: Tensor, labels: Tensor, most: int, dense: bool) -> tuple[Tensor, Tensor]:
    """Move every image by up to `most` pixels both ways (edges repeated), and dense labels (255 beyond) with it."""
    if most == 0:
        return x, labels
    size = x.shape[-1]
    padded = F.pad(x, (most,) * 4, mode="replicate")
    frame = F.pad(labels, (most,) * 4, value=255) if dense else labels
    corner = torch.randint(2 * most + 1, (len(x), 2)).tolist()
    moved = torch.stack([image[:, i : i + size, j : j + size] for image, (i, j) in zip(padded, corner, strict=True)])
    if dense:
        labels = torch.stack([map_[i : i + size, j : j + size] for map_, (i, j) in zip(frame, corner, strict=True)])
    return moved, labels


@dataclass(frozen=True)
class Supervised(Method):
    """A timm network trained on the task's training labels."""

    requires: ClassVar[tuple[str, ...]] = ("timm",)
    supervised: ClassVar[bool] = True

    model: str = "resnet18"
    width: int | None = None  # channels of a ResNet's first stage; none: timm's
    shift: int = 4  # pixels that training images are moved by at most
    mirror: bool = True  # half of the training images, except for dense labels, which may tell left from right
    steps: int = 10000
    batch: int = 64
    lr: float = 0.001
    weight_decay: float = 0.05
    validate_every: int = 100  # steps; the weights with the lowest validation loss are kept
    precision: Literal["float32", "auto"] = "float32"  # auto: bfloat16 where hardware has it; encoding is float32

    def build(self, image_size: int, domain: Domain) -> TimmEncoder:
        """The backbone at the images' own size."""
        return TimmEncoder(self.model, image_size, self.width)

    def fit(self, encoder: TimmEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """AdamW on the labels of `run.target`, its rate falling as a cosine; the head is thrown away afterwards."""
        target = run.target
        if not isinstance(target, Target):
            raise BadInput("supervised learns from a task's labels, and this task gave none")
        labels = torch.from_numpy(np.asarray(target.train)).to(run.device)
        head = Head(encoder, target, data.train[:1].to(run.device)).to(run.device)
        best = copy.deepcopy(encoder)
        optimiser = torch.optim.AdamW(
            [*encoder.parameters(), *head.parameters()], lr=self.lr, weight_decay=self.weight_decay
        )
        with channels_last(encoder, head, best):
            for step in run.steps(self.steps, encoder=encoder, head=head, best=best, optimiser=optimiser):
                encoder.train()
                optimiser.param_groups[0]["lr"] = self.lr * rate_at("cosine", step, self.steps)
                x, y = self._augmented(data.train, labels, target, run, step)
                with forward_pass(self.precision, run.device):
                    scores = head(encoder, x)
                loss = label_loss(scores.float(), y, target.kind)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                if step % 20 == 0:
                    run.log("loss", step, loss.item())
                if (step + 1) % self.validate_every == 0 or step == self.steps - 1:
                    encoder.eval()
                    value = self.validation_loss(encoder, head, data.val, target, run)
                    run.log("val_loss", step, value)
                    if value <= run.facts.get("val_loss", np.inf):
                        run.facts.update(val_loss=value, best_step=step)
                        best.load_state_dict(encoder.state_dict())
        encoder.load_state_dict(best.state_dict())
        encoder.eval()
        run.facts.update(images_seen=self.steps * min(self.batch, len(data.train)), optimiser_steps=self.steps)

    def _augmented(self, images: Images, labels: Tensor, target: Target, run: Run, step: int) -> tuple[Tensor, Tensor]:
        """Batch number `step` with its labels, shifted and mirrored at random."""
        chosen = run.batch_indices(len(images), self.batch, step)
        dense = target.kind == "dense"
        x, y = shifted(images[chosen].to(run.device), labels[chosen], self.shift, dense)
        if self.mirror and not dense:
            half = (torch.rand(len(x)) < 0.5).to(x.device).view(-1, 1, 1, 1)
            x = torch.where(half, x.flip(-1), x)
        return x, y

    @staticmethod
    def validation_loss(encoder: TimmEncoder, head: Head, images: Images, target: Target, run: Run) -> float:
        """The loss over the validation images."""
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(images), ENCODE_BATCH):
                x = images[start : start + ENCODE_BATCH].to(run.device)
                y = torch.from_numpy(target.val[start : start + ENCODE_BATCH]).to(run.device)
                total += len(x) * label_loss(head(encoder, x), y, target.kind).item()
        return total / max(len(images), 1)
