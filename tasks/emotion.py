"""Emotion: which of the seven basic expressions a face shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tasks.classification import Classification


@dataclass(frozen=True)
class Emotion(Classification):
    """Basic emotions: surprise, fear, disgust, happiness, sadness, anger, neutral."""

    target: ClassVar[str] = "emotion"

    protocol: Literal["linear", "clustering", "knn", "few_label"] = "linear"
