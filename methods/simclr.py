"""SimCLR (Chen, Kornblith, Norouzi, Hinton 2020, arXiv 2002.05709): two views of an image attract, all others repel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import Domain, Images, Method, Pretraining
from bench.run import Run
from methods.common import MOST_IMAGES, channels_last, forward_pass, is_curve_point
from methods.timm import TimmEncoder


def crop_and_flip(x: Tensor, smallest: float) -> Tensor:
    """(B, 3, H, W) -> random crops of `smallest` to all of the area, sides 3:4 to 4:3, resized; half are flipped."""
    b = len(x)
    area = torch.empty(b, device=x.device).uniform_(smallest, 1)
    ratio = torch.empty(b, device=x.device).uniform_(-1, 1).mul_(torch.tensor(4 / 3).log()).exp()
    size = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1).clamp(max=1)  # (B, 2), of the side
    centre = torch.empty(b, 2, device=x.device).uniform_(-1, 1) * (1 - size)
    flip = torch.where(torch.rand(b, device=x.device) < 0.5, -1.0, 1.0)
    theta = torch.zeros(b, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 1, 1] = size[:, 0] * flip, size[:, 1]
    theta[:, :, 2] = centre
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def colour_jitter(x: Tensor, strength: float) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> brightness, contrast, saturation (+-0.8 s) and hue (+-0.2 s of the circle) changed.

    As published in 8 of 10 images; then 2 of 10 become grey. Hue turns about the grey axis, which is linear.
    """

    def factor(amount: float) -> Tensor:
        return torch.empty(len(x), 1, 1, 1, device=x.device).uniform_(max(1 - amount, 0), 1 + amount)

    def luma(image: Tensor) -> Tensor:
        weights = torch.tensor([0.299, 0.587, 0.114], device=x.device).view(3, 1, 1)
        return (image * weights).sum(dim=1, keepdim=True)

    y = x * factor(0.8 * strength)
    y = luma(y).mean(dim=(2, 3), keepdim=True).lerp(y, factor(0.8 * strength))
    y = luma(y).lerp(y, factor(0.8 * strength))
    angle = torch.empty(len(x), device=x.device).uniform_(-1, 1) * (0.2 * strength * 2 * torch.pi)
    y = torch.einsum("bij,bjhw->bihw", _hue_rotation(angle), y)
    y = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.8, y, x)
    y = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.2, luma(y).expand_as(y), y)
    return y.clamp(0, 1)


def _hue_rotation(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3): rotation of colour space about the axis of greys (Rodrigues' formula)."""
    axis = torch.ones(3, device=angle.device) / 3**0.5
    cross = torch.linalg.cross(axis.expand(3, 3), torch.eye(3, device=angle.device)).T
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return cos * torch.eye(3, device=angle.device) + sin * cross + (1 - cos) * axis.outer(axis)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy (their equation 1); `a[i]`, `b[i]` (B, D) are views of one image."""
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(similarity, partner)


@dataclass(frozen=True)
class SimCLR(Method):
    """SimCLR (Chen 2020) on a timm backbone."""

    family: ClassVar[str] = "reference"
    requires: ClassVar[tuple[str, ...]] = ("timm",)

    model: str = "resnet18"
    width: int | None = None  # channels of a ResNet's first stage; none: timm's
    projection: int = 128
    temperature: float = 0.5
    smallest_crop: float = 0.2  # of the area
    jitter: float = 0.5  # strength of the colour changes; blur is left out, as published for small images
    steps: int = 30000
    batch: int = 128
    lr: float = 0.001
    weight_decay: float = 0.000001
    precision: Literal["float32", "auto"] = "float32"  # auto: bfloat16 where hardware has it; encoding is float32

    def build(self, image_size: int, domain: Domain) -> TimmEncoder:
        """The backbone at the images' own size."""
        return TimmEncoder(self.model, image_size, self.width)

    def fit(self, encoder: TimmEncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Adam with a cosine schedule; the projection head is thrown away afterwards, as published."""
        with torch.no_grad():
            width = encoder.eval().represent(data.train[:1].to(run.device)).shape[1]
        head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.projection)).to(run.device)
        parameters = [*encoder.parameters(), *head.parameters()]
        optimiser = torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        encoder.train()
        with channels_last(encoder):
            for step in run.steps(self.steps, encoder=encoder, head=head, optimiser=optimiser, schedule=schedule):
                x = run.batch(data.train, self.batch, step)
                views = torch.cat([self.view(x), self.view(x)])
                with forward_pass(self.precision, run.device):
                    projected = head(encoder.represent(views))
                a, b = projected.float().chunk(2)
                loss = nt_xent(a, b, self.temperature)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                if step % 20 == 0 or step == self.steps - 1:
                    run.log("loss", step, loss.item())
                if is_curve_point(step, self.steps):
                    run.log("val_loss", step, self.validation_loss(encoder, head, data.val, run))
        encoder.eval()
        run.facts.update(images_seen=self.steps * min(self.batch, len(data.train)), optimiser_steps=self.steps)

    @torch.no_grad()
    def validation_loss(self, encoder: TimmEncoder, head: nn.Module, images: Images, run: Run) -> float:
        """The loss of the first validation images, in batches of the training's size, as it depends on that."""
        encoder.eval()
        losses = []
        for start in range(0, max(min(len(images), MOST_IMAGES) - self.batch + 1, 1), self.batch):
            x = images[start : start + self.batch].to(run.device)
            a, b = (head(encoder.represent(self.view(x))) for _ in range(2))
            losses.append(nt_xent(a, b, self.temperature).item())
        encoder.train()
        return sum(losses) / len(losses)

    def view(self, x: Tensor) -> Tensor:
        """One random view of every image."""
        return colour_jitter(crop_and_flip(x, self.smallest_crop), self.jitter)
