"""Parts of a training that several methods have in common: trained once, found by the others under its content key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from bench.artefact import load_module, save_module
from bench.static import source_fingerprint
from bench.store import digest

if TYPE_CHECKING:
    from bench.run import Run

_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Shelf:
    """Where shared parts lie, and what they depend on besides their own settings: data, image size, threads, seed."""

    folder: Path
    basis: str

    def obtain(
        self, what: str, settings: Mapping[str, Any], module: nn.Module, train: Callable[[], None], run: Run
    ) -> None:
        """Fill `module` with the part `what` of these settings; see `Run.shared`."""
        source = source_fingerprint((train.__module__,))  # changed code makes another part
        key = digest([what, dict(settings), self.basis, run.seed, source])
        place = self.folder / f"{what}-{key}"
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{what}-{key}.lock")
        while True:
            run.progress(0, 1, f"waiting for {what}, which another method trains")
            try:
                lock.acquire(timeout=_WAIT_SECONDS)
                break
            except Timeout:
                continue
        with lock:
            if (place / "manifest.json").exists():
                _add(load_module(place, module), run)
                return
            facts, curves = dict(run.facts), set(run.curves)
            start, earlier = time.monotonic(), run.seconds_before
            torch.manual_seed(run.seed)
            train()
            manifest = {
                "key": key,
                "seconds": time.monotonic() - start + run.seconds_before - earlier,
                "facts": {name: _less(value, facts.get(name)) for name, value in run.facts.items()},
                "curves": {name: curve for name, curve in run.curves.items() if name not in curves},
            }
            save_module(place, module, manifest)


def _add(manifest: dict[str, Any], run: Run) -> None:
    """Count what the part has cost as if it had been trained here, and say how long that took."""
    for name, value in manifest["facts"].items():
        before = run.facts.get(name)
        run.facts[name] = value + before if _is_count(value) and _is_count(before) else value
    run.facts["shared_seconds"] = run.facts.get("shared_seconds", 0.0) + manifest["seconds"]
    for name, curve in manifest["curves"].items():
        run.curves[name] = [(step, value) for step, value in curve]


def _less(value: Any, before: Any) -> Any:
    return value - before if _is_count(value) and _is_count(before) else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
