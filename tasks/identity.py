"""Identity: whose face is this? Closed set (the same people in train and test) except for verification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.classification import Classification


@dataclass(frozen=True)
class Identity(Classification):
    """Who a face belongs to; protocol "verification" asks whether two faces are the same person's."""

    target: ClassVar[str] = "identity"
