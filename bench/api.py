"""What a plug-in sees: the three things one can add to the benchmark, and what is handed to them.

* A `Method` learns from unlabelled images and builds an `Encoder`, which turns an image into named feature blocks.
* A `Task` turns an encoder and a `DataSet` into an `Evaluation` (scores, and what came of every test example).
* A `Source` knows where a data set lies (or how to render it) and loads it as a `DataSet`.

Each of the three is a frozen dataclass whose fields are its settings: they are what stands in the brackets of
`pdr[loocc=off]`, what profiles and `--set` override, and what the key of a stored result is made of. Field types may be
bool, int, float, str, `Literal[...]`, `X | None` and `tuple[X, ...]`; defaults must be literals, so that the registry
can
read them without importing the file (see `bench.registry`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BadInput, Unavailable
from bench.store import digest

if TYPE_CHECKING:
    from bench.run import Run

__all__ = [
    "BadInput",
    "DataSet",
    "Domain",
    "Encoder",
    "Evaluation",
    "Images",
    "Method",
    "Place",
    "Pretraining",
    "Score",
    "Source",
    "Split",
    "Target",
    "Task",
    "Unavailable",
]

Domain = Literal["face", "car"]


# ------------------------------------------------------------------------------------------------------------ images


class Images:
    """Unlabelled images: all that a method's `fit` gets to see.

    `images[indices]` gives a float32 tensor (B, 3, H, W) in [0, 1]. The pixels stay memory-mapped uint8 until then.
    """

    def __init__(self, pixels: np.ndarray, indices: np.ndarray) -> None:
        """`pixels`: (N, H, W, 3) uint8; `indices`: the rows of `pixels` that belong to this set."""
        self._pixels = pixels
        self._indices = np.asarray(indices, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int | slice | np.ndarray) -> Tensor:
        rows = np.atleast_1d(self._indices[index])
        return torch.from_numpy(self._pixels[rows]).permute(0, 3, 1, 2).float().div_(255)

    @property
    def size(self) -> int:
        """Height and width in pixels (images are square)."""
        return int(self._pixels.shape[1])

    @property
    def rows(self) -> np.ndarray:
        """The rows of the data set that these images are."""
        return self._indices

    @property
    def pixels(self) -> np.ndarray:
        """The whole data set's images (N, H, W, 3) uint8, of which these are rows."""
        return self._pixels

    def of_rows(self, rows: np.ndarray) -> Images:
        """Other images of the same data set."""
        return Images(self._pixels, rows)

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images once, in order, `size` at a time (the last batch may be smaller)."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


@dataclass(frozen=True)
class Pretraining:
    """The unlabelled images a method is fitted on: the same for all methods of a comparison."""

    train: Images
    val: Images
    domain: Domain


Split = Mapping[str, np.ndarray]
"""Named index arrays into a data set: "train", "val", "test", and for out-of-distribution splits "step_1", "step_2",
...
"""


@dataclass
class DataSet:
    """Labelled images in memory (or memory-mapped), N of them, H x W pixels.

    `labels[name]` has N rows. Standard names: "attributes" (N, A) int8 in {0, 1, -1 = unknown}; "identity", "emotion",
    "body_type", "gender" ... (N,) int64 class numbers, -1 = unknown; and, where the truth is known, the scene factors
    "shape", "albedo", "expression" (N, K) float32, "light" (N, 5): ambient, diffuse, unit direction x, y, z; "view"
    (N, 6): rotations
    about x, y, z in radians, translations x, y, z. `classes[name]` names the attributes or classes, in order.
    `maps[name]` holds per-pixel truth: "mask" (N, H, W) uint8 classes (255 = ignore), "depth" (N, H, W) float32,
    "normals"
    (N, H, W, 3), "albedo" (N, H, W, 3) and "shading" (N, H, W), "foreground" (N, H, W) bool.
    `splits[target]` gives the split to use for a target (a label name, "mask", "ood_lighting", ...); "default" serves
    those
    not listed, and "pretrain" (train, val) is what methods are fitted on. `group` names the label within which examples
    are not independent (confidence intervals resample whole groups).
    """

    name: str
    domain: Domain
    fingerprint: str
    images: np.ndarray  # (N, H, W, 3) uint8
    labels: dict[str, np.ndarray]
    splits: dict[str, Split]
    classes: dict[str, list[str]] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    group: str | None = None
    notes: list[str] = field(default_factory=list)  # oddities found and how many: reported once

    def split(self, target: str) -> Split:
        """The split made for `target`, else the default one."""
        return self.splits.get(target, self.splits["default"])

    def subset(self, indices: np.ndarray) -> Images:
        """The images of these rows, without their labels."""
        return Images(self.images, indices)

    def pretraining(self) -> Pretraining:
        """The unlabelled images methods are fitted on."""
        split = self.split("pretrain")
        return Pretraining(self.subset(split["train"]), self.subset(split["val"]), self.domain)


@dataclass(frozen=True)
class Place:
    """Where a source finds and keeps things, and at what size images are wanted."""

    image_size: int
    cache: Path  # private to this program: rendered or decoded images
    data_root: Path | None  # the user's data sets, in their official layouts
    progress: Any = None  # callable(done: int, total: int, what: str) or None


