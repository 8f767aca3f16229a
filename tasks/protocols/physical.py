"""How right is the physics a model states? Depth, normals, light, view and reconstruction against the rendered truth.

Depth and normals as in unsup3d (Wu et al. 2020, section 4.1), over the object's mask eroded by one pixel, beside the
trivial predictors reported there: a flat depth map, and the average of the training images' true depth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import DataSet, Encoder, Images, Score
from bench.render.camera import Camera
from bench.render.shading import cross, normals
from bench.run import ENCODE_BATCH, Run
from bench.stats import mean_intervals, statistic_intervals

Physical = Callable[[Tensor], dict[str, Tensor]]
TRUTH = ("depth", "normals", "foreground")
ROTATIONS = ("pitch", "yaw", "roll")


def states_physics(encoder: Encoder, data: DataSet) -> bool:
    """Whether the encoder has a `physical` method and the data set the maps and labels to check it."""
    known = all(name in data.maps for name in TRUTH) and all(name in data.labels for name in ("light", "view"))
    return known and hasattr(encoder, "physical")


def evaluate(
    encoder: Encoder, data: DataSet, train: np.ndarray, val: np.ndarray, test: np.ndarray, groups: np.ndarray, run: Run
) -> list[Score]:
    """Scores of `encoder.physical` on the test rows; `groups` (n,) numbers the dependent test examples.

    "side": scale-invariant depth error, x 100; "normal_error", "light_error" and "yaw_error": mean angles in degrees;
    "psnr": reconstruction, dB; chance is a flat depth map, or always the training part's mean. "side_average_depth" and
    "normal_error_average_depth" are those of the average depth map. "seen": share of the object that the model
    accounts for. "yaw_correlation" and the like compare with the truth over images. The pose that a model calls
    frontal is a matter of convention, so the mean difference of rotations on the validation rows is taken off before
    errors are measured; where an encoder has a `pose` method (light and view alone), it is asked there.
    """
    stated = predict(encoder.physical, data.subset(test), run)  # type: ignore[arg-type]
    truth = {name: torch.from_numpy(np.asarray(data.maps[name][test])).float() for name in TRUTH}
    light, view = (torch.from_numpy(data.labels[name][test]).float() for name in ("light", "view"))
    values, chances = _image_errors(stated, truth, data.subset(test)[:], average_depth(data, train))

    usual = F.normalize(torch.from_numpy(data.labels["light"][train, 2:]).float().mean(0), dim=0)
    values["light_error"] = angle(stated["light"][:, 2:], light[:, 2:])
    chances["light_error"] = angle(usual.expand(len(test), 3), light[:, 2:])
    val_view = torch.from_numpy(data.labels["view"][val]).float()
    pose: Physical = encoder.pose if hasattr(encoder, "pose") else encoder.physical  # type: ignore[assignment]
    offset = (predict(pose, data.subset(val), run)["view"] - val_view).mean(0)
    values["yaw_error"] = torch.rad2deg((stated["view"] - offset - view)[:, 1].abs())
    chances["yaw_error"] = torch.rad2deg((val_view.mean(0) - view)[:, 1].abs())

    table = torch.stack(list(values.values()), 1).double().numpy()
    scores = []
    for name, found in zip(values, mean_intervals(table, groups), strict=True):
        chance = float(chances[name].mean()) if name in chances else None
        better = name in ("psnr", "seen")
        scores.append(Score(name, found.value, len(test), better, low=found.low, high=found.high, chance=chance))
    pairs = {f"{name}_correlation": (stated["view"][:, k], view[:, k]) for k, name in enumerate(ROTATIONS)}
    pairs |= {f"light_{name}_correlation": (stated["light"][:, 2 + k], light[:, 2 + k]) for k, name in enumerate("xy")}
    pairs |= {
        f"{name}_correlation": (stated["light"][:, k], light[:, k]) for k, name in enumerate(("ambient", "diffuse"))
    }
    return scores + _correlations(pairs, groups)


def predict(physical: Physical, images: Images, run: Run) -> dict[str, Tensor]:
    """`physical` of every image, on the CPU."""
    with torch.no_grad():
        parts = [physical(x.to(run.device)) for x in images.batches(ENCODE_BATCH)]
    return {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}


def average_depth(data: DataSet, rows: np.ndarray) -> Tensor:
    """(H, W): the mean true depth of the object at each pixel over these rows; 1 where no image shows it."""
    seen = np.asarray(data.maps["foreground"][rows], dtype=bool)
    count = seen.sum(0)
    total = np.where(seen, data.maps["depth"][rows], 0).sum(0, dtype=np.float64)
    return torch.from_numpy(np.where(count > 0, total / np.maximum(count, 1), 1.0).astype(np.float32))


def _image_errors(
    stated: dict[str, Tensor], truth: dict[str, Tensor], x: Tensor, average: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Per-image errors (n,) by name, and those of the flat depth map."""
    foreground = truth["foreground"] > 0
    mask = eroded(foreground & stated["valid"])
    camera = Camera(x.shape[-1])
    mean_map = average.expand_as(truth["depth"])
    flat = torch.ones_like(truth["depth"])
    values = {
        "side": 100 * scale_invariant_error(stated["depth"], truth["depth"], mask),
        "side_average_depth": 100 * scale_invariant_error(mean_map, truth["depth"], mask),
        "normal_error": masked_mean(angle(stated["normals"], truth["normals"]), mask),
        "normal_error_average_depth": masked_mean(angle(normals(mean_map, camera), truth["normals"]), mask),
        "psnr": psnr(stated["reconstruction"], x, foreground & stated["valid"]),
        "seen": masked_mean(stated["valid"].float(), foreground),
    }
    chances = {
        "side": 100 * scale_invariant_error(flat, truth["depth"], mask),
        "normal_error": masked_mean(angle(normals(flat, camera), truth["normals"]), mask),
    }
    return values, chances


