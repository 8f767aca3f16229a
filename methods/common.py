"""What several baselines share: how well a generative model puts images together again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.api import Encoder, Images
from bench.run import ENCODE_BATCH, Run

MOST_IMAGES = 256  # enough for two digits


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
