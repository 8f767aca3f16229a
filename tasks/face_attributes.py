"""Face attributes: up to 40 yes/no questions per face (CelebA's), mean accuracy over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tasks.classification import Classification


@dataclass(frozen=True)
class FaceAttributes(Classification):
    """Yes/no attributes of a face (smiling, beard, glasses, ...), all heads at once."""

    target: ClassVar[str] = "attributes"

    protocol: Literal["linear", "clustering", "knn", "few_label"] = "linear"
