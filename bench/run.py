"""What a running cell is given: seed, device, features, progress, and step-resumable training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Encoder, Images
from bench.errors import NotFinite
from bench.sharing import Shelf

__all__ = ["ENCODE_BATCH", "FeatureCache", "NotFinite", "Run"]

ENCODE_BATCH = 64


class Stateful(Protocol):
    """Anything with a state_dict: modules, optimisers, schedulers."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Interrupted(BaseException):
    """Whoever lends the machine wants it back; training is kept up to here. No `Exception`, as no cell has failed."""


@dataclass
class Requests:
    """What signals ask of a training (see `bench.job`); it answers between two steps."""

    save: bool = False
    leave: bool = False
    in_training: bool = False  # between steps a request is seen; elsewhere nothing could be saved


@dataclass
class _Known:
    """Features of some rows of a data set. `owners` (encoder, pixels) stay alive, as their ids make the cache's key."""

    owners: tuple[Any, Any]
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    blocks: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, rows: np.ndarray, blocks: dict[str, np.ndarray]) -> None:
        self.rows = np.concatenate([self.rows, rows])
        self.blocks = {
            name: np.concatenate([self.blocks[name], block]) if name in self.blocks else block
            for name, block in blocks.items()
        }

    def positions(self, rows: np.ndarray) -> np.ndarray:
        order = np.argsort(self.rows)
        return order[np.searchsorted(self.rows, rows, sorter=order)]


FeatureCache = dict[tuple[int, int], _Known]


