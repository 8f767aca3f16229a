"""Segmentation: train a per-pixel classifier, and score its masks by intersection over union."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from bench.api import Evaluation, Images, Score
from bench.run import Run
from bench.stats import RATE, pseudo_values, statistic_intervals

IGNORE = 255  # pixels of this class are neither learned nor scored
BEST = 10  # classes in the "best classes" mean
EVALUATE_BATCH = 64


@dataclass(frozen=True)
class Recipe:
    """How a segmentation network is trained: Adam, a fixed number of steps."""

    steps: int
    batch: int
    rate: float
    beta1: float = 0.9
    decay: bool = False  # the rate falls to zero along a cosine


def train(model: nn.Module, images: Images, masks: np.ndarray, recipe: Recipe, run: Run) -> None:
    """Fit `model` (images in [0, 1] -> logits) to `masks` (n, H, W) uint8 by cross-entropy."""
    model.to(run.device)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=recipe.rate, betas=(recipe.beta1, 0.999))
    final = 0.0 if recipe.decay else recipe.rate
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps, eta_min=final)
    model.train()
    for step in run.steps(recipe.steps, "segmentation", model=model, optimiser=optimiser, schedule=schedule):
        rows = run.batch_indices(len(images), recipe.batch, step)
        truth = torch.from_numpy(masks[rows].astype(np.int64)).to(run.device)
        loss = F.cross_entropy(model(images[rows].to(run.device)), truth, ignore_index=IGNORE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        run.log("segmentation_loss", step, loss.item())
    model.eval()


@torch.no_grad()
def predict(model: nn.Module, images: Images, run: Run) -> np.ndarray:
    """(n, H, W) uint8: the most likely class of every pixel."""
    return np.concatenate(
        [model(x.to(run.device)).argmax(1).byte().cpu().numpy() for x in images.batches(EVALUATE_BATCH)]
    )


def areas(predicted: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels per image and class, (n, K) each: predicted and true, predicted or true, true; without ignored pixels."""
    n = len(truth)
    valid = truth != IGNORE
    image = np.broadcast_to(np.arange(n)[:, None, None], truth.shape)[valid]

    def count(found: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.bincount(where * classes + found, minlength=n * classes).reshape(n, classes).astype(np.float64)

    p, t = predicted[valid].astype(np.int64), truth[valid].astype(np.int64)
    both, true = count(t[p == t], image[p == t]), count(t, image)
    return both, count(p, image) + true - both, true


def evaluate(
    predicted: np.ndarray, truth: np.ndarray, rows: np.ndarray, groups: np.ndarray, names: list[str]
) -> Evaluation:
    """mIoU (main), mean IoU of the best ten classes, pixel accuracy, and IoU per class that occurs in the test part.

    A class's IoU is taken over all test pixels together. Chance: calling every pixel the most frequent class.
    """
    both, either, true = areas(predicted, truth, len(names))
    present = np.flatnonzero(true.sum(0))
    both, either, true = both[:, present], either[:, present], true[:, present]

    def rates(weights: np.ndarray) -> np.ndarray:
        w = weights.astype(np.float64)
        iou = (w @ both) / np.maximum(w @ either, 1)
        best = np.sort(iou, axis=1)[:, -BEST:].mean(1)
        accuracy = (w @ both.sum(1)) / np.maximum(w @ true.sum(1), 1)
        return np.column_stack([iou.mean(1), best, accuracy, iou])

    share = true.sum(0) / true.sum()
    constant = np.where(np.arange(len(share)) == share.argmax(), share, 0.0)
    chances = [constant.mean(), np.sort(constant)[-BEST:].mean(), share.max(), *constant]
    labels = ["miou", "miou_best10", "pixel_accuracy", *(f"iou:{names[c]}" for c in present)]
    found = [
        Score(name, each.value, len(truth), main=name == "miou", low=each.low, high=each.high, chance=float(chance))
        for name, each, chance in zip(labels, statistic_intervals(rates, groups, bounds=RATE), chances, strict=True)
    ]
    outcomes = {"example": rows, "group": groups, "main": pseudo_values(rates, len(truth))[:, 0]}
    return Evaluation(found, outcomes | {"intersection": both, "union": either, "class": present})