class Source:
    """A data set that can be loaded. Subclasses are frozen dataclasses; `list` shows the docstring's first line."""

    domain: ClassVar[Domain] = "face"
    embedded: ClassVar[bool] = False  # rendered here: needs nothing from outside
    version: ClassVar[int] = 1  # embedded data: raise it with every change to a pixel, a label or a split
    folder: ClassVar[str] = ""  # real data: the folder under the data root

    def fingerprint(self, place: Place) -> str:
        """A short hash that changes whenever any image, label or split would. Fast: nothing is decoded or rendered.

        This default serves embedded data (settings, image size, version); real data sets hash their files' names and
        sizes.
        """
        settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return digest([type(self).__name__, settings, place.image_size, self.version])

    def load(self, place: Place) -> DataSet:
        """Render or decode once into `place.cache` and map it. Raises `Unavailable` or `BadInput` with one line."""
        raise NotImplementedError


# ----------------------------------------------------------------------------------------------------------- methods


class Encoder(nn.Module):
    """A trained (or still untrained) representation. Everything that must be kept lies in its state_dict."""

    represented: tuple[str, ...] = ()  # the blocks handed to ordinary tasks, in order; none: all of them

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] -> named feature blocks, each (B, D) float32."""
        raise NotImplementedError

    def represent(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D): the features handed to ordinary tasks, the `represented` blocks concatenated."""
        blocks = self.encode(x)
        return torch.cat([blocks[name] for name in self.represented or blocks], dim=1)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> feature maps (B, C, h, w), fine to coarse, for dense tasks. Optional."""
        raise Unavailable(f"{type(self).__name__} has no feature maps")

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> named pictures (B, 3, h, w) in [0, 1] of what the model sees, "reconstruction" first.
        Optional.
        """
        return {}


class Method:
    """Learns an `Encoder` from unlabelled images. Subclasses are frozen dataclasses: their fields are hyper-
    parameters.
    """

    domains: ClassVar[tuple[str, ...]] = ("face", "car")
    family: ClassVar[str] = "reference"  # "physical", "semantic" or "reference": how the tables group it
    requires: ClassVar[tuple[str, ...]] = ()  # packages that must be installed, by import name
    supervised: ClassVar[bool] = False  # fitted on the task's training labels: `fit` gets them through run.target

    def build(self, image_size: int, domain: Domain) -> Encoder:
        """An untrained encoder: every buffer and parameter has its final shape, so that a state_dict can be loaded."""
        raise NotImplementedError

    def fit(self, encoder: Encoder, data: Pretraining, run: Run) -> None:
        """Train `encoder` in place. Nothing to do for methods that do not learn."""
        run.facts.update(images_seen=0, optimiser_steps=0)


# ------------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class Target:
    """What a supervised method is fitted on: a task's training images and, row for row, their labels.

    `kind` "multi-class": labels (N,) int64, -1 = unknown; "multi-label": (N, A) int8 in {0, 1, -1 = unknown}; "dense":
    (N, H, W) uint8 classes per pixel, 255 = ignore. `classes` names the classes or attributes, in order. The harness
    hands `images` to `Method.fit` as its data and the whole target as `run.target`. Test examples are in neither part.
    """

    kind: Literal["multi-class", "multi-label", "dense"]
    classes: tuple[str, ...]
    images: Pretraining
    train: np.ndarray  # labels of images.train
    val: np.ndarray  # labels of images.val


@dataclass(frozen=True)
class Score:
    """One number of an evaluation. `low`/`high`: 95 % interval over test examples; `chance`: what knowing nothing
    gives.
    """

    name: str
    value: float
    n: int  # test examples behind it
    higher_is_better: bool = True
    main: bool = False  # the one number shown for this task
    low: float | None = None
    high: float | None = None
    chance: float | None = None


@dataclass
class Evaluation:
    """What a task returns: scores (exactly one of them main) and per-example outcomes for paired statistics.

    `outcomes["example"]` (n,) int64 are rows of the data set; `outcomes["main"]` (n,) float64 each test example's share
    of the main score: their mean is the score (for metrics that are no means: `bench.stats.pseudo_values`);
    `outcomes["group"]` (n,) int64 the group of dependent examples it belongs to. Further arrays (confusion, curves) are
    free.
    """

    scores: list[Score]
    outcomes: dict[str, np.ndarray] = field(default_factory=dict)


class Task:
    """Scores an encoder on a data set. Subclasses are frozen dataclasses with at least a field `dataset: str`."""

    domain: ClassVar[Domain] = "face"
    target: ClassVar[str] = ""  # the label (or map) the task predicts; "" where there is no single one
    dense: ClassVar[bool] = False  # needs `Encoder.pyramid`
    evaluation_only: ClassVar[tuple[str, ...]] = ()  # settings ("recipe"), or values of settings ("protocol=knn"), that
    # make no difference to `training_target`: tasks that differ in them alone share one supervised training
    dataset: str

    def training_target(self, data: DataSet) -> Target:
        """The labels a supervised method is fitted on for this task. Raises `Unavailable` where there are none."""
        raise Unavailable(f"{type(self).__name__} has no labels to train on: supervised methods do not apply")

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        """Scores and outcomes. Whatever is tuned is tuned on the validation split; the test split is used once."""
        raise NotImplementedError