@dataclass
class Run:
    """Handed to `fit` and `evaluate`. All randomness derives from `seed`; `scratch` is this cell's own folder."""

    seed: int
    scratch: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    report: Callable[[int, int, str], None] | None = None  # (done, total, what): the progress display
    checkpoint_every: float = 30.0  # seconds between checkpoints
    target: Any = None  # a supervised method's training labels (see Method.supervised)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # logged by `log`: name -> (step, value)
    facts: dict[str, Any] = field(default_factory=dict)  # for the record: images seen, what validation chose
    feature_cache: FeatureCache = field(default_factory=dict)  # shared by the cells of a job
    feature_dim: int | None = None  # of the representation, once it was asked for
    encode_seconds: float = 0.0
    seconds_before: float = 0.0  # of training, in the lives before this one
    began: float = field(default_factory=time.monotonic)  # this life's training
    requests: Requests = field(default_factory=Requests)
    shelf: Shelf | None = None  # of parts that methods have in common
    source: str = ""  # fingerprint of the code: checkpoints of other code are not gone on from

    def progress(self, done: int, total: int, what: str = "") -> None:
        """Tell whoever watches how far this is."""
        if self.report is not None:
            self.report(done, total, what)

    def log(self, name: str, step: int, value: float) -> None:
        """Keep one point of a learning curve. NaN or infinite values raise `NotFinite`."""
        if not np.isfinite(value):
            raise NotFinite(
                f"{name} became {value} at step {step}: lower the learning rate or look at the input images"
            )
        self.curves.setdefault(name, []).append((step, float(value)))

    def rng(self, purpose: str = "") -> np.random.Generator:
        """A NumPy generator that depends on the seed and the purpose alone."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def steps(self, total: int, what: str = "training", **state: Stateful) -> Iterator[int]:
        """The step numbers still to do, of `total`; checkpoints `state` while looping and resumes from the last
        checkpoint.

        Before each step torch's generator is seeded from (seed, step), so a resumed training repeats exactly what an
        uninterrupted one does, provided that batches are drawn by step too (`batch`). Stop early by leaving the loop.
        Raises `Interrupted`, after a checkpoint, where a request to leave has come.
        """
        path = self.scratch / f"{what}.checkpoint"
        start = self._restore(path, state)
        last_save = time.monotonic()
        requests = self.requests
        requests.in_training = True
        try:
            for step in range(start, total):
                due = time.monotonic() - last_save > self.checkpoint_every
                if requests.leave or (step > start and (due or requests.save)):
                    self._save(path, step, state)
                    last_save = time.monotonic()
                    requests.save = False
                if requests.leave:
                    raise Interrupted
                torch.manual_seed(hash((self.seed, step)) % (1 << 63))
                self.progress(step, total, what)
                yield step
        finally:
            requests.in_training = False
        self.progress(total, total, what)

    def shared(self, what: str, settings: Mapping[str, Any], module: nn.Module, train: Callable[[], None]) -> None:
        """Train `module` by `train`, unless a method with the same part has done so on the same data and seed.

        `settings` are all that the result of `train` depends on, besides data and seed. What `train` notes and logs is
        kept with the part. Outside a job (no shelf) it is simply trained.
        """
        if self.shelf is None:
            torch.manual_seed(self.seed)
            train()
        else:
            self.shelf.obtain(what, settings, module, train, self)

    def batch(self, images: Images, size: int, step: int) -> Tensor:
        """Training batch number `step`: (size, 3, H, W) on the device; every epoch is a fresh permutation."""
        return images[self.batch_indices(len(images), size, step)].to(self.device)

    def batch_indices(self, count: int, size: int, step: int) -> np.ndarray:
        """Which of `count` examples make up batch number `step` (without replacement inside an epoch)."""
        size = min(size, count)
        epoch, position = divmod(step, max(count // size, 1))
        order = np.random.default_rng([self.seed, epoch]).permutation(count)
        return order[position * size : (position + 1) * size]

    def features(self, encoder: Encoder, images: Images) -> np.ndarray:
        """(N, D) float32: the representation of every image, in order."""
        blocks = self.blocks(encoder, images)
        whole = np.concatenate([blocks[name] for name in encoder.represented or blocks], axis=1)
        self.feature_dim = whole.shape[1]
        return whole

    def blocks(self, encoder: Encoder, images: Images) -> dict[str, np.ndarray]:
        """Every named feature block of every image: name -> (N, D) float32.

        Tasks of one job share the features of the images they share: only what is not in the cache yet is encoded.
        """
        start = time.monotonic()
        rows = images.rows
        owners = (encoder, images.pixels)
        known = self.feature_cache.setdefault((id(encoder), id(images.pixels)), _Known(owners))
        missing = np.unique(rows[~np.isin(rows, known.rows)])
        if len(missing):
            known.add(missing, self._encode_all(encoder, images.of_rows(missing)))
        position = known.positions(rows)
        self.encode_seconds += time.monotonic() - start
        return {name: block[position] for name, block in known.blocks.items()}

    def _encode_all(self, encoder: Encoder, images: Images) -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {}
        done = 0
        with torch.no_grad():
            for x in images.batches(ENCODE_BATCH):
                for name, features in encoder.encode(x.to(self.device)).items():
                    parts.setdefault(name, []).append(features.float().cpu().numpy())
                done += len(x)
                self.progress(done, len(images), "encoding")
        whole = {name: np.concatenate(blocks) for name, blocks in parts.items()}
        for name, block in whole.items():
            if not np.isfinite(block).all():
                raise NotFinite(
                    f"block {name!r} is NaN or infinite for {int((~np.isfinite(block)).any(1).sum())} images"
                )
        return whole

    def _save(self, path: Path, step: int, state: dict[str, Stateful]) -> None:
        content = {
            "step": step,
            "source": self.source,
            "curves": self.curves,
            "facts": self.facts,
            "seconds": self.seconds_before + time.monotonic() - self.began,
            "state": {k: v.state_dict() for k, v in state.items()},
        }
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        torch.save(content, temporary)
        temporary.replace(path)

    def _restore(self, path: Path, state: dict[str, Stateful]) -> int:
        if not path.exists():
            return 0
        content = torch.load(path, map_location=self.device, weights_only=True)
        if content["source"] != self.source:
            return 0
        for name, part in state.items():
            part.load_state_dict(content["state"][name])
        self.curves = {name: [tuple(point) for point in curve] for name, curve in content["curves"].items()}
        self.facts = content["facts"]
        self.seconds_before = content["seconds"]
        return int(content["step"])
