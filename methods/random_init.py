"""The physically disentangled encoder before any training: what its training adds, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.api import Pretraining
from bench.run import Run
from methods.pdr.encoder import PDREncoder
from methods.pdr.method import PDR


@dataclass(frozen=True)
class RandomInit(PDR):
    """The PDR encoder, untrained; the settings of its networks are pdr's."""

    family: ClassVar[str] = "reference"

    def fit(self, encoder: PDREncoder, data: Pretraining, run: Run) -> None:  # type: ignore[override]
        """Leave the encoder as it was built: for the same seed, exactly where pdr starts."""
        run.facts.update(images_seen=0, optimiser_steps=0)
