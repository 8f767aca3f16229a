"""Small trainings for tests: images with structure, an interrupted training, features batch by batch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from bench.api import Encoder, Images, Method, Pretraining
from bench.run import Run


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    """(count, size, size, 3) uint8: one soft-edged disc of random place, size and colour on a random plain colour."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:size, :size] / size
    place, radius = rng.uniform(0.3, 0.7, (2, count, 1, 1)), rng.uniform(0.1, 0.3, (count, 1, 1))
    distance = np.hypot(row - place[0], column - place[1])
    disc = np.clip((radius - distance) * 10 + 0.5, 0, 1)[..., None]
    inside, outside = rng.uniform(0, 255, (2, count, 1, 1, 3))
    return (disc * inside + (1 - disc) * outside).astype(np.uint8)


def pretraining(count: int = 32, size: int = 16) -> Pretraining:
    """`count` training and as many validation images of `size` pixels."""
    pixels = pictures(2 * count, size)
    return Pretraining(Images(pixels, np.arange(count)), Images(pixels, np.arange(count, 2 * count)), "face")


def build(method: Method, size: int, seed: int = 0) -> Encoder:
    """The untrained encoder of a seed."""
    torch.manual_seed(seed)
    return method.build(size, "face").eval()


def fitted(method: Method, data: Pretraining, scratch: Path | None = None, seed: int = 0) -> tuple[Encoder, Run]:
    """A trained encoder and its run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(seed=seed, scratch=scratch or Path(folder))
        encoder = build(method, data.train.size, seed)
        method.fit(encoder, data, run)
    return encoder.eval(), run


class Killed(Exception):
    """Stands for the end of a process in the middle of a training."""


def interrupted(method: Method, data: Pretraining, scratch: Path, die_at: tuple[int, str]) -> tuple[Encoder, Run]:
    """Like `fitted`, but the first process dies at step `die_at` of the named phase and a second one goes on."""

    def report(done: int, total: int, what: str) -> None:
        if (done, what) == die_at:
            raise Killed

    first = Run(seed=0, scratch=scratch, report=report, checkpoint_every=0.0)
    try:
        method.fit(build(method, data.train.size), data, first)
    except Killed:
        assert list(scratch.glob("*.checkpoint")), "nothing was checkpointed before the training died"
    else:
        raise AssertionError(f"the training never reached {die_at}")
    return fitted(method, data, scratch)


def assert_resumes(method: Method, data: Pretraining, scratch: Path, die_at: tuple[int, str] = (2, "training")) -> None:
    """An interrupted training ends with the very weights and facts of an uninterrupted one."""
    whole, whole_run = fitted(method, data)
    resumed, resumed_run = interrupted(method, data, scratch, die_at)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), f"{name} differs after an interruption"
    assert whole_run.facts == resumed_run.facts
    assert whole_run.curves == resumed_run.curves


def assert_batch_independent(encoder: Encoder, images: Images) -> None:
    """One image at a time or all together: the same features."""
    with torch.no_grad():
        together = encoder.represent(images[:])
        alone = torch.cat([encoder.represent(images[i : i + 1]) for i in range(len(images))])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5 * float(together.abs().max()))
