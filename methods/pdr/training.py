"""What the training loop needs: when to stop, where the time goes, and how much of the shape is learned."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn


class EarlyStopping:
    """Remembers the weights with the lowest validation loss; `stale` counts the validations since then."""

    def __init__(self) -> None:
        self.lowest, self.stale = math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def update(self, loss: float, model: nn.Module) -> None:
        """Take notice of one validation."""
        self.stale += 1
        if loss < self.lowest:
            self.lowest, self.stale = loss, 0
            self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "stale": self.stale, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lowest, self.stale, self.weights = state["lowest"], state["stale"], state["weights"]


class Stopwatch:
    """Splits the time of some steps into named parts; waits for the device only while it is running."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.running = device, False
        self.seconds: dict[str, float] = {}
        self._last = 0.0

    def start(self, running: bool) -> None:
        """Begin a step; nothing is measured unless `running`."""
        self.running = running
        self._last = self._now() if running else 0.0

    def lap(self, name: str) -> None:
        """The time since the last lap went into `name`."""
        if self.running:
            now = self._now()
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
            self._last = now

    def shares(self) -> dict[str, float]:
        """The parts, as shares of their sum."""
        total = sum(self.seconds.values())
        return {name: round(seconds / total, 3) for name, seconds in self.seconds.items()}

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def learned_share(step: int, steps: int, hold: float, blend: float) -> float:
    """How much of the learned depth counts: 0 for the first share `hold` of the training, 1 from `blend` to the end."""
    progress = (step + 1) / steps
    if progress >= blend:
        return 1.0
    return (progress - hold) / (blend - hold) if progress > hold else 0.0
