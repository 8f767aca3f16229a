"""Out-of-distribution viewpoint: trained near the usual view, tested as the head or the car turns further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.api import Domain
from tasks.robustness import Robustness


@dataclass(frozen=True)
class OodViewpoint(Robustness):
    """Faces turned beyond the range of the training pictures, step by step."""

    target: ClassVar[str] = "ood_viewpoint"


@dataclass(frozen=True)
class CarOodViewpoint(Robustness):
    """Cars turned beyond the range of the training pictures, step by step."""

    domain: ClassVar[Domain] = "car"
    target: ClassVar[str] = "ood_viewpoint"

    dataset: str = "syncars"
    label: str = "body_type"
