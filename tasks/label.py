"""Any one label of a data set of photographs: gender, race, age group, car model, the classes of your own folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.api import Domain
from tasks.classification import Classification


@dataclass(frozen=True)
class Label(Classification):
    """Whatever a data set says of its faces: `target` is the name of the label."""

    dataset: str = "utkface"
    target: str = "gender"  # type: ignore[misc]  # a setting here, a fact of the class elsewhere


@dataclass(frozen=True)
class CarLabel(Label):
    """Whatever a data set says of its cars: `target` is the name of the label."""

    domain: ClassVar[Domain] = "car"

    dataset: str = "stanford_cars"
    target: str = "model"  # type: ignore[misc]
