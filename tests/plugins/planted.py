"""Test-only plug-ins: a data set with its labels painted into the pixels; methods that behave well or very badly."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.api import DataSet, Encoder, Evaluation, Method, Place, Pretraining, Score, Source, Task
from bench.run import Run

PEOPLE, PER_PERSON, ATTRIBUTES = 12, 20, 6


@dataclass(frozen=True)
class PaintedFaces(Source):
    """Noise images whose first pixels hold the person's number and the attributes."""

    embedded: ClassVar[bool] = True
    seed: int = 0

    def load(self, place: Place) -> DataSet:
        rng = np.random.default_rng(self.seed)
        count = PEOPLE * PER_PERSON
        identity = np.repeat(np.arange(PEOPLE), PER_PERSON)
        images = rng.integers(0, 256, (count, place.image_size, place.image_size, 3), dtype=np.uint8)
        place_in_person = np.arange(count) % PER_PERSON  # every person appears in every part
        parts = {"train": place_in_person < 12, "val": (place_in_person >= 12) & (place_in_person < 15)}
        parts["test"] = place_in_person >= 15
        split = {name: np.flatnonzero(chosen) for name, chosen in parts.items()}
        attributes = np.zeros((count, ATTRIBUTES), dtype=np.int8)
        for rows in split.values():  # true of exactly half of each part: chance is 50 %
            attributes[rows] = rng.permuted(np.tile([[0], [1]], (len(rows) // 2, ATTRIBUTES)), axis=0)
        images[:, 0, 0, 0] = identity * 20
        images[:, 1, :ATTRIBUTES, 0] = attributes.astype(np.uint8) * 255
        return DataSet(
            name="painted_faces",
            domain="face",
            fingerprint=self.fingerprint(place),
            images=images,
            labels={"identity": identity, "attributes": attributes},
            classes={
                "attributes": [f"attribute {i}" for i in range(ATTRIBUTES)],
                "identity": [f"person {i}" for i in range(PEOPLE)],
            },
            splits={"default": split},
        )


class _Reading(Encoder):
    """Reads what was painted: one-hot person, attributes."""

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        person = (x[:, 0, 0, 0] * 255 / 20).round().long()
        return {
            "person": torch.nn.functional.one_hot(person.clamp(0, PEOPLE - 1), PEOPLE).float(),
            "attributes": x[:, 0, 1, :ATTRIBUTES],
        }


@dataclass(frozen=True)
class Planted(Method):
    """Features that are the labels."""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Reading()


class _Noise(Encoder):
    def encode(self, x: Tensor) -> dict[str, Tensor]:
        # A fixed scramble of pixels that carry no label.
        return {"noise": (x[:, 2, 8:12, 8:12].flatten(1) * 1e4).sin()}


@dataclass(frozen=True)
class Noise(Method):
    """Features that know nothing."""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Noise()


@dataclass(frozen=True)
class Raising(Method):
    """Fails while it is fitted."""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Noise()

    def fit(self, encoder: Encoder, data: Pretraining, run: Run) -> None:
        raise ValueError("this method never works")


class _NaN(Encoder):
    def encode(self, x: Tensor) -> dict[str, Tensor]:
        return {"nan": x.flatten(1)[:, :4] * float("nan")}


@dataclass(frozen=True)
class Undefined(Method):
    """Encodes everything as NaN."""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _NaN()


@dataclass(frozen=True)
class Suicidal(Method):
    """Kills its own process while it is fitted."""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Noise()

    def fit(self, encoder: Encoder, data: Pretraining, run: Run) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class _Trained(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3 * 4 * 4, 8)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        return {"code": self.layer(torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))}


@dataclass(frozen=True)
class SlowlyTrained(Method):
    """Trains a little network by slow steps, noting each step in a file, so that resuming can be watched.

    The file is `diary` with .txt behind: a file that a setting names by itself is taken for one that is read.
    """

    steps: int = 60
    pause: float = 0.02
    diary: str = ""

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Trained()

    def fit(self, encoder: Encoder, data: Pretraining, run: Run) -> None:
        optimiser = torch.optim.Adam(encoder.parameters(), 1e-2)
        for step in run.steps(self.steps, encoder=encoder, optimiser=optimiser):
            x = run.batch(data.train, 16, step)
            noisy = x + 0.1 * torch.randn_like(x)
            loss = (encoder.encode(noisy)["code"] - x.mean((1, 2, 3))[:, None]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.log("loss", step, loss.item())
            time.sleep(self.pause)
            if self.diary:
                with Path(f"{self.diary}.txt").open("a") as diary:
                    diary.write(f"{step}\n")
        run.facts.update(images_seen=self.steps * 16, optimiser_steps=self.steps)


@dataclass(frozen=True)
class Hungry(Method):
    """Takes more and more memory while it is fitted, 50 MB at a time."""

    megabytes: int = 4000

    def build(self, image_size: int, domain: str) -> Encoder:
        return _Noise()

    def fit(self, encoder: Encoder, data: Pretraining, run: Run) -> None:
        eaten = []
        for _ in range(0, self.megabytes, 50):
            eaten.append(np.ones(50 * 2**20, dtype=np.uint8))
            time.sleep(0.1)


@dataclass(frozen=True)
class Endless(SlowlyTrained):
    """A training that no time limit is enough for."""

    steps: int = 1_000_000


@dataclass(frozen=True)
class Tallied(Task):
    """Notes in a file each time that it is computed."""

    dataset: str = "painted_faces"
    number: int = 0
    diary: str = ""

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        with Path(f"{self.diary}.txt").open("a") as diary:
            diary.write(f"{type(encoder).__name__} {self.number} {run.seed}\n")
        time.sleep(0.3)
        return Evaluation([Score("number", float(self.number), 1, main=True)])
