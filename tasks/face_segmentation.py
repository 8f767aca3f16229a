"""Face segmentation: the part of the face (or hair, clothes, background) that every pixel shows."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from bench.api import BadInput, DataSet, Encoder, Evaluation, Pretraining, Target, Task
from bench.run import Run
from tasks.protocols import segmentation
from tasks.protocols.examples import group_numbers, part_rows
from tasks.protocols.segmentation import IGNORE, Recipe
from tasks.protocols.unet import PixelHead, PyramidUNet, UNet


@dataclass(frozen=True)
class FaceSegmentation(Task):
    """Parts of the face, pixel by pixel.

    Models: "linear" classifies each pixel from the frozen encoder's feature maps; "unet_frozen" and "unet_fine_tuned"
    put the paper's decoder on them; "unet_random" is the paper's whole U-Net from scratch, whatever the method.
    """

    target: ClassVar[str] = "mask"
    dense: ClassVar[bool] = True

    dataset: str = "synfaces"
    model: Literal["linear", "unet_frozen", "unet_fine_tuned", "unet_random"] = "linear"
    steps: int = 300  # the paper: 5000
    batch: int = 16
    max_examples: int = 6000

    def training_target(self, data: DataSet) -> Target:
        """Train and val masks of this task's split."""
        masks = _masks(data)
        train, val = (self._rows(data, part) for part in ("train", "val"))
        images = Pretraining(data.subset(train), data.subset(val), data.domain)
        return Target("dense", tuple(_names(data)), images, masks[train], masks[val])

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        """Train on the train part, score on the test part. Encoders without feature maps raise `Unavailable`."""
        masks, names = _masks(data), _names(data)
        train, test = self._rows(data, "train"), self._rows(data, "test")
        model = self._network(copy.deepcopy(encoder), data.subset(train[:2])[:].to(run.device), len(names))
        # the paper's Adam settings for its U-Net; a linear head has no reason to go so slowly
        recipe = Recipe(self.steps, self.batch, 2e-4, beta1=0.5)
        if self.model == "linear":
            recipe = Recipe(self.steps, self.batch, 0.1, decay=True)
        segmentation.train(model, data.subset(train), masks[train], recipe, run)
        predicted = segmentation.predict(model, data.subset(test), run)
        return segmentation.evaluate(predicted, masks[test], test, group_numbers(data, test), names)

    def _rows(self, data: DataSet, part: str) -> np.ndarray:
        known = (_masks(data) != IGNORE).any((1, 2))
        return part_rows(data, self.target, part, self.max_examples, known)

    def _network(self, encoder: Encoder, example: Tensor, classes: int) -> nn.Module:
        if self.model == "linear":
            return PixelHead(encoder, example, classes)
        if example.shape[-1] % 16:
            raise BadInput(
                f"the U-Net needs images of a multiple of 16 pixels, not {example.shape[-1]}: set image_size"
            )
        if self.model == "unet_random":
            return nn.Sequential(Centred(), UNet(classes))
        return PyramidUNet(encoder, example, classes, frozen=self.model == "unet_frozen")


class Centred(nn.Module):
    """Images in [0, 1] to the [-1, 1] that the published U-Net takes."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 - 1


def _masks(data: DataSet) -> np.ndarray:
    if "mask" not in data.maps:
        known = ", ".join(sorted(data.maps)) or "none"
        raise BadInput(f"data set {data.name} has no masks (its maps: {known}): choose another task or data set")
    return data.maps["mask"]


def _names(data: DataSet) -> list[str]:
    masks = _masks(data)
    count = int(masks[masks != IGNORE].max(initial=0)) + 1
    return data.classes.get("mask") or [str(i) for i in range(count)]
