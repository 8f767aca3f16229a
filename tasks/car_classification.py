"""Car classification: the body type (sedan, hatchback, pickup, ...) of a car."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.api import Domain
from tasks.classification import Classification


@dataclass(frozen=True)
class CarClassification(Classification):
    """A car's body type; test cars are other cars than those seen in training."""

    domain: ClassVar[Domain] = "car"
    target: ClassVar[str] = "body_type"

    dataset: str = "syncars"
    protocol: Literal["linear", "clustering", "knn", "few_label"] = "linear"
