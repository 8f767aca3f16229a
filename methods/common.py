"""What several baselines share: fast arithmetic for training, and how well a model puts images together again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from bench.api import Encoder, Images, Pretraining
from bench.run import ENCODE_BATCH, Run

MOST_IMAGES = 256  # enough for two digits
CURVE_POINTS = 20  # of a training's validation curve
LINEAR_RANK = 16  # of the principal components that reconstructions are held against

Precision = Literal["float32", "auto"]
Decay = Literal["constant", "cosine"]  # a plug-in's settings spell these out, as they are read unimported


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: faster, not merely smaller."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def forward_pass(precision: Precision, device: torch.device) -> torch.autocast:
    """A context for the forward pass of one training step: bfloat16 for "auto" where hardware has it, else float32.

    Enter it anew every step, as casted weights are kept until it is left. Encoding is always done in float32.
    """
    able = precision == "auto" and computes_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


@contextmanager
def channels_last(*modules: nn.Module) -> Iterator[None]:
    """Train `modules` with pixels outermost in memory, which convolutions are faster with; put back afterwards, so that
    the encoder at hand and the one read from disk compute the very same features.
    """
    for module in modules:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        yield
    finally:
        for module in modules:
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def rate_at(decay: Decay, step: int, steps: int) -> float:
    """Factor of the learning rate at this step; "cosine" falls to zero, after a linear rise in the first 20th."""
    if decay == "constant":
        return 1.0
    done = (step + 1) / steps
    return min(done / 0.05, 1.0) * (1 + math.cos(math.pi * done)) / 2


def principal_axes(images: Images, rank: int, run: Run, sample: int = 4000) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (P,), unit axes (r, P) and deviations along them (r,) of at most `sample` images of P numbers each.

    Randomised singular value decomposition; r <= `rank`, as N centred images span no more than N - 1 directions.
    """
    rows = run.rng("pca").permutation(len(images))[:sample]
    x = images[rows].to(run.device).flatten(1)
    mean = x.mean(dim=0)
    rank = min(rank, len(x) - 1, x.shape[1])
    torch.manual_seed(run.seed)
    _, singular, directions = torch.svd_lowrank(x - mean, q=min(rank + 10, *x.shape), niter=4)
    directions = directions[:, :rank].T
    largest = directions.abs().argmax(dim=1, keepdim=True)
    directions = directions * directions.gather(1, largest).sign()  # the sign is a convention
    return mean, directions, singular[:rank] / max(len(x) - 1, 1) ** 0.5


def report_reconstruction(encoder: Encoder, data: Pretraining, run: Run) -> None:
    """Into the record: the error on validation images, that of the mean image, and that of 16 principal components."""
    mean, axes, _ = principal_axes(data.train, LINEAR_RANK, run)

    def linear(x: Tensor) -> Tensor:
        return (mean + (x.flatten(1) - mean) @ axes.T @ axes).view_as(x)

    run.facts["val_mse"] = reconstruction_error(encoder, data.val, run)
    run.facts["val_psnr"] = -10 * math.log10(max(run.facts["val_mse"], 1e-12))
    run.facts["val_mse_16_components"] = reconstruction_error(encoder, data.val, run, linear)
    run.facts["val_mse_mean_image"] = reconstruction_error(
        encoder, data.val, run, lambda x: mean.view(x.shape[1:]).expand_as(x)
    )


def log_validation(
    encoder: Encoder, data: Pretraining, run: Run, step: int, steps: int, reconstruct: Callable[[Tensor], Tensor]
) -> None:
    """The curve "val_mse", twenty points in a training of so many `steps`: `reconstruction_error` on validation images.

    By it a budget of steps is judged: the loss of training batches is noisy, and holds regularisers.
    """
    if is_curve_point(step, steps):
        encoder.eval()
        run.log("val_mse", step, reconstruction_error(encoder, data.val, run, reconstruct))
        encoder.train()


def is_curve_point(step: int, steps: int) -> bool:
    """Whether to look at validation images after this step of a training."""
    return (step + 1) % max(steps // CURVE_POINTS, 1) == 0 or step + 1 == steps


def reconstruction_error(
    encoder: Encoder, images: Images, run: Run, reconstruct: Callable[[Tensor], Tensor] | None = None
) -> float:
    """Mean squared error per pixel value, in [0, 1] units, over the first 256 of `images`.

    `reconstruct` (B, 3, H, W) -> (B, 3, H, W) defaults to the picture named "reconstruction"; it is clipped to [0, 1].
    """
    reconstruct = reconstruct or (lambda x: encoder.pictures(x)["reconstruction"])
    total, values = 0.0, 0
    with torch.no_grad():
        for start in range(0, min(len(images), MOST_IMAGES), ENCODE_BATCH):
            x = images[start : min(start + ENCODE_BATCH, MOST_IMAGES)].to(run.device)
            total += float((reconstruct(x).clamp(0, 1) - x).double().square().sum())
            values += x.numel()
    return total / max(values, 1)
