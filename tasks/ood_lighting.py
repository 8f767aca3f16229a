"""Out-of-distribution lighting: trained under frontal light, tested as the light moves to the side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.api import Domain
from tasks.robustness import Robustness


@dataclass(frozen=True)
class OodLighting(Robustness):
    """Faces under light from outside the range of the training pictures, step by step."""

    target: ClassVar[str] = "ood_lighting"


@dataclass(frozen=True)
class CarOodLighting(Robustness):
    """Cars under light from outside the range of the training pictures, step by step."""

    domain: ClassVar[Domain] = "car"
    target: ClassVar[str] = "ood_lighting"

    dataset: str = "syncars"
    label: str = "body_type"