def eroded(mask: Tensor) -> Tensor:
    """(B, H, W) bool: the pixels whose eight neighbours are in the mask too; those outside the image count as in it."""
    return F.max_pool2d((~mask)[:, None].float(), 3, 1, 1)[:, 0] == 0


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """(B, H, W) -> (B,) means over the mask; NaN where it is empty."""
    return torch.where(mask, values, 0).sum((1, 2)) / mask.sum((1, 2))


def scale_invariant_error(depth: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """(B,) standard deviation of log depth - log truth over the mask; depths (B, H, W) are positive there."""
    delta = torch.where(mask, depth, 1).log() - torch.where(mask, truth, 1).log()
    spread = masked_mean(delta**2, mask) - masked_mean(delta, mask) ** 2
    return spread.clamp(min=0).sqrt()


def angle(a: Tensor, b: Tensor) -> Tensor:
    """(..., 3) vectors of any length -> (...) degrees between them, also where they are nearly parallel."""
    return torch.rad2deg(torch.atan2(cross(a, b).norm(dim=-1), (a * b).sum(-1)))


def psnr(image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB of (B, 3, H, W) in [0, 1] over the mask (B, H, W)."""
    return -10 * masked_mean(((image - truth) ** 2).mean(1), mask).log10()


def _correlations(pairs: dict[str, tuple[Tensor, Tensor]], groups: np.ndarray) -> list[Score]:
    """Pearson correlations over images, with intervals."""
    a, b = (torch.stack([pair[k] for pair in pairs.values()], 1).double().numpy() for k in (0, 1))
    a, b = a - a.mean(0), b - b.mean(0)

    def correlations(weights: np.ndarray) -> np.ndarray:
        w = weights.astype(np.float64) / weights.sum(1, keepdims=True)
        mean_a, mean_b = w @ a, w @ b
        covariance = w @ (a * b) - mean_a * mean_b
        variances = (w @ a**2 - mean_a**2) * (w @ b**2 - mean_b**2)
        return covariance / np.sqrt(np.maximum(variances, 1e-24))

    found = statistic_intervals(correlations, groups)
    return [Score(n, i.value, len(a), low=i.low, high=i.high, chance=0.0) for n, i in zip(pairs, found, strict=True)]
